"""One websocket of the market streams: its subscriptions, its limits, and how it ends."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from typing import Any, NamedTuple
from urllib.parse import unquote

import msgspec
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection

from ida_sim.server.channels import MS_NS
from ida_sim.server.control_frames import answer
from ida_sim.server.outlet import Outlet
from ida_sim.server.streams import Streams
from ida_sim.server.wire import Envelope

#: What a client may not have taken yet, bytes: a slower one is closed.
MOST_BACKLOG = 16 << 20
#: The next batch of a market without a speed waits while a client has not taken so much.
ROOM = 1 << 20
#: And does so for so long, s, unless it takes nothing at all.
STUCK_S = 5.0
MESSAGES_A_SECOND = 5
GOING_AWAY, POLICY = 1001, 1008
_CLOSE_FRAME = 8
SHUTDOWN_STREAM = "!serverShutdown"


class Pace(NamedTuple):
    """When the server pings, what it waits for, and how long a connection lives; s."""

    ping_s: float = 20.0
    patience_s: float = 60.0
    life_s: float = 86_400.0
    close_s: float = 2.0


class Ending:
    """How a connection is to end, once somebody has decided; the first reason stays."""

    def __init__(self) -> None:
        self.decided = trio.Event()
        self.code, self.reason = GOING_AWAY, ""

    def decide(self, code: int, reason: str) -> None:
        if not self.decided.is_set():
            self.code, self.reason = code, reason
            self.decided.set()


def send_frames(outlet: Outlet | None, frames: list[bytes], ending: Ending) -> None:
    """Have ``frames`` sent, which are the outlet's own; who has not taken far too many is closed."""
    if outlet is None:
        frames.clear()
    elif frames:
        if outlet.sending and outlet.backlog > MOST_BACKLOG:
            outlet.discard()
            ending.decide(POLICY, "Too slow")
        else:
            outlet.wake()


class StreamConnection:
    """Keeps ``channels.Listener`` and ``control_frames.Subscriptions``.

    Args:
        number: of the connection, as faults name it.
        combined: whether messages tell their stream; clients may change it.
        unit_ns: of times, a million for ms.
    """

    service = "streams"

    def __init__(self, number: int, streams: Streams, *, combined: bool, unit_ns: int = MS_NS) -> None:
        self.number, self.unit_ns = number, unit_ns
        self.ending = Ending()
        self.outlet: Outlet | None = None
        self._streams, self._combined = streams, combined
        self._names: dict[str, None] = {}
        #: Whole frames to be sent; streams put theirs there directly.
        self.frames: list[bytes] = []
        self._seen_s, self._seen_sent = 0.0, -1
        self._spoken: deque[float] = deque(maxlen=MESSAGES_A_SECOND)

    # ------------------------------------------------------------- subscriptions

    @property
    def names(self) -> Collection[str]:
        return self._names

    @property
    def combined(self) -> bool:
        return self._combined

    @combined.setter
    def combined(self, wanted: bool) -> None:
        if wanted != self._combined:
            names = list(self._names)
            self.unsubscribe(names)
            self._combined = wanted
            self.subscribe(names)

    def subscribe(self, names: list[str]) -> None:
        for name in names:
            if name not in self._names:
                self._names[name] = None
                self._streams.subscribe(self, unquote(name))

    def unsubscribe(self, names: list[str]) -> None:
        for name in names:
            if name in self._names:
                del self._names[name]
                self._streams.unsubscribe(self, unquote(name))

    def enter(self) -> None:
        """The connection is open."""
        self._streams.connections.append(self)

    def mute(self) -> None:
        """It is about to be closed: nothing may come after that."""
        self.unsubscribe(list(self._names))
        self._streams.troubles.forget(self.number)

    def leave(self) -> None:
        """The connection is gone."""
        self.mute()
        self._streams.connections.remove(self)

    # ------------------------------------------------------------- what goes out

    def flush(self) -> None:
        """Have sent what was put into ``frames``."""
        send_frames(self.outlet, self.frames, self.ending)

    @property
    def has_room(self) -> bool:
        """Whether it may be sent more; who has taken nothing for long is not waited for."""
        outlet, now_s = self.outlet, trio.current_time()
        if outlet is None or outlet.backlog < ROOM or outlet.sent != self._seen_sent:
            self._seen_s, self._seen_sent = now_s, outlet.sent if outlet else 0
            return outlet is None or outlet.backlog < ROOM
        return self.ending.decided.is_set() or now_s - self._seen_s > STUCK_S

    def terminate(self) -> None:
        """There are no user data here."""

    def tell_shutdown(self, now_ns: int) -> None:
        """``serverShutdown``: no subscription is needed for it."""
        text = msgspec.json.encode({"e": "serverShutdown", "E": now_ns // self.unit_ns})
        self.frames.append(Envelope(SHUTDOWN_STREAM if self.combined else "").around(text))
        self.flush()

    # ------------------------------------------------------------- what comes in

    def count_frame(self, opcode: int) -> None:
        """Pings and pongs count as messages do."""
        if opcode == _CLOSE_FRAME:
            return
        now_s = trio.current_time()
        if len(self._spoken) == MESSAGES_A_SECOND and now_s - self._spoken[0] < 1.0:
            self.ending.decide(POLICY, "Too many messages")
        self._spoken.append(now_s)

    async def serve(self, websocket: WebSocketConnection) -> None:
        """Answer control frames until the connection is closed."""
        try:
            while True:
                message = await websocket.get_message()
                if not self.ending.decided.is_set():
                    text = message if isinstance(message, str) else message.decode(errors="replace")
                    await websocket.send_message(answer(text, self).decode())
        except ConnectionClosed:
            return

    def state(self) -> dict[str, Any]:
        """As the control endpoint shows it."""
        outlet = self.outlet
        return {
            "connection": self.number, "service": self.service, "streams": len(self._names),
            "sent_bytes": outlet.sent if outlet else 0, "backlog_bytes": outlet.backlog if outlet else 0,
        }
