"""What a backtest costs on a real recording: USDⓈ-M futures, 345 s, 94 k messages.

    python tests/bench/bench_backtest.py

A level row is one price level of a depth message, or one trade: what other simulators call an event. The exchange's
book and ours are both rebuilt, and matching is in place.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from measure import capture, in_turn, rounds, seconds, tell

from ida_core.book import Book
from ida_core.config import RunSettings, Settings
from ida_core.context import Context
from ida_core.engine import TIMED_ONE_IN, Engine
from ida_core.events import Quote, Trade
from ida_core.feed import Feed
from ida_core.journal import JournalWriter
from ida_core.log import Log
from ida_core.model import Side, TimeInForce
from ida_core.native import ffi, lib
from ida_core.plugins import Plugins, load_plugins
from ida_core.protocols import RiskCheck, Strategy, VenueSetup
from ida_core.run import build_engine, run_engine
from ida_core.timings import quantiles

SHELL_ROUNDS = 5


class Nobody(Strategy):
    """Asks for nothing, so that everything stays in C."""

    name = "nobody"


class Everything(Strategy):
    """Called on every message; looks at best bid and ask, as any strategy would."""

    name = "everything"
    book_updates = "every"

    def on_start(self, ctx: Context) -> None:
        self.calls = self.wide = 0

    def on_book(self, ctx: Context, book: Book) -> None:
        self.calls += 1
        bid, ask = book.bid, book.ask
        if bid is not None and ask is not None and ask - bid > 1:
            self.wide += 1

    def on_trade(self, ctx: Context, trade: Trade) -> None:
        self.calls += 1

    def on_quote(self, ctx: Context, quote: Quote) -> None:
        self.calls += 1


class BookOnly(Everything):
    """Called on each change of the book, and for nothing else."""

    name = "book_only"
    on_trade = Strategy.on_trade
    on_quote = Strategy.on_quote


class Decider(Strategy):
    """Sends an order on each change of the best prices, far from the market, that expires at once."""

    name = "decider"

    def on_book(self, ctx: Context, book: Book) -> None:
        if book.bid is not None:
            ctx.place(Side.BUY, 1, book.bid // 2, tif=TimeInForce.IOC)


def build(
    plugins: Plugins, recording: Path, strategy: Strategy, checks: Sequence[RiskCheck], journal: JournalWriter | None,
    timed_one_in: int = TIMED_ONE_IN,
) -> Engine:
    venue_class = plugins.lookup("venues", "sim")
    setup = VenueSetup(
        config=venue_class.Config(), feed=(str(recording),), recordings=tuple(plugins.recordings.values())
    )
    venue = venue_class.build(setup)
    if journal is not None:
        venue.attach(journal)
    return build_engine(
        Settings(run=RunSettings()), venue, [strategy], checks, Log.silent(), journal, timed_one_in=timed_one_in)


def timed_run(
    plugins: Plugins, recording: Path, kind: type[Strategy], journaled: bool, checks: Sequence[RiskCheck] = (),
    timed_one_in: int = TIMED_ONE_IN,
) -> tuple[float, Engine, Strategy]:
    """Seconds from the first event to the last; building and closing are apart."""
    strategy = kind()
    with tempfile.TemporaryDirectory() as folder:
        journal = JournalWriter(Path(folder) / "journal", "bench") if journaled else None
        engine = build(plugins, recording, strategy, checks, journal, timed_one_in)
        took = seconds(partial(run_engine, engine))
        if journal is not None:
            journal.close()
        engine.venue.close()
    return took, engine, strategy


def seconds_of_run(plugins: Plugins, recording: Path, kind: type[Strategy], journaled: bool) -> float:
    return timed_run(plugins, recording, kind, journaled)[0]


def level_rows(feed: Feed) -> int:
    """Levels of all depth messages, and trades."""
    rows, (first, size) = 0, feed.records
    at, place = ffi.cast("const char *", first), 0
    while place < size:
        record = ffi.cast("const ida_record *", at + place)
        if record.kind in (lib.IDA_SNAPSHOT, lib.IDA_DEPTH):
            depth = ffi.cast("const ida_depth *", record)
            rows += depth.bids + depth.asks
        rows += record.kind == lib.IDA_TRADE
        place += record.length
    return rows


def recorded(plugins: Plugins, recording: Path) -> tuple[int, int]:
    """How many level rows and how many messages."""
    (feed,) = next(iter(plugins.recordings.values())).open([recording], {})
    counts = level_rows(feed), feed.meta.records
    feed.close()
    return counts


def bench_engine(plugins: Plugins, recording: Path) -> None:
    rows, messages = recorded(plugins, recording)
    once = partial(seconds_of_run, plugins, recording, Nobody)
    times = in_turn(partial(once, False), partial(once, True))
    for found, words in zip(times, ("no journal", "journal on"), strict=True):
        tell(f"level rows, nobody listens, {words}", "M/s", [rows / t / 1e6 for t in found])
        tell(f"messages, nobody listens, {words}", "M/s", [messages / t / 1e6 for t in found])
    costs = [100 * (1 - bare / journaled) for bare, journaled in zip(*times, strict=True)]
    tell("what the journal takes of the throughput, nobody listens", "%", costs, key="journal_cost",
         note="of the engine's thread; the journal's own allocates and syncs beside it")
    for journaled, words in ((False, "no journal"), (True, "journal on")):
        for kind, what in ((Everything, "every message"), (BookOnly, "every book change")):
            bench_python(plugins, recording, kind, journaled, f"Python called on {what}, {words}")


def bench_python(plugins: Plugins, recording: Path, kind: type[Everything], journaled: bool, what: str) -> None:
    rates = []
    for _ in range(SHELL_ROUNDS):
        took, _, strategy = timed_run(plugins, recording, kind, journaled)
        assert isinstance(strategy, Everything)
        rates.append(strategy.calls / took / 1e6)
    key = "backtest_calls" if kind is Everything and not journaled else ""
    tell(what, "M calls/s", rates, key=key)


def shell(recording: Path, cache: Path, *options: str) -> float:
    """Seconds of a whole ``ida run --json``, from the shell's call to its end."""
    ida = Path(sys.executable).with_name("ida")
    with tempfile.TemporaryDirectory() as out:
        words = ["run", "--feed", recording, "--strategy", "market_maker", "--json", "--out", out, *options]
        began = time.perf_counter()
        done = subprocess.run(
            [ida, *words], env={**os.environ, "IDA_CACHE_DIR": str(cache)}, capture_output=True, text=True, check=False
        )
        took = time.perf_counter() - began
    if done.returncode:
        sys.exit(done.stderr)
    return took


