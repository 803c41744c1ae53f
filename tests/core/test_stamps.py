"""When a request was decided, approved, sent and answered: in the order, in the figures, in ``ida why``."""

from pathlib import Path

from made_runs import T0, MadeRun, S

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
    RequestSent,
)
from ida_core.model import ListKind, OrderType, Side
from ida_core.order_table import OrderTable
from ida_core.report import load
from ida_core.stamps import MOST_AWAITED, Stamps, steps
from ida_core.timings import Timings

US = 1_000


class Run:
    """An order table, and the stamps of what is asked of it."""

    def __init__(self) -> None:
        self.table = OrderTable("t")
        self.latency = {"order_out": Timings()}
        self.stamps = Stamps(self.table, self.latency)

    def leg(self) -> PlaceOrder:
        return PlaceOrder(order_id=self.table.new_id(), instrument=0, side=Side.SELL, type=OrderType.LIMIT, quantity=5,
                          price=100)

    def ask(self, request: AnyRequest, decided_ns: int = 0, approved_ns: int = 0) -> None:
        assert self.table.request(request, 0) is None
        self.stamps.asked(request, decided_ns, approved_ns)

    def tell(self, order_id: str, execution: Execution, ns: int) -> None:
        update = OrderUpdate(order_id=order_id, instrument=0, execution=execution, status=OrderStatus.NEW, quantity=1,
                             price=100, side=Side.SELL, trade_id=ns, ts_local_ns=ns, ts_venue_ns=ns)
        self.stamps.told(update)
        self.table.apply(update)

    def stamped(self, order_id: str) -> dict[str, int]:
        order = self.table.get(order_id)
        assert order is not None
        return order.stamps


def test_an_order_gets_its_chain_and_the_figures_their_steps() -> None:
    run = Run()
    request = run.leg()
    run.ask(request, decided_ns=100 * US, approved_ns=130 * US)
    assert not run.stamps.measures
    event = run.stamps.sent(RequestSent(order_id=request.order_id, what="place", by="ws-api", ts_local_ns=300 * US))
    assert (event.decided_ns, event.approved_ns, run.stamps.measures) == (100 * US, 130 * US, True)
    run.tell(request.order_id, Execution.NEW, 900 * US)
    run.tell(request.order_id, Execution.TRADE, 1500 * US)
    assert list(run.latency["order_out"]) == [200 * US]
    assert list(run.latency["order_ack"]) == [600 * US]
    assert [ns for _, ns in steps(run.stamped(request.order_id))] == [0, 30 * US, 170 * US, 600 * US, 600 * US]


def test_a_fill_answers_no_cancel() -> None:
    run = Run()
    request = run.leg()
    run.ask(request)
    run.tell(request.order_id, Execution.NEW, 10)
    run.ask(CancelOrder(order_id=request.order_id, instrument=0), decided_ns=20, approved_ns=21)
    run.stamps.sent(RequestSent(order_id=request.order_id, what="cancel", ts_local_ns=30))
    run.tell(request.order_id, Execution.TRADE, 40)
    assert not run.latency["order_ack"].count
    run.tell(request.order_id, Execution.CANCEL_REJECTED, 70)
    assert list(run.latency["order_ack"]) == [40]
    assert run.stamped(request.order_id)["cancel_sent"] == 30


def test_an_answer_that_came_before_its_bytes_were_told_of_is_the_answer() -> None:
    run = Run()
    request = run.leg()
    run.ask(request, decided_ns=1, approved_ns=2)
    run.tell(request.order_id, Execution.NEW, 10)
    run.stamps.sent(RequestSent(order_id=request.order_id, what="place", ts_local_ns=5))
    run.tell(request.order_id, Execution.TRADE, 500)
    assert (list(run.latency["order_out"]), list(run.latency["order_ack"])) == ([4], [5])


def test_a_request_stamps_all_the_orders_it_places() -> None:
    run = Run()
    legs = (run.leg(), run.leg())
    run.ask(PlaceList(order_id=run.table.new_id(), instrument=0, kind=ListKind.OCO, legs=legs), 7, 8)
    list_id = run.table.get(legs[0].order_id).list_id  # type: ignore[union-attr]
    run.stamps.sent(RequestSent(order_id=list_id, what="place_list", ts_local_ns=9))
    for leg in legs:
        assert {"decided": 7, "approved": 8, "sent": 9}.items() <= run.stamped(leg.order_id).items()


