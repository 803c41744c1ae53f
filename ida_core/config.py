"""TOML to frozen records; every problem is told at once, with file, line and nearest valid name.

Layers, later ones win: defaults, the file, ``IDA_SET``, options of the command line, ``--set``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypeVar

import msgspec
from msgspec import Meta

from ida_core import toml
from ida_core.errors import ConfigError, PluginError
from ida_core.layers import Key, Layers, Place, Problem, Reader
from ida_core.making import make
from ida_core.model import Filters
from ida_core.nearest import suggestion
from ida_core.schema import record_schema

if TYPE_CHECKING:
    from ida_core.plugins import Plugins

ENVIRONMENT = "IDA_SET"
MASK = "***"
DEFAULT_RISK = (
    "max_quantity", "max_notional", "max_position", "max_open_orders", "order_rate",
    "price_collar", "daily_loss", "drawdown",
)
SYNTHETIC = "synthetic"
"""In ``run.feed``: the market that the simulated exchange invents."""
DEFAULT_REPORTS = ("console", "json", "csv", "html")
_SECRET = re.compile(r"secret|key|password|passphrase|token", re.IGNORECASE)
_S = TypeVar("_S", bound=msgspec.Struct)
_Names = tuple[str, ...]
_Speed = Annotated[float, Meta(gt=0, le=1e6)]
_Seconds = Annotated[float, Meta(gt=0, le=1e9)]


def _about(text: str) -> Meta:
    return Meta(description=text)


class RunSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What runs: names of plugins, what they trade on, and where the result goes."""

    exchange: Annotated[str, _about("Name of the venue; sim is the simulated exchange.")] = "sim"
    symbols: Annotated[_Names, _about("What to trade; everything in the feed if empty.")] = ()
    strategies: Annotated[_Names, _about("Names of strategies.")] = ()
    risk: Annotated[_Names, _about("Names of risk checks.")] = DEFAULT_RISK
    reports: Annotated[_Names, _about("Names of the reports to make.")] = DEFAULT_REPORTS
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1, description="Of all chance in the run.")] = 1
    out: Annotated[str, _about("Folder in which run directories are made.")] = "runs"
    speed: Annotated[Literal["max"] | _Speed, _about("max, or a multiple of real time.")] = "max"
    feed: Annotated[_Names, _about("Recordings, synthetic, or the name of a live feed.")] = ()
    record: Annotated[str | None, _about("Folder to record into what a live feed receives.")] = None
    worst_cases: Annotated[bool, _about("Re-run under worse assumptions for the reports.")] = True
    duration_s: Annotated[_Seconds | None, _about("Stop after so much time: simulated, or real if live.")] = None
    residual_limit: Annotated[Decimal, _about(
        "What balances on an exchange may differ from the ledger unexplained, in the report's currency; 0: nothing.")
    ] = Decimal(0)
    log_level: Annotated[Literal["debug", "info", "warning", "error"], _about("Least that is logged.")] = "info"


class DataSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How recordings are read."""

    on_damage: Annotated[Literal["stop", "skip"], _about("At a damaged line: stop, or skip and count it.")] = "stop"


class JournalSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the run is journaled."""

    segment_mib: Annotated[int, Meta(ge=1, le=1024, description="Size of one segment.")] = 16
    sync: Annotated[Literal["none", "interval", "request"], _about("When it is forced to disk.")] = "interval"


class InstrumentSettings(Filters, frozen=True, kw_only=True):
    """What is set by hand for one symbol; what is not leaves the venue's or recording's word.

    Args:
        tick_size: smallest step of the price, in quote units.
        lot_size: smallest step of the quantity, in base units (contracts for inverse).
        base: asset that is bought and sold.
        quote: asset that prices are in.
        multiplier: quote units per contract, for inverse perpetuals.
    """

    tick_size: Decimal | None = None
    lot_size: Decimal | None = None
    base: str | None = None
    quote: str | None = None
    multiplier: Decimal | None = None

    def __post_init__(self) -> None:
        for name in ("tick_size", "lot_size", "multiplier"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} = {value}: must be above 0")

    def filters(self, venue: Filters) -> Filters:
        """Return the venue's limits with those that are set here in their place."""
        mine = self.given()
        return msgspec.structs.replace(venue, **{k: mine[k] for k in Filters.__struct_fields__ if k in mine})

    def given(self) -> dict[str, Any]:
        """What is set here and is not what stands there without a word."""
        bare = msgspec.structs.asdict(InstrumentSettings())
        return {k: v for k, v in msgspec.structs.asdict(self).items() if v != bare[k]}


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The effective configuration; ``sections`` are the plugins', by name, as plain values."""

    run: RunSettings = RunSettings()
    data: DataSettings = DataSettings()
    journal: JournalSettings = JournalSettings()
    instruments: dict[str, InstrumentSettings] = {}
    sections: dict[str, dict[str, Any]] = {}

    def section(self, name: str, kind: type[_S]) -> _S:
        """Return section ``name`` as a record; where there is none, the record's defaults. A record without fields
        takes no section: where two plugins share a name, it belongs to the one that has settings.

        Raises:
            ConfigError: unknown keys, wrong types, values out of range; all at once.
        """
        if not kind.__struct_fields__:
            return kind()
        reader = Reader()
        record = reader.record((name,), self.sections.get(name, {}), kind)
        if record is None:
            raise _error(reader.problems)
        return record

    def build(self, plugin: Any) -> Any:
        """Return an object of the class ``plugin``, made with its own section.

        Raises:
            ConfigError: as ``section``.
            PluginError: its constructor raised.
        """
        return make(plugin, self.section(plugin.name, plugin.Config))


