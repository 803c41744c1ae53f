"""One request, for both transports, and what came of it.

Source: Binance Spot API docs, rest-api.md and web-socket-api.md (methods, weights; weight 0 of what succeeds).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from ida_binance.error_table import Advice, advice

WS_API, REST = "ws-api", "rest"


class Call(msgspec.Struct, frozen=True):
    """A request as it is meant, before time and signature are put to it. ``call`` makes one by its method.

    ``method``: of the WebSocket API, empty where it has none; ``verb`` and ``path``: of REST, empty likewise.
    ``params``: names and values as text, all plain. ``weight``: what it costs the address, where ``is_free`` only if it
    fails. ``orders``: by how much it raises the account's count of unfilled orders. ``is_order``: it may change
    something at the exchange, so that it is never sent again once it may have arrived; ``is_cancel``: it takes risk
    off, goes before all else, and has a reserve of the budgets.
    """

    method: str
    verb: str
    path: str
    params: Mapping[str, str]
    weight: int = 1
    orders: int = 0
    is_cancel: bool = False
    is_order: bool = False
    client_order_id: str = ""
    symbol: str = ""
    is_signed: bool = True
    is_free: bool = False

    @property
    def name(self) -> str:
        """For people."""
        return self.method or f"{self.verb} {self.path}"


class Outcome(enum.StrEnum):
    """``OK``: done. ``REJECTED``: the exchange said no, and nothing of it is done but what ``Reply.body`` tells.
    ``NOT_SENT``: no byte of it left. ``UNKNOWN``: it may have arrived, and nobody has told what became of it."""

    OK = "OK"
    REJECTED = "REJECTED"
    NOT_SENT = "NOT_SENT"
    UNKNOWN = "UNKNOWN"


class Reply(NamedTuple):
    """What came of a call.

    ``status``: HTTP's, 0 without an answer; ``code`` and ``msg``: the exchange's words, or ours (code 0) where it said
    nothing; ``body``: what was answered, the error object of a refusal. ``sent_ns``: when its bytes were handed to the
    socket, local, 0 if they never were; ``received_ns``: when this became known. ``by``: ``ws-api``, ``rest``, or empty
    where it was not sent. ``retry_after_s``: how long the exchange, or the budget, has everyone wait.
    """

    outcome: Outcome
    status: int
    code: int
    msg: str
    body: Any
    sent_ns: int
    received_ns: int
    by: str
    retry_after_s: float = 0.0

    @property
    def is_ok(self) -> bool:
        return self.outcome is Outcome.OK

    @property
    def advice(self) -> Advice:
        """What the exchange's refusal asks for; see ``error_table``."""
        return advice(self.code, self.msg, self.status)


class _Kind(NamedTuple):
    verb: str
    path: str
    weight: int
    orders: int = 0
    is_cancel: bool = False
    is_signed: bool = True


def _place(path: str, orders: int = 1) -> _Kind:
    return _Kind("POST", f"/api/v3/{path}", 1, orders)


def _cancel(path: str) -> _Kind:
    return _Kind("DELETE", f"/api/v3/{path}", 1, is_cancel=True)


def _query(path: str, weight: int, *, is_signed: bool = True) -> _Kind:
    return _Kind("GET", f"/api/v3/{path}", weight, is_signed=is_signed)


_KINDS: Mapping[str, _Kind] = {
    "order.place": _place("order"),
    "order.test": _place("order/test", 0),
    "order.cancel": _cancel("order"),
    "order.cancelReplace": _place("order/cancelReplace"),
    "order.amend.keepPriority": _Kind("PUT", "/api/v3/order/amend/keepPriority", 4),
    "openOrders.cancelAll": _cancel("openOrders"),
    "orderList.place.oco": _place("orderList/oco", 2),
    "orderList.place.oto": _place("orderList/oto", 2),
    "orderList.place.otoco": _place("orderList/otoco", 3),
    "orderList.place.opo": _place("orderList/opo", 2),
    "orderList.place.opoco": _place("orderList/opoco", 3),
    "orderList.cancel": _cancel("orderList"),
    "sor.order.place": _place("sor/order"),
    "sor.order.test": _place("sor/order/test", 0),
    "order.status": _query("order", 4),
    "order.amendments": _query("order/amendments", 4),
    "openOrders.status": _query("openOrders", 80),
    "allOrders": _query("allOrders", 20),
    "orderList.status": _query("orderList", 4),
    "allOrderLists": _query("allOrderList", 20),
    "openOrderLists.status": _query("openOrderList", 6),
    "account.status": _query("account", 20),
    "account.commission": _query("account/commission", 20),
    "account.rateLimits.orders": _query("rateLimit/order", 40),
    "myTrades": _query("myTrades", 20),
    "myPreventedMatches": _query("myPreventedMatches", 20),
    "myAllocations": _query("myAllocations", 20),
    "myFilters": _query("myFilters", 40),
    "ping": _query("ping", 1, is_signed=False),
    "time": _query("time", 1, is_signed=False),
    "exchangeInfo": _query("exchangeInfo", 20, is_signed=False),
    "executionRules": _query("executionRules", 40, is_signed=False),
}
#: Their weight with a parameter that makes them cheaper, or dearer.
_OTHER_WEIGHTS: Mapping[tuple[str, str], int] = {
    ("openOrders.status", "symbol"): 6,
    ("myTrades", "orderId"): 5,
    ("myPreventedMatches", "preventedMatchId"): 2,
    ("executionRules", "symbol"): 2,
    ("order.test", "computeCommissionRates"): 20,
    ("sor.order.test", "computeCommissionRates"): 20,
}
_TESTS = ("order.test", "sor.order.test")
METHODS = tuple(_KINDS)


def call(method: str, params: Mapping[str, str], *, client_order_id: str = "") -> Call:
    """A call by its method of the WebSocket API, with the path, weight and order count that belong to it.

    Raises:
        KeyError: no such method.

    >>> call("order.cancel", {"symbol": "BTCUSDT", "origClientOrderId": "ida-1"}).is_cancel
    True
    """
    kind = _KINDS[method]
    weights = [w for (of, name), w in _OTHER_WEIGHTS.items() if of == method and name in params]
    is_order = kind.verb != "GET" and method not in _TESTS
    return Call(
        method, kind.verb, kind.path, params, weights[0] if weights else kind.weight, kind.orders, kind.is_cancel,
        is_order, client_order_id, params.get("symbol", ""), kind.is_signed,
        is_free=is_order and method != "order.amend.keepPriority",
    )  # fmt: skip


def warm_up() -> Call:
    """Nothing, over REST: a connection is there when one is needed."""
    return Call("", "GET", "/api/v3/ping", {}, is_signed=False)


def api_restrictions() -> Call:
    """What the key may do: REST alone has it, and not in every environment."""
    return Call("", "GET", "/sapi/v1/account/apiRestrictions", {})
