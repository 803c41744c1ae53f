"""The fold of a journal that holds a real recording ends in the book that the exchange had."""

import json
from pathlib import Path

import pytest
from made_runs import MadeRun

from ida_binance.recording import BinanceRecording
from ida_core.native import ffi, lib
from ida_core.report import load

CAPTURES = ("usdm_btcusdt_20240808", "usdm_btcusdt_20220811_7s")


@pytest.mark.parametrize("name", CAPTURES)
def test_the_folded_book_is_the_exchanges(
    recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("IDA_CACHE_DIR", str(tmp_path / "cache"))
    captures = recordings / "captures"
    answers = json.loads((captures / "expected.json").read_text())[name]
    files = [captures / file for file in answers["files"]]
    document = load(_journaled(tmp_path / "run", files)).document()
    book = document["book"]["BTCUSDT"]
    assert book["sha256"] == answers["final_book_sha256"]
    assert (book["last_update_id"], book["gaps"]) == (answers["last_u"], len(answers["gaps"]))
    assert [book["best_bid"], book["best_ask"]] == answers["final_top"][::2]
    assert book["levels"] == answers["final_levels"]
    assert document["events"]["total"] == sum(answers["messages"].values())


def _journaled(run_dir: Path, files: list[Path]) -> Path:
    """A run that only listened."""
    (feed,) = BinanceRecording().open(files, {})
    (instrument,) = feed.meta.instruments
    run = MadeRun(run_dir, (instrument.instrument(),), chains=[instrument.chain])
    first, length = feed.records
    at, end = ffi.cast("char *", first), ffi.cast("char *", first) + length
    while at < end:
        record = ffi.cast("ida_record *", at)
        run.journal.check(lib.ida_journal_append(run.journal.pointer, record, 0))
        at += record.length
    return run.break_off()
