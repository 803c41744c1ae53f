"""Timers: their order, and that what is over leaves nothing behind."""

from ida_core.timers import NEVER, SWEPT_FROM, Timers

SEEN: list[tuple[int, int]] = []


def note(timer_id: int, due_ns: int) -> None:
    SEEN.append((timer_id, due_ns))


def fired(timers: Timers, now_ns: int) -> list[tuple[int, int]]:
    SEEN.clear()
    timers.fire_due(now_ns)
    return list(SEEN)


def test_by_due_time_then_in_the_order_of_setting() -> None:
    timers = Timers()
    ids = [timers.set(due, note) for due in (30, 10, 10, 20)]
    assert timers.next_ns == 10
    assert fired(timers, 20) == [(ids[1], 10), (ids[2], 10), (ids[3], 20)]
    assert timers.next_ns == 30


def test_a_canceled_one_does_not_fire_and_a_repeating_one_stops() -> None:
    timers = Timers()
    once, often = timers.set(5, note), timers.set(5, note, 10)
    assert fired(timers, 5) == [(once, 5), (often, 5)]
    assert fired(timers, 26) == [(often, 15), (often, 25)]
    timers.cancel(often)
    timers.cancel(once)
    assert fired(timers, 1000) == []
    assert timers.next_ns == NEVER


def test_one_that_cancels_itself_while_it_fires_is_gone() -> None:
    timers = Timers()
    often = timers.set(5, lambda timer_id, _: timers.cancel(timer_id), 10)
    timers.fire_due(5)
    assert fired(timers, 100) == []
    timers.cancel(often)


def test_canceling_leaves_nothing_behind_fired_or_not() -> None:
    timers = Timers()
    kept = timers.set(NEVER - 1, note)
    for round_ in range(1000):
        done = timers.set(round_, note)
        timers.fire_due(round_)
        timers.cancel(done)
        timers.cancel(timers.set(10**12 + round_, note))
    assert len(timers._heap) <= SWEPT_FROM
    assert list(timers._set) == [kept]
    assert fired(timers, 10**12 + 1000) == []
    assert timers.next_ns == NEVER - 1
