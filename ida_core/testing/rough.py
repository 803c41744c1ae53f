"""Hands on a venue: what an exchange does on a bad day, done to every order in turn.

Each hand passes the simulated exchange's events on, and tells some of them late, twice, in parts or never. ``did``
counts how often. In the last seconds of the market it does nothing, so that all is told before the end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from ida_core.clock import NS
from ida_core.events import (
    AnyRequest,
    Bar,
    Event,
    Execution,
    FundingPayment,
    Mark,
    MarketState,
    OrderStatus,
    OrderUpdate,
    PlaceOrder,
    Quote,
    ReplaceOrder,
    Signal,
    VenueStatus,
)
from ida_core.protocols import Venue
from ida_core.timers import NEVER

REJECT_EVERY = 3
DARK_EVERY = 3
DARK_NS = NS
LOST_EVERY_NS, LOST_NS = 10 * NS, 2 * NS
MADE_EVERY_NS = NS
QUIET_END_NS = 3 * NS
_replace = msgspec.structs.replace


class Hand:
    """A venue that passes another one's events on; ``told`` says as what."""

    def __init__(self, venue: Venue) -> None:
        self.venue = venue
        self.did = 0
        self._next: deque[Event | int] = deque()
        self._later: deque[tuple[int, Event]] = deque()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.venue, name)

    @property
    def finished(self) -> bool:
        return self.venue.finished and not self._next and not self._later

    @property
    def idle(self) -> bool:
        """The market is about to end."""
        last_ns = self.venue.last_ns()
        return last_ns is not None and self.venue.now_ns > last_ns - QUIET_END_NS

    def send(self, request: AnyRequest) -> None:
        self.venue.send(request)

    def told(self, event: Event | int) -> Sequence[Event | int]:
        """What is told in the place of ``event``, now."""
        return (event,)

    def say(self, *events: Event) -> None:
        self._next.extend(events)

    def say_at(self, due_ns: int, event: Event) -> None:
        self._later.append((due_ns, event))

    def next_event(self, until_ns: int) -> Event | int | None:
        while not self._next:
            due_ns = self._later[0][0] if self._later else until_ns
            event = self.venue.next_event(min(until_ns, due_ns))
            if event is not None:
                self._next.extend(self.told(event))
            elif self._later and due_ns <= until_ns and (self.venue.finished or self.venue.now_ns >= due_ns):
                self._next.append(self._later.popleft()[1])
            else:
                return None
        return self._stamped(self._next.popleft())

    def _stamped(self, event: Event | int) -> Event | int:
        return event if isinstance(event, int) else _replace(event, ts_local_ns=self.venue.now_ns)


class SplitsFills(Hand):
    """Each fill in two."""

    def told(self, event: Event | int) -> Sequence[Event | int]:
        if not isinstance(event, OrderUpdate) or event.execution is not Execution.TRADE:
            return (event,)
        self.did += 1
        return _halves(event)


class Rejects(Hand):
    """Each third order, the first one among them."""

    def __init__(self, venue: Venue) -> None:
        super().__init__(venue)
        self._placed = 0

    def send(self, request: AnyRequest) -> None:
        if isinstance(request, PlaceOrder):
            self._placed += 1
            if self._placed % REJECT_EVERY == 1:
                self.did += 1
                self.say(_answer(request, Execution.REJECTED, OrderStatus.REJECTED,
                                 "rejected to see what the strategy does"))
                return
        self.venue.send(request)


class FillsAfterCancel(Hand):
    """An order is said to be cancelled, and then to have been filled."""

    def told(self, event: Event | int) -> Sequence[Event | int]:
        last = isinstance(event, OrderUpdate) and event.status is OrderStatus.FILLED
        if self.idle or not last or not isinstance(event, OrderUpdate) or event.execution is not Execution.TRADE:
            return (event,)
        self.did += 1
        canceled = _replace(
            event, execution=Execution.CANCELED, status=OrderStatus.CANCELED, price=0, quantity=0, trade_id=0,
            fee=Decimal(0), cumulative=event.cumulative - event.quantity, leaves=0, reason="cancelled by the exchange")
        return canceled, event


