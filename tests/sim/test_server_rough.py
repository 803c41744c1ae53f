"""Rough wires over real sockets, the tap at the other end: each fault does what it says, at the byte it is told."""

import errno
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trio_websocket
from collecting import Collector

from ida_core import ConfigError
from ida_core.tap import Tap, TapClosed, open_tap
from ida_sim.server.faults import Fault, Faults
from ida_sim.server.rough import RoughStream, RoughWires
from ida_sim.server.tls import server_tls

DEADLINE_S = 30
TEXT = "0123456789"
FRAME_BYTES = 2 + len(TEXT)
READY = "ready"


class Server:
    """Sends a message, waits to be told to send more; what it was sent is kept."""

    def __init__(self, service: str = "streams") -> None:
        self.faults = Faults(trio.current_time)
        self.wires = RoughWires(self.faults)
        self.service = service
        self.port = 0
        self.streams: list[RoughStream] = []
        self.connections: list[trio_websocket.WebSocketConnection] = []
        self.failures: list[Exception] = []

    async def handle(self, tls: Any, stream: trio.SocketStream) -> None:
        number = len(self.streams)
        rough = self.wires.wrap(stream, number)
        self.streams.append(rough)
        above: Any = rough if tls is None else trio.SSLStream(rough, tls.context, server_side=True)
        async with trio.open_nursery() as nursery:
            request = await trio_websocket.wrap_server_stream(nursery, above)
            connection = await request.accept()
            self.wires.serves(number, self.service)
            self.connections.append(connection)
            await connection.send_message(READY)
            with suppress(trio_websocket.ConnectionClosed):
                await connection.get_message()
            with trio.move_on_after(0.1):
                await connection.aclose()
            await trio.aclose_forcefully(above)

    async def send(self, count: int, number: int = 0) -> None:
        """Messages to the connection of this number, until it breaks."""
        with suppress(trio_websocket.ConnectionClosed):
            for _ in range(count):
                await self.connections[number].send_message(TEXT)


@pytest.fixture
def sink() -> Collector:
    return Collector()


