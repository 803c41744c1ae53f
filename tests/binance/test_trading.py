"""Trading over real sockets: what goes where, once, and what is known of it afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio
from api_server import api_server
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from trading_client import HMAC, NOWHERE, QUICK, Client, place, trading

from ida_binance.calls import Outcome, call
from ida_binance.credentials import Credentials
from ida_binance.signing import ws_payload
from ida_core.errors import AuthError

DEADLINE_S = 60
ED25519 = Credentials(
    "ED25519", "K" * 64,
    Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


@pytest.fixture(autouse=True)
async def _deadline(nursery: Any) -> AsyncIterator[None]:
    """No test hangs."""
    with trio.fail_after(DEADLINE_S):
        yield


async def test_hmac_signs_each_request_and_the_subscription() -> None:
    async with api_server() as server:
        server.handlers["order.place"] = lambda _: {"status": 200, "result": {"orderId": 5}}
        async with trading(server.url) as client:
            reply = await client.trading.ask(place())
        assert (reply.outcome, reply.body, reply.by) == (Outcome.OK, {"orderId": 5}, "ws-api")
        assert 0 < reply.sent_ns < reply.received_ns
        assert server.asked("session.logon") == []
        for method in ("userDataStream.subscribe.signature", "order.place"):
            (params,) = server.asked(method)
            signature = params.pop("signature")
            payload = ws_payload({name: str(value) for name, value in params.items()})
            assert signature == HMAC.sign(payload)
            assert params["apiKey"] == HMAC.api_key


async def test_ed25519_logs_on_once_and_signs_nothing_more() -> None:
    async with api_server() as server:
        server.handlers["order.place"] = lambda _: {"status": 200, "result": {}}
        async with trading(server.url, ED25519) as client:
            assert (await client.trading.ask(place())).is_ok
        (logon,) = server.asked("session.logon")
        assert logon["apiKey"] == ED25519.api_key
        (params,) = server.asked("order.place")
        assert params.keys() == {"symbol", "newClientOrderId", "recvWindow", "timestamp"}


async def test_a_refused_key_ends_it() -> None:
    async with api_server() as server:
        server.handlers["session.logon"] = lambda _: {
            "status": 401, "error": {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}}
        client = Client(server.url, ED25519, QUICK, NOWHERE)
        with pytest.raises(AuthError, match="-2015"):
            await client.trading.run()


async def test_a_refusal_is_told_in_the_exchanges_words() -> None:
    async with api_server() as server:
        error = {"code": -2010, "msg": "Account has insufficient balance for requested action."}
        server.handlers["order.place"] = lambda _: {"status": 400, "error": error}
        async with trading(server.url) as client:
            reply = await client.trading.ask(place())
        assert (reply.outcome, reply.status, reply.code, reply.msg) == (Outcome.REJECTED, 400, -2010, error["msg"])


async def test_events_of_the_account_come_as_they_are() -> None:
    async with api_server() as server, trading(server.url) as client:
        await server.say({"e": "executionReport", "x": "NEW", "unheard of": [1, {}]})
        await client.until(lambda: client.events)
        assert client.events == [{"e": "executionReport", "x": "NEW", "unheard of": [1, {}]}]
        assert client.states == [(True, "all events of the account come")]


async def test_what_was_handed_over_when_the_connection_ends_is_unknown_and_never_sent_again() -> None:
    async with api_server() as server, trading(server.url) as client:
        client.send(place())
        await server.until(lambda: server.asked("order.place") != [])
        await server.sockets[0].aclose(1001)
        await client.until(lambda: client.replies)
        await client.until(lambda: client.states[-1][0] and len(client.states) == 3)
        assert [reply.outcome for reply in client.replies] == [Outcome.UNKNOWN]
        assert [up for up, _ in client.states] == [True, False, True]
        assert (await client.trading.ask(call("time", {}))).is_ok
        assert len(server.asked("order.place")) == 1
