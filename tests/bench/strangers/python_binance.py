"""python-binance reads the server and keeps a book with its own DepthCacheManager."""

import asyncio
import json
import sys
from typing import Any

from binance import AsyncClient, BinanceSocketManager, DepthCacheManager
from binance.base_client import BaseClient

TOP = 10


async def read(client: AsyncClient) -> dict[str, Any]:
    """What REST says."""
    info = await client.get_exchange_info()
    symbol = await client.get_symbol_info("BTCUSDT")
    depth = await client.get_order_book(symbol="BTCUSDT", limit=100)
    return {"symbols": [each["symbol"] for each in info["symbols"]], "tick": symbol["filters"][0]["tickSize"],
            "levels": len(depth["bids"]), "server_time": (await client.get_server_time())["serverTime"]}


async def read_later(client: AsyncClient) -> dict[str, Any]:
    """What there is when the market has run."""
    trades = await client.get_recent_trades(symbol="BTCUSDT", limit=5)
    klines = await client.get_klines(symbol="BTCUSDT", interval="1m")
    return {"trades": [trade["id"] for trade in trades], "klines": [row[8] for row in klines],
            "count": (await client.get_ticker(symbol="BTCUSDT"))["count"]}


async def count(socket: Any, name: str, seen: dict[str, int]) -> None:
    async with socket as stream:
        while True:
            message = await stream.recv()
            assert message["e"] == name, message
            seen[name] = seen.get(name, 0) + 1


async def keep(client: AsyncClient, sockets: BinanceSocketManager, seconds: float) -> list[Any]:
    """The cache's best levels with its last update id, each second."""
    tops: list[Any] = []
    loop = asyncio.get_running_loop()
    async with DepthCacheManager(client, "BTCUSDT", bm=sockets, limit=5000, ws_interval=100) as manager:
        for _ in range(3):
            await manager.recv()
        next_s = loop.time()
        while len(tops) < int(seconds):
            cache = await manager.recv()
            if loop.time() >= next_s:
                next_s += 1
                tops.append([manager._last_update_id, cache.get_bids()[:TOP], cache.get_asks()[:TOP]])
    return tops


async def main(rest: str, ws: str, seconds: float) -> None:
    BaseClient.API_URL, BaseClient.WS_API_URL = f"{rest}/api", f"{ws}/ws-api/v3"
    BinanceSocketManager.STREAM_URL = f"{ws}/"
    client = await AsyncClient.create()
    try:
        found: dict[str, Any] = {"rest": await read(client), "seen": {}}
        found["ws_api"] = {"levels": len((await client.ws_get_order_book(symbol="BTCUSDT", limit=5))["bids"])}
        sockets = BinanceSocketManager(client)
        counting = [asyncio.create_task(count(sockets.trade_socket("BTCUSDT"), "trade", found["seen"])),
                    asyncio.create_task(count(sockets.kline_socket("BTCUSDT", "1m"), "kline", found["seen"]))]
        found["tops"] = await keep(client, sockets, seconds)
        for task in counting:
            task.cancel()
        await asyncio.gather(*counting, return_exceptions=True)
        found["later"] = await read_later(client)
    finally:
        await client.close_connection()
    print(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3])))
