"""The control frames of a stream connection: what is asked, and whose an answer is. Pure.

Source: Binance Spot API docs, web-socket-streams.md (live subscribing; error messages; serverShutdown).
"""

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from ida_binance.unreadable import UNREADABLE

Method = Literal["SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS"]
#: Stream names in one message.
MOST_NAMES = 200
_SHUTDOWN = "serverShutdown"


class Reply(NamedTuple):
    """An answer to the request ``id`` (None: it names none). ``error``: the exchange's words, empty if it agreed."""

    id: int | None
    result: Any
    error: str = ""


class Shutdown(NamedTuple):
    """The server is about to close its connections."""


class Unknown(NamedTuple):
    """Text that is neither an answer nor news that we know."""

    why: str


def request(method: Method, names: Sequence[str], number: int) -> str:
    """One control message.

    >>> request("SUBSCRIBE", ["btcusdt@depth"], 1)
    '{"method":"SUBSCRIBE","params":["btcusdt@depth"],"id":1}'
    """
    parts: dict[str, Any] = {"method": method}
    if method != "LIST_SUBSCRIPTIONS":
        parts["params"] = list(names)
    return msgspec.json.encode({**parts, "id": number}).decode()


def portions(names: Sequence[str], most: int = MOST_NAMES) -> Iterator[Sequence[str]]:
    """The names in as few messages as may be."""
    return (names[i : i + most] for i in range(0, len(names), most))


def read(text: bytes) -> Reply | Shutdown | Unknown:
    """What a message that is no market data says."""
    try:
        message = msgspec.json.decode(text)
    except UNREADABLE as error:
        return Unknown(f"text that is no JSON ({error}): {_begin_of(text)}")
    if not isinstance(message, dict):
        return Unknown(f"JSON that is no object: {_begin_of(text)}")
    for news in (message, message.get("data"), message.get("event")):
        if isinstance(news, dict) and news.get("e") == _SHUTDOWN:
            return Shutdown()
    return _reply(message, text)


def _reply(message: dict[str, Any], text: bytes) -> Reply | Unknown:
    number = message.get("id")
    number = number if isinstance(number, int) else None
    error = message.get("error", message if "code" in message and "msg" in message else None)
    if error is not None:
        said = f"{error.get('code')} {error.get('msg')}" if isinstance(error, dict) else str(error)
        return Reply(number, None, said)
    if "result" in message and "id" in message:
        return Reply(number, message["result"])
    return Unknown(f"a message of no kind that is known: {_begin_of(text)}")


def _begin_of(text: bytes) -> str:
    return repr(text[:80])[1:]
