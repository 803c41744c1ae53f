from decimal import Decimal
from random import Random
from statistics import mean, median, stdev

import pytest

from ida_core import ConfigError
from ida_sim.latency import latency_model

MS = 1_000_000


def draws(spec: str, n: int = 4000, **options: list[int]) -> list[int]:
    model = latency_model(spec, Random(7), **options)
    return [model.sample_ns() for _ in range(n)]


@pytest.mark.parametrize("spec", [5, 5.0, "5", " 5.0 ", Decimal("5")])
def test_a_number_is_constant_milliseconds(spec: object) -> None:
    model = latency_model(spec, Random(1))  # type: ignore[arg-type]
    assert [model.sample_ns() for _ in range(3)] == [5 * MS] * 3
    assert model.describe() == "5 ms"


def test_each_distribution_has_the_figures_it_is_named_by() -> None:
    assert mean(draws("normal(10, 2)")) == pytest.approx(10 * MS, rel=0.02)
    assert stdev(draws("normal(10, 2)")) == pytest.approx(2 * MS, rel=0.05)
    assert median(draws("lognormal(3, 0.4)")) == pytest.approx(3 * MS, rel=0.05)
    assert mean(draws("uniform(1, 3)")) == pytest.approx(2 * MS, rel=0.02)
    assert mean(draws("exponential(2, 5)")) == pytest.approx(5 * MS, rel=0.05)


def test_the_bounds_hold() -> None:
    assert min(draws("normal(1, 5)")) == 0
    assert min(draws("exponential(2, 5)")) >= 2 * MS
    assert set(draws("exponential(2, 2)", 5)) == {2 * MS}
    assert all(1 * MS <= ns <= 3 * MS for ns in draws("uniform(1, 3)"))


def test_recorded_latency_is_drawn_back_as_it_was() -> None:
    recorded = sorted(Random(3).randrange(1 * MS, 9 * MS) for _ in range(101))
    drawn = sorted(draws("feed(1)", feed_ns=recorded))
    assert recorded[0] <= drawn[0]
    assert drawn[-1] <= recorded[-1]
    for share in (10, 50, 90):
        assert drawn[len(drawn) * share // 100] == pytest.approx(recorded[share], rel=0.05)
    assert median(draws("feed(3)", feed_ns=recorded)) == pytest.approx(3 * recorded[50], rel=0.05)
    assert draws("feed(2)", 3, feed_ns=[4 * MS]) == [8 * MS] * 3


def test_a_seed_repeats_the_draws() -> None:
    assert draws("lognormal(3, 0.4)", 50) == draws("lognormal(3, 0.4)", 50)


def test_scaled_draws_are_that_many_times_as_long() -> None:
    plain, twice = (latency_model("lognormal(3, 0.4)", Random(1)) for _ in range(2))
    twice = twice.scaled(2)
    for _ in range(50):
        assert twice.sample_ns() == pytest.approx(2 * plain.sample_ns(), abs=1)
    assert twice.scaled(1.5).describe() == "3 times log-normal with median 3 ms and sigma 0.4"


FORMS = "normal(mean_ms, sd_ms), lognormal(median_ms, sigma), uniform(low_ms, high_ms)"


@pytest.mark.parametrize(
    ("spec", "rule"),
    [
        ("gamma(1, 2)", FORMS),
        ("normal(1)", FORMS),
        ("normal", FORMS),
        ("normal(1, x)", "sd_ms must be a number, not 'x'"),
        ("five", FORMS),
        ("", "must be a number"),
        (True, "must be a number"),
        ("nan", FORMS),
        ("1e999", "ms must be finite"),
        ("-1", "negative"),
        ("normal(5, -1)", "negative"),
        ("lognormal(0, 1)", "median_ms must be above 0"),
        ("uniform(3, 1)", "low_ms must not be above high_ms"),
        ("exponential(5, 2)", "mean_ms must not be below min_ms"),
        ("feed(1)", "no feed latency was recorded"),
    ],
)
def test_a_bad_spec_names_key_value_and_rule(spec: str, rule: str) -> None:
    with pytest.raises(ConfigError) as caught:
        latency_model(spec, Random(1), key="sim.latency.request")
    message = str(caught.value)
    assert message.startswith(f"sim.latency.request = {spec!r}: ")
    assert rule in message
