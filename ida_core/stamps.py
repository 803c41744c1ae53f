"""When a request was decided, approved and sent, and when it was answered: the chain of one order's stamps.

All times are those of ``steady_ns``, so that they can be compared with the receipt of what led to the request and of
what came of it. A simulated venue sends no bytes, so of its orders nothing is noted here.
"""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from ida_core.events import AnyRequest, Execution, OrderUpdate, RequestSent
from ida_core.order_table import PLACING, OrderTable
from ida_core.timings import Timings

#: Requests whose bytes or answers are waited for, at most: a venue that tells of none must cost no memory.
MOST_AWAITED = 4096
#: The chain in its order: by the names of ``Order.stamps``, in words.
WORDS: Mapping[str, str] = {
    "requested": "event", "decided": "decision", "approved": "risk", "sent": "sent", "accepted": "acknowledged",
    "first_fill": "first fill",
}
_UNANSWERED, _TRADE = Execution.UNANSWERED, Execution.TRADE


class Stamps:
    """Fills in what the engine knows of a request when the venue tells that its bytes have left.

    Args:
        latency: by name; gets ``order_ack`` (bytes → first report that answers) and, in the place of what was measured
            within the engine, ``order_out`` (decision → bytes), when the first bytes are told of.
    """

    def __init__(self, orders: OrderTable, latency: dict[str, Timings]) -> None:
        self._orders = orders
        self._latency = latency
        self._out: Timings | None = None
        self._asked: dict[tuple[str, str], tuple[int, int]] = {}
        self._unanswered: dict[str, tuple[int, bool]] = {}

    @property
    def measures(self) -> bool:
        """The venue tells when bytes leave, so nobody else need measure it."""
        return self._out is not None

    def asked(self, request: AnyRequest, decided_ns: int, approved_ns: int) -> None:
        """A request is about to be handed to the venue."""
        _make_room(self._asked)
        self._asked[request.order_id, tag_of(request)] = decided_ns, approved_ns

    def sent(self, event: RequestSent) -> RequestSent:
        """The event with its stamps, which its orders have now too. One that has them (a replay) keeps them."""
        decided_ns, approved_ns = self._asked.pop((event.order_id, event.what), (0, 0))
        if not event.decided_ns:
            event = replace(event, decided_ns=decided_ns, approved_ns=approved_ns)
        out = self._measure()
        if event.decided_ns:
            out.add(max(0, event.ts_local_ns - event.decided_ns))
        placing = event.what in PLACING
        for order in self._orders.note_sent(event):
            placed = placing and not (event.what == "replace" and order.order_id == event.order_id)
            answered_ns = order.stamps.get("accepted" if placed else "closed", 0)
            if answered_ns:  # a report may come before the reply by which the venue knows of the bytes
                self._latency["order_ack"].add(max(0, answered_ns - event.ts_local_ns))
                continue
            _make_room(self._unanswered)
            self._unanswered[order.order_id] = event.ts_local_ns, placing
        return event

    def told(self, update: OrderUpdate) -> None:
        """A report came: the first one after the bytes is the answer. A fill answers no cancel."""
        if not self._unanswered or update.order_id not in self._unanswered:
            return
        sent_ns, placing = self._unanswered[update.order_id]
        if update.execution is _TRADE and not placing:
            return
        del self._unanswered[update.order_id]
        if update.execution is not _UNANSWERED:
            self._latency["order_ack"].add(max(0, update.ts_local_ns - sent_ns))

    def _measure(self) -> Timings:
        if self._out is None:
            self._out = self._latency["order_out"] = Timings()
            self._latency["order_ack"] = Timings()
        return self._out


def tag_of(request: AnyRequest) -> str:
    """``place``, ``cancel`` and the like: what the journal calls it.

    >>> from ida_core.events import CancelOrder
    >>> tag_of(CancelOrder(order_id="ida-1"))
    'cancel'
    """
    return str(request.__struct_config__.tag)


def steps(stamps: Mapping[str, int]) -> list[tuple[str, int]]:
    """The chain of an order's stamps as (what, ns after the step before); the first step has 0.

    >>> steps({"requested": 1000, "decided": 3500, "approved": 4000, "sent": 9000, "accepted": 30000})
    [('event', 0), ('decision', 2500), ('risk', 500), ('sent', 5000), ('acknowledged', 21000)]
    """
    known = [(WORDS[name], stamps[name]) for name in WORDS if stamps.get(name)]
    before = [known[0][1], *(ns for _, ns in known)] if known else []
    return [(word, ns - was) for (word, ns), was in zip(known, before, strict=False)]


def _make_room(awaited: dict[Any, Any]) -> None:
    if len(awaited) >= MOST_AWAITED:
        del awaited[next(iter(awaited))]
