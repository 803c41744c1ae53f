"""Portfolio and ledger against a twin that only adds up cash, in exact fractions.

The twin knows no average cost: what was paid, what is held, and what that is worth at the mid.
However fills are cut and mixed, profit must be the same, and the ledger must balance and agree with
the twin's wallet.
"""

from collections import defaultdict
from decimal import Decimal
from fractions import Fraction

import instruments
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ida_core.events import Execution, FundingPayment, OrderStatus, OrderUpdate
from ida_core.ledger import Ledger
from ida_core.model import Side
from ida_core.portfolio import Portfolio

INSTRUMENTS = (instruments.SPOT, instruments.LINEAR_ETH, instruments.INVERSE)
SPOT, LINEAR, INVERSE = range(3)
RATES = {"BNB": Decimal(500), "BTC": Decimal(30000)}
CLOSE = Fraction(1, 10**25)
INDEX = st.sampled_from((SPOT, LINEAR, INVERSE))
PRICE, LOTS = st.integers(1, 10**7), st.integers(1, 10**6)


class Money(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.portfolio = Portfolio(INSTRUMENTS, RATES)
        self.ledger = Ledger(INSTRUMENTS)
        self.wallet: dict[str, Fraction] = defaultdict(Fraction)
        self.held = [Fraction()] * 3
        self.paid = [Fraction()] * 3
        self.fees = [Fraction()] * 3
        self.funding = [Fraction()] * 3
        self.mids = dict.fromkeys(range(3), 1)

    @rule(
        index=INDEX,
        side=st.sampled_from(Side),
        price=PRICE,
        lots=LOTS,
        fee_bips=st.integers(-2, 10),
        fee_asset=st.sampled_from(("settle", "base", "BNB")),
        strategy=st.sampled_from("ab"),
    )
    def fill(
        self,
        index: int,
        side: Side,
        price: int,
        lots: int,
        fee_bips: int,
        fee_asset: str,
        strategy: str,
    ) -> None:
        instrument = INSTRUMENTS[index]
        if fee_asset == "base" and index != SPOT:
            fee_asset = "settle"
        asset = {"settle": instrument.settle, "base": instrument.base}.get(fee_asset, fee_asset)
        fee = fee_bips * instrument.quantity(lots) / 10000
        update = OrderUpdate(
            order_id="t",
            instrument=index,
            execution=Execution.TRADE,
            status=OrderStatus.FILLED,
            side=side,
            price=price,
            quantity=lots,
            fee=fee,
            fee_asset=asset,
        )
        self.portfolio.apply(update, strategy)
        self.ledger.post_fill(update)
        self.book(index, side.sign, Fraction(instrument.price(price)), lots, Fraction(fee), asset)

    def book(
        self, index: int, sign: int, price: Fraction, lots: int, fee: Fraction, asset: str
    ) -> None:
        instrument = INSTRUMENTS[index]
        quantity = sign * Fraction(instrument.quantity(lots))
        self.paid[index] += self.worth(index, quantity, price)
        self.held[index] += quantity
        if index == SPOT:
            self.wallet["BTC"] += quantity
            self.wallet["USDT"] -= quantity * price
        self.wallet[asset] -= fee
        if asset == instrument.settle:
            self.fees[index] += fee
        elif asset == "BTC":
            self.held[index] -= fee  # it is gone from what is held; its value is in nobody's cash
        else:
            self.fees[index] += fee * 500 / (30000 if index == INVERSE else 1)

    def worth(self, index: int, quantity: Fraction, price: Fraction) -> Fraction:
        """What must be paid for it; an inverse contract is paid with a debt of the base asset."""
        return -quantity * 100 / price if index == INVERSE else quantity * price

    @rule(index=st.sampled_from((LINEAR, INVERSE)), bips=st.integers(-50, 50))
    def fund(self, index: int, bips: int) -> None:
        amount = Decimal(bips) / 1000
        asset = INSTRUMENTS[index].settle
        payment = FundingPayment(
            instrument=index, rate=Decimal(0), mark=Decimal(1), amount=amount, asset=asset
        )
        self.portfolio.fund(payment)
        self.ledger.post_funding(payment)
        self.funding[index] += Fraction(amount)
        self.wallet[asset] += Fraction(amount)

    @rule(index=INDEX, mid=PRICE)
    def move(self, index: int, mid: int) -> None:
        self.mids[index] = mid

    def net(self, index: int) -> Fraction:
        mid = self.mids[index] * Fraction(INSTRUMENTS[index].tick_size)
        profit = self.worth(index, self.held[index], mid) - self.paid[index]
        return profit - self.fees[index] + self.funding[index]

    @invariant()
    def profit_is_what_cash_and_holdings_are_worth(self) -> None:
        for index, account in self.portfolio.accounts().items():
            scale = 1 + abs(self.paid[index])
            assert abs(Fraction(account.net(self.mids[index])) - self.net(index)) < CLOSE * scale
            assert Fraction(account.quantity) == self.held[index]

    @invariant()
    def strategies_add_up_to_the_account(self) -> None:
        for index, account in self.portfolio.accounts().items():
            mine = [p for (_, i), p in self.portfolio.positions().items() if i == index]
            scale = 1 + abs(self.paid[index])
            funded = sum(Fraction(p.funding) for p in mine) - Fraction(account.funding)
            nets = sum(Fraction(p.net(self.mids[index])) for p in mine) - funded
            assert abs(nets - Fraction(account.net(self.mids[index]))) < CLOSE * scale
            assert sum(p.quantity for p in mine) == account.quantity
            assert sum(p.turnover for p in mine) == account.turnover

    @invariant()
    def average_cost_is_never_negative(self) -> None:
        for account in self.portfolio.accounts().values():
            assert account.cost >= 0
            assert (account.cost > 0) == (account.quantity != 0)

    @invariant()
    def the_books_balance_and_explain_the_wallet(self) -> None:
        assert self.ledger.imbalance() == {}
        accounts = self.portfolio.accounts()
        wallet = dict(self.wallet)
        for index in (LINEAR, INVERSE):
            realized = accounts[index].realized if index in accounts else 0
            settle = INSTRUMENTS[index].settle
            wallet[settle] = wallet.get(settle, Fraction()) + Fraction(realized)
        for asset, amount in wallet.items():
            scale = 1 + abs(amount)
            assert abs(Fraction(self.ledger.balance(asset)) - amount) < CLOSE * scale


Money.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
TestMoney = Money.TestCase
