"""The shipped risk checks: each at its limit, beyond it, and off."""

from decimal import Decimal

import pytest
from desk import Desk

from ida_core.events import Execution, ReplaceOrder
from ida_core.model import OrderType, Side
from ida_core.protocols import RiskCheck
from ida_core.risk import RiskGate
from plugins.risk import ida_risk_checks
from plugins.risk.daily_loss import DailyLoss
from plugins.risk.drawdown import Drawdown
from plugins.risk.max_notional import MaxNotional
from plugins.risk.max_open_orders import MaxOpenOrders
from plugins.risk.max_position import MaxPosition
from plugins.risk.max_quantity import MaxQuantity
from plugins.risk.order_rate import OrderRate
from plugins.risk.price_collar import PriceCollar

BUY, SELL = Side.BUY, Side.SELL
D = Decimal
CHECKS = ida_risk_checks()


@pytest.fixture
def desk() -> Desk:
    return Desk()


def made(kind: type[RiskCheck], **settings: object) -> RiskCheck:
    return kind(kind.Config(**settings))


def test_the_reasons_are_the_names_of_the_files() -> None:
    assert [kind.name for kind in CHECKS] == [
        kind.__module__.removeprefix("plugins.risk.") for kind in CHECKS
    ]


@pytest.mark.parametrize("kind", CHECKS, ids=lambda kind: kind.name)
def test_by_default_an_ordinary_order_passes(desk: Desk, kind: type[RiskCheck]) -> None:
    gate = RiskGate([kind()], desk.state)
    assert gate.approve(desk.order(BUY, 10)) is None
    assert gate.halts() is None


def test_max_quantity(desk: Desk) -> None:
    check = made(MaxQuantity, limit=D("0.010"), symbols={"BTCUSD_PERP": D(5)})
    assert check.check(desk.order(BUY, 10), desk.state) is None
    assert check.check(desk.order(BUY, 11), desk.state) == (
        "BTCUSDT: quantity 0.011 is above the limit 0.01"
    )
    assert check.check(desk.order(BUY, 5, instrument=2), desk.state) is None
    assert check.check(desk.order(BUY, 6, instrument=2), desk.state) is not None


def test_max_quantity_counts_what_a_quote_quantity_buys(desk: Desk) -> None:
    check = made(MaxQuantity, limit=D("0.016"))
    by_quote = desk.order(BUY, 0, type=OrderType.MARKET, quote_quantity=D(1000))
    assert check.check(by_quote, desk.state) == "BTCUSDT: quantity 0.017 is above the limit 0.016"


def test_max_notional(desk: Desk) -> None:
    check = made(MaxNotional, limit=D(600))
    assert check.check(desk.order(BUY, 10), desk.state) is None
    assert check.check(desk.order(BUY, 11), desk.state) == (
        "BTCUSDT: notional 660 is above the limit 600"
    )
    desk.mids[0] = None
    market = desk.order(BUY, 1, type=OrderType.MARKET)
    assert check.check(market, desk.state) == "BTCUSDT: there is no price to value the order at"


def test_max_position_counts_all_that_is_under_way(desk: Desk) -> None:
    check = made(MaxPosition, limit=D("0.010"))
    desk.hold(4)
    desk.tell(desk.place(BUY, 5), Execution.UNANSWERED)
    assert check.check(desk.order(BUY, 1), desk.state) is None
    assert check.check(desk.order(BUY, 2), desk.state) == (
        "BTCUSDT: the position could reach 0.011 on the side of BUY, above the limit 0.01"
    )
    assert check.check(desk.order(SELL, 14), desk.state) is None
    assert check.check(desk.order(SELL, 15), desk.state) is not None


def test_max_position_lets_too_large_a_position_be_closed(desk: Desk) -> None:
    desk.hold(20)
    check = made(MaxPosition, limit=D("0.010"))
    assert check.check(desk.order(SELL, 20), desk.state) is None
    assert check.check(desk.order(SELL, 31), desk.state) is not None
    assert check.check(desk.order(BUY, 1), desk.state) is not None


def test_max_position_counts_a_replacement_beside_its_order(desk: Desk) -> None:
    order_id = desk.place(BUY, 6)
    desk.tell(order_id, Execution.NEW)
    check = made(MaxPosition, limit=D("0.010"))
    request = ReplaceOrder(order_id=order_id, instrument=0, new_order_id="n", quantity=5, price=1)
    assert check.check(request, desk.state) is not None
    smaller = ReplaceOrder(order_id=order_id, instrument=0, new_order_id="n", quantity=4, price=1)
    assert check.check(smaller, desk.state) is None


