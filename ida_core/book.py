"""The L2 book and the market around it: thin hands on ``csrc/book`` and ``csrc/market``.

Prices are ticks, quantities lots. A ``side`` names the side of the book that is read: ``Side.BUY``
the bids, ``Side.SELL`` the asks; so what a buyer would pay is found by walking ``Side.SELL``.
"""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Any, NamedTuple

from ida_core.errors import DataError
from ida_core.flow import MarketFlow
from ida_core.model import Instrument, Side
from ida_core.native import ffi, lib

DEFAULT_PAGES = 16384
DEFAULT_BUFFER_BYTES = 8 << 20
NO_ASK = (1 << 63) - 1

_SIDES = {Side.BUY: lib.IDA_BUY, Side.SELL: lib.IDA_SELL}
_ENDS = {Side.BUY: -(1 << 63), Side.SELL: NO_ASK}
#: The kinds of market records, as ``lib.IDA_*`` numbers them.
MARKET_KINDS = {
    "snapshot": lib.IDA_SNAPSHOT, "depth": lib.IDA_DEPTH, "trade": lib.IDA_TRADE,
    "quote": lib.IDA_QUOTE, "bar": lib.IDA_BAR, "mark": lib.IDA_MARK, "ticker": lib.IDA_TICKER,
    "partial": lib.IDA_PARTIAL, "average": lib.IDA_AVERAGE,
}  # fmt: skip
_STATES = {lib.IDA_WAITING: "WAITING", lib.IDA_FIRST: "FIRST", lib.IDA_SYNCED: "SYNCED"}


class Walk(NamedTuple):
    """What lies on one side from the best on: ``lots`` found, the ``worst`` price touched (ticks;
    None when nothing was found) and their exact ``notional`` (ticks x lots). ``known``: none of it lies
    beyond what is known of the side, and if it ended too early that is its end."""

    lots: int
    worst: int | None
    notional: int
    known: bool = True


class Levels(list[tuple[int, int]]):
    """Levels as (ticks, lots), best first. ``known``: none of them lies beyond what is known of the side,
    and if there are fewer than asked for, there are no more."""

    known: bool = True


