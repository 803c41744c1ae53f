"""Clients that others wrote take the server for Binance: they read it, subscribe, and hold a right book.

Each lives in an environment of its own, below build/peers, made when it is first needed; where pip cannot have it the
test is skipped. All three run at once, against one replay of a real recording in real time.
"""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from bench.peers import STRANGERS, PeerMissing, python_of

SCRIPTS = Path(__file__).resolve().parents[1] / "bench" / "strangers"
CAPTURES = ("spot_btcusdt_20240808.gz", "spot_btcusdt_20240809.gz")
#: For so long each holds a book.
SECONDS = int(os.environ.get("IDA_STRANGERS_S", "60"))
TOP = 10


@pytest.fixture(scope="module")
def recorded(recordings: Path) -> list[Path]:
    paths = [recordings / "captures" / name for name in CAPTURES]
    if not all(path.is_file() for path in paths):
        pytest.skip(f"no {CAPTURES[0]} among the recordings")
    return paths


@pytest.fixture(scope="module")
def answers(recorded: list[Path]) -> Iterator[dict[str, Any]]:
    """What each stranger saw."""
    try:
        pythons = {name: python_of(name) for name in STRANGERS}
    except PeerMissing as missing:
        pytest.skip(str(missing))
    feeds = [word for path in recorded for word in ("--feed", str(path))]
    ida = [sys.executable, "-m", "ida_core", "exchange", *feeds, "--port", "0", "--json"]
    with subprocess.Popen(ida, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            ready = json.loads(server.stdout.readline())
            words = [ready["rest"], ready["ws"], str(SECONDS)]
            running = {name: subprocess.Popen(
                [python, SCRIPTS / f"{name}.py", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                for name, python in pythons.items()}
            yield {name: finished(name, process) for name, process in running.items()}
        finally:
            server.terminate()


def finished(name: str, process: subprocess.Popen[str]) -> Any:
    said, problem = process.communicate(timeout=SECONDS + 120)
    assert process.returncode == 0, f"{name}: {problem[-3000:]}"
    return json.loads(said.splitlines()[-1])


def true_tops(paths: list[Path], wanted: set[int]) -> dict[int, Any]:
    """The best levels at these update ids, by the recording itself, with nothing of ours between."""
    sides: list[dict[float, float]] = [{}, {}]
    found: dict[int, Any] = {}
    for last, changes in in_order(paths):
        for side, levels in zip(sides, changes, strict=True):
            side |= {float(price): float(quantity) for price, quantity in levels}
        if last in wanted:
            found[last] = [best(sides[0], True), best(sides[1], False)]
        if len(found) == len(wanted):
            break
    return found


def in_order(paths: list[Path]) -> Iterator[tuple[int, tuple[Any, Any]]]:
    """The snapshot, and the diffs that are newer, each with its update id."""
    waiting: list[Any] | None = []
    known = 0
    for data in messages(paths):
        if "lastUpdateId" in data:
            known = data["lastUpdateId"]
            yield known, (data["bids"], data["asks"])
            yield from ((diff["u"], (diff["b"], diff["a"])) for diff in waiting or [] if diff["u"] > known)
            waiting = None
        elif data.get("e") == "depthUpdate" and waiting is not None:
            waiting.append(data)
        elif data.get("e") == "depthUpdate" and data["u"] > known:
            yield data["u"], (data["b"], data["a"])


def messages(paths: list[Path]) -> Iterator[Any]:
    for path in paths:
        with gzip.open(path, "rt") as file:
            for line in file:
                message = json.loads(line.split(" ", 1)[1])
                yield message.get("data", message)


def best(side: dict[float, float], is_bids: bool) -> list[list[float]]:
    return [[price, side[price]] for price in sorted((p for p, q in side.items() if q), reverse=is_bids)[:TOP]]


@pytest.mark.slow
@pytest.mark.parametrize("name", STRANGERS)
def test_a_stranger_reads_what_there_is(answers: dict[str, Any], name: str) -> None:
    found = answers[name]
    assert found["rest"]["symbols"] == ["BTCUSDT"]
    assert float(found["rest"]["tick"]) == 0.01
    assert found["rest"]["levels"] == 100
    later = found["later"]
    assert len(later["trades"]) == 5
    assert all(after == before + 1 for before, after in pairwise(later["trades"]))
    assert later["klines"]
    assert later["count"] > 0
    assert found.get("ws_api", {"levels": 5})["levels"] == 5
    assert min(found["seen"][stream] for stream in ("trade", "kline")) > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", STRANGERS)
def test_a_stranger_holds_a_right_book(answers: dict[str, Any], recorded: list[Path], name: str) -> None:
    tops = answers[name]["tops"]
    assert len(tops) == SECONDS
    ids = [last for last, _, _ in tops]
    assert ids == sorted(ids)
    assert len(set(ids)) > SECONDS // 2
    truth = true_tops(recorded, set(ids))
    for last, bids, asks in tops:
        assert [bids, asks] == truth[last], f"{name} at update {last}"
