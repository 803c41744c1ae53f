"""The contract of ``ida_core.Venue`` as functions, one rule each: what ``check_venue`` runs.

A rule is given what makes a fresh venue, and asserts. The market must be live and deep enough for an order of about
``NOTIONAL`` in quote units; on what happens outside, rules wait up to ``PATIENCE_S`` of the venue's time.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import replace as changed
from decimal import Decimal
from functools import wraps
from itertools import count
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec.structs import replace as changed_order

from ida_core.book import Market
from ida_core.config import RunSettings, Settings
from ida_core.continued import uncertain
from ida_core.errors import OrderStateError
from ida_core.events import (
    AmendOrder,
    AnyRequest,
    BalanceUpdate,
    CancelAll,
    CancelOrder,
    Event,
    Execution,
    OrderStatus,
    OrderUpdate,
    PlaceOrder,
    ReplaceOrder,
    VenueStatus,
)
from ida_core.ledger import Ledger
from ida_core.model import InstrumentKind, OrderType, Side
from ida_core.order_table import OrderTable
from ida_core.plugins import load_plugins
from ida_core.protocols import Subscription, TradingVenue, Venue
from ida_core.run import build_venue
from ida_core.testing.beside import Beside
from ida_core.testing.rules import NotApplicable, Rule, hold, require

Make = Callable[[], Venue]
NOTIONAL = Decimal(100)
PATIENCE_S = 60
COMPARED_EVENTS = 2000
MODES = ("SIM", "TESTNET", "DEMO", "LIVE")
MARKET_S = 120.0
_LIVE_POLL_S = 0.001


class Desk:
    """A venue with somebody at it: sends requests on its first instrument, keeps what comes back.

    Of a live venue ``work`` goes on while the desk waits, in this thread; one with an account is waited for until it is
    healthy. ``table``: the orders that it is to follow, fresh if None; ``told``: what else than orders it told.
    """

    def __init__(self, make: Make, table: OrderTable | None = None) -> None:
        self.venue = make()
        self.instrument = self.venue.instruments()[0]
        self.market: Market = self.venue.market(0)
        self.updates: list[OrderUpdate] = []
        self.opening = dict(self.venue.balances())
        self.told: list[Event] = []
        self._numbers = count(1)
        #: On an account the ids of former desks are used up.
        self._prefix = f"check{secrets.token_hex(4)}-" if self.has_account else "check"
        self.table = OrderTable(self._prefix.rstrip("-")) if table is None else table
        for index in range(len(self.venue.instruments())):
            self.venue.subscribe(index, Subscription(book="top", trades=True))
        self.beside = None if self.venue.simulated else self._go_live()
        _OPEN.append(self)
        if self.has_account:
            self.wait(self.is_healthy, "HEALTHY")
            self.opening = dict(self.venue.balances())

    def _go_live(self) -> Beside:
        live: Any = self.venue
        if self.has_account:
            live.follow(self.table)
        return Beside(live.work)

    @property
    def has_account(self) -> bool:
        return bool(getattr(self.venue, "account", ""))

    def is_healthy(self) -> bool:
        states = [event.state for event in self.told if isinstance(event, VenueStatus) and not event.feed]
        return states[-1:] == ["HEALTHY"]

    def step(self, until_ns: int) -> Event | int | None:
        """The next event; those on orders are kept."""
        live: Any = self.venue
        event = self.venue.next_event(until_ns if self.venue.simulated else min(until_ns, live.real_ns()))
        if isinstance(event, OrderUpdate):
            self.updates.append(event)
            with suppress(OrderStateError):  # an id that is in use is refused, and is open
                self.table.apply(event)
        elif isinstance(event, Event):
            self.told.append(event)
        elif event is None and self.beside is not None:
            self.beside.turn(_LIVE_POLL_S)
        return event

    def wait(self, wanted: Callable[[], bool], what: str) -> None:
        until_ns = max(self.venue.now_ns, self.venue.start_ns()) + PATIENCE_S * 1_000_000_000
        while not wanted():
            event = self.step(until_ns)
            over = self.venue.finished or self.venue.now_ns >= until_ns
            assert event is not None or not over, f"{what} did not come within {PATIENCE_S} s"

    def wait_book(self) -> None:
        book = self.market.book
        self.wait(
            lambda: self.market.synced and book.bid is not None and book.ask is not None, "a book with two sides"
        )

    def wait_update(self, order_id: str, *wanted: Execution) -> OrderUpdate:
        """The first report on an order of one of these kinds."""
        self.wait(lambda: bool(self.of(order_id, *wanted)), f"{' or '.join(wanted)} of {order_id}")
        return self.of(order_id, *wanted)[0]

    def of(self, order_id: str, *kinds: Execution) -> list[OrderUpdate]:
        return [u for u in self.updates if u.order_id == order_id and u.execution in kinds]

    def filled(self, order_id: str) -> int:
        return sum(fill.quantity for fill in self.of(order_id, Execution.TRADE))

    def lots(self) -> int:
        """About ``NOTIONAL`` worth at the best bid; at least one lot."""
        assert self.market.book.bid is not None
        one = self.instrument.notional(self.market.book.bid, 1)
        return max(int(NOTIONAL / one), 1)

    def new_id(self) -> str:
        return f"{self._prefix}{next(self._numbers)}"

    def place(self, side: Side, lots: int, price: int | None, order_id: str = "") -> str:
        order_id = order_id or self.new_id()
        kind = OrderType.MARKET if price is None else OrderType.LIMIT
        self.send(PlaceOrder(order_id=order_id, side=side, type=kind, quantity=lots, price=price, **self._now()))
        return order_id

    def rest(self) -> str:
        """An accepted order that will stay in the book for now: one per cent below the market."""
        self.wait_book()
        order_id = self.place(Side.BUY, self.lots(), self.away())
        self.wait_update(order_id, Execution.NEW)
        return order_id

    def away(self) -> int:
        assert self.market.book.bid is not None
        return self.market.book.bid * 99 // 100

    def cancel(self, order_id: str) -> None:
        self.send(CancelOrder(order_id=order_id, **self._now()))

    def send(self, request: AnyRequest) -> None:
        self.table.request(request, self.venue.now_ns)
        self.venue.send(request)

    def _now(self) -> dict[str, Any]:
        return {"instrument": 0, "ts_local_ns": self.venue.now_ns}

    def replace(self, order_id: str, lots: int, price: int) -> str:
        new_id = self.new_id()
        self.send(ReplaceOrder(order_id=order_id, new_order_id=new_id, quantity=lots, price=price, **self._now()))
        return new_id

    def cancel_all(self) -> None:
        self.send(CancelAll(order_id=self.new_id(), **self._now()))

    def cancel_own(self) -> None:
        """An account outlives the desk: what it placed is taken back."""
        own = [order for order in self.table.open() if not order.foreign]
        for order in own:
            self.cancel(order.order_id)
        self.wait(lambda: not any(order.is_open for order in own), "the end of all orders")

    def abandon(self) -> None:
        """Go without a word, as if the process had been killed: what was placed stays."""
        _OPEN.remove(self)
        if self.beside is not None:
            self.beside.close()
        self.venue.close()

    def close(self) -> None:
        if self not in _OPEN:
            return
        _OPEN.remove(self)
        try:
            if self.has_account and self.is_healthy():
                self.cancel_own()
        finally:
            try:
                if self.beside is not None:
                    self.beside.close()
            finally:
                self.venue.close()


#: Desks that no rule has closed yet: one that is broken does not.
_OPEN: list[Desk] = []


def _tidied(rule: Rule[Make]) -> Rule[Make]:
    """The rule, and whatever it left open is closed."""

    @wraps(rule)
    def one(make: Make) -> str | None:
        try:
            return rule(make)
        finally:
            while _OPEN:
                _OPEN[-1].close()

    return one


def keeps_the_protocol(make: Make) -> None:
    venue = make()
    assert isinstance(venue, Venue), f"{type(venue).__name__} lacks a method of ida_core.Venue"
    assert venue.name, "a venue has a name"
    assert venue.mode in MODES, f"mode {venue.mode!r} is none of {', '.join(MODES)}"
    venue.close()


def names_its_instruments(make: Make) -> None:
    venue = make()
    instruments = venue.instruments()
    names = [instrument.name for instrument in instruments]
    assert names, "there is no instrument"
    assert len(set(names)) == len(names), f"two instruments share a name: {names}"
    for index, name in enumerate(names):
        assert isinstance(venue.market(index), Market), f"market({index}) of {name} is no ida_core.Market"
    venue.close()


def tells_its_assumptions(make: Make) -> None:
    venue = make()
    assumptions = venue.assumptions()
    assert assumptions, "a reader of the result must be told what was assumed"
    for name, words in assumptions.items():
        assert words, f"assumption {name!r} says nothing"
    venue.close()


def goes_on_without_a_journal(make: Make) -> None:
    desk = Desk(make)
    desk.venue.attach(None)
    desk.rest()
    desk.close()


def never_goes_back_in_time(make: Make) -> None:
    desk = Desk(make)
    now_ns = 0
    until_ns = desk.venue.start_ns()
    for _ in range(COMPARED_EVENTS):
        until_ns = max(until_ns, desk.venue.now_ns + 10_000_000)
        event = desk.step(until_ns)
        then_ns, now_ns = now_ns, desk.venue.now_ns
        assert now_ns >= then_ns, f"time went from {then_ns} back to {now_ns}"
        assert event is None or now_ns <= until_ns, f"an event of {now_ns} came before {until_ns} was over"
        if isinstance(event, Event):
            assert event.ts_local_ns <= now_ns, f"{event} was told at {now_ns}, before its local time"
        if desk.venue.finished:
            break
    desk.close()


def tells_the_same_again(make: Make) -> None:
    first = Desk(make)
    if not first.venue.simulated:
        first.close()
        raise NotApplicable("it goes by real time")
    second = Desk(make)
    until_ns = first.venue.start_ns() + PATIENCE_S * 1_000_000_000
    for number in range(COMPARED_EVENTS):
        told = [(desk.step(until_ns), desk.venue.now_ns) for desk in (first, second)]
        assert told[0] == told[1], f"event {number} is {told[0]} once and {told[1]} the second time"
    _close(first, second)


def _close(*desks: Desk) -> None:
    for desk in desks:
        desk.close()


def accepts_and_cancels(make: Make) -> None:
    desk = Desk(make)
    order_id = desk.rest()
    update = desk.wait_update(order_id, Execution.NEW)
    assert update.status is OrderStatus.NEW, f"an accepted order is NEW, not {update.status}"
    assert update.venue_order_id, "an accepted order has the venue's own id"
    desk.cancel(order_id)
    update = desk.wait_update(order_id, Execution.CANCELED)
    assert update.status is OrderStatus.CANCELED, f"a cancelled order is CANCELED, not {update.status}"
    desk.close()


def locks_what_an_order_needs(make: Make) -> None:
    desk = Desk(make)
    if desk.instrument.kind is not InstrumentKind.SPOT:
        return desk.close()
    order_id = desk.rest()
    quote = desk.instrument.quote
    before = desk.opening[quote][1]
    desk.wait(lambda: desk.venue.balances()[quote][1] > before or not desk.has_account, f"locked {quote}")
    free, locked = desk.venue.balances()[quote]
    assert locked > before, f"an open buy locks {quote}"
    assert free + locked == sum(desk.opening[quote]), f"locking changed how much {quote} there is"
    desk.cancel(order_id)
    desk.wait_update(order_id, Execution.CANCELED)
    desk.wait(lambda: desk.venue.balances()[quote] == desk.opening[quote] or not desk.has_account, f"free {quote}")
    assert desk.venue.balances()[quote] == desk.opening[quote], f"a cancel gives the locked {quote} back"
    desk.close()


def fills_and_accounts_for_it(make: Make) -> None:
    desk = Desk(make)
    desk.wait_book()
    lots = desk.lots()
    order_id = desk.place(Side.BUY, lots, None)
    desk.wait(lambda: desk.filled(order_id) >= lots, "the fill of a market order")
    fills = desk.of(order_id, Execution.TRADE)
    assert fills[-1].status is OrderStatus.FILLED, f"a filled order is FILLED, not {fills[-1].status}"
    _check_fills(fills, lots)
    ledger = Ledger(desk.venue.instruments())
    for asset, (free, locked) in desk.opening.items():
        ledger.post_opening(asset, free + locked)
    for fill in fills:
        ledger.post_fill(fill)
    wrong = _unexplained(desk, ledger)
    with suppress(AssertionError):  # an account's balances may come behind its fills
        desk.wait(lambda: not _unexplained(desk, ledger) or not desk.has_account, "balances")
        wrong = _unexplained(desk, ledger)
    assert not wrong, f"balances are not start + fills - fees, by {wrong}"
    desk.close()


def _unexplained(desk: Desk, ledger: Ledger) -> dict[str, Decimal]:
    return {asset: rest for asset, rest in ledger.check(desk.venue.balances()).items() if rest}


def _check_fills(fills: list[OrderUpdate], lots: int) -> None:
    done = 0
    for fill in fills:
        done += fill.quantity
        assert fill.cumulative == done, f"cumulative {fill.cumulative} after fills of {done}"
        assert fill.leaves == lots - done, f"leaves {fill.leaves} of {lots} after fills of {done}"
        assert fill.price > 0, f"a fill has a price: {fill}"
    ids = [fill.trade_id for fill in fills]
    assert len(set(ids)) == len(ids), f"two fills share a trade id: {ids}"


def refuses_by_an_event(make: Make) -> None:
    desk = Desk(make)
    desk.wait_book()
    order_id = desk.place(Side.BUY, 0, desk.away())
    update = desk.wait_update(order_id, Execution.REJECTED)
    assert update.status is OrderStatus.REJECTED, f"a refused order is REJECTED, not {update.status}"
    assert update.reason, "a refusal says why"
    desk.close()


def refuses_an_id_that_is_in_use(make: Make) -> None:
    desk = Desk(make)
    order_id = desk.rest()
    desk.place(Side.BUY, desk.lots(), desk.away(), order_id=order_id)
    desk.wait_update(order_id, Execution.REJECTED)
    desk.close()


def refuses_to_cancel_what_is_not_there(make: Make) -> None:
    desk = Desk(make)
    desk.wait_book()
    order_id = desk.new_id()
    desk.cancel(order_id)
    update = desk.wait_update(order_id, Execution.CANCEL_REJECTED)
    assert update.reason, "a refusal says why"
    desk.close()


def replaces_an_order(make: Make) -> None:
    desk = Desk(make)
    order_id = desk.rest()
    new_id = desk.replace(order_id, desk.lots(), desk.away() - 1)
    desk.wait(
        lambda: bool(desk.of(order_id, Execution.CANCELED, Execution.REPLACED)), f"the end of {order_id}"
    )
    update = desk.wait_update(new_id, Execution.NEW, Execution.REPLACED)
    assert update.leaves > 0, f"the order in its place is open: {update}"
    desk.close()


def cancels_all(make: Make) -> None:
    desk = Desk(make)
    order_ids = [desk.rest(), desk.rest()]
    desk.cancel_all()
    for order_id in order_ids:
        desk.wait_update(order_id, Execution.CANCELED)
    desk.close()


def closes_twice(make: Make) -> None:
    venue = make()
    venue.close()
    venue.close()


# ----------------------------------------------------------------- of venues that trade on an account


def _on_account(make: Make, table: OrderTable | None = None) -> Desk:
    venue = make()
    has_account = bool(getattr(venue, "account", ""))
    venue.close()
    if not has_account:
        raise NotApplicable("it trades on no account that outlives it")
    assert isinstance(venue, TradingVenue), f"{type(venue).__name__} lacks a method of ida_core.TradingVenue"
    return Desk(make, table)


def is_healthy_when_the_account_is_known(make: Make) -> None:
    desk = _on_account(make)
    told = [e.state if isinstance(e, VenueStatus) else e.reason for e in desk.told
            if isinstance(e, BalanceUpdate) or (isinstance(e, VenueStatus) and not e.feed)]
    wanted = ("RECONCILING", "SNAPSHOT", "HEALTHY")
    places = [told.index(word) if word in told else -1 for word in wanted]
    assert -1 < places[0] < places[1] < places[2], f"{', '.join(wanted)} were to be told in turn, not {told}"
    desk.close()


def has_the_last_word(make: Make) -> None:
    """``settle`` tells what is new, then the balances, which fills and fees explain."""
    desk = _on_account(make)
    ledger = Ledger(desk.venue.instruments())
    for asset, (free, locked) in desk.opening.items():
        ledger.post_opening(asset, free + locked)
    desk.wait_book()
    order_id = desk.place(Side.BUY, desk.lots(), None)
    desk.wait(lambda: desk.filled(order_id) >= desk.lots(), "the fill of a market order")
    del desk.told[:]
    venue: Any = desk.venue
    assert desk.beside is not None
    answered = desk.beside.ask(venue.settle)
    desk.wait(answered, "the end of settle()")
    while desk.step(venue.real_ns()) is not None:
        pass  # what it told last
    snapshots = [e for e in desk.told if isinstance(e, BalanceUpdate) and e.reason == "SNAPSHOT"]
    assert snapshots, "settle() told no balances as a SNAPSHOT"
    for fill in desk.of(order_id, Execution.TRADE):
        ledger.post_fill(fill)
    wrong = {asset: rest for asset, rest in ledger.check(snapshots[-1].balances).items() if rest}
    assert not wrong, f"the snapshot is not start + fills - fees, by {wrong}"
    desk.close()


def settles_orders_of_a_former_run(make: Make) -> None:
    """One that rests and one that never arrived: both are UNKNOWN until the exchange was asked."""
    first = _on_account(make)
    resting, ghost = first.rest(), first.new_id()
    former = first.table.get(resting)
    assert former is not None
    first.abandon()
    table = OrderTable("former")
    table.adopt(uncertain(former))
    table.adopt(changed_order(uncertain(former), order_id=ghost, venue_order_id=0, acknowledged=False))
    second = Desk(make, table)
    second.wait(lambda: table.get(resting).status is OrderStatus.NEW, f"what became of {resting}")  # type: ignore[union-attr]
    second.wait(lambda: not table.get(ghost).is_open, f"what became of {ghost}")  # type: ignore[union-attr]
    assert table.get(ghost).status is OrderStatus.REJECTED, "what never arrived is REJECTED"  # type: ignore[union-attr]
    second.close()
    assert table.get(resting).status is OrderStatus.CANCELED, "its new owner can cancel it"  # type: ignore[union-attr]


def leaves_foreign_orders_alone(make: Make) -> None:
    first = _on_account(make)
    order_id = first.rest()
    former = first.table.get(order_id)
    assert former is not None
    first.abandon()
    second = Desk(make)
    second.wait_book()
    second.wait(lambda: order_id in second.table, "word of an order that is not ours")
    order = second.table.get(order_id)
    assert order is not None
    assert order.foreign, f"{order_id} is none of this run's"
    second.rest()
    second.close()
    assert order.is_open, f"{order_id} was closed, and is not ours"
    table = OrderTable("former")
    table.adopt(uncertain(former))
    Desk(make, table).close()


def amends_an_order(make: Make) -> None:
    desk = Desk(make)
    if not desk.instrument.filters.amend_allowed:
        desk.close()
        raise NotApplicable(f"{desk.instrument.name} has no amendments")
    desk.wait_book()
    lots = max(desk.lots(), 2)
    order_id = desk.place(Side.BUY, 2 * lots, desk.away())
    desk.wait_update(order_id, Execution.NEW)
    desk.send(AmendOrder(order_id=order_id, quantity=lots, **desk._now()))
    update = desk.wait_update(order_id, Execution.REPLACED)
    assert update.order_quantity == lots, f"amended to {lots} lots, told {update.order_quantity}"
    desk.close()


#: Name → rule, in the order in which a venue's author wants to meet them.
VENUE_RULES: Mapping[str, Rule[Make]] = MappingProxyType({
    rule.__name__: _tidied(rule)
    for rule in (
        keeps_the_protocol, names_its_instruments, tells_its_assumptions, closes_twice, never_goes_back_in_time,
        tells_the_same_again, accepts_and_cancels, refuses_by_an_event, refuses_an_id_that_is_in_use,
        refuses_to_cancel_what_is_not_there, locks_what_an_order_needs, fills_and_accounts_for_it, replaces_an_order,
        amends_an_order, cancels_all, goes_on_without_a_journal, is_healthy_when_the_account_is_known,
        has_the_last_word, settles_orders_of_a_former_run, leaves_foreign_orders_alone,
    )
})


def check_venue(make_venue: Make, rules: Collection[str] = tuple(VENUE_RULES)) -> None:
    """Hold a venue to its contract.

    Args:
        make_venue: makes a fresh venue with a live market, each time the same one; called once or twice per rule.
        rules: keys of ``VENUE_RULES``; all by default.
    Raises:
        AssertionError: names every rule that was broken, and how.
    """
    require("the venue", hold(VENUE_RULES, make_venue, rules))


def make_venue(
    kind: Any, config: msgspec.Struct | None = None, *, duration_s: float = MARKET_S, seed: int = 1
) -> Venue:
    """Build a venue as a run would, on the synthetic market: for ``check_venue(partial(make_venue, MyVenue))``.

    Args:
        kind: the class that hook ``ida_venues`` returns.
        config: its section; the defaults of ``kind.Config`` if None.
        duration_s: of the market, in simulated time.
    """
    plugins = load_plugins()
    plugins = changed(plugins, venues=plugins.venues | {kind.name: kind})
    run = RunSettings(feed=("synthetic",), exchange=kind.name, duration_s=duration_s, seed=seed)
    venue: Venue = build_venue(Settings(run=run), plugins, kind.name, config)
    return venue
