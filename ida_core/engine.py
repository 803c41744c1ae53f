"""The loop: event → state → strategies → risk → venue. One thread; the middle is plain synchronous Python."""

from __future__ import annotations

import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from random import Random
from typing import Any

import msgspec
import trio

from ida_core.blame import MOST_SAID, MOST_TRACED, own_line, words_of, writable
from ida_core.callbacks import CALLBACKS, Callbacks
from ida_core.clock import NS, LiveClock, SimulatedClock, steady_ns
from ida_core.collector import collect_due, collecting_by_hand, engine_made
from ida_core.context import Context
from ida_core.data_quality import HEALTHY
from ida_core.ended import Failure as Failure, Keeper as Keeper, Result as Result, Stop as Stop, keep_nothing
from ida_core.errors import EXIT_CONFIG, EXIT_DONE, EXIT_RISK, EXIT_VENUE, OutputError
from ida_core.events import (
    AnyRequest,
    BalanceUpdate,
    CancelOrder,
    Event,
    Execution,
    FundingPayment,
    MarketState,
    Note,
    OrderStatus,
    OrderUpdate,
    RequestSent,
    Signal,
    Timer,
    Transfer,
    VenueStatus,
)
from ida_core.filters import FilterCheck
from ida_core.interrupts import Interrupted, Interrupts
from ida_core.ledger import Ledger
from ida_core.log import Log
from ida_core.making import place_of
from ida_core.model import InstrumentKind
from ida_core.order import Order
from ida_core.order_table import OrderTable
from ida_core.portfolio import Portfolio, convert
from ida_core.protocols import FeedPlugin, Plugin, RiskCheck, Strategy, Venue
from ida_core.reconciliation import DIFFERENCE, SNAPSHOT, Difference, Reconciliation
from ida_core.risk import RiskGate, RiskState
from ida_core.signals import HERE as SIGNAL_FILES, signals_of
from ida_core.stamps import Stamps
from ida_core.timers import NEVER, Timers
from ida_core.timings import Callback, PluginTimes, Timings
from ida_core.trace import Trace
from ida_core.words import INTERRUPTED

#: Notes that end a run, from a venue or a journal that is replayed; all others are kept, and it goes on.
ENDING_NOTES = ("stop", "liquidation")
#: Events handled between two looks at Trio (signals, feeds, progress).
BATCH = 4096
#: One in so many book events is timed for tick-to-decision; a prime, so that no rhythm of the market falls in with it.
TIMED_ONE_IN = 31
#: Real time between two looks at Trio, and between two steps of a paced simulation.
LOOK_S, STEP_S = 0.05, 0.02
#: How long own orders may take to be canceled when a run stops, in the engine's time.
STOP_PATIENCE_NS = 60 * NS
#: How long a venue with an account may take before it is fit to trade.
HEALTH_NS = 60 * NS
#: How often each of them is asked to be canceled then, where the exchange refuses and the order is still open.
STOP_CANCELS = 5


