"""The tap against real WebSocket servers and real sockets: what arrives, what ends it, what is told."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import pytest
import trio
import trio_websocket
import trustme
from collecting import Collector

from ida_core.errors import ConfigError, VenueUnavailable
from ida_core.tap import HandshakeRefused, Tap, TapClosed, open_tap

Serve = Callable[[trio_websocket.WebSocketConnection], Awaitable[None]]
DEADLINE_S = 30


@pytest.fixture
def sink() -> Collector:
    return Collector()


@pytest.fixture(autouse=True)
async def _deadline(nursery: Any) -> AsyncIterator[None]:
    """No test hangs."""
    with trio.fail_after(DEADLINE_S):
        yield


@asynccontextmanager
async def websocket_server(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """trio-websocket's own server; its port."""

    async def handle(request: trio_websocket.WebSocketRequest) -> None:
        connection = await request.accept()
        with suppress(trio_websocket.ConnectionClosed):
            await serve(connection)

    async with trio.open_nursery() as nursery:
        start = partial(trio_websocket.serve_websocket, handle, "127.0.0.1", 0, tls)
        server = await nursery.start(start)
        yield server.port
        nursery.cancel_scope.cancel()


def tap_to(port: int, sink: Collector, scheme: str = "ws", **more: Any) -> Any:
    return open_tap(f"{scheme}://127.0.0.1:{port}/stream?streams=a", sink.sink, on_shown=sink.on_shown,
                    on_batch=sink.on_batch, **more)  # fmt: skip


async def ending(tap: Tap) -> TapClosed:
    with pytest.raises(TapClosed) as caught:
        await tap.run()
    return caught.value


async def test_messages_go_to_the_sink_and_the_goodbye_is_told(sink: Collector) -> None:
    async def serve(connection: trio_websocket.WebSocketConnection) -> None:
        for text in ("one", "", "?shown", "x" * 70000, b"binary"):
            await connection.send_message(text)
        await connection.aclose(4001, "enough")

    async with websocket_server(serve) as port, tap_to(port, sink) as tap:
        closed = await ending(tap)
    assert (closed.code, closed.reason, closed.clean) == (4001, "enough", True)
    assert sink.texts == [b"one", b"", b"x" * 70000, b"binary"]
    assert sink.shown == [b"?shown"]
    assert tap.messages == 5
    assert tap.bytes > 70000
    assert sink.stamps == sorted(sink.stamps)
    assert 0 < sink.stamps[-1] <= tap.last_ns
    assert 1 <= sink.batches <= 4


async def test_sending_and_pings_both_ways(sink: Collector) -> None:
    ponged = trio.Event()

    async def serve(connection: trio_websocket.WebSocketConnection) -> None:
        assert await connection.get_message() == '{"method":"LIST_SUBSCRIPTIONS","id":1}'
        await connection.ping(b"how are you")
        ponged.set()
        await connection.send_message("answer")
        await connection.get_message()

    async with websocket_server(serve) as port, tap_to(port, sink) as tap, trio.open_nursery() as nursery:
        nursery.start_soon(ending, tap)
        await tap.send('{"method":"LIST_SUBSCRIPTIONS","id":1}')
        await ponged.wait()
        await sink.wait_for(1)
        assert 0 <= await tap.ping() < DEADLINE_S
        await tap.aclose()
    assert sink.texts == [b"answer"]
    with pytest.raises(TapClosed):
        await tap.send("too late")
    with pytest.raises(TapClosed):
        await tap.ping()


