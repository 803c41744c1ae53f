"""What faults do to a message between the market and a connection: lost, doubled, late, out of order, spoiled."""

from __future__ import annotations

from collections import deque
from random import Random

import trio

from ida_sim.server.channels import Framed
from ida_sim.server.faults import MESSAGE, Faults, Target

_Place = tuple[int, str]


class MessageFaults:
    """Asks ``faults`` about each message, and keeps what is to go out later."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        #: Messages that wait for the next one of their stream, and those that wait for their time.
        self._swapped: dict[_Place, tuple[Framed, bytes]] = {}
        self._late: dict[_Place, deque[tuple[float, Framed, bytes]]] = {}

    @property
    def are_there(self) -> bool:
        """A fault is in force, or messages are kept back."""
        return MESSAGE in self._faults.armed or bool(self._swapped or self._late)

    def deliver(self, listener: Framed, name: str, frame: bytes, target: Target | None = None) -> None:
        """Put ``frame`` to ``listener``, or what becomes of it.

        Args:
            name: of what keeps its order, a stream.
            target: what faults are asked about, where it is more than that stream.
        """
        place = (listener.number, name)
        placed = self._faults.take(MESSAGE, target or Target("streams", listener.number, stream=name))
        kind = placed.fault.kind if placed else ""
        if kind in ("drop", "silence"):
            return
        if placed and kind == "corrupt":
            frame = spoiled(frame, placed.random)
        if (placed and kind == "late") or place in self._late:
            due_s = trio.current_time() + (placed.fault.delay_ms / 1000 if placed and kind == "late" else 0.0)
            self._late.setdefault(place, deque()).append((due_s, listener, frame))
            return
        if kind == "reorder" and place not in self._swapped:
            self._swapped[place] = (listener, frame)
            return
        for _ in range(2 if kind == "duplicate" else 1):
            listener.frames.append(frame)
        if (swapped := self._swapped.pop(place, None)) is not None:
            listener.frames.append(swapped[1])

    def release(self, now_s: float) -> None:
        """Send what has waited long enough; in order, so one that waits for longer keeps those behind it."""
        for place, waiting in list(self._late.items()):
            while waiting and waiting[0][0] <= now_s:
                _, listener, frame = waiting.popleft()
                listener.frames.append(frame)
            if not waiting:
                del self._late[place]

    def forget(self, number: int) -> None:
        """The connection is gone, and what waits for it too."""
        for place in [place for place in (*self._swapped, *self._late) if place[0] == number]:
            self._swapped.pop(place, None)
            self._late.pop(place, None)


def spoiled(frame: bytes, random: Random) -> bytes:
    """``frame`` with one byte of its text changed for another printable one."""
    head = {126: 4, 127: 10}.get(frame[1], 2)
    at = random.randrange(head, len(frame))
    other = random.choice([byte for byte in range(0x21, 0x7F) if byte != frame[at]])
    return frame[:at] + bytes((other,)) + frame[at + 1 :]
