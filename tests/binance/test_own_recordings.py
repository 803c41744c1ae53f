"""What Ida's own recorder wrote, read again: its grid and filters, its torn end, its files as one session."""

import gzip
import json
from decimal import Decimal
from pathlib import Path

import pytest
from recorded import Run, exchange_info, head, ida, record
from small_recording import DIFFS, START_NS, STEP_NS, diff, line, renumbered, session, snapshot

from ida_binance.recording import BinanceRecording
from ida_core.errors import DataError

HEAD = head("BTCUSDT")
LINES = session()


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDA_CACHE_DIR", str(tmp_path / "cache"))


def rotated_session() -> list[str]:
    """The session, with a snapshot in its middle, as one is asked for when a new file begins."""
    middle = line(0, snapshot(102 + 2 * 5 - 1))
    return renumbered([*LINES[:18], middle, *LINES[18:]])


def test_grid_and_filters_are_the_exchanges(tmp_path: Path) -> None:
    (path,) = record(tmp_path / "r", LINES, head("BTCUSDT", "ETHUSDT"))
    (feed,) = BinanceRecording().open([path], {})
    with feed:
        btc, eth = feed.meta.instruments
    assert (btc.tick_size, btc.lot_size, btc.inferred) == (Decimal("0.01"), Decimal("0.0001"), False)
    assert (btc.base, btc.quote, btc.records) == ("BTC", "USDT", len(LINES))
    assert btc.filters.min_notional == 5
    assert btc.instrument().filters.max_quantity == 9000
    assert (eth.symbol, eth.records) == ("ETHUSDT", 0)
    assert feed.meta.counts == {"snapshot": 1, "depth": 13, "trade": 13, "quote": 12}
    assert (feed.meta.problems_total, feed.meta.ignored) == (0, {})
    check = BinanceRecording().check([path])
    assert check.sound
    assert check.instruments[0].book is not None
    assert check.instruments[0].book.applied == DIFFS


def test_a_grid_in_the_configuration_wins(tmp_path: Path) -> None:
    (path,) = record(tmp_path / "r", LINES, HEAD)
    (feed,) = BinanceRecording().open([path], {"instruments": {"BTCUSDT": {"tick_size": "0.5"}}})
    with feed:
        assert feed.meta.instruments[0].tick_size == Decimal("0.5")
        assert feed.meta.instruments[0].filters.min_notional == 5


def test_instruments_that_are_no_text_are_an_error_with_a_code(tmp_path: Path) -> None:
    wrong = b'{"stream":"!exchangeInfo","data":{"symbols":[{"symbol":"\xb5"}]}}'
    with pytest.raises(DataError, match=r":1:1: the instruments that were recorded cannot be read: .* byte 0xb5"):
        BinanceRecording().open(record(tmp_path / "r", LINES, wrong), {})


@pytest.mark.parametrize(
    "wrong", [b"{}", b'{"symbols":[{}]}', exchange_info("BTCUSDT", tick="-1"), exchange_info("B" * 80)]
)
def test_instruments_that_cannot_be_read_are_damage_and_inferred_at_best(tmp_path: Path, wrong: bytes) -> None:
    (path,) = record(tmp_path / "r", LINES, b'{"stream":"!exchangeInfo","data":%b}' % wrong)
    with pytest.raises(DataError, match=r":1:1: the instruments that were recorded cannot be read: "):
        BinanceRecording().open([path], {})
    (feed,) = BinanceRecording().open([path], {"on_damage": "skip"})
    with feed:
        assert (feed.meta.damaged, feed.meta.records) == (1, len(LINES))
        assert feed.meta.instruments[0].inferred
    assert [(f.line, f.what) for f in BinanceRecording().check([path]).faults] == [(1, "damage")]


@pytest.mark.parametrize("level", [0, 6])
def test_a_file_cut_anywhere_reads_up_to_its_last_whole_line(tmp_path: Path, level: int) -> None:
    (path,) = record(tmp_path / "r", LINES, HEAD, level=level)
    whole = path.read_bytes()
    text = b"".join(gzip.decompress(whole).splitlines(keepends=True)) if level else whole
    assert text.count(b"\n") == len(LINES) + 1
    before = -1
    for end in range(40, len(whole), 97):
        path.write_bytes(whole[:end])
        try:
            (feed,) = BinanceRecording().open([path], {})
        except DataError as error:
            assert error.code in ("IDA-E7010", "IDA-E7012")  # noqa: PT017 - cut before its first message
            assert before < 0
            continue
        with feed:
            records, problems = feed.meta.records, feed.meta.problems
        assert before <= records <= len(LINES)
        assert feed.meta.damaged == 0
        assert [p.rule for p in problems] in ([], ["the file ends within a line: its recorder was killed"])
        before = records
    assert before > len(LINES) - 8


def test_a_torn_end_is_a_finding_but_no_distrust(tmp_path: Path) -> None:
    (path,) = record(tmp_path / "r", LINES, HEAD)
    path.write_bytes(path.read_bytes()[:-30])
    check = BinanceRecording().check([path])
    (fault,) = check.faults
    assert fault.what == "doubt"
    assert "its recorder was killed" in fault.detail
    assert (check.sound, check.trusted) == (False, True)
    run = Run(tmp_path / "runs", "--feed", path)
    assert any("the file ends within a line" in warning for warning in run.document["warnings"])


