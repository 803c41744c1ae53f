"""Requests to the exchange server, signed as its documents say: of both APIs, with a key of any kind."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import httpx

from ida_sim.server.keys import ApiKey

RESTRICTIONS = "/sapi/v1/account/apiRestrictions"


def signed_query(key: ApiKey, params: Mapping[str, Any]) -> str:
    """Percent-encoded first, then signed."""
    query = urlencode(params, quote_via=quote)
    return f"{query}&signature={quote(key.sign(query.encode()), safe='')}"


async def send(client: httpx.AsyncClient, key: ApiKey, path: str, verb: str = "GET", **params: Any) -> httpx.Response:
    """A signed request of REST, its parameters in the query."""
    return await client.request(verb, f"{path}?{signed_query(key, params)}", headers={"X-MBX-APIKEY": key.api_key})


def signed_params(key: ApiKey, **params: Any) -> dict[str, Any]:
    """Parameters of the WebSocket API: signed by name, and as text."""
    full = {"apiKey": key.api_key, **params}
    payload = "&".join(f"{name}={full[name]}" for name in sorted(full))
    return full | {"signature": key.sign(payload.encode())}
