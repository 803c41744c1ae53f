"""What becomes of requests, whatever the exchange says and in whatever order: each told report goes into the core's own
order table, which must come to the truth, and nothing may be told twice."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest
import trio

from ida_binance.calls import Call, Outcome, Reply
from ida_binance.known_orders import Known
from ida_binance.order_manager import OrderManager
from ida_binance.order_reports import OrderReports
from ida_binance.reconcile import Reconciler
from ida_binance.settling import Settling
from ida_core import (
    AmendOrder,
    BalanceUpdate,
    CancelAll,
    CancelOrder,
    Event,
    Execution,
    Instrument,
    ListKind,
    Note,
    OrderStatus,
    OrderTable,
    OrderType,
    OrderUpdate,
    PlaceList,
    PlaceOrder,
    ReplaceOrder,
    RequestSent,
    Side,
    Transfer,
    VenueStatus,
)
from ida_core.clock import steady_ns

BTC = Instrument(symbol="BTCUSDT", base="BTC", quote="USDT", tick_size=Decimal("0.01"), lot_size=Decimal("0.00001"))
S, X = OrderStatus, Execution
NOW = 1_000
#: They answer a request, or tell what the table has no place for.
MAY_TELL_NOTHING_NEW = (X.CANCEL_REJECTED, X.REPLACE_REJECTED, X.UNANSWERED, X.TRIGGERED)


def ok(body: Any) -> Reply:
    return Reply(Outcome.OK, 200, 0, "", body, 500, NOW, "ws-api")


def refused(code: int, msg: str, data: Any = None, status: int = 400) -> Reply:
    body = {"code": code, "msg": msg} | ({"data": data} if data else {})
    return Reply(Outcome.REJECTED, status, code, msg, body, 500, NOW, "ws-api")


def lost(sent_ns: int = 500) -> Reply:
    return Reply(Outcome.UNKNOWN, 0, 0, "no answer within 10 s", None, sent_ns, NOW, "ws-api")


NOT_SENT = Reply(Outcome.NOT_SENT, 0, 0, "not connected", None, 0, NOW, "")


class Doubted:
    """Notes what is to be asked about."""

    def __init__(self) -> None:
        self.doubted: list[tuple[str, str]] = []
        self.looked: list[str] = []

    def doubt(self, known: Known, kind: str, sent_ns: int) -> None:
        self.doubted.append((known.order_id, kind))

    def look(self, known: Known) -> None:
        self.looked.append(known.order_id)


class Bench:
    """A manager between the core's order table and an exchange that answers when it is told to."""

    def __init__(self) -> None:
        self.table = OrderTable("ida")
        self.told: list[Event] = []
        self.calls: list[tuple[Call, Callable[[Reply], None]]] = []
        self.manager = OrderManager(OrderReports([BTC]), self.tell, lambda call, done: self.calls.append((call, done)))
        self.doubts = Doubted()
        self.manager.doubts = self.doubts

    def tell(self, event: Event) -> None:
        self.told.append(event)
        if isinstance(event, OrderUpdate):
            assert not self.table.apply(event).duplicate or event.execution in MAY_TELL_NOTHING_NEW

    def send(self, request: Any) -> None:
        assert self.table.request(request, NOW) is None
        self.manager.request(request, NOW)

    def place(self, order_id: str = "ida-1", **given: Any) -> None:
        self.send(order(order_id, **given))

    def reply(self, reply: Reply, which: int = -1) -> None:
        self.calls.pop(which)[1](reply)

    def event(self, **given: Any) -> None:
        self.manager.on_event(report(**given), NOW)

    def status(self, order_id: str = "ida-1") -> OrderStatus:
        found = self.table.get(order_id)
        assert found is not None
        return found.status

    @property
    def executions(self) -> list[Execution]:
        return [event.execution for event in self.told if isinstance(event, OrderUpdate)]


def order(order_id: str = "ida-1", **given: Any) -> PlaceOrder:
    wanted = {"side": Side.BUY, "type": OrderType.LIMIT, "quantity": 200, "price": 9_000_000, "instrument": 0,
              "strategy": "one"}  # fmt: skip
    return PlaceOrder(order_id=order_id, **(wanted | given))


