"""A matching engine and its market: thin hands on csrc/match and csrc/timeline. Beyond them nobody sees ``lib``."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from ida_core import Book, OrderType, PegPrice, PlaceOrder, SelfTradePrevention, Side, TimeInForce
from ida_core.native import ffi, lib
from ida_sim.timeline import Timeline

_TYPES = {
    OrderType.LIMIT: lib.IDA_LIMIT, OrderType.MARKET: lib.IDA_MARKET, OrderType.LIMIT_MAKER: lib.IDA_LIMIT_MAKER,
    OrderType.STOP_LOSS: lib.IDA_STOP_LOSS, OrderType.STOP_LOSS_LIMIT: lib.IDA_STOP_LOSS_LIMIT,
    OrderType.TAKE_PROFIT: lib.IDA_TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT: lib.IDA_TAKE_PROFIT_LIMIT,
}
_TIFS = {TimeInForce.GTC: lib.IDA_GTC, TimeInForce.IOC: lib.IDA_IOC, TimeInForce.FOK: lib.IDA_FOK}
_STPS = {
    SelfTradePrevention.NONE: lib.IDA_STP_NONE,
    SelfTradePrevention.EXPIRE_MAKER: lib.IDA_STP_EXPIRE_MAKER,
    SelfTradePrevention.EXPIRE_TAKER: lib.IDA_STP_EXPIRE_TAKER,
    SelfTradePrevention.EXPIRE_BOTH: lib.IDA_STP_EXPIRE_BOTH,
    SelfTradePrevention.DECREMENT: lib.IDA_STP_DECREMENT,
    SelfTradePrevention.TRANSFER: lib.IDA_STP_DECREMENT,  # between orders of one account they are the same
}


_PEGS = {PegPrice.PRIMARY_PEG: lib.IDA_PEG_PRIMARY, PegPrice.MARKET_PEG: lib.IDA_PEG_MARKET}
_STOPS = (OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT_LIMIT)


class Matching:
    """One instrument's matching engine at the simulated exchange."""

    def __init__(self, timeline: Any, index: int) -> None:
        self._timeline = timeline
        self._index = index
        self._order = ffi.new("ida_new_order *")
        self._count = ffi.new("size_t *")
        self._report = ffi.new("ida_report *")

    @cached_property
    def _match(self) -> Any:
        """Stands once the timeline is built."""
        return lib.ida_timeline_match(self._timeline, self._index)

    def place(self, order_id: int, request: PlaceOrder, group: int, notional: int, reducible: int, now_ns: int,
              pair: int = 0) -> int:
        """Returns an ``ida_status``; outcomes come as reports. Prices in ticks, quantities in lots; ``group``, from 1
        on: whose orders must not trade with each other; ``reducible`` is 0 unless the order is reduce-only; ``pair``:
        the id of an open order, where only one of both may be filled. A peg is the engine's where it is a stop's, else
        the price has been taken from it."""
        order = self._order
        order.order_id = order_id
        order.account = group
        order.side = lib.IDA_BUY if request.side is Side.BUY else lib.IDA_SELL
        order.type = _TYPES[request.type]
        order.tif = _TIFS[request.tif]
        order.stp = _STPS[request.stp]
        order.price = request.price or 0
        order.quantity = request.quantity
        order.notional = notional
        order.stop_price = request.stop_price or 0
        order.reducible = reducible
        order.iceberg, order.trailing, order.pair = request.iceberg, request.trailing_delta, pair
        order.peg = order.peg_offset = 0
        if request.peg is not None and request.type in _STOPS:
            order.peg, order.peg_offset = _PEGS[request.peg], request.peg_offset
        return int(lib.ida_match_place(self._match, order, now_ns))

    def cancel(self, order_id: int, now_ns: int) -> int:
        return int(lib.ida_match_cancel(self._match, order_id, now_ns))

    def expire(self, order_id: int, now_ns: int) -> int:
        """As ``cancel``, but told as the end of a pair."""
        return int(lib.ida_match_expire(self._match, order_id, now_ns))

    def amend(self, order_id: int, lots: int, now_ns: int) -> int:
        return int(lib.ida_match_amend(self._match, order_id, lots, now_ns))

    def take_reports(self) -> list[Any]:
        """The reports not yet read, as copies of ``ida_report``."""
        reports = lib.ida_match_reports(self._match, self._count)
        count = self._count[0]
        if not count:
            return []
        copies = ffi.new("ida_report[]", count)
        ffi.memmove(copies, reports, count * ffi.sizeof("ida_report"))
        lib.ida_match_clear_reports(self._match)
        return [copies[i] for i in range(count)]

    def order(self, order_id: int) -> Any | None:
        """The open order as an ``ida_report``, or None."""
        return self._report if lib.ida_match_order(self._match, order_id, self._report) else None

    def peg_price(self, side: Side, peg: PegPrice, offset: int) -> int | None:
        """What an order pegged like this would get now, in ticks."""
        of = lib.IDA_BUY if side is Side.BUY else lib.IDA_SELL
        price = int(lib.ida_match_peg_price(self._match, of, _PEGS[peg], offset))
        return price if price >= 0 else None

    def set_alarm(self, low: int, high: int) -> None:
        """Be told once the last price is at or below ``low``, or at or above ``high``."""
        lib.ida_match_set_alarm(self._match, max(low, -1), min(high, 2**63 - 1))

    @property
    def is_alarmed(self) -> bool:
        return bool(lib.ida_match_is_alarmed(self._match))

    @property
    def last_price(self) -> int | None:
        price = int(lib.ida_match_last_price(self._match))
        return price if price >= 0 else None


class TimelinePlace:
    """The market of one instrument of a timeline, as ``ida_sim.exchange.Place`` has it."""

    def __init__(self, timeline: Timeline, index: int) -> None:
        self._timeline = timeline
        self._index = index
        self.matching = Matching(timeline.pointer, index)
        self.book: Book = timeline.exchange_book(index)

    def ready(self) -> bool:
        return self._timeline.exchange_ready(self._index)

    def over(self) -> bool:
        return self._timeline.exchange_over(self._index)

    @property
    def now_ns(self) -> int:
        return self._timeline.now_ns
