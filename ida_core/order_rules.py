"""What an order must have before it may be asked for, whatever the venue: quantity, prices, the shape of a list."""

from msgspec.structs import replace

from ida_core.events import PlaceList, PlaceOrder
from ida_core.model import ListKind, OrderType, TimeInForce

Why = tuple[str, str] | None
_UNPRICED = frozenset({OrderType.MARKET, OrderType.STOP_LOSS, OrderType.TAKE_PROFIT})
_STOPS = frozenset(
    {OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT}
)
#: How many legs a list has; those that follow the first where it is no pair are contingent.
_LEGS = {ListKind.OCO: 2, ListKind.OTO: 2, ListKind.OTOCO: 3, ListKind.OPO: 2, ListKind.OPOCO: 3}
#: Lists whose pending legs sell what the working one bought, so that their quantity is not known before.
_BY_WHAT_WAS_BOUGHT = (ListKind.OPO, ListKind.OPOCO)
#: Lists whose last two legs are a pair, of which only one trades.
PAIRED = (ListKind.OCO, ListKind.OTOCO, ListKind.OPOCO)


def legs_at_most(request: PlaceList) -> tuple[PlaceOrder, ...]:
    """The legs; what is to sell what the first one buys, with as much as that may be."""
    if request.kind not in _BY_WHAT_WAS_BOUGHT or not request.legs:
        return request.legs
    return tuple(leg if leg.quantity else replace(leg, quantity=request.legs[0].quantity) for leg in request.legs)


def why_not_list(request: PlaceList) -> Why:
    """Its shape, and each leg; a stable word and a sentence, or None."""
    ids = [request.order_id, *(leg.order_id for leg in request.legs)]
    if len(request.legs) != _LEGS[request.kind]:
        return "invalid", f"{request.kind.value} has {_LEGS[request.kind]} legs, not {len(request.legs)}"
    if len(set(ids)) != len(ids):
        return "duplicate_id", f"the list {request.order_id} and its legs share an id"
    for number, leg in enumerate(request.legs):
        if (leg.instrument, leg.strategy) != (request.instrument, request.strategy):
            return "invalid", f"leg {leg.order_id} is another strategy's, or on another instrument"
        told_later = number > 0 and request.kind in _BY_WHAT_WAS_BOUGHT
        if (why := why_not_place(leg, told_later=told_later)) is not None:
            return why
    return _why_no_pair(request) if request.kind in PAIRED else None


def _why_no_pair(request: PlaceList) -> Why:
    one, other = request.legs[-2:]
    if (one.side, one.quantity) == (other.side, other.quantity):
        return None
    return "invalid", f"legs {one.order_id} and {other.order_id} are a pair: they must have one side and one quantity"


def why_not_place(request: PlaceOrder, *, told_later: bool = False) -> Why:
    """A stable word and a sentence, or None. ``told_later``: the venue will tell the quantity."""
    by_quote = request.quantity == 0 and request.quote_quantity is not None
    if request.quantity <= 0 and not by_quote and not (told_later and request.quantity == 0):
        return "invalid", f"quantity {request.quantity} lots must be above 0"
    if request.quote_quantity is not None:
        return _why_not_by_quote(request)
    priced = request.type not in _UNPRICED
    if not priced and request.tif is TimeInForce.FOK:
        return "invalid", f"{request.type.value} takes what there is: FOK needs a price"
    if request.peg is not None and request.price is not None:
        return "invalid", f"a pegged order takes its price from the book: {request.price} is not for it"
    if priced and request.peg is None and (request.price is None or request.price <= 0):
        return "invalid", f"{request.type.value} needs a price above 0, not {request.price}"
    stop, trails = request.stop_price, request.trailing_delta > 0
    if request.type in _STOPS and (stop <= 0 if stop is not None else not trails):
        return "invalid", f"{request.type.value} needs a stop price above 0"
    return _why_not_special(request)


def _why_not_special(request: PlaceOrder) -> Why:
    if request.trailing_delta and request.type not in _STOPS:
        return "invalid", f"a trailing delta is for stops, not for {request.type.value}"
    if request.trailing_delta < 0:
        return "invalid", f"trailing_delta {request.trailing_delta} must not be below 0"
    if not 0 <= request.iceberg <= request.quantity:
        return "invalid", f"iceberg {request.iceberg} lots must be from 0 to the quantity {request.quantity}"
    if request.peg_offset and request.peg is None:
        return "invalid", f"peg_offset {request.peg_offset} is for pegged orders"
    return None


def _why_not_by_quote(request: PlaceOrder) -> Why:
    if request.type is not OrderType.MARKET or request.quantity:
        return "invalid", "quote_quantity is for MARKET orders without a quantity"
    if request.quote_quantity is None or request.quote_quantity <= 0:
        return "invalid", f"quote_quantity {request.quote_quantity} must be above 0"
    return None
