"""What the commands of ``ida`` do, once their arguments are parsed. Each returns its exit code."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from decimal import Decimal, InvalidOperation
from functools import partial
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any

import click
import msgspec

from ida_core import failure, terminal
from ida_core.arming import LIVE, NO_WORD, USUAL_S, Word, make_token
from ida_core.codes import CODES
from ida_core.config import Loaded, Option, Settings, json_schema, leaves, load, tree
from ida_core.errors import EXIT_CONFIG, EXIT_DATA, EXIT_DONE, DataError, OutputError, PluginError, UsageError
from ida_core.model import plain
from ida_core.plugins import KINDS, LEFT_OUT, PluginInfo, Plugins, load_plugins
from ida_core.toml import parse_value

if TYPE_CHECKING:
    from ida_core.comparison import Comparison
    from ida_core.protocols import Venue
    from ida_core.replay import ReplayOutcome
    from ida_core.report import Report
    from ida_core.run import Outcome

Given = Mapping[str, Any]

#: Options of ``ida run`` → the key that they set.
_KEYS = {
    "exchange": "run.exchange", "feed": "run.feed", "symbol": "run.symbols",
    "strategy": "run.strategies", "risk": "run.risk", "report": "run.reports", "seed": "run.seed",
    "speed": "run.speed", "duration": "run.duration_s", "out": "run.out", "record": "run.record",
}
#: A short horizon: it quotes near the others, so that five minutes have something to show. Fees still eat it.
DEMO = {"feed": ("synthetic",), "strategy": ("market_maker",), "sets": ("market_maker.horizon_s=1",)}
DEMO_S = 300.0
LAST = "LAST"
"""In place of a run's own name: the youngest in its folder."""
#: So many orders of a kind are shown to people.
MOST_SHOWN = 20
#: What ``ida compare`` puts side by side: the sections of the run's document.
_COMPARED = ("pnl", "performance", "fills", "orders", "risk", "assumptions")


def _plugins(given: Given) -> Plugins:
    return load_plugins(given.get("plugins_dir", ()), given.get("no_plugin", ()))


def _plugins_told(given: Given) -> Plugins:
    """The plugins of a run; one that could not be loaded, and will not be missed, is told."""
    found = _plugins(given)
    for skipped in found.skipped:
        if skipped.why != LEFT_OUT:
            terminal.warn(f"plugin {skipped.name} was skipped: {skipped.why}")
    return found


def _settings(given: Given, plugins: Plugins) -> Loaded:
    options = [
        Option(key, _typed(name, given[name]), f"--{name}")
        for name, key in _KEYS.items()
        if given.get(name) not in (None, ())
    ]
    options += _feed_options(given, plugins)
    return load(given.get("config"), options=options, sets=given.get("sets", ()), plugins=plugins)


def _feed_options(given: Given, plugins: Plugins) -> list[Option]:
    """What options of live feeds set: in the section of the one that is named, as a feed or as the exchange of that
    name, or of each that has the option."""
    words = (*given.get("feed", ()), given.get("exchange"))
    named = [kind for word, kind in plugins.live_feeds.items() if word in words]
    return [
        Option(f"{kind.name}.{kind.options[flag]}", parse_value(text), flag)
        for flag, text in given.get("feed_options", ())
        for kind in named or plugins.live_feeds.values()
        if flag in kind.options
    ]


def _typed(name: str, value: Any) -> Any:
    return parse_value(value) if name == "speed" else value


# ---------------------------------------------------------------- runs


def run(given: Given, as_json: bool) -> int:
    plugins = _plugins_told(given)
    asks = sys.stdin.isatty() and sys.stderr.isatty() and not as_json
    word = Word(given.get("arm"), partial(click.prompt, prompt_suffix="", err=True, default="") if asks else None)
    return _execute(_settings(given, plugins).settings, plugins, as_json, word)


