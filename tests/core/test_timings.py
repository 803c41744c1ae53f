"""Measurements of a run: bounded room, and quantiles in which each weighs as much as it stands for."""

import random

from ida_core.timings import PluginTimes, Quantiles, Timings, quantiles


def filled(values: list[int], kept: int = 1000, one_in: int = 1) -> Timings:
    timings = Timings(kept, one_in)
    for value in values:
        timings.add(value)
    return timings


def test_the_latest_are_kept_and_all_are_counted() -> None:
    timings = filled(list(range(10)), kept=4)
    assert sorted(timings) == [6, 7, 8, 9]
    assert (len(timings), timings.count, timings.total_ns) == (4, 10, 45)


def test_room_is_taken_at_the_start_and_never_grows() -> None:
    timings = Timings(kept=100)
    before = timings._values.buffer_info()
    for value in range(1000):
        timings.add(value)
    assert timings._values.buffer_info() == before


def test_nothing_measured_is_nothing() -> None:
    assert not Timings()
    assert list(Timings()) == []


def test_quantiles_in_microseconds_whatever_the_order() -> None:
    values = [1000 * n for n in range(1, 101)]
    random.Random(1).shuffle(values)
    assert quantiles([filled(values)]) == Quantiles(51.0, 100.0)
    assert quantiles([filled([2500])]) == Quantiles(2.5, 2.5)


def test_one_in_so_many_weighs_so_much() -> None:
    rare, often = filled([9000] * 10), filled([1000] * 10, one_in=99)
    assert quantiles([often, rare]) == Quantiles(1.0, 9.0)
    assert quantiles([often, filled([9000] * 9)]) == Quantiles(1.0, 1.0), "9 of 999 are less than 1 %"


def test_what_was_dropped_for_room_still_weighs() -> None:
    many, few = filled([1000] * 999, kept=10), filled([9000] * 9)
    assert quantiles([many, few]) == Quantiles(1.0, 1.0)
    assert quantiles([few, Timings()]) == Quantiles(9.0, 9.0)


def test_what_was_not_measured_is_reckoned_in() -> None:
    """One of ten calls took 1 ms, and another one, always measured, 5 ms: 11 calls and 15 ms of 100 ms."""
    times = PluginTimes(10)
    times.of("strategy a", 10).add(1_000_000)
    times.of("strategy a").add(5_000_000)
    assert times.of("strategy never called") is not None
    told = times.told(0.1)
    assert told.keys() == {"strategy a"}
    assert (told["strategy a"]["calls"], told["strategy a"]["share"]) == (11, 0.15)
