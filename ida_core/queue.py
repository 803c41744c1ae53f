"""The SPSC queue that joins two threads: a thin hand on ``csrc/queue``."""

from typing import Any

from ida_core.native import ffi, lib


class Queue:
    """A bounded queue of records of one size, for one producer thread and one consumer thread.

    Nothing waits and nothing locks: a full queue says so, and the producer chooses what to drop.
    ``pointer`` is the ``ida_queue *``, for a C thread at one of the ends.

    Args:
        capacity: records; a power of two.
        record_size: bytes of each record, at least 1.
    Raises:
        ValueError: capacity is no power of two, or record_size is below 1.
        MemoryError: there is not enough of it.

    >>> queue = Queue(2, 3)
    >>> [queue.push_nowait(record) for record in (b"abc", b"def", b"ghi")]
    [True, True, False]
    >>> queue.pop_nowait(), queue.pop_many_nowait(8), queue.pop_nowait()
    (b'abc', [b'def'], None)
    """

    def __init__(self, capacity: int, record_size: int) -> None:
        if capacity < 1 or capacity & (capacity - 1):
            raise ValueError(f"queue: capacity {capacity} must be a power of two")
        if record_size < 1:
            raise ValueError(f"queue: record_size {record_size} must be at least 1")
        pointer = lib.ida_queue_new(capacity, record_size)
        if not pointer:
            raise MemoryError(f"queue: no memory for {capacity} records of {record_size} bytes")
        self.pointer: Any = ffi.gc(pointer, lib.ida_queue_free)
        self.capacity = capacity
        self.record_size = record_size

    def push_nowait(self, record: bytes | bytearray | memoryview) -> bool:
        """Copy a record in; False if the queue is full. Producer only.

        Raises:
            ValueError: the record is not ``record_size`` bytes long.
        """
        view, size = ffi.from_buffer(record), self.record_size
        if len(view) != size:
            raise ValueError(f"queue: {len(view)} bytes given, where records have {size}")
        return bool(lib.ida_queue_push(self.pointer, view) == lib.IDA_OK)

    def pop_nowait(self) -> bytes | None:
        """Return the oldest record, or None if there is none. Consumer only."""
        return next(iter(self.pop_many_nowait(1)), None)

    def pop_many_nowait(self, most: int) -> list[bytes]:
        """Return up to ``most`` records, oldest first, by one crossing into C. Consumer only."""
        size = self.record_size
        room = ffi.new("char[]", min(most, self.capacity) * size)
        count = lib.ida_queue_pop_many(self.pointer, room, min(most, self.capacity))
        data = bytes(ffi.buffer(room, count * size))
        return [data[at : at + size] for at in range(0, len(data), size)]

    def __len__(self) -> int:
        return int(lib.ida_queue_length(self.pointer))
