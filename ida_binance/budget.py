"""What may still be asked of the exchange, by its own windows: weight, requests, connections, orders. Pure; time is
handed in.

The windows are fixed: a minute begins at :00 of the exchange's clock. What is counted here is corrected by each
answer, which tells what the exchange has counted, requests of others from the same address included. A part of each
limit is kept for what matters more: queries stop first, then orders, and cancels last.

Source: Binance Spot API docs, rest-api.md (limits; unfilled order count); web-socket-api.md (calendar windows).
"""

import enum
import re
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import Any, NamedTuple

from ida_binance.instruments import RateLimit

NS_PER_S = 1_000_000_000
_SECONDS = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86400}
_LETTERS = {"S": 1, "M": 60, "H": 3600, "D": 86400}
_COUNTED = re.compile(r"x-mbx-(used-weight|order-count)-([1-9][0-9]{0,5})([smhd])", re.IGNORECASE)
_MOST_COUNT = 10**15
#: Connection attempts of an address in five minutes; exchangeInfo does not tell.
CONNECTIONS_S, CONNECTIONS = 300, 300
#: What a connection to the WebSocket API weighs.
CONNECT_WEIGHT = 2


class Counted(enum.IntEnum):
    """What is counted: of the address, but ``ORDERS`` of the account."""

    WEIGHT = 1
    RAW = 2
    CONNECTIONS = 3
    ORDERS = 4


class Purpose(enum.Enum):
    """What a request is for: the part of each limit that it may use, the later ones being kept for what comes next."""

    QUERY = 0.9
    ORDER = 0.94
    CANCEL = 0.98


_TYPES = {"REQUEST_WEIGHT": Counted.WEIGHT, "RAW_REQUESTS": Counted.RAW, "ORDERS": Counted.ORDERS}
#: What is known of the limits before exchangeInfo told them.
DEFAULT_LIMITS = (
    RateLimit("REQUEST_WEIGHT", "MINUTE", 1, 6000), RateLimit("RAW_REQUESTS", "MINUTE", 5, 61_000),
    RateLimit("ORDERS", "SECOND", 10, 50), RateLimit("ORDERS", "DAY", 1, 160_000),
)  # fmt: skip
#: The part of each limit that is spent on queries at most; the rest is for orders, cancels, and for what others on this
#: address do meanwhile.
SHARE = Purpose.QUERY.value


class Window(NamedTuple):
    """``limit`` of what is counted in so many seconds."""

    counted: Counted
    seconds: int
    limit: int


class Told(NamedTuple):
    """What an answer says that the exchange has counted."""

    counted: Counted
    seconds: int
    amount: int


class Cell:
    """The counts of the window ``number``, and of the one after it: near its end nobody knows in which a request will
    be counted."""

    __slots__ = ("ahead", "number", "used")

    def __init__(self, number: int = -1, used: int = 0, ahead: int = 0) -> None:
        self.number, self.used, self.ahead = number, used, ahead

    def of(self, number: int) -> int:
        return self.used if number == self.number else self.ahead if number == self.number + 1 else 0

    def move(self, number: int) -> None:
        """Time has come to this window, or has gone on to a later one already."""
        if number > self.number:
            self.used, self.ahead = (self.ahead if number == self.number + 1 else 0), 0
            self.number = number

    def put(self, number: int, value: int) -> None:
        if number == self.number:
            self.used = value
        elif number == self.number + 1:
            self.ahead = value


