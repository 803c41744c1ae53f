"""The whole server: market, streams, both APIs and the control endpoint, on one port."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import trio
from starlette.types import Receive, Scope, Send
from trio_websocket import WebSocketConnection

from ida_core import VenueUnavailable
from ida_sim.funding import fees_of
from ida_sim.server.access import Access
from ida_sim.server.account_files import AccountFile
from ida_sim.server.api import Api, error_body
from ida_sim.server.connection import GOING_AWAY, Ending, Pace, StreamConnection, send_frames
from ida_sim.server.control import control_routes
from ida_sim.server.endpoints import ENDPOINTS
from ida_sim.server.faults import MOMENT, Faults, Placed, Target
from ida_sim.server.limits import OK, Limits
from ida_sim.server.listener import Accepted, Listener
from ida_sim.server.market import MarketSetup, ServerMarket, build_market, default_balances
from ida_sim.server.message_faults import MessageFaults
from ida_sim.server.outlet import Outlet
from ida_sim.server.parameters import Refusal
from ida_sim.server.permissions import PERMISSIONS
from ida_sim.server.rest import rest_app, time_unit
from ida_sim.server.rough import UNTOUCHED, RoughWires
from ida_sim.server.script import Step, play
from ida_sim.server.streams import Flushed, Streams
from ida_sim.server.trading.opening import open_accounts
from ida_sim.server.trading.table import TRADING
from ida_sim.server.trading.trading import Trading
from ida_sim.server.user_streams import STREAM, Push
from ida_sim.server.websocket import Spoken, hold_websocket, refuse_websocket
from ida_sim.server.wire import text_frame
from ida_sim.server.ws_api import Session, serve_session

WS_API = "/ws-api/v3"
HOST = "127.0.0.1"
#: How long open connections may take to close at the end, s.
FAREWELL_S = 2.5


class ServerSetup(NamedTuple):
    """What is served, and where. ``port`` 0: a free one. ``tls``: None for plain HTTP. ``accounts``: who may trade."""

    market: MarketSetup
    host: str = HOST
    port: int = 0
    script: Sequence[Step] = ()
    tls: ssl.SSLContext | None = None
    pace: Pace = Pace()
    accounts: Sequence[AccountFile] = (AccountFile(),)


class Addresses(NamedTuple):
    """The base URLs, for clients' own options."""

    rest: str
    ws: str
    ws_api: str
    control: str


class ApiConnection:
    """A websocket on which the WebSocket API is spoken; keeps ``websocket.Spoken``."""

    service = "ws-api"

    def __init__(self, number: int, troubles: MessageFaults, opened: list[Flushed], cut: Callable[[int], None],
                 session: Callable[[Push], Session]) -> None:
        self.number = number
        self.ending = Ending()
        self.outlet: Outlet | None = None
        self.frames: list[bytes] = []
        self._troubles, self._opened, self._cut = troubles, opened, cut
        self._session = session(self._push)
        self._told = trio.Event()

    def count_frame(self, opcode: int) -> None:
        """No limit of messages is told for this API: requests have weights."""

    def enter(self) -> None:
        """The connection is open."""
        self._opened.append(self)

    def mute(self) -> None:
        """It is about to be closed: no event may come after that."""
        self._session.user_streams.close()
        self._troubles.forget(self.number)

    def leave(self) -> None:
        """The connection is gone."""
        self.mute()
        self._opened.remove(self)

    def _push(self, name: str, event: bytes) -> None:
        """Tell what happened to an account, or what faults make of that."""
        target = Target(self.service, self.number, stream=name)
        self._troubles.deliver(self, STREAM, text_frame(event), target)
        self.flush()

    def flush(self) -> None:
        """Have sent what was put into ``frames``."""
        send_frames(self.outlet, self.frames, self.ending)

    def tell_shutdown(self, now_ns: int) -> None:
        self._told.set()

    def terminate(self) -> None:
        """End what it has subscribed to."""
        self._session.user_streams.terminate()

    async def serve(self, websocket: WebSocketConnection) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._tell, websocket)
            await serve_session(websocket, self._session, lambda: self._cut(self.number))
            nursery.cancel_scope.cancel()

    async def _tell(self, websocket: WebSocketConnection) -> None:
        await self._told.wait()
        await websocket.send_message(self._session.shutdown_event())

    def state(self) -> dict[str, Any]:
        sent = self.outlet.sent if self.outlet else 0
        return {"connection": self.number, "service": self.service, "sent_bytes": sent}


