"""The synthetic market: seeded, lively for ever, and told as records that lead to the engine's own book."""

import hashlib
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ida_core.book import Book, Market
from ida_core.model import Side
from ida_core.native import ffi, lib

SECOND = 1_000_000_000
START = 1_767_225_600 * SECOND
HALF_SPREAD, VOLATILITY, RATE = 5, 0.03, 200.0
USUAL = {
    "seed": 1, "start_ns": START, "start_price": 6_000_000, "typical_quantity": 1_600, "volatility": VOLATILITY,
    "events_per_s": RATE, "half_spread": HALF_SPREAD, "depth_interval_ns": SECOND // 10,
    "latency_ns": 2_000_000, "latency_jitter_ns": 1_000_000,
}  # fmt: skip


class Synthetic:
    """Agents on an engine of their own, whose records are counted, hashed and applied to a ``Market``."""

    def __init__(self, orders: int = 4096, **changes: Any) -> None:
        config = ffi.new("ida_agents_config *", {**USUAL, **changes})
        highest = min(max(16 * config.start_price, 10_000), 1 << 30)
        self.match = ffi.gc(
            lib.ida_match_new(ffi.NULL, highest, orders, 1024, lib.IDA_QUEUE_RISK_AVERSE, 1.0, 1), lib.ida_match_free)
        made = lib.ida_agents_new(config, self.match, 7)
        if not made:
            raise ValueError(changes)
        self.agents = ffi.gc(made, lib.ida_agents_free)
        self.book = Book.borrow(lib.ida_match_own(self.match), self.match)
        self.market = Market(lib.IDA_CHAIN_CONTIGUOUS, highest)
        self.hash = hashlib.sha256()
        self.aggressors = {Side.BUY: 0, Side.SELL: 0}
        self.steps = self.local_ns = 0

    def records(self) -> Iterator[Any]:
        while record := lib.ida_agents_peek(self.agents):
            yield record
            lib.ida_agents_take(self.agents)

    def take(self) -> int:
        """Take what is there; how many of the records were diffs."""
        diffs = 0
        for record in self.records():
            assert record.ts_local_ns >= max(self.local_ns, record.ts_venue_ns + 2_000_000)
            self.local_ns = record.ts_local_ns
            self.hash.update(ffi.buffer(record, record.length))
            diffs += record.kind == lib.IDA_DEPTH
            if record.kind == lib.IDA_TRADE:
                self.aggressors[Side.SELL if record.flags & lib.IDA_FLAG_BUYER_IS_MAKER else Side.BUY] += 1
            self.market.apply(record)
        return diffs

    def step(self) -> int:
        assert lib.ida_agents_step(self.agents) == lib.IDA_OK
        self.steps += 1
        return self.take()

    def run(self, seconds: float, watch: Callable[[], None] = lambda: None) -> None:
        end = START + int(seconds * SECOND)
        while lib.ida_agents_next(self.agents) <= end:
            self.step()
            watch()

    def place(self, order_id: int, side: int, price: int, lots: int) -> None:
        order = {"order_id": order_id, "account": 1, "side": side, "price": price, "quantity": lots}
        now = lib.ida_agents_next(self.agents) - 1
        assert lib.ida_match_place(self.match, ffi.new("ida_new_order *", order), now) == lib.IDA_OK
        assert lib.ida_agents_publish(self.agents, now) == lib.IDA_OK

    def reports(self) -> list[Any]:
        count = ffi.new("size_t *")
        found = lib.ida_match_reports(self.match, count)
        return [found[i] for i in range(count[0])]


def levels(book: Book) -> tuple[Any, Any]:
    return book.levels(Side.BUY, 5000), book.levels(Side.SELL, 5000)


@pytest.fixture(scope="module")
def ten_minutes() -> dict[str, Any]:
    """Figures of ten simulated minutes."""
    synthetic, mids, spreads, fewest = Synthetic(), [6_000_000.0], [], [99, 99]

    def watch() -> None:
        spreads.append(synthetic.book.spread)
        fewest[:] = map(min, fewest, synthetic.book.level_counts)

    for second in range(1, 601):
        synthetic.run(second, watch)
        mids.append(synthetic.book.mid)
    synthetic.market.finish()
    return {"synthetic": synthetic, "mids": mids, "spreads": sorted(spreads), "fewest": fewest}


