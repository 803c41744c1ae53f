"""The weight that may still be spent on requests, by the exchange's own windows. Pure; time is handed in.

The windows are fixed: a minute begins at :00 of the exchange's clock. What is counted here is corrected by each
answer, which tells what the exchange has counted, requests of others from the same address included.

Source: Binance Spot API docs, rest-api.md (limits); web-socket-api.md (calendar windows).
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from ida_binance.instruments import RateLimit

NS_PER_S = 1_000_000_000
_SECONDS = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86400}
_LETTERS = {"S": 1, "M": 60, "H": 3600, "D": 86400}
_USED = re.compile(r"x-mbx-used-weight-([1-9][0-9]{0,5})([smhd])", re.IGNORECASE)
#: What is known of the limits before exchangeInfo told them.
DEFAULT_LIMITS = (RateLimit("REQUEST_WEIGHT", "MINUTE", 1, 6000),)
#: The part of each limit that is spent at most; the rest is for what others on this address do meanwhile.
SHARE = 0.9


class Window(NamedTuple):
    seconds: int
    limit: int


class Budget:
    """Weight spent and to spend. Times are local, in ns; ``offset_ns`` is the exchange's clock less ours."""

    def __init__(self, limits: Iterable[RateLimit] = DEFAULT_LIMITS) -> None:
        self.offset_ns = 0
        self.paused_until_ns = 0
        self.banned_until_ns = 0
        self._windows: tuple[Window, ...] = ()
        self._used: dict[int, tuple[int, int]] = {}  # by length of the window: its number, and the weight spent in it
        self.learn(limits)

    def learn(self, limits: Iterable[RateLimit]) -> None:
        """Take the limits that exchangeInfo tells; without any of weight, those that were known stay."""
        found = {
            _SECONDS[limit.interval] * limit.interval_num: limit.limit
            for limit in limits
            if limit.rate_limit_type == "REQUEST_WEIGHT" and limit.interval in _SECONDS
            and limit.interval_num > 0 and limit.limit > 0
        }  # fmt: skip
        if found:
            self._windows = tuple(Window(seconds, limit) for seconds, limit in sorted(found.items()))

    def left(self, now_ns: int) -> int:
        """Weight that may be spent now, in the tightest window; 0 while a pause or ban lasts."""
        if now_ns < self.closed_until_ns:
            return 0
        return max(0, min(int(w.limit * SHARE) - self._spent(w, now_ns) for w in self._windows))

    @property
    def closed_until_ns(self) -> int:
        """Until when nothing may be asked; in the past where all is well."""
        return max(self.paused_until_ns, self.banned_until_ns)

    @property
    def least_limit(self) -> int:
        """Weight that the tightest window holds; more than this is never granted."""
        return min(int(w.limit * SHARE) for w in self._windows)

    def wait_s(self, weight: int, now_ns: int) -> float:
        """How long until ``weight`` may be spent; 0: now. More than a whole window is waited for as one."""
        wait = max(0, self.closed_until_ns - now_ns)
        for window in self._windows:
            spent, most = self._spent(window, now_ns), int(window.limit * SHARE)
            if spent and spent + weight > most:
                wait = max(wait, self._window_end_ns(window, now_ns) - now_ns)
        return wait / NS_PER_S

    def spend(self, weight: int, now_ns: int) -> None:
        """A request of this weight goes out now."""
        for window in self._windows:
            self._used[window.seconds] = (self._number(window.seconds, now_ns), self._spent(window, now_ns) + weight)

    def correct(self, headers: Mapping[str, str], sent_ns: int, received_ns: int) -> None:
        """Take the exchange's own count from an answer's headers, where it is higher than ours.

        An answer that came over the end of a window tells of the former one, or of the new: it is passed over.
        """
        for name, value in headers.items():
            found = _USED.fullmatch(name)
            if not found or not value.isascii() or not value.isdigit() or len(value) > 15:
                continue
            seconds = int(found[1]) * _LETTERS[found[2].upper()]
            number = self._number(seconds, received_ns)
            if number != self._number(seconds, sent_ns):
                continue
            former, spent = self._used.get(seconds, (number, 0))
            self._used[seconds] = (number, max(int(value), spent if former == number else 0))

    def pause(self, until_ns: int) -> None:
        """429: all requests wait until then."""
        self.paused_until_ns = max(self.paused_until_ns, until_ns)

    def ban(self, until_ns: int) -> None:
        """418: nothing may be sent until then."""
        self.banned_until_ns = max(self.banned_until_ns, until_ns)

    def _number(self, seconds: int, now_ns: int) -> int:
        return (now_ns + self.offset_ns) // (seconds * NS_PER_S)

    def _spent(self, window: Window, now_ns: int) -> int:
        number, spent = self._used.get(window.seconds, (-1, 0))
        return spent if number == self._number(window.seconds, now_ns) else 0

    def _window_end_ns(self, window: Window, now_ns: int) -> int:
        length = window.seconds * NS_PER_S
        return (self._number(window.seconds, now_ns) + 1) * length - self.offset_ns


def clock(ns: int) -> str:
    """A moment in words, UTC.

    >>> clock(1_763_800_000_000_000_000)
    '2025-11-22T08:26:40Z'
    """
    return datetime.fromtimestamp(ns // NS_PER_S, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
