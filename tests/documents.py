"""The documents as a reader would follow them: their blocks, run in order in one shell, and what they should print.

In a page

- a fence with ``title="FILE"`` is a file, written before what follows it is run;
- in a ``console`` fence lines after ``$ `` are commands and all others are what they print; in ``sh`` fences, and in
  indented blocks of the README, every line is a command whose output does not matter;
- a command that fails must be followed by ``$ echo "exit code $?"``;
- ``<!-- test: recording -->`` above a block says that it needs a real recording, ``<!-- test: not run: WHY -->`` that
  it is only for reading.

``FILE.gz``, ``RUN`` and ``ORDER`` stand for a recording, the last run and one of its orders.

What is printed is compared without the numbers in it: run ids, times, hashes, counts and money differ from machine to
machine or change as the simulation improves; words, order and number of figures may not. ``...`` stands for anything.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PLACEHOLDERS = {"FILE.gz": '"$RECORDING"', "RUN": '"$(last_run)"', "ORDER": '"$(an_order)"'}
PREAMBLE = """
last_run() { ls -td runs/* | head -n 1; }
an_order() { sed -n 2p "$(last_run)"/report/fills.csv | tr ',' '\\n' | grep -m 1 '^ida'; }
"""
END = "---- end of command"

_FENCE = re.compile(r'```(\w*)(?:.*title="([^"]+)")?')
_MARK = re.compile(r"<!-- test: (.+) -->")
_NUMBERS = (
    (re.compile(r"\b\d{8}-\d{6}-[0-9a-f]{4}\b"), "#"),  # run ids
    (re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{8,}\b"), "#"),  # hashes
    (re.compile(r"[-+\u2212]?\d[\d,_]*(?:\.\d+)?(?:[eE][-+]?\d+)?"), "#"),
    (re.compile(r"(?<=#) ?[kMG](?=\b|/)"), ""),
)


class Block(NamedTuple):
    """``mark``: what the comment above it says; ``language`` of an indented block: ``sh``."""

    line: int
    language: str
    title: str
    mark: str
    text: str


class Step(NamedTuple):
    command: str
    expected: str | None
    line: int


def blocks(page: Path) -> Iterator[Block]:
    """The fences of a page, and its indented blocks that hold commands."""
    lines = page.read_text(encoding="utf-8").splitlines()
    mark, i = "", 0
    while i < len(lines):
        line, i = lines[i], i + 1
        if found := _MARK.fullmatch(line.strip()):
            mark = found[1]
        elif fence := _FENCE.match(line):
            end = lines.index("```", i)
            yield Block(i, fence[1], fence[2] or "", mark, "\n".join(lines[i:end]) + "\n")
            mark, i = "", end + 1
        elif re.match(r" {4}(ida|make)\b", line):
            yield Block(i, "sh", "", mark, line.strip() + "\n")
        elif line.strip():
            mark = ""


def steps(block: Block) -> Iterator[Step]:
    """The commands of a block, each with what it should print, or None where that is not shown."""
    lines = block.text.splitlines()
    if block.language == "sh":
        yield from (Step(line, None, block.line + i) for i, line in enumerate(lines, 1) if line.strip())
        return
    starts = [i for i, line in enumerate(lines) if line.startswith("$ ")]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        more = start + 1
        while lines[more - 1].endswith("\\"):
            more += 1
        command = "\n".join(lines[start:more]).removeprefix("$ ")
        yield Step(command, "\n".join(lines[more:end]), block.line + start + 1)


def without_numbers(text: str) -> str:
    for pattern, word in _NUMBERS:
        text = pattern.sub(word, text)
    return "\n".join(" ".join(line.split()) for line in text.splitlines()).strip()


def agrees(expected: str, printed: str) -> bool:
    """Whether a document shows what was printed, but for the numbers; ``...`` stands for anything."""
    shown = "\n" + without_numbers(expected) + "\n"
    pattern = ".*".join(map(re.escape, shown.replace("\n...\n", "\n...").split("...")))
    return re.fullmatch(pattern, "\n" + without_numbers(printed) + "\n", re.DOTALL) is not None


def run_steps(planned: Sequence[Step], folder: Path, recording: Path | None) -> list[tuple[Step, int, str]]:
    """Run commands one after the other in one shell; each with its exit code and what it printed, on both streams."""
    after = f"{{ rc=$?; echo; echo '{END}' $rc; (exit $rc); }}"
    script = PREAMBLE + "".join(f"{prepared(step.command)}\n{after}\n" for step in planned)
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "IDA_CACHE_DIR": str(folder / ".cache"),
        "RECORDING": str(recording or "no-recording"), "COLUMNS": "100", "NO_COLOR": "1",
    }  # fmt: skip
    done = subprocess.run(
        ["bash"], input=script, cwd=folder, env=environment, text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    results, said = [], done.stdout.split(END)
    for step, printed, after in zip(planned, said, said[1:], strict=False):
        text = printed.split("\n", 1)[1] if results else printed
        results.append((step, int(after.split()[0]), text))
    return results


def prepared(command: str) -> str:
    for word, meant in PLACEHOLDERS.items():
        command = re.sub(rf"(?<![\w./-]){re.escape(word)}(?![\w./-])", lambda _, meant=meant: meant, command)
    return command


def sections(found: Sequence[Block]) -> Iterator[list[Block]]:
    """Runs of blocks, alternately those that are files and those that are run."""
    return (list(group) for _, group in groupby(found, key=lambda block: bool(block.title)))
