"""The contract of ``ida_core.Strategy`` as functions, one rule each: what ``check_strategy`` runs."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace as changed
from functools import cached_property
from typing import Any, cast

import msgspec

from ida_core.config import Settings
from ida_core.context import Context
from ida_core.errors import PluginError
from ida_core.events import Execution, OrderUpdate, PlaceOrder, Refusal
from ida_core.making import place_of
from ida_core.plugins import Plugins
from ida_core.protocols import FeedPlugin, Strategy
from ida_core.run import Outcome
from ida_core.subscriptions import book_wish
from ida_core.testing import market, rough
from ida_core.testing.reading import read
from ida_core.testing.rules import (
    Finding,
    NotApplicable,
    check_class,
    check_spelling,
    count,
    hold,
    require,
    table,
)
from ida_core.testing.trial import SYNTHETIC, SYNTHETIC_S, Bench, check_ended, with_plugin
from ida_core.testing.twin import can_travel, run_twin
from ida_core.testing.watch import ALONE, CHANCE, CLOCK, OUTSIDE, Breach, Watch, watched, wrapped

CALLBACKS = [name for name in vars(Strategy) if name.startswith("on_")]
HASH_SEEDS = (1, 2)
MOST_TOLD = 3
#: Thread time from event to request: what is aimed at, and what fails. Ten times more, for machines are not alike.
BUDGET_US, BOUND_US = 100.0, 1000.0
TIMED_RUNS = 3
#: Of the orders on a quiet market, how many a strategy may have refused.
MOST_REFUSED = 0.5


class Trial:
    """A strategy and its short runs, each made when a rule first asks for it."""

    def __init__(self, kind: type[Strategy], bench: Bench) -> None:
        self.kind = kind
        self.bench = bench

    def close(self) -> None:
        self.bench.close()

    @cached_property
    def overridden(self) -> list[str]:
        return [name for name in CALLBACKS if getattr(self.kind, name) is not getattr(Strategy, name)]

    @cached_property
    def quiet(self) -> Outcome:
        return self.bench.run(self.kind.name)

    @cached_property
    def watch(self) -> Watch:
        """A run under watch; what it saw."""
        watch = Watch(self.kind)
        kind = _looked_after(watched(self.overridden, watch), self.overridden, watch)
        self.bench.run(self.kind.name, plugins=with_plugin(self.bench.plugins, kind, "strategies"))
        return watch

    @cached_property
    def read(self) -> list[Breach]:
        return read(self.kind)

    def breaches(self, kind: str) -> list[Breach]:
        """What was seen, then what stands in the source and was not come to."""
        seen = [breach for breach in self.watch.breaches if breach.kind == kind]
        places = {breach.where for breach in seen}
        return seen + [b for b in self.read if b.kind == kind and b.where not in places]

    def treat(self, hand: type[rough.Hand]) -> tuple[Outcome, rough.Hand]:
        """A run whose events pass through ``hand``."""
        made: list[rough.Hand] = []

        def make(venue: Any) -> rough.Hand:
            made.append(hand(venue))
            return made[-1]

        return self.bench.run(self.kind.name, hand=make), made[-1]

    @cached_property
    def counted(self) -> tuple[Outcome, rough.Counts]:
        outcome, hand = self.treat(rough.Counts)
        assert isinstance(hand, rough.Counts)
        return outcome, hand


def check_strategy(
    strategy: type[Strategy],
    config: msgspec.Struct | None = None,
    *,
    feed: Sequence[str] = SYNTHETIC,
    duration_s: float = SYNTHETIC_S,
    seed: int = 1,
    rules: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Hold a strategy to its contract: is it deterministic and pure, does it survive what an exchange does?

    Args:
        config: its section; the defaults of ``strategy.Config`` if None.
        feed: recordings, or the synthetic market.
        duration_s: of simulated time, for each of some twenty runs.
        rules: keys of ``STRATEGY_RULES``; all by default.
    Returns:
        The document of a quiet run, as ``ida run --json`` prints it.
    Raises:
        AssertionError: names every rule that was broken, and how, with file and line.
    """
    bench = Bench(strategy, feed=feed, duration_s=duration_s, seed=seed)
    bench.configure(strategy, config)
    with closing(Trial(strategy, bench)) as trial:
        require(f"strategy {strategy.__name__}", hold(STRATEGY_RULES, trial, rules))
        return trial.quiet.document


