"""The hooks of pluggy's project ``ida``. Each is called once at start and returns a list.

An implementation is a module or object with functions of these names, marked by ``ida_core.hookimpl``, registered
as an entry point of the group ``ida`` or as a file in the plug-ins folder. A name that begins with ``ida_`` and is
none of these is an error.
"""

# A specification has no body.
# mypy: disable-error-code="empty-body"

from collections.abc import Mapping, Sequence
from typing import Any

import pluggy

PROJECT = "ida"
TRACE = "IDA_TRACE_HOOKS"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


def is_traced(environment: Mapping[str, str]) -> bool:
    """Whether ``IDA_TRACE_HOOKS`` is set there, and not to 0: see ``ida_core.trace``."""
    return environment.get(TRACE, "") not in ("", "0")


@hookspec
def ida_venues() -> Sequence[Any]:
    """Venue factories: classes with ``name``, ``mode``, ``Config`` and ``build(setup: VenueSetup) -> Venue``."""


@hookspec
def ida_strategies() -> Sequence[type]:
    """Subclasses of ``ida_core.Strategy``."""


@hookspec
def ida_risk_checks() -> Sequence[type]:
    """Subclasses of ``ida_core.RiskCheck``."""


@hookspec
def ida_reporters() -> Sequence[type]:
    """Subclasses of ``ida_core.Reporter``."""


@hookspec
def ida_report_panels() -> Sequence[type]:
    """Subclasses of ``ida_core.ReportPanel``."""


@hookspec
def ida_feeds() -> Sequence[type]:
    """Subclasses of ``ida_core.FeedPlugin``."""


@hookspec
def ida_live_feeds() -> Sequence[type]:
    """Subclasses of ``ida_core.LiveFeed``."""


@hookspec
def ida_recordings() -> Sequence[Any]:
    """Formats of recordings: objects that keep ``ida_core.Recording``."""


@hookspec
def ida_commands() -> Sequence[Any]:
    """``click.Command`` objects to stand under ``ida``."""
