"""The control endpoint: what the server's user, not its client, asks of it over HTTP. No fault strikes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ida_core import IdaError
from ida_sim.server.api import Api
from ida_sim.server.control_accounts import account_routes
from ida_sim.server.faults import KINDS, Fault, read_fault

SCHEMA = 1
State = Callable[[], Mapping[str, Any]]


def control_routes(api: Api, state: State = dict) -> list[BaseRoute]:
    """Routes of ``/control``.

    Args:
        state: what more ``GET /control`` shows, the server's connections and symbols.
    """
    control = Control(api, state)
    return [
        Route("/control", control.show),
        Route("/control/kinds", control.kinds),
        Route("/control/faults", control.faults),
        Route("/control/faults", control.place, methods=["POST"]),
        Route("/control/faults", control.clear, methods=["DELETE"]),
        Route("/control/faults/{number:int}", control.remove, methods=["DELETE"]),
        Route("/control/limits", control.forget, methods=["DELETE"]),
        *account_routes(api),
    ]


class Control:
    """Answers ``/control*``."""

    def __init__(self, api: Api, state: State) -> None:
        self._api, self._state = api, state

    async def show(self, request: Request) -> Response:
        """What is going on."""
        api = self._api
        shown = {
            "schema": SCHEMA, "now_ms": api.market.now_ns() // 1_000_000,
            "clock_offset_ms": api.faults.clock_offset_ns / 1_000_000,
            "faults": api.faults.state(), "limits": api.limits.state(), **self._state(),
        }
        return _json(shown)

    async def kinds(self, request: Request) -> Response:
        """What can be asked for."""
        return _json({name: {"place": kind.place, "once": kind.once, "about": kind.about}
                      for name, kind in KINDS.items()})

    async def faults(self, request: Request) -> Response:
        return _json(self._api.faults.state())

    async def place(self, request: Request) -> Response:
        """One fault, or a list of them: all or none come into force."""
        try:
            wanted = _read(await request.body())
        except (IdaError, msgspec.DecodeError) as error:
            return _json({"error": str(error)}, 400)
        return _json([{"id": self._api.faults.place(fault).id, "kind": fault.kind} for fault in wanted], 201)

    async def remove(self, request: Request) -> Response:
        number: int = request.path_params["number"]
        if self._api.faults.remove(number):
            return Response(status_code=204)
        return _json({"error": f"there is no fault {number}; it may be over"}, 404)

    async def clear(self, request: Request) -> Response:
        self._api.faults.clear()
        return Response(status_code=204)

    async def forget(self, request: Request) -> Response:
        """Nothing is used, nobody banned."""
        self._api.limits.forget()
        self._api.access.forget_orders()
        return Response(status_code=204)


def _read(body: bytes) -> list[Fault]:
    data = msgspec.json.decode(body)
    return [read_fault(each) for each in (data if isinstance(data, list) else [data])]


def _json(body: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")
