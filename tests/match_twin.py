"""A naive matching engine, without shortcuts: csrc/match.c must agree, report by report."""

import copy
import math
from dataclasses import dataclass, field

from native_match import Report

BUY, SELL = 0, 1
LIMIT, MARKET, LIMIT_MAKER, STOP_LOSS, STOP_LOSS_LIMIT, TAKE_PROFIT, TAKE_PROFIT_LIMIT = range(7)
GTC, IOC, FOK = range(3)
NEW, CANCELED, REPLACED, REJECTED, TRADE, EXPIRED, TRADE_PREVENTION, TRIGGERED = range(8)
S_NEW, S_PARTIALLY, S_FILLED, S_CANCELED, S_REJECTED, S_EXPIRED, S_IN_MATCH = range(7)
(NONE, TOOK, QUEUE_REACHED, TRADED_THROUGH, BOOK_CROSSED, MATCHED, WOULD_TAKE, WOULD_TRIGGER,
 NO_LIQUIDITY, IOC_REST, FOK_SHORT, SELF_TRADE, USER, REDUCE_ONLY, PAIR, NO_PRICE) = range(16)  # fmt: skip


@dataclass(eq=False)
class Order:
    order_id: int
    side: int
    quantity: int
    price: int
    kind: int
    tif: int
    stp: int
    account: int
    notional: int
    stop: int
    filled: int = 0
    leaves: int = 0
    front: float | None = None
    traded: int = 0
    rests: int = 0  # place in time, once it rests
    waits: bool = False  # for its stop price
    ended: bool = False
    by_notional: bool = False
    reducible: int | None = None  # of reduce-only orders
    iceberg: int = 0
    shown: int = 0
    trailing: int = 0
    follows: int = 0  # place in time, once it follows the price
    extreme: int | None = None
    pair: "Order | None" = None
    peg: int = 0
    offset: int = 0

    @property
    def is_market(self) -> bool:
        return self.kind in (MARKET, STOP_LOSS, TAKE_PROFIT)

    @property
    def is_rising(self) -> bool:
        return (self.kind in (STOP_LOSS, STOP_LOSS_LIMIT)) == (self.side == BUY)

    def takes_at(self, price: int) -> bool:
        if self.is_market:
            return True
        return price <= self.price if self.side == BUY else price >= self.price

    @property
    def overreaches(self) -> bool:
        return self.reducible is not None and self.leaves > self.reducible

    def wanted(self, price: int) -> int:
        return self.notional // price if self.by_notional else self.leaves