class Server:
    """A running server, as ``open_server`` yields it. ``faults``, ``market`` and ``streams`` may be used."""

    def __init__(self, setup: ServerSetup) -> None:
        self.faults = Faults(trio.current_time)
        self.market: ServerMarket = build_market(setup.market, lambda: self.faults.clock_offset_ns)
        self.limits = Limits(self.market.now_ns)
        self.trading = Trading(self.market, fees_of(setup.market.venue.config))
        accounts = open_accounts(self.trading, setup.accounts, default_balances(self.market))
        self.access = Access(self.market.now_ns, accounts, self.limits.budget)
        self.api = Api(self.market, self.limits, self.faults, self.access, (*ENDPOINTS, *PERMISSIONS, *TRADING))
        self.streams = Streams(self.market, self.faults)
        self.addresses = Addresses("", "", "", "")
        self._setup = setup
        self._open: dict[int, StreamConnection | ApiConnection] = {}
        self.wires = RoughWires(self.faults)
        self._http = rest_app(
            self.api, control_routes(self.api, self.state), lambda client: self._listener.number_of(client),
            self.wires.cut)
        self._listener = Listener(self._answer, self._websocket, tls=setup.tls, wrap=self.wires.wrap)
        self._left = trio.Event()
        self._shutting = trio.open_memory_channel[tuple[StreamConnection | ApiConnection, float]](1024)

    def state(self) -> Mapping[str, Any]:
        """Symbols and connections, as the control endpoint shows them."""
        return {
            "symbols": {name: symbol.state() for name, symbol in self.market.symbols.items()},
            "connections": [connection.state() for connection in self._open.values()],
        }

    def told_keys(self) -> list[dict[str, str]]:
        """Every account's keys, secrets and all: for who started the server, and nobody else."""
        return [{"account": account.name, **key.told()}
                for account in self.access.accounts.values() for key in account.keys]

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """HTTP, once the wire knows whose faults are to strike: a connection may serve one path after the other."""
        if scope["type"] == "http":
            host, port = scope["client"]
            service = UNTOUCHED if scope["path"].startswith("/control") else "rest"
            self.wires.serves(self._listener.number_of((host, port)), service, scope["path"], scope["method"])
        await self._http(scope, receive, send)

    # ------------------------------------------------------------- websockets

    async def _websocket(self, accepted: Accepted) -> None:
        try:
            spoken = self._spoken(accepted)
        except Refusal as refusal:
            body = error_body(refusal.code, refusal.msg)
            await refuse_websocket(accepted.stream, accepted.sent, refusal.status, body, refusal.retry_s)
            return
        self._open[spoken.number] = spoken
        self.wires.serves(spoken.number, spoken.service)
        try:
            await hold_websocket(accepted.stream, accepted.sent, spoken, self._setup.pace,
                                 lambda: self._begin(spoken, accepted))
        finally:
            del self._open[spoken.number]
            self._left.set()
            self._left = trio.Event()

    def _spoken(self, accepted: Accepted) -> StreamConnection | ApiConnection:
        path, query = accepted.path or "", {k: v[-1] for k, v in parse_qs(accepted.query).items()}
        verdict = self.limits.connect(accepted.client[0])
        if verdict.status != OK:
            raise Refusal(-1003, verdict.msg, verdict.status, verdict.retry_after_s(self.market.now_ns()))
        if path.rstrip("/") == WS_API:
            return ApiConnection(
                accepted.number, self.streams.troubles, self.streams.connections, self.wires.cut,
                lambda push: Session(self.api, accepted.client[0], accepted.number, query, push))
        head = path.split("/")[1] if path.startswith("/") else ""
        if head not in ("ws", "stream"):
            raise Refusal(-1020, "This operation is not supported.", 404)
        return StreamConnection(
            accepted.number, self.streams, combined=head == "stream", unit_ns=time_unit(query.get("timeUnit")))

    def _begin(self, spoken: Spoken, accepted: Accepted) -> None:
        """The streams that the URL names are subscribed to at once."""
        if isinstance(spoken, ApiConnection):
            spoken.enter()
        elif isinstance(spoken, StreamConnection):
            spoken.enter()
            named = (accepted.path or "").split("/")[2:]
            for listed in parse_qs(accepted.query).get("streams", []):
                named += listed.split("/")
            spoken.subscribe([name for name in named if name])

    # ------------------------------------------------------------- faults of a moment

    def _meet(self, placed: Placed) -> None:
        if placed.place != MOMENT or placed.fault.kind not in ("24h-close", "server-shutdown", "terminate-user-data"):
            return
        for spoken in self._open.values():
            if not placed.concerns(Target(spoken.service, spoken.number)):
                continue
            if placed.fault.kind == "24h-close":
                spoken.ending.decide(1000, "24 hours are over")
            elif placed.fault.kind == "terminate-user-data":
                spoken.terminate()
            else:
                spoken.tell_shutdown(self.market.now_ns())
                self._shutting[0].send_nowait((spoken, placed.fault.delay_ms / 1000))

    async def _shut(self, nursery: trio.Nursery) -> None:
        async for spoken, delay_s in self._shutting[1]:
            nursery.start_soon(_end_later, spoken, delay_s)

    # ------------------------------------------------------------- running

    def _has_room(self) -> bool:
        return all(spoken.has_room for spoken in self._open.values() if isinstance(spoken, StreamConnection))

    async def run(self, listeners: Sequence[trio.SocketListener]) -> None:
        """Serve until cancelled."""
        with self.faults.listening(self._meet):
            async with trio.open_nursery() as nursery:
                await nursery.start(self.wires.run)
                nursery.start_soon(self.market.run, self.streams.flush, self._has_room)
                nursery.start_soon(self.streams.run)
                nursery.start_soon(self._shut, nursery)
                nursery.start_soon(play, self._setup.script, self.faults)
                await trio.serve_listeners(self._listener.take, list(listeners))

    async def say_goodbye(self) -> None:
        """Have every websocket closed in order, for so long as their clients take part."""
        for spoken in self._open.values():
            spoken.ending.decide(GOING_AWAY, "The server is closing")
        with trio.move_on_after(FAREWELL_S):
            while self._open:
                await self._left.wait()


