"""What ships is found by the same door as strangers, and says no to settings that make no sense."""

from decimal import Decimal
from typing import Any

import pytest

from ida_core.layers import Layers, Reader
from ida_core.plugins import load_plugins
from ida_core.protocols import Plugin
from plugins.risk import ida_risk_checks
from plugins.strategies import ida_strategies


def test_they_are_found_by_their_names() -> None:
    plugins = load_plugins(environment={})
    assert plugins.strategies == {kind.name: kind for kind in ida_strategies()}
    assert plugins.risk_checks == {kind.name: kind for kind in ida_risk_checks()}


@pytest.mark.parametrize(
    "kind", [*ida_strategies(), *ida_risk_checks()], ids=lambda kind: str(kind.name)
)
def test_every_setting_is_documented_and_has_a_default(kind: type[Plugin]) -> None:
    assert kind().config == kind.Config()
    for name in kind.Config.__struct_fields__:
        assert f"{name}: " in str(kind.Config.__doc__), name


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("grid", {"quantity": Decimal(0)}),
        ("grid", {"quotes": 0}),
        ("grid", {"skews": 1}),
        ("market_maker", {"max_inventory": -1}),
        ("market_maker", {"gamma": 0.0}),
        ("imbalance_taker", {"threshold": 1.5}),
        ("imbalance_taker", {"max_position": Decimal("-0.1")}),
        ("order_rate", {"limit": "many"}),
    ],
)
def test_settings_that_make_no_sense_are_told(name: str, settings: dict[str, Any]) -> None:
    kinds: list[type[Plugin]] = [*ida_strategies(), *ida_risk_checks()]
    kind = next(kind for kind in kinds if kind.name == name)
    reader = Reader(Layers())
    assert reader.record((name,), settings, kind.Config) is None
    assert len(reader.problems) == 1
    assert next(iter(settings)) in reader.problems[0].text


def test_settings_come_as_text_or_numbers() -> None:
    config = Reader(Layers()).record(
        ("grid",), {"quantity": "0.001", "skew_ticks": 1, "max_position": 3}, kind_of_grid()
    )
    assert config is not None
    assert (config.quantity, config.max_position) == (Decimal("0.001"), 3)


def kind_of_grid() -> Any:
    return next(kind.Config for kind in ida_strategies() if kind.name == "grid")
