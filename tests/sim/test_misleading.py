"""What could flatter a result: fills that an exchange would not have given, and figures it would not have let grow."""

import re
from decimal import Decimal

import pytest

from ida_core import OrderType, OrderUpdate, SelfTradePrevention, Side, TimeInForce
from ida_core.story import END_RULES
from ida_sim.config import SimConfig
from tests.sim.conftest import ASKS, BIDS, GRID, MS, START_MS, Tape


def place(side, lots, price, **more):
    return lambda ctx: ctx.place(side, lots, price, **more)


def of_first(act):
    """Acts are done for each instrument: this one for the first alone."""
    return lambda ctx: ctx.index == 0 and act(ctx)


def ended(seen):
    updates = [u for u in seen.kept if isinstance(u, OrderUpdate) and not u.leaves]
    return [(u.side.value, u.quantity, u.price, u.status.value, u.reason) for u in updates]


def test_one_event_that_reaches_two_reduce_only_orders_closes_the_position_once(play, perpetual):
    perpetual.depth(50, [], []).trade(60, "100.9", "9.000", seller=False).depth(99, [], [])
    seen = play(perpetual, {
        10: place(Side.BUY, 400, 1001),
        30: lambda ctx: [ctx.place(Side.SELL, 400, ticks, reduce_only=True) for ticks in (1006, 1007)]})
    assert ended(seen) == [
        ("BUY", 400, 1001, "FILLED", "TOOK"),
        ("SELL", 400, 1006, "FILLED", "TRADED_THROUGH"),
        ("SELL", 0, 0, "EXPIRED", "REDUCE_ONLY")]
    assert seen.engine.portfolio.account(0).quantity == 0


def test_a_reduce_only_order_larger_than_what_is_left_expires_whole(play, perpetual):
    perpetual.depth(50, [], []).depth(99, [], [])
    seen = play(perpetual, {
        10: place(Side.BUY, 400, 1001),
        30: lambda ctx: [
            ctx.place(Side.SELL, 400, 1007, reduce_only=True), ctx.place(Side.SELL, 100, 1007, reduce_only=True)],
        45: place(Side.SELL, 300, 1000)})
    assert ended(seen) == [
        ("BUY", 400, 1001, "FILLED", "TOOK"),
        ("SELL", 300, 1000, "FILLED", "TOOK"),
        ("SELL", 0, 0, "EXPIRED", "REDUCE_ONLY"),
        ("SELL", 0, 0, "CANCELED", "")], "100 of the 100 held may still be closed"


def test_an_order_that_arrives_after_the_data_meets_no_frozen_book(play, tape):
    """Sent at 96, it arrives at 101; the last event at the exchange is of 99."""
    seen = play(tape.depth(99, [], []), {90: place(Side.BUY, 100, 1001), 96: place(Side.BUY, 200, 1001)})
    assert ended(seen) == [("BUY", 100, 1001, "FILLED", "TOOK"), ("BUY", 0, 0, "EXPIRED", "END_OF_DATA")]
    assert seen.venue.warnings()[0] == (
        "BTCUSDT: 1 order arrived after the last market event and expired unmatched (END_OF_DATA)")
    assert seen.venue.balances()["USDT"] == (Decimal(1_000_000) - Decimal("10.01"), 0), "it holds nothing back"
    assert seen.engine.orders.counters["accepted"] == 1, "nobody has accepted the late one"


def test_prices_that_are_only_published_are_no_market_that_goes_on(play, perpetual):
    """The marks of the following 100 ms move no book: an order is late all the same."""
    seen = play(perpetual.depth(50, [], []).mark(150, "100.0"), {80: place(Side.BUY, 100, 1001)})
    assert [reason for *_, reason in ended(seen)] == ["END_OF_DATA"]


def test_a_market_that_ends_earlier_than_another_takes_no_more_orders(play, tape):
    """What happened at the last instant still counts; a replacement gives up the old order, as anywhere."""
    ids = []
    seen = play(tape.depth(99, [], []), {
        80: lambda ctx: ids.append(ctx.place(Side.BUY, 100, 990)),
        94: place(Side.BUY, 200, 1001),
        95: lambda ctx: ctx.replace(ids[0], 100, 1001)})
    assert ended(seen) == [
        ("BUY", 200, 1001, "FILLED", "TOOK"), ("BUY", 0, 0, "CANCELED", ""), ("BUY", 0, 0, "EXPIRED", "END_OF_DATA")]


