"""The floor of the simulated exchange: accounts, open orders and matching engines, which single orders and lists share.

Who decides what becomes of an order stands above it: ``ida_sim.exchange`` and ``ida_sim.order_lists``.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import count
from typing import Any, NamedTuple, Protocol

import msgspec

from ida_core import (
    AmendOrder,
    AnyRequest,
    Book,
    CancelOrder,
    Event,
    Execution,
    Instrument,
    InstrumentKind,
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
from ida_sim.filters import STOPS, Refused, check_order
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
#: Why a pending leg, or one whose pair has ended, came to its end; and of a leg that could not be placed in its turn.
PAIR_ENDED, WORKING_ENDED, NOT_PLACED = "OCO_TRIGGER", "OTO_PHASE_ONE_EXPIRED", "REJECTED"
_REASONS = {
    lib.IDA_R_NONE: "", lib.IDA_R_TOOK: "TOOK", lib.IDA_R_QUEUE_REACHED: "QUEUE_REACHED",
    lib.IDA_R_TRADED_THROUGH: "TRADED_THROUGH", lib.IDA_R_BOOK_CROSSED: "BOOK_CROSSED", lib.IDA_R_MATCHED: "MATCHED",
    lib.IDA_R_WOULD_TAKE: "Order would immediately match and take.",
    lib.IDA_R_WOULD_TRIGGER: "Order would trigger immediately.",
    lib.IDA_R_NO_LIQUIDITY: "INSUFFICIENT_LIQUIDITY", lib.IDA_R_IOC_REST: "UNFILLED_IOC_QUANTITY_EXPIRED",
    lib.IDA_R_FOK_SHORT: "UNFILLED_FOK_ORDER_EXPIRED", lib.IDA_R_SELF_TRADE: "SELF_TRADE_PREVENTION",
    lib.IDA_R_USER: "", lib.IDA_R_REDUCE_ONLY: "REDUCE_ONLY", lib.IDA_R_PAIR: PAIR_ENDED,
    lib.IDA_R_NO_PRICE: NOT_PLACED,
}
#: Codes as Binance has them: new order, cancel, amendment rejected; server busy.
NEW_ORDER_REJECTED, CANCEL_REJECTED, AMEND_REJECTED, BUSY = -2010, -2011, -2038, -1008
NOT_READY = (BUSY, "The simulated exchange has no order book of this symbol at this time.")
DUPLICATE = (NEW_ORDER_REJECTED, "Duplicate order sent.")
NO_PEG = (NEW_ORDER_REJECTED, "There is no price in the order book to peg the order to.")
UNKNOWN_ORDER = "Unknown order sent."
_UNPRICED_STOPS = (OrderType.STOP_LOSS, OrderType.TAKE_PROFIT)
OPEN = frozenset({OrderStatus.PENDING_NEW, OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED})


def refusals(request: AnyRequest, now_ns: int, code: int, text: str) -> list[Event]:
    """The answers to a request that is not carried out; of a replacement the new order's comes first."""

    def answer(order_id: str, execution: Execution, status: OrderStatus, **more: Any) -> OrderUpdate:
        return OrderUpdate(
            ts_venue_ns=now_ns, instrument=request.instrument, order_id=order_id, execution=execution, status=status,
            reason=text, code=code, **more)

    match request:
        case PlaceOrder(order_id=name, side=side, quantity=lots):
            return [answer(name, Execution.REJECTED, OrderStatus.REJECTED, side=side, order_quantity=lots)]
        case PlaceList(legs=legs, order_id=name):
            return [answer(leg.order_id, Execution.REJECTED, OrderStatus.REJECTED, side=leg.side,
                           order_quantity=leg.quantity, list_id=name) for leg in legs]
        case ReplaceOrder(order_id=name, new_order_id=new, quantity=lots):
            return [answer(new, Execution.REJECTED, OrderStatus.REJECTED, order_quantity=lots),
                    answer(name, Execution.REPLACE_REJECTED, OrderStatus.UNKNOWN)]
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


class OrderList:
    """An open list: its legs in the request's order. ``waits``: those after the first are pending; ``received``: what
    is locked for them already."""

    __slots__ = ("instrument", "is_canceled", "legs", "received", "request", "waits")

    def __init__(self, request: PlaceList, waits: bool) -> None:
        self.request = request
        self.instrument = request.instrument
        self.waits = waits
        self.legs: list[Standing] = []
        self.received = Decimal(0)
        self.is_canceled = False


