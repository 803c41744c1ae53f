"""A position in a perpetual: entry cost and the profit of closing, by average cost.

Reckoned here and not by ``ida_core.portfolio``, so that a run's ledger, which is checked against the
exchange's balances, is checked against a second reckoning. The rule is the same: quotients have 40
digits, everything else is exact.
"""

from decimal import Context, Decimal

from ida_core import Instrument, InstrumentKind
from ida_sim.exact import exact

ZERO = Decimal(0)
_divide = Context(prec=40).divide


class Position:
    """``lots`` is negative when short; ``cost`` is the entry value in the settlement asset, never
    negative."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.lots = 0
        self.cost = ZERO

    @property
    def quantity(self) -> Decimal:
        """Base units, contracts for inverse; negative when short."""
        return self.instrument.quantity(self.lots)

    @property
    def entry_price(self) -> Decimal | None:
        """Average, in quote units; None when flat."""
        if not self.lots:
            return None
        units = abs(self.quantity) * self.instrument.multiplier
        return _divide(units, self.cost) if self._is_inverse else _divide(self.cost, units)

    @exact
    def value(self, lots: int, price: Decimal) -> Decimal:
        """What ``lots`` are worth at ``price``, in the settlement asset; never negative."""
        units = abs(self.instrument.quantity(lots)) * self.instrument.multiplier
        return _divide(units, price) if self._is_inverse else units * price

    @exact
    def unrealized(self, price: Decimal) -> Decimal:
        """Profit of closing everything at ``price``."""
        return self._gain(self.value(self.lots, price), self.cost)

    @exact
    def trade(self, lots: int, price: Decimal) -> Decimal:
        """Add ``lots`` (negative: sold) at ``price``; returns the profit realized by it."""
        gain = ZERO
        if lots * self.lots < 0:
            closed = min(abs(lots), abs(self.lots))
            back = self.cost if closed == abs(self.lots) else self._share(closed)
            gain = self._gain(self.value(closed, price), back)
            self.cost -= back
            sign = 1 if lots > 0 else -1
            self.lots += sign * closed
            lots -= sign * closed
        self.lots += lots
        self.cost += self.value(lots, price)
        return gain

    @property
    def _is_inverse(self) -> bool:
        return self.instrument.kind is InstrumentKind.INVERSE

    def _share(self, lots: int) -> Decimal:
        return _divide(self.cost * lots, Decimal(abs(self.lots)))

    def _gain(self, value: Decimal, cost: Decimal) -> Decimal:
        """A contract of an inverse instrument is worth less coin the higher the price."""
        return value - cost if (self.lots > 0) is not self._is_inverse else cost - value
