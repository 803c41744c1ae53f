"""The market: what changes by each record, quotes against books, and real recordings rebuilt."""

import json
from decimal import Decimal

import pytest
from native_records import apply, depth, mark, quote, read_capture, snapshot, trade

from ida_core.book import Market
from ida_core.model import Instrument, Side
from ida_core.native import lib

BOOK, TOP, STATE = lib.IDA_CHANGED_BOOK, lib.IDA_CHANGED_TOP, lib.IDA_CHANGED_STATE
MAX_PRICE = 10_000


@pytest.fixture
def market():
    """In step at update id 11, 99 x 5 / 101 x 7."""
    market = Market(lib.IDA_CHAIN_CONTIGUOUS, MAX_PRICE, pages=8)
    apply(market, snapshot(10, [(99, 4)], [(101, 7)]))
    apply(market, depth(11, [(99, 5)]))
    return market


def test_comes_into_step_with_the_first_diff():
    market = Market(lib.IDA_CHAIN_CONTIGUOUS, MAX_PRICE)
    assert (market.state, market.synced, market.last_update_id) == ("WAITING", False, None)
    assert apply(market, snapshot(10, [(99, 4)], [(101, 7)])) == 0
    assert (market.state, market.synced, market.last_update_id) == ("FIRST", False, 10)
    assert apply(market, depth(11, ts=5)) == BOOK | TOP | STATE
    assert (market.state, market.synced, market.last_update_id) == ("SYNCED", True, 11)
    assert market.ts_book_ns == 5


def test_kept_diffs_are_replayed_onto_the_snapshot():
    market = Market(lib.IDA_CHAIN_CONTIGUOUS, MAX_PRICE)
    for update_id in range(9, 13):
        assert apply(market, depth(update_id, [(90, update_id)])) == 0
    assert market.buffered == 4
    assert apply(market, snapshot(10, [(99, 4)], [(101, 7)])) == BOOK | TOP | STATE
    assert (market.applied, market.stale, market.buffered) == (2, 2, 0)
    assert market.book.levels(Side.BUY, 9) == [(99, 4), (90, 12)]


@pytest.mark.parametrize(
    ("bids", "asks", "changes"),
    [
        ([(99, 6)], [], BOOK | TOP),
        ([(100, 1)], [], BOOK | TOP),
        ([], [(101, 0)], BOOK | TOP),
        ([(98, 1)], [(105, 2)], BOOK),
        ([(99, 5)], [], BOOK),
        ([], [], 0),
    ],
)
def test_says_what_a_diff_changed(market, bids, asks, changes):
    assert apply(market, depth(12, bids, asks)) == changes


def test_a_gap_leaves_the_book_untrusted_until_a_snapshot(market):
    assert apply(market, depth(14, [(100, 1)])) == lib.IDA_CHANGED_GAP | STATE
    assert (market.gaps, market.last_gap, market.synced) == (1, (12, 14), False)
    assert apply(market, depth(15, [(100, 2)])) == 0
    assert apply(market, snapshot(14, [(98, 1)], [(101, 1)])) == BOOK | TOP | STATE
    assert (market.book.bid, market.book.bid_quantity) == (100, 2)
    assert (market.resyncs, market.last_update_id) == (1, 15)


def test_a_gap_among_the_kept_diffs_is_told():
    market = Market(lib.IDA_CHAIN_CONTIGUOUS, MAX_PRICE)
    for update_id in (11, 13):
        apply(market, depth(update_id))
    assert apply(market, snapshot(10)) == lib.IDA_CHANGED_GAP
    assert (market.synced, market.gaps, market.buffered) == (False, 1, 1)


def test_beyond_the_snapshot_the_book_is_unknown(market):
    """One level a side was told of, as many as asked for: what lies behind is not known."""
    book = market.book
    assert (book.known_to(Side.BUY), book.known_to(Side.SELL)) == (99, 101)
    apply(market, depth(12, [(95, 3)], [(120, 2)]))
    assert (book.depth_to(Side.BUY, 99), book.depth_to(Side.BUY, 95), book.depth_to(Side.SELL, 102)) == (5, None, None)
    assert (book.quantity_at(Side.BUY, 95), book.quantity_at(Side.BUY, 96)) == (3, None)
    assert (book.depth_within(Side.SELL, 100), book.depth_within(Side.SELL, 200)) == (7, None)
    levels = book.levels(Side.BUY, 2)
    assert (levels, levels.known, book.levels(Side.BUY, 1).known) == ([(99, 5), (95, 3)], False, True)
    assert (book.walk(Side.BUY, 5).known, book.walk(Side.BUY, 6).known) == (True, False)
    assert book.vwap_to(Side.BUY, 6) is None
    assert (book.imbalance(), book.imbalance(2)) == ((5 - 7) / 12, None)


