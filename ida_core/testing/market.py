"""A recorded market on a bad day: gaps, a side without offers, an empty book, a jump. Always the same one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from ida_core.clock import NS
from ida_core.feed import Feed, FeedInstrument, FeedMeta, FeedSource, FeedWriter
from ida_core.model import Instrument, Side
from ida_core.native import ffi, lib

START_NS = 1_767_225_600 * NS
STEP_NS = NS // 10
STEPS = 300
#: What is wrong, in steps of 100 ms: first and last.
ONE_SIDED, EMPTY, GAP = (60, 75), (100, 110), (150, 175)
JUMP = 220
JUMP_TICKS = 30_000
LEVELS, LOTS = 10, 5_000
NAME = "bad_day"
FILE = "bad_day.feed"
SPOT = Instrument(
    symbol="BTCUSDT", base="BTC", quote="USDT", tick_size=Decimal("0.1"), lot_size=Decimal("0.00001"), market="spot")

_Levels = list[tuple[int, int]]


class BadDay:
    """Keeps ``ida_core.Recording`` for the one file that ``write`` makes."""

    name = NAME

    def recognises(self, path: Path, head: bytes) -> bool:
        return path.name == FILE

    def open(self, paths: Sequence[Path], options: Mapping[str, Any]) -> list[Feed]:
        return [Feed(path) for path in paths]

    def check(self, paths: Sequence[Path], options: Mapping[str, Any] | None = None) -> Any:
        raise NotImplementedError(f"{NAME} is made for tests and not checked")


def write(folder: Path) -> Path:
    """Write the recording; 30 s of it."""
    records = list(_Walk().records())
    content = b"".join(records)
    with FeedWriter(folder / FILE) as writer:
        writer.write(content, len(records))
        seen = writer.survey(1)
        first, highest, count = seen.prices[0]
        instrument = FeedInstrument(
            symbol=SPOT.symbol, market=SPOT.market, kind=SPOT.kind, base=SPOT.base, quote=SPOT.quote,
            settle=SPOT.settle, multiplier=SPOT.multiplier, tick_size=SPOT.tick_size, lot_size=SPOT.lot_size,
            chain=0, inferred=False, first_price=first, highest_price=highest, records=count)
        digest = hashlib.sha256(content).hexdigest()
        return writer.finish(FeedMeta(
            sources=(FeedSource(FILE, digest, len(content), len(records)),), instruments=(instrument,),
            records=seen.records, counts=seen.counts, streams={}, first_local_ns=seen.first_local_ns,
            last_local_ns=seen.last_local_ns))


class _Walk:
    """The book by its levels; each step is a diff from the former one, and now and then a trade."""

    def __init__(self) -> None:
        self._random = Random("a bad day")
        self._mid = 600_000
        self._shown: dict[Side, dict[int, int]] = {Side.BUY: {}, Side.SELL: {}}
        self._id = 100

    def records(self) -> Iterator[bytes]:
        for step in range(STEPS):
            ts_ns = START_NS + step * STEP_NS
            self._mid += self._random.randint(-3, 3) - (JUMP_TICKS if step == JUMP else 0)
            missing = step == GAP[0]
            if GAP[0] < step < GAP[1]:
                continue
            if step in (0, GAP[1]):
                yield self._depth(lib.IDA_SNAPSHOT, ts_ns, *self._target(step))
                yield self._depth(lib.IDA_DEPTH, ts_ns, {}, {}, skip=0)
                continue
            yield self._diff(step, ts_ns, skip=5 if missing else 0)
            if self._is_whole(step) and not missing:
                yield self._trade(ts_ns + STEP_NS // 2)

    def _is_whole(self, step: int) -> bool:
        return not (ONE_SIDED[0] <= step < ONE_SIDED[1] or EMPTY[0] <= step < EMPTY[1])

    def _target(self, step: int) -> tuple[dict[int, int], dict[int, int]]:
        bids = {self._mid - 1 - k: LOTS + 100 * k for k in range(LEVELS)}
        asks = {self._mid + 1 + k: LOTS + 100 * k for k in range(LEVELS)}
        if EMPTY[0] <= step < EMPTY[1]:
            return {}, {}
        return (bids, {}) if ONE_SIDED[0] <= step < ONE_SIDED[1] else (bids, asks)

    def _diff(self, step: int, ts_ns: int, skip: int) -> bytes:
        changes = []
        for side, target in zip((Side.BUY, Side.SELL), self._target(step), strict=True):
            gone = {price: 0 for price in self._shown[side] if price not in target}
            changes.append(gone | target)
            self._shown[side] = target
        return self._depth(lib.IDA_DEPTH, ts_ns, changes[0], changes[1], skip)

    def _depth(self, kind: int, ts_ns: int, bids: dict[int, int], asks: dict[int, int], skip: int = 0) -> bytes:
        if kind == lib.IDA_SNAPSHOT:
            self._shown = {Side.BUY: bids, Side.SELL: asks}
        else:
            self._id += 1 + skip
        return _bytes(depth_record(kind, self._id, bids, asks, ts_ns))

    def _trade(self, ts_ns: int) -> bytes:
        price = self._mid + self._random.choice((-1, 1))
        record = ffi.new("ida_trade *", {"price": price, "quantity": self._random.randint(1, LOTS)})
        record.head.length = ffi.sizeof("ida_trade")
        record.head.kind = lib.IDA_TRADE
        record.head.flags = lib.IDA_FLAG_BUYER_IS_MAKER if price < self._mid else 0
        record.trade_id = record.first_trade_id = record.last_trade_id = ts_ns // STEP_NS
        record.head.ts_local_ns = record.head.ts_venue_ns = ts_ns
        return _bytes(record)


def depth_record(kind: int, update_id: int, bids: Mapping[int, int], asks: Mapping[int, int], ts_ns: int) -> Any:
    """An ``ida_depth *`` that owns its memory: a snapshot, or the levels (ticks → lots) that changed."""
    levels = [*bids.items(), *asks.items()]
    record = ffi.new("ida_depth *", {"levels": levels})
    record.head.length = ffi.sizeof("ida_depth") + 16 * len(levels)
    record.head.kind = kind
    record.head.ts_local_ns = record.head.ts_venue_ns = ts_ns
    record.first_id = record.last_id = update_id
    record.previous_id = -1
    record.bids, record.asks = len(bids), len(asks)
    return record


def _bytes(record: Any) -> bytes:
    return bytes(ffi.buffer(record, record.head.length))
