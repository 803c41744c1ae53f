"""The source distribution and the wheel, built once for all tests of them.

The sources are copied first, so that nothing of an earlier build can hide what is missing from the lists.
"""

import re
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from installing import PIP, make_environment, run

ROOT = Path(__file__).resolve().parents[2]
NOT_SOURCES = shutil.ignore_patterns(
    ".git", ".venv", ".*_cache", ".hypothesis", "build", "dist", "site", "runs", "*.egg-info", "__pycache__", "_core.*"
)


def has_build_tools() -> bool:
    """Without them pip fetches its own, which takes longer and a network."""
    try:
        return int(version("setuptools").split(".")[0]) >= 77 and bool(version("cffi"))
    except PackageNotFoundError:
        return False


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(ROOT, tmp_path_factory.mktemp("sources") / "ida", ignore=NOT_SOURCES))


@pytest.fixture(scope="session")
def sdist(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not has_build_tools():
        pytest.skip("needs setuptools >= 77 and cffi beside pytest")
    out = tmp_path_factory.mktemp("sdist")
    build = "import sys; sys.path.insert(0, 'csrc'); import backend; backend.build_sdist(sys.argv[1])"
    printed = run(sys.executable, "-c", build, out, cwd=sources)
    assert "deprecat" not in printed.lower(), printed
    return next(out.glob("*.tar.gz"))


@pytest.fixture(scope="session")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the source distribution alone."""
    out = tmp_path_factory.mktemp("wheel")
    options = ("--verbose", "--no-cache-dir", "--no-deps", "--no-build-isolation", "--wheel-dir", out)
    printed = run(*PIP, "wheel", *options, sdist, cwd=out)
    assert "deprecat" not in printed.lower(), printed
    assert re.findall(r"^\s*csrc/.*warning:.*", printed, re.MULTILINE) == []
    return next(out.glob("*.whl"))


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` of a fresh environment with the wheel."""
    return make_environment(tmp_path_factory.mktemp("installed") / "venv", wheel)
