"""What looks at a run says so where the run is damaged, was killed, or cannot be written or read to its end."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ida_core.cli import cli

RUN = ("run", "--feed", "synthetic", "--strategy", "grid", "--report", "json", "--json")


def _ida(*words: object) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words])


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs")
    assert _ida(*RUN, "--duration", 5, "--out", out).exit_code == 0
    return out


@pytest.fixture
def copy(runs: Path, tmp_path: Path) -> Path:
    (run,) = runs.iterdir()
    return Path(shutil.copytree(run, tmp_path / "run"))


def test_last_is_the_youngest_run(runs: Path, copy: Path) -> None:
    os.utime(copy / "run.toml")
    shown = _ida("compare", runs / "LAST", copy.parent / "LAST")
    assert shown.exit_code == 0
    assert [name in shown.stdout for name in (next(runs.iterdir()).name, copy.name)] == [True, True]
    assert _ida("report", copy / "LAST").exit_code == 7


def test_an_unknown_order_is_answered_with_those_there_are(runs: Path) -> None:
    result = _ida("why", runs / "LAST", "o17")
    assert result.exit_code == 2
    assert "no order is called 'o17'; its " in result.stderr
    assert " to ida-" in result.stderr


def test_a_damaged_journal_is_told_and_is_exit_code_7(copy: Path) -> None:
    (segment,) = (copy / "journal").iterdir()
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 0xFF
    segment.write_bytes(data)
    for words in (["report", copy, "--report", "json"], ["compare", copy, copy], ["why", copy, "ida-1"]):
        result = _ida(*words, "--json")
        assert (result.exit_code, "damaged in segment 0 at byte" in result.stderr) == (7, True)
        assert json.loads(result.stdout)["schema"] == 1


def test_the_run_of_a_killed_process_replays_up_to_where_it_breaks_off(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ida_core", *RUN, "--speed", "10", "--out", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        until = time.monotonic() + 30
        while time.monotonic() < until and not any('"order"' in p.read_text() for p in tmp_path.glob("*/log.jsonl")):
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    told = json.loads(_ida("replay", tmp_path / "LAST", "--json").stdout)["replay"]
    assert (told["same"], told["complete"], told["difference"]) == (True, False, None)
    assert told["requests"] > 0
    assert "up to where the journal breaks off" in _ida("replay", tmp_path / "LAST").stdout
    assert "did not end in order" in _ida("report", tmp_path / "LAST").stderr


@pytest.mark.parametrize("below", ["file", "file/deeper"])
def test_a_folder_that_cannot_be_made_is_no_bug(runs: Path, tmp_path: Path, below: str) -> None:
    (tmp_path / "file").touch()
    result = _ida("report", runs / "LAST", "--out", tmp_path / below)
    assert (result.exit_code, "no folder can be made there" in result.stderr) == (7, True)
    result = _ida("new", "strategy", "mine", "--into", tmp_path / below)
    assert (result.exit_code, "cannot be written" in result.stderr) == (7, True)


def test_a_reader_that_went_away_is_no_failure(tmp_path: Path) -> None:
    command = f"{sys.executable} -m ida_core demo --duration 5 --out {tmp_path} | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("0\n", "SIM: market_maker on sim\n")


def test_a_plugin_that_is_skipped_is_told_by_run_and_plan(tmp_path: Path) -> None:
    (tmp_path / "torn.py").write_text("import nosuch\n")
    for words in (("plan", *RUN[1:5]), (*RUN, "--duration", 1, "--out", tmp_path / "runs")):
        result = _ida(*words, "--plugins-dir", tmp_path)
        assert (result.exit_code, "warning: plugin torn was skipped: " in result.stderr) == (0, True)


FEEDS = """
import trio
from ida_core import FeedPlugin, Signal, hookimpl


class Breaks(FeedPlugin):
    name = "breaks"

    async def events(self):
        await trio.sleep(0.5)
        yield Signal(source=self.name, name="first")
        raise RuntimeError("the wire is cut")


class Stutters(FeedPlugin):
    name = "stutters"

    async def events(self):
        yield "no signal"


@hookimpl
def ida_feeds():
    return [Breaks, Stutters]
"""


@pytest.mark.parametrize(
    ("feed", "said"),
    [
        ("breaks", "Plugin breaks failed: events: RuntimeError: the wire is cut (feeds.py:12)"),
        ("stutters", "Plugin stutters failed: events: TypeError: 'no signal' is no ida_core.Signal"),
    ],
)
def test_a_feed_that_fails_is_named_and_the_run_goes_on(tmp_path: Path, feed: str, said: str) -> None:
    (tmp_path / "feeds.py").write_text(FEEDS)
    result = _ida(*RUN, "--feed", feed, "--plugins-dir", tmp_path, "--duration", 2, "--out", tmp_path / "runs")
    assert said in result.stderr
    document = json.loads(result.stdout)
    assert (result.exit_code, document["run"]["ended"], document["run"]["span_s"] > 1.9) == (3, "end of data", True)


def test_a_feed_that_is_not_there_is_told_by_its_name(tmp_path: Path) -> None:
    result = _ida(*RUN, "--feed", "calender", "--out", tmp_path / "runs")
    assert (result.exit_code, "no feed is called 'calender'" in result.stderr) == (3, True)
