"""The order table: ids, requests, reports in any order, bounded memory."""

import re
from decimal import Decimal

import pytest

from ida_core.errors import ConfigError, OrderStateError
from ida_core.events import (
    CancelAll,
    CancelOrder,
    Execution,
    OrderStatus,
    OrderUpdate,
    PlaceOrder,
    ReplaceOrder,
)
from ida_core.model import OrderType, Side
from ida_core.order_table import Applied, OrderTable

S, X = OrderStatus, Execution


def place(
    table: OrderTable,
    quantity: int = 10,
    side: Side = Side.BUY,
    instrument: int = 0,
    strategy: str = "grid",
) -> str:
    request = PlaceOrder(
        order_id=table.new_id(),
        instrument=instrument,
        strategy=strategy,
        side=side,
        type=OrderType.LIMIT,
        quantity=quantity,
        price=100,
    )
    assert table.request(request, now_ns=1) is None
    return request.order_id


def report(
    table: OrderTable, order_id: str, execution: Execution, status: OrderStatus, **numbers: int
) -> Applied:
    order = table.get(order_id)
    side = order.side if order is not None else Side.BUY
    update = OrderUpdate(
        order_id=order_id, instrument=0, execution=execution, status=status, side=side, **numbers
    )
    return table.apply(update)


def trade(
    table: OrderTable, order_id: str, trade_id: int, quantity: int, cumulative: int, **numbers: int
) -> Applied:
    order = table.get(order_id)
    whole = order is not None and cumulative == order.quantity
    return report(
        table,
        order_id,
        X.TRADE,
        S.FILLED if whole else S.PARTIALLY_FILLED,
        trade_id=trade_id,
        quantity=quantity,
        cumulative=cumulative,
        price=numbers.pop("price", 100),
        **numbers,
    )


@pytest.fixture
def table() -> OrderTable:
    return OrderTable("t")


def test_ids_are_short_legal_and_told_apart_by_their_prefix() -> None:
    table = OrderTable("r20240808-0a", first=10**11)
    ids = [table.new_id(), table.new_id()]
    assert ids == ["r20240808-0a-100000000000", "r20240808-0a-100000000001"]
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,36}", order_id) for order_id in ids)


@pytest.mark.parametrize("prefix", ["", "a" * 25, "a b", "a.b", "ü"])
def test_a_prefix_that_a_venue_would_refuse_is_refused(prefix: str) -> None:
    with pytest.raises(ConfigError, match="prefix"):
        OrderTable(prefix)


def test_an_order_from_request_to_filled(table: OrderTable) -> None:
    one = place(table)
    assert table.exposure(0) == (10, 0)
    assert report(table, one, X.NEW, S.NEW, venue_order_id=7).fill is False
    assert trade(table, one, 1, 4, 4, price=100).order.status is S.PARTIALLY_FILLED
    last = trade(table, one, 2, 6, 10, price=110)
    assert last.order.status is S.FILLED
    assert last.order.average_price == Decimal(106)
    assert (table.open(), table.exposure(0)) == ([], (0, 0))
    assert table.counters["filled"] == table.counters["accepted"] == 1


def test_a_fill_counts_once(table: OrderTable) -> None:
    one = place(table)
    assert trade(table, one, 1, 4, 4) == (table.get(one), True, False, False, None)
    assert trade(table, one, 1, 4, 4) == (table.get(one), False, True, False, None)
    order = table.get(one)
    assert order is not None
    assert (order.traded, order.notional) == (4, 400)


def test_without_trade_ids_the_cumulative_quantity_tells(table: OrderTable) -> None:
    one = place(table)
    assert trade(table, one, 0, 4, 4).fill
    assert trade(table, one, 0, 4, 4).duplicate
    assert trade(table, one, 0, 1, 5).fill


def test_a_self_trade_is_a_fill_of_both_orders(table: OrderTable) -> None:
    buy, sell = place(table), place(table, side=Side.SELL)
    assert trade(table, buy, 1, 10, 10).fill
    assert trade(table, sell, 1, 10, 10).fill


def test_fills_before_the_acknowledgement_and_out_of_order(table: OrderTable) -> None:
    one = place(table)
    assert trade(table, one, 2, 6, 10).order.status is S.FILLED
    earlier = trade(table, one, 1, 4, 4)
    assert (earlier.order.status, earlier.fill, earlier.late) == (S.FILLED, True, True)
    assert report(table, one, X.NEW, S.NEW).duplicate
    assert earlier.order.traded == 10


