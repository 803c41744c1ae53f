"""From settings to a finished run directory: build the parts, run the engine, fold the journal, write the reports.

A run directory holds ``run.toml`` (the effective configuration), ``journal/``, ``log.jsonl`` and ``report/``.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
import tomllib
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import trio

from ida_core import __version__
from ida_core.arming import LIVE, NO_WORD, Armed, Word, admit
from ida_core.clock import LiveClock, SimulatedClock
from ida_core.config import Settings, to_toml
from ida_core.continued import Continued
from ida_core.engine import TIMED_ONE_IN, Engine, Keeper, Stop
from ida_core.errors import (
    EXIT_BUG,
    EXIT_CONFIG,
    EXIT_DATA,
    EXIT_DONE,
    EXIT_INTERRUPTED,
    EXIT_RISK,
    EXIT_VENUE,
    ConfigError,
    IdaError,
    OutputError,
    sole,
)
from ida_core.events import Note
from ida_core.interrupts import Interrupted
from ida_core.journal import JournalWriter, Timing
from ida_core.ledger import Ledger
from ida_core.live_engine import LIVE_TIMED_ONE_IN, LiveEngine
from ida_core.log import Log
from ida_core.making import check_callable
from ida_core.model import plain
from ida_core.nearest import suggestion
from ida_core.order_table import OrderTable
from ida_core.plugins import Plugins
from ida_core.portfolio import Portfolio
from ida_core.protocols import FeedPlugin, LiveFeed, LiveSetup, Plugin, RiskCheck, Strategy, Venue, VenueSetup
from ida_core.rates import MarketRates
from ida_core.recovery import at_work, former_run
from ida_core.report import Report, load as load_report
from ida_core.reporting import write_reports
from ida_core.subscriptions import book_wish
from ida_core.timings import quantiles
from ida_core.trace import Trace
from ida_core.words import INTERRUPTED

ORDER_PREFIX = "ida"
TERMINAL = "console"
"""The reporter that writes nothing: the command line lets it print when all else is done."""


class Progress(msgspec.Struct, frozen=True):
    """How far a run has come: market records, simulated time and its bounds, records per second; ``what``: the worse
    case that is being re-run, empty for the run itself."""

    events: int
    now_ns: int
    first_ns: int
    last_ns: int | None
    rate: float
    what: str = ""


class Outcome(msgspec.Struct, frozen=True):
    """What a run came to; ``failed_reports``: reporters that raised, each in a sentence; ``ended``: why, and its code
    where an error ended it."""

    exit_code: int
    run_dir: Path
    report: Report
    failed_reports: tuple[str, ...] = ()
    ended: Stop = Stop("")

    @property
    def document(self) -> dict[str, Any]:
        """The contract of ``ida run --json``."""
        return self.report.document()

    @property
    def warnings(self) -> list[str]:
        """What must be known before any figure is believed."""
        return [*self.document["warnings"], *self.failed_reports]


class Parts(msgspec.Struct):
    """What a run is made of, each built with its own section of the settings."""

    venue: Any
    strategies: list[Strategy]
    checks: list[RiskCheck]
    feeds: list[FeedPlugin]
    armed: Armed | None = None


def build_parts(settings: Settings, plugins: Plugins, venue_config: Any = None, word: Word | None = None) -> Parts:
    """Build venue, strategies and risk checks.

    Args:
        venue_config: stands in for the venue's section in a re-run.
        word: what LIVE is armed by, where it is to trade; None: it is only looked at.
    """
    strategies, checks = build_plugins(settings, plugins)
    armed = None
    if word is not None and plugins.lookup("venues", settings.run.exchange).mode == LIVE:
        armed = admit(settings, checks, word)
        checks += armed.checks()
    feeds = [settings.build(plugins.feeds[name]) for name in settings.run.feed if name in plugins.feeds]
    venue = build_venue(settings, plugins, settings.run.exchange, venue_config)
    try:
        _check_symbols([*strategies, *checks], [i.name for i in venue.instruments()])
    except BaseException:
        venue.close()
        raise
    return Parts(venue, strategies, checks, feeds, armed)


def build_venue(settings: Settings, plugins: Plugins, name: str, config: Any = None) -> Any:
    """Build the venue of a name, with its own section or ``config``, and what else of the settings concerns it."""
    venue_class = plugins.lookup("venues", name)
    run = settings.run
    live = _live_feed(settings, plugins)
    names = {*plugins.feeds, *plugins.live_feeds}
    venue = venue_class.build(VenueSetup(
        config=config or settings.section(name, venue_class.Config), symbols=run.symbols, seed=run.seed,
        feed=tuple(word for word in run.feed if word not in names), instruments=_overrides(settings),
        on_damage=settings.data.on_damage, duration_s=run.duration_s, recordings=tuple(plugins.recordings.values()),
        build_other=lambda other: build_venue(settings, plugins, other), live=live,
    ))
    if live is not None and venue.simulated:
        venue.close()
        raise ConfigError(f"exchange {name!r} goes by simulated time and cannot trade on a live feed", code="IDA-E3000")
    return venue


def _live_feed(settings: Settings, plugins: Plugins) -> Callable[[], LiveFeed] | None:
    """What builds the live feed that the settings name."""
    run = settings.run
    kind = next((plugins.live_feeds[word] for word in run.feed if word in plugins.live_feeds), None)
    if kind is None:
        return None
    return lambda: kind.build(LiveSetup(
        config=settings.section(kind.name, kind.Config), symbols=run.symbols, instruments=_overrides(settings),
        record=Path(run.record) if run.record is not None else None))


def _check_symbols(plugins: Iterable[Any], traded: Sequence[str]) -> None:
    """A limit for a misspelt symbol would hold for nothing: keys of a setting ``symbols`` must be traded."""
    for plugin in plugins:
        for symbol in getattr(plugin.config, "symbols", None) or ():
            if symbol not in traded:
                raise ConfigError(
                    f"{plugin.name}.symbols: {symbol} is not traded in this run{suggestion(symbol, traded)}",
                    code="IDA-E3004")


def build_plugins(settings: Settings, plugins: Plugins) -> tuple[list[Strategy], list[RiskCheck]]:
    """Build the strategies and risk checks that the settings name, each with its own section."""
    if not settings.run.strategies:
        raise ConfigError("no strategy was named: --strategy NAME, or strategies in [run]", code="IDA-E3003")
    strategies = [settings.build(plugins.lookup("strategies", name)) for name in settings.run.strategies]
    checks = [settings.build(plugins.lookup("risk_checks", name)) for name in settings.run.risk]
    for strategy in strategies:
        check_callable(strategy, Strategy, (name for name in vars(Strategy) if name.startswith("on_")))
        book_wish(strategy)
    for check in checks:
        check_callable(check, RiskCheck, ("check", "halt"))
    return strategies, checks


def _overrides(settings: Settings) -> dict[str, dict[str, Any]]:
    return {symbol: own.given() for symbol, own in settings.instruments.items()}


def build_engine(
    settings: Settings, venue: Venue, strategies: Sequence[Strategy], checks: Sequence[RiskCheck], log: Log,
    journal: Keeper | None, feeds: Sequence[FeedPlugin] = (), speed: float | None = None,
    timed_one_in: int = TIMED_ONE_IN, trace: Trace | None = None, prefix: str = ORDER_PREFIX,
    continued: Continued | None = None,
) -> Engine:
    """An engine with fresh orders, portfolio and ledger, or those of a former run; ``journal`` keeps inputs and
    requests."""
    instruments = venue.instruments()
    ledger = Ledger(instruments)
    for asset, (free, locked) in venue.balances().items() if continued is None else ():
        ledger.post_opening(asset, free + locked)
    given = {asset: Decimal(rate) for asset, rate in venue.description().get("rates", {}).items()}
    markets = [venue.market(index) for index in range(len(instruments))]
    rates = MarketRates(instruments[0].settle, given, instruments, markets)
    orders, portfolio = OrderTable(prefix), Portfolio(instruments, rates)
    if continued is not None:
        continued.begin(orders, portfolio, ledger)
    portfolio.capital = ledger.balance(instruments[0].settle)
    kind = Engine if venue.simulated else LiveEngine
    return kind(
        venue, strategies, checks, orders=orders, log=log, journal=journal, portfolio=portfolio, ledger=ledger,
        seed=settings.run.seed,
        clock=SimulatedClock(venue.start_ns()) if venue.simulated else LiveClock(), feeds=feeds, speed=speed,
        timed_one_in=timed_one_in if venue.simulated else LIVE_TIMED_ONE_IN, trace=trace,
        residual_limit=settings.run.residual_limit,
    )


def order_prefix(venue: Venue, run_id: str) -> str:
    """What the run's client order ids begin with: on an account no two runs may share one, and the run is to be found
    again from an order; where there is none, equal runs have equal ids."""
    return ORDER_PREFIX + run_id.replace("-", "") if getattr(venue, "account", "") else ORDER_PREFIX


def execute(
    settings: Settings, plugins: Plugins, *, progress: Callable[[Progress], None] | None = None,
    word: Word = NO_WORD,
) -> Outcome:
    """Run to the end and write everything. What is wrong before the run begins leaves no run directory behind."""
    started = datetime.now(UTC)
    refuse_mixed(Path(settings.run.out), settings.run.exchange, plugins)
    parts = build_parts(settings, plugins, word=word)
    with closing(parts.venue):
        run_id = f"{started:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        former = _former_of(settings, parts)
        run_dir = _make_run_dir(Path(settings.run.out), run_id, settings)
        with Log(run_dir / "log.jsonl", run_id, settings.run.log_level) as log, at_work(run_dir):
            stop, engine = _run_logged(settings, parts, plugins, run_dir, log, started, progress, former)
    if _wants_worst_cases(settings):
        _write_worst_cases(settings, plugins, parts, run_dir, engine, progress)
    return _report(run_dir, plugins, settings, stop, engine)


def _former_of(settings: Settings, parts: Parts) -> Continued | None:
    """The run of the same account that did not end in order, if the newest did not."""
    account = getattr(parts.venue, "account", "")
    if not account:
        return None
    return former_run(
        Path(settings.run.out), parts.venue.name, account, parts.venue.instruments(),
        [strategy.name for strategy in parts.strategies])


def refuse_mixed(out: Path, exchange: str, plugins: Plugins) -> None:
    """Keep apart what was simulated, what was played with and what was real: a folder is of one environment.

    Raises:
        ConfigError: the newest run in ``out`` is of another.
    """

    def environment(name: str) -> str:
        mode = plugins.venues[name].mode if name in plugins.venues else "SIM"
        return "the simulated exchange" if mode == "SIM" else name

    newest = max(out.glob("*/run.toml"), default=None)
    try:
        found = tomllib.loads(newest.read_text(encoding="utf-8")) if newest is not None else {}
        other = str(found.get("run", {}).get("exchange", exchange))
    except (OSError, ValueError):
        return  # not one of ours, or damaged: it says nothing
    if environment(other) != environment(exchange):
        raise ConfigError(
            f"{out} holds runs of {environment(other)}, and this is one of {environment(exchange)}: environments never "
            f"share a folder; say --out runs-{exchange}", code="IDA-E3023")


def _make_run_dir(out: Path, run_id: str, settings: Settings) -> Path:
    run_dir = out / run_id
    try:
        (run_dir / "journal").mkdir(parents=True)
        (run_dir / "report").mkdir()
        (run_dir / "run.toml").write_text(to_toml(settings), encoding="utf-8")
    except OSError as error:
        shutil.rmtree(run_dir, ignore_errors=True)
        raise OutputError(
            f"run directory {run_dir} cannot be made: {error.strerror}; name a folder that can be written: --out DIR",
            code="IDA-E7201") from error
    return run_dir


def _run_logged(
    settings: Settings, parts: Parts, plugins: Plugins, run_dir: Path, log: Log, started: datetime,
    progress: Callable[[Progress], None] | None, former: Continued | None,
) -> tuple[Stop, Engine]:
    try:
        with JournalWriter(
            run_dir / "journal", run_dir.name, segment_bytes=settings.journal.segment_mib << 20,
            sync=settings.journal.sync,
        ) as journal:
            parts.venue.attach(journal)
            try:
                return _run_journaled(settings, parts, plugins, journal, log, started, progress, former)
            finally:
                parts.venue.attach(None)  # whatever the venue does from here on, the journal is closed
    except IdaError as error:
        log.error("stopped", code=error.code, text=str(error))
        raise


def _run_journaled(
    settings: Settings, parts: Parts, plugins: Plugins, journal: JournalWriter, log: Log, started: datetime,
    progress: Callable[[Progress], None] | None, former: Continued | None,
) -> tuple[Stop, Engine]:
    speed = None if settings.run.speed == "max" else float(settings.run.speed)
    engine = build_engine(
        settings, parts.venue, parts.strategies, parts.checks, log, journal, parts.feeds, speed,
        trace=Trace.wanted(os.environ), prefix=order_prefix(parts.venue, journal.folder.parent.name), continued=former)
    journal.append(_start_note(settings, parts, plugins, journal.folder.parent.name, former))
    if former is not None:
        log.warning("continues", former=former.run, orders=len(former.orders), orphans=former.orphans,
                    damage=former.damage)
    if progress is not None:
        engine.on_progress = _teller(parts.venue, progress)
    began = time.perf_counter()
    stop = run_engine(engine)
    elapsed_s = time.perf_counter() - began
    journal.append(_end_note(engine, stop))
    journal.append(_timing(engine, journal.folder.parent.name, started, elapsed_s))
    return stop, engine


def run_engine(engine: Engine) -> Stop:
    """Run Trio on the engine's clock; a group of exceptions with one cause becomes that cause."""
    try:
        return trio.run(engine.run, clock=engine.clock)
    except BaseExceptionGroup as group:
        cause = sole(group)
        if isinstance(cause, Interrupted):
            return Stop(f"{INTERRUPTED} twice", EXIT_INTERRUPTED)
        raise cause from None


