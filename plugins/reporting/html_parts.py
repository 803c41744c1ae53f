"""The pieces HTML pages are made of. Whatever is not ``Markup`` is escaped."""

import html
import math
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from ida_core.statistics import quantile
from plugins.reporting.figures import micros, money


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


class Number(str):
    """Text of a number: right-aligned in tables."""

    __slots__ = ()


def esc(text: object) -> str:
    """HTML of anything: ``Markup`` as it is, the rest escaped.

    >>> esc("<b>"), esc(Markup("<b>"))
    ('&lt;b&gt;', '<b>')
    """
    return str(text) if isinstance(text, Markup) else html.escape(str(text))


def tag(name: str, *content: object, **attributes: object) -> Markup:
    """
    >>> tag("td", "a < b", class_="n")
    '<td class="n">a &lt; b</td>'
    """
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{told}>{''.join(esc(part) for part in content)}</{name}>")


def join(parts: Iterable[object]) -> Markup:
    return Markup("".join(esc(part) for part in parts))


def card(title: str, *content: object, look: str = "") -> Markup:
    return tag("section", tag("h2", title), *content, class_=f"card {look}".strip())


def note(text: object) -> Markup:
    return tag("p", text, class_="note")


def pairs(items: Iterable[tuple[str, object]]) -> Markup:
    """A list of terms and what they mean."""
    rows = (join([tag("dt", name.replace("_", " ")), tag("dd", text)]) for name, text in items)
    return tag("dl", *rows, class_="pairs")


def table(head: Sequence[str], rows: Iterable[Sequence[object]], *, strong: int = -1, tall: bool = False) -> Markup:
    """A table that scrolls by itself on narrow screens; columns of ``Number`` are right-aligned.

    Args:
        strong: index of the row that is the headline.
        tall: limit the height on the screen.
    """
    body = [list(row) for row in rows]
    numeric = [any(isinstance(row[i], Number) for row in body) for i in range(len(head))]
    heads = join(tag("th", h, scope="col", class_="n" if n else None) for h, n in zip(head, numeric, strict=True))
    lines = join(_row(row, numeric, k == strong) for k, row in enumerate(body))
    inner = tag("table", tag("thead", tag("tr", heads)), tag("tbody", lines))
    return tag("div", inner, class_="scroll tall" if tall else "scroll", tabindex="0" if tall else None)


def _row(row: Sequence[object], numeric: Sequence[bool], strong: bool) -> Markup:
    first = tag("th", row[0], scope="row") if strong else tag("td", row[0], class_="n" if numeric[0] else None)
    rest = (tag("td", c, class_="n" if n else None) for c, n in zip(row[1:], numeric[1:], strict=True))
    return tag("tr", first, *rest, class_="headline" if strong else None)


def tone(value: str | Decimal | None) -> str:
    """The class that colours a result."""
    if value is None or not Decimal(value):
        return ""
    return "gain" if Decimal(value) > 0 else "loss"


def tile(name: str, value: object, sub: object = "", *, look: str = "", meaning: str = "") -> Markup:
    shown = tag("dd", value, class_=f"value {look}".strip())
    below = tag("dd", sub, class_="sub") if sub else ""
    return tag("div", tag("dt", name), shown, below, class_="tile", title=meaning or None)


def flow(steps: Sequence[tuple[str, Decimal, bool]], currency: str) -> Markup:
    """Bars from a start of 0 to a total, each beginning where the one before ended.

    Args:
        steps: name, amount, and whether it is a total (which begins at 0).
    """
    spans, at = [], Decimal(0)
    for _, amount, total in steps:
        begin = Decimal(0) if total else at
        at = begin + amount
        spans.append((begin, at))
    edges = [Decimal(0), *(edge for ends in spans for edge in ends)]
    low = min(edges)
    width = max(edges) - low or Decimal(1)
    rows = [_flow_row(step, span, low, width, currency) for step, span in zip(steps, spans, strict=True)]
    return tag("div", *rows, class_="flow", role="table", aria_label="From realised result to net")


