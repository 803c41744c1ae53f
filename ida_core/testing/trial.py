"""Short runs on the simulated exchange, for rules that need one."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace as changed
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from ida_core.config import JournalSettings, RunSettings, Settings, plain_values
from ida_core.errors import EXIT_BUG, EXIT_DONE
from ida_core.journal import JournalReader
from ida_core.plugins import Plugins, load_plugins
from ida_core.protocols import Plugin, VenueSetup
from ida_core.run import Outcome, execute

SYNTHETIC = ("synthetic",)
SYNTHETIC_S = 30.0
#: The exchange of a run whose events pass through a hand (``ida_core.testing.rough``).
HANDED = "handed"


_NONE: Mapping[str, dict[str, Any]] = MappingProxyType({})


class Bench:
    """Runs plugins that need not be installed, in a folder that goes away with ``close``.

    Args:
        plugins: what there is beside; all that is installed if None.
        seed: of all runs; duration_s: of simulated time, each; sections: of the configuration, as plain values.
    """

    def __init__(
        self, *kinds: type[Plugin], plugins: Plugins | None = None, feed: Sequence[str] = SYNTHETIC,
        symbols: Sequence[str] = (), duration_s: float = SYNTHETIC_S, seed: int = 1,
        sections: Mapping[str, dict[str, Any]] = _NONE,
    ) -> None:
        self.kinds = kinds
        self.plugins = plugins or load_plugins()
        for kind in kinds:
            self.plugins = with_plugin(self.plugins, kind)
        self.base = RunSettings(
            feed=tuple(feed), symbols=tuple(symbols), risk=(), reports=(), seed=seed, duration_s=duration_s,
            worst_cases=False)
        self.sections: dict[str, dict[str, Any]] = dict(sections)
        self._folder = tempfile.TemporaryDirectory(prefix="ida-testing-")
        self._runs = 0

    @property
    def folder(self) -> Path:
        return Path(self._folder.name)

    def close(self) -> None:
        self._folder.cleanup()

    def config_of(self, kind: Any) -> Any:
        """Its section as a record; the defaults where nothing is set."""
        return self.settings().section(kind.name, kind.Config)

    def configure(self, kind: type[Plugin], config: msgspec.Struct | None) -> None:
        if config is not None:
            self.sections[kind.name] = plain_values(config)

    def settings(self, **run: Any) -> Settings:
        return Settings(
            run=msgspec.structs.replace(self.base, **run), sections=self.sections,
            journal=JournalSettings(segment_mib=1, sync="none"))

    def run(self, *strategies: str, hand: Any = None, plugins: Plugins | None = None, **run: Any) -> Outcome:
        """Run to the end. ``hand``: makes of a venue one that its events pass through; ``run``: keys of ``[run]``."""
        self._runs += 1
        out = self.folder / str(self._runs)
        plugins = plugins or self.plugins
        if hand is not None:
            plugins = _handed(plugins, hand)
            run["exchange"] = HANDED
        return execute(self.settings(strategies=strategies, out=str(out), **run), plugins)

    def load(self, outcome: Outcome) -> list[Any]:
        """Every event of the run's journal that is not market data."""
        reader = JournalReader(outcome.run_dir / "journal")
        try:
            return [event for event in reader.scan() if hasattr(event, "__struct_fields__")]
        finally:
            reader.close()


def with_plugin(plugins: Plugins, kind: Any, where: str = "") -> Plugins:
    """``plugins`` with one class more, under its name."""
    where = where or _kind_of(kind)
    return changed(plugins, **{where: getattr(plugins, where) | {kind.name: kind}})


def _kind_of(kind: Any) -> str:
    from ida_core.protocols import FeedPlugin, Reporter, ReportPanel, RiskCheck, Strategy

    bases = {Strategy: "strategies", RiskCheck: "risk_checks", Reporter: "reporters", ReportPanel: "panels",
             FeedPlugin: "feeds"}
    found = next((where for base, where in bases.items() if issubclass(kind, base)), None)
    if found is None:
        raise AssertionError(f"{kind!r} is no plugin class")
    return found


def _handed(plugins: Plugins, hand: Any) -> Plugins:
    """Beside the simulated exchange another one, all of whose events pass through ``hand``."""
    venue_class = plugins.lookup("venues", "sim")

    class Handed:
        name = HANDED
        mode = venue_class.mode
        simulated = venue_class.simulated
        Config = venue_class.Config

        @staticmethod
        def build(setup: VenueSetup) -> Any:
            return hand(venue_class.build(setup))

    return changed(plugins, venues=plugins.venues | {HANDED: Handed})


def failures(outcome: Outcome) -> list[str]:
    """What the journal says of plugins that raised: ``hook: error (file:line)``."""
    found = [text for text in outcome.warnings if text.startswith("Plugin ")]
    return [text.partition(" failed: ")[2] for text in found]


def check_ended(outcome: Outcome, tolerant: bool = False) -> None:
    """The run came to its end, and nobody raised. ``tolerant``: a hand on the venue may leave money unexplained."""
    assert not (raised := failures(outcome)), "; ".join(raised)
    allowed = (EXIT_DONE, EXIT_BUG) if tolerant else (EXIT_DONE,)
    assert outcome.exit_code in allowed, f"exit code {outcome.exit_code}: {'; '.join(outcome.warnings)}"

