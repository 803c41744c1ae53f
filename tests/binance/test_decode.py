"""Binance's messages to records: golden payloads, and what is refused by which rule."""

import itertools
import json
from decimal import Decimal
from typing import Any

import pytest
from binance_wire import GRID, LOCAL_NS, Refused, decode, twin

from ida_binance.decoder import Decoder, Grid
from ida_core.native import lib

MS = 1_000_000
NO_TIME = lib.IDA_FLAG_NO_VENUE_TIME
OFF_BOOK, MAKER, AGGREGATE, CLOSED = (
    lib.IDA_FLAG_OFF_BOOK, lib.IDA_FLAG_BUYER_IS_MAKER, lib.IDA_FLAG_AGGREGATE, lib.IDA_FLAG_CLOSED,
)  # fmt: skip

DEPTH = {
    "e": "depthUpdate", "E": 1763800000200, "s": "BTCUSDT", "U": 501, "u": 504,
    "b": [["90010.00000000", "0.00000000"], ["90009.50000000", "1.20000000"]], "a": [],
}  # fmt: skip
FUTURES_DEPTH = {
    "e": "depthUpdate", "E": 1763800000205, "T": 1763800000201, "s": "BTCUSDT", "ps": "BTCUSDT",
    "st": 1, "U": 81000010, "u": 81000042, "pu": 80999991, "b": [["90001.10", "0.000"]],
    "a": [["90001.20", "3.410"]],
}  # fmt: skip
TOP = {
    "lastUpdateId": 504, "bids": [["90009.50000000", "1.20000000"]],
    "asks": [["90020.00000000", "0.40000000"]],
}  # fmt: skip
QUOTE = {
    "u": 504, "s": "BTCUSDT", "b": "90009.50000000", "B": "1.20000000", "a": "90020.00000000",
    "A": "0.40000000",
}  # fmt: skip
TRADE = {
    "e": "trade", "E": 1763800000124, "s": "BTCUSDT", "t": 77001, "p": "90020.00000000",
    "q": "0.00200000", "T": 1763800000123, "m": False, "M": True,
}  # fmt: skip
FUTURES_TRADE = {
    "e": "trade", "E": 1763800000124, "T": 1763800000120, "s": "BTCUSDT", "t": 77001,
    "p": "90020.10", "q": "0.002", "X": "MARKET", "m": True,
}  # fmt: skip
AGGREGATE_TRADE = {
    "e": "aggTrade", "E": 1763800000124, "s": "BTCUSDT", "a": 900, "p": "90020.10", "q": "0.5",
    "nq": "0.4", "f": 77001, "l": 77005, "T": 1763800000120, "m": True, "st": 1,
}  # fmt: skip
BAR = {
    "e": "kline", "E": 1763800001000, "s": "BTCUSDT",
    "k": {
        "t": 1763799960000, "T": 1763800019999, "s": "BTCUSDT", "i": "1m", "f": -1, "L": -1,
        "o": "90000.00", "c": "90010.00", "h": "90020.00", "l": "89990.00", "v": "12.5", "n": 42,
        "x": False, "q": "1125000.12345678", "V": "7.5", "Q": "675000", "B": "0",
    },
}  # fmt: skip
MARK = {
    "e": "markPriceUpdate", "E": 1763800001000, "s": "BTCUSDT", "p": "90001.15000000",
    "ap": "90000.90000000", "i": "89995.20000000", "P": "90010.00000000", "r": "-0.00010000",
    "T": 1763827200000, "st": 1,
}  # fmt: skip
TICKER = {
    "e": "24hrTicker", "E": 1763800001000, "s": "BTCUSDT", "p": "-10.00", "P": "-0.011",
    "w": "90005.1234", "x": "90020.00", "c": "90010.00", "Q": "0.1", "b": "90009.99", "B": "1",
    "a": "90010.01", "A": "2", "o": "90020.00", "h": "91000.00", "l": "89000.00", "v": "1234.5",
    "q": "111111111.5", "O": 1763713600000, "C": 1763800000999, "F": 1, "L": 99, "n": 99,
}  # fmt: skip
MINI = {
    "e": "24hrMiniTicker", "E": 1763800001000, "s": "BTCUSDT", "c": "90010.00", "o": "90020.00",
    "h": "91000.00", "l": "89000.00", "v": "1234.5", "q": "111111111.5",
}  # fmt: skip
AVERAGE = {
    "e": "avgPrice", "E": 1763800001000, "s": "BTCUSDT", "i": "5m", "w": "90005.12345678",
    "T": 1763800000954,
}  # fmt: skip
GOLDEN = {
    "spot diff": DEPTH,
    "futures diff": FUTURES_DEPTH,
    "spot partial depth": {"stream": "btcusdt@depth5@100ms", "data": TOP},
    "futures partial depth": {"stream": "btcusdt@depth10@100ms", "data": FUTURES_DEPTH},
    "spot snapshot": {**TOP, "symbol": "BTCUSDT"},
    "futures snapshot": {"symbol": "BTCUSDT", "E": 1763800000300, "T": 1763800000299, **TOP},
    "spot quote": QUOTE,
    "futures quote": {**QUOTE, "e": "bookTicker", "T": 1763800000298, "E": 1763800000299},
    "empty quote": {**QUOTE, "b": "0.00000000", "B": "0.00000000"},
    "spot trade": TRADE,
    "spot trade of 2023": {**TRADE, "a": 5, "b": 6},
    "futures trade": FUTURES_TRADE,
    "insurance fund": {**FUTURES_TRADE, "X": "INSURANCE_FUND"},
    "auto-deleveraging": {**FUTURES_TRADE, "X": "ADL"},
    "no price": {**FUTURES_TRADE, "X": "NA", "p": "0", "q": "0"},
    "aggregate": AGGREGATE_TRADE,
    "open bar": BAR,
    "closed bar": {**BAR, "k": {**BAR["k"], "x": True, "i": "1M"}},
    "mark": MARK,
    "mark without funding": {**MARK, "r": "", "P": "", "T": 0},
    "24 h ticker": TICKER,
    "4 h ticker": {**TICKER, "e": "4hTicker"},
    "mini ticker": MINI,
    "average": AVERAGE,
}


