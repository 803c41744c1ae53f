"""One pass over a run's journal: market records are applied in C, everything else is folded here.

The order of the journal is the order of what we knew: at each request, fill and sample the markets
stand as they stood then. Between two of those Python is not woken.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from ida_core.book import Market
from ida_core.errors import OrderStateError
from ida_core.events import (
    AmendOrder,
    AnyRequest,
    BalanceUpdate,
    CancelAll,
    CancelOrder,
    Execution,
    FundingPayment,
    MarketState,
    Note,
    OrderUpdate,
    PlaceList,
    PlaceOrder,
    Refusal,
    ReplaceOrder,
    RequestSent,
    Transfer,
    VenueStatus,
)
from ida_core.journal import KIND_NAMES, MEASURED, NEVER, JournalReader, Timing
from ida_core.ledger import Ledger
from ida_core.model import Instrument
from ida_core.order_table import OrderTable
from ida_core.portfolio import MONEY, ZERO, Portfolio, convert
from ida_core.rates import MarketRates
from ida_core.reconciliation import DIFFERENCE, SNAPSHOT, adopted_of
from ida_core.rows import MARKOUTS_S, FillRow, OrderRow, Samples, grid_of
from ida_core.run_notes import Start, check_end, start_of

NS = 1_000_000_000
MAX_PRICE = 1 << 30
"""Ticks that a book of the fold can hold, as in the engine."""

ORDERS_KEPT = 1 << 30
EVENTS = ("request", "report", "refusal", "status", "note", "funding", "sent", "balance", "transfer")


class Result(NamedTuple):
    """The run's result at one moment, in the report's currency."""

    realized: Decimal
    unrealized: Decimal
    funding: Decimal
    fees: Decimal

    @property
    def gross(self) -> Decimal:
        """Before fees."""
        return self.realized + self.unrealized + self.funding

    @property
    def net(self) -> Decimal:
        """``realized + unrealized + funding - fees``."""
        return self.gross - self.fees


class Bounds(NamedTuple):
    """First look at a journal: what the run said of itself, and when it began and ended."""

    start: Note
    opening: Start
    end: Note | None
    timing: Timing | None
    start_ns: int
    end_ns: int


def bounds_of(folder: Path) -> Bounds:
    """Find the start note, the end note and the run's times, without looking at market records.

    Raises:
        DataError: there is no journal, or it does not begin with a start note.
    """
    with JournalReader(folder) as reader:
        events = list(reader.scan((Note, Timing)))
    notes = [event for event in events if isinstance(event, Note)]
    opening = start_of(folder, notes[0] if notes else None)
    end = next((note for note in notes if note.what == "end"), None)
    timing = next((e for e in events if isinstance(e, Timing) and e.what == "run"), None)
    check_end(folder, end, timing)
    first, last = notes[0].ts_local_ns, end.ts_local_ns if end else 0
    if not first or not last:
        seen, last = _times_of(folder)
        first = first or seen
    return Bounds(notes[0], opening, end, timing, first, max(first, last))


def _times_of(folder: Path) -> tuple[int, int]:
    """First and last local time by reading every record: for runs that did not end in order."""
    first = last = 0
    kinds = [kind for kind in KIND_NAMES if kind not in MEASURED]
    with JournalReader(folder) as reader:
        for record in reader.scan(kinds):
            first = first or record.ts_local_ns
            last = max(last, record.ts_local_ns)
    return first, last


class Fold:
    """What has happened so far, while the journal is read; afterwards what a report needs.

    Args:
        folder: the journal's.
        bounds: as ``bounds_of`` found them.
    """

    def __init__(self, folder: Path, bounds: Bounds) -> None:
        start = bounds.opening
        self.bounds = bounds
        self.instruments: Sequence[Instrument] = start.instruments
        self.markets = [Market(chain, MAX_PRICE) for chain in start.chains]
        rates = MarketRates(self.instruments[0].settle, start.rates, self.instruments, self.markets)
        self.portfolio = Portfolio(self.instruments, rates)
        self.ledger = Ledger(self.instruments)
        self.table = OrderTable("report", closed_kept=ORDERS_KEPT, trades_kept=ORDERS_KEPT)
        self.orders: dict[str, OrderRow] = {}
        self.fills: list[FillRow] = []
        self.refusals: list[Refusal] = []
        self.notes: list[Note] = []
        self.states: list[MarketState] = []
        self.statuses: list[VenueStatus] = []
        self.contradictions: list[str] = []
        self.fees: dict[str, Decimal] = {}
        self.requests: Counter[str] = Counter()
        self.capital = ZERO
        self.samples = Samples(*grid_of(bounds.end_ns - bounds.start_ns))
        self.samples.mids = [[] for _ in self.instruments]
        self.samples.positions = [[] for _ in self.instruments]
        self.damage: str | None = None
        self._folder = folder
        self._mids: list[float | None] = [None] * len(self.instruments)
        self._pending: list[tuple[int, int, int]] = []  # due, index of the fill, which markout
        self.snapshots = 0
        self.adopted: list[dict[str, Decimal]] = []
        self.foreign: set[str] = set()
        self._open_ledger(start.balances)
        if start.continues is not None:
            start.continues.begin(self.table, self.portfolio, self.ledger)
        self._handlers: Mapping[type[Any], Callable[[Any], None]] = {
            PlaceOrder: self._on_place,
            ReplaceOrder: self._on_replace,
            PlaceList: self._on_list,
            AmendOrder: self._on_request,
            CancelOrder: self._on_request,
            CancelAll: self._on_request,
            RequestSent: self._on_sent,
            OrderUpdate: self._on_update,
            Refusal: self.refusals.append,
            FundingPayment: self._on_funding,
            Note: self._on_note,
            BalanceUpdate: self._on_balance,
            Transfer: self._on_transfer,
            MarketState: self._on_state,
            VenueStatus: self.statuses.append,
        }

    def _open_ledger(self, balances: Mapping[str, tuple[Decimal, Decimal]]) -> None:
        self._opening = {asset: free + locked for asset, (free, locked) in balances.items()}
        continued = self.bounds.opening.continues
        if continued is not None:
            self._opening = dict(continued.wallets)
            return
        for asset, amount in self._opening.items():
            self.ledger.post_opening(asset, amount)

    def _add_capital(self) -> None:
        """Value what the run began with, each asset at the first rate that is known for it."""
        for asset, amount in list(self._opening.items()):
            value = convert(amount, asset, self.portfolio.rates, self.portfolio.currency)
            if value is not None:
                self.capital += value
                del self._opening[asset]

    # --- reading ----------------------------------------------------------------------------------

    def read(self) -> None:
        """Read the journal as far as it is whole; ``damage`` says where that ends too early."""
        with JournalReader(self._folder, instruments=len(self.instruments)) as reader:
            step, end = self.samples.step_ns, self.bounds.end_ns
            due = -(-self.bounds.start_ns // step) * step
            while due <= end:
                self._read_to(reader, due)
                self._sample(due, regular=due % self.samples.statistics_ns == 0)
                due += step
            self._read_to(reader, end)
            self._take(reader, NEVER)
            self._sample(end)
            self.damage = reader.damage
        for market in self.markets:
            market.finish()

    def _read_to(self, reader: JournalReader, until_ns: int) -> None:
        """Take in all events up to a time; look at the mid wherever a markout is due on the way."""
        while self._pending and self._pending[0][0] <= until_ns:
            due, fill, which = heapq.heappop(self._pending)
            self._take(reader, due)
            self.fills[fill].markouts[which] = self.mid(self.fills[fill].instrument)
        self._take(reader, until_ns)

    def _take(self, reader: JournalReader, until_ns: int) -> None:
        handlers = self._handlers
        for event in reader.scan(EVENTS, self.markets, until_ns):
            handler = handlers.get(type(event))
            if handler is not None:
                handler(event)

    # --- events -----------------------------------------------------------------------------------

    def _on_place(self, request: PlaceOrder) -> None:
        self._on_request(request)
        self._add_row(request.order_id)

    def _on_replace(self, request: ReplaceOrder) -> None:
        self._on_request(request)
        self._add_row(request.new_order_id)

    def _on_list(self, request: PlaceList) -> None:
        self._on_request(request)
        for leg in request.legs:
            self._add_row(leg.order_id)

    def _on_sent(self, sent: RequestSent) -> None:
        self.table.note_sent(sent)

    def _on_request(self, request: AnyRequest) -> None:
        self.requests[type(request).__name__] += 1
        refusal = self.table.request(request, request.ts_local_ns)
        if refusal is not None:
            self.contradictions.append(f"sent, and yet: {refusal.detail}")

    def _add_row(self, order_id: str) -> None:
        order = self.table.get(order_id)
        if order is not None and order_id not in self.orders:
            self.orders[order_id] = OrderRow(order, self.mid(order.instrument))

    def _on_update(self, update: OrderUpdate) -> None:
        try:
            applied = self.table.apply(update)
        except OrderStateError as error:
            self.contradictions.append(str(error))
            return
        order = applied.order
        if order.foreign and not order.strategy and self.bounds.opening.account:
            self._on_foreign(update, applied.fill)
            return
        row = self.orders.get(order.order_id)
        if row is None:
            row = self.orders[order.order_id] = OrderRow(order, None)
        if row.ahead < 0 and update.execution is Execution.NEW:
            row.ahead = update.ahead
        if applied.fill:
            self._on_fill(update, row)

    def _on_foreign(self, update: OrderUpdate, is_fill: bool) -> None:
        """Of an order on the account that is none of the run's."""
        self.foreign.add(update.order_id)
        if is_fill:
            self.ledger.post_fill(update)

    def _on_note(self, note: Note) -> None:
        self.notes.append(note)
        if note.what == DIFFERENCE:
            self.adopted.append(adopted_of(note.data))
            for asset, amount in self.adopted[-1].items():
                self.ledger.post_opening(asset, amount)

    def _on_balance(self, update: BalanceUpdate) -> None:
        self.snapshots += update.reason == SNAPSHOT

    def _on_transfer(self, transfer: Transfer) -> None:
        self.ledger.post_opening(transfer.asset, transfer.amount)

    def _on_fill(self, update: OrderUpdate, row: OrderRow) -> None:
        strategy = row.order.strategy
        self.portfolio.apply(update, strategy)
        self.ledger.post_fill(update)
        instrument = self.instruments[update.instrument]
        account = self.portfolio.account(update.instrument)
        asset = update.fee_asset or instrument.settle
        self.fees[asset] = self.fees.get(asset, ZERO) + update.fee
        value = account.value(instrument.quantity(update.quantity), instrument.price(update.price))
        for which, after_s in enumerate(MARKOUTS_S):
            heapq.heappush(self._pending, (update.ts_local_ns + after_s * NS, len(self.fills), which))
        self.fills.append(
            FillRow(
                ts_local_ns=update.ts_local_ns,
                ts_venue_ns=update.ts_venue_ns,
                instrument=update.instrument,
                order_id=update.order_id,
                strategy=strategy,
                side=update.side,
                price=update.price,
                quantity=update.quantity,
                maker=update.maker,
                fee=update.fee,
                fee_asset=asset,
                trade_id=update.trade_id,
                reason=update.reason,
                notional=instrument.notional(update.price, update.quantity),
                value=self.in_currency(value, instrument.settle),
                position=account.lots,
                mid=self.mid(update.instrument),
                decision_mid=row.mid,
            )
        )
        self._sample(update.ts_local_ns)

    def _on_state(self, state: MarketState) -> None:
        self.states.append(state)
        if state.silent is not None:
            self.markets[state.instrument].set_silent(state.silent)

    def _on_funding(self, payment: FundingPayment) -> None:
        self.portfolio.fund(payment)
        self.ledger.post_funding(payment)

    # --- the state of things ----------------------------------------------------------------------

    def mid(self, instrument: int) -> float | None:
        """Halfway between best bid and ask, in ticks; None while the book is not in step."""
        market = self.markets[instrument]
        return market.book.mid if market.synced else None

    def in_currency(self, amount: Decimal, asset: str) -> Decimal:
        """What ``amount`` is worth in the report's currency; 0 without a rate, and a warning."""
        value = convert(amount, asset, self.portfolio.rates, self.portfolio.currency)
        return ZERO if value is None else value

    def result(self) -> Result:
        """Positions valued at the newest mid that was known, or without one at the last fill."""
        parts = [ZERO, ZERO, ZERO, ZERO]
        for index, account in self.portfolio.accounts().items():
            mid = self._mids[index]
            unrealized = account.unrealized(account.last_price if mid is None else mid)
            asset = account.instrument.settle
            for k, amount in enumerate((account.realized, unrealized, account.funding, account.fees)):
                if amount:
                    parts[k] = MONEY.add(parts[k], self.in_currency(amount, asset))
        return Result(*parts)

    def _sample(self, ts_ns: int, regular: bool = False) -> None:
        samples = self.samples
        for index, market in enumerate(self.markets):
            mid = market.book.mid if market.synced else None
            if mid is not None:
                self._mids[index] = mid
            samples.mids[index].append(mid)
            account = self.portfolio.accounts().get(index)
            samples.positions[index].append(account.lots if account else 0)
        if self._opening:
            self._add_capital()
        result = self.result()
        samples.times_ns.append(ts_ns)
        samples.net.append(result.net)
        samples.gross.append(result.gross)
        if regular:
            samples.regular.append(len(samples.times_ns) - 1)
