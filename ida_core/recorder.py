"""What came over a wire, kept in files that are read as recordings: a thin hand on ``csrc/recorder``."""

import glob
import os
import weakref
from pathlib import Path
from typing import Any, Self

import msgspec

from ida_core.errors import OutputError
from ida_core.native import ffi, lib

QUEUE_BYTES = 16 << 20
FLUSH_S = 1.0
LEVEL = 6
_NS_PER_S = 1_000_000_000


class RecorderState(msgspec.Struct, frozen=True):
    """How a recorder stands.

    ``lines`` and ``text_bytes`` (their stamps included) are those in the files, ``file_bytes`` what the ``files`` take
    (gzip, if ``packed``). ``dropped`` lines are in none: the queue was full, a line too long, or writing failed.
    ``newest_ns`` is the stamp of the newest line in a file, -1 before. ``error`` is the first failure, ``failing``
    the newest write's; empty if it went well.
    """

    lines: int
    text_bytes: int
    file_bytes: int
    files: int
    dropped: int
    newest_ns: int
    packed: bool
    error: str
    failing: str


class Recorder:
    """Writes lines ``STAMP TEXT`` into files ``STEM-00000.gz``, ``STEM-00001.gz``, ... of a directory.

    A line costs its author a copy: a thread packs and writes. When it cannot keep up lines are dropped and counted,
    and a line of stream ``!dropped`` stands in their place. No file is written over. One thread.

    Args:
        directory: made if it is not there.
        head: the text of the line that each file begins with; none if empty.
        flush_s: a line is in its file this much later at most; so much is lost if the process is killed.
        rotate_s, rotate_bytes: when a new file is begun; 0: never.
        level: of packing, 1 (fast) to 9 (small); 0: plain text, as where the system has no zlib.
    Raises:
        OutputError: the first file cannot be created, or a setting cannot be.
    """

    def __init__(
        self, directory: str | Path, stem: str, head: bytes = b"", *, flush_s: float = FLUSH_S, rotate_s: float = 0.0,
        rotate_bytes: int = 0, level: int = LEVEL, queue_bytes: int = QUEUE_BYTES,
    ) -> None:  # fmt: skip
        self.directory, self.stem = Path(directory), stem
        self._process, self._forked = os.getpid(), False
        self._last: RecorderState | None = None
        settings = ffi.new("ida_recorder_settings *", {
            "queue_bytes": queue_bytes, "flush_ns": int(flush_s * _NS_PER_S), "rotate_ns": int(rotate_s * _NS_PER_S),
            "rotate_bytes": rotate_bytes, "level": level,
        })  # fmt: skip
        error = ffi.new("int *")
        _make_directory(self.directory)
        place, name = os.fsencode(self.directory), os.fsencode(stem)
        self._pointer = lib.ida_recorder_open(place, name, settings, head, len(head), error)
        if not self._pointer:
            raise _problem(self.directory, os.strerror(error[0]))
        _RECORDERS.add(self)

    @property
    def pointer(self) -> Any:
        """The ``ida_recorder *``; good until ``close``."""
        return self._pointer

    def write(self, ts_local_ns: int, text: bytes) -> bool:
        """One message as it came; False: it was dropped, and counted."""
        self._refuse_forked()
        return bool(lib.ida_recorder_write(self._pointer, ts_local_ns, text, len(text)) == lib.IDA_OK)

    def write_as(self, ts_local_ns: int, stream: str, body: bytes) -> bool:
        """What came without the envelope of a stream, put into one; False: it was dropped, and counted."""
        self._refuse_forked()
        status = lib.ida_recorder_write_as(self._pointer, ts_local_ns, stream.encode(), body, len(body))
        if status == lib.IDA_BAD:
            raise OutputError(f"stream {stream!r}: a name without quotes, backslashes and control characters")
        return bool(status == lib.IDA_OK)

    def rotate(self) -> bool:
        """The next line begins a new file; False: no room to say so now."""
        self._refuse_forked()
        return bool(lib.ida_recorder_rotate(self._pointer) == lib.IDA_OK)

    def flush(self) -> None:
        """Return when all lines so far have been handed to the system, or were lost to an error (see ``state``)."""
        self._refuse_forked()
        lib.ida_recorder_flush(self._pointer)

    @property
    def state(self) -> RecorderState:
        """How it stands now; after ``close``, how it ended."""
        if self._last is not None:
            return self._last
        view = ffi.new("ida_recorder_view *")
        lib.ida_recorder_look(self._pointer, view)
        return _state(view)

    def close(self) -> RecorderState:
        """Write what is left and close. Harmless the second time, and in a forked child."""
        if self._last is None and os.getpid() == self._process:
            view = ffi.new("ida_recorder_view *")
            lib.ida_recorder_close(self._pointer, view)
            self._pointer, self._last = ffi.NULL, _state(view)
        return self.state

    def files(self) -> list[Path]:
        """The files that are there, in their order."""
        return sorted(self.directory.glob(f"{glob.escape(self.stem)}-[0-9]*"))

    def _refuse_forked(self) -> None:
        """In a forked child there is no thread that would write; a closed one has none either."""
        if self._forked or self._last is not None:
            why = "a forked process cannot write its parent's recording" if self._forked else "the recorder is closed"
            raise _problem(self.directory, why)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_RECORDERS: weakref.WeakSet[Recorder] = weakref.WeakSet()


def _forsake_all() -> None:
    for recorder in _RECORDERS:
        recorder._forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forsake_all)


def _make_directory(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _problem(directory, error.strerror or str(error)) from error


def _problem(directory: Path, why: str) -> OutputError:
    return OutputError(f"{directory}: {why}; a recording needs a folder that can be written to", code="IDA-E7240")


def _state(view: Any) -> RecorderState:
    return RecorderState(
        lines=view.lines, text_bytes=view.text_bytes, file_bytes=view.file_bytes, files=view.files,
        dropped=view.dropped, newest_ns=view.newest_ns, packed=bool(view.packed),
        error=os.strerror(view.error) if view.error else "", failing=os.strerror(view.failing) if view.failing else "",
    )  # fmt: skip
