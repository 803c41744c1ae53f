"""Paper trading: the simulated exchange on live prices, in real time.

Its own side and ours are fed by one inlet. The exchange's side sees a record when it reaches us, later than the
exchange itself did, so a request takes as much longer to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from ida_core import Listed, LiveMarketVenue, VenueSetup, WorstCase
from ida_core.clock import steady_ns
from ida_sim.venue import SimVenue

#: How often the feed's latency is looked at again.
LOOK_NS = 1_000_000_000


class PaperVenue(LiveMarketVenue, SimVenue):
    """Built by ``SimVenue.build`` where the run names a live feed; see ``ida_core.LiveVenue`` for what it has besides.

    Its requests leave when they are sent by the machine's clock, so a strategy that is slow is late at the exchange.
    """

    def __init__(self, setup: VenueSetup) -> None:
        assert setup.live is not None
        self._feed, self._duration_s = setup.live(), setup.duration_s
        try:
            super().__init__(setup)
            self._go_live()
            self._looked_ns, self._delay_ns = self._start_ns, self._feed_delay_ns()
        except BaseException:
            self._feed.close()
            raise

    def _find_market(self) -> list[Listed]:
        return self._listed_of_feed()

    def _feed_latency_ns(self) -> list[int]:
        return sorted(max(0, sample) for sample in self._feed.latency_ns)

    def _feed_delay_ns(self) -> int:
        samples = self._feed_latency_ns()
        return int(median(samples)) if samples else 0

    # ------------------------------------------------------------- time goes on

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

    def warnings(self) -> Sequence[str]:
        found = [*super().warnings(), *self._market_warnings()]
        for i, instrument in enumerate(self._instruments):
            if faults := self._timeline.exchange_faults(i):
                found.append(f"{instrument.name}: {faults} updates did not fit the simulated exchange's book")
        return found

    def close(self) -> None:
        super().close()
        self._feed.close()
