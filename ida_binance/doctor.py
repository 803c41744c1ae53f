"""Is this machine fit to trade, and the account: each question by itself, so that one failure hides no other."""

from __future__ import annotations

import shutil
import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

import msgspec

from ida_binance import key_store
from ida_binance.asking import clock_offset, trust
from ida_binance.budget import Budget
from ida_binance.environments import addresses
from ida_binance.instruments import ExchangeInfo
from ida_binance.key_sources import load_credentials
from ida_binance.key_test import ask_about
from ida_binance.live import BinanceConfig
from ida_binance.rest import Rest
from ida_core.errors import EXIT_CONFIG, AuthError, IdaError, VenueError, VenueUnavailable
from ida_core.home import home

LEAST_BYTES, FEW_BYTES = 256 << 20, 2 << 30
#: Ida reckons with the exchange's clock, so a clock that is off is no failure; one so far off spoils the records.
FAR_MS = 1000.0
FEW_DAYS = 7
Status = Literal["ok", "warn", "fail"]


class Finding(msgspec.Struct, frozen=True):
    """``exit_code``: what a failure comes to; 0 otherwise."""

    check: str
    status: Status
    detail: str
    exit_code: int = 0


class Asked(NamedTuple):
    """What the questions are about; ``out``: where results would go."""

    exchange: str
    url: str
    key: str
    passphrase: str
    out: Path


def examine(asked: Asked) -> list[Finding]:
    """Ask all of it.

    Raises:
        ConfigError: the address cannot be, or is another environment's.
    """
    rest = _rest(asked)
    checks: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
        ("disk", lambda: _disk(asked.out)), ("files", _files), ("TLS", lambda: _tls(asked, rest)),
        ("clock", lambda: _clock(rest)), ("limits", lambda: _limits(rest)), ("account", lambda: _account(asked)),
    ]  # fmt: skip
    found: list[Finding] = []
    for name, check in checks:
        try:
            found.extend(check())
        except IdaError as error:
            found.append(Finding(name, "fail", f"{error} ({error.code})", error.exit_code))
    return found


def _rest(asked: Asked) -> Rest:
    where, config = addresses(asked.exchange, asked.url), BinanceConfig()
    return Rest(where.rest, Budget(), trust(asked.exchange, "") if where.secure else None, config.timeout_s)


def _disk(out: Path) -> Iterator[Finding]:
    folder = out.absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    status: Status = "fail" if free < LEAST_BYTES else "warn" if free < FEW_BYTES else "ok"
    yield Finding("disk", status, f"{free / 2**30:.1f} GiB free for {out}", EXIT_CONFIG if status == "fail" else 0)


def _files() -> Iterator[Finding]:
    """Sealed keys are whole, and nobody else's to read; nor is what arming tokens are signed with."""
    sealed = list(key_store.heads())
    for head in sealed:
        if isinstance(head, AuthError):
            yield Finding("files", "fail", str(head), head.exit_code)
    arming = home() / "arming.key"
    if arming.exists() and arming.stat().st_mode & 0o077:
        yield Finding("files", "fail", f"{arming}: others may read it; say chmod 600", AuthError.exit_code)
    whole = sum(not isinstance(head, AuthError) for head in sealed)
    yield Finding("files", "ok", f"{whole} sealed keys that are whole and their owner's alone, in {key_store.folder()}")


def _tls(asked: Asked, rest: Rest) -> Iterator[Finding]:
    parts = urlsplit(rest.base)
    if parts.scheme != "https":
        yield Finding("TLS", "warn", f"none: {rest.base} is not encrypted")
        return
    host, timeout_s = parts.hostname or "", BinanceConfig().timeout_s
    try:
        with (
            socket.create_connection((host, parts.port or 443), timeout_s) as plain,
            trust(asked.exchange, "").wrap_socket(plain, server_hostname=host) as wrapped,
        ):
            version, certificate = wrapped.version(), wrapped.getpeercert() or {}
    except OSError as error:
        raise VenueUnavailable(f"{rest.base}: {error}") from error
    until = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)
    days = (until - datetime.now(UTC)).days
    yield Finding("TLS", "warn" if days < FEW_DAYS else "ok", f"{version}, certificate good for {days} days")


def _clock(rest: Rest) -> Iterator[Finding]:
    offset_ns, latency_ns = clock_offset(rest)
    off_ms = offset_ns / 1e6
    trip_ms = 2 * min(latency_ns) / 1e6
    yield Finding("reachability", "ok", f"{rest.base} answers in {trip_ms:.1f} ms")
    status: Status = "warn" if abs(off_ms) > FAR_MS else "ok"
    yield Finding("clock", status, f"this machine's is {abs(off_ms):.1f} ms {'ahead' if off_ms > 0 else 'behind'}")


def _limits(rest: Rest) -> Iterator[Finding]:
    info = ExchangeInfo(rest.get("/api/v3/exchangeInfo", 20).body)
    if not info.rate_limits:
        raise VenueError(f"{rest.base}/api/v3/exchangeInfo tells no limits", code="IDA-E4120")
    told = ", ".join(f"{limit.limit} {limit.rate_limit_type} in {limit.interval_num} {limit.interval}"
                     for limit in info.rate_limits)  # fmt: skip
    yield Finding("limits", "ok", f"{told}; {len(info.names)} symbols")


def _account(asked: Asked) -> Iterator[Finding]:
    credentials = load_credentials(asked.exchange, asked.key, asked.passphrase)
    found = ask_about(asked.exchange, asked.url, credentials)
    yield Finding("account", "ok", f"{found.type} key {found.api_key} is taken; {found.assets} assets")
    for problem in found.problems:
        yield Finding("permissions", "fail", f"the key is not fit to trade: {problem}", AuthError.exit_code)
    if not found.problems:
        yield Finding("permissions", "ok", "the key may trade")