def test_a_duration_is_an_end_of_data_too(play, tape):
    seen = play(tape.depth(49, [], []).depth(99, [], []), {
        30: place(Side.BUY, 100, 1001), 48: place(Side.BUY, 200, 1001)}, duration_s=0.05)
    assert [reason for *_, reason in ended(seen)] == ["TOOK", "END_OF_DATA"]


def test_each_reason_for_which_an_order_ends_is_told_in_words(play, perpetual):
    """Of a book of 6.000 lots on the ask side, and of bids that go away; ``ida why`` has the words. Perpetuals have no
    lists; theirs are of the spot market."""
    gone = [("100.0", "0"), ("99.9", "0")]
    seen = play(perpetual.depth(50, gone, []).depth(99, [], []), {
        10: place(Side.BUY, 100, 1001),
        16: place(Side.SELL, 100, 1007, reduce_only=True),
        22: place(Side.SELL, 100, 1000),
        30: place(Side.BUY, 5000, 1001, tif=TimeInForce.IOC),
        32: place(Side.BUY, 9000, 1001, tif=TimeInForce.FOK),
        34: place(Side.BUY, 9000, None, type=OrderType.MARKET),
        60: place(Side.BUY, 100, 995),
        70: place(Side.SELL, 100, 995, stp=SelfTradePrevention.EXPIRE_TAKER),
        96: place(Side.BUY, 100, 1001)})
    assert {reason for *_, status, reason in ended(seen) if status.startswith("EXPIRED")} == (
        END_RULES.keys() - {"OCO_TRIGGER", "OTO_PHASE_ONE_EXPIRED"})


def test_a_trade_told_singly_and_in_an_aggregate_fills_once(play, tape):
    """1,000 lots rest before our 500: two trades of 600 reach 200 of ours, and would reach all, counted twice."""
    for at in (20, 30):
        tape.trade(at, "100.0", "0.600", seller=True)
    seen = play(tape.aggregate(30, "100.0", "1.200", seller=True, trades=2).depth(99, [], []), {
        10: place(Side.BUY, 500, 1000)})
    assert seen.fills == [(30, 1000, 200, "QUEUE_REACHED")]
    assert seen.venue.warnings() == [
        "BTCUSDT: 1 aggregate trades filled nothing, for their single trades are recorded too"]


def test_aggregates_before_and_after_the_single_trades_fill(play, tape):
    """Ours stand behind 1,000 lots; the aggregate of trade 5 has 600, trade 6 has 600, the aggregate of trade 9 100."""
    tape.last_id(5).aggregate(20, "100.0", "0.600", seller=True)
    tape.trade(30, "100.0", "0.600", seller=True).aggregate(30, "100.0", "0.600", seller=True)
    tape.last_id(9).aggregate(40, "100.0", "0.100", seller=True).depth(99, [], [])
    seen = play(tape, {10: place(Side.BUY, 500, 1000)})
    assert seen.fills == [(30, 1000, 200, "QUEUE_REACHED"), (40, 1000, 100, "QUEUE_REACHED")]


def test_aggregates_alone_fill(play, tape):
    tape.aggregate(30, "100.0", "1.200", seller=True).depth(99, [], [])
    seen = play(tape, {10: place(Side.BUY, 500, 1000)})
    assert seen.fills == [(30, 1000, 200, "QUEUE_REACHED")]


def test_a_position_that_an_exchange_would_liquidate_ends_the_run_though_nothing_of_ours_traded(play, perpetual):
    """0.400 bought at 100.1 with 5 USDT; at 88.0: 5 - 0.4 x 12.1 = 0.16 left, above 0.004 x 35.2 = 0.1408; at 87.9:
    0.12, below 0.14064. That the price comes back afterwards is no comfort."""
    for at, price in ((30, "95.0"), (40, "88.0"), (50, "87.9"), (60, "101.0")):
        perpetual.trade(at, price, "0.001", seller=True)
    seen = play(perpetual.depth(99, [], []), {10: place(Side.BUY, 400, 1001)}, balances={"USDT": Decimal(5)})
    assert seen.engine.stop_wanted.exit_code == 5
    assert seen.engine.stop_wanted.reason == (
        "liquidation: the margin balance, 0.12 USDT, is below the maintenance margin, 0.14064, at BTCUSDT 87.9")
    assert (seen.kept[-1].what, seen.kept[-1].ts_local_ns - START_MS * MS) == ("stop", 55 * MS)


