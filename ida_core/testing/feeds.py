"""The contract of ``ida_core.FeedPlugin`` as functions, one rule each: what ``check_feed`` runs."""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import cached_property
from typing import Any

import msgspec
import trio

from ida_core.clock import NS, SimulatedClock
from ida_core.config import Settings
from ida_core.events import Signal
from ida_core.making import place_of
from ida_core.plugins import Plugins
from ida_core.protocols import FeedPlugin, Strategy
from ida_core.testing.rules import Finding, NotApplicable, check_class, count, hold, require, table, told
from ida_core.testing.trial import Bench, check_ended
from ida_core.testing.watch import Watch, watched

#: How many signals are looked at, how long the feed is listened to, and how much real time it may take.
SIGNALS, LISTENED_S, REAL_S = 20, 3600.0, 10.0
RUN_S = 600.0


class FeedTrial:
    """A feed, and what it tells on a simulated clock."""

    def __init__(self, kind: type[FeedPlugin], bench: Bench) -> None:
        self.kind = kind
        self.bench = bench
        self.bench.sections["sim"] = {"events_per_s": 1.0}

    def close(self) -> None:
        self.bench.close()

    def made(self, kind: Any = None) -> FeedPlugin:
        feed: FeedPlugin = (kind or self.kind)(self.bench.config_of(self.kind))
        return feed

    @cached_property
    def heard(self) -> Heard:
        return listen(self.made())

    def needs_signals(self) -> list[Any]:
        if not self.heard.signals:
            raise NotApplicable(f"it told nothing within {LISTENED_S:,.0f} s of simulated time")
        return self.heard.signals


class Heard:
    """What a feed told within an hour of simulated time, and how it ended."""

    def __init__(self) -> None:
        self.signals: list[Any] = []
        self.times_s: list[float] = []
        self.ended = False
        self.error: BaseException | None = None
        self.stuck = False
        self.swallowed = False


def check_feed(
    feed: type[FeedPlugin], config: msgspec.Struct | None = None, *, rules: Sequence[str] | None = None
) -> None:
    """Hold a feed to its contract: signals of plain data, on Trio's clock, ended by cancellation, and replayed.

    Args:
        config: its section; the defaults of ``feed.Config`` if None. A feed that asks the network is best pointed at
            something local here.
        rules: keys of ``FEED_RULES``; all by default.
    Raises:
        AssertionError: names every rule that was broken, and how.
    """
    bench = Bench(feed, Listener, duration_s=RUN_S)
    bench.configure(feed, config)
    with closing(FeedTrial(feed, bench)) as trial:
        require(f"feed {feed.__name__}", hold(FEED_RULES, trial, rules))


def find_feed(kind: type[FeedPlugin], settings: Settings, plugins: Plugins) -> list[Finding]:
    """Hold a feed to every rule, the installed ``plugins`` beside it."""
    bench = Bench(kind, Listener, plugins=plugins, duration_s=RUN_S, sections=settings.sections)
    with closing(FeedTrial(kind, bench)) as trial:
        return hold(FEED_RULES, trial)


# ------------------------------------------------------------------ the rules


def keeps_the_protocol(trial: FeedTrial) -> str:
    check_class(trial.kind, FeedPlugin, ("events",))
    assert inspect.isasyncgenfunction(trial.kind.events), (
        f"{place_of(trial.kind.events)}: events must be an async generator: async def, with yield")
    return ""


def runs_on_simulated_time(trial: FeedTrial) -> str:
    heard = trial.heard
    assert heard.error is None, f"it raised: {told(heard.error)}" if heard.error else ""
    assert not heard.stuck, (
        f"{place_of(trial.kind.events)}: within {REAL_S:.0f} s of real time it neither told something nor slept on "
        "Trio's clock: await trio.sleep()")
    ended = ", then it ended" if heard.ended else ""
    return f"{count(len(heard.signals), 'signal')} in {max(heard.times_s, default=0):.0f} s of simulated time{ended}"


def tells_signals(trial: FeedTrial) -> str:
    where, name = place_of(trial.kind.events), trial.kind.name
    for signal in trial.needs_signals():
        assert isinstance(signal, Signal), f"{where}: it yielded {signal!r:.80}, which is no ida_core.Signal"
        assert signal.source == name, f"{where}: source {signal.source!r} must be its name {name!r}"
        assert signal.name, f"{where}: a signal without a name"
        again = msgspec.json.decode(msgspec.json.encode(signal.data))
        assert again == signal.data, (
            f"{where}: data {signal.data!r:.80} is {again!r:.80} when read back: use JSON's own types, amounts as text")
    return f"such as {signal.name}: {signal.data!r:.60}"


