"""The tap: a WebSocket whose messages go from the receive buffer to a sink in C, without a Python object for each.

trio-websocket speaks the protocol - handshake, ping, pong, close - over a stream of ours, which keeps data frames back:
``csrc/frames`` splits them off and hands each whole message to the sink, and what is left is passed on.
"""

import os
import ssl
import zlib
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple, cast

import trio
import trio_websocket

from ida_core.clock import steady_ns
from ida_core.errors import VenueUnavailable
from ida_core.native import ffi, lib
from ida_core.tap_stream import (
    EXTENSIONS,
    RECEIVE_BYTES,
    Address,
    ControlStream,
    Inflater,
    Refusal,
    address_of,
    connect,
    no_websocket,
    unreachable,
)  # fmt: skip

MOST_MESSAGE_BYTES = 4 << 20
#: How long the other side has for its part of closing.
CLOSE_TIMEOUT_S = 1.0
PING, CLOSE = 9, 8
ABNORMAL = 1006
Shown = Callable[[bytes], None]
Batch = Callable[[], None]


class Sink(NamedTuple):
    """Where messages go: the address of an ``ida_message_sink`` of C, and the state it is called with.

    Both are cffi values; what they point at must live as long as the tap.
    """

    function: Any
    state: Any


#: Takes nothing: each message is shown.
SHOW_ALL = Sink(ffi.addressof(lib, "ida_frames_show_all"), ffi.NULL)


class TapClosed(Exception):
    """The connection is over.

    Args:
        code: the close code of RFC 6455, the other side's if it gave one; 1006 where the connection just broke.
        reason: the other side's words, or what happened.
        clean: whether both sides said goodbye.
    """

    def __init__(self, code: int, reason: str, clean: bool) -> None:
        super().__init__(f"the connection ended with code {code}{reason and f': {reason}'}")
        self.code = code
        self.reason = reason
        self.clean = clean


class HandshakeRefused(VenueUnavailable):
    """The server answered the handshake with an HTTP status that is not 101.

    Attributes:
        status: the HTTP status.
        headers: values by lower-case name; of a name that is there twice, the last.
    """

    default_code = "IDA-E4112"

    def __init__(self, message: str, status: int, headers: dict[str, str]) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


