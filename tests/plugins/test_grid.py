"""The grid by hand-computed prices, and its fills on a recording beside those of another simulator."""

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from ida_core.cli import cli
from ida_core.events import CancelOrder, MarketState, PlaceOrder
from ida_core.model import Instrument, OrderType, Side
from plugins.strategies.grid import Grid

BUY, SELL = Side.BUY, Side.SELL


def grid(**settings) -> Grid:
    values = {"quotes": 3, "gap_ticks": 10, "quantity": Decimal("0.001"), **settings}
    return Grid(Grid.Config(**values))


def test_it_looks_every_interval(context) -> None:
    ctx = context(grid(interval_ms=250))
    ctx.strategy.on_start(ctx)
    assert ctx.timers == [0.25]


def test_the_grid_behind_the_best_prices(context) -> None:
    ctx = context(grid())
    ctx.show(600_003, 600_004)
    sent = ctx.tick()
    assert ctx.prices(BUY) == [600_000, 599_990, 599_980]
    assert ctx.prices(SELL) == [600_010, 600_020, 600_030]
    assert all(isinstance(r, PlaceOrder) and r.type is OrderType.LIMIT_MAKER for r in sent)
    assert {r.quantity for r in sent} == {1}


def test_nothing_is_sent_while_the_grid_stands(context) -> None:
    ctx = context(grid())
    ctx.show(600_003, 600_004)
    ctx.tick()
    assert ctx.tick() == [], "orders on their way hold their prices"
    ctx.answer()
    ctx.show(600_004, 600_005)
    assert ctx.tick() == []


@pytest.mark.parametrize(
    ("bid", "ask", "buys", "sells"),
    [
        (600_000, 600_001, 600_000, 600_010),  # on the grid already
        (599_999, 600_000, 599_990, 600_000),
        (599_995, 600_015, 599_990, 600_020),  # each side by its own best price, not by the mid
    ],
)
def test_each_side_is_rounded_away_from_the_market(
    context, bid: int, ask: int, buys: int, sells: int
) -> None:
    ctx = context(grid())
    ctx.show(bid, ask)
    ctx.tick()
    assert (ctx.prices(BUY)[0], ctx.prices(SELL)[0]) == (buys, sells)


def test_a_distance_is_kept_from_the_best_prices(context) -> None:
    ctx = context(grid(distance_ticks=7))
    ctx.show(600_006, 600_007)  # 599 999 and 600 014
    ctx.tick()
    assert (ctx.prices(BUY)[0], ctx.prices(SELL)[0]) == (599_990, 600_020)


def test_a_side_leaned_beyond_the_best_price_hangs_from_it(context) -> None:
    ctx = context(grid())
    ctx.show(600_003, 600_004)
    ctx.hold(-8, 600_003)  # 600 003 + 8 → 600 010, before the best bid; 600 004 + 8 → 600 020
    ctx.tick()
    assert ctx.prices(BUY) == [600_003, 599_993, 599_983]
    assert ctx.prices(SELL) == [600_020, 600_030, 600_040]


def test_only_what_left_the_grid_is_cancelled(context) -> None:
    ctx = context(grid())
    ctx.show(599_993, 600_004)
    ctx.tick()
    ctx.answer()
    ctx.show(600_003, 600_014)  # one gap higher
    sent = ctx.tick()
    cancelled = [ctx.table.get(r.order_id).price for r in sent if isinstance(r, CancelOrder)]
    assert sorted(cancelled) == [599_970, 600_010]
    assert [r.price for r in sent if isinstance(r, PlaceOrder)] == [600_000, 600_040]
    ctx.show(599_993, 600_004)
    back = [r.price for r in ctx.tick() if isinstance(r, PlaceOrder)]
    assert back == [], "orders whose cancel is on its way hold their prices"
    ctx.answer()
    assert [r.price for r in ctx.tick() if isinstance(r, PlaceOrder)] == [599_970, 600_010]


@pytest.mark.parametrize(
    ("held", "bid", "ask"),
    [
        (0, 600_000, 600_010),
        (3, 600_000, 600_010),
        (4, 599_990, 600_004),  # 599 999 → 599 990; 600 000 is beyond the best ask
        (-6, 600_000, 600_010),
        (-7, 600_003, 600_020),  # 600 010 is beyond the best bid; 600 011 → 600 020
    ],
)
def test_it_leans_a_tick_for_each_quantity_held(context, held: int, bid: int, ask: int) -> None:
    ctx = context(grid(quotes=9))
    ctx.show(600_003, 600_004)
    if held:
        ctx.hold(held, 600_003)
    ctx.tick()
    assert (ctx.prices(BUY)[0], ctx.prices(SELL)[0]) == (bid, ask)


def test_the_skew_is_per_quantity_not_per_lot(context) -> None:
    ctx = context(grid(quantity=Decimal("0.01"), skew_ticks=10))
    ctx.show(600_003, 600_004)
    ctx.hold(20, 600_003)  # two quantities: 20 ticks
    ctx.tick()
    assert (ctx.prices(BUY)[0], ctx.prices(SELL)[0]) == (599_980, 600_004)


