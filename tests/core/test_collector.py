"""Rings of garbage go between two batches, and everything is as it was afterwards."""

import gc
import weakref

import pytest

from ida_core.collector import MOST_ENGINES, collect_due, collecting_by_hand, engine_made


class Ring:
    def __init__(self) -> None:
        self.me = self


def test_nothing_is_collected_until_it_is_due_and_then_it_is() -> None:
    gc.collect()
    with collecting_by_hand():
        assert not gc.isenabled()
        gone = weakref.ref(Ring())
        kept = [Ring() for _ in range(2 * gc.get_threshold()[0])]
        assert gone() is not None
        collect_due()
        assert gone() is None
        assert len(kept) > 0
    assert gc.isenabled()


def test_what_was_there_before_a_run_is_looked_at_no_more() -> None:
    with collecting_by_hand():
        assert gc.get_freeze_count() > 0


def test_engines_that_nobody_wants_go_as_others_are_made() -> None:
    gc.collect()
    made = []
    for _ in range(5 * MOST_ENGINES):
        ring = Ring()
        engine_made(ring)
        made.append(weakref.ref(ring))
    assert sum(one() is not None for one in made) <= MOST_ENGINES


def test_few_new_objects_are_not_worth_a_look() -> None:
    with collecting_by_hand():
        gc.collect()
        gone = weakref.ref(Ring())
        collect_due()
        assert gone() is not None
    gc.collect()
    assert gone() is None


def test_who_has_turned_the_collector_off_by_its_threshold_is_obeyed() -> None:
    before = gc.get_threshold()
    gc.set_threshold(0)
    try:
        with collecting_by_hand():
            gone = weakref.ref(Ring())
            held = [[at] for at in range(10_000)]
            collect_due()
            assert gone() is not None
            held.clear()
    finally:
        gc.set_threshold(*before)


def test_rings_that_grew_old_go_too() -> None:
    with collecting_by_hand():
        old = Ring()
        gone = weakref.ref(old)
        young, middle, most = gc.get_threshold()
        for _ in range((middle + 2) * (most + 2)):
            collect_due_of(young)
        del old
        for _ in range((middle + 2) * (most + 2)):
            collect_due_of(young)
        assert gone() is None


def collect_due_of(young: int) -> None:
    held = [[young] for _ in range(2 * young)]
    collect_due()
    held.clear()


def test_the_collector_is_left_as_it_was_found_whatever_happens() -> None:
    gc.disable()
    try:
        with pytest.raises(KeyError), collecting_by_hand():
            raise KeyError
        assert not gc.isenabled()
    finally:
        gc.enable()
    assert gc.get_freeze_count() == 0
