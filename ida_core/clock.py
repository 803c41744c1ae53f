"""Time: real, or driven by the events that were seen. Both are ``trio.abc.Clock``.

In a simulation ``trio.sleep`` in a plugin, a retry or a timeout runs on simulated time, unchanged. Real time is the
wall clock as the process found it, and goes on from there at a steady pace: whoever sets the clock back by an hour
must not stop timers, deadlines and the search for stale books for that hour.
"""

import math
import time

import trio

NS = 1_000_000_000
#: One that goes on while the machine sleeps, where there is such.
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_BEGAN_NS = time.time_ns() - time.clock_gettime_ns(_STEADY)


def steady_ns() -> int:
    """Local time of what is live: ns since 1970 UTC, never set forwards or back while the process lives.

    >>> steady_ns() <= steady_ns()
    True
    """
    return _BEGAN_NS + time.clock_gettime_ns(_STEADY)


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
    """The machine's clocks: monotonic for Trio, ``steady_ns`` for stamps."""

    def start_clock(self) -> None:
        """The machine's clock runs already."""

    @property
    def now_ns(self) -> int:
        return steady_ns()

    def set(self, now_ns: int) -> None:
        """It goes by itself."""

    def let_go(self) -> None:
        """It goes on by itself, too."""

    def current_time(self) -> float:
        return time.monotonic()

    def deadline_to_sleep_time(self, deadline: float) -> float:
        return deadline - time.monotonic()