@pytest.mark.parametrize(("most", "buys"), [(Decimal("0.003"), 0), (Decimal("0.004"), 3), (None, 3)])
def test_it_adds_nothing_at_the_largest_position(context, most: Decimal | None, buys: int) -> None:
    ctx = context(grid(max_position=most))
    ctx.show(600_003, 600_004)
    ctx.hold(3, 600_003)
    ctx.tick()
    assert (len(ctx.prices(BUY)), len(ctx.prices(SELL))) == (buys, 3)


def test_at_the_largest_position_open_orders_that_add_are_cancelled(context) -> None:
    ctx = context(grid(max_position=Decimal("0.001")))
    ctx.show(600_003, 600_004)
    ctx.tick()
    ctx.answer()
    ctx.fill(next(iter(ctx.orders.values())))
    ctx.tick()
    assert (ctx.prices(BUY), ctx.position.lots) == ([], 1)


def test_prices_stay_above_zero(context) -> None:
    ctx = context(grid())
    ctx.show(24, 26)
    ctx.tick()
    assert ctx.prices(BUY) == [20, 10]


def test_it_waits_for_a_book_with_two_sides(context) -> None:
    ctx = context(grid())
    assert ctx.tick() == []
    ctx.book.set(BUY, 600_003, 1)
    assert ctx.tick() == []


def test_it_leaves_a_market_that_is_not_in_step(context) -> None:
    ctx = context(grid())
    ctx.show(600_003, 600_004)
    ctx.tick()
    ctx.strategy.on_market_state(ctx, MarketState(state="STALE", instrument=0))
    assert ctx.prices(BUY) == ctx.prices(SELL) == []


def test_without_configuration_an_order_is_worth_about_a_thousand(
    context, instrument: Instrument
) -> None:
    ctx = context(Grid(), instrument)
    mid = instrument.ticks(Decimal(60000))
    ctx.show(mid - 1, mid + 1)
    sent = ctx.tick()
    assert len(sent) == 10
    worth = instrument.notional(sent[0].price, sent[0].quantity)
    assert 900 < worth <= 1000


def test_an_order_without_an_answer_is_left_alone(context) -> None:
    ctx = context(grid())
    ctx.show(600_003, 600_004)
    ctx.tick()
    ctx.show(600_013, 600_014)
    assert not [r for r in ctx.tick() if isinstance(r, CancelOrder)], "not acknowledged yet"
    ctx.answer()
    assert len([r for r in ctx.tick() if isinstance(r, CancelOrder)]) == 2
    assert ctx.tick() == [], "being cancelled already"


LATENCIES_MS = (0, 1, 5, 20, 50, 100)
#: hftbacktest 2.4.4 by latency each way; ``tests/bench/bench_fills.py`` runs it and says why what differs does.
PEER_FILLS = {
    "power(2)": dict(zip(LATENCIES_MS, (943, 933, 900, 807, 781, 751), strict=True)),
    "risk_averse": dict(zip(LATENCIES_MS, (927, 919, 888, 799, 765, 739), strict=True)),
}
COMPARED = (
    "grid.quotes=10", "grid.gap_ticks=20", "grid.quantity=0.001", "grid.skew_ticks=1", "grid.interval_ms=100",
    "sim.maker_fee=0", "sim.taker_fee=0.0005", "run.worst_cases=false",
)  # fmt: skip
Fills = Mapping[str, Mapping[int, int]]


def fills_of(recording: Path, out: Path, queue: str, latency_ms: int) -> int:
    way = (f"sim.request_latency_ms={latency_ms}", f"sim.response_latency_ms={latency_ms}", f"sim.queue={queue}")
    sets = [word for pair in (*COMPARED, *way) for word in ("--set", pair)]
    words = ["run", "--feed", str(recording), "--strategy", "grid", *sets, "--report", "json", "--json"]
    done = CliRunner().invoke(cli, [*words, "--out", str(out)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document["fills"]["taker"] == 0
    return int(document["fills"]["count"])


@pytest.fixture(scope="module")
def fills(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Fills:
    """The fills of the compared grid, by queue model and latency."""
    recording = recordings / "captures" / "usdm_btcusdt_20240808.gz"
    if not recording.is_file():
        pytest.skip(f"no recording {recording.name}: set IDA_DATA to a folder that holds captures/")
    out = tmp_path_factory.mktemp("runs")
    return {queue: {ms: fills_of(recording, out, queue, ms) for ms in LATENCIES_MS} for queue in PEER_FILLS}


@pytest.mark.slow
@pytest.mark.parametrize("queue", PEER_FILLS)
@pytest.mark.parametrize("latency_ms", LATENCIES_MS)
def test_the_compared_grid_fills_as_often_as_elsewhere(fills: Fills, queue: str, latency_ms: int) -> None:
    assert fills[queue][latency_ms] == pytest.approx(PEER_FILLS[queue][latency_ms], rel=0.03)


@pytest.mark.slow
def test_fills_fall_with_latency_and_the_risk_averse_queue_fills_least(fills: Fills) -> None:
    for by_latency in fills.values():
        counts = list(by_latency.values())
        assert counts == sorted(counts, reverse=True)
    assert all(fills["risk_averse"][ms] < fills["power(2)"][ms] for ms in LATENCIES_MS)
