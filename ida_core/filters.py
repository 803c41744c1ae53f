"""An exchange's filters, asked before anything is sent: what it would refuse is refused here, by name.

The refusal says value, bound and the nearest legal value. Every filter that ``Instrument.filters`` sets is looked at;
the first that an order breaks answers. Bounds are turned into ticks and lots once, so that an order costs a few
comparisons. What holds at the exchange's own average or reference price (``PERCENT_PRICE``, the value of a market
order) is held against the mid here: near the bound the exchange may still say no, or would have said yes. Where a
filter needs what is not known it lets pass: the exchange has the last word.

Source: Binance Spot API docs, filters.md.
"""

from collections.abc import Callable, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from math import ceil, floor

from ida_core.events import (
    AmendOrder,
    AnyRequest,
    OrderStatus,
    PlaceList,
    PlaceOrder,
    Refusal,
    ReplaceOrder,
)
from ida_core.model import Filters, Instrument, InstrumentKind, ListKind, OrderType, Side, plain
from ida_core.order import Order
from ida_core.order_table import OrderTable

#: A filter's name, and a sentence with value, bound and the nearest legal value.
Breach = tuple[str, str] | None
STOPS = frozenset({
    OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT})
_STOP_LOSSES = frozenset({OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT})
_MARKET = OrderType.MARKET
_PENDING_CANCEL = OrderStatus.PENDING_CANCEL
#: What an instrument must be able to do for a list of each kind.
_NEEDS = {
    ListKind.OCO: ("oco",), ListKind.OTO: ("oto",), ListKind.OTOCO: ("oto", "oco"), ListKind.OPO: ("oto", "opo"),
    ListKind.OPOCO: ("oto", "opo", "oco"),
}


class Bounds:
    """An instrument's filters, in ticks, lots and ticks × lots; None where there is no bound."""

    def __init__(self, instrument: Instrument) -> None:
        f = instrument.filters
        self.instrument, self.filters = instrument, f
        tick, lot = instrument.tick_size, instrument.lot_size
        self.inverse = instrument.kind is InstrumentKind.INVERSE
        self.spot = instrument.kind is InstrumentKind.SPOT
        unit = instrument.notional(1, 1)
        self.prices = _least(f.min_price, tick), _most(f.max_price, tick)
        self.lots = _least(f.min_quantity, lot), _most(f.max_quantity, lot)
        self.market_lots = _least(f.market_min_quantity, lot), _most(f.market_max_quantity, lot)
        self.market_step = int(f.market_step / lot) if f.market_step else 1
        self.values = _least(f.min_notional, unit), _most(f.max_notional, unit)
        self.asset_lots, self.asset_value = _most(f.asset_max_quantity, lot), _most(f.asset_max_notional, unit)
        self.held_lots = _most(f.max_position, lot)
        self.checks = _checks_of(f)
        self.counts = [(name, most, counts) for name, most, counts in _counts_of(f) if most is not None]


