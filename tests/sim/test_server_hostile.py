"""Clients that break every rule: the server answers or hangs up, and goes on for the others."""

import socket
import struct

import httpx
import pytest
import trio
from sim.serving import serving

from ida_sim.server.serving import Server

WEBSOCKET = b"GET /ws/btcusdt@trade HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
KEY = b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
RUDE = {
    "nothing": b"",
    "half a request": b"GET /api/v3/ping HT",
    "no HTTP": b"\x00\x01\x02\xff" * 100 + b"\r\n\r\n",
    "TLS": bytes.fromhex("16030100c8010000c403034e") + b"\r\n\r\n",
    "a head without an end": b"GET / HTTP/1.1\r\nA: " + b"a" * 70_000,
    "no key": WEBSOCKET + b"Sec-WebSocket-Version: 13\r\n\r\n",
    "another version": WEBSOCKET + KEY.replace(b"13", b"99") + b"\r\n",
    "no connection header": WEBSOCKET.replace(b"Connection: Upgrade\r\n", b"") + KEY + b"\r\n",
    "a body of the wrong length": b"POST /control/faults HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{",
    "an unmasked frame": WEBSOCKET + KEY + b"\r\n\x81\x02hi",
    "a reserved opcode": WEBSOCKET + KEY + b"\r\n\x83\x80abcd",
    "a long control frame": WEBSOCKET + KEY + b"\r\n\x89\xfe\xff\xffabcd" + b"x" * 200,
    "a message beyond the bound": WEBSOCKET + KEY + b"\r\n\x81\xff" + struct.pack(">Q", 1 << 40) + b"abcd" + b"x" * 999,
    "text that is none": WEBSOCKET + KEY + b"\r\n\x81\x82\x00\x00\x00\x00\xff\xfe",
    "binary": WEBSOCKET + KEY + b"\r\n\x82\x82\x00\x00\x00\x00\xff\xfe",
    "a path that is no text": b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),
}  # fmt: skip


async def is_well(server: Server) -> bool:
    async with httpx.AsyncClient() as http:
        return (await http.get(server.addresses.rest + "/api/v3/ping")).json() == {}


async def meet(server: Server, sent: bytes, end: str) -> None:
    stream = await trio.open_tcp_stream("127.0.0.1", int(server.addresses.rest.rpartition(":")[2]))
    async with stream:
        if end == "reset":
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        try:
            await stream.send_all(sent)
            if end == "shut":
                await stream.send_eof()
            with trio.move_on_after(0.05):
                while await stream.receive_some():
                    continue
        except trio.BrokenResourceError:
            return


@pytest.mark.parametrize("end", ["close", "shut", "reset"])
async def test_rude_clients_harm_nobody(end: str) -> None:
    async with serving() as server:
        for sent in RUDE.values():
            await meet(server, sent, end)
            assert await is_well(server)


async def test_many_clients_come_and_go_at_once() -> None:
    async with serving() as server:
        async with trio.open_nursery() as nursery:
            for sent in list(RUDE.values()) * 5:
                nursery.start_soon(meet, server, sent, "reset")
        assert await is_well(server)
        while server.streams.connections:
            await trio.sleep(0.01)


async def test_a_port_that_comes_again_before_its_former_connection_is_done_with() -> None:
    """A reset frees the client's port at once, whatever the server is still waiting for."""
    client = ("127.0.0.1", 50_000)
    async with serving() as server:
        former, latter = server._listener._numbered(client), server._listener._numbered(client)
        former.__enter__()
        number = latter.__enter__()
        former.__exit__(None, None, None)
        assert server._listener.number_of(client) == number
        latter.__exit__(None, None, None)
        assert server._listener.number_of(client) == -1
        assert await is_well(server)
