"""What a context refuses before it becomes a request."""

import pytest

from ida_core.context import _whole


@pytest.mark.parametrize("value", [1.0, "1", True])
def test_a_price_that_is_no_int_is_refused(value):
    with pytest.raises(TypeError, match=r"price = .* must be whole ticks.*floor_to_tick"):
        _whole("price", value, "ticks")


def test_none_and_ints_pass():
    _whole("price", None, "ticks")
    _whole("price", 5, "ticks")