@asynccontextmanager
async def raw_server(serve: Callable[[trio.SocketStream], Awaitable[None]]) -> AsyncIterator[int]:
    """What answers as the test says, byte by byte; its port."""
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def refused(port: int, sink: Collector, scheme: str = "ws", **more: Any) -> VenueUnavailable:
    with pytest.raises(VenueUnavailable) as caught:
        async with tap_to(port, sink, scheme, **more):
            pytest.fail("a connection came about")
    assert f"{scheme}://127.0.0.1:{port}" in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (b"", "IDA-E4120", "ended in the handshake, after not a single byte"),
        (b"HTTP/1.1 101 Swi", "IDA-E4120", "ended in the handshake, after b'HTTP/1.1 101 Swi'"),
        (b"SSH-2.0-OpenSSH_9\r\n", "IDA-E4120", "begins with b'SSH-2.0-OpenSSH_9"),
        (b"\x00" * 5000, "IDA-E4120", "which is no HTTP"),
        (b"HTTP/1.1 101 " + b"x" * 70000, "IDA-E4120", "more than 65536 bytes"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "IDA-E4120", "answer to the handshake is none"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         b"Sec-WebSocket-Accept: wrong\r\n\r\n", "IDA-E4120", "answer to the handshake is none"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "IDA-E4112", "HTTP status 200: hi"),
        (b"HTTP/1.1 teapot\r\n\r\n", "IDA-E4120", "answer to the handshake is none"),
        (b"HTTP/1.1 503 Down\r\nContent-Length: 9\r\n\r\nhi", "IDA-E4112", "HTTP status 503: hi"),
    ],
)  # fmt: skip
async def test_an_answer_that_is_no_handshake_is_named(
    answer: bytes, code: str, words: str, sink: Collector
) -> None:
    async def serve(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(answer)
        await stream.send_eof()
        await stream.receive_some()

    async with raw_server(serve) as port:
        problem = await refused(port, sink)
    assert (problem.code, words in str(problem)) == (code, True), problem


async def test_a_status_of_http_comes_with_its_headers(sink: Collector) -> None:
    async def serve(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        for byte in b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nslow":
            await stream.send_all(bytes([byte]))

    async with raw_server(serve) as port:
        problem = await refused(port, sink)
    assert isinstance(problem, HandshakeRefused)
    assert (problem.status, problem.headers["retry-after"]) == (429, "7")
    assert problem.code == "IDA-E4112"


async def test_who_is_not_there_is_named(sink: Collector) -> None:
    with trio.socket.socket() as unused:
        await unused.bind(("127.0.0.1", 0))
        problem = await refused(unused.getsockname()[1], sink)
        assert problem.code == "IDA-E4111"
    with pytest.raises(VenueUnavailable, match=r"no-such-host\.invalid") as caught:
        async with open_tap("ws://no-such-host.invalid/", sink.sink, on_shown=print, on_batch=print):
            pass
    assert caught.value.code == "IDA-E4110"


async def test_who_does_not_answer_is_given_up(sink: Collector) -> None:
    async def serve(stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    async with raw_server(serve) as port:
        problem = await refused(port, sink, connect_timeout_s=0.05)
    assert (problem.code, "no answer within 0.05 s" in str(problem)) == ("IDA-E4111", True)


@pytest.mark.parametrize("url", ["http://a/", "ws:///x", "ws://a:b/", "nothing", "ws://[::1/"])
async def test_what_is_no_url_is_refused(url: str, sink: Collector) -> None:
    with pytest.raises(ConfigError, match="URL"):
        async with open_tap(url, sink.sink, on_shown=print, on_batch=print):
            pass


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def contexts(authority: trustme.CA, name: str = "127.0.0.1") -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The server's, with a certificate for ``name``, and that of a client who trusts the authority."""
    server, client = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert(name).configure_cert(server)
    authority.configure_trust(client)
    return server, client


async def test_tls_with_a_trusted_certificate(authority: trustme.CA, sink: Collector) -> None:
    server, client = contexts(authority)
    texts = [f"{number} ".encode() * number for number in range(0, 3000, 30)]

    async def serve(connection: trio_websocket.WebSocketConnection) -> None:
        for text in texts:
            await connection.send_message(text.decode())
        await connection.get_message()

    async with (
        websocket_server(serve, server) as port,
        tap_to(port, sink, "wss", ssl_context=client) as tap,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(ending, tap)
        await sink.wait_for(len(texts))
        assert 0 <= await tap.ping() < DEADLINE_S
        await tap.aclose()
    assert sink.texts == texts


@pytest.mark.parametrize("wrong", ["authority", "name", "no TLS"])
async def test_a_certificate_that_is_not_trusted_is_named(
    wrong: str, authority: trustme.CA, sink: Collector
) -> None:
    server, client = contexts(authority, "example.com" if wrong == "name" else "127.0.0.1")
    trusted = None if wrong == "authority" else client

    async def serve(connection: trio_websocket.WebSocketConnection) -> None:
        pytest.fail("a connection came about")

    async with websocket_server(serve, None if wrong == "no TLS" else server) as port:
        problem = await refused(port, sink, "wss", ssl_context=trusted)
    words = {"authority": "certificate verify failed", "name": "127.0.0.1", "no TLS": "WRONG_VERSION_NUMBER"}[wrong]
    assert (problem.code, words in str(problem)) == ("IDA-E4121", True), problem


async def test_what_is_sent_without_waiting_arrives_whole_and_in_order(sink: Collector) -> None:
    """Small, and larger than the socket has room for; with sends that wait, and pings, in between."""
    texts = ["a", "b" * 125, "c" * 126, "d" * 70_000, *("e" * 1_000_000 for _ in range(8)), "g"]
    heard: list[str] = []

    async def serve(connection: trio_websocket.WebSocketConnection) -> None:
        while True:
            heard.append(await connection.get_message())
            if heard[-1] == "end":
                await connection.send_message("?heard all")

    async with websocket_server(serve) as port, tap_to(port, sink) as tap, trio.open_nursery() as nursery:
        nursery.start_soon(ending, tap)
        waited = 0
        for text in texts:
            if not tap.send_now(text):
                waited += 1
                await tap.send(text)
        await tap.ping()
        await tap.flush()
        await tap.send("end")
        while not sink.shown:
            await trio.sleep(0.01)
        await tap.aclose()
    assert heard == [*texts, "end"]
    assert 0 < waited < len(texts)


async def test_over_tls_nothing_is_sent_without_waiting(sink: Collector) -> None:
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)

    async def serve(connection: trio_websocket.WebSocketConnection) -> None:
        await connection.get_message()

    async with (
        websocket_server(serve, server) as port,
        tap_to(port, sink, "wss", ssl_context=client) as tap,
    ):
        assert not tap.send_now("a")