def test_damage_within_is_damage(tmp_path: Path) -> None:
    (path,) = record(tmp_path / "r", LINES, HEAD)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        BinanceRecording().open([path], {})
    assert caught.value.code == "IDA-E7010"


def test_a_recording_of_others_that_is_torn_still_stops(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress("".join(LINES).encode())[:-30])
    with pytest.raises(DataError, match="the gzip data ends too early"):
        BinanceRecording().open([path], {})


def test_what_the_recorder_dropped_is_told(tmp_path: Path) -> None:
    dropped = '{"stream":"!dropped","data":{"lines":12}}'
    lines = [*LINES[:5], f"{START_NS + 5 * STEP_NS} {dropped}\n", *LINES[5:]]
    (path,) = record(tmp_path / "r", lines, HEAD)
    (fault,) = BinanceRecording().check([path]).faults
    assert (fault.line, fault.what) == (7, "doubt")
    assert "12 messages are missing here" in fault.detail
    (feed,) = BinanceRecording().open([path], {})
    with feed:
        assert feed.meta.problems[0].rule == "12 messages are missing here: the recorder could not write them"


def test_rotated_files_play_as_one_session_and_each_alone(tmp_path: Path) -> None:
    lines = rotated_session()
    paths = record(tmp_path / "three", lines, HEAD, rotate=(17, 30))
    assert len(paths) == 3
    (whole,) = record(tmp_path / "one", lines, HEAD)
    check = BinanceRecording().check(paths)
    assert check.sound
    (instrument,) = check.instruments
    assert instrument.files == tuple(path.name for path in paths)
    assert instrument.book is not None
    assert (instrument.book.applied, instrument.book.resyncs, instrument.book.duplicates) == (DIFFS, 0, 0)
    assert instrument.book.sha256 == BinanceRecording().check([whole]).instruments[0].book.sha256  # type: ignore[union-attr]
    alone = BinanceRecording().check([paths[1]])
    assert alone.instruments[0].book is not None
    assert alone.instruments[0].book.synced
    one, three = Run(tmp_path / "runs", "--feed", whole), Run(tmp_path / "runs", "--feed", tmp_path / "three")
    assert one.market == three.market
    for key in ("book", "fills", "pnl", "orders"):
        assert one.document[key] == three.document[key]
    assert one.document["assumptions"]["filters"].startswith("the exchange's, from the exchangeInfo")
    assert "BTCUSDT" in one.document["assumptions"]["grid"]


def test_a_session_that_begins_with_a_spare_snapshot_goes_on(tmp_path: Path) -> None:
    paths = record(tmp_path / "r", rotated_session(), HEAD, rotate=(19,))
    check = BinanceRecording().check(paths)
    assert check.sound
    assert len(check.instruments) == 1


def test_a_snapshot_that_came_too_early_is_no_fault_once_a_newer_one_came(tmp_path: Path) -> None:
    lines = renumbered([LINES[0], line(0, snapshot(90)), *LINES[1:]])
    check = BinanceRecording().check(record(tmp_path / "r", lines, HEAD))
    assert check.faults == ()
    unmended = renumbered([line(0, diff(1, 98)), line(0, snapshot(90)), *LINES[1:2]])
    check = BinanceRecording().check(record(tmp_path / "s", unmended, HEAD))
    assert [fault.what for fault in check.faults] == ["old_snapshot", "no_snapshot"]


def test_of_a_folder_what_is_no_recording_is_passed_over_and_said(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    record(folder, rotated_session(), HEAD, rotate=(19,))
    (folder / "a-notes.txt").write_text("remember the milk\n")
    (folder / "s-00002.gz").write_bytes(b"")
    (folder / "s-00003.gz").write_bytes((folder / "s-00000.gz").read_bytes()[:60])
    (folder / "within").mkdir()
    run = Run(tmp_path / "runs", "--feed", folder)
    said = [warning for warning in run.document["warnings"] if "passed over" in warning]
    assert len(said) == 3
    assert "a-notes.txt was passed over: it is no recording" in said[0]
    assert "s-00002.gz was passed over: it is empty" in said[1]
    assert "s-00003.gz was passed over: it is empty" in said[2]
    result = ida("data", "check", folder, "--json")
    assert result.exit_code == 0, result.output
    assert [file["name"] for file in json.loads(result.stdout)["files"]] == ["s-00000.gz", "s-00001.gz"]


def test_a_folder_without_a_recording(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    folder.mkdir()
    result = ida("run", "--feed", folder, "--strategy", "market_maker")
    assert result.exit_code == 7
    assert "a folder that holds no recording" in result.output
    (path,) = record(tmp_path / "s", LINES[:1], HEAD, level=0)
    path.write_bytes(path.read_bytes().split(b"\n")[0] + b"\n")
    result = ida("data", "check", path)
    assert result.exit_code == 7
    assert "the recorder was stopped before the first message" in result.output