class TellsTwice(Hand):
    """Every report twice."""

    def told(self, event: Event | int) -> Sequence[Event | int]:
        if not isinstance(event, OrderUpdate):
            return (event,)
        self.did += 1
        return event, event


class Unanswered(Hand):
    """Each third order has no answer for a second; then all that happened to it is told."""

    def __init__(self, venue: Venue) -> None:
        super().__init__(venue)
        self._placed = 0
        self._dark: dict[str, int] = {}

    def send(self, request: AnyRequest) -> None:
        self.venue.send(request)
        if isinstance(request, PlaceOrder) and not self.idle:
            self._placed += 1
            if self._placed % DARK_EVERY == 1:
                self.did += 1
                self._dark[request.order_id] = self.venue.now_ns + DARK_NS
                self.say(_answer(request, Execution.UNANSWERED, OrderStatus.UNKNOWN, "no answer in time"))

    def told(self, event: Event | int) -> Sequence[Event | int]:
        due_ns = self._dark.get(event.order_id, 0) if isinstance(event, OrderUpdate) else 0
        if isinstance(event, int) or self.venue.now_ns >= due_ns:
            return (event,)
        self.say_at(due_ns, event)
        return ()


class LosesConnection(Hand):
    """Two of every ten seconds nothing arrives, either way: books are not in step, requests have no answer. Then the
    exchange is asked for what happened, and only then all is well again."""

    def __init__(self, venue: Venue) -> None:
        super().__init__(venue)
        self._down_at = venue.start_ns() + LOST_EVERY_NS // 2
        self._up_at = 0
        self._missed: list[Event] = []
        self._never_arrived: list[AnyRequest] = []
        self._markets = {i: _Veiled(venue.market(i), self) for i in range(len(venue.instruments()))}

    @property
    def is_down(self) -> bool:
        return self._up_at > 0

    def market(self, instrument: int) -> Any:
        return self._markets[instrument]

    def send(self, request: AnyRequest) -> None:
        if not self.is_down:
            self.venue.send(request)
            return
        self._never_arrived.append(request)
        if isinstance(request, PlaceOrder):
            self.say(_answer(request, Execution.UNANSWERED, OrderStatus.UNKNOWN, "the connection is lost"))

    def next_event(self, until_ns: int) -> Event | int | None:
        self._turn()
        change_at = self._up_at or (NEVER if self.idle else self._down_at)
        event = super().next_event(min(until_ns, change_at))
        if event is not None or change_at > until_ns:
            return event
        self._turn(reached=True)
        return super().next_event(until_ns)

    def _turn(self, reached: bool = False) -> None:
        now = self.venue.now_ns
        if self.is_down and (now >= self._up_at or reached):
            self._come_back()
        elif not self.is_down and (now >= self._down_at or reached) and not self.idle:
            self.did += 1
            self._up_at, self._down_at = now + LOST_NS, now + LOST_EVERY_NS
            self.say(VenueStatus(state="DOWN", reason="the connection is lost"), *self._states("STALE"))

    def _come_back(self) -> None:
        self._up_at = 0
        self.say(VenueStatus(state="RECONCILING", reason="the exchange is asked for what happened"))
        self.say(*self._missed, *map(self._unknown_there, self._never_arrived))
        self.say(VenueStatus(state="HEALTHY"), *self._states("LIVE"))
        self._missed, self._never_arrived = [], []

    def _states(self, state: str) -> Iterator[Event]:
        return (MarketState(state=state, instrument=index) for index in self._markets)

    def _unknown_there(self, request: AnyRequest) -> Event:
        if isinstance(request, PlaceOrder):
            return _answer(request, Execution.STATUS, OrderStatus.REJECTED, "the exchange knows no such order")
        execution = Execution.REPLACE_REJECTED if isinstance(request, ReplaceOrder) else Execution.CANCEL_REJECTED
        return _answer(request, execution, OrderStatus.NEW, "the request never arrived")

    def told(self, event: Event | int) -> Sequence[Event | int]:
        if not self.is_down:
            return (event,)
        if isinstance(event, OrderUpdate):
            self._missed.append(event)
        return ()


