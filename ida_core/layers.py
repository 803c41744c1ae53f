"""Raw values from several places, each knowing where it was written, checked against records.

Nothing here stops at the first mistake: problems are collected, each with its place.
"""

from __future__ import annotations

import operator
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, get_args, get_origin

import msgspec

from ida_core import toml
from ida_core.errors import IdaError
from ida_core.nearest import suggestion

Key = tuple[str, ...]
_S = TypeVar("_S", bound=msgspec.Struct)


class Place(NamedTuple):
    """Where a value was written: a file and line, or an option (line 0)."""

    source: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" if self.line else self.source


class Problem(NamedTuple):
    place: Place | None
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}" if self.place else self.text


class Layers:
    """All values as one tree; what is added later wins."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.places: dict[Key, Place] = {}
        self.texts: dict[Key, str] = {}
        self.problems: list[Problem] = []

    def add_file(self, path: Path) -> None:
        """Read a TOML file; what is wrong with it becomes a problem."""
        try:
            text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
            self.values = toml.parse(text)
        except OSError as error:
            self.problems.append(Problem(Place(str(path)), f"cannot read: {error.strerror}"))
        except UnicodeDecodeError as error:
            self.problems.append(Problem(Place(str(path)), f"not UTF-8 at byte {error.start}"))
        except tomllib.TOMLDecodeError as error:
            self.problems.append(_syntax_problem(str(path), text, error))
        else:
            lines = toml.key_lines(text)
            self.places = {key: Place(str(path), line) for key, line in lines.items()}

    def add_set(self, text: str, flag: str) -> None:
        """Add ``NAME.key=value`` as written on a command line."""
        key_text, equals, value = text.partition("=")
        place = Place(f"{flag} {text}")
        try:
            key = toml.parse_key(key_text.strip())
        except tomllib.TOMLDecodeError:
            key = ()
        if not equals or len(key) < 2:
            self.problems.append(Problem(place, "write NAME.key=value"))
            return
        self.add(key, toml.parse_value(value.strip()), place)
        self.texts[key] = value.strip()

    def add(self, key: Key, value: Any, place: Place) -> None:
        """Set one value; tables on the way are made."""
        node = self.values
        for part in key[:-1]:
            node = node.setdefault(part, {})
            if not isinstance(node, dict):
                self.problems.append(Problem(place, f"{part!r} is a value, not a table"))
                return
        node[key[-1]] = value
        self.places[key] = place
        self.texts.pop(key, None)

    def place(self, key: Key) -> Place | None:
        """Where ``key``, or else the nearest table around it, was written; or else its first line, or the one value
        in it."""
        parts = (key[:length] for length in range(len(key), 0, -1))
        around = next((self.places[part] for part in parts if part in self.places), None)
        within = [place for inner, place in self.places.items() if inner[: len(key)] == key]
        first_line = next((place for place in within if place.line), None)
        return around or first_line or (within[0] if len(within) == 1 else None)

    def where(self, key: Key) -> str:
        """Where the effective value of ``key`` comes from: ``default`` if nobody set it."""
        node: Any = self.values
        for part in key:
            if not isinstance(node, Mapping) or part not in node:
                return "default"
            node = node[part]
        return str(self.place(key) or "default")


def _syntax_problem(source: str, text: str, error: tomllib.TOMLDecodeError) -> Problem:
    message, _, where = str(error).partition(" (at ")
    line = text.count("\n") + 1
    if where.startswith("line "):
        line = int(where.split()[1].rstrip(","))
    return Problem(Place(source, line), f"not TOML: {message[:1].lower()}{message[1:]}")


class Reader:
    """Makes records of raw values, and collects what is wrong with them."""

    def __init__(self, layers: Layers | None = None) -> None:
        self.layers = layers or Layers()
        self.problems: list[Problem] = []

    def report(self, key: Key, text: str) -> None:
        self.problems.append(Problem(self.layers.place(key), text))

    def record(self, key: Key, raw: Any, kind: type[_S]) -> _S | None:
        """Return ``raw`` as a ``kind``, or None and at least one problem more."""
        if not isinstance(raw, Mapping):
            self.report(key, f"{_name(key)} = {_shown(raw)}: expected a table, not a value")
            return None
        before = len(self.problems)
        fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
        for name in raw:
            if name not in fields:
                self.report((*key, name), f"unknown key {name!r} in {_table(key)}"
                            + suggestion(name, fields))
        values = {
            field.name: self._value((*key, name), raw[name], field.type)
            for name, field in fields.items()
            if name in raw
        }
        for name, field in fields.items():
            if field.required and name not in raw:
                self.report(key, f"{_table(key)} lacks {name!r}, which has no default")
        return self._build(key, kind, values) if len(self.problems) == before else None

    def _build(self, key: Key, kind: type[_S], values: dict[str, Any]) -> _S | None:
        try:
            return kind(**values)
        except (ValueError, TypeError, ArithmeticError, IdaError) as error:
            self.report(key, f"{_table(key)}: {error}")
            return None

    def _value(self, key: Key, raw: Any, kind: Any) -> Any:
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return self.record(key, raw, kind)
        if get_origin(kind) is dict and isinstance(raw, Mapping):
            return {name: self._value((*key, name), value, get_args(kind)[1]) for name, value in raw.items()}
        if isinstance(raw, Decimal | float) and not Decimal(raw).is_finite():
            self.report(key, f"{_name(key)} = {raw}: must be finite")
            return None
        try:
            value = _convert(raw, kind)
        except msgspec.ValidationError as error:
            value = self._second_try(key, raw, kind, error)
        if isinstance(value, Decimal) and not toml.can_write(value):
            self.report(key, f"{_name(key)} = {_shown(raw)}: must be a finite number of at most 400 digits")
        return value

    def _second_try(self, key: Key, raw: Any, kind: Any, error: Exception) -> Any:
        """An option's text that happens to be TOML (``5``) may have been meant as text."""
        text = self.layers.texts.get(key)
        if text is not None:
            try:
                return _convert(text, kind)
            except msgspec.ValidationError:
                pass  # the first error is the one that helps
        self.report(key, f"{_name(key)} = {_shown(raw)}: {_reason(raw, kind, error)}")
        return None


