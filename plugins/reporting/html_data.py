"""The section of the HTML report on how good the market data was."""

from collections.abc import Mapping, Sequence
from typing import Any

from plugins.reporting import figures
from plugins.reporting.figures import NONE, count, live_share, percent_down, some, span
from plugins.reporting.html_parts import Markup, Number, card, note, table, tag

MOST_ROWS = 50
"""Rows of a list that are shown; ``report.json`` has more of them."""


def data_card(document: Mapping[str, Any]) -> Markup:
    """Whether the data could be trusted, and when it could not."""
    data = document["data"]
    value, words = figures.data_words(document)
    parts: list[object] = [tag("p", tag("b", f"{value} of the time in step"), f": {words}.", class_="note")]
    parts.append(_symbols(data["symbols"], document["run"]["span_s"]))
    parts += _episodes(data["symbols"])
    parts += _conflation(data["conflated"])
    parts += _connections(data["connections"])
    parts += _troubles(data["troubles"])
    parts += _venue(data["venue"])
    return card("Data quality", *parts)


def _symbols(symbols: Mapping[str, Mapping[str, Any]], span_s: float) -> Markup:
    head = ["Market", "In step", "Stale", "Episodes", "Gaps", "Resyncs", "Given up", "Lost trades", "Beyond snapshot",
            "Quotes compared", "Mismatched"]  # fmt: skip
    keys = ("episodes", "gaps", "resyncs", "given_up", "trades_missing", "left_known", "quotes_compared",
            "quotes_mismatched")  # fmt: skip
    rows = []
    for name, one in symbols.items():
        share = live_share(one, span_s)
        rows.append([
            name, Number(NONE if share is None else percent_down(share)), Number(span(one["stale_s"])),
            *(Number(count(one[key])) for key in keys),
        ])
    return table(head, rows)


def _episodes(symbols: Mapping[str, Mapping[str, Any]]) -> list[object]:
    found = sorted(
        ((row["from"] or "", name, row) for name, one in symbols.items() for row in one["stale"]),
        key=lambda found: found[:2],
    )
    rows = [
        [begin, row["to"] or "the end", name, Number(span(row["s"])), row["reason"]]
        for begin, name, row in found[:MOST_ROWS]
    ]
    return _list("When a book could not be trusted", ["From", "To", "Market", "Length", "Why"], rows,
                 sum(one["episodes"] for one in symbols.values()))  # fmt: skip


def _conflation(block: Mapping[str, Any]) -> list[object]:
    if not block["episodes"]:
        return []
    times = some(block["episodes"], "time")
    behind_s, left_out = span(block["behind_s"]), some(block["wakings"], "waking")
    told = f"The run was behind its data {times}, {behind_s} in all; {left_out} for a book left out, for newer ones."
    return [note(told)]


def _connections(block: Mapping[str, Any]) -> list[object]:
    if not block["each"]:
        return []
    rows = [
        [one["connection"], one["state"], Number(count(one["streams"])), Number(count(one["lives"])),
         Number(count(one["reconnects"])), Number(count(one["messages"])), Number(count(one["bytes"]))]
        for one in block["each"]
    ]
    head = ["Connection", "At last", "Streams", "Lives", "Reconnects", "Messages", "Bytes"]
    history = [[row["at"], row["connection"], row["state"], row["why"]] for row in block["history"][:MOST_ROWS]]
    return [
        tag("h3", "Connections"), table(head, rows),
        *_list("Their history", ["At", "Connection", "State", "Why"], history, block["changes"]),
    ]


def _troubles(block: Mapping[str, Any]) -> list[object]:
    rows = [[row["at"], row["what"].replace("_", " "), row["detail"]] for row in block["history"][:MOST_ROWS]]
    return _list("What the feed could not get", ["At", "What", "Why"], rows, block["count"])


def _venue(block: Mapping[str, Any]) -> list[object]:
    rows = [[row["at"], row["state"], row["reason"]] for row in block["history"][:MOST_ROWS]]
    return _list("What the venue said of itself", ["At", "State", "Why"], rows, block["changes"])


def _list(title: str, head: Sequence[str], rows: Sequence[Sequence[object]], number: int) -> list[object]:
    if not rows:
        return []
    more = f"The first {count(len(rows))} of {count(number)}." if number > len(rows) else ""
    return [tag("h3", title), table(head, rows, tall=len(rows) > 12), note(more) if more else ""]
