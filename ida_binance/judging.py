"""What an answer means for the request: done, refused, or nobody knows. Pure.

A refusal is one only if it is certain that nothing was carried out. Whatever else there is, the order may live.

Source: Binance Spot API docs, rest-api.md (HTTP return codes), errors.md.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from ida_binance.calls import Outcome
from ida_binance.error_table import Action, codes

#: The exchange itself does not know what became of it: unknown error, internal error, unexpected response, timeout.
UNSETTLED = codes(Action.UNKNOWN)
#: Of these, words that are not Binance's are as good: nothing behind the front door has seen the request.
_AT_THE_DOOR = frozenset((403, 404, 418, 429))
CLOCK = -1021
TOO_MANY_ORDERS = -1015
#: The key itself is refused, whatever is asked.
NOT_ALLOWED = codes(Action.STOP)


class Words(NamedTuple):
    """The exchange's: ``code`` 0 where there are none."""

    code: int
    msg: str


_LONG_WORD = re.compile(r"[A-Za-z0-9+/=%_-]{40,}")


def masked(text: str) -> str:
    """A server's words without what may be a key or a signature that it repeats: API keys have 64 characters,
    signatures 64 and more, client order ids no more than 36.

    >>> masked("Invalid key " + "aB3" * 20), masked("Unknown order sent.")
    ('Invalid key aB3a...', 'Unknown order sent.')
    """
    return _LONG_WORD.sub(lambda found: f"{found[0][:4]}...", text)


def words_of(body: Any) -> Words:
    """Code and text of an error object, from whatever came in its place; a code that is none of 32 bits is no code.

    >>> words_of({"code": -2010, "msg": "Duplicate order sent."}).code, words_of("<html>").msg
    (-2010, '<html>')
    """
    if isinstance(body, dict):
        code, msg = body.get("code"), body.get("msg")
        if isinstance(code, int) and not isinstance(code, bool) and isinstance(msg, str):
            return Words(code if -(2**31) <= code < 2**31 else 0, masked(msg)[:500])
    return Words(0, masked(str(body))[:200])


def outcome_of(status: int, code: int) -> Outcome:
    """What status and code say of the request; both as they came, whatever they are.

    >>> outcome_of(400, -2010), outcome_of(504, 0), outcome_of(400, -1007)
    (<Outcome.REJECTED: 'REJECTED'>, <Outcome.UNKNOWN: 'UNKNOWN'>, <Outcome.UNKNOWN: 'UNKNOWN'>)
    """
    if status == 200:
        return Outcome.OK
    if not 400 <= status < 500 or status == 408 or code in UNSETTLED:
        return Outcome.UNKNOWN
    return Outcome.REJECTED if code or status in _AT_THE_DOOR else Outcome.UNKNOWN
