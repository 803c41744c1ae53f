"""What is told of a run: why it ended, which plugin failed, the bare figures, a signal as the journal has it."""

from decimal import Decimal
from typing import Protocol

import msgspec

from ida_core.errors import EXIT_DONE
from ida_core.events import Event, Signal


class Keeper(Protocol):
    """Where inputs and requests are kept in their order: the journal, or what a replay compares with."""

    def append(self, event: Event) -> None: ...


def keep_nothing(event: Event) -> None:
    """Stands in the place of a keeper in a re-run that nobody reads."""


class Failure(msgspec.Struct, frozen=True):
    """A plugin that raised: who, where, on which event."""

    plugin: str
    hook: str
    where: str
    error: str
    event: str
    trace: str


class Stop(msgspec.Struct, frozen=True):
    """Why a run ended, the exit code that says so, and for an error its own code."""

    reason: str
    exit_code: int = EXIT_DONE
    code: str = ""


class Result(msgspec.Struct, frozen=True):
    """What a re-run is compared by: net and fees in ``currency``, a position per instrument."""

    fills: int
    net: Decimal
    fees: Decimal
    currency: str
    positions: tuple[Decimal, ...]


def as_journaled(signal: object) -> Signal:
    """What the journal will have of it, so that strategies see in the run what they will see in a replay."""
    if not isinstance(signal, Signal):
        raise TypeError(f"{signal!r} is no ida_core.Signal")
    try:
        return msgspec.json.decode(msgspec.json.encode(signal, order="deterministic"), type=Signal)
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(f"a signal must be made of what JSON has: {error}") from error
