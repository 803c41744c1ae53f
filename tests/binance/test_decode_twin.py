"""The decoder against a naive twin: random messages, random layouts, damaged bytes, learned grids."""

import json
import math
from decimal import Decimal
from typing import Any

from binance_wire import GRID, Refused, decode, twin
from hypothesis import example, given, settings, strategies as st

from ida_binance.decoder import Decoder, Grid
from ida_core.native import ffi, lib

IDS = st.integers(0, (1 << 63) - 1)
TIMES = st.integers(1, 9_000_000_000_000)
GRIDS = st.builds(
    Grid,
    st.sampled_from([Decimal(t) for t in ("0.01", "0.1", "1", "0.5", "0.00000001", "25")]),
    st.sampled_from([Decimal(t) for t in ("0.00001", "1", "0.001", "0.125", "10")]),
)
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@st.composite
def numbers(draw: Any, size: Decimal, least: int, most: int = 10**9) -> str:
    """A multiple of ``size`` as a decimal text, with trailing zeros as Binance pads."""
    value = draw(st.integers(least, most)) * size
    places = max(0, -int(size.normalize().as_tuple().exponent))
    return format(value, f".{draw(st.sampled_from([places, max(places, 2), 8]))}f")


@st.composite
def messages(draw: Any, grid: Grid) -> dict[str, Any]:
    def price() -> str:
        return str(draw(numbers(grid.tick_size, 1)))

    def quantity() -> str:
        return str(draw(numbers(grid.lot_size, 0)))

    def levels() -> list[list[str]]:
        return [[price(), quantity()] for _ in range(draw(st.integers(0, 4)))]

    common = {"E": draw(TIMES), "s": "BTCUSDT"}
    first = draw(st.integers(0, 1 << 40))
    chain = {"U": first, "u": first + draw(st.integers(0, 99)), "b": levels(), "a": levels()}
    futures = {"T": draw(TIMES), "pu": draw(st.integers(0, 1 << 40))}
    trade = {"p": price(), "q": quantity(), "T": draw(TIMES), "m": draw(st.booleans())}
    quote = {"u": draw(IDS), "b": price(), "B": quantity(), "a": price(), "A": quantity()}
    bars = {"o": price(), "h": price(), "l": price(), "c": price(), "v": quantity()}
    bar = {"t": 60_000, "T": 119_999, "i": "1m", "x": draw(st.booleans()), "n": draw(IDS)}
    forms = [
        {"e": "depthUpdate", **common, **chain},
        {"e": "depthUpdate", **common, **chain, **futures},
        {"lastUpdateId": draw(IDS), "symbol": "BTCUSDT", "bids": levels(), "asks": levels()},
        {"e": "trade", **common, **trade, "t": draw(IDS)},
        {"e": "trade", **common, **trade, "t": draw(IDS), "X": draw(st.sampled_from(["MARKET", "NA"]))},
        {"e": "aggTrade", **common, **trade, "a": draw(IDS), "f": draw(IDS), "l": draw(IDS)},
        {"s": "BTCUSDT", **quote},
        {"e": "bookTicker", **common, "T": draw(TIMES), **quote},
        {"e": "kline", **common, "k": {**bar, **bars, "V": quantity(), "q": "1.25"}},
        {"e": "24hrMiniTicker", **common, **bars, "q": "100.5"},
    ]  # fmt: skip
    return dict(draw(st.sampled_from(forms)))


@st.composite
def layouts(draw: Any, message: dict[str, Any]) -> str:
    """The message as text: keys in any order, unknown ones among them, wrapped or raw, spaced."""
    inner = {
        **message,
        **{f"{key} {i}": draw(JUNK) for i, key in enumerate(draw(st.lists(st.text(max_size=3), max_size=3)))},
    }
    keys = draw(st.permutations(sorted(inner)))
    shuffled: dict[str, Any] = {key: inner[key] for key in keys}
    if "lastUpdateId" not in message and draw(st.booleans()):
        pair = [("stream", "btcusdt@stream"), ("data", shuffled)]
        shuffled = dict(draw(st.permutations(pair)))
    space = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t:\r ")]))
    return json.dumps(shuffled, separators=space, ensure_ascii=draw(st.booleans()))


