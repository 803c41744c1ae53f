"""The frames of the WebSocket API: requests as they are sent, and whose what comes is. Pure.

Source: Binance Spot API docs, web-socket-api.md (request and response format; user data stream events).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from ida_binance.control import Shutdown, Unknown
from ida_binance.rest import MOST_WAIT_S
from ida_binance.unreadable import UNREADABLE

#: Parameters that are no text in a frame; in a query, and where they are signed, they are.
_NUMBERS = ("timestamp", "recvWindow", "subscriptionId")
_PLAIN = ("computeCommissionRates", "omitZeroBalances", "symbols", "permissions")
_MOST_ID = 1 << 53
_MOST_MS = 1 << 53


class Answer(NamedTuple):
    """An answer to the request ``id`` (None: it names none). ``body``: the result, or the error of a refusal.
    ``limits``: ``rateLimits`` as they came."""

    id: int | None
    status: int
    body: Any
    limits: Any = None


class UserEvent(NamedTuple):
    """An event of the account; ``raw``: its bytes, equal where two connections bring the same one."""

    event: dict[str, Any]
    raw: bytes


class _Frame(msgspec.Struct):
    id: Any = None
    status: Any = None
    result: Any = None
    error: Any = None
    rateLimits: Any = None  # noqa: N815 - the exchange's spelling
    event: msgspec.Raw = msgspec.Raw(b"")


_frames = msgspec.json.Decoder(_Frame)
_encoder = msgspec.json.Encoder()


def request(number: int, method: str, params: Mapping[str, str]) -> str:
    """One request.

    >>> request(7, "order.cancel", {"symbol": "BTCUSDT", "timestamp": "1"})
    '{"id":7,"method":"order.cancel","params":{"symbol":"BTCUSDT","timestamp":1}}'
    """
    typed: dict[str, Any] = dict(params)
    for name in _NUMBERS:
        if name in typed:
            typed[name] = int(typed[name])
    for name in _PLAIN:
        if name in typed:
            typed[name] = msgspec.Raw(typed[name].encode())
    return _encoder.encode({"id": number, "method": method, "params": typed}).decode()


def read(text: bytes) -> Answer | UserEvent | Shutdown | Unknown:
    """What a frame says; one that cannot be read is ``Unknown``, whatever it is."""
    try:
        frame = _frames.decode(text)
        if frame.event:
            return _event(bytes(frame.event), text)
    except UNREADABLE as error:
        return Unknown(f"a frame that cannot be read ({str(error)[:80]}): {_begin_of(text)}")
    status = frame.status
    if not isinstance(status, int) or isinstance(status, bool) or not 100 <= status <= 599:
        return Unknown(f"a frame of no kind that is known: {_begin_of(text)}")
    number = frame.id if isinstance(frame.id, int) and not isinstance(frame.id, bool) else None
    body = frame.result if status == 200 else frame.error
    return Answer(number if number is not None and 0 <= number < _MOST_ID else None, status, body, frame.rateLimits)


def wait_of(answer: Answer) -> float:
    """How long a refusal has everyone wait, in seconds: it tells both times, by the exchange's clock; 0: it does not.

    >>> wait_of(Answer(1, 429, {"code": -1003, "data": {"serverTime": 1763800031000, "retryAfter": 1763800060000}}))
    29.0
    """
    data = answer.body.get("data") if isinstance(answer.body, dict) and answer.status in (418, 429) else None
    times = (data.get("serverTime"), data.get("retryAfter")) if isinstance(data, dict) else (None, None)
    now_ms, until_ms = (time if type(time) is int and 0 < time < _MOST_MS else None for time in times)
    if now_ms is None or until_ms is None:
        return 0.0
    return min(max(0.0, (until_ms - now_ms) / 1000), MOST_WAIT_S)


def _event(raw: bytes, text: bytes) -> UserEvent | Shutdown | Unknown:
    event = msgspec.json.decode(raw)
    if not isinstance(event, dict) or not isinstance(event.get("e"), str):
        return Unknown(f"an event that is none: {_begin_of(text)}")
    return Shutdown() if event["e"] == "serverShutdown" else UserEvent(event, raw)


def _begin_of(text: bytes) -> str:
    return repr(text[:80])[1:]
