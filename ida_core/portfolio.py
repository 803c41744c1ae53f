"""Positions and profit, folded from fills and funding: one per strategy and instrument, one per
instrument.

One formula everywhere: ``net = realized + unrealized - fees + funding``, in the instrument's
settlement asset.

- **Average cost.** A position keeps its entry cost, the exact sum of price × quantity (inverse: of
  multiplier × contracts / price). Closing a part gives back ``cost × closed / position`` of it, and
  realizes the difference to what was traded. Arithmetic is decimal with 40 digits.
- **Spot** counts what is held. A fee of ``f`` taken in the base asset at price ``P`` makes the
  position smaller by ``f`` and is booked as ``f × P`` of fees: the sum is what the wallet is worth,
  to the last digit.
- **Linear** settles in the quote asset, **inverse** in the base asset (contracts of ``multiplier``
  quote units).
- A **fee in a third asset** (BNB) is valued at the rate known when it was taken, else kept apart in
  ``unvalued_fees``: it is never guessed, and then not part of ``net``.
"""

from collections.abc import Mapping, Sequence
from decimal import Context, Decimal

import msgspec

from ida_core.events import FundingPayment, OrderUpdate
from ida_core.model import Instrument, InstrumentKind

#: All accounts of Ida, the simulated exchange's included, round here and nowhere else.
MONEY = Context(prec=40)
ZERO = Decimal(0)
_ONE = Decimal(1)
_add, _sub, _mul, _div, _abs = MONEY.add, MONEY.subtract, MONEY.multiply, MONEY.divide, MONEY.abs


class Position(msgspec.Struct, eq=False):
    """What is held of one instrument. Money in the instrument's settlement asset; ``turnover`` in
    quote units.

    ``quantity``: base units (contracts for inverse), negative when short. ``cost``: entry cost,
    never negative.
    """

    instrument: Instrument
    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    realized: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    turnover: Decimal = ZERO
    unvalued_fees: dict[str, Decimal] = msgspec.field(default_factory=dict)
    last_price: int = 0

    @property
    def lots(self) -> int:
        """Whole lots that can be traded, toward zero: what a fee left over of a lot is not
        counted."""
        return int(self.quantity / self.instrument.lot_size)

    @property
    def average_price(self) -> Decimal | None:
        """Entry price in quote units; None when flat."""
        if not self.quantity or not self.cost:
            return None
        units = _mul(_abs(self.quantity), self.instrument.multiplier)
        inverse = self.instrument.kind is InstrumentKind.INVERSE
        return _div(units, self.cost) if inverse else _div(self.cost, units)

    def value(self, quantity: Decimal, price: Decimal) -> Decimal:
        """What ``quantity`` is worth at ``price``, in the settlement asset; 40 digits."""
        units = _mul(_abs(quantity), self.instrument.multiplier)
        if self.instrument.kind is InstrumentKind.INVERSE:
            return _div(units, price)
        return _mul(units, price)

    def unrealized(self, mid_ticks: Decimal | float) -> Decimal:
        """Profit of closing everything at ``mid_ticks``, before fees."""
        if not self.quantity:
            return ZERO
        price = _mul(Decimal(mid_ticks), self.instrument.tick_size)
        return self._gain(self.quantity, self.value(self.quantity, price), self.cost)

    def net(self, mid_ticks: Decimal | float) -> Decimal:
        """``realized + unrealized - fees + funding``."""
        booked = _add(_sub(self.realized, self.fees), self.funding)
        return _add(booked, self.unrealized(mid_ticks))

    def trade(self, quantity: Decimal, price: Decimal) -> Decimal:
        """Add ``quantity`` (negative: sold) at ``price`` and return the profit realized by it."""
        gain = ZERO
        if self.quantity and (quantity > 0) != (self.quantity > 0):
            closed = min(_abs(quantity), _abs(self.quantity))
            gain = self._close(closed, price)
            quantity = _add(quantity, closed) if quantity < 0 else _sub(quantity, closed)
        if quantity:
            self.quantity = _add(self.quantity, quantity)
            self.cost = _add(self.cost, self.value(quantity, price))
        return gain

    def _close(self, closed: Decimal, price: Decimal) -> Decimal:
        held = _abs(self.quantity)
        portion = self.cost if closed == held else _div(_mul(self.cost, closed), held)
        gain = self._gain(self.quantity, self.value(closed, price), portion)
        self.realized = _add(self.realized, gain)
        self.cost = _sub(self.cost, portion)
        long = self.quantity > 0
        self.quantity = _sub(self.quantity, closed) if long else _add(self.quantity, closed)
        return gain

    def _gain(self, held: Decimal, value: Decimal, cost: Decimal) -> Decimal:
        long = held > 0
        if self.instrument.kind is InstrumentKind.INVERSE:
            long = not long  # a contract is worth less of the base asset when the price is higher
        return _sub(value, cost) if long else _sub(cost, value)

    def apply(self, update: OrderUpdate, rates: Mapping[str, Decimal], currency: str) -> Decimal:
        """Fold one fill and return the profit realized by it."""
        instrument = self.instrument
        price = instrument.price(update.price)
        quantity = update.side.sign * instrument.quantity(update.quantity)
        if instrument.kind is InstrumentKind.SPOT and update.fee_asset == instrument.base:
            quantity = _sub(quantity, update.fee)
        self.last_price = update.price
        self.turnover = _add(self.turnover, instrument.notional(update.price, update.quantity))
        self._charge(update, price, rates, currency)
        return self.trade(quantity, price)

    def _charge(
        self, update: OrderUpdate, price: Decimal, rates: Mapping[str, Decimal], currency: str
    ) -> None:
        if not update.fee:
            return
        fee = fee_in_settle(self.instrument, update, price, rates, currency)
        if fee is None:
            apart = self.unvalued_fees.get(update.fee_asset, ZERO)
            self.unvalued_fees[update.fee_asset] = _add(apart, update.fee)
        else:
            self.fees = _add(self.fees, fee)


