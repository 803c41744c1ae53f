"""How often something may be done: sliding windows and waiting between attempts. Pure; time is handed in, seconds."""

from collections import deque
from random import Random


class Pace:
    """At most ``limit`` times in any ``period_s``.

    >>> pace = Pace(2, 1.0)
    >>> [pace.take(0.0), pace.take(0.0), pace.take(0.25), pace.take(1.0)]
    [0.0, 0.0, 0.75, 0.0]
    """

    def __init__(self, limit: int, period_s: float) -> None:
        self.limit, self.period_s = limit, period_s
        self._taken: deque[float] = deque(maxlen=limit)

    def wait_s(self, now_s: float) -> float:
        """How long until the next may be; 0: now."""
        if len(self._taken) < self.limit:
            return 0.0
        return max(0.0, self._taken[0] + self.period_s - now_s)

    def take(self, now_s: float) -> float:
        """Count one, if it may be now (0), else the time to wait, and nothing is counted."""
        wait = self.wait_s(now_s)
        if not wait:
            self._taken.append(now_s)
        return wait


class Backoff:
    """Waits that double from ``first_s`` to ``most_s``, each between half of it and the whole, by chance.

    The chance keeps many clients from coming back at the same moment.
    """

    def __init__(self, first_s: float, most_s: float, random: Random) -> None:
        self.first_s, self.most_s = first_s, most_s
        self._random = random
        self.failures = 0

    def next_s(self) -> float:
        """The wait after one more failure."""
        whole: float = min(self.most_s, self.first_s * 2 ** min(self.failures, 60))
        self.failures += 1
        return whole * (0.5 + self._random.random() / 2)

    def reset(self) -> None:
        """It went well: the next failure is the first."""
        self.failures = 0
