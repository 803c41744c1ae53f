"""The matching engine in C memory, for tests, and a small language to tell it what happens.

A script has a line for each thing that happens, an arrow, and what follows; see ``docs/fills.md``::

    show bid 100x10 ask 101x5          ->
    A buy 4 @ 100                      -> A NEW ahead 10
    trade sell 12 @ 100                -> A TRADE 2 @ 100 QUEUE_REACHED leaves 2
    cancel A                           -> A CANCELED USER
"""

import re
import struct
from collections.abc import Iterable
from typing import NamedTuple

from ida_core.native import ffi, lib

Levels = Iterable[tuple[int, int]]
MAX_PRICE = 100_000
MODELS = {
    "averse": lib.IDA_QUEUE_RISK_AVERSE, "power": lib.IDA_QUEUE_POWER, "log": lib.IDA_QUEUE_LOG
}  # fmt: skip
TYPES = {
    "limit": lib.IDA_LIMIT, "market": lib.IDA_MARKET, "post-only": lib.IDA_LIMIT_MAKER,
    "stop": lib.IDA_STOP_LOSS_LIMIT, "stop market": lib.IDA_STOP_LOSS,
    "take": lib.IDA_TAKE_PROFIT_LIMIT, "take market": lib.IDA_TAKE_PROFIT,
}  # fmt: skip
TIFS = {"gtc": lib.IDA_GTC, "ioc": lib.IDA_IOC, "fok": lib.IDA_FOK}
PEGS = ("none", "primary", "market")
STPS = ("none", "expire_maker", "expire_taker", "expire_both", "decrement")


def _names(prefix: str) -> dict[int, str]:
    """The constants of ``match.h`` that begin so, by value."""
    return {getattr(lib, n): n.removeprefix(prefix) for n in dir(lib) if n.startswith(prefix)}


EXECUTIONS, STATUSES, REASONS = _names("IDA_X_"), _names("IDA_S_"), _names("IDA_R_")


class Report(NamedTuple):
    """``ida_report``, field by field."""

    order_id: int
    trade_id: int
    counter_order: int
    ts_venue_ns: int
    price: int
    quantity: int
    cumulative: int
    leaves: int
    order_quantity: int
    ahead: int
    account: int
    side: int
    execution: int
    status: int
    reason: int
    maker: int
    follows: int


_LAYOUT = struct.Struct("=10qI6B6x")
assert _LAYOUT.size == ffi.sizeof("ida_report")


class RefusedError(Exception):
    """The engine answered something else than IDA_OK."""


