"""One instrument's records replayed for a check: the book is rebuilt, and faults get their line."""

from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

from ida_binance.decoder import Uneven
from ida_binance.findings import BookCheck, Fault, Faults, InstrumentCheck, Mismatch
from ida_core.book import NO_ASK, Market
from ida_core.errors import DataError
from ida_core.feed import KINDS, FeedInstrument
from ida_core.model import Instrument, plain
from ida_core.native import ffi, lib

_RECENT = 1024
_PAGES = 16384


class _Sighting(NamedTuple):
    """The best at an update id, [bid, quantity, ask, quantity] in ticks and lots, and its line."""

    update_id: int
    best: tuple[int, int, int, int]
    file: str
    line: int


class Session:
    """An unbroken session of one instrument, over one file or several.

    Raises:
        DataError: the instrument's prices reach higher than a book can, on its grid.
    """

    def __init__(self, instrument: FeedInstrument, highest_price: int, faults: Faults) -> None:
        self.instrument = instrument
        self.files: list[str] = []
        self.uneven: list[Uneven] = []
        self._faults = faults
        self._trusted = True
        self._market = _market(instrument, highest_price)
        self._first_local_ns = self._last_local_ns = -1
        self._depth_line = 0
        self._duplicates = 0
        self._old: list[Fault] = []
        self._mismatches: list[Mismatch] = []
        self._doubtful: list[Mismatch] = []
        self._books: deque[_Sighting] = deque(maxlen=_RECENT)
        self._quotes: deque[_Sighting] = deque(maxlen=_RECENT)

    def continues(self, first_local_ns: int, depth: Any) -> bool:
        """Whether a later file goes on with this session: it begins later, and its first diff
        (``ida_depth *``, None without any) joins on."""
        last = self._market.last_update_id
        if first_local_ns < self._last_local_ns:
            return False
        if depth is None or last is None:
            return True
        chained = depth.previous_id if self.instrument.chain else depth.first_id - 1
        return bool(chained == last)

    def take(self, record: Any, file: str, line: int) -> None:
        """Apply one record, which came from this line."""
        market = self._market
        before = (market.stale, market.resyncs, market.synced)
        compared, mismatched = market.quotes_compared, market.quotes_mismatched
        changes = market.apply(record)
        if self._first_local_ns < 0:
            self._first_local_ns = record.ts_local_ns
        self._last_local_ns = record.ts_local_ns
        if record.kind in (lib.IDA_SNAPSHOT, lib.IDA_DEPTH):
            self._took_depth(ffi.cast("const ida_depth *", record), changes, before, file, line)
        elif record.kind == lib.IDA_QUOTE:
            self._quotes.append(_sighting(ffi.cast("const ida_quote *", record), file, line))
        if market.quotes_compared != compared:
            self._compared(market.quotes_mismatched - mismatched, market.quotes_compared - compared)

    def _took_depth(self, depth: Any, changes: int, before: tuple[int, int, bool], file: str, line: int) -> None:
        market, (stale, _, synced) = self._market, before
        self._depth_line = self._depth_line or line
        if changes & lib.IDA_CHANGED_GAP:
            expected, found = market.last_gap or (-1, -1)
            word = "previous update id" if self.instrument.chain else "first update id"
            self._fault(file, line, "gap", f"{word} {expected} expected, {found} found")
        if changes & lib.IDA_CHANGED_CROSSED:
            self._fault(file, line, "crossed", f"bid at or above ask after update {depth.last_id}")
        if changes & lib.IDA_CHANGED_FAULT:
            self._fault(file, line, "level", f"a level of update {depth.last_id} fits in no book")
        if synced and market.stale > stale and depth.last_id > market.snapshot_id:
            self._duplicates += 1
            text = f"update {depth.last_id} again, after {market.last_update_id}"
            self._faults.add(Fault(file, line, "duplicate", text))
        if depth.head.kind == lib.IDA_SNAPSHOT and market.state == "WAITING":
            text = f"snapshot {depth.last_id} is older than the first diff after it"
            self._old.append(Fault(file, line, "old_snapshot", text))
        if market.synced:
            self._old.clear()  # a newer one was asked for, and came
            self._books.append(_Sighting(depth.last_id, _best(market), file, line))

    def _fault(self, file: str, line: int, what: str, detail: str) -> None:
        self._trusted = False
        self._faults.add(Fault(file, line, what, f"{self.instrument.symbol}: {detail}"))

    def _compared(self, mismatched: int, compared: int) -> None:
        """Comparisons were made. A lone mismatch with an older quote, between two that agree, is
        explained: the best changed and came back, and no quote told of it."""
        if self._doubtful and mismatched < compared:
            self._mismatches += [_explained(m) for m in self._doubtful]
            self._doubtful = []
        if mismatched:
            self._doubtful.append(self._mismatch(self._market.mismatch_id or 0))
        if len(self._doubtful) > 1 or mismatched > 1:
            self._mismatches += self._doubtful
            self._doubtful = []

    def _mismatch(self, update_id: int) -> Mismatch:
        none = _Sighting(-1, (-1, 0, -1, 0), self.files[-1], 0)
        book = next((b for b in self._books if b.update_id == update_id), none)
        quote = next((q for q in reversed(self._quotes) if q.update_id <= update_id), none)
        return Mismatch(
            file=book.file, line=book.line, update_id=update_id, book=self._plain(book),
            quote_id=quote.update_id, quote=self._plain(quote), explained=False,
        )  # fmt: skip

    def _plain(self, seen: _Sighting) -> tuple[str, ...]:
        price, lot = self.instrument.tick_size, self.instrument.lot_size
        return tuple(plain(n * size) for n, size in zip(seen.best, (price, lot) * 2, strict=True))

    def finish(self) -> InstrumentCheck:
        """The result; faults that only the end shows are added."""
        market = self._market
        compared, mismatched = market.quotes_compared, market.quotes_mismatched
        market.finish()
        if market.quotes_compared != compared:
            self._compared(market.quotes_mismatched - mismatched, market.quotes_compared - compared)
        self._mismatches += [_explained(m) for m in self._doubtful]
        for mismatch in self._mismatches:
            if not mismatch.explained:
                self._fault(mismatch.file, mismatch.line, "mismatch", _told(mismatch))
        for old in self._old:
            self._faults.add(old)
        if self._depth_line and market.snapshot_id is None:
            text = "no snapshot that the diffs could begin from: the book can only be partial"
            self._fault(self.files[0], self._depth_line, "no_snapshot", text)
        return self._result()

    def _result(self) -> InstrumentCheck:
        instrument, market = self.instrument, self._market
        return InstrumentCheck(
            symbol=instrument.symbol, market=instrument.market, tick_size=instrument.tick_size,
            lot_size=instrument.lot_size, inferred=instrument.inferred, files=tuple(self.files),
            counts={kind: market.counts[kind] for kind in KINDS if market.counts[kind]},
            off_book=market.off_book, **_sums(self.uneven), first_local_ns=self._first_local_ns,
            last_local_ns=self._last_local_ns,
            book=_book(market, instrument, self._duplicates, self._mismatches)
            if self._depth_line
            else None,
            trusted=self._trusted and (market.synced or not self._depth_line),
        )  # fmt: skip


