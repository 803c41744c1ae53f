"""Real recordings: what is imported and checked is what is known of them."""

import json
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ida_binance.findings import CheckResult
from ida_binance.recording import BinanceRecording
from ida_core.feed import Feed, clock_offset
from ida_core.model import plain
from ida_core.native import ffi, lib

#: name → market, tick size, lot size as the numbers show them, and books that a quote is known for.
CAPTURES = {
    "usdm_btcusdt_20240808": ("usdm", "0.1", "0.001", 6547),
    "spot_btcusdt_20240808": ("spot", "0.01", "0.000001", 6493),
    "cm_btcusd_perp_20240808": ("coinm", "0.1", "1", 44772),
    "usdm_btcusdt_20230404": ("usdm", "0.1", "0.001", 16110),
    "usdm_btcusdt_20220811_7s": ("usdm", "0.1", "0.001", 0),
}
UNTRUSTED = "spot_btcusdt_20230405_nosnapshot"


class Capture:
    """One entry of expected.json, imported and checked once for all tests."""

    def __init__(self, folder: Path, name: str) -> None:
        self.expected: dict[str, Any] = json.loads((folder / "expected.json").read_text())[name]
        paths = [folder / file for file in self.expected["files"]]
        self.feeds: list[Feed] = BinanceRecording().open(paths, {})
        self.check: CheckResult = BinanceRecording().check(paths)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IDA_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module", params=[*CAPTURES, UNTRUSTED])
def capture(request: pytest.FixtureRequest, recordings: Path, cache: None) -> tuple[str, Capture]:
    return request.param, Capture(recordings / "captures", request.param)


def ns(stamp: int) -> int:
    """Stamps of 16 digits are microseconds."""
    return stamp if stamp > 10**17 else stamp * 1000


def records(feed: Feed) -> Iterator[Any]:
    first, length = feed.records
    at = ffi.cast("const char *", first)
    end = at + length
    while at < end:
        record = ffi.cast("const ida_record *", at)
        at += record.length
        yield record


def test_messages_are_counted(capture: tuple[str, Capture]) -> None:
    _, found = capture
    messages: Counter[str] = Counter()
    for feed in found.feeds:
        messages.update(feed.meta.streams)
        assert sum(feed.meta.counts.values()) == feed.meta.records == feed.meta.sources[0].lines
        assert (feed.meta.problems_total, feed.meta.damaged, feed.meta.ignored) == (0, 0, {})
    assert messages == found.expected["messages"]
    instrument = found.check.instruments[0]
    assert sum(instrument.counts.values()) == messages.total()
    assert (instrument.first_local_ns, instrument.last_local_ns) == (
        found.feeds[0].meta.first_local_ns,
        found.feeds[-1].meta.last_local_ns,
    )
    assert found.feeds[0].meta.first_local_ns == ns(found.expected["first_local"])
    assert found.feeds[-1].meta.last_local_ns == ns(found.expected["last_local"])


def test_trades_sum_up(capture: tuple[str, Capture]) -> None:
    _, found = capture
    expected = found.expected["trades"]
    makers = takers = lots = notional = off_book = 0
    for feed in found.feeds:
        for record in records(feed):
            if record.kind == lib.IDA_TRADE:
                trade = ffi.cast("const ida_trade *", record)
                maker = bool(record.flags & lib.IDA_FLAG_BUYER_IS_MAKER)
                makers, takers = makers + maker, takers + (not maker)
                lots, notional = lots + trade.quantity, notional + trade.quantity * trade.price
                off_book += bool(record.flags & lib.IDA_FLAG_OFF_BOOK)
    instrument = found.feeds[0].meta.instruments[0]
    assert (makers, takers) == (expected["buyer_is_maker"], expected["buyer_is_taker"])
    assert plain(lots * instrument.lot_size) == expected["sum_qty"]
    value = notional * instrument.lot_size * instrument.tick_size
    assert plain(value) == expected["sum_price_x_qty"]
    elsewhere = sum(n for kind, n in expected["by_X"].items() if kind not in ("", "MARKET"))
    assert off_book == elsewhere == sum(feed.meta.off_book for feed in found.feeds)
    assert found.check.instruments[0].off_book == elsewhere


def test_the_grid_is_found(capture: tuple[str, Capture]) -> None:
    name, found = capture
    market, tick, lot, _ = CAPTURES.get(name, ("spot", "0.01", "0.000001", 0))
    for feed in found.feeds:
        instrument = feed.meta.instruments[0]
        assert (instrument.market, instrument.inferred) == (market, True)
        assert (instrument.tick_size, instrument.lot_size) == (Decimal(tick), Decimal(lot))
        assert instrument.highest_price >= instrument.first_price > 0
        assert instrument.prices_seen > 1000
        assert instrument.chain == (0 if market == "spot" else 1)


