"""What goes on from a former run of the same account: its open orders, positions and wallets.

It stands in the new run's start note, so that a replay and a report begin where the run did.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from ida_core.events import OrderStatus
from ida_core.ledger import Ledger
from ida_core.model import Instrument, Side
from ida_core.order import Order
from ida_core.order_table import OrderTable
from ida_core.portfolio import Portfolio, Position


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A position: base units and their entry cost; of the account as a whole where ``strategy`` is None."""

    instrument: int
    quantity: Decimal
    cost: Decimal
    last_price: int = 0
    strategy: str | None = None


class Continued(msgspec.Struct, frozen=True, kw_only=True):
    """The end of run ``run``, with the instruments' indices of the run that goes on from it.

    ``orders``: those not known to be closed, and closed ones of which a fill is still missing; ``foreign`` ones are of
    strategies that run no more. ``wallets``: the ledger's, by asset. ``last_trades``: greatest trade id by instrument;
    ``trades``: (instrument, id, side) of the newest fills. ``orphans``: what nobody looks after now, in sentences.
    ``damage``: where the former journal had to be cut.
    """

    run: str
    orders: tuple[Order, ...] = ()
    held: tuple[Held, ...] = ()
    wallets: dict[str, Decimal] = {}
    last_trades: tuple[int, ...] = ()
    trades: tuple[tuple[int, int, Side], ...] = ()
    orphans: tuple[str, ...] = ()
    damage: str = ""

    def check(self, instruments: Sequence[Instrument]) -> None:
        """Hold it to what can be; ``ValueError`` where it cannot."""
        count = len(instruments)
        indices = [o.instrument for o in self.orders] + [h.instrument for h in self.held] + [t[0] for t in self.trades]
        if any(not 0 <= i < count for i in indices) or len(self.last_trades) > count:
            raise ValueError(f"what it continues is of an instrument that it has not; there are {count}")

    def begin(self, table: OrderTable, portfolio: Portfolio | None, ledger: Ledger) -> None:
        """Put orders, positions and wallets where the run is to find them."""
        for order in self.orders:
            table.adopt(msgspec.structs.replace(order, stamps=dict(order.stamps)))
        table.adopt_trades(self.trades, self.last_trades)
        for asset, amount in self.wallets.items():
            ledger.post_opening(asset, amount)
        for held in self.held:
            if held.strategy is None:
                ledger.open_position(held.instrument, held.quantity, held.cost)
            if portfolio is not None:
                _open(portfolio, held)


def _open(portfolio: Portfolio, held: Held) -> None:
    position: Position = (
        portfolio.account(held.instrument) if held.strategy is None
        else portfolio.position(held.strategy, held.instrument))
    position.quantity, position.cost, position.last_price = held.quantity, held.cost, held.last_price


def uncertain(order: Order) -> Order:
    """As it is after a restart: what was open is UNKNOWN until the venue is asked."""
    if not order.is_open:
        return order
    return msgspec.structs.replace(order, status=OrderStatus.UNKNOWN, asked="place")
