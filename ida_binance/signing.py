"""What is signed, to the byte: of a REST request its query as it is sent, of a WebSocket API request its sorted
parameters.

Source: Binance Spot API docs, rest-api.md (SIGNED endpoint examples), web-socket-api.md (signature payload).
"""

from collections.abc import Mapping
from urllib.parse import quote

from ida_binance.credentials import Credentials

_SAFE = "-_.~"


def rest_query(params: Mapping[str, str]) -> str:
    """The query string, percent-encoded: UTF-8 first, so that what is signed is what is sent.

    >>> rest_query({"symbol": "测试", "side": "BUY"})
    'symbol=%E6%B5%8B%E8%AF%95&side=BUY'
    """
    return "&".join(f"{quote(name, _SAFE)}={quote(value, _SAFE)}" for name, value in params.items())


def signed_query(params: Mapping[str, str], credentials: Credentials) -> str:
    """The query string with its signature, which comes last."""
    query = rest_query(params)
    return f"{query}&signature={quote(credentials.sign(query.encode()), _SAFE)}"


def ws_payload(params: Mapping[str, str]) -> bytes:
    """What is signed of a WebSocket API request: all parameters by name, UTF-8, not percent-encoded.

    >>> ws_payload({"symbol": "BTCUSDT", "apiKey": "K", "side": "BUY"})
    b'apiKey=K&side=BUY&symbol=BTCUSDT'
    """
    return "&".join([f"{name}={params[name]}" for name in sorted(params)]).encode()


def signed_params(params: Mapping[str, str], credentials: Credentials) -> dict[str, str]:
    """The parameters of a WebSocket API request with its API key and signature."""
    full = {**params, "apiKey": credentials.api_key}
    full["signature"] = credentials.sign(ws_payload(full))
    return full
