"""Keeps the books of a pool right: asks for snapshots, tells dead streams from quiet ones, says how things stand."""

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

import msgspec
import trio

from ida_binance.budget import NS_PER_S, Budget, clock
from ida_binance.connection import Connection
from ida_binance.intake import BadSnapshot, Intake
from ida_binance.pool import Pool
from ida_binance.rest import Session
from ida_binance.snapshots import Ask, SnapshotPolicy, weight
from ida_binance.unreadable import UNREADABLE
from ida_binance.watch import DepthWatch, Life
from ida_core.clock import steady_ns
from ida_core.errors import RateLimited, VenueError, VenueUnavailable
from ida_core.events import Note, VenueStatus
from ida_core.inlet import Inlet

DEPTH = "/api/v3/depth"
#: The least levels: they cost least, and the id is the same.
PROBE_LEVELS = 5
#: What probes may use of the weight that is left.
PROBE_SHARE = 4
TICK_S, WATCH_S = 0.05, 0.25
#: How long a snapshot may wait to be taken out of the inlet.
TAKEN_S = 5.0
#: A stream whose diffs do not come lets its snapshot be asked for after that: its market is quiet.
QUIET_S = 1.5
#: The pause between two replacements for one dead stream, doubling.
REPLACE_S, MOST_REPLACE_S = 5.0, 60.0
HEALTHY, RECONCILING, DOWN = "HEALTHY", "RECONCILING", "DOWN"


class _Id(msgspec.Struct, rename="camel"):
    last_update_id: int


class BookPlan(NamedTuple):
    """An instrument's streams: of its depth, and of its best bid and ask."""

    symbol: str
    depth: str
    quote: str


class _Book:
    def __init__(self, plan: BookPlan, bound_s: float) -> None:
        self.plan = plan
        self.watch = DepthWatch(bound_s)
        self.life = Life.DOUBTFUL
        self.covered_s: float | None = None
        self.probing = False
        self.replace_after_s = 0.0
        self.replace_pause_s = REPLACE_S
        self.fresh_id: int | None = None  # a snapshot is wanted though the book is in step, not older than this


