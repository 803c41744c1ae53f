"""What a journal's first and last notes say of its run, held to what can be before anybody reckons with it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal, DecimalException
from pathlib import Path
from typing import Any, Literal

import msgspec

from ida_core.arming import Armed
from ida_core.continued import Continued
from ida_core.errors import ConfigError, DataError
from ida_core.events import Note
from ida_core.journal import Timing
from ida_core.model import Instrument, is_sane


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """The start note's data, as far as what reads a journal needs it.

    ``chains``: the rule of ``csrc/sync.h`` of each instrument's book. ``balances``: free and locked, by asset.
    ``rates``: what an asset is worth where no market of the run tells. ``account``: which one it traded on, empty where
    there was none; ``order_prefix``: what its client order ids begin with; ``armed``: by what, if LIVE;
    ``continues``: the run of that account from which it goes on.
    """

    schema: Literal[1] = 1
    instruments: tuple[Instrument, ...]
    chains: tuple[Literal[0, 1], ...]
    mode: str = "SIM"
    risk: tuple[str, ...] = ()
    strategies: tuple[Any, ...] = ()
    feeds: tuple[Any, ...] = ()
    assumptions: dict[str, str] = {}
    balances: dict[str, tuple[Decimal, Decimal]] = {}
    rates: dict[str, Decimal] = {}
    account: str = ""
    order_prefix: str = "ida"
    armed: Armed | None = None
    continues: Continued | None = None


class End(msgspec.Struct, frozen=True, kw_only=True):
    """The end note's data: why the run ended, and the venue's own word on balances what it warns of, and by instrument
    what of its data lay between the steps of the grid."""

    reason: str | None = None
    balances: dict[str, tuple[Decimal, Decimal]] | None = None
    warnings: tuple[str, ...] = ()
    off_grid: dict[str, dict[str, int]] = {}


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """The run's timing: wall-clock figures, which no hash covers."""

    run_id: str | None = None
    started: str | None = None
    elapsed_s: float | None = None
    throughput_eps: float | None = None
    latency_us: dict[str, dict[str, Any]] = {}
    plugin_time: dict[str, dict[str, Any]] = {}


def start_of(folder: Path, note: object) -> Start:
    """Return what a journal begins with.

    Args:
        note: the first event of the journal in ``folder``.
    Raises:
        DataError: it is no start note, or not one that this version can have written.
    """
    if not isinstance(note, Note) or note.what != "start":
        raise DataError(f"{folder}: the journal does not begin with a start note", code="IDA-E7001")
    with _understanding(folder, "start note"):
        start = msgspec.convert(note.data, Start)
        _check_start(start)
    return start


def check_end(folder: Path, end: Note | None, timing: Timing | None) -> None:
    """Hold the run's last words, as far as there are any, to ``End`` and ``Measured``; ``DataError`` if they differ."""
    if end is not None:
        with _understanding(folder, "end note"):
            told = msgspec.convert(end.data, End)
            _check_sizes(told.balances or {}, {})
    if timing is not None:
        with _understanding(folder, "timing"):
            msgspec.convert(timing.data, Measured)


@contextmanager
def _understanding(folder: Path, what: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, ConfigError, DecimalException) as error:
        text = f"{folder}: the journal's {what} is not understood; another version wrote it, or nobody: {error}"
        raise DataError(text, code="IDA-E7020") from error


def _check_start(start: Start) -> None:
    if not start.instruments or len(start.chains) != len(start.instruments):
        raise ValueError(f"{len(start.instruments)} instruments and {len(start.chains)} chains")
    for one in start.instruments:
        for what in ("tick_size", "lot_size", "multiplier"):
            size: Decimal = getattr(one, what)
            _check_size(f"{what} of {one.symbol}", size)
            if size <= 0:
                raise ValueError(f"{what} of {one.symbol} is {size}")
    _check_sizes(start.balances, start.rates)
    if start.continues is not None:
        start.continues.check(start.instruments)
        _check_sizes({asset: (amount, amount) for asset, amount in start.continues.wallets.items()}, {})


def _check_sizes(balances: Mapping[str, tuple[Decimal, Decimal]], rates: Mapping[str, Decimal]) -> None:
    for asset, both in balances.items():
        for amount in both:
            _check_size(f"balance of {asset}", amount)
    for asset, rate in rates.items():
        _check_size(f"rate of {asset}", rate)


def _check_size(what: str, size: Decimal) -> None:
    if not is_sane(size):
        raise ValueError(f"{what} is {size}")


@contextmanager
def reckoning(folder: Path) -> Iterator[None]:
    """Around what reckons with a journal's numbers: those that cannot be are the journal's fault.

    Raises:
        DataError: in place of a number that no ``Decimal`` and no clock holds.
    """
    try:
        yield
    except (DecimalException, OverflowError) as error:
        text = f"{folder}: a number in the journal is beyond what can be reckoned with: {error}"
        raise DataError(text, code="IDA-E7020") from error