def combined(message: dict[str, Any]) -> dict[str, Any]:
    return message if "data" in message else {"stream": "btcusdt@something", "data": message}


@pytest.mark.parametrize("name", GOLDEN)
def test_means_what_the_twin_says(name: str) -> None:
    message = GOLDEN[name]
    for form in (message, combined(message)):
        for text in (json.dumps(form), json.dumps(form, separators=(",", ":")), json.dumps(form, indent=1)):
            assert decode(text) == twin(form)
            assert decode(f" \r\n\t{text}\n ") == twin(form)


def test_by_hand() -> None:
    assert decode(json.dumps(DEPTH)) == {
        "kind": "depth", "instrument": 0, "flags": 0, "ts_local_ns": LOCAL_NS,
        "ts_venue_ns": 1763800000200 * MS, "first_id": 501, "last_id": 504, "previous_id": -1,
        "bids": [(9001000, 0), (9000950, 120000)], "asks": [],
    }  # fmt: skip
    assert decode(json.dumps(GOLDEN["insurance fund"])) == {
        "kind": "trade", "instrument": 0, "flags": OFF_BOOK | MAKER, "ts_local_ns": LOCAL_NS,
        "ts_venue_ns": 1763800000120 * MS, "trade_id": 77001, "first_trade_id": 77001,
        "last_trade_id": 77001, "price": 9002010, "quantity": 200,
    }  # fmt: skip
    assert decode(json.dumps(MARK)) == {
        "kind": "mark", "instrument": 0, "flags": 0, "ts_local_ns": LOCAL_NS,
        "ts_venue_ns": 1763800001000 * MS, "mark_e8": 9000115000000, "index_e8": 8999520000000,
        "settle_e8": 9001000000000, "funding_rate_e8": -10000,
        "next_funding_ns": 1763827200000 * MS,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "kind", "flags"),
    [
        ("spot partial depth", "partial", NO_TIME),
        ("futures partial depth", "partial", 0),
        ("spot snapshot", "snapshot", NO_TIME),
        ("futures snapshot", "snapshot", 0),
        ("spot quote", "quote", NO_TIME),
        ("no price", "trade", OFF_BOOK | MAKER),
        ("aggregate", "trade", AGGREGATE | MAKER),
        ("closed bar", "bar", CLOSED),
    ],
)
def test_kinds_and_flags(name: str, kind: str, flags: int) -> None:
    found = decode(json.dumps(GOLDEN[name]))
    assert isinstance(found, dict)
    assert (found["kind"], found["flags"]) == (kind, flags)


