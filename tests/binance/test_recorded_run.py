"""A run on live prices, recorded beside it, and a run on that recording: the same books, the same market records.

The exchange is ``ida exchange``, a process of its own; both runs are processes too, as users have them.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from recorded import MARKET_KINDS, Run

from ida_binance.recording import BinanceRecording
from ida_core.journal import JournalReader
from ida_core.native import ffi
from ida_core.recorded_files import recording_files

IDA = (sys.executable, "-m", "ida_core")
CAPTURE = "captures/spot_btcusdt_20240808_first15s.gz"
SYMBOL = ("--symbol", "BTCUSDT")


@contextmanager
def exchange(*words: str) -> Iterator[str]:
    """Its address, as long as the block."""
    command = [*IDA, "exchange", "--port", "0", "--json", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["rest"]
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate()


def live(url: str, folder: Path, duration_s: int, *words: str) -> dict[str, Any]:
    """The document of a live run that records into ``folder / "recorded"``."""
    command = [
        *IDA, "run", "--feed", "binance", "--binance-url", url, *SYMBOL, "--strategy", "market_maker", "--json",
        "--record", str(folder / "recorded"), "--out", str(folder / "live"), "--duration", str(duration_s), *words,
    ]  # fmt: skip
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    document: dict[str, Any] = json.loads(ended.stdout)
    return document


def market_records(document: dict[str, Any]) -> bytes:
    """All market records of the run's journal, one after the other as they lie there."""
    with JournalReader(Path(document["run"]["out"]) / "journal") as reader:
        return b"".join(bytes(piece) for piece in reader.stretches(MARKET_KINDS))


def number_of(records: bytes) -> int:
    start, at, number = ffi.from_buffer(records), 0, 0
    while at < len(records):
        at += ffi.cast("const ida_record *", start + at).length
        number += 1
    return number


def files_of(folder: Path) -> list[Path]:
    return recording_files(folder / "recorded", BinanceRecording().recognises)[0]


@pytest.mark.parametrize("rotate_s", [0, 0.3])
def test_a_recorded_run_is_seen_again_record_by_record(recordings: Path, tmp_path: Path, rotate_s: float) -> None:
    """The recorded market ends before the runs do, so nothing is left out of either."""
    with exchange("--feed", str(recordings / CAPTURE), "--speed", "10") as url:
        document = live(url, tmp_path, 5, "--set", f"binance.record_rotate_s={rotate_s}")
    again = Run(tmp_path / "again", "--feed", tmp_path / "recorded")
    assert (len(files_of(tmp_path)) > 1) == bool(rotate_s)
    assert document["events"]["by_kind"]["depth"] > 100
    assert again.market == market_records(document)
    assert again.document["book"] == document["book"]
    assert again.document["events"] == document["events"]
    (served,) = BinanceRecording().check([recordings / CAPTURE]).instruments
    assert served.book is not None
    assert document["book"]["BTCUSDT"]["sha256"] == served.book.sha256


def test_a_run_that_ends_in_the_middle_of_a_market_is_a_beginning_of_its_recording(tmp_path: Path) -> None:
    """What came after the run's last look at the market is recorded too: that alone it did not see."""
    with exchange(*SYMBOL, "--seed", "3") as url:
        document = live(url, tmp_path, 3)
    again = Run(tmp_path / "again", "--feed", tmp_path / "recorded")
    seen = market_records(document)
    assert document["events"]["by_kind"]["depth"] > 5
    assert again.market.startswith(seen)
    assert number_of(again.market[len(seen) :]) < number_of(seen) / 10
    check = BinanceRecording().check(files_of(tmp_path))
    assert check.sound
    assert "exchangeInfo that was recorded" in again.document["assumptions"]["filters"]


def test_a_run_that_is_killed_leaves_a_recording_and_a_journal_that_agree(tmp_path: Path) -> None:
    with exchange(*SYMBOL, "--seed", "4") as url:
        command = [
            *IDA, "run", "--feed", "binance", "--binance-url", url, *SYMBOL, "--strategy", "market_maker",
            "--record", str(tmp_path / "recorded"), "--out", str(tmp_path / "live"),
            "--set", "binance.record_flush_s=0.05",
        ]  # fmt: skip
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            while sum(path.stat().st_size for path in (tmp_path / "recorded").glob("*")) < 8000:
                assert process.poll() is None
                with pytest.raises(subprocess.TimeoutExpired):
                    process.wait(0.05)
            process.kill()
    (folder,) = (tmp_path / "live").iterdir()
    seen = market_records({"run": {"out": str(folder)}})
    again = Run(tmp_path / "again", "--feed", tmp_path / "recorded")
    shorter = min(len(seen), len(again.market))
    assert shorter > 1000
    assert seen[:shorter] == again.market[:shorter]
