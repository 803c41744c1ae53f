"""Time: real, or driven by the events that were seen. Both are ``trio.abc.Clock``.

In a simulation ``trio.sleep`` in a plugin, a retry or a timeout runs on simulated time, unchanged.
"""

import math
import time

import trio

NS = 1_000_000_000


class SimulatedClock(trio.abc.Clock):
    """A clock that stands still until the engine moves it; never backwards."""

    def __init__(self, now_ns: int = 0) -> None:
        self._start_ns = now_ns
        self.now_ns = now_ns
        self._is_let_go = False

    def start_clock(self) -> None:
        """Nothing to start: the engine moves it."""

    def set(self, now_ns: int) -> None:
        if now_ns > self.now_ns:
            self.now_ns = now_ns

    def current_time(self) -> float:
        return (self.now_ns - self._start_ns) / NS

    def let_go(self) -> None:
        """The engine has ended: a feed that gives its connection a second to close would wait for ever, so from now on
        each deadline is due at once."""
        self._is_let_go = True

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Seconds of real time until ``deadline``: 0 if it is due, else for ever; the engine wakes Trio."""
        if self._is_let_go and math.isfinite(deadline):
            self.set(self._start_ns + math.ceil(deadline * NS))
            return 0.0
        return 0.0 if deadline <= self.current_time() else 3600.0

    def deadline_ns(self, seconds_ahead: float) -> int:
        """The simulated ns at which something due in ``seconds_ahead`` of Trio's time is due; never early."""
        if seconds_ahead == float("inf"):
            return 2**63 - 1
        return self.now_ns + max(0, int(seconds_ahead * NS) + 1)


class LiveClock(trio.abc.Clock):
    """The machine's clocks: monotonic for Trio, wall clock for stamps."""

    def start_clock(self) -> None:
        """The machine's clock runs already."""

    @property
    def now_ns(self) -> int:
        return time.time_ns()

    def set(self, now_ns: int) -> None:
        """It goes by itself."""

    def let_go(self) -> None:
        """It goes on by itself, too."""

    def current_time(self) -> float:
        return time.monotonic()

    def deadline_to_sleep_time(self, deadline: float) -> float:
        return deadline - time.monotonic()
