"""Packages that `ida new` made live with Ida in a fresh environment: by pip in, run by name, by pip out again.

One environment for the module; its tests are told in the order of a package's life.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from installing import PIP, ask, install, make_environment, make_wheels, run

pytestmark = pytest.mark.slow

NAMES = {"strategy": "drift", "risk": "exposure", "report": "digest", "venue": "flaky", "feed": "omens"}
MARKET = ("--feed", "synthetic", "--duration", "40", "--out", "runs")

BROKEN = {
    "raises_at_import": "x = 1\n\n1 / 0\n",
    "misspelt": "import ida_core\n\n\n@ida_core.hookimpl\ndef ida_strategys():\n    return []\n",
    "later_api": """
import ida_core


class Later(ida_core.Strategy):
    name = "later"
    api = 2


@ida_core.hookimpl
def ida_strategies():
    return [Later]
""",
    "bad_default": """
import msgspec
import ida_core


class Config(msgspec.Struct, frozen=True):
    lots: int = "many"


class Greedy(ida_core.Strategy):
    name = "greedy"
    Config = Config


@ida_core.hookimpl
def ida_strategies():
    return [Greedy]
""",
    "hook_raises": """
import ida_core


@ida_core.hookimpl
def ida_risk_checks():
    return [Missing]
""",
}
#: Where each says that it is broken, and how.
SAID = {
    "raises_at_import": ("raises_at_import.py:3: ", "ZeroDivisionError: division by zero"),
    "misspelt": ("misspelt.py:4: ", "no hook is called 'ida_strategys'; did you mean 'ida_strategies'?"),
    "later_api": ("later_api.py:5: ", "later was made for API level 2; this Ida has 1"),
    "bad_default": ("bad_default.py:6: ", "greedy.lots = 'many': expected a whole number, got text"),
    "hook_raises": ("hook_raises.py:7: ", "NameError: name 'Missing' is not defined"),
}


class Place(NamedTuple):
    """An environment and a folder to work in; ``before``: what there was to see when nothing was installed yet."""

    bin: Path
    work: Path
    before: dict[str, Any]

    def ask(self, *words: str) -> Any:
        return ask(self.bin / "ida", *words, cwd=self.work, variables=self.variables)

    def run(self, *words: str | Path) -> str:
        return run(*words, cwd=self.work, variables=self.variables)

    @property
    def variables(self) -> dict[str, str]:
        """A home of its own, so that what is left behind there is seen."""
        home = str(self.work.parent / "home")
        bare = {name: value for name, value in os.environ.items() if not name.startswith(("IDA_", "XDG_", "PYTHON"))}
        return {**bare, "HOME": home, "PATH": f"{self.bin}:{os.environ['PATH']}", "COLUMNS": "200", "NO_COLOR": "1"}

    def seen(self) -> dict[str, Any]:
        """All that shows which plugins there are."""
        return {
            "plugins": self.ask("plugins"),
            "schema": self.ask("config", "schema"),
            "help": self.run(self.bin / "ida", "--help"),
            "files": sorted(path for path in self.files() if "/__pycache__/" not in path),
        }

    def files(self) -> list[str]:
        """Files of the environment and of the home."""
        roots = (self.bin.parent, self.work.parent / "home")
        return [str(path) for root in roots for path in root.rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def place(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    root = tmp_path_factory.mktemp("life")
    for name in ("work", "home"):
        (root / name).mkdir()
    empty = Place(make_environment(root / "venv", wheel), root / "work", {})
    return empty._replace(before=empty.seen())


@pytest.fixture(scope="module")
def packages(place: Place, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One of each kind, made by the installed `ida new`, installed from its wheel with all that it asks for."""
    made = {kind: Path(place.ask("new", kind, name, "--into", "made")["folder"]) for kind, name in NAMES.items()}
    folders = {kind: place.work / folder for kind, folder in made.items()}
    wheels = make_wheels(tmp_path_factory.mktemp("wheels"), *folders.values())
    assert len(wheels) == len(NAMES)
    install(place.bin.parent, ["--no-index", *wheels])
    return folders


