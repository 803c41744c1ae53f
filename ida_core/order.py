"""Orders and their states: what an order is, and the one table of legal transitions.

Reports come late, twice and out of order; all that is legal input with one defined result
(``TRANSITIONS``). The order's numbers are taken first, each of which only grows (or, the quantity,
shrinks), so that the sequence of the reports is free; the state follows from the numbers and the
kind of report.

Source of the states: Binance Spot API docs, enums.md and user-data-stream.md; ``UNKNOWN`` is ours.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType

import msgspec

from ida_core.errors import OrderStateError
from ida_core.events import END_OF_DATA, Execution, OrderStatus, OrderUpdate
from ida_core.model import OrderType, Side, TimeInForce

CLOSED = frozenset(
    {
        OrderStatus.FILLED,
        OrderStatus.CANCELED,
        OrderStatus.REJECTED,
        OrderStatus.EXPIRED,
        OrderStatus.EXPIRED_IN_MATCH,
    }
)
WAITING = frozenset(
    {
        OrderStatus.PENDING_NEW,
        OrderStatus.PENDING_CANCEL,
        OrderStatus.PENDING_REPLACE,
        OrderStatus.UNKNOWN,
    }
)
#: Reports that do not prove that the venue has the order.
NO_PROOF = frozenset(
    {
        Execution.REJECTED,
        Execution.CANCEL_REJECTED,
        Execution.REPLACE_REJECTED,
        Execution.UNANSWERED,
    }
)
#: Reports that tell of a pending leg that it is pending no more, by their status.
_WORKS = frozenset({Execution.NEW, Execution.TRADE, Execution.TRIGGERED, Execution.STATUS})
_ENDED = frozenset({OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.EXPIRED_IN_MATCH})


class Order(msgspec.Struct, kw_only=True, eq=False, gc=False):
    """One order as we know it. Prices in ticks, quantities in lots, times in ns.

    ``filled`` is the most the venue has told; ``traded`` is the sum of the fills that arrived, and
    ``notional`` (ticks × lots) their value. They differ only while a fill is still missing.
    ``prevented``: lots taken away by self-trade prevention. ``carried``: lots that had been filled
    under the id this one replaced (amendment). ``amended_to``: the quantity, ``carried`` included,
    that the last amendment told, of ``amends`` in all. ``asked`` is the last request sent for it:
    ``place``, ``cancel``, ``replace`` or ``amend``. ``list_id``: the list it is a leg of; ``pair``: the
    leg that ends when this one does something. ``contingent``: a pending leg, which the venue keeps
    until another has been filled; one that is to sell what that one buys has its quantity, the most it
    can be, until the venue tells. ``foreign``: not placed by this run. ``stamps`` holds
    local times by name: ``requested``, ``accepted``, ``first_fill``, ``cancel_requested``,
    ``replace_requested``, ``amend_requested``, ``carried``, ``closed``, and the venue's own beside them
    (``accepted_venue``, ``first_fill_venue``, ``closed_venue``).
    """

    order_id: str
    instrument: int
    side: Side
    type: OrderType = OrderType.LIMIT
    strategy: str = ""
    tif: TimeInForce = TimeInForce.GTC
    price: int | None = None
    stop_price: int | None = None
    quantity: int = 0
    quote_quantity: Decimal | None = None
    reduce_only: bool = False
    iceberg: int = 0
    note: str = ""
    status: OrderStatus = OrderStatus.PENDING_NEW
    acknowledged: bool = False
    filled: int = 0
    traded: int = 0
    notional: int = 0
    prevented: int = 0
    carried: int = 0
    amended_to: int = 0
    amends: int = 0
    venue_order_id: int = 0
    asked: str = "place"
    replaces: str = ""
    replaced_by: str = ""
    list_id: str = ""
    pair: str = ""
    contingent: bool = False
    foreign: bool = False
    created_ns: int = 0
    updated_ns: int = 0
    reason: str = ""
    code: int = 0
    stamps: dict[str, int] = msgspec.field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        """It may be live at the venue: everything that is not closed, ``UNKNOWN`` included."""
        return self.status not in CLOSED

    @property
    def is_pending(self) -> bool:
        """A request of ours has no answer yet: no time for another, except to cancel in need."""
        if self.status is OrderStatus.PENDING_NEW and self.acknowledged:
            return False  # a pending leg, which the venue has
        return self.status in WAITING

    @property
    def leaves(self) -> int:
        """Lots still open; 0 once closed, and 0 for an order by quote quantity whose lots are not
        known."""
        if self.status in CLOSED:
            return 0
        return max(0, self.quantity - self.filled - self.prevented)

    @property
    def missing(self) -> int:
        """Lots that the venue reported as filled, but whose fills have not arrived."""
        return max(0, self.filled - self.traded)

    @property
    def at_stake(self) -> int:
        """The most lots that may still be added to the position as we know it: ``leaves + missing``."""
        filled, traded = self.filled, self.traded
        missing = filled - traded if filled > traded else 0
        if self.status in CLOSED:
            return missing
        leaves = self.quantity - filled - self.prevented
        return leaves + missing if leaves > 0 else missing

    @property
    def average_price(self) -> Decimal | None:
        """Ticks, volume-weighted over the fills that arrived; None without any."""
        return Decimal(self.notional) / self.traded if self.traded else None

    def absorb(self, update: OrderUpdate) -> None:
        """Take a report's numbers. A fill must be new: who calls has looked at its trade id."""
        if update.venue_order_id:
            self.venue_order_id = update.venue_order_id
        self._absorb_quantity(update)
        self.filled = max(self.filled, update.cumulative - self.carried)
        if update.execution is Execution.TRADE:
            self.traded += update.quantity
            self.notional += update.price * update.quantity
            self.filled = max(self.filled, self.traded)
        elif update.execution is Execution.REPLACED:
            self.amended_to = update.order_quantity
            self.amends += 1
        elif update.execution is Execution.TRADE_PREVENTION and update.status not in CLOSED:
            self.prevented = max(self.prevented, self.quantity - self.filled - update.leaves)
        elif update.execution is Execution.STATUS and update.status is OrderStatus.FILLED:
            self.filled = max(self.filled, self.quantity - self.prevented)

    def _absorb_quantity(self, update: OrderUpdate) -> None:
        told = update.order_quantity - self.carried
        if told > 0:
            known = self.quantity and self.quote_quantity is None
            self.quantity = min(self.quantity, told) if known else told
        elif self.foreign and not self.quantity:
            self.quantity = update.cumulative + update.leaves

    def note_report(self, update: OrderUpdate) -> None:
        """Keep the times, the reason and whether the venue has acknowledged the order."""
        self.updated_ns = max(self.updated_ns, update.ts_local_ns)
        if update.execution is Execution.TRADE:
            self.stamp("first_fill", update)
        elif self.is_open and (update.reason or update.code):
            self.reason, self.code = update.reason, update.code
        if self.contingent and update.execution in _WORKS and update.status is not OrderStatus.PENDING_NEW:
            self.contingent = False
        seen = update.status is not OrderStatus.REJECTED
        seen = seen and (self.contingent or update.status is not OrderStatus.PENDING_NEW)
        if seen and update.execution not in NO_PROOF and update.reason != END_OF_DATA:
            self.acknowledged = True
            self.stamp("accepted", update)

    def stamp(self, name: str, update: OrderUpdate) -> None:
        """Keep the local and venue time of the first report of this kind."""
        if name not in self.stamps:
            self.stamps[name] = update.ts_local_ns
            self.stamps[name + "_venue"] = update.ts_venue_ns


