"""After a crash: find the run of the same account that did not end in order, and what is to go on from it.

Its journal is read as far as it is whole, by the same order table, portfolio and ledger that wrote it. Nothing is
written into the former run's folder.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from msgspec.structs import replace

from ida_core.continued import Continued, Held, uncertain
from ida_core.errors import DataError, OrderStateError
from ida_core.events import (
    FundingPayment,
    Note,
    OrderUpdate,
    Request,
    Transfer,
)
from ida_core.journal import JournalReader
from ida_core.ledger import Ledger
from ida_core.model import Instrument
from ida_core.order import Order
from ida_core.order_table import OrderTable
from ida_core.portfolio import Portfolio, Position
from ida_core.reconciliation import DIFFERENCE, adopted_of
from ida_core.run_notes import Start, start_of

#: Fills whose repetition the next run knows.
TRADES_CARRIED = 1000
#: What of a journal tells of orders and money.
EVENTS = ("request", "report", "note", "funding", "transfer")
#: Of a run's name ``YYYYMMDD-HHMMSS-xxxx``: two that have this in common began in the same second.
_SECOND = 15


@contextmanager
def at_work(run_dir: Path) -> Iterator[None]:
    """While this is open, and no longer than this process lives, the run is known to be at work."""
    descriptor = os.open(run_dir / "run.toml", os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def is_at_work(run_dir: Path) -> bool:
    """Some process is at this run: what it has open is in good hands."""
    try:
        descriptor = os.open(run_dir / "run.toml", os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


class _Found(NamedTuple):
    """``continues``: the name of the run from which this one went on, empty where there was none."""

    run_dir: Path
    began_ns: int
    continues: str


def former_run(
    out: Path, exchange: str, account: str, instruments: Sequence[Instrument], strategies: Sequence[str],
) -> Continued | None:
    """What the newest run of an account left open; None where it ended in order with nothing open, or there is none.

    Args:
        out: folder of run directories. Runs that are at work are passed over.
        instruments: of the new run. An order on any other, or on another grid, becomes an orphan.
        strategies: of the new run. An order of any other is kept as foreign, and told as an orphan.
    """
    found = _newest(out, exchange, account)
    if found is None:
        return None
    former = _Former(found.run_dir)
    return None if former.ended_in_order else former.continued(instruments, strategies)


def _newest(out: Path, exchange: str, account: str) -> _Found | None:
    """The newest run that is not at work. What one at work has gone on from is in its hands, and passed over."""
    newest: _Found | None = None
    in_hands: set[str] = set()
    names = sorted((path.name for path in out.iterdir() if path.is_dir()), reverse=True) if out.is_dir() else []
    for name in names:
        if newest is not None and name[:_SECOND] != newest.run_dir.name[:_SECOND]:
            break
        found = _began(out / name, exchange, account)
        if found is None:
            continue
        if name in in_hands or is_at_work(found.run_dir):
            in_hands.add(found.continues)
        elif newest is None or found.began_ns > newest.began_ns:
            newest = found
    return None if newest is None or newest.run_dir.name in in_hands else newest


def _began(run_dir: Path, exchange: str, account: str) -> _Found | None:
    """How a run of this account began; None of another's, and of what is no run."""
    try:
        with JournalReader(run_dir / "journal") as reader:
            note = next(reader.scan((Note,)), None)
    except DataError:
        return None
    if not isinstance(note, Note) or note.what != "start" or not isinstance(note.data, dict):
        return None
    data = note.data
    if (data.get("exchange"), data.get("account")) != (exchange, account):
        return None
    former = data.get("continues")
    return _Found(run_dir, note.ts_local_ns, str(former.get("run", "")) if isinstance(former, dict) else "")


