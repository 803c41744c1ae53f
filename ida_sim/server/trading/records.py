"""What the server remembers of trading: orders, their trades, lists and prevented trades, also after their end.

Prices in ticks, quantities in lots, times in ns since 1970 on the server's clock.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import msgspec

from ida_core import OrderStatus, OrderType, PlaceOrder, Side

#: These rest until something sets them free.
STOPS = frozenset({
    OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT})
OPEN = frozenset({OrderStatus.NEW, OrderStatus.PENDING_NEW, OrderStatus.PARTIALLY_FILLED})
#: ``orderListId`` of an order that belongs to no list, and other ids that there are not.
NONE = -1


class Terms(NamedTuple):
    """What a client says of an order and the exchange repeats: ``price`` False: none was sent with a peg."""

    strategy_id: int | None = None
    strategy_type: int | None = None
    has_price: bool = True
    has_peg_offset: bool = False
    list_id: int = NONE


class Fill(NamedTuple):
    """A trade of an order; ``counter``: the venue number of the other order, 0 where it is none of an account."""

    id: int
    order: Order
    price: int
    lots: int
    fee: Decimal
    fee_asset: str
    is_maker: bool
    time_ns: int
    counter: int = 0


class Order(msgspec.Struct, eq=False):
    """One order. ``product``: price times quantity of its trades, in ticks x lots. ``working_ns``: since when it works,
    0 while it does not."""

    symbol: str
    id: int
    request: PlaceOrder
    terms: Terms
    client_id: str
    lots: int
    created_ns: int
    updated_ns: int
    status: OrderStatus = OrderStatus.NEW
    executed: int = 0
    product: int = 0
    working_ns: int = 0
    prevented: int = 0
    prevented_id: int = NONE
    expiry: str = ""
    amended: int = 0

    @property
    def side(self) -> Side:
        return self.request.side

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    @property
    def is_working(self) -> bool:
        """It is on the book, or was; a stop that waits is not."""
        return bool(self.working_ns)

    @property
    def left(self) -> int:
        return self.lots - self.executed - self.prevented


class Prevented(msgspec.Struct, eq=False):
    """A trade that did not happen, for both orders belong together; what each has lost by it."""

    id: int
    symbol: str
    taker: Order
    maker: Order
    price: int
    taker_lots: int
    maker_lots: int
    time_ns: int


class Amendment(NamedTuple):
    order: Order
    execution_id: int
    former_client_id: str
    client_id: str
    former_lots: int
    lots: int
    time_ns: int


class OrderList(msgspec.Struct, eq=False):
    """Orders that hang together; ``kind`` is ``OCO`` or ``OTO``, as Binance tells it."""

    id: int
    symbol: str
    kind: str
    client_id: str
    time_ns: int
    orders: list[Order] = []
    is_told: bool = False
    is_done: bool = False
