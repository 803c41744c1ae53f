"""The orders of a run: every request is noted before it is sent, every report is folded into its
order.

What holds after any interleaving of late, repeated and reordered reports:

- a fill counts once (by instrument, venue trade id and side: a self-trade is one fill of each of
  its orders);
- a report that tells nothing new changes nothing and is marked ``duplicate``;
- a closed order stays closed; a fill that arrives afterwards counts and is marked ``late``;
- the true position lies within ``exposure`` of the known one: what is pending, unknown, or reported
  as filled while the fill itself has not arrived, still counts.
"""

import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from ida_core.errors import ConfigError, OrderStateError
from ida_core.events import (
    AmendOrder,
    AnyRequest,
    CancelAll,
    CancelOrder,
    Execution,
    OrderStatus,
    OrderUpdate,
    PlaceList,
    PlaceOrder,
    Refusal,
    ReplaceOrder,
    RequestSent,
)
from ida_core.model import Side
from ida_core.order import CLOSED, NO_PROOF, Order, step_for
from ida_core.order_made import foreign, legs, placed, successor
from ida_core.order_rules import Why as _Why, why_not_list, why_not_place


class Applied(NamedTuple):
    """What a report did. ``fill``: lots and money moved, once. ``duplicate``: it told nothing new.
    ``late``: a fill of an order that had been closed. ``also``: the other order of a replacement,
    where it changed too."""

    order: Order
    fill: bool
    duplicate: bool
    late: bool
    also: Order | None = None


_PREFIX = re.compile(r"[a-zA-Z0-9_-]{1,24}")
_FATE = {
    OrderStatus.FILLED: "filled",
    OrderStatus.CANCELED: "canceled",
    OrderStatus.EXPIRED: "expired",
    OrderStatus.EXPIRED_IN_MATCH: "expired",
    OrderStatus.REJECTED: "rejected",
    OrderStatus.UNKNOWN: "unknown",
}
#: Requests, by their tags, that bring orders into being.
PLACING = ("place", "place_list", "replace")
#: Answers to one leg of what was asked for a whole list.
_FOR_ALL_LEGS = (Execution.CANCEL_REJECTED, Execution.UNANSWERED)
#: Stamps of orders whose amendment is no answer to the replacement by which they came.
_KEPT_ID = frozenset({"carried", "amend_requested"})
_UNPROVEN = (OrderStatus.PENDING_NEW, OrderStatus.UNKNOWN)
#: Python before 3.12 looks a member of an enum up by a call; these are looked up for every order.
_SELL, _TRADE, _REPLACED = Side.SELL, Execution.TRADE, Execution.REPLACED
_PARTS = 64
_Key = tuple[str | None, int | None]


