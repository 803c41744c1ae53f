"""What people see: tables, warnings, progress. Plain where no one looks, or under ``NO_COLOR``."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

import click
import msgspec

if TYPE_CHECKING:
    from ida_core.run import Progress

LINE_EVERY_S = 5.0
_MODE_COLOURS = {"SIM": "cyan", "TESTNET": "yellow", "DEMO": "yellow", "LIVE": "red"}


def has_colour(stream: TextIO) -> bool:
    return stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def paint(text: str, stream: TextIO | None = None, **style: Any) -> str:
    """Return ``text`` in a style (click's names) if the stream shows colours."""
    return click.style(text, **style) if has_colour(stream or sys.stdout) else text


def mode(word: str, stream: TextIO | None = None) -> str:
    """The mode, in words and in its colour, as it stands on every screen."""
    return paint(word, stream, fg=_MODE_COLOURS.get(word, "red"), bold=True)


def print_json(document: Mapping[str, Any]) -> None:
    """Write one document; money and quantities are already strings in it."""
    click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return aligned columns; the last one runs on as long as it needs."""
    cells = [[str(cell) for cell in row] for row in rows]
    columns = zip(header, *cells, strict=True)
    widths = [max(len(cell) for cell in column) for column in columns]
    head, *body = ("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
                   for row in [list(header), *cells])
    return "\n".join([paint(head, bold=True), *body])


def pairs(items: Sequence[tuple[str, object]]) -> str:
    """Return ``name  value`` lines, the values aligned."""
    width = max((len(name) for name, _ in items), default=0)
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in items)


def warn(text: str) -> None:
    click.echo(f"{paint('warning', sys.stderr, fg='yellow')}: {text}", err=True)


def note(quiet: bool) -> Callable[[str], None]:
    """Return what says on stderr which part of a longer work is being done."""
    return lambda text: None if quiet else click.echo(f"{text} ...", err=True)


@contextmanager
def progress(quiet: bool) -> Iterator[Callable[[Progress], None] | None]:
    """Yield what shows progress on stderr: a bar on a terminal, else a line now and then."""
    if quiet:
        yield None
    elif sys.stderr.isatty():
        with _bar() as show:
            yield show
    else:
        yield _lines()


@contextmanager
def _bar() -> Iterator[Callable[[Progress], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress as Bar, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[done]}"),
        TextColumn("{task.fields[rate]}"), TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("running", total=None, rate="", done="")

        def show(state: Progress) -> None:
            total = state.last_ns - state.first_ns if state.last_ns is not None else None
            gone_ns = state.now_ns - state.first_ns
            done = f"{gone_ns / total:>4.0%}" if total else f"{gone_ns / 1e9:.0f} s of the market,"
            bar.update(
                task, done=done, description=f"again, {state.what}" if state.what else "running", total=total,
                completed=gone_ns, rate=rate(state))

        yield show


def _lines() -> Callable[[Progress], None]:
    began = due = time.monotonic()
    due += LINE_EVERY_S
    what = ""

    def show(state: Progress) -> None:
        nonlocal began, due, what
        now = time.monotonic()
        if state.what != what:
            what, began = state.what, now
        if now >= due:
            due = now + LINE_EVERY_S
            click.echo(progress_line(state, now - began), err=True)

    return show


def progress_line(state: Progress, elapsed_s: float) -> str:
    """Return one line of progress, with the time left where the end is known."""
    text = f"{f'again, {state.what}: ' if state.what else ''}{state.events:,} events, {rate(state)}"
    if state.last_ns is None or state.last_ns <= state.first_ns:
        return f"{text}, {(state.now_ns - state.first_ns) / 1e9:.0f} s of the market"
    done = (state.now_ns - state.first_ns) / (state.last_ns - state.first_ns)
    left = f", {elapsed_s / done - elapsed_s:.0f} s left" if done > 0 else ""
    return f"{text}, {done:.0%}{left}"


def rate(state: Progress) -> str:
    return f"{state.rate:,.0f} events/s"
