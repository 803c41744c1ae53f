"""Refuses an order of more than so much, against a slip of the finger."""

from decimal import Decimal

import msgspec

from ida_core import OrderRequest, RiskCheck, RiskState, plain


class MaxQuantity(RiskCheck):
    name = "max_quantity"

    class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """
        Args:
            limit: most of one order, in base units (contracts for inverse); off if not set.
            symbols: other limits for instruments by their name.
        """

        limit: Decimal | None = None
        symbols: dict[str, Decimal] = {}

    config: Config

    def check(self, request: OrderRequest, state: RiskState) -> str | None:
        limit, limits = self.config.limit, self.config.symbols
        if limit is None and not limits:
            return None
        instrument = state.instruments[request.instrument]
        limit = limits.get(instrument.name, limit)
        quantity = instrument.quantity(state.lots(request))
        if limit is None or quantity <= limit:
            return None
        return f"{instrument.name}: quantity {plain(quantity)} is above the limit {plain(limit)}"
