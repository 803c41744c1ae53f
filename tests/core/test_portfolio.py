"""Positions and profit by hand-computed examples; the random ones are in test_money_machine.py."""

from decimal import Decimal

import pytest
from instruments import INVERSE, LINEAR, SPOT, fill

from ida_core.events import FundingPayment
from ida_core.model import Instrument, Side
from ida_core.portfolio import Portfolio, convert

D = Decimal
BUY, SELL = Side.BUY, Side.SELL


def portfolio_of(instrument: Instrument, *fills: tuple[Side, str, str]) -> Portfolio:
    portfolio = Portfolio([instrument])
    for side, quantity, price in fills:
        portfolio.apply(fill(instrument, side, quantity, price), "a")
    return portfolio


def test_buying_twice_and_selling_a_part_realizes_against_the_average() -> None:
    portfolio = portfolio_of(
        LINEAR, (BUY, "0.010", "60000"), (BUY, "0.030", "61000"), (SELL, "0.020", "61750")
    )
    position = portfolio.position("a", 0)
    assert position.average_price == 60750
    assert (position.quantity, position.lots) == (D("0.020"), 20)
    assert position.realized == 20  # 0.020 × (61 750 − 60 750)
    assert position.unrealized(LINEAR.ticks(D("60700"))) == -1  # 0.020 × (60 700 − 60 750)
    assert position.turnover == 600 + 1830 + 1235
    assert portfolio.equity({0: LINEAR.ticks(D("60700"))}) == 19


def test_selling_through_zero_opens_a_short_at_the_fills_price() -> None:
    portfolio = portfolio_of(LINEAR, (BUY, "0.010", "60000"), (SELL, "0.030", "60500"))
    position = portfolio.position("a", 0)
    assert (position.realized, position.quantity) == (5, D("-0.020"))
    assert position.average_price == 60500
    assert position.lots == -20
    assert position.unrealized(LINEAR.ticks(D("60400"))) == 2


def test_flat_again_nothing_is_left_over() -> None:
    portfolio = portfolio_of(
        INVERSE, (BUY, "3", "60001"), (BUY, "4", "60777.7"), (SELL, "7", "61000")
    )
    position = portfolio.position("a", 0)
    assert (position.quantity, position.cost, position.average_price) == (0, 0, None)
    assert position.unrealized(600000) == 0


def test_an_inverse_contract_pays_in_the_base_asset() -> None:
    portfolio = portfolio_of(INVERSE, (BUY, "100", "50000"), (SELL, "50", "62500"))
    position = portfolio.position("a", 0)
    assert portfolio.currency == "BTC"
    assert position.realized == D("0.02")  # 5 000/50 000 − 5 000/62 500
    assert position.average_price == 50000
    assert position.unrealized(INVERSE.ticks(D("40000"))) == D("-0.025")
    assert position.turnover == 15000


def test_a_short_inverse_position_gains_when_the_price_falls() -> None:
    position = portfolio_of(INVERSE, (SELL, "100", "50000")).position("a", 0)
    assert position.unrealized(INVERSE.ticks(D("40000"))) == D("0.05")


def test_a_spot_fee_in_the_base_asset_makes_the_position_smaller() -> None:
    portfolio = Portfolio([SPOT])
    portfolio.apply(fill(SPOT, BUY, "0.10000", "50000", "0.0001", "BTC"), "a")
    position = portfolio.position("a", 0)
    assert position.quantity == D("0.0999")
    assert position.fees == 5
    # The wallet: 0.0999 BTC at 51 000 less the 5 000 paid.
    assert position.net(SPOT.ticks(D("51000"))) == D("0.0999") * 51000 - 5000


def test_lots_are_what_can_be_sold_after_a_fee_in_the_base_asset() -> None:
    portfolio = Portfolio([SPOT])
    portfolio.apply(fill(SPOT, BUY, "0.00010", "50000", "0.0000001", "BTC"), "a")
    position = portfolio.position("a", 0)
    assert (position.quantity, position.lots) == (D("0.0000999"), 9)


def test_a_spot_fee_in_the_base_asset_when_selling_takes_more_of_it() -> None:
    portfolio = Portfolio([SPOT])
    portfolio.apply(fill(SPOT, BUY, "0.20000", "50000"), "a")
    portfolio.apply(fill(SPOT, SELL, "0.10000", "52000", "0.0001", "BTC"), "a")
    position = portfolio.position("a", 0)
    assert position.quantity == D("0.0999")
    assert position.net(SPOT.ticks(D("53000"))) == D("0.0999") * 53000 - 10000 + 5200


