"""Who asks: API keys, signatures and the times of signed requests, of both APIs.

Source: Binance Spot API docs, rest-api.md and web-socket-api.md (request security, timing security), read 2026-07.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote_plus

from ida_sim.server.keys import FORMAT, ApiKey
from ida_sim.server.limits import Budget
from ida_sim.server.order_counts import OrderCounts
from ida_sim.server.parameters import NUMBER, Refusal, illegal, ns_of_time

NONE, USER_DATA, TRADE = "NONE", "USER_DATA", "TRADE"
UNAUTHORIZED = 401
DEFAULT_WINDOW_MS, MOST_WINDOW_MS = 5_000, 60_000
#: A request's time must be before so long after the server's, ns.
AHEAD_NS = 1_000_000_000
_MS_NS = 1_000_000
_WINDOW = re.compile(r"[0-9]{1,17}(\.[0-9]{1,3})?")
_WINDOW_TEXT = "^[0-9]{1,17}(\\.[0-9]{1,3})?$"


class Account(Protocol):
    """An account, as far as access to it goes."""

    @property
    def name(self) -> str: ...
    @property
    def keys(self) -> Sequence[ApiKey]: ...
    @property
    def listeners(self) -> list[Callable[[dict[str, Any]], None]]: ...


class KeyHolder:
    """An account that has keys, and nothing else."""

    def __init__(self, name: str, keys: Sequence[ApiKey]) -> None:
        self.name, self.keys = name, list(keys)
        #: Called with every event of the account.
        self.listeners: list[Callable[[dict[str, Any]], None]] = []


class Signed(NamedTuple):
    """Who was let in, by which key, and when: ``timestamp_ns`` and ``window_ns`` are the request's own. ``key``: None
    where the server's user asks in the account's name."""

    account: Any
    key: ApiKey | None
    timestamp_ns: int
    window_ns: int

    def check_time(self, now_ns: int) -> None:
        """Refuse what is out of its window: at receipt, and once more before the matching engine."""
        if self.timestamp_ns >= now_ns + AHEAD_NS:
            raise Refusal(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
        if now_ns - self.timestamp_ns > self.window_ns:
            raise Refusal(-1021, "Timestamp for this request is outside of the recvWindow.")


class Presented(NamedTuple):
    """What a request shows of who it is from.

    ``api_key``: None where there is none. ``payloads``: what may have been signed. ``by_header``: the key comes in a
    header, not as a parameter. ``logged_on``: whose connection this is.
    """

    api_key: str | None
    payloads: Callable[[], Iterable[bytes]]
    by_header: bool = False
    logged_on: tuple[Any, ApiKey] | None = None


def nobody() -> Presented:
    """A request that shows nothing."""
    return Presented(None, tuple, by_header=True)


class Access:
    """The accounts, and who may use them.

    Args:
        now_ns: the server's clock.
        budget: how many orders an account may place.
    """

    def __init__(self, now_ns: Callable[[], int], accounts: Iterable[Any] = (), budget: Budget | None = None) -> None:
        self._now_ns = now_ns
        self._budget = budget or Budget()
        self.accounts: dict[str, Any] = {}
        #: By account: how many orders it has that are not filled.
        self.counts: dict[str, OrderCounts] = {}
        for account in accounts:
            self.add(account)

    def add(self, account: Any) -> None:
        """Have one more account; its fills give back what its orders counted."""
        counts = OrderCounts((self._budget.orders_10s, self._budget.orders_day))
        self.accounts[account.name], self.counts[account.name] = account, counts
        account.listeners.append(lambda event: counts.hear(event, self._now_ns()))

    def forget_orders(self) -> None:
        """No order counts any more."""
        for counts in self.counts.values():
            counts.forget()

    def find(self, api_key: str) -> tuple[Any, ApiKey] | None:
        """The account that has the key, and the key."""
        for account in self.accounts.values():
            for key in account.keys:
                if key.api_key == api_key:
                    return account, key
        return None

    def admit(self, security: str, sent: dict[str, str], shown: Presented, address: str) -> Signed:
        """Let a signed request in; its ``timestamp``, ``recvWindow``, ``signature`` and ``apiKey`` are taken out of
        ``sent``.

        Args:
            security: ``USER_DATA`` or ``TRADE``: what the key must be allowed.
        Raises:
            Refusal: -1100, -1102, -2014, -2015, -1021 or -1022.
        """
        if not shown.by_header:
            sent.pop("apiKey", None)
        stamp, window = sent.pop("timestamp", None), sent.pop("recvWindow", None)
        signature = sent.pop("signature", None)
        by_session = shown.logged_on is not None and not shown.api_key and not signature
        account, key = self._session(shown, security, address) if by_session else self._key(shown)
        timestamp_ns = _timestamp_ns(stamp)
        if not by_session and not signature:
            raise _missing("signature")
        signed = Signed(account, key, timestamp_ns, _window_ns(window))
        if not by_session:
            check_key(key, security, address)
        signed.check_time(self._now_ns())
        if not by_session and not any(key.verify(payload, signature or "") for payload in shown.payloads()):
            raise Refusal(-1022, "Signature for this request is not valid.")
        return signed

    def _key(self, shown: Presented) -> tuple[Any, ApiKey]:
        if not shown.api_key and not shown.by_header:
            raise _missing("apiKey")
        if not shown.api_key or not FORMAT.fullmatch(shown.api_key):
            raise Refusal(-2014, "API-key format invalid.", UNAUTHORIZED)
        found = self.find(shown.api_key)
        if found is None:
            raise not_allowed()
        return found

    def _session(self, shown: Presented, security: str, address: str) -> tuple[Any, ApiKey]:
        """Of a connection that is logged on, as long as its key is there and may do this."""
        assert shown.logged_on is not None
        account, key = shown.logged_on
        if self.find(key.api_key) is None:
            raise Revoked
        check_key(key, security, address)
        return account, key


class Revoked(Exception):
    """The key with which a connection is logged on is there no more."""


def check_key(key: ApiKey, security: str, address: str) -> None:
    """Refuse what the key may not do, and from where it may not be done."""
    allowed = key.trading if security == TRADE else key.reading
    if not allowed or (key.ips and address not in key.ips):
        raise not_allowed()


def not_allowed() -> Refusal:
    return Refusal(-2015, "Invalid API-key, IP, or permissions for action.", UNAUTHORIZED)


def rest_payload(query: bytes, body: bytes) -> bytes:
    """What is signed of a REST request: its query and its body as they came, without the signature.

    >>> rest_payload(b"symbol=LTCBTC&signature=00&side=BUY", b"price=0.1")
    b'symbol=LTCBTC&side=BUYprice=0.1'
    """
    return _unsigned(query) + _unsigned(body)


def _unsigned(text: bytes) -> bytes:
    return b"&".join(part for part in text.split(b"&") if not part.startswith(b"signature="))


def ws_payloads(params: Mapping[str, str]) -> list[bytes]:
    """What may have been signed of a WebSocket API request: by name and as text; or percent-encoded, as some do.

    >>> ws_payloads({"signature": "00", "symbol": "B C", "apiKey": "K"})
    [b'apiKey=K&symbol=B C', b'apiKey=K&symbol=B+C']
    """
    named = sorted((name, value) for name, value in params.items() if name != "signature")
    plain = "&".join(f"{name}={value}" for name, value in named)
    quoted = "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in named)
    return [text.encode() for text in dict.fromkeys((plain, quoted))]


def _timestamp_ns(text: str | None) -> int:
    if not text:
        raise _missing("timestamp")
    if not re.fullmatch(r"[0-9]{1,20}", text):
        raise illegal("timestamp", NUMBER)
    return ns_of_time(int(text))


def _window_ns(text: str | None) -> int:
    if text is None:
        return DEFAULT_WINDOW_MS * _MS_NS
    if not text:
        raise Refusal(-1105, "Parameter 'recvWindow' was empty.")
    if not _WINDOW.fullmatch(text):
        raise illegal("recvWindow", _WINDOW_TEXT)
    whole, _, part = text.partition(".")
    window_ns = int(whole) * _MS_NS + int(part.ljust(3, "0") or 0) * 1_000
    if window_ns > MOST_WINDOW_MS * _MS_NS:
        raise Refusal(-1131, f"recvWindow must be less than {MOST_WINDOW_MS}.")
    return window_ns


def _missing(name: str) -> Refusal:
    return Refusal(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