# --- the steps: given the order with the report's numbers already in it, the status that follows --

Step = Callable[[Order, OrderUpdate], OrderStatus]


def _is_filled(order: Order, update: OrderUpdate) -> bool:
    told = update.execution in (Execution.TRADE, Execution.STATUS)
    if told and update.status is OrderStatus.FILLED:
        return True
    if order.quote_quantity is not None or not order.quantity:
        return False  # only the venue knows how many lots it is for
    return order.filled > 0 and order.filled + order.prevented >= order.quantity


def _same(order: Order, update: OrderUpdate) -> OrderStatus:
    """Nothing to learn about the state."""
    return order.status


def _working(order: Order, update: OrderUpdate) -> OrderStatus:
    """No request of ours is outstanding: what has been filled and acknowledged decides."""
    if _is_filled(order, update):
        return OrderStatus.FILLED
    if order.filled or order.carried:
        return OrderStatus.PARTIALLY_FILLED
    if order.contingent:
        return OrderStatus.PENDING_NEW
    return OrderStatus.NEW if order.acknowledged else OrderStatus.PENDING_NEW


def _filled(order: Order, update: OrderUpdate) -> OrderStatus:
    """Wholly filled, or the state stays: a request outstanding stays so, and closed stays
    closed."""
    return OrderStatus.FILLED if _is_filled(order, update) else order.status


def _proven(order: Order, update: OrderUpdate) -> OrderStatus:
    """It exists: that answers an unanswered placement, but not an unanswered cancel or replace."""
    return _working(order, update) if order.asked == "place" else _filled(order, update)


