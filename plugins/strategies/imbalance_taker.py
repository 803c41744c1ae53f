"""A taker that goes with the heavier side of the book.

When the bids of the best ``levels`` outweigh the asks by more than ``threshold``, it buys at the best
ask with an immediate-or-cancel order, and the other way round. It leaves, in the same manner, when
the book has turned or after ``hold_s``.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from ida_core import InstrumentKind, Side, Strategy, TimeInForce

if TYPE_CHECKING:
    from ida_core import Book, Context

DEFAULT_VALUE = Decimal(1000)


class ImbalanceTaker(Strategy):
    name = "imbalance_taker"
    book_updates = "100ms"

    class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """
        Args:
            levels: of each side that are weighed. Their imbalance is (bids - asks) / (bids + asks),
                from -1 to 1.
            threshold: imbalance at which it enters, in its direction.
            exit_threshold: it leaves when the imbalance in the position's direction is below.
            hold_s: it leaves after so long in any case.
            cooldown_s: least time from one entry to the next.
            quantity: of each entry, in base units (contracts for inverse); worth about 1000 quote
                units if not set.
            max_position: most held long or short, in the same units; one ``quantity`` if not set.
        """

        levels: Annotated[int, Meta(ge=1)] = 5
        threshold: Annotated[float, Meta(gt=0, le=1)] = 0.8
        exit_threshold: Annotated[float, Meta(ge=-1, le=1)] = -0.2
        hold_s: Annotated[float, Meta(gt=0)] = 10.0
        cooldown_s: Annotated[float, Meta(ge=0)] = 1.0
        quantity: Decimal | None = None
        max_position: Decimal | None = None

        def __post_init__(self) -> None:
            for name in ("quantity", "max_position"):
                value = getattr(self, name)
                if value is not None and value <= 0:
                    raise ValueError(f"{name} {value} must be above 0")

    config: Config

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        self._lots: dict[int, int] = {}
        self._entered_ns: dict[int, int] = {}

    def on_book(self, ctx: Context, book: Book) -> None:
        imbalance = book.imbalance(self.config.levels)
        if imbalance is None or book.mid is None or ctx.orders:
            return  # half a book, or the last order has not been answered
        held = ctx.position.lots
        if held and self._should_leave(ctx, imbalance if held > 0 else -imbalance):
            self._take(ctx, Side.SELL if held > 0 else Side.BUY, abs(held), leave=True)
        elif abs(imbalance) >= self.config.threshold:
            self._enter(ctx, Side.BUY if imbalance > 0 else Side.SELL)

    def _should_leave(self, ctx: Context, imbalance: float) -> bool:
        """``imbalance``: in the direction of the position."""
        held_s = (ctx.now_ns - self._entered_ns.get(ctx.index, ctx.now_ns)) / 1e9
        return imbalance < self.config.exit_threshold or held_s >= self.config.hold_s

    def _enter(self, ctx: Context, side: Side) -> None:
        lots, entered_ns = self._choose_lots(ctx), self._entered_ns.get(ctx.index)
        most = self.config.max_position
        limit = lots if most is None else ctx.instrument.floor_to_lot(most)
        ready_ns = 0 if entered_ns is None else entered_ns + round(self.config.cooldown_s * 1e9)
        if ctx.now_ns >= ready_ns and abs(ctx.position.lots + side.sign * lots) <= limit:
            self._entered_ns[ctx.index] = ctx.now_ns
            self._take(ctx, side, lots)

    def _take(self, ctx: Context, side: Side, lots: int, leave: bool = False) -> None:
        price = ctx.book.ask if side is Side.BUY else ctx.book.bid
        perpetual = ctx.instrument.kind is not InstrumentKind.SPOT
        ctx.place(side, lots, price, tif=TimeInForce.IOC, reduce_only=leave and perpetual)

    def _choose_lots(self, ctx: Context) -> int:
        """Fixed by the first entry, so that the entries of a run are alike."""
        if ctx.index not in self._lots:
            quantity, mid = self.config.quantity, ctx.book.mid or 0.0
            worth = ctx.instrument.lots_worth(DEFAULT_VALUE, mid)
            self._lots[ctx.index] = worth if quantity is None else ctx.instrument.lots(quantity)
        return self._lots[ctx.index]
