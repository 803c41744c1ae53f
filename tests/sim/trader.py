"""A client that trades on the exchange server over a market that stands still, unless it is told to go on."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import httpx
import trio_websocket
from signed import send, signed_params
from sim.serving import serving

from ida_sim.server.keys import ApiKey
from ida_sim.server.serving import Server
from ida_sim.server.trading.accounts import TradingAccount

SYMBOL = "BTCUSDT"


class Trader:
    """One key of an account, on REST; what the account is told stands in ``events``."""

    def __init__(self, server: Server, http: httpx.AsyncClient, account: TradingAccount) -> None:
        self.server, self.http, self.account = server, http, account
        self.key: ApiKey = account.keys[0]
        self.events: list[dict[str, Any]] = []
        account.listeners.append(self.events.append)

    def time_ms(self) -> int:
        return self.server.market.now_ns() // 1_000_000

    async def send(self, verb: str, path: str, **params: Any) -> httpx.Response:
        params.setdefault("timestamp", self.time_ms())
        return await send(self.http, self.key, f"/api/v3/{path}", verb, **params)

    async def get(self, path: str, **params: Any) -> Any:
        answer = await self.send("GET", path, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def do(self, verb: str, path: str, **params: Any) -> Any:
        answer = await self.send(verb, path, symbol=SYMBOL, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def refused(self, verb: str, path: str, **params: Any) -> tuple[int, int, str]:
        """Status, code and words."""
        answer = await self.send(verb, path, **({"symbol": SYMBOL} | params))
        assert answer.status_code != 200, answer.text
        return answer.status_code, answer.json()["code"], answer.json()["msg"]

    async def limit(self, side: str, price: Any, quantity: str = "0.001", **more: Any) -> Any:
        return await self.do("POST", "order", side=side, type="LIMIT", timeInForce="GTC", price=price,
                             quantity=quantity, **more)

    def best(self) -> tuple[Decimal, Decimal]:
        """Bid and ask as the matching engine has them; what is published comes after it."""
        listing = self.server.trading.listings[SYMBOL]
        book = listing.symbol.place.book
        assert book.bid is not None
        assert book.ask is not None
        return listing.instrument.price(book.bid), listing.instrument.price(book.ask)

    async def balance(self, asset: str) -> tuple[Decimal, Decimal]:
        """Free and locked."""
        rows = (await self.get("account"))["balances"]
        return next((Decimal(row["free"]), Decimal(row["locked"])) for row in rows if row["asset"] == asset)

    def told(self, kind: str = "executionReport") -> list[dict[str, Any]]:
        return [event for event in self.events if event["e"] == kind]


@asynccontextmanager
async def trading(**options: Any) -> AsyncIterator[Trader]:
    """The default account, and a market that stands still until a stream of it is subscribed to."""
    async with (serving(**({"symbols": (SYMBOL,), "start": "first-client"} | options)) as server,
                httpx.AsyncClient(base_url=server.addresses.rest) as http):
        yield Trader(server, http, server.trading.accounts[0])


@asynccontextmanager
async def another(trader: Trader, name: str = "other", bitcoins: int = 10, **options: Any) -> AsyncIterator[Trader]:
    """One more account at the same server."""
    server = trader.server
    account = server.trading.open(
        name, [ApiKey("HMAC")], {"USDT": Decimal(1_000_000), "BTC": Decimal(bitcoins)}, **options)
    server.access.add(account)
    async with httpx.AsyncClient(base_url=server.addresses.rest) as http:
        yield Trader(server, http, account)


async def ask(trader: Trader, websocket: trio_websocket.WebSocketConnection, method: str, **params: Any) -> Any:
    """A signed request of the WebSocket API; events that come before its reply are passed over."""
    full = signed_params(trader.key, timestamp=trader.time_ms(), **params)
    await websocket.send_message(json.dumps({"id": 7, "method": method, "params": full}))
    while True:
        found = json.loads(await websocket.get_message())
        if "status" in found:
            return found
