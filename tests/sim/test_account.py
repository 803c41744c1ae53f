"""The exchange's account by hand-computed cases; test_account_twin.py does it at random."""

from decimal import Decimal

import msgspec
import pytest

from ida_core import (
    ConfigError,
    FundingPayment,
    Instrument,
    InstrumentKind,
    OrderStateError,
    OrderType,
    PlaceOrder,
    Side,
)
from ida_sim.account import Account
from ida_sim.fees import Fee

D = Decimal
SPOT = Instrument(
    symbol="BTCUSDT", base="BTC", quote="USDT", tick_size=D("0.01"), lot_size=D("0.00001")
)
LINEAR = Instrument(
    symbol="BTCUSDT", name="usdm:BTCUSDT", base="BTC", quote="USDT", tick_size=D("0.1"),
    lot_size=D("0.001"), kind=InstrumentKind.LINEAR,
)  # fmt: skip
INVERSE = Instrument(
    symbol="BTCUSD_PERP", base="BTC", quote="USD", tick_size=D("0.1"), lot_size=D(1),
    kind=InstrumentKind.INVERSE, multiplier=D(100),
)  # fmt: skip
FREE = Fee(D(0), "USDT")
POOR = (-2010, "Account has insufficient balance for requested action.")
NO_MARGIN = (-2019, "Margin is insufficient.")


def buy(lots: int, price: int | None = None, side: Side = Side.BUY, **more: object) -> PlaceOrder:
    kind = OrderType.MARKET if price is None else OrderType.LIMIT
    return PlaceOrder(order_id="a", side=side, type=kind, quantity=lots, price=price, **more)  # type: ignore[arg-type]


def sell(lots: int, price: int | None = None, **more: object) -> PlaceOrder:
    return buy(lots, price, Side.SELL, **more)


class TestSpot:
    def test_a_limit_buy_locks_its_notional(self) -> None:
        account = Account({"USDT": D(1000)})
        assert account.hold(1, buy(1000, 6000000), SPOT) is None  # 0.01 BTC at 60 000
        assert account.balances() == {"USDT": (D(400), D(600))}
        assert account.hold(2, buy(1000, 6000000), SPOT) == POOR
        account.release(1)
        assert account.balances() == {"USDT": (D(1000), D(0))}

    def test_a_sell_locks_the_base(self) -> None:
        account = Account({"BTC": D("0.5")})
        assert account.hold(1, sell(50001, 6000000), SPOT) == POOR
        assert account.hold(1, sell(50000, 6000000), SPOT) is None
        assert account.balances()["BTC"] == (D(0), D("0.5"))

    def test_what_a_better_price_saves_is_free_again(self) -> None:
        account = Account({"USDT": D(1000)})
        account.hold(1, buy(1000, 6000000), SPOT)
        account.fill(1, 400, 5900000, Fee(D("0.000004"), "BTC"))  # 236 of 240 held
        assert account.balances() == {"BTC": (D("0.003996"), D(0)), "USDT": (D(404), D(360))}
        account.fill(1, 600, 6000000, Fee(D("0.36"), "USDT"))
        assert account.balances() == {"BTC": (D("0.009996"), D(0)), "USDT": (D("403.64"), D(0))}

    def test_a_sell_receives_quote_less_the_fee(self) -> None:
        account = Account({"BTC": D("0.5"), "BNB": D(1)})
        account.hold(1, sell(50000, 6000000), SPOT)
        account.fill(1, 20000, 6000001, Fee(D("0.015"), "BNB"))
        assert account.balances() == {
            "BNB": (D("0.985"), D(0)), "BTC": (D(0), D("0.3")), "USDT": (D("12000.002"), D(0))
        }  # fmt: skip

    def test_a_market_buy_is_held_at_the_worst_level_it_takes(self) -> None:
        account = Account({"USDT": D(601)})
        assert account.hold(1, buy(1000), SPOT, reference_ticks=6020000) == POOR
        assert account.hold(1, buy(1000), SPOT, reference_ticks=6010000) is None
        account.fill(1, 500, 6000000, FREE)
        account.fill(1, 500, 6010000, FREE)
        assert account.balances()["USDT"] == (D("0.5"), D(0))

    def test_a_market_buy_by_notional_holds_just_that(self) -> None:
        account = Account({"USDT": D(100)})
        order = buy(0, quote_quantity=D("99.99"))
        assert account.hold(1, order, SPOT, reference_ticks=6000000) is None
        account.fill(1, 166, 6000000, FREE)  # 99.60
        assert account.balances()["USDT"] == (D("0.01"), D("0.39"))
        account.release(1)
        assert account.balances()["USDT"] == (D("0.40"), D(0))

    def test_a_market_sell_by_notional_holds_whole_lots_at_the_worst_level(self) -> None:
        account = Account({"BTC": D("0.002")})
        order = sell(0, quote_quantity=D(100))
        assert account.hold(1, order, SPOT, reference_ticks=4900000) == POOR  # 0.00205 BTC
        assert account.hold(1, order, SPOT, reference_ticks=6000000) is None
        assert account.balances()["BTC"] == (D("0.00033"), D("0.00167"))

    def test_an_empty_book_holds_nothing(self) -> None:
        account = Account({"USDT": D(1)})
        assert account.hold(1, buy(1000), SPOT) is None
        assert account.hold(2, sell(0, quote_quantity=D(10)), SPOT) is None

    def test_an_amendment_gives_back_the_difference(self) -> None:
        account = Account({"USDT": D(1000)})
        account.hold(1, buy(1000, 6000000), SPOT)
        account.amend(1, 400)
        assert account.balances()["USDT"] == (D(760), D(240))

    def test_reduce_only_is_for_perpetuals(self) -> None:
        refused = Account({"USDT": D(1000)}).hold(1, buy(1, 100, reduce_only=True), SPOT)
        assert refused == (-1106, "Parameter 'reduceOnly' sent when not required.")

    def test_a_fill_worse_than_its_reference_shows_as_negative_free(self) -> None:
        account = Account({"USDT": D(600)})
        account.hold(1, buy(1000), SPOT, reference_ticks=6000000)
        account.fill(1, 1000, 6100000, FREE)
        assert account.balances()["USDT"] == (D(-10), D(0))


