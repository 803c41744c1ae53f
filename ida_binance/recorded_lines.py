"""Reads recorded streams, plain or gzipped, and hands their lines to the decoder in bulk.

A line is ``<local stamp> <message>``. Memory is bounded: a file is read in pieces, and records are
given away batch by batch.
"""

import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from ida_binance.decoder import Decoder
from ida_core.errors import DataError
from ida_core.feed import FeedProblem, open_recording
from ida_core.native import ffi, lib

PIECE_BYTES = 1 << 20
LONGEST_LINE = 1 << 28
MOST_STREAMS = 4096
LINES_ROOM = 1 << 16
_GZIP = b"\x1f\x8b"
_TEXT = 80
#: What a recorder writes between the messages, by the beginning of the line behind its stamp.
_OWN_LINE = re.compile(rb'\d{16,19} \{"stream":"!(exchangeInfo|dropped)","data":')
_DROPPED = re.compile(rb'"lines":(\d{1,18})\}')


class Batch(NamedTuple):
    """Whole records, good until the next batch: a pointer to the first, their bytes and number,
    and the line of each where that was asked for."""

    records: Any
    bytes: int
    number: int
    lines: Any


class Pieces:
    """The contents of a recorded file, unpacked, a piece at a time; ``cut`` says why they end too early, or nothing.

    ``torn``: it is at its end that the file ends too early, as a recorder that was killed leaves it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cut = ""
        self.torn = False

    def __iter__(self) -> Iterator[bytes]:
        with open_recording(self.path) as file:
            packed = file.read(2) == _GZIP
            file.seek(0)
            yield from self._unpacked(file) if packed else _chunks(file)

    def _unpacked(self, file: IO[bytes]) -> Iterator[bytes]:
        """The contents of all gzip members; where they end too early or are damaged, up to
        there."""
        member = zlib.decompressobj(31)
        for chunk in _chunks(file, PIECE_BYTES // 8):
            while chunk := chunk.lstrip(b"\0") if member.eof else chunk:
                member = zlib.decompressobj(31) if member.eof else member
                sound = member.copy()
                try:
                    yield member.decompress(chunk)
                except zlib.error as error:
                    self.cut = f"from here on the gzip data is damaged ({error})"
                    yield _salvage(sound, chunk)
                    return
                chunk = member.unused_data
        if not member.eof:
            self.cut = "the gzip data ends too early: this line is cut"
            self.torn = True


def first_line(path: Path) -> bytes:
    """The first line that is not empty, without its end; empty if the file has no whole line.

    Raises:
        DataError: the file cannot be read.
    """
    text = b""
    for piece in Pieces(path):
        text = (text + piece).lstrip(b"\r\n")
        if b"\n" in text or len(text) > LONGEST_LINE:
            break
    line, end, _ = text.partition(b"\n")
    return line if end else b""


class LinePass:
    """One pass over one recording.

    Args:
        decoder: makes the records; one that learns, or one that knows the symbols.
        report: is told each fault as it is met; what it raises ends the pass.
        default_symbol: index of the symbol of messages that name none, or -1.
        with_lines: batches tell the line of each record.
        torn_ends: a file that ends within a line, or a gzip member, is what a killed recorder leaves: no damage.
    """

    def __init__(
        self, path: Path, decoder: Decoder, report: Callable[[FeedProblem], None], *,
        default_symbol: int = -1, with_lines: bool = False, torn_ends: bool = False,
    ) -> None:  # fmt: skip
        self.path = path
        self.ignored: Counter[str] = Counter()
        self._decoder = decoder
        self._report = report
        self._pass = ffi.new("ida_binance_pass *")
        self._pass.default_symbol = default_symbol
        self._streams = ffi.gc(lib.ida_binance_streams_new(MOST_STREAMS), lib.ida_binance_streams_free)
        self._problem = ffi.new("ida_binance_problem *")
        self._lines = ffi.new("uint32_t[]", LINES_ROOM) if with_lines else ffi.NULL
        self._make_room(4 * PIECE_BYTES)
        self._cut = ""
        self._torn_ends = torn_ends

    @property
    def line(self) -> int:
        """Lines taken so far."""
        return int(self._pass.line)

    @property
    def records(self) -> int:
        return int(self._pass.records)

    def streams(self) -> dict[str, int]:
        """Messages by the name of their stream, symbol included; what was ignored is not
        counted."""
        count = lib.ida_binance_streams_count(self._streams)
        found = (lib.ida_binance_streams_look(self._streams, i) for i in range(count))
        return {
            ffi.string(stream.name).decode(errors="replace"): stream.messages for stream in found if stream.messages
        }

    def decode_ns(self) -> dict[str, int]:
        """``p50`` and ``p99`` of the times that sampled messages took; empty without samples."""
        taken = min(self._pass.samples, lib.IDA_BINANCE_SAMPLES)
        ordered = sorted(self._pass.decode_ns[0:taken])
        if not ordered:
            return {}
        return {f"p{share}": ordered[(taken - 1) * share // 100] for share in (50, 99)}

    def batches(self) -> Iterator[Batch]:
        """The records of all lines, in the file's order.

        Raises:
            DataError: the file cannot be read, or a line is longer than 256 MiB.
        """
        rest, pieces = b"", Pieces(self.path)
        for piece in pieces:
            text = rest + piece
            yield from self._take(text)
            rest = text[self._pass.taken :]
            if len(rest) > LONGEST_LINE:
                raise DataError(f"{self.path}:{self.line + 1}: a line of more than 256 MiB", code="IDA-E7010")
        if self._torn_ends and (pieces.torn or (rest and not pieces.cut)):
            self._tell(self.line + 1, 0, "the file ends within a line: its recorder was killed", rest, damage=False)
        elif pieces.cut:
            self._tell(self.line + 1, 0, pieces.cut, rest)
        elif rest:
            self._cut = "the last line is cut: "
            yield from self._take(rest + b"\n")

    def _take(self, text: bytes) -> Iterator[Batch]:
        """Take all whole lines; ``_pass.taken`` is then the bytes of all of them."""
        start, at = ffi.from_buffer(text), 0
        while True:
            status = lib.ida_binance_take_lines(
                self._decoder.pointer, self._pass, self._streams, start + at, len(text) - at,
                self._room, self._capacity, self._lines, LINES_ROOM, self._problem,
            )  # fmt: skip
            if self._pass.count:
                yield Batch(self._room, self._pass.made, self._pass.count, self._lines)
            if status == lib.IDA_FULL and not self._pass.taken:
                self._make_room(2 * self._capacity)
            elif status not in (lib.IDA_OK, lib.IDA_FULL):
                self._note(status, text[at + self._pass.at :][: self._pass.length])
            at += self._pass.taken
            if status == lib.IDA_OK:
                self._pass.taken = at
                return

    def _make_room(self, size: int) -> None:
        self._capacity = size
        self._owner = ffi.new("uint64_t[]", size // 8)
        self._room = ffi.cast("char *", self._owner)

    def _note(self, status: int, line: bytes) -> None:
        """The line made no record, or one that is to be wondered at."""
        problem = self._problem
        rule = ffi.string(problem.rule).decode()
        if status == lib.IDA_EMPTY and (own := _OWN_LINE.match(line)):
            self._note_own(own[1], line)
            return
        if status == lib.IDA_EMPTY or (status == lib.IDA_OFF_GRID and problem.passable):
            self.ignored[_reason(rule, line[problem.offset :])] += 1
            return
        damage = status != lib.IDA_STATE and not problem.passable
        if damage:
            rule = f"{self._cut}{rule}"
        self._tell(self.line, problem.offset, rule, line, damage=damage)

    def _note_own(self, stream: bytes, line: bytes) -> None:
        """What the recorder had to say; that it lost lines is news."""
        if stream == b"dropped":
            lines = _DROPPED.search(line)
            number = int(lines[1]) if lines else 1
            rule = f"{number:,} messages are missing here: the recorder could not write them"
            self._tell(self.line, 0, rule, b"", damage=False)

    def _tell(self, line: int, offset: int, rule: str, text: bytes, *, damage: bool = True) -> None:
        shown = text[offset : offset + _TEXT].decode(errors="replace")
        self._report(FeedProblem(line, offset + 1, rule, shown, damage))


def _chunks(file: IO[bytes], size: int = PIECE_BYTES) -> Iterator[bytes]:
    return iter(lambda: file.read(size), b"")


def _salvage(member: Any, chunk: bytes) -> bytes:
    """What a chunk gives up to its first damaged byte."""
    found = []
    try:
        for i in range(len(chunk)):
            found.append(member.decompress(chunk[i : i + 1]))
    except zlib.error:
        return b"".join(found)
    return b"".join(found)


def _reason(rule: str, text: bytes) -> str:
    """An unknown event is told by its name, which begins the text."""
    if rule != "unknown event":
        return rule
    name = text[:40].split(b'"', 1)[0].decode(errors="replace")
    return f"{rule} {name}"
