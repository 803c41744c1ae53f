"""Fixtures for tests of plugins."""

import pytest
from fake_context import BY_KIND, FakeContext

from ida_core.model import Instrument


@pytest.fixture
def context() -> type[FakeContext]:
    """Builds a context: ``context(strategy)`` or ``context(strategy, instrument)``."""
    return FakeContext


@pytest.fixture(params=sorted(BY_KIND))
def instrument(request: pytest.FixtureRequest) -> Instrument:
    """One of each kind."""
    return BY_KIND[request.param]
