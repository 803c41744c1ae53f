"""The market maker: its formula by hand, its habits by example."""

import math
from decimal import Decimal

import pytest

from ida_core.events import CancelOrder, Execution, MarketState, PlaceOrder
from ida_core.model import Instrument, OrderType, Side
from plugins.strategies.market_maker import MarketMaker, Volatility

BUY, SELL = Side.BUY, Side.SELL


def maker(**settings) -> MarketMaker:
    return MarketMaker(MarketMaker.Config(quantity=Decimal("0.010"), **settings))


def test_the_formula(context) -> None:
    ctx = context(maker(gamma=0.5, fill_decay=1.5, horizon_s=4.0))
    ctx.show(600_000, 600_010)  # the first guess: 10 ticks a second, so s = 20 ticks
    ctx.hold(20, 600_000)  # two orders
    sent = ctx.tick()
    half = 20 * (0.25 + math.log(1 + 1 / 3) / 0.5)  # 16.51
    reservation = 600_005 - 2 * 0.5 * 20
    assert [(r.side, r.price) for r in sent] == [
        (BUY, math.floor(reservation - half)),
        (SELL, max(math.ceil(reservation + half), 600_001)),
    ]
    assert [(r.side, r.price) for r in sent] == [(BUY, 599_968), (SELL, 600_002)]
    assert all(r.type is OrderType.LIMIT_MAKER and r.quantity == 10 for r in sent)


def test_it_never_reaches_the_other_side(context) -> None:
    ctx = context(maker(gamma=5.0, horizon_s=100.0, fill_decay=1000.0))
    ctx.show(600_000, 600_001)
    ctx.hold(-40, 600_000)
    ctx.tick()
    assert ctx.prices(BUY) == [600_000]
    assert ctx.prices(SELL)[0] > 600_000


def test_a_still_market_is_quoted_at_the_least_spread(context) -> None:
    ctx = context(maker(min_spread_ticks=6, volatility_s=0.1))
    ctx.show(600_000, 600_002)
    for _ in range(30):
        ctx.tick()
        ctx.answer()
    assert (ctx.prices(BUY), ctx.prices(SELL)) == ([599_998], [600_004])


def test_volatility_has_an_exponential_memory() -> None:
    volatility = Volatility(memory_s=10.0, variance=4.0)
    volatility.see(0, 100.0)
    seen = volatility.see(1_000_000_000, 106.0)
    assert seen == pytest.approx(4 + (1 - math.exp(-0.1)) * (36 - 4))
    assert volatility.see(1_000_000_000, 200.0) == seen, "no time, no variance"


def test_volatility_does_not_depend_on_how_often_it_looks() -> None:
    """A random walk of one tick² a second, seen at two rates."""
    import random

    for step_s in (0.1, 1.0):
        walk, mid, volatility = random.Random(5), 0.0, Volatility(200.0, 1.0)
        for step in range(round(2000 / step_s)):
            mid += walk.gauss(0, math.sqrt(step_s))
            variance = volatility.see(round(step * step_s * 1e9), mid)
        assert variance == pytest.approx(1.0, rel=0.3)


def test_quotes_that_are_near_enough_keep_their_place(context) -> None:
    ctx = context(maker())
    ctx.show(600_000, 600_040)
    ctx.tick()
    ctx.answer()
    ctx.show(600_002, 600_042)
    assert ctx.tick() == []


def test_a_quote_too_far_off_is_cancelled_and_then_placed_anew(context) -> None:
    ctx = context(maker())
    ctx.show(600_000, 600_010)
    ctx.tick()
    ctx.answer()
    ctx.show(600_500, 600_510)
    assert all(isinstance(r, CancelOrder) for r in ctx.tick())
    assert ctx.tick() == [], "not before the cancel is answered"
    ctx.answer()
    assert [r.side for r in ctx.tick() if isinstance(r, PlaceOrder)] == [BUY, SELL]


def test_it_holds_no_more_than_it_may(context) -> None:
    ctx = context(maker(max_inventory=Decimal("0.025")))
    ctx.show(600_000, 600_010)
    ctx.hold(20, 600_000)
    assert [r.side for r in ctx.tick()] == [SELL]


def test_by_default_it_holds_five_orders(context) -> None:
    ctx = context(maker())
    ctx.show(600_000, 600_010)
    ctx.hold(-50, 600_000)
    assert [r.side for r in ctx.tick()] == [BUY]


def test_a_side_that_was_rejected_rests_a_second(context) -> None:
    ctx = context(maker())
    ctx.show(600_000, 600_010)
    ctx.tick()
    for order in list(ctx.orders.values()):
        ctx.tell(order, Execution.REJECTED if order.side is SELL else Execution.NEW)
    assert ctx.tick() == []
    assert [r.side for r in ctx.tick(after_ns=1_000_000_000)] == [SELL]


def test_it_leaves_a_market_that_is_not_in_step(context) -> None:
    ctx = context(maker())
    ctx.show(600_000, 600_010)
    ctx.tick()
    ctx.strategy.on_market_state(ctx, MarketState(state="GAP", instrument=0))
    assert ctx.prices(BUY) == ctx.prices(SELL) == []
    ctx.strategy.on_market_state(ctx, MarketState(state="LIVE", instrument=0))


def test_it_needs_no_configuration_anywhere(context, instrument: Instrument) -> None:
    ctx = context(MarketMaker(), instrument)
    ctx.strategy.on_start(ctx)
    assert ctx.timers == [0.2]
    assert ctx.tick() == [], "no book yet"
    mid = instrument.ticks(Decimal(60000))
    ctx.show(mid - 5, mid + 5)
    sent = ctx.tick()
    assert [r.side for r in sent] == [BUY, SELL]
    assert all(800 < instrument.notional(r.price, r.quantity) <= 1001 for r in sent)
    assert sent[0].price < mid < sent[1].price
