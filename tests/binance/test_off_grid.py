"""Real books hold orders that are finer than today's steps of their symbol: on the exchange's own grid quantities are
rounded up, what lies between two ticks is left out, all of it is counted, and no message is lost for it."""

import gzip
import json
import sys
from collections.abc import Iterator
from decimal import ROUND_CEILING, Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from binance_wire import LOCAL_NS, Refused, decode
from hypothesis import example, given, settings, strategies as st
from recorded import head, ida, record
from small_exchange import SmallBook, small_exchange
from small_recording import line, renumbered, session

from ida_binance.decoder import Decoder, Grid, Uneven
from ida_binance.intake import Intake
from ida_binance.recording import BinanceRecording
from ida_core.book import Book, Market
from ida_core.errors import DataError
from ida_core.inlet import Inlet
from ida_core.model import Side
from ida_core.native import ffi, lib

GRID = Grid(Decimal("0.01"), Decimal("0.00001"))
EXACT = Grid(Decimal("0.01"), Decimal("0.000001"))
OFF_TICK = "a price lies between two ticks"
CAPTURES = ("spot_btcusdt_20240808", "spot_btcusdt_20240809")  # of one session


def rounding(grid: Grid = GRID) -> Decoder:
    return Decoder({"BTCUSDT": grid}, rounds=("BTCUSDT",))


def lots(quantity: str, grid: Grid) -> int:
    return int((Decimal(quantity) / grid.lot_size).to_integral_value(ROUND_CEILING))


def depth(bids: list[tuple[str, str]], asks: list[tuple[str, str]]) -> str:
    return json.dumps({"e": "depthUpdate", "s": "BTCUSDT", "U": 1, "u": 2, "b": bids, "a": asks})


# ------------------------------------------------------------------ one message

GRIDS = st.sampled_from([GRID, Grid(Decimal("0.5"), Decimal("0.004")), Grid(Decimal(5), Decimal(3)), EXACT])


def numbers(least: int) -> Any:
    """Decimals of any number of places, above 0 where ``least`` is 1."""
    return st.builds(
        lambda whole, places, zeros: f"{Decimal(whole).scaleb(-places):f}"
        + ("0" * zeros if places else "." + "0" * zeros if zeros else ""),
        st.integers(least, 10**10), st.integers(0, 10), st.integers(0, 3),
    )  # fmt: skip


LEVELS = st.lists(st.tuples(numbers(1), numbers(0)), max_size=6)


@settings(max_examples=300, deadline=None)
@given(GRIDS, LEVELS, LEVELS, st.booleans())
@example(GRID, [("1.00", "0.000001")], [("1.001", "0.000001"), ("2.00", "0.00000000")], False)
def test_a_level_keeps_the_least_lot_not_below_or_is_left_out(
    grid: Grid, bids: list[tuple[str, str]], asks: list[tuple[str, str]], asks_first: bool
) -> None:
    decoder = rounding(grid)
    message = json.loads(depth(bids, asks))
    keys = [*(key for key in message if key not in "ab"), *("ab" if asks_first else "ba")]
    found = decode(json.dumps({key: message[key] for key in keys}), decoder)
    assert not isinstance(found, Refused)
    for side, rows in (("bids", bids), ("asks", asks)):
        kept = [(int(Decimal(p) / grid.tick_size), lots(q, grid)) for p, q in rows if not Decimal(p) % grid.tick_size]
        assert found[side] == kept
    rows = [*bids, *asks]
    on_tick = [q for p, q in rows if not Decimal(p) % grid.tick_size]
    assert decoder.uneven(0) == (
        sum(Decimal(q) % grid.lot_size != 0 for q in on_tick), len(rows) - len(on_tick), 0)


@settings(max_examples=100, deadline=None)
@given(GRIDS, numbers(1), numbers(0))
def test_a_trade_at_a_price_between_two_ticks_is_passed_over(grid: Grid, price: str, quantity: str) -> None:
    decoder = rounding(grid)
    found = decode(json.dumps({"e": "trade", "s": "BTCUSDT", "t": 7, "p": price, "q": quantity, "m": True}), decoder)
    if Decimal(price) % grid.tick_size:
        assert isinstance(found, Refused)
        assert (found.status, found.rule, decoder.uneven(0)) == ("off grid", OFF_TICK, Uneven(0, 0, 1))
    else:
        assert not isinstance(found, Refused)
        assert (found["price"], found["quantity"]) == (Decimal(price) / grid.tick_size, lots(quantity, grid))
        assert decoder.uneven(0) == (Decimal(quantity) % grid.lot_size != 0, 0, 0)