class Book:
    """An L2 book: every level of both sides; best bid and ask are read straight from C memory.

    An exchange's snapshot may end before the book does. Levels beyond its last ones are **unknown**, not
    empty, until a change tells of them: what reaches there answers None, or says so by ``known``
    (``known_to`` is where it begins). While a market is not in step nothing of its book is known.

    Args:
        max_price: highest price in ticks that can be stored.
        pages: 512-tick pages that the two sides share; memory is used as prices are touched.

    >>> book = Book(max_price=1000)
    >>> book.set(Side.BUY, 99, 5), book.set(Side.SELL, 101, 15)
    (0, 0)
    >>> book.bid, book.ask, book.mid, book.microprice
    (99, 101, 100.0, 99.5)
    """

    __slots__ = ("_book", "_known", "_owner", "_top")

    def __init__(self, max_price: int, pages: int = DEFAULT_PAGES) -> None:
        pointer = lib.ida_book_new(pages, max_price)
        if not pointer:
            raise MemoryError(f"book: no memory for {pages} pages up to price {max_price} ticks")
        self._attach(ffi.gc(pointer, lib.ida_book_free), None)

    @classmethod
    def borrow(cls, pointer: Any, owner: Any) -> Book:
        """Wrap an ``ida_book *`` that ``owner`` keeps alive."""
        book = cls.__new__(cls)
        book._attach(pointer, owner)
        return book

    def _attach(self, pointer: Any, owner: Any) -> None:
        self._book = pointer
        self._owner = owner
        self._top = lib.ida_book_top(pointer)
        self._known = lib.ida_book_known(pointer)

    @property
    def pointer(self) -> Any:
        """The ``ida_book *``; good as long as this object."""
        return self._book

    @property
    def bid(self) -> int | None:
        """Best bid in ticks; None when there is none."""
        bid: int = self._top.bid
        return bid if bid >= 0 else None

    @property
    def ask(self) -> int | None:
        """Best ask in ticks; None when there is none."""
        ask: int = self._top.ask
        return ask if ask != NO_ASK else None

    @property
    def bid_quantity(self) -> int:
        """Lots at the best bid; 0 when there is none."""
        lots: int = self._top.bid_quantity
        return lots

    @property
    def ask_quantity(self) -> int:
        """Lots at the best ask; 0 when there is none."""
        lots: int = self._top.ask_quantity
        return lots

    @property
    def mid(self) -> float | None:
        """Halfway between best bid and ask, in ticks; None when a side is empty."""
        top = self._top
        bid, ask = top.bid, top.ask
        return (bid + ask) / 2 if bid >= 0 and ask != NO_ASK else None

    @property
    def spread(self) -> int | None:
        """Best ask less best bid, in ticks; None when a side is empty."""
        top = self._top
        bid, ask = top.bid, top.ask
        return ask - bid if bid >= 0 and ask != NO_ASK else None

    @property
    def microprice(self) -> float | None:
        """The top's prices, each weighted by the other side's lots, in ticks; None when a side is
        empty. This is the weighted mid, not the limit of expected mids that Stoikov (2018) estimates
        from history and calls the micro-price."""
        top = self._top
        bids, asks = top.bid_quantity, top.ask_quantity
        return (top.bid * asks + top.ask * bids) / (bids + asks) if bids and asks else None

    def imbalance(self, levels: int = 1) -> float | None:
        """(bids - asks) / (bids + asks) of the lots on the best ``levels``: -1 to 1; None when
        there are none, or where more than one reach beyond what is known."""
        if levels == 1:
            bids, asks = self._top.bid_quantity, self._top.ask_quantity
        else:
            bids = lib.ida_book_quantity_of(self._book, lib.IDA_BUY, max(levels, 0))
            asks = lib.ida_book_quantity_of(self._book, lib.IDA_SELL, max(levels, 0))
        total = bids + asks
        return (bids - asks) / total if total and bids >= 0 and asks >= 0 else None

    def levels(self, side: Side, n: int) -> Levels:
        """Up to ``n`` levels as (ticks, lots), best first; ``.known`` says whether others may lie among or
        behind them."""
        which = _SIDES[side]
        most = min(n, lib.ida_book_levels(self._book, which))
        if most < 1:
            levels = Levels()
        else:
            found = ffi.new("ida_level[]", most)
            lib.ida_book_top_n(self._book, which, found, most)
            flat = ffi.unpack(ffi.cast("int64_t *", found), 2 * most)
            levels = Levels(zip(flat[::2], flat[1::2], strict=True))
        levels.known = n < 1 or self._reaches(side, levels[-1][0] if len(levels) == n else None)
        return levels

    def known_to(self, side: Side) -> int | None:
        """The worst price of a side, in ticks, down (asks: up) to which all levels are known; None when the
        whole side is. Better than any price where nothing is known."""
        price: int = self._known.bid if side is Side.BUY else self._known.ask
        return None if price == _ENDS[side] else price

    def _reaches(self, side: Side, price: int | None) -> bool:
        """``price`` None: the end of the side."""
        end = _ENDS[side] if price is None else price
        return bool(end >= self._known.bid if side is Side.BUY else end <= self._known.ask)

    @property
    def level_counts(self) -> tuple[int, int]:
        """How many bids and asks there are."""
        return (
            lib.ida_book_levels(self._book, lib.IDA_BUY),
            lib.ida_book_levels(self._book, lib.IDA_SELL),
        )

    def quantity_at(self, side: Side, ticks: int) -> int | None:
        """Lots at a price; 0 where there is no level, None where it is not known whether there is."""
        lots: int = lib.ida_book_quantity(self._book, _SIDES[side], ticks)
        return lots if lots or self._reaches(side, ticks) else None

    def depth_to(self, side: Side, price: int) -> int | None:
        """Lots from the best down to ``price`` (ticks), inclusive; None where that reaches beyond what is
        known."""
        if not self._reaches(side, price):
            return None
        lots: int = lib.ida_book_quantity_to(self._book, _SIDES[side], price)
        return lots

    def depth_within(self, side: Side, bps: float) -> int | None:
        """Lots at most ``bps`` / 10,000 of the mid away from it; None without a mid, or where that reaches
        beyond what is known."""
        lots: int = lib.ida_book_quantity_within(self._book, _SIDES[side], bps)
        return lots if lots >= 0 else None

    def next_price(self, side: Side, price: int | None = None) -> int | None:
        """The next occupied price strictly worse than ``price``, or the best one; None at the
        end of what is known or was told."""
        start = lib.IDA_FROM_BEST if price is None else max(price, -1)
        found: int = lib.ida_book_next(self._book, _SIDES[side], start)
        return found if found >= 0 else None

    def walk(self, side: Side, lots: int) -> Walk:
        """Take ``lots`` from the best on, as far as the side reaches; nothing is changed."""
        worst, high, low = ffi.new("int64_t *"), ffi.new("int64_t *"), ffi.new("uint64_t *")
        found = lib.ida_book_walk(self._book, _SIDES[side], lots, worst, high, low)
        last = worst[0] if found else None
        known = lots < 1 or self._reaches(side, last if found == lots else None)
        return Walk(found, last, (high[0] << 64) + low[0], known)

    def vwap_to(self, side: Side, lots: int) -> float | None:
        """Average price in ticks of the best ``lots``; None when the side holds fewer, or they reach beyond
        what is known."""
        found = self.walk(side, lots)
        return found.notional / found.lots if found.lots and found.lots == lots and found.known else None

    def set(self, side: Side, ticks: int, lots: int) -> int:
        """Set the absolute quantity at a price (0 removes it) and return the former one.

        Raises:
            DataError: price outside 0 .. max_price, negative quantity, or no page left.
        """
        previous = ffi.new("int64_t *")
        status = lib.ida_book_set(self._book, _SIDES[side], ticks, lots, previous)
        if status != lib.IDA_OK:
            reason = ffi.string(lib.ida_status_text(status)).decode()
            raise DataError(f"book: level {side} {ticks} ticks, {lots} lots: {reason}")
        return int(previous[0])

    def clear(self) -> None:
        """Remove every level."""
        lib.ida_book_clear(self._book)

    def sha256(self, instrument: Instrument) -> str:
        """Hash of the whole book: a line ``b PRICE QTY`` for each bid, best first, then
        ``a PRICE QTY`` for each ask, best first; plain decimals without trailing zeros.

        Raises:
            DataError: a price or quantity has more digits than 64 bits hold.
        """
        capacity = (sum(self.level_counts) + 1) * lib.IDA_BOOK_LINE
        text, length = ffi.new("char[]", capacity), ffi.new("size_t *")
        status = lib.ida_book_text(self._book, native_grid(instrument), text, capacity, length)
        if status != lib.IDA_OK:
            raise DataError(f"{instrument.symbol}: a level of the book does not fit in 64 bits")
        return hashlib.sha256(ffi.buffer(text, length[0])).hexdigest()


