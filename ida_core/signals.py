"""What feed plugins yield, as strategies are told it; a feed that fails is named and left."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from ida_core.ended import as_journaled
from ida_core.errors import FAILURES
from ida_core.events import Signal
from ida_core.protocols import FeedPlugin

if TYPE_CHECKING:
    from ida_core.engine import Engine

#: How the note of a feed that failed begins: its hook is no strategy's.
FEED_FAILED = "events: "
#: The most that a feed may yield at one moment of the engine's time; one that never waits would let nothing else run.
MOST_AT_ONCE = 100_000


async def signals_of(feed: FeedPlugin, engine: Engine) -> AsyncIterator[Signal]:
    """What the feed yields; one that raises is named and left."""
    moment_ns = at_once = 0
    try:
        async for yielded in feed.events():
            signal = as_journaled(yielded)
            at_once = at_once + 1 if engine.venue.now_ns == moment_ns else 0
            moment_ns = engine.venue.now_ns
            if at_once >= MOST_AT_ONCE:
                raise RuntimeError(f"yielded {MOST_AT_ONCE} signals and no time went by: await trio.sleep between")
            if engine.trace is not None:
                engine.trace.line(f"feed {feed.name}.events() = {signal}")
            yield signal
    except FAILURES as error:
        engine.tell_failure(feed, "events", None, error)


#: Where a failure is found that is the feed's: in what is done with what it yielded.
HERE = frozenset(code.co_filename for code in (signals_of.__code__, as_journaled.__code__))
