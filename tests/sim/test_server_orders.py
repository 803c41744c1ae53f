"""Orders on the exchange server: placed, filled, cancelled, replaced; what is answered, told and remembered."""

import json
from decimal import Decimal
from typing import Any

import pytest
import trio
import trio_websocket
from sim.trader import SYMBOL, another, ask, trading

ACK = ["symbol", "orderId", "orderListId", "clientOrderId", "transactTime"]
RESULT = [*ACK, "price", "origQty", "executedQty", "origQuoteOrderQty", "cummulativeQuoteQty", "status", "timeInForce",
          "type", "side", "workingTime", "selfTradePreventionMode"]
FULL = [*RESULT[:-1], "fills", "selfTradePreventionMode"]
QUERY = ["symbol", "orderId", "orderListId", "clientOrderId", "price", "origQty", "executedQty", "cummulativeQuoteQty",
         "status", "timeInForce", "type", "side", "stopPrice", "icebergQty", "time", "updateTime", "isWorking",
         "workingTime", "origQuoteOrderQty", "selfTradePreventionMode"]
CANCEL = ["symbol", "origClientOrderId", "orderId", "orderListId", "clientOrderId", "transactTime", *RESULT[5:14],
          "selfTradePreventionMode"]
REPORT = list("esEcSofqpPFgCxXrilzLnNTtIwmMOZYQWV")


async def test_a_market_order_is_filled_and_told() -> None:
    async with trading() as me:
        _, ask_price = me.best()
        before = await me.balance("USDT"), await me.balance("BTC")
        done = await me.do("POST", "order", side="BUY", type="MARKET", quantity="0.001", newClientOrderId="m1")
        assert list(done) == FULL
        assert (done["orderId"], done["orderListId"], done["clientOrderId"]) == (1, -1, "m1")
        assert (done["status"], done["price"], done["executedQty"]) == ("FILLED", "0.00000000", "0.00100000")
        (fill,) = done["fills"]
        assert list(fill) == ["price", "qty", "commission", "commissionAsset", "tradeId"]
        assert (Decimal(fill["price"]), fill["commission"], fill["commissionAsset"]) == (
            ask_price, "0.00000100", "BTC")
        spent = Decimal(done["cummulativeQuoteQty"])
        assert spent == ask_price * Decimal("0.001")
        assert await me.balance("USDT") == (before[0][0] - spent, 0)
        assert await me.balance("BTC") == (before[1][0] + Decimal("0.000999"), 0)
        new, trade = me.told()
        assert set(new) == set(REPORT)
        assert [(e["x"], e["X"], e["t"], e["l"]) for e in (new, trade)] == [
            ("NEW", "NEW", -1, "0.00000000"), ("TRADE", "FILLED", fill["tradeId"], "0.00100000")]
        assert (trade["n"], trade["N"], trade["Z"], trade["m"]) == (
            "0.00000100", "BTC", done["cummulativeQuoteQty"], False)
        assert new["I"] < trade["I"]
        (position,) = me.told("outboundAccountPosition")
        assert me.events[-1] is position
        assert {row["a"]: Decimal(row["f"]) for row in position["B"]} == {
            "BTC": (await me.balance("BTC"))[0], "USDT": (await me.balance("USDT"))[0]}
        (mine,) = await me.get("myTrades", symbol=SYMBOL)
        assert list(mine) == ["symbol", "id", "orderId", "orderListId", "price", "qty", "quoteQty", "commission",
                              "commissionAsset", "time", "isBuyer", "isMaker", "isBestMatch"]
        assert (mine["id"], mine["quoteQty"], mine["isBuyer"], mine["isMaker"]) == (
            fill["tradeId"], done["cummulativeQuoteQty"], True, False)


@pytest.mark.parametrize(("kind", "fields"), [("ACK", ACK), ("RESULT", RESULT), ("FULL", FULL), (None, FULL)])
async def test_the_answer_has_the_shape_that_was_asked_for(kind: str | None, fields: list[str]) -> None:
    async with trading() as me:
        more = {} if kind is None else {"newOrderRespType": kind}
        assert list(await me.limit("BUY", "50000", **more)) == fields


