"""The journal: an append-only record of every event, and what reads it: thin hands on ``csrc/journal``
and ``csrc/reader``.

Market records stand in it as C wrote them, all other events as JSON. Equal events make equal bytes.
"""

from __future__ import annotations

import hashlib
import os
import weakref
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from ida_core.book import MARKET_KINDS, Market
from ida_core.errors import DataError, OutputError
from ida_core.events import (
    AmendOrder,
    AnyRequest,
    BalanceUpdate,
    CancelAll,
    CancelOrder,
    Event,
    FundingPayment,
    MarketState,
    Note,
    OrderUpdate,
    PlaceList,
    PlaceOrder,
    Refusal,
    ReplaceOrder,
    RequestSent,
    Signal,
    Timer,
    Transfer,
    VenueStatus,
)  # fmt: skip
from ida_core.native import ffi, lib

SEGMENT_BYTES = 16 << 20
INTERVAL_MS = 200
STRETCH_BYTES = 1 << 20
NEVER = (1 << 63) - 1

Sync = Literal["none", "interval", "request"]
_POLICIES: dict[str, int] = {
    "none": lib.IDA_SYNC_NONE, "interval": lib.IDA_SYNC_INTERVAL,
    "request": lib.IDA_SYNC_EACH_REQUEST,
}  # fmt: skip


class Timing(Event, frozen=True):
    """Measurements of the wall clock: kept in the journal, but no part of its hash."""

    what: str
    data: Any = None


#: The kind under which each class of event is journaled.
KINDS: dict[type[Event], int] = {
    PlaceOrder: lib.IDA_REQUEST, CancelOrder: lib.IDA_REQUEST, ReplaceOrder: lib.IDA_REQUEST,
    PlaceList: lib.IDA_REQUEST, AmendOrder: lib.IDA_REQUEST, CancelAll: lib.IDA_REQUEST,
    OrderUpdate: lib.IDA_REPORT, BalanceUpdate: lib.IDA_BALANCE,
    Timer: lib.IDA_TIMER, Refusal: lib.IDA_REFUSAL, MarketState: lib.IDA_STATUS_CHANGE,
    VenueStatus: lib.IDA_STATUS_CHANGE, Signal: lib.IDA_SIGNAL, Note: lib.IDA_NOTE,
    Timing: lib.IDA_TIMING, FundingPayment: lib.IDA_FUNDING, RequestSent: lib.IDA_SENT,
    Transfer: lib.IDA_TRANSFER,
}  # fmt: skip

#: Events that concern one instrument, always.
_OF_INSTRUMENT = (
    PlaceOrder, PlaceList, AmendOrder, CancelOrder, ReplaceOrder, OrderUpdate, FundingPayment, MarketState,
)  # fmt: skip

#: The words by which ``JournalReader.scan`` is asked for kinds.
KIND_NAMES: dict[str, int] = {
    **MARKET_KINDS, "request": lib.IDA_REQUEST, "report": lib.IDA_REPORT,
    "balance": lib.IDA_BALANCE, "timer": lib.IDA_TIMER, "refusal": lib.IDA_REFUSAL,
    "status": lib.IDA_STATUS_CHANGE, "signal": lib.IDA_SIGNAL, "note": lib.IDA_NOTE,
    "timing": lib.IDA_TIMING, "funding": lib.IDA_FUNDING, "sent": lib.IDA_SENT,
    "transfer": lib.IDA_TRANSFER,
}  # fmt: skip

#: Kinds that tell of the machine's clock alone: no two runs are alike in them.
MEASURED = ("timing", "sent")

_append_text = lib.ida_journal_append_text
_ENCODE = msgspec.json.Encoder(order="deterministic").encode
_DECODE = {
    kind: msgspec.json.Decoder(shape).decode
    for kind, shape in (
        (lib.IDA_REQUEST, AnyRequest), (lib.IDA_STATUS_CHANGE, MarketState | VenueStatus),
        *((KINDS[c], c) for c in (
            OrderUpdate, BalanceUpdate, Timer, Refusal, Signal, Note, Timing, FundingPayment, RequestSent, Transfer,
        )),
    )
}  # fmt: skip


def decode(record: Any) -> Event:
    """Return the event that an ``ida_record *`` of a JSON kind holds.

    Raises:
        DataError: the text is none of this kind's, or says other times than its record, or the kind has no text.
    """
    size = ffi.new("size_t *")
    try:
        text = lib.ida_record_text(record, size)
        event: Event = _DECODE[record.kind](ffi.buffer(text, size[0]))
    except (KeyError, ValueError) as error:  # among the latter all of msgspec's, and text that is not UTF-8
        what = f"journal: a record of kind {record.kind} is not understood"
        raise DataError(f"{what}: {error}", code="IDA-E7020") from error
    if event.ts_local_ns != record.ts_local_ns or event.ts_venue_ns != record.ts_venue_ns:
        text = f"journal: an event of {event.ts_local_ns} ns stands in a record of {record.ts_local_ns} ns"
        raise DataError(text, code="IDA-E7020")
    return event