def test_max_open_orders(desk: Desk) -> None:
    check = made(MaxOpenOrders, limit=2)
    desk.place(BUY, 1)
    assert check.check(desk.order(BUY, 1), desk.state) is None
    desk.place(SELL, 1)
    assert check.check(desk.order(BUY, 1), desk.state) == (
        "BTCUSDT: 2 orders are open, the limit is 2"
    )
    assert check.check(desk.order(BUY, 1, instrument=1), desk.state) is None


def test_order_rate_slides(desk: Desk) -> None:
    gate = RiskGate([made(OrderRate, limit=2, window_s=1.0)], desk.state)
    times_ms = (0, 600, 900, 1000, 1500, 1600)
    refused = []
    for now_ms in times_ms:
        desk.state.now_ns = now_ms * 1_000_000
        refusal = gate.approve(desk.order(BUY, 1))
        refused += [now_ms] if refusal is not None else []
    assert refused == [900, 1500]


@pytest.mark.parametrize(
    ("side", "price", "passes"),
    [(BUY, 606_000, True), (BUY, 606_001, False), (BUY, 300_000, True),
     (SELL, 594_000, True), (SELL, 593_999, False), (SELL, 900_000, True)],
)  # fmt: skip
def test_price_collar(desk: Desk, side: Side, price: int, passes: bool) -> None:
    check = made(PriceCollar, fraction=D("0.01"))
    order = desk.order(side, 1, type=OrderType.LIMIT, price=price)
    assert (check.check(order, desk.state) is None) is passes


def test_price_collar_is_exact_where_a_quotient_would_be_rounded(desk: Desk) -> None:
    """1/3 above the mid is 33.33…%: above any decimal with threes alone, at or under the next digit up."""
    desk.mids[0] = 300_000.0
    order = desk.order(BUY, 1, type=OrderType.LIMIT, price=400_000)
    threes = "0." + "3" * 40
    assert made(PriceCollar, fraction=D(threes)).check(order, desk.state) is not None
    assert made(PriceCollar, fraction=D(threes + "4")).check(order, desk.state) is None
    desk.mids[0] = 0.5
    assert made(PriceCollar, fraction=D(1)).check(desk.order(BUY, 1, price=1), desk.state) is None
    assert made(PriceCollar, fraction=D("0.99")).check(desk.order(BUY, 1, price=1), desk.state) is not None


def test_price_collar_says_how_far(desk: Desk) -> None:
    order = desk.order(BUY, 1, type=OrderType.LIMIT, price=660_000)
    sentence = "BTCUSDT: price 66000 is 10.00% above the mid, the limit is 5.00%"
    assert PriceCollar().check(order, desk.state) == sentence
    desk.mids[0] = None
    assert "no mid" in str(PriceCollar().check(order, desk.state))
    assert made(PriceCollar, fraction=None).check(order, desk.state) is None


def lose(desk: Desk, ticks: int) -> None:
    """Hold 0.1 and let the price fall: 10 ticks are 0.1 quote units."""
    desk.hold(100)
    desk.mids[0] = 600_000.0 - ticks
    desk.state.revalue(2)


@pytest.mark.parametrize("kind", [DailyLoss, Drawdown])
def test_a_loss_halts_and_lets_only_close(desk: Desk, kind: type[RiskCheck]) -> None:
    check = made(kind, limit=D(10))
    lose(desk, 999)
    assert check.halt(desk.state) is None
    desk.mids[0] = 599_000.0
    desk.state.revalue(3)
    sentence = check.halt(desk.state)
    assert sentence is not None
    assert "of 10 USDT has reached the limit 10" in sentence
    assert check.check(desk.order(BUY, 1), desk.state) == sentence
    assert check.check(desk.order(SELL, 100), desk.state) is None


def test_drawdown_as_a_part_of_the_peak() -> None:
    desk = Desk(capital="1000")
    check = made(Drawdown, fraction=D("0.01"))
    lose(desk, 1000)
    assert check.halt(desk.state) == "the drawdown of 10 USDT has reached the limit 10"


def test_a_part_of_nothing_is_no_limit(desk: Desk) -> None:
    lose(desk, 1000)
    assert made(Drawdown, fraction=D("0.01")).halt(desk.state) is None
