"""Clients that others wrote trade on the server as if it were Binance, and report what the server's account says.

Each lives in an environment of its own, below build/peers, as in test_strangers.py, and has an account and a kind of
key of its own; all three trade at once on one synthetic market.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from bench.peers import STRANGERS, PeerMissing, python_of
from exchange_account import credentials_folder

SCRIPTS = Path(__file__).resolve().parents[1] / "bench" / "strangers"
KEY_OF = {"sdk": "ED25519", "python_binance": "HMAC", "ccxt_pro": "RSA"}
DEADLINE_S = 180


class Served(NamedTuple):
    """What the strangers reported, the server's control endpoint, and its ready line."""

    reports: dict[str, Any]
    control: str
    ready: dict[str, Any]

    def account(self, name: str) -> Any:
        return httpx.get(f"{self.control}/accounts/{name}").json()

    def ask(self, name: str, method: str, **params: Any) -> Any:
        """A request in the account's name, to see what the server itself says."""
        answer = httpx.post(f"{self.control}/accounts/{name}/requests", json={"method": method, "params": params})
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """All three have traded on their accounts."""
    try:
        pythons = {name: python_of(name) for name in STRANGERS}
    except PeerMissing as missing:
        pytest.skip(str(missing))
    folder = tmp_path_factory.mktemp("accounts")
    for name, kind in KEY_OF.items():
        (folder / f"{name}.toml").write_text(f'name = "{name}"\n[[keys]]\ntype = "{kind}"\n')
    files = [word for name in KEY_OF for word in ("--account", str(folder / f"{name}.toml"))]
    ida = [sys.executable, "-m", "ida_core", "exchange", "--symbol", "BTCUSDT", *files, "--port", "0", "--json"]
    with subprocess.Popen(ida, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            ready = json.loads(server.stdout.readline())
            running = {name: started(name, python, ready) for name, python in pythons.items()}
            yield Served({name: finished(name, *found) for name, found in running.items()}, ready["control"], ready)
        finally:
            server.terminate()


def started(name: str, python: Path, ready: Any) -> tuple[subprocess.Popen[str], str]:
    key = next(key for key in ready["keys"] if key["account"] == name)
    words: list[str | Path] = [python, SCRIPTS / f"trading_{name}.py", ready["rest"], ready["ws"]]
    process = subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return process, json.dumps(key)


def finished(name: str, process: subprocess.Popen[str], key: str) -> Any:
    said, problem = process.communicate(key, timeout=DEADLINE_S)
    assert process.returncode == 0, f"{name}: {problem[-3000:]}"
    return json.loads(said.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize("name", STRANGERS)
def test_a_stranger_places_replaces_and_cancels(served: Served, name: str) -> None:
    found = served.reports[name]
    assert found["status"] == "NEW"
    assert found["open"] == found["open_ws"] == sorted([found["second"], *found["pair"]])
    assert found["cancelled"] == "CANCELED"
    assert found["refused"] == -2011
    orders = {order["orderId"]: order for order in served.ask(name, "allOrders", symbol="BTCUSDT")}
    assert sorted(orders) == sorted([found["market"], found["limit"], found["second"], *found["pair"]])
    assert orders[found["market"]]["status"] == "FILLED"
    for number in (found["limit"], found["second"], *found["pair"]):
        assert orders[number]["status"] == "CANCELED", orders[number]
    assert orders[found["limit"]]["origQty"] == "0.00200000"
    assert orders[found["second"]]["origQty"] == "0.00300000"


@pytest.mark.slow
@pytest.mark.parametrize("name", STRANGERS)
def test_a_stranger_knows_what_its_account_has(served: Served, name: str) -> None:
    found, account = served.reports[name], served.account(name)
    assert account["open_orders"] == []
    assert {asset: [f"{float(each['free']):.8f}", f"{float(each['locked']):.8f}"]
            for asset, each in account["balances"].items()} == found["balances"]
    assert {locked for _, locked in found["balances"].values()} == {"0.00000000"}
    trades = served.ask(name, "myTrades", symbol="BTCUSDT")
    assert found["trades"] == [
        [trade["id"], trade["orderId"], trade["price"], trade["qty"], trade["commission"]] for trade in trades]
    assert {trade["orderId"] for trade in trades} == {found["market"]}
    assert sum(float(trade["qty"]) for trade in trades) == pytest.approx(0.01)


@pytest.mark.slow
@pytest.mark.parametrize("name", STRANGERS)
def test_a_stranger_is_told_of_its_orders(served: Served, name: str) -> None:
    found = served.reports[name]
    told = {}
    for what, number in found["events"]:
        told.setdefault(number, []).append(what)
    trades = [what for what in told[found["market"]] if what == "TRADE"]
    assert told[found["market"]] == ["NEW", *trades]
    if name == "ccxt_pro":  # tells how the order stands: of trades that come together, once
        assert 1 <= len(trades) <= len(found["trades"])
    else:
        assert len(trades) == len(found["trades"])
    for number in (found["limit"], found["second"], *found["pair"]):
        assert told[number] == ["NEW", "CANCELED"], number


@pytest.mark.slow
@pytest.mark.parametrize("name", STRANGERS)
def test_ida_sees_what_the_stranger_sees(served: Served, name: str, tmp_path: Path) -> None:
    """The same account by the same key, over Ida's own adapter: what is there, and nothing that is open."""
    key = next(key for key in served.ready["keys"] if key["account"] == name)
    folder = credentials_folder(tmp_path, "binance-testnet", key)
    done = subprocess.run(
        [sys.executable, "-m", "ida_core", "plan", "--exchange", "binance-testnet", "--binance-url",
         served.ready["rest"],
         "--symbol", "BTCUSDT", "--strategy", "grid", "--json"],
        env=os.environ | {"CREDENTIALS_DIRECTORY": str(folder)}, capture_output=True, text=True, timeout=DEADLINE_S)
    assert done.returncode == 0, done.stderr
    balances = json.loads(done.stdout)["plan"]["balances"]
    theirs = {asset: free for asset, (free, _) in served.reports[name]["balances"].items() if float(free)}
    assert {asset: f"{float(amount):.8f}" for asset, amount in balances.items()} == theirs