class TestLinear:
    def test_initial_margin_is_value_by_leverage(self) -> None:
        account = Account({"USDT": D(1000)}, leverage=10)
        assert account.hold(1, buy(166, 600000), LINEAR) is None  # 9 960 / 10
        assert account.balances()["USDT"] == (D(4), D(996))
        assert account.hold(2, buy(1, 600000), LINEAR) == NO_MARGIN
        assert account.hold(3, sell(166, 600000), LINEAR) is None  # the other side needs no more
        assert account.balances()["USDT"] == (D(4), D(996))

    def test_realized_profit_is_by_average_cost(self) -> None:
        account = Account({"USDT": D(1000)})
        for order_id, price in ((1, 600000), (2, 610000)):
            account.hold(order_id, buy(10, price), LINEAR)
            account.fill(order_id, 10, price, Fee(D("0.3"), "USDT"))
        assert account.balances()["USDT"] == (D("938.9"), D("60.5"))  # 1 210 / 20
        account.hold(3, sell(20, 620000), LINEAR)
        assert account.fill(3, 5, 620000, FREE) == D("7.5")  # 0.005 * (62 000 - 60 500)
        assert account.fill(3, 15, 620000, FREE) == D("22.5")
        assert account.balances()["USDT"] == (D("1029.4"), D(0))
        assert not account.position(LINEAR).lots

    def test_turning_around_closes_then_opens(self) -> None:
        account = Account({"USDT": D(1000)})
        account.hold(1, buy(10, 600000), LINEAR)
        account.fill(1, 10, 600000, FREE)
        account.hold(2, sell(30, 590000), LINEAR)
        assert account.fill(2, 30, 590000, FREE) == D(-10)
        assert account.position(LINEAR).quantity == D("-0.02")
        assert account.position(LINEAR).entry_price == D(59000)
        assert account.balances()["USDT"] == (D(931), D(59))

    def test_a_closing_order_needs_no_margin(self) -> None:
        account = Account({"USDT": D(30)})
        account.hold(1, buy(10, 600000), LINEAR)
        account.fill(1, 10, 600000, Fee(D("0.3"), "USDT"))
        assert account.balances()["USDT"] == (D(0), D("29.7"))  # all there is
        assert account.hold(2, sell(10, 600000), LINEAR) is None
        assert account.hold(3, sell(11, 600000), LINEAR) == NO_MARGIN

    def test_a_sell_below_the_bid_is_valued_at_the_bid(self) -> None:
        account = Account({"USDT": D(1000)})
        account.hold(1, sell(10, 500000), LINEAR, reference_ticks=600000)
        assert account.balances()["USDT"][1] == D(30)

    def test_losses_at_the_mark_count_and_profits_do_not(self) -> None:
        account = Account({"USDT": D(100)})
        account.hold(1, buy(10, 600000), LINEAR)
        account.fill(1, 10, 600000, FREE)
        account.mark(LINEAR, D(54000))  # 60 lost, 30 reserved, so 10 for margin
        assert account.hold(2, buy(4, 540000), LINEAR) == NO_MARGIN
        assert account.hold(2, buy(3, 540000), LINEAR) is None
        account.release(2)
        account.mark(LINEAR, D(90000))
        assert account.hold(3, buy(16, 900000), LINEAR) == NO_MARGIN

    def test_reduce_only_never_opens(self) -> None:
        account = Account({"USDT": D(1000)})
        refused = (-2022, "ReduceOnly Order is rejected.")
        assert account.hold(1, sell(10, 600000, reduce_only=True), LINEAR) == refused
        account.hold(1, buy(10, 600000), LINEAR)
        account.fill(1, 10, 600000, FREE)
        assert account.hold(2, buy(1, 600000, reduce_only=True), LINEAR) == refused
        assert account.hold(2, sell(11, 600000, reduce_only=True), LINEAR) == refused
        assert account.hold(2, sell(10, 600000, reduce_only=True), LINEAR) is None
        assert account.hold(3, sell(10, 610000, reduce_only=True), LINEAR) is None
        assert account.reducible(LINEAR, Side.SELL) == 10
        account.fill(2, 4, 600000, FREE)
        assert (account.reducible(LINEAR, Side.SELL), account.reducible(LINEAR, Side.BUY)) == (6, 0)
        assert account.balances()["USDT"] == (D(982), D(18))

    def test_a_quote_quantity_is_for_spot(self) -> None:
        refused = Account({"USDT": D(1000)}).hold(1, buy(0, quote_quantity=D(10)), LINEAR)
        assert refused == (-1106, "Parameter 'quoteOrderQty' sent when not required.")

    def test_longs_pay_a_positive_funding_rate(self) -> None:
        account = Account({"USDT": D(1000)})
        rate, mark = D("0.00002754"), D("28157.10")
        assert account.fund(LINEAR, rate, mark) is None
        account.hold(1, buy(10, 281571), LINEAR)
        account.fill(1, 10, 281571, FREE)
        paid = account.fund(LINEAR, rate, mark)  # 281.571 * 0.00002754 = 0.00775446534
        assert paid == FundingPayment(rate=rate, mark=mark, amount=D("-0.00775447"), asset="USDT")
        assert sum(account.balances()["USDT"]) == D("999.99224553")

    def test_margin_that_no_longer_covers_is_told_once(self) -> None:
        account = Account({"USDT": D(40)})
        account.hold(1, buy(10, 600000), LINEAR)
        account.fill(1, 10, 600000, FREE)
        assert account.mark(LINEAR, D(57000)) is None
        assert round(account.reach("USDT"), 9) == D("0.006771930")  # (10 - 2.28) / (2 x 570)
        told = account.mark(LINEAR, D(56200))  # 2 left, 2.248 needed
        assert told is not None
        assert told == (
            "liquidation: the margin balance, 2 USDT, is below the maintenance margin, 2.248, at usdm:BTCUSDT 56200")
        assert account.mark(LINEAR, D(56000)) is None
        assert account.mark(LINEAR, D(57000)) is None
        assert account.mark(LINEAR, D(56200)) is not None


