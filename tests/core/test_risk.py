"""The gate: what passes, what is refused and by which word, what halts."""

from decimal import Decimal

import pytest
from desk import Desk

from ida_core.events import (
    AmendOrder,
    AnyRequest,
    CancelAll,
    CancelOrder,
    Execution,
    OrderRequest,
    PlaceList,
    ReplaceOrder,
)
from ida_core.model import ListKind, OrderType, Side
from ida_core.protocols import RiskCheck
from ida_core.risk import DAY_NS, HEALTHY, RiskGate, RiskState


class Says(RiskCheck):
    """Answers what it is told to."""

    def __init__(self, name: str, sentence: str | None, halt: str | None = None) -> None:
        self.name = name  # type: ignore[misc]
        self.sentence, self.stop = sentence, halt
        self.asked = 0

    def check(self, request: AnyRequest, state: RiskState) -> str | None:
        self.asked += 1
        return self.sentence

    def halt(self, state: RiskState) -> str | None:
        return self.stop


class Breaks(RiskCheck):
    name = "broken"

    def check(self, request: AnyRequest, state: RiskState) -> str | None:
        raise ZeroDivisionError("no equity")

    def halt(self, state: RiskState) -> str | None:
        raise ZeroDivisionError("no equity")


BUY, SELL = Side.BUY, Side.SELL


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_the_first_no_refuses_with_its_checks_name(desk: Desk) -> None:
    last = Says("last", None)
    gate = RiskGate([Says("first", None), Says("second", "5 is above 4"), last], desk.state)
    refusal = gate.approve(desk.order(BUY, 5))
    assert refusal is not None
    assert (refusal.by, refusal.reason, refusal.detail) == ("second", "second", "5 is above 4")
    assert (refusal.instrument, refusal.ts_local_ns) == (0, 1)
    assert last.asked == 0
    assert gate.refused == {"second": 1}


def test_a_check_that_raises_refuses_and_is_named(desk: Desk) -> None:
    gate = RiskGate([Breaks()], desk.state)
    refusal = gate.approve(desk.order(BUY, 5))
    assert refusal is not None
    assert (refusal.by, refusal.reason) == ("broken", "check_failed")
    assert refusal.detail.startswith("ZeroDivisionError: no equity (test_risk.py:")
    name, sentence = gate.halts() or ("", "")
    assert name == "broken"
    assert sentence.startswith("the check failed: ZeroDivisionError: no equity (test_risk.py:")


def test_cancels_always_pass(desk: Desk) -> None:
    desk.stale.add(0)
    gate = RiskGate([Breaks(), Says("no", "no", "stop")], desk.state)
    gate.halts()
    assert gate.approve(CancelOrder(order_id="t-1", instrument=0)) is None
    assert gate.approve(CancelAll(order_id="", instrument=0)) is None
    assert gate.refused == {}


def reason(gate: RiskGate, request: AnyRequest) -> str | None:
    refusal = gate.approve(request)
    return None if refusal is None else refusal.reason


def test_nothing_is_opened_on_a_stale_market_but_closing_passes(desk: Desk) -> None:
    desk.hold(10)
    desk.stale.add(0)
    gate = RiskGate([], desk.state)
    assert reason(gate, desk.order(BUY, 1)) == "stale_market"
    assert reason(gate, desk.order(SELL, 10)) is None
    assert reason(gate, desk.order(SELL, 11)) == "stale_market", "it would change sides"
    assert reason(gate, desk.order(SELL, 11, reduce_only=True)) is None, "the venue sees to it"
    assert reason(gate, desk.order(BUY, 1, instrument=1)) is None, "another market"
    assert gate.refused == {"stale_market": 2}


