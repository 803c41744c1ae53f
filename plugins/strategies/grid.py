"""A grid of resting orders behind the best prices, leaning against what is held.

Every ``interval_ms``, in ticks::

    lean = skew_ticks × position / quantity
    bid = min(floor((best bid - distance - lean) / gap) × gap, best bid)
    ask = max(ceil((best ask + distance - lean) / gap) × gap, best ask)

The grid is ``quotes`` prices from ``bid`` down and from ``ask`` up, ``gap`` apart. They are multiples
of ``gap``, so that small moves of the market leave them standing; only where the lean would carry a
side beyond the best price does that whole side hang from the best price instead. Open orders whose
price is not in the grid are cancelled, prices without an order get one, which never takes. An order
whose cancel is on its way still holds its price. With a ``max_position``, nothing is bought there or
above, nothing sold at ``-max_position`` or below; without one, the lean alone holds the position.

Run with ``quotes=10 gap_ticks=20 quantity=0.001`` and the rest as it is, this is the grid maker whose
fills are compared with hftbacktest's.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from ida_core import MarketState, Side, Strategy, Timer

if TYPE_CHECKING:
    from ida_core import Context

DEFAULT_VALUE = Decimal(1000)


class Grid(Strategy):
    name = "grid"

    class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """
        Args:
            quotes: prices a side.
            gap_ticks: from one price of the grid to the next; a ten-thousandth of the first mid if
                not set.
            distance_ticks: from the best price to the first, before it is rounded to the grid.
            skew_ticks: by how much the grid moves down for each ``quantity`` held long.
            quantity: of each order, in base units (contracts for inverse); worth about 1000 quote
                units if not set.
            max_position: in units of ``quantity``'s kind, from where on nothing is added; no end if
                not set.
            interval_ms: time from one look to the next.
        """

        quotes: Annotated[int, Meta(ge=1, le=1000)] = 5
        gap_ticks: Annotated[int, Meta(ge=1)] | None = None
        distance_ticks: Annotated[int, Meta(ge=0)] = 0
        skew_ticks: float = 1.0
        quantity: Decimal | None = None
        max_position: Decimal | None = None
        interval_ms: Annotated[int, Meta(ge=1)] = 100

        def __post_init__(self) -> None:
            for name in ("quantity", "max_position"):
                value = getattr(self, name)
                if value is not None and value <= 0:
                    raise ValueError(f"{name} {value} must be above 0")

    config: Config

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        self._lots: dict[int, int] = {}
        self._gaps: dict[int, int] = {}

    def on_start(self, ctx: Context) -> None:
        ctx.every(self.config.interval_ms / 1000)

    def on_timer(self, ctx: Context, timer: Timer) -> None:
        bid, ask, mid = ctx.book.bid, ctx.book.ask, ctx.book.mid
        if bid is None or ask is None or mid is None:
            return
        lots = self._lots.get(ctx.index) or self._choose_lots(ctx, mid)
        held = ctx.position.lots
        gap = self.config.gap_ticks or self._gaps.setdefault(ctx.index, max(1, round(mid / 10_000)))
        bids, asks = self._grid(self.config.skew_ticks * held / lots, bid, ask, gap)
        most = self._max_lots(ctx)
        self._requote(
            ctx,
            lots,
            bids if held < most else range(0),
            asks if held > -most else range(0),
        )

    def on_market_state(self, ctx: Context, state: MarketState) -> None:
        if state.state != "LIVE":
            ctx.cancel_all()

    def _grid(self, lean: float, best_bid: int, best_ask: int, gap: int) -> tuple[range, range]:
        quotes, away = self.config.quotes, self.config.distance_ticks
        bid = min(math.floor((best_bid - away - lean) / gap) * gap, best_bid)
        ask = max(math.ceil((best_ask + away - lean) / gap) * gap, best_ask)
        return range(bid, max(bid - quotes * gap, 0), -gap), range(ask, ask + quotes * gap, gap)

    def _requote(self, ctx: Context, lots: int, bids: range, asks: range) -> None:
        orders = list(ctx.orders.values())
        for order in orders:
            grid = bids if order.side is Side.BUY else asks
            if order.price not in grid and not order.is_pending:
                ctx.cancel(order.order_id)
        taken = {order.price for order in orders}
        for side, grid in ((Side.BUY, bids), (Side.SELL, asks)):
            for price in grid:
                if price not in taken:
                    ctx.place(side, lots, price, post_only=True)

    def _choose_lots(self, ctx: Context, mid: float) -> int:
        """Fixed by the first look, so that the orders of a run are alike."""
        quantity = self.config.quantity
        worth = ctx.instrument.lots_worth(DEFAULT_VALUE, mid)
        self._lots[ctx.index] = worth if quantity is None else ctx.instrument.lots(quantity)
        return self._lots[ctx.index]

    def _max_lots(self, ctx: Context) -> float:
        most = self.config.max_position
        return math.inf if most is None else ctx.instrument.floor_to_lot(most)