class TestInverse:
    def test_profit_is_in_the_base_coin(self) -> None:
        account = Account({"BTC": D(1)})
        account.hold(1, buy(10, 500000), INVERSE)
        assert account.balances()["BTC"][1] == D("0.001")  # 1 000 USD at 50 000, by 20
        account.fill(1, 10, 500000, FREE)
        account.hold(2, sell(10, 625000), INVERSE)
        # 10 * 100 * (1 / 50 000 - 1 / 62 500)
        assert account.fill(2, 10, 625000, FREE) == D("0.004")
        assert account.balances()["BTC"] == (D("1.004"), D(0))

    def test_a_short_gains_when_the_price_falls(self) -> None:
        account = Account({"BTC": D(1)})
        account.hold(1, sell(10, 625000), INVERSE)
        account.fill(1, 10, 625000, FREE)
        account.hold(2, buy(10, 500000), INVERSE)
        assert account.fill(2, 10, 500000, FREE) == D("0.004")

    def test_funding_is_paid_in_coin(self) -> None:
        account = Account({"BTC": D(1)})
        account.hold(1, sell(10, 500000), INVERSE)
        account.fill(1, 10, 500000, FREE)
        received = account.fund(INVERSE, D("0.0001"), D(50000))
        assert received is not None
        assert (received.amount, received.asset) == (D("0.000002"), "BTC")


