"""binance-sdk-spot trades on the server: orders, a pair, a replacement, user data, and what the account has."""

import asyncio
import json
import sys
from decimal import Decimal
from typing import Any

from binance_common.configuration import ConfigurationRestAPI, ConfigurationWebSocketAPI
from binance_common.errors import BadRequestError
from binance_sdk_spot.spot import Spot

SYMBOL = "BTCUSDT"


def low_and_high(rest: Any) -> tuple[float, float, float]:
    """A price far below, one far above, and a stop between."""
    bid = Decimal(rest.ticker_book_ticker(symbol=SYMBOL).data().actual_instance.bid_price)
    low, high, stop = (float((bid * Decimal(factor)).quantize(Decimal("0.01"))) for factor in ("0.9", "1.1", "0.95"))
    return low, high, stop


def trade(rest: Any) -> dict[str, Any]:
    """Everything once over REST, and what was answered."""
    low, high, stop = low_and_high(rest)
    taken = rest.new_order(symbol=SYMBOL, side="BUY", type="MARKET", quantity=0.01).data()
    placed = rest.new_order(symbol=SYMBOL, side="BUY", type="LIMIT", time_in_force="GTC", quantity=0.002, price=low)
    first = placed.data().order_id
    asked = rest.get_order(symbol=SYMBOL, order_id=first).data()
    replaced = rest.order_cancel_replace(
        symbol=SYMBOL, side="BUY", type="LIMIT", time_in_force="GTC", quantity=0.003, price=low,
        cancel_replace_mode="STOP_ON_FAILURE", cancel_order_id=first).data()
    pair = rest.order_list_oco(
        symbol=SYMBOL, side="SELL", quantity=0.001, above_type="LIMIT_MAKER", above_price=high,
        below_type="STOP_LOSS_LIMIT", below_price=stop, below_stop_price=stop, below_time_in_force="GTC").data()
    opened = rest.get_open_orders(symbol=SYMBOL).data()
    counts = [limit.count for limit in placed.rate_limits]
    return {
        "market": taken.order_id, "limit": first, "second": replaced.new_order_response.order_id,
        "status": asked.status, "pair": [order.order_id for order in pair.orders], "counts": counts,
        "open": sorted(order.order_id for order in opened),
    }


async def finish(connection: Any, found: dict[str, Any]) -> None:
    """Take everything back over the WebSocket API."""
    opened = (await connection.open_orders_status(symbol=SYMBOL)).data().result
    found["open_ws"] = sorted(order.order_id for order in opened)
    cancelled = (await connection.order_cancel(symbol=SYMBOL, order_id=found["second"])).data().result
    found["cancelled"] = cancelled.status
    await connection.order_cancel(symbol=SYMBOL, order_id=found["pair"][0])


def finally_has(rest: Any, found: dict[str, Any]) -> None:
    try:
        rest.delete_order(symbol=SYMBOL, order_id=found["second"])
    except BadRequestError as error:
        found["refused"] = -2011 if "Unknown order sent" in str(error) else str(error)
    account = rest.get_account().data()
    found["balances"] = {each.asset: [each.free, each.locked] for each in account.balances}
    found["trades"] = [[each.id, each.order_id, each.price, each.qty, each.commission]
                       for each in rest.my_trades(symbol=SYMBOL).data()]


async def main(rest: str, ws: str) -> None:
    key = json.loads(sys.stdin.read())
    own = {"api_key": key["api_key"], "private_key": key["secret"]}
    spot = Spot(config_rest_api=ConfigurationRestAPI(base_path=rest, timeout=10_000, **own),
                config_ws_api=ConfigurationWebSocketAPI(stream_url=f"{ws}/ws-api/v3", **own))
    connection, events = await spot.websocket_api.create_connection(), list[Any]()
    try:
        await connection.session_logon()
        user_data = await connection.user_data_stream_subscribe()
        user_data.stream.on("message", lambda event: events.append(event.actual_instance.model_dump(by_alias=True)))
        found = await asyncio.to_thread(trade, spot.rest_api)
        await finish(connection, found)
        for _ in range(200):
            if sum(event.get("x") == "CANCELED" for event in events) >= 4:
                break
            await asyncio.sleep(0.05)
        await asyncio.to_thread(finally_has, spot.rest_api, found)
        found["events"] = [[event["x"], event["i"]] for event in events if event.get("x")]
    finally:
        await connection.close_connection(close_session=True)
    print(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
