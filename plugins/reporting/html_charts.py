"""The charts: their places in the page, and the numbers that ``report.js`` draws in them."""

import math
from decimal import Decimal
from typing import Any

from ida_core import FillRow, Report, Side
from ida_core.report import FILL_RULES
from plugins.reporting import figures
from plugins.reporting.html_parts import Markup, card, join, note, tag

MOST_VALUES = 24_000
"""Points times series in one page; beyond it every n-th point of the grid is kept."""

MOST_MARKS = 4_000
"""Fills drawn; beyond it every n-th."""


def charts(report: Report) -> Markup:
    """The section with all charts, empty until the page's script draws them."""
    if len(report.samples.times_ns) < 2:
        return card("Charts", note("The run was too short to draw."))
    buttons = [
        ("zoom-in", "+", "Zoom in"),
        ("zoom-out", figures.MINUS, "Zoom out"),
        ("zoom-reset", "Whole run", "Show the whole run"),
    ]
    tools = [_choice(report)] + [
        tag("button", text, id=i, type="button", aria_label=told, title=told) for i, text, told in buttons
    ]
    hint = tag("span", "drag to zoom, double-click to reset; arrow keys move the crosshair", class_="hint")
    header = tag("header", tag("h2", "Over time"), hint, tag("span", *tools, class_="tools"))
    unit = report.currency
    name = tag("span", report.instruments[0].name, data_instrument_name="")
    figures_ = [
        _figure("equity", 220, f"Result, {unit}", "solid: net of fees; dashed: before fees"),
        _figure("drawdown", 110, f"Drawdown, {unit}", ""),
        _figure("price", 300, join(["Price and fills, ", name]), _legend(report)),
        _figure("position", 130, join(["Position, ", name]), ""),
    ]
    return tag("section", header, *figures_, class_="card charts", id="charts")


def _choice(report: Report) -> Markup:
    if len(report.instruments) < 2:
        return Markup("")
    options = join(tag("option", one.name, value=k) for k, one in enumerate(report.instruments))
    return tag("select", options, id="instrument", aria_label="Instrument shown in price and position")


def _legend(report: Report) -> Markup:
    words = "▲ bought, ▼ sold; filled: maker, hollow: taker"
    if len(report.fills) > MOST_MARKS:
        words += f"; {MOST_MARKS:,} of {len(report.fills):,} fills drawn"
    return tag("span", words, class_="key")


def _figure(kind: str, height: int, title: object, key: object) -> Markup:
    caption = tag("figcaption", tag("b", title), tag("span", key, class_="key") if key else "", tag("output"))
    plot = tag(
        "div",
        class_="plot",
        tabindex="0",
        role="img",
        aria_label=f"Chart of {kind} over time; the tables give its figures",
    )
    return tag("figure", caption, plot, class_="chart", data_chart=kind, data_height=height)


def chart_data(report: Report) -> dict[str, Any]:
    """Return what ``report.js`` draws: times in ms since ``start_ms``, money in the currency."""
    kept = kept_points(report)
    samples = report.samples
    net = [float(samples.net[i]) for i in kept]
    decimals = _money_decimals(net)
    start_ms = samples.times_ns[0] // 1_000_000 if kept else 0
    return {
        "start_ms": start_ms,
        "decimals": decimals,
        "times": [samples.times_ns[i] // 1_000_000 - start_ms for i in kept],
        "equity": [round(x, decimals) for x in net],
        "gross": [round(float(samples.gross[i]), decimals) for i in kept],
        "drawdown": [round(-float(report.drawdowns[i]), decimals) for i in kept],
        "rules": _rules(report),
        "instruments": [_instrument(report, i, kept, start_ms) for i in range(len(report.instruments))],
    }


def kept_points(report: Report) -> list[int]:
    """Indices of the samples shown. Of too many, those at fills go first; then every n-th stays."""
    samples = report.samples
    points = list(range(len(samples.times_ns)))
    most = MOST_VALUES // (3 + 2 * len(report.instruments))
    if len(points) > most:
        ends = {points[0], points[-1]}
        points = [i for i in points if i in ends or samples.times_ns[i] % samples.step_ns == 0]
    stride = math.ceil(len(points) / most) if points else 1
    return [*points[:-1:stride], points[-1]] if points else []


def _rules(report: Report) -> list[str]:
    known = {fill.reason for fill in report.fills}
    return [FILL_RULES.get(reason, reason) for reason in sorted(known)]


def _instrument(report: Report, index: int, kept: list[int], start_ms: int) -> dict[str, Any]:
    instrument, samples = report.instruments[index], report.samples
    tick, lot = float(instrument.tick_size), float(instrument.lot_size)
    price_decimals, quantity_decimals = (
        _decimals(instrument.tick_size),
        _decimals(instrument.lot_size),
    )
    mids, positions = samples.mids[index], samples.positions[index]
    return {
        "name": instrument.name,
        "price_decimals": price_decimals,
        "quantity_decimals": quantity_decimals,
        "mid": [None if (m := mids[i]) is None else round(m * tick, price_decimals + 1) for i in kept],
        "position": [round(positions[i] * lot, quantity_decimals) for i in kept],
        "fills": _marks(report, index, start_ms),
    }


def _marks(report: Report, index: int, start_ms: int) -> list[list[Any]]:
    order = {reason: k for k, reason in enumerate(sorted({fill.reason for fill in report.fills}))}
    stride = math.ceil(len(report.fills) / MOST_MARKS) or 1
    fills = [fill for fill in report.fills[::stride] if fill.instrument == index]
    return [_mark(report, fill, order[fill.reason], start_ms) for fill in fills]


def _mark(report: Report, fill: FillRow, rule: int, start_ms: int) -> list[Any]:
    instrument = report.instruments[fill.instrument]
    return [
        fill.ts_local_ns // 1_000_000 - start_ms,
        float(instrument.price(fill.price)),
        f"{instrument.quantity(fill.quantity).normalize():f}",
        1 if fill.side is Side.BUY else -1,
        int(fill.maker),
        rule,
        fill.order_id,
    ]


def _decimals(step: Decimal) -> int:
    return max(0, -int(step.normalize().as_tuple().exponent))


def _money_decimals(values: list[float]) -> int:
    """Five significant digits of the largest value, at least two decimals."""
    largest = max((abs(v) for v in values), default=0.0)
    return max(2, min(10, 4 - math.floor(math.log10(largest)))) if largest else 2