def test_a_late_fill_after_the_cancel_counts(table: OrderTable) -> None:
    one = place(table)
    assert table.request(CancelOrder(order_id=one), 2) is None
    report(table, one, X.CANCELED, S.CANCELED, cumulative=4)
    assert table.exposure(0) == (4, 0), "told but not arrived"
    assert [order.order_id for order in table.incomplete()] == [one]
    late = trade(table, one, 1, 4, 4)
    assert (late.order.status, late.fill, late.late) == (S.CANCELED, True, True)
    assert (table.exposure(0), table.incomplete()) == ((0, 0), [])


def test_unanswered_is_unknown_and_counts_until_the_venue_is_asked(table: OrderTable) -> None:
    one = place(table)
    unknown = report(table, one, X.UNANSWERED, S.UNKNOWN)
    assert unknown.order.status is S.UNKNOWN
    assert (table.exposure(0), table.counters["unknown"]) == ((10, 0), 1)
    assert report(table, one, X.STATUS, S.PARTIALLY_FILLED, cumulative=3).order.is_open
    assert (table.exposure(0), table.counters["unknown"]) == ((10, 0), 0)


def test_an_unknown_order_can_be_cancelled_and_stays_unknown(table: OrderTable) -> None:
    one = place(table)
    report(table, one, X.UNANSWERED, S.UNKNOWN)
    assert table.request(CancelOrder(order_id=one), 2) is None
    refused = report(table, one, X.CANCEL_REJECTED, S.UNKNOWN, code=-2011)
    assert refused.order.status is S.UNKNOWN
    assert report(table, one, X.CANCELED, S.CANCELED).order.status is S.CANCELED


def reason(table: OrderTable, request: PlaceOrder | CancelOrder | ReplaceOrder) -> str:
    refusal = table.request(request, 5)
    assert refusal is not None
    assert (refusal.by, refusal.ts_local_ns, refusal.request) == ("orders", 5, request)
    return refusal.reason


def test_requests_that_make_no_sense_are_refused_with_a_word(table: OrderTable) -> None:
    one = place(table)
    report(table, one, X.NEW, S.NEW)
    assert reason(table, CancelOrder(order_id="t-99")) == "unknown_order"
    again = PlaceOrder(order_id=one, side=Side.BUY, type=OrderType.LIMIT, quantity=1, price=1)
    assert reason(table, again) == "duplicate_id"
    replace = ReplaceOrder(order_id=one, new_order_id=one, quantity=1, price=1)
    assert reason(table, replace) == "duplicate_id"
    assert table.request(CancelOrder(order_id=one), 2) is None
    assert reason(table, CancelOrder(order_id=one)) == "pending"
    report(table, one, X.CANCELED, S.CANCELED)
    assert reason(table, CancelOrder(order_id=one)) == "not_open"
    assert reason(table, ReplaceOrder(order_id=one, new_order_id="x", quantity=1, price=1)) == (
        "not_open"
    )


@pytest.mark.parametrize(
    ("type_", "quantity", "price", "stop_price"),
    [
        (OrderType.LIMIT, 0, 100, None),
        (OrderType.LIMIT, -1, 100, None),
        (OrderType.LIMIT, 1, None, None),
        (OrderType.LIMIT_MAKER, 1, 0, None),
        (OrderType.STOP_LOSS, 1, None, None),
        (OrderType.STOP_LOSS_LIMIT, 1, 100, None),
        (OrderType.TAKE_PROFIT_LIMIT, 1, None, 100),
    ],
)
def test_an_order_without_what_its_type_needs_is_invalid(
    table: OrderTable, type_: OrderType, quantity: int, price: int | None, stop_price: int | None
) -> None:
    request = PlaceOrder(
        order_id="t-1",
        side=Side.BUY,
        type=type_,
        quantity=quantity,
        price=price,
        stop_price=stop_price,
    )
    assert reason(table, request) == "invalid"
    assert len(table) == 0


def test_a_replacement_counts_both_orders_until_it_is_answered(table: OrderTable) -> None:
    one = place(table)
    report(table, one, X.NEW, S.NEW)
    two = table.new_id()
    replace = ReplaceOrder(order_id=one, new_order_id=two, quantity=6, price=99)
    assert table.request(replace, 2) is None
    assert table.exposure(0) == (16, 0)
    assert reason(table, replace) == "pending"
    report(table, two, X.NEW, S.NEW)
    report(table, one, X.CANCELED, S.CANCELED)
    assert [order.order_id for order in table.open()] == [two]
    assert table.exposure(0) == (6, 0)


def test_a_refused_replacement_leaves_the_old_order_alone(table: OrderTable) -> None:
    one = place(table)
    report(table, one, X.NEW, S.NEW)
    two = table.new_id()
    table.request(ReplaceOrder(order_id=one, new_order_id=two, quantity=6, price=99), 2)
    report(table, two, X.REJECTED, S.REJECTED)
    refused = report(table, one, X.REPLACE_REJECTED, S.NEW)
    assert (refused.order.status, refused.also) == (S.NEW, None)
    assert table.exposure(0) == (10, 0)


