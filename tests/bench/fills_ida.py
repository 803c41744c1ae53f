"""Ida's half of the comparison of fills: runs of the grid by the command line, and a script of requests."""

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from fill_rules import Recorded, Sent

from ida_core import (
    CancelOrder,
    Context,
    Execution,
    OrderUpdate,
    PlaceOrder,
    Refusal,
    Side,
    Strategy,
    Timer,
    VenueSetup,
    clock_offset,
)
from ida_core.config import RunSettings, Settings
from ida_core.journal import JournalReader
from ida_core.log import Log
from ida_core.plugins import Plugins, load_plugins
from ida_core.run import build_engine, run_engine

#: The flags of the comparison, latency and queue apart.
FLAGS = (
    "grid.quotes=10", "grid.gap_ticks=20", "grid.quantity=0.001", "grid.skew_ticks=1", "grid.interval_ms=100",
    "sim.maker_fee=0", "sim.taker_fee=0.0005",
)  # fmt: skip
NO_LIMIT = "order_rate.limit=1000000"
LOOK_S, NS_PER_MS = 0.1, 1_000_000
STATES = {Execution.REJECTED: "rejected", Execution.CANCELED: "canceled", Execution.TRADE: "filled"}


@cache
def plugins() -> Plugins:
    return load_plugins()


@dataclass(frozen=True)
class Run:
    """``document``: what ``ida run --json`` printed; ``refused``: how many orders a risk check held back."""

    orders: Sequence[Sent]
    document: Mapping[str, Any]
    refused: int


def arguments(recording: Path, latency_ms: int, queue: str, *more: str) -> list[str]:
    """Of ``ida``, for one run of the grid."""
    way = (f"sim.request_latency_ms={latency_ms}", f"sim.response_latency_ms={latency_ms}", f"sim.queue={queue}")
    sets = [word for pair in (*FLAGS, *way, *more) for word in ("--set", pair)]
    return ["run", "--feed", str(recording), "--strategy", "grid", *sets]


def run_grid(
    recording: Path, recorded: Recorded, latency_ms: int, queue: str, *more: str, offset_ns: int | None = None
) -> Run:
    """One run by the command line; reports and re-runs, which decide nothing, are left out.

    Args:
        offset_ns: recorder's clock minus the exchange's, instead of what Ida finds.
    """
    ida = Path(sys.executable).with_name("ida")
    words = [ida, *arguments(recording, latency_ms, queue, *more), "--report", "json", "--json"]
    words += ["--set", "run.worst_cases=false"]
    if offset_ns is not None:
        words += ["--set", f"sim.clock_offset_ms={in_ms(offset_ns)}"]
    with tempfile.TemporaryDirectory() as out:
        done = subprocess.run([*words, "--out", out], capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"ida run: {done.stderr.strip()}")
        document = json.loads(done.stdout)
        orders, refused = read_orders(Path(document["run"]["out"]) / "journal")
    shift = -(found_offset_ns(recording) if offset_ns is None else offset_ns)
    return Run([without_end(o, recorded.last_local_ns).shifted(shift) for o in orders], document, refused)


def in_ms(ns: int) -> Decimal:
    """In the unit of the settings, exactly."""
    return Decimal(ns) / NS_PER_MS


@cache
def found_offset_ns(recording: Path) -> int:
    """What Ida takes off if nothing is configured."""
    (feed,) = next(iter(plugins().recordings.values())).open([recording], {})
    offset_ns, _ = clock_offset([feed])
    feed.close()
    return offset_ns


def read_orders(journal: Path) -> tuple[list[Sent], int]:
    """All orders that were sent, from a run's journal; and how many were not, because a check refused them."""
    orders: dict[str, Sent] = {}
    refused = 0
    with JournalReader(journal) as reader:
        for event in reader.scan(("request", "report", "refusal")):
            if isinstance(event, Refusal):
                refused += 1
            elif isinstance(event, PlaceOrder):
                orders[event.order_id] = sent(event)
            elif isinstance(event, CancelOrder):
                orders[event.order_id] = orders[event.order_id]._replace(cancel_sent_ns=event.ts_local_ns)
            elif isinstance(event, OrderUpdate):
                orders[event.order_id] = told(orders[event.order_id], event)
    return list(orders.values()), refused


