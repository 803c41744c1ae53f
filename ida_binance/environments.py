"""Binance's environments for spot: where each is reached, and whose an address is.

Source: Binance Spot API docs, rest-api.md, web-socket-streams.md, testnet and demo-mode general info.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from ida_core.errors import ConfigError

LIVE, TESTNET, DEMO = "binance", "binance-testnet", "binance-demo"
_SCHEMES = {"http": ("http", "ws"), "ws": ("http", "ws"), "https": ("https", "wss"), "wss": ("https", "wss")}


class Addresses(NamedTuple):
    """Bases without a slash at the end: ``rest`` (``/api/v3/...`` follows), ``streams`` (``/stream`` follows) and
    ``ws_api`` (``/ws-api/v3`` follows)."""

    rest: str
    streams: str
    ws_api: str

    @property
    def secure(self) -> bool:
        return self.rest.startswith("https:")


ENVIRONMENTS: Mapping[str, Addresses] = {
    LIVE: Addresses("https://api.binance.com", "wss://stream.binance.com:9443", "wss://ws-api.binance.com:443"),
    TESTNET: Addresses(
        "https://testnet.binance.vision", "wss://stream.testnet.binance.vision", "wss://ws-api.testnet.binance.vision"),
    DEMO: Addresses("https://demo-api.binance.com", "wss://demo-stream.binance.com", "wss://demo-ws-api.binance.com"),
}  # fmt: skip


def owner(host: str) -> str | None:
    """Which environment the host is of; ``other``: Binance's, but none of these; None: nobody's that is known.

    >>> owner("api3.binance.com"), owner("stream.testnet.binance.vision"), owner("demo-fapi.binance.com"), owner("::1")
    ('binance', 'binance-testnet', 'other', None)
    """
    host = host.lower().rstrip(".")
    if host == "testnet.binance.vision" or host.endswith(".testnet.binance.vision"):
        return TESTNET
    if host in ("data-api.binance.vision", "data-stream.binance.vision"):
        return LIVE
    name, _, domain = host.partition(".")
    if domain == "binance.com" and name in ("demo-api", "demo-stream", "demo-ws-api"):
        return DEMO
    if domain == "binance.com" and name in ("api", "api-gcp", "api1", "api2", "api3", "api4", "stream", "ws-api"):
        return LIVE
    known = ("binance.com", "binance.vision", "binance.us", "binancefuture.com")
    return "other" if any(host == d or host.endswith(f".{d}") for d in known) else None


def addresses(environment: str, url: str = "") -> Addresses:
    """Where ``environment`` is reached; ``url`` puts one base in the place of all its addresses.

    A host of the environment itself stands only for the service that it offers (``data-api.binance.vision`` for
    REST and streams without trading).

    Raises:
        ConfigError: no such address can be, or it belongs to another environment.

    >>> addresses("binance", "http://127.0.0.1:9000/").streams
    'ws://127.0.0.1:9000'
    """
    own = ENVIRONMENTS[environment]
    if not url:
        return own
    parts = _split(environment, url)
    http, ws = _SCHEMES[parts.scheme]
    of = owner(parts.hostname or "")
    if of not in (None, environment):
        whose = "belongs to no spot environment" if of == "other" else f"is an address of {of}"
        raise ConfigError(
            f"{environment}.url = {url!r} {whose}, and this is {environment}: environments are never mixed; "
            f"leave the URL out, or say --feed {of if of != 'other' else environment}", code="IDA-E3020")
    if of is None:
        return Addresses(f"{http}://{parts.netloc}", f"{ws}://{parts.netloc}", f"{ws}://{parts.netloc}")
    return _own_host(environment, parts, http, ws)


def _own_host(environment: str, parts: SplitResult, http: str, ws: str) -> Addresses:
    own = ENVIRONMENTS[environment]
    host = (parts.hostname or "").lower()
    if http == "http":
        raise ConfigError(f"{environment}.url: {host} is reached by https and wss alone", code="IDA-E3020")
    if host == "data-api.binance.vision":
        return own._replace(rest=f"{http}://{parts.netloc}", streams="wss://data-stream.binance.vision")
    if host == "data-stream.binance.vision":
        return own._replace(rest="https://data-api.binance.vision", streams=f"{ws}://{parts.netloc}")
    if "stream" in host:
        return own._replace(streams=f"{ws}://{parts.netloc}")
    if "ws-api" in host:
        return own._replace(ws_api=f"{ws}://{parts.netloc}")
    return own._replace(rest=f"{http}://{parts.netloc}")


def _split(environment: str, url: str) -> SplitResult:
    shown = _shown(url)
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises for what is no port
    except ValueError as error:
        why = "it is no address" if "@" in url else str(error)  # the error may repeat what is not to be shown
        raise ConfigError(f"{environment}.url = {shown!r}: {why}", code="IDA-E3020") from error
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise ConfigError(
            f"{environment}.url = {shown!r}: http, https, ws or wss, then a host, as in http://127.0.0.1:9000",
            code="IDA-E3020")
    if parts.username is not None or parts.password is not None:
        raise ConfigError(f"{environment}.url: a name or password has no place in an address", code="IDA-E3020")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ConfigError(
            f"{environment}.url = {shown!r}: the base alone, {parts.scheme}://{parts.netloc}; the paths are added "
            "to it", code="IDA-E3020")
    return parts


def _shown(url: str) -> str:
    """As much of it as may be printed: a name, a password or a key may stand before ``@`` and behind ``?`` or ``#``.

    >>> _shown("http://me:secret@[::1"), _shown("http://host/path?apiKey=secret")
    ('http://...@[::1', 'http://host/path?...')
    """
    begin, mark, rest = url.rpartition("@")
    if mark:
        scheme, slashes, _ = begin.partition("//")
        url = f"{scheme if slashes else ''}{slashes}...@{rest}"
    return re.sub(r"([?#]).*", r"\1...", url, flags=re.DOTALL)