class Option(NamedTuple):
    """A value given by an option of the command line: ``Option("run.seed", 7, "--seed")``."""

    key: str
    value: Any
    flag: str


class Loaded(NamedTuple):
    """``origins``: dotted key of each effective value → ``default``, ``file:line`` or option."""

    settings: Settings
    origins: dict[str, str]


def load(
    path: Path | str | None = None,
    *,
    options: Iterable[Option] = (),
    sets: Iterable[str] = (),
    plugins: Plugins | None = None,
    environment: Mapping[str, str] | None = None,
) -> Loaded:
    """Read the configuration through all its layers.

    Args:
        path: the TOML file; None for none.
        sets: ``NAME.key=value``; a value that is not TOML is text.
        plugins: whose sections and names are checked; without them any section is accepted.
    Raises:
        ConfigError: everything that is wrong, each with where it stands.
    """
    layers = Layers()
    if path is not None:
        layers.add_file(Path(path))
    variables = os.environ if environment is None else environment
    for text in filter(None, map(str.strip, variables.get(ENVIRONMENT, "").split(";"))):
        layers.add_set(text, ENVIRONMENT)
    for option in options:
        layers.add(tuple(option.key.split(".")), option.value, Place(f"option {option.flag}"))
    for text in sets:
        layers.add_set(text, "--set")
    reader = Reader(layers)
    settings = _read(reader, plugins)
    problems = layers.problems + reader.problems
    if problems:
        raise _error(problems)
    return Loaded(settings, {".".join(k): layers.where(k) for k, _ in leaves(tree(settings))})


def tree(settings: Settings) -> dict[str, Any]:
    """Return the values by section as TOML has them; decimals stay ``Decimal``."""
    plain = plain_values(settings)
    sections: dict[str, Any] = plain.pop("sections")
    return plain | sections


def plain_values(record: msgspec.Struct) -> dict[str, Any]:
    """A record as plain values, in an order that is always the same."""
    kept = (Decimal, date, time)
    plain: dict[str, Any] = msgspec.to_builtins(record, builtin_types=kept, order="deterministic")
    return plain


def leaves(values: Mapping[str, Any], above: Key = ()) -> Iterator[tuple[Key, Any]]:
    """Yield (key, value) of each value that is set, tables opened."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from leaves(value, (*above, name))
        elif value is not None:
            yield (*above, name), value


def to_toml(settings: Settings) -> str:
    """Return the effective configuration for ``run.toml``: it loads back equal, secrets masked."""
    open_tables = {name: _masked(table) for name, table in settings.sections.items()}
    return toml.dump(tree(settings) | open_tables)


def json_schema(plugins: Plugins) -> dict[str, Any]:
    """Return the JSON Schema of the configuration, with the sections of ``plugins``."""
    sections: dict[str, type[msgspec.Struct]] = plugins.sections() | _core_sections()
    properties = {name: record_schema(kind) for name, kind in sections.items()}
    properties["instruments"] = {
        "type": "object", "additionalProperties": record_schema(InstrumentSettings),
    }
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of Ida",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }
    return dict(msgspec.json.decode(msgspec.json.encode(schema)))


def _core_sections() -> dict[str, type[msgspec.Struct]]:
    return {"run": RunSettings, "data": DataSettings, "journal": JournalSettings}


def _read(reader: Reader, plugins: Plugins | None) -> Settings:
    """Make the settings; where something is wrong the reader has problems and defaults stand in."""
    values = reader.layers.values
    run = reader.record(("run",), values.get("run", {}), RunSettings) or RunSettings()
    _report_doubles(reader, run)
    return Settings(
        run=_with_known_names(reader, run, plugins),
        data=reader.record(("data",), values.get("data", {}), DataSettings) or DataSettings(),
        journal=reader.record(("journal",), values.get("journal", {}), JournalSettings)
        or JournalSettings(),
        instruments=_instruments(reader, values.get("instruments", {})),
        sections=_sections(reader, run, plugins),
    )


def _instruments(reader: Reader, raw: Any) -> dict[str, InstrumentSettings]:
    if not isinstance(raw, Mapping):
        reader.report(("instruments",), "instruments: expected tables [instruments.SYMBOL]")
        return {}
    found = {
        symbol: reader.record(("instruments", symbol), table, InstrumentSettings)
        for symbol, table in raw.items()
    }
    return {symbol: record for symbol, record in found.items() if record is not None}


def _sections(
    reader: Reader, run: RunSettings, plugins: Plugins | None
) -> dict[str, dict[str, Any]]:
    """The plugins' sections with their defaults: those written down and those of what runs."""
    core = (*_core_sections(), "instruments")
    raw = {name: table for name, table in reader.layers.values.items() if name not in core}
    kinds = plugins.sections() if plugins else {}
    used = (run.exchange, *run.feed, *run.strategies, *run.risk, *run.reports)
    for name in used:
        if name in kinds and kinds[name].__struct_fields__:
            raw.setdefault(name, {})
    found: dict[str, dict[str, Any]] = {}
    for name, table in raw.items():
        if not isinstance(table, Mapping):
            reader.report((name,), f"{name!r} stands outside any section")
        elif name in kinds:
            record = reader.record((name,), table, kinds[name])
            found[name] = plain_values(record) if record is not None else {}
        elif plugins and plugins.complete:
            hint = suggestion(name, {*kinds, *core})
            reader.report((name,), f"unknown section [{name}]{hint}")
        else:
            found[name] = dict(table)
    return found