class OrderTable:
    """All orders of a run, by client order id.

    Args:
        prefix: 1 to 24 of ``[a-zA-Z0-9_-]``, never used by another run: it makes the ids unique
            across restarts.
        first: number of the first id, where a former part of this run has used some.
        closed_kept: closed orders remembered; the oldest are dropped beyond it.
        trades_kept: the most recent trade ids remembered against duplicates, over all instruments
            and also of dropped orders. A fill repeated after that many others would count again.
    Raises:
        ConfigError: the prefix is not as above.

    ``counters``: of the orders placed by this run, how many were ``submitted`` and ``accepted``,
    and how many now are ``rejected``, ``canceled``, ``expired``, ``filled`` and ``unknown``. At any
    time ``submitted == open + rejected + canceled + expired + filled``.
    """

    def __init__(
        self, prefix: str, *, first: int = 1, closed_kept: int = 10_000, trades_kept: int = 65_536
    ) -> None:
        if not _PREFIX.fullmatch(prefix):
            raise ConfigError(f"order id prefix {prefix!r}: must be 1 to 24 of [a-zA-Z0-9_-]")
        self.prefix = prefix
        self.next_number = first
        self.counters = dict.fromkeys(
            ("submitted", "accepted", "rejected", "canceled", "expired", "filled", "unknown"), 0
        )
        self._first = first
        self._orders: dict[str, Order] = {}
        self._open: dict[_Key, dict[str, Order]] = {}
        self._indexes: dict[tuple[str, int], tuple[dict[str, Order], ...]] = {}
        self._by_quote: dict[str, Order] = {}
        self._incomplete: dict[str, Order] = {}
        self._exposure: dict[int, list[int]] = {}
        self._last_trades: dict[int, int] = {}
        self._lists: dict[str, list[str]] = {}
        self._closed: deque[str] = deque()
        self._closed_kept = closed_kept
        self._trades: list[set[tuple[int, int, Side]]] = [set() for _ in range(_PARTS)]
        self._trades_in_turn: deque[tuple[int, int, Side]] = deque()
        self._trades_kept = trades_kept

    # --- reading ----------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._orders)

    def __contains__(self, order_id: str) -> bool:
        return order_id in self._orders

    def get(self, order_id: str) -> Order | None:
        return self._orders.get(order_id)

    def open(self, strategy: str | None = None, instrument: int | None = None) -> list[Order]:
        """Open orders, oldest first, of one strategy or instrument or of all; costs what it
        returns. Foreign orders have the strategy ``""``."""
        return list(self._open.get((strategy, instrument), {}).values())

    def open_view(
        self, strategy: str | None = None, instrument: int | None = None
    ) -> Mapping[str, Order]:
        """The same by id, not copied: it follows the table, so copy it before placing while
        iterating."""
        return MappingProxyType(self._open.setdefault((strategy, instrument), {}))

    def open_count(self, instrument: int | None = None) -> int:
        """How many orders are open on an instrument, or on all, of all strategies."""
        return len(self._open.get((None, instrument), ()))

    def exposure(self, instrument: int) -> tuple[int, int]:
        """Lots that buys and sells may still add to the known position at worst: ``(buy, sell)``.

        Counts what is open, pending or ``UNKNOWN``, and fills reported but not arrived; both orders
        of a replacement. The true position lies between ``position - sell`` and ``position + buy``.
        An order by quote quantity counts from when the venue tells its lots; see ``by_quote``.
        """
        buy, sell = self._exposure.get(instrument, (0, 0))
        return buy, sell

    def by_quote(self) -> list[Order]:
        """Open orders whose size was given in quote units and whose lots are therefore not in
        ``exposure``."""
        return [order for order in self._by_quote.values() if not order.quantity]

    def incomplete(self) -> list[Order]:
        """Orders of which the venue reported more filled than fills have arrived: ask it for the
        trades."""
        return list(self._incomplete.values())

    def legs(self, list_id: str) -> list[Order]:
        """The orders of a list, in the order in which they were asked for; empty where it is not known (any more)."""
        found = (self._orders.get(order_id) for order_id in self._lists.get(list_id, ()))
        return [order for order in found if order is not None]

    def last_trade_id(self, instrument: int) -> int:
        """The greatest trade id that the venue told of an instrument; 0 before the first."""
        return self._last_trades.get(instrument, 0)

    # --- requests ---------------------------------------------------------------------------------

    def new_id(self) -> str:
        """A client order id, ``prefix-number``: at most 36 characters, the same in each simulated
        run."""
        order_id = f"{self.prefix}-{self.next_number}"
        self.next_number += 1
        return order_id

    def request(self, request: AnyRequest, now_ns: int) -> Refusal | None:
        """Take note of an approved request before it is sent.

        Returns:
            None when it may be sent. Else a refusal by ``orders`` whose reason is ``invalid`` (no
            quantity or price), ``duplicate_id``, ``unknown_order``, ``not_open`` (closed),
            ``pending`` (an earlier request has no answer yet) or ``unknown_outcome`` (cannot be
            replaced before the venue has been asked). A pending or ``UNKNOWN`` order may be
            cancelled, unless that is what is pending. A ``CancelAll`` reaches the open orders of
            its strategy (all if empty) on its instrument (all if -1). Of a ``PlaceList`` every leg
            becomes an order. To cancel one is to ask that all of them be cancelled, so all that are
            open are pending then; ``in_list``: a leg cannot be replaced.
        """
        why = self._why_not(request)
        if why is None:
            self._take(request, now_ns)
            return None
        return Refusal(
            ts_local_ns=now_ns,
            instrument=request.instrument,
            request=request,
            by="orders",
            reason=why[0],
            detail=why[1],
        )

    def _why_not(self, request: AnyRequest) -> _Why:
        if isinstance(request, PlaceOrder):
            if request.order_id in self._orders:
                return self._why_not_id(request.order_id)
            return why_not_place(request)
        if isinstance(request, PlaceList):
            return self._why_not_list(request)
        if isinstance(request, ReplaceOrder):
            return self._why_not_cancel(request) or self._why_not_replace(request)
        if isinstance(request, AmendOrder):
            return self._why_not_cancel(request) or self._why_not_amend(request)
        return self._why_not_cancel(request) if isinstance(request, CancelOrder) else None

    def _why_not_id(self, order_id: str) -> _Why:
        return ("duplicate_id", f"order id {order_id} has been used") if order_id in self else None

    def _why_not_list(self, request: PlaceList) -> _Why:
        if request.order_id in self._lists:
            return "duplicate_id", f"list id {request.order_id} has been used"
        used = (self._why_not_id(leg.order_id) for leg in request.legs)
        return next(filter(None, used), None) or why_not_list(request)

    def _why_not_amend(self, request: AmendOrder) -> _Why:
        order = self._orders[request.order_id]
        if (why := _why_not_now(order)) is not None:
            return why
        if not order.filled + order.prevented < request.quantity < order.quantity:
            return "invalid", (
                f"{request.quantity} lots must be fewer than the {order.quantity} of order {order.order_id} and more "
                f"than the {order.filled + order.prevented} that are done")
        return None

    def _why_not_cancel(self, request: CancelOrder | ReplaceOrder | AmendOrder) -> _Why:
        order = self._orders.get(request.order_id)
        if order is None:
            return "unknown_order", f"there is no order {request.order_id}"
        if request.strategy not in ("", order.strategy) or request.instrument not in (-1, order.instrument):
            return "unknown_order", f"order {request.order_id} is another strategy's, or on another instrument"
        if not order.is_open:
            return "not_open", f"order {order.order_id} is {order.status.value}"
        if order.status is OrderStatus.PENDING_CANCEL:
            return "pending", f"order {order.order_id} is being cancelled already"
        return None

    def _why_not_replace(self, request: ReplaceOrder) -> _Why:
        order = self._orders[request.order_id]
        if (why := _why_not_now(order)) is not None:
            return why
        if order.list_id:
            return "in_list", f"order {order.order_id} is a leg of the list {order.list_id}: cancel it and place anew"
        if request.quantity <= 0 or request.price <= 0:
            return "invalid", f"{request.quantity} lots at {request.price} must both be above 0"
        return self._why_not_id(request.new_order_id)

    def _take(self, request: AnyRequest, now_ns: int) -> None:
        if isinstance(request, PlaceOrder):
            self._insert(placed(request, now_ns))
        elif isinstance(request, ReplaceOrder):
            order = self._orders[request.order_id]
            order.replaced_by = request.new_order_id
            self._ask(order, "replace", OrderStatus.PENDING_REPLACE, now_ns)
            self._insert(successor(order, request, now_ns))
        elif isinstance(request, PlaceList):
            for order in legs(request, now_ns):
                self._insert(order)
        elif isinstance(request, AmendOrder):
            self._ask(self._orders[request.order_id], "amend", OrderStatus.PENDING_REPLACE, now_ns)
        elif isinstance(request, CancelOrder):
            order = self._orders[request.order_id]
            self._ask_cancel(order, now_ns)
            for leg in self.legs(order.list_id):
                if leg is not order and leg.is_open and leg.status is not OrderStatus.PENDING_CANCEL:
                    self._ask_cancel(leg, now_ns)
        else:
            for order in self._reached_by(request):
                self._ask_cancel(order, now_ns)

    def _reached_by(self, request: CancelAll) -> list[Order]:
        instrument = request.instrument if request.instrument >= 0 else None
        orders = self.open(request.strategy or None, instrument)
        return [order for order in orders if order.status is not OrderStatus.PENDING_CANCEL]

    def _ask_cancel(self, order: Order, now_ns: int) -> None:
        # UNKNOWN stays so: a cancel that is refused then would prove nothing.
        unknown = order.status is OrderStatus.UNKNOWN
        status = OrderStatus.UNKNOWN if unknown else OrderStatus.PENDING_CANCEL
        self._ask(order, "cancel", status, now_ns)

    def _ask(self, order: Order, what: str, status: OrderStatus, now_ns: int) -> None:
        order.asked = what
        order.status = status
        order.stamps[what + "_requested"] = now_ns

    def note_sent(self, event: RequestSent) -> list[Order]:
        """Stamp the orders whose request's bytes have left: ``decided``, ``approved`` and ``sent`` of what is placed,
        ``cancel_sent`` and the like of what is asked of an order. Returns them."""
        order = self._orders.get(event.order_id)
        placed = [order] if order is not None and event.what == "place" else self.legs(event.order_id)
        if event.what == "replace" and order is not None and (new := self._orders.get(order.replaced_by)) is not None:
            placed = [new]
        for one in placed:
            one.stamps |= {"decided": event.decided_ns, "approved": event.approved_ns, "sent": event.ts_local_ns}
        if order is None or event.what == "place":
            return placed
        order.stamps[event.what + "_sent"] = event.ts_local_ns
        return [order, *placed]

    # --- from a former run ------------------------------------------------------------------------

    def adopt(self, order: Order) -> None:
        """Take in an order of a former run, as it is known: its owner goes on with it, or nobody (``foreign``).

        Raises:
            OrderStateError: there is an order of that id already.
        """
        if order.order_id in self._orders:
            raise OrderStateError(f"order {order.order_id} of a former run is there already")
        self._insert(order)
        if not order.foreign:
            self._count(OrderStatus.PENDING_NEW, order.status)
            self.counters["accepted"] += order.acknowledged
        if not order.is_open:
            self._leave(order)

    def adopt_trades(self, trades: Iterable[tuple[int, int, Side]], last: Sequence[int]) -> None:
        """Take note of what a former run booked: ``(instrument, trade id, side)`` of the newest fills, and the greatest
        trade id by instrument."""
        for trade in trades:
            self._trades[trade[1] % _PARTS].add(trade)
            self._trades_in_turn.append(trade)
        for instrument, trade_id in enumerate(last):
            self._last_trades[instrument] = max(trade_id, self.last_trade_id(instrument))

    def newest_trades(self, most: int) -> list[tuple[int, int, Side]]:
        """The fills booked last, at most so many, as ``(instrument, trade id, side)``, oldest first."""
        return list(self._trades_in_turn)[-most:]

    # --- reports ----------------------------------------------------------------------------------

    def apply(self, update: OrderUpdate) -> Applied:
        """Fold one execution report into its order.

        An id never seen becomes a foreign order, unless the report only says no. Reports on own
        orders that were dropped as long closed count their fills and change nothing else.

        Raises:
            OrderStateError: the report contradicts what is known; it names order, state and
                execution, and the table is unchanged.
        """
        order = self._orders.get(update.order_id)
        if order is None:
            order = foreign(update)
            if update.execution in NO_PROOF or self._is_forgotten(update.order_id):
                return self._apply_to_stranger(order, update)
            self._insert(order)
        fill = update.execution is _TRADE
        if self._is_repeated(order, update):
            return Applied(order, False, True, False)
        closed = not order.is_open
        self._carry(order, update)
        changed = self._transition(order, update)
        if fill:
            self._remember(order, update)
        also = self._tell_pair(order, update)
        if order.list_id and update.execution in _FOR_ALL_LEGS:
            also = self._tell_list(order, update) or also
        return Applied(order, fill, not (changed or fill or also), fill and closed, also)

    def _apply_to_stranger(self, order: Order, update: OrderUpdate) -> Applied:
        fill = update.execution is Execution.TRADE and not self._is_repeated(order, update)
        if fill:
            order.absorb(update)
            self._remember(order, update)
        return Applied(order, fill, not fill, fill)

    def _is_forgotten(self, order_id: str) -> bool:
        prefix, _, number = order_id.rpartition("-")
        ours = prefix == self.prefix and number.isascii() and number.isdigit()
        return ours and self._first <= int(number) < self.next_number

    def _is_repeated(self, order: Order, update: OrderUpdate) -> bool:
        if update.execution is _REPLACED:  # a repeated one would answer a later request
            return 0 < order.amended_to <= update.order_quantity
        if update.execution is not _TRADE:
            return False
        if not update.trade_id:  # a venue without trade ids: what it has told in all decides
            return 0 < update.cumulative - order.carried <= order.traded
        return (order.instrument, update.trade_id, order.side) in self._trades[update.trade_id % _PARTS]

    def _remember(self, order: Order, update: OrderUpdate) -> None:
        """Of a fill that ``_is_repeated`` did not know. The oldest comes off a queue: the first key of a dictionary
        from which the first is always deleted lies behind all deleted ones. A set into which as much goes as comes out
        is built anew now and then, which of a large one would take as much memory again; so there are many."""
        if not update.trade_id:
            return
        if update.trade_id > self._last_trades.get(order.instrument, 0):
            self._last_trades[order.instrument] = update.trade_id
        trade = (order.instrument, update.trade_id, order.side)
        self._trades[update.trade_id % _PARTS].add(trade)
        self._trades_in_turn.append(trade)
        if len(self._trades_in_turn) > self._trades_kept:
            oldest = self._trades_in_turn.popleft()
            self._trades[oldest[1] % _PARTS].remove(oldest)

    def _transition(self, order: Order, update: OrderUpdate) -> bool:
        """Apply the table; true if the report told something new."""
        step = step_for(order, update.execution)
        before, stake, was = _numbers(order), order.at_stake, order.status
        accepted = order.acknowledged
        order.absorb(update)
        order.note_report(update)
        order.status = step(order, update)
        self._weigh(order, stake)
        if order.acknowledged > accepted and not order.foreign:
            self.counters["accepted"] += 1
        if order.status is not was:
            self._move(order, was, update)
        return before != _numbers(order)

    # --- replacements: two ids, and a report on one may tell about the other ----------------------
    #
    # A venue says CANCELED of the old and NEW of the new id; or, of an amendment, REPLACED of the
    # id that lives on. It refuses by REJECTED of the new id, then REPLACE_REJECTED of the old one.

    def _carry(self, order: Order, update: OrderUpdate) -> None:
        """An amendment lives on under its new id: what was filled until then belongs to the old
        one."""
        old = self._orders.get(order.replaces)
        amended = update.execution is _REPLACED and update.status not in CLOSED
        if not amended or old is None or not _KEPT_ID.isdisjoint(order.stamps):
            return
        order.stamps["carried"] = update.ts_local_ns
        before, before_old = order.at_stake, old.at_stake
        old.filled = max(old.filled, update.cumulative - old.carried)
        order.carried = update.cumulative
        order.filled = max(order.traded, order.filled - order.carried)
        order.quantity = (update.order_quantity or order.quantity) - order.carried
        self._weigh(order, before)
        self._weigh(old, before_old)

    def _tell_pair(self, order: Order, update: OrderUpdate) -> Order | None:
        for other_id in (order.replaces, order.replaced_by):
            other = self._orders.get(other_id)
            word = _word_for_pair(order, other, update) if other is not None else None
            if other is not None and word is not None and self._transition(other, word):
                return other
        return None

    def _tell_list(self, order: Order, update: OrderUpdate) -> Order | None:
        """One request asked for all legs, or to cancel all: its answer to one is its answer to the others."""
        changed = None
        for other in self.legs(order.list_id):
            asked_alike = other is not order and other.asked == order.asked and other.is_pending
            if asked_alike and self._transition(other, _word_for(other, update, update.execution, update.reason)):
                changed = other
        return changed

    # --- the indexes ------------------------------------------------------------------------------

    def _insert(self, order: Order) -> None:
        self._orders[order.order_id] = order
        if not order.foreign:
            self.counters["submitted"] += 1
        self._enter(order)
        if order.list_id:
            self._lists.setdefault(order.list_id, []).append(order.order_id)
        self._weigh(order, 0)

    def _indexes_of(self, order: Order) -> tuple[dict[str, Order], ...]:
        """The four views of open orders that it stands in."""
        key = (order.strategy, order.instrument)
        indexes = self._indexes.get(key)
        if indexes is None:
            indexes = self._indexes[key] = tuple(self._open.setdefault(one, {}) for one in _keys(order))
        return indexes

    def _enter(self, order: Order) -> None:
        order_id = order.order_id
        for index in self._indexes_of(order):
            index[order_id] = order
        if order.quote_quantity is not None:
            self._by_quote[order.order_id] = order

    def _leave(self, order: Order) -> None:
        for index in self._indexes_of(order):
            del index[order.order_id]
        self._by_quote.pop(order.order_id, None)
        self._closed.append(order.order_id)
        if len(self._closed) > self._closed_kept:
            self._forget(self._orders[self._closed.popleft()])

    def _forget(self, order: Order) -> None:
        del self._orders[order.order_id]
        self._incomplete.pop(order.order_id, None)
        self._exposure[order.instrument][order.side is _SELL] -= self._alone(order, order.at_stake)
        if order.list_id:
            legs = self._lists[order.list_id]
            legs.remove(order.order_id)
            if not legs:
                del self._lists[order.list_id]

    def _weigh(self, order: Order, before: int) -> None:
        sides = self._exposure.get(order.instrument)
        if sides is None:
            sides = self._exposure[order.instrument] = [0, 0]
        sides[order.side is _SELL] += self._alone(order, order.at_stake) - self._alone(order, before)
        if order.filled > order.traded:
            self._incomplete[order.order_id] = order
        elif self._incomplete:
            self._incomplete.pop(order.order_id, None)

    def _alone(self, order: Order, stake: int) -> int:
        """What a stake adds to the exposure: of a pair that ends together, what is beyond the other's."""
        other = self._orders.get(order.pair) if order.pair else None
        return stake if other is None else max(stake - other.at_stake, 0)

    def _move(self, order: Order, was: OrderStatus, update: OrderUpdate) -> None:
        if not order.foreign:
            self._count(was, order.status)
        if was in CLOSED and order.is_open:
            self._closed.remove(order.order_id)
            self._enter(order)
        elif was not in CLOSED and not order.is_open:
            order.stamp("closed", update)
            self._leave(order)

    def _count(self, was: OrderStatus, status: OrderStatus) -> None:
        if was in _FATE:
            self.counters[_FATE[was]] -= 1
        if status in _FATE:
            self.counters[_FATE[status]] += 1


