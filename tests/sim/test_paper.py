"""Paper trading: a stranger's live feed (that of docs/hooks.md, as a plugin in a folder) over a real socket, orders on
the simulated exchange, in real time; and the journal of it all replayed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from wire_server import served_bytes, write_wire

IDA = Path(sys.executable).with_name("ida")
PATIENCE_S = 60.0
TAKER = """
from ida_core import OrderType, Side, Strategy, hookimpl

class Taker(Strategy):
    "Buys and sells in turn, and keeps an order far away."
    name = "taker"
    book_updates = "every"

    def on_start(self, ctx):
        self.seen = 0

    def on_book(self, ctx, book):
        self.seen += 1
        if self.seen == 1:
            ctx.place(Side.BUY, 1000, price=book.bid - 500_000)
        if self.seen % 10 == 5:
            ctx.place(Side.BUY if self.seen % 20 < 10 else Side.SELL, 100, type=OrderType.MARKET)

@hookimpl
def ida_strategies():
    return [Taker]
"""


def price(ticks: int) -> str:
    return f"{ticks / 100:.2f}"


def moves(seed: int = 1, middle: int = 6_000_000) -> Iterator[dict[str, Any]]:
    """A book, then changes and trades without an end."""
    draw = Random(seed)
    sides = {"bids": [[price(middle - 1 - i), "1"] for i in range(20)],
             "asks": [[price(middle + 1 + i), "1"] for i in range(20)]}
    yield {"book": 100, **sides}
    number = 100
    while True:
        number += 1
        bids = [[price(middle - 1 - draw.randrange(20)), str(draw.randrange(1, 9))]]
        asks = [[price(middle + 1 + draw.randrange(20)), str(draw.randrange(1, 9))]]
        yield {"from": number, "to": number, "bids": bids, "asks": asks}
        if number % 5 == 0:
            yield {"trade": number, "price": price(middle + 1), "quantity": "0.5", "side": "BUY"}


def flowing(pause_s: float = 0.002) -> Callable[[Any], None]:
    def serve(connection: Any) -> None:
        for line in moves():
            connection.sendall(json.dumps(line).encode() + b"\n")
            time.sleep(pause_s)

    return serve


class Desk:
    """A folder with the plugins, from which ``ida`` is run as a user would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.plugins = write_wire(folder / "plugins")
        (self.plugins / "taker.py").write_text(TAKER)

    def words(self, address: str, *more: str) -> list[str]:
        return [str(IDA), "run", "--feed", "wire", "--wire-address", address, "--plugins-dir", str(self.plugins),
                "--out", str(self.folder / "runs"), "--json", *more]

    def run(self, address: str, *more: str) -> tuple[int, dict[str, Any], str]:
        done = subprocess.run(self.words(address, *more), capture_output=True, text=True, timeout=PATIENCE_S)
        return done.returncode, json.loads(done.stdout), done.stderr

    def replay(self, document: dict[str, Any]) -> dict[str, Any]:
        words = [str(IDA), "replay", document["run"]["out"], "--plugins-dir", str(self.plugins), "--json"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE_S)
        found: dict[str, Any] = json.loads(done.stdout)["replay"]
        return found


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_run_on_live_prices_fills_reports_and_replays(desk: Desk) -> None:
    with served_bytes(flowing()) as address:
        code, document, said = desk.run(address, "--strategy", "taker", "--duration", "2")
    assert (code, said) == (0, "")
    assert document["run"]["mode"] == "SIM"
    assert document["run"]["ended"] == "the time asked for is over"
    assert document["fills"]["taker"] > 2
    assert document["ledger"]["balanced"]
    assert document["orders"]["submitted"] == document["orders"]["filled"] + document["orders"]["canceled"]
    assert document["assumptions"]["market"].startswith("live prices of wire")
    assert document["worst_cases"] in (None, [])
    assert document["latency_us"]["receive_to_strategy"]["p50"] > 0
    replay = desk.replay(document)
    assert replay == {"same": True, "requests": replay["requests"], "difference": None, "complete": True}
    assert replay["requests"] > document["orders"]["submitted"]


def test_ctrl_c_cancels_own_orders_writes_the_report_and_exits_0(desk: Desk) -> None:
    with served_bytes(flowing()) as address:
        running = subprocess.Popen(desk.words(address, "--strategy", "taker"), stdout=subprocess.PIPE, text=True)
        deadline = time.monotonic() + PATIENCE_S
        while not any(desk.folder.glob("runs/*/log.jsonl")) or '"NEW"' not in next(
                desk.folder.glob("runs/*/log.jsonl")).read_text():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(running.pid, signal.SIGINT)
        text, _ = running.communicate(timeout=PATIENCE_S)
    document = json.loads(text)
    assert (running.returncode, document["run"]["ended"]) == (0, "interrupted")
    assert document["orders"]["canceled"] >= 1
    assert not [text for text in document["warnings"] if "open" in text]
    assert desk.replay(document)["same"]


def test_a_feed_that_dies_ends_the_run_in_order_with_its_code(desk: Desk) -> None:
    lines = moves()

    def serve(connection: Any) -> None:
        for _ in range(200):
            connection.sendall(json.dumps(next(lines)).encode() + b"\n")
            time.sleep(0.002)
        connection.close()

    with served_bytes(serve) as address:
        code, document, said = desk.run(address, "--strategy", "taker")
    assert code == 4
    assert "error IDA-E4100: wire" in said
    assert "the connection was closed" in said
    assert document["run"]["ended"].startswith("IDA-E4100: wire")
    assert document["orders"]["canceled"] >= 1
    assert not [text for text in document["warnings"] if "still open" in text]
    assert desk.replay(document)["same"]
