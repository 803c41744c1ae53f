"""From the shell to the finished result of a backtest, beside hftbacktest and NautilusTrader: whole processes.

    python tests/bench/bench_peers_shell.py

Ida and hftbacktest run the grid of the comparison of fills (10 quotes a side, each 100 ms, 5 ms each way, power queue).
Ida also checks each order against its risk checks, keeps a journal and writes its report as JSON, which hftbacktest
does not; Ida's re-runs under worse assumptions, and the page that shows them, are left out.
hftbacktest compiles its strategy at each start (its compiled classes cannot be kept on disk); "raw" is with its own
converter before, a process of its own. Ida's "raw" is with an empty cache. NautilusTrader's process makes its objects
from the raw recording and then calls a strategy on every depth message and trade; nobody trades there. Times are by the
wall clock, in turn; the note and the ratio are of processor time, of all threads from start to end, which a busy
machine bends less.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

from fills_ida import arguments
from measure import capture, in_turn, tell, tell_missing
from peers import BASE_LATENCY_NS, PEERS, PeerMissing, hftbacktest_data, python_of

ROUNDS, LATENCY_MS, QUEUE = 5, 5, "power(2)"
HERE = Path(__file__).resolve().parent
TASK = json.dumps([{"latency_ms": LATENCY_MS, "queue": QUEUE, "first_ns": None}])
NAUTILUS = {"nautilus": "NautilusTrader 1", "nautilus2": "NautilusTrader 2"}


class Took(NamedTuple):
    """Seconds of a process: by the wall clock, and processor time of all its threads."""

    wall: float
    processor: float

    def plus(self, other: "Took") -> "Took":
        return Took(self.wall + other.wall, self.processor + other.processor)


Measure = Callable[[], Took]


def process(words: Sequence[str | Path], text: str = "", environment: Mapping[str, str] | None = None) -> Took:
    """Run a program to its end.

    Raises:
        PeerMissing: it failed; its last line is told.
    """
    with tempfile.TemporaryFile("w+") as said:
        began = time.perf_counter()
        running = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said, text=True,
            env={**os.environ, **(environment or {})},
        )  # fmt: skip
        assert running.stdin is not None
        running.stdin.write(text)
        running.stdin.close()
        _, status, usage = os.wait4(running.pid, 0)
        wall = time.perf_counter() - began
        running.returncode = os.waitstatus_to_exitcode(status)
        if running.returncode:
            said.seek(0)
            last = (said.read().strip().splitlines() or ["it said nothing"])[-1]
            raise PeerMissing(f"{words[0]} ended with exit code {running.returncode}: {last}")
    return Took(wall, usage.ru_utime + usage.ru_stime)


def ida(recording: Path, cache: str) -> Took:
    program, plain = Path(sys.executable).with_name("ida"), ("--report", "json", "--json")
    words = arguments(recording, LATENCY_MS, QUEUE, "run.worst_cases=false")
    with tempfile.TemporaryDirectory() as out:
        return process([program, *words, *plain, "--out", out], environment={"IDA_CACHE_DIR": cache})


def ida_raw(recording: Path) -> Took:
    with tempfile.TemporaryDirectory() as empty:
        return ida(recording, empty)


def hftbacktest(npz: Path) -> Took:
    return process([python_of("hftbacktest"), HERE / "hftbacktest_grid.py", npz], TASK)


def hftbacktest_converting(recording: Path) -> Took:
    with tempfile.TemporaryDirectory() as folder:
        words = [recording, Path(folder) / "rows.npz", str(BASE_LATENCY_NS)]
        return process([python_of("hftbacktest"), HERE / "hftbacktest_convert.py", *words])


def nautilus(name: str, recording: Path) -> Took:
    return process([python_of(name), "-W", "ignore", HERE / "nautilus_speed.py", recording, "depth"])


def add(measures: dict[str, Measure], name: str, prepare: Callable[[], dict[str, Measure]]) -> None:
    """What a peer can do, each once beforehand; one that is not to be had is told."""
    try:
        found = prepare()
        for measure in found.values():
            measure()
    except PeerMissing as problem:
        tell_missing(f"beside {PEERS[name].requirement}", str(problem), ())
    else:
        measures.update(found)


def of_hftbacktest(recording: Path) -> dict[str, Measure]:
    run = partial(hftbacktest, hftbacktest_data(recording))
    return {"hftbacktest": run, "converting": partial(hftbacktest_converting, recording)}


def of_nautilus(name: str, recording: Path) -> dict[str, Measure]:
    python_of(name)
    return {NAUTILUS[name]: partial(nautilus, name, recording)}


def tell_times(what: str, times: Sequence[Took]) -> None:
    note = f"{median(took.processor for took in times):.2f} s of processor time"
    tell(what, "s", [took.wall for took in times], note=note)


def compare(how: str, who: str, mine: Sequence[Took], theirs: Sequence[Took]) -> None:
    """Their times, and how many times as fast Ida was."""
    tell_times(f"{how}: {who}", theirs)
    ratios = [other.processor / own.processor for own, other in zip(mine, theirs, strict=True)]
    tell(f"{how}: Ida against {who}", "times as fast", ratios)


def tell_all(found: dict[str, list[Took]]) -> None:
    cached, raw = "shell to result, converted before", "shell to result, from raw gzip"
    tell_times(f"{cached}: Ida", found["cached"])
    tell_times(f"{raw}: Ida", found["raw"])
    if theirs := found.get("hftbacktest"):
        both = [one.plus(other) for one, other in zip(found["converting"], theirs, strict=True)]
        compare(cached, "hftbacktest", found["cached"], theirs)
        compare(raw, "hftbacktest", found["raw"], both)
    for name in NAUTILUS.values():
        if name in found:
            compare(raw, name, found["raw"], found[name])


def main() -> None:
    recording = capture()
    with tempfile.TemporaryDirectory() as kept:
        measures: dict[str, Measure] = {"cached": partial(ida, recording, kept), "raw": partial(ida_raw, recording)}
        for measure in measures.values():
            measure()
        add(measures, "hftbacktest", partial(of_hftbacktest, recording))
        for name in NAUTILUS:
            add(measures, name, partial(of_nautilus, name, recording))
        tell_all(dict(zip(measures, in_turn(*measures.values(), count=ROUNDS), strict=True)))


if __name__ == "__main__":
    main()
