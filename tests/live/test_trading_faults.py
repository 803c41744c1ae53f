"""The fault matrix of trading: each fault while each thing is under way; then nothing is lost, doubled or left behind.

Ida's venue on the exchange server, over real sockets, its reports folded into the core's order table and ledger. A
fault is armed for what is about to happen, then that is done; once all is settled the table has the server's open
orders, the server has no order that was not asked for and none twice, every fill is there once, and the ledger agrees
with the balances to the last digit.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest
import trio
from account_desk import AccountDesk, desk
from sim.serving import server_setup
from sim.trader import SYMBOL

from ida_core import OrderStatus, Side
from ida_sim.server.serving import open_server

LIMIT_S = 400
S = OrderStatus
REPORTS = {"stream": "userData@executionReport*"}
SOCKET = {"service": "ws-api"}


class Scene(NamedTuple):
    """A fault with its keys; ``of_request``: it strikes the request that is made next, whatever that is."""

    name: str
    keys: Mapping[str, Any]
    of_request: bool = True


def scene(kind: str, name: str = "", of_request: bool = True, **keys: Any) -> Scene:
    return Scene(name or kind, {"kind": kind, **keys}, of_request)


SCENES = (
    scene("lost-reply"), scene("cut-reply"), scene("5xx-after", status=504),
    scene("5xx-after", "502 after", status=502), scene("5xx-after", "-1006 after", status=500, code=-1006),
    scene("5xx", "503 before", status=503), scene("5xx", "-1007 before", status=504, code=-1007),
    scene("429", retry_after_s=1),
    scene("slow-answer", delay_ms=300, duration_s=1.0), scene("slow-request", delay_ms=300, duration_s=1.0),
    scene("fill-before-cancel"),
    *(scene(kind, of_request=False, count=3, **REPORTS) for kind in ("drop", "duplicate", "reorder")),
    scene("late", of_request=False, delay_ms=300, duration_s=1.0, **REPORTS),
    scene("silence", of_request=False, duration_s=1.0, stream="userData@*"),
    *(scene(kind, f"{kind} at {at}", False, after_bytes=at, **SOCKET) for kind in ("cut", "reset") for at in (1, 150)),
    scene("half-open", of_request=False, after_bytes=1, **SOCKET),
    scene("stall", of_request=False, duration_s=1.0, **SOCKET),
    scene("terminate-user-data", of_request=False), scene("24h-close", of_request=False, **SOCKET),
    scene("server-shutdown", of_request=False, delay_ms=100, **SOCKET),
    scene("clock-offset", of_request=False, offset_ms=20_000, duration_s=2.0),
)
GROUPS = [SCENES[at::4] for at in range(4)]
#: Quick to notice: what takes a minute in the field takes seconds here.
QUICK = {"heartbeat_s": 0.3, "pong_s": 1.0, "reconcile_s": 2.0}
PATHS = {"place": "order.place", "cancel": "order.cancel", "replace": "order.cancelReplace",
         "amend": "order.amend.keepPriority"}  # fmt: skip


class Play:
    """One fault, in one state after the other, on one desk."""

    def __init__(self, d: AccountDesk, scene: Scene) -> None:
        self.d, self.scene = d, scene
        self.asked: list[str] = []

    def strike(self, what: str) -> None:
        more = {"path": PATHS[what]} if self.scene.of_request else {}
        self.d.fault(**{**self.scene.keys, **more})

    def placed(self, order_id: str) -> str:
        self.asked.append(order_id)
        return order_id

    async def placing(self) -> None:
        self.strike("place")
        self.placed(self.d.place(price=self.d.away()))

    async def taking(self) -> None:
        self.strike("place")
        self.placed(self.d.place(Side.BUY, 200))

    async def resting(self) -> None:
        """Nothing of ours is under way; the next thing is another order."""
        order_id = self.placed(await self.d.rest())
        self.strike("cancel")
        self.placed(self.d.place(Side.SELL, 120))
        await self.d.until(lambda: not self.is_waiting(order_id))

    async def canceling(self) -> None:
        order_id = self.placed(await self.d.rest())
        self.strike("cancel")
        self.d.cancel(order_id)

    async def canceling_what_is_partly_filled(self) -> None:
        ask = self.d.venue.market(0).book.ask
        assert ask is not None
        order_id = self.placed(self.d.place(Side.BUY, 400_000, ask + 200))
        await self.d.status(order_id, S.PARTIALLY_FILLED, S.FILLED)
        self.strike("cancel")
        if self.d.is_(order_id, S.PARTIALLY_FILLED):
            self.d.cancel(order_id)

    async def replacing(self) -> None:
        order_id = self.placed(await self.d.rest())
        self.strike("replace")
        self.placed(self.d.replace(order_id, 150, self.d.away(91)))

    async def amending(self) -> None:
        order_id = self.placed(await self.d.rest())
        self.strike("amend")
        self.d.amend(order_id, 60)

    def is_waiting(self, order_id: str) -> bool:
        order = self.d.table.get(order_id)
        return order is not None and (order.is_pending or order.missing > 0)

    async def settled(self) -> None:
        """No request is without an answer, no fill is missing, the venue says it is well."""
        await self.d.until(lambda: not any(map(self.is_waiting, self.asked)), f"{self.scene.name}: an answer")
        await self.d.healthy()

    async def cleared(self) -> None:
        """What is open is canceled, for as long as that takes: a cancel may be what the fault strikes."""
        for _ in range(6):
            await self.settled()
            if not (mine := self.open_here()):
                return
            for order_id in mine:
                self.d.cancel(order_id)
        raise AssertionError(f"{self.scene.name}: still open: {self.open_here()}")

    def open_here(self) -> list[str]:
        return [order.order_id for order in self.d.table.open() if not order.foreign]

    def check(self) -> None:
        """The server's orders are those that were asked for, each once; its open ones are ours; fills came once."""
        theirs = self.d.server.trading.accounts[0]
        names = Counter(order.client_id for order in theirs.of(SYMBOL).values())
        assert set(names) <= set(self.asked), names
        assert set(names.values()) <= {1}, names
        assert sorted(order.client_id for order in theirs.open_orders()) == sorted(self.open_here())
        fills = Counter(fill.trade_id for order_id in self.asked for fill in self.d.fills(order_id))
        assert set(fills) >= {fill.id for fill in theirs.fills_of(SYMBOL)}


