"""Whose turn it is: cancels first, then what places or changes orders, queries last, each as the budget has room. Pure.

A lane that the budget holds up holds up no other: while new orders wait for their window, cancels and queries go on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from ida_binance.budget import Budget, Purpose
from ida_binance.calls import Call
from ida_binance.pending import Pending


def purpose_of(call: Call) -> Purpose:
    """What a call is for.

    >>> from ida_binance.calls import call
    >>> purpose_of(call("openOrders.cancelAll", {"symbol": "BTCUSDT"})), purpose_of(call("myTrades", {}))
    (<Purpose.CANCEL: 0.98>, <Purpose.QUERY: 0.9>)
    """
    return Purpose.CANCEL if call.is_cancel else Purpose.ORDER if call.is_order else Purpose.QUERY


class Turns:
    """Calls that wait, in their lanes."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self._lanes: dict[Purpose, deque[Pending]] = {
            purpose: deque() for purpose in (Purpose.CANCEL, Purpose.ORDER, Purpose.QUERY)}  # fmt: skip

    def __len__(self) -> int:
        return sum(map(len, self._lanes.values()))

    def add(self, pending: Pending) -> None:
        """Behind all of its lane."""
        self._lanes[purpose_of(pending.call)].append(pending)

    def put_back(self, pending: Pending) -> None:
        """It did not go, or is to go once more: before all of its lane."""
        self._lanes[purpose_of(pending.call)].appendleft(pending)

    def next(self, now_ns: int) -> Pending | None:
        """Who goes now; what it costs is spent. None: nobody, as yet."""
        for purpose, lane in self._lanes.items():
            if lane:
                call = lane[0].call
                wait_s, ticket = self.budget.take(call.weight, now_ns, purpose, call.orders)
                if not wait_s:
                    pending = lane.popleft()
                    pending.ticket = ticket
                    return pending
        return None

    def wait_s(self, now_ns: int) -> float | None:
        """How long until somebody's turn may come; None where nobody waits."""
        waits = [self.budget.wait_s(lane[0].call.weight, now_ns, purpose, lane[0].call.orders)
                 for purpose, lane in self._lanes.items() if lane]  # fmt: skip
        return min(waits, default=None)

    def expired(self, now_s: float) -> Iterator[Pending]:
        """Those whose turn did not come in time; they are taken out."""
        for lane in self._lanes.values():
            while lane and lane[0].deadline_s <= now_s:
                yield lane.popleft()

    def clear(self) -> Iterator[Pending]:
        """All, taken out."""
        for lane in self._lanes.values():
            while lane:
                yield lane.popleft()
