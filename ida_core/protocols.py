"""What plugins provide. A hook returns classes; the engine builds them with their configuration.

A plugin class has ``name`` (what users write), ``api`` (the API level it was made for, 1) and may have a nested
``Config``: a frozen ``msgspec.Struct`` whose fields are its section of the configuration, with defaults. It is built
as ``cls(config)``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

import msgspec

from ida_core.errors import PluginError
from ida_core.events import (
    AnyRequest,
    BalanceUpdate,
    Bar,
    Event,
    FundingPayment,
    Mark,
    MarketState,
    Note,
    OrderRequest,
    OrderUpdate,
    Quote,
    Signal,
    Timer,
    Trade,
    VenueStatus,
)
from ida_core.model import Instrument, Side

if TYPE_CHECKING:
    from ida_core.book import Book, Market
    from ida_core.context import Context
    from ida_core.inlet import Inlet
    from ida_core.order_table import OrderTable
    from ida_core.report import Report
    from ida_core.risk import RiskState

API_LEVEL = 1
#: How long a live depth stream may be silent before its book is stale, unless its feed says otherwise.
STALENESS_NS = 3_000_000_000


class NoConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The section of a plugin that has nothing to set."""


class Plugin:
    """Base of all plugin classes."""

    name: ClassVar[str]
    api: ClassVar[int] = API_LEVEL
    Config: ClassVar[type[msgspec.Struct]] = NoConfig

    def __init__(self, config: Any = None) -> None:
        self.config: Any = config if config is not None else self.Config()


class Strategy(Plugin):
    """State and an event in, requests out: synchronous and pure, no I/O, no clock but ``ctx.now_ns``.

    Override what you need; only overridden methods are called. ``book_updates`` chooses when ``on_book`` is called:
    ``"top"`` when best bid or ask changed, ``"every"`` on each change of any level, or ``"100ms"`` at most so often.
    Requests are placed by ``ctx.place(...)``, ``ctx.cancel(...)``, ``ctx.replace(...)``.
    """

    book_updates: ClassVar[str] = "top"

    def on_start(self, ctx: Context) -> None: ...
    def on_stop(self, ctx: Context) -> None: ...
    def on_book(self, ctx: Context, book: Book) -> None: ...
    def on_trade(self, ctx: Context, trade: Trade) -> None: ...
    def on_quote(self, ctx: Context, quote: Quote) -> None: ...
    def on_bar(self, ctx: Context, bar: Bar) -> None: ...
    def on_mark(self, ctx: Context, mark: Mark) -> None: ...
    def on_fill(self, ctx: Context, fill: OrderUpdate) -> None: ...
    def on_order(self, ctx: Context, update: OrderUpdate) -> None: ...
    def on_timer(self, ctx: Context, timer: Timer) -> None: ...
    def on_funding(self, ctx: Context, funding: FundingPayment) -> None: ...
    def on_signal(self, ctx: Context, signal: Signal) -> None: ...
    def on_market_state(self, ctx: Context, state: MarketState) -> None: ...


class RiskCheck(Plugin):
    """Says no before a request is sent. Cancels are never asked about."""

    def check(self, request: OrderRequest, state: RiskState) -> str | None:
        """Return None to let the request pass, or one sentence with the value and the limit."""
        raise NotImplementedError

    def halt(self, state: RiskState) -> str | None:
        """Asked after each fill and on each second of simulated or real time: a sentence stops the run (exit 5)."""
        return None

    def bounds(self) -> Sequence[str]:
        """What it bounds as it is configured, of ``order``, ``position`` and ``loss``: LIVE needs a bound of each."""
        return ()


class Reporter(Plugin):
    """Makes something for people out of a finished run."""

    def write(self, report: Report, folder: Path) -> Path | None:
        """Write into ``folder`` and return the file, or None for what went to the terminal."""
        raise NotImplementedError


class ReportPanel(Plugin):
    """A section of the HTML report."""

    title: ClassVar[str]

    def html(self, report: Report) -> str:
        raise NotImplementedError


class Subscription(msgspec.Struct, frozen=True):
    """What an instrument's subscribers need of the venue: the union of all strategies."""

    book: Literal["none", "top", "every"] = "none"
    interval_ns: int = 0
    trades: bool = False
    quotes: bool = False
    bars: bool = False
    marks: bool = False


class Listed(msgspec.Struct, frozen=True):
    """One instrument of a market: as traded, its chaining rule (``lib.IDA_CHAIN_...``: 0 contiguous, 1 previous), and
    in ticks the first price (0: not known) and how high its books must reach."""

    instrument: Instrument
    chain: int
    first_price: int
    highest: int


class LiveSetup(msgspec.Struct, frozen=True, kw_only=True):
    """What a live feed is built from: its own section as ``config``, the symbols that the run wants (none: the feed
    chooses), overrides of instruments by symbol, and the folder to record into what arrives, if it is to."""

    config: Any
    symbols: tuple[str, ...] = ()
    instruments: Mapping[str, Mapping[str, Any]] = msgspec.field(default_factory=dict)
    record: Path | None = None


