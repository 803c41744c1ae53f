"""What comes over redundant connections, into an inlet: a thin hand on ``csrc/binance_intake``."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from ida_binance.decoder import Decoder, Grid, Uneven
from ida_core.errors import ConfigError
from ida_core.inlet import Inlet
from ida_core.native import ffi, lib
from ida_core.recorder import Recorder
from ida_core.tap import Sink

MOST_STREAMS = 4096
MOST_CONNECTIONS = 32
HOLD_NS = 250_000_000
HOLD_BYTES = 8 << 20


class BadSnapshot(ValueError):
    """The body of a depth answer that is none; says which rule it broke, and where."""


class StreamView(NamedTuple):
    """How a stream stands. ``messages``, ``duplicates``: that went on, that another connection had brought;
    ``held``: kept back for what was missing, ever and (``holding``) now; ``holes``: places where ids were left out,
    ``missing`` of them; ``contradictions``: copies of one message that differ; ``problems``: messages that could not be
    decoded; ``refused``: for which the inlet had no room; ``restarts``: times the ids began anew. ``last_id`` and
    ``last_local_ns`` are -1 before the first; ``rate`` in messages per second."""

    name: str
    instrument: int | None
    messages: int
    records: int
    duplicates: int
    held: int
    holding: int
    holes: int
    missing: int
    contradictions: int
    restarts: int
    problems: int
    refused: int
    last_id: int
    last_local_ns: int
    last_venue_ns: int
    rate: float


class ConnectionView(NamedTuple):
    """How a connection's place stands. ``opened_ns``: when it was last taken, -1: never; ``wins``: messages it was
    first with; ``shown``: handed on as text; ``rule``: what the last message that could not be decoded broke, at
    ``problem_ns``; ``latency``: messages by how long they were on their way from the exchange's event time, the i-th
    from 2^i to 2^(i+1) us; ``ahead``: those that came before it, by the exchange's clock."""

    opened_ns: int
    messages: int
    bytes: int
    wins: int
    duplicates: int
    shown: int
    problems: int
    rule: str
    problem_ns: int
    last_ns: int
    ahead: int
    latency: tuple[int, ...]

    def latency_us(self, fraction: float = 0.5) -> float | None:
        """The latency that this fraction of the messages stayed below, in us, within a factor of 2; None: unknown."""
        total = self.ahead + sum(self.latency)
        seen = self.ahead
        if not total:
            return None
        for i, count in enumerate(self.latency):
            seen += count
            if seen >= fraction * total:
                return float(2 << i)
        return None  # pragma: no cover


