"""What the exchange would refuse is refused before it is sent: each filter, its bound, the nearest legal value."""

from decimal import Decimal
from typing import Any

import pytest
from instruments import INVERSE, LINEAR, SPOT
from msgspec.structs import replace

from ida_core.events import (
    AmendOrder,
    AnyRequest,
    CancelOrder,
    Execution,
    OrderStatus,
    OrderUpdate,
    PlaceList,
    PlaceOrder,
    ReplaceOrder,
)
from ida_core.filters import FilterCheck
from ida_core.model import Filters, Instrument, ListKind, OrderType, PegPrice, SelfTradePrevention, Side
from ida_core.order_table import OrderTable
from ida_core.protocols import Strategy
from ida_core.testing import Desk as Played

D, T = Decimal, OrderType
#: 60,000 quote units, in ticks of 0.01.
PRICE = 6_000_000


class Desk:
    """One instrument with filters; the mid is 60,000 and nothing is held."""

    def __init__(self, instrument: Instrument = SPOT, **filters: Any) -> None:
        self.table = OrderTable("t")
        self.held = D(0)
        self.mid: float | None = PRICE / 1
        one = replace(instrument, filters=Filters(**filters))
        self.check = FilterCheck([one], self.table, lambda _: self.mid, lambda _: self.held)

    def order(self, quantity: int = 100, price: int | None = PRICE, side: Side = Side.BUY, **more: Any) -> PlaceOrder:
        fields: dict[str, Any] = {"type": T.LIMIT, **more}
        order_id = self.table.new_id()
        return PlaceOrder(order_id=order_id, instrument=0, side=side, quantity=quantity, price=price, **fields)

    def said(self, request: AnyRequest) -> tuple[str, str] | None:
        refusal = self.check.check(request, 7)
        if refusal is None:
            return None
        assert (refusal.by, refusal.request, refusal.ts_local_ns) == ("filters", request, 7)
        return refusal.reason, refusal.detail

    def why(self, *words: Any, **more: Any) -> str | None:
        said = self.said(self.order(*words, **more))
        return said[0] if said else None

    def open(self, *words: Any, **more: Any) -> str:
        request = self.order(*words, **more)
        assert self.table.request(request, 0) is None
        return request.order_id


