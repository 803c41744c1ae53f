"""Makes the object of a plugin's class, and looks whether it can be called as it will be: before a run begins, so that
the fault is named with its line, and not found by the first event, or by nobody."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

from ida_core.blame import own_line, words_of
from ida_core.errors import FAILURES, IdaError, PluginError
from ida_core.protocols import FeedPlugin, Plugin

#: What only begins when it is called.
_BEGUN = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)


def make(kind: Any, config: Any) -> Any:
    """Return ``kind(config)``.

    Raises:
        PluginError: its constructor raised, or it goes by another name than its class.
    """
    try:
        made = kind(config)
    except IdaError:
        raise
    except FAILURES as error:
        frame = own_line(error, kind)
        where = place_of(kind) if frame.filename == __file__ else f"{frame.filename}:{frame.lineno}"
        raise PluginError(f"{where}: {kind.name} cannot be made: {words_of(error)}") from error
    if not hasattr(made, "config"):
        raise PluginError(f"{place_of(kind)}: {kind.name} has no config: __init__ must call super().__init__(config)")
    if made.name != kind.name:
        raise PluginError(f"{place_of(kind)}: {kind.name} calls itself {made.name!r}: its orders and its section go by "
                          "the name of the class")
    return made


def check_callable(made: Plugin, base: type[Plugin], names: Iterable[str]) -> None:
    """What a plugin overrides of ``base`` can be called as Ida calls it.

    Raises:
        PluginError: names the method, its line and the call.
    """
    for name in names:
        if getattr(type(made), name) is not getattr(base, name) and (why := misfit(made, base, name)):
            raise PluginError(f"{made.name}: {why}")


def misfit(made: object, base: type, name: str) -> str | None:
    """Why method ``name`` of an object cannot be called as that of ``base`` is, with file and line; None if it can."""
    method, words = getattr(made, name), list(inspect.signature(getattr(base, name)).parameters)
    where = place_of(method) if callable(method) else place_of(type(made))
    call = f"{name}({', '.join(words)})"
    if not callable(method):
        return f"{where}: {name} is {method!r}, and is called as {call}"
    if base is not FeedPlugin and any(is_begun(method) for is_begun in _BEGUN):
        return f"{where}: {name} would only be begun by its call: it must be a plain function, without async and yield"
    try:
        inspect.signature(method).bind(*words[1:])
    except TypeError:
        return f"{where}: {name} is called as {call}"
    except ValueError:  # of a function that is not written in Python nothing is known
        return None
    return None


def place_of(thing: Any) -> str:
    """``file:line`` of a class or function; its name where that is not known."""
    try:
        line = inspect.getsourcelines(thing)[1]
        return f"{inspect.getsourcefile(thing)}:{line}"
    except (OSError, TypeError):
        return str(getattr(thing, "__qualname__", thing))