def digest(**changes: Any) -> str:
    synthetic = Synthetic(**changes)
    synthetic.run(60)
    return synthetic.hash.hexdigest()


def test_a_seed_is_a_market() -> None:
    assert digest() == digest()
    assert digest(seed=2) != digest()


def test_a_side_never_runs_dry(ten_minutes: dict[str, Any]) -> None:
    assert min(ten_minutes["fewest"]) >= 10


def test_the_spread_is_of_the_makers_scale(ten_minutes: dict[str, Any]) -> None:
    spreads = ten_minutes["spreads"]
    assert spreads[0] >= 1
    assert spreads[len(spreads) // 2] <= 6 * HALF_SPREAD
    assert spreads[len(spreads) * 95 // 100] <= 30 * HALF_SPREAD


def test_both_sides_take(ten_minutes: dict[str, Any]) -> None:
    taken = ten_minutes["synthetic"].aggressors
    assert sum(taken.values()) > 600
    assert 0.35 < taken[Side.BUY] / sum(taken.values()) < 0.65


def test_volatility_is_near_the_configured_one(ten_minutes: dict[str, Any]) -> None:
    mids = ten_minutes["mids"]
    returns = [math.log(b / a) for a, b in itertools.pairwise(mids)]
    realised = math.sqrt(sum(r * r for r in returns) / len(returns) * 86_400)
    assert VOLATILITY / 2 < realised < VOLATILITY * 2
    echo = sum(a * b for a, b in itertools.pairwise(returns)) / sum(r * r for r in returns)
    assert abs(echo) < 0.2  # neither a saw-tooth nor a train


def test_actions_come_at_the_configured_rate(ten_minutes: dict[str, Any]) -> None:
    actions = ten_minutes["synthetic"].steps - 6000  # the others wrote a diff
    assert abs(actions / 600 - RATE) < 0.05 * RATE


def test_quotes_and_diffs_tell_of_one_book(ten_minutes: dict[str, Any]) -> None:
    market = ten_minutes["synthetic"].market
    assert (market.synced, market.gaps, market.crossed, market.faults) == (True, 0, 0, 0)
    assert market.quotes_compared > 100
    assert market.quotes_mismatched == 0


def test_agents_orders_are_bounded(ten_minutes: dict[str, Any]) -> None:
    assert lib.ida_match_open(ten_minutes["synthetic"].match, 0) <= 1100


@pytest.mark.parametrize("interval_ns", [0, 7_000_000, SECOND, 3600 * SECOND])
def test_diffs_lead_to_the_engines_book(interval_ns: int) -> None:
    synthetic, compared = Synthetic(depth_interval_ns=interval_ns), 0
    synthetic.take()
    assert synthetic.market.state == "FIRST"
    assert synthetic.market.last_update_id == 1
    for _ in range(4000):
        if synthetic.step():
            assert levels(synthetic.market.book) == levels(synthetic.book)
            compared += 1
    synthetic.market.finish()
    assert compared > 2
    assert synthetic.market.synced
    assert synthetic.market.quotes_mismatched == 0
    assert synthetic.market.crossed == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"start_price": 512, "typical_quantity": 1, "half_spread": 1, "volatility": 0.2},
        {"volatility": 10.0, "events_per_s": 0.01},
        {"volatility": 0.0},
        {"latency_ns": 60 * SECOND, "latency_jitter_ns": SECOND},
    ],
)
def test_odd_markets_stay_alive(changes: dict[str, Any]) -> None:
    synthetic = Synthetic(**changes)
    for _ in range(5000):
        synthetic.step()
        assert min(synthetic.book.level_counts) >= 10
    synthetic.market.finish()
    assert synthetic.market.synced
    assert synthetic.market.quotes_mismatched == 0


