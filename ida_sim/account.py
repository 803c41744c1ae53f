"""An account as the exchange keeps it: holds for open orders, fills, fees, margin and funding.

One wallet for all instruments; where an exchange has a wallet for each market, make an account for
each. All sums are exact: start + fills + funding - fees = end, to the last digit.

Liquidation is not carried out: ``mark`` says when the maintenance margin is no longer covered, and the run ends.
"""

from decimal import ROUND_CEILING, Decimal

import msgspec

from ida_core import (
    ConfigError,
    FundingPayment,
    Instrument,
    InstrumentKind,
    OrderStateError,
    PlaceOrder,
    Side,
    plain,
)
from ida_sim.exact import exact, nearest, ratio, truncated
from ida_sim.fees import Fee
from ida_sim.filters import STOPS, Refused, Situation
from ida_sim.margin import Margin
from ida_sim.position import Position
from ida_sim.wallet import MOST, ZERO, Balance, Wallet

OrderId = int | str

INSUFFICIENT_BALANCE = -2010, "Account has insufficient balance for requested action."
INSUFFICIENT_MARGIN = -2019, "Margin is insufficient."
REDUCE_ONLY = -2022, "ReduceOnly Order is rejected."
UNWANTED_REDUCE_ONLY = -1106, "Parameter 'reduceOnly' sent when not required."
UNWANTED_QUOTE = -1106, "Parameter 'quoteOrderQty' sent when not required."


class Hold(msgspec.Struct):
    """What an open order keeps back: ``amount`` of the asset it spends; for perpetuals its value in
    the settlement asset, of which margin is a part."""

    instrument: Instrument
    side: Side
    lots: int
    ticks: int
    amount: Decimal
    by_quote: bool
    reduce_only: bool
    is_stop: bool = False
    is_iceberg: bool = False
    pair: "Hold | None" = None

    def weight(self, amount: Decimal) -> Decimal:
        """What it keeps back, with its pair, if its amount is this: the same money serves both."""
        return amount if self.pair is None else max(amount, self.pair.amount)

    @property
    def is_spot(self) -> bool:
        return self.instrument.kind is InstrumentKind.SPOT

    def needs(self, lots: int) -> Decimal:
        """The amount that ``lots`` at the order's price keep back."""
        if self.reduce_only:
            return ZERO
        if self.is_spot and self.side is Side.SELL:
            return base(self.instrument, lots)
        if not self.ticks:
            return ZERO
        value = self.instrument.notional(self.ticks, lots)
        inverse = self.instrument.kind is InstrumentKind.INVERSE
        return nearest(ratio(value, self.instrument.price(self.ticks))) if inverse else value


class Count(msgspec.Struct):
    """The open orders of one instrument: how many, how many of them stops and icebergs, and the lots of its buys."""

    orders: int = 0
    buys: int = 0
    stops: int = 0
    icebergs: int = 0

    def add(self, hold: Hold) -> None:
        self.orders += 1
        self.stops += hold.is_stop
        self.icebergs += hold.is_iceberg
        self.lots(hold, hold.lots)

    def drop(self, hold: Hold) -> None:
        self.orders -= 1
        self.stops -= hold.is_stop
        self.icebergs -= hold.is_iceberg
        self.lots(hold, -hold.lots)

    def lots(self, hold: Hold, more: int) -> None:
        if hold.side is Side.BUY:
            self.buys += more


def base(instrument: Instrument, lots: int) -> Decimal:
    """Base units of ``lots`` of a spot instrument."""
    return instrument.quantity(lots) * instrument.multiplier