def _teller(venue: Venue, progress: Callable[[Progress], None], what: str = "") -> Callable[[], None]:
    began, first_ns, last_ns = time.perf_counter(), venue.start_ns(), venue.last_ns()

    def tell() -> None:
        rate = venue.events / max(time.perf_counter() - began, 1e-9)
        progress(Progress(venue.events, venue.now_ns, first_ns, last_ns, rate, what))

    return tell


# ------------------------------------------------------------------ the journal's first and last records


def _start_note(
    settings: Settings, parts: Parts, plugins: Plugins, run_id: str, former: Continued | None,
) -> Note:
    venue: Venue = parts.venue
    instruments = venue.instruments()
    data = {
        "schema": 1, "mode": venue.mode, "exchange": venue.name, "seed": settings.run.seed,
        "symbols": [i.name for i in instruments], "instruments": [msgspec.to_builtins(i) for i in instruments],
        "strategies": [_described(plugins, "strategies", s) for s in parts.strategies],
        "signals": [_described(plugins, "feeds", f) for f in parts.feeds],
        "risk": [c.name for c in parts.checks],
        "limits": {c.name: msgspec.to_builtins(c.config) or {} for c in parts.checks},
        "reports": list(settings.run.reports), "balances": _balances(venue), "assumptions": dict(venue.assumptions()),
        "currency": instruments[0].settle, **venue.description(),
    }
    if account := getattr(venue, "account", ""):
        data |= {"account": account, "order_prefix": order_prefix(venue, run_id)}
    if parts.armed is not None:
        data["armed"] = msgspec.to_builtins(parts.armed)
    if former is not None:
        data["continues"] = msgspec.to_builtins(former)
    return Note(ts_local_ns=venue.start_ns(), what="start", data=data)


