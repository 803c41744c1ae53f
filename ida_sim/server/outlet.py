"""The stream between a socket and trio-websocket: what is prepared goes out beside what the library says.

Both are put into one buffer, in order, and sent by one task, as much at once as there is.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

_OPCODE, _LENGTH, _MASKED = 0x0F, 0x7F, 0x80
#: How long a closed connection may take to hand over what is left, s.
LINGER_S = 1.0


class FrameCount:
    """Counts the frames that a client sends, pings and pongs included, from their heads."""

    def __init__(self, on_frame: Callable[[int], None]) -> None:
        self._on_frame = on_frame
        self._head = b""
        self._skip = 0

    def feed(self, data: bytes) -> None:
        """Look at the next bytes; ``on_frame`` is called with the opcode of each frame that begins in them."""
        at = 0
        while at < len(data):
            if self._skip:
                step = min(self._skip, len(data) - at)
                self._skip -= step
                at += step
                continue
            self._head += data[at : at + 1]
            at += 1
            self._begin()

    def _begin(self) -> None:
        head = self._head
        if len(head) < 2:
            return
        length, wide = head[1] & _LENGTH, {126: 2, 127: 8}.get(head[1] & _LENGTH, 0)
        if len(head) < 2 + wide:
            return
        if wide:
            length = int.from_bytes(head[2:], "big")
        self._skip = length + (4 if head[1] & _MASKED else 0)
        self._head = b""
        self._on_frame(head[0] & _OPCODE)


class Outlet(trio.abc.Stream):
    """Wraps ``stream``; ``run`` must run as long as it is used.

    Args:
        stream: of the accepted connection.
        head: what was read of it already.
        on_data: is shown what the client sends after its request.
        frames: what is to be sent is put there, whole frames; the list stays the same one.
    """

    def __init__(self, stream: trio.abc.Stream, head: bytes, on_data: Callable[[bytes], None],
                 frames: list[bytes]) -> None:
        self.frames = frames
        self.sending = 0
        self.sent = 0
        self.closed = trio.Event()
        self._stream, self._head, self._on_data = stream, head, on_data
        self._wanted = trio.Event()
        self._ending = False

    @property
    def backlog(self) -> int:
        """Bytes that the client has not taken yet, as far as they lie here."""
        return sum(map(len, self.frames)) + self.sending

    def wake(self) -> None:
        """Something was put into ``frames``."""
        self._wanted.set()

    def discard(self) -> None:
        """Forget what was not handed to the socket yet; it ends between two frames."""
        self.frames.clear()

    async def run(self) -> None:
        """Send what comes, until the stream is closed or broken."""
        try:
            while True:
                while self.frames:
                    data = b"".join(self.frames)
                    self.frames.clear()
                    self.sending = len(data)
                    await self._stream.send_all(data)
                    self.sent += self.sending
                    self.sending = 0
                if self._ending:
                    return
                self._wanted = trio.Event()
                await self._wanted.wait()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.sending = 0
        finally:
            await trio.aclose_forcefully(self._stream)
            self.closed.set()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint()
        if self._ending:
            raise trio.ClosedResourceError
        if self.closed.is_set():
            raise trio.BrokenResourceError
        self.frames.append(bytes(data))
        self.wake()

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if self._head:
            await trio.lowlevel.checkpoint()
            data, self._head = self._head, b""
            return data
        data = bytes(await self._stream.receive_some(max_bytes))
        self._on_data(data)
        return data

    async def aclose(self) -> None:
        """Send what is left, for a moment, and close."""
        self._ending = True
        self.wake()
        with trio.move_on_after(LINGER_S):
            await self.closed.wait()
        await trio.aclose_forcefully(self._stream)
