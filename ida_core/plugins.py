"""Builds the ``PluginManager``: finds plugins, asks their hooks, says what came of it.

A plugin that cannot be used (its import or hook fails, a hook is misspelt, its defaults do not
hold) is skipped with the reason; that is an error only when something it provides was asked for by
name. Two plugins of one name are raised: nobody can tell which of them was meant.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import inspect
import os
import re
import sys
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any
from zlib import crc32

import msgspec
import pluggy

from ida_core import hooks
from ida_core.blame import words_of
from ida_core.errors import IdaError, PluginError
from ida_core.layers import Reader
from ida_core.nearest import suggestion
from ida_core.protocols import (
    API_LEVEL,
    FeedPlugin,
    LiveFeed,
    NoConfig,
    Plugin,
    Reporter,
    ReportPanel,
    RiskCheck,
    Strategy,
)

GROUP = "ida"
ENVIRONMENT = "IDA_PLUGINS"

#: What plugins provide: the attribute of ``Plugins`` → (hook, what messages call one of them).
KINDS = {
    "venues": ("ida_venues", "exchange"),
    "strategies": ("ida_strategies", "strategy"),
    "risk_checks": ("ida_risk_checks", "risk check"),
    "reporters": ("ida_reporters", "report"),
    "panels": ("ida_report_panels", "report panel"),
    "feeds": ("ida_feeds", "feed"),
    "live_feeds": ("ida_live_feeds", "live feed"),
    "recordings": ("ida_recordings", "recording format"),
    "commands": ("ida_commands", "command"),
}
_KIND_OF_HOOK = {hook: kind for kind, (hook, _) in KINDS.items()}
_BASES: dict[str, type[Plugin]] = {
    "ida_strategies": Strategy, "ida_risk_checks": RiskCheck, "ida_reporters": Reporter,
    "ida_report_panels": ReportPanel, "ida_feeds": FeedPlugin, "ida_live_feeds": LiveFeed,
}  # fmt: skip
_CORE_SECTIONS = ("run", "data", "journal", "instruments")


class PluginInfo(msgspec.Struct, frozen=True):
    """A loaded plugin. ``provides``: kind → names; ``origin``: its file; ``found``: how."""

    name: str
    version: str
    api: int
    hooks: tuple[str, ...]
    provides: dict[str, tuple[str, ...]]
    origin: str
    found: str
    distribution: str = ""


class SkippedPlugin(msgspec.Struct, frozen=True):
    """A plugin that is not in use; ``why`` names file, line and exception."""

    name: str
    origin: str
    why: str


class _SkipError(Exception):
    """The plugin can't be used; the message says why."""


@dataclass(frozen=True)
class Candidate:
    """Where a plugin may be; ``load`` imports it."""

    name: str
    found: str
    load: Callable[[], Any]
    origin: str = ""
    distribution: str = ""
    version: str = ""


@dataclass
class Plugins:
    """What there is to use, by name. ``complete`` is False if something was left out on request."""

    venues: dict[str, Any] = field(default_factory=dict)
    strategies: dict[str, Any] = field(default_factory=dict)
    risk_checks: dict[str, Any] = field(default_factory=dict)
    reporters: dict[str, Any] = field(default_factory=dict)
    panels: dict[str, Any] = field(default_factory=dict)
    feeds: dict[str, Any] = field(default_factory=dict)
    live_feeds: dict[str, Any] = field(default_factory=dict)
    recordings: dict[str, Any] = field(default_factory=dict)
    commands: dict[str, Any] = field(default_factory=dict)
    loaded: list[PluginInfo] = field(default_factory=list)
    skipped: list[SkippedPlugin] = field(default_factory=list)
    complete: bool = True

    def lookup(self, kind: str, name: str) -> Any:
        """Return what is called ``name`` among ``kind``, a key of ``KINDS``.

        Raises:
            PluginError: there is none; names the nearest, and each skipped plugin with its reason.
        """
        known: dict[str, Any] = getattr(self, kind)
        if name in known:
            return known[name]
        word = KINDS[kind][1]
        skipped = [f"skipped plugin {s.name} ({s.origin}): {s.why}" for s in self.skipped]
        message = f"no {word} is called {name!r}{suggestion(name, known)}"
        raise PluginError(message, code="IDA-E3101", problems=skipped)

    def sections(self) -> dict[str, type[msgspec.Struct]]:
        """Return the type of each configuration section: plugin name → its ``Config``."""
        found: dict[str, type[msgspec.Struct]] = {}
        for kind in KINDS:
            for name, item in getattr(self, kind).items():
                config = _config_of(item)
                if config is not None and found.get(name, NoConfig) is NoConfig:
                    found[name] = config
        return found

    def names(self) -> set[str]:
        """Return what no further plugin may be called: all provided names, and the sections of Ida itself."""
        return {name for kind in KINDS for name in getattr(self, kind)} | {*_CORE_SECTIONS}

    def info_of(self, kind: str, name: str) -> PluginInfo | None:
        """Return the plugin that provides ``name``; for a run's record of versions."""
        return next((i for i in self.loaded if name in i.provides.get(kind, ())), None)


