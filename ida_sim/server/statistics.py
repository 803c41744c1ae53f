"""What Binance computes from trades: klines of every interval, tickers over a window, the average price.

Pure and exact: prices are whole ticks, quantities whole lots, turnover their product; text is made elsewhere. Trades
are kept as bars of a second (a day of them) and of a minute (a year), from which everything else is put together.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple, Self

NS = 1_000_000_000
SECOND_NS, MINUTE_NS, HOUR_NS, DAY_NS = NS, 60 * NS, 3600 * NS, 86_400 * NS
MONTH = "1M"
#: Every interval of the exchange but the month, in ns.
INTERVALS = {
    "1s": SECOND_NS,
    **{f"{n}m": n * MINUTE_NS for n in (1, 3, 5, 15, 30)},
    **{f"{n}h": n * HOUR_NS for n in (1, 2, 4, 6, 8, 12)},
    **{f"{n}d": n * DAY_NS for n in (1, 3)},
    "1w": 7 * DAY_NS,
}
#: The first Monday after 1970 began: weeks are counted from it.
_MONDAY_NS = 4 * DAY_NS
_SECONDS_KEPT, _MINUTES_KEPT = 86_400 + 60, 366 * 1440


class Trade(NamedTuple):
    """A trade, or several of one taker at one price: ``first_id`` to ``last_id``. ``price`` in ticks, ``quantity`` in
    lots, ``time_ns`` at the exchange; ``sold``: the taker sold, the buyer was the maker."""

    id: int
    price: int
    quantity: int
    time_ns: int
    sold: bool
    first_id: int
    last_id: int


class Bar:
    """Trades of a span of time; ``first_id`` -1 and prices carried on where there are none. ``quote`` and
    ``taker_quote`` are ticks times lots."""

    __slots__ = ("close", "count", "end_ns", "first_id", "high", "last_id", "low", "open", "open_ns", "quote",
                 "taker_quote", "taker_volume", "volume")

    def __init__(self, open_ns: int, end_ns: int, price: int = 0) -> None:
        self.open_ns, self.end_ns = open_ns, end_ns  # the end is the next bar's beginning
        self.open = self.high = self.low = self.close = price
        self.first_id = self.last_id = -1
        self.volume = self.quote = self.count = self.taker_volume = self.taker_quote = 0

    def add(self, trade: Trade) -> None:
        """Count ``trade``, which follows all others."""
        price, lots = trade.price, trade.quantity
        if not self.count:
            self.open = self.high = self.low = price
            self.first_id = trade.first_id
        self.high, self.low, self.close = max(self.high, price), min(self.low, price), price
        self.last_id = trade.last_id
        self.volume += lots
        self.quote += price * lots
        self.count += trade.last_id - trade.first_id + 1
        if not trade.sold:
            self.taker_volume += lots
            self.taker_quote += price * lots

    def merge(self, later: Bar) -> Self:
        """Count the trades of ``later``, which begins after all of these."""
        if not later.count:
            return self
        if not self.count:
            self.open, self.high, self.low, self.first_id = later.open, later.high, later.low, later.first_id
        self.high, self.low, self.close = max(self.high, later.high), min(self.low, later.low), later.close
        self.last_id = later.last_id
        self.volume += later.volume
        self.quote += later.quote
        self.count += later.count
        self.taker_volume += later.taker_volume
        self.taker_quote += later.taker_quote
        return self


class Bars:
    """Bars of one width in which something was traded, the newest ``kept`` of them."""

    def __init__(self, width_ns: int, kept: int) -> None:
        self._width_ns, self._kept = width_ns, kept
        self._opens: list[int] = []
        self._bars: dict[int, Bar] = {}

    def add(self, trade: Trade) -> None:
        opened = trade.time_ns // self._width_ns * self._width_ns
        bar = self._bars.get(opened)
        if bar is None:
            bar = self._bars[opened] = Bar(opened, opened + self._width_ns)
            insort(self._opens, opened)
            if len(self._opens) > self._kept + self._kept // 8:
                self._forget()
        bar.add(trade)

    def between(self, start_ns: int, end_ns: int) -> Iterator[Bar]:
        """Bars that open from ``start_ns`` up to, not at, ``end_ns``."""
        first, last = bisect_left(self._opens, start_ns), bisect_left(self._opens, end_ns)
        return (self._bars[opened] for opened in self._opens[first:last])

    def before(self, time_ns: int) -> Bar | None:
        """The last bar that opens before ``time_ns``."""
        index = bisect_left(self._opens, time_ns)
        return self._bars[self._opens[index - 1]] if index else None

    @property
    def first_ns(self) -> int | None:
        return self._opens[0] if self._opens else None

    def _forget(self) -> None:
        gone = len(self._opens) - self._kept
        for opened in self._opens[:gone]:
            del self._bars[opened]
        del self._opens[:gone]


class Statistics:
    """All that is told of one symbol's trades."""

    def __init__(self) -> None:
        self._seconds = Bars(SECOND_NS, _SECONDS_KEPT)
        self._minutes = Bars(MINUTE_NS, _MINUTES_KEPT)
        self.last: Trade | None = None

    def add(self, trade: Trade) -> None:
        """Count a trade; trades come in the order of their ids."""
        self._seconds.add(trade)
        self._minutes.add(trade)
        self.last = trade

    def kline(self, interval: str, now_ns: int, shift_ns: int = 0) -> Bar | None:
        """The kline that ``now_ns`` lies in; None before the first trade. ``shift_ns``: of the time zone, from UTC."""
        found = self.klines(interval, now_ns, limit=1, shift_ns=shift_ns)
        return found[0] if found else None

    def klines(
        self, interval: str, now_ns: int, *, start_ns: int | None = None, end_ns: int | None = None,
        limit: int = 500, shift_ns: int = 0,
    ) -> list[Bar]:
        """Klines in order of time, from the first trade to ``now_ns``; one without trades repeats the last price.

        Args:
            interval: a key of ``INTERVALS``, or ``1M``.
            start_ns: the oldest that open here or later.
            end_ns: none that opens later; without ``start_ns`` the newest up to here.
            limit: so many at most.
            shift_ns: of the time zone in which days begin, from UTC.
        """
        first_ns = (self._seconds if interval == "1s" else self._minutes).first_ns
        if first_ns is None or (start_ns is not None and start_ns > now_ns):
            return []
        first = opening(interval, first_ns, shift_ns)
        last = opening(interval, max(now_ns, first_ns) if end_ns is None else min(end_ns, now_ns), shift_ns)
        if start_ns is None:
            opened = max(first, _back(interval, last, limit - 1, shift_ns))
        else:
            opened = max(first, opening(interval, start_ns, shift_ns))
            if opened < start_ns:
                opened = following(interval, opened, shift_ns)
        return list(self._filled(interval, opened, last, limit, shift_ns))

    def _filled(self, interval: str, opened: int, last: int, limit: int, shift_ns: int) -> Iterator[Bar]:
        source = self._seconds if interval == "1s" else self._minutes
        earlier = source.before(opened)
        price = earlier.close if earlier else 0
        while opened <= last and limit > 0:
            end_ns = following(interval, opened, shift_ns)
            bar = Bar(opened, end_ns, price)
            for part in source.between(opened, end_ns):
                bar.merge(part)
            price = bar.close
            yield bar
            opened, limit = end_ns, limit - 1

    def window(self, start_ns: int, now_ns: int) -> Bar:
        """All trades since ``start_ns``, to the second; where there are none the last price stands alone."""
        start_ns -= start_ns % SECOND_NS
        whole_ns = -(-start_ns // MINUTE_NS) * MINUTE_NS
        bar = Bar(start_ns, now_ns, self.last.price if self.last else 0)
        for part in self._seconds.between(start_ns, min(whole_ns, now_ns + 1)):
            bar.merge(part)
        for part in self._minutes.between(whole_ns, now_ns + 1):
            bar.merge(part)
        return bar

    def price_before(self, time_ns: int) -> int | None:
        """The last price before ``time_ns``, to the second; None where nothing was traded before."""
        earlier = self._seconds.before(time_ns) or self._minutes.before(time_ns // MINUTE_NS * MINUTE_NS)
        return earlier.close if earlier else None


def opening(interval: str, time_ns: int, shift_ns: int = 0) -> int:
    """When the kline opens that ``time_ns`` lies in.

    >>> opening("1m", 90 * NS) // NS
    60
    """
    local = time_ns + shift_ns
    if interval == MONTH:
        return _month(local, 0) - shift_ns
    width = INTERVALS[interval]
    anchor = _MONDAY_NS if interval == "1w" else 0
    return (local - anchor) // width * width + anchor - shift_ns


def following(interval: str, opened_ns: int, shift_ns: int = 0) -> int:
    """When the kline after that of ``opened_ns`` opens."""
    if interval == MONTH:
        return _month(opened_ns + shift_ns, 1) - shift_ns
    return opened_ns + INTERVALS[interval]


def _back(interval: str, opened_ns: int, count: int, shift_ns: int) -> int:
    if interval == MONTH:
        return _month(opened_ns + shift_ns, -count) - shift_ns
    return opened_ns - count * INTERVALS[interval]


def _month(local_ns: int, months: int) -> int:
    """The beginning of the month ``months`` after that of ``local_ns``; never before the year 1."""
    moment = datetime.fromtimestamp(local_ns // NS, UTC)
    index = max(moment.year * 12 + moment.month - 1 + months, 12)
    return int(datetime(index // 12, index % 12 + 1, 1, tzinfo=UTC).timestamp()) * NS


class Tape:
    """The newest trades of one symbol, single and aggregated.

    Trades that follow each other at one time and price on one side are one taker's: an aggregate. Its ids count from
    the first trade's.

    Args:
        kept: so many of each at least.
    """

    def __init__(self, kept: int = 50_000) -> None:
        self._kept = kept
        self.trades: list[Trade] = []
        self.aggregates: list[Trade] = []

    def add(self, trade: Trade, *, is_aggregate: bool = False) -> None:
        """Keep a trade. ``is_aggregate``: single ones are not known, so it stands for them too."""
        self.trades.append(trade)
        last = self.aggregates[-1] if self.aggregates else None
        if is_aggregate:
            self.aggregates.append(trade)
        elif last and (last.time_ns, last.price, last.sold) == (trade.time_ns, trade.price, trade.sold):
            self.aggregates[-1] = last._replace(
                quantity=last.quantity + trade.quantity, last_id=trade.last_id)
        else:
            self.aggregates.append(trade._replace(id=last.id + 1 if last else trade.id))
        for kept in (self.trades, self.aggregates):
            if len(kept) > 2 * self._kept:
                del kept[: self._kept]


def from_id(trades: list[Trade], first: int, limit: int) -> list[Trade]:
    """At most ``limit`` trades from the id ``first`` on."""
    begin = bisect_left(trades, first, key=lambda trade: trade.id)
    return trades[begin : begin + limit]


def in_time(trades: list[Trade], start_ns: int | None, end_ns: int | None, limit: int) -> list[Trade]:
    """With a start the oldest from there, else the newest; both ends belong to it."""
    begin = 0 if start_ns is None else bisect_left(trades, start_ns, key=lambda trade: trade.time_ns)
    end = len(trades) if end_ns is None else bisect_right(trades, end_ns, key=lambda trade: trade.time_ns)
    return trades[begin : min(end, begin + limit)] if start_ns is not None else trades[max(begin, end - limit) : end]
