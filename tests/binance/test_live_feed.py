"""The live feed against a small exchange on loopback: what it connects, and what it does when things fail."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
from small_exchange import Client, SmallExchange, small_exchange, until

from ida_binance.live import Binance, BinanceConfig, BinanceTestnet
from ida_core import ConfigError, Event, IdaError, Note, Side, Subscription, VenueError, VenueStatus
from ida_core.book import Market
from ida_core.inlet import Inlet
from ida_core.native import lib
from ida_core.protocols import LiveSetup

QUICK = {"heartbeat_s": 0.25, "staleness_s": 1.0, "pong_s": 1.0, "timeout_s": 5.0}
#: Where a machine that stands still for a second is not to be taken for a connection that does.
CALM = {"staleness_s": 20.0, "pong_s": 20.0, "timeout_s": 20.0}


async def built(exchange: SmallExchange, symbols: tuple[str, ...] = ("BTCUSDT",), **settings: Any) -> Binance:
    config = BinanceConfig(url=exchange.url, **{**QUICK, **settings})
    setup = LiveSetup(config=config, symbols=symbols)
    feed = await trio.to_thread.run_sync(partial(Binance.build, setup))
    assert isinstance(feed, Binance)
    return feed


class Watched:
    """A feed at work, and what comes of it. ``error``: what it ended with."""

    def __init__(self, feed: Binance, exchange: SmallExchange) -> None:
        self.feed, self.exchange = feed, exchange
        listed = feed.listed()
        self.inlet = Inlet(len(listed))
        self.markets = [Market(item.chain, item.highest) for item in listed]
        self.inlet.attach(self.markets)
        self.told: list[Event] = []
        self.error: IdaError | None = None
        self.ended = trio.Event()

    async def run(self) -> None:
        try:
            await self.feed.run(self.inlet)
        except IdaError as error:
            self.error = error
        finally:
            self.ended.set()

    async def drain(self) -> None:
        while True:
            await self.inlet.wait(1.0)
            self.told += self.inlet.drain()

    @property
    def market(self) -> Market:
        return self.markets[0]

    def in_step(self, symbol: str = "BTCUSDT", index: int = 0) -> bool:
        """The book is in step, and at the exchange's id."""
        market = self.markets[index]
        return market.synced and market.last_update_id == self.exchange.books[symbol].update_id

    def assert_right(self, symbol: str = "BTCUSDT", index: int = 0) -> None:
        book, ours = self.exchange.books[symbol], self.markets[index].book
        for side, rows in ((Side.BUY, book.bids), (Side.SELL, book.asks)):
            assert {price: ours.quantity_at(side, price) for price in rows} == rows
        assert ours.level_counts == (len(book.bids), len(book.asks))

    def statuses(self) -> list[str]:
        return [event.state for event in self.told if isinstance(event, VenueStatus)]

    def changes(self, state: str) -> list[Any]:
        notes = [e for e in self.told if isinstance(e, Note) and e.what == "connection"]
        return [note.data for note in notes if note.data["state"] == state]

    def reconnects(self) -> int:
        return sum(line.reconnects for line in self.feed.health())

    async def step_until(self, what: Callable[[], Any], symbol: str = "BTCUSDT", **more: Any) -> None:
        """The market goes on until it holds."""
        with trio.move_on_after(20):
            while not what():
                await self.exchange.step(symbol, **more)
                await trio.sleep(0.02)
            return
        raise AssertionError("the market went on, and it did not come about")

    async def synced(self) -> None:
        await self.step_until(lambda: self.market.synced)
        await until(self.in_step)


@asynccontextmanager
async def watched(exchange: SmallExchange, **settings: Any) -> AsyncIterator[Watched]:
    seen = Watched(await built(exchange, **settings), exchange)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(seen.run)
        nursery.start_soon(seen.drain)
        yield seen
        nursery.cancel_scope.cancel()