class FilterCheck:
    """Says what the exchange would refuse.

    Args:
        mid: the mid price of an instrument in ticks, None where it is not known.
        held: what the account holds of an instrument, in base units (perpetuals: the position).
    """

    def __init__(
        self, instruments: Sequence[Instrument], orders: OrderTable, mid: Callable[[int], float | None],
        held: Callable[[int], Decimal],
    ) -> None:
        self.orders, self.mid, self.held = orders, mid, held
        self._bounds = [None if one.filters == Filters() else Bounds(one) for one in instruments]

    def check(self, request: AnyRequest, now_ns: int) -> Refusal | None:
        """Return None where no filter is broken, else a refusal by ``filters`` whose reason is the filter's name."""
        bounds = self._bounds[request.instrument] if request.instrument >= 0 else None
        if bounds is None:
            return None
        if request.__class__ is PlaceOrder:
            breach = self._order(request, bounds)
        elif isinstance(request, PlaceList):
            breach = self._list(request, bounds)
        elif isinstance(request, ReplaceOrder | AmendOrder):
            breach = self._changed(request, bounds)
        else:
            return None
        if breach is None:
            return None
        detail = f"{bounds.instrument.name}, {breach[0]}: {breach[1]}"
        return Refusal(ts_local_ns=now_ns, instrument=request.instrument, request=request, by="filters",
                       reason=breach[0], detail=detail)

    def _order(self, order: PlaceOrder, bounds: Bounds) -> Breach:
        for check in bounds.checks:
            breach = check(self, order, bounds)
            if breach is not None:
                return breach
        return self._counts((order,), bounds) if bounds.counts else None

    def _list(self, request: PlaceList, bounds: Bounds) -> Breach:
        lacks = next((name for name in _NEEDS[request.kind] if not getattr(bounds.filters, f"{name}_allowed")), None)
        if lacks is not None:
            return f"{lacks.upper()}_ALLOWED", f"no {request.kind.value} lists can be placed here"
        for leg in request.legs:
            for check in bounds.checks:
                if (breach := check(self, leg, bounds)) is not None:
                    return breach
        return self._lists(bounds) or self._counts(request.legs, bounds)

    def _changed(self, request: ReplaceOrder | AmendOrder, bounds: Bounds) -> Breach:
        """A replacement or an amendment, as the order that it makes of the one there is. One more than can be open at
        a time it never makes."""
        order = self.orders.get(request.order_id)
        if order is None:
            return None
        if isinstance(request, AmendOrder) and (breach := _amendable(order, bounds.filters)) is not None:
            return breach
        if isinstance(request, ReplaceOrder) and not bounds.filters.cancel_replace_allowed:
            return "CANCEL_REPLACE_ALLOWED", "no order can be replaced here: cancel it and place anew"
        as_placed = PlaceOrder(
            order_id=order.order_id, instrument=order.instrument, side=order.side, type=order.type, tif=order.tif,
            quantity=request.quantity, price=request.price if isinstance(request, ReplaceOrder) else order.price,
            stop_price=order.stop_price, iceberg=order.iceberg, reduce_only=order.reduce_only)
        checks = bounds.checks if isinstance(request, ReplaceOrder) else _AMENDED
        return next(filter(None, (check(self, as_placed, bounds) for check in checks if check is not _position)), None)

    # --- how many may be open --------------------------------------------------------------------

    def _counts(self, placed: Sequence[PlaceOrder], bounds: Bounds) -> Breach:
        for name, most, counts in bounds.counts:
            where = None if name.startswith("EXCHANGE") else placed[0].instrument
            if self.orders.open_count(where) + len(placed) <= most:
                continue
            adding = sum(1 for order in placed if order.type is not _MARKET and counts(order))
            live = self.orders.open(instrument=where)
            found = sum(1 for order in live if order.status is not _PENDING_CANCEL and counts(order))
            if adding and found + adding > most:
                return name, f"{found} such orders are open, and with {adding} more it would be more than {most}"
        return None

    def _lists(self, bounds: Bounds) -> Breach:
        index = next(k for k, one in enumerate(self._bounds) if one is bounds)
        f = bounds.filters
        for name, most, where in (("MAX_NUM_ORDER_LISTS", f.max_order_lists, index),
                                  ("EXCHANGE_MAX_NUM_ORDER_LISTS", f.exchange_max_order_lists, None)):
            live = [o for o in self.orders.open(instrument=where) if o.list_id and o.status is not _PENDING_CANCEL]
            if most is not None and len(found := {order.list_id for order in live}) >= most:
                return name, f"{len(found)} lists are open, and {most} is the most"
        return None


# --- each filter: the check, the order, the bounds -> a breach ------------------------------------

Check = Callable[[FilterCheck, PlaceOrder, Bounds], Breach]


