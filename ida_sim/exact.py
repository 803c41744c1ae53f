"""Exact decimal arithmetic: what does not fit is an error, and rounding is said by name."""

from collections.abc import Callable
from decimal import (
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
    localcontext,
)
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

#: What an exchange books: balances, fees and PnL have eight decimals.
UNIT = Decimal("1e-8")
#: Room for prices, quantities and quotients of 40 digits, summed for ever; a digit lost raises.
EXACT = Context(prec=120, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])
_WIDE = Context(prec=120)


def exact(function: Callable[P, R]) -> Callable[P, R]:
    """Run ``function`` with sums and products that are exact, or raise ``decimal.Inexact``."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with localcontext(EXACT):
            return function(*args, **kwargs)

    return run


def ratio(a: Decimal, b: Decimal) -> Decimal:
    """``a / b`` to 120 digits: round it before it is booked."""
    return _WIDE.divide(a, b)


def truncated(value: Decimal) -> Decimal:
    """``value`` with eight decimals, the rest cut off towards 0.

    >>> truncated(Decimal("0.0389") * Decimal("0.00075"))
    Decimal('0.00002917')
    """
    return value.quantize(UNIT, ROUND_DOWN, context=_WIDE)


def raised(value: Decimal) -> Decimal:
    """``value`` with eight decimals, up where it lies between two."""
    return value.quantize(UNIT, ROUND_CEILING, context=_WIDE)


def nearest(value: Decimal) -> Decimal:
    """``value`` with eight decimals, half to even."""
    return value.quantize(UNIT, ROUND_HALF_EVEN, context=_WIDE)
