"""Refuses what could make the position larger than allowed, counting all that is under way."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from ida_core import OrderRequest, RiskCheck, RiskState, Side, plain


class MaxPosition(RiskCheck):
    """The account's position, all strategies together, at worst: as if every order on this side
    were filled (those that are ``UNKNOWN`` too) and none on the other. Closing always passes."""

    name = "max_position"

    class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """
        Args:
            limit: most held long or short of one instrument, in base units (contracts for
                inverse); off if not set.
            symbols: other limits for instruments by their name.
        """

        limit: Decimal | None = None
        symbols: dict[str, Decimal] = {}

    config: Config

    def bounds(self) -> Sequence[str]:
        return ("position",) if self.config.limit is not None else ()

    def check(self, request: OrderRequest, state: RiskState) -> str | None:
        limit, limits = self.config.limit, self.config.symbols
        if limit is None and not limits:
            return None
        instrument = state.instruments[request.instrument]
        limit = limits.get(instrument.name, limit)
        if limit is None:
            return None
        low, high = state.worst_position(request.instrument)
        held = high if state.side(request) is Side.BUY else -low
        reached = instrument.quantity(held + state.lots(request))
        if reached <= limit or state.closing(request):
            return None
        return (
            f"{instrument.name}: the position could reach {plain(reached)} "
            f"on the side of {state.side(request).value}, above the limit {plain(limit)}"
        )
