"""Replay: feed a run's journal through the same plugins; they must ask for the same things.

The journal is a venue here: market records and answers come from it, and each request that the strategies make is
compared with the one that stands there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from ida_core.book import Market
from ida_core.config import load
from ida_core.engine import Engine
from ida_core.errors import EXIT_DATA, EXIT_DONE, DataError
from ida_core.events import (
    AnyRequest,
    Event,
    MarketState,
    Note,
    Refusal,
    Request,
    Timer,
    VenueStatus,
)
from ida_core.inlet import DELAY_NOTES, OWN_NOTES
from ida_core.journal import JournalReader
from ida_core.log import Log
from ida_core.model import Instrument
from ida_core.native import ffi, lib
from ida_core.plugins import Plugins
from ida_core.protocols import Subscription
from ida_core.records import event_of, state_change, watch_bits
from ida_core.run import build_engine, build_plugins, run_engine
from ida_core.run_notes import reckoning, start_of
from ida_core.signals import FEED_FAILED
from ida_core.timers import NEVER

_HAPPENING_WORDS = 120


def _is_output(event: Event) -> bool:
    """The engine makes it by itself; the rest of a journal is what it was given. What a live market's clock brought
    about (a depth stream silent or heard of, the engine behind), and what its feed told, it was given."""
    if isinstance(event, MarketState):
        return event.silent is None
    if isinstance(event, Note):
        return event.what in OWN_NOTES and event.what not in DELAY_NOTES
    return isinstance(event, Request | Refusal | Timer)


def _comes_as_market(event: Event) -> bool:
    """It came in its place among the market's records, so before what was kept back until that moment."""
    return isinstance(event, MarketState | VenueStatus | Note) and not _is_output(event)


class ReplayOutcome(msgspec.Struct, frozen=True):
    """``difference``: the first request that is not the same, with the event before it; None if all are.

    ``complete``: the journal has its end; that of a run that was killed breaks off, and is compared up to there.
    """

    same: bool
    requests: int
    difference: str | None
    complete: bool
    exit_code: int


class Difference(Exception):
    """The replay and the journal part here."""


class Comparison:
    """Stands in the engine's place of a journal: takes what it makes, to be compared with what was kept."""

    def __init__(self) -> None:
        self.made: deque[Event] = deque()
        self.requests = 0

    def append(self, event: Event) -> None:
        if _is_output(event):
            self.made.append(event)

    def match(self, kept: Event, last_input: str) -> None:
        """Compare the oldest thing made with what the journal has in its place."""
        made = self.made.popleft()
        if made != kept:
            raise Difference(f"after {last_input}: the journal has {_words(kept)}, the replay made {_words(made)}")
        self.requests += isinstance(kept, Request)


def _words(event: Event) -> str:
    return f"{type(event).__name__} {msgspec.json.encode(event).decode()}"