def find_strategy(
    kind: type[Strategy], settings: Settings, plugins: Plugins, feeds: Sequence[type[FeedPlugin]] = ()
) -> list[Finding]:
    """Hold a strategy to every rule, with the installed ``plugins`` and its package's own ``feeds`` beside it."""
    feed = (*SYNTHETIC, *(one.name for one in feeds))
    bench = Bench(kind, *feeds, plugins=plugins, feed=feed, sections=settings.sections)
    with closing(Trial(kind, bench)) as trial:
        return hold(STRATEGY_RULES, trial)


# ------------------------------------------------------------------ the rules


def keeps_the_protocol(trial: Trial) -> str:
    check_class(trial.kind, Strategy, CALLBACKS)
    check_spelling(trial.kind, Strategy, "on_")
    try:
        book_wish(cast(Strategy, trial.kind))
    except PluginError as error:
        raise AssertionError(f"{place_of(trial.kind)}: {error}") from None
    return f"{', '.join(trial.overridden)}"


def runs_to_the_end(trial: Trial) -> str:
    check_ended(trial.quiet)
    document = trial.quiet.document
    return f"{count(document['orders']['submitted'], 'order')}, {count(document['fills']['count'], 'fill')}"


def tells_the_same_again(trial: Trial) -> str:
    first, again = (_sha(o) for o in (trial.quiet, trial.bench.run(trial.kind.name)))
    assert first == again, (
        f"two runs with the same seed differ (journals {first[:12]} and {again[:12]}): the strategy is not "
        "deterministic: it keeps something outside its own object, or draws chance that is not ctx.random")
    return f"journal {first[:12]} twice"


def tells_the_same_whatever_the_hash_seed(trial: Trial) -> str:
    for kind in trial.bench.kinds:
        if why := can_travel(kind):
            raise NotApplicable(why)
    first = _sha(trial.quiet)
    for seed in HASH_SEEDS:
        settings = trial.bench.settings(strategies=(trial.kind.name,), out=str(trial.bench.folder / f"hash-{seed}"))
        assert run_twin(trial.bench.kinds, settings, seed) == first, (
            f"with PYTHONHASHSEED={seed} the run differs: something goes by the order of a set, or by hash()")
    return f"journal {first[:12]} with {len(HASH_SEEDS)} other hash seeds"


def replays(trial: Trial) -> str:
    from ida_core.replay import replay

    outcome = replay(trial.quiet.run_dir, trial.bench.plugins)
    assert outcome.same, f"the replay differs: {outcome.difference}"
    return f"{count(outcome.requests, 'request')} the same"


def asks_no_clock_but_its_context_s(trial: Trial) -> str:
    _none_of(trial, CLOCK, "the only clock is ctx.now_ns")
    return "only ctx.now_ns"


def draws_no_chance_but_its_context_s(trial: Trial) -> str:
    _none_of(trial, CHANCE, "chance comes from ctx.random, which is seeded")
    return "only ctx.random"


def does_no_input_or_output(trial: Trial) -> str:
    _none_of(trial, OUTSIDE, "a strategy waits for nobody: write by ctx.log, read by a feed plugin")
    return ""


