"""Arbitration between connections: against a naive twin, and against what it is for."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hypothesis import given, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ida_core.native import ffi, lib

HOLD, MARGIN, WITNESSES = 250, 1_000_000_000, 8
CONNECTIONS = 3


class Message(NamedTuple):
    connection: int
    first: int
    last: int
    venue: int
    local: int


class Native:
    """One stream of ``csrc/arbiter``, driven as the intake drives it; ``out`` is what went on."""

    def __init__(self, *, hold_bytes: int = 1 << 16, order: int = lib.IDA_ORDER_CONTIGUOUS) -> None:
        self.pointer = ffi.gc(lib.ida_arbiter_new(2, CONNECTIONS, HOLD, hold_bytes), lib.ida_arbiter_free)
        lib.ida_arbiter_begin(self.pointer, 1, order)
        self.view = lib.ida_arbiter_look(self.pointer, 1)
        self.out: list[tuple[int, int]] = []

    def go_on(self, arrival: Any) -> None:
        text = ffi.string(arrival.text, arrival.bytes).decode()
        assert text == f"{arrival.first_id}..{arrival.last_id}"
        self.out.append((arrival.first_id, arrival.last_id))
        lib.ida_arbiter_passed(self.pointer, ffi.new("ida_arrival *", arrival))

    def release(self) -> None:
        while held := lib.ida_arbiter_release(self.pointer, 1):
            self.go_on(held[0])

    def expire_one(self, now: int) -> bool:
        held = lib.ida_arbiter_expire(self.pointer, now)
        if held:
            self.go_on(held[0])
            self.release()
        return bool(held)

    def expire(self, now: int) -> None:
        while self.expire_one(now):
            pass

    def arrive(self, m: Message) -> None:
        text = ffi.new("char[]", f"{m.first}..{m.last}".encode())
        arrival = ffi.new("ida_arrival *", [1, m.connection, m.first, m.last, m.venue, m.local, 0, text, len(text) - 1])
        self.expire(m.local)
        while (ruling := lib.ida_arbiter_judge(self.pointer, arrival)) == lib.IDA_CROWDED:
            assert self.expire_one(2**63 - 1)
        if ruling == lib.IDA_GO_ON:
            self.go_on(arrival[0])
        self.release()

    def opened(self, connection: int) -> None:
        lib.ida_arbiter_opened(self.pointer, connection)

    def closed(self, connection: int) -> None:
        lib.ida_arbiter_closed(self.pointer, connection)
        self.release()


@dataclass
class Twin:
    """The same rules, the slow way."""

    last: int = -1
    last_venue: int = -1
    last_local: int = -1
    winner: int | None = None
    behind: int = 0
    holes: int = 0
    duplicates: int = 0
    restarts: int = 0
    held: list[Message] = field(default_factory=list)  # as they came
    newest: dict[int, int] = field(default_factory=dict)
    live: set[int] = field(default_factory=set)
    disorderly: set[int] = field(default_factory=set)
    out: list[tuple[int, int]] = field(default_factory=list)

    def go_on(self, m: Message) -> None:
        self.holes += self.last >= 0 and m.first > self.last + 1
        self.last, self.last_venue, self.last_local = m.last, m.venue, m.local
        self.winner, self.behind = m.connection, 0
        self.out.append((m.first, m.last))

    def next_held(self) -> Message | None:
        done = [m for m in self.held if m.last <= self.last]
        self.duplicates += len(done)
        self.held = [m for m in self.held if m.last > self.last]
        return min(self.held, key=lambda m: (m.first, m.last)) if self.held else None

    def may_come(self, first: int) -> bool:
        return any(self.newest.get(c, -1) < first - 1 or c in self.disorderly for c in self.live)

    def release(self) -> None:
        while (m := self.next_held()) and (self.last < 0 or m.first <= self.last + 1 or not self.may_come(m.first)):
            self.held.remove(m)
            self.go_on(m)

    def expire(self, now: int) -> None:
        while self.held and self.held[0].local + HOLD <= now:
            if m := self.next_held():
                self.held.remove(m)
                self.go_on(m)
            self.release()

    def begins_anew(self, m: Message) -> bool:
        told = m.venue >= 0 and self.last_venue >= 0
        later = m.venue - self.last_venue > MARGIN if told else m.local - self.last_local > MARGIN
        self.behind += m.last < self.last and (later or m.connection == self.winner)
        return self.behind >= WITNESSES and m.last < self.last

    def arrive(self, m: Message) -> None:
        self.expire(m.local)
        self.live.add(m.connection)
        if m.last < self.newest.get(m.connection, -1):
            self.disorderly.add(m.connection)
        self.newest[m.connection] = max(m.last, self.newest.get(m.connection, -1))
        if m.last <= self.last and self.begins_anew(m):
            self.restarts += 1
            self.last, self.held, self.newest = -1, [], {m.connection: m.last}
            self.go_on(m)
        elif m.last <= self.last or any((h.first, h.last) == (m.first, m.last) for h in self.held):
            self.duplicates += 1
        elif self.last < 0 or m.first <= self.last + 1:
            self.go_on(m)
        else:
            self.held.append(m)
        self.release()

    def opened(self, connection: int) -> None:
        self.live.add(connection)
        self.newest.pop(connection, None)
        self.disorderly.discard(connection)
        if self.winner == connection:
            self.winner = None

    def closed(self, connection: int) -> None:
        self.live.discard(connection)
        self.release()


class Arbiters(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.native, self.twin = Native(), Twin()
        self.now, self.venue = 0, 0

    @rule(
        connection=st.integers(0, CONNECTIONS - 1), offset=st.integers(-4, 6), more=st.sampled_from([0, 0, 0, 1, 3]),
        after=st.sampled_from([0, 0, 1, 20, 120, 300]), later=st.sampled_from([-1, 0, 0, 5, 2 * MARGIN]),
    )  # fmt: skip
    def arrive(self, connection: int, offset: int, more: int, after: int, later: int) -> None:
        self.now += after
        self.venue += max(later, 0)
        first = max(self.twin.last + offset, 0)
        m = Message(connection, first, first + more, -1 if later < 0 else self.venue, self.now)
        self.native.arrive(m)
        self.twin.arrive(m)

    @rule(connection=st.integers(0, CONNECTIONS - 1), count=st.integers(1, 12))
    def bring_the_next(self, connection: int, count: int) -> None:
        for _ in range(count):
            following = self.twin.newest.get(connection, 0) + 1
            self.arrive(connection, following - self.twin.last, 0, 1, 0)

    @rule(connection=st.integers(0, CONNECTIONS - 1))
    def open(self, connection: int) -> None:
        self.native.opened(connection)
        self.twin.opened(connection)

    @rule(connection=st.integers(0, CONNECTIONS - 1))
    def close(self, connection: int) -> None:
        self.native.closed(connection)
        self.twin.closed(connection)

    @rule(after=st.sampled_from([1, 100, 250, 2 * MARGIN]))
    def wait(self, after: int) -> None:
        self.now += after
        self.native.expire(self.now)
        self.twin.expire(self.now)

    @invariant()
    def alike(self) -> None:
        view, twin = self.native.view, self.twin
        assert self.native.out == twin.out
        assert (view.last_id, view.holding, view.holes) == (twin.last, len(twin.held), twin.holes)
        assert (view.duplicates, view.restarts, view.messages) == (twin.duplicates, twin.restarts, len(twin.out))
        due = min((m.local for m in twin.held), default=None)
        assert lib.ida_arbiter_due(self.native.pointer) == (2**63 - 1 if due is None else due + HOLD)


TestArbiters = Arbiters.TestCase


# ------------------------------------------------------------------ what it is for


class Sent(NamedTuple):
    first: int
    last: int
    at: int


@st.composite
def sent(draw: st.DrawFn) -> list[Sent]:
    """What the venue sends: ids without holes, at rising times."""
    out, first, at = [], draw(st.integers(0, 5)), 0
    for length, gap in draw(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 300)), min_size=1, max_size=40)):
        out.append(Sent(first, first + length - 1, at))
        first, at = first + length, at + gap
    return out


def brought(draw: st.DrawFn, connection: int, messages: list[Sent]) -> Iterator[Message]:
    """In the order of the wire: each later than it was sent by less than HOLD, some twice."""
    at = 0
    for m in messages:
        at = max(at, m.at + draw(st.integers(0, HOLD - 1)))
        for _ in range(draw(st.sampled_from([1, 1, 1, 2]))):
            yield Message(connection, m.first, m.last, m.at, at)


@st.composite
def lossy(draw: st.DrawFn) -> tuple[list[Sent], list[Message]]:
    """Any message may be lost on any connection but not on all of them."""
    messages = draw(sent())
    got: list[list[Sent]] = [[] for _ in range(CONNECTIONS)]
    for m in messages:
        for connection in draw(st.sets(st.integers(0, CONNECTIONS - 1), min_size=1)):
            got[connection].append(m)
    arrivals = [m for c, mine in enumerate(got) for m in brought(draw, c, mine)]
    return messages, sorted(arrivals, key=lambda m: m.local)


@settings(max_examples=300)
@given(lossy())
def test_what_any_connection_brought_goes_on_once_and_in_order(case: tuple[list[Sent], list[Message]]) -> None:
    messages, arrivals = case
    native = Native()
    for connection in range(CONNECTIONS):
        native.opened(connection)
    for m in arrivals:
        native.arrive(m)
    native.expire(2**62)
    assert native.view.holding == 0
    assert native.view.restarts == 0
    first = next(i for i, m in enumerate(messages) if m[:2] == native.out[0])
    assert native.out == [m[:2] for m in messages[first:]]
    assert native.view.holes == 0


@st.composite
def torn(draw: st.DrawFn) -> tuple[list[Sent], list[tuple[int, int, Message | None]]]:
    """Connections that live for spans, of which at least one covers each message with some time to spare."""
    messages = draw(sent())
    end = messages[-1].at + HOLD
    events: list[tuple[int, int, Message | None]] = [(-1, 0, None), (-1, 1, None)]
    cuts = sorted(draw(st.sets(st.integers(1, max(end, 1)), max_size=4)))
    for connection, mine in ((0, messages), (1, [m for m in messages if not cuts or m.at < cuts[0]])):
        events += [(m.local, connection, m) for m in brought(draw, connection, mine)]
    for number, cut in enumerate(cuts[1:], 1):  # connection 1 comes back, and goes
        until = cuts[number + 1] if number + 1 < len(cuts) else end
        events.append((cut, 1, None))
        mine = [m for m in messages if cut <= m.at < until]
        events += [(m.local, 1, m) for m in brought(draw, 1, mine)]
    return messages, sorted(events, key=lambda e: (e[0], e[2] is not None))


@given(torn())
def test_a_connection_that_comes_and_goes_changes_nothing(
    case: tuple[list[Sent], list[tuple[int, int, Message | None]]],
) -> None:
    messages, events = case
    native = Native()
    for _, connection, message in events:
        if message is None:
            native.opened(connection)
        else:
            native.arrive(message)
    native.expire(2**62)
    assert native.out == [m[:2] for m in messages]
    assert native.view.holes == 0


@given(st.lists(st.integers(0, 2000), max_size=200), st.sampled_from([0, 200, 1000, 4000]))
def test_memory_is_bounded_and_nothing_is_told_twice(ids: list[int], room: int) -> None:
    native = Native(hold_bytes=room)
    native.opened(2)
    for i in ids:
        native.arrive(Message(0, i, i, 0, 0))
        assert native.view.holding * 100 <= room
    native.expire(2**62)
    assert native.out == sorted(set(native.out)) or native.view.restarts


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 40)), max_size=60))
def test_of_a_rising_stream_what_is_newer_goes_on(arrivals: list[tuple[int, int]]) -> None:
    native = Native(order=lib.IDA_ORDER_RISING)
    expected: list[int] = []
    for at, (connection, i) in enumerate(arrivals):
        native.arrive(Message(connection, i, i, at, 0))
        if native.view.restarts:
            return
        if not expected or i > expected[-1]:
            expected.append(i)
    assert native.out == [(i, i) for i in expected]
    assert native.view.held == 0
