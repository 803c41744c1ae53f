"""A contract is a table of rules: name → function. What comes of holding something to it is a list of findings."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from ida_core.making import misfit, place_of
from ida_core.nearest import suggestion
from ida_core.protocols import API_LEVEL, Plugin

_S = TypeVar("_S")
#: Returns a sentence with what was seen; raises ``AssertionError`` when broken, ``NotApplicable`` with the reason.
Rule = Callable[[_S], str | None]
Outcome = Literal["passed", "FAILED", "not applicable"]
PASSED: Outcome = "passed"
FAILED: Outcome = "FAILED"
NOT_APPLICABLE: Outcome = "not applicable"


class Finding(msgspec.Struct, frozen=True):
    """What came of one rule; ``sentence`` holds the figure, or file and line of the breach."""

    rule: str
    outcome: Outcome
    sentence: str


class NotApplicable(Exception):
    """The rule says nothing about this thing; the message is why."""


def table(*rules: Rule[_S]) -> Mapping[str, Rule[_S]]:
    """Rules by their names, in this order."""
    return {rule.__name__: rule for rule in rules}


def hold(rules: Mapping[str, Rule[_S]], subject: _S, names: Collection[str] | None = None) -> list[Finding]:
    """Hold ``subject`` to each rule, or to those of ``names``."""
    return [_find(name, rule, subject) for name, rule in rules.items() if names is None or name in names]


def _find(name: str, rule: Rule[_S], subject: _S) -> Finding:
    try:
        return Finding(name, PASSED, rule(subject) or "")
    except NotApplicable as why:
        return Finding(name, NOT_APPLICABLE, str(why))
    except AssertionError as broken:
        return Finding(name, FAILED, str(broken) or told(broken))
    except Exception as error:
        return Finding(name, FAILED, told(error))


def require(what: str, findings: Sequence[Finding]) -> None:
    """Raise if any rule is broken.

    Raises:
        AssertionError: names every broken rule, and how.
    """
    broken = [f"{f.rule.replace('_', ' ')}: {f.sentence}" for f in findings if f.outcome == FAILED]
    if broken:
        raise AssertionError(f"{what} breaks its contract:\n  " + "\n  ".join(broken))


def told(error: BaseException) -> str:
    """``file:line: exception`` of where it was raised, as far out of Ida's own code as can be."""
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    foreign = [f for f in frames if not Path(f.filename).is_relative_to(_IDA)] or list(frames)
    return f"{foreign[-1].filename}:{foreign[-1].lineno}: {what}" if foreign else what


_IDA = Path(__file__).parents[1]


def check_class(kind: Any, base: type[Plugin], methods: Collection[str]) -> None:
    """What every plugin class has: a base, a name, a level, a section with defaults, and one of ``methods``."""
    where = place_of(kind)
    assert isinstance(kind, type), f"{where}: a hook returns classes, not {kind!r}"
    assert issubclass(kind, base), f"{where}: {kind.__name__} is no subclass of ida_core.{base.__name__}"
    assert isinstance(getattr(kind, "name", None), str), f"{where}: {kind.__name__} has no name"
    assert kind.api == API_LEVEL, f"{where}: api = {kind.api!r}; this Ida has level {API_LEVEL}"
    section = kind.Config
    assert issubclass(section, msgspec.Struct), f"{where}: Config is no msgspec.Struct"
    assert section.__struct_config__.frozen, f"{place_of(section)}: {section.__name__} is not frozen=True"
    required = [f.name for f in msgspec.structs.fields(section) if f.required]
    assert not required, f"{place_of(section)}: {section.__name__}.{required[0]} has no default"
    mine = [name for name in methods if getattr(kind, name) is not getattr(base, name)]
    assert mine, f"{where}: {kind.__name__} overrides none of {', '.join(methods)}: it would never be called"
    _check_signatures(kind, base, mine)


def _check_signatures(kind: type, base: type, names: Collection[str]) -> None:
    for name in names:
        why = misfit(object.__new__(kind), base, name)
        assert why is None, why


def check_spelling(kind: type, base: type, prefix: str) -> None:
    """A method that only looks like a callback is never called."""
    known = [name for name in dir(base) if name.startswith(prefix)]
    for name in dir(kind):
        if name.startswith(prefix) and name not in known and callable(getattr(kind, name)):
            raise AssertionError(
                f"{place_of(getattr(kind, name))}: nothing calls {name}{suggestion(name, known)}")


def count(number: int, thing: str) -> str:
    """``1 fill``, ``12 fills``."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"
