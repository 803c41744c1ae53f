"""What the endpoints refuse, with Binance's codes and words, and the shapes of what they answer."""

import json
from typing import Any

import pytest
from served import NOW_NS, StillMarket, StillSymbol, make_api

from ida_sim.server.api import Api, Caller
from ida_sim.server.endpoints import BY_PATH, ENDPOINTS
from ida_sim.server.faults import Target

MS = NOW_NS // 1_000_000
SECOND = 1_000_000_000


def ask(api: Api, path: str, status: int = 200, **sent: str) -> Any:
    answer = api.answer(BY_PATH[path], sent, Caller("a", Target("rest", 1, f"/api/v3/{path}")))
    assert answer.status == status, answer.body
    return json.loads(answer.body)


@pytest.fixture
def api() -> Api:
    """Two symbols; BTCUSDT traded five times: 3 h, 90 s, 40 s (one taker, twice) and 1 s ago."""
    market = StillMarket(StillSymbol(), StillSymbol("ETHUSDT", 300_000))
    trades = ((1, 5_990_000, 100_000, 10_800, True), (2, 6_000_000, 200_000, 90, False), (3, 6_010_000, 1, 40, False),
              (4, 6_010_000, 2, 40, False), (5, 6_005_000, 50_000, 1, True))
    for number, price, lots, ago, sold in trades:
        market.symbols["BTCUSDT"].trade(number, price, lots, NOW_NS - ago * SECOND, sold)
    return make_api(market)


BTC = {"symbol": "BTCUSDT"}