def decimal_limits(kind: Any) -> tuple[Any, list[msgspec.Meta]] | None:
    """The type and bounds of ``Annotated[Decimal, Meta(ge=0)]``, which msgspec will not have; None for others."""
    if get_origin(kind) is not Annotated:
        return None
    inner, *metas = get_args(kind)
    bounded = [meta for meta in metas if isinstance(meta, msgspec.Meta)]
    is_decimal = inner is Decimal or Decimal in get_args(inner)
    has_bounds = any(getattr(meta, name) is not None for meta in bounded for name in _BOUNDS)
    return (inner, bounded) if is_decimal and has_bounds else None


_BOUNDS = {"ge": (">=", operator.ge), "gt": (">", operator.gt), "le": ("<=", operator.le), "lt": ("<", operator.lt)}


def _within(value: Any, metas: list[msgspec.Meta]) -> Any:
    for meta in metas:
        for name, (sign, holds) in _BOUNDS.items():
            bound = getattr(meta, name)
            if isinstance(value, Decimal) and bound is not None and not holds(value, bound):
                raise msgspec.ValidationError(f"Expected `decimal` {sign} {bound}")
    return value


def _convert(raw: Any, kind: Any) -> Any:
    """As ``msgspec.convert``, also for what it will not have: bounds of a ``Decimal``, unions such as
    ``Decimal | str``."""
    if limited := decimal_limits(kind):
        return _within(_convert(raw, limited[0]), limited[1])
    try:
        return msgspec.convert(raw, kind)
    except TypeError:
        return _first_fit(raw, get_args(kind))


def _first_fit(raw: Any, kinds: tuple[Any, ...]) -> Any:
    wanted = []
    kinds = tuple(kind for kind in kinds if kind is not type(None) or raw is None)
    if len(kinds) == 1:
        return _convert(raw, kinds[0])
    for kind in kinds:
        try:
            return _convert(raw, kind)
        except msgspec.ValidationError as error:
            wanted.append(str(error).removeprefix("Expected ").partition(",")[0])
    got = _WORDS.get(f"`{type(raw).__name__}`", f"`{type(raw).__name__}`")
    raise msgspec.ValidationError(f"Expected {' or '.join(wanted)}, got {got}")


def _plain(raw: Any) -> str:
    if isinstance(raw, list):
        return f"[{', '.join(map(_plain, raw))}]"
    return str(raw) if isinstance(raw, Decimal) else repr(raw)


def _table(key: Key) -> str:
    return f"[{_name(key)}]"


def _name(key: Key) -> str:
    return ".".join(key)


def _shown(raw: Any) -> str:
    text = _plain(raw)
    return text if len(text) <= 60 else f"{text[:57]}..."


_WORDS = {
    "`array`": "a list", "`list`": "a list", "`object`": "a table", "`dict`": "a table", "`str`": "text",
    "`int`": "a whole number", "`float`": "a number", "`decimal`": "a decimal number",
    "`Decimal`": "a decimal number", "`bool`": "true or false",
}


def _reason(raw: Any, kind: Any, error: Exception) -> str:
    """msgspec's sentence in the words of a configuration file, with the allowed values."""
    allowed = _allowed(kind)
    if allowed and isinstance(raw, str) and "enum" in str(error):
        return f"not one of {', '.join(map(repr, allowed))}{_only_near(raw, allowed)}"
    text, _, where = str(error).partition(" - at ")
    for word, ours in _WORDS.items():
        text = text.replace(word, ours)
    position = f" at {where.strip('`').replace('$', 'item ', 1)}" if where else ""
    return text[:1].lower() + text[1:] + position


def _only_near(raw: str, allowed: list[str]) -> str:
    text = suggestion(raw, allowed)
    return text if "did you mean" in text else ""


def _allowed(kind: Any) -> list[str]:
    """The words that a type allows, of its literals and enumerations."""
    if isinstance(kind, type) and issubclass(kind, Enum):
        return [str(member.value) for member in kind]
    if get_origin(kind) is Literal:
        return [str(value) for value in get_args(kind)]
    return [word for part in get_args(kind) for word in _allowed(part)]
