"""Two runs order by order: what is aligned, what differs, and what is said to explain it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from ida_core.cli import cli
from ida_core.comparison import UNEXPLAINED, compare_orders
from ida_core.report import Report, load


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same strategy three times: as it is, again, and with a way of 40 ms."""
    out = tmp_path_factory.mktemp("compared")
    words = ["run", "--feed", "synthetic", "--strategy", "market_maker", "--set", "market_maker.horizon_s=1",
             "--set", "run.duration_s=30", "--report", "json", "--json", "--out", str(out)]
    found = {}
    for name, more in (("one", []), ("again", []), ("late", ["--set", "sim.request_latency_ms=40"])):
        done = CliRunner().invoke(cli, [*words, *more])
        assert done.exit_code == 0, done.output
        found[name] = Path(json.loads(done.stdout)["run"]["out"])
    return found


def reports(runs: dict[str, Path], *names: str) -> list[Report]:
    return [load(runs[name]) for name in names]


def test_a_run_and_its_like_come_to_the_same(runs: dict[str, Path]) -> None:
    one, again = reports(runs, "one", "again")
    found = compare_orders(one, again)
    assert (found.is_same, found.same, found.unexplained) == (True, len(one.orders), 0)
    assert found.same > 20


def test_what_came_otherwise_is_explained(runs: dict[str, Path]) -> None:
    one, late = reports(runs, "one", "late")
    found = compare_orders(one, late)
    assert not found.is_same
    assert found.same + len(found.different) + len(found.only_a) == len(one.orders)
    assert found.same + len(found.different) + len(found.only_b) == len(late.orders)
    assert found.different
    for pair in found.different:
        assert pair.differs
        assert pair.because
    assert any("to the exchange and back" in reason for pair in found.different for reason in pair.because)


def test_what_nothing_explains_is_said_to_be_unexplained(runs: dict[str, Path]) -> None:
    one, again = reports(runs, "one", "again")
    filled = next(row for row in again.orders if row.order.traded)
    filled.order.traded -= 1
    found = compare_orders(one, again)
    assert [pair.because for pair in found.different] == [(UNEXPLAINED,)]
    assert found.different[0].a.order == filled.order.order_id
    assert found.different[0].differs[0].startswith("filled ")


def test_the_command_shows_both(runs: dict[str, Path]) -> None:
    words = ["compare", str(runs["one"]), str(runs["late"])]
    shown = CliRunner().invoke(cli, words).stdout
    assert "came to the same" in shown
    assert "to the exchange and back" in shown
    orders = json.loads(CliRunner().invoke(cli, [*words, "--json"]).stdout)["orders"]
    assert orders["different"]
    assert orders["different"][0]["because"]
    assert orders["is_same"] is False
