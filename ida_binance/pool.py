"""Many connections that keep every stream alive: redundant copies, replaced before they end, within the limits.

A copy is a set of lines that carry each stream once. A line always has one connection at work, if it can: when that
ends, or asks for it, the line connects a successor; the former one works until the successor is LIVE.
"""

from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any

import msgspec
import trio

from ida_binance.connection import Connection, ConnectionEnded, State, Way
from ida_binance.intake import Intake
from ida_binance.pacing import Backoff, Pace
from ida_binance.plan import MOST_STREAMS, moves
from ida_core.errors import VenueError, VenueUnavailable
from ida_core.tap import HandshakeRefused

ATTEMPTS_PERIOD_S = 300.0
FIRST_WAIT_S, MOST_WAIT_S = 0.1, 30.0
#: A connection that lived so long was none that failed at once; the wait after one that worked, if only shortly.
LIVED_S, MOST_WAIT_AFTER_LIFE_S = 2.0, 1.0
#: A connection that answers pings, but brings nothing while others bring so many messages of its streams, is stalled.
STALLED_S, STALLED_MESSAGES = 5.0, 20
REBALANCE_S = 60
#: How often what the server did not confirm is asked for again.
CONFIRM_S = 30
#: What waiting does not mend, if it never went well: no WebSocket there, refused (by less than 500), not trusted.
HOPELESS = ("IDA-E4112", "IDA-E4120", "IDA-E4121")


class Health(msgspec.Struct, frozen=True):
    """How a line stands. ``age_s``: of its connection; ``rate``: messages a second lately; ``latency_us``: median from
    the exchange's event time to here, by our clock, to within a factor of 2; ``round_trip_ms``: of the last ping;
    ``reconnects``: connections that took the place of another; ``gaps``: holes in the ids of its streams that no
    connection filled; ``unknown``: messages of no kind that is known."""

    name: str
    state: str
    why: str
    age_s: float
    streams: int
    confirmed: int
    messages: int
    bytes: int
    rate: float
    latency_us: float | None
    round_trip_ms: float | None
    reconnects: int
    gaps: int
    problems: int
    unknown: int


class Line:
    """A place in the plan, and the connection that holds it now. ``places``: two of the intake's, taken by turns."""

    def __init__(self, name: str, copy: int, streams: Iterable[str], places: tuple[int, int]) -> None:
        self.name, self.copy, self.streams, self.places = name, copy, list(streams), places
        self.current: Connection | None = None
        self.latest: Connection | None = None
        self.users: dict[int, Connection] = {}
        self.generation = 0
        self.reconnects = 0
        self.why = ""
        self.rate = 0.0
        self.counted = 0
        self.heard_s = 0.0
        self.others = 0

    @property
    def live(self) -> Connection | None:
        """Its connection, where that is at work."""
        return self.current if self.current is not None and self.current.state is State.LIVE else None

    @property
    def free_place(self) -> int:
        """The place that the connection at work does not hold."""
        first, second = self.places
        return second if self.current is not None and self.users.get(first) is self.current else first

    @property
    def place(self) -> int:
        """That of the connection at work."""
        return next((place for place in self.places if self.users.get(place) is self.current), self.places[0])


