"""Writes ``report.html``: one file that opens anywhere, offline, with nothing to load.

The page is the document of ``Report.document`` in tables and words, and the samples as charts. Its
only script is ``report.js``, allowed by hash, so that no text from outside can ever run.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from ida_core import FillRow, Report, Reporter, ReportPanel, Side, plain
from ida_core.report import FILL_RULES
from plugins.reporting import figures
from plugins.reporting.figures import amount, count, exact, micros, money, percent, ratio
from plugins.reporting.files import write_whole
from plugins.reporting.html_charts import chart_data, charts
from plugins.reporting.html_data import data_card
from plugins.reporting.html_parts import (
    Markup,
    Number,
    card,
    esc,
    flow,
    histogram,
    join,
    note,
    pairs,
    shares,
    table,
    tag,
    tile,
    tone,
)

MOST_FILLS = 500
"""Rows of the fills table; the CSV has all."""


class HtmlReport(Reporter):
    """``report.html``, self-contained."""

    name = "html"

    def write(self, report: Report, folder: Path) -> Path:
        return write_whole(folder / "report.html", page(report))


def page(report: Report) -> str:
    """Return the whole page."""
    script = _asset("report.js")
    document = report.document()
    # "<" cannot end the data block or begin a comment in it when it is written as an escape.
    data = json.dumps(chart_data(report), separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return Template(_asset("page.html")).substitute(
        script_hash=f"sha256-{digest}",
        title=esc(f"{document['run']['mode']} · {', '.join(document['book']) or 'no market'} · Ida report"),
        css=_asset("report.css"),
        mode_class=_mode_class(document["run"]["mode"]),
        header=_header(document),
        main=_main(report, document),
        footer=_footer(document),
        data=data,
        js=script,
    )


def _asset(name: str) -> str:
    return (files("plugins.reporting") / name).read_text(encoding="utf-8")


def _mode_class(mode: str) -> str:
    return {"TESTNET": "testnet", "DEMO": "testnet", "LIVE": "live"}.get(mode, "sim")


def _header(document: Mapping[str, Any]) -> Markup:
    run = document["run"]
    mode = tag(
        "div",
        tag(
            "div",
            tag("strong", run["mode"]),
            tag("span", figures.mode_words(run["mode"]), class_="words"),
            tag("button", "Theme: auto", id="theme", type="button"),
            class_="wide",
        ),
        class_="mode",
        role="status",
    )
    strategies = ", ".join(p["name"] for p in document["plugins"]["strategies"]) or "no strategy"
    title = tag("h1", f"{strategies} on {', '.join(document['book']) or 'no market'}")
    facts = [
        ("", f"{run['from'] or '?'} → {run['to'] or '?'} UTC"),
        ("length", figures.span(run["span_s"])),
        ("exchange", run["exchange"]),
        ("seed", run["seed"]),
        ("run", run["id"]),
    ]
    words = join(tag("span", f"{k} " if k else "", tag("b", v)) for k, v in facts if v not in (None, ""))
    return tag("header", mode, tag("div", title, tag("p", words, class_="facts"), class_="wide title"))


def _main(report: Report, document: Mapping[str, Any]) -> Markup:
    lead = tag("div", _headline(document), _worst_cases(document), class_="lead")
    return join(
        [
            _warnings(document["warnings"]),
            lead,
            tag("div", _assumptions(document), _split(document), class_="two"),
            charts(report),
            tag("div", _orders(report, document), _latency(report, document), class_="two"),
            tag("div", _market(document), _ledger(document), class_="two"),
            data_card(document),
            _fills(report),
            _plugins(document),
            *(_panel(panel, report) for panel in report.panels),
        ]
    )


def _warnings(warnings: Sequence[str]) -> Markup:
    if not warnings:
        return Markup("")
    return card("Read this first", tag("ul", join(tag("li", w) for w in warnings)), look="warnings")


def _headline(document: Mapping[str, Any]) -> Markup:
    pnl, perf, orders = document["pnl"], document["performance"], document["orders"]
    unit = tag("small", f" {pnl['currency']}")
    fills = document["fills"]
    tiles = [
        _net(pnl),
        tile(
            "Max drawdown",
            join([money(perf["max_drawdown"]), unit]),
            f"{percent(perf['max_drawdown_relative'], 3)} of capital at its peak",
            meaning="The largest fall of the result from its highest value so far",
        ),
        tile(
            "Sharpe ratio",
            _sharpe(perf),
            f"± standard error; Sortino {ratio(perf['sortino'], 1)}",
            meaning="Mean over deviation of the result's changes, annualised over 365 days; "
            f"{count(perf['samples'])} changes, one every {figures.span(perf['sampling_s'])}",
        ),
        tile(
            "Fills",
            count(fills["count"]),
            f"{money(fills['volume_quote'])} {pnl['currency']} traded",
        ),
        tile(
            "Fill ratio",
            percent(perf["fill_ratio"]),
            f"of {count(orders['accepted'])} accepted orders",
        ),
        tile(
            "Maker share",
            percent(perf["maker_share"]),
            f"{count(fills['maker'])} maker, {count(fills['taker'])} taker",
        ),
        tile("Fees", join([money(pnl["fees"]), unit]), figures.fees(fills["fees"])),
        tile("Slippage", f"{ratio(perf['slippage_bps'])} bps", "takers, against the mid at decision"),
        tile(
            "Maker edge",
            f"{ratio(perf['maker_edge_bps'])} bps",
            "makers, against the mid at the fill",
        ),
        tile(
            "Markout",
            f"{ratio(perf['markout_10s_bps'])} bps",
            f"mid 10 s after the fill; {ratio(perf['markout_60s_bps'])} after 60 s",
            meaning="Positive: the market moved in our favour after the fill",
        ),
        tile("Ledger", *figures.ledger(document["ledger"])),
    ]
    return card("Result", tag("dl", *tiles, class_="tiles"))


def _net(pnl: Mapping[str, Any]) -> Markup:
    """The one figure everybody looks for, with what it is made of beneath."""
    value = join([money(pnl["net"], signed=True), tag("small", f" {pnl['currency']}")])
    sub = f"net of fees; before fees {money(pnl['gross'], signed=True)}"
    shown = tag("dd", value, class_=f"value {tone(pnl['net'])}")
    return tag("div", tag("dt", "Net result"), shown, tag("dd", sub, class_="sub"), class_="tile hero")


def _sharpe(performance: Mapping[str, Any]) -> Markup:
    """The ratio never without its standard error."""
    value, _, error = figures.sharpe(performance).partition(" ")
    return join([value, tag("small", f" {error}")])


def _worst_cases(document: Mapping[str, Any]) -> Markup:
    pnl = document["pnl"]
    head = ["", f"Net {pnl['currency']}", "Fees", "Fills"]
    rows: list[list[object]] = [
        [
            "as run",
            _signed(pnl["net"]),
            Number(money(pnl["fees"])),
            Number(count(document["fills"]["count"])),
        ]
    ]
    for case in document["worst_cases"]:
        name = join([figures.case_name(case), tag("span", case["what"], class_="why")])
        rows.append([name, _signed(case["net"]), Number(money(case["fees"])), Number(count(case["fills"]))])
    if len(rows) == 1:
        words = "This run was not repeated under harsher assumptions: the result above stands alone."
    else:
        words = "The same run under harsher assumptions, one changed at a time."
    return card(
        "How bad could it be",
        table(head, rows, strong=0),
        note(words),
        note(figures.doubt(document)),
    )


def _signed(value: str) -> Number:
    return Number(money(value, signed=True))


def _assumptions(document: Mapping[str, Any]) -> Markup:
    items = list(document["assumptions"].items())
    if not items:
        return card(
            "Assumptions",
            note("The venue names none: fills, fees and times are the exchange's own."),
        )
    return card("Assumptions", pairs(items))


def _split(document: Mapping[str, Any]) -> Markup:
    pnl = document["pnl"]
    steps = [
        ("Realised", Decimal(pnl["realized"]), False),
        ("Unrealised", Decimal(pnl["unrealized"]), False),
    ]
    if Decimal(pnl["funding"]):
        steps.append(("Funding", Decimal(pnl["funding"]), False))
    steps += [("Fees", -Decimal(pnl["fees"]), False), ("Net", Decimal(pnl["net"]), True)]
    return card("Where the result comes from", flow(steps, pnl["currency"]))


def _orders(report: Report, document: Mapping[str, Any]) -> Markup:
    counts = shares([(k.replace("_", " "), v) for k, v in document["orders"].items()])
    rules: dict[str, int] = {}
    for fill in report.fills:
        rules[fill.reason] = rules.get(fill.reason, 0) + 1
    parts: list[object] = [counts]
    if any(rules):
        told = [(FILL_RULES.get(r, r), n) for r, n in sorted(rules.items(), key=lambda x: -x[1])]
        parts += [tag("h3", "What made the fills"), shares(told)]
    parts += [tag("h3", "Refused before sending"), _refusals(document["risk"]["refused"])]
    return card("Orders", *parts)


def _refusals(refused: Mapping[str, int]) -> Markup:
    if not refused:
        return note("Nothing was refused.")
    return shares(list(refused.items()))


def _latency(report: Report, document: Mapping[str, Any]) -> Markup:
    parts: list[object] = [histogram(title, values) for title, values in report.latencies().items() if values]
    if not parts:
        parts.append(note("No order was acknowledged."))
    measured = [
        [name.replace("_", " "), Number(micros(q.get("p50"))), Number(micros(q.get("p99")))]
        for name, q in document["latency_us"].items()
        if q
    ]
    if measured:
        words = "Of this process, by the wall clock"
        parts += [tag("h3", words), table(["Path", "p50", "p99"], measured)]
    if document["plugin_time"]:
        parts += [tag("h3", "Of each plugin"), _plugin_time(document["plugin_time"])]
    return card("Latency", *parts)


def _plugin_time(times: Mapping[str, Mapping[str, Any]]) -> Markup:
    rows = [
        [name, Number(count(one["calls"])), Number(micros(one["p50"])), Number(micros(one["p99"])),
         Number(percent(one["share"]))]
        for name, one in times.items()
    ]
    return table(["Plugin", "Calls", "p50", "p99", "Of the run"], rows)


def _market(document: Mapping[str, Any]) -> Markup:
    head = ["Market", "Best bid", "Best ask", "Bids", "Asks", "Gaps", "Resyncs"]
    rows = [
        [
            join([name, tag("span", f"update {book['last_update_id']}", class_="why")]),
            Number(exact(book["best_bid"])),
            Number(exact(book["best_ask"])),
            *(Number(count(n)) for n in book["levels"]),
            Number(count(book["gaps"])),
            Number(count(book["resyncs"])),
        ]
        for name, book in document["book"].items()
    ]
    events = document["events"]
    kinds = ", ".join(f"{count(n)} {kind}" for kind, n in events["by_kind"].items())
    speed = document["throughput_eps"]
    told = f"{count(events['total'])} market events: {kinds or 'none'}."
    if speed:
        told += f" {count(round(speed))} events a second."
    return card("Market data at the end", table(head, rows), note(told))


def _ledger(document: Mapping[str, Any]) -> Markup:
    assets = document["ledger"]["assets"]
    if not assets:
        return card(
            "Ledger",
            note("The run did not end in order, so that there are no balances to compare."),
        )
    head = ["Asset", "Start", "End", "Unexplained"]
    rows = [
        [
            asset,
            Number(amount(row["start"])),
            Number(amount(row["end"])),
            Number(exact(row["residual"])),
        ]
        for asset, row in assets.items()
    ]
    words = "Unexplained is end less what start, fills, fees and funding add up to."
    return card("Ledger", table(head, rows), note(words))


def _fills(report: Report) -> Markup:
    if not report.fills:
        return card("Fills", note("There were none."))
    head = [
        "Time, UTC",
        "Order",
        "Market",
        "Side",
        "Price",
        "Quantity",
        "Role",
        "Fee",
        "Mid",
        "Why",
    ]
    shown = report.fills[:MOST_FILLS]
    rows = [_fill(report, fill) for fill in shown]
    more = len(report.fills) - len(shown)
    words = f"The first {count(len(shown))} of {count(len(report.fills))}; fills.csv has all." if more else ""
    return card("Fills", table(head, rows, tall=True), note(words) if words else "", look="long list")


def _fill(report: Report, fill: FillRow) -> list[object]:
    instrument = report.instruments[fill.instrument]
    mid = None if fill.mid is None else plain(Decimal(fill.mid) * instrument.tick_size)
    return [
        figures.moment(fill.ts_local_ns),
        tag("code", fill.order_id),
        instrument.name,
        tag("span", "buy" if fill.side is Side.BUY else "sell"),
        Number(exact(plain(instrument.price(fill.price)))),
        Number(exact(plain(instrument.quantity(fill.quantity)))),
        "maker" if fill.maker else "taker",
        Number(f"{exact(plain(fill.fee))} {fill.fee_asset}"),
        Number(exact(mid)),
        FILL_RULES.get(fill.reason, fill.reason),
    ]


def _plugins(document: Mapping[str, Any]) -> Markup:
    plugins = document["plugins"]
    kinds = (("strategy", plugins["strategies"]), ("signals", plugins["signals"]))
    rows = [
        [kind, p["name"], p.get("version", ""), _settings(p.get("config") or {})]
        for kind, found in kinds
        for p in found
    ]
    limits = document["risk"]["limits"]
    rows += [["risk check", name, "", _settings(limits.get(name, {}))] for name in plugins["risk"]]
    rows += [["feed", Path(f["name"]).name, "", tag("code", f"sha256 {f['sha256']}")] for f in plugins["feeds"]]
    return card("What ran", table(["", "Name", "Version", "Settings"], rows))


def _settings(config: Mapping[str, Any]) -> Markup:
    return tag("code", figures.settings(config))


def _panel(panel: ReportPanel, report: Report) -> Markup:
    """A plugin's section; one that raises is named in its place, and the page goes on."""
    try:
        return card(panel.title, Markup(panel.html(report)))
    except Exception as error:
        told = f"Panel {panel.name} failed: {type(error).__name__}: {error}"
        return card(getattr(panel, "title", panel.name), note(told), look="warnings")


def _footer(document: Mapping[str, Any]) -> Markup:
    run = document["run"]
    words = tag(
        "p",
        "Every figure is defined in docs/numbers.md. Times are local to the engine, in UTC. ",
        f"Started {run['started'] or '?'}.",
    )
    sha = tag(
        "p",
        "Journal sha256 ",
        tag("code", run["journal_sha256"]),
        "; equal inputs and seed give the same.",
    )
    return tag("footer", words, sha, class_="wide")
