"""The server's market: every symbol with its own timeline, run against the wall clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

import trio

from ida_core import ConfigError, DataError, Feed, InstrumentKind, Listed, VenueSetup
from ida_sim.config import SimConfig
from ida_sim.fees import DISCOUNT_ASSET
from ida_sim.funding import opening_balances
from ida_sim.queues import queue_model
from ida_sim.server.exchange_info import with_filters
from ida_sim.server.symbol_market import SymbolMarket, first_snapshot
from ida_sim.sources import (
    SYNTHETIC_START_NS,
    Source,
    check_synthetic,
    listed_instruments,
    open_recordings,
    synthetic_instruments,
)
from ida_sim.timeline import Timeline, agents_config

NOW, FIRST_CLIENT = "now", "first-client"
#: Records of one symbol that are published before the others and the connections get their turn.
AT_ONCE = 512
#: The market is looked after at most so often, s: what falls due meanwhile is sent together.
LEAST_WAIT_S = 0.004
MOST_WAIT_S = 1.0
WARM_UP_S = 60
_CHAINED_BY_ID = 0
BNB = Decimal(10)


class MarketSetup(NamedTuple):
    """What the market is made of. ``feed``: paths of recordings; none: synthetic symbols by ``seed``. ``start``: when
    a symbol's time begins, ``now`` or ``first-client``; empty: the latter for recordings."""

    venue: VenueSetup
    speed: float = 1.0
    start: str = ""


class ServerMarket:
    """All symbols, in the order in which they are listed.

    Args:
        symbols: by name.
        start: ``now``, or ``first-client``: a symbol stands still until somebody subscribes to a stream of it.
        clock_offset_ns: what the server's clock is told to be wrong by.
    """

    def __init__(self, symbols: Mapping[str, SymbolMarket], *, start: str = NOW, warnings: Sequence[str] = (),
                 clock_offset_ns: Callable[[], int] = int) -> None:
        self.symbols = symbols
        self.warnings = tuple(warnings)
        self.is_paced = all(not symbol.unbounded for symbol in symbols.values())
        self._start_at = start
        self._clock_offset_ns = clock_offset_ns
        self._woken = trio.Event()

    def now_ns(self) -> int:
        """The server's clock, ns since 1970; what it is told to be wrong by is in it."""
        return time.time_ns() + self._clock_offset_ns()

    def subscribed(self, symbol: SymbolMarket) -> None:
        """Somebody has subscribed to a stream of ``symbol``: its time begins, if it waited for that."""
        if not symbol.started:
            symbol.start(_clock_ns())
            self._woken.set()

    def wake(self) -> None:
        """Something has happened that may be due to be published before what was waited for."""
        self._woken.set()

    @property
    def ended(self) -> bool:
        """Every recording is at its end."""
        return all(symbol.ended for symbol in self.symbols.values())

    async def run(self, flush: Callable[[], None], has_room: Callable[[], bool] = lambda: True) -> None:
        """Publish what falls due, until cancelled.

        Args:
            flush: called after each batch that was published.
            has_room: with no speed to keep, the next batch waits until this is true.
        """
        if self._start_at == NOW:
            for symbol in self.symbols.values():
                symbol.start(_clock_ns())
        while True:
            more = self._advance(flush)
            await (trio.lowlevel.checkpoint() if more else self._wait(self._idle_s()))
            while not (self.is_paced or has_room()):
                await trio.sleep(LEAST_WAIT_S)

    def _advance(self, flush: Callable[[], None]) -> bool:
        clock_ns, now_ns, more = _clock_ns(), self.now_ns(), False
        for symbol in self.symbols.values():
            before = symbol.published
            more |= symbol.advance(clock_ns, now_ns, AT_ONCE)
            if symbol.published != before:
                flush()
        return more

    def _idle_s(self) -> float:
        due_ns = min((symbol.due_ns() for symbol in self.symbols.values()), default=float("inf"))
        return min(max(LEAST_WAIT_S, (due_ns - _clock_ns()) / 1e9), MOST_WAIT_S)

    async def _wait(self, seconds: float) -> None:
        if self._woken.is_set():
            self._woken = trio.Event()
        with trio.move_on_after(seconds):
            await self._woken.wait()


def _clock_ns() -> int:
    return int(trio.current_time() * 1e9)


