"""``ida new``: a package whose tests pass, and nothing written where it may not be."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from ida_core.cli import cli
from ida_core.errors import UsageError
from ida_core.scaffold import make_package

ROOT = Path(__file__).parents[2]
BAD_NAMES = {
    "Trend": "lower-case",
    "1st": "lower-case",
    "a-b": "lower-case",
    "../x": "lower-case",
    "": "lower-case",
    "class": "a word of Python",
    "json": "Python's own library",
    "tests": "Python's own library",
    "ida_core": "an installed package",
    "x" * 41: "at most 40",
}


@pytest.mark.parametrize(("name", "rule"), BAD_NAMES.items(), ids=lambda text: text[:12])
def test_a_bad_name_is_refused_and_nothing_written(tmp_path: Path, name: str, rule: str) -> None:
    with pytest.raises(UsageError, match=rule) as caught:
        make_package("strategy", name, tmp_path)
    assert (caught.value.code, caught.value.exit_code) == ("IDA-E2003", 2)
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_a_plugin_has_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["new", "strategy", "grid", "--into", str(tmp_path)])
    assert result.exit_code == 2
    assert "an installed plugin provides it already" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "trend").mkdir()
    with pytest.raises(UsageError, match="there already") as caught:
        make_package("strategy", "trend", tmp_path)
    assert caught.value.code == "IDA-E2004"
    assert list((tmp_path / "trend").iterdir()) == []


def test_it_is_an_installable_package_of_the_group_ida(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        cli, ["new", "strat", "mean_revert", "--into", str(tmp_path), "--json"]
    )
    document = json.loads(result.stdout)
    folder = Path(document["folder"])
    assert all((folder / file).is_file() for file in document["files"])
    project = tomllib.loads((folder / "pyproject.toml").read_text())
    assert project["project"]["entry-points"]["ida"] == {"mean_revert": "mean_revert"}
    assert project["project"]["name"] == "ida-mean-revert"
    assert project["tool"]["setuptools"]["packages"] == ["mean_revert"]


def test_its_own_tests_pass(tmp_path: Path) -> None:
    folder, _ = make_package("strategy", "trend", tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)],
        capture_output=True, text=True, cwd=folder, env=os.environ | {"PYTHONPATH": str(folder)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


LINTERS = {"ruff": ("check", "--isolated", "--line-length=100", "--select=E,F,I,B,UP"), "mypy": ("--strict",)}


@pytest.mark.parametrize(("tool", "words"), LINTERS.items(), ids=LINTERS)
def test_its_code_pleases_the_linters(tmp_path: Path, tool: str, words: tuple[str, ...]) -> None:
    pytest.importorskip(tool)
    folder, _ = make_package("strategy", "trend", tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", tool, *words, "."],
        capture_output=True, text=True, cwd=folder, env=os.environ | {"MYPYPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
