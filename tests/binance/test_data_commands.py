"""``ida data``: what it prints, its documents and exit codes."""

import json
from pathlib import Path
from typing import Any

import pytest
from small_recording import diff_line, session, write

from ida_core.cli import cli


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDA_CACHE_DIR", str(tmp_path / "cache"))


def ida(*words: str | Path) -> int:
    with pytest.raises(SystemExit) as exit_:
        cli.main(["data", *map(str, words)])
    code = exit_.value.code
    assert isinstance(code, int)
    return code


def document(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert next(iter(found)) == "schema"
    return found


def test_check_of_a_sound_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ida("check", write(tmp_path / "a", session())) == 0
    printed = capsys.readouterr().out
    assert "12 books compared with the exchange's best bid and ask, 0 mismatches" in printed
    assert "sound: no fault found" in printed


def test_check_names_each_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "a", [*session()[: diff_line(4) - 1], *session()[diff_line(4) :]])
    assert ida("check", path) == 7
    assert "a:18: gap: BTCUSDT: first update id 110 expected, 112 found" in capsys.readouterr().out
    assert ida("check", path, "--json") == 7
    found = document(capsys)
    assert (found["sound"], found["trusted"]) == (False, False)
    assert found["faults"][0]["line"] == 18
    assert found["instruments"][0]["tick_size"] == "0.5"


def test_import_and_ls(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ida("ls") == 0
    assert "nothing is converted yet" in capsys.readouterr().out
    path = write(tmp_path / "a", session())
    assert ida("import", path) == 0
    assert "spot:BTCUSDT" in capsys.readouterr().out
    assert ida("import", path, "--json") == 0
    assert document(capsys)["feeds"][0]["counts"]["depth"] == 13
    assert ida("ls") == 0
    assert "spot:BTCUSDT" in capsys.readouterr().out
    assert ida("ls", "--json") == 0
    (feed,) = document(capsys)["feeds"]
    assert feed["meta"]["records"] == 39
    assert feed["meta"]["latency_ms"] == {"p1": 3.0, "p50": 3.0, "p99": 3.0, "max": 3.0}
    assert "latency_ns" not in feed["meta"], "a thousand quantiles are for the simulation"
    Path(feed["path"]).write_bytes(b"rubbish")
    assert ida("ls") == 0
    assert "damaged" in capsys.readouterr().out


def test_import_of_damage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "a", [*session()[:8], "rubbish\n", *session()[8:]])
    assert ida("import", path) == 7
    assert "a:9:1: a line begins with a time stamp" in capsys.readouterr().err
    assert ida("import", path, "--on-damage", "skip") == 0


def test_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ida("check", tmp_path / "nowhere") == 7
    assert "nowhere: cannot be read: No such file" in capsys.readouterr().err
