"""Real money, one guard at a time: without it nothing is placed and the exit code is 6; with all of them it trades.

Against `ida exchange`, which stands in the exchange's place by ``--binance-url``: the environment is the real one.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from processes import IDA, Exchange, exchange

from ida_core.arming import make_token
from ida_core.config import Option, load
from ida_core.plugins import load_plugins

PASSPHRASE = "correct horse battery"
ACCOUNTS = {
    "fit": "ips = ['127.0.0.1']\n",
    "withdraws": "withdrawals = true\nips = ['127.0.0.1']\n",
    "anywhere": "",
    "idle": "trading = false\nips = ['127.0.0.1']\n",
}
LIMITS = ("max_notional.limit=100000", "max_position.limit=100", "daily_loss.limit=100000")
BASE = ("--exchange", "binance", "--symbol", "BTCUSDT", "--strategy", "grid", "--duration", "3")


class Bench(NamedTuple):
    """A server with an account for each case, and a home with their keys sealed for real money."""

    server: Exchange
    folder: Path

    def ida(self, *words: str, key: str = "fit", limits: Sequence[str] = LIMITS, **more: str) -> tuple[int, Any]:
        """Exit code and document of a command on ``binance``."""
        sets = [f"binance.key=sealed:{key}", *limits, *(f"binance.{name}={value}" for name, value in more.items())]
        done = subprocess.run(
            [IDA, words[0], *BASE, "--binance-url", self.server.rest, *words[1:], "--json",
             *(word for one in sets for word in ("--set", one))],
            env=self.env(), cwd=self.folder, capture_output=True, text=True, timeout=120)
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, json.loads(done.stdout)

    def env(self) -> dict[str, str]:
        return {**os.environ, "IDA_HOME": str(self.folder / "home"),
                "CREDENTIALS_DIRECTORY": str(self.folder / "credentials")}

    def token(self, key: str = "sealed:fit", seconds: float = 3600, **more: str) -> str:
        """For the configuration of ``ida``, whether a plan of it would come about or not."""
        sets = [f"binance.key={key}", *LIMITS, *(f"binance.{name}={value}" for name, value in more.items())]
        given = {"run.exchange": "binance", "run.symbols": ("BTCUSDT",), "run.strategies": ("grid",),
                 "run.duration_s": 3.0, "binance.url": self.server.rest}  # fmt: skip
        options = [Option(name, value, "") for name, value in given.items()]
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("IDA_HOME", str(self.folder / "home"))
            settings = load(None, options=options, sets=sets, plugins=load_plugins()).settings
            return make_token(settings, Decimal(1_000_000), seconds)

    def orders(self, name: str) -> int:
        """So many orders the account has ever placed."""
        found = self.server.http.post(
            f"{self.server.control}/accounts/{name}/requests",
            json={"method": "allOrders", "params": {"symbol": "BTCUSDT"}}).json()
        assert isinstance(found, list), found
        return len(found)

    def requests(self) -> int:
        """How many have come in these five minutes, but for the control endpoint's."""
        return sum(int(used["raw_requests"]) for used in self.server.state()["limits"].values())


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("live")
    (folder / "credentials").mkdir()
    (folder / "credentials" / "ida-passphrase").write_text(PASSPHRASE)
    files: list[str | Path] = []
    for name, permissions in ACCOUNTS.items():
        (folder / f"{name}.toml").write_text(f'name = "{name}"\n[[keys]]\ntype = "ED25519"\n{permissions}')
        files += ["--account", folder / f"{name}.toml"]
    with exchange(folder, "--symbol", "BTCUSDT", "--seed", "5", *files) as server:
        found = Bench(server, folder)
        for key in server.keys:
            if key["account"] in ACCOUNTS:
                seal(found, "binance", key)
        seal(found, "binance-testnet", next(key for key in server.keys if key["account"] == "fit"), "testnet")
        yield found


