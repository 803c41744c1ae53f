"""``ida new``: packages whose tests pass, and nothing written where it may not be."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from ida_core import PluginError
from ida_core.cli import cli
from ida_core.config import json_schema
from ida_core.errors import OutputError, UsageError
from ida_core.plugins import load_plugins
from ida_core.scaffold import KINDS, make_package

ROOT = Path(__file__).parents[2]
TEMPLATES = ROOT / "ida_core" / "templates"
PYTHONS = ["3.11", "3.12", "3.13"]
LONGEST = "name_" + "x" * 35
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


def new(kind: str, name: str, into: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["new", kind, name, "--into", str(into), *words])


# ---------------------------------------------------------------- names and folders


@pytest.mark.parametrize(("name", "rule"), BAD_NAMES.items(), ids=lambda text: text[:12])
def test_a_bad_name_is_refused_and_nothing_written(tmp_path: Path, name: str, rule: str) -> None:
    with pytest.raises(UsageError, match=rule) as caught:
        make_package("strategy", name, tmp_path)
    assert (caught.value.code, caught.value.exit_code) == ("IDA-E2003", 2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["grid", "max_position", "sim", "csv", "run", "instruments"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_name_that_a_plugin_or_a_section_has_is_refused(tmp_path: Path, kind: str, name: str) -> None:
    result = new(kind, name, tmp_path)
    assert result.exit_code == 2
    assert "cannot be the name of a package" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("what", ["folder", "file", "dangling link"])
def test_what_is_there_already_is_left_alone(tmp_path: Path, what: str) -> None:
    there = tmp_path / "trend"
    if what == "folder":
        there.mkdir()
    elif what == "file":
        there.touch()
    else:
        there.symlink_to("nowhere")
    before = there.lstat()
    with pytest.raises(UsageError, match="there already") as caught:
        make_package("strategy", "trend", tmp_path)
    assert caught.value.code == "IDA-E2004"
    assert there.lstat() == before
    assert list(tmp_path.iterdir()) == [there]


@pytest.mark.parametrize("below", ["file", "file/deeper", "link", "link/deeper"])
def test_where_nothing_can_be_written_nothing_is(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(OutputError, match="cannot be written") as caught:
        make_package("strategy", "trend", tmp_path / below)
    assert (caught.value.code, caught.value.exit_code) == ("IDA-E7200", 7)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link"]


@pytest.mark.parametrize("stop", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["disk", "Ctrl-C"])
def test_what_stops_it_midway_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: BaseException
) -> None:
    written = []

    def write(path: Path, text: str, encoding: str) -> None:
        if path.name == "README.md":
            raise stop
        path.write_bytes(text.encode(encoding))
        written.append(path)

    monkeypatch.setattr(Path, "write_text", write)
    with pytest.raises(OutputError if isinstance(stop, OSError) else KeyboardInterrupt):
        make_package("strategy", "trend", tmp_path / "new" / "deep")
    assert written
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- what is written


@pytest.fixture(scope="module", params=KINDS)
def package(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of each kind, laid out as pip would leave it installed: beside it stands what metadata says."""
    kind: str = request.param
    folder = make_package(kind, f"my_{kind}", tmp_path_factory.mktemp("packages")).folder
    project = read_project(folder)
    about = folder / f"ida_my_{kind}-0.1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 0.1.0\n")
    points = project["entry-points"]["ida"].items()
    (about / "entry_points.txt").write_text("\n".join(["[ida]", *(f"{name} = {value}" for name, value in points)]))
    return folder


def kind_of(package: Path) -> str:
    return package.name.removeprefix("my_")


def read_project(folder: Path) -> dict[str, dict[str, dict[str, str]]]:
    project: dict[str, dict[str, dict[str, str]]] = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    return project