STATES: tuple[Callable[[Play], Awaitable[None]], ...] = (
    Play.placing, Play.taking, Play.resting, Play.canceling, Play.canceling_what_is_partly_filled, Play.replacing,
    Play.amending)  # fmt: skip


@pytest.fixture(autouse=True)
async def _deadline(nursery: Any) -> AsyncIterator[None]:
    with trio.fail_after(LIMIT_S):
        yield


@asynccontextmanager
async def playing(scene: Scene) -> AsyncIterator[Play]:
    setup = server_setup(symbols=(SYMBOL,))
    async with open_server(setup) as server, desk(server, "ED25519", **QUICK) as d:
        yield Play(d, scene)


async def play(scene: Scene, wrong: dict[str, str]) -> None:
    """One fault in every state; what is wrong is kept under its name."""
    state = STATES[0]
    try:
        async with playing(scene) as one:
            for state in STATES:
                await state(one)
                await one.settled()
                await one.cleared()
                one.check()
            await one.d.agreed()
    except Exception as error:
        wrong[f"{scene.name} while {state.__name__}"] = "".join(traceback.format_exception(error))[-3000:]


@pytest.mark.parametrize("scenes", GROUPS, ids=lambda scenes: ", ".join(scene.name for scene in scenes))
async def test_nothing_is_lost_doubled_or_left_behind(scenes: Sequence[Scene]) -> None:
    """Most of the time is waiting, so several are played at once, each on a server of its own."""
    wrong: dict[str, str] = {}
    async with trio.open_nursery() as nursery:
        for scene in scenes:
            nursery.start_soon(play, scene, wrong)
    alone = [scene for scene in scenes if any(name.startswith(f"{scene.name} while ") for name in wrong)]
    wrong.clear()
    for scene in alone:  # seven servers on a busy machine are slow: what failed among others is played once more
        await play(scene, wrong)
    assert not wrong, "\n".join(f"--- {name}\n{text}" for name, text in wrong.items())
