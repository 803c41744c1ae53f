"""What an exchange like Binance refuses before an order comes near the book, and in which words.

First what the instrument can do at all, then the filters, in the order of Binance's exchangeInfo, then those that count
open orders; the first that fails answers. Spot says all filters in one code, perpetuals have a code for each. That a
price lies on the tick grid and a quantity on the lot grid needs no check: an order cannot say anything else.

Sources: Binance Spot API docs, filters.md and errors.md; USDⓈ-M futures docs, error codes.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import NamedTuple

from ida_core import Instrument, InstrumentKind, OrderType, PegPrice, PlaceOrder, Side, TimeInForce, plain
from ida_sim.exact import exact

#: The venue's code and its words.
Refused = tuple[int, str]


class Situation(NamedTuple):
    """What the filters know beside the order.

    ``reference``: average or mark price in quote units, None before there is one; what needs it
    then passes. ``open_orders``: of the account and instrument, the new one not counted.
    ``held``: base units free and locked, and those of open buys (perpetuals: the position). ``stops`` and ``icebergs``
    of the open orders; ``all_``: of all instruments.
    """

    reference: Decimal | None = None
    open_orders: int = 0
    held: Decimal = Decimal(0)
    stops: int = 0
    icebergs: int = 0
    all_orders: int = 0
    all_stops: int = 0
    all_icebergs: int = 0


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


STOPS = frozenset({
    OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT})
_PRICED = frozenset({
    OrderType.LIMIT, OrderType.LIMIT_MAKER, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT_LIMIT})
_LIMITS = (OrderType.LIMIT, OrderType.LIMIT_MAKER)
_PLURALS = {
    OrderType.LIMIT: "Limit", OrderType.LIMIT_MAKER: "Limit maker", OrderType.MARKET: "Market",
    OrderType.STOP_LOSS: "Stop loss", OrderType.STOP_LOSS_LIMIT: "Stop loss limit",
    OrderType.TAKE_PROFIT: "Take profit", OrderType.TAKE_PROFIT_LIMIT: "Take profit limit",
}
NO_STP_MODE = -1013, "This symbol does not allow the specified self-trade prevention mode."
NO_QUOTE_QUANTITY = -2010, "Quote order qty market orders are not support for this symbol."
ICEBERG_TOO_LARGE = -2010, "IcebergQty exceeds QTY."
NO_SUCH_PEG = -1210, "Invalid pegPriceType."
NO_AMEND = -2038, "Order amend is not supported for this symbol."
NO_REPLACE = -2010, "Order cancel-replace is not supported for this symbol."
UNSUPPORTED = -1014, "Unsupported order combination."
TOO_MANY_LISTS = -1013, "Filter failure: MAX_NUM_ORDER_LISTS"
TOO_MANY_LISTS_OF_ALL = -1013, "Filter failure: EXCHANGE_MAX_NUM_ORDER_LISTS"


def unsupported(what: str) -> Refused:
    return -2010, f"{what} orders are not supported for this symbol."


@exact
def check_order(
    order: PlaceOrder, instrument: Instrument, situation: Situation = NOTHING_KNOWN
) -> Refused | None:
    """Return None when every filter lets ``order`` pass, else the venue's code and words."""
    filters = instrument.filters
    is_plain = not (order.iceberg or order.trailing_delta or filters.asset_max_quantity or filters.asset_max_notional)
    checks = _PLAIN_CHECKS if is_plain else _CHECKS
    return _incapable(order, instrument) or _first_breach(checks, order, instrument, situation)


def _first_breach(
    checks: tuple[Check, ...], order: PlaceOrder, instrument: Instrument, situation: Situation
) -> Refused | None:
    for check in checks:
        breach = check(order, instrument, situation)
        if breach is not None:
            return _refused(breach, instrument)
    return None


@exact
def check_amended(order: PlaceOrder, instrument: Instrument) -> Refused | None:
    """Of an order with the quantity that an amendment asks for: what quantities must be."""
    if not instrument.filters.amend_allowed:
        return NO_AMEND
    return _first_breach((_lot, _notional, _parts), order, instrument, NOTHING_KNOWN)


def check_lists(instrument: Instrument, lists: int, all_lists: int) -> Refused | None:
    """Whether another order list may be opened beside so many of the instrument, and of all."""
    filters = instrument.filters
    if filters.max_order_lists is not None and lists >= filters.max_order_lists:
        return TOO_MANY_LISTS
    most = filters.exchange_max_order_lists
    return TOO_MANY_LISTS_OF_ALL if most is not None and all_lists >= most else None


def _incapable(order: PlaceOrder, instrument: Instrument) -> Refused | None:
    """What the instrument cannot do at all."""
    filters = instrument.filters
    if filters.order_types is not None and order.type not in filters.order_types:
        return unsupported(_PLURALS[order.type])
    if filters.stp_modes is not None and order.stp not in filters.stp_modes:
        return NO_STP_MODE
    if order.quote_quantity is not None and not filters.quote_quantity_allowed:
        return NO_QUOTE_QUANTITY
    if order.iceberg and (refused := _no_iceberg(order, instrument)) is not None:
        return refused
    if order.trailing_delta and not filters.trailing_allowed:
        return unsupported("Trailing stop")
    return _no_peg(order, instrument) if order.peg is not None else None


