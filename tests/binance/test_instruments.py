"""``exchangeInfo`` to instruments: grids and filters by name, and what cannot be."""

import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ida_binance.decoder import Grid
from ida_binance.instruments import ExchangeInfo, highest_ticks
from ida_binance.order_limits import with_own_limits
from ida_core import ConfigError, OrderType, SelfTradePrevention, VenueError

FILTERS: list[dict[str, Any]] = [
    {"filterType": "PRICE_FILTER", "minPrice": "0.01000000", "maxPrice": "1000000.00000000", "tickSize": "0.01000000"},
    {"filterType": "LOT_SIZE", "minQty": "0.00001000", "maxQty": "9000.00000000", "stepSize": "0.00001000"},
    {"filterType": "ICEBERG_PARTS", "limit": 100},
    {"filterType": "MARKET_LOT_SIZE", "minQty": "0.00000000", "maxQty": "100.00000000", "stepSize": "0.00000000"},
    {"filterType": "PERCENT_PRICE_BY_SIDE", "bidMultiplierUp": "5", "bidMultiplierDown": "0.2",
     "askMultiplierUp": "4", "askMultiplierDown": "0.1", "avgPriceMins": 5},
    {"filterType": "NOTIONAL", "minNotional": "5.00000000", "applyMinToMarket": True,
     "maxNotional": "9000000.00000000", "applyMaxToMarket": False, "avgPriceMins": 5},
    {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
    {"filterType": "A_RULE_OF_TOMORROW", "depthOfMystery": ["x", {"y": 1}]},
]  # fmt: skip


def symbol(name: str = "BTCUSDT", filters: list[dict[str, Any]] = FILTERS, **more: Any) -> dict[str, Any]:
    row = {"symbol": name, "status": "TRADING", "baseAsset": name[:-4], "quoteAsset": name[-4:], "filters": filters}
    return {**row, "baseAssetPrecision": 8, "quoteAssetPrecision": 8, "permissionSets": [["SPOT"]], **more}


def answer(*symbols: dict[str, Any], indent: int | None = None) -> bytes:
    limits = [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000}]
    body = {"timezone": "UTC", "serverTime": 1763800000000, "rateLimits": limits, "exchangeFilters": []}
    return json.dumps({**body, "symbols": list(symbols)}, indent=indent).encode()


def with_filter(name: str, **fields: Any) -> list[dict[str, Any]]:
    return [{**f, **fields} if f["filterType"] == name else f for f in FILTERS]


def test_an_instrument_is_as_listed() -> None:
    info = ExchangeInfo(answer(symbol()))
    instrument = info.instrument("BTCUSDT")
    assert (instrument.base, instrument.quote, instrument.market, instrument.name) == (
        "BTC", "USDT", "spot", "BTCUSDT")  # fmt: skip
    assert (instrument.tick_size, instrument.lot_size) == (Decimal("0.01"), Decimal("0.00001"))
    limits = instrument.filters
    assert (limits.min_price, limits.max_price) == (Decimal("0.01"), Decimal(1000000))
    assert (limits.min_quantity, limits.max_quantity) == (Decimal("0.00001"), Decimal(9000))
    assert (limits.market_min_quantity, limits.market_max_quantity) == (None, Decimal(100))
    assert (limits.min_notional, limits.max_notional) == (Decimal(5), Decimal(9000000))
    assert (limits.bid_multiplier_up, limits.bid_multiplier_down) == (Decimal(5), Decimal("0.2"))
    assert (limits.ask_multiplier_up, limits.ask_multiplier_down) == (Decimal(4), Decimal("0.1"))
    assert (limits.max_orders, limits.max_position) == (200, None)
    assert info.server_time_ms == 1763800000000
    assert info.rate_limits[0].limit == 6000


def test_the_filters_of_old_are_read_too() -> None:
    old = [
        {"filterType": "PERCENT_PRICE", "multiplierUp": "5", "multiplierDown": "0.2", "avgPriceMins": 5},
        {"filterType": "MIN_NOTIONAL", "minNotional": "10.0", "applyToMarket": True, "avgPriceMins": 5},
        *FILTERS[:2],
    ]
    limits = ExchangeInfo(answer(symbol(filters=old))).instrument("BTCUSDT").filters
    assert limits.min_notional == 10
    assert (limits.bid_multiplier_up, limits.ask_multiplier_down) == (Decimal(5), Decimal("0.2"))


