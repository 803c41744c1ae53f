"""ln, exp and power of the core: as good as the C library's, and the same bits everywhere."""

import math
from random import Random

import pytest

from ida_core.native import lib

DRAW = Random(1)
NUMBERS = [DRAW.uniform(0.001, 3) * 10 ** DRAW.randint(-12, 12) for _ in range(2000)]


def test_ln() -> None:
    for x in NUMBERS:
        assert lib.ida_ln(x) == pytest.approx(math.log(x), rel=1e-14, abs=1e-15)


def test_exp() -> None:
    for x in [DRAW.uniform(-690, 690) for _ in range(2000)]:
        assert lib.ida_exp(x) == pytest.approx(math.exp(x), rel=1e-13)
    assert lib.ida_exp(-1000) == 0
    assert lib.ida_exp(1000) >= 1e304


@pytest.mark.parametrize("n", [0.5, 1.0, 2.0, 2.5, 3.0, 12.0])
def test_power(n: float) -> None:
    for x in [DRAW.uniform(0, 50) for _ in range(500)]:
        assert lib.ida_power(x, n) == pytest.approx(x**n, rel=1e-13)


@pytest.mark.parametrize(
    ("x", "n", "result"), [(0, 2, 0), (0, 0.5, 0), (7, 3, 343), (10, 8, 10**8)]
)
def test_exact_powers(x: float, n: float, result: float) -> None:
    assert lib.ida_power(x, n) == result


#: Written down once; any machine that differs would make different runs from the same seed.
BITS = [
    (lib.ida_ln, 3.0, "0x1.193ea7aad030bp+0"),
    (lib.ida_ln, 1e-7, "-0x1.01e3b843eaa73p+4"),
    (lib.ida_exp, 1.0, "0x1.5bf0a8b14576ap+1"),
    (lib.ida_exp, -3.7, "0x1.9511fc6871044p-6"),
]


@pytest.mark.parametrize(("function", "x", "bits"), BITS)
def test_the_same_bits_everywhere(function: object, x: float, bits: str) -> None:
    assert callable(function)
    assert float(function(x)).hex() == bits
