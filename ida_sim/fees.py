"""Maker and taker rates, and the fee of a fill in the asset that Binance would take it from.

A fee is truncated to eight decimals. Source: a fill of 0.0389 BNB at 0.075 % was charged
0.00002917 BNB, not 0.00002918 (public trade reports); and Binance Spot API docs, faqs/commission.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

import msgspec

from ida_core import ConfigError, Instrument, InstrumentKind, Side, plain
from ida_sim.exact import exact, ratio, truncated

DISCOUNT_ASSET = "BNB"
#: What is taken off when the fee is paid in it; inverse perpetuals have no discount.
DISCOUNTS = {InstrumentKind.SPOT: Decimal("0.25"), InstrumentKind.LINEAR: Decimal("0.10")}
BASIS_POINT = Decimal("0.0001")
MOST = Decimal("0.1")


class Rates(NamedTuple):
    """Fractions of the traded value; negative is a rebate."""

    maker: Decimal
    taker: Decimal


class Fee(NamedTuple):
    """Positive when charged, negative for a rebate."""

    amount: Decimal
    asset: str


def _percent(*rates: tuple[str, str]) -> tuple[Rates, ...]:
    return tuple(Rates(Decimal(maker) / 100, Decimal(taker) / 100) for maker, taker in rates)


# VIP 0 to 9, in percent. Typical public schedule, read from secondary sources in 2026: it changes
# with time and campaigns, so set your own where it matters.
SPOT_TIERS = _percent(
    ("0.1", "0.1"), ("0.09", "0.1"), ("0.08", "0.1"), ("0.042", "0.06"), ("0.042", "0.054"),
    ("0.036", "0.048"), ("0.03", "0.042"), ("0.024", "0.036"), ("0.018", "0.03"),
    ("0.012", "0.024"),
)  # fmt: skip
PERPETUAL_TIERS = _percent(
    ("0.02", "0.05"), ("0.016", "0.04"), ("0.014", "0.035"), ("0.012", "0.032"), ("0.01", "0.03"),
    ("0.008", "0.027"), ("0.006", "0.025"), ("0.004", "0.022"), ("0.002", "0.02"), ("0", "0.017"),
)  # fmt: skip
SCHEDULES: Mapping[InstrumentKind, tuple[Rates, ...]] = {
    InstrumentKind.SPOT: SPOT_TIERS,
    InstrumentKind.LINEAR: PERPETUAL_TIERS,
    InstrumentKind.INVERSE: PERPETUAL_TIERS,
}


class Fees(msgspec.Struct, frozen=True, kw_only=True):
    """What an account pays.

    Args:
        tier: VIP level, 0 (worst) to 9.
        maker_fee, taker_fee: fractions that take the place of the schedule's, for all instruments;
            negative is a rebate.
        bnb_prices: quote asset → price of one BNB, for fees paid in BNB; None: never paid in BNB.
            Trades against BNB itself need no price.
        worsened: how many tiers beyond the schedule's worst; see ``next_tier``.
    Raises:
        ConfigError: a tier or rate that cannot be; the message names key, value and rule.

    >>> Fees(tier=1).rates(InstrumentKind.SPOT)
    Rates(maker=Decimal('0.0009'), taker=Decimal('0.001'))
    """

    tier: int = 0
    maker_fee: Decimal | None = None
    taker_fee: Decimal | None = None
    bnb_prices: Mapping[str, Decimal] | None = None
    worsened: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.tier < len(SPOT_TIERS):
            raise ConfigError(f"sim.tier = {self.tier}: must be 0 to {len(SPOT_TIERS) - 1}")
        for key, rate in (("maker_fee", self.maker_fee), ("taker_fee", self.taker_fee)):
            if rate is not None and not (rate.is_finite() and abs(rate) <= MOST):
                rule = f"must be a fraction from -{MOST} to {MOST}; 0.1 % is 0.001"
                raise ConfigError(f"sim.{key} = {rate}: {rule}")
        for asset, price in (self.bnb_prices or {}).items():
            if not (price.is_finite() and price > 0):
                raise ConfigError(f"sim.bnb_prices.{asset} = {price}: must be above 0")

    def rates(self, kind: InstrumentKind) -> Rates:
        """The rates before any discount."""
        maker, taker = SCHEDULES[kind][self.tier]
        rates = [maker if self.maker_fee is None else self.maker_fee,
                 taker if self.taker_fee is None else self.taker_fee]
        for _ in range(self.worsened):
            rates = [rate + max(abs(rate) / 4, BASIS_POINT) for rate in rates]
        return Rates(*rates)

    @exact
    def fee(
        self, instrument: Instrument, side: Side, lots: int, price_ticks: int, maker: bool,
        bnb_free: Decimal = Decimal(0),
    ) -> Fee:
        """Return the fee of a fill.

        From the asset that was received (spot), or that settles (perpetuals): the base of a spot
        buy, the quote of a spot sell. In BNB, less the discount, when ``bnb_free`` is enough for
        the whole of it: a fee is never split between two assets.
        """
        rate = self.rates(instrument.kind)[0 if maker else 1]
        value = instrument.notional(price_ticks, lots) * rate
        in_bnb = self._in_bnb(instrument, value, instrument.price(price_ticks))
        if in_bnb is not None and in_bnb <= bnb_free:
            return Fee(in_bnb, DISCOUNT_ASSET)
        if instrument.kind is InstrumentKind.SPOT and side is Side.BUY:
            received = instrument.quantity(lots) * instrument.multiplier
            return Fee(truncated(received * rate), instrument.base)
        if instrument.kind is InstrumentKind.INVERSE:
            value = ratio(value, instrument.price(price_ticks))
        return Fee(truncated(value), instrument.settle)

    def next_tier(self) -> "Fees":
        """The next worse tier, for the worst-case re-run: one VIP level down. Below VIP 0, and for
        rates of the user's own, each rate grows by a quarter of its amount, at least by 1 bp."""
        explicit = self.maker_fee is not None or self.taker_fee is not None
        if self.tier > 0 and not explicit:
            return msgspec.structs.replace(self, tier=self.tier - 1)
        return msgspec.structs.replace(self, worsened=self.worsened + 1)

    def describe(self, kinds: Iterable[InstrumentKind] = tuple(InstrumentKind)) -> str:
        """In words, for the assumptions beside a result."""
        return "; ".join(self._words(kind) for kind in kinds)

    def _in_bnb(self, instrument: Instrument, value: Decimal, price: Decimal) -> Decimal | None:
        """``value`` (quote) less the discount in BNB; None where it cannot be paid so."""
        discount = DISCOUNTS.get(instrument.kind)
        if self.bnb_prices is None or discount is None or value <= 0:
            return None
        known = {**self.bnb_prices, DISCOUNT_ASSET: Decimal(1)}
        bnb = price if instrument.base == DISCOUNT_ASSET else known.get(instrument.quote)
        return None if bnb is None else truncated(ratio(value * (1 - discount), bnb))

    def _words(self, kind: InstrumentKind) -> str:
        maker, taker = (plain(rate * 100) for rate in self.rates(kind))
        own = self.maker_fee is not None or self.taker_fee is not None
        source = "rates of the configuration" if own else f"typical VIP {self.tier} schedule"
        worse = f", made {self.worsened} tier worse" if self.worsened else ""
        words = f"{kind.value.lower()}: maker {maker} %, taker {taker} % ({source}{worse})"
        if self.bnb_prices is not None and kind in DISCOUNTS:
            words += f", {DISCOUNTS[kind]:.0%} less while it can be paid in {DISCOUNT_ASSET}"
        return words