async def test_a_stop_is_acknowledged_unless_asked_otherwise() -> None:
    async with trading() as me:
        stop = await me.do("POST", "order", side="SELL", type="STOP_LOSS_LIMIT", timeInForce="GTC", quantity="0.001",
                           price="40000", stopPrice="41000", strategyId=-3, strategyType=1000000)
        assert list(stop) == ACK
        found = await me.get("order", symbol=SYMBOL, orderId=stop["orderId"])
        assert (found["isWorking"], found["workingTime"], found["stopPrice"]) == (False, -1, "41000.00000000")
        assert (found["strategyId"], found["strategyType"]) == (-3, 1_000_000)
        (new,) = me.told()
        assert (new["w"], new["P"], new["j"], new["J"], "W" in new) == (False, "41000.00000000", -3, 1_000_000, False)


async def test_a_resting_order_holds_and_gives_back() -> None:
    async with trading() as me:
        free, _ = await me.balance("USDT")
        placed = await me.limit("BUY", "50000", newClientOrderId="r1")
        assert await me.balance("USDT") == (free - 50, 50)
        (found,) = await me.get("openOrders", symbol=SYMBOL)
        assert list(found) == QUERY
        assert found == await me.get("order", symbol=SYMBOL, origClientOrderId="r1")
        assert [found] == await me.get("openOrders")
        gone = await me.do("DELETE", "order", orderId=placed["orderId"], newClientOrderId="c1")
        assert list(gone) == CANCEL
        assert (gone["origClientOrderId"], gone["clientOrderId"], gone["status"]) == ("r1", "c1", "CANCELED")
        assert await me.balance("USDT") == (free, 0)
        assert [(e["x"], e["c"], e["C"], e["w"]) for e in me.told()] == [
            ("NEW", "r1", "", True), ("CANCELED", "c1", "r1", False)]
        assert await me.get("openOrders") == []
        (kept,) = await me.get("allOrders", symbol=SYMBOL)
        assert (kept["clientOrderId"], kept["status"]) == ("r1", "CANCELED")


async def test_another_account_fills_what_rests() -> None:
    async with trading() as me, another(me) as other:
        bid, ask_price = me.best()
        assert ask_price - bid >= Decimal("0.02")
        price = bid + Decimal("0.01")
        mine = await me.limit("BUY", price, "0.003")
        sold = await other.limit("SELL", price, "0.001")
        assert (sold["status"], sold["fills"][0]["commissionAsset"]) == ("FILLED", "USDT")
        trade = me.told()[-1]
        assert (trade["x"], trade["X"], trade["m"], trade["z"], trade["i"]) == (
            "TRADE", "PARTIALLY_FILLED", True, "0.00100000", mine["orderId"])
        assert trade["t"] == sold["fills"][0]["tradeId"]
        (row,) = await me.get("myTrades", symbol=SYMBOL, orderId=mine["orderId"])
        assert (row["isMaker"], row["isBuyer"], row["id"]) == (True, True, trade["t"])
        assert await me.refused("DELETE", "order", orderId=mine["orderId"], cancelRestrictions="ONLY_NEW") == (
            400, -2011, "Order was not canceled due to cancel restrictions.")
        gone = await me.do("DELETE", "order", orderId=mine["orderId"], cancelRestrictions="ONLY_PARTIALLY_FILLED")
        assert (gone["status"], gone["executedQty"]) == ("CANCELED", "0.00100000")
        assert (await other.get("openOrders"), len(await other.get("allOrders", symbol=SYMBOL))) == ([], 1)
        assert await other.refused("GET", "order", orderId=mine["orderId"]) == (400, -2013, "Order does not exist.")


async def test_the_market_fills_what_rests() -> None:
    async with trading() as me:
        bid, ask_price = me.best()
        (await me.limit("BUY", bid), await me.limit("SELL", ask_price))
        async with trio_websocket.open_websocket_url(me.server.addresses.ws + "/ws/btcusdt@trade") as stream:
            filled: set[int] = set()
            while not filled:
                await stream.get_message()
                filled = {e["t"] for e in me.told() if e["x"] == "TRADE"}
            assert True in {e["m"] for e in me.told() if e["x"] == "TRADE"}
        assert {row["id"] for row in await me.get("myTrades", symbol=SYMBOL)} >= filled


