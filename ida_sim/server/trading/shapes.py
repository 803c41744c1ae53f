"""How orders, trades and lists stand in answers, their fields in Binance's order.

Source: Binance Spot API docs, rest-api.md, read 2026-07. Times in the unit of the request.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ida_sim.server.texts import Texts
from ida_sim.server.trading.events import money, quoted, shown_price
from ida_sim.server.trading.records import NONE, STOPS, Amendment, Fill, Order, OrderList, Prevented

Shape = dict[str, Any]
#: ns since 1970 in the unit that was asked for.
Time = Callable[[int], int]
ACK, RESULT, FULL = "ACK", "RESULT", "FULL"


def head(order: Order) -> Shape:
    return {"symbol": order.symbol, "orderId": order.id, "orderListId": order.terms.list_id,
            "clientOrderId": order.client_id}


def placed(order: Order, fills: Sequence[Fill], kind: str, texts: Texts, time: Time) -> Shape:
    """The answer to a new order.

    Args:
        kind: ``ACK``, ``RESULT`` or ``FULL``.
    """
    found = head(order) | {"transactTime": time(order.updated_ns)}
    if kind == ACK:
        return found
    found |= {**_state(order, texts), "workingTime": _working(order, time)}
    if kind == FULL:
        found["fills"] = [_fill(fill, texts) for fill in fills]
    return found | {"selfTradePreventionMode": order.request.stp} | _conditional(order, texts)


def _state(order: Order, texts: Texts) -> Shape:
    request = order.request
    return {
        "price": shown_price(order, texts), "origQty": texts.quantity(order.lots),
        "executedQty": texts.quantity(order.executed), "origQuoteOrderQty": quoted(order),
        "cummulativeQuoteQty": texts.value(order.product), "status": order.status, "timeInForce": request.tif,
        "type": request.type, "side": request.side,
    }


def _working(order: Order, time: Time) -> int:
    return time(order.working_ns) if order.is_working else NONE


def _fill(fill: Fill, texts: Texts) -> Shape:
    found: Shape = {"price": texts.price(fill.price), "qty": texts.quantity(fill.lots)}
    if fill.order.request.smart:
        found = {"matchType": "ONE_PARTY_TRADE_REPORT", **found}
    found |= {"commission": money(fill.fee), "commissionAsset": fill.fee_asset, "tradeId": fill.id}
    return found | ({"tradeId": NONE, "allocId": fill.id} if fill.order.request.smart else {})


def _conditional(order: Order, texts: Texts, *, stops: bool = True) -> Shape:
    """Fields that only some orders have. ``stops``: ``stopPrice`` and ``icebergQty`` among them."""
    request, terms, found = order.request, order.terms, Shape()
    if stops and request.iceberg:
        found["icebergQty"] = texts.quantity(request.iceberg)
    if order.prevented_id != NONE:
        found |= {"preventedMatchId": order.prevented_id, "preventedQuantity": texts.quantity(order.prevented)}
    if stops and request.stop_price is not None:
        found["stopPrice"] = texts.price(request.stop_price)
    if terms.strategy_id is not None:
        found["strategyId"] = terms.strategy_id
    if terms.strategy_type is not None:
        found["strategyType"] = terms.strategy_type
    if request.trailing_delta:
        found |= {"trailingDelta": request.trailing_delta, "trailingTime": NONE}
    if request.smart:
        found |= {"usedSor": True, "workingFloor": "SOR"}
    if request.peg is not None:
        found["pegPriceType"] = request.peg
        if terms.has_peg_offset:
            found |= {"pegOffsetType": "PRICE_LEVEL", "pegOffsetValue": request.peg_offset}
        found["peggedPrice"] = texts.price(request.price or 0)
    return found | ({"expiryReason": order.expiry} if order.expiry else {})


def status(order: Order, texts: Texts, time: Time) -> Shape:
    """An order as it stands, to who asks for it."""
    state = _state(order, texts)
    quote = state.pop("origQuoteOrderQty")
    return {
        **head(order), **state,
        "stopPrice": texts.price(order.request.stop_price or 0), "icebergQty": texts.quantity(order.request.iceberg),
        "time": time(order.created_ns), "updateTime": time(order.updated_ns), "isWorking": is_working(order),
        "workingTime": _working(order, time), "origQuoteOrderQty": quote,
        "selfTradePreventionMode": order.request.stp, **_conditional(order, texts, stops=False),
    }


def is_working(order: Order) -> bool:
    """Of a stop that waits it is false; of any other order true."""
    return order.is_working or order.request.type not in STOPS


def canceled(order: Order, cancel_id: str, texts: Texts, time: Time) -> Shape:
    """The answer to a cancel, which has an id of its own."""
    return {
        "symbol": order.symbol, "origClientOrderId": order.client_id, "orderId": order.id,
        "orderListId": order.terms.list_id, "clientOrderId": cancel_id, "transactTime": time(order.updated_ns),
        **_state(order, texts), "selfTradePreventionMode": order.request.stp, **_conditional(order, texts),
    }


def list_head(found: OrderList, at_ns: int, time: Time) -> Shape:
    """A list without reports of its orders."""
    return {
        "orderListId": found.id, "contingencyType": found.kind,
        "listStatusType": "ALL_DONE" if found.is_done else "EXEC_STARTED",
        "listOrderStatus": "ALL_DONE" if found.is_done else "EXECUTING", "listClientOrderId": found.client_id,
        "transactionTime": time(at_ns), "symbol": found.symbol,
        "orders": [{"symbol": order.symbol, "orderId": order.id, "clientOrderId": order.client_id}
                   for order in found.orders],
    }


def list_canceled(found: OrderList, cancel_id: str, texts: Texts, time: Time) -> Shape:
    at_ns = max(order.updated_ns for order in found.orders)
    return list_head(found, at_ns, time) | {
        "orderReports": [canceled(order, cancel_id, texts, time) for order in found.orders]}


def amended(order: Order, former_id: str, execution_id: int, texts: Texts, time: Time) -> Shape:
    """Its fields are called otherwise than anywhere else."""
    state = _state(order, texts)
    return {
        "transactTime": time(order.updated_ns), "executionId": execution_id,
        "amendedOrder": {
            "symbol": order.symbol, "orderId": order.id, "orderListId": order.terms.list_id,
            "origClientOrderId": former_id, "clientOrderId": order.client_id, "price": state["price"],
            "qty": state["origQty"], "executedQty": state["executedQty"],
            "preventedQty": texts.quantity(order.prevented), "quoteOrderQty": state["origQuoteOrderQty"],
            "cumulativeQuoteQty": state["cummulativeQuoteQty"], "status": order.status,
            "timeInForce": state["timeInForce"], "type": state["type"], "side": state["side"],
            **({"workingTime": time(order.working_ns)} if order.is_working else {}),
            "selfTradePreventionMode": order.request.stp,
        },
    }


def amended_list(found: OrderList) -> Shape:
    """``listStatus`` beside an amended leg."""
    return {
        "orderListId": found.id, "contingencyType": found.kind, "listOrderStatus": "EXECUTING",
        "listClientOrderId": found.client_id, "symbol": found.symbol,
        "orders": [{"symbol": order.symbol, "orderId": order.id, "clientOrderId": order.client_id}
                   for order in found.orders],
    }


def amendment(found: Amendment, texts: Texts, time: Time) -> Shape:
    return {
        "symbol": found.order.symbol, "orderId": found.order.id, "executionId": found.execution_id,
        "origClientOrderId": found.former_client_id, "newClientOrderId": found.client_id,
        "origQty": texts.quantity(found.former_lots), "newQty": texts.quantity(found.lots),
        "time": time(found.time_ns),
    }


def trade(fill: Fill, texts: Texts, time: Time) -> Shape:
    order = fill.order
    return {
        "symbol": order.symbol, "id": fill.id, "orderId": order.id, "orderListId": order.terms.list_id,
        "price": texts.price(fill.price), "qty": texts.quantity(fill.lots),
        "quoteQty": texts.value(fill.price * fill.lots), "commission": money(fill.fee),
        "commissionAsset": fill.fee_asset, "time": time(fill.time_ns), "isBuyer": order.side == "BUY",
        "isMaker": fill.is_maker, "isBestMatch": True,
    }


def allocation(fill: Fill, texts: Texts, time: Time) -> Shape:
    """A trade that smart order routing has made."""
    found = trade(fill, texts, time)
    del found["isBestMatch"]
    number = found.pop("id")
    symbol = found.pop("symbol")
    return {"symbol": symbol, "allocationId": number, "allocationType": "SOR", **found, "isAllocator": False}


def prevented(found: Prevented, group: int, texts: Texts, time: Time) -> Shape:
    lost = {"takerPreventedQuantity": found.taker_lots, "makerPreventedQuantity": found.maker_lots}
    return {
        "symbol": found.symbol, "preventedMatchId": found.id, "takerOrderId": found.taker.id,
        "makerSymbol": found.symbol, "makerOrderId": found.maker.id, "tradeGroupId": group,
        "selfTradePreventionMode": found.taker.request.stp, "price": texts.price(found.price),
        **{name: texts.quantity(lots) for name, lots in lost.items() if lots}, "transactTime": time(found.time_ns),
    }
