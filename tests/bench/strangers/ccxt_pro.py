"""ccxt and ccxt.pro read the server and keep a book with ccxt.pro's own."""

import asyncio
import json
import sys
from typing import Any

import ccxt.pro

TOP = 10


def client(rest: str, ws: str) -> Any:
    exchange = ccxt.pro.binance({"options": {
        "fetchCurrencies": False, "fetchMargins": False, "fetchMarkets": {"types": ["spot"]},
        "watchOrderBookLimit": 5000}})
    for name in ("public", "private", "v1"):
        exchange.urls["api"][name] = f"{rest}/api/v3"
    # ccxt knows a spot socket by /stream in its URL, and adds a number: Binance lets both pass
    exchange.urls["api"]["ws"] |= {"spot": f"{ws}/ws/stream", "ws-api": {"spot": f"{ws}/ws-api/v3"}}
    return exchange


async def read(exchange: Any) -> dict[str, Any]:
    """What REST says."""
    markets = await exchange.load_markets()
    depth = await exchange.fetch_order_book("BTC/USDT", 100)
    return {"symbols": [market["id"] for market in markets.values()],
            "tick": exchange.market("BTC/USDT")["precision"]["price"], "levels": len(depth["bids"]),
            "server_time": await exchange.fetch_time()}


async def read_later(exchange: Any) -> dict[str, Any]:
    """What there is when the market has run."""
    trades = await exchange.fetch_trades("BTC/USDT", limit=5, params={"fetchTradesMethod": "publicGetTrades"})
    klines = await exchange.fetch_ohlcv("BTC/USDT", "1m")
    ticker = await exchange.fetch_ticker("BTC/USDT")
    return {"trades": [int(trade["id"]) for trade in trades], "klines": [row[5] for row in klines],
            "count": int(ticker["info"]["count"])}


async def watch(exchange: Any, name: str, seen: dict[str, int]) -> None:
    while True:
        rows = await (exchange.watch_trades("BTC/USDT") if name == "trade" else exchange.watch_ohlcv("BTC/USDT", "1m"))
        seen[name] = seen.get(name, 0) + len(rows)


async def keep(exchange: Any, seconds: float) -> list[Any]:
    """The book's best levels with its last update id, each second."""
    tops: list[Any] = []
    loop = asyncio.get_running_loop()
    await exchange.watch_order_book("BTC/USDT", 5000)
    next_s = loop.time()
    while len(tops) < int(seconds):
        book = await exchange.watch_order_book("BTC/USDT", 5000)
        if loop.time() >= next_s and book["nonce"]:
            next_s += 1
            tops.append([book["nonce"], [list(level)[:2] for level in book["bids"][:TOP]],
                         [list(level)[:2] for level in book["asks"][:TOP]]])
    return tops


async def main(rest: str, ws: str, seconds: float) -> None:
    exchange = client(rest, ws)
    try:
        found: dict[str, Any] = {"rest": await read(exchange), "seen": {}}
        watching = [asyncio.create_task(watch(exchange, name, found["seen"])) for name in ("trade", "kline")]
        found["tops"] = await keep(exchange, seconds)
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
        found["later"] = await read_later(exchange)
    finally:
        await exchange.close()
    print(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3])))
