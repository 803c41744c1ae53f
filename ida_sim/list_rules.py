"""What Binance asks of the legs of an order list before any of them comes near the book, and in which words.

Sources: Binance Spot API docs, rest-api.md (order lists), errors.md, faqs/opo.md.
"""

from __future__ import annotations

from ida_core import Instrument, InstrumentKind, ListKind, OrderType, PlaceList, PlaceOrder, Side
from ida_sim.filters import UNSUPPORTED, Refused

STOP_LOSSES = (OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT)
TAKE_PROFITS = (OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT)
_LIMITS = (OrderType.LIMIT, OrderType.LIMIT_MAKER)
#: Lists whose pending legs sell what the working one bought.
PAYING = (ListKind.OPO, ListKind.OPOCO)
#: Lists that hold a pair, of which only one is filled.
PAIRED = (ListKind.OCO, ListKind.OTOCO, ListKind.OPOCO)
_LEGS = {ListKind.OCO: 2, ListKind.OTO: 2, ListKind.OTOCO: 3, ListKind.OPO: 2, ListKind.OPOCO: 3}

NOT_IN_OCO = -1158, "Order type not supported in OCO."
NOT_WORKING = -1159, "Order type not supported in the working leg of an order list."
ONE_CONTINGENT = -1168, "At least one OCO order must be contingent."
RELATION = -2010, "The relationship of the prices for the orders is not correct."
UNWANTED_QUOTE = -1106, "Parameter 'quoteOrderQty' sent when not required."
OPO_BUYS = -1222, "The working order of an OPO must be on the BUY side."
OPO_SELLS = -1223, "The pending orders of an OPO must be on the SELL side."
_BUY, _SELL = Side.BUY, Side.SELL
#: (side, is it the leg above, the kind of leg) that may not be.
_MISPLACED = {
    (_BUY, True, "limit"): (-1165, "A limit order in a buy OCO must be below."),
    (_SELL, False, "limit"): (-1166, "A limit order in a sell OCO must be above."),
    (_BUY, False, "stop"): (-1196, "A stop loss order in a buy OCO must be above."),
    (_SELL, True, "stop"): (-1197, "A stop loss order in a sell OCO must be below."),
    (_BUY, True, "profit"): (-1198, "A take profit order in a buy OCO must be below."),
    (_SELL, False, "profit"): (-1199, "A take profit order in a sell OCO must be above."),
}


def check_list(request: PlaceList, instrument: Instrument, last_price: int | None) -> Refused | None:
    """None where the legs may hang together so, else the venue's code and words. ``last_price``: in ticks, with which
    the prices of a pair that works at once are compared. Pegged legs have got their prices."""
    legs, kind = request.legs, request.kind
    if (refused := _incapable(kind, instrument)) is not None:
        return refused
    if len(legs) != _LEGS[kind] or any(leg.instrument != request.instrument for leg in legs):
        return UNSUPPORTED
    if any(leg.quote_quantity is not None for leg in legs):
        return UNWANTED_QUOTE
    if kind is ListKind.OCO:
        return _check_pair(legs[0], legs[1]) or _check_relation(legs[0], legs[1], last_price)
    if legs[0].type not in _LIMITS:
        return NOT_WORKING
    if kind in PAYING and (refused := _check_paying(legs)) is not None:
        return refused
    if kind in PAIRED:
        return _check_pair(legs[1], legs[2]) or _check_relation(legs[1], legs[2], None)
    return None


def _incapable(kind: ListKind, instrument: Instrument) -> Refused | None:
    filters, is_spot = instrument.filters, instrument.kind is InstrumentKind.SPOT
    wants = (("OCO", filters.oco_allowed, kind in PAIRED), ("OTO", filters.oto_allowed, kind is not ListKind.OCO),
             ("OPO", filters.opo_allowed, kind in PAYING))
    missing = next((name for name, allowed, is_asked in wants if is_asked and not (allowed and is_spot)), None)
    return None if missing is None else (-2010, f"{missing} orders are not supported for this symbol")


def _check_paying(legs: tuple[PlaceOrder, ...]) -> Refused | None:
    if legs[0].side is not Side.BUY:
        return OPO_BUYS
    return OPO_SELLS if any(leg.side is not Side.SELL for leg in legs[1:]) else None


def _kind(leg: PlaceOrder) -> str:
    if leg.type in STOP_LOSSES:
        return "stop"
    if leg.type in TAKE_PROFITS:
        return "profit"
    return "limit" if leg.type is OrderType.LIMIT_MAKER else ""


def _check_pair(above: PlaceOrder, below: PlaceOrder) -> Refused | None:
    kinds = _kind(above), _kind(below)
    if not all(kinds):
        return NOT_IN_OCO
    if kinds == ("limit", "limit"):
        return ONE_CONTINGENT
    if above.side is not below.side or above.quantity != below.quantity:
        return UNSUPPORTED
    return _MISPLACED.get((above.side, True, kinds[0])) or _MISPLACED.get((above.side, False, kinds[1]))


def _check_relation(above: PlaceOrder, below: PlaceOrder, last_price: int | None) -> Refused | None:
    """A leg that only trails has no price to compare."""
    upper, lower = _level(above), _level(below)
    if last_price is not None:
        is_wrong = (upper is not None and upper <= last_price) or (lower is not None and lower >= last_price)
    else:
        is_wrong = upper is not None and lower is not None and upper <= lower
    return RELATION if is_wrong else None


def _level(leg: PlaceOrder) -> int | None:
    return leg.price if leg.type is OrderType.LIMIT_MAKER else leg.stop_price
