"""``ida plugins test``: a plugin by its path or name, every broken rule named, and what is no plugin refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ida_core.cli import cli
from ida_core.one_plugin import load_one
from ida_core.scaffold import make_package
from ida_core.testing import STRATEGY_RULES

HOSTILE = '''
import random, time
from decimal import Decimal
from pathlib import Path
import msgspec
from ida_core import Reporter, RiskCheck, Side, Strategy, hookimpl

class BadConfig(msgspec.Struct, frozen=True):
    """Section [bad]."""
    size: int = 5

class Bad(Strategy):
    name = "bad"
    Config = BadConfig

    def on_start(self, ctx):
        self.out = open("bad.txt", "w")
        ctx._engine.bad = self

    def on_book(self, ctx, book):
        time.sleep(0)
        if random.random() < 0.5 and book.bid:
            ctx.place(Side.BUY, 10**14 + self.config.size, book.bid)
        return [time.time()]

class Moody(RiskCheck):
    name = "moody"
    asked = 0

    def check(self, request, state):
        Moody.asked += 1
        return "1 too many" if Moody.asked % 7 == 0 else None

class Litter(Reporter):
    name = "litter"

    def write(self, report, folder):
        Path("litter.txt").write_text("x")
        return Path("litter.txt")

@hookimpl
def ida_strategies():
    return [Bad]

@hookimpl
def ida_risk_checks():
    return [Moody]

@hookimpl
def ida_reporters():
    return [Litter]
'''
COMMAND = '''
import click
from ida_core import hookimpl

@click.command("greet")
@click.option("--json", "as_json", is_flag=True)
def greet(as_json):
    """Greet."""

@hookimpl
def ida_commands():
    return [greet]
'''


def _test(*words: object) -> Result:
    return CliRunner().invoke(cli, ["plugins", "test", *map(str, words)])


def _failed(document: dict[str, Any]) -> dict[str, set[str]]:
    return {thing["name"]: set(thing["failed"]) for thing in document["things"]}


@pytest.fixture
def command(tmp_path: Path) -> Path:
    file = tmp_path / "greeting.py"
    file.write_text(COMMAND)
    return file


def test_each_breach_of_a_hostile_plugin_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "hostile.py"
    file.write_text(HOSTILE)
    result = _test(file, "--json")
    assert result.exit_code == 3
    document = json.loads(result.stdout)
    assert next(iter(document)) == "schema"
    assert document["passed"] is False
    failed = _failed(document)
    assert failed["bad"] >= {
        "tells_the_same_again", "asks_no_clock_but_its_context_s", "draws_no_chance_but_its_context_s",
        "does_no_input_or_output", "leaves_its_context_alone", "returns_nothing", "asks_for_what_can_be",
    }  # fmt: skip
    assert failed["moody"] >= {"does_not_count_its_calls"}
    assert failed["litter"] == {"returns_its_file", "writes_only_into_its_folder"}
    (bad,) = [thing for thing in document["things"] if thing["name"] == "bad"]
    assert [f["rule"] for f in bad["findings"]] == list(STRATEGY_RULES)
    (clock,) = [f for f in bad["findings"] if f["rule"] == "asks_no_clock_but_its_context_s"]
    assert f"{file}:24: time.time()" in clock["sentence"]


def test_the_table_ends_with_an_error_that_names_the_rules(command: Path) -> None:
    command.write_text(COMMAND.replace('@click.option("--json", "as_json", is_flag=True)\n', ""))
    result = _test(command)
    assert result.exit_code == 3
    assert "FAILED" in result.stdout
    assert "error IDA-E3105: 1 of 4 rules are broken\n  command greet: answers_in_json: " in result.stderr
    assert f"{command}:5: ida greet has no --json" in result.stderr


def test_a_sound_plugin_passes(command: Path) -> None:
    result = _test(command)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.endswith("no rule is broken, of 4\n")
    assert json.loads(_test(command, "--json").stdout)["passed"] is True


def test_settings_are_those_of_the_command_line() -> None:
    result = _test("max_quantity", "--set", "max_quantity.limit=0.001", "--json")
    (thing,) = json.loads(result.stdout)["things"]
    (sentence,) = [f["sentence"] for f in thing["findings"] if f["rule"] == "refuses_in_one_sentence"]
    assert (result.exit_code, sentence.startswith("such as: ")) == (0, True)
    wrong = _test("max_quantity", "--set", "max_quantity.limits=1")
    assert wrong.exit_code == 3
    assert "unknown key 'limits'" in wrong.stderr


@pytest.mark.parametrize(
    ("files", "target", "says"),
    [
        ({}, "nosuch", "no file and no installed plugin is called 'nosuch'"),
        ({}, "gird", "did you mean 'grid'"),
        ({}, "nosuch.py", "nosuch.py: no such file"),
        ({}, "./nosuch", "nosuch: no such file"),
        ({"empty/readme.txt": ""}, "empty", "empty: holds no plugin: no pyproject.toml, no __init__.py, no *.py"),
        ({"bare.py": "x = 1\n"}, "bare.py", "bare.py provides nothing"),
        ({"gone.py": "\nimport nosuchmodule\n"}, "gone.py", "gone.py:2: ModuleNotFoundError"),
        ({"torn.py": "def f(:\n"}, "torn.py", "torn.py:1: SyntaxError"),
        ({"spelt.py": "def ida_strategy():\n    return []\n"}, "spelt.py", "did you mean 'ida_strategies'"),
        ({"p/pyproject.toml": "[project]\nname = 'p'\n"}, "p", "[project.entry-points.ida] names no plugin"),
        ({"p/pyproject.toml": "[project\n"}, "p", "pyproject.toml: not TOML"),
        ({"p/pyproject.toml": "[project]\nname='p'\n[project.entry-points.ida]\np = 'no_such_module_here'\n"}, "p",
         "No module named 'no_such_module_here'"),
    ],
)  # fmt: skip
def test_what_is_no_plugin_is_an_error(
    files: dict[str, str], target: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    result = _test(target)
    assert result.exit_code == 3, result.output
    assert result.stderr.startswith("error IDA-E3104: ")
    assert says in result.stderr
    assert "Traceback" not in result.output


def test_a_project_need_not_be_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    folder = make_package("strategy", "uninstalled_trend", tmp_path).folder
    for target in (folder, folder / "uninstalled_trend"):
        plugin = load_one(str(target))
        assert list(plugin.strategies) == ["uninstalled_trend"]


@pytest.mark.parametrize("kind", ["risk", "report", "feed", "venue"])
def test_what_ida_new_writes_keeps_its_contract(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    result = _test(make_package(kind, f"fresh_{kind}", tmp_path).folder, "--json")
    assert (result.exit_code, set().union(*_failed(json.loads(result.stdout)).values())) == (0, set())


def test_a_name_may_be_a_plugin_or_what_it_provides() -> None:
    assert set(load_one("strategies").strategies) >= {"grid", "market_maker"}
    assert list(load_one("grid").strategies) == ["grid"]
    assert load_one("grid").risk_checks == {}


def test_plugins_alone_still_lists() -> None:
    result = CliRunner().invoke(cli, ["plugins", "--json"])
    assert (result.exit_code, {"loaded", "skipped"} <= set(json.loads(result.stdout))) == (0, True)
    assert "strategies" in CliRunner().invoke(cli, ["plug"]).stdout
    assert CliRunner().invoke(cli, ["plug", "te", "nosuch"]).exit_code == 3