MARKET = {"price": None, "type": T.MARKET}
TRAILING = {"min_trailing_above": 10, "max_trailing_above": 2000, "min_trailing_below": 20, "max_trailing_below": 1000}
#: name, filters, an order that passes, one that does not, what the refusal says besides.
CASES: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any], str]] = [
    ("PRICE_FILTER", {"min_price": D("100")}, {"price": 10_000}, {"price": 9_999}, "nearest legal one is 100"),
    ("PRICE_FILTER", {"max_price": D("70000")}, {}, {"price": 7_000_001}, "price 70000.01 is above the most, 70000"),
    ("PRICE_FILTER", {"max_price": D("70000")}, {}, {"stop_price": 7_000_001, "type": T.STOP_LOSS}, "stop price"),
    ("PERCENT_PRICE_BY_SIDE", {"bid_multiplier_up": D("1.1")}, {"price": 6_600_000}, {"price": 6_600_001},
     "above the most, 66000 USDT by the present mid; the nearest legal one is 66000"),
    ("PERCENT_PRICE_BY_SIDE", {"ask_multiplier_down": D("0.5")}, {"price": 1}, {"price": 2_999_999, "side": Side.SELL},
     "nearest legal one is 30000"),
    ("LOT_SIZE", {"min_quantity": D("0.0005")}, {"quantity": 50}, {"quantity": 49}, "nearest legal one is 0.0005"),
    ("LOT_SIZE", {"max_quantity": D("9")}, {"quantity": 900_000}, {"quantity": 900_001}, "9.00001 is above the most"),
    ("LOT_SIZE", {"min_quantity": D("0.0005")}, {"iceberg": 50}, {"iceberg": 49}, "iceberg quantity"),
    ("MARKET_LOT_SIZE", {"market_max_quantity": D("0.001")}, {"quantity": 101}, {"quantity": 101, **MARKET}, "0.001"),
    ("MARKET_LOT_SIZE", {"market_step": D("0.001")}, {"quantity": 200, **MARKET}, {"quantity": 199, **MARKET},
     "nearest legal one is 0.001"),
    ("MIN_NOTIONAL", {"min_notional": D(5)}, {"quantity": 9}, {"quantity": 8}, "nearest legal quantity is 0.00009"),
    ("NOTIONAL", {"min_notional": D(5), "max_notional": D(60)}, {}, {"quantity": 101},
     "worth 60.6 USDT, above the most, 60; the nearest legal quantity is 0.001"),
    ("MIN_NOTIONAL", {"min_notional": D(5)}, {"quantity": 9, **MARKET}, {"quantity": 8, **MARKET}, "0.00009"),
    ("MIN_NOTIONAL", {"min_notional": D(5)}, {"quantity": 0, "quote_quantity": D(5), **MARKET},
     {"quantity": 0, "quote_quantity": D("4.99"), **MARKET}, "nearest legal value is 5"),
    ("ICEBERG_PARTS", {"iceberg_parts": 10}, {"iceberg": 10}, {"iceberg": 9}, "nearest legal one is 0.0001"),
    ("TRAILING_DELTA", TRAILING, {"trailing_delta": 10, "type": T.STOP_LOSS},
     {"trailing_delta": 9, "type": T.STOP_LOSS}, "nearest legal one is 10"),
    ("TRAILING_DELTA", TRAILING, {"trailing_delta": 1000, "type": T.TAKE_PROFIT},
     {"trailing_delta": 1001, "type": T.TAKE_PROFIT}, "basis points"),
    ("MAX_POSITION", {"max_position": D("0.001")}, {}, {"quantity": 101}, "nearest legal quantity is 0.001"),
    ("MAX_ASSET", {"asset_max_quantity": D("0.001")}, {}, {"quantity": 101}, "0.001"),
    ("MAX_ASSET", {"asset_max_notional": D(60)}, {}, {"quantity": 101}, "nearest legal quantity is 0.001"),
    ("ORDER_TYPES", {"order_types": (T.LIMIT,)}, {}, MARKET, "MARKET is not among LIMIT"),
    ("STP_MODES", {"stp_modes": (SelfTradePrevention.EXPIRE_MAKER,)}, {}, {"stp": SelfTradePrevention.NONE}, "NONE"),
    ("ICEBERG_ALLOWED", {"iceberg_allowed": False}, {}, {"iceberg": 10}, "iceberg"),
    ("TRAILING_ALLOWED", {"trailing_allowed": False}, {}, {"trailing_delta": 10, "type": T.STOP_LOSS}, "trailing"),
    ("PEG_ALLOWED", {"peg_allowed": False}, {}, {"price": None, "peg": PegPrice.PRIMARY_PEG}, "peg"),
    ("QUOTE_QUANTITY_ALLOWED", {"quote_quantity_allowed": False}, MARKET,
     {"quantity": 0, "quote_quantity": D(50), **MARKET}, "quote quantity"),
]


@pytest.mark.parametrize(("name", "filters", "good", "bad", "says"), CASES)
def test_a_filter_says_no_with_value_bound_and_what_would_be_legal(
    name: str, filters: dict[str, Any], good: dict[str, Any], bad: dict[str, Any], says: str,
) -> None:
    desk = Desk(**filters)
    assert desk.said(desk.order(**good)) is None
    said = desk.said(desk.order(**bad))
    assert said is not None
    assert said[0] == name
    assert said[1].startswith(f"BTCUSDT, {name}: ")
    assert says in said[1]


