"""python-binance places and cancels one order at a time: how long each answer takes, in us; by either of its APIs."""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from binance import AsyncClient
from binance.base_client import BaseClient


async def timed(call: Callable[..., Awaitable[Any]], taken: list[float], **parameters: Any) -> Any:
    began = time.perf_counter()
    answer = await call(**parameters)
    taken.append((time.perf_counter() - began) * 1e6)
    return answer


async def main(rest: str, ws: str, api_key: str, secret: str, count: int, price: str) -> None:
    BaseClient.API_URL, BaseClient.WS_API_URL = f"{rest}/api", f"{ws}/ws-api/v3"
    client = await AsyncClient.create(api_key, secret)
    ways = {"rest": (client.create_order, client.cancel_order),
            "ws-api": (client.ws_create_order, client.ws_cancel_order)}
    found: dict[str, list[float]] = {name: [] for name in ways}
    try:
        for name, (place, cancel) in ways.items():
            for _ in range(count):
                order = await timed(place, found[name], symbol="BTCUSDT", side="BUY", type="LIMIT", timeInForce="GTC",
                                    quantity="0.001", price=price)
                await cancel(symbol="BTCUSDT", orderId=order["orderId"])
                await asyncio.sleep(0.11)  # 100 orders in 10 s are allowed
    finally:
        await client.close_connection()
    print(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:5], int(sys.argv[5]), sys.argv[6]))
