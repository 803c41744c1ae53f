"""The section ``[sim]``: what the simulated exchange assumes. Each default is the cautious one."""

from decimal import Decimal
from typing import Annotated

import msgspec


class SimConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Times in ms, rates as fractions of the traded value (0.001 is 0.1 %), money in units of its asset."""

    #: Request leg: a number, or ``normal(mean, sd)``, ``lognormal(median, sigma)``, ``uniform(a, b)``,
    #: ``exponential(min, mean)``, ``feed(factor)``: drawn from the recorded feed latency.
    request_latency_ms: Decimal | str = Decimal(5)
    #: Response leg, likewise.
    response_latency_ms: Decimal | str = Decimal(5)
    #: ``risk_averse``, ``power(n)`` or ``log``: how the queue ahead of a resting order shrinks.
    queue: str = "risk_averse"
    #: They take the place of the tier's rates; negative is a rebate.
    maker_fee: Decimal | None = None
    taker_fee: Decimal | None = None
    #: VIP level of the published schedule, 0 to 9.
    fee_tier: Annotated[int, msgspec.Meta(ge=0, le=9)] = 0
    #: Quote asset → price of one BNB. With it fees are paid in BNB, less the discount, while there is enough.
    bnb_prices: dict[str, Decimal] = {}
    #: Asset → amount. Empty: 1,000,000 quote units and, on spot, base of the same value; 100 coins for inverse.
    balances: dict[str, Decimal] = {}
    leverage: Annotated[int, msgspec.Meta(ge=1, le=125)] = 20
    #: For worse cases: both legs take so many times as long; fees are so many tiers worse.
    latency_factor: Annotated[float, msgspec.Meta(ge=0)] = 1.0
    fee_tiers_worse: Annotated[int, msgspec.Meta(ge=0, le=9)] = 0
    #: Local minus exchange clock to take off a recording; unset: estimated.
    clock_offset_ms: Decimal | None = None
    #: Room for open orders per symbol.
    max_open_orders: Annotated[int, msgspec.Meta(ge=16, le=1_000_000)] = 8192
    #: The synthetic market: first price, fraction of volatility per square root of a day, actions per second,
    #: ticks from the middle at which makers quote, feed latency and its jitter.
    start_price: Decimal = Decimal(60_000)
    volatility: Annotated[float, msgspec.Meta(gt=0, le=2)] = 0.03
    events_per_s: Annotated[float, msgspec.Meta(gt=0, le=100_000)] = 200.0
    half_spread_ticks: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1
    feed_latency_ms: Decimal = Decimal(2)
    feed_jitter_ms: Decimal = Decimal(1)

    def __post_init__(self) -> None:
        if not (self.start_price.is_finite() and self.start_price > 0):
            raise ValueError(f"start_price = {self.start_price}: must be above 0")
        for key in ("feed_latency_ms", "feed_jitter_ms"):
            value = getattr(self, key)
            if not (value.is_finite() and 0 <= value <= 60_000):
                raise ValueError(f"{key} = {value}: must be 0 to 60000 ms")
