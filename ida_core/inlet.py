"""How market records come into a run while it goes on: a thin hand on ``csrc/inlet``."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import trio

from ida_core.book import Market
from ida_core.clock import steady_ns
from ida_core.events import Event, Note, VenueStatus
from ida_core.model import Side
from ida_core.native import ffi, lib

INLET_BYTES = 32 << 20
#: What tells that the run falls behind its market, and that it has caught up.
DELAY_NOTES = ("behind", "caught_up")
#: What the engine itself notes; a feeder may not tell it.
OWN_NOTES = frozenset(
    ("start", "stop", "halt", "plugin_failed", "end", "liquidation", "ledger_difference", *DELAY_NOTES))
_NO_MARK = 2**64 - 1
_DEPTH = ffi.sizeof("ida_depth")
_LEVEL = ffi.sizeof("ida_level")

Levels = Iterable[tuple[int, int]]


class Lag(NamedTuple):
    """What waits in an inlet: records (proofs of life among them), bytes, local ns of the oldest (None: nothing)."""

    records: int
    bytes: int
    oldest_ns: int | None


class Inlet:
    """Where a live feed puts its market records, in the order in which they are to be seen. One thread.

    A feeder in C writes them in place (``csrc/inlet.h``: room, commit) by way of ``pointer``; one in Python calls
    ``snapshot``, ``depth``, ``trade``, ``quote``. Prices are ticks, quantities lots, ``instrument`` an index in the
    feed's own ``listed()``, times ns since 1970. Nothing here waits and nothing grows: what finds no room is refused,
    and the feeder chooses what to drop.

    Args:
        instruments: how many there are.
        size: bytes of the ring.
    Raises:
        ValueError: no instrument, or a ring smaller than 4096 bytes.

    >>> inlet = Inlet(1)
    >>> inlet.trade(0, 7, 6_000_000, 3, Side.BUY, ts_local_ns=5)
    True
    >>> inlet.lag
    Lag(records=1, bytes=72, oldest_ns=5)
    """

    def __init__(self, instruments: int, size: int = INLET_BYTES) -> None:
        if instruments < 1 or size < lib.IDA_INLET_LEAST:
            raise ValueError(f"inlet: {instruments} instruments, {size} bytes: at least 1 and {lib.IDA_INLET_LEAST}")
        pointer = lib.ida_inlet_new(size, instruments)
        if not pointer:
            raise MemoryError(f"inlet: no memory for {size} bytes")
        self._pointer: Any = ffi.gc(pointer, lib.ida_inlet_free)
        self._view = lib.ida_inlet_look(pointer)
        self._markets: list[Market] = []
        self._told: deque[tuple[int, int, Event]] = deque()
        self._bell = trio.Event()

    @property
    def pointer(self) -> Any:
        """The ``ida_inlet *``; good as long as this object."""
        return self._pointer

    # ------------------------------------------------------------- for the feeder

    def market(self, instrument: int) -> Market:
        """The instrument as the run sees it so far: whether its book waits for a snapshot (``state``), for which
        (``first_kept_id``), its ``last_update_id``. What waits in the inlet is not in it yet."""
        return self._markets[instrument]

    def tell(self, event: VenueStatus | Note) -> None:
        """Have an event journaled and delivered behind all that was put in before it; its local time is set then.

        Raises:
            ValueError: a note by a word that is the engine's own.
        """
        if isinstance(event, Note) and event.what in OWN_NOTES:
            raise ValueError(f"inlet: a note {event.what!r} is the engine's own")
        now_ns = steady_ns()
        lib.ida_inlet_raise(self._pointer, now_ns)
        self._told.append((int(self._view.entered), now_ns, event))
        self._mark()
        self.wake()

    def alive(self, instrument: int, ts_local_ns: int | None = None) -> None:
        """The instrument's depth stream is proven to live, with all that was put in before; now unless said."""
        lib.ida_inlet_alive(self._pointer, instrument, steady_ns() if ts_local_ns is None else ts_local_ns)
        self.wake()

    def snapshot(
        self, instrument: int, last_id: int, bids: Levels, asks: Levels, *, ts_local_ns: int | None = None,
        ts_venue_ns: int | None = None,
    ) -> bool:
        """The whole book at ``last_id``: levels (ticks, lots). False: no room."""
        ids = (last_id, last_id, -1)
        return self._depth(lib.IDA_SNAPSHOT, instrument, ids, bids, asks, ts_local_ns, ts_venue_ns)

    def depth(
        self, instrument: int, first_id: int, last_id: int, bids: Levels, asks: Levels, *, previous_id: int = -1,
        ts_local_ns: int | None = None, ts_venue_ns: int | None = None,
    ) -> bool:
        """Absolute quantities of the levels that changed, 0 lots for one that is gone. False: no room."""
        ids = (first_id, last_id, previous_id)
        return self._depth(lib.IDA_DEPTH, instrument, ids, bids, asks, ts_local_ns, ts_venue_ns)

    def trade(
        self, instrument: int, trade_id: int, price: int, quantity: int, side: Side, *,
        ts_local_ns: int | None = None, ts_venue_ns: int | None = None,
    ) -> bool:
        """One trade; ``side`` is the aggressor's. False: no room."""
        room = self._room("ida_trade", ffi.sizeof("ida_trade"))
        if not room:
            return False
        room.trade_id = room.first_trade_id = room.last_trade_id = trade_id
        room.price, room.quantity = price, quantity
        flags = lib.IDA_FLAG_BUYER_IS_MAKER if side is Side.SELL else 0
        return self._commit(room, lib.IDA_TRADE, instrument, flags, ts_local_ns, ts_venue_ns)

    def quote(
        self, instrument: int, update_id: int, bid: int, bid_quantity: int, ask: int, ask_quantity: int, *,
        ts_local_ns: int | None = None, ts_venue_ns: int | None = None,
    ) -> bool:
        """Best bid and ask with the id of the book they are of. False: no room."""
        room = self._room("ida_quote", ffi.sizeof("ida_quote"))
        if not room:
            return False
        room.update_id, room.bid, room.bid_quantity = update_id, bid, bid_quantity
        room.ask, room.ask_quantity = ask, ask_quantity
        return self._commit(room, lib.IDA_QUOTE, instrument, 0, ts_local_ns, ts_venue_ns)

    def wake(self) -> None:
        """There may be something new: whoever takes, look. For feeders in C, once a batch."""
        self._bell.set()

    @property
    def lag(self) -> Lag:
        """What was put in and not yet taken out."""
        view = self._view
        oldest_ns = int(view.oldest_ns)
        return Lag(int(view.entered - view.taken), int(view.bytes), oldest_ns if oldest_ns >= 0 else None)

    @property
    def refused(self) -> int:
        """How often there was no room, for a record or a proof of life."""
        return int(self._view.refused)

    @property
    def committed(self) -> int:
        """Market records that came in, ever."""
        return int(self._view.committed)

    @property
    def newest_ns(self) -> int:
        """Local time of the last that came in; -1 before the first."""
        return int(self._view.newest_ns)

    def _room(self, struct: str, size: int) -> Any:
        room = lib.ida_inlet_room(self._pointer, size)
        if not room:
            return None
        record = ffi.cast(f"{struct} *", room)
        record.head.length = size
        return record

    def _depth(
        self, kind: int, instrument: int, ids: tuple[int, int, int], bids: Levels, asks: Levels,
        local_ns: int | None, venue_ns: int | None,
    ) -> bool:
        bids, asks = list(bids), list(asks)
        levels = bids + asks
        room = self._room("ida_depth", _DEPTH + len(levels) * _LEVEL)
        if not room:
            return False
        room.first_id, room.last_id, room.previous_id = ids
        room.bids, room.asks = len(bids), len(asks)
        if levels:
            ffi.memmove(room.levels, ffi.new("ida_level[]", levels), len(levels) * _LEVEL)
        return self._commit(room, kind, instrument, 0, local_ns, venue_ns)

    def _commit(
        self, record: Any, kind: int, instrument: int, flags: int, local_ns: int | None, venue_ns: int | None,
    ) -> bool:
        head = record.head
        head.kind, head.flags, head.instrument, head.crc = kind, flags, instrument, 0
        head.ts_local_ns = steady_ns() if local_ns is None else local_ns
        head.ts_venue_ns = head.ts_local_ns if venue_ns is None else venue_ns
        if venue_ns is None:
            head.flags |= lib.IDA_FLAG_NO_VENUE_TIME
        status = lib.ida_inlet_commit(self._pointer)
        if status != lib.IDA_OK:
            reason = ffi.string(lib.ida_status_text(status)).decode()
            raise ValueError(f"inlet: a record of instrument {instrument}: {reason}")
        self.wake()
        return True

    # ------------------------------------------------------------- for whoever takes

    def attach(self, markets: Sequence[Market]) -> None:
        """The markets that the records go into, one per instrument; for ``market()`` and ``drain()``."""
        self._markets = list(markets)

    def drain(self) -> list[Event]:
        """Apply all that waits to the markets; what was told meanwhile. For who has no timeline (a recorder)."""
        markets = ffi.new("ida_market *[]", [m.pointer for m in self._markets])
        lib.ida_inlet_drain(self._pointer, markets)
        told = [event for _, _, event in self._told]
        self._told.clear()
        self._mark()
        return told

    def take_told(self) -> Event:
        """The oldest event told; the C side says when its turn has come."""
        _, _, event = self._told.popleft()
        self._mark()
        return event

    async def wait(self, timeout_s: float) -> None:
        """Until something came in since the last wait, or ``timeout_s`` are over."""
        with trio.move_on_after(timeout_s):
            await self._bell.wait()
        self._bell = trio.Event()

    def _mark(self) -> None:
        place, at_ns, _ = self._told[0] if self._told else (_NO_MARK, 0, None)
        lib.ida_inlet_mark(self._pointer, place, at_ns)