class _Former:
    """A run's journal, folded to its last whole record.

    Raises:
        DataError: its start note is none that this version can have written.
    """

    def __init__(self, run_dir: Path) -> None:
        self.name = run_dir.name
        self.damage = ""
        self._end: Note | None = None
        self._folder = run_dir / "journal"
        with JournalReader(self._folder) as reader:
            events = reader.scan(EVENTS)
            self.start: Start = start_of(self._folder, next(events, None))
            self._begin(self.start)
            self._read(reader, events)

    def _begin(self, start: Start) -> None:
        self.table = OrderTable("former")
        self.portfolio = Portfolio(start.instruments)
        self.ledger = Ledger(start.instruments)
        if start.continues is not None:
            start.continues.begin(self.table, self.portfolio, self.ledger)
            return
        for asset, (free, locked) in start.balances.items():
            self.ledger.post_opening(asset, free + locked)

    def _read(self, reader: JournalReader, events: Iterator[Any]) -> None:
        reader.instruments = len(self.start.instruments)
        try:
            for event in events:
                self._take(event)
            self.damage = reader.damage or ""
        except DataError as error:  # what came before it holds
            self.damage = str(error)

    def _take(self, event: Any) -> None:
        if isinstance(event, Request):
            self.table.request(event, event.ts_local_ns)  # type: ignore[arg-type]
        elif isinstance(event, OrderUpdate):
            self._take_report(event)
        elif isinstance(event, FundingPayment):
            self.portfolio.fund(event)
            self.ledger.post_funding(event)
        elif isinstance(event, Transfer):
            self.ledger.post_opening(event.asset, event.amount)
        elif isinstance(event, Note) and event.what == DIFFERENCE:
            for asset, amount in adopted_of(event.data).items():
                self.ledger.post_opening(asset, amount)
        elif isinstance(event, Note) and event.what == "end":
            self._end = event

    def _take_report(self, update: OrderUpdate) -> None:
        try:
            applied = self.table.apply(update)
        except OrderStateError:
            return  # it stopped that run, or changed nothing in it
        if applied.fill:
            self.ledger.post_fill(update)
            if applied.order.strategy:
                self.portfolio.apply(update, applied.order.strategy)

    @property
    def ended_in_order(self) -> bool:
        return self._end is not None and not self._left()

    def _left(self) -> list[Order]:
        """What is not known to be closed, or lacks a fill; of former strategies too."""
        orders = {order.order_id: order for order in (*self.table.open(), *self.table.incomplete())}
        return [order for order in orders.values() if order.strategy]

    def continued(self, instruments: Sequence[Instrument], strategies: Sequence[str]) -> Continued:
        index, orphans = _indices(self.start.instruments, instruments), []
        orders = []
        for order in self._left():
            name, at = self.start.instruments[order.instrument].name, index.get(order.instrument)
            if at is None:
                orphans.append(f"Order {order.order_id} of {self.name} is left alone: {name} is not traded in this "
                               "run, or on another grid.")
                continue
            if is_orphan := order.strategy not in strategies:
                orphans.append(f"Order {order.order_id} of {self.name} is left alone: strategy {order.strategy} is "
                               "not in this run.")
            orders.append(replace(uncertain(order), instrument=at, foreign=is_orphan))
        last = {index[i]: self.table.last_trade_id(i) for i in index}
        trades = self.table.newest_trades(TRADES_CARRIED)
        return Continued(
            run=self.name, orders=tuple(orders), held=tuple(self._held(index, orphans)),
            wallets={asset: self.ledger.balance(asset) for asset in self.ledger.assets()},
            last_trades=tuple(last.get(i, 0) for i in range(len(instruments))),
            trades=tuple((index[i], number, side) for i, number, side in trades if i in index),
            orphans=tuple(orphans), damage=self.damage,
        )

    def _held(self, index: dict[int, int], orphans: list[str]) -> Iterator[Held]:
        by_strategy: list[tuple[str | None, int, Position]] = [
            (strategy, i, position) for (strategy, i), position in self.portfolio.positions().items()]
        for strategy, i, position in [*by_strategy, *((None, i, p) for i, p in self.portfolio.accounts().items())]:
            if not position.quantity:
                continue
            if i in index:
                yield Held(instrument=index[i], quantity=position.quantity, cost=position.cost,
                           last_price=position.last_price, strategy=strategy)
            elif strategy is not None:
                name = self.start.instruments[i].name
                orphans.append(f"The position of {strategy} in {name}, {position.quantity:f}, is not carried on: "
                               f"{name} is not traded in this run, or on another grid.")


def _indices(former: Sequence[Instrument], now: Sequence[Instrument]) -> dict[int, int]:
    """Of each instrument of the former run that is traded again on the same grid, its index in the new one."""
    places = {(one.name, one.tick_size, one.lot_size): i for i, one in enumerate(now)}
    keys = [(one.name, one.tick_size, one.lot_size) for one in former]
    return {i: places[key] for i, key in enumerate(keys) if key in places}
