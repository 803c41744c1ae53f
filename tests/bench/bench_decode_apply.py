"""From the bytes of depth messages to an updated book, against msgspec with sortedcontainers in the same run.

    python tests/bench/bench_decode_apply.py

The peer decodes into typed structs, makes floats of the numbers and keeps each side in a ``SortedDict``: what a careful
Python program does. Both get the same messages one by one, read the best prices after each, and must agree on them.
What it costs in C, without two calls from Python for each message, a C program tells by its thread's processor time.
Needs the ``bench`` extra and a C compiler.
"""

import gzip
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path

import msgspec
from measure import ROUNDS, capture, in_turn, seconds, tell

from ida_binance.decoder import Decoder, Grid
from ida_core.book import Book
from ida_core.native import ffi, lib

try:
    from dict_book import Best, DictBook, Message
except ImportError:
    sys.exit("sortedcontainers is missing: pip install -e '.[bench]'")

TICK, LOT = Decimal("0.1"), Decimal("0.001")
MAX_PRICE, ROOM, LEAST, MOST = 10_000_000, 1 << 20, 800, 1200
ROOT = Path(__file__).resolve().parents[2]
SOURCES = (
    "binance_json", "binance_events", "binance_levels", "binance_market", "binance_message", "json", "decimal", "book",
)  # fmt: skip


def depth_messages() -> list[bytes]:
    """All depth messages of the recording, without the recorder's stamp."""
    with gzip.open(capture()) as file:
        lines = (line.split(b" ", 1)[1].rstrip() for line in file)
        return [line for line in lines if b'"e":"depthUpdate"' in line]


class Ours:
    """Decoder and book in C, a call from Python for each."""

    def __init__(self) -> None:
        self.decoder = Decoder({"BTCUSDT": Grid(TICK, LOT)})
        self.book = Book(MAX_PRICE)
        self.record = ffi.new("char[]", ROOM)

    def take(self, messages: Sequence[bytes]) -> Best:
        decode, apply, problem = lib.ida_binance_decode, lib.ida_book_apply, ffi.new("ida_binance_problem *")
        decoder, book, record = self.decoder.pointer, self.book, self.record
        target, depth, bid, ask = book.pointer, ffi.cast("ida_depth *", record), 0, 0
        for text in messages:
            if decode(decoder, text, len(text), 0, -1, 0, record, ROOM, problem):
                raise ValueError(ffi.string(problem.rule))
            apply(target, depth)
            bid, ask = book.bid or 0, book.ask or 0
        return float(bid * TICK), float(ask * TICK)


class Peer:
    """msgspec and two sorted dictionaries."""

    def __init__(self) -> None:
        self.book = DictBook()

    def take(self, messages: Sequence[bytes]) -> Best:
        for text in messages:
            self.book.take(text)
        return self.book.best


class PeerDecoding:
    """The part of it that is msgspec's."""

    def take(self, messages: Sequence[bytes]) -> None:
        decode = msgspec.json.Decoder(Message).decode
        for text in messages:
            decode(text)


def seconds_of(make: Callable[[], Ours | Peer | PeerDecoding], messages: Sequence[bytes]) -> float:
    """How long one takes that is made for it; a first pass has filled its memory and its book."""
    taker = make()
    taker.take(messages)
    return seconds(partial(taker.take, messages))


def compile_program(folder: Path) -> Path:
    program = folder / "decode_apply"
    sources = [str(ROOT / "csrc" / f"{name}.c") for name in SOURCES]
    flags = ["-O3", "-std=c11", "-D_GNU_SOURCE", "-fno-strict-aliasing", f"-I{ROOT / 'csrc'}"]
    source = str(Path(__file__).with_name("decode_apply.c"))
    subprocess.run(["cc", *flags, "-o", str(program), source, *sources], check=True)
    return program


def bench_in_c(messages: Sequence[bytes], what: str, key: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder) / "messages"
        lines.write_bytes(b"".join(text + b"\n" for text in messages))
        words = [compile_program(Path(folder)), lines, str(ROUNDS)]
        said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    decoding, both = zip(*(map(float, line.split()) for line in said.splitlines()), strict=True)
    size = sum(map(len, messages)) / len(messages)
    tell(f"{what}: decode alone, in C", "GB/s", [size / t for t in decoding])
    tell(f"{what}: decode and apply, in C", "ns/message", both)
    tell(f"{what}: decode and apply, in C", "GB/s", [size / t for t in both], key=key and f"{key}_gbs")


def bench(messages: Sequence[bytes], what: str, key: str) -> None:
    assert Ours().take(messages) == Peer().take(messages)
    size, count = sum(map(len, messages)), len(messages)
    note = f"{count:,} messages of {size / count:,.0f} bytes on average"
    mine, theirs, decoding = in_turn(*(partial(seconds_of, work, messages) for work in (Ours, Peer, PeerDecoding)))
    tell(f"{what}: Ida from Python, decode and apply", "us/message", [t / count * 1e6 for t in mine], note=note)
    tell(f"{what}: Ida from Python, decode and apply", "GB/s", [size / t / 1e9 for t in mine])
    tell(f"{what}: msgspec + sortedcontainers", "us/message", [t / count * 1e6 for t in theirs])
    tell(f"{what}: msgspec, decoding alone", "us/message", [t / count * 1e6 for t in decoding])
    ratios = [other / own for own, other in zip(mine, theirs, strict=True)]
    tell(f"{what}: Ida against msgspec + sortedcontainers", "times as fast", ratios, key=key and f"{key}_ratio")


def main() -> None:
    messages = depth_messages()
    for some, what, key in (
        ([text for text in messages if LEAST <= len(text) <= MOST], "depth messages of about 1 KB", "decode_apply"),
        (messages, "all depth messages", ""),
    ):
        bench_in_c(some, what, key)
        bench(some, what, key)


if __name__ == "__main__":
    main()