@asynccontextmanager
async def serving(service: str = "streams", tls: Any = None) -> AsyncIterator[Server]:
    server = Server(service)
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            await nursery.start(server.wires.run)
            listeners = await nursery.start(partial(trio.serve_tcp, partial(server.handle, tls), 0, host="127.0.0.1"))
            server.port = listeners[0].socket.getsockname()[1]
            yield server
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def tapped(server: Server, sink: Collector, scheme: str = "ws", **more: Any) -> AsyncIterator[tuple[Tap, Any]]:
    """A tap that runs, and what tells how it ended."""
    send, receive = trio.open_memory_channel[TapClosed](1)
    url = f"{scheme}://127.0.0.1:{server.port}/ws"
    async with (
        open_tap(url, sink.sink, on_shown=sink.on_shown, on_batch=sink.on_batch, **more) as tap,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(_run, tap, send)
        await sink.wait_for(1)
        yield tap, receive.receive
        nursery.cancel_scope.cancel()


async def _run(tap: Tap, tell: Any) -> None:
    try:
        await tap.run()
    except TapClosed as closed:
        tell.send_nowait(closed)


@pytest.mark.parametrize("kind", ["cut", "reset"])
@pytest.mark.parametrize("after_bytes", [0, 1, 2, FRAME_BYTES, 3 * FRAME_BYTES + 5])
async def test_a_connection_ends_after_the_byte(kind: str, after_bytes: int, sink: Collector) -> None:
    async with serving() as server, tapped(server, sink) as (tap, ended):
        before = tap.bytes
        server.faults.place(Fault(kind=kind, after_bytes=after_bytes))
        await server.send(9)
        closed = await ended()
    assert (closed.code, closed.clean) == (1006, False)
    assert ("hung up" in closed.reason) if kind == "cut" else (str(errno.ECONNRESET) in closed.reason)
    assert tap.bytes - before == after_bytes
    assert sink.texts[1:] == [TEXT.encode()] * (after_bytes // FRAME_BYTES)
    assert server.faults.state() == []


async def test_a_quiet_connection_is_cut_too_and_the_next_is_whole(sink: Collector) -> None:
    async with serving() as server:
        async with tapped(server, sink) as (_, ended):
            server.faults.place(Fault(kind="cut"))
            assert (await ended()).code == 1006
        other = Collector()
        async with tapped(server, other):
            await server.send(5, 1)
            await other.wait_for(6)


async def test_half_open_says_nothing_more_and_does_not_close(sink: Collector) -> None:
    async with serving() as server, tapped(server, sink) as (tap, _):
        server.faults.place(Fault(kind="half-open", after_bytes=FRAME_BYTES + 3))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.send, 3)
            await sink.wait_for(2)
            with trio.move_on_after(0.1):
                await tap.ping()
                pytest.fail("a half-open connection answered")
            nursery.cancel_scope.cancel()
        await server.streams[0].aclose()
        with trio.move_on_after(0.1):
            await sink.wait_for(3)
        assert (tap.closed, len(sink.texts)) == (None, 2)


async def test_a_stall_holds_all_back_until_it_is_over(sink: Collector) -> None:
    async with serving() as server, tapped(server, sink), trio.open_nursery() as nursery:
        placed = server.faults.place(Fault(kind="stall"))
        nursery.start_soon(server.send, 3)
        while not placed.struck:
            await trio.sleep(0.001)
        assert len(sink.texts) == 1
        server.faults.clear()
        await sink.wait_for(4)


async def test_a_stalled_connection_can_be_cut(sink: Collector) -> None:
    async with serving() as server, tapped(server, sink) as (_, ended), trio.open_nursery() as nursery:
        placed = server.faults.place(Fault(kind="stall"))
        nursery.start_soon(server.send, 1)
        while not placed.struck:
            await trio.sleep(0.001)
        server.faults.place(Fault(kind="cut"))
        assert (await ended()).code == 1006


async def test_slow_bytes_arrive_one_by_one_and_whole(sink: Collector) -> None:
    async with serving() as server, tapped(server, sink) as (tap, _):
        server.faults.place(Fault(kind="slow", bytes_per_s=300))
        began, before = trio.current_time(), tap.bytes
        await server.send(3)
        await sink.wait_for(4)
        assert trio.current_time() - began >= (3 * FRAME_BYTES - 15) / 300
        assert tap.bytes - before == 3 * FRAME_BYTES
        server.faults.clear()
        await server.send(100)
        await sink.wait_for(104)


@pytest.mark.parametrize("kind", ["delay", "jitter"])
async def test_late_bytes_come_in_order_none_before_its_time(kind: str, sink: Collector) -> None:
    async with serving() as server, tapped(server, sink) as (_, ended):
        server.faults.place(Fault(kind=kind, delay_ms=100, count=20, seed=3))
        began = trio.current_time()
        await server.send(20)
        assert len(sink.texts) == 1
        await server.send(1)
        await sink.wait_for(22)
        assert trio.current_time() - began >= (0.1 if kind == "delay" else 0.05)
        server.faults.place(Fault(kind=kind, delay_ms=50))
        await server.send(1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.connections[0].aclose, 4000, "late goodbye")
            closed = await ended()
    assert (closed.code, closed.reason) == (4000, "late goodbye")
    assert len(sink.texts) == 23


async def test_only_those_in_scope_are_struck(sink: Collector) -> None:
    other = Collector()
    async with serving() as server, tapped(server, sink) as (_, ended), tapped(server, other):
        server.faults.place(Fault(kind="cut", service="rest"))
        server.faults.place(Fault(kind="cut", connection=0))
        assert (await ended()).code == 1006
        await server.send(5, 1)
        await other.wait_for(6)
        assert [fault["kind"] for fault in server.faults.state()] == ["cut"]


async def test_the_control_endpoint_is_never_struck(sink: Collector) -> None:
    async with serving("control") as server, tapped(server, sink):
        server.faults.place(Fault(kind="cut"))
        await server.send(5)
        await sink.wait_for(6)


@pytest.mark.parametrize("own", [True, False])
async def test_tls_with_a_certificate_of_ours_or_the_users(own: bool, sink: Collector, tmp_path: Path) -> None:
    tls = server_tls(None, None, tmp_path) if own else users(tmp_path)
    trusted = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    async with serving(tls=tls) as server:
        async with tapped(server, sink, "wss", ssl_context=trusted) as (_, ended):
            await server.send(3)
            await sink.wait_for(4)
            server.faults.place(Fault(kind="cut", after_bytes=1))
            await server.send(3)
            assert (await ended()).code == 1006
        assert len(sink.texts) == 4


def users(folder: Path) -> Any:
    import trustme

    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    return server_tls(folder / "server.pem", None, folder)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (lambda folder: (folder / "none.pem", None), "none.pem cannot be used: No such file"),
        (lambda folder: (Path(__file__), None), "cannot be used"),
        (lambda folder: (None, folder / "key.pem"), "needs --tls-cert"),
    ],
)
def test_files_that_are_no_certificate_are_named(files: Callable[[Path], Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=words):
        server_tls(*files(tmp_path), tmp_path)
