"""The way to the exchange for an account: requests over the WebSocket API or REST, and the account's own events.

A request gets one reply, and goes to the exchange once. Where the WebSocket API is down before any byte of it was
handed over, it goes over REST; once bytes may have left, it goes nowhere else, whatever happens: its outcome is
unknown, and asking about it is the caller's.
"""

from __future__ import annotations

import ssl
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Literal, NamedTuple

import trio

from ida_binance.api_connection import ApiConnection, Clocked
from ida_binance.api_frames import UserEvent
from ida_binance.budget import CONNECT_WEIGHT, NS_PER_S, Budget, Told
from ida_binance.calls import REST, Call, Outcome, Reply, warm_up
from ida_binance.connection import ConnectionEnded, State, Way
from ida_binance.credentials import Credentials
from ida_binance.environments import Addresses
from ida_binance.judging import CLOCK, TOO_MANY_ORDERS
from ida_binance.pacing import Backoff, Pace
from ida_binance.pending import Done, Pending, Waiter
from ida_binance.rest import BAN_S, PAUSE_S, Rest
from ida_binance.rest_calls import RestCalls
from ida_binance.turns import Turns, purpose_of
from ida_core.clock import steady_ns
from ida_core.errors import AuthError, IdaError, VenueUnavailable
from ida_core.tap import HandshakeRefused

WS_PATH = "/ws-api/v3"
ATTEMPTS_PERIOD_S = 300.0
FIRST_WAIT_S, MOST_WAIT_S = 0.1, 30.0
#: Requests over REST at a time, each on a connection of its own that is kept.
REST_LINES = 8
#: How often waiting calls are looked at, at least and at most, s.
PACE_S, LEAST_PACE_S = 0.1, 0.001
#: How far the exchange's counting of a request may be from our sending it.
GUARD_NS = 100_000_000
OnEvent = Callable[[dict[str, Any], int], None]
OnState = Callable[[bool, str], None]


class TradingConfig(NamedTuple):
    """How requests go. Times in seconds, ``recv_window_ms`` in ms.

    ``by``: where requests go by themselves; events of the account come over the WebSocket API whatever it is.
    ``timeout_s``: for an answer; ``wait_s``: for a turn, while a budget is used up or nothing is connected.
    ``sync_s``: between two looks at the exchange's clock.
    """

    by: Literal["ws-api", "rest"] = "ws-api"
    timeout_s: float = 10.0
    wait_s: float = 10.0
    recv_window_ms: int = 5000
    heartbeat_s: float = 1.0
    pong_s: float = 5.0
    lifetime_s: float = 82_800.0
    attempts: int = 250
    sync_s: float = 30.0


