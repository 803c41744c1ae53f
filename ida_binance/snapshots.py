"""When to ask for which depth snapshot. Pure; times are handed in, in seconds of a monotonic clock.

A book waits for a snapshot at the start and after each gap. Snapshots cost weight, so each is asked for only while its
book waits, the longest waiting first, with as many levels as the budget has room for, and after a failure, or an
answer older than the diffs that are kept, only after a pause that doubles.
"""

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from ida_binance.pacing import Backoff

#: Levels a side → weight of the request. Source: Binance Spot API docs, rest-api.md (depth).
WEIGHTS = {100: 5, 500: 25, 1000: 50, 5000: 250}
FIRST_PAUSE_S, MOST_PAUSE_S = 0.25, 30.0
#: A book that was in step for so long has settled: the next gap is a first one.
CALM_S = 20.0
#: The pause before the next snapshot of a book that was in step, if only shortly.
MOST_PAUSE_AFTER_STEP_S = 2.0


def weight(limit: int) -> int:
    """What a snapshot of ``limit`` levels costs.

    >>> weight(100), weight(101), weight(5000)
    (5, 25, 250)
    """
    return next(cost for levels, cost in sorted(WEIGHTS.items()) if limit <= levels)


def choose_limit(most: int, waiting: int, left: int) -> int | None:
    """How many levels to ask for: what all that wait can have of the weight that is left, up to ``most``.

    None: not even the smallest of one book fits; wait for the next window.

    >>> choose_limit(5000, 1, 5400), choose_limit(5000, 100, 5400), choose_limit(5000, 1, 30), choose_limit(5000, 9, 3)
    (5000, 1000, 500, None)
    """
    choices = sorted({min(most, levels) for levels in WEIGHTS}, reverse=True)
    fair = next((limit for limit in choices if weight(limit) * waiting <= left), None)
    return fair or next((limit for limit in reversed(choices) if weight(limit) <= left), None)


class Ask(NamedTuple):
    """Ask for a snapshot of this instrument with so many levels a side."""

    instrument: int
    limit: int


class _Wait:
    def __init__(self, random: Random) -> None:
        self.backoff = Backoff(FIRST_PAUSE_S, MOST_PAUSE_S, random)
        self.since_s: float | None = None
        self.due_s = 0.0
        self.asking = False
        self.settled_s: float | None = None


class SnapshotPolicy:
    """What each book's waiting has come to.

    Args:
        instruments: how many there are.
        levels: asked for at most, a side: 1 to 5000.
    """

    def __init__(self, instruments: int, levels: int, random: Random) -> None:
        self._levels = levels
        self._waits = [_Wait(random) for _ in range(instruments)]

    def waits(self, instrument: int, now_s: float) -> None:
        """The book waits for a snapshot, and its diffs are coming."""
        wait = self._waits[instrument]
        if wait.since_s is not None:
            return
        calm = wait.settled_s is None or now_s - wait.settled_s >= CALM_S
        if calm:
            wait.backoff.reset()
        wait.since_s, wait.settled_s = now_s, None
        wait.due_s = now_s if calm else now_s + min(wait.backoff.next_s(), MOST_PAUSE_AFTER_STEP_S)

    def rests(self, instrument: int, now_s: float) -> None:
        """The book does not wait (in step, or its stream is not there): nothing is to be asked."""
        wait = self._waits[instrument]
        if wait.since_s is not None:
            wait.since_s, wait.settled_s = None, now_s

    def renew(self, instrument: int) -> None:
        """One is wanted of a book that is in step, for a reason of its own: what its gaps cost counts for nothing."""
        self._waits[instrument].settled_s = None

    def asks(self, now_s: float, left: int) -> Sequence[Ask]:
        """What to ask for now, given the weight that is left; each counts as asked until ``answered``."""
        due = [(w.since_s, i) for i, w in enumerate(self._waits) if w.since_s is not None and not w.asking
               and w.due_s <= now_s]  # fmt: skip
        found = []
        for position, (_, instrument) in enumerate(sorted(due)):
            limit = choose_limit(self._levels, len(due) - position, left)
            if limit is None:
                break
            left -= weight(limit)
            self._waits[instrument].asking = True
            found.append(Ask(instrument, limit))
        return found

    def answered(self, instrument: int, now_s: float) -> float:
        """An answer came or the request failed; asked again only after the pause that is returned, in s."""
        wait = self._waits[instrument]
        wait.asking = False
        pause = wait.backoff.next_s()
        wait.due_s = now_s + pause
        return pause
