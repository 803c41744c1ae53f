"""GB/s and messages a second from recorded text to records, and from text to the book.

    python tests/bench/bench_decode.py [NAME ...]

Best of several rounds over the whole recording, unpacked beforehand, on a grid that is known. Apply
is one call a message from Python, whose cost is in the figure. Beside them: msgspec on the same
messages into plain Python objects, which is what a decoder in Python begins with.
"""

import gzip
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from ida_binance.decoder import Decoder, Grid
from ida_binance.recorded_lines import MOST_STREAMS
from ida_binance.recording import BinanceRecording
from ida_core.book import Market
from ida_core.feed import FeedInstrument
from ida_core.native import ffi, lib

ROUNDS = 5
NAMES = ("usdm_btcusdt_20240808", "spot_btcusdt_20240808", "cm_btcusd_perp_20240808")
ROOM = 64 << 20


def captures_folder() -> Path | None:
    if named := os.environ.get("IDA_DATA"):
        return Path(named) / "captures"
    beside = (p / "shared" / "data" / "captures" for p in Path(__file__).resolve().parents)
    return next((folder for folder in beside if folder.is_dir()), None)


def best(work: Callable[[], Any]) -> float:
    """Shortest time in seconds of several rounds."""
    shortest = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        shortest = min(shortest, time.perf_counter() - start)
    return shortest


class Text:
    """Recorded lines in memory, decoded in one call."""

    def __init__(self, lines: list[bytes], instrument: FeedInstrument) -> None:
        self.text = b"".join(lines)
        self.messages = len(lines)
        self._grid = {instrument.symbol: Grid(instrument.tick_size, instrument.lot_size)}
        self._room = ffi.new("uint64_t[]", ROOM // 8)

    def decode(self) -> tuple[Any, int]:
        decoder = Decoder(self._grid)
        streams = ffi.gc(lib.ida_binance_streams_new(MOST_STREAMS), lib.ida_binance_streams_free)
        done, problem = ffi.new("ida_binance_pass *"), ffi.new("ida_binance_problem *")
        status = lib.ida_binance_take_lines(
            decoder.pointer, done, streams, self.text, len(self.text), self._room, ROOM, ffi.NULL, 0, problem
        )
        if status != lib.IDA_OK or done.records != self.messages:
            raise SystemExit(f"line {done.line}: status {status}")
        return self._room, done.made


def records(room: Any, made: int) -> Iterator[Any]:
    at, end = ffi.cast("char *", room), ffi.cast("char *", room) + made
    while at < end:
        record = ffi.cast("ida_record *", at)
        yield record
        at += record.length


def report(what: str, text: Text, seconds: float) -> None:
    print(
        f"  {what:28} {len(text.text) / seconds / 1e9:6.2f} GB/s  {text.messages / seconds / 1e6:6.2f} M messages/s"
        f"  {seconds / text.messages * 1e9:8.0f} ns a message of {len(text.text) // text.messages} bytes"
    )


def bench_apply(text: Text, instrument: FeedInstrument) -> float:
    """Decode, then apply each record; the book's making is left out."""

    def work() -> None:
        for record in records(*text.decode()):
            lib.ida_market_apply(pointer, record)

    shortest = float("inf")
    for _ in range(ROUNDS):
        market = Market(instrument.chain, instrument.highest_price)
        pointer = market.pointer
        start = time.perf_counter()
        work()
        shortest = min(shortest, time.perf_counter() - start)
    return shortest


def decode_all(messages: list[bytes]) -> None:
    decode = msgspec.json.Decoder().decode
    for message in messages:
        decode(message)


def bench(path: Path) -> None:
    (feed,) = BinanceRecording().open([path], {})
    instrument = feed.meta.instruments[0]
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    everything = Text(lines, instrument)
    depth = Text([line for line in lines if b"@depth" in line], instrument)
    print(path.name)
    report("decode", everything, best(everything.decode))
    report("decode, depth only", depth, best(depth.decode))
    report("decode + apply", everything, bench_apply(everything, instrument))
    report("decode + apply, depth only", depth, bench_apply(depth, instrument))
    messages = [line.split(b" ", 1)[1] for line in lines]
    report("msgspec, objects only", everything, best(lambda: decode_all(messages)))


def main() -> None:
    folder = captures_folder()
    if folder is None:
        raise SystemExit("no recordings: set IDA_DATA to a folder of them")
    for name in sys.argv[1:] or NAMES:
        bench(folder / f"{name}.gz")


if __name__ == "__main__":
    main()