class JournalVenue:
    """Keeps ``ida_core.Venue`` over a journal; what is sent goes nowhere but into the comparison."""

    name: ClassVar[str] = "journal"
    mode: ClassVar[str] = "SIM"
    simulated: ClassVar[bool] = True

    def __init__(self, folder: Path) -> None:
        self._reader = JournalReader(folder)
        self._records = self._reader.scan()
        first: Any = next(self._records, None)
        self.start = start_of(folder, first)
        self._reader.instruments = len(self.start.instruments)
        self._markets = [_market(chain) for chain in self.start.chains]
        self._watches = ffi.new("ida_watch[]", len(self._markets))
        self._start_ns: int = first.ts_local_ns
        self._now_ns: int = self._start_ns
        self._events = 0
        self._head: Any = self._next()
        self._stop_told = self._behind = False
        self._held: list[int] = []
        self._last_input = "the start"
        self.comparison = Comparison()

    def instruments(self) -> Sequence[Instrument]:
        return self.start.instruments

    def market(self, instrument: int) -> Market:
        return self._markets[instrument]

    def subscribe(self, instrument: int, subscription: Subscription) -> None:
        watch = self._watches[instrument]
        watch.subscription, watch.interval_ns = watch_bits(subscription)

    def attach(self, journal: Any) -> None:
        raise DataError("a replay is not journaled again")

    @property
    def account(self) -> str:
        return self.start.account

    def start_ns(self) -> int:
        return self._start_ns

    def last_ns(self) -> int | None:
        return None

    @property
    def now_ns(self) -> int:
        return self._now_ns

    @property
    def events(self) -> int:
        return self._events

    @property
    def broke_off(self) -> bool:
        """The replay is past the last record of a journal that has no end note."""
        return self._head is None

    @property
    def finished(self) -> bool:
        return self._head is None or (isinstance(self._head, Note) and self._head.what == "end")

    # ------------------------------------------------------------- the journal goes on

    def _next(self) -> Any:
        """The next record. That a feed failed is passed over: what it yielded is an input, and the feed itself is not
        run again."""
        record = next(self._records, None)
        while record.__class__ is Note and record.what == "plugin_failed" and record.detail.startswith(FEED_FAILED):
            record = next(self._records, None)
        return record

    def next_event(self, until_ns: int) -> Event | int | None:
        while True:
            self._settle_outputs()
            if self.finished:
                return None
            head = self._head
            is_market = not isinstance(head, Event)
            if self._held and not self._behind:
                self._watches[self._held[0]].waiting = 0  # it is of the newest book
                return self._held.pop(0)
            waiting = self._conflated(head.ts_local_ns, is_market or _comes_as_market(head), until_ns)
            if waiting is not None:
                return waiting
            if head.ts_local_ns > until_ns or (not is_market and _is_output(head) and not _is_stop(head)):
                self._wait_for_timer(head, until_ns)
                return None
            answer = self._take_market() if is_market else self._take_event()
            if answer is not None:
                return answer

    def _settle_outputs(self) -> None:
        """What the engine made since the last event stands next in the journal, in the same order."""
        made = self.comparison.made
        if self.broke_off:
            made.clear()  # what the run did then is not known
        while made:
            if self.finished or not isinstance(self._head, Event) or not _is_output(self._head):
                raise Difference(
                    f"after {self._last_input}: the journal has nothing, the replay made {_words(made[0])}")
            self.comparison.match(self._head, self._last_input)
            self._head = self._next()

    def _wait_for_timer(self, head: Any, until_ns: int) -> None:
        """Go on to ``until_ns``, where the engine has a timer; it makes what the journal has next."""
        is_output = isinstance(head, Event) and _is_output(head)
        if until_ns >= NEVER or (is_output and until_ns > head.ts_local_ns):
            raise Difference(f"after {self._last_input}: the journal has {_words(head)}, the replay made nothing")
        self._now_ns = max(self._now_ns, until_ns)

    def _conflated(self, head_ns: int, is_market: bool, until_ns: int) -> int | None:
        """A book change kept back until its interval is over, if that is before the journal's next record."""
        for i in range(len(self._markets)):
            due_ns = lib.ida_watch_due(ffi.addressof(self._watches, i))
            if due_ns <= until_ns and (due_ns < head_ns or (due_ns == head_ns and not is_market)):
                lib.ida_watch_take(ffi.addressof(self._watches, i))
                self._now_ns = due_ns
                return i
        return None

    def _take_market(self) -> Event | int | None:
        record, i = self._head, self._head.instrument
        self._now_ns = record.ts_local_ns
        self._events += 1
        changes = self._markets[i].apply(record)
        waking = lib.ida_watch_judge(ffi.addressof(self._watches, i), record, changes, record.ts_local_ns)
        told: Event | int | None = None
        if waking == lib.IDA_WAKE_BOOK:
            told = self._book_waking(i)
        elif waking == lib.IDA_WAKE_RECORD:
            told = event_of(record, i)
        elif waking == lib.IDA_WAKE_STATE:
            told = state_change(self._markets[i], changes, record, i)
            self._drop_held(i)
        self._last_input = f"a market record of {self.start.instruments[i].name} at {record.ts_local_ns}"
        self._head = self._next()
        return told

    def _book_waking(self, index: int) -> int | None:
        """While the engine was behind, wakings for books were left out, but for the last of each instrument."""
        if not self._behind:
            return index
        if index not in self._held:
            self._held = sorted([*self._held, index])
        return None

    def _drop_held(self, index: int) -> None:
        self._held = [i for i in self._held if i != index]

    def _note_live(self, event: Event) -> None:
        """What a live market's clock brought about."""
        if isinstance(event, Note) and event.what in DELAY_NOTES:
            self._behind = event.what == DELAY_NOTES[0]
        elif isinstance(event, MarketState) and event.silent is not None:
            self._markets[event.instrument].set_silent(event.silent)
            self._watches[event.instrument].waiting = 0
            self._drop_held(event.instrument)

    def _take_event(self) -> Event | None:
        event: Event = self._head
        self._now_ns = max(self._now_ns, event.ts_local_ns)
        self._last_input = _words(event)[:_HAPPENING_WORDS]
        if _is_stop(event):
            if self._stop_told:
                raise Difference(f"after {self._last_input}: the journal stops, the replay goes on")
            self._stop_told = True
            return event
        self._note_live(event)
        self._head = self._next()
        return event

    def send(self, request: AnyRequest) -> None:
        """Nothing is sent: the comparison has seen it."""

    def balances(self) -> Mapping[str, tuple[Decimal, Decimal]]:
        return self.start.balances

    def assumptions(self) -> Mapping[str, str]:
        return self.start.assumptions

    def description(self) -> Mapping[str, Any]:
        return {"chains": self.start.chains, "feeds": self.start.feeds, "rates": self.start.rates}

    @property
    def damage(self) -> str | None:
        """Where the journal had to be cut, if the replay came that far; None if it is whole."""
        return self._reader.damage

    def timings(self) -> Mapping[str, Mapping[str, float]]:
        return {}

    def warnings(self) -> Sequence[str]:
        return ()

    def close(self) -> None:
        self._reader.close()


