"""The loop on real time: parked until something arrives or is due, then all that has come, in order, as ever."""

from __future__ import annotations

import time
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

import trio
from msgspec.structs import replace

from ida_core.blame import MOST_TRACED, words_of, writable
from ida_core.clock import NS, steady_ns
from ida_core.collector import collect_due
from ida_core.engine import LOOK_S, Engine, Stop
from ida_core.errors import FAILURES, IdaError, VenueError, sole
from ida_core.events import Signal
from ida_core.protocols import FeedPlugin, LiveVenue, TradingVenue
from ida_core.signals import signals_of
from ida_core.timers import NEVER
from ida_core.timings import Timings
from ida_core.words import TIME_OVER

#: Events handled between two looks at Trio, at most: what receives must have its turn.
LIVE_BATCH = 64
#: ... and for no longer than about this, in s: what waits in a socket has no local time yet, so its age is not seen.
LIVE_BATCH_S = 0.002
#: How often a venue is asked for the last word on an account, and how long it may take over it.
MOST_SETTLINGS, SETTLE_S = 3, 60.0
#: One in so many book events is timed: there are fewer than in a simulation, and each tells more.
LIVE_TIMED_ONE_IN = 5


def fitting_batch(batch: int, took_s: float) -> int:
    """How many events may be handled at once, after so many took so long.

    >>> fitting_batch(64, 0.0128), fitting_batch(1, 0.5), fitting_batch(8, 0.0001), fitting_batch(8, 0.0016)
    (32, 1, 16, 8)
    """
    if took_s > LIVE_BATCH_S:
        return max(1, batch // 2)
    return min(LIVE_BATCH, batch * 2) if took_s < LIVE_BATCH_S / 4 else batch


class LiveEngine(Engine):
    """The engine on a venue that is not simulated: see ``ida_core.LiveVenue``."""

    batch = LIVE_BATCH
    all_done = TIME_OVER

    def __init__(self, *words: Any, **named: Any) -> None:
        super().__init__(*words, **named)
        self._live = cast(LiveVenue, self.venue)
        self._trading = cast(TradingVenue, self.venue) if self.has_account else None
        if self._trading is not None:
            self._trading.follow(self.orders)
        self._signals_waiting: deque[Signal] = deque()
        self._parked: trio.CancelScope | None = None
        self._token: trio.lowlevel.TrioToken | None = None
        self._shown_s = 0.0
        self._is_work_over = False
        self.latency["receive_to_strategy"] = Timings()

    # ------------------------------------------------------------- the loop

    def _begin_tasks(self, nursery: trio.Nursery) -> None:
        self._token = trio.lowlevel.current_trio_token()
        super()._begin_tasks(nursery)
        nursery.start_soon(self._work)

    async def _drive(self, is_over: Callable[[], bool], last_ns: int | None = None) -> None:
        end_ns = NEVER if last_ns is None else last_ns
        looked_s = time.monotonic()
        while not is_over():
            real_ns = self._live.real_ns()
            until_ns = min(self.timers.next_ns, real_ns, end_ns)
            began_s = time.monotonic()
            is_done = self._pump(until_ns, is_over)
            self.batch = fitting_batch(self.batch, time.monotonic() - began_s)
            if is_done and self.venue.now_ns >= end_ns:
                return
            if is_done and self.timers.next_ns <= real_ns and time.monotonic() - looked_s < LOOK_S:
                continue  # several timers are due
            if is_done and until_ns == real_ns:
                self._take_signals()
            latest_ns = real_ns + NS if self._stopping else end_ns
            await self._park(min(self.timers.next_ns, latest_ns) if is_done else 0)
            looked_s = time.monotonic()

    async def _park(self, until_ns: int) -> None:
        """Let others run: until something arrives or is due, at the latest until ``until_ns``."""
        collect_due()
        self._show()
        with self._interrupts.trio_runs(), trio.CancelScope() as self._parked:
            if self.stop_wanted is None or self._stopping:
                await self._live.wait(until_ns)
            else:
                await trio.lowlevel.checkpoint()
        self._parked = None

    def _show(self) -> None:
        if self.on_progress and (now_s := time.monotonic()) - self._shown_s > LOOK_S:
            self._shown_s = now_s
            self.on_progress()

    async def _let_others_run(self) -> None:
        with self._interrupts.trio_runs():
            await trio.lowlevel.checkpoint()

    def _wake(self) -> None:
        if self._parked is not None:
            self._parked.cancel()

    def _interrupt(self) -> None:
        """Called by a signal's handler, in the middle of anything."""
        super()._interrupt()
        if self._token is not None:
            with suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self._wake, idempotent=True)

    def _note_receipt(self) -> None:
        self.latency["receive_to_strategy"].add(max(0, steady_ns() - self.venue.now_ns))

    # ------------------------------------------------------------- beside it

    async def _run_feed(self, feed: FeedPlugin) -> None:
        async for signal in signals_of(feed, self):
            self._signals_waiting.append(signal)
            self._wake()

    def _take_signals(self) -> None:
        """All that came before has been handled, so they are of now."""
        while self._signals_waiting:
            self._take_signal(self._signals_waiting.popleft())

    async def _work(self) -> None:
        """What the venue does beside the engine. Where it fails for good the run ends in order."""
        try:
            await self._live.work()
        except FAILURES as error:
            self._end_by(sole(error))
        self._is_work_over = True
        self._wake()

    def _is_wound_down(self) -> bool:
        return super()._is_wound_down() or (self._trading is not None and self._is_work_over)

    async def _settle(self) -> None:
        """Asked again while its balances do not agree: what is missing may be on its way."""
        assert self._trading is not None
        for _ in range(MOST_SETTLINGS):
            if self._is_work_over:
                return
            told = trio.Event()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._ask_venue, self._trading, told)
                await self._drive(told.is_set)
            while not self._pump(self._live.real_ns(), lambda: False):
                pass
            if not self.account.residuals:
                return

    async def _ask_venue(self, venue: TradingVenue, told: trio.Event) -> None:
        try:
            with trio.move_on_after(SETTLE_S) as patience:
                await venue.settle()
            if patience.cancelled_caught:
                self.log.warning("unsettled", venue=self.venue.name, waited_s=SETTLE_S)
        except FAILURES as error:
            self._end_by(sole(error))
        told.set()
        self._wake()

    def _hear_last_words(self) -> None:
        hear = getattr(self._live, "last_words", tuple)
        try:
            for note in hear():
                self._handle(replace(note, ts_local_ns=self.venue.now_ns))
        except FAILURES as error:
            self._end_by(sole(error))

    def _end_by(self, error: BaseException) -> None:
        if not isinstance(error, IdaError):
            trace = writable("".join(traceback.format_exception(error)), MOST_TRACED)
            self.log.error("live_feed_failed", venue=self.venue.name, error=words_of(error), trace=trace)
            error = VenueError(f"what the venue {self.venue.name} does beside the engine failed: {words_of(error)}")
        self.log.error("venue_failed", venue=self.venue.name, code=error.code, error=str(error))
        self.stop_wanted = self.stop_wanted or Stop(f"{error.code}: {error}", error.exit_code, error.code)
