"""Faults that strike orders: replies that are lost after the request was carried out, user data that go wrong."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import trio
import trio_websocket
from signed import RESTRICTIONS, signed_params, signed_query
from sim.serving import Client, begin_a_minute, client, serving

from ida_sim.server.keys import ApiKey
from ida_sim.server.serving import Server

SUBSCRIBE = "userDataStream.subscribe.signature"


def key_of(server: Server, kind: str = "HMAC") -> ApiKey:
    keys: list[ApiKey] = server.access.accounts["default"].keys
    return next(key for key in keys if key.kind == kind)


def stamp(server: Server) -> int:
    return server.market.now_ns() // 1_000_000


@asynccontextmanager
async def subscribed(server: Server) -> AsyncIterator[Client]:
    async with client(server, "/ws-api/v3") as found:
        answer = await found.ask(SUBSCRIBE, signed_params(key_of(server), timestamp=stamp(server)))
        assert answer["result"] == {"subscriptionId": 0}
        yield found


def tell(server: Server, event: str, **fields: Any) -> None:
    for listener in tuple(server.access.accounts["default"].listeners):
        listener({"e": event, **fields})


async def rest(server: Server, timeout_s: float | None = 20.0) -> httpx.Response:
    query = signed_query(key_of(server), {"timestamp": stamp(server)})
    async with httpx.AsyncClient(base_url=server.addresses.rest, timeout=timeout_s) as http:
        return await http.get(f"{RESTRICTIONS}?{query}", headers={"X-MBX-APIKEY": key_of(server).api_key})


async def place(server: Server, kind: str) -> None:
    async with httpx.AsyncClient() as http:
        fault = {"kind": kind, "path": f"GET {RESTRICTIONS}"}
        assert (await http.post(f"{server.addresses.control}/faults", json=fault)).status_code == 201


async def never_answered(server: Server) -> None:
    await rest(server, None)
    pytest.fail("there was an answer")


async def test_a_lost_reply_leaves_what_was_asked_for_done() -> None:
    async with serving() as server, client(server, "/ws-api/v3") as one:
        await one.fault("lost-reply", path=SUBSCRIBE)
        params = signed_params(key_of(server), timestamp=stamp(server))
        await one.websocket.send_message(json.dumps({"id": 7, "method": SUBSCRIBE, "params": params}))
        assert (await one.ask("session.subscriptions", {}, 8))["result"] == [{"subscriptionId": 0}]
        assert one.early == []


async def test_a_cut_reply_ends_the_connection() -> None:
    async with serving() as server, client(server, "/ws-api/v3") as one:
        await one.fault("cut-reply", path=SUBSCRIBE)
        params = signed_params(key_of(server), timestamp=stamp(server))
        with pytest.raises(trio_websocket.ConnectionClosed):
            await one.ask(SUBSCRIBE, params)


async def test_a_reply_of_rest_is_lost() -> None:
    async with serving() as server, trio.open_nursery() as nursery:
        await place(server, "lost-reply")
        nursery.start_soon(never_answered, server)
        while server.faults.state():
            await trio.sleep(0.01)
        assert (await rest(server)).status_code == 200
        nursery.cancel_scope.cancel()


async def test_a_reply_of_rest_is_cut() -> None:
    async with serving() as server:
        await place(server, "cut-reply")
        with pytest.raises(httpx.RemoteProtocolError):
            await rest(server)
        assert (await rest(server)).status_code == 200


async def test_a_5xx_after_and_before() -> None:
    async with serving() as server, client(server, "/ws-api/v3") as one:
        begin_a_minute(server)
        params = signed_params(key_of(server), timestamp=stamp(server))
        await one.fault("5xx", status=503, code=-1000, path=SUBSCRIBE)
        answer = await one.ask(SUBSCRIBE, params)
        assert (answer["status"], answer["error"]["code"]) == (503, -1000)
        assert (await one.ask("session.subscriptions"))["result"] == []
        await one.fault("5xx-after", status=504, path=SUBSCRIBE)
        answer = await one.ask(SUBSCRIBE, params)
        assert (answer["status"], answer["error"]["code"]) == (504, -1007)
        assert (await one.ask("session.subscriptions"))["result"] == [{"subscriptionId": 0}]
        for code in (-1001, -1006, -1008):
            await one.fault("5xx-after", code=code, path=f"GET {RESTRICTIONS}")
            assert (await rest(server)).json()["code"] == code
        await one.fault("5xx-after", status=502, path=f"POST {RESTRICTIONS}")
        assert (await rest(server)).status_code == 200


async def test_a_slow_request_arrives_late_and_others_do_not_wait() -> None:
    async with serving() as server, client(server, "/ws-api/v3") as one:
        await one.fault("slow-request", path=SUBSCRIBE, delay_ms=2000, count=1)
        params = signed_params(key_of(server), timestamp=stamp(server), recvWindow=60_000)
        await one.websocket.send_message(json.dumps({"id": 7, "method": SUBSCRIBE, "params": params}))
        assert (await one.ask("session.subscriptions", None, 8))["result"] == []
        late = await one.read()
        assert (late["id"], late["result"]) == (7, {"subscriptionId": 0})


async def test_a_request_may_arrive_too_late() -> None:
    async with serving() as server, client(server, "/ws-api/v3") as one:
        await one.fault("slow-request", path=SUBSCRIBE, delay_ms=200, count=1)
        answer = await one.ask(SUBSCRIBE, signed_params(key_of(server), timestamp=stamp(server), recvWindow=100))
        assert (answer["status"], answer["error"]["code"]) == (400, -1021)


async def test_reports_are_dropped_doubled_late_and_out_of_order() -> None:
    async with serving() as server, subscribed(server) as one:
        await one.fault("drop", stream="userData@executionReport@TRADE", after=1)
        for number in range(3):
            tell(server, "executionReport", x="TRADE", t=number, l="1", z="2")
            tell(server, "executionReport", x="NEW", t=number)
        told = [(await one.read())["event"] for _ in range(5)]
        assert [(event["t"], event["x"]) for event in told] == [
            (0, "TRADE"), (0, "NEW"), (1, "NEW"), (2, "TRADE"), (2, "NEW")]
        await one.fault("duplicate", stream="userData@*")
        tell(server, "balanceUpdate", d="1")
        assert [(await one.read())["event"]["d"] for _ in range(2)] == ["1", "1"]
        await one.fault("reorder", stream="userData@executionReport*")
        tell(server, "executionReport", x="NEW")
        tell(server, "outboundAccountPosition", u=1)
        assert [(await one.read())["event"]["e"] for _ in range(2)] == ["outboundAccountPosition", "executionReport"]
        await one.fault("late", stream="userData@executionReport*", delay_ms=200, count=1)
        tell(server, "executionReport", x="NEW")
        assert (await one.ask("session.subscriptions"))["result"] == [{"subscriptionId": 0}]
        assert (await one.read())["event"]["x"] == "NEW"


async def test_user_data_go_silent_and_are_terminated() -> None:
    async with serving() as server, subscribed(server) as one:
        await one.fault("silence", stream="userData@*", count=2)
        for number in range(3):
            tell(server, "balanceUpdate", d=str(number))
        assert (await one.read())["event"]["d"] == "2"
        await one.fault("terminate-user-data")
        assert (await one.read())["event"]["e"] == "eventStreamTerminated"
        assert (await one.ask("session.subscriptions"))["result"] == []
        tell(server, "balanceUpdate", d="3")
        assert (await one.ask("ping"))["result"] == {}
        assert one.early == []


async def test_nothing_is_told_after_the_client_is_gone() -> None:
    async with serving() as server:
        listeners = server.access.accounts["default"].listeners
        before = len(listeners)
        async with subscribed(server):
            assert len(listeners) == before + 1
        while len(listeners) > before:
            await trio.sleep(0.01)