def _sums(uneven: Sequence[Uneven]) -> dict[str, int]:
    return {key: sum(getattr(one, key) for one in uneven) for key in Uneven._fields}


def _market(instrument: FeedInstrument, highest_price: int) -> Market:
    try:
        return Market(instrument.chain, max(highest_price, 1), _PAGES)
    except MemoryError as error:
        raise DataError(
            f"{instrument.symbol}: prices up to {plain(highest_price * instrument.tick_size)} with a "
            f"tick size of {plain(instrument.tick_size)} fit in no book; is a price wrong? "
            "Tell the tick size in instruments",
            code="IDA-E7004",
        ) from error


def _best(market: Market) -> tuple[int, int, int, int]:
    top = lib.ida_book_top(market.book.pointer)
    return top.bid, top.bid_quantity, top.ask, top.ask_quantity


def _sighting(quote: Any, file: str, line: int) -> _Sighting:
    best = (quote.bid, quote.bid_quantity, quote.ask, quote.ask_quantity)
    return _Sighting(quote.update_id, best, file, line)


def _explained(mismatch: Mismatch) -> Mismatch:
    from msgspec.structs import replace

    return replace(mismatch, explained=mismatch.quote_id < mismatch.update_id)


def _told(mismatch: Mismatch) -> str:
    return (
        f"after update {mismatch.update_id} the book has {' '.join(mismatch.book)}, "
        f"quote {mismatch.quote_id} says {' '.join(mismatch.quote)}"
    )


def _book(market: Market, instrument: FeedInstrument, duplicates: int, mismatches: list[Mismatch]) -> BookCheck:
    bid, bids, ask, asks = _best(market)
    native: Instrument = instrument.instrument()
    return BookCheck(
        synced=market.synced, snapshot_id=market.snapshot_id,
        last_update_id=market.last_update_id, stale=market.stale - duplicates,
        applied=market.applied, duplicates=duplicates, gaps=market.gaps, crossed=market.crossed,
        resyncs=market.resyncs,
        best_bid=(plain(native.price(bid)), plain(native.quantity(bids))) if bid >= 0 else None,
        best_ask=(plain(native.price(ask)), plain(native.quantity(asks))) if ask != NO_ASK else None,
        levels=market.book.level_counts, sha256=market.book.sha256(native),
        quotes_compared=market.quotes_compared, quotes_mismatched=market.quotes_mismatched,
        mismatches=tuple(mismatches),
    )  # fmt: skip
