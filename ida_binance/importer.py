"""Recordings to feeds: finds the grid or keeps to a given one, converts once, caches."""

import hashlib
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Literal

from msgspec.structs import replace

from ida_binance.decoder import Decoder, Grid, Learned, Uneven
from ida_binance.recorded_lines import LinePass
from ida_binance.symbols import SPOT, contract
from ida_binance.told import read_told
from ida_core.errors import DataError
from ida_core.feed import (
    MOST_PROBLEMS,
    FeedInstrument,
    FeedMeta,
    FeedProblem,
    FeedSource,
    FeedWriter,
    Survey,
    open_recording,
)  # fmt: skip
from ida_core.model import plain
from ida_core.native import ffi, lib

#: Part of the cache's keys: raise it when the same bytes would be converted differently.
VERSION = "binance3"
HEAD_BYTES = 4 << 20

OnDamage = Literal["stop", "skip"]


class Recorded:
    """One recorded file: where it lies, what its bytes are, and what it tells of its instruments.

    Raises:
        DataError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.told = read_told(path)
        with open_recording(path) as file:
            self.sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            self.bytes = path.stat().st_size

    def key(self, grids: Mapping[str, Grid] | None) -> str:
        """Of the cache: the content, the grid it is brought to, and the version of all this."""
        text = "".join(
            f"{symbol} {plain(grid.tick_size)} {plain(grid.lot_size)}\n"
            for symbol, grid in sorted((grids or {}).items())
        )
        grid = hashlib.sha256(text.encode()).hexdigest()[:12] if grids else "own"
        return f"{self.sha256[:40]}-{grid}-{VERSION}"


class Problems:
    """Collects what a pass meets; the first damage ends it where that is asked for."""

    def __init__(self, path: Path, on_damage: OnDamage) -> None:
        self._path = path
        self._on_damage = on_damage
        self.first: list[FeedProblem] = []
        self.total = self.damaged = 0

    def __call__(self, problem: FeedProblem) -> None:
        if problem.damage and self._on_damage == "stop":
            raise damaged(self._path, problem)
        self.total += 1
        self.damaged += problem.damage
        if len(self.first) < MOST_PROBLEMS:
            self.first.append(problem)


def sentence(path: Path, problem: FeedProblem) -> str:
    """``FILE:LINE:COLUMN: RULE: TEXT``."""
    text = f": {problem.text}" if problem.text else ""
    return f"{path}:{problem.line}:{problem.column}: {problem.rule}{text}"


def damaged(path: Path, problem: FeedProblem) -> DataError:
    """What is raised for damage: where it is, how much is sound, and how to go on."""
    return DataError(
        f"{sentence(path, problem)} (the {problem.line - 1} lines before it can be read; "
        "on_damage = 'skip' passes over what cannot)",
        code="IDA-E7010",
    )


class Conversion:
    """Makes the feed of one recording; called with the writer by ``open_cached``.

    Args:
        own: the description of its own feed; None: learn the symbols and their grids.
        grids: with ``own``, the grid of each of its symbols; those in ``given`` were told to us.
    """

    def __init__(
        self, recorded: Recorded, on_damage: OnDamage,
        own: FeedMeta | None = None, grids: Mapping[str, Grid] | None = None, given: Container[str] = (),
    ) -> None:  # fmt: skip
        self._recorded = recorded
        self._own = own
        self._grids = grids if own else recorded.told.grids or None
        self._given = given
        self._problems = Problems(recorded.path, on_damage)

    def __call__(self, writer: FeedWriter) -> FeedMeta:
        decoder = Decoder(self._grids, rounds=self._recorded.told.rounds(self._grids or {}))
        only = self._only_symbol(decoder)
        path, told = self._recorded.path, self._recorded.told
        lines = LinePass(path, decoder, self._problems, default_symbol=only, torn_ends=told.is_own)
        if told.fault:
            self._problems(FeedProblem(1, 1, told.fault))
        for batch in lines.batches():
            writer.write(ffi.buffer(batch.records, batch.bytes), batch.number)
        if not lines.records and (not told.instruments or self._problems.damaged):
            raise self._nothing(lines.line)
        learned = decoder.learned()
        if self._own is not None:
            instruments = [self._moved(i) for i in self._own.instruments]
        elif told.instruments:
            instruments = list(told.instruments.values())
        else:
            _bring_onto_grids(writer, learned)
            instruments = [_instrument(symbol) for symbol in learned]
        instruments = [_counted(i, decoder.uneven(at)) for at, i in enumerate(instruments)]
        return self._describe(lines, instruments, writer.survey(len(learned)))

    def _nothing(self, lines: int) -> DataError:
        path = self._recorded.path
        told = [sentence(path, problem) for problem in self._problems.first[:3]]
        text = f"{path}: none of its {lines} lines is market data"
        return DataError(text, code="IDA-E7012", problems=told)

    def _only_symbol(self, decoder: Decoder) -> int:
        """The index of the symbol that a message means which names none; -1 if there are
        several."""
        if self._grids is not None:
            return 0 if len(decoder) == 1 else -1
        names = _first_symbols(self._recorded.path)
        return decoder.add(names[0]) if len(names) == 1 else -1

    def _moved(self, own: FeedInstrument) -> FeedInstrument:
        grid = (self._grids or {})[own.symbol]
        inferred = own.inferred and own.symbol not in self._given
        return replace(own, tick_size=grid.tick_size, lot_size=grid.lot_size, inferred=inferred)

    def _describe(self, lines: LinePass, instruments: Sequence[FeedInstrument], survey: Survey) -> FeedMeta:
        recorded, problems = self._recorded, self._problems
        return FeedMeta(
            sources=(FeedSource(recorded.path.name, recorded.sha256, recorded.bytes, lines.line),),
            instruments=tuple(map(_with_prices, instruments, survey.prices)),
            records=survey.records,
            counts=survey.counts,
            streams=by_kind_of_stream(lines.streams()),
            first_local_ns=survey.first_local_ns,
            last_local_ns=survey.last_local_ns,
            latency_ns=survey.latency_ns,
            delayed=survey.delayed,
            ignored=dict(sorted(lines.ignored.items())),
            off_book=survey.off_book,
            problems=tuple(problems.first),
            problems_total=problems.total,
            damaged=problems.damaged,
            decode_ns=lines.decode_ns(),
        )


def by_kind_of_stream(streams: Mapping[str, int]) -> dict[str, int]:
    """Counts of all symbols together.

    >>> by_kind_of_stream({"btcusdt@depth@0ms": 2, "ethusdt@depth@0ms": 3, "rest_snapshot": 1})
    {'depth@0ms': 5, 'rest_snapshot': 1}
    """
    counts: Counter[str] = Counter()
    for name, messages in streams.items():
        counts[name.partition("@")[2] or name] += messages
    return dict(sorted(counts.items()))


def _first_symbols(path: Path) -> list[str]:
    """The symbols that the recording's first messages name."""
    decoder = Decoder()
    lines, text_bytes = LinePass(path, decoder, lambda problem: None), 0
    for batch in lines.batches():
        text_bytes += batch.bytes
        if len(decoder) > 1 or text_bytes > HEAD_BYTES:
            break
    return [learned.symbol for learned in decoder.learned()]


