"""Orders are placed, tested, cancelled, replaced and amended.

Source: Binance Spot API docs, rest-api.md (trading endpoints), read 2026-07.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ida_core import AmendOrder, CancelOrder, OrderStatus, OrderType, OrderUpdate
from ida_sim.server.endpoints import MS_NS, Call
from ida_sim.server.parameters import Parameters, Refusal, not_valid
from ida_sim.server.trading import shapes
from ida_sim.server.trading.accounts import TradingAccount
from ida_sim.server.trading.form import (
    LEG,
    Leg,
    Sent,
    amount,
    client_id,
    filter_failure,
    lots_of,
    missing,
    neither,
    new_client_id,
    prevention,
    side,
    unwanted,
)
from ida_sim.server.trading.records import Order
from ida_sim.server.trading.trading import Intent, Listing, Outcome, Trading

#: Parameters of every new order.
NEW = ("symbol", "side", "quantity", "quoteOrderQty", "newClientOrderId", "newOrderRespType",
       "selfTradePreventionMode", *LEG)
CANCEL = ("symbol", "orderId", "origClientOrderId", "newClientOrderId", "cancelRestrictions")
REPLACE = (*NEW, "cancelReplaceMode", "cancelNewClientOrderId", "cancelOrigClientOrderId", "cancelOrderId",
           "cancelRestrictions", "orderRateLimitExceededMode")
AMEND = ("symbol", "orderId", "origClientOrderId", "newClientOrderId", "newQty")
_FULL_BY_DEFAULT = frozenset({OrderType.MARKET, OrderType.LIMIT})
NOT_CANCELED = "Order was not canceled due to cancel restrictions."
UNKNOWN_ORDER = -2011, "Unknown order sent."
#: Ticks times lots that no order is worth; more are no numbers of the matching engine.
MOST_QUOTE = 2**62
#: An amendment's refusals of the exchange have a code of their own.
AMEND_REJECTED = -2038


class Desk(NamedTuple):
    """Where a request wants something done: whose it is, and of which symbol."""

    account: TradingAccount
    listing: Listing

    @property
    def trading(self) -> Trading:
        return self.account.trading

    @property
    def symbol(self) -> str:
        return self.listing.instrument.symbol


def desk_of(call: Call) -> Desk:
    """The caller's account at the mandatory ``symbol``."""
    return Desk(call.account, call.account.trading.listings[call.symbol().instrument.symbol])


def arrive(call: Call) -> None:
    """The request is read whole, and reaches the matching engine: there its time is looked at once more."""
    call.parameters.finish()
    assert call.signed is not None
    late = call.strikes(("late-engine",))
    call.signed.check_time(call.market.now_ns() + (int(late.fault.delay_ms * MS_NS) if late else 0))
    if not call.account.can_trade:
        raise Refusal(-2010, "This action is disabled on this account.")


# --- placing


def response_kind(read: Parameters, default: str) -> str:
    kind = read.text("newOrderRespType") or default
    if kind not in (shapes.ACK, shapes.RESULT, shapes.FULL):
        raise not_valid("newOrderRespType")
    return kind


def read_order(call: Call, desk: Desk, *, smart: bool = False) -> tuple[Sent, str]:
    """The order that was sent, and the kind of answer to it."""
    read = call.parameters
    leg = Leg(read, desk.listing)
    buys, kind = side(read), leg.type()
    if smart and kind not in _FULL_BY_DEFAULT:
        raise Refusal(-1116, "Invalid orderType.")
    quantity, quote = amount(read, "quantity"), amount(read, "quoteOrderQty")
    if quote is not None and (kind is not OrderType.MARKET or quantity is not None):
        raise unwanted("quoteOrderQty")
    if quantity is None and quote is None:
        raise neither("quantity", "quoteOrderQty") if kind is OrderType.MARKET and not smart else missing("quantity")
    if quote is not None and not quote:
        raise Refusal(-1013, "Invalid quantity.")
    if quote is not None and quote > MOST_QUOTE * desk.listing.instrument.tick_size * desk.listing.instrument.lot_size:
        raise filter_failure("NOTIONAL")
    sent = leg.order(desk.trading.name(), buys, quantity, prevention(read), smart=smart, quote=quote)
    default = shapes.FULL if smart or kind in _FULL_BY_DEFAULT else shapes.ACK
    return sent, response_kind(read, default)


def place(call: Call) -> Any:
    return _place(call, smart=False)


def place_smart(call: Call) -> Any:
    return _place(call, smart=True)


def _place(call: Call, *, smart: bool) -> Any:
    desk = desk_of(call)
    sent, kind = read_order(call, desk, smart=smart)
    arrive(call)
    return put(call, desk, sent, kind)


