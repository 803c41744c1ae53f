"""One WebSocket connection: it subscribes, has that confirmed, proves by pings that it lives, and closes in order.

It ends by itself when the other side hangs up, answers nothing in time, or is told to; it never comes back. A successor
is asked for while it still works, where that is possible: before the exchange's 24 hours are over, and when the server
says that it is about to shut down.
"""

import enum
import ssl
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import trio

from ida_binance.control import Method, Reply, Shutdown, portions, read, request
from ida_binance.pacing import Pace
from ida_core.errors import VenueError
from ida_core.tap import Sink, Tap, TapClosed, open_tap

#: Of the exchange's five messages a second one is left to the pongs that answer its pings.
MESSAGES_PER_S = 4
#: How long closing in order may take before the socket is just closed.
CLOSE_S = 2.0


class State(enum.StrEnum):
    CONNECTING = "CONNECTING"
    SUBSCRIBING = "SUBSCRIBING"
    LIVE = "LIVE"
    CLOSED = "CLOSED"


class Way(NamedTuple):
    """How to connect: where to, whom to trust, and how long to wait, in seconds."""

    url: str
    context: ssl.SSLContext | None = None
    deflate: bool = False
    timeout_s: float = 10.0
    heartbeat_s: float = 1.0
    pong_s: float = 5.0


class ConnectionEnded(Exception):
    """The connection is over; the message says why."""


class _Waiting:
    """Who waits for the answer to a control message."""

    def __init__(self) -> None:
        self.came = trio.Event()
        self.reply: Reply | None = None


