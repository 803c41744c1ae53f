"""A small, sound recording of a spot market, made by hand, for tests that damage it."""

import json
from pathlib import Path
from typing import Any

START_NS = 1_763_800_000_000_000_000
STEP_NS = 100_000_000
SNAPSHOT, DIFFS = 3, 12

Lines = list[str]


def line(number: int, message: dict[str, Any]) -> str:
    """A line whose stamp follows from its number, from 1."""
    return f"{START_NS + number * STEP_NS} {json.dumps(message, separators=(',', ':'))}\n"


def venue_ms(number: int) -> int:
    return (START_NS + number * STEP_NS) // 1_000_000 - 3


def diff(number: int, update: int) -> dict[str, Any]:
    """Updates ``update`` and the one after it: the bid's quantity changes."""
    data = {
        "e": "depthUpdate", "E": venue_ms(number), "s": "BTCUSDT", "U": update, "u": update + 1,
        "b": [["99.50", f"{update}.25"]], "a": [["120.00", "1.00"]],
    }  # fmt: skip
    return {"stream": "btcusdt@depth@100ms", "data": data}


def quote(update: int) -> dict[str, Any]:
    data = {"u": update, "s": "BTCUSDT", "b": "99.50", "B": f"{update - 1}.25", "a": "100.50", "A": "2.00"}
    return {"stream": "btcusdt@bookTicker", "data": data}


def trade(number: int, price: str = "100.50", **more: Any) -> dict[str, Any]:
    data = {
        "e": "trade", "E": venue_ms(number), "s": "BTCUSDT", "t": number, "p": price, "q": "0.75",
        "T": venue_ms(number), "m": False, "M": True, **more,
    }  # fmt: skip
    return {"stream": "btcusdt@trade", "data": data}


def snapshot(update: int) -> dict[str, Any]:
    bids, asks = [["99.50", "1.25"], ["99.00", "5.00"]], [["100.50", "2.00"], ["101.00", "3.00"]]
    return {"lastUpdateId": update, "bids": bids, "asks": asks}


def session() -> Lines:
    """A diff, a trade, the snapshot, then a diff, a quote and a trade for each update."""
    messages = [diff(1, 98), trade(2), snapshot(101)]
    for i in range(DIFFS):
        number = len(messages) + 1
        update = 102 + 2 * i
        messages += [diff(number, update), quote(update + 1), trade(number + 2)]
    return [line(i, message) for i, message in enumerate(messages, 1)]


def renumbered(lines: Lines) -> Lines:
    """The messages in this order, with rising stamps again."""
    return [f"{START_NS + i * STEP_NS} {text.split(' ', 1)[1]}" for i, text in enumerate(lines, 1)]


def diff_line(i: int) -> int:
    """The line of the i-th diff after the snapshot, from 0."""
    return SNAPSHOT + 1 + 3 * i


def write(path: Path, lines: Lines) -> Path:
    path.write_bytes("".join(lines).encode())
    return path