class Standing:
    """An open order: its account, the number under which the matching engine knows it, and the request as accepted: of
    a pegged order with the price that it got, of a pending leg with the quantity that it gets.

    ``is_placed``: the matching engine has it; a pending leg's turn has not come. ``amends``: how often it was amended.
    """

    __slots__ = ("account", "amends", "is_late", "is_open", "is_placed", "list", "number", "request")

    def __init__(self, account: int, number: int, request: PlaceOrder, order_list: OrderList | None = None) -> None:
        self.account = account
        self.number = number
        self.request = request
        self.list = order_list
        self.is_open = True
        self.is_placed = self.is_late = False
        self.amends = 0


class Told(NamedTuple):
    """An event, and whose it is; see ``ida_sim.exchange``."""

    account: int
    event: Event
    order: Standing | None = None
    counter: int = 0


class Member:
    """An account at the exchange, with its open orders and lists by client order id."""

    __slots__ = ("account", "fees", "group", "lists", "number", "orders", "tells_holds")

    def __init__(self, number: int, account: Account, fees: Fees, group: int, tells_holds: bool) -> None:
        self.number = number
        self.account = account
        self.fees = fees
        self.group = group
        self.tells_holds = tells_holds
        self.orders: dict[str, Standing] = {}
        self.lists: dict[str, OrderList] = {}


