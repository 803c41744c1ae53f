"""The inlet as feeders in Python use it: what goes in is what the market shows; full, it says so and waits for none."""

import pytest
import trio
import trio.testing

from ida_core import Inlet, Market, Note, Side, VenueStatus
from ida_core.native import lib


def _market() -> Market:
    return Market(chain=lib.IDA_CHAIN_CONTIGUOUS, max_price=10_000)


def test_what_was_put_in_reaches_the_market() -> None:
    inlet, market = Inlet(1), _market()
    inlet.attach([market])
    assert inlet.market(0).state == "WAITING"
    assert inlet.depth(0, 8, 9, [(101, 5)], [], ts_local_ns=1)
    inlet.drain()
    assert inlet.market(0).first_kept_id == 8
    assert inlet.snapshot(0, 8, [(100, 1), (99, 2)], [(103, 3)], ts_local_ns=2)
    assert inlet.depth(0, 10, 10, [(100, 0)], [(102, 7)], ts_local_ns=3, ts_venue_ns=2)
    assert inlet.trade(0, 77, 102, 4, Side.SELL, ts_local_ns=4)
    assert inlet.quote(0, 10, 101, 5, 102, 7, ts_local_ns=5)
    assert inlet.lag.records == 4
    assert inlet.lag.oldest_ns == 2
    inlet.drain()
    assert market.synced
    assert market.last_update_id == 10
    assert market.first_kept_id is None
    assert (market.book.bid, market.book.bid_quantity, market.book.ask, market.book.ask_quantity) == (101, 5, 102, 7)
    assert (market.last_price, market.last_quantity, market.ts_local_ns) == (102, 4, 5)
    assert inlet.lag == (0, 0, None)
    assert inlet.committed == 5
    assert inlet.refused == 0


def test_a_full_inlet_refuses_and_keeps_what_it_has() -> None:
    inlet, market = Inlet(1, 4096), _market()
    inlet.attach([market])
    put = 0
    while inlet.trade(0, put, 100 + put, 1, Side.BUY, ts_local_ns=put):
        put += 1
    assert put == 4096 // 72
    assert inlet.refused == 1
    inlet.drain()
    assert market.last_price == 99 + put
    assert market.counts["trade"] == put
    assert inlet.trade(0, put, 5, 1, Side.BUY)


def test_what_is_wrong_is_named() -> None:
    inlet = Inlet(2)
    with pytest.raises(ValueError, match=r"instrument 2: unknown"):
        inlet.trade(2, 1, 100, 1, Side.BUY)
    with pytest.raises(ValueError, match="the engine's own"):
        inlet.tell(Note(what="stop"))
    with pytest.raises(ValueError, match=r"0 instruments"):
        Inlet(0)
    assert inlet.committed == 0


def test_what_was_told_comes_out_in_its_order() -> None:
    inlet = Inlet(1)
    inlet.attach([_market()])
    events = [VenueStatus(state="DOWN", reason="cut"), Note(what="connection", data={"n": 1})]
    for event in events:
        inlet.tell(event)
        inlet.alive(0)
    assert inlet.lag.records == 2
    assert inlet.drain() == events
    assert inlet.drain() == []


async def test_who_waits_is_woken_by_what_comes_in() -> None:
    inlet, seen = Inlet(1), []

    async def take() -> None:
        for _ in range(2):
            await inlet.wait(60)
            seen.append(inlet.lag.records)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take)
        await trio.testing.wait_all_tasks_blocked()
        assert seen == []
        inlet.trade(0, 1, 100, 1, Side.BUY)
        inlet.trade(0, 2, 100, 1, Side.BUY)
        await trio.testing.wait_all_tasks_blocked()
        assert seen == [2]
        inlet.wake()
    assert seen == [2, 2]
