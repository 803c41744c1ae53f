"""Any requests of two accounts that trade with each other and with the market, at the exchange server: an answer in
Binance's form to each, no balance below nothing, and in the end nothing held.

A line is a request: ``0`` or ``1`` for the account, a method of the WebSocket API, and its parameters as a query. The
market stands still. What the accounts of one input do is over before those of the next begin.
"""

import json
import sys
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import python_driver

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ida_core import VenueSetup
from ida_sim.config import SimConfig
from ida_sim.fees import Fees
from ida_sim.server.access import Access
from ida_sim.server.api import Api
from ida_sim.server.endpoints import ENDPOINTS
from ida_sim.server.faults import Faults
from ida_sim.server.limits import Budget, Limits
from ida_sim.server.market import MarketSetup, build_market
from ida_sim.server.trading.accounts import TradingAccount
from ida_sim.server.trading.table import TRADING
from ida_sim.server.trading.trading import Trading

WORDS = [
    *(b"0" + endpoint.method.encode() + b" " for endpoint in TRADING), b"\n0", b"\n1", b"\n0order.place ", b"&", b"=",
    *{name.encode() + b"=" for endpoint in TRADING for name in endpoint.known}, b"symbol=BTCUSDT&", b"side=BUY&",
    b"side=SELL&", b"type=LIMIT&", b"type=MARKET&", b"type=STOP_LOSS&", b"type=TAKE_PROFIT_LIMIT&",
    b"type=LIMIT_MAKER&", b"timeInForce=GTC&", b"timeInForce=FOK&", b"quantity=0.001&", b"quantity=1&", b"price=60000&",
    b"price=59000.01&", b"stopPrice=61000&", b"trailingDelta=100&", b"icebergQty=0.0001&", b"orderId=1&", b"orderId=2&",
    b"newClientOrderId=a&", b"origClientOrderId=a&", b"selfTradePreventionMode=TRANSFER&", b"PRIMARY_PEG", b"DECREMENT",
    b"newOrderRespType=FULL", b"cancelReplaceMode=ALLOW_FAILURE&", b"newQty=0.0005&", b"0.00000001", b"1e400", b"-1",
    b"9223372036854775807", b"%00", b"\xff", b"ONLY_NEW", b"STOP_LOSS_LIMIT", b"listClientOrderId=b&",
]  # fmt: skip
MOST = 12
MARKET = build_market(MarketSetup(VenueSetup(config=SimConfig(), symbols=("BTCUSDT",), seed=7)))
WIDE = Budget(10**9, 10**9, 10**9, orders_10s=10**9, orders_day=10**9)
LIMITS = Limits(MARKET.now_ns, WIDE)
TRADED = Trading(MARKET, Fees())
ACCESS = Access(MARKET.now_ns, budget=WIDE)
API = Api(MARKET, LIMITS, Faults(lambda: 0.0), ACCESS, (*ENDPOINTS, *TRADING))
NUMBERS = count()


def open_account(events: list[dict[str, Any]]) -> TradingAccount:
    account = TRADED.open(f"a{next(NUMBERS)}", [], {"USDT": Decimal(100_000), "BTC": Decimal(2)})
    account.listeners.append(events.append)
    ACCESS.add(account)
    return account


def ask(account: TradingAccount, line: bytes) -> None:
    method, _, query = line.decode("utf-8", "replace").partition(" ")
    endpoint = API.by_method.get(method)
    if endpoint is None:
        return
    answer = API.answer_as(account, endpoint, dict(parse_qsl(query, keep_blank_values=True)))
    body = json.loads(answer.body)
    if answer.status != 200:
        assert 400 <= answer.status < 500, (line, answer)
        assert isinstance(body["code"], int), answer
        assert body["msg"], answer


def check_balances(account: TradingAccount) -> None:
    for asset, (free, locked) in account.balances().items():
        assert free >= 0, (asset, free)
        assert locked >= 0, (asset, locked)


def check_events(events: list[dict[str, Any]]) -> None:
    """An order's reports add up, and nothing is told after its end."""
    filled: dict[int, Decimal] = {}
    over: set[int] = set()
    for event in events:
        json.dumps(event)
        if event["e"] == "executionReport" and event["i"] > 0:
            assert event["i"] not in over, event
            filled[event["i"]] = filled.get(event["i"], Decimal(0)) + Decimal(event["l"])
            assert filled[event["i"]] == Decimal(event["z"]) <= Decimal(event["q"]), event
            if event["X"] in ("FILLED", "CANCELED", "EXPIRED", "EXPIRED_IN_MATCH"):
                over.add(event["i"])


def target(data: bytes) -> None:
    told: list[list[dict[str, Any]]] = [[], []]
    accounts = [open_account(events) for events in told]
    try:
        for line in data.split(b"\n")[:MOST]:
            if line[:1] in (b"0", b"1"):
                ask(accounts[int(line[:1])], line[1:])
                for account in accounts:
                    check_balances(account)
        for account in accounts:
            if account.open_orders():
                ask(account, b"openOrders.cancelAll symbol=BTCUSDT")
            assert not account.open_orders(), account.open_orders()
            assert not any(locked for _, locked in account.balances().values()), account.balances()
        for events in told:
            check_events(events)
    finally:
        for account in accounts:
            del TRADED.accounts[account.number], ACCESS.accounts[account.name], ACCESS.counts[account.name]


if __name__ == "__main__":
    files = ("access", "parameters", "endpoints", "api")
    trading = ("form", "placing", "queries", "shapes", "events", "trading", "lists")
    python_driver.main(
        target, (*(f"ida_sim/server/{name}.py" for name in files), *(f"trading/{name}.py" for name in trading)), WORDS)
    sys.exit(0)
