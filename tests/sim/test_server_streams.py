"""The market streams over real sockets: what each tells, control frames, limits, pings, and the end."""

import json
import re
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
import trio
import trio_websocket
from hypothesis import given, strategies as st
from sim.serving import FAST, Client, client, serving

from ida_sim.server.control_frames import MOST_STREAMS
from ida_sim.server.message_faults import spoiled
from ida_sim.server.serving import Server
from ida_sim.server.stream_names import read_stream
from ida_sim.server.wire import text_frame

#: Each stream, and the keys of its messages in their order.
SHAPES = {
    "btcusdt@trade": "e E s t p q T m M",
    "btcusdt@aggTrade": "e E s a p q f l T m M",
    "btcusdt@bookTicker": "u s b B a A",
    "btcusdt@depth": "e E s U u b a",
    "btcusdt@depth@100ms": "e E s U u b a",
    "btcusdt@depth5": "lastUpdateId bids asks",
    "btcusdt@depth20@100ms": "lastUpdateId bids asks",
    "btcusdt@kline_1s": "e E s k",
    "btcusdt@kline_1d@+08:00": "e E s k",
    "btcusdt@miniTicker": "e E s c o h l v q",
    "btcusdt@ticker": "e E s p P w x c Q b B a A o h l v q O C F L n",
    "btcusdt@ticker_4h": "e E s p P o h l c w v q O C F L n",
    "btcusdt@avgPrice": "e E s i w T",
}


async def first(own: Client, name: str) -> Any:
    while True:
        message = await own.read()
        if message["stream"] == name:
            return message["data"]


async def test_each_stream_has_the_documented_keys() -> None:
    async with serving() as server, client(server) as own:
        assert await own.ask("SUBSCRIBE", list(SHAPES)) == {"result": None, "id": 1}
        waiting = set(SHAPES)
        while waiting:
            message = await own.read()
            if message["stream"] in waiting:
                waiting.remove(message["stream"])
                assert " ".join(message["data"]) == SHAPES[message["stream"]], message


async def test_arrays_tell_of_all_symbols_that_changed() -> None:
    async with serving(symbols=["BTCUSDT", "ETHUSDT"]) as server, client(server) as own:
        await own.ask("SUBSCRIBE", ["!miniTicker@arr", "!ticker_1h@arr"])
        for name in ("!miniTicker@arr", "!ticker_1h@arr"):
            assert {each["s"] for each in await first(own, name)} == {"BTCUSDT", "ETHUSDT"}


async def test_decimals_are_padded_and_times_are_in_the_unit_asked_for() -> None:
    async with serving() as server:
        async with client(server, "/stream?streams=btcusdt@trade&timeUnit=MICROSECOND") as own:
            micro = await first(own, "btcusdt@trade")
        async with client(server, "/ws/btcusdt@trade") as own:
            milli = await own.read()
    assert abs(micro["E"] / 1e6 - milli["E"] / 1e3) < 30
    assert len(micro["p"].partition(".")[2]) == len(micro["q"].partition(".")[2]) == 8


async def test_merged_depth_leads_to_the_same_book() -> None:
    """The second's diff carries the ids and the last quantities of the tenths that it is made of."""
    async with serving() as server, client(server) as own:
        await own.ask("SUBSCRIBE", ["btcusdt@depth", "btcusdt@depth@100ms"])
        parts: list[Any] = []
        whole = None
        while whole is None or not parts or parts[-1]["u"] < whole["u"]:
            message = await own.read()
            if message["stream"] == "btcusdt@depth":
                whole = message["data"] if parts and whole is None else whole
            else:
                parts.append(message["data"])
        assert whole is not None
        inside = [part for part in parts if part["U"] >= whole["U"] and part["u"] <= whole["u"]]
    for side in ("b", "a"):
        last = {price: quantity for part in inside for price, quantity in part[side]}
        assert dict(map(tuple, whole[side])) == last
        assert len(whole[side]) == len(last)


async def test_aggregates_are_made_of_all_trades() -> None:
    async with serving() as server, client(server) as own:
        await own.ask("SUBSCRIBE", ["btcusdt@aggTrade", "btcusdt@trade"])
        trades: dict[int, Any] = {}
        aggregates: list[Any] = []
        while len(aggregates) < 30 or aggregates[-1]["l"] not in trades:
            message = await own.read()
            data = message["data"]
            if data["e"] == "trade":
                trades[data["t"]] = data
            elif trades and data["f"] > min(trades):
                aggregates.append(data)
    for one, following in pairwise(aggregates):
        assert following["a"] == one["a"] + 1
        assert following["f"] == one["l"] + 1
        assert {trades[n]["p"] for n in range(one["f"], one["l"] + 1)} == {one["p"]}


