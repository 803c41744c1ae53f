"""A recording replayed over a socket: what a plain client makes of it is what the recording's own answers say."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sim.serving import Client, NaiveBook, client, serving

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
