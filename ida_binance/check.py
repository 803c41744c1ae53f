"""What ``ida data check`` does: replays the recordings' records and lists every fault by its line.

The book is rebuilt by the exchange's own rules and compared with its best-bid-and-ask messages at
the same update id. Damage is what is looked for, so nothing here raises for it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ida_binance.decoder import Decoder, Grid
from ida_binance.findings import CheckResult, Faults, FileCheck, InstrumentCheck
from ida_binance.recorded_lines import Batch, LinePass
from ida_binance.session import Session
from ida_binance.told import read_told
from ida_core.feed import Feed, FeedInstrument, FeedMeta, FeedProblem, clock_offset
from ida_core.native import ffi, lib

_NS_PER_MS = 1e6


def check(paths: Sequence[Path], feeds: Sequence[Feed]) -> CheckResult:
    """Check recordings, given together with the feeds that were made of them (damage passed over).

    Files of one symbol are one session, in the order given, as long as each continues the one
    before; otherwise a new session begins.

    Raises:
        DataError: a file cannot be read at all, or its prices fit in no book.
    """
    replay = _Replay([feed.meta for feed in feeds])
    files = [replay.file(path, feed) for path, feed in zip(paths, feeds, strict=True)]
    instruments = replay.finish()
    faults = replay.faults
    offset, clock = clock_offset(feeds)
    return CheckResult(
        sound=not faults.total,
        trusted=not faults.damaged and all(i.trusted for i in instruments),
        files=tuple(files),
        instruments=tuple(instruments),
        clock_offset_ns=offset,
        clock=clock,
        latency_ms=latency_ms([feed.meta for feed in feeds], offset),
        faults=tuple(faults.kept),
        faults_total=faults.total,
    )


class _Replay:
    """All files, one after the other."""

    def __init__(self, metas: Sequence[FeedMeta]) -> None:
        self.faults = Faults()
        self._open: dict[tuple[str, str], Session] = {}
        self._done: list[InstrumentCheck] = []
        self._highest: dict[tuple[str, str], int] = {}
        for instrument in (i for meta in metas for i in meta.instruments):
            highest = max(self._highest.get(_key(instrument), -1), instrument.highest_price)
            self._highest[_key(instrument)] = highest

    def file(self, path: Path, feed: Feed) -> FileCheck:
        meta = feed.meta
        grids = {i.symbol: Grid(i.tick_size, i.lot_size) for i in meta.instruments}
        told = read_told(path)
        if told.fault:
            self.faults.problem(path.name, FeedProblem(1, 1, told.fault))
        decoder = Decoder(grids, rounds=told.rounds(grids))
        lines = LinePass(
            path, decoder, lambda problem: self.faults.problem(path.name, problem),
            default_symbol=0 if len(grids) == 1 else -1, with_lines=True, torn_ends=told.is_own,
        )  # fmt: skip
        sessions = self._sessions(feed, path.name)
        for batch in lines.batches():
            _replay(batch, path.name, sessions)
        for index, session in enumerate(sessions):
            session.uneven.append(decoder.uneven(index))
        return FileCheck(
            name=path.name, sha256=meta.sources[0].sha256, bytes=meta.sources[0].bytes,
            lines=lines.line, records=lines.records, counts=meta.counts, streams=lines.streams(),
            messages=meta.streams, ignored=dict(sorted(lines.ignored.items())),
            decode_ns=meta.decode_ns,
        )  # fmt: skip

    def _sessions(self, feed: Feed, file: str) -> list[Session]:
        """By instrument of the file: the session that goes on with it, or a new one."""
        depths = _first_depths(feed)
        sessions = []
        for instrument, depth in zip(feed.meta.instruments, depths, strict=True):
            key = _key(instrument)
            session = self._open.get(key)
            if session is None or not session.continues(feed.meta.first_local_ns, depth):
                self._done += [session.finish()] if session else []
                session = self._open[key] = Session(instrument, self._highest[key], self.faults)
            session.files.append(file)
            sessions.append(session)
        return sessions

    def finish(self) -> list[InstrumentCheck]:
        return self._done + [session.finish() for session in self._open.values()]


def _replay(batch: Batch, file: str, sessions: Sequence[Session]) -> None:
    at = 0
    for line in batch.lines[0 : batch.number]:
        record = ffi.cast("const ida_record *", batch.records + at)
        at += record.length
        sessions[record.instrument].take(record, file, line)


def _first_depths(feed: Feed) -> list[Any]:
    """The first diff of each instrument (``const ida_depth *``), or None. Snapshots before it may be spare."""
    found: dict[int, Any] = {}
    first, length = feed.records
    at, end = ffi.cast("const char *", first), ffi.cast("const char *", first) + length
    while at < end and len(found) < len(feed.meta.instruments):
        record = ffi.cast("const ida_record *", at)
        at += record.length
        if record.kind == lib.IDA_DEPTH and record.instrument not in found:
            found[record.instrument] = ffi.cast("const ida_depth *", record)
    return [found.get(i) for i in range(len(feed.meta.instruments))]


def _key(instrument: FeedInstrument) -> tuple[str, str]:
    return instrument.market, instrument.symbol


def latency_ms(metas: Sequence[FeedMeta], offset_ns: int) -> dict[str, float]:
    """Of the feed with the most records that have a venue time; the offset is taken off."""
    most = max(metas, key=lambda meta: meta.delayed, default=None)
    if most is None or not most.latency_ns:
        return {}
    points = {"p1": 10, "p50": 500, "p99": 990, "max": 1000}
    return {name: round((most.latency_ns[i] - offset_ns) / _NS_PER_MS, 3) for name, i in points.items()}