class Match:
    """An engine; every call that changes it returns the reports it made."""

    def __init__(
        self, *, recorded: bool = True, model: str = "averse", power: float = 1.0,
        orders: int = 64, reports: int = 64, first_account: int = 0,
    ) -> None:  # fmt: skip
        book = lib.ida_book_new(256, MAX_PRICE) if recorded else ffi.NULL
        self.outside = ffi.gc(book, lib.ida_book_free) if recorded else ffi.NULL
        match = lib.ida_match_new(
            self.outside, MAX_PRICE, orders, reports, MODELS[model], power, first_account
        )
        assert match != ffi.NULL
        self.match = ffi.gc(match, lib.ida_match_free)
        self._new = ffi.new("ida_new_order *")
        self._count = ffi.new("size_t *")
        self._one = ffi.new("ida_report *")
        self._depth = ffi.new("ida_depth *", {"levels": 512})
        self._trade = ffi.new("ida_trade *")

    def _answer(self, status: int) -> list[Report]:
        if status != lib.IDA_OK:
            raise RefusedError(ffi.string(lib.ida_status_text(status)).decode())
        return self.reports()

    def reports(self) -> list[Report]:
        first = lib.ida_match_reports(self.match, self._count)
        data = ffi.buffer(first, self._count[0] * _LAYOUT.size)
        found = [Report._make(fields) for fields in _LAYOUT.iter_unpack(data)]
        lib.ida_match_clear_reports(self.match)
        return found

    def place(
        self, order_id: int, side: int, quantity: int, price: int = 0, *, kind: int = lib.IDA_LIMIT,
        tif: int = lib.IDA_GTC, stp: int = 0, account: int = 1, notional: int = 0, stop: int = 0,
        reducible: int = 0, iceberg: int = 0, pair: int = 0, trailing: int = 0, peg: int = 0, offset: int = 0,
        now: int = 0,
    ) -> list[Report]:  # fmt: skip
        new = self._new
        new.iceberg, new.pair, new.trailing, new.peg, new.peg_offset = iceberg, pair, trailing, peg, offset
        new.order_id, new.account, new.side, new.type = order_id, account, side, kind
        new.tif, new.stp, new.price, new.quantity = tif, stp, price, quantity
        new.notional, new.stop_price, new.reducible = notional, stop, reducible
        return self._answer(lib.ida_match_place(self.match, new, now))

    def cancel(self, order_id: int, now: int = 0) -> list[Report]:
        return self._answer(lib.ida_match_cancel(self.match, order_id, now))

    def cancel_all(self, account: int, now: int = 0) -> list[Report]:
        count = lib.ida_match_cancel_all(self.match, account, now)
        reports = self.reports()
        assert len(reports) == count
        return reports

    def expire_one(self, order_id: int, now: int = 0) -> list[Report]:
        return self._answer(lib.ida_match_expire(self.match, order_id, now))

    def amend(self, order_id: int, quantity: int, now: int = 0) -> list[Report]:
        return self._answer(lib.ida_match_amend(self.match, order_id, quantity, now))

    def depth(
        self, bids: Levels = (), asks: Levels = (), *, snapshot: bool = False, now: int = 0
    ) -> list[Report]:
        bids, asks = list(bids), list(asks)
        self._depth.head.kind = lib.IDA_SNAPSHOT if snapshot else lib.IDA_DEPTH
        self._depth.bids, self._depth.asks = len(bids), len(asks)
        for i, (price, quantity) in enumerate([*bids, *asks]):
            self._depth.levels[i].price, self._depth.levels[i].quantity = price, quantity
        return self._answer(lib.ida_match_depth(self.match, self._depth, now))

    def trade(
        self, aggressor: int, price: int, quantity: int, *, off_book: bool = False, now: int = 0
    ) -> list[Report]:
        sold = lib.IDA_FLAG_BUYER_IS_MAKER if aggressor == lib.IDA_SELL else 0
        self._trade.head.flags = sold | (lib.IDA_FLAG_OFF_BOOK if off_book else 0)
        self._trade.price, self._trade.quantity = price, quantity
        return self._answer(lib.ida_match_trade(self.match, self._trade, now))

    def order(self, order_id: int) -> Report | None:
        if not lib.ida_match_order(self.match, order_id, self._one):
            return None
        return Report._make(_LAYOUT.unpack(ffi.buffer(self._one)))

    def own(self, side: int) -> list[tuple[int, int]]:
        """Levels of orders placed here, best first."""
        levels = ffi.new("ida_level[256]")
        count = lib.ida_book_top_n(lib.ida_match_own(self.match), side, levels, 256)
        return [(levels[i].price, levels[i].quantity) for i in range(count)]

    def last_price(self) -> int:
        return int(lib.ida_match_last_price(self.match))

    def changes(self, most: int = 256) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        levels, sides = ffi.new("ida_level[]", most), ffi.new("uint32_t[2]")
        count = lib.ida_match_changes(self.match, levels, most, sides, sides + 1)
        found = [(levels[i].price, levels[i].quantity) for i in range(count)]
        return found[: sides[0]], found[sides[0] :]

    def prints(self, most: int = 256) -> list[tuple[int, int, int, int]]:
        """(id, price, quantity, 1 if the buyer was the maker) of trades not read so far."""
        prints = ffi.new("ida_print[]", most)
        count = lib.ida_match_prints(self.match, prints, most)
        return [
            (p.trade_id, p.price, p.quantity, p.buyer_is_maker)
            for p in (prints[i] for i in range(count))
        ]


def text_of(report: Report) -> str:
    """A report as scripts tell it; orders are named A to Z by their ids 1 to 26."""
    execution, status = EXECUTIONS[report.execution], STATUSES[report.status]
    words = [chr(64 + report.order_id), execution]
    if report.quantity:
        words.append(str(report.quantity))
    if execution == "TRADE":
        words += ["@", str(report.price)]
    if report.reason:
        words.append(REASONS[report.reason])
    if report.leaves and execution not in ("NEW", "TRIGGERED"):
        words.append(f"leaves {report.leaves}")
    elif status in ("FILLED", "EXPIRED_IN_MATCH"):
        words.append(status)
    if report.ahead >= 0 and execution in ("NEW", "TRIGGERED"):
        words.append(f"ahead {report.ahead}")
    return " ".join(words)