LEFT_OUT = "left out by --no-plugin"


def load_plugins(
    folders: Iterable[Path | str] = (),
    no_plugin: Collection[str] = (),
    environment: Mapping[str, str] | None = None,
    entry_points: bool = True,
) -> Plugins:
    """Find, import and ask all plugins.

    Args:
        folders: ``--plugins-dir``, each holding one-file plugins ``*.py``.
        no_plugin: names of plugins, distributions or provided things to leave out.
        environment: where ``IDA_PLUGINS`` is looked up; ``os.environ`` by default.
        entry_points: whether to load the installed plugins, Ida's own among them.
    Raises:
        PluginError: two plugins of one name, a folder or name that is not there.
    """
    environment = os.environ if environment is None else environment
    candidates = list(from_entry_points()) if entry_points else []
    candidates += _from_folders(folders)
    candidates += _from_environment(environment.get(ENVIRONMENT, ""))
    loader = Loader(set(no_plugin))
    if hooks.is_traced(environment):
        from ida_core.trace import Trace  # it takes 0.1 s to import, and is seldom wanted

        Trace().hook_calls(loader.manager)
    for candidate in candidates:
        loader.add(candidate)
    return loader.finish()


class Loader:
    """Takes one candidate after the other into a ``Plugins``, and collects what is wrong."""

    def __init__(self, left_out: set[str]) -> None:
        self.plugins = Plugins(complete=not left_out)
        self.left_out = left_out
        self.used: set[str] = set()
        self.problems: list[str] = []
        self.owners: dict[tuple[str, str], str] = {}
        self.manager = pluggy.PluginManager(hooks.PROJECT)
        self.manager.add_hookspecs(hooks)

    def add(self, candidate: Candidate) -> None:
        named = self.left_out & {candidate.name, candidate.distribution}
        if named:
            self.used |= named
            self._skip(candidate, LEFT_OUT)
            return
        try:
            module = _import(candidate)
            if problems := _misspelt(candidate, module):
                raise _SkipError("; ".join(problems))
            provided = self._ask(candidate, module)
        except _SkipError as reason:
            self._skip(candidate, str(reason))
            return
        self._take(candidate, module, provided)

    def finish(self) -> Plugins:
        for name in sorted(self.left_out - self.used):
            names = {i.name for i in self.plugins.loaded} | {name for _, name in self.owners}
            self.problems.append(f"--no-plugin {name}: no such plugin{suggestion(name, names)}")
        self.problems += _section_clashes(self.plugins)
        if self.problems:
            code = "IDA-E3102"
            raise PluginError(_summary(self.problems), code=code, problems=self.problems)
        return self.plugins

    def _skip(self, candidate: Candidate, why: str) -> None:
        self.plugins.skipped.append(SkippedPlugin(candidate.name, _origin(candidate), why))

    def _ask(self, candidate: Candidate, module: Any) -> dict[str, list[Any]]:
        """Call each hook of one plugin; hook name → what it returned."""
        others = self.manager.get_plugins()
        try:
            self.manager.register(module, name=f"{candidate.found}:{candidate.name}")
        except (ValueError, pluggy.PluginValidationError) as error:
            raise _SkipError(" ".join(str(error).split())) from error
        found: dict[str, list[Any]] = {}
        for caller in self.manager.get_hookcallers(module) or ():
            one = self.manager.subset_hook_caller(caller.name, others)
            try:
                found[caller.name] = _checked(caller.name, one())
            except (_SkipError, KeyboardInterrupt):
                raise
            except BaseException as error:  # a panic of a library in Rust is no Exception
                raise _SkipError(f"{caller.name}: {_where(error, module)}") from error
        return found

    def _take(self, candidate: Candidate, module: Any, provided: dict[str, list[Any]]) -> None:
        names: dict[str, tuple[str, ...]] = {}
        origin = str(getattr(module, "__file__", "") or _origin(candidate))
        for hook, items in provided.items():
            kind = _KIND_OF_HOOK[hook]
            names[kind] = tuple(
                item.name for item in items if self._put(kind, item, candidate, origin)
            )
        version = candidate.version or str(getattr(module, "__version__", ""))
        levels = [getattr(i, "api", API_LEVEL) for items in provided.values() for i in items]
        info = PluginInfo(
            candidate.name, version, max(levels, default=API_LEVEL), tuple(provided), names, origin,
            candidate.found, candidate.distribution,
        )
        self.plugins.loaded.append(info)

    def _put(self, kind: str, item: Any, candidate: Candidate, origin: str) -> bool:
        name = item.name
        if name in self.left_out:
            self.used.add(name)
            return False
        known: dict[str, Any] = getattr(self.plugins, kind)
        owner = f"plugin {candidate.name} ({origin})"
        if name in known:
            first, word = self.owners[kind, name], KINDS[kind][1]
            self.problems.append(f"two plugins provide the {word} {name!r}: {first} and {owner}")
            return False
        known[name] = item
        self.owners[kind, name] = owner
        return True


