"""A market maker that leans against its inventory, after Avellaneda and Stoikov (2008).

With ``s`` the standard deviation of the mid over ``horizon_s`` in ticks, estimated while it runs, and
``q`` the position in orders, it quotes around a reservation price rather than the mid::

    reservation = mid - q × gamma × s
    half spread = s × (gamma / 2 + ln(1 + gamma / fill_decay) / gamma)

That is the paper's solution with its risk aversion and its decay of fills measured in units of ``s``:
both are then pure numbers, and the same ones do for every instrument.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from ida_core import Execution, MarketState, OrderUpdate, Side, Strategy, Timer

if TYPE_CHECKING:
    from ida_core import Context

DEFAULT_VALUE = Decimal(1000)
DEFAULT_ORDERS_HELD = 5
REST_AFTER_REJECTION_NS = 1_000_000_000
Positive = Annotated[float, Meta(gt=0)]


class Volatility:
    """Variance of the mid in ticks² a second, with an exponential memory.

    >>> volatility = Volatility(memory_s=60.0, variance=4.0)
    >>> volatility.see(0, 100.0), volatility.see(1_000_000_000, 102.0)
    (4.0, 4.0)
    """

    def __init__(self, memory_s: float, variance: float) -> None:
        self.memory_s = memory_s
        self.variance = variance
        self._now_ns, self._mid = 0, math.nan

    def see(self, now_ns: int, mid: float) -> float:
        """Take a mid in and return the variance."""
        elapsed_s = (now_ns - self._now_ns) / 1e9
        if elapsed_s > 0 and not math.isnan(self._mid):
            seen = (mid - self._mid) ** 2 / elapsed_s
            self.variance += (1 - math.exp(-elapsed_s / self.memory_s)) * (seen - self.variance)
        self._now_ns, self._mid = now_ns, mid
        return self.variance


class MarketMaker(Strategy):
    name = "market_maker"

    class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """
        Args:
            gamma: aversion to inventory. Each order held moves both quotes by ``gamma`` standard
                deviations of the price over the horizon.
            fill_decay: how fast fills become rare further away from the mid (the paper's k); a
                smaller one quotes wider.
            horizon_s: how far ahead a position is thought to be held.
            volatility_s: memory of the estimate of volatility.
            min_spread_ticks: least distance between the own bid and ask.
            quantity: of each order, in base units (contracts for inverse); worth about 1000 quote
                units if not set.
            max_inventory: most held long or short, in the same units; 5 × ``quantity`` if not set.
            interval_ms: time from one look at the quotes to the next.
            tolerance: how far a quote may be off, as a part of the half spread, before it is moved
                and loses its place in the queue.
        """

        gamma: Positive = 0.1
        fill_decay: Positive = 1.5
        horizon_s: Positive = 5.0
        volatility_s: Positive = 60.0
        min_spread_ticks: Annotated[int, Meta(ge=1)] = 2
        quantity: Decimal | None = None
        max_inventory: Decimal | None = None
        interval_ms: Annotated[int, Meta(ge=1)] = 200
        tolerance: Annotated[float, Meta(ge=0)] = 0.25

        def __post_init__(self) -> None:
            for name in ("quantity", "max_inventory"):
                value = getattr(self, name)
                if value is not None and value <= 0:
                    raise ValueError(f"{name} {value} must be above 0")

    config: Config

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        self._lots: dict[int, int] = {}
        self._volatility: dict[int, Volatility] = {}
        self._rest_until: dict[tuple[int, Side], int] = {}

    def on_start(self, ctx: Context) -> None:
        ctx.every(self.config.interval_ms / 1000)

    def on_timer(self, ctx: Context, timer: Timer) -> None:
        bid, ask, mid = ctx.book.bid, ctx.book.ask, ctx.book.mid
        if bid is None or ask is None or mid is None:
            return
        if ctx.index not in self._lots:
            self._begin(ctx, mid, ask - bid)
        sigma = self._sigma(ctx, mid)
        half = self._half_spread(sigma)
        held = ctx.position.lots / self._lots[ctx.index]
        reservation = mid - held * self.config.gamma * sigma
        # Never at or through the other side: the quotes are to make, not to take.
        self._quote(ctx, Side.BUY, min(math.floor(reservation - half), ask - 1), half)
        self._quote(ctx, Side.SELL, max(math.ceil(reservation + half), bid + 1), half)

    def on_order(self, ctx: Context, update: OrderUpdate) -> None:
        """A side whose order was rejected rests: on spot there may be nothing to sell."""
        if update.execution is Execution.REJECTED:
            self._rest_until[ctx.index, update.side] = ctx.now_ns + REST_AFTER_REJECTION_NS

    def on_market_state(self, ctx: Context, state: MarketState) -> None:
        if state.state != "LIVE":
            ctx.cancel_all()

    def _begin(self, ctx: Context, mid: float, spread: int) -> None:
        """Order size, fixed for the run, and a first guess: the price moves a spread a second."""
        quantity = self.config.quantity
        worth = ctx.instrument.lots_worth(DEFAULT_VALUE, mid)
        self._lots[ctx.index] = worth if quantity is None else ctx.instrument.lots(quantity)
        self._volatility[ctx.index] = Volatility(self.config.volatility_s, float(spread**2))

    def _sigma(self, ctx: Context, mid: float) -> float:
        variance = self._volatility[ctx.index].see(ctx.now_ns, mid)
        return math.sqrt(variance * self.config.horizon_s)

    def _half_spread(self, sigma: float) -> float:
        gamma = self.config.gamma
        half = sigma * (gamma / 2 + math.log1p(gamma / self.config.fill_decay) / gamma)
        return max(half, self.config.min_spread_ticks / 2)

    def _quote(self, ctx: Context, side: Side, price: int, half: float) -> None:
        """Keep one order at about ``price``, or none where nothing may be added."""
        wanted = price > 0 and self._may_add(ctx, side)
        mine = [order for order in ctx.orders.values() if order.side is side]
        for order in mine:
            off = abs((order.price or 0) - price)
            if (not wanted or off > self.config.tolerance * half) and not order.is_pending:
                ctx.cancel(order.order_id)
        if wanted and not mine:
            ctx.place(side, self._lots[ctx.index], price, post_only=True)

    def _may_add(self, ctx: Context, side: Side) -> bool:
        if ctx.now_ns < self._rest_until.get((ctx.index, side), 0):
            return False
        lots, most = self._lots[ctx.index], self.config.max_inventory
        limit = DEFAULT_ORDERS_HELD * lots if most is None else ctx.instrument.floor_to_lot(most)
        return side.sign * ctx.position.lots + lots <= limit