class Engine:
    """Runs strategies on a venue until its events end or someone stops it.

    Args:
        venue: built and connected; see ``ida_core.Venue``.
        strategies: built with their configuration, in the order in which they see events.
        checks: risk checks, asked in this order.
        journal: where inputs and requests are kept; None for a re-run that nobody reads.
        portfolio, orders: fresh; ``orders`` names client order ids.
        feeds: async sources of signals, run beside the engine on its clock.
        speed: how many times as fast as real time a simulation goes; None: as fast as it can.
        timed_one_in: how many market events there are to one that is timed.
        trace: tells of every call of a plugin.
        residual_limit: what balances may differ from the ledger, in the report's currency; 0: nothing.
    """

    #: Events handled between two looks at Trio.
    batch = BATCH
    #: Why a run ends that nobody stops.
    all_done = "end of data"

    def __init__(
        self, venue: Venue, strategies: Sequence[Strategy], checks: Sequence[RiskCheck], *,
        orders: OrderTable, portfolio: Portfolio, ledger: Ledger, log: Log, journal: Keeper | None = None,
        feeds: Sequence[FeedPlugin] = (), seed: int = 1, clock: SimulatedClock | LiveClock | None = None,
        speed: float | None = None, timed_one_in: int = TIMED_ONE_IN, trace: Trace | None = None,
        residual_limit: Decimal = Decimal(0),
    ) -> None:
        engine_made(self)
        self.venue = venue
        self.instruments = list(venue.instruments())
        self.orders = orders
        self.portfolio = portfolio
        self.ledger = ledger
        self.journal = journal
        self.log = log
        self.timers = Timers()
        self.failures: list[Failure] = []
        self.fills = 0
        self.stop_wanted: Stop | None = None
        self.halts: list[tuple[str, str]] = []
        self.latency = {name: Timings() for name in ("tick_to_decision", "order_out")}
        self._stamps = Stamps(orders, self.latency)
        self._is_live = not venue.simulated
        self._keep = keep_nothing if journal is None else journal.append
        self.on_progress: Callable[[], None] | None = None
        self.clock: SimulatedClock | LiveClock = clock or SimulatedClock()
        self._feeds = feeds
        self._speed = speed
        self._began_s = 0.0
        self._interrupts = Interrupts(self._interrupt)
        self.times = PluginTimes(timed_one_in)
        self.trace = trace
        self._residual_limit = residual_limit
        self._countdown = 0
        self._stopping = False
        self._stop_cancels: Counter[str] = Counter()
        #: A venue with an account says when it is fit to trade; the others always are.
        self.has_account = bool(getattr(venue, "account", ""))
        self._is_started = False
        self.account = Reconciliation(ledger, self._worth)
        self._strategies = list(strategies)
        self._contexts = [self._contexts_of(s, seed) for s in strategies]
        self._markets = [venue.market(i) for i in range(len(self.instruments))]
        self._state = RiskState(self.instruments, orders, portfolio, self._mid, self._is_trusted)
        self._filters = FilterCheck(self.instruments, orders, self._mid, self._held)
        if self.has_account:
            self._state.venue_state = "RECONCILING"
        self._gate = RiskGate(checks, self._state, self.times, trace)
        self._send = venue.send
        if trace is not None:
            self._send = trace.wrapped(f"exchange {venue.name}", "send", venue.send)
            self.request = trace.requests(self.request)  # type: ignore[method-assign]
        self._build_slots()
        self._subscribe()
        if self.has_account:
            self._calls = self._callbacks([])  # before they are started strategies are told nothing

    def _worth(self, amount: Decimal, asset: str) -> Decimal | None:
        return convert(amount, asset, self.portfolio.rates, self.portfolio.currency)

    def _mid(self, instrument: int) -> float | None:
        return self._markets[instrument].book.mid

    def _held(self, instrument: int) -> Decimal:
        one = self.instruments[instrument]
        spot = one.kind is InstrumentKind.SPOT
        return self.ledger.balance(one.base) if spot else self.portfolio.account(instrument).quantity

    def _is_trusted(self, instrument: int) -> bool:
        return self._markets[instrument].synced

    # ------------------------------------------------------------- assembling

    def _contexts_of(self, strategy: Strategy, seed: int) -> list[Context]:
        contexts = [
            Context(self, strategy, i, Random(f"{seed}/{strategy.name}/{i}")) for i in range(len(self.instruments))
        ]
        by_name = {c.instrument.name: c for c in contexts}
        for context in contexts:
            context._others = by_name
        return contexts

    def _build_slots(self) -> None:
        self._calls = self._callbacks(self._contexts)

    def _callbacks(self, contexts: list[list[Context]]) -> Callbacks:
        return Callbacks(contexts, len(self.instruments), self.timers, self._call, self.times, self.trace)

    def _subscribe(self) -> None:
        for i in range(len(self.instruments)):
            self.venue.subscribe(i, self._calls.subscription(i))

    # ------------------------------------------------------------- the loop

    async def run(self) -> Stop:
        """Start the strategies, handle events until the end, stop in order. Returns why it ended."""
        async with trio.open_nursery() as nursery:
            self._begin_tasks(nursery)
            with self._interrupts.watching(), collecting_by_hand():
                stop = await self._run()
            self.clock.let_go()
            nursery.cancel_scope.cancel()
        return stop

    def _begin_tasks(self, nursery: trio.Nursery) -> None:
        for feed in self._feeds:
            nursery.start_soon(self._run_feed, feed)

    async def _run(self) -> Stop:
        self._start()
        if self.has_account:
            await self._await_health()
        else:
            self._start_strategies()
        await self._let_others_run()
        await self._drive(lambda: self.stop_wanted is not None, self.venue.last_ns())
        self._hear_last_words()
        stop = self.stop_wanted = self.stop_wanted or Stop(self.all_done)
        self._keep(self._note("stop", detail=stop.reason))
        self.log.info("stop", ts_ns=self.venue.now_ns, reason=stop.reason)
        await self._wind_down()
        return stop

    def _hear_last_words(self) -> None:
        """What the venue has to tell when the run ends: one on real time may have something."""

    def _interrupt(self) -> None:
        self.stop_wanted = self.stop_wanted or Stop(INTERRUPTED)

    def _start(self) -> None:
        self.log.info("start", ts_ns=self.venue.start_ns(), venue=self.venue.name, mode=self.venue.mode,
                      strategies=[s.name for s in self._strategies])
        self.clock.set(self.venue.start_ns())
        self._began_s = time.monotonic()
        if any(type(c).halt is not RiskCheck.halt for c in self._gate.checks):
            self.timers.set(self.venue.start_ns() + NS, self._on_second, NS)

    async def _await_health(self) -> None:
        """Nobody is to trade before the account is known. Where it does not come to that the run ends in order."""
        end_ns = self.venue.start_ns() + HEALTH_NS
        await self._drive(lambda: self._is_started or self.stop_wanted is not None, end_ns)
        if not self._is_started:
            sentence = f"{self.venue.name}: not fit to trade within {HEALTH_NS // NS} s of the start"
            self.stop_wanted = self.stop_wanted or Stop(f"IDA-E4220: {sentence}", EXIT_VENUE, "IDA-E4220")

    def _start_strategies(self) -> None:
        """On an account: by the very event that says it is fit to trade, before any other is told."""
        self._is_started = True
        self._build_slots()
        for context in self._all_contexts():
            self._call(context, self._calls.own(context, "on_start"), "on_start")

    def _all_contexts(self) -> list[Context]:
        return [context for contexts in self._contexts for context in contexts]

    async def _drive(self, is_over: Callable[[], bool], last_ns: int | None = None) -> None:
        """Until ``is_over``, or until everything up to ``last_ns`` was handled. Without that end a strategy that always
        has a request under way, and so always an answer to come, would go on long after the data."""
        end_ns = NEVER if last_ns is None else last_ns
        checked = time.monotonic()
        while not is_over():
            until_ns = min(self.timers.next_ns, self._trio_deadline_ns(), self._paced_ns(), end_ns)
            reached = self._pump(until_ns, is_over)
            self.clock.set(self.venue.now_ns)
            if reached and (self.venue.finished or self.venue.now_ns >= end_ns):
                return
            if self._feeds or self._speed or time.monotonic() - checked > LOOK_S:
                await self._let_others_run()
                checked = time.monotonic()

    def _pump(self, until_ns: int, is_over: Callable[[], bool]) -> bool:
        """Handle up to ``batch`` events at or before ``until_ns``, then the timers that are due. True: none is left."""
        next_event: Callable[[int], Any] = self.venue.next_event
        timers, countdown = self.timers, self._countdown
        books, told = self._calls.books, self._calls.told
        for _ in range(self.batch):
            event = next_event(until_ns)
            if event.__class__ is int:
                countdown -= 1
                if countdown <= 0:
                    countdown = self.times.one_in
                    self._timed_book_event(event)
                    books, told = self._calls.books, self._calls.told  # others, if a strategy failed in it
                else:
                    for context, on_book, book in books[event].calls:
                        try:
                            on_book(context, book)
                        except BaseException as error:
                            self._fail(context, "on_book", "book", error)
                            books, told = self._calls.books, self._calls.told
            elif (slots := told.get(event.__class__)) is not None:
                countdown -= 1
                if countdown <= 0:
                    countdown = self.times.one_in
                    slots = self._calls.told_timed[event.__class__]
                    self._note_receipt()
                for context, callback in slots[event.instrument]:
                    try:
                        callback(context, event)
                    except BaseException as error:
                        self._fail(context, CALLBACKS[event.__class__], event, error)
                        books, told = self._calls.books, self._calls.told
            elif event is None:
                self._countdown = countdown
                timers.fire_due(min(until_ns, self.venue.now_ns))
                return True
            else:
                self._handle(event)
                books, told = self._calls.books, self._calls.told
            if timers.next_ns < until_ns:
                until_ns = timers.next_ns
            if self.stop_wanted is not None and is_over():
                break
        self._countdown = countdown
        return False

    def _note_receipt(self) -> None:
        """A market event that is timed is about to be told; live, how long ago it came is measured."""

    def _timed_book_event(self, index: int) -> None:
        self._note_receipt()
        began = ended = time.perf_counter_ns()
        for context, on_book, book, timings in self._calls.books_timed[index]:
            started = ended
            self._call(context, on_book, "on_book", book)
            ended = time.perf_counter_ns()
            timings.add(ended - started)
        self.latency["tick_to_decision"].add(ended - began)

    def _trio_deadline_ns(self) -> int:
        if not self._feeds or not isinstance(self.clock, SimulatedClock):
            return NEVER
        return self.clock.deadline_ns(trio.lowlevel.current_statistics().seconds_to_next_deadline)

    def _paced_ns(self) -> int:
        """How far a paced simulation may have come by the real time of the next step."""
        if not self._speed:
            return NEVER
        real_s = time.monotonic() - self._began_s + STEP_S
        return self.venue.start_ns() + int(real_s * self._speed * NS)

    async def _let_others_run(self) -> None:
        collect_due()
        if self.on_progress:
            self.on_progress()
        with self._interrupts.trio_runs():
            if self._speed:
                await trio.to_thread.run_sync(time.sleep, STEP_S)
            if self._feeds:
                from trio.testing import wait_all_tasks_blocked  # with pytest installed this import takes 0.1 s

                await wait_all_tasks_blocked()
            else:
                await trio.lowlevel.checkpoint()

    # ------------------------------------------------------------- events

    def _handle(self, event: Event) -> None:
        if isinstance(event, OrderUpdate):
            self._on_order_update(event)
            return
        if isinstance(event, Note):
            self._on_note(event)
            return
        if isinstance(event, RequestSent):
            self._keep(self._stamps.sent(event))
            return
        if isinstance(event, BalanceUpdate | FundingPayment | MarketState | Signal | Transfer | VenueStatus):
            self._keep(event)
        if isinstance(event, MarketState | VenueStatus):
            self.log.warning("state", ts_ns=event.ts_local_ns, instrument=event.instrument, state=event.state,
                             reason=event.reason)
        if isinstance(event, VenueStatus) and not event.feed:
            self._on_venue_state(event.state)
        if isinstance(event, FundingPayment):
            self.portfolio.fund(event)
            self.ledger.post_funding(event)
        if self.has_account:
            self._on_account(event)
        if name := CALLBACKS.get(type(event)):
            self._tell(name, event)

    def _on_account(self, event: Event) -> None:
        """What a venue with an account tells of it."""
        if isinstance(event, Transfer):
            self.ledger.post_opening(event.asset, event.amount)
            self.log.info("transfer", ts_ns=event.ts_local_ns, asset=event.asset, amount=event.amount)
        elif isinstance(event, BalanceUpdate) and event.reason == SNAPSHOT:
            self._on_difference(self.account.compare(event.balances))

    def _on_venue_state(self, state: str) -> None:
        self._state.venue_state = state
        if state == HEALTHY and not self._is_started and self.has_account and self.stop_wanted is None:
            self._start_strategies()

    def _on_difference(self, found: Difference | None) -> None:
        """The books did not agree with the exchange; its word has been adopted. Beyond the limit that ends the run."""
        if found is None:
            return
        self.log.warning("ledger_difference", detail=str(found), **found.data())
        self._keep(self._note(DIFFERENCE, detail=str(found), data=found.data()))
        if found.exceeds(self._residual_limit):
            self._gate.halted = self._gate.halted or ("ledger", str(found))
            self._check_halts()

    def _on_note(self, note: Note) -> None:
        if note.what in ENDING_NOTES:
            self.stop_wanted = Stop(note.detail, EXIT_RISK if note.what == "liquidation" else EXIT_DONE)
            return
        self._keep(note)
        self.log.info("note", ts_ns=note.ts_local_ns, about=note.what, detail=note.detail, data=note.data)

    def _tell(self, name: str, event: Event) -> None:
        for index, slots in enumerate(self._calls.rare[name]):
            if event.instrument in (-1, index):
                for context, callback in slots:
                    self._call(context, callback, name, event)

    def _on_order_update(self, update: OrderUpdate) -> None:
        self._keep(update)
        self._stamps.told(update)
        applied = self.orders.apply(update)
        order = applied.order
        self.log.info(
            "order", plugin=order.strategy, order_id=update.order_id, ts_ns=update.ts_local_ns,
            execution=update.execution, status=order.status, quantity=update.quantity, price=update.price,
            cumulative=update.cumulative, reason=update.reason)
        if applied.fill:
            self.ledger.post_fill(update)
            if order.strategy or not self.has_account:  # what others do on an account is no doing of this run
                self.fills += 1
                self.portfolio.apply(update, order.strategy)
        for contexts in self._contexts:
            context = contexts[update.instrument]
            if context.strategy.name == order.strategy:
                self._tell_owner(context, update, applied.fill)
        if applied.fill:
            self._check_halts()
        if self._stopping and update.execution is Execution.CANCEL_REJECTED:
            self._cancel_again(order)

    def _tell_owner(self, context: Context, update: OrderUpdate, is_fill: bool) -> None:
        for name in ("on_fill", "on_order") if is_fill else ("on_order",):
            for owner, callback in self._calls.rare[name][update.instrument]:
                if owner is context:
                    self._call(context, callback, name, update)

    def on_timer(self, context: Context, timer: Timer) -> None:
        """A strategy's timer fired: journaled, then told to that strategy alone."""
        if context.strategy in self._strategies:
            began = time.perf_counter_ns()
            self._keep(timer)
            self._call(context, self._calls.own(context, "on_timer"), "on_timer", timer)
            self.latency["tick_to_decision"].add(time.perf_counter_ns() - began)

    # ------------------------------------------------------------- requests

    def request(self, request: AnyRequest) -> bool:
        """Ask risk and the order table, journal, send. False: refused, and the journal says by whom and why."""
        began = time.perf_counter_ns()
        decided_ns = steady_ns() if self._is_live else 0
        self._state.now_ns = now_ns = self.venue.now_ns
        refusal = (
            self._filters.check(request, now_ns) or self._gate.approve(request) or self.orders.request(request, now_ns))
        if refusal is not None:
            self._keep(refusal)
            self.log.warning("refused", plugin=request.strategy, order_id=request.order_id, ts_ns=now_ns,
                             by=refusal.by, reason=refusal.reason, detail=refusal.detail)
            return False
        self._keep(request)
        if self._is_live:
            self._stamps.asked(request, decided_ns, steady_ns())
        self._send(request)
        if not self._stamps.measures:
            self.latency["order_out"].add(time.perf_counter_ns() - began)
        return True

    # ------------------------------------------------------------- risk

    def _on_second(self, _timer_id: int, _due_ns: int) -> None:
        self._check_halts()

    def _check_halts(self) -> None:
        if self.halts:
            return
        self._state.revalue(self.venue.now_ns)
        halt = self._gate.halts()
        if halt is not None:
            self.halts.append(halt)
            name, sentence = halt
            self._keep(self._note("halt", plugin=name, detail=sentence))
            self.stop_wanted = Stop(f"stopped by risk: {name}: {sentence}", EXIT_RISK)

    # ------------------------------------------------------------- plugins that fail

    def _call(self, context: Context, callback: Callback, hook: str, *event: Any) -> None:
        if context.strategy not in self._strategies:
            return  # failed in an earlier callback of this event
        try:
            callback(context, *event)
        except BaseException as error:
            self._fail(context, hook, event[0] if event else None, error)

    def _fail(self, context: Context, hook: str, event: Any, error: BaseException) -> None:
        """Name it, stop it, cancel its orders; the engine goes on with the others. What failed beneath the
        strategy (the journal's disk) is no fault of its own, and Ctrl-C is the user's wish; all else it may raise is,
        such as a panic of a library in Rust, which is no ``Exception``."""
        if isinstance(error, OutputError | KeyboardInterrupt | Interrupted):
            raise error
        self.tell_failure(context.strategy, hook, event, error)
        self._drop(context.strategy)

    def tell_failure(self, plugin: Plugin, hook: str, event: Any, error: BaseException) -> None:
        """Name a plugin that raised, in the log and in the journal."""
        frame = own_line(error, plugin)
        ours = frame.filename in (__file__, *SIGNAL_FILES)  # of what it yielded, say
        where = place_of(getattr(plugin, hook)) if ours else f"{frame.filename}:{frame.lineno}"
        failure = Failure(
            plugin.name, hook, where, words_of(error),
            writable(repr(event), MOST_SAID), writable("".join(traceback.format_exception(error)), MOST_TRACED),
        )
        self.failures.append(failure)
        self.log.error("plugin_failed", plugin=failure.plugin, hook=hook, where=failure.where, error=failure.error,
                       trace=failure.trace)
        name = failure.where.rsplit("/", 1)[-1]
        self._keep(self._note("plugin_failed", plugin=failure.plugin, detail=f"{hook}: {failure.error} ({name})"))

    def _drop(self, strategy: Strategy) -> None:
        at = self._strategies.index(strategy)
        contexts = self._contexts.pop(at)
        del self._strategies[at]
        self._build_slots()
        self._subscribe()
        for context in contexts:
            context.cancel_all()
        if not self._strategies:
            self.stop_wanted = Stop(f"strategy {strategy.name} failed", EXIT_CONFIG)

    # ------------------------------------------------------------- stopping

    async def _wind_down(self) -> None:
        """Stop quoting, cancel own orders, wait for the answers; bounded in the engine's time."""
        for context in self._all_contexts() if self._is_started else ():
            self._call(context, self._calls.own(context, "on_stop"), "on_stop")
        self._build_silence()
        for order in self.orders.open():
            if order.foreign or (order.list_id and order.status is OrderStatus.PENDING_CANCEL):
                continue  # not ours, or a leg: asked for with another one
            self._cancel(order.order_id, order.instrument, order.strategy)
        deadline = self.venue.now_ns + STOP_PATIENCE_NS
        with trio.CancelScope(shield=True):
            await self._drive(lambda: self._is_wound_down() or self.venue.now_ns > deadline)
            if self.has_account and self._is_started:
                await self._settle()

    def _is_wound_down(self) -> bool:
        return all(order.foreign for order in self.orders.open())

    async def _settle(self) -> None:
        """A last word of the venue's on orders and balances: in a replay, all that the journal has."""
        await self._drive(lambda: False)

    def _cancel_again(self, order: Order) -> None:
        """The exchange was too busy to cancel, or the like: what is still open is asked for again, not for ever."""
        self._stop_cancels[order.order_id] += 1
        if order.is_open and not order.is_pending and self._stop_cancels[order.order_id] < STOP_CANCELS:
            self._cancel(order.order_id, order.instrument, order.strategy)

    def _build_silence(self) -> None:
        """No strategy is called any more; fills and cancels are still booked."""
        self._stopping = True
        self._strategies, self._contexts = [], []
        self.timers.clear()
        self._build_slots()

    def _cancel(self, order_id: str, instrument: int, strategy: str) -> None:
        request = CancelOrder(
            order_id=order_id, instrument=instrument, strategy=strategy, ts_local_ns=self.venue.now_ns)
        self.request(request)

    def result(self) -> Result:
        """The bare figures of a finished run, from the portfolio."""
        indices = range(len(self.instruments))
        accounts = [self.portfolio.account(i) for i in indices]
        return Result(
            self.fills, self.portfolio.equity({i: self._mid(i) for i in indices}) - self.portfolio.capital,
            sum((a.fees for a in accounts), Decimal(0)), self.portfolio.currency,
            tuple(a.quantity for a in accounts),
        )

    def _note(self, what: str, plugin: str = "", detail: str = "", data: Any = None) -> Note:
        return Note(ts_local_ns=self.venue.now_ns, what=what, plugin=plugin, detail=detail, data=data)

    # ------------------------------------------------------------- feeds

    async def _run_feed(self, feed: FeedPlugin) -> None:
        async for signal in signals_of(feed, self):
            self._take_signal(signal)

    def _take_signal(self, signal: Signal) -> None:
        self._handle(msgspec.structs.replace(signal, ts_local_ns=self.venue.now_ns))
