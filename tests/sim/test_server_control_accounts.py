"""The control endpoint's accounts: what they show, money from outside, requests in their name, deleted keys."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import httpx
import pytest
from signed import signed_params
from sim.serving import client, serving

from ida_core import ConfigError
from ida_sim.account import Account
from ida_sim.server.account_files import AccountFile
from ida_sim.server.serving import Server

TWO = (AccountFile(), AccountFile(name="other", balances={"USDT": Decimal(1000)}))


@asynccontextmanager
async def controlled(**options: Any) -> AsyncIterator[tuple[Server, httpx.AsyncClient]]:
    async with serving(accounts=TWO, **options) as server, httpx.AsyncClient(timeout=10) as http:
        http.base_url = httpx.URL(server.addresses.control)
        yield server, http


async def ask(http: httpx.AsyncClient, name: str, method: str, **params: Any) -> Any:
    answer = await http.post(f"/accounts/{name}/requests", json={"method": method, "params": params})
    return answer.json()


async def test_accounts_are_shown_without_their_secrets() -> None:
    async with controlled() as (server, http):
        answer = await http.get("/accounts")
        default, other = answer.json()
        assert (default["name"], other["name"]) == ("default", "other")
        assert other["balances"]["USDT"] == {"free": "1000", "locked": "0"}
        assert [key["type"] for key in default["keys"]] == ["HMAC", "RSA", "ED25519"]
        for told in server.told_keys():
            assert told["secret"] not in answer.text
        assert (await http.get("/accounts/other")).json() == other
        assert (await http.get("/accounts/nobody")).status_code == 404


async def test_money_comes_and_goes_and_the_account_is_told() -> None:
    async with controlled() as (server, http), client(server, "/ws-api/v3") as one:
        key = server.access.accounts["other"].keys[0]
        stamp = server.market.now_ns() // 1_000_000
        await one.ask("userDataStream.subscribe.signature", signed_params(key, timestamp=stamp))
        for amount, free in (("2.5", "1002.5"), ("-1000", "2.5")):
            answer = await http.post("/accounts/other/payments", json={"asset": "USDT", "amount": amount})
            assert (answer.status_code, answer.json()) == (200, {"free": free, "locked": "0"})
            moved, position = [(await one.read())["event"] for _ in range(2)]
            assert (moved["e"], moved["a"], Decimal(moved["d"])) == ("balanceUpdate", "USDT", Decimal(amount))
            assert (position["e"], Decimal(position["B"][0]["f"])) == ("outboundAccountPosition", Decimal(free))
        for wrong in ({"asset": "USDT", "amount": "-2.6"}, {"asset": "usdt", "amount": "1"}, {"asset": "USDT"},
                      {"asset": "USDT", "amount": "0.000000001"}, {"asset": "USDT", "amount": "NaN"}, []):
            assert (await http.post("/accounts/other/payments", json=wrong)).status_code == 400
        assert (await http.post("/accounts/nobody/payments", json={})).status_code == 404
        assert (await http.post("/accounts/other/payments", json={"asset": "XYZ", "amount": "1"})).status_code == 200
        assert (await http.get("/accounts/other")).json()["balances"]["XYZ"] == {"free": "1", "locked": "0"}


async def test_orders_in_anybody_s_name() -> None:
    async with controlled() as (server, http):
        best = await ask(http, "default", "ticker.book", symbol="BTCUSDT")
        low = f"{float(best['bidPrice']) * 0.9:.2f}"
        order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
        placed = await ask(http, "other", "order.place", **order, price=low, quantity="0.001")
        (shown,) = (await http.get("/accounts/other")).json()["open_orders"]
        assert shown["orderId"] == placed["orderId"]
        assert (await ask(http, "default", "openOrders.status")) == []
        locked = Decimal((await http.get("/accounts/other")).json()["balances"]["USDT"]["locked"])
        assert locked == Decimal(low) / 1000
        cancelled = await ask(http, "other", "order.cancel", symbol="BTCUSDT", orderId=placed["orderId"])
        assert cancelled["status"] == "CANCELED"
        refused = await ask(http, "other", "order.place", **order, price=low, quantity="100")
        assert refused["code"] == -2010
        assert "error" in await ask(http, "other", "order.plaec")
        assert (await http.post("/accounts/other/requests", content="{")).status_code == 400
        assert server.access.counts["other"].used(server.market.now_ns()) == (0, 0)


async def test_a_key_is_deleted_and_its_session_ends() -> None:
    async with controlled() as (server, http), client(server, "/ws-api/v3") as one:
        key = server.access.accounts["default"].keys[2]
        stamp = server.market.now_ns() // 1_000_000
        await one.ask("session.logon", signed_params(key, timestamp=stamp))
        assert (await one.ask("account.status", {"timestamp": stamp}))["result"]["accountType"] == "SPOT"
        assert (await http.delete(f"/accounts/default/keys/{key.api_key}")).status_code == 204
        assert (await http.delete(f"/accounts/default/keys/{key.api_key}")).status_code == 404
        answer = await one.ask("account.status", {"timestamp": stamp})
        assert (answer["id"], answer["status"], answer["error"]["code"]) == (None, 401, -2015)
        assert (await one.ask("session.status"))["result"]["apiKey"] is None


def test_no_more_is_taken_than_is_free() -> None:
    account = Account({"USDT": Decimal(10)})
    account.transfer("USDT", Decimal("-9.99999999"))
    assert account.free("USDT") == Decimal("0.00000001")
    for amount in ("-0.00000002", "1e18", "Infinity", "0.000000001"):
        with pytest.raises(ConfigError, match="transfer of"):
            account.transfer("USDT", Decimal(amount))
    assert account.free("USDT") == Decimal("0.00000001")
