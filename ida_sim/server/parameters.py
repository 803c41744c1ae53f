"""Parameters of a request, REST's texts and the WebSocket API's JSON alike, with Binance's words for wrong ones."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from ida_sim.server.statistics import DAY_NS, HOUR_NS, INTERVALS, MINUTE_NS, MONTH

NUMBER, SYMBOL = "^[0-9]{1,20}$", "^[A-Z0-9-_.]{1,20}$"
SYMBOLS = r'^\[("[A-Z0-9-_.]{1,20}"(,"[A-Z0-9-_.]{1,20}"){0,}){0,1}\]$'
STATUSES = ("TRADING", "HALT", "BREAK")
#: Times of 15 digits and more are microseconds.
_MICROSECONDS_FROM = 10**14
_ZONE = re.compile(r"([+-]?)(\d{1,2})(?::(\d{2}))?")
_WINDOW = {"m": (59, MINUTE_NS), "h": (23, HOUR_NS), "d": (7, DAY_NS)}
#: What a window or a list is at most.
MOST_SYMBOLS = 100


class Refusal(Exception):
    """What is answered instead: an HTTP status, Binance's code and its words; ``retry_s``: when to come back;
    ``data``: what more the answer says."""

    def __init__(self, code: int, msg: str, status: int = 400, retry_s: int | None = None, data: Any = None) -> None:
        super().__init__(msg)
        self.code, self.msg, self.status, self.retry_s, self.data = code, msg, status, retry_s, data


def ns_of_time(value: int) -> int:
    """A time in ms, or in us if it has the digits for that, as ns."""
    return value * (1_000 if value >= _MICROSECONDS_FROM else 1_000_000)


def not_valid(name: str) -> Refusal:
    return Refusal(-1130, f"Data sent for parameter '{name}' is not valid.")


def illegal(name: str, legal: str) -> Refusal:
    return Refusal(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")


def bad_combination() -> Refusal:
    return Refusal(-1128, "Combination of optional parameters invalid.")


def as_text(value: Any) -> str:
    """A JSON value as the same parameter would stand in a query."""
    if isinstance(value, str):
        return value
    return "" if value is None else msgspec.json.encode(value).decode()


class Parameters:
    """What was sent, and what of it was read.

    Args:
        sent: names and texts.
        known: names that the endpoint has.
    Raises:
        Refusal: more were sent than there are.
    """

    def __init__(self, sent: Mapping[str, str], known: Collection[str]) -> None:
        self._sent, self._known, self._read = sent, known, set[str]()
        if len(sent) > max(1, len(known)):
            raise Refusal(-1101, f"Too many parameters; expected '{len(known)}' and received '{len(sent)}'.")

    def finish(self) -> None:
        """Refuse what nobody asked for."""
        if unread := len(self._sent) - len(self._read):
            sent = len(self._sent)
            raise Refusal(-1104, f"Not all sent parameters were read; read '{sent - unread}' parameter(s) but was "
                                 f"sent '{sent}'.")

    def text(self, name: str) -> str | None:
        """The text, or None where it was not sent or the endpoint has no such parameter; an empty one is refused."""
        value = self._sent.get(name) if name in self._known else None
        if value is None:
            return None
        self._read.add(name)
        if not value:
            raise Refusal(-1105, f"Parameter '{name}' was empty.")
        return value

    def needed(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise Refusal(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
        return value

    def number(self, name: str) -> int | None:
        """A whole number, 0 or above."""
        value = self.text(name)
        if value is None:
            return None
        if not re.fullmatch(r"[0-9]{1,20}", value):
            raise illegal(name, NUMBER)
        number = int(value)
        if number >= 2**63:
            raise Refusal(-1108, f"Parameter '{name}' overflowed.")
        return number

    def limit(self, default: int, most: int) -> int:
        """``limit``: more than ``most`` is that much."""
        value = self.number("limit")
        if value == 0:
            raise not_valid("limit")
        return min(default if value is None else value, most)

    def time_ns(self, name: str) -> int | None:
        """A time in ms or us, as ns."""
        value = self.number(name)
        if value is None:
            return None
        return ns_of_time(value)

    def flag(self, name: str, default: bool) -> bool:
        value = self.text(name)
        if value is None:
            return default
        if value not in ("true", "false"):
            raise illegal(name, "^(true|false)$")
        return value == "true"

    def interval(self) -> str:
        value = self.needed("interval")
        if value not in INTERVALS and value != MONTH:
            raise Refusal(-1120, "Invalid interval.")
        return value

    def zone_ns(self) -> int:
        """``timeZone`` as ns ahead of UTC: ``8``, ``-1:00``, ``05:45``; from -12:00 to +14:00."""
        value = self.text("timeZone") or "0"
        found = _ZONE.fullmatch(value)
        if found is None or int(found[3] or 0) > 59:
            raise not_valid("timeZone")
        shift = (int(found[2]) * HOUR_NS + int(found[3] or 0) * MINUTE_NS) * (-1 if found[1] == "-" else 1)
        if not -12 * HOUR_NS <= shift <= 14 * HOUR_NS:
            raise not_valid("timeZone")
        return shift

    def window_ns(self) -> int:
        """``windowSize``: 1m to 59m, 1h to 23h, 1d to 7d; a day unless said."""
        value = self.text("windowSize") or "1d"
        if not re.fullmatch(r"[0-9]{1,2}[mhd]", value):
            raise illegal("windowSize", "^[0-9]{1,2}[mhd]$")
        count, (most, unit) = int(value[:-1]), _WINDOW[value[-1]]
        if not 1 <= count <= most:
            raise not_valid("windowSize")
        return count * unit

    def is_mini(self) -> bool:
        value = self.text("type") or "FULL"
        if value not in ("FULL", "MINI"):
            raise Refusal(-1139, "Invalid ticker type.")
        return value == "MINI"

    def status(self) -> str | None:
        value = self.text("symbolStatus")
        if value is not None and value not in STATUSES:
            raise Refusal(-1122, "Invalid symbolStatus.")
        return value

    def symbol(self) -> str | None:
        """``symbol``, not looked up."""
        return self.text("symbol")

    def symbols(self) -> Sequence[str] | None:
        """``symbols``: a JSON array of names, each once."""
        value = self.text("symbols")
        if value is None:
            return None
        try:
            found = msgspec.json.decode(value, type=list[str])
        except msgspec.DecodeError:
            raise illegal("symbols", SYMBOLS) from None
        if not found:
            raise Refusal(-1102, "Mandatory parameter 'symbols' was not sent, was empty/null, or malformed.")
        if len(set(found)) < len(found):
            raise Refusal(-1151, "Symbol is present multiple times in the list.")
        return found

    def names(self, name: str) -> Sequence[str] | None:
        """A name, or a JSON array of names."""
        value = self.text(name)
        if value is None or not value.startswith("["):
            return None if value is None else [value]
        try:
            return msgspec.json.decode(value, type=list[str])
        except msgspec.DecodeError:
            raise not_valid(name) from None
