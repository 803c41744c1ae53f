"""``ida download``: the public archive's files, checked, with a table of what they lack."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from ida_binance.archive import ARCHIVE_URL, KINDS, MARKET_FOLDERS, first_day, last_day
from ida_core import terminal
from ida_core.cli import IdaCommand
from ida_core.errors import DataError, IdaError, UsageError

if TYPE_CHECKING:
    from ida_binance.archive import ArchiveFile, Series
    from ida_binance.archive_rows import FileRows, Survey
    from ida_binance.downloading import Fetched

SCHEMA = 1
_SHOWN_GAPS = 30


@click.command("download", cls=IdaCommand, examples=(
    "ida download klines BTCUSDT --interval 1h --from 2023-01 --to 2023-03",
    "ida download aggTrades BTCUSDT ETHUSDT --from 2025-06-01 --to 2025-06-07 --out archive",
))
@click.argument("kind", type=click.Choice(tuple(KINDS)))
@click.argument("symbols", nargs=-1, required=True)
@click.option("--from", "start", required=True, metavar="DAY", help="First day (UTC) or month: 2023-01-15, 2023-01.")
@click.option("--to", "end", metavar="DAY", help="Last day or month, itself included.  [default: yesterday]")
@click.option("--interval", help="Of klines: 1s, 1m, ... 1d, 1w, 1mo.")
@click.option("--market", type=click.Choice(tuple(MARKET_FOLDERS)), default="spot", show_default=True)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path("archive"), show_default=True,
              help="Folder; files lie below it as in the archive.")
@click.option("--url", default=ARCHIVE_URL, show_default=True, help="Another server with the archive's files.")
def download(
    kind: str, symbols: tuple[str, ...], start: str, end: str | None, interval: str | None, market: str, out: Path,
    url: str, as_json: bool,
) -> None:
    """Fetch trades, aggTrades, klines or bookTicker of Binance's public archive.

    Each file is checked against its checksum. What is there already is kept as long as the archive's checksum is the
    same; what was interrupted goes on where it was left. Afterwards every row is read, and what is missing between two
    of them is listed.
    """
    import trio

    from ida_binance.archive import files_of, series_of
    from ida_binance.downloading import Downloader

    today = datetime.now(UTC).date()
    first, last = _span(start, end, today)
    wanted = [series_of(market, kind, symbol, interval) for symbol in dict.fromkeys(symbols)]
    files = [file for series in wanted for file in files_of(series, first, last, today)]
    with _progress(as_json, len(files)) as on_bytes:
        fetched = _sole_error(lambda: trio.run(Downloader(out, url, on_bytes).fetch, files))
    _refuse_nothing(wanted, fetched, first, last, url)
    told = [_survey(series, fetched) for series in wanted]
    if as_json:
        terminal.print_json(_document(out, fetched, told))
    else:
        _print(out, fetched, told)


def _span(start: str, end: str | None, today: date) -> tuple[date, date]:
    first = first_day(start)
    last = last_day(end) if end else today - timedelta(days=1)
    if first >= today:
        raise UsageError(f"--from {first}: the archive gets a day when it is over (UTC); today is {today}")
    if first > last:
        raise UsageError(f"--from {first} is after --to {last}")
    return first, min(last, today - timedelta(days=1))


def _sole_error(work: Callable[[], list[Fetched]]) -> list[Fetched]:
    """Of several files that fail together the first failure is told."""
    try:
        return work()
    except* IdaError as group:
        first: BaseException = group
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from None


def _refuse_nothing(wanted: Sequence[Series], fetched: Sequence[Fetched], first: date, last: date, url: str) -> None:
    for series in wanted:
        if not any(f.file.series == series and f.state != "missing" for f in fetched):
            raise DataError(
                f"{series.name}: {url} has no file of it from {first} to {last}; is the symbol spelt right, and was it "
                "traded then?", code="IDA-E7042")


def _survey(series: Series, fetched: Sequence[Fetched]) -> tuple[Series, list[FileRows], Survey]:
    from ida_binance.archive_rows import survey

    return series, *survey(series, [f.path for f in fetched if f.file.series == series and f.state != "missing"])


# ------------------------------------------------------------------ what is shown


def _document(out: Path, fetched: Sequence[Fetched], told: Sequence[tuple[Series, list[FileRows], Survey]],
              ) -> Mapping[str, Any]:
    rows = {row.name: row for _, found, _ in told for row in found}
    return {
        "schema": SCHEMA, "folder": str(out),
        "files": [
            {"path": f.file.path, "state": f.state, "bytes": f.bytes, "sha256": f.sha256,
             **(msgspec.to_builtins(rows[f.path.name]) if f.state != "missing" else {})} for f in fetched],
        "series": [
            {**msgspec.to_builtins(series), "rows": sum(row.rows for row in found),
             "findings": msgspec.to_builtins(survey.findings), "findings_total": survey.findings_total}
            for series, found, survey in told],
    }  # fmt: skip


def _print(out: Path, fetched: Sequence[Fetched], told: Sequence[tuple[Series, list[FileRows], Survey]]) -> None:
    states: dict[str, int] = defaultdict(int)
    for one in fetched:
        states[one.state] += 1
    size = sum(f.bytes for f in fetched)
    click.echo(f"{len(fetched)} files ({', '.join(f'{n} {state}' for state, n in states.items())}), "
               f"{size / 1e6:,.1f} MB in {out}")
    for one in fetched:
        if one.state == "missing":
            terminal.warn(f"{one.file.series.name}: the archive has no file for {one.file.period}")
    for series, found, survey in told:
        click.echo("\n".join(_series_lines(series, found, survey)))


def _series_lines(series: Series, found: Sequence[FileRows], survey: Survey) -> Iterator[str]:
    from ida_binance.archive_rows import counted, stamp

    rows = sum(row.rows for row in found)
    spans = [row for row in found if row.first_ns is not None]
    if not spans:
        yield f"{series.name}: no rows"
        return
    units = " and ".join(sorted({row.unit for row in spans}))
    span = f"{stamp(spans[0].first_ns or 0)} to {stamp(spans[-1].last_ns or 0)}"
    yield f"{series.name}: {rows:,} rows, {span}, stamps in {units}"
    if not survey.findings_total:
        yield f"{series.name}: nothing is missing"
        return
    yield f"{series.name}: {', '.join(f'{n:,} x {word}' for word, n in counted(survey.findings))}"
    shown = survey.findings[:_SHOWN_GAPS]
    yield terminal.table(
        ("what", "from", "to", "missing", "detail", "where"),
        [(f.what, stamp(f.from_ns), stamp(f.to_ns), f.missing or "", f.detail, f"{f.file}:{f.line}") for f in shown])
    if survey.findings_total > len(shown):
        yield f"and {survey.findings_total - len(shown):,} more; --json lists {len(survey.findings):,}"


@contextmanager
def _progress(quiet: bool, files: int) -> Iterator[Callable[[ArchiveFile, int, int | None], None]]:
    """A bar for each file under way on a terminal; else a line a file when it is there."""
    if quiet:
        yield lambda file, have, total: None
    elif sys.stderr.isatty():
        with _bars() as show:
            yield show
    else:
        yield _lines()


def _lines() -> Callable[[ArchiveFile, int, int | None], None]:
    def show(file: ArchiveFile, have: int, total: int | None) -> None:
        if have == total:
            click.echo(f"{Path(file.path).name} {have / 1e6:,.1f} MB", err=True)

    return show


@contextmanager
def _bars() -> Iterator[Callable[[ArchiveFile, int, int | None], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:

        def show(file: ArchiveFile, have: int, total: int | None) -> None:
            name = Path(file.path).name
            task = tasks.setdefault(name, bars.add_task(name, total=total)) if name not in tasks else tasks[name]
            bars.update(task, completed=have, total=total, visible=have != total)

        yield show
