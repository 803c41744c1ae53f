"""How many orders an account has that are not filled, in calendar windows: what it may place, and what fills give back.

Source: Binance Spot API docs, rest-api.md (unfilled order count) and faqs/order_count_decrement.md, read 2026-07.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ida_sim.server.limits import ORDERS_10S, ORDERS_DAY, Window
from ida_sim.server.parameters import Refusal

#: What a request counts, by its method.
COUNTED: Mapping[str, int] = {
    "order.place": 1, "order.cancelReplace": 1, "sor.order.place": 1, "orderList.place": 2, "orderList.place.oco": 2,
    "orderList.place.oto": 2, "orderList.place.opo": 2, "orderList.place.otoco": 3, "orderList.place.opoco": 3,
}
#: These weigh nothing where they succeed.
FREE = frozenset(COUNTED) | {"order.cancel", "openOrders.cancelAll", "orderList.cancel"}
#: This one counts whatever becomes of it, and may be asked to cancel even where nothing may be placed.
REPLACE = "order.cancelReplace"
#: What the first fill of an order gives back.
AS_TAKER, AS_MAKER = 1, 5
TEN_S, DAY_S = 10, 86_400


class OrderCounts:
    """Of one account, over all its keys, addresses and both APIs.

    Args:
        limits: orders in ten seconds, and in a day.
    """

    def __init__(self, limits: tuple[int, int]) -> None:
        self.limits = limits
        self._windows = Window(TEN_S), Window(DAY_S)

    def refusal(self, now_ns: int) -> Refusal | None:
        """What is answered where nothing may be placed any more."""
        for window, most, text in zip(self._windows, self.limits, ("10 SECOND", "1 DAY"), strict=True):
            if window.add(0, now_ns) >= most:
                return Refusal(-1015, f"Too many new orders; current limit is {most} orders per {text}.", 429)
        return None

    def until_ns(self, now_ns: int) -> int:
        """When something may be placed again, ns since 1970; now, where nothing hinders."""
        ends = [window.end_ns() for window, most in zip(self._windows, self.limits, strict=True)
                if window.add(0, now_ns) >= most]
        return max(ends, default=now_ns)

    def add(self, count: int, now_ns: int) -> None:
        """Orders are placed; with a day's all used up, the ten seconds are not counted any more."""
        short, day = self._windows
        if day.add(count, now_ns) <= self.limits[1]:
            short.add(count, now_ns)

    def give_back(self, count: int, now_ns: int) -> None:
        """They are not unfilled, or were not placed after all; there are never fewer than none."""
        for window in self._windows:
            window.add(-min(count, window.add(0, now_ns)), now_ns)

    def hear(self, event: Mapping[str, Any], now_ns: int) -> None:
        """An event of the account: an order's first fill gives back, more of it where it was the maker's."""
        if event.get("e") == "executionReport" and event["x"] == "TRADE" and event["z"] == event["l"]:
            self.give_back(AS_MAKER if event["m"] else AS_TAKER, now_ns)

    def forget(self) -> None:
        """Begin anew."""
        self._windows = Window(TEN_S), Window(DAY_S)

    def used(self, now_ns: int) -> tuple[int, int]:
        """In these ten seconds, and today."""
        return self._windows[0].add(0, now_ns), self._windows[1].add(0, now_ns)

    def shown(self, now_ns: int) -> list[dict[str, Any]]:
        """As ``rateLimits`` of answers and ``rateLimit/order`` list them."""
        return [kind | {"limit": most, "count": count} for kind, most, count in
                zip((ORDERS_10S, ORDERS_DAY), self.limits, self.used(now_ns), strict=True)]
