"""TOML text: on which line each key stands, and values written back. Reading is ``tomllib``'s."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

Path = tuple[str, ...]

_TOKEN = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
    r"|#[^\n]*"
    r"|[A-Za-z0-9_-]+"
    r"|[^\s]|\n",
    re.S,
)
LARGEST_EXPONENT = 400
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_Token = tuple[str, int]


def parse(text: str) -> dict[str, Any]:
    """Return the document with exact decimals; raises ``tomllib.TOMLDecodeError``."""
    try:
        return tomllib.loads(text, parse_float=_decimal)
    except tomllib.TOMLDecodeError:
        raise
    except RecursionError as error:
        raise tomllib.TOMLDecodeError("brackets nested too deeply") from error
    except (ValueError, ArithmeticError) as error:
        raise tomllib.TOMLDecodeError("a number too long to be read") from error


def can_write(number: Decimal) -> bool:
    """Whether it is finite and of a decent length: ``1e99999999`` written out would be a hundred megabytes."""
    return number.is_finite() and abs(number.adjusted()) <= LARGEST_EXPONENT


def _decimal(text: str) -> Decimal:
    number = Decimal(text)
    if number.is_finite() and not can_write(number):
        raise ValueError(text)
    return number


def parse_value(text: str) -> Any:
    """Return a value as written on a command line: TOML if it is, else the text itself.

    >>> parse_value("0.10"), parse_value("[1, 2]"), parse_value("power(2)")
    (Decimal('0.10'), [1, 2], 'power(2)')
    """
    try:
        document = parse(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return document["value"] if len(document) == 1 else text


def parse_key(text: str) -> Path:
    """Return a dotted key as its parts, none if it is no key; raises ``tomllib.TOMLDecodeError``.

    >>> parse_key('instruments."usdm:BTCUSDT".tick_size')
    ('instruments', 'usdm:BTCUSDT', 'tick_size')
    """
    node: Any = parse(f"{text} = 0")
    parts: list[str] = []
    while isinstance(node, dict) and len(node) == 1:
        ((key, node),) = node.items()
        parts.append(key)
    return tuple(parts) if type(node) is int and node == 0 else ()


def key_lines(text: str) -> dict[Path, int]:
    """Return the line, from 1, of each table and key of a document that ``parse`` accepts."""
    found: dict[Path, int] = {}
    table: Path = ()
    for statement in _statements(text):
        if statement[0][0] == "[":
            table = _path(statement)
            found.setdefault(table, statement[0][1])
        else:
            _note_keys(statement, table, found)
    return found


def _statements(text: str) -> Iterator[list[_Token]]:
    """Headers and assignments: a line each, and more while a bracket is open."""
    line, depth, statement = 1, 0, list[_Token]()
    for token in _TOKEN.findall(text):
        if token == "\n" and depth == 0 and statement:
            yield statement
            statement = []
        elif token != "\n" and token[0] != "#":
            depth += (token in ("[", "{")) - (token in ("]", "}"))
            statement.append((token, line))
        line += token.count("\n")
    if statement:
        yield statement


def _path(tokens: list[_Token]) -> Path:
    return tuple(_key(token) for token, _ in tokens if token not in ("[", "]", "."))


def _key(token: str) -> str:
    return str(parse_value(token)) if token[0] in "\"'" else token


def _note_keys(statement: list[_Token], table: Path, found: dict[Path, int]) -> None:
    """Note the assignment's key, and those of inline tables on its right."""
    owners, pending, path = [table], list[_Token](), table
    for token, line in statement:
        if token == "=":
            path = owners[-1] + _path(pending)
            for length in range(len(table) + 1, len(path) + 1):
                found.setdefault(path[:length], pending[0][1])
            pending = []
        elif token == "{":
            owners.append(path)
            pending = []
        elif token == "}":
            owners.pop()
        elif token in (",", "["):
            pending = []
        else:
            pending.append((token, line))


def dump(document: Mapping[str, Any]) -> str:
    """Return a document whose ``parse`` equals it; keys whose value is None are left out."""
    return "\n".join(_table((), document)).strip() + "\n"


def _table(path: Path, table: Mapping[str, Any]) -> Iterator[str]:
    plain = {k: v for k, v in table.items() if v is not None and not isinstance(v, Mapping)}
    inner = {k: v for k, v in table.items() if isinstance(v, Mapping)}
    if path and (plain or not inner):
        yield f"\n[{'.'.join(map(_write_key, path))}]"
    for key, value in plain.items():
        yield f"{_write_key(key)} = {_write(value)}"
    for key, value in inner.items():
        yield from _table((*path, key), value)


def _write_key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _write_text(key)


def _write_text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _write(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() else repr(float(value))
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Mapping):
        pairs = (f"{_write_key(k)} = {_write(v)}" for k, v in value.items() if v is not None)
        return f"{{ {', '.join(pairs)} }}"
    if isinstance(value, list | tuple | set | frozenset):
        return f"[{', '.join(map(_write, value))}]"
    return _write_text(str(value))