def demo(given: Given, as_json: bool) -> int:
    duration = given.get("duration") or DEMO_S
    return run({**given, **DEMO, "duration": duration}, as_json)


def _execute(settings: Settings, plugins: Plugins, as_json: bool, word: Word = NO_WORD) -> int:
    from ida_core.run import execute

    if not as_json:
        mode = plugins.lookup("venues", settings.run.exchange).mode
        names = ", ".join(settings.run.strategies) or "no strategy"
        live = next((f", live prices of {word}" for word in settings.run.feed if word in plugins.live_feeds), "")
        click.echo(f"{terminal.mode(mode, sys.stderr)}: {names} on {settings.run.exchange}{live}", err=True)
    with redirect_stdout(sys.stderr), terminal.progress(quiet=as_json) as progress:
        outcome = execute(settings, plugins, progress=progress, word=word)
    on_terminal = "console" in settings.run.reports and not as_json
    for text in outcome.failed_reports if on_terminal else outcome.warnings:
        terminal.warn(text)
    if as_json:
        terminal.print_json(outcome.document)
    else:
        _show_run(outcome, plugins, on_terminal)
    if outcome.ended.code:
        failure.tell(outcome.ended.reason, outcome.ended.code)
    return outcome.exit_code


def _show_run(outcome: Outcome, plugins: Plugins, on_terminal: bool) -> None:
    folder = outcome.run_dir / "report"
    if on_terminal:
        plugins.lookup("reporters", "console")().write(outcome.report, folder)
    click.echo(f"run: {outcome.run_dir}")
    for page in sorted(folder.glob("*.html")):
        click.echo(f"report: {page}")


def plan(given: Given, as_json: bool) -> int:
    plugins = _plugins_told(given)
    settings = _settings(given, plugins).settings
    document = _planned(settings, plugins)
    if given.get("arm"):
        document["arming"] = _arming(settings, plugins, given)
    if as_json:
        terminal.print_json({"schema": 1, "plan": document})
    else:
        _show_plan(document)
    return EXIT_DONE


def _arming(settings: Settings, plugins: Plugins, given: Given) -> dict[str, Any]:
    """A token for a run of this plan."""
    if plugins.lookup("venues", settings.run.exchange).mode != LIVE:
        raise UsageError(f"--arm is for LIVE: {settings.run.exchange} needs none")
    try:
        cap, hours = Decimal(given.get("cap") or ""), given.get("hours")
    except InvalidOperation:
        raise UsageError("--arm needs --cap AMOUNT: how much may be under way at a time, in quote units") from None
    seconds = USUAL_S if hours is None else hours * 3600
    return {"token": make_token(settings, cap, seconds), "cap": plain(cap), "hours": seconds / 3600}


def _planned(settings: Settings, plugins: Plugins) -> dict[str, Any]:
    """What a run would be made of. Builds its parts, so what would stop a run stops the plan."""
    from ida_core.run import build_parts

    run = settings.run
    venue = build_parts(settings, plugins).venue
    try:
        account = _account(venue)
    finally:
        venue.close()
    return {
        "mode": venue.mode,
        "exchange": run.exchange,
        "feed": list(run.feed),
        **account,
        "venue": _part(settings, plugins, "venues", run.exchange),
        "strategies": [_part(settings, plugins, "strategies", name) for name in run.strategies],
        "risk": [_part(settings, plugins, "risk_checks", name) for name in run.risk],
        "reports": [_part(settings, plugins, "reporters", name) for name in run.reports],
        "seed": run.seed,
        "speed": run.speed,
        "duration_s": run.duration_s,
        "out": run.out,
        "journal": msgspec.to_builtins(settings.journal),
    }


def _account(venue: Venue) -> dict[str, Any]:
    """What there is to trade, with what, and under which assumptions."""
    return {
        "symbols": [instrument.name for instrument in venue.instruments()],
        "balances": {asset: plain(free + locked) for asset, (free, locked) in venue.balances().items()},
        "assumptions": dict(venue.assumptions()),
        "account": dict(getattr(venue, "about_account", dict)()),
    }


