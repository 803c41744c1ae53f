"""One connection to the WebSocket API: it logs on, subscribes to the account's events, carries requests and answers.

It ends by itself when the other side hangs up, answers no ping in time, or is told to; it never comes back. Whatever
was handed to its socket by then is not known to have arrived, or not to have; the rest was not sent, and is given back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import trio

from ida_binance.api_frames import Answer, UserEvent, read, request, wait_of
from ida_binance.budget import Told, told_by_limits
from ida_binance.calls import WS_API, Call, Outcome, Reply, call
from ida_binance.connection import CLOSE_S, ConnectionEnded, State, Way
from ida_binance.control import Shutdown
from ida_binance.credentials import Credentials
from ida_binance.judging import CLOCK, NOT_ALLOWED, outcome_of, words_of
from ida_binance.pending import Pending, Waiter
from ida_binance.signing import signed_params
from ida_core.clock import steady_ns
from ida_core.errors import AuthError, IdaError, VenueError
from ida_core.tap import SHOW_ALL, Tap, TapClosed, open_tap

CLOCK_SAMPLES = 3
_TICK_S = 0.1
_LOGON = Call("session.logon", "", "", {}, 2)
_SUBSCRIBE = Call("userDataStream.subscribe", "", "", {}, 2, is_signed=False)
_SUBSCRIBE_SIGNED = Call("userDataStream.subscribe.signature", "", "", {}, 2)


class Clocked(NamedTuple):
    """A look at the exchange's clock: what it is ahead of ours, and how long the answer took, ns."""

    offset_ns: int
    round_trip_ns: int


class Owner(Protocol):
    """Who holds connections. All is called from the connection's tasks, and must not wait."""

    def charge(self, call: Call) -> None: ...
    def timed(self, call: Call) -> dict[str, str]: ...
    def clocked(self, looks: list[Clocked]) -> None: ...
    def changed(self, connection: ApiConnection, why: str) -> None: ...
    def answered(self, pending: Pending, reply: Reply, told: Sequence[Told]) -> None: ...
    def returned(self, pending: Pending) -> None: ...
    def happened(self, connection: ApiConnection, event: UserEvent) -> None: ...