def _described(plugins: Plugins, kind: str, plugin: Plugin) -> dict[str, Any]:
    info = plugins.info_of(kind, plugin.name)
    version = info.version if info else __version__
    return {"name": plugin.name, "version": version, "config": msgspec.to_builtins(plugin.config)}


def _balances(venue: Venue) -> dict[str, list[str]]:
    return {asset: [plain(free), plain(locked)] for asset, (free, locked) in sorted(venue.balances().items())}


def residuals(engine: Engine) -> dict[str, Decimal]:
    """Assets in which the venue's balance is not start + fills - fees + funding, and by how much; on an account, in
    its newest snapshot."""
    if engine.has_account:
        return dict(engine.account.residuals)
    return {a: r for a, r in engine.ledger.check(engine.venue.balances()).items() if r}


def _end_note(engine: Engine, stop: Stop) -> Note:
    """What only the venue can warn of; the rest of the warnings the report finds in the journal itself."""
    venue = engine.venue
    data = {
        "reason": stop.reason, "balances": _balances(venue), "warnings": list(venue.warnings()),
        "ledger_residual": {asset: plain(value) for asset, value in sorted(residuals(engine).items())},
        "open_orders": [o.order_id for o in engine.orders.open()],
    }
    off_grid = {name: dict(counts) for name, counts in getattr(venue, "off_grid", dict)().items()}
    return Note(ts_local_ns=venue.now_ns, what="end", data={**data, "off_grid": off_grid} if off_grid else data)


