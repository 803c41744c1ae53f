"""binance-sdk-spot reads the server and keeps a book by the published recipe: REST, WebSocket API and streams."""

import asyncio
import json
import sys
from typing import Any

from binance_common.configuration import (
    ConfigurationRestAPI,
    ConfigurationWebSocketAPI,
    ConfigurationWebSocketStreams,
)
from binance_sdk_spot.spot import Spot

TOP = 10


class Kept:
    """The book, by the recipe of Binance's own documents."""

    def __init__(self) -> None:
        self.waiting: list[Any] | None = []
        self.sides: tuple[dict[float, str], dict[float, str]] = ({}, {})
        self.last = 0
        self.seen: dict[str, int] = {}

    def count(self, name: str) -> None:
        self.seen[name] = self.seen.get(name, 0) + 1

    def on_depth(self, event: Any) -> None:
        self.count("depth")
        if self.waiting is not None:
            self.waiting.append(event)
        elif event.u > self.last:
            assert self.last + 1 == event.U, f"a gap: {event.U} after {self.last}"
            self.apply(event.b, event.a, event.u)

    def apply(self, bids: Any, asks: Any, last: int) -> None:
        for side, changes in zip(self.sides, (bids, asks), strict=True):
            for price, quantity in changes:
                if float(quantity):
                    side[float(price)] = quantity
                else:
                    side.pop(float(price), None)
        self.last = last

    def snapshot(self, book: Any) -> bool:
        events = [event for event in self.waiting or [] if event.u > book.last_update_id]
        if not events or book.last_update_id + 1 < events[0].U:
            return False
        self.apply(book.bids, book.asks, book.last_update_id)
        self.waiting = None
        for event in events:
            self.apply(event.b, event.a, event.u)
        return True

    def top(self) -> list[Any]:
        bids, asks = self.sides
        return [self.last, [[price, float(bids[price])] for price in sorted(bids, reverse=True)[:TOP]],
                [[price, float(asks[price])] for price in sorted(asks)[:TOP]]]


def read(spot: Spot) -> dict[str, Any]:
    """What REST says."""
    rest = spot.rest_api
    info = rest.exchange_info(symbol="BTCUSDT").data()
    answer = rest.depth(symbol="BTCUSDT", limit=100)
    return {
        "symbols": [symbol.symbol for symbol in info.symbols],
        "tick": info.symbols[0].filters[0].actual_instance.tick_size,
        "levels": len(answer.data().bids), "limits": [limit.count for limit in answer.rate_limits],
        "server_time": rest.time().data().server_time,
    }


def read_later(spot: Spot) -> dict[str, Any]:
    """What there is when the market has run."""
    rest = spot.rest_api
    return {
        "trades": [trade.id for trade in rest.get_trades(symbol="BTCUSDT", limit=5).data()],
        "klines": [row[8] for row in rest.klines(symbol="BTCUSDT", interval="1m").data()],
        "count": rest.ticker24hr(symbol="BTCUSDT").data().actual_instance.count,
    }


async def ask(spot: Spot) -> dict[str, Any]:
    """What the WebSocket API says."""
    connection = await spot.websocket_api.create_connection()
    try:
        depth = await connection.depth(symbol="BTCUSDT", limit=5)
        time = await connection.time()
        return {"levels": len(depth.data().result.bids), "server_time": time.data().result.server_time,
                "limits": [limit.limit for limit in depth.rate_limits or []]}
    finally:
        await connection.close_connection(close_session=True)


async def main(rest: str, ws: str, seconds: float) -> None:
    spot = Spot(config_rest_api=ConfigurationRestAPI(base_path=rest, timeout=10_000),
                config_ws_api=ConfigurationWebSocketAPI(stream_url=f"{ws}/ws-api/v3"),
                config_ws_streams=ConfigurationWebSocketStreams(stream_url=ws))
    found: dict[str, Any] = {"rest": await asyncio.to_thread(read, spot), "ws_api": await ask(spot)}
    connection, kept = await spot.websocket_streams.create_connection(), Kept()
    try:
        for stream, handler in (
            (await connection.diff_book_depth(symbol="btcusdt", update_speed="100ms"), kept.on_depth),
            (await connection.trade(symbol="btcusdt"), lambda event: kept.count("trade")),
            (await connection.kline(symbol="btcusdt", interval="1m"), lambda event: kept.count("kline")),
        ):
            stream.on("message", handler)
        while True:
            await asyncio.sleep(0.5)
            book = await asyncio.to_thread(lambda: spot.rest_api.depth(symbol="BTCUSDT", limit=5000).data())
            if kept.snapshot(book):
                break
        found["tops"] = []
        for _ in range(int(seconds)):
            await asyncio.sleep(1)
            found["tops"].append(kept.top())
    finally:
        await connection.close_connection(close_session=True)
    found["seen"], found["later"] = kept.seen, await asyncio.to_thread(read_later, spot)
    print(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3])))
