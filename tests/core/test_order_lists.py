"""Orders that hang together, and amendments, in the order table."""

import pytest

from ida_core.events import (
    AmendOrder,
    CancelOrder,
    Execution,
    OrderStatus,
    OrderUpdate,
    PlaceList,
    PlaceOrder,
    ReplaceOrder,
)
from ida_core.model import ListKind, OrderType, PegPrice, Side
from ida_core.order import Order
from ida_core.order_table import OrderTable

S, X = OrderStatus, Execution


def leg(table: OrderTable, side: Side, quantity: int = 10, **more: object) -> PlaceOrder:
    fields = {"type": OrderType.LIMIT, "price": 100, "instrument": 0, **more}
    return PlaceOrder(order_id=table.new_id(), strategy="grid", side=side, quantity=quantity, **fields)  # type: ignore[arg-type]


def place(table: OrderTable, kind: ListKind, *legs: PlaceOrder) -> list[Order]:
    request = PlaceList(order_id=table.new_id(), strategy="grid", instrument=0, kind=kind, legs=legs)
    refusal = table.request(request, 1)
    assert refusal is None, refusal
    found = [table.get(one.order_id) for one in legs]
    assert all(order is not None and order.list_id == request.order_id for order in found)
    return [order for order in found if order is not None]


def tell(table: OrderTable, order: Order, execution: Execution, status: OrderStatus, **more: int) -> None:
    table.apply(OrderUpdate(order_id=order.order_id, instrument=0, execution=execution, status=status, side=order.side,
                            **more))  # type: ignore[arg-type]


def test_a_pending_leg_is_known_and_does_not_work_until_it_is_told_again() -> None:
    table = OrderTable("t")
    working, pending = place(table, ListKind.OTO, leg(table, Side.BUY), leg(table, Side.SELL))
    tell(table, working, X.NEW, S.NEW)
    tell(table, pending, X.NEW, S.PENDING_NEW)
    assert (pending.status, pending.acknowledged, pending.is_pending) == (S.PENDING_NEW, True, False)
    assert table.counters["accepted"] == 2
    tell(table, working, X.TRADE, S.FILLED, price=100, quantity=10, cumulative=10, trade_id=7)
    tell(table, pending, X.NEW, S.NEW)
    assert (pending.status, pending.contingent) == (S.NEW, False)
    assert table.last_trade_id(0) == 7


def test_a_pending_leg_dies_with_its_working_one() -> None:
    table = OrderTable("t")
    working, pending = place(table, ListKind.OTO, leg(table, Side.BUY), leg(table, Side.SELL))
    for order, status in ((working, S.NEW), (pending, S.PENDING_NEW)):
        tell(table, order, X.NEW, status)
    assert table.request(CancelOrder(order_id=pending.order_id, strategy="grid", instrument=0), 2) is None
    tell(table, working, X.CANCELED, S.CANCELED)
    tell(table, pending, X.EXPIRED, S.EXPIRED)
    assert (working.status, pending.status, table.open()) == (S.CANCELED, S.EXPIRED, [])


def test_a_pair_counts_once_in_what_may_still_be_added() -> None:
    table = OrderTable("t")
    stop = {"type": OrderType.STOP_LOSS_LIMIT, "stop_price": 90}
    above, below = place(table, ListKind.OCO, leg(table, Side.SELL), leg(table, Side.SELL, **stop))
    assert table.exposure(0) == (0, 10)
    for order in (above, below):
        tell(table, order, X.NEW, S.NEW)
    tell(table, above, X.TRADE, S.PARTIALLY_FILLED, price=100, quantity=4, cumulative=4, trade_id=1)
    assert table.exposure(0) == (0, 10)  # the other may still be filled whole
    tell(table, below, X.EXPIRED, S.EXPIRED)
    assert table.exposure(0) == (0, 6)
    tell(table, above, X.CANCELED, S.CANCELED)
    assert table.exposure(0) == (0, 0)


def test_what_sells_what_was_bought_is_told_its_quantity() -> None:
    table = OrderTable("t")
    _, pending = place(table, ListKind.OPO, leg(table, Side.BUY), leg(table, Side.SELL, 0))
    tell(table, pending, X.NEW, S.PENDING_NEW)
    assert (pending.quantity, table.exposure(0)) == (10, (10, 10)), "no more than was bought"
    tell(table, pending, X.NEW, S.NEW, order_quantity=9, leaves=9)
    assert (pending.quantity, table.exposure(0)) == (9, (10, 9))


@pytest.mark.parametrize(("kind", "count", "words"), [
    (ListKind.OCO, 1, "has 2 legs, not 1"), (ListKind.OTOCO, 2, "has 3 legs, not 2"),
])
def test_a_list_of_another_shape_is_refused(kind: ListKind, count: int, words: str) -> None:
    table = OrderTable("t")
    legs = tuple(leg(table, Side.SELL) for _ in range(count))
    refusal = table.request(PlaceList(order_id="l", strategy="grid", instrument=0, kind=kind, legs=legs), 1)
    assert refusal is not None
    assert (refusal.reason, words in refusal.detail, len(table)) == ("invalid", True, 0)


def test_an_amendment_keeps_the_order_and_lowers_it() -> None:
    table = OrderTable("t")
    order_id = table.new_id()
    request = PlaceOrder(order_id=order_id, instrument=0, strategy="grid", side=Side.BUY, type=OrderType.LIMIT,
                         quantity=10, price=100)
    assert table.request(request, 1) is None
    order = table.get(order_id)
    assert order is not None
    tell(table, order, X.NEW, S.NEW)
    for lots, reason in ((10, "invalid"), (0, "invalid"), (6, None)):
        refusal = table.request(AmendOrder(order_id=order_id, strategy="grid", instrument=0, quantity=lots), 2)
        assert (refusal.reason if refusal else None) == reason
    assert (order.status, table.exposure(0)) == (S.PENDING_REPLACE, (10, 0))
    tell(table, order, X.REPLACED, S.NEW, order_quantity=6, leaves=6)
    assert (order.status, order.quantity, table.exposure(0)) == (S.NEW, 6, (6, 0))


