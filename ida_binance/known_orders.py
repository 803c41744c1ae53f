"""What has been told of each order, so that nothing is told twice: of event, reply and row the first counts. Pure.

The core's order table could sort it out, too; but a strategy should hear of a thing once, whatever came first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from ida_core.events import Execution, OrderStatus, OrderUpdate, PlaceOrder
from ida_core.model import Side
from ida_core.order import CLOSED, Order

#: Closed orders, and trades, that are remembered against what is told again.
CLOSED_KEPT, TRADES_KEPT = 20_000, 100_000
_NEW, _TRADE, _STATUS, _REPLACED = Execution.NEW, Execution.TRADE, Execution.STATUS, Execution.REPLACED
_PREVENTED = Execution.TRADE_PREVENTION
_ANSWERS = frozenset((Execution.CANCEL_REJECTED, Execution.REPLACE_REJECTED, Execution.UNANSWERED))


class Known:
    """One order as it has been told. ``placed``: the request, of an order of ours. ``doubt``: the kind of request on
    it of which nobody knows whether it arrived. ``is_never``: it was given up as never arrived."""

    __slots__ = (
        "cumulative", "doubt", "instrument", "is_accepted", "is_closed", "is_never", "is_pending", "is_triggered",
        "list_id", "order_id", "placed", "prevented", "quantity", "side", "strategy", "traded", "venue_order_id",
    )  # fmt: skip

    def __init__(self, order_id: str, instrument: int, side: Side, placed: PlaceOrder | None) -> None:
        self.order_id, self.instrument, self.side, self.placed = order_id, instrument, side, placed
        self.strategy = placed.strategy if placed else ""
        self.quantity = placed.quantity if placed else 0
        self.list_id = self.doubt = ""
        self.venue_order_id = self.cumulative = self.traded = self.prevented = 0
        self.is_accepted = self.is_pending = self.is_closed = self.is_never = self.is_triggered = False

    @property
    def is_ours(self) -> bool:
        return self.placed is not None

    @property
    def missing(self) -> int:
        """Lots that were told to be filled, by fills that have not come."""
        return self.cumulative - self.traded


class KnownOrders:
    """All that are open, and those closed last. ``last_trades``: the greatest trade id told, by instrument."""

    def __init__(self) -> None:
        self.last_trades: dict[int, int] = {}
        self._orders: dict[str, Known] = {}
        self._open: dict[str, Known] = {}
        self._numbers: dict[tuple[int, int], Known] = {}
        self._closed: deque[Known] = deque()
        self._trades: set[tuple[int, int, Side]] = set()
        self._trades_in_turn: deque[tuple[int, int, Side]] = deque()

    def get(self, order_id: str) -> Known | None:
        return self._orders.get(order_id)

    def of_number(self, instrument: int, venue_order_id: int) -> Known | None:
        """By the exchange's number, which is one of an instrument."""
        return self._numbers.get((instrument, venue_order_id))

    def open(self, instrument: int | None = None, *, ours: bool = True) -> list[Known]:
        """What is not known to be closed, oldest first; ours, or those of others."""
        return [k for k in self._open.values()
                if k.is_ours is ours and (instrument is None or k.instrument == instrument)]  # fmt: skip

    def place(self, order: PlaceOrder, list_id: str = "") -> Known | None:
        """An order of ours is about to be sent; None: one of that id is open."""
        former = self._orders.get(order.order_id)
        if former is not None and not former.is_closed:
            return None
        known = Known(order.order_id, order.instrument, order.side, order)
        known.list_id = list_id
        self._add(known)
        return known

    def adopt(self, order: Order) -> None:
        """An order of ours from before: whether it is open the exchange is to be asked."""
        if order.order_id in self._orders:
            return
        placed = PlaceOrder(
            order_id=order.order_id, strategy=order.strategy, instrument=order.instrument, side=order.side,
            type=order.type, quantity=order.quantity, price=order.price, stop_price=order.stop_price, tif=order.tif,
            quote_quantity=order.quote_quantity, note=order.note,
        )  # fmt: skip
        known = Known(order.order_id, order.instrument, order.side, placed)
        known.list_id, known.doubt = order.list_id, "place"
        known.cumulative, known.traded = order.filled, order.traded
        known.venue_order_id = order.venue_order_id
        self._add(known)

    def _add(self, known: Known) -> None:
        self._orders[known.order_id] = self._open[known.order_id] = known

    def has_trade(self, instrument: int, trade_id: int, side: Side) -> bool:
        """It has been told, and is among the newest that are remembered."""
        return (instrument, trade_id, side) in self._trades

    def tell_of(self, trades: Iterable[tuple[int, int, Side]]) -> None:
        """Trades that a former run told: instrument, id, side. They are not told again."""
        for trade in trades:
            self._keep(trade)

    # ------------------------------------------------------------- what is news

    def news(self, update: OrderUpdate) -> Iterator[OrderUpdate]:
        """What of a report has not been told before; and takes it as told."""
        known = self._of(update)
        self._number(known, update)
        if known.list_id:
            update = replace(update, list_id=known.list_id)
        if update.execution in _ANSWERS:
            yield update
            return
        if known.is_never and update.execution is not Execution.REJECTED:
            yield self._resurrected(known, update)
            if update.execution in (_NEW, _STATUS):
                return
        if self._is_news(known, update):
            if update.execution is _TRADE and not update.cumulative:
                update = _reckoned(known, update)
            self._take(known, update)
            yield update

    def _of(self, update: OrderUpdate) -> Known:
        known = self._orders.get(update.order_id)
        reused = known is not None and known.is_closed and not known.is_ours and update.venue_order_id
        if known is None or (reused and update.venue_order_id > known.venue_order_id):
            known = Known(update.order_id, update.instrument, update.side, None)
            self._add(known)
        return known

    def _number(self, known: Known, update: OrderUpdate) -> None:
        if update.venue_order_id and not known.venue_order_id:
            known.venue_order_id = update.venue_order_id
            self._numbers[known.instrument, known.venue_order_id] = known

    def _resurrected(self, known: Known, update: OrderUpdate) -> OrderUpdate:
        """It was given up, and is there after all: that must be told before anything else of it."""
        known.is_never = known.is_closed = False
        known.is_accepted = True
        self._open[known.order_id] = known
        status = update.status if update.execution in (_NEW, _STATUS) else OrderStatus.NEW
        told = replace(update, execution=_STATUS, status=status, price=0, quantity=0, trade_id=0, cumulative=0)
        if status in CLOSED:
            self._close(known)
        return told

    def _is_news(self, known: Known, update: OrderUpdate) -> bool:
        kind = update.execution
        if kind is _TRADE:
            return (known.instrument, update.trade_id, known.side) not in self._trades
        if kind is _STATUS:
            return self._is_new_status(known, update)
        if known.is_closed:
            return False
        if kind is _NEW:
            return not known.is_accepted or (known.is_pending and update.status is not OrderStatus.PENDING_NEW)
        if kind is _REPLACED:
            return not known.quantity or update.order_quantity < known.quantity
        if kind is Execution.TRIGGERED:
            return not known.is_triggered
        if kind is _PREVENTED and update.status not in CLOSED:
            return update.order_quantity - update.cumulative - update.leaves > known.prevented
        return not (kind is Execution.REJECTED and known.is_accepted)

    def _is_new_status(self, known: Known, update: OrderUpdate) -> bool:
        if update.status is OrderStatus.UNKNOWN:
            return bool(known.doubt)
        more = update.cumulative > known.cumulative or 0 < update.order_quantity < known.quantity
        if known.is_closed:  # an answer that is older than its end tells nothing
            return more
        return bool(known.doubt) or more or not known.is_accepted or update.status in CLOSED

    def _take(self, known: Known, update: OrderUpdate) -> None:
        kind = update.execution
        if kind is _TRADE:
            known.traded += update.quantity
            self._remember(known, update.trade_id)
        if kind is not Execution.REJECTED:
            known.is_accepted = True
            known.is_pending = update.status is OrderStatus.PENDING_NEW
        if known.doubt == "place" or kind is _STATUS:
            known.doubt = ""
        known.cumulative = max(known.cumulative, update.cumulative, known.traded)
        if update.order_quantity:
            known.quantity = update.order_quantity
        known.prevented = max(known.prevented, _prevented(update))
        known.is_triggered |= kind is Execution.TRIGGERED
        if update.status in CLOSED and not known.is_closed:
            self._close(known)

    def _remember(self, known: Known, trade_id: int) -> None:
        i = known.instrument
        self.last_trades[i] = max(trade_id, self.last_trades.get(i, -1))
        self._keep((i, trade_id, known.side))

    def _keep(self, trade: tuple[int, int, Side]) -> None:
        self._trades.add(trade)
        self._trades_in_turn.append(trade)
        if len(self._trades_in_turn) > TRADES_KEPT:
            self._trades.discard(self._trades_in_turn.popleft())

    def _close(self, known: Known) -> None:
        known.is_closed, known.doubt = True, ""
        self._open.pop(known.order_id, None)
        self._closed.append(known)
        if len(self._closed) > CLOSED_KEPT:
            self._forget(self._closed.popleft())

    def _forget(self, known: Known) -> None:
        if known.is_closed and self._orders.get(known.order_id) is known:
            del self._orders[known.order_id]
            self._numbers.pop((known.instrument, known.venue_order_id), None)

    def never(self, known: Known) -> None:
        """It is given up: it did not arrive, and can no more."""
        known.is_never = True
        self._close(known)


def _reckoned(known: Known, trade: OrderUpdate) -> OrderUpdate:
    """A row of trades says nothing of its order; with what is known of that, it does."""
    done = known.traded + trade.quantity
    leaves = max(0, known.quantity - done - known.prevented)
    is_whole = known.quantity > 0 and not leaves
    return replace(
        trade, cumulative=done, leaves=0 if known.is_closed else leaves, order_quantity=known.quantity,
        status=OrderStatus.FILLED if is_whole else trade.status)  # fmt: skip


def _prevented(update: OrderUpdate) -> int:
    if update.execution is not _PREVENTED or update.status in CLOSED:
        return 0
    return max(0, update.order_quantity - update.cumulative - update.leaves)
