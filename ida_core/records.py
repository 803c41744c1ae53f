"""C records to event objects, for those who asked for them. Books never become objects."""

from collections.abc import Callable
from decimal import Decimal
from struct import Struct
from typing import Any

from ida_core.book import Market
from ida_core.events import Bar, Event, Mark, MarketState, Quote, Trade
from ida_core.model import Side
from ida_core.native import ffi, lib
from ida_core.protocols import Subscription

_E8 = Decimal(1).scaleb(-8)
_cast, _bytes = ffi.cast, ffi.buffer
_BAR, _MARK = ffi.typeof("ida_bar *"), ffi.typeof("ida_mark *")
# The two that come by the ten thousand are unpacked at once, flags and all from the venue's time on: half of what
# reading field by field costs.
_FIELDS = Struct("<10xH4x7q")
_SIZE = ffi.sizeof("ida_quote")
assert ffi.sizeof("ida_trade") == _SIZE == _FIELDS.size
# The same two where an ``ida_event`` has a copy of them; its instrument and the record's kind come with it.
_TOLD = Struct("<8xI28x8xHH4x7q")
assert (ffi.offsetof("ida_event", "told"), ffi.sizeof("ida_event")) == (40, _TOLD.size)
_TRADE, _QUOTE = lib.IDA_TRADE, lib.IDA_QUOTE
_BUYER_IS_MAKER, _OFF_BOOK = lib.IDA_FLAG_BUYER_IS_MAKER, lib.IDA_FLAG_OFF_BOOK
_BUY, _SELL = Side.BUY, Side.SELL


def _trade(record: Any, instrument: int) -> Trade:
    flags, venue_ns, local_ns, trade_id, price, quantity, _, _ = _FIELDS.unpack(_bytes(record, _SIZE))
    return Trade(
        ts_local_ns=local_ns, ts_venue_ns=venue_ns, instrument=instrument, trade_id=trade_id, price=price,
        quantity=quantity, side=_SELL if flags & _BUYER_IS_MAKER else _BUY, off_book=flags & _OFF_BOOK > 0,
    )


def _quote(record: Any, instrument: int) -> Quote:
    _, venue_ns, local_ns, update_id, bid, bid_lots, ask, ask_lots = _FIELDS.unpack(_bytes(record, _SIZE))
    return Quote(
        ts_local_ns=local_ns, ts_venue_ns=venue_ns, instrument=instrument, update_id=update_id,
        bid=bid, bid_quantity=bid_lots, ask=ask, ask_quantity=ask_lots,
    )


def _bar(record: Any, instrument: int) -> Bar:
    b = _cast(_BAR, record)
    return Bar(
        ts_local_ns=record.ts_local_ns, ts_venue_ns=record.ts_venue_ns, instrument=instrument,
        open_ns=b.open_ns, close_ns=b.close_ns, interval_s=b.interval_s, open=b.open, high=b.high, low=b.low,
        close=b.close, volume=b.volume, trades=b.trades, closed=bool(record.flags & lib.IDA_FLAG_CLOSED),
    )


def _mark(record: Any, instrument: int) -> Mark:
    m = _cast(_MARK, record)
    return Mark(
        ts_local_ns=record.ts_local_ns, ts_venue_ns=record.ts_venue_ns, instrument=instrument,
        mark=m.mark_e8 * _E8, index=m.index_e8 * _E8, funding_rate=m.funding_rate_e8 * _E8,
        next_funding_ns=m.next_funding_ns,
    )


_MAKERS: dict[int, Callable[[Any, int], Event]] = {
    lib.IDA_TRADE: _trade, lib.IDA_QUOTE: _quote, lib.IDA_BAR: _bar, lib.IDA_MARK: _mark,
}


def event_of(record: Any, instrument: int) -> Event | None:
    """The event that an ``ida_record *`` tells, or None for kinds that have no object (books, tickers)."""
    maker = _MAKERS.get(record.kind)
    return maker(record, instrument) if maker else None


def event_reader(event: Any) -> Callable[[], Event | None]:
    """A function that makes the object of the record that the ``ida_event *`` tells of at the time, as ``event_of``."""
    view, unpack = _bytes(event), _TOLD.unpack_from

    def read() -> Event | None:
        instrument, kind, flags, venue_ns, local_ns, number, one, two, three, four = unpack(view)
        if kind == _QUOTE:
            return Quote(
                ts_local_ns=local_ns, ts_venue_ns=venue_ns, instrument=instrument, update_id=number,
                bid=one, bid_quantity=two, ask=three, ask_quantity=four,
            )
        if kind == _TRADE:
            return Trade(
                ts_local_ns=local_ns, ts_venue_ns=venue_ns, instrument=instrument, trade_id=number, price=one,
                quantity=two, side=_SELL if flags & _BUYER_IS_MAKER else _BUY, off_book=flags & _OFF_BOOK > 0,
            )
        return event_of(event.record, instrument)

    return read


def watch_bits(subscription: Subscription) -> tuple[int, int]:
    """``ida_subscription`` bits and the interval in ns, as csrc/watch.h takes them."""
    bits = {"none": 0, "top": lib.IDA_SUB_TOP, "every": lib.IDA_SUB_BOOK}[subscription.book]
    bits |= lib.IDA_SUB_TRADE * subscription.trades | lib.IDA_SUB_QUOTE * subscription.quotes
    bits |= lib.IDA_SUB_BAR * subscription.bars | lib.IDA_SUB_MARK * subscription.marks
    return bits, subscription.interval_ns


_STATE_REASONS = (
    (lib.IDA_CHANGED_GAP, "GAP", "the chain of update ids broke"),
    (lib.IDA_CHANGED_CROSSED, "STALE", "bid met ask: the book was given up"),
    (lib.IDA_CHANGED_DISPROVED, "STALE", "the exchange's best bid and ask differ, time after time: book given up"),
    (lib.IDA_CHANGED_FAULT, "STALE", "a record could not be applied: the book was given up"),
)


def silence(market: Market, changes: int, instrument: int, now_ns: int, age_ns: int, bound_ns: int) -> MarketState:
    """The event that tells that a depth stream fell silent, or is heard of again; ``age_ns``: of the last proof."""
    silent = changes & lib.IDA_CHANGED_SILENT > 0
    state, reason = ("LIVE", "") if market.synced else ("STALE", "waiting for a snapshot")
    if silent:
        state = "STALE"
        reason = f"no sign of life of its depth stream for {age_ns / 1e9:.3g} s, the bound is {bound_ns / 1e9:g} s"
    return MarketState(ts_local_ns=now_ns, instrument=instrument, state=state, reason=reason, silent=silent)


def state_change(market: Market, changes: int, record: Any, instrument: int) -> MarketState:
    """The event that tells whether a book is in step after ``record``; ``changes``: ``ida_change`` bits."""
    state, reason = ("LIVE", "") if market.synced else ("STALE", "waiting for a snapshot")
    for bit, word, sentence in _STATE_REASONS:
        if changes & bit and not market.synced:
            state, reason = word, sentence
            break
    return MarketState(
        ts_local_ns=record.ts_local_ns, ts_venue_ns=record.ts_venue_ns, instrument=instrument,
        state=state, reason=reason)
