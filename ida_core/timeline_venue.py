"""What venues share that stand on a timeline, and those whose market is a live feed: simulated exchange or real one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import msgspec
import trio

from ida_core.book import Market
from ida_core.clock import steady_ns
from ida_core.errors import DataError, VenueUnavailable
from ida_core.events import Event, Note
from ida_core.inlet import Inlet
from ida_core.model import Instrument
from ida_core.native import lib
from ida_core.protocols import Listed, LiveFeed, Subscription
from ida_core.records import event_reader, silence, state_change
from ida_core.timeline import Timeline

AT_BOOK, AT_RECORD = lib.IDA_AT_BOOK, lib.IDA_AT_RECORD
AT_END = lib.IDA_AT_END
RESTS = frozenset((lib.IDA_AT_TIME, AT_END, lib.IDA_AT_PAUSE))
#: So far behind, wakings for books are conflated.
DELAY_NS = 100_000_000


class TimelineVenue:
    """A venue's markets, and its events in their order; ``_stand_on`` is called once they are known."""

    def _stand_on(self, timeline: Timeline, instruments: Sequence[Instrument]) -> None:
        self._timeline, self._instruments = timeline, list(instruments)
        self._event = timeline.event
        self._event.now_ns = timeline.first_ns or 0
        self._step, self._read = partial(lib.ida_timeline_next, timeline.pointer), event_reader(self._event)
        self._markets = [timeline.market(i) for i in range(len(self._instruments))]
        self._under_way: dict[int, Any] = {}
        self._last_token = 0
        self._finished = False

    # ------------------------------------------------------------- what is offered

    def instruments(self) -> Sequence[Instrument]:
        return self._instruments

    def market(self, instrument: int) -> Market:
        return self._markets[instrument]

    def subscribe(self, instrument: int, subscription: Subscription) -> None:
        self._timeline.subscribe(instrument, subscription)

    def attach(self, journal: Any) -> None:
        self._timeline.attach(journal)

    @property
    def now_ns(self) -> int:
        return int(self._event.now_ns)

    @property
    def events(self) -> int:
        return self._timeline.events

    @property
    def finished(self) -> bool:
        return self._finished

    # ------------------------------------------------------------- time goes on

    def next_event(self, until_ns: int) -> Event | int | None:
        event, step = self._event, self._step
        while True:
            what = step(until_ns, event)
            if what == AT_BOOK:
                index: int = event.instrument
                return index
            if what == AT_RECORD:
                told = self._read()
                if told is not None:
                    return told
            elif what in RESTS:
                self._finished = what == AT_END
                return None
            else:
                answer = self._happening(what)
                if answer is not None:
                    return answer

    def _happening(self, what: int) -> Event | None:
        """What is rarer than books and records."""
        event = self._event
        if what == lib.IDA_AT_DELIVERY:
            delivered: Event = self._under_way.pop(event.token)
            return delivered
        if what == lib.IDA_AT_STATE:
            return state_change(
                self._markets[event.instrument], event.changes, event.record, event.instrument)
        self._timeline.raise_failure([instrument.name for instrument in self._instruments])
        return None

    def _deliver(self, event: Event, at_ns: int) -> None:
        """Have ``event`` delivered at ``at_ns``, or at once if that is over: behind what was to come until then."""
        self._timeline.respond(at_ns, self._token_of(event))

    def _token_of(self, thing: Any) -> int:
        self._last_token += 1
        self._under_way[self._last_token] = thing
        return self._last_token


class LiveMarketVenue(TimelineVenue):
    """A venue on the prices of a live feed, with ``LiveVenue``'s methods; ``_go_live`` is called when it stands on its
    timeline, and ``_feed`` and ``_duration_s`` are set before that."""

    simulated: ClassVar[bool] = False
    _feed: LiveFeed
    _duration_s: float | None = None

    def _listed_of_feed(self) -> list[Listed]:
        listed = list(self._feed.listed())
        if not listed:
            raise DataError(f"live feed {self._feed.name} has no instrument for this run", code="IDA-E7002")
        return listed

    def _go_live(self) -> None:
        self._start_ns = steady_ns()
        self._inlet = Inlet(len(self._instruments))
        self._inlet.attach(self._markets)
        self._timeline.set_inlet(self._inlet, self._start_ns, self._feed.staleness_ns, DELAY_NS)
        self._event.now_ns = self._start_ns
        self._real = self._timeline.real()
        self._conflated = 0

    # ------------------------------------------------------------- time goes on

    def start_ns(self) -> int:
        return self._start_ns

    def last_ns(self) -> int | None:
        return None if self._duration_s is None else self._start_ns + int(self._duration_s * 1e9)

    def real_ns(self) -> int:
        return max(steady_ns(), self._inlet.newest_ns)

    async def work(self) -> None:
        await self._feed.run(self._inlet)
        raise VenueUnavailable(f"live feed {self._feed.name} ended by itself")

    async def wait(self, until_ns: int) -> None:
        timeout_s = (min(until_ns, self._timeline.due_ns()) - steady_ns()) / 1e9
        if timeout_s <= 0:
            await trio.lowlevel.checkpoint()
        else:
            await self._inlet.wait(timeout_s)

    def subscribe(self, instrument: int, subscription: Subscription) -> None:
        super().subscribe(instrument, subscription)
        self._feed.subscribe(instrument, subscription)

    def next_event(self, until_ns: int) -> Event | int | None:
        self._real[0] = steady_ns()
        return super().next_event(until_ns)

    def _happening(self, what: int) -> Event | None:
        event = self._event
        if what == lib.IDA_AT_STATE and not event.record:
            market = self._markets[event.instrument]
            return silence(market, event.changes, event.instrument, event.now_ns, *event.told[0:2])
        if what == lib.IDA_AT_TOLD:
            return msgspec.structs.replace(self._inlet.take_told(), ts_local_ns=event.now_ns)
        if what == lib.IDA_AT_BEHIND:
            self._conflated = int(event.told[1])
            data = {"delay_ms": round(event.told[0] / 1e6, 3), "conflated": event.told[1]}
            return Note(ts_local_ns=event.now_ns, what="behind" if event.changes else "caught_up", data=data)
        return super()._happening(what)

    # ------------------------------------------------------------- what a reader must know

    def last_words(self) -> Sequence[Note]:
        return self._feed.last_words()

    def off_grid(self) -> Mapping[str, Mapping[str, int]]:
        return self._feed.off_grid()

    def _market_warnings(self) -> list[str]:
        found = list(self._feed.warnings())
        if self._conflated:
            found.append(
                f"the run was slower than its market: {self._conflated} wakings for books were left out for newer ones")
        if self._inlet.refused:
            found.append(f"{self._inlet.refused} times what the live feed received found no room: the run was too slow")
        return found
