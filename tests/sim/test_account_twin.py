"""The account against a naive twin in fractions: random orders, fills, amendments, funding."""

from decimal import Decimal
from fractions import Fraction
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from ida_core import Instrument, InstrumentKind, OrderType, PlaceOrder, Side
from ida_sim.account import Account
from ida_sim.fees import Fees

D = Decimal
SPOT = Instrument(
    symbol="BTCUSDT", base="BTC", quote="USDT", tick_size=D("0.01"), lot_size=D("0.00001")
)
LINEAR = Instrument(
    symbol="BTCUSDT", base="BTC", quote="USDT", tick_size=D("0.1"), lot_size=D("0.001"),
    kind=InstrumentKind.LINEAR,
)  # fmt: skip
INVERSE = Instrument(
    symbol="BTCUSD_PERP", base="BTC", quote="USD", tick_size=D("0.1"), lot_size=D(1),
    kind=InstrumentKind.INVERSE, multiplier=D(100),
)  # fmt: skip
START = {"USDT": D(50000), "BTC": D("1.5"), "BNB": D("0.02")}
LEVERAGE = 20
#: Quotients have 40 digits; what is smaller than this is their rounding.
DUST = Fraction(1, 10**25)

lots = st.integers(1, 60)
#: Times the instrument's scale: so near that 20 times leverage cannot lose more than there is.
prices = st.integers(996, 1004)
sides = st.sampled_from(Side)


class Twin:
    """Average cost and sums, with no rounding at all."""

    def __init__(self) -> None:
        self.owned = {asset: Fraction(amount) for asset, amount in START.items()}
        self.quantity = Fraction(0)
        self.cost = Fraction(0)

    def add(self, asset: str, amount: Fraction | Decimal) -> None:
        self.owned[asset] = self.owned.get(asset, Fraction(0)) + Fraction(amount)

    def trade(self, quantity: Fraction, value: Fraction, inverse: bool) -> Fraction:
        """``value`` in the settlement asset; returns the profit realized."""
        if quantity * self.quantity >= 0:
            self.quantity += quantity
            self.cost += value
            return Fraction(0)
        closing = min(abs(quantity), abs(self.quantity))
        out, back = value * closing / abs(quantity), self.cost * closing / abs(self.quantity)
        gain = (out - back) * (1 if self.quantity > 0 else -1) * (-1 if inverse else 1)
        self.cost -= back
        self.quantity += closing if quantity > 0 else -closing
        rest = abs(quantity) - closing
        if rest:
            self.quantity, self.cost = (rest if quantity > 0 else -rest), value - out
        return gain


