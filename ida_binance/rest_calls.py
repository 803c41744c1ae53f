"""Calls over REST: one request each, never a second one, and what is certain of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ida_binance.budget import Told, told_by_headers
from ida_binance.calls import REST, Call, Outcome, Reply
from ida_binance.credentials import Credentials
from ida_binance.judging import masked, outcome_of, words_of
from ida_binance.pending import Pending
from ida_binance.rest import Rest, Session, retry_after_s
from ida_binance.signing import rest_query, signed_query
from ida_binance.unreadable import UNREADABLE
from ida_core.clock import steady_ns
from ida_core.errors import VenueError

#: The step of httpcore with which the first byte of a request may leave.
_LEAVES = "send_request_headers.started"
_LONGEST_TEXT = 500


class RestCalls:
    """Carries calls to the base of a ``Rest``, whose budget its answers correct."""

    def __init__(self, rest: Rest, session: Session, credentials: Credentials) -> None:
        self._rest, self._session, self._credentials = rest, session, credentials

    async def carry(self, pending: Pending, params: dict[str, str]) -> tuple[Reply, Sequence[Told]]:
        """Send it and wait for the answer. ``pending.sent_ns`` is set when the first byte may leave; where this is
        canceled after that, nobody knows what became of it."""
        wanted = pending.call
        what = f"{wanted.verb} {self._rest.base}{wanted.path}"

        async def watch(step: str, info: Any) -> None:
            if step.endswith(_LEAVES):
                pending.sent_ns = steady_ns()

        try:
            response, body = await self._session.fetch(
                what, wanted.verb, self._url(wanted, params), headers=self._headers(wanted), trace=watch)
        except VenueError as error:
            outcome = Outcome.UNKNOWN if pending.sent_ns else Outcome.NOT_SENT
            by = REST if pending.sent_ns else ""
            return Reply(outcome, 0, 0, str(error), None, pending.sent_ns, steady_ns(), by), ()
        reply = judged(pending.sent_ns, response.status_code, response.headers, body)
        return reply, told_by_headers(response.headers)

    def _url(self, wanted: Call, params: dict[str, str]) -> str:
        query = signed_query(params, self._credentials) if wanted.is_signed else rest_query(params)
        return f"{self._rest.base}{wanted.path}{query and '?' + query}"

    def _headers(self, wanted: Call) -> dict[str, str]:
        return {"X-MBX-APIKEY": self._credentials.api_key} if wanted.is_signed else {}


def judged(sent_ns: int, status: int, headers: Mapping[str, str], body: bytes) -> Reply:
    """What an answer means; ``headers`` are looked up by lower-case names."""
    try:
        found = msgspec.json.decode(body)
    except UNREADABLE:
        found = masked(body[: 4 * _LONGEST_TEXT].decode("utf-8", "replace"))[:_LONGEST_TEXT]
        status = status if status != 200 else 502  # something in between answered for the exchange
    code, msg = words_of(found) if status != 200 else (0, "")
    wait_s = retry_after_s(headers) or 0.0
    return Reply(outcome_of(status, code), status, code, msg, found, sent_ns, steady_ns(), REST, wait_s)
