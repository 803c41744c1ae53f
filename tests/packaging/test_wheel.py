"""What is handed out: the source distribution builds, and its wheel holds all of Ida, imports and trades.

The sources are copied first, so that nothing of an earlier build can hide what is missing from the lists.
"""

import json
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("ida_core", "ida_binance", "ida_sim", "plugins")
NOT_SOURCES = shutil.ignore_patterns(
    ".git", ".venv", ".*_cache", ".hypothesis", "build", "dist", "site", "runs", "*.egg-info", "__pycache__", "_core.*"
)
LARGEST_WHEEL = 1_000_000
OTHER_PYTHONS = ("3.12", "3.13", "3.14")

pytestmark = pytest.mark.slow


def run(*command: str | Path, cwd: Path) -> str:
    """Run and return what was printed, both streams; a failure shows all of it."""
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}"
    return done.stdout


def has_build_tools() -> bool:
    """Without them pip fetches its own, which takes longer and a network."""
    try:
        return int(version("setuptools").split(".")[0]) >= 77 and bool(version("cffi"))
    except PackageNotFoundError:
        return False


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(ROOT, tmp_path_factory.mktemp("sources") / "ida", ignore=NOT_SOURCES))


@pytest.fixture(scope="module")
def sdist(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not has_build_tools():
        pytest.skip("needs setuptools >= 77 and cffi beside pytest")
    out = tmp_path_factory.mktemp("sdist")
    build = "import sys; sys.path.insert(0, 'csrc'); import backend; backend.build_sdist(sys.argv[1])"
    printed = run(sys.executable, "-c", build, out, cwd=sources)
    assert "deprecat" not in printed.lower(), printed
    return next(out.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the source distribution alone."""
    out = tmp_path_factory.mktemp("wheel")
    options = ("--verbose", "--no-cache-dir", "--no-deps", "--no-build-isolation", "--wheel-dir", out)
    printed = run(sys.executable, "-m", "pip", "wheel", *options, sdist, cwd=out)
    assert "deprecat" not in printed.lower(), printed
    assert re.findall(r"^\s*csrc/.*warning:.*", printed, re.MULTILINE) == []
    return next(out.glob("*.whl"))


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


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` of a fresh environment with the wheel; what Ida depends on is lent by this one."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=wheel.parent)
    install(folder, ["--no-deps", str(wheel)])
    lent = next(path for path in map(Path, sys.path) if (path / "cffi").is_dir())
    next(folder.glob("lib/python*/site-packages")).joinpath("lent.pth").write_text(f"{lent}\n")
    return folder / "bin"


def install(environment: Path, what: Sequence[str]) -> None:
    python = environment / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", *what, cwd=environment)


def test_the_installed_ida_runs(installed: Path, tmp_path: Path) -> None:
    where = "import ida_core, ida_core._core as c, sys; print(ida_core.__file__, c.__file__)"
    for file in run(installed / "python", "-c", where, cwd=tmp_path).split():
        assert Path(file).is_relative_to(installed.parent)
    assert run(installed / "ida", "--version", cwd=tmp_path).startswith(f"ida {version('ida-trading')}\n")


def test_the_installed_ida_trades(installed: Path, tmp_path: Path) -> None:
    command = [installed / "ida", "demo", "--json", "--duration", "20", "--out", tmp_path / "runs"]
    done = subprocess.run(command, cwd=tmp_path, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["run"]["mode"] == "SIM"
    assert document["fills"]["count"] > 0


def interpreter(wanted: str) -> Path | None:
    """Another Python of this machine, on the path or of pyenv."""
    if found := shutil.which(f"python{wanted}"):
        works = subprocess.run([found, "--version"], capture_output=True, text=True, check=False)
        if works.stdout.startswith(f"Python {wanted}."):
            return Path(found)
    kept = sorted((Path.home() / ".pyenv" / "versions").glob(f"{wanted}.*/bin/python{wanted}"))
    return kept[-1] if kept else None


@pytest.mark.parametrize("wanted", OTHER_PYTHONS)
def test_a_newer_python_takes_the_same_wheel(wheel: Path, wanted: str, tmp_path: Path) -> None:
    python = interpreter(wanted)
    if python is None:
        pytest.skip(f"there is no Python {wanted} here")
    run(python, "-m", "venv", "--without-pip", tmp_path / "venv", cwd=tmp_path)
    try:
        install(tmp_path / "venv", ["--retries", "0", "--timeout", "10", "--only-binary", ":all:", "cffi>=1.17"])
    except AssertionError:
        pytest.skip(f"cffi for Python {wanted} cannot be had here")
    install(tmp_path / "venv", ["--no-deps", str(wheel)])
    use = "from ida_core.native import ffi, lib; print(ffi.string(lib.ida_status_text(lib.IDA_OK)).decode())"
    assert run(tmp_path / "venv" / "bin" / "python", "-c", use, cwd=tmp_path).strip()
