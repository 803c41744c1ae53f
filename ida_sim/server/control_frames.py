"""What clients say on a market stream's websocket, and what they are answered. Pure: text in, text out."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from typing import Any, NamedTuple, Protocol

import msgspec

UNKNOWN_PROPERTY, NOT_BOOLEAN, INVALID_REQUEST, INVALID_JSON = range(4)
MOST_STREAMS = 1024
METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
_LONGEST_ID = 36


class Subscriptions(Protocol):
    """The connection that is spoken to."""

    combined: bool

    @property
    def names(self) -> Collection[str]:
        """What is subscribed to, in the order in which it was."""
        ...

    def subscribe(self, names: list[str]) -> None: ...
    def unsubscribe(self, names: list[str]) -> None: ...


class _Refused(Exception):
    def __init__(self, code: int, msg: str) -> None:
        super().__init__(msg)
        self.code, self.msg = code, msg


class _Request(NamedTuple):
    method: str
    params: list[Any]
    id: Any
    column: int


def answer(text: str, connection: Subscriptions) -> bytes:
    """Do what one message asks for, and return the reply: never wrapped, whatever ``combined`` says."""
    sent_id: list[Any] = []
    try:
        request = _read(text, sent_id)
        result = _HANDLERS[request.method](request, connection)
    except _Refused as refused:
        body = {"code": refused.code, "msg": refused.msg}
        return msgspec.json.encode(body | {"id": sent_id[0]} if sent_id else body)
    return msgspec.json.encode({"result": result, "id": request.id})


def _read(text: str, sent_id: list[Any]) -> _Request:
    """The request in ``text``; its id is put into ``sent_id`` as soon as it is known, for an error to repeat."""
    try:
        body = json.loads(text)
    except ValueError as error:
        line, column = getattr(error, "lineno", 1), getattr(error, "colno", 1)
        raise _Refused(INVALID_JSON, f"Invalid JSON: expected value at line {line} column {column}") from None
    except RecursionError:
        raise _Refused(INVALID_JSON, "Invalid JSON: recursion limit exceeded at line 1 column 128") from None
    if not isinstance(body, dict):
        raise _invalid(f"invalid type: expected struct Request at line 1 column {len(text)}")
    identity = body.get("id")
    if not _is_id(identity):
        raise _invalid("request ID must be an unsigned integer")
    if "id" in body:
        sent_id.append(identity)
    return _Request(_method(body, len(text)), _params(body), identity, len(text))


def _is_id(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= _LONGEST_ID and all(c.isascii() and (c.isalnum() or c in "-_") for c in value)
    return value is None or (type(value) is int and -(2**63) <= value < 2**63)


def _method(body: dict[str, Any], column: int) -> str:
    method = body.get("method")
    if method is None:
        raise _invalid(f"missing field `method` at line 1 column {column}")
    if not isinstance(method, str):
        raise _invalid(f"invalid type: expected a string for `method` at line 1 column {column}")
    if method not in METHODS:
        expected = ", ".join(f"`{name}`" for name in METHODS)
        raise _invalid(f"unknown variant `{method}`, expected one of {expected} at line 1 column {column}")
    return method


def _params(body: dict[str, Any]) -> list[Any]:
    params = body.get("params", [])
    if not isinstance(params, list):
        raise _invalid("invalid type: expected a sequence for `params`")
    return params


def _invalid(rule: str) -> _Refused:
    return _Refused(INVALID_REQUEST, f"Invalid request: {rule}")


def _names(request: _Request) -> list[str]:
    if not request.params:
        raise _invalid(f"missing field `params` at line 1 column {request.column}")
    if not all(isinstance(name, str) for name in request.params):
        raise _invalid("stream name must be a string")
    return request.params


def _subscribe(request: _Request, connection: Subscriptions) -> None:
    names = _names(request)
    if len(set(names) | set(connection.names)) > MOST_STREAMS:
        raise _invalid(f"a connection may have at most {MOST_STREAMS} streams")
    connection.subscribe(names)


def _unsubscribe(request: _Request, connection: Subscriptions) -> None:
    connection.unsubscribe(_names(request))


def _list(request: _Request, connection: Subscriptions) -> list[str]:
    if request.params:
        raise _invalid("too many parameters")
    return list(connection.names)


def _property(request: _Request, count: int) -> None:
    if len(request.params) > count:
        raise _invalid("too many parameters")
    if not request.params or not isinstance(request.params[0], str):
        raise _invalid("property name must be a string")
    if request.params[0] != "combined":
        raise _Refused(UNKNOWN_PROPERTY, "Unknown property")


def _set_property(request: _Request, connection: Subscriptions) -> None:
    _property(request, 2)
    if len(request.params) < 2 or not isinstance(request.params[1], bool):
        raise _Refused(NOT_BOOLEAN, "Invalid value type: expected Boolean")
    connection.combined = request.params[1]


def _get_property(request: _Request, connection: Subscriptions) -> bool:
    _property(request, 1)
    return connection.combined


_HANDLERS: dict[str, Callable[[_Request, Subscriptions], Any]] = dict(
    zip(METHODS, (_subscribe, _unsubscribe, _list, _set_property, _get_property), strict=True))
