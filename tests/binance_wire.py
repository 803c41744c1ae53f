"""Binance's messages for tests: the decoder's answer as a dict, and the same by a naive twin.

Sample values are our own; the shapes are those of the payload tables in Binance's documentation
(web-socket-streams.md and the USD-M futures pages, read 2026-07).
"""

import json
from decimal import Decimal
from typing import Any, NamedTuple

from ida_binance.decoder import Decoder, Grid
from ida_core.feed import KINDS
from ida_core.native import ffi, lib

LOCAL_NS = 1_763_800_000_777_000_000
GRID = Grid(Decimal("0.01"), Decimal("0.00001"))
_MS = 1_000_000
_STRUCTS = (
    "ida_depth", "ida_depth", "ida_trade", "ida_quote", "ida_bar", "ida_mark", "ida_ticker",
    "ida_depth", "ida_average",
)  # fmt: skip


class Refused(NamedTuple):
    """A message that made no record: the status' name, the rule, and the byte at fault."""

    status: str
    rule: str
    offset: int


_STATUS = {
    lib.IDA_FULL: "full", lib.IDA_EMPTY: "empty", lib.IDA_BAD: "bad", lib.IDA_RANGE: "range",
    lib.IDA_OFF_GRID: "off grid", lib.IDA_UNKNOWN: "unknown",
}  # fmt: skip


def decode(
    text: str | bytes, decoder: Decoder | None = None, *, default: int = -1,
    microseconds: int = 0, room: int = 1 << 16,
) -> dict[str, Any] | Refused:  # fmt: skip
    """The record's fields, those of its head among them, or why there is none."""
    decoder = decoder or Decoder({"BTCUSDT": GRID})
    data = text.encode() if isinstance(text, str) else text
    owner = ffi.new("uint64_t[]", room // 8)
    problem = ffi.new("ida_binance_problem *")
    status = lib.ida_binance_decode(
        decoder.pointer, ffi.from_buffer(data), len(data), LOCAL_NS, default, microseconds, owner,
        room, problem,
    )  # fmt: skip
    if status != lib.IDA_OK:
        assert problem.status == status
        return Refused(_STATUS[status], ffi.string(problem.rule).decode(), problem.offset)
    return fields(ffi.cast("ida_record *", owner))


def fields(record: Any) -> dict[str, Any]:
    """All of a record but its checksum; levels as [(price, quantity)]."""
    struct = _STRUCTS[record.kind - 1]
    whole = ffi.cast(f"{struct} *", record)
    names = [name for name, _ in ffi.typeof(struct).fields if name not in ("head", "levels")]
    found = {name: getattr(whole, name) for name in names}
    found |= {name: getattr(record, name) for name in ("instrument", "ts_local_ns", "ts_venue_ns")}
    found |= {"kind": KINDS[record.kind - 1], "flags": record.flags}
    if struct == "ida_depth":
        levels = whole.levels
        pairs = [(levels[i].price, levels[i].quantity) for i in range(whole.bids + whole.asks)]
        found["bids"], found["asks"] = pairs[: whole.bids], pairs[whole.bids :]
        assert record.length == ffi.sizeof(struct) + 16 * len(pairs)
    else:
        assert record.length == ffi.sizeof(struct)
    return found


def twin(message: dict[str, Any], grid: Grid = GRID) -> dict[str, Any]:
    """What a well-formed message means, by way of Python's JSON and decimals."""
    data = json.loads(json.dumps(message))
    stream = data.get("stream", "")
    data = data.get("data", data)
    event = data.get("e") or ("depth" if "lastUpdateId" in data else "bookTicker")
    found = _TWINS[event](data, stream, grid)
    stamp = data.get("T") if event in _BY_T else None
    stamp = data.get("E") if stamp is None else stamp
    flags = found.pop("flags", 0) | (lib.IDA_FLAG_NO_VENUE_TIME if stamp is None else 0)
    venue_ns = LOCAL_NS if stamp is None else stamp * _MS
    return found | {
        "flags": flags, "ts_local_ns": LOCAL_NS, "ts_venue_ns": venue_ns, "instrument": 0,
    }  # fmt: skip


_BY_T = {"depthUpdate", "depth", "trade", "aggTrade", "bookTicker"}


def _steps(text: str, size: Decimal) -> int:
    steps = Decimal(text) / size
    assert steps == int(steps)
    return int(steps)


def _e8(text: str) -> int:
    return int(Decimal(text or 0).scaleb(8))


def _levels(levels: Any, grid: Grid) -> list[tuple[int, int]]:
    return [(_steps(p, grid.tick_size), _steps(q, grid.lot_size)) for p, q in levels]


def _depth(data: Any, stream: str, grid: Grid) -> dict[str, Any]:
    partial = "@depth" in stream and stream.split("@depth")[1][:1].isdigit()
    return {
        "kind": "partial" if partial else "depth", "first_id": data["U"], "last_id": data["u"],
        "previous_id": data.get("pu", -1), "bids": _levels(data["b"], grid),
        "asks": _levels(data["a"], grid),
    }  # fmt: skip


def _answer(data: Any, stream: str, grid: Grid) -> dict[str, Any]:
    last = data["lastUpdateId"]
    return {
        "kind": "partial" if stream else "snapshot", "first_id": last, "last_id": last,
        "previous_id": -1, "bids": _levels(data["bids"], grid),
        "asks": _levels(data["asks"], grid),
    }  # fmt: skip


def _trade(data: Any, stream: str, grid: Grid) -> dict[str, Any]:
    whole = data["e"] == "trade"
    trade_id = data["t" if whole else "a"]
    flags = lib.IDA_FLAG_BUYER_IS_MAKER if data["m"] else 0
    flags |= 0 if whole else lib.IDA_FLAG_AGGREGATE
    flags |= lib.IDA_FLAG_OFF_BOOK if data.get("X", "MARKET") != "MARKET" else 0
    return {
        "kind": "trade", "flags": flags, "trade_id": trade_id,
        "price": _steps(data["p"], grid.tick_size), "quantity": _steps(data["q"], grid.lot_size),
        "first_trade_id": trade_id if whole else data["f"],
        "last_trade_id": trade_id if whole else data["l"],
    }  # fmt: skip


def _quote(data: Any, stream: str, grid: Grid) -> dict[str, Any]:
    return {
        "kind": "quote", "update_id": data["u"],
        "bid": _steps(data["b"], grid.tick_size), "bid_quantity": _steps(data["B"], grid.lot_size),
        "ask": _steps(data["a"], grid.tick_size), "ask_quantity": _steps(data["A"], grid.lot_size),
    }  # fmt: skip


_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "M": 2592000}


