"""One request answered: charged to its address, met by the faults asked for, and then by its endpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from ida_sim.server.access import NONE, Access, Presented, nobody
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
_INSTEAD = ("429", "418", "5xx")


class Caller(NamedTuple):
    """Who asks, what it shows of that, and how times are to be written: ``unit_ns`` ns."""

    address: str
    target: Target
    unit_ns: int = MS_NS
    shown: Presented = nobody()


class Answer(NamedTuple):
    """``body`` is JSON, or an error's ``{"code", "msg"}``; it is sent after ``delay_s``. ``is_torn``: only half of
    what would be sent is."""

    status: int
    body: bytes
    verdict: Verdict
    delay_s: float = 0.0
    is_torn: bool = False


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
        verdict = self.limits.charge(caller.address, endpoint.weight(sent))
        slow = self.faults.take(ANSWER, caller.target, ("slow-answer",))
        delay_s = slow.fault.delay_ms / 1000 if slow else 0.0
        if verdict.status != OK:
            return Answer(verdict.status, error_body(-1003, verdict.msg), verdict, delay_s)
        if placed := self.faults.take(ANSWER, caller.target, _INSTEAD):
            return self._instead(placed, verdict, delay_s)
        call_now = self._answered(endpoint, sent, caller)
        return call_now._replace(verdict=verdict, delay_s=delay_s)

    def _answered(self, endpoint: Endpoint, sent: Mapping[str, str], caller: Caller) -> Answer:
        nothing, given = Verdict(OK, 0, 0), dict(sent)
        try:
            signed = None
            if endpoint.security != NONE:
                signed = self.access.admit(endpoint.security, given, caller.shown, caller.address)
            call = Call(self.market, self.limits, given, endpoint.known, caller.unit_ns, signed)
            body = endpoint.answer(call)
            call.parameters.finish()
        except Refusal as refusal:
            return Answer(refusal.status, error_body(refusal.code, refusal.msg), nothing)
        if endpoint.path == "depth" and (placed := self.faults.take(ANSWER, caller.target, ("wrong-snapshot",))):
            if placed.fault.snapshot == "torn":
                return Answer(OK, msgspec.json.encode(body), nothing, is_torn=True)
            wrong = self._wrong(placed.fault.snapshot, call.find(sent["symbol"]))
            body = depth_body(wrong, Texts(call.find(sent["symbol"]).instrument), len(body["bids"]) or MOST_LEVELS)
        return Answer(OK, msgspec.json.encode(body), nothing)

    def _instead(self, placed: Placed, verdict: Verdict, delay_s: float) -> Answer:
        fault, now_ns = placed.fault, self.market.now_ns()
        if fault.kind == "5xx":
            if fault.status == 502:
                return Answer(502, BAD_GATEWAY, verdict, delay_s)
            return Answer(fault.status, error_body(*_BROKEN.get(fault.status, _UNKNOWN)), verdict, delay_s)
        status, retry_ns = TOO_MANY if fault.kind == "429" else BANNED, now_ns + fault.retry_after_s * NS
        verdict = self.limits.refusal(status, retry_ns, verdict.used)
        return Answer(status, error_body(-1003, verdict.msg), verdict, delay_s)

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


def error_body(code: int, msg: str, data: Any = None) -> bytes:
    """Binance's error object."""
    more = {} if data is None else {"data": data}
    return msgspec.json.encode({"code": code, "msg": msg, **more})