class Intake:
    """Arbitrates between connections, decodes what is new and commits it into an inlet. One thread.

    Args:
        grids: the symbols and their grids, in the order of the inlet's instruments. What is finer is rounded, or left
            out, and counted (``uneven``).
        inlet: where records go.
        streams, connections: how many there can be.
        hold_ns: how long a message waits for one before it that another connection may still bring.
        hold_bytes: room for all that wait.
    Raises:
        ConfigError: a grid or a name that cannot be.

    Example: ``sink(0)`` is what a tap is opened with; ``expire`` is to be called every now and then, ``due_ns`` says
    when it is worth it.
    """

    def __init__(
        self, grids: Mapping[str, Grid], inlet: Inlet, *, streams: int = MOST_STREAMS,
        connections: int = MOST_CONNECTIONS, hold_ns: int = HOLD_NS, hold_bytes: int = HOLD_BYTES,
    ) -> None:  # fmt: skip
        self._grids = dict(grids)
        self._decoder = Decoder(grids, symbols=len(grids), rounds=grids)
        self._inlet = inlet
        pointer = lib.ida_intake_new(
            self._decoder.pointer, inlet.pointer, streams, connections, hold_ns, hold_bytes
        )
        if not pointer:
            raise MemoryError(f"intake: no memory for {streams} streams and {hold_bytes} bytes held")
        self._intake: Any = ffi.gc(pointer, lib.ida_intake_free)
        self._recorder: Recorder | None = None
        self._index = ffi.new("uint32_t *")
        self._problem = ffi.new("ida_binance_problem *")

    @property
    def pointer(self) -> Any:
        """The ``ida_intake *``; good as long as this object."""
        return self._intake

    def sink(self, connection: int) -> Sink:
        """Where this connection's messages go; good as long as this object.

        Raises:
            IndexError: there are not so many connections.
        """
        source = lib.ida_intake_source_of(self._intake, connection)
        if not source:
            raise IndexError(f"intake: no connection {connection}")
        return Sink(ffi.addressof(lib, "ida_intake_sink"), ffi.cast("void *", source))

    def opened(self, connection: int, now_ns: int) -> None:
        """A new connection takes the place, and is waited for; what the one before brought proves nothing of it."""
        lib.ida_intake_opened(self._intake, connection, now_ns)

    def closed(self, connection: int, now_ns: int) -> None:
        """It brings nothing more: what is held does not wait for it."""
        lib.ida_intake_closed(self._intake, connection, now_ns)

    def add(self, stream: str, instrument: int | None = None) -> None:
        """Take this stream's messages from now on. ``instrument``: whose; None: of a stream of many symbols.

        Raises:
            ConfigError: it is there already, is one too many, or its name or instrument cannot be.
        """
        index = 0xFFFFFFFF if instrument is None else instrument
        status = lib.ida_intake_add_stream(self._intake, stream.encode(), index, self._index)
        if status != lib.IDA_OK:
            raise ConfigError(f"stream {stream!r}: {ffi.string(lib.ida_status_text(status)).decode()}")

    def remove(self, stream: str) -> None:
        """Forget a stream; what still comes of it is shown.

        Raises:
            KeyError: it is not there.
        """
        if lib.ida_intake_remove_stream(self._intake, stream.encode()) != lib.IDA_OK:
            raise KeyError(stream)

    def feed(self, connection: int, text: bytes, ts_local_ns: int) -> bool:
        """One message as a tap would hand it over; whether it is to be shown."""
        source = lib.ida_intake_source_of(self._intake, connection)
        return bool(lib.ida_intake_sink(source, ffi.from_buffer(text), len(text), ts_local_ns))

    def snapshot(self, instrument: int, body: bytes, ts_local_ns: int) -> bool:
        """Commit a REST depth answer. False: the inlet has no room.

        Raises:
            BadSnapshot: it is none.
        """
        status = lib.ida_intake_snapshot(
            self._intake, instrument, ffi.from_buffer(body), len(body), ts_local_ns, self._problem
        )
        if status not in (lib.IDA_OK, lib.IDA_FULL):
            rule = ffi.string(self._problem.rule).decode()
            raise BadSnapshot(f"depth answer of {len(body)} bytes: {rule} (byte {self._problem.offset})")
        return bool(status == lib.IDA_OK)

    def set_clock(self, ahead_ns: int) -> None:
        """What the exchange's clock shows more than ours, for latencies; 0 until told."""
        lib.ida_intake_set_clock(self._intake, ahead_ns)

    def set_recorder(self, recorder: Recorder | None) -> None:
        """Record what is committed, as it came, in that order, with the stamp its record got; None: no more."""
        self._recorder = recorder
        lib.ida_intake_set_recorder(self._intake, ffi.NULL if recorder is None else recorder.pointer)

    def expire(self, now_ns: int) -> None:
        """Held messages whose time is over go on, gap or not."""
        lib.ida_intake_expire(self._intake, now_ns)

    @property
    def due_ns(self) -> int | None:
        """When the next held message's time is over; None: nothing is held."""
        due = int(lib.ida_intake_due(self._intake))
        return None if due == (1 << 63) - 1 else due

    def stream(self, name: str) -> StreamView:
        """How a stream stands.

        Raises:
            KeyError: it is not there.
        """
        if lib.ida_intake_find_stream(self._intake, name.encode(), self._index) != lib.IDA_OK:
            raise KeyError(name)
        index = self._index[0]
        own, ids = lib.ida_intake_look_stream(self._intake, index), lib.ida_intake_look_ids(self._intake, index)
        named: dict[str, Any] = {"name": name, "instrument": None if own.instrument == 0xFFFFFFFF else own.instrument}
        told = {key: getattr(own, key) for key in ("records", "problems", "refused")}
        rest = {key: getattr(ids, key) for key in StreamView._fields if key not in named and key not in told}
        return StreamView(**named, **told, **rest)

    def uneven(self) -> dict[str, Uneven]:
        """By symbol, what was met between the steps of its grid so far."""
        return {symbol: self._decoder.uneven(i) for i, symbol in enumerate(self._grids)}

    def connection(self, connection: int) -> ConnectionView:
        """How a connection stands.

        Raises:
            IndexError: there are not so many.
        """
        view = lib.ida_intake_look_connection(self._intake, connection)
        if not view:
            raise IndexError(f"intake: no connection {connection}")
        rule = ffi.string(view.rule).decode() if view.rule else ""
        plain = [key for key in ConnectionView._fields if key not in ("rule", "latency")]
        return ConnectionView(
            rule=rule, latency=tuple(view.latency), **{key: getattr(view, key) for key in plain}
        )
