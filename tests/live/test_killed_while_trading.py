"""SIGKILL at random points of a busy run, each followed by a start that goes on where the killed one was.

What must hold after all of them: every fill of the account stands in the journals, once; no client order id was used
twice and none is the exchange's alone; nothing is left open that no run knows of; the books agree with the exchange's
balances to the last digit.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from decimal import Decimal
from pathlib import Path
from random import Random
from time import sleep, time
from typing import Any

from exchange_account import Account, credentials_folder
from processes import Exchange, Run, exchange, running, until

from ida_core.errors import EXIT_VENUE
from ida_core.report import load

#: How often; the chain of 200 takes some ten minutes, so the tests' own is shorter.
KILLS = int(os.environ.get("IDA_KILLS", "12"))
SYMBOL = "BTCUSDT"
BUSY = '''
from ida_core import OrderType, Side, Strategy, TimeInForce, hookimpl


class Busy(Strategy):
    """Never at rest: quotes at the touch, takes now and then, replaces, cancels."""

    name = "busy"

    def on_start(self, ctx):
        ctx.every(0.05)

    def on_timer(self, ctx, timer):
        book, random = ctx.book, ctx.random
        if not ctx.market.synced or book.bid is None or book.ask is None:
            return
        mine = [order for order in ctx.orders.values() if not order.is_pending]
        if len(mine) > 4:
            ctx.cancel(random.choice(mine).order_id)
        elif mine and random.random() < 0.2:
            order = random.choice(mine)
            ctx.replace(order.order_id, order.leaves, order.price - 1 if order.side is Side.BUY else order.price + 1)
        side = random.choice(list(Side))
        price = book.bid if side is Side.BUY else book.ask
        if random.random() < 0.3:
            ctx.place(side, 200 + random.randrange(100), type=OrderType.MARKET)
        else:
            ctx.place(side, 200 + random.randrange(100), price)


@hookimpl
def ida_strategies():
    return [Busy]
'''


def start(folder: Path, server: Exchange, plugins: Path) -> Any:
    """A run that goes on in ``folder``; each has its own output beside the common run directory."""
    return running(
        folder, "--exchange", "binance-testnet", "--binance-url", server.rest, "--symbol", SYMBOL, "--strategy", "busy",
        "--plugins-dir", plugins, "--duration", "600", "--out", folder.parent / "runs",
        # so many starts a minute would use up the weight that all runs of an address share
        "--set", "binance-testnet.snapshot_levels=100", "--set", "binance-testnet.connections=1",
        env={"CREDENTIALS_DIRECTORY": str(folder.parent / "credentials")})


def folders(out: Path) -> list[Path]:
    return sorted(path for path in out.glob("*") if path.is_dir() and not path.is_symlink())


def is_out_of_weight(run: Run) -> bool:
    """It ended at once: so many starts a minute use up the weight of the address, and a run would rather not be."""
    return run.process.poll() == EXIT_VENUE and "IDA-E4200" in run.said


def has_traded(run: Run, out: Path, before: int) -> bool:
    """The strategy has placed something since the start: the log of the newest run says so."""
    if is_out_of_weight(run):
        return True
    assert run.process.poll() is None, run.said
    found = folders(out)
    log = found[-1] / "log.jsonl" if len(found) > before else out / "none"
    return log.exists() and '"what":"order"' in log.read_text().replace(" ", "")


def check_fills(out: Path, account: Account) -> None:
    """Each trade of the account stands in one run, once, with its quantity, price and fee."""
    theirs = {trade["id"]: trade for trade in account.trades(SYMBOL)}
    seen: Counter[int] = Counter()
    for folder in folders(out):
        report = load(folder)
        instrument = report.instruments[0]
        for fill in report.fills:
            seen[fill.trade_id] += 1
            trade = theirs[fill.trade_id]
            assert Decimal(trade["qty"]) == instrument.quantity(fill.quantity)
            assert Decimal(trade["price"]) == instrument.price(fill.price)
            assert (Decimal(trade["commission"]), trade["commissionAsset"]) == (fill.fee, fill.fee_asset)
    assert set(seen) == set(theirs), f"lost: {sorted(set(theirs) - set(seen))[:5]}"
    assert set(seen.values()) <= {1}, f"counted twice: {[t for t, n in seen.items() if n > 1][:5]}"
    assert theirs, "nothing was traded: this shows nothing"


def check_orders(out: Path, account: Account) -> None:
    """No id twice; every order of the exchange was asked for by one of the runs; nothing is left open."""
    theirs = account.orders(SYMBOL)
    twice = [name for name, count in Counter(order["clientOrderId"] for order in theirs).items() if count > 1]
    assert twice == []
    asked = {row.order.order_id for folder in folders(out) for row in load(folder).orders}
    assert {order["clientOrderId"] for order in theirs} <= asked
    assert [order["clientOrderId"] for order in theirs if order["status"] in ("NEW", "PARTIALLY_FILLED")] == []
    runs = {re.sub(r"\D", "", folder.name[:15]) for folder in folders(out)}
    assert len(runs) > 1


def test_nothing_is_lost_or_doubled_by_kills(tmp_path: Path) -> None:
    random, out = Random(5), tmp_path / "runs"
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "busy.py").write_text(BUSY)
    with exchange(tmp_path, "--symbol", SYMBOL, "--seed", "7") as server:
        account = Account(server.rest, server.keys)
        credentials_folder(tmp_path / "credentials", "binance-testnet",
                           next(key for key in server.keys if key["type"] == "ED25519"))
        opening = account.balances()
        for number in range(KILLS):
            before = len(folders(out))
            with start(tmp_path / f"run{number}", server, tmp_path / "plugins") as run:
                if random.random() < 0.25:  # while it starts and reconciles
                    sleep(random.uniform(0.3, 1.5))
                else:
                    until(lambda run=run, before=before: has_traded(run, out, before), "an order")  # type: ignore[misc]
                    sleep(random.expovariate(2.0))
                run.process.kill()
                run.process.wait()
                if is_out_of_weight(run):
                    sleep(60 - time() % 60)
        before = len(folders(out))
        with start(tmp_path / "last", server, tmp_path / "plugins") as run:
            until(lambda: has_traded(run, out, before), "an order")
            assert not is_out_of_weight(run)
            sleep(1.0)
            run.stop()
            code, document = run.finished()
        assert code == 0, run.said
        check_fills(out, account)
        check_orders(out, account)
        assert document["reconciliation"]["differences"] == 0
        assert account.balances() != opening
        account.close()
