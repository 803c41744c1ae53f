"""Runs fuzz targets one after the other, each for some seconds or executions, and prints what they came to.

    python tests/fuzz/run.py [--seconds S] [--runs N] [--seed N] [--fresh] TARGET=PROGRAM...

PROGRAM is a libFuzzer program, or one with ``driver.c``, or a ``.py`` for this Python. libFuzzer keeps new inputs in
``build/corpus/TARGET``; ``--fresh`` begins with ``tests/golden`` alone, so that the same happens each time.
Exit code 1 if a target met a fault: its input is kept in ``build/crashes``, and the command that shows it again is
said.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
CRASHES = ROOT / "build" / "crashes"
WORDS = ROOT / "tests" / "fuzz" / "binance_json.dict"
DICTIONARIES = {"binance_json": WORDS, "binance_lines": WORDS}
TOLD = re.compile(r"cov: (\d+) ft: (\d+)")
DONE = re.compile(r"Done (\d+) runs in (\d+) second")
KEPT = re.compile(r"Test unit written to (\S+)")


class Outcome(NamedTuple):
    target: str
    runs: int
    seconds: float
    coverage: str
    crash: str | None


def command(program: str) -> list[str]:
    return [sys.executable, program] if program.endswith(".py") else [program]


def folders(target: str, fresh: bool) -> list[str]:
    """Where inputs to begin with lie; the first gets the new ones."""
    golden = ROOT / "tests" / "golden" / target
    corpus = ROOT / "build" / "corpus" / target
    if not fresh:
        corpus.mkdir(parents=True, exist_ok=True)
    found = [golden] if fresh else [corpus, golden]
    return [str(folder.relative_to(ROOT)) for folder in found if folder.is_dir()]


def run(target: str, program: str, limits: argparse.Namespace) -> Outcome:
    CRASHES.mkdir(parents=True, exist_ok=True)
    words = [*command(program), f"-artifact_prefix=build/crashes/{target}-"]
    if limits.seconds is not None:
        words.append(f"-max_total_time={limits.seconds}")
    if limits.runs is not None:
        words.append(f"-runs={limits.runs}")
    if limits.seed is not None:
        words.append(f"-seed={limits.seed}")
    words.append("-max_len=4096")
    if target in DICTIONARIES:
        words.append(f"-dict={DICTIONARIES[target].relative_to(ROOT)}")
    words += folders(target, limits.fresh)
    begin = time.monotonic()
    environment = {"ASAN_OPTIONS": "quarantine_size_mb=16", **os.environ}
    done = subprocess.run(
        words, cwd=ROOT, env=environment, capture_output=True, text=True, errors="replace", check=False)
    return told(target, program, done, time.monotonic() - begin)


def told(target: str, program: str, done: "subprocess.CompletedProcess[str]", seconds: float) -> Outcome:
    runs, coverage = DONE.search(done.stderr), TOLD.findall(done.stderr)
    crash = None
    if done.returncode:
        kept = KEPT.search(done.stderr)
        again = f"\nagain: {' '.join(command(program))} {kept[1]}" if kept else ""
        crash = f"{done.stderr[-6000:]}{again}"
    shown = "{} / {}".format(*coverage[-1]) if coverage else "-"
    return Outcome(target, int(runs[1]) if runs else 0, seconds, shown, crash)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=int, help="for each target")
    parser.add_argument("--runs", type=int, help="of each target")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--fresh", action="store_true", help="begin with tests/golden alone")
    parser.add_argument("targets", nargs="+", metavar="TARGET=PROGRAM")
    given = parser.parse_args()
    crashes = []
    print(f"{'target':<16}{'executions':>12}{'seconds':>10}{'per second':>12}  code / features")
    for word in given.targets:
        outcome = run(*word.split("=", 1), given)
        rate = outcome.runs / max(outcome.seconds, 1e-3)
        end = "FAULT" if outcome.crash else outcome.coverage
        print(f"{outcome.target:<16}{outcome.runs:>12,}{outcome.seconds:>10.1f}{rate:>12,.0f}  {end}", flush=True)
        if outcome.crash:
            crashes.append(outcome)
    for outcome in crashes:
        print(f"\n{outcome.target}:\n{outcome.crash}", file=sys.stderr)
    return 1 if crashes else 0


if __name__ == "__main__":
    sys.exit(main())
