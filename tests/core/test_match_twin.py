"""The matching engine against a naive twin: a seeded driver in bulk, and Hypothesis."""

from random import Random
from typing import Any

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from match_twin import Twin
from native_match import Match, RefusedError

STEPS = 18_000
LOW, HIGH = 80, 120
KINDS = [0, 0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6]
TIFS = [0, 0, 0, 0, 1, 2, 2]


class Pair:
    """An engine and its twin, told the same; every difference is an error."""

    def __init__(self, recorded: bool, model: str = "averse", power: float = 1.0) -> None:
        self.match = Match(recorded=recorded, model=model, power=power, orders=40)
        self.twin = Twin(recorded=recorded, model=model, power=power)
        self.now = self.next_id = 0
        self.mid = 100

    def tell(self, what: str, *args: Any, **kwargs: Any) -> None:
        self.now += 1
        self.twin.reports.clear()
        reports = getattr(self.match, what)(*args, **kwargs, now=self.now)
        getattr(self.twin, what)(*args, **kwargs, now=self.now)
        assert reports == self.twin.reports, (what, args, kwargs)

    def place(self, **fields: int) -> None:
        """Place an order, or cancel the oldest if there is no more room."""
        if len(self.twin.orders) == 40:
            with pytest.raises(RefusedError, match="full"):
                self.match.place(self.next_id + 1, **fields)
            self.tell("cancel", self.twin.orders[0].order_id)
        if self.next_id % 2:
            self.pair_up(fields)
        self.next_id += 1
        self.tell("place", self.next_id, **fields)

    def pair_up(self, fields: dict[str, int]) -> None:
        """Give a stop the oldest order that it can make a pair with."""
        who = (fields["account"], fields["side"])
        free = [o.order_id for o in self.twin.orders if not o.pair and (o.account, o.side) == who]
        if fields["kind"] >= 3 and free:
            fields["pair"] = free[0]

    def amend(self, order_id: int, quantity: int) -> None:
        order = self.twin.find(order_id)
        if order and order.quantity - order.leaves < quantity < order.quantity:
            self.tell("amend", order_id, quantity)
        else:
            with pytest.raises(RefusedError, match="malformed" if order else "unknown"):
                self.match.amend(order_id, quantity)

    def cancel(self, order_id: int) -> None:
        if self.twin.find(order_id):
            self.tell("cancel", order_id)
        else:
            with pytest.raises(RefusedError, match="unknown"):
                self.match.cancel(order_id)

    def check_state(self) -> None:
        """What no report tells: books, open orders with their place in the queue, last price."""
        assert self.match.last_price() == self.twin.last
        for side in (0, 1):
            assert self.match.own(side) == self.twin.own(side)
        for o in self.twin.orders:
            seen = self.match.order(o.order_id)
            assert seen
            assert (seen.leaves, seen.cumulative) == (o.leaves, o.filled)
            assert seen.ahead == (-1 if o.front is None else int(o.front))

    def check_tape(self) -> None:
        assert self.match.prints(10_000) == self.twin.tape
        self.twin.tape.clear()


def near(draw: Random, mid: int, most: int) -> int:
    return mid + draw.randint(-most, most)


def an_order(draw: Random, mid: int = 100) -> dict[str, int]:
    kind = draw.choice(KINDS)
    by_notional = kind == 1 and draw.random() < 0.3
    side = draw.randrange(2)
    order = {
        "side": side, "kind": kind, "price": near(draw, mid + (3, -3)[1 - side], 5),
        "quantity": 0 if by_notional else draw.randint(1, 12),
        "notional": draw.randint(50, 2500) if by_notional else 0,
        "tif": draw.choice(TIFS), "stp": draw.choice([0, 0, 1, 2, 3, 4]),
        "account": draw.randint(1, 3), "stop": near(draw, mid, 5),
    }  # fmt: skip
    if kind in (0, 2, 4, 6):
        if (kind == 2 or not order["tif"]) and draw.random() < 0.3:
            order["iceberg"] = draw.randint(1, 5)
        if draw.random() < 0.1:
            order["peg"], order["offset"] = draw.randint(1, 2), draw.choice([0, 0, 0, 1, 3])
    if kind >= 3 and draw.random() < 0.4:
        order["trailing"] = draw.choice([1, 100, 150, 300])
        order["stop"] *= draw.randrange(2)
    if order["quantity"] and draw.random() < 0.25:
        order["reducible"] = order["quantity"] + draw.choice([0, 0, draw.randint(1, 12)])
    return order


