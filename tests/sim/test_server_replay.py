"""A recording replayed over a socket: what a plain client makes of it is what the recording's own answers say."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
from sim.serving import Client, NaiveBook, client, serving
from small_recording import DIFFS, session

FIRST = "spot_btcusdt_20240808_first15s"
DEPTH, TRADE, QUOTE = "btcusdt@depth@100ms", "btcusdt@trade", "btcusdt@bookTicker"


def recorded_lines(path: Path) -> Iterator[Any]:
    """The messages of a recording, its REST snapshot too."""
    with gzip.open(path, "rt") as file:
        for line in file:
            yield json.loads(line.partition(" ")[2])


def recorded_answers(path: Path) -> NaiveBook:
    """The book at the end of a recording, by the recording alone."""
    messages = list(recorded_lines(path))
    book = NaiveBook(next(m for m in messages if "lastUpdateId" in m))
    for message in messages:
        if message.get("stream") == DEPTH:
            book.apply(message["data"])
    return book


async def follow(own: Client, last_id: int) -> tuple[NaiveBook, list[Any]]:
    """The book at the recording's last update id, and everything that came."""
    seen: list[Any] = []
    while not any(m["stream"] == DEPTH for m in seen):
        seen.append(await own.read())
    book = NaiveBook(await own.get("/api/v3/depth", symbol="BTCUSDT", limit=5000))
    while not seen or seen[-1]["stream"] != DEPTH or seen[-1]["data"]["u"] < last_id:
        seen.append(await own.read())
    for message in seen:
        if message["stream"] == DEPTH:
            book.apply(message["data"])
    return book, seen


@pytest.mark.parametrize("speed", [float("inf"), 20.0])
async def test_a_replayed_book_is_the_recorded_one(recordings: Path, speed: float) -> None:
    expected = recorded_answers(recordings / "captures" / f"{FIRST}.gz")
    async with (
        serving(recordings / "captures" / f"{FIRST}.gz", speed=speed) as server,
        client(server) as own,
    ):
        assert await own.ask("SUBSCRIBE", [DEPTH, TRADE, QUOTE]) == {"result": None, "id": 1}
        book, _ = await follow(own, expected.last_id)
    assert book.sha256() == expected.sha256()
    assert book.applied or speed == float("inf")  # of one without a speed the snapshot may be the end already


async def test_two_files_of_a_session_and_its_books_top(recordings: Path) -> None:
    """The whole session over midnight, with the exchange's own best bid and ask beside it."""
    answers = json.loads((recordings / "captures" / "expected.json").read_text())["spot_btcusdt_20240808"]
    files = [recordings / "captures" / name for name in answers["files"]]
    async with serving(*files, speed=float("inf")) as server, client(server) as own:
        await own.ask("SUBSCRIBE", [DEPTH, TRADE, QUOTE])
        book, seen = await follow(own, answers["last_u"])
        assert book.sha256() == answers["final_book_sha256"]
        assert server.market.warnings == ()
    ids = [message["data"]["t"] for message in seen if message["stream"] == TRADE]
    assert ids == list(range(ids[0], ids[0] + len(ids)))


async def test_without_a_snapshot_the_book_begins_empty(recordings: Path) -> None:
    path = recordings / "captures" / "spot_btcusdt_20230405_nosnapshot.gz"
    diffs = [m["data"] for m in recorded_lines(path) if m["stream"] == DEPTH]
    async with serving(path, speed=float("inf")) as server, client(server) as own:
        assert "no snapshot" in server.market.warnings[0]
        first = await own.get("/api/v3/depth", symbol="BTCUSDT", limit=5000)
        assert first == {"lastUpdateId": diffs[0]["U"] - 1, "bids": [], "asks": []}
        await own.ask("SUBSCRIBE", [DEPTH])
        book = NaiveBook(first)
        while book.last_id < diffs[-1]["u"]:
            book.apply((await own.read())["data"])
        twin = NaiveBook(first)
        for diff in diffs:
            twin.apply(diff)
        assert book.sha256() == twin.sha256()


def other_symbol(path: Path) -> Path:
    """The small recording, of another symbol."""
    lines = "".join(session()).replace("BTCUSDT", "ETHUSDT").replace("btcusdt", "ethusdt")
    path.write_text(lines)
    return path


async def test_each_symbol_waits_for_its_own_first_client(tmp_path: Path) -> None:
    one, other = tmp_path / "one.txt", other_symbol(tmp_path / "other.txt")
    one.write_text("".join(session()))
    async with serving(one, other, speed=float("inf")) as server, client(server) as own:
        assert list(server.market.symbols) == ["BTCUSDT", "ETHUSDT"]
        await own.ask("SUBSCRIBE", ["ethusdt@trade"])
        first = await own.read()
        assert first["data"]["t"] == 2
        assert (server.market.symbols["ETHUSDT"].started, server.market.symbols["BTCUSDT"].started) == (True, False)
        assert (await own.get("/api/v3/depth", symbol="BTCUSDT"))["lastUpdateId"] == 101
        state = (await own.get("/control"))["symbols"]
        assert (state["BTCUSDT"]["started"], state["ETHUSDT"]["started"]) == (False, True)


async def test_it_may_begin_at_once(tmp_path: Path) -> None:
    path = tmp_path / "one.txt"
    path.write_text("".join(session()))
    async with serving(path, speed=float("inf"), start="now") as server, client(server) as own:
        while not server.market.ended:
            await trio.sleep(0.01)
        depth = await own.get("/api/v3/depth", symbol="BTCUSDT", limit=1)
        last = 101 + 2 * DIFFS
        assert depth == {"lastUpdateId": last, "bids": [["99.50000000", f"{last - 1}.25000000"]],
                         "asks": [["100.50000000", "2.00000000"]]}


async def test_a_client_that_takes_nothing_holds_up_no_other(
    recordings: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With no speed to keep the market waits for slow clients, but not for ever."""
    monkeypatch.setattr("ida_sim.server.connection.STUCK_S", 0.1)
    monkeypatch.setattr("ida_sim.server.connection.ROOM", 1 << 14)
    monkeypatch.setattr("ida_sim.server.connection.MOST_BACKLOG", 1 << 18)
    answers = json.loads((recordings / "captures" / "expected.json").read_text())["spot_btcusdt_20240808"]
    files = [recordings / "captures" / name for name in answers["files"]]
    async with serving(*files, speed=float("inf")) as server:
        stuck = await trio.open_tcp_stream("127.0.0.1", int(server.addresses.rest.rpartition(":")[2]))
        await stuck.send_all(
            b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".replace(
                b"/ws", b"/stream?streams=btcusdt@depth@100ms/btcusdt@bookTicker"))
        async with client(server) as own:
            await own.ask("SUBSCRIBE", [DEPTH])
            book, _ = await follow(own, answers["last_u"])
        await stuck.aclose()
    assert book.sha256() == answers["final_book_sha256"]
