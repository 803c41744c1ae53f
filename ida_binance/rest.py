"""One request, one answer, over HTTP; what is wrong with it by what the caller does next.

Every answer corrects the budget. Nothing here waits for it: a request that the budget has no room for is not sent.
"""

import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlencode

import httpx
import msgspec
import trio

from ida_binance.budget import NS_PER_S, Budget, clock
from ida_binance.unreadable import UNREADABLE
from ida_core.clock import steady_ns
from ida_core.errors import RateLimited, RequestRejected, VenueError, VenueUnavailable

MOST_BODY_BYTES = 128 << 20
#: Where 429 or 418 do not say how long.
PAUSE_S, BAN_S, MOST_WAIT_S = 60.0, 120.0, 4 * 86400.0
_BANNED_UNTIL = re.compile(rb"banned until (\d{13})\b")
#: How long a connection that nobody uses is kept.
KEPT_S = 45.0
_SHOWN_BYTES = 80


class Answer(NamedTuple):
    """A body of status 200, with local times of the request and of the whole answer."""

    body: bytes
    sent_ns: int
    received_ns: int

    @property
    def middle_ns(self) -> int:
        return (self.sent_ns + self.received_ns) // 2

    @property
    def round_trip_ns(self) -> int:
        return self.received_ns - self.sent_ns


class _Refusal(msgspec.Struct):
    code: int
    msg: str


class Rest:
    """Requests to one base address.

    Args:
        base: scheme and host, as in ``https://api.binance.com``.
        budget: of weight; spent and corrected here.
        context: whom to trust where the base is https.
        timeout_s: for a whole request and its answer, in seconds.
    """

    def __init__(self, base: str, budget: Budget, context: ssl.SSLContext | None, timeout_s: float = 10.0) -> None:
        self.base, self.budget, self.timeout_s = base, budget, timeout_s
        options: dict[str, Any] = {
            "timeout": timeout_s, "trust_env": False, "follow_redirects": False,
            "limits": httpx.Limits(keepalive_expiry=KEPT_S),
            "headers": {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "ida"},
        }  # fmt: skip
        self._options = options if context is None else {**options, "verify": context}

    def get(self, path: str, weight: int, **parameters: Any) -> Answer:
        """Ask, and wait for the answer: for the time before there is a loop. It runs one of its own, so that the
        timeout holds for an answer whose very head trickles in.

        Raises:
            VenueUnavailable: not reached, or no answer in time.
            RateLimited: the budget has no room, or the exchange says so.
            RequestRejected: the exchange understood, and said no.
            VenueError: what answered is no Binance.
        """
        return trio.run(self._once, path, weight, parameters)

    async def _once(self, path: str, weight: int, parameters: Mapping[str, Any]) -> Answer:
        async with self.session() as session:
            return await session.get(path, weight, **parameters)

    @asynccontextmanager
    async def session(self) -> AsyncIterator["Session"]:
        """Requests in the loop, over connections that are kept; all are closed at the end of the block."""
        async with httpx.AsyncClient(**self._options) as client:
            yield Session(self, client)

    def _admit(self, path: str, weight: int, parameters: Mapping[str, Any]) -> tuple[str, int]:
        """Spend the weight; the URL and the time."""
        query = urlencode({key: value for key, value in parameters.items() if value is not None})
        url, now_ns = f"{self.base}{path}{query and '?' + query}", steady_ns()
        wait_s = self.budget.wait_s(weight, now_ns)
        if wait_s:
            banned = self.budget.banned_until_ns > now_ns
            why = f"banned until {clock(self.budget.banned_until_ns)}" if banned else f"room in {wait_s:.1f} s"
            raise RateLimited(f"GET {url}: not sent, for the weight is used up ({why})", wait_s,
                              code="IDA-E4210" if banned else None)  # fmt: skip
        self.budget.spend(weight, now_ns)
        return url, now_ns

    @contextmanager
    def failures(self, what: str) -> Iterator[None]:
        """What httpx raises, in our words."""
        try:
            yield
        except httpx.TimeoutException as error:
            raise _late(what, self.timeout_s) from error
        except httpx.ConnectError as error:
            raise _unreachable(what, error) from error
        except (httpx.ProtocolError, httpx.DecodingError) as error:
            raise VenueError(f"{what}: what answered speaks no HTTP: {error}", code="IDA-E4120") from error
        except httpx.HTTPError as error:
            why = str(error) or type(error).__name__
            raise VenueUnavailable(f"{what}: the connection broke: {why}") from error

    def refuse_bomb(self, what: str, headers: Mapping[str, str]) -> None:
        """Compression above compression unpacks a few bytes to gigabytes at once; one alone is bounded on the way."""
        packed = headers.get("content-encoding", "gzip").strip().lower()
        if packed not in ("gzip", "identity", ""):
            raise VenueError(f"{what}: compressed as {packed[:_SHOWN_BYTES]!r}, which nobody asked for",
                             code="IDA-E4120")  # fmt: skip

    def refuse_endless(self, what: str, body: bytearray) -> None:
        if len(body) > MOST_BODY_BYTES:
            raise VenueError(f"{what}: the answer has more than {MOST_BODY_BYTES} bytes", code="IDA-E4120")

    def _judge(self, what: str, response: httpx.Response, body: bytes, sent_ns: int) -> Answer:
        """The answer of status 200; any other raises."""
        received_ns, status = steady_ns(), response.status_code
        self.budget.correct(response.headers, sent_ns, received_ns)
        if status == 200:
            if body[:1] not in (b"{", b"["):
                raise VenueError(f"{what}: no JSON came, but {_begin_of(body)}", code="IDA-E4120")
            return Answer(body, sent_ns, received_ns)
        if status in (418, 429):
            raise self.limited(what, status, response.headers, body)
        if status == 403:
            self.budget.pause(received_ns + int(BAN_S * NS_PER_S))
            raise RateLimited(
                f"{what}: HTTP 403: the exchange's firewall refused it; waiting {BAN_S:.0f} s", BAN_S)
        if status >= 500:
            raise VenueUnavailable(f"{what}: HTTP {status}: {_begin_of(body)}")
        raise _refused(what, status, response.headers, body)

    def limited(self, what: str, status: int, headers: Mapping[str, str], body: bytes = b"") -> RateLimited:
        """Close the budget as long as an answer of status 418 or 429 says; the error that tells so.

        ``headers`` are looked up by lower-case names.
        """
        now_ns, wait_s = steady_ns(), retry_after_s(headers)
        if status == 429:
            wait_s = PAUSE_S if wait_s is None else wait_s
            self.budget.pause(now_ns + int(wait_s * NS_PER_S))
            return RateLimited(f"{what}: HTTP 429: too many requests; nothing is sent for {wait_s:.0f} s", wait_s)
        until_ns = now_ns + int((BAN_S if wait_s is None else wait_s) * NS_PER_S)
        if found := _BANNED_UNTIL.search(body):
            told_ns = int(found[1]) * 1_000_000 - self.budget.offset_ns
            until_ns = max(until_ns if wait_s is not None else 0, min(told_ns, now_ns + int(MOST_WAIT_S * NS_PER_S)))
        self.budget.ban(until_ns)
        return RateLimited(
            f"{what}: HTTP 418: this address is banned until {clock(until_ns)}; nothing is sent until then",
            max(0.0, (until_ns - now_ns) / NS_PER_S), code="IDA-E4210")