def report(**given: Any) -> dict[str, Any]:
    event = {
        "e": "executionReport", "E": 1, "s": "BTCUSDT", "c": "ida-1", "S": "BUY", "o": "LIMIT", "f": "GTC",
        "q": "0.002", "p": "90000", "P": "0", "F": "0", "g": -1, "C": "", "x": "NEW", "X": "NEW", "r": "NONE", "i": 11,
        "l": "0", "z": "0", "L": "0", "n": "0", "N": None, "T": 1_763_800_000_123, "t": -1, "I": 1, "w": True,
        "m": False, "M": False, "O": 1, "Z": "0", "Y": "0", "Q": "0", "V": "NONE",
    }  # fmt: skip
    return event | given


def row(**given: Any) -> dict[str, Any]:
    found = {
        "symbol": "BTCUSDT", "orderId": 11, "orderListId": -1, "clientOrderId": "ida-1",
        "transactTime": 1_763_800_000_123, "price": "90000", "origQty": "0.002", "executedQty": "0", "status": "NEW",
        "timeInForce": "GTC", "type": "LIMIT", "side": "BUY", "fills": [],
    }  # fmt: skip
    return found | given


FILL = {"price": "90000", "qty": "0.002", "commission": "0.1", "commissionAsset": "BNB", "tradeId": 5}
FILLED = row(status="FILLED", executedQty="0.002", fills=[FILL])
TRADE = {"x": "TRADE", "X": "FILLED", "l": "0.002", "z": "0.002", "L": "90000", "n": "0.1", "N": "BNB", "t": 5}
GONE = row(status="CANCELED", origClientOrderId="ida-1", clientOrderId="cxl")


def test_an_order_is_accepted_once_whoever_says_so_first() -> None:
    for steps in permutations((lambda b: b.reply(ok(row())), lambda b: b.event())):
        bench = Bench()
        bench.place()
        for step in steps:
            step(bench)
        assert bench.status() is S.NEW
        assert bench.executions == [X.NEW]


def test_a_fill_counts_once_in_any_order_of_reply_and_events() -> None:
    steps = (lambda b: b.reply(ok(FILLED)), lambda b: b.event(), lambda b: b.event(**TRADE), lambda b: b.event(**TRADE))
    for taken in permutations(steps):
        bench = Bench()
        bench.place()
        for step in taken:
            step(bench)
        found = bench.table.get("ida-1")
        assert found is not None
        assert (found.status, found.traded) == (S.FILLED, 200)
        assert bench.executions.count(X.TRADE) == 1


def test_what_was_sent_is_told_with_when_and_by_what() -> None:
    bench = Bench()
    bench.place()
    bench.reply(ok(row()))
    sent = bench.told[0]
    assert sent == RequestSent(ts_local_ns=500, instrument=0, order_id="ida-1", what="place", by="ws-api")


@pytest.mark.parametrize("reply", [refused(-2010, "Account has insufficient balance."), NOT_SENT])
def test_what_is_refused_or_was_never_sent_is_rejected(reply: Reply) -> None:
    bench = Bench()
    bench.place()
    bench.reply(reply)
    found = bench.table.get("ida-1")
    assert found is not None
    assert (found.status, found.code, found.reason) == (S.REJECTED, reply.code, reply.msg)
    assert bench.doubts.doubted == []


def test_an_order_that_nobody_answered_is_unknown_until_an_event_tells() -> None:
    bench = Bench()
    bench.place()
    bench.reply(lost())
    assert (bench.status(), bench.doubts.doubted) == (S.UNKNOWN, [("ida-1", "place")])
    bench.event()
    assert bench.status() is S.NEW


def test_a_lost_reply_is_no_doubt_where_an_event_has_told() -> None:
    bench = Bench()
    bench.place()
    bench.event()
    bench.reply(lost())
    assert (bench.status(), bench.doubts.doubted) == (S.NEW, [])


def test_an_id_that_is_in_use_is_refused_and_the_other_order_lives() -> None:
    bench = Bench()
    bench.place()
    bench.reply(ok(row()))
    bench.manager._tell = bench.told.append
    bench.manager.request(order(), NOW)
    bench.reply(refused(-2010, "Duplicate order sent."))
    last = bench.told[-1]
    assert isinstance(last, OrderUpdate)
    assert (last.execution, last.reason) == (X.REJECTED, "Duplicate order sent.")
    known = bench.manager.known.get("ida-1")
    assert known is not None
    assert not known.is_closed


