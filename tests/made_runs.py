"""Run folders made by hand or by a seeded walk, for tests of what looks at a finished run."""

import json
import math
import random
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from instruments import SPOT
from native_records import depth, snapshot, trade

from ida_core import (
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
    Refusal,
    Side,
)
from ida_core.journal import JournalWriter, Timing
from ida_core.native import ffi, lib

D = Decimal
S = 1_000_000_000
T0 = 1_700_000_000 * S

ASSUMPTIONS = {
    "latency": "request 12 ms, response 8 ms, constant",
    "queue": "risk-averse: only trades advance us",
    "fees": "VIP 0: maker 0.1 %, taker 0.1 %, in the quote asset",
    "fill": "against the recorded book and trades; what we take stays taken",
    "clock": "the recorder's clock ran 1.27 s behind the exchange's; taken off",
    "impact": "our orders do not change what others do",
}


class MadeRun:
    """Writes a journal event by event. Prices in ticks, quantities in lots, ns after ``T0``."""

    def __init__(self, run_dir: Path, instruments: tuple[Instrument, ...] = (SPOT,), **start: Any) -> None:
        self.run_dir = run_dir
        self.instruments = instruments
        self.journal = JournalWriter(run_dir / "journal", run_dir.name, segment_bytes=1 << 20, sync="none")
        self.balances: Mapping[str, tuple[Decimal, Decimal]] = start.pop("balances", {"USDT": (D(10_000), D(0))})
        self._ids = [100] * len(instruments)
        self._trades = 0
        self._tops: dict[int, tuple[int, int]] = {}
        self._write_start(start)

    def _write_start(self, start: dict[str, Any]) -> None:
        data = {
            "schema": 1,
            "mode": "SIM",
            "exchange": "sim",
            "seed": 1,
            "symbols": [i.name for i in self.instruments],
            "instruments": msgspec.to_builtins(list(self.instruments)),
            "chains": [0] * len(self.instruments),
            "strategies": [
                {
                    "name": "maker",
                    "version": "0.1.0",
                    "config": {"gap_ticks": 5, "quantity": "0.002"},
                }
            ],
            "risk": ["max_position", "price_collar"],
            "reports": ["html"],
            "assumptions": ASSUMPTIONS,
            "feeds": [{"name": "recording.gz", "sha256": "ab" * 32}],
            "currency": self.instruments[0].settle,
            "balances": {a: [str(f), str(k)] for a, (f, k) in self.balances.items()},
            **start,
        }
        self.note("start", ts=0, data=data)

    def note(self, what: str, ts: int, **fields: Any) -> None:
        self.event(Note(ts_local_ns=T0 + ts, what=what, **fields))

    def event(self, event: Event) -> None:
        self.journal.append(event)

    # --- the market -------------------------------------------------------------------------------

    def snapshot(self, ts: int, bids: list[tuple[int, int]], asks: list[tuple[int, int]], instrument: int = 0) -> None:
        whole = snapshot(self._ids[instrument], bids, asks, ts=T0 + ts)
        whole.head.flags = lib.IDA_FLAG_WHOLE
        self._record(whole, instrument)

    def depth(
        self,
        ts: int,
        bids: list[tuple[int, int]],
        asks: list[tuple[int, int]],
        instrument: int = 0,
        skip: int = 0,
    ) -> None:
        """A diff that follows the last one; ``skip`` leaves ids out, which is a gap."""
        self._ids[instrument] += 1 + skip
        self._record(depth(self._ids[instrument], bids, asks, ts=T0 + ts), instrument)

    def top(self, ts: int, bid: int, ask: int, lots: int = 100, instrument: int = 0) -> None:
        """The book is now one level a side."""
        bids, asks = {bid: lots}, {ask: lots}
        former = self._tops.get(instrument)
        if former is None:
            self.snapshot(ts, list(bids.items()), list(asks.items()), instrument)
            self.depth(ts, [], [], instrument)
        else:
            gone = {former[0]: 0}, {former[1]: 0}
            changed = ({**gone[0], **bids}.items(), {**gone[1], **asks}.items())
            self.depth(ts, list(changed[0]), list(changed[1]), instrument)
        self._tops[instrument] = (bid, ask)

    def trade(self, ts: int, price: int, lots: int, instrument: int = 0) -> None:
        self._record(trade(price, lots, ts=T0 + ts), instrument)

    def _record(self, record: Any, instrument: int) -> None:
        pointer = ffi.cast("ida_record *", record)
        self.journal.check(lib.ida_journal_append(self.journal.pointer, pointer, instrument))

    # --- orders -----------------------------------------------------------------------------------

    def place(
        self,
        ts: int,
        order_id: str,
        side: Side,
        price: int,
        lots: int,
        instrument: int = 0,
        **more: Any,
    ) -> None:
        self.event(
            PlaceOrder(
                ts_local_ns=T0 + ts,
                instrument=instrument,
                order_id=order_id,
                strategy="maker",
                side=side,
                type=more.pop("type", OrderType.LIMIT),
                price=price,
                quantity=lots,
                **more,
            )
        )

    def cancel(self, ts: int, order_id: str, instrument: int = 0) -> None:
        self.event(CancelOrder(ts_local_ns=T0 + ts, instrument=instrument, order_id=order_id, strategy="maker"))

    def update(
        self,
        ts: int,
        order_id: str,
        execution: Execution,
        status: OrderStatus,
        side: Side,
        instrument: int = 0,
        venue_ts: int | None = None,
        **more: Any,
    ) -> None:
        venue_ns = T0 + (ts if venue_ts is None else venue_ts)
        self.event(
            OrderUpdate(
                ts_local_ns=T0 + ts,
                ts_venue_ns=venue_ns,
                instrument=instrument,
                order_id=order_id,
                execution=execution,
                status=status,
                side=side,
                **more,
            )
        )

    def accept(self, ts: int, order_id: str, side: Side, lots: int, instrument: int = 0, **more: Any) -> None:
        self.update(
            ts,
            order_id,
            Execution.NEW,
            OrderStatus.NEW,
            side,
            instrument,
            order_quantity=lots,
            leaves=lots,
            **more,
        )

    def fill(
        self,
        ts: int,
        order_id: str,
        side: Side,
        price: int,
        lots: int,
        of: int,
        instrument: int = 0,
        done: int = 0,
        **more: Any,
    ) -> None:
        """``done``: lots filled before."""
        self._trades += 1
        total = done + lots
        status = OrderStatus.FILLED if total == of else OrderStatus.PARTIALLY_FILLED
        self.update(
            ts,
            order_id,
            Execution.TRADE,
            status,
            side,
            instrument,
            price=price,
            quantity=lots,
            cumulative=total,
            leaves=of - total,
            order_quantity=of,
            trade_id=self._trades,
            **more,
        )

    def canceled(self, ts: int, order_id: str, side: Side, lots: int, instrument: int = 0, **more: Any) -> None:
        self.update(
            ts,
            order_id,
            Execution.CANCELED,
            OrderStatus.CANCELED,
            side,
            instrument,
            order_quantity=lots,
            **more,
        )

    # --- the end ----------------------------------------------------------------------------------

    def end(self, ts: int, balances: Mapping[str, tuple[Decimal, Decimal]] | None = None, **data: Any) -> Path:
        """The end note and the timing; closes the journal and returns the run folder."""
        balances = self.balances if balances is None else balances
        told = {asset: [str(free), str(locked)] for asset, (free, locked) in balances.items()}
        self.note("end", ts=ts, data={"reason": "end of data", "balances": told, "warnings": [], **data})
        self.event(Timing(ts_local_ns=T0 + ts, what="run", data=TIMING))
        return self.break_off()

    def break_off(self) -> Path:
        """Close the journal as it is: a crashed run."""
        self.journal.close()
        return self.run_dir