async def test_subscriptions_come_and_go() -> None:
    async with serving() as server, client(server, "/ws") as own:
        await own.ask("SUBSCRIBE", ["btcusdt@trade", "none@trade", "btcusdt@trade"])
        assert (await own.read())["e"] == "trade"
        assert await own.ask("LIST_SUBSCRIPTIONS") == {"result": ["btcusdt@trade", "none@trade"], "id": 1}
        assert await own.ask("SET_PROPERTY", ["combined", True]) == {"result": None, "id": 1}
        assert await own.ask("GET_PROPERTY", ["combined"], "an-id") == {"result": True, "id": "an-id"}
        own.early.clear()
        assert (await own.read())["stream"] == "btcusdt@trade"


@pytest.mark.parametrize(("text", "code", "words"), [
    ("{", 3, "Invalid JSON: expected value at line 1 column"),
    ("[1]", 2, "Invalid request: "),
    ('{"id":1}', 2, "Invalid request: missing field `method` at line 1 column 8"),
    ('{"method":"SUB","id":1}', 2, "Invalid request: unknown variant `SUB`, expected one of `SUBSCRIBE`, "),
    ('{"method":"SUBSCRIBE","id":1}', 2, "Invalid request: missing field `params`"),
    ('{"method":"SUBSCRIBE","params":[1],"id":1}', 2, "Invalid request: "),
    ('{"method":"LIST_SUBSCRIPTIONS","id":1.5}', 2, "Invalid request: request ID must be an unsigned integer"),
    ('{"method":"GET_PROPERTY","params":["speed"],"id":1}', 0, "Unknown property"),
    ('{"method":"GET_PROPERTY","params":[1],"id":1}', 2, "Invalid request: property name must be a string"),
    ('{"method":"GET_PROPERTY","params":["combined",1],"id":1}', 2, "Invalid request: too many parameters"),
    ('{"method":"SET_PROPERTY","params":["combined",1],"id":1}', 1, "Invalid value type: expected Boolean"),
])  # fmt: skip
async def test_wrong_frames_are_answered_as_documented(text: str, code: int, words: str) -> None:
    async with serving() as server, client(server, "/ws") as own:
        found = await own.say(text)
        assert found["code"] == code
        assert found["msg"].startswith(words)


async def test_a_connection_has_at_most_1024_streams() -> None:
    async with serving() as server, client(server, "/ws") as own:
        names = [f"s{number}@trade" for number in range(MOST_STREAMS)]
        assert (await own.ask("SUBSCRIBE", names))["result"] is None
        assert (await own.ask("SUBSCRIBE", ["btcusdt@trade"]))["code"] == 2


async def opened(server: Server, path: str) -> trio.SocketStream:
    """A websocket by hand, which does what no library does."""
    stream = await trio.open_tcp_stream("127.0.0.1", int(server.addresses.rest.rpartition(":")[2]))
    await stream.send_all(
        b"GET %s HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n" % path.encode())
    return stream


async def closed(own: Client) -> int:
    """Reads on to the end; its code."""
    with suppress(trio_websocket.ConnectionClosed):
        while True:
            await own.websocket.get_message()
    reason = own.websocket.closed
    return reason.code if reason else 0


async def test_who_talks_too_much_is_closed() -> None:
    async with serving() as server, client(server, "/ws") as own:
        with suppress(trio_websocket.ConnectionClosed):
            for _ in range(6):
                await own.websocket.send_message('{"method":"LIST_SUBSCRIPTIONS","id":1}')
        assert await closed(own) == 1008


async def test_pings_count_as_messages() -> None:
    async with serving() as server, client(server, "/ws") as own:
        with suppress(trio_websocket.ConnectionClosed):
            for number in range(6):
                await own.websocket.pong(b"%d" % number)
        assert await closed(own) == 1008


async def test_who_does_not_answer_pings_is_closed() -> None:
    async with serving(pace=FAST) as server:
        stream = await opened(server, "/ws")
        got = b""
        while data := await stream.receive_some(4096):
            got += data
        assert b"\x89\x011" in got
        assert b"Pong timeout" in got


async def test_who_answers_pings_stays() -> None:
    pace = FAST._replace(ping_s=0.25, patience_s=0.6)
    async with serving(pace=pace) as server, client(server, "/ws/btcusdt@trade") as own:
        begin = (await own.read())["E"]
        while (await own.read())["E"] < begin + 1000:
            continue


