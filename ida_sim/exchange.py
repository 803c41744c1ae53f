"""The simulated exchange: what arrives is checked, held against the account, matched, and answered.

No clock and no latency here: whoever drives it says when a request arrives, and carries the answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from ida_core import (
    END_OF_DATA,
    AnyRequest,
    BalanceUpdate,
    CancelAll,
    CancelOrder,
    Event,
    Execution,
    Instrument,
    InstrumentKind,
    Note,
    OrderStatus,
    OrderType,
    OrderUpdate,
    PlaceOrder,
    ReplaceOrder,
    Side,
)
from ida_core.native import ffi, lib
from ida_sim.account import Account
from ida_sim.fees import DISCOUNT_ASSET, Fee, Fees
from ida_sim.filters import check_order
from ida_sim.timeline import Matching, Timeline

_EXECUTIONS = {
    lib.IDA_X_NEW: Execution.NEW, lib.IDA_X_CANCELED: Execution.CANCELED, lib.IDA_X_REPLACED: Execution.REPLACED,
    lib.IDA_X_REJECTED: Execution.REJECTED, lib.IDA_X_TRADE: Execution.TRADE, lib.IDA_X_EXPIRED: Execution.EXPIRED,
    lib.IDA_X_TRADE_PREVENTION: Execution.TRADE_PREVENTION, lib.IDA_X_TRIGGERED: Execution.TRIGGERED,
}
_STATUSES = {
    lib.IDA_S_NEW: OrderStatus.NEW, lib.IDA_S_PARTIALLY_FILLED: OrderStatus.PARTIALLY_FILLED,
    lib.IDA_S_FILLED: OrderStatus.FILLED, lib.IDA_S_CANCELED: OrderStatus.CANCELED,
    lib.IDA_S_REJECTED: OrderStatus.REJECTED, lib.IDA_S_EXPIRED: OrderStatus.EXPIRED,
    lib.IDA_S_EXPIRED_IN_MATCH: OrderStatus.EXPIRED_IN_MATCH,
}
_ENDED = frozenset({
    lib.IDA_S_FILLED, lib.IDA_S_CANCELED, lib.IDA_S_REJECTED, lib.IDA_S_EXPIRED, lib.IDA_S_EXPIRED_IN_MATCH})
_REASONS = {
    lib.IDA_R_NONE: "", lib.IDA_R_TOOK: "TOOK", lib.IDA_R_QUEUE_REACHED: "QUEUE_REACHED",
    lib.IDA_R_TRADED_THROUGH: "TRADED_THROUGH", lib.IDA_R_BOOK_CROSSED: "BOOK_CROSSED", lib.IDA_R_MATCHED: "MATCHED",
    lib.IDA_R_WOULD_TAKE: "Order would immediately match and take.",
    lib.IDA_R_WOULD_TRIGGER: "Stop price would trigger immediately.",
    lib.IDA_R_NO_LIQUIDITY: "INSUFFICIENT_LIQUIDITY", lib.IDA_R_IOC_REST: "UNFILLED_IOC_QUANTITY_EXPIRED",
    lib.IDA_R_FOK_SHORT: "UNFILLED_FOK_ORDER_EXPIRED", lib.IDA_R_SELF_TRADE: "SELF_TRADE_PREVENTION",
    lib.IDA_R_USER: "", lib.IDA_R_REDUCE_ONLY: "REDUCE_ONLY",
}
#: Codes as Binance has them: new order rejected, cancel rejected, server busy.
NEW_ORDER_REJECTED, CANCEL_REJECTED, BUSY = -2010, -2011, -1008
MOST_TICKS = 2**63 - 1
NOT_READY = (BUSY, "The simulated exchange has no order book of this symbol at this time.")


def refusals(request: AnyRequest, now_ns: int, code: int, text: str) -> list[Event]:
    """The answers to a request that is not carried out; of a replacement the new order's comes first."""

    def answer(order_id: str, execution: Execution, status: OrderStatus, **more: Any) -> OrderUpdate:
        return OrderUpdate(
            ts_venue_ns=now_ns, instrument=request.instrument, order_id=order_id, execution=execution, status=status,
            reason=text, code=code, **more)

    match request:
        case PlaceOrder(order_id=name, side=side, quantity=lots):
            return [answer(name, Execution.REJECTED, OrderStatus.REJECTED, side=side, order_quantity=lots)]
        case ReplaceOrder(order_id=name, new_order_id=new, quantity=lots):
            return [answer(new, Execution.REJECTED, OrderStatus.REJECTED, order_quantity=lots),
                    answer(name, Execution.REPLACE_REJECTED, OrderStatus.UNKNOWN)]
        case CancelOrder(order_id=name):
            return [answer(name, Execution.CANCEL_REJECTED, OrderStatus.UNKNOWN)]
        case _:
            return []


class _Open:
    """An order at the exchange: the request and the number under which the matching engine knows it."""

    __slots__ = ("number", "request")

    def __init__(self, number: int, request: PlaceOrder) -> None:
        self.number = number
        self.request = request