def test_a_cancel_ends_the_order_once() -> None:
    end = {"c": "cxl", "C": "ida-1", "x": "CANCELED", "X": "CANCELED"}
    for steps in permutations((lambda b: b.reply(ok(GONE)), lambda b: b.event(**end))):
        bench = accepted()
        bench.send(CancelOrder(order_id="ida-1", instrument=0, strategy="one"))
        for step in steps:
            step(bench)
        assert (bench.status(), bench.executions) == (S.CANCELED, [X.NEW, X.CANCELED])


def accepted(**given: Any) -> Bench:
    bench = Bench()
    bench.place(**given)
    bench.reply(ok(row()))
    return bench


def test_a_refused_cancel_is_looked_into() -> None:
    bench = accepted()
    bench.send(CancelOrder(order_id="ida-1", instrument=0, strategy="one"))
    bench.reply(refused(-2011, "Unknown order sent."))
    assert bench.executions == [X.NEW, X.CANCEL_REJECTED]
    assert bench.doubts.looked == ["ida-1"]


def test_a_cancel_that_nobody_answered_makes_the_order_unknown() -> None:
    bench = accepted()
    bench.send(CancelOrder(order_id="ida-1", instrument=0, strategy="one"))
    bench.reply(lost())
    assert (bench.status(), bench.doubts.doubted) == (S.UNKNOWN, [("ida-1", "cancel")])


def test_all_are_cancelled_one_by_one_and_a_list_by_one_of_its_legs() -> None:
    bench = accepted()
    bench.manager.on_event(report(c="foreign", i=99), NOW)
    stop = order("ida-3", type=OrderType.STOP_LOSS, price=None, stop_price=8)
    legs = (order("ida-2", type=OrderType.LIMIT_MAKER), stop)
    bench.send(PlaceList(order_id="list", kind=ListKind.OCO, legs=legs, instrument=0, strategy="one"))
    bench.reply(ok({"orderReports": [row(clientOrderId="ida-3", orderId=13), row(clientOrderId="ida-2", orderId=12)]}))
    bench.send(CancelAll(order_id="all", instrument=0))
    assert [call.client_order_id for call, _ in bench.calls] == ["ida-1", "ida-2"]
    ends = [row(status="CANCELED", origClientOrderId=f"ida-{n}", clientOrderId="x", orderId=10 + n) for n in (2, 3)]
    bench.reply(ok({"orderReports": ends}))
    assert [bench.status(f"ida-{n}") for n in (2, 3)] == [S.CANCELED, S.CANCELED]
    leg = bench.table.get("ida-3")
    assert leg is not None
    assert leg.list_id == "list"


def replaced(reply: Reply) -> Bench:
    bench = accepted()
    bench.send(ReplaceOrder(
        order_id="ida-1", new_order_id="ida-2", instrument=0, quantity=100, price=8_900_000, strategy="one"))
    bench.reply(reply)
    return bench


NEW_HALF = row(clientOrderId="ida-2", orderId=12, origQty="0.001")


def test_a_replacement_ends_the_one_and_begins_the_other() -> None:
    bench = replaced(ok({"cancelResult": "SUCCESS", "newOrderResult": "SUCCESS", "cancelResponse": GONE,
                         "newOrderResponse": NEW_HALF}))  # fmt: skip
    assert (bench.status("ida-1"), bench.status("ida-2")) == (S.CANCELED, S.NEW)


def test_half_a_replacement_is_told_as_half() -> None:
    half = {"cancelResult": "SUCCESS", "newOrderResult": "FAILURE", "cancelResponse": GONE,
            "newOrderResponse": {"code": -2010, "msg": "Order would immediately match and take."}}  # fmt: skip
    bench = replaced(refused(-2021, "Order cancel-replace partially failed.", half, 409))
    assert (bench.status("ida-1"), bench.status("ida-2")) == (S.CANCELED, S.REJECTED)


def test_a_replacement_that_failed_leaves_the_order() -> None:
    none = {"cancelResult": "FAILURE", "newOrderResult": "NOT_ATTEMPTED", "newOrderResponse": None,
            "cancelResponse": {"code": -2011, "msg": "Unknown order sent."}}  # fmt: skip
    for reply in (refused(-2022, "Order cancel-replace failed.", none), refused(-1013, "Filter failure: LOT_SIZE")):
        bench = replaced(reply)
        assert (bench.status("ida-1"), bench.status("ida-2")) == (S.NEW, S.REJECTED)


