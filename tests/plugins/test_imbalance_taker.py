"""The taker: when it enters, how it leaves."""

from decimal import Decimal

import pytest

from ida_core.events import Execution, PlaceOrder
from ida_core.model import Instrument, InstrumentKind, Side, TimeInForce
from plugins.strategies.imbalance_taker import ImbalanceTaker

BUY, SELL = Side.BUY, Side.SELL
S = 1_000_000_000


def taker(**settings) -> ImbalanceTaker:
    return ImbalanceTaker(ImbalanceTaker.Config(quantity=Decimal("0.010"), **settings))


def only(sent: list) -> PlaceOrder:
    assert len(sent) == 1
    assert isinstance(sent[0], PlaceOrder)
    return sent[0]


def entered(ctx) -> None:
    """Long ten lots."""
    ctx.show(600_000, 600_001, bids=95, asks=5)
    only(ctx.update())
    ctx.fill(next(iter(ctx.orders.values())))


@pytest.mark.parametrize(
    ("bids", "asks", "side", "price"), [(95, 5, BUY, 600_001), (5, 95, SELL, 600_000)]
)
def test_it_takes_with_the_heavier_side(
    context, bids: int, asks: int, side: Side, price: int
) -> None:
    ctx = context(taker())
    ctx.show(600_000, 600_001, bids, asks)
    order = only(ctx.update())
    assert (order.side, order.price, order.quantity) == (side, price, 10)
    assert (order.tif, order.reduce_only) == (TimeInForce.IOC, False)


def test_a_balanced_book_and_half_a_book_are_nothing(context) -> None:
    ctx = context(taker())
    ctx.show(600_000, 600_001, 60, 40)
    assert ctx.update() == []
    ctx.book.clear()
    assert ctx.update() == []
    ctx.book.set(BUY, 600_000, 100)
    assert ctx.update() == []


def test_it_waits_for_the_answer_and_cools_down(context) -> None:
    ctx = context(taker(cooldown_s=1.0))
    ctx.show(600_000, 600_001, 95, 5)
    only(ctx.update())
    assert ctx.update(2 * S) == [], "the order has not been answered"
    ctx.tell(next(iter(ctx.orders.values())), Execution.EXPIRED)
    only(ctx.update())
    ctx.tell(next(iter(ctx.orders.values())), Execution.EXPIRED)
    assert ctx.update(S // 2) == []
    only(ctx.update(S // 2))


def test_it_holds_no_more_than_one_quantity_by_default(context) -> None:
    ctx = context(taker())
    entered(ctx)
    assert ctx.update(2 * S) == []


def test_it_may_hold_more(context) -> None:
    ctx = context(taker(max_position=Decimal("0.020")))
    entered(ctx)
    assert only(ctx.update(2 * S)).side is BUY
    ctx.fill(next(iter(ctx.orders.values())))
    assert ctx.update(2 * S) == []


def test_it_leaves_when_the_book_has_turned(context) -> None:
    ctx = context(taker(exit_threshold=-0.2))
    entered(ctx)
    ctx.show(600_010, 600_011, 45, 55)
    assert ctx.update() == []
    ctx.show(600_010, 600_011, 35, 65)
    order = only(ctx.update())
    assert (order.side, order.price, order.quantity) == (SELL, 600_010, 10)
    assert order.reduce_only


def test_it_leaves_after_a_while(context) -> None:
    ctx = context(taker(hold_s=5.0))
    entered(ctx)
    assert ctx.update(4 * S) == []
    assert only(ctx.update(S)).side is SELL


def test_a_short_position_leaves_by_buying(context) -> None:
    ctx = context(taker())
    ctx.show(600_000, 600_001, 5, 95)
    ctx.update()
    ctx.fill(next(iter(ctx.orders.values())), lots=7)
    ctx.tell(next(iter(ctx.orders.values())), Execution.EXPIRED)
    ctx.show(600_000, 600_001, 65, 35)
    order = only(ctx.update())
    assert (order.side, order.price, order.quantity) == (BUY, 600_001, 7)


def test_it_needs_no_configuration_anywhere(context, instrument: Instrument) -> None:
    ctx = context(ImbalanceTaker(), instrument)
    mid = instrument.ticks(Decimal(60000))
    ctx.show(mid - 1, mid + 1, 95, 5)
    order = only(ctx.update())
    assert 900 < instrument.notional(order.price, order.quantity) <= 1001
    ctx.fill(next(iter(ctx.orders.values())))
    ctx.show(mid - 1, mid + 1, 5, 95)
    assert only(ctx.update()).reduce_only is (instrument.kind is not InstrumentKind.SPOT)
