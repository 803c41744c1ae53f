"""Ctrl-C and SIGTERM: the first stops a run in order, the second at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(BaseException):
    """Interrupted twice: what is still open is told, nothing is waited for."""


class Interrupts:
    """Watches the signals while ``watching``. The second is raised in whatever Python runs then, so that a
    strategy that never returns is left too; but not in Trio's own code, which it would break.
    """

    def __init__(self, on_first: Callable[[], None]) -> None:
        self._on_first = on_first
        self._count = 0
        self._in_trio = False

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Take both signals; in a thread that is not the main one, whoever owns that handles them."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before: dict[int, Any] = {number: signal.signal(number, self._take) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _take(self, number: int, _: FrameType | None) -> None:
        self._count += 1
        if self._count == 1:
            self._on_first()
        elif not self._in_trio:
            raise Interrupted
        else:
            signal.signal(number, signal.SIG_DFL)  # a task that blocks Trio: the third ends the process

    @contextmanager
    def trio_runs(self) -> Iterator[None]:
        """Around each wait: a second signal is raised when it is over."""
        self._in_trio = True
        try:
            yield
        finally:
            self._in_trio = False
        if self._count > 1:
            raise Interrupted