class Keeper:
    """The books of one pool.

    Args:
        name: of the feed, for people.
        plans: one for each of the inlet's instruments, in their order.
        levels: of a snapshot, a side, at most.
        bound_s: how far a stream may be behind before it is dead.
        patience_s: how long nothing may come before the run is ended.
    """

    def __init__(
        self, name: str, plans: Sequence[BookPlan], inlet: Inlet, intake: Intake, pool: Pool, session: Session,
        budget: Budget, *, levels: int, bound_s: float, patience_s: float, random: Random,
    ) -> None:  # fmt: skip
        self.name, self._inlet, self._intake, self._pool = name, inlet, intake, pool
        self._session, self._budget = session, budget
        self._policy = SnapshotPolicy(len(plans), levels, random)
        self._books = [_Book(plan, bound_s) for plan in plans]
        self._patience_s = patience_s
        self._status = ("", "")
        self._fatal: VenueError | None = None
        self._down_s: float | None = trio.current_time()
        self.snapshots = self.failed_snapshots = self.probes = self.failed_probes = self.dead = 0

    async def run(self) -> None:
        """Until canceled.

        Raises:
            VenueError: nothing came for longer than the patience.
        """
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                await self._tick(nursery)
                scope.cancel()
        if self._fatal is not None:
            raise self._fatal

    async def _tick(self, nursery: trio.Nursery) -> None:
        ticks = 0
        while self._fatal is None:
            await trio.sleep(TICK_S)
            ticks += 1
            now_s = trio.current_time()
            if self._intake.due_ns is not None:
                self._expire()
            self._ask_for_snapshots(nursery, now_s)
            if ticks % round(WATCH_S / TICK_S) == 0:
                self._watch(nursery, now_s)
                self._tell_status(now_s)

    def on_pong(self, connection: Connection) -> None:
        """All that the server sent over this connection has come: silence on it is quiet, unless it is doubtful."""
        for instrument, book in enumerate(self._books):
            if book.life is Life.LIVE and book.plan.depth in connection.confirmed:
                self._inlet.alive(instrument)

    def brings(self, instrument: int) -> bool:
        """Whether a connection at work is known to bring the instrument's book."""
        book = self._books[instrument]
        return book.life is not Life.DEAD and self._pool.covers(book.plan.depth)

    def refresh(self) -> None:
        """Have a snapshot of each book put in though it is in step: for a recording that is to stand for itself."""
        for instrument, book in enumerate(self._books):
            book.fresh_id = self._intake.stream(book.plan.depth).last_id
            self._policy.renew(instrument)

    def _expire(self) -> None:
        before = self._inlet.committed
        self._intake.expire(steady_ns())
        if self._inlet.committed != before:
            self._inlet.wake()

    # ------------------------------------------------------------- snapshots

    def _ask_for_snapshots(self, nursery: trio.Nursery, now_s: float) -> None:
        for instrument, book in enumerate(self._books):
            if self._is_wanted(instrument, book, now_s):
                self._policy.waits(instrument, now_s)
            else:
                self._policy.rests(instrument, now_s)
        for ask in self._policy.asks(now_s, self._budget.left(steady_ns())):
            nursery.start_soon(self._snapshot, ask)

    def _is_wanted(self, instrument: int, book: _Book, now_s: float) -> bool:
        """The book waits, and its stream is there: its first diff has come, or its market is quiet."""
        market = self._inlet.market(instrument)
        if book.fresh_id is not None and market.synced and self._pool.covers(book.plan.depth):
            return True
        if market.state != "WAITING" or not self._pool.covers(book.plan.depth):
            book.covered_s = None if market.state == "WAITING" else book.covered_s
            return False
        book.covered_s = now_s if book.covered_s is None else book.covered_s
        return market.buffered > 0 or now_s - book.covered_s >= QUIET_S

    async def _snapshot(self, ask: Ask) -> None:
        """Ask, put it in, and see that it was taken; whether it fits is the book's to say."""
        symbol = self._books[ask.instrument].plan.symbol
        try:
            answer = await self._session.get(DEPTH, weight(ask.limit), symbol=symbol, limit=ask.limit)
            seen = self._inlet.market(ask.instrument).counts["snapshot"]
            if self._intake.snapshot(ask.instrument, answer.body, answer.received_ns):
                self.snapshots += 1
                self._inlet.wake()
                self._was_fresh(self._books[ask.instrument], answer.body)
                await self._taken(ask.instrument, seen)
        except (VenueError, BadSnapshot) as error:
            self._note_failure(symbol, error)
        self._policy.answered(ask.instrument, trio.current_time())

    def _was_fresh(self, book: _Book, body: bytes) -> None:
        if book.fresh_id is None:
            return
        try:
            if msgspec.json.decode(body, type=_Id).last_update_id >= book.fresh_id:
                book.fresh_id = None
        except UNREADABLE:
            pass  # its levels could be read, all of it could not: another one is asked for

    async def _taken(self, instrument: int, seen: int) -> None:
        with trio.move_on_after(TAKEN_S):
            while self._inlet.market(instrument).counts["snapshot"] == seen:
                await trio.sleep(TICK_S / 5)

    def _note_failure(self, symbol: str, error: Exception) -> None:
        self.failed_snapshots += 1
        text = f"{symbol}: no snapshot: {error}"
        self._inlet.tell(Note(what="snapshot_failed", plugin=self.name, detail=text, data={"symbol": symbol}))

    # ------------------------------------------------------------- dead or quiet

    def _watch(self, nursery: trio.Nursery, now_s: float) -> None:
        for instrument, book in enumerate(self._books):
            depth, quote = self._intake.stream(book.plan.depth), self._intake.stream(book.plan.quote)
            book.watch.saw(now_s, depth.messages, depth.last_id, quote.last_id)
            book.life = book.watch.life(now_s)
            if not self._pool.covers(book.plan.depth):
                book.watch.restarted()
            elif book.life is Life.DOUBTFUL or (book.life is Life.DEAD and now_s >= book.replace_after_s):
                if not book.probing:
                    book.probing = True
                    nursery.start_soon(self._probe, instrument, book)
            elif book.life is Life.LIVE and now_s > book.replace_after_s + MOST_REPLACE_S:
                book.replace_pause_s = REPLACE_S

    def _replace(self, book: _Book, now_s: float) -> None:
        """Its connections bring other things, but not this stream."""
        self.dead += 1
        why = f"{book.plan.depth} is dead: newer updates of this book are known, and it brings none"
        self._inlet.tell(Note(what="dead_stream", plugin=self.name, detail=why, data={"symbol": book.plan.symbol}))
        self._pool.replace(book.plan.depth, why)
        book.watch.restarted()
        book.replace_after_s = now_s + book.replace_pause_s
        book.replace_pause_s = min(2 * book.replace_pause_s, MOST_REPLACE_S)

    async def _probe(self, instrument: int, book: _Book) -> None:
        """Silent for longer than usual, or behind the quotes: what id has the exchange's own book? If it is not ahead
        of the stream either, that is quiet; if it is, or does not tell, a stream behind for too long is dead."""
        cost = weight(PROBE_LEVELS)
        try:
            if self._budget.left(steady_ns()) >= PROBE_SHARE * cost:
                self.probes += 1
                answer = await self._session.get(DEPTH, cost, symbol=book.plan.symbol, limit=PROBE_LEVELS)
                found = msgspec.json.decode(answer.body, type=_Id)
                book.watch.asked(trio.current_time(), found.last_update_id)
                book.life = book.watch.life(trio.current_time())
                if book.life is Life.LIVE and self._pool.covers(book.plan.depth):
                    self._inlet.alive(instrument)
        except (VenueError, *UNREADABLE):
            self.failed_probes += 1  # no proof, so the book becomes stale; it is asked again
        now_s = trio.current_time()
        is_dead = book.watch.life(now_s) is Life.DEAD and self._pool.covers(book.plan.depth)
        if is_dead and now_s >= book.replace_after_s:
            self._replace(book, now_s)
        await trio.sleep(1.0)
        book.probing = False

    # ------------------------------------------------------------- how things stand

    def _tell_status(self, now_s: float) -> None:
        status, reason = self._stand()
        if (status, reason) != self._status:
            if status != self._status[0] or status == DOWN:
                self._inlet.tell(VenueStatus(state=status, reason=f"{self.name}: {reason}", feed=self.name))
            self._status = (status, reason)
        if status != DOWN:
            self._down_s = None
            return
        self._down_s = now_s if self._down_s is None else self._down_s
        if now_s - self._down_s > self._patience_s:
            self._fatal = self._end_of_patience(reason)

    def _stand(self) -> tuple[str, str]:
        until_ns = self._budget.banned_until_ns
        if until_ns > steady_ns():
            return DOWN, f"this address is banned until {clock(until_ns)}; nothing is asked before"
        if not self._pool.is_live:
            error = self._pool.last_error
            return DOWN, f"no connection is at work{f': {error}' if error else ''}"
        waiting = [book.plan.symbol for i, book in enumerate(self._books) if not self._inlet.market(i).synced]
        missing = [book.plan.symbol for book in self._books if not self._pool.covers(book.plan.depth)]
        if missing:
            return RECONCILING, f"no connection at work brings the book of {', '.join(missing[:5])}"
        if waiting:
            return RECONCILING, f"not in step: {', '.join(waiting[:5])}"
        return HEALTHY, "all books in step"

    def _end_of_patience(self, reason: str) -> VenueError:
        text = f"{self.name}: {reason}; that lasted longer than patience_s = {self._patience_s:g}"
        until_ns = self._budget.banned_until_ns
        if until_ns > steady_ns():
            return RateLimited(text, (until_ns - steady_ns()) / NS_PER_S, code="IDA-E4210")
        return VenueUnavailable(text)



