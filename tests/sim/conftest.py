"""Small recordings made by hand, and a way to run a strategy on them and see everything that came back."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ida_binance.recording import BinanceRecording
from ida_core import OrderUpdate, Strategy
from ida_core.clock import SimulatedClock
from ida_core.engine import Engine
from ida_core.ledger import Ledger
from ida_core.log import Log
from ida_core.order_table import OrderTable
from ida_core.portfolio import Portfolio
from ida_core.protocols import VenueSetup
from ida_core.run import run_engine
from ida_sim.config import SimConfig
from ida_sim.venue import SimVenue

MS = 1_000_000
START_MS = 1_723_161_600_000
Levels = Sequence[tuple[str, str]]
GRID = {"BTCUSDT": {"tick_size": Decimal("0.1"), "lot_size": Decimal("0.001")}}


class Tape:
    """A recording of one symbol, tick 0.1 and lot 0.001: times in ms after the start, feed latency ``lag_ms``; of spot,
    or of the USDⓈ-M perpetual."""

    def __init__(self, lag_ms: int = 2, *, perpetual: bool = False, symbol: str = "BTCUSDT") -> None:
        self.lag_ms = lag_ms
        self.perpetual = perpetual
        self.symbol = symbol
        self.lines: list[str] = []
        self._id = 100
        self._trade = 0

    def _write(self, at_ms: float, message: dict[str, Any]) -> None:
        local_ns = START_MS * MS + int((at_ms + self.lag_ms) * MS)
        self.lines.append(f"{local_ns} {json.dumps(message, separators=(',', ':'))}")

    def snapshot(self, at_ms: float, bids: Levels, asks: Levels) -> Tape:
        at = START_MS + int(at_ms)
        more = {"E": at, "T": at} if self.perpetual else {}
        self._write(at_ms, {"lastUpdateId": self._id, **more, "bids": bids, "asks": asks})
        return self.depth(at_ms, [], [])

    def depth(self, at_ms: float, bids: Levels, asks: Levels) -> Tape:
        self._id += 1
        at = START_MS + int(at_ms)
        more = {"T": at, "pu": self._id - 1} if self.perpetual else {}
        self._write(at_ms, {"stream": f"{self.symbol.lower()}@depth@100ms", "data": {
            "e": "depthUpdate", "E": at, "s": self.symbol, "U": self._id, "u": self._id, **more, "b": bids, "a": asks}})
        return self

    def trade(self, at_ms: float, price: str, quantity: str, *, seller: bool, **extra: Any) -> Tape:
        """``seller``: the aggressor sold."""
        self._trade += 1
        at = START_MS + int(at_ms)
        extra = {**({"X": "MARKET"} if self.perpetual else {"M": True}), **extra}
        self._write(at_ms, {"stream": f"{self.symbol.lower()}@trade", "data": {
            "e": "trade", "E": at, "s": self.symbol, "t": self._trade, "p": price, "q": quantity, "T": at,
            "m": seller, **extra}})
        return self

    def aggregate(self, at_ms: float, price: str, quantity: str, *, seller: bool, trades: int = 1) -> Tape:
        """The last so many trades, as the stream of aggregate trades tells them."""
        at = START_MS + int(at_ms)
        self._write(at_ms, {"stream": f"{self.symbol.lower()}@aggTrade", "data": {
            "e": "aggTrade", "E": at, "s": self.symbol, "a": self._trade, "p": price, "q": quantity,
            "f": self._trade - trades + 1, "l": self._trade, "T": at, "m": seller, "M": True}})
        return self

    def mark(self, at_ms: float, price: str, *, rate: str = "0.0001", funding_ms: float = 3_600_000) -> Tape:
        at = START_MS + int(at_ms)
        self._write(at_ms, {"stream": f"{self.symbol.lower()}@markPrice@1s", "data": {
            "e": "markPriceUpdate", "E": at, "s": self.symbol, "p": price, "P": price, "i": price, "r": rate,
            "T": START_MS + int(funding_ms)}})
        return self

    def last_id(self, trade: int) -> Tape:
        """An id that the next aggregate ends with, and the next single trade comes after."""
        self._trade = trade
        return self

    def save(self, folder: Path, name: str = "tape.txt") -> Path:
        path = folder / name
        path.write_text("\n".join(self.lines) + "\n")
        return path


class Seen:
    """What a run on a tape came to: the venue, the engine, every execution report that the strategy saw, and all that
    was kept, as in a journal: also what came after the strategy had stopped."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.venue = engine.venue
        self.updates: list[OrderUpdate] = []
        self.kept: list[Any] = []

    def of(self, execution: str) -> list[OrderUpdate]:
        return [u for u in self.updates if u.execution == execution]

    @property
    def fills(self) -> list[tuple[float, int, int, str]]:
        """(ms after the start at the exchange, price in ticks, lots, rule)."""
        return [((u.ts_venue_ns - START_MS * MS) / MS, u.price, u.quantity, u.reason) for u in self.of("TRADE")]


