"""Each fault in each state: at the end all is healthy, the book is right, and the report names what happened.

A server and a run of their own for each, over real sockets, several at a time. One connection carries the streams, so
that nothing is mended by another.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from processes import Exchange, Run, exchange, running, until

from ida_binance.recording import BinanceRecording

AT_ONCE = 6
SPEED = 5
FIRST = "spot_btcusdt_20240808_first15s.gz"
DEPTH = {"stream": "*@depth*"}
SNAPSHOT = {"path": "/api/v3/depth"}
STREAMS = {"service": "streams"}
#: Quick to notice, quick to mend: what takes seconds in the field takes tenths of them here.
QUICK = ("staleness_s=1", "heartbeat_s=0.3", "pong_s=1", "timeout_s=5", "connections=1")


class Case(NamedTuple):
    """A fault with its keys; ``says``: by state, what the report must say, as a pattern over its JSON."""

    name: str
    keys: Mapping[str, Any]
    says: Mapping[str, str]


def case(kind: str, says: str = "", syncing: str | None = None, idle: str = "", name: str = "", **keys: Any) -> Case:
    states = {"streaming": says, "syncing": says if syncing is None else syncing, "idle": idle}
    return Case(name or kind, {"kind": kind, **keys}, states)


CASES = (
    case("cut", "hung up", idle="hung up", after_bytes=300, **STREAMS),
    case("reset", "reset|hung up", idle="reset|hung up", after_bytes=300, **STREAMS),
    case("half-open", "no pong", syncing="no answer within|no connection is at work", idle="no pong", **STREAMS),
    case("stall", '"no sign of life|no pong', syncing="no pong|no answer|no connection", idle="no pong", duration_s=2.5,
         **STREAMS),
    case("slow", "", bytes_per_s=2000, duration_s=1.0, **STREAMS),
    case("delay", "", delay_ms=200, duration_s=1.0, **STREAMS),
    case("jitter", "", delay_ms=100, duration_s=1.0, **STREAMS),
    case("drop", r'"gaps": [1-9]', syncing="", **DEPTH),  # the first diff lies before the snapshot: nothing is lost
    case("duplicate", "", **DEPTH),
    case("reorder", "", **DEPTH),
    case("corrupt", r'"gaps": [1-9]', syncing="", **DEPTH),
    case("late", "", delay_ms=200, duration_s=1.0, **DEPTH),
    case("silence", "is dead", syncing="", duration_s=2.5, **DEPTH),
    case("wrong-snapshot", "", snapshot="old", name="old snapshot", **SNAPSHOT),
    case("wrong-snapshot", "", syncing="no snapshot", snapshot="torn", name="torn snapshot", **SNAPSHOT),
    case("wrong-snapshot", "", snapshot="other-symbol", name="other's snapshot", **SNAPSHOT),
    case("5xx", "", syncing="no snapshot.*503", count=2, **SNAPSHOT),
    case("429", "", syncing="no snapshot.*429", retry_after_s=1, **SNAPSHOT),
    case("418", "", syncing="banned until", retry_after_s=1, **SNAPSHOT),
    case("slow-answer", "", delay_ms=300, duration_s=1.0, **SNAPSHOT),
    case("ban", "banned until|unwell", retry_after_s=1),
    case("24h-close", "24 h", idle="24 h"),
    case("server-shutdown", "serverShutdown", idle="serverShutdown", delay_ms=300),
    case("clock-offset", "", offset_ms=60_000, duration_s=2.5),
)
#: Ends right, but sometimes not in step: the recording is over before the stall, and a quiet book may wait for a diff.
UNSETTLED = {("syncing", "stall")}
#: These strike at once, so they wait for the connection that is to feel them.
AT_ONCE_KINDS = ("stall", "ban", "24h-close", "server-shutdown")


class Scene:
    """One fault in one state."""

    def __init__(self, folder: Path, recording: Path, state: str, case: Case) -> None:
        self.folder, self.recording, self.state, self.case = folder, recording, state, case

    def again(self) -> Scene:
        return Scene(self.folder.with_name(f"{self.folder.name}-again"), self.recording, self.state, self.case)

    def play(self) -> dict[str, Any]:
        """The run's document, its exit code beside it."""
        self.folder.mkdir(parents=True)
        words = [word for key in QUICK for word in ("--set", f"binance.{key}")]
        with exchange(self.folder, "--feed", self.recording, "--speed", str(SPEED)) as server:
            if self.state == "syncing" and self.case.name not in AT_ONCE_KINDS:
                server.fault(**self.case.keys)
            with running(
                self.folder / "run", "--feed", "binance", "--binance-url", server.rest, "--symbol", "BTCUSDT",
                "--strategy", "imbalance_taker", "--duration", "60", *words,
            ) as run:
                self.strike(server, run)
                self.settle(server, run)
                run.stop()
                code, document = run.finished()
        return {"code": code, "said": run.said, **document}

    def strike(self, server: Exchange, run: Run) -> None:
        if self.state == "syncing" and self.case.name in AT_ONCE_KINDS:
            self.wait(run, lambda: server.state()["connections"], "a connection")
            server.fault(**self.case.keys)
        if self.state == "streaming":
            self.wait(run, lambda: server.state()["symbols"]["BTCUSDT"]["published"] > 200, "streaming")
            server.fault(**self.case.keys)
        self.wait(run, lambda: server.state()["symbols"]["BTCUSDT"]["ended"], "the end of the recording")
        if self.state == "idle":  # nearly nothing is sent: at once, not after so many bytes
            server.fault(**{key: value for key, value in self.case.keys.items() if key != "after_bytes"})

    def settle(self, server: Exchange, run: Run) -> None:
        """Until the fault is over, and what it did is mended, as the run's own log tells."""
        duration_s = self.case.keys.get("duration_s", 0) + self.case.keys.get("retry_after_s", 0)
        time.sleep(2.5 + duration_s)
        self.wait(run, lambda: last_status(run) == "HEALTHY", "healthy again")

    def wait(self, run: Run, condition: Any, what: str) -> None:
        def holds() -> bool:
            assert run.process.poll() is None, run.said
            return bool(condition())

        until(holds, f"{self.case.name} while {self.state}: {what}", 40.0)


