"""Runs all benchmarks, prints a table, and writes it with machine, versions and budgets to docs/benchmarks.md.

    python tests/bench/run.py [--dry] [NAME ...]

NAME: ``backtest`` for bench_backtest.py; all if none is given. Only a run of all of them is written down, and none with
``--dry``.
"""

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
yours."""
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


#: By the key that a benchmark gives its figure. The backtest's bounds are five and ten times what a well-known
#: simulator's compiled and plain loops were seen to do on the same recording (5.5 M rows/s, 0.13 M calls/s).
BUDGETS = {
    "decode_apply_ratio": Budget("decode + apply of a 1 KB depth message, against the peer", 5, None, False),
    "decode_apply_gbs": Budget("decode + apply of a 1 KB depth message", None, 1.5, False),
    "tick_to_decision_p50": Budget("book event to order request ready, p50", None, 15, True),
    "tick_to_decision_p99": Budget("book event to order request ready, p99", 100, None, True),
    "backtest_rows": Budget("backtest, no Python subscriber", 27.5, 55, False),
    "backtest_calls": Budget("backtest, Python strategy called on every message", 0.65, 1, False),
    "shell_cached": Budget("shell to result of a 6-minute recording, cached", 1.5, 0.7, True),
    "shell_raw": Budget("shell to result of a 6-minute recording, from raw gzip", 4, None, True),
    "memory": Budget("growth of memory over 10 M events", 1, 0, True),
    "version": Budget("ida --version", 0.3, 0.15, True),
    "demo": Budget("ida demo", 60, 15, True),
}
NOT_YET = (
    "socket bytes to book updated", "decision to request bytes handed to the socket",
    "order to acknowledgement over the local server", "the comparison with other simulators in the same run",
)  # fmt: skip


def run(script: Path) -> list[Figure]:
    """The figures of one benchmark; its failure is told and leaves it without any."""
    print(f"{script.stem}:", flush=True)
    done = subprocess.run([sys.executable, script], stdout=subprocess.PIPE, text=True, check=False)
    figures = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    for figure in figures:
        print(f"  {figure['what']:76}{figure['median']:>10,} {figure['unit']}{verdict(figure, ': ')}", flush=True)
    if done.returncode:
        print(f"  FAILED with exit code {done.returncode}", flush=True)
    return figures


def verdict(figure: Figure, before: str = "") -> str:
    budget = BUDGETS.get(figure["key"])
    return "" if budget is None else before + budget.verdict(figure["median"])


def row(cells: Sequence[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def budget_table(figures: Sequence[Figure]) -> str:
    lines = [row(("path", "measured", "asked for", "")), row(["---"] * 4)]
    by_key = {figure["key"]: figure for figure in figures}
    for key, budget in BUDGETS.items():
        figure = by_key.get(key)
        measured = f"{figure['median']:,} {figure['unit']}" if figure else "not measured"
        lines.append(row((budget.path, measured, budget.words(), verdict(figure) if figure else "")))
    return "\n".join(lines)


def figure_table(figures: Sequence[Figure]) -> str:
    lines = [row(("what", "median", "least … most", "rounds", "")), row(["---"] * 5)]
    for figure in figures:
        spread = f"{figure['least']:,} … {figure['most']:,}"
        median = f"{figure['median']:,} {figure['unit']}"
        lines.append(row((figure["what"], median, spread, figure["rounds"], figure["note"])))
    return "\n".join(lines)


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if sys.platform == "linux" else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def versions() -> str:
    found = facts()
    words = [f"ida {found['ida']}", found["core"], found["python"], f"Trio {found['trio']}", found["platform"]]
    for package in PEERS:
        try:
            words.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            words.append(f"no {package}")
    return ", ".join(words)


def page(found: Mapping[str, Sequence[Figure]], load: float) -> str:
    everything = [figure for figures in found.values() for figure in figures]
    setting = [
        ("date", f"{datetime.now(UTC):%Y-%m-%d}"),
        ("machine", f"{processor()}, {os.cpu_count()} cores; load average {load:.1f} when it began"),
        ("versions", versions()),
    ]
    parts = [
        "# Benchmarks",
        INTRODUCTION,
        "\n".join(map(row, [("", ""), ("---", "---"), *setting])),
        "## Against the budgets",
        budget_table(everything),
        "Not measured in this version: " + "; ".join(NOT_YET) + ".",
    ]
    for script, figures in found.items():
        parts += [f"## {script.removesuffix('.py')}", f"    python tests/bench/{script}", figure_table(figures)]
    return "\n\n".join(parts) + "\n"


def main(words: Sequence[str]) -> int:
    names = [word for word in words if not word.startswith("-")]
    scripts = [HERE / f"bench_{name}.py" for name in names] or sorted(HERE.glob("bench_*.py"))
    load = os.getloadavg()[0]
    found = {script.name: run(script) for script in scripts}
    complete = not names and all(found.values())
    if complete and "--dry" not in words:
        PAGE.write_text(page(found, load), encoding="utf-8")
        print(f"written to {PAGE}")
    return 0 if all(found.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
