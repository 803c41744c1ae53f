"""Decimal text to whole numbers and back: tables, and Python's Decimal as the twin."""

import math
import re
from decimal import Decimal, localcontext

import pytest
from hypothesis import given, strategies as st

from ida_core.model import plain
from ida_core.native import ffi, lib

OK, BAD, OFF_GRID, RANGE = lib.IDA_OK, lib.IDA_BAD, lib.IDA_OFF_GRID, lib.IDA_RANGE
INT64 = st.integers(-(2**63), 2**63 - 1)


def parse(text, decimals, step=None):
    """(status, value), with the text in memory of exactly its length."""
    raw, out = text.encode(), ffi.new("int64_t *", 77)
    room = ffi.new("char[]", max(len(raw), 1))
    ffi.memmove(room, raw, len(raw))
    if step is None:
        status = lib.ida_decimal_parse(room, len(raw), decimals, out)
    else:
        status = lib.ida_decimal_steps(room, len(raw), decimals, step, out)
    assert status == OK or out[0] == 77
    return status, out[0] if status == OK else None


def render(value, decimals, capacity=40):
    out = ffi.new("char[]", 40)
    return ffi.unpack(out, lib.ida_decimal_format(value, decimals, out, capacity)).decode()


@pytest.mark.parametrize(
    ("text", "decimals", "expected"),
    [
        ("61800.20", 2, 6180020), ("61800.20", 1, 618002), ("61800.2", 8, 6180020000000),
        ("-0.5", 1, -5), ("-0.0", 3, 0), ("-0", 0, 0), ("0.00000001", 8, 1), ("007", 0, 7),
        ("0", 18, 0), ("5", 18, 5 * 10**18), ("1.000000000000000000000000", 0, 1),
        ("0.000000000000000000000000", 0, 0),
        ("00000000000000000000000000001.5", 1, 15),
        ("9223372036854775807", 0, 2**63 - 1), ("-9223372036854775808", 0, -(2**63)),
        ("922337203685477580.7", 1, 2**63 - 1), ("-92233720368.54775808", 8, -(2**63)),
    ],
)  # fmt: skip
def test_parses(text, decimals, expected):
    assert parse(text, decimals) == (OK, expected)


@pytest.mark.parametrize(
    ("text", "decimals", "status"),
    [
        ("", 2, BAD), ("-", 2, BAD), (".", 2, BAD), (".5", 2, BAD), ("5.", 2, BAD), ("-.5", 2, BAD),
        ("+5", 2, BAD), (" 5", 2, BAD), ("5 ", 2, BAD), ("1e5", 2, BAD), ("1E5", 2, BAD),
        ("0x10", 2, BAD), ("1,5", 2, BAD), ("1.2.3", 2, BAD), ("--5", 2, BAD), ("5-", 2, BAD),
        ("inf", 2, BAD), ("nan", 2, BAD), ("1\0", 2, BAD), ("٣", 2, BAD), ("5", -1, BAD),
        ("0.001", 2, OFF_GRID), ("1.5", 0, OFF_GRID), ("-0.0000001", 6, OFF_GRID),
        ("1.0000000000000000000000001", 18, OFF_GRID),
        ("9223372036854775808", 0, RANGE), ("-9223372036854775809", 0, RANGE),
        ("92233720368.54775808", 8, RANGE), ("18446744073709551616", 0, RANGE),
        ("10", 18, RANGE), ("184467440737095516160", 0, RANGE), ("1" + "0" * 60, 0, RANGE),
        ("5", 19, RANGE),
    ],
)  # fmt: skip
def test_refuses(text, decimals, status):
    assert parse(text, decimals) == (status, None)


@pytest.mark.parametrize(
    ("text", "decimals", "step", "expected"),
    [
        ("61800.25", 2, 5, (OK, 1236005)), ("61800.26", 2, 5, (OFF_GRID, None)),
        ("30", 0, 10, (OK, 3)), ("35", 0, 10, (OFF_GRID, None)), ("-0.10", 2, 5, (OK, -2)),
        ("x", 2, 5, (BAD, None)), ("1", 2, 0, (BAD, None)), ("0.001", 2, 5, (OFF_GRID, None)),
    ],
)  # fmt: skip
def test_counts_steps(text, decimals, step, expected):
    assert parse(text, decimals, step) == expected


@pytest.mark.parametrize(
    ("text", "places"),
    [("61800.20", 2), ("5", 0), ("-0.000", 3), ("1.", -1), ("", -1), ("abc", -1), ("1e5", -1)],
)
def test_counts_places(text, places):
    assert lib.ida_decimal_places(text.encode(), len(text)) == places


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (285, 1, "28.5"), (0, 8, "0"), (-1, 3, "-0.001"), (2850, 1, "285"), (100, 0, "100"),
        (-(2**63), 0, "-9223372036854775808"), (-(2**63), 18, "-9.223372036854775808"),
        (2**63 - 1, 18, "9.223372036854775807"), (1, 18, "0.000000000000000001"),
        (5, 19, ""), (5, -1, ""),
    ],
)  # fmt: skip
def test_formats(value, decimals, text):
    assert render(value, decimals) == text


def test_formats_nothing_where_room_is_short():
    assert render(285, 1, capacity=4) == "28.5"
    assert render(285, 1, capacity=3) == ""


@given(value=INT64, decimals=st.integers(0, 18))
def test_formats_as_decimal_does_and_parses_its_own(value, decimals):
    text = render(value, decimals)
    assert text == plain(Decimal(value).scaleb(decimals * -1))
    assert parse(text, decimals) == (OK, value)


@given(
    text=st.from_regex(r"-?[0-9]{1,25}(\.[0-9]{1,25})?", fullmatch=True),
    decimals=st.integers(0, 18),
)
def test_parses_as_decimal_does(text, decimals):
    with localcontext(prec=80):
        exact = Decimal(text).scaleb(decimals)
        whole = exact == exact.to_integral_value()
    status, value = parse(text, decimals)
    if not whole:
        assert status == OFF_GRID
    elif -(2**63) <= exact < 2**63:
        assert (status, value) == (OK, int(exact))
    else:
        assert status == RANGE


@given(text=st.text(alphabet="0123456789.-+eE _", max_size=8))
def test_takes_nothing_else(text):
    wellformed = re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text)
    assert (parse(text, 18)[0] == BAD) == (not wellformed)
    assert (lib.ida_decimal_places(text.encode(), len(text)) < 0) == (not wellformed)


@given(a=INT64, b=INT64)
def test_greatest_common_divisor(a, b):
    assert lib.ida_gcd(a, b) == min(math.gcd(a, b), 2**63 - 1)
