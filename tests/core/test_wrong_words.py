"""Wrong words to ``ida run``: each refused with thing, value and rule, and no run directory."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from ida_core.cli import cli

BASE = ("run", "--feed", "synthetic", "--duration", "2", "--strategy", "grid", "--json")
#: Options → what the sentence must hold. All are exit code 3.
REFUSED = {
    ("--strategy", "grid"): ["option --strategy: run.strategies: 'grid' is named 2 times"],
    ("--symbol", "BTCUSDT", "--symbol", "BTCUSDT"): ["option --symbol", "'BTCUSDT' is named 2 times"],
    ("--risk", "drawdown", "--risk", "drawdown"): ["'drawdown' is named 2 times"],
    ("--symbol", ""): ["run.symbols: an empty name"],
    ("--symbol", "DOGE"): ["symbol DOGE", "let it end in USDT", "[instruments.DOGE]"],
    ("--feed", "file.gz"): ["the synthetic market does not run beside recordings"],
    ("--duration", "1e30"): ["option --duration: run.duration_s = 1e+30", "<= 1000000000.0"],
    ("--speed", "1e400"): ["option --speed", "<= 1000000.0"],
    ("--set", "grid.quotes=100000000000000"): ["grid.quotes = 100000000000000", "<= 1000"],
    ("--set", "gird.quotes=3"): ["--set gird.quotes=3: unknown section [gird]", "'grid'"],
    ("--set", "sim.start_price=0"): ["--set sim.start_price=0: [sim]: start_price = 0: must be above 0"],
    ("--set", "sim.request_latency_ms=-1"): ["sim.request_latency_ms = -1: nothing in it may be negative"],
    ("--set", "sim.request_latency_ms=1e30"): ["sim.request_latency_ms = 1E+30", "3600000 ms"],
    ("--set", "sim.balances.USDT=1e400"): ["sim.balances.USDT = 1E+400: must be 0 to"],
    ("--set", "sim.balances.USDT=nan"): ["--set sim.balances.USDT=nan", "must be finite"],
    ("--set", "order_rate.window_s=0"): ["order_rate.window_s = 0", "> 0"],
    ("--set", "max_position.symbols.BTCUSDT=abc"): ["max_position.symbols.BTCUSDT = 'abc': invalid decimal"],
    ("--set", "max_position.symbols.BTCUSTD=1"): ["max_position.symbols: BTCUSTD", "did you mean 'BTCUSDT'?"],
    ("--set", "instruments.BTCUSTD.tick_size=1"): ["instruments.BTCUSTD", "did you mean 'BTCUSDT'?"],
}  # fmt: skip


@pytest.mark.parametrize(("words", "fragments"), REFUSED.items(), ids=[" ".join(w)[:40] for w in REFUSED])
def test_a_wrong_option_is_named_with_value_and_rule(
    words: tuple[str, ...], fragments: list[str], tmp_path: Path
) -> None:
    result = CliRunner().invoke(cli, [*BASE, "--out", str(tmp_path), *words])
    error = json.loads(result.stdout)["error"]
    text = " ".join([error["message"], *error["problems"]])
    assert (result.exit_code, list(tmp_path.iterdir())) == (3, []), text
    assert [part for part in fragments if part not in text] == [], text


def test_a_pipe_or_an_empty_folder_is_no_recording(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    said = {tmp_path / "pipe": "not a file", tmp_path / "folder": "a folder that holds no recording that is known"}
    for feed, fragment in said.items():
        result = CliRunner().invoke(cli, ["run", "--feed", str(feed), "--strategy", "grid", "--json"])
        assert result.exit_code == 7
        assert fragment in json.loads(result.stdout)["error"]["message"]
