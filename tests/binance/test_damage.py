"""Damaged recordings, made on the fly from a sound one: each fault is named with its line."""

import gzip
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from small_recording import (
    DIFFS,
    START_NS,
    STEP_NS,
    Lines,
    diff_line,
    line,
    renumbered,
    session,
    snapshot,
    trade,
    write,
)

from ida_binance.findings import CheckResult
from ida_binance.recording import BinanceRecording
from ida_core.errors import ConfigError, DataError
from ida_core.feed import Feed


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDA_CACHE_DIR", str(tmp_path / "cache"))


def checked(path: Path, **options: Any) -> CheckResult:
    return BinanceRecording().check([path], options)


def opened(path: Path, **options: Any) -> Feed:
    return BinanceRecording().open([path], options)[0]


def test_the_session_is_sound(tmp_path: Path) -> None:
    path = write(tmp_path / "a", session())
    check = checked(path)
    book = check.instruments[0].book
    assert check.faults == ()
    assert check.sound
    assert book is not None
    assert (book.stale, book.applied) == (1, DIFFS)
    assert (book.quotes_compared, book.quotes_mismatched) == (DIFFS, 0)
    with opened(path) as feed:
        instrument = feed.meta.instruments[0]
        assert instrument.tick_size == Decimal("0.5")
        assert instrument.lot_size == Decimal("0.25")
        assert feed.meta.counts == {"snapshot": 1, "depth": 13, "trade": 13, "quote": 12}
        assert set(feed.meta.latency_ns) == {3_000_000}