TIMING = {
    "run_id": "20231114-221320-maker",
    "started": "2023-11-14T22:13:20Z",
    "elapsed_s": 0.84,
    "throughput_eps": 412_345.6,
    "latency_us": {
        "decode": {"p50": 0.42, "p99": 1.9},
        "tick_to_decision": {"p50": 8.1, "p99": 22.5},
        "order_out": {"p50": 11.0, "p99": 35.0},
    },
    "plugin_time": {
        "strategy maker": {"calls": 12_345, "p50": 12.0, "p99": 41.0, "share": 0.123},
        "risk max_position": {"calls": 77, "p50": 0.4, "p99": 1.9, "share": 0.001},
    },
}


class Walk:
    """A maker on a random walk: requotes both sides every second, is filled on the way."""

    def __init__(self, run: MadeRun, seconds: int, seed: int, instrument: int = 0) -> None:
        self.run, self.random, self.seconds, self.instrument = (
            run,
            random.Random(seed),
            seconds,
            instrument,
        )
        self.price = 2_650_000.0 if instrument == 0 else 21_000.0
        self.gap = 60 if instrument == 0 else 3
        self.number = 0
        self.position = 0
        self.money: dict[str, Decimal] = {a: free for a, (free, _) in run.balances.items()}
        self.quotes: dict[Side, tuple[str, int, int] | None] = {Side.BUY: None, Side.SELL: None}

    def go(self) -> None:
        """Ten book updates a second, a quote a side."""
        now = 0
        bids, asks = self.levels()
        self.run.snapshot(now, bids, asks, self.instrument)
        for step in range(self.seconds * 10):
            now = step * S // 10 + self.random.randrange(S // 20)
            self.price += self.random.gauss(0, self.gap / 4.5) + 2 * math.sin(step / 250)
            self.run.depth(now, *self.moved(), self.instrument)
            if step % 3 == 0:
                self.run.trade(now, round(self.price), self.random.randrange(1, 900), self.instrument)
            self.fill_reached(now + 20_000_000)
            if step % 10 == 9:
                self.requote(now + 30_000_000)

    def levels(self) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        top = round(self.price)
        self.shown = ([top - 1 - k for k in range(20)], [top + 1 + k for k in range(20)])
        return tuple([(p, self.random.randrange(100, 9_000)) for p in side] for side in self.shown)  # type: ignore[return-value]

    def moved(self) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        gone = self.shown
        bids, asks = self.levels()
        for lost, kept in zip(gone, (bids, asks), strict=True):
            there = {p for p, _ in kept}
            kept.extend((p, 0) for p in lost if p not in there)
        return bids, asks

    def fill_reached(self, now: int) -> None:
        for side, quote in list(self.quotes.items()):
            if quote is None:
                continue
            order_id, price, lots = quote
            if side.sign * (price - self.price) >= -self.gap * self.random.random() ** 2:
                self.book_fill(now, order_id, side, price, lots)
                self.quotes[side] = None

    def book_fill(self, now: int, order_id: str, side: Side, price: int, lots: int) -> None:
        one = self.run.instruments[self.instrument]
        fee = one.notional(price, lots) * D("0.0002")
        reason = self.random.choice(["QUEUE_REACHED", "QUEUE_REACHED", "TRADED_THROUGH", "BOOK_CROSSED"])
        self.run.fill(
            now,
            order_id,
            side,
            price,
            lots,
            lots,
            self.instrument,
            venue_ts=now - 8_000_000,
            maker=True,
            fee=fee,
            fee_asset="USDT",
            reason=reason,
        )
        self.position += side.sign * lots
        self.money["USDT"] = self.money["USDT"] - side.sign * one.notional(price, lots) - fee
        if one.kind is InstrumentKind.SPOT:
            self.money[one.base] = self.money.get(one.base, D(0)) + side.sign * one.quantity(lots)

    def requote(self, now: int) -> None:
        for side in (Side.BUY, Side.SELL):
            if quote := self.quotes[side]:
                self.run.cancel(now, quote[0], self.instrument)
                self.run.canceled(
                    now + 20_000_000 + self.random.randrange(9_000_000),
                    quote[0],
                    side,
                    quote[2],
                    self.instrument,
                )
                self.quotes[side] = None
            if side.sign * self.position > 900:
                self.refuse(now, side)
                continue
            self.number += 1
            order_id, lots = f"made{self.instrument}-{self.number}", 200
            skew = round(self.position / 200 * self.gap / 6)
            price = round(self.price) - side.sign * self.gap - skew
            self.run.place(now, order_id, side, price, lots, self.instrument)
            wait = 12_000_000 + int(self.random.lognormvariate(15.6, 0.35))
            self.run.accept(
                now + wait,
                order_id,
                side,
                lots,
                self.instrument,
                venue_ts=now + 12_000_000,
                ahead=self.random.randrange(4_000),
            )
            self.quotes[side] = (order_id, price, lots)

    def refuse(self, now: int, side: Side) -> None:
        request = PlaceOrder(
            ts_local_ns=T0 + now,
            instrument=self.instrument,
            order_id=f"no-{self.number}-{side}",
            strategy="maker",
            side=side,
            type=OrderType.LIMIT,
            price=round(self.price),
            quantity=200,
        )
        self.run.event(
            Refusal(
                ts_local_ns=T0 + now,
                instrument=self.instrument,
                request=request,
                by="max_position",
                reason="max_position",
                detail="position 0.01 BTC would pass the limit of 0.01 BTC",
            )
        )


