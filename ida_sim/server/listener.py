"""One port for everything: what comes is read up to the end of its head, and handed to who speaks it."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from starlette.types import ASGIApp

HEAD_S = 10.0
MOST_HEAD = 32 << 10
_END = b"\r\n\r\n"
#: How a request for a websocket begins.
_UPGRADES = (b"GET /ws", b"GET /stream")
#: Puts something between a connection's stream, which has the number, and everything else.
Wrap = Callable[[trio.SocketStream, int], trio.abc.Stream]


class Accepted(NamedTuple):
    """A connection whose first request's head was read.

    ``stream``: what is still to come, TLS taken off. ``sent``: what was read. ``path`` and ``query``: of a request for
    a websocket, None of any other.
    """

    stream: trio.abc.Stream
    sent: bytes
    number: int
    client: tuple[str, int]
    path: str | None
    query: str


#: Has a connection whose first request asks for a websocket.
Websocket = Callable[[Accepted], Awaitable[None]]


class Replayed(trio.abc.Stream):
    """A stream that gives out once more what was read of it already. ``socket`` is the connection's own.

    It ends before a later request for a websocket, which then is ``upgrade``: some clients send one on a connection
    that they have used for REST.
    """

    def __init__(self, stream: trio.abc.Stream, sent: bytes, socket: Any) -> None:
        self.socket = socket
        self.upgrade = b""
        self._stream, self._sent = stream, sent

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        if self._sent:
            await trio.lowlevel.checkpoint()
            data, self._sent = self._sent, b""
            return data
        if self.upgrade:
            return b""
        data = bytes(await self._stream.receive_some(max_bytes))
        if data and any(begin.startswith(data[: len(begin)]) for begin in _UPGRADES):
            data = await _read_head(self._stream, data)
            if _websocket_target(data)[0] is not None:
                self.upgrade, data = data, b""
        return data

    async def aclose(self) -> None:
        if not self.upgrade:
            await self._stream.aclose()


class Listener:
    """Takes connections and numbers them from 1.

    Args:
        app: answers HTTP.
        websocket: has those whose first request asks for a websocket.
        tls: for a server; None: plain.
        wrap: put around each connection's stream, below TLS.
    """

    def __init__(self, app: ASGIApp, websocket: Websocket, *, tls: ssl.SSLContext | None = None,
                 wrap: Wrap = lambda stream, number: stream) -> None:
        self._app, self._websocket = ASGIWrapper(app), websocket  # type: ignore[arg-type]
        self._tls, self._wrap = tls, wrap
        self._config, self._context = Config(), WorkerContext(None)
        self._config.include_server_header = False
        self._numbers: dict[tuple[str, int], int] = {}
        self._last = 0

    def number_of(self, client: tuple[str, int]) -> int:
        """Which connection comes from this host and port; -1: none."""
        return self._numbers.get(client, -1)

    async def take(self, socket: trio.SocketStream) -> None:
        """Serve one connection to its end, whatever becomes of it."""
        try:
            host, port = socket.socket.getpeername()[:2]
        except OSError:  # gone already
            await trio.aclose_forcefully(socket)
            return
        with self._numbered((host, port)) as number:
            try:
                await self._serve(socket, number, (host, port))
            except* (trio.BrokenResourceError, trio.ClosedResourceError, OSError):
                pass  # the client, or a fault, broke it
            finally:
                await trio.aclose_forcefully(socket)

    @contextmanager
    def _numbered(self, client: tuple[str, int]) -> Iterator[int]:
        self._last += 1
        number = self._numbers[client] = self._last
        try:
            yield number
        finally:
            if self._numbers.get(client) == number:  # its port may be another connection's already
                del self._numbers[client]

    async def _serve(self, socket: trio.SocketStream, number: int, client: tuple[str, int]) -> None:
        stream = self._wrap(socket, number)
        try:
            await self._shake_and_serve(stream, socket, number, client)
        finally:
            await trio.aclose_forcefully(stream)

    async def _shake_and_serve(
        self, stream: trio.abc.Stream, socket: trio.SocketStream, number: int, client: tuple[str, int]
    ) -> None:
        sent = None
        with trio.move_on_after(HEAD_S):
            if self._tls is not None:
                stream = trio.SSLStream(stream, self._tls, server_side=True, https_compatible=True)
                await stream.do_handshake()
            sent = await _read_head(stream)
        if not sent:
            return
        if _websocket_target(sent)[0] is None:
            replayed: Any = Replayed(stream, sent, socket.socket)
            await TCPServer(self._app, self._config, self._context, {}, replayed)
            sent = replayed.upgrade
        if sent:
            path, query = _websocket_target(sent)
            await self._websocket(Accepted(stream, sent, number, client, path, query))


async def _read_head(stream: trio.abc.Stream, sent: bytes = b"") -> bytes:
    """``sent`` and more, up to the end of a head at least, or as many as a head may have; none: closed before."""
    while _END not in sent and len(sent) < MOST_HEAD:
        data = await stream.receive_some(MOST_HEAD)
        if not data:
            return b""
        sent += data
    return sent


def _websocket_target(sent: bytes) -> tuple[str | None, str]:
    """Path and query if it asks for a websocket, else None and nothing."""
    lines = sent.partition(_END)[0].split(b"\r\n")
    words = lines[0].split(b" ")
    headers = {name.strip().lower(): value.strip().lower() for name, _, value in (x.partition(b":") for x in lines[1:])}
    if len(words) != 3 or words[0] != b"GET" or headers.get(b"upgrade") != b"websocket":
        return None, ""
    path, _, query = words[1].decode("utf-8", "replace").partition("?")
    return path, query
