"""All market streams of the server: who listens to what, and what faults do to messages on their way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import trio

from ida_core.native import lib
from ida_sim.server import stream_names as names
from ida_sim.server.channels import (
    AggregateChannel,
    Channel,
    Listener,
    MergedDepth,
    PartialDepth,
    RecordChannel,
    TradeChannel,
)
from ida_sim.server.faults import Faults
from ida_sim.server.market import ServerMarket
from ida_sim.server.message_faults import MessageFaults
from ida_sim.server.stream_names import StreamName, read_stream
from ida_sim.server.symbol_market import SymbolMarket
from ida_sim.server.tickers import ticker_channel
from ida_sim.server.wire import Wire

_TICK_NS = 100_000_000
#: Which records a stream follows.
_RECORDS: Mapping[str, int] = {
    names.TRADE: lib.IDA_TRADE, names.AGGREGATE: lib.IDA_TRADE, names.QUOTE: lib.IDA_QUOTE, names.DEPTH: lib.IDA_DEPTH}


class Flushed(Protocol):
    """A connection, as far as batches concern it."""

    def flush(self) -> None: ...


class SymbolStreams:
    """The streams of one symbol that follow its records."""

    def __init__(self, symbol: SymbolMarket) -> None:
        self.symbol = symbol
        self.wire = Wire(symbol.instrument)
        self._listening: dict[int, list[RecordChannel]] = {kind: [] for kind in _RECORDS.values()}
        symbol.publish = self.publish

    def publish(self, kind: int, record: Any, event_ns: int, trade_ns: int) -> None:
        for channel in self._listening.get(kind, ()):
            channel.publish(record, event_ns, trade_ns)

    def listen(self, kind: str, channel: RecordChannel) -> None:
        self._listening[_RECORDS[kind]].append(channel)

    def drop(self, channel: Channel) -> None:
        for channels in self._listening.values():
            if channel in channels:
                channels.remove(channel)


class Streams:
    """Connects the market with connections."""

    def __init__(self, market: ServerMarket, faults: Faults) -> None:
        self.market = market
        self._channels: dict[str, Channel] = {}
        self._timed: list[Channel] = []
        self._symbols = {name: SymbolStreams(symbol) for name, symbol in market.symbols.items()}
        self.troubles = MessageFaults(faults)
        #: Those that are open.
        self.connections: list[Flushed] = []

    def subscribe(self, listener: Listener, name: str) -> None:
        """From now on ``listener`` is told ``name``; one that does not exist never tells anything."""
        stream = read_stream(name)
        if stream is None or (stream.symbol and stream.symbol not in self._symbols):
            return
        channel = self._channels.get(name)
        if channel is None:
            channel = self._channels[name] = self._open(name, stream)
        channel.add(listener)
        for symbol in [stream.symbol] if stream.symbol else list(self._symbols):
            self.market.subscribed(self._symbols[symbol].symbol)

    def unsubscribe(self, listener: Listener, name: str) -> None:
        channel = self._channels.get(name)
        if channel is None:
            return
        channel.remove(listener)
        if not channel.forms:
            self._close(name, channel)

    def _close(self, name: str, channel: Channel) -> None:
        del self._channels[name]
        if channel in self._timed:
            self._timed.remove(channel)
        for symbol in self._symbols.values():
            symbol.drop(channel)

    def _open(self, name: str, stream: StreamName) -> Channel:
        channel = self._make(name, stream)
        if isinstance(channel, RecordChannel):
            self._symbols[stream.symbol].listen(stream.kind, channel)
        if channel.every_ms:
            self._timed.append(channel)
        return channel

    def _make(self, name: str, stream: StreamName) -> Channel:
        own = self._symbols.get(stream.symbol)
        if own is None:
            return ticker_channel(name, self.troubles, stream, self.market)
        if stream.kind == names.PARTIAL:
            return PartialDepth(name, self.troubles, own.wire, own.symbol, int(stream.argument), stream.every_ms)
        if stream.kind == names.DEPTH and stream.every_ms >= 1000:
            return MergedDepth(name, self.troubles, own.wire, stream.every_ms)
        if stream.kind == names.AGGREGATE:
            return AggregateChannel(name, self.troubles, own.wire, own.symbol)
        if stream.kind in _RECORDS:
            return (TradeChannel if stream.kind == names.TRADE else RecordChannel)(name, self.troubles, own.wire)
        return ticker_channel(name, self.troubles, stream, self.market)

    def flush(self) -> None:
        """Have sent what was put to connections."""
        for connection in tuple(self.connections):
            connection.flush()

    async def run(self) -> None:
        """Send what is due by the clock, until cancelled."""
        while True:
            clock_ns = int(trio.current_time() * 1e9)
            for channel in tuple(self._timed):
                if clock_ns >= channel.due_ns:
                    period_ns = channel.every_ms * 1_000_000
                    channel.due_ns = clock_ns - clock_ns % period_ns + period_ns
                    channel.tick(self.market.now_ns())
            self.troubles.release(trio.current_time())
            self.flush()
            await trio.sleep((_TICK_NS - clock_ns % _TICK_NS) / 1e9)