class Trading:
    """Requests and events of one account.

    Args:
        where: the environment's addresses.
        credentials: of the account.
        budget: of the address, and of the account's orders; the feed of the same run shares it.
        on_event: called with each event of the account, and the local time it came at.
        on_state: called with whether all events come, and why; each time that changes. After ``False`` events may be
            missing, whatever comes later.
        context: whom to trust where addresses are secure.
    """

    def __init__(
        self, where: Addresses, credentials: Credentials, budget: Budget, config: TradingConfig, *,
        on_event: OnEvent, on_state: OnState, context: ssl.SSLContext | None = None, random: Random | None = None,
    ) -> None:  # fmt: skip
        self.budget, self.config = budget, config
        self.is_up = False
        self.duplicates = self.connections = 0
        self._credentials, self._on_event, self._on_state = credentials, on_event, on_state
        self._way = Way(where.ws_api + WS_PATH, context, False, config.timeout_s, config.heartbeat_s, config.pong_s)
        self._rest = Rest(where.rest, budget, context, config.timeout_s)
        self._random = random or Random()
        budget.guard_ns = GUARD_NS
        budget.of_account(credentials.fingerprint(where.rest))
        self._attempts = Pace(config.attempts, ATTEMPTS_PERIOD_S)
        self._turns = Turns(budget)
        self._to_rest: trio.MemorySendChannel[Pending] | None = None
        self._rest_free = 0
        self._late_clock: list[Pending] = []
        self._live: ApiConnection | None = None
        self._fatal: IdaError | None = None
        self._started: Callable[[], None] = _nothing
        self._turn, self._clock_doubt = trio.Event(), trio.Event()
        self._seen: dict[bytes, Counter[ApiConnection]] = {}
        self._overlaps = False

    @property
    def is_at_work(self) -> bool:
        """``run`` goes on: what is sent is sent, or waits for its turn."""
        return self._to_rest is not None

    @property
    def offset_ns(self) -> int:
        """The exchange's clock less ours, as last measured."""
        return self.budget.offset_ns

    def now_ns(self) -> int:
        """The exchange's time, as far as it is known."""
        return steady_ns() + self.budget.offset_ns

    def send(self, call: Call, done: Done) -> None:
        """Send it as soon as may be: cancels before all else, queries last. Never waits.

        ``done`` is called once, with the reply; before this returns only where nothing is at work.
        """
        pending = Pending(call, done, trio.current_time() + self.config.wait_s)
        if self._to_rest is None:
            pending.lost("not connected: trading is not at work", "")
            return
        if not all(map(_is_text, call.params.values())):
            pending.lost(f"not sent: {call.name} has a parameter that UTF-8 cannot spell", "")
            return
        self._turns.add(pending)
        self._pump()

    async def ask(self, call: Call) -> Reply:
        """Send it, and wait for the reply. Canceled, the reply is nobody's."""
        waiter = Waiter()
        self.send(call, waiter.take)
        return await waiter.wait()

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep connected until canceled; started once all events of the account come for the first time.

        Raises:
            AuthError: the exchange refuses the key.
            VenueError: there is no WebSocket API at the address.
        """
        self._started = task_status.started
        into, out = trio.open_memory_channel[Pending](REST_LINES)
        try:
            async with self._rest.session() as session, trio.open_nursery() as nursery:
                carrier = RestCalls(self._rest, session, self._credentials)
                for _ in range(REST_LINES):
                    nursery.start_soon(self._carry, carrier, out.clone())
                self._rest_free, self._to_rest = REST_LINES, into
                nursery.start_soon(self._pace)
                nursery.start_soon(self._look_at_clock)
                await self._keep(nursery)
                nursery.cancel_scope.cancel()
        finally:
            self._to_rest = None
            self._drop_all("trading ended")
            self._tell(False, "trading ended")
        if self._fatal is not None:
            raise self._fatal

    # ------------------------------------------------------------- turns

    def _pump(self) -> None:
        """Send what the budget has room for, and as much as can go."""
        while (self._goes_by_ws() or self._rest_free > 0) and (pending := self._turns.next(steady_ns())):
            self._dispatch(pending)

    def _goes_by_ws(self) -> bool:
        return self._live is not None and self._live.state is State.LIVE and self.config.by == "ws-api"

    def _dispatch(self, pending: Pending) -> None:
        if pending.call.method and self._goes_by_ws() and self._live is not None:
            self._live.post(pending)
        elif self._to_rest is not None:
            self._rest_free -= 1
            self._to_rest.send_nowait(pending)

    async def _carry(self, carrier: RestCalls, calls: trio.MemoryReceiveChannel[Pending]) -> None:
        """One line of REST."""
        async for pending in calls:
            params = self.timed(pending.call) if pending.call.is_signed else dict(pending.call.params)
            try:
                reply = await carrier.carry(pending, params)
            except trio.Cancelled:
                pending.lost("trading ended before the answer came", REST)
                raise
            self._rest_free += 1
            self.answered(pending, *reply)
            self._turn.set()

    async def _pace(self) -> None:
        """Wake up what waits for its turn, and give up what has waited for too long."""
        while True:
            wait_s = self._turns.wait_s(steady_ns())
            with trio.move_on_after(PACE_S if wait_s is None else min(max(wait_s, LEAST_PACE_S), PACE_S)):
                await self._turn.wait()
            self._turn = trio.Event()
            self._pump()
            for pending in self._turns.expired(trio.current_time()):
                call = pending.call
                wait_s = self.budget.wait_s(call.weight, steady_ns(), purpose_of(call), call.orders)
                pending.lost(f"not sent: no turn came within {self.config.wait_s:g} s", "", wait_s)

    def _drop_all(self, why: str) -> None:
        for pending in [*self._turns.clear(), *self._late_clock]:
            pending.lost(why, "")
        self._late_clock = []

    # ------------------------------------------------------------- connections

    async def _keep(self, nursery: trio.Nursery) -> None:
        backoff = Backoff(FIRST_WAIT_S, MOST_WAIT_S, self._random)
        while self._fatal is None:
            successor = await self._connected(nursery, backoff)
            if successor is None:
                return
            former, self._live = self._live, successor
            backoff.reset()
            self._tell(True, "all events of the account come")
            self._started()
            self._started = _nothing
            if former is not None:
                nursery.start_soon(self._retire, former)
            self._turn.set()
            await successor.wanted.wait()

    async def _connected(self, nursery: trio.Nursery, backoff: Backoff) -> ApiConnection | None:
        """The next connection that comes about; None: none ever will."""
        while True:
            while wait_s := self._attempt_wait_s():
                await trio.sleep(wait_s)
            self._attempts.take(trio.current_time())
            self.budget.connect(steady_ns(), CONNECT_WEIGHT)
            self.connections += 1
            self._overlaps = self._live is not None
            connection = ApiConnection(
                f"ws-api.{self.connections}", self._way, self._credentials, self,
                lifetime_s=self.config.lifetime_s * (1 - self._random.random() / 20))
            nursery.start_soon(connection.run)
            await connection.settled.wait()
            if connection.state is State.LIVE:
                return connection
            if self._is_hopeless(connection):
                return None
            await trio.sleep(backoff.next_s())

    def _attempt_wait_s(self) -> float:
        return max(self.budget.connect_wait_s(steady_ns()), self._attempts.wait_s(trio.current_time()))

    def _is_hopeless(self, connection: ApiConnection) -> bool:
        """What waiting does not mend ends it, if it never went well."""
        error = connection.error or VenueUnavailable(connection.why_wanted)
        if isinstance(error, HandshakeRefused) and error.status in (418, 429):
            self._rest.limited(str(error), error.status, error.headers)
            return False
        refused = isinstance(error, HandshakeRefused) and error.status >= 500
        if isinstance(error, AuthError) or (self._started is not _nothing and not refused and error.code in HOPELESS):
            self._fatal = error
        return self._fatal is not None

    async def _retire(self, former: ApiConnection) -> None:
        """It has its successor; what it carries may still be answered."""
        with trio.move_on_after(self.config.timeout_s):
            while former.in_flight and not former.closed.is_set():
                await trio.sleep(0.05)
        former.end(f"replaced: {former.why_wanted}")
        await former.closed.wait()
        self._overlaps = False
        self._seen.clear()

    # ------------------------------------------------------------- what connections tell

    def charge(self, call: Call) -> None:
        """A connection asks something of its own."""
        self.budget.spend(call.weight, steady_ns())

    def timed(self, call: Call) -> dict[str, str]:
        """Its parameters with the exchange's time."""
        times = {"recvWindow": str(self.config.recv_window_ms), "timestamp": str(self.now_ns() // 1_000_000)}
        return {**call.params, **times}

    def clocked(self, looks: list[Clocked]) -> None:
        """The quickest answer tells most."""
        self.budget.offset_ns = min(looks, key=lambda look: look.round_trip_ns).offset_ns

    def changed(self, connection: ApiConnection, why: str) -> None:
        """A connection's state: the one at work may have ended."""
        if connection.state is State.CLOSED and connection is self._live:
            self._live = None
            self._tell(False, why)

    def returned(self, pending: Pending) -> None:
        """No byte of it left before its connection ended: it is next."""
        self.budget.answered(pending.ticket, (), 0, steady_ns(), pending.call.weight)
        self._turns.put_back(pending)
        self._turn.set()

    def happened(self, connection: ApiConnection, event: UserEvent) -> None:
        """An event of the account. While two connections bring them, each counts once."""
        if self._overlaps and self._is_second(connection, event.raw):
            self.duplicates += 1
            return
        if event.event["e"] == "eventStreamTerminated":
            self._tell(False, "the exchange ended the stream of the account's events")
            connection.want_successor("eventStreamTerminated")
        self._on_event(event.event, steady_ns())

    def answered(self, pending: Pending, reply: Reply, told: Sequence[Told]) -> None:
        """An answer came, or is given up; refused for its time, it goes once more."""
        call = pending.call
        if reply.status:
            refund = call.weight if reply.is_ok and call.is_free else 0
            self.budget.answered(pending.ticket, told, reply.sent_ns, reply.received_ns, refund)
        if reply.outcome is Outcome.REJECTED:
            if reply.code == CLOCK and not (pending.is_again or pending.is_own):
                pending.is_again = True
                pending.sent_ns = 0
                self._late_clock.append(pending)
                self._clock_doubt.set()
                return
            reply = self._slow_down(reply)
        pending.reply(reply)

    def _slow_down(self, reply: Reply) -> Reply:
        """The exchange has us wait: for as long, nothing goes out that it would count against us."""
        if reply.status not in (403, 418, 429):
            return reply
        wait_s, now_ns = reply.retry_after_s or (PAUSE_S if reply.status == 429 else BAN_S), steady_ns()
        until_ns = now_ns + int(wait_s * NS_PER_S)
        if reply.status == 418:
            self.budget.ban(until_ns)
        elif reply.code == TOO_MANY_ORDERS:
            self.budget.pause_orders(until_ns)
        else:
            self.budget.pause(until_ns)
        return reply._replace(retry_after_s=wait_s)

    def _is_second(self, connection: ApiConnection, raw: bytes) -> bool:
        counts = self._seen.setdefault(raw, Counter())
        most = max(counts.values(), default=0)
        counts[connection] += 1
        return counts[connection] <= most

    def _tell(self, up: bool, why: str) -> None:
        if up != self.is_up:
            self.is_up = up
            self._on_state(up, why)

    # ------------------------------------------------------------- the exchange's clock

    async def _look_at_clock(self) -> None:
        """Every now and then, and when it is in doubt. So often REST is kept warm, too, for when it is needed."""
        while True:
            self.send(warm_up(), _ignore)
            with trio.move_on_after(self.config.sync_s):
                await self._clock_doubt.wait()
            self._clock_doubt = trio.Event()
            connection, late = self._live, self._late_clock
            if connection is not None and self.budget.closed_until_ns < steady_ns():
                try:
                    self.clocked(await connection.look_at_clock())
                except ConnectionEnded as ended:
                    connection.end(str(ended))
                except AuthError as error:
                    self._fatal = error
                    connection.end(str(error))
            self._late_clock = []
            for pending in late:
                self.returned(pending)


#: What waiting does not mend: no WebSocket there, refused, not trusted.
HOPELESS = ("IDA-E4112", "IDA-E4120", "IDA-E4121")


def _is_text(value: str) -> bool:
    """Whether it can be sent; a lone surrogate cannot."""
    return value.isascii() or not any("\ud800" <= char <= "\udfff" for char in value)


def _ignore(reply: Reply) -> None:
    """Whether REST is there shows when it is needed."""


def _nothing() -> None:
    """Once is enough."""