class Pool:
    """All lines of all copies.

    Args:
        way: how to connect.
        copies: of each copy, the streams of each of its lines.
        intake: where messages go; it has two places for each line.
        enter: waits until one more connection may be attempted; refuses nothing.
        refused: told when the server refused a handshake.
        on_change: told at each change of a line's state.
        on_pong: told at each pong.
        on_batch: called after each receive that brought messages.
        lifetime_s: a connection of that age, less up to a twentieth by chance, is replaced.
    """

    def __init__(
        self, way: Way, copies: Sequence[Sequence[Sequence[str]]], intake: Intake, *,
        attempts: int, random: Random, lifetime_s: float, most_streams: int = MOST_STREAMS,
        enter: Callable[[], float], refused: Callable[[HandshakeRefused], None],
        on_change: Callable[[Line, Connection, str], None], on_pong: Callable[[Connection], None],
        on_batch: Callable[[], None], now_ns: Callable[[], int],
    ) -> None:  # fmt: skip
        self.way, self.intake, self._random = way, intake, random
        self.lines: list[Line] = []
        self.fatal: VenueError | None = None
        self.last_error: VenueError | None = None
        self.attempts = 0
        self._attempts = Pace(attempts, ATTEMPTS_PERIOD_S)
        self._lifetime_s, self._most_streams = lifetime_s, most_streams
        self._enter, self._refused, self._now_ns = enter, refused, now_ns
        self._on_change, self._on_pong, self._on_batch = on_change, on_pong, on_batch
        self._was_live = False
        self._scope = trio.CancelScope()
        for copy, lines in enumerate(copies):
            for number, streams in enumerate(lines):
                places = (2 * len(self.lines), 2 * len(self.lines) + 1)
                self.lines.append(Line(f"{chr(ord('A') + copy)}{number + 1}", copy, streams, places))

    async def run(self) -> None:
        """Until canceled; all sockets are closed in order then.

        Raises:
            VenueError: what waiting does not mend.
        """
        for line in self.lines:
            for place in line.places:
                self.intake.closed(place, self._now_ns())
        with self._scope:
            async with trio.open_nursery() as nursery:
                for line in self.lines:
                    nursery.start_soon(self._keep, line, nursery)
                nursery.start_soon(self._look_after)
        if self.fatal is not None:
            raise self.fatal

    def covers(self, stream: str) -> bool:
        """Whether a connection at work has this stream confirmed."""
        return any(stream in line.live.confirmed for line in self.lines if line.live)

    @property
    def is_live(self) -> bool:
        """Whether any connection is at work."""
        return any(line.live for line in self.lines)

    def replace(self, stream: str, why: str) -> None:
        """Have every connection replaced that carries this stream."""
        for line in self.lines:
            if line.live and stream in line.live.streams:
                line.live.want_successor(why)

    async def add(self, names: Sequence[str]) -> None:
        """Subscribe to further streams while it runs: in each copy on the line that carries least.

        Raises:
            VenueError: there is no room for so many.
        """
        for copy in sorted({line.copy for line in self.lines}):
            lines = [line for line in self.lines if line.copy == copy]
            given: dict[Line, list[str]] = {line: [] for line in lines}
            for name in names:
                line = min(lines, key=lambda line: (line.rate, len(line.streams) + len(given[line])))
                if len(line.streams) + len(given[line]) >= self._most_streams:
                    raise VenueError(f"stream {name}: a connection carries {self._most_streams} at most")
                given[line].append(name)
            for line, portion in given.items():
                await self._give(line, portion)

    async def remove(self, names: Sequence[str]) -> None:
        """Subscribe to fewer streams while it runs."""
        for line in self.lines:
            await self._take(line, [name for name in names if name in line.streams])

    def health(self) -> list[Health]:
        """How each line stands."""
        return [self._health(line) for line in self.lines]

    # ------------------------------------------------------------- a line's connections

    async def _keep(self, line: Line, nursery: trio.Nursery) -> None:
        backoff = Backoff(FIRST_WAIT_S, MOST_WAIT_S, self._random)
        while True:
            successor = await self._connected(line, nursery, backoff)
            former, line.current = line.current, successor
            line.heard_s, line.counted, line.rate = trio.current_time(), 0, 0.0
            if former is not None:
                former.end(f"replaced: {former.why_wanted}")
            await self._catch_up(line, successor)
            await successor.wanted.wait()
            if trio.current_time() - (successor.live_s or 0.0) < LIVED_S:
                await trio.sleep(min(backoff.next_s(), MOST_WAIT_AFTER_LIFE_S))
            else:
                backoff.reset()

    async def _catch_up(self, line: Line, connection: Connection) -> None:
        """What was wanted anew while it subscribed to what was wanted before."""
        new = [name for name in line.streams if name not in connection.streams]
        old = [name for name in connection.streams if name not in line.streams]
        await self._control(line, Connection.subscribe, new)
        await self._control(line, Connection.unsubscribe, old)

    async def _connected(self, line: Line, nursery: trio.Nursery, backoff: Backoff) -> Connection:
        """The next connection of the line that comes about."""
        while True:
            while wait_s := max(self._enter(), self._attempts.wait_s(trio.current_time())):
                await trio.sleep(wait_s)
            self._attempts.take(trio.current_time())
            connection = await self._begin(line, nursery)
            await connection.settled.wait()
            if connection.state is State.LIVE:
                self._was_live = True
                return connection
            self._failed(connection)
            await trio.sleep(backoff.next_s())

    async def _begin(self, line: Line, nursery: trio.Nursery) -> Connection:
        line.generation += 1
        place = line.free_place
        if (former := line.users.get(place)) is not None:
            await former.closed.wait()

        def changed(connection: Connection, why: str) -> None:
            if connection.state is State.SUBSCRIBING:
                self.intake.opened(place, self._now_ns())
            elif connection.state is State.CLOSED:
                self.intake.closed(place, self._now_ns())
            elif connection.state is State.LIVE:
                line.reconnects += line.current is not None
            line.why = why or line.why
            self._on_change(line, connection, why)

        connection = Connection(
            f"{line.name}.{line.generation}", line.streams, self.intake.sink(place), self.way,
            lifetime_s=self._lifetime_s * (1 - self._random.random() / 20),
            on_change=changed, on_pong=self._on_pong, on_batch=self._on_batch,
            generation=line.generation,
        )  # fmt: skip
        line.latest = line.users[place] = connection
        self.attempts += 1
        nursery.start_soon(connection.run)
        return connection

    def _failed(self, connection: Connection) -> None:
        self.last_error = error = connection.error or VenueUnavailable(connection.why_wanted)
        status = error.status if isinstance(error, HandshakeRefused) else 0
        if isinstance(error, HandshakeRefused) and status in (418, 429):
            self._refused(error)
        elif error.code in HOPELESS and not self._was_live and status < 500:
            self.fatal = error
            self._scope.cancel()

    # ------------------------------------------------------------- looking after them

    async def _look_after(self) -> None:
        seconds = 0
        while True:
            await trio.sleep(1.0)
            seconds += 1
            for line in self.lines:
                self._count(line)
            if seconds % CONFIRM_S == 0:
                for line in self.lines:
                    await self._control(line, Connection.subscribe, line.live.missing if line.live else ())
            if seconds % REBALANCE_S == 0:
                await self._rebalance()

    def _count(self, line: Line) -> None:
        """The line's rate; and whether it brings nothing of what others bring."""
        connection, now_s = line.live, trio.current_time()
        if connection is None:
            return
        new = connection.messages - line.counted
        line.counted = connection.messages
        line.rate += (new - line.rate) * 0.2
        others = sum(other.live.messages for other in self.lines
                     if other.live and other.copy != line.copy and set(other.streams) & set(line.streams))  # fmt: skip
        if new or others < line.others:
            line.heard_s, line.others = now_s, others
        elif now_s - line.heard_s > STALLED_S and others - line.others > STALLED_MESSAGES:
            connection.want_successor(
                f"stalled: pings are answered, but for {STALLED_S:g} s it brought nothing of what others bring")

    async def _rebalance(self) -> None:
        for copy in sorted({line.copy for line in self.lines}):
            lines = [line for line in self.lines if line.copy == copy]
            if not all(line.live for line in lines):
                continue
            rates = {name: self.intake.stream(name).rate for line in lines for name in line.streams}
            for move in moves([line.streams for line in lines], rates, self._most_streams):
                if move.stream not in lines[move.source].streams:
                    continue  # not wanted any more, since the moves were thought out
                await self._give(lines[move.target], [move.stream])
                await self._take(lines[move.source], [move.stream])

    async def _give(self, line: Line, names: Sequence[str]) -> None:
        line.streams += names
        await self._control(line, Connection.subscribe, names)

    async def _take(self, line: Line, names: Sequence[str]) -> None:
        line.streams = [name for name in line.streams if name not in names]
        await self._control(line, Connection.unsubscribe, names)

    async def _control(self, line: Line, how: Callable[[Connection, Sequence[str]], Any], names: Sequence[str]) -> None:
        """Say it to the connection at work; the next one gets it with its plan anyway."""
        connection = line.live
        if connection is not None and names:
            try:
                await how(connection, names)
            except ConnectionEnded as ended:
                connection.end(str(ended))

    def _health(self, line: Line) -> Health:
        connection, view = line.current, self.intake.connection(line.place)
        median = view.latency_us()
        trip = connection.round_trip_s if connection else None
        return Health(
            name=line.name, state=(line.latest.state if line.latest else State.CLOSED).value, why=line.why,
            age_s=trio.current_time() - connection.began_s if connection else 0.0,
            streams=len(line.streams), confirmed=len(connection.confirmed) if connection else 0,
            messages=view.messages, bytes=view.bytes, rate=line.rate, latency_us=median,
            round_trip_ms=None if trip is None else trip * 1e3, reconnects=line.reconnects,
            gaps=sum(self.intake.stream(name).holes for name in line.streams), problems=view.problems,
            unknown=connection.unknown if connection else 0,
        )  # fmt: skip
