"""One strategy, one configuration, one market: on the simulated exchange, and on `binance-testnet` at `ida exchange`.

The market is a recording; the server replays it in real time, and its matching engine is the simulated exchange's own.
What the strategy asks for hangs on update ids of the book, so that it is the same in both, and what becomes of its
orders must be the same too - or the comparison must say why it is not.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from exchange_account import credentials_folder
from processes import exchange, running, until

from ida_core.comparison import Comparison, compare_orders
from ida_core.report import load

FIRST = "spot_btcusdt_20240808_first15s.gz"
#: From both exchanges' point of view: how long a request and its answer take on loopback, about.
LATENCY_MS = 1
SCRIPTED = '''
from decimal import Decimal

from ida_core import OrderType, Side, Strategy, TimeInForce, hookimpl

FIRST_ID = 50_093_239_600


class Scripted(Strategy):
    """At each of some update ids one thing: takes, rests, cancels, replaces, sells by value."""

    name = "scripted"
    book_updates = "every"

    def on_start(self, ctx):
        self.step, self.resting = 0, []
        self.acts = [self.take, self.rest, self.take_more, self.cancel, self.sell, self.rest_near, self.replace,
                     self.end]

    def on_book(self, ctx, book):
        if ctx.market.synced and self.step < len(self.acts) and ctx.market.last_update_id >= FIRST_ID + 350 * self.step:
            self.acts[self.step](ctx, book)
            self.step += 1

    def take(self, ctx, book):
        ctx.place(Side.BUY, 1000, book.ask + 100, tif=TimeInForce.IOC, note="take")

    def rest(self, ctx, book):
        self.resting.append(ctx.place(Side.BUY, 1000, book.bid - 5000, note="rest"))
        self.resting.append(ctx.place(Side.SELL, 500, book.ask + 5000, post_only=True, note="rest"))

    def take_more(self, ctx, book):
        ctx.place(Side.BUY, 0, type=OrderType.MARKET, quote_quantity=Decimal(200), note="by value")

    def cancel(self, ctx, book):
        ctx.cancel(self.resting[0])

    def sell(self, ctx, book):
        ctx.place(Side.SELL, 700, type=OrderType.MARKET, note="sell")

    def rest_near(self, ctx, book):
        ctx.place(Side.SELL, 300, book.bid - 100, tif=TimeInForce.FOK, note="all or nothing")

    def replace(self, ctx, book):
        ctx.replace(self.resting[1], 400, book.ask + 6000)

    def end(self, ctx, book):
        ctx.cancel_all()


@hookimpl
def ida_strategies():
    return [Scripted]
'''


def words(folder: Path) -> list[str | Path]:
    return ["--symbol", "BTCUSDT", "--strategy", "scripted", "--plugins-dir", folder / "plugins"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("both")
    (folder / "plugins").mkdir()
    (folder / "plugins" / "scripted.py").write_text(SCRIPTED)
    return folder


@pytest.fixture(scope="module")
def simulated(folder: Path, recordings: Path) -> dict[str, Any]:
    latency = [word for leg in ("request", "response") for word in ("--set", f"sim.{leg}_latency_ms={LATENCY_MS}")]
    with running(folder / "sim", "--exchange", "sim", "--feed", recordings / "captures" / FIRST, *words(folder),
                 *latency) as run:
        code, document = run.finished()
    assert code == 0, run.said
    return document


@pytest.fixture(scope="module")
def on_testnet(folder: Path, recordings: Path) -> dict[str, Any]:
    with exchange(folder, "--feed", recordings / "captures" / FIRST) as server:
        key = next(key for key in server.keys if key["type"] == "ED25519")
        credentials_folder(folder / "credentials", "binance-testnet", key)
        with running(folder / "testnet", "--exchange", "binance-testnet", "--binance-url", server.rest, *words(folder),
                     env={"CREDENTIALS_DIRECTORY": str(folder / "credentials")}) as run:
            def ended() -> bool:
                assert run.process.poll() is None, run.said
                return bool(server.state()["symbols"]["BTCUSDT"]["ended"])

            until(ended, "the recording's end")
            run.stop()
            code, document = run.finished()
    assert code == 0, run.said
    return document


@pytest.fixture(scope="module")
def compared(simulated: dict[str, Any], on_testnet: dict[str, Any]) -> Comparison:
    return compare_orders(*(load(Path(document["run"]["out"])) for document in (simulated, on_testnet)))


def test_the_same_was_asked_for(simulated: dict[str, Any], on_testnet: dict[str, Any], compared: Comparison) -> None:
    assert (simulated["run"]["mode"], on_testnet["run"]["mode"]) == ("SIM", "TESTNET")
    assert compared.only_a == compared.only_b == ()
    assert compared.same + len(compared.different) == on_testnet["orders"]["submitted"] == 7


def test_the_same_became_of_it_or_it_is_explained(compared: Comparison) -> None:
    """On an exchange that is the same the way there is all that can differ."""
    assert compared.unexplained == 0
    assert compared.same >= 6, [(pair.a, pair.differs, pair.because) for pair in compared.different]


def test_the_books_agree_with_the_exchange(on_testnet: dict[str, Any]) -> None:
    assert on_testnet["reconciliation"]["differences"] == 0
    assert on_testnet["fills"]["count"] >= 4
    assert json.dumps(on_testnet["warnings"]).count("residual") == 0
