"""Order lists: what hangs together at the simulated exchange, and what follows for the others from what happens to one.

Of a pair the matching engine itself ends the other one when the first lot of one is filled, or one is triggered.
"""

from __future__ import annotations

import msgspec

from ida_core import END_OF_DATA, Execution, ListKind, OrderStatus, OrderUpdate, PlaceList, PlaceOrder
from ida_sim.account import Account
from ida_sim.filters import STOPS, Refused, check_lists
from ida_sim.floor import (
    DUPLICATE,
    NO_PEG,
    NOT_PLACED,
    NOT_READY,
    OPEN,
    PAIR_ENDED,
    WORKING_ENDED,
    Floor,
    Member,
    OrderList,
    Standing,
    Told,
    refused,
)
from ida_sim.list_rules import PAIRED, PAYING, check_list


class OrderLists:
    """All lists of all accounts on one floor."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    # ------------------------------------------------------------- placing

    def place(self, member: Member, request: PlaceList, now_ns: int) -> list[Told]:
        """What the matching engine says of it comes by its reports."""
        found = self._priced(request)
        why = NO_PEG if found is None else self._refusal(member, found)
        if found is None or why is not None:
            return refused(member, request, now_ns, *(why or NO_PEG))
        waits = request.kind is not ListKind.OCO
        order_list = OrderList(found, waits)
        order_list.legs = [self._floor.register(member, leg, order_list) for leg in found.legs]
        if self._floor.places[found.instrument].over():
            return self._end(order_list.legs, Execution.EXPIRED, OrderStatus.EXPIRED, now_ns, END_OF_DATA)
        member.lists[found.order_id] = order_list
        if waits:
            return self._enter(order_list.legs[:1], now_ns)
        return self._enter(order_list.legs, now_ns)

    def _priced(self, request: PlaceList) -> PlaceList | None:
        """Pegged legs that work at once with the prices that they get; None: there is none."""
        first = len(request.legs) if request.kind is ListKind.OCO else 1
        legs = [self._floor.pegged(leg) for leg in request.legs[:first]]
        if any(leg is None for leg in legs):
            return None
        return msgspec.structs.replace(request, legs=(*(leg for leg in legs if leg), *request.legs[first:]))

    def _refusal(self, member: Member, request: PlaceList) -> Refused | None:
        place, names = self._floor.places[request.instrument], [leg.order_id for leg in request.legs]
        if not place.ready():
            return NOT_READY
        if request.order_id in member.lists or len(set(names)) < len(names) or any(n in member.orders for n in names):
            return DUPLICATE
        instrument = self._floor.instruments[request.instrument]
        return (check_list(request, instrument, place.matching.last_price)
                or self._too_many(member, request.instrument) or self._hold(member, request))

    def _too_many(self, member: Member, index: int) -> Refused | None:
        here = sum(found.instrument == index for found in member.lists.values())
        return check_lists(self._floor.instruments[index], here, len(member.lists))

    def _hold(self, member: Member, request: PlaceList) -> Refused | None:
        """Check every leg and hold what it needs, or nothing at all. What sells what is yet to be bought is checked and
        held when it has been bought."""
        held: list[str] = []
        legs = request.legs[:1] if request.kind in PAYING else request.legs
        for number, leg in enumerate(legs):
            pairs = number == len(legs) - 1 and number > 0 and request.kind in PAIRED
            why = self._floor.refusal(member, leg, held[-1] if pairs else None)
            if why is not None:
                for order_id in held:
                    member.account.release(order_id)
                return why
            held.append(leg.order_id)
        return None

    def _enter(self, legs: list[Standing], now_ns: int) -> list[Told]:
        """Give them to the matching engine; of a pair the one that rests first. What it refuses at once, its reports
        tell; so the other one is not placed."""
        told: list[Told] = []
        ordered = sorted(legs, key=lambda leg: leg.request.type in STOPS)
        pair = 0
        for leg in ordered:
            if pair and self._floor.places[leg.request.instrument].matching.order(pair) is None:
                break
            if why := self._floor.enter(leg, now_ns, pair):
                return told + self._not_taken(legs, now_ns, why)
            pair = leg.number
        return told

    def _not_taken(self, legs: list[Standing], now_ns: int, why: str) -> list[Told]:
        for leg in legs:
            if leg.is_placed:
                self._floor.places[leg.request.instrument].matching.expire(leg.number, now_ns)
        unplaced = [leg for leg in legs if not leg.is_placed]
        return self._end(unplaced, Execution.REJECTED, OrderStatus.REJECTED, now_ns, why, -2010)

    # ------------------------------------------------------------- what follows

    def follow(self, order: Standing, update: OrderUpdate) -> list[Told]:
        """What follows for the other legs from what was told of one."""
        found = order.list
        assert found is not None
        if not found.waits:
            return self._end_others(found, order, update)
        if update.execution is Execution.NEW:
            return [self._floor.word(leg, Execution.NEW, OrderStatus.PENDING_NEW, update.ts_venue_ns)
                    for leg in found.legs[1:]]
        if update.execution is Execution.TRADE and found.request.kind in PAYING:
            self._receive(found, update)
        if update.status is OrderStatus.FILLED:
            return self._start(found, update.ts_venue_ns)
        if update.status not in OPEN:
            self._give_back(found)
            return self._end_pending(found, update)
        return []

    def _end_others(self, found: OrderList, order: Standing, update: OrderUpdate) -> list[Told]:
        """A leg that ended without a fill takes its pair with it, if the matching engine has not ended that one."""
        others = [leg for leg in found.legs if leg.is_open and leg is not order]
        if update.status in OPEN or update.status is OrderStatus.FILLED or update.reason == PAIR_ENDED:
            return []
        matching = self._floor.places[found.instrument].matching
        for leg in others:
            if leg.is_placed:
                end = matching.cancel if found.is_canceled else matching.expire
                end(leg.number, update.ts_venue_ns)
        unplaced = [leg for leg in others if not leg.is_placed]
        if update.execution is Execution.REJECTED:
            return self._end(unplaced, Execution.REJECTED, OrderStatus.REJECTED, update.ts_venue_ns, update.reason,
                             update.code)
        return self._end(unplaced, Execution.EXPIRED, OrderStatus.EXPIRED, update.ts_venue_ns, PAIR_ENDED)

    def _end_pending(self, found: OrderList, update: OrderUpdate) -> list[Told]:
        legs, now_ns = [leg for leg in found.legs[1:] if leg.is_open], update.ts_venue_ns
        if update.execution is Execution.REJECTED:
            return self._end(legs, Execution.REJECTED, OrderStatus.REJECTED, now_ns, update.reason, update.code)
        if found.is_canceled:
            return self._end(legs, Execution.CANCELED, OrderStatus.CANCELED, now_ns)
        return self._end(legs, Execution.EXPIRED, OrderStatus.EXPIRED, now_ns, WORKING_ENDED)

    def _end(self, legs: list[Standing], execution: Execution, status: OrderStatus, now_ns: int, reason: str = "",
             code: int = 0) -> list[Told]:
        """Of legs that the matching engine does not have."""
        told = [self._floor.word(leg, execution, status, now_ns, reason, code) for leg in legs]
        for leg in legs:
            self._floor.forget(leg)
        return told

    # ------------------------------------------------------------- the pending legs' turn

    def _receive(self, found: OrderList, update: OrderUpdate) -> None:
        """Lock what was bought for those that are to sell it. The fee is taken from what is free, if that suffices."""
        instrument, account = self._floor.instruments[found.instrument], self._account(found)
        received = instrument.quantity(update.quantity) * instrument.multiplier
        fee = update.fee if update.fee_asset == instrument.base else 0
        kept = received if account.free(instrument.base) >= received else received - fee
        account.keep(instrument.base, kept)
        found.received += kept

    def _give_back(self, found: OrderList) -> None:
        if found.received:
            self._account(found).keep(self._floor.instruments[found.instrument].base, -found.received)
            found.received -= found.received

    def _start(self, found: OrderList, now_ns: int) -> list[Told]:
        """The working leg is filled."""
        found.waits = False
        legs = found.legs[1:]
        if not all(self._ready(found, leg) for leg in legs):
            self._give_back(found)
            return self._end(legs, Execution.EXPIRED, OrderStatus.EXPIRED, now_ns, NOT_PLACED)
        self._give_back(found)
        for leg in legs:
            leg.is_late = True
        if found.request.kind in PAYING and not self._pay(found, legs):
            return self._end(legs, Execution.EXPIRED, OrderStatus.EXPIRED, now_ns, NOT_PLACED)
        return self._enter(legs, now_ns)

    def _ready(self, found: OrderList, leg: Standing) -> bool:
        """Give it the quantity and the price that it could not have before, and check what was not checked then."""
        request: PlaceOrder | None = leg.request
        if found.request.kind in PAYING:
            instrument = self._floor.instruments[found.instrument]
            most = instrument.filters.max_quantity
            bought = instrument.floor_to_lot(min(found.received / instrument.multiplier, most or found.received))
            request = msgspec.structs.replace(leg.request, quantity=bought)
        request = self._floor.pegged(request) if request is not None else None
        if request is None:
            return False
        is_new, leg.request = request is not leg.request, request
        return not is_new or self._floor.filtered(self._floor.members[leg.account], request) is None

    def _pay(self, found: OrderList, legs: list[Standing]) -> bool:
        account, instrument = self._account(found), self._floor.instruments[found.instrument]
        beside: str | None = None
        for leg in legs:
            worst = self._floor.worst_price(leg.request)
            if account.hold(leg.request.order_id, leg.request, instrument, worst, beside) is not None:
                return False
            beside = leg.request.order_id
        return True

    def _account(self, found: OrderList) -> Account:
        return self._floor.members[found.legs[0].account].account

    # ------------------------------------------------------------- canceling

    def cancel(self, found: OrderList, now_ns: int) -> None:
        """All of it, at once; what becomes of it the reports tell."""
        found.is_canceled = True
        matching = self._floor.places[found.instrument].matching
        for leg in found.legs:
            if leg.is_open and leg.is_placed:
                matching.cancel(leg.number, now_ns)
