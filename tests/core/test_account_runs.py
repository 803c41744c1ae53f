"""Runs on an account that outlives them: health before the start, snapshots against the ledger, and what goes on of a
run that was killed. On a small exchange of its own (``house``), in real time; every journal is replayed too.
"""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import pytest
import trio
from house import Crash, House, HouseVenue, Script, only, venues_of

from ida_core import BalanceUpdate, CancelOrder, Context, OrderStatus, OrderUpdate, Side, Strategy
from ida_core.errors import EXIT_DONE, EXIT_RISK, EXIT_VENUE
from ida_core.replay import replay
from ida_core.run import Outcome, execute
from ida_core.testing.trial import Bench, with_plugin

D = Decimal
PATIENCE_S = 30.0


class Buyer(Strategy):
    """Places one order that rests, once; keeps what it finds at its start and what it is told."""

    name = "buyer"
    price: ClassVar[int] = 9_000
    found: ClassVar[list[tuple[list[str], int]]] = []
    told: ClassVar[list[str]] = []

    def on_start(self, ctx: Context) -> None:
        self.told.append("on_start")
        self.found.append((list(ctx.orders), ctx.position.lots))
        if not ctx.orders:
            ctx.place(Side.BUY, 1000, self.price)

    def on_book(self, ctx: Context, book: Any) -> None:
        self.told.append("on_book")

    def on_fill(self, ctx: Context, fill: OrderUpdate) -> None:
        self.told.append(f"fill {fill.quantity}")


class Idle(Strategy):
    name = "idle"

    def on_start(self, ctx: Context) -> None: ...


@pytest.fixture
def bench() -> Iterator[Bench]:
    Buyer.found, Buyer.told = [], []
    with_all = Bench(Buyer, Idle)
    yield with_all
    with_all.close()


@pytest.fixture
def house() -> House:
    return House()


def run(
    bench: Bench, house: House, script: Script | None, *strategies: str, same: bool = True, venue: Any = None,
    **words: Any,
) -> Outcome:
    """One run; those of one bench share their folder, as a user's do."""
    plugins = with_plugin(bench.plugins, venue or venues_of(house, script), "venues")
    settings = bench.settings(
        strategies=strategies or ("buyer",), exchange="house", feed=(), duration_s=None, out=str(bench.folder / "runs"),
        **words)
    outcome = execute(settings, plugins)
    if same:
        again = replay(outcome.run_dir, plugins)
        assert again.same, again.difference
    return outcome


def reconciliation(outcome: Outcome) -> dict[str, Any]:
    told: dict[str, Any] = outcome.document["reconciliation"]
    return told


async def until(wanted: Any, what: str) -> None:
    with trio.move_on_after(PATIENCE_S) as patience:
        while not wanted():
            await trio.sleep(0.002)
    assert not patience.cancelled_caught, what


def newest(bench: Bench) -> Path:
    return max((bench.folder / "runs").iterdir(), key=lambda path: path.stat().st_mtime_ns)


async def placed(venue: HouseVenue) -> str:
    """The strategy's own order, once it rests."""
    await until(lambda: any(o.startswith("ida") for o in venue.house.orders), "the strategy placed nothing")
    return next(o for o in venue.house.orders if o.startswith("ida"))


async def end_when_placed(venue: HouseVenue) -> None:
    await placed(venue)
    venue.end()


# ----------------------------------------------------------------- a run in order


def test_order_ids_name_the_run_and_a_strategy_begins_when_the_account_is_known(bench: Bench, house: House) -> None:
    outcome = run(bench, house, end_when_placed)
    order = only(house.orders.values())
    assert order.order_id == "ida" + outcome.run_dir.name.replace("-", "") + "-1"
    assert Buyer.told[0] == "on_start"
    assert order.status is OrderStatus.CANCELED
    assert outcome.exit_code == EXIT_DONE
    told = reconciliation(outcome)
    assert told == {
        "snapshots": 2, "differences": 0, "adopted": [], "foreign_orders": 0, "continues": None, "orphans": []}
    assert outcome.document["ledger"]["balanced"]