def _is_stop(event: Event) -> bool:
    return isinstance(event, Note) and event.what == "stop"


def _market(chain: int) -> Market:
    return Market(chain=chain, max_price=1 << 30)


def replay(run_dir: Path, plugins: Plugins, sets: Sequence[str] = ()) -> ReplayOutcome:
    """Run the journal of ``run_dir`` through its plugins again, with ``sets`` changed, and compare every request.

    Raises:
        DataError: the journal is missing, or damaged before the first difference: what it had there is not known.
    """
    settings = load(run_dir / "run.toml", sets=sets, plugins=plugins).settings
    venue = JournalVenue(run_dir / "journal")
    try:
        strategies, checks = build_plugins(settings, plugins)
        checks += venue.start.armed.checks() if venue.start.armed else []
        engine = build_engine(settings, venue, strategies, checks, Log.silent(), venue.comparison,
                              prefix=venue.start.order_prefix, continued=venue.start.continues)
        with reckoning(run_dir / "journal"):
            difference = _compare(engine, venue)
        if venue.damage:
            raise DataError(f"{venue.damage}; {venue.comparison.requests} requests before it are the same",
                            code="IDA-E7020")
    finally:
        venue.close()
    same = difference is None
    complete = not venue.broke_off
    return ReplayOutcome(same, venue.comparison.requests, difference, complete, EXIT_DONE if same else EXIT_DATA)


def _compare(engine: Engine, venue: JournalVenue) -> str | None:
    try:
        run_engine(engine)
        venue.next_event(NEVER - 1)
    except Difference as difference:
        return str(difference)
    return None