class Budget:
    """Spent and to spend. Times are local, in ns; ``offset_ns`` is the exchange's clock less ours.

    ``guard_ns``: how far the moment at which the exchange counts a request may be from the one at which it is spent:
    so near to the end of a window it is counted in both.
    """

    def __init__(self, limits: Iterable[RateLimit] = DEFAULT_LIMITS) -> None:
        self.offset_ns = 0
        self.guard_ns = 0
        self.paused_until_ns = 0
        self.banned_until_ns = 0
        self.orders_paused_until_ns = 0
        self._windows: tuple[Window, ...] = (Window(Counted.CONNECTIONS, CONNECTIONS_S, CONNECTIONS),)
        self._cells: dict[tuple[Counted, int], Cell] = {}
        self._flying: dict[int, int] = {}  # orders that are not answered: by their ticket, how many
        self._ticket = self._heard = 0
        self.learn(DEFAULT_LIMITS)
        self.learn(limits)

    def learn(self, limits: Iterable[RateLimit]) -> None:
        """Take the limits that exchangeInfo tells; of what it does not tell, those that were known stay."""
        found = [
            Window(_TYPES[limit.rate_limit_type], _SECONDS[limit.interval] * limit.interval_num, limit.limit)
            for limit in limits
            if limit.rate_limit_type in _TYPES and limit.interval in _SECONDS
            and limit.interval_num > 0 and limit.limit > 0
        ]  # fmt: skip
        told = {window.counted for window in found}
        unique = {(w.counted, w.seconds): w for w in [*(w for w in self._windows if w.counted not in told), *found]}
        self._windows = tuple(unique[key] for key in sorted(unique))

    def of_account(self, fingerprint: str) -> None:
        """Whose orders are counted: for who shares the counts with others."""

    # ------------------------------------------------------------- what may be spent

    def left(self, now_ns: int) -> int:
        """Weight that queries may spend now, in the tightest window; 0 while a pause or ban lasts."""
        with self._held(now_ns):
            if now_ns < self.closed_until_ns:
                return 0
            return max(0, min(int(w.limit * SHARE) - self._spent(w, now_ns) for w in self._of(Counted.WEIGHT)))

    @property
    def closed_until_ns(self) -> int:
        """Until when nothing may be asked; in the past where all is well."""
        return max(self.paused_until_ns, self.banned_until_ns)

    @property
    def least_limit(self) -> int:
        """Weight that the tightest window holds; more than this is never granted."""
        return min(int(w.limit * SHARE) for w in self._of(Counted.WEIGHT))

    def wait_s(self, weight: int, now_ns: int, purpose: Purpose = Purpose.QUERY, orders: int = 0) -> float:
        """How long until that may be spent; 0: now. More than a whole window is waited for as one."""
        with self._held(now_ns):
            return self._wait_s(weight, now_ns, purpose, orders)

    def connect_wait_s(self, now_ns: int) -> float:
        """How long until one more connection may be attempted."""
        with self._held(now_ns):
            wait_ns = max(0, self.closed_until_ns - now_ns)
            for window in self._of(Counted.CONNECTIONS):
                wait_ns = max(wait_ns, self._wait_ns(window, 1, now_ns, SHARE))
            return wait_ns / NS_PER_S

    def spend(self, weight: int, now_ns: int, orders: int = 0) -> int:
        """A request of this weight goes out now; its ticket, for ``answered``."""
        with self._held(now_ns):
            return self._spend(weight, now_ns, orders)

    def take(self, weight: int, now_ns: int, purpose: Purpose, orders: int = 0) -> tuple[float, int]:
        """Spend it, if it may be spent: how long to wait (0: it is spent), and the ticket."""
        with self._held(now_ns):
            wait_s = self._wait_s(weight, now_ns, purpose, orders)
            return wait_s, 0 if wait_s else self._spend(weight, now_ns, orders)

    def connect(self, now_ns: int, weight: int = 0) -> None:
        """A connection is attempted now."""
        with self._held(now_ns):
            self._add(Counted.CONNECTIONS, 1, now_ns)
            self._add(Counted.WEIGHT, weight, now_ns)

    # ------------------------------------------------------------- what the exchange says

    def answered(self, ticket: int, told: Iterable[Told], sent_ns: int, received_ns: int, refund: int = 0) -> None:
        """Take the exchange's own counts: of weight where it is higher than ours. Its count of orders falls when they
        are filled: it is taken as it is, and orders that are on their way are added.

        An answer that came over the end of a window tells of the former one, or of the new: it is passed over.

        Args:
            ticket: of the request that is answered; 0: one that placed no orders.
            told: counts of the answer.
            refund: weight that was spent, and is not counted, for the request succeeded.
        """
        with self._held(received_ns):
            self._flying.pop(ticket, None)
            if refund:
                self._add(Counted.WEIGHT, -refund, received_ns)
            for counted, seconds, count in told:
                number = self._number(seconds, received_ns)
                if number == self._number(seconds, sent_ns) and 0 <= count < _MOST_COUNT:
                    self._correct(counted, seconds, count, number, ticket)
            self._heard = max(self._heard, ticket)

    def correct(self, headers: Mapping[str, str], sent_ns: int, received_ns: int) -> None:
        """As ``answered``, from the headers of an answer to a request that placed no orders."""
        self.answered(0, told_by_headers(headers), sent_ns, received_ns)

    def pause(self, until_ns: int) -> None:
        """429: all requests wait until then."""
        with self._held(0):
            self.paused_until_ns = max(self.paused_until_ns, until_ns)

    def pause_orders(self, until_ns: int) -> None:
        """-1015: nothing that places orders goes out until then."""
        self.orders_paused_until_ns = max(self.orders_paused_until_ns, until_ns)

    def ban(self, until_ns: int) -> None:
        """418: nothing may be sent until then."""
        with self._held(0):
            self.banned_until_ns = max(self.banned_until_ns, until_ns)

    # ------------------------------------------------------------- within one hold

    def _held(self, now_ns: int) -> AbstractContextManager[object]:
        """What is done within it is done at once, whoever shares the counts. ``now_ns``: 0 where no time was told."""
        return nullcontext()

    def _wait_s(self, weight: int, now_ns: int, purpose: Purpose, orders: int) -> float:
        amounts = {Counted.WEIGHT: weight, Counted.RAW: 1, Counted.ORDERS: orders}
        closed_ns = max(self.closed_until_ns, self.orders_paused_until_ns if orders else 0)
        wait_ns = max(0, closed_ns - now_ns)
        for window in self._windows:
            if amount := amounts.get(window.counted, 0):
                wait_ns = max(wait_ns, self._wait_ns(window, amount, now_ns, purpose.value))
        return wait_ns / NS_PER_S

    def _wait_ns(self, window: Window, amount: int, now_ns: int, share: float) -> int:
        cell, wait_ns, most = self._cell(window.counted, window.seconds), 0, int(window.limit * share)
        for number in self._numbers(window.seconds, now_ns):
            spent = cell.of(number)
            if spent and spent + amount > most:
                end_ns = (number + 1) * window.seconds * NS_PER_S - self.offset_ns + self.guard_ns
                wait_ns = max(wait_ns, end_ns - now_ns)
        return wait_ns

    def _spend(self, weight: int, now_ns: int, orders: int) -> int:
        self._add(Counted.WEIGHT, weight, now_ns)
        self._add(Counted.RAW, 1, now_ns)
        if not orders:
            return 0
        self._add(Counted.ORDERS, orders, now_ns)
        self._ticket += 1
        self._flying[self._ticket] = orders
        return self._ticket

    def _add(self, counted: Counted, amount: int, now_ns: int) -> None:
        if not amount:
            return
        for window in self._of(counted):
            cell, numbers = self._cell(counted, window.seconds), self._numbers(window.seconds, now_ns)
            cell.move(numbers[0])
            for number in numbers:
                cell.put(number, max(0, cell.of(number) + amount))

    def _correct(self, counted: Counted, seconds: int, count: int, number: int, ticket: int) -> None:
        cell = self._cell(counted, seconds)
        cell.move(number)
        if counted is Counted.ORDERS and ticket > self._heard:
            cell.put(number, self._lowered(cell.of(number), count + sum(self._flying.values()), seconds))
        else:
            cell.put(number, max(count, cell.of(number)))

    def _lowered(self, ours: int, theirs: int, seconds: int) -> int:
        """What to count on, where the newest word of the exchange's is ``theirs``."""
        return theirs

    def _of(self, counted: Counted) -> list[Window]:
        return [window for window in self._windows if window.counted is counted]

    def _cell(self, counted: Counted, seconds: int) -> Cell:
        key = counted, seconds
        cell = self._cells.get(key)
        if cell is None:
            cell = self._cells[key] = Cell()
        return cell

    def _number(self, seconds: int, now_ns: int) -> int:
        return (now_ns + self.offset_ns) // (seconds * NS_PER_S)

    def _numbers(self, seconds: int, now_ns: int) -> tuple[int, ...]:
        """The windows that a request of now may be counted in."""
        first, last = self._number(seconds, now_ns - self.guard_ns), self._number(seconds, now_ns + self.guard_ns)
        return (first,) if first == last else (first, last)

    def _spent(self, window: Window, now_ns: int) -> int:
        return self._cell(window.counted, window.seconds).of(self._number(window.seconds, now_ns))


