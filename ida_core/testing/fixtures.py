"""Fixtures for tests of plugins. In ``conftest.py``: ``pytest_plugins = ["ida_core.testing.fixtures"]``.

| fixture | is |
|---|---|
| ``ida_plugins`` | everything installed, by kind and name (``ida_core.plugins.Plugins``) |
| ``ida_run`` | ``ida_run(MyStrategy, config, duration_s=5) -> Report``: a finished run on the synthetic market |
| ``ida_desk`` | ``ida_desk(MyStrategy())``: its context, to call its methods by hand (``ida_core.testing.Desk``) |
| ``ida_report`` | the report of a short run with fills |
| ``ida_reports`` | reports of every sort, by what they are: without fills, of two instruments, broken off, ... |
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
import pytest

from ida_core.plugins import Plugins, load_plugins
from ida_core.protocols import Strategy
from ida_core.report import Report, load
from ida_core.testing.desk import Desk
from ida_core.testing.reports import made_reports
from ida_core.testing.trial import Bench

RUN_S = 10.0
RunStrategy = Callable[..., Report]


@pytest.fixture(scope="session")
def ida_plugins() -> Plugins:
    """All installed plugins."""
    return load_plugins(environment={})


@pytest.fixture(scope="session")
def ida_reports() -> Mapping[str, Report]:
    """Finished runs of every sort, by what they are; the folders are there until the tests end."""
    return made_reports()


@pytest.fixture(scope="session")
def ida_report(ida_reports: Mapping[str, Report]) -> Report:
    """A short run with fills."""
    return ida_reports["a run with fills"]


@pytest.fixture
def ida_desk() -> type[Desk]:
    """Builds a desk: ``ida_desk(strategy)`` or ``ida_desk(strategy, instrument)``."""
    return Desk


@pytest.fixture
def ida_run() -> Iterator[RunStrategy]:
    """Run a strategy on the synthetic market: ``ida_run(cls, config=None, **settings) -> Report``.

    ``settings`` are keys of section ``[run]``, such as ``duration_s`` (10), ``seed`` (1), ``symbols``, ``risk`` (none).
    The run directory, ``report.run_dir``, goes after the test.
    """
    benches: list[Bench] = []

    def run(strategy: type[Strategy], config: msgspec.Struct | None = None, **settings: Any) -> Report:
        bench = Bench(strategy, duration_s=RUN_S)
        benches.append(bench)
        bench.configure(strategy, config)
        return load(bench.run(strategy.name, **settings).run_dir)

    yield run
    for bench in benches:
        bench.close()