Act = Callable[[Any], None]


class Script(Strategy):
    """Does each act at its time: {ms after the start: what to do with the context}."""

    name = "script"

    def __init__(self, acts: dict[float, Act]) -> None:
        super().__init__()
        self.acts = dict(acts)
        self.seen: list[OrderUpdate] = []
        self._by_timer: dict[int, Act] = {}

    def on_start(self, ctx: Any) -> None:
        for at_ms, act in self.acts.items():
            delay_s = (START_MS * MS + at_ms * MS - ctx.now_ns) / 1e9
            self._by_timer[ctx.set_timer(delay_s)] = act

    def on_timer(self, ctx: Any, timer: Any) -> None:
        self._by_timer[timer.timer_id](ctx)

    def on_order(self, ctx: Any, update: OrderUpdate) -> None:
        self.seen.append(update)


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Seen]:
    """``play(tape, {ms: act}, **sim)``: run the acts on the tape; latency 5 ms each way, no fees, unless said."""
    monkeypatch.setenv("IDA_CACHE_DIR", str(tmp_path / "cache"))

    def run(
        tape: Tape, acts: dict[float, Act] | Strategy | list[Strategy], *, duration_s: float | None = None,
        instruments: dict[str, Any] = GRID, beside: Sequence[Tape] = (), **sim: Any,
    ) -> Seen:
        config = SimConfig(**{"maker_fee": Decimal(0), "taker_fee": Decimal(0), "clock_offset_ms": Decimal(0), **sim})
        feed = [tape.save(tmp_path), *(one.save(tmp_path, f"{one.symbol}.txt") for one in beside)]
        venue = SimVenue.build(VenueSetup(
            config=config, feed=tuple(map(str, feed)), duration_s=duration_s, recordings=(BinanceRecording(),),
            instruments=instruments))
        strategies = [Script(acts)] if isinstance(acts, dict) else acts if isinstance(acts, list) else [acts]
        kept: list[Any] = []
        engine = make_engine(venue, strategies, journal=kept)
        run_engine(engine)
        seen = Seen(engine)
        seen.kept = kept
        seen.updates = getattr(strategies[0], "seen", [])
        return seen

    return run


def make_engine(venue: SimVenue, strategies: Sequence[Strategy], **more: Any) -> Engine:
    """An engine without journal and risk checks over ``venue``."""
    instruments = venue.instruments()
    ledger = Ledger(instruments)
    for asset, (free, locked) in venue.balances().items():
        ledger.post_opening(asset, free + locked)
    return Engine(
        venue, strategies, (), orders=OrderTable("t"), portfolio=Portfolio(instruments), ledger=ledger,
        log=Log.silent(), clock=SimulatedClock(venue.start_ns()), **more)


BIDS, ASKS = [("100.0", "1.000"), ("99.9", "2.000")], [("100.1", "1.000"), ("100.2", "2.000"), ("100.3", "3.000")]


@pytest.fixture
def tape() -> Tape:
    """Bids 100.0 x 1.000 and 99.9 x 2.000, asks 100.1 x 1.000, 100.2 x 2.000 and 100.3 x 3.000, from 0 ms on."""
    return Tape().snapshot(0, BIDS, ASKS)


@pytest.fixture
def perpetual() -> Tape:
    """The same book of the perpetual."""
    return Tape(perpetual=True).snapshot(0, BIDS, ASKS)


