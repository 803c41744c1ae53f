"""Whose method is called for what: flat lists of bound methods, built once, only of those who override them.

What is timed or traced is wrapped here, when the lists are built; what is not costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ida_core.context import Context
from ida_core.events import Bar, Event, FundingPayment, Mark, MarketState, Quote, Signal, Trade
from ida_core.protocols import Strategy, Subscription
from ida_core.subscriptions import BookSlots, Guard, subscription_of
from ida_core.timers import Timers
from ida_core.timings import Callback, PluginTimes, Timings, timed
from ida_core.trace import Trace

CALLBACKS: dict[type[Event], str] = {
    Trade: "on_trade", Quote: "on_quote", Bar: "on_bar", Mark: "on_mark", Signal: "on_signal",
    FundingPayment: "on_funding", MarketState: "on_market_state",
}
#: What needs nothing but telling, and comes with every market record.
TOLD = (Trade, Quote, Bar, Mark)
_RARE = ("on_signal", "on_funding", "on_market_state", "on_fill", "on_order")

Slots = list[tuple[Context, Callback]]


class Callbacks:
    """Of all strategies that have not failed; built anew when one does.

    Args:
        contexts: of each strategy, one for each instrument.
        guard: calls a strategy's method, and sees to it if that fails.
        times: where the time of each strategy is kept. What comes with market data is handed out twice, plain and
            timed, for the engine to take the timed one now and then; all else is timed each time.
    """

    def __init__(
        self, contexts: Sequence[Sequence[Context]], instruments: int, timers: Timers, guard: Guard,
        times: PluginTimes, trace: Trace | None,
    ) -> None:
        self._contexts, self._times, self._trace = contexts, times, trace
        indices = range(instruments)
        plain = {kind: [self._of(CALLBACKS[kind], i) for i in indices] for kind in TOLD}
        self.told = plain
        self.told_timed = {kind: [self._sampled(slots) for slots in plain[kind]] for kind in TOLD}
        self.rare = {name: [[self._each(*slot) for slot in self._of(name, i)] for i in indices] for name in _RARE}
        self._own = {
            name: dict(self._each(c, self._method(c, name)) for own in contexts for c in own)
            for name in ("on_start", "on_timer", "on_stop")}
        self._on_book = [self._of("on_book", i) for i in indices]
        self.books = [BookSlots(slots, timers, self._late(guard)) for slots in self._on_book]
        self.books_timed = [[(*call, self._often(call[0])) for call in one.calls] for one in self.books]

    def own(self, context: Context, name: str) -> Callback:
        """``on_start``, ``on_timer`` or ``on_stop`` of one context; nothing's where its strategy has failed."""
        return self._own[name].get(context, _nothing)

    def subscription(self, index: int) -> Subscription:
        """What they need of the venue together."""
        wanted = {CALLBACKS[kind]: bool(slots[index]) for kind, slots in self.told.items()}
        return subscription_of([c.strategy for c, _ in self._on_book[index]], wanted)

    def _of(self, name: str, index: int) -> Slots:
        return [
            (contexts[index], self._method(contexts[index], name)) for contexts in self._contexts
            if getattr(type(contexts[index].strategy), name) is not getattr(Strategy, name)
        ]

    def _method(self, context: Context, name: str) -> Callback:
        method: Callback = getattr(context.strategy, name)
        return method if self._trace is None else self._trace.wrapped(_plugin(context), name, method)

    def _sampled(self, slots: Slots) -> Slots:
        return [(c, timed(call, self._often(c))) for c, call in slots]

    def _often(self, context: Context) -> Timings:
        return self._times.of(_plugin(context), self._times.one_in)

    def _late(self, guard: Guard) -> Guard:
        """For the last of many changes, told when its interval is over."""

        def call(context: Context, on_book: Callback, name: str, book: Any) -> None:
            guard(context, self._each(context, on_book)[1], name, book)

        return call

    def _each(self, context: Context, call: Callback) -> tuple[Context, Callback]:
        return context, timed(call, self._times.of(_plugin(context)))


def _nothing(*event: Any) -> None:
    """The method of a strategy that is called no more."""


def _plugin(context: Context) -> str:
    return f"strategy {context.strategy.name}"