def _set_alarm(matching: Matching, reach: Decimal | None) -> None:
    ticks = matching.last_price
    if reach is None:
        matching.set_alarm(-1, MOST_TICKS)
    elif ticks is None:
        matching.set_alarm(MOST_TICKS, MOST_TICKS)  # the first trade, at whatever price
    else:
        way = max(1, int(ticks * min(reach, Decimal("0.5"))))
        matching.set_alarm(ticks - way, ticks + way)


class Exchange:
    """Orders, account and matching of all instruments. Every method returns the answers in their order."""

    def __init__(self, instruments: Sequence[Instrument], timeline: Timeline, account: Account, fees: Fees) -> None:
        self._instruments = instruments
        self._late = [0] * len(instruments)
        self._timeline = timeline
        self._matching: list[Matching] = [timeline.matching(i) for i in range(len(instruments))]
        self._books = [timeline.exchange_book(i) for i in range(len(instruments))]
        self.account = account
        self._fees = fees
        self._by_id: dict[str, _Open] = {}
        self._by_number: dict[int, _Open] = {}
        self._last_number = 0

    def handle(self, request: AnyRequest, now_ns: int) -> list[Event]:
        """One request has arrived."""
        match request:
            case PlaceOrder():
                return self._place(request, now_ns)
            case CancelOrder():
                return self._cancel(request, now_ns)
            case ReplaceOrder():
                return self._replace(request, now_ns)
            case CancelAll():
                mine = [o for o in self._by_id.values() if o.request.instrument == request.instrument]
                return [e for o in mine for e in self._cancel_open(o, now_ns)]

    # ------------------------------------------------------------- placing

    def _place(self, request: PlaceOrder, now_ns: int) -> list[Event]:
        refused = self._refusal(request)
        if refused is not None:
            return refusals(request, now_ns, *refused)
        if self._timeline.exchange_over(request.instrument):
            return [self._too_late(request, now_ns)]
        self._last_number += 1
        order = _Open(self._last_number, request)
        self._by_id[request.order_id] = self._by_number[order.number] = order
        i = request.instrument
        status = self._matching[i].place(
            order.number, request, self._notional(request), self._reducible(request), now_ns)
        if status != lib.IDA_OK:
            self._forget(order)
            text = str(ffi.string(lib.ida_status_text(status)).decode())
            return refusals(request, now_ns, NEW_ORDER_REJECTED, f"Matching engine: {text}.")
        return self.reports(i)

    def _too_late(self, request: PlaceOrder, now_ns: int) -> Event:
        """The book stands still: what it would fill says nothing. Neither a fill nor a refusal of the venue."""
        self._late[request.instrument] += 1
        self.account.release(request.order_id)
        return OrderUpdate(
            ts_venue_ns=now_ns, instrument=request.instrument, order_id=request.order_id, side=request.side,
            execution=Execution.EXPIRED, status=OrderStatus.EXPIRED, order_quantity=request.quantity,
            reason=END_OF_DATA)

    def _refusal(self, request: PlaceOrder) -> tuple[int, str] | None:
        """Filters, then the account, as Binance orders them."""
        i = request.instrument
        if not self._timeline.exchange_ready(i):
            return NOT_READY
        if request.order_id in self._by_id:
            return NEW_ORDER_REJECTED, "Duplicate order sent."
        instrument = self._instruments[i]
        situation = self.account.situation(instrument, self._reference(i))
        return check_order(request, instrument, situation) or self.account.hold(
            request.order_id, request, instrument, self._worst_price(request))

    def _reference(self, index: int) -> Decimal | None:
        """The last price, or the middle of the book before there is one; quote units."""
        last = self._matching[index].last_price
        ticks = last if last is not None else self._books[index].bid or self._books[index].ask
        return None if ticks is None else self._instruments[index].price(ticks)

    def _worst_price(self, request: PlaceOrder) -> int | None:
        """Where a market order of this size would end, so that enough is held for it."""
        book = self._books[request.instrument]
        side = request.side.opposite
        if request.type in (OrderType.STOP_LOSS, OrderType.TAKE_PROFIT):
            return request.stop_price
        if request.quantity:
            return book.walk(side, request.quantity).worst
        return book.ask if request.side is Side.BUY else book.bid

    def _notional(self, request: PlaceOrder) -> int:
        """``quote_quantity`` in ticks x lots, rounded down."""
        if request.quote_quantity is None:
            return 0
        instrument = self._instruments[request.instrument]
        return int(request.quote_quantity / (instrument.tick_size * instrument.lot_size * instrument.multiplier))

    def _reducible(self, request: PlaceOrder) -> int:
        """Lots of the position that a reduce-only order may close; 0 for others."""
        if not request.reduce_only:
            return 0
        return self.account.reducible(self._instruments[request.instrument], request.side)

    # ------------------------------------------------------------- canceling and replacing

    def _cancel(self, request: CancelOrder, now_ns: int) -> list[Event]:
        order = self._by_id.get(request.order_id)
        if order is None:
            return refusals(request, now_ns, CANCEL_REJECTED, "Unknown order sent.")
        return self._cancel_open(order, now_ns)

    def _cancel_open(self, order: _Open, now_ns: int) -> list[Event]:
        i = order.request.instrument
        self._matching[i].cancel(order.number, now_ns)
        return self.reports(i)

    def _replace(self, request: ReplaceOrder, now_ns: int) -> list[Event]:
        order = self._by_id.get(request.order_id)
        if order is None:
            return refusals(request, now_ns, CANCEL_REJECTED, "Unknown order sent.")
        canceled = self._cancel_open(order, now_ns)
        old = order.request
        anew = PlaceOrder(
            ts_local_ns=request.ts_local_ns, instrument=old.instrument, order_id=request.new_order_id,
            strategy=request.strategy, side=old.side, type=old.type, quantity=request.quantity, price=request.price,
            stop_price=old.stop_price, tif=old.tif, stp=old.stp, reduce_only=old.reduce_only, note=old.note,
        )
        return canceled + self._place(anew, now_ns)

    # ------------------------------------------------------------- what the matching engine said

    def reports(self, index: int) -> list[Event]:
        """Book the matching engine's new reports of one instrument, and tell them."""
        events: list[Event] = []
        is_traded = False
        for report in self._matching[index].take_reports():
            order = self._by_number[report.order_id]
            events.append(self._update(index, order, report))
            if report.execution == lib.IDA_X_TRADE:
                is_traded = True
            if report.status in _ENDED:
                self._forget(order)
        if is_traded or self._matching[index].is_alarmed:
            events.extend(self._check_margin(index))
        if is_traded:
            events.append(BalanceUpdate(
                ts_venue_ns=self._timeline.now_ns, instrument=index, reason="ORDER",
                balances=self.account.take_changes()))
        return events

    def _update(self, index: int, order: _Open, report: Any) -> OrderUpdate:
        instrument, request = self._instruments[index], order.request
        fee = Fee(Decimal(0), "")
        if report.execution == lib.IDA_X_TRADE:
            fee = self._fees.fee(
                instrument, request.side, report.quantity, report.price, bool(report.maker),
                self.account.free(DISCOUNT_ASSET))
            self.account.fill(request.order_id, report.quantity, report.price, fee)
        elif report.execution == lib.IDA_X_TRADE_PREVENTION and report.leaves:
            self.account.amend(request.order_id, report.leaves)
        rejected = report.execution == lib.IDA_X_REJECTED
        return OrderUpdate(
            ts_venue_ns=report.ts_venue_ns, instrument=index, order_id=request.order_id, side=request.side,
            execution=_EXECUTIONS[report.execution], status=_STATUSES[report.status], venue_order_id=order.number,
            price=report.price if report.trade_id else 0, quantity=report.quantity, cumulative=report.cumulative,
            leaves=report.leaves, order_quantity=report.order_quantity, trade_id=report.trade_id,
            maker=bool(report.maker), fee=fee.amount, fee_asset=fee.asset,
            reason=_REASONS[report.reason],
            code=NEW_ORDER_REJECTED if rejected else 0, ahead=report.ahead,
        )

    def _check_margin(self, index: int) -> list[Event]:
        """The last price is the mark. What is left of the cover says how far prices may move before the next look; so
        all that share it are looked at together, or the way one has gone since its own last look would be forgotten."""
        instrument, price = self._instruments[index], self._reference(index)
        if instrument.kind is InstrumentKind.SPOT or price is None:
            return []
        together = [i for i, other in enumerate(self._instruments)
                    if other.settle == instrument.settle and other.kind is not InstrumentKind.SPOT]
        for i in together:
            if (mark := self._reference(i)) is not None:
                self.account.note_mark(self._instruments[i], mark)
        sentence = self.account.mark(instrument, price)
        reach = self.account.reach(instrument.settle)
        for i in together:
            _set_alarm(self._matching[i], reach)
        return [Note(ts_venue_ns=self._timeline.now_ns, what="liquidation", detail=sentence)] if sentence else []

    def _forget(self, order: _Open) -> None:
        self._by_id.pop(order.request.order_id, None)
        self._by_number.pop(order.number, None)
        self.account.release(order.request.order_id)

    # ------------------------------------------------------------- funding and looking

    def fund(self, index: int, record: Any) -> list[Event]:
        """A funding time was reached; ``record``: the last ``ida_mark`` published before it."""
        mark = ffi.cast("ida_mark *", record)
        rate, price = Decimal(mark.funding_rate_e8).scaleb(-8), Decimal(mark.mark_e8).scaleb(-8)
        payment = self.account.fund(self._instruments[index], rate, price)
        if payment is None:
            return []
        paid = msgspec.structs.replace(payment, instrument=index, ts_venue_ns=mark.next_funding_ns)
        return [paid, *self._check_margin(index)]

    def warnings(self) -> list[str]:
        """Sentences for the result: where it rests on what an exchange would not have done."""
        return [
            f"{instrument.name}: {count} order{'s' * (count > 1)} arrived after the last market event and expired "
            f"unmatched ({END_OF_DATA})"
            for instrument, count in zip(self._instruments, self._late, strict=True) if count]

    def open_orders(self) -> list[PlaceOrder]:
        return [o.request for o in self._by_id.values()]
