"""A server for tests, and a client that knows no more than the documents: a dictionary of prices for a book."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import trio
import trio_websocket

from ida_core import VenueSetup
from ida_core.plugins import load_plugins
from ida_sim.config import SimConfig
from ida_sim.server.connection import Pace
from ida_sim.server.faults import read_fault
from ida_sim.server.keys import ApiKey
from ida_sim.server.limits import NS
from ida_sim.server.market import MarketSetup
from ida_sim.server.serving import Server, ServerSetup, open_server

DEADLINE_S = 30.0


def server_setup(
    *files: Path, symbols: Sequence[str] = (), speed: float = 1.0, start: str = "", seed: int = 1, **more: Any,
) -> ServerSetup:
    venue = VenueSetup(
        config=SimConfig(), feed=tuple(map(str, files)), symbols=tuple(symbols), seed=seed,
        recordings=tuple(load_plugins().recordings.values()) if files else ())
    return ServerSetup(MarketSetup(venue, speed, start), **more)


@asynccontextmanager
async def serving(*files: Path, **options: Any) -> AsyncIterator[Server]:
    with trio.fail_after(DEADLINE_S):
        async with open_server(server_setup(*files, **options)) as server:
            yield server


def key_of(told: Mapping[str, str]) -> ApiKey:
    """A key of the ready line."""
    half = "secret" if told["type"] == "HMAC" else "pem"
    return ApiKey(told["type"], told["api_key"], **{half: told["secret"]})


def begin_a_minute(server: Server) -> None:
    """Set the server's clock on to the next minute, so that no window of a budget ends in the middle of a test."""
    left_ns = 60 * NS - server.market.now_ns() % (60 * NS)
    server.faults.place(read_fault({"kind": "clock-offset", "offset_ms": left_ns / 1e6}))


FAST = Pace(ping_s=0.05, patience_s=0.1, close_s=0.2)


class Client:
    """One websocket, and REST beside it."""

    def __init__(self, server: Server, websocket: trio_websocket.WebSocketConnection) -> None:
        self.server, self.websocket = server, websocket
        self.early: list[Any] = []

    async def read(self) -> Any:
        return self.early.pop(0) if self.early else json.loads(await self.websocket.get_message())

    async def ask(self, method: str, params: Any = None, identity: Any = 1) -> Any:
        """The reply to a control frame; what came before it is read later."""
        body = {"method": method, "id": identity} | ({} if params is None else {"params": params})
        return await self.say(json.dumps(body))

    async def say(self, text: str) -> Any:
        await self.websocket.send_message(text)
        while True:
            found = json.loads(await self.websocket.get_message())
            if "result" in found or "code" in found or "status" in found:
                return found
            self.early.append(found)

    async def get(self, path: str, **params: Any) -> Any:
        async with httpx.AsyncClient() as http:
            return (await http.get(f"{self.server.addresses.rest}{path}", params=params)).json()

    async def fault(self, kind: str, **keys: Any) -> None:
        async with httpx.AsyncClient() as http:
            answer = await http.post(f"{self.server.addresses.control}/faults", json={"kind": kind, **keys})
            assert answer.status_code == 201, answer.text


@asynccontextmanager
async def client(server: Server, path: str = "/stream") -> AsyncIterator[Client]:
    async with trio_websocket.open_websocket_url(server.addresses.ws + path) as websocket:
        yield Client(server, websocket)


class NaiveBook:
    """Price → quantity as text; follows the procedure of the documents, and says so when it cannot."""

    def __init__(self, snapshot: dict[str, Any]) -> None:
        self.last_id: int = snapshot["lastUpdateId"]
        self.sides = [{Decimal(p): Decimal(q) for p, q in snapshot[side]} for side in ("bids", "asks")]
        self.applied = 0

    def apply(self, diff: dict[str, Any]) -> None:
        if diff["u"] <= self.last_id:
            return
        assert diff["U"] <= self.last_id + 1, f"gap: {diff['U']} after {self.last_id}"
        self.last_id = diff["u"]
        self.applied += 1
        for side, levels in zip(self.sides, (diff["b"], diff["a"]), strict=True):
            for price, quantity in levels:
                side[Decimal(price)] = Decimal(quantity)
                if not Decimal(quantity):
                    del side[Decimal(price)]

    def top(self) -> tuple[Decimal, Decimal, Decimal, Decimal]:
        bid, ask = max(self.sides[0]), min(self.sides[1])
        return bid, self.sides[0][bid], ask, self.sides[1][ask]

    def sha256(self) -> str:
        lines = [f"b {_plain(p)} {_plain(q)}\n" for p, q in sorted(self.sides[0].items(), reverse=True)]
        lines += [f"a {_plain(p)} {_plain(q)}\n" for p, q in sorted(self.sides[1].items())]
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def _plain(value: Decimal) -> str:
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
