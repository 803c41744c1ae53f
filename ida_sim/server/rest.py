"""The REST API, on Starlette: what HTTP adds to the endpoints - paths, headers, statuses."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any
from urllib.parse import parse_qsl

import trio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from ida_sim.server.access import Presented, rest_payload
from ida_sim.server.api import BAD_GATEWAY, Answer, Api, Caller, error_body
from ida_sim.server.endpoints import MS_NS, Endpoint
from ida_sim.server.faults import Target
from ida_sim.server.limits import OK, headers
from ida_sim.server.parameters import Refusal

JSON = "application/json;charset=UTF-8"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
UNITS = {"MILLISECOND": MS_NS, "millisecond": MS_NS, "MICROSECOND": 1_000, "microsecond": 1_000}
#: A body of form parameters may be so long.
MOST_BODY = 64 << 10
PATHS = ("/api/v3/{path:path}", "/sapi/v1/{path:path}")
#: Which number the listener gave the connection from this host and port.
Numbered = Callable[[tuple[str, int]], int]


def time_unit(name: str | None) -> int:
    """``MICROSECOND`` and the like, as ns; ms where it is not said."""
    if name is None:
        return MS_NS
    if name not in UNITS:
        raise Refusal(-1194, "Invalid value for time unit; expected either MICROSECOND or MILLISECOND.")
    return UNITS[name]


def rest_app(api: Api, control: list[BaseRoute], numbered: Numbered = lambda client: -1,
             cut: Callable[[int], None] = lambda number: None) -> Starlette:
    """The application of ``/api/v3``, of what there is of ``/sapi/v1``, and of the routes of ``control``.

    Args:
        numbered: tells the connection of a request's host and port, for faults on one connection.
        cut: closes a connection.
    """
    rest = Rest(api, numbered, cut)
    routes = [*(Route(path, rest.answer, methods=list(METHODS)) for path in PATHS), *control]
    return Starlette(routes=routes, exception_handlers={HTTPException: _no_such_path})


class Rest:
    """Answers ``/api/v3/*`` and ``/sapi/v1/*``."""

    def __init__(self, api: Api, numbered: Numbered, cut: Callable[[int], None]) -> None:
        self._api, self._numbered, self._cut = api, numbered, cut

    async def answer(self, request: Request) -> Response:
        path: str = request.scope["path"]
        client = (request.client.host, request.client.port) if request.client else ("", 0)
        verbs = self._api.by_path.get(path, {})
        endpoint = verbs.get("GET" if request.method == "HEAD" else request.method)
        if endpoint is None:
            return await self._not_there(request, client[0], verbs)
        body = b"" if endpoint.verb == "GET" else await _body(request)
        target = Target("rest", self._numbered(client), path, verb=endpoint.verb)
        await trio.sleep(self._api.held_s(target))
        answer = self._answer(endpoint, request, body, Caller(client[0], target))
        await trio.sleep(answer.delay_s)
        if answer.lost:
            await self._lose(answer, request, target.connection)
        body = answer.body[: len(answer.body) // 2] if answer.is_torn else answer.body
        kind = "text/html" if answer.body is BAD_GATEWAY else JSON
        found = headers(answer.verdict, self._api.market.now_ns(), answer.orders)
        return Response(body, answer.status, {**found, "Content-Type": kind})

    async def _lose(self, answer: Answer, request: Request, number: int) -> None:
        """Say nothing until the connection is gone."""
        if answer.lost == "cut-reply":
            self._cut(number)
        while (await request.receive())["type"] != "http.disconnect":
            continue

    async def _not_there(self, request: Request, address: str, verbs: Collection[str]) -> Response:
        """It weighs as little as anything may."""
        verdict = self._api.limits.charge(address, 1)
        more = headers(verdict, self._api.market.now_ns())
        if verdict.status != OK:
            return Response(error_body(-1003, verdict.msg), verdict.status, more, media_type=JSON)
        allowed = {"Allow": ", ".join(verbs)} if verbs else {}
        return await _no_such_path(request, HTTPException(405 if verbs else 404, headers={**more, **allowed}))

    def _answer(self, endpoint: Endpoint, request: Request, body: bytes, caller: Caller) -> Answer:
        try:
            unit_ns = time_unit(request.headers.get("x-mbx-time-unit"))
            sent = {**_once(_form(body)), **_once(request.query_params.multi_items())}
        except Refusal as refusal:
            verdict = self._api.limits.charge(caller.address, endpoint.weight({}))
            return Answer(refusal.status, error_body(refusal.code, refusal.msg), verdict)
        query: bytes = request.scope["query_string"]
        shown = Presented(request.headers.get("x-mbx-apikey"), lambda: [rest_payload(query, body)], by_header=True)
        return self._api.answer(endpoint, sent, caller._replace(unit_ns=unit_ns, shown=shown))


async def _body(request: Request) -> bytes:
    """What was sent as a form."""
    found = b""
    async for part in request.stream():
        found += part
        if len(found) > MOST_BODY:
            raise HTTPException(413)
    return found


def _form(body: bytes) -> list[tuple[str, str]]:
    return parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)


def _once(items: list[tuple[str, str]]) -> Mapping[str, str]:
    found = dict(items)
    if len(found) < len(items):
        raise Refusal(-1101, "Duplicate values for a parameter detected.")
    return found


async def _no_such_path(request: Request, error: Exception) -> Response:
    """404 and the like: a page for people, JSON for programs."""
    status: int = getattr(error, "status_code", 404)
    more: Any = getattr(error, "headers", None)
    if "text/html" in request.headers.get("accept", ""):
        return HTMLResponse(f"<html><body><h1>{status}</h1></body></html>", status, more)
    return Response(error_body(-1020, "This operation is not supported."), status, more, media_type=JSON)
