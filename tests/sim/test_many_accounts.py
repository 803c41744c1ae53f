"""Several accounts at one simulated exchange, with every kind of order and list, on a market of agents: what must hold
whatever happens."""

from collections import Counter, defaultdict
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from ida_core import (
    AmendOrder,
    BalanceUpdate,
    CancelAll,
    CancelOrder,
    Execution,
    Filters,
    Instrument,
    ListKind,
    OrderStatus,
    OrderType,
    OrderUpdate,
    PegPrice,
    PlaceList,
    PlaceOrder,
    ReplaceOrder,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from ida_core.native import lib
from ida_sim.account import Account
from ida_sim.exchange import Exchange, Told
from ida_sim.fees import Fees
from ida_sim.matching import TimelinePlace
from ida_sim.timeline import Timeline, agents_config

D = Decimal
START_NS, MID = 1_700_000_000_000_000_000, 60_000
BTC = Instrument(
    symbol="BTCUSDT", base="BTC", quote="USDT", tick_size=D(1), lot_size=D("0.001"),
    filters=Filters(
        min_notional=D(5), max_orders=60, max_algo_orders=15, max_order_lists=8, max_amends=3, iceberg_parts=20))
OPENING = {"USDT": D(200_000), "BTC": D(3)}
OPEN = (OrderStatus.PENDING_NEW, OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)
STOPS = (OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT)


class World:
    """A market, an exchange of three accounts of which two are a group, and what was told of each order."""

    def __init__(self, seed: int) -> None:
        self.draw = Random(seed)
        self.timeline = Timeline(1)
        self.timeline.add_instrument(0, 200_000, (0, 1.0), 8192)
        self.timeline.add_agents(0, agents_config(
            seed=seed, start_ns=START_NS, start_price=MID, typical_quantity=20, volatility=1.5, events_per_s=300,
            half_spread=2, latency_ms=D(1), jitter_ms=D(0)))
        self.place = TimelinePlace(self.timeline, 0)
        fees = Fees(maker_fee=D("0.0002"), taker_fee=D("0.0005"))
        self.exchange = Exchange([BTC], [self.place], fees, own_numbers=True)
        first = self.exchange.open_account(Account(dict(OPENING)), tells_holds=True)
        self.exchange.open_account(Account(dict(OPENING)), tells_holds=True)
        self.exchange.open_account(Account(dict(OPENING)), group=first)
        self.sums = [dict(OPENING) for _ in range(3)]
        self.last: dict[tuple[int, str], OrderUpdate] = {}
        self.balances: list[dict[str, Any]] = [{}, {}, {}]
        self.seen: Counter[str] = Counter()
        self.filled_by_list: defaultdict[tuple[int, str], set[str]] = defaultdict(set)
        self.kinds: dict[tuple[int, str], PlaceList] = {}
        self.names = 0
        self.now_ns = START_NS

    def name(self) -> str:
        self.names += 1
        return f"o{self.names}"

    def advance(self, ns: int) -> None:
        self.now_ns += ns
        event = self.timeline.event
        while (what := lib.ida_timeline_next(self.timeline.pointer, self.now_ns, event)) != lib.IDA_AT_TIME:
            if what == lib.IDA_AT_REPORTS:
                self.hear(self.exchange.reports(0))

    def ask(self, account: int, request: Any) -> None:
        self.hear(self.exchange.handle(account, request, self.now_ns))
        self.timeline.publish(0)
        self.check()

    # ---- what is told --------------------------------------------------------------------------

    def hear(self, told: list[Told]) -> None:
        for each in told:
            if isinstance(each.event, OrderUpdate):
                self.note(each.account, each.event)
            elif isinstance(each.event, BalanceUpdate):
                self.balances[each.account].update(each.event.balances)

    def note(self, account: int, update: OrderUpdate) -> None:
        self.seen[f"{update.execution.value} {update.reason}".strip()] += 1
        if update.execution in (Execution.CANCEL_REJECTED, Execution.REPLACE_REJECTED, Execution.REJECTED):
            assert update.code < 0
            assert update.reason
            return
        key = account, update.order_id
        before = self.last.get(key)
        if before is None:
            assert update.execution is Execution.NEW, update
        else:
            assert before.status in OPEN, (before, update)
            assert update.venue_order_id == before.venue_order_id
            assert update.cumulative == before.cumulative + (update.execution is Execution.TRADE) * update.quantity
        assert update.leaves >= 0
        assert update.cumulative <= update.order_quantity
        self.last[key] = update
        if update.execution is Execution.TRADE:
            self.book(account, update)

    def book(self, account: int, update: OrderUpdate) -> None:
        sums, quantity = self.sums[account], BTC.quantity(update.quantity)
        sums["BTC"] += update.side.sign * quantity
        sums["USDT"] -= update.side.sign * quantity * update.price
        sums[update.fee_asset] -= update.fee
        self.filled_by_list[account, update.list_id].add(update.order_id)

    # ---- what must hold ------------------------------------------------------------------------

    def check(self) -> None:
        for number in range(3):
            standing = self.exchange.orders(number)
            assert {o.request.order_id for o in standing} == {
                name for (whose, name), u in self.last.items() if whose == number and u.status in OPEN}
            for order in standing:
                assert order.is_placed == (self.place.matching.order(order.number) is not None)
            owned = {asset: free + locked for asset, (free, locked) in self.exchange.account(number).balances().items()}
            assert owned == self.sums[number]
            assert all(locked >= 0 for _, locked in self.exchange.account(number).balances().values())

    def check_lists(self) -> None:
        """Of a pair only one was filled; nothing was that waited for an order which was not."""
        for (account, name), request in self.kinds.items():
            filled = self.filled_by_list[account, name]
            ids = [leg.order_id for leg in request.legs]
            pair = ids if request.kind is ListKind.OCO else ids[1:]
            if request.kind in (ListKind.OCO, ListKind.OTOCO, ListKind.OPOCO):
                assert len(filled & set(pair)) < 2
            if request.kind is not ListKind.OCO and filled & set(pair):
                assert self.last[account, ids[0]].status is OrderStatus.FILLED

    # ---- anything at all -----------------------------------------------------------------------

    def near(self, most: int) -> int:
        return (self.place.book.bid or MID) + self.draw.randint(-most, most)

    def order(self, **fixed: Any) -> PlaceOrder:
        draw = self.draw
        kind = fixed.pop("type", None) or draw.choice([*OrderType, OrderType.LIMIT, OrderType.LIMIT_MAKER])
        lots = draw.randint(1, 60)
        fields: dict[str, Any] = {
            "side": draw.choice(list(Side)), "quantity": lots, "stp": draw.choice(list(SelfTradePrevention)), **fixed}
        if kind not in (OrderType.MARKET, OrderType.STOP_LOSS, OrderType.TAKE_PROFIT):
            fields |= self.priced(lots)
        if kind in STOPS:
            fields |= {"stop_price": self.near(60)} if draw.random() < 0.7 else {"trailing_delta": draw.randint(1, 30)}
        if kind is OrderType.MARKET and draw.random() < 0.3 and "quantity" not in fixed:
            fields |= {"quantity": 0, "quote_quantity": D(draw.randint(1, 5000))}
        return PlaceOrder(order_id=self.name(), instrument=0, type=kind, **fields)

    def priced(self, lots: int) -> dict[str, Any]:
        dice = self.draw.random()
        if dice < 0.15:
            return {"peg": self.draw.choice(list(PegPrice)), "peg_offset": self.draw.choice([0, 0, 1, 200])}
        more: dict[str, Any] = {"iceberg": self.draw.randint(1, lots)} if dice < 0.4 else {}
        if dice > 0.8:
            more = {"tif": self.draw.choice(list(TimeInForce))}
        return {"price": self.near(80), **more}

    def list_of(self, kind: ListKind) -> PlaceList:
        pays = kind in (ListKind.OPO, ListKind.OPOCO)
        side = Side.SELL if pays or self.draw.random() < 0.5 else Side.BUY
        lots = 0 if pays else self.draw.randint(1, 40)
        mid, up, down = self.place.book.bid or MID, self.draw.randint(-3, 60), self.draw.randint(-3, 60)
        rest = {"type": OrderType.LIMIT_MAKER, "side": side, "quantity": lots, "stp": SelfTradePrevention.NONE}
        stop = rest | {"type": self.draw.choice([OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT])}
        above, below = (rest, stop) if side is Side.SELL else (stop, rest)
        legs = [self.at(above, mid + up), self.at(below, mid - down)]
        if kind in (ListKind.OTO, ListKind.OPO):
            legs = [self.at(self.draw.choice([above, below]), mid + up)]
        if kind is not ListKind.OCO:
            working = {"type": OrderType.LIMIT, "side": Side.BUY, "quantity": self.draw.randint(1, 40)}
            price = mid + self.draw.randint(-20, 8)
            legs.insert(0, PlaceOrder(order_id=self.name(), instrument=0, price=price, **working))
        return PlaceList(order_id=self.name(), instrument=0, kind=kind, legs=tuple(legs))

    def at(self, fields: dict[str, Any], price: int) -> PlaceOrder:
        more: dict[str, Any] = {"stop_price": price} if fields["type"] in STOPS else {"price": price}
        if fields["type"] is OrderType.STOP_LOSS_LIMIT:
            more["price"] = price - fields["side"].sign * 5
        return PlaceOrder(order_id=self.name(), instrument=0, **fields, **more)

    def any_open(self, account: int) -> str:
        found = self.exchange.orders(account)
        return self.draw.choice(found).request.order_id if found else "none"

    def step(self) -> None:
        account, dice = self.draw.randrange(3), self.draw.random()
        if dice < 0.4:
            self.ask(account, self.order())
        elif dice < 0.65:
            request = self.list_of(self.draw.choice(list(ListKind)))
            self.kinds[account, request.order_id] = request
            self.ask(account, request)
        elif dice < 0.75:
            self.ask(account, CancelOrder(order_id=self.any_open(account), instrument=0))
        elif dice < 0.85:
            lots = self.draw.randint(1, 40)
            self.ask(account, AmendOrder(order_id=self.any_open(account), instrument=0, quantity=lots))
        elif dice < 0.88:
            self.ask(account, ReplaceOrder(order_id=self.any_open(account), new_order_id=self.name(), instrument=0,
                                           quantity=self.draw.randint(1, 40), price=self.near(20)))
        elif dice < 0.89:
            self.ask(account, CancelAll(order_id=self.name(), instrument=0))
        else:
            self.advance(self.draw.choice([10_000_000, 1_000_000_000]))
            self.check()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_whatever_happens_the_books_are_right(seed: int) -> None:
    world = World(seed)
    world.advance(5_000_000_000)
    for _ in range(2500):
        world.step()
    for account in range(3):
        world.ask(account, CancelAll(order_id=world.name(), instrument=0))
    world.check_lists()
    for account in range(3):
        assert world.exchange.orders(account) == []
        balances = world.exchange.account(account).balances()
        assert {asset: locked for asset, (_, locked) in balances.items()} == {"BTC": 0, "USDT": 0}
        if account < 2:  # the third is told after fills alone
            assert world.balances[account] == balances
    assert {
        "NEW", "CANCELED", "REPLACED", "TRIGGERED", "TRADE MATCHED", "TRADE TOOK", "EXPIRED OCO_TRIGGER",
        "EXPIRED OTO_PHASE_ONE_EXPIRED", "EXPIRED REJECTED", "TRADE_PREVENTION SELF_TRADE_PREVENTION",
    } <= set(world.seen)


def test_pending_legs_count_as_open_orders_before_they_hold_anything() -> None:
    world = World(1)
    world.advance(1_000_000_000)
    rest = {"type": OrderType.LIMIT_MAKER, "side": Side.SELL, "quantity": 0}
    for _ in range(8):
        working = PlaceOrder(order_id=world.name(), instrument=0, side=Side.BUY, type=OrderType.LIMIT, quantity=1,
                             price=MID - 5_000)
        legs = working, world.at(rest, MID + 9_000), world.at(rest | {"type": OrderType.STOP_LOSS}, MID - 9_000)
        world.ask(0, PlaceList(order_id=world.name(), instrument=0, kind=ListKind.OPOCO, legs=legs))
    while not world.seen["REJECTED Filter failure: MAX_NUM_ORDERS"]:
        world.ask(0, PlaceOrder(order_id=world.name(), instrument=0, side=Side.BUY, type=OrderType.LIMIT, quantity=1,
                                price=MID - 6_000))
    assert len(world.exchange.orders(0)) == 60
