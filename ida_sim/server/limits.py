"""Request budgets of the server, by address: calendar windows of weight and raw requests, bans, connection attempts.

REST and the WebSocket API share the budgets. Nothing here waits or reads a clock: the time is handed in, ns since 1970.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

OK, TOO_MANY, BANNED = 200, 429, 418
NS = 1_000_000_000

#: As Binance's exchangeInfo says it for spot: weight and raw requests of an address, orders of an account.
WEIGHT = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000}
ORDERS_10S = {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100}
ORDERS_DAY = {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 200_000}
RAW = {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 300_000}
WEIGHT_S, RAW_S, CONNECTION_S = 60, 300, 300

#: A ban's first length, and what no ban is longer than; each is twice the one before.
FIRST_BAN_S, LONGEST_BAN_S = 120, 3 * 86_400
#: So many more requests in a window that answers 429, and the address is banned.
PATIENCE = 10


class Budget(NamedTuple):
    """What an address may do: weight a minute, requests and connection attempts in five minutes; and an account:
    unfilled orders in ten seconds and a day."""

    weight: int = 6000
    raw: int = 300_000
    connections: int = 300
    patience: int = PATIENCE
    orders_10s: int = 100
    orders_day: int = 200_000


class Verdict(NamedTuple):
    """``status`` 200, 429 or 418; ``retry_ns``: when the address may come back, 0 where it is welcome;
    ``used``: weight in this minute."""

    status: int
    retry_ns: int
    used: int
    msg: str = ""

    def retry_after_s(self, now_ns: int) -> int:
        """Whole seconds, at least 1: the header ``Retry-After``."""
        return max(1, math.ceil((self.retry_ns - now_ns) / NS))


class Window:
    """A count that begins anew at every multiple of ``seconds`` since 1970: a calendar window."""

    def __init__(self, seconds: int) -> None:
        self._ns = seconds * NS
        self._number = -1
        self.count = 0

    def add(self, amount: int, now_ns: int) -> int:
        """Count ``amount`` and return the sum of this window."""
        number = now_ns // self._ns
        if number != self._number:
            self._number, self.count = number, 0
        self.count += amount
        return self.count

    def end_ns(self) -> int:
        """When the window that was last counted in ends."""
        return (self._number + 1) * self._ns


class Address:
    """What one address has used."""

    def __init__(self) -> None:
        self.weight, self.raw, self.connections = Window(WEIGHT_S), Window(RAW_S), Window(CONNECTION_S)
        self.refused = Window(WEIGHT_S)
        self.bans = 0
        self.banned_until_ns = 0


class Limits:
    """The budgets of all addresses.

    Args:
        now_ns: the server's clock; its jumps are ours.
    """

    def __init__(self, now_ns: Callable[[], int], budget: Budget | None = None) -> None:
        self.budget = budget or Budget()
        self._now_ns = now_ns
        self._addresses: dict[str, Address] = {}
        self._banned_until_ns = 0

    def charge(self, address: str, weight: int) -> Verdict:
        """Count a request, a refused one too, and judge it."""
        now_ns, used = self._now_ns(), self._of(address)
        until_ns = max(used.banned_until_ns, self._banned_until_ns)
        total = used.weight.add(weight, now_ns)
        raw = used.raw.add(1, now_ns)
        if now_ns < until_ns:
            return Verdict(BANNED, until_ns, total, _banned(until_ns))
        if raw > self.budget.raw:
            return self._refuse(used, used.raw.end_ns(), total, _too_many(self.budget.raw, "requests", "5 MINUTE"))
        if total > self.budget.weight:
            words = _too_many(self.budget.weight, "request weight", "1 MINUTE")
            return self._refuse(used, used.weight.end_ns(), total, words)
        return Verdict(OK, 0, total)

    def add(self, address: str, weight: int) -> Verdict:
        """Count more weight of a request that was counted already; whoever asks next meets the sum."""
        return Verdict(OK, 0, self._of(address).weight.add(weight, self._now_ns()))

    def refusal(self, status: int, retry_ns: int, used: int) -> Verdict:
        """What is said of a 429 or 418 that was asked for rather than earned."""
        words = _too_many(self.budget.weight, "request weight", "1 MINUTE") if status == TOO_MANY else _banned(retry_ns)
        return Verdict(status, retry_ns, used, words)

    def connect(self, address: str) -> Verdict:
        """Count an attempt to open a websocket, a refused one too, and judge it."""
        now_ns, used = self._now_ns(), self._of(address)
        until_ns = max(used.banned_until_ns, self._banned_until_ns)
        tried, weight = used.connections.add(1, now_ns), used.weight.add(0, now_ns)
        if now_ns < until_ns:
            return Verdict(BANNED, until_ns, weight, _banned(until_ns))
        if tried > self.budget.connections:
            words = f"Too many connection attempts; current limit is {self.budget.connections} per 5 MINUTE."
            return Verdict(TOO_MANY, used.connections.end_ns(), weight, words)
        return Verdict(OK, 0, weight)

    def ban(self, seconds: float) -> None:
        """Ban every address, as the fault ``ban`` asks; 0 takes all bans back."""
        now_ns = self._now_ns()
        self._banned_until_ns = now_ns + int(seconds * NS)
        if not seconds:
            for used in self._addresses.values():
                used.banned_until_ns = used.bans = 0

    def forget(self) -> None:
        """Begin anew: nothing is used, nobody banned."""
        self._addresses.clear()
        self._banned_until_ns = 0

    def used(self, address: str) -> int:
        """Weight in the current minute."""
        return self._of(address).weight.add(0, self._now_ns())

    def shown(self, address: str) -> list[dict[str, Any]]:
        """``rateLimits`` of a WebSocket API answer."""
        return [WEIGHT | {"limit": self.budget.weight, "count": self.used(address)}]

    def orders_listed(self) -> list[dict[str, Any]]:
        """What an account may place, as ``rateLimits`` list it."""
        return [ORDERS_10S | {"limit": self.budget.orders_10s}, ORDERS_DAY | {"limit": self.budget.orders_day}]

    def listed(self) -> list[dict[str, Any]]:
        """``rateLimits`` of exchangeInfo."""
        budget = self.budget
        return [WEIGHT | {"limit": budget.weight}, *self.orders_listed(), RAW | {"limit": budget.raw}]

    def state(self) -> dict[str, Any]:
        """By address, as the control endpoint shows it."""
        now_ns = self._now_ns()
        return {address: _shown(used, now_ns, self._banned_until_ns) for address, used in self._addresses.items()}

    def _of(self, address: str) -> Address:
        return self._addresses.setdefault(address, Address())

    def _refuse(self, used: Address, retry_ns: int, total: int, msg: str) -> Verdict:
        now_ns = self._now_ns()
        if used.refused.add(1, now_ns) <= self.budget.patience:
            return Verdict(TOO_MANY, retry_ns, total, msg)
        seconds = min(FIRST_BAN_S << min(used.bans, 30), LONGEST_BAN_S)
        used.bans += 1
        used.banned_until_ns = now_ns + seconds * NS
        return Verdict(BANNED, used.banned_until_ns, total, _banned(used.banned_until_ns))


def headers(verdict: Verdict, now_ns: int, orders: tuple[int, int] | None = None) -> Mapping[str, str]:
    """What stands on the answer to a REST request, whatever became of it; ``orders`` in ten seconds and a day, where
    they are counted."""
    found = {"X-MBX-USED-WEIGHT": str(verdict.used), "X-MBX-USED-WEIGHT-1M": str(verdict.used)}
    if orders is not None:
        found |= {"X-MBX-ORDER-COUNT-10S": str(orders[0]), "X-MBX-ORDER-COUNT-1D": str(orders[1])}
    return found if verdict.status == OK else found | {"Retry-After": str(verdict.retry_after_s(now_ns))}


def _shown(used: Address, now_ns: int, until_ns: int) -> dict[str, Any]:
    left_ns = max(used.banned_until_ns, until_ns) - now_ns
    return {
        "weight": used.weight.add(0, now_ns), "raw_requests": used.raw.add(0, now_ns),
        "connections": used.connections.add(0, now_ns), "bans": used.bans, "banned_s": max(0, left_ns) / NS,
    }


def _too_many(limit: int, what: str, window: str) -> str:
    return (f"Too much request weight used; current limit is {limit} {what} per {window}. "
            "Please use WebSocket Streams for live updates to avoid polling the API.")


def _banned(until_ns: int) -> str:
    return (f"Way too much request weight used; IP banned until {until_ns // 1_000_000}. "
            "Please use WebSocket Streams for live updates to avoid bans.")