def surrogates(text: str) -> bool:
    return any(0xD800 <= ord(c) <= 0xDFFF for c in text)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_whatever_the_layout_the_record_is_the_twins(data: st.DataObject) -> None:
    grid = data.draw(GRIDS)
    decoder = Decoder({"BTCUSDT": grid})
    for _ in range(3):  # the decoder remembers how texts were written
        message = data.draw(messages(grid))
        text = data.draw(layouts(message))
        if not surrogates(text):
            assert decode(text, decoder) == twin(message, grid)


@st.composite
def damaged(draw: Any) -> bytes:
    text = draw(layouts(draw(messages(GRID)))).encode(errors="ignore")
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(text)))
        cut = draw(st.integers(0, 3))
        text = text[:at] + draw(st.binary(max_size=3) | st.sampled_from([b'"', b"{", b"]", b","])) + text[at + cut :]
    return bytes(text)


def is_json(text: bytes) -> bool:
    def refuse(word: str) -> None:
        raise ValueError(word)

    try:
        json.loads(text.decode(), parse_constant=refuse)
    except ValueError:
        return False
    return True


@settings(max_examples=500, deadline=None)
@given(damaged())
@example(b'{"x":01}')
@example(b'{"e":"trade"}\x00')
@example(b"\xef\xbb\xbf{}")
def test_what_python_refuses_is_refused(text: bytes) -> None:
    found = decode(text)
    if not is_json(text):
        assert isinstance(found, Refused), text
        assert found.status in ("bad", "range", "off grid"), text
        assert 0 <= found.offset <= len(text)


def gcd_of(sizes: list[Decimal]) -> Decimal:
    places = max(-int(size.as_tuple().exponent) for size in sizes)
    common = math.gcd(*(int(size.scaleb(places)) for size in sizes))
    return Decimal(common).scaleb(-places)


def padded(whole: int, fraction: str, zeros: str) -> str:
    return f"{whole}.{fraction}{zeros}" if fraction + zeros else f"{whole}"


#: Up to 18 digits that count, and zeros behind them that 64 bits would not hold.
texts = st.builds(padded, st.integers(1, 10**12), st.text("0123456789", max_size=6), st.text("0", max_size=5))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=8), st.integers(1, 3))
@example([("1", "92233720368.50000000"), ("1.00000001", "922337203680.00000000")], 1)
@example([("61837.63000000", "3.78826000"), ("1", "0.000001")], 2)
def test_a_learned_grid_is_the_greatest_common_one(levels: list[tuple[str, str]], size: int) -> None:
    decoder = Decoder()
    records = ffi.new("uint64_t[]", 1 << 12)
    at = ffi.cast("char *", records)
    problem = ffi.new("ida_binance_problem *")
    used = 0
    for i in range(0, len(levels), size):
        pairs = [list(level) for level in levels[i : i + size]]
        message = {"e": "depthUpdate", "s": "X", "U": i, "u": i, "b": pairs, "a": []}
        text = json.dumps(message).encode()
        status = lib.ida_binance_decode(
            decoder.pointer, text, len(text), i, -1, 0, at + used, (1 << 15) - used, problem
        )
        assert status == lib.IDA_OK, ffi.string(problem.rule)
        used += ffi.cast("ida_record *", at + used).length
    learned = decoder.learned()[0]
    prices, quantities = ([Decimal(level[i]) for level in levels] for i in (0, 1))
    assert learned.grid == (gcd_of(prices), gcd_of(quantities))
    assert learned.prices_seen == len(prices)
    assert regridded(at, used, learned) == [
        (int(p / learned.grid.tick_size), int(q / learned.grid.lot_size))
        for p, q in zip(prices, quantities, strict=True)
    ]


def regridded(at: Any, used: int, learned: Any) -> list[tuple[int, int]]:
    """The levels after ``ida_regrid_records``."""
    grid = ffi.new("ida_regrid *")
    grid.multiply, grid.divide, grid.decimals = (1, 1), learned.steps, learned.decimals
    where = ffi.new("uint64_t *")
    assert lib.ida_regrid_records(at, used, grid, 1, where) == lib.IDA_OK
    found: list[tuple[int, int]] = []
    done = 0
    while done < used:
        depth = ffi.cast("ida_depth *", at + done)
        assert depth.head.crc == 0
        levels = depth.levels
        found += [(levels[i].price, levels[i].quantity) for i in range(depth.bids)]
        done += depth.head.length
    return found