def _no_iceberg(order: PlaceOrder, instrument: Instrument) -> Refused | None:
    if not instrument.filters.iceberg_allowed:
        return unsupported("Iceberg")
    if order.type not in _PRICED or order.tif is not TimeInForce.GTC:
        return UNSUPPORTED
    return ICEBERG_TOO_LARGE if order.iceberg > order.quantity else None


def _no_peg(order: PlaceOrder, instrument: Instrument) -> Refused | None:
    if not instrument.filters.peg_allowed:
        return unsupported("Pegged")
    primary = order.peg is PegPrice.PRIMARY_PEG
    if order.type not in _PRICED or order.smart or not 0 <= order.peg_offset <= 100:
        return UNSUPPORTED
    if order.type is OrderType.LIMIT_MAKER and not primary:
        return NO_SUCH_PEG
    return NO_SUCH_PEG if order.type is OrderType.LIMIT and primary and order.tif is not TimeInForce.GTC else None


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
    breach = _outside("LOT_SIZE", instrument.quantity(order.quantity), least, filters.max_quantity)
    if breach is None and order.iceberg:
        return _outside("LOT_SIZE", instrument.quantity(order.iceberg), least, filters.max_quantity)
    return breach


def _market_lot(order: PlaceOrder, instrument: Instrument, _: Situation) -> Breach | None:
    filters = instrument.filters
    if order.type is not OrderType.MARKET or order.quote_quantity is not None:
        return None
    quantity = instrument.quantity(order.quantity)
    least, most = filters.market_min_quantity, filters.market_max_quantity
    if filters.market_step and quantity % filters.market_step:
        return Breach("MARKET_LOT_SIZE", "min", filters.market_step)
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
    """A market order is held against the reference, where the filter applies to it."""
    filters = instrument.filters
    value = _value(order, instrument, now.reference)
    if value is None or (order.reduce_only and instrument.kind is not InstrumentKind.SPOT):
        return None
    name = "MIN_NOTIONAL" if filters.max_notional is None else "NOTIONAL"
    most = filters.max_notional if order.price is not None or filters.apply_max_to_market else None
    applies = order.type is not OrderType.MARKET or filters.apply_min_to_market
    return _outside(name, value, filters.min_notional if applies else None, most)


def _parts(order: PlaceOrder, instrument: Instrument, _: Situation) -> Breach | None:
    most = instrument.filters.iceberg_parts
    if not order.iceberg or most is None:
        return None
    return Breach("ICEBERG_PARTS", "max", most) if -(-order.quantity // order.iceberg) > most else None


def _trailing(order: PlaceOrder, instrument: Instrument, _: Situation) -> Breach | None:
    if not order.trailing_delta:
        return None
    f = instrument.filters
    is_above = (order.type in (OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT)) == (order.side is Side.BUY)
    least = f.min_trailing_above if is_above else f.min_trailing_below
    most = f.max_trailing_above if is_above else f.max_trailing_below
    delta = order.trailing_delta
    if least is not None and delta < least:
        return Breach("TRAILING_DELTA", "min", least)
    return Breach("TRAILING_DELTA", "max", most) if most is not None and delta > most else None


def _asset(order: PlaceOrder, instrument: Instrument, now: Situation) -> Breach | None:
    f = instrument.filters
    if f.asset_max_quantity is None and f.asset_max_notional is None:
        return None
    quantity = instrument.quantity(order.quantity) * instrument.multiplier
    value = _value(order, instrument, now.reference)
    breach = _outside("MAX_ASSET", quantity, None, f.asset_max_quantity)
    if breach is None and value is not None:
        return _outside("MAX_ASSET", value, None, f.asset_max_notional)
    return breach


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
    """Open orders, the new one not counted, must be fewer than each limit."""
    f = instrument.filters
    if order.type is OrderType.MARKET:
        return None
    if f.max_orders is not None and now.open_orders >= f.max_orders:
        return Breach("MAX_NUM_ORDERS", "max", f.max_orders)
    if f.exchange_max_orders is not None and now.all_orders >= f.exchange_max_orders:
        return Breach("EXCHANGE_MAX_NUM_ORDERS", "max", f.exchange_max_orders)
    if order.type in STOPS:
        limits = (("MAX_NUM_ALGO_ORDERS", now.stops, f.max_algo_orders),
                  ("EXCHANGE_MAX_NUM_ALGO_ORDERS", now.all_stops, f.exchange_max_algo_orders))
        if (breach := _too_many(*limits)) is not None:
            return breach
    if order.iceberg:
        return _too_many(("MAX_NUM_ICEBERG_ORDERS", now.icebergs, f.max_iceberg_orders),
                         ("EXCHANGE_MAX_NUM_ICEBERG_ORDERS", now.all_icebergs, f.exchange_max_iceberg_orders))
    return None


def _too_many(*limits: tuple[str, int, int | None]) -> Breach | None:
    found = (Breach(name, "max", most) for name, there, most in limits if most is not None and there >= most)
    return next(found, None)


_CHECKS: tuple[Check, ...] = (
    _price, _lot, _market_lot, _percent, _notional, _parts, _position, _trailing, _asset, _count
)  # fmt: skip
#: What can be broken by an order that is no iceberg and does not trail, where no asset is limited.
_PLAIN_CHECKS: tuple[Check, ...] = (_price, _lot, _market_lot, _percent, _notional, _position, _count)