class Floor:
    """See the module's head."""

    def __init__(self, instruments: Sequence[Instrument], places: Sequence[Place], own_numbers: bool) -> None:
        self.instruments = instruments
        self.places = places
        self.members: list[Member] = []
        self.by_number: list[dict[int, Standing]] = [{} for _ in instruments]
        self._numbers = [count(1) for _ in instruments] if own_numbers else [count(1)] * len(instruments)

    # ------------------------------------------------------------- orders come and go

    def register(self, member: Member, request: PlaceOrder, order_list: OrderList | None = None) -> Standing:
        i = request.instrument
        order = Standing(member.number, next(self._numbers[i]), request, order_list)
        member.orders[request.order_id] = self.by_number[i][order.number] = order
        return order

    def enter(self, order: Standing, now_ns: int, pair: int = 0) -> str:
        """Give it to the matching engine; ``pair``: the number of an order with which it makes a pair. Returns why that
        cannot take it, or nothing."""
        request, member = order.request, self.members[order.account]
        status = self.places[request.instrument].matching.place(
            order.number, request, member.group, self._notional(request), self._reducible(member, request), now_ns,
            pair)
        order.is_placed = status == lib.IDA_OK
        return "" if order.is_placed else f"Matching engine: {ffi.string(lib.ida_status_text(status)).decode()}."

    def forget(self, order: Standing) -> None:
        request, member = order.request, self.members[order.account]
        order.is_open = False
        member.orders.pop(request.order_id, None)
        self.by_number[request.instrument].pop(order.number, None)
        member.account.release(request.order_id)
        if order.list is not None and not any(leg.is_open for leg in order.list.legs):
            member.lists.pop(order.list.request.order_id, None)

    # ------------------------------------------------------------- what is asked of a new order

    def refusal(self, member: Member, request: PlaceOrder, beside: str | None = None) -> Refused | None:
        """Filters, then the account, as Binance orders them; what it needs is held. ``beside``: an order of which it is
        the pair, so that the same money serves both."""
        return self.filtered(member, request) or member.account.hold(
            request.order_id, request, self.instruments[request.instrument], self.worst_price(request), beside)

    def filtered(self, member: Member, request: PlaceOrder) -> Refused | None:
        instrument = self.instruments[request.instrument]
        situation = member.account.situation(instrument, self.reference(request.instrument))
        if member.lists and (unheld := self._unheld(member, request.instrument)):
            situation = situation._replace(
                open_orders=situation.open_orders + unheld[0], all_orders=situation.all_orders + unheld[1],
                stops=situation.stops + unheld[2], all_stops=situation.all_stops + unheld[3])
        return check_order(request, instrument, situation)

    def _unheld(self, member: Member, index: int) -> tuple[int, int, int, int]:
        """Pending legs that hold nothing before something was bought for them, and the stops among them; each of one
        instrument and of all."""
        legs = [leg for found in member.lists.values() if found.waits for leg in found.legs[1:]
                if not leg.request.quantity]
        stops = [leg for leg in legs if leg.request.type in STOPS]
        return (sum(leg.request.instrument == index for leg in legs), len(legs),
                sum(leg.request.instrument == index for leg in stops), len(stops))

    def pegged(self, request: PlaceOrder) -> PlaceOrder | None:
        """With the price that it gets; None: there is none. A stop's is taken when it is triggered."""
        if request.peg is None or request.type in STOPS:
            return request
        price = self.places[request.instrument].matching.peg_price(request.side, request.peg, request.peg_offset)
        return None if price is None else msgspec.structs.replace(request, price=price)

    def reference(self, index: int) -> Decimal | None:
        """The last price, or the middle of the book before there is one; quote units."""
        place = self.places[index]
        last = place.matching.last_price
        ticks = last if last is not None else place.book.bid or place.book.ask
        return None if ticks is None else self.instruments[index].price(ticks)

    def worst_price(self, request: PlaceOrder) -> int | None:
        """Where a market order of this size would end, so that enough is held for it; None where the order's own price
        says it."""
        if request.price is not None and self.instruments[request.instrument].kind is InstrumentKind.SPOT:
            return None
        book = self.places[request.instrument].book
        side = request.side.opposite
        if request.stop_price is not None and (request.type in _UNPRICED_STOPS or request.peg is not None):
            return request.stop_price
        if request.quantity:
            return book.walk(side, request.quantity).worst
        return book.ask if request.side is Side.BUY else book.bid

    def _notional(self, request: PlaceOrder) -> int:
        """``quote_quantity`` in ticks x lots, rounded down."""
        if request.quote_quantity is None:
            return 0
        instrument = self.instruments[request.instrument]
        return int(request.quote_quantity / (instrument.tick_size * instrument.lot_size * instrument.multiplier))

    def _reducible(self, member: Member, request: PlaceOrder) -> int:
        """Lots of the position that a reduce-only order may close; 0 for others."""
        if not request.reduce_only:
            return 0
        return member.account.reducible(self.instruments[request.instrument], request.side)

    # ------------------------------------------------------------- what is told

    def update(self, order: Standing, report: Any) -> OrderUpdate:
        """What the matching engine says of an order, booked."""
        request, member = order.request, self.members[order.account]
        instrument = self.instruments[request.instrument]
        fee, execution, status, reason = Fee(Decimal(0), ""), report.execution, report.status, _REASONS[report.reason]
        if execution == lib.IDA_X_TRADE:
            fee = member.fees.fee(
                instrument, request.side, report.quantity, report.price, bool(report.maker),
                member.account.free(DISCOUNT_ASSET))
            member.account.fill(request.order_id, report.quantity, report.price, fee)
        elif execution in _SMALLER and report.leaves:
            member.account.amend(request.order_id, report.leaves)
        elif execution == lib.IDA_X_TRIGGERED and request.peg is not None:
            order.request = msgspec.structs.replace(request, price=report.price)
        elif execution == lib.IDA_X_REJECTED and order.is_late:
            execution, status, reason = lib.IDA_X_EXPIRED, lib.IDA_S_EXPIRED, NOT_PLACED
        return OrderUpdate(
            ts_venue_ns=report.ts_venue_ns, instrument=request.instrument, order_id=request.order_id,
            side=request.side, execution=_EXECUTIONS[execution], status=_STATUSES[status],
            venue_order_id=order.number, price=report.price if report.trade_id else 0, quantity=report.quantity,
            cumulative=report.cumulative, leaves=report.leaves, order_quantity=report.order_quantity,
            trade_id=report.trade_id, maker=bool(report.maker), fee=fee.amount, fee_asset=fee.asset, reason=reason,
            code=NEW_ORDER_REJECTED if execution == lib.IDA_X_REJECTED else 0, ahead=report.ahead,
            list_id=order.list.request.order_id if order.list is not None else "",
        )

    def word(self, order: Standing, execution: Execution, status: OrderStatus, now_ns: int, reason: str = "",
             code: int = 0) -> Told:
        """Of an order that the matching engine does not have."""
        request, is_open = order.request, status in OPEN
        return Told(order.account, OrderUpdate(
            ts_venue_ns=now_ns, instrument=request.instrument, order_id=request.order_id, side=request.side,
            execution=execution, status=status, venue_order_id=order.number, leaves=request.quantity * is_open,
            order_quantity=request.quantity, reason=reason, code=code,
            list_id=order.list.request.order_id if order.list is not None else ""), order)


_SMALLER = (lib.IDA_X_TRADE_PREVENTION, lib.IDA_X_REPLACED)


def refused(member: Member, request: AnyRequest, now_ns: int, code: int, text: str) -> list[Told]:
    return [Told(member.number, answer) for answer in refusals(request, now_ns, code, text)]