def told_by_headers(headers: Mapping[str, str]) -> list[Told]:
    """The counts that stand in the headers of a REST answer.

    >>> told_by_headers({"X-MBX-ORDER-COUNT-10S": "7", "x-mbx-used-weight": "1"})
    [Told(counted=<Counted.ORDERS: 4>, seconds=10, amount=7)]
    """
    found = []
    for name, value in headers.items():
        match = _COUNTED.fullmatch(name)
        if match and value.isascii() and value.isdigit() and len(value) <= 15:
            counted = Counted.WEIGHT if match[1].lower() == "used-weight" else Counted.ORDERS
            found.append(Told(counted, int(match[2]) * _LETTERS[match[3].upper()], int(value)))
    return found


def told_by_limits(limits: Any) -> list[Told]:
    """The counts of a WebSocket API answer's ``rateLimits``, whatever came in their place.

    >>> told_by_limits([{"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 9, "count": 3}, 5])
    [Told(counted=<Counted.ORDERS: 4>, seconds=86400, amount=3)]
    """
    found = []
    for row in limits if isinstance(limits, list) else ():
        if not isinstance(row, dict):
            continue
        kind, interval = str(row.get("rateLimitType")), str(row.get("interval"))
        times, amount = row.get("intervalNum"), row.get("count")
        if kind in _TYPES and interval in _SECONDS and type(times) is int and type(amount) is int and times > 0:
            found.append(Told(_TYPES[kind], _SECONDS[interval] * times, amount))
    return found


def clock(ns: int) -> str:
    """A moment in words, UTC.

    >>> clock(1_763_800_000_000_000_000)
    '2025-11-22T08:26:40Z'
    """
    return datetime.fromtimestamp(ns // NS_PER_S, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
