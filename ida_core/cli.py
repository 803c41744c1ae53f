"""The ``ida`` command: parses and delegates. What commands do stands in ``ida_core.commands``.

Errors end in ``ida_core.failure``. Nothing heavy is imported until a command needs it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Container, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from ida_core import __version__, failure
from ida_core.nearest import suggestion

_F = TypeVar("_F", bound=Callable[..., Any])
_PATH = click.Path(path_type=Path)

MOST_USED = (
    ("ida demo", "a strategy on a synthetic market: offline, no keys, under a minute"),
    ("ida run --feed FILE --strategy NAME", "trade a recording on the simulated exchange"),
    ("ida plan CONFIG", "what a run would do, without doing it"),
    ("ida report RUN", "make a run's reports again; `ida compare A B` puts two side by side"),
    ("ida plugins", "strategies, risk checks and reports that are there; `ida plugins test` checks one"),
    ("ida new strategy NAME", "an installable package of your own whose tests pass"),
    ("ida config check FILE", "everything that is wrong with a configuration, at once"),
    ("ida explain CODE", "what an error means and what to do"),
)


class IdaCommand(click.Command):
    """A command with ``--json``, ``--traceback`` and examples."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples
        self.params += [_json_option(), _traceback_option()]

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _write_examples(self.examples, formatter)


def _write_examples(examples: Sequence[str], formatter: click.HelpFormatter) -> None:
    if examples:
        with formatter.section("Examples"):
            for line in examples:
                formatter.write(f"  {line}\n")


def _json_option() -> click.Option:
    return click.Option(["--json", "as_json"], is_flag=True, help="One JSON document on stdout.")


def _traceback_option() -> click.Option:
    """Read by ``failure`` from the arguments themselves, since parsing them may be what fails."""
    return click.Option(
        ["--traceback"], is_flag=True, expose_value=False, help="Show a bug's traceback."
    )


class IdaGroup(click.Group):
    """A group whose commands may be shortened as long as they stay unambiguous."""

    command_class = IdaCommand
    group_class: type[click.Group] | type[type] | None = type

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not (args or self.invoke_without_command):
            ctx.fail(f"a command is missing: {' or '.join(self.list_commands(ctx))}")
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = self._whole_name(ctx, args[0])
        return name, self.get_command(ctx, name), args[1:]

    def _whole_name(self, ctx: click.Context, name: str) -> str:
        if name in self.commands:
            return name
        names = self.list_commands(ctx)
        found = [name] if name in names else [n for n in names if n.startswith(name)]
        if len(found) == 1:
            return found[0]
        if found:
            ctx.fail(f"{name!r} may be {' or '.join(found)}")
        ctx.fail(f"no command is called {name!r}{suggestion(name, names)}")


class ConfigCommand(IdaCommand):
    """A command that takes a configuration's options, and those of live feeds: shorthands for keys of their sections.

    Which of these there are only the plugins can tell; they are loaded when an option is none of the command's own.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own = {name for parameter in self.get_params(ctx) for name in parameter.opts}
        strange = [word for word in args if word.startswith("--") and word.partition("=")[0] not in own]
        if strange and strange != ["--"]:
            args, ctx.meta["feed_options"] = _take_options(args, _live_options(args))
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        rows = [(f"{flag} VALUE", f"{key} of {', '.join(f'[{name}]' for name in names)}")
                for flag, (key, names) in _live_options([]).items()]
        if rows:
            with formatter.section("Options of live feeds"):
                formatter.write_dl(rows)


def _live_options(args: Sequence[str]) -> dict[str, tuple[str, list[str]]]:
    """Option → the key it sets and the feeds that have it; of the plugins that ``args`` would load."""
    from ida_core.errors import IdaError
    from ida_core.plugins import load_plugins

    folders = [value for flag, value in _values(args) if flag == "--plugins-dir"]
    try:
        kinds = load_plugins(folders).live_feeds.values()
    except IdaError:  # the command itself will say so
        return {}
    found: dict[str, tuple[str, list[str]]] = {}
    for kind in kinds:
        for flag, key in kind.options.items():
            found.setdefault(flag, (key, []))[1].append(kind.name)
    return found


def _values(args: Sequence[str]) -> list[tuple[str, str]]:
    """Each long option with what follows it."""
    pairs = []
    for word, following in pairwise([*args, ""]):
        flag, equals, value = word.partition("=")
        if flag.startswith("--"):
            pairs.append((flag, value if equals else following))
    return pairs


def _take_options(args: Sequence[str], known: Container[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """``args`` without the ``known`` options and their values, and these."""
    left, taken, words = [], [], iter(args)
    for word in words:
        flag, equals, value = word.partition("=")
        if flag not in known:
            left.append(word)
            continue
        value = value if equals else next(words, "")
        if not value:
            raise click.UsageError(f"Option {flag!r} requires an argument.")
        taken.append((flag, value))
    return left, taken


def _given(given: dict[str, Any]) -> dict[str, Any]:
    """The options of a command, those of live feeds among them."""
    return {**given, "feed_options": click.get_current_context().meta.get("feed_options", ())}


class IdaListing(IdaGroup):
    """A group that does something when it stands alone, as a command does."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "invoke_without_command": True})
        self.examples = examples
        self.params += [_json_option(), _traceback_option()]

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _write_examples(self.examples, formatter)


