"""The simulated exchange: a venue in this process, or a server that speaks Binance's API; its market recorded or
synthetic."""

from collections.abc import Sequence
from typing import Any

from ida_core import hookimpl


@hookimpl
def ida_venues() -> Sequence[Any]:
    from ida_sim.venue import SimVenue

    return [SimVenue]


@hookimpl
def ida_commands() -> Sequence[Any]:
    """``ida exchange``."""
    from ida_sim.server.command import exchange

    return [exchange]
