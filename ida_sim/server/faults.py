"""What the server does wrong when it is asked to: faults with a place, a count or a duration, and a chance.

Whoever could do something wrong asks here first: the wire for each chunk of bytes, a stream for each message, an
endpoint for each answer. What is asked costs a look into a set while there is no such fault. Times are seconds on the
clock that is handed in, so that a test may run on simulated time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from random import Random
from typing import Annotated, Any, NamedTuple

import msgspec
import trio

from ida_core import ConfigError, suggestion

#: Where a fault is felt: in the bytes of a connection, in one message of a stream, in the answer to one request, as
#: something the whole connection meets at once, or in what the server's clock says.
BYTES, MESSAGE, ANSWER, MOMENT, CLOCK = "bytes", "message", "answer", "moment", "clock"
#: What a ``5xx`` may say instead of what fits its status.
CODES = (0, -1000, -1001, -1006, -1007, -1008)
SERVICES = ("any", "rest", "streams", "ws-api")
SNAPSHOTS = ("old", "torn", "other-symbol")

#: So long, s, or so far off is a clock at most.
YEARS_S = 10 * 366 * 86_400
Number = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
Count = Annotated[int, msgspec.Meta(ge=0)]


class Kind(NamedTuple):
    """``once``: with neither count nor duration it strikes a single time, and else until it is deleted."""

    place: str
    once: bool
    about: str


KINDS: Mapping[str, Kind] = {
    "cut": Kind(BYTES, True, "closes the TCP connection, `after_bytes` into what is sent"),
    "reset": Kind(BYTES, True, "the same with a TCP RST"),
    "half-open": Kind(BYTES, True, "goes silent for good without closing: nothing is sent, nothing read"),
    "stall": Kind(BYTES, False, "sends nothing while it lasts, then all of it"),
    "slow": Kind(BYTES, False, "sends `bytes_per_s` bytes a second"),
    "delay": Kind(BYTES, False, "sends everything `delay_ms` late, in order"),
    "jitter": Kind(BYTES, False, "sends everything up to `delay_ms` late, by chance, in order"),
    "drop": Kind(MESSAGE, True, "leaves a message out"),
    "duplicate": Kind(MESSAGE, True, "sends a message twice"),
    "reorder": Kind(MESSAGE, True, "sends a message after the next one of its stream"),
    "corrupt": Kind(MESSAGE, True, "spoils one byte of a message, by chance"),
    "late": Kind(MESSAGE, False, "sends the messages of a stream `delay_ms` late, in order"),
    "silence": Kind(MESSAGE, False, "says nothing on a stream, while the connection lives and is pinged"),
    "wrong-snapshot": Kind(ANSWER, True, "answers a depth request wrongly: `snapshot` old, torn or other-symbol"),
    "5xx": Kind(ANSWER, True, "answers with `status`, 500 to 599, and carries nothing out"),
    "5xx-after": Kind(ANSWER, True, "carries a request out, and then answers with `status`"),
    "lost-reply": Kind(ANSWER, True, "carries a request out, and never answers it"),
    "cut-reply": Kind(ANSWER, True, "carries a request out, and closes the connection instead of answering"),
    "429": Kind(ANSWER, True, "answers that the limit is used up, for `retry_after_s`"),
    "418": Kind(ANSWER, True, "answers that the address is banned, for `retry_after_s`"),
    "slow-answer": Kind(ANSWER, False, "carries a request out at once, and answers `delay_ms` late"),
    "slow-request": Kind(ANSWER, False, "receives a request `delay_ms` late, and carries it out then"),
    "fill-before-cancel": Kind(ANSWER, True, "has half of what rests of an order filled just before its cancel is "
                               "carried out"),
    "late-engine": Kind(ANSWER, True, "has the matching engine look at an order `delay_ms` later: it may be too old by "
                        "then"),
    "ban": Kind(MOMENT, True, "bans everybody for `retry_after_s`: 418 for every request, no new connection"),
    "terminate-user-data": Kind(MOMENT, True, "ends subscriptions to user data with `eventStreamTerminated`"),
    "24h-close": Kind(MOMENT, True, "closes websockets as after 24 hours"),
    "server-shutdown": Kind(MOMENT, True, "sends `serverShutdown`, and closes websockets after `delay_ms`"),
    "clock-offset": Kind(CLOCK, False, "moves the server's clock by `offset_ms`"),
}


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """One thing to do wrong, as a user asks for it.

    Args:
        kind: what, a key of ``KINDS``.
        service: on REST, the market ``streams``, the ``ws-api``, or ``any``.
        path: on requests of this REST path or WebSocket API method; ``*`` and ``?`` as in a shell. With a verb,
            ``POST /api/v3/order``, on those of it alone.
        stream: on messages of this stream, ``*`` and ``?`` likewise; user data are ``userData@`` and the event, with
            what happened after a report: ``userData@executionReport@TRADE``.
        connection: on the connection of this number alone.
        after: so many occasions are let pass first.
        count: strikes so many times, then it is over.
        duration_s: is over after so many seconds.
        probability: of striking at an occasion.
        seed: of that chance, and of jitter and corruption.
        delay_ms: of the kinds that delay, and from the notice of a shutdown to the close.
        bytes_per_s: of ``slow``.
        after_bytes: of ``cut``, ``reset`` and ``half-open``: sends so many bytes more.
        status: of ``5xx`` and ``5xx-after``.
        code: Binance's in them: -1000, -1001, -1006, -1007 or -1008; 0: what fits the status.
        retry_after_s: of ``429``, ``418`` and ``ban``.
        snapshot: of ``wrong-snapshot``.
        offset_ms: of ``clock-offset``; positive: the server's clock is ahead.
    """

    kind: str
    service: str = "any"
    path: str = "*"
    stream: str = "*"
    connection: int | None = None
    after: Count = 0
    count: Annotated[int, msgspec.Meta(ge=1)] | None = None
    duration_s: Number | None = None
    probability: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    seed: int = 0
    delay_ms: Number = 1000.0
    bytes_per_s: Annotated[float, msgspec.Meta(gt=0, le=1e12)] = 1000.0
    after_bytes: Count = 0
    status: Annotated[int, msgspec.Meta(ge=500, le=599)] = 503
    code: int = 0
    retry_after_s: Annotated[int, msgspec.Meta(ge=1, le=YEARS_S)] = 5
    snapshot: str = "old"
    offset_ms: Annotated[float, msgspec.Meta(ge=-1000 * YEARS_S, le=1000 * YEARS_S)] = 0.0

    def __post_init__(self) -> None:
        for name, allowed in (("kind", KINDS), ("service", SERVICES), ("snapshot", SNAPSHOTS)):
            value = getattr(self, name)
            if value not in allowed:
                raise ValueError(f"there is no {name} {value!r}{suggestion(value, allowed)}")
        if self.code not in CODES:
            raise ValueError(f"code = {self.code} must be one of {', '.join(map(str, CODES))}")


class Target(NamedTuple):
    """Who asks: ``service`` as in ``Fault``; ``path`` of a request, and its ``verb`` on REST, or ``stream`` of a
    message, empty where there is none; ``connection``: its number, -1 where there is none."""

    service: str
    connection: int = -1
    path: str = ""
    stream: str = ""
    verb: str = ""


class Placed:
    """A fault that is in force, until ``over`` is set."""

    def __init__(self, number: int, fault: Fault, now_s: float) -> None:
        self.id, self.fault, self.place = number, fault, KINDS[fault.kind].place
        self.random = Random(fault.seed)
        self.asked = self.struck = 0
        self.over = trio.Event()
        self.end_s = float("inf") if fault.duration_s is None else now_s + fault.duration_s
        self.left = fault.count or (1 if KINDS[fault.kind].once and fault.duration_s is None else None)

    def concerns(self, target: Target) -> bool:
        """Whether ``target`` lies within the fault's scope."""
        fault = self.fault
        return (
            fault.service in ("any", target.service)
            and fault.connection in (None, target.connection)
            and (not target.path or fnmatchcase(self._path_of(target), fault.path))
            and (not target.stream or fnmatchcase(target.stream, fault.stream))
        )

    def _path_of(self, target: Target) -> str:
        return f"{target.verb} {target.path}" if " " in self.fault.path else target.path

    def strikes(self) -> bool:
        """Count an occasion, and tell whether it is struck."""
        self.asked += 1
        if self.asked <= self.fault.after or (self.fault.probability < 1 and self._is_spared()):
            return False
        self.struck += 1
        return True

    def _is_spared(self) -> bool:
        return self.random.random() >= self.fault.probability

    def state(self, now_s: float) -> dict[str, Any]:
        """As the control endpoint shows it."""
        left = None if self.end_s == float("inf") else round(self.end_s - now_s, 3)
        asked: dict[str, Any] = msgspec.to_builtins(self.fault)
        return {"id": self.id, **asked, "struck": self.struck, "strikes_left": self.left, "seconds_left": left}


