"""What an archive file holds: its rows one after the other, and where something is missing between them.

The archive changed over the years: files with and without a header line, stamps in ms and from 2025 on (spot) in us.
So the header is told by its first byte, and the unit by the magnitude of each stamp.
"""

from __future__ import annotations

import calendar
import csv
import io
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from ida_binance.archive import INTERVALS, Series
from ida_core.errors import DataError

#: From this magnitude on a stamp is in us; below it in ms.
LEAST_US = 10**15
LEAST_MS = 10**11
#: A best bid and ask that do not change for so long are told as a silence: their ids are not consecutive.
SILENCE_NS = 60_000_000_000
#: Findings kept with their place; all are counted.
MOST_FINDINGS = 10_000
_NS_PER_DAY = 86_400_000_000_000


class Finding(msgspec.Struct, frozen=True):
    """Something that is not as it should be: ``what`` is a stable word, ``missing`` how many bars, trades or ids.

    ``from_ns``, ``to_ns``: the times between which it lies (UTC).
    """

    what: str
    file: str
    line: int
    from_ns: int
    to_ns: int
    missing: int
    detail: str


class FileRows(msgspec.Struct):
    """What one file holds: ``unit`` of its stamps is ``ms``, ``us`` or ``ms and us``."""

    name: str
    rows: int = 0
    first_ns: int | None = None
    last_ns: int | None = None
    unit: str = ""


class _Row(msgspec.Struct, frozen=True):
    """``ids``: first and last id that the row stands for."""

    time_ns: int
    ids: tuple[int, int]
    close_ns: int = 0


class Survey:
    """Walks over the files of one series in the order of time, and notes what is missing in and between them."""

    def __init__(self, series: Series) -> None:
        self._series = series
        self._last: _Row | None = None
        self.findings: list[Finding] = []
        self.findings_total = 0

    def read(self, path: Path) -> FileRows:
        """Read one zip.

        Raises:
            DataError: it is no zip with one CSV in it, or the disk failed.
        """
        told = FileRows(path.name)
        try:
            with zipfile.ZipFile(path) as archive, archive.open(_sole(archive, path)) as raw:
                self._walk(told, io.TextIOWrapper(raw, "utf-8", errors="replace", newline=""))
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError) as error:
            raise DataError(f"{path}: not a zip of the archive: {error}", code="IDA-E7040") from error
        return told

    def _walk(self, told: FileRows, text: io.TextIOWrapper) -> None:
        units = set()
        for line, cells in enumerate(csv.reader(text), 1):
            if not cells or (line == 1 and not cells[0][:1].isdigit()):
                continue
            try:
                row, unit = _row_of(self._series.kind, cells)
            except (ValueError, IndexError) as error:
                self._note("damaged", told.name, line, None, None, 0, f"{','.join(cells)[:80]}: {error}")
                continue
            units.add(unit)
            told.rows += 1
            told.first_ns = row.time_ns if told.first_ns is None else told.first_ns
            told.last_ns = row.time_ns
            self._judge(told.name, line, row)
        told.unit = " and ".join(sorted(units))

    def _judge(self, name: str, line: int, row: _Row) -> None:
        last, self._last = self._last, row
        judge = {"klines": self._judge_bar, "bookTicker": self._judge_quote}.get(self._series.kind, self._judge_ids)
        judge(name, line, last, row)
        if last is not None and row.time_ns < last.time_ns:
            self._note("unordered", name, line, last, row, 0, "earlier than the row before")

    def _judge_ids(self, name: str, line: int, last: _Row | None, row: _Row) -> None:
        if last is None or row.ids[0] == last.ids[1] + 1:
            return
        if row.ids[0] <= last.ids[1]:
            self._note("doubled", name, line, last, row, 0, f"id {row.ids[0]} after {last.ids[1]}")
            return
        missing = row.ids[0] - last.ids[1] - 1
        self._note("gap", name, line, last, row, missing, f"ids {last.ids[1] + 1} to {row.ids[0] - 1}")

    def _judge_quote(self, name: str, line: int, last: _Row | None, row: _Row) -> None:
        if last is not None and row.time_ns - last.time_ns > SILENCE_NS:
            self._note("silence", name, line, last, row, 0, "no change of best bid or ask")

    def _judge_bar(self, name: str, line: int, last: _Row | None, row: _Row) -> None:
        interval = self._series.interval
        end_ns = _next_open(interval, row.time_ns)
        if row.close_ns + 1_000_000 < end_ns:
            self._note("short bar", name, line, row, None, 0, f"closes at {stamp(row.close_ns)}")
        if last is None:
            return
        missing, open_ns = 0, _next_open(interval, last.time_ns)
        while open_ns < row.time_ns:
            missing, open_ns = missing + 1, _next_open(interval, open_ns)
        if missing:
            self._note("gap", name, line, last, row, missing, f"bars of {interval}")
        elif row.time_ns <= last.time_ns:
            self._note("doubled", name, line, last, row, 0, "the bar before it comes again, or a later one did")

    def _note(self, what: str, name: str, line: int, last: _Row | None, row: _Row | None, missing: int, detail: str,
              ) -> None:
        self.findings_total += 1
        if len(self.findings) < MOST_FINDINGS:
            start, end = (r.time_ns if r else 0 for r in (last or row, row or last))
            self.findings.append(Finding(what, name, line, start, end, missing, detail))


def _sole(archive: zipfile.ZipFile, path: Path) -> str:
    names = archive.namelist()
    if len(names) != 1:
        raise DataError(f"{path}: holds {len(names)} files where the archive has one", code="IDA-E7040")
    return names[0]


def _row_of(kind: str, cells: Sequence[str]) -> tuple[_Row, str]:
    if kind == "klines":
        open_ns, unit = _ns(cells[0])
        return _Row(open_ns, (0, 0), _ns(cells[6])[0]), unit
    time_ns, unit = _ns(cells[5] if kind in ("aggTrades", "bookTicker") else cells[4])
    first, last = (int(cells[3]), int(cells[4])) if kind == "aggTrades" else (int(cells[0]), int(cells[0]))
    if last < first:
        raise ValueError(f"first id {first} is above the last, {last}")
    return _Row(time_ns, (first, last)), unit


def _ns(text: str) -> tuple[int, str]:
    value = int(text)
    if value >= LEAST_US:
        return value * 1_000, "us"
    if value < LEAST_MS:
        raise ValueError(f"{text} is no time in ms or us")
    return value * 1_000_000, "ms"


def _next_open(interval: str, open_ns: int) -> int:
    seconds = INTERVALS[interval]
    if seconds is not None:
        return open_ns + seconds * 1_000_000_000
    day = datetime.fromtimestamp(open_ns // 1_000_000_000, UTC)
    return open_ns + calendar.monthrange(day.year, day.month)[1] * _NS_PER_DAY


def stamp(ns: int) -> str:
    """UTC to the second, or finer where it lies between two."""
    text = f"{datetime.fromtimestamp(ns // 1_000_000_000, UTC):%Y-%m-%d %H:%M:%S}"
    part = ns % 1_000_000_000
    return f"{text}.{part:09d}".rstrip("0") if part else text


def survey(series: Series, paths: Sequence[Path]) -> tuple[list[FileRows], Survey]:
    """All files of one series, in the order of time."""
    survey = Survey(series)
    return [survey.read(path) for path in paths], survey


def counted(findings: Sequence[Finding]) -> Iterator[tuple[str, int]]:
    """How often each kind of finding occurs, in order of first appearance."""
    words = dict.fromkeys(f.what for f in findings)
    return ((word, sum(f.what == word for f in findings)) for word in words)
