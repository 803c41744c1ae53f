"""Both simulators' rules for orders of one lot: a naive matching engine whose rules are chosen one by one.

With none of ``RULES`` it decides as hftbacktest's exchange without partial fills does, with all of them as Ida does. So
whatever the two decide differently about the same requests, some of these rules decide: put a rule on, and see which
fills change. ``bench_fills.py`` holds both ends against the two programs themselves, order by order.

Prices are ticks, quantities lots, times ns of the exchange's clock. Side 1 buys, -1 sells: the better of two prices of
a side is the one that is greater once multiplied by it.
"""

import gzip
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

TICKS, LOTS = 10, 1000
BUY, SELL = 1, -1

#: What Ida does and hftbacktest does not.
RULES = {
    "given out once": "a trade's lots are given out once, our best price first; hftbacktest shows the whole trade to "
    "each order",
    "whole lots": "a lot ahead that has only partly gone must still be traded; hftbacktest rounds half a lot up",
    "crossed by lots": "quotes that reach our price fill as many lots as they show, each once; hftbacktest fills all "
    "orders that they reach",
    "whole messages": "whether the book reaches our price is asked after a whole depth message; hftbacktest asks after "
    "each of its rows",
    "snapshot first": "the book begins with the snapshot, and no order is taken before; hftbacktest begins with the "
    "first row it has",
    "our own quotes": "a post-only order that would meet our own resting order is rejected; hftbacktest does not see "
    "our own",
}


class Message(NamedTuple):
    """One message of the recording. ``rows``: (side, ticks, lots); of a trade one, with the aggressor's side."""

    ts_ns: int
    kind: str
    rows: Sequence[tuple[int, int, int]]
    last_id: int


class Recorded(NamedTuple):
    """All messages as they happened at the exchange; when the first line, the snapshot and the last line were received,
    by the recorder's clock; and by how much that clock differs from the exchange's, the fastest message having taken
    as long as was given."""

    messages: Sequence[Message]
    first_local_ns: int
    snapshot_local_ns: int
    last_local_ns: int
    offset_ns: int

    @property
    def snapshot_seen_ns(self) -> int:
        return self.snapshot_local_ns - self.offset_ns


class Sent(NamedTuple):
    """An order of a run and what became of it. Times are ns of the exchange's clock, 0: it did not happen."""

    sent_ns: int
    side: int
    price: int
    state: str
    at_ns: int
    cancel_sent_ns: int
    rule: str = ""

    def shifted(self, ns: int) -> "Sent":
        """By another clock."""
        times = {name: at + ns for name in ("sent_ns", "at_ns", "cancel_sent_ns") if (at := getattr(self, name))}
        return self._replace(**times)


class Ask(NamedTuple):
    """One request as it arrives at the exchange; side 0 cancels. ``order``: its place in the run's list."""

    ts_ns: int
    sent_ns: int
    order: int
    side: int
    price: int


@dataclass(eq=False, slots=True)
class Order:
    """``state``: resting, filled, rejected or canceled, since ``at_ns``; ``rule`` and ``story``: what filled it."""

    side: int
    price: int
    state: str = "resting"
    at_ns: int = 0
    rule: str = ""
    story: str = ""
    front: float = 0.0
    traded: int = 0


# ---- the recording ---------------------------------------------------------------------------------------------------


def grid_number(text: str, per_unit: int) -> int:
    return round(float(text) * per_unit)


def rows_of(bids: Iterable[Sequence[str]], asks: Iterable[Sequence[str]]) -> list[tuple[int, int, int]]:
    return [(side, grid_number(price, TICKS), grid_number(quantity, LOTS))
            for side, levels in ((BUY, bids), (SELL, asks)) for price, quantity in levels]  # fmt: skip


def message_of(data: dict[str, Any]) -> Message | None:
    """Depth, snapshot or a trade on the book; None for what neither simulator's exchange looks at."""
    if "lastUpdateId" in data:
        return Message(data["T"] * 1_000_000, "snapshot", rows_of(data["bids"], data["asks"]), data["lastUpdateId"])
    if data["e"] == "depthUpdate":
        return Message(data["T"] * 1_000_000, "depth", rows_of(data["b"], data["a"]), data["u"])
    if data["e"] == "trade" and data["X"] == "MARKET":
        row = (SELL if data["m"] else BUY, grid_number(data["p"], TICKS), grid_number(data["q"], LOTS))
        return Message(data["T"] * 1_000_000, "trade", [row], 0)
    return None