def native_grid(instrument: Instrument) -> Any:
    """An ``ida_grid *`` of the instrument's tick and lot size.

    Raises:
        DataError: a step with more than 18 decimals, or more than 64 bits.
    """
    price_decimals, tick = _step(instrument.tick_size)
    quantity_decimals, lot = _step(instrument.lot_size)
    if max(price_decimals, quantity_decimals) > 18 or max(tick, lot) >= 1 << 63:
        raise DataError(
            f"{instrument.symbol}: tick size {instrument.tick_size} or lot size "
            f"{instrument.lot_size} does not fit: at most 18 decimals and 64 bits"
        )
    return ffi.new("ida_grid *", [price_decimals, quantity_decimals, tick, lot])


def _step(size: Decimal) -> tuple[int, int]:
    """(decimals, whole number of 10^-decimals), with no more decimals than needed."""
    exponent = size.normalize().as_tuple().exponent
    decimals = max(0, -int(exponent))
    return decimals, int(size.scaleb(decimals))


class Market(MarketFlow):
    """One instrument as we see it, kept by applying records: the book, last trade, mark, counts; and, once
    asked for, what it has been doing lately (``MarketFlow``).

    Args:
        chain: how diffs follow each other: ``lib.IDA_CHAIN_CONTIGUOUS`` or
            ``lib.IDA_CHAIN_PREVIOUS``.
        max_price: highest price in ticks that the book can store.
        buffer_bytes: room for diffs that wait for a snapshot.
    """

    __slots__ = ("_owner", "_sync", "_view", "book")

    book: Book

    def __init__(
        self, chain: int, max_price: int, pages: int = DEFAULT_PAGES,
        buffer_bytes: int = DEFAULT_BUFFER_BYTES,
    ) -> None:  # fmt: skip
        pointer = lib.ida_market_new(chain, pages, max_price, buffer_bytes)
        if not pointer:
            raise MemoryError(f"market: no memory for {pages} pages up to price {max_price} ticks")
        self._attach(ffi.gc(pointer, lib.ida_market_free), None)

    @classmethod
    def borrow(cls, pointer: Any, owner: Any) -> Market:
        """Wrap an ``ida_market *`` that ``owner`` keeps alive."""
        market = cls.__new__(cls)
        market._attach(pointer, owner)
        return market

    def _attach(self, pointer: Any, owner: Any) -> None:
        self._market = pointer
        self._flow = None
        self._owner = owner
        self._view = lib.ida_market_look(pointer)
        self._sync = lib.ida_market_sync(pointer)
        self.book = Book.borrow(lib.ida_market_book(pointer), (pointer, owner))

    @property
    def pointer(self) -> Any:
        """The ``ida_market *``; good as long as this object."""
        return self._market

    def apply(self, record: Any) -> int:
        """Apply one record (an ``ida_record *``); what changed, as ``IDA_CHANGED_...`` bits."""
        changes: int = lib.ida_market_apply(self._market, record)
        return changes

    def reset(self) -> None:
        """The stream was lost: not in step until a snapshot comes."""
        lib.ida_market_reset(self._market)

    def set_silent(self, silent: bool) -> None:
        """Whether its depth stream is not heard of; while it is not, the book is not ``synced``."""
        lib.ida_market_set_silent(self._market, silent)

    def finish(self) -> None:
        """The data has ended: compare the last books with the last quotes."""
        lib.ida_market_finish(self._market)

    @property
    def synced(self) -> bool:
        """The book is in step with the exchange's and may be trusted."""
        return bool(self._view.synced)

    @property
    def is_known(self) -> bool:
        """``synced``, and best bid and best ask lie where the book is complete. While they do not, a better
        level may exist that nobody has told of: the book needs a new snapshot."""
        return bool(lib.ida_market_is_known(self._market))

    @property
    def left_known(self) -> int:
        """How often the best of a side came to lie beyond what the snapshot told of."""
        return int(self._view.left_known)

    @property
    def state(self) -> str:
        """``WAITING`` (no snapshot, or a gap), ``FIRST`` (snapshot, no diff yet) or ``SYNCED``."""
        return _STATES[self._sync.state]

    @property
    def ts_venue_ns(self) -> int:
        """Venue time of the last record."""
        return int(self._view.ts_venue_ns)

    @property
    def ts_local_ns(self) -> int:
        """Local time of the last record."""
        return int(self._view.ts_local_ns)

    @property
    def ts_book_ns(self) -> int:
        """Local time of the last record that changed the book."""
        return int(self._view.ts_book_ns)

    @property
    def last_price(self) -> int | None:
        """Ticks of the last on-book trade; None before the first."""
        ticks: int = self._view.last_price
        return ticks if ticks >= 0 else None

    @property
    def last_quantity(self) -> int:
        """Lots of the last on-book trade; 0 before the first."""
        return int(self._view.last_quantity)

    @property
    def counts(self) -> dict[str, int]:
        """Records seen, by kind: snapshot, depth, trade, quote, bar, mark, ticker, partial, average."""
        count = self._view.count
        return {name: count[kind] for name, kind in MARKET_KINDS.items()}

    @property
    def off_book(self) -> int:
        """Trades that never touched the book (insurance fund, no price)."""
        return int(self._view.off_book)

    @property
    def gaps(self) -> int:
        """How often the chain of diffs broke."""
        return int(self._sync.gaps)

    @property
    def last_gap(self) -> tuple[int, int] | None:
        """Update ids (expected, found) at the last gap; None without one."""
        sync = self._sync
        return (sync.expected_id, sync.found_id) if sync.gaps else None

    @property
    def resyncs(self) -> int:
        """Snapshots that the book was built from anew, after the first."""
        return max(0, int(self._sync.snapshots) - 1)

    @property
    def stale(self) -> int:
        """Diffs passed over because the book had them already."""
        return int(self._sync.stale)

    @property
    def applied(self) -> int:
        """Diffs applied."""
        return int(self._sync.applied)

    @property
    def buffered(self) -> int:
        """Diffs that wait for a snapshot."""
        return int(self._sync.buffered)

    @property
    def first_kept_id(self) -> int | None:
        """First update id of the oldest diff that waits for a snapshot, which one must reach; None: none waits."""
        update_id: int = lib.ida_market_kept_id(self._market)
        return update_id if update_id >= 0 else None

    @property
    def trade_holes(self) -> int:
        """Places where ids of trades are missing; a loss where the venue numbers them one by one."""
        return int(self._view.trade_holes)

    @property
    def trades_missing(self) -> int:
        """How many ids are missing there."""
        return int(self._view.trades_missing)

    @property
    def crossed(self) -> int:
        """How often the book was given up because a bid reached an ask."""
        return int(self._view.crossed)

    @property
    def disproved(self) -> int:
        """Times it was given up because the venue's own best bid and ask told otherwise, three in a row."""
        return int(self._view.disproved)

    @property
    def faults(self) -> int:
        """How often the book was given up because a level did not fit in it."""
        return int(self._view.faults)

    @property
    def last_update_id(self) -> int | None:
        """Update id of the book (while not in step: what it was last); None before a snapshot."""
        update_id: int = self._sync.last_id
        return update_id if update_id >= 0 else None

    @property
    def snapshot_id(self) -> int | None:
        """Update id of the last snapshot used; None before one."""
        update_id: int = self._sync.snapshot_id
        return update_id if update_id >= 0 else None

    @property
    def quotes_compared(self) -> int:
        """Books compared with the newest quote at or before their update id."""
        return int(self._view.quotes_compared)

    @property
    def quotes_mismatched(self) -> int:
        """Compared books whose best bid or ask, price or quantity, differed from the quote."""
        return int(self._view.quotes_mismatched)

    @property
    def mismatch_id(self) -> int | None:
        """Update id of the last mismatch; None without one."""
        return int(self._view.mismatch_id) if self._view.quotes_mismatched else None

    @property
    def mark(self) -> Decimal | None:
        """Mark price in quote units; None before the first."""
        return _e8(self._view.mark_e8) if self._view.mark_e8 >= 0 else None

    @property
    def index(self) -> Decimal | None:
        """Index price in quote units; None before the first mark."""
        return _e8(self._view.index_e8) if self._view.mark_e8 >= 0 else None

    @property
    def funding_rate(self) -> Decimal | None:
        """Funding rate (0.0001 is one basis point); None before the first mark."""
        return _e8(self._view.funding_rate_e8) if self._view.mark_e8 >= 0 else None

    @property
    def next_funding_ns(self) -> int | None:
        """When funding is due next, ns since 1970; None before the first mark."""
        return int(self._view.next_funding_ns) if self._view.mark_e8 >= 0 else None


def _e8(value: int) -> Decimal:
    return Decimal(value).scaleb(-8)
