"""ccxt and ccxt.pro trade on the server: orders, a replacement, user data, and what the account has."""

import asyncio
import json
import sys
from typing import Any

import ccxt.pro
from ccxt_pro import client as reader

SYMBOL = "BTC/USDT"


def client(rest: str, ws: str, api_key: str, secret: str) -> Any:
    exchange = reader(rest, ws)
    exchange.apiKey, exchange.secret = api_key, secret
    exchange.urls["api"]["sapi"] = f"{rest}/sapi/v1"
    return exchange


async def collect(exchange: Any, events: list[Any]) -> None:
    while True:
        events.extend(dict(order) for order in await exchange.watch_orders(SYMBOL))


async def trade(exchange: Any) -> dict[str, Any]:
    """Everything once, and what was answered."""
    bid = (await exchange.fetch_order_book(SYMBOL, 5))["bids"][0][0]
    low = exchange.price_to_precision(SYMBOL, bid * 0.9)
    high, stop = (exchange.price_to_precision(SYMBOL, bid * factor) for factor in (1.1, 0.95))
    taken = await exchange.create_order(SYMBOL, "market", "buy", 0.01)
    placed = await exchange.create_order(SYMBOL, "limit", "buy", 0.002, low)
    asked = await exchange.fetch_order(placed["id"], SYMBOL)
    replaced = await exchange.edit_order(placed["id"], SYMBOL, "limit", "buy", 0.003, low)
    pair = await exchange.private_post_orderlist_oco({
        "symbol": "BTCUSDT", "side": "SELL", "quantity": "0.001", "aboveType": "LIMIT_MAKER", "abovePrice": high,
        "belowType": "STOP_LOSS_LIMIT", "belowPrice": stop, "belowStopPrice": stop, "belowTimeInForce": "GTC"})
    opened = await exchange.fetch_open_orders(SYMBOL)
    over = await exchange.fetch_open_orders_ws(SYMBOL)
    cancelled = await exchange.cancel_order(replaced["id"], SYMBOL)
    await exchange.cancel_order_ws(pair["orders"][0]["orderId"], SYMBOL)
    try:
        await exchange.cancel_order(replaced["id"], SYMBOL)
        refused = 0
    except ccxt.OrderNotFound:
        refused = -2011
    return {
        "market": int(taken["id"]), "limit": int(placed["id"]), "second": int(replaced["id"]),
        "status": asked["info"]["status"], "pair": [int(order["orderId"]) for order in pair["orders"]],
        "open": sorted(int(order["id"]) for order in opened), "open_ws": sorted(int(order["id"]) for order in over),
        "cancelled": cancelled["info"]["status"], "refused": refused,
    }


async def main(rest: str, ws: str) -> None:
    key = json.loads(sys.stdin.read())
    exchange, events = client(rest, ws, key["api_key"], key["secret"]), list[Any]()
    try:
        await exchange.load_markets()
        listening = asyncio.create_task(collect(exchange, events))
        for _ in range(200):
            if exchange.clients and any(key.startswith(ws) and c.subscriptions for key, c in exchange.clients.items()):
                break
            await asyncio.sleep(0.05)
        await exchange.fetch_balance_ws()
        found = await trade(exchange)
        for _ in range(200):
            if sum(event["info"].get("x") == "CANCELED" for event in events) >= 4:
                break
            await asyncio.sleep(0.05)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        account = (await exchange.fetch_balance({"type": "spot"}))["info"]
        found["balances"] = {each["asset"]: [each["free"], each["locked"]] for each in account["balances"]}
        trades = await exchange.fetch_my_trades(SYMBOL)
        found["trades"] = [[int(each["id"]), int(each["order"]), each["info"]["price"], each["info"]["qty"],
                            each["info"]["commission"]] for each in trades]
        found["events"] = [[event["info"]["x"], int(event["info"]["i"])] for event in events]
    finally:
        await exchange.close()
    print(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
