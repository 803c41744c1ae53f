"""What ships is found by the same door as strangers, and says no to settings that make no sense."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from small_recording import session

from ida_core.layers import Layers, Reader
from ida_core.plugins import load_plugins
from ida_core.protocols import Plugin, RiskCheck
from ida_core.testing import check_command, check_recording, check_reporter, check_risk, check_strategy
from plugins.reporting import ida_reporters
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


# --- each keeps the contract that strangers are held to -------------------------------------------

#: Limits that some of the questions pass.
STRICT: dict[str, dict[str, Any]] = {
    "max_quantity": {"limit": Decimal("0.01")}, "max_notional": {"limit": Decimal(1000)},
    "max_position": {"limit": Decimal("0.01")}, "max_open_orders": {"limit": 2},
    "order_rate": {"limit": 2, "window_s": 1.0}, "price_collar": {"fraction": Decimal("0.01")},
    "daily_loss": {"limit": Decimal(10)}, "drawdown": {"limit": Decimal(10)},
}  # fmt: skip


@pytest.mark.parametrize("kind", ida_strategies(), ids=lambda kind: str(kind.name))
def test_a_strategy_keeps_the_contract(kind: Any) -> None:
    eager = {"threshold": 0.05, "max_position": Decimal(1)} if kind.name == "imbalance_taker" else {}
    assert check_strategy(kind, kind.Config(**eager))["orders"]["submitted"] > 0


@pytest.mark.parametrize("kind", ida_risk_checks(), ids=lambda kind: str(kind.name))
@pytest.mark.parametrize("strict", [False, True], ids=["by default", "strict"])
def test_a_risk_check_keeps_the_contract(kind: type[RiskCheck], strict: bool) -> None:
    check_risk(kind, kind.Config(**STRICT[kind.name]) if strict else None)


@pytest.mark.parametrize("kind", ida_reporters(), ids=lambda kind: str(kind.name))
def test_a_reporter_keeps_the_contract(kind: Any) -> None:
    check_reporter(kind)


def test_the_recording_format_keeps_the_contract(tmp_path: Path) -> None:
    sample = tmp_path / "sample.txt"
    sample.write_text("".join(session()))
    for recording in load_plugins(environment={}).recordings.values():
        check_recording(recording, sample)


@pytest.mark.parametrize("command", load_plugins(environment={}).commands.values(), ids=lambda c: str(c.name))
def test_a_command_keeps_the_contract(command: Any) -> None:
    check_command(command)