def _report_doubles(reader: Reader, run: RunSettings) -> None:
    """What is named twice would run twice, and share its name with itself."""
    for key in ("symbols", "strategies", "risk", "reports", "feed"):
        names: _Names = getattr(run, key)
        for name in dict.fromkeys(name for name in names if names.count(name) > 1):
            reader.report(("run", key), f"run.{key}: {name!r} is named {names.count(name)} times; once is enough")
        if "" in names:
            reader.report(("run", key), f"run.{key}: an empty name")


def _with_known_names(reader: Reader, run: RunSettings, plugins: Plugins | None) -> RunSettings:
    """Check each name in [run]; a default whose plugin was left out on request is dropped."""
    if plugins is None:
        return run
    _check_name(reader, plugins, "exchange", run.exchange)
    _check_feeds(reader, run, plugins)
    named = {"strategies": "strategies", "risk": "risk_checks", "reports": "reporters"}
    changes: dict[str, _Names] = {}
    for key, kind in named.items():
        names: _Names = getattr(run, key)
        if reader.layers.where(("run", key)) == "default" and not plugins.complete:
            changes[key] = tuple(name for name in names if name in getattr(plugins, kind))
            continue
        for name in names:
            _check_name(reader, plugins, key, name, kind)
    return msgspec.structs.replace(run, **changes)


def _check_feeds(reader: Reader, run: RunSettings, plugins: Plugins) -> None:
    """Names are known, and a live feed stands alone: there is one clock, and its time is real."""
    known = {**plugins.feeds, **plugins.live_feeds, SYNTHETIC: None}
    for word in run.feed:
        if word not in known and _is_bare(word):
            reader.report(("run", "feed"), f"no feed is called {word!r}, nor is a file{suggestion(word, known)}")
            seen = {problem.text for problem in reader.problems}
            skipped = (f"skipped plugin {s.name} ({s.origin}): {s.why}" for s in plugins.skipped)
            reader.problems += [Problem(None, text) for text in skipped if text not in seen]
    live = [word for word in run.feed if word in plugins.live_feeds]
    if not live:
        if run.record is not None:
            reader.report(("run", "record"), "run.record: only what a live feed receives can be recorded")
        return
    others = [word for word in run.feed if word not in plugins.feeds and word != live[0]]
    if others:
        reader.report(("run", "feed"), f"run.feed: {live[0]!r} is live and stands alone; leave out {', '.join(others)}")
    if run.speed != "max":
        reader.report(("run", "speed"), f"run.speed = {run.speed:g}: {live[0]!r} is live, so time is as fast as it is")


def _is_bare(word: str) -> bool:
    """It reads as a name, and no file or folder is called so."""
    return re.fullmatch(r"[\w-]+", word) is not None and not Path(word).exists()


def _check_name(
    reader: Reader, plugins: Plugins, key: str, name: str, kind: str = "venues"
) -> None:
    try:
        plugins.lookup(kind, name)
    except PluginError as error:
        reader.report(("run", key), str(error))
        seen = {problem.text for problem in reader.problems}
        reader.problems += [Problem(None, text) for text in error.problems if text not in seen]


def _masked(node: Any, secret: bool = False) -> Any:
    if isinstance(node, Mapping):
        return {k: _masked(v, secret or bool(_SECRET.search(k))) for k, v in node.items()}
    if isinstance(node, list | tuple):
        return [_masked(item, secret) for item in node]
    return MASK if secret and isinstance(node, str) and node else node


def _error(problems: list[Problem]) -> ConfigError:
    def rank(problem: Problem) -> tuple[int, str, int]:
        place = problem.place
        if place is None:
            return 2, "", 0
        return (0, place.source, place.line) if place.line else (1, "", 0)

    texts = [str(problem) for problem in sorted(problems, key=rank)]
    count = "1 problem" if len(texts) == 1 else f"{len(texts)} problems"
    return ConfigError(f"the configuration has {count}", code="IDA-E3001", problems=texts)
