"""Rates come from the venue, else from the run's own markets."""

from decimal import Decimal

import msgspec
from instruments import INVERSE, LINEAR_ETH as LINEAR, SPOT
from native_records import apply, depth, snapshot

from ida_core.book import Market
from ida_core.rates import MarketRates

D = Decimal


def market(bid: int | None, ask: int = 0) -> Market:
    found = Market(0, 1 << 30)
    if bid is not None:
        apply(found, snapshot(1, [(bid, 5)], [(ask, 5)]))
        apply(found, depth(2))
    return found


def test_a_market_between_asset_and_currency_tells() -> None:
    rates = MarketRates("USDT", {}, [LINEAR, SPOT], [market(19_999, 20_001), market(5_000_000, 5_000_002)])
    assert rates["ETH"] == 2000
    assert rates["BTC"] == D("50000.01")
    assert dict(rates) == {"ETH": 2000, "BTC": D("50000.01")}
    assert rates.get("BNB") is None


def test_the_other_way_round() -> None:
    rates = MarketRates("BTC", {}, [INVERSE, SPOT], [market(1, 3), market(3_999_999, 4_000_001)])
    assert rates["USDT"] == D("0.000025")
    assert "USD" not in rates


def test_what_the_venue_says_goes_first() -> None:
    rates = MarketRates("USDT", {"BTC": D(7), "BNB": D(600)}, [SPOT], [market(5_000_000, 5_000_002)])
    assert (rates["BTC"], rates["BNB"]) == (7, 600)


def test_spot_goes_before_a_perpetual() -> None:
    perpetual = msgspec.structs.replace(LINEAR, base="BTC")
    rates = MarketRates("USDT", {}, [perpetual, SPOT], [market(400_000, 400_002), market(5_000_000, 5_000_002)])
    assert rates["BTC"] == D("50000.01")


def test_a_book_out_of_step_keeps_its_last_rate() -> None:
    lost, never = market(5_000_000, 5_000_002), market(None)
    rates = MarketRates("USDT", {}, [SPOT, LINEAR], [lost, never])
    assert rates["BTC"] == D("50000.01")
    lost.reset()
    assert rates["BTC"] == D("50000.01")
    assert rates.get("ETH") is None
    assert len(rates) == 1
