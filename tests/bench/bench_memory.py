"""Does the engine's memory grow? A synthetic market with a strategy that trades all the time, no journal.

    python tests/bench/bench_memory.py [MILLIONS]

What the engine remembers of closed orders and of fills is bounded, but large; so 4 M events fill it before the next
10 M (or MILLIONS) are looked at.
"""

import os
import resource
import sys
from pathlib import Path

from measure import tell

from ida_core.book import Book
from ida_core.config import RunSettings, Settings
from ida_core.context import Context
from ida_core.engine import Stop
from ida_core.log import Log
from ida_core.model import Side, TimeInForce
from ida_core.plugins import load_plugins
from ida_core.protocols import Strategy, VenueSetup
from ida_core.run import build_engine, run_engine

WARM_EVENTS = 4_000_000


class Trader(Strategy):
    """Takes a little on either side, whenever the best prices change."""

    name = "trader"
    calls = 0

    def on_book(self, ctx: Context, book: Book) -> None:
        self.calls += 1
        if book.bid is not None and book.ask is not None:
            buys = self.calls % 2 == 0
            ctx.place(Side.BUY if buys else Side.SELL, 100, book.ask if buys else book.bid, tif=TimeInForce.IOC)


def resident_mib() -> float:
    """Of this process, now; where the system does not tell, the most that it ever was."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    events = int(float(sys.argv[1]) * 1e6) if len(sys.argv) > 1 else 10_000_000
    venue_class = load_plugins().lookup("venues", "sim")
    venue = venue_class.build(VenueSetup(config=venue_class.Config(), feed=("synthetic",), duration_s=10 * events))
    engine = build_engine(Settings(run=RunSettings()), venue, [Trader()], [], Log.silent(), None)
    seen: list[tuple[int, float]] = []

    def look() -> None:
        seen.append((venue.events, resident_mib()))
        if venue.events >= WARM_EVENTS + events:
            engine.stop_wanted = Stop("enough")

    engine.on_progress = look
    run_engine(engine)
    warm = next(mib for count, mib in seen if count >= WARM_EVENTS)
    note = f"from {WARM_EVENTS / 1e6:g} M to {seen[-1][0] / 1e6:.1f} M events, {engine.fills:,} fills"
    tell("growth of the engine's memory", "MiB", [seen[-1][1] - warm], key="memory", note=note)
    tell("memory of the process at the end", "MiB", [seen[-1][1]])


if __name__ == "__main__":
    main()
