"""The command line: prefixes, exit codes, ``--json`` on errors, and never a traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from ida_core.cli import cli
from ida_core.codes import CODES

COMMANDS = """
import errno, sys
import click
from ida_core import DataError, RiskHalt, hookimpl

def _raise(error):
    def callback(**_):
        raise error
    return callback

_ERRORS = {
    "fail-data": DataError("line 3 of a.gz is damaged", problems=["a.gz:3: not JSON"]),
    "fail-risk": RiskHalt("drawdown 11 passes the limit 10"),
    "fail-bug": ZeroDivisionError("division by zero"),
    "fail-full": OSError(errno.ENOSPC, "No space left on device", "runs/x"),
    "fail-pipe": BrokenPipeError(),
    "fail-keyboard": KeyboardInterrupt(),
    "fail-group": ExceptionGroup("nursery", [ExceptionGroup("inner", [DataError("torn")])]),
}

@hookimpl
def ida_commands():
    flag = click.Option(["--json"], is_flag=True)
    return [click.Command(n, callback=_raise(e), params=[flag]) for n, e in _ERRORS.items()] + [
        click.Command("exit-seven", callback=lambda: 7),
        click.Command("shout", callback=lambda: [print("x" * 1000) for _ in range(1000)] and None),
    ]
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    file = tmp_path / "commands.py"
    file.write_text(COMMANDS)
    return file


def _ida(*words: str, **environment: str) -> Result:
    return CliRunner().invoke(cli, list(words), env=environment)


