"""Each hook has a section in docs/hooks.md, and its example does what a plugin of that kind does."""

import json
import re
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pluggy
import pytest
import trio
from click.testing import CliRunner
from wire_server import served

from ida_core import Execution, LiveSetup, OrderUpdate, PlaceOrder, Report, Side, hooks
from ida_core.config import RunSettings, Settings
from ida_core.events import OrderType
from ida_core.order_table import OrderTable
from ida_core.plugins import KINDS, Plugins, load_plugins
from ida_core.portfolio import Portfolio
from ida_core.report import load as load_report
from ida_core.risk import RiskState
from ida_core.run import execute
from ida_core.testing import (
    check_command,
    check_feed,
    check_live_feed,
    check_recording,
    check_reporter,
    check_risk,
    check_strategy,
    check_venue,
    make_venue,
)
from ida_core.testing.live_feeds import LiveTrial

DOCUMENT = Path(__file__).parents[2] / "docs" / "hooks.md"
HOOKS = [name for name in vars(hooks) if name.startswith("ida_")]
KIND_OF = {hook: kind for kind, (hook, _) in KINDS.items()}


def _sections() -> dict[str, str]:
    parts = re.split(r"^## (\w+)$", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _example(hook: str) -> str:
    blocks = re.findall(r"^```python\n(.*?)^```$", _sections()[hook], re.DOTALL | re.MULTILINE)
    assert len(blocks) == 1, f"{hook} has {len(blocks)} examples"
    return str(blocks[0])


def _load(hook: str, folder: Path) -> Plugins:
    (folder / "example.py").write_text(_example(hook))
    plugins = load_plugins([folder], environment={}, entry_points=False)
    assert plugins.skipped == []
    return plugins


def test_the_sections_are_the_hooks_in_their_order() -> None:
    manager = pluggy.PluginManager(hooks.PROJECT)
    manager.add_hookspecs(hooks)
    assert sorted(HOOKS) == sorted(name for name in vars(manager.hook) if not name.startswith("_"))
    assert sorted(_sections()) == sorted(HOOKS)
    assert sorted(KIND_OF) == sorted(HOOKS)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    run = RunSettings(
        feed=("synthetic",), strategies=("market_maker",), risk=(), reports=(), duration_s=5, worst_cases=False,
        out=str(tmp_path_factory.mktemp("runs")),
    )
    return load_report(execute(Settings(run=run), load_plugins()).run_dir)


def _exercise_strategy(join: Any, **_: Any) -> None:
    assert check_strategy(join, duration_s=10)["orders"]["accepted"] > 0


def _exercise_check(night: Any, report: Callable[[], Report], **_: Any) -> None:
    check_risk(night)
    order = PlaceOrder(order_id="a", side=Side.BUY, type=OrderType.MARKET, quantity=1)
    instruments = report().instruments
    portfolio = Portfolio(instruments, {}, Decimal(1))
    state = RiskState(instruments, OrderTable("t"), portfolio, lambda _: None, lambda _: True)
    for hour, refused in ((12, False), (23, True), (2, True)):
        state.now_ns = hour * 3_600_000_000_000
        assert (night().check(order, state) is not None) is refused


def _exercise_reporter(headline: Any, report: Callable[[], Report], folder: Path, **_: Any) -> None:
    check_reporter(headline)
    assert " fills\n" in headline().write(report(), folder).read_text()


def _exercise_panel(panel: Any, report: Callable[[], Report], **_: Any) -> None:
    check_reporter(panel)
    assert panel().html(report()).startswith("<table><tr><td>")


def _exercise_feed(tick: Any, **_: Any) -> None:
    check_feed(tick)

    async def take_two() -> list[Any]:
        found = []
        async for signal in tick().events():
            found.append(signal.data)
            if len(found) == 2:
                break
        return found

    from trio.testing import MockClock

    assert trio.run(take_two, clock=MockClock(autojump_threshold=0)) == [1, 2]


def _exercise_live_feed(wire: Any, **_: Any) -> None:
    lines = [
        {"book": 7, "bids": [["60000.00", "1.5"]], "asks": [["60000.01", "0.2"]]},
        {"from": 8, "to": 9, "bids": [["60000.00", "0"], ["59999.99", "2"]], "asks": []},
        {"trade": 1, "price": "60000.01", "quantity": "0.1", "side": "BUY"},
    ]
    with served(lines) as address:
        check_live_feed(wire, wire.Config(address=address))
        heard = LiveTrial(wire, LiveSetup(config=wire.Config(address=address))).heard
    market = heard.markets[0]
    assert heard.records == 3
    assert market.synced
    assert (market.book.bid, market.book.bid_quantity, market.last_quantity) == (5_999_999, 200_000, 10_000)
    with pytest.raises(AssertionError, match="crossed, or beyond"), served([{**lines[0], "asks": []}, {
        "from": 8, "to": 8, "bids": [["60000.05", "1"]], "asks": [["60000.05", "1"]]}]) as address:
        check_live_feed(wire, wire.Config(address=address), rules=["feeds_sound_books"])


def _exercise_recording(trades: Any, folder: Path, **_: Any) -> None:
    file = folder / "trades.csv"
    file.write_text("ts_ns,price,quantity,side\n1000,60000.00,0.001,BUY\n2000,60000.01,0.002,SELL\n")
    assert trades.recognises(file, file.read_bytes()[:64])
    (feed,) = trades.open([file], {})
    assert (feed.meta.records, feed.meta.counts) == (2, {"trade": 2})
    assert feed.meta.instruments[0].first_price == 6_000_000
    feed.close()
    assert trades.check([file]).sound
    check_recording(trades, file)
    file.write_text("ts_ns,price,quantity,side\n1000,60000.00\n")
    assert trades.check([file]).faults == (f"{file}:2: not four fields",)


def _exercise_venue(calm: Any, **_: Any) -> None:
    check_venue(partial(make_venue, calm))
    venue = make_venue(calm, calm.Config(most=Decimal("0.001")))
    venue.send(PlaceOrder(order_id="a", side=Side.BUY, type=OrderType.MARKET, quantity=10_000_000))
    answer = venue.next_event(venue.start_ns())
    assert isinstance(answer, OrderUpdate)
    assert (answer.execution, answer.reason) == (Execution.REJECTED, "more than 0.001")
    venue.close()


def _exercise_command(hello: Any, **_: Any) -> None:
    check_command(hello)
    result = CliRunner().invoke(hello, ["--json"])
    assert json.loads(result.stdout) == {"schema": 1, "text": "hello"}


EXERCISES: dict[str, Callable[..., None]] = {
    "ida_strategies": _exercise_strategy,
    "ida_risk_checks": _exercise_check,
    "ida_reporters": _exercise_reporter,
    "ida_report_panels": _exercise_panel,
    "ida_feeds": _exercise_feed,
    "ida_live_feeds": _exercise_live_feed,
    "ida_recordings": _exercise_recording,
    "ida_venues": _exercise_venue,
    "ida_commands": _exercise_command,
}


@pytest.mark.parametrize("hook", HOOKS)
def test_an_example_imports_public_names_alone(hook: str) -> None:
    imported = re.findall(r"^(?:from|import) (ida\S*)", _example(hook), re.MULTILINE)
    assert set(imported) == {"ida_core"}


@pytest.mark.parametrize("hook", HOOKS)
def test_the_example_is_loaded_and_works(
    hook: str, tmp_path: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    provided = getattr(_load(hook, tmp_path), KIND_OF[hook])
    assert len(provided) == 1, f"the example of {hook} provides nothing"
    item = next(iter(provided.values()))
    EXERCISES[hook](item, report=lambda: request.getfixturevalue("report"), folder=tmp_path, capsys=capsys)
