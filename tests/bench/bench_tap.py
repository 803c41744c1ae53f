"""From a socket to an updated book: the tap, beside picows and plain trio-websocket, from one and the same server.

    python tests/bench/bench_tap.py

A server in a process of its own sends the depth messages of a spot recording as WebSocket frames over loopback, in the
combined form, without compression and TLS: in one burst, as under load, so that many come with each receive; and one
each 0.5 ms, so that each comes alone. Told is the processor time of the client's thread per message, from the request
for them to the last one in the book, system calls included; connecting is left out. All must end at the same best
prices.

**Ida** is what a live feed is made of: tap, peek and arbitration, decoder, inlet, and the market with book and sync,
all in C, and Python once a batch, where it reads the best prices. **picows** decodes with msgspec from the frame's
memory, without a copy, on asyncio's own loop; **trio-websocket** gets messages by `get_message`. Both keep each side in
a `SortedDict`, and look at the best prices after each message.

What one message at a time costs Ida is nearly all Trio's waking up for it: a loop that only waits and receives cost
43 us to 51 us where the whole of Ida cost 44 us to 67 us, on a busy machine.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import NamedTuple

import trio
import trio_websocket
from dict_book import Best, DictBook
from measure import capture, in_turn, tell, tell_missing, tell_programs
from peers import PEERS, PeerMissing, Worker
from tap_server import read

from ida_binance.decoder import Grid
from ida_binance.intake import Intake
from ida_core.book import Market
from ida_core.inlet import Inlet
from ida_core.native import lib
from ida_core.tap import open_tap

ROUNDS = {"burst": 9, "paced": 3}
WORDS = {"burst": "in a burst", "paced": "one at a time"}
#: By path and client.
KEYS = {
    ("burst", "Ida"): "tap_burst", ("paced", "Ida"): "tap_paced",
    ("burst", "picows"): "tap_burst_picows", ("paced", "picows"): "tap_paced_picows",
    ("burst", "trio-websocket"): "tap_burst_trio", ("paced", "trio-websocket"): "tap_paced_trio",
}  # fmt: skip
RECORDING, STREAM, PICOWS = "spot_btcusdt_20240808.gz", "btcusdt@depth@100ms", "picows"
TICK, LOT, MAX_PRICE = Decimal("0.01"), Decimal("0.000001"), 100_000_000
HERE = Path(__file__).resolve().parent


class Found(NamedTuple):
    seconds: float
    best: Best


class Setting(NamedTuple):
    """What all are given."""

    port: int
    messages: int
    snapshot: bytes

    def url(self, path: str) -> str:
        return f"ws://127.0.0.1:{self.port}/{path}"


@contextmanager
def served(recording: Path) -> Iterator[Setting]:
    snapshot, _ = read(recording)
    command = [sys.executable, HERE / "tap_server.py", recording]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            said = json.loads(server.stdout.readline())
            yield Setting(said["port"], said["messages"], snapshot)
        finally:
            server.terminate()


async def ours(setting: Setting, path: str) -> Found:
    inlet, market = Inlet(1), Market(lib.IDA_CHAIN_CONTIGUOUS, MAX_PRICE)
    inlet.attach([market])
    intake = Intake({"BTCUSDT": Grid(TICK, LOT)}, inlet)
    intake.add(STREAM, 0)
    intake.opened(0, time.time_ns())
    intake.snapshot(0, setting.snapshot, time.time_ns())
    inlet.drain()
    best: Best = (0.0, 0.0)
    took = 0.0

    def on_batch() -> None:
        nonlocal best, took
        inlet.drain()
        best = (market.book.bid or 0, market.book.ask or 0)
        if tap.messages == setting.messages:
            took = time.thread_time() - began
            done.cancel()

    with trio.CancelScope() as done:
        async with open_tap(setting.url(path), intake.sink(0), on_shown=print, on_batch=on_batch) as tap:
            began = time.thread_time()
            await tap.send("go")
            await tap.run()
    assert market.synced, "the book is not in step"
    return Found(took, (float(best[0] * TICK), float(best[1] * TICK)))


async def plain(setting: Setting, path: str) -> Found:
    book = DictBook(setting.snapshot)
    async with trio_websocket.open_websocket_url(setting.url(path)) as connection:
        began = time.thread_time()
        await connection.send_message("go")
        for _ in range(setting.messages):
            book.take(await connection.get_message())
        return Found(time.thread_time() - began, book.best)


def asked(worker: Worker, path: str) -> Found:
    answer = worker.ask(path)
    return Found(answer["seconds"], (answer["best"][0], answer["best"][1]))


def run(client: object, setting: Setting, path: str) -> Found:
    return trio.run(client, setting, path)  # type: ignore[arg-type,no-any-return]


def bench(setting: Setting, worker: Worker | None, path: str) -> None:
    """All in turn over one path of the server."""
    clients = {"Ida": partial(run, ours, setting, path), "trio-websocket": partial(run, plain, setting, path)}
    if worker is not None:
        clients[PICOWS] = partial(asked, worker, path)
    found = dict(zip(clients, in_turn(*clients.values(), count=ROUNDS[path]), strict=True))
    if len(ends := {each.best for rounds in found.values() for each in rounds}) > 1:
        raise SystemExit(f"they do not end at the same best prices: {sorted(ends)}")
    for name, rounds in found.items():
        each = [one.seconds / setting.messages * 1e6 for one in rounds]
        tell(f"{WORDS[path]}: {name}", "us/message", each, key=KEYS[path, name] if name == "Ida" else "")
    for name, rounds in found.items():
        if name != "Ida":
            ratios = [other.seconds / own.seconds for own, other in zip(found["Ida"], rounds, strict=True)]
            tell(f"{WORDS[path]}: {name} against Ida", "times Ida's", ratios, key=KEYS[path, name])


def main() -> None:
    with served(capture(RECORDING)) as setting, tempfile.TemporaryDirectory() as folder:
        size = len(setting.snapshot)
        (snapshot := Path(folder) / "snapshot").write_bytes(setting.snapshot)
        print(f"{setting.messages:,} messages; a snapshot of {size:,} bytes")
        try:
            with Worker(PICOWS, "picows_speed.py", snapshot, str(setting.port), str(setting.messages)) as worker:
                tell_programs(worker.hello["programs"])
                for path in ROUNDS:
                    bench(setting, worker, path)
        except PeerMissing as problem:
            tell_missing(f"beside {PEERS[PICOWS].requirement}", str(problem), [KEYS[path, PICOWS] for path in ROUNDS])
            for path in ROUNDS:
                bench(setting, None, path)


if __name__ == "__main__":
    main()