def test_both_halves_of_a_lost_replacement_are_unknown() -> None:
    bench = replaced(lost())
    assert (bench.status("ida-1"), bench.status("ida-2")) == (S.UNKNOWN, S.UNKNOWN)
    assert bench.doubts.doubted == [("ida-1", "replace"), ("ida-2", "place")]


def test_an_amendment_lowers_the_quantity() -> None:
    for steps in permutations((
        lambda b: b.reply(ok({"transactTime": 5, "amendedOrder": row(qty="0.001", origClientOrderId="ida-1")})),
        lambda b: b.event(x="REPLACED", q="0.001", C="ida-1"),
    )):
        bench = accepted()
        bench.send(AmendOrder(order_id="ida-1", instrument=0, quantity=100, strategy="one"))
        for step in steps:
            step(bench)
        found = bench.table.get("ida-1")
        assert found is not None
        assert (found.status, found.quantity, bench.executions) == (S.NEW, 100, [X.NEW, X.REPLACED])


def test_a_reply_that_cannot_be_read_is_asked_about() -> None:
    bench = Bench()
    noted: list[str] = []
    bench.manager.on_unreadable = noted.append
    bench.place()
    bench.reply(ok({"symbol": "BTCUSDT", "orderId": "eleven"}))
    assert (bench.status(), bench.doubts.doubted, len(noted)) == (S.UNKNOWN, [("ida-1", "place")], 1)


def test_a_stop_that_is_told_as_new_again_was_triggered() -> None:
    bench = Bench()
    bench.place(type=OrderType.STOP_LOSS_LIMIT, stop_price=9_100_000)
    bench.event(w=False)
    bench.event(w=True)
    bench.event(w=True)
    assert bench.executions == [X.NEW, X.TRIGGERED]


def test_balances_and_transfers_are_told() -> None:
    bench = Bench()
    bench.manager.on_event({"e": "outboundAccountPosition", "E": 1, "u": 1, "B": [
        {"a": "USDT", "f": "1", "l": "2"}]}, NOW)  # fmt: skip
    bench.manager.on_event({"e": "balanceUpdate", "E": 1, "a": "BTC", "d": "0.5", "T": 2}, NOW)
    bench.manager.on_event({"e": "somethingNew", "E": 1}, NOW)
    assert [type(event) for event in bench.told] == [BalanceUpdate, Transfer]
    assert bench.manager.balances == {"USDT": (Decimal(1), Decimal(2))}


# ------------------------------------------------------------------ asking


