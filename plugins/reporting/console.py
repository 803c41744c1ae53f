"""Prints the result on one screen: figures, assumptions, and how bad it could be."""

import sys
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from shutil import get_terminal_size
from typing import Any, TextIO

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ida_core import Report, Reporter
from plugins.reporting import figures
from plugins.reporting.figures import count, money, percent, ratio

STYLES = {
    "SIM": "bold white on cyan",
    "TESTNET": "bold black on yellow",
    "DEMO": "bold black on yellow",
}
LIVE = "bold white on red"


class ConsoleReport(Reporter):
    """One screen on the terminal; plain text where there is none."""

    name = "console"

    def write(self, report: Report, folder: Path) -> None:
        print_report(report.document(), sys.stdout)


def print_report(document: Mapping[str, Any], file: TextIO, width: int | None = None) -> None:
    """Print a report's document. Colours only on a terminal, and not with ``NO_COLOR``."""
    console = _Console(file=file, width=width or _width(file), highlight=False)
    console.print(_title(document))
    for warning in document["warnings"]:
        console.print(Text(f"! {warning}", style="yellow"))
    if wrong := figures.went_wrong(document["data"]):
        console.print(Text(f"Market data: {'; '.join(wrong)}", style="yellow"))
    console.print(_side_by_side(_result(document), _worst_cases(document), console.width))
    console.print(_assumptions(document))
    if told := figures.plugin_time(document["plugin_time"]):
        console.print(Text(told, style="dim"))


class _Console(Console):
    """Leaves a reader that went away to who called: rich itself would exit with 1."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def _width(file: TextIO) -> int | None:
    """Lines of a log or a pipe are as wide as on a usual terminal, or as ``COLUMNS`` says."""
    return None if file.isatty() else get_terminal_size((100, 24)).columns


def _title(document: Mapping[str, Any]) -> Text:
    run = document["run"]
    words = Text()
    words.append(f" {run['mode']} ", style=STYLES.get(run["mode"], LIVE))
    words.append(f" {figures.mode_words(run['mode'])}\n", style="dim")
    strategies = ", ".join(p["name"] for p in document["plugins"]["strategies"]) or "no strategy"
    words.append(f"{strategies} on {', '.join(document['book']) or 'no market'}", style="bold")
    words.append(
        f"  {run['from']} UTC, {figures.span(run['span_s'])}, {count(document['events']['total'])} market events"
    )
    if share := figures.data_words(document)[0].replace(figures.NONE, ""):
        words.append(f", {share} in step")
    return words


def _side_by_side(left: RenderableType, right: RenderableType, width: int) -> RenderableType:
    if width < 90:
        return Group(left, right)
    both = Table.grid(expand=True, padding=(0, 1))
    both.add_column(ratio=5)
    both.add_column(ratio=4)
    both.add_row(left, right)
    return both


def _result(document: Mapping[str, Any]) -> Panel:
    pnl, perf, fills, orders = (document[key] for key in ("pnl", "performance", "fills", "orders"))
    unit = pnl["currency"]
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(justify="right", no_wrap=True)
    table.add_column(style="dim")
    rows: list[tuple[str, str | Text, str]] = [
        (
            "Net of fees",
            _coloured(pnl["net"]),
            f"{unit}; before fees {money(pnl['gross'], signed=True)}",
        ),
        *_unrealized(pnl),
        (
            "Max drawdown",
            money(perf["max_drawdown"]),
            f"{unit}; {percent(perf['max_drawdown_relative'], 3)} of capital",
        ),
        ("Sharpe", figures.sharpe(perf), f"± standard error; Sortino {ratio(perf['sortino'])}"),
        ("Fills", count(fills["count"]), f"{money(fills['volume_quote'])} traded"),
        (
            "Fill ratio",
            percent(perf["fill_ratio"]),
            f"of {count(orders['accepted'])} orders; {count(orders['rejected'])} rejected",
        ),
        *_refused(document["risk"]["refused"]),
        ("Maker share", percent(perf["maker_share"]), f"edge {ratio(perf['maker_edge_bps'])} bps"),
        ("Fees", money(pnl["fees"]), figures.fees(fills["fees"])),
        ("Slippage", ratio(perf["slippage_bps"]), "bps, takers against the mid at decision"),
        ("Ledger", *_ledger(document["ledger"])),
    ]
    for name, value, rest in rows:
        table.add_row(name, value, escape(rest))
    return Panel(table, title="Result", title_align="left", padding=(0, 1))


def _coloured(value: str) -> Text:
    amount = Decimal(value)
    return Text(
        money(value, signed=True),
        style="bold green" if amount > 0 else "bold red" if amount < 0 else "bold",
    )


def _unrealized(pnl: Mapping[str, Any]) -> list[tuple[str, Text, str]]:
    """Of a position that was still held: closing it would have cost a spread and fees."""
    if not Decimal(pnl["unrealized"]):
        return []
    return [("  unrealized", _coloured(pnl["unrealized"]), f"{pnl['currency']} on what is held")]


def _refused(refused: Mapping[str, int]) -> list[tuple[str, str, str]]:
    """What risk did not let pass: without it a run of no orders would look like a strategy of no ideas."""
    reasons = ", ".join(refused)
    return [("Refused", count(sum(refused.values())), f"before sending, by {reasons}")] if refused else []


def _ledger(block: Mapping[str, Any]) -> tuple[Text, str]:
    word, meaning = figures.ledger(block)
    style = {True: "green", None: "yellow"}.get(block["balanced"], "bold red")
    return Text(word, style=style), meaning


def _worst_cases(document: Mapping[str, Any]) -> Panel:
    pnl = document["pnl"]
    table = Table(box=None, padding=(0, 1), pad_edge=False, header_style="dim")
    table.add_column("")
    for name in (f"Net {pnl['currency']}", "Fills"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_row("as run", _coloured(pnl["net"]), count(document["fills"]["count"]))
    for case in document["worst_cases"]:
        table.add_row(escape(figures.case_name(case)), _coloured(case["net"]), count(case["fills"]))
    parts: list[RenderableType] = [table]
    if not document["worst_cases"]:
        parts.append(Text("not repeated under harsher assumptions", style="dim"))
    parts.append(Text(figures.doubt(document), style="dim"))
    return Panel(Group(*parts), title="How bad could it be", title_align="left", padding=(0, 1))


def _assumptions(document: Mapping[str, Any]) -> Panel:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, value in _told(document):
        table.add_row(escape(name.replace("_", " ")), escape(value))
    return Panel(table, title="Assumed", title_align="left", padding=(0, 1))


def _told(document: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    assumed = document["assumptions"]
    if not assumed:
        yield "nothing", "fills, fees and times are the exchange's own"
    for name, value in assumed.items():
        yield name, str(value)
    limits = document["risk"]["limits"].items()
    words = "; ".join(f"{name}: {figures.settings(config)}" for name, config in limits)
    yield "risk", words or "no risk check watched this run"