def test_a_replacement_stamps_the_new_order_and_its_bytes_the_old_one() -> None:
    run = Run()
    old = run.leg()
    run.ask(old)
    run.tell(old.order_id, Execution.NEW, 1)
    new_id = run.table.new_id()
    run.ask(ReplaceOrder(order_id=old.order_id, new_order_id=new_id, instrument=0, quantity=3, price=99), 17, 18)
    run.stamps.sent(RequestSent(order_id=old.order_id, what="replace", ts_local_ns=19))
    assert run.stamped(old.order_id)["replace_sent"] == 19
    assert run.stamped(new_id)["sent"] == 19
    assert "sent" not in run.stamped(old.order_id)


def test_a_venue_that_never_tells_costs_no_memory() -> None:
    run = Run()
    for _ in range(2 * MOST_AWAITED):
        run.stamps.asked(run.leg(), 1, 2)
    assert len(run.stamps._asked) <= MOST_AWAITED
    assert run.stamps.sent(RequestSent(order_id="t-1", what="place", ts_local_ns=5)).decided_ns == 0


def test_what_a_journal_has_already_is_kept() -> None:
    run = Run()
    request = run.leg()
    assert run.table.request(request, 0) is None
    told = RequestSent(order_id=request.order_id, what="place", ts_local_ns=5, decided_ns=3, approved_ns=4)
    assert run.stamps.sent(told) == told
    assert run.stamped(request.order_id)["decided"] == 3


def test_the_story_of_an_order_ends_with_its_chain(tmp_path: Path) -> None:
    run = MadeRun(tmp_path / "run")
    run.top(0, 9_999, 10_001)
    run.place(S, "a", Side.BUY, 10_000, 10)
    run.event(RequestSent(order_id="a", what="place", by="rest", ts_local_ns=T0 + S + 250 * US,
                          decided_ns=T0 + S + 20 * US, approved_ns=T0 + S + 45 * US))
    run.accept(S + 3_250 * US, "a", Side.BUY, 10)
    report = load(run.end(2 * S))
    texts = [text for _, text in report.order_story("a")]
    assert texts[1] == "the bytes of the request (place) went to the exchange by rest, 230 µs after the decision"
    assert "known 3.25 ms after the request, 3000 µs after its bytes" in texts[2]
    assert texts[-1] == "event → decision 20 µs → risk 25 µs → sent 205 µs → acknowledged 3000 µs"
    assert [values for values in report.latencies().values() if values] == [[3250.0], [230.0], [3000.0]]


def test_the_story_of_a_leg_tells_what_it_waits_for(tmp_path: Path) -> None:
    run = MadeRun(tmp_path / "run")
    run.top(0, 9_999, 10_001)
    legs = tuple(
        PlaceOrder(order_id=name, strategy="maker", instrument=0, side=side, type=OrderType.LIMIT, quantity=10,
                   price=price, ts_local_ns=T0 + S)
        for name, side, price in (("a", Side.BUY, 10_000), ("b", Side.SELL, 10_100)))
    run.event(PlaceList(order_id="l", strategy="maker", instrument=0, kind=ListKind.OTO, legs=legs, ts_local_ns=T0 + S))
    run.event(RequestSent(order_id="l", what="place_list", by="ws-api", ts_local_ns=T0 + S + 90 * US,
                          decided_ns=T0 + S + 20 * US, approved_ns=T0 + S + 45 * US))
    run.accept(S + 5_000 * US, "a", Side.BUY, 10)
    run.update(S + 5_000 * US, "b", Execution.NEW, OrderStatus.PENDING_NEW, Side.SELL, order_quantity=10)
    run.fill(2 * S, "a", Side.BUY, 10_000, 10, of=10)
    run.accept(2 * S, "b", Side.SELL, 10)
    run.event(AmendOrder(order_id="b", strategy="maker", instrument=0, quantity=4, ts_local_ns=T0 + 3 * S))
    run.update(3 * S + 1, "b", Execution.REPLACED, OrderStatus.NEW, Side.SELL, order_quantity=4, leaves=4)
    run.update(4 * S, "b", Execution.EXPIRED, OrderStatus.EXPIRED, Side.SELL, reason="OCO_TRIGGER", order_quantity=4)
    texts = [text for _, text in load(run.end(5 * S)).order_story("b")]
    for text, begins in zip(texts, (
        "maker asked to sell 0.0001 BTCUSDT LIMIT GTC at 101, in the OTO list l with a",
        "the bytes of the request (place_list) went to the exchange by ws-api, 70 µs after the decision",
        "accepted, to wait for another order of its list; known 5 ms after the request, 4910 µs after its bytes",
        "works now: the order that it waited for is filled",
        "to be lowered to 0.00004, in its place",
        "its quantity is another now; 0 of 0.00004 were filled",
        "expired: the other order of the pair was filled or triggered",
        "event → decision 20 µs → risk 25 µs → sent 45 µs → acknowledged 4910 µs",
    ), strict=True):
        assert text.startswith(begins)