async def test_the_book_is_the_exchanges_over_two_connections() -> None:
    async with small_exchange("BTCUSDT", "ETHUSDT") as exchange, watched(
        exchange, symbols=("ETHUSDT", "BTCUSDT")) as seen:  # fmt: skip
        for symbol, index in (("ETHUSDT", 0), ("BTCUSDT", 1)):
            await seen.step_until(lambda index=index: seen.markets[index].synced, symbol)
            await until(lambda symbol=symbol, index=index: seen.in_step(symbol, index))
            seen.assert_right(symbol, index)
        await until(lambda: seen.statuses()[-1:] == ["HEALTHY"])
        assert [len(client.names) for client in exchange.open_clients] == [6, 6]
        assert exchange.asked["/api/v3/depth"] >= 2
        health = seen.feed.health()
        assert [line.name for line in health] == ["A1", "B1"]
        assert all(line.state == "LIVE" and line.confirmed == 6 for line in health)
        assert all(market.gaps == 0 for market in seen.markets)
        assert seen.market.quotes_mismatched == 0
        assert seen.feed.warnings() == []


async def test_a_cut_connection_loses_nothing() -> None:
    async with small_exchange() as exchange, watched(exchange) as seen:
        await seen.synced()
        snapshots = exchange.asked["/api/v3/depth"]
        for cuts in (1, 2, 3):
            await exchange.open_clients[0].cut()
            await seen.step_until(lambda cuts=cuts: seen.reconnects() == cuts)
        await until(seen.in_step)
        seen.assert_right()
        assert seen.market.gaps == 0
        assert exchange.asked["/api/v3/depth"] == snapshots
        assert len(seen.changes("CLOSED")) == 3


async def test_each_connection_is_told_of_by_its_own_generation_to_its_last_message() -> None:
    async with small_exchange() as exchange, watched(exchange, connections=1, **CALM) as seen:
        await seen.synced()
        await exchange.open_clients[0].send('{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1}}')
        await seen.step_until(lambda: seen.changes("CLOSED"))
        first, second = seen.changes("LIVE")
        assert [(data["generation"], data["reconnects"]) for data in (first, second)] == [(1, 0), (2, 1)]
        closed = seen.changes("CLOSED")[0]
        assert (closed["generation"], closed["messages"] > first["messages"]) == (1, True)
        for _ in range(5):
            await exchange.step()
        await until(lambda: seen.feed.last_words()[0].data["messages"] >= second["messages"] + 15)
        (words,) = seen.feed.last_words()
        assert (words.what, words.data["generation"], words.data["state"]) == ("connection_counts", 2, "LIVE")


async def test_a_book_that_the_exchanges_quotes_disprove_is_built_anew() -> None:
    """A change of the best bid never comes over any connection, and no id is missing."""
    async with small_exchange() as exchange, watched(exchange) as seen:
        await seen.synced()
        exchange.books["BTCUSDT"].bids[10_000] += 7
        await seen.step_until(lambda: seen.market.disproved)
        await seen.synced()
        seen.assert_right()
        assert (seen.market.gaps, seen.market.disproved, seen.market.resyncs) == (0, 1, 1)


async def test_when_all_are_cut_the_book_is_built_anew() -> None:
    async with small_exchange() as exchange, watched(exchange) as seen:
        await seen.synced()
        for client in exchange.open_clients:
            await client.cut()
        for _ in range(5):
            await exchange.step()
        await seen.step_until(lambda: seen.market.resyncs >= 1)
        await seen.synced()
        seen.assert_right()
        await until(lambda: seen.statuses()[-1] == "HEALTHY")
        assert "DOWN" in seen.statuses() or "RECONCILING" in seen.statuses()


async def test_a_half_open_connection_is_found_by_its_pings() -> None:
    async with small_exchange() as exchange, watched(exchange) as seen:
        await seen.synced()
        frozen: Client = exchange.open_clients[0]
        frozen.stream.frozen = True
        await seen.step_until(lambda: any("half-open" in d["why"] for d in seen.changes("CLOSED")))
        frozen.stream.frozen = False
        await seen.step_until(lambda: all(line.state == "LIVE" for line in seen.feed.health()))
        await until(seen.in_step)
        assert seen.market.gaps == 0


