"""The contract of ``ida_core.LiveFeed`` as functions, one rule each: what ``check_live_feed`` runs."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from contextlib import closing
from functools import cached_property
from typing import Any

import msgspec
import trio

from ida_core.book import Market
from ida_core.config import Settings
from ida_core.errors import VenueError
from ida_core.inlet import Inlet
from ida_core.making import place_of
from ida_core.protocols import Listed, LiveFeed, LiveSetup
from ida_core.testing.rules import Finding, NotApplicable, check_class, count, hold, require, table

#: How long a feed is listened to, and how long it may take to end, in real time.
LISTENED_S, ENDED_WITHIN_S = 1.0, 5.0


class LiveTrial:
    """A live feed, and what it put into an inlet within some seconds."""

    def __init__(self, kind: type[LiveFeed], setup: LiveSetup) -> None:
        self.kind = kind
        self.setup = setup

    @cached_property
    def feed(self) -> LiveFeed:
        try:
            return self.kind.build(self.setup)
        except VenueError as error:
            raise NotApplicable(f"its exchange cannot be asked from here: {error}") from None

    @cached_property
    def heard(self) -> Heard:
        return trio.run(_listen, self.feed)

    def close(self) -> None:
        if "feed" in vars(self):
            self.feed.close()


class Heard:
    """What came into the inlet; how the feed ended, and whether it did when it was canceled."""

    def __init__(self, markets: Sequence[Market]) -> None:
        self.markets = markets
        self.error: BaseException | None = None
        self.returned = self.stuck = False
        self.records = 0


async def _listen(feed: LiveFeed) -> Heard:
    listed = feed.listed()
    inlet, heard = Inlet(len(listed)), Heard([Market(item.chain, item.highest) for item in listed])
    inlet.attach(heard.markets)
    with trio.move_on_after(LISTENED_S + ENDED_WITHIN_S) as patience:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_run, feed, inlet, heard, nursery.cancel_scope)
            with trio.move_on_after(LISTENED_S):
                while True:
                    await inlet.wait(LISTENED_S)
                    inlet.drain()
            nursery.cancel_scope.cancel()
    inlet.drain()
    heard.stuck, heard.records = patience.cancelled_caught, inlet.committed
    return heard


async def _run(feed: LiveFeed, inlet: Inlet, heard: Heard, scope: trio.CancelScope) -> None:
    try:
        await feed.run(inlet)
        heard.returned = True
    except Exception as error:
        heard.error = error
    scope.cancel()


def check_live_feed(
    feed: type[LiveFeed], config: msgspec.Struct | None = None, *, symbols: Sequence[str] = (),
    rules: Sequence[str] | None = None,
) -> None:
    """Hold a live feed to its contract; it is listened to for some seconds of real time.

    Args:
        config: its section, best pointed at something local; the defaults of ``feed.Config`` if None.
        symbols: what it is asked for; its own choice if empty.
        rules: keys of ``LIVE_FEED_RULES``; all by default.
    Raises:
        AssertionError: names every rule that was broken, and how.
    """
    setup = LiveSetup(config=feed.Config() if config is None else config, symbols=tuple(symbols))
    with closing(LiveTrial(feed, setup)) as trial:
        require(f"live feed {feed.__name__}", hold(LIVE_FEED_RULES, trial, rules))


def find_live_feed(kind: type[LiveFeed], settings: Settings) -> list[Finding]:
    """Hold a live feed to every rule, with its own section of ``settings``."""
    setup = LiveSetup(config=settings.section(kind.name, kind.Config), symbols=settings.run.symbols)
    with closing(LiveTrial(kind, setup)) as trial:
        return hold(LIVE_FEED_RULES, trial)


# ------------------------------------------------------------------ the rules


def keeps_the_protocol(trial: LiveTrial) -> str:
    check_class(trial.kind, LiveFeed, ("listed",))
    assert inspect.iscoroutinefunction(trial.kind.run), f"{place_of(trial.kind.run)}: run must be async def"
    return ""


def options_set_keys_of_its_section(trial: LiveTrial) -> str:
    kind, fields = trial.kind, trial.kind.Config.__struct_fields__
    for flag, key in kind.options.items():
        assert flag.startswith("--"), f"{place_of(kind)}: option {flag!r} must begin with --"
        assert key in fields, f"{place_of(kind)}: option {flag} sets {key!r}, which is no key of [{kind.name}]"
    return count(len(kind.options), "option")


def lists_its_instruments(trial: LiveTrial) -> str:
    where, listed = place_of(trial.kind), trial.feed.listed()
    assert listed, f"{where}: listed() names no instrument"
    for item in listed:
        assert isinstance(item, Listed), f"{where}: listed() holds {item!r:.80}, which is no ida_core.Listed"
        assert 0 <= item.first_price <= item.highest, (
            f"{where}: {item.instrument.name}: first price {item.first_price} must be 0 to highest, {item.highest}")
    return ", ".join(item.instrument.name for item in listed)


def feeds_sound_books(trial: LiveTrial) -> str:
    heard = trial.heard
    if isinstance(heard.error, VenueError) and not heard.records:
        raise NotApplicable(f"its exchange cannot be reached from here: {heard.error}")
    assert not isinstance(heard.error, Exception) or isinstance(heard.error, VenueError), f"it raised {heard.error!r}"
    for item, market in zip(trial.feed.listed(), heard.markets, strict=True):
        wrong = market.crossed + market.faults + market.disproved
        why = "crossed, or beyond `highest`, or three quotes told another best"
        assert not wrong, f"{item.instrument.name}: the book was given up {wrong} times: {why}"
    return f"{count(heard.records, 'record')} in {LISTENED_S:.0f} s"


def ends_when_it_is_canceled(trial: LiveTrial) -> str:
    heard = trial.heard
    assert not heard.returned, f"{place_of(trial.kind.run)}: it returned, where it must run until it is canceled"
    assert not heard.stuck, f"{place_of(trial.kind.run)}: it goes on for {ENDED_WITHIN_S:.0f} s after it was canceled"
    return ""


LIVE_FEED_RULES: Any = table(
    keeps_the_protocol, options_set_keys_of_its_section, lists_its_instruments, feeds_sound_books,
    ends_when_it_is_canceled,
)