@pytest.mark.parametrize(("path", "sent", "code", "words"), [
    ("depth", {}, -1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed."),
    ("depth", {"symbol": ""}, -1105, "Parameter 'symbol' was empty."),
    ("depth", {"symbol": "btcusdt"}, -1100,
     "Illegal characters found in parameter 'symbol'; legal range is '^[A-Z0-9-_.]{1,20}$'."),
    ("depth", {"symbol": "BTCUSDX"}, -1121, "Invalid symbol."),
    ("depth", {**BTC, "limit": "ten"}, -1100,
     "Illegal characters found in parameter 'limit'; legal range is '^[0-9]{1,20}$'."),
    ("depth", {**BTC, "limit": "-1"}, -1100, None),
    ("depth", {**BTC, "limit": "٣"}, -1100, None),
    ("depth", {**BTC, "limit": "0"}, -1130, "Data sent for parameter 'limit' is not valid."),
    ("depth", {**BTC, "limit": "99999999999999999999"}, -1108, "Parameter 'limit' overflowed."),
    ("depth", {**BTC, "limit": ""}, -1105, "Parameter 'limit' was empty."),
    ("depth", {**BTC, "levels": "5"}, -1104,
     "Not all sent parameters were read; read '1' parameter(s) but was sent '2'."),
    ("depth", {**BTC, "a": "1", "b": "2", "c": "3"}, -1101, "Too many parameters; expected '3' and received '4'."),
    ("depth", {**BTC, "symbolStatus": "HALT"}, -1220, "The symbol's status does not match the requested symbolStatus."),
    ("depth", {**BTC, "symbolStatus": "OPEN"}, -1122, "Invalid symbolStatus."),
    ("trades", {**BTC, "symbolStatus": "TRADING"}, -1104, None),
    ("historicalTrades", {**BTC, "fromId": "x"}, -1100, None),
    ("historicalBlockTrades", BTC, -1102, None),
    ("aggTrades", {**BTC, "fromId": "1", "startTime": "1"}, -1128, "Combination of optional parameters invalid."),
    ("klines", BTC, -1102, "Mandatory parameter 'interval' was not sent, was empty/null, or malformed."),
    ("klines", {**BTC, "interval": "7m"}, -1120, "Invalid interval."),
    ("klines", {**BTC, "interval": "1d", "timeZone": "+14:01"}, -1130, None),
    ("klines", {**BTC, "interval": "1d", "timeZone": "CET"}, -1130, None),
    ("klines", {**BTC, "interval": "1d", "timeZone": "1:60"}, -1130, None),
    ("ticker/24hr", {**BTC, "type": "HALF"}, -1139, "Invalid ticker type."),
    ("ticker/24hr", {**BTC, "symbols": '["BTCUSDT"]'}, -1128, None),
    ("ticker/price", {"symbols": "BTCUSDT"}, -1100, None),
    ("ticker/price", {"symbols": '["BTCUSDT",3]'}, -1100, None),
    ("ticker/price", {"symbols": "[]"}, -1102, None),
    ("ticker/price", {"symbols": '["BTCUSDT","BTCUSDT"]'}, -1151, "Symbol is present multiple times in the list."),
    ("ticker/price", {"symbols": '["BTCUSDT","NONE"]'}, -1121, None),
    ("ticker", {}, -1102, "Param 'symbol' or 'symbols' must be sent, but both were empty/null!"),
    ("ticker/tradingDay", {}, -1102, None),
    ("ticker", {**BTC, "windowSize": "1d2h"}, -1100, None),
    ("ticker", {**BTC, "windowSize": "60m"}, -1130, None),
    ("ticker", {**BTC, "windowSize": "0h"}, -1130, None),
    ("ticker", {"symbols": json.dumps([f"S{i}" for i in range(101)])}, -1130, None),
    ("exchangeInfo", {**BTC, "symbols": '["BTCUSDT"]'}, -1128, None),
    ("exchangeInfo", {**BTC, "permissions": "SPOT"}, -1128, None),
    ("exchangeInfo", {**BTC, "symbolStatus": "TRADING"}, -1128, None),
    ("exchangeInfo", {"symbol": "NONE"}, -1121, None),
    ("exchangeInfo", {"showPermissionSets": "yes"}, -1100, None),
    ("executionRules", {**BTC, "symbolStatus": "TRADING"}, -1128, None),
    ("referencePrice", BTC, -2043, "This symbol doesn't have a reference price."),
    ("referencePrice/calculation", BTC, -2043, None),
    ("time", {"x": "1", "y": "2"}, -1101, None),
    ("time", {"x": "1"}, -1104, None),
])
def test_what_is_refused(api: Api, path: str, sent: dict[str, str], code: int, words: str | None) -> None:
    found = ask(api, path, 400, **sent)
    assert found["code"] == code
    assert found["msg"] == (words or found["msg"])


def test_exchange_info_as_adapters_read_it(api: Api) -> None:
    info = ask(api, "exchangeInfo")
    assert list(info) == ["timezone", "serverTime", "rateLimits", "exchangeFilters", "symbols"]
    assert [symbol["symbol"] for symbol in info["symbols"]] == ["BTCUSDT", "ETHUSDT"]
    assert list(info["symbols"][0]) == [
        "symbol", "status", "baseAsset", "baseAssetPrecision", "quoteAsset", "quotePrecision", "quoteAssetPrecision",
        "baseCommissionPrecision", "quoteCommissionPrecision", "orderTypes", "icebergAllowed", "ocoAllowed",
        "otoAllowed", "opoAllowed", "quoteOrderQtyMarketAllowed", "allowTrailingStop", "cancelReplaceAllowed",
        "amendAllowed", "pegInstructionsAllowed", "isSpotTradingAllowed", "isMarginTradingAllowed", "filters",
        "permissions", "permissionSets", "defaultSelfTradePreventionMode", "allowedSelfTradePreventionModes"]
    assert [found["filterType"] for found in info["symbols"][0]["filters"]] == [
        "PRICE_FILTER", "LOT_SIZE", "ICEBERG_PARTS", "MARKET_LOT_SIZE", "TRAILING_DELTA", "PERCENT_PRICE_BY_SIDE",
        "NOTIONAL", "MAX_NUM_ORDERS", "MAX_NUM_ORDER_LISTS", "MAX_NUM_ALGO_ORDERS", "MAX_NUM_ORDER_AMENDS"]
    assert info["symbols"][0]["filters"][1]["stepSize"] == "0.00001000"
    assert info["symbols"][0]["permissionSets"] == [["SPOT", "MARGIN"]]


def test_exchange_info_of_some(api: Api) -> None:
    def names(**sent: str) -> list[str]:
        return [symbol["symbol"] for symbol in ask(api, "exchangeInfo", **sent)["symbols"]]

    assert names(symbol="ETHUSDT") == ["ETHUSDT"]
    assert names(symbols='["ETHUSDT","BTCUSDT"]') == ["ETHUSDT", "BTCUSDT"]
    assert names(permissions="SPOT") == names(permissions='["MARGIN","LEVERAGED"]') == ["BTCUSDT", "ETHUSDT"]
    assert names(permissions="LEVERAGED") == names(symbolStatus="HALT") == []
    assert ask(api, "exchangeInfo", showPermissionSets="false")["symbols"][0]["permissionSets"] == []


def test_trades_and_aggregates(api: Api) -> None:
    rows = ask(api, "trades", symbol="BTCUSDT")
    assert [row["id"] for row in rows] == [1, 2, 3, 4, 5]
    assert rows[1] == {"id": 2, "price": "60000.00000000", "qty": "2.00000000", "quoteQty": "120000.00000000",
                       "time": MS - 90_000, "isBuyerMaker": False, "isBestMatch": True}
    assert [row["id"] for row in ask(api, "trades", symbol="BTCUSDT", limit="2")] == [4, 5]
    old = ask(api, "historicalTrades", symbol="BTCUSDT", fromId="2", limit="2")
    assert [row["id"] for row in old] == [2, 3]
    aggregates = ask(api, "aggTrades", symbol="BTCUSDT")
    assert [(row["a"], row["f"], row["l"], row["q"]) for row in aggregates[2:]] == [
        (3, 3, 4, "0.00003000"), (4, 5, 5, "0.50000000")]
    since = ask(api, "aggTrades", symbol="BTCUSDT", startTime=str(MS - 90_000), limit="1")
    assert [row["a"] for row in since] == [2]
    until = ask(api, "aggTrades", symbol="BTCUSDT", endTime=str((MS - 40_000) * 1000), limit="2")
    assert [row["a"] for row in until] == [2, 3]
    assert ask(api, "historicalBlockTrades", symbol="BTCUSDT", fromId="1") == []


def test_klines_and_prices(api: Api) -> None:
    rows = ask(api, "klines", symbol="BTCUSDT", interval="1m", limit="3")
    assert rows[0] == [
        MS - 150_000, "59900.00000000", "59900.00000000", "59900.00000000", "59900.00000000", "0.00000000",
        MS - 90_001, "0.00000000", 0, "0.00000000", "0.00000000", "0"]
    assert rows[1][:9] == [
        MS - 90_000, "60000.00000000", "60100.00000000", "60000.00000000", "60100.00000000", "2.00003000",
        MS - 30_001, "120001.80300000", 3]
    assert rows[2][1:5] == ["60050.00000000"] * 4
    assert ask(api, "uiKlines", symbol="BTCUSDT", interval="1m", limit="3") == rows
    assert ask(api, "klines", symbol="ETHUSDT", interval="1m") == []
    assert ask(api, "avgPrice", symbol="BTCUSDT") == {
        "mins": 5, "price": "60010.00107999", "closeTime": MS - 1000}
    assert ask(api, "ticker/price", symbol="BTCUSDT") == {"symbol": "BTCUSDT", "price": "60050.00000000"}
    assert ask(api, "ticker/price")[1] == {"symbol": "ETHUSDT", "price": "0.00000000"}
    assert ask(api, "ticker/bookTicker", symbol="ETHUSDT")["bidPrice"] == "2999.99000000"
    assert ask(api, "ticker/bookTicker", symbols='["BTCUSDT"]', symbolStatus="HALT") == []


def test_tickers_over_windows(api: Api) -> None:
    full = ask(api, "ticker/24hr", symbol="BTCUSDT")
    assert list(full) == [
        "symbol", "priceChange", "priceChangePercent", "weightedAvgPrice", "prevClosePrice", "lastPrice", "lastQty",
        "bidPrice", "bidQty", "askPrice", "askQty", "openPrice", "highPrice", "lowPrice", "volume", "quoteVolume",
        "openTime", "closeTime", "firstId", "lastId", "count"]
    assert (full["priceChange"], full["priceChangePercent"], full["lastQty"]) == (
        "150.00000000", "0.250", "0.50000000")
    assert (full["openTime"], full["closeTime"], full["count"]) == (MS - 86_400_000, MS, 5)
    mini = ask(api, "ticker/24hr", symbols='["BTCUSDT","ETHUSDT"]', type="MINI")
    assert list(mini[0]) == ["symbol", "openPrice", "highPrice", "lowPrice", "lastPrice", "volume", "quoteVolume",
                             "openTime", "closeTime", "firstId", "lastId", "count"]
    assert (mini[1]["firstId"], mini[1]["count"], mini[1]["lastPrice"]) == (-1, 0, "0.00000000")
    hour = ask(api, "ticker", symbol="BTCUSDT", windowSize="1h")
    assert (hour["count"], hour["openTime"], hour["openPrice"]) == (4, MS - 30_000 - 3_600_000, "60000.00000000")
    day = ask(api, "ticker/tradingDay", symbol="BTCUSDT", timeZone="1")
    assert (day["openTime"], day["closeTime"]) == (MS - 30_000 - 3_600_000, MS - 30_000 + 23 * 3_600_000 - 1)
    book = ("prevClosePrice", "lastQty", "bidPrice", "bidQty", "askPrice", "askQty", "lastPrice")
    before, after = [name for name in full if name not in book][:7], [name for name in full if name not in book][7:]
    assert list(day) == [*before, "lastPrice", *after]



WEIGHTS = {
    "ping": 1, "time": 1, "exchangeInfo": 20, "executionRules": 2, "depth": 5, "trades": 25, "historicalTrades": 25,
    "historicalBlockTrades": 25, "aggTrades": 4, "klines": 2, "uiKlines": 2, "avgPrice": 2, "ticker/24hr": 2,
    "ticker/tradingDay": 4, "ticker": 4, "ticker/price": 2, "ticker/bookTicker": 2, "referencePrice": 2,
    "referencePrice/calculation": 2,
}


def test_weights_of_one_symbol() -> None:
    assert {endpoint.path: endpoint.weight(BTC) for endpoint in ENDPOINTS} == WEIGHTS


@pytest.mark.parametrize(("path", "count", "weight"), [
    ("executionRules", 0, 40), ("executionRules", 3, 6), ("executionRules", 30, 40), ("ticker/24hr", 0, 80),
    ("ticker/24hr", 20, 2), ("ticker/24hr", 21, 40), ("ticker/24hr", 100, 40), ("ticker/24hr", 101, 80),
    ("ticker", 2, 8), ("ticker", 50, 200), ("ticker", 51, 200), ("ticker/tradingDay", 60, 200), ("ticker/price", 0, 4),
    ("ticker/price", 2, 4), ("ticker/bookTicker", 0, 4),
])
def test_weights_of_several_symbols(path: str, count: int, weight: int) -> None:
    symbols = json.dumps([f"S{number}" for number in range(count)])
    assert BY_PATH[path].weight({"symbols": symbols} if count else {}) == weight


@pytest.mark.parametrize(("limit", "weight"), [("100", 5), ("101", 25), ("x", 5), ("9" * 30, 5), ("5000", 250)])
def test_weights_of_depth(limit: str, weight: int) -> None:
    assert BY_PATH["depth"].weight({**BTC, "limit": limit}) == weight
