"""Never twice: whatever happens to a request on its way, it goes to the exchange once, and gets one reply."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs

import pytest
import trio
from api_server import api_server, http_answer, rest_server
from trading_client import HMAC, NOWHERE, QUICK, place, trading

from ida_binance.calls import Outcome, call
from ida_core.clock import steady_ns

DEADLINE_S = 60
REST_FIRST = QUICK._replace(by="rest")


@pytest.fixture(autouse=True)
async def _deadline(nursery: Any) -> AsyncIterator[None]:
    """No test hangs."""
    with trio.fail_after(DEADLINE_S):
        yield


REFUSED = {"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}
#: What comes over REST, and what it means for an order: name, answer, outcome, code.
ANSWERS: list[tuple[str, bytes, Outcome, int]] = [
    ("done", http_answer({"orderId": 1}), Outcome.OK, 0),
    ("refused", http_answer({"code": -2010, "msg": "Duplicate order sent."}, 400), Outcome.REJECTED, -2010),
    ("half done", http_answer({"code": -2021, "msg": "", "data": {"cancelResult": "SUCCESS"}}, 409),
     Outcome.REJECTED, -2021),
    ("no answer", b"", Outcome.UNKNOWN, 0),
    ("half a head", b"HTTP/1.1 20", Outcome.UNKNOWN, 0),
    ("half a body", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{\"orderId\":", Outcome.UNKNOWN, 0),
    ("no json", http_answer(b"<html>gateway</html>"), Outcome.UNKNOWN, 0),
    ("no http", b"garbage\r\n\r\n", Outcome.UNKNOWN, 0),
    ("gateway", http_answer(b"<html>502</html>", 502), Outcome.UNKNOWN, 0),
    ("timeout", http_answer({"code": -1007, "msg": "Timeout waiting for response."}, 504), Outcome.UNKNOWN, -1007),
    ("unexpected", http_answer({"code": -1006, "msg": "status unknown"}, 400), Outcome.UNKNOWN, -1006),
    ("a proxy", http_answer(b"what?", 400), Outcome.UNKNOWN, 0),
    ("elsewhere", http_answer(b"", 302, Location="http://example.com/"), Outcome.UNKNOWN, 0),
    ("firewall", http_answer(b"<html>no</html>", 403), Outcome.REJECTED, 0),
    ("odd words", http_answer({"code": "many", "msg": 5}, 400), Outcome.UNKNOWN, 0),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "outcome", "code"), [a[1:] for a in ANSWERS], ids=[a[0] for a in ANSWERS])
async def test_over_rest_each_answer_has_its_outcome(answer: bytes, outcome: Outcome, code: int) -> None:
    async with (
        api_server() as server,
        rest_server() as rest,
        trading(server.url, config=REST_FIRST, rest=rest.url) as client,
    ):
        rest.answer = lambda verb, target: answer
        reply = await client.trading.ask(place())
        assert (reply.outcome, reply.code, reply.by) == (outcome, code, "rest")
        assert 0 < reply.sent_ns <= reply.received_ns
        assert len(rest.asked) == 1
        assert HMAC.api_key not in reply.msg
        assert "signature" not in reply.msg
        if code == -2021:
            assert reply.body["data"] == {"cancelResult": "SUCCESS"}


@pytest.mark.parametrize(("status", "code", "outcome"), [
    (400, -2010, Outcome.REJECTED), (503, -1008, Outcome.UNKNOWN), (500, -1000, Outcome.UNKNOWN),
    (400, -1006, Outcome.UNKNOWN), (504, -1007, Outcome.UNKNOWN), (408, -1007, Outcome.UNKNOWN),
])  # fmt: skip
async def test_over_the_websocket_api_each_answer_has_its_outcome(status: int, code: int, outcome: Outcome) -> None:
    async with api_server() as server, trading(server.url) as client:
        server.handlers["order.place"] = lambda _: {"status": status, "error": {"code": code, "msg": "words"}}
        reply = await client.trading.ask(place())
        assert (reply.outcome, reply.status, reply.code, reply.msg) == (outcome, status, code, "words")
        assert len(server.asked("order.place")) == 1


async def test_where_the_websocket_api_is_down_orders_go_over_rest_and_come_back_to_it() -> None:
    async with api_server() as server, rest_server() as rest, trading(server.url, rest=rest.url) as client:
        refusing = server.handlers["userDataStream.subscribe.signature"]
        server.handlers["userDataStream.subscribe.signature"] = lambda _: {"status": 500, "error": {}}
        server.handlers["order.place"] = lambda _: {"status": 200, "result": {}}
        await server.sockets[0].aclose(1001)
        await client.until(lambda: not client.trading.is_up)
        reply = await client.trading.ask(place("ida-1"))
        assert (reply.outcome, reply.by) == (Outcome.OK, "rest")
        ((verb, target),) = rest.asked
        assert (verb, target.partition("?")[0]) == ("POST", "/api/v3/order")
        assert "newClientOrderId=ida-1&" in target
        server.handlers["userDataStream.subscribe.signature"] = refusing
        await client.until(lambda: client.trading.is_up)
        assert (await client.trading.ask(place("ida-2"))).by == "ws-api"
        assert [params["newClientOrderId"] for params in server.asked("order.place")] == ["ida-2"]


async def test_a_connection_of_rest_is_kept_warm_for_when_it_is_needed() -> None:
    config = QUICK._replace(sync_s=0.05)
    async with api_server() as server, rest_server() as rest, trading(server.url, config=config, rest=rest.url):
        while rest.pings < 3:
            await trio.sleep(0.01)
        assert rest.asked == []


async def test_where_nothing_is_reached_it_is_not_sent() -> None:
    async with api_server() as server, trading(server.url, config=REST_FIRST, rest=NOWHERE) as client:
        reply = await client.trading.ask(place())
        assert (reply.outcome, reply.sent_ns, reply.by) == (Outcome.NOT_SENT, 0, "")


async def test_without_an_answer_in_time_it_is_unknown_and_a_late_one_changes_nothing() -> None:
    async with api_server() as server:
        held: list[Any] = []
        server.handlers["order.place"] = held.append
        async with trading(server.url, config=QUICK._replace(timeout_s=0.3)) as client:
            client.send(place())
            await client.until(lambda: client.replies)
            await server.sockets[0].send_message(json.dumps({"id": held[0]["id"], "status": 200, "result": {}}))
            assert (await client.trading.ask(call("time", {}))).is_ok
            assert [reply.outcome for reply in client.replies] == [Outcome.UNKNOWN]
            assert len(held) == 1


async def test_refused_for_its_time_it_goes_once_more_and_no_more() -> None:
    async with api_server() as server, trading(server.url) as client:
        server.handlers["order.place"] = lambda _: {"status": 400, "error": REFUSED}
        looks = len(server.asked("time"))
        reply = await client.trading.ask(place())
        assert (reply.outcome, reply.code) == (Outcome.REJECTED, -1021)
        assert len(server.asked("order.place")) == 2
        assert len(server.asked("time")) > looks


async def test_cut_at_any_byte_of_the_answer_an_order_is_sent_once() -> None:
    """The frame of the answer stops after each of its bytes; only the last makes it one."""

    def frame(request: Any) -> bytes:
        payload = json.dumps({"id": request["id"], "status": 200, "result": {"orderId": 5}}).encode()
        return bytes([0x81, len(payload)]) + payload

    whole = len(frame({"id": 5}))
    for size in range(whole + 1):
        async with api_server() as server:
            server.handlers["order.place"] = lambda request, size=size: frame(request)[:size]  # type: ignore[misc]
            async with trading(server.url) as client:
                client.send(place())
                await client.until(lambda client=client: client.replies)
                await client.until(lambda client=client: [up for up, _ in client.states] == [True, False, True])
                outcome = Outcome.OK if size == whole else Outcome.UNKNOWN
                assert [reply.outcome for reply in client.replies] == [outcome], size
            assert len(server.asked("order.place")) == 1


async def test_too_many_orders_stop_orders_alone() -> None:
    async with api_server() as server, trading(server.url, config=QUICK._replace(wait_s=0.3)) as client:
        now = server.now_ms()
        error = {"code": -1015, "msg": "Too many new orders; current limit is 100 orders per 10 SECOND.",
                 "data": {"serverTime": now, "retryAfter": now + 600_000}}  # fmt: skip
        server.handlers["order.place"] = lambda _: {"status": 429, "error": error}
        server.handlers["order.cancel"] = lambda _: {"status": 200, "result": {}}
        reply = await client.trading.ask(place())
        assert (reply.outcome, reply.retry_after_s) == (Outcome.REJECTED, 600.0)
        assert (await client.trading.ask(call("order.cancel", {"symbol": "BTCUSDT"}))).is_ok
        again = await client.trading.ask(place())
        assert again.outcome is Outcome.NOT_SENT
        assert again.retry_after_s > 500
        assert len(server.asked("order.place")) == 1


@pytest.mark.parametrize(("status", "code"), [(418, -1003), (429, -1003)])
async def test_banned_nothing_goes_out_any_more(status: int, code: int) -> None:
    async with api_server() as server, trading(server.url, config=QUICK._replace(wait_s=0.3)) as client:
        now = server.now_ms()
        error = {"code": code, "msg": "Way too much", "data": {"serverTime": now, "retryAfter": now + 120_000}}
        server.handlers["order.cancel"] = lambda _: {"status": status, "error": error}
        cancel = call("order.cancel", {"symbol": "BTCUSDT"})
        assert (await client.trading.ask(cancel)).retry_after_s == 120.0
        frames = len(server.frames)
        for wanted in (cancel, place(), call("time", {})):
            assert (await client.trading.ask(wanted)).outcome is Outcome.NOT_SENT
        assert len(server.frames) == frames
        assert client.trading.budget.closed_until_ns > steady_ns() + 100_000_000_000


async def test_while_two_connections_bring_the_same_events_each_counts_once() -> None:
    """The former one stays for what it carries; its request is answered, and not sent over the other."""
    async with api_server() as server, trading(server.url) as client:
        held: list[Any] = []
        server.handlers["order.place"] = held.append
        client.send(place())
        await server.until(lambda: held != [])
        await server.sockets[0].send_message(json.dumps({"event": {"e": "serverShutdown", "E": 1}}))
        await server.until(lambda: len(server.asked("userDataStream.subscribe.signature")) == 2)
        twice = {"e": "balanceUpdate", "a": "BTC", "d": "1"}
        for number, event in ((0, twice), (1, twice), (1, twice), (0, twice), (1, {**twice, "a": "ETH"})):
            await server.say(event, number)
        await client.until(lambda: client.events and client.events[-1]["a"] == "ETH")
        await server.sockets[0].send_message(json.dumps({"id": held[0]["id"], "status": 200, "result": {}}))
        await client.until(lambda: client.replies)
        assert [reply.outcome for reply in client.replies] == [Outcome.OK]
        assert [event["a"] for event in client.events] == ["BTC", "BTC", "ETH"]
        assert [up for up, _ in client.states] == [True]
        assert len(held) == 1


async def test_the_end_of_the_stream_of_events_is_told_and_a_new_one_is_opened() -> None:
    async with api_server() as server, trading(server.url) as client:
        await server.say({"e": "eventStreamTerminated", "E": 1})
        await client.until(lambda: len(client.states) == 3)
        assert [up for up, _ in client.states] == [True, False, True]
        assert len(server.asked("userDataStream.subscribe.signature")) == 2


ODD_IDS = ["", "x" * 5000, "a\0b", "\"}{", "\u6d4b\u8bd5", "\ud800", "a&symbol=ETHUSDT", "%00=1"]


@pytest.mark.parametrize("name", ODD_IDS, ids=lambda name: ascii(name)[:20])
@pytest.mark.parametrize("by", ["ws-api", "rest"])
async def test_whatever_an_id_is_it_goes_as_it_is_or_not_at_all(name: str, by: Any) -> None:
    config = QUICK._replace(by=by)
    async with (
        api_server() as server,
        rest_server() as rest,
        trading(server.url, config=config, rest=rest.url) as client,
    ):
        server.handlers["order.place"] = lambda _: {"status": 200, "result": {}}
        reply = await client.trading.ask(place(name))
        ids = [params["newClientOrderId"] for params in server.asked("order.place")]
        ids += [parse_qs(target.partition("?")[2], keep_blank_values=True)["newClientOrderId"][0]
                for _, target in rest.asked]  # fmt: skip
        assert ids == ([] if name == "\ud800" else [name])
        assert reply.outcome is (Outcome.NOT_SENT if name == "\ud800" else Outcome.OK)


async def test_when_it_ends_each_request_has_its_reply() -> None:
    async with api_server() as server:
        async with trading(server.url, config=QUICK._replace(wait_s=60)) as client:
            client.trading.budget.pause_orders(steady_ns() + 10**12)
            client.send(place("waits for its turn"))
            client.send(call("order.cancel", {"symbol": "BTCUSDT"}))
            await server.until(lambda: server.asked("order.cancel") != [])
        client.send(place("after the end"))
        assert sorted(reply.outcome for reply in client.replies) == ["NOT_SENT", "NOT_SENT", "UNKNOWN"]
