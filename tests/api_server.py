"""A WebSocket API for tests that says what it is told to: one handler for each frame, on real sockets.

It checks nothing by itself: ``Said`` has what came, and ``Speaker`` answers as the test has it.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import trio
import trio_websocket

#: Takes a request, and gives the reply (a dict: sent with the request's id; text: sent as it is; None: nothing).
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
                if isinstance(reply, dict):
                    reply = json.dumps({"id": frame["id"], **reply})
                if reply is not None:
                    await socket.send_message(reply)
        self.sockets.remove(socket)


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