def test_a_replacement_that_was_refused_by_half_is_unknown(table: OrderTable) -> None:
    one = place(table)
    report(table, one, X.NEW, S.NEW)
    two = table.new_id()
    table.request(ReplaceOrder(order_id=one, new_order_id=two, quantity=6, price=99), 2)
    refused = report(table, one, X.REPLACE_REJECTED, S.NEW)
    assert refused.also is table.get(two)
    assert refused.also is not None
    assert refused.also.status is S.UNKNOWN
    assert report(table, two, X.REJECTED, S.REJECTED).order.status is S.REJECTED
    assert table.exposure(0) == (10, 0)


def test_a_repeated_amendment_answers_no_later_request(table: OrderTable) -> None:
    one = place(table)
    report(table, one, X.NEW, S.NEW)
    two, three = table.new_id(), table.new_id()
    table.request(ReplaceOrder(order_id=one, new_order_id=two, quantity=6, price=100), 2)
    report(table, one, X.REPLACED, S.NEW, order_quantity=6)
    table.request(ReplaceOrder(order_id=one, new_order_id=three, quantity=5, price=100), 3)
    again = report(table, one, X.REPLACED, S.NEW, order_quantity=6)
    assert (again.order.status, again.duplicate, again.also) == (S.PENDING_REPLACE, True, None)


def test_an_unanswered_replacement_makes_both_orders_unknown(table: OrderTable) -> None:
    one = place(table)
    report(table, one, X.NEW, S.NEW)
    two = table.new_id()
    table.request(ReplaceOrder(order_id=one, new_order_id=two, quantity=6, price=99), 2)
    unknown = report(table, one, X.UNANSWERED, S.UNKNOWN)
    assert unknown.also is table.get(two)
    assert {order.status for order in table.open()} == {S.UNKNOWN}


def test_an_amendment_lives_on_under_the_new_id(table: OrderTable) -> None:
    one = place(table)
    report(table, one, X.NEW, S.NEW)
    trade(table, one, 1, 4, 4)
    two = table.new_id()
    table.request(ReplaceOrder(order_id=one, new_order_id=two, quantity=6, price=100), 2)
    amended = report(table, two, X.REPLACED, S.PARTIALLY_FILLED, cumulative=4, order_quantity=6)
    assert amended.also is table.get(one)
    assert amended.also is not None
    assert (amended.also.status, amended.also.reason) == (S.CANCELED, "replaced")
    assert (amended.order.quantity, amended.order.leaves) == (2, 2), "4 of the 6 were the old one's"
    assert table.exposure(0) == (2, 0)
    done = trade(table, two, 2, 2, 6)
    assert (done.order.status, done.order.filled, done.order.missing) == (S.FILLED, 2, 0)


def test_an_amendment_that_keeps_its_id_drops_the_new_one(table: OrderTable) -> None:
    one = place(table)
    report(table, one, X.NEW, S.NEW)
    two = table.new_id()
    table.request(ReplaceOrder(order_id=one, new_order_id=two, quantity=6, price=100), 2)
    amended = report(table, one, X.REPLACED, S.NEW, order_quantity=6)
    assert (amended.order.status, amended.order.leaves) == (S.NEW, 6)
    assert amended.also is not None
    assert amended.also.status is S.CANCELED
    assert table.exposure(0) == (6, 0)


def test_cancel_all_reaches_its_strategy_and_instrument(table: OrderTable) -> None:
    mine, other = place(table), place(table, instrument=1)
    others = place(table, strategy="other")
    assert table.request(CancelAll(order_id="c", strategy="grid", instrument=0), 2) is None
    assert {o.order_id: o.status for o in table.open()} == {
        mine: S.PENDING_CANCEL,
        other: S.PENDING_NEW,
        others: S.PENDING_NEW,
    }


def test_open_orders_by_strategy_and_instrument(table: OrderTable) -> None:
    ids = [place(table, strategy=s, instrument=i) for s in ("a", "b") for i in (0, 1)]
    assert [o.order_id for o in table.open()] == ids
    assert [o.order_id for o in table.open("a")] == ids[:2]
    assert [o.order_id for o in table.open(instrument=1)] == ids[1::2]
    assert list(table.open_view("b", 0)) == [ids[2]]
    report(table, ids[2], X.REJECTED, S.REJECTED)
    assert list(table.open_view("b", 0)) == []


def test_a_foreign_order_is_kept_and_counts(table: OrderTable) -> None:
    seen = report(table, "web_1", X.STATUS, S.PARTIALLY_FILLED, cumulative=2, leaves=3)
    assert seen.order.foreign
    assert (seen.order.quantity, seen.order.leaves) == (5, 3)
    assert table.open("") == [seen.order]
    assert table.exposure(0) == (5, 0), "its two filled lots have not arrived as a fill"
    assert table.counters["submitted"] == 0
    assert trade(table, "web_2", 1, 1, 1).fill


