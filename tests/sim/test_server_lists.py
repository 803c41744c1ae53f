"""Order lists, amendments, icebergs, pegs and smart orders on the exchange server: answers and events."""

from decimal import Decimal
from typing import Any

import pytest
import trio_websocket
from sim.trader import SYMBOL, Trader, another, ask, trading

HEAD = ["orderListId", "contingencyType", "listStatusType", "listOrderStatus", "listClientOrderId", "transactionTime",
        "symbol", "orders"]
SELL_PAIR: dict[str, Any] = {
    "side": "SELL", "quantity": "0.001", "aboveType": "LIMIT_MAKER", "abovePrice": "70000", "belowType":
    "STOP_LOSS_LIMIT", "belowStopPrice": "50000", "belowPrice": "49000", "belowTimeInForce": "GTC"}


def working(price: Any, quantity: str = "0.001") -> dict[str, Any]:
    return {"workingType": "LIMIT", "workingSide": "BUY", "workingTimeInForce": "GTC", "workingPrice": price,
            "workingQuantity": quantity}


def statuses(me: Trader) -> list[tuple[str, str]]:
    return [(event["l"], event["L"]) for event in me.told("listStatus")]


async def status_of(me: Trader, number: int) -> str:
    return str((await me.get("order", symbol=SYMBOL, orderId=number))["status"])


async def test_a_pair_is_placed_told_and_cancelled_together() -> None:
    async with trading() as me:
        free, _ = await me.balance("BTC")
        done = await me.do("POST", "orderList/oco", **SELL_PAIR, listClientOrderId="l1", aboveClientOrderId="l1a",
                           belowClientOrderId="l1b")
        assert list(done) == [*HEAD, "orderReports"]
        assert (done["contingencyType"], done["listStatusType"], done["listOrderStatus"]) == (
            "OCO", "EXEC_STARTED", "EXECUTING")
        assert {(o["clientOrderId"], o["status"], o["type"]) for o in done["orderReports"]} == {
            ("l1a", "NEW", "LIMIT_MAKER"), ("l1b", "NEW", "STOP_LOSS_LIMIT")}
        assert await me.balance("BTC") == (free - Decimal("0.001"), Decimal("0.001"))
        number = done["orderListId"]
        assert {event["g"] for event in me.told()} == {number}
        (told,) = me.told("listStatus")
        assert (told["c"], told["l"], told["L"], told["C"], [o["c"] for o in told["O"]]) == (
            "OCO", "EXEC_STARTED", "EXECUTING", "l1", [o["clientOrderId"] for o in done["orders"]])
        found = await me.get("orderList", origClientOrderId="l1")
        assert list(found) == HEAD
        assert await me.get("openOrderList") == await me.get("allOrderList") == [found]
        assert (await me.refused("POST", "orderList/oco", **SELL_PAIR, listClientOrderId="l1"))[1:] == (
            -2010, "Duplicate order sent.")
        gone = await me.do("DELETE", "orderList", orderListId=number, newClientOrderId="c1")
        assert list(gone) == [*HEAD, "orderReports"]
        assert [(o["status"], o["clientOrderId"]) for o in gone["orderReports"]] == [("CANCELED", "c1")] * 2
        assert statuses(me) == [("EXEC_STARTED", "EXECUTING"), ("ALL_DONE", "ALL_DONE")]
        assert (await me.balance("BTC"), await me.get("openOrderList")) == ((free, 0), [])
        assert await me.refused("DELETE", "orderList", orderListId=number) == (400, -2011, "Unknown order sent.")
        assert (await me.refused("GET", "orderList", orderListId=99, symbol=SYMBOL))[1] in (-1101, -1104, -2013)


async def test_to_cancel_a_leg_is_to_cancel_the_list() -> None:
    async with trading() as me:
        done = await me.do("POST", "orderList/oco", **SELL_PAIR)
        gone = await me.do("DELETE", "order", orderId=done["orders"][0]["orderId"])
        assert (gone["listOrderStatus"], len(gone["orderReports"])) == ("ALL_DONE", 2)
        again = await me.do("POST", "orderList/oco", **SELL_PAIR)
        lone = await me.limit("BUY", "50000")
        mixed = await me.do("DELETE", "openOrders")
        assert [each.get("orderId", each["orderListId"]) for each in mixed] == [again["orderListId"], lone["orderId"]]


