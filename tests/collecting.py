"""A sink for a tap, that keeps what it is given."""

from typing import Any

import trio

from ida_core.native import ffi, lib
from ida_core.tap import Sink


class Collector:
    """A sink that keeps what it is given; what begins with ``?`` it wants shown."""

    def __init__(self) -> None:
        self.texts: list[bytes] = []
        self.stamps: list[int] = []
        self.shown: list[bytes] = []
        self.batches = 0
        self.changed = trio.Event()
        self._take = ffi.callback("int(void *, const char *, size_t, int64_t)", self._taken)
        self.sink = Sink(self._take, ffi.NULL)

    def _taken(self, _: Any, text: Any, size: int, stamp: int) -> int:
        message = bytes(ffi.buffer(text, size))
        if message.startswith(b"?"):
            return int(lib.IDA_SHOWN)
        self.texts.append(message)
        self.stamps.append(stamp)
        return int(lib.IDA_SUNK)

    def on_shown(self, text: bytes) -> None:
        self.shown.append(text)
        self._wake()

    def on_batch(self) -> None:
        self.batches += 1
        self._wake()

    def _wake(self) -> None:
        self.changed.set()
        self.changed = trio.Event()

    async def wait_for(self, messages: int) -> None:
        while len(self.texts) + len(self.shown) < messages:
            await self.changed.wait()
