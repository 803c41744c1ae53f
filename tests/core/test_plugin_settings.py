"""The settings of somebody else's plugin: typed, bounded, in the schema, and wrong ones told with file and line."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from ida_core.cli import cli

PLUGIN = '''
from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from ida_core import Strategy, hookimpl


class Level(msgspec.Struct, frozen=True):
    depth: Annotated[int, Meta(ge=1, le=5, description="Levels of the book.")] = 2


class ThirdConfig(msgspec.Struct, frozen=True):
    """Section [third].

    Args:
        size: of each order, in base units.
    """

    size: Annotated[Decimal, Meta(gt=0, le=10)] = Decimal("0.1")
    levels: Annotated[int, Meta(ge=1, le=20, description="How many levels.")] = 5
    gain: Annotated[float, Meta(ge=0, lt=1)] = 0.5
    mode: Literal["fast", "slow"] = "fast"
    word: Annotated[str, Meta(pattern="^[a-z]+$")] = "abc"
    weights: tuple[Annotated[float, Meta(ge=0)], ...] = (1.0,)
    cap: Annotated[Decimal, Meta(ge=1)] | None = None
    nested: Level = Level()
    by_symbol: dict[str, Level] = {}


class Third(Strategy):
    name = "third"
    Config = ThirdConfig

    def on_trade(self, ctx, trade):
        pass


@hookimpl
def ida_strategies():
    return [Third]
'''
WRONG = [
    ("size = 11", "third.size = 11: expected a decimal number <= 10"),
    ("size = 0", "third.size = 0: expected a decimal number > 0"),
    ("levels = 21", "third.levels = 21: expected a whole number <= 20"),
    ("gain = 1.0", "third.gain = 1.0: expected a number < 1.0"),
    ("mode = 'medium'", "third.mode = 'medium': not one of 'fast', 'slow'"),
    ("word = 'A1'", "third.word = 'A1': expected text matching regex '^[a-z]+$'"),
    ("weights = [1.0, -1.0]", "third.weights = [1.0, -1.0]: expected a number >= 0.0 at item [1]"),
    ("cap = 0.5", "third.cap = 0.5: expected a decimal number >= 1"),
    ("nested.depth = 9", "third.nested.depth = 9: expected a whole number <= 5"),
    ("by_symbol.BTCUSDT.depth = 0", "third.by_symbol.BTCUSDT.depth = 0: expected a whole number >= 1"),
    ("sizes = 1", "unknown key 'sizes' in [third]; did you mean 'size'?"),
]
RIGHT = "size = '0.5'\ncap = 2\nmode = 'slow'\nweights = []\nby_symbol.BTCUSDT.depth = 5\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "third.py").write_text(PLUGIN)
    return tmp_path


def _config(folder: Path, command: str, *words: str) -> Any:
    arguments = ["config", command, *words, "--plugins-dir", str(folder / "plugins"), "--json"]
    result = CliRunner().invoke(cli, arguments)
    return result.exit_code, json.loads(result.stdout)


@pytest.mark.parametrize(("line", "says"), WRONG)
def test_a_wrong_value_is_told_with_file_line_and_rule(folder: Path, line: str, says: str) -> None:
    file = folder / "ida.toml"
    file.write_text(f"[third]\n{line}\n")
    code, document = _config(folder, "check", str(file))
    assert (code, document["error"]["problems"]) == (3, [f"{file}:2: {says}"])


def test_what_is_right_is_taken(folder: Path) -> None:
    file = folder / "ida.toml"
    file.write_text(f"[third]\n{RIGHT}")
    assert _config(folder, "check", str(file)) == (0, {"schema": 1, "problems": []})


def test_the_schema_has_types_bounds_and_meanings(folder: Path) -> None:
    code, document = _config(folder, "schema")
    assert code == 0
    Draft202012Validator.check_schema(document)
    fields = document["properties"]["third"]["properties"]
    assert fields["size"] == {
        "description": "Of each order, in base units.", "type": ["number", "string"], "format": "decimal",
        "exclusiveMinimum": 0, "maximum": 10, "default": "0.1",
    }  # fmt: skip
    assert fields["levels"] == {
        "description": "How many levels.", "type": "integer", "minimum": 1, "maximum": 20, "default": 5}
    assert fields["mode"] == {"enum": ["fast", "slow"], "default": "fast"}
    assert fields["cap"]["anyOf"][0]["minimum"] == 1
    depth = {"description": "Levels of the book.", "type": "integer", "minimum": 1, "maximum": 5, "default": 2}
    assert fields["nested"]["properties"]["depth"] == depth
    assert fields["by_symbol"]["additionalProperties"]["properties"]["depth"] == depth


@pytest.mark.parametrize("value", [{"size": 11}, {"levels": 0}, {"mode": "x"}, {"cap": 0}, {"nested": {"depth": 9}}])
def test_an_editor_that_reads_the_schema_says_the_same(folder: Path, value: dict[str, Any]) -> None:
    validator = Draft202012Validator(_config(folder, "schema")[1])
    assert validator.is_valid({"third": {"size": 5, "cap": 2}})
    assert not validator.is_valid({"third": value})


def test_each_shipped_setting_has_its_meaning_in_the_schema(folder: Path) -> None:
    properties = _config(folder, "schema")[1]["properties"]
    for section in ("grid", "market_maker", "max_quantity", "sim"):
        fields = properties[section]["properties"]
        assert [name for name, field in fields.items() if "description" not in field] == []