class Tap:
    """One connection, made by :func:`open_tap`."""

    def __init__(
        self, stream: ControlStream, websocket: trio_websocket.WebSocketConnection, sink: Sink, on_shown: Shown,
        on_batch: Batch, most_message_bytes: int,
    ) -> None:  # fmt: skip
        self._stream = stream
        self._websocket = websocket
        self._sink = sink
        self._on_shown = on_shown
        self._on_batch = on_batch
        self._inflater = Inflater(stream.agreed, most_message_bytes) if stream.agreed is not None else None
        frames = lib.ida_frames_new(most_message_bytes, RECEIVE_BYTES, self._inflater is not None)
        if not frames:
            raise MemoryError(f"tap: no memory for messages of {most_message_bytes} bytes")
        self._frames: Any = ffi.gc(frames, lib.ida_frames_free)
        self._view: Any = lib.ida_frames_look(self._frames)
        self._size: Any = ffi.new("size_t *")
        self._closed: TapClosed | None = None
        self._running = self._closing = False
        self._pings: set[trio.CancelScope] = set()

    @property
    def last_ns(self) -> int:
        """Local time of the last byte received, ns since 1970 UTC; 0 before."""
        return int(self._view.last_ns)

    @property
    def messages(self) -> int:
        """Whole data messages received, those included that were shown."""
        return int(self._view.messages)

    @property
    def bytes(self) -> int:
        """Bytes received behind the handshake, with all frame headers; without TLS's own."""
        return int(self._view.bytes)

    @property
    def closed(self) -> TapClosed | None:
        """How the connection ended; None while it has not."""
        return self._closed

    async def send(self, text: str) -> None:
        """Send a text message. If it is cancelled on the way, the connection is closed: half a frame may have gone out.

        Raises:
            TapClosed: the connection is over.
        """
        if self._closed is not None or self._closing:
            raise self._over()
        try:
            await self._websocket.send_message(text)
        except trio_websocket.ConnectionClosed:
            raise self._over() from None

    def send_now(self, text: str) -> bool:
        """Send a text message without waiting, where that is possible: over plain TCP, with nothing else on its way.

        Returns:
            True: it was handed over, though its end perhaps not yet: ``flush`` waits for that. False: nothing was sent.
        Raises:
            TapClosed: the connection is over.
        """
        if self._closed is not None or self._closing:
            raise self._over()
        return self._stream.send_now(client_frame(text.encode()))

    @property
    def has_rest(self) -> bool:
        """Whether the end of what ``send_now`` took is still here."""
        return self._stream.has_rest

    async def flush(self) -> None:
        """Wait until what ``send_now`` took has been handed over to the end; raises the same."""
        if self._stream.has_rest:
            try:
                await self._stream.send_all(b"")
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                raise self._over() from None

    async def ping(self) -> float:
        """Send a ping and wait for its pong, which needs ``run`` at work; the round trip in seconds.

        Raises:
            TapClosed: the connection is over, or ended while it waited.
        """
        if self._closed is not None or self._closing:
            raise self._over()
        began = trio.current_time()
        with trio.CancelScope() as scope:
            self._pings.add(scope)
            try:
                await self._websocket.ping()
            except trio_websocket.ConnectionClosed:
                raise self._over() from None
            finally:
                self._pings.discard(scope)
            return trio.current_time() - began
        raise self._over()

    async def run(self) -> None:
        """Receive until the connection ends: messages go to the sink, pings are answered.

        Raises:
            TapClosed: always, at the end; what the callbacks raise comes through.
        """
        if self._running:
            raise trio.BusyResourceError("the tap is running already")
        self._running = True
        try:
            while self._closed is None:
                await self._turn(self._sink)
        finally:
            self._running = False
        raise self._over()

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye, wait for the other side's for at most ``CLOSE_TIMEOUT_S``, and close the connection.

        Args:
            code: close code of RFC 6455.
            reason: at most 123 bytes of UTF-8.
        """
        self._closing = True
        try:
            if self._closed is None:
                with trio.move_on_after(CLOSE_TIMEOUT_S):
                    await self._say_goodbye(code, reason)
        finally:
            self._end(TapClosed(code, reason or "closed here", False))
            self._stream.transport.close()

    async def _say_goodbye(self, code: int, reason: str) -> None:
        async with trio.open_nursery() as nursery:
            if not self._running:
                nursery.start_soon(self._pass_over)
            await self._stream.settled()
            await self._websocket.aclose(code, reason or None)
            nursery.cancel_scope.cancel()

    async def _pass_over(self) -> None:
        """What still comes while we close is nobody's; the other side's goodbye is looked for."""
        while self._closed is None:
            await self._turn(Sink(ffi.NULL, ffi.NULL))

    async def _turn(self, sink: Sink) -> None:
        """One receive, and what came of it."""
        try:
            count = await self._receive()
        except (OSError, trio.BrokenResourceError) as problem:
            self._lose(f"the connection broke: {problem.__cause__ or problem}")
        except trio.ClosedResourceError:
            self._lose("closed here")
        else:
            if count:
                await self._split(sink)
            else:
                self._lose("the other side hung up without a goodbye")

    async def _receive(self) -> int:
        room = lib.ida_frames_room(self._frames, self._size)
        if early := self._stream.early:
            await trio.lowlevel.checkpoint()
            self._stream.early = b""
            count = len(early)
            ffi.memmove(room, early, count)
        else:
            count = await self._stream.transport.receive_into(room, self._size[0])
        lib.ida_frames_received(self._frames, count, steady_ns())
        return count

    async def _split(self, sink: Sink) -> None:
        """Hand on all that came; ``on_batch`` follows if the sink took something."""
        view, taken = self._view, self._view.taken
        split, frames, function, state = lib.ida_frames_split, self._frames, sink.function, sink.state
        try:
            while stop := split(frames, function, state):
                if stop == lib.IDA_FRAMES_DEFLATED:
                    stop = self._inflate(sink)
                if stop == lib.IDA_FRAMES_SHOW:
                    self._on_shown(bytes(ffi.buffer(view.item, view.item_bytes)))
                elif stop == lib.IDA_FRAMES_CONTROL:
                    await self._control()
                elif stop == lib.IDA_FRAMES_BROKEN:
                    await self._refuse(view.close_code, ffi.string(view.rule).decode())
                if self._closed is not None:
                    return
        finally:
            if view.taken != taken:
                self._on_batch()

    def _inflate(self, sink: Sink) -> Any:
        assert self._inflater is not None
        try:
            text = self._inflater.inflate(bytes(ffi.buffer(self._view.item, self._view.item_bytes)))
        except zlib.error:
            return lib.ida_frames_refuse(self._frames, 0)
        if text is None:
            return lib.ida_frames_refuse(self._frames, 1)
        self._text = ffi.from_buffer(text)  # a message that is to be shown is read from there
        return lib.ida_frames_hand(self._frames, sink.function, sink.state, self._text, len(text))

    async def _control(self) -> None:
        """A ping, pong or close: trio-websocket's. After the close all is over."""
        frame, opcode = bytes(ffi.buffer(self._view.item, self._view.item_bytes)), self._view.opcode
        if opcode != PING or not self._closing:
            self._stream.put(frame, must=opcode == CLOSE)
        if opcode == CLOSE:
            self._stream.end()
            with trio.move_on_after(CLOSE_TIMEOUT_S), suppress(trio_websocket.ConnectionClosed):
                await self._websocket.get_message()  # that it is closed, once it has answered
            self._end(_goodbye(self._websocket.closed, frame[2:]))

    async def _refuse(self, code: int, rule: str) -> None:
        """The other side broke the protocol: it is told so, and nothing more is taken from it."""
        self._closing = True
        with trio.move_on_after(CLOSE_TIMEOUT_S):
            await self._stream.settled()
            self._stream.ends_after_send = True
            await self._websocket.aclose(code, rule)
        self._lose(f"the other side broke the protocol: {rule}", code)

    def _lose(self, why: str, code: int = ABNORMAL) -> None:
        self._stream.end()
        self._end(TapClosed(code, why, False))

    def _end(self, closed: TapClosed) -> None:
        """The first reason counts. Who waits for a pong waits no longer."""
        if self._closed is None:
            self._closed = closed
        for scope in self._pings:
            scope.cancel()

    def _over(self) -> TapClosed:
        closed = self._closed or TapClosed(ABNORMAL, "the connection is being closed", False)
        return TapClosed(closed.code, closed.reason, closed.clean)