def test_the_shorter_side_of_a_snapshot_is_whole_and_a_flag_says_that_both_are():
    market = Market(lib.IDA_CHAIN_CONTIGUOUS, MAX_PRICE)
    assert market.book.depth_to(Side.BUY, 5) is None, "before any snapshot nothing is known"
    apply(market, snapshot(10, [(99, 4), (98, 1)], [(101, 7)]))
    assert market.book.depth_to(Side.BUY, 99) is None, "nor before the first diff"
    apply(market, depth(11))
    assert (market.book.known_to(Side.BUY), market.book.known_to(Side.SELL)) == (98, None)
    assert market.book.depth_to(Side.SELL, 5000) == 7
    market.reset()
    assert market.book.depth_to(Side.SELL, 5000) is None
    whole = snapshot(20, [(99, 4)], [(101, 7)])
    whole.head.flags = lib.IDA_FLAG_WHOLE
    apply(market, whole)
    apply(market, depth(21))
    assert (market.book.depth_to(Side.BUY, 0), market.book.depth_to(Side.SELL, 5000)) == (4, 7)


def test_a_best_price_beyond_the_snapshot_is_told(market):
    assert market.is_known
    apply(market, depth(12, [(99, 0), (97, 2)]))
    assert (market.synced, market.is_known, market.left_known, market.book.bid) == (True, False, 1, 97)
    apply(market, depth(13, [(97, 1)]))
    assert market.left_known == 1
    apply(market, depth(14, [(99, 2)]))
    assert market.is_known
    apply(market, depth(15, [], [(101, 0)]))
    assert (market.is_known, market.left_known) == (False, 2)


def test_after_a_gap_nothing_is_known_until_the_next_snapshot(market):
    apply(market, depth(14))
    assert (market.is_known, market.book.depth_to(Side.BUY, 99)) == (False, None)
    apply(market, snapshot(14, [(98, 1)], [(103, 1)]))
    apply(market, depth(15))
    assert (market.book.known_to(Side.BUY), market.book.known_to(Side.SELL)) == (98, 103)
    assert market.is_known


def test_of_a_silent_stream_nothing_is_known_until_it_is_heard_of(market):
    market.set_silent(True)
    assert (market.is_known, market.book.depth_to(Side.BUY, 99), market.left_known) == (False, None, 0)
    market.set_silent(False)
    assert (market.is_known, market.book.depth_to(Side.BUY, 99), market.left_known) == (True, 5, 0)


@pytest.mark.parametrize(
    ("bids", "change", "count"),
    [
        ([(101, 1)], lib.IDA_CHANGED_CROSSED, "crossed"),
        ([(150, 1)], lib.IDA_CHANGED_CROSSED, "crossed"),
        ([(MAX_PRICE + 1, 1)], lib.IDA_CHANGED_FAULT, "faults"),
        ([(90, -1)], lib.IDA_CHANGED_FAULT, "faults"),
        ([(512 * i, 1) for i in range(12)], lib.IDA_CHANGED_FAULT, "faults"),
    ],
    ids=["locked", "crossed", "beyond max_price", "negative", "no page left"],
)
def test_gives_up_a_book_that_cannot_be(market, bids, change, count):
    assert apply(market, depth(12, bids)) == change | STATE
    assert getattr(market, count) == 1
    assert (market.state, market.book.level_counts, market.gaps) == ("WAITING", (0, 0), 0)
    assert apply(market, depth(13)) == 0
    assert apply(market, snapshot(12, [(99, 1)], [(101, 1)])) == BOOK | TOP | STATE


def test_reset_waits_for_a_snapshot(market):
    market.reset()
    assert (market.synced, market.state, market.gaps) == (False, "WAITING", 0)
    assert apply(market, depth(12)) == 0
    assert apply(market, snapshot(11, [(99, 1)], [(101, 1)])) == BOOK | TOP | STATE


