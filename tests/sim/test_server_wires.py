"""The whole server on rough wires, asked for by its control endpoint; and over TLS."""

import json
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from collecting import Collector

from ida_core import VenueSetup
from ida_core.tap import Tap, TapClosed, open_tap
from ida_sim.config import SimConfig
from ida_sim.server.market import MarketSetup
from ida_sim.server.serving import Server, ServerSetup, open_server
from ida_sim.server.tls import server_tls

DEADLINE_S = 60


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None, trusted: ssl.SSLContext | None = None) -> AsyncIterator[Any]:
    """A server with a synthetic market, and one client of its REST API and its control endpoint."""
    market = MarketSetup(VenueSetup(config=SimConfig(), feed=(), symbols=("BTCUSDT",), seed=1, recordings=()), 1.0, "")
    with trio.fail_after(DEADLINE_S):
        async with open_server(ServerSetup(market, tls=tls)) as server:
            verify: Any = trusted or True
            base = server.addresses.rest
            async with httpx.AsyncClient(base_url=base, trust_env=False, timeout=10, verify=verify) as client:
                yield server, client


async def ask_for(client: httpx.AsyncClient, **fault: Any) -> None:
    assert (await client.post("/control/faults", json=fault)).status_code == 201


@asynccontextmanager
async def tapped(server: Server, sink: Collector, **more: Any) -> AsyncIterator[tuple[Tap, Any]]:
    """A tap that runs; what tells how it ends."""
    send, receive = trio.open_memory_channel[TapClosed](1)

    async def run() -> None:
        try:
            await tap.run()
        except TapClosed as closed:
            send.send_nowait(closed)

    url = f"{server.addresses.ws}/stream?streams=btcusdt@depth@100ms/btcusdt@bookTicker"
    async with (
        open_tap(url, sink.sink, on_shown=sink.on_shown, on_batch=sink.on_batch, **more) as tap,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(run)
        yield tap, receive.receive
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(("kind", "words"), [("cut", "hung up"), ("reset", "reset by peer")])
async def test_a_stream_is_ended_and_control_is_not(kind: str, words: str) -> None:
    sink = Collector()
    async with serving() as (server, client):
        async with tapped(server, sink) as (tap, ended):
            await sink.wait_for(3)
            await ask_for(client, kind=kind, after_bytes=100, service="streams")
            closed = await ended()
            assert (closed.code, words in closed.reason) == (1006, True), closed
            assert tap.messages == len(sink.texts)
        assert (await client.get("/control/faults")).json() == []
        other = Collector()
        async with tapped(server, other):
            await other.wait_for(3)


async def test_a_half_open_stream_is_left_by_the_server_and_its_client_does_not_hear_of_it() -> None:
    sink = Collector()
    async with serving() as (server, client), tapped(server, sink) as (tap, _):
        await sink.wait_for(3)
        await ask_for(client, kind="half-open", service="streams")
        got = len(sink.texts)
        await ask_for(client, kind="24h-close")
        while (await client.get("/control")).json()["connections"]:
            await trio.sleep(0.05)
        assert (tap.closed, len(sink.texts)) == (None, got)


async def test_a_stalled_stream_goes_on_where_it_was() -> None:
    sink = Collector()
    async with serving() as (server, client), tapped(server, sink):
        await sink.wait_for(3)
        await ask_for(client, kind="stall", service="streams")
        while not (await client.get("/control/faults")).json()[0]["struck"]:
            await trio.sleep(0.01)
        before = len(sink.texts)
        assert (await client.delete("/control/faults")).status_code == 204
        await sink.wait_for(before + 3)


async def test_late_bytes_reach_the_client_in_whole_messages() -> None:
    sink = Collector()
    async with serving() as (server, client), tapped(server, sink):
        await sink.wait_for(3)
        await ask_for(client, kind="jitter", delay_ms=50, service="streams", duration_s=0.5)
        await ask_for(client, kind="slow", bytes_per_s=100_000, service="streams", duration_s=0.5)
        while (await client.get("/control/faults")).json():
            await trio.sleep(0.05)
        await sink.wait_for(len(sink.texts) + 5)
    assert all(text.startswith(b'{"stream":"btcusdt@') and text.endswith(b"}") for text in sink.texts)


@pytest.mark.parametrize("kind", ["cut", "reset", "half-open"])
async def test_an_answer_of_rest_breaks_off_on_the_path_that_was_named(kind: str) -> None:
    async with serving() as (_, client):
        await ask_for(client, kind=kind, after_bytes=50, path="/api/v3/depth")
        assert (await client.get("/api/v3/ping")).json() == {}
        with pytest.raises(httpx.ReadTimeout if kind == "half-open" else httpx.TransportError):
            await client.get("/api/v3/depth?symbol=BTCUSDT", timeout=0.3 if kind == "half-open" else 10)
        assert (await client.get("/control/faults")).json() == []
        assert "bids" in (await client.get("/api/v3/depth?symbol=BTCUSDT")).json()


async def test_all_of_it_over_tls(tmp_path: Path) -> None:
    tls, sink = server_tls(None, None, tmp_path), Collector()
    trusted = ssl.create_default_context(cafile=str(tls.ca_file))
    async with serving(tls.context, trusted) as (server, client):
        assert server.addresses.rest.startswith("https://")
        stranger = await trio.open_tcp_stream("127.0.0.1", int(server.addresses.ws.rpartition(":")[2]))
        await stranger.send_all(b"GET /api/v3/ping HTTP/1.1\r\n\r\n")
        with suppress(trio.BrokenResourceError):
            while await stranger.receive_some():
                pass
        assert (await client.get("/api/v3/ping")).json() == {}
        async with tapped(server, sink, ssl_context=trusted) as (_, ended):
            await sink.wait_for(3)
            await ask_for(client, kind="cut", service="streams")
            assert (await ended()).code == 1006


def test_the_program_over_tls_tells_whom_to_trust(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ida_core", "exchange", "--port", "0", "--json"]
    with subprocess.Popen([*command, "--tls"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout is not None
            ready = json.loads(program.stdout.readline())
            trusted = ssl.create_default_context(cafile=ready["ca_file"])
            assert httpx.get(f"{ready['rest']}/api/v3/ping", verify=trusted, trust_env=False).json() == {}
            assert ready["ws"].startswith("wss://")
        finally:
            program.terminate()
        assert program.wait(20) == 0
    assert not Path(ready["ca_file"]).exists()
    missing = [*command, "--tls-cert", str(tmp_path / "none.pem")]
    done = subprocess.run(missing, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, "none.pem cannot be used" in done.stderr) == (3, True)
