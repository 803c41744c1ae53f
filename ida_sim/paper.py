"""Paper trading: the simulated exchange on live prices, in real time.

Its own side and ours are fed by one inlet. The exchange's side sees a record when it reaches us, later than the
exchange itself did, so a request takes as much longer to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, ClassVar

import msgspec
import trio

from ida_core import (
    DataError,
    Event,
    Inlet,
    Listed,
    LiveFeed,
    Note,
    Subscription,
    VenueSetup,
    VenueUnavailable,
    WorstCase,
    silence,
)
from ida_core.clock import steady_ns
from ida_core.native import lib
from ida_sim.venue import SimVenue

#: So far behind, wakings for books are conflated.
DELAY_NS = 100_000_000
#: How often the feed's latency is looked at again.
LOOK_NS = 1_000_000_000


class PaperVenue(SimVenue):
    """Built by ``SimVenue.build`` where the run names a live feed; see ``ida_core.LiveVenue`` for what it has besides.

    Its requests leave when they are sent by the machine's clock, so a strategy that is slow is late at the exchange.
    """

    simulated: ClassVar[bool] = False

    def __init__(self, setup: VenueSetup) -> None:
        assert setup.live is not None
        self._feed: LiveFeed = setup.live()
        try:
            super().__init__(setup)
            self._start()
        except BaseException:
            self._feed.close()
            raise

    def _start(self) -> None:
        self._start_ns = self._looked_ns = steady_ns()
        self._inlet = Inlet(len(self._listed))
        self._inlet.attach(self._markets)
        self._timeline.set_inlet(self._inlet, self._start_ns, self._feed.staleness_ns, DELAY_NS)
        self._event.now_ns = self._start_ns
        self._real = self._timeline.real()
        self._delay_ns = self._feed_delay_ns()
        self._conflated = 0

    def _find_market(self) -> list[Listed]:
        listed = list(self._feed.listed())
        if not listed:
            raise DataError(f"live feed {self._feed.name} has no instrument for this run", code="IDA-E7002")
        return listed

    def _feed_latency_ns(self) -> list[int]:
        return sorted(max(0, sample) for sample in self._feed.latency_ns)

    def _feed_delay_ns(self) -> int:
        samples = self._feed_latency_ns()
        return int(median(samples)) if samples else 0

    # ------------------------------------------------------------- time goes on

    def start_ns(self) -> int:
        return self._start_ns

    def last_ns(self) -> int | None:
        duration_s = self._setup.duration_s
        return None if duration_s is None else self._start_ns + int(duration_s * 1e9)

    def real_ns(self) -> int:
        return max(steady_ns(), self._inlet.newest_ns)

    async def work(self) -> None:
        await self._feed.run(self._inlet)
        raise VenueUnavailable(f"live feed {self._feed.name} ended by itself")

    def last_words(self) -> Sequence[Note]:
        return self._feed.last_words()

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

    def _sent_ns(self) -> int:
        now = steady_ns()
        if now - self._looked_ns > LOOK_NS:
            self._looked_ns, self._delay_ns = now, self._feed_delay_ns()
        return max(now, int(self._event.now_ns)) + self._delay_ns

    # ------------------------------------------------------------- what a reader must know

    def worst_cases(self) -> Sequence[WorstCase]:
        """None: what is over cannot be run again."""
        return ()

    def assumptions(self) -> Mapping[str, str]:
        words = dict(super().assumptions())
        offset_ms, delay_ms = self._feed.clock_offset_ns / 1e6, self._feed_delay_ns() / 1e6
        known = f"{delay_ms:.3g} ms at the start" if self._feed.latency_ns else "not measured at the start"
        words["latency"] += (
            "; the simulated exchange sees the market when we do, so a request takes longer by the feed's median "
            f"latency ({known})")
        words["fill"] = "against the live book and trades; what we take stays taken; our orders move nobody else"
        words["clock"] = f"ours, {offset_ms:+.3g} ms against the exchange's"
        words["filters"] = "as the live feed lists them, and those in [instruments.SYMBOL]"
        words["market"] = f"live prices of {self._feed.name}; orders go to the simulated exchange alone"
        return words | dict(self._feed.assumptions())

    def description(self) -> Mapping[str, Any]:
        return {**super().description(), "live": {"feed": self._feed.name, **self._feed.description()}}

    def timings(self) -> Mapping[str, Mapping[str, float]]:
        return {**super().timings(), **self._feed.timings()}

    def off_grid(self) -> Mapping[str, Mapping[str, int]]:
        return self._feed.off_grid()

    def warnings(self) -> Sequence[str]:
        found = [*super().warnings(), *self._feed.warnings()]
        if self._conflated:
            found.append(
                f"the run was slower than its market: {self._conflated} wakings for books were left out for newer ones")
        if self._inlet.refused:
            found.append(f"{self._inlet.refused} times what the live feed received found no room: the run was too slow")
        for i, instrument in enumerate(self._instruments):
            if faults := self._timeline.exchange_faults(i):
                found.append(f"{instrument.name}: {faults} updates did not fit the simulated exchange's book")
        return found

    def close(self) -> None:
        super().close()
        self._feed.close()
