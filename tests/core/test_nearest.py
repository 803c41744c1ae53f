"""What "did you mean" says."""

import pytest

from ida_core.nearest import nearest, suggestion

WORDS = ["market_maker", "grid", "taker", "gap_ticks"]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("gird", "grid"),
        ("Market-Maker", "market_maker"),
        ("gap", "gap_ticks"),
        ("zzzz", None),
        ("", None),
    ],
)
def test_nearest(name: str, wanted: str | None) -> None:
    assert nearest(name, WORDS) == wanted


def test_suggestion_lists_what_is_valid_where_nothing_is_near() -> None:
    assert suggestion("zz", ["b", "a"]) == "; valid: 'a', 'b'"
    assert suggestion("zz", []) == "; there is none"
