"""Refuses a price too far on the wrong side of the market."""

from decimal import Decimal

import msgspec

from ida_core import OrderRequest, RiskCheck, RiskState, Side, plain


class PriceCollar(RiskCheck):
    """A buy far above the mid or a sell far below it is nobody's intent. Prices on the passive
    side, where they only wait, and orders without a limit price are not looked at."""

    name = "price_collar"

    class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """
        Args:
            fraction: how far beyond the mid a limit price may be; 0.05 is 5 %. Without a mid
                every limit price is refused.
        """

        fraction: Decimal | None = Decimal("0.05")

    config: Config

    def check(self, request: OrderRequest, state: RiskState) -> str | None:
        fraction = self.config.fraction
        if fraction is None or request.price is None:
            return None
        instrument = state.instruments[request.instrument]
        mid = state.mid(request.instrument)
        if mid is None:
            return f"{instrument.name}: there is no mid to hold the price against"
        beyond = state.side(request).sign * (request.price / Decimal(mid) - 1)
        if beyond <= fraction:
            return None
        price = plain(instrument.price(request.price))
        where = "above" if state.side(request) is Side.BUY else "below"
        return (
            f"{instrument.name}: price {price} is {beyond:.2%} {where} the mid, "
            f"the limit is {fraction:.2%}"
        )