def put(call: Call, desk: Desk, sent: Sent, kind: str) -> Any:
    """Have an order placed, and answer it.

    Raises:
        Refusal: the exchange does not take it.
    """
    check_duplicates(desk, [sent.intent.client_id])
    outcome = desk.trading.handle(desk.account, sent.request, {sent.request.order_id: sent.intent})
    order = desk.trading.order_of(desk.account, desk.symbol, sent.request)
    if order is None:
        raise refused(outcome)
    return shapes.placed(order, outcome.fills_of(order), kind, desk.listing.texts, call.time)


def check_duplicates(desk: Desk, client_ids: list[str]) -> None:
    """A client order id is unique among open orders."""
    for name in client_ids:
        known = desk.account.by_client_id(desk.symbol, name)
        if (known is not None and known.is_open) or client_ids.count(name) > 1:
            raise Refusal(-2010, "Duplicate order sent.")


def refused(outcome: Outcome) -> Refusal:
    """What the exchange said instead."""
    return _refusal(outcome.refused[0]) if outcome.refused else Refusal(-1000, "An unknown error occurred while "
                                                                               "processing the request.", 500)


def _refusal(update: OrderUpdate) -> Refusal:
    if not update.code:  # the market is over
        return Refusal(-2010, "Market is closed.")
    return Refusal(update.code, update.reason)


def test(call: Call) -> Any:
    return _test(call, smart=False)


def test_smart(call: Call) -> Any:
    return _test(call, smart=True)


def _test(call: Call, *, smart: bool) -> Any:
    """All is looked at that is looked at before the matching engine; nothing is sent there."""
    desk = desk_of(call)
    computes = call.parameters.flag("computeCommissionRates", False)
    sent, _ = read_order(call, desk, smart=smart)
    arrive(call)
    check_filters(desk, sent)
    return commission_rates(desk) if computes else {}


def check_filters(desk: Desk, sent: Sent) -> None:
    """Refuse what the symbol's filters do not let pass."""
    found = desk.trading.exchange.check(desk.account.number, sent.request)
    if found is not None:
        raise Refusal(*found)


def commission_rates(desk: Desk) -> Any:
    """As ``order/test`` tells them."""
    rates = desk.account.fees.rates(desk.listing.instrument.kind)
    maker, taker, zero = f"{rates.maker:.8f}", f"{rates.taker:.8f}", f"{0:.8f}"
    return {
        "standardCommissionForOrder": {"maker": maker, "taker": taker},
        "specialCommissionForOrder": {"maker": zero, "taker": zero},
        "taxCommissionForOrder": {"maker": zero, "taker": zero},
        "discount": discount(desk.account),
    }


def discount(account: TradingAccount) -> Any:
    pays = account.fees.bnb_prices is not None
    return {"enabledForAccount": pays, "enabledForSymbol": pays, "discountAsset": "BNB", "discount": "0.75000000"}


# --- canceling


def named_order(read: Parameters, desk: Desk, number: str = "orderId", name: str = "origClientOrderId") -> Order | None:
    """The order that the parameters tell of; None: there is none.

    Raises:
        Refusal: neither is told, or they tell of two.
    """
    order_id, called = read.number(number), client_id(read, name)
    if order_id is None and called is None:
        raise neither(name, number)
    if order_id is None:
        return desk.account.by_client_id(desk.symbol, called or "")
    order = desk.account.of(desk.symbol).get(order_id)
    if order is not None and called not in (None, order.client_id):
        raise Refusal(-2039, "Client order ID is not correct for this order ID.")
    return order


def cancel(call: Call) -> Any:
    desk, read = desk_of(call), call.parameters
    order, cancel_id = named_order(read, desk), client_id(read, "newClientOrderId") or new_client_id()
    may = restriction(read)
    arrive(call)
    return take_back(call, desk, order, cancel_id, may)


Restriction = Callable[[Order], bool]


def restriction(read: Parameters) -> Restriction:
    """``cancelRestrictions``: whether an order may be cancelled."""
    text = read.text("cancelRestrictions")
    if text is None:
        return lambda order: True
    allowed = {"ONLY_NEW": OrderStatus.NEW, "ONLY_PARTIALLY_FILLED": OrderStatus.PARTIALLY_FILLED}
    if text not in allowed:
        raise Refusal(-1145, "`cancelRestrictions` has to be either `ONLY_NEW` or `ONLY_PARTIALLY_FILLED`.")
    return lambda order: order.status is allowed[text]


def take_back(call: Call, desk: Desk, order: Order | None, cancel_id: str, may: Restriction) -> Any:
    """Cancel an order, and with it the list that it belongs to.

    Raises:
        Refusal: it is not open, or may not be cancelled.
    """
    if order is None or not order.is_open:
        raise Refusal(*UNKNOWN_ORDER)
    if call.strikes(("fill-before-cancel",)):
        desk.trading.fill_half(order)
    if not order.is_open:
        raise Refusal(*UNKNOWN_ORDER)
    if not may(order):
        raise Refusal(-2011, NOT_CANCELED)
    found = desk.account.lists.get(order.terms.list_id)
    request = CancelOrder(instrument=desk.listing.index, order_id=order.request.order_id)
    legs = found.orders if found else [order]
    intents = {leg.request.order_id: Intent(cancel_id, leg.terms) for leg in legs}
    outcome = desk.trading.handle(desk.account, request, intents)
    if order.is_open:
        raise refused(outcome)
    if found:
        return shapes.list_canceled(found, cancel_id, desk.listing.texts, call.time)
    return shapes.canceled(order, cancel_id, desk.listing.texts, call.time)


