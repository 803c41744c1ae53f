"""Runs all benchmarks, prints a table, and writes it with machine, versions and budgets to docs/benchmarks.md.

    python tests/bench/run.py [--dry] [NAME ...]

NAME: ``backtest`` for bench_backtest.py; all if none is given. Only a run of all of them is written down, and none with
``--dry``. A peer that cannot be installed here is named in the place of its figures.
"""

import ast
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

from ida_core.about import facts

HERE = Path(__file__).resolve().parent
PAGE = HERE.parents[1] / "docs" / "benchmarks.md"
PEERS = ("msgspec", "sortedcontainers")
INTRODUCTION = """\
Written by `make bench`: all figures are of one run of it, medians of several rounds. Computing is measured by the
processor time of its thread, so that other programs count little; what waits for a disk, another process or a person by
the wall clock. The figures are for one machine; the ratios are what carries over. `ida bench` gives a short look at
yours. Peers are installed into environments of their own under `build/peers`, by `make bench` itself or beforehand by
`python tests/bench/peers.py`."""
Figure = Mapping[str, Any]


class Budget(NamedTuple):
    """What the design asks for. ``most``: the figure may not be above it; else not below it."""

    path: str
    must: float | None
    aim: float | None
    most: bool

    def verdict(self, value: float) -> str:
        if self.must is not None and not self.holds(value, self.must):
            return "**falls short**"
        if self.aim is None:
            return "holds"
        return "reaches the aim" if self.holds(value, self.aim) else "**short of the aim**"

    def holds(self, value: float, bound: float) -> bool:
        return value <= bound if self.most else value >= bound

    def words(self) -> str:
        sign = "≤" if self.most else "≥"
        bounds = (("must be", self.must), ("aim", self.aim))
        return ", ".join(f"{word} {sign} {bound:g}" for word, bound in bounds if bound is not None)


#: By the key that a benchmark gives its figure.
BUDGETS = {
    "decode_apply_gbs": Budget("decode + apply of a 1 KB depth message, in C", None, 1.5, False),
    "decode_apply_ratio": Budget("the same from Python, against msgspec + sortedcontainers", 5, None, False),
    "tap_burst": Budget("socket to book of a depth message, in a burst", 50, 5, True),
    "tap_burst_picows": Budget("the same with picows + msgspec + sortedcontainers, against Ida", 1, None, False),
    "tap_burst_trio": Budget("the same with trio-websocket + msgspec + sortedcontainers, against Ida", 5, None, False),
    "tap_paced": Budget("socket to book of a depth message, one at a time", 50, None, True),
    "tap_paced_picows": Budget("the same with picows + msgspec + sortedcontainers, against Ida", 1, None, False),
    "tap_paced_trio": Budget("the same with trio-websocket + msgspec + sortedcontainers, against Ida", None, 5, False),
    "live_core": Budget("a live run at 20,000 depth messages a second, of one core", 100, 50, True),
    "live_lost": Budget("updates that its strategy did not see", 0, None, True),
    "live_memory": Budget("growth of its memory in the last quarter", 1, None, True),
    "live_conflated": Budget("wakings left out by a strategy too slow for that, as the report says", 1, None, False),
    "live_four_paced": Budget("four redundant connections against one, 500 messages a second", 2, None, True),
    "live_four_burst": Budget("the same, 20,000 messages a second in bursts", 2, None, True),
    "order_out_p50": Budget("decision to request bytes handed to the socket, p50", None, 300, True),
    "order_out_p99": Budget("the same, p99", 10_000, None, True),
    "order_ack_p50": Budget("order to acknowledgement over the local server, p50", None, 3_000, True),
    "order_ack_p99": Budget("the same, p99", 20_000, None, True),
    "tick_to_decision_p50": Budget("book event to order request ready, p50", None, 15, True),
    "tick_to_decision_p99": Budget("book event to order request ready, p99", 100, None, True),
    "peer_rows": Budget("backtest, nobody listens, against hftbacktest's compiled loop", 5, 10, False),
    "peer_rows_range": Budget("the same, against its book for a fixed range of prices", None, 5, False),
    "peer_calls": Budget("backtest, Python on every message, against hftbacktest's loop as documented", 5, None, False),
    "peer_calls_tuned": Budget("the same, against its loop tuned", None, 5, False),
    "peer_calls_nautilus": Budget("backtest, Python on every message, against NautilusTrader 1", 5, None, False),
    "peer_calls_nautilus2": Budget("backtest, Python on every message, against NautilusTrader 2", 5, None, False),
    "backtest_calls": Budget("backtest, Python on every message", None, 1, False),
    "fills_apart": Budget("fills of the compared grid, furthest from hftbacktest's", 3, None, True),
    "journal_cost": Budget("what the journal takes of a backtest's throughput", 15, None, True),
    "shell_cached": Budget("shell to result of a 6-minute recording, cached, one report (JSON)", 1.5, 0.7, True),
    "shell_raw": Budget("the same, from raw gzip", 4, None, True),
    "memory": Budget("growth of memory over 10 M events", 1, 0, True),
    "version": Budget("ida --version", 0.3, 0.15, True),
    "demo": Budget("ida demo", 60, 15, True),
}