class LiveFeed(Plugin):
    """Market data as it happens, for ``--feed NAME``: paper trading, and later trading, on prices of now.

    Built by ``build`` before the loop begins; what it says of the exchange then (``listed``) holds for the run.
    ``instrument`` is an index in ``listed()``, everywhere.

    ``options`` are command line options of its own, each a shorthand for a key of its section: ``{"--w-url": "url"}``.
    ``staleness_ns``: how long a depth stream may be without proof of life before its book is not to be trusted.
    ``clock_offset_ns``: our clock less the exchange's, as far as known. ``latency_ns``: samples of how long data takes
    from there to us, for the simulated exchange's latency; empty where nothing was measured.
    """

    options: ClassVar[Mapping[str, str]] = {}
    staleness_ns: int = STALENESS_NS
    clock_offset_ns: int = 0
    latency_ns: Sequence[int] = ()

    def __init__(self, setup: LiveSetup) -> None:
        super().__init__(setup.config)
        self.setup = setup

    @classmethod
    def build(cls, setup: LiveSetup) -> LiveFeed:
        """Ask the exchange what must be known before the run: instruments, the time.

        Raises:
            VenueError: it cannot be reached, or refuses.
            ConfigError: it has no such symbol.
        """
        return cls(setup)

    def listed(self) -> Sequence[Listed]:
        """The instruments of the run, those asked for in their order."""
        raise NotImplementedError

    def subscribe(self, instrument: int, subscription: Subscription) -> None:
        """What strategies want of an instrument, told before ``run`` and again when it changes. The depth stream is
        always wanted."""

    async def run(self, inlet: Inlet) -> None:
        """Connect, subscribe, keep the inlet fed, mend what breaks; until canceled.

        Raises:
            IdaError: what cannot be mended; it ends the run in order, with this error's exit code.
        """
        raise NotImplementedError

    def assumptions(self) -> Mapping[str, str]:
        """What a reader of a result must know of these prices, in words."""
        return {}

    def description(self) -> Mapping[str, Any]:
        """For the journal's first record: where the prices come from."""
        return {}

    def timings(self) -> Mapping[str, Mapping[str, float]]:
        """Measurements of its own in µs, such as ``decode`` → p50, p99; may be empty."""
        return {}

    def off_grid(self) -> Mapping[str, Mapping[str, int]]:
        """Of symbols whose prices or quantities lay between the steps of their grid: ``quantities_rounded``,
        ``levels_off_tick``, ``events_off_tick``. A venue on recorded or live prices may have this method too; it
        becomes part of the journal's last record and of the report's ``data``."""
        return {}

    def warnings(self) -> Sequence[str]:
        """Sentences on what went wrong without ending the run."""
        return ()

    def last_words(self) -> Sequence[Note]:
        """What is to be journaled of it when the run ends, while it is still at work: final counts and the like."""
        return ()

    def close(self) -> None:
        """Give back what ``build`` took."""


def _no_other(name: str) -> Any:
    raise PluginError(f"there is no exchange {name!r} in this set-up to stand on")


class VenueSetup(msgspec.Struct, frozen=True, kw_only=True):
    """What a venue is built from: its own section as ``config``, and the parts of the run that concern it.

    ``feed``: paths of recordings or the word ``synthetic``; ``instruments``: overrides by symbol (tick size, lot
    size, filters); ``duration_s``: of a market without an end; ``seed``: for everything that is drawn;
    ``build_other``: builds the venue of a name with its own section and all else as here, for a venue that stands on
    another; ``live``: builds the live feed that the run names, whose prices come as time goes by (then ``feed`` is
    empty, and the venue's ``simulated`` must be false); None where there is none.
    """

    config: Any
    feed: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    instruments: Mapping[str, Mapping[str, Any]] = msgspec.field(default_factory=dict)
    on_damage: str = "stop"
    seed: int = 1
    duration_s: float | None = None
    recordings: tuple[Any, ...] = ()
    build_other: Callable[[str], Any] = _no_other
    live: Callable[[], LiveFeed] | None = None


class WorstCase(msgspec.Struct, frozen=True):
    """A re-run with one assumption made worse: its name, what is different, the venue's section for it."""

    name: str
    what: str
    config: Any