def _capable(_: FilterCheck, order: PlaceOrder, bounds: Bounds) -> Breach:
    f = bounds.filters
    if f.order_types is not None and order.type not in f.order_types:
        return "ORDER_TYPES", f"{order.type.value} is not among {', '.join(one.value for one in f.order_types)}"
    if f.stp_modes is not None and order.stp not in f.stp_modes:
        return "STP_MODES", f"{order.stp.value} is not among {', '.join(one.value for one in f.stp_modes)}"
    if not (order.iceberg or order.trailing_delta or order.peg is not None or order.quote_quantity is not None):
        return None
    for name, asked in (("iceberg", order.iceberg), ("trailing", order.trailing_delta), ("peg", order.peg is not None),
                        ("quote_quantity", order.quote_quantity is not None)):
        if asked and not getattr(f, f"{name}_allowed"):
            return f"{name.upper()}_ALLOWED", f"no {name.replace('_', ' ')} orders can be placed here"
    return None


def _price(_: FilterCheck, order: PlaceOrder, bounds: Bounds) -> Breach:
    least, most = bounds.prices
    for what, ticks in (("price", order.price), ("stop price", order.stop_price)):
        if ticks is None or ticks <= 0:
            continue
        if (least is not None and ticks < least) or (most is not None and ticks > most):
            return "PRICE_FILTER", _beyond(what, ticks, least, most, bounds.instrument.price, bounds.instrument.quote)
    return None


def _percent(check: FilterCheck, order: PlaceOrder, bounds: Bounds) -> Breach:
    """Spot bounds each side above and below; perpetuals buys above and sells below."""
    f, buys = bounds.filters, order.side is Side.BUY
    ticks = order.price if order.price is not None else order.stop_price
    mid = check.mid(order.instrument)
    if ticks is None or not mid:
        return None
    down = f.bid_multiplier_down if buys else f.ask_multiplier_down
    up = f.bid_multiplier_up if buys else f.ask_multiplier_up
    least = ceil(float(down) * mid) if down is not None and (bounds.spot or not buys) else None
    most = floor(float(up) * mid) if up is not None and (bounds.spot or buys) else None
    if (least is not None and ticks < least) or (most is not None and ticks > most):
        one = bounds.instrument
        name = "PERCENT_PRICE_BY_SIDE" if bounds.spot else "PERCENT_PRICE"
        return name, _beyond("price", ticks, least, most, one.price, f"{one.quote} by the present mid")
    return None


def _lot(_: FilterCheck, order: PlaceOrder, bounds: Bounds) -> Breach:
    least, most = bounds.lots
    for what, lots in (("quantity", order.quantity), ("iceberg quantity", order.iceberg)):
        if lots <= 0:
            continue
        if (least is not None and lots < least) or (most is not None and lots > most):
            return "LOT_SIZE", _beyond(what, lots, least, most, bounds.instrument.quantity, bounds.instrument.base)
    return None


