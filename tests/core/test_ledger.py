"""The books by hand-computed examples; the random ones are in test_money_machine.py."""

from decimal import Decimal

import instruments
from instruments import INVERSE, SPOT

from ida_core.events import FundingPayment, OrderUpdate
from ida_core.ledger import ACCOUNTS, Ledger
from ida_core.model import Side

D = Decimal


def fill(
    index: int, side: Side, quantity: str, price: str, fee: str = "0", fee_asset: str = ""
) -> OrderUpdate:
    return instruments.fill((SPOT, INVERSE)[index], side, quantity, price, fee, fee_asset, index)


def books() -> Ledger:
    ledger = Ledger([SPOT, INVERSE])
    ledger.post_opening("USDT", D(10000))
    ledger.post_opening("BTC", D(1))
    return ledger


def test_a_spot_fill_moves_base_and_quote_and_takes_its_fee_where_the_venue_took_it() -> None:
    ledger = books()
    ledger.post_fill(fill(0, Side.BUY, "0.1", "50000", "0.0001", "BTC"))
    ledger.post_fill(fill(0, Side.SELL, "0.05", "52000", "0.01", "BNB"))
    assert ledger.balance("USDT") == 10000 - 5000 + 2600
    assert ledger.balance("BTC") == D("1.0499")
    assert ledger.balance("BNB") == D("-0.01")
    assert ledger.balance("BTC", "fees") == D("0.0001")
    assert ledger.balance("USDT", "market") == 2400
    assert ledger.assets() == ["BNB", "BTC", "USDT"]
    assert ledger.imbalance() == {}


def test_a_perpetual_moves_its_realized_profit_fee_and_funding() -> None:
    ledger = books()
    ledger.post_fill(fill(1, Side.BUY, "100", "50000", "0.0001", "BTC"))
    assert ledger.balance("BTC") == D("0.9999"), "opening a position moves nothing but the fee"
    ledger.post_fill(fill(1, Side.SELL, "50", "62500"))
    ledger.post_funding(
        FundingPayment(instrument=1, rate=D(0), mark=D(62500), amount=D("-0.001"), asset="BTC")
    )
    assert ledger.balance("BTC") == D("0.9999") + D("0.02") - D("0.001")
    assert [ledger.balance("BTC", name) for name in ACCOUNTS] == [
        D("1.0189"), 0, D("0.0001"), D("0.001"), D("-0.02"), -1,
    ]  # fmt: skip
    assert ledger.imbalance() == {}


def test_check_tells_what_is_not_explained() -> None:
    ledger = books()
    ledger.post_fill(fill(0, Side.BUY, "0.1", "50000"))
    venue = {
        "USDT": (D(4000), D(1000)),
        "BTC": (D("1.05"), D(0)),
        "DUST": (D("1e-21"), D(0)),
    }
    assert ledger.check(venue) == {"BTC": D("-0.05"), "DUST": 0, "USDT": 0}


def test_an_asset_the_venue_does_not_list_should_be_empty() -> None:
    assert books().check({"USDT": (D(10000), D(0))}) == {"BTC": -1, "USDT": 0}