class RootGroup(IdaGroup):
    """``ida`` itself: its own commands and those that plugins contribute."""

    group_class = IdaGroup

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*self.commands, *self._contributed(ctx)})

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        return self.commands.get(name) or self._contributed(ctx).get(name)

    def _contributed(self, ctx: click.Context) -> dict[str, click.Command]:
        """Plugins' commands; loaded once per invocation, and only if its word is not our own."""
        if "contributed" not in ctx.meta:
            from ida_core.plugins import load_plugins

            ctx.meta["contributed"] = load_plugins().commands
        commands: dict[str, click.Command] = ctx.meta["contributed"]
        return commands

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # click would make it exit code 1
            return failure.leave_pipe()

    def main(self, args: Sequence[str] | None = None, *_: Any, **extra: Any) -> NoReturn:
        words = list(sys.argv[1:] if args is None else args)
        if words[:1] == ["help"]:
            words = [*words[1:], "--help"]
        extra = {"prog_name": "ida", **extra, "standalone_mode": False}
        sys.exit(failure.guard(lambda: super(RootGroup, self).main(words, **extra), words))


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from ida_core import about

        click.echo(about.text())
        ctx.exit()


@click.group(
    "ida", cls=RootGroup, invoke_without_command=True, context_settings={"max_content_width": 100}
)
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_print_version,
    help="Versions of Ida, its C core, Python, Trio and the platform.",
)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Trade your own strategies: simulated unless you say otherwise, and provable afterwards.

    Commands may be shortened (`ida exp E3001`). Exit codes: 0 done, 1 a bug of ours, 2 usage,
    3 configuration or plugin, 4 venue or network, 5 stopped by risk, 6 permission, 7 data,
    130 interrupted twice.
    """
    if ctx.invoked_subcommand is None:
        width = max(len(command) for command, _ in MOST_USED)
        click.echo(f"Ida {__version__}\n")
        for command, what in MOST_USED:
            click.echo(f"  {command:{width}}  {what}")
        click.echo("\nAll commands: ida help; of one: ida help COMMAND, with examples. Each has --json.")


def _options(*options: Callable[[_F], _F]) -> Callable[[_F], _F]:
    def apply(function: _F) -> _F:
        for option in reversed(options):
            function = option(function)
        return function

    return apply


plugin_options = _options(
    click.option(
        "--plugins-dir", multiple=True, type=_PATH, metavar="DIR", help="One-file plugins: *.py."
    ),
    click.option("--no-plugin", multiple=True, metavar="NAME", help="Leave a plugin out."),
)

set_option = click.option(
    "--set", "sets", multiple=True, metavar="NAME.key=value", help="One value of a section."
)

config_options = _options(
    click.argument("config", required=False, type=_PATH),
    click.option("--exchange", metavar="NAME", help="sim (the default), or another venue."),
    click.option(
        "--feed", multiple=True, metavar="PATH|NAME", help="A recording, or a feed: synthetic, or a live one."
    ),
    click.option("--symbol", multiple=True, metavar="SYMBOL", help="As the venue spells it."),
    click.option("--strategy", multiple=True, metavar="NAME", help="What trades; `ida plugins` lists them."),
    set_option,
    click.option("--risk", multiple=True, metavar="NAME", help="Instead of all shipped checks."),
    click.option("--report", multiple=True, metavar="NAME", help="Instead of all reports."),
    plugin_options,
    click.option("--seed", type=int, help="Of all chance in the run."),
    click.option("--speed", metavar="max|X", help="X times real time; max by default."),
    click.option("--duration", type=float, metavar="SECONDS", help="Of simulated time; live, of real time."),
    click.option("--record", metavar="DIR", help="Record there what a live feed receives."),
    click.option("--out", metavar="DIR", help="Where run directories are made: runs."),
)


@cli.command(
    examples=["ida demo", "ida demo --seed 7 --duration 120", "ida demo --json | jq .pnl"]
)
@click.option("--seed", type=int, help="Of the market and all other chance.")
@click.option("--duration", type=float, metavar="SECONDS", help="Of simulated time.")
@click.option("--out", metavar="DIR", help="Where the run directory is made: runs.")
def demo(as_json: bool, **given: Any) -> int:
    """Run a market maker on a synthetic market and show the report."""
    from ida_core import commands

    return commands.demo(given, as_json)


@cli.command(
    cls=ConfigCommand,
    examples=[
        "ida run --feed spot_btcusdt.gz --strategy market_maker",
        "ida run --feed synthetic --duration 600 --strategy grid --set grid.quotes=3",
        "ida run ida.toml --seed 7 --set sim.queue='power(2)' --json",
        "ida run ida.toml --plugins-dir ./my_plugins --report html",
    ]
)
@config_options
@click.option("--arm", metavar="TOKEN", help="For LIVE: what `ida plan --arm` made.")
def run(as_json: bool, **given: Any) -> int:
    """Trade, simulated unless --exchange says otherwise.

    CONFIG is a TOML file; options win over it, --set wins over options. --feed, --symbol, --strategy,
    --risk, --report and --set may be repeated.
    """
    from ida_core import commands

    return commands.run(_given(given), as_json)


@cli.command(cls=ConfigCommand, examples=["ida plan ida.toml", "ida plan --feed synthetic --strategy grid --json"])
@config_options
@click.option("--arm", is_flag=True, help="For LIVE: make a token for this very configuration.")
@click.option("--cap", metavar="AMOUNT", help="Of it: most that may be under way, in quote units.")
@click.option("--hours", type=float, metavar="HOURS", help="Of it: how long it is good for: 8.")
def plan(as_json: bool, **given: Any) -> int:
    """Print what `run` would do with the same arguments, and stop."""
    from ida_core import commands

    return commands.plan(_given(given), as_json)


@cli.group(
    cls=IdaListing,
    examples=["ida plugins", "ida plugins --plugins-dir ./my_plugins", "ida plugins --json", "ida plugins test grid"],
)
@plugin_options
def plugins(as_json: bool, **given: Any) -> int | None:
    """List plugins: version, from where, why skipped."""
    if click.get_current_context().invoked_subcommand is not None:
        return None
    from ida_core import commands

    return commands.plugins(given, as_json)


@plugins.command(
    "test",
    examples=[
        "ida plugins test my_plugin.py", "ida plugins test ./trend", "ida plugins test grid --set grid.quotes=3",
        "ida plugins test trend --json | jq '.things[].failed'",
    ],
)
@click.argument("target", metavar="PATH|NAME")
@set_option
@click.option("--sample", type=_PATH, metavar="FILE", help="A sound file, for formats of recordings.")
def plugins_test(target: str, as_json: bool, **given: Any) -> int:
    """Hold all that a plugin provides to its contract.

    PATH is a file, the folder of a package, or of a project that need not be installed; NAME is an installed
    plugin, or something it provides. Exit code 3 if a rule is broken: each is named with file and line.
    """
    from ida_core import commands

    return commands.plugins_test(target, given, as_json)


@cli.group(cls=IdaGroup)
def new() -> None:
    """Make an installable plugin of your own."""


def _add_new(kind: str, what: str, example: str) -> None:
    command = f"ida new {kind} {example}"
    text = f"""Make a package with a {what} and its tests.

    NAME becomes the package, the {what} and its section of the configuration. The package can be installed, tested
    and published as it is.
    """

    @new.command(kind, examples=[command, f"{command} --into ~/src"], help=text)
    @click.argument("name")
    @click.option("--into", type=_PATH, default=Path("."), metavar="DIR", help="Where to make it.")
    def make(name: str, into: Path, as_json: bool) -> int:
        from ida_core import commands

        return commands.new(kind, name, into, as_json)


_add_new("strategy", "strategy", "trend")
_add_new("risk", "risk check", "exposure")
_add_new("report", "report", "digest")
_add_new("venue", "venue", "flaky")
_add_new("feed", "feed", "news")


@cli.group(cls=IdaGroup)
def config() -> None:
    """Look at the configuration."""


@config.command(cls=ConfigCommand, examples=["ida config check ida.toml", "ida config check ida.toml --json"])
@config_options
def check(as_json: bool, **given: Any) -> int:
    """Tell all that is wrong, with file and line.

    Exit code 3 if anything is.
    """
    from ida_core import commands

    return commands.config_check(_given(given), as_json)


@config.command(cls=ConfigCommand, examples=["ida config show ida.toml --seed 7", "ida config show --json"])
@config_options
def show(as_json: bool, **given: Any) -> int:
    """Print each effective value and where it comes from."""
    from ida_core import commands

    return commands.config_show(_given(given), as_json)


@config.command(examples=["ida config schema > ida.schema.json"])
@plugin_options
def schema(as_json: bool, **given: Any) -> int:
    """Print the JSON Schema, plugins' sections included."""
    from ida_core import commands

    return commands.config_schema(given)