def leaves_its_context_alone(trial: Trial) -> str:
    _none_of(trial, ALONE, "what the engine keeps is not the strategy's to change")
    _, hand = trial.counted
    asked = {r.order_id for r in trial.bench.load(trial.counted[0]) if isinstance(r, PlaceOrder)}
    past = [r.order_id for r in hand.requests if isinstance(r, PlaceOrder) and r.order_id not in asked]
    assert not past, f"order {past[0]} reached the exchange past risk and journal: place by ctx.place"
    return ""


def returns_nothing(trial: Trial) -> str:
    _none_of(trial, RETURNED, "nobody looks at what a callback returns: place by ctx.place")
    return ""


def asks_for_what_can_be(trial: Trial) -> str:
    """A quiet market refuses little."""
    outcome, hand = trial.counted
    events = trial.bench.load(outcome)
    placed = sum(isinstance(r, PlaceOrder) for r in hand.requests)
    rejected = [e for e in events if isinstance(e, OrderUpdate) and e.execution is Execution.REJECTED]
    refused = [e for e in events if isinstance(e, Refusal) and e.by == "orders" and isinstance(e.request, PlaceOrder)]
    asked = placed + len(refused)
    if not asked:
        raise NotApplicable("it placed no order on the quiet market")
    reasons = Counter([e.reason for e in rejected] + [e.detail for e in refused])
    bad = len(rejected) + len(refused)
    worst = f"; most often: {reasons.most_common(1)[0][0]}" if reasons else ""
    told = f"{bad} of {count(asked, 'order')} refused on a quiet market{worst}"
    assert bad <= MOST_REFUSED * asked, told
    return told


def survives_partial_fills(trial: Trial) -> str:
    return _survives(trial, rough.SplitsFills, "fill", "split")


def survives_rejects(trial: Trial) -> str:
    return _survives(trial, rough.Rejects, "order", "rejected")


def survives_fills_after_a_cancel(trial: Trial) -> str:
    return _survives(trial, rough.FillsAfterCancel, "fill", "told after a cancel")


def survives_reports_told_twice(trial: Trial) -> str:
    return _survives(trial, rough.TellsTwice, "report", "told twice")


def survives_unanswered_orders(trial: Trial) -> str:
    return _survives(trial, rough.Unanswered, "order", "without an answer for 1 s")


def survives_a_lost_connection(trial: Trial) -> str:
    return _survives(trial, rough.LosesConnection, "connection", "lost for 2 s")


def survives_a_bad_book(trial: Trial) -> str:
    """One-sided, empty, with a gap, then far away."""
    bench = trial.bench
    recordings = bench.plugins.recordings | {market.NAME: market.BadDay()}
    plugins = changed(bench.plugins, recordings=recordings)
    feed = (str(market.write(bench.folder)), *(name for name in bench.base.feed if name in plugins.feeds))
    outcome = bench.run(trial.kind.name, plugins=plugins, feed=feed, symbols=())
    check_ended(outcome)
    (book,) = outcome.document["book"].values()
    return f"a side gone, both gone, {count(book['gaps'], 'gap')}, a jump of 5 %"


def takes_every_kind_of_event(trial: Trial) -> str:
    return _survives(trial, rough.TellsAllKinds, "round", "of quotes, bars, marks, funding, signals and states")


def leaves_no_order_open(trial: Trial) -> str:
    outcome, hand = trial.counted
    check_ended(outcome)
    left = sorted(hand.open)
    assert not left, f"{count(len(left), 'order')} still open at the exchange: {', '.join(left[:MOST_TOLD])}"
    return f"{count(len(hand.requests), 'request')}"