def read_recording(path: Path, fastest_ns: int) -> Recorded:
    """In order of the exchange's stamps; equal ones as they were received."""
    received: list[tuple[int, Message]] = []
    first_local_ns = snapshot_local_ns = 0
    with gzip.open(path) as file:
        for line in file:
            stamp, text = line.split(b" ", 1)
            local_ns, data = int(stamp), json.loads(text)
            first_local_ns = first_local_ns or local_ns
            if message := message_of(data.get("data", data)):
                received.append((local_ns, message))
                if message.kind == "snapshot":
                    snapshot_local_ns = snapshot_local_ns or local_ns
    messages = sorted((message for _, message in received), key=lambda m: m.ts_ns)
    least_delay_ns = min(at - message.ts_ns for at, message in received)
    return Recorded(messages, first_local_ns, snapshot_local_ns, local_ns, least_delay_ns - fastest_ns)


# ---- the exchange ----------------------------------------------------------------------------------------------------


class Exchange:
    """Recorded levels, our orders, and what of a level was taken."""

    def __init__(self, rules: Iterable[str], queue: str, snapshot_seen_ns: int) -> None:
        chosen = set(rules)
        assert chosen <= RULES.keys()
        self.is_power = queue == "power(2)"
        self.given_once, self.whole_lots = "given out once" in chosen, "whole lots" in chosen
        self.by_lots, self.whole_messages = "crossed by lots" in chosen, "whole messages" in chosen
        self.own_quotes, self.waits = "our own quotes" in chosen, "snapshot first" in chosen
        self.seen_ns = snapshot_seen_ns if self.waits else 0
        self.levels: dict[int, dict[int, int]] = {BUY: {}, SELL: {}}
        self.taken: dict[int, dict[int, int]] = {BUY: {}, SELL: {}}
        self.best: dict[int, int | None] = {BUY: None, SELL: None}
        self.own: dict[int, dict[int, list[Order]]] = {BUY: {}, SELL: {}}
        self.orders: dict[int, Order] = {}
        self.early: list[Message] = []
        self.last_id = -1
        self.now = 0

    def hear(self, message: Message) -> None:
        self.now = message.ts_ns
        if message.kind == "trade":
            self.trade(*message.rows[0])
        elif message.kind == "depth":
            self.depth(message)
        else:
            self.snapshot(message)

    # ---- our requests

    def ask(self, ask: Ask) -> None:
        self.now = ask.ts_ns
        if ask.side:
            self.orders[ask.order] = order = Order(ask.side, ask.price, at_ns=self.now)
            self.place(order, ask.sent_ns)
        elif (order := self.orders[ask.order]).state == "resting":
            self.end(order, "canceled")

    def place(self, order: Order, sent_ns: int) -> None:
        if self.waits or sent_ns < self.seen_ns or self.would_take(order):
            order.state = "rejected"
            return
        order.front = self.levels[order.side].get(order.price, 0)
        self.own[order.side].setdefault(order.price, []).append(order)

    def would_take(self, order: Order) -> bool:
        other = -order.side
        best = self.best_available(other) if self.by_lots else self.best[other]
        if best is not None and reaches(order, best):
            return True
        return self.own_quotes and any(reaches(order, price) for price in self.own[other])

    def end(self, order: Order, state: str, rule: str = "") -> None:
        order.state, order.at_ns, order.rule = state, self.now, rule
        same = self.own[order.side][order.price]
        same.remove(order)
        if not same:
            del self.own[order.side][order.price]

    def reached(self, side: int, price: int) -> list[Order]:
        """Our orders that someone meets who goes as far as ``price``, best first, older before younger."""
        there = sorted((p for p in self.own[side] if (p - price) * side >= 0), key=lambda p: -p * side)
        return [order for p in there for order in self.own[side][p]]

    # ---- trades

    def trade(self, aggressor: int, price: int, lots: int) -> None:
        left, met = lots, self.reached(-aggressor, price)
        for i, order in enumerate(met):
            front, reach = order.front, left if self.given_once else lots
            if order.price == price:
                is_filled, rule = self.goes_down(order, lots, reach), "queue reached"
            else:
                is_filled, rule = reach > 0, "traded through"
            if is_filled:
                left -= 1
                order.story = f"{lots} lots at {price}, order {i + 1} of {len(met)} on the way, {front:.2f} lots ahead"
                self.end(order, "filled", rule)

    def goes_down(self, order: Order, lots: int, reach: int) -> bool:
        """The trade goes down the queue before our order."""
        front = order.front
        order.traded += lots
        order.front = front - reach
        if not self.whole_lots:
            return math.floor(0.5 - order.front) > 0
        order.front = max(order.front, 0.0)
        return reach - math.ceil(front) >= 1

    # ---- depth

    def depth(self, message: Message) -> None:
        if self.waits:
            self.early.append(message)
        if self.waits or message.last_id < self.last_id:
            return
        for side, price, lots in message.rows:
            self.show(side, price, lots)
        if self.whole_messages:
            self.cross(BUY)
            self.cross(SELL)

    def snapshot(self, message: Message) -> None:
        for side in (BUY, SELL):
            prices = [price for s, price, _ in message.rows if s == side]
            self.clear(side, prices[-1])
        is_first, self.waits = self.waits, False
        if is_first:
            self.last_id = message.last_id
        self.depth(message)
        for early in self.early if is_first else ():
            self.depth(early)

    def clear(self, side: int, worst: int) -> None:
        levels = self.levels[side]
        for price in [p for p in levels if (p - worst) * side >= 0]:
            del levels[price]
        self.best[side] = self.next_level(side, worst)

    def show(self, side: int, price: int, lots: int) -> None:
        before = self.levels[side].get(price, 0)
        is_better = self.set_level(side, price, lots)
        if taken := self.taken[side].get(price):
            self.taken[side][price] = min(taken, lots)
        for order in self.own[side].get(price, ()):
            self.shrink(order, before, lots)
        if is_better and not self.whole_messages:
            self.cross(-side)

    def set_level(self, side: int, price: int, lots: int) -> bool:
        """Returns whether the side's best price became better. A crossed level of the other side is passed over."""
        levels, best, other = self.levels[side], self.best[side], self.best[-side]
        if not lots:
            levels.pop(price, None)
            if price == best:
                self.best[side] = self.next_level(side, price)
            return False
        levels[price] = lots
        if best is not None and (price - best) * side <= 0:
            return False
        self.best[side] = price
        if other is not None and (price - other) * side >= 0:
            self.best[-side] = self.next_level(-side, price)
        return True

    def next_level(self, side: int, price: int) -> int | None:
        """The best level that is worse than ``price``."""
        levels = self.levels[side]
        near = next((p for p in range(price - side, price - side * 500, -side) if p in levels), None)
        worse = (p for p in levels if (price - p) * side > 0)
        return near if near is not None else max(worse, key=lambda p: p * side, default=None)

    def shrink(self, order: Order, before: int, after: int) -> None:
        """The level is shown again; what no trade explains was cancelled, some of it before us."""
        front, cancelled = order.front, before - after - order.traded
        order.traded = 0
        if self.is_power and cancelled >= 0:
            back = before - front
            whole = back * back + front * front
            p = back * back / whole if whole else 1.0
            front += min(back - p * cancelled, 0.0) - (1 - p) * cancelled
            if self.whole_lots and cancelled:
                front = math.floor(max(front, 0.0) * 2**20 + 0.5) / 2**20
        order.front = min(front, float(after))

    # ---- the book reaches our price

    def cross(self, side: int) -> None:
        best = self.best[-side]
        for order in self.reached(side, best) if best is not None else ():
            if self.by_lots and not self.take(order):
                break
            order.story = f"the other side at {best}"
            self.end(order, "filled", "book crossed")

    def take(self, order: Order) -> bool:
        price = self.best_available(-order.side)
        if price is None or not reaches(order, price):
            return False
        taken = self.taken[-order.side]
        taken[price] = taken.get(price, 0) + 1
        return True

    def best_available(self, side: int) -> int | None:
        price, levels, taken = self.best[side], self.levels[side], self.taken[side]
        while price is not None and levels[price] <= taken.get(price, 0):
            price = self.next_level(side, price)
        return price