def _flow_row(
    step: tuple[str, Decimal, bool],
    span: tuple[Decimal, Decimal],
    low: Decimal,
    width: Decimal,
    currency: str,
) -> Markup:
    name, amount, total = step
    left, right = (float((edge - low) / width * 100) for edge in sorted(span))
    zero = float((0 - low) / width * 100)
    bar = tag(
        "i",
        class_=f"bar {tone(amount)}",
        style=f"left:{left:.2f}%;width:{max(right - left, 0.4):.2f}%",
    )
    axis = tag("i", class_="zero-line", style=f"left:{zero:.2f}%")
    return tag(
        "div",
        tag("span", name, role="rowheader"),
        tag("span", axis, bar, class_="track", aria_hidden="true"),
        tag("span", f"{money(amount, signed=True)} {currency}", class_="n", role="cell"),
        class_="step total" if total else "step",
        role="row",
    )


def shares(counts: Sequence[tuple[str, int]]) -> Markup:
    """Counts with a bar each, as long as its share of the largest."""
    top = max((n for _, n in counts), default=0) or 1
    rows = []
    for name, number in counts:
        bar = tag("i", class_="bar plain", style=f"left:0;width:{number / top * 100:.2f}%") if number else ""
        track = tag("span", bar, class_="track", aria_hidden="true")
        cells = (
            tag("span", name, role="rowheader"),
            track,
            tag("span", f"{number:,}", class_="n", role="cell"),
        )
        rows.append(tag("div", *cells, class_="step", role="row"))
    return tag("div", *rows, class_="flow counts", role="table")


def bins(values: Sequence[float], most: int = 32) -> list[tuple[float, float, int]]:
    """Return ``(from, to, count)`` of equal width; of equal ratio over more than a decade.

    >>> bins([1.0, 1.0, 2.0], 2)
    [(1.0, 1.5, 2), (1.5, 2.0, 1)]
    >>> bins([5.0, 5.0])
    [(5.0, 5.0, 2)]
    """
    low, high = min(values), max(values)
    if low == high:
        return [(low, high, len(values))]
    log = low > 0 and high / low > 10
    start, end = (math.log(low), math.log(high)) if log else (low, high)
    counts = [0] * most
    for value in values:
        at = math.log(value) if log else value
        counts[min(most - 1, int((at - start) / (end - start) * most))] += 1
    edges = [start + (end - start) * k / most for k in range(most + 1)]
    if log:
        edges = [math.exp(edge) for edge in edges]
    return [(edges[k], edges[k + 1], counts[k]) for k in range(most)]


def histogram(title: str, values: Sequence[float]) -> Markup:
    """Times in µs as bars, with least, p50, p99 and greatest in words."""
    found = bins(values)
    top = max(c for _, _, c in found)
    wide = 100 / max(len(found), 8)
    shift = (100 - wide * len(found)) / 2
    bars = join(_bar(k, one, top, wide, shift) for k, one in enumerate(found))
    svg = tag(
        "svg",
        bars,
        viewBox="0 0 100 40",
        preserveAspectRatio="none",
        class_="hist",
        aria_hidden="true",
    )
    told: list[tuple[str, Any]] = [
        ("least", min(values)),
        ("p50", quantile(values, 0.5)),
        ("p99", quantile(values, 0.99)),
        ("greatest", max(values)),
    ]
    words = join(tag("span", f"{name} ", tag("b", micros(value))) for name, value in told)
    heading = tag("figcaption", tag("b", title), f" · {len(values):,}")
    return tag("figure", heading, svg, tag("div", words, class_="ends"), class_="histogram")


def _bar(place: int, one: tuple[float, float, int], top: int, wide: float, shift: float) -> Markup:
    low, high, number = one
    tall = 40 * number / top if number else 0
    told = tag("title", f"{micros(low)} to {micros(high)}: {number:,}")
    return tag(
        "rect",
        told,
        x=f"{shift + place * wide + wide * 0.06:.2f}",
        y=f"{40 - tall:.2f}",
        width=f"{wide * 0.88:.2f}",
        height=f"{tall:.2f}",
    )
