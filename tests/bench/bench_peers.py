"""Backtests of one recording beside hftbacktest and NautilusTrader, each in an environment of its own.

    python tests/bench/bench_peers.py

All run in turn, and each is timed by the processor time of the one thread that it uses.

**What all do.** They go through the same 345 s of USDⓈ-M futures, keep the exchange's book and the strategy's, and
could match orders; nobody trades. A row is one level of a depth message, or one trade, and all rates count the same
rows. A ratio is the median of the rounds' ratios. All must end at the same best prices, or the benchmark fails. Reading
files, making the objects that a peer wants, building the engine and compiling are outside the time, for each side.
Beside other busy programs Ida's silent run was seen to take 9 ms or 19 ms, hftbacktest's 44 ms to 50 ms: a busy machine
lowers that ratio.

**Nobody listens.** The peer is hftbacktest's compiled loop, `while hbt.elapse(1 s) == 0`, with its data as an array in
memory, and with its book for any price, as Ida's is. Its book for a fixed range is beside it: the range must be known
before, and 3 % of the rows lie outside 50,000 to 70,000 and are dropped. Ida also goes through the 66,089 messages of
best prices of the recording, which hftbacktest's converter leaves out.

**Python on every message.** Every side gets all depth messages, trades and messages of best prices, and a plain Python
strategy is called for each. hftbacktest is woken by `wait_next_feed`, is not told by what, and looks at the best prices
each time; its converter keeps the messages of best prices on request, and they change no book. *As documented* asks for
`hbt.depth(0)` in each turn of the loop; *tuned* does so once, before the loop; *with a compiled helper* waits and looks
in one compiled function, so that only the strategy itself is plain Python. Ida and NautilusTrader hand over what came
and look at the best prices when the book has changed. Ida makes the objects it hands over (trade, quote) within the
time; NautilusTrader's (trade, quote, all levels) are made beforehand. NautilusTrader also keeps the latest data in its
cache and publishes each message on its bus. Its version 2 is a release candidate.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bench_backtest import Everything, Nobody, recorded, timed_run
from measure import capture, in_turn, tell, tell_missing, tell_programs
from peers import PEERS, PeerMissing, Worker, hftbacktest_data

from ida_core.book import Book
from ida_core.context import Context
from ida_core.plugins import Plugins, load_plugins
from ida_core.protocols import Strategy

SILENT_ROUNDS, ROUNDS, SLOW_ROUNDS = 21, 7, 5
HFTBACKTEST = "hftbacktest"
BOOKS = {"any": "book for any price", "range": "book for a fixed range"}
LOOPS = {"python": "as documented", "tuned": "tuned", "helper": "with a compiled helper"}
NAUTILUS = {"nautilus": "NautilusTrader 1", "nautilus2": "NautilusTrader 2"}
FEEDS = {"every": "every message", "depth": "every depth message and trade"}
#: By LOOP and BOOK, or by peer: what a ratio on every message is held against.
KEYS = {
    ("compiled", "any"): "peer_rows", ("compiled", "range"): "peer_rows_range",
    ("python", "any"): "peer_calls", ("tuned", "any"): "peer_calls_tuned",
    "nautilus": "peer_calls_nautilus", "nautilus2": "peer_calls_nautilus2",
}  # fmt: skip
Seconds = Callable[[], float]


class DepthAndTrades(Everything):
    """Not called on messages of best prices."""

    name = "depth_and_trades"
    on_quote = Strategy.on_quote


class Best(Strategy):
    """Keeps the best prices."""

    name = "best"
    book_updates = "every"
    best: tuple[int | None, int | None] = (None, None)

    def on_book(self, ctx: Context, book: Book) -> None:
        self.best = (book.bid, book.ask)


class Ours:
    """Ida on the recording."""

    def __init__(self, plugins: Plugins, recording: Path) -> None:
        self._run = partial(timed_run, plugins, recording)
        self.rows, _ = recorded(plugins, recording)
        last = self._run(Best, False)[2]
        assert isinstance(last, Best)
        self.best = list(last.best)

    def silent(self) -> float:
        """Seconds with nobody who listens."""
        return self._run(Nobody, False)[0]

    def rate(self, feed: str) -> float:
        """Calls of a strategy a second."""
        took, _, strategy = self._run(Everything if feed == "every" else DepthAndTrades, False)
        assert isinstance(strategy, Everything)
        return strategy.calls / took


def asked(worker: Worker, ours: Ours, word: str) -> dict[str, Any]:
    """A peer's answer, checked."""
    answer = worker.ask(word)
    if answer["best"] != ours.best:
        raise SystemExit(f"{worker.name} ends at {answer['best']}, Ida at {ours.best}: they did not do the same")
    if answer["process_seconds"] > 1.1 * answer["seconds"]:
        raise SystemExit(f"{worker.name} used several threads: {answer}")
    return answer


