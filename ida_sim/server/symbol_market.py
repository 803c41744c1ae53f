"""One symbol of the server's market: the in-process venue's timeline, run against the wall clock and passed on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from ida_core import DataError, Instrument, Side
from ida_core.native import ffi, lib
from ida_core.timeline import status_text
from ida_sim.matching import TimelinePlace
from ida_sim.server.statistics import Statistics, Tape, Trade
from ida_sim.timeline import Timeline

_AT_RECORD, _AT_TIME, _AT_PAUSE, _AT_END = lib.IDA_AT_RECORD, lib.IDA_AT_TIME, lib.IDA_AT_PAUSE, lib.IDA_AT_END
_TRADE = lib.IDA_TRADE
_SECOND_NS, _AT_ONCE = 1_000_000_000, 1 << 20
Levels = Sequence[tuple[int, int]]
#: Called with the kind and the ``ida_record *`` of each record that is published, E and T in ns; and with no more than
#: that, for the record is gone afterwards.
Publish = Callable[[int, Any, int, int], None]


def _nowhere(kind: int, record: Any, event_ns: int, trade_ns: int) -> None:
    """Nobody listens yet."""


class SymbolMarket:
    """A market of its own time: it stands still until ``start``, and then follows the wall clock.

    Args:
        instrument: what is traded.
        timeline: of this one instrument, its sources added.
        offset_ns: recorder's clock minus exchange's, as it was taken off the timeline.
        speed: simulated seconds in a second; infinite: as fast as it goes.
        has_singles: trades are told one by one; aggregates that are recorded beside them are passed over.
        first_price: the first price of it that is known, in ticks; 0: none.
    """

    status = "TRADING"

    def __init__(self, instrument: Instrument, timeline: Timeline, *, offset_ns: int = 0, speed: float = 1.0,
                 has_singles: bool = False, first_price: int = 0) -> None:
        self.instrument, self.first_price = instrument, first_price
        #: Where orders of it are matched; ``on_reports`` is called when the market itself has done something to them.
        self.place = TimelinePlace(timeline, 0)
        self.on_reports: Callable[[], None] = self._forget_reports
        self.statistics, self.tape = Statistics(), Tape()
        self.publish: Publish = _nowhere
        self.started = self.ended = False
        self.published = 0
        self._timeline, self._offset_ns, self._speed = timeline, offset_ns, speed
        self._event = timeline.event
        self._step = partial(lib.ida_timeline_next, timeline.pointer)
        self._market = timeline.market(0)
        self._first_ns = timeline.first_ns or 0
        self._start_ns = 0
        self._trade_ns = self._venue_ns = 0
        self._has_singles = has_singles
        lib.ida_timeline_subscribe(timeline.pointer, 0, lib.IDA_SUB_ALL, 0)

    # ------------------------------------------------------------- what stands

    @property
    def unbounded(self) -> bool:
        """It has no speed to keep, and goes on as fast as it may."""
        return self._speed == float("inf")

    @property
    def last_update_id(self) -> int:
        """Of the book, as published so far."""
        return self._market.last_update_id or 0

    @property
    def native_book(self) -> Any:
        """The ``ida_core.Book`` itself."""
        return self._market.book

    def book(self, limit: int) -> tuple[Levels, Levels]:
        """At most ``limit`` bids and asks, ticks and lots, best first, as they stand at ``last_update_id``."""
        book = self._market.book
        return book.levels(Side.BUY, limit), book.levels(Side.SELL, limit)

    def state(self) -> dict[str, Any]:
        """As the control endpoint shows it."""
        return {
            "started": self.started, "ended": self.ended, "published": self.published,
            "last_update_id": self.last_update_id, "synced": self._market.synced,
        }

    # ------------------------------------------------------------- beginning

    def prime(self, snapshot: Any) -> None:
        """Have a book from the first moment on: the recording's own snapshot, which its first diffs lead up to."""
        self._market.apply(ffi.cast("ida_record *", snapshot))

    def warm_up(self, seconds: int, now_ns: int) -> None:
        """Live ``seconds`` before ``now_ns`` unseen, so that the first client finds a book, trades and klines."""
        publish, self.publish = self.publish, _nowhere
        for second in range(1, seconds + 1):
            while self._run(self._first_ns + second * _SECOND_NS, _AT_ONCE, now_ns - (seconds - second) * _SECOND_NS):
                continue
        self.publish, self.published = publish, 0
        self._first_ns += seconds * _SECOND_NS

    def start(self, clock_ns: int) -> None:
        """Time goes on from here; ``clock_ns``: of a clock that never jumps. Once; later calls change nothing."""
        if not self.started:
            self.started, self._start_ns = True, clock_ns

    # ------------------------------------------------------------- going on

    def advance(self, clock_ns: int, now_ns: int, most: int) -> bool:
        """Publish what is due, ``most`` records at once; True: more is due already. ``now_ns``: the server's time."""
        if not self.started or self.ended:
            return False
        return self._run(self._reached(clock_ns), most, now_ns)

    def due_ns(self) -> float:
        """When there is something to do next, on the clock of ``start``."""
        if not self.started or self.ended:
            return float("inf")
        due = int(lib.ida_timeline_due(self._timeline.pointer))
        return self._start_ns + max(0.0, (due - self._first_ns) / self._speed)

    def _reached(self, clock_ns: int) -> int:
        if self._speed == float("inf"):
            return 2**62
        return self._first_ns + int((clock_ns - self._start_ns) * self._speed)

    def _run(self, until_ns: int, most: int, now_ns: int) -> bool:
        step, event, left = self._step, self._event, most
        while left:
            what = step(until_ns, event)
            if what == _AT_RECORD:
                left -= 1
                self._pass_on(event.record, now_ns)
            elif what in (_AT_TIME, _AT_PAUSE):
                return bool(what == _AT_PAUSE)
            elif what == _AT_END:
                self.ended = True
                return False
            elif what == lib.IDA_AT_FAILURE:
                raise DataError(
                    f"{self.instrument.name}: a recorded price does not fit the book: {status_text(event.status)}",
                    code="IDA-E7004")
            else:
                self.on_reports()
        return True

    def _forget_reports(self) -> None:
        """Nobody has orders."""
        self.place.matching.take_reports()

    def publish_orders(self) -> None:
        """Have the market told what a client's order has done to it, where it is no recording."""
        self._timeline.publish(0)

    def _pass_on(self, record: Any, now_ns: int) -> None:
        kind = record.kind
        self.published += 1
        if kind == _TRADE:
            self._note_trade(record, now_ns)
        self.publish(kind, record, now_ns, self._trade_ns)

    def _note_trade(self, record: Any, now_ns: int) -> None:
        """T is as long before E as the trade was on its way. Trades of one time keep one time, of different times
        different ones, so that those of one taker can be told."""
        if record.ts_venue_ns != self._venue_ns:
            delay_ns = max(0, record.ts_local_ns - record.ts_venue_ns - self._offset_ns)
            self._trade_ns = max(self._trade_ns + 1, now_ns - delay_ns)
            self._venue_ns = record.ts_venue_ns
        if record.flags & lib.IDA_FLAG_AGGREGATE and self._has_singles:
            return
        trade = ffi.cast("const ida_trade *", record)
        told = Trade(
            trade.trade_id, trade.price, trade.quantity, self._trade_ns,
            bool(record.flags & lib.IDA_FLAG_BUYER_IS_MAKER), trade.first_trade_id, trade.last_trade_id)
        self.statistics.add(told)
        self.tape.add(told, is_aggregate=bool(record.flags & lib.IDA_FLAG_AGGREGATE))