async def test_the_fill_of_one_ends_the_other() -> None:
    async with trading() as me, another(me) as other:
        price = me.best()[1] + 5
        done = await me.do("POST", "orderList/oco", **(SELL_PAIR | {"abovePrice": price}))
        await other.limit("BUY", price, "15")  # all that is offered up to there
        ends = {e["o"]: (e["x"], e["X"], e.get("eR")) for e in me.told() if e["x"] != "NEW"}
        assert ends == {"LIMIT_MAKER": ("TRADE", "FILLED", None), "STOP_LOSS_LIMIT": (
            "EXPIRED", "EXPIRED", "OCO_TRIGGER")}
        assert statuses(me)[-1] == ("ALL_DONE", "ALL_DONE")
        assert (await me.get("orderList", orderListId=done["orderListId"]))["listOrderStatus"] == "ALL_DONE"
        assert (await me.balance("BTC"))[1] == 0


@pytest.mark.parametrize(("change", "code", "words"), [
    ({"aboveType": "STOP_LOSS", "abovePrice": None, "aboveStopPrice": "70000"}, -1197,
     "A stop loss order in a sell OCO must be below."),
    ({"abovePrice": "40000"}, -2010, "The relationship of the prices for the orders is not correct."),
    ({"quantity": None}, -1102, "Mandatory parameter 'quantity' was not sent, was empty/null, or malformed."),
    ({"aboveType": None}, -1102, "Mandatory parameter 'aboveType' was not sent, was empty/null, or malformed."),
    ({"belowStopPrice": None}, -1102,
     "Param 'belowStopPrice' or 'belowTrailingDelta' must be sent, but both were empty/null!"),
    ({"quantity": "99"}, -2010, "Account has insufficient balance for requested action."),
])
async def test_a_list_that_cannot_be(change: dict[str, Any], code: int, words: str) -> None:
    async with trading() as me:
        params = {name: value for name, value in (SELL_PAIR | change).items() if value is not None}
        assert await me.refused("POST", "orderList/oco", **params) == (400, code, words)
        assert (me.events, await me.get("allOrderList"), await me.get("openOrders")) == ([], [], [])


async def test_the_pair_of_old() -> None:
    async with trading() as me:
        done = await me.do("POST", "order/oco", side="SELL", quantity="0.001", price="70000", stopPrice="50000",
                           stopLimitPrice="49000", stopLimitTimeInForce="GTC", limitClientOrderId="o1",
                           stopClientOrderId="o2")
        assert [(o["clientOrderId"], o["type"], o["price"]) for o in done["orderReports"]] == [
            ("o1", "LIMIT_MAKER", "70000.00000000"), ("o2", "STOP_LOSS_LIMIT", "49000.00000000")]
        bought = await me.do("POST", "order/oco", side="BUY", quantity="0.001", price="50000", stopPrice="70000")
        assert {o["type"] for o in bought["orderReports"]} == {"LIMIT_MAKER", "STOP_LOSS"}


async def test_a_pending_order_works_when_the_first_is_filled() -> None:
    async with trading() as me, another(me) as other:
        bid, ask_price = me.best()
        price = bid + Decimal("0.01")
        assert price < ask_price
        pending = {"pendingType": "LIMIT", "pendingSide": "SELL", "pendingTimeInForce": "GTC", "pendingPrice": "70000",
                   "pendingQuantity": "0.001"}
        done = await me.do("POST", "orderList/oto", **working(price), **pending)
        assert done["contingencyType"] == "OTO"
        first, second = done["orderReports"]
        assert (first["status"], second["status"], second["workingTime"]) == ("NEW", "PENDING_NEW", -1)
        (waits,) = [e for e in me.told() if e["i"] == second["orderId"]]
        assert (waits["x"], waits["X"], waits["w"], "W" in waits) == ("NEW", "PENDING_NEW", False, False)
        await other.limit("SELL", price)
        assert [(e["x"], e["X"]) for e in me.told() if e["i"] == second["orderId"]] == [
            ("NEW", "PENDING_NEW"), ("NEW", "NEW")]
        found = await me.get("order", symbol=SYMBOL, orderId=second["orderId"])
        assert (found["status"], found["isWorking"]) == ("NEW", True)
        assert found["workingTime"] > 0
        assert statuses(me) == [("EXEC_STARTED", "EXECUTING")]