class Session:
    """Requests in the loop; made by ``Rest.session``."""

    def __init__(self, rest: Rest, client: httpx.AsyncClient) -> None:
        self._rest, self._client = rest, client

    async def get(self, path: str, weight: int, **parameters: Any) -> Answer:
        """As ``Rest.get``, and cancelled like any other wait; raises the same."""
        url, sent_ns = self._rest._admit(path, weight, parameters)
        what = f"GET {url}"
        response, body = await self.fetch(what, "GET", url)
        return self._rest._judge(what, response, body, sent_ns)

    async def fetch(
        self, what: str, verb: str, url: str, *, headers: Mapping[str, str] | None = None,
        trace: Callable[[str, Any], Awaitable[None]] | None = None,
    ) -> tuple[httpx.Response, bytes]:  # fmt: skip
        """Any request, once, and the whole body of its answer; neither budget nor status is looked at.

        Args:
            what: names it in errors, which may be shown: nothing secret, no signature.
            trace: told of each step of the connection, as httpcore names them.
        Raises:
            VenueError: as ``Rest.get``.
        """
        rest, body = self._rest, bytearray()
        with rest.failures(what):
            try:
                with trio.fail_after(rest.timeout_s):
                    extensions = {"trace": trace} if trace is not None else {}
                    async with self._client.stream(verb, url, headers=headers, extensions=extensions) as response:
                        rest.refuse_bomb(what, response.headers)
                        async for piece in response.aiter_bytes():
                            body += piece
                            rest.refuse_endless(what, body)
            except trio.TooSlowError as error:
                raise _late(what, rest.timeout_s) from error
        return response, bytes(body)


def _late(what: str, timeout_s: float) -> VenueUnavailable:
    return VenueUnavailable(f"{what}: no whole answer within {timeout_s:g} s")


def _unreachable(what: str, error: Exception) -> VenueUnavailable:
    """httpx tells a refused connection, an unknown host and a certificate that is not trusted alike."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return VenueUnavailable(
                f"{what}: the certificate is not trusted: {cause.verify_message}; ca_file in the feed's section "
                "names a file of certificates to trust", code="IDA-E4121")
        if isinstance(cause, ssl.SSLError):
            return VenueUnavailable(f"{what}: TLS did not come about: {cause.reason or cause}", code="IDA-E4121")
        cause = cause.__cause__ or cause.__context__
    return VenueUnavailable(f"{what}: not reached: {error}")


def _refused(what: str, status: int, headers: Mapping[str, str], body: bytes) -> VenueError:
    """A refusal in the exchange's words, or something else that answers in its place."""
    try:
        said = msgspec.json.decode(body, type=_Refusal)
    except UNREADABLE:
        where = f" to {headers['location']}" if "location" in headers else ""
        return VenueError(
            f"{what}: HTTP {status}{where}, and no words of Binance's, but {_begin_of(body)}", code="IDA-E4120")
    return RequestRejected(f"{what}: HTTP {status}: {said.code} {said.msg}", said.code, said.msg)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """What ``Retry-After`` says, by lower-case names, in seconds; None where it says nothing that can be."""
    text = headers.get("retry-after", "")
    return min(float(text), MOST_WAIT_S) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _begin_of(body: bytes) -> str:
    return repr(body[:_SHOWN_BYTES])[1:] if body else "not a byte"