@pytest.fixture(scope="module")
def broken(place: Place, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A distribution of plugins that are all wrong."""
    folder = tmp_path_factory.mktemp("broken")
    for name, text in BROKEN.items():
        (folder / f"{name}.py").write_text(text)
    points = "".join(f'{name} = "{name}"\n' for name in BROKEN)
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        f'[project]\nname = "ida-broken"\nversion = "0.2.0"\n[project.entry-points.ida]\n{points}'
        f"[tool.setuptools]\npy-modules = {json.dumps(list(BROKEN))}\n"
    )
    install(place.bin.parent, ["--no-index", *make_wheels(tmp_path_factory.mktemp("wheels"), folder)])


@pytest.fixture(scope="module")
def removed(place: Place) -> None:
    """Everything that was installed above is uninstalled."""
    names = [*(f"ida-{name}" for name in NAMES.values()), "ida-broken"]
    run(*PIP, "--python", place.bin / "python", "uninstall", "--quiet", "--yes", *names, cwd=place.work)


# ---------------------------------------------------------------- installed


def test_each_is_found_under_its_name(place: Place, packages: dict[str, Path]) -> None:
    document = place.ask("plugins")
    assert document["skipped"] == []
    found = {info["name"]: info for info in document["loaded"]}
    for name in NAMES.values():
        info = found[name]
        assert (info["found"], info["distribution"], info["version"], info["api"]) == (
            "installed", f"ida-{name}", "0.1.0", 1)  # fmt: skip
        assert Path(info["origin"]).is_relative_to(place.bin.parent)
    sections = place.ask("config", "schema")["properties"]
    assert set(NAMES.values()) <= set(sections)


def _trades(document: Any, _: Path) -> bool:
    return bool(document["fills"]["count"])


def _refuses(document: Any, _: Path) -> bool:
    return bool(document["risk"]["refused"]["exposure"])


def _writes(document: Any, out: Path) -> bool:
    return (out / "report" / "digest.md").read_text().startswith(f"# {document['run']['id']}: ")


def _is_closed_at_times(document: Any, _: Path) -> bool:
    return document["run"]["exchange"] == "flaky" and document["orders"]["rejected"] > 0


def _is_heard(document: Any, _: Path) -> bool:
    (signals,) = document["plugins"]["signals"]
    return document["fills"]["count"] == 4 and (signals["name"], signals["version"]) == ("omens", "0.1.0")


RUNS: dict[str, tuple[tuple[str, ...], Callable[[Any, Path], bool]]] = {
    "strategy": (("--strategy", "drift"), _trades),
    "risk": (("--strategy", "market_maker", "--risk", "exposure", "--set", "exposure.limit=50"), _refuses),
    "report": (("--strategy", "market_maker", "--report", "digest"), _writes),
    "venue": (("--strategy", "market_maker", "--exchange", "flaky"), _is_closed_at_times),
    "feed": (("--strategy", "omens_reader", "--feed", "omens"), _is_heard),
}


@pytest.mark.parametrize("kind", RUNS)
def test_it_runs_by_its_name(place: Place, packages: dict[str, Path], kind: str) -> None:
    words, holds = RUNS[kind]
    document = place.ask("run", *MARKET, *words)
    assert document["run"]["complete"], document
    assert holds(document, place.work / document["run"]["out"]), document
    assert place.ask("replay", document["run"]["out"])["replay"]["same"]


@pytest.mark.parametrize("kind", NAMES)
def test_its_own_tests_pass_there(place: Place, packages: dict[str, Path], kind: str) -> None:
    command = (place.bin / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider")
    printed = run(*command, cwd=packages[kind], variables=place.variables)
    assert " passed" in printed


CONFIG = """
[run]
feed = ["synthetic", "omens"]
strategies = ["drift"]
risk = ["exposure"]
reports = ["digest"]
exchange = "flaky"
duration_s = 5
[drift]
quantity = 0.002
[digest]
largest = 1
"""


def test_a_configuration_may_name_them_all(place: Place, packages: dict[str, Path]) -> None:
    (place.work / "ida.toml").write_text(CONFIG)
    assert place.ask("config", "check", "ida.toml") == {"schema": 1, "problems": []}
    assert place.ask("run", "ida.toml")["run"]["complete"]


# ---------------------------------------------------------------- broken


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_one_is_named_with_its_line(place: Place, packages: dict[str, Path], broken: None, name: str) -> None:
    (told,) = [skipped for skipped in place.ask("plugins")["skipped"] if skipped["name"] == name]
    where, why = SAID[name]
    assert f"/site-packages/{where}" in told["why"]
    assert why in told["why"]


def test_the_rest_goes_on_and_every_run_says_what_is_missing(
    place: Place, packages: dict[str, Path], broken: None
) -> None:
    printed = place.run(place.bin / "ida", "run", *MARKET, "--strategy", "drift", "--report", "json")
    assert {name for name in BROKEN if f"warning: plugin {name} was skipped: " in printed} == set(BROKEN)
    assert "run: runs/" in printed
    assert len(place.ask("plugins")["skipped"]) == len(BROKEN)


@pytest.mark.parametrize(("option", "word"), [("--strategy", "greedy"), ("--risk", "missing")])
def test_asking_for_what_a_broken_one_has_tells_why(
    place: Place, packages: dict[str, Path], broken: None, option: str, word: str
) -> None:
    error = place.ask("run", *MARKET, "--strategy", "drift", option, word)["error"]
    assert error["code"] == "IDA-E3001"
    text = "\n".join(error["problems"])
    assert f"is called {word!r}" in text
    assert all(where in text for where, _ in SAID.values())


# ---------------------------------------------------------------- removed


def test_nothing_of_them_is_left(place: Place, packages: dict[str, Path], broken: None, removed: None) -> None:
    assert place.seen() == place.before
    names = (*NAMES.values(), *BROKEN)
    assert [file for file in place.files() if Path(file).stem.partition(".")[0] in names] == []


def test_a_configuration_that_still_names_them_is_told_so(
    place: Place, packages: dict[str, Path], broken: None, removed: None
) -> None:
    (place.work / "ida.toml").write_text(CONFIG)
    error = place.ask("run", "ida.toml")["error"]
    assert error["code"] == "IDA-E3001"
    text = "\n".join(error["problems"])
    for sentence in (
        "3: no feed is called 'omens'",
        "4: no strategy is called 'drift'",
        "5: no risk check is called 'exposure'",
        "6: no report is called 'digest'",
        "7: no exchange is called 'flaky'",
        "9: unknown section [drift]",
        "11: unknown section [digest]",
    ):
        assert f"ida.toml:{sentence}" in text