def test_a_users_order_takes_and_is_published() -> None:
    synthetic = Synthetic(depth_interval_ns=0)
    synthetic.run(1)
    ask, lots, before = synthetic.book.ask, synthetic.book.ask_quantity, dict(synthetic.aggressors)
    synthetic.place(1, lib.IDA_BUY, ask, lots + 5)
    synthetic.take()
    assert [r.execution for r in synthetic.reports()][:2] == [lib.IDA_X_NEW, lib.IDA_X_TRADE]
    assert synthetic.aggressors[Side.BUY] > before[Side.BUY]
    assert synthetic.market.last_price == ask
    assert synthetic.market.book.quantity_at(Side.BUY, ask) == 5
    assert levels(synthetic.market.book) == levels(synthetic.book)


def test_a_users_resting_order_is_hit() -> None:
    synthetic = Synthetic()
    synthetic.run(1)
    synthetic.place(1, lib.IDA_BUY, synthetic.book.bid + 1, 100)
    synthetic.run(30)
    fills = [r for r in synthetic.reports() if r.execution == lib.IDA_X_TRADE]
    assert sum(r.quantity for r in fills) == 100
    assert all(r.maker and r.counter_order >> 63 for r in fills)


@pytest.mark.parametrize("side", [lib.IDA_BUY, lib.IDA_SELL])
def test_a_swept_side_is_refilled(side: int) -> None:
    synthetic = Synthetic()
    synthetic.run(1)
    synthetic.place(1, side, 90_000_000 if side == lib.IDA_BUY else 1, 10**9)
    assert synthetic.book.level_counts[1 - side] == 0
    assert lib.ida_match_cancel(synthetic.match, 1, lib.ida_agents_next(synthetic.agents)) == lib.IDA_OK
    synthetic.step()
    synthetic.run(3)
    assert min(synthetic.book.level_counts) >= 10
    synthetic.market.finish()
    assert synthetic.market.synced
    assert synthetic.market.quotes_mismatched == 0


def test_an_order_far_through_the_market_does_not_stop_it() -> None:
    synthetic = Synthetic()
    synthetic.run(1)
    synthetic.place(1, lib.IDA_BUY, 7_000_000, 10**9)
    synthetic.run(20)
    assert synthetic.book.bid == 7_000_000
    assert synthetic.book.level_counts[1] >= 10
    synthetic.market.finish()
    assert synthetic.market.synced
    assert synthetic.market.quotes_mismatched == 0


def test_a_full_ring_waits_and_loses_nothing() -> None:
    synthetic = Synthetic()
    while (status := lib.ida_agents_step(synthetic.agents)) == lib.IDA_OK:
        pass
    at = lib.ida_agents_next(synthetic.agents)
    assert status == lib.ida_agents_step(synthetic.agents) == lib.IDA_FULL
    assert lib.ida_agents_next(synthetic.agents) == at
    synthetic.take()
    while not synthetic.step():
        pass
    synthetic.market.finish()
    assert levels(synthetic.market.book) == levels(synthetic.book)
    assert synthetic.market.synced
    assert synthetic.market.quotes_mismatched == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"start_ns": -1}, {"start_price": 511}, {"start_price": 0}, {"start_price": 2**36 + 1},
        {"typical_quantity": 0}, {"typical_quantity": 2**32 + 1}, {"volatility": -0.1}, {"volatility": math.nan},
        {"volatility": 11.0}, {"events_per_s": 0.0}, {"events_per_s": math.nan}, {"events_per_s": 2e6},
        {"half_spread": 0}, {"half_spread": 100_000}, {"depth_interval_ns": -1}, {"latency_ns": -1},
        {"latency_jitter_ns": -1}, {"latency_ns": 3601 * SECOND}, {"orders": 64},
        {"latency_ns": 3600 * SECOND, "events_per_s": 1e6},
    ],
)  # fmt: skip
def test_refuses_what_is_out_of_range(changes: dict[str, Any]) -> None:
    with pytest.raises((ValueError, MemoryError)):
        Synthetic(**changes)
