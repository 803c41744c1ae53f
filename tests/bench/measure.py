"""How all benchmarks measure and tell: the median of several rounds, one JSON line per figure."""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

ROUNDS = 7
#: Of computing: the processor time of this thread, so that what else runs on the machine counts as little as can be.
#: What waits for a disk or another process is timed by the wall clock instead.
clock = time.thread_time
Measured = TypeVar("Measured")
CAPTURE = "usdm_btcusdt_20240808.gz"


def captures_folder() -> Path | None:
    """The recordings: ``$IDA_DATA/captures``, or the nearest ``shared/data/captures`` above."""
    if named := os.environ.get("IDA_DATA"):
        return Path(named) / "captures"
    beside = (p / "shared" / "data" / "captures" for p in Path(__file__).resolve().parents)
    return next((folder for folder in beside if folder.is_dir()), None)


def capture(name: str = CAPTURE) -> Path:
    """One recording; without it the benchmark ends, saying so."""
    folder = captures_folder()
    if folder is None or not (folder / name).is_file():
        sys.exit(f"no recording {name}: set IDA_DATA to a folder that holds captures/")
    return folder / name


def seconds(work: Callable[[], object]) -> float:
    """Of computing, on ``clock``."""
    began = clock()
    work()
    return clock() - began


def rounds(measure: Callable[[], float], count: int = ROUNDS) -> list[float]:
    """What ``measure`` says, so many times."""
    return [measure() for _ in range(count)]


def in_turn(*measures: Callable[[], Measured], count: int = ROUNDS) -> list[list[Measured]]:
    """The same for several that are compared: in turn, so that a busy machine is busy for all of them."""
    return [list(values) for values in zip(*([measure() for measure in measures] for _ in range(count)), strict=True)]


def tell(what: str, unit: str, values: Sequence[float], *, key: str = "", note: str = "") -> None:
    """Print a figure: the median of ``values``, with the least and the most of them.

    Args:
        key: the budget of ``run.BUDGETS`` that it is held against.
        note: what a reader must know to understand it.
    """
    figure = {
        "what": what, "unit": unit, "median": rounded(statistics.median(values)), "least": rounded(min(values)),
        "most": rounded(max(values)), "rounds": len(values), "key": key, "note": note,
    }  # fmt: skip
    print(json.dumps(figure), flush=True)


def tell_missing(what: str, why: str, keys: Sequence[str]) -> None:
    """Say that budgets could not be looked at, and why: the page shows it where the figures would stand."""
    print(json.dumps({"what": what, "missing": why, "keys": list(keys)}), flush=True)


def tell_programs(words: str) -> None:
    """Name a peer and its version, for the page's head."""
    print(json.dumps({"programs": words}), flush=True)


def rounded(value: float) -> float:
    return float(f"{value:.4g}")