class JournalWriter:
    """Writes a run's journal into a folder of its own. One thread.

    Args:
        folder: made if it is missing; must hold no journal.
        run_id: stands in each segment's header; its first 32 bytes are kept.
        segment_bytes: size of a segment, a multiple of 4096, at least 64 KiB. Each is allocated
            before it is used; the last one is cut to what it holds.
        sync: when what was appended is forced to disk: after each ``request`` (and at intervals),
            at each ``interval``, or ``none`` (then a power cut may lose it; a crash never does).
        interval_ms: how long an interval is.
    Raises:
        OutputError: the folder cannot be written, or the disk has no room for a segment.
    """

    def __init__(
        self, folder: str | Path, run_id: str, *, segment_bytes: int = SEGMENT_BYTES,
        sync: Sync = "interval", interval_ms: int = INTERVAL_MS,
    ) -> None:  # fmt: skip
        self.folder = Path(folder)
        self._segment_bytes = segment_bytes
        self._process = os.getpid()
        self._make_folder(sync)
        error = ffi.new("int *")
        self._pointer = lib.ida_journal_new(
            os.fsencode(self.folder), run_id.encode(), segment_bytes, _POLICIES[sync], interval_ms,
            error,
        )  # fmt: skip
        if not self._pointer:
            raise self._problem(error[0])
        _WRITERS.add(self)

    def _make_folder(self, sync: Sync) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if sync != "none":
                _sync_folder(self.folder.parent)
        except OSError as error:
            raise self._problem(error.errno or 0) from error

    @property
    def pointer(self) -> Any:
        """The ``ida_journal *``, for C that appends by itself; good until ``close``."""
        return self._pointer

    @property
    def records(self) -> int:
        return int(lib.ida_journal_records(self._pointer))

    @property
    def bytes(self) -> int:
        """Bytes of all records."""
        return int(lib.ida_journal_bytes(self._pointer))

    def append(self, event: Event) -> None:
        """Copy an event in. It survives a crash of this process from here on.

        Raises:
            OutputError: there is no room for a next segment, or a sync failed.
            TypeError: a market event; those are appended by C, as records.
        """
        kind = KINDS.get(type(event))
        if kind is None:
            raise TypeError(f"journal: {type(event).__name__} is journaled by C, not as JSON")
        text = _ENCODE(event)
        status = _append_text(
            self._pointer, kind, event.instrument & 0xFFFFFFFF, event.ts_venue_ns, event.ts_local_ns,
            text, len(text),
        )  # fmt: skip
        if status:
            self.check(status)

    def check(self, status: int) -> None:
        """Raise what an ``ida_status`` means, of a call here or of C that appends; IDA_OK passes."""
        if status == lib.IDA_RANGE:
            size = self._segment_bytes
            raise OutputError(f"{self.folder}: an event is larger than a segment of {size} bytes", code="IDA-E7210")
        if status == lib.IDA_STATE:
            text = f"{self.folder}: a forked process cannot write the journal of the one that it was forked from"
            raise OutputError(text, code="IDA-E7210")
        if status != lib.IDA_OK:
            raise self._problem(lib.ida_journal_error(self._pointer))

    def sync(self) -> None:
        """Return when everything appended so far is on disk; ``OutputError`` if that failed."""
        self.check(lib.ida_journal_sync(self._pointer))

    def close(self) -> None:
        """Cut the last segment, mark the journal finished, give all back. Harmless the second time,
        and in a forked child, which must leave its parent's journal alone."""
        pointer, self._pointer = self._pointer, None
        if pointer is None or os.getpid() != self._process:
            return
        error = ffi.new("int *")
        if lib.ida_journal_close(pointer, error) != lib.IDA_OK:
            raise self._problem(error[0])

    def _problem(self, errno: int) -> OutputError:
        return OutputError(
            f"{self.folder}: {os.strerror(errno)}; the journal needs a folder of its own that can be "
            f"written, and room for each segment of {self._segment_bytes} bytes before it is used",
            code="IDA-E7210",
        )

    def __enter__(self) -> JournalWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_WRITERS: weakref.WeakSet[JournalWriter] = weakref.WeakSet()


def _forsake_all() -> None:
    """In a forked child: the pages are shared with the parent, so whatever is appended here would be in its journal."""
    for writer in _WRITERS:
        if writer.pointer is not None:
            lib.ida_journal_forsake(writer.pointer)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forsake_all)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Torn(NamedTuple):
    """Where a journal is cut: the first byte in that segment that is not part of a whole record."""

    segment: int
    offset: int