def fee_in_settle(
    instrument: Instrument,
    update: OrderUpdate,
    price: Decimal,
    rates: Mapping[str, Decimal],
    currency: str,
) -> Decimal | None:
    """The fee in the instrument's settlement asset; None when no rate tells what its asset is
    worth."""
    if update.fee_asset in (instrument.settle, ""):
        return update.fee
    if update.fee_asset == instrument.base:
        return _mul(update.fee, price)
    value = convert(update.fee, update.fee_asset, rates, currency)
    return None if value is None else convert(value, currency, rates, currency, instrument.settle)


def convert(
    amount: Decimal, asset: str, rates: Mapping[str, Decimal], currency: str, into: str = ""
) -> Decimal | None:
    """``amount`` of ``asset`` in ``into`` (default: the report currency); ``rates`` are prices in
    ``currency``. None when a rate is missing."""
    into = into or currency
    if asset == into:
        return amount
    price = _ONE if asset == currency else rates.get(asset)
    unit = _ONE if into == currency else rates.get(into)
    return _div(_mul(amount, price), unit) if price and unit else None


class Portfolio:
    """The positions of a run.

    Args:
        instruments: of the run, by index.
        rates: asset → price in the report currency, for fees in third assets and for adding up
            several settlement assets. Kept, not copied: who owns it may keep it current.
        capital: what ``equity`` starts from, in the report currency.

    The report currency is the settlement asset of the first instrument.
    """

    def __init__(
        self,
        instruments: Sequence[Instrument],
        rates: Mapping[str, Decimal] | None = None,
        capital: Decimal = ZERO,
    ) -> None:
        self.instruments = instruments
        self.currency = instruments[0].settle if instruments else ""
        self.rates: Mapping[str, Decimal] = {} if rates is None else rates
        self.capital = capital
        self._accounts: dict[int, Position] = {}
        self._positions: dict[tuple[str, int], Position] = {}

    def position(self, strategy: str, instrument: int) -> Position:
        """A strategy's position; the same object for the whole run."""
        key = (strategy, instrument)
        position = self._positions.get(key)
        if position is None:
            position = self._positions[key] = Position(self.instruments[instrument])
        return position

    def account(self, instrument: int) -> Position:
        """All strategies' and foreign fills together; the same object for the whole run."""
        position = self._accounts.get(instrument)
        if position is None:
            position = self._accounts[instrument] = Position(self.instruments[instrument])
        return position

    def positions(self) -> Mapping[tuple[str, int], Position]:
        """By (strategy, instrument), those that were ever asked for or traded."""
        return self._positions

    def accounts(self) -> Mapping[int, Position]:
        return self._accounts

    def apply(self, update: OrderUpdate, strategy: str = "") -> Decimal:
        """Fold one fill (``TRADE``) that has not been applied before.

        Returns:
            The profit the account realized by it, in the settlement asset, before fees.
        """
        self.position(strategy, update.instrument).apply(update, self.rates, self.currency)
        return self.account(update.instrument).apply(update, self.rates, self.currency)

    def fund(self, payment: FundingPayment) -> None:
        """Book funding: on the account, and on each strategy by its share of the position."""
        account = self.account(payment.instrument)
        account.funding = _add(account.funding, payment.amount)
        if not account.quantity:
            return
        for (_, instrument), position in self._positions.items():
            if instrument == payment.instrument and position.quantity:
                share = _div(_mul(payment.amount, position.quantity), account.quantity)
                position.funding = _add(position.funding, share)

    def net_by_currency(self, mids: Mapping[int, Decimal | float | None]) -> dict[str, Decimal]:
        """Net profit by settlement asset. ``mids``: ticks by instrument; without one, the last
        fill's price."""
        nets: dict[str, Decimal] = {}
        for index, account in self._accounts.items():
            mid = mids.get(index)
            asset = account.instrument.settle
            net = account.net(account.last_price if mid is None else mid)
            nets[asset] = _add(nets.get(asset, ZERO), net)
        return nets

    def equity(self, mids: Mapping[int, Decimal | float | None]) -> Decimal:
        """Capital and net profit in the report currency.

        A settlement asset without a rate into the report currency is left out: ``unvalued`` names
        it, and ``net_by_currency`` has its figures.
        """
        total = self.capital
        for asset, net in self.net_by_currency(mids).items():
            value = convert(net, asset, self.rates, self.currency)
            total = total if value is None else _add(total, value)
        return total

    def unvalued(self) -> set[str]:
        """Assets that moved and for which there is no rate: ``equity`` does not count them."""
        assets = {account.instrument.settle for account in self._accounts.values()}
        known = {asset for asset in assets if convert(_ONE, asset, self.rates, self.currency)}
        apart = {asset for account in self._accounts.values() for asset in account.unvalued_fees}
        return (assets - known) | apart
