from decimal import Decimal

import msgspec
import pytest

from ida_core import Filters, Instrument, InstrumentKind, OrderType, PlaceOrder, Side
from ida_sim.filters import Situation, check_order

D = Decimal
FILTERS = Filters(
    min_price=D("0.01"), max_price=D(1000000), min_quantity=D("0.001"), max_quantity=D(9000),
    market_min_quantity=D("0.002"), market_max_quantity=D(100), min_notional=D(5),
    max_notional=D(9000000), bid_multiplier_up=D(5), bid_multiplier_down=D("0.2"),
    ask_multiplier_up=D(4), ask_multiplier_down=D("0.5"), max_orders=2, max_position=D(500),
)  # fmt: skip
SPOT = Instrument(
    symbol="BTCUSDT", base="BTC", quote="USDT", tick_size=D("0.01"), lot_size=D("0.00001"),
    filters=FILTERS,
)  # fmt: skip
LINEAR = msgspec.structs.replace(
    SPOT, kind=InstrumentKind.LINEAR, filters=msgspec.structs.replace(FILTERS, max_notional=None)
)
INVERSE = Instrument(
    symbol="BTCUSD_PERP", base="BTC", quote="USD", tick_size=D("0.1"), lot_size=D(1),
    kind=InstrumentKind.INVERSE, multiplier=D(100), filters=Filters(min_notional=D(200)),
)  # fmt: skip
AT_100 = Situation(reference=D(100))


def limit(lots: int, price: int, side: Side = Side.BUY, **more: object) -> PlaceOrder:
    return PlaceOrder(
        order_id="a", side=side, type=OrderType.LIMIT, quantity=lots, price=price, **more
    )  # type: ignore[arg-type]


def market(lots: int, side: Side = Side.BUY, **more: object) -> PlaceOrder:
    return PlaceOrder(order_id="a", side=side, type=OrderType.MARKET, quantity=lots, **more)  # type: ignore[arg-type]


FILTER_CASES = [
    ("passes", limit(100000, 10000), AT_100, None),
    ("price zero", limit(100000, 0), AT_100, "PRICE_FILTER"),
    ("price above", limit(100000, 100000001), AT_100, "PRICE_FILTER"),
    ("stop above", limit(100000, 10000, stop_price=100000001), AT_100, "PRICE_FILTER"),
    ("quantity zero", limit(0, 10000), AT_100, "LOT_SIZE"),
    ("quantity below", limit(99, 10000000), AT_100, "LOT_SIZE"),
    ("quantity above", limit(900000001, 1), AT_100, "LOT_SIZE"),
    ("price before quantity", limit(0, 0), AT_100, "PRICE_FILTER"),
    ("market quantity below", market(150), AT_100, "MARKET_LOT_SIZE"),
    ("market quantity above", market(10000001), AT_100, "MARKET_LOT_SIZE"),
    ("a limit order knows no market lot", limit(150, 500000), Situation(), None),
    ("buy 5 times up", limit(100000, 50000), AT_100, None),
    ("buy beyond 5 times up", limit(100000, 50001), AT_100, "PERCENT_PRICE_BY_SIDE"),
    ("buy below a fifth", limit(100000, 1999), AT_100, "PERCENT_PRICE_BY_SIDE"),
    ("sell beyond 4 times up", limit(100000, 40001, Side.SELL), AT_100, "PERCENT_PRICE_BY_SIDE"),
    ("sell below half", limit(100000, 4999, Side.SELL), AT_100, "PERCENT_PRICE_BY_SIDE"),
    ("no reference yet", limit(100000, 50001), Situation(), None),
    ("notional just enough", limit(5000, 10000), AT_100, None),
    ("notional below", limit(4999, 10000), AT_100, "NOTIONAL"),
    ("notional above", limit(49900000, 10000000), Situation(), "NOTIONAL"),
    ("market by the reference", market(4999), AT_100, "NOTIONAL"),
    ("market without a reference", market(4999), Situation(), None),
    ("quote quantity below", market(0, quote_quantity=D("4.99")), AT_100, "NOTIONAL"),
    ("quote quantity", market(0, quote_quantity=D(5)), AT_100, None),
    ("position at the limit", limit(100000, 10000), Situation(held=D(499)), None),
    ("position beyond", limit(100000, 10000), Situation(held=D("499.00001")), "MAX_POSITION"),
    ("a sell needs no room", limit(100000, 10000, Side.SELL), Situation(held=D(900)), None),
    ("one more order", limit(100000, 10000), Situation(open_orders=1), None),
    ("too many orders", limit(100000, 10000), Situation(open_orders=2), "MAX_NUM_ORDERS"),
    ("a market order does not stay", market(100000), Situation(open_orders=2), None),
]


@pytest.mark.parametrize(
    ("order", "situation", "filter_name"),
    [case[1:] for case in FILTER_CASES],
    ids=[case[0] for case in FILTER_CASES],
)
def test_spot_names_the_filter(
    order: PlaceOrder, situation: Situation, filter_name: str | None
) -> None:
    expected = None if filter_name is None else (-1013, f"Filter failure: {filter_name}")
    assert check_order(order, SPOT, situation) == expected


@pytest.mark.parametrize(
    ("order", "situation", "answer"),
    [
        (limit(100000, 0), AT_100, (-4013, "Price less than min price.")),
        (limit(99, 10000), AT_100, (-4004, "Quantity less than min quantity.")),
        (market(10000001), AT_100, (-4005, "Quantity greater than max quantity.")),
        (limit(100000, 50001), AT_100, (-4016, "Limit price can't be higher than 500.")),
        (limit(100000, 1999), AT_100, None),
        (limit(100000, 4999, Side.SELL), AT_100, (-4024, "Limit price can't be lower than 50.")),
        (limit(100000, 40001, Side.SELL), AT_100, None),
        (
            limit(4999, 10000), AT_100,
            (-4164, "Order's notional must be no smaller than 5 (unless you choose reduce only)."),
        ),
        (limit(4999, 10000, reduce_only=True), AT_100, None),
        (limit(100000, 10000), Situation(open_orders=2), (-2025, "Reach max open order limit.")),
        (limit(100000, 10000, Side.SELL), Situation(held=D(400)), None),
        (
            limit(100000, 10000, Side.SELL), Situation(held=D(-500)),
            (-2027, "Exceeded the maximum allowable position at current leverage."),
        ),
    ],
)  # fmt: skip
def test_perpetuals_have_a_code_for_each(
    order: PlaceOrder, situation: Situation, answer: tuple[int, str] | None
) -> None:
    assert check_order(order, LINEAR, situation) == answer


def test_the_notional_of_inverse_contracts_needs_no_price() -> None:
    assert check_order(market(2), INVERSE) is None
    refused = check_order(market(1), INVERSE)
    assert refused is not None
    assert refused[0] == -4164


def test_a_filter_that_is_off_refuses_nothing() -> None:
    bare = msgspec.structs.replace(SPOT, filters=Filters())
    situation = Situation(D(100), 10**6, D(10**9))
    assert check_order(limit(1, 10**12), bare, situation) is None
    assert check_order(market(10**15), bare, situation) is None