@pytest.mark.parametrize("message", [{k: v for k, v in DEPTH.items() if k != "E"}, TRADE, {**TOP, "symbol": "BTCUSDT"}])
def test_any_order_of_keys(message: dict[str, Any]) -> None:
    expected = twin(message)
    for order in itertools.islice(itertools.permutations(message), 0, None, 97):
        shuffled = {key: message[key] for key in order}
        assert decode(json.dumps(shuffled)) == expected
        wrapped = {"data": shuffled, "stream": "btcusdt@something"}
        assert decode(json.dumps(wrapped)) == twin(wrapped)


@pytest.mark.parametrize(
    "value",
    [None, True, -1.5e3, 'tëxt \\ "', [], {}, [1, [2, {"b": [["1", "2"]]}]], {"e": "x", "s": [1]}],
)
def test_unknown_keys_are_passed_over(value: object) -> None:
    for name, message in GOLDEN.items():
        if "data" in message:
            continue
        longer = {"zz": value, **message, "unheard of": value, "é": value}
        assert decode(json.dumps(longer)) == twin(message), name
        assert decode(json.dumps(longer, ensure_ascii=False)) == twin(message), name


def test_escapes() -> None:
    text = json.dumps(TRADE).replace('"e"', '"\\u0065"').replace("BTCUSDT", "\\u0042TCUSDT")
    text = text.replace("90020.00000000", "9002\\u0030.00").replace('"trade"', '"tr\\u0061de"')
    assert decode(text) == twin(TRADE)
    levels = json.dumps(DEPTH).replace("90009.50000000", "9000\\u0039.50000000")
    assert decode(levels) == twin(DEPTH)


def test_symbols_are_utf8() -> None:
    decoder = Decoder({"这是测试币456": GRID, "BTCUSDT": GRID})
    for text in (
        json.dumps({**TRADE, "s": "这是测试币456"}, ensure_ascii=False),
        json.dumps({**TRADE, "s": "这是测试币456"}),
        json.dumps({"stream": "这是测试币456@depth5", "data": TOP}, ensure_ascii=False),
    ):
        found = decode(text, decoder)
        assert isinstance(found, dict)
        assert found["instrument"] == 0
    found = decode(json.dumps(TRADE), decoder)
    assert isinstance(found, dict)
    assert found["instrument"] == 1


def test_messages_that_name_no_symbol() -> None:
    text = json.dumps(TOP)
    assert decode(text) == Refused("unknown", "no symbol is named, and there is no default", 0)
    found = decode(text, default=0)
    assert isinstance(found, dict)
    assert found["kind"] == "snapshot"
    other = json.dumps({"stream": "ethusdt@depth5", "data": TOP})
    assert decode(other, default=0) == Refused("unknown", "a symbol that was not asked for", 0)


