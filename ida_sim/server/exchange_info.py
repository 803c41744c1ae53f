"""What the server says of its instruments: exchangeInfo, as an adapter reads it for grid, filters and capabilities."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

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


def with_filters(instrument: Instrument, highest: int = _MOST_STEPS) -> Instrument:
    """The instrument with every filter that it is to be told and traded with.

    Args:
        highest: what its book reaches to, in ticks.
    """
    own, lot = instrument.filters, instrument.lot_size
    usual: dict[str, Any] = {
        "min_price": instrument.tick_size, "max_price": instrument.price(highest), "min_quantity": lot,
        "max_quantity": lot * 9 * _MOST_STEPS, "market_max_quantity": lot * _MOST_STEPS,
        "min_notional": _NOTIONAL[0], "max_notional": _NOTIONAL[1],
        "bid_multiplier_up": _MULTIPLIERS[0], "bid_multiplier_down": _MULTIPLIERS[1],
        "ask_multiplier_up": _MULTIPLIERS[0], "ask_multiplier_down": _MULTIPLIERS[1],
        "iceberg_parts": 100, "max_orders": 200, "max_order_lists": 20, "max_algo_orders": 5, "max_amends": 10,
        "min_trailing_above": 10, "max_trailing_above": 2000, "min_trailing_below": 10, "max_trailing_below": 2000,
    }
    unset = {name: value for name, value in usual.items() if getattr(own, name) is None}
    return msgspec.structs.replace(instrument, filters=msgspec.structs.replace(own, **unset))


def filters(instrument: Instrument) -> list[dict[str, Any]]:
    """All filters of the symbol; PRICE_FILTER first, as readers by position need it."""
    own = with_filters(instrument).filters
    icebergs, most = own.max_iceberg_orders, own.max_position
    return [
        {"filterType": "PRICE_FILTER", "minPrice": _text(own.min_price), "maxPrice": _text(own.max_price),
         "tickSize": _text(instrument.tick_size)},
        {"filterType": "LOT_SIZE", "minQty": _text(own.min_quantity), "maxQty": _text(own.max_quantity),
         "stepSize": _text(instrument.lot_size)},
        {"filterType": "ICEBERG_PARTS", "limit": own.iceberg_parts},
        {"filterType": "MARKET_LOT_SIZE", "minQty": _text(own.market_min_quantity),
         "maxQty": _text(own.market_max_quantity), "stepSize": _text(own.market_step)},
        {"filterType": "TRAILING_DELTA",
         "minTrailingAboveDelta": own.min_trailing_above, "maxTrailingAboveDelta": own.max_trailing_above,
         "minTrailingBelowDelta": own.min_trailing_below, "maxTrailingBelowDelta": own.max_trailing_below},
        {"filterType": "PERCENT_PRICE_BY_SIDE",
         "bidMultiplierUp": str(own.bid_multiplier_up), "bidMultiplierDown": str(own.bid_multiplier_down),
         "askMultiplierUp": str(own.ask_multiplier_up), "askMultiplierDown": str(own.ask_multiplier_down),
         "avgPriceMins": 5},
        {"filterType": "NOTIONAL", "minNotional": _text(own.min_notional), "applyMinToMarket": own.apply_min_to_market,
         "maxNotional": _text(own.max_notional), "applyMaxToMarket": own.apply_max_to_market, "avgPriceMins": 5},
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": own.max_orders},
        {"filterType": "MAX_NUM_ORDER_LISTS", "maxNumOrderLists": own.max_order_lists},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": own.max_algo_orders},
        {"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": own.max_amends},
        *([{"filterType": "MAX_NUM_ICEBERG_ORDERS", "maxNumIcebergOrders": icebergs}] if icebergs else []),
        *([{"filterType": "MAX_POSITION", "maxPosition": _text(most)}] if most else []),
    ]


def _text(value: Decimal | None) -> str:
    """With at least eight places; 0 where there is no such bound."""
    value = Decimal(0) if value is None else value
    exponent = value.normalize().as_tuple().exponent
    places = max(PLACES, -exponent if isinstance(exponent, int) else 0)
    return f"{value:.{places}f}"
