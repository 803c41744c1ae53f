"""The grid by hand-computed prices."""

from decimal import Decimal

import pytest

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


def test_the_grid_around_the_mid(context) -> None:
    ctx = context(grid())
    ctx.show(600_003, 600_004)
    sent = ctx.tick()
    # 600 003.5 - 10 → 599 993.5 → 599 990; 600 003.5 + 10 → 600 013.5 → 600 020
    assert ctx.prices(BUY) == [599_990, 599_980, 599_970]
    assert ctx.prices(SELL) == [600_020, 600_030, 600_040]
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


def test_it_never_stands_before_the_best_price(context) -> None:
    ctx = context(grid(half_spread_ticks=0))
    ctx.show(599_995, 600_015)
    ctx.tick()
    assert ctx.prices(BUY) == [599_990, 599_980, 599_970], "the mid's 600 000 would be before 599 995"
    assert ctx.prices(SELL) == [600_020, 600_030, 600_040]


def test_only_what_left_the_grid_is_cancelled(context) -> None:
    ctx = context(grid())
    ctx.show(600_003, 600_004)
    ctx.tick()
    ctx.answer()
    ctx.show(600_013, 600_014)  # one gap higher
    sent = ctx.tick()
    cancelled = [ctx.table.get(r.order_id).price for r in sent if isinstance(r, CancelOrder)]
    assert sorted(cancelled) == [599_970, 600_020]
    assert [r.price for r in sent if isinstance(r, PlaceOrder)] == [600_000, 600_050]
    ctx.show(600_003, 600_004)
    back = [r.price for r in ctx.tick() if isinstance(r, PlaceOrder)]
    assert back == [], "orders whose cancel is on its way hold their prices"
    ctx.answer()
    assert [r.price for r in ctx.tick() if isinstance(r, PlaceOrder)] == [599_970, 600_020]


@pytest.mark.parametrize(
    ("held", "bid", "ask"),
    [(0, 599_990, 600_020), (4, 599_980, 600_010), (-4, 599_990, 600_020), (-7, 600_000, 600_030)],
)
def test_it_leans_a_tick_for_each_quantity_held(context, held: int, bid: int, ask: int) -> None:
    # 600 003.5 - 4 - 10 = 599 989.5; 600 003.5 + 7 - 10 = 600 000.5
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
    assert (ctx.prices(BUY)[0], ctx.prices(SELL)[0]) == (599_970, 600_010)


@pytest.mark.parametrize("most", [None, Decimal("0.003")])
def test_it_adds_nothing_at_the_largest_position(context, most: Decimal | None) -> None:
    ctx = context(grid(max_position=most))
    ctx.show(600_003, 600_004)
    ctx.hold(3, 600_003)
    ctx.tick()
    assert (len(ctx.prices(BUY)), len(ctx.prices(SELL))) == (0, 3)


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
    assert ctx.prices(BUY) == [10]


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
