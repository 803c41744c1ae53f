from decimal import Decimal

import msgspec
import pytest

from ida_core import (
    Filters,
    Instrument,
    InstrumentKind,
    OrderType,
    PegPrice,
    PlaceOrder,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from ida_sim.filters import Situation, check_amended, check_lists, check_order

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


def stop(type_: OrderType, side: Side, delta: int) -> PlaceOrder:
    return PlaceOrder(order_id="a", side=side, type=type_, quantity=100000, trailing_delta=delta)


NEWER = msgspec.structs.replace(FILTERS, **{
    "market_step": D("0.002"), "apply_min_to_market": False, "apply_max_to_market": True, "iceberg_parts": 10,
    "max_orders": 9, "max_algo_orders": 2, "max_iceberg_orders": 1, "min_trailing_above": 10,
    "max_trailing_above": 2000, "min_trailing_below": 20, "max_trailing_below": 1000, "exchange_max_orders": 12,
    "exchange_max_algo_orders": 4, "exchange_max_iceberg_orders": 3, "asset_max_quantity": D(50),
    "asset_max_notional": D(4000), "max_order_lists": 2, "exchange_max_order_lists": 3,
})
NEW = msgspec.structs.replace(SPOT, filters=NEWER)
NEWER_CASES = [
    ("market quantity between steps", market(300), AT_100, "MARKET_LOT_SIZE"),
    ("market quantity on a step", market(400), AT_100, None),
    ("no least value of market orders", market(2000), AT_100, None),
    ("a largest value of market orders", market(4_000_000), Situation(reference=D(250000)), "NOTIONAL"),
    ("an iceberg in ten parts", limit(100000, 10000, iceberg=10000), AT_100, None),
    ("an iceberg in eleven", limit(100001, 10000, iceberg=10000), AT_100, "ICEBERG_PARTS"),
    ("an iceberg shows too little", limit(500, 1000000, iceberg=99), Situation(), "LOT_SIZE"),
    ("trails too near above", stop(OrderType.STOP_LOSS, Side.BUY, 9), AT_100, "TRAILING_DELTA"),
    ("trails as near as may be", stop(OrderType.STOP_LOSS, Side.BUY, 10), AT_100, None),
    ("a profit of a sell is above", stop(OrderType.TAKE_PROFIT, Side.SELL, 10), AT_100, None),
    ("trails too near below", stop(OrderType.STOP_LOSS, Side.SELL, 19), AT_100, "TRAILING_DELTA"),
    ("trails too far above", stop(OrderType.STOP_LOSS, Side.BUY, 2001), AT_100, "TRAILING_DELTA"),
    ("trails too far below", stop(OrderType.TAKE_PROFIT, Side.BUY, 1001), AT_100, "TRAILING_DELTA"),
    ("too much of the base asset", limit(5_000_001, 2000), Situation(), "MAX_ASSET"),
    ("too much of the quote asset", limit(100000, 400001), Situation(), "MAX_ASSET"),
    ("one open order too many of all", limit(100000, 10000), Situation(all_orders=12), "EXCHANGE_MAX_NUM_ORDERS"),
    ("stops are counted", limit(100000, 10000, stop_price=10000), Situation(stops=2), None),
    ("one stop too many", stop(OrderType.STOP_LOSS, Side.BUY, 10), Situation(stops=2), "MAX_NUM_ALGO_ORDERS"),
    ("one stop too many of all", stop(OrderType.STOP_LOSS, Side.BUY, 10), Situation(stops=1, all_stops=4),
     "EXCHANGE_MAX_NUM_ALGO_ORDERS"),
    ("one iceberg too many", limit(100000, 10000, iceberg=50000), Situation(icebergs=1), "MAX_NUM_ICEBERG_ORDERS"),
    ("one iceberg too many of all", limit(100000, 10000, iceberg=50000), Situation(all_icebergs=3),
     "EXCHANGE_MAX_NUM_ICEBERG_ORDERS"),
    ("an order without is no iceberg", limit(100000, 10000), Situation(icebergs=1, all_icebergs=3), None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("order", "situation", "failed"), [c[1:] for c in NEWER_CASES], ids=[c[0] for c in NEWER_CASES])
def test_the_newer_filters(order: PlaceOrder, situation: Situation, failed: str | None) -> None:
    assert check_order(order, NEW, situation) == (None if failed is None else (-1013, f"Filter failure: {failed}"))


INCAPABLE = msgspec.structs.replace(SPOT, filters=msgspec.structs.replace(
    FILTERS, order_types=(OrderType.LIMIT, OrderType.STOP_LOSS), stp_modes=(SelfTradePrevention.EXPIRE_MAKER,),
    iceberg_allowed=False, trailing_allowed=False, peg_allowed=False, amend_allowed=False))
PRIMARY, MARKET = PegPrice.PRIMARY_PEG, PegPrice.MARKET_PEG
CAPABILITY_CASES = [
    (INCAPABLE, market(100000), -2010, "Market orders are not supported for this symbol."),
    (INCAPABLE, limit(100000, 10000, stp=SelfTradePrevention.NONE), -1013,
     "This symbol does not allow the specified self-trade prevention mode."),
    (INCAPABLE, limit(100000, 10000, iceberg=5000), -2010, "Iceberg orders are not supported for this symbol."),
    (INCAPABLE, stop(OrderType.STOP_LOSS, Side.BUY, 10), -2010,
     "Trailing stop orders are not supported for this symbol."),
    (INCAPABLE, limit(100000, 10000, peg=PRIMARY), -2010, "Pegged orders are not supported for this symbol."),
    (SPOT, limit(100000, 10000, iceberg=100001), -2010, "IcebergQty exceeds QTY."),
    (SPOT, limit(100000, 10000, iceberg=5000, tif=TimeInForce.IOC), -1014, "Unsupported order combination."),
    (SPOT, limit(100000, 10000, peg=PRIMARY, tif=TimeInForce.IOC), -1210, "Invalid pegPriceType."),
    (SPOT, limit(100000, 10000, peg=PRIMARY, peg_offset=101), -1014, "Unsupported order combination."),
    (SPOT, limit(100000, 10000, peg=MARKET, smart=True), -1014, "Unsupported order combination."),
]  # fmt: skip


@pytest.mark.parametrize(("instrument", "order", "code", "text"), CAPABILITY_CASES)
def test_what_an_instrument_cannot_do(instrument: Instrument, order: PlaceOrder, code: int, text: str) -> None:
    assert check_order(order, instrument, AT_100) == (code, text)


def test_lists_and_amendments_have_limits() -> None:
    assert check_lists(NEW, 1, 2) is None
    assert check_lists(NEW, 2, 2) == (-1013, "Filter failure: MAX_NUM_ORDER_LISTS")
    assert check_lists(NEW, 1, 3) == (-1013, "Filter failure: EXCHANGE_MAX_NUM_ORDER_LISTS")
    assert check_amended(limit(5000, 100000), NEW) is None
    assert check_amended(limit(99, 10000000), NEW) == (-1013, "Filter failure: LOT_SIZE")
    assert check_amended(limit(4999, 10000), NEW) == (-1013, "Filter failure: NOTIONAL")
    assert check_amended(limit(5000, 10000), INCAPABLE) == (-2038, "Order amend is not supported for this symbol.")
