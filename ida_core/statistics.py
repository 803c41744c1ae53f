"""The figures of a report, each defined once: pure functions over sequences of plain numbers.

Where there is too little data for a figure the answer is None, never a nonsense number. Words,
units and sampling stand in ``docs/numbers.md``. ``float`` is fine here: nothing computed in this
file goes back into money.
"""

import math
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import accumulate, pairwise
from typing import TypeVar

YEAR_S = 365 * 86_400
"""Crypto markets never close: a year is 365 days of 24 hours."""

MIN_CHANGES = 10
"""Below so many changes nothing is said about their distribution."""

Number = TypeVar("Number", float, Decimal)


def changes(values: Sequence[float]) -> list[float]:
    """Return the differences of neighbours: one fewer than ``values``.

    >>> changes([100.0, 101.0, 100.5])
    [1.0, -0.5]
    """
    return [later - earlier for earlier, later in pairwise(values)]


def mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def deviation(values: Sequence[float]) -> float | None:
    """Standard deviation of a sample, ``sqrt(sum((x - mean)^2) / (n - 1))``; None below two."""
    if len(values) < 2:
        return None
    centre = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((x - centre) ** 2 for x in values) / (len(values) - 1))


def _ratio(values: Sequence[float]) -> float | None:
    """Mean over standard deviation of one interval's changes."""
    spread = deviation(values)
    if len(values) < MIN_CHANGES or not spread:
        return None
    scale = max(abs(x) for x in values)
    return None if spread < 1e-12 * scale else math.fsum(values) / len(values) / spread


def sharpe(values: Sequence[float], interval_s: float) -> float | None:
    """Annualised Sharpe ratio of equity changes, risk-free rate 0.

    ``mean / deviation * sqrt(YEAR_S / interval_s)``.

    Args:
        values: changes of equity, in money, one per ``interval_s`` seconds, idle ones included.
    Returns:
        None below ``MIN_CHANGES`` changes or where they do not vary.
    """
    ratio = _ratio(values)
    return None if ratio is None else ratio * math.sqrt(YEAR_S / interval_s)


def sharpe_stderr(values: Sequence[float], interval_s: float) -> float | None:
    """Standard error of ``sharpe``, for changes that are independent but need not be normal.

    ``sqrt((1 + SR^2/2 - skew * SR + (kurtosis - 3)/4 * SR^2) / n) * sqrt(YEAR_S / interval_s)``
    with SR of one interval, skew and kurtosis of the population.

    Source: Lo, "The Statistics of Sharpe Ratios" (2002), with the correction for higher moments of
    Mertens, "Comments on Variance of the IID estimator in Lo" (2002).
    """
    ratio = _ratio(values)
    if ratio is None:
        return None
    skew, kurtosis = _higher_moments(values)
    variance = 1 + ratio**2 / 2 - skew * ratio + (kurtosis - 3) / 4 * ratio**2
    return math.sqrt(max(variance, 0.0) / len(values)) * math.sqrt(YEAR_S / interval_s)


def _higher_moments(values: Sequence[float]) -> tuple[float, float]:
    centre = math.fsum(values) / len(values)
    second, third, fourth = (
        math.fsum((x - centre) ** power for x in values) / len(values) for power in (2, 3, 4)
    )
    return third / second**1.5, fourth / second**2


def sortino(values: Sequence[float], interval_s: float) -> float | None:
    """Annualised Sortino ratio, target 0.

    ``mean / sqrt(mean(min(x, 0)^2)) * sqrt(YEAR_S / interval_s)``; the mean under the root is over
    all intervals, also those that gained. None without any loss.
    """
    squares = math.fsum(min(x, 0.0) ** 2 for x in values)
    if len(values) < MIN_CHANGES or not squares:
        return None
    downside = math.sqrt(squares / len(values))
    return math.fsum(values) / len(values) / downside * math.sqrt(YEAR_S / interval_s)


def annual_deviation(values: Sequence[float], interval_s: float) -> float | None:
    """``deviation * sqrt(YEAR_S / interval_s)``, in the unit of the changes."""
    spread = deviation(values)
    if len(values) < MIN_CHANGES or spread is None:
        return None
    return spread * math.sqrt(YEAR_S / interval_s)


def volatility(prices: Sequence[float], interval_s: float) -> float | None:
    """Annualised volatility of a price: ``annual_deviation`` of the logarithmic returns.

    >>> volatility([100.0] * 20, 1.0)
    0.0
    """
    if any(price <= 0 for price in prices):
        return None
    return annual_deviation(changes([math.log(price) for price in prices]), interval_s)


def drawdowns(equity: Sequence[Number]) -> list[Number]:
    """At each point the fall from the highest value so far, never below 0, in money.

    >>> drawdowns([0.0, 3.0, 1.0, 4.0])
    [0.0, 0.0, 2.0, 0.0]
    """
    return [peak - value for peak, value in zip(accumulate(equity, max), equity, strict=True)]


def max_drawdown(equity: Sequence[Number]) -> Number | None:
    """The largest fall from a peak, in money."""
    return max(drawdowns(equity), default=None)


def max_relative_drawdown(equity: Sequence[float]) -> float | None:
    """The largest fall from a peak as a share of that peak; ``equity`` includes the capital.

    None where a peak is not above 0: no share can be named.
    """
    peaks = list(accumulate(equity, max))
    if not peaks or min(peaks) <= 0:
        return None
    return max((peak - value) / peak for peak, value in zip(peaks, equity, strict=True))


def share(part: float, whole: float) -> float | None:
    """``part / whole``; None of nothing."""
    return part / whole if whole else None


def weighted_mean(values: Iterable[tuple[float, float]]) -> float | None:
    """Mean of ``(value, weight)`` pairs: ``sum(value * weight) / sum(weight)``."""
    pairs = list(values)
    weight = math.fsum(w for _, w in pairs)
    return math.fsum(v * w for v, w in pairs) / weight if weight else None


def cost_bps(side: int, price: float, reference: float) -> float:
    """What ``price`` cost against ``reference``, in basis points of it; positive is worse for us.

    Args:
        side: +1 for a buy, -1 for a sell.

    >>> cost_bps(+1, 101.0, 100.0), cost_bps(-1, 101.0, 100.0)
    (100.0, -100.0)
    """
    return side * (price - reference) / reference * 10_000


def quantile(values: Sequence[float], q: float) -> float | None:
    """Linear interpolation between the closest ranks (numpy's default)."""
    if not values:
        return None
    ordered = sorted(values)
    place = q * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
