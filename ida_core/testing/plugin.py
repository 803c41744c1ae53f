"""Everything that one plugin provides, each held to its contract: ``ida plugins test``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace as replace_fields

from ida_core.config import Settings, load
from ida_core.plugins import KINDS, Plugins
from ida_core.run import build_venue
from ida_core.testing.checks import find_risk
from ida_core.testing.commands import find_command
from ida_core.testing.feeds import find_feed
from ida_core.testing.live_feeds import find_live_feed
from ida_core.testing.recordings import find_recording
from ida_core.testing.reports import find_reporter
from ida_core.testing.rules import FAILED, NOT_APPLICABLE, Finding, hold
from ida_core.testing.strategies import find_strategy
from ida_core.testing.venues import MARKET_S, VENUE_RULES

#: Modes of a venue whose orders reach somebody.
REAL_ORDERS = ("LIVE", "DEMO", "TESTNET")


class Held(msgspec.Struct, frozen=True):
    """One thing that a plugin provides, and what came of holding it to its contract."""

    kind: str
    name: str
    findings: tuple[Finding, ...]

    @property
    def failed(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.outcome == FAILED]


def hold_plugin(
    plugin: Plugins, installed: Plugins, sets: Sequence[str] = (), sample: Path | None = None,
    told: Callable[[str], None] = lambda _: None,
) -> list[Held]:
    """Hold all that ``plugin`` provides to its contracts, with what is ``installed`` beside it.

    Args:
        sets: ``NAME.key=value``, for sections of what is held; the defaults otherwise.
        sample: a file for formats of recordings.
        told: is given the name of each thing before it is held.
    Raises:
        ConfigError: a value in ``sets`` is wrong.
    """
    beside = _merged(installed, plugin)
    settings = load(sets=sets, plugins=beside, environment={}).settings
    held = []
    for kind, (_, word) in KINDS.items():
        for name, item in getattr(plugin, kind).items():
            told(f"{word} {name}")
            held.append(Held(word, name, tuple(_find(kind, item, Holding(plugin, beside, settings, sample)))))
    return held


class Holding(NamedTuple):
    """What a thing is held with: its own plugin, all there is, the settings, a file."""

    plugin: Plugins
    beside: Plugins
    settings: Settings
    sample: Path | None


def _merged(installed: Plugins, plugin: Plugins) -> Plugins:
    """What is installed, and in the place of things of the same name those of ``plugin``."""
    return replace(installed, **{kind: getattr(installed, kind) | getattr(plugin, kind) for kind in KINDS})


def _find(kind: str, item: Any, by: Holding) -> list[Finding]:
    feeds = list(by.plugin.feeds.values())
    finders: dict[str, Callable[[], list[Finding]]] = {
        "strategies": lambda: find_strategy(item, by.settings, by.beside, feeds),
        "risk_checks": lambda: find_risk(item, by.settings, by.beside),
        "feeds": lambda: find_feed(item, by.settings, by.beside),
        "live_feeds": lambda: find_live_feed(item, by.settings),
        "reporters": lambda: find_reporter(item, by.settings),
        "panels": lambda: find_reporter(item, by.settings),
        "recordings": lambda: find_recording(item, by.sample),
        "commands": lambda: find_command(item),
        "venues": lambda: _find_venue(item, by),
    }
    return finders[kind]()


def _find_venue(kind: Any, by: Holding) -> list[Finding]:
    if getattr(kind, "mode", "LIVE") in REAL_ORDERS:
        why = "it trades at an exchange: hold it by check_venue, with orders that you mean to place"
        return [Finding(name, NOT_APPLICABLE, why) for name in VENUE_RULES]
    run = replace_fields(by.settings.run, feed=("synthetic",), exchange=kind.name, duration_s=MARKET_S)
    settings = replace_fields(by.settings, run=run)
    return hold(VENUE_RULES, lambda: build_venue(settings, by.beside, kind.name))
