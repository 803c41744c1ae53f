"""Orders and faults: what became of an order whose reply went wrong, and what is told of it all the same."""

import json
from typing import Any

import httpx
import pytest
import trio
import trio_websocket
from signed import send, signed_params
from sim.serving import client
from sim.trader import SYMBOL, Trader, trading

ORDER = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.001"}


async def order(trader: Trader, name: str) -> dict[str, Any]:
    bid, _ = trader.best()
    return {**ORDER, "price": f"{bid * 9 / 10:.2f}", "newClientOrderId": name}


async def status(trader: Trader, name: str) -> Any:
    answer = await trader.send("GET", "order", symbol=SYMBOL, origClientOrderId=name)
    return answer.json().get("status", answer.json().get("code"))


async def fault(trader: Trader, kind: str, **keys: Any) -> None:
    url = f"{trader.server.addresses.control}/faults"
    assert (await trader.http.post(url, json={"kind": kind, **keys})).status_code == 201


async def never_answered(trader: Trader, asked: dict[str, Any]) -> None:
    async with httpx.AsyncClient(base_url=trader.server.addresses.rest, timeout=None) as http:
        await send(http, trader.key, "/api/v3/order", "POST", **asked, timestamp=trader.time_ms())
        pytest.fail("there was an answer")


@pytest.mark.parametrize(("kind", "is_there"), [("5xx", False), ("5xx-after", True)])
async def test_a_5xx_says_nothing_of_the_order(kind: str, is_there: bool) -> None:
    async with trading() as trader:
        for code in (-1000, -1006, -1007):
            await fault(trader, kind, status=503, code=code, path="POST /api/v3/order")
            name = f"a{-code}"
            answer = await trader.send("POST", "order", **await order(trader, name))
            assert (answer.status_code, answer.json()["code"]) == (503, code)
            assert await status(trader, name) == ("NEW" if is_there else -2013)
        assert len(trader.told()) == (3 if is_there else 0)


async def test_a_lost_reply_is_one_of_an_order_that_lives() -> None:
    async with trading() as trader:
        await fault(trader, "lost-reply", path="POST /api/v3/order", after=1)
        asked = await order(trader, "first")
        assert (await trader.send("POST", "order", **asked)).status_code == 200
        again = asked | {"newClientOrderId": "second"}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(never_answered, trader, again)
            while len(trader.told()) < 2:
                await trio.sleep(0.01)
            assert await status(trader, "second") == "NEW"
            assert await trader.refused("POST", "order", **again) == (400, -2010, "Duplicate order sent.")
            nursery.cancel_scope.cancel()


async def test_a_cancel_may_be_done_though_the_connection_is_cut() -> None:
    async with trading() as trader, client(trader.server, "/ws-api/v3") as one:
        await trader.send("POST", "order", **await order(trader, "a"))
        await fault(trader, "cut-reply", path="order.cancel", service="ws-api")
        params = signed_params(trader.key, timestamp=trader.time_ms(), symbol=SYMBOL, origClientOrderId="a")
        with pytest.raises(trio_websocket.ConnectionClosed):
            await one.ask("order.cancel", params)
        assert await status(trader, "a") == "CANCELED"


async def test_an_order_that_comes_late_is_not_there_yet_and_then_is() -> None:
    async with trading() as trader, client(trader.server, "/ws-api/v3") as one:
        for name, window, delay_ms, outcome in (("a", 60_000, 2000, 200), ("b", 100, 200, 400)):
            await fault(trader, "slow-request", path="order.place", delay_ms=delay_ms, count=1)
            asked = await order(trader, name)
            params = signed_params(trader.key, timestamp=trader.time_ms(), recvWindow=window, **asked)
            await one.websocket.send_message(json.dumps({"id": 3, "method": "order.place", "params": params}))
            assert await status(trader, name) == -2013
            answer = await one.read()
            assert answer["status"] == outcome
            assert await status(trader, name) == ("NEW" if outcome == 200 else -2013)
            assert outcome == 200 or answer["error"]["code"] == -1021


async def test_a_slow_answer_comes_after_its_report() -> None:
    async with trading() as trader, client(trader.server, "/ws-api/v3") as one:
        await one.ask("userDataStream.subscribe.signature", signed_params(trader.key, timestamp=trader.time_ms()))
        await fault(trader, "slow-answer", path="order.place", delay_ms=200)
        await fault(trader, "duplicate", stream="userData@executionReport@NEW")
        params = signed_params(trader.key, timestamp=trader.time_ms(), **await order(trader, "a"))
        await one.websocket.send_message(json.dumps({"id": 3, "method": "order.place", "params": params}))
        told = [await one.read() for _ in range(4)]
        assert [each["event"]["e"] for each in told[:3]] == ["executionReport"] * 2 + ["outboundAccountPosition"]
        assert (told[3]["id"], told[3]["result"]["clientOrderId"]) == (3, "a")


async def test_fills_give_back_what_orders_count() -> None:
    async with trading() as trader:
        counts = trader.server.access.counts["default"]
        for name in ("a", "b", "c"):
            await trader.send("POST", "order", **await order(trader, name))
        await trader.do("POST", "order", side="BUY", type="MARKET", quantity="0.001")
        assert counts.used(trader.server.market.now_ns())[1] == 3
        answer = await trader.send("DELETE", "order", symbol=SYMBOL, origClientOrderId="a")
        assert answer.status_code == 200
        assert counts.used(trader.server.market.now_ns())[1] == 3
