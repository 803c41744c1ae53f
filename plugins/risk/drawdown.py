"""Stops the run when equity has fallen too far from its peak."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from ida_core import OrderRequest, RiskCheck, RiskState, plain


class Drawdown(RiskCheck):
    """Equity, open positions at the mid included, against its highest since the start. From the
    limit on nothing is opened, and the run is halted."""

    name = "drawdown"

    class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """
        Args:
            limit: fall from the peak in the report currency; off if not set.
            fraction: the same as a part of the peak, 0.1 for 10 %; off if not set, and as long as
                the peak is not above 0.
        """

        limit: Decimal | None = None
        fraction: Decimal | None = None

    config: Config

    def bounds(self) -> Sequence[str]:
        return ("loss",) if self.config.limit is not None or self.config.fraction is not None else ()

    def check(self, request: OrderRequest, state: RiskState) -> str | None:
        sentence = self.halt(state)
        return None if sentence is None or state.closing(request) else sentence

    def halt(self, state: RiskState) -> str | None:
        if self.config.limit is None and self.config.fraction is None:
            return None
        fall, currency = state.peak_equity - state.equity, state.portfolio.currency
        for limit in self._limits(state.peak_equity):
            if fall >= limit:
                return (
                    f"the drawdown of {plain(round(fall, 8))} {currency} "
                    f"has reached the limit {plain(round(limit, 8))}"
                )
        return None

    def _limits(self, peak: Decimal) -> list[Decimal]:
        limit, fraction = self.config.limit, self.config.fraction
        limits = [] if limit is None else [limit]
        return [*limits, fraction * peak] if fraction is not None and peak > 0 else limits
