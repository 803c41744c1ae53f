"""The order table against a naive venue, under any interleaving of lost, late, repeated reports.

The twin is the venue itself: a dozen lines that know the truth of each order. Its reports go into a
bag from which any one is delivered next, once or twice. At every step the true position must lie
within what the table says may still come; in the end both must agree on everything.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import settings, strategies as st
from hypothesis.stateful import Bundle, MultipleResults, RuleBasedStateMachine, invariant, multiple, rule

from ida_core.events import (
    AmendOrder,
    AnyRequest,
    CancelOrder,
    Execution,
    OrderStatus,
    OrderUpdate,
    PlaceList,
    PlaceOrder,
    ReplaceOrder,
)
from ida_core.model import ListKind, OrderType, Side
from ida_core.order import CLOSED
from ida_core.order_table import OrderTable

S, X = OrderStatus, Execution
SIDES, LOTS = st.sampled_from(Side), st.integers(1, 9)
ENDS = {
    X.EXPIRED: S.EXPIRED,
    X.CANCELED: S.CANCELED,
    X.TRADE_PREVENTION: S.EXPIRED_IN_MATCH,
}
WHICH = st.integers(0, 63)
MOSTLY = st.sampled_from((True, True, True, False))


@dataclass(eq=False)
class Truth:
    """An order as it really is. ``before``: filled under a former id. ``beside``: the other legs of its list, of which
    ``ends`` are ended by its first fill, and ``sends`` are sent by its last one."""

    order_id: str
    side: Side
    quantity: int
    status: OrderStatus = S.REJECTED
    filled: int = 0
    before: int = 0
    beside: list["Truth"] = field(default_factory=list, repr=False)
    ends: list["Truth"] = field(default_factory=list, repr=False)
    sends: list["Truth"] = field(default_factory=list, repr=False)

    @property
    def is_open(self) -> bool:
        return self.status not in CLOSED


@dataclass
class Twin:
    """A venue that answers when it likes."""

    orders: dict[str, Truth] = field(default_factory=dict)
    requests: list[AnyRequest] = field(default_factory=list)
    bag: list[OrderUpdate] = field(default_factory=list)
    trades: int = 0
    position: int = 0

    def tell(self, order: Truth, execution: Execution, **numbers: Any) -> None:
        update = OrderUpdate(
            order_id=order.order_id,
            instrument=0,
            execution=execution,
            status=order.status,
            side=order.side,
            cumulative=order.before + order.filled,
            leaves=order.quantity - order.filled if order.is_open else 0,
            order_quantity=order.before + order.quantity,
            **numbers,
        )
        self.bag.append(update)

    def working(self, order: Truth) -> OrderStatus:
        if order.filled == order.quantity:
            return S.FILLED
        return S.PARTIALLY_FILLED if order.before + order.filled else S.NEW

    def end(self, order: Truth, status: OrderStatus, execution: Execution) -> None:
        order.status = status
        self.tell(order, execution)
        if not order.is_open:
            self.expire(order.sends)

    def expire(self, others: list[Truth]) -> None:
        for other in others:
            if other.is_open:
                self.end(other, S.EXPIRED, X.EXPIRED)

    def trade(self, order: Truth, lots: int) -> None:
        lots = min(lots, order.quantity - order.filled)
        order.filled += lots
        order.status = self.working(order)
        self.trades += 1
        self.position += order.side.sign * lots
        self.tell(order, X.TRADE, quantity=lots, price=100 + lots, trade_id=self.trades)
        self.expire(order.ends)
        for other in order.sends if order.status is S.FILLED else ():
            if other.is_open:
                other.status = S.NEW
                self.tell(other, X.NEW)

    def handle(self, request: AnyRequest, accept: bool) -> None:
        if isinstance(request, PlaceList):
            self.place_list([self.orders[leg.order_id] for leg in request.legs], accept)
            return
        order = self.orders[request.order_id]
        if isinstance(request, AmendOrder):
            self.amend(order, request.quantity, accept)
        elif isinstance(request, PlaceOrder):
            order.status = S.NEW if accept else S.REJECTED
            self.tell(order, X.NEW if accept else X.REJECTED)
        elif isinstance(request, ReplaceOrder):
            self.replace(order, self.orders[request.new_order_id], request, accept)
        elif order.is_open and accept:
            for one in (order, *order.beside):
                if one.is_open:
                    self.end(one, S.CANCELED, X.CANCELED)
        else:
            self.tell(order, X.CANCEL_REJECTED)

    def place_list(self, legs: list[Truth], accept: bool) -> None:
        waiting = [other for leg in legs for other in leg.sends]
        for leg in legs:
            leg.status = (S.PENDING_NEW if leg in waiting else S.NEW) if accept else S.REJECTED
            self.tell(leg, X.NEW if accept else X.REJECTED)

    def amend(self, order: Truth, lots: int, accept: bool) -> None:
        if order.is_open and accept and order.filled < lots < order.quantity:
            order.quantity = lots
            self.tell(order, X.REPLACED)
        else:
            self.tell(order, X.REPLACE_REJECTED)

    def replace(self, old: Truth, new: Truth, request: ReplaceOrder, accept: bool) -> None:
        if not old.is_open or not accept:
            self.tell(new, X.REJECTED)
            self.tell(old, X.REPLACE_REJECTED)
        elif request.price == 101 and old.filled < request.quantity < old.quantity:
            old.quantity, new.status = request.quantity, S.CANCELED  # an amendment keeps its id
            self.tell(old, X.REPLACED)
        elif request.price == 100 and old.filled < request.quantity < old.quantity:
            new.before = old.before + old.filled  # one that gets a new id
            new.quantity = request.quantity - old.filled
            new.status, old.status = self.working(new), S.CANCELED
            self.tell(new, X.REPLACED)
        else:
            self.end(old, S.CANCELED, X.CANCELED)
            new.status = S.NEW
            self.tell(new, X.NEW)


class Orders(RuleBasedStateMachine):
    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.table = OrderTable("t")
        self.venue = Twin()
        self.known = 0
        self.fills: dict[str, int] = {}

    # --- we ask ---------------------------------------------------------------------------------

    @rule(target=ids, side=SIDES, lots=LOTS, at_once=st.booleans())
    def place(self, side: Side, lots: int, at_once: bool) -> str:
        request = PlaceOrder(
            order_id=self.table.new_id(),
            instrument=0,
            side=side,
            type=OrderType.LIMIT,
            quantity=lots,
            price=100,
        )
        assert self.table.request(request, 0) is None
        self.venue.orders[request.order_id] = Truth(request.order_id, side, lots)
        self.venue.requests.append(request)
        if at_once:
            self.handle(True)
            self.arrive(self.venue.bag.pop())
        return request.order_id

    @rule(target=ids, kind=st.sampled_from((ListKind.OCO, ListKind.OTO, ListKind.OTOCO)), side=SIDES, lots=LOTS)
    def place_list(self, kind: ListKind, side: Side, lots: int) -> MultipleResults[str]:
        sides = {ListKind.OCO: (side, side), ListKind.OTO: (side, side.opposite)}.get(
            kind, (side, side.opposite, side.opposite))
        legs = tuple(
            PlaceOrder(
                order_id=self.table.new_id(), instrument=0, side=one, type=OrderType.LIMIT, quantity=lots, price=100)
            for one in sides)
        request = PlaceList(order_id=self.table.new_id(), instrument=0, kind=kind, legs=legs)
        assert self.table.request(request, 0) is None
        truths = [Truth(leg.order_id, leg.side, lots) for leg in legs]
        for true in truths:
            true.beside = [other for other in truths if other is not true]
            self.venue.orders[true.order_id] = true
        if kind is not ListKind.OCO:
            truths[0].sends = truths[1:]
        pair = truths[-2:] if kind is not ListKind.OTO else []
        for true in pair:
            true.ends = [other for other in pair if other is not true]
        self.venue.requests.append(request)
        return multiple(*(leg.order_id for leg in legs))

    @rule(order_id=ids, lots=LOTS)
    def amend(self, order_id: str, lots: int) -> None:
        """Of orders that nothing replaces: what a venue means by REPLACED of one that was is not for it to guess."""
        order = self.table.get(order_id)
        assert order is not None
        if not order.replaces and not order.replaced_by:
            self.ask(AmendOrder(order_id=order_id, instrument=0, quantity=lots))

    @rule(order_id=ids)
    def cancel(self, order_id: str) -> None:
        self.ask(CancelOrder(order_id=order_id, instrument=0))

    @rule(target=ids, order_id=ids, lots=LOTS, price=st.sampled_from((99, 100, 101)))
    def replace(self, order_id: str, lots: int, price: int) -> str:
        order = self.table.get(order_id)
        assert order is not None
        price = 99 if "amend_requested" in order.stamps else price
        lots = max(1, self.venue.orders[order_id].quantity - 1) if price > 99 else lots
        new_id = self.table.new_id()
        request = ReplaceOrder(
            order_id=order_id, instrument=0, new_order_id=new_id, quantity=lots, price=price
        )
        if not self.ask(request):
            return order_id
        self.venue.orders[new_id] = Truth(new_id, self.venue.orders[order_id].side, lots)
        return new_id

    def ask(self, request: AnyRequest) -> bool:
        order = self.table.get(request.order_id)
        assert order is not None
        was_open = order.is_open
        refusal = self.table.request(request, 0)
        if refusal is None:
            assert was_open
            self.venue.requests.append(request)
        return refusal is None

    # --- the venue acts, in its own time --------------------------------------------------------

    @rule(accept=MOSTLY)
    def handle(self, accept: bool) -> None:
        while self.venue.requests:
            self.venue.handle(self.venue.requests.pop(0), accept)

    @rule(late=st.booleans())
    def no_answer_in_time(self, late: bool) -> None:
        """Lost on the way there, or only too late."""
        if self.venue.requests:
            request = self.venue.requests[0] if late else self.venue.requests.pop(0)
            asked = request.legs[0].order_id if isinstance(request, PlaceList) else request.order_id
            unanswered = replace(self.venue.orders[asked], status=S.UNKNOWN, filled=0)
            self.venue.tell(unanswered, X.UNANSWERED)

    @rule(which=WHICH, lots=LOTS)
    def trade(self, which: int, lots: int) -> None:
        order = self.some_open(which)
        if order and order.status is not S.PENDING_NEW:
            self.venue.trade(order, lots)

    @rule(which=WHICH, how=st.sampled_from((*ENDS, X.TRIGGERED)))
    def by_itself(self, which: int, how: Execution) -> None:
        if order := self.some_open(which):
            self.venue.end(order, ENDS.get(how, order.status), how)

    @rule(which=WHICH)
    def is_asked(self, which: int) -> None:
        if order := self.some_open(which):
            self.venue.tell(order, X.STATUS)

    def some_open(self, which: int) -> Truth | None:
        found = [order for order in self.venue.orders.values() if order.is_open]
        return found[which % len(found)] if found else None

    # --- reports arrive, in any order -----------------------------------------------------------

    @rule(order=st.lists(WHICH, min_size=1, max_size=3), again=st.booleans())
    def deliver(self, order: list[int], again: bool) -> None:
        for which in order[: len(self.venue.bag)]:
            index = which % len(self.venue.bag)
            self.arrive(self.venue.bag[index] if again else self.venue.bag.pop(index))
            self.the_truth_is_within_the_exposure()

    def arrive(self, update: OrderUpdate) -> None:
        applied = self.table.apply(update)
        if applied.fill:
            self.known += update.side.sign * update.quantity
            self.fills[update.order_id] = self.fills.get(update.order_id, 0) + update.quantity

    # --- what must hold -------------------------------------------------------------------------

    @invariant()
    def the_truth_is_within_the_exposure(self) -> None:
        buy, sell = self.table.exposure(0)
        assert self.known - sell <= self.venue.position <= self.known + buy

    @invariant()
    def the_indexes_say_what_the_orders_say(self) -> None:
        orders = [self.table.get(order_id) for order_id in self.venue.orders]
        mine = [order for order in orders if order is not None]
        assert {o.order_id for o in self.table.open()} == {o.order_id for o in mine if o.is_open}
        for side, lots in zip((Side.BUY, Side.SELL), self.table.exposure(0), strict=True):
            alone = sum(o.at_stake for o in mine if o.side is side and not o.pair)
            pairs = {frozenset((o.order_id, o.pair)) for o in mine if o.side is side and o.pair}
            assert lots == alone + sum(max(self.at_stake(order_id) for order_id in pair) for pair in pairs)
        assert {o.order_id for o in self.table.incomplete()} == {
            o.order_id for o in mine if o.missing
        }

    def at_stake(self, order_id: str) -> int:
        order = self.table.get(order_id)
        return order.at_stake if order else 0

    @invariant()
    def everybody_is_counted_once(self) -> None:
        count = self.table.counters
        ended = sum(count[word] for word in ("rejected", "canceled", "expired", "filled"))
        assert count["submitted"] == len(self.venue.orders) == len(self.table.open()) + ended

    @invariant()
    def no_fill_counts_twice(self) -> None:
        for order_id, lots in self.fills.items():
            assert lots <= self.venue.orders[order_id].filled

    def teardown(self) -> None:
        """All is answered, delivered and asked for: both agree."""
        while self.venue.requests:
            self.venue.handle(self.venue.requests.pop(0), True)
        for update in self.venue.bag:
            self.arrive(update)
        self.venue.bag.clear()
        for true in self.venue.orders.values():
            self.venue.tell(true, X.STATUS)
            self.arrive(self.venue.bag.pop())
            order = self.table.get(true.order_id)
            assert order is not None
            assert (order.status, order.traded) == (true.status, true.filled)
            assert (order.filled, order.missing) == (true.filled, 0)
        assert self.known == self.venue.position
        assert self.table.incomplete() == []


Orders.TestCase.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
TestOrders = Orders.TestCase
