"""A whole run from settings to run directory: determinism, replay, and what wrong input does."""

import gc
import json
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import pytest

from ida_core.collector import MOST_ENGINES
from ida_core.config import load
from ida_core.engine import Engine
from ida_core.journal import JournalReader
from ida_core.plugins import load_plugins
from ida_core.replay import replay
from ida_core.report import load as load_report
from ida_core.run import execute

QUOTER = '''
import msgspec
import trio
from ida_core import FeedPlugin, Side, Signal, Strategy, hookimpl


class Quoter(Strategy):
    name = "quoter"

    class Config(msgspec.Struct, frozen=True):
        lots: int = 100
        every_s: float = 0.01

    def on_start(self, ctx):
        ctx.every(self.config.every_s)

    def on_timer(self, ctx, timer):
        if ctx.market.synced:
            ctx.cancel_all()
            ctx.place(Side.BUY, self.config.lots, ctx.book.bid, post_only=True)
            ctx.place(Side.SELL, self.config.lots, ctx.book.ask, post_only=True)


class Watcher(Strategy):
    name = "watcher"
    book_updates = "20ms"

    def on_book(self, ctx, book):
        ctx.place(Side.BUY, 1, book.bid - 10)


class Sleeper(Strategy):
    name = "sleeper"


class News(FeedPlugin):
    """A signal each 50 ms of the run's own time."""

    name = "news"

    async def events(self):
        for number in range(1000):
            await trio.sleep(0.05)
            yield Signal(source="news", name="headline", data={"number": number})


class Reader(Strategy):
    name = "reader"

    def on_signal(self, ctx, signal):
        ctx.place(Side.BUY, 1 + signal.data["number"], 900)


class Killed(KeyboardInterrupt):
    """Ends a run where it stands, as a kill would: no plugin's failure."""


class Dies(Quoter):
    name = "dies"

    class Config(Quoter.Config, frozen=True):
        dies: bool = True

    def on_order(self, ctx, update):
        if self.config.dies and update.execution == "TRADE":
            raise Killed("where it stands")


@hookimpl
def ida_strategies():
    return [Dies, Quoter, Watcher, Sleeper, Reader]


@hookimpl
def ida_feeds():
    return [News]
'''