def test_a_grid_that_does_not_round_refuses_as_before() -> None:
    for found in (decode(depth([("1", "0.000001")], [])), decode(depth([("1.001", "1")], []))):
        assert isinstance(found, Refused)
        assert found.status == "off grid"


@pytest.mark.parametrize("text", [
    depth([("1", "-0.000001")], []), depth([("-0.001", "1")], []), depth([("0.000", "1")], []),
    depth([("1.001", "x")], []), depth([("1.001", "1")], []).replace("}", ""),
    '{"e":"trade","s":"BTCUSDT","t":7,"p":"1.001","q":"1","m":7}',
    '{"e":"trade","s":"BTCUSDT","t":-7,"p":"1.001","q":"1","m":true}',
])  # fmt: skip
def test_what_is_wrong_besides_is_still_wrong(text: str) -> None:
    decoder = rounding()
    found = decode(text, decoder)
    assert isinstance(found, Refused)
    assert (found.status, decoder.uneven(0)) == ("bad", Uneven(0, 0, 0))


def test_a_number_above_all_lots_is_out_of_range() -> None:
    found = decode(depth([("1", "9223372036854775807.5")], []), rounding(Grid(Decimal(1), Decimal(1))))
    assert isinstance(found, Refused)
    assert found.status == "range"


def test_a_snapshot_that_lost_levels_claims_no_side_to_be_whole() -> None:
    bids, asks = [["3", "1"], ["2", "1"]], [["4", "1"], ["5.001", "1"]]
    for rows, known in ((asks, (200, 400)), ([["4", "1"]], (200, None))):
        decoder, room = rounding(), ffi.new("uint64_t[]", 64)
        text = json.dumps({"lastUpdateId": 5, "bids": bids, "asks": rows}).encode()
        problem = ffi.new("ida_binance_problem *")
        assert not lib.ida_binance_decode(decoder.pointer, text, len(text), 1, 0, 0, room, 512, problem)
        book = Book(1000, 8)
        assert not lib.ida_book_apply(book.pointer, ffi.cast("ida_depth *", room))
        assert (book.known_to(Side.BUY), book.known_to(Side.SELL)) == known


# ------------------------------------------------------------------ an intake


class Desk:
    """An intake on two connections, and the market that it feeds."""

    def __init__(self, grid: Grid, streams: list[str]) -> None:
        self.inlet, self.market = Inlet(1), Market(lib.IDA_CHAIN_CONTIGUOUS, 1 << 26)
        self.inlet.attach([self.market])
        self.intake = Intake({"BTCUSDT": grid}, self.inlet, connections=2)
        for stream in streams:
            self.intake.add(stream, 0)
        for connection in (0, 1):
            self.intake.opened(connection, 0)

    def both(self, text: bytes, at_ns: int) -> None:
        for connection in (0, 1):
            assert not self.intake.feed(connection, text, at_ns)
        assert self.inlet.drain() == []


def messages(path: Path) -> Iterator[tuple[int, bytes]]:
    with gzip.open(path) as file:
        for text in file:
            stamp, message = text.rstrip().split(b" ", 1)
            yield int(stamp), message