class ApiConnection:
    """One connection, from its opening to its end.

    ``settled``, ``wanted`` and ``closed`` are set when it is LIVE or has ended, when a successor is wanted, and when
    its socket is closed.

    Args:
        name: for people.
        way: how to connect; its ``timeout_s`` is for an answer too.
        lifetime_s: after that a successor is asked for.
    """

    def __init__(self, name: str, way: Way, credentials: Credentials, owner: Owner, *, lifetime_s: float) -> None:
        self.name, self.way = name, way
        self.state = State.CONNECTING
        self.settled, self.wanted, self.closed = trio.Event(), trio.Event(), trio.Event()
        self.why_wanted = ""
        self.error: IdaError | None = None
        self.began_s = trio.current_time()
        self.live_s: float | None = None
        self.round_trip_s: float | None = None
        self.unknown, self.last_unknown = 0, ""
        self._credentials, self._owner, self._lifetime_s = credentials, owner, lifetime_s
        self._is_logged_on = False
        self._waiting: dict[int, Pending] = {}
        self._outbox: deque[tuple[Pending, str]] = deque()
        self._more = trio.Event()
        self._number = 0
        self._tap: Tap | None = None
        self._scope = trio.CancelScope()
        self._why_ended: str | None = None

    @property
    def in_flight(self) -> int:
        """Requests that wait for their answer."""
        return len(self._waiting)

    async def run(self) -> None:
        """Until it ends; raises nothing but what is a bug."""
        self._owner.changed(self, "")
        try:
            async with open_tap(
                self.way.url, SHOW_ALL, on_shown=self._shown, on_batch=_nothing, ssl_context=self.way.context,
                deflate=False, connect_timeout_s=self.way.timeout_s,
            ) as tap:  # fmt: skip
                self._tap = tap
                await self._serve(tap)
        except (VenueError, AuthError) as error:
            self.error = error
            self.end(str(error))
        finally:
            self.end("canceled")
            self.state = State.CLOSED
            self._give_back()
            self.closed.set()
            self.settled.set()
            self._owner.changed(self, self._why_ended or "")

    def end(self, why: str) -> None:
        """Close in order; the first reason counts."""
        if self._why_ended is None:
            self._why_ended = why
        self._scope.cancel()
        self.want_successor(why)

    def want_successor(self, why: str) -> None:
        """Another one is to take its place; it works on until then, if it can."""
        if not self.wanted.is_set():
            self.why_wanted = why
            self.wanted.set()

    def post(self, pending: Pending) -> None:
        """Hand a call to the socket, now or as soon as what was posted before has gone; does not wait."""
        self._number += 1
        text = request(self._number, pending.call.method, self._params(pending.call))
        pending.deadline_s = trio.current_time() + self.way.timeout_s
        self._waiting[self._number] = pending
        if self._outbox or self._tap is None or not self._went(self._tap, pending, text):
            self._outbox.append((pending, text))
            self._more.set()

    def _went(self, tap: Tap, pending: Pending, text: str) -> bool:
        """Whether it could be handed over at once; from then on it may have arrived."""
        sent_ns = steady_ns()
        try:
            went = tap.send_now(text)
        except TapClosed:
            return False  # who writes finds out as well
        if went:
            pending.sent_ns = sent_ns
            if tap.has_rest:
                self._more.set()
        return went

    async def look_at_clock(self, times: int = CLOCK_SAMPLES) -> list[Clocked]:
        """Ask for the exchange's time.

        Raises:
            ConnectionEnded: it was not told.
        """
        looks = []
        for _ in range(times):
            reply = await self._ask(call("time", {}))
            told = reply.body.get("serverTime") if isinstance(reply.body, dict) else None
            if not isinstance(told, int):
                raise ConnectionEnded(f"time was answered by {str(reply.body)[:80]}")
            middle_ns = (reply.sent_ns + reply.received_ns) // 2
            looks.append(Clocked(told * 1_000_000 - middle_ns, reply.received_ns - reply.sent_ns))
        return looks

    def _params(self, wanted: Call) -> Mapping[str, str]:
        if not wanted.is_signed:
            return wanted.params
        timed = self._owner.timed(wanted)
        return timed if self._is_logged_on else signed_params(timed, self._credentials)

    # ------------------------------------------------------------- its tasks

    async def _serve(self, tap: Tap) -> None:
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._receive, tap)
                    nursery.start_soon(self._write, tap)
                    nursery.start_soon(self._expire)
                    nursery.start_soon(self._work, tap)
        finally:
            if self._why_ended is not None:  # canceled from outside, nobody is left to hear the other side's goodbye
                with trio.move_on_after(CLOSE_S, shield=True):
                    await tap.aclose()

    async def _receive(self, tap: Tap) -> None:
        try:
            await tap.run()
        except TapClosed as closed:
            self.end(str(closed))

    async def _write(self, tap: Tap) -> None:
        """What could not be sent at once."""
        try:
            while True:
                await tap.flush()
                while self._outbox:
                    pending, text = self._outbox.popleft()
                    pending.sent_ns = steady_ns()
                    await tap.send(text)
                self._more = trio.Event()
                await self._more.wait()
        except TapClosed as closed:
            self.end(str(closed))

    async def _expire(self) -> None:
        """Give up what is not answered in time: all wait for as long, so the oldest are first."""
        while True:
            await trio.sleep(_TICK_S)
            now_s = trio.current_time()
            while self._waiting:
                number, pending = next(iter(self._waiting.items()))
                if pending.deadline_s > now_s:
                    break
                del self._waiting[number]
                pending.lost(f"no answer within {self.way.timeout_s:g} s", WS_API)

    async def _work(self, tap: Tap) -> None:
        """Log on, subscribe, then ping until the end."""
        try:
            self._became(State.SUBSCRIBING, "")
            self._owner.clocked(await self.look_at_clock())
            await self._introduce()
            self.live_s = trio.current_time()
            self._became(State.LIVE, "")
            self.settled.set()
            while True:
                await trio.sleep(self.way.heartbeat_s)
                await self._beat(tap)
        except ConnectionEnded as ended:
            self.end(str(ended))
        except AuthError as error:
            self.error = error
            self.end(str(error))

    async def _introduce(self) -> None:
        """Say whose connection this is, and have the account's events sent."""
        if self._credentials.kind == "ED25519":
            await self._ask(_LOGON)
            self._is_logged_on = True
            await self._ask(_SUBSCRIBE)
        else:
            await self._ask(_SUBSCRIBE_SIGNED)

    async def _beat(self, tap: Tap) -> None:
        with trio.move_on_after(self.way.pong_s) as scope:
            try:
                self.round_trip_s = await tap.ping()
            except TapClosed as closed:
                raise ConnectionEnded(str(closed)) from None
        if scope.cancelled_caught:
            raise ConnectionEnded(f"half-open: no pong within {self.way.pong_s:g} s")
        if trio.current_time() - self.began_s > self._lifetime_s:
            self.want_successor(f"{self._lifetime_s / 3600:.3g} h old, and the exchange closes at 24 h")

    async def _ask(self, wanted: Call, *, again: bool = False) -> Reply:
        """Ask something of our own.

        Raises:
            ConnectionEnded: it was refused, or not answered.
            AuthError: the key was refused.
        """
        waiter = Waiter()
        self._owner.charge(wanted)
        self.post(Pending(wanted, waiter.take, 0.0, is_own=True))
        reply = await waiter.wait()
        if reply.is_ok:
            return reply
        if reply.code == CLOCK and not again:
            self._owner.clocked(await self.look_at_clock())
            return await self._ask(wanted, again=True)
        words = f"{wanted.name}: {reply.code or reply.status or ''} {reply.msg}"
        if reply.outcome is Outcome.REJECTED and reply.code in NOT_ALLOWED:
            raise AuthError(f"the exchange refuses the key {self._credentials.masked}: {words}")
        raise ConnectionEnded(words)

    # ------------------------------------------------------------- what comes

    def _shown(self, text: bytes) -> None:
        news = read(text)
        if isinstance(news, Answer):
            self._answered(news)
        elif isinstance(news, UserEvent):
            self._owner.happened(self, news)
        elif isinstance(news, Shutdown):
            self.want_successor("serverShutdown: the server is about to close")
        else:
            self._not_known(news.why)

    def _answered(self, answer: Answer) -> None:
        pending = self._waiting.pop(answer.id, None) if answer.id is not None else None
        words = words_of(answer.body) if answer.status != 200 else None
        if pending is None or not pending.sent_ns:
            self._not_known(f"an answer to nothing that was asked: {answer.id} {answer.status} {words}")
            if answer.id is None and words is not None and words.code in NOT_ALLOWED:
                self.error = AuthError(f"the exchange refuses the key {self._credentials.masked}: {words.msg}")
                self.end(str(self.error))
            return
        received_ns = self._tap.last_ns if self._tap is not None else steady_ns()
        code, msg = words or (0, "")
        reply = Reply(outcome_of(answer.status, code), answer.status, code, msg, answer.body, pending.sent_ns,
                      received_ns, WS_API, wait_of(answer))  # fmt: skip
        self._owner.answered(pending, reply, told_by_limits(answer.limits))

    def _not_known(self, why: str) -> None:
        self.unknown, self.last_unknown = self.unknown + 1, why

    def _give_back(self) -> None:
        """What never left can go another way; of the rest nobody knows."""
        waiting, self._waiting = list(self._waiting.values()), {}
        self._outbox.clear()
        for pending in waiting:
            if pending.sent_ns or pending.is_own:
                pending.lost(f"the connection ended before the answer came: {self._why_ended}", WS_API)
            else:
                self._owner.returned(pending)

    def _became(self, state: State, why: str) -> None:
        self.state = state
        self._owner.changed(self, why)


def _nothing() -> None:
    """Each message was shown by itself."""