def bench_shell(recording: Path) -> None:
    plain = ("--report", "json", "--set", "run.worst_cases=false")
    with tempfile.TemporaryDirectory() as kept:
        shell(recording, Path(kept))  # fills the cache
        tell(
            "shell to result, cached, one report (JSON)", "s",
            rounds(lambda: shell(recording, Path(kept), *plain), SHELL_ROUNDS), key="shell_cached",
        )  # fmt: skip
        tell(
            "shell to result, cached, all reports and three worst cases", "s",
            rounds(lambda: shell(recording, Path(kept)), SHELL_ROUNDS),
        )  # fmt: skip
    tell(
        "shell to result, from raw gzip, one report (JSON)", "s",
        rounds(partial(fresh, recording, *plain), SHELL_ROUNDS), key="shell_raw",
    )  # fmt: skip


def fresh(recording: Path, *options: str) -> float:
    with tempfile.TemporaryDirectory() as empty:
        return shell(recording, Path(empty), *options)


def bench_decision(plugins: Plugins, recording: Path) -> None:
    """From a book event to the strategy's return, its request checked by all risk checks, journaled and handed over."""
    checks = [plugins.lookup("risk_checks", name)() for name in RunSettings().risk]
    engines = [timed_run(plugins, recording, Decider, True, checks, timed_one_in=1)[1] for _ in range(SHELL_ROUNDS)]
    for name, words in (
        ("tick_to_decision", "book event to request handed over"),
        ("order_out", "request to handed over"),
    ):
        for percent in (50, 99):
            found = [quantiles([engine.latency[name]]) for engine in engines]
            values = [one.p50 if percent == 50 else one.p99 for one in found]
            note = f"{engines[0].latency[name].count:,} in each round"
            tell(f"{words}, p{percent}", "us", values, key=f"{name}_p{percent}", note=note)


def main() -> None:
    recording, plugins = capture(), load_plugins()
    bench_engine(plugins, recording)
    bench_decision(plugins, recording)
    bench_shell(recording)


if __name__ == "__main__":
    main()
