"""What the account holds, asked of the exchange: at the start, after every gap, and every now and then.

The events of an account that come while nobody listens are lost: nothing is sent again. So after each gap the exchange
is asked for the trades since the last that is known, for what is open, and for the balances. What is new is told; what
is open and not ours is told, and left alone. Only then the account is known again.

Source: Binance Spot API docs, rest-api.md (openOrders, myTrades, account), user-data-stream.md.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any

import trio

from ida_binance import order_wire
from ida_binance.calls import Call, Outcome, Reply, call
from ida_binance.known_orders import Known
from ida_binance.order_manager import OrderManager
from ida_binance.order_reports import OrderReports, Strange, Unreadable, account_balances, assets_of, moves
from ida_binance.settling import NO_SUCH_ORDER, Settling
from ida_core.clock import steady_ns
from ida_core.errors import VenueError, VenueUnavailable
from ida_core.events import BalanceUpdate, Note, OrderUpdate, VenueStatus
from ida_core.model import Side

#: Rows of myTrades in one answer, at most.
PAGE = 1000
#: How often balances are asked for at once, until no event of the account falls between.
SNAPSHOT_TRIES = 5
AGAIN_S = 1.0
#: So many symbols are asked for by name; beyond it, to ask for all of the account's orders costs less.
MOST_BY_NAME = 13
ASKED = "orders, trades and balances are asked for"
NOTHING = (Decimal(0), Decimal(0))


class Unanswered(Exception):
    """A question got no answer: begin again, later."""


class Reconciler:
    """Makes the account known, and keeps it so.

    Args:
        manager: takes what is found.
        settling: asks about single orders.
        ask: sends a call and waits for its reply.
        tell: takes what is to be delivered, in its order.
        is_up: whether all events of the account come.
        every_s: between two looks, where nothing happens that asks for one.
        patience_s: how long the account may remain unknown.
    """

    def __init__(
        self, manager: OrderManager, settling: Settling, reports: OrderReports, ask: Callable[[Call], Awaitable[Reply]],
        tell: Callable[[Any], None], is_up: Callable[[], bool], *, every_s: float, patience_s: float,
    ) -> None:  # fmt: skip
        self._manager, self._settling, self._reports = manager, settling, reports
        self._ask, self._tell, self._is_up = ask, tell, is_up
        self._every_s, self._patience_s = every_s, patience_s
        self._gaps = 0
        self._state = ""
        self._wanted, self._one_at_a_time = trio.Event(), trio.Lock()
        self._names: dict[tuple[int, int], str] = {}
        self._strange: deque[Mapping[str, Any]] = deque()
        self._assets: dict[str, tuple[str, str]] = {}
        self._lacking: dict[str, Known] = {}
        self.snapshots = 0
        #: By instrument, the trade id up to which there is nothing left to ask for: at first what was before the run.
        self.baseline: dict[int, int] = {}

    @property
    def is_healthy(self) -> bool:
        return self._state == "HEALTHY"

    def gap(self, why: str) -> None:
        """From here on events may be missing."""
        self._gaps += 1
        self._say("DOWN", why)

    def strange(self, event: Mapping[str, Any]) -> None:
        """An event of a symbol that the run does not have: fills of others move balances, too."""
        if event.get("x") == "TRADE":
            self._strange.append(event)
            self.want()

    def want(self) -> None:
        """Look as soon as may be."""
        self._wanted.set()

    async def run(self) -> None:
        """Until canceled.

        Raises:
            VenueUnavailable: the account has not been known for ``patience_s``.
        """
        unknown_s = trio.current_time()
        self._say("RECONCILING", ASKED)
        while True:
            if not self.is_healthy and trio.current_time() - unknown_s > self._patience_s:
                raise VenueUnavailable(
                    f"the account's state could not be learnt for {self._patience_s:g} s: the exchange gave no answer")
            if not self._is_up():
                with trio.move_on_after(AGAIN_S):
                    await self._wanted.wait()
            elif await self._look():
                await self._rest()
                unknown_s = trio.current_time()
            else:
                await trio.sleep(AGAIN_S)
            self._wanted = trio.Event()

    async def _rest(self) -> None:
        with trio.move_on_after(self._every_s):
            await self._wanted.wait()

    async def _look(self) -> bool:
        """One reconciliation; True: the account is known."""
        gaps = self._gaps
        if not self.is_healthy:
            self._say("RECONCILING", ASKED)
        try:
            await self.look()
        except Unanswered as why:
            self._tell(Note(ts_local_ns=steady_ns(), what="reconciliation_unanswered", detail=str(why)))
            return False
        if gaps != self._gaps or not self._is_up():
            return False
        self._say("HEALTHY", "the account is known")
        return True

    def _say(self, state: str, why: str) -> None:
        if state != self._state:
            self._state = state
            self._tell(VenueStatus(ts_local_ns=steady_ns(), state=state, reason=why))

    # ------------------------------------------------------------- one look

    async def look(self) -> None:
        """Ask for what is open, for trades, for balances; tell what is new, then the balances if nothing came between.

        Raises:
            Unanswered: not all of it was answered.
        """
        async with self._one_at_a_time:
            await self._look_at_all()

    async def _look_at_all(self) -> None:
        rows = await self._open_rows()
        for row in rows:
            self._manager.tell_news(row)
        for i in range(len(self._reports.instruments)):
            await self._trades_since(i)
        await self._ask_about_others({(row.instrument, row.order_id) for row in rows})
        await self._complete([known for row in rows if (known := self._manager.known.get(row.order_id)) is not None])
        while self._strange:
            await self._tell_strange(self._strange[0])
            self._strange.popleft()
        await self._snapshot()

    async def _open_rows(self) -> list[OrderUpdate]:
        instruments = self._reports.instruments
        by_name = len(instruments) <= MOST_BY_NAME
        calls = [call("openOrders.status", {"symbol": i.symbol}) for i in instruments] if by_name else [
            call("openOrders.status", {})]  # fmt: skip
        found = []
        for one in calls:
            reply = await self._answer(one)
            for row in reply.body if isinstance(reply.body, list) else ():
                update = self._read(row, reply.received_ns)
                if update is not None:
                    found.append(update)
                    self._names[update.instrument, update.venue_order_id] = update.order_id
        return found

    def _read(self, row: Any, now_ns: int) -> OrderUpdate | None:
        try:
            return self._reports.row(row, now_ns)
        except Strange:
            return None
        except (Unreadable, AttributeError) as error:
            self._manager.on_unreadable(f"openOrders: {error}")
            return None

    async def _ask_about_others(self, there: set[tuple[int, str]]) -> None:
        """What we take for open, and is not ``there``."""
        for known in [*self._manager.known.open(), *self._manager.known.open(ours=False)]:
            if (known.instrument, known.order_id) not in there and _is_from_before(known):
                await self._ask_about(known)

    async def _ask_about(self, known: Known) -> None:
        """An order that was accepted, or that is of a former run, and is not open: how did it end?"""
        instrument = self._reports.instruments[known.instrument]
        reply = await self._ask(order_wire.status(known.order_id, instrument))
        if reply.outcome is Outcome.REJECTED and reply.code == NO_SUCH_ORDER:
            if not known.is_accepted:
                self._settling.doubt(known, "place", 0)
            return
        if not reply.is_ok:
            raise Unanswered(f"order.status of {known.order_id}: {reply.msg}")
        update = self._read(reply.body, reply.received_ns)
        if update is not None:
            self._lacking[known.order_id] = known  # once closed it is asked about no more
            self._manager.tell_news(update)

    # ------------------------------------------------------------- trades

    async def _complete(self, there: list[Known]) -> None:
        """Ask for the trades of orders of ours that are filled further than their trades tell: what a former run's
        orders did while nobody listened may be older than what is asked for by id."""
        self._lacking |= {known.order_id: known for known in there}
        for known in [*self._lacking.values()]:
            if known.is_ours and known.missing > 0 and not await self._settling.fetch_trades(known):
                raise Unanswered(f"myTrades of {known.order_id}")
            del self._lacking[known.order_id]

    async def _trades_since(self, i: int) -> None:
        """All trades after the last that was asked for, a page at a time. An event may have told of later ones, and one
        before it may be missing: so it is the exchange's answers that count, not the greatest id that is known."""
        symbol = self._reports.instruments[i].symbol
        while True:
            last = self.baseline.get(i, -1)
            reply = await self._answer(call(
                "myTrades", {"symbol": symbol, "fromId": str(last + 1), "limit": str(PAGE)}))  # fmt: skip
            rows = reply.body if isinstance(reply.body, list) else []
            for row in rows:
                await self._tell_trade(i, row, reply.received_ns)
            self.baseline[i] = max(last, newest_trade(rows))
            if len(rows) < PAGE or self.baseline[i] <= last:
                return

    async def _tell_trade(self, i: int, row: Any, now_ns: int) -> None:
        number = row.get("orderId") if isinstance(row, dict) else None
        if isinstance(number, int) and not self._is_told(i, row):
            self._settling.tell_trade(row, await self._name_of(i, number), now_ns)

    def _is_told(self, i: int, row: Mapping[str, Any]) -> bool:
        side, number = Side.BUY if row.get("isBuyer") is True else Side.SELL, row.get("id")
        return isinstance(number, int) and self._manager.known.has_trade(i, number, side)

    async def _name_of(self, i: int, number: int) -> str:
        """Our id, or another's, of an order that only its number is known of."""
        known = self._manager.known.of_number(i, number)
        name = known.order_id if known else self._names.get((i, number), "")
        if name:
            return name
        symbol = self._reports.instruments[i].symbol
        reply = await self._ask(call("order.status", {"symbol": symbol, "orderId": str(number)}))
        update = self._read(reply.body, reply.received_ns) if reply.is_ok else None
        if update is None and reply.outcome is not Outcome.REJECTED:
            raise Unanswered(f"order.status of number {number}: {reply.msg}")
        name = update.order_id if update is not None else f"{symbol}-{number}"
        self._names[i, number] = name
        return name

    # ------------------------------------------------------------- balances

    async def _tell_strange(self, event: Mapping[str, Any]) -> None:
        """What a fill of another symbol moved."""
        symbol = str(event.get("s"))
        try:
            if symbol not in self._assets:
                reply = await self._answer(call("exchangeInfo", {"symbol": symbol}))
                self._assets[symbol] = assets_of(reply.body)
            moved = moves(event, *self._assets[symbol], steady_ns())
        except Unreadable as error:
            self._manager.on_unreadable(f"executionReport of {symbol}: {error}")
            return
        for one in moved:
            self._tell(one)

    async def _snapshot(self) -> None:
        """The balances, as they are when everything told before has happened, and nothing else: an event of the account
        between question and answer may be in them, or not."""
        for _ in range(SNAPSHOT_TRIES):
            events = self._manager.events
            reply = await self._answer(call("account.status", {"omitZeroBalances": "true"}))
            try:
                balances = dict.fromkeys(self._manager.balances, NOTHING) | account_balances(reply.body)
            except Unreadable as error:
                raise VenueError(f"account.status: {error}", code="IDA-E4120") from error
            if events == self._manager.events:
                self._manager.balances = balances
                self.snapshots += 1
                self._tell(BalanceUpdate(ts_local_ns=reply.received_ns, balances=balances, reason="SNAPSHOT"))
                return

    async def _answer(self, wanted: Call) -> Reply:
        reply = await self._ask(wanted)
        if not reply.is_ok:
            raise Unanswered(f"{wanted.name}: {reply.msg or reply.outcome.value}")
        return reply


def _is_from_before(known: Known) -> bool:
    """What is on its way has its reply to come."""
    return known.is_accepted or bool(known.doubt)


def newest_trade(body: Any) -> int:
    """The greatest id of rows of ``myTrades``; -1 without any."""
    rows = body if isinstance(body, list) else []
    ids: list[int] = [row["id"] for row in rows if isinstance(row, Mapping) and isinstance(row.get("id"), int)]
    return max(ids, default=-1)
