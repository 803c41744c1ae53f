"""What the code knows best, written into the pages while the site is built: nothing of it can be out of date.

A line ``<!-- generated: NAME ARGUMENT... -->`` in a page is replaced by what ``NAME`` of ``GENERATED`` returns.
mkdocs calls ``on_page_markdown``; ``python docs/generate.py FILE`` prints a page as the site will have it.
"""

import inspect
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import click
import msgspec

from ida_binance.error_table import BY_WORDS, TABLE
from ida_core import errors
from ida_core.cli import cli
from ida_core.codes import CODES
from ida_core.config import DataSettings, InstrumentSettings, JournalSettings, RunSettings
from ida_core.plugins import load_plugins
from ida_core.schema import described_in_docstrings
from ida_sim.server.account_files import AccountFile, KeyFile
from ida_sim.server.endpoints import ENDPOINTS, Endpoint
from ida_sim.server.faults import KINDS, Fault
from ida_sim.server.order_counts import FREE
from ida_sim.server.trading.table import TRADING

DOCS = Path(__file__).resolve().parent
CHANGES = DOCS / "changes"
DECISIONS = DOCS / "decisions"
KINDS_OF_CHANGE = {"feature": "New", "change": "Changed", "fix": "Mended", "removal": "Removed"}
CORE_SECTIONS = {
    "run": RunSettings, "data": DataSettings, "journal": JournalSettings, "instruments.SYMBOL": InstrumentSettings,
}  # fmt: skip
#: Options that every command has; told once at the top of the page.
COMMON_OPTIONS = {"--json", "--traceback", "--help"}
#: A bound that only keeps a number within 64 bits is no rule for people.
MOST_WORTH_SAYING = 2**62

_MARKER = re.compile(r"^<!-- generated: (\w+)((?: [\w.]+)*) -->$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill in the generated parts of one page: mkdocs calls this for each."""
    return _MARKER.sub(lambda found: GENERATED[found[1]](*found[2].split()), markdown)


# ---------------------------------------------------------------- small parts of Markdown


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(in_cell, line))} |" for line in lines)


def in_cell(text: str) -> str:
    """A bar inside backticks is text already."""
    return "`".join(part if i % 2 else part.replace("|", "\\|") for i, part in enumerate(text.split("`")))


def code(text: object) -> str:
    return f"`{text}`"


def one_line(text: str) -> str:
    return " ".join(text.split())


# ---------------------------------------------------------------- the command line


def commands() -> str:
    """All commands of ``ida``, those that packages contribute included."""
    context = click.Context(cli, info_name="ida")
    return "\n\n".join(command_page(found) for found in walk(cli, context))


def walk(group: click.Group, context: click.Context) -> Iterator[click.Context]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, name
        inner = click.Context(command, info_name=name, parent=context)
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield inner
        if isinstance(command, click.Group):
            yield from walk(command, inner)


def command_page(context: click.Context) -> str:
    command = context.command
    usage = [context.command_path, *command.collect_usage_pieces(context)]
    parts = [f"## {context.command_path}", f"    {' '.join(usage)}", command_help(command)]
    options = [p for p in command.get_params(context) if isinstance(p, click.Option) and not COMMON_OPTIONS & {*p.opts}]
    if options:
        parts.append(table(("option", "meaning"), [option_row(option, context) for option in options]))
    if examples := getattr(command, "examples", ()):
        parts.append("```sh\n" + "\n".join(examples) + "\n```")
    return "\n\n".join(parts)


def command_help(command: click.Command) -> str:
    return "\n\n".join(map(one_line, inspect.cleandoc(command.help or "").split("\n\n")))


def option_row(option: click.Option, context: click.Context) -> tuple[str, str]:
    record = option.get_help_record(context)
    assert record is not None, option.name
    words, text = record
    again = " May be repeated." if option.multiple else ""
    return code(words), (text + again).strip()


# ---------------------------------------------------------------- error codes


