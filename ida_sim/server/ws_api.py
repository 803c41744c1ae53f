"""The WebSocket API: the same endpoints, asked and answered in JSON frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection

from ida_sim.server.api import BAD_GATEWAY, Answer, Api, Caller, error_body
from ida_sim.server.endpoints import BY_METHOD, MS_NS
from ida_sim.server.faults import Target
from ida_sim.server.limits import OK, Verdict
from ida_sim.server.parameters import Refusal, as_text
from ida_sim.server.rest import time_unit

#: What a connection weighs, when it is opened.
CONNECT_WEIGHT = 2
SESSION_WEIGHT = 2
_RETURN = "returnRateLimits"
_NOTHING = Verdict(OK, 0, 0)
#: What an answer's ``id`` may be; an object or array is no id.
_PLAIN = (str, int, type(None))


class Reply(NamedTuple):
    """A text frame, to be sent after ``delay_s``."""

    text: str
    delay_s: float = 0.0


class Session:
    """One connection of the WebSocket API.

    Args:
        api: what answers.
        address: whose budget is charged; the connection's own weight is charged here.
        connection: its number, for faults on it alone.
        query: parameters of the URL: ``returnRateLimits``, ``timeUnit``.
    Raises:
        Refusal: the address is out of budget, or the query is wrong: answered to the handshake, as HTTP.
    """

    def __init__(self, api: Api, address: str, connection: int, query: Mapping[str, str]) -> None:
        self._api, self._address, self._connection = api, address, connection
        self._unit_ns = time_unit(query.get("timeUnit"))
        self._shows_limits = query.get(_RETURN, "true") != "false"
        self._since_ns = api.market.now_ns()
        verdict = api.limits.charge(address, CONNECT_WEIGHT)
        if verdict.status != OK:
            raise Refusal(-1003, verdict.msg, verdict.status, verdict.retry_after_s(api.market.now_ns()))

    def answer(self, text: str | bytes) -> Reply:
        """Answer one frame; a wrong one too."""
        identity: Any = None
        shows = self._shows_limits
        try:
            request = _read(text)
            identity = request.get("id")
            if not isinstance(identity, _PLAIN) or isinstance(identity, bool):
                identity = None
                raise Refusal(-1100, "Illegal characters found in parameter 'id'; legal range is "
                                     "'^[a-zA-Z0-9-_]{1,36}$'.")
            method, sent = _method(request), _params(request)
            shows = sent.pop(_RETURN, "true" if shows else "false") != "false"
            answer = self._answered(method, sent)
        except Refusal as refusal:
            verdict = self._api.limits.charge(self._address, 1)
            answer = Answer(refusal.status, error_body(refusal.code, refusal.msg), verdict)
        return Reply(self._text(identity, answer, shows), answer.delay_s)

    def shutdown_event(self) -> str:
        """What tells a client that the server is about to close."""
        event = {"event": {"e": "serverShutdown", "E": self._api.market.now_ns() // self._unit_ns}}
        return msgspec.json.encode(event).decode()

    def _answered(self, method: str, sent: Mapping[str, str]) -> Answer:
        if method in ("session.status", "session.logout"):
            return self._status()
        endpoint = BY_METHOD.get(method)
        if endpoint is None:
            raise Refusal(-1020, "This operation is not supported.")
        target = Target("ws-api", self._connection, method)
        return self._api.answer(endpoint, sent, Caller(self._address, target, self._unit_ns))

    def _status(self) -> Answer:
        """Nobody is logged on: there are no accounts here."""
        verdict, now_ns = self._api.limits.charge(self._address, SESSION_WEIGHT), self._api.market.now_ns()
        if verdict.status != OK:
            return Answer(verdict.status, error_body(-1003, verdict.msg), verdict)
        status = {
            "apiKey": None, "authorizedSince": None, "connectedSince": self._since_ns // self._unit_ns,
            "returnRateLimits": self._shows_limits, "serverTime": now_ns // self._unit_ns, "userDataStream": False,
        }
        return Answer(OK, msgspec.json.encode(status), verdict)

    def _text(self, identity: Any, answer: Answer, shows: bool) -> str:
        body = answer.body
        if answer.verdict.status != OK:
            body = self._with_times(answer)
        elif body is BAD_GATEWAY:
            body = error_body(-1000, "An unknown error occurred while processing the request.")
        reply = {"id": identity, "status": answer.status}
        reply["result" if answer.status == OK else "error"] = msgspec.Raw(body)
        if shows:
            reply["rateLimits"] = self._api.limits.shown(self._address)
        text = msgspec.json.encode(reply).decode()
        return text[: len(text) // 2] if answer.is_torn else text

    def _with_times(self, answer: Answer) -> bytes:
        """A 429 or 418 says when to come back, as a time."""
        times = {"serverTime": self._api.market.now_ns() // MS_NS, "retryAfter": answer.verdict.retry_ns // MS_NS}
        return msgspec.json.encode(msgspec.json.decode(answer.body) | {"data": times})


async def serve_session(connection: WebSocketConnection, session: Session) -> None:
    """Answer what comes over an open connection until it is closed. A slow answer holds up no other."""
    async with trio.open_nursery() as nursery:
        try:
            while True:
                reply = session.answer(await connection.get_message())
                if reply.delay_s:
                    nursery.start_soon(_send_later, connection, reply)
                else:
                    await connection.send_message(reply.text)
        except ConnectionClosed:
            nursery.cancel_scope.cancel()


async def _send_later(connection: WebSocketConnection, reply: Reply) -> None:
    await trio.sleep(reply.delay_s)
    try:
        await connection.send_message(reply.text)
    except ConnectionClosed:
        return  # who asked is gone


def _read(text: str | bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Refusal(-1135, "Invalid JSON Request")
    return found


def _method(request: Mapping[str, Any]) -> str:
    method = request.get("method")
    if not isinstance(method, str) or not method:
        raise Refusal(-1102, "Mandatory parameter 'method' was not sent, was empty/null, or malformed.")
    return method.removeprefix("v3/")


def _params(request: Mapping[str, Any]) -> dict[str, str]:
    params = request.get("params")
    if params is None:
        return {}
    if not isinstance(params, dict):
        raise Refusal(-1135, "JSON sent for parameter 'params' is not valid")
    return {name: as_text(value) for name, value in params.items()}
