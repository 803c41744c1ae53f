"""A small exchange on loopback with Binance's paths, for what a real one does seldom: one port, REST and streams.

It is written against trio-websocket, in the loop of the test; each of its faults is an attribute.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import trio
import trio_websocket

FILTERS = [
    {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "100000.00", "tickSize": "0.01"},
    {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "9000", "stepSize": "0.001"},
]


class SmallBook:
    """A market that makes one update a step. Prices in ticks of 0.01, quantities in lots of 0.001."""

    def __init__(self) -> None:
        self.update_id = 1000
        self.bids: dict[int, int] = {10_000 - i: 10 + i for i in range(20)}
        self.asks: dict[int, int] = {10_001 + i: 10 + i for i in range(20)}
        self.trade_id = 0

    def step(self) -> dict[str, Any]:
        """The next update, as the depth stream tells it."""
        self.update_id += 2
        price, lots = 10_000 - self.update_id % 20, 1 + self.update_id % 97
        self.bids[price] = lots
        self.asks[price + 21] = lots
        return {"U": self.update_id - 1, "u": self.update_id, "b": [row(price, lots)], "a": [row(price + 21, lots)]}

    def snapshot(self, levels: int) -> dict[str, Any]:
        bids = [row(p, self.bids[p]) for p in sorted(self.bids, reverse=True)[:levels]]
        asks = [row(p, self.asks[p]) for p in sorted(self.asks)[:levels]]
        return {"lastUpdateId": self.update_id, "bids": bids, "asks": asks}


def row(ticks: int, lots: int) -> list[str]:
    return [f"{ticks / 100:.2f}", f"{lots / 1000:.3f}"]


class _HeadFirst(trio.abc.Stream):
    """A connection whose head was read already. Frozen, it takes and gives nothing more: it is half-open."""

    def __init__(self, stream: trio.SocketStream, head: bytes) -> None:
        self.stream, self.head = stream, head
        self.frozen = False
        self.turn = trio.Lock()

    async def send_all(self, data: Any) -> None:
        if self.frozen:
            await trio.lowlevel.checkpoint()
        else:
            async with self.turn:
                await self.stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if self.head:
            head, self.head = self.head, b""
            await trio.lowlevel.checkpoint()
            return head
        data = await self.stream.receive_some(max_bytes)
        while self.frozen:
            await trio.sleep(0.02)
        return bytes(data)

    async def aclose(self) -> None:
        await self.stream.aclose()


class Client:
    """A connection to the streams."""

    def __init__(self, websocket: Any, stream: _HeadFirst) -> None:
        self.websocket, self.stream = websocket, stream
        self.names: list[str] = []
        self.muted: set[str] = set()
        self.is_open = True
        self.close_code: int | None = None

    async def send(self, text: str) -> None:
        try:
            await self.websocket.send_message(text)
        except trio_websocket.ConnectionClosed:
            self.is_open = False

    async def cut(self) -> None:
        """The wire is cut, without a word."""
        self.is_open = False
        await self.stream.stream.aclose()


class SmallExchange:
    """``refuse``: a path → (status, headers, body) that it answers instead, or None. ``confirm``: which of a client's
    streams it admits to. ``snapshot``: what it answers in the place of a right one."""

    def __init__(self, symbols: tuple[str, ...]) -> None:
        self.books = {symbol: SmallBook() for symbol in symbols}
        self.clients: list[Client] = []
        self.asked: Counter[str] = Counter()
        self.attempts = 0
        self.port = 0
        self.refuse: Callable[[str], tuple[int, dict[str, str], bytes] | None] = lambda path: None
        self.confirm: Callable[[list[str]], list[str]] = lambda names: names
        self.snapshot: Callable[[dict[str, Any]], dict[str, Any]] = lambda answer: answer

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def open_clients(self) -> list[Client]:
        return [client for client in self.clients if client.is_open]

    async def step(self, symbol: str = "BTCUSDT", kinds: str = "depth quote trade") -> None:
        """One update of the market, told to all who want to hear."""
        book, lower = self.books[symbol], symbol.lower()
        now_ms = time.time_ns() // 1_000_000
        update = {"e": "depthUpdate", "E": now_ms, "s": symbol, **book.step()}
        best_bid, best_ask = max(book.bids), min(book.asks)
        (b, bq), (a, aq) = row(best_bid, book.bids[best_bid]), row(best_ask, book.asks[best_ask])
        book.trade_id += 1
        trade = {"e": "trade", "E": now_ms, "s": symbol, "t": book.trade_id, "p": b, "q": "0.001", "T": now_ms,
                 "m": True, "M": True}  # fmt: skip
        quote = {"u": book.update_id, "s": symbol, "b": b, "B": bq, "a": a, "A": aq}
        if "depth" in kinds:
            await self.tell(f"{lower}@depth@100ms", update)
        if "quote" in kinds:
            await self.tell(f"{lower}@bookTicker", quote)
        if "trade" in kinds:
            await self.tell(f"{lower}@trade", trade)

    async def tell(self, name: str, data: Any) -> None:
        text = json.dumps({"stream": name, "data": data}, separators=(",", ":"))
        for client in self.open_clients:
            if name in client.names and name not in client.muted:
                await client.send(text)

    async def serve(self, stream: trio.SocketStream) -> None:
        head = b""
        try:
            while b"\r\n\r\n" not in head:
                data = await stream.receive_some()
                if not data:
                    return
                head += data
            path = head.split(b" ", 2)[1].decode()
            refusal = self.refuse(path)
            if b"upgrade: websocket" in head.lower() and refusal is None:
                await self._websocket(stream, head)
            else:
                self.attempts += b"upgrade: websocket" in head.lower()
                await self._http(stream, path, refusal)
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the client went away, which is its right
        finally:
            await trio.aclose_forcefully(stream)

    async def _http(self, stream: trio.SocketStream, path: str, refusal: Any) -> None:
        self.asked[urlsplit(path).path] += 1
        status, headers, body = refusal or self._answer(path)
        head = {"Content-Length": str(len(body)), "Connection": "close", "X-MBX-USED-WEIGHT-1M": "1", **headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        await stream.send_all(f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode() + body)

    def _answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        parts = urlsplit(path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        answers: dict[str, Callable[[], Any]] = {
            "/api/v3/time": lambda: {"serverTime": time.time_ns() // 1_000_000},
            "/api/v3/exchangeInfo": lambda: self._info(query),
            "/api/v3/ticker/price": lambda: [{"symbol": s, "price": "100.00"} for s in self.books],
            "/api/v3/depth": lambda: self.snapshot(self.books[query["symbol"]].snapshot(int(query["limit"]))),
        }
        answer = answers[parts.path]()
        if answer is None:
            return 400, {}, b'{"code":-1121,"msg":"Invalid symbol."}'
        return 200, {"Content-Type": "application/json"}, json.dumps(answer).encode()

    def _info(self, query: dict[str, str]) -> Any:
        wanted = json.loads(query["symbols"]) if "symbols" in query else list(self.books)
        if set(wanted) - set(self.books):
            return None
        rows = [{"symbol": s, "status": "TRADING", "baseAsset": s[:-4], "quoteAsset": s[-4:], "filters": FILTERS}
                for s in wanted]  # fmt: skip
        limits = [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000}]
        return {"timezone": "UTC", "serverTime": 0, "rateLimits": limits, "exchangeFilters": [], "symbols": rows}

    async def _websocket(self, stream: trio.SocketStream, head: bytes) -> None:
        self.attempts += 1
        first = _HeadFirst(stream, head)
        async with trio.open_nursery() as nursery:
            request = await trio_websocket.wrap_server_stream(nursery, first)
            client = Client(await request.accept(), first)
            self.clients.append(client)
            try:
                while True:
                    await self._control(client, json.loads(await client.websocket.get_message()))
            except trio_websocket.ConnectionClosed as closed:
                client.close_code = closed.reason.code if closed.reason else None
            client.is_open = False
            nursery.cancel_scope.cancel()

    async def _control(self, client: Client, message: dict[str, Any]) -> None:
        names, result = message.get("params", []), None
        if message["method"] == "SUBSCRIBE":
            client.names += [name for name in names if name not in client.names]
        elif message["method"] == "UNSUBSCRIBE":
            client.names = [name for name in client.names if name not in names]
        else:
            result = self.confirm(client.names)
        await client.send(json.dumps({"result": result, "id": message["id"]}))


@asynccontextmanager
async def small_exchange(*symbols: str) -> AsyncIterator[SmallExchange]:
    """Listens as long as the block."""
    exchange = SmallExchange(symbols or ("BTCUSDT",))
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, exchange.serve, 0)
        exchange.port = listeners[0].socket.getsockname()[1]
        yield exchange
        nursery.cancel_scope.cancel()


async def until(what: Callable[[], Any], within_s: float = 20.0) -> None:
    """Wait until it holds; how long it may take at most is generous, and no test tells the time by it."""
    with trio.move_on_after(within_s):
        while not what():
            await trio.sleep(0.01)
        return
    raise AssertionError(f"did not come about within {within_s:g} s")
