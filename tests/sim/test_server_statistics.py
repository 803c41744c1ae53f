"""Klines and windows from trades: against the exchange's own bars, a naive twin, and by hand."""

import csv
import gzip
import io
import json
import zipfile
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from ida_core import Instrument
from ida_sim.server.statistics import (
    DAY_NS,
    HOUR_NS,
    INTERVALS,
    MINUTE_NS,
    NS,
    Statistics,
    Tape,
    Trade,
    following,
    from_id,
    in_time,
    opening,
)
from ida_sim.server.texts import Texts, aggregate_row, fixed, kline_row, percent

MS = 1_000_000
XRPETH = Instrument(symbol="XRPETH", base="XRP", quote="ETH", tick_size=Decimal("1e-8"), lot_size=Decimal(1))


@pytest.fixture(scope="module")
def real(recordings: Path) -> list[Trade]:
    """Three days of aggregate trades of XRPETH, two thin years before any of this."""
    path = recordings / "trades" / "XRPETH-aggTrades-2019-10-11_13.csv.gz"
    if not path.is_file():
        pytest.skip(f"no {path.name} among the recordings")
    with gzip.open(path, "rt") as file:
        return [Trade(int(a), XRPETH.ticks(Decimal(p)), XRPETH.lots(Decimal(q)), int(t) * MS, m == "True", int(f),
                      int(last)) for a, p, q, f, last, t, m, _ in csv.reader(file)]


@pytest.mark.parametrize("interval", ["1m", "5m"])
def test_klines_equal_the_exchange_s_own(recordings: Path, real: list[Trade], interval: str) -> None:
    statistics, texts = Statistics(), Texts(XRPETH)
    for trade in real:
        statistics.add(trade)
    path = recordings / "klines" / f"XRPETH-{interval}-2019-10-11_13.ohlcv.csv.gz"
    with gzip.open(path, "rt") as file:
        expected = {int(row["open_time"]): row for row in csv.DictReader(file)}
    made, start_ns = [], real[0].time_ns // DAY_NS * DAY_NS
    while found := statistics.klines(interval, real[-1].time_ns, start_ns=start_ns, limit=1000):
        made += found
        start_ns = found[-1].end_ns
    width_ms = INTERVALS[interval] // MS
    rows = [kline_row(bar, texts, MS) for bar in made]
    assert [row[0] for row in rows] == [rows[0][0] + i * width_ms for i in range(len(rows))]
    assert all(row[6] == row[0] + width_ms - 1 for row in rows)
    traded = {row[0]: row for row in rows if row[8]}
    for opened, row in traded.items():
        own = expected[opened]
        assert row[1:5] == [own[name] for name in ("open", "high", "low", "close")]
        assert Decimal(row[5]) == Decimal(own["volume"])
    missed = [opened for opened, own in expected.items() if opened not in traded and float(own["volume"])]
    assert all(opened < rows[0][0] or opened > rows[-1][0] for opened in missed)
    assert len(traded) > 400
    assert sum(row[8] for row in rows) == real[-1].last_id - real[0].first_id + 1


def test_aggregates_are_told_as_they_were(recordings: Path, real: list[Trade]) -> None:
    texts = Texts(XRPETH)
    with gzip.open(recordings / "trades" / "XRPETH-aggTrades-2019-10-11_13.rest.jsonl.gz", "rt") as file:
        for trade, line in zip(real, file, strict=True):
            assert aggregate_row(trade, texts, MS) == json.loads(line)


