"""Live market data of Binance spot: the feeds ``binance``, ``binance-testnet`` and ``binance-demo``.

What connects is imported when a run does: to know of these feeds costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

from ida_binance.budget import NS_PER_S
from ida_binance.environments import DEMO, LIVE, TESTNET, addresses
from ida_binance.streams import Stream, parse
from ida_core.errors import ConfigError
from ida_core.inlet import Inlet
from ida_core.protocols import Listed, LiveFeed, LiveSetup, Subscription

if TYPE_CHECKING:
    from pathlib import Path

    from ida_binance.asking import Asked
    from ida_binance.pool import Health
    from ida_binance.running import Running
    from ida_core.events import Note
    from ida_core.recorder import RecorderState


class BinanceConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an environment of Binance spot is connected to, for prices and for orders, and what is done when that
    fails."""

    url: Annotated[str, Meta(description="One base address in the place of all the exchange's own.")] = ""
    connections: Annotated[int, Meta(ge=1, le=8, description="Redundant connections that carry each stream.")] = 2
    staleness_s: Annotated[float, Meta(ge=0.2, le=3600, description="A book without proof of life goes stale.")] = 3.0
    depth_ms: Annotated[Literal[100, 1000], Meta(description="How often the depth stream speaks.")] = 100
    trades: Annotated[Literal["trade", "agg"], Meta(description="Single trades, or one taker order's.")] = "trade"
    bars: Annotated[str, Meta(description="Interval of the bars that strategies get.")] = "1m"
    streams: Annotated[tuple[str, ...], Meta(description="Further streams, by Binance's names.")] = ()
    snapshot_levels: Annotated[int, Meta(ge=100, le=5000, description="Levels a side of a snapshot, at most.")] = 5000
    patience_s: Annotated[float, Meta(ge=0, le=1e6, description="How long it may be down before the run ends.")] = 300.0
    attempts: Annotated[int, Meta(ge=1, le=300, description="Connection attempts in 5 minutes, at most.")] = 250
    timeout_s: Annotated[float, Meta(ge=0.1, le=120, description="For an answer, or for a connection.")] = 10.0
    heartbeat_s: Annotated[float, Meta(ge=0.25, le=20, description="Between two pings of a connection.")] = 1.0
    pong_s: Annotated[float, Meta(ge=0.1, le=60, description="Without a pong for so long it is dead.")] = 5.0
    hold_ms: Annotated[int, Meta(ge=0, le=10_000, description="How long a message waits for a lost one.")] = 250
    lifetime_s: Annotated[float, Meta(ge=1, le=86_400, description="A connection that old is replaced.")] = 82_800.0
    deflate: Annotated[bool, Meta(description="Offer compression, at a Python object a message.")] = False
    share_budget: Annotated[bool, Meta(description="Count requests together with other processes of Ida.")] = True
    ca_file: Annotated[str, Meta(description="Certificates to trust beside the system's.")] = ""
    record_flush_s: Annotated[float, Meta(ge=0.01, le=3600, description="What a crash costs a recording.")] = 1.0
    record_rotate_s: Annotated[float, Meta(ge=0, description="A recording begins a new file so often.")] = 3600.0
    record_rotate_mib: Annotated[float, Meta(ge=0, description="... and at that size; 0: never.")] = 0.0
    key: Annotated[str, Meta(description="sealed:, keyring:, credential[:]NAME or fd:N; the only one if empty.")] = ""
    passphrase: Annotated[str, Meta(description="Of a sealed key: fd:N, credential or prompt.")] = ""
    allow_withdrawal_key: Annotated[bool, Meta(description="Trade with real money by a key that can withdraw.")] = False
    allow_any_ip: Annotated[bool, Meta(description="... by a key that is bound to no address.")] = False
    orders_by: Annotated[Literal["ws-api", "rest"], Meta(description="Which API carries orders by itself.")] = "ws-api"
    recv_window_ms: Annotated[int, Meta(ge=1, le=60_000, description="No request is carried out that is older.")] = 5000
    turn_s: Annotated[float, Meta(ge=0.1, le=120, description="How long a request may wait for its turn.")] = 10.0
    ask_after_s: Annotated[float, Meta(ge=0, le=60, description="An order without an answer is asked for then.")] = 1.0
    reconcile_s: Annotated[float, Meta(ge=1, le=86_400, description="Between two looks at the account.")] = 60.0