def build_market(setup: MarketSetup, clock_offset_ns: Callable[[], int] = int) -> ServerMarket:
    """The market that ``setup`` asks for.

    Raises:
        ConfigError: a symbol that is not there, or a grid that does not fit.
        DataError: no recording that can be read, or one that is not of the spot market.
    """
    if setup.venue.feed:
        symbols, warnings = _recorded(setup)
        return ServerMarket(symbols, start=setup.start or FIRST_CLIENT, warnings=warnings,
                            clock_offset_ns=clock_offset_ns)
    symbols = {item.instrument.symbol: _synthetic(item, i, setup)
               for i, item in enumerate(synthetic_instruments(setup.venue, setup.venue.config.start_price))}
    return ServerMarket(symbols, start=setup.start or NOW, clock_offset_ns=clock_offset_ns)


def default_balances(market: ServerMarket) -> dict[str, Decimal]:
    """What an account has of whose balances nothing is said: as the venue in this process gives, and 10 BNB."""
    listed = ((symbol.instrument, symbol.first_price) for symbol in market.symbols.values())
    return {DISCOUNT_ASSET: BNB} | opening_balances(listed)


def _timeline(item: Listed, config: SimConfig) -> Timeline:
    timeline = Timeline(1)
    code, power, _ = queue_model(config.queue)
    timeline.add_instrument(item.chain, item.highest, (code, power or 1.0), config.max_open_orders)
    return timeline


def _synthetic(item: Listed, number: int, setup: MarketSetup) -> SymbolMarket:
    config: SimConfig = setup.venue.config
    check_synthetic(item, config.half_spread_ticks)
    timeline = _timeline(item, config)
    typical = item.instrument.floor_to_lot(Decimal(1000) / item.instrument.price(item.first_price))
    timeline.add_agents(0, agents_config(
        seed=setup.venue.seed * 1_000_003 + number, start_ns=SYNTHETIC_START_NS, start_price=item.first_price,
        typical_quantity=max(typical, 1), volatility=config.volatility, events_per_s=config.events_per_s,
        half_spread=config.half_spread_ticks, latency_ms=config.feed_latency_ms, jitter_ms=config.feed_jitter_ms))
    instrument = with_filters(item.instrument, item.highest)
    symbol = SymbolMarket(instrument, timeline, speed=setup.speed, first_price=item.first_price)
    symbol.warm_up(WARM_UP_S, time.time_ns())
    return symbol


def _recorded(setup: MarketSetup) -> tuple[dict[str, SymbolMarket], list[str]]:
    sources = open_recordings(setup.venue, setup.venue.config.clock_offset_ms)
    symbols: dict[str, SymbolMarket] = {}
    warnings: list[str] = []
    for item in listed_instruments(sources, setup.venue):
        _refuse_futures(item)
        holders = _holders(sources, item)
        symbol = symbols[item.instrument.symbol] = _replayed(item, holders, setup)
        snapshot, recorded = first_snapshot([(feed, index) for feed, index, _ in holders])
        if snapshot is not None:
            symbol.prime(snapshot)
        if not recorded:
            warnings.append(f"{item.instrument.symbol}: the recording holds no snapshot: the book begins empty, and "
                            "has only those levels that changed since")
    return symbols, warnings


def _refuse_futures(item: Listed) -> None:
    if item.instrument.kind is not InstrumentKind.SPOT or item.chain != _CHAINED_BY_ID:
        raise DataError(
            f"{item.instrument.symbol}: a recording of the market {item.instrument.market}; the server speaks "
            "Binance's spot API, so it takes recordings of the spot market only", code="IDA-E7014")


def _holders(sources: Sequence[Source], item: Listed) -> list[tuple[Feed, int, int]]:
    """(feed, the instrument's index in it, clock offset in ns) of all feeds that have it."""
    wanted = (item.instrument.market, item.instrument.symbol)
    return [(feed, index, source.offset_ns) for source in sources for feed in source.feeds
            for index, own in enumerate(feed.meta.instruments) if (own.market, own.symbol) == wanted]


def _replayed(item: Listed, holders: Sequence[tuple[Feed, int, int]], setup: MarketSetup) -> SymbolMarket:
    timeline = _timeline(item, setup.venue.config)
    for feed, index, offset_ns in holders:
        mapping = [0 if i == index else -1 for i in range(len(feed.meta.instruments))]
        timeline.add_feed(feed, mapping, offset_ns)
    if timeline.first_ns is None:
        raise ConfigError(f"{item.instrument.symbol}: the feed holds no market data of it", code="IDA-E7002")
    singles = any(feed.ids(index, "trade") for feed, index, _ in holders)
    return SymbolMarket(
        with_filters(item.instrument, item.highest), timeline, offset_ns=holders[0][2], speed=setup.speed,
        has_singles=singles, first_price=item.first_price)
