"""How the quantity ahead of a resting order shrinks: as users write it, as matching takes it."""

from typing import NamedTuple

from ida_sim.spec import Forms, Spec, parse_spec, refuse

RISK_AVERSE, POWER, LOG = 0, 1, 2  # enum ida_queue_model of csrc/match.h

FORMS: Forms = {"risk_averse": (), "power": ("n",), "log": ()}


class QueueModel(NamedTuple):
    code: int
    power: float
    words: str


_AHEAD = "when a level shrinks without a trade, the chance that it did so behind us is "
_WORDS = {
    "risk_averse": "only trades advance us; what is canceled was behind us while it can be",
    "power": _AHEAD + "back^{n:g} / (back^{n:g} + front^{n:g})",
    "log": _AHEAD + "log(1 + back) / (log(1 + back) + log(1 + front))",
}
_CODES = {"risk_averse": RISK_AVERSE, "power": POWER, "log": LOG}


def queue_model(spec: Spec, key: str = "sim.queue") -> QueueModel:
    """Return the model that ``spec`` names; ``ConfigError`` names key, value and rule.

    >>> queue_model("power(2)")[:2]
    (1, 2.0)
    """
    name, arguments = parse_spec(key, spec, FORMS)
    power = arguments[0] if arguments else 0.0
    if arguments and power <= 0:
        raise refuse(key, spec, "n must be above 0")
    return QueueModel(_CODES[name], power, f"{name}: {_WORDS[name].format(n=power)}")


#: The back of the queue, for the worst-case re-run.
WORST = queue_model("risk_averse")
