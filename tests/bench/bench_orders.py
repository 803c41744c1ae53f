"""An order's way: decision → bytes on the socket → acknowledgement; beside python-binance and ccxt, on one server.

    python tests/bench/bench_orders.py

`ida exchange` in a process of its own, without TLS, on loopback. Ida is a whole `ida run --exchange binance-testnet`,
with its journal, market data and user data stream, that places and cancels one order at a time; the figures are the
report's own: **decision → bytes** is from the strategy's call of `ctx.place` to when its bytes are handed to the write,
**→ acknowledgement** from those bytes to the exchange's first word. The others place and cancel the same order as
often, one at a time, with nothing else to do; theirs is from the call to its result, signing and sending included.
Each API of theirs is told. The pace is what the exchange allows: 100 orders in 10 s.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from measure import tell
from peers import PeerMissing, python_of

HERE = Path(__file__).resolve().parent
IDA = Path(sys.executable).with_name("ida")
COUNT, RUN_S = 100, 15.0
PEERS = ("python_binance", "ccxt_pro")
#: By type of key: how Ida's requests are signed.
KEYS = ("ED25519", "HMAC", "RSA")


@contextmanager
def exchange() -> Iterator[Mapping[str, Any]]:
    command = [IDA, "exchange", "--symbol", "BTCUSDT", "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield json.loads(server.stdout.readline())
        finally:
            server.terminate()


def run_ida(ready: Mapping[str, Any], kind: str) -> dict[str, Any]:
    key = next(key for key in ready["keys"] if key["type"] == kind)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "plugins").mkdir()
        shutil.copy(HERE / "order_placer.py", place / "plugins")
        secret = "secret" if kind == "HMAC" else "pem"
        text = json.dumps({"type": kind, "api_key": key["api_key"], secret: key["secret"]})
        (place / "ida-key-binance-testnet").write_text(text, encoding="utf-8")
        done = subprocess.run(
            [IDA, "run", "--exchange", "binance-testnet", "--binance-url", ready["rest"], "--symbol", "BTCUSDT",
             "--strategy", "placer", "--plugins-dir", place / "plugins", "--duration", str(RUN_S),
             "--out", place / "runs", "--json"],
            stdout=subprocess.PIPE, check=True, env=os.environ | {"CREDENTIALS_DIRECTORY": folder})
        document: dict[str, Any] = json.loads(done.stdout)
        return document


def ours(ready: Mapping[str, Any]) -> None:
    for kind in KEYS:
        document = run_ida(ready, kind)
        note = f"{document['orders']['submitted']} orders, {kind} key"
        for name, words in (("order_out", "decision → bytes"), ("order_ack", "bytes → acknowledgement")):
            for quantile, value in document["latency_us"][name].items():
                key = f"{name}_{quantile}" if kind == KEYS[0] else ""
                tell(f"Ida, {kind}: {words}, {quantile}", "us", [value], key=key, note=note)


def theirs(ready: Mapping[str, Any]) -> None:
    key = next(key for key in ready["keys"] if key["type"] == "HMAC")
    for name in PEERS:
        try:
            python = python_of(name)
        except PeerMissing as missing:
            print(missing, file=sys.stderr)
            continue
        words = [ready["rest"], ready["ws"], key["api_key"], key["secret"], str(COUNT), "30000"]
        script = HERE / "strangers" / f"orders_{name}.py"
        done = subprocess.run([python, script, *words], stdout=subprocess.PIPE, check=True)
        for way, taken in json.loads(done.stdout.splitlines()[-1]).items():
            for quantile, at in (("p50", 0.5), ("p99", 0.99)):
                value = sorted(taken)[min(len(taken) - 1, int(at * len(taken)))]
                tell(f"{name}, {way}: call → result, {quantile}", "us", [value], note=f"{len(taken)} orders, HMAC key")


if __name__ == "__main__":
    with exchange() as ready:
        ours(ready)
        theirs(ready)
