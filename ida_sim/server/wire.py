"""Messages of the market streams as WebSocket frames: a thin hand on ``csrc/wire_json``."""

from __future__ import annotations

from typing import Any

from ida_core import Book, ConfigError, Instrument
from ida_core.book import native_grid
from ida_core.native import ffi, lib

_TEXT = 0x81
_FIRST_ROOM = 1 << 16


def text_frame(text: bytes) -> bytes:
    """``text`` as an unmasked WebSocket text frame.

    >>> text_frame(b"hi")
    b'\\x81\\x02hi'
    """
    size = len(text)
    if size < 126:
        return bytes((_TEXT, size)) + text
    if size < 1 << 16:
        return bytes((_TEXT, 126)) + size.to_bytes(2, "big") + text
    return bytes((_TEXT, 127)) + size.to_bytes(8, "big") + text


class Envelope:
    """What goes around a message: the stream's name, if it is told, and the unit of times.

    Args:
        stream: its name on a combined connection; empty on a raw one.
        unit_ns: of times: 1,000,000 for ms, 1,000 for us.
        framed: as a WebSocket text frame.
    """

    __slots__ = ("_head", "head", "native", "stream", "unit_ns")

    def __init__(self, stream: str = "", unit_ns: int = 1_000_000, *, framed: bool = True) -> None:
        self.stream = stream
        self.head = b'{"stream":"%s","data":' % stream.encode() if stream else b""
        self.unit_ns = unit_ns
        self._head = ffi.new("char[]", self.head or b"\0")
        self.native = ffi.new("ida_envelope *", [self._head, len(self.head), 0, 0, framed, 0])

    def around(self, text: bytes) -> bytes:
        """The frame of a message that was made elsewhere."""
        return text_frame(self.head + text + b"}" if self.head else text)


class Wire:
    """Writes one instrument's messages. One buffer serves all: what is returned is a copy.

    Raises:
        ConfigError: a symbol or a grid that Binance's wire cannot carry.
    """

    def __init__(self, instrument: Instrument) -> None:
        symbol = instrument.symbol.encode()
        pointer = lib.ida_wire_new(symbol, len(symbol), native_grid(instrument))
        if pointer == ffi.NULL:
            raise ConfigError(
                f"symbol {instrument.symbol!r} with tick size {instrument.tick_size} and lot size "
                f"{instrument.lot_size} cannot be told on Binance's wire: at most {lib.IDA_WIRE_SYMBOL} bytes without "
                "quotes, and 18 decimals")
        self._wire = ffi.gc(pointer, lib.ida_wire_free)
        self._write = lib.ida_wire_record
        self._make_room(_FIRST_ROOM)

    def _make_room(self, size: int) -> None:
        self._room = size
        self._out = ffi.new("char[]", size)
        self._bytes = ffi.buffer(self._out)

    def record(self, record: Any, envelope: Envelope, event_ns: int, trade_ns: int = 0) -> bytes:
        """A depth, trade or quote record (an ``ida_record *``); ``event_ns`` is its E, ``trade_ns`` its T."""
        native = envelope.native
        native.event_time = event_ns // envelope.unit_ns
        native.trade_time = trade_ns // envelope.unit_ns
        size = self._write(self._wire, record, native, self._out, self._room)
        if not size:
            depth = ffi.cast("const ida_depth *", record)
            self._make_room(2 * lib.ida_wire_room(depth.bids + depth.asks, len(envelope.head)))
            size = self._write(self._wire, record, native, self._out, self._room)
        found: bytes = self._bytes[:size]
        return found

    def book(self, book: Book, last_id: int, most: int, envelope: Envelope) -> bytes:
        """The best ``most`` levels of each side, with the update id ``last_id``."""
        need = lib.ida_wire_room(2 * lib.ida_wire_levels(book.pointer, most), len(envelope.head))
        if need > self._room:
            self._make_room(2 * need)
        size = lib.ida_wire_book(
            self._wire, book.pointer, last_id, most, envelope.native, self._out, self._room)
        found: bytes = self._bytes[:size]
        return found
