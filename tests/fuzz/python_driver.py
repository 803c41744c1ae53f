"""Fuzzes a Python function, with the options of libFuzzer that ``run.py`` gives: guided by the lines that inputs reach.

An input that makes the function raise, or keeps it busy for 20 seconds, is kept and ends the run with exit code 1.
With ``-runs`` alone the same happens each time.
"""

import argparse
import hashlib
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Protocol

MOST_BYTES = 16384
MOST_SECONDS = 20
ROOT = Path(__file__).resolve().parents[2]

Target = Callable[[bytes], object]


class Tokens(Protocol):
    """Words that the inputs of a target are made of."""

    def __getitem__(self, index: int) -> bytes: ...
    def __len__(self) -> int: ...


class TooLong(BaseException):
    """The target is still at it."""


class Coverage:
    """Which lines of which files were reached, and about how often."""

    def __init__(self, watched: Sequence[str]) -> None:
        self._watched = tuple(watched)
        self._wanted: dict[CodeType, bool] = {}
        self._seen: dict[tuple[CodeType, int], int] = {}
        self.features: set[tuple[str, int, int]] = set()

    def run(self, target: Target, data: bytes) -> bool:
        """Whether ``data`` reached something new."""
        self._seen.clear()
        sys.settrace(self._call)
        try:
            target(data)
        finally:
            sys.settrace(None)
        before = len(self.features)
        self.features |= {
            (code.co_filename, line, times.bit_length()) for (code, line), times in self._seen.items()}
        return len(self.features) > before

    def _call(self, frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        wanted = self._wanted.get(code)
        if wanted is None:
            wanted = self._wanted[code] = any(part in code.co_filename for part in self._watched)
        return self._line if wanted else None

    def _line(self, frame: FrameType, event: str, argument: Any) -> Any:
        key = frame.f_code, frame.f_lineno
        self._seen[key] = self._seen.get(key, 0) + 1
        return self._line


class Changer:
    """Changes inputs: bytes, lines, and words of the target's."""

    def __init__(self, seed: int, words: Tokens) -> None:
        self._random = random.Random(seed)
        self._words = words

    def changed(self, seeds: Sequence[bytes]) -> bytes:
        rng = self._random
        data = rng.choice(seeds[-64:] if rng.random() < 0.5 else seeds)
        ways = self._byte, self._word, self._number, self._erase, self._lines, self._splice
        for _ in range(rng.randint(1, 5)):
            data = rng.choice(ways)(data, seeds)
        return data[:MOST_BYTES]

    def _at(self, data: bytes) -> int:
        return self._random.randrange(len(data) + 1)

    def _byte(self, data: bytes, seeds: Sequence[bytes]) -> bytes:
        at = self._at(data)
        return data[:at] + bytes([self._random.randrange(256)]) + data[at + self._random.randrange(2) :]

    def _word(self, data: bytes, seeds: Sequence[bytes]) -> bytes:
        at = self._at(data)
        return data[:at] + self._random.choice(self._words) + data[at + self._random.choice((0, 0, 1, 4)) :]

    def _number(self, data: bytes, seeds: Sequence[bytes]) -> bytes:
        """Another number in the place of one that stands there."""
        rng, at = self._random, self._at(data)
        while at < len(data) and not data[at : at + 1].isdigit():
            at += 1
        end = at
        while end < len(data) and data[end : end + 1].isdigit():
            end += 1
        numbers = (b"0", b"-1", b"1", b"9223372036854775807", b"9223372036854775808", b"1e999", b"1E+99999999", b"nan",
                   b"0.0000000000000000001", b"4294967295", str(rng.randrange(100)).encode())
        return data[:at] + rng.choice(numbers) + data[end:]

    def _erase(self, data: bytes, seeds: Sequence[bytes]) -> bytes:
        at = self._at(data)
        return data[:at] + data[at + self._random.randint(1, 20) :]

    def _lines(self, data: bytes, seeds: Sequence[bytes]) -> bytes:
        """A line goes, comes twice, or comes from another input."""
        lines, others = data.split(b"\n"), self._random.choice(seeds).split(b"\n")
        at = self._random.randrange(len(lines))
        lines[at : at + self._random.randrange(2)] = self._random.choice(
            ([], [lines[at], lines[at]], [self._random.choice(others)]))
        return b"\n".join(lines)

    def _splice(self, data: bytes, seeds: Sequence[bytes]) -> bytes:
        other = self._random.choice(seeds)
        return data[: self._at(data)] + other[self._random.randrange(len(other) + 1) :]


def _ring(*_: Any) -> None:
    raise TooLong(f"still at it after {MOST_SECONDS} seconds")


def _guarded(run: Callable[[], bool], data: bytes, prefix: str) -> bool:
    signal.alarm(MOST_SECONDS)
    try:
        return run()
    except BaseException:
        sys.settrace(None)
        traceback.print_exc()
        path = f"{prefix}{hashlib.sha256(data).hexdigest()[:16]}"
        Path(path).write_bytes(data)
        print(f"Test unit written to {path}", file=sys.stderr)
        sys.exit(1)
    finally:
        signal.alarm(0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("-runs", type=int)
    parser.add_argument("-max_total_time", type=int)
    parser.add_argument("-seed", type=int, default=1)
    parser.add_argument("-artifact_prefix", default="crash-")
    parser.add_argument("-max_len", type=int, help="taken as libFuzzer's; inputs have at most 16 KiB here")
    parser.add_argument("paths", nargs="+", type=Path)
    return parser.parse_args()


def main(target: Target, watched: Sequence[str], words: Tokens) -> None:
    """Run the target as the command line says.

    Args:
        watched: parts of the names of files whose lines guide the search.
        words: what is put into inputs.
    """
    given = _arguments()
    signal.signal(signal.SIGALRM, _ring)
    coverage, changer = Coverage(watched), Changer(given.seed, words)
    files = [file for path in given.paths for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
    seeds = [file.read_bytes()[:MOST_BYTES] for file in files] or [b""]
    begin, runs = time.monotonic(), 0
    for data in list(seeds):
        _guarded(lambda data=data: coverage.run(target, data), data, given.artifact_prefix)  # type: ignore[misc]
        runs += 1
    searches = any(path.is_dir() for path in given.paths)
    while searches and (given.runs is None or runs < given.runs) and (
            given.max_total_time is None or time.monotonic() - begin < given.max_total_time):
        data = changer.changed(seeds)
        if _guarded(lambda data=data: coverage.run(target, data), data, given.artifact_prefix):  # type: ignore[misc]
            seeds.append(data)
        runs += 1
    lines = len({feature[:2] for feature in coverage.features})
    print(f"#{runs} DONE cov: {lines} ft: {len(coverage.features)} corp: {len(seeds)}", file=sys.stderr)
    print(f"Done {runs} runs in {time.monotonic() - begin:.0f} second(s)", file=sys.stderr)
