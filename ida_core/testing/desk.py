"""A strategy's own context, and the test in the exchange's place: to call its methods by hand.

The engine, its order table, portfolio and timers are the real ones; only the exchange is played. Prices are ticks,
quantities lots.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar

from ida_core.book import Market
from ida_core.clock import NS
from ida_core.config import Settings
from ida_core.context import Context
from ida_core.events import AmendOrder, AnyRequest, Event, Execution, OrderStatus, OrderUpdate
from ida_core.log import Log
from ida_core.model import Instrument
from ida_core.native import ffi, lib
from ida_core.order import Order
from ida_core.protocols import Strategy, Subscription
from ida_core.run import build_engine
from ida_core.testing.market import SPOT, START_NS, depth_record

LOTS = 10_000


class Desk:
    """One strategy on one instrument; ``ctx`` is what it is given, ``sent`` every request it made.

    A callback that raises raises here.
    """

    def __init__(self, strategy: Strategy, instrument: Instrument = SPOT) -> None:
        self.strategy = strategy
        self._venue = _Played(instrument)
        self._engine = build_engine(Settings(), self._venue, [strategy], [], Log.silent(), None)
        self.ctx: Context = self._engine._contexts[0][0]
        self._taken = 0

    @property
    def sent(self) -> Sequence[AnyRequest]:
        return self._venue.sent

    def take(self) -> list[AnyRequest]:
        """Requests made since the last call."""
        new = list(self.sent[self._taken :])
        self._taken = len(self.sent)
        return new

    def start(self) -> None:
        self.strategy.on_start(self.ctx)

    def show(self, bid: int | None, ask: int | None, lots: int = LOTS) -> None:
        """The book is now one level a side, or none where None stands; ``on_book`` is called."""
        bids = {} if bid is None else {bid: lots}
        asks = {} if ask is None else {ask: lots}
        self._venue.show(bids, asks)
        self.strategy.on_book(self.ctx, self.ctx.book)

    def wait(self, seconds: float) -> None:
        """Time goes on; timers fire when they are due."""
        until_ns = self._venue.now_ns + round(seconds * NS)
        timers = self._engine.timers
        while timers.next_ns <= until_ns:
            self._venue.now_ns = timers.next_ns
            timers.fire_due(timers.next_ns)
            self._raise_failure()
        self._venue.now_ns = until_ns

    def tell(self, event: Event) -> None:
        """Any event, as if the exchange had told it: orders and position follow, then the callbacks."""
        self._engine._handle(event)
        self._raise_failure()

    def answer(self) -> None:
        """Accept what is new, amend what is to be amended, and end what is being cancelled. A pending leg of a list
        waits until its working one is filled; the next answer lets it work."""
        for order in list(self.ctx.orders.values()):
            if order.status is OrderStatus.PENDING_NEW and (not order.acknowledged or self._is_due(order)):
                self._report(order, Execution.NEW, OrderStatus.NEW if self._is_due(order) else OrderStatus.PENDING_NEW)
            elif order.status is OrderStatus.PENDING_CANCEL:
                self._report(order, Execution.CANCELED, OrderStatus.CANCELED)
            elif order.status is OrderStatus.PENDING_REPLACE and order.asked == "amend":
                lots = next(r.quantity for r in reversed(self.sent)
                            if isinstance(r, AmendOrder) and r.order_id == order.order_id)
                self._report(order, Execution.REPLACED, OrderStatus.NEW, order_quantity=lots)

    def _is_due(self, order: Order) -> bool:
        """It may work: no pending leg, or one whose working leg is filled."""
        return not order.contingent or self._engine.orders.legs(order.list_id)[0].status is OrderStatus.FILLED

    def reject(self, order_id: str, reason: str = "rejected") -> None:
        self._report(self._order(order_id), Execution.REJECTED, OrderStatus.REJECTED, reason=reason, code=-1)

    def fill(self, order_id: str, lots: int | None = None, price: int | None = None) -> None:
        """Fill an order at its own price, wholly unless ``lots`` says otherwise; without a fee. The other one of a pair
        expires."""
        order = self._order(order_id)
        lots = order.leaves if lots is None else lots
        done = order.filled + lots
        price = price or order.price or self.ctx.book.ask or self.ctx.book.bid or 0
        status = OrderStatus.FILLED if done >= order.quantity else OrderStatus.PARTIALLY_FILLED
        self._report(order, Execution.TRADE, status, quantity=lots, price=price, cumulative=done,
                     leaves=order.quantity - done, trade_id=self._venue.next_id())
        other = self._engine.orders.get(order.pair) if order.pair else None
        if other is not None and other.is_open:
            self._report(other, Execution.EXPIRED, OrderStatus.EXPIRED, reason="OCO_TRIGGER")

    def _order(self, order_id: str) -> Order:
        order = self._engine.orders.get(order_id)
        assert order is not None, f"there is no order {order_id}"
        return order

    def _report(self, order: Order, execution: Execution, status: OrderStatus, **fields: Any) -> None:
        values: dict[str, Any] = {"cumulative": order.filled, "order_quantity": order.quantity, **fields}
        self.tell(OrderUpdate(
            order_id=order.order_id, instrument=0, side=order.side, execution=execution, status=status,
            list_id=order.list_id, ts_local_ns=self._venue.now_ns, ts_venue_ns=self._venue.now_ns,
            venue_order_id=order.venue_order_id or self._venue.next_id(), **values))

    def _raise_failure(self) -> None:
        if self._engine.failures:
            raise AssertionError(self._engine.failures[0].trace)


class _Played:
    """An exchange that does what it is told, and keeps what it is sent."""

    name: ClassVar[str] = "desk"
    mode: ClassVar[str] = "SIM"
    simulated: ClassVar[bool] = True
    finished = False
    events = 0

    def __init__(self, instrument: Instrument) -> None:
        self.now_ns = START_NS
        self.sent: list[AnyRequest] = []
        self._instrument = instrument
        self._market = Market(lib.IDA_CHAIN_CONTIGUOUS, 1 << 30)
        self._shown: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self._last_id = 0
        self._apply(lib.IDA_SNAPSHOT, {}, {})

    def next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def show(self, bids: dict[int, int], asks: dict[int, int]) -> None:
        changes = [dict.fromkeys(old, 0) | new for old, new in zip(self._shown, (bids, asks), strict=True)]
        self._apply(lib.IDA_DEPTH, *changes)
        self._shown = bids, asks

    def _apply(self, kind: int, bids: dict[int, int], asks: dict[int, int]) -> None:
        before = self._market.last_update_id
        record = depth_record(kind, 1 if before is None else before + 1, bids, asks, self.now_ns)
        self._market.apply(ffi.cast("ida_record *", record))

    def instruments(self) -> Sequence[Instrument]:
        return [self._instrument]

    def market(self, instrument: int) -> Market:
        return self._market

    def subscribe(self, instrument: int, subscription: Subscription) -> None:
        """Who plays it decides what is told."""

    def attach(self, journal: Any) -> None:
        """Nothing is journaled."""

    def start_ns(self) -> int:
        return START_NS

    def last_ns(self) -> int | None:
        return None

    def next_event(self, until_ns: int) -> Event | int | None:
        return None

    def send(self, request: AnyRequest) -> None:
        self.sent.append(request)

    def balances(self) -> Mapping[str, tuple[Decimal, Decimal]]:
        return {self._instrument.settle: (Decimal(1_000_000), Decimal(0))}

    def assumptions(self) -> Mapping[str, str]:
        return {"fill": "as the test says"}

    def description(self) -> Mapping[str, Any]:
        return {"chains": [0], "feeds": []}

    def timings(self) -> Mapping[str, Mapping[str, float]]:
        return {}

    def warnings(self) -> Sequence[str]:
        return ()

    def close(self) -> None:
        """Nothing is open."""
