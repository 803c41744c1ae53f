"""How a tap goes on, or ends, when the other side misbehaves: bytes at any cut, broken frames, compression."""

import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import pytest
import trio
import wsproto
from collecting import Collector
from wsproto.events import AcceptConnection, Ping, Request
from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import CloseReason

from ida_core.errors import VenueUnavailable
from ida_core.tap import Tap, TapClosed, open_tap
from ida_core.tap_stream import Inflater

DEADLINE_S = 30


class Peer:
    """The server's end: it shook hands, and now says what bytes the test wants."""

    def __init__(self, stream: trio.SocketStream, extensions: list[Any]) -> None:
        self.stream = stream
        self.extensions = extensions
        self.protocol = wsproto.WSConnection(wsproto.ConnectionType.SERVER)
        self.request: Request | None = None

    async def shake_hands(self, behind: bytes = b"") -> None:
        """``behind`` goes out in one piece with the answer."""
        while self.request is None:
            self.protocol.receive_data(await self.stream.receive_some())
            self.request = next(event for event in self.protocol.events() if isinstance(event, Request))
        await self.stream.send_all(self.protocol.send(AcceptConnection(extensions=self.extensions)) + behind)

    async def events(self) -> AsyncIterator[Any]:
        """What the client says, until it hangs up."""
        while data := await self.stream.receive_some():
            self.protocol.receive_data(data)
            for event in self.protocol.events():
                yield event

    async def first(self, kind: type) -> Any:
        async for event in self.events():
            if isinstance(event, kind):
                return event
        raise AssertionError(f"the client hung up before a {kind.__name__}")


Serve = Callable[[Peer], Awaitable[None]]


@pytest.fixture
def sink() -> Collector:
    return Collector()


@asynccontextmanager
async def opened(
    serve: Serve, sink: Collector, behind: bytes = b"", extensions: Any = (), **more: Any
) -> AsyncIterator[Tap]:
    async def handle(stream: trio.SocketStream) -> None:
        peer = Peer(stream, list(extensions))
        with suppress(trio.BrokenResourceError):
            await peer.shake_hands(behind)
            await serve(peer)

    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(partial(trio.serve_tcp, handle, 0, host="127.0.0.1"))
            url = f"ws://127.0.0.1:{listeners[0].socket.getsockname()[1]}/"
            callbacks = {"on_shown": sink.on_shown, "on_batch": sink.on_batch}
            async with open_tap(url, sink.sink, **(callbacks | more)) as tap:
                yield tap
            nursery.cancel_scope.cancel()


async def ending(tap: Tap) -> TapClosed:
    with pytest.raises(TapClosed) as caught:
        await tap.run()
    return caught.value


def frame(opcode: int, payload: bytes, first: int = 0x80) -> bytes:
    size = len(payload)
    short = size < 126
    return bytes([first | opcode, size if short else 126]) + (b"" if short else size.to_bytes(2, "big")) + payload


SPOKEN = (
    frame(1, b"one") + frame(1, b"?ask") + frame(1, b"fr", 0) + frame(9, b"ping") + frame(0, b"ag", 0) + frame(0, b"s")
    + frame(10, b"nobody asked") + frame(1, b"m" * 200) + frame(8, b"\x03\xe8bye")
)  # fmt: skip


@pytest.mark.parametrize("step", [1, 2, 3, 5, 7, 11, 64, len(SPOKEN)])
async def test_all_cuts_give_the_same(step: int, sink: Collector) -> None:
    answers: list[Any] = []

    async def serve(peer: Peer) -> None:
        for at in range(0, len(SPOKEN), step):
            await peer.stream.send_all(SPOKEN[at : at + step])
            await trio.sleep(0)
        async for event in peer.events():
            answers.append(event)

    async with opened(serve, sink) as tap:
        closed = await ending(tap)
    assert (closed.code, closed.reason, closed.clean) == (1000, "bye", True)
    assert (sink.texts, sink.shown) == ([b"one", b"frags", b"m" * 200], [b"?ask"])
    assert (tap.messages, tap.bytes) == (4, len(SPOKEN))
    await trio.testing.wait_all_tasks_blocked()
    assert [(type(event).__name__, getattr(event, "payload", b"")) for event in answers] in (
        [("Pong", b"ping"), ("CloseConnection", b"")], [("CloseConnection", b"")])  # fmt: skip


async def test_what_comes_with_the_handshake_is_not_lost(sink: Collector) -> None:
    async def serve(peer: Peer) -> None:
        await peer.stream.send_all(SPOKEN[7:])

    async with opened(serve, sink, SPOKEN[:7]) as tap:
        assert (await ending(tap)).reason == "bye"
    assert sink.texts == [b"one", b"frags", b"m" * 200]


