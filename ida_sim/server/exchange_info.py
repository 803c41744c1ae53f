"""What the server says of its instruments: exchangeInfo, as an adapter reads it for grid, filters and capabilities."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ida_core import Instrument
from ida_sim.server.texts import PLACES

ORDER_TYPES = ("LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT")
PREVENTION = ("NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT", "TRANSFER")
PERMISSIONS = ("SPOT", "MARGIN")
#: Filters of an instrument that sets none of its own, as Binance's larger pairs have them.
_MOST_STEPS = 10**8
_NOTIONAL = (Decimal(5), Decimal(9_000_000))
_MULTIPLIERS = (Decimal(5), Decimal("0.2"))


def symbol_entry(instrument: Instrument, status: str, *, with_permissions: bool = True) -> dict[str, Any]:
    """One entry of ``symbols``, its fields in Binance's order."""
    return {
        "symbol": instrument.symbol, "status": status,
        "baseAsset": instrument.base, "baseAssetPrecision": PLACES,
        "quoteAsset": instrument.quote, "quotePrecision": PLACES, "quoteAssetPrecision": PLACES,
        "baseCommissionPrecision": PLACES, "quoteCommissionPrecision": PLACES,
        "orderTypes": ORDER_TYPES,
        "icebergAllowed": True, "ocoAllowed": True, "otoAllowed": True, "opoAllowed": True,
        "quoteOrderQtyMarketAllowed": True, "allowTrailingStop": True, "cancelReplaceAllowed": True,
        "amendAllowed": True, "pegInstructionsAllowed": True, "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": filters(instrument), "permissions": [],
        "permissionSets": [PERMISSIONS] if with_permissions else [],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER", "allowedSelfTradePreventionModes": PREVENTION,
    }


def filters(instrument: Instrument) -> list[dict[str, Any]]:
    """All filters of the symbol; PRICE_FILTER first, as readers by position need it."""
    own, tick, lot = instrument.filters, instrument.tick_size, instrument.lot_size
    return [
        {"filterType": "PRICE_FILTER", "minPrice": _text(own.min_price, tick),
         "maxPrice": _text(own.max_price, tick * _MOST_STEPS), "tickSize": _text(tick)},
        {"filterType": "LOT_SIZE", "minQty": _text(own.min_quantity, lot),
         "maxQty": _text(own.max_quantity, lot * 9 * _MOST_STEPS), "stepSize": _text(lot)},
        {"filterType": "ICEBERG_PARTS", "limit": 100},
        {"filterType": "MARKET_LOT_SIZE", "minQty": _text(own.market_min_quantity, Decimal(0)),
         "maxQty": _text(own.market_max_quantity, lot * _MOST_STEPS), "stepSize": _text(Decimal(0))},
        {"filterType": "TRAILING_DELTA", "minTrailingAboveDelta": 10, "maxTrailingAboveDelta": 2000,
         "minTrailingBelowDelta": 10, "maxTrailingBelowDelta": 2000},
        _percent(instrument),
        {"filterType": "NOTIONAL", "minNotional": _text(own.min_notional, _NOTIONAL[0]), "applyMinToMarket": True,
         "maxNotional": _text(own.max_notional, _NOTIONAL[1]), "applyMaxToMarket": False, "avgPriceMins": 5},
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": own.max_orders or 200},
        {"filterType": "MAX_NUM_ORDER_LISTS", "maxNumOrderLists": 20},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 5},
        {"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": 10},
        *([{"filterType": "MAX_POSITION", "maxPosition": _text(own.max_position)}] if own.max_position else []),
    ]


def _percent(instrument: Instrument) -> dict[str, Any]:
    own, (up, down) = instrument.filters, _MULTIPLIERS
    return {
        "filterType": "PERCENT_PRICE_BY_SIDE",
        "bidMultiplierUp": str(own.bid_multiplier_up or up), "bidMultiplierDown": str(own.bid_multiplier_down or down),
        "askMultiplierUp": str(own.ask_multiplier_up or up), "askMultiplierDown": str(own.ask_multiplier_down or down),
        "avgPriceMins": 5,
    }


def _text(value: Decimal | None, otherwise: Decimal = Decimal(0)) -> str:
    """With at least eight places."""
    value = otherwise if value is None else value
    exponent = value.normalize().as_tuple().exponent
    places = max(PLACES, -exponent if isinstance(exponent, int) else 0)
    return f"{value:.{places}f}"
