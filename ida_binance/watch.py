"""Tells a quiet market from a dead stream. Pure; times are handed in, in seconds of a monotonic clock.

A connection that answers a ping lives; that a stream on it lives is shown by its own messages alone. So a silence is
taken for quiet only while it is no longer than the stream's own rhythm explains; a longer one is doubtful, until the
exchange, asked for the id that its book has reached, says that there was nothing to tell. A stream that has not come to
such an id, or to one of the best bid and ask of the same book, for longer than the bound is dead: also where it still
brings what is older.
"""

import enum
from collections import deque

#: A silence of so many mean gaps between messages, or of so many of the longest one lately, is quiet.
MEAN_GAPS, LONGEST_GAPS = 8.0, 2.0
_WEIGHT_OF_ONE = 0.1
_FADING = 0.98


class Life(enum.Enum):
    LIVE = "LIVE"  # a pong is proof enough
    DOUBTFUL = "DOUBTFUL"  # silent for longer than usual: ask
    DEAD = "DEAD"  # ids exist that it did not bring


class DepthWatch:
    """The depth stream of one instrument, over all its connections.

    Args:
        bound_s: the longest that it may be behind what is known to exist.
    """

    def __init__(self, bound_s: float) -> None:
        self.bound_s = bound_s
        self._messages = 0
        self._heard_s: float | None = None
        self._mean_s = 0.0
        self._longest_s = 0.0
        self._depth_id = self._quote_id = self._known_id = self._explained_id = -1
        self._ahead: deque[tuple[int, float]] = deque()  # ids that the stream has not come to, and since when known
        self._asked_s: float | None = None

    def saw(self, now_s: float, messages: int, depth_id: int, quote_id: int) -> None:
        """What has come so far: messages of the depth stream and its last update id, and that of the best bid and
        ask; -1 before the first."""
        if messages != self._messages:
            self._heard(now_s, messages - self._messages)
            self._messages = messages
        if depth_id >= 0 and depth_id != self._depth_id:
            self._reached(depth_id, now_s)
        if quote_id < self._quote_id:
            self._forget()  # the ids began anew
        self._quote_id = quote_id
        if quote_id > self._explained_id:
            self._know(quote_id, now_s)

    def _reached(self, depth_id: int, now_s: float) -> None:
        spoke, known_id = self._depth_id >= 0, self._known_id
        if depth_id < self._depth_id:
            self._forget()  # what was known is of the former ids
        self._depth_id = depth_id
        if not spoke:  # what was known before it spoke was not late
            self._forget()
            self._know(known_id, now_s)
        while self._ahead and self._ahead[0][0] <= depth_id:
            self._ahead.popleft()

    def _know(self, update_id: int, now_s: float) -> None:
        """An update of this id exists."""
        if update_id > max(self._known_id, self._depth_id):
            self._ahead.append((update_id, now_s))
        self._known_id = max(self._known_id, update_id)

    def _forget(self) -> None:
        self._known_id = self._explained_id = -1
        self._ahead.clear()

    def _heard(self, now_s: float, count: int) -> None:
        if self._heard_s is not None and count > 0:
            gap = now_s - self._heard_s
            each = gap / count
            self._mean_s += (each - self._mean_s) * (_WEIGHT_OF_ONE if self._mean_s else 1.0)
            self._longest_s = max(self._longest_s * _FADING, gap)
        self._heard_s, self._asked_s = now_s, None

    def asked(self, now_s: float, book_id: int) -> None:
        """The exchange's own book has come to ``book_id``, which it was asked for at ``now_s``."""
        self._asked_s = now_s
        if self._depth_id < 0:  # it has not spoken yet: what is told from here on is to come over it
            known_id = self._known_id
            self._forget()
            self._depth_id = max(book_id, known_id)
        if book_id <= self._depth_id < self._known_id:  # quotes up to that id told of nothing that is in the book
            explained_id = self._known_id
            self._forget()
            self._explained_id, self._known_id = explained_id, self._depth_id
        self._know(book_id, now_s)

    def restarted(self) -> None:
        """The stream begins anew, maybe with other ids."""
        self._heard_s = self._asked_s = None
        self._depth_id = self._quote_id = -1
        self._forget()

    @property
    def usual_silence_s(self) -> float:
        """How long a silence is no wonder."""
        return max(self.bound_s, MEAN_GAPS * self._mean_s, LONGEST_GAPS * self._longest_s)

    def life(self, now_s: float) -> Life:
        if self._depth_id >= 0 and self._ahead and now_s - self._ahead[0][1] > self.bound_s:
            return Life.DEAD
        if self._heard_s is None:
            return Life.LIVE if self._asked_s is not None and now_s - self._asked_s <= self.bound_s else Life.DOUBTFUL
        silence = now_s - self._heard_s
        recently_asked = self._asked_s is not None and now_s - self._asked_s <= self.bound_s
        return Life.LIVE if silence <= self.usual_silence_s or recently_asked else Life.DOUBTFUL