async def test_a_dead_depth_stream_beside_live_quotes_is_found() -> None:
    async with small_exchange() as exchange, watched(exchange, connections=1) as seen:
        await seen.synced()
        exchange.open_clients[0].muted.add("btcusdt@depth@100ms")
        await seen.step_until(lambda: [e for e in seen.told if isinstance(e, Note) and e.what == "dead_stream"])
        await seen.step_until(lambda: seen.market.resyncs >= 1)
        await seen.synced()
        seen.assert_right()
        assert any("is dead" in data["why"] for data in seen.changes("CLOSED"))


async def test_quotes_ahead_of_a_book_that_stands_still_are_no_dead_stream() -> None:
    """As at the end of a replay: the last quotes have ids that no diff reaches, nor does the exchange's own book."""
    async with small_exchange() as exchange, watched(exchange, connections=1) as seen:
        await seen.synced()
        running = seen.feed._running
        assert running is not None
        assert running.keeper is not None
        book, probes = exchange.books["BTCUSDT"], running.keeper.probes
        quote = {"u": book.update_id + 3, "s": "BTCUSDT", "b": "100.00", "B": "1", "a": "100.01", "A": "1"}
        for _ in range(3):
            quote["u"] += 1
            await exchange.tell("btcusdt@bookTicker", quote)
        await until(lambda: running.keeper is not None and running.keeper.probes > probes + 1)
        assert running.keeper.dead == 0
        assert seen.changes("CLOSED") == []
        assert seen.market.resyncs == 0


async def test_a_connection_that_brings_nothing_is_found_though_it_answers_pings() -> None:
    """All its streams are dead: only the exchange's own book tells."""
    async with small_exchange() as exchange, watched(exchange, connections=1) as seen:
        await seen.synced()
        client = exchange.open_clients[0]
        client.muted |= set(client.names)
        await seen.step_until(lambda: seen.market.resyncs >= 1)
        await seen.synced()
        seen.assert_right()


async def test_a_stalled_connection_is_replaced_while_the_other_works() -> None:
    async with small_exchange() as exchange, watched(exchange) as seen:
        await seen.synced()
        client = exchange.open_clients[0]
        client.muted |= set(client.names)
        await seen.step_until(lambda: any("stalled" in data["why"] for data in seen.changes("CLOSED")))
        assert seen.market.gaps == 0


async def test_a_quiet_market_is_alive() -> None:
    """No diff ever comes; the book is in step with the snapshot, and pongs are proof of life."""
    async with small_exchange() as exchange, watched(exchange) as seen:
        await until(lambda: seen.market.state == "FIRST")
        before = seen.inlet.lag
        taken = [lib.ida_inlet_look(seen.inlet.pointer).entered]
        await until(lambda: lib.ida_inlet_look(seen.inlet.pointer).entered > taken[0] + 3)
        assert seen.inlet.committed == 1
        assert not any("dead" in str(event) for event in seen.told)
        assert before.records >= 0


async def test_an_old_snapshot_is_asked_for_again_with_pauses() -> None:
    async with small_exchange() as exchange, watched(exchange) as seen:
        exchange.snapshot = lambda answer: {**answer, "lastUpdateId": 5}
        await seen.step_until(lambda: exchange.asked["/api/v3/depth"] >= 4)
        asked, began = exchange.asked["/api/v3/depth"], trio.current_time()
        await seen.step_until(lambda: trio.current_time() - began > 1.0)
        assert exchange.asked["/api/v3/depth"] <= asked + 3
        assert not seen.market.synced
        exchange.snapshot = lambda answer: answer
        await seen.synced()
        seen.assert_right()


async def test_what_is_no_snapshot_is_told_and_asked_for_again() -> None:
    async with small_exchange() as exchange, watched(exchange) as seen:
        exchange.snapshot = lambda answer: {"lastUpdateId": "many", "bids": 7}
        await seen.step_until(lambda: [e for e in seen.told if isinstance(e, Note) and e.what == "snapshot_failed"])
        exchange.snapshot = lambda answer: answer
        await seen.synced()


