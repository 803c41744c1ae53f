"""Somebody who trades through Ida's venue on the exchange server, both in one loop: what the venue tells is folded into
the core's own order table and ledger, and compared with what the server has."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import trio
from sim.trader import SYMBOL

from ida_binance.credentials import Credentials
from ida_binance.live import BinanceConfig
from ida_binance.venue import BinanceVenue
from ida_core import (
    AmendOrder,
    BalanceUpdate,
    CancelAll,
    CancelOrder,
    Event,
    Execution,
    Ledger,
    Note,
    OrderStatus,
    OrderTable,
    OrderType,
    OrderUpdate,
    PlaceList,
    PlaceOrder,
    ReplaceOrder,
    RequestSent,
    Side,
    Subscription,
    Transfer,
    VenueSetup,
    VenueStatus,
)
from ida_sim.server.faults import read_fault
from ida_sim.server.serving import Server

DEADLINE_S = 20.0
QUICK: dict[str, Any] = {"recv_window_ms": 1500, "timeout_s": 2.0, "turn_s": 5.0, "ask_after_s": 0.1, "connections": 1}


class AccountDesk:
    """``told``: all events of the venue but books and trades; ``state``: its health."""

    def __init__(self, server: Server, venue: BinanceVenue, table: OrderTable) -> None:
        self.server, self.venue, self.table = server, venue, table
        self.instrument = venue.instruments()[0]
        self.told: list[Event] = []
        self.state = ""
        self.ledger = Ledger(venue.instruments())
        for asset, (free, locked) in venue.balances().items():
            self.ledger.post_opening(asset, free + locked)
        venue.follow(table)
        venue.subscribe(0, Subscription(book="top"))

    async def run(self) -> None:
        while True:
            event = self.venue.next_event(self.venue.real_ns())
            if isinstance(event, Event):
                self._take(event)
            elif event is None:
                await self.venue.wait(self.venue.real_ns() + 20_000_000)

    def _take(self, event: Event) -> None:
        self.told.append(event)
        if isinstance(event, OrderUpdate):
            if self.table.apply(event).fill:
                self.ledger.post_fill(event)
        elif isinstance(event, Transfer):
            self.ledger.post_opening(event.asset, event.amount)
        elif isinstance(event, VenueStatus) and not event.feed:
            self.state = event.state

    async def until(self, is_so: Callable[[], bool], what: str = "") -> None:
        with trio.move_on_after(DEADLINE_S) as scope:
            while not is_so():
                await trio.sleep(0.005)
        assert not scope.cancelled_caught, f"{what or 'it'} did not come; told: {self.told[-12:]}"

    async def healthy(self) -> None:
        await self.until(lambda: self.state == "HEALTHY" and self.venue.market(0).synced, "health")

    async def status(self, order_id: str, *wanted: OrderStatus) -> None:
        await self.until(lambda: self.is_(order_id, *wanted), f"{order_id} {wanted}")

    def is_(self, order_id: str, *wanted: OrderStatus) -> bool:
        found = self.table.get(order_id)
        return found is not None and found.status in wanted

    # ------------------------------------------------------------- requests

    def send(self, request: Any) -> None:
        refusal = self.table.request(request, self.venue.now_ns)
        assert refusal is None, refusal
        self.venue.send(request)

    def order(self, side: Side = Side.BUY, lots: int = 100, price: int | None = None, **given: Any) -> PlaceOrder:
        kind = OrderType.MARKET if price is None else OrderType.LIMIT
        wanted = {"order_id": self.table.new_id(), "type": kind, "instrument": 0} | given
        return PlaceOrder(side=side, quantity=lots, price=price, **wanted)

    def place(self, side: Side = Side.BUY, lots: int = 100, price: int | None = None, **given: Any) -> str:
        request = self.order(side, lots, price, **given)
        self.send(request)
        return request.order_id

    def away(self, percent: int = 90) -> int:
        """A price that nobody comes to."""
        bid = self.venue.market(0).book.bid
        assert bid is not None
        return bid * percent // 100

    async def rest(self, **given: Any) -> str:
        order_id = self.place(price=self.away(), **given)
        await self.status(order_id, OrderStatus.NEW)
        return order_id

    def cancel(self, order_id: str) -> None:
        self.send(CancelOrder(order_id=order_id, instrument=0))

    def cancel_all(self) -> None:
        self.send(CancelAll(order_id=self.table.new_id(), instrument=0))

    def replace(self, order_id: str, lots: int, price: int) -> str:
        new_id = self.table.new_id()
        self.send(ReplaceOrder(order_id=order_id, new_order_id=new_id, instrument=0, quantity=lots, price=price))
        return new_id

    def amend(self, order_id: str, lots: int) -> None:
        self.send(AmendOrder(order_id=order_id, instrument=0, quantity=lots))

    def place_list(self, request: PlaceList) -> None:
        self.send(request)

    # ------------------------------------------------------------- what came of it

    def fault(self, kind: str, **given: Any) -> None:
        """Something goes wrong from here on."""
        self.server.faults.place(read_fault({"kind": kind, **given}))

    def fills(self, order_id: str) -> list[OrderUpdate]:
        return [event for event in self.of(OrderUpdate)
                if event.order_id == order_id and event.execution is Execution.TRADE]  # fmt: skip

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.told if isinstance(event, kind)]

    def states(self) -> list[str]:
        return [event.state for event in self.of(VenueStatus)]

    async def agreed(self) -> None:
        """Ask once more, as at the end of a run: ledger, venue and server have the same, to the last digit."""
        told = len(self.of(BalanceUpdate))
        await self.venue.settle()
        await self.until(lambda: any(b.reason == "SNAPSHOT" for b in self.of(BalanceUpdate)[told:]), "the snapshot")
        wrong = {asset: rest for asset, rest in self.ledger.check(self.venue.balances()).items() if rest}
        assert not wrong, wrong
        theirs = self.server.trading.accounts[0]
        held = {asset: both for asset, both in theirs.balances().items() if any(both)}
        assert {asset: both for asset, both in self.venue.balances().items() if any(both)} == held


def credentials_of(server: Server, kind: str = "HMAC") -> Credentials:
    key = next(key for key in server.told_keys() if key["type"] == kind)
    return Credentials(kind, key["api_key"], key.get("secret") or key["pem"])  # type: ignore[arg-type]


@asynccontextmanager
async def desk(
    server: Server, kind: str = "HMAC", table: OrderTable | None = None, **config: Any
) -> AsyncIterator[AccountDesk]:
    """A venue at work on the server, until the block ends."""
    setup = VenueSetup(config=BinanceConfig(url=server.addresses.rest, **(QUICK | config)), symbols=(SYMBOL,))
    venue = await trio.to_thread.run_sync(
        BinanceVenue, "binance-testnet", "TESTNET", setup, credentials_of(server, kind))
    try:
        found = AccountDesk(server, venue, table or OrderTable("ida"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(venue.work)
            nursery.start_soon(found.run)
            await found.healthy()
            yield found
            nursery.cancel_scope.cancel()
    finally:
        venue.close()


__all__ = ["SYMBOL", "AccountDesk", "Decimal", "Note", "RequestSent", "credentials_of", "desk"]
