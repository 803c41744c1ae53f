"""The fixtures for authors' tests, used by a project that knows of them by name alone; and the desk."""

import subprocess
import sys
from pathlib import Path

import pytest

from ida_core import (
    Book,
    CancelOrder,
    Context,
    ListKind,
    OrderStatus,
    OrderType,
    OrderUpdate,
    PlaceList,
    PlaceOrder,
    Side,
    Strategy,
    Timer,
)
from ida_core.testing import Desk

AUTHORS_TEST = '''
from ida_core import Side, Strategy


class Buyer(Strategy):
    name = "buyer"

    def on_book(self, ctx, book):
        if book.bid is not None and not ctx.orders and ctx.position.lots < 500:
            ctx.place(Side.BUY, 100, book.bid)


def test_a_run(ida_run):
    report = ida_run(Buyer, duration_s=5)
    assert report.document()["orders"]["submitted"] > 0
    assert report.run_dir.is_dir()


def test_reports(ida_report, ida_reports):
    assert ida_report.fills
    assert {"a run without fills", "a run that broke off"} <= set(ida_reports)


def test_plugins(ida_plugins):
    assert "sim" in ida_plugins.venues


def test_a_desk(ida_desk):
    desk = ida_desk(Buyer())
    desk.show(600_000, 600_010)
    (order,) = desk.take()
    assert (order.side, order.price) == (Side.BUY, 600_000)
    desk.fill(order.order_id)
    assert desk.ctx.position.lots == 100
'''


def test_a_project_uses_them_by_name(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["ida_core.testing.fixtures"]\n')
    (tmp_path / "test_buyer.py").write_text(AUTHORS_TEST)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout


class Quoter(Strategy):
    """One buy at the best bid, moved each second."""

    name = "quoter"

    def __init__(self, config: object = None) -> None:
        super().__init__(config)
        self.seen: list[OrderStatus] = []

    def on_start(self, ctx: Context) -> None:
        ctx.every(1.0)

    def on_timer(self, ctx: Context, timer: Timer) -> None:
        for order_id, order in list(ctx.orders.items()):
            if order.price != ctx.book.bid:
                ctx.cancel(order_id)
        if not ctx.orders and ctx.book.bid is not None:
            ctx.place(Side.BUY, 100, ctx.book.bid)

    def on_order(self, ctx: Context, update: OrderUpdate) -> None:
        self.seen.append(update.status)
        if update.reason == "no funds":
            raise RuntimeError("no funds")

    def on_book(self, ctx: Context, book: Book) -> None:
        assert book.bid is None or ctx.market.synced


@pytest.fixture
def desk() -> Desk:
    desk = Desk(Quoter())
    desk.start()
    desk.show(600_000, 600_010)
    desk.wait(1)
    return desk


def test_orders_follow_what_the_desk_answers(desk: Desk) -> None:
    (order,) = desk.take()
    assert isinstance(order, PlaceOrder)
    desk.answer()
    desk.fill(order.order_id, 40)
    assert (desk.ctx.position.lots, desk.ctx.orders[order.order_id].leaves) == (40, 60)
    desk.show(600_005, 600_010)
    desk.wait(1)
    (cancel,) = desk.take()
    assert isinstance(cancel, CancelOrder)
    desk.answer()
    assert desk.ctx.orders == {}
    strategy = desk.strategy
    assert isinstance(strategy, Quoter)
    assert strategy.seen == [OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED, OrderStatus.CANCELED]


def test_a_side_may_be_empty(desk: Desk) -> None:
    desk.show(None, 600_010)
    assert (desk.ctx.book.bid, desk.ctx.book.ask) == (None, 600_010)


def test_a_callback_that_raises_raises_in_the_test(desk: Desk) -> None:
    (order,) = desk.take()
    with pytest.raises(AssertionError, match="RuntimeError: no funds"):
        desk.reject(order.order_id, "no funds")


class Bracket(Strategy):
    """The example of docs/engine.md, as far as what it asks for."""

    name = "bracket"

    def on_book(self, ctx: Context, book: Book) -> None:
        if not ctx.orders and not ctx.position.lots:
            ctx.place_list(
                ListKind.OTOCO, ctx.leg(Side.BUY, 100, 900),
                ctx.leg(Side.SELL, 100, 1100, type=OrderType.LIMIT_MAKER),
                ctx.leg(Side.SELL, 100, type=OrderType.STOP_LOSS, stop_price=800))


def test_a_desk_plays_lists_and_amendments() -> None:
    desk = Desk(Bracket())
    desk.show(990, 1010)
    (request,) = desk.take()
    assert isinstance(request, PlaceList)
    working, above, below = (leg.order_id for leg in request.legs)
    desk.answer()
    states = [order.status for order in desk.ctx.orders.values()]
    assert states == [OrderStatus.NEW, OrderStatus.PENDING_NEW, OrderStatus.PENDING_NEW]
    assert desk.ctx.amend(working, 60)
    desk.answer()
    assert desk.ctx.orders[working].quantity == 60
    desk.fill(working)
    desk.answer()
    assert {order.status for order in desk.ctx.orders.values()} == {OrderStatus.NEW}
    assert set(desk.ctx.orders) == {above, below}
    desk.fill(below, 60, 800)
    assert (desk.ctx.position.lots, list(desk.ctx.orders)) == (0, [below]), "one ends the other"
    desk.ctx.cancel_all()
    desk.answer()
    assert not desk.ctx.orders


def test_a_leg_cancelled_by_another_is_not_asked_for_again() -> None:
    desk = Desk(Bracket())
    desk.show(990, 1010)
    desk.answer()
    desk.take()
    desk.ctx.cancel_all()
    assert len(desk.take()) == 1
    desk.answer()
    assert not desk.ctx.orders
