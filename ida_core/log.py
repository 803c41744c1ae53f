"""The log of a run: a JSON object a line, written by a thread in C; what the level leaves out costs nothing."""

import os
import time
import weakref
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from ida_core.errors import OutputError
from ida_core.native import ffi, lib

Level = Literal["debug", "info", "warning", "error"]
LEVELS: tuple[Level, ...] = ("debug", "info", "warning", "error")
PLACES = 8192
NS_PER_S = 1_000_000_000

_ENCODE = msgspec.json.Encoder(enc_hook=str).encode


class Write(Protocol):
    """Writes a line: ``what`` is a stable word; ``ts_ns`` the time, now if it is left out."""

    def __call__(
        self, what: str, *, plugin: str = "", order_id: str = "", ts_ns: int | None = None, **fields: Any
    ) -> None: ...


def _write_nothing(
    what: str, *, plugin: str = "", order_id: str = "", ts_ns: int | None = None, **fields: Any
) -> None:
    """Stands in the place of each method that the level leaves out."""


class Log:
    """Writes lines of JSON: ``ts`` (UTC), ``level``, ``run``, ``what``, then ``plugin`` and ``order_id`` where
    they are given, then the fields. One thread.

    A line costs its author the formatting and a copy. When the writer cannot keep up lines are
    dropped, counted, and a line ``log_lines_dropped`` says how many.

    Args:
        path: appended to; readable by its owner alone.
        run_id: stands on each line.
        level: the least that is written.
        places: room for lines that wait to be written, a power of two.
    Raises:
        OutputError: the file cannot be opened.
    """

    debug: Write
    info: Write
    warning: Write
    error: Write

    def __init__(
        self, path: str | Path, run_id: str, level: Level = "info", *, places: int = PLACES
    ) -> None:
        self._path, self._run_id, self._process = path, run_id, os.getpid()
        self._second, self._date = -1, ""
        self._untold = self._failed_notices = 0
        self._forked = False
        error = ffi.new("int *")
        self._pointer = lib.ida_log_open(os.fsencode(path), places, error)
        if not self._pointer:
            raise self._problem(error[0])
        self._set_level(level)
        _LOGS.add(self)

    @classmethod
    def silent(cls) -> "Log":
        """A log that writes nothing, nowhere."""
        log = cls.__new__(cls)
        log._pointer = None
        log._set_level(None)
        return log

    def _set_level(self, least: Level | None) -> None:
        written = LEVELS[LEVELS.index(least) :] if least else ()
        for level in LEVELS:
            setattr(self, level, self._writer(level) if level in written else _write_nothing)

    def _writer(self, level: Level) -> Write:
        def write(
            what: str, *, plugin: str = "", order_id: str = "", ts_ns: int | None = None, **fields: Any
        ) -> None:
            if plugin:
                fields = {"plugin": plugin, **fields}
            if order_id:
                fields = {"order_id": order_id, **fields}
            if self._untold:
                self._tell_dropped()
            self._put(level, what, ts_ns, fields)

        return write

    def _put(self, level: str, what: str, ts_ns: int | None, fields: dict[str, Any]) -> bool:
        self._refuse_forked()
        ts = self._time(time.time_ns() if ts_ns is None else ts_ns)
        line = _line(dict(ts=ts, level=level, run=self._run_id, what=what, **fields), fields)
        if lib.ida_log_write(self._pointer, line, len(line)) == lib.IDA_OK:
            return True
        self._untold += 1
        return False

    def _tell_dropped(self) -> None:
        untold, self._untold = self._untold, 0
        if not self._put("warning", "log_lines_dropped", None, {"lines": untold}):
            self._untold = untold
            self._failed_notices += 1  # C counted it, but it was nobody's line

    def _time(self, ts_ns: int) -> str:
        second, ns = divmod(ts_ns, NS_PER_S)
        if second != self._second:
            self._second = second
            self._date = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._date}.{ns:09d}Z"

    @property
    def dropped(self) -> int:
        """Lines that are not in the file: no room to wait in, or writing them failed."""
        if self._pointer is None:
            return 0
        return int(lib.ida_log_dropped(self._pointer)) - self._failed_notices

    def flush(self) -> None:
        """Return when all lines so far are in the file.

        Raises:
            OutputError: some could not be written, now or before.
        """
        if self._pointer is None:
            return
        self._refuse_forked()
        if lib.ida_log_flush(self._pointer) != lib.IDA_OK:
            raise self._problem(lib.ida_log_error(self._pointer))

    def close(self) -> None:
        """Write what is left and close; ``OutputError`` if a line could not be written. Harmless the
        second time, and in a forked child."""
        if self._pointer is None or os.getpid() != self._process:
            return
        lib.ida_log_flush(self._pointer)
        if self._untold:
            self._tell_dropped()
        lib.ida_log_flush(self._pointer)
        error = lib.ida_log_error(self._pointer)
        pointer, self._pointer = self._pointer, None
        self._set_level(None)
        lib.ida_log_close(pointer)
        if error:
            raise self._problem(error)

    def _refuse_forked(self) -> None:
        """In a forked child there is no thread that would write what is put here."""
        if self._forked:
            text = f"{self._path}: a forked process cannot write the log of the one that it was forked from"
            raise OutputError(text, code="IDA-E7210")

    def _problem(self, errno: int) -> OutputError:
        rule = "the log needs a file it can append to"
        return OutputError(f"{self._path}: {os.strerror(errno)}; {rule}", code="IDA-E7210")

    def __enter__(self) -> "Log":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_LOGS: weakref.WeakSet[Log] = weakref.WeakSet()


def _forsake_all() -> None:
    for log in _LOGS:
        log._forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forsake_all)


def _line(record: dict[str, Any], fields: dict[str, Any]) -> bytes:
    """The line; fields that JSON cannot hold (a lone surrogate, a ring) become text."""
    try:
        return _ENCODE(record)
    except (TypeError, ValueError, OverflowError, RecursionError):
        head = {name: ascii(value)[1:-1] for name, value in record.items() if name not in fields}
        return _ENCODE({**head, "fields": ascii(fields)})