def some_levels(draw: Random, mid: int, sign: int) -> list[tuple[int, int]]:
    return [
        (
            mid + sign * draw.randint(1, 8),
            draw.choice([0, draw.randint(1, 12), draw.randint(1, 30)]),
        )
        for _ in range(draw.randint(0, 4))
    ]


def uncrossed(pair: Pair, draw: Random) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """A diff after which the recorded book has a spread, around a mid that wanders."""
    mid = pair.mid = min(max(near(draw, pair.mid, 1), LOW + 10), HIGH - 10)
    bids, asks = pair.twin.book
    return (
        [(p, 0) for p in bids if p >= mid] + some_levels(draw, mid, -1),
        [(p, 0) for p in asks if p <= mid] + some_levels(draw, mid, 1),
    )


def any_id(pair: Pair, draw: Random) -> int:
    return draw.choice(pair.twin.orders).order_id if pair.twin.orders else 1


def one_step(pair: Pair, draw: Random) -> None:
    dice = draw.random()
    if dice < 0.003:
        pair.tell("cancel_all", draw.randint(1, 3))
    elif dice < 0.006 and pair.twin.orders:
        pair.tell("expire_one", any_id(pair, draw))
    elif dice < 0.08:
        pair.cancel(any_id(pair, draw))
    elif dice < 0.17:
        pair.amend(any_id(pair, draw), draw.randint(1, 10))
    elif not pair.twin.recorded or dice < 0.5:
        pair.place(**an_order(draw, pair.mid))
    elif dice < 0.70:
        pair.tell("trade", draw.randrange(2), near(draw, pair.mid, 3), draw.randint(1, 25))
    else:
        pair.tell("depth", *uncrossed(pair, draw), snapshot=dice > 0.99)


@pytest.mark.parametrize(
    ("seed", "recorded", "model", "power"),
    [
        (1, False, "averse", 1.0), (2, False, "averse", 1.0), (3, True, "averse", 1.0),
        (4, True, "power", 2.0), (5, True, "power", 6.0), (6, True, "log", 1.0),
    ],
)  # fmt: skip
def test_many_seeded_steps(seed: int, recorded: bool, model: str, power: float) -> None:
    draw = Random(seed)
    pair = Pair(recorded, model, power)
    for i in range(STEPS):
        one_step(pair, draw)
        if i % 5 == 0:
            pair.check_state()
        if not recorded and i % 50 == 0:
            pair.check_tape()


orders = st.builds(an_order, st.randoms(use_true_random=False))
lots = st.integers(1, 25)
prices = st.integers(95, 105)
levels = st.lists(st.tuples(prices, st.integers(0, 30)), max_size=4)


class MatchTwin(RuleBasedStateMachine):
    """Anything at all may be shown here, crossed books and one price twice included."""

    @initialize(recorded=st.booleans(), model=st.sampled_from([("averse", 1.0), ("power", 3.0)]))
    def make(self, recorded: bool, model: tuple[str, float]) -> None:
        self.pair = Pair(recorded, *model)

    @rule(order=orders)
    def place(self, order: dict[str, int]) -> None:
        self.pair.place(**order)

    @rule(order_id=st.integers(1, 20))
    def cancel(self, order_id: int) -> None:
        self.pair.cancel(order_id)

    @rule(order_id=st.integers(1, 20), quantity=st.integers(1, 10))
    def amend(self, order_id: int, quantity: int) -> None:
        self.pair.amend(order_id, quantity)

    @rule(account=st.integers(1, 3))
    def cancel_all(self, account: int) -> None:
        self.pair.tell("cancel_all", account)

    @rule(aggressor=st.integers(0, 1), price=prices, quantity=lots)
    def trade(self, aggressor: int, price: int, quantity: int) -> None:
        if self.pair.twin.recorded:
            self.pair.tell("trade", aggressor, price, quantity)

    @rule(bids=levels, asks=levels)
    def depth(self, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> None:
        if self.pair.twin.recorded:
            self.pair.tell("depth", bids, asks)

    @invariant()
    def same_state(self) -> None:
        self.pair.check_state()
        self.pair.check_tape()


TestMatchTwin = MatchTwin.TestCase
TestMatchTwin.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