@runtime_checkable
class Venue(Protocol):
    """Our adapter to an exchange; ``ida_core.testing.check_venue`` is this contract as tests.

    A class that hook ``ida_venues`` returns has ``name`` (what ``--exchange`` says), ``mode`` (SIM, TESTNET, DEMO or
    LIVE), a nested ``Config``, and ``build(setup: VenueSetup) -> Venue``; one that can be re-run under worse
    assumptions also has ``worst_cases() -> Sequence[WorstCase]``.

    Time: a venue with ``simulated`` true is pulled: ``next_event(until_ns)`` advances its own time. A live venue
    delivers through the same method what has arrived, without waiting; it has three methods more, ``LiveVenue``'s.
    """

    name: ClassVar[str]
    mode: ClassVar[str]

    @property
    def simulated(self) -> bool: ...

    def instruments(self) -> Sequence[Instrument]: ...
    def market(self, instrument: int) -> Market: ...
    def subscribe(self, instrument: int, subscription: Subscription) -> None: ...
    def attach(self, journal: Any) -> None:
        """Market records that reach us are appended to this ``ida_core.journal.JournalWriter`` from now on; None:
        nowhere any more."""
    def start_ns(self) -> int:
        """Local time of the first event (simulated), or now."""
    def last_ns(self) -> int | None:
        """Local time of the last event, where it is known."""
    def next_event(self, until_ns: int) -> Event | int | None:
        """The next event at or before ``until_ns``; an ``int`` is an instrument whose book changed (no object is
        made for it); None when there is nothing until then, or nothing yet. ``now_ns`` is the time it got to."""
    @property
    def now_ns(self) -> int: ...
    @property
    def events(self) -> int:
        """Market records that have reached us."""
    @property
    def finished(self) -> bool:
        """Nothing is under way, and nothing will come by itself any more."""
    def send(self, request: AnyRequest) -> None:
        """Hand over one approved request; answers come as events. Never raises for what the exchange may refuse."""
    def balances(self) -> Mapping[str, tuple[Decimal, Decimal]]:
        """Asset → (free, locked), as the exchange has it."""
    def assumptions(self) -> Mapping[str, str]:
        """What a reader of the result must know: latency, queue, fees, fill, clock, ... in words."""
    def description(self) -> Mapping[str, Any]:
        """For the journal's first record: chains (one per instrument), feeds [{name, sha256}]."""
    def timings(self) -> Mapping[str, Mapping[str, float]]:
        """Wall-clock measurements of its own in µs, such as ``decode`` → p50, p99 per message; may be empty."""
    def warnings(self) -> Sequence[str]:
        """Sentences on what was found in the data or went wrong without stopping the run."""
    def close(self) -> None: ...


@runtime_checkable
class LiveVenue(Protocol):
    """What a venue whose ``simulated`` is false has besides ``Venue``'s methods."""

    async def work(self) -> None:
        """Runs beside the engine, until canceled: connections and the like. An ``IdaError`` ends the run in order."""
    async def wait(self, until_ns: int) -> None:
        """Return when something has arrived since the last wait, or is due, or at ``until_ns``."""
    def real_ns(self) -> int:
        """Up to when events may be asked for: the machine's clock, or the last arrival where that is later."""


@runtime_checkable
class TradingVenue(LiveVenue, Protocol):
    """What a live venue that trades on an account has besides ``LiveVenue``'s methods.

    It tells ``VenueStatus``: ``RECONCILING`` from the start, ``HEALTHY`` once it has asked for open orders, trades and
    balances and has told what they say; ``DOWN`` and ``RECONCILING`` again around every gap. What it cannot tell by
    itself - whose trades are known, which orders are believed open - it reads from the table it follows.
    """

    @property
    def account(self) -> str:
        """Names environment and account in journals: equal for the same account, no secret and no key; never empty."""

    def follow(self, orders: OrderTable) -> None:
        """Called once before ``work``: the orders of the run, as they become known; to be read only."""

    async def settle(self) -> None:
        """Ask once more for open orders, trades and balances, and tell what is new and then the balances as a
        ``SNAPSHOT``: called when the run ends, while ``work`` goes on. Bounded by its own timeouts."""


@runtime_checkable
class Recording(Protocol):
    """A format of recorded market data that a package can read (hook ``ida_recordings``)."""

    name: str

    def recognises(self, path: Path, head: bytes) -> bool: ...
    def open(self, paths: Sequence[Path], options: Mapping[str, Any]) -> Any:
        """A list of ``ida_core.feed.Feed``, one per file in their order, on one grid; converts and
        caches as needed. ``options``: ``on_damage`` (``stop``, ``skip``) and ``instruments``."""
    def check(self, paths: Sequence[Path], options: Mapping[str, Any] | None = None) -> Any:
        """A frozen record with ``sound``, ``trusted`` and every fault by its line."""


class FeedPlugin(Plugin):
    """An async source of events (news, other venues' prices): journaled like all others, so it replays too."""

    def events(self) -> AsyncIterator[Signal]:
        raise NotImplementedError


__all__ = [
    "API_LEVEL", "BalanceUpdate", "FeedPlugin", "Listed", "LiveFeed", "LiveSetup", "LiveVenue", "NoConfig", "Plugin",
    "Recording", "ReportPanel", "Reporter", "RiskCheck", "Side", "Strategy", "Subscription", "TradingVenue", "Venue",
    "VenueSetup", "VenueStatus", "WorstCase",
]