async def test_a_stream_that_the_server_does_not_confirm_is_not_taken_as_live() -> None:
    async with small_exchange() as exchange:
        exchange.confirm = lambda names: [name for name in names if "@depth" not in name]
        async with watched(exchange) as seen:
            await until(lambda: seen.changes("LIVE"))
            assert seen.changes("LIVE")[0]["confirmed"] == 2
            for _ in range(50):
                await exchange.step()
                await trio.sleep(0.01)
            assert not seen.market.synced
            assert "HEALTHY" not in seen.statuses()
            assert {line.confirmed for line in seen.feed.health()} == {2}


async def test_a_shutdown_notice_makes_a_successor_before_the_end() -> None:
    async with small_exchange() as exchange, watched(exchange, connections=1, **CALM) as seen:
        await seen.synced()
        former = exchange.open_clients[0]
        await former.send('{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1763800000000}}')
        await seen.step_until(lambda: not former.is_open)
        assert len(exchange.open_clients) == 1
        await seen.step_until(seen.in_step)
        assert seen.market.gaps == 0
        assert seen.market.resyncs == 0
        await until(lambda: seen.changes("CLOSED") and former.close_code == 1000)
        assert "serverShutdown" in seen.changes("CLOSED")[0]["why"]


async def test_an_old_connection_is_replaced_with_overlap() -> None:
    async with small_exchange() as exchange, watched(exchange, connections=1, lifetime_s=3.0, **CALM) as seen:
        await seen.synced()
        await seen.step_until(lambda: len(seen.changes("CLOSED")) >= 2)
        assert seen.market.gaps == 0
        assert seen.market.resyncs == 0
        assert "h old" in seen.changes("CLOSED")[0]["why"]


async def test_a_ban_stops_all_and_ends_the_run_when_patience_does() -> None:
    async with small_exchange() as exchange:
        banned = b'{"code":-1003,"msg":"Way too much request weight used; IP banned"}'
        async with watched(exchange, patience_s=2.0) as seen:
            exchange.refuse = lambda path: (418, {"Retry-After": "600"}, banned) if "depth" in path else None
            await seen.step_until(lambda: "DOWN" in seen.statuses())
            reason = next(e.reason for e in seen.told if isinstance(e, VenueStatus) and e.state == "DOWN"
                          and "banned" in e.reason)  # fmt: skip
            assert "is banned until 20" in reason
            asked = exchange.asked["/api/v3/depth"]
            await exchange.open_clients[0].cut()
            await until(seen.ended.is_set)
            assert exchange.asked["/api/v3/depth"] == asked
            assert exchange.attempts == 2
            assert seen.error is not None
            assert (seen.error.code, seen.error.exit_code) == ("IDA-E4210", 4)
            assert "patience_s = 2" in str(seen.error)


async def test_a_ban_told_in_the_handshake_stops_requests_too() -> None:
    async with small_exchange() as exchange:
        exchange.refuse = lambda path: (418, {"Retry-After": "600"}, b"") if path.startswith("/stream") else None
        async with watched(exchange, patience_s=1.0) as seen:
            await until(seen.ended.is_set)
            assert seen.error is not None
            assert seen.error.code == "IDA-E4210"
            assert exchange.attempts <= 2
            assert exchange.asked["/api/v3/depth"] == 0


async def test_where_no_websocket_is_the_run_ends_at_once() -> None:
    async with small_exchange() as exchange:
        exchange.refuse = lambda path: (404, {}, b"{}") if path.startswith("/stream") else None
        async with watched(exchange) as seen:
            await until(seen.ended.is_set)
            assert seen.error is not None
            assert (seen.error.code, seen.error.exit_code) == ("IDA-E4112", 4)