COUNTS: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ("MAX_NUM_ORDERS", {"max_orders": 2}, {}, MARKET),
    ("MAX_NUM_ALGO_ORDERS", {"max_algo_orders": 2}, {"type": T.STOP_LOSS, "stop_price": 5}, {}),
    ("MAX_NUM_ICEBERG_ORDERS", {"max_iceberg_orders": 2}, {"iceberg": 10}, {}),
    ("EXCHANGE_MAX_NUM_ORDERS", {"exchange_max_orders": 2}, {}, MARKET),
    ("EXCHANGE_MAX_NUM_ALGO_ORDERS", {"exchange_max_algo_orders": 2}, {"type": T.STOP_LOSS, "stop_price": 5}, {}),
    ("EXCHANGE_MAX_NUM_ICEBERG_ORDERS", {"exchange_max_iceberg_orders": 2}, {"iceberg": 10}, {}),
]


@pytest.mark.parametrize(("name", "filters", "counted", "other"), COUNTS)
def test_so_many_may_be_open_and_what_is_being_cancelled_counts_no_more(
    name: str, filters: dict[str, Any], counted: dict[str, Any], other: dict[str, Any],
) -> None:
    desk = Desk(**filters)
    first, _ = desk.open(**counted), desk.open(**counted)
    assert desk.why(**other) is None, "of another kind"
    assert desk.why(**counted) == name
    assert desk.table.request(CancelOrder(order_id=first, instrument=0), 1) is None
    assert desk.why(**counted) is None


def oco(desk: Desk) -> PlaceList:
    above = desk.order(side=Side.SELL, type=T.LIMIT_MAKER)
    below = desk.order(side=Side.SELL, price=None, stop_price=PRICE - 1, type=T.STOP_LOSS)
    return PlaceList(order_id=desk.table.new_id(), instrument=0, kind=ListKind.OCO, legs=(above, below))


@pytest.mark.parametrize(("name", "filters"), [
    ("MAX_NUM_ORDER_LISTS", {"max_order_lists": 1}), ("EXCHANGE_MAX_NUM_ORDER_LISTS", {"exchange_max_order_lists": 1}),
    ("MAX_NUM_ORDERS", {"max_orders": 3}), ("MAX_NUM_ALGO_ORDERS", {"max_algo_orders": 1}),
])
def test_a_list_counts_once_and_each_of_its_legs(name: str, filters: dict[str, Any]) -> None:
    desk = Desk(**filters)
    first = oco(desk)
    assert desk.said(first) is None
    assert desk.table.request(first, 1) is None
    said = desk.said(oco(desk))
    assert said is not None
    assert said[0] == name


@pytest.mark.parametrize(("kind", "lacks"), [
    (ListKind.OCO, "oco"), (ListKind.OTO, "oto"), (ListKind.OTOCO, "oco"), (ListKind.OPO, "opo"),
    (ListKind.OPOCO, "oco"),
])
def test_a_list_needs_what_the_instrument_must_allow(kind: ListKind, lacks: str) -> None:
    desk = Desk(**{f"{lacks}_allowed": False})
    said = desk.said(PlaceList(order_id="l", instrument=0, kind=kind, legs=()))
    assert said is not None
    assert said[0] == f"{lacks.upper()}_ALLOWED"


def test_each_leg_must_pass_and_what_is_to_sell_what_was_bought_has_no_quantity_yet() -> None:
    desk = Desk(min_quantity=D("0.0005"), max_price=D(70_000))
    legs = (desk.order(), desk.order(0, PRICE + 5, Side.SELL))
    assert desk.said(PlaceList(order_id="l", instrument=0, kind=ListKind.OPO, legs=legs)) is None
    said = desk.said(PlaceList(order_id="l", instrument=0, kind=ListKind.OPO,
                               legs=(desk.order(), desk.order(0, 7_000_001, Side.SELL))))
    assert said is not None
    assert said[0] == "PRICE_FILTER"


