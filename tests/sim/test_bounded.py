"""Nothing in a run grows with its length: every container of engine and exchange, counted at two times."""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from ida_core import Side, Strategy, TimeInForce, VenueSetup
from ida_core.clock import SimulatedClock
from ida_core.engine import Engine, Stop
from ida_core.ledger import Ledger
from ida_core.log import Log
from ida_core.order_table import OrderTable
from ida_core.portfolio import Portfolio
from ida_core.run import run_engine
from ida_sim.config import SimConfig
from ida_sim.venue import SimVenue

FIRST, SECOND = 1_500, 4_000
#: Open orders and what is under way go up and down by so many.
SLACK = 100


class Restless(Strategy):
    """Takes, rests, cancels, and sets timers that it cancels before, after and when they are due."""

    name = "restless"

    def __init__(self) -> None:
        super().__init__()
        self.calls, self.old_timer = 0, 0
        self.sizes: list[dict[str, int]] = []

    def on_book(self, ctx: Any, book: Any) -> None:
        self.calls += 1
        buys = self.calls % 2 == 0
        price = book.ask if buys else book.bid
        if price is not None:
            ctx.place(Side.BUY if buys else Side.SELL, 100, price, tif=TimeInForce.IOC)
            ctx.place(Side.BUY, 1000, price // 2, post_only=True, note="to be canceled")
            ctx.place(Side.BUY, 0, price, note="refused")
        for order_id, order in list(ctx.orders.items()):
            if not order.is_pending:
                ctx.cancel(order_id)
        ctx.cancel_timer(self.old_timer)
        ctx.cancel_timer(ctx.set_timer(86_400))
        self.old_timer = ctx.set_timer(0.001)
        if self.calls in (FIRST, SECOND):
            self.sizes.append(dict(_sizes(ctx._engine)))
        if self.calls == SECOND:
            ctx._engine.stop_wanted = Stop("enough")


def _sizes(root: Any) -> Iterator[tuple[str, int]]:
    """Path and size of each container that can be reached through our own objects; the strategies' own are theirs."""
    seen: set[int] = set()
    waiting = [("engine", root)]
    while waiting:
        path, thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, Strategy):
            continue
        seen.add(id(thing))
        if isinstance(thing, dict | list | set | deque | tuple):
            yield path, len(thing)
            items = thing.items() if isinstance(thing, Mapping) else enumerate(thing)
            if len(thing) < SLACK:
                waiting += [(f"{path}[{key!r}]", value) for key, value in items]
        elif type(thing).__module__.startswith(("ida_core", "ida_sim")):
            names = [*getattr(thing, "__dict__", ()), *_slots(type(thing)), *getattr(thing, "__struct_fields__", ())]
            waiting += [(f"{path}.{name}", getattr(thing, name, None)) for name in names]


def _slots(kind: type) -> list[str]:
    return [name for one in kind.__mro__ for name in getattr(one, "__slots__", ())]


def test_no_container_grows_with_the_run() -> None:
    venue = SimVenue.build(VenueSetup(config=SimConfig(), feed=("synthetic",), seed=5, duration_s=3600))
    strategy, instruments = Restless(), venue.instruments()
    ledger = Ledger(instruments)
    for asset, (free, locked) in venue.balances().items():
        ledger.post_opening(asset, free + locked)
    orders = OrderTable("t", closed_kept=50, trades_kept=50)
    engine = Engine(
        venue, [strategy], (), orders=orders, portfolio=Portfolio(instruments), ledger=ledger, log=Log.silent(),
        clock=SimulatedClock(venue.start_ns()))
    run_engine(engine)
    assert engine.failures == []
    first, second = strategy.sizes
    assert len(first) > 60, "the walk found the engine's parts"
    assert min(orders.counters["filled"], orders.counters["canceled"]) > SECOND / 4
    assert {path: (first.get(path), size) for path, size in second.items() if size > first.get(path, 0) + SLACK} == {}
    venue.close()