def test_a_real_book_stays_in_step_on_the_grid_of_today(recordings: Path) -> None:
    folder = recordings / "captures"
    lines = [row for name in CAPTURES for row in messages(folder / f"{name}.gz")]
    expected_id = json.loads((folder / "expected.json").read_bytes())[CAPTURES[0]]["last_u"]
    streams = sorted({json.loads(text)["stream"] for _, text in lines if b'"stream"' in text[:10]})
    desks = [Desk(grid, streams) for grid in (GRID, EXACT)]
    for desk in desks:
        for stamp, text in lines:
            if b'"stream"' in text[:10]:
                desk.both(text, stamp)
            else:
                assert desk.intake.snapshot(0, text, stamp)
        desk.inlet.drain()
    coarse, exact = (desk.market for desk in desks)
    assert coarse.synced
    assert (coarse.gaps, coarse.resyncs, coarse.faults, coarse.crossed) == (0, 0, 0, 0)
    assert coarse.last_update_id == exact.last_update_id == expected_id
    assert coarse.counts == exact.counts
    for stream in streams:
        view = desks[0].intake.stream(stream)
        assert (view.holes, view.problems, view.messages) == (0, 0, desks[1].intake.stream(stream).messages)
    fine = sum(
        len(q.split(".")[1].rstrip("0")) > 5
        for _, text in lines for key in "ba"
        for _, q in (json.loads(text).get("data", {}).get(key, ()) if b"depthUpdate" in text else ())
    )  # fmt: skip
    assert fine > 2
    assert desks[0].intake.uneven() == {"BTCUSDT": Uneven(fine, 0, 0)}
    assert desks[1].intake.uneven() == {"BTCUSDT": Uneven(0, 0, 0)}
    for side in Side:
        expected = [(price, -(-quantity // 10)) for price, quantity in exact.book.levels(side, 1 << 20)]
        assert list(coarse.book.levels(side, 1 << 20)) == expected


def wire(stream: str, data: dict[str, Any], **layout: Any) -> bytes:
    layout = layout or {"separators": (",", ":")}
    return json.dumps({"stream": f"btcusdt@{stream}", "data": data}, **layout).encode()


@pytest.mark.parametrize("layout", [{}, {"indent": 1}])
def test_a_quote_between_two_ticks_is_passed_over_once_and_its_id_is_done_with(layout: dict[str, Any]) -> None:
    desk = Desk(GRID, ["btcusdt@bookTicker", "btcusdt@trade", "btcusdt@aggTrade"])
    for update, bid in ((5, "1.00"), (6, "1.005"), (7, "1.01")):
        desk.both(wire("bookTicker", {"u": update, "s": "BTCUSDT", "b": bid, "B": "1", "a": "2", "A": "1"}, **layout),
                  LOCAL_NS + update)  # fmt: skip
    for number, price in ((5, "1.00"), (6, "1.005"), (7, "1.01")):
        trade = {"e": "trade", "E": 1, "s": "BTCUSDT", "t": number, "p": price, "q": "0.000001", "T": 1, "m": True}
        desk.both(wire("trade", trade, **layout), LOCAL_NS + 10 + number)
    assert desk.intake.uneven() == {"BTCUSDT": Uneven(2, 0, 2)}
    assert (desk.market.counts["quote"], desk.market.counts["trade"]) == (2, 2)
    for stream in ("btcusdt@bookTicker", "btcusdt@trade"):
        view = desk.intake.stream(stream)
        assert (view.messages, view.records, view.duplicates, view.holes, view.problems) == (3, 2, 3, 0, 0)
    wrong = {"e": "trade", "s": "BTCUSDT", "t": 8, "p": "1.005", "q": "1", "m": True}
    desk.intake.feed(0, wire("aggTrade", {**wrong, "a": 8, "f": 1, "l": 1, "E": 1, "T": 1}), LOCAL_NS + 99)
    assert desk.intake.stream("btcusdt@aggTrade").problems == 1


def test_the_others_of_an_array_are_taken() -> None:
    inlet = Inlet(2)
    intake = Intake({"AAAUSDT": GRID, "BBBUSDT": GRID}, inlet, connections=1)
    intake.add("!miniTicker@arr")
    row = {"e": "24hrMiniTicker", "E": 9, "o": "1", "c": "1", "h": "1", "l": "1", "v": "1", "q": "1"}
    rows = [{**row, "s": "AAAUSDT", "o": "1.001"}, {**row, "s": "BBBUSDT"}]
    text = json.dumps({"stream": "!miniTicker@arr", "data": rows}, separators=(",", ":")).encode()
    assert not intake.feed(0, text, LOCAL_NS)
    assert intake.stream("!miniTicker@arr").records == 1
    assert intake.uneven() == {"AAAUSDT": Uneven(0, 0, 1), "BBBUSDT": Uneven(0, 0, 0)}


# ------------------------------------------------------------------ recordings


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDA_CACHE_DIR", str(tmp_path / "cache"))


def test_a_recording_with_its_instruments_is_read_on_their_grid(tmp_path: Path) -> None:
    lines = session()
    between = json.loads(lines[-2].split(" ", 1)[1])
    between["data"] |= {"u": between["data"]["u"] + 1, "b": "99.4999"}
    (path,) = record(tmp_path / "r", renumbered([*lines, line(0, between)]), head("BTCUSDT", tick="0.01", lot="0.1"))
    (feed,) = BinanceRecording().open([path], {})
    with feed:
        own = feed.meta.instruments[0]
        assert (own.lot_size, own.quantities_rounded, own.levels_off_tick, own.events_off_tick) == (
            Decimal("0.1"), 39, 0, 1)
        assert (feed.meta.problems_total, feed.meta.ignored) == (0, {OFF_TICK: 1})
    check = BinanceRecording().check([path])
    assert check.sound
    assert (check.instruments[0].quantities_rounded, check.instruments[0].events_off_tick) == (39, 1)
    told = ida("data", "check", path)
    assert told.exit_code == 0
    assert "39 quantities are finer than the lot size 0.1 and were rounded up to it" in told.output
    result = ida("run", "--feed", path, "--strategy", "market_maker", "--out", tmp_path / "run", "--json")
    document = json.loads(result.stdout)
    counts = document["data"]["symbols"]["BTCUSDT"]
    assert (counts["quantities_rounded"], counts["levels_off_tick"], counts["events_off_tick"]) == (39, 0, 1)
    assert any("39 quantities are finer than the lot size" in warning for warning in document["warnings"])
    assert "finer than a lot, rounded up" in ida("run", "--feed", path, "--strategy", "market_maker").output


def test_a_coarser_grid_of_the_configuration_stays_an_error(tmp_path: Path) -> None:
    (path,) = record(tmp_path / "r", session(), head("BTCUSDT"))
    for given_, word in ({"lot_size": "0.1"}, "a quantity lies between two lots"), ({"tick_size": "0.7"}, OFF_TICK):
        with pytest.raises(DataError, match=word):
            BinanceRecording().open([path], {"instruments": {"BTCUSDT": given_}})
    (feed,) = BinanceRecording().open([path], {"instruments": {"BTCUSDT": {"lot_size": "0.00001"}}})
    with feed:
        assert feed.meta.instruments[0].quantities_rounded == 0


# ------------------------------------------------------------------ live


class FineBook(SmallBook):
    """With an order finer than a lot, and one between two ticks."""

    def step(self) -> dict[str, Any]:
        step = super().step()
        fine = ["50.00", f"7.0000{1 + self.update_id % 7}"]
        return {**step, "b": [["49.995", "1.000"], fine, *step["b"]]}

    def snapshot(self, levels: int) -> dict[str, Any]:
        answer = super().snapshot(levels)
        return {**answer, "bids": [*answer["bids"], ["50.00", "7.00001"], ["49.995", "1.000"]]}


async def test_a_live_run_stays_in_step_tells_it_and_records_it(tmp_path: Path) -> None:
    async with small_exchange("BTCUSDT") as exchange, trio.open_nursery() as nursery:
        exchange.books["BTCUSDT"] = FineBook()

        async def go_on() -> None:
            while True:
                await exchange.step()
                await trio.sleep(0.005)

        nursery.start_soon(go_on)
        words = [sys.executable, "-m", "ida_core", "run", "--feed", "binance", "--symbol", "BTCUSDT", "--strategy",
                 "market_maker", "--binance-url", exchange.url, "--duration", "3", "--record", str(tmp_path / "r"),
                 "--out", str(tmp_path / "run"), "--json"]  # fmt: skip
        done = await trio.run_process(words, capture_stdout=True, capture_stderr=True, check=False)
        nursery.cancel_scope.cancel()
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    counts = document["data"]["symbols"]["BTCUSDT"]
    assert counts["live_after_s"] is not None
    assert (counts["gaps"], counts["resyncs"], counts["episodes"]) == (0, 0, 0)
    assert counts["quantities_rounded"] > 50
    assert counts["levels_off_tick"] > 50
    assert any("quantities are finer than the lot size 0.001" in warning for warning in document["warnings"])
    assert any("levels at prices between two ticks of 0.01" in warning for warning in document["warnings"])
    check = await trio.to_thread.run_sync(partial(BinanceRecording().check, sorted((tmp_path / "r").iterdir())))
    (own,) = check.instruments
    assert check.sound, check.faults
    assert own.quantities_rounded > 50
    assert own.book is not None
    assert own.book.gaps == 0
