"""The simulated exchange: a venue in this process, its market recorded or synthetic."""

from collections.abc import Sequence
from typing import Any

from ida_core import hookimpl


@hookimpl
def ida_venues() -> Sequence[Any]:
    from ida_sim.venue import SimVenue

    return [SimVenue]
