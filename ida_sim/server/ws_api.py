"""The WebSocket API: the same endpoints, asked and answered in JSON frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import msgspec
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection

from ida_sim.server.access import NONE, UNAUTHORIZED, USER_DATA, Presented, Revoked, not_allowed, ws_payloads
from ida_sim.server.api import BAD_GATEWAY, Answer, Api, Caller, error_body
from ida_sim.server.endpoints import MS_NS, Call, Endpoint
from ida_sim.server.faults import ANSWER, Target
from ida_sim.server.keys import ED25519, ApiKey
from ida_sim.server.limits import OK, Verdict
from ida_sim.server.parameters import Refusal, as_text
from ida_sim.server.rest import time_unit
from ida_sim.server.user_streams import Push, UserStreams

#: What a connection weighs, when it is opened.
CONNECT_WEIGHT = 2
SESSION_WEIGHT = 2
#: These are signed, on a connection that is logged on too.
_BY_SIGNATURE = ("session.logon", "userDataStream.subscribe.signature")
_RETURN = "returnRateLimits"
_NOTHING = Verdict(OK, 0, 0)
#: What an answer's ``id`` may be; an object or array is no id.
_PLAIN = (str, int, type(None))


def _nowhere(name: str, event: bytes) -> None:
    """Nobody is told."""


class Reply(NamedTuple):
    """A text frame, to be sent after ``delay_s``; or not, as ``lost`` says, an ``Answer``'s."""

    text: str
    delay_s: float = 0.0
    lost: str = ""


