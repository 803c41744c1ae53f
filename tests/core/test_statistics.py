"""Each figure against numpy, against a hand-computed case, and with too little data."""

import math
from decimal import Decimal

import numpy as np
import pytest

from ida_core import statistics as stats

RNG = np.random.default_rng(7)
CHANGES = {
    "normal": RNG.normal(0.1, 2.0, 500),
    "skewed": RNG.exponential(1.0, 400) - 0.9,
    "fat tails": RNG.standard_t(5, 600) * 0.3,
    "losing": RNG.normal(-1.0, 0.5, 120),
}
INTERVALS = (1.0, 60.0, 86_400.0)


@pytest.mark.parametrize("interval_s", INTERVALS)
@pytest.mark.parametrize("name", CHANGES)
def test_sharpe_agrees_with_numpy(name, interval_s):
    x = CHANGES[name]
    expected = x.mean() / x.std(ddof=1) * np.sqrt(365 * 86_400 / interval_s)
    assert stats.sharpe(list(x), interval_s) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", CHANGES)
def test_sharpe_stderr_agrees_with_numpy(name):
    x = CHANGES[name]
    ratio = x.mean() / x.std(ddof=1)
    z = (x - x.mean()) / x.std()
    skew, excess = (z**3).mean(), (z**4).mean() - 3
    variance = (1 + 0.5 * ratio**2 - skew * ratio + excess / 4 * ratio**2) / len(x)
    expected = np.sqrt(variance * 365 * 24)
    assert stats.sharpe_stderr(list(x), 3600.0) == pytest.approx(expected, rel=1e-10)


def test_sharpe_stderr_is_the_spread_of_the_estimate():
    """Estimates over many samples of a skewed law scatter by what the formula claims."""
    draws = np.random.default_rng(3).exponential(1.0, (2_000, 300)) - 0.5
    estimates = [stats.sharpe(list(row), stats.YEAR_S) for row in draws]
    claimed = np.mean([stats.sharpe_stderr(list(row), stats.YEAR_S) for row in draws[:300]])
    assert claimed == pytest.approx(np.std(estimates), rel=0.06)


@pytest.mark.parametrize("name", CHANGES)
def test_sortino_agrees_with_numpy(name):
    x = CHANGES[name]
    downside = np.sqrt((np.minimum(x, 0) ** 2).mean())
    expected = x.mean() / downside * np.sqrt(365 * 24 * 60)
    assert stats.sortino(list(x), 60.0) == pytest.approx(expected, rel=1e-12)


def test_volatility_agrees_with_numpy():
    prices = 100 * np.exp(np.cumsum(RNG.normal(0, 0.001, 400)))
    expected = np.diff(np.log(prices)).std(ddof=1) * np.sqrt(365 * 86_400 / 10)
    assert stats.volatility(list(prices), 10.0) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("name", CHANGES)
def test_drawdown_agrees_with_numpy(name):
    equity = 1000 + np.cumsum(CHANGES[name])
    peaks = np.maximum.accumulate(equity)
    assert stats.max_drawdown(list(equity)) == pytest.approx((peaks - equity).max())
    assert stats.max_relative_drawdown(list(equity)) == pytest.approx((1 - equity / peaks).max())


@pytest.mark.parametrize("q", [0.0, 0.25, 0.5, 0.99, 1.0])
def test_quantile_agrees_with_numpy(q):
    x = CHANGES["fat tails"]
    assert stats.quantile(list(x), q) == pytest.approx(np.quantile(x, q))


def test_by_hand():
    # mean 1, deviation sqrt(10 * 4 / 9), one change a year
    values = [3.0, -1.0] * 5
    assert stats.sharpe(values, stats.YEAR_S) == pytest.approx(1 / math.sqrt(40 / 9))
    # losses: five times 1 in ten intervals
    assert stats.sortino(values, stats.YEAR_S) == pytest.approx(1 / math.sqrt(0.5))
    # symmetric two-point law: skew 0, kurtosis 1, so variance (1 + SR^2/2 - SR^2/2) / 10
    assert stats.sharpe_stderr(values, stats.YEAR_S) == pytest.approx(math.sqrt(1 / 10))
    assert stats.changes([1.0, 3.0, 2.0]) == [2.0, -1.0]
    assert stats.weighted_mean([(1.0, 3.0), (5.0, 1.0)]) == 2.0
    assert stats.share(1, 4) == 0.25


def test_drawdown_keeps_money_exact():
    equity = [Decimal("0.1"), Decimal("0.3"), Decimal("0.2"), Decimal("0.25")]
    assert stats.max_drawdown(equity) == Decimal("0.1")
    assert stats.drawdowns(equity) == [0, 0, Decimal("0.1"), Decimal("0.05")]


@pytest.mark.parametrize(
    ("side", "price", "cost"), [(+1, 100.5, 50.0), (+1, 99.5, -50.0), (-1, 99.5, 50.0)]
)
def test_cost_has_the_sign_of_harm(side, price, cost):
    assert stats.cost_bps(side, price, 100.0) == pytest.approx(cost)


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0], [0.0] * 50, [0.1] * 50])
def test_too_little_is_none(values):
    assert stats.sharpe(values, 1.0) is None
    assert stats.sharpe_stderr(values, 1.0) is None
    assert stats.sortino(values, 1.0) is None


def test_nothing_is_none():
    assert stats.max_drawdown([]) is None
    assert stats.max_relative_drawdown([]) is None
    assert stats.max_relative_drawdown([-5.0, 5.0]) is None
    assert stats.volatility([1.0, 0.0, 2.0], 1.0) is None
    assert stats.volatility([1.0] * 5, 1.0) is None
    assert stats.share(0, 0) is None
    assert stats.weighted_mean([]) is None
    assert stats.quantile([], 0.5) is None
    assert stats.mean([]) is None
    assert stats.deviation([1.0]) is None
