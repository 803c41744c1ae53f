"""Stops the run when the day has cost too much."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from ida_core import OrderRequest, RiskCheck, RiskState, plain


class DailyLoss(RiskCheck):
    """Equity, open positions at the mid included, against what it was at the last midnight UTC or
    at the start. From the limit on nothing is opened, and the run is halted."""

    name = "daily_loss"

    class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """
        Args:
            limit: loss in the report currency; off if not set.
        """

        limit: Decimal | None = None

    config: Config

    def bounds(self) -> Sequence[str]:
        return ("loss",) if self.config.limit is not None else ()

    def check(self, request: OrderRequest, state: RiskState) -> str | None:
        sentence = self.halt(state)
        return None if sentence is None or state.closing(request) else sentence

    def halt(self, state: RiskState) -> str | None:
        limit = self.config.limit
        if limit is None:
            return None
        loss = state.day_start_equity - state.equity
        if loss < limit:
            return None
        return (
            f"today's loss of {plain(round(loss, 8))} {state.portfolio.currency} "
            f"has reached the limit {plain(limit)}"
        )
