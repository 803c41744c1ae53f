"""``ida exchange``: parses, builds, serves until it is stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ida_core.cli import IdaCommand

DEFAULT_PORT = 8090


@click.command(
    "exchange", cls=IdaCommand,
    examples=(
        "ida exchange", "ida exchange --symbol BTCUSDT --symbol ETHUSDT --seed 7 --port 0 --json",
        "ida exchange --feed spot_btcusdt_1.gz --feed spot_btcusdt_2.gz --speed 10",
        "ida exchange --account alice.toml --account bob.toml",
        "ida exchange --script faults.toml",
    ),
)
@click.option("--symbol", multiple=True, metavar="SYMBOL", help="Of the synthetic market, or of the recording.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the synthetic market.")
@click.option("--feed", multiple=True, metavar="FILE", help="Replay recordings of the spot market.")
@click.option("--speed", default="1", metavar="max|X", help="X times real time.", show_default=True)
@click.option("--start", type=click.Choice(("now", "first-client")),
              help="When a symbol's time begins: with the first subscription to it is the default of recordings.")
@click.option("--port", type=click.IntRange(0, 65535), default=DEFAULT_PORT, show_default=True, help="0: a free one.")
@click.option("--duration", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="And then stop.")
@click.option("--tls", is_flag=True, help="https and wss, by a certificate made for this machine: ca_file is told.")
@click.option("--tls-cert", type=click.Path(path_type=Path), metavar="FILE", help="A certificate of yours, PEM.")
@click.option("--tls-key", type=click.Path(path_type=Path), metavar="FILE", help="Its key, if in a file of its own.")
@click.option("--account", multiple=True, type=click.Path(path_type=Path), metavar="FILE",
              help="One more account, by a TOML file: its name, balances, keys.")
@click.option("--script", type=click.Path(path_type=Path), metavar="FILE", help="Faults and their times.")
def exchange(as_json: bool, **given: Any) -> int:
    """Serve the simulated exchange on this machine, with Binance's own API.

    REST, market streams, WebSocket API and a control endpoint for faults, on one port. The market is synthetic, or a
    recording replayed with its own update ids. Ctrl-C stops it.
    """
    from ida_sim.server import running

    return running.run(given, as_json)