def test_a_halt_stays_and_lets_nothing_open(desk: Desk) -> None:
    desk.hold(-10)
    loss = Says("loss", None, "lost 5 of 4")
    gate = RiskGate([Says("calm", None), loss], desk.state)
    assert gate.halts() == ("loss", "lost 5 of 4")
    loss.stop = None
    assert gate.halts() == ("loss", "lost 5 of 4")
    assert reason(gate, desk.order(SELL, 1)) == "halted"
    assert reason(gate, desk.order(BUY, 10)) is None


def test_without_a_halt_there_is_none(desk: Desk) -> None:
    assert RiskGate([Says("calm", None)], desk.state).halts() is None


def test_what_is_under_way_counts_in_closing(desk: Desk) -> None:
    desk.hold(10)
    desk.place(SELL, 7)
    assert desk.state.closing(desk.order(SELL, 3))
    assert not desk.state.closing(desk.order(SELL, 4)), "7 are being sold already"
    assert not desk.state.closing(desk.order(BUY, 1))
    assert desk.state.worst_position(0) == (3, 10)


def test_reduce_only_means_nothing_on_spot(desk: Desk) -> None:
    assert not desk.state.closing(desk.order(SELL, 1, instrument=1, reduce_only=True))


def test_unknown_counts_where_it_is_worse(desk: Desk) -> None:
    unknown = desk.place(BUY, 6)
    desk.tell(unknown, Execution.UNANSWERED)
    assert desk.state.worst_position(0) == (0, 6)
    assert not desk.state.closing(desk.order(SELL, 1)), "it may not have been filled"


def test_a_replacement_has_the_side_of_its_order_and_counts_beside_it(desk: Desk) -> None:
    old = desk.place(SELL, 6)
    desk.tell(old, Execution.NEW)
    request = ReplaceOrder(order_id=old, instrument=0, new_order_id="n", quantity=5, price=600100)
    assert desk.state.side(request) is SELL
    assert (desk.state.lots(request), desk.state.price_ticks(request)) == (5, 600100)
    assert desk.orders.request(request, 2) is None
    assert desk.state.worst_position(0) == (-11, 0)


def test_what_a_request_is_worth(desk: Desk) -> None:
    state = desk.state
    assert state.notional(desk.order(BUY, 10)) == 600
    assert state.notional(desk.order(BUY, 10, type=OrderType.MARKET)) == 600
    assert state.notional(desk.order(BUY, 10, instrument=2)) == 1000
    desk.mids[0] = desk.mids[2] = None
    assert state.notional(desk.order(BUY, 10, type=OrderType.MARKET)) is None
    assert state.notional(desk.order(BUY, 10, instrument=2, type=OrderType.MARKET)) == 1000
    stop = desk.order(BUY, 10, type=OrderType.STOP_LOSS, stop_price=610000)
    assert state.price_ticks(stop) == 610000


def test_an_order_by_quote_quantity_is_counted_in_lots_at_the_mid(desk: Desk) -> None:
    request = desk.order(BUY, 0, type=OrderType.MARKET, quote_quantity=Decimal(1000))
    assert desk.state.notional(request) == 1000
    assert desk.state.lots(request) == 17  # 1 000 / 60, rounded up
    desk.orders.request(request, 1)
    assert desk.state.worst_position(0) == (0, 17)


def test_approved_orders_count_toward_the_rate_for_a_time(desk: Desk) -> None:
    gate = RiskGate([], desk.state)
    assert desk.state.recent_orders(100) == 0
    for now_ns in (10, 50, 120):
        desk.state.now_ns = now_ns
        gate.approve(desk.order(BUY, 1))
    assert desk.state.recent_orders(100) == 2
    assert desk.state.recent_orders(50) == 1
    desk.state.now_ns = 500
    assert desk.state.recent_orders(100) == 0


