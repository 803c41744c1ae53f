"""Requests as Binance takes them: an approved request, and the call that carries it. Pure.

Prices and quantities leave as plain decimals on their grid. What is left out is what the exchange would refuse to see:
a time in force where it is not wanted (-1106), a price of a pegged order.

Source: Binance Spot API docs, rest-api.md (new order, cancel an existing order and send a new order, order lists,
order amend keep priority); web-socket-api.md.
"""

from __future__ import annotations

from collections.abc import Mapping

from ida_binance.calls import Call, call
from ida_core.events import AmendOrder, CancelOrder, PlaceList, PlaceOrder, ReplaceOrder
from ida_core.model import Instrument, ListKind, OrderType, plain

#: All that there is to know of an order comes with its reply; where it cannot, the exchange gives what it can.
RESPONSE = "FULL"
_TIMED = frozenset((OrderType.LIMIT, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT_LIMIT))
_UNPRICED = frozenset((OrderType.MARKET, OrderType.STOP_LOSS, OrderType.TAKE_PROFIT))
_STOPS = frozenset(
    (OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT))  # fmt: skip
_PLACES: Mapping[ListKind, tuple[str, ...]] = {
    ListKind.OCO: ("above", "below"),
    ListKind.OTO: ("working", "pending"),
    ListKind.OTOCO: ("working", "pendingAbove", "pendingBelow"),
    ListKind.OPO: ("working", "pending"),
    ListKind.OPOCO: ("working", "pendingAbove", "pendingBelow"),
}
#: Of lists of these kinds the exchange tells the quantity of what is pending.
_TOLD = (ListKind.OPO, ListKind.OPOCO)


def place(order: PlaceOrder, instrument: Instrument) -> Call:
    """One order, by smart order routing if it says so.

    >>> from decimal import Decimal
    >>> from ida_core import OrderType, Side
    >>> btc = Instrument(symbol="BTCUSDT", base="BTC", quote="USDT", tick_size=Decimal("0.01"), lot_size=Decimal("0.1"))
    >>> dict(place(PlaceOrder(order_id="a", side=Side.BUY, type=OrderType.LIMIT, quantity=5, price=100), btc).params)
    ... # doctest: +NORMALIZE_WHITESPACE
    {'symbol': 'BTCUSDT', 'side': 'BUY', 'type': 'LIMIT', 'timeInForce': 'GTC', 'quantity': '0.5', 'price': '1',
     'newClientOrderId': 'a', 'selfTradePreventionMode': 'EXPIRE_MAKER', 'newOrderRespType': 'FULL'}
    """
    params = {"symbol": instrument.symbol, **_order(order, instrument)}
    return call("sor.order.place" if order.smart else "order.place", params, client_order_id=order.order_id)


def cancel(request: CancelOrder, instrument: Instrument) -> Call:
    """One order, or the list it is a leg of."""
    params = {"symbol": instrument.symbol, "origClientOrderId": request.order_id}
    return call("order.cancel", params, client_order_id=request.order_id)


def replace(request: ReplaceOrder, old: PlaceOrder, instrument: Instrument) -> Call:
    """Cancel ``old``, and place what is the same but for id, price and quantity; neither, if the first fails."""
    params = {
        "symbol": instrument.symbol, "cancelReplaceMode": "STOP_ON_FAILURE", "cancelOrigClientOrderId": old.order_id,
        **_order(successor(request, old), instrument),
    }  # fmt: skip
    return call("order.cancelReplace", params, client_order_id=request.new_order_id)


def successor(request: ReplaceOrder, old: PlaceOrder) -> PlaceOrder:
    """The order that stands in the place of ``old``."""
    return PlaceOrder(
        ts_local_ns=request.ts_local_ns, instrument=old.instrument, order_id=request.new_order_id,
        strategy=request.strategy, side=old.side, type=old.type, quantity=request.quantity, price=request.price,
        stop_price=old.stop_price, tif=old.tif, stp=old.stp, reduce_only=old.reduce_only, iceberg=old.iceberg,
        trailing_delta=old.trailing_delta, note=old.note,
    )  # fmt: skip


