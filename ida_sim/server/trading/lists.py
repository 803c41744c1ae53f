"""Order lists are placed and cancelled: OCO, OTO, OTOCO, OPO, OPOCO, and OCO as it was once asked for.

Source: Binance Spot API docs, rest-api.md (order lists), read 2026-07.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from ida_core import ListKind, OrderType, PlaceList, SelfTradePrevention, Side
from ida_sim.server.endpoints import Call
from ida_sim.server.parameters import Parameters, Refusal
from ida_sim.server.trading import shapes
from ida_sim.server.trading.form import (
    Leg,
    Sent,
    amount,
    client_id,
    leg_names,
    missing,
    neither,
    new_client_id,
    prevention,
    side,
)
from ida_sim.server.trading.placing import (
    UNKNOWN_ORDER,
    Desk,
    arrive,
    check_duplicates,
    desk_of,
    refused,
    response_kind,
    take_back,
)
from ida_sim.server.trading.queries import named_list
from ida_sim.server.trading.records import OrderList
from ida_sim.server.trading.trading import Listing

_COMMON = ("symbol", "listClientOrderId", "newOrderRespType", "selfTradePreventionMode")
_WORKING = (*_COMMON, *leg_names("working"), "workingSide", "workingQuantity")
OCO = (*_COMMON, "side", "quantity", *leg_names("above"), *leg_names("below"))
OTO = (*_WORKING, *leg_names("pending"), "pendingSide", "pendingQuantity")
OTOCO = (*_WORKING, *leg_names("pendingAbove"), *leg_names("pendingBelow"), "pendingSide", "pendingQuantity")
OPO = tuple(name for name in OTO if name != "pendingQuantity")
OPOCO = tuple(name for name in OTOCO if name != "pendingQuantity")
CANCEL = ("symbol", "orderListId", "listClientOrderId", "newClientOrderId")
#: Of the OCO of old: what the legs' parameters are called.
_OLD_LIMIT = {
    "price": "price", "clientOrderId": "limitClientOrderId", "icebergQty": "limitIcebergQty",
    "strategyId": "limitStrategyId", "strategyType": "limitStrategyType"}
_OLD_STOP = {
    "price": "stopLimitPrice", "stopPrice": "stopPrice", "trailingDelta": "trailingDelta",
    "timeInForce": "stopLimitTimeInForce", "clientOrderId": "stopClientOrderId", "icebergQty": "stopIcebergQty",
    "strategyId": "stopStrategyId", "strategyType": "stopStrategyType"}
OLD = (*_COMMON, "side", "quantity", *_OLD_LIMIT.values(), *_OLD_STOP.values())
_OPO = frozenset({ListKind.OPO, ListKind.OPOCO})


class OldLeg(Leg):
    """A leg of the OCO of old: its type follows from what is sent."""

    def __init__(self, read: Parameters, listing: Listing, names: Mapping[str, str], kind: OrderType) -> None:
        super().__init__(read, listing, "old")
        self._names, self._kind = names, kind

    def called(self, name: str) -> str:
        return self._names.get(name, "")

    def type(self) -> OrderType:
        return self._kind


class Asked(NamedTuple):
    """A list as it is asked for, while its legs are read."""

    desk: Desk
    read: Parameters
    stp: SelfTradePrevention
    number: int

    def leg(self, prefix: str, buys: Side, quantity: Decimal | None) -> Sent:
        return self.order(Leg(self.read, self.desk.listing, prefix), buys, quantity)

    def order(self, leg: Leg, buys: Side, quantity: Decimal | None) -> Sent:
        return leg.order(self.desk.trading.name(), buys, quantity, self.stp, list_id=self.number)

    def needed(self, name: str) -> Decimal:
        """A quantity that must be there."""
        found = amount(self.read, name)
        if found is None:
            raise missing(name)
        return found


Legs = Callable[[Asked], Sequence[Sent]]


def _pair(asked: Asked) -> Sequence[Sent]:
    buys, quantity = side(asked.read), asked.needed("quantity")
    return asked.leg("above", buys, quantity), asked.leg("below", buys, quantity)


def _working(asked: Asked) -> Sent:
    return asked.leg("working", side(asked.read, "workingSide"), asked.needed("workingQuantity"))


def _pending(asked: Asked, kind: ListKind) -> tuple[Side, Decimal | None]:
    """Side and quantity of the pending legs; of OPO the exchange will tell the quantity."""
    return side(asked.read, "pendingSide"), None if kind in _OPO else asked.needed("pendingQuantity")


def _one_pending(kind: ListKind) -> Legs:
    return lambda asked: (_working(asked), asked.leg("pending", *_pending(asked, kind)))


def _pair_pending(kind: ListKind) -> Legs:
    def legs(asked: Asked) -> Sequence[Sent]:
        buys, quantity = _pending(asked, kind)
        return (_working(asked), asked.leg("pendingAbove", buys, quantity),
                asked.leg("pendingBelow", buys, quantity))

    return legs


def _old_pair(asked: Asked) -> Sequence[Sent]:
    """A LIMIT_MAKER order, and a stop that has a price of its own if one is sent."""
    read, listing = asked.read, asked.desk.listing
    buys, quantity = side(read), asked.needed("quantity")
    has_limit = amount(read, "stopLimitPrice") is not None
    limit = asked.order(OldLeg(read, listing, _OLD_LIMIT, OrderType.LIMIT_MAKER), buys, quantity)
    kind = OrderType.STOP_LOSS_LIMIT if has_limit else OrderType.STOP_LOSS
    stop = asked.order(OldLeg(read, listing, _OLD_STOP, kind), buys, quantity)
    return (limit, stop) if buys is Side.SELL else (stop, limit)


_LEGS: Mapping[ListKind, Legs] = {
    ListKind.OCO: _pair, ListKind.OTO: _one_pending(ListKind.OTO), ListKind.OTOCO: _pair_pending(ListKind.OTOCO),
    ListKind.OPO: _one_pending(ListKind.OPO), ListKind.OPOCO: _pair_pending(ListKind.OPOCO),
}


def placer(kind: ListKind) -> Callable[[Call], Any]:
    """The endpoint that places lists of ``kind``."""
    return lambda call: _place(call, kind, _LEGS[kind])


def place_old(call: Call) -> Any:
    return _place(call, ListKind.OCO, _old_pair)


def _place(call: Call, kind: ListKind, read_legs: Legs) -> Any:
    desk, read = desk_of(call), call.parameters
    asked = Asked(desk, read, prevention(read), desk.trading.next_list())
    legs = read_legs(asked)
    name = client_id(read, "listClientOrderId") or new_client_id()
    shape = response_kind(read, shapes.RESULT)
    arrive(call)
    known = named_list(desk.account, None, name)
    if known is not None and not known.is_done:
        raise Refusal(-2010, "Duplicate order sent.")
    check_duplicates(desk, [leg.intent.client_id for leg in legs])
    found = OrderList(asked.number, desk.symbol, "OCO" if kind is ListKind.OCO else "OTO", name,
                      desk.trading.market.now_ns())
    return _put(call, desk, PlaceList(
        instrument=desk.listing.index, order_id=desk.trading.name(), kind=kind,
        legs=tuple(leg.request for leg in legs)), found, legs, shape)


def _put(call: Call, desk: Desk, request: PlaceList, found: OrderList, legs: Sequence[Sent], shape: str) -> Any:
    account, texts = desk.account, desk.listing.texts
    account.lists[found.id] = found
    intents = {leg.request.order_id: leg.intent for leg in legs}
    outcome = desk.trading.handle(account, request, intents)
    if outcome.refused:
        if not found.orders:
            del account.lists[found.id]
        raise refused(outcome)
    found.orders.sort(key=lambda order: order.id)
    reports = [shapes.placed(order, outcome.fills_of(order), shape, texts, call.time) for order in found.orders]
    return shapes.list_head(found, found.time_ns, call.time) | {"orderReports": reports}


def cancel(call: Call) -> Any:
    desk, read = desk_of(call), call.parameters
    number, name = read.number("orderListId"), client_id(read, "listClientOrderId")
    if number is None and name is None:
        raise neither("orderListId", "listClientOrderId")
    cancel_id = client_id(read, "newClientOrderId") or new_client_id()
    arrive(call)
    found = named_list(desk.account, number, name)
    if found is None or found.symbol != desk.symbol or found.is_done:
        raise Refusal(*UNKNOWN_ORDER)
    order = next(order for order in found.orders if order.is_open)
    return take_back(call, desk, order, cancel_id, lambda order: True)

