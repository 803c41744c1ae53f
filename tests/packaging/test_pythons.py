"""One wheel installs and trades on every Python since 3.11, on a machine without a compiler."""

import os
import shutil
import zipfile
from email import message_from_bytes
from importlib.metadata import version
from pathlib import Path

import pytest
from installing import PIP, ask, install, interpreter, run

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
COMPILERS = ("cc", "gcc", "clang", "c99", "tcc")

pytestmark = pytest.mark.slow


def requirements(wheel: Path) -> list[str]:
    """What the wheel says that it needs, extras left out."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        told = message_from_bytes(archive.read(name)).get_all("Requires-Dist", [])
    return [need for need in told if "extra ==" not in need]


def without_compiler(environment: Path) -> dict[str, str]:
    """Variables under which nothing can be compiled: no compiler on the path, and one that fails by name."""
    path = str(environment / "bin")
    assert [name for name in COMPILERS if shutil.which(name, path=path)] == []
    return {**os.environ, "PATH": path, "CC": "/bin/false", "CXX": "/bin/false"}


@pytest.fixture(params=PYTHONS)
def environment(request: pytest.FixtureRequest, wheel: Path, tmp_path: Path) -> Path:
    """An environment of that Python with the wheel and what it needs, all of it as wheels."""
    python = interpreter(request.param)
    if python is None:
        pytest.skip(f"there is no Python {request.param} here")
    folder = tmp_path / "venv"
    run(python, "-m", "venv", "--without-pip", folder, cwd=tmp_path)
    bare = without_compiler(folder)
    options = ["--only-binary", ":all:"]
    try:
        install(folder, ["--retries", "0", "--timeout", "20", *options, *requirements(wheel)], variables=bare)
    except AssertionError as error:
        pytest.skip(f"what Ida needs cannot be had for Python {request.param}: {str(error).splitlines()[-1]}")
    install(folder, ["--no-index", *options, str(wheel)], variables=bare)
    return folder


def test_it_installs_and_trades_without_a_compiler(
    environment: Path, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    wanted: str = request.node.callspec.params["environment"]
    bare, ida = without_compiler(environment), environment / "bin" / "ida"
    run(*PIP, "--python", environment / "bin" / "python", "check", cwd=tmp_path, variables=bare)
    first, *others = run(ida, "--version", cwd=tmp_path, variables=bare).splitlines()
    assert first == f"ida {version('ida-trading')}"
    assert any(line.startswith(f"CPython {wanted}.") for line in others), others
    document = ask(ida, "demo", "--duration", "20", "--out", "runs", cwd=tmp_path, variables=bare)
    assert (document["run"]["mode"], document["run"]["complete"]) == ("SIM", True)
    assert document["fills"]["count"] > 0
    assert (tmp_path / document["run"]["out"] / "report" / "report.html").is_file()
