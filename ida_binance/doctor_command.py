"""``ida doctor``: is this machine fit to trade, and the account? Nothing is placed."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from ida_binance.environments import DEMO, LIVE, TESTNET
from ida_core import terminal
from ida_core.cli import IdaCommand

SCHEMA = 1


@click.command("doctor", cls=IdaCommand, examples=(
    "ida doctor --exchange binance-testnet",
    "ida doctor --exchange binance --key sealed:main --json",
))
@click.option("--exchange", type=click.Choice((LIVE, TESTNET, DEMO)), required=True, help="Where to trade.")
@click.option("--key", default="", metavar="SOURCE", help="As `key` in the configuration, if it is not the only one.")
@click.option("--passphrase", default="", metavar="fd:N|credential|prompt",
              help="Where it comes from, if not from the terminal.")
@click.option("--binance-url", default="", metavar="URL", help="One base address in the place of the exchange's own.")
@click.option("--out", default="runs", type=click.Path(path_type=Path), help="Where results would go.")
def doctor(exchange: str, key: str, passphrase: str, binance_url: str, out: Path, as_json: bool) -> int:
    """Look whether this machine and the account are fit to trade. Nothing is placed.

    Disk, files of keys, TLS, clock, the exchange's limits, what the key may do. Exit code 0 if nothing fails, else
    that of the first failure: 3 for this machine, 4 for the network, 6 for the key.
    """
    from ida_binance.doctor import Asked, examine

    found = examine(Asked(exchange, binance_url, key, passphrase, out))
    code = next((finding.exit_code for finding in found if finding.status == "fail"), 0)
    if as_json:
        told = {"exchange": exchange, "fit": code == 0, "findings": msgspec.to_builtins(found)}
        terminal.print_json({"schema": SCHEMA, **told})
    else:
        click.echo(terminal.table(("", "check", "found"), [(one.status, one.check, one.detail) for one in found]))
    return code
