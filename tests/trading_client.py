"""``Trading`` at work in a test, and all that it told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio

from ida_binance.budget import Budget
from ida_binance.calls import Call, Reply, call
from ida_binance.credentials import Credentials
from ida_binance.environments import Addresses
from ida_binance.trading import Trading, TradingConfig

HMAC = Credentials("HMAC", "H" * 64, "a secret of ours")
#: Patient where a loaded machine may take its time.
QUICK = TradingConfig(timeout_s=20.0, wait_s=10.0, pong_s=20.0, recv_window_ms=60_000)
#: An address where nobody listens.
NOWHERE = "http://127.0.0.1:9"


class Client:
    """``Trading`` at work, and what it told."""

    def __init__(self, ws_api: str, credentials: Credentials, config: TradingConfig, rest: str) -> None:
        self.events: list[dict[str, Any]] = []
        self.states: list[tuple[bool, str]] = []
        self.replies: list[Reply] = []
        self.news = trio.Event()
        self.trading = Trading(
            Addresses(rest, "", ws_api), credentials, Budget(), config,
            on_event=lambda event, _: self.tell(self.events, event),
            on_state=lambda up, why: self.tell(self.states, (up, why)))

    def tell(self, to: list[Any], what: Any) -> None:
        to.append(what)
        self.news.set()
        self.news = trio.Event()

    def send(self, wanted: Call) -> None:
        self.trading.send(wanted, lambda reply: self.tell(self.replies, reply))

    async def until(self, condition: Any) -> None:
        while not condition():
            await self.news.wait()


@asynccontextmanager
async def trading(
    ws_api: str, credentials: Credentials = HMAC, config: TradingConfig = QUICK, rest: str = NOWHERE
) -> AsyncIterator[Client]:
    """At work, with all events of the account coming, until the end of the block."""
    client = Client(ws_api, credentials, config, rest)
    async with trio.open_nursery() as nursery:
        await nursery.start(client.trading.run)
        yield client
        nursery.cancel_scope.cancel()


def place(name: str = "ida-1") -> Call:
    return call("order.place", {"symbol": "BTCUSDT", "newClientOrderId": name}, client_order_id=name)
