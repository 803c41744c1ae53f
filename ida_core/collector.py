"""When Python looks for rings of garbage: between two batches of events, never between an event and its request."""

import gc
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

#: Engines that a process may hold before those that nobody wants any more are looked for.
MOST_ENGINES = 2

_engines: weakref.WeakSet[Any] = weakref.WeakSet()


def engine_made(engine: Any) -> None:
    """An engine and its contexts are a ring, and hold books of many MiB that Python does not know of: without this a
    process that makes one run after the other would grow with each."""
    _engines.add(engine)
    if len(_engines) > MOST_ENGINES:
        gc.collect()


@contextmanager
def collecting_by_hand() -> Iterator[None]:
    """What is there already is never looked at again, and nothing is by itself: ``collect_due`` does it."""
    was_on = gc.isenabled()
    gc.disable()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        if was_on:
            gc.enable()


def collect_due() -> None:
    """Look at what Python itself would have looked at by now: never, where somebody has set a threshold of 0."""
    young, middle, old = gc.get_count()
    most = gc.get_threshold()
    if 0 < most[0] < young:
        gc.collect(2 if old > most[2] else 1 if middle > most[1] else 0)
