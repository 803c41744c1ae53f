"""Records in C memory, for tests: made by hand, or parsed from a recording the slow way."""

import gzip
import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from ida_core.native import ffi, lib

Levels = Iterable[tuple[int, int]]


def depth(
    last_id: int, bids: Levels = (), asks: Levels = (), *,
    first_id: int | None = None, previous_id: int = -1, kind: int = lib.IDA_DEPTH, ts: int = 0,
) -> Any:  # fmt: skip
    """An ``ida_depth *`` that owns its memory."""
    bids, asks = list(bids), list(asks)
    record = ffi.new("ida_depth *", {"levels": [*bids, *asks]})
    record.head.length = ffi.sizeof("ida_depth") + 16 * (len(bids) + len(asks))
    record.head.kind = kind
    record.head.ts_local_ns = record.head.ts_venue_ns = ts
    record.first_id = last_id if first_id is None else first_id
    record.last_id, record.previous_id = last_id, previous_id
    record.bids, record.asks = len(bids), len(asks)
    return record


def snapshot(last_id: int, bids: Levels = (), asks: Levels = (), ts: int = 0) -> Any:
    return depth(last_id, bids, asks, kind=lib.IDA_SNAPSHOT, ts=ts)


def _flat(struct: str, kind: int, ts: int, flags: int, fields: dict[str, int]) -> Any:
    record = ffi.new(f"{struct} *", fields)
    record.head.length = ffi.sizeof(struct)
    record.head.kind, record.head.flags = kind, flags
    record.head.ts_local_ns = record.head.ts_venue_ns = ts
    return record


def quote(update_id: int, bid: int, bid_quantity: int, ask: int, ask_quantity: int) -> Any:
    fields = {"update_id": update_id, "bid": bid, "bid_quantity": bid_quantity}
    return _flat(
        "ida_quote", lib.IDA_QUOTE, 0, 0, {**fields, "ask": ask, "ask_quantity": ask_quantity}
    )


def trade(price: int, quantity: int, flags: int = 0, ts: int = 0) -> Any:
    return _flat("ida_trade", lib.IDA_TRADE, ts, flags, {"price": price, "quantity": quantity})


def mark(**fields: int) -> Any:
    return _flat("ida_mark", lib.IDA_MARK, 0, 0, fields)


def apply(market: Any, record: Any) -> int:
    """Hand any record to an ``ida_core.book.Market``."""
    return market.apply(ffi.cast("ida_record *", record))


def _whole(text: str, decimals: int) -> int:
    value = Decimal(text).scaleb(decimals)
    assert value == int(value), f"{text} has more than {decimals} decimals"
    return int(value)


def read_capture(path: Path, price_decimals: int, quantity_decimals: int) -> Iterator[Any]:
    """Depths, quotes and trades of a raw capture, in units of its decimals."""

    def price(text: str) -> int:
        return _whole(text, price_decimals)

    def lots(text: str) -> int:
        return _whole(text, quantity_decimals)

    def levels(rows: list[list[str]]) -> list[tuple[int, int]]:
        return [(price(p), lots(q)) for p, q in rows]

    def record_of(data: Any) -> Any:
        if "lastUpdateId" in data:
            return snapshot(data["lastUpdateId"], levels(data["bids"]), levels(data["asks"]))
        if data.get("e") == "depthUpdate":
            ids = {"first_id": data["U"], "previous_id": data.get("pu", -1)}
            return depth(data["u"], levels(data["b"]), levels(data["a"]), **ids)
        if data.get("e") == "trade":
            flags = lib.IDA_FLAG_BUYER_IS_MAKER if data["m"] else 0
            return trade(price(data["p"]), lots(data["q"]), flags)
        if "B" in data:
            return quote(data["u"], price(data["b"]), lots(data["B"]), price(data["a"]), lots(data["A"]))
        return None

    with gzip.open(path, "rt") as lines:
        for line in lines:
            stamp, _, text = line.partition(" ")
            message = json.loads(text)
            record = record_of(message.get("data", message))
            if record is not None:
                record.head.ts_local_ns = int(stamp)
                yield record