def test_before_it_is_healthy_a_strategy_is_told_nothing(
    bench: Bench, house: House, monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Ill(venues_of(house)):  # type: ignore[misc]
        def look(self) -> None: ...

    monkeypatch.setattr("ida_core.engine.HEALTH_NS", 200_000_000)
    outcome = run(bench, house, None, venue=Ill)
    assert (outcome.exit_code, outcome.ended.code) == (EXIT_VENUE, "IDA-E4220")
    assert Buyer.told == []
    assert house.orders == {}


def test_a_fill_after_the_last_order_closed_is_not_lost(bench: Bench, house: House) -> None:
    """The exchange fills it just before our cancel, and nobody hears of the fill until it is asked."""

    class Late(venues_of(house, end_when_placed)):  # type: ignore[misc]
        def send(self, request: Any) -> None:
            if request.order_id in house.orders:
                house.is_mute = True
                house.fill(request.order_id, 400)
                house.is_mute = False
            super().send(request)

    outcome = run(bench, house, None, venue=Late)
    assert outcome.document["fills"]["count"] == 1
    assert outcome.document["ledger"]["balanced"]
    assert outcome.exit_code == EXIT_DONE


# ----------------------------------------------------------------- others on the account


def test_orders_of_others_are_seen_and_left_alone(bench: Bench, house: House) -> None:
    async def script(venue: HouseVenue) -> None:
        await placed(venue)
        house.place("by-hand", Side.BUY, 500, 9_500)
        house.fill("by-hand", 200)
        house.place("by-hand-2", Side.SELL, 100, None)
        house.deposit("USDT", D("12.5"))
        venue.look()
        venue.end()

    outcome = run(bench, house, script)
    assert house.orders["by-hand"].status is OrderStatus.PARTIALLY_FILLED
    told = reconciliation(outcome)
    assert (told["foreign_orders"], told["differences"]) == (2, 0)
    document = outcome.document
    assert document["ledger"]["balanced"]
    assert (document["fills"]["count"], document["pnl"]["net"]) == (0, "0")
    assert document["orders"]["submitted"] == 1
    assert any("2 orders on the account that this run did not place" in text for text in outcome.warnings)


def test_a_difference_ends_the_run_when_two_snapshots_show_it(bench: Bench, house: House) -> None:
    async def script(venue: HouseVenue) -> None:
        await placed(venue)
        house.funds["USDT"] -= D(7)
        venue.look()
        venue.look()

    outcome = run(bench, house, script)
    assert outcome.exit_code == EXIT_RISK
    assert "ledger" in outcome.ended.reason
    assert reconciliation(outcome)["adopted"] == [{"USDT": "-7"}]
    assert outcome.document["ledger"]["balanced"]
    assert any("-7 USDT" in text for text in outcome.warnings)


def test_a_difference_within_the_limit_is_adopted_and_told(bench: Bench, house: House) -> None:
    async def script(venue: HouseVenue) -> None:
        await placed(venue)
        house.funds["USDT"] -= D(7)
        venue.look()
        venue.look()
        venue.end()

    outcome = run(bench, house, script, residual_limit=D(10))
    assert outcome.exit_code == EXIT_DONE
    assert reconciliation(outcome)["differences"] == 1


def test_a_snapshot_that_an_event_overtakes_is_no_difference(bench: Bench, house: House) -> None:
    async def script(venue: HouseVenue) -> None:
        order = await placed(venue)
        house.is_mute = True
        house.fill(order, 300)
        house.is_mute = False
        venue.tell(BalanceUpdate(balances=house.balances(), reason="SNAPSHOT"))
        venue.tell(house.trades[-1])
        venue.look()
        venue.end()

    outcome = run(bench, house, script)
    assert reconciliation(outcome)["differences"] == 0
    assert outcome.exit_code == EXIT_DONE


# ----------------------------------------------------------------- after a crash


def crash(bench: Bench, house: House, script: Script, *strategies: str) -> Path:
    with pytest.raises(Crash):
        run(bench, house, script, *strategies, same=False)
    return newest(bench)


async def crash_when_placed(venue: HouseVenue) -> None:
    await placed(venue)
    venue.crash()


def test_what_a_killed_run_left_open_goes_on(bench: Bench, house: House) -> None:
    former = crash(bench, house, crash_when_placed)
    order = only(house.orders.values())
    house.fill(order.order_id, 400)  # nobody is there to hear of it

    async def end_when_started(venue: HouseVenue) -> None:
        await until(lambda: len(Buyer.found) == 2, "the strategy was not started again")
        venue.end()

    outcome = run(bench, house, end_when_started)
    assert Buyer.found[1] == ([order.order_id], 400)
    assert order.status is OrderStatus.CANCELED
    assert reconciliation(outcome)["continues"] == former.name
    assert outcome.document["fills"]["count"] == 1
    assert outcome.document["ledger"]["balanced"]
    assert outcome.exit_code == EXIT_DONE
    assert any(f"continues {former.name}" in text for text in outcome.warnings)


def test_orders_that_could_not_be_canceled_are_no_good_end(
    bench: Bench, house: House, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ida_core.engine.STOP_PATIENCE_NS", 100_000_000)
    deaf = venues_of(house, end_when_placed)
    send = deaf.send
    monkeypatch.setattr(
        deaf, "send", lambda venue, wanted: None if isinstance(wanted, CancelOrder) else send(venue, wanted))
    outcome = run(bench, house, None, venue=deaf)
    assert outcome.exit_code == EXIT_VENUE
    assert any("still open at the end" in text for text in outcome.warnings)


def test_a_run_after_one_that_ended_in_order_begins_afresh(bench: Bench, house: House) -> None:
    run(bench, house, end_when_placed)
    again = run(bench, house, end_when_placed)
    assert reconciliation(again)["continues"] is None


def test_another_account_or_exchange_is_not_continued(bench: Bench, house: House) -> None:
    crash(bench, house, crash_when_placed)
    others = venues_of(House(), end_when_placed, account="house:another")
    assert reconciliation(run(bench, house, None, venue=others))["continues"] is None


def test_position_and_wallets_go_on_through_several_crashes(bench: Bench, house: House) -> None:
    async def filled(venue: HouseVenue) -> None:
        order = await placed(venue)
        house.fill(order, 100)
        fills = len(house.trades)
        await until(lambda: Buyer.told.count("fill 100") == fills, "the fill was not told")
        venue.crash()

    names = [crash(bench, house, filled).name for _ in range(3)]

    async def end_when_started(venue: HouseVenue) -> None:
        await until(lambda: len(Buyer.found) == 4, "the strategy was not started again")
        venue.end()

    outcome = run(bench, house, end_when_started)
    assert [position for _, position in Buyer.found[:4]] == [0, 100, 200, 300]
    assert reconciliation(outcome)["continues"] == names[-1]
    start = outcome.document["ledger"]["assets"]["BTC"]["start"]
    assert D(start) == D(1) + house.instrument.quantity(300)
    assert reconciliation(outcome)["differences"] == 0


def test_an_order_of_a_strategy_that_runs_no_more_is_an_orphan(bench: Bench, house: House) -> None:
    former = crash(bench, house, crash_when_placed)
    order = only(house.orders.values())

    async def fill_and_end(venue: HouseVenue) -> None:
        house.fill(order.order_id, 300)
        venue.look()
        venue.end()

    outcome = run(bench, house, fill_and_end, "idle")
    orphan = only(reconciliation(outcome)["orphans"])
    assert order.order_id in orphan
    assert former.name in orphan
    assert "buyer" in orphan
    assert order.status is OrderStatus.PARTIALLY_FILLED
    assert outcome.document["ledger"]["balanced"]
    again = run(bench, house, end_when_placed, "buyer")  # its owner is back
    assert Buyer.found[-1] == ([order.order_id], 300)
    assert order.status is OrderStatus.CANCELED
    assert reconciliation(again)["orphans"] == []


def test_a_damaged_journal_is_used_as_far_as_it_is_whole(bench: Bench, house: House) -> None:
    former = crash(bench, house, crash_when_placed)
    segment = max((former / "journal").iterdir())
    content = segment.read_bytes()
    place = content.index(b'"execution":"NEW"')
    segment.write_bytes(content[:place] + b"\xff\xff" + content[place + 2:])

    async def end_when_started(venue: HouseVenue) -> None:
        await until(lambda: len(Buyer.found) == 2, "the strategy was not started again")
        venue.end()

    outcome = run(bench, house, end_when_started)
    assert Buyer.found[1][0] == list(house.orders)
    assert any("damaged" in text for text in outcome.warnings)
    assert outcome.exit_code == EXIT_DONE


def test_a_request_that_never_arrived_is_settled(bench: Bench, house: House) -> None:
    class Dies(venues_of(house)):  # type: ignore[misc]
        def send(self, request: Any) -> None:
            raise Crash

    with pytest.raises(Crash):
        run(bench, house, None, venue=Dies, same=False)
    assert house.orders == {}
    outcome = run(bench, house, end_when_placed)
    assert Buyer.found[1] == ([], 0)
    assert outcome.document["orders"]["rejected"] == 1
    assert outcome.exit_code == EXIT_DONE


def test_a_run_that_is_at_work_is_not_continued(bench: Bench, house: House) -> None:
    inner: list[Outcome] = []

    async def run_another(venue: HouseVenue) -> None:
        await placed(venue)
        inner.append(await trio.to_thread.run_sync(lambda: run(bench, house, _end_at_once, "idle", same=False)))
        venue.end()

    async def _end_at_once(venue: HouseVenue) -> None:
        await trio.lowlevel.checkpoint()
        venue.end()

    run(bench, house, run_another, same=False)
    assert reconciliation(only(inner))["continues"] is None


def test_what_a_run_at_work_took_up_is_left_to_it(bench: Bench, house: House) -> None:
    crash(bench, house, crash_when_placed)
    first = only(house.orders.values())
    inner: list[Outcome] = []

    async def end_when_started(venue: HouseVenue) -> None:
        await until(lambda: len(Buyer.found) == 3, "the strategy was not started beside the other")
        venue.end()

    async def run_another(venue: HouseVenue) -> None:
        await until(lambda: len(Buyer.found) == 2, "the strategy was not started again")
        inner.append(await trio.to_thread.run_sync(lambda: run(bench, house, end_when_started, same=False)))
        assert first.status is OrderStatus.NEW
        venue.end()

    outer = run(bench, house, run_another, same=False)
    assert reconciliation(outer)["continues"] is not None
    assert reconciliation(only(inner))["continues"] is None
    assert first.order_id not in Buyer.found[2][0]