@pytest.mark.parametrize(
    ("said", "code", "words"),
    [
        (b"\x81\x83abcdefg", 1002, "must not be masked"),
        (b"\xff\xff\xff\xff", 1002, "must not be masked"),
        (b"\x83\x01x", 1002, "opcode is reserved"),
        (b"\xc1\x01x", 1002, "reserved bits"),
        (b"\x89\x7e\x00\x80", 1002, "at most 125 bytes"),
        (b"\x00\x01x", 1002, "continuation without"),
        (frame(1, b"x" * 501), 1009, "larger than what is taken"),
        (frame(1, b"x" * 400, 0) + frame(0, b"x" * 101), 1009, "larger than what is taken"),
        (b"HTTP/1.1 500 Sorry\r\n\r\n", 1002, "reserved bits"),
    ],
)
async def test_who_breaks_the_protocol_is_told_and_left(
    said: bytes, code: int, words: str, sink: Collector
) -> None:
    heard: list[int] = []

    async def serve(peer: Peer) -> None:
        await peer.stream.send_all(frame(1, b"good") + said)
        heard.append((await peer.first(wsproto.events.CloseConnection)).code)

    async with opened(serve, sink, most_message_bytes=500) as tap:
        closed = await ending(tap)
        assert (closed.code, closed.clean, words in closed.reason) == (code, False, True), closed
        assert sink.texts == [b"good"]
        while not heard:
            await trio.sleep(0.001)
    assert heard == [code]


async def test_who_hangs_up_says_no_goodbye(sink: Collector) -> None:
    async def serve(peer: Peer) -> None:
        await peer.stream.send_all(frame(1, b"good") + frame(1, b"bad")[:3])

    async with opened(serve, sink) as tap:
        closed = await ending(tap)
        assert (closed.code, closed.reason) == (1006, "the other side hung up without a goodbye")
        for over in (tap.ping, partial(tap.send, "x"), tap.run):
            with pytest.raises(TapClosed, match="hung up"):
                await over()
    assert sink.texts == [b"good"]


async def test_a_ping_that_waits_hears_of_the_end(sink: Collector) -> None:
    async def serve(peer: Peer) -> None:
        await peer.first(Ping)

    async with opened(serve, sink) as tap, trio.open_nursery() as nursery:
        nursery.start_soon(ending, tap)
        with pytest.raises(TapClosed, match="hung up"):
            await tap.ping()


async def test_pongs_for_a_flood_of_pings_and_messages_between(sink: Collector) -> None:
    pongs = trio.Event()

    async def serve(peer: Peer) -> None:
        for number in range(300):
            await peer.stream.send_all(frame(9, b"%d" % number) + frame(1, b"text"))
        async for event in peer.events():
            if isinstance(event, wsproto.events.Pong) and event.payload == b"299":
                pongs.set()
                return

    async with opened(serve, sink) as tap, trio.open_nursery() as nursery:
        nursery.start_soon(ending, tap)
        await pongs.wait()
        assert len(sink.texts) == 300
        await tap.aclose()


async def test_a_goodbye_that_nobody_answers_ends_all_the_same(sink: Collector) -> None:
    async def serve(peer: Peer) -> None:
        await trio.sleep_forever()

    async with opened(serve, sink) as tap:
        await tap.aclose(4002, "leaving")
        assert tap.closed is not None
        assert (tap.closed.code, tap.closed.reason, tap.closed.clean) == (4002, "leaving", False)


@pytest.mark.parametrize("running", [True, False])
async def test_our_goodbye_is_heard_and_answered(running: bool, sink: Collector) -> None:
    heard: list[tuple[int, str | None]] = []

    async def serve(peer: Peer) -> None:
        await peer.stream.send_all(frame(1, b"late") + frame(9, b"late"))
        event = await peer.first(wsproto.events.CloseConnection)
        heard.append((event.code, event.reason))
        await peer.stream.send_all(frame(9, b"late too") + peer.protocol.send(event.response()))

    async with opened(serve, sink) as tap, trio.open_nursery() as nursery:
        if running:
            nursery.start_soon(ending, tap)
            await sink.wait_for(1)
        await tap.aclose(4003, "enough")
    assert heard == [(4003, "enough")]
    assert tap.closed is not None
    assert tap.closed.clean
    assert sink.texts == ([b"late"] if running else [])


async def test_what_a_callback_raises_comes_through(sink: Collector) -> None:
    async def serve(peer: Peer) -> None:
        await peer.stream.send_all(frame(1, b"one"))
        await trio.sleep_forever()

    def fail() -> None:
        raise RuntimeError("the engine is gone")

    with pytest.raises(ExceptionGroup) as caught:
        async with opened(serve, sink, on_batch=fail) as tap:
            await tap.run()
    assert caught.group_contains(RuntimeError, match="the engine is gone")


