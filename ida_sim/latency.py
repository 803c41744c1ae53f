"""How long a leg takes, request or response: one small class for each model.

Drawn with the generator that is handed in: same seed, same draws. A draw is never negative.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from random import Random
from typing import Self

from ida_sim.spec import Forms, Spec, parse_spec, refuse

NS_PER_MS = 1_000_000
#: An hour: whoever writes more means another unit.
MOST_MS = 3_600_000

FORMS: Forms = {
    "": ("ms",),
    "normal": ("mean_ms", "sd_ms"),
    "lognormal": ("median_ms", "sigma"),
    "uniform": ("low_ms", "high_ms"),
    "exponential": ("min_ms", "mean_ms"),
    "feed": ("multiplier",),
}


class Latency:
    """Base of the models. ``factor`` multiplies each draw: ``scaled(2)`` for the worst case."""

    def __init__(self, rng: Random, *arguments: float) -> None:
        self.rng = rng
        self.arguments = arguments
        self.factor = 1.0

    def sample_ns(self) -> int:
        """One draw, in ns."""
        return max(0, round(self._draw_ms() * self.factor * NS_PER_MS))

    def scaled(self, factor: float) -> Self:
        """The same model, every draw ``factor`` times as long; draws from the same generator."""
        other = type(self)(self.rng, *self.arguments)
        other.factor = self.factor * factor
        return other

    def describe(self) -> str:
        """The model in words, for the assumptions beside a result."""
        return self._words() if self.factor == 1 else f"{self.factor:g} times {self._words()}"

    def _draw_ms(self) -> float:
        raise NotImplementedError

    def _words(self) -> str:
        raise NotImplementedError


class Constant(Latency):
    def sample_ns(self) -> int:
        return self._ns

    @cached_property
    def _ns(self) -> int:
        return super().sample_ns()

    def _draw_ms(self) -> float:
        return self.arguments[0]

    def _words(self) -> str:
        return f"{self.arguments[0]:g} ms"


class Normal(Latency):
    """What falls below 0 is drawn as 0."""

    def _draw_ms(self) -> float:
        return self.rng.gauss(*self.arguments)

    def _words(self) -> str:
        mean, deviation = self.arguments
        return f"normal with mean {mean:g} ms and standard deviation {deviation:g} ms"


class Lognormal(Latency):
    def _draw_ms(self) -> float:
        median, sigma = self.arguments
        return median * math.exp(self.rng.gauss(0, sigma))

    def _words(self) -> str:
        median, sigma = self.arguments
        return f"log-normal with median {median:g} ms and sigma {sigma:g}"


class Uniform(Latency):
    def _draw_ms(self) -> float:
        return self.rng.uniform(*self.arguments)

    def _words(self) -> str:
        low, high = self.arguments
        return f"uniform between {low:g} and {high:g} ms"


class Exponential(Latency):
    """At least the minimum; the mean is that of the whole."""

    def _draw_ms(self) -> float:
        least, mean = self.arguments
        return least + self.rng.expovariate(1 / (mean - least)) if mean > least else least

    def _words(self) -> str:
        least, mean = self.arguments
        return f"exponential above {least:g} ms with mean {mean:g} ms"


class FeedLatency(Latency):
    """Drawn from recorded feed latency by its inverse distribution function.

    ``arguments``: the multiplier, then the quantiles in ms, evenly spaced from the least to the
    greatest; between two of them the draw is linear.
    """

    def _draw_ms(self) -> float:
        multiplier, *quantiles = self.arguments
        place = self.rng.random() * (len(quantiles) - 1)
        below = int(place)
        after = quantiles[min(below + 1, len(quantiles) - 1)]
        return multiplier * (quantiles[below] + (after - quantiles[below]) * (place - below))

    def _words(self) -> str:
        multiplier, *quantiles = self.arguments
        middle = quantiles[len(quantiles) // 2]
        return f"{multiplier:g} times the recorded feed latency (median {middle:g} ms)"


_MODELS: Mapping[str, type[Latency]] = {
    "": Constant, "normal": Normal, "lognormal": Lognormal, "uniform": Uniform,
    "exponential": Exponential, "feed": FeedLatency,
}
#: What must hold of the arguments beyond being numbers, none of which may be negative.
_RULES: Mapping[str, tuple[Callable[[float, float], bool], str]] = {
    "lognormal": (lambda median, sigma: median > 0, "median_ms must be above 0"),
    "uniform": (lambda low, high: low <= high, "low_ms must not be above high_ms"),
    "exponential": (lambda least, mean: least <= mean, "mean_ms must not be below min_ms"),
}


def latency_model(
    spec: Spec, rng: Random, *, feed_ns: Sequence[int] = (), key: str = "sim.latency"
) -> Latency:
    """Return the model that ``spec`` names.

    Args:
        spec: a number of ms, or a form such as ``"lognormal(3, 0.4)"``; see ``FORMS``.
        feed_ns: for ``feed(multiplier)``: quantiles of local less venue time of the recording, in
            ns, evenly spaced, clock offset removed.
        key: where the user wrote it, for the message.
    Raises:
        ConfigError: not a form, arguments that cannot be, or ``feed`` where nothing was recorded.

    >>> latency_model("5", Random(1)).sample_ns()
    5000000
    >>> latency_model("uniform(1, 2)", Random(1)).scaled(2).describe()
    '2 times uniform between 1 and 2 ms'
    """
    name, arguments = parse_spec(key, spec, FORMS)
    if any(value < 0 for value in arguments):
        raise refuse(key, spec, "nothing in it may be negative")
    if any(value > MOST_MS for value in arguments):
        raise refuse(key, spec, f"nothing in it may be above {MOST_MS} ms, an hour")
    if name in _RULES and not _RULES[name][0](*arguments):
        raise refuse(key, spec, _RULES[name][1])
    if name == "feed":
        arguments += _quantiles_ms(key, spec, feed_ns)
    return _MODELS[name](rng, *arguments)


def _quantiles_ms(key: str, spec: Spec, feed_ns: Sequence[int]) -> list[float]:
    if not feed_ns:
        raise refuse(key, spec, "no feed latency was recorded; a synthetic market has none")
    if any(later < sooner for sooner, later in pairwise(feed_ns)):
        raise ValueError("feed_ns must be sorted")
    return [value / NS_PER_MS for value in feed_ns]
