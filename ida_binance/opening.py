"""What is asked of the account before a run begins: balances, rates, trades and orders that are there already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import trio

from ida_binance.budget import Budget
from ida_binance.calls import Call, Reply, call
from ida_binance.credentials import Credentials
from ida_binance.judging import CLOCK, NOT_ALLOWED
from ida_binance.order_reports import Unreadable, account_balances
from ida_binance.pending import Pending
from ida_binance.reconcile import newest_trade
from ida_binance.rest import Rest
from ida_binance.rest_calls import RestCalls
from ida_core.clock import steady_ns
from ida_core.errors import AuthError, RateLimited, RequestRejected, VenueError, VenueUnavailable
from ida_core.model import Instrument

Balances = dict[str, tuple[Decimal, Decimal]]
TRIES = 5


class Account(NamedTuple):
    """An account as it stands. ``rates``: maker and taker as fractions, in words of the exchange; ``can_trade``: the
    exchange lets it; ``newest``: the greatest trade id of each instrument, -1 without any; ``own_filters``: by symbol,
    what holds for this account alone; ``body``: all that the exchange said of it."""

    balances: Balances
    rates: Mapping[str, str]
    can_trade: bool
    newest: tuple[int, ...]
    own_filters: Mapping[str, Any]
    body: Mapping[str, Any]


class Asker:
    """Signed questions over REST, one after the other, for the time before there is a connection."""

    def __init__(self, rest: Rest, credentials: Credentials, recv_window_ms: int) -> None:
        self._rest, self._credentials, self._recv_window_ms = rest, credentials, recv_window_ms

    def run(self, wanted: Sequence[Call]) -> list[Reply]:
        """Ask all of it; in a loop of its own."""
        return trio.run(self._all, wanted)

    async def _all(self, wanted: Sequence[Call]) -> list[Reply]:
        async with self._rest.session() as session:
            carrier = RestCalls(self._rest, session, self._credentials)
            return [await self._one(carrier, one) for one in wanted]

    async def _one(self, carrier: RestCalls, wanted: Call, again: bool = False) -> Reply:
        """Ask it; refused for the time that it took on its way, once more."""
        budget, now_ns = self._rest.budget, steady_ns()
        if wait_s := budget.wait_s(wanted.weight, now_ns):
            raise RateLimited(f"{wanted.name}: not sent, for the weight is used up (room in {wait_s:.1f} s)", wait_s)
        ticket = budget.spend(wanted.weight, now_ns)
        reply, told = await carrier.carry(Pending(wanted, _nobody, 0.0), self._timed(wanted, budget))
        budget.answered(ticket, told, now_ns, reply.received_ns)
        if reply.code == CLOCK and not again:
            return await self._one(carrier, wanted, again=True)
        return answered(wanted, reply)

    def _timed(self, wanted: Call, budget: Budget) -> dict[str, str]:
        if not wanted.is_signed:
            return dict(wanted.params)
        now_ms = (steady_ns() + budget.offset_ns) // 1_000_000
        return {**wanted.params, "recvWindow": str(self._recv_window_ms), "timestamp": str(now_ms)}


def answered(wanted: Call, reply: Reply) -> Reply:
    """The reply, if it is an answer.

    Raises:
        AuthError: the key is refused.
        RequestRejected: something else is.
        VenueUnavailable: nobody answered.
    """
    if reply.is_ok:
        return reply
    what = f"{wanted.name}: {reply.code} {reply.msg}" if reply.code else f"{wanted.name}: {reply.msg}"
    if reply.code in NOT_ALLOWED:
        raise AuthError(f"{what}: the exchange refuses this key")
    if reply.code:
        raise RequestRejected(what, reply.code, reply.msg)
    raise VenueUnavailable(what)


def read_account(asker: Asker, instruments: Sequence[Instrument]) -> Account:
    """Ask for all of it. Balances and trades are asked for until they belong together.

    Raises:
        AuthError: the exchange refuses the key.
        VenueError: it cannot be reached, refuses, or is none.
    """
    trades = [call("myTrades", {"symbol": i.symbol, "limit": "1"}) for i in instruments]
    filters = [call("myFilters", {"symbol": i.symbol}) for i in instruments]
    own = {i.symbol: reply.body for i, reply in zip(instruments, asker.run(filters), strict=True)}
    before = _newest(asker.run(trades))
    for _ in range(TRIES):
        status, *after = asker.run([call("account.status", {}), *trades])
        newest, before = before, _newest(after)
        if newest == before:
            break
    body = status.body if isinstance(status.body, dict) else {}
    try:
        balances = account_balances(body)
    except Unreadable as error:
        raise VenueError(f"account: {error}", code="IDA-E4120") from error
    rates = body.get("commissionRates")
    kept = {asset: both for asset, both in balances.items() if any(both)}
    return Account(kept, rates if isinstance(rates, dict) else {}, body.get("canTrade") is True, before, own, body)


def _newest(replies: Sequence[Reply]) -> tuple[int, ...]:
    return tuple(newest_trade(reply.body) for reply in replies)


def _nobody(_: Reply) -> None:
    """The reply is returned, not told."""


