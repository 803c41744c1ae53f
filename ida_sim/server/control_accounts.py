"""The control endpoint's accounts: what they have, money from outside, requests in anybody's name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ida_core import ConfigError, IdaError, plain
from ida_sim.server.api import Api
from ida_sim.server.parameters import as_text
from ida_sim.server.trading.accounts import TradingAccount
from ida_sim.server.trading.events import account_position, balance_update

ASSET = re.compile(r"[A-Z0-9]{1,20}")


class Payment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What comes into an account from outside; negative: goes out."""

    asset: str
    amount: Decimal


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request of the WebSocket API, unsigned."""

    method: str
    params: dict[str, Any] = {}


def account_routes(api: Api) -> list[BaseRoute]:
    """Routes of ``/control/accounts``."""
    control = AccountControl(api)
    return [
        Route("/control/accounts", control.show),
        Route("/control/accounts/{name}", control.show_one),
        Route("/control/accounts/{name}/payments", control.pay, methods=["POST"]),
        Route("/control/accounts/{name}/requests", control.ask, methods=["POST"]),
        Route("/control/accounts/{name}/keys/{api_key}", control.revoke, methods=["DELETE"]),
    ]


class AccountControl:
    """Answers ``/control/accounts*``. No budget is charged and no fault strikes."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def show(self, request: Request) -> Response:
        return _json([self._state(account) for account in self._api.access.accounts.values()])

    async def show_one(self, request: Request) -> Response:
        account = self._api.access.accounts.get(request.path_params["name"])
        return self._nobody(request) if account is None else _json(self._state(account))

    async def pay(self, request: Request) -> Response:
        """A deposit or a withdrawal; the account is told."""
        account = self._api.access.accounts.get(request.path_params["name"])
        if account is None:
            return self._nobody(request)
        try:
            payment = msgspec.json.decode(await request.body(), type=Payment)
            pay(account, payment, self._api.market.now_ns())
        except (msgspec.DecodeError, IdaError) as error:
            return _json({"error": str(error)}, 400)
        return _json(self._state(account)["balances"].get(payment.asset))

    async def ask(self, request: Request) -> Response:
        """Any signed request, as if the account's owner had sent it; answered as the WebSocket API does."""
        account = self._api.access.accounts.get(request.path_params["name"])
        if account is None:
            return self._nobody(request)
        try:
            asked = msgspec.json.decode(await request.body(), type=Asked)
        except msgspec.DecodeError as error:
            return _json({"error": str(error)}, 400)
        endpoint = self._api.by_method.get(asked.method)
        if endpoint is None:
            return _json({"error": f"there is no method {asked.method!r}"}, 400)
        params = {name: as_text(value) for name, value in asked.params.items()}
        answer = self._api.answer_as(account, endpoint, params)
        return Response(answer.body, answer.status, media_type="application/json")

    async def revoke(self, request: Request) -> Response:
        """Delete a key: whoever is logged on with it hears so at the next request."""
        account = self._api.access.accounts.get(request.path_params["name"])
        if account is None:
            return self._nobody(request)
        left = [key for key in account.keys if key.api_key != request.path_params["api_key"]]
        if len(left) == len(account.keys):
            return _json({"error": f"{account.name} has no such key"}, 404)
        account.keys[:] = left
        return Response(status_code=204)

    def _open_orders(self, account: Any) -> Any:
        answer = self._api.answer_as(account, self._api.by_method["openOrders.status"], {})
        return msgspec.json.decode(answer.body)

    def _nobody(self, request: Request) -> Response:
        return _json({"error": f"there is no account {request.path_params['name']!r}"}, 404)

    def _state(self, account: Any) -> Mapping[str, Any]:
        """As everybody may see it: nothing secret."""
        used = self._api.access.counts[account.name].used(self._api.market.now_ns())
        balances = {asset: {"free": plain(free), "locked": plain(locked)}
                    for asset, (free, locked) in account.balances().items()}
        return {
            "name": account.name, "keys": [key.state() for key in account.keys], "balances": balances,
            "open_orders": self._open_orders(account), "subscriptions": len(account.listeners) - 1,
            "orders_10s": used[0], "orders_1d": used[1], "can_trade": account.can_trade,
            "can_withdraw": account.can_withdraw, "can_deposit": account.can_deposit,
        }


def pay(account: TradingAccount, payment: Payment, now_ns: int) -> None:
    """Move money, and tell of it: ``balanceUpdate``, then ``outboundAccountPosition``.

    Raises:
        ConfigError: an asset or an amount that cannot be.
    """
    if not ASSET.fullmatch(payment.asset):
        raise ConfigError(f"asset {payment.asset!r}: must be 1 to 20 capital letters or digits")
    account.wallet.transfer(payment.asset, payment.amount)
    account.updated_ns = now_ns
    account.tell(balance_update(payment.asset, payment.amount, now_ns))
    account.tell(account_position(account.wallet.take_changes(), now_ns))


def _json(body: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")
