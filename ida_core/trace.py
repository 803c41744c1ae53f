"""``IDA_TRACE_HOOKS=1``: each hook asked at start and each call of a plugin in a run, a line each on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from ida_core.book import Book
from ida_core.context import Context
from ida_core.events import AmendOrder, CancelAll, CancelOrder, Event, PlaceList, PlaceOrder, Refusal, ReplaceOrder
from ida_core.hooks import is_traced

Call = Callable[..., Any]


class Trace:
    """Writes the lines. A plugin's line comes when its call has ended, with what it asked for meanwhile."""

    def __init__(self) -> None:
        self._asked: list[str] = []

    @classmethod
    def wanted(cls, environment: Mapping[str, str]) -> Trace | None:
        """None unless it is asked for."""
        return cls() if is_traced(environment) else None

    def line(self, text: str) -> None:
        print(f"trace {text}", file=sys.stderr)

    def wrapped(self, plugin: str, hook: str, call: Call) -> Call:
        """``call``, told of: plugin, hook, what it was called with, what it asked for or returned, and how long."""

        def traced(*words: Any) -> Any:
            before, self._asked = self._asked, []
            began, outcome = time.perf_counter_ns(), ""
            try:
                result = call(*words)
                outcome = "" if result is None or self._asked else f" = {_words(result)}"
                return result
            except BaseException as error:
                outcome = f" raised {type(error).__name__}: {error}"
                raise
            finally:
                us = (time.perf_counter_ns() - began) / 1000
                given = ", ".join(filter(None, map(_words, words)))
                asked = "".join(f"; {one}" for one in self._asked)
                self._asked = before
                self.line(f"{plugin}.{hook}({given}){outcome}{asked} [{us:.1f} us]")

        return traced

    def requests(self, request: Call) -> Call:
        """The engine's way out: what is asked for on it is told with the call that asked."""

        def asking(what: Any) -> Any:
            sent = request(what)
            self._asked.append(f"{_words(what)}{'' if sent else ' REFUSED'}")
            return sent

        return asking

    def hook_calls(self, manager: Any) -> None:
        """Tell of every hook that ``manager`` asks: which plugin answered with what."""
        began: list[int] = []

        def before(name: str, implementations: Any, given: Any) -> None:
            began.append(time.perf_counter_ns())

        def after(outcome: Any, name: str, implementations: Any, given: Any) -> None:
            us = (time.perf_counter_ns() - began.pop()) / 1000
            plugins = ", ".join(one.plugin_name for one in implementations)
            error = outcome.exception
            answer = f"raised {type(error).__name__}: {error}" if error else f"= {_names(outcome.get_result())}"
            self.line(f"hook {name} of {plugins} {answer} [{us:.1f} us]")

        manager.add_hookcall_monitoring(before, after)


def _names(results: Any) -> str:
    """What a hook gave, by name; one call has one list for each plugin."""
    items = [item for result in results for item in (result if isinstance(result, list | tuple) else [result])]
    return ", ".join(str(getattr(item, "name", item)) for item in items) or "nothing"


def _words(value: Any) -> str:
    """In few words; nothing for what says nothing."""
    if isinstance(value, Context):
        return value.instrument.name
    if isinstance(value, Book):
        return f"book {value.bid}/{value.ask}"
    if isinstance(value, PlaceOrder):
        price = "" if value.price is None else f" @ {value.price}"
        return f"place {value.order_id} {value.type} {value.side} {value.quantity}{price}"
    if isinstance(value, ReplaceOrder):
        return f"replace {value.order_id} by {value.new_order_id} {value.quantity} @ {value.price}"
    if isinstance(value, PlaceList):
        return f"place {value.kind} {value.order_id}: {'; '.join(map(_words, value.legs))}"
    if isinstance(value, AmendOrder):
        return f"amend {value.order_id} to {value.quantity}"
    if isinstance(value, CancelOrder | CancelAll):
        return f"cancel {value.order_id or 'all'}"
    if isinstance(value, Refusal):
        return f"refused by {value.by}: {value.detail}"
    if isinstance(value, Event):
        return _event(value)
    return repr(value) if isinstance(value, str | int | float) else type(value).__name__


def _event(event: Event) -> str:
    fields = {name: getattr(event, name) for name in event.__struct_fields__}
    told = {k: v for k, v in fields.items() if v not in ("", None) and k not in ("instrument", "ts_venue_ns")}
    return f"{type(event).__name__} {' '.join(f'{k}={v}' for k, v in told.items())}"