def test_last_price_is_of_trades_on_the_book(market):
    assert market.last_price is None
    assert apply(market, trade(100, 3)) == lib.IDA_CHANGED_LAST
    assert apply(market, trade(100, 4)) == 0
    assert apply(market, trade(120, 9, flags=lib.IDA_FLAG_OFF_BOOK)) == 0
    assert apply(market, trade(0, 9)) == 0
    assert (market.last_price, market.last_quantity, market.off_book) == (100, 4, 2)
    assert market.counts == {
        "snapshot": 1, "depth": 1, "trade": 4, "quote": 0, "bar": 0, "mark": 0, "ticker": 0,
        "partial": 0, "average": 0,
    }  # fmt: skip


def test_marks_are_decimals(market):
    assert (market.mark, market.index, market.funding_rate, market.next_funding_ns) == (None,) * 4
    fields = {"mark_e8": 2815710000000, "index_e8": 2815012345678, "funding_rate_e8": -2754}
    apply(market, mark(**fields, next_funding_ns=1680652800000000000))
    assert market.mark == Decimal("28157.10")
    assert market.index == Decimal("28150.12345678")
    assert market.funding_rate == Decimal("-0.00002754")
    assert market.next_funding_ns == 1680652800000000000


def test_other_kinds_change_nothing(market):
    record = trade(100, 1, ts=77)
    for kind in (0, lib.IDA_NOTE, 65535):
        record.head.kind = kind
        assert apply(market, record) == 0
    assert market.ts_local_ns == 0


GOOD = (99, 5, 101, 7)
WRONG = (99, 6, 101, 7)


@pytest.mark.parametrize(
    ("records", "finished", "expected"),
    [
        ([quote(11, *GOOD)], True, (1, 0)),
        ([quote(11, *WRONG)], True, (1, 1)),
        ([quote(9, *GOOD)], True, (1, 0)),
        ([quote(9, *WRONG), quote(11, *GOOD)], True, (1, 0)),
        ([quote(9, *GOOD), quote(12, *WRONG)], False, (1, 0)),
        ([quote(12, *GOOD)], True, (0, 0)),
        ([quote(9, *GOOD)], False, (0, 0)),
        ([], True, (0, 0)),
        ([quote(11, *GOOD), quote(10, *WRONG), quote(12, *GOOD)], True, (1, 0)),
        ([quote(11, *GOOD), depth(12, [(99, 6)]), quote(12, *WRONG)], True, (2, 0)),
        ([quote(11, *GOOD), depth(12, [(98, 6)])], True, (2, 0)),
        ([quote(11, *GOOD), depth(12, [(99, 6)])], True, (2, 1)),
    ],
    ids=[
        "same id", "other quantity", "older id", "the newest counts", "settled by a later quote",
        "only a later quote", "not settled yet", "no quote", "a late quote misleads nobody",
        "each book has its quote", "one quote, two books", "the quote is missing",
    ],
)  # fmt: skip
def test_compares_each_book_with_its_quote(market, records, finished, expected):
    for record in records:
        apply(market, record)
    if finished:
        market.finish()
    assert (market.quotes_compared, market.quotes_mismatched) == expected


DISPROVED = lib.IDA_CHANGED_DISPROVED


def test_a_book_that_one_quote_after_the_other_disagrees_with_is_given_up(market):
    apply(market, quote(11, *WRONG))
    for update_id in (12, 13):
        assert apply(market, depth(update_id, [(90, 1)])) == BOOK
        assert apply(market, quote(update_id, *WRONG)) == 0
    assert (market.quotes_mismatched, market.disproved, market.synced) == (2, 0, True)
    assert apply(market, quote(14, *WRONG)) == DISPROVED | STATE
    assert (market.disproved, market.state, market.book.level_counts, market.gaps) == (1, "WAITING", (0, 0), 0)
    assert apply(market, depth(14, [(99, 6)])) == 0
    assert apply(market, snapshot(13, [(99, 4)], [(101, 7)])) == BOOK | TOP | STATE
    apply(market, quote(15, *WRONG))
    assert (market.disproved, market.synced, market.book.bid_quantity) == (1, True, 6)


def test_a_diff_that_meets_the_third_quote_is_given_up_with_its_book(market):
    for update_id in (11, 13, 15, 17):
        apply(market, quote(update_id, *WRONG))
    assert [apply(market, depth(update_id)) for update_id in (12, 13, 14)] == [0, 0, 0]
    assert (market.disproved, market.synced) == (0, True)
    assert apply(market, depth(15)) == DISPROVED | STATE
    assert (market.disproved, market.state) == (1, "WAITING")


