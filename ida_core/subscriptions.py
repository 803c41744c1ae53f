"""When ``on_book`` is called: what each strategy asks for, and the union that the venue is asked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from ida_core.errors import PluginError
from ida_core.protocols import Strategy, Subscription
from ida_core.timers import Timers

if TYPE_CHECKING:
    from ida_core.book import Book
    from ida_core.context import Context

OnBook = Callable[["Context", "Book"], None]
#: Calls a strategy's method, by its name, and sees to it if that fails.
Guard = Callable[["Context", OnBook, str, "Book"], None]


def book_wish(strategy: Strategy) -> tuple[Literal["top", "every"], int]:
    """``book_updates`` as (kind, interval in ns): "top", "every", or "100ms" for at most so often."""
    wish = strategy.book_updates
    if wish == "top":
        return "top", 0
    if wish == "every":
        return "every", 0
    if isinstance(wish, str) and (match := re.fullmatch(r"([1-9]\d{0,11})ms", wish)):
        return "every", int(match[1]) * 1_000_000
    raise PluginError(
        f"strategy {strategy.name}: book_updates {wish!r} must be 'top', 'every' or a time such as '100ms'")


def subscription_of(on_book: Sequence[Strategy], wanted: Mapping[str, bool]) -> Subscription:
    """The union of all strategies' wishes on one instrument."""
    wishes = [book_wish(s) for s in on_book]
    kinds, intervals = {k for k, _ in wishes}, {i for _, i in wishes}
    book: Literal["none", "top", "every"] = "none" if not wishes else "every" if "every" in kinds else "top"
    return Subscription(
        book=book, interval_ns=intervals.pop() if len(intervals) == 1 and len(kinds) == 1 else 0,
        trades=wanted["on_trade"], quotes=wanted["on_quote"], bars=wanted["on_bar"], marks=wanted["on_mark"],
    )


class BookSlots:
    """Who is called when one instrument's book changed: ``calls`` is a flat list (context, on_book, book).

    Where strategies want different things the venue is asked for the most, and the rest is held back here.
    """

    def __init__(self, slots: Sequence[tuple[Context, OnBook]], timers: Timers, guard: Guard) -> None:
        union = subscription_of([c.strategy for c, _ in slots], _NOTHING)
        self.calls: list[tuple[Context, OnBook, Any]] = []
        for context, on_book in slots:
            kind, interval_ns = book_wish(context.strategy)
            call = on_book
            if interval_ns != union.interval_ns:
                call = _Conflated(on_book, interval_ns, timers, guard)
            elif kind == "top" and union.book == "every":
                call = _TopOnly(on_book)
            self.calls.append((context, call, context.book))


_NOTHING = {"on_trade": False, "on_quote": False, "on_bar": False, "on_mark": False}


class _TopOnly:
    def __init__(self, on_book: OnBook) -> None:
        self._on_book = on_book
        self._seen: tuple[object, ...] = ()

    def __call__(self, context: Context, book: Book) -> None:
        top = (book.bid, book.bid_quantity, book.ask, book.ask_quantity)
        if top != self._seen:
            self._seen = top
            self._on_book(context, book)


class _Conflated:
    """The first at once, then at most one per interval, the last one never lost."""

    def __init__(self, on_book: OnBook, interval_ns: int, timers: Timers, guard: Guard) -> None:
        self._on_book = on_book
        self._interval_ns = interval_ns
        self._timers = timers
        self._guard = guard
        self._due_ns = 0
        self._waiting = False

    def __call__(self, context: Context, book: Book) -> None:
        if context.now_ns >= self._due_ns:
            self._due_ns = context.now_ns + self._interval_ns
            self._on_book(context, book)
        elif not self._waiting:
            self._waiting = True
            self._timers.set(self._due_ns, lambda _id, _due: self._late(context, book))

    def _late(self, context: Context, book: Book) -> None:
        self._waiting = False
        self._due_ns += self._interval_ns
        if context.market.synced:
            self._guard(context, self._on_book, "on_book", book)