Listener = Callable[[Placed], None]


class Faults:
    """All faults in force.

    Args:
        now_s: the clock of durations, seconds; ``trio.current_time`` fits.
    """

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._placed: dict[int, Placed] = {}
        self._last = 0
        self._listeners: list[Listener] = []
        #: The places where a fault is in force: what is not among them need not be asked for.
        self.armed: frozenset[str] = frozenset()

    def place(self, fault: Fault) -> Placed:
        """Put a fault into force. Listeners hear of it at once, so that a connection where nothing moves meets it."""
        self._last += 1
        placed = Placed(self._last, fault, self._now_s())
        self._placed[placed.id] = placed
        self._arm()
        for listener in tuple(self._listeners):
            listener(placed)
        if placed.place == MOMENT:
            placed.struck += 1
            self.remove(placed.id)
        return placed

    def remove(self, number: int) -> bool:
        """End a fault; False: there is none of this number."""
        placed = self._placed.pop(number, None)
        if placed is None:
            return False
        placed.over.set()
        self._arm()
        return True

    def clear(self) -> None:
        for number in tuple(self._placed):
            self.remove(number)

    def take(self, place: str, target: Target, kinds: Collection[str] = KINDS) -> Placed | None:
        """The fault of these kinds that strikes ``target`` on this occasion, or None; a strike is counted.

        Faults are asked in the order they came in; the first that strikes is the answer. One that is over after this
        strike, ``over`` already set, still holds for this occasion.
        """
        if place not in self.armed:
            return None
        for placed in self._in_force():
            fitting = placed.place == place and placed.fault.kind in kinds
            if fitting and placed.concerns(target) and placed.strikes():
                self._count_down(placed)
                return placed
        return None

    def add_listener(self, listener: Listener) -> None:
        """Have ``listener`` called with every fault placed; it must not block."""
        self._listeners.append(listener)

    @contextmanager
    def listening(self, listener: Listener) -> Iterator[None]:
        """The same while the block lasts."""
        self.add_listener(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    async def wait_over(self, placed: Placed) -> None:
        """Return when ``placed`` is deleted, struck for the last time or its duration has passed."""
        with trio.move_on_after(max(0.0, placed.end_s - self._now_s())):
            await placed.over.wait()

    @property
    def clock_offset_ns(self) -> int:
        """What is to be added to the server's clock."""
        if CLOCK not in self.armed:
            return 0
        return int(sum(p.fault.offset_ms for p in self._in_force() if p.place == CLOCK) * 1_000_000)

    def state(self) -> list[dict[str, Any]]:
        now_s = self._now_s()
        return [placed.state(now_s) for placed in self._in_force()]

    def _count_down(self, placed: Placed) -> None:
        if placed.left is not None:
            placed.left -= 1
            if placed.left <= 0:
                self.remove(placed.id)

    def _in_force(self) -> list[Placed]:
        now_s = self._now_s()
        for placed in tuple(self._placed.values()):
            if placed.end_s <= now_s:
                self.remove(placed.id)
        return list(self._placed.values())

    def _arm(self) -> None:
        self.armed = frozenset(placed.place for placed in self._placed.values())


def read_fault(data: Any) -> Fault:
    """A fault from what JSON or TOML held.

    Raises:
        ConfigError: an unknown kind, key or value; the message names it.
    """
    try:
        return msgspec.convert(data, Fault)
    except msgspec.ValidationError as error:
        raise ConfigError(f"fault: {error}") from None
