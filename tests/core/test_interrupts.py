"""What Ctrl-C does to a run: once in order, twice at once, whatever the strategy does."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

STUCK = """
from pathlib import Path
from ida_core import Strategy, hookimpl

class Stuck(Strategy):
    name = "stuck"

    def on_book(self, ctx, book):
        Path("reached").touch()
        while True:
            pass

@hookimpl
def ida_strategies():
    return [Stuck]
"""
PACED = ("--feed", "synthetic", "--speed", "10", "--duration", "600", "--strategy", "grid", "--json")
STALLED = ("--feed", "synthetic", "--strategy", "stuck", "--plugins-dir", "plugins", "--json")
#: Its worst cases are run, and take as long again each.
LONG = ("--feed", "synthetic", "--duration", "900", "--strategy", "grid", "--report", "html")


def _interrupted(
    folder: Path, words: tuple[str, ...], when: Callable[[], bool], signals: list[signal.Signals]
) -> "subprocess.CompletedProcess[str]":
    """Run ``ida run`` in ``folder`` and send the signals, the first of them ``when`` it is time."""
    command = [sys.executable, "-c", "from ida_core.cli import main; main()", "run", *words]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        _wait_for(lambda: when() or process.poll() is not None)
        for number in signals:
            process.send_signal(number)
            time.sleep(0.2)
        try:
            out, err = process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            pytest.fail("it did not end")
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def _wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not condition() and time.monotonic() < until:
        time.sleep(0.02)


def _logged(folder: Path, what: str) -> Callable[[], bool]:
    word = f'"what":"{what}"'
    return lambda: any(word in log.read_text() for log in folder.glob("runs/*/log.jsonl"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_once_cancels_reports_and_is_well(number: signal.Signals, tmp_path: Path) -> None:
    done = _interrupted(tmp_path, PACED, _logged(tmp_path, "order"), [number])
    document = json.loads(done.stdout)
    assert done.returncode == 0
    assert document["run"]["ended"] == "interrupted"
    assert document["warnings"] == ["The run ended before its data did: interrupted."]
    assert document["ledger"]["balanced"]


def test_twice_leaves_a_strategy_that_never_returns(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "stuck.py").write_text(STUCK)
    reached = (tmp_path / "reached").exists
    done = _interrupted(tmp_path, STALLED, reached, [signal.SIGINT, signal.SIGINT])
    assert done.returncode == 130
    assert json.loads(done.stdout)["run"]["ended"] == "interrupted twice"


def test_a_worst_case_cut_short_is_not_told(tmp_path: Path) -> None:
    stopped = _logged(tmp_path, "stop")
    done = _interrupted(tmp_path, LONG, lambda: stopped() and not time.sleep(0.3), [signal.SIGINT])
    assert done.returncode == 0
    (written,) = tmp_path.glob("runs/*/report/worst_cases.json")
    assert [row["name"] for row in json.loads(written.read_text())] == ["as run"]
