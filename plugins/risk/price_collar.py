"""Refuses a price too far on the wrong side of the market."""

from decimal import Decimal

import msgspec

from ida_core import OrderRequest, RiskCheck, RiskState, Side, plain

_BUY = Side.BUY


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

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        self._most = (self.config.fraction or Decimal(0)).as_integer_ratio()

    def check(self, request: OrderRequest, state: RiskState) -> str | None:
        price = request.price
        if price is None or self.config.fraction is None:
            return None
        mid = state.mid(request.instrument)
        if mid is None:
            name = state.instruments[request.instrument].name
            return f"{name}: there is no mid to hold the price against"
        # In whole numbers, which are exact: (price - mid) / mid against the fraction.
        (most, whole), (top, bottom) = self._most, mid.as_integer_ratio()
        beyond = price * bottom - top if state.side(request) is _BUY else top - price * bottom
        if beyond * whole <= most * top:
            return None
        return self._sentence(request, state, price, Decimal(beyond) / top)

    def _sentence(self, request: OrderRequest, state: RiskState, ticks: int, beyond: Decimal) -> str:
        instrument = state.instruments[request.instrument]
        price, where = plain(instrument.price(ticks)), "above" if state.side(request) is _BUY else "below"
        return (
            f"{instrument.name}: price {price} is {beyond:.2%} {where} the mid, "
            f"the limit is {self.config.fraction:.2%}"
        )