def keeps_its_time_budget(trial: Trial) -> str:
    """Thread time of each call, requests included; waiting does not count, and is a breach of its own. Of several
    equal runs the least for each call: what is left then is the strategy's, not the machine's."""
    runs = [_time_calls(trial) for _ in range(TIMED_RUNS)]
    spans = {name: sorted(map(min, zip(*(run[name] for run in runs), strict=False))) for name in trial.overridden}
    p99 = {name: s[len(s) * 99 // 100] / 1000 for name, s in spans.items() if s}
    if not p99:
        raise NotApplicable("it was never called")
    worst = max(p99, key=lambda name: p99[name])
    told = f"{worst}: p99 {p99[worst]:.0f} µs of {count(len(spans[worst]), 'call')}; the budget is {BUDGET_US:.0f} µs"
    assert p99[worst] <= BOUND_US, f"{place_of(getattr(trial.kind, worst))}: {told}, and {BOUND_US:.0f} µs the bound"
    return told


# ------------------------------------------------------------------ their parts

RETURNED = "returned"


def _sha(outcome: Outcome) -> str:
    return str(outcome.document["run"]["journal_sha256"])


def _none_of(trial: Trial, kind: str, rule: str) -> None:
    found = trial.breaches(kind)
    more = f" (and {len(found) - MOST_TOLD} more)" if len(found) > MOST_TOLD else ""
    assert not found, f"{'; '.join(map(str, found[:MOST_TOLD]))}{more}: {rule}"


def _survives(trial: Trial, hand: type[rough.Hand], thing: str, what: str) -> str:
    outcome, made = trial.treat(hand)
    check_ended(outcome, tolerant=True)
    if not made.did:
        raise NotApplicable(f"there was no {thing} to be {what}")
    return f"{count(made.did, thing)} {what}"


def _time_calls(trial: Trial) -> dict[str, list[int]]:
    spans: dict[str, list[int]] = {name: [] for name in trial.overridden}
    kind = wrapped(trial.kind, trial.overridden, lambda name, method: _timed(method, spans[name]))
    trial.bench.run(trial.kind.name, plugins=with_plugin(trial.bench.plugins, kind, "strategies"))
    return spans


def _timed(method: Callable[..., Any], spans: list[int]) -> Callable[..., Any]:
    clock = time.thread_time_ns

    def call(*args: Any) -> Any:
        began = clock()
        try:
            return method(*args)
        finally:
            spans.append(clock() - began)

    return call


def _looked_after(kind: Any, names: list[str], watch: Watch) -> Any:
    """Each callback's context is the same afterwards, and nothing is returned."""

    def wrap(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def note(breach: str, what: str) -> None:
            watch.breaches[Breach(breach, place_of(getattr(watch.kind, name)), f"{name} {what}")] = None

        def call(strategy: Any, ctx: Context, *event: Any) -> None:
            before = _state_of(ctx)
            returned = method(strategy, ctx, *event)
            after = _state_of(ctx)
            for part in [part for part in after if after[part] != before[part]]:
                note(ALONE, f"changed ctx.{part}")
            if returned is not None:
                note(RETURNED, f"returned {returned!r:.60}")
                getattr(returned, "close", lambda: None)()

        return call

    return wrapped(kind, names, wrap)


def _state_of(ctx: Context) -> dict[str, Any]:
    """What no callback can change: requests are answered later."""
    book, position = ctx.book, ctx.position
    parts = {name: id(getattr(ctx, name)) for name in ("instrument", "market", "book", "orders", "position", "random")}
    return parts | {
        "book's levels": (book.bid, book.ask, book.bid_quantity, book.ask_quantity, book.level_counts),
        "position's figures": repr(position), "position's lots": position.lots,
    }


STRATEGY_RULES = table(
    keeps_the_protocol, runs_to_the_end, tells_the_same_again, tells_the_same_whatever_the_hash_seed, replays,
    asks_no_clock_but_its_context_s, draws_no_chance_but_its_context_s, does_no_input_or_output,
    leaves_its_context_alone, returns_nothing, asks_for_what_can_be, survives_partial_fills, survives_rejects,
    survives_fills_after_a_cancel, survives_reports_told_twice, survives_unanswered_orders,
    survives_a_lost_connection, survives_a_bad_book, takes_every_kind_of_event, leaves_no_order_open,
    keeps_its_time_budget,
)