def test_every_filter_has_its_place() -> None:
    more = [
        *with_filter("MARKET_LOT_SIZE", stepSize="0.10000000"),
        {"filterType": "TRAILING_DELTA", "minTrailingAboveDelta": 10, "maxTrailingAboveDelta": 2000,
         "minTrailingBelowDelta": 20, "maxTrailingBelowDelta": 1000},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 5},
        {"filterType": "MAX_NUM_ICEBERG_ORDERS", "maxNumIcebergOrders": 6},
        {"filterType": "MAX_NUM_ORDER_LISTS", "maxNumOrderLists": 20},
        {"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": 10},
    ]  # fmt: skip
    able = {"icebergAllowed": False, "allowTrailingStop": True, "ocoAllowed": False, "orderTypes": ["LIMIT", "NEWEST"],
            "allowedSelfTradePreventionModes": ["EXPIRE_MAKER", "DECREMENT", "NEWER"]}  # fmt: skip
    body = json.loads(answer(symbol(filters=more, **able)))
    body["exchangeFilters"] = [{"filterType": "EXCHANGE_MAX_NUM_ORDERS", "maxNumOrders": 1000}, "strange"]
    limits = ExchangeInfo(json.dumps(body).encode()).instrument("BTCUSDT").filters
    assert (limits.market_step, limits.iceberg_parts, limits.max_amends) == (Decimal("0.1"), 100, 10)
    assert (limits.max_algo_orders, limits.max_iceberg_orders, limits.max_order_lists) == (5, 6, 20)
    assert (limits.min_trailing_above, limits.max_trailing_above) == (10, 2000)
    assert (limits.min_trailing_below, limits.max_trailing_below) == (20, 1000)
    assert (limits.apply_min_to_market, limits.apply_max_to_market) == (True, False)
    assert (limits.iceberg_allowed, limits.trailing_allowed, limits.oco_allowed, limits.oto_allowed) == (
        False, True, False, True)  # fmt: skip
    assert limits.order_types == (OrderType.LIMIT,)
    assert limits.stp_modes == (SelfTradePrevention.EXPIRE_MAKER, SelfTradePrevention.DECREMENT)
    assert limits.exchange_max_orders == 1000


def test_what_holds_for_one_account_alone_is_added() -> None:
    instrument = ExchangeInfo(answer(symbol())).instrument("BTCUSDT")
    body = {
        "exchangeFilters": [{"filterType": "EXCHANGE_MAX_NUM_ORDERS", "maxNumOrders": 1000}],
        "symbolFilters": [{"filterType": "MAX_NUM_ORDER_LISTS", "maxNumOrderLists": 3}],
        "assetFilters": [{"filterType": "MAX_ASSET", "asset": "USDT", "limit": "42000.00000000"},
                         {"filterType": "MAX_ASSET", "asset": "JPY", "limit": "1"}, {"filterType": "TOMORROW"}],
    }  # fmt: skip
    limits = with_own_limits(instrument, body).filters
    assert (limits.exchange_max_orders, limits.max_order_lists) == (1000, 3)
    assert (limits.asset_max_notional, limits.asset_max_quantity) == (Decimal(42000), None)
    assert limits.min_notional == 5
    for nothing in ({}, None, [], {"assetFilters": None}):
        assert with_own_limits(instrument, nothing) == instrument


def test_an_unknown_filter_survives() -> None:
    listing = ExchangeInfo(answer(symbol())).listing("BTCUSDT")
    assert listing.filters["A_RULE_OF_TOMORROW"]["depthOfMystery"] == ["x", {"y": 1}]


def test_a_filter_that_is_off_leaves_the_assets_precision() -> None:
    filters = with_filter("PRICE_FILTER", tickSize="0.00000000", maxPrice="0.00000000")
    instrument = ExchangeInfo(answer(symbol(filters=filters, quoteAssetPrecision=4))).instrument("BTCUSDT")
    assert instrument.tick_size == Decimal("0.0001")
    assert instrument.filters.max_price is None


