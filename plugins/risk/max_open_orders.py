"""Refuses another order when so many are open on the instrument."""

from typing import Annotated

import msgspec
from msgspec import Meta

from ida_core import OrderRequest, PlaceOrder, RiskCheck, RiskState


class MaxOpenOrders(RiskCheck):
    name = "max_open_orders"

    class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """
        Args:
            limit: open orders of an instrument, pending and ``UNKNOWN`` ones counted. The default
                is what Binance allows on most instruments.
        """

        limit: Annotated[int, Meta(ge=0)] | None = 200

    config: Config

    def check(self, request: OrderRequest, state: RiskState) -> str | None:
        limit = self.config.limit
        if limit is None or not isinstance(request, PlaceOrder):
            return None
        count = state.open_orders(request.instrument)
        if count < limit:
            return None
        name = state.instruments[request.instrument].name
        return f"{name}: {count} orders are open, the limit is {limit}"