def from_entry_points() -> Iterator[Candidate]:
    for point in importlib.metadata.entry_points(group=GROUP):
        name = point.dist.name if point.dist else ""
        version = point.dist.version if point.dist else ""
        yield Candidate(point.name, "installed", point.load, point.value, name, version)


def _from_folders(folders: Iterable[Path | str]) -> Iterator[Candidate]:
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise PluginError(f"--plugins-dir {folder}: no such folder", code="IDA-E3103")
        yield from from_folder(folder, "folder")


def from_folder(folder: Path, found: str) -> Iterator[Candidate]:
    for file in sorted(folder.glob("*.py")):
        if not file.name.startswith(("_", "test_")):
            yield from_file(file, found)


def from_file(file: Path, found: str) -> Candidate:
    return Candidate(file.stem, found, lambda: import_file(file), str(file))


def _from_environment(text: str) -> Iterator[Candidate]:
    for item in filter(None, map(str.strip, text.split(os.pathsep))):
        path = Path(item)
        if path.is_dir():
            yield from from_folder(path, "environment")
        elif path.suffix == ".py":
            yield from_file(path, "environment")
        else:
            yield Candidate(item, "environment", module_loader(item), item)


def module_loader(name: str) -> Callable[[], ModuleType]:
    return lambda: importlib.import_module(name)


def import_file(file: Path) -> ModuleType:
    """Import a one-file plugin under a name of its own.

    It is entered in ``sys.modules`` because msgspec looks up annotations of its records there.
    """
    name = f"ida_plugin_{crc32(str(file.resolve()).encode()):08x}_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _import(candidate: Candidate) -> Any:
    try:
        return candidate.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise _SkipError(_where(error, None, candidate.origin)) from error


def _origin(candidate: Candidate) -> str:
    return candidate.origin or candidate.name


def _where(error: BaseException, module: Any, file: str = "") -> str:
    """Return ``file:line: exception`` for the innermost line that is the plugin's own."""
    what = words_of(error)
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}: {type(error).__name__}: {error.msg}"
    own = getattr(module, "__file__", None) or file
    frames = [
        f for f in traceback.extract_tb(error.__traceback__)
        if f.filename != __file__ and not f.filename.startswith("<frozen")
    ]
    mine = [f for f in frames if f.filename == own] or _outside_library(frames)
    return f"{mine[-1].filename}:{mine[-1].lineno}: {what}" if mine else what


def _outside_library(frames: Sequence[traceback.FrameSummary]) -> list[traceback.FrameSummary]:
    library = (os.path.dirname(os.__file__), os.path.dirname(pluggy.__file__))
    return [f for f in frames if not f.filename.startswith(library)]