def cancel_all(call: Call) -> Any:
    """Of one symbol; a list is answered whole, where its first order would be."""
    desk = desk_of(call)
    arrive(call)
    found, cancel_id = [], new_client_id()
    if not desk.account.open_orders(desk.symbol):
        raise Refusal(*UNKNOWN_ORDER)
    for order in desk.account.open_orders(desk.symbol):
        if order.is_open:
            found.append(take_back(call, desk, order, cancel_id, lambda order: True))
    return found


# --- replacing


class _Half(NamedTuple):
    """One half of a replacement: SUCCESS, FAILURE or NOT_ATTEMPTED, and what is answered to it."""

    result: str
    body: Any
    status: int = 200


def _try(answer: Callable[[], Any]) -> _Half:
    try:
        return _Half("SUCCESS", answer())
    except Refusal as refusal:
        return _Half("FAILURE", {"code": refusal.code, "msg": refusal.msg}, refusal.status)


_NOT_ATTEMPTED = _Half("NOT_ATTEMPTED", None)


def replace(call: Call) -> Any:
    """Cancel an order and place another one; filters and counts are looked at before either."""
    desk, read = desk_of(call), call.parameters
    sent, kind = read_order(call, desk)
    order = named_order(read, desk, "cancelOrderId", "cancelOrigClientOrderId")
    cancel_id = client_id(read, "cancelNewClientOrderId") or new_client_id()
    goes_on = _choice(read, "cancelReplaceMode", ("STOP_ON_FAILURE", "ALLOW_FAILURE")) == "ALLOW_FAILURE"
    cancels_only = _choice(read, "orderRateLimitExceededMode", ("DO_NOTHING", "CANCEL_ONLY"), needed=False)
    may = restriction(read)
    arrive(call)
    check_filters(desk, sent)
    limited = call.order_refusal
    if limited is not None and cancels_only != "CANCEL_ONLY":
        raise limited

    def place_new() -> Any:
        if limited is not None:
            raise limited
        return put(call, desk, sent, kind)

    first = _try(lambda: take_back(call, desk, order, cancel_id, may))
    second = _NOT_ATTEMPTED if first.result == "FAILURE" and not goes_on else _try(place_new)
    return _replaced(first, second)


def _choice(read: Parameters, name: str, allowed: tuple[str, ...], *, needed: bool = True) -> str:
    value = read.needed(name) if needed else read.text(name) or allowed[0]
    if value not in allowed:
        raise not_valid(name)
    return value


def _replaced(first: _Half, second: _Half) -> Any:
    data: Mapping[str, Any] = {
        "cancelResult": first.result, "newOrderResult": second.result, "cancelResponse": first.body,
        "newOrderResponse": second.body,
    }
    if first.result == second.result == "SUCCESS":
        return data
    if "SUCCESS" in (first.result, second.result):
        status = 429 if second.status == 429 else 409
        raise Refusal(-2021, "Order cancel-replace partially failed.", status, data=data)
    raise Refusal(-2022, "Order cancel-replace failed.", 400, data=data)


# --- amending


def amend(call: Call) -> Any:
    """Lower an order's quantity; it keeps its number and its place in the queue, not its client order id."""
    desk, read = desk_of(call), call.parameters
    order, new_id = named_order(read, desk), client_id(read, "newClientOrderId") or new_client_id()
    quantity = amount(read, "newQty")
    if quantity is None:
        raise missing("newQty")
    arrive(call)
    lots = lots_of(desk.listing, quantity)
    if order is None or not order.is_open:
        raise Refusal(-2013, "Order does not exist.")
    if lots == order.lots:
        raise Refusal(AMEND_REJECTED, "The requested action would change no state; rejecting.")
    former = order.client_id
    if new_id != former:
        check_duplicates(desk, [new_id])
    before = len(desk.account.amendments)
    request = AmendOrder(instrument=desk.listing.index, order_id=order.request.order_id, quantity=lots)
    outcome = desk.trading.handle(desk.account, request, {order.request.order_id: Intent(new_id, order.terms)})
    if len(desk.account.amendments) == before:
        why = outcome.refused[0].reason if outcome.refused else "The requested action would change no state; rejecting."
        raise Refusal(AMEND_REJECTED, why)
    shape = shapes.amended(order, former, desk.account.amendments[before].execution_id, desk.listing.texts, call.time)
    found = desk.account.lists.get(order.terms.list_id)
    return shape | ({"listStatus": shapes.amended_list(found)} if found else {})

