"""What an exchange like Binance refuses before an order comes near the book, and in which words.

The order of the checks is that of the filters in Binance's exchangeInfo; the first that fails
answers. Spot says all in one code, perpetuals have a code for each. That a price lies on the tick
grid and a quantity on the lot grid needs no check: an order cannot say anything else.

Sources: Binance Spot API docs, filters.md and errors.md; USDⓈ-M futures docs, error codes.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import NamedTuple

from ida_core import Instrument, InstrumentKind, OrderType, PlaceOrder, Side, plain
from ida_sim.exact import exact

#: The venue's code and its words.
Refused = tuple[int, str]


class Situation(NamedTuple):
    """What the filters know beside the order.

    ``reference``: average or mark price in quote units, None before there is one; what needs it
    then passes. ``open_orders``: of the account and instrument, the new one not counted.
    ``held``: base units free and locked, and those of open buys (perpetuals: the position).
    """

    reference: Decimal | None = None
    open_orders: int = 0
    held: Decimal = Decimal(0)


NOTHING_KNOWN = Situation()


class Breach(NamedTuple):
    filter: str
    bound: str  # "min" or "max"
    limit: Decimal | int


Check = Callable[[PlaceOrder, Instrument, Situation], Breach | None]

_PERPETUAL: Mapping[tuple[str, str], tuple[int, str]] = {
    ("PRICE_FILTER", "min"): (-4013, "Price less than min price."),
    ("PRICE_FILTER", "max"): (-4002, "Price greater than max price."),
    ("LOT_SIZE", "min"): (-4004, "Quantity less than min quantity."),
    ("LOT_SIZE", "max"): (-4005, "Quantity greater than max quantity."),
    ("MARKET_LOT_SIZE", "min"): (-4004, "Quantity less than min quantity."),
    ("MARKET_LOT_SIZE", "max"): (-4005, "Quantity greater than max quantity."),
    ("PERCENT_PRICE", "min"): (-4024, "Limit price can't be lower than {}."),
    ("PERCENT_PRICE", "max"): (-4016, "Limit price can't be higher than {}."),
    ("MIN_NOTIONAL", "min"): (
        -4164, "Order's notional must be no smaller than {} (unless you choose reduce only)."
    ),
    ("MAX_NUM_ORDERS", "max"): (-2025, "Reach max open order limit."),
    ("MAX_POSITION", "max"): (
        -2027, "Exceeded the maximum allowable position at current leverage."
    ),
}  # fmt: skip


@exact
def check_order(
    order: PlaceOrder, instrument: Instrument, situation: Situation = NOTHING_KNOWN
) -> Refused | None:
    """Return None when every filter lets ``order`` pass, else the venue's code and words."""
    for check in _CHECKS:
        breach = check(order, instrument, situation)
        if breach is not None:
            return _refused(breach, instrument)
    return None


def _refused(breach: Breach, instrument: Instrument) -> Refused:
    key = (breach.filter, breach.bound)
    if instrument.kind is InstrumentKind.SPOT or key not in _PERPETUAL:
        return -1013, f"Filter failure: {breach.filter}"
    code, text = _PERPETUAL[key]
    return code, text.format(plain(Decimal(breach.limit)))


def _outside(
    name: str, value: Decimal, least: Decimal | None, most: Decimal | None
) -> Breach | None:
    if least is not None and value < least:
        return Breach(name, "min", least)
    if most is not None and value > most:
        return Breach(name, "max", most)
    return None


def _price(order: PlaceOrder, instrument: Instrument, _: Situation) -> Breach | None:
    filters = instrument.filters
    for ticks in (order.price, order.stop_price):
        if ticks is None:
            continue
        if ticks <= 0:
            return Breach("PRICE_FILTER", "min", filters.min_price or instrument.tick_size)
        price = instrument.price(ticks)
        breach = _outside("PRICE_FILTER", price, filters.min_price, filters.max_price)
        if breach is not None:
            return breach
    return None


def _lot(order: PlaceOrder, instrument: Instrument, _: Situation) -> Breach | None:
    filters = instrument.filters
    if order.quote_quantity is not None:
        return None  # the exchange itself chooses whole lots
    least = filters.min_quantity or instrument.lot_size
    return _outside("LOT_SIZE", instrument.quantity(order.quantity), least, filters.max_quantity)


def _market_lot(order: PlaceOrder, instrument: Instrument, _: Situation) -> Breach | None:
    filters = instrument.filters
    if order.type is not OrderType.MARKET or order.quote_quantity is not None:
        return None
    quantity = instrument.quantity(order.quantity)
    least, most = filters.market_min_quantity, filters.market_max_quantity
    return _outside("MARKET_LOT_SIZE", quantity, least, most)


def _percent(order: PlaceOrder, instrument: Instrument, now: Situation) -> Breach | None:
    """Spot bounds each side above and below; perpetuals buys above and sells below."""
    ticks = order.price if order.price is not None else order.stop_price
    if ticks is None or now.reference is None:
        return None
    f, buys = instrument.filters, order.side is Side.BUY
    spot = instrument.kind is InstrumentKind.SPOT
    down = f.bid_multiplier_down if buys else f.ask_multiplier_down
    up = f.bid_multiplier_up if buys else f.ask_multiplier_up
    least = down * now.reference if down is not None and (spot or not buys) else None
    most = up * now.reference if up is not None and (spot or buys) else None
    name = "PERCENT_PRICE_BY_SIDE" if spot else "PERCENT_PRICE"
    return _outside(name, instrument.price(ticks), least, most)


def _notional(order: PlaceOrder, instrument: Instrument, now: Situation) -> Breach | None:
    """A market order is held against the reference, and has no upper bound, as is usual."""
    filters = instrument.filters
    value = _value(order, instrument, now.reference)
    if value is None or (order.reduce_only and instrument.kind is not InstrumentKind.SPOT):
        return None
    name = "MIN_NOTIONAL" if filters.max_notional is None else "NOTIONAL"
    most = filters.max_notional if order.price is not None else None
    return _outside(name, value, filters.min_notional, most)


def _value(
    order: PlaceOrder, instrument: Instrument, reference: Decimal | None
) -> Decimal | None:
    if order.quote_quantity is not None:
        return order.quote_quantity
    ticks = order.price if order.price is not None else order.stop_price
    if ticks is not None or instrument.kind is InstrumentKind.INVERSE:
        return instrument.notional(ticks or 0, order.quantity)
    if reference is None:
        return None
    return reference * instrument.quantity(order.quantity) * instrument.multiplier


def _position(order: PlaceOrder, instrument: Instrument, now: Situation) -> Breach | None:
    most = instrument.filters.max_position
    if instrument.kind is InstrumentKind.SPOT and order.side is Side.SELL:
        return None
    held = now.held if order.side is Side.BUY else -now.held
    return _outside("MAX_POSITION", held + instrument.quantity(order.quantity), None, most)


def _count(order: PlaceOrder, instrument: Instrument, now: Situation) -> Breach | None:
    most = instrument.filters.max_orders
    if most is None or order.type is OrderType.MARKET or now.open_orders < most:
        return None
    return Breach("MAX_NUM_ORDERS", "max", most)


_CHECKS: tuple[Check, ...] = (
    _price, _lot, _market_lot, _percent, _notional, _position, _count
)  # fmt: skip
