"""The REST API, on Starlette: what HTTP adds to the endpoints - paths, headers, statuses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import trio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from ida_sim.server.api import BAD_GATEWAY, Answer, Api, Caller, error_body
from ida_sim.server.endpoints import BY_PATH, MS_NS, Endpoint
from ida_sim.server.faults import Target
from ida_sim.server.limits import OK, headers
from ida_sim.server.parameters import Refusal

JSON = "application/json;charset=UTF-8"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
UNITS = {"MILLISECOND": MS_NS, "millisecond": MS_NS, "MICROSECOND": 1_000, "microsecond": 1_000}
#: Which number the listener gave the connection from this host and port.
Numbered = Callable[[tuple[str, int]], int]


def time_unit(name: str | None) -> int:
    """``MICROSECOND`` and the like, as ns; ms where it is not said."""
    if name is None:
        return MS_NS
    if name not in UNITS:
        raise Refusal(-1194, "Invalid value for time unit; expected either MICROSECOND or MILLISECOND.")
    return UNITS[name]


def rest_app(api: Api, control: list[BaseRoute], numbered: Numbered = lambda client: -1) -> Starlette:
    """The application of ``/api/v3`` and of the routes of ``control``.

    Args:
        numbered: tells the connection of a request's host and port, for faults on one connection.
    """
    rest = Rest(api, numbered)
    routes = [Route("/api/v3/{path:path}", rest.answer, methods=list(METHODS)), *control]
    return Starlette(routes=routes, exception_handlers={HTTPException: _no_such_path})


class Rest:
    """Answers ``/api/v3/*``."""

    def __init__(self, api: Api, numbered: Numbered) -> None:
        self._api, self._numbered = api, numbered

    async def answer(self, request: Request) -> Response:
        path: str = request.path_params["path"]
        client = (request.client.host, request.client.port) if request.client else ("", 0)
        endpoint = BY_PATH.get(path)
        if endpoint is None or request.method not in ("GET", "HEAD"):
            return await self._not_there(request, client[0], 404 if endpoint is None else 405)
        target = Target("rest", self._numbered(client), f"/api/v3/{path}")
        answer = self._answer(endpoint, request, Caller(client[0], target))
        await trio.sleep(answer.delay_s)
        body = answer.body[: len(answer.body) // 2] if answer.is_torn else answer.body
        kind = "text/html" if answer.body is BAD_GATEWAY else JSON
        found = headers(answer.verdict, self._api.market.now_ns())
        return Response(body, answer.status, {**found, "Content-Type": kind})

    async def _not_there(self, request: Request, address: str, status: int) -> Response:
        """It weighs as little as anything may."""
        verdict = self._api.limits.charge(address, 1)
        more = headers(verdict, self._api.market.now_ns())
        if verdict.status != OK:
            return Response(error_body(-1003, verdict.msg), verdict.status, more, media_type=JSON)
        allowed = {"Allow": "GET"} if status == 405 else {}
        return await _no_such_path(request, HTTPException(status, headers={**more, **allowed}))

    def _answer(self, endpoint: Endpoint, request: Request, caller: Caller) -> Answer:
        try:
            unit_ns = time_unit(request.headers.get("x-mbx-time-unit"))
            sent = _once(request.query_params.multi_items())
        except Refusal as refusal:
            verdict = self._api.limits.charge(caller.address, endpoint.weight({}))
            return Answer(refusal.status, error_body(refusal.code, refusal.msg), verdict)
        return self._api.answer(endpoint, sent, caller._replace(unit_ns=unit_ns))


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