#: name → change of the session, (what, line) of the faults, and whether the book is to be trusted.
VARIANTS: dict[str, tuple[Callable[[Lines], Lines], list[tuple[str, int]], bool]] = {
    "garbage line": (lambda ls: [*ls[:8], "rubbish\n", *ls[8:]], [("damage", 9)], False),
    "no stamp": (lambda ls: [*ls[:8], "{}\n", *ls[8:]], [("damage", 9)], False),
    "message cut within": (
        lambda ls: [*ls[:8], ls[8][:60] + "\n", *ls[9:]],
        [("damage", 9)], False,
    ),
    "last line cut": (lambda ls: [*ls[:-1], ls[-1][:-20]], [("damage", 39)], False),
    "missing diff": (lambda ls: ls[: diff_line(4) - 1] + ls[diff_line(4) :], [("gap", 18)], False),
    "duplicate diff": (
        lambda ls: renumbered([*ls[: diff_line(4)], *ls[diff_line(4) - 1 :]]),
        [("duplicate", 17)], True,
    ),
    "swapped diffs": (
        lambda ls: renumbered([*ls[:15], ls[18], *ls[16:18], ls[15], *ls[19:]]),
        [("gap", 16)], False,
    ),
    "missing snapshot": (lambda ls: [*ls[:2], *ls[3:]], [("no_snapshot", 1)], False),
    "stale snapshot": (
        lambda ls: renumbered([*ls[:2], line(3, snapshot(90)), *ls[3:]]),
        [("old_snapshot", 3), ("no_snapshot", 1)], False,
    ),
    "zero price": (lambda ls: [*ls[:5], line(6, trade(6, "0.00")), *ls[6:]], [("doubt", 6)], True),
    "clock back": (
        lambda ls: [*ls[:5], ls[5].replace(str(START_NS + 6 * STEP_NS), str(START_NS)), *ls[6:]],
        [("doubt", 6)], True,
    ),
    "crossed book": (
        lambda ls: [*ls[:15], ls[15].replace('"99.50"', '"110.50"'), *ls[16:]],
        [("crossed", 16)], False,
    ),
    "book that differs": (
        lambda ls: [*ls[:15], ls[15].replace('"b":[', '"b":[["100.00","1.00"],'), *ls[16:]],
        [("mismatch", diff_line(i)) for i in range(4, 7)], False,  # then it is given up
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", VARIANTS)
def test_every_fault_has_its_line(name: str, tmp_path: Path) -> None:
    change, faults, trusted = VARIANTS[name]
    path = write(tmp_path / "a", change(session()))
    check = checked(path)
    assert [(fault.what, fault.line) for fault in check.faults] == faults
    assert (check.sound, check.trusted) == (False, trusted)
    assert all(fault.file == "a" and fault.detail for fault in check.faults)


def test_a_gap_is_told_with_its_ids(tmp_path: Path) -> None:
    path = write(tmp_path / "a", VARIANTS["missing diff"][0](session()))
    assert str(checked(path).faults[0]) == ("a:18: gap: BTCUSDT: first update id 110 expected, 112 found")


def test_a_snapshot_after_a_gap_is_a_resync(tmp_path: Path) -> None:
    lines = VARIANTS["missing diff"][0](session())
    lines = renumbered([*lines[:20], line(0, snapshot(114)), *lines[20:]])
    check = checked(write(tmp_path / "a", lines))
    book = check.instruments[0].book
    assert book is not None
    assert (book.gaps, book.resyncs, book.synced) == (1, 1, True)
    assert [fault.what for fault in check.faults] == ["gap"]
    assert not check.trusted


STOPPING = ("garbage line", "no stamp", "message cut within", "last line cut")


@pytest.mark.parametrize("name", STOPPING)
def test_damage_stops_unless_it_may_be_skipped(name: str, tmp_path: Path) -> None:
    change, ((_, number),), _ = VARIANTS[name]
    path = write(tmp_path / "a", change(session()))
    for _ in range(2):  # the second time the skipping feed is in the cache
        with pytest.raises(DataError, match=rf"a:{number}:\d+: .*\(the {number - 1} lines before") as caught:
            opened(path)
        assert caught.value.exit_code == 7
        assert "on_damage" in str(caught.value)
        with opened(path, on_damage="skip") as feed:
            assert (feed.meta.damaged, feed.meta.problems_total) == (1, 1)
            assert feed.meta.problems[0].line == number
            assert feed.meta.records == len(session()) - (name in STOPPING[2:])
    cached = [file.name for file in (tmp_path / "cache" / "feeds").iterdir()]
    assert len(cached) == 1


@pytest.mark.parametrize("name", ["zero price", "clock back"])
def test_doubts_do_not_stop(name: str, tmp_path: Path) -> None:
    with opened(write(tmp_path / "a", VARIANTS[name][0](session()))) as feed:
        assert (feed.meta.damaged, feed.meta.problems_total) == (0, 1)
        assert feed.meta.problems[0].line == 6
        assert not feed.meta.problems[0].damage
        stamps = [START_NS + n * STEP_NS for n in (1, len(session()))]
        assert [feed.meta.first_local_ns, feed.meta.last_local_ns] == stamps


def test_a_last_line_without_its_end_is_taken_if_it_is_whole(tmp_path: Path) -> None:
    lines = session()
    with opened(write(tmp_path / "a", [*lines[:-1], lines[-1].rstrip("\n")])) as feed:
        assert feed.meta.records == len(lines)


def packed(lines: Lines) -> bytes:
    return gzip.compress("".join(lines).encode())


def test_gzip_whole_and_in_several_members(tmp_path: Path) -> None:
    lines = session()
    path = tmp_path / "a.gz"
    for content in (packed(lines), packed(lines[:7]) + packed(lines[7:]), packed(lines) + b"\0" * 9):
        path.write_bytes(content)
        with opened(path) as feed:
            assert feed.meta.records == len(lines)


def test_gzip_that_ends_too_early(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    whole = packed(session())
    for cut in (len(whole) - 1, len(whole) - 8, len(whole) // 2, 40):
        path.write_bytes(whole[:cut])
        with pytest.raises(DataError, match="the gzip data ends too early: this line is cut"):
            opened(path)
        check = checked(path) if cut > 40 else None
        if check:
            assert check.faults[0].what == "damage"
            assert check.faults[0].line == check.files[0].lines + 1


def test_gzip_with_a_wrong_byte(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    whole = packed(session())
    for at in (len(whole) - 6, len(whole) // 2):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        with pytest.raises(DataError):
            opened(path)


def test_gzip_damaged_at_its_checksum_keeps_all_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    whole = packed(session())
    path.write_bytes(whole[:-6] + b"\0\0" + whole[-4:])
    with opened(path, on_damage="skip") as feed:
        assert feed.meta.records == len(session())
        assert "gzip data is damaged" in feed.meta.problems[0].rule
        assert feed.meta.problems[0].line == len(session()) + 1


def test_a_grid_that_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "a", session())
    for name in ("BTCUSDT", "spot:BTCUSDT"):
        told = {name: {"tick_size": "0.01", "lot_size": Decimal("0.05")}}
        with opened(path, instruments=told) as feed:
            instrument = feed.meta.instruments[0]
            assert (instrument.tick_size, instrument.lot_size) == (Decimal("0.01"), Decimal("0.05"))
            assert not instrument.inferred
            assert instrument.first_price == 10050
        with opened(path, instruments={name: {"tick_size": "0.01"}}) as feed:
            assert feed.meta.instruments[0].lot_size == Decimal("0.25")


def test_a_price_off_a_told_grid(tmp_path: Path) -> None:
    path = write(tmp_path / "a", session())
    told = {"BTCUSDT": {"tick_size": "1"}}
    with pytest.raises(DataError, match=r"a:1:\d+: a price lies between two ticks: 99.50"):
        opened(path, instruments=told)
    with pytest.raises(DataError, match="none of its 39 lines") as caught:
        opened(path, instruments=told, on_damage="skip")
    assert "between two ticks: 99.50" in caught.value.problems[0]


def test_a_line_off_a_told_grid_is_left_out(tmp_path: Path) -> None:
    lines = [*session(), line(40, trade(40, "100.53"))]
    path = write(tmp_path / "a", lines)
    told = {"BTCUSDT": {"tick_size": "0.5"}}
    with opened(path, instruments=told, on_damage="skip") as feed:
        assert feed.meta.records == len(lines) - 1
        assert (feed.meta.damaged, feed.meta.problems[0].line) == (1, 40)
    with pytest.raises(DataError, match=r"a:40:.*a price lies between two ticks: 100.53"):
        opened(path, instruments=told)


def test_an_unknown_symbol_in_the_options(tmp_path: Path) -> None:
    path = write(tmp_path / "a", session())
    with pytest.raises(ConfigError, match="no such symbol; did you mean 'BTCUSDT'"):
        opened(path, instruments={"BTCUSD": {"tick_size": "1"}})


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"on_damage": "ignore"}, "on_damage = 'ignore': 'stop' or 'skip'"),
        ({"instruments": {"BTCUSDT": {"tick": 1}}}, "no such key; did you mean 'tick_size'"),
        ({"instruments": {"BTCUSDT": {"tick_size": 0}}}, "a decimal above 0"),
        ({"instruments": {"BTCUSDT": {"lot_size": "x"}}}, "a decimal above 0"),
        ({"instruments": {"BTCUSDT": {"lot_size": "1E-19"}}}, "at most 18 decimals"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=text):
        opened(write(tmp_path / "a", session()), **options)


def test_a_grid_common_to_all_files(tmp_path: Path) -> None:
    first = write(tmp_path / "a", [line(1, trade(1, "100.50")), line(2, trade(2, "101.00"))])
    second = write(tmp_path / "b", [line(3, trade(3, "100.20"))])
    feeds = BinanceRecording().open([first, second], {})
    instruments = [feed.meta.instruments[0] for feed in feeds]
    assert [i.tick_size for i in instruments] == [Decimal("0.1")] * 2
    assert [i.first_price for i in instruments] == [1005, 1002]
    assert all(i.inferred for i in instruments)


def test_an_event_or_reply_that_nobody_knows_is_counted(tmp_path: Path) -> None:
    others = [
        line(1, {"result": None, "id": 1}),
        line(2, {"e": "forceOrder", "o": {}}),
        line(3, {"stream": "btcusdt@forceOrder", "data": {"e": "forceOrder", "E": 1, "o": {}}}),
    ]
    with opened(write(tmp_path / "a", renumbered([*others, *session()]))) as feed:
        assert feed.meta.ignored == {"control reply": 1, "unknown event forceOrder": 2}
        assert feed.meta.problems_total == 0


def test_a_snapshot_that_could_be_of_several_symbols(tmp_path: Path) -> None:
    other = line(4, trade(4, s="ETHUSDT")).replace("btcusdt@", "ethusdt@")
    path = write(tmp_path / "a", [*session()[:3], other, *session()[4:]])
    with pytest.raises(DataError, match="a:3:21: no symbol is named"):
        opened(path)


def test_a_symbol_of_two_markets(tmp_path: Path) -> None:
    future = line(4, trade(4, X="MARKET")).replace(',"M":true', "")
    path = write(tmp_path / "a", [*session()[:3], future])
    with pytest.raises(DataError, match="a:4:21: the same symbol of two markets"):
        opened(path)


def test_files_that_hold_nothing(tmp_path: Path) -> None:
    for content in ([], ["\n", "\r\n"], [line(1, {"result": None, "id": 1})]):
        with pytest.raises(DataError, match="is market data"):
            opened(write(tmp_path / "a", content))
    with pytest.raises(DataError, match="nowhere: cannot be read: No such file"):
        opened(tmp_path / "nowhere")
    with pytest.raises(DataError, match="not a file"):
        opened(tmp_path)


def test_a_price_that_no_book_can_hold(tmp_path: Path) -> None:
    lines = session()
    lines[15] = lines[15].replace('"99.50"', '"99.500000000000001"')
    lines[18] = lines[18].replace('"99.50"', '"9000.50"')
    with pytest.raises(DataError, match="is a price wrong"):
        checked(write(tmp_path / "a", lines))


def test_what_is_recognised() -> None:
    recording = BinanceRecording()
    for head in (b'1763800000000000000 {"e"', b"1763800000000000 {"):
        assert recording.recognises(Path("a"), head)
    for head in (b"", b"{}", b"17638000000000000 {", b"1763800000000000 [", b"\x1f\x8b\x08"):
        assert not recording.recognises(Path("a"), head)