async def test_a_first_order_that_dies_takes_the_others_along() -> None:
    async with trading() as me:
        params = working("50000") | {"workingTimeInForce": "IOC"}
        pair = {f"pending{name[0].upper()}{name[1:]}": value for name, value in SELL_PAIR.items()}
        done = await me.do("POST", "orderList/otoco", **params, **pair)
        assert done["listOrderStatus"] == "ALL_DONE"
        assert [await status_of(me, o["orderId"]) for o in done["orders"]] == ["EXPIRED"] * 3
        assert [e.get("eR") for e in me.told() if e["x"] == "EXPIRED"] == [
            "UNFILLED_IOC_QUANTITY_EXPIRED", "OTO_PHASE_ONE_EXPIRED", "OTO_PHASE_ONE_EXPIRED"]


@pytest.mark.parametrize("kind", ["opo", "opoco"])
async def test_what_was_bought_is_sold_less_its_fee(kind: str) -> None:
    async with trading() as server, another(server, bitcoins=0) as me:
        _, ask_price = me.best()
        pending = {"pendingType": "LIMIT", "pendingTimeInForce": "GTC", "pendingPrice": "70000"}
        if kind == "opoco":
            pending = {f"pending{name[0].upper()}{name[1:]}": value for name, value in SELL_PAIR.items()
                       if name not in ("side", "quantity")}
        done = await me.do("POST", f"orderList/{kind}", **working(ask_price, "0.002"), **pending, pendingSide="SELL")
        first, *others = done["orders"]
        assert done["contingencyType"] == "OTO"
        assert await status_of(me, first["orderId"]) == "FILLED"
        for each in others:
            found = await me.get("order", symbol=SYMBOL, orderId=each["orderId"])
            assert (found["status"], found["origQty"]) == ("NEW", "0.00199000")
        assert (await me.balance("BTC"))[1] == Decimal("0.00199")


async def test_lists_over_the_websocket_api() -> None:
    async with trading() as me, trio_websocket.open_websocket_url(me.server.addresses.ws_api) as ws:
        placed = await ask(me, ws, "orderList.place.oco", symbol=SYMBOL, **SELL_PAIR)
        assert (placed["status"], list(placed["result"])) == (200, [*HEAD, "orderReports"])
        gone = await ask(me, ws, "orderList.cancel", symbol=SYMBOL, orderListId=placed["result"]["orderListId"])
        assert gone["result"]["listOrderStatus"] == "ALL_DONE"


# --- amending


