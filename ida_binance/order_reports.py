"""What Binance tells of orders and of the account, as Ida has it. Pure.

Whatever it is that tells - an event, a reply, a row of a list - becomes ``OrderUpdate``, ``BalanceUpdate`` or
``Transfer``. Words that are not known stop nothing: an execution of a new kind is told as ``STATUS``, a status of a new
kind as ``UNKNOWN``, after which the exchange is asked. What lacks what it needs is ``Unreadable``.

Source: Binance Spot API docs, user-data-stream.md, rest-api.md, enums.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any

from ida_binance.judging import masked
from ida_core.errors import OffGrid
from ida_core.events import Execution, OrderStatus, OrderUpdate, Transfer
from ida_core.model import Instrument, Side, is_sane
from ida_core.order import CLOSED

ZERO = Decimal(0)
_STATUSES: Mapping[str, OrderStatus] = {
    status.value: status
    for status in (
        OrderStatus.NEW, OrderStatus.PENDING_NEW, OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED,
        OrderStatus.CANCELED, OrderStatus.PENDING_CANCEL, OrderStatus.REJECTED, OrderStatus.EXPIRED,
        OrderStatus.EXPIRED_IN_MATCH,
    )
}  # fmt: skip
_EXECUTIONS: Mapping[str, Execution] = {
    execution.value: execution
    for execution in (
        Execution.NEW, Execution.CANCELED, Execution.REPLACED, Execution.REJECTED, Execution.TRADE, Execution.EXPIRED,
        Execution.TRADE_PREVENTION,
    )
}  # fmt: skip
_ENDS = {
    OrderStatus.CANCELED: Execution.CANCELED, OrderStatus.EXPIRED: Execution.EXPIRED,
    OrderStatus.EXPIRED_IN_MATCH: Execution.TRADE_PREVENTION, OrderStatus.REJECTED: Execution.REJECTED,
}  # fmt: skip
_TRADE = Execution.TRADE
#: Of these the id of the event is that of the request, and the order's own stands beside it.
_BY_REQUEST = frozenset((Execution.CANCELED, Execution.REPLACED))
#: From here on a time is in microseconds.
_MICROSECONDS = 10**14
_MOST_ID = 2**63 - 1
_MOST_STEPS = 2**53
Row = Mapping[str, Any]


class Unreadable(Exception):
    """It lacks what it needs, or has it in another form; says what."""


class Strange(Exception):
    """It is of a symbol that the run does not have."""


class OrderReports:
    """Reads what concerns the instruments of a run. ``off_grid``: prices and quantities that lay between two steps and
    were rounded to the nearest."""

    def __init__(self, instruments: Sequence[Instrument]) -> None:
        self.instruments = instruments
        self.off_grid = 0
        self._by_symbol = {instrument.symbol: i for i, instrument in enumerate(instruments)}

    def index(self, row: Row) -> int:
        """The number of its instrument.

        Raises:
            Strange: the run has no such symbol.
        """
        symbol = row.get("symbol", row.get("s"))
        if not isinstance(symbol, str):
            raise Unreadable(f"it is of the symbol {str(symbol)[:40]!r}")
        index = self._by_symbol.get(symbol)
        if index is None:
            raise Strange(symbol)
        return index

    # ------------------------------------------------------------- events

    def execution(self, event: Row, now_ns: int) -> OrderUpdate:
        """An ``executionReport``."""
        i = self.index(event)
        kind = execution_of(event.get("x"))
        status = status_of(event.get("X"))
        is_trade = kind is _TRADE
        quantity, filled = self._lots(i, event, "q"), self._lots(i, event, "z")
        prevented = self._lots(i, event, "A") if "A" in event else 0
        return OrderUpdate(
            ts_local_ns=now_ns, ts_venue_ns=_time_ns(event, "T"), instrument=i,
            order_id=_text(event, "C" if kind in _BY_REQUEST and event.get("C") else "c"),
            execution=kind, status=status, side=_side(event.get("S")), venue_order_id=_id(event, "i"),
            price=self._ticks(i, event, "L") if is_trade else 0,
            quantity=self._lots(i, event, "l") if is_trade else 0,
            cumulative=filled, order_quantity=quantity,
            leaves=0 if status in CLOSED else max(0, quantity - filled - prevented),
            trade_id=_trade_id(event) if is_trade else 0, maker=event.get("m") is True,
            fee=_amount(event, "n", signed=True) if is_trade and event.get("N") else ZERO,
            fee_asset=_asset(event.get("N")) if is_trade else "", reason=_reason(event),
        )  # fmt: skip

    # ------------------------------------------------------------- replies

    def placed(self, body: Row, now_ns: int) -> Iterator[OrderUpdate]:
        """What the reply to a placement tells: accepted, then each fill, then its end, if it has come to one."""
        status = status_of(body.get("status", OrderStatus.NEW.value))
        begun = status if status is OrderStatus.PENDING_NEW else OrderStatus.NEW
        row = self.row(body, now_ns)
        yield _told(row, Execution.NEW, begun, cumulative=0, leaves=row.order_quantity)
        done, fills = 0, body.get("fills")
        for fill in fills if isinstance(fills, list) else ():
            update = self._filled(row, fill, done)
            done = update.cumulative
            yield update
        if status in _ENDS:
            yield _told(row, _ENDS[status], status)
        elif row.cumulative > done:
            yield row

    def _filled(self, row: OrderUpdate, fill: Row, done: int) -> OrderUpdate:
        """One of ``fills``: what an order took when it came, as a taker."""
        if not isinstance(fill, dict):
            raise Unreadable(f"a fill that is none: {str(fill)[:40]!r}")
        i = row.instrument
        lots = self._lots(i, fill, "qty")
        leaves = max(0, row.order_quantity - done - lots)
        return OrderUpdate(
            ts_local_ns=row.ts_local_ns, ts_venue_ns=row.ts_venue_ns, instrument=i, order_id=row.order_id,
            execution=_TRADE, status=OrderStatus.PARTIALLY_FILLED if leaves else OrderStatus.FILLED, side=row.side,
            venue_order_id=row.venue_order_id, price=self._ticks(i, fill, "price"), quantity=lots,
            cumulative=done + lots, leaves=leaves, order_quantity=row.order_quantity, trade_id=_fill_id(fill),
            fee=_amount(fill, "commission", signed=True), fee_asset=_asset(fill.get("commissionAsset")),
        )  # fmt: skip

    def canceled(self, body: Row, now_ns: int) -> OrderUpdate:
        """The reply to a cancel, or of an order within one: its end."""
        row = self.row(body, now_ns, "origClientOrderId")
        status = row.status if row.status in _ENDS else OrderStatus.CANCELED
        return _told(row, _ENDS[status], status, leaves=0)

    def amended(self, body: Row, now_ns: int) -> OrderUpdate:
        """The reply to an amendment: its quantity in all, under names of its own."""
        order = body.get("amendedOrder")
        if not isinstance(order, dict):
            raise Unreadable("an amendment without amendedOrder")
        row = {**order, "origQty": order.get("qty"), "transactTime": body.get("transactTime", 0)}
        return _told(self.row(row, now_ns, "origClientOrderId"), Execution.REPLACED, None)

    # ------------------------------------------------------------- rows

    def row(self, row: Row, now_ns: int, name: str = "clientOrderId") -> OrderUpdate:
        """How an order stands: a row of ``openOrders``, of ``order.status``, or the like."""
        i = self.index(row)
        status = status_of(row.get("status", OrderStatus.NEW.value))
        quantity = self._lots(i, row, "origQty") if "origQty" in row else 0
        filled = self._lots(i, row, "executedQty") if "executedQty" in row else 0
        prevented = self._lots(i, row, "preventedQuantity") if "preventedQuantity" in row else 0
        return OrderUpdate(
            ts_local_ns=now_ns, ts_venue_ns=_time_ns(row, "updateTime", "transactTime"), instrument=i,
            order_id=_text(row, name if row.get(name) else "clientOrderId"), execution=Execution.STATUS, status=status,
            side=_side(row.get("side")), venue_order_id=_id(row, "orderId"), cumulative=filled,
            leaves=0 if status in CLOSED else max(0, quantity - filled - prevented), order_quantity=quantity,
            reason=_reason(row),
        )  # fmt: skip

    def trade(self, row: Row, order_id: str, now_ns: int) -> OrderUpdate:
        """A row of ``myTrades``; whose order it is, its number tells alone. What it leaves is not known."""
        i = self.index(row)
        return OrderUpdate(
            ts_local_ns=now_ns, ts_venue_ns=_time_ns(row, "time"), instrument=i, order_id=order_id, execution=_TRADE,
            status=OrderStatus.PARTIALLY_FILLED, side=Side.BUY if row.get("isBuyer") is True else Side.SELL,
            venue_order_id=_id(row, "orderId"), price=self._ticks(i, row, "price"), quantity=self._lots(i, row, "qty"),
            trade_id=_id(row, "id"), maker=row.get("isMaker") is True, fee=_amount(row, "commission", signed=True),
            fee_asset=_asset(row.get("commissionAsset")),
        )  # fmt: skip

    # ------------------------------------------------------------- numbers on the grid

    def _ticks(self, i: int, row: Row, name: str) -> int:
        instrument, price = self.instruments[i], _amount(row, name)
        try:
            return _bounded(instrument.ticks(price), name)
        except OffGrid:
            self.off_grid += 1
            return _bounded(_nearest(price, instrument.tick_size), name)

    def _lots(self, i: int, row: Row, name: str) -> int:
        instrument, quantity = self.instruments[i], _amount(row, name)
        try:
            return _bounded(instrument.lots(quantity), name)
        except OffGrid:
            self.off_grid += 1
            return _bounded(_nearest(quantity, instrument.lot_size), name)


def _bounded(steps: int, name: str) -> int:
    if steps > _MOST_STEPS:
        raise Unreadable(f"{name} is {steps} steps of its grid: there is no such price or quantity")
    return steps


def status_of(word: Any) -> OrderStatus:
    """The status that a word stands for; ``UNKNOWN`` for a new one."""
    return _STATUSES.get(word, OrderStatus.UNKNOWN) if isinstance(word, str) else OrderStatus.UNKNOWN


def execution_of(word: Any) -> Execution:
    """What happened, by its word; ``STATUS`` for a new one: at least it tells how the order stands."""
    return _EXECUTIONS.get(word, Execution.STATUS) if isinstance(word, str) else Execution.STATUS


def positions(event: Row) -> dict[str, tuple[Decimal, Decimal]]:
    """``outboundAccountPosition``: assets that changed, free and locked."""
    return _balances(event.get("B"), ("a", "f", "l"))


def account_balances(body: Any) -> dict[str, tuple[Decimal, Decimal]]:
    """``account.status``: all assets, free and locked."""
    rows = body.get("balances") if isinstance(body, dict) else None
    return _balances(rows, ("asset", "free", "locked"))


def transfer(event: Row, now_ns: int) -> Transfer:
    """``balanceUpdate``: a deposit, a withdrawal, a transfer."""
    asset, amount = _text(event, "a"), _amount(event, "d", signed=True)
    return Transfer(
        ts_local_ns=now_ns, ts_venue_ns=_time_ns(event, "T"), asset=asset, amount=amount,
        reason="paid in" if amount > 0 else "taken out")  # fmt: skip


def assets_of(info: Any) -> tuple[str, str]:
    """Base and quote of the one symbol in an answer to ``exchangeInfo``."""
    rows = info.get("symbols") if isinstance(info, dict) else None
    if not isinstance(rows, list) or len(rows) != 1 or not isinstance(rows[0], dict):
        raise Unreadable("exchangeInfo of one symbol that is none")
    return _text(rows[0], "baseAsset"), _text(rows[0], "quoteAsset")


def moves(event: Row, base: str, quote: str, now_ns: int) -> list[Transfer]:
    """What a fill of a symbol that the run does not have moved, fee included."""
    sign = 1 if _side(event.get("S")) is Side.BUY else -1
    moved = [(base, sign * _amount(event, "l")), (quote, -sign * _amount(event, "Y"))]
    if event.get("N"):
        moved.append((_asset(event.get("N")), -_amount(event, "n", signed=True)))
    reason = f"a fill of {_text(event, 's')}, which this run does not trade"
    return [
        Transfer(ts_local_ns=now_ns, ts_venue_ns=_time_ns(event, "T"), asset=asset, amount=amount, reason=reason)
        for asset, amount in moved if amount
    ]  # fmt: skip


def _balances(rows: Any, names: tuple[str, str, str]) -> dict[str, tuple[Decimal, Decimal]]:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Unreadable(f"balances that are none: {str(rows)[:40]!r}")
    asset, free, locked = names
    return {_text(row, asset): (_amount(row, free), _amount(row, locked)) for row in rows}


def _told(
    row: OrderUpdate, execution: Execution, status: OrderStatus | None, *, cumulative: int = -1, leaves: int = -1
) -> OrderUpdate:
    """The row as a report of another kind."""
    return OrderUpdate(
        ts_local_ns=row.ts_local_ns, ts_venue_ns=row.ts_venue_ns, instrument=row.instrument, order_id=row.order_id,
        execution=execution, status=status or row.status, side=row.side, venue_order_id=row.venue_order_id,
        cumulative=row.cumulative if cumulative < 0 else cumulative, leaves=row.leaves if leaves < 0 else leaves,
        order_quantity=row.order_quantity, reason=row.reason,
    )  # fmt: skip


def _nearest(value: Decimal, step: Decimal) -> int:
    return int((value / step).to_integral_value(ROUND_HALF_EVEN))


def _amount(row: Row, name: str, *, signed: bool = False) -> Decimal:
    value = row.get(name)
    try:
        amount = Decimal(value) if isinstance(value, str | int) else Decimal("NaN")
    except InvalidOperation:
        amount = Decimal("NaN")
    if not is_sane(amount) or (amount < 0 and not signed):
        raise Unreadable(f"{name} = {str(value)[:40]!r} is no amount")
    return amount


def _text(row: Row, name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value or len(value) > 100:
        raise Unreadable(f"{name} = {str(value)[:40]!r} is no name")
    return value


def _id(row: Row, name: str) -> int:
    value = row.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST_ID:
        raise Unreadable(f"{name} = {str(value)[:40]!r} is no number of an order or a trade")
    return value


def _trade_id(event: Row) -> int:
    """Of an allocation, which is of no trade, one below 0."""
    return _id(event, "t") if event.get("t", -1) != -1 else -1 - _id(event, "a")


def _fill_id(fill: Row) -> int:
    return _id(fill, "tradeId") if fill.get("tradeId", -1) != -1 else -1 - _id(fill, "allocId")


def _time_ns(row: Row, *names: str) -> int:
    for name in names:
        value = row.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**17:
            return value * (1_000 if value >= _MICROSECONDS else 1_000_000)
    return 0


def _side(word: Any) -> Side:
    if word not in ("BUY", "SELL"):
        raise Unreadable(f"side {str(word)[:40]!r}")
    return Side(word)


def _asset(word: Any) -> str:
    return word if isinstance(word, str) and len(word) <= 100 else ""


def _reason(row: Row) -> str:
    """Why an order ended, in the exchange's word; the newer field says more."""
    for name in ("eR", "expiryReason", "r"):
        word = row.get(name)
        if isinstance(word, str) and word != "NONE":
            return masked(word)[:100]
    return ""