def walk_run(run_dir: Path, seconds: int = 360, seed: int = 5, worst: bool = True, **start: Any) -> Path:
    """A run of a maker on a random walk, with worst cases beside it; the ledger balances."""
    run = MadeRun(run_dir, (SPOT,), balances={"USDT": (D(10_000), D(0)), "BTC": (D("0.05"), D(0))}, **start)
    walk = Walk(run, seconds, seed)
    walk.go()
    for side, quote in walk.quotes.items():
        if quote:
            run.canceled((seconds + 1) * S, quote[0], side, quote[2])
    folder = run.end((seconds + 1) * S, {asset: (amount, D(0)) for asset, amount in walk.money.items()})
    if worst:
        write_worst_cases(folder)
    return folder


def write_worst_cases(run_dir: Path) -> None:
    cases = [
        {"name": "as run", "what": "the headline", "fills": 55, "net": "-1.5"},
        {
            "name": "latency x2",
            "what": "request 24 ms, response 16 ms",
            "fills": 41,
            "net": "-3.1204",
        },
        {
            "name": "back of the queue",
            "what": "only trades through our price fill us",
            "fills": 17,
            "net": "-6.88",
        },
        {
            "name": "next fee tier",
            "what": "maker 0.1 %, taker 0.1 %",
            "fills": 55,
            "net": "-22.4711",
        },
    ]
    folder = run_dir / "report"
    folder.mkdir(exist_ok=True)
    more = {"fees": "9.21", "position": "0.002", "currency": "USDT"}
    (folder / "worst_cases.json").write_text(json.dumps([{**case, **more} for case in cases]))
