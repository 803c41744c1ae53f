"""GB/s and messages a second from recorded text to records, and from text to the book.

    python tests/bench/bench_decode.py [NAME ...]

Each round takes the whole recording, unpacked beforehand, on a grid that is known. Apply is one call a message from
Python, whose cost is in the figure. Beside them: msgspec on the same messages into plain Python objects, which is what
a decoder in Python begins with.
"""

import gzip
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from measure import capture, rounds, seconds, tell

from ida_binance.decoder import Decoder, Grid
from ida_binance.recorded_lines import MOST_STREAMS
from ida_binance.recording import BinanceRecording
from ida_core.book import Market
from ida_core.feed import FeedInstrument
from ida_core.native import ffi, lib

NAMES = ("usdm_btcusdt_20240808", "spot_btcusdt_20240808", "cm_btcusd_perp_20240808")
ROOM = 64 << 20


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


def report(what: str, text: Text, measure: Callable[[], float]) -> None:
    times = rounds(measure)
    note = f"{text.messages:,} messages of {len(text.text) // text.messages:,} bytes"
    tell(what, "GB/s", [len(text.text) / t / 1e9 for t in times], note=note)
    tell(what, "ns/message", [t / text.messages * 1e9 for t in times])


def applied(text: Text, instrument: FeedInstrument) -> float:
    """Seconds to decode and apply each record; the book's making is left out."""
    market = Market(instrument.chain, instrument.highest_price)
    pointer = market.pointer

    def work() -> None:
        for record in records(*text.decode()):
            lib.ida_market_apply(pointer, record)

    return seconds(work)


def decode_all(messages: list[bytes]) -> None:
    decode = msgspec.json.Decoder().decode
    for message in messages:
        decode(message)


def bench(path: Path) -> None:
    (feed,) = BinanceRecording().open([path], {})
    instrument = feed.meta.instruments[0]
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    texts = {"all messages": Text(lines, instrument)}
    texts["depth only"] = Text([line for line in lines if b"@depth" in line], instrument)
    for words, text in texts.items():
        report(f"{path.stem}: decode, {words}", text, partial(seconds, text.decode))
        report(f"{path.stem}: decode and apply, {words}", text, partial(applied, text, instrument))
    messages = [line.split(b" ", 1)[1] for line in lines]
    whole = texts["all messages"]
    report(f"{path.stem}: msgspec, objects only", whole, partial(seconds, partial(decode_all, messages)))


def main() -> None:
    for name in sys.argv[1:] or NAMES:
        bench(capture(f"{name}.gz"))


if __name__ == "__main__":
    main()
