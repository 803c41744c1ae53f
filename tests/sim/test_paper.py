"""Paper trading: a stranger's live feed (that of docs/hooks.md, as a plugin in a folder) over a real socket, orders on
the simulated exchange, in real time; and the journal of it all replayed."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from wire_server import served_bytes, write_wire

IDA = Path(sys.executable).with_name("ida")
PATIENCE_S = 60.0
PLUGINS = """
import time
from decimal import Decimal

import trio

from ida_core import FeedPlugin, Instrument, Listed, LiveFeed, OrderType, Side, Signal, Strategy, hookimpl

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

class Slow(Strategy):
    "Takes ten times as long for a book as there is."
    name = "slow"
    book_updates = "every"

    def on_book(self, ctx, book):
        time.sleep(0.005)

    def on_trade(self, ctx, trade):
        pass

class Wary(Strategy):
    "Wants to buy once its book is stale, and when it is good again."
    name = "wary"

    def on_start(self, ctx):
        ctx.every(0.05)

    def on_timer(self, ctx, timer):
        assert not ctx.market.synced or ctx.now_ns - ctx.market.ts_book_ns < 5e9

    def on_market_state(self, ctx, state):
        assert ctx.market.synced == (state.state == "LIVE")
        ctx.place(Side.BUY, 100, type=OrderType.MARKET, note=state.state)

    def on_signal(self, ctx, signal):
        ctx.place(Side.BUY, 100, type=OrderType.MARKET, note=f"signal {signal.data}")

class Setter(Strategy):
    "Sets the machine's clock, as all in this process see it, by an hour."
    name = "setter"
    by_s = -3600

    def on_start(self, ctx):
        self.seen = 0
        ctx.every(0.05)

    def on_timer(self, ctx, timer):
        self.seen += 1
        if self.seen == 10:
            real = time.time_ns
            time.time_ns = lambda: real() + self.by_s * 10**9

class Hurrier(Setter):
    name = "hurrier"
    by_s = 3600

class Beats(FeedPlugin):
    name = "beats"

    async def events(self):
        for number in range(3):
            await trio.sleep(0.2)
            yield Signal(source="beats", name="beat", data=number)

class Broken(LiveFeed):
    name = "broken"

    def listed(self):
        btc = Instrument(symbol="BTCUSDT", base="BTC", quote="USDT", tick_size=Decimal("0.01"), lot_size=Decimal("1"))
        return [Listed(btc, 0, 0, 1000)]

    async def run(self, inlet):
        await trio.sleep(0)
        {}["no such key"]

@hookimpl
def ida_strategies():
    return [Taker, Slow, Wary, Setter, Hurrier]

@hookimpl
def ida_feeds():
    return [Beats]

@hookimpl
def ida_live_feeds():
    return [Broken]
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
        (self.plugins / "others.py").write_text(PLUGINS)

    def words(self, address: str, *more: str) -> list[str]:
        return [str(IDA), "run", "--feed", "wire", "--wire-address", address, "--plugins-dir", str(self.plugins),
                "--out", str(self.folder / "runs"), "--json", *more]

    def run(self, address: str, *more: str) -> tuple[int, dict[str, Any], str]:
        done = subprocess.run(self.words(address, *more), capture_output=True, text=True, timeout=PATIENCE_S)
        return done.returncode, json.loads(done.stdout), done.stderr

    def log(self) -> str:
        return "".join(file.read_text() for file in self.folder.glob("runs/*/log.jsonl"))

    def wait_for(self, text: str, running: subprocess.Popen[str]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while text not in self.log():
            assert time.monotonic() < deadline
            assert running.poll() is None
            time.sleep(0.02)

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
        desk.wait_for('"NEW"', running)
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


def test_a_slow_strategy_is_told_of_newer_books_and_the_report_says_so(desk: Desk) -> None:
    with served_bytes(flowing(0.0005)) as address:
        code, document, _ = desk.run(address, "--strategy", "slow", "--duration", "2")
    assert code == 0
    assert [text for text in document["warnings"] if "slower than its market" in text]
    assert document["events"]["by_kind"]["depth"] > 2 * document["plugin_time"]["strategy slow"]["calls"] / 2
    assert desk.replay(document)["same"]


def test_a_silent_stream_makes_the_book_stale_until_it_is_heard_of(desk: Desk) -> None:
    lines, heard = moves(), threading.Event()

    def serve(connection: Any) -> None:
        for _ in range(50):
            connection.sendall(json.dumps(next(lines)).encode() + b"\n")
        heard.wait(PATIENCE_S)
        while True:  # nothing happens on the market, but the stream lives
            connection.sendall(b"{}\n")
            time.sleep(0.05)

    with served_bytes(serve) as address:
        running = subprocess.Popen(
            [*desk.words(address, "--strategy", "wary", "--set", "wire.staleness_s=0.4"), "--duration", "4"],
            stdout=subprocess.PIPE, text=True)
        desk.wait_for('"STALE"', running)
        heard.set()
        text, _ = running.communicate(timeout=PATIENCE_S)
    document = json.loads(text)
    states = [json.loads(line) for line in desk.log().splitlines() if '"what":"state"' in line]
    assert [state["state"] for state in states][:3] == ["LIVE", "STALE", "LIVE"]
    assert "no sign of life of its depth stream" in states[1]["reason"]
    assert "the bound is 0.4 s" in states[1]["reason"]
    assert document["fills"]["count"] >= 2  # the exchange has no market to fill it on while it is stale
    assert document["orders"]["rejected"] + sum(document["risk"]["refused"].values()) >= 1
    assert desk.replay(document)["same"]


@pytest.mark.parametrize("strategy", ["setter", "hurrier"])
def test_a_clock_that_is_set_moves_no_deadline(desk: Desk, strategy: str) -> None:
    """Back by an hour it would stop timers and the search for stale books for that hour; forward, end the run."""
    with served_bytes(flowing()) as address:
        code, document, _ = desk.run(address, "--strategy", strategy, "--duration", "2")
    assert code == 0
    assert document["plugin_time"][f"strategy {strategy}"]["calls"] > 20
    assert document["data"]["symbols"]["BTCUSDT"]["stale_s"] < 60
    assert desk.replay(document)["same"]


def test_signals_come_in_real_time_and_are_replayed(desk: Desk) -> None:
    with served_bytes(flowing()) as address:
        code, document, _ = desk.run(address, "--feed", "beats", "--strategy", "wary", "--duration", "1.5")
    assert code == 0
    assert document["fills"]["count"] == 4  # when the book came into step, and at each signal
    assert desk.replay(document)["same"]


def test_a_bug_in_a_live_feed_is_named_and_ends_the_run_in_order(desk: Desk) -> None:
    words = ["--strategy", "wary", "--feed", "broken"]
    done = subprocess.run(
        [*desk.words("h:1", *words)[:2], *desk.words("h:1", *words)[4:]], capture_output=True, text=True,
        timeout=PATIENCE_S)
    assert done.returncode == 4
    assert "IDA-E4000" in done.stderr
    assert "KeyError: 'no such key'" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Traceback" in desk.log()
    assert json.loads(done.stdout)["run"]["ended"].startswith("IDA-E4000")


def test_a_plan_tells_of_live_prices_and_runs_nothing(desk: Desk) -> None:
    words = [str(IDA), "plan", *desk.words("h:1", "--strategy", "taker")[2:]]
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE_S)
    plan = json.loads(done.stdout)["plan"]
    assert plan["assumptions"]["market"] == "live prices of wire; orders go to the simulated exchange alone"
    assert not (desk.folder / "runs").exists()