class Account:
    """One account of the exchange. Order ids are the caller's, unique among open orders.

    Args:
        balances: asset → amount at the start.
        leverage: of perpetuals, 1 to 125; initial margin is value / leverage.
        maintenance: maintenance margin as a fraction of the positions' value at their marks.
    Raises:
        ConfigError: a balance or leverage that cannot be.
    """

    def __init__(
        self,
        balances: dict[str, Decimal],
        leverage: int = 20,
        maintenance: Decimal = Decimal("0.004"),
    ) -> None:
        if not 1 <= leverage <= 125:
            raise ConfigError(f"sim.leverage = {leverage}: must be 1 to 125")
        self._wallet = Wallet(balances)
        self._margin = Margin(leverage, maintenance)
        self._holds: dict[OrderId, Hold] = {}
        self._counts: dict[str, Count] = {}
        self._breached: set[str] = set()

    @exact
    def hold(
        self,
        order_id: OrderId,
        order: PlaceOrder,
        instrument: Instrument,
        reference_ticks: int | None = None,
        beside: OrderId | None = None,
    ) -> Refused | None:
        """Keep back what ``order`` may need, or return the venue's code and words.

        Args:
            reference_ticks: for orders without a price, the worst one they can trade at (market:
                of the levels it will take; stop: the stop price); None where nothing is offered.
            beside: an open order with which it makes a pair, of which only one can be filled.
        Raises:
            OrderStateError: ``order_id`` is open.
        """
        if order_id in self._holds:
            raise OrderStateError(f"order {order_id}: is open already")
        hold = _hold(order, instrument, reference_ticks)
        other = self._holds.get(beside) if beside is not None else None
        hold.pair = other
        more = hold.amount if other is None else hold.weight(hold.amount) - other.amount
        refused = self._refuse_spot(hold, more) if hold.is_spot else self._refuse_perpetual(hold)
        if refused is None:
            self._holds[order_id] = hold
            self._count(hold).add(hold)
            self._change(hold, more)
            if other is not None:
                other.pair = hold
        return refused

    @exact
    def fill(self, order_id: OrderId, lots: int, price_ticks: int, fee: Fee) -> Decimal:
        """Book a trade of an open order with its fee; what a better price saved is free again.

        Returns:
            The profit realized, in the settlement asset of a perpetual; 0 for spot.
        Raises:
            OrderStateError: not an open order, or more than it has left.
        """
        hold = self._open(order_id)
        if not hold.by_quote and lots > hold.lots:
            raise OrderStateError(f"order {order_id}: a fill of {lots} lots, {hold.lots} are left")
        book = self._fill_spot if hold.is_spot else self._fill_perpetual
        gain = book(hold, lots, price_ticks)
        if fee.amount:
            self._wallet.add(fee.asset, -fee.amount)
        if not hold.lots and not hold.by_quote:
            self._drop(order_id)
        return gain

    @exact
    def release(self, order_id: OrderId) -> None:
        """The order has ended: give back what it still holds, if anything."""
        if order_id in self._holds:
            hold = self._drop(order_id)
            self._change(hold, -hold.amount if hold.pair is None else hold.pair.amount - hold.weight(hold.amount))
            if hold.pair is not None:
                hold.pair.pair, hold.pair = None, None

    @exact
    def keep(self, asset: str, amount: Decimal) -> None:
        """Lock so much more of an asset for orders that are yet to come; negative gives it back."""
        self._wallet.hold(asset, amount)

    @exact
    def amend(self, order_id: OrderId, lots: int) -> None:
        """The order is smaller: ``lots`` are left open.

        Raises:
            OrderStateError: not an open order, or more than it has left.
        """
        hold = self._open(order_id)
        if hold.by_quote or not 0 < lots <= hold.lots:
            raise OrderStateError(f"order {order_id}: cannot be {lots} lots, {hold.lots} are left")
        self._shrink(hold, lots)

    @exact
    def fund(self, instrument: Instrument, rate: Decimal, mark: Decimal) -> FundingPayment | None:
        """Pay or receive funding at ``mark``, rounded to eight decimals; None without a position.
        Times and the instrument's index are the caller's to add."""
        position = self.position(instrument)
        if not position.lots:
            return None
        value = position.value(position.lots, mark)
        amount = nearest(-value * rate if position.lots > 0 else value * rate)
        self._wallet.add(instrument.settle, amount)
        return FundingPayment(rate=rate, mark=mark, amount=amount, asset=instrument.settle)

    def note_mark(self, instrument: Instrument, price: Decimal) -> None:
        """Take ``price`` as the mark of one of several instruments; ``mark`` of the last one judges them together."""
        self._margin.exposure(instrument).mark = price

    @exact
    def mark(self, instrument: Instrument, price: Decimal) -> str | None:
        """Take ``price`` as the mark. Returns a sentence when the maintenance margin is no longer
        covered: once, until it is covered again."""
        self.note_mark(instrument, price)
        asset = instrument.settle
        equity, needed = self._cover(asset)
        if equity > needed or not needed:
            self._breached.discard(asset)
            return None
        if asset in self._breached:
            return None
        self._breached.add(asset)
        return (
            f"liquidation: the margin balance, {plain(round(equity, 8))} {asset}, is below the maintenance margin, "
            f"{plain(round(needed, 8))}, at {instrument.name} {plain(price)}"
        )

    def _cover(self, asset: str) -> tuple[Decimal, Decimal]:
        """The margin balance in ``asset`` and the maintenance margin that it must exceed."""
        return self._wallet.unheld(asset) + self._margin.unrealized(asset), self._margin.maintained(asset)

    @exact
    def reach(self, asset: str) -> Decimal | None:
        """How far, as a fraction, all marks of positions in ``asset`` can move without another look: half of what
        would use up the cover, and 1 % once that is used up. None without a position."""
        value = self._margin.value(asset)
        if not value:
            return None
        equity, needed = self._cover(asset)
        return ratio(equity - needed, 2 * value) if equity > needed else Decimal("0.01")

    def balances(self) -> dict[str, Balance]:
        """Asset → (free, locked). Locked: held by spot orders, or margin of perpetuals. ``free`` is
        negative only after a fill worse than the reference its order was held at."""
        return self._wallet.balances()

    @exact
    def transfer(self, asset: str, amount: Decimal) -> None:
        """Pay in ``amount`` from outside, or take it out when negative.

        Raises:
            ConfigError: no amount of eight decimals, more than there may be, or more than is free.
        """
        free, locked = self._wallet.balance(asset)
        if not (amount.is_finite() and amount == truncated(amount) and 0 <= free + amount <= MOST - locked):
            raise ConfigError(
                f"a transfer of {amount} {asset}: {plain(free)} are free; must leave 0 to {MOST:,}, with eight "
                "decimals at most")
        self._wallet.add(asset, amount)

    def free(self, asset: str) -> Decimal:
        return self._wallet.balance(asset)[0]

    def take_changes(self) -> dict[str, Balance]:
        """Balances that changed since the last call, as a balance event tells them."""
        return self._wallet.take_changes()

    def position(self, instrument: Instrument) -> Position:
        """Of a perpetual."""
        return self._margin.exposure(instrument).position

    @exact
    def situation(self, instrument: Instrument, reference: Decimal | None = None) -> Situation:
        """What the filters ask about an order of ``instrument``."""
        count = self._counts.get(instrument.name)
        if count is None:
            count = self._counts[instrument.name] = Count()
        if instrument.kind is not InstrumentKind.SPOT:
            held = self.position(instrument).quantity
        else:
            held = self._wallet.owned(instrument.base) + base(instrument, count.buys)
        if len(self._counts) == 1:
            return Situation(reference, count.orders, held, count.stops, count.icebergs, count.orders, count.stops,
                             count.icebergs)
        every = self._counts.values()
        return Situation(
            reference, count.orders, held, count.stops, count.icebergs, sum(c.orders for c in every),
            sum(c.stops for c in every), sum(c.icebergs for c in every))

    def reducible(self, instrument: Instrument, side: Side) -> int:
        """Lots of the position of a perpetual that orders of ``side`` close; 0 if they would open one."""
        return max(0, -side.sign * self.position(instrument).lots)

    def _count(self, hold: Hold) -> Count:
        return self._counts.setdefault(hold.instrument.name, Count())

    def _drop(self, order_id: OrderId) -> Hold:
        hold = self._holds.pop(order_id)
        self._count(hold).drop(hold)
        return hold

    def _open(self, order_id: OrderId) -> Hold:
        hold = self._holds.get(order_id)
        if hold is None:
            raise OrderStateError(f"order {order_id}: is not open")
        return hold

    def _refuse_spot(self, hold: Hold, more: Decimal) -> Refused | None:
        if hold.reduce_only:
            return UNWANTED_REDUCE_ONLY
        asset = hold.instrument.quote if hold.side is Side.BUY else hold.instrument.base
        return INSUFFICIENT_BALANCE if more > self.free(asset) else None

    def _refuse_perpetual(self, hold: Hold) -> Refused | None:
        """Unrealized losses count against what is free; unrealized profit buys nothing."""
        if hold.by_quote:
            return UNWANTED_QUOTE
        if hold.reduce_only:
            return None if self.reducible(hold.instrument, hold.side) >= hold.lots else REDUCE_ONLY
        asset = hold.instrument.settle
        now = self._margin.initial(asset)
        then = self._margin.initial_with(hold.instrument, hold.side, hold.amount)
        equity = self._wallet.unheld(asset) + min(self._margin.unrealized(asset), ZERO)
        return INSUFFICIENT_MARGIN if then > now and then > equity else None

    def _change(self, hold: Hold, amount: Decimal) -> None:
        """The open orders keep back ``amount`` more."""
        if hold.is_spot:
            spot = hold.instrument
            self._wallet.hold(spot.quote if hold.side is Side.BUY else spot.base, amount)
        else:
            self._margin.exposure(hold.instrument).order(hold.side, amount)
            self._reserve(hold.instrument.settle)

    def _shrink(self, hold: Hold, lots: int) -> None:
        """``lots`` are left open: give back what the others kept."""
        needs = hold.needs(lots)
        self._change(hold, hold.weight(needs) - hold.weight(hold.amount))
        self._count(hold).lots(hold, lots - hold.lots)
        hold.lots, hold.amount = lots, needs

    def _reserve(self, asset: str) -> None:
        self._wallet.reserve(asset, self._margin.initial(asset))

    def _fill_spot(self, hold: Hold, lots: int, price_ticks: int) -> Decimal:
        instrument, sign = hold.instrument, hold.side.sign
        quote, quantity = instrument.notional(price_ticks, lots), base(instrument, lots)
        if hold.by_quote:
            spent = min(quote if sign > 0 else quantity, hold.amount)
            self._change(hold, -spent)
            hold.amount -= spent
        else:
            self._shrink(hold, hold.lots - lots)
        self._wallet.add(instrument.base, sign * quantity)
        self._wallet.add(instrument.quote, -sign * quote)
        return ZERO

    def _fill_perpetual(self, hold: Hold, lots: int, price_ticks: int) -> Decimal:
        instrument = hold.instrument
        price = instrument.price(price_ticks)
        gain = self.position(instrument).trade(hold.side.sign * lots, price)
        self._wallet.add(instrument.settle, gain)
        self._shrink(hold, hold.lots - lots)
        return gain


def _hold(order: PlaceOrder, instrument: Instrument, reference_ticks: int | None) -> Hold:
    by_quote = order.quote_quantity is not None
    ticks = order.price if order.price is not None else reference_ticks or 0
    if instrument.kind is not InstrumentKind.SPOT and order.side is Side.SELL:
        ticks = max(ticks, reference_ticks or 0)  # it sells at its price or above
    hold = Hold(instrument, order.side, order.quantity, ticks, ZERO, by_quote, order.reduce_only,
                order.type in STOPS, order.iceberg > 0)
    hold.amount = hold.needs(order.quantity)
    if order.quote_quantity is not None:
        hold.amount = order.quote_quantity
        if order.side is Side.SELL:
            hold.amount = _base_worth(order.quote_quantity, instrument, ticks)
    return hold


def _base_worth(quote: Decimal, instrument: Instrument, ticks: int) -> Decimal:
    """Base units to sell at ``ticks`` for ``quote``, whole lots, rounded up; 0 without a price."""
    if not ticks:
        return ZERO
    lots = ratio(quote, instrument.notional(ticks, 1)).to_integral_value(ROUND_CEILING)
    return base(instrument, int(lots))