class Exchange:
    """Answers questions from what it has; nothing that a request could have changed."""

    def __init__(self) -> None:
        self.orders: dict[str, dict[str, Any]] = {}
        self.trades: list[dict[str, Any]] = []
        self.balances = [{"asset": "USDT", "free": "10", "locked": "0"}]
        self.asked: list[str] = []
        self.is_mute = False
        self.meanwhile: Callable[[], None] = lambda: None

    async def ask(self, call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        self.asked.append(call.method)
        if self.is_mute:
            return NOT_SENT
        if call.method == "order.status":
            number = call.params.get("orderId")
            name = call.params.get("origClientOrderId")
            found = [o for o in self.orders.values() if o["clientOrderId"] == name or str(o["orderId"]) == number]
            return ok(found[0]) if found else refused(-2013, "Order does not exist.")
        if call.method == "openOrders.status":
            return ok([o for o in self.orders.values() if o["status"] in ("NEW", "PARTIALLY_FILLED")])
        if call.method == "myTrades":
            first, limit = int(call.params.get("fromId", 0)), int(call.params.get("limit", 500))
            number = call.params.get("orderId")
            rows = [t for t in self.trades if t["id"] >= first and number in (None, str(t["orderId"]))]
            return ok(rows[:limit])
        if call.method == "exchangeInfo":
            return ok({"symbols": [{"symbol": call.params["symbol"], "baseAsset": "ETH", "quoteAsset": "EUR"}]})
        self.meanwhile()
        return ok({"balances": self.balances})


def trade(number: int, order_number: int, lots: int = 100) -> dict[str, Any]:
    return {"symbol": "BTCUSDT", "id": number, "orderId": order_number, "orderListId": -1, "price": "90000",
            "qty": str(lots * BTC.lot_size), "commission": "0.1", "commissionAsset": "BNB", "time": 5, "isBuyer": True,
            "isMaker": True}  # fmt: skip


class Asking(Bench):
    """With the parts that ask."""

    def __init__(self, recv_window_ms: int = 1) -> None:
        super().__init__()
        self.exchange = Exchange()
        self.settling = Settling(
            self.manager, self.manager._reports, self.exchange.ask, recv_window_ms, lambda: True, 0.0)
        self.manager.doubts = self.settling
        self.reconciler = Reconciler(
            self.manager, self.settling, self.manager._reports, self.exchange.ask, self.tell, lambda: True, every_s=60,
            patience_s=5)  # fmt: skip
        self.manager.on_strange = self.reconciler.strange

    async def settle(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.settling.run)
            with trio.fail_after(20):
                while not self.settling.is_idle:
                    await trio.sleep(0.01)
            nursery.cancel_scope.cancel()


async def test_an_order_that_arrived_after_all_is_found_with_its_fills() -> None:
    bench = Asking()
    bench.place()
    bench.exchange.orders["a"] = row(status="PARTIALLY_FILLED", executedQty="0.001")
    bench.exchange.trades.append(trade(5, 11))
    bench.reply(lost(steady_ns()))
    await bench.settle()
    found = bench.table.get("ida-1")
    assert found is not None
    assert (found.status, found.traded) == (S.PARTIALLY_FILLED, 100)


async def test_an_order_is_given_up_only_when_it_can_arrive_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ida_binance.settling.MARGIN_S", 0.3)
    bench = Asking()
    bench.place()
    sent_ns = steady_ns()
    bench.reply(lost(sent_ns))
    await bench.settle()
    assert steady_ns() - sent_ns >= 300_000_000
    assert bench.status() is S.REJECTED
    bench.event()  # a straggler, against all that was promised
    assert bench.status() is S.NEW
    bench.event(**TRADE)
    assert bench.status() is S.FILLED


async def test_an_open_order_tells_nothing_of_a_cancel_that_may_still_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ida_binance.settling.MARGIN_S", 0.3)
    bench = Asking()
    bench.place()
    bench.reply(ok(row()))
    bench.exchange.orders["a"] = row()
    bench.send(CancelOrder(order_id="ida-1", instrument=0, strategy="one"))
    bench.reply(lost(steady_ns()))
    await bench.settle()
    assert bench.status() is S.NEW
    assert bench.exchange.asked.count("order.status") >= 2


async def test_a_look_at_the_account_tells_what_was_missed() -> None:
    bench = Asking()
    bench.place()
    bench.reply(ok(row()))
    bench.exchange.orders["a"] = row(status="FILLED", executedQty="0.002")
    bench.exchange.orders["b"] = row(clientOrderId="web_1", orderId=12)
    bench.exchange.trades = [trade(5, 11), trade(6, 11), trade(7, 12, 40)]
    await bench.reconciler.look()
    found, foreign = bench.table.get("ida-1"), bench.table.get("web_1")
    assert found is not None
    assert foreign is not None
    assert (found.status, found.traded) == (S.FILLED, 200)
    assert (foreign.foreign, foreign.status, foreign.traded) == (True, S.PARTIALLY_FILLED, 40)
    snapshot = bench.told[-1]
    assert isinstance(snapshot, BalanceUpdate)
    assert (snapshot.reason, snapshot.balances) == ("SNAPSHOT", {"USDT": (Decimal(10), Decimal(0))})
    told = len(bench.told)
    await bench.reconciler.look()
    assert [type(event) for event in bench.told[told:]] == [BalanceUpdate]


async def test_a_trade_that_was_missed_is_found_though_later_ones_were_told() -> None:
    """One report of a healthy stream is lost, of an order that stays open; those after it come."""
    bench = Asking()
    bench.place()
    bench.reply(ok(row()))
    bench.exchange.orders["a"] = row(status="PARTIALLY_FILLED", executedQty="0.001")
    bench.exchange.orders["b"] = row(clientOrderId="web_1", orderId=12, status="FILLED", executedQty="0.001")
    bench.exchange.trades = [trade(5, 11), trade(6, 12, 60), trade(7, 12, 40)]
    bench.event(c="web_1", i=12)
    bench.event(**TRADE | {"c": "web_1", "i": 12, "t": 7})
    await bench.reconciler.look()
    found, foreign = bench.table.get("ida-1"), bench.table.get("web_1")
    assert found is not None
    assert foreign is not None
    assert found.traded == 100
    told = [event.trade_id for event in bench.told if isinstance(event, OrderUpdate) and event.execution is X.TRADE]
    assert sorted(told) == [5, 6, 7]
    asked = len(bench.exchange.asked)
    await bench.reconciler.look()
    assert bench.exchange.asked[asked:].count("myTrades") == 1


async def test_what_filled_while_nobody_listened_is_found_by_its_order() -> None:
    """A former run's order without a trade: the account's newest trade, which a run begins from, is its own."""
    bench = Asking()
    former = OrderTable("former")
    former.request(order(), 1)
    placed = former.get("ida-1")
    assert placed is not None
    bench.table.request(order(), 1)
    bench.manager.known.adopt(placed)
    bench.reconciler.baseline = {0: 9}
    bench.exchange.orders["a"] = row(status="FILLED", executedQty="0.002")
    bench.exchange.trades = [trade(8, 11), trade(9, 11)]
    await bench.reconciler.look()
    found = bench.table.get("ida-1")
    assert found is not None
    assert (found.status, found.traded) == (S.FILLED, 200)


async def test_a_cancel_that_overtook_its_order_does_not_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exchange knows no such order yet: that says nothing while its placement has an answer to come."""
    bench = Asking()
    bench.place()
    bench.send(CancelOrder(order_id="ida-1", instrument=0, strategy="one"))
    bench.reply(refused(-2011, "Unknown order sent."))
    await bench.settle()
    assert bench.status() is S.PENDING_NEW
    bench.event()
    assert bench.status() is S.NEW


async def test_trades_are_read_a_page_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ida_binance.reconcile.PAGE", 3)
    bench = Asking()
    bench.reconciler.baseline = {0: 3}
    bench.exchange.orders["b"] = row(clientOrderId="web_1", orderId=12)
    bench.exchange.trades = [trade(number, 12, 1) for number in range(12)]
    await bench.reconciler.look()
    told = [event.trade_id for event in bench.told if isinstance(event, OrderUpdate) and event.execution is X.TRADE]
    assert told == list(range(4, 12))


async def test_a_fill_of_another_symbol_is_told_by_what_it_moved() -> None:
    bench = Asking()
    bench.event(**TRADE, s="ETHEUR", c="web_7", Y="4.5")
    await bench.reconciler.look()
    moved = [(event.asset, event.amount) for event in bench.told if isinstance(event, Transfer)]
    assert moved == [("ETH", Decimal("0.002")), ("EUR", Decimal("-4.5")), ("BNB", Decimal("-0.1"))]
    assert bench.executions == []


async def test_balances_that_an_event_fell_into_are_no_snapshot() -> None:
    bench = Asking()
    bench.exchange.meanwhile = lambda: bench.manager.on_event({"e": "listStatus"}, NOW)
    await bench.reconciler.look()
    assert [event for event in bench.told if isinstance(event, BalanceUpdate)] == []


async def test_the_account_is_unknown_from_a_gap_until_all_is_answered() -> None:
    bench = Asking()
    bench.exchange.is_mute = True
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bench.reconciler.run)
        await until(lambda: any(isinstance(event, Note) for event in bench.told))
        assert not bench.reconciler.is_healthy
        bench.exchange.is_mute = False
        await until(lambda: bench.reconciler.is_healthy)
        bench.reconciler.gap("the socket ended")
        bench.reconciler.want()
        await until(lambda: bench.reconciler.is_healthy)
        nursery.cancel_scope.cancel()
    states = [event.state for event in bench.told if isinstance(event, VenueStatus)]
    assert states == ["RECONCILING", "HEALTHY", "DOWN", "RECONCILING", "HEALTHY"]


async def until(is_so: Callable[[], bool]) -> None:
    with trio.fail_after(20):
        while not is_so():
            await trio.sleep(0.01)
