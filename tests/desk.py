"""A run's orders, money and risk state with a hand on them, for tests of checks."""

from decimal import Decimal
from typing import Any

from instruments import INVERSE, LINEAR

from ida_core.events import Execution, OrderStatus, OrderUpdate, PlaceOrder
from ida_core.model import Instrument, OrderType, Side
from ida_core.order_table import OrderTable
from ida_core.portfolio import Portfolio
from ida_core.risk import RiskState

SPOT = Instrument(
    symbol="ETHUSDT",
    base="ETH",
    quote="USDT",
    tick_size=Decimal("0.01"),
    lot_size=Decimal("0.0001"),
)


class Desk:
    """A run's state with a hand on it: mids and trust are set, orders and fills go the real way."""

    def __init__(self, capital: str = "0") -> None:
        instruments = (LINEAR, SPOT, INVERSE)
        self.orders = OrderTable("t")
        self.portfolio = Portfolio(instruments, {"BTC": Decimal(60000)}, Decimal(capital))
        self.mids: dict[int, float | None] = {0: 600000.0, 1: 300000.0, 2: 600000.0}
        self.stale: set[int] = set()
        self.state = RiskState(
            instruments,
            self.orders,
            self.portfolio,
            mid=lambda index: self.mids[index],
            trusted=lambda index: index not in self.stale,
        )
        self.state.revalue(1)

    def order(self, side: Side, lots: int, instrument: int = 0, **fields: Any) -> PlaceOrder:
        price = 600000 if "type" not in fields else None
        values: dict[str, Any] = {"type": OrderType.LIMIT, "price": price, **fields}
        return PlaceOrder(
            order_id=self.orders.new_id(),
            instrument=instrument,
            side=side,
            quantity=lots,
            **values,
        )

    def place(self, side: Side, lots: int, instrument: int = 0) -> str:
        request = self.order(side, lots, instrument)
        assert self.orders.request(request, 1) is None
        return request.order_id

    def tell(self, order_id: str, execution: Execution, lots: int = 0) -> None:
        order = self.orders.get(order_id)
        assert order is not None
        update = OrderUpdate(
            order_id=order_id,
            instrument=order.instrument,
            execution=execution,
            status=OrderStatus.NEW,
            side=order.side,
            price=600000 if lots else 0,
            quantity=lots,
            cumulative=order.filled + lots,
            trade_id=len(self.orders) if lots else 0,
        )
        if self.orders.apply(update).fill:
            self.portfolio.apply(update)

    def hold(self, lots: int, instrument: int = 0) -> None:
        side = Side.BUY if lots > 0 else Side.SELL
        self.tell(self.place(side, abs(lots), instrument), Execution.TRADE, abs(lots))
