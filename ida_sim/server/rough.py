"""What faults do to the bytes of a connection: cut, reset, half-open, stalled, slow, late.

The listener wraps each accepted connection, REST and WebSocket alike, below TLS, and says what it serves once it knows.
A cut comes after exactly the byte that it was asked for, as bytes go over the wire.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Awaitable
from contextlib import suppress
from socket import SHUT_WR, SO_LINGER, SOL_SOCKET
from typing import TypeVar

import trio

from ida_sim.server.faults import BYTES, Faults, Placed, Target

#: These end a connection, or what can be seen of it.
ENDINGS = ("cut", "reset", "half-open")
#: A service that no fault strikes.
UNTOUCHED = "control"
PACES_PER_S = 20
#: Bytes of one connection that may wait for their time; beyond that the server waits.
MOST_LATE_BYTES = 8 << 20
_NO_LINGER = struct.pack("ii", 1, 0)
Result = TypeVar("Result")


class RoughWires:
    """All connections of a server, as ``faults`` has them; ``run`` must run as long as any of them lives."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self._streams: dict[int, RoughStream] = {}
        self._half_open: list[trio.SocketStream] = []
        self._nursery: trio.Nursery | None = None

    def wrap(self, stream: trio.SocketStream, number: int) -> RoughStream:
        """The connection ``number``, in whose place it is used; no fault strikes before it ``serves`` something."""
        self._streams[number] = rough = RoughStream(self, stream, number)
        return rough

    def serves(self, number: int, service: str, path: str = "", verb: str = "") -> None:
        """From now on faults of this service strike the connection; one of REST may say for what path and verb."""
        if (stream := self._streams.get(number)) is not None:
            stream.target = None if service == UNTOUCHED else Target(service, number, path, verb=verb)

    def cut(self, number: int) -> None:
        """Close the connection where it is; nothing that waits is sent."""
        if (stream := self._streams.get(number)) is not None:
            stream.cut()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Send what is late, and meet faults where nothing is sent, until cancelled."""
        try:
            with self.faults.listening(self._meet):
                async with trio.open_nursery() as self._nursery:
                    task_status.started()
                    await trio.sleep_forever()
        finally:
            for rough in tuple(self._streams.values()):
                rough.close()  # who sends may be shielded from being cancelled
            for stream in self._half_open:
                stream.socket.close()

    def _meet(self, placed: Placed) -> None:
        if placed.fault.kind in ENDINGS:
            for stream in tuple(self._streams.values()):
                stream.meet()

    def start(self, stream: RoughStream) -> None:
        """Have the stream's late bytes sent."""
        assert self._nursery is not None, "RoughWires.run is not running"
        self._nursery.start_soon(stream.pump)

    def forget(self, stream: RoughStream) -> None:
        self._streams.pop(stream.number, None)

    def keep(self, stream: trio.SocketStream) -> None:
        """As long as this is open, the other side does not hear that the connection is gone: until the server ends."""
        self._half_open.append(stream)


