"""The SPSC queue against a naive twin, and between two threads."""

import sys
import threading
from collections import deque

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ida_core.queue import Queue


class QueueTwin(RuleBasedStateMachine):
    @initialize(power=st.integers(0, 4), size=st.integers(1, 40))
    def make(self, power: int, size: int) -> None:
        self.size, self.capacity = size, 2**power
        self.queue = Queue(self.capacity, size)
        self.twin: deque[bytes] = deque()

    @rule(data=st.data())
    def push(self, data: st.DataObject) -> None:
        record = data.draw(st.binary(min_size=self.size, max_size=self.size))
        fits = len(self.twin) < self.capacity
        assert self.queue.push_nowait(record) is fits
        if fits:
            self.twin.append(record)

    @rule()
    def pop(self) -> None:
        assert self.queue.pop_nowait() == (self.twin.popleft() if self.twin else None)

    @rule(most=st.integers(0, 20))
    def pop_many(self, most: int) -> None:
        wanted = [self.twin.popleft() for _ in range(min(most, len(self.twin)))]
        assert self.queue.pop_many_nowait(most) == wanted

    @invariant()
    def same_length(self) -> None:
        assert len(self.queue) == len(self.twin)


QueueTwin.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestQueueTwin = QueueTwin.TestCase


def test_two_threads_lose_nothing_and_keep_the_order() -> None:
    queue, count = Queue(64, 8), 20_000
    more = threading.Event()

    def produce() -> None:
        for number in range(count):
            while not queue.push_nowait(number.to_bytes(8, "little")):
                more.wait(0.001)

    producer = threading.Thread(target=produce)
    producer.start()
    seen: list[bytes] = []
    while len(seen) < count:
        batch = queue.pop_many_nowait(64)
        seen += batch
        if not batch:
            more.wait(0.001)
    producer.join()
    assert [int.from_bytes(record, "little") for record in seen] == list(range(count))


@pytest.mark.parametrize(("capacity", "size"), [(0, 8), (3, 8), (-4, 8), (8, 0), (8, -1)])
def test_arguments_that_cannot_be(capacity: int, size: int) -> None:
    with pytest.raises(ValueError, match="queue: "):
        Queue(capacity, size)


def test_short_memory_is_an_error() -> None:
    with pytest.raises(MemoryError):
        Queue(2**40, sys.maxsize // 2**42)


def test_record_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="9 bytes given, where records have 8"):
        Queue(8, 8).push_nowait(b"123456789")