def test_limits_can_be_overridden_and_the_grid_refined() -> None:
    given = {"min_notional": Decimal(50), "tick_size": Decimal("0.005"), "lot_size": None}
    instrument = ExchangeInfo(answer(symbol())).instrument("BTCUSDT", given)
    assert instrument.filters.min_notional == 50
    assert instrument.tick_size == Decimal("0.005")
    assert instrument.lot_size == Decimal("0.00001")


def test_a_grid_that_prices_would_not_lie_on_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"a step of 0\.1, but the exchange's tickSize is 0\.01") as error:
        ExchangeInfo(answer(symbol())).instrument("BTCUSDT", {"tick_size": Decimal("0.1")})
    assert error.value.code == "IDA-E3010"


def test_an_unknown_symbol_names_the_nearest() -> None:
    info = ExchangeInfo(answer(symbol(), symbol("ETHUSDT")))
    with pytest.raises(ConfigError, match=r"BTCUDST is not listed at the exchange; did you mean 'BTCUSDT'\?") as error:
        info.instrument("BTCUDST")
    assert error.value.code == "IDA-E3004"


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"{}", b"[]", b'{"symbols":{}}', b'{"symbols":[{"symbol":"X"}]}', b'{"symbols":[7]}', b"\xff\xfe",
     answer(symbol(filters=None))],
)  # fmt: skip
def test_what_is_no_such_answer_is_told(body: bytes) -> None:
    with pytest.raises(VenueError, match="exchangeInfo is not what Binance answers") as error:
        ExchangeInfo(body)
    assert error.value.code == "IDA-E4120"


@pytest.mark.parametrize("text", ["NaN", "-1", "many", "1e99", "", None])
def test_a_number_that_cannot_be_is_told(text: Any) -> None:
    info = ExchangeInfo(answer(symbol(filters=with_filter("NOTIONAL", minNotional=text))))
    if text is None:
        assert info.instrument("BTCUSDT").filters.min_notional is None
        return
    with pytest.raises(VenueError, match=r"BTCUSDT NOTIONAL\.minNotional = .* is no decimal of 0 or more"):
        info.instrument("BTCUSDT")


@pytest.mark.parametrize("indent", [None, 2])
def test_a_part_is_one_line_with_each_symbol_as_it_came(indent: int | None) -> None:
    info = ExchangeInfo(answer(symbol(), symbol("ETHUSDT"), symbol("BNBUSDT"), indent=indent))
    part = info.part(["BNBUSDT", "BTCUSDT"])
    assert b"\n" not in part
    whole = json.loads(answer(symbol("BNBUSDT"), symbol()))
    assert json.loads(part) == whole
    assert ExchangeInfo(part).instrument("BNBUSDT") == info.instrument("BNBUSDT")


def test_a_unicode_symbol_passes() -> None:
    name = "这是测试币456"
    info = ExchangeInfo(answer(symbol(name)))
    assert info.instrument(name).symbol == name
    assert ExchangeInfo(info.part([name])).names == (name,)


def test_a_book_reaches_to_the_highest_price_of_an_order() -> None:
    instrument = ExchangeInfo(answer(symbol())).instrument("BTCUSDT")
    assert highest_ticks(instrument, 6_000_000) == 100_000_000
    wide = with_filter("PRICE_FILTER", maxPrice="922327000.00000000", tickSize="0.00000100")
    assert highest_ticks(ExchangeInfo(answer(symbol(filters=wide))).instrument("BTCUSDT"), 5) == 1 << 30


def test_every_symbol_of_a_real_answer_is_read(recordings: Path) -> None:
    body = gzip.decompress((recordings / "exchangeinfo" / "spot_20211012.json.gz").read_bytes())
    info = ExchangeInfo(body)
    instruments = [info.instrument(name) for name in info.names]
    assert len(instruments) == 1695
    btc = instruments[info.names.index("BTCUSDT")]
    assert Grid(btc.tick_size, btc.lot_size) == (Decimal("0.01"), Decimal("0.00001"))
    assert btc.filters.min_notional == 10
    assert all(i.filters.min_notional for i in instruments)
