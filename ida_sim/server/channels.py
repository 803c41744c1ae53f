"""A stream while somebody listens: who they are, in which form they want it, and what it sends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from ida_core.native import ffi, lib
from ida_sim.server.statistics import Trade
from ida_sim.server.symbol_market import SymbolMarket
from ida_sim.server.wire import Envelope, Wire

MS_NS = 1_000_000
#: An aggregate trade that nothing follows is told after at most so long.
AGGREGATE_MS = 100


class Framed(Protocol):
    """A connection, as what goes out to it sees it."""

    number: int
    #: Whole frames that go out with the batch.
    frames: list[bytes]


class Listener(Framed, Protocol):
    """A connection, as streams see it."""

    combined: bool
    unit_ns: int


class Troubles(Protocol):
    """What may become of messages on their way."""

    @property
    def are_there(self) -> bool: ...

    def deliver(self, listener: Listener, name: str, frame: bytes) -> None:
        """Put a frame of the stream ``name`` to a listener, or whatever faults make of it."""
        ...


class Form:
    """One way of telling a stream - combined or raw, ms or us - and those who want it so."""

    __slots__ = ("envelope", "listeners", "puts")

    def __init__(self, envelope: Envelope) -> None:
        self.envelope = envelope
        self.listeners: list[Listener] = []
        self.puts: list[Callable[[bytes], None]] = []


class Channel:
    """A stream of one name. One text and one frame serve all who want the same form.

    Args:
        troubles: asked about each frame while there are any.
        every_ms: how often ``tick`` is called; 0: never.
    """

    def __init__(self, name: str, troubles: Troubles, every_ms: int = 0) -> None:
        self.name, self.every_ms = name, every_ms
        self.due_ns = 0
        self.forms: tuple[Form, ...] = ()
        self._troubles = troubles

    def add(self, listener: Listener) -> None:
        unit_ns, stream = listener.unit_ns, self.name if listener.combined else ""
        form = next((f for f in self.forms if f.envelope.unit_ns == unit_ns and f.envelope.stream == stream), None)
        if form is None:
            form = Form(Envelope(stream, unit_ns))
            self.forms = (*self.forms, form)
        form.listeners.append(listener)
        form.puts.append(listener.frames.append)

    def remove(self, listener: Listener) -> None:
        for form in self.forms:
            if listener in form.listeners:
                at = form.listeners.index(listener)
                del form.listeners[at], form.puts[at]
        self.forms = tuple(form for form in self.forms if form.listeners)

    def tick(self, now_ns: int) -> None:
        """The time for the next message has come."""

    def _send(self, form: Form, frame: bytes) -> None:
        if self._troubles.are_there:
            for listener in form.listeners:
                self._troubles.deliver(listener, self.name, frame)
            return
        for put in form.puts:
            put(frame)


class RecordChannel(Channel):
    """Each record of a kind, as it comes: trades, best bid and ask, book changes."""

    def __init__(self, name: str, troubles: Troubles, wire: Wire) -> None:
        super().__init__(name, troubles)
        self._wire = wire

    def publish(self, record: Any, event_ns: int, trade_ns: int) -> None:
        for form in self.forms:
            self._send(form, self._wire.record(record, form.envelope, event_ns, trade_ns))


class TradeChannel(RecordChannel):
    """Single trades."""

    def publish(self, record: Any, event_ns: int, trade_ns: int) -> None:
        if not record.flags & lib.IDA_FLAG_AGGREGATE:
            super().publish(record, event_ns, trade_ns)


class AggregateChannel(RecordChannel):
    """Aggregate trades: recorded ones where there are no others, else made from single trades. One is told when the
    next trade is another taker's, or a moment later."""

    def __init__(self, name: str, troubles: Troubles, wire: Wire, symbol: SymbolMarket) -> None:
        super().__init__(name, troubles, wire)
        self.every_ms = AGGREGATE_MS
        self._symbol = symbol
        self._record = ffi.new("ida_trade *")
        self._told_id = symbol.tape.aggregates[-1].id if symbol.tape.aggregates else -1

    def publish(self, record: Any, event_ns: int, trade_ns: int) -> None:
        if len(self._symbol.tape.aggregates) > 1:
            self._tell(self._symbol.tape.aggregates[-2], event_ns)

    def tick(self, now_ns: int) -> None:
        aggregates = self._symbol.tape.aggregates
        if aggregates and now_ns - aggregates[-1].time_ns > AGGREGATE_MS * MS_NS // 2:
            self._tell(aggregates[-1], now_ns)

    def _tell(self, trade: Trade, event_ns: int) -> None:
        if trade.id <= self._told_id:
            return
        self._told_id = trade.id
        record = self._record
        record.head.kind, record.head.flags = lib.IDA_TRADE, lib.IDA_FLAG_AGGREGATE | trade.sold
        record.trade_id, record.price, record.quantity = trade.id, trade.price, trade.quantity
        record.first_trade_id, record.last_trade_id = trade.first_id, trade.last_id
        super().publish(ffi.cast("ida_record *", record), event_ns, trade.time_ns)


class MergedDepth(RecordChannel):
    """Book changes of a second as one: the last quantity of each price."""

    def __init__(self, name: str, troubles: Troubles, wire: Wire, every_ms: int) -> None:
        super().__init__(name, troubles, wire)
        self.every_ms = every_ms
        self._kept: list[Any] = []

    def publish(self, record: Any, event_ns: int, trade_ns: int) -> None:
        copy = ffi.new("char[]", record.length)
        ffi.memmove(copy, record, record.length)
        self._kept.append(copy)

    def tick(self, now_ns: int) -> None:
        if not self._kept:
            return
        parts = ffi.new("ida_depth *[]", [ffi.cast("ida_depth *", copy) for copy in self._kept])
        merged = ffi.new("char[]", sum(len(copy) for copy in self._kept))
        lib.ida_depth_merge(parts, len(parts), ffi.cast("ida_depth *", merged))
        self._kept = []
        super().publish(ffi.cast("ida_record *", merged), now_ns, 0)


class PartialDepth(Channel):
    """The best levels, when they may have changed."""

    def __init__(self, name: str, troubles: Troubles, wire: Wire, symbol: SymbolMarket, levels: int,
                 every_ms: int) -> None:
        super().__init__(name, troubles, every_ms)
        self._wire, self._symbol, self._levels = wire, symbol, levels
        self._told_id = -1

    def tick(self, now_ns: int) -> None:
        last_id = self._symbol.last_update_id
        if not self._symbol.started or last_id == self._told_id:
            return
        self._told_id = last_id
        for form in self.forms:
            self._send(form, self._wire.book(self._symbol.native_book, last_id, self._levels, form.envelope))


class TextChannel(Channel):
    """What is computed now and then: klines and tickers.

    Args:
        make: the messages' texts, for a time and a unit of times in ns.
    """

    def __init__(self, name: str, troubles: Troubles, every_ms: int, make: Callable[[int], Texts]) -> None:
        super().__init__(name, troubles, every_ms)
        self._make = make

    def tick(self, now_ns: int) -> None:
        for text_of in self._make(now_ns):
            for form in self.forms:
                self._send(form, form.envelope.around(text_of(form.envelope.unit_ns)))


#: Messages to send now, each for a unit of times in ns.
Texts = list[Callable[[int], bytes]]