def _part(settings: Settings, plugins: Plugins, kind: str, name: str) -> dict[str, Any]:
    """One plugin of the plan: its version, where it comes from, its settings."""
    info = plugins.info_of(kind, name)
    section = settings.sections.get(name, {})
    return {
        "name": name,
        "version": info.version if info else "",
        "plugin": info.name if info else "",
        "origin": info.origin if info else "",
        "settings": {".".join(key): str(value) for key, value in leaves(section)},
    }


def _show_plan(plan: Mapping[str, Any]) -> None:
    click.echo(f"{terminal.mode(plan['mode'])}: nothing is ordered by `ida plan`\n")
    head = ("exchange", "symbols", "feed", "seed", "speed", "duration_s", "out")
    balances = ", ".join(f"{amount} {asset}" for asset, amount in plan["balances"].items())
    pairs = [(name, _shown(plan[name], empty="all that there is")) for name in head]
    click.echo(terminal.pairs([*pairs, ("balances", balances), *plan["account"].items()]))
    click.echo(f"\nassumed\n{terminal.pairs(list(plan['assumptions'].items()))}")
    for kind in ("venue", "strategies", "risk", "reports"):
        parts = plan[kind] if isinstance(plan[kind], list) else [plan[kind]]
        rows = [(p["name"], p["version"], p["plugin"], _shown_settings(p)) for p in parts]
        click.echo(f"\n{terminal.table((kind, 'version', 'plugin', 'settings'), rows) if rows else f'{kind}: none'}")
    if arming := plan.get("arming"):
        click.echo(f"\narmed for {arming['hours']:g} h, with a cap of {arming['cap']}, by: --arm {arming['token']}")


def _shown(value: object, empty: str = "none") -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or empty
    return "-" if value is None else str(value)


def _shown_settings(part: Mapping[str, Any]) -> str:
    return ", ".join(f"{k}={v}" for k, v in part["settings"].items()) or "-"


def replay(run_dir: Path, given: Given, as_json: bool) -> int:
    run_dir = _run_folder(run_dir)
    from ida_core.replay import replay as replay_run

    with redirect_stdout(sys.stderr):
        outcome = replay_run(run_dir, _plugins(given), given["sets"])
    if as_json:
        fields = ("same", "requests", "difference", "complete")
        terminal.print_json({"schema": 1, "replay": {f: getattr(outcome, f) for f in fields}})
    elif outcome.same:
        click.echo(f"same: {outcome.requests} requests, each as it was journaled{_up_to(outcome)}")
    else:
        click.echo(f"different after {outcome.requests} equal requests:\n  {outcome.difference}")
    return outcome.exit_code


def _up_to(outcome: ReplayOutcome) -> str:
    return "" if outcome.complete else ", up to where the journal breaks off: the run did not end in order"


# ---------------------------------------------------------------- looking at runs


def report(run_dir: Path, given: Given, as_json: bool) -> int:
    from ida_core.reporting import write_reports

    run_dir = _run_folder(run_dir)
    found = _load_report(run_dir)
    plugins = _plugins(given)
    settings = load(run_dir / "run.toml", environment={}).settings
    names = given["reports"] or settings.run.reports
    folder = _made(given["out"] or run_dir / "report")
    names = [name for name in names if not (as_json and name == "console")]
    written = write_reports(found, plugins, settings, names, folder)
    for text in written.failures:
        terminal.warn(text)
    if as_json:
        terminal.print_json(found.document())
    else:
        for path in written.files:
            click.echo(f"report: {path}")
    return _exit_code(found)


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: no folder can be made there: {error.strerror}", code="IDA-E7230") from error
    return folder


def _exit_code(*reports: Report) -> int:
    return EXIT_DATA if any(report.damage for report in reports) else EXIT_DONE