def client_frame(payload: bytes) -> bytes:
    """A whole text message as a client sends it, masked.

    >>> len(client_frame(b"x" * 125)), len(client_frame(b"x" * 126)), len(client_frame(b"x" * 65536))
    (131, 134, 65550)
    """
    size = len(payload)
    head = bytes((0x81, 0x80 | size)) if size < 126 else (
        b"\x81\xfe" + size.to_bytes(2, "big") if size < 65536 else b"\x81\xff" + size.to_bytes(8, "big"))
    mask = os.urandom(4)
    key = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
    return head + mask + (int.from_bytes(payload, "big") ^ key).to_bytes(size, "big")


def _goodbye(closed: trio_websocket.CloseReason | None, said: bytes) -> TapClosed:
    """The other side's, as trio-websocket read it; as it came, if that could not answer."""
    if closed is None or closed.code == ABNORMAL:
        return TapClosed(int.from_bytes(said[:2], "big") or ABNORMAL, said[2:].decode("utf-8", "replace"), False)
    return TapClosed(closed.code, closed.reason or "", True)


@asynccontextmanager
async def open_tap(
    url: str, sink: Sink, *, on_shown: Shown, on_batch: Batch, ssl_context: ssl.SSLContext | None = None,
    deflate: bool = False, connect_timeout_s: float = 10.0, most_message_bytes: int = MOST_MESSAGE_BYTES,
) -> AsyncIterator[Tap]:  # fmt: skip
    """Connect to a WebSocket, and close it at the end of the block; nothing goes to the sink before ``Tap.run``.

    Args:
        url: ``ws://`` or ``wss://``.
        sink: takes each whole data message, text or binary, with its local time: ns since 1970 UTC, one per receive.
        on_shown: called with each message that the sink answers ``IDA_SHOWN`` for.
        on_batch: called once after each receive in which the sink took something.
        ssl_context: whom to trust; the system's certificates where there is none.
        deflate: offer permessage-deflate. A compressed message costs Python objects, and memory for its window.
        connect_timeout_s: for name, connection, TLS and handshake together, in seconds.
        most_message_bytes: of one message, its fragments joined and unpacked; a larger one ends the connection (1009).
    Raises:
        ConfigError: the URL is none.
        VenueUnavailable: no connection came about; the code says why, IDA-E4110 to IDA-E4121.
        HandshakeRefused: the server answered with an HTTP status (IDA-E4112).
    """
    address = address_of(url)
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        try:
            stream, websocket = await _open(nursery, address, ssl_context, deflate, connect_timeout_s)
            try:
                tap = Tap(stream, websocket, sink, on_shown, on_batch, most_message_bytes)
                yield tap
                await tap.aclose()
            finally:
                stream.transport.close()
        except Exception as problem:
            failure = problem  # as it is, rather than in the nursery's group
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


