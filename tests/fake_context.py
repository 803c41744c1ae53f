"""A hand-made context for strategies: the protocol of the engine's, with its own orders and money.

What a strategy asks for goes into a real order table; the test plays the exchange by ``ack``,
``fill`` and ``end``, and moves the book by ``show``.
"""

import random
from collections.abc import Mapping
from decimal import Decimal

import instruments
from instruments import INVERSE, SPOT
from msgspec.structs import replace

from ida_core.book import Book
from ida_core.events import (
    AnyRequest,
    CancelAll,
    CancelOrder,
    Execution,
    OrderStatus,
    OrderUpdate,
    PlaceOrder,
    ReplaceOrder,
    Timer,
)
from ida_core.model import Filters, Instrument, OrderType, Side, TimeInForce
from ida_core.order import Order
from ida_core.order_table import OrderTable
from ida_core.portfolio import Portfolio, Position
from ida_core.protocols import Strategy

LINEAR = replace(instruments.LINEAR, filters=Filters(min_notional=Decimal(100)))
BY_KIND = {"spot": SPOT, "linear": LINEAR, "inverse": INVERSE}


class FakeContext:
    """One strategy on one instrument, and the test in the exchange's place."""

    def __init__(self, strategy: Strategy, instrument: Instrument = LINEAR) -> None:
        self.strategy = strategy
        self.instrument = instrument
        self.index = 0
        self.now_ns = 1_000_000_000
        self.book = Book(max_price=10**8, pages=64)
        self.random = random.Random(1)
        self.table = OrderTable("t")
        self.portfolio = Portfolio([instrument])
        self.sent: list[AnyRequest] = []
        self.timers: list[float] = []
        self.texts: list[str] = []
        self.trades = 0

    # --- what a strategy may use ----------------------------------------------------------------

    @property
    def position(self) -> Position:
        return self.portfolio.position(self.strategy.name, 0)

    @property
    def orders(self) -> Mapping[str, Order]:
        return self.table.open_view(self.strategy.name, 0)

    def place(
        self,
        side: Side,
        quantity_lots: int,
        price_ticks: int | None = None,
        *,
        type: OrderType = OrderType.LIMIT,
        tif: TimeInForce = TimeInForce.GTC,
        post_only: bool = False,
        stop_price: int | None = None,
        quote_quantity: Decimal | None = None,
        reduce_only: bool = False,
        note: str = "",
    ) -> str | None:
        order_id = self.table.new_id()
        request = PlaceOrder(
            order_id=order_id,
            instrument=0,
            strategy=self.strategy.name,
            side=side,
            type=OrderType.LIMIT_MAKER if post_only else type,
            quantity=quantity_lots,
            price=price_ticks,
            stop_price=stop_price,
            quote_quantity=quote_quantity,
            tif=tif,
            reduce_only=reduce_only,
            note=note,
        )
        return order_id if self._send(request) else None

    def cancel(self, order_id: str) -> None:
        self._send(CancelOrder(order_id=order_id, instrument=0, strategy=self.strategy.name))

    def replace(self, order_id: str, quantity_lots: int, price_ticks: int) -> str | None:
        new_id = self.table.new_id()
        request = ReplaceOrder(
            order_id=order_id, new_order_id=new_id, quantity=quantity_lots, price=price_ticks
        )
        return new_id if self._send(request) else None

    def cancel_all(self) -> None:
        self._send(CancelAll(order_id="all", instrument=0, strategy=self.strategy.name))

    def set_timer(self, delay_s: float) -> int:
        self.timers.append(delay_s)
        return len(self.timers)

    def every(self, interval_s: float) -> int:
        return self.set_timer(interval_s)

    def log(self, text: str) -> None:
        self.texts.append(text)

    def _send(self, request: AnyRequest) -> bool:
        refusal = self.table.request(request, self.now_ns)
        assert refusal is None, f"a careful strategy is not refused: {refusal}"
        self.sent.append(request)
        return True

    # --- the test's side ------------------------------------------------------------------------

    def show(self, bid: int, ask: int, bids: int = 10, asks: int = 10) -> None:
        self.book.clear()
        self.book.set(Side.BUY, bid, bids)
        self.book.set(Side.SELL, ask, asks)

    def tick(self, after_ns: int = 100_000_000) -> list[AnyRequest]:
        """Let the timer fire and return what was sent by it."""
        self.now_ns += after_ns
        before = len(self.sent)
        timer = Timer(strategy=self.strategy.name, timer_id=1, due_ns=self.now_ns)
        self.strategy.on_timer(self, timer)
        return self.sent[before:]

    def update(self, after_ns: int = 100_000_000) -> list[AnyRequest]:
        """Let the book change and return what was sent by it."""
        self.now_ns += after_ns
        before = len(self.sent)
        self.strategy.on_book(self, self.book)
        return self.sent[before:]

    def tell(self, order: Order, execution: Execution, lots: int = 0) -> None:
        ended = execution in (Execution.CANCELED, Execution.EXPIRED, Execution.REJECTED)
        update = OrderUpdate(
            ts_local_ns=self.now_ns,
            order_id=order.order_id,
            instrument=0,
            execution=execution,
            status=OrderStatus(execution.value) if ended else OrderStatus.NEW,
            side=order.side,
            price=order.price or 0 if lots else 0,
            quantity=lots,
            cumulative=order.filled + lots,
            trade_id=self.trades,
        )
        if self.table.apply(update).fill:
            self.portfolio.apply(update, self.strategy.name)
        self.strategy.on_order(self, update)

    def answer(self) -> None:
        """Acknowledge what is new, end what is being cancelled."""
        for order in list(self.orders.values()):
            if order.status is OrderStatus.PENDING_NEW:
                self.tell(order, Execution.NEW)
            elif order.status is OrderStatus.PENDING_CANCEL:
                self.tell(order, Execution.CANCELED)

    def fill(self, order: Order, lots: int = 0) -> None:
        self.trades += 1
        self.tell(order, Execution.TRADE, lots or order.leaves)

    def hold(self, lots: int, price: int) -> None:
        """Give the strategy a position."""
        side = Side.BUY if lots > 0 else Side.SELL
        order_id = self.place(side, abs(lots), price)
        assert order_id is not None
        order = self.table.get(order_id)
        assert order is not None
        self.fill(order)

    def prices(self, side: Side) -> list[int | None]:
        """Prices of the open orders that are not being cancelled."""
        live = [o for o in self.orders.values() if o.status is not OrderStatus.PENDING_CANCEL]
        return [order.price for order in live if order.side is side]
