"""What a live venue does beside its user, in the thread of plain functions: Trio as a guest of whoever waits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from queue import Empty, SimpleQueue
from typing import Any

import trio

#: How long ``close`` waits for the work to end once it is canceled, a turn of the loop at a time.
TURNS, TURN_S = 3000, 0.01


class Beside:
    """Runs ``work`` while ``turn`` is called now and then, until ``close``."""

    def __init__(self, work: Callable[[], Awaitable[None]]) -> None:
        self._todo: SimpleQueue[Callable[[], Any]] = SimpleQueue()
        self._scope = trio.CancelScope()
        self._ended: Any = None
        trio.lowlevel.start_guest_run(
            self._main, work, run_sync_soon_threadsafe=self._todo.put, done_callback=self._end)

    async def _main(self, work: Callable[[], Awaitable[None]]) -> None:
        with self._scope:
            async with trio.open_nursery() as self.nursery:
                await work()

    def _end(self, outcome: Any) -> None:
        self._ended = outcome

    def turn(self, timeout_s: float) -> None:
        """Let it go on for one step, or wait so long for one. Raises what ended it, if it failed."""
        if self._ended is not None:
            self._ended.unwrap()
            return
        try:
            self._todo.get(timeout=timeout_s)()
        except Empty:
            return

    def ask(self, question: Callable[[], Awaitable[None]]) -> Callable[[], bool]:
        """Have ``question`` asked beside the work. Returns what says whether it has been answered."""
        answered: list[bool] = []

        async def one() -> None:
            await question()
            answered.append(True)

        self.nursery.start_soon(one)
        return lambda: bool(answered)

    def close(self) -> None:
        """Cancel it and see it end."""
        self._scope.cancel()
        for _ in range(TURNS):
            if self._ended is not None:
                self._ended.unwrap()
                return
            self.turn(TURN_S)
        raise AssertionError(f"work() did not end within {TURNS * TURN_S:g} s of being canceled")