async def test_quote_quantity_buys_as_much_as_it_pays_for() -> None:
    async with trading() as me:
        done = await me.do("POST", "order", side="BUY", type="MARKET", quoteOrderQty="100")
        assert (done["status"], done["origQuoteOrderQty"]) == ("FILLED", "100.00000000")
        assert done["origQty"] == done["executedQty"]
        assert 99 < Decimal(done["cummulativeQuoteQty"]) <= 100
        assert me.told()[-1]["Q"] == "100.00000000"


async def test_what_is_not_to_stay_expires_with_its_reason() -> None:
    async with trading() as me:
        bid, _ = me.best()
        params = {"side": "BUY", "type": "LIMIT", "quantity": "0.001", "price": bid}
        ioc = await me.do("POST", "order", timeInForce="IOC", **params)
        fok = await me.do("POST", "order", timeInForce="FOK", **params)
        assert [(o["status"], o["expiryReason"]) for o in (ioc, fok)] == [
            ("EXPIRED", "UNFILLED_IOC_QUANTITY_EXPIRED"), ("EXPIRED", "UNFILLED_FOK_ORDER_EXPIRED")]
        assert [e["eR"] for e in me.told() if e["x"] == "EXPIRED"] == [ioc["expiryReason"], fok["expiryReason"]]
        assert [o["expiryReason"] for o in await me.get("allOrders", symbol=SYMBOL)] == [
            ioc["expiryReason"], fok["expiryReason"]]


async def test_the_same_requests_over_the_websocket_api() -> None:
    async with trading() as me, trio_websocket.open_websocket_url(me.server.addresses.ws_api) as ws:
        subscribed = await ask(me, ws, "userDataStream.subscribe.signature")
        assert subscribed["result"] == {"subscriptionId": 0}
        placed = await ask(me, ws, "order.place", symbol=SYMBOL, side="BUY", type="LIMIT", timeInForce="GTC",
                           price="50000", quantity="0.001", newClientOrderId="w1")
        assert (placed["status"], list(placed["result"])) == (200, FULL)
        found = await ask(me, ws, "order.status", symbol=SYMBOL, origClientOrderId="w1")
        assert found["result"] == await me.get("order", symbol=SYMBOL, origClientOrderId="w1")
        gone = await ask(me, ws, "order.cancel", symbol=SYMBOL, origClientOrderId="w1")
        assert gone["result"]["status"] == "CANCELED"
        again = await ask(me, ws, "order.cancel", symbol=SYMBOL, origClientOrderId="w1")
        assert (again["status"], again["error"]) == (400, {"code": -2011, "msg": "Unknown order sent."})


async def test_events_come_over_the_subscription() -> None:
    async with trading() as me, trio_websocket.open_websocket_url(me.server.addresses.ws_api) as ws:
        await ask(me, ws, "userDataStream.subscribe.signature")
        await me.limit("BUY", "50000")
        frames = [json.loads(await ws.get_message()) for _ in range(2)]
        assert frames == [{"subscriptionId": 0, "event": event} for event in me.events]


# --- refusals

