"""The grid on which runs are sampled."""

from hypothesis import given, strategies as st

from ida_core.rows import LEAST_CHANGES, grid_of

SECOND = 1_000_000_000


@given(st.integers(0, 3_000 * 86_400 * SECOND))
def test_the_grid_is_fine_enough_and_not_too_fine(span_ns):
    step, statistics = grid_of(span_ns)
    assert statistics % step == 0
    assert span_ns // step <= 3_000
    if span_ns >= LEAST_CHANGES * SECOND:
        assert span_ns // statistics >= LEAST_CHANGES


def test_known_grids():
    assert grid_of(345 * SECOND) == (SECOND // 5, SECOND)
    assert grid_of(0) == (SECOND // 1000, SECOND)
    assert grid_of(86_400 * SECOND) == (60 * SECOND, 600 * SECOND)