def run(script: Path) -> list[Figure]:
    """The figures of one benchmark; its failure is told and leaves it without any."""
    print(f"{script.stem}:", flush=True)
    done = subprocess.run([sys.executable, script], stdout=subprocess.PIPE, text=True, check=False)
    lines = done.stdout.splitlines()
    figures = [json.loads(line) for line in lines if line.startswith("{")]
    for line in lines:
        if not line.startswith("{"):
            print(f"  {line}")
    for figure in figures:
        print(f"  {summary(figure)}", flush=True)
    if done.returncode:
        print(f"  FAILED with exit code {done.returncode}", flush=True)
        return []
    return figures


def summary(figure: Figure) -> str:
    if "programs" in figure:
        return f"beside {figure['programs']}"
    if "missing" in figure:
        return f"{figure['what']}: not measured: {figure['missing']}"
    return f"{figure['what']:76}{figure['median']:>10,} {figure['unit']}{verdict(figure, ': ')}"


def verdict(figure: Figure, before: str = "") -> str:
    budget = BUDGETS.get(figure["key"])
    words = "" if budget is None else budget.verdict(figure["median"])
    return words and before + words


def row(cells: Sequence[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def budget_table(figures: Sequence[Figure]) -> str:
    lines = [row(("path", "measured", "asked for", "")), row(["---"] * 4)]
    by_key = {figure["key"]: figure for figure in measured(figures)}
    reasons = {key: figure["missing"] for figure in figures if "missing" in figure for key in figure["keys"]}
    for key, budget in BUDGETS.items():
        figure = by_key.get(key)
        value = f"{figure['median']:,} {figure['unit']}" if figure else f"not measured: {reasons.get(key, 'no figure')}"
        lines.append(row((budget.path, value, budget.words(), verdict(figure) if figure else "**not measured**")))
    return "\n".join(lines)


def measured(figures: Sequence[Figure]) -> list[Figure]:
    return [figure for figure in figures if "median" in figure]


def figure_table(figures: Sequence[Figure]) -> str:
    lines = [row(("what", "median", "least … most", "rounds", "")), row(["---"] * 5)]
    for figure in figures:
        if "missing" in figure:
            lines.append(row((figure["what"], "not measured", "", "", figure["missing"])))
    for figure in measured(figures):
        spread = f"{figure['least']:,} … {figure['most']:,}"
        median = f"{figure['median']:,} {figure['unit']}"
        lines.append(row((figure["what"], median, spread, figure["rounds"], figure["note"])))
    return "\n".join(lines)


def about(script: str) -> str:
    """What a benchmark says of itself, for the page."""
    text = ast.get_docstring(ast.parse((HERE / script).read_text(encoding="utf-8"))) or ""
    return text.replace("``", "`")


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if sys.platform == "linux" else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def versions(figures: Sequence[Figure]) -> str:
    found = facts()
    words = [f"ida {found['ida']}", found["core"], found["python"], f"Trio {found['trio']}", found["platform"]]
    for package in PEERS:
        try:
            words.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            words.append(f"no {package}")
    words += dict.fromkeys(figure["programs"] for figure in figures if "programs" in figure)
    return ", ".join(words)


def page(found: Mapping[str, Sequence[Figure]], loads: tuple[float, float]) -> str:
    """The text of docs/benchmarks.md.

    Args:
        found: by script, what each printed.
        loads: the machine's load average when the run began and when it ended.
    """
    everything = [figure for figures in found.values() for figure in figures]
    load = f"load average {loads[0]:.1f} when the run began, {loads[1]:.1f} when it ended"
    setting = [
        ("date", f"{datetime.now(UTC):%Y-%m-%d}"),
        ("machine", f"{processor()}, {os.cpu_count()} cores; {load}"),
        ("versions", versions(everything)),
    ]
    parts = [
        "# Benchmarks",
        INTRODUCTION,
        "\n".join(map(row, [("", ""), ("---", "---"), *setting])),
        "## Against the budgets",
        budget_table(everything),
    ]
    for script, figures in found.items():
        parts += [f"## {script.removesuffix('.py')}", about(script), figure_table(figures)]
    return "\n\n".join(parts) + "\n"


def main(words: Sequence[str]) -> int:
    names = [word for word in words if not word.startswith("-")]
    scripts = [HERE / f"bench_{name}.py" for name in names] or sorted(HERE.glob("bench_*.py"))
    load = os.getloadavg()[0]
    found = {script.name: run(script) for script in scripts}
    complete = all(found.values())
    if complete and not names and "--dry" not in words:
        PAGE.write_text(page(found, (load, os.getloadavg()[0])), encoding="utf-8")
        print(f"written to {PAGE}")
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
