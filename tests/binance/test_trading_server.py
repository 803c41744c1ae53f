"""Trading against ``ida exchange``'s own server: keys of each kind, both ways, and connections that are replaced."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio
from sim.serving import begin_a_minute, serving
from trading_client import HMAC, QUICK, Client, trading

from ida_binance.budget import NS_PER_S
from ida_binance.calls import Outcome, api_restrictions, call
from ida_binance.credentials import KINDS, Credentials, Kind
from ida_binance.instruments import RateLimit
from ida_core.clock import steady_ns
from ida_core.errors import AuthError
from ida_sim.server.faults import read_fault
from ida_sim.server.serving import Server

DEADLINE_S = 60


@pytest.fixture
async def server(nursery: Any) -> AsyncIterator[Server]:
    with trio.fail_after(DEADLINE_S):
        async with serving() as found:
            begin_a_minute(found)
            yield found


def credentials(server: Server, kind: Kind) -> Credentials:
    (found,) = (key for key in server.told_keys() if key["type"] == kind)
    return Credentials(kind, found["api_key"], found.get("secret") or found["pem"])


def at_work(server: Server, kind: Kind = "ED25519", **config: Any) -> Any:
    where = server.addresses
    base = where.ws_api.removesuffix("/ws-api/v3")
    return trading(base, credentials(server, kind), QUICK._replace(**config), where.rest)


def listeners(server: Server) -> list[Any]:
    """Of the only account: the newest is the connection's that subscribed last."""
    (found,) = server.access.accounts.values()
    return list(found.listeners)


def tell(server: Server, **event: Any) -> None:
    for listener in listeners(server):
        listener(event)


@pytest.mark.parametrize("by", ["ws-api", "rest"])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_key_of_each_kind_asks_and_hears(server: Server, kind: Kind, by: str) -> None:
    async with at_work(server, kind, by=by) as client:
        reply = await client.trading.ask(call("time", {}))
        assert (reply.outcome, reply.by) == (Outcome.OK, by)
        may = await client.trading.ask(api_restrictions())
        assert (may.outcome, may.by) == (Outcome.OK, "rest")
        assert may.body["enableReading"] is True
        tell(server, e="balanceUpdate", a="BTC", d="1.00000000", E=1, T=1)
        await client.until(lambda: client.events)
        assert client.events[0]["d"] == "1.00000000"


async def fault(server: Server, kind: str, **keys: Any) -> None:
    server.faults.place(read_fault({"kind": kind, **keys}))


async def test_a_jump_of_the_clock_costs_no_request(server: Server) -> None:
    async with at_work(server, "HMAC") as client:
        for offset_ms in (90_000, -90_000):
            await fault(server, "clock-offset", offset_ms=offset_ms)
            assert (await client.trading.ask(api_restrictions())).is_ok
            assert abs(server.market.now_ns() - client.trading.now_ns()) < 3 * NS_PER_S


async def test_before_a_shutdown_there_is_a_successor_and_nothing_is_missed(server: Server) -> None:
    async with at_work(server) as client:
        first = listeners(server)[-1]
        await fault(server, "server-shutdown", service="ws-api", delay_ms=5000)
        while first in listeners(server):
            await trio.sleep(0.01)
        tell(server, e="balanceUpdate", a="ETH", d="1.00000000", E=2, T=2)
        await client.until(lambda: client.events)
        assert [up for up, _ in client.states] == [True]
        assert client.trading.connections == 2


async def test_after_a_close_it_comes_back_and_says_that_events_may_be_missing(server: Server) -> None:
    async with at_work(server, "RSA") as client:
        await fault(server, "24h-close", service="ws-api")
        await client.until(lambda: len(client.states) == 3)
        assert [up for up, _ in client.states] == [True, False, True]
        assert (await client.trading.ask(call("time", {}))).by == "ws-api"


async def test_a_key_that_is_unknown_ends_it(server: Server) -> None:
    where = server.addresses
    client = Client(where.ws_api.removesuffix("/ws-api/v3"), HMAC, QUICK, where.rest)
    with pytest.raises(AuthError, match="-2015"):
        await client.trading.run()


async def test_weight_that_others_use_is_known_from_each_answer(server: Server) -> None:
    async with at_work(server, "HMAC") as client:
        for _ in range(20):
            server.limits.charge("127.0.0.1", 100)
        await client.trading.ask(call("time", {}))
        assert client.trading.budget.left(steady_ns()) <= 5400 - 2000


LIMITS = [RateLimit("REQUEST_WEIGHT", "MINUTE", 1, 6000), RateLimit("ORDERS", "SECOND", 10, 100)]


async def test_a_flood_over_real_sockets_is_never_refused(server: Server) -> None:
    """Three times the orders of ten seconds and more than the weight of a minute, at once; what has no room waits, and
    is told in time that it was not sent."""
    (symbol, *_) = server.market.symbols
    order = {"symbol": symbol, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01", "price": "1"}
    async with at_work(server, "ED25519", timeout_s=30.0, wait_s=2.0) as client:
        client.trading.budget.learn(LIMITS)
        for number in range(300):
            client.send(call("order.test", order))
            client.send(call("order.place", {**order, "price": "20000.00", "newClientOrderId": f"ida-{number}"}))
            client.send(call("openOrders.status", {}))
            client.send(call("order.cancel", {"symbol": symbol, "origClientOrderId": f"ida-{number}"}))
        await client.until(lambda: len(client.replies) == 1200)
        assert {reply.status for reply in client.replies} <= {0, 200, 400}
        assert {reply.outcome for reply in client.replies} == {Outcome.OK, Outcome.REJECTED, Outcome.NOT_SENT}
        canceled = [reply for reply in client.replies if reply.code == -2011 or "origClientOrderId" in str(reply.body)]
        assert len(canceled) == 300, "each cancel was answered"