_PLACE = re.compile(
    r"(?P<name>[A-Z]) (?P<side>buy|sell)(?: (?P<lots>\d+))?(?: @ (?P<price>\d+))?"
    r"(?P<market> market)?(?: notional (?P<notional>\d+))?(?P<post> post-only)?"
    r"(?: (?P<trigger>stop|take) (?P<stop>\d+))?(?: (?P<tif>ioc|fok))?(?: stp (?P<stp>\w+))?"
    r"(?: account (?P<account>\d+))?(?: reduce-only (?P<reducible>\d+))?"
    r"(?: iceberg (?P<iceberg>\d+))?(?: trailing (?P<trailing>\d+))?(?: pair (?P<pair>[A-Z]))?"
    r"(?: peg (?P<peg>primary|market)(?: (?P<offset>\d+))?)?"
)


def _kind(found: re.Match[str]) -> int:
    """The order type that the words describe."""
    words = [found["trigger"] or "", (found["market"] or found["post"] or "").strip()]
    return int(TYPES[" ".join(filter(None, words)) or "limit"])


def _place(match: Match, found: re.Match[str]) -> list[Report]:
    return match.place(
        ord(found["name"]) - 64, ("buy", "sell").index(found["side"]), int(found["lots"] or 0),
        int(found["price"] or 0), kind=_kind(found), tif=TIFS[found["tif"] or "gtc"],
        stp=STPS.index(found["stp"] or "none"), account=int(found["account"] or 1),
        notional=int(found["notional"] or 0), stop=int(found["stop"] or 0),
        reducible=int(found["reducible"] or 0), iceberg=int(found["iceberg"] or 0),
        trailing=int(found["trailing"] or 0), pair=ord(found["pair"]) - 64 if found["pair"] else 0,
        peg=PEGS.index(found["peg"]) if found["peg"] else 0, offset=int(found["offset"] or 0),
    )  # fmt: skip


def _levels(text: str) -> list[tuple[int, int]]:
    return [(int(p), int(q)) for p, q in re.findall(r"(\d+)x(\d+)", text)]


def do(match: Match, action: str) -> list[Report]:
    """One thing that happens."""
    words = action.split()
    if words[0] in ("show", "snapshot"):
        bids, _, asks = action.partition("ask")
        return match.depth(_levels(bids), _levels(asks), snapshot=words[0] == "snapshot")
    if found := re.fullmatch(r"(off-book )?trade (buy|sell) (\d+) @ (\d+)", action):
        side = ("buy", "sell").index(found[2])
        return match.trade(side, int(found[4]), int(found[3]), off_book=bool(found[1]))
    if words[:2] == ["cancel", "account"]:
        return match.cancel_all(int(words[2]))
    if words[0] == "expire":
        return match.expire_one(ord(words[1]) - 64)
    if words[0] == "cancel":
        return match.cancel(ord(words[1]) - 64)
    if words[0] == "amend":
        return match.amend(ord(words[1]) - 64, int(words[3]))
    found = _PLACE.fullmatch(action)
    assert found, f"not understood: {action}"
    return _place(match, found)


def state_of(match: Match, question: str) -> str:
    """The present answer to a question like ``A ahead``, ``own bid`` or ``last``."""
    if question == "last":
        return f"last {match.last_price()}"
    if question in ("own bid", "own ask"):
        side = ("own bid", "own ask").index(question)
        return " ".join([question, *(f"{p}x{q}" for p, q in match.own(side))])
    order = match.order(ord(question[0]) - 64)
    return f"{question} {order.ahead if order else 'ended'}"


_STATE = re.compile(r"([A-Z] ahead|own bid|own ask|last)\b")


def step(match: Match, action: str, outcome: str) -> None:
    """Do what the action says; what follows must be the outcome: reports in order, then states."""
    wanted = [part.strip() for part in outcome.split(";") if part.strip()]
    states = [part for part in wanted if _STATE.match(part)]
    try:
        found = [text_of(report) for report in do(match, action)]
    except RefusedError as refused:
        found = [str(refused)]
    assert found == [part for part in wanted if part not in states], action
    for state in states:
        match_of = _STATE.match(state)
        assert match_of
        assert state_of(match, match_of[1]) == state, action


def play(script: str, match: Match) -> None:
    """Play a script of ``action -> outcome`` lines; one that ends in a semicolon goes on."""
    for line in filter(None, re.sub(r";\s+", "; ", script).splitlines()):
        if line.strip():
            action, _, outcome = line.partition("->")
            step(match, action.strip(), outcome)
