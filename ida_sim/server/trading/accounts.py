"""One account of the exchange server: its keys, what it may do, and everything that it has traded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ida_sim.account import Account
from ida_sim.fees import Fees
from ida_sim.server.keys import ApiKey
from ida_sim.server.trading.records import Amendment, Fill, Order, OrderList, Prevented

if TYPE_CHECKING:
    from ida_sim.server.trading.trading import Trading

Event = dict[str, Any]


class TradingAccount:
    """Made by ``Trading.open``.

    Args:
        name: what the server's user calls it.
        keys: who may ask for it.
        number: of it at the exchange.
        trading: where it trades.
        fees: what it pays.
    """

    def __init__(self, name: str, keys: Sequence[ApiKey], number: int, trading: Trading, fees: Fees,
                 group: int = -1) -> None:
        self.name, self.keys, self.number, self.trading, self.fees = name, list(keys), number, trading, fees
        #: Called with each event of the account; times in it are in ms.
        self.listeners: list[Callable[[Event], None]] = []
        self.can_trade = self.can_withdraw = self.can_deposit = True
        #: Accounts of one group do not trade with each other; -1: of none.
        self.group = group
        self.updated_ns = 0
        #: Balances as they were told last.
        self.shown: dict[str, tuple[Decimal, Decimal]] = {}
        #: By symbol, and number; the open ones likewise; and by symbol and client order id the last that was called so.
        self.orders: dict[str, dict[int, Order]] = {}
        self._open: dict[str, dict[int, Order]] = {}
        self._named: dict[tuple[str, str], Order] = {}
        self.fills: dict[str, list[Fill]] = {}
        self.lists: dict[int, OrderList] = {}
        self.prevented: list[Prevented] = []
        self.amendments: list[Amendment] = []

    @property
    def wallet(self) -> Account:
        """Its balances, as the exchange keeps them."""
        return self.trading.exchange.account(self.number)

    def balances(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Asset → (free, locked), of every asset that is traded here or was ever had."""
        return dict.fromkeys(self.trading.assets, (Decimal(0), Decimal(0))) | self.wallet.balances()

    def of(self, symbol: str) -> dict[int, Order]:
        """Its orders of a symbol by number, oldest first."""
        return self.orders.setdefault(symbol, {})

    def fills_of(self, symbol: str) -> list[Fill]:
        """Its trades of a symbol, oldest first."""
        return self.fills.setdefault(symbol, [])

    def add(self, order: Order) -> None:
        """The exchange has accepted an order."""
        self.of(order.symbol)[order.id] = self._named[order.symbol, order.client_id] = order
        self._open.setdefault(order.symbol, {})[order.id] = order

    def rename(self, order: Order, client_id: str) -> None:
        """Its former client order id is free again."""
        if self._named.get((order.symbol, order.client_id)) is order:
            del self._named[order.symbol, order.client_id]
        order.client_id = client_id
        self._named[order.symbol, client_id] = order

    def end(self, order: Order) -> None:
        """It is open no more."""
        self._open[order.symbol].pop(order.id, None)

    def by_client_id(self, symbol: str, client_id: str) -> Order | None:
        """The last order that was called so: no two open ones are."""
        return self._named.get((symbol, client_id))

    def open_orders(self, symbol: str | None = None) -> list[Order]:
        """Of one symbol, or of all in their order."""
        names = [symbol] if symbol else list(self._open)
        return [order for name in names for order in self._open.get(name, {}).values()]

    def tell(self, event: Event) -> None:
        """Something has happened to it."""
        for listener in tuple(self.listeners):
            listener(event)