def _market_lot(_: FilterCheck, order: PlaceOrder, bounds: Bounds) -> Breach:
    if order.type is not _MARKET or order.quantity <= 0:
        return None
    (least, most), lots, one = bounds.market_lots, order.quantity, bounds.instrument
    if (least is not None and lots < least) or (most is not None and lots > most):
        return "MARKET_LOT_SIZE", _beyond("quantity", lots, least, most, one.quantity, one.base)
    if lots % bounds.market_step:
        nearest = max(lots // bounds.market_step, 1) * bounds.market_step
        return "MARKET_LOT_SIZE", (
            f"quantity {plain(one.quantity(lots))} is no multiple of {plain(one.quantity(bounds.market_step))} "
            f"{one.base}; the nearest legal one is {plain(one.quantity(nearest))}")
    return None


def _notional(check: FilterCheck, order: PlaceOrder, bounds: Bounds) -> Breach:
    if order.reduce_only and not bounds.spot:
        return None
    f, one, (least, most) = bounds.filters, bounds.instrument, bounds.values
    ticks: float | None = order.price if order.price is not None else order.stop_price
    if order.type is _MARKET:
        least, most = least if f.apply_min_to_market else None, most if f.apply_max_to_market else None
    if order.quote_quantity is not None:
        value: Decimal | float = order.quote_quantity / one.notional(1, 1)
    elif order.quantity <= 0 or (ticks := ticks or (1 if bounds.inverse else check.mid(order.instrument))) is None:
        return None
    else:
        value = order.quantity * (1 if bounds.inverse else ticks)
    if (least is None or value >= least) and (most is None or value <= most):
        return None
    name = "MIN_NOTIONAL" if f.max_notional is None else "NOTIONAL"
    return name, _value_beyond(order, bounds, value, 1 if bounds.inverse else ticks)


def _value_beyond(order: PlaceOrder, bounds: Bounds, value: Decimal | float, ticks: float | None) -> str:
    one, f = bounds.instrument, bounds.filters
    least, _ = bounds.values
    low = least is not None and value < least
    bound = f.min_notional if low else f.max_notional
    worth = Decimal(repr(value) if isinstance(value, float) else value) * one.notional(1, 1)
    text = (f"the order is worth {plain(round(worth, 8))} {one.quote}, {'below' if low else 'above'} the "
            f"{'least' if low else 'most'}, {plain(bound or Decimal(0))}")
    if order.quote_quantity is not None or not ticks:
        return f"{text}; the nearest legal value is {plain(bound or Decimal(0))}"
    lots = (ceil if low else floor)((least if low else bounds.values[1] or 0) / ticks)  # type: ignore[operator]
    lots = max(lots, bounds.lots[0] or 1) if low else lots
    return f"{text}; the nearest legal quantity is {plain(one.quantity(lots))}"


def _parts(_: FilterCheck, order: PlaceOrder, bounds: Bounds) -> Breach:
    most = bounds.filters.iceberg_parts
    if most is None or order.iceberg <= 0 or -(-order.quantity // order.iceberg) <= most:
        return None
    one = bounds.instrument
    nearest = -(-order.quantity // most)
    return "ICEBERG_PARTS", (
        f"{plain(one.quantity(order.iceberg))} {one.base} shown at a time makes {-(-order.quantity // order.iceberg)} "
        f"parts, more than {most}; the nearest legal one is {plain(one.quantity(nearest))}")


def _trailing(_: FilterCheck, order: PlaceOrder, bounds: Bounds) -> Breach:
    if not order.trailing_delta:
        return None
    f = bounds.filters
    above = (order.type in _STOP_LOSSES) == (order.side is Side.BUY)
    least, most = ((f.min_trailing_above, f.max_trailing_above) if above
                   else (f.min_trailing_below, f.max_trailing_below))
    delta = order.trailing_delta
    if (least is not None and delta < least) or (most is not None and delta > most):
        return "TRAILING_DELTA", _beyond("trailing delta", delta, least, most, Decimal, "basis points")
    return None


def _position(check: FilterCheck, order: PlaceOrder, bounds: Bounds) -> Breach:
    most, one = bounds.held_lots, bounds.instrument
    if most is None or (bounds.spot and order.side is Side.SELL):
        return None
    buys = order.side is Side.BUY
    held = floor(check.held(order.instrument) / one.lot_size) * (1 if buys else -1)
    room = most - held - check.orders.exposure(order.instrument)[0 if buys else 1]
    if order.quantity <= room:
        return None
    return "MAX_POSITION", (
        f"with {plain(one.quantity(order.quantity))} more the position could exceed the most, "
        f"{plain(one.quantity(most))} {one.base}; the nearest legal quantity is {plain(one.quantity(max(room, 0)))}")


def _asset(_: FilterCheck, order: PlaceOrder, bounds: Bounds) -> Breach:
    one = bounds.instrument
    if bounds.asset_lots is not None and order.quantity > bounds.asset_lots:
        return "MAX_ASSET", _beyond("quantity", order.quantity, None, bounds.asset_lots, one.quantity, one.base)
    value = order.quantity * (order.price or 0)
    if bounds.asset_value is not None and value > bounds.asset_value and order.price:
        nearest = one.quantity(bounds.asset_value // order.price)
        return "MAX_ASSET", (
            f"the order is worth {plain(one.notional(order.price, order.quantity))} {one.quote}, above the most, "
            f"{plain(bounds.filters.asset_max_notional or Decimal(0))}; the nearest legal quantity is {plain(nearest)}")
    return None


def _amendable(order: Order, filters: Filters) -> Breach:
    if not filters.amend_allowed:
        return "AMEND_ALLOWED", "no order can be amended here"
    if filters.max_amends is not None and order.amends >= filters.max_amends:
        return "MAX_NUM_ORDER_AMENDS", (
            f"order {order.order_id} has been amended {order.amends} times, and {filters.max_amends} is the most")
    return None


_NONE = Filters()
_CAPABILITIES = ("order_types", "stp_modes", "iceberg_allowed", "trailing_allowed", "peg_allowed",
                 "quote_quantity_allowed")
_AMENDED: tuple[Check, ...] = (_lot, _notional, _parts)


def _checks_of(filters: Filters) -> tuple[Check, ...]:
    """In the order of the exchange's list, those that can say no."""
    f = filters
    multipliers = (f.bid_multiplier_up, f.bid_multiplier_down, f.ask_multiplier_up, f.ask_multiplier_down)
    trailing = (f.min_trailing_above, f.max_trailing_above, f.min_trailing_below, f.max_trailing_below)
    wanted: tuple[tuple[Check, bool], ...] = (
        (_capable, any(getattr(f, name) != getattr(_NONE, name) for name in _CAPABILITIES)),
        (_price, (f.min_price, f.max_price) != (None, None)),
        (_percent, any(one is not None for one in multipliers)),
        (_lot, (f.min_quantity, f.max_quantity) != (None, None)),
        (_market_lot, (f.market_min_quantity, f.market_max_quantity, f.market_step) != (None, None, None)),
        (_notional, (f.min_notional, f.max_notional) != (None, None)),
        (_parts, f.iceberg_parts is not None), (_trailing, any(one is not None for one in trailing)),
        (_position, f.max_position is not None),
        (_asset, (f.asset_max_quantity, f.asset_max_notional) != (None, None)),
    )
    return tuple(check for check, is_set in wanted if is_set)


def _counts_of(f: Filters) -> tuple[tuple[str, int | None, Callable[[Order | PlaceOrder], bool]], ...]:
    """What may be open at a time: a filter's name, the most, and which orders count."""
    return (
        ("MAX_NUM_ORDERS", f.max_orders, _is_any), ("MAX_NUM_ALGO_ORDERS", f.max_algo_orders, _is_stop),
        ("MAX_NUM_ICEBERG_ORDERS", f.max_iceberg_orders, _is_iceberg),
        ("EXCHANGE_MAX_NUM_ORDERS", f.exchange_max_orders, _is_any),
        ("EXCHANGE_MAX_NUM_ALGO_ORDERS", f.exchange_max_algo_orders, _is_stop),
        ("EXCHANGE_MAX_NUM_ICEBERG_ORDERS", f.exchange_max_iceberg_orders, _is_iceberg),
    )


def _is_any(_: Order | PlaceOrder) -> bool:
    return True


def _is_stop(order: Order | PlaceOrder) -> bool:
    return order.type in STOPS


def _is_iceberg(order: Order | PlaceOrder) -> bool:
    return order.iceberg > 0


def _least(bound: Decimal | None, step: Decimal) -> int | None:
    return None if bound is None else int((bound / step).to_integral_value(ROUND_CEILING))


def _most(bound: Decimal | None, step: Decimal) -> int | None:
    return None if bound is None else int((bound / step).to_integral_value(ROUND_FLOOR))


def _beyond(
    what: str, value: int, least: int | None, most: int | None, real: Callable[[int], Decimal], unit: str,
) -> str:
    low = least is not None and value < least
    bound = plain(real((least if low else most) or 0))
    return (f"{what} {plain(real(value))} is {'below' if low else 'above'} the {'least' if low else 'most'}, {bound} "
            f"{unit}; the nearest legal one is {bound}")