@cli.command(examples=["ida report runs/LAST", "ida report runs/LAST --report html --out /tmp"])
@click.argument("run_dir", metavar="RUN", type=_PATH)
@click.option("--report", "reports", multiple=True, metavar="NAME", help="Instead of all.")
@click.option("--out", type=_PATH, metavar="DIR", help="Instead of RUN/report.")
@plugin_options
def report(run_dir: Path, as_json: bool, **given: Any) -> int:
    """Make a run's reports again, from its journal.

    RUN is a run directory; runs/LAST is the youngest in runs.
    """
    from ida_core import commands

    return commands.report(run_dir, given, as_json)


@cli.command(examples=["ida compare runs/A runs/LAST", "ida compare runs/A runs/LAST --json"])
@click.argument("first", metavar="A", type=_PATH)
@click.argument("second", metavar="B", type=_PATH)
def compare(first: Path, second: Path, as_json: bool) -> int:
    """Put the figures of two runs side by side, and their orders."""
    from ida_core import commands

    return commands.compare(first, second, as_json)


@cli.command(
    examples=["ida replay runs/LAST", "ida replay runs/LAST --set grid.quotes=4"]
)
@click.argument("run_dir", metavar="RUN", type=_PATH)
@set_option
@plugin_options
def replay(run_dir: Path, as_json: bool, **given: Any) -> int:
    """Run a journal again: are the requests the same?

    The journal is fed through the same plugins; the first difference is told, exit code 7.
    """
    from ida_core import commands

    return commands.replay(run_dir, given, as_json)


@cli.command(examples=["ida why runs/LAST", "ida why runs/LAST ida-1", "ida why runs/LAST ida-1 --json"])
@click.argument("run_dir", metavar="RUN", type=_PATH)
@click.argument("order", required=False)
def why(run_dir: Path, order: str | None, as_json: bool) -> int:
    """Tell the story of one order.

    Why it was placed, filled, refused or canceled. Without ORDER: each fill, with its order and the rule that made it.
    """
    from ida_core import commands

    return commands.why(run_dir, order, as_json)


@cli.command(examples=["ida bench", "ida bench --json"])
def bench(as_json: bool) -> int:
    """Measure how fast Ida is on this machine.

    Decoding, applying to the book, matching and deciding.
    """
    from ida_core import commands

    return commands.bench(as_json)


@cli.command(examples=["ida explain IDA-E3001", "ida explain 3001", "ida explain"])
@click.argument("code", required=False)
def explain(code: str | None, as_json: bool) -> int:
    """Tell what an error code means and what to do.

    Without CODE, list them.
    """
    from ida_core import commands

    return commands.explain(code, as_json)


def main() -> NoReturn:
    """The console script."""
    cli.main()
