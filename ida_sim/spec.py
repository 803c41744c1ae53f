"""Models as users write them: ``5``, ``lognormal(3, 0.4)``, ``risk_averse``."""

import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

from ida_core import ConfigError

Spec = str | int | float | Decimal
#: Each form with the names of its arguments: ``{"normal": ("mean_ms", "sd_ms")}``.
Forms = Mapping[str, Sequence[str]]

_CALL = re.compile(r"\s*([a-z_]+)\s*(?:\(([^()]*)\))?\s*")


def parse_spec(key: str, spec: Spec, forms: Forms) -> tuple[str, list[float]]:
    """Return the form's name and its arguments.

    Args:
        key: where the user wrote it, for the message.
        forms: what is allowed; the form ``""`` is a bare number.
    Raises:
        ConfigError: neither a form nor its arguments; the message names key, value and rule.

    >>> parse_spec("sim.latency", "normal(5, 0.5)", {"normal": ("mean_ms", "sd_ms")})
    ('normal', [5.0, 0.5])
    >>> parse_spec("sim.latency", 5, {"": ("ms",)})
    ('', [5.0])
    """
    name, texts = _split(spec)
    if name not in forms or len(texts) != len(forms[name]):
        raise refuse(key, spec, f"must be {_allowed(forms)}")
    pairs = zip(forms[name], texts, strict=True)
    return name, [_number(key, spec, what, text) for what, text in pairs]


def refuse(key: str, spec: Spec, rule: str) -> ConfigError:
    """The error to raise when arguments are numbers but not possible ones."""
    shown = repr(spec) if isinstance(spec, str) else str(spec)
    return ConfigError(f"{key} = {shown}: {rule}")


def _split(spec: Spec) -> tuple[str, list[str]]:
    text = str(spec).strip()
    call = _CALL.fullmatch(text)
    if call is None or isinstance(spec, bool):
        return "", [text]
    return call[1], call[2].split(",") if call[2] is not None else []


def _number(key: str, spec: Spec, what: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise refuse(key, spec, f"{what} must be a number, not {text.strip()!r}") from None
    if not math.isfinite(value):
        raise refuse(key, spec, f"{what} must be finite")
    return value


def _allowed(forms: Forms) -> str:
    shown = [f"{name}({', '.join(args)})" if name and args else name or "a number of " + args[0]
             for name, args in forms.items()]
    return ", ".join(shown[:-1]) + " or " + shown[-1] if len(shown) > 1 else shown[0]
