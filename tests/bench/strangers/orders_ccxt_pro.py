"""ccxt places and cancels one order at a time: how long each answer takes, in us; by REST and by its WebSocket API."""

import asyncio
import json
import sys
import time
from typing import Any

from ccxt_pro import client


async def main(rest: str, ws: str, api_key: str, secret: str, count: int, price: str) -> None:
    exchange: Any = client(rest, ws)
    exchange.apiKey, exchange.secret, exchange.enableRateLimit = api_key, secret, False
    ways = {"rest": (exchange.create_order, exchange.cancel_order),
            "ws-api": (exchange.create_order_ws, exchange.cancel_order_ws)}
    found: dict[str, list[float]] = {name: [] for name in ways}
    try:
        await exchange.load_markets()
        for name, (place, cancel) in ways.items():
            for _ in range(count):
                began = time.perf_counter()
                order = await place("BTC/USDT", "limit", "buy", 0.001, float(price))
                found[name].append((time.perf_counter() - began) * 1e6)
                await cancel(order["id"], "BTC/USDT")
                await asyncio.sleep(0.11)  # 100 orders in 10 s are allowed
    finally:
        await exchange.close()
    print(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:5], int(sys.argv[5]), sys.argv[6]))