@pytest.mark.parametrize(("fields", "words"), [
    ({"trailing_delta": 50}, "a trailing delta is for stops"), ({"iceberg": 11}, "iceberg 11 lots"),
    ({"peg": PegPrice.PRIMARY_PEG}, "takes its price from the book"), ({"peg_offset": 2}, "is for pegged orders"),
])
def test_what_cannot_be_is_refused(fields: dict[str, object], words: str) -> None:
    table = OrderTable("t")
    refusal = table.request(leg(table, Side.BUY, **fields), 1)
    assert refusal is not None
    assert words in refusal.detail


def test_to_cancel_a_leg_is_to_ask_for_all_and_one_refusal_answers_for_all() -> None:
    table = OrderTable("t")
    above, below = place(table, ListKind.OCO, leg(table, Side.SELL), leg(table, Side.SELL))
    for order in (above, below):
        tell(table, order, X.NEW, S.NEW)
    assert table.request(CancelOrder(order_id=above.order_id, strategy="grid", instrument=0), 2) is None
    assert (above.status, below.status) == (S.PENDING_CANCEL, S.PENDING_CANCEL)
    refusal = table.request(CancelOrder(order_id=below.order_id, strategy="grid", instrument=0), 2)
    assert refusal is not None
    assert refusal.reason == "pending"
    tell(table, above, X.CANCEL_REJECTED, S.NEW)
    assert (above.status, below.status) == (S.NEW, S.NEW)


def test_a_list_without_an_answer_is_unknown_as_a_whole_until_each_leg_is_told() -> None:
    table = OrderTable("t")
    working, pending = place(table, ListKind.OTO, leg(table, Side.BUY), leg(table, Side.SELL))
    tell(table, working, X.UNANSWERED, S.UNKNOWN)
    assert (working.status, pending.status) == (S.UNKNOWN, S.UNKNOWN)
    tell(table, pending, X.STATUS, S.PENDING_NEW)
    assert (working.status, pending.status) == (S.UNKNOWN, S.PENDING_NEW)
    tell(table, working, X.STATUS, S.REJECTED)
    assert working.status is S.REJECTED


def test_a_leg_that_has_worked_does_not_wait_again() -> None:
    table = OrderTable("t")
    _, pending = place(table, ListKind.OTO, leg(table, Side.BUY), leg(table, Side.SELL))
    tell(table, pending, X.NEW, S.NEW)
    tell(table, pending, X.NEW, S.PENDING_NEW)
    assert pending.status is S.NEW


def test_the_legs_of_a_list_are_found_by_its_id_as_long_as_one_is_remembered() -> None:
    table = OrderTable("t", closed_kept=1)
    above, below = place(table, ListKind.OCO, leg(table, Side.SELL), leg(table, Side.SELL))
    assert table.legs(above.list_id) == [above, below]
    for order in (above, below):
        tell(table, order, X.CANCELED, S.CANCELED)
    assert table.legs(above.list_id) == [below]
    place(table, ListKind.OCO, leg(table, Side.SELL), leg(table, Side.SELL))
    assert table.exposure(0) == (0, 10)


def test_a_leg_cannot_be_replaced_and_a_list_id_is_used_once() -> None:
    table = OrderTable("t")
    above, _ = place(table, ListKind.OCO, leg(table, Side.SELL), leg(table, Side.SELL))
    tell(table, above, X.NEW, S.NEW)
    replacement = ReplaceOrder(order_id=above.order_id, strategy="grid", instrument=0, new_order_id="n", quantity=1,
                               price=2)
    refusal = table.request(replacement, 2)
    assert refusal is not None
    assert refusal.reason == "in_list"
    again = PlaceList(order_id=above.list_id, strategy="grid", instrument=0, kind=ListKind.OCO,
                      legs=(leg(table, Side.SELL), leg(table, Side.SELL)))
    refusal = table.request(again, 3)
    assert refusal is not None
    assert refusal.reason == "duplicate_id"


def test_an_amended_successor_leaves_the_order_it_replaced_alone() -> None:
    table = OrderTable("t")
    order = leg(table, Side.BUY)
    assert table.request(order, 1) is None
    old = table.get(order.order_id)
    assert old is not None
    tell(table, old, X.NEW, S.NEW)
    assert table.request(ReplaceOrder(order_id=old.order_id, strategy="grid", instrument=0, new_order_id="new",
                                      quantity=10, price=99), 2) is None
    tell(table, old, X.CANCELED, S.CANCELED)
    new = table.get("new")
    assert new is not None
    tell(table, new, X.NEW, S.NEW)
    tell(table, new, X.TRADE, S.PARTIALLY_FILLED, price=99, quantity=4, cumulative=4, trade_id=1)
    assert table.request(AmendOrder(order_id="new", strategy="grid", instrument=0, quantity=6), 3) is None
    tell(table, new, X.REPLACED, S.PARTIALLY_FILLED, order_quantity=6, cumulative=4, leaves=2)
    assert (new.status, new.quantity, new.filled, new.carried, new.leaves) == (S.PARTIALLY_FILLED, 6, 4, 0, 2)
    assert (old.filled, table.incomplete()) == (0, [])