def _ended(order: Order, update: OrderUpdate) -> OrderStatus:
    if update.status in _ENDED:
        return update.status
    expired = update.execution is Execution.EXPIRED
    return OrderStatus.EXPIRED if expired else OrderStatus.CANCELED


def _prevented(order: Order, update: OrderUpdate) -> OrderStatus:
    """Self-trade prevention: ended, or some quantity less (DECREMENT) and the state goes on."""
    if update.status in _ENDED or not order.leaves:
        return OrderStatus.EXPIRED_IN_MATCH
    return _working(order, update) if order.status is OrderStatus.PENDING_NEW else order.status


def _amended(order: Order, update: OrderUpdate) -> OrderStatus:
    """Replaced by another order (ended), or this order lives on with a new quantity."""
    if update.status in _ENDED:
        return OrderStatus.CANCELED
    return _filled(order, update) if order.asked == "cancel" else _working(order, update)


def _asked(order: Order, update: OrderUpdate) -> OrderStatus:
    """The venue's answer when asked: a closed state is adopted, an open one ends UNKNOWN; a cancel
    or replace on its way will have an answer of its own."""
    if update.status in CLOSED or update.status is OrderStatus.UNKNOWN:
        return update.status
    if order.status in (OrderStatus.PENDING_CANCEL, OrderStatus.PENDING_REPLACE):
        return _filled(order, update)
    return _working(order, update)


def _rejected(order: Order, update: OrderUpdate) -> OrderStatus:
    return OrderStatus.REJECTED


def _unknown(order: Order, update: OrderUpdate) -> OrderStatus:
    """Sent, and no answer in time: never taken for a rejection."""
    return OrderStatus.UNKNOWN


_S, _X = OrderStatus, Execution
_GROUPS: tuple[tuple[OrderStatus, ...], ...] = (
    (_S.PENDING_NEW,),
    (_S.NEW, _S.PARTIALLY_FILLED),
    (_S.PENDING_CANCEL,),
    (_S.PENDING_REPLACE,),
    (_S.UNKNOWN,),
    (_S.FILLED,),
    (_S.CANCELED, _S.EXPIRED, _S.EXPIRED_IN_MATCH),
    (_S.REJECTED,),
)
_NO = None  # a contradiction: OrderStateError
_ROWS: dict[Execution, tuple[Step | None, ...]] = {
    #        PENDING_NEW NEW, PART_   PENDING_   PENDING_   UNKNOWN    FILLED CANCELED REJECTED
    #                    FILLED       CANCEL     REPLACE                      EXPIRED…
    _X.NEW: (_working, _same, _same, _same, _proven, _same, _same, _NO),
    _X.TRADE: (_working, _working, _filled, _filled, _proven, _same, _filled, _NO),
    _X.CANCELED: (_ended, _ended, _ended, _ended, _ended, _NO, _same, _NO),
    _X.REPLACED: (_amended, _amended, _amended, _amended, _amended, _same, _same, _NO),
    _X.REJECTED: (_rejected, _NO, _rejected, _rejected, _rejected, _NO, _NO, _same),
    _X.EXPIRED: (_ended, _ended, _ended, _ended, _ended, _NO, _same, _NO),
    _X.TRADE_PREVENTION: (*[_prevented] * 5, _same, _same, _NO),
    _X.TRIGGERED: (_working, _same, _same, _same, _proven, _same, _same, _NO),
    _X.CANCEL_REJECTED: (_same, _same, _working, _same, _same, _same, _same, _same),
    _X.REPLACE_REJECTED: (_same, _same, _same, _working, _same, _same, _same, _same),
    _X.UNANSWERED: (_unknown, _same, _unknown, _unknown, _same, _same, _same, _same),
    _X.STATUS: (_asked, _asked, _asked, _asked, _asked, _same, _filled, _asked),
}
#: (status, execution) → the step that gives the next status; what is not there is a contradiction.
TRANSITIONS: Mapping[tuple[OrderStatus, Execution], Step] = MappingProxyType(
    {
        (status, execution): step
        for execution, steps in _ROWS.items()
        for statuses, step in zip(_GROUPS, steps, strict=True)
        if step is not None
        for status in statuses
    }
)


def step_for(order: Order, execution: Execution) -> Step:
    """The step for a report of this kind.

    Raises:
        OrderStateError: the report contradicts the order's state.
    """
    step = TRANSITIONS.get((order.status, execution))
    if step is None:
        raise OrderStateError(
            f"order {order.order_id} is {order.status.value}: "
            f"the report {execution.value} contradicts that"
        )
    return step
