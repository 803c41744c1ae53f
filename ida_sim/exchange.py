"""The simulated exchange: what arrives is checked, held against the account, matched, and answered.

No clock and no latency here: whoever drives it says when a request arrives, and carries the answers. It has any number
of accounts, and of each instrument its market, which somebody else drives::

    exchange = Exchange(instruments, places, fees)                  # places: a Place for each instrument
    me = exchange.open_account(Account(balances), fees=None, group=None, tells_holds=False)
    exchange.handle(me, request, now_ns) -> list[Told]              # any AnyRequest
    exchange.reports(index) -> list[Told]                           # after its market went on: IDA_AT_REPORTS
    exchange.fund(index, record) -> list[Told]                      # IDA_AT_FUNDING
    exchange.orders(me) -> list[Standing]                           # its open orders, oldest first
    exchange.find(me, client_id) -> Standing | None                 # an open one
    exchange.by_number(index, number) -> Standing | None            # an open one, by venue order number

``Told`` is (account, event, order, counter): ``order`` is the order that an ``OrderUpdate`` tells of, as it was
accepted (its last report too: it is forgotten afterwards), None of anything else and of refused orders; ``counter`` is
the venue number of the other order of a trade or prevented trade, 0 where that is recorded liquidity. Whoever drives a
synthetic market has it published after each ``handle``.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import count
from typing import Any, NamedTuple, Protocol

import msgspec

from ida_core import (
    END_OF_DATA,
    AmendOrder,
    AnyRequest,
    BalanceUpdate,
    Book,
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
    PlaceList,
    PlaceOrder,
    ReplaceOrder,
    Side,
)
from ida_core.native import ffi, lib
from ida_sim.account import Account
from ida_sim.fees import DISCOUNT_ASSET, Fee, Fees
from ida_sim.filters import check_order
from ida_sim.matching import Matching

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
    lib.IDA_R_WOULD_TRIGGER: "Order would trigger immediately.",
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
        case PlaceList(legs=legs):
            return [told for leg in legs for told in refusals(leg, now_ns, code, text)]
        case AmendOrder(order_id=name):
            return [answer(name, Execution.REPLACE_REJECTED, OrderStatus.UNKNOWN)]
        case CancelOrder(order_id=name):
            return [answer(name, Execution.CANCEL_REJECTED, OrderStatus.UNKNOWN)]
        case _:
            return []


class Place(Protocol):
    """The market of one instrument, as the exchange needs it."""

    matching: Matching
    book: Book  # as the exchange has it

    def ready(self) -> bool:
        """There is a book to trade on."""

    def over(self) -> bool:
        """The last change and trade of it are past: nothing would answer an order any more."""

    @property
    def now_ns(self) -> int:
        """The exchange's time."""


class Standing:
    """An open order: its account, the number under which the matching engine knows it, and the request as accepted."""

    __slots__ = ("account", "number", "request")

    def __init__(self, account: int, number: int, request: PlaceOrder) -> None:
        self.account = account
        self.number = number
        self.request = request


class Told(NamedTuple):
    """An event, and whose it is; see the module's head."""

    account: int
    event: Event
    order: Standing | None = None
    counter: int = 0


