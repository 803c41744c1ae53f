"""A quick look at this machine: how fast the core applies, matches and decides. Best of some rounds.

For comparisons with other systems see ``docs/benchmarks.md``; this is for "is my machine, and my build, all right".
A recording format may add figures of its own wire with ``bench(seconds) -> Sequence[Figure]``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import msgspec

from ida_core.book import Book
from ida_core.config import RunSettings, Settings
from ida_core.context import Context
from ida_core.events import Quote, Trade
from ida_core.native import ffi, lib
from ida_core.plugins import Plugins
from ida_core.protocols import Strategy, Subscription

LEVELS, MESSAGES = 17, 2000
MIDDLE, REACH = 6_000_000, 2000
SECONDS, MARKET_S = 1.0, 120.0
ROUNDS = 3


class Figure(msgspec.Struct, frozen=True):
    """``what`` was done so many times a second (``rate``), in ``unit``."""

    what: str
    rate: float
    unit: str


def measure(plugins: Plugins, seconds: float | None = None) -> list[Figure]:
    """Measure; takes about ``seconds`` for each figure."""
    seconds = SECONDS if seconds is None else seconds
    figures = [figure for format in plugins.recordings.values() for figure in _of_format(format, seconds)]
    return [*figures, book_rate(seconds), matching_rate(plugins), engine_rate(plugins)]


def _of_format(recording: Any, seconds: float) -> Sequence[Figure]:
    bench = getattr(recording, "bench", None)
    return bench(seconds) if bench is not None else ()


def best_rate(work: Callable[[], int], seconds: float) -> float:
    """How much ``work`` does in a second at its best; it returns how much it did each time."""
    best, end = 0.0, time.perf_counter() + seconds
    while time.perf_counter() < end or not best:
        began = time.perf_counter()
        done = work()
        best = max(best, done / max(time.perf_counter() - began, 1e-9))
    return best


def book_rate(seconds: float) -> Figure:
    """Levels a second into an L2 book, in messages of the usual size, a call from Python for each."""
    random = Random(1)
    messages = [_depth(random) for _ in range(MESSAGES)]
    book = Book(2 * MIDDLE)

    def work() -> int:
        for message in messages:
            lib.ida_book_apply(book.pointer, message)
        return LEVELS * MESSAGES

    return Figure("apply: depth messages to the book", best_rate(work, seconds), "levels/s")


def _depth(random: Random) -> Any:
    """A message like those of a busy market: most changes near the middle, a third of them removals."""
    message = ffi.new("ida_depth *", {"levels": LEVELS})
    message.head.length = ffi.sizeof("ida_depth") + LEVELS * ffi.sizeof("ida_level")
    message.head.kind = lib.IDA_DEPTH
    message.bids = LEVELS // 2
    message.asks = LEVELS - message.bids
    for i in range(LEVELS):
        away = 1 + int(random.expovariate(4 / REACH))
        message.levels[i].price = MIDDLE + (away if i >= message.bids else -away)
        message.levels[i].quantity = random.choice((0, random.randrange(1, 10**6), random.randrange(1, 10**6)))
    return message


def matching_rate(plugins: Plugins) -> Figure:
    """Events a second of the synthetic market, whose agents trade on the matching engine; nobody listens."""
    rate = max(_pull(plugins, Subscription())[0] for _ in range(ROUNDS))
    return Figure("match: the synthetic market, no subscriber", rate, "events/s")


def _pull(plugins: Plugins, subscription: Subscription) -> tuple[float, Any]:
    from ida_core.run import build_parts

    venue = build_parts(_settings(), _with_listener(plugins)).venue
    try:
        venue.subscribe(0, subscription)
        began = time.perf_counter()
        while not venue.finished:
            venue.next_event(venue.last_ns())
        return venue.events / (time.perf_counter() - began), venue
    finally:
        venue.close()


class Listener(Strategy):
    """Is called for everything that happens, and does nothing: what a call costs."""

    name = "bench_listener"
    book_updates = "every"
    calls = 0

    def on_book(self, ctx: Context, book: Book) -> None:
        self.calls += 1

    def on_quote(self, ctx: Context, quote: Quote) -> None:
        self.calls += 1

    def on_trade(self, ctx: Context, trade: Trade) -> None:
        self.calls += 1


def engine_rate(plugins: Plugins) -> Figure:
    """Calls a second of a plain Python strategy on every event, with engine, matching and both books."""
    rate = max(_run(plugins) for _ in range(ROUNDS))
    return Figure("engine: the same, a strategy called on every event", rate, "calls/s")


def _run(plugins: Plugins) -> float:
    from ida_core.log import Log
    from ida_core.run import build_engine, build_parts, run_engine

    settings = _settings()
    parts = build_parts(settings, _with_listener(plugins))
    try:
        engine = build_engine(settings, parts.venue, parts.strategies, parts.checks, Log.silent(), None)
        began = time.perf_counter()
        run_engine(engine)
        (listener,) = parts.strategies
        assert isinstance(listener, Listener)
        return listener.calls / (time.perf_counter() - began)
    finally:
        parts.venue.close()


def _settings() -> Settings:
    run = RunSettings(feed=("synthetic",), strategies=(Listener.name,), risk=(), reports=(), duration_s=MARKET_S)
    return Settings(run=run)


def _with_listener(plugins: Plugins) -> Plugins:
    from dataclasses import replace

    return replace(plugins, strategies={Listener.name: Listener})
