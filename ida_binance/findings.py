"""What a check of recordings finds: frozen records, whose field names are those of its JSON."""

from decimal import Decimal

import msgspec

from ida_core.feed import FeedProblem

SCHEMA = 1
MOST_FAULTS = 10_000


class Fault(msgspec.Struct, frozen=True):
    """What is wrong, and where. ``what`` is a stable word: ``damage`` (a line that cannot be read),
    ``doubt`` (one that can, but not be believed), ``gap``, ``duplicate``, ``crossed``, ``level``
    (outside the book's range), ``no_snapshot``, ``old_snapshot`` or ``mismatch``."""

    file: str
    line: int
    what: str
    detail: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}: {self.detail}"


class Mismatch(msgspec.Struct, frozen=True):
    """A book whose best differed from the newest quote at or before its update id; both as
    [bid, quantity, ask, quantity]. ``explained``: the quote is older, and the next comparison
    agreed, so the best changed and came back between two quotes."""

    file: str
    line: int
    update_id: int
    book: tuple[str, ...]
    quote_id: int
    quote: tuple[str, ...]
    explained: bool


class BookCheck(msgspec.Struct, frozen=True, kw_only=True):
    """The book that was rebuilt, as it stands at the end. ``stale``: diffs older than the snapshot;
    ``resyncs``: snapshots used after the first; prices and quantities as plain decimals."""

    synced: bool
    snapshot_id: int | None
    last_update_id: int | None
    stale: int
    applied: int
    duplicates: int
    gaps: int
    crossed: int
    resyncs: int
    best_bid: tuple[str, str] | None
    best_ask: tuple[str, str] | None
    levels: tuple[int, int]
    sha256: str
    quotes_compared: int
    quotes_mismatched: int
    mismatches: tuple[Mismatch, ...]


class InstrumentCheck(msgspec.Struct, frozen=True, kw_only=True):
    """One unbroken session of one instrument; ``book`` is None where the recording has no depth. On a grid that the
    exchange told: ``quantities_rounded`` up to the next lot; levels and other events left out at prices between two
    ticks."""

    symbol: str
    market: str
    tick_size: Decimal
    lot_size: Decimal
    inferred: bool
    files: tuple[str, ...]
    counts: dict[str, int]
    off_book: int
    quantities_rounded: int
    levels_off_tick: int
    events_off_tick: int
    first_local_ns: int
    last_local_ns: int
    book: BookCheck | None
    trusted: bool


class FileCheck(msgspec.Struct, frozen=True, kw_only=True):
    """One file. ``streams`` by their full names; ``ignored`` are messages that are no market
    data."""

    name: str
    sha256: str
    bytes: int
    lines: int
    records: int
    counts: dict[str, int]
    streams: dict[str, int]
    messages: dict[str, int]
    ignored: dict[str, int]
    decode_ns: dict[str, int]


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """``sound``: no fault at all. ``trusted``: nothing is missing, and each book can be trusted.
    ``latency_ms``: local minus venue time, less the clock offset."""

    schema: int = SCHEMA
    sound: bool
    trusted: bool
    files: tuple[FileCheck, ...]
    instruments: tuple[InstrumentCheck, ...]
    clock_offset_ns: int
    clock: str
    latency_ms: dict[str, float]
    faults: tuple[Fault, ...]
    faults_total: int


class Faults:
    """Collects faults, of which the first are kept."""

    def __init__(self) -> None:
        self.kept: list[Fault] = []
        self.total = 0
        self.damaged = False

    def add(self, fault: Fault) -> None:
        self.total += 1
        self.damaged |= fault.what == "damage"
        if len(self.kept) < MOST_FAULTS:
            self.kept.append(fault)

    def problem(self, file: str, problem: FeedProblem) -> None:
        text = f": {problem.text}" if problem.text else ""
        what = "damage" if problem.damage else "doubt"
        self.add(Fault(file, problem.line, what, f"column {problem.column}: {problem.rule}{text}"))
