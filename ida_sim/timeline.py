"""The simulated exchange's side of time: its matching engines, its books, and requests on their way there. A thin hand
on csrc/timeline; what is ours of it, ``ida_core.Timeline`` has."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from ida_core import (
    Book,
    DataError,
    IdaError,
    OrderType,
    PlaceOrder,
    SelfTradePrevention,
    Side,
    TimeInForce,
    Timeline as OneSided,
)
from ida_core.native import ffi, lib
from ida_core.timeline import status_text

_OK, _send = lib.IDA_OK, lib.ida_timeline_send

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
}


class Matching:
    """One instrument's matching engine at the simulated exchange."""

    def __init__(self, timeline: Any, index: int) -> None:
        self._timeline = timeline
        self._index = index
        self._order = ffi.new("ida_new_order *")
        self._count = ffi.new("size_t *")
        self._report = ffi.new("ida_report *")

    @property
    def _match(self) -> Any:
        return lib.ida_timeline_match(self._timeline, self._index)

    def place(self, order_id: int, request: PlaceOrder, notional: int, reducible: int, now_ns: int) -> int:
        """Returns an ``ida_status``; outcomes come as reports. Prices in ticks, quantities in lots; ``reducible`` is
        0 unless the order is reduce-only."""
        order = self._order
        order.order_id = order_id
        order.account = 1
        order.side = lib.IDA_BUY if request.side is Side.BUY else lib.IDA_SELL
        order.type = _TYPES[request.type]
        order.tif = _TIFS[request.tif]
        order.stp = _STPS[request.stp]
        order.price = request.price or 0
        order.quantity = request.quantity
        order.notional = notional
        order.stop_price = request.stop_price or 0
        order.reducible = reducible
        return int(lib.ida_match_place(self._match, order, now_ns))

    def cancel(self, order_id: int, now_ns: int) -> int:
        return int(lib.ida_match_cancel(self._match, order_id, now_ns))

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

    @property
    def open_orders(self) -> int:
        return int(lib.ida_match_open(self._match, 1))

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


class Timeline(OneSided):
    """Time of a market whose exchange is simulated: recorded, synthetic or live."""

    def add_feed(self, feed: Any, mapping: Sequence[int], offset_ns: int) -> None:
        """``feed``: an open ``ida_core.feed.Feed``; ``mapping``: its instruments' numbers here, -1 to leave out."""
        status = lib.ida_timeline_add_feed(self.pointer, feed.pointer, list(mapping), len(mapping), offset_ns)
        if status != lib.IDA_OK:
            raise DataError(f"feed {feed.meta.sources[0].name}: {status_text(status)}", code="IDA-E7030")
        self._keep.append(feed)

    def add_agents(self, index: int, config: Any) -> None:
        status = lib.ida_timeline_add_agents(self.pointer, index, config)
        if status != lib.IDA_OK:
            raise IdaError(f"synthetic market {index}: {status_text(status)}")

    def exchange_faults(self, index: int) -> int:
        """Live: depth updates that the exchange's book could not hold."""
        return int(lib.ida_timeline_exchange_faults(self.pointer, index))

    def send(self, at_ns: int, token: int) -> bool:
        """False: as many requests are under way as there is room for."""
        return bool(_send(self.pointer, at_ns, token) == _OK)

    def publish(self, index: int) -> None:
        lib.ida_timeline_publish(self.pointer, index)

    def exchange_book(self, index: int) -> Book:
        return Book.borrow(lib.ida_timeline_exchange_book(self.pointer, index), self)

    def exchange_ready(self, index: int) -> bool:
        return bool(lib.ida_timeline_exchange_ready(self.pointer, index))

    def exchange_over(self, index: int) -> bool:
        """The last book change and trade of its market are past: nothing would answer an order any more."""
        return bool(lib.ida_timeline_exchange_over(self.pointer, index))

    def doubled(self, index: int) -> int:
        """Aggregate trades that filled nothing because their single trades were recorded too."""
        return int(lib.ida_timeline_doubled(self.pointer, index))

    def matching(self, index: int) -> Matching:
        return Matching(self.pointer, index)


def agents_config(
    *, seed: int, start_ns: int, start_price: int, typical_quantity: int, volatility: float, events_per_s: float,
    half_spread: int, latency_ms: Decimal, jitter_ms: Decimal,
) -> Any:
    """An ``ida_agents_config``: prices in ticks, quantities in lots."""
    config = ffi.new("ida_agents_config *")
    config.seed = seed & (2**64 - 1)
    config.start_ns = start_ns
    config.start_price = start_price
    config.typical_quantity = typical_quantity
    config.volatility = volatility
    config.events_per_s = events_per_s
    config.half_spread = half_spread
    config.depth_interval_ns = 100_000_000
    config.latency_ns = int(latency_ms * 1_000_000)
    config.latency_jitter_ns = int(jitter_ms * 1_000_000)
    return config
