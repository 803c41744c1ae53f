"""Runs a strategy in a Python of its own whose sets and dicts of text are ordered otherwise (``PYTHONHASHSEED``).

``python -m ida_core.testing.twin`` reads what to run from stdin and prints the journal's hash.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

from ida_core.config import Settings
from ida_core.plugins import import_file, load_plugins

TWIN_S = 60


class Errand(msgspec.Struct, frozen=True):
    """What the twin is to run: a class by its module (or file) and name, and the settings."""

    module: str
    file: str
    qualname: str
    path: tuple[str, ...]
    settings: Settings


def can_travel(kind: type) -> str | None:
    """Why another process cannot import ``kind``; None if it can."""
    if "<locals>" in kind.__qualname__:
        return "the class was made inside a function, so another process cannot import it"
    if not getattr(sys.modules.get(kind.__module__), "__file__", None):
        return "the class is in no file, so another process cannot import it"
    return None


def run_twin(kind: type, settings: Settings, hash_seed: int) -> str:
    """Run in a new process; returns the journal's hash.

    Raises:
        AssertionError: the run failed there; with what it said.
    """
    file = str(sys.modules[kind.__module__].__file__)
    errand = Errand(kind.__module__, file, kind.__qualname__, tuple(sys.path), settings)
    done = subprocess.run(
        [sys.executable, "-m", "ida_core.testing.twin"], input=msgspec.json.encode(errand), capture_output=True,
        timeout=TWIN_S, check=False, env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
    )
    text = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
    assert done.returncode == 0, f"in another process the run fails: {text}"
    return done.stdout.decode().strip()


def main() -> None:
    from ida_core.run import execute
    from ida_core.testing.trial import with_plugin

    errand = msgspec.json.decode(sys.stdin.buffer.read(), type=Errand)
    sys.path[:] = list(errand.path)
    kind = _imported(errand)
    outcome = execute(errand.settings, with_plugin(load_plugins(), kind))
    print(outcome.document["run"]["journal_sha256"])


def _imported(errand: Errand) -> Any:
    try:
        module: Any = importlib.import_module(errand.module)
    except ImportError:
        module = import_file(Path(errand.file))
    found = module
    for name in errand.qualname.split("."):
        found = getattr(found, name)
    return found


if __name__ == "__main__":
    main()
