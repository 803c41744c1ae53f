"""What a plugin does wrong stays its own fault, and what a run leaves open is asked for again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from desk import Desk

from ida_core import RiskCheck, Side, Strategy, VenueSetup
from ida_core.callbacks import CALLBACKS
from ida_core.cli import cli
from ida_core.journal import JournalReader, JournalWriter
from ida_core.risk import RiskGate
from ida_sim.config import SimConfig
from ida_sim.venue import SimVenue

PLUGIN = """
import sys
from ida_core import Strategy, hookimpl

class Quits(Strategy):
    name = "quits"

    def on_book(self, ctx, book):
        sys.exit(0)

@hookimpl
def ida_strategies():
    return [Quits]
"""


def test_sys_exit_in_a_strategy_is_its_failure_and_the_run_ends_in_order(tmp_path: Path) -> None:
    (tmp_path / "quits.py").write_text(PLUGIN)
    words = ["run", "--feed", "synthetic", "--duration", "2", "--strategy", "quits", "--strategy", "grid", "--json",
             "--report", "json", "--plugins-dir", str(tmp_path), "--out", str(tmp_path / "runs")]
    result = CliRunner().invoke(cli, words)
    assert (result.exit_code, "Plugin quits failed: on_book: SystemExit: 0" in result.stderr) == (3, True)
    (run,) = (tmp_path / "runs").glob("2*")
    with JournalReader(run / "journal") as reader:
        notes = [note.what for note in reader.scan(["note"])]
    assert notes == ["start", "plugin_failed", "stop", "end"]


def test_sys_exit_in_a_risk_check_refuses_and_when_asked_to_halt_halts() -> None:
    class Quits(RiskCheck):
        name = "quits"

        def check(self, request: Any, state: Any) -> None:
            raise SystemExit(3)

        def halt(self, state: Any) -> None:
            raise SystemExit

    desk = Desk()
    gate = RiskGate([Quits()], desk.state)
    for _ in range(20):  # timed or not
        refusal = gate.approve(desk.order(Side.BUY, 1))
        assert refusal is not None
        assert refusal.reason == "check_failed"
        assert refusal.detail.startswith("SystemExit: 3 (test_plugin_faults.py:")
    halt = gate.halts()
    assert halt is not None
    assert halt[0] == "quits"
    assert halt[1].startswith("the check failed: SystemExit (test_plugin_faults.py:")


@pytest.mark.parametrize("hook", sorted(set(CALLBACKS.values()) & {"on_trade", "on_market_state"}))
def test_sys_exit_is_caught_wherever_it_comes_from(hook: str, tape: Any, play: Callable[..., Any]) -> None:
    class Quits(Strategy):
        name = "quits"

    def leave(*_: object) -> None:
        raise SystemExit(hook)

    setattr(Quits, hook, leave)
    for ms in range(10, 400, 10):
        tape.trade(ms, "100.0", "0.001", seller=True)
    seen = play(tape, Quits())
    assert [(f.plugin, f.hook, f.error) for f in seen.engine.failures] == [("quits", hook, f"SystemExit: {hook}")]


def test_a_cancel_refused_as_busy_when_the_run_stops_is_sent_again(
    tape: Any, play: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ida_core.timeline.TOKENS", 4)
    acts = {10 * k: lambda ctx, k=k: ctx.place(Side.BUY, 1, 990 - k) for k in range(1, 11)}
    tape.trade(300, "100.0", "0.001", seller=True)
    seen = play(tape, acts)
    assert seen.engine.orders.counters["accepted"] == 10, "room for four at a time, and one comes after the other"
    assert seen.engine.orders.open() == [], "ten cancels at once: six were refused at first"
    assert seen.engine.orders.counters["canceled"] == 10


def test_a_venue_that_was_told_to_journals_nowhere_any_more(tmp_path: Path) -> None:
    venue = SimVenue.build(VenueSetup(config=SimConfig(), feed=("synthetic",), duration_s=20))
    with JournalWriter(tmp_path / "journal", "r") as journal:
        venue.attach(journal)
        venue.next_event(venue.start_ns() + 1_000_000_000)
        kept, seen = journal.records, venue.events
        assert kept > 0
        venue.attach(None)
        venue.next_event(venue.start_ns() + 2_000_000_000)
        assert (journal.records, venue.events > seen) == (kept, True)
    venue.next_event(venue.start_ns() + 3_000_000_000)
    venue.close()