class _Member:
    """An account at the exchange, with its open orders by client order id."""

    __slots__ = ("account", "fees", "group", "number", "orders", "tells_holds")

    def __init__(self, number: int, account: Account, fees: Fees, group: int, tells_holds: bool) -> None:
        self.number = number
        self.account = account
        self.fees = fees
        self.group = group
        self.tells_holds = tells_holds
        self.orders: dict[str, Standing] = {}


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
    """Orders, accounts and matching of all instruments. Every method returns the answers in their order.

    Args:
        fees: of accounts that have none of their own.
        own_numbers: orders of each instrument are numbered by themselves, as Binance does; else all in one row.
    """

    def __init__(self, instruments: Sequence[Instrument], places: Sequence[Place], fees: Fees, *,
                 own_numbers: bool = False) -> None:
        self._instruments = instruments
        self._places = places
        self._fees = fees
        self._late = [0] * len(instruments)
        self._members: list[_Member] = []
        self._by_number: list[dict[int, Standing]] = [{} for _ in instruments]
        self._numbers = [count(1) for _ in instruments] if own_numbers else [count(1)] * len(instruments)

    def open_account(self, account: Account, *, fees: Fees | None = None, group: int | None = None,
                     tells_holds: bool = False) -> int:
        """Returns its number, 0, 1, ...

        Args:
            group: the number of another account, whose orders and its own shall not trade with each other.
            tells_holds: a ``BalanceUpdate`` also when orders have but kept back or given back something; else after
                fills alone.
        """
        number = len(self._members)
        together = number + 1 if group is None else self._members[group].group
        self._members.append(_Member(number, account, fees or self._fees, together, tells_holds))
        return number

    def account(self, number: int) -> Account:
        return self._members[number].account

    def orders(self, account: int) -> list[Standing]:
        """The open orders of an account, oldest first."""
        return list(self._members[account].orders.values())

    def find(self, account: int, order_id: str) -> Standing | None:
        """The open order of an account by its client order id."""
        return self._members[account].orders.get(order_id)

    def by_number(self, index: int, number: int) -> Standing | None:
        """The open order of an instrument by its venue order number."""
        return self._by_number[index].get(number)

    def handle(self, account: int, request: AnyRequest, now_ns: int) -> list[Told]:
        """One request has arrived."""
        member = self._members[account]
        match request:
            case PlaceOrder():
                return self._place(member, request, now_ns)
            case CancelOrder():
                return self._cancel(member, request, now_ns)
            case ReplaceOrder():
                return self._replace(member, request, now_ns)
            case CancelAll():
                mine = [o for o in member.orders.values() if o.request.instrument == request.instrument]
                return [told for o in mine for told in self._cancel_open(o, now_ns)]
            case PlaceList() | AmendOrder():
                return _refused(member, request, now_ns, -1020, "This operation is not supported.")

    def check(self, account: int, request: PlaceOrder) -> tuple[int, str] | None:
        """What the filters of its instrument have against an order, and nothing else: the venue's code and words."""
        situation = self._members[account].account.situation(
            self._instruments[request.instrument], self._reference(request.instrument))
        return check_order(request, self._instruments[request.instrument], situation)

    # ------------------------------------------------------------- placing

    def _place(self, member: _Member, request: PlaceOrder, now_ns: int) -> list[Told]:
        refused = self._refusal(member, request)
        if refused is not None:
            return _refused(member, request, now_ns, *refused)
        i = request.instrument
        place = self._places[i]
        if place.over():
            return [self._too_late(member, request, now_ns)]
        order = Standing(member.number, next(self._numbers[i]), request)
        member.orders[request.order_id] = self._by_number[i][order.number] = order
        status = place.matching.place(
            order.number, request, member.group, self._notional(request), self._reducible(member, request), now_ns)
        if status != lib.IDA_OK:
            self._forget(order)
            text = str(ffi.string(lib.ida_status_text(status)).decode())
            return _refused(member, request, now_ns, NEW_ORDER_REJECTED, f"Matching engine: {text}.")
        return self.reports(i)

    def _too_late(self, member: _Member, request: PlaceOrder, now_ns: int) -> Told:
        """The book stands still: what it would fill says nothing. Neither a fill nor a refusal of the venue."""
        self._late[request.instrument] += 1
        member.account.release(request.order_id)
        return Told(member.number, OrderUpdate(
            ts_venue_ns=now_ns, instrument=request.instrument, order_id=request.order_id, side=request.side,
            execution=Execution.EXPIRED, status=OrderStatus.EXPIRED, order_quantity=request.quantity,
            reason=END_OF_DATA))

    def _refusal(self, member: _Member, request: PlaceOrder) -> tuple[int, str] | None:
        """Filters, then the account, as Binance orders them."""
        i = request.instrument
        if not self._places[i].ready():
            return NOT_READY
        if request.order_id in member.orders:
            return NEW_ORDER_REJECTED, "Duplicate order sent."
        instrument = self._instruments[i]
        situation = member.account.situation(instrument, self._reference(i))
        return check_order(request, instrument, situation) or member.account.hold(
            request.order_id, request, instrument, self._worst_price(request))

    def _reference(self, index: int) -> Decimal | None:
        """The last price, or the middle of the book before there is one; quote units."""
        place = self._places[index]
        last = place.matching.last_price
        ticks = last if last is not None else place.book.bid or place.book.ask
        return None if ticks is None else self._instruments[index].price(ticks)

    def _worst_price(self, request: PlaceOrder) -> int | None:
        """Where a market order of this size would end, so that enough is held for it."""
        book = self._places[request.instrument].book
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

    def _reducible(self, member: _Member, request: PlaceOrder) -> int:
        """Lots of the position that a reduce-only order may close; 0 for others."""
        if not request.reduce_only:
            return 0
        return member.account.reducible(self._instruments[request.instrument], request.side)

    # ------------------------------------------------------------- canceling and replacing

    def _cancel(self, member: _Member, request: CancelOrder, now_ns: int) -> list[Told]:
        order = member.orders.get(request.order_id)
        if order is None:
            return _refused(member, request, now_ns, CANCEL_REJECTED, "Unknown order sent.")
        return self._cancel_open(order, now_ns)

    def _cancel_open(self, order: Standing, now_ns: int) -> list[Told]:
        i = order.request.instrument
        self._places[i].matching.cancel(order.number, now_ns)
        return self.reports(i)

    def _replace(self, member: _Member, request: ReplaceOrder, now_ns: int) -> list[Told]:
        order = member.orders.get(request.order_id)
        if order is None:
            return _refused(member, request, now_ns, CANCEL_REJECTED, "Unknown order sent.")
        canceled = self._cancel_open(order, now_ns)
        old = order.request
        anew = PlaceOrder(
            ts_local_ns=request.ts_local_ns, instrument=old.instrument, order_id=request.new_order_id,
            strategy=request.strategy, side=old.side, type=old.type, quantity=request.quantity, price=request.price,
            stop_price=old.stop_price, tif=old.tif, stp=old.stp, reduce_only=old.reduce_only, note=old.note,
        )
        return canceled + self._place(member, anew, now_ns)

    # ------------------------------------------------------------- what the matching engine said

    def reports(self, index: int) -> list[Told]:
        """Book the matching engine's new reports of one instrument, and tell them."""
        told: list[Told] = []
        touched: dict[int, bool] = {}  # account -> whether it has traded
        matching, by_number = self._places[index].matching, self._by_number[index]
        for report in matching.take_reports():
            order = by_number[report.order_id]
            update = self._update(index, order, report)
            told.append(Told(order.account, update, order, report.counter_order))
            touched[order.account] = touched.get(order.account, False) or report.execution == lib.IDA_X_TRADE
            if report.status in _ENDED:
                self._forget(order)
        if any(touched.values()) or matching.is_alarmed:
            told.extend(self._check_margin(index))
        for number, is_traded in touched.items():
            if is_traded or self._members[number].tells_holds:
                told.extend(self._balances(number, index))
        return told

    def _balances(self, number: int, index: int) -> list[Told]:
        changes = self._members[number].account.take_changes()
        if not changes:
            return []
        return [Told(number, BalanceUpdate(
            ts_venue_ns=self._places[index].now_ns, instrument=index, reason="ORDER", balances=changes))]

    def _update(self, index: int, order: Standing, report: Any) -> OrderUpdate:
        instrument, request, member = self._instruments[index], order.request, self._members[order.account]
        fee = Fee(Decimal(0), "")
        if report.execution == lib.IDA_X_TRADE:
            fee = member.fees.fee(
                instrument, request.side, report.quantity, report.price, bool(report.maker),
                member.account.free(DISCOUNT_ASSET))
            member.account.fill(request.order_id, report.quantity, report.price, fee)
        elif report.execution == lib.IDA_X_TRADE_PREVENTION and report.leaves:
            member.account.amend(request.order_id, report.leaves)
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

    def _check_margin(self, index: int) -> list[Told]:
        """The last price is the mark. What is left of the cover says how far prices may move before the next look; so
        all that share it are looked at together, or the way one has gone since its own last look would be forgotten."""
        instrument, price = self._instruments[index], self._reference(index)
        if instrument.kind is InstrumentKind.SPOT or price is None:
            return []
        together = [i for i, other in enumerate(self._instruments)
                    if other.settle == instrument.settle and other.kind is not InstrumentKind.SPOT]
        told: list[Told] = []
        reaches: list[Decimal] = []
        for member in self._members:
            sentence, reach = self._mark(member, together, instrument, price)
            if sentence:
                note = Note(ts_venue_ns=self._places[index].now_ns, what="liquidation", detail=sentence)
                told.append(Told(member.number, note))
            if reach is not None:
                reaches.append(reach)
        for i in together:
            _set_alarm(self._places[i].matching, min(reaches, default=None))
        return told

    def _mark(self, member: _Member, together: Sequence[int], instrument: Instrument,
              price: Decimal) -> tuple[str | None, Decimal | None]:
        for i in together:
            if (mark := self._reference(i)) is not None:
                member.account.note_mark(self._instruments[i], mark)
        return member.account.mark(instrument, price), member.account.reach(instrument.settle)

    def _forget(self, order: Standing) -> None:
        request, member = order.request, self._members[order.account]
        member.orders.pop(request.order_id, None)
        self._by_number[request.instrument].pop(order.number, None)
        member.account.release(request.order_id)

    # ------------------------------------------------------------- funding and looking

    def fund(self, index: int, record: Any) -> list[Told]:
        """A funding time was reached; ``record``: the last ``ida_mark`` published before it."""
        mark = ffi.cast("ida_mark *", record)
        rate, price = Decimal(mark.funding_rate_e8).scaleb(-8), Decimal(mark.mark_e8).scaleb(-8)
        told: list[Told] = []
        for member in self._members:
            payment = member.account.fund(self._instruments[index], rate, price)
            if payment is not None:
                paid = msgspec.structs.replace(payment, instrument=index, ts_venue_ns=mark.next_funding_ns)
                told.append(Told(member.number, paid))
        return [*told, *self._check_margin(index)] if told else []

    def warnings(self) -> list[str]:
        """Sentences for the result: where it rests on what an exchange would not have done."""
        return [
            f"{instrument.name}: {late} order{'s' * (late > 1)} arrived after the last market event and expired "
            f"unmatched ({END_OF_DATA})"
            for instrument, late in zip(self._instruments, self._late, strict=True) if late]


def _refused(member: _Member, request: AnyRequest, now_ns: int, code: int, text: str) -> list[Told]:
    return [Told(member.number, answer) for answer in refusals(request, now_ns, code, text)]
