"""How many events the live loop handles before what receives has its turn."""

import pytest

from ida_core.live_engine import LIVE_BATCH, LIVE_BATCH_S, fitting_batch


@pytest.mark.parametrize("event_s", [1e-6, 2e-5, 2e-4, 1.5e-3])
def test_a_batch_settles_where_it_leaves_the_receiver_its_turn_in_time(event_s: float) -> None:
    batch = LIVE_BATCH
    for _ in range(20):
        batch = fitting_batch(batch, batch * event_s)
    assert batch * event_s <= LIVE_BATCH_S
    assert batch == LIVE_BATCH or fitting_batch(batch, batch * event_s) == batch


def test_one_event_is_the_least_and_a_slow_spell_is_forgotten() -> None:
    batch = LIVE_BATCH
    for _ in range(20):
        batch = fitting_batch(batch, 1.0)
    assert batch == 1
    for _ in range(20):
        batch = fitting_batch(batch, 1e-6)
    assert batch == LIVE_BATCH