async def test_an_amended_order_keeps_its_number() -> None:
    async with trading() as me:
        placed = await me.limit("BUY", "50000", "0.004", newClientOrderId="a1")
        number = placed["orderId"]
        done = await me.do("PUT", "order/amend/keepPriority", orderId=number, newQty="0.003", newClientOrderId="a2")
        assert list(done) == ["transactTime", "executionId", "amendedOrder"]
        assert list(done["amendedOrder"]) == [
            "symbol", "orderId", "orderListId", "origClientOrderId", "clientOrderId", "price", "qty", "executedQty",
            "preventedQty", "quoteOrderQty", "cumulativeQuoteQty", "status", "timeInForce", "type", "side",
            "workingTime", "selfTradePreventionMode"]
        assert (done["amendedOrder"]["qty"], done["amendedOrder"]["origClientOrderId"]) == ("0.00300000", "a1")
        report = me.told()[-1]
        assert (report["x"], report["X"], report["q"], report["c"], report["C"], report["I"]) == (
            "REPLACED", "NEW", "0.00300000", "a2", "a1", done["executionId"])
        assert (await me.get("order", symbol=SYMBOL, origClientOrderId="a2"))["orderId"] == number
        (row,) = await me.get("order/amendments", symbol=SYMBOL, orderId=number)
        assert row == {
            "symbol": SYMBOL, "orderId": number, "executionId": done["executionId"], "origClientOrderId": "a1",
            "newClientOrderId": "a2", "origQty": "0.00400000", "newQty": "0.00300000", "time": row["time"]}
        assert await me.balance("USDT") == (Decimal(999_850), 150)
        assert await me.refused("PUT", "order/amend/keepPriority", orderId=number, newQty="0.003") == (
            400, -2038, "The requested action would change no state; rejecting.")
        assert (await me.refused("PUT", "order/amend/keepPriority", orderId=number, newQty="0.005"))[1] == -2038
        assert (await me.refused("PUT", "order/amend/keepPriority", orderId=99, newQty="0.001"))[1] == -2013
        await me.limit("BUY", "50000", newClientOrderId="a1")  # the name is free again


async def test_an_amended_leg_changes_its_pair() -> None:
    async with trading() as me:
        done = await me.do("POST", "orderList/oco", **(SELL_PAIR | {"quantity": "0.002"}))
        number = done["orders"][0]["orderId"]
        found = await me.do("PUT", "order/amend/keepPriority", orderId=number, newQty="0.001")
        assert (found["listStatus"]["orderListId"], found["listStatus"]["contingencyType"]) == (
            done["orderListId"], "OCO")
        assert [o["origQty"] for o in await me.get("openOrders")] == ["0.00100000"] * 2
        assert statuses(me) == [("EXEC_STARTED", "EXECUTING"), ("UPDATED", "EXECUTING")]


async def test_an_order_can_be_amended_ten_times() -> None:
    async with trading() as me:
        number = (await me.limit("BUY", "50000", "0.020"))["orderId"]
        for i in range(10):
            await me.do("PUT", "order/amend/keepPriority", orderId=number, newQty=f"0.0{19 - i}")
        assert (await me.refused("PUT", "order/amend/keepPriority", orderId=number, newQty="0.001"))[1] == -2038


# --- kinds of orders


async def test_an_iceberg_a_peg_a_trailing_stop_and_a_smart_order() -> None:
    async with trading() as me:
        bid, _ = me.best()
        berg = await me.limit("BUY", "50000", "0.004", icebergQty="0.001")
        assert (berg["icebergQty"], me.told()[-1]["F"]) == ("0.00100000", "0.00100000")
        peg = await me.do("POST", "order", side="BUY", type="LIMIT_MAKER", quantity="0.001", pegPriceType="PRIMARY_PEG",
                          newOrderRespType="RESULT")
        assert (peg["price"], peg["pegPriceType"], Decimal(peg["peggedPrice"])) == (
            "0.00000000", "PRIMARY_PEG", bid)
        assert me.told()[-1]["gP"] == "PRIMARY_PEG"
        stop = await me.do("POST", "order", side="SELL", type="STOP_LOSS", quantity="0.001", trailingDelta=100,
                           newOrderRespType="RESULT")
        assert (stop["trailingDelta"], stop["status"], stop["workingTime"]) == (100, "NEW", -1)
        smart = await me.do("POST", "sor/order", side="BUY", type="MARKET", quantity="0.001")
        (fill,) = smart["fills"]
        assert (smart["usedSor"], smart["workingFloor"], fill["matchType"], fill["tradeId"]) == (
            True, "SOR", "ONE_PARTY_TRADE_REPORT", -1)
        (row,) = await me.get("myAllocations", symbol=SYMBOL)
        assert (row["allocationId"], row["orderId"], row["isAllocator"]) == (fill["allocId"], smart["orderId"], False)
        assert await me.get("myTrades", symbol=SYMBOL) == []