async def test_attempts_are_bounded_whatever_happens() -> None:
    async with small_exchange() as exchange:
        exchange.refuse = lambda path: (503, {}, b"") if path.startswith("/stream") and exchange.attempts else None
        async with watched(exchange, connections=1, attempts=3, patience_s=600.0, **CALM) as seen:
            await until(lambda: "LIVE" in {line.state for line in seen.feed.health()})
            await exchange.open_clients[0].cut()
            await until(lambda: exchange.attempts == 3)
            running = seen.feed._running
            assert running is not None
            assert running.keeper is not None
            running.keeper._patience_s = 2.0  # from here on: longer than any pause between two attempts would be
            await until(seen.ended.is_set)
            assert exchange.attempts == 3
            assert isinstance(seen.error, VenueError)
            assert "no connection is at work" in str(seen.error)


async def test_text_that_is_no_json_is_counted_and_harms_nothing() -> None:
    async with small_exchange() as exchange, watched(exchange) as seen:
        await seen.synced()
        for client in exchange.open_clients:
            deep = ("[" * 100_000, '{"result":' + "[" * 100_000 + "]" * 100_000 + ',"id":1}')
            for text in ("no JSON", "{", "[]", '{"stream":"dogeusdt@trade","data":{}}', '{"result":null,"id":99}'):
                await client.send(text)
            for text in deep:
                await client.send(text)
        await seen.step_until(lambda: all(line.unknown >= 7 for line in seen.feed.health()))
        await until(seen.in_step)
        assert seen.market.gaps == 0


async def test_streams_come_and_go_while_it_runs() -> None:
    async with small_exchange() as exchange, watched(exchange) as seen:
        await seen.synced()
        seen.feed.subscribe(0, Subscription(bars=True))
        await until(lambda: all("btcusdt@kline_1m" in c.names for c in exchange.open_clients))
        seen.feed.subscribe(0, Subscription())
        await until(lambda: not any("btcusdt@kline_1m" in c.names for c in exchange.open_clients))
        assert len(exchange.open_clients) == 2


async def test_cancellation_closes_all_in_order() -> None:
    async with small_exchange() as exchange:
        async with watched(exchange) as seen:
            await seen.synced()
        await until(lambda: [client.close_code for client in exchange.clients] == [1000, 1000])
        assert seen.error is None


async def test_extra_streams_are_subscribed_to() -> None:
    async with small_exchange() as exchange, watched(
        exchange, streams=("btcusdt@depth5@100ms", "!miniTicker@arr")) as seen:  # fmt: skip
        await seen.synced()
        assert {"btcusdt@depth5@100ms", "!miniTicker@arr"} <= set(exchange.open_clients[0].names)


@pytest.mark.parametrize(
    ("settings", "text", "code"),
    [
        ({"symbols": ("BTCUDST",)}, "did you mean 'BTCUSDT'", "IDA-E3004"),
        ({"streams": ("btcusdt@aggtrade",)}, "did you mean 'btcusdt@aggTrade'", "IDA-E3021"),
        ({"streams": ("ethusdt@trade",)}, "is of ETHUSDT, and the run has BTCUSDT", "IDA-E3004"),
        ({"bars": "7m"}, "kline_7m", "IDA-E3021"),
    ],
)
async def test_wrong_words_are_refused_before_the_run(settings: dict[str, Any], text: str, code: str) -> None:
    async with small_exchange() as exchange:
        with pytest.raises(ConfigError, match=text) as error:
            await built(exchange, **settings)
        assert error.value.code == code


def test_an_address_of_another_environment_is_refused() -> None:
    config = BinanceConfig(url="https://api.binance.com")
    with pytest.raises(ConfigError, match=r"binance-testnet\.url = .* is an address of binance"):
        BinanceTestnet.build(LiveSetup(config=config, symbols=("BTCUSDT",)))


async def test_no_symbol_is_all_of_a_small_exchange() -> None:
    async with small_exchange("BTCUSDT", "ETHUSDT") as exchange:
        feed = await built(exchange, symbols=())
        assert feed.symbols() == ["BTCUSDT", "ETHUSDT"]
        assert feed.listed()[0].first_price == 10_000
        assert abs(feed.clock_offset_ns) < 1_000_000_000
        assert len(feed.latency_ns) == 3