def sent(request: PlaceOrder) -> Sent:
    assert request.price is not None
    assert request.quantity == 1
    return Sent(request.ts_local_ns, 1 if request.side is Side.BUY else -1, request.price, "resting", 0, 0)


def told(order: Sent, update: OrderUpdate) -> Sent:
    state = STATES.get(update.execution)
    if state is None:
        return order
    rule = update.reason.lower().replace("_", " ") if state == "filled" else ""
    return order._replace(state=state, at_ns=update.ts_venue_ns, rule=rule)


def without_end(order: Sent, last_ns: int) -> Sent:
    """When the recording ends, Ida withdraws what is open, and hftbacktest does not."""
    if order.cancel_sent_ns < last_ns:
        return order
    is_open = order.state == "canceled"
    return order._replace(cancel_sent_ns=0, **({"state": "resting", "at_ns": 0} if is_open else {}))


# ---- a script --------------------------------------------------------------------------------------------------------


class Script(Strategy):
    """Sends the orders of another run at the looks at which they were sent, and keeps what the exchange says."""

    name = "script"

    def __init__(self, orders: Sequence[Sent]) -> None:
        super().__init__()
        self.places: dict[int, list[int]] = defaultdict(list)
        self.cancels: dict[int, list[int]] = defaultdict(list)
        self.orders = [order._replace(state="resting", at_ns=0, rule="") for order in orders]
        self.numbers: dict[str, int] = {}
        self.ids: dict[int, str] = {}
        for number, order in enumerate(orders):
            self.places[order.sent_ns].append(number)
            self.cancels[order.cancel_sent_ns].append(number)

    def on_start(self, ctx: Context) -> None:
        ctx.every(LOOK_S)

    def on_timer(self, ctx: Context, timer: Timer) -> None:
        for number in self.cancels[timer.due_ns]:
            if number in self.ids:
                ctx.cancel(self.ids[number])
        for number in self.places[timer.due_ns]:
            self.place(ctx, number)

    def place(self, ctx: Context, number: int) -> None:
        order = self.orders[number]
        side = Side.BUY if order.side > 0 else Side.SELL
        order_id = ctx.place(side, 1, order.price, post_only=True)
        if order_id is None:  # no snapshot yet
            self.orders[number] = order._replace(state="rejected", at_ns=ctx.now_ns)
        else:
            self.ids[number], self.numbers[order_id] = order_id, number

    def on_order(self, ctx: Context, update: OrderUpdate) -> None:
        number = self.numbers[update.order_id]
        self.orders[number] = told(self.orders[number], update)


def run_script(
    recording: Path, recorded: Recorded, orders: Sequence[Sent], latency_ms: int, queue: str, offset_ns: int
) -> list[Sent]:
    """The same requests to Ida's exchange, at the same times; what became of each."""
    way = Decimal(latency_ms)
    strategy, venue_class = Script([o.shifted(offset_ns) for o in orders]), plugins().lookup("venues", "sim")
    config = venue_class.Config(
        request_latency_ms=way, response_latency_ms=way, queue=queue, clock_offset_ms=in_ms(offset_ns)
    )
    recordings = tuple(plugins().recordings.values())
    venue = venue_class.build(VenueSetup(config=config, feed=(str(recording),), recordings=recordings))
    run_engine(build_engine(Settings(run=RunSettings()), venue, [strategy], [], Log.silent(), None))
    venue.close()
    return [still_open(o, recorded.last_local_ns).shifted(-offset_ns) for o in strategy.orders]


def still_open(order: Sent, last_ns: int) -> Sent:
    """As ``without_end``, for a script, which does not know of that cancel."""
    ended = order.state == "canceled" and order.at_ns >= last_ns
    return order._replace(state="resting", at_ns=0) if ended else order