class Session:
    """One connection of the WebSocket API.

    Args:
        api: what answers.
        address: whose budget is charged; the connection's own weight is charged here.
        connection: its number, for faults on it alone.
        query: parameters of the URL: ``returnRateLimits``, ``timeUnit``.
        push: sends what is not an answer: events of user data.
    Raises:
        Refusal: the address is out of budget, or the query is wrong: answered to the handshake, as HTTP.
    """

    def __init__(self, api: Api, address: str, connection: int, query: Mapping[str, str],
                 push: Push = _nowhere) -> None:
        self._api, self._address, self._connection = api, address, connection
        self._unit_ns = time_unit(query.get("timeUnit"))
        self._shows_limits = query.get(_RETURN, "true") != "false"
        self._since_ns = api.market.now_ns()
        self._logged_on: tuple[Any, ApiKey] | None = None
        self._logon_ns = 0
        self.user_streams = UserStreams(self._now, push, MS_NS // self._unit_ns)
        self._own = {endpoint.method: endpoint for endpoint in self._endpoints()}
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
            shows = sent.get(_RETURN, "true" if shows else "false") != "false"
            answer = self._answered(method, sent)
        except Revoked:
            identity, answer = None, self._revoked()
        except Refusal as refusal:
            verdict = self._api.limits.charge(self._address, 1)
            answer = Answer(refusal.status, error_body(refusal.code, refusal.msg), verdict)
        return Reply(self._text(identity, answer, shows), answer.delay_s, answer.lost)

    def held_s(self, text: str | bytes) -> float:
        """How late a frame is to be answered, as if it had been on its way for so long."""
        if ANSWER not in self._api.faults.armed:
            return 0.0
        try:
            return self._api.held_s(Target("ws-api", self._connection, _method(_read(text))))
        except Refusal:
            return 0.0

    def shutdown_event(self) -> str:
        """What tells a client that the server is about to close."""
        event = {"event": {"e": "serverShutdown", "E": self._now()}}
        return msgspec.json.encode(event).decode()

    def _answered(self, method: str, sent: Mapping[str, str]) -> Answer:
        endpoint = self._own.get(method) or self._api.by_method.get(method)
        if endpoint is None:
            raise Refusal(-1020, "This operation is not supported.")
        shown = Presented(sent.get("apiKey"), partial(ws_payloads, sent), logged_on=self._logged_on)
        sent = {name: value for name, value in sent.items() if name != _RETURN}  # signed with the rest, and read here
        if method in _BY_SIGNATURE:
            shown = shown._replace(logged_on=None)
        target = Target("ws-api", self._connection, method)
        return self._api.answer(endpoint, sent, Caller(self._address, target, self._unit_ns, shown))

    def _now(self) -> int:
        return self._api.market.now_ns() // self._unit_ns

    # ------------------------------------------------------------- the session itself

    def _endpoints(self) -> list[Endpoint]:
        """What is asked of a session, and of no other."""
        def own(method: str, answer: Callable[[Call], Any], security: str = NONE, *known: str) -> Endpoint:
            return Endpoint("", method, answer, lambda sent: SESSION_WEIGHT, known, security=security)

        return [
            own("session.logon", self._log_on, USER_DATA), own("session.status", self._status),
            own("session.logout", self._log_out), own("session.subscriptions", self._subscriptions),
            own("userDataStream.subscribe", self._subscribe),
            own("userDataStream.subscribe.signature", self._subscribe_signed, USER_DATA),
            own("userDataStream.unsubscribe", self._unsubscribe, NONE, "subscriptionId"),
        ]

    def _log_on(self, call: Call) -> Any:
        """With another key it is another's session from now on; what was subscribed to goes on."""
        assert call.signed is not None
        account, key = call.signed.account, call.signed.key
        if key is None or key.kind != ED25519:
            raise not_allowed()
        self._logged_on, self._logon_ns = (account, key), call.now_ns
        return self._status(call)

    def _log_out(self, call: Call) -> Any:
        self._logged_on = None
        self.user_streams.log_out()
        return self._status(call)

    def _status(self, call: Call) -> Any:
        by = self._logged_on
        return {
            "apiKey": by[1].api_key if by else None, "authorizedSince": call.time(self._logon_ns) if by else None,
            "connectedSince": call.time(self._since_ns), "returnRateLimits": self._shows_limits,
            "serverTime": call.time(call.now_ns), "userDataStream": self.user_streams.by_session,
        }

    def _subscribe(self, call: Call) -> Any:
        if self._logged_on is None:
            raise Refusal(-1002, "You are not authorized to execute this request.", UNAUTHORIZED)
        if self._api.access.find(self._logged_on[1].api_key) is None:
            raise Revoked
        return {"subscriptionId": self.user_streams.subscribe(self._logged_on[0], by_session=True)}

    def _subscribe_signed(self, call: Call) -> Any:
        return {"subscriptionId": self.user_streams.subscribe(call.account)}

    def _unsubscribe(self, call: Call) -> Any:
        self.user_streams.unsubscribe(call.parameters.number("subscriptionId"))
        return {}

    def _subscriptions(self, call: Call) -> Any:
        return [{"subscriptionId": number} for number in self.user_streams.ids]

    def _revoked(self) -> Answer:
        """The key is there no more: the session is over, and nobody's request is what is answered."""
        self._logged_on, refusal = None, not_allowed()
        self.user_streams.log_out()
        verdict = self._api.limits.charge(self._address, 1)
        return Answer(refusal.status, error_body(refusal.code, refusal.msg), verdict)

    def _text(self, identity: Any, answer: Answer, shows: bool) -> str:
        body = answer.body
        if answer.verdict.status != OK:
            body = self._with_times(answer)
        elif body is BAD_GATEWAY:
            body = error_body(-1000, "An unknown error occurred while processing the request.")
        reply = {"id": identity, "status": answer.status}
        reply["result" if answer.status == OK else "error"] = msgspec.Raw(body)
        if shows:
            reply["rateLimits"] = self._rate_limits(answer)
        text = msgspec.json.encode(reply).decode()
        return text[: len(text) // 2] if answer.is_torn else text

    def _rate_limits(self, answer: Answer) -> list[dict[str, Any]]:
        weight, orders = self._api.limits.shown(self._address), []
        if answer.orders is not None:
            orders = [kind | {"count": count} for kind, count in
                      zip(self._api.limits.orders_listed(), answer.orders, strict=True)]
        return orders + weight

    def _with_times(self, answer: Answer) -> bytes:
        """A 429 or 418 says when to come back, as a time."""
        times = {"serverTime": self._api.market.now_ns() // MS_NS, "retryAfter": answer.verdict.retry_ns // MS_NS}
        return msgspec.json.encode({"data": times} | msgspec.json.decode(answer.body))


def _not_cut() -> None:
    """A connection of which only its websocket is known."""


async def serve_session(connection: WebSocketConnection, session: Session,
                        cut: Callable[[], None] = _not_cut) -> None:
    """Answer what comes over an open connection until it is closed. A slow answer holds up no other.

    Args:
        cut: closes the connection without a word.
    """
    async with trio.open_nursery() as nursery:
        try:
            while True:
                text = await connection.get_message()
                if held_s := session.held_s(text):
                    nursery.start_soon(_answer_later, connection, session, cut, text, held_s)
                    continue
                reply = session.answer(text)
                if reply.delay_s:
                    nursery.start_soon(_send_later, connection, reply, cut)
                else:
                    await _send(connection, reply, cut)
        except ConnectionClosed:
            nursery.cancel_scope.cancel()


async def _answer_later(connection: WebSocketConnection, session: Session, cut: Callable[[], None],
                        text: str | bytes, held_s: float) -> None:
    await trio.sleep(held_s)
    await _send_later(connection, session.answer(text), cut)


async def _send_later(connection: WebSocketConnection, reply: Reply, cut: Callable[[], None]) -> None:
    await trio.sleep(reply.delay_s)
    try:
        await _send(connection, reply, cut)
    except ConnectionClosed:
        return  # who asked is gone


async def _send(connection: WebSocketConnection, reply: Reply, cut: Callable[[], None]) -> None:
    if reply.lost == "cut-reply":
        cut()
    elif not reply.lost:
        await connection.send_message(reply.text)


def _read(text: str | bytes) -> dict[str, Any]:
    """Its parameters stay as they were written, for that is what was signed."""
    try:
        found = {name: value if name == "params" else msgspec.json.decode(value)
                 for name, value in msgspec.json.decode(text, type=dict[str, msgspec.Raw]).items()}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refusal(-1135, "Invalid JSON Request") from None
    return found


def _method(request: Mapping[str, Any]) -> str:
    method = request.get("method")
    if not isinstance(method, str) or not method:
        raise Refusal(-1102, "Mandatory parameter 'method' was not sent, was empty/null, or malformed.")
    return method.removeprefix("v3/")


def _params(request: Mapping[str, Any]) -> dict[str, str]:
    params = request.get("params")
    if params is None or bytes(params) == b"null":
        return {}
    try:
        found = msgspec.json.decode(params, type=dict[str, msgspec.Raw])
        return {name: _text(bytes(value)) for name, value in found.items()}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refusal(-1135, "JSON sent for parameter 'params' is not valid") from None


def _text(raw: bytes) -> str:
    """A number as it was written: ``0.10`` is not ``0.1`` to who signed it."""
    return as_text(msgspec.json.decode(raw)) if raw[:1] in b'"[{n' else raw.decode()