def test_a_replacement_is_looked_at_as_the_order_it_becomes_and_needs_no_room() -> None:
    desk = Desk(max_orders=1, min_quantity=D("0.0005"), max_position=D("0.001"))
    order_id = desk.open()
    change = ReplaceOrder(order_id=order_id, new_order_id="n", instrument=0, quantity=50, price=PRICE)
    assert desk.said(change) is None
    said = desk.said(replace(change, quantity=49))
    assert said is not None
    assert said[0] == "LOT_SIZE"
    assert desk.said(replace(change, order_id="unknown", quantity=49)) is None, "the table says what is wrong"
    barred = Desk(cancel_replace_allowed=False)
    said = barred.said(replace(change, order_id=barred.open()))
    assert said is not None
    assert said[0] == "CANCEL_REPLACE_ALLOWED"


def test_an_amendment_counts_and_its_quantity_must_be_legal() -> None:
    desk = Desk(max_amends=1, min_notional=D(6))
    order_id = desk.open()
    said = desk.said(AmendOrder(order_id=order_id, instrument=0, quantity=9))
    assert said is not None
    assert (said[0], "nearest legal quantity is 0.0001" in said[1]) == ("MIN_NOTIONAL", True)
    assert desk.said(AmendOrder(order_id=order_id, instrument=0, quantity=50)) is None
    desk.table.apply(OrderUpdate(order_id=order_id, instrument=0, execution=Execution.REPLACED,
                                 status=OrderStatus.NEW, order_quantity=50))
    said = desk.said(AmendOrder(order_id=order_id, instrument=0, quantity=40))
    assert said is not None
    assert said[0] == "MAX_NUM_ORDER_AMENDS"
    barred = Desk(amend_allowed=False)
    said = barred.said(AmendOrder(order_id=barred.open(), instrument=0, quantity=40))
    assert said is not None
    assert said[0] == "AMEND_ALLOWED"


def test_what_is_held_and_what_open_buys_add_count_towards_the_position() -> None:
    desk = Desk(max_position=D("0.01"))
    desk.held = D("0.004")
    desk.open(300)
    assert desk.why(300) is None
    assert desk.why(301) == "MAX_POSITION"
    assert desk.why(5_000, side=Side.SELL) is None, "on spot nobody is limited in selling"


def test_perpetuals_are_bounded_where_they_would_trade_and_may_always_reduce() -> None:
    desk = Desk(LINEAR, bid_multiplier_up=D("1.1"), bid_multiplier_down=D("0.9"), min_notional=D(5))
    assert desk.why(price=1, quantity=10**9) is None, "a buy far below is no harm"
    assert desk.why(price=6_600_001) == "PERCENT_PRICE"
    assert desk.why(1, price=10) == "MIN_NOTIONAL"
    assert desk.why(1, price=10, reduce_only=True) is None
    contracts = Desk(INVERSE, min_notional=D(200))
    assert contracts.why(1) == "MIN_NOTIONAL"
    assert contracts.why(2) is None


def test_what_is_not_known_passes_and_no_filter_is_no_filter() -> None:
    desk = Desk(min_notional=D(5), bid_multiplier_up=D("1.1"))
    desk.mid = None
    assert desk.why(1, **MARKET) is None
    assert desk.why(price=60_000_000) is None
    assert Desk().why(1, 1) is None
    assert desk.said(CancelOrder(order_id="x", instrument=0)) is None


def test_the_engine_sends_nothing_that_breaks_a_filter() -> None:
    class Idle(Strategy):
        name = "idle"

    desk = Played(Idle(), replace(SPOT, filters=Filters(min_notional=D(5))))
    desk.show(PRICE, PRICE + 1)
    assert desk.ctx.place(Side.BUY, 8, PRICE) is None
    assert not desk.sent
    assert desk.ctx.place(Side.BUY, 9, PRICE) is not None
    assert len(desk.sent) == 1