def asked_seconds(worker: Worker, ours: Ours, word: str) -> float:
    return float(asked(worker, ours, word)["seconds"])


def asked_rate(worker: Worker, ours: Ours, word: str) -> float:
    answer = asked(worker, ours, word)
    return float(answer["calls"] / answer["seconds"])


def tell_ratio(what: str, mine: Sequence[float], theirs: Sequence[float], key: str) -> None:
    """How many times as fast Ida is, of rates of the same rounds."""
    ratios = [own / other for own, other in zip(mine, theirs, strict=True)]
    tell(what, "times as fast", ratios, key=key)


def bench_silent(worker: Worker, ours: Ours) -> None:
    """Nobody listens: Ida, and hftbacktest's compiled loop with both its books."""
    peers = [partial(asked_seconds, worker, ours, f"compiled {book} depth") for book in BOOKS]
    times = in_turn(ours.silent, *peers, count=SILENT_ROUNDS)
    rates = [[ours.rows / took / 1e6 for took in found] for found in times]
    tell("nobody listens: Ida", "M rows/s", rates[0], note=f"{ours.rows:,} rows")
    for (book, words), rate in zip(BOOKS.items(), rates[1:], strict=True):
        tell(f"nobody listens: hftbacktest, compiled, {words}", "M rows/s", rate)
        tell_ratio(f"nobody listens: Ida against hftbacktest, {words}", rates[0], rate, KEYS["compiled", book])


def bench_calls(worker: Worker, ours: Ours, feed: str) -> None:
    """A Python strategy: Ida, and hftbacktest's loops."""
    cases = [(loop, book) for loop in LOOPS for book in BOOKS]
    peers = [partial(asked_rate, worker, ours, f"{loop} {book} {feed}") for loop, book in cases]
    mine, *theirs = in_turn(partial(ours.rate, feed), *peers, count=ROUNDS)
    tell(f"Python on {FEEDS[feed]}: Ida", "M calls/s", [rate / 1e6 for rate in mine])
    for (loop, book), rates in zip(cases, theirs, strict=True):
        words = f"hftbacktest {LOOPS[loop]}, {BOOKS[book]}"
        tell(f"Python on {FEEDS[feed]}: {words}", "M calls/s", [rate / 1e6 for rate in rates])
        key = KEYS.get((loop, book), "") if feed == "every" else ""
        tell_ratio(f"Python on {FEEDS[feed]}: Ida against {words}", mine, rates, key)


def bench_hftbacktest(ours: Ours, recording: Path) -> None:
    files = (hftbacktest_data(recording), hftbacktest_data(recording, options="t"))
    with Worker(HFTBACKTEST, "hftbacktest_speed.py", *files) as worker:
        tell_programs(worker.hello["programs"])
        bench_silent(worker, ours)
        for feed in FEEDS:
            bench_calls(worker, ours, feed)


def bench_nautilus(ours: Ours, recording: Path, name: str) -> None:
    """A Python strategy: Ida, and NautilusTrader."""
    with Worker(name, "nautilus_speed.py", recording) as worker:
        tell_programs(worker.hello["programs"])
        for feed, words in FEEDS.items():
            pair = (partial(ours.rate, feed), partial(asked_rate, worker, ours, feed))
            mine, theirs = in_turn(*pair, count=SLOW_ROUNDS)
            tell(f"Python on {words}: {NAUTILUS[name]}", "M calls/s", [rate / 1e6 for rate in theirs])
            key = KEYS[name] if feed == "every" else ""
            tell_ratio(f"Python on {words}: Ida against {NAUTILUS[name]}", mine, theirs, key)


def attempt(bench: Callable[[], None], name: str, keys: Sequence[str]) -> None:
    """A peer that is not to be had is told in its figures' place."""
    try:
        bench()
    except PeerMissing as problem:
        tell_missing(f"beside {PEERS[name].requirement}", str(problem), keys)


def main() -> None:
    recording = capture()
    ours = Ours(load_plugins(), recording)
    of_hftbacktest = [key for case, key in KEYS.items() if case not in NAUTILUS]
    attempt(partial(bench_hftbacktest, ours, recording), HFTBACKTEST, of_hftbacktest)
    for name in NAUTILUS:
        attempt(partial(bench_nautilus, ours, recording, name), name, [KEYS[name]])


if __name__ == "__main__":
    main()
