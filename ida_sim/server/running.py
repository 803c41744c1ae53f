"""What ``ida exchange`` does, once its arguments are parsed."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import msgspec
import trio

from ida_core import ConfigError, VenueSetup, terminal
from ida_core.errors import EXIT_DONE
from ida_core.plugins import load_plugins
from ida_sim.config import SimConfig
from ida_sim.server.account_files import read_accounts
from ida_sim.server.market import MarketSetup
from ida_sim.server.script import read_script
from ida_sim.server.serving import Server, ServerSetup, open_server
from ida_sim.server.tls import ServerTls, server_tls

SCHEMA = 1
MOST_SPEED = 1e6
Given = Mapping[str, Any]


def run(given: Given, as_json: bool) -> int:
    """Serve until SIGINT or SIGTERM, or for ``duration`` seconds; the exit code."""
    with TemporaryDirectory(prefix="ida-exchange-") as folder:
        tls = _tls(given, Path(folder))
        setup = _setup(given, tls)
        trio.run(_serve, setup, given.get("duration"), tls and tls.ca_file, as_json)
    return EXIT_DONE


def _tls(given: Given, folder: Path) -> ServerTls | None:
    if not (given["tls"] or given["tls_cert"] or given["tls_key"]):
        return None
    return server_tls(given["tls_cert"], given["tls_key"], folder)


def _setup(given: Given, tls: ServerTls | None) -> ServerSetup:
    feed = tuple(given["feed"])
    venue = VenueSetup(
        config=SimConfig(), feed=feed, symbols=tuple(given["symbol"]), seed=given["seed"],
        recordings=tuple(load_plugins().recordings.values()) if feed else ())
    market = MarketSetup(venue, _speed(given["speed"]), given["start"] or "")
    script = read_script(given["script"]) if given["script"] else ()
    accounts = read_accounts(given["account"])
    return ServerSetup(market, port=given["port"], script=script, tls=tls and tls.context, accounts=accounts)


def _speed(text: str) -> float:
    if text == "max":
        return float("inf")
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed <= MOST_SPEED:
        raise ConfigError(f"--speed {text}: must be max, or a number above 0 and at most {MOST_SPEED:g}")
    return speed


async def _serve(setup: ServerSetup, duration_s: float | None, ca_file: Path | None, as_json: bool) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with open_server(setup) as server:
            _tell(server, ca_file, as_json)
            with trio.move_on_after(float("inf") if duration_s is None else duration_s):
                async for _ in signals:
                    break


def _tell(server: Server, ca_file: Path | None, as_json: bool) -> None:
    for warning in server.market.warnings:
        terminal.warn(warning)
    addresses = server.addresses._asdict() | ({"ca_file": str(ca_file)} if ca_file else {})
    if as_json:
        click.echo(msgspec.json.encode({"schema": SCHEMA, **addresses, "keys": server.told_keys()}).decode())
    else:
        click.echo(f"serving {', '.join(server.market.symbols)}")
        click.echo(terminal.pairs(list(addresses.items()) + _keys(server)))
        click.echo("Ctrl-C stops it.")
    sys.stdout.flush()


def _keys(server: Server) -> list[tuple[str, str]]:
    """Those that a line can hold."""
    keys = [key for key in server.told_keys() if "secret" in key]
    return [row for key in keys for row in (("api_key", key["api_key"]), ("secret", key["secret"]))]
