"""The section ``[sim]``: what the simulated exchange assumes. Each default is the cautious one."""

from decimal import Decimal
from random import Random
from typing import Annotated

import msgspec

from ida_core import ConfigError
from ida_sim.latency import latency_model
from ida_sim.queues import queue_model


class SimConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Times in ms, rates as fractions of the traded value (0.001 is 0.1 %), money in units of its asset.

    Args:
        request_latency_ms: of the request leg: a number, or ``normal(mean, sd)``, ``lognormal(median, sigma)``,
            ``uniform(low, high)``, ``exponential(least, mean)``, or ``feed(factor)``: drawn from the recorded feed
            latency.
        response_latency_ms: of the response leg, likewise.
        queue: how the queue ahead of a resting order shrinks: ``risk_averse``, ``power(n)`` or ``log``.
        maker_fee: in place of the tier's rate; negative is a rebate.
        taker_fee: in place of the tier's rate.
        fee_tier: VIP level of the published schedule.
        bnb_prices: quote asset to price of one BNB. With it fees are paid in BNB, less the discount, while there is
            enough of it.
        balances: asset to amount at the start. Empty: 1,000,000 quote units and, on spot, base of the same value;
            100 coins for inverse.
        leverage: of perpetuals.
        latency_factor: both legs take so many times as long; for worse cases.
        fee_tiers_worse: fees are so many tiers worse; for worse cases.
        clock_offset_ms: recorder's clock minus exchange's, to take off a recording; estimated if not set.
        max_open_orders: room for open orders, per symbol.
        start_price: of a synthetic market, in quote units.
        volatility: of a synthetic market: standard deviation of a day's change, as a fraction of the price.
        events_per_s: what agents of a synthetic market do, per second.
        half_spread_ticks: of a synthetic market: from the middle to where its makers quote.
        feed_latency_ms: of a synthetic market's data on its way to us.
        feed_jitter_ms: most that is added to it, by chance.
    """

    request_latency_ms: Decimal | str = Decimal(5)
    response_latency_ms: Decimal | str = Decimal(5)
    queue: str = "risk_averse"
    maker_fee: Decimal | None = None
    taker_fee: Decimal | None = None
    fee_tier: Annotated[int, msgspec.Meta(ge=0, le=9)] = 0
    bnb_prices: dict[str, Decimal] = {}
    balances: dict[str, Decimal] = {}
    leverage: Annotated[int, msgspec.Meta(ge=1, le=125)] = 20
    latency_factor: Annotated[float, msgspec.Meta(ge=0)] = 1.0
    fee_tiers_worse: Annotated[int, msgspec.Meta(ge=0, le=9)] = 0
    clock_offset_ms: Decimal | None = None
    max_open_orders: Annotated[int, msgspec.Meta(ge=16, le=1_000_000)] = 8192
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
        try:
            queue_model(self.queue)
            for key in ("request_latency_ms", "response_latency_ms"):
                latency_model(getattr(self, key), Random(0), feed_ns=(0, 0), key=f"sim.{key}")
        except ConfigError as error:
            raise ValueError(str(error)) from None
