"""Refuses an order worth more than so much."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from ida_core import OrderRequest, RiskCheck, RiskState, plain


class MaxNotional(RiskCheck):
    name = "max_notional"

    class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """
        Args:
            limit: most of one order, in quote units; off if not set. An order without a price is
                valued at the mid, and refused when there is none.
            symbols: other limits for instruments by their name.
        """

        limit: Decimal | None = None
        symbols: dict[str, Decimal] = {}

    config: Config

    def bounds(self) -> Sequence[str]:
        return ("order",) if self.config.limit is not None else ()

    def check(self, request: OrderRequest, state: RiskState) -> str | None:
        limit, limits = self.config.limit, self.config.symbols
        if limit is None and not limits:
            return None
        instrument = state.instruments[request.instrument]
        limit = limits.get(instrument.name, limit)
        if limit is None:
            return None
        notional = state.notional(request)
        if notional is None:
            return f"{instrument.name}: there is no price to value the order at"
        if notional <= limit:
            return None
        return f"{instrument.name}: notional {plain(notional)} is above the limit {plain(limit)}"
