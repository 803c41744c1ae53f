"""Requests out, reports in: what becomes of each request, whatever comes of it and in whatever order.

A request gets one reply, and the account's events tell the same or more, before it or after. Both are told as reports
here, each thing once. A reply that says that nobody knows is told as ``UNANSWERED`` unless an event has answered it,
and then ``Settling`` asks.

Source: Binance Spot API docs, rest-api.md, user-data-stream.md, errors.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Protocol

from msgspec.structs import replace

from ida_binance import order_wire
from ida_binance.calls import Call, Outcome, Reply
from ida_binance.known_orders import Known, KnownOrders
from ida_binance.order_reports import OrderReports, Strange, Unreadable, positions, transfer
from ida_core.events import (
    AmendOrder,
    AnyRequest,
    BalanceUpdate,
    CancelAll,
    CancelOrder,
    Event,
    Execution,
    Note,
    OrderStatus,
    OrderUpdate,
    PlaceList,
    PlaceOrder,
    ReplaceOrder,
    RequestSent,
)
from ida_core.model import OrderType, Side

Tell = Callable[[Event], None]
Send = Callable[[Call, Callable[[Reply], None]], None]
UNKNOWN_ORDER = -2011
_STOPS = frozenset(
    (OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT))  # fmt: skip
_NO_POSITIONS = "reduce_only is for positions, and this market has none"
_NEVER_HEARD = "there is no order of this id that could be replaced"


class Doubts(Protocol):
    """Who asks the exchange about what nobody knows."""

    def doubt(self, known: Known, kind: str, sent_ns: int) -> None:
        """A request of this kind on an order may have arrived, or not."""

    def look(self, known: Known) -> None:
        """An order may have ended without our having heard of it."""


class OrderManager:
    """All requests and reports of one account.

    Args:
        reports: reads what the exchange tells.
        tell: takes what is to be delivered, in its order.
        send: takes calls; see ``Trading.send``.
    """

    def __init__(self, reports: OrderReports, tell: Tell, send: Send) -> None:
        self.known = KnownOrders()
        self.balances: dict[str, Any] = {}
        self.doubts: Doubts | None = None
        self.on_strange: Callable[[Mapping[str, Any]], None] = _nothing
        self.on_unreadable: Callable[[str], None] = _nothing
        self.events = 0
        self.unreadable = 0
        self._reports, self._tell, self._send = reports, tell, send

    # ------------------------------------------------------------- requests

    def request(self, request: AnyRequest | PlaceList | AmendOrder, now_ns: int) -> None:
        """Send it; what comes of it is told."""
        match request:
            case PlaceOrder():
                self._place(request, now_ns)
            case CancelOrder():
                self._cancel(request)
            case ReplaceOrder():
                self._replace(request, now_ns)
            case PlaceList():
                self._place_list(request, now_ns)
            case AmendOrder():
                self._amend(request)
            case CancelAll():
                self._cancel_all(request)

    def _place(self, request: PlaceOrder, now_ns: int) -> None:
        if request.reduce_only:
            self._refuse(request, _NO_POSITIONS, 0, now_ns)
            return
        known = self.known.place(request)
        wire = order_wire.place(request, self._reports.instruments[request.instrument])
        self._send(wire, partial(self._on_placed, request, known))

    def _cancel(self, request: CancelOrder) -> None:
        wire = order_wire.cancel(request, self._reports.instruments[request.instrument])
        self._send(wire, partial(self._on_canceled, request))

    def _cancel_all(self, request: CancelAll) -> None:
        """One by one: the exchange's own way would take the orders of others with ours. To cancel one of a list is to
        cancel all of it."""
        lists = set()
        for known in self.known.open(request.instrument if request.instrument >= 0 else None):
            if request.strategy not in ("", known.strategy) or (known.list_id and known.list_id in lists):
                continue
            lists.add(known.list_id)
            self._cancel(CancelOrder(
                ts_local_ns=request.ts_local_ns, instrument=known.instrument, order_id=known.order_id,
                strategy=request.strategy))  # fmt: skip

    def _replace(self, request: ReplaceOrder, now_ns: int) -> None:
        old = self.known.get(request.order_id)
        if old is None or old.placed is None:
            self._refuse_replacement(request, _NEVER_HEARD, UNKNOWN_ORDER, now_ns)
            return
        self.known.place(order_wire.successor(request, old.placed))
        wire = order_wire.replace(request, old.placed, self._reports.instruments[request.instrument])
        self._send(wire, partial(self._on_replaced, request))

    def _amend(self, request: AmendOrder) -> None:
        wire = order_wire.amend(request, self._reports.instruments[request.instrument])
        self._send(wire, partial(self._on_amended, request))

    def _place_list(self, request: PlaceList, now_ns: int) -> None:
        if any(leg.reduce_only for leg in request.legs):
            for leg in request.legs:
                self._refuse(leg, _NO_POSITIONS, 0, now_ns)
            return
        for leg in request.legs:
            self.known.place(leg, request.order_id)
        wire = order_wire.place_list(request, self._reports.instruments[request.instrument])
        self._send(wire, partial(self._on_list_placed, request))

    # ------------------------------------------------------------- replies

    def _on_placed(self, request: PlaceOrder, known: Known | None, reply: Reply) -> None:
        self._note_sent(request, reply)
        if reply.is_ok and known is not None:
            self._tell_read(lambda: self._reports.placed(reply.body, reply.received_ns), [known], "place", reply)
        elif reply.outcome is Outcome.UNKNOWN and known is not None:
            self._doubt(known, "place", reply)
        elif known is not None:
            self._refuse(request, _words(reply), reply.code, reply.received_ns)
        else:  # the id was in use: what is told of it is of the other order, but for this
            self._tell(_rejected(request, _words(reply), reply.code, reply.received_ns))

    def _on_list_placed(self, request: PlaceList, reply: Reply) -> None:
        self._note_sent(request, reply)
        legs = [known for leg in request.legs if (known := self.known.get(leg.order_id)) is not None]
        if reply.is_ok:
            self._tell_read(lambda: self._of_list(reply), legs, "place", reply)
        elif reply.outcome is Outcome.UNKNOWN:
            for known in legs:
                self._doubt(known, "place", reply)
        else:
            for leg in request.legs:
                self._refuse(leg, _words(reply), reply.code, reply.received_ns)

    def _of_list(self, reply: Reply) -> Iterable[OrderUpdate]:
        for row in _rows(reply.body, "orderReports"):
            yield from self._reports.placed(row, reply.received_ns)

    def _on_canceled(self, request: CancelOrder, reply: Reply) -> None:
        self._note_sent(request, reply)
        known = self.known.get(request.order_id)
        if reply.is_ok:
            self._tell_read(lambda: self._ends(reply), [known] if known else [], "cancel", reply)
        elif reply.outcome is Outcome.UNKNOWN:
            self._doubt(known, "cancel", reply)
        else:
            self._answer(request, Execution.CANCEL_REJECTED, _words(reply), reply.code, reply.received_ns)
            self._look(known, reply)

    def _ends(self, reply: Reply) -> Iterable[OrderUpdate]:
        """Of a leg's list the ends of all its orders come."""
        body = reply.body
        rows = _rows(body, "orderReports") if isinstance(body, dict) and "orderReports" in body else [body]
        return [self._reports.canceled(row, reply.received_ns) for row in rows]

    def _on_amended(self, request: AmendOrder, reply: Reply) -> None:
        self._note_sent(request, reply)
        known = self.known.get(request.order_id)
        if reply.is_ok:
            self._tell_read(lambda: [self._reports.amended(reply.body, reply.received_ns)],
                            [known] if known else [], "amend", reply)  # fmt: skip
        elif reply.outcome is Outcome.UNKNOWN:
            self._doubt(known, "amend", reply)
        else:
            self._answer(request, Execution.REPLACE_REJECTED, _words(reply), reply.code, reply.received_ns)
            self._look(known, reply)

    def _on_replaced(self, request: ReplaceOrder, reply: Reply) -> None:
        """Both halves, one, or none."""
        self._note_sent(request, reply)
        old, new = self.known.get(request.order_id), self.known.get(request.new_order_id)
        halves = reply.body if reply.is_ok else reply.body.get("data") if isinstance(reply.body, dict) else None
        if reply.outcome is Outcome.UNKNOWN:
            self._doubt(old, "replace", reply)
            self._doubt(new, "place", reply)
        elif isinstance(halves, dict) and "cancelResult" in halves:
            self._take_halves(request, reply, halves)
        elif reply.is_ok:
            self._unread(f"a replacement's reply without its halves: {str(reply.body)[:60]}")
            self._doubt(old, "replace", reply)
            self._doubt(new, "place", reply)
        else:
            self._refuse_replacement(request, _words(reply), reply.code, reply.received_ns)
            self._look(old, reply)

    def _take_halves(self, request: ReplaceOrder, reply: Reply, halves: Mapping[str, Any]) -> None:
        old, new = self.known.get(request.order_id), self.known.get(request.new_order_id)
        canceled, placed = halves.get("cancelResponse"), halves.get("newOrderResponse")
        if halves.get("cancelResult") == "SUCCESS" and old is not None:
            self._tell_read(
                lambda: [self._reports.canceled(canceled, reply.received_ns)], [old], "replace", reply)  # type: ignore[arg-type]
        if halves.get("newOrderResult") == "SUCCESS" and new is not None:
            self._tell_read(
                lambda: self._reports.placed(placed, reply.received_ns), [new], "place", reply)  # type: ignore[arg-type]
        else:
            code, text = _refusal(placed) or _refusal(canceled) or (reply.code, reply.msg)
            self._refuse_successor(request, text, code, reply.received_ns)
        if halves.get("cancelResult") != "SUCCESS":
            code, text = _refusal(canceled) or (reply.code, reply.msg)
            self._answer(request, Execution.REPLACE_REJECTED, text, code, reply.received_ns)
            self._look(old, reply)

    # ------------------------------------------------------------- telling

    def _note_sent(self, request: AnyRequest | PlaceList | AmendOrder, reply: Reply) -> None:
        if reply.sent_ns:
            what = str(request.__struct_config__.tag)
            self._tell(RequestSent(
                ts_local_ns=reply.sent_ns, instrument=request.instrument, order_id=request.order_id, what=what,
                by=reply.by))  # fmt: skip

    def tell_news(self, update: OrderUpdate) -> None:
        """Deliver what of a report is new."""
        for one in self.known.news(update):
            self._tell(one)

    def _tell_read(
        self, read: Callable[[], Iterable[OrderUpdate]], known: Iterable[Known], kind: str, reply: Reply
    ) -> None:
        """Deliver what a reply says; one that cannot be read says that it was carried out, and no more."""
        try:
            for update in list(read()):
                self.tell_news(update)
        except (Unreadable, Strange, AttributeError) as error:
            self._unread(f"a reply to {kind} that cannot be read: {error}")
            for one in known:
                self._doubt(one, kind, reply)

    def _refuse(self, request: PlaceOrder, text: str, code: int, now_ns: int) -> None:
        self.tell_news(_rejected(request, text, code, now_ns))

    def _refuse_replacement(self, request: ReplaceOrder, text: str, code: int, now_ns: int) -> None:
        self._refuse_successor(request, text, code, now_ns)
        self._answer(request, Execution.REPLACE_REJECTED, text, code, now_ns)

    def _refuse_successor(self, request: ReplaceOrder, text: str, code: int, now_ns: int) -> None:
        old = self.known.get(request.order_id)
        self.tell_news(OrderUpdate(
            ts_local_ns=now_ns, instrument=request.instrument, order_id=request.new_order_id,
            execution=Execution.REJECTED, status=OrderStatus.REJECTED, order_quantity=request.quantity, reason=text,
            code=code, side=old.side if old is not None else Side.BUY))  # fmt: skip

    def _answer(
        self, request: CancelOrder | AmendOrder | ReplaceOrder, execution: Execution, text: str, code: int, now_ns: int
    ) -> None:
        known = self.known.get(request.order_id)
        self._tell(OrderUpdate(
            ts_local_ns=now_ns, instrument=request.instrument, order_id=request.order_id, execution=execution,
            status=OrderStatus.UNKNOWN, reason=text, code=code, side=known.side if known is not None else Side.BUY,
        ))  # fmt: skip

    def _doubt(self, known: Known | None, kind: str, reply: Reply) -> None:
        """Nobody knows what became of it, unless an event has told meanwhile."""
        if known is None or known.is_closed or (kind == "place" and known.is_accepted):
            return
        known.doubt = kind
        self._tell(OrderUpdate(
            ts_local_ns=reply.received_ns, instrument=known.instrument, order_id=known.order_id, side=known.side,
            execution=Execution.UNANSWERED, status=OrderStatus.UNKNOWN, reason=_words(reply), code=reply.code,
            list_id=known.list_id))  # fmt: skip
        if self.doubts is not None:
            self.doubts.doubt(known, kind, reply.sent_ns)

    def _look(self, known: Known | None, reply: Reply) -> None:
        """Refused, for there is no such order: it may have ended, and we have not heard of it."""
        gone = reply.outcome is Outcome.REJECTED and known is not None and not known.is_closed
        if gone and known is not None and self.doubts is not None:
            self.doubts.look(known)

    def _unread(self, what: str) -> None:
        self.unreadable += 1
        self.on_unreadable(what)

    # ------------------------------------------------------------- events of the account

    def on_event(self, event: dict[str, Any], received_ns: int) -> None:
        """Take an event of the account, of whatever kind."""
        self.events += 1
        try:
            self._take_event(event, received_ns)
        except Unreadable as error:
            self._unread(f"{event.get('e')}: {error}")
        except Strange:
            self.on_strange(event)

    def _take_event(self, event: dict[str, Any], now_ns: int) -> None:
        match event.get("e"):
            case "executionReport":
                update = self._reports.execution(event, now_ns)
                self.tell_news(self._as_trigger(update, event))
            case "outboundAccountPosition":
                changed = positions(event)
                self.balances |= changed
                self._tell(BalanceUpdate(ts_local_ns=now_ns, ts_venue_ns=0, balances=changed))
            case "balanceUpdate":
                self._tell(transfer(event, now_ns))
            case "externalLockUpdate":
                self._tell(Note(ts_local_ns=now_ns, what="external_lock", detail=str(event)[:200]))

    def _as_trigger(self, update: OrderUpdate, event: Mapping[str, Any]) -> OrderUpdate:
        """A stop that is triggered is told as new again, and works then."""
        known = self.known.get(update.order_id)
        is_stop = known is not None and known.placed is not None and known.placed.type in _STOPS
        again = update.execution is Execution.NEW and known is not None and known.is_accepted and not known.is_pending
        if is_stop and again and event.get("w") is True:
            return replace(update, execution=Execution.TRIGGERED)
        return update


def _nothing(_: Any) -> None:
    """Nobody wants to know."""


def _rejected(request: PlaceOrder, text: str, code: int, now_ns: int) -> OrderUpdate:
    return OrderUpdate(
        ts_local_ns=now_ns, instrument=request.instrument, order_id=request.order_id, execution=Execution.REJECTED,
        status=OrderStatus.REJECTED, side=request.side, order_quantity=request.quantity, reason=text, code=code,
    )  # fmt: skip


def _words(reply: Reply) -> str:
    """The exchange's, or ours where it was not asked."""
    return reply.msg or f"{reply.outcome.value} (status {reply.status})"


def _refusal(half: Any) -> tuple[int, str] | None:
    """Code and text of a half that failed."""
    if isinstance(half, dict) and isinstance(half.get("code"), int) and isinstance(half.get("msg"), str):
        return half["code"], half["msg"]
    return None


def _rows(body: Any, name: str) -> list[Any]:
    rows = body.get(name) if isinstance(body, dict) else None
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise Unreadable(f"no {name} in {str(body)[:60]!r}")
    return rows