async def test_a_life_is_limited() -> None:
    async with serving(pace=FAST._replace(ping_s=9, life_s=0.1)) as server, client(server, "/ws") as own:
        assert await closed(own) == 1000


async def test_shutdown_is_told_first_in_each_form() -> None:
    async with serving() as server, client(server, "/ws") as raw, client(server) as combined:
        await raw.fault("server-shutdown", delay_ms=50)
        assert (await raw.read())["e"] == "serverShutdown"
        told = await combined.read()
        assert told["stream"] == "!serverShutdown"
        assert told["data"]["e"] == "serverShutdown"
        assert await closed(raw) == 1001
        assert await closed(combined) == 1001


async def test_24_hours_may_be_over_at_once() -> None:
    async with serving() as server, client(server, "/ws") as own:
        await own.fault("24h-close")
        assert await closed(own) == 1000


async def test_a_slow_reader_is_closed_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ida_sim.server.connection.MOST_BACKLOG", 1 << 16)
    async with serving(speed=1000.0) as server:
        stream = await opened(server, "/ws/btcusdt@depth@100ms")
        while not server.streams.connections:
            await trio.sleep(0.01)
        while server.streams.connections:
            await trio.sleep(0.01)
        await stream.aclose()


@pytest.mark.parametrize(("path", "status"), [("/other", 404), ("/ws?timeUnit=HOUR", 400), ("/ws-api/v4", 404)])
async def test_wrong_paths_are_refused_as_http(path: str, status: int) -> None:
    async with serving() as server:
        with pytest.raises(trio_websocket.ConnectionRejected) as refused:
            async with client(server, path):
                pass
        assert refused.value.status_code == status
        assert json.loads(refused.value.body or b"{}")["code"] < 0


@pytest.mark.parametrize("path", ["/ws/0", "/ws/btcusdt@trade/btcusdt%40bookTicker", "/stream/"])
async def test_odd_paths_are_taken(path: str) -> None:
    async with serving() as server, client(server, path) as own:
        assert (await own.ask("LIST_SUBSCRIPTIONS"))["result"] is not None


@pytest.mark.parametrize("name", [
    "", "@", "btcusdt", "btcusdt@", "btcusdt@depth7", "btcusdt@depth@10ms", "btcusdt@kline_7m", "btcusdt@ticker_2h",
    "!ticker@arr", "!ticker_2h@arr", "BTCUSDT@trade", "btcusdt@TRADE",
])  # fmt: skip
def test_there_is_no_such_stream(name: str) -> None:
    assert read_stream(name) is None


async def test_faults_of_messages() -> None:
    """Each trade has the next id, but for what is asked for."""
    async with serving() as server, client(server, "/stream?streams=btcusdt@trade") as own:
        last = (await own.read())["data"]["t"]
        for kind, wanted in (("drop", 2), ("duplicate", 0), ("reorder", -1)):
            await own.fault(kind, stream="btcusdt@trade")
            step = 1
            while step != wanted:
                before, last = last, (await own.read())["data"]["t"]
                step = last - before
        await own.fault("silence", stream="btcusdt@trade", after=20)
        while True:
            with trio.move_on_after(0.5) as scope:
                await own.read()
            if scope.cancelled_caught:
                break


@given(st.binary(min_size=1, max_size=300), st.integers())
def test_a_spoiled_frame_differs_by_one_byte_of_its_text(text: bytes, seed: int) -> None:
    frame = text_frame(text)
    bad = spoiled(frame, Random(seed))
    assert [i < len(frame) - len(text) for i, (a, b) in enumerate(zip(frame, bad, strict=True)) if a != b] == [False]


async def test_late_messages_keep_their_order() -> None:
    async with serving() as server, client(server, "/stream?streams=btcusdt@trade") as own:
        await own.fault("late", stream="btcusdt@trade", delay_ms=300, duration_s=0.5)
        ids = [(await own.read())["data"]["t"] for _ in range(150)]
        assert ids == list(range(ids[0], ids[0] + 150))


def test_the_documents_name_streams_that_exist() -> None:
    page = (Path(__file__).parents[2] / "docs" / "exchange-server.md").read_text(encoding="utf-8")
    named = re.findall(r"`(btcusdt@[^`]+|![^`]+@arr)`", page)
    assert len(named) > 15
    assert [name for name in named if read_stream(name) is None] == []
