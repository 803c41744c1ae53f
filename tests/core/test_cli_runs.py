"""The commands that make a run and look at one, on the synthetic market."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ida_core.cli import cli

QUICK = ("--feed", "synthetic", "--duration", "10", "--strategy", "market_maker")


def _ida(*words: object) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words])


class Made:
    """A finished run: its folder and what ``ida run --json`` printed."""

    def __init__(self, out: Path) -> None:
        result = _ida("run", *QUICK, "--out", out, "--json")
        assert result.exit_code == 0, result.output
        self.stdout, self.stderr = result.stdout, result.stderr
        self.document: dict[str, Any] = json.loads(result.stdout)
        (self.folder,) = out.iterdir()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return Made(tmp_path_factory.mktemp("runs"))


def test_run_prints_one_document_and_nothing_else(made: Made) -> None:
    assert next(iter(made.document)) == "schema"
    keys = ("run", "assumptions", "events", "throughput_eps", "orders", "fills", "pnl", "performance")
    assert [key for key in (*keys, "book", "latency_us", "risk") if key not in made.document] == []
    assert made.document["run"]["mode"] == "SIM"
    assert made.stderr == ""


def test_a_run_leaves_what_the_contract_says(made: Made) -> None:
    names = {path.name for path in made.folder.iterdir()}
    assert names >= {"run.toml", "journal", "log.jsonl", "report"}
    assert _ida("config", "check", made.folder / "run.toml").exit_code == 0


def test_run_on_a_terminal_s_side_ends_with_where_the_report_is(tmp_path: Path) -> None:
    result = _ida("demo", "--duration", 5, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    assert result.stderr.startswith("SIM: market_maker on sim\n")
    *_, run, page = result.stdout.strip().splitlines()
    assert run.startswith(f"run: {tmp_path}")
    assert Path(page.removeprefix("report: ")).stat().st_size < 2_000_000


def test_the_same_seed_gives_the_same_journal(made: Made, tmp_path: Path) -> None:
    again = Made(tmp_path)
    assert again.document["run"]["journal_sha256"] == made.document["run"]["journal_sha256"]
    other = json.loads(_ida("run", *QUICK, "--out", tmp_path, "--json", "--seed", 2).stdout)
    assert other["run"]["journal_sha256"] != made.document["run"]["journal_sha256"]


def test_plan_tells_what_a_run_would_be_and_makes_none(tmp_path: Path) -> None:
    words = ("plan", *QUICK, "--out", tmp_path / "runs", "--set", "max_position.limit=1")
    plan = json.loads(_ida(*words, "--json").stdout)["plan"]
    assert (plan["mode"], plan["exchange"], plan["duration_s"]) == ("SIM", "sim", 10.0)
    assert plan["symbols"]
    assert plan["balances"]
    (strategy,) = plan["strategies"]
    assert (strategy["name"], strategy["plugin"]) == ("market_maker", "strategies")
    assert strategy["version"]
    limits = {check["name"]: check["settings"] for check in plan["risk"]}
    assert limits["max_position"]["limit"] == "1"
    assert not (tmp_path / "runs").exists()
    assert "SIM: nothing is ordered" in _ida(*words).stdout


def test_replay_makes_the_same_requests(made: Made) -> None:
    document = json.loads(_ida("replay", made.folder, "--json").stdout)
    assert document["replay"]["same"]
    assert document["replay"]["requests"] > 0
    changed = _ida("replay", made.folder, "--set", "market_maker.gamma=9")
    assert changed.exit_code == 7
    assert "the journal has" in changed.stdout


def test_report_makes_them_again_elsewhere(made: Made, tmp_path: Path) -> None:
    result = _ida("report", made.folder, "--report", "html", "--report", "csv", "--out", tmp_path / "new")
    assert result.exit_code == 0, result.output
    assert {path.suffix for path in (tmp_path / "new").iterdir()} == {".html", ".csv"}
    again = json.loads(_ida("report", made.folder, "--json", "--out", tmp_path).stdout)
    assert again["pnl"] == made.document["pnl"]


def test_compare_puts_figures_side_by_side(made: Made) -> None:
    document = json.loads(_ida("compare", made.folder, made.folder, "--json").stdout)
    figures = {figure["figure"]: (figure["a"], figure["b"]) for figure in document["figures"]}
    net = made.document["pnl"]["net"]
    assert figures["pnl.net"] == (net, net)
    shown = _ida("compare", made.folder, made.folder).stdout
    assert "pnl.net" in shown
    assert re.search(r"^ +risk.halts +none +none$", shown, re.MULTILINE)
    assert not re.search(r"\d\.\d{9,}", shown)


def test_why_without_an_order_lists_the_fills(made: Made) -> None:
    fills = json.loads(_ida("why", made.folder, "--json").stdout)["fills"]
    assert len(fills) == json.loads(_ida("report", made.folder, "--json").stdout)["fills"]["count"] > 0
    shown = _ida("why", made.folder).stdout
    assert all(one["order"] in shown and one["rule"] in shown for one in fills)


def test_why_tells_an_order_s_story(made: Made) -> None:
    with (made.folder / "report" / "fills.csv").open() as file:
        order = next(csv.DictReader(file))["order_id"]
    document = json.loads(_ida("why", made.folder, order, "--json").stdout)
    assert len(document["story"]) >= 2
    assert len(_ida("why", made.folder, order).stdout.splitlines()) == len(document["story"])
    assert _ida("why", made.folder, "nosuch").exit_code == 2


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = _ida("run", *QUICK, "--out", tmp_path / "file" / "runs")
    assert result.exit_code == 7
    assert "error IDA-E7201" in result.stderr


def test_a_run_without_a_strategy_or_prices_is_told() -> None:
    assert "IDA-E3003" in _ida("run", "--feed", "synthetic").stderr
    result = _ida("run", "--strategy", "grid")
    assert (result.exit_code, "IDA-E7002" in result.stderr) == (7, True)


def test_bench_has_a_rate_for_each_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ida_core.bench.MARKET_S", 2.0)
    monkeypatch.setattr("ida_core.bench.ROUNDS", 1)
    monkeypatch.setattr("ida_core.bench.SECONDS", 0.05)
    figures = json.loads(_ida("bench", "--json").stdout)["bench"]
    paths = {figure["what"].split(":")[0] for figure in figures}
    assert paths == {"decode", "apply", "match", "engine"}
    assert all(figure["rate"] > 0 for figure in figures)
