"""Lists and amendments through Ida's venue on the exchange server: what it tells is what the server has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from account_desk import AccountDesk, desk
from sim.serving import serving
from sim.trader import SYMBOL

from ida_core import (
    Execution,
    ListKind,
    OrderStatus,
    OrderType,
    PlaceList,
    Side,
)
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


async def test_replaced_and_amended() -> None:
    async with at_desk() as d:
        first = await d.rest()
        second = d.replace(first, 200, d.away(89))
        await d.status(second, S.NEW)
        assert d.is_(first, S.CANCELED)
        d.amend(second, 150)
        await d.until(lambda: d.table.get(second).quantity == 150)  # type: ignore[union-attr]
        assert d.is_(second, S.NEW)
        d.amend(second, 149)
        await d.until(lambda: d.table.get(second).quantity == 149)  # type: ignore[union-attr]
        await d.agreed()


async def test_a_list_ends_as_one() -> None:
    async with at_desk() as d:
        bid, ask = d.venue.market(0).book.bid, d.venue.market(0).book.ask
        assert bid is not None
        assert ask is not None
        above = d.order(Side.SELL, 100, ask * 110 // 100, type=OrderType.LIMIT_MAKER)
        below = d.order(Side.SELL, 100, None, type=OrderType.STOP_LOSS, stop_price=bid * 90 // 100)
        d.place_list(PlaceList(order_id=d.table.new_id(), kind=ListKind.OCO, legs=(above, below), instrument=0))
        for leg in (above, below):
            await d.status(leg.order_id, S.NEW)
        d.cancel(above.order_id)
        for leg in (above, below):
            await d.status(leg.order_id, S.CANCELED)
        await d.agreed()


async def test_a_pending_leg_works_when_the_working_one_is_filled() -> None:
    async with at_desk() as d:
        working = d.order(Side.BUY, 100, d.away())
        pending = d.order(Side.SELL, 100, d.away(120), type=OrderType.LIMIT_MAKER)
        d.place_list(PlaceList(order_id=d.table.new_id(), kind=ListKind.OTO, legs=(working, pending), instrument=0))
        await d.status(working.order_id, S.NEW)
        await d.until(lambda: d.table.get(pending.order_id).acknowledged)  # type: ignore[union-attr]
        assert d.is_(pending.order_id, S.PENDING_NEW)
        d.cancel(working.order_id)
        for leg in (working, pending):
            await d.status(leg.order_id, S.CANCELED, S.EXPIRED)
        await d.agreed()