LIMIT: dict[str, Any] = {"side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.001", "price": "50000"}
WRONG: list[tuple[dict[str, Any], int, str]] = [
    ({"symbol": "XXXYYY"}, -1121, "Invalid symbol."),
    ({"side": "HOLD"}, -1117, "Invalid side."),
    ({"type": "HOPE"}, -1116, "Invalid orderType."),
    ({"timeInForce": "GTX"}, -1115, "Invalid timeInForce."),
    ({"timeInForce": None}, -1102,
     "Mandatory parameter 'timeInForce' was not sent, was empty/null, or malformed."),
    ({"price": None}, -1102, "Mandatory parameter 'price' was not sent, was empty/null, or malformed."),
    ({"quantity": None}, -1102, "Mandatory parameter 'quantity' was not sent, was empty/null, or malformed."),
    ({"quantity": ""}, -1105, "Parameter 'quantity' was empty."),
    ({"quantity": "1e-3"}, -1100,
     "Illegal characters found in parameter 'quantity'; legal range is '^([0-9]{1,20})(\\.[0-9]{1,20})?$'."),
    ({"quantity": "0.001000001"}, -1111, "Parameter 'quantity' has too much precision."),
    ({"quantity": "0.000000"}, -1013, "Invalid quantity."),
    ({"quantity": "0.000001"}, -1013, "Filter failure: LOT_SIZE"),
    ({"price": "50000.001"}, -1013, "Filter failure: PRICE_FILTER"),
    ({"price": "100000000"}, -1013, "Filter failure: PRICE_FILTER"),
    ({"price": "1"}, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
    ({"quantity": "0.00001"}, -1013, "Filter failure: NOTIONAL"),
    ({"newClientOrderId": "a b"}, -1100,
     "Illegal characters found in parameter 'newClientOrderId'; legal range is '^[a-zA-Z0-9-_]{1,36}$'."),
    ({"strategyType": 999_999}, -1134, "`strategyType` was less than 1000000."),
    ({"stopPrice": "1"}, -1106, "Parameter 'stopPrice' sent when not required."),
    ({"quoteOrderQty": "1"}, -1106, "Parameter 'quoteOrderQty' sent when not required."),
    ({"hope": "1"}, -1104, "Not all sent parameters were read; read '6' parameter(s) but was sent '7'."),
    ({"quantity": "9", "price": "60000", "type": "LIMIT_MAKER", "timeInForce": None}, -2010,
     "Order would immediately match and take."),
    ({"quantity": "30", "price": "59000"}, -2010, "Account has insufficient balance for requested action."),
    ({"type": "MARKET", "price": None, "timeInForce": None, "quantity": None}, -1102,
     "Param 'quantity' or 'quoteOrderQty' must be sent, but both were empty/null!"),
    ({"type": "MARKET", "timeInForce": None}, -1106, "Parameter 'price' sent when not required."),
    ({"type": "STOP_LOSS_LIMIT"}, -1102,
     "Param 'stopPrice' or 'trailingDelta' must be sent, but both were empty/null!"),
    ({"type": "STOP_LOSS_LIMIT", "stopPrice": "40000"}, -2010, "Order would trigger immediately."),
    ({"icebergQty": "0.0005", "timeInForce": "IOC"}, -1014, "Unsupported order combination."),
    ({"icebergQty": "0.002"}, -2010, "IcebergQty exceeds QTY."),
    ({"pegPriceType": "SOMEHOW"}, -1210, "Invalid pegPriceType."),
    ({"pegPriceType": "PRIMARY_PEG", "pegOffsetType": "BIPS"}, -1211, "Invalid pegOffsetType."),
    ({"selfTradePreventionMode": "HOPE"}, -1130, "Data sent for parameter 'selfTradePreventionMode' is not valid."),
]


async def test_what_cannot_be_is_refused_in_binances_words() -> None:
    async with trading() as me:
        for change, code, words in WRONG:
            params = {name: value for name, value in (LIMIT | change).items() if value is not None}
            assert await me.refused("POST", "order", **params) == (400, code, words), change
        assert (me.events, await me.get("allOrders", symbol=SYMBOL)) == ([], [])


async def test_a_client_order_id_is_unique_among_open_orders() -> None:
    async with trading() as me:
        await me.limit("BUY", "50000", newClientOrderId="d1")
        assert await me.refused("POST", "order", **LIMIT, newClientOrderId="d1") == (
            400, -2010, "Duplicate order sent.")
        await me.do("DELETE", "order", origClientOrderId="d1")
        again = await me.limit("BUY", "50000", newClientOrderId="d1")
        found = await me.get("order", symbol=SYMBOL, origClientOrderId="d1")
        assert (found["orderId"], found["status"]) == (again["orderId"], "NEW")


async def test_orders_must_be_named() -> None:
    async with trading() as me:
        placed = await me.limit("BUY", "50000", newClientOrderId="n1")
        for verb in ("GET", "DELETE"):
            assert (await me.refused(verb, "order"))[1] == -1102
            assert await me.refused(verb, "order", orderId=placed["orderId"], origClientOrderId="n2") == (
                400, -2039, "Client order ID is not correct for this order ID.")
        assert await me.refused("GET", "order", orderId=99) == (400, -2013, "Order does not exist.")
        assert await me.refused("DELETE", "order", orderId=99) == (400, -2011, "Unknown order sent.")
        assert (await me.refused("DELETE", "order", orderId=1, cancelRestrictions="ONLY_OLD"))[1] == -1145


async def test_a_test_order_is_not_placed() -> None:
    async with trading() as me:
        assert await me.do("POST", "order/test", **LIMIT) == {}
        rates = await me.do("POST", "order/test", **LIMIT, computeCommissionRates="true")
        assert rates["standardCommissionForOrder"] == {"maker": "0.00100000", "taker": "0.00100000"}
        assert (await me.refused("POST", "order/test", **(LIMIT | {"quantity": "0.00001"})))[1] == -1013
        assert (me.events, await me.get("openOrders")) == ([], [])


async def test_all_orders_of_a_symbol_are_cancelled() -> None:
    async with trading() as me:
        assert await me.refused("DELETE", "openOrders") == (400, -2011, "Unknown order sent.")
        ids = [(await me.limit("BUY", price))["orderId"] for price in ("50000", "51000")]
        gone = await me.do("DELETE", "openOrders")
        assert [(o["orderId"], o["status"]) for o in gone] == [(number, "CANCELED") for number in ids]
        assert list(gone[0]) == CANCEL
        assert await me.get("openOrders") == []


# --- replacing


async def test_a_replacement_has_both_answers() -> None:
    async with trading() as me:
        old = await me.limit("BUY", "50000", newClientOrderId="x1")
        done = await me.do("POST", "order/cancelReplace", **LIMIT, cancelReplaceMode="STOP_ON_FAILURE",
                           cancelOrderId=old["orderId"], cancelNewClientOrderId="x2", newClientOrderId="x3")
        assert list(done) == ["cancelResult", "newOrderResult", "cancelResponse", "newOrderResponse"]
        assert (done["cancelResult"], done["newOrderResult"]) == ("SUCCESS", "SUCCESS")
        assert list(done["cancelResponse"]) == CANCEL
        assert list(done["newOrderResponse"]) == FULL
        assert [(e["x"], e["c"], e["C"]) for e in me.told()[1:]] == [("CANCELED", "x2", "x1"), ("NEW", "x3", "")]


@pytest.mark.parametrize(("mode", "change", "status", "code", "results"), [
    ("STOP_ON_FAILURE", {"cancelOrderId": 9}, 400, -2022, ("FAILURE", "NOT_ATTEMPTED")),
    ("ALLOW_FAILURE", {"cancelOrderId": 9}, 409, -2021, ("FAILURE", "SUCCESS")),
    ("ALLOW_FAILURE", {"cancelOrderId": 9, "quantity": "19"}, 400, -2022, ("FAILURE", "FAILURE")),
    ("STOP_ON_FAILURE", {"quantity": "19"}, 409, -2021, ("SUCCESS", "FAILURE")),
])
async def test_a_replacement_that_fails_by_half(
    mode: str, change: dict[str, Any], status: int, code: int, results: tuple[str, str]
) -> None:
    async with trading() as me:
        old = await me.limit("BUY", "50000")
        params = LIMIT | {"price": "59000", "cancelOrderId": old["orderId"], "cancelReplaceMode": mode} | change
        answer = await me.send("POST", "order/cancelReplace", symbol=SYMBOL, **params)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        data = answer.json()["data"]
        assert (data["cancelResult"], data["newOrderResult"]) == results
        assert data["newOrderResponse"] is None or set(data["newOrderResponse"]) in ({"code", "msg"}, set(FULL))


async def test_filters_are_looked_at_before_the_old_order_goes() -> None:
    async with trading() as me:
        old = await me.limit("BUY", "50000")
        params = LIMIT | {"quantity": "0.00001", "cancelOrderId": old["orderId"]}
        params["cancelReplaceMode"] = "STOP_ON_FAILURE"
        assert (await me.refused("POST", "order/cancelReplace", **params))[:2] == (400, -1013)
        assert len(await me.get("openOrders")) == 1


# --- questions


async def test_trades_can_be_asked_for_page_by_page() -> None:
    async with trading() as me:
        ids = [(await me.do("POST", "order", side="BUY", type="MARKET", quantity="0.0002"))["fills"][0]["tradeId"]
               for _ in range(4)]
        assert [t["id"] for t in await me.get("myTrades", symbol=SYMBOL)] == ids
        assert [t["id"] for t in await me.get("myTrades", symbol=SYMBOL, limit=2)] == ids[2:]
        assert [t["id"] for t in await me.get("myTrades", symbol=SYMBOL, fromId=ids[1], limit=2)] == ids[1:3]
        start = (await me.get("myTrades", symbol=SYMBOL))[0]["time"]
        assert [t["id"] for t in await me.get("myTrades", symbol=SYMBOL, startTime=start, limit=3)] == ids[:3]
        assert (await me.refused("GET", "myTrades", fromId=1, startTime=start))[1] == -1128
        assert (await me.refused("GET", "myTrades", startTime=start, endTime=start + 86_400_001))[1] == -1127
        assert [o["orderId"] for o in await me.get("allOrders", symbol=SYMBOL, orderId=3)] == [3, 4]


async def test_the_account_tells_its_rates_rights_and_balances() -> None:
    async with trading(symbols=(SYMBOL, "ETHUSDT")) as me:
        found = await me.get("account")
        assert list(found) == [
            "makerCommission", "takerCommission", "buyerCommission", "sellerCommission", "commissionRates", "canTrade",
            "canWithdraw", "canDeposit", "brokered", "requireSelfTradePrevention", "preventSor", "updateTime",
            "accountType", "balances", "permissions", "uid"]
        rows = {row["asset"]: row for row in found["balances"]}
        assert set(rows) == {"BNB", "BTC", "ETH", "USDT"}
        assert rows["USDT"] == {"asset": "USDT", "free": "1000000.00000000", "locked": "0.00000000"}
        assert rows["BNB"]["free"] == "10.00000000"
        assert (await me.get("account/commission", symbol=SYMBOL))["standardCommission"] == {
            "maker": "0.00100000", "taker": "0.00100000", "buyer": "0.00000000", "seller": "0.00000000"}
        assert {f["filterType"] for f in (await me.get("myFilters", symbol=SYMBOL))["symbolFilters"]} > {"LOT_SIZE"}


async def test_unfilled_orders_are_counted() -> None:
    async with trading() as me:
        await me.limit("BUY", "50000")
        counts = await me.get("rateLimit/order")
        assert {(row["interval"], row["count"]) for row in counts} >= {("DAY", 1)}


async def test_prevented_trades_are_told_and_remembered() -> None:
    async with trading() as me:
        bid, _ = me.best()
        price = bid + Decimal("0.01")
        maker = await me.limit("BUY", price, "0.002")
        taker = await me.limit("SELL", price, "0.001", selfTradePreventionMode="DECREMENT")
        assert (taker["status"], taker["preventedQuantity"]) == ("EXPIRED_IN_MATCH", "0.00100000")
        reports = [e for e in me.told() if e["x"] == "TRADE_PREVENTION"]
        assert [(e["i"], e["X"], e["A"], e["U"]) for e in reports] == [
            (maker["orderId"], "NEW", "0.00100000", taker["orderId"]),
            (taker["orderId"], "EXPIRED_IN_MATCH", "0.00100000", maker["orderId"])]
        (row,) = await me.get("myPreventedMatches", symbol=SYMBOL, orderId=maker["orderId"])
        assert row == {
            "symbol": SYMBOL, "preventedMatchId": reports[0]["v"], "takerOrderId": taker["orderId"],
            "makerSymbol": SYMBOL, "makerOrderId": maker["orderId"], "tradeGroupId": -1,
            "selfTradePreventionMode": "DECREMENT", "price": f"{price:.8f}",
            "takerPreventedQuantity": "0.00100000", "makerPreventedQuantity": "0.00100000",
            "transactTime": row["transactTime"]}
        assert await me.get("myPreventedMatches", symbol=SYMBOL, preventedMatchId=row["preventedMatchId"]) == [row]


async def test_an_old_request_does_not_reach_the_matching_engine() -> None:
    async with trading() as me:
        answer = await me.refused("POST", "order", **LIMIT, timestamp=me.time_ms() - 6000)
        assert answer == (400, -1021, "Timestamp for this request is outside of the recvWindow.")
        assert me.events == []
        await trio.lowlevel.checkpoint()