async def _end_later(spoken: StreamConnection | ApiConnection, delay_s: float) -> None:
    await trio.sleep(delay_s)
    spoken.ending.decide(GOING_AWAY, "serverShutdown")


@asynccontextmanager
async def open_server(setup: ServerSetup) -> AsyncIterator[Server]:
    """Serve while the block lasts.

    Raises:
        ConfigError, DataError: the market cannot be made.
        VenueUnavailable: the port is taken.
    """
    server = Server(setup)
    listeners = await _listen(setup)
    server.addresses = _addresses(setup, listeners[0].socket.getsockname()[1])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.run, listeners)
        try:
            yield server
        finally:
            with trio.CancelScope(shield=True):
                await server.say_goodbye()
            nursery.cancel_scope.cancel()


async def _listen(setup: ServerSetup) -> list[trio.SocketListener]:
    try:
        return await trio.open_tcp_listeners(setup.port, host=setup.host)
    except OSError as error:
        raise VenueUnavailable(
            f"the port {setup.port} of {setup.host} cannot be listened on: {error.strerror or error}; --port 0 picks a "
            "free one", code="IDA-E4115") from error


def _addresses(setup: ServerSetup, port: int) -> Addresses:
    http, ws = ("https", "wss") if setup.tls else ("http", "ws")
    place = f"{setup.host}:{port}"
    return Addresses(f"{http}://{place}", f"{ws}://{place}", f"{ws}://{place}{WS_API}", f"{http}://{place}/control")
