"""Orders on Binance's wire, both ways: requests by the documented names, reports from the reference's golden frames."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from ida_binance.order_reports import (
    OrderReports,
    Strange,
    Unreadable,
    account_balances,
    positions,
    transfer,
)
from ida_binance.order_wire import amend, cancel, place, place_list, replace
from ida_core import (
    AmendOrder,
    CancelOrder,
    Execution,
    Instrument,
    ListKind,
    OrderStatus,
    OrderTable,
    OrderType,
    PegPrice,
    PlaceList,
    PlaceOrder,
    ReplaceOrder,
    SelfTradePrevention,
    Side,
    TimeInForce,
)

BTC = Instrument(symbol="BTCUSDT", base="BTC", quote="USDT", tick_size=Decimal("0.01"), lot_size=Decimal("0.00001"))
READ = OrderReports([BTC])
NOW = 7
#: docs: REST 200 of POST /api/v3/order, MARKET, FULL.
FULL = json.loads("""
{"symbol":"BTCUSDT","orderId":9001,"orderListId":-1,"clientOrderId":"ida-00000001","transactTime":1763800000123,
"price":"0.00000000","origQty":"0.00200000","executedQty":"0.00200000","origQuoteOrderQty":"0.00000000",
"cummulativeQuoteQty":"180.04000000","status":"FILLED","timeInForce":"GTC","type":"MARKET","side":"BUY",
"workingTime":1763800000123,"fills":[{"price":"90020.00000000","qty":"0.00200000","commission":"0.00000200",
"commissionAsset":"BTC","tradeId":77001}],"selfTradePreventionMode":"EXPIRE_MAKER"}""")
TRADE = json.loads("""
{"e":"executionReport","E":1763800000124,"s":"BTCUSDT","c":"ida-00000001","S":"BUY","o":"MARKET","f":"GTC",
"q":"0.00200000","p":"0.00000000","P":"0.00000000","F":"0.00000000","g":-1,"C":"","x":"TRADE","X":"FILLED","r":"NONE",
"i":9001,"l":"0.00200000","z":"0.00200000","L":"90020.00000000","n":"0.00000200","N":"BTC","T":1763800000123,
"t":77001,"I":18002,"w":false,"m":false,"M":true,"O":1763800000123,"Z":"180.04000000","Y":"180.04000000",
"Q":"0.00000000","W":1763800000123,"V":"EXPIRE_MAKER"}""")
CANCELED = TRADE | {
    "c": "cxl-1", "C": "ida-00000002", "x": "CANCELED", "X": "CANCELED", "i": 9002, "l": "0.00000000",
    "L": "0.00000000", "n": "0", "N": None, "t": -1, "z": "0.00000000", "w": False,
}  # fmt: skip
POSITION = json.loads("""
{"e":"outboundAccountPosition","E":1763800000124,"u":1763800000123,"B":[{"a":"BTC","f":"0.50199800","l":"0.00000000"},
{"a":"USDT","f":"9819.96000000","l":"0.00000000"}]}""")


def order(**given_: Any) -> PlaceOrder:
    wanted = {"order_id": "ida-1", "instrument": 0, "side": Side.SELL, "type": OrderType.LIMIT, "quantity": 200}
    return PlaceOrder(**(wanted | given_))


def params_of(**given_: Any) -> dict[str, str]:
    return dict(place(order(**given_), BTC).params)


COMMON = {"symbol": "BTCUSDT", "side": "SELL", "newClientOrderId": "ida-1", "selfTradePreventionMode": "EXPIRE_MAKER",
          "newOrderRespType": "FULL"}  # fmt: skip
LIMIT = COMMON | {"type": "LIMIT", "timeInForce": "GTC", "quantity": "0.002", "price": "90020"}


@pytest.mark.parametrize(
    ("request_", "params"),
    [
        ({"price": 9_002_000}, LIMIT),
        ({"price": 9_002_000, "tif": TimeInForce.FOK, "stp": SelfTradePrevention.TRANSFER},
         LIMIT | {"timeInForce": "FOK", "selfTradePreventionMode": "TRANSFER"}),
        ({"type": OrderType.MARKET, "price": 9_002_000, "tif": TimeInForce.IOC},
         COMMON | {"type": "MARKET", "quantity": "0.002"}),
        ({"type": OrderType.MARKET, "quantity": 0, "quote_quantity": Decimal("1E+3")},
         COMMON | {"type": "MARKET", "quoteOrderQty": "1000"}),
        ({"type": OrderType.LIMIT_MAKER, "price": 9_002_001},
         COMMON | {"type": "LIMIT_MAKER", "quantity": "0.002", "price": "90020.01"}),
        ({"type": OrderType.STOP_LOSS, "stop_price": 9_000_000, "trailing_delta": 25},
         COMMON | {"type": "STOP_LOSS", "quantity": "0.002", "stopPrice": "90000", "trailingDelta": "25"}),
        ({"type": OrderType.TAKE_PROFIT_LIMIT, "price": 9_100_000, "stop_price": 9_050_000},
         LIMIT | {"type": "TAKE_PROFIT_LIMIT", "price": "91000", "stopPrice": "90500"}),
        ({"price": 9_002_000, "iceberg": 20}, LIMIT | {"icebergQty": "0.0002"}),
        ({"type": OrderType.LIMIT_MAKER, "peg": PegPrice.PRIMARY_PEG, "peg_offset": 3},
         COMMON | {"type": "LIMIT_MAKER", "quantity": "0.002", "pegPriceType": "PRIMARY_PEG",
                   "pegOffsetType": "PRICE_LEVEL", "pegOffsetValue": "3"}),
    ],
    ids=["limit", "fok", "market", "quote", "maker", "trailing", "take_profit", "iceberg", "pegged"],
)  # fmt: skip
def test_each_order_has_the_parameters_it_must_and_no_other(request_: Any, params: dict[str, str]) -> None:
    assert params_of(**request_) == params


def test_smart_routing_has_a_method_of_its_own() -> None:
    assert place(order(price=1, smart=True), BTC).method == "sor.order.place"
    assert place(order(price=1), BTC).method == "order.place"


def test_cancels_and_amendments_name_the_order_by_our_id() -> None:
    found = cancel(CancelOrder(order_id="ida-1", instrument=0), BTC)
    assert (found.method, found.is_cancel) == ("order.cancel", True)
    assert found.params == {"symbol": "BTCUSDT", "origClientOrderId": "ida-1"}
    found = amend(AmendOrder(order_id="ida-1", instrument=0, quantity=100), BTC)
    assert found.params == {
        "symbol": "BTCUSDT", "origClientOrderId": "ida-1", "newClientOrderId": "ida-1", "newQty": "0.001"}


def test_a_replacement_is_the_same_order_at_another_price() -> None:
    wanted = ReplaceOrder(order_id="ida-1", new_order_id="ida-2", instrument=0, quantity=100, price=9_003_000)
    found = replace(wanted, order(price=9_002_000, iceberg=20), BTC)
    assert found.params == LIMIT | {
        "cancelReplaceMode": "STOP_ON_FAILURE", "cancelOrigClientOrderId": "ida-1", "newClientOrderId": "ida-2",
        "quantity": "0.001", "price": "90030", "icebergQty": "0.0002"}  # fmt: skip


PENDING = {
    "pendingSide": "SELL", "pendingAboveType": "LIMIT_MAKER", "pendingAboveClientOrderId": "b",
    "pendingAbovePrice": "91000", "pendingBelowType": "STOP_LOSS", "pendingBelowClientOrderId": "c",
    "pendingBelowStopPrice": "89000",
}  # fmt: skip
WORKING = {
    "workingSide": "BUY", "workingQuantity": "0.002", "workingType": "LIMIT", "workingClientOrderId": "a",
    "workingTimeInForce": "GTC", "workingPrice": "90000",
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        (ListKind.OCO, {
            "side": "SELL", "quantity": "0.002", "aboveType": "LIMIT_MAKER", "aboveClientOrderId": "b",
            "abovePrice": "91000", "belowType": "STOP_LOSS", "belowClientOrderId": "c", "belowStopPrice": "89000"}),
        (ListKind.OTO, WORKING | {
            "pendingSide": "SELL", "pendingQuantity": "0.002", "pendingType": "LIMIT_MAKER",
            "pendingClientOrderId": "b", "pendingPrice": "91000"}),
        (ListKind.OTOCO, WORKING | PENDING | {"pendingQuantity": "0.002"}),
        (ListKind.OPO, WORKING | {
            "pendingSide": "SELL", "pendingType": "LIMIT_MAKER", "pendingClientOrderId": "b",
            "pendingPrice": "91000"}),
        (ListKind.OPOCO, WORKING | PENDING),
    ],
)  # fmt: skip
def test_the_legs_of_lists_have_their_places_before_their_names(kind: ListKind, params: dict[str, str]) -> None:
    told = 0 if kind in (ListKind.OPO, ListKind.OPOCO) else 200
    working = order(order_id="a", side=Side.BUY, price=9_000_000)
    above = order(order_id="b", type=OrderType.LIMIT_MAKER, price=9_100_000, quantity=told)
    below = order(order_id="c", type=OrderType.STOP_LOSS, stop_price=8_900_000, quantity=told)
    legs = {ListKind.OCO: (above, below), ListKind.OTO: (working, above), ListKind.OPO: (working, above)}
    wanted = PlaceList(order_id="list", instrument=0, kind=kind, legs=legs.get(kind, (working, above, below)))
    found = place_list(wanted, BTC)
    assert found.method == f"orderList.place.{kind.lower()}"
    assert found.params == params | {
        "symbol": "BTCUSDT", "listClientOrderId": "list", "selfTradePreventionMode": "EXPIRE_MAKER",
        "newOrderRespType": "FULL"}  # fmt: skip


# ------------------------------------------------------------------ what comes back


def test_a_fill_is_read_to_the_last_digit() -> None:
    fill = READ.execution(TRADE, NOW)
    assert (fill.execution, fill.status, fill.side) == (Execution.TRADE, OrderStatus.FILLED, Side.BUY)
    assert (fill.price, fill.quantity, fill.cumulative, fill.leaves) == (9_002_000, 200, 200, 0)
    assert (fill.order_id, fill.venue_order_id, fill.trade_id, fill.maker) == ("ida-00000001", 9001, 77001, False)
    assert (fill.fee, fill.fee_asset) == (Decimal("0.000002"), "BTC")
    assert (fill.ts_venue_ns, fill.ts_local_ns) == (1_763_800_000_123_000_000, NOW)


def test_the_reply_and_the_event_tell_the_same_fill() -> None:
    accepted, fill = READ.placed(FULL, NOW)
    assert (accepted.execution, accepted.status, accepted.leaves) == (Execution.NEW, OrderStatus.NEW, 200)
    assert fill == READ.execution(TRADE, NOW)


def test_a_cancel_names_the_order_it_ends_not_itself() -> None:
    found = READ.execution(CANCELED, NOW)
    assert (found.order_id, found.execution, found.status) == ("ida-00000002", Execution.CANCELED, OrderStatus.CANCELED)
    assert (found.trade_id, found.fee, found.fee_asset) == (0, 0, "")


def test_balances_and_transfers() -> None:
    assert positions(POSITION) == {
        "BTC": (Decimal("0.50199800"), Decimal(0)), "USDT": (Decimal("9819.96"), Decimal(0))}
    assert account_balances({"balances": [{"asset": "BNB", "free": "1", "locked": "2"}]}) == {
        "BNB": (Decimal(1), Decimal(2))}
    moved = transfer({"e": "balanceUpdate", "a": "BTC", "d": "-1.5", "T": 1573200697068}, NOW)
    assert (moved.asset, moved.amount, moved.reason) == ("BTC", Decimal("-1.5"), "taken out")


def test_words_of_tomorrow_stop_nothing() -> None:
    found = READ.execution(TRADE | {"x": "REINVENTED", "X": "SOMEHOW", "zz": [1]}, NOW)
    assert (found.execution, found.status) == (Execution.STATUS, OrderStatus.UNKNOWN)


def test_an_allocation_has_a_number_of_its_own() -> None:
    found = READ.execution(TRADE | {"t": -1, "a": 0, "b": "ONE_PARTY_TRADE_REPORT"}, NOW)
    assert found.trade_id == -1
    with pytest.raises(Unreadable, match="number"):
        READ.execution(TRADE | {"t": -1}, NOW)


def test_a_symbol_that_the_run_does_not_have_is_strange() -> None:
    with pytest.raises(Strange, match="ETHUSDT"):
        READ.execution(TRADE | {"s": "ETHUSDT"}, NOW)


def test_the_end_that_a_reply_tells_is_told() -> None:
    expired = {**FULL, "status": "EXPIRED", "executedQty": "0.00000000", "fills": [],
               "expiryReason": "INSUFFICIENT_LIQUIDITY"}  # fmt: skip
    accepted, ended = READ.placed(expired, NOW)
    assert accepted.execution is Execution.NEW
    assert (ended.execution, ended.status) == (Execution.EXPIRED, OrderStatus.EXPIRED)
    assert ended.reason == "INSUFFICIENT_LIQUIDITY"


def test_an_amendment_tells_the_quantity_in_all() -> None:
    amended = {
        "symbol": "BTCUSDT", "orderId": 9, "orderListId": -1, "origClientOrderId": "ida-1", "clientOrderId": "ida-1",
        "price": "5.00000000", "qty": "0.00150000", "executedQty": "0.00050000", "preventedQty": "0.00000000",
        "quoteOrderQty": "0.00000000", "cumulativeQuoteQty": "0.00000000", "status": "PARTIALLY_FILLED",
        "timeInForce": "GTC", "type": "LIMIT", "side": "BUY", "selfTradePreventionMode": "NONE",
    }  # fmt: skip
    found = READ.amended({"transactTime": 1763800000123, "executionId": 5, "amendedOrder": amended}, NOW)
    assert (found.execution, found.order_quantity, found.cumulative) == (Execution.REPLACED, 150, 50)


def test_reports_fold_into_the_order_they_are_of() -> None:
    table = OrderTable("ida")
    assert table.request(order(order_id="ida-00000001", side=Side.BUY, type=OrderType.MARKET), NOW) is None
    for update in (*READ.placed(FULL, NOW), READ.execution(TRADE, NOW)):
        table.apply(update)
    filled = table.get("ida-00000001")
    assert filled is not None
    assert (filled.status, filled.traded, table.incomplete()) == (OrderStatus.FILLED, 200, [])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(("1e400", "-1", "NaN", "BTC")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("acfl"), inner, max_size=3),
    max_leaves=4)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from((TRADE, CANCELED, FULL, POSITION)), st.data())
def test_whatever_a_field_becomes_it_is_read_or_refused(frame: dict[str, Any], data: st.DataObject) -> None:
    broken = dict(frame)
    for name in data.draw(st.lists(st.sampled_from(sorted(frame)), max_size=3)):
        if data.draw(st.booleans()):
            broken[name] = data.draw(JSON)
        else:
            broken.pop(name, None)
    for read in (READ.execution, READ.row, READ.canceled, lambda row, now: list(READ.placed(row, now)),
                 lambda row, now: positions(row), transfer, lambda row, now: READ.trade(row, "a", now)):  # fmt: skip
        try:
            read(broken, NOW)
        except (Unreadable, Strange):
            continue
