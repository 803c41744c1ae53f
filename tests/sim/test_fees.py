from decimal import Decimal

import pytest

from ida_core import ConfigError, Instrument, InstrumentKind, Side
from ida_sim.exact import exact
from ida_sim.fees import SCHEDULES, Fee, Fees, Rates

D = Decimal
SPOT = Instrument(
    symbol="BTCUSDT", base="BTC", quote="USDT", tick_size=D("0.01"), lot_size=D("0.00001")
)
LINEAR = Instrument(
    symbol="BTCUSDT", base="BTC", quote="USDT", tick_size=D("0.1"), lot_size=D("0.001"),
    market="usdm", kind=InstrumentKind.LINEAR,
)  # fmt: skip
INVERSE = Instrument(
    symbol="BTCUSD_PERP", base="BTC", quote="USD", tick_size=D("0.1"), lot_size=D(1),
    market="coinm", kind=InstrumentKind.INVERSE, multiplier=D(100),
)  # fmt: skip
BNBEUR = Instrument(
    symbol="BNBEUR", base="BNB", quote="EUR", tick_size=D("0.01"), lot_size=D("0.0001")
)
PRICES = {"USDT": D(600)}


@pytest.mark.parametrize(
    ("instrument", "side", "lots", "price", "maker", "fee"),
    [
        # 0.5 BTC at 60 000.00: 0.1 % of what was received
        (SPOT, Side.BUY, 50000, 6000000, False, Fee(D("0.0005"), "BTC")),
        (SPOT, Side.SELL, 50000, 6000000, False, Fee(D("30"), "USDT")),
        # 0.00003 BTC: 0.00000003 BTC of fee; one lot less than a hundred-millionth is cut to 0
        (SPOT, Side.BUY, 3, 6000000, True, Fee(D("0.00000003"), "BTC")),
        # 0.01239 BTC at 61 234.57: 0.758696... USDT is cut off at the eighth decimal
        (SPOT, Side.SELL, 1239, 6123457, True, Fee(D("0.75869632"), "USDT")),
        # 0.1 BTC at 84 146.5: 0.02 % and 0.05 %, from the settlement asset either way
        (LINEAR, Side.BUY, 100, 841465, True, Fee(D("1.68293"), "USDT")),
        (LINEAR, Side.SELL, 100, 841465, False, Fee(D("4.207325"), "USDT")),
        # 7 contracts of 100 USD at 61 800.3: 700 / 61 800.3 * 0.05 % = 0.00000566... BTC
        (INVERSE, Side.BUY, 7, 618003, False, Fee(D("0.00000566"), "BTC")),
        (INVERSE, Side.SELL, 7, 618003, True, Fee(D("0.00000226"), "BTC")),
    ],
)
def test_the_fee_is_taken_from_the_asset_received(
    instrument: Instrument, side: Side, lots: int, price: int, maker: bool, fee: Fee
) -> None:
    assert Fees().fee(instrument, side, lots, price, maker, D(1000)) == fee


@pytest.mark.parametrize(
    ("bnb_free", "fee"),
    [
        # 30 USDT less 25 % at 600 USDT a BNB
        (D("0.0375"), Fee(D("0.0375"), "BNB")),
        (D("0.03749999"), Fee(D("0.0005"), "BTC")),
        (D(0), Fee(D("0.0005"), "BTC")),
    ],
)
def test_bnb_pays_the_whole_fee_or_none_of_it(bnb_free: Decimal, fee: Fee) -> None:
    fees = Fees(bnb_prices=PRICES)
    assert fees.fee(SPOT, Side.BUY, 50000, 6000000, False, bnb_free) == fee


def test_inverse_perpetuals_have_no_discount() -> None:
    fee = Fees(bnb_prices={"USD": D(600)}).fee(INVERSE, Side.BUY, 7, 618003, False, D(1000))
    assert fee == Fee(D("0.00000566"), "BTC")


def test_linear_perpetuals_have_ten_percent_off() -> None:
    fee = Fees(bnb_prices=PRICES).fee(LINEAR, Side.BUY, 100, 841465, False, D(1))
    assert fee == Fee(D("0.00631098"), "BNB")  # 4.207325 * 0.9 / 600 = 0.0063109875


def test_a_real_fill_in_bnb_is_charged_the_same() -> None:
    """0.0389 BNB at 307.75 EUR was charged 0.00002917 BNB; the ninth decimal was a 5."""
    fee = Fees(bnb_prices={}).fee(BNBEUR, Side.BUY, 389, 30775, False, D(1))
    assert fee == Fee(D("0.00002917"), "BNB")


def test_without_a_price_of_bnb_the_received_asset_pays() -> None:
    fees = Fees(bnb_prices={"EUR": D(500)})
    assert fees.fee(SPOT, Side.SELL, 1, 6000000, True, D(9)).asset == "USDT"


def test_a_rebate_comes_in_the_received_asset_and_is_truncated_too() -> None:
    fees = Fees(maker_fee=D("-0.00005"), bnb_prices=PRICES)
    assert fees.fee(SPOT, Side.SELL, 1239, 6123457, True, D(9)) == Fee(D("-0.03793481"), "USDT")


def test_rates_of_the_configuration_take_the_schedules_place() -> None:
    fees = Fees(tier=3, maker_fee=D(0))
    assert fees.rates(InstrumentKind.SPOT) == Rates(D(0), D("0.0006"))
    assert "maker 0 %, taker 0.06 % (rates of the configuration)" in fees.describe()


@pytest.mark.parametrize("kind", InstrumentKind)
def test_each_schedule_has_ten_tiers_and_never_rises(kind: InstrumentKind) -> None:
    tiers = SCHEDULES[kind]
    assert len(tiers) == 10
    for better, worse in zip(tiers[1:], tiers, strict=False):
        assert better.maker <= worse.maker
        assert better.taker <= worse.taker


def test_the_next_tier_is_worse() -> None:
    assert Fees(tier=2).next_tier() == Fees(tier=1)
    below = Fees().next_tier()
    assert below.rates(InstrumentKind.SPOT) == Rates(D("0.00125"), D("0.00125"))
    assert below.rates(InstrumentKind.LINEAR) == Rates(D("0.0003"), D("0.000625"))
    assert "made 1 tier worse" in below.describe()
    rebate = Fees(maker_fee=D("-0.0001"), taker_fee=D("0.002")).next_tier()
    assert rebate.rates(InstrumentKind.SPOT) == Rates(D(0), D("0.0025"))
    assert below.next_tier().rates(InstrumentKind.SPOT).maker == D("0.0015625")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tier": 10}, "sim.tier = 10: must be 0 to 9"),
        ({"tier": -1}, "sim.tier = -1: must be 0 to 9"),
        ({"maker_fee": D(2)}, "sim.maker_fee = 2: must be a fraction"),
        ({"taker_fee": D("NaN")}, "sim.taker_fee = NaN: must be a fraction"),
        ({"bnb_prices": {"USDT": D(0)}}, "sim.bnb_prices.USDT = 0: must be above 0"),
    ],
)
def test_what_cannot_be_is_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Fees(**settings)  # type: ignore[arg-type]
    assert message in str(caught.value)


def test_a_lost_digit_is_an_error_and_not_a_silence() -> None:
    with pytest.raises(ArithmeticError):
        exact(lambda: D(1) / 3)()
