"""The block ``performance`` of the report: ``ida_core.statistics`` over a fold's rows."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from ida_core.fold import Fold
from ida_core.model import plain
from ida_core.portfolio import ZERO
from ida_core.rows import MARKOUTS_S, FillRow
from ida_core.statistics import (
    annual_deviation,
    changes,
    cost_bps,
    max_drawdown,
    max_relative_drawdown,
    share,
    sharpe,
    sharpe_stderr,
    sortino,
    weighted_mean,
)


def performance(fold: Fold, capital: Decimal | None) -> dict[str, Any]:
    """Return the block; each key is defined in ``docs/numbers.md``."""
    return {**_over_time(fold, capital), **_of_orders(fold), **_of_prices(fold, capital)}


def _over_time(fold: Fold, capital: Decimal | None) -> dict[str, Any]:
    samples = fold.samples
    interval_s = samples.statistics_ns / 1e9
    moves = changes([float(samples.net[i]) for i in samples.regular])
    fall = max_drawdown(samples.net)
    total = [float(capital + net) for net in samples.net] if capital else []
    spread = annual_deviation(moves, interval_s)
    return {
        "sharpe": sharpe(moves, interval_s),
        "sharpe_stderr": sharpe_stderr(moves, interval_s),
        "sortino": sortino(moves, interval_s),
        "max_drawdown": None if fall is None else plain(fall),
        "max_drawdown_relative": max_relative_drawdown(total),
        "volatility": None if spread is None or not capital else spread / float(capital),
        "sampling_s": interval_s,
        "samples": len(moves),
    }


def _of_orders(fold: Fold) -> dict[str, Any]:
    orders = [
        row.order
        for row in fold.orders.values()
        if row.order.acknowledged and not row.order.foreign
    ]
    makers = (fill for fill in fold.fills if fill.maker)
    return {
        "fill_ratio": share(sum(1 for order in orders if order.traded), len(orders)),
        "maker_share": share(_value(makers), _value(fold.fills)),
    }


def _value(fills: Iterable[FillRow]) -> float:
    return float(sum((fill.value for fill in fills), ZERO))


def _of_prices(fold: Fold, capital: Decimal | None) -> dict[str, Any]:
    takers = [fill for fill in fold.fills if not fill.maker]
    makers = [fill for fill in fold.fills if fill.maker]
    edge = weighted_mean(_against(makers, [fill.mid for fill in makers]))
    marks = {
        f"markout_{after_s}s_bps": _negated(
            weighted_mean(_against(fold.fills, [f.markouts[k] for f in fold.fills]))
        )
        for k, after_s in enumerate(MARKOUTS_S)
    }
    return {
        "turnover": share(_value(fold.fills), float(capital)) if capital else None,
        "slippage_bps": weighted_mean(_against(takers, [fill.decision_mid for fill in takers])),
        "maker_edge_bps": _negated(edge),
        **marks,
    }


def _against(
    fills: Iterable[FillRow], references: Iterable[float | None]
) -> list[tuple[float, float]]:
    """(cost in bps, weight) of each fill that has a reference."""
    return [
        (cost_bps(fill.side.sign, fill.price, reference), float(fill.value))
        for fill, reference in zip(fills, references, strict=True)
        if reference
    ]


def _negated(value: float | None) -> float | None:
    return None if value is None else -value