def test_two_instruments_share_the_wallet_of_their_settlement_asset() -> None:
    account = Account({"USDT": D(100)})
    other = msgspec.structs.replace(LINEAR, name="usdm:ETHUSDT", symbol="ETHUSDT", base="ETH")
    assert account.hold(1, buy(20, 600000), LINEAR) is None  # 60
    assert account.hold(2, buy(20, 600000), other) == NO_MARGIN
    assert account.hold(2, buy(1000, 4000000), SPOT) == POOR  # 400
    assert account.hold(2, buy(100, 4000000), SPOT) is None  # 40
    assert account.balances()["USDT"] == (D(0), D(100))


def test_the_filters_are_told_what_is_open_and_held() -> None:
    account = Account({"USDT": D(1000), "BTC": D("0.5")})
    account.hold(1, buy(100, 6000000), SPOT)
    account.hold(2, sell(100, 6000000), SPOT)
    assert account.situation(SPOT, D(60000))[:3] == (D(60000), 2, D("0.501"))
    assert account.situation(LINEAR) == (None, 0, D(0), 0, 0, 2, 0, 0)


def test_changes_are_told_once() -> None:
    account = Account({"USDT": D(1000), "ETH": D(1)})
    account.hold(1, buy(1000, 6000000), SPOT)
    assert account.take_changes() == {"USDT": (D(400), D(600))}
    assert account.take_changes() == {}
    account.fill(1, 1000, 6000000, Fee(D("0.1"), "BNB"))
    assert sorted(account.take_changes()) == ["BNB", "BTC", "USDT"]


def test_what_cannot_happen_is_a_bug_and_says_so() -> None:
    account = Account({"USDT": D(1000)})
    account.hold(1, buy(100, 6000000), SPOT)
    account.release(9)
    for call, what in (
        (lambda: account.hold(1, buy(1, 1), SPOT), "order 1: is open already"),
        (lambda: account.fill(2, 1, 1, FREE), "order 2: is not open"),
        (lambda: account.fill(1, 101, 1, FREE), "order 1: a fill of 101 lots, 100 are left"),
        (lambda: account.amend(1, 101), "order 1: cannot be 101 lots, 100 are left"),
        (lambda: account.amend(1, 0), "order 1: cannot be 0 lots, 100 are left"),
    ):
        with pytest.raises(OrderStateError, match=what):
            call()


def test_a_start_that_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"sim\.balances\.USDT = -1"):
        Account({"USDT": D(-1)})
    with pytest.raises(ConfigError, match=r"sim\.leverage = 126: must be 1 to 125"):
        Account({}, leverage=126)


def test_a_pair_is_held_once_and_by_the_larger() -> None:
    account = Account({"USDT": D(1000)})
    assert account.hold(1, buy(1000, 5000000), SPOT) is None  # 500
    assert account.hold(2, buy(1000, 9000000), SPOT, None, 1) is None  # 900, and the same money
    assert account.balances()["USDT"] == (D(100), D(900))
    assert account.hold(3, buy(1000, 2000000), SPOT) == POOR
    account.amend(2, 500)
    assert account.balances()["USDT"] == (D(500), D(500))
    account.release(1)
    assert account.balances()["USDT"] == (D(550), D(450))
    account.release(2)
    assert account.balances()["USDT"] == (D(1000), D(0))


def test_a_pair_that_is_too_dear_holds_nothing_more() -> None:
    account = Account({"USDT": D(1000)})
    account.hold(1, buy(1000, 5000000), SPOT)
    assert account.hold(2, buy(1000, 11000000), SPOT, None, 1) == POOR
    assert account.balances()["USDT"] == (D(500), D(500))
    account.fill(1, 1000, 5000000, FREE)
    assert account.balances()["USDT"] == (D(500), D(0))