@pytest.fixture
def folder(tmp_path, tape, monkeypatch) -> Path:
    """A plugin, a busy recording, and a cache of its own."""
    monkeypatch.setenv("IDA_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "quoter.py").write_text(QUOTER)
    for at in range(5, 400, 7):
        tape.trade(at, "100.0", "0.300", seller=True).trade(at + 1, "100.1", "0.250", seller=False)
        tape.depth(at + 2, [("100.0", f"0.{at:03}")], [("100.1", f"0.0{at % 90 + 10}")])
    tape.save(tmp_path)
    return tmp_path


def settings_and_plugins(folder: Path, *sets: str, strategy: str = "quoter", feeds: str = ""):
    plugins = load_plugins([folder / "plugins"])
    (folder / "ida.toml").write_text(
        f'[run]\nfeed = ["{folder / "tape.txt"}"{feeds}]\nstrategies = ["{strategy}"]\nrisk = []\nreports = ["json"]\n'
        f'out = "{folder / "runs"}"\n[instruments.BTCUSDT]\ntick_size = "0.1"\nlot_size = "0.001"\n')
    return load(folder / "ida.toml", sets=sets, plugins=plugins).settings, plugins


@pytest.mark.parametrize("strategy", ["quoter", "watcher"])
def test_same_seed_same_journal(folder, strategy):
    outcomes = [execute(*settings_and_plugins(folder, strategy=strategy)) for _ in range(2)]
    first, second = (o.document["run"]["journal_sha256"] for o in outcomes)
    assert first == second
    assert outcomes[0].exit_code == 0
    assert outcomes[0].document["orders"]["submitted"] > 5


def test_runs_in_one_process_hold_no_more_than_the_last_engines(folder):
    def engines() -> int:
        return sum(isinstance(one, Engine) for one in gc.get_objects())

    settings, plugins = settings_and_plugins(folder)
    gc.collect()
    held_by_others = engines()
    for _ in range(5):
        execute(settings, plugins)
    assert engines() - held_by_others <= MOST_ENGINES


@pytest.mark.parametrize("strategy", ["quoter", "watcher"])
def test_replay_makes_every_request_again(folder, strategy):
    outcome = execute(*settings_and_plugins(folder, strategy=strategy))
    _, plugins = settings_and_plugins(folder, strategy=strategy)
    again = replay(outcome.run_dir, plugins)
    assert again.difference is None
    assert (again.same, again.exit_code) == (True, 0)
    reader = JournalReader(outcome.run_dir / "journal")
    assert again.requests == sum(1 for _ in reader.scan(["request"])) > 5


def test_replay_of_a_run_that_ends_with_nothing_open(folder):
    outcome = execute(*settings_and_plugins(folder, strategy="sleeper"))
    _, plugins = settings_and_plugins(folder, strategy="sleeper")
    again = replay(outcome.run_dir, plugins)
    assert (again.difference, again.requests, again.exit_code) == (None, 0, 0)


def test_replay_names_the_first_difference_with_its_event(folder):
    outcome = execute(*settings_and_plugins(folder))
    _, plugins = settings_and_plugins(folder)
    again = replay(outcome.run_dir, plugins, ["quoter.lots=101"])
    assert (again.same, again.exit_code) == (False, 7)
    assert '"quantity":100' in again.difference
    assert '"quantity":101' in again.difference
    assert again.difference.startswith("after ")


def test_a_run_that_was_cut_off_replays_as_far_as_it_went(folder):
    settings, plugins = settings_and_plugins(folder, strategy="dies")
    with pytest.raises(KeyboardInterrupt, match="where it stands"):
        execute(settings, plugins)
    [run_dir] = (folder / "runs").iterdir()
    assert load_report(run_dir).is_complete is False
    again = replay(run_dir, plugins, ["dies.dies=false"])
    assert again.difference is None
    assert again.requests > 5


def test_ledger_balances_and_the_run_says_so(folder):
    outcome = execute(*settings_and_plugins(folder, "sim.maker_fee=0.0005", "sim.taker_fee=0.001"))
    ledger = outcome.document["ledger"]
    assert ledger["balanced"] is True
    assert outcome.document["fills"]["count"] > 10
    for row in ledger["assets"].values():
        assert Decimal(row["residual"]) == 0


def test_a_feed_plugin_runs_on_simulated_time_and_replays(folder):
    settings, plugins = settings_and_plugins(folder, strategy="reader", feeds=', "news"')
    outcome = execute(settings, plugins)
    requests = [r for r in JournalReader(outcome.run_dir / "journal").scan(["request"]) if hasattr(r, "quantity")]
    assert [r.quantity for r in requests] == list(range(1, len(requests) + 1))
    assert 7 <= len(requests) <= 8  # 400 ms of recording
    first = requests[0].ts_local_ns
    assert all((r.ts_local_ns - first) % 50_000_000 < 100 for r in requests)
    again = replay(outcome.run_dir, plugins)
    assert again.difference is None
    assert again.requests >= len(requests)


def test_speed_paces_a_simulation(folder):
    began = time.monotonic()
    settings, plugins = settings_and_plugins(folder, "run.speed=2")
    assert execute(settings, plugins).exit_code == 0
    assert time.monotonic() - began >= 0.2  # 400 ms of recording at twice real time: a lower bound, not a speed


def ida(folder: Path, *words: str, **more) -> subprocess.CompletedProcess:
    return subprocess.run(
        [Path(sys.executable).with_name("ida"), "run", folder / "ida.toml",
         "--plugins-dir", folder / "plugins", *words],
        capture_output=True, text=True, timeout=60, check=False, **more)


def test_json_document_on_standard_output(folder):
    settings_and_plugins(folder)
    done = ida(folder, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert list(document)[:2] == ["schema", "run"]
    assert document["run"]["mode"] == "SIM"
    assert document["book"]["BTCUSDT"]["gaps"] == 0


@pytest.mark.parametrize("factor", ["1", "4"])
def test_a_strategy_that_always_has_a_request_under_way_ends_with_the_data(folder, factor):
    # It requotes every 10 ms, and the answers take 10 or 40 ms: there is always one to come.
    settings = settings_and_plugins(folder, f"sim.latency_factor={factor}")
    outcome = execute(*settings)
    document = outcome.document
    assert outcome.exit_code == 0
    assert document["run"]["ended"] == "end of data"
    assert document["run"]["span_s"] < 1
    assert document["orders"]["submitted"] < 200
    assert replay(outcome.run_dir, settings[1]).same


@pytest.mark.parametrize("strategy", ["quoter", "watcher"])
def test_the_report_finds_in_the_journal_what_the_engine_knew(folder, strategy):
    outcome = execute(*settings_and_plugins(folder, 'run.reports=["html"]', strategy=strategy))
    engine = json.loads((outcome.run_dir / "report" / "worst_cases.json").read_text())[0]
    document = outcome.document
    assert engine["name"] == "as run"
    assert (engine["net"], engine["fees"]) == (document["pnl"]["net"], document["pnl"]["fees"])
    assert engine["fills"] == document["fills"]["count"]
    assert document["ledger"]["balanced"] is True
