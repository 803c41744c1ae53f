"""The block ``data`` of a report: what was wrong with the market data, and for how long."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from instruments import LINEAR, SPOT
from native_records import apply, depth, snapshot, trade

from ida_core.book import Market
from ida_core.cli import cli
from ida_core.data_quality import MOST_TOLD, data_quality
from ida_core.events import MarketState, Note, VenueStatus
from ida_core.native import lib

S = 1_000_000_000
BEGIN = 1_700_000_000 * S


def state(at_s: float, word: str, reason: str = "", instrument: int = 0) -> MarketState:
    return MarketState(ts_local_ns=BEGIN + round(at_s * S), instrument=instrument, state=word, reason=reason)


def note(at_s: float, what: str, **data: Any) -> Note:
    return Note(ts_local_ns=BEGIN + round(at_s * S), what=what, data=data)


def quality(states=(), notes=(), statuses=(), markets=None, end=None) -> dict[str, Any]:
    markets = markets or [Market(lib.IDA_CHAIN_CONTIGUOUS, 1000, pages=8)]
    fold = SimpleNamespace(
        bounds=SimpleNamespace(start_ns=BEGIN, end_ns=BEGIN + 100 * S, end=end),
        instruments=[SPOT, LINEAR][: len(markets)], markets=markets,
        states=list(states), notes=list(notes), statuses=list(statuses))
    return data_quality(fold)  # type: ignore[arg-type]


def test_waiting_for_the_first_book_is_not_stale():
    found = quality([state(2.5, "LIVE")])["symbols"][SPOT.name]
    assert (found["live_after_s"], found["stale_s"], found["episodes"], found["stale"]) == (2.5, 0, 0, [])


def test_a_book_that_never_was_has_no_time():
    found = quality([state(1, "STALE", "waiting for a snapshot")])["symbols"][SPOT.name]
    assert (found["live_after_s"], found["stale_s"], found["episodes"]) == (None, 0, 0)


def test_episodes_add_up_with_their_reasons():
    states = [
        state(1, "LIVE"), state(10, "GAP", "the chain of update ids broke"), state(11, "STALE", "waiting"),
        state(11.5, "STALE", "waiting"), state(12.25, "LIVE"), state(50, "LIVE"),
        state(3, "GAP", "of another", instrument=1), state(90, "STALE", "no sign of life"),
    ]  # fmt: skip
    found = quality(states)["symbols"][SPOT.name]
    assert (found["live_after_s"], found["stale_s"], found["episodes"]) == (1.0, 12.25, 2)
    first, second = found["stale"]
    assert (first["s"], first["reason"]) == (2.25, "the chain of update ids broke; waiting")
    assert (first["from"], first["to"]) == ("2023-11-14 22:13:30.000", "2023-11-14 22:13:32.250")
    assert (second["s"], second["to"], second["reason"]) == (10.0, None, "no sign of life")


def test_more_episodes_than_are_told_are_counted():
    states = [state(i / 10, "GAP" if i % 2 else "LIVE") for i in range(2 * MOST_TOLD + 42)]
    found = quality(states)["symbols"][SPOT.name]
    assert (found["episodes"], len(found["stale"])) == (MOST_TOLD + 21, MOST_TOLD)
    assert found["stale_s"] == pytest.approx((MOST_TOLD + 20) / 10 + 100 - (2 * MOST_TOLD + 41) / 10)


def test_counts_of_the_market_stand_there():
    market = Market(lib.IDA_CHAIN_CONTIGUOUS, 1000, pages=8)
    apply(market, snapshot(10, [(99, 4)], [(101, 7)]))
    apply(market, depth(11))
    for trade_id in (5, 6, 9, 7, 10, 14):
        record = trade(100, 1)
        record.trade_id = trade_id
        apply(market, record)
    apply(market, depth(12, [(99, 0), (98, 1)]))
    apply(market, depth(14))
    found = quality(markets=[market])["symbols"][SPOT.name]
    assert (found["gaps"], found["resyncs"], found["given_up"], found["left_known"]) == (1, 0, 0, 1)
    assert (found["holes"], found["trades_missing"]) == (2, 5)


@pytest.mark.parametrize(("ids", "holes", "missing"), [
    ([0, 0, 0], 0, 0), ([7, 7, 6, 8], 0, 0), ([1, 2**63 - 1], 1, 2**63 - 3), ([-5, 3, 4], 0, 0),
])  # fmt: skip
def test_ids_of_trades_that_are_none_or_late_are_no_holes(ids, holes, missing):
    market = Market(lib.IDA_CHAIN_CONTIGUOUS, 1000, pages=8)
    for trade_id in ids:
        record = trade(100, 1)
        record.trade_id = trade_id
        apply(market, record)
    assert (market.trade_holes, market.trades_missing) == (holes, missing)


def test_aggregates_are_numbered_by_themselves():
    market = Market(lib.IDA_CHAIN_CONTIGUOUS, 1000, pages=8)
    for trade_id, flags in ((100, 0), (7, lib.IDA_FLAG_AGGREGATE), (101, 0), (8, lib.IDA_FLAG_AGGREGATE)):
        record = trade(100, 1, flags)
        record.trade_id = trade_id
        apply(market, record)
    assert market.trade_holes == 0


def test_what_lay_between_the_steps_of_the_grid():
    counts = {"quantities_rounded": 3, "levels_off_tick": 2, "events_off_tick": 1}
    end = Note(ts_local_ns=BEGIN, what="end", data={"off_grid": {SPOT.name: counts}})
    found = quality(end=end)["symbols"][SPOT.name]
    assert {key: found[key] for key in counts} == counts
    assert {quality()["symbols"][SPOT.name][key] for key in counts} == {0}
    for foreign in ("x", {SPOT.name: "x"}, {SPOT.name: {"quantities_rounded": "x"}}):
        end = Note(ts_local_ns=BEGIN, what="end", data={"off_grid": foreign})
        assert quality(end=end)["symbols"][SPOT.name]["quantities_rounded"] == 0


def test_what_was_conflated():
    notes = [
        note(1, "behind", delay_ms=120.0, conflated=0), note(3, "caught_up", delay_ms=5.0, conflated=40),
        note(98, "behind", delay_ms=120.0, conflated=40),
    ]  # fmt: skip
    assert quality(notes=notes)["conflated"] == {"wakings": 40, "episodes": 2, "behind_s": 4.0}


def test_connections_have_their_sums_and_their_history():
    def told(at_s, name, generation, word, messages, reconnects=0, why=""):
        return note(at_s, "connection", connection=name, generation=generation, state=word, messages=messages,
                    bytes=10 * messages, streams=3, reconnects=reconnects, why=why)  # fmt: skip

    found = quality(notes=[
        told(0, "a", 1, "LIVE", 0), told(0.5, "b", 1, "LIVE", 0), told(7, "a", 1, "CLOSED", 70, why="cut"),
        told(8, "a", 2, "LIVE", 1, 1), told(8.1, "a", 3, "CLOSED", 0, 1), note(9, "connection"),
        note(9, "dead_stream", symbol=SPOT.symbol),
        note(10, "connection_counts", connection="a", generation=2, state="LIVE", messages=20, bytes=200, streams=3,
             reconnects=1),
    ])  # fmt: skip
    a, b, _ = found["connections"]["each"]
    assert a == {"connection": "a", "lives": 3, "messages": 90, "bytes": 900, "state": "LIVE", "streams": 3,
                 "reconnects": 1}  # fmt: skip
    assert (b["lives"], b["state"], found["connections"]["changes"]) == (1, "LIVE", 6)
    assert found["connections"]["history"][2] == {
        "at": "2023-11-14 22:13:27.000", "connection": "a", "state": "CLOSED", "why": "cut"}
    assert found["symbols"][SPOT.name]["dead_streams"] == 1
    assert found["troubles"] == {
        "count": 1, "history": [{"at": "2023-11-14 22:13:29.000", "what": "dead_stream", "detail": ""}]}


def test_how_long_the_venue_was_not_well():
    def told(at_s, word, reason=""):
        return VenueStatus(ts_local_ns=BEGIN + round(at_s * S), state=word, reason=reason)

    statuses = [told(0, "HEALTHY"), told(5, "DOWN", "banned"), told(6, "DOWN", "banned"), told(9, "HEALTHY"),
                told(95, "RECONCILING")]  # fmt: skip
    found = quality(statuses=statuses)["venue"]
    assert (found["unwell_s"], found["changes"]) == (9.0, 5)
    assert found["history"][1] == {"at": "2023-11-14 22:13:25.000", "state": "DOWN", "reason": "banned"}


def test_the_document_of_a_run_has_it(recordings: Path, tmp_path: Path) -> None:
    """A recording whose book never has a beginning, by the command."""
    capture = recordings / "captures" / "spot_btcusdt_20230405_nosnapshot.gz"
    words = ["run", "--feed", capture, "--strategy", "market_maker", "--out", tmp_path, "--json",
             "--set", "run.worst_cases=false"]  # fmt: skip
    done = CliRunner().invoke(cli, [str(word) for word in words])
    found = json.loads(done.stdout)["data"]["symbols"]["BTCUSDT"]
    assert (found["live_after_s"], found["stale_s"], found["holes"]) == (None, 0, 0)