def reaches(order: Order, price: int) -> bool:
    """Whether an order at its price and the other side at ``price`` would trade."""
    return (order.price - price) * order.side >= 0


def asks_of(orders: Sequence[Sent], latency_ns: int) -> list[Ask]:
    """The requests of a run as they arrive; of one moment the cancels first, as the grid sends them."""
    places = [Ask(o.sent_ns + latency_ns, o.sent_ns, i, o.side, o.price) for i, o in enumerate(orders)]
    cancels = [Ask(at + latency_ns, at, i, 0, 0) for i, o in enumerate(orders) if (at := o.cancel_sent_ns)]
    return sorted(cancels + places, key=lambda ask: ask.ts_ns)


def decide(recorded: Recorded, asks: Sequence[Ask], rules: Iterable[str], queue: str) -> list[Order]:
    """What becomes of each order. ``asks`` are in order of time; at equal times the market comes before them."""
    exchange, at = Exchange(rules, queue, recorded.snapshot_seen_ns), 0
    for message in recorded.messages:
        while at < len(asks) and asks[at].ts_ns < message.ts_ns:
            exchange.ask(asks[at])
            at += 1
        exchange.hear(message)
    for ask in asks[at:]:
        exchange.ask(ask)
    return [exchange.orders[i] for i in range(len(exchange.orders))]