def _keys(order: Order) -> tuple[_Key, _Key, _Key, _Key]:
    strategy, instrument = order.strategy, order.instrument
    return (strategy, instrument), (strategy, None), (None, instrument), (None, None)


def _numbers(order: Order) -> tuple[object, ...]:
    return (
        order.status,
        order.acknowledged,
        order.filled,
        order.traded,
        order.quantity,
        order.prevented,
        order.venue_order_id,
    )


def _why_not_now(order: Order) -> _Why:
    """Nothing but a cancel may follow what has no answer yet."""
    if order.status is OrderStatus.UNKNOWN:
        return "unknown_outcome", f"order {order.order_id} is UNKNOWN until the venue is asked"
    return ("pending", f"order {order.order_id} is {order.status.value}") if order.is_pending else None


def _word_for_pair(order: Order, other: Order, update: OrderUpdate) -> OrderUpdate | None:
    """The report on ``other`` that is implied by one on ``order``; None when there is none."""
    execution, reason = None, update.reason
    is_old = other.order_id == order.replaces
    if update.execution is Execution.UNANSWERED:
        waiting = OrderStatus.PENDING_REPLACE if is_old else OrderStatus.PENDING_NEW
        execution = Execution.UNANSWERED if other.status is waiting else None
    elif update.execution is Execution.REPLACE_REJECTED:
        # Not REJECTED: a repeated report may be about an earlier replacement. The venue tells.
        pending = not is_old and other.status is OrderStatus.PENDING_NEW
        execution = Execution.UNANSWERED if pending else None
    elif update.execution is Execution.REPLACED and update.status not in CLOSED:
        # Once an amendment was asked for, this may be its answer, and proves nothing of a successor.
        answers = "amend_requested" not in order.stamps
        gone = other.is_open if is_old else answers and other.status in _UNPROVEN
        execution, reason = (Execution.CANCELED, "replaced") if gone else (None, "")
    return None if execution is None else _word_for(other, update, execution, reason)


def _word_for(other: Order, update: OrderUpdate, execution: Execution, reason: str) -> OrderUpdate:
    return OrderUpdate(
        ts_local_ns=update.ts_local_ns,
        ts_venue_ns=update.ts_venue_ns,
        instrument=other.instrument,
        order_id=other.order_id,
        execution=execution,
        status=other.status,
        side=other.side,
        reason=reason,
        code=update.code,
    )