def test_a_fee_in_a_third_asset_is_valued_by_its_rate() -> None:
    portfolio = Portfolio([SPOT], {"BNB": D(500)})
    portfolio.apply(fill(SPOT, BUY, "0.1", "50000", "0.01", "BNB"), "a")
    assert portfolio.account(0).fees == 5
    assert portfolio.equity({0: SPOT.ticks(D("50000"))}) == -5


def test_a_fee_in_an_asset_without_a_rate_is_kept_apart() -> None:
    portfolio = Portfolio([SPOT])
    for _ in range(2):
        portfolio.apply(fill(SPOT, BUY, "0.1", "50000", "0.01", "BNB"), "a")
    account = portfolio.account(0)
    assert (account.fees, account.unvalued_fees) == (0, {"BNB": D("0.02")})
    assert portfolio.unvalued() == {"BNB"}


def test_a_rebate_is_a_negative_fee() -> None:
    portfolio = Portfolio([LINEAR])
    portfolio.apply(fill(LINEAR, BUY, "0.1", "60000", "-0.3", "USDT"), "a")
    assert portfolio.account(0).fees == D("-0.3")
    assert portfolio.equity({0: 600000}) == D("0.3")


def test_funding_goes_to_each_strategy_by_its_share() -> None:
    portfolio = Portfolio([LINEAR])
    portfolio.apply(fill(LINEAR, BUY, "0.3", "60000"), "a")
    portfolio.apply(fill(LINEAR, SELL, "0.1", "60000"), "b")
    payment = FundingPayment(
        instrument=0, rate=D("0.0001"), mark=D(60000), amount=D("-1.2"), asset="USDT"
    )
    portfolio.fund(payment)
    assert portfolio.account(0).funding == D("-1.2")
    assert portfolio.position("a", 0).funding == D("-1.8")
    assert portfolio.position("b", 0).funding == D("0.6")
    assert portfolio.equity({0: 600000}) == D("-1.2")


def test_strategies_are_told_apart_and_the_account_holds_all() -> None:
    portfolio = Portfolio([LINEAR])
    portfolio.apply(fill(LINEAR, BUY, "0.3", "60000"), "a")
    portfolio.apply(fill(LINEAR, SELL, "0.3", "60100"), "b")
    assert portfolio.position("a", 0).lots == 300
    assert portfolio.position("b", 0).lots == -300
    assert (portfolio.account(0).lots, portfolio.account(0).realized) == (0, 30)


def test_currencies_are_added_only_with_a_rate() -> None:
    rates: dict[str, D] = {}
    portfolio = Portfolio([LINEAR, INVERSE], rates, capital=D(1000))
    portfolio.apply(fill(LINEAR, BUY, "0.1", "60000"), "a")
    portfolio.apply(fill(INVERSE, BUY, "100", "50000", index=1), "a")
    mids = {0: LINEAR.ticks(D("60100")), 1: INVERSE.ticks(D("62500"))}
    assert portfolio.net_by_currency(mids) == {"USDT": 10, "BTC": D("0.04")}
    assert (portfolio.equity(mids), portfolio.unvalued()) == (1010, {"BTC"})
    rates["BTC"] = D(60000)
    assert (portfolio.equity(mids), portfolio.unvalued()) == (3410, set())


def test_without_a_mid_the_last_fill_values_the_position() -> None:
    portfolio = portfolio_of(LINEAR, (BUY, "0.010", "60000"), (BUY, "0.010", "60100"))
    assert portfolio.equity({0: None}) == 1


@pytest.mark.parametrize(
    ("asset", "into", "expected"),
    [
        ("USDT", "", D(6)),
        ("BNB", "", D(3000)),
        ("BNB", "BTC", D("0.06")),
        ("USDT", "BTC", D("0.00012")),
        ("XRP", "", None),
        ("BNB", "XRP", None),
    ],
)
def test_amounts_are_converted_by_their_prices(asset: str, into: str, expected: D | None) -> None:
    rates = {"BNB": D(500), "BTC": D(50000)}
    assert convert(D(6), asset, rates, "USDT", into) == expected
