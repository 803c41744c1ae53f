"""Time as a run sees it, recorded, synthetic or live: a thin hand on csrc/timeline. Status becomes exception here;
beyond it nobody sees ``lib``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ida_core.book import Market
from ida_core.errors import DataError, IdaError, OutputError
from ida_core.inlet import Inlet
from ida_core.native import ffi, lib
from ida_core.protocols import Subscription
from ida_core.records import watch_bits

TOKENS = 1 << 16
PAGES = 16384
_NO_QUEUE = (lib.IDA_QUEUE_RISK_AVERSE, 1.0)


def status_text(status: int) -> str:
    return str(ffi.string(lib.ida_status_text(status)).decode())


class Timeline:
    """Owns the C timeline; ``event`` is filled by ``lib.ida_timeline_next``, which answers what happened.

    Our side of it: markets, what reaches them, and answers on their way to us.
    """

    def __init__(self, instruments: int) -> None:
        pointer = lib.ida_timeline_new(instruments, TOKENS)
        if pointer == ffi.NULL:
            raise MemoryError(f"no memory for a timeline of {instruments} instruments")
        self.pointer = ffi.gc(pointer, lib.ida_timeline_free)
        self.event = ffi.new("ida_event *")
        self._keep: list[Any] = []
        self._journal: Any = None
        self._instruments = instruments

    def add_instrument(
        self, chain: int, max_price: int, queue: tuple[int, float] = _NO_QUEUE, orders: int = 0
    ) -> None:
        """``queue`` and ``orders`` are of the exchange that is simulated for it: room for so many open orders; without
        any there is none, only our side."""
        status = lib.ida_timeline_add_instrument(self.pointer, chain, PAGES, max_price, queue[0], queue[1], orders)
        if status != lib.IDA_OK:
            raise MemoryError("no memory for the books of another instrument")

    def set_inlet(self, inlet: Inlet, start_ns: int, staleness_ns: int, delay_ns: int) -> None:
        """Live from ``start_ns`` on: records come by ``inlet``, and are judged as csrc/timeline.h says."""
        status = lib.ida_timeline_set_inlet(self.pointer, inlet.pointer, start_ns, delay_ns)
        if status != lib.IDA_OK:
            raise IdaError(f"a timeline of recordings cannot go on live: {status_text(status)}")
        for index in range(self._instruments):
            lib.ida_timeline_set_staleness(self.pointer, index, staleness_ns)
        self._keep.append(inlet)

    def real(self) -> Any:
        """Where the machine's time is written before each step, live: an ``int64_t *``."""
        return lib.ida_timeline_real(self.pointer)

    def due_ns(self) -> int:
        """Live: when something is due by itself, or waits already; far away where nothing is."""
        return int(lib.ida_timeline_due(self.pointer))

    def attach(self, journal: Any) -> None:
        self._journal = journal
        lib.ida_timeline_set_journal(self.pointer, ffi.NULL if journal is None else journal.pointer)

    def end_at(self, end_ns: int) -> None:
        lib.ida_timeline_set_end(self.pointer, end_ns)

    def subscribe(self, index: int, subscription: Subscription) -> None:
        bits, interval_ns = watch_bits(subscription)
        lib.ida_timeline_subscribe(self.pointer, index, bits, interval_ns)

    def respond(self, at_ns: int, token: int) -> None:
        """The answer that ``token`` stands for reaches us at ``at_ns``, or now if that is over."""
        if lib.ida_timeline_respond(self.pointer, at_ns, token) != lib.IDA_OK:
            raise MemoryError("no memory for the exchange's answers that are under way")

    def market(self, index: int) -> Market:
        return Market.borrow(lib.ida_timeline_market(self.pointer, index), self)

    def raise_failure(self, names: Sequence[str]) -> None:
        """Say what the failure is that ``event`` tells of; ``names``: of the instruments.

        Raises:
            OutputError: the journal cannot be written.
            DataError: a price does not fit the book.
        """
        event, name = self.event, names[self.event.instrument]
        if event.status in (lib.IDA_NO_SPACE, lib.IDA_IO):
            if self._journal is not None:
                self._journal.check(event.status)
            raise OutputError(
                f"{name}: the journal cannot be written: {status_text(event.status)}", code="IDA-E7210")
        raise DataError(
            f"{name}: a recorded price does not fit the book: {status_text(event.status)}", code="IDA-E7004")

    @property
    def now_ns(self) -> int:
        return int(lib.ida_timeline_now(self.pointer))

    @property
    def first_ns(self) -> int | None:
        first = int(lib.ida_timeline_first(self.pointer))
        return first if first >= 0 else None

    @property
    def last_ns(self) -> int | None:
        last = int(lib.ida_timeline_last(self.pointer))
        return last if last >= 0 else None

    @property
    def events(self) -> int:
        return int(lib.ida_timeline_events(self.pointer))

    @property
    def rows(self) -> int:
        """Levels, trades and quotes that reached us."""
        return int(lib.ida_timeline_rows(self.pointer))