def _timing(engine: Engine, run_id: str, started: datetime, elapsed_s: float) -> Timing:
    latency = dict(engine.venue.timings())
    latency |= {name: quantiles([one])._asdict() for name, one in engine.latency.items() if one}
    return Timing(ts_local_ns=engine.venue.now_ns, what="run", data={
        "run_id": run_id, "started": started.isoformat(timespec="seconds"), "elapsed_s": round(elapsed_s, 6),
        "throughput_eps": round(engine.venue.events / max(elapsed_s, 1e-9), 1), "latency_us": latency,
        "plugin_time": engine.times.told(max(elapsed_s, 1e-9)),
    })


# ------------------------------------------------------------------ worst cases and reports


def _wants_worst_cases(settings: Settings) -> bool:
    return settings.run.worst_cases and bool({"html", "console"} & set(settings.run.reports))


def _write_worst_cases(
    settings: Settings, plugins: Plugins, parts: Parts, run_dir: Path, headline: Engine,
    progress: Callable[[Progress], None] | None,
) -> None:
    """Re-run with one assumption worse at a time, without a journal; beside the headline in the reports."""
    cases = getattr(parts.venue, "worst_cases", None)
    is_part = headline.stop_wanted is not None and headline.stop_wanted.reason != headline.all_done
    if cases is None or is_part or not parts.venue.simulated:
        return
    rows = [{"name": "as run", "what": "the headline", **_figures(headline)}]
    for case in cases():
        again = build_parts(settings, plugins, venue_config=case.config)
        with closing(again.venue):
            engine = build_engine(
                settings, again.venue, again.strategies, again.checks, Log.silent(), None, again.feeds)
            if progress is not None:
                engine.on_progress = _teller(again.venue, progress, case.name)
            ended = run_engine(engine).reason
            if ended.startswith(INTERRUPTED):
                break  # figures of half a run stand beside nothing
            rows.append({"name": case.name, "what": case.what, "ended": ended, **_figures(engine)})
    (run_dir / "report" / "worst_cases.json").write_bytes(msgspec.json.format(msgspec.json.encode(rows)))