def test_funding_that_uses_up_the_margin_ends_the_run_too(play, perpetual):
    """0.400 bought at 100.1 with 5 USDT: funding takes 0.13 of 40.00, which is 5.20, and no price has moved."""
    perpetual.mark(20, "100.0", rate="0.13", funding_ms=50).mark(60, "100.0", funding_ms=9e6).depth(99, [], [])
    seen = play(perpetual, {10: place(Side.BUY, 400, 1001)}, balances={"USDT": Decimal(5)})
    assert seen.engine.stop_wanted.reason.startswith("liquidation: the margin balance, -0.2")


def test_a_position_that_is_covered_runs_on(play, perpetual):
    for at, price in ((30, "95.0"), (40, "88.0"), (60, "101.0")):
        perpetual.trade(at, price, "0.001", seller=True)
    seen = play(perpetual.depth(99, [], []), {10: place(Side.BUY, 400, 1001)}, balances={"USDT": Decimal(5)})
    assert seen.engine.stop_wanted.reason == "end of data"


def test_a_short_position_is_watched_upwards(play, perpetual):
    """0.400 sold at 100.0 with 5 USDT; at 112.2: 5 - 4.88 = 0.12, below 0.004 x 44.88 = 0.17952."""
    perpetual.trade(30, "105.0", "0.001", seller=False).trade(50, "112.2", "0.001", seller=False).depth(99, [], [])
    seen = play(perpetual, {10: place(Side.SELL, 400, 1000)}, balances={"USDT": Decimal(5)})
    assert "0.12 USDT, is below the maintenance margin, 0.17952" in seen.engine.stop_wanted.reason


def test_a_market_that_creeps_is_watched_while_another_one_calls_for_each_look(play, perpetual):
    """0.400 of either bought at 100.1, with 20 USDT. Each fill in BTCUSDT is a look at the margin, from which on the
    alarm of ETHUSDT is set anew. At 50.6 its position has lost 19.8, and about 0.004 x 60 must be left."""
    ether = Tape(perpetual=True, symbol="ETHUSDT").snapshot(0, BIDS, ASKS)
    acts = {10: place(Side.BUY, 400, 1001)}
    for step in range(100):
        acts[20 + 10 * step] = of_first(place(*((Side.BUY, 1, 1001) if step % 2 else (Side.SELL, 1, 1000))))
        ether.trade(23 + 10 * step, f"{99.5 - step / 2:.1f}", "0.001", seller=True)
    seen = play(
        perpetual.depth(1100, [], []), acts, beside=[ether.depth(1100, [], [])], balances={"USDT": Decimal(20)},
        instruments=dict.fromkeys(("BTCUSDT", "ETHUSDT"), GRID["BTCUSDT"]))
    assert seen.engine.stop_wanted.reason.endswith("at ETHUSDT 50.5")


def test_a_grid_and_filters_that_the_recording_cannot_tell_are_named_as_such(play, tape):
    told = play(tape.depth(99, [], []), {}, instruments={}).venue.assumptions()
    assert told["grid"].startswith("inferred from the recording's numbers: BTCUSDT tick 0.1, lot 1; ")
    assert "orders pass here that it would refuse" in told["grid"]
    assert "a least notional, price bands and the like are not checked" in told["filters"]


@pytest.mark.parametrize("wrong", [{"queue": "pwer(2)"}, {"request_latency_ms": "nrmal(3)"}])
def test_a_model_that_cannot_be_is_refused_with_the_configuration(wrong):
    """So that `ida config check` finds it, and not the run."""
    ((key, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"sim.{key} = '{re.escape(value)}': must be "):
        SimConfig(**wrong)