def tells_the_same_again(trial: FeedTrial) -> str:
    first, second = trial.needs_signals(), listen(trial.made()).signals
    assert first == second, (
        f"two of its kind tell different things ({first[:1]} and {second[:1]}): in a simulation a run is not the same "
        "twice")
    return count(len(first), "signal")


def ends_when_it_is_cancelled(trial: FeedTrial) -> str:
    heard = trial.heard
    if heard.ended:
        raise NotApplicable("it ended by itself")
    assert not heard.swallowed, f"{place_of(trial.kind.events)}: it went on after trio.Cancelled: never swallow that"
    return ""


def does_not_block(trial: FeedTrial) -> str:
    """``time.sleep`` would stop the engine."""
    watch = Watch(trial.kind)
    listen(trial.made(watched([], watch)), watch)
    found = [b for b in watch.breaches if b.what.startswith(("time.sleep", "input"))]
    assert not found, f"{found[0]}: it stops the engine: await trio.sleep()"
    return ""


def is_journaled_and_replayed(trial: FeedTrial) -> str:
    from ida_core.replay import replay

    trial.needs_signals()
    runs = [trial.bench.run(Listener.name, feed=("synthetic", trial.kind.name)) for _ in range(2)]
    check_ended(runs[0])
    told_to = [e for e in trial.bench.load(runs[0]) if isinstance(e, Signal)]
    outcome = replay(runs[0].run_dir, trial.bench.plugins)
    assert outcome.same, f"the replay differs: {outcome.difference}"
    first, second = (run.document["run"]["journal_sha256"] for run in runs)
    assert first == second, f"two runs with the same seed differ: {first[:12]} and {second[:12]}"
    return f"{count(len(told_to), 'signal')} in {RUN_S:.0f} s, {count(outcome.requests, 'request')} the same"


FEED_RULES = table(
    keeps_the_protocol, runs_on_simulated_time, tells_signals, tells_the_same_again, ends_when_it_is_cancelled,
    does_not_block, is_journaled_and_replayed,
)


# ------------------------------------------------------------------ their parts


class _Jumping(SimulatedClock):
    """Goes on to the next deadline when all wait."""

    def __init__(self) -> None:
        super().__init__()
        self.until_s = math.inf

    def deadline_to_sleep_time(self, deadline: float) -> float:
        if deadline <= self.current_time():
            return 0.0
        if deadline < self.until_s:
            self.set(int(deadline * NS) + 1)
        return 0.0 if deadline <= self.current_time() else REAL_S


def listen(feed: FeedPlugin, watch: Watch | None = None) -> Heard:
    """Hear a feed on a clock that jumps from one deadline to the next."""
    heard = Heard()
    trio.run(_listen, feed, heard, watch, clock=_Jumping())
    return heard


async def _listen(feed: FeedPlugin, heard: Heard, watch: Watch | None) -> None:
    began = time.monotonic()
    with trio.move_on_after(LISTENED_S) as scope:
        try:
            await _take(feed, heard, scope, watch)
            heard.ended = len(heard.signals) < SIGNALS and not scope.cancel_called
        except trio.Cancelled:
            raise
        except Exception as error:
            heard.error = error
    heard.stuck = not heard.signals and time.monotonic() - began > REAL_S


async def _take(feed: FeedPlugin, heard: Heard, scope: trio.CancelScope, watch: Watch | None) -> None:
    events: Any = feed.events()
    step: Callable[[], Any] = events.__anext__
    try:
        while len(heard.signals) < SIGNALS:
            signal = await (_under(watch, step) if watch else step())
            if scope.cancel_called:
                heard.swallowed = True
                return
            heard.signals.append(signal)
            heard.times_s.append(trio.current_time())
    except StopAsyncIteration:
        heard.swallowed = scope.cancel_called
    finally:
        with trio.CancelScope(shield=True):
            await events.aclose()


async def _under(watch: Watch, step: Callable[[], Any]) -> Any:
    return await _Stepped(watch, step())


class _Stepped:
    """Awaits, with each step of it under watch."""

    def __init__(self, watch: Watch, awaitable: Any) -> None:
        self._watch = watch
        self._inner = awaitable.__await__()

    def __await__(self) -> Any:
        value: Any = None
        while True:
            try:
                with self._watch.running():
                    wanted = self._inner.send(value)
            except StopIteration as done:
                return done.value
            value = yield wanted


class Listener(Strategy):
    """Notes each signal by an order that depends on it."""

    name = "ida_testing_listener"

    def on_signal(self, ctx: Any, signal: Signal) -> None:
        from ida_core.model import Side

        if ctx.book.bid is not None and not ctx.orders:
            ctx.place(Side.BUY, 100 + len(signal.name), ctx.book.bid - 1000)
