"""Ten times what is allowed, for minutes: nothing of our own doing is refused, and cancels go at once.

Time is simulated, to the nanosecond. The exchange's arithmetic is its server's own (``ida_sim.server.limits``) and, for
the count of unfilled orders, its documents'; requests take their time on the way, and both clocks differ.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from random import Random
from typing import NamedTuple

import pytest

from ida_binance.budget import NS_PER_S, Budget, Counted, Purpose, Told
from ida_binance.calls import Call, call
from ida_binance.instruments import RateLimit
from ida_binance.pending import Pending
from ida_binance.trading import GUARD_NS
from ida_binance.turns import Turns, purpose_of
from ida_sim.server import limits as server

LIMITS = [RateLimit("REQUEST_WEIGHT", "MINUTE", 1, 6000), RateLimit("RAW_REQUESTS", "MINUTE", 5, 300_000),
          RateLimit("ORDERS", "SECOND", 10, 100), RateLimit("ORDERS", "DAY", 1, 200_000)]  # fmt: skip
BEGAN_NS = 1_763_800_003 * NS_PER_S
SECONDS = 150
WAIT_NS = 10 * NS_PER_S
ADDRESS = "127.0.0.1"
PLACE = call("order.place", {"symbol": "BTCUSDT"})
CANCEL = call("order.cancel", {"symbol": "BTCUSDT"})
QUERY = call("myTrades", {"symbol": "BTCUSDT"})


class Exchange:
    """Counts as it is documented: weight and requests of the address; an order when it is accepted, and less when it
    is filled. ``refused`` has every 429 and 418."""

    def __init__(self, clock: Callable[[], int], random: Random) -> None:
        self.clock, self.random, self.fails = clock, random, 0.05
        self.limits = server.Limits(clock, server.Budget())
        self.orders = [(server.Window(10), 100), (server.Window(86_400), 200_000)]
        self.refused: list[tuple[str, int]] = []
        self.spent: dict[Purpose, int] = dict.fromkeys(Purpose, 0)

    def take(self, wanted: Call) -> tuple[bool, list[Told]]:
        """Whether it is done, and the counts that are told of it."""
        fails = self.random.random() < self.fails
        full = wanted.orders and any(w.add(0, self.clock()) + wanted.orders > most for w, most in self.orders)
        weight = 0 if wanted.is_free and not fails else wanted.weight
        verdict = self.limits.charge(ADDRESS, weight)
        if verdict.status != 200 or full:
            self.refused.append((wanted.method, verdict.status))
            return False, []
        self.spent[purpose_of(wanted)] += wanted.orders or weight
        return not fails, self.counts(wanted, verdict.used)

    def counts(self, wanted: Call, used: int) -> list[Told]:
        told = [Told(Counted.WEIGHT, 60, used)]
        if wanted.orders:
            back = self.random.choice((0, 0, 0, 1, 5))
            for window, _ in self.orders:
                window.add(wanted.orders, self.clock())
                window.add(-min(back, window.count), self.clock())
            told += [Told(Counted.ORDERS, s, w.count) for s, (w, _) in zip((10, 86_400), self.orders, strict=True)]
        return told


class Waited(NamedTuple):
    method: str
    seconds: float
    went: bool


class Flood:
    """Events in their order: offers, arrivals at the exchange, answers."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.now_ns = BEGAN_NS
        self.ahead_ns = self.random.randrange(-40 * NS_PER_S, 40 * NS_PER_S)
        self.exchange = Exchange(lambda: self.now_ns + self.ahead_ns, self.random)
        self.budget = Budget(LIMITS)
        self.budget.guard_ns = GUARD_NS
        self.budget.offset_ns = self.ahead_ns + self.random.randrange(-20_000_000, 20_000_000)
        self.turns = Turns(self.budget)
        self.waits: list[Waited] = []
        self.events: list[tuple[int, int, Callable[[], None]]] = []
        self.number = 0

    def at(self, ns: int, what: Callable[[], None]) -> None:
        self.number += 1
        heapq.heappush(self.events, (ns, self.number, what))

    def later(self, what: Callable[[], None]) -> None:
        """After the way to the exchange, or back."""
        self.at(self.now_ns + self.random.randrange(1_000_000, 60_000_000), what)

    def offer(self, wanted: Call, times: int) -> None:
        for _ in range(times):
            self.turns.add(Pending(wanted, lambda _: None, (self.now_ns + WAIT_NS) / NS_PER_S))

    def pump(self) -> None:
        while (pending := self.turns.next(self.now_ns)) is not None:
            waited_ns = self.now_ns - round(pending.deadline_s * NS_PER_S) + WAIT_NS
            self.waits.append(Waited(pending.call.method, waited_ns / NS_PER_S, True))
            pending.sent_ns = self.now_ns
            self.later(lambda p=pending: self.arrive(p))  # type: ignore[misc]
        for pending in self.turns.expired(self.now_ns / NS_PER_S):
            self.waits.append(Waited(pending.call.method, WAIT_NS / NS_PER_S, False))

    def arrive(self, pending: Pending) -> None:
        done, told = self.exchange.take(pending.call)
        self.later(lambda: self.answer(pending, done, told))

    def answer(self, pending: Pending, done: bool, told: list[Told]) -> None:
        refund = pending.call.weight if done and pending.call.is_free else 0
        self.budget.answered(pending.ticket, told, pending.sent_ns, self.now_ns, refund)

    def run(self, offers: dict[str, tuple[Call, int]]) -> None:
        """Each offer so many times a second, in bursts."""
        for tick in range(SECONDS * 20):
            burst = [(wanted, self.random.randrange(0, 2 * rate // 20 + 1)) for wanted, rate in offers.values()]
            self.at(BEGAN_NS + tick * 50_000_000, lambda b=burst: [self.offer(w, n) for w, n in b] and None)  # type: ignore[misc]
        while self.events:
            self.now_ns, _, what = heapq.heappop(self.events)
            what()
            self.pump()


@pytest.mark.parametrize("seed", [1, 2])
def test_a_flood_of_ten_times_the_allowance_is_never_refused_and_cancels_do_not_starve(seed: int) -> None:
    flood = Flood(seed)
    flood.run({"place": (PLACE, 100), "cancel": (CANCEL, 100), "query": (QUERY, 50)})
    assert flood.exchange.refused == []
    cancels = [w for w in flood.waits if w.method == CANCEL.method]
    assert len(cancels) > 0.9 * 100 * SECONDS
    assert all(w.went for w in cancels)
    assert max(w.seconds for w in cancels) < 0.5
    spent, minutes = flood.exchange.spent, SECONDS / 60
    assert spent[Purpose.QUERY] > 0.7 * 6000 * minutes, "the allowance is used, not only kept"
    assert spent[Purpose.ORDER] > 0.7 * 100 * SECONDS / 10
    assert not all(w.went for w in flood.waits if w.method != CANCEL.method)


def test_cancels_that_all_fail_stop_at_the_limit_and_not_beyond_it() -> None:
    """Their weight is counted then, and all that nobody else may use is theirs."""
    flood = Flood(3)
    flood.exchange.fails = 1.0
    flood.run({"cancel": (CANCEL, 110), "query": (QUERY, 50)})
    assert flood.exchange.refused == []
    went = [w for w in flood.waits if w.method == CANCEL.method and w.went]
    assert len(went) > 480 * SECONDS / 60
