"""python-binance trades on the server: orders, a pair, a replacement, user data, and what the account has."""

import asyncio
import json
import sys
from decimal import Decimal
from typing import Any

from binance import AsyncClient, BinanceSocketManager
from binance.base_client import BaseClient
from binance.exceptions import BinanceAPIException

SYMBOL = "BTCUSDT"


async def collect(socket: Any, events: list[Any], opened: asyncio.Event) -> None:
    async with socket as stream:
        opened.set()
        while True:
            events.append(await stream.recv())


async def trade(client: AsyncClient) -> dict[str, Any]:
    """Everything once, and what was answered."""
    best = await client.get_orderbook_ticker(symbol=SYMBOL)
    bid = Decimal(best["bidPrice"])
    low, high = (f"{(bid * factor).quantize(Decimal('0.01'))}" for factor in (Decimal("0.9"), Decimal("1.1")))
    stop = f"{(bid * Decimal('0.95')).quantize(Decimal('0.01'))}"
    taken = await client.order_market_buy(symbol=SYMBOL, quantity="0.01", newOrderRespType="FULL")
    placed = await client.order_limit_buy(symbol=SYMBOL, quantity="0.002", price=low)
    asked = await client.get_order(symbol=SYMBOL, orderId=placed["orderId"])
    replaced = await client.cancel_replace_order(
        symbol=SYMBOL, side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.003", price=low,
        cancelReplaceMode="STOP_ON_FAILURE", cancelOrderId=placed["orderId"])
    second = replaced["newOrderResponse"]["orderId"]
    pair = await client.create_oco_order(
        symbol=SYMBOL, side="SELL", quantity="0.001", aboveType="LIMIT_MAKER", abovePrice=high,
        belowType="STOP_LOSS_LIMIT", belowPrice=stop, belowStopPrice=stop, belowTimeInForce="GTC")
    opened = await client.get_open_orders(symbol=SYMBOL)
    over = await client.ws_get_open_orders(symbol=SYMBOL)
    cancelled = await client.cancel_order(symbol=SYMBOL, orderId=second)
    await client.ws_cancel_order(symbol=SYMBOL, orderId=pair["orders"][0]["orderId"])
    try:
        await client.cancel_order(symbol=SYMBOL, orderId=second)
        refused = 0
    except BinanceAPIException as error:
        refused = error.code
    return {
        "market": taken["orderId"], "limit": placed["orderId"], "second": second, "status": asked["status"],
        "pair": [order["orderId"] for order in pair["orders"]], "open": sorted(order["orderId"] for order in opened),
        "open_ws": sorted(order["orderId"] for order in over), "cancelled": cancelled["status"], "refused": refused,
    }


async def main(rest: str, ws: str) -> None:
    key = json.loads(sys.stdin.read())
    BaseClient.API_URL, BaseClient.WS_API_URL = f"{rest}/api", f"{ws}/ws-api/v3"
    BinanceSocketManager.STREAM_URL = f"{ws}/"
    client, events, opened = await AsyncClient.create(key["api_key"], key["secret"]), list[Any](), asyncio.Event()
    try:
        listening = asyncio.create_task(collect(BinanceSocketManager(client).user_socket(), events, opened))
        await asyncio.wait_for(opened.wait(), 20)
        found = await trade(client)
        for _ in range(200):
            if sum(event.get("x") == "CANCELED" for event in events) >= 4:
                break
            await asyncio.sleep(0.05)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        account = await client.get_account()
        found["balances"] = {each["asset"]: [each["free"], each["locked"]] for each in account["balances"]}
        found["trades"] = [[each["id"], each["orderId"], each["price"], each["qty"], each["commission"]]
                           for each in await client.get_my_trades(symbol=SYMBOL)]
        found["events"] = [[event["x"], event["i"]] for event in events if event.get("e") == "executionReport"]
    finally:
        await client.close_connection()
    print(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
