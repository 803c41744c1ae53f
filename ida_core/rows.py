"""What a report knows of a run, as rows: fills, orders, and the state of things along a time grid.

Times are local ns since 1970 UTC (0: it did not happen), prices ticks, quantities lots; money is
``Decimal``.
"""

from dataclasses import dataclass, field
from decimal import Decimal

from ida_core.model import Side
from ida_core.order import Order

MARKOUTS_S = (1, 10, 60)
"""How long after a fill the mid is looked at again, in seconds."""


@dataclass(slots=True)
class FillRow:
    """One trade of ours.

    ``mid``: halfway between best bid and ask when we learned of the fill, ``decision_mid`` when the
    order was requested, ``markouts`` so many seconds (``MARKOUTS_S``) after the fill; all in ticks,
    None where there was no book in step. ``notional``: in quote units (inverse: of the contracts);
    ``value``: in the report's currency; ``position``: lots after the fill; ``reason``: the rule
    that made it (simulated).
    """

    ts_local_ns: int
    ts_venue_ns: int
    instrument: int
    order_id: str
    strategy: str
    side: Side
    price: int
    quantity: int
    maker: bool
    fee: Decimal
    fee_asset: str
    trade_id: int
    reason: str
    notional: Decimal
    value: Decimal
    position: int
    mid: float | None
    decision_mid: float | None
    markouts: list[float | None] = field(default_factory=lambda: [None] * len(MARKOUTS_S))


@dataclass(slots=True)
class OrderRow:
    """One order: as the order table knows it, and what the market was like.

    ``mid``: ticks when it was requested; ``ahead``: lots ahead in the queue when it was accepted
    (-1: not told).
    """

    order: Order
    mid: float | None
    ahead: int = -1


@dataclass(slots=True)
class Samples:
    """The run along time: at each multiple of ``step_ns``, and at each fill.

    ``net`` is the result after fees and funding in the report's currency, ``gross`` before fees;
    ``mids`` (ticks, None without a book in step) and ``positions`` (lots): a list per instrument.
    ``regular``: the indices that lie on the grid of ``statistics_ns``, one per interval.
    """

    step_ns: int
    statistics_ns: int
    times_ns: list[int] = field(default_factory=list)
    net: list[Decimal] = field(default_factory=list)
    gross: list[Decimal] = field(default_factory=list)
    mids: list[list[float | None]] = field(default_factory=list)
    positions: list[list[int]] = field(default_factory=list)
    regular: list[int] = field(default_factory=list)


_STEPS_MS = (
    1,
    2,
    5,
    10,
    20,
    50,
    100,
    200,
    500,
    1_000,
    2_000,
    5_000,
    10_000,
    20_000,
    30_000,
    60_000,
    120_000,
    300_000,
    600_000,
    1_200_000,
    1_800_000,
    3_600_000,
    7_200_000,
    14_400_000,
    28_800_000,
    86_400_000,
)
_STATISTICS_MS = (1_000, 10_000, 60_000, 600_000, 3_600_000, 86_400_000)
MOST_POINTS = 2_000
LEAST_CHANGES = 100


def grid_of(span_ns: int) -> tuple[int, int]:
    """Return ``(step_ns, statistics_ns)`` for a run of ``span_ns``.

    The step is the finest of a fixed ladder that gives at most ``MOST_POINTS``; statistics use the
    coarsest of 1 s, 10 s, 1 min, 10 min, 1 h and 1 day that gives at least ``LEAST_CHANGES`` (else
    1 s). The step divides the statistics' interval, so every one of its points is sampled.

    >>> grid_of(345 * 10**9)
    (200000000, 1000000000)
    """
    span_ms = span_ns / 1e6
    usable = [ms for ms in _STATISTICS_MS if span_ms / ms >= LEAST_CHANGES]
    statistics = usable[-1] if usable else _STATISTICS_MS[0]
    fits = (ms for ms in _STEPS_MS if span_ms / ms <= MOST_POINTS and statistics % ms == 0)
    step = min(next(fits, statistics), statistics)
    return step * 1_000_000, statistics * 1_000_000
