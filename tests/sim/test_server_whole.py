"""REST, the WebSocket API and faults on the whole server: what only shows when the parts are together."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import trio
import trio.testing
import trio_websocket
from sim.serving import Client, begin_a_minute, client, serving

from ida_sim.server.serving import Server

UPGRADE = (b"GET /stream?streams=btcusdt@depth@100ms HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
           b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
PING = b"GET /api/v3/ping HTTP/1.1\r\nHost: x\r\n\r\n"


@asynccontextmanager
async def ws_api(server: Server, query: str = "") -> AsyncIterator[Client]:
    async with trio_websocket.open_websocket_url(server.addresses.ws_api + query) as websocket:
        yield Client(server, websocket)


async def connect(server: Server) -> trio.SocketStream:
    host, port = server.addresses.rest.removeprefix("http://").split(":")
    return await trio.open_tcp_stream(host, int(port))


async def read_until(stream: trio.SocketStream, end: bytes) -> bytes:
    found = b""
    while end not in found:
        data = await stream.receive_some()
        assert data, found
        found += data
    return found


@pytest.mark.parametrize("cut", [len(UPGRADE), 1, 5, 40])
async def test_a_connection_used_for_rest_becomes_a_websocket(cut: int) -> None:
    async with serving() as server, await connect(server) as stream:
        for _ in range(2):
            await stream.send_all(PING)
            assert b"200" in await read_until(stream, b"{}")
        await stream.send_all(UPGRADE[:cut])
        if cut > 4:
            await stream.send_all(UPGRADE[cut:])
        else:
            await trio.testing.wait_all_tasks_blocked(0.01)
            await stream.send_all(UPGRADE[cut:])
        assert b"101 Switching Protocols" in await read_until(stream, b"\r\n\r\n")
        assert b'"e":"depthUpdate"' in await read_until(stream, b"depthUpdate")


async def test_both_apis_say_the_same() -> None:
    still = serving(symbols=("BTCUSDT", "ETHUSDT"), start="first-client")
    async with still as server, ws_api(server) as api:
        ask = {"symbol": "ETHUSDT", "limit": 5}
        info = await api.get("/api/v3/exchangeInfo")
        assert (await api.ask("exchangeInfo"))["result"]["symbols"] == info["symbols"]
        for method, path, params in (("klines", "klines", {"symbol": "BTCUSDT", "interval": "1m", "limit": 2}),
                                     ("trades.recent", "trades", ask), ("depth", "depth", ask)):
            one, two = (await api.ask(method, params))["result"], await api.get(f"/api/v3/{path}", **params)
            assert one == two, method


async def test_one_budget_for_both_apis_and_the_handshake() -> None:
    async with serving() as server:
        begin_a_minute(server)
        async with ws_api(server) as api:
            await api.get("/api/v3/ping")
            assert (await api.ask("depth", {"symbol": "BTCUSDT"}))["rateLimits"][0]["count"] == 2 + 1 + 5


async def test_the_banned_get_418_everywhere() -> None:
    async with serving() as server, client(server) as open_already:
        await open_already.fault("ban", retry_after_s=3600)
        answer = await open_already.get("/api/v3/ping")
        assert answer["code"] == -1003
        for url in (server.addresses.ws + "/ws", server.addresses.ws_api):
            with pytest.raises(trio_websocket.ConnectionRejected) as refused:
                async with trio_websocket.open_websocket_url(url):
                    pass
            assert refused.value.status_code in (418, 429)
            assert json.loads(refused.value.body)["code"] == -1003
        async with httpx.AsyncClient() as http:
            assert (await http.get(server.addresses.control)).status_code == 200
        assert (await open_already.ask("LIST_SUBSCRIPTIONS"))["result"] == []


@pytest.mark.parametrize("path", ["/ws/btcusdt@trade", "/stream?streams=btcusdt@trade", "/ws-api/v3"])
async def test_the_banned_are_told_so_at_the_handshake_and_until_when(path: str) -> None:
    async with serving() as server:
        server.limits.ban(90)
        with pytest.raises(trio_websocket.ConnectionRejected) as refused:
            async with trio_websocket.open_websocket_url(f"{server.addresses.ws}{path}"):
                pytest.fail("a connection came about")
        found = {name.lower(): value for name, value in refused.value.headers or ()}
        assert (refused.value.status_code, 80 < int(found[b"retry-after"]) <= 90) == (418, True)
        assert "IP banned until" in json.loads(refused.value.body or b"")["msg"]


async def test_a_wrong_time_unit_is_refused_at_the_handshake() -> None:
    async with serving() as server:
        with pytest.raises(trio_websocket.ConnectionRejected) as refused:
            async with ws_api(server, "?timeUnit=SECOND"):
                pass
        assert (refused.value.status_code, json.loads(refused.value.body)["code"]) == (400, -1194)


async def test_faults_of_answers_over_the_websocket_api() -> None:
    async with serving() as server, ws_api(server, "?returnRateLimits=false") as api:
        await api.fault("5xx", service="ws-api", path="depth", status=504)
        assert (await api.get("/api/v3/depth", symbol="BTCUSDT"))["lastUpdateId"]
        assert await api.ask("depth", {"symbol": "BTCUSDT"}, 9) == {
            "id": 9, "status": 504, "error": {"code": -1007, "msg": "Timeout waiting for response from backend server. "
                                              "Send status unknown; execution status unknown."}}
        assert (await api.ask("depth", {"symbol": "BTCUSDT"}))["status"] == 200


async def test_a_moved_clock_is_every_clock_of_the_server() -> None:
    async with serving() as server, client(server, "/ws/btcusdt@depth@100ms") as stream, ws_api(server) as api:
        before = (await stream.get("/api/v3/time"))["serverTime"]
        await stream.fault("clock-offset", offset_ms=3_600_000)
        assert (await stream.get("/api/v3/time"))["serverTime"] >= before + 3_600_000
        assert (await api.ask("time"))["result"]["serverTime"] >= before + 3_600_000
        while (await stream.read())["E"] < before + 3_600_000:
            continue
        state: Any = await stream.get("/control")
        assert state["clock_offset_ms"] == 3_600_000


@pytest.mark.parametrize("kind", ["24h-close", "server-shutdown"])
async def test_the_websocket_api_is_closed_as_streams_are(kind: str) -> None:
    async with serving() as server, ws_api(server) as api, client(server) as spared:
        await api.fault(kind, service="ws-api", delay_ms=1)
        if kind == "server-shutdown":
            assert (await api.read())["event"]["e"] == "serverShutdown"
        with pytest.raises(trio_websocket.ConnectionClosed):
            await api.read()
        assert (await spared.ask("LIST_SUBSCRIPTIONS"))["result"] == []