class Connection:
    """One connection, from its opening to its end.

    ``settled`` is set when it is LIVE or has ended; ``wanted`` when a successor is wanted, at its end at the latest;
    ``closed`` when its socket is.

    Args:
        name: for people.
        streams: to subscribe to.
        sink: takes the messages.
        lifetime_s: after that a successor is asked for.
        on_change: called at each change of state, with the reason.
        on_pong: called at each pong: all that the server sent before its ping has come.
        on_batch: called after each receive that brought messages.
        generation: how many there have been in its place, this one included.
    """

    def __init__(
        self, name: str, streams: Iterable[str], sink: Sink, way: Way, *, lifetime_s: float,
        on_change: Callable[["Connection", str], None], on_pong: Callable[["Connection"], None],
        on_batch: Callable[[], None], generation: int = 1,
    ) -> None:  # fmt: skip
        self.name, self.streams, self.way, self.generation = name, list(streams), way, generation
        self.state = State.CONNECTING
        self.confirmed: set[str] = set()
        self.settled, self.wanted, self.closed = trio.Event(), trio.Event(), trio.Event()
        self.why_wanted = ""
        self.error: VenueError | None = None
        self.began_s = trio.current_time()
        self.live_s: float | None = None
        self.unknown, self.last_unknown = 0, ""
        self.round_trip_s: float | None = None
        self._sink, self._lifetime_s = sink, lifetime_s
        self._on_change, self._on_pong, self._on_batch = on_change, on_pong, on_batch
        self._pace = Pace(MESSAGES_PER_S, 1.0)
        self._waiting: dict[int, _Waiting] = {}
        self._number = 0
        self._tap: Tap | None = None
        self._scope = trio.CancelScope()
        self._why_ended: str | None = None

    @property
    def messages(self) -> int:
        """Whole messages received."""
        return self._tap.messages if self._tap else 0

    @property
    def received(self) -> int:
        """Bytes received."""
        return self._tap.bytes if self._tap else 0

    @property
    def missing(self) -> list[str]:
        """Streams that were asked for, and that the server does not confirm."""
        return [name for name in self.streams if name not in self.confirmed]

    async def run(self) -> None:
        """Until it ends; raises nothing but what is a bug."""
        self._on_change(self, "")
        try:
            async with open_tap(
                self.way.url, self._sink, on_shown=self._shown, on_batch=self._on_batch, ssl_context=self.way.context,
                deflate=self.way.deflate, connect_timeout_s=self.way.timeout_s,
            ) as tap:  # fmt: skip
                self._tap = tap
                await self._serve(tap)
        except VenueError as error:
            self.error = error
            self.end(str(error))
        finally:
            self.end("canceled")
            self.state = State.CLOSED
            self.confirmed.clear()
            self.closed.set()
            self.settled.set()
            self._on_change(self, self._why_ended or "")

    def end(self, why: str) -> None:
        """Close in order; the first reason counts."""
        if self._why_ended is None:
            self._why_ended = why
        for waiting in self._waiting.values():
            waiting.came.set()
        self._scope.cancel()
        self.want_successor(why)

    def want_successor(self, why: str) -> None:
        """Another one is to take its place; it works on until then, if it can."""
        if not self.wanted.is_set():
            self.why_wanted = why
            self.wanted.set()

    async def subscribe(self, names: Sequence[str]) -> None:
        """Subscribe to more while it runs.

        Raises:
            ConnectionEnded: it is over.
        """
        self.streams += [name for name in names if name not in self.streams]
        for portion in portions(names):
            await self._ask("SUBSCRIBE", portion)
        await self._confirm()

    async def unsubscribe(self, names: Sequence[str]) -> None:
        """Subscribe to fewer while it runs; raises the same."""
        self.streams = [name for name in self.streams if name not in names]
        for portion in portions(names):
            await self._ask("UNSUBSCRIBE", portion)
        await self._confirm()

    async def _serve(self, tap: Tap) -> None:
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._receive, tap)
                    nursery.start_soon(self._work, tap)
        finally:
            with trio.move_on_after(CLOSE_S, shield=True):
                await tap.aclose()

    async def _receive(self, tap: Tap) -> None:
        try:
            await tap.run()
        except TapClosed as closed:
            self.end(str(closed))

    async def _work(self, tap: Tap) -> None:
        """Subscribe, then ping until the end."""
        try:
            self._became(State.SUBSCRIBING, f"{len(self.streams)} streams")
            for portion in portions(self.streams):
                await self._ask("SUBSCRIBE", portion)
            await self._confirm()
            self.live_s = trio.current_time()
            self._became(State.LIVE, f"{len(self.confirmed)} of {len(self.streams)} streams confirmed")
            self.settled.set()
            while True:
                await trio.sleep(self.way.heartbeat_s)
                await self._beat(tap)
        except ConnectionEnded as ended:
            self.end(str(ended))

    async def _beat(self, tap: Tap) -> None:
        await self._turn()
        with trio.move_on_after(self.way.pong_s) as scope:
            try:
                self.round_trip_s = await tap.ping()
            except TapClosed as closed:
                raise ConnectionEnded(str(closed)) from None
        if scope.cancelled_caught:
            raise ConnectionEnded(f"half-open: no pong within {self.way.pong_s:g} s")
        self._on_pong(self)
        if trio.current_time() - self.began_s > self._lifetime_s:
            self.want_successor(f"{self._lifetime_s / 3600:.3g} h old, and the exchange closes at 24 h")

    async def _confirm(self) -> None:
        """What the server says it sends us is what we take for subscribed."""
        result = await self._ask("LIST_SUBSCRIPTIONS", ())
        if not isinstance(result, list):
            raise ConnectionEnded(f"LIST_SUBSCRIPTIONS was answered by {str(result)[:80]}, which is no list")
        self.confirmed = {name for name in result if isinstance(name, str)}

    async def _ask(self, method: Method, names: Sequence[str]) -> Any:
        """Send a control message; its result.

        Raises:
            ConnectionEnded: no answer came in time, or a refusal, or the connection is over.
        """
        await self._turn()
        if self._tap is None or self._why_ended is not None:
            raise ConnectionEnded(self._why_ended or "not connected")
        self._number += 1
        number, waiting = self._number, _Waiting()
        self._waiting[number] = waiting
        try:
            with trio.move_on_after(self.way.timeout_s):
                await self._tap.send(request(method, names, number))
                await waiting.came.wait()
        except TapClosed as closed:
            raise ConnectionEnded(str(closed)) from None
        finally:
            del self._waiting[number]
        if waiting.reply is None:
            raise ConnectionEnded(self._why_ended or f"{method} was not answered within {self.way.timeout_s:g} s")
        if waiting.reply.error:
            raise ConnectionEnded(f"{method} was refused: {waiting.reply.error}")
        return waiting.reply.result

    async def _turn(self) -> None:
        """Wait until one more message may be sent."""
        while wait_s := self._pace.take(trio.current_time()):
            await trio.sleep(wait_s)

    def _shown(self, text: bytes) -> None:
        """A message that is no market data."""
        news = read(text)
        if isinstance(news, Shutdown):
            self.want_successor("serverShutdown: the server is about to close")
        elif isinstance(news, Reply):
            self._replied(news)
        else:
            self.unknown, self.last_unknown = self.unknown + 1, news.why

    def _replied(self, reply: Reply) -> None:
        """A refusal may come without the number of what it refuses: then it is of the oldest."""
        number = reply.id if reply.id is not None else next(iter(self._waiting), None)
        waiting = self._waiting.get(number) if number is not None else None
        if waiting is None or waiting.came.is_set():
            self.unknown, self.last_unknown = self.unknown + 1, f"an answer to nothing that was asked: {reply}"
            return
        waiting.reply = reply
        waiting.came.set()

    def _became(self, state: State, why: str) -> None:
        self.state = state
        self._on_change(self, why)