def test_the_book_is_rebuilt(capture: tuple[str, Capture]) -> None:
    name, found = capture
    if name == UNTRUSTED:
        pytest.skip("no snapshot in it")
    expected, book = found.expected, found.check.instruments[0].book
    assert book is not None
    assert len(found.check.instruments) == 1
    assert (found.check.sound, found.check.trusted, found.check.faults) == (True, True, ())
    assert book.snapshot_id == expected["snapshot_id"]
    assert (book.stale, book.applied) == (expected["stale_dropped"], expected["applied"])
    assert (book.gaps, book.duplicates, book.crossed, book.resyncs) == (0, 0, 0, 0)
    assert expected["gaps"] == []
    assert book.last_update_id == expected["last_u"]
    assert [*(book.best_bid or ()), *(book.best_ask or ())] == expected["final_top"]
    assert list(book.levels) == expected["final_levels"]
    assert book.sha256 == expected["final_book_sha256"]


def test_quotes_agree_with_books(capture: tuple[str, Capture]) -> None:
    name, found = capture
    if name == UNTRUSTED:
        pytest.skip("no snapshot in it")
    book = found.check.instruments[0].book
    assert book is not None
    assert book.quotes_compared == CAPTURES[name][3]
    mismatches = 2 if name.startswith("spot") else 0
    assert book.quotes_mismatched == mismatches == len(book.mismatches)
    for mismatch in book.mismatches:
        assert mismatch.explained
        assert mismatch.quote_id < mismatch.update_id
        assert mismatch.book[0] < mismatch.quote[0]  # the bid fell, and came back
        assert mismatch.book[2:] == mismatch.quote[2:]


def test_checkpoints_within(recordings: Path, cache: None) -> None:
    """The book's top after the first diff and each 500th, as found by others."""
    from ida_core.book import Market

    for name in CAPTURES:
        found = Capture(recordings / "captures", name)
        instrument = found.feeds[0].meta.instruments[0]
        highest = max(feed.meta.instruments[0].highest_price for feed in found.feeds)
        market, traded = Market(instrument.chain, highest), instrument.instrument()
        due = {applied: rest for applied, *rest in found.expected["checkpoints_applied_u_bid_bidqty_ask_askqty"]}
        met = 0
        for feed in found.feeds:
            for record in records(feed):
                before = market.applied
                market.apply(record)
                if market.applied != before and market.applied in due:
                    top = lib.ida_book_top(market.book.pointer)
                    assert due[market.applied] == [
                        market.last_update_id,
                        plain(traded.price(top.bid)), plain(traded.quantity(top.bid_quantity)),
                        plain(traded.price(top.ask)), plain(traded.quantity(top.ask_quantity)),
                    ]  # fmt: skip
                    met += 1
        # The first checkpoint may lie among the diffs that are applied together with the snapshot.
        assert met >= len(due) - 1


def test_without_a_snapshot_nothing_is_trusted(recordings: Path, cache: None) -> None:
    check = Capture(recordings / "captures", UNTRUSTED).check
    assert (check.sound, check.trusted) == (False, False)
    assert [(fault.what, fault.line) for fault in check.faults] == [("no_snapshot", 34)]


def test_the_recorders_clock(recordings: Path, cache: None) -> None:
    offsets = {name: clock_offset(Capture(recordings / "captures", name).feeds)[0] / 1e6 for name in CAPTURES}
    for name, offset in offsets.items():
        if "2024" in name:
            assert -1280 < offset < -1260
        elif "2023" in name:
            assert -60 < offset <= 0


def test_all_of_a_days_markets_in_one_check(recordings: Path, cache: None) -> None:
    names = ("usdm_btcusdt_20240808", "spot_btcusdt_20240808", "spot_btcusdt_20240808")
    folder = recordings / "captures"
    paths = [folder / f"{names[0]}.gz", folder / f"{names[1]}.gz", folder / "spot_btcusdt_20240809.gz"]
    check = BinanceRecording().check(paths)
    assert check.sound
    assert [(i.market, len(i.files)) for i in check.instruments] == [("usdm", 1), ("spot", 2)]


def test_recordings_that_do_not_join_are_sessions_apart(recordings: Path, cache: None) -> None:
    folder = recordings / "captures"
    paths = [folder / "usdm_btcusdt_20220811_7s.gz", folder / "usdm_btcusdt_20230404.gz"]
    check = BinanceRecording().check(paths)
    assert check.sound
    assert [i.files for i in check.instruments] == [(paths[0].name,), (paths[1].name,)]
