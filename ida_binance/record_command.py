"""``ida record``: a live feed into files that are read as recordings."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from ida_binance.environments import DEMO, LIVE, TESTNET
from ida_core import terminal
from ida_core.cli import IdaCommand
from ida_core.errors import EXIT_DATA

if TYPE_CHECKING:
    from ida_binance.live import BinanceFeed
    from ida_binance.recording_run import RecordingRun
    from ida_core.recorder import RecorderState

SCHEMA = 1
#: Between two lines of progress where nobody watches, and between two looks of a terminal.
LINE_EVERY_S, SHOW_EVERY_S = 60.0, 0.5


@click.command("record", cls=IdaCommand, examples=(
    "ida record BTCUSDT ETHUSDT --out recordings",
    "ida record BTCUSDT --feed binance-testnet --duration 3600 --rotate 600",
))
@click.argument("symbols", nargs=-1, required=True)
@click.option("--feed", type=click.Choice((LIVE, TESTNET, DEMO)), default=LIVE, show_default=True,
              help="Which of Binance's environments.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path("recordings"), show_default=True,
              help="Folder; made if it is not there.")
@click.option("--duration", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS",
              help="Then stop.  [default: until Ctrl-C or SIGTERM]")
@click.option("--rotate", type=click.FloatRange(min=0), default=3600.0, show_default=True, metavar="SECONDS",
              help="Begin a new file so often; 0: never.")
@click.option("--rotate-mib", type=click.FloatRange(min=0), default=0.0, show_default=True, metavar="MIB",
              help="Begin a new file at that size; 0: never.")
@click.option("--flush", type=click.FloatRange(min=0.01, max=3600), default=1.0, show_default=True, metavar="SECONDS",
              help="What a crash can cost, at most.")
@click.option("--connections", type=click.IntRange(1, 8), default=2, show_default=True,
              help="Redundant connections that carry each stream.")
@click.option("--stream", "streams", multiple=True, metavar="NAME",
              help="A further stream, by Binance's name; may be repeated.")
@click.option("--binance-url", default="", metavar="URL", help="One base address in the place of the exchange's own.")
def record(symbols: tuple[str, ...], feed: str, out: Path, duration: float | None, as_json: bool, **more: Any) -> None:
    """Record live market data: what arrived, byte for byte, with the local time in ns.

    Depth, best bid and ask and trades of each symbol, over redundant connections, with the snapshots that books need.
    A run reads the folder: ida run --feed DIR. Ctrl-C and SIGTERM stop it in order. Exit code 7 if messages could not
    be written.
    """
    from ida_binance.recording_run import RecordingRun

    built = _build(feed, symbols, out, more)
    show = _progress(as_json)
    run = RecordingRun(built, duration, show, lambda text: None if as_json else click.echo(text, err=True))
    try:
        run.run()
    finally:
        built.close()
    if as_json:
        terminal.print_json(_document(run, out))
    else:
        _print(run, out)
    if run.recorded is not None and run.recorded.dropped:
        raise SystemExit(EXIT_DATA)


def _build(name: str, symbols: tuple[str, ...], out: Path, more: dict[str, Any]) -> BinanceFeed:
    from ida_binance.live import FEEDS, BinanceConfig
    from ida_core.protocols import LiveSetup

    config = BinanceConfig(
        url=more["binance_url"], connections=more["connections"], streams=more["streams"],
        record_rotate_s=more["rotate"], record_rotate_mib=more["rotate_mib"], record_flush_s=more["flush"],
    )  # fmt: skip
    kind = next(kind for kind in FEEDS if kind.name == name)
    return kind.build(LiveSetup(config=config, symbols=tuple(dict.fromkeys(symbols)), record=out))


# ------------------------------------------------------------------ what is shown


def _document(run: RecordingRun, out: Path) -> dict[str, Any]:
    state = run.recorded
    return {
        "schema": SCHEMA, "feed": run.feed.name, "folder": str(out), "elapsed_s": round(run.elapsed_s, 3),
        "files": [{"name": path.name, "bytes": path.stat().st_size} for path in run.feed.recorded_files()],
        **({"recorded": msgspec.to_builtins(state)} if state is not None else {}),
        "gaps": sum(symbol.gaps for symbol in run.symbols()),
        "stale_s": sum(symbol.stale_s for symbol in run.symbols()),
        "symbols": msgspec.to_builtins(run.symbols()),
        "warnings": list(run.feed.warnings()),
    }  # fmt: skip


def _print(run: RecordingRun, out: Path) -> None:
    for warning in run.feed.warnings():
        terminal.warn(warning)
    if run.recorded is not None:
        click.echo(f"{out}: {_counts(run.recorded)}, {run.elapsed_s:,.1f} s")
    rows = [
        (s.symbol, f"{s.records:,}", s.gaps, s.resyncs, f"{s.stale_s:.1f}", s.best_bid or "", s.best_ask or "",
         s.last_update_id or "")
        for s in run.symbols()
    ]  # fmt: skip
    click.echo(terminal.table(("symbol", "records", "gaps", "resyncs", "stale s", "bid", "ask", "update id"), rows))


def _counts(state: RecorderState) -> str:
    files = f"{state.files} file{'s' if state.files != 1 else ''}"
    return (
        f"{state.lines:,} messages, {state.text_bytes / 1e6:,.1f} MB as {state.file_bytes / 1e6:,.1f} MB in {files}, "
        f"{state.dropped:,} dropped"
    )


def _progress(quiet: bool) -> Callable[[RecordingRun], None]:
    """A line that is rewritten on a terminal; elsewhere a line a minute."""
    if quiet:
        return lambda run: None
    on_terminal = sys.stderr.isatty()
    due = time.monotonic() + (SHOW_EVERY_S if on_terminal else LINE_EVERY_S)

    def show(run: RecordingRun) -> None:
        nonlocal due
        now = time.monotonic()
        if now < due or run.recorded is None:
            return
        due = now + (SHOW_EVERY_S if on_terminal else LINE_EVERY_S)
        text = f"{_counts(run.recorded)}; {', '.join(map(_short, run.symbols()))}"
        click.echo(f"\r\x1b[K{text[:200]}" if on_terminal else text, nl=not on_terminal, err=True)

    return show


def _short(symbol: Any) -> str:
    return f"{symbol.symbol} {symbol.best_bid}/{symbol.best_ask}" if symbol.in_step else f"{symbol.symbol} not in step"
