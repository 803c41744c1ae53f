"""``IDA_TRACE_HOOKS=1`` through the real program: a line for each hook and each call of a plugin, on stderr alone."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = """
from ida_core import FeedPlugin, Reporter, RiskCheck, Signal, Strategy, hookimpl

class Once(Strategy):
    name = "once"
    asked = 0

    def on_book(self, ctx, book):
        self.asked += 1
        if self.asked <= 2:
            ctx.place(BUY, self.asked * 1666, book.bid // 2)
        if self.asked == 3:
            ctx.cancel_all()

    def on_signal(self, ctx, signal):
        raise ValueError("what is that?")

class Small(RiskCheck):
    name = "small"

    def check(self, request, state):
        return None if request.quantity < 2000 else "too large"

class Speaks(FeedPlugin):
    name = "speaks"

    async def events(self):
        import trio
        await trio.sleep(1)
        yield Signal(source=self.name, name="word")

class Page(Reporter):
    name = "page"

    def write(self, report, folder):
        (folder / "page.txt").write_text("here")
        return folder / "page.txt"

@hookimpl
def ida_strategies():
    return [Once]

@hookimpl
def ida_risk_checks():
    return [Small]

@hookimpl
def ida_feeds():
    return [Speaks]

@hookimpl
def ida_reporters():
    return [Page]
""".replace("BUY", "__import__('ida_core').Side.BUY")


def ida(folder: Path, traced: str) -> subprocess.CompletedProcess[str]:
    (folder / "traced.py").write_text(PLUGIN)
    words = ["run", "--feed", "synthetic", "--feed", "speaks", "--strategy", "once", "--risk", "small", "--report",
             "page", "--duration", "2", "--plugins-dir", folder, "--out", folder / f"runs{traced}", "--json"]
    return subprocess.run(
        [sys.executable, "-m", "ida_core", *map(str, words)], env={**os.environ, "IDA_TRACE_HOOKS": traced},
        capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("traced")


@pytest.fixture(scope="module")
def traced(folder: Path) -> subprocess.CompletedProcess[str]:
    return ida(folder, "1")


def lines(done: subprocess.CompletedProcess[str], beginning: str) -> list[str]:
    """Lines of that beginning, without their times."""
    told = [line for line in done.stderr.splitlines() if line.startswith("trace ")]
    assert all(re.search(r" \[\d+\.\d us\]$", line) for line in told if not line.startswith("trace feed")), told
    bare = [re.sub(r" \[\d+\.\d us\]$", "", line.removeprefix("trace ")) for line in told]
    return [line for line in bare if line.startswith(beginning)]


def test_each_hook_says_which_plugin_answered_with_what(traced: subprocess.CompletedProcess[str]) -> None:
    assert lines(traced, "hook ida_strategies of folder:traced") == ["hook ida_strategies of folder:traced = once"]
    assert lines(traced, "hook ida_venues") == [
        "hook ida_venues of installed:binance = binance, binance-testnet, binance-demo",
        "hook ida_venues of installed:sim = sim",
    ]


def test_each_call_tells_what_it_was_given_and_what_it_asked_for(traced: subprocess.CompletedProcess[str]) -> None:
    first, second, third = lines(traced, "strategy once.on_book(")[:3]
    assert re.fullmatch(
        r"strategy once\.on_book\(BTCUSDT, book \d+/\d+\); place ida-1 LIMIT BUY 1666 @ \d+", first)
    assert re.search(r"; place ida-2 LIMIT BUY 3332 @ \d+ REFUSED$", second)
    assert third.endswith("; cancel ida-1")
    assert [line.rsplit(")", 1)[1] for line in lines(traced, "risk small.check(")[:2]] == ["", " = 'too large'"]
    sent = lines(traced, "exchange sim.send")[0]
    assert re.fullmatch(r"exchange sim\.send\(place ida-1 LIMIT BUY 1666 @ \d+\)", sent)


def test_feeds_failures_and_reports_are_told(traced: subprocess.CompletedProcess[str]) -> None:
    assert len(lines(traced, "feed speaks.events() = Signal")) == 1
    (failed,) = lines(traced, "strategy once.on_signal(")
    assert failed.endswith(" raised ValueError: what is that?")
    assert len(lines(traced, "report page.write(")) == 1


def test_stdout_is_the_document_alone_and_the_run_is_the_same(
    folder: Path, traced: subprocess.CompletedProcess[str]
) -> None:
    plain = ida(folder, "0")
    assert "trace " not in plain.stderr
    documents = [json.loads(done.stdout) for done in (traced, plain)]
    assert documents[0]["run"]["journal_sha256"] == documents[1]["run"]["journal_sha256"]
    assert (traced.returncode, plain.returncode) == (3, 3)
    assert {"strategy once", "risk small", "report page"} <= documents[1]["plugin_time"].keys()