def exit_codes() -> str:
    rows = [
        (errors.EXIT_DONE, "done"), (errors.EXIT_BUG, "a bug of ours"), (errors.EXIT_USAGE, "usage"),
        (errors.EXIT_CONFIG, "configuration or plugin"), (errors.EXIT_VENUE, "venue or network"),
        (errors.EXIT_RISK, "stopped by risk"), (errors.EXIT_AUTH, "authentication or permission"),
        (errors.EXIT_DATA, "data damaged or missing; output that cannot be written"),
        (errors.EXIT_INTERRUPTED, "interrupted twice"),
    ]  # fmt: skip
    return table(("exit code", "meaning"), [(str(number), text) for number, text in rows])


def error_codes() -> str:
    return "\n\n".join(
        f"## {name}: {page.title}\n\n{page.meaning}\n\n**What to do.** {page.action}" for name, page in CODES.items()
    )


# ---------------------------------------------------------------- configuration


def core_settings() -> str:
    return "\n\n".join(section(name, kind) for name, kind in CORE_SECTIONS.items())


def plugin_settings() -> str:
    """The sections of all installed plugins that have anything to set."""
    sections = sorted(load_plugins().sections().items())
    return "\n\n".join(section(name, kind) for name, kind in sections if kind.__struct_fields__)


def settings_of(name: str) -> str:
    """The keys of one plugin's section, without a heading."""
    return keys(load_plugins().sections()[name])


def section(name: str, kind: Any) -> str:
    about = one_line(inspect.cleandoc(kind.__doc__ or "").split("Args:")[0])
    return "\n\n".join(filter(None, (f"### [{name}]", about, keys(kind))))


def keys(kind: type[msgspec.Struct]) -> str:
    said = described_in_docstrings(kind)
    rows = [
        (code(f.name), words(f.type), shown_default(f), described(f.type) or said.get(f.name, ""))
        for f in msgspec.structs.fields(kind)
    ]
    return table(("key", "value", "default", "meaning"), rows)


def described(shape: Any) -> str:
    """What a ``msgspec.Meta`` says of a type."""
    return next((part.description for part in metas(shape) if part.description), "")


def metas(shape: Any) -> list[msgspec.Meta]:
    found = [part for part in getattr(shape, "__metadata__", ()) if isinstance(part, msgspec.Meta)]
    inner = get_args(shape)[:1] if get_origin(shape) is Annotated else ()
    return found + [meta for part in inner for meta in metas(part)]


def shown_default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if value == "":
        return ""
    if value is None:
        return "not set"
    if isinstance(value, tuple | list | dict):
        return ", ".join(map(code, value)) or "none"
    return code(str(value).lower() if isinstance(value, bool) else value.value if isinstance(value, Enum) else value)


SIMPLE_WORDS = {str: "text", bool: "true or false", int: "whole number", float: "number", Decimal: "decimal"}


def words(shape: Any) -> str:
    """A type as a person says it."""
    origin, parts = get_origin(shape), get_args(shape)
    if origin is Annotated:
        return words(parts[0]) + limits(shape)
    if origin is Literal:
        return ", ".join(map(code, parts))
    if origin in (Union, UnionType):
        return " or ".join(words(part) for part in parts if part is not type(None))
    if origin in (tuple, list):
        return f"list of {words(parts[0])}"
    if origin is dict:
        return f"table of {words(parts[1])}"
    if isinstance(shape, type) and issubclass(shape, Enum):
        return ", ".join(code(member.value) for member in shape)
    if isinstance(shape, type) and issubclass(shape, msgspec.Struct):
        return "tables"
    return SIMPLE_WORDS[shape]


def limits(shape: Any) -> str:
    (meta, *_) = metas(shape)
    bounds = (("above", meta.gt), ("from", meta.ge), ("below", meta.lt), ("to", meta.le))
    found = [f"{word} {bound:,}" for word, bound in bounds if bound is not None and abs(bound) < MOST_WORTH_SAYING]
    return " " + " ".join(found) if found else ""


# ---------------------------------------------------------------- changes and decisions


