"""Positions of perpetuals with the margin that they and their open orders need.

Cross margin in the settlement asset. An instrument needs what the worse side would: the position,
or the position with all buys filled, or with all sells, divided by the leverage. Positions count at
their entry value, so that margin moves with fills and not with every tick.
"""

from decimal import Decimal

from ida_core import Instrument, Side
from ida_sim.exact import exact, raised, ratio
from ida_sim.position import Position

ZERO = Decimal(0)


class Exposure:
    """One instrument's position and the value of its open orders, in the settlement asset."""

    def __init__(self, instrument: Instrument) -> None:
        self.position = Position(instrument)
        self.buys = ZERO
        self.sells = ZERO
        self.mark: Decimal | None = None

    def order(self, side: Side, value: Decimal) -> None:
        """Open orders of ``side`` are worth ``value`` more."""
        if side is Side.BUY:
            self.buys += value
        else:
            self.sells += value

    def needed(self, side: Side = Side.BUY, more: Decimal = ZERO) -> Decimal:
        """The worse side's value, with an order of ``more`` on ``side`` added."""
        held = self.position.cost if self.position.lots > 0 else -self.position.cost
        buys = self.buys + (more if side is Side.BUY else ZERO)
        sells = self.sells + (more if side is Side.SELL else ZERO)
        return max(abs(held), held + buys, sells - held)

    def unrealized(self) -> Decimal:
        """Profit at the mark; 0 before there is one."""
        return ZERO if self.mark is None else self.position.unrealized(self.mark)

    def value(self) -> Decimal:
        """Of the position at the mark, never negative; at entry before there is one."""
        if self.mark is None:
            return self.position.cost
        return self.position.value(self.position.lots, self.mark)


class Margin:
    """All exposures of an account."""

    def __init__(self, leverage: int, maintenance: Decimal) -> None:
        self.leverage = Decimal(leverage)
        self.maintenance = maintenance
        self._exposures: dict[str, Exposure] = {}

    def exposure(self, instrument: Instrument) -> Exposure:
        exposure = self._exposures.get(instrument.name)
        if exposure is None:
            exposure = self._exposures[instrument.name] = Exposure(instrument)
        return exposure

    @exact
    def initial(self, asset: str) -> Decimal:
        """Margin needed in ``asset``, rounded up to eight decimals."""
        return self._of(sum((e.needed() for e in self._settled_in(asset)), ZERO))

    @exact
    def initial_with(self, instrument: Instrument, side: Side, value: Decimal) -> Decimal:
        """As ``initial`` of the settlement asset, with an order of ``value`` added."""
        mine = self.exposure(instrument)
        needed = mine.needed(side, value) - mine.needed()
        others = sum((e.needed() for e in self._settled_in(instrument.settle)), ZERO)
        return self._of(others + needed)

    @exact
    def unrealized(self, asset: str) -> Decimal:
        return sum((e.unrealized() for e in self._settled_in(asset)), ZERO)

    @exact
    def maintained(self, asset: str) -> Decimal:
        """Maintenance margin of the positions at their marks."""
        return self.maintenance * self.value(asset)

    @exact
    def value(self, asset: str) -> Decimal:
        """Of all positions at their marks."""
        return sum((e.value() for e in self._settled_in(asset)), ZERO)

    def _settled_in(self, asset: str) -> list[Exposure]:
        return [e for e in self._exposures.values() if e.position.instrument.settle == asset]

    def _of(self, value: Decimal) -> Decimal:
        return raised(ratio(value, self.leverage))