def _figures(engine: Engine) -> dict[str, Any]:
    total = engine.result()
    return {
        "fills": total.fills, "net": plain(total.net), "fees": plain(total.fees), "currency": total.currency,
        "position": {i.name: plain(p) for i, p in zip(engine.instruments, total.positions, strict=True)},
    }


def _report(
    run_dir: Path, plugins: Plugins, settings: Settings, stop: Stop, engine: Engine,
) -> Outcome:
    report = load_report(run_dir)
    names = [name for name in settings.run.reports if name != TERMINAL]
    written = write_reports(report, plugins, settings, names, run_dir / "report")
    return Outcome(_exit_code(stop, engine), run_dir, report, written.failures, stop)


def _exit_code(stop: Stop, engine: Engine) -> int:
    if stop.exit_code != EXIT_DONE:
        return stop.exit_code
    if engine.failures:
        return EXIT_CONFIG
    if engine.halts:
        return EXIT_RISK  # of what came to light when the run was ending
    if residuals(engine):
        return EXIT_VENUE if engine.has_account else EXIT_BUG
    if engine.has_account and not all(order.foreign for order in engine.orders.open()):
        return EXIT_VENUE  # they could not be canceled, or nobody answered: somebody must look
    markets = [engine.venue.market(i) for i in range(len(engine.instruments))]
    # live, a book may just be waiting for its snapshot when the run is stopped
    known = all(market.synced if engine.venue.simulated else market.applied for market in markets)
    return EXIT_DONE if known else EXIT_DATA


__all__ = [
    "Outcome", "Progress", "build_engine", "build_parts", "build_plugins", "build_venue", "execute", "run_engine",
]
