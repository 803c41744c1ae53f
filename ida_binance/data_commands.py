"""``ida data``: look at recordings, convert them, see what is converted. Thin: the work is
elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from ida_core import terminal
from ida_core.cli import IdaGroup
from ida_core.errors import EXIT_DATA
from ida_core.feed import clock_offset
from ida_core.recorded_files import recording_files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ida_binance.findings import BookCheck, CheckResult, FileCheck, InstrumentCheck
    from ida_core.feed import Feed, FeedMeta
    from ida_core.feed_cache import CachedFeed

SCHEMA = 1
_SHOWN_FAULTS = 50
_FILES = click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))


@click.group("data", cls=IdaGroup)
def data() -> None:
    """Check and convert recorded market data."""


@data.command("check", examples=("ida data check btcusdt_1.gz btcusdt_2.gz",))
@_FILES
def check(files: tuple[Path, ...], as_json: bool) -> None:
    """Replay recordings and name every fault with its line.

    Files of one symbol that follow each other are one session. The book is rebuilt and compared
    with the exchange's own best bid and ask. Exit code 7 if there is any fault.
    """
    from ida_binance.recording import BinanceRecording

    result = BinanceRecording().check(_files_of(files))
    if as_json:
        terminal.print_json(msgspec.to_builtins(result))
    else:
        click.echo("\n".join(_check_lines(result)))
    if not result.sound:
        raise SystemExit(EXIT_DATA)


@data.command("import", examples=("ida data import btcusdt.gz --on-damage skip",))
@_FILES
@click.option(
    "--on-damage", type=click.Choice(("stop", "skip")), default="stop", show_default=True,
    help="At a line that cannot be read: stop, or leave it out and count it.",
)  # fmt: skip
def import_(files: tuple[Path, ...], on_damage: str, as_json: bool) -> None:
    """Convert recordings into the cache, from where runs map them."""
    from ida_binance.recording import BinanceRecording

    feeds = BinanceRecording().open(_files_of(files), {"on_damage": on_damage})
    if as_json:
        terminal.print_json({"schema": SCHEMA, "feeds": [_feed_document(feed) for feed in feeds]})
        return
    for note in {note for feed in feeds for note in feed.notes}:
        terminal.warn(note)
    rows = [_feed_row(feed) for feed in feeds]
    click.echo(terminal.table(("recording", "records", "problems", "instruments", "feed"), rows))


@data.command("ls", examples=("ida data ls --json",))
def ls(as_json: bool) -> None:
    """List the converted recordings in the cache."""
    from ida_core.feed_cache import FOLDER_VARIABLE, cache_folder, cached_feeds

    cached = list(cached_feeds())
    if as_json:
        entries = [_cached_document(entry) for entry in cached]
        terminal.print_json({"schema": SCHEMA, "folder": str(cache_folder()), "feeds": entries})
    elif cached:
        header = ("recording", "instruments", "records", "MB", "file")
        click.echo(terminal.table(header, [_cached_row(entry) for entry in cached]))
        click.echo(f"in {cache_folder()}; ${FOLDER_VARIABLE} names another folder, and files in it may be deleted")
    else:
        click.echo(f"nothing is converted yet in {cache_folder()}")


def _files_of(paths: Sequence[Path]) -> list[Path]:
    """The files, and those of folders; what was passed over there is said."""
    from ida_binance.recording import BinanceRecording

    files: list[Path] = []
    for path in paths:
        found, notes = recording_files(path, BinanceRecording().recognises)
        files += found
        for note in notes:
            terminal.warn(f"{path}: {note}")
    return files


def _feed_document(feed: Feed) -> dict[str, Any]:
    return {"path": str(feed.path), "notes": list(feed.notes), **_meta_document(feed.meta)}


def _meta_document(meta: FeedMeta) -> dict[str, Any]:
    """As ``ida data check`` tells the latency: four figures, less the clock offset, in place of all quantiles."""
    from ida_binance.check import latency_ms

    document: dict[str, Any] = msgspec.to_builtins(meta)
    del document["latency_ns"]
    offset_ns, clock = clock_offset([meta])
    return {**document, "clock_offset_ns": offset_ns, "clock": clock, "latency_ms": latency_ms([meta], offset_ns)}


def _feed_row(feed: Feed) -> tuple[object, ...]:
    meta = feed.meta
    return (
        meta.sources[0].name, f"{meta.records:,}", meta.problems_total,
        ", ".join(f"{i.market}:{i.symbol}" for i in meta.instruments), feed.path,
    )  # fmt: skip


def _cached_document(entry: CachedFeed) -> dict[str, Any]:
    meta = _meta_document(entry.meta) if entry.meta else None
    return {"path": str(entry.path), "bytes": entry.bytes, "meta": meta}


def _cached_row(entry: CachedFeed) -> tuple[object, ...]:
    meta = entry.meta
    if meta is None:
        return ("damaged: made again when needed", "", "", f"{entry.bytes / 1e6:.1f}", entry.path.name)
    return (
        ", ".join(source.name for source in meta.sources),
        ", ".join(f"{i.market}:{i.symbol}" for i in meta.instruments),
        f"{meta.records:,}", f"{entry.bytes / 1e6:.1f}", entry.path.name,
    )  # fmt: skip


def _check_lines(result: CheckResult) -> list[str]:
    faults = [str(fault) for fault in result.faults[:_SHOWN_FAULTS]]
    if result.faults_total > len(faults):
        faults.append(f"and {result.faults_total - len(faults):,} more; --json lists 10,000")
    parts = [
        *map(_file_line, result.files),
        *(line for instrument in result.instruments for line in _instrument_lines(instrument)),
        result.clock,
        f"latency in ms: {_words(result.latency_ms)}" if result.latency_ms else "",
        *faults,
        _verdict(result),
    ]
    return [part for part in parts if part]


def _words(values: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value:,}" for key, value in values.items())


def _file_line(file: FileCheck) -> str:
    ignored = f"; passed over: {_words(file.ignored)}" if file.ignored else ""
    return f"{file.name}: {file.lines:,} lines: {_words(file.messages)}{ignored}"


def _instrument_lines(instrument: InstrumentCheck) -> list[str]:
    name = f"{instrument.market}:{instrument.symbol}"
    grid = f"tick size {instrument.tick_size}, lot size {instrument.lot_size}"
    off = f", {instrument.off_book:,} of the trades off the book" if instrument.off_book else ""
    inferred = " (found from the numbers)" if instrument.inferred else ""
    line = f"{name}: {grid}{inferred}; {_words(instrument.counts)}{off}"
    from ida_binance.decoder import Grid, Uneven

    uneven = Uneven(instrument.quantities_rounded, instrument.levels_off_tick, instrument.events_off_tick)
    more = uneven.sentences(name, Grid(instrument.tick_size, instrument.lot_size))
    return [line, *more, *(_book_lines(name, instrument.book) if instrument.book else ())]


def _book_lines(name: str, book: BookCheck) -> list[str]:
    if book.snapshot_id is None:
        return [f"{name}: no book"]
    bids, asks = book.levels
    lines = [
        f"{name}: snapshot {book.snapshot_id}, {book.stale:,} stale diffs dropped, "
        f"{book.applied:,} applied, {book.gaps:,} gaps, {book.resyncs:,} resyncs",
        f"{name}: last update {book.last_update_id}: best bid {_level(book.best_bid)}, best ask "
        f"{_level(book.best_ask)}, {bids:,} bids, {asks:,} asks, sha256 {book.sha256}",
        f"{name}: {book.quotes_compared:,} books compared with the exchange's best bid and ask, "
        f"{book.quotes_mismatched:,} mismatches",
    ]
    explained = (m for m in book.mismatches if m.explained)
    return lines + [
        f"{name}: {m.file}:{m.line}: update {m.update_id} has {' '.join(m.book)}, the older quote "
        f"{m.quote_id} {' '.join(m.quote)}; the next comparison agrees: changed and changed back "
        "between two quotes"
        for m in explained
    ]


def _level(level: tuple[str, str] | None) -> str:
    return " x ".join(level) if level else "none"


def _verdict(result: CheckResult) -> str:
    if result.sound:
        return "sound: no fault found"
    trust = "can be trusted" if result.trusted else "cannot be trusted"
    return f"{result.faults_total:,} faults; the books {trust}"
