"""What is handed out: the source distribution builds, and its wheel holds all of Ida, imports and trades."""

import tarfile
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
from installing import ask, run

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("ida_core", "ida_binance", "ida_sim", "plugins")
#: With the C core's symbols, as Python's own flags have them.
LARGEST_WHEEL = 1_500_000

pytestmark = pytest.mark.slow


def tracked(*suffixes: str) -> set[str]:
    """Files of the packages as the wheel should name them."""
    return {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix in suffixes
    }


def test_the_sdist_holds_what_builds_and_proves(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {str(path.relative_to(ROOT)) for path in (ROOT / "csrc").glob("*.[ch]")} - {"csrc/_core.c"}
    wanted |= {"csrc/backend.py", "pyproject.toml", "LICENSE", "README.md", "Makefile", "tests/conftest.py"}
    assert wanted - held == set()
    assert "csrc/_core.c" not in held


def test_the_wheel_is_one_for_all_pythons_since_3_11(wheel: Path) -> None:
    name, number, python, abi, _ = wheel.stem.split("-")
    assert (name, python, abi) == ("ida_trading", "cp311", "abi3")
    assert number == version("ida-trading")
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read(f"{name}-{number}.dist-info/METADATA").decode()
    assert "Requires-Python: >=3.11" in metadata


def test_the_wheel_holds_all_of_the_packages_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert "ida_core/_core.abi3.so" in held
    assert "ida_core/py.typed" in held
    assert held - {"ida_core/_core.abi3.so"} == tracked(".py", ".typed", ".html", ".css", ".js", ".tmpl")
    assert wheel.stat().st_size < LARGEST_WHEEL


def test_the_installed_ida_runs(installed: Path, tmp_path: Path) -> None:
    where = "import ida_core, ida_core._core as c, sys; print(ida_core.__file__, c.__file__)"
    for file in run(installed / "python", "-c", where, cwd=tmp_path).split():
        assert Path(file).is_relative_to(installed.parent)
    assert run(installed / "ida", "--version", cwd=tmp_path).startswith(f"ida {version('ida-trading')}\n")


def test_the_installed_ida_trades(installed: Path, tmp_path: Path) -> None:
    document = ask(installed / "ida", "demo", "--duration", "20", "--out", "runs", cwd=tmp_path)
    assert document["run"]["mode"] == "SIM"
    assert document["fills"]["count"] > 0
