"""Redundant connections into one inlet: each message once, in order, whoever was first."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ida_binance.decoder import Grid
from ida_binance.intake import BadSnapshot, Intake
from ida_core.errors import ConfigError
from ida_core.inlet import Inlet
from ida_core.native import ffi, lib
from ida_core.recorder import Recorder
from tests.binance_wire import GRID, fields

MS = 1_000_000
DEPTH, TRADE, QUOTE = "btcusdt@depth@100ms", "btcusdt@trade", "btcusdt@bookTicker"
GRIDS = {"BTCUSDT": GRID, "ETHUSDT": Grid(Decimal("0.01"), Decimal("0.0001"))}


def combined(stream: str, **data: Any) -> bytes:
    return json.dumps({"stream": stream, "data": data}, separators=(",", ":")).encode()


def diff(first: int, last: int | None = None) -> bytes:
    ids = {"U": first, "u": first if last is None else last}
    return combined(DEPTH, e="depthUpdate", E=1000, s="BTCUSDT", **ids, b=[["9.50", "1.00000"]], a=[])


def trade(trade_id: int, venue_ms: int = 1000, price: str = "9.50") -> bytes:
    more = {"q": "1.00000", "T": venue_ms - 1, "m": True, "M": True}
    return combined(TRADE, e="trade", E=venue_ms, s="BTCUSDT", t=trade_id, p=price, **more)


def quote(update_id: int) -> bytes:
    return combined("btcusdt@bookTicker", u=update_id, s="BTCUSDT", b="9.50", B="1.00000", a="9.60", A="2.00000")


class Run:
    """An intake with its inlet."""

    def __init__(self, *streams: str, connections: int = 2, **more: Any) -> None:
        self.inlet = Inlet(len(GRIDS), more.pop("inlet_bytes", 1 << 20))
        self.intake = Intake(GRIDS, self.inlet, connections=connections, streams=16, **more)
        for stream in streams:
            self.intake.add(stream, 0)

    def feed(self, connection: int, text: bytes, at_ms: float = 0) -> bool:
        return self.intake.feed(connection, text, int(at_ms * MS))

    def taken(self) -> Iterator[dict[str, Any]]:
        while record := lib.ida_inlet_take(self.inlet.pointer):
            yield fields(record)

    def ids(self) -> list[int]:
        return [r.get("last_id", r.get("trade_id", r.get("update_id"))) for r in self.taken()]


def test_the_first_to_arrive_goes_on_and_its_copies_do_not() -> None:
    run = Run(DEPTH, TRADE, QUOTE)
    for message in (diff(5, 7), trade(3), quote(6), diff(8, 9), trade(4), quote(7)):
        assert (run.feed(0, message), run.feed(1, message)) == (False, False)
    assert run.ids() == [7, 3, 6, 9, 4, 7]
    assert run.intake.stream(DEPTH)._replace(rate=0) == (DEPTH, 0, 2, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1000 * MS, 0)
    first, second = run.intake.connection(0), run.intake.connection(1)
    assert (first.messages, first.wins, first.duplicates) == (6, 6, 0)
    assert (second.messages, second.wins, second.duplicates) == (6, 0, 6)


def test_what_one_connection_lost_is_waited_for_and_stands_in_its_place() -> None:
    run = Run(DEPTH)
    run.feed(0, diff(1)), run.feed(1, diff(1))
    run.feed(0, diff(4), 1), run.feed(0, diff(3), 2)
    assert run.ids() == [1]
    assert run.intake.stream(DEPTH).holding == 2
    run.feed(1, diff(2), 3)
    assert run.ids() == [2, 3, 4]
    assert run.intake.stream(DEPTH).holes == 0
    assert run.intake.due_ns is None


def test_held_messages_get_the_time_at_which_they_go_on() -> None:
    run = Run(TRADE)
    run.feed(0, trade(1)), run.feed(1, trade(1))
    run.feed(0, trade(3), 10), run.feed(1, trade(2), 20)
    assert [(r["trade_id"], r["ts_local_ns"] // MS) for r in run.taken()] == [(1, 0), (2, 20), (3, 20)]


def test_when_the_time_is_over_the_hole_is_counted() -> None:
    run = Run(DEPTH, hold_ns=250 * MS)
    run.feed(0, diff(1)), run.feed(1, diff(1))
    run.feed(0, diff(5), 100)
    assert run.intake.due_ns == 350 * MS
    run.intake.expire(349 * MS)
    assert run.ids() == [1]
    run.intake.expire(350 * MS)
    assert run.ids() == [5]
    view = run.intake.stream(DEPTH)
    assert (view.holes, view.missing, view.held, view.holding) == (1, 3, 1, 0)


def test_a_later_message_lets_go_what_waited_too_long() -> None:
    run = Run(DEPTH, TRADE)
    run.feed(0, diff(1)), run.feed(1, diff(1))
    run.feed(0, diff(5), 100), run.feed(1, trade(1), 400)
    assert run.ids() == [5 if i == 1 else 1 for i in range(3)]


def test_nobody_is_waited_for_who_has_gone_past_or_is_closed() -> None:
    run = Run(DEPTH, connections=3)
    for connection in range(3):
        run.feed(connection, diff(1))
    run.feed(0, diff(4)), run.feed(1, diff(3))
    assert run.ids() == [1]
    run.intake.closed(2, 0)
    assert run.ids() == [3, 4]
    assert run.intake.stream(DEPTH).missing == 1
    run.feed(0, diff(6)), run.feed(1, diff(6))
    assert run.ids() == [6]
    assert run.intake.stream(DEPTH).holes == 2


def test_a_damaged_message_is_named_and_another_connections_copy_taken() -> None:
    run = Run(TRADE)
    run.feed(0, trade(1)), run.feed(1, trade(1))
    run.feed(0, trade(2).replace(b"9.50", b"9.5x")), run.feed(0, trade(3)), run.feed(1, trade(2))
    assert run.ids() == [1, 2, 3]
    view = run.intake.connection(0)
    assert (view.problems, view.rule) == (1, "a price is not a decimal")
    assert run.intake.stream(TRADE).problems == 1


def test_copies_that_differ_are_counted() -> None:
    run = Run(TRADE, QUOTE)
    run.feed(0, trade(1)), run.feed(1, trade(1, price="9.51")), run.feed(1, trade(1))
    assert run.ids() == [1]
    assert run.intake.stream(TRADE).contradictions == 1


@pytest.mark.parametrize("connection", [0, 1], ids=["the same connection", "another one"])
def test_ids_that_begin_anew_are_believed_after_some_messages(connection: int) -> None:
    run = Run(TRADE)
    run.feed(0, trade(1_000_000))
    for i in range(1, 12):
        run.feed(connection, trade(i, venue_ms=9000), 9000)
    assert run.ids() == [1_000_000, *range(8, 12)]
    assert run.intake.stream(TRADE).restarts == 1


def test_late_copies_are_no_new_beginning() -> None:
    run = Run(TRADE)
    for i in range(100):
        run.feed(0, trade(i, venue_ms=i + 1))
    for i in range(100):
        run.feed(1, trade(i, venue_ms=i + 1), 9000)
    assert run.ids() == list(range(100))


@pytest.mark.parametrize(
    "text",
    [
        b'{"result":null,"id":1}', b'{"code":2,"msg":"Invalid request"}', b"garbage", b"", b"[]", b'{"stream":"',
        b'{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":5}}', diff(1),
        b'{"stream":"btcusdt@trade","data":{}}', combined("btcusdt@trade", e="later", E=5, s="BTCUSDT", t=1),
    ],
)  # fmt: skip
def test_what_is_no_market_data_of_ours_is_shown(text: bytes) -> None:
    run = Run(TRADE)
    assert run.feed(0, text)
    assert run.ids() == []
    assert run.intake.connection(0).shown == 1


def test_other_ways_to_write_the_same_are_decoded_to_see_what_they_are() -> None:
    run = Run(DEPTH, TRADE)
    run.feed(0, diff(1, 2)), run.feed(0, trade(7))
    for text in (diff(1, 2), diff(3, 4), trade(7), trade(8)):
        message = json.loads(text)
        turned = {"data": dict(reversed(message["data"].items())), "stream": message["stream"]}
        assert not run.feed(1, json.dumps(turned, indent=1).encode())
    assert run.ids() == [2, 7, 4, 8]


def test_a_symbol_that_is_not_the_streams_is_refused() -> None:
    run = Run(TRADE)
    run.feed(0, trade(1).replace(b'"BTCUSDT"', b'"ETHUSDT"'))
    assert run.ids() == []
    assert run.intake.connection(0).rule == "the symbol is not the stream's"


def test_an_event_that_is_not_the_streams_is_refused() -> None:
    run = Run(TRADE, DEPTH, QUOTE)
    numbers = {"E": 5, "a": 4, "p": "9.50", "q": "1", "f": 3, "l": 4, "T": 4}
    aggregate = {"e": "aggTrade", "s": "BTCUSDT", "m": True, **numbers}
    run.feed(0, combined(DEPTH, **json.loads(trade(4))["data"]))
    run.feed(0, combined(QUOTE, **json.loads(trade(4))["data"]))
    run.feed(0, combined(TRADE, **json.loads(quote(4))["data"]))
    run.feed(0, combined(TRADE, **json.loads(diff(4))["data"]))
    run.feed(0, combined(TRADE, **aggregate))
    view = run.intake.connection(0)
    assert run.ids() == []
    assert (view.problems, view.rule) == (5, "the event is not the stream's")
    with pytest.raises(BadSnapshot, match="no depth answer"):
        run.intake.snapshot(0, trade(5), 7)


def test_a_depth_answer_is_committed_between_the_diffs() -> None:
    run = Run(DEPTH)
    run.feed(0, diff(1, 5))
    assert run.intake.snapshot(1, b'{"lastUpdateId":4,"bids":[["9.50","1"]],"asks":[]}', 7)
    [_, answer] = run.taken()
    assert (answer["kind"], answer["instrument"], answer["last_id"]) == ("snapshot", 1, 4)
    with pytest.raises(BadSnapshot, match=r"depth answer of 6 bytes: a message is a JSON object"):
        run.intake.snapshot(0, b"<html>", 7)


def test_a_full_inlet_loses_messages_and_says_so() -> None:
    run = Run(TRADE, inlet_bytes=4096, hold_bytes=4096)
    for i in range(200):
        run.feed(0, trade(i))
    run.intake.expire(10**12)
    view = run.intake.stream(TRADE)
    assert view.refused
    assert view.messages + view.refused == 200
    assert run.ids() == list(range(view.messages))


def test_held_messages_are_bounded() -> None:
    run = Run(TRADE, hold_bytes=4096)
    run.feed(0, trade(0)), run.feed(1, trade(0))
    for i in range(2, 100):
        run.feed(0, trade(i))
    view = run.intake.stream(TRADE)
    assert view.holes == 1
    assert view.missing == 1
    assert view.holding == 0
    assert run.ids() == [0, *range(2, 100)]


def test_streams_come_and_go() -> None:
    run = Run(TRADE)
    with pytest.raises(ConfigError, match="btcusdt@trade"):
        run.intake.add(TRADE, 0)
    with pytest.raises(ConfigError):
        run.intake.add("x" * 64, 0)
    with pytest.raises(ConfigError):
        run.intake.add("dogeusdt@trade", 9)
    run.feed(0, trade(5))
    run.intake.remove(TRADE)
    with pytest.raises(KeyError):
        run.intake.remove(TRADE)
    with pytest.raises(KeyError):
        run.intake.stream(TRADE)
    assert run.feed(0, trade(6))
    run.intake.add(TRADE, 0)
    run.feed(0, trade(3))
    assert run.ids() == [5, 3]


def test_many_names_are_told_apart_whatever_was_removed() -> None:
    inlet = Inlet(1)
    intake = Intake({"BTCUSDT": GRID}, inlet, streams=200, connections=1)
    names = [f"s{i}@kline_1m" for i in range(200)]
    for name in names:
        intake.add(name, 0)
    with pytest.raises(ConfigError):
        intake.add("one@more", 0)
    for name in names[::3]:
        intake.remove(name)
    for i, name in enumerate(names):
        if i % 3:
            assert intake.stream(name).name == name
        else:
            with pytest.raises(KeyError):
                intake.stream(name)


def test_latency_is_counted_by_the_exchanges_clock() -> None:
    run = Run(TRADE)
    run.feed(0, trade(1, venue_ms=1000), 1008)
    run.intake.set_clock(-10 * MS)
    run.feed(0, trade(2, venue_ms=1000), 1009)
    view = run.intake.connection(0)
    assert view.ahead == 1
    assert sum(view.latency) == 1
    assert view.latency[12] == 1
    assert view.latency_us(1.0) == 8192
    assert run.intake.connection(1).latency_us() is None


def test_a_sink_is_what_c_calls() -> None:
    run = Run(TRADE)
    sink = run.intake.sink(1)
    text = trade(4)
    assert sink.function(sink.state, ffi.from_buffer(text), len(text), 5) == lib.IDA_SUNK
    assert run.ids() == [4]
    assert run.intake.connection(1).bytes == len(text)
    with pytest.raises(IndexError):
        run.intake.sink(2)
    with pytest.raises(IndexError):
        run.intake.connection(2)


def ticker(symbol: str, event: str = "24hrMiniTicker", venue_ms: int = 5000) -> dict[str, Any]:
    prices = {"c": "9.50", "o": "9.40", "h": "9.60", "l": "9.30", "v": "7.0000", "q": "66.5"}
    more = {"O": 1000, "C": venue_ms, "F": 1, "L": 9, "n": 9, "p": "0.10", "P": "1.06"}
    return {"e": event, "E": venue_ms, "s": symbol, **prices, **({} if "Mini" in event else more)}


@pytest.mark.parametrize(
    ("stream", "event"),
    [("!miniTicker@arr", "24hrMiniTicker"), ("!ticker_1h@arr", "1hTicker"), ("!ticker_4h@arr", "4hTicker")],
)
def test_an_array_makes_a_record_for_each_symbol_of_ours(stream: str, event: str) -> None:
    run = Run()
    run.intake.add(stream)
    events = [ticker(symbol, event) for symbol in ("DOGEUSDT", "ETHUSDT", "BTCUSDT")]
    for text in (json.dumps({"stream": stream, "data": events}, separators=(",", ":")), json.dumps(events)):
        message = text if text[0] == "{" else f'{{"stream":"{stream}","data":[ {text[1:-1]} ]}}'
        assert not run.feed(0, message.encode())
    assert [(r["kind"], r["instrument"], r["last"]) for r in run.taken()] == [("ticker", 1, 950), ("ticker", 0, 950)]
    view = run.intake.stream(stream)
    assert (view.instrument, view.messages, view.records, view.duplicates) == (None, 1, 2, 1)
    for data in ("[]", "[ ]"):
        run.feed(0, f'{{"stream":"{stream}","data":{data}}}'.encode())
    run.feed(0, f'{{"stream":"{stream}","data":[{json.dumps(ticker("BTCUSDT", event, 6000))},]}}'.encode())
    assert run.ids() == []
    assert run.intake.connection(0).problems == 1


KLINE = {
    "t": 1000, "T": 1999, "s": "BTCUSDT", "i": "1s", "f": 1, "L": 2, "o": "9.50", "c": "9.50", "h": "9.50", "l": "9.50",
    "v": "1.00000", "n": 2, "x": True, "q": "9.5", "V": "0.00000", "Q": "0", "B": "0",
}  # fmt: skip


@pytest.mark.parametrize(
    ("stream", "kind", "data"),
    [
        ("btcusdt@kline_1s", "bar", {"e": "kline", "s": "BTCUSDT", "k": KLINE}),
        ("btcusdt@kline_1m@+08:00", "bar", {"e": "kline", "s": "BTCUSDT", "k": KLINE}),
        ("btcusdt@miniTicker", "ticker", ticker("BTCUSDT")),
        ("btcusdt@ticker", "ticker", ticker("BTCUSDT", "24hrTicker")),
        ("btcusdt@ticker_1d", "ticker", ticker("BTCUSDT", "1dTicker")),
        ("btcusdt@avgPrice", "average", {"e": "avgPrice", "s": "BTCUSDT", "i": "5m", "w": "9.512345", "T": 4000}),
    ],
)
def test_of_streams_without_ids_what_is_newer_goes_on(stream: str, kind: str, data: dict[str, Any]) -> None:
    run = Run(stream)
    for connection, venue_ms in ((0, 5000), (1, 5000), (1, 7000), (0, 6000), (0, 7000), (0, 8000)):
        message = {"e": data["e"], "E": venue_ms, **{key: value for key, value in data.items() if key not in "eE"}}
        assert not run.feed(connection, combined(stream, **message))
    assert [(r["kind"], r["ts_venue_ns"] // MS) for r in run.taken()] == [(kind, 5000), (kind, 7000), (kind, 8000)]
    assert run.intake.stream(stream).duplicates == 3


def test_the_top_of_the_book_goes_on_by_its_id() -> None:
    stream = "btcusdt@depth5@100ms"
    run = Run(stream)
    for connection, last_id in ((0, 5), (1, 5), (1, 9), (0, 7)):
        run.feed(connection, combined(stream, lastUpdateId=last_id, bids=[["9.50", "1.00000"]], asks=[]))
    assert [(r["kind"], r["last_id"]) for r in run.taken()] == [("partial", 5), ("partial", 9)]


def test_diffs_that_are_chained_by_the_former_ones_id_have_no_holes_between() -> None:
    run = Run("btcusdt@depth@0ms")
    for connection, (previous, first, last) in ((0, (-1, 5, 6)), (1, (-1, 5, 6)), (0, (6, 15, 20)), (1, (20, 31, 40))):
        ids = {"U": first, "u": last, "pu": previous}
        text = combined("btcusdt@depth@0ms", e="depthUpdate", E=9, T=8, s="BTCUSDT", **ids, b=[], a=[["9.50", "1"]])
        run.feed(connection, text.replace(b'"pu":-1,', b""))
    assert run.ids() == [6, 20, 40]
    assert run.intake.stream("btcusdt@depth@0ms").held == 0


def test_what_goes_on_is_recorded_as_it_came_with_its_records_stamp(tmp_path: Path) -> None:
    run = Run(DEPTH, TRADE)
    base = 1_763_800_000_000 * MS
    answer = b'{"lastUpdateId":4,"bids":[["9.50","1"]],"asks":[]}'
    with Recorder(tmp_path, "s", level=0) as recorder:
        run.intake.set_recorder(recorder)
        messages = ((0, trade(1), 5), (1, trade(1), 6), (0, trade(3), 7), (0, diff(1), 6), (1, trade(2), 9))
        for connection, text, at in messages:
            run.intake.feed(connection, text, base + at)
        run.intake.snapshot(0, answer, base + 10)
        run.intake.set_recorder(None)
        run.feed(0, diff(2), 11)
    [path] = tmp_path.iterdir()
    lines = [line.split(b" ", 1) for line in path.read_bytes().splitlines()]
    kept = b'{"stream":"btcusdt@depth@snapshot","data":%b}' % answer
    expected = [(5, trade(1)), (6, diff(1)), (9, trade(2)), (9, trade(3)), (10, kept)]
    assert [(int(stamp) - base, text) for stamp, text in lines] == expected


@pytest.mark.parametrize("ascii", [False, True], ids=["as UTF-8", "escaped"])
def test_a_symbol_in_any_script(ascii: bool) -> None:
    symbol = "这是测试币456"
    inlet = Inlet(1)
    intake = Intake({symbol: GRID}, inlet, connections=2)
    intake.add(f"{symbol}@trade", 0)
    message = json.loads(trade(7))["data"] | {"s": symbol}
    text = json.dumps({"stream": f"{symbol}@trade", "data": message}, separators=(",", ":"), ensure_ascii=ascii)
    assert not intake.feed(0, text.encode(), 1)
    assert not intake.feed(1, text.encode(), 1)
    view = intake.stream(f"{symbol}@trade")
    assert (view.messages, view.duplicates, inlet.committed) == (1, 1, 1)