def _misspelt(candidate: Candidate, module: Any) -> list[str]:
    """Name each ``ida_...`` function that is no hook, or is one but is not marked."""
    problems = []
    for name, value in vars(module).items():
        if not name.startswith("ida_") or not inspect.isroutine(value):
            continue
        line = getattr(getattr(value, "__code__", None), "co_firstlineno", 0)
        where = f"{getattr(module, '__file__', candidate.name)}:{line}"
        if name not in _KIND_OF_HOOK:
            problems.append(f"{where}: no hook is called {name!r}{suggestion(name, _KIND_OF_HOOK)}")
        elif not hasattr(value, f"{hooks.PROJECT}_impl"):
            problems.append(f"{where}: {name} is not marked with @ida_core.hookimpl")
    return problems


def _checked(hook: str, results: list[Any]) -> list[Any]:
    """Return what a hook gave as one list, every item of it named and of our API level."""
    items: list[Any] = []
    for result in results:
        if isinstance(result, str) or not isinstance(result, Sequence):
            raise _SkipError(f"{hook} returned {result!r}, which is not a list")
        items += result
    for item in items:
        _check_item(hook, item)
    return items


def _check_item(hook: str, item: Any) -> None:
    """A class that a hook returned can be used: it is named, of our API level, and its defaults hold."""
    name = getattr(item, "name", None)
    if not isinstance(name, str) or not name:
        raise _SkipError(f"{hook} returned {item!r}, which has no name")
    if not re.fullmatch(r"[\w-]+", name):
        raise _SkipError(f"{_place_of(item)}the name {name!r} must be one word of letters, digits, _ and -")
    level = getattr(item, "api", API_LEVEL)
    if level != API_LEVEL:
        raise _SkipError(f"{_place_of(item)}{name} was made for API level {level}; this Ida has {API_LEVEL}")
    base = _BASES.get(hook)
    if base is not None and not (isinstance(item, type) and issubclass(item, base)):
        raise _SkipError(f"{_place_of(item)}{hook} returned {item!r}, which is no subclass of ida_core.{base.__name__}")
    config = _config_of(item)
    if config is not None:
        _check_defaults(name, config)
    elif getattr(item, "Config", None) is not None:
        raise _SkipError(f"{_place_of(item)}{name}.Config is not a msgspec.Struct")


def _check_defaults(name: str, config: type[msgspec.Struct]) -> None:
    """A section that nobody wrote is its defaults: they must be there and keep the rules of their own types."""
    reader = Reader()
    try:
        values = msgspec.to_builtins(config(), builtin_types=(Decimal, date, time), order="deterministic")
        reader.record((name,), values, config)
        wrong = "; ".join(problem.text for problem in reader.problems)
    except (ValueError, TypeError, ArithmeticError, IdaError) as error:
        wrong = str(error)
    except Exception as error:  # a default's factory, a type that cannot be resolved: it is the plugin's code
        wrong = words_of(error)
    if wrong:
        raise _SkipError(f"{_place_of(config)}the defaults of {name}.Config do not hold: {wrong}")


def _place_of(item: Any) -> str:
    """``file:line: `` of a class, where its source can be read."""
    try:
        return f"{inspect.getsourcefile(item)}:{inspect.getsourcelines(item)[1]}: "
    except (OSError, TypeError):
        return ""


def _config_of(item: Any) -> type[msgspec.Struct] | None:
    config = getattr(item, "Config", None)
    is_record = isinstance(config, type) and issubclass(config, msgspec.Struct)
    return config if is_record else None


def _section_clashes(plugins: Plugins) -> list[str]:
    """A section belongs to one plugin: two things of one name may not both have settings, unless they are the same."""
    owners: dict[str, str] = dict.fromkeys(_CORE_SECTIONS, "Ida itself")
    known: dict[str, type[msgspec.Struct]] = {}
    problems = []
    for kind, (_, word) in KINDS.items():
        for name, item in getattr(plugins, kind).items():
            config = _config_of(item)
            if config is None or not config.__struct_fields__:
                continue
            if name in owners and known.get(name) is not config:
                problems.append(
                    f"section [{name}] would belong to the {word} {name!r} and to {owners[name]}"
                )
            owners.setdefault(name, f"the {word} {name!r}")
            known.setdefault(name, config)
    return problems


def _summary(problems: Sequence[str]) -> str:
    count = len(problems)
    return "a plugin is wrong" if count == 1 else f"{count} things are wrong with the plugins"
