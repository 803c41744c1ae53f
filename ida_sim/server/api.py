"""One request answered: charged to its address, met by the faults asked for, and then by its endpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import msgspec

from ida_sim.server.access import MOST_WINDOW_MS, NONE, Access, Presented, Signed, nobody
from ida_sim.server.endpoints import (
    ENDPOINTS,
    MOST_LEVELS,
    MS_NS,
    Call,
    Endpoint,
    Served,
    ServedSymbol,
    Snapshot,
    depth_body,
    snapshot,
)
from ida_sim.server.faults import ANSWER, Faults, Placed, Target
from ida_sim.server.limits import BANNED, NS, OK, TOO_MANY, Limits, Verdict
from ida_sim.server.order_counts import COUNTED, FREE, REPLACE, OrderCounts
from ida_sim.server.parameters import Refusal
from ida_sim.server.texts import Texts

#: An old snapshot's id lies so far below the book's that no diff fits it.
OLD_BY = 1000
#: What a gateway in front of the exchange says, in no JSON.
BAD_GATEWAY = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
_BROKEN: Mapping[int, tuple[int, str]] = {
    503: (-1008, "Server is currently overloaded with other requests. Please try again in a few minutes."),
    504: (-1007, "Timeout waiting for response from backend server. Send status unknown; execution status unknown."),
}
_UNKNOWN = (-1000, "An unknown error occurred while processing the request.")
_WORDS: Mapping[int, str] = {
    -1000: _UNKNOWN[1], -1001: "Internal error; unable to process your request. Please try again.",
    -1006: "An unexpected response was received from the message bus. Execution status unknown.",
    -1007: _BROKEN[504][1], -1008: _BROKEN[503][1],
}
_INSTEAD = ("429", "418", "5xx")
_AFTERWARDS = ("lost-reply", "cut-reply", "5xx-after")
_NOTHING = Verdict(OK, 0, 0)
#: An order counts though it was refused: too old before the matching engine, or half of a replacement.
_COUNTED_CODES = (-1021, -2021, -2022)


class Caller(NamedTuple):
    """Who asks, what it shows of that, and how times are to be written: ``unit_ns`` ns."""

    address: str
    target: Target
    unit_ns: int = MS_NS
    shown: Presented = nobody()


class Answer(NamedTuple):
    """``body`` is JSON, or an error's ``{"code", "msg"}``; it is sent after ``delay_s``. ``is_torn``: only half of
    what would be sent is. ``orders``: what the account has used, of a request that counts. ``lost``: ``lost-reply``
    or ``cut-reply``: it is not sent at all."""

    status: int
    body: bytes
    verdict: Verdict
    delay_s: float = 0.0
    is_torn: bool = False
    orders: tuple[int, int] | None = None
    lost: str = ""


class Api:
    """What both APIs answer from.

    Args:
        access: the accounts, and who may use them; without it nobody may.
        endpoints: what can be asked for.
    """

    def __init__(self, market: Served, limits: Limits, faults: Faults, access: Access | None = None,
                 endpoints: Sequence[Endpoint] = ENDPOINTS) -> None:
        self.market, self.limits, self.faults = market, limits, faults
        self.access = access or Access(market.now_ns)
        #: By whole path and verb, and by method.
        self.by_path: dict[str, dict[str, Endpoint]] = {}
        self.by_method = {endpoint.method: endpoint for endpoint in endpoints if endpoint.method}
        for endpoint in endpoints:
            self.by_path.setdefault(endpoint.url, {})[endpoint.verb] = endpoint
        self._before: dict[str, Snapshot] = {}
        faults.add_listener(self._meet)

    def answer(self, endpoint: Endpoint, sent: Mapping[str, str], caller: Caller) -> Answer:
        """Answer a request.

        Args:
            sent: its parameters, as texts.
            caller: whose budget is charged, and whom faults may strike.
        """
        weight, is_free = endpoint.weight(sent), endpoint.method in FREE
        verdict = self.limits.charge(caller.address, 0 if is_free else weight)
        slow = self.faults.take(ANSWER, caller.target, ("slow-answer",))
        delay_s = slow.fault.delay_ms / 1000 if slow else 0.0
        if verdict.status != OK:
            return Answer(verdict.status, error_body(-1003, verdict.msg), verdict, delay_s)
        if placed := self.faults.take(ANSWER, caller.target, _INSTEAD):
            found = self._instead(placed, verdict)
        else:
            found = self._after(self._answered(endpoint, sent, caller), caller)
        if is_free and found.status != OK:  # what fails weighs what it says
            verdict = self.limits.add(caller.address, weight)
        told = verdict if found.verdict.status == OK else found.verdict._replace(used=verdict.used)
        return found._replace(verdict=told, delay_s=delay_s)

    def answer_as(self, account: Any, endpoint: Endpoint, sent: Mapping[str, str]) -> Answer:
        """Answer a request in an account's name: it needs no key, is counted nowhere, and no fault strikes it."""
        signed = Signed(account, None, self.market.now_ns(), MOST_WINDOW_MS * MS_NS)
        try:
            counts = self.access.counts[account.name]
            call = Call(self.market, self.limits, sent, endpoint.known, MS_NS, signed, counts)
            body = endpoint.answer(call)
            call.parameters.finish()
        except Refusal as refusal:
            return Answer(refusal.status, error_body(refusal.code, refusal.msg, refusal.data), _NOTHING)
        return Answer(OK, msgspec.json.encode(body), _NOTHING)

    def held_s(self, target: Target) -> float:
        """How late a request is to be carried out, as if it had been on its way for so long."""
        held = self.faults.take(ANSWER, target, ("slow-request",))
        return held.fault.delay_ms / 1000 if held else 0.0

    def _answered(self, endpoint: Endpoint, sent: Mapping[str, str], caller: Caller) -> Answer:
        given, counts = dict(sent), None
        try:
            signed = None
            if endpoint.security != NONE:
                signed = self.access.admit(endpoint.security, given, caller.shown, caller.address)
                counts = self.access.counts[signed.account.name]
            call = Call(self.market, self.limits, given, endpoint.known, caller.unit_ns, signed, counts,
                        partial(self.faults.take, ANSWER, caller.target))
            body = self._carried_out(endpoint, call)
        except Refusal as refusal:
            return self._refused(endpoint, refusal, counts)
        orders = counts.used(call.now_ns) if counts and endpoint.method in COUNTED else None
        if endpoint.path == "depth" and (placed := self.faults.take(ANSWER, caller.target, ("wrong-snapshot",))):
            if placed.fault.snapshot == "torn":
                return Answer(OK, msgspec.json.encode(body), _NOTHING, is_torn=True)
            wrong = self._wrong(placed.fault.snapshot, call.find(sent["symbol"]))
            body = depth_body(wrong, Texts(call.find(sent["symbol"]).instrument), len(body["bids"]) or MOST_LEVELS)
        return Answer(OK, msgspec.json.encode(body), _NOTHING, orders=orders)

    def _carried_out(self, endpoint: Endpoint, call: Call) -> Any:
        """What the endpoint answers. Orders are counted first, for a fill may give back at once."""
        counts, count = call.counts, COUNTED.get(endpoint.method, 0)
        if counts is None or not count:
            body = endpoint.answer(call)
            call.parameters.finish()
            return body
        call.order_refusal = counts.refusal(call.now_ns)
        if call.order_refusal and endpoint.method != REPLACE:
            raise call.order_refusal
        counts.add(count, call.now_ns)
        try:
            body = endpoint.answer(call)
            call.parameters.finish()
        except Refusal as refusal:
            if refusal.code not in _COUNTED_CODES:
                counts.give_back(count, call.now_ns)
            raise
        return body

    def _refused(self, endpoint: Endpoint, refusal: Refusal, counts: OrderCounts | None) -> Answer:
        body, now_ns = error_body(refusal.code, refusal.msg, refusal.data), self.market.now_ns()
        orders = counts.used(now_ns) if counts and endpoint.method in COUNTED else None
        verdict = _NOTHING
        if counts and refusal.status == TOO_MANY:
            verdict = Verdict(TOO_MANY, counts.until_ns(now_ns), 0, refusal.msg)
        return Answer(refusal.status, body, verdict, orders=orders)

    def _after(self, found: Answer, caller: Caller) -> Answer:
        """What becomes of an answer after the request was carried out."""
        placed = self.faults.take(ANSWER, caller.target, _AFTERWARDS)
        if placed is None:
            return found
        if placed.fault.kind == "5xx-after":
            return found._replace(status=placed.fault.status, body=_broken(placed), is_torn=False)
        return found._replace(lost=placed.fault.kind)

    def _instead(self, placed: Placed, verdict: Verdict) -> Answer:
        fault, now_ns = placed.fault, self.market.now_ns()
        if fault.kind == "5xx":
            return Answer(fault.status, _broken(placed), _NOTHING)
        status, retry_ns = TOO_MANY if fault.kind == "429" else BANNED, now_ns + fault.retry_after_s * NS
        verdict = self.limits.refusal(status, retry_ns, verdict.used)
        return Answer(status, error_body(-1003, verdict.msg), verdict)

    def _meet(self, placed: Placed) -> None:
        """A fault was asked for: ban, or keep the books that will be old when they are served."""
        if placed.fault.kind == "ban":
            self.limits.ban(placed.fault.retry_after_s)
        elif placed.fault.kind == "wrong-snapshot":
            self._before = {name: snapshot(symbol, MOST_LEVELS) for name, symbol in self.market.symbols.items()}

    def _wrong(self, kind: str, symbol: ServedSymbol) -> Snapshot:
        name = symbol.instrument.symbol
        if kind == "old":
            old = self._before[name]
            return old._replace(last_update_id=max(0, old.last_update_id - OLD_BY))
        others = (other for known, other in self.market.symbols.items() if known != name)
        if (other := next(others, None)) is not None:
            return snapshot(other, MOST_LEVELS)
        bids, asks = symbol.book(MOST_LEVELS)
        return Snapshot(2 * symbol.last_update_id + 1, [(2 * p, q) for p, q in bids], [(2 * p, q) for p, q in asks])


def _broken(placed: Placed) -> bytes:
    fault = placed.fault
    if fault.code:
        return error_body(fault.code, _WORDS[fault.code])
    return BAD_GATEWAY if fault.status == 502 else error_body(*_BROKEN.get(fault.status, _UNKNOWN))


def error_body(code: int, msg: str, data: Any = None) -> bytes:
    """Binance's error object."""
    more = {} if data is None else {"data": data}
    return msgspec.json.encode({"code": code, "msg": msg, **more})