def compare(first: Path, second: Path, as_json: bool) -> int:
    from ida_core.comparison import as_json as orders_as_json, compare_orders

    first, second = _run_folder(first), _run_folder(second)
    reports = _load_report(first), _load_report(second)
    orders = compare_orders(*reports)
    rows = _side_by_side(*(report.document() for report in reports))
    if as_json:
        figures = [{"figure": name, "a": a, "b": b} for name, a, b in rows]
        terminal.print_json({
            "schema": 1, "a": str(first), "b": str(second), "figures": figures, "orders": orders_as_json(orders)})
    else:
        _show_compared(first.name, second.name, rows)
        _show_orders(orders)
    return _exit_code(*reports)


def _show_compared(one: str, two: str, rows: Sequence[tuple[str, object, object]]) -> None:
    """Figures side by side, those that differ with a mark; assumptions are sentences, told where they differ."""
    texts = [row for row in rows if row[0].startswith("assumptions.")]
    figures = [row for row in rows if row not in texts]
    marked = [("*" if a != b else "", name, _rounded(a), _rounded(b)) for name, a, b in figures]
    click.echo(terminal.table(("", "figure", one, two), marked))
    for name, a, b in texts:
        if a != b:
            click.echo(f"\n{name}\n{terminal.pairs([(one, _shown(a)), (two, _shown(b))])}")
    if texts and all(a == b for _, a, b in texts):
        click.echo("\nassumptions: the same")


def _show_orders(found: Comparison) -> None:
    """Those that came to something else, each with why; the JSON has them all."""
    different, only = len(found.different), len(found.only_a) + len(found.only_b)
    click.echo(f"\norders: {found.same} came to the same, {different} did not, {only} were asked for in one run only")
    for pair in found.different[:MOST_SHOWN]:
        click.echo(f"  {pair.a.wanted} ({pair.a.order} | {pair.b.order})\n    {'; '.join(pair.differs)}")
        click.echo(f"    {'; '.join(pair.because)}")
    for name, outcomes in (("first", found.only_a), ("second", found.only_b)):
        for outcome in outcomes[:MOST_SHOWN]:
            click.echo(f"  only in the {name}: {outcome.wanted} ({outcome.order}): {outcome.status}")
    if max(different, len(found.only_a), len(found.only_b)) > MOST_SHOWN:
        click.echo(f"  ... {MOST_SHOWN} of a kind are shown; --json has all")


