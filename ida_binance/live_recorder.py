"""What a live feed takes in, recorded: a file begins with its instruments and gets snapshots of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from ida_binance.instruments import STREAM, ExchangeInfo
from ida_core.events import Note
from ida_core.recorder import Recorder, RecorderState

if TYPE_CHECKING:
    from ida_binance.live import BinanceConfig

#: How often it is looked whether a file has begun, or lines were lost.
LOOK_S = 0.1
MIB = 1 << 20


class LiveRecorder:
    """Records what an intake commits, as long as a run lasts. Files are ``FEED-TIME-00000.gz``, ...

    Args:
        name: of the feed.
        folder: made if it is not there.
        info: the exchange's answer, of which the files keep the part on ``symbols``.
    Raises:
        OutputError: the first file cannot be created.
    """

    def __init__(
        self, name: str, folder: Path, info: ExchangeInfo, symbols: Sequence[str], config: BinanceConfig
    ) -> None:
        self._name, self._folder = name, folder
        stem = f"{name}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
        head = b'{"stream":"%b","data":%b}' % (STREAM.encode(), info.part(symbols))
        self.recorder = Recorder(
            folder, stem, head, flush_s=config.record_flush_s, rotate_s=config.record_rotate_s,
            rotate_bytes=int(config.record_rotate_mib * MIB),
        )  # fmt: skip
        self._seen = (1, 0)
        self._failing = ""

    @property
    def state(self) -> RecorderState:
        return self.recorder.state

    async def run(self, refresh: Callable[[], None], tell: Callable[[Note], None]) -> None:
        """Until canceled: have snapshots asked for when a file has begun, or when lines were lost; tell failures."""
        while True:
            await trio.sleep(LOOK_S)
            state = self.state
            seen = (max(state.files, 1), state.dropped)
            if seen != self._seen:
                self._seen = seen
                refresh()
            if state.failing != self._failing:
                self._failing = state.failing
                tell(self._note(state))

    def _note(self, state: RecorderState) -> Note:
        word = f"cannot be written: {state.failing}" if state.failing else "is written again"
        detail = f"{self._folder}: the recording {word}; {state.dropped} messages are missing in it so far"
        return Note(what="recording", plugin=self._name, detail=detail, data={"dropped": state.dropped})

    def close(self) -> None:
        """Write what is left. Harmless the second time."""
        self.recorder.close()

    def warnings(self) -> list[str]:
        state, found = self.state, []
        if state.dropped:
            why = state.error or "the disk was too slow"
            found.append(f"{self._folder}: {state.dropped} messages could not be recorded ({why})")
        if not state.packed and state.files:
            found.append(f"{self._folder}: recorded as plain text, for this system has no zlib")
        return found
