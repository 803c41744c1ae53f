"""Records moved to another grid, and looked over."""

from typing import Any

import pytest
from native_records import depth, quote, snapshot, trade

from ida_core.feed import KINDS
from ida_core.native import ffi, lib

INT64_MAX = (1 << 63) - 1


def joined(*records: Any) -> Any:
    """The records one after the other, in memory that the result owns."""
    content = b"".join(bytes(ffi.buffer(ffi.cast("char *", r), r.head.length)) for r in records)
    room = ffi.new("uint64_t[]", len(content) // 8)
    ffi.memmove(room, content, len(content))
    return room


def regrid(
    records: Any,
    multiply: tuple[int, int] = (1, 1),
    divide: tuple[int, int] = (1, 1),
    decimals: tuple[int, int] = (-1, -1),
) -> tuple[int, int]:
    """The status, and where it ended."""
    grid, where = ffi.new("ida_regrid *"), ffi.new("uint64_t *")
    grid.multiply, grid.divide, grid.decimals = multiply, divide, decimals
    status = lib.ida_regrid_records(records, ffi.sizeof(records), grid, 1, where)
    return status, where[0]


def test_every_kind_is_moved() -> None:
    bar = ffi.new(
        "ida_bar *", {"open": 10, "high": 20, "low": 30, "close": 40, "volume": 6, "taker_buy": 9, "trades": 5}
    )
    ticker = ffi.new("ida_ticker *", {"open": 10, "high": 20, "low": 30, "last": 40, "volume": 6, "trades": 5})
    mark = ffi.new("ida_mark *", {"mark_e8": 7})
    for record, kind in ((bar, lib.IDA_BAR), (ticker, lib.IDA_TICKER), (mark, lib.IDA_MARK)):
        record.head.length, record.head.kind = ffi.sizeof(ffi.typeof(record).item), kind
    moved = joined(depth(5, [(10, 3)], [(20, 0)]), bar, ticker, mark)
    assert regrid(moved, (2, 1), (5, 3))[0] == lib.IDA_OK
    at = ffi.cast("char *", moved)
    first = ffi.cast("ida_depth *", at)
    assert [(first.levels[i].price, first.levels[i].quantity) for i in (0, 1)] == [(4, 1), (8, 0)]
    found = ffi.cast("ida_bar *", at + first.head.length)
    assert (found.open, found.high, found.low, found.close) == (4, 8, 12, 16)
    assert (found.volume, found.taker_buy, found.trades) == (2, 3, 5)
    other = ffi.cast("ida_ticker *", ffi.cast("char *", found) + found.head.length)
    assert (other.open, other.last, other.volume, other.trades) == (4, 16, 2, 5)
    last = ffi.cast("ida_mark *", ffi.cast("char *", other) + other.head.length)
    assert last.mark_e8 == 7


def test_learned_records_have_decimals_of_their_own() -> None:
    coarse, fine = snapshot(1, [(5, 2)]), snapshot(2, [(5, 2)])
    coarse.head.crc, fine.head.crc = 1 | 0 << 8, 3 | 2 << 8
    moved = joined(coarse, fine)
    assert regrid(moved, divide=(5, 2), decimals=(3, 2))[0] == lib.IDA_OK
    first = ffi.cast("ida_depth *", moved)
    second = ffi.cast("ida_depth *", ffi.cast("char *", moved) + first.head.length)
    assert (first.levels[0].price, first.levels[0].quantity, first.head.crc) == (100, 100, 0)
    assert (second.levels[0].price, second.levels[0].quantity, second.head.crc) == (1, 1, 0)


@pytest.mark.parametrize(
    ("price", "multiply", "divide", "status"),
    [(7, 1, 2, lib.IDA_OFF_GRID), (INT64_MAX, 2, 1, lib.IDA_RANGE), (INT64_MAX, 2, 2, lib.IDA_OK)],
)
def test_what_does_not_lie_on_the_grid(price: int, multiply: int, divide: int, status: int) -> None:
    good = trade(2, 1)
    assert regrid(joined(good, trade(price, 1)), (multiply, 1), (divide, 1)) == (status, good.head.length)


def test_trades_off_the_book_are_rounded_down() -> None:
    other = trade(7, 3)
    other.head.flags |= lib.IDA_FLAG_OFF_BOOK
    moved = joined(other)
    assert regrid(moved, divide=(2, 2))[0] == lib.IDA_OK
    found = ffi.cast("ida_trade *", moved)
    assert (found.price, found.quantity) == (3, 1)


def test_an_instrument_without_a_grid() -> None:
    other = trade(7, 3)
    other.head.instrument = 1
    assert regrid(joined(other)) == (lib.IDA_UNKNOWN, 0)


def test_survey() -> None:
    unseen, off_book = trade(999, 1), trade(5_000, 1)
    unseen.head.instrument = 7
    off_book.head.flags |= lib.IDA_FLAG_OFF_BOOK
    looked_at = [off_book, depth(1, [(90, 1)], [(400, 1)]), trade(100, 2), quote(3, 99, 1, 300, 1), unseen]
    for i, record in enumerate(looked_at):
        record.head.ts_local_ns, record.head.ts_venue_ns = 100 + i, 100 - 2 * i
    looked_at[3].head.flags |= lib.IDA_FLAG_NO_VENUE_TIME
    records = joined(*looked_at)
    survey, prices, delays = ffi.new("ida_survey *"), ffi.new("ida_survey_prices[]", 1), ffi.new("int64_t[]", 8)
    size = ffi.sizeof(records)
    assert lib.ida_survey_records(records, size, survey, prices, 1, delays, 8) == 4
    assert list(delays[0:4]) == [0, 3, 6, 12]
    counts = {kind: survey.count[i] for i, kind in enumerate(KINDS, 1) if survey.count[i]}
    assert counts == {"depth": 1, "trade": 3, "quote": 1}
    assert (survey.records, survey.off_book, survey.delayed) == (5, 1, 4)
    assert (survey.first_local_ns, survey.last_local_ns) == (100, 104)
    assert (prices[0].first, prices[0].highest, prices[0].records) == (100, 400, 4)
    assert lib.ida_survey_records(records, size, survey, prices, 1, delays, 2) == 2
    assert list(delays[0:2]) == [0, 6]
    assert lib.ida_survey_records(ffi.NULL, 0, survey, prices, 1, delays, 8) == 0
    assert (survey.first_local_ns, prices[0].first) == (-1, -1)
