"""A feed: recorded market data in the form that is mapped and replayed, a thin hand on
``csrc/feed``.

A feed file is written once by an importer, renamed into place when it is whole, and checked before
it is trusted. Prices are ticks, quantities lots of the instruments that ``FeedMeta`` describes;
times are ns since 1970 UTC.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from io import BufferedReader
from pathlib import Path
from typing import Any, Literal, Self

import msgspec

from ida_core.errors import DataError, OutputError
from ida_core.model import Filters, Instrument, InstrumentKind
from ida_core.native import ffi, lib

FEED_SCHEMA = 1
KINDS = ("snapshot", "depth", "trade", "quote", "bar", "mark", "ticker", "partial", "average")
QUANTILES = 1001
MOST_PROBLEMS = 100

_HEADER = struct.Struct("<8s8Q")
_MAGIC = b"IDAFEED2"
_DELAYS = 1 << 18
NS_PER_MS = 1_000_000


class FeedSource(msgspec.Struct, frozen=True):
    """A file that the feed was made from; ``sha256`` is of its bytes as they lie there."""

    name: str
    sha256: str
    bytes: int
    lines: int


class FeedInstrument(msgspec.Struct, frozen=True, kw_only=True):
    """What a record's ``instrument`` index means.

    ``chain`` is the rule of ``csrc/sync.h`` (0 contiguous, 1 previous). ``inferred``: the grid was
    found from the numbers themselves, of which ``prices_seen`` were prices. ``filters``: the exchange's, where the
    recording has them. ``first_price`` and
    ``highest_price`` are ticks, -1 where the feed has none; the latter tells how high a book must
    reach. Where the grid was told and the recording is finer: ``quantities_rounded`` up to the next lot, levels
    left out (``levels_off_tick``) and other events passed over (``events_off_tick``) at prices between two ticks.
    """

    symbol: str
    market: str
    kind: str
    base: str
    quote: str
    settle: str
    multiplier: Decimal
    tick_size: Decimal
    lot_size: Decimal
    chain: Literal[0, 1]
    inferred: bool
    first_price: int = -1
    highest_price: int = -1
    prices_seen: int = 0
    records: int = 0
    filters: Filters = Filters()
    quantities_rounded: int = 0
    levels_off_tick: int = 0
    events_off_tick: int = 0

    def instrument(self, name: str = "") -> Instrument:
        """The ``Instrument``, with the filters that the recording has."""
        return Instrument(
            symbol=self.symbol, base=self.base, quote=self.quote, settle=self.settle,
            market=self.market, kind=InstrumentKind(self.kind), multiplier=self.multiplier,
            tick_size=self.tick_size, lot_size=self.lot_size, filters=self.filters, name=name,
        )  # fmt: skip


class FeedProblem(msgspec.Struct, frozen=True):
    """A fault of a source: ``line`` and ``column`` count from 1, columns in bytes; ``text`` is what
    stands there.

    ``damage``: what stands there cannot be read, or cannot be believed, and was left out. Otherwise
    it is a warning: nothing that the market is known by was lost.
    """

    line: int
    column: int
    rule: str
    text: str = ""
    damage: bool = True


class FeedMeta(msgspec.Struct, frozen=True, kw_only=True):
    """What a feed holds, and what its making met.

    ``counts`` are records by kind (``KINDS``), ``streams`` messages by the venue's name of the
    stream, ``ignored`` messages that are no market data, by reason. ``latency_ns`` are 1001 evenly
    spaced quantiles of local minus venue time, the recorder's clock offset included (see
    ``clock_offset``), of ``delayed`` records. ``decode_ns`` has ``p50`` and ``p99`` per message. Of
    ``problems_total`` problems, ``damaged`` of which are damage, the first hundred are told.
    """

    schema: int = FEED_SCHEMA
    sources: tuple[FeedSource, ...]
    instruments: tuple[FeedInstrument, ...]
    records: int
    counts: dict[str, int]
    streams: dict[str, int]
    first_local_ns: int
    last_local_ns: int
    latency_ns: tuple[int, ...] = ()
    delayed: int = 0
    ignored: dict[str, int] = {}
    off_book: int = 0
    problems: tuple[FeedProblem, ...] = ()
    problems_total: int = 0
    damaged: int = 0
    decode_ns: dict[str, int] = {}


class Feed:
    """A mapped, checked feed file.

    Args:
        path: the file; it may be unlinked once this is made.
        notes: sentences that whoever opens it should be told.
    Raises:
        DataError: the file is damaged, or not a feed file of this version.
    """

    def __init__(self, path: Path, notes: Sequence[str] = ()) -> None:
        self.path = path
        self.notes = tuple(notes)
        self._map = _map(path)
        self._bytes = ffi.from_buffer(self._map)
        self._check()
        self.meta = _decode_meta(path, self._map)

    def _check(self) -> None:
        where = ffi.new("uint64_t *")
        if lib.ida_feed_check(self._bytes, len(self._bytes), where) != lib.IDA_OK:
            self._release()
            raise DataError(f"{self.path}: not a sound feed file: the fault is at byte {where[0]}", code="IDA-E7030")

    @property
    def pointer(self) -> Any:
        """``const void *`` to the start of the file; good until ``close``."""
        return ffi.cast("const void *", self._bytes)

    @property
    def records(self) -> tuple[Any, int]:
        """``const ida_record *`` to the first record, and the bytes of all of them."""
        _, offset, length, *_ = _HEADER.unpack_from(self._map)
        return ffi.cast("const ida_record *", self._bytes + offset), length

    def ids(self, instrument: int, kind: str) -> tuple[int, int] | None:
        """Lowest and highest update id (kind ``depth``) or single trade's id (kind ``trade``); None without any."""
        span = ffi.new("int64_t[2]")
        records, length = self.records
        found = lib.ida_survey_ids(records, length, instrument, 1 + KINDS.index(kind), span, span + 1)
        return (span[0], span[1]) if found else None

    def close(self) -> None:
        """Unmap; every pointer into it is dangling from now on. May be called twice."""
        if self._map is not None:
            self._release()

    def _release(self) -> None:
        ffi.release(self._bytes)
        self._map.close()
        self._map = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _map(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except ValueError as error:
        raise DataError(f"{path}: not a sound feed file: it is empty", code="IDA-E7030") from error


def _decode_meta(path: Path, content: Any) -> FeedMeta:
    *_, offset, length, _ = _HEADER.unpack_from(content)
    try:
        meta = msgspec.json.decode(content[offset : offset + length], type=FeedMeta)
    except msgspec.MsgspecError as error:
        raise DataError(f"{path}: the feed's description cannot be read: {error}", code="IDA-E7030") from error
    if meta.schema != FEED_SCHEMA:
        raise DataError(f"{path}: feed of schema {meta.schema}; this version reads {FEED_SCHEMA}", code="IDA-E7030")
    return meta


def read_meta(path: Path) -> FeedMeta:
    """The description alone, without checking the records.

    Raises:
        DataError: not a feed file of this version.
    """
    content = _map(path)
    try:
        if len(content) < _HEADER.size or content[:8] != _MAGIC:
            raise DataError(f"{path}: not a feed file", code="IDA-E7030")
        return _decode_meta(path, content)
    finally:
        content.close()


class Survey(msgspec.Struct, frozen=True):
    """What ``csrc/survey`` saw: counts by kind, times, delays; ``prices`` has (first, highest,
    records) for each instrument."""

    records: int
    counts: dict[str, int]
    off_book: int
    first_local_ns: int
    last_local_ns: int
    delayed: int
    latency_ns: tuple[int, ...]
    prices: tuple[tuple[int, int, int], ...]


class FeedWriter:
    """Writes one feed file: records first, then ``finish``. Until that renames it into place,
    nothing is there.

    Use it as a context manager: leaving the block without ``finish`` removes what was written.

    Raises:
        OutputError: from any call, when the disk is full or the folder cannot be written to.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bytes = 0
        self._records = 0
        self._temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            self._file = self._temporary.open("w+b")
            self._file.write(bytes(_HEADER.size))
        except OSError as error:
            text = f"{path.parent}: the feed cannot be written: {error.strerror}"
            raise OutputError(text, code="IDA-E7220") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._temporary.unlink(missing_ok=True)

    def write(self, records: Any, count: int) -> None:
        """Append whole records (a buffer) in local order."""
        self._guard(self._file.write, records)
        self.bytes += len(records)
        self._records += count

    def _guard(self, action: Any, *arguments: Any) -> Any:
        try:
            return action(*arguments)
        except OSError as error:
            raise OutputError(f"{self.path}: the feed cannot be written: {error.strerror}", code="IDA-E7220") from error

    @contextmanager
    def change(self) -> Iterator[tuple[Any, int]]:
        """Lend what was written for change: ``void *`` to the first record, and their bytes."""
        self._guard(self._file.flush)
        if not self.bytes:
            yield ffi.NULL, 0
            return
        end = _HEADER.size + self.bytes
        with mmap.mmap(self._file.fileno(), end) as content, ffi.from_buffer(content) as start:
            yield start + _HEADER.size, self.bytes

    def survey(self, instruments: int) -> Survey:
        """Look over all records as they are now."""
        with self.change() as (records, length):
            return _survey(records, length, instruments)

    def finish(self, meta: FeedMeta) -> Path:
        """Seal, describe and rename into place. The writer is of no more use."""
        order_offset = _HEADER.size + self.bytes
        entries = self._seal(order_offset)
        meta_offset = order_offset + 8 * entries
        description = msgspec.json.encode(meta)
        header = _HEADER.pack(
            _MAGIC, _HEADER.size, self.bytes, self._records, order_offset, entries, meta_offset,
            len(description), lib.ida_crc32c(0, description, len(description)),
        )  # fmt: skip
        self._guard(self._put, meta_offset, description, header)
        self._guard(os.replace, self._temporary, self.path)
        return self.path

    def _seal(self, order_offset: int) -> int:
        """Sets the checksums and writes the order by venue time; how many entries."""
        self._guard(self._file.flush)
        if not self._records:
            return 0
        end = order_offset + 8 * self._records
        self._guard(_reserve, self._file.fileno(), end)
        with mmap.mmap(self._file.fileno(), end) as content, ffi.from_buffer(content) as start:
            order = ffi.cast("uint64_t *", start + order_offset)
            return int(lib.ida_feed_seal(start + _HEADER.size, self.bytes, order))

    def _put(self, meta_offset: int, description: bytes, header: bytes) -> None:
        self._file.truncate(meta_offset)
        self._file.seek(meta_offset)
        self._file.write(description)
        self._file.seek(0)
        self._file.write(header)
        self._file.flush()


def _reserve(file: int, size: int) -> None:
    """Take the room on the disk now: a full disk would otherwise be a fault at some later write."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
    else:
        os.truncate(file, size)


def _survey(records: Any, length: int, instruments: int) -> Survey:
    seen = ffi.new("ida_survey *")
    prices = ffi.new("ida_survey_prices[]", max(instruments, 1))
    delays = ffi.new("int64_t[]", _DELAYS)
    count = lib.ida_survey_records(records, length, seen, prices, instruments, delays, _DELAYS)
    return Survey(
        records=seen.records,
        counts={kind: seen.count[i] for i, kind in enumerate(KINDS, 1) if seen.count[i]},
        off_book=seen.off_book,
        first_local_ns=seen.first_local_ns,
        last_local_ns=seen.last_local_ns,
        delayed=seen.delayed,
        latency_ns=tuple(_quantiles(delays, count)),
        prices=tuple((p.first, p.highest, p.records) for p in prices[0:instruments]),
    )


def _quantiles(ordered: Any, count: int) -> Iterable[int]:
    """``QUANTILES`` evenly spaced order statistics: the least first, the greatest last."""
    if not count:
        return ()
    return (int(ordered[i * (count - 1) // (QUANTILES - 1)]) for i in range(QUANTILES))


@contextmanager
def open_recording(path: Path) -> Iterator[BufferedReader]:
    """Open the file of a recording for reading.

    Raises:
        DataError: it is not there, is no file, or cannot be read, also while it is open.
    """
    if path.exists() and not path.is_file():
        raise DataError(
            f"{path}: not a file; a recording is read more than once, so it cannot be a folder or a pipe",
            code="IDA-E7011")
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}", code="IDA-E7011") from error


def clock_offset(feeds: Sequence[Feed | FeedMeta]) -> tuple[int, str]:
    """How far the recorder's clock was behind the exchange's, and a sentence that says so.

    The feeds count as recorded by one machine. No message is seen before it was sent, so where
    local minus venue time is negative the clocks differ. The 0.1 % quantile is taken instead of the
    least, which a single wrong stamp would decide; it is rounded away from zero to a whole ms, the
    resolution of most venues' stamps, so that 99.9 % of the delays that remain are not negative. A
    positive quantile is no evidence: it may be latency or offset, so nothing is removed.

    Returns:
        ns to subtract from local minus venue time, 0 or negative; the sentence.
    """
    metas = [feed.meta if isinstance(feed, Feed) else feed for feed in feeds]
    weighted = sorted((ns, meta.delayed) for meta in metas for ns in meta.latency_ns)
    if not weighted:
        return 0, "no record has a venue time: clock offset and feed latency are unknown"
    least = _weighted_quantile(weighted, 0.001)
    records = sum(meta.delayed for meta in metas)
    seen = f"local minus venue time, 0.1 % quantile of {records:,}: {least / NS_PER_MS:.3f} ms"
    if least >= 0:
        return 0, f"no clock offset was removed ({seen})"
    offset = least // NS_PER_MS * NS_PER_MS
    return offset, (
        f"the recorder's clock was behind the exchange's; {-offset // NS_PER_MS:,} ms were removed "
        f"({seen}); the feed latencies that remain are lower bounds"
    )


def _weighted_quantile(ordered: Sequence[tuple[int, int]], share: float) -> int:
    rest = share * sum(weight for _, weight in ordered)
    for value, weight in ordered:
        rest -= weight
        if rest < 0:
            return value
    return ordered[-1][0]
