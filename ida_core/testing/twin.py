"""Runs a strategy in a Python of its own whose sets and dicts of text are ordered otherwise (``PYTHONHASHSEED``).

``python -m ida_core.testing.twin`` reads what to run from stdin and prints the journal's hash.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from ida_core.config import Settings
from ida_core.plugins import import_file, load_plugins

TWIN_S = 60


class Traveller(msgspec.Struct, frozen=True):
    """A class by its module (or file) and name."""

    module: str
    file: str
    qualname: str


class Errand(msgspec.Struct, frozen=True):
    """What the twin is to run: plugin classes and the settings."""

    kinds: tuple[Traveller, ...]
    path: tuple[str, ...]
    settings: Settings


def can_travel(kind: type) -> str | None:
    """Why another process cannot import ``kind``; None if it can."""
    if "<locals>" in kind.__qualname__:
        return "the class was made inside a function, so another process cannot import it"
    if not getattr(sys.modules.get(kind.__module__), "__file__", None):
        return "the class is in no file, so another process cannot import it"
    return None


def run_twin(kinds: Sequence[type], settings: Settings, hash_seed: int) -> str:
    """Run in a new process; returns the journal's hash.

    Raises:
        AssertionError: the run failed there; with what it said.
    """
    errand = Errand(tuple(map(_traveller, kinds)), tuple(sys.path), settings)
    done = subprocess.run(
        [sys.executable, "-m", "ida_core.testing.twin"], input=msgspec.json.encode(errand), capture_output=True,
        timeout=TWIN_S, check=False, env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
    )
    text = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
    assert done.returncode == 0, f"in another process the run fails: {text}"
    return done.stdout.decode().strip()


def _traveller(kind: type) -> Traveller:
    return Traveller(kind.__module__, str(sys.modules[kind.__module__].__file__), kind.__qualname__)


def main() -> None:
    from ida_core.run import execute
    from ida_core.testing.trial import with_plugin

    errand = msgspec.json.decode(sys.stdin.buffer.read(), type=Errand)
    sys.path[:] = list(errand.path)
    plugins = load_plugins()
    for traveller in errand.kinds:
        plugins = with_plugin(plugins, _imported(traveller))
    outcome = execute(errand.settings, plugins)
    print(outcome.document["run"]["journal_sha256"])


def _imported(traveller: Traveller) -> Any:
    try:
        found: Any = importlib.import_module(traveller.module)
    except ImportError:
        found = import_file(Path(traveller.file))
    for name in traveller.qualname.split("."):
        found = getattr(found, name)
    return found


if __name__ == "__main__":
    main()