def test_microseconds() -> None:
    message = {**TRADE, "E": 1763800000124001, "T": 1763800000123456}
    for unit in (1, -1):
        found = decode(json.dumps(message), microseconds=unit)
        assert isinstance(found, dict)
        assert found["ts_venue_ns"] == 1763800000123456000
    assert decode(json.dumps(TRADE), microseconds=-1) == twin(TRADE)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ('{"result":null,"id":1}', "control reply"),
        ('{"result":["a@trade"],"id":"x"}', "control reply"),
        ('{"code":2,"msg":"Invalid request"}', "error reply"),
        ('{"error":{"code":2,"msg":"x"},"id":3}', "error reply"),
        ('{"subscriptionId":0,"event":{"e":"executionReport"}}', "account event"),
        ('{"e":"serverShutdown","E":1}', "server shutdown"),
        ('{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1}}', "server shutdown"),
        ('{"e":"forceOrder","E":1,"o":{"s":"BTCUSDT"}}', "unknown event"),
        ('{"e":"a\\u0062c"}', "unknown event"),
        ('[{"e":"24hrMiniTicker"}]', "events of many symbols in one message"),
        ('{"stream":"!ticker@arr","data":[{}]}', "events of many symbols in one message"),
        ("{}", "message of no known form"),
        ('{"a":1}', "message of no known form"),
        (
            json.dumps({"stream": "btcusdt@rpiDepth@500ms", "data": FUTURES_DEPTH}),
            "depth with orders that no book shows (rpiDepth)",
        ),
    ],
)
def test_what_is_no_market_data(text: str, rule: str) -> None:
    found = decode(text)
    assert isinstance(found, Refused)
    assert (found.status, found.rule) == ("empty", rule)


def changed(message: dict[str, Any], **fields: Any) -> str:
    return json.dumps({k: v for k, v in {**message, **fields}.items() if v is not ...})


@pytest.mark.parametrize(
    ("text", "status", "rule", "at"),
    [
        ("", "bad", "a message is a JSON object", ""),
        ("5", "bad", "a message is a JSON object", "5"),
        ("{} {}", "bad", "bytes after the message", "{}"),
        ('{"e":"trade" "s":1}', "bad", "a comma or a closing brace is missing", '"s"'),
        ('{"e":1}', "bad", "the key \"e\" is missing, or its value is of the wrong type", "1}"),
        ('{"u":1,"u":2}', "bad", "a key is given twice", '"u":2'),
        ('{"x":01}', "bad", "a number begins with a needless 0", "1}"),
        ('{"x":"\n"}', "bad", "a control character in a string", "\n"),
        (changed(TRADE, p="0.00"), "bad", "a trade at price 0", "0.00"),
        (changed(TRADE, p="-1"), "bad", "a price is negative", "-1"),
        (changed(TRADE, q="-1"), "bad", "a quantity is negative", "-1"),
        (changed(TRADE, p="1e3"), "bad", "a price is not a decimal", "1e3"),
        (changed(TRADE, p="+1"), "bad", "a price is not a decimal", "+1"),
        (changed(TRADE, p=""), "bad", "a price is not a decimal", '"'),
        (changed(TRADE, p=1), "bad", 'the key "p" is missing, or its value is of the wrong type', "1,"),
        (changed(TRADE, p=...), "bad", 'the key "p" is missing, or its value is of the wrong type', ""),
        (changed(TRADE, m="false"), "bad", 'the key "m" is missing, or its value is of the wrong type', "false"),
        (changed(TRADE, X=5), "bad", 'the key "X" is missing, or its value is of the wrong type', "5}"),
        (changed(TRADE, t="77"), "bad", 'the key "t" is missing, or its value is of the wrong type', "77"),
        (changed(TRADE, t=-1), "bad", "an id is negative", "-1"),
        (changed(TRADE, t=1.5), "bad", "not a whole number that 64 bits hold", "1.5"),
        (changed(TRADE, t=1 << 63), "range", "not a whole number that 64 bits hold", "9223"),
        (changed(TRADE, T=1 << 62), "range", "a time is out of range", "4611"),
        (changed(TRADE, T=-5), "range", "a time is out of range", "-5"),
        (changed(TRADE, p="1.001"), "off grid", "a price lies between two ticks", "1.001"),
        (changed(TRADE, q="0.000001"), "off grid", "a quantity lies between two lots", "0.000001"),
        (changed(TRADE, p="9" * 30), "range", "a price has too many digits", "999"),
        (changed(TRADE, q="9" * 90), "range", "a quantity has too many digits", "999"),
        (changed(TRADE, s="ETHUSDT"), "unknown", "a symbol that was not asked for", '{"e"'),
        (changed(DEPTH, b=[["0.00", "1"]]), "bad", "a level's price is not above 0", "0.00"),
        (changed(DEPTH, b=[["1.00", "-1"]]), "bad", "a quantity is negative", "-1"),
        (changed(DEPTH, b=[["1.00"]]), "bad", 'a level is not ["price","quantity"]', "]]"),
        (changed(DEPTH, b=[["1.00", "1", "1"]]), "bad", 'a level is not ["price","quantity"]', ', "1"]]'),
        (changed(DEPTH, b=["1.00", "1"]), "bad", 'a level is not ["price","quantity"]', '"1.00"'),
        (changed(DEPTH, b=[[1, 2]]), "bad", "a string should begin here", "1, 2"),
        (changed(DEPTH, b=None), "bad", 'the key "b" is missing, or its value is of the wrong type', "null"),
        (changed(DEPTH, a=...), "bad", 'the key "a" is missing, or its value is of the wrong type', ""),
        (changed(DEPTH, U=505), "bad", "the first update id is above the last", "505"),
        (changed(DEPTH, u=...), "bad", 'the key "u" is missing, or its value is of the wrong type', ""),
        (changed(BAR, k=...), "bad", 'the key "k" is missing, or its value is of the wrong type', ""),
        (changed(BAR, k={**BAR["k"], "i": "1x"}), "bad", "an interval is a number and one of s m h d w M", "1x"),
        (changed(MARK, p="x"), "bad", "not a decimal", "x"),
    ],
)  # fmt: skip
def test_what_is_refused(text: str, status: str, rule: str, at: str) -> None:
    found = decode(text)
    assert isinstance(found, Refused)
    assert (found.status, found.rule) == (status, rule)
    assert text.encode()[found.offset :].decode().startswith(at)