def last_status(run: Run) -> str:
    """What the venue said of itself last."""
    (log,) = run.runs.glob("*/log.jsonl")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    states = [line["state"] for line in lines if line["what"] == "state" and line["instrument"] == -1]
    return states[-1] if states else ""


def faults_of(scene: Scene, document: dict[str, Any], right: Mapping[str, Any]) -> Iterator[str]:
    if "error" in document or document["code"] != 0:
        yield f"exit code {document['code']}: {document.get('error')} {document['said'][-600:]}"
        return
    book = document["book"]["BTCUSDT"]
    if {k: book[k] for k in right} != right:
        yield f"the book is {book}, and should be {right}"
    data = document["data"]
    if (said := data["venue"]["history"][-1]["state"]) != "HEALTHY":
        yield f"at the end {said}"
    told = json.dumps(data)
    if not re.search(scene.case.says[scene.state], told):
        yield f"nothing says {scene.case.says[scene.state]!r}: {told[:2500]}"


def attempt(scene: Scene, right: Mapping[str, Any]) -> list[str]:
    try:
        found = list(faults_of(scene, scene.play(), right))
    except AssertionError as error:
        found = [str(error)[:1500]]
    return [f"{scene.case.name} while {scene.state}: {text}" for text in found]


@pytest.mark.slow
def test_each_fault_in_each_state_ends_healthy_with_a_right_book(recordings: Path, tmp_path: Path) -> None:
    recording = recordings / "captures" / FIRST
    right = end_of(recording)
    scenes = [Scene(tmp_path / state / str(i), recording, state, each)
              for state in ("streaming", "syncing", "idle") for i, each in enumerate(CASES)
              if (state, each.name) not in UNSETTLED]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(lambda scene: attempt(scene, right), scenes))
    # Several at a time load the machine, and the bounds are short: what failed must hold when it is played alone.
    failed = [scene for scene, texts in zip(scenes, found, strict=True) if texts]
    alone = [text for one in failed for text in attempt(one.again(), right)]
    assert not alone, "\n\n".join(alone)


def end_of(recording: Path) -> Mapping[str, Any]:
    """The recording's last book, by ``ida data check``, which reads it without a socket."""
    (found,) = BinanceRecording().check([recording]).instruments
    return {"last_update_id": found.book.last_update_id, "sha256": found.book.sha256}