def run_in(folder: Path, *words: str) -> str:
    """Run Python there, the package installed; what it printed, if it ended well."""
    paths = os.pathsep.join([str(folder), str(ROOT)])
    environment = os.environ | {"PYTHONPATH": str(folder), "MYPYPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}"
    return done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_the_command_tells_what_it_made_and_what_comes_next(tmp_path: Path, kind: str) -> None:
    document = json.loads(new(kind, "mean_revert", tmp_path, "--json").stdout)
    folder = Path(document["folder"])
    written = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert sorted(document["files"]) == written
    install, test, run = document["next"]
    assert (install, test) == (f"pip install -e '{folder}[test]'", f"pytest {folder}")
    assert f"{KINDS[kind].option} mean_revert" in run
    shown = new(kind, "trend", tmp_path).stdout
    assert shown.count("\n  ") == len(document["next"])
    assert shown.endswith(f"  {run.replace('mean_revert', 'trend')}\n")


def test_it_is_an_installable_package_of_the_group_ida(package: Path) -> None:
    name = package.name
    project = read_project(package)
    assert project["entry-points"]["ida"] == {name: name}
    assert project["name"] == f"ida-{name.replace('_', '-')}"
    assert project["dynamic"] == ["version"]
    for file in ("README.md", ".gitignore", f"{name}/py.typed", f"tests/test_{name}.py"):
        assert (package / file).is_file()
    ignored = (package / ".gitignore").read_text().splitlines()
    assert {"runs/", ".env*", "*.key"} <= set(ignored)


def test_no_placeholder_is_left_and_no_name_of_another(package: Path) -> None:
    for path in package.rglob("*"):
        if path.is_file() and not path.match(".github/workflows/*") and not path.match("*.dist-info/*"):
            text = path.read_text()
            assert "$" not in text.replace("$ git", ""), path
            assert text.endswith("\n") or not text, path


def test_every_template_is_used() -> None:
    used = {"package/publishing.md", *(f"package/{name}" for name in ("pyproject.toml", "gitignore", "test.yml"))}
    used |= {"package/publish.yml"}
    for kind, what in KINDS.items():
        used |= {f"{kind}/{name}" for name in ("README.md", "init.py", "test.py", *what.modules)}
    there = {str(path.relative_to(TEMPLATES)).removesuffix(".tmpl") for path in TEMPLATES.glob("*/*")}
    assert there == used


def test_its_own_tests_pass(package: Path) -> None:
    assert " passed" in run_in(package, "-m", "pytest", "-q", "-p", "no:cacheprovider")


def test_its_section_is_typed_and_in_the_schema(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = package.name
    schema = json.loads(run_in(package, "-m", "ida_core", "config", "schema"))["properties"]
    assert schema[name]["properties"]
    for key, value in schema[name]["properties"].items():
        assert value.get("description"), f"{name}.{key}"
        assert "default" in value, f"{name}.{key}"
    assert name not in json_schema(load_plugins())["properties"]


def test_the_readme_names_every_setting_with_its_default(package: Path) -> None:
    schema = json.loads(run_in(package, "-m", "ida_core", "config", "schema"))["properties"][package.name]["properties"]
    rows = [line.split("|") for line in (package / "README.md").read_text().splitlines() if line.startswith("| `")]
    told = {row[1].strip(" `"): row[3].strip() for row in rows}
    shown = {key: "the example" if value["default"] == "" else f"{value['default']:g}" if isinstance(
        value["default"], float) else str(value["default"]) for key, value in schema.items()}
    assert told == shown


BREAKS = {
    "strategy": ("strategy.py", "book.bid is not None", "book.bid is None"),
    "risk": ("check.py", "asked + self", "self"),
    "report": ("report.py", "-fill.value)[:most]", "-fill.value)"),
    "venue": ("venue.py", "self.answers.extend(refused)", "pass"),
    "feed": ("feed.py", "start + after_s", "start"),
}


def test_its_own_tests_fail_when_it_breaks(package: Path) -> None:
    name, good, bad = BREAKS[kind_of(package)]
    file = package / package.name / name
    whole = file.read_text()
    assert whole.count(good) == 1
    file.write_text(whole.replace(good, bad))
    try:
        with pytest.raises(AssertionError, match="failed"):
            run_in(package, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider")
    finally:
        file.write_text(whole)


LINTERS = {
    "ruff": ("check", "--isolated", "--no-cache", "--line-length=100", "--select=E,F,I,B,UP,SIM,RUF"),
    "mypy": ("--strict", "--cache-dir=.cache"),
}


@pytest.mark.parametrize(("tool", "words"), LINTERS.items(), ids=LINTERS)
def test_their_code_pleases_the_linters(tmp_path: Path, tool: str, words: tuple[str, ...]) -> None:
    """All kinds at once: it is reading Ida itself that takes the time."""
    pytest.importorskip(tool)
    for kind in KINDS:
        make_package(kind, f"my_{kind}", tmp_path / "made")
        shutil.copytree(tmp_path / "made" / f"my_{kind}", tmp_path / "all", dirs_exist_ok=True)
    run_in(tmp_path / "all", "-m", tool, *words, ".")


@pytest.mark.parametrize("kind", KINDS)
def test_a_name_of_any_length_makes_sound_python(tmp_path: Path, kind: str) -> None:
    folder = make_package(kind, LONGEST, tmp_path).folder
    for file in folder.rglob("*.py"):
        compile(file.read_text(), str(file), "exec")
    assert read_project(folder)["name"] == f"ida-{LONGEST.replace('_', '-')}"


# ---------------------------------------------------------------- the workflows


def workflow(package: Path, name: str) -> dict[str, dict[str, dict[str, object]]]:
    text = (package / ".github" / "workflows" / f"{name}.yml").read_text()
    found: dict[str, dict[str, dict[str, object]]] = yaml.load(text, Loader=yaml.BaseLoader)
    return found


def steps(job: dict[str, object]) -> list[dict[str, object]]:
    found = job["steps"]
    assert isinstance(found, list)
    return found


def test_the_tests_run_on_every_python(package: Path) -> None:
    made = workflow(package, "test")
    assert {"pull_request", "push", "workflow_call"} <= set(made["on"])
    job = made["jobs"]["test"]
    assert job["strategy"] == {"fail-fast": "false", "matrix": {"python": PYTHONS}}
    (setup,) = [step for step in steps(job) if str(step.get("uses")).startswith("actions/setup-python@")]
    assert setup["with"] == {"python-version": "${{ matrix.python }}"}
    assert [step["run"] for step in steps(job) if "run" in step][-1] == "python -m pytest"


def test_a_tag_is_tested_built_and_published_without_a_password(package: Path) -> None:
    made = workflow(package, "publish")
    assert made["on"] == {"push": {"tags": ["v*"]}}
    test, build, publish = (made["jobs"][name] for name in ("test", "build", "publish"))
    assert test["uses"] == "./.github/workflows/test.yml"
    assert (build["needs"], publish["needs"]) == ("test", "build")
    assert any(step.get("run") == "python -m build" for step in steps(build))
    assert (publish["permissions"], publish["environment"]) == ({"id-token": "write"}, "pypi")
    assert steps(publish)[-1] == {"uses": "pypa/gh-action-pypi-publish@release/v1"}
    text = json.dumps(made).lower()
    assert "password" not in text
    assert "secrets." not in text


def test_the_tag_must_name_the_version(package: Path, tmp_path: Path) -> None:
    (command,) = [str(step["run"]) for step in steps(workflow(package, "publish")["jobs"]["build"]) if "name" in step]
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / f"ida_{package.name}-0.1.0-py3-none-any.whl").touch()
    for tag, code in (("v0.1.0", 0), ("v0.1.1", 2)):
        done = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, env=os.environ | {"GITHUB_REF_NAME": tag}, capture_output=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == code


def test_a_venue_may_stand_on_another_only_in_a_run() -> None:
    from ida_core import VenueSetup

    with pytest.raises(PluginError, match="no exchange 'sim'"):
        VenueSetup(config=None).build_other("sim")