def _rounded(value: object) -> str:
    """A figure for the eye: the JSON has every digit."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, str) and re.fullmatch(r"-?\d+\.\d{9,}", value):
        return plain(round(Decimal(value), 8))
    return _shown(value)


def _side_by_side(
    first: Mapping[str, Any], second: Mapping[str, Any]
) -> list[tuple[str, object, object]]:
    one, two = _figures(first), _figures(second)
    return [(name, one.get(name), two.get(name)) for name in dict.fromkeys([*one, *two])]


def _figures(document: Mapping[str, Any]) -> dict[str, object]:
    chosen = {name: document[name] for name in _COMPARED if name in document}
    return {".".join(key): value for key, value in leaves(chosen)}


def why(run_dir: Path, order: str | None, as_json: bool) -> int:
    run_dir = _run_folder(run_dir)
    found = _load_report(run_dir)
    if order is None:
        _list_fills(run_dir, found, as_json)
    else:
        _tell_order(run_dir, found, order, as_json)
    return _exit_code(found)


def _list_fills(run_dir: Path, found: Report, as_json: bool) -> None:
    rows = []
    for fill in found.fills:
        instrument = found.instruments[fill.instrument]
        quantity, price = plain(instrument.quantity(fill.quantity)), plain(instrument.price(fill.price))
        role = "maker" if fill.maker else "taker"
        what = (fill.order_id, instrument.name, fill.side.name, quantity, price, role, fill.reason)
        rows.append((_time(fill.ts_local_ns), *what))
    names = ("time", "order", "symbol", "side", "quantity", "price", "role", "rule")
    if as_json:
        terminal.print_json({"schema": 1, "fills": [dict(zip(names, row, strict=True)) for row in rows]})
    elif rows:
        click.echo(terminal.table(names, rows))
        click.echo(f"ida why {run_dir} {found.fills[-1].order_id} tells the whole story of an order")
    else:
        click.echo(f"no fill in {run_dir}; of {len(found.orders)} orders `ida why {run_dir} ORDER` tells the story")


def _tell_order(run_dir: Path, found: Report, order: str, as_json: bool) -> None:
    story = found.order_story(order)
    if not story:
        names = [row.order.order_id for row in found.orders]
        text = f"{run_dir}: no order is called {order!r}; " + (
            f"its {len(names)} orders are {names[0]} to {names[-1]}" if names else "the run sent none")
        raise UsageError(text, code="IDA-E2002")
    if as_json:
        steps = [{"ts_ns": ts_ns, "text": text} for ts_ns, text in story]
        terminal.print_json({"schema": 1, "order": order, "story": steps})
    else:
        click.echo(terminal.pairs([(_time(ts_ns), text) for ts_ns, text in story]))


def _time(ts_ns: int) -> str:
    from datetime import UTC, datetime

    seconds, rest = divmod(ts_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}.{rest // 1000:06d}"


def _load_report(run_dir: Path) -> Report:
    from ida_core.report import load as load_report

    found = load_report(run_dir)
    if found.damage:
        terminal.warn(f"{found.damage}; what followed is not known")
    elif not found.is_complete:
        terminal.warn(f"{run_dir}: the run did not end in order; its journal breaks off")
    return found


def _run_folder(run_dir: Path) -> Path:
    """The folder of a run; ``runs/LAST`` is the youngest in ``runs``."""
    if run_dir.name == LAST and not run_dir.exists():
        runs = [path.parent for path in run_dir.parent.glob("*/run.toml")]
        if not runs:
            raise DataError(f"{run_dir}: there is no run in {run_dir.parent}", code="IDA-E7001")
        return max(runs, key=lambda path: (path / "run.toml").stat().st_mtime_ns)
    if not (run_dir / "journal").is_dir():
        what = "no such folder" if not run_dir.exists() else "not a run: it holds no journal"
        raise DataError(f"{run_dir}: {what}", code="IDA-E7001")
    return run_dir


# ---------------------------------------------------------------- plugins and configuration


def plugins(given: Given, as_json: bool) -> int:
    found = _plugins(given)
    if as_json:
        loaded, skipped = msgspec.to_builtins((found.loaded, found.skipped))
        terminal.print_json({"schema": 1, "loaded": loaded, "skipped": skipped})
        return EXIT_DONE
    rows = [(i.name, i.version, i.api, i.found, i.origin, _provided(i)) for i in found.loaded]
    click.echo(terminal.table(("plugin", "version", "api", "found", "file", "provides"), rows))
    for skipped in found.skipped:
        terminal.warn(f"skipped {skipped.name} ({skipped.origin}): {skipped.why}")
    return EXIT_DONE


def plugins_test(target: str, given: Given, as_json: bool) -> int:
    """Hold a plugin to its contracts; what is broken is a ``PluginError`` after the table, exit code 3."""
    from ida_core.one_plugin import load_one
    from ida_core.testing.plugin import hold_plugin

    plugin = load_one(target)
    with redirect_stdout(sys.stderr):
        held = hold_plugin(plugin, load_plugins(), given["sets"], given["sample"], terminal.note(quiet=as_json))
    broken = [f"{one.kind} {one.name}: {f.rule}: {f.sentence}" for one in held for f in one.failed]
    if as_json:
        things = [{**msgspec.to_builtins(one), "failed": [f.rule for f in one.failed]} for one in held]
        terminal.print_json({"schema": 1, "target": target, "passed": not broken, "things": things})
        return EXIT_CONFIG if broken else EXIT_DONE
    for one in held:
        rows = [(f.outcome, f.rule, f.sentence) for f in one.findings]
        click.echo(f"{terminal.table((f'{one.kind} {one.name}', 'rule', ''), rows)}\n")
    rules = sum(len(one.findings) for one in held)
    if broken:
        raise PluginError(f"{len(broken)} of {rules} rules are broken", code="IDA-E3105", problems=broken)
    click.echo(f"no rule is broken, of {rules}")
    return EXIT_DONE


def _provided(info: PluginInfo) -> str:
    kinds = (f"{KINDS[kind][1]}: {', '.join(names)}" for kind, names in info.provides.items() if names)
    return "; ".join(kinds) or "-"


def new(kind: str, name: str, into: Path, as_json: bool) -> int:
    from ida_core.scaffold import make_package

    made = make_package(kind, name, into, taken=load_plugins().names())
    if as_json:
        document = {"folder": str(made.folder), "files": [str(f) for f in made.files], "next": list(made.next)}
        terminal.print_json({"schema": 1, **document})
        return EXIT_DONE
    click.echo(terminal.table((f"made {made.folder}",), [(file,) for file in made.files]))
    click.echo("\nnext:" + "".join(f"\n  {command}" for command in made.next))
    return EXIT_DONE


def config_check(given: Given, as_json: bool) -> int:
    loaded = _settings(given, _plugins(given))
    if as_json:
        terminal.print_json({"schema": 1, "problems": []})
    else:
        set_here = sum(origin != "default" for origin in loaded.origins.values())
        click.echo(f"no problem: {set_here} values set, {len(loaded.origins)} in all")
    return EXIT_DONE


def config_show(given: Given, as_json: bool) -> int:
    loaded = _settings(given, _plugins(given))
    rows = [(".".join(key), value, loaded.origins[".".join(key)])
            for key, value in leaves(tree(loaded.settings))]
    if as_json:
        values = [{"key": key, "value": value, "from": origin} for key, value, origin in rows]
        terminal.print_json({"schema": 1, "settings": values})
    else:
        shown = [(key, origin, _shown(value)) for key, value, origin in rows]
        click.echo(terminal.table(("key", "from", "value"), shown))
    return EXIT_DONE


def config_schema(given: Given) -> int:
    terminal.print_json(json_schema(_plugins(given)))
    return EXIT_DONE


# ---------------------------------------------------------------- the rest


def bench(as_json: bool) -> int:
    from ida_core.bench import measure

    figures = measure(load_plugins())
    if as_json:
        terminal.print_json({"schema": 1, "bench": msgspec.to_builtins(figures)})
    else:
        rows = [(figure.what, f"{figure.rate:,.0f}", figure.unit) for figure in figures]
        click.echo(terminal.table(("path", "rate", "unit"), rows))
    return EXIT_DONE


def explain(word: str | None, as_json: bool) -> int:
    codes: Iterable[str] = CODES if word is None else [_code(word)]
    pages = [{"code": code, **CODES[code]._asdict()} for code in codes]
    if as_json:
        terminal.print_json({"schema": 1, "codes": pages})
    elif word is None:
        click.echo(terminal.table(("code", "title"), [(p["code"], p["title"]) for p in pages]))
    else:
        (page,) = pages
        click.echo(f"{page['code']}: {page['title']}\n\n{_wrapped(page['meaning'])}\n\n"
                   f"{_wrapped('What to do: ' + page['action'])}")
    return EXIT_DONE


def _code(word: str) -> str:
    """``IDA-E3001``, ``e3001`` or ``3001`` as the code it is."""
    code = "IDA-E" + word.upper().removeprefix("IDA-").removeprefix("E")
    if code not in CODES:
        raise UsageError(f"{word!r} is no error code; `ida explain` lists them", code="IDA-E2001")
    return code


def _wrapped(text: str) -> str:
    return click.wrap_text(text, width=min(88, get_terminal_size().columns))