def _bring_onto_grids(writer: FeedWriter, learned: Sequence[Learned]) -> None:
    """Learned records hold whole 10^-decimals; divide them by the steps that were found."""
    grids = ffi.new("ida_regrid[]", len(learned))
    for grid, symbol in zip(grids, learned, strict=True):
        grid.multiply, grid.divide, grid.decimals = (1, 1), symbol.steps, symbol.decimals
    where = ffi.new("uint64_t *")
    with writer.change() as (records, length):
        status = lib.ida_regrid_records(records, length, grids, len(learned), where)
    if status != lib.IDA_OK:
        reason = ffi.string(lib.ida_status_text(status)).decode()
        raise DataError(f"{writer.path}: record at byte {where[0]} on its grid: {reason}", code="IDA-E7004")


def _instrument(learned: Learned) -> FeedInstrument:
    traded = contract(learned.symbol, learned.market)
    return FeedInstrument(
        symbol=learned.symbol,
        market=learned.market,
        kind=traded.kind.value,
        base=traded.base,
        quote=traded.quote,
        settle=traded.settle,
        multiplier=traded.multiplier,
        tick_size=learned.grid.tick_size,
        lot_size=learned.grid.lot_size,
        chain=0 if learned.market == SPOT else 1,
        inferred=True,
        prices_seen=learned.prices_seen,
    )


def _counted(instrument: FeedInstrument, uneven: Uneven) -> FeedInstrument:
    return replace(instrument, **uneven._asdict())


def _with_prices(instrument: FeedInstrument, prices: tuple[int, int, int]) -> FeedInstrument:
    first, highest, records = prices
    return replace(instrument, first_price=first, highest_price=highest, records=records)
