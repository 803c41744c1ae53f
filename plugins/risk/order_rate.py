"""Refuses to send more orders than so many in a time: a strategy gone wild is stopped at once."""

from typing import Annotated

import msgspec
from msgspec import Meta

from ida_core import OrderRequest, RiskCheck, RiskState


class OrderRate(RiskCheck):
    name = "order_rate"

    class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """
        Args:
            limit: orders and replacements within the window, over all instruments. Cancels are
                free.
            window_s: the window's length; it slides.
        """

        limit: Annotated[int, Meta(ge=0)] | None = 300
        window_s: Annotated[float, Meta(gt=0, le=86400)] = 10.0

    config: Config

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        self._window_ns = round(self.config.window_s * 1e9)

    def check(self, request: OrderRequest, state: RiskState) -> str | None:
        limit = self.config.limit
        if limit is None:
            return None
        count = state.recent_orders(self._window_ns)
        if count < limit:
            return None
        return f"{count} orders in {self.config.window_s:g} s, the limit is {limit}"