class JournalReader:
    """Reads a journal, also while another process writes it. One thread.

    Args:
        instruments: how many the run has, once that is known; a record of any other is an error then.
    Raises:
        DataError: the folder is missing, cannot be read or holds no journal.
    """

    def __init__(self, folder: str | Path, instruments: int | None = None) -> None:
        self.folder = Path(folder)
        self.instruments = instruments
        self.torn: Torn | None = None
        error = ffi.new("int *")
        pointer = lib.ida_reader_new(os.fsencode(self.folder), error)
        if not pointer:
            why = os.strerror(error[0]) if error[0] else "there is no journal in this folder"
            raise DataError(f"{self.folder}: {why}", code="IDA-E7020")
        self._pointer: Any = ffi.gc(pointer, lib.ida_reader_free)

    def scan(
        self, kinds: Iterable[str | int | type[Event]] | None = None,
        markets: Sequence[Market | None] | None = None, until_ns: int | None = None,
    ) -> Iterator[Any]:  # fmt: skip
        """Yield what follows, up to the end as it is now: events, and market records as
        ``ida_record *``, each of them good until the next step.

        The next scan goes on where this one stopped. At the end ``finished`` and ``torn`` say what
        it is: the end of a closed journal, damage, or neither while it is being written.

        Args:
            kinds: names (``"trade"``, ``"request"``), event classes or ``lib.IDA_*``; None: all.
            markets: kept up to date by the market records of each instrument, whatever ``kinds``.
            until_ns: stop before the first record with a later ``ts_local_ns``.
        Raises:
            ValueError: there is no such kind.
            DataError: a file cannot be mapped, an event is not understood, or is of no instrument of the run.
        """
        mask = sum({1 << _kind(kind) for kind in (KIND_NAMES if kinds is None else kinds)})
        return self._walk(mask, markets, NEVER if until_ns is None else until_ns)

    def _walk(
        self, mask: int, markets: Sequence[Market | None] | None, until: int
    ) -> Iterator[Any]:
        pointers: Any = ffi.NULL
        if markets is not None:
            pointers = ffi.new("ida_market *[]", [m.pointer if m else ffi.NULL for m in markets])
        count, status = len(markets or ()), ffi.new("int *")
        scan, text = lib.ida_reader_scan, lib.IDA_REQUEST
        while record := scan(self._pointer, mask, pointers, count, until, status):
            found = decode(record) if record.kind >= text else record
            if self.instruments is not None:
                _check_instrument(found, self.instruments)
            yield found
        self._stop(status[0])

    def stretches(self, kinds: Iterable[str | int | type[Event]]) -> Iterator[Any]:
        """Yield the bytes of records of these kinds, as many at once as lie together (about 1 MiB)."""
        mask = sum({1 << _kind(kind) for kind in kinds})
        size, status = ffi.new("size_t *"), ffi.new("int *")
        while record := lib.ida_reader_stretch(self._pointer, mask, STRETCH_BYTES, size, status):
            yield ffi.buffer(record, size[0])
        self._stop(status[0])

    def _stop(self, status: int) -> None:
        segment = lib.ida_reader_segment(self._pointer)
        if status == lib.IDA_CORRUPT:
            self.torn = Torn(segment, lib.ida_reader_offset(self._pointer))
        elif status == lib.IDA_IO:
            raise DataError(f"{self.folder}: segment {segment + 1} cannot be mapped", code="IDA-E7020")

    @property
    def finished(self) -> bool:
        """The end was reached of a journal that its writer has closed."""
        return bool(lib.ida_reader_finished(self._pointer))

    @property
    def damage(self) -> str | None:
        """A sentence that says where a torn or damaged journal was cut; None if it was not."""
        if self.torn is None:
            return None
        segment, offset = self.torn
        return f"{self.folder}: damaged in segment {segment} at byte {offset}: cut there"

    @property
    def records(self) -> int:
        """Records read so far, those that nobody asked for included."""
        return int(lib.ida_reader_records(self._pointer))

    def close(self) -> None:
        """Give the mapping back. Harmless the second time."""
        pointer, self._pointer = self._pointer, None
        if pointer is not None:
            ffi.release(pointer)

    def __enter__(self) -> JournalReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _check_instrument(found: Any, instruments: int) -> None:
    """``found``: an event, or an ``ida_record *``."""
    index = found.instrument
    least = 0 if isinstance(found, _OF_INSTRUMENT) else -1
    if isinstance(found, Refusal):
        _check_instrument(found.request, instruments)
    if not least <= index < instruments:
        name = type(found).__name__ if isinstance(found, Event) else "market record"
        raise DataError(
            f"journal: a {name} of instrument {index}; the run has {instruments}, from 0 on", code="IDA-E7020")


def _kind(kind: str | int | type[Event]) -> int:
    if isinstance(kind, int):
        return kind
    number = KIND_NAMES.get(kind) if isinstance(kind, str) else KINDS.get(kind)
    if number is None:
        raise ValueError(f"journal: {kind!r} is no kind; there are {', '.join(KIND_NAMES)}")
    return number


def journal_sha256(folder: str | Path) -> str:
    """Hash all records but those of ``MEASURED``, in their order: two equal runs have equal hashes.

    Raises:
        DataError: there is no journal, or it is damaged.
    """
    digest = hashlib.sha256()
    with JournalReader(folder) as reader:
        for stretch in reader.stretches(name for name in KIND_NAMES if name not in MEASURED):
            digest.update(stretch)
        if reader.damage:
            raise DataError(reader.damage, code="IDA-E7020")
    return digest.hexdigest()