def records(feed: Any, index: int) -> Iterator[Any]:
    """The records of a feed file's instrument, in local order, as ``ida_record *``."""
    header = ffi.cast("const ida_feed_header *", feed.pointer)
    start = ffi.cast("const char *", feed.pointer) + header.records_offset
    at, end = 0, int(header.records_bytes)
    while at < end:
        record = ffi.cast("const ida_record *", start + at)
        at += record.length
        if record.instrument == index:
            yield record


def first_snapshot(feeds: Sequence[tuple[Any, int]]) -> tuple[Any, bool]:
    """The first snapshot in (feed, instrument's index), and True; without one an empty book that the first diff fits,
    and False; None where there is no diff either."""
    first_diff = None
    for feed, index in feeds:
        for record in records(feed, index):
            if record.kind == lib.IDA_SNAPSHOT:
                return record, True
            if record.kind == lib.IDA_DEPTH and first_diff is None:
                first_diff = ffi.cast("const ida_depth *", record)
    return (None if first_diff is None else _empty(first_diff)), False


def _empty(diff: Any) -> Any:
    depth = ffi.new("ida_depth *")
    depth.head.length, depth.head.kind = ffi.sizeof("ida_depth"), lib.IDA_SNAPSHOT
    depth.head.ts_local_ns = depth.head.ts_venue_ns = diff.head.ts_local_ns
    depth.first_id = depth.last_id = diff.first_id - 1
    depth.previous_id = -1
    return depth
