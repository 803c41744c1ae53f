"""Environments of their own with Ida's wheel in them, and what is run there."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PIP = (sys.executable, "-m", "pip")


def run(*command: str | Path, cwd: Path, variables: Mapping[str, str] | None = None) -> str:
    """Run and return what was printed, both streams; a failure shows all of it."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words, cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        env=None if variables is None else dict(variables),
    )  # fmt: skip
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}"
    return done.stdout


def ask(*command: str | Path, cwd: Path, variables: Mapping[str, str] | None = None) -> Any:
    """Run a command of ``ida`` with ``--json`` and return its document, whatever the exit code."""
    words = [*map(str, command), "--json"]
    env = None if variables is None else dict(variables)
    done = subprocess.run(words, cwd=cwd, text=True, capture_output=True, check=False, env=env)
    assert done.stdout, f"{' '.join(words)}\n{done.stderr}"
    return json.loads(done.stdout)


def install(environment: Path, what: Sequence[str | Path], variables: Mapping[str, str] | None = None) -> None:
    python = environment / "bin" / "python"
    run(*PIP, "--python", python, "install", "--quiet", *what, cwd=environment, variables=variables)


def make_wheels(out: Path, *projects: Path) -> list[Path]:
    """Build wheels with the tools of this environment, without a network."""
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", out)
    run(*PIP, "wheel", *options, *projects, cwd=out)
    return sorted(out.glob("*.whl"))


def make_environment(folder: Path, wheel: Path) -> Path:
    """Make an environment with the wheel; what Ida depends on is lent by this one. Returns its ``bin``."""
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=wheel.parent)
    install(folder, ["--no-deps", str(wheel)])
    lent = next(path for path in map(Path, sys.path) if (path / "cffi").is_dir())
    next(folder.glob("lib/python*/site-packages")).joinpath("lent.pth").write_text(f"{lent}\n")
    return folder / "bin"


def interpreter(wanted: str) -> Path | None:
    """Another Python of this machine: one on the path that works (a shim may not), else the newest of pyenv."""
    if found := shutil.which(f"python{wanted}"):
        works = subprocess.run([found, "--version"], capture_output=True, text=True, check=False)
        if works.stdout.startswith(f"Python {wanted}."):
            return Path(found)
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    kept = [path for path in root.glob(f"versions/{wanted}.*/bin/python{wanted}") if path.is_file()]
    return max(kept, key=lambda path: _patch(path.parents[1].name), default=None)


def _patch(version: str) -> int:
    digits = version.rpartition(".")[2]
    return int(digits) if digits.isdigit() else -1  # a release candidate comes before the first release
