"""The simulated exchange as a venue, in this process: its market, its matching, and the way there and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from random import Random
from typing import Any, ClassVar

import msgspec

from ida_core import (
    AnyRequest,
    DataError,
    Event,
    Listed,
    Market,
    TimelineVenue,
    VenueSetup,
    WorstCase,
    plain,
)
from ida_core.native import lib
from ida_sim.account import Account
from ida_sim.config import SimConfig
from ida_sim.exchange import BUSY, Exchange, Told, refusals
from ida_sim.fees import DISCOUNT_ASSET
from ida_sim.funding import fees_of, opening_balances
from ida_sim.latency import Latency, latency_model
from ida_sim.matching import TimelinePlace
from ida_sim.queues import WORST, queue_model
from ida_sim.sources import (
    SYNTHETIC,
    SYNTHETIC_DURATION_S,
    SYNTHETIC_START_NS,
    Source,
    check_synthetic,
    feed_warnings,
    grid_assumptions,
    listed_instruments,
    off_grid,
    open_recordings,
    synthetic_instruments,
)
from ida_sim.timeline import Timeline, agents_config


class SimVenue(TimelineVenue):
    """Built by ``SimVenue.build(setup)``; see ``ida_core.Venue`` for the contract."""

    name: ClassVar[str] = "sim"
    mode: ClassVar[str] = "SIM"
    simulated: ClassVar[bool] = True
    api: ClassVar[int] = 1
    Config: ClassVar[type[msgspec.Struct]] = SimConfig
    _timeline: Timeline

    @classmethod
    def build(cls, setup: VenueSetup) -> SimVenue:
        if setup.live is None:
            return cls(setup)
        from ida_sim.paper import PaperVenue  # it stands on this module

        return PaperVenue(setup)

    def __init__(self, setup: VenueSetup) -> None:
        self._config: SimConfig = setup.config
        self._setup = setup
        self._rng = Random(f"{setup.seed}/sim")
        self._sources: list[Source] = []
        self._listed = self._find_market()
        self._stand_on(self._build_timeline(), [item.instrument for item in self._listed])
        self._request_latency = self._latency("request_latency_ms")
        self._response_latency = self._latency("response_latency_ms")
        self._fees = fees_of(self._config)
        self._account = Account(self._opening_balances(), self._config.leverage)
        places = [TimelinePlace(self._timeline, i) for i in range(len(self._instruments))]
        self._exchange = Exchange(self._instruments, places, self._fees)
        self._exchange.open_account(self._account)
        self._last_arrival_ns = self._last_response_ns = 0

    # ------------------------------------------------------------- building

    def _find_market(self) -> list[Listed]:
        if self.is_synthetic:
            return synthetic_instruments(self._setup, self._config.start_price)
        if not self._setup.feed:
            raise DataError(
                "the simulated exchange needs prices: --feed FILE…, --feed synthetic, or a live one: --feed binance",
                code="IDA-E7002")
        self._sources = open_recordings(self._setup, self._config.clock_offset_ms)
        return listed_instruments(self._sources, self._setup)

    @property
    def is_synthetic(self) -> bool:
        return self._setup.feed == (SYNTHETIC,)

    def _build_timeline(self) -> Timeline:
        timeline = Timeline(len(self._listed))
        code, power, _ = queue_model(self._config.queue)
        for item in self._listed:
            timeline.add_instrument(item.chain, item.highest, (code, power or 1.0), self._config.max_open_orders)
        if self.is_synthetic:
            self._add_agents(timeline)
        else:
            self._add_feeds(timeline)
        return timeline

    def _add_agents(self, timeline: Timeline) -> None:
        config = self._config
        for i, item in enumerate(self._listed):
            check_synthetic(item, config.half_spread_ticks)
            typical = item.instrument.floor_to_lot(Decimal(1000) / item.instrument.price(item.first_price))
            timeline.add_agents(i, agents_config(
                seed=self._setup.seed * 1_000_003 + i, start_ns=SYNTHETIC_START_NS, start_price=item.first_price,
                typical_quantity=max(typical, 1), volatility=config.volatility, events_per_s=config.events_per_s,
                half_spread=config.half_spread_ticks, latency_ms=config.feed_latency_ms,
                jitter_ms=config.feed_jitter_ms))
        timeline.end_at(SYNTHETIC_START_NS + int((self._setup.duration_s or SYNTHETIC_DURATION_S) * 1e9))

    def _add_feeds(self, timeline: Timeline) -> None:
        numbers = {(x.instrument.market, x.instrument.symbol): i for i, x in enumerate(self._listed)}
        for source in self._sources:
            for feed in source.feeds:
                mapping = [numbers.get((x.market, x.symbol), -1) for x in feed.meta.instruments]
                timeline.add_feed(feed, mapping, source.offset_ns)
        if self._setup.duration_s is not None and timeline.first_ns is not None:
            timeline.end_at(timeline.first_ns + int(self._setup.duration_s * 1e9))

    def _latency(self, key: str) -> Latency:
        model = latency_model(
            getattr(self._config, key), self._rng, feed_ns=self._feed_latency_ns(), key=f"sim.{key}")
        return model if self._config.latency_factor == 1 else model.scaled(self._config.latency_factor)

    def _feed_latency_ns(self) -> list[int]:
        """Samples of how long data took to us, least first."""
        return sorted(max(0, q - s.offset_ns) for s in self._sources for f in s.feeds for q in f.meta.latency_ns)

    def _opening_balances(self) -> dict[str, Decimal]:
        if self._config.balances:
            return dict(self._config.balances)
        return opening_balances((item.instrument, item.first_price) for item in self._listed)

    def start_ns(self) -> int:
        first = self._timeline.first_ns
        if first is None:
            raise DataError("the feed holds no market data for the symbols asked for", code="IDA-E7002")
        return first

    def last_ns(self) -> int | None:
        if self.is_synthetic:
            return SYNTHETIC_START_NS + int((self._setup.duration_s or SYNTHETIC_DURATION_S) * 1e9)
        last_ns, duration_s = self._timeline.last_ns, self._setup.duration_s
        if last_ns is None or duration_s is None:
            return last_ns
        return min(last_ns, self.start_ns() + int(duration_s * 1e9))

    def balances(self) -> Mapping[str, tuple[Decimal, Decimal]]:
        return self._account.balances()

    # ------------------------------------------------------------- time goes on

    def _happening(self, what: int) -> Event | None:
        event = self._event
        if what == lib.IDA_AT_ARRIVAL:
            request = self._under_way.pop(event.token)
            self._answer(self._exchange.handle(0, request, event.now_ns))
            if self.is_synthetic:
                self._timeline.publish(request.instrument)
        elif what == lib.IDA_AT_REPORTS:
            self._answer(self._exchange.reports(event.instrument))
        elif what == lib.IDA_AT_FUNDING:
            self._answer(self._exchange.fund(event.instrument, event.record))
        else:
            return super()._happening(what)
        return None

    # ------------------------------------------------------------- the way there and back

    def send(self, request: AnyRequest) -> None:
        now = self._sent_ns()
        arrival_ns = now + self._request_latency.sample_ns()
        if arrival_ns < self._last_arrival_ns:  # none overtakes another
            arrival_ns = self._last_arrival_ns
        self._last_arrival_ns = arrival_ns
        token = self._token_of(request)
        if not self._timeline.send(arrival_ns, token):
            del self._under_way[token]
            self._respond(refusals(request, now, BUSY, "Too many requests are under way."))

    def _sent_ns(self) -> int:
        """When a request leaves us."""
        now: int = self._event.now_ns
        return now

    def _answer(self, told: Sequence[Told]) -> None:
        self._respond([each.event for each in told])

    def _respond(self, answers: Sequence[Event]) -> None:
        """Answers travel in order: none overtakes another."""
        for answer in answers:
            leaves = self.now_ns + self._response_latency.sample_ns()
            self._last_response_ns = max(self._last_response_ns, leaves)
            stamped = msgspec.structs.replace(answer, ts_local_ns=self._last_response_ns)
            self._deliver(stamped, self._last_response_ns)

    # ------------------------------------------------------------- what a reader must know

    def worst_cases(self) -> Sequence[WorstCase]:
        """The re-runs that show what the headline owes to its assumptions."""
        config, replace = self._config, msgspec.structs.replace
        slower = replace(config, latency_factor=config.latency_factor * 2)
        dearer = replace(config, fee_tiers_worse=config.fee_tiers_worse + 1)
        queue = WorstCase("back of queue", _back_of_queue(config), replace(config, queue="risk_averse"))
        return (
            WorstCase("latency x2", "both legs take twice as long", slower),
            *(() if self.is_synthetic else (queue,)),
            WorstCase("next fee tier", "maker and taker rates of the next worse tier", dearer),
        )

    def assumptions(self) -> Mapping[str, str]:
        words = {
            "latency": f"request {self._request_latency.describe()}; response {self._response_latency.describe()}",
            "queue": queue_model(self._config.queue)[2],
            "fees": self._fees.describe(sorted({i.kind for i in self._instruments})),
            "fill": "against the recorded book and trades; what we take stays taken; our orders move nobody else"
            if not self.is_synthetic else "on the synthetic market's own matching engine",
        }
        for i, source in enumerate(self._sources):
            words["clock" if i == 0 else f"clock {i + 1}"] = source.clock
        words |= grid_assumptions(self._sources)
        if self.is_synthetic:
            words["market"] = f"synthetic, seed {self._setup.seed}: invented prices, no evidence of profit"
            words["queue"] = "our orders stand in the synthetic market's own queues, by price and time"
            words["filters"] = "minimum notional 5, one lot, 200 open orders"
        return words

    def description(self) -> Mapping[str, Any]:
        return {
            "rates": self._rates(),
            "chains": [item.chain for item in self._listed],
            "feeds": [msgspec.to_builtins(source) for group in self._sources for feed in group.feeds
                      for source in feed.meta.sources],
        }

    def _rates(self) -> dict[str, str]:
        """What one unit of a third asset is worth in the report's currency."""
        price = self._config.bnb_prices.get(self._instruments[0].settle)
        return {} if price is None else {DISCOUNT_ASSET: plain(price)}

    def timings(self) -> Mapping[str, Mapping[str, float]]:
        """``decode``: the slowest feed's, measured when its recording was converted."""
        decoded = [f.meta.decode_ns for s in self._sources for f in s.feeds if f.meta.decode_ns]
        return {"decode": {q: max(d[q] for d in decoded) / 1000 for q in ("p50", "p99")}} if decoded else {}

    def off_grid(self) -> Mapping[str, Mapping[str, int]]:
        """What was met between the steps of a grid that the recording tells; see ``LiveFeed.off_grid``."""
        return off_grid(self._sources, self._instruments)

    def warnings(self) -> Sequence[str]:
        found = []
        for group in self._sources:
            for feed in group.feeds:
                found.extend(feed_warnings(feed))
        for instrument, market in zip(self._instruments, self._markets, strict=True):
            found.extend(_market_warnings(instrument.name, market))
        for i, instrument in enumerate(self._instruments):
            if doubled := self._timeline.doubled(i):
                found.append(
                    f"{instrument.name}: {doubled} aggregate trades filled nothing, "
                    "for their single trades are recorded too")
        return self._exchange.warnings() + found

    def close(self) -> None:
        for group in self._sources:
            for feed in group.feeds:
                feed.close()


def _market_warnings(name: str, market: Market) -> list[str]:
    """Of gaps, and of a book out of step, any report tells: the journal has them."""
    times = "once" if market.crossed == 1 else f"{market.crossed} times"
    return [f"{name}: the book was given up {times} because bid met ask"] if market.crossed else []


def _back_of_queue(config: SimConfig) -> str:
    already = "as run already: " if config.queue == "risk_averse" else ""
    return already + WORST.words