def changes() -> str:
    """The fragments of ``docs/changes``, named ``<issue>-<topic>.<kind>.md``."""
    parts = []
    for kind, title in KINDS_OF_CHANGE.items():
        texts = [one_line(file.read_text(encoding="utf-8")) for file in sorted(CHANGES.glob(f"*.{kind}.md"))]
        if texts:
            parts.append(f"### {title}\n\n" + "\n".join(f"- {text}" for text in texts))
    return "\n\n".join(parts)


def decisions() -> str:
    """A list of ``docs/decisions``, each with its title."""
    files = sorted(DECISIONS.glob("[0-9]*.md"))
    return "\n".join(f"- [{title_of(file)}]({file.name})" for file in files)


def title_of(page: Path) -> str:
    return page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


# ---------------------------------------------------------------- the exchange server

WEIGHTS = {
    "depth": "5 to 250, by `limit`", "ticker/24hr": "2 to 80, by symbols", "executionRules": "2 a symbol, at most 40",
    "ticker": "4 a symbol, at most 200", "ticker/tradingDay": "4 a symbol, at most 200",
    "ticker/price": "2, several 4", "ticker/bookTicker": "2, several 4",
    "openOrders": "6 of a symbol, 80 of all", "myTrades": "20, of an order 5", "myPreventedMatches": "20, by id 2",
    "order/test": "1, with rates 20", "sor/order/test": "1, with rates 20",
}  # fmt: skip
PLACES_OF_FAULTS = {
    "bytes": "a connection", "message": "a message of a stream", "answer": "an answer", "moment": "all that is open",
    "clock": "the clock",
}  # fmt: skip


def server_endpoints(endpoints: Sequence[Endpoint] = ENDPOINTS) -> str:
    rows = [
        (code(f"{found.verb} /api/v3/{found.path}"), code(found.method), _weight(found),
         ", ".join(map(code, found.known)))
        for found in endpoints
    ]  # fmt: skip
    return table(("REST", "WebSocket API", "weight", "parameters"), rows)


def _weight(found: Endpoint) -> str:
    if found.method in FREE:
        return f"0, refused {found.weight({})}"
    return WEIGHTS.get(found.path) or str(found.weight({"symbol": "BTCUSDT"}))


def server_trading() -> str:
    return server_endpoints(TRADING)


def server_faults() -> str:
    rows = [
        (code(name), kind.about[:1].upper() + kind.about[1:], PLACES_OF_FAULTS[kind.place], "yes" if kind.once else "")
        for name, kind in KINDS.items()
    ]  # fmt: skip
    return table(("kind", "what it does", "strikes", "once"), rows)


def server_fault_keys() -> str:
    defaults = {field.name: field.default for field in msgspec.structs.fields(Fault)}
    rows = [(code(name), "" if defaults[name] in (msgspec.NODEFAULT, None) else code(defaults[name]), text)
            for name, text in described_in_docstrings(Fault).items()]
    return table(("key", "unless said", "meaning"), rows)


def server_account_keys() -> str:
    return keys(AccountFile)


def server_key_keys() -> str:
    return keys(KeyFile)


def binance_errors() -> str:
    """What each code of the exchange asks for, and what is done about it; by words where these tell more."""
    rows = [(str(code), found.name, f"`{found.action}`", found.ida) for code, found in TABLE.items()]
    rows += [(f"{code} \"{words}\"", found.name, f"`{found.action}`", found.ida) for code, words, found in BY_WORDS]
    return table(("code", "name", "asks for", "Ida"), sorted(rows, key=lambda row: -int(row[0].split(" ")[0])))


GENERATED: dict[str, Callable[..., str]] = {
    "commands": commands, "exit_codes": exit_codes, "error_codes": error_codes, "core_settings": core_settings,
    "plugin_settings": plugin_settings, "settings_of": settings_of, "changes": changes, "decisions": decisions,
    "server_endpoints": server_endpoints, "server_trading": server_trading,
    "server_faults": server_faults, "server_fault_keys": server_fault_keys,
    "binance_errors": binance_errors,
    "server_account_keys": server_account_keys, "server_key_keys": server_key_keys,
}  # fmt: skip


if __name__ == "__main__":
    for page in sys.argv[1:]:
        print(on_page_markdown(Path(page).read_text(encoding="utf-8")))
