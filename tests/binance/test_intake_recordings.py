"""Real recordings through several simulated connections, each late and lossy in its own way: the same records come out
as from the recording itself, whatever the connections do."""

import gzip
import heapq
import os
import random
import re
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from ida_binance.decoder import Decoder, Grid
from ida_binance.intake import Intake
from ida_core.inlet import Inlet
from ida_core.native import ffi, lib

MOST_LINES = int(os.environ.get("IDA_TEST_LINES", "6000"))
HOLD_NS = 250_000_000
CAPTURES = {
    "spot_btcusdt_20240808": ("BTCUSDT", "0.01", "0.000001"),
    "spot_btcusdt_20230405_nosnapshot": ("BTCUSDT", "0.01", "0.000001"),
    "usdm_btcusdt_20240808": ("BTCUSDT", "0.1", "0.001"),
    "usdm_btcusdt_20230404": ("BTCUSDT", "0.1", "0.001"),
    "cm_btcusd_perp_20240808": ("BTCUSD_PERP", "0.1", "1"),
}
Line = tuple[int, bytes]
Records = dict[int, list[bytes]]
"""By kind; without the checksum and the local time, which is that of the connection that was first."""


def read(path: Path) -> list[Line]:
    with gzip.open(path) as file:
        lines = [line.rstrip().split(b" ", 1) for line in islice(file, MOST_LINES)]
    return [(int(stamp) * (1 if len(stamp) == 19 else 1000), text) for stamp, text in lines]


def add(records: Records, record: Any) -> None:
    content = bytes(ffi.buffer(record, record.length))
    told = 16 if record.flags & lib.IDA_FLAG_NO_VENUE_TIME else 24
    records.setdefault(int(record.kind), []).append(content[:4] + content[8:told] + content[32:])


def decoded(lines: list[Line], symbol: str, grid: Grid) -> Records:
    decoder, records = Decoder({symbol: grid}, 1), Records()
    room, problem = ffi.new("uint64_t[]", 1 << 18), ffi.new("ida_binance_problem *")
    for stamp, text in lines:
        data = ffi.from_buffer(text)
        status = lib.ida_binance_decode(decoder.pointer, data, len(text), stamp, 0, -1, room, 8 << 18, problem)
        assert status == lib.IDA_OK or problem.passable
        if status == lib.IDA_OK:
            add(records, ffi.cast("ida_record *", room))
    return records


class Wires:
    """The recording as each of some connections brings it: in its order, late by less than the hold, some of it lost;
    what one loses another one brings."""

    def __init__(self, lines: list[Line], connections: int, loss: float, seed: int) -> None:
        self.random = random.Random(seed)
        self.lost = [self.losers(connections, loss) for _ in lines]
        self.lines, self.connections = lines, connections

    def losers(self, connections: int, loss: float) -> set[int]:
        lost = {c for c in range(connections) if self.random.random() < loss}
        return lost - {self.random.randrange(connections)}

    def one(self, connection: int) -> Iterator[tuple[int, int, int]]:
        at = 0
        for i, (stamp, _) in enumerate(self.lines):
            at = max(at, stamp + int(self.random.random() ** 4 * HOLD_NS * 0.9))
            if connection not in self.lost[i]:
                yield at, connection, i

    def arrivals(self) -> Iterator[tuple[int, int, int]]:
        return heapq.merge(*(self.one(c) for c in range(self.connections)))


def taken_in(wires: Wires, symbol: str, grid: Grid, streams: list[str]) -> tuple[Records, Intake]:
    inlet, records, asked = Inlet(1), Records(), set()
    intake = Intake({symbol: grid}, inlet, connections=wires.connections, hold_ns=HOLD_NS)
    for stream in streams:
        intake.add(stream, 0)
    for connection in range(wires.connections):
        intake.opened(connection, 0)
    for at, connection, i in wires.arrivals():
        text = wires.lines[i][1]
        if b'"stream"' in text:
            assert not intake.feed(connection, text, at)
        elif i not in asked:
            asked.add(i)
            assert intake.snapshot(0, text, at)
        while record := lib.ida_inlet_take(inlet.pointer):
            add(records, record)
    intake.expire(1 << 62)
    while record := lib.ida_inlet_take(inlet.pointer):
        add(records, record)
    return records, intake


@pytest.fixture(scope="module", params=CAPTURES)
def capture(request: pytest.FixtureRequest, recordings: Path) -> tuple[list[Line], str, Grid, Records, list[str]]:
    symbol, *steps = CAPTURES[request.param]
    lines = read(recordings / "captures" / f"{request.param}.gz")
    streams = sorted({found[1].decode() for _, text in lines if (found := re.match(rb'\{"stream":"([^"]+)"', text))})
    grid = Grid(*map(Decimal, steps))
    return lines, symbol, grid, decoded(lines, symbol, grid), streams


@pytest.mark.parametrize(("connections", "loss"), [(1, 0.0), (2, 0.0), (2, 0.2), (4, 0.5)])
def test_redundant_connections_give_the_recording_again(
    capture: tuple[list[Line], str, Grid, Records, list[str]], connections: int, loss: float,
) -> None:  # fmt: skip
    lines, symbol, grid, expected, streams = capture
    records, intake = taken_in(Wires(lines, connections, loss, seed=connections), symbol, grid, streams)
    quotes, all_quotes = records.pop(lib.IDA_QUOTE, []), expected.get(lib.IDA_QUOTE, [])
    assert records == {kind: expected[kind] for kind in records}
    assert records.keys() | {lib.IDA_QUOTE} == expected.keys() | {lib.IDA_QUOTE}
    views = [intake.stream(name) for name in streams]
    assert not any(v.contradictions or v.restarts or v.holding for v in views)
    assert not loss or sum(v.held for v in views)
    wires = [intake.connection(c) for c in range(connections)]
    assert sum(w.wins + w.duplicates for w in wires) == sum(w.messages for w in wires) - sum(v.problems for v in views)
    if not loss:
        assert quotes == all_quotes
    position = iter(all_quotes)  # ids that jump cannot be waited for: of these the newer one goes on
    assert all(quote in position for quote in quotes)
