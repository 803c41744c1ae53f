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
    Timeline as OneSided,
)
from ida_core.native import ffi, lib
from ida_core.timeline import status_text

_OK, _send = lib.IDA_OK, lib.ida_timeline_send


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