@pytest.mark.parametrize("agreeing", [False, True], ids=["one quote for many books", "one in three agrees"])
def test_a_book_is_not_given_up_without_proof(market, agreeing):
    """Quotes may be missing for a while, and a change may come and go between two of them."""
    apply(market, quote(11, *WRONG))
    for update_id in range(12, 112):
        apply(market, depth(update_id, [(90, update_id)]))
        if agreeing:
            apply(market, quote(update_id, *(WRONG if update_id % 3 else GOOD)))
    apply(market, quote(112, *GOOD))
    assert market.quotes_mismatched > 60
    assert (market.disproved, market.synced) == (0, True)


def test_mismatches_of_the_book_before_count_for_nothing(market):
    apply(market, quote(11, *WRONG))
    apply(market, depth(12))
    apply(market, quote(13, *WRONG))
    assert market.quotes_mismatched == 2
    apply(market, depth(19))
    apply(market, snapshot(20, [(99, 5)], [(101, 7)]))
    apply(market, depth(21))
    apply(market, quote(21, *WRONG))
    apply(market, quote(22, *GOOD))
    assert (market.quotes_mismatched, market.disproved, market.synced) == (3, 0, True)


def test_quotes_that_came_before_the_diff_are_remembered(market):
    for update_id in range(11, 1011):
        apply(market, quote(update_id, 99, update_id, 101, 7))
    for update_id in range(12, 1011, 7):
        ids = {"first_id": market.last_update_id + 1}
        apply(market, depth(update_id, [(99, update_id)], **ids))
    market.finish()
    assert (market.quotes_compared, market.quotes_mismatched, market.mismatch_id) == (144, 1, 11)


def test_more_books_than_are_remembered_without_a_quote(market):
    apply(market, quote(11, *GOOD))
    for update_id in range(12, 10012):
        apply(market, depth(update_id, [(98, update_id)]))
    market.finish()
    assert (market.quotes_compared, market.quotes_mismatched) == (10001, 0)


#: name: chain, decimals of price and quantity, quotes (compared, mismatched)
CAPTURES = {
    "usdm_btcusdt_20220811_7s": (lib.IDA_CHAIN_PREVIOUS, 1, 3, (0, 0)),
    "usdm_btcusdt_20240808": (lib.IDA_CHAIN_PREVIOUS, 1, 3, (6547, 0)),
    # Twice the bid fell and came back between two quotes. Some lots there have 8 decimals.
    "spot_btcusdt_20240808": (lib.IDA_CHAIN_CONTIGUOUS, 2, 8, (6493, 2)),
    "cm_btcusd_perp_20240808": (lib.IDA_CHAIN_PREVIOUS, 1, 0, (44772, 0)),
    "usdm_btcusdt_20230404": (lib.IDA_CHAIN_PREVIOUS, 1, 3, (16110, 0)),
}


def rebuild(files, chain, price, quantity):
    market = Market(chain, 100_000_000)
    for file in files:
        for record in read_capture(file, price, quantity):
            apply(market, record)
    market.finish()
    return market


@pytest.mark.slow
@pytest.mark.parametrize("name", CAPTURES)
def test_rebuilds_a_recorded_book(recordings, name):
    chain, price, quantity, quotes = CAPTURES[name]
    answers = json.loads((recordings / "captures/expected.json").read_text())[name]
    files = [recordings / "captures" / file for file in answers["files"]]
    market = rebuild(files, chain, price, quantity)
    instrument = Instrument(
        symbol="BTCUSDT", base="BTC", quote="USDT",
        tick_size=Decimal(1).scaleb(-price), lot_size=Decimal(1).scaleb(-quantity),
    )  # fmt: skip
    assert market.last_update_id == answers["last_u"]
    assert (market.applied, market.stale) == (answers["applied"], answers["stale_dropped"])
    assert (market.gaps, market.crossed, market.faults) == (0, 0, 0)
    assert (market.quotes_compared, market.quotes_mismatched) == quotes
    assert list(market.book.level_counts) == answers["final_levels"]
    assert market.book.sha256(instrument) == answers["final_book_sha256"]


def test_rebuilds_the_first_seconds_of_a_recorded_book(recordings):
    file = recordings / "captures/spot_btcusdt_20240808_first15s.gz"
    market = rebuild([file], lib.IDA_CHAIN_CONTIGUOUS, 2, 8)
    assert (market.applied, market.stale, market.gaps) == (148, 2, 0)
    assert (market.quotes_compared, market.quotes_mismatched) == (148, 0)