def _bar(data: Any, stream: str, grid: Grid) -> dict[str, Any]:
    k = data["k"]
    prices = {
        name: _steps(k[key], grid.tick_size)
        for name, key in (("open", "o"), ("high", "h"), ("low", "l"), ("close", "c"))
    }
    return prices | {
        "kind": "bar", "flags": lib.IDA_FLAG_CLOSED if k["x"] else 0, "open_ns": k["t"] * _MS,
        "close_ns": k["T"] * _MS, "volume": _steps(k["v"], grid.lot_size),
        "taker_buy": _steps(k["V"], grid.lot_size), "quote_volume_e8": _e8(k["q"]),
        "trades": k["n"], "interval_s": int(k["i"][:-1]) * _SECONDS[k["i"][-1]],
    }  # fmt: skip


def _mark(data: Any, stream: str, grid: Grid) -> dict[str, Any]:
    return {
        "kind": "mark", "mark_e8": _e8(data["p"]), "index_e8": _e8(data.get("i", "")),
        "settle_e8": _e8(data.get("P", "")), "funding_rate_e8": _e8(data.get("r", "")),
        "next_funding_ns": data.get("T", 0) * _MS,
    }  # fmt: skip


def _ticker(data: Any, stream: str, grid: Grid) -> dict[str, Any]:
    mini = data["e"] == "24hrMiniTicker"
    close_ms = data["E"] if mini else data["C"]
    prices = {
        name: _steps(data[key], grid.tick_size)
        for name, key in (("open", "o"), ("high", "h"), ("low", "l"), ("last", "c"))
    }
    return prices | {
        "kind": "ticker", "close_ns": close_ms * _MS, "trades": -1 if mini else data["n"],
        "open_ns": (close_ms - 86_400_000 if mini else data["O"]) * _MS,
        "volume": _steps(data["v"], grid.lot_size), "quote_volume_e8": _e8(data["q"]),
    }  # fmt: skip


def _average(data: Any, stream: str, grid: Grid) -> dict[str, Any]:
    return {
        "kind": "average", "average_e8": _e8(data["w"]), "last_trade_ns": data["T"] * _MS,
        "window_s": int(data["i"][:-1]) * _SECONDS[data["i"][-1]],
    }  # fmt: skip


_TWINS = {
    "depthUpdate": _depth, "depth": _answer, "trade": _trade, "aggTrade": _trade,
    "bookTicker": _quote, "kline": _bar, "markPriceUpdate": _mark, "24hrTicker": _ticker,
    "24hrMiniTicker": _ticker, "1hTicker": _ticker, "4hTicker": _ticker, "1dTicker": _ticker,
    "avgPrice": _average,
}  # fmt: skip
