"""--feed NAME and the options that live feeds bring along: what is meant is found, what is wrong is named."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from wire_server import write_wire

from ida_core.cli import cli


@pytest.fixture
def plugins_dir(tmp_path: Path) -> Path:
    return write_wire(tmp_path / "plugins")


def _ida(*words: object) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words])


def _shown(plugins_dir: Path, *words: object) -> dict[str, str]:
    result = _ida("config", "show", "--plugins-dir", plugins_dir, "--json", *words)
    assert result.exit_code == 0, result.output
    return {item["key"]: item["value"] for item in json.loads(result.stdout)["settings"]}


@pytest.mark.parametrize("words", [["--wire-address", "h:1"], ["--wire-address=h:1"]])
def test_an_option_of_a_live_feed_sets_the_key_of_its_section(plugins_dir: Path, words: list[str]) -> None:
    shown = _shown(plugins_dir, *words, "--feed", "wire")
    assert shown["wire.address"] == "h:1"
    assert shown["wire.staleness_s"] == 3.0


@pytest.mark.parametrize(("words", "code", "said"), [
    (["--wire-adress", "h:1"], 2, "--wire-adress"),
    (["--wire-address"], 2, "'--wire-address' requires an argument"),
    (["--feed", "wier"], 3, "no feed is called 'wier', nor is a file; did you mean 'wire'?"),
    (["--feed", "wire", "--feed", "synthetic"], 3, "'wire' is live and stands alone; leave out synthetic"),
    (["--feed", "wire", "--speed", "10"], 3, "run.speed = 10: 'wire' is live"),
    (["--feed", "synthetic", "--record", "d"], 3, "only what a live feed receives can be recorded"),
])  # fmt: skip
def test_what_is_wrong_is_named(plugins_dir: Path, words: list[str], code: int, said: str) -> None:
    result = _ida("config", "check", "--plugins-dir", plugins_dir, *words)
    assert result.exit_code == code
    assert said in result.output


def test_help_tells_the_options_of_live_feeds(plugins_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "--wire-address" not in _ida("run", "--help").output
    monkeypatch.setenv("IDA_PLUGINS", str(plugins_dir))
    assert "address of [wire]" in _ida("run", "--help").output
