"""A live feed at work: what is put together for one run, and told of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from random import Random
from typing import TYPE_CHECKING

import trio

from ida_binance.asking import trust
from ida_binance.connection import Connection, State, Way
from ida_binance.decoder import Grid
from ida_binance.intake import Intake
from ida_binance.keeper import BookPlan, Keeper
from ida_binance.live_recorder import LiveRecorder
from ida_binance.plan import connections_needed, spread
from ida_binance.pool import Health, Line, Pool
from ida_binance.streams import Stream, parse
from ida_core.clock import steady_ns
from ida_core.errors import IdaError
from ida_core.events import Note
from ida_core.inlet import Inlet
from ida_core.tap import HandshakeRefused

if TYPE_CHECKING:
    from pathlib import Path

    from ida_binance.live import BinanceFeed
    from ida_binance.rest import Session
    from ida_core.recorder import RecorderState


class Running:
    """One run of a feed into an inlet."""

    def __init__(self, feed: BinanceFeed, inlet: Inlet) -> None:
        self._feed, self._inlet, self._config = feed, inlet, feed.config
        self._rest = feed.asked.rest
        self._streams = feed.streams()
        self._random = Random()
        self._change = trio.Event()
        self._failure: IdaError | None = None
        copies = [self._copy() for _ in range(self._config.connections)]
        self._intake = self._make_intake(sum(map(len, copies)))
        self.pool = Pool(
            self._way(), copies, self._intake, attempts=self._config.attempts, random=self._random,
            lifetime_s=self._config.lifetime_s, enter=self._closed_s, refused=self._refused, now_ns=steady_ns,
            on_change=self._tell, on_pong=self._pong, on_batch=inlet.wake,
        )  # fmt: skip
        self.keeper: Keeper | None = None
        self._recorder = self._make_recorder()

    async def run(self) -> None:
        """Until canceled; see ``LiveFeed.run``."""
        try:
            async with self._rest.session() as session, trio.open_nursery() as nursery:
                self.keeper = self._make_keeper(session)
                for part in (self.pool.run, self.keeper.run, self._follow, self._look_after_recorder):
                    nursery.start_soon(partial(self._part, part, nursery.cancel_scope))
        finally:
            self._end_recording()
        if self._failure is not None:
            raise self._failure

    def changed(self) -> None:
        """Strategies want something else."""
        self._change.set()

    def health(self) -> list[Health]:
        return self.pool.health()

    def brings(self, instrument: int) -> bool:
        """Whether a connection at work is known to bring its book."""
        return self.keeper is not None and self.keeper.brings(instrument)

    @property
    def recorded(self) -> RecorderState | None:
        return self._recorder.state if self._recorder is not None else None

    def recorded_files(self) -> list[Path]:
        return self._recorder.recorder.files() if self._recorder is not None else []

    def warnings(self) -> list[str]:
        found = self._recorder.warnings() if self._recorder is not None else []
        for symbol, uneven in self._intake.uneven().items():
            found += uneven.sentences(symbol, self._grids[symbol])
        for view in map(self._intake.stream, self._streams):
            if view.holes:
                found.append(f"{view.name}: {view.missing} ids came over no connection, in {view.holes} places")
            if view.contradictions:
                found.append(f"{view.name}: {view.contradictions} messages differ between two connections")
            if view.problems:
                found.append(f"{view.name}: {view.problems} messages could not be read")
            if view.refused:
                found.append(f"{view.name}: {view.refused} messages found no room, for the run was too slow")
        return found

    def off_grid(self) -> dict[str, dict[str, int]]:
        return {symbol: uneven._asdict() for symbol, uneven in self._intake.uneven().items() if any(uneven)}

    async def _part(self, run: Callable[[], Awaitable[None]], scope: trio.CancelScope) -> None:
        """The first part that fails ends all."""
        try:
            await run()
        except IdaError as error:
            self._failure = self._failure or error
            scope.cancel()

    async def _follow(self) -> None:
        """Take up what strategies want anew."""
        while True:
            await self._change.wait()
            self._change = trio.Event()
            former, self._streams = self._streams, self._feed.streams()
            for name in (added := [n for n in self._streams if n not in former]):
                self._intake.add(name, self._streams[name])
            await self.pool.add(added)
            await self.pool.remove(gone := [n for n in former if n not in self._streams])
            for name in gone:
                self._intake.remove(name)

    # ------------------------------------------------------------- what is recorded

    def _make_recorder(self) -> LiveRecorder | None:
        feed = self._feed
        if feed.setup.record is None:
            return None
        made = LiveRecorder(feed.name, feed.setup.record, feed.asked.info, feed.symbols(), self._config)
        self._intake.set_recorder(made.recorder)
        return made

    async def _look_after_recorder(self) -> None:
        if self._recorder is not None and self.keeper is not None:
            await self._recorder.run(self.keeper.refresh, self._inlet.tell)

    def _end_recording(self) -> None:
        if self._recorder is not None:
            self._intake.set_recorder(None)
            self._recorder.close()

    # ------------------------------------------------------------- what it is made of

    def _copy(self) -> list[list[str]]:
        """One copy of all streams, on as many connections as it takes, by the rates that are usual."""
        rates = {name: parse(name).expected_rate for name in self._streams}
        return spread(rates, connections_needed(len(rates), sum(rates.values())))

    def _make_intake(self, lines: int) -> Intake:
        instruments = [item.instrument for item in self._feed.listed()]
        self._grids: dict[str, Grid] = {i.symbol: Grid(i.tick_size, i.lot_size) for i in instruments}
        intake = Intake(self._grids, self._inlet, connections=2 * lines, hold_ns=self._config.hold_ms * 1_000_000)
        for name, instrument in self._streams.items():
            intake.add(name, instrument)
        return intake

    def _way(self) -> Way:
        config, url = self._config, self._feed.streams_url
        context = trust(self._feed.name, config.ca_file) if url.startswith("wss:") else None
        return Way(f"{url}/stream", context, config.deflate, config.timeout_s, config.heartbeat_s, config.pong_s)

    def _make_keeper(self, session: Session) -> Keeper:
        feed, config = self._feed, self._config
        plans = [BookPlan(s, feed.depth_stream(s), Stream("bookTicker", s).name) for s in feed.symbols()]
        return Keeper(
            feed.name, plans, self._inlet, self._intake, self.pool, session, self._rest.budget,
            levels=config.snapshot_levels, bound_s=config.staleness_s, patience_s=config.patience_s,
            random=self._random,
        )  # fmt: skip

    # ------------------------------------------------------------- what is told

    def _pong(self, connection: Connection) -> None:
        if self.keeper is not None:
            self.keeper.on_pong(connection)

    def _closed_s(self) -> float:
        """How long no connection may be attempted."""
        return self._rest.budget.connect_wait_s(steady_ns())

    def _refused(self, error: HandshakeRefused) -> None:
        self._rest.limited(str(error), error.status, error.headers)

    def _tell(self, line: Line, connection: Connection, why: str) -> None:
        if connection.state is State.CONNECTING:
            self._rest.budget.connect(steady_ns())
        self._inlet.tell(self._note("connection", line, connection, why))

    def last_words(self) -> list[Note]:
        """What each connection at work has brought."""
        return [self._note("connection_counts", line, line.live, "") for line in self.pool.lines if line.live]

    def _note(self, what: str, line: Line, connection: Connection, why: str) -> Note:
        state = connection.state.value
        return Note(
            what=what, plugin=self._feed.name, detail=f"{line.name} {state}{why and f': {why}'}",
            data={
                "connection": line.name, "generation": connection.generation, "state": state, "why": why,
                "streams": len(connection.streams), "confirmed": len(connection.confirmed),
                "messages": connection.messages, "bytes": connection.received, "reconnects": line.reconnects,
                "unknown": connection.unknown,
            },
        )  # fmt: skip