class _Veiled:
    """A market that is not in step while the connection is lost."""

    def __init__(self, market: Any, hand: LosesConnection) -> None:
        self._market = market
        self._hand = hand

    def __getattr__(self, name: str) -> Any:
        return getattr(self._market, name)

    @property
    def synced(self) -> bool:
        return self._market.synced and not self._hand.is_down


class TellsAllKinds(Hand):
    """Each second an event of each kind that the synthetic market may lack."""

    def __init__(self, venue: Venue) -> None:
        super().__init__(venue)
        self._due_ns = venue.start_ns() + MADE_EVERY_NS

    def next_event(self, until_ns: int) -> Event | int | None:
        due_ns = NEVER if self.idle else self._due_ns
        event = super().next_event(min(until_ns, due_ns))
        if event is not None or due_ns > until_ns:
            return event
        self._due_ns += MADE_EVERY_NS
        self.did += 1
        for index in range(len(self.venue.instruments())):
            self.say(*self._made(index))
        self.say(Signal(source="testing", name="made", data={"text": "hello", "number": self.did}))
        return super().next_event(until_ns)

    def _made(self, index: int) -> list[Event]:
        book, now, one = self.venue.market(index).book, self.venue.now_ns, self.venue.instruments()[index]
        if book.bid is None or book.ask is None:
            return []
        price, bid, ask = one.price(book.bid), book.bid, book.ask
        return [
            Quote(instrument=index, update_id=self.did, bid=bid, bid_quantity=1, ask=ask, ask_quantity=1),
            Bar(instrument=index, open_ns=now - NS, close_ns=now, interval_s=1, open=bid, high=ask, low=bid, close=ask,
                volume=3, trades=2, closed=True),
            Mark(instrument=index, mark=price, index=price, funding_rate=Decimal("0.0001"), next_funding_ns=now + NS),
            FundingPayment(instrument=index, rate=Decimal("0.0001"), mark=price, amount=Decimal(0), asset=one.settle),
            MarketState(instrument=index, state="STALE", reason="made"),
            MarketState(instrument=index, state="LIVE"),
        ]


class Counts(Hand):
    """Changes nothing; knows which requests came and which orders have not ended."""

    def __init__(self, venue: Venue) -> None:
        super().__init__(venue)
        self.requests: list[AnyRequest] = []
        self.open: set[str] = set()

    def send(self, request: AnyRequest) -> None:
        self.requests.append(request)
        if isinstance(request, PlaceOrder):
            self.open.add(request.order_id)
        elif isinstance(request, ReplaceOrder):
            self.open.add(request.new_order_id)
        self.venue.send(request)

    def told(self, event: Event | int) -> Sequence[Event | int]:
        if isinstance(event, OrderUpdate) and event.status in _OVER:
            self.open.discard(event.order_id)
        return (event,)


_OVER = (OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.REJECTED, OrderStatus.EXPIRED,
         OrderStatus.EXPIRED_IN_MATCH)


def _answer(request: AnyRequest, execution: Execution, status: OrderStatus, reason: str) -> OrderUpdate:
    more: dict[str, Any] = {}
    if isinstance(request, PlaceOrder):
        more = {"side": request.side, "order_quantity": request.quantity}
    return OrderUpdate(
        order_id=request.order_id, instrument=request.instrument, execution=execution, status=status, reason=reason,
        code=-1, ts_venue_ns=request.ts_local_ns, **more)


def _halves(fill: OrderUpdate) -> Sequence[OrderUpdate]:
    """The same fill as two, with trade ids that no other fill has."""
    first = fill.quantity // 2
    if not first:
        return [_replace(fill, trade_id=2 * fill.trade_id)]
    fee = fill.fee * Decimal(first) / Decimal(fill.quantity)
    rest = fill.quantity - first
    return [
        _replace(fill, trade_id=2 * fill.trade_id, quantity=first, fee=fee, cumulative=fill.cumulative - rest,
                 leaves=fill.leaves + rest, status=OrderStatus.PARTIALLY_FILLED),
        _replace(fill, trade_id=2 * fill.trade_id + 1, quantity=rest, fee=fill.fee - fee),
    ]

