"""What the exchange allows of orders: ``exchangeInfo`` and ``myFilters`` as the core's ``Filters`` has them. Pure.

Filters that are not known concern nobody; what a filter turns off, and what it does not say, is no limit.

Source: Binance Spot API docs, filters.md; rest-api.md (exchangeInfo, myFilters).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from msgspec.structs import replace

from ida_core.errors import VenueError
from ida_core.model import Instrument, OrderType, SelfTradePrevention, is_sane

ByName = Mapping[str, Mapping[str, Any]]
_AMOUNTS = {
    "PRICE_FILTER": {"minPrice": "min_price", "maxPrice": "max_price"},
    "LOT_SIZE": {"minQty": "min_quantity", "maxQty": "max_quantity"},
    "MARKET_LOT_SIZE": {"minQty": "market_min_quantity", "maxQty": "market_max_quantity", "stepSize": "market_step"},
    "MIN_NOTIONAL": {"minNotional": "min_notional"},
    "NOTIONAL": {"minNotional": "min_notional", "maxNotional": "max_notional"},
    "PERCENT_PRICE_BY_SIDE": {
        "bidMultiplierUp": "bid_multiplier_up", "bidMultiplierDown": "bid_multiplier_down",
        "askMultiplierUp": "ask_multiplier_up", "askMultiplierDown": "ask_multiplier_down",
    },
    "MAX_POSITION": {"maxPosition": "max_position"},
}  # fmt: skip
_COUNTS = {
    "ICEBERG_PARTS": {"limit": "iceberg_parts"},
    "MAX_NUM_ORDERS": {"maxNumOrders": "max_orders"},
    "MAX_NUM_ALGO_ORDERS": {"maxNumAlgoOrders": "max_algo_orders"},
    "MAX_NUM_ICEBERG_ORDERS": {"maxNumIcebergOrders": "max_iceberg_orders"},
    "MAX_NUM_ORDER_LISTS": {"maxNumOrderLists": "max_order_lists"},
    "MAX_NUM_ORDER_AMENDS": {"maxNumOrderAmends": "max_amends"},
    "TRAILING_DELTA": {
        "minTrailingAboveDelta": "min_trailing_above", "maxTrailingAboveDelta": "max_trailing_above",
        "minTrailingBelowDelta": "min_trailing_below", "maxTrailingBelowDelta": "max_trailing_below",
    },
    "EXCHANGE_MAX_NUM_ORDERS": {"maxNumOrders": "exchange_max_orders"},
    "EXCHANGE_MAX_NUM_ALGO_ORDERS": {"maxNumAlgoOrders": "exchange_max_algo_orders"},
    "EXCHANGE_MAX_NUM_ICEBERG_ORDERS": {"maxNumIcebergOrders": "exchange_max_iceberg_orders"},
    "EXCHANGE_MAX_NUM_ORDER_LISTS": {"maxNumOrderLists": "exchange_max_order_lists"},
}  # fmt: skip
_FLAGS = {
    "NOTIONAL": {"applyMinToMarket": "apply_min_to_market", "applyMaxToMarket": "apply_max_to_market"},
    "MIN_NOTIONAL": {"applyToMarket": "apply_min_to_market"},
}
_ABILITIES = {
    "icebergAllowed": "iceberg_allowed", "allowTrailingStop": "trailing_allowed",
    "pegInstructionsAllowed": "peg_allowed", "amendAllowed": "amend_allowed",
    "cancelReplaceAllowed": "cancel_replace_allowed", "ocoAllowed": "oco_allowed", "otoAllowed": "oto_allowed",
    "opoAllowed": "opo_allowed", "quoteOrderQtyMarketAllowed": "quote_quantity_allowed",
}  # fmt: skip


def by_name(filters: Iterable[Any]) -> dict[str, Mapping[str, Any]]:
    """Filters by their type; of several of one type the last."""
    return {str(one.get("filterType", "")): one for one in filters if isinstance(one, dict)}


def limits_of(symbol: str, filters: ByName) -> dict[str, Any]:
    """The fields of ``Filters`` that these say.

    Raises:
        VenueError: a number of theirs cannot be read.
    """
    found: dict[str, Any] = {}
    for name, fields in _AMOUNTS.items():
        for theirs, ours in fields.items():
            if value := number(symbol, filters, name, theirs):
                found[ours] = value
    found |= _either_side(symbol, filters, found)
    for name, fields in _COUNTS.items():
        for theirs, ours in fields.items():
            count = filters.get(name, {}).get(theirs)
            if isinstance(count, int) and not isinstance(count, bool) and count > 0:
                found[ours] = count
    for name, fields in _FLAGS.items():
        for theirs, ours in fields.items():
            flag = filters.get(name, {}).get(theirs)
            if isinstance(flag, bool):
                found[ours] = flag
    return found


def abilities_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """What an instrument can do at all, by its row of ``exchangeInfo``; what that does not say is not forbidden."""
    found: dict[str, Any] = {
        ours: row[theirs] for theirs, ours in _ABILITIES.items() if isinstance(row.get(theirs), bool)}  # fmt: skip
    types = _members(row.get("orderTypes"), OrderType)
    modes = _members(row.get("allowedSelfTradePreventionModes"), SelfTradePrevention)
    return found | ({"order_types": types} if types else {}) | ({"stp_modes": modes} if modes else {})


def _members(words: Any, kind: type[Any]) -> tuple[Any, ...]:
    """Those that we know; of words of tomorrow we have no order to place."""
    known = {member.value: member for member in kind}
    rows = words if isinstance(words, list) else []
    return tuple(known[word] for word in rows if isinstance(word, str) and word in known)


def with_own_limits(instrument: Instrument, body: Any) -> Instrument:
    """The instrument with what holds for this account alone, by an answer to ``myFilters``.

    Raises:
        VenueError: a number cannot be read.
    """
    rows = body if isinstance(body, dict) else {}
    lists = [rows.get(name) for name in ("exchangeFilters", "symbolFilters")]
    filters = by_name(one for found in lists if isinstance(found, list) for one in found)
    limits = limits_of(instrument.symbol, filters)
    assets = rows.get("assetFilters")
    for one in assets if isinstance(assets, list) else ():
        if isinstance(one, dict) and one.get("filterType") == "MAX_ASSET":
            limits |= _asset_limit(instrument, one)
    return replace(instrument, filters=replace(instrument.filters, **limits)) if limits else instrument


def _asset_limit(instrument: Instrument, row: Mapping[str, Any]) -> dict[str, Decimal]:
    names = {instrument.base: "asset_max_quantity", instrument.quote: "asset_max_notional"}
    asset = row.get("asset")
    if not isinstance(asset, str) or asset not in names:
        return {}
    most = number(instrument.symbol, {"MAX_ASSET": row}, "MAX_ASSET", "limit")
    return {names[asset]: most} if most else {}


def _either_side(symbol: str, filters: ByName, limits: Mapping[str, Any]) -> dict[str, Decimal]:
    """PERCENT_PRICE bounds both sides alike; where sides have their own, those count."""
    found: dict[str, Decimal] = {}
    for theirs, ours in (("multiplierUp", "multiplier_up"), ("multiplierDown", "multiplier_down")):
        value = number(symbol, filters, "PERCENT_PRICE", theirs)
        if value:
            found |= {f"{side}_{ours}": value for side in ("bid", "ask") if f"{side}_{ours}" not in limits}
    return found


def number(symbol: str, filters: ByName, name: str, field: str) -> Decimal:
    """A number of a filter; 0 where there is none, which is how the exchange turns a rule off."""
    text = filters.get(name, {}).get(field)
    if text is None:
        return Decimal(0)
    try:
        found = Decimal(str(text))
    except InvalidOperation:
        found = Decimal("NaN")
    if not is_sane(found) or found < 0:
        raise VenueError(
            f"exchangeInfo: {symbol} {name}.{field} = {text!r} is no decimal of 0 or more", code="IDA-E4120")
    return found
