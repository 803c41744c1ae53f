"""Wall-clock measurements of a run, in room that is taken once: a run of a year needs no more than one of a minute."""

import time
from array import array
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

Callback = Callable[..., Any]


#: Of one plugin, so many of the latest measurements of a kind are kept.
KEPT_OF_PLUGIN = 4096


class Timings:
    """The latest so many measurements in ns, and the count and sum of all.

    Args:
        kept: how many are kept for quantiles.
        one_in: only one in so many of what is measured is handed to ``add``.
    """

    __slots__ = ("_kept", "_values", "count", "one_in", "total_ns")

    def __init__(self, kept: int = 16_384, one_in: int = 1) -> None:
        self._values = array("q", [-1]) * kept  # written once, so that the memory is really there
        self._kept = kept
        self.one_in = one_in
        self.count = 0
        self.total_ns = 0

    def add(self, ns: int) -> None:
        self._values[self.count % self._kept] = ns
        self.count += 1
        self.total_ns += ns

    def __len__(self) -> int:
        """How many are kept now."""
        return min(self.count, self._kept)

    def __iter__(self) -> Iterator[int]:
        """Those that are kept, in no order."""
        return iter(self._values[: len(self)])


class Quantiles(NamedTuple):
    """In µs."""

    p50: float
    p99: float


def quantiles(timings: Iterable[Timings]) -> Quantiles:
    """Of several together, each measurement weighing as much as the calls it stands for. There must be one."""
    measured = [one for one in timings if one.count]
    if len(measured) == 1:
        ordered = sorted(measured[0])
        places = [ordered[len(ordered) * percent // 100] for percent in (50, 99)]
    else:
        weighed = sorted((ns, one.count * one.one_in / len(one)) for one in measured for ns in one)
        weight = sum(each for _, each in weighed)
        places = [_at(weighed, weight * share) for share in (0.5, 0.99)]
    return Quantiles(*(round(ns / 1000, 3) for ns in places))


def _at(weighed: list[tuple[int, float]], place: float) -> int:
    """The first value at which more than ``place`` of the weight lies behind or under us."""
    for value, weight in weighed:
        place -= weight
        if place < 0:
            return value
    return weighed[-1][0]


def timed(callback: Callback, timings: Timings) -> Callback:
    """The same, each call of it measured."""
    add, now = timings.add, time.perf_counter_ns

    def call(*words: Any) -> Any:
        began = now()
        try:
            return callback(*words)
        finally:
            add(now() - began)

    return call


class PluginTimes:
    """How long the methods of each plugin take.

    Args:
        one_in: one in so many calls is measured of what comes with market data.
    """

    def __init__(self, one_in: int) -> None:
        self.one_in = one_in
        self._timings: dict[str, dict[int, Timings]] = {}

    def of(self, plugin: str, one_in: int = 1) -> Timings:
        """Where one in so many calls of ``plugin`` (its kind and name) are kept; the same each time it is asked for."""
        mine = self._timings.setdefault(plugin, {})
        if one_in not in mine:
            mine[one_in] = Timings(KEPT_OF_PLUGIN, one_in)
        return mine[one_in]

    def told(self, elapsed_s: float) -> dict[str, dict[str, float]]:
        """Plugin → ``calls`` (those not measured reckoned in), ``p50`` and ``p99`` in µs, and ``share``: of the
        run's ``elapsed_s``. Of those that were called."""
        return {
            plugin: {
                "calls": sum(one.count * one.one_in for one in timings.values()),
                **quantiles(timings.values())._asdict(),
                "share": round(sum(one.total_ns * one.one_in for one in timings.values()) / 1e9 / elapsed_s, 6),
            }
            for plugin, timings in self._timings.items()
            if any(timings.values())
        }