class RoughStream(trio.abc.Stream):
    """A connection; made by ``RoughWires.wrap``. It has a hand of its own on the socket: closing the one it was made
    of is not seen by the other side, before this is closed too.

    Attributes:
        target: what faults are asked about; None as long as none may strike.
        sent: bytes handed to the connection.
    """

    def __init__(self, wires: RoughWires, stream: trio.SocketStream, number: int) -> None:
        self.number, self.sent = number, 0
        self.target: Target | None = None
        self._wires, self._faults = wires, wires.faults
        self._accepted, self._stream = stream, trio.SocketStream(stream.socket.dup())
        self._end: tuple[int, str] | None = None
        self._pace: Placed | None = None
        self._is_silent = self._is_closed = self._is_leaving = self._is_pumping = False
        self._waits: set[trio.CancelScope] = set()
        self._late: deque[tuple[float, bytes]] = deque()
        self._late_bytes = 0

    def meet(self) -> None:
        """A fault was placed: what ends a connection does not wait until something is sent."""
        if self.target is not None and self._end is None and not self._is_closed:
            placed = self._faults.take(BYTES, self.target, ENDINGS)
            if placed is not None:
                self._end_with(placed)

    def _end_with(self, placed: Placed) -> None:
        self._end = (self.sent + placed.fault.after_bytes, placed.fault.kind)
        if not placed.fault.after_bytes:
            self._finish(placed.fault.kind)

    def cut(self) -> None:
        """Close it, as the fault of this name does."""
        if not self._is_closed:
            self._finish("cut")

    def _finish(self, kind: str) -> None:
        if kind == "half-open":
            self._is_silent = True
            self._wires.keep(self._stream)
            return
        socket = self._stream.socket
        with suppress(OSError):  # the other side may be gone already
            if kind == "reset":
                socket.setsockopt(SOL_SOCKET, SO_LINGER, _NO_LINGER)
            else:
                socket.shutdown(SHUT_WR)
        self.close()

    def close(self) -> None:
        """At once, all hands on the socket."""
        self._is_closed = True
        self._wires.forget(self)
        self._accepted.socket.close()
        if not self._is_silent:
            self._stream.socket.close()
        for wait in self._waits:
            wait.cancel()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint_if_cancelled()
        due_s = await self._fate() if BYTES in self._faults.armed else 0.0
        if due_s or self._late:
            await self._send_late(bytes(data), due_s)
        else:
            await self._transmit(memoryview(data))

    async def _fate(self) -> float:
        """Meet what strikes now. When the bytes are due, on Trio's clock; 0 for at once."""
        placed = None if self.target is None else self._faults.take(BYTES, self.target)
        if placed is None:
            return 0.0
        fault = placed.fault
        if fault.kind in ENDINGS and self._end is None:
            self._end_with(placed)
        elif fault.kind == "stall":
            await self._while_open(self._last(placed))
        elif fault.kind == "slow":
            self._pace = placed
        elif fault.kind in ("delay", "jitter"):
            share = placed.random.random() if fault.kind == "jitter" else 1.0
            return trio.current_time() + share * fault.delay_ms / 1000
        return 0.0

    async def _last(self, placed: Placed) -> None:
        """As long as a fault lasts; one that was for this occasion alone, as long as it would have."""
        if not placed.over.is_set():
            await self._faults.wait_over(placed)
        elif placed.end_s != float("inf"):
            await trio.sleep_until(placed.end_s)

    async def _send_late(self, data: bytes, due_s: float) -> None:
        """Behind what waits already: nothing overtakes."""
        while self._late_bytes > MOST_LATE_BYTES:
            await self._while_open(trio.sleep(1 / PACES_PER_S))
        self._raise_if_over()
        self._late.append((max(due_s, self._late[-1][0] if self._late else 0.0), data))
        self._late_bytes += len(data)
        if not self._is_pumping:
            self._is_pumping = True
            self._wires.start(self)

    async def pump(self) -> None:
        """Send what waits, each at its time."""
        try:
            while self._late:
                due_s, data = self._late[0]
                await self._while_open(trio.sleep_until(due_s))
                await self._transmit(memoryview(data))
                self._late.popleft()
                self._late_bytes -= len(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._is_leaving = True
        self._is_pumping = False
        if self._is_leaving and not self._is_closed:
            self.close()

    async def _transmit(self, data: memoryview) -> None:
        """As much as comes before the end that was asked for, in the pace that was."""
        if self._end is not None and self.sent + len(data) >= self._end[0]:
            await self._in_pace(data[: max(0, self._end[0] - self.sent)])
            self._finish(self._end[1])
        else:
            await self._in_pace(data)
        self._raise_if_over()

    async def _in_pace(self, data: memoryview) -> None:
        placed, self._pace = self._pace, None
        ends = placed is not None and not placed.over.is_set()
        while placed is not None and len(data):
            step = max(1, int(placed.fault.bytes_per_s / PACES_PER_S))
            await self._hand_over(data[:step])
            data = data[step:]
            with trio.move_on_after(step / placed.fault.bytes_per_s):
                await self._while_open(self._faults.wait_over(placed) if ends else trio.sleep_forever())
                placed = None
        await self._hand_over(data)

    async def _hand_over(self, data: memoryview) -> None:
        """What a half-open connection sends is lost on the way."""
        self._raise_if_over()
        if len(data) and not self._is_silent:
            await self._stream.send_all(data)
            self.sent += len(data)

    def _raise_if_over(self) -> None:
        if self._is_closed:
            raise trio.BrokenResourceError("this connection was ended, by a fault or by the server")

    async def _while_open(self, wait: Awaitable[Result]) -> Result:
        """Wait, but no longer than the connection lives."""
        with trio.CancelScope() as scope:
            self._waits.add(scope)
            try:
                return await wait
            finally:
                self._waits.discard(scope)
        self._raise_if_over()
        raise AssertionError("only close ends a wait")

    async def _keep_silent(self) -> None:
        if self._is_silent:
            await self._while_open(trio.sleep_forever())

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        await self._keep_silent()
        data = await self._while_open(self._stream.receive_some(max_bytes))
        await self._keep_silent()
        return bytes(data)

    async def aclose(self) -> None:
        """Close it. What is late arrives all the same; a half-open one stays as it is until the server ends."""
        self._is_leaving = True
        try:
            if not self._is_closed and not self._is_silent and not self._late:
                await self._stream.aclose()
        finally:
            if not self._is_closed and (self._is_silent or not self._late):
                self.close()
        await trio.lowlevel.checkpoint()