def amend(request: AmendOrder, instrument: Instrument) -> Call:
    """Less of an order, which keeps its client id: without a word it would get one by chance."""
    params = {
        "symbol": instrument.symbol, "origClientOrderId": request.order_id, "newClientOrderId": request.order_id,
        "newQty": plain(instrument.quantity(request.quantity)),
    }  # fmt: skip
    return call("order.amend.keepPriority", params, client_order_id=request.order_id)


def place_list(request: PlaceList, instrument: Instrument) -> Call:
    """Several orders that hang together."""
    kind, legs = request.kind, request.legs
    params = {"symbol": instrument.symbol, "listClientOrderId": request.order_id}
    if kind is ListKind.OCO:
        params |= {"side": legs[0].side.value, "quantity": _quantity(legs[0], instrument)}
    else:
        params |= {"workingSide": legs[0].side.value, "workingQuantity": _quantity(legs[0], instrument)}
        params |= {"pendingSide": legs[1].side.value}
        params |= {} if kind in _TOLD else {"pendingQuantity": _quantity(legs[1], instrument)}
    for place_, leg in zip(_PLACES[kind], legs, strict=True):
        params |= _leg(place_, leg, instrument)
    params |= {"selfTradePreventionMode": legs[0].stp.value, "newOrderRespType": RESPONSE}
    return call(f"orderList.place.{kind.value.lower()}", params, client_order_id=request.order_id)


def status(order_id: str, instrument: Instrument) -> Call:
    """How an order stands."""
    return call("order.status", {"symbol": instrument.symbol, "origClientOrderId": order_id}, client_order_id=order_id)


def _order(order: PlaceOrder, instrument: Instrument) -> dict[str, str]:
    params = {"side": order.side.value, "type": order.type.value}
    if order.type in _TIMED:
        params["timeInForce"] = order.tif.value
    if order.quote_quantity is not None:
        params["quoteOrderQty"] = plain(order.quote_quantity)
    else:
        params["quantity"] = _quantity(order, instrument)
    params |= _terms(order, instrument)
    params["newClientOrderId"] = order.order_id
    params["selfTradePreventionMode"] = order.stp.value
    params["newOrderRespType"] = RESPONSE
    return params


def _quantity(order: PlaceOrder, instrument: Instrument) -> str:
    return plain(instrument.quantity(order.quantity))


def _terms(order: PlaceOrder, instrument: Instrument) -> dict[str, str]:
    """What an order says of prices, by the names that it has alone."""
    found: dict[str, str] = {}
    if order.price is not None and order.type not in _UNPRICED and order.peg is None:
        found["price"] = plain(instrument.price(order.price))
    if order.stop_price is not None and order.type in _STOPS:
        found["stopPrice"] = plain(instrument.price(order.stop_price))
    if order.trailing_delta:
        found["trailingDelta"] = str(order.trailing_delta)
    if order.iceberg:
        found["icebergQty"] = plain(instrument.quantity(order.iceberg))
    if order.peg is not None:
        found["pegPriceType"] = order.peg.value
        if order.peg_offset:
            found |= {"pegOffsetType": "PRICE_LEVEL", "pegOffsetValue": str(order.peg_offset)}
    return found


def _leg(place_: str, leg: PlaceOrder, instrument: Instrument) -> dict[str, str]:
    """The same of a leg: each name with the leg's place before it."""
    named = {"Type": leg.type.value, "ClientOrderId": leg.order_id}
    if leg.type in _TIMED:
        named["TimeInForce"] = leg.tif.value
    named |= {name[0].upper() + name[1:]: value for name, value in _terms(leg, instrument).items()}
    return {f"{place_}{name}": value for name, value in named.items()}