@pytest.mark.parametrize("month", ["01", "02", "03"])
def test_larger_intervals_are_put_together_from_hours(recordings: Path, month: str) -> None:
    """The archive's own rows of an hour make days whose turnover is their sum; a standstill repeats the price."""
    name = f"BTCUSDT-1h-2023-{month}"
    with zipfile.ZipFile(recordings / "klines" / f"{name}.zip") as archive:
        text = archive.read(f"{name}.csv").decode()
    hours = list(csv.DictReader(io.StringIO(text)))
    statistics = Statistics()
    for number, hour in enumerate(hours):
        ticks = [int(Decimal(hour[key]) * 100) for key in ("open", "high", "low", "close")]
        for index, price in enumerate(ticks):
            time_ns = int(hour["open_time"]) * MS + index * 10 * MINUTE_NS
            statistics.add(Trade(4 * number + index, price, 1, time_ns, False, 4 * number + index, 4 * number + index))
    now_ns = int(hours[-1]["close_time"]) * MS
    bars = statistics.klines("1h", now_ns, limit=1000)
    made = {bar.open_ns // MS: (bar.open, bar.high, bar.low, bar.close) for bar in bars}
    for hour in hours:
        assert made[int(hour["open_time"])] == tuple(
            int(Decimal(hour[key]) * 100) for key in ("open", "high", "low", "close"))
    holes = [bar for bar in bars if not bar.count]
    assert len(holes) == (1 if month == "03" else 0)
    assert all(bar.open == bar.high == bar.low == bar.close != 0 for bar in holes)
    (whole,) = statistics.klines("1M", now_ns)
    assert (whole.count, whole.open_ns // MS) == (4 * len(hours), int(hours[0]["open_time"]))


trades = st.lists(st.tuples(st.integers(0, 4000), st.integers(1, 50), st.integers(1, 9), st.booleans()), min_size=1,
                  max_size=40)


@given(trades, st.sampled_from([*INTERVALS, "1M"]), st.integers(-12 * 60, 14 * 60), st.integers(1, 30))
def test_as_a_naive_twin_has_it(
    done: list[tuple[int, int, int, bool]], interval: str, zone_minutes: int, limit: int) -> None:
    statistics, shift_ns, now_ns = Statistics(), zone_minutes * MINUTE_NS, 1_700_000_000 * NS
    kept: list[Trade] = []
    for number, (gap, price, lots, sold) in enumerate(done):
        now_ns += gap * 97 * MS
        kept.append(Trade(number, price, lots, now_ns, sold, number, number))
        statistics.add(kept[-1])
    bars = statistics.klines(interval, now_ns, limit=limit, shift_ns=shift_ns)
    assert bars[-1].open_ns <= now_ns < bars[-1].end_ns
    assert all(before.end_ns == after.open_ns for before, after in pairwise(bars))
    for bar in bars:
        inside = [trade for trade in kept if bar.open_ns <= trade.time_ns < bar.end_ns]
        before = [trade for trade in kept if trade.time_ns < bar.open_ns]
        prices = [trade.price for trade in inside] or [before[-1].price]
        assert (bar.open, bar.high, bar.low, bar.close) == (prices[0], max(prices), min(prices), prices[-1])
        assert bar.count == len(inside)
        assert (bar.volume, bar.quote) == (sum(t.quantity for t in inside), sum(t.price * t.quantity for t in inside))
        assert bar.taker_volume == sum(t.quantity for t in inside if not t.sold)
        assert (bar.first_id, bar.last_id) == ((inside[0].id, inside[-1].id) if inside else (-1, -1))


@given(trades, st.integers(0, 400_000))
def test_a_window_is_what_was_traded_in_it(done: list[tuple[int, int, int, bool]], seconds: int) -> None:
    statistics, now_ns, kept = Statistics(), 1_700_000_000 * NS, []
    for number, (gap, price, lots, sold) in enumerate(done):
        now_ns += gap * 97 * MS
        kept.append(Trade(number, price, lots, now_ns, sold, number, number))
        statistics.add(kept[-1])
    start_ns = now_ns - seconds * NS
    bar = statistics.window(start_ns, now_ns)
    inside = [trade for trade in kept if trade.time_ns >= start_ns // NS * NS]
    assert (bar.count, bar.volume) == (len(inside), sum(trade.quantity for trade in inside))
    assert bar.close == kept[-1].price
    if inside:
        assert (bar.open, bar.first_id) == (inside[0].price, inside[0].id)
    before = [trade.price for trade in kept if trade.time_ns < start_ns // NS * NS]
    assert statistics.price_before(start_ns // NS * NS) == (before[-1] if before else None)


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * NS


@pytest.mark.parametrize(("interval", "moment", "opened", "zone_h"), [
    ("1m", "2026-11-22T22:15:59", "2026-11-22T22:15:00", 0),
    ("8h", "2026-11-22T22:15:59", "2026-11-22T16:00:00", 0),
    ("1d", "2026-11-22T22:15:59", "2026-11-22T00:00:00", 0),
    ("1d", "2026-11-22T22:15:59", "2026-11-22T16:00:00", 8),
    ("1d", "2026-11-22T22:15:59", "2026-11-22T12:00:00", -12),
    ("1w", "2026-11-22T22:15:59", "2026-11-16T00:00:00", 0),
    ("1w", "2026-11-23T00:00:00", "2026-11-23T00:00:00", 0),
    ("1M", "2026-11-22T22:15:59", "2026-11-01T00:00:00", 0),
    ("1M", "2026-12-31T20:00:00", "2026-12-31T16:00:00", 8),
    ("1M", "2024-02-29T23:59:59", "2024-02-01T00:00:00", 0),
])
def test_when_klines_open(interval: str, moment: str, opened: str, zone_h: int) -> None:
    assert opening(interval, at(moment), zone_h * HOUR_NS) == at(opened)


def test_what_follows_a_month() -> None:
    assert following("1M", at("2024-02-01T00:00:00")) == at("2024-03-01T00:00:00")
    assert following("1M", at("2025-12-01T00:00:00")) == at("2026-01-01T00:00:00")


def test_klines_between_two_times() -> None:
    statistics = Statistics()
    begin = at("2026-01-01T00:00:30")
    for minute in range(10):
        statistics.add(Trade(minute, 100 + minute, 1, begin + minute * MINUTE_NS, False, minute, minute))
    now_ns = begin + 9 * MINUTE_NS

    def opens(**bounds: int) -> list[int]:
        return [bar.close - 100 for bar in statistics.klines("1m", now_ns, **bounds)]

    assert opens(limit=3) == [7, 8, 9]
    assert opens(start_ns=begin + 2 * MINUTE_NS, limit=3) == [3, 4, 5]
    assert opens(start_ns=begin - begin % MINUTE_NS + 2 * MINUTE_NS, limit=2) == [2, 3]
    assert opens(end_ns=begin + 4 * MINUTE_NS, limit=2) == [3, 4]
    assert opens(start_ns=begin, end_ns=begin + 3 * MINUTE_NS) == [1, 2, 3]
    assert opens(start_ns=0, limit=2) == [0, 1]
    assert opens(start_ns=now_ns + MINUTE_NS) == opens(end_ns=0) == opens(start_ns=now_ns, end_ns=begin) == []
    assert statistics.klines("1M", now_ns, start_ns=2**63 * MS) == []
    later = statistics.klines("1m", now_ns + 3 * MINUTE_NS, limit=2)
    assert [(bar.count, bar.open, bar.close) for bar in later] == [(0, 109, 109)] * 2
    assert statistics.kline("1m", now_ns) is not None
    assert Statistics().kline("1m", now_ns) is None


def test_a_late_trade_goes_where_it_belongs() -> None:
    statistics = Statistics()
    begin = at("2026-01-01T00:00:30")
    for number, minute in enumerate((0, 2, 1)):
        statistics.add(Trade(number, 100 + minute, 1, begin + minute * MINUTE_NS, False, number, number))
    assert [bar.close for bar in statistics.klines("1m", begin + 2 * MINUTE_NS)] == [100, 101, 102]


def test_the_tape_forgets_the_oldest_and_merges_one_taker_s() -> None:
    tape = Tape(kept=10)
    for number in range(100):
        tape.add(Trade(number, 5 + number // 2 % 2, 1, number // 2, True, number, number))
    assert 10 <= len(tape.trades) <= 20
    assert tape.trades[-1].id == 99
    assert [(a.first_id, a.last_id, a.quantity) for a in tape.aggregates[-2:]] == [(96, 97, 2), (98, 99, 2)]
    assert tape.aggregates[-1].id - tape.aggregates[-2].id == 1
    assert [trade.id for trade in from_id(tape.trades, 95, 3)] == [95, 96, 97]
    assert [trade.id for trade in in_time(tape.trades, 47, None, 3)] == [94, 95, 96]
    assert [trade.id for trade in in_time(tape.trades, None, 47, 3)] == [93, 94, 95]
    assert [trade.id for trade in in_time(tape.trades, 47, 47, 9)] == [94, 95]
    assert in_time(tape.trades, 49, 40, 9) == []


def test_texts_are_padded_exact_and_never_in_exponents() -> None:
    odd = Instrument(symbol="A", base="A", quote="B", tick_size=Decimal("1e-10"), lot_size=Decimal("2.5"))
    texts = Texts(odd)
    assert (texts.price(15), texts.quantity(3), texts.value(10)) == ("0.0000000015", "7.50000000", "0.00000000")
    assert (fixed(-5), fixed(0), fixed(123, 3)) == ("-0.00000005", "0.00000000", "0.123")
    assert (percent(1, 3), percent(-2, 3), percent(1, 0)) == ("33.333", "-66.667", "0.000")
    assert (texts.average(100, 0), Texts(XRPETH).average(10, 3)) == ("0.00000000", "0.00000003")
