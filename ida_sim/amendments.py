"""Amendments that keep the place in the queue: fewer lots, the same order."""

from __future__ import annotations

import msgspec

from ida_core import AmendOrder, Execution, OrderStatus
from ida_sim.filters import check_amended
from ida_sim.floor import AMEND_REJECTED, UNKNOWN_ORDER, Floor, Member, Standing, Told, refused
from ida_sim.list_rules import PAYING

NO_CHANGE = "The requested action would change no state; rejecting."
NO_INCREASE = "Order amend (quantity increase) is not supported."
NOT_BELOW_DONE = "Order amend to a quantity that is executed or prevented already is not supported."
NOT_YET = "A pending OPO order may not be amended before its working order is filled."


def amend(floor: Floor, member: Member, request: AmendOrder, now_ns: int) -> list[Told]:
    """Lower the quantity of an order, and of the other of its pair; what the matching engine says comes by its
    reports."""
    order = member.orders.get(request.order_id)
    if order is None:
        return refused(member, request, now_ns, AMEND_REJECTED, UNKNOWN_ORDER)
    why = _why_not(floor, order, request.quantity)
    if why is not None:
        return refused(member, request, now_ns, AMEND_REJECTED, why)
    smaller = msgspec.structs.replace(order.request, quantity=request.quantity)
    if (filtered := check_amended(smaller, floor.instruments[smaller.instrument])) is not None:
        return refused(member, request, now_ns, *filtered)
    return [told for each in _together(order) for told in _apply(floor, member, each, request.quantity, now_ns)]


def _why_not(floor: Floor, order: Standing, lots: int) -> str | None:
    if order.list is not None and order.list.waits and order is not order.list.legs[0] \
            and order.list.request.kind in PAYING:
        return NOT_YET
    now, done = order.request.quantity, 0
    if order.is_placed:
        stands = floor.places[order.request.instrument].matching.order(order.number)
        assert stands is not None
        now, done = stands.order_quantity, stands.order_quantity - stands.leaves
    most = floor.instruments[order.request.instrument].filters.max_amends
    if most is not None and order.amends >= most:
        return "Filter failure: MAX_NUM_ORDER_AMENDS"
    if lots >= now:
        return NO_CHANGE if lots == now else NO_INCREASE
    return NOT_BELOW_DONE if lots <= done else None


def _together(order: Standing) -> list[Standing]:
    """An order, and the other one of its pair: both have one quantity."""
    found = order.list
    if found is None or (found.waits and order is found.legs[0]):
        return [order]
    legs = found.legs[1:] if len(found.legs) > 2 or found.waits else found.legs
    return [order, *(leg for leg in legs if leg is not order and leg.is_open)]


def _apply(floor: Floor, member: Member, order: Standing, lots: int, now_ns: int) -> list[Told]:
    order.amends += 1
    if order.is_placed:
        floor.places[order.request.instrument].matching.amend(order.number, lots, now_ns)
        return []
    order.request = msgspec.structs.replace(order.request, quantity=lots)
    member.account.amend(order.request.order_id, lots)
    return [floor.word(order, Execution.REPLACED, OrderStatus.PENDING_NEW, now_ns)]
