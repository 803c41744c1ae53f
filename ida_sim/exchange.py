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

Of a ``PlaceList`` every leg gets its number at once; each report names the list in ``list_id``. Pending legs are told
as NEW with the status PENDING_NEW, and as NEW again, with their quantity, when they work. A refused list is told
as REJECTED of each leg. The client id of a leg, and of the list, cancels the whole list.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from ida_core import (
    END_OF_DATA,
    AmendOrder,
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
    OrderUpdate,
    PlaceList,
    PlaceOrder,
    ReplaceOrder,
)
from ida_core.native import ffi
from ida_sim.account import Account
from ida_sim.amendments import amend
from ida_sim.fees import Fees
from ida_sim.filters import NO_REPLACE
from ida_sim.floor import (
    BUSY,
    CANCEL_REJECTED,
    DUPLICATE,
    NEW_ORDER_REJECTED,
    NO_PEG,
    NOT_READY,
    OPEN,
    UNKNOWN_ORDER,
    Floor,
    Member,
    Place,
    Standing,
    Told,
    refusals,
    refused,
)
from ida_sim.matching import Matching
from ida_sim.order_lists import OrderLists

__all__ = ["BUSY", "Exchange", "Place", "Standing", "Told", "refusals"]
MOST_TICKS = 2**63 - 1