class Machine(RuleBasedStateMachine):
    instrument: ClassVar[Instrument]
    scale: ClassVar[int]  # ticks
    lot: ClassVar[int]  # lots
    orders = Bundle("orders")

    def __init__(self) -> None:
        super().__init__()
        self.account = Account(dict(START), leverage=LEVERAGE)
        self.fees = Fees(bnb_prices={"USDT": D(600)})
        self.twin = Twin()
        self.open: dict[int, tuple[Side, int, int]] = {}
        self.next_id = 0

    @rule(target=orders, side=sides, quantity=lots, price=prices, is_market=st.booleans())
    def place(self, side: Side, quantity: int, price: int, is_market: bool) -> int:
        self.next_id += 1
        ticks, quantity = price * self.scale, quantity * self.lot
        order = PlaceOrder(
            order_id="", side=side, quantity=quantity, price=None if is_market else ticks,
            type=OrderType.MARKET if is_market else OrderType.LIMIT,
        )  # fmt: skip
        refused = self.account.hold(self.next_id, order, self.instrument, ticks)
        if refused is None:
            self.open[self.next_id] = side, quantity, ticks
        else:
            assert refused[0] in (-2010, -2019)
        return self.next_id

    @rule(order=orders, share=st.fractions(0, 1), better=st.integers(0, 50), maker=st.booleans())
    def fill(self, order: int, share: Fraction, better: int, maker: bool) -> None:
        if order not in self.open:
            return
        side, left, ticks = self.open.pop(order)
        done = max(1, int(left * share))
        price = ticks - side.sign * better
        if left > done:
            self.open[order] = side, left - done, ticks
        bnb = self.account.free("BNB")
        fee = self.fees.fee(self.instrument, side, done, price, maker, bnb)
        gain = self.account.fill(order, done, price, fee)
        self.twin_fills(side.sign, done, price, gain)
        self.twin.add(fee.asset, -fee.amount)

    def twin_fills(self, sign: int, done: int, ticks: int, gain: Decimal) -> None:
        i = self.instrument
        quantity = sign * done * Fraction(i.lot_size)
        price = ticks * Fraction(i.tick_size)
        if i.kind is InstrumentKind.SPOT:
            self.twin.add("BTC", quantity)
            self.twin.add("USDT", -quantity * price)
            return
        inverse = i.kind is InstrumentKind.INVERSE
        value = abs(quantity) * 100 / price if inverse else abs(quantity) * price
        assert abs(self.twin.trade(quantity, value, inverse) - Fraction(gain)) < DUST
        self.twin.add(i.settle, gain)

    @rule(order=orders, share=st.fractions(0, 1))
    def amend(self, order: int, share: Fraction) -> None:
        if order in self.open:
            side, left, ticks = self.open[order]
            smaller = max(1, int(left * share))
            self.account.amend(order, smaller)
            self.open[order] = side, smaller, ticks

    @rule(order=consumes(orders))
    def release(self, order: int) -> None:
        self.account.release(order)
        self.open.pop(order, None)

    @rule(rate=st.integers(-300, 300), price=prices)
    def fund(self, rate: int, price: int) -> None:
        if self.instrument.kind is InstrumentKind.SPOT:
            return
        mark = self.instrument.price(price * self.scale)
        payment = self.account.fund(self.instrument, D(rate) / 10**6, mark)
        assert (payment is None) == (self.twin.quantity == 0)
        if payment is None:
            return
        worth = self.value(self.twin.quantity, Fraction(mark)) * Fraction(rate, 10**6)
        assert abs(Fraction(payment.amount) + worth) <= Fraction(1, 2 * 10**8)
        self.twin.add(payment.asset, payment.amount)

    def value(self, quantity: Fraction, price: Fraction) -> Fraction:
        inverse = self.instrument.kind is InstrumentKind.INVERSE
        return quantity * 100 / price if inverse else quantity * price

    @invariant()
    def start_and_flows_less_fees_are_the_end(self) -> None:
        for asset, (free, locked) in self.account.balances().items():
            assert Fraction(free) + Fraction(locked) == self.twin.owned[asset], asset
            assert free >= 0
            assert locked >= 0

    @invariant()
    def locked_is_what_open_orders_and_positions_need(self) -> None:
        for asset, (_, locked) in self.account.balances().items():
            expected = self.spot_holds(asset)
            if asset == self.instrument.settle and self.instrument.kind is not InstrumentKind.SPOT:
                expected = min(self.margin(), self.twin.owned[asset])
            assert abs(Fraction(locked) - expected) <= Fraction(len(self.open) + 1, 10**8), asset

    def spot_holds(self, asset: str) -> Fraction:
        if self.instrument.kind is not InstrumentKind.SPOT:
            return Fraction(0)
        side = Side.BUY if asset == "USDT" else Side.SELL
        mine = [(q, t) for s, q, t in self.open.values() if s is side and asset != "BNB"]
        i = self.instrument
        if side is Side.BUY:
            return sum((Fraction(i.notional(t, q)) for q, t in mine), Fraction(0))
        return sum((Fraction(i.quantity(q)) for q, _ in mine), Fraction(0))

    def margin(self) -> Fraction:
        signed = {side: Fraction(0) for side in Side}
        for side, quantity, ticks in self.open.values():
            size = quantity * Fraction(self.instrument.lot_size)
            signed[side] += self.value(size, ticks * Fraction(self.instrument.tick_size))
        held = self.twin.cost * (1 if self.twin.quantity > 0 else -1)
        return max(abs(held), held + signed[Side.BUY], signed[Side.SELL] - held) / LEVERAGE

    def teardown(self) -> None:
        for order in list(self.open):
            self.release(order)
        if self.twin.quantity:
            return
        assert all(locked == 0 for _, locked in self.account.balances().values())


class SpotMachine(Machine):
    instrument, scale, lot = SPOT, 6000, 1000  # about 60 000.00; hundredths of a coin


class LinearMachine(Machine):
    instrument, scale, lot = LINEAR, 600, 100  # about 60 000.0; tenths of a coin


class InverseMachine(Machine):
    instrument, scale, lot = INVERSE, 600, 30  # about 60 000.0; 3 000 USD


@pytest.mark.parametrize("machine", [SpotMachine, LinearMachine, InverseMachine])
def test_the_account_agrees_with_its_twin(machine: type[Machine]) -> None:
    case = machine.TestCase
    case.settings = settings(
        max_examples=40, stateful_step_count=40, deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )  # fmt: skip
    case("runTest").runTest()
