"""A market that stands still, for tests of the server's endpoints: it says what it was told."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import httpx
import trio
from hypercorn.config import Config
from hypercorn.trio import serve

from ida_core import Instrument
from ida_sim.server.access import Access
from ida_sim.server.api import Api
from ida_sim.server.control import control_routes
from ida_sim.server.endpoints import ENDPOINTS, Endpoint
from ida_sim.server.faults import Faults
from ida_sim.server.limits import Budget, Limits
from ida_sim.server.permissions import PERMISSIONS
from ida_sim.server.rest import rest_app
from ida_sim.server.statistics import NS, Statistics, Tape, Trade

#: 2026-01-01T00:00:30Z
NOW_NS = 1_767_225_630_000_000_000
MS = 1_000_000


def instrument(symbol: str = "BTCUSDT") -> Instrument:
    return Instrument(
        symbol=symbol, base=symbol[:3], quote=symbol[3:], tick_size=Decimal("0.01"), lot_size=Decimal("0.00001"))


class StillSymbol:
    """One symbol: a book of ``depth`` levels a side around ``mid`` ticks."""

    def __init__(self, symbol: str = "BTCUSDT", mid: int = 6_000_000, depth: int = 2000) -> None:
        self.instrument, self.status, self.last_update_id = instrument(symbol), "TRADING", 500_000
        self.bids = [(mid - 1 - i, 100_000 + i) for i in range(depth)]
        self.asks = [(mid + 1 + i, 200_000 + i) for i in range(depth)]
        self.statistics, self.tape = Statistics(), Tape()

    def book(self, limit: int) -> tuple[Sequence[tuple[int, int]], Sequence[tuple[int, int]]]:
        return self.bids[:limit], self.asks[:limit]

    def trade(self, number: int, price: int, lots: int, time_ns: int, sold: bool = False) -> None:
        trade = Trade(number, price, lots, time_ns, sold, number, number)
        self.statistics.add(trade)
        self.tape.add(trade)


class StillMarket:
    """Its clock moves when ``clock_ns`` is set; the faults' offset is added."""

    def __init__(self, *symbols: StillSymbol) -> None:
        self.symbols = {symbol.instrument.symbol: symbol for symbol in symbols or (StillSymbol(),)}
        self.clock_ns = NOW_NS
        self.faults: Faults | None = None

    def now_ns(self) -> int:
        return self.clock_ns + (self.faults.clock_offset_ns if self.faults else 0)


def make_api(market: StillMarket | None = None, budget: Budget | None = None, accounts: Iterable[Any] = (),
             more: Iterable[Endpoint] = ()) -> Api:
    """The endpoints, and ``more``, over a still market; faults run on the market's clock."""
    market = market or StillMarket()
    faults = Faults(lambda: market.clock_ns / NS)
    market.faults = faults
    access = Access(market.now_ns, accounts, budget)
    return Api(market, Limits(market.now_ns, budget), faults, access, (*ENDPOINTS, *PERMISSIONS, *more))


@asynccontextmanager
async def serving(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the REST API, over a real socket."""
    config = Config()
    config.bind, config.errorlog, config.accesslog = ["127.0.0.1:0"], None, None
    config.graceful_timeout = 0
    async with trio.open_nursery() as nursery:
        stop = trio.Event()
        bound: list[str] = await nursery.start(_serve, rest_app(api, control_routes(api)), config, stop)
        async with httpx.AsyncClient(base_url=bound[0], trust_env=False, timeout=10) as client:
            yield client
        stop.set()


async def _serve(app: Any, config: Config, stop: trio.Event, task_status: trio.TaskStatus[list[str]]) -> None:
    await serve(app, config, shutdown_trigger=stop.wait, task_status=task_status)
