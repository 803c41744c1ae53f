"""A WebSocket API and a REST API for tests that say what they are told to, on real sockets. They check nothing."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import trio
import trio_websocket

#: Takes a request, and gives the reply: a dict is sent with the request's id, text as it is; bytes are put on the wire,
#: and the connection closed; None: nothing.
Handler = Callable[[dict[str, Any]], Any]


class ApiServer:
    """``frames``: all requests that came, over whichever connection; ``handlers``: by method, what is answered."""

    def __init__(self) -> None:
        self.port = 0
        self.frames: list[dict[str, Any]] = []
        self.sockets: list[trio_websocket.WebSocketConnection] = []
        self.came = trio.Event()
        self.ahead_ms = 0
        self.handlers: dict[str, Handler] = {
            "time": lambda _: {"status": 200, "result": {"serverTime": self.now_ms()}},
            "session.logon": lambda _: {"status": 200, "result": {}},
            "userDataStream.subscribe": lambda _: {"status": 200, "result": {"subscriptionId": 0}},
            "userDataStream.subscribe.signature": lambda _: {"status": 200, "result": {"subscriptionId": 0}},
        }

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead_ms

    def asked(self, method: str) -> list[dict[str, Any]]:
        """The parameters of all requests of that method."""
        return [frame["params"] for frame in self.frames if frame["method"] == method]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until more frames have made it true."""
        while not condition():
            await self.came.wait()

    async def say(self, event: dict[str, Any], number: int = -1) -> None:
        """An event of the account over one of the connections, by itself the newest."""
        await self.sockets[number].send_message(json.dumps({"subscriptionId": 0, "event": event}))

    async def serve(self, request: trio_websocket.WebSocketRequest) -> None:
        socket = await request.accept()
        self.sockets.append(socket)
        with suppress(trio_websocket.ConnectionClosed):
            while True:
                frame = json.loads(await socket.get_message())
                self.frames.append(frame)
                reply = self.handlers.get(frame["method"], lambda _: None)(frame)
                self.came.set()
                self.came = trio.Event()
                if isinstance(reply, bytes):
                    await socket._stream.send_all(reply)  # as it is, and then nothing more
                    await socket._stream.aclose()
                    return
                if isinstance(reply, dict):
                    reply = json.dumps({"id": frame["id"], **reply})
                if reply is not None:
                    await socket.send_message(reply)
        self.sockets.remove(socket)


class RestServer:
    """``asked``: verb and target of each request, without pings, which it counts; ``answer``: what is sent back, after
    which it hangs up."""

    def __init__(self) -> None:
        self.port = self.pings = 0
        self.asked: list[tuple[str, str]] = []
        self.answer: Callable[[str, str], bytes] = lambda verb, target: http_answer({})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, stream: trio.SocketStream) -> None:
        head = b""
        with suppress(trio.BrokenResourceError):
            while True:
                while b"\r\n\r\n" not in head:
                    if not (data := await stream.receive_some()):
                        return
                    head += data
                first, _, head = head.partition(b"\r\n\r\n")
                verb, target = first.decode().split(" ")[:2]
                if target == "/api/v3/ping":
                    self.pings += 1
                    await stream.send_all(http_answer({}))
                    continue
                self.asked.append((verb, target))
                await stream.send_all(self.answer(verb, target))
                return


def http_answer(body: Any, status: int = 200, **headers: str) -> bytes:
    """An answer of HTTP; ``body``: bytes, or what JSON is made of."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} OK", f"Content-Length: {len(text)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + text


@asynccontextmanager
async def rest_server() -> AsyncIterator[RestServer]:
    """Serve on loopback until the end of the block."""
    server = RestServer()
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, server.serve, 0, host="127.0.0.1"))
        server.port = listeners[0].socket.getsockname()[1]
        yield server
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def api_server(port: int = 0) -> AsyncIterator[ApiServer]:
    """Serve on loopback until the end of the block."""
    server = ApiServer()
    async with trio.open_nursery() as nursery:
        listening = await nursery.start(
            partial(trio_websocket.serve_websocket, server.serve, "127.0.0.1", port, None))
        server.port = listening.port
        yield server
        nursery.cancel_scope.cancel()
