"""The strategy of bench_orders.py: one order at a time far from the market, canceled once it is acknowledged."""

from __future__ import annotations

import msgspec

from ida_core import Context, Execution, OrderUpdate, Side, Strategy, Timer, hookimpl

ANSWERED = (Execution.NEW, Execution.CANCELED)


class PlacerConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``pause_ms`` between an answer and the next request: 100 orders in 10 s are allowed."""

    pause_ms: float = 55.0


class Placer(Strategy):
    """Places at nine tenths of the best bid and cancels, again and again."""

    name = "placer"
    Config = PlacerConfig

    def on_start(self, ctx: Context) -> None:
        ctx.set_timer(0.5)

    def on_timer(self, ctx: Context, timer: Timer) -> None:
        waiting = [order for order in ctx.orders.values() if not order.is_pending]
        if waiting:
            ctx.cancel(waiting[0].order_id)
        elif not ctx.orders and ctx.market.synced and ctx.book.bid is not None:
            ctx.place(Side.BUY, 100, ctx.book.bid * 9 // 10)
        else:
            ctx.set_timer(self.config.pause_ms / 1000)

    def on_order(self, ctx: Context, update: OrderUpdate) -> None:
        if update.execution in ANSWERED:
            ctx.set_timer(self.config.pause_ms / 1000)


@hookimpl
def ida_strategies() -> list[type[Strategy]]:
    return [Placer]