async def _open(
    nursery: trio.Nursery, address: Address, ssl_context: ssl.SSLContext | None, deflate: bool, timeout_s: float
) -> tuple[ControlStream, trio_websocket.WebSocketConnection]:
    """Connect and shake hands; all that can go wrong has a name."""
    stream: ControlStream | None = None
    try:
        with trio.fail_after(timeout_s):
            stream = ControlStream(await connect(address, ssl_context), deflate)
            try:
                return stream, await nursery.start(_keep, address, stream)
            except BaseException:
                stream.transport.close()
                raise
    except trio.TooSlowError:
        if stream is not None and (refused := stream.refused):
            raise _refused(address, *refused) from None
        raise unreachable(address, f"no answer within {timeout_s:g} s") from None
    except Exception as problem:
        raise _named(address, problem, stream.refused if stream is not None else None) from problem


async def _keep(
    address: Address, stream: ControlStream, *, task_status: trio.TaskStatus[trio_websocket.WebSocketConnection]
) -> None:
    """Hold the task of trio-websocket: if that fails, it fails alone, and the tap finds its connection closed."""
    started, failure = False, None
    offer = [(EXTENSIONS, Inflater.OFFER)] if stream.deflate else []
    try:
        async with trio.open_nursery() as nursery:
            with trio.CancelScope() as handshake:
                stream.on_close = handshake.cancel  # trio-websocket waits on when it has given up
                websocket = await trio_websocket.wrap_client_stream(
                    nursery, cast(Any, stream), address.host_header, address.resource, extra_headers=offer)
            if handshake.cancelled_caught:
                raise no_websocket("the answer to the handshake is none")
            started = True
            task_status.started(websocket)
    except* Exception as problems:  # if it was canceled as well, that goes on, and is all that does
        failure = problems
    if failure is not None:
        if not started:
            raise failure
        stream.transport.close()


def _named(address: Address, problem: Exception, refused: Refusal | None) -> Exception:
    """The failure of a handshake as an error of ours, with the URL. A server that has told its status has refused,
    however what follows breaks off."""
    while isinstance(problem, ExceptionGroup):
        problem = problem.exceptions[0]
    if isinstance(problem, trio_websocket.ConnectionRejected):
        return _refused(address, problem.status_code, problem.headers or (), bytes(problem.body or b""))
    if refused is not None:
        return _refused(address, *refused)
    if isinstance(problem, VenueUnavailable):
        words = str(problem)
        return problem if address.url in words else VenueUnavailable(f"{address.url}: {words}", code=problem.code)
    why = problem.__context__ or problem  # trio-websocket stumbles over telling the server what was wrong
    return no_websocket(f"{address.url}: the answer to the handshake is none: {why or repr(why)}")


def _refused(address: Address, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> HandshakeRefused:
    plain = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}
    said = body[:200].decode("utf-8", "replace").strip()
    words = f"{address.url}: the server answered the handshake with HTTP status {status}"
    return HandshakeRefused(f"{words}{said and f': {said}'}", status, plain)