async def test_cancelling_leaves_nothing_open(sink: Collector) -> None:
    gone = trio.Event()

    async def serve(peer: Peer) -> None:
        with suppress(trio.BrokenResourceError):
            async for _ in peer.events():
                pass
        gone.set()
        await trio.sleep_forever()

    async def run(task_status: Any) -> None:
        url = f"ws://127.0.0.1:{port}/"
        async with open_tap(url, sink.sink, on_shown=sink.on_shown, on_batch=sink.on_batch) as tap:
            task_status.started()
            await tap.run()

    async def handle(stream: trio.SocketStream) -> None:
        peer = Peer(stream, [])
        await peer.shake_hands()
        await serve(peer)

    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(partial(trio.serve_tcp, handle, 0, host="127.0.0.1"))
            port = listeners[0].socket.getsockname()[1]
            async with trio.open_nursery() as inner:
                await inner.start(run)
                inner.cancel_scope.cancel()
            await gone.wait()
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "parameters", [{}, {"server_no_context_takeover": True}, {"server_max_window_bits": 9}], ids=str)
async def test_compressed_messages_arrive_unpacked(parameters: dict[str, Any], sink: Collector) -> None:
    texts = [b"the same words again " * 20, b"?the same words again", b"", b"the same words again " * 30]

    async def serve(peer: Peer) -> None:
        assert peer.extensions[0].enabled()
        for text in texts:
            await peer.stream.send_all(peer.protocol.send(wsproto.events.TextMessage(text.decode())))
        await peer.stream.send_all(frame(1, b"plain"))
        assert (await peer.first(wsproto.events.TextMessage)).data == "not packed"
        await peer.stream.send_all(peer.protocol.send(wsproto.events.CloseConnection(1000, "bye")))

    async with opened(serve, sink, extensions=[PerMessageDeflate(**parameters)], deflate=True) as tap:
        await tap.send("not packed")
        closed = await ending(tap)
    assert (closed.code, closed.reason) == (1000, "bye")
    assert sink.texts == [texts[0], texts[2], texts[3], b"plain"]
    assert sink.shown == [texts[1]]
    assert tap.messages == 5


@pytest.mark.parametrize(
    ("packed", "code"),
    [(b"\xff\xfe\xfd", CloseReason.INVALID_FRAME_PAYLOAD_DATA), (zlib.compress(bytes(3000), wbits=-15), 1009)],
)
async def test_what_cannot_be_unpacked_ends_it(packed: bytes, code: int, sink: Collector) -> None:
    async def serve(peer: Peer) -> None:
        await peer.stream.send_all(frame(1, packed, 0xC0))
        await peer.first(wsproto.events.CloseConnection)

    async with opened(serve, sink, extensions=[PerMessageDeflate()], deflate=True, most_message_bytes=2000) as tap:
        assert (await ending(tap)).code == code
    assert sink.texts == []


async def test_without_the_flag_compression_is_not_offered(sink: Collector) -> None:
    async def serve(peer: Peer) -> None:
        assert peer.request is not None
        assert peer.request.extensions == []
        await peer.stream.send_all(frame(1, b"plain"))
        await peer.stream.send_all(frame(1, b"packed", 0xC0))

    async with opened(serve, sink) as tap:
        assert (await ending(tap)).code == 1002
    assert sink.texts == [b"plain"]


async def test_a_server_that_declines_compression_is_taken_as_it_is(sink: Collector) -> None:
    async def serve(peer: Peer) -> None:
        await peer.stream.send_all(SPOKEN)

    async with opened(serve, sink, deflate=True) as tap:
        assert (await ending(tap)).reason == "bye"


@pytest.mark.parametrize(
    "agreed", ["x-webkit-deflate", "permessage-deflate; surprise=1", "permessage-deflate; server_max_window_bits=99"])
async def test_an_extension_that_was_not_offered_is_refused(agreed: str) -> None:
    with pytest.raises(VenueUnavailable, match="not offered") as caught:
        Inflater(agreed.encode(), 100)
    assert caught.value.code == "IDA-E4120"


async def test_who_speaks_while_the_connection_is_being_closed_hears_that_it_is(sink: Collector) -> None:
    """The other side broke the protocol, and does not answer our goodbye: a ping and a message meet a closing tap."""

    async def serve(peer: Peer) -> None:
        await peer.stream.send_all(frame(3, b"no such opcode"))
        await trio.sleep_forever()

    async def speak(tap: Tap, how: Callable[[], Awaitable[Any]], heard: list[TapClosed]) -> None:
        while not tap._closing:
            await trio.sleep(0)
        with pytest.raises(TapClosed) as caught:
            await how()
        heard.append(caught.value)

    heard: list[TapClosed] = []
    async with opened(serve, sink) as tap, trio.open_nursery() as nursery:
        nursery.start_soon(speak, tap, tap.ping, heard)
        nursery.start_soon(speak, tap, partial(tap.send, "hello"), heard)
        await ending(tap)
    assert len(heard) == 2
