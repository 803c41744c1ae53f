"""Sees what a plugin's code does while it runs: asks a clock, draws chance, reaches outside.

Nothing is replaced. A profile function sees each call into Python's own library, however it was imported; an audit
hook sees files, sockets and processes. What Ida does on a plugin's behalf (``ctx.place`` writes the journal) is not
held against it. An audit hook cannot be taken out again: one is put in per process, and it is idle but for a watch.
"""

from __future__ import annotations

import builtins
import datetime
import io
import os
import random
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

CLOCK, CHANCE, OUTSIDE, ALONE = "clock", "chance", "outside", "alone"


class Breach(NamedTuple):
    """``kind`` is one of the words above; ``where`` is ``file:line`` in the plugin."""

    kind: str
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


_CLOCKS = (
    "time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "process_time",
    "process_time_ns", "thread_time", "thread_time_ns", "localtime", "ctime", "clock_gettime",
)
_TABLE: dict[Any, tuple[str, str]] = {
    **{getattr(time, name): (CLOCK, f"time.{name}()") for name in _CLOCKS},
    datetime.datetime.now: (CLOCK, "datetime.now()"),
    datetime.datetime.utcnow: (CLOCK, "datetime.utcnow()"),
    datetime.datetime.today: (CLOCK, "datetime.today()"),
    datetime.date.today: (CLOCK, "date.today()"),
    random.random: (CHANCE, "random.random()"),
    random.getrandbits: (CHANCE, "the generator of module random"),
    os.urandom: (CHANCE, "os.urandom()"),
    time.sleep: (OUTSIDE, "time.sleep()"),
    builtins.print: (OUTSIDE, "print()"),
    builtins.input: (OUTSIDE, "input()"),
}
_SEED = random.Random.seed.__code__
_ENVIRON = type(os.environ).__getitem__.__code__
_STREAMS = (io.TextIOWrapper, io.BufferedWriter, io.BufferedReader, io.FileIO, socket.socket)
_STREAM_CALLS = ("write", "read", "readline", "readlines", "writelines", "flush", "recv", "send", "sendall", "connect")
_EVENTS = ("open", "os.", "socket.", "subprocess.", "shutil.", "sqlite3.", "urllib.", "tempfile.", "glob.", "pathlib.",
           "_thread.start_new_thread", "ftplib.", "smtplib.", "http.")


class Watch:
    """Collects what a plugin class does wrong inside ``running()``: lines of its package are its own."""

    profiles = True

    def __init__(self, kind: Any) -> None:
        self.kind = kind
        self.root = str(kind.__module__).partition(".")[0]
        self.breaches: dict[Breach, None] = {}
        self._edge: CodeType | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Watch this thread; the frames outside the block are nobody's."""
        global _watching
        former, outer = sys.getprofile(), _watching
        self._edge = sys._getframe(2).f_code
        _install()
        _watching = self
        if self.profiles:
            sys.setprofile(self._profile)
        try:
            yield
        finally:
            sys.setprofile(former)
            _watching = outer

    def _profile(self, frame: FrameType, event: str, arg: Any) -> None:
        if event == "c_call":
            found = _known(arg)
            if found is not None:
                self.note(found[0], found[1], frame)
        elif event == "call" and frame.f_code is _SEED and frame.f_locals.get("a") is None:
            self.note(CHANCE, "a Random without a seed", frame)
        elif event == "call" and frame.f_code is _ENVIRON:
            self.note(OUTSIDE, "os.environ", frame)

    def audit(self, event: str, args: tuple[Any, ...]) -> None:
        shown = f"{event}({args[0]!r})" if args and isinstance(args[0], str | bytes | int) else event
        self.note(OUTSIDE, shown, sys._getframe(2))

    def note(self, kind: str, what: str, frame: FrameType | None) -> None:
        where = self._blame(frame)
        if where is not None:
            self.breaches[Breach(kind, where, what)] = None

    def _blame(self, frame: FrameType | None) -> str | None:
        """The plugin's line that led here; None if it was Ida, an import, or nobody of the plugin."""
        mine = outermost = None
        while frame is not None and frame.f_code is not self._edge:
            module = str(frame.f_globals.get("__name__", ""))
            root = module.partition(".")[0]
            if root == "ida_core" or module.startswith("importlib"):
                return None
            mine = mine or (frame if root == self.root else None)
            outermost, frame = frame, frame.f_back
        blamed = mine or outermost
        return None if blamed is None or frame is None else f"{blamed.f_code.co_filename}:{blamed.f_lineno}"


def _known(function: Any) -> tuple[str, str] | None:
    try:
        found = _TABLE.get(function)
    except TypeError:  # bound to something without a hash
        found = None
    owner = getattr(function, "__self__", None)
    if found is None and isinstance(owner, _STREAMS) and function.__name__ in _STREAM_CALLS:
        return OUTSIDE, f"{type(owner).__name__}.{function.__name__}()"
    return found


class WriteWatch(Watch):
    """Collects only what is written outside of ``folder``, and what goes over the network or to other processes."""

    profiles = False

    def __init__(self, kind: Any, folder: Path) -> None:
        super().__init__(kind)
        self.folder = folder.resolve()

    def audit(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            paths = args[:1] if isinstance(args[2], int) and args[2] & _WRITING else ()
        elif event in _CHANGING:
            paths = args[: 2 if event in ("os.rename", "os.link", "os.symlink") else 1]
        else:
            paths = ()
            if event.startswith(("socket.", "subprocess.", "os.system", "os.exec", "urllib.")):
                self.note(OUTSIDE, event, sys._getframe(2))
        for path in paths:
            if isinstance(path, str | bytes | os.PathLike) and not self._is_inside(os.fsdecode(path)):
                self.note(OUTSIDE, f"writes {os.fsdecode(path)}", sys._getframe(2))

    def _is_inside(self, path: str) -> bool:
        return path == os.devnull or Path(os.path.abspath(path)).resolve().is_relative_to(self.folder)


_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGING = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate", "os.link", "os.symlink", "shutil.rmtree")

_watching: Watch | None = None
_installed = False


def _install() -> None:
    global _installed
    if not _installed:
        sys.addaudithook(_audit)
        _installed = True


def _audit(event: str, args: tuple[Any, ...]) -> None:
    watch = _watching
    if watch is None or not event.startswith(_EVENTS) or threading.current_thread() is not threading.main_thread():
        return
    watch.audit(event, args)


Wrapper = Callable[[str, Callable[..., Any]], Callable[..., Any]]


def wrapped(kind: Any, names: list[str], wrap: Wrapper) -> Any:
    """A subclass whose methods ``names`` pass through ``wrap(name, method)``; called and named the same."""
    body = {name: wrap(name, getattr(kind, name)) for name in names}
    return type(kind.__name__, (kind,), {"__module__": kind.__module__, "__qualname__": kind.__qualname__, **body})


def watched(names: list[str], watch: Watch) -> Any:
    """The class of ``watch`` with its building and its methods ``names`` under it."""

    def wrap(_: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            with watch.running():
                return method(*args, **kwargs)

        return call

    return wrapped(watch.kind, ["__init__", *names], wrap)
