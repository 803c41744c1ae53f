"""What became of a request that nobody answered: the exchange is asked until it is known.

The account's own events are waited for first. Then the exchange is asked by our id; that it does not know the order is
no answer as long as the request may still be on its way: it takes no request that is older than its ``recvWindow``, so
some time after that, and not before, it can be said that it never arrived.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import trio

from ida_binance import order_wire
from ida_binance.budget import NS_PER_S
from ida_binance.calls import Call, Outcome, Reply, call
from ida_binance.known_orders import Known
from ida_binance.order_manager import OrderManager
from ida_binance.order_reports import OrderReports, Strange, Unreadable
from ida_core.clock import steady_ns
from ida_core.events import Execution, OrderStatus, OrderUpdate
from ida_core.order import CLOSED

NO_SUCH_ORDER = -2013
ARCHIVED = -2026
#: How long events are waited for before the exchange is asked, and between two questions.
EVENTS_FIRST_S, AGAIN_S = 1.0, 0.5
#: After a question that got no answer.
LATER_S = 2.0
#: How much older than its ``recvWindow`` a request may be carried out: clocks differ, and copies of data lag.
MARGIN_S = 2.0
#: Questions at a time.
MOST_AT_ONCE = 16
_DUE_S = 0.05

Ask = Callable[[Call], Awaitable[Reply]]


class Case(NamedTuple):
    """``lost_ns``: from when on it can be said that the request never arrived."""

    known: Known
    kind: str
    lost_ns: int
    due_ns: int


class Settling:
    """Asks about orders of which too little is known.

    Args:
        manager: whose orders they are.
        reports: reads the answers.
        ask: sends a call and waits for its reply; see ``Trading.ask``.
        recv_window_ms: how old a request may be when it is carried out.
        is_up: whether asking makes sense now.
    """

    def __init__(
        self, manager: OrderManager, reports: OrderReports, ask: Ask, recv_window_ms: int, is_up: Callable[[], bool],
        events_first_s: float = EVENTS_FIRST_S,
    ) -> None:  # fmt: skip
        self._manager, self._reports, self._ask, self._is_up = manager, reports, ask, is_up
        self._arrival_ns = recv_window_ms * 1_000_000 + int(MARGIN_S * NS_PER_S)
        self._first_ns = int(events_first_s * NS_PER_S)
        self._cases: dict[str, Case] = {}
        self._more = trio.Event()

    def doubt(self, known: Known, kind: str, sent_ns: int) -> None:
        """Ask about it when its events have had their time. ``sent_ns`` 0: nothing new was sent. What is asked about
        already goes on as it is then, or it would never be given up."""
        if not sent_ns and known.order_id in self._cases:
            return
        now_ns = steady_ns()
        self._add(Case(known, kind, (sent_ns or now_ns) + self._arrival_ns, now_ns + self._first_ns))

    def look(self, known: Known) -> None:
        """Ask how it stands, for it may have ended."""
        if known.order_id not in self._cases:
            now_ns = steady_ns()
            self._add(Case(known, "look", now_ns + self._arrival_ns, now_ns + int(AGAIN_S * NS_PER_S)))

    def _add(self, case: Case) -> None:
        self._cases[case.known.order_id] = case
        self._more.set()

    @property
    def is_idle(self) -> bool:
        """Nothing is in doubt."""
        return not self._cases

    async def run(self) -> None:
        """Until canceled."""
        while True:
            if not self._cases:
                self._more = trio.Event()
                await self._more.wait()
            self._drop_settled()
            due = [case for case in self._cases.values() if case.due_ns <= steady_ns()][:MOST_AT_ONCE]
            if not due or not self._is_up():
                await trio.sleep(_DUE_S)
                continue
            async with trio.open_nursery() as nursery:
                for case in due:
                    nursery.start_soon(self._settle, case)

    def _drop_settled(self) -> None:
        for order_id, case in [*self._cases.items()]:
            if _is_settled(case):
                del self._cases[order_id]

    async def _settle(self, case: Case) -> None:
        known = case.known
        asked_ns = steady_ns()
        reply = await self._ask(order_wire.status(known.order_id, self._reports.instruments[known.instrument]))
        if self._cases.get(known.order_id) is not case or _is_settled(case):
            return
        if reply.is_ok:
            await self._stands(case, reply, asked_ns)
        elif reply.outcome is Outcome.REJECTED and reply.code in (NO_SUCH_ORDER, ARCHIVED):
            self._is_not_there(case, reply, asked_ns)
        else:
            self._again(case, max(LATER_S, reply.retry_after_s))

    async def _stands(self, case: Case, reply: Reply, asked_ns: int) -> None:
        """It is there: that answers a placement. What was to end or to change it may still be on its way."""
        known = case.known
        try:
            row = self._reports.row(reply.body, reply.received_ns)
        except (Unreadable, Strange, AttributeError) as error:
            self._manager.on_unreadable(f"order.status: {error}")
            self._again(case, LATER_S)
            return
        if row.status not in CLOSED and case.kind in ("cancel", "replace", "amend") and asked_ns < case.lost_ns:
            self._again(case, AGAIN_S)
            return
        self._manager.tell_news(row)
        if known.missing > 0:
            await self.fetch_trades(known)
        self._done(case)

    def _is_not_there(self, case: Case, reply: Reply, asked_ns: int) -> None:
        known = case.known
        if case.kind in ("place", "look") and known.is_accepted:
            self._again(case, LATER_S)  # it is, for we were told of it: its copies lag
        elif case.kind == "look" and not known.doubt:
            self._done(case)  # its placement is on its way, or has yet to leave: that has an answer to come
        elif asked_ns < case.lost_ns:
            self._again(case, AGAIN_S)
        else:
            self._never(case, reply)

    def _never(self, case: Case, reply: Reply) -> None:
        known = case.known
        reason = f"the request never arrived: the exchange knows no such order ({reply.msg})"
        if not known.is_accepted:
            self._manager.tell_news(OrderUpdate(
                ts_local_ns=reply.received_ns, instrument=known.instrument, order_id=known.order_id, side=known.side,
                execution=Execution.REJECTED, status=OrderStatus.REJECTED, reason=reason, code=reply.code))  # fmt: skip
            self._manager.known.never(known)
        self._done(case)

    def _again(self, case: Case, after_s: float) -> None:
        self._cases[case.known.order_id] = case._replace(due_ns=steady_ns() + int(after_s * NS_PER_S))

    def _done(self, case: Case) -> None:
        self._cases.pop(case.known.order_id, None)

    async def fetch_trades(self, known: Known) -> bool:
        """Ask for the trades of one order, and tell those that are new. False: there was no answer."""
        symbol = self._reports.instruments[known.instrument].symbol
        number = str(known.venue_order_id)
        reply = await self._ask(call("myTrades", {"symbol": symbol, "orderId": number}))
        if not reply.is_ok or not isinstance(reply.body, list):
            return False
        for row in reply.body:
            self.tell_trade(row, known.order_id, reply.received_ns)
        return True

    def tell_trade(self, row: Any, order_id: str, now_ns: int) -> None:
        """Tell a row of ``myTrades`` of this order, if it is new."""
        try:
            self._manager.tell_news(self._reports.trade(row, order_id, now_ns))
        except (Unreadable, Strange, AttributeError) as error:
            self._manager.on_unreadable(f"myTrades: {error}")


def _is_settled(case: Case) -> bool:
    """An event has told it meanwhile."""
    known = case.known
    if known.is_closed:
        return known.missing <= 0 or case.kind == "look"
    return case.kind == "place" and known.is_accepted and not known.doubt