def _is_late(event: Event) -> bool:
    return isinstance(event, OrderUpdate) and event.reason == END_OF_DATA


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
        self._instruments, self._places, self._fees = instruments, places, fees
        self._floor = Floor(instruments, places, own_numbers)
        self._members = self._floor.members
        self._lists = OrderLists(self._floor)
        self._late = [0] * len(instruments)

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
        self._members.append(Member(number, account, fees or self._fees, together, tells_holds))
        return number

    def account(self, number: int) -> Account:
        return self._members[number].account

    def orders(self, account: int) -> list[Standing]:
        """The open orders of an account, oldest first; pending legs are among them."""
        return list(self._members[account].orders.values())

    def find(self, account: int, order_id: str) -> Standing | None:
        """The open order of an account by its client order id."""
        return self._members[account].orders.get(order_id)

    def by_number(self, index: int, number: int) -> Standing | None:
        """The open order of an instrument by its venue order number."""
        return self._floor.by_number[index].get(number)

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
                return self._cancel_all(member, request, now_ns)
            case PlaceList():
                told = self._lists.place(member, request, now_ns)
                self._late[request.instrument] += sum(_is_late(each.event) for each in told)
                return told + self.reports(request.instrument, member.number)
            case AmendOrder():
                told = amend(self._floor, member, request, now_ns)
                return told + self.reports(request.instrument, member.number)

    def check(self, account: int, request: PlaceOrder) -> tuple[int, str] | None:
        """What the filters of its instrument have against an order, and nothing else: the venue's code and words."""
        return self._floor.filtered(self._members[account], request)

    # ------------------------------------------------------------- placing

    def _place(self, member: Member, request: PlaceOrder, now_ns: int) -> list[Told]:
        i = request.instrument
        place = self._places[i]
        if not place.ready():
            return refused(member, request, now_ns, *NOT_READY)
        if request.order_id in member.orders:
            return refused(member, request, now_ns, *DUPLICATE)
        priced = self._floor.pegged(request)
        if priced is None:
            return refused(member, request, now_ns, *NO_PEG)
        if (why := self._floor.refusal(member, priced)) is not None:
            return refused(member, request, now_ns, *why)
        if place.over():
            return [self._too_late(member, request, now_ns)]
        order = self._floor.register(member, priced)
        if failed := self._floor.enter(order, now_ns):
            self._floor.forget(order)
            return refused(member, request, now_ns, NEW_ORDER_REJECTED, failed)
        return self.reports(i)

    def _too_late(self, member: Member, request: PlaceOrder, now_ns: int) -> Told:
        """The book stands still: what it would fill says nothing. Neither a fill nor a refusal of the venue."""
        self._late[request.instrument] += 1
        member.account.release(request.order_id)
        return Told(member.number, OrderUpdate(
            ts_venue_ns=now_ns, instrument=request.instrument, order_id=request.order_id, side=request.side,
            execution=Execution.EXPIRED, status=OrderStatus.EXPIRED, order_quantity=request.quantity,
            reason=END_OF_DATA))

    # ------------------------------------------------------------- canceling and replacing

    def _cancel(self, member: Member, request: CancelOrder, now_ns: int) -> list[Told]:
        """The name of a leg, or of a list, cancels the whole list."""
        if (order := member.orders.get(request.order_id)) is not None:
            return self._cancel_open(order, now_ns)
        if (found := member.lists.get(request.order_id)) is not None:
            return self._cancel_open(found.legs[0], now_ns)
        return refused(member, request, now_ns, CANCEL_REJECTED, UNKNOWN_ORDER)

    def _cancel_open(self, order: Standing, now_ns: int) -> list[Told]:
        i = order.request.instrument
        if order.list is not None:
            self._lists.cancel(order.list, now_ns)
        else:
            self._places[i].matching.cancel(order.number, now_ns)
        return self.reports(i)

    def _cancel_all(self, member: Member, request: CancelAll, now_ns: int) -> list[Told]:
        told: list[Told] = []
        for order in [o for o in member.orders.values() if o.request.instrument == request.instrument]:
            if order.is_open:  # else it ended with its list
                told += self._cancel_open(order, now_ns)
        return told

    def _replace(self, member: Member, request: ReplaceOrder, now_ns: int) -> list[Told]:
        order = member.orders.get(request.order_id)
        if order is None:
            return refused(member, request, now_ns, CANCEL_REJECTED, UNKNOWN_ORDER)
        if not self._instruments[request.instrument].filters.cancel_replace_allowed:
            return refused(member, request, now_ns, *NO_REPLACE)
        canceled = self._cancel_open(order, now_ns)
        anew = msgspec.structs.replace(
            order.request, ts_local_ns=request.ts_local_ns, order_id=request.new_order_id, strategy=request.strategy,
            quantity=request.quantity, price=request.price, quote_quantity=None, peg=None, peg_offset=0)
        return canceled + self._place(member, anew, now_ns)

    # ------------------------------------------------------------- what the matching engine said

    def reports(self, index: int, asking: int | None = None) -> list[Told]:
        """Book the matching engine's new reports of one instrument, and tell them and what follows from them.
        ``asking``: an account whose holds have changed already."""
        told: list[Told] = []
        touched = {} if asking is None else {asking: False}  # account -> whether it has traded
        matching, by_number = self._places[index].matching, self._floor.by_number[index]
        has_followed = True  # what follows from a list may have made new ones
        while has_followed:
            has_followed = False
            for report in matching.take_reports():
                order = by_number[report.order_id]
                update = self._floor.update(order, report)
                told.append(Told(order.account, update, order, report.counter_order))
                is_trade = update.execution is Execution.TRADE
                touched[order.account] = touched.get(order.account, False) or is_trade
                if update.status not in OPEN:
                    self._floor.forget(order)
                if order.list is not None:
                    told += self._lists.follow(order, update)
                    has_followed = True
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

    def _check_margin(self, index: int) -> list[Told]:
        """The last price is the mark. What is left of the cover says how far prices may move before the next look; so
        all that share it are looked at together, or the way one has gone since its own last look would be forgotten."""
        instrument, price = self._instruments[index], self._floor.reference(index)
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

    def _mark(self, member: Member, together: Sequence[int], instrument: Instrument,
              price: Decimal) -> tuple[str | None, Decimal | None]:
        for i in together:
            if (mark := self._floor.reference(i)) is not None:
                member.account.note_mark(self._instruments[i], mark)
        return member.account.mark(instrument, price), member.account.reach(instrument.settle)

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