def test_a_record_needs_its_room() -> None:
    levels = [["1.00", "1"]] * 5
    text = changed(DEPTH, b=levels)
    assert decode(text, room=64 + 5 * 16) == decode(text)
    short = decode(text, room=64 + 4 * 16)
    assert isinstance(short, Refused)
    assert short.status == "full"


def test_quote_volumes_and_rates_lie_on_no_grid() -> None:
    big = decode(changed(MINI, q="12345678901234567.5"))
    cut = decode(changed(MARK, p="1.123456789"))
    assert isinstance(big, dict)
    assert isinstance(cut, dict)
    assert big["quote_volume_e8"] == (1 << 63) - 1
    assert cut["mark_e8"] == 112345678


def test_trades_off_the_book_are_rounded_down() -> None:
    found = decode(changed(FUTURES_TRADE, X="ADL", p="90020.129", q="0.000019"))
    assert isinstance(found, dict)
    assert (found["price"], found["quantity"]) == (9002012, 1)


@pytest.mark.parametrize(
    ("grid", "texts"),
    [
        (Grid(Decimal("0.1"), Decimal(1)), ("61777.7", "1001")),
        (Grid(Decimal("0.5"), Decimal("0.25")), ("61777.50", "2.75")),
        (Grid(Decimal("0.000025"), Decimal(100)), ("1.00005", "70000")),
        (Grid(Decimal(10), Decimal("0.00000001")), ("61770", "12345678.12345678")),
        (Grid(Decimal("0.01"), Decimal("0.001")), ("1.5", "2")),
        (Grid(Decimal("0.01"), Decimal("0.001")), ("123456789.25", "123456789012.125")),
        (Grid(Decimal("1E-18"), Decimal("1E-9")), ("0.123456789012345678", "0.000000001")),
    ],
)
def test_grids(grid: Grid, texts: tuple[str, str]) -> None:
    decoder = Decoder({"BTCUSDT": grid})
    price, quantity = (int(Decimal(t) / size) for t, size in zip(texts, grid, strict=True))
    message = changed(DEPTH, b=[list(texts)] * 3, a=[list(texts), ["1.00", "0"]][:1])
    for _ in range(2):
        found = decode(message, decoder)
        assert isinstance(found, dict)
        assert found["bids"] == [(price, quantity)] * 3
