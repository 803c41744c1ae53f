"""What a market has been doing lately: a thin hand on ``csrc/flow``; definitions in ``docs/market-state.md``.

Nothing is kept until somebody asks: the first call of any of these methods begins, and answers None. Whoever wants
figures from the start calls once in ``on_start``.
"""

from __future__ import annotations

from math import copysign, sqrt
from typing import Any

from ida_core.native import ffi, lib

STEP_NS: int = lib.IDA_FLOW_STEP_NS
STEP_S = STEP_NS / 1e9
"""From mark to mark, in seconds: the finest step that a mid is sampled at."""

MOST_S = lib.IDA_FLOW_MOST_S
"""The longest window, in seconds."""

LEAST_STEPS = 5
"""Steps that a window must hold where returns are sampled."""

LONG_S = 30.0
"""Windows from here on are sampled once a second, shorter ones at each mark."""

_measure, _correlation = lib.ida_flow_measure, lib.ida_flow_correlation
_VARIANCE, _BOUGHT, _SOLD, _TRADES = lib.IDA_VARIANCE, lib.IDA_BOUGHT, lib.IDA_SOLD, lib.IDA_TRADES
_TURNOVER, _ORDER_FLOW = lib.IDA_TURNOVER, lib.IDA_ORDER_FLOW
_ILLIQUIDITY, _PRICE_IMPACT = lib.IDA_ILLIQUIDITY, lib.IDA_PRICE_IMPACT
_EFFECTIVE, _REALIZED = lib.IDA_EFFECTIVE_SPREAD, lib.IDA_REALIZED_SPREAD


class MarketFlow:
    """Sums and samples over the last ``window_s`` seconds, of 0.1 to 600; part of ``Market``.

    A window ends now and begins on the last whole 100 ms that is at least ``window_s`` ago. All answers are None while
    they are not known: the book is not in step or stale, or was within the window; the window began before
    the first call or the first record; or there is too little to average. A window or step that is out of range is a
    ``ValueError``.
    """

    __slots__ = ("_flow", "_market")

    _flow: Any
    _market: Any

    def volatility(self, window_s: float, step_s: float | None = None) -> float | None:
        """Realised volatility of the mid: fraction of the price per square root of a second.

        ``sqrt(sum(r^2) / T)`` of the log returns r from step to step, T the seconds of those that are known; at least
        half of them, and five, must be. ``step_s``: a multiple of 0.1; 1 s for windows from 30 s on, else 0.1 s.
        Times ``sqrt(31_536_000)`` it is per square root of a year.
        """
        window_ns = _window_ns(window_s)
        step_ns = _step_ns(window_s, (1.0 if window_s >= LONG_S else STEP_S) if step_s is None else step_s)
        found = _known(_measure(self._kept(), _VARIANCE, window_ns, step_ns))
        return None if found is None else sqrt(found)

    def trade_flow(self, window_s: float) -> int | None:
        """Lots that aggressors bought less those that they sold."""
        flow, window_ns = self._kept(), _window_ns(window_s)
        found = _known(_measure(flow, _BOUGHT, window_ns, 0) - _measure(flow, _SOLD, window_ns, 0))
        return None if found is None else int(found)

    def bought(self, window_s: float) -> int | None:
        """Lots that aggressors bought."""
        return self._whole(_BOUGHT, window_s)

    def sold(self, window_s: float) -> int | None:
        """Lots that aggressors sold."""
        return self._whole(_SOLD, window_s)

    def trade_count(self, window_s: float) -> int | None:
        """On-book trades, as the venue tells them: an aggregate is one."""
        return self._whole(_TRADES, window_s)

    def turnover(self, window_s: float) -> int | None:
        """What was traded, in ticks x lots; times tick size and lot size it is in quote units (spot, linear)."""
        return self._whole(_TURNOVER, window_s)

    def order_flow(self, window_s: float) -> int | None:
        """Order-flow imbalance of the best bid and ask, in lots (Cont, Kukanov and Stoikov 2014)."""
        return self._whole(_ORDER_FLOW, window_s)

    def illiquidity(self, window_s: float) -> float | None:
        """Amihud's measure over the seconds with trades, ten at least: mean of ``|log return| / turnover``, the
        turnover in ticks x lots."""
        return _known(_measure(self._kept(), _ILLIQUIDITY, _window_ns(window_s), 0))

    def price_impact(self, window_s: float) -> float | None:
        """Kyle's lambda, as a slope: ticks that the mid moved per lot of trade flow, over seconds, ten at least."""
        return _known(_measure(self._kept(), _PRICE_IMPACT, _window_ns(window_s), 0))

    def effective_spread(self, window_s: float) -> float | None:
        """Twice what trades paid against the mid as it was before, in ticks, weighted by lots."""
        return _known(_measure(self._kept(), _EFFECTIVE, _window_ns(window_s), 0))

    def realized_spread(self, window_s: float) -> float | None:
        """Twice what trades paid against the mid 5 s later, in ticks, weighted by lots; of trades that are 5 s old."""
        return _known(_measure(self._kept(), _REALIZED, _window_ns(window_s), 0))

    def correlation(self, other: MarketFlow, window_s: float, step_s: float = 1.0) -> float | None:
        """Realised correlation of the two mids' log returns on one grid of time: -1 to 1.

        ``step_s``: a multiple of 0.1. The finer the grid, the nearer to 0 it comes, since not all instruments move at
        once (Epps 1979). Ten returns, and half of the window's, must be known of both.
        """
        mine, others = self._kept(), other._kept()
        found = _known(_correlation(mine, others, _window_ns(window_s), _step_ns(window_s, step_s)))
        return None if found is None else max(-1.0, min(1.0, copysign(sqrt(abs(found)), found)))

    def _whole(self, measure: int, window_s: float) -> int | None:
        found = _known(_measure(self._kept(), measure, _window_ns(window_s), 0))
        return None if found is None else int(found)

    def _kept(self) -> Any:
        """The ``ida_flow *``; the first call makes it."""
        if self._flow is None:
            flow = lib.ida_flow_of(self._market)
            if flow == ffi.NULL:
                raise MemoryError("market: no memory for what it has been doing")
            self._flow = flow
        return self._flow


def _known(value: float) -> float | None:
    return value if value == value else None


def _window_ns(window_s: float) -> int:
    if not STEP_S <= window_s <= MOST_S:
        raise ValueError(f"window_s = {window_s}: a window is from {STEP_S} to {MOST_S} s long")
    return round(window_s * 1e9)


def _step_ns(window_s: float, step_s: float) -> int:
    steps = round(step_s / STEP_S)
    if steps < 1 or abs(steps * STEP_S - step_s) > 1e-9:
        raise ValueError(f"step_s = {step_s}: a step is a multiple of {STEP_S} s")
    if steps * STEP_S * LEAST_STEPS > window_s + 1e-9:
        raise ValueError(f"step_s = {step_s}: a window of {window_s} s must hold {LEAST_STEPS} steps")
    return steps * STEP_NS
