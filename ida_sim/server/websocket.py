"""A websocket from its handshake to its end, whatever is spoken on it: pings, its life's length, faults, the close."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream

from ida_sim.server.connection import Ending, Pace
from ida_sim.server.outlet import FrameCount, Outlet

HANDSHAKE_S = 10.0


class Spoken(Protocol):
    """What is spoken on one websocket."""

    number: int
    ending: Ending
    outlet: Outlet | None
    frames: list[bytes]

    def count_frame(self, opcode: int) -> None: ...
    def mute(self) -> None: ...
    def leave(self) -> None: ...
    def state(self) -> Mapping[str, Any]: ...
    async def serve(self, websocket: WebSocketConnection) -> None: ...


Opened = Callable[[WebSocketConnection], Awaitable[None]]


async def hold_websocket(stream: trio.abc.Stream, sent: bytes, spoken: Spoken, pace: Pace,
                         on_open: Callable[[], None]) -> None:
    """Shake hands, then serve until one side closes.

    Args:
        stream: of the accepted connection.
        sent: what was read of it: the request, and what came behind it.
        on_open: called when the hands are shaken, before anything is answered.
    """
    frames = FrameCount(spoken.count_frame)
    outlet = Outlet(stream, sent, frames.feed, spoken.frames)
    frames.feed(sent[sent.index(b"\r\n\r\n") + 4 :])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(outlet.run)
        nursery.start_soon(_end_with, outlet, nursery.cancel_scope)
        websocket = None
        with trio.move_on_after(HANDSHAKE_S):
            request = await wrap_server_stream(nursery, outlet)
            websocket = await request.accept()
        if websocket is not None:
            spoken.outlet = outlet
            try:
                on_open()
                await _hold(websocket, spoken, pace)
            finally:
                spoken.outlet = None
                spoken.leave()
        await outlet.aclose()
        nursery.cancel_scope.cancel()


async def refuse_websocket(stream: trio.abc.Stream, sent: bytes, status: int, body: bytes,
                           retry_s: int | None = None) -> None:
    """Answer the request for a websocket with an HTTP error, and close; ``retry_s``: after how long to come back."""
    outlet = Outlet(stream, sent, lambda data: None, [])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(outlet.run)
        nursery.start_soon(_end_with, outlet, nursery.cancel_scope)
        with trio.move_on_after(HANDSHAKE_S):
            request = await wrap_server_stream(nursery, outlet)
            headers = [(b"Content-Type", b"application/json;charset=UTF-8")]
            if retry_s is not None:
                headers.append((b"Retry-After", b"%d" % retry_s))
            await request.reject(status, extra_headers=headers, body=body)
        await outlet.aclose()
        nursery.cancel_scope.cancel()


async def _end_with(outlet: Outlet, scope: trio.CancelScope) -> None:
    await outlet.closed.wait()
    scope.cancel()


async def _hold(websocket: WebSocketConnection, spoken: Spoken, pace: Pace) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_ping, websocket, spoken.ending, pace)
        nursery.start_soon(_close_when_decided, websocket, spoken, pace)
        nursery.start_soon(_live, spoken.ending, pace)
        await spoken.serve(websocket)
        nursery.cancel_scope.cancel()


async def _live(ending: Ending, pace: Pace) -> None:
    await trio.sleep(pace.life_s)
    ending.decide(1000, "24 hours are over")


async def _close_when_decided(websocket: WebSocketConnection, spoken: Spoken, pace: Pace) -> None:
    """The close of trio-websocket waits for the client's; who does not answer is left."""
    ending = spoken.ending
    await ending.decided.wait()
    spoken.mute()
    with trio.move_on_after(pace.close_s):
        await websocket.aclose(ending.code, ending.reason)


async def _ping(websocket: WebSocketConnection, ending: Ending, pace: Pace) -> None:
    """A pong must come for each ping in time; it may also answer those before it."""
    async with trio.open_nursery() as nursery:
        number = 0
        while True:
            await trio.sleep(pace.ping_s)
            number += 1
            nursery.start_soon(_ping_once, websocket, ending, pace, b"%d" % number)


async def _ping_once(websocket: WebSocketConnection, ending: Ending, pace: Pace, payload: bytes) -> None:
    with trio.move_on_after(pace.patience_s) as scope:
        try:
            await websocket.ping(payload)
        except ConnectionClosed:
            return
    if scope.cancelled_caught:
        ending.decide(1008, "Pong timeout")