def seal(bench: Bench, environment: str, key: dict[str, str], name: str = "") -> None:
    given = json.dumps({"api_key": key["api_key"], "pem": key["secret"]})
    named = (name or key["account"], "--exchange", environment)
    done = subprocess.run(
        [IDA, "keys", "add", *named, "--stdin", "--passphrase", "credential"],
        input=given, env=bench.env(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("limits", [(), LIMITS[:1], LIMITS[:2], LIMITS[1:]], ids=len)
def test_without_limits(bench: Bench, limits: tuple[str, ...]) -> None:
    before = bench.requests()
    code, document = bench.ida("run", limits=limits)
    assert (code, document["error"]["code"]) == (6, "IDA-E6010")
    assert bench.requests() <= before


def test_without_a_word(bench: Bench) -> None:
    before = bench.requests()
    code, document = bench.ida("run")
    assert (code, document["error"]["code"]) == (6, "IDA-E6011")
    assert bench.requests() <= before


@pytest.mark.parametrize("token", ["", "x.y.z", "ida-arm-1.e30.e30"])
def test_with_a_token_that_is_none(bench: Bench, token: str) -> None:
    before = bench.requests()
    code, document = bench.ida("run", "--arm", token)
    assert (code, document["error"]["code"]) == (6, "IDA-E6012")
    assert bench.requests() <= before


def test_with_a_token_of_another_configuration(bench: Bench) -> None:
    token = bench.token()
    before = bench.requests()
    code, document = bench.ida("run", "--arm", token, "--seed", "9")
    assert (code, document["error"]["code"]) == (6, "IDA-E6012")
    assert bench.requests() <= before


def test_with_a_token_that_has_expired(bench: Bench) -> None:
    token = bench.token(seconds=0.1)
    time.sleep(1.2)
    before = bench.requests()
    code, document = bench.ida("run", "--arm", token)
    assert (code, document["error"]["code"]) == (6, "IDA-E6012")
    assert "expired" in document["error"]["message"]
    assert bench.requests() <= before


def test_without_a_sealed_key(bench: Bench) -> None:
    fit = next(key for key in bench.server.keys if key["account"] == "fit")
    text = json.dumps({"type": "ED25519", "api_key": fit["api_key"], "pem": fit["secret"]})
    (bench.folder / "credentials" / "ida-key-binance").write_text(text)
    before = bench.requests()
    for key in ("credential", "fd:0"):
        sets = [word for one in (f"binance.key={key}", *LIMITS) for word in ("--set", one)]
        done = subprocess.run(
            [IDA, "run", *BASE, "--binance-url", bench.server.rest, *sets, "--arm", bench.token(key), "--json"],
            env=bench.env(), cwd=bench.folder, capture_output=True, text=True, timeout=60, input=text)
        assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (6, "IDA-E6002")
    assert bench.requests() <= before


def test_with_a_key_of_another_environment(bench: Bench) -> None:
    home = bench.folder / "home" / "keys"
    stray = home / "binance" / "testnet.json"
    stray.write_bytes((home / "binance-testnet" / "testnet.json").read_bytes())
    stray.chmod(0o600)
    before = bench.requests()
    try:
        code, document = bench.ida("run", "--arm", bench.token("sealed:testnet"), key="testnet")
    finally:
        stray.unlink()
    assert (code, document["error"]["code"]) == (6, "IDA-E6004")
    assert bench.requests() <= before


@pytest.mark.parametrize(("key", "override"), [
    ("withdraws", "allow_withdrawal_key"), ("anywhere", "allow_any_ip"), ("idle", ""),
])
def test_with_a_key_that_may_do_too_much_or_too_little(bench: Bench, key: str, override: str) -> None:
    """It is asked what it may do, and nothing is placed."""
    code, document = bench.ida("run", "--arm", bench.token(f"sealed:{key}"), key=key)
    assert (code, document["error"]["code"]) == (6, "IDA-E6007")
    assert bench.orders(key) == 0
    if override:
        wanted = {override: "true"}
        token = bench.token(f"sealed:{key}", **wanted)
        code, document = bench.ida("run", "--arm", token, key=key, **wanted)
        assert (code, document["run"]["mode"]) == (0, "LIVE"), document


def test_with_all_of_them_it_trades(bench: Bench) -> None:
    code, planned = bench.ida("plan", "--arm", "--cap", "1000000")
    assert code == 0, planned
    key = next(key["api_key"] for key in bench.server.keys if key["account"] == "fit")
    assert planned["plan"]["account"]["key"] == f"ED25519 {key[:4]}...{key[-4:]}"
    code, document = bench.ida("run", "--arm", planned["plan"]["arming"]["token"])
    assert code == 0, document
    assert (document["run"]["mode"], document["run"]["exchange"]) == ("LIVE", "binance")
    assert document["orders"]["accepted"] > 0
    assert bench.orders("fit") >= document["orders"]["accepted"]
    assert document["reconciliation"]["differences"] == 0


def test_in_a_folder_of_another_environment(bench: Bench) -> None:
    words = ("--strategy", "grid", "--feed", "synthetic", "--duration", "1", "--out", "simulated")
    assert subprocess.run([IDA, "run", *words], cwd=bench.folder, capture_output=True, timeout=60).returncode == 0
    before = bench.requests()
    code, document = bench.ida("run", "--arm", bench.token(), "--out", "simulated")
    assert (code, document["error"]["code"]) == (3, "IDA-E3023")
    assert bench.requests() <= before


def test_a_token_s_cap_bounds_the_run(bench: Bench) -> None:
    code, planned = bench.ida("plan", "--arm", "--cap", "1")
    assert code == 0
    before = bench.orders("fit")
    code, document = bench.ida("run", "--arm", planned["plan"]["arming"]["token"])
    assert code == 0, document
    assert document["risk"]["refused"].get("arming_cap", 0) > 0
    assert bench.orders("fit") == before