def _process(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from ida_core.cli import main; main()", *words]
    variables = os.environ | environment
    return subprocess.run(command, capture_output=True, text=True, env=variables, timeout=60)


def test_ida_alone_shows_what_people_do_most() -> None:
    result = _ida()
    assert result.exit_code == 0
    shown = [line for line in result.stdout.splitlines() if line.startswith("  ida ")]
    assert 6 <= len(shown) <= 10
    for line in shown:
        assert line.split()[1] in cli.commands


def test_version_names_what_a_bug_report_needs() -> None:
    result = _process("--version")
    assert result.returncode == 0
    for word in ("ida 0.", "C core: ", "optimised", "Python 3.", "Trio "):
        assert word in result.stdout


def test_version_loads_neither_plugins_nor_trio() -> None:
    code = (
        "import sys\nfrom ida_core.cli import cli\n"
        "try: cli.main(['--version'])\nexcept SystemExit: pass\n"
        "print([m for m in ('trio', 'rich', 'httpx', 'pluggy', 'msgspec') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def _all_commands(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for name, command in group.commands.items():
        inner = isinstance(command, click.Group)
        found += _all_commands(command, (*path, name)) if inner else [(*path, name)]  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize("path", _all_commands(cli), ids=" ".join)
def test_each_command_has_help_examples_and_json(path: tuple[str, ...]) -> None:
    result = _ida(*path, "--help")
    assert result.exit_code == 0
    assert "--json" in result.stdout
    assert f"Examples:\n  ida {' '.join(path)}" in result.stdout


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["expl", "3001"], 0),
        (["exp", "IDA-E3001"], 0),
        (["conf", "sch"], 0),
        (["c", "check"], 2),
        (["zzz"], 2),
        (["config"], 2),
        (["explain", "--nosuch"], 2),
        (["compare", "a"], 2),
        (["explain", "9999"], 2),
        (["why", "/nowhere", "o1"], 7),
        (["report", "/nowhere"], 7),
        (["run", "/nowhere.toml"], 3),
        (["run", "--set", "run.seed=x"], 3),
        (["run", "--plugins-dir", "/nowhere"], 3),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_exit_codes_and_prefixes(words: list[str], code: int) -> None:
    result = _ida(*words)
    assert result.exit_code == code, result.output
    assert ("error IDA-E" in result.stderr) == (code != 0)
    assert "Traceback" not in result.output


def test_an_ambiguous_prefix_names_what_it_may_be() -> None:
    assert "'re' may be record or replay or report" in _ida("re").stderr


def test_an_unknown_command_names_the_nearest() -> None:
    assert "no command is called 'repotr'; did you mean 'report'?" in _ida("repotr").stderr


RAISED = {
    "fail-data": (7, "error IDA-E7000: line 3 of a.gz is damaged\n  a.gz:3: not JSON\n"),
    "fail-risk": (5, "error IDA-E5000: drawdown 11 passes the limit 10\n"),
    "fail-full": (7, "error IDA-E7200: runs/x: cannot be written: No space left on device\n"),
    "fail-group": (7, "error IDA-E7000: torn\n"),
    "fail-bug": (1, "error IDA-E1000: ZeroDivisionError: division by zero; its traceback is in"),
    "fail-pipe": (0, ""),
    "fail-keyboard": (130, "interrupted\n"),
    "exit-seven": (7, ""),
}


@pytest.mark.parametrize(("name", "wanted"), RAISED.items(), ids=RAISED)
def test_a_failure_is_a_line_and_an_exit_code(
    plugin: Path, name: str, wanted: tuple[int, str], tmp_path: Path
) -> None:
    code, text = wanted
    result = _process(name, IDA_PLUGINS=str(plugin), TMPDIR=str(tmp_path), NO_COLOR="1")
    assert result.returncode == code, result.stderr
    assert result.stderr.lstrip().startswith(text)
    assert "Traceback" not in result.stderr + result.stdout
    assert ("hint: ida explain IDA-E" in result.stderr) == ("IDA-E" in text)
    kept = list(tmp_path.glob("ida-bug-*.txt"))
    assert [("ZeroDivisionError" in file.read_text()) for file in kept] == [True] * (code == 1)


def test_an_error_is_a_document_with_json(plugin: Path) -> None:
    result = _ida("fail-data", "--json", IDA_PLUGINS=str(plugin))
    message, problems = "line 3 of a.gz is damaged", ["a.gz:3: not JSON"]
    error = {"code": "IDA-E7000", "message": message, "problems": problems}
    assert json.loads(result.stdout) == {"schema": 1, "error": error}
    assert next(iter(json.loads(result.stdout))) == "schema"


@pytest.mark.parametrize(
    ("words", "environment"), [(["--traceback"], {}), ([], {"IDA_TRACEBACK": "1"})]
)
def test_a_traceback_is_shown_on_request(
    words: list[str], environment: dict[str, str], tmp_path: Path
) -> None:
    result = _ida("run", "--plugins-dir", str(tmp_path / "none"), *words, **environment)
    assert (result.exit_code, "Traceback" in result.stderr) == (3, True)


def test_a_reader_that_goes_away_is_no_error(plugin: Path) -> None:
    ida = [sys.executable, "-c", "from ida_core.cli import main; main()", "shout"]
    variables = os.environ | {"IDA_PLUGINS": str(plugin)}
    with subprocess.Popen(
        ida, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=variables
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_explain_knows_each_code_in_each_spelling() -> None:
    for word in ("IDA-E3001", "ida-e3001", "E3001", "3001"):
        document = json.loads(_ida("explain", word, "--json").stdout)
        assert document["codes"][0]["code"] == "IDA-E3001"
    assert len(json.loads(_ida("explain", "--json").stdout)["codes"]) == len(CODES)


def test_plugins_lists_the_loaded_and_the_skipped(plugin: Path) -> None:
    broken = plugin.with_name("broken.py")
    broken.write_text("import nosuchmodule\n")
    result = _ida("plugins", "--plugins-dir", str(plugin.parent), "--json")
    document = json.loads(result.stdout)
    assert next(iter(document)) == "schema"
    (found,) = [info for info in document["loaded"] if info["name"] == "commands"]
    assert found["origin"] == str(plugin)
    assert found["hooks"] == ["ida_commands"]
    (skipped,) = document["skipped"]
    assert f"{broken}:1: ModuleNotFoundError" in skipped["why"]
    plain = _ida("plugins", "--plugins-dir", str(plugin.parent))
    assert "skipped broken" in plain.stderr


def test_config_check_tells_all_problems_and_exits_3(tmp_path: Path) -> None:
    file = tmp_path / "ida.toml"
    file.write_text("[run]\nsed = 1\nspeed = 'fast'\n")
    result = _ida("config", "check", str(file), "--json")
    assert result.exit_code == 3
    problems = json.loads(result.stdout)["error"]["problems"]
    for line in (2, 3):
        assert [p for p in problems if p.startswith(f"{file}:{line}: ")]


def test_help_of_ida_names_contributed_commands(plugin: Path) -> None:
    assert "fail-data" in _ida("--help", IDA_PLUGINS=str(plugin)).stdout


def test_a_group_alone_names_its_commands() -> None:
    assert "a command is missing: check or schema or show\nhint: ida config --help\n" in _ida("config").stderr
