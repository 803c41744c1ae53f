"""Ida's venue on the exchange server, over real sockets: what it tells is what the server has, whatever goes wrong on
the way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from account_desk import AccountDesk, desk
from sim.serving import serving
from sim.trader import SYMBOL, Trader

from ida_binance.live import BinanceFeed
from ida_core import (
    Execution,
    Inlet,
    OrderStatus,
    OrderType,
    RequestSent,
    Side,
    VenueStatus,
    VenueUnavailable,
)
from ida_core.errors import sole
from ida_sim.server.serving import Server

S, X = OrderStatus, Execution
LIMIT_S = 90


@pytest.fixture(autouse=True)
async def _deadline(nursery: Any) -> AsyncIterator[None]:
    """No test hangs."""
    with trio.fail_after(LIMIT_S):
        yield


@asynccontextmanager
async def exchange() -> AsyncIterator[Server]:
    with trio.fail_after(LIMIT_S):
        async with serving(symbols=(SYMBOL,)) as server:
            yield server


@asynccontextmanager
async def at_desk(kind: str = "HMAC", **config: Any) -> AsyncIterator[AccountDesk]:
    async with exchange() as server, desk(server, kind, **config) as found:
        yield found


@pytest.mark.parametrize("by", ["ws-api", "rest"])
@pytest.mark.parametrize("kind", ["HMAC", "RSA", "ED25519"])
async def test_orders_go_and_come_with_every_key_by_either_api(kind: str, by: str) -> None:
    async with at_desk(kind, orders_by=by) as d:
        resting = await d.rest()
        bought = d.place(Side.BUY, 300)
        await d.status(bought, S.FILLED)
        await d.until(lambda: sum(fill.quantity for fill in d.fills(bought)) == 300)
        d.cancel(resting)
        await d.status(resting, S.CANCELED)
        await d.until(lambda: len(d.of(RequestSent)) == 3)
        sent = d.of(RequestSent)
        assert [(one.order_id, one.what, one.by) for one in sent] == [
            (resting, "place", by), (bought, "place", by), (resting, "cancel", by)]  # fmt: skip
        assert all(0 < one.ts_local_ns <= d.venue.now_ns for one in sent)
        await d.agreed()


async def test_what_the_exchange_refuses_is_told_in_its_words() -> None:
    async with at_desk() as d:
        ask = d.venue.market(0).book.ask
        assert ask is not None
        crossing = d.place(price=ask + 1000, type=OrderType.LIMIT_MAKER)
        await d.status(crossing, S.REJECTED)
        order = d.table.get(crossing)
        assert order is not None
        assert (order.code, order.reason) == (-2010, "Order would immediately match and take.")


@asynccontextmanager
async def neighbour(d: AccountDesk) -> AsyncIterator[Trader]:
    """Somebody else with a key of the same account."""
    import httpx

    async with httpx.AsyncClient(base_url=d.server.addresses.rest) as http:
        yield Trader(d.server, http, d.server.trading.accounts[0])


async def test_orders_of_others_are_seen_and_left_alone() -> None:
    async with at_desk() as d, neighbour(d) as other:
        ours = await d.rest()
        bid, _ = other.best()
        theirs = await other.limit("BUY", str((bid * 8 // 10).quantize(bid)), newClientOrderId="web-1")
        await d.status("web-1", S.NEW)
        order = d.table.get("web-1")
        assert order is not None
        assert order.foreign
        d.cancel_all()
        await d.status(ours, S.CANCELED)
        rows = await other.get("openOrders", symbol=SYMBOL)
        assert [row["orderId"] for row in rows] == [theirs["orderId"]]
        await other.do("POST", "order", side="BUY", type="MARKET", quantity="0.002", newClientOrderId="web-2")
        await d.until(lambda: sum(fill.quantity for fill in d.fills("web-2")) == 200)
        await d.agreed()


# ------------------------------------------------------------------ what goes wrong


@pytest.mark.parametrize("by", ["ws-api", "rest"])
@pytest.mark.parametrize("kind", ["lost-reply", "cut-reply", "5xx-after"])
async def test_a_lost_reply_leaves_one_order(kind: str, by: str) -> None:
    async with at_desk(orders_by=by) as d, neighbour(d) as other:
        path = "order.place" if by == "ws-api" else "POST /api/v3/order"
        d.fault(kind, path=path)
        order_id = d.place(price=d.away())
        await d.status(order_id, S.NEW)
        await d.healthy()
        again = await d.rest()
        d.cancel_all()
        for one in (order_id, again):
            await d.status(one, S.CANCELED)
        names = [row["clientOrderId"] for row in await other.get("allOrders", symbol=SYMBOL)]
        assert sorted(names) == sorted([order_id, again])
        await d.agreed()


async def test_a_request_that_never_arrived_is_given_up_when_it_can_arrive_no_more() -> None:
    async with at_desk() as d:
        d.fault("5xx", status=503, path="order.place")
        order_id = d.place(price=d.away())
        await d.status(order_id, S.UNKNOWN)
        await d.status(order_id, S.REJECTED)
        order = d.table.get(order_id)
        assert order is not None
        assert "never arrived" in order.reason
        await d.agreed()


async def test_a_lost_cancel_is_found_done() -> None:
    async with at_desk() as d:
        order_id = await d.rest()
        d.fault("lost-reply", path="order.cancel")
        d.fault("drop", stream="userData@*", count=3)
        d.cancel(order_id)
        await d.status(order_id, S.CANCELED)
        await d.agreed()


@pytest.mark.parametrize("kind", ["duplicate", "reorder", "late"])
async def test_events_that_come_twice_or_late_or_in_no_order_change_nothing(kind: str) -> None:
    async with at_desk() as d:
        more = {"delay_ms": 200, "duration_s": 1.0} if kind == "late" else {"count": 20}
        d.fault(kind, stream="userData@*", **more)
        ids = [d.place(Side.BUY if n % 2 else Side.SELL, 50 + n) for n in range(6)]
        for n, order_id in enumerate(ids):
            await d.status(order_id, S.FILLED)
            await d.until(lambda n=n, i=order_id: sum(f.quantity for f in d.fills(i)) == 50 + n)  # type: ignore[misc]
        await d.agreed()
        for n, order_id in enumerate(ids):
            assert sum(fill.quantity for fill in d.fills(order_id)) == 50 + n


async def test_events_that_never_come_are_made_up_for() -> None:
    async with at_desk(reconcile_s=1.0) as d, neighbour(d) as other:
        d.fault("silence", stream="userData@*", duration_s=2.0)
        await other.do("POST", "order", side="SELL", type="MARKET", quantity="0.003", newClientOrderId="web-1")
        await d.until(lambda: sum(fill.quantity for fill in d.fills("web-1")) == 300)
        await d.agreed()


@pytest.mark.parametrize("kind", ["cut", "reset", "terminate-user-data", "24h-close"])
async def test_after_a_gap_all_is_known_again(kind: str) -> None:
    async with at_desk() as d, neighbour(d) as other:
        resting = await d.rest()
        before = len(d.of(VenueStatus))
        d.fault(kind, **({"service": "ws-api"} if kind in ("cut", "reset") else {}))
        bought = d.place(Side.BUY, 70)
        await other.do("POST", "order", side="BUY", type="MARKET", quantity="0.004", newClientOrderId="web-1")
        await d.until(lambda: len(d.of(VenueStatus)) > before or kind == "24h-close", "a gap")
        await d.healthy()
        await d.until(lambda: sum(fill.quantity for fill in d.fills("web-1")) == 400)
        await d.status(bought, S.FILLED, S.REJECTED)
        assert d.is_(resting, S.NEW)
        await d.agreed()


async def test_a_second_run_takes_up_what_the_first_left() -> None:
    async with exchange() as server:
        async with desk(server) as d:
            resting, bid = await d.rest(), d.venue.market(0).book.bid
            assert bid is not None
            table = d.table
            newest = table.last_trade_id(0)
        async with desk(server, table=table) as d:
            assert d.is_(resting, S.NEW)
            assert d.table.last_trade_id(0) >= newest
            d.cancel(resting)
            await d.status(resting, S.CANCELED)
            await d.agreed()


async def test_without_prices_no_order_of_ours_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    over = trio.Event()
    feed_runs = BinanceFeed.run

    async def run_until_over(feed: BinanceFeed, inlet: Inlet) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(feed_runs, feed, inlet)
            await over.wait()
            nursery.cancel_scope.cancel()
        raise VenueUnavailable("the prices ended")

    monkeypatch.setattr(BinanceFeed, "run", run_until_over)

    async def trade_until_over(server: Server) -> None:
        async with desk(server) as d, neighbour(d) as other:
            bid, _ = other.best()
            await other.limit("BUY", str((bid * 8 // 10).quantize(bid)), newClientOrderId="web-1")
            await d.rest()
            over.set()
            await trio.sleep_forever()

    async with exchange() as server:
        with pytest.raises(BaseExceptionGroup) as failed:
            await trade_until_over(server)
        assert isinstance(sole(failed.value), VenueUnavailable)
        assert [order.client_id for order in server.trading.accounts[0].open_orders()] == ["web-1"]