def test_a_no_to_an_order_never_seen_makes_none(table: OrderTable) -> None:
    for execution in (X.REJECTED, X.CANCEL_REJECTED, X.REPLACE_REJECTED, X.UNANSWERED):
        assert report(table, "web_1", execution, S.REJECTED).duplicate
    assert len(table) == 0


def test_closed_orders_are_dropped_and_their_fills_still_count_once() -> None:
    table = OrderTable("t", closed_kept=2)
    ids = [place(table, quantity=1) for _ in range(4)]
    for number, one in enumerate(ids):
        trade(table, one, number + 1, 1, 1)
    assert [one in table for one in ids] == [False, False, True, True]
    assert report(table, ids[0], X.NEW, S.NEW).duplicate
    assert trade(table, ids[0], 1, 1, 1).duplicate
    late = trade(table, ids[0], 9, 1, 1)
    assert (late.fill, late.late, late.order.traded) == (True, True, 1)
    assert (len(table), table.open(), table.exposure(0)) == (2, [], (0, 0))


def test_trade_ids_are_remembered_up_to_the_bound() -> None:
    table = OrderTable("t", trades_kept=3)
    one = place(table, quantity=10)
    for trade_id in range(1, 5):
        trade(table, one, trade_id, 1, trade_id)
    assert trade(table, one, 2, 1, 2).duplicate
    assert trade(table, one, 1, 1, 1).fill, "three others came since: the documented bound"


def test_of_the_trade_ids_the_oldest_is_forgotten_first_however_long_it_goes_on() -> None:
    table = OrderTable("t", trades_kept=3)
    one = place(table, quantity=100)
    for trade_id in range(1, 20):
        assert trade(table, one, trade_id, 1, trade_id).fill
        for kept in range(max(1, trade_id - 2), trade_id + 1):
            assert trade(table, one, kept, 1, trade_id).duplicate, (kept, "of the last three", trade_id)
    order = table.get(one)
    assert order is not None
    assert order.traded == 19, "what came again within the bound did not push another one out"
    assert trade(table, one, 16, 1, 19).fill


def test_a_dropped_order_takes_what_was_missing_of_it_along() -> None:
    table = OrderTable("t", closed_kept=1)
    one, two = place(table), place(table)
    report(table, one, X.CANCELED, S.CANCELED, cumulative=4)
    report(table, two, X.CANCELED, S.CANCELED)
    assert (table.exposure(0), table.incomplete()) == ((0, 0), [])


def test_a_contradiction_changes_nothing(table: OrderTable) -> None:
    one = place(table)
    report(table, one, X.REJECTED, S.REJECTED)
    with pytest.raises(OrderStateError):
        trade(table, one, 1, 4, 4)
    order = table.get(one)
    assert order is not None
    assert (order.status, order.traded, table.exposure(0)) == (S.REJECTED, 0, (0, 0))


def test_a_refusal_that_was_none_opens_the_order_again(table: OrderTable) -> None:
    one = place(table)
    report(table, one, X.REJECTED, S.REJECTED)
    found = report(table, one, X.STATUS, S.NEW)
    assert found.order.is_open
    assert table.open() == [found.order]
    assert (table.exposure(0), table.counters["rejected"]) == ((10, 0), 0)


def test_an_order_by_quote_quantity_is_told_apart(table: OrderTable) -> None:
    request = PlaceOrder(
        order_id=table.new_id(),
        instrument=0,
        side=Side.BUY,
        type=OrderType.MARKET,
        quantity=0,
        quote_quantity=Decimal(1000),
    )
    assert table.request(request, 1) is None
    assert [order.order_id for order in table.by_quote()] == [request.order_id]
    trade(table, request.order_id, 1, 4, 4, order_quantity=9)
    assert (table.by_quote(), table.exposure(0)) == ([], (5, 0))
    report(table, request.order_id, X.EXPIRED, S.EXPIRED, cumulative=4)
    assert table.exposure(0) == (0, 0)


def test_the_stamps_tell_how_well_it_went(table: OrderTable) -> None:
    one = place(table)
    report(table, one, X.NEW, S.NEW, ts_local_ns=5, ts_venue_ns=4)
    table.request(CancelOrder(order_id=one), 8)
    report(table, one, X.CANCELED, S.CANCELED, ts_local_ns=12, ts_venue_ns=11)
    order = table.get(one)
    assert order is not None
    assert order.stamps == {
        "requested": 1,
        "accepted": 5,
        "accepted_venue": 4,
        "cancel_requested": 8,
        "closed": 12,
        "closed_venue": 11,
    }
