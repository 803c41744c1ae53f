"""Faults by a script: what goes wrong, and how many seconds after the beginning."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import trio

from ida_core import ConfigError
from ida_sim.server.faults import Fault, Faults, read_fault


class Step(NamedTuple):
    """``fault`` comes into force ``at_s`` seconds after the beginning."""

    at_s: float
    fault: Fault


def read_script(path: Path) -> list[Step]:
    """The steps of a file, in order of time.

    A ``.toml`` file has a table ``[[fault]]`` for each; any other one JSON object a line. Each holds ``at_s`` and the
    keys of a fault.

    Raises:
        ConfigError: not to be read, or a step that cannot be; the message names file, step and rule.
    """
    try:
        text = path.read_text(encoding="utf-8")
        entries = _toml(text) if path.suffix == ".toml" else _lines(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.DecodeError, ConfigError) as error:
        raise ConfigError(f"script {path}: {error}") from None
    steps = [_step(path, number, entry) for number, entry in enumerate(entries, 1)]
    return sorted(steps, key=lambda step: step.at_s)


async def play(steps: Sequence[Step], faults: Faults) -> None:
    """Put each step's fault into force when its time has come; the beginning is now."""
    start = trio.current_time()
    for step in steps:
        await trio.sleep_until(start + step.at_s)
        faults.place(step.fault)


def _toml(text: str) -> list[Any]:
    found = tomllib.loads(text)
    unknown = [name for name in found if name != "fault"]
    entries = found.get("fault", [])
    if unknown or not isinstance(entries, list):
        raise ConfigError(f"{unknown[0] if unknown else 'fault'}: a script holds tables [[fault]] only")
    return entries


def _lines(text: str) -> list[Any]:
    return [msgspec.json.decode(line) for line in text.splitlines() if line.strip()]


def _step(path: Path, number: int, entry: Any) -> Step:
    if not isinstance(entry, dict):
        raise ConfigError(f"script {path}: step {number} is no table of keys")
    at_s = entry.get("at_s")
    if isinstance(at_s, bool) or not isinstance(at_s, int | float) or not 0 <= at_s < 1e9:
        raise ConfigError(f"script {path}: step {number}: at_s = {at_s!r} must be a number of seconds, 0 or above")
    try:
        return Step(float(at_s), read_fault({key: value for key, value in entry.items() if key != "at_s"}))
    except ConfigError as error:
        raise ConfigError(f"script {path}: step {number}: {error}") from None