@dataclass
class Twin:
    recorded: bool = True
    model: str = "averse"
    power: float = 1.0
    orders: list[Order] = field(default_factory=list)  # open ones, by age
    book: list[dict[int, int]] = field(default_factory=lambda: [{}, {}])
    taken: list[dict[int, int]] = field(default_factory=lambda: [{}, {}])
    elected: list[Order] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    tape: list[tuple[int, int, int, int]] = field(default_factory=list)
    last: int = -1
    trades: int = 0
    rested: int = 0
    now: int = 0

    # ---- what is there -------------------------------------------------------------------------

    def resting(self, side: int) -> list[Order]:
        """By price and time, the best first."""
        sign = -1 if side == BUY else 1
        found = [o for o in self.orders if o.rests and o.side == side]
        return sorted(found, key=lambda o: (sign * o.price, o.rests))

    def available(self, side: int) -> dict[int, int]:
        left = {p: q - self.taken[side].get(p, 0) for p, q in self.book[side].items()}
        return {p: q for p, q in left.items() if q}

    def own(self, side: int) -> list[tuple[int, int]]:
        levels: dict[int, int] = {}
        for order in self.resting(side):
            levels[order.price] = levels.get(order.price, 0) + order.shown
        return list(levels.items())

    # ---- reports -------------------------------------------------------------------------------

    def report(
        self, o: Order, execution: int, status: int, reason: int = NONE, *,
        price: int | None = None, lots: int = 0, counter: int = 0, maker: int = 0,
    ) -> None:  # fmt: skip
        is_open = status in (S_NEW, S_PARTIALLY)
        o.ended = not is_open
        if o.ended:
            self.orders.remove(o)
        self.reports.append(Report(
            o.order_id, self.trades if execution == TRADE else 0, counter, self.now,
            o.price if price is None else price, lots, o.filled,
            o.leaves if is_open else 0, o.filled if o.by_notional else o.quantity,
            math.floor(o.front) if is_open and o.front is not None else -1,
            o.account, o.side, execution, status, reason, maker, int(o.extreme is not None and bool(o.follows)),
        ))  # fmt: skip
        if o.ended:
            self.forget(o)

    def forget(self, o: Order) -> None:
        if o.pair:
            o.pair.pair = None
        if o in self.elected:
            self.elected.remove(o)

    def end_pair(self, o: Order) -> None:
        if o.pair:
            self.report(o.pair, EXPIRED, S_EXPIRED, PAIR)

    def next_part(self, o: Order) -> None:
        """Of an iceberg, at the end of the queue."""
        if o.rests and not o.ended and not o.shown:
            self.rested += 1
            o.rests = self.rested
            o.shown = min(o.iceberg or o.leaves, o.leaves)
            if self.recorded:
                o.front, o.traded = float(self.book[o.side].get(o.price, 0)), 0

    def use(self, o: Order, price: int, lots: int) -> bool:
        if o.by_notional:
            o.notional -= lots * price
            return o.notional < price
        o.leaves -= lots
        o.shown = max(0, o.shown - lots)
        return o.leaves == 0

    def fill(self, o: Order, price: int, lots: int, reason: int, counter: int = 0) -> None:
        self.end_pair(o)
        done = self.use(o, price, lots)
        o.filled += lots
        for x in self.orders:
            if x.reducible is not None and x.account == o.account:
                x.reducible += -lots if x.side == o.side else lots
        status = S_FILLED if done else S_PARTIALLY
        self.report(o, TRADE, status, reason, price=price, lots=lots, counter=counter,
                    maker=int(reason != TOOK))  # fmt: skip

    def expire(self, o: Order) -> bool:
        """Whether it would open a position; then it is gone."""
        if o.overreaches:
            self.report(o, EXPIRED, S_EXPIRED, REDUCE_ONLY)
        return o.ended

    def expire_all(self) -> None:
        for o in list(self.orders):
            self.expire(o)

    def lose(self, o: Order, price: int, lots: int, counter: int) -> None:
        done = self.use(o, price, lots)
        status = S_IN_MATCH if done else S_PARTIALLY if o.filled else S_NEW
        self.report(o, TRADE_PREVENTION, status, SELF_TRADE, price=price, lots=lots, counter=counter)

    # ---- taking --------------------------------------------------------------------------------

    def take(self, o: Order) -> None:
        while not o.ended and self.take_once(o):
            pass

    def take_once(self, o: Order) -> bool:
        """The next of what is there, in turn; False if there is nothing for it."""
        other = 1 - o.side
        makers, offers = self.resting(other), self.available(other)
        prices = [p for p in {*offers, *(m.price for m in makers)} if o.takes_at(p)]
        if not prices:
            return False
        price = min(prices) if other == SELL else max(prices)
        if not (wanted := o.wanted(price)):
            return False
        there = offers.get(price, 0)
        maker = next((m for m in makers if m.price == price), None)
        if maker and self.expire(maker):
            return True
        if maker and self.recorded:
            taken = self.taken[other].get(price, 0)
            there = min(there, max(0, math.ceil(maker.front or 0) - taken))
        if there:
            self.take_recorded(o, other, price, min(there, wanted))
        elif maker:
            self.meet(o, maker, wanted)
            self.next_part(maker)
        return True

    def take_recorded(self, o: Order, other: int, price: int, lots: int) -> None:
        self.taken[other][price] = self.taken[other].get(price, 0) + lots
        self.trades += 1
        self.fill(o, price, lots, TOOK)

    def meet(self, taker: Order, maker: Order, wanted: int) -> None:
        if taker.stp and taker.account == maker.account:
            self.prevent(taker, maker, min(wanted, maker.leaves))
            return
        lots = min(wanted, maker.shown)
        self.trades += 1
        self.fill(maker, maker.price, lots, MATCHED, taker.order_id)
        if not self.recorded:
            self.tape.append((self.trades, maker.price, lots, taker.side))
            self.move_last(maker.price)
        self.fill(taker, maker.price, lots, TOOK, maker.order_id)

    def prevent(self, taker: Order, maker: Order, smaller: int) -> None:
        price, mode = maker.price, taker.stp
        if mode in (1, 3, 4):
            self.lose(maker, price, smaller if mode == 4 else maker.leaves, taker.order_id)
        if mode in (2, 3, 4):
            lots = smaller if mode == 4 else taker.wanted(price)
            self.lose(taker, price, lots, maker.order_id)

    def could_fill(self, o: Order) -> bool:
        """Tries it, on a copy of the world."""
        world = copy.deepcopy(self)
        for x in list(world.orders):
            if x.overreaches or (x.reducible is not None and x.account != o.account):
                world.orders.remove(x)
                world.forget(x)
        order = next(x for x in world.orders if x.order_id == o.order_id)
        world.take(order)
        return order.filled == o.quantity

    # ---- orders --------------------------------------------------------------------------------

    def start(self, o: Order) -> None:
        if o.tif == FOK and not o.is_market and not self.could_fill(o):
            self.report(o, EXPIRED, S_EXPIRED, FOK_SHORT)
            return
        self.take(o)
        if o.ended:
            return
        if o.is_market or o.tif != GTC:
            self.report(o, EXPIRED, S_EXPIRED, NO_LIQUIDITY if o.is_market else IOC_REST)
        else:
            self.rested += 1
            o.rests = self.rested
            o.shown = min(o.iceberg or o.leaves, o.leaves)

    def queue(self, o: Order) -> None:
        if self.recorded and not o.is_market and o.tif == GTC:
            o.front = float(self.book[o.side].get(o.price, 0))

    def place(
        self, order_id: int, side: int, quantity: int, price: int = 0, *, kind: int = LIMIT,
        tif: int = GTC, stp: int = 0, account: int = 1, notional: int = 0, stop: int = 0,
        reducible: int = 0, iceberg: int = 0, pair: int = 0, trailing: int = 0, peg: int = 0, offset: int = 0,
        now: int = 0,
    ) -> None:  # fmt: skip
        self.now = now
        tif = GTC if kind == LIMIT_MAKER else tif
        o = Order(order_id, side, quantity, price, kind, tif, stp, account, notional, stop)
        o.price = 0 if o.is_market or peg else price
        if not o.is_market:
            o.iceberg, o.peg, o.offset = iceberg, peg, offset
        o.leaves, o.by_notional = quantity, not quantity
        o.reducible = reducible or None
        self.orders.append(o)
        if kind >= STOP_LOSS:
            o.trailing = trailing
            self.place_stop(o, self.find(pair))
            return
        if not self.price_it(o):
            self.report(o, REJECTED, S_REJECTED, NO_PRICE)
            return
        prices = [*self.available(1 - side), *(m.price for m in self.resting(1 - side))]
        if kind == LIMIT_MAKER and any(map(o.takes_at, prices)):
            self.report(o, REJECTED, S_REJECTED, WOULD_TAKE)
            return
        self.queue(o)
        self.report(o, NEW, S_NEW)
        self.start(o)
        self.start_elected()

    def price_it(self, o: Order) -> bool:
        """Of a pegged order; False if there is none."""
        if not o.peg:
            return True
        side = o.side if o.peg == 1 else 1 - o.side
        prices = {*self.available(side), *(m.price for m in self.resting(side))}
        ordered = sorted(prices, reverse=side == BUY)
        if o.offset >= len(ordered):
            return False
        o.price = ordered[o.offset]
        return True

    def place_stop(self, o: Order, pair: Order | None) -> None:
        if o.stop and self.last >= 0 and self.is_reached(o, self.last):
            self.report(o, REJECTED, S_REJECTED, WOULD_TRIGGER)
            return
        if pair:
            o.pair, pair.pair = pair, o
        self.report(o, NEW, S_NEW)
        if o.stop:
            o.waits = True
        else:
            self.follow(o, None)

    def follow(self, o: Order, price: int | None) -> None:
        self.rested += 1
        o.follows, o.extreme = self.rested, price

    def turned(self, o: Order, price: int) -> bool:
        if o.extreme is None:
            return False
        if o.side == BUY:
            return price * 10_000 >= o.extreme * (10_000 + o.trailing)
        return price * 10_000 <= o.extreme * (10_000 - o.trailing)

    def is_reached(self, o: Order, price: int) -> bool:
        return price >= o.stop if o.is_rising else price <= o.stop

    def move_last(self, price: int) -> None:
        self.last = price
        met = [o for o in self.orders if o.waits and self.is_reached(o, price)]
        rising = sorted((o for o in met if o.is_rising), key=lambda o: o.stop)
        falling = sorted((o for o in met if not o.is_rising), key=lambda o: -o.stop)
        for o in rising + falling:
            o.waits = False
            if o.trailing:
                self.follow(o, price)
            else:
                self.elected.append(o)
        for o in sorted((o for o in self.orders if o.follows), key=lambda o: o.follows):
            if self.turned(o, price):
                o.follows = 0
                self.elected.append(o)
            else:
                best = min if o.side == BUY else max
                o.extreme = price if o.extreme is None else best(price, o.extreme)

    def start_elected(self) -> None:
        while self.elected:
            o = self.elected.pop(0)
            if not self.expire(o):
                self.end_pair(o)
                if not self.price_it(o):
                    self.report(o, EXPIRED, S_EXPIRED, NO_PRICE)
                    continue
                self.queue(o)
                self.report(o, TRIGGERED, S_NEW)
                self.start(o)
        self.expire_all()

    def find(self, order_id: int) -> Order | None:
        return next((o for o in self.orders if o.order_id == order_id), None)

    def cancel(self, order_id: int, now: int = 0) -> None:
        self.now = now
        if o := self.find(order_id):
            self.report(o, CANCELED, S_CANCELED, USER)

    def expire_one(self, order_id: int, now: int = 0) -> None:
        self.now = now
        if o := self.find(order_id):
            self.report(o, EXPIRED, S_EXPIRED, PAIR)

    def cancel_all(self, account: int, now: int = 0) -> None:
        for o in [o for o in self.orders if o.account == account]:
            self.cancel(o.order_id, now)

    def amend(self, order_id: int, quantity: int, now: int = 0) -> None:
        self.now = now
        o = self.find(order_id)
        if o and o.quantity - o.leaves < quantity < o.quantity:
            o.leaves -= o.quantity - quantity
            o.shown = min(o.shown, o.leaves)
            o.quantity = quantity
            self.report(o, REPLACED, S_PARTIALLY if o.filled else S_NEW)

    # ---- the recording -------------------------------------------------------------------------

    def trade(self, aggressor: int, price: int, quantity: int, now: int = 0) -> None:
        self.now = now
        left, side = quantity, 1 - aggressor
        for o in self.resting(side):
            if o.price != price and o.takes_at(price) and left and not self.expire(o):
                lots = min(left, o.leaves)
                left -= lots
                self.hit(o, lots, TRADED_THROUGH)
                self.next_part(o)
        first = True
        queue = [o for o in self.resting(side) if o.price == price]
        for o in queue:
            if self.expire(o):
                continue
            beyond = math.floor(left - (o.front or 0))
            o.front = max(0.0, (o.front or 0) - left)
            o.traded += quantity
            lots = min(beyond, o.shown)
            if first and lots > 0:
                left -= lots
                self.hit(o, lots, QUEUE_REACHED)
            first = first and (o.ended or not o.shown)
        for o in queue:
            self.next_part(o)
        self.move_last(price)
        self.start_elected()

    def hit(self, o: Order, lots: int, reason: int) -> None:
        self.trades += 1
        self.fill(o, o.price, lots, reason)

    def depth(
        self, bids: list[tuple[int, int]], asks: list[tuple[int, int]], snapshot: bool = False,
        now: int = 0,
    ) -> None:  # fmt: skip
        self.now = now
        for side, levels in ((BUY, bids), (SELL, asks)):
            if snapshot:
                kept = dict(levels)
                gone = {*self.book[side], *self.taken[side], *(o.price for o in self.resting(side))}
                levels = [(p, kept.get(p, 0)) for p in gone | kept.keys()]
            for price, quantity in levels:
                self.show(side, price, quantity)
        for side in (BUY, SELL):
            for o in self.resting(side):
                self.cross(o)
        self.expire_all()

    def show(self, side: int, price: int, quantity: int) -> None:
        before = self.book[side].pop(price, 0)
        if quantity:
            self.book[side][price] = quantity
        if taken := min(self.taken[side].pop(price, 0), quantity):
            self.taken[side][price] = taken
        fronts = [0.0]
        for o in self.resting(side):
            if o.price == price:
                fronts.append(max(self.shrink(o, before, quantity), fronts[-1]))
                o.front = fronts[-1]

    def shrink(self, o: Order, before: int, after: int) -> float:
        front = o.front or 0.0
        cancelled = before - after - o.traded
        o.traded = 0
        if cancelled > 0 and self.model != "averse":
            back = max(before - front, 0)
            f = (lambda x: x**self.power) if self.model == "power" else math.log1p
            whole = f(back) + f(front)
            p = f(back) / whole if whole else 1.0
            front += -(1 - p) * cancelled + min(back - p * cancelled, 0)
            front = math.floor(max(front, 0) * 2**20 + 0.5) / 2**20
        return min(front, float(after))

    def cross(self, o: Order) -> None:
        other = 1 - o.side
        offers = self.available(other)
        if any(map(o.takes_at, offers)) and self.expire(o):
            return
        lots = 0
        for price in sorted(offers, reverse=other == BUY):
            if o.takes_at(price) and lots < o.leaves:
                more = min(offers[price], o.leaves - lots)
                self.taken[other][price] = self.taken[other].get(price, 0) + more
                lots += more
        if lots:
            self.hit(o, lots, BOOK_CROSSED)
            self.next_part(o)
