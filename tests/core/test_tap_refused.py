"""A server that refuses the handshake is named as that, whatever else happens to the connection meanwhile."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

import pytest
import trio
import trustme
from collecting import Collector

from ida_core.errors import VenueUnavailable
from ida_core.tap import HandshakeRefused, open_tap

DEADLINE_S = 30
NOT_HERE = b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nConnection: close\r\n\r\nnone"
ATTEMPTS = 40
Serve = Callable[[trio.abc.Stream], Awaitable[None]]


@pytest.fixture
def sink() -> Collector:
    return Collector()


@asynccontextmanager
async def listening(serve: Serve, secure: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    async def handle(stream: trio.SocketStream) -> None:
        above: trio.abc.Stream = stream
        if secure is not None:
            above = trio.SSLStream(stream, secure, server_side=True)
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await above.receive_some()
            await serve(above)

    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(partial(trio.serve_tcp, handle, 0, host="127.0.0.1"))
            port = listeners[0].socket.getsockname()[1]
            yield f"ws{'s' if secure else ''}://127.0.0.1:{port}/stream"
            nursery.cancel_scope.cancel()


async def attempt(url: str, sink: Collector, context: ssl.SSLContext | None = None, timeout_s: float = 20.0) -> None:
    async with open_tap(
        url, sink.sink, on_shown=sink.on_shown, on_batch=sink.on_batch, ssl_context=context,
        connect_timeout_s=timeout_s,
    ):  # fmt: skip
        pytest.fail("a connection came about")


@pytest.mark.parametrize("secure", [False, True])
async def test_the_first_refusal_ends_the_other_attempts_and_nothing_else_escapes(
    secure: bool, sink: Collector
) -> None:
    """The refusals come a turn of the loop apart: whatever step an attempt is at, it is canceled in that, too."""
    authority, server, client = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)
    asked: list[trio.abc.Stream] = []
    escaped: list[BaseException] = []
    refusals: list[HandshakeRefused] = []

    async def refuse(stream: trio.abc.Stream) -> None:
        asked.append(stream)
        if len(asked) == ATTEMPTS:
            for one in asked:
                await one.send_all(NOT_HERE)
        await trio.sleep_forever()

    async def one_attempt(url: str, scope: trio.CancelScope) -> None:
        try:
            await attempt(url, sink, client if secure else None)
        except HandshakeRefused as refused:
            refusals.append(refused)
            scope.cancel()

    async with listening(refuse, server if secure else None) as url:
        try:
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:
                    for _ in range(ATTEMPTS):
                        nursery.start_soon(one_attempt, url, scope)
        except Exception as problem:
            escaped.append(problem)
    assert escaped == []
    assert {(refused.code, refused.status) for refused in refusals} == {("IDA-E4112", 404)}


@pytest.mark.parametrize("ending", ["closed", "reset", "silent"])
async def test_a_refusal_whose_body_never_ends_is_one_all_the_same(ending: str, sink: Collector) -> None:
    async def serve(stream: trio.abc.Stream) -> None:
        assert isinstance(stream, trio.SocketStream)
        await stream.send_all(b"HTTP/1.1 418 X\r\nRetry-After: 77\r\nContent-Length: 400\r\n\r\nbanned until")
        if ending == "silent":
            await trio.sleep_forever()
        if ending == "reset":
            stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        await trio.aclose_forcefully(stream)

    async with listening(serve) as url:
        with pytest.raises(VenueUnavailable) as caught:
            await attempt(url, sink, timeout_s=2.0 if ending == "silent" else 20.0)
    assert isinstance(caught.value, HandshakeRefused), caught.value
    assert (caught.value.status, caught.value.headers["retry-after"]) == (418, "77")
    assert "banned until" in str(caught.value)
