"""What the tap stands on: the connection's bytes, the stream that trio-websocket is given, permessage-deflate."""

import os
import socket
import ssl
import zlib
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import trio

from ida_core.errors import ConfigError, VenueUnavailable
from ida_core.native import ffi

RECEIVE_BYTES = 1 << 16
MOST_ANSWER_BYTES = 1 << 16
#: Pings and pongs that wait for trio-websocket beyond that are dropped: the other side takes no answers.
MOST_CONTROL = 1000
EXTENSIONS = b"Sec-WebSocket-Extensions"
DEFLATE = b"permessage-deflate"

#: HTTP status, headers, and what has come of the body.
Refusal = tuple[int, list[tuple[bytes, bytes]], bytes]
TcpStream = trio.SocketStream
TlsStream = trio.SSLStream[trio.SocketStream]


class Address(NamedTuple):
    """The parts of a URL that a connection is made of."""

    url: str
    secure: bool
    host: str
    port: int
    resource: str

    @property
    def host_header(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"


def address_of(url: str) -> Address:
    """Take a ``ws://`` or ``wss://`` URL apart.

    Raises:
        ConfigError: it is no such URL.

    >>> address_of("wss://stream.example.com/stream?streams=a/b")[1:]
    (True, 'stream.example.com', 443, '/stream?streams=a/b')
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as problem:
        raise ConfigError(f"{url!r} is no URL: {problem}") from None
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise ConfigError(f"{url!r} is no URL of a WebSocket: it must begin with ws://HOST or wss://HOST")
    secure = parts.scheme == "wss"
    resource = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Address(url, secure, parts.hostname, port or (443 if secure else 80), resource)


async def connect(address: Address, ssl_context: ssl.SSLContext | None) -> "Transport":
    """TCP, and TLS above it where the address asks for it.

    Raises:
        VenueUnavailable: IDA-E4110, IDA-E4111 or IDA-E4121.
    """
    try:
        tcp = await trio.open_tcp_stream(address.host, address.port)
    except socket.gaierror as problem:
        words = f"{address.url}: the name {address.host!r} is not known here: {problem.strerror or problem}"
        raise VenueUnavailable(words, code="IDA-E4110") from problem
    except OSError as problem:
        raise unreachable(address, str(problem.__cause__ or problem)) from problem
    if not address.secure:
        return Transport(tcp)
    try:
        return Transport(await _secured(tcp, address, ssl_context or ssl.create_default_context()))
    except (trio.BrokenResourceError, OSError) as problem:
        words = f"{address.url}: no TLS came about: {problem.__cause__ or problem or 'the connection ended'}"
        raise VenueUnavailable(words, code="IDA-E4121") from problem


async def _secured(tcp: TcpStream, address: Address, context: ssl.SSLContext) -> TlsStream:
    stream = trio.SSLStream(tcp, context, server_hostname=address.host, https_compatible=True)
    try:
        await stream.do_handshake()
    except BaseException:
        tcp.socket.close()
        raise
    return stream


def unreachable(address: Address, why: str) -> VenueUnavailable:
    return VenueUnavailable(f"{address.url} cannot be reached: {why}", code="IDA-E4111")


def no_websocket(why: str) -> VenueUnavailable:
    return VenueUnavailable(why, code="IDA-E4120")


class Transport:
    """The bytes below the WebSocket: plain TCP is received right into the buffer, TLS through Trio's stream."""

    def __init__(self, stream: TcpStream | TlsStream) -> None:
        self.stream = stream
        self._plain = stream.socket if isinstance(stream, trio.SocketStream) else None
        self._more = False

    async def receive_into(self, room: Any, size: int) -> int:
        """Receive up to ``size`` bytes; how many, 0 at the end.

        Raises:
            OSError, trio.BrokenResourceError, trio.ClosedResourceError: the connection broke, or was closed here.
        """
        plain = self._plain
        if plain is None:
            data = await self.stream.receive_some(size)
            ffi.memmove(room, data, len(data))
            return len(data)
        if self._more:
            await trio.lowlevel.checkpoint()
        else:
            await trio.lowlevel.wait_readable(plain)
        buffer = ffi.buffer(room, size)
        while True:
            if (file := plain.fileno()) < 0:
                raise trio.ClosedResourceError("the connection was closed here")
            try:
                count = os.readv(file, [buffer])
            except BlockingIOError:
                await trio.lowlevel.wait_readable(plain)
            else:
                self._more = count == size
                return count

    def write_now(self, data: bytes) -> int:
        """How many of the bytes could be handed over without waiting; 0 where TLS would have to wrap them first."""
        if self._plain is None or (file := self._plain.fileno()) < 0:
            return 0
        try:
            return os.write(file, data)
        except OSError:
            return 0  # there is no room, or no connection any more: who waits for room is told which

    def close(self) -> None:
        """At once, and without a word; again is as good as once."""
        tcp = self.stream if isinstance(self.stream, trio.SocketStream) else self.stream.transport_stream
        tcp.socket.close()


class ControlStream(trio.abc.Stream):
    """What trio-websocket takes for its connection: the handshake, then the control frames that the tap passes on."""

    def __init__(self, transport: Transport, deflate: bool) -> None:
        self.transport = transport
        self.deflate = deflate
        self.agreed: bytes | None = None
        """The extension that the server agreed to, with its parameters."""
        self.early = b""
        """What came behind the handshake in one piece with it."""
        self.on_close: Callable[[], None] = lambda: None
        """Told when trio-websocket closes the stream."""
        self.ends_after_send = False
        self._answer: bytearray | None = bytearray()
        self._passed = 0
        self._control: deque[bytes] = deque()
        self._ended = self._is_idle = False
        self._waiting, self._settling = trio.lowlevel.ParkingLot(), trio.lowlevel.ParkingLot()
        self._turn = trio.Lock()
        self._rest = b""

    def put(self, frame: bytes, *, must: bool) -> None:
        """Pass a control frame on; one too many is dropped, unless it must arrive."""
        if must or len(self._control) < MOST_CONTROL:
            self._control.append(frame)
            self._waiting.unpark()

    def end(self) -> None:
        """Nothing more comes."""
        self._ended = True
        self._waiting.unpark_all()
        self._settling.unpark_all()

    async def settled(self) -> None:
        """Wait until trio-websocket has dealt with all that it was given: it fails over a ping that it meets when it
        has said goodbye."""
        while not (self._ended or (self._is_idle and not self._control)):
            await self._settling.park()

    def send_now(self, data: bytes) -> bool:
        """Send it without waiting, if nothing else is on its way. True: it goes out, though the end of it perhaps only
        with what is sent next, for which ``has_rest`` asks. False: nothing of it was sent."""
        if self._turn.locked() or self._rest:
            return False
        count = self.transport.write_now(data)
        self._rest = data[count:] if count else b""
        return count > 0

    @property
    def has_rest(self) -> bool:
        return bool(self._rest)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        async with self._turn:
            rest, self._rest = self._rest, b""
            await self._send_all(rest + data if rest else data)

    async def _send_all(self, data: bytes | bytearray | memoryview) -> None:
        try:
            await self.transport.stream.send_all(data)
        except trio.Cancelled:
            self.transport.close()  # a part of a frame may have gone out: nothing can follow it
            raise
        except trio.BrokenResourceError as problem:
            if self._answer is not None:
                raise _broke(problem) from problem
            raise
        finally:
            if self.ends_after_send:
                self.end()

    async def wait_send_all_might_not_block(self) -> None:
        await self.transport.stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if self._answer is not None:
            return await self._receive_answer(self._answer)
        await trio.lowlevel.checkpoint_if_cancelled()
        while not self._control and not self._ended:
            self._is_idle = True
            self._settling.unpark_all()
            await self._waiting.park()
        self._is_idle = False
        return self._control.popleft() if self._control else b""

    async def _receive_answer(self, answer: bytearray) -> bytes:
        """The answer to the handshake: in one piece if it agrees; as it comes if it does not."""
        while True:
            answer += await self._receive_more(answer)
            if not b"HTTP/1.".startswith(answer[:7]):
                raise no_websocket(f"the answer to the handshake begins with {_begin(answer)}, which is no HTTP")
            if len(answer) > MOST_ANSWER_BYTES:
                raise no_websocket(f"the answer to the handshake has more than {MOST_ANSWER_BYTES} bytes")
            if len(answer) >= 12 and answer[9:12] != b"101":
                new, self._passed = bytes(answer[self._passed :]), len(answer)
                return new
            if (end := answer.find(b"\r\n\r\n")) >= 0:
                self._answer, self.early = None, bytes(answer[end + 4 :])
                return self._without_extension(bytes(answer[: end + 4]))

    @property
    def refused(self) -> Refusal | None:
        """What the server has said so far in the place of an agreement, once its headers are whole; None: nothing."""
        head, end, body = bytes(self._answer or b"").partition(b"\r\n\r\n")
        status = head[9:12]
        if not end or not status.isdigit() or status == b"101":
            return None
        fields = (line.partition(b":") for line in head.split(b"\r\n")[1:])
        return int(status), [(name.strip(), value.strip()) for name, _, value in fields], body

    async def _receive_more(self, answer: bytearray) -> bytes:
        try:
            data = await self.transport.stream.receive_some(RECEIVE_BYTES)
        except trio.BrokenResourceError as problem:
            raise _broke(problem) from problem
        if not data:
            raise no_websocket(f"the connection ended in the handshake, after {_begin(answer)}")
        return bytes(data)

    def _without_extension(self, answer: bytes) -> bytes:
        """The extension is ours to handle: trio-websocket has not heard of the offer."""
        lines = answer.split(b"\r\n")
        found = [line for line in lines if line.lower().startswith(EXTENSIONS.lower() + b":")]
        if not self.deflate or not found:
            return answer
        self.agreed = b", ".join(line.partition(b":")[2].strip() for line in found)
        return b"\r\n".join(line for line in lines if line not in found)

    async def aclose(self) -> None:
        self.end()
        self.transport.close()
        self.on_close()
        await trio.lowlevel.checkpoint()


def _broke(problem: trio.BrokenResourceError) -> VenueUnavailable:
    return no_websocket(f"the connection broke in the handshake: {problem.__cause__ or problem}")


def _begin(data: bytearray) -> str:
    return repr(bytes(data[:60])) if data else "not a single byte"


class Inflater:
    """Messages of the server, unpacked as permessage-deflate was agreed on.

    Args:
        agreed: the extension's header in the answer to the handshake.
        most: bytes that an unpacked message may have.
    Raises:
        VenueUnavailable: the server agreed to something that was not offered.
    """

    OFFER = DEFLATE + b"; client_no_context_takeover; client_max_window_bits"

    def __init__(self, agreed: bytes, most: int) -> None:
        name, *words = (word.strip() for word in agreed.split(b";"))
        parameters = dict(_parameter(word) for word in words)
        known = {b"server_no_context_takeover", b"client_no_context_takeover", b"client_max_window_bits",
                 b"server_max_window_bits"}  # fmt: skip
        bits = parameters.get(b"server_max_window_bits", b"15")
        if name != DEFLATE or not parameters.keys() <= known or bits not in {b"%d" % n for n in range(8, 16)}:
            raise no_websocket(f"the server agreed to the extension {agreed!r}, which was not offered")
        self._most = most
        self._keeps = b"server_no_context_takeover" not in parameters
        self._bits = -max(9, int(bits))
        self._state = zlib.decompressobj(self._bits)

    def inflate(self, packed: bytes) -> bytes | None:
        """The message; None if it is larger than may be.

        Raises:
            zlib.error: it cannot be unpacked.
        """
        text = self._state.decompress(packed + b"\x00\x00\xff\xff", self._most + 1)
        if not self._keeps:
            self._state = zlib.decompressobj(self._bits)
        return text if len(text) <= self._most else None


def _parameter(word: bytes) -> tuple[bytes, bytes]:
    key, _, value = word.partition(b"=")
    return key.strip(), value.strip().strip(b'"')