class BinanceFeed(LiveFeed):
    """What the three feeds share; each is an environment of its own."""

    Config: ClassVar[type[msgspec.Struct]] = BinanceConfig
    options: ClassVar[Mapping[str, str]] = {"--binance-url": "url"}

    def __init__(self, setup: LiveSetup, asked: Asked, streams_url: str, extra: Sequence[Stream]) -> None:
        super().__init__(setup)
        self.asked, self.streams_url, self.extra = asked, streams_url, extra
        self.staleness_ns = int(self.config.staleness_s * NS_PER_S)
        self.clock_offset_ns, self.latency_ns = asked.offset_ns, asked.latency_ns
        self.wants: dict[int, Subscription] = {}
        self._running: Running | None = None

    @classmethod
    def build(cls, setup: LiveSetup) -> BinanceFeed:
        """Ask for the time, the instruments and their last prices.

        Raises:
            ConfigError: an address of another environment, an unknown stream or symbol.
            VenueError: the exchange cannot be reached, refuses, or is none.
        """
        from ida_binance.asking import ask

        config = setup.config
        where = addresses(cls.name, config.url)
        extra = [parse(name) for name in config.streams]
        parse(f"symbol@kline_{config.bars}")
        feed = cls(setup, ask(cls.name, where, setup), where.streams, extra)
        symbols = feed.symbols()
        for stream in extra:
            if stream.symbol and stream.symbol not in symbols:
                raise ConfigError(
                    f"{cls.name}.streams: {stream.name} is of {stream.symbol}, and the run has {', '.join(symbols)}",
                    code="IDA-E3004")
        return feed

    def listed(self) -> Sequence[Listed]:
        return self.asked.listed

    def symbols(self) -> list[str]:
        return [item.instrument.symbol for item in self.asked.listed]

    def subscribe(self, instrument: int, subscription: Subscription) -> None:
        self.wants[instrument] = subscription
        if self._running is not None:
            self._running.changed()

    def depth_stream(self, symbol: str) -> str:
        return Stream("depth", symbol, speed_ms=self.config.depth_ms).name

    def streams(self) -> dict[str, int | None]:
        """All stream names that are wanted now, with their instrument; None for those of all symbols."""
        trades = "trade" if self.config.trades == "trade" else "aggTrade"
        found: dict[str, int | None] = {}
        for i, symbol in enumerate(self.symbols()):
            names = [self.depth_stream(symbol), Stream("bookTicker", symbol).name, Stream(trades, symbol).name]
            if i in self.wants and self.wants[i].bars:
                names.append(Stream("kline", symbol, self.config.bars).name)
            found |= dict.fromkeys(names, i)
        index = {symbol: i for i, symbol in enumerate(self.symbols())}
        return found | {s.name: index[s.symbol] if s.symbol else None for s in self.extra}

    async def run(self, inlet: Inlet) -> None:
        """Connect, subscribe, keep the inlet fed, mend what breaks; until canceled.

        Raises:
            VenueError: what cannot be mended, or was not within ``patience_s``.
        """
        from ida_binance.running import Running

        self._running = Running(self, inlet)
        await self._running.run()

    def health(self) -> list[Health]:
        """How each connection stands; empty before ``run``."""
        return self._running.health() if self._running else []

    def brings(self, instrument: int) -> bool:
        """Whether a connection at work is known to bring the instrument's book."""
        return self._running is not None and self._running.brings(instrument)

    @property
    def recorded(self) -> RecorderState | None:
        """How the recording stands, or ended; None where nothing is recorded, or not yet."""
        return self._running.recorded if self._running else None

    def recorded_files(self) -> list[Path]:
        """The files of this recording, in their order."""
        return self._running.recorded_files() if self._running else []

    def assumptions(self) -> Mapping[str, str]:
        offset_ms = self.clock_offset_ns / 1e6
        word = "ahead of" if offset_ms >= 0 else "behind"
        return {
            "prices": f"live from {self.name} ({self.streams_url}), each stream over {self.config.connections} "
                      "connections",
            "clock": f"our clock is {abs(offset_ms):.1f} ms {word} the exchange's, measured before the run",
        }  # fmt: skip

    def description(self) -> Mapping[str, Any]:
        return {"feed": self.name, "rest": self.asked.rest.base, "streams": self.streams_url}

    def last_words(self) -> Sequence[Note]:
        return self._running.last_words() if self._running else ()

    def off_grid(self) -> Mapping[str, Mapping[str, int]]:
        return self._running.off_grid() if self._running else {}

    def warnings(self) -> Sequence[str]:
        rows = [self.asked.info.listing(symbol) for symbol in self.symbols()]
        idle = [f"{row.symbol}: its status at the exchange is {row.status}" for row in rows if row.status != "TRADING"]
        return idle + (self._running.warnings() if self._running else [])


class Binance(BinanceFeed):
    """The exchange itself."""

    name = LIVE


class BinanceTestnet(BinanceFeed):
    """Its testnet."""

    name = TESTNET


class BinanceDemo(BinanceFeed):
    """Its demo mode."""

    name = DEMO


FEEDS = (Binance, BinanceTestnet, BinanceDemo)
