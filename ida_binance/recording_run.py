"""A live feed that nobody trades on, recorded until it is told to stop: what ``ida record`` runs."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import msgspec
import trio

from ida_binance.live import BinanceFeed
from ida_core.book import Market
from ida_core.errors import IdaError
from ida_core.events import Note, VenueStatus
from ida_core.inlet import Inlet
from ida_core.recorder import RecorderState

#: How often books are looked at, at least.
LOOK_S = 0.25


class SymbolState(msgspec.Struct, frozen=True):
    """How a symbol stands. ``stale_s``: how long its book could not be trusted, after it first could: not in step, or
    no connection was known to bring it. ``resyncs``: snapshots that were needed after the first."""

    symbol: str
    records: int
    in_step: bool
    last_update_id: int | None
    best_bid: str | None
    best_ask: str | None
    gaps: int
    resyncs: int
    stale_s: float
    sha256: str


class _Watched:
    def __init__(self) -> None:
        self.was_good = False
        self.stale_s = 0.0
        self.looked_s = trio.current_time()

    def look(self, is_good: bool) -> None:
        now_s = trio.current_time()
        if self.was_good and not is_good:
            self.stale_s += now_s - self.looked_s
        self.was_good |= is_good
        self.looked_s = now_s


class RecordingRun:
    """Runs a feed and keeps its books, so that snapshots are asked for when they are needed.

    Args:
        feed: built with a folder to record into.
        duration_s: None: until SIGINT or SIGTERM.
        on_look: told some times a second, for progress.
        on_told: told what the feed has to say: its connections, its state, what failed.
    """

    def __init__(
        self, feed: BinanceFeed, duration_s: float | None, on_look: Callable[[RecordingRun], None],
        on_told: Callable[[str], None],
    ) -> None:  # fmt: skip
        self.feed, self._on_look, self._on_told = feed, on_look, on_told
        self._duration_s = duration_s
        listed = feed.listed()
        self._inlet = Inlet(len(listed))
        self._markets = [Market(item.chain, item.highest) for item in listed]
        self._inlet.attach(self._markets)
        self._watched: list[_Watched] = []
        self._failure: IdaError | None = None
        self._started = time.monotonic()

    def run(self) -> None:
        """Until the duration is over, a signal comes, or the feed fails; what was taken in is in the files then.

        Raises:
            IdaError: what the feed failed with.
        """
        trio.run(self._main)
        if self._failure is not None:
            raise self._failure

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._started

    @property
    def recorded(self) -> RecorderState | None:
        """How the recorder stands; None before it began."""
        return self.feed.recorded

    def symbols(self) -> list[SymbolState]:
        stale = [watched.stale_s for watched in self._watched] or [0.0] * len(self._markets)
        return [self._symbol(i, seconds) for i, seconds in enumerate(stale)]

    def _symbol(self, index: int, stale_s: float) -> SymbolState:
        instrument, market = self.feed.listed()[index].instrument, self._markets[index]
        bid, ask = market.book.bid, market.book.ask
        return SymbolState(
            symbol=instrument.symbol, records=sum(market.counts.values()), in_step=market.synced,
            last_update_id=market.last_update_id, best_bid=None if bid is None else str(instrument.price(bid)),
            best_ask=None if ask is None else str(instrument.price(ask)), gaps=market.gaps, resyncs=market.resyncs,
            stale_s=round(stale_s, 3), sha256=market.book.sha256(instrument),
        )  # fmt: skip

    async def _main(self) -> None:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._obey, scope)
                nursery.start_soon(self._feed, scope)
                self._watched = [_Watched() for _ in self._markets]
                with trio.move_on_after(float("inf") if self._duration_s is None else self._duration_s):
                    await self._drain()
                scope.cancel()
        self._take()

    async def _obey(self, scope: trio.CancelScope) -> None:
        """The first signal stops all in order; the second, by then nobody's, at once."""
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for _ in signals:
                scope.cancel()
                break

    async def _feed(self, scope: trio.CancelScope) -> None:
        try:
            await self.feed.run(self._inlet)
        except IdaError as error:
            self._failure = error
            scope.cancel()

    async def _drain(self) -> None:
        while True:
            await self._inlet.wait(LOOK_S)
            self._take()
            for index, watched in enumerate(self._watched):
                watched.look(self._markets[index].synced and self.feed.brings(index))
            self._on_look(self)

    def _take(self) -> None:
        for event in self._inlet.drain():
            if isinstance(event, VenueStatus):
                self._on_told(f"{event.state}: {event.reason}")
            elif isinstance(event, Note):
                self._on_told(f"{event.what}: {event.detail}")