def test_equity_its_peak_and_the_days_start(desk: Desk) -> None:
    desk = Desk(capital="1000")
    assert desk.state.equity == desk.state.day_start_equity == 1000
    desk.hold(100)  # 0.1 at 60 000
    for now_ns, mid, equity, peak, start in (
        (5, 601000.0, 1010, 1010, 1000),
        (DAY_NS - 1, 599000.0, 990, 1010, 1000),
        (DAY_NS, 599500.0, 995, 1010, 995),
        (DAY_NS + 5, 602000.0, 1020, 1020, 995),
    ):
        desk.mids[0] = mid
        desk.state.revalue(now_ns)
        state = desk.state
        assert (state.equity, state.peak_equity, state.day_start_equity) == (equity, peak, start)


def test_nothing_is_opened_while_the_venue_is_not_healthy(desk: Desk) -> None:
    gate = RiskGate([], desk.state)
    desk.state.venue_state = "RECONCILING"
    refusal = gate.approve(desk.order(Side.BUY, 5))
    assert refusal is not None
    assert (refusal.reason, gate.refused["venue_unhealthy"]) == ("venue_unhealthy", 1)
    assert "RECONCILING" in refusal.detail
    assert gate.approve(CancelOrder(order_id="t-1", instrument=0)) is None
    desk.hold(5)
    assert gate.approve(desk.order(Side.SELL, 5)) is None, "closing"
    desk.state.venue_state = HEALTHY
    assert gate.approve(desk.order(Side.BUY, 5)) is None


def bracket(desk: Desk, kind: ListKind = ListKind.OTOCO, lots: int = 5, out: int = 5) -> PlaceList:
    legs = (desk.order(Side.BUY, lots), desk.order(Side.SELL, out), desk.order(Side.SELL, out))
    legs = legs[1:] if kind is ListKind.OCO else legs
    return PlaceList(order_id=desk.orders.new_id(), instrument=0, kind=kind, legs=legs)


class Most(RiskCheck):
    """The worst position either way, and orders open, as each leg is asked about."""

    name = "most"

    def __init__(self) -> None:
        self.seen: list[tuple[int, int, int, int]] = []

    def check(self, request: OrderRequest, state: RiskState) -> str | None:
        self.seen.append((*state.worst_position(0), state.open_orders(0), state.recent_orders(DAY_NS)))
        return None


def test_legs_count_beside_each_other_and_a_pair_once(desk: Desk) -> None:
    check = Most()
    gate = RiskGate([check], desk.state)
    assert gate.approve(bracket(desk)) is None
    assert check.seen == [(0, 0, 0, 0), (0, 5, 1, 1), (0, 5, 2, 2)]
    assert desk.state.recent_orders(DAY_NS) == 3, "each leg is an order"
    assert gate.approve(bracket(desk, ListKind.OCO)) is None
    assert check.seen[3:] == [(0, 0, 0, 3), (0, 0, 1, 4)]
    assert gate.approve(bracket(desk, ListKind.OPOCO, out=0)) is None
    assert check.seen[6][:2] == (0, 5)
    assert desk.state.worst_position(0) == (0, 0), "nothing stands beside any more"


def test_a_no_to_a_leg_is_a_no_to_the_list(desk: Desk) -> None:
    class Small(RiskCheck):
        name = "small"

        def check(self, request: OrderRequest, state: RiskState) -> str | None:
            return None if state.lots(request) < 6 else "too large"

    request = bracket(desk, out=6)
    refusal = RiskGate([Small()], desk.state).approve(request)
    assert refusal is not None
    assert (refusal.request, refusal.reason) == (request, "small")
    assert refusal.detail == f"leg {request.legs[1].order_id}: too large"


def test_a_pair_that_closes_passes_a_stale_market_and_one_that_opens_does_not(desk: Desk) -> None:
    desk.stale.add(0)
    gate = RiskGate([], desk.state)
    assert gate.approve(bracket(desk, ListKind.OCO)) is not None
    desk.hold(5)
    assert gate.approve(bracket(desk, ListKind.OCO)) is None
    assert gate.approve(bracket(desk)) is not None
    assert gate.approve(AmendOrder(order_id="t-1", instrument=0, quantity=1)) is None
