"""A whole run on live prices over real sockets: receive to strategy, 20,000 messages a second, redundant connections.

    python tests/bench/bench_live.py

A process of its own plays the exchange (`live_server.py`): REST, and depth messages of 10 levels a side at a steady
rate, the same to each connection. `ida run --exchange sim --feed binance` in another is what a user starts, with its
journal, and with a strategy that is called on every change of the book. Its first half second is left out.

**Receive to strategy** is from the local time of a message, taken once a receive, to the strategy's turn; of one book
event in five. **One core** is the processor time of the engine's thread as a share of real time; **nothing lost** that
the strategy was called once for each update id. **Too slow** is a strategy that computes 200 us for each of 20,000
changes a second: what was left out for newer books, by the report's own count. **Memory** grows until the inlet's
ring has been gone through once; told is what the last quarter of the time adds. **Redundant connections** are compared
by the thread's time per update: 500 a second, as they come; and 20,000 a second, a burst each 10 ms.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from os import environ
from pathlib import Path
from typing import Any, NamedTuple

from measure import in_turn, tell

HERE = Path(__file__).resolve().parent
OFTEN_S, SELDOM_S = 0.0002, 0.01
RATES = {500: 3.0, 5_000: 3.0, 20_000: 10.0}
COPIES = (1, 2, 4)
SHAPES = {"500 messages/s": (500.0, OFTEN_S, "paced"), "20,000 messages/s in bursts": (20_000.0, SELDOM_S, "burst")}
SETTLED_S, COPIES_S, COPIES_ROUNDS = 0.5, 1.5, 3
SLOW_S, SLOW_US = 4.0, 200.0


class Found(NamedTuple):
    """What the strategy wrote down, and the run's JSON."""

    cost: dict[str, float]
    document: dict[str, Any]

    @property
    def us_per_update(self) -> float:
        return self.cost["thread_s"] / self.cost["updates"] * 1e6

    @property
    def rate(self) -> float:
        return self.cost["updates"] / self.cost["wall_s"]


@contextmanager
def exchange(rate: float, every_s: float) -> Iterator[str]:
    command = [sys.executable, HERE / "live_server.py", str(rate), str(every_s)]
    paths = environ | {"PYTHONPATH": f"{HERE}:{HERE.parent}"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=paths) as server:
        try:
            assert server.stdout is not None
            yield f"http://127.0.0.1:{json.loads(server.stdout.readline())['port']}"
        finally:
            server.terminate()


def run(url: str, seconds: float, *, connections: int = 1, work_us: float = 0.0) -> Found:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "plugins").mkdir()
        shutil.copy(HERE / "live_watcher.py", place / "plugins")
        command = [
            Path(sys.executable).with_name("ida"), "run", "--exchange", "sim", "--feed", "binance",
            "--binance-url", url, "--symbol", "BTCUSDT", "--strategy", "watcher", "--duration",
            str(SETTLED_S + seconds),
            "--plugins-dir", place / "plugins", "--out", place / "runs", "--set", f"watcher.out={place / 'cost'}",
            "--set", f"watcher.work_us={work_us}", "--set", f"binance.connections={connections}", "--json",
        ]  # fmt: skip
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        return Found(json.loads((place / "cost").read_text(encoding="utf-8")), json.loads(done.stdout))


def lost(found: Found) -> float:
    """Updates that the strategy did not see, and those that the feed itself says are missing."""
    book = found.document["data"]["symbols"]["BTCUSDT"]
    return found.cost["updates"] - found.cost["calls"] + book["gaps"] + book["resyncs"]


def sustained() -> None:
    for rate, seconds in RATES.items():
        with exchange(rate, OFTEN_S) as url:
            found = run(url, seconds)
        key = {20_000: "live"}.get(rate, "")
        times, words = found.document["latency_us"]["receive_to_strategy"], f"{rate:,} messages/s"
        note = f"{found.rate:,.0f} came a second, for {found.cost['wall_s']:.1f} s"
        for quantile in ("p50", "p99"):
            tell(f"{words}: receive to strategy, {quantile}", "us", [times[quantile]], note=note)
        share = 100 * found.cost["thread_s"] / found.cost["wall_s"]
        tell(f"{words}: the engine's thread", "% of a core", [share], key=key and f"{key}_core", note=note)
        tell(f"{words}: lost or not told", "updates", [lost(found)], key=key and f"{key}_lost")
        tell_memory(words, found, key and f"{key}_memory")


def too_slow() -> None:
    with exchange(20_000, OFTEN_S) as url:
        found = run(url, SLOW_S, work_us=SLOW_US)
    said, words = found.document["data"]["conflated"], f"20,000 messages/s, {SLOW_US:g} us each"
    note = f"{found.rate:,.0f} updates/s taken, {found.cost['calls']:,.0f} calls; behind for {said['behind_s']:.1f} s"
    tell(f"{words}: book wakings conflated, the report says", "wakings", [said["wakings"]], key="live_conflated",
         note=note)  # fmt: skip
    tell_memory(words, found)


def tell_memory(words: str, found: Found, key: str = "") -> None:
    first, later, last = (found.cost[f"mib_{word}"] for word in ("first", "later", "last"))
    note = f"{first:.1f} MiB at the start, {later:.1f} after three quarters, {last:.1f} at the end"
    tell(f"{words}: growth of memory in the last quarter", "MiB", [last - later], key=key, note=note)


def redundant() -> None:
    for words, (rate, every_s, key) in SHAPES.items():
        with exchange(rate, every_s) as url:
            found = in_turn(*(partial(run, url, COPIES_S, connections=n) for n in COPIES), count=COPIES_ROUNDS)
        for copies, rounds in zip(COPIES, found, strict=True):
            tell(f"{words}: connections: {copies}", "us/update", [one.us_per_update for one in rounds])
            if copies > 1:
                ratios = [one.us_per_update / own.us_per_update for own, one in zip(found[0], rounds, strict=True)]
                last = copies == COPIES[-1]
                tell(f"{words}: {copies} connections against 1", "times the cost", ratios,
                     key=f"live_four_{key}" if last else "")  # fmt: skip


if __name__ == "__main__":
    sustained()
    too_slow()
    redundant()
