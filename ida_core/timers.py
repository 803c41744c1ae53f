"""Timers on the engine's time: a heap that the engine looks at before it asks for the next event."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

NEVER = 2**63 - 1


#: Canceled timers are swept out once they are half of at least so many.
SWEPT_FROM = 64


@dataclass(order=True, slots=True)
class _Entry:
    due_ns: int
    timer_id: int
    fire: Callable[[int, int], None] = field(compare=False)
    interval_ns: int = field(compare=False, default=0)
    canceled: bool = field(compare=False, default=False)


class Timers:
    """Due times and what to call: ``fire(timer_id, due_ns)``. Equal times fire in the order of setting."""

    def __init__(self) -> None:
        self._heap: list[_Entry] = []
        self._last_id = 0
        self._set: dict[int, _Entry] = {}
        #: When the next one is due: read between any two events, so it is kept and not computed.
        self.next_ns = NEVER

    def set(self, due_ns: int, fire: Callable[[int, int], None], interval_ns: int = 0) -> int:
        """``interval_ns`` > 0: again and again, each time that much later."""
        self._last_id += 1
        entry = self._set[self._last_id] = _Entry(due_ns, self._last_id, fire, interval_ns)
        heapq.heappush(self._heap, entry)
        self.next_ns = self._heap[0].due_ns
        return self._last_id

    def cancel(self, timer_id: int) -> None:
        """Harmless where it has fired or was canceled already."""
        entry = self._set.pop(timer_id, None)
        if entry is None:
            return
        entry.canceled = True
        if len(self._heap) >= max(SWEPT_FROM, 2 * len(self._set)):
            self._heap = list(self._set.values())
            heapq.heapify(self._heap)
            self.next_ns = self._heap[0].due_ns if self._heap else NEVER

    def fire_due(self, now_ns: int) -> None:
        while self._heap and self._heap[0].due_ns <= now_ns:
            entry = heapq.heappop(self._heap)
            due_ns = entry.due_ns
            if entry.interval_ns and not entry.canceled:
                entry.due_ns += entry.interval_ns
                heapq.heappush(self._heap, entry)
            else:
                self._set.pop(entry.timer_id, None)
            self.next_ns = self._heap[0].due_ns if self._heap else NEVER
            if not entry.canceled:
                entry.fire(entry.timer_id, due_ns)

    def clear(self) -> None:
        self._heap.clear()
        self.next_ns = NEVER
        self._set.clear()
