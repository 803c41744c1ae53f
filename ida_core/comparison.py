"""Two runs order by order: which are the same, which are not, and why.

For a strategy that ran twice, simulated and at an exchange, say: what it asked for is aligned in the order in which it
asked, and of each pair that came to something else the difference is traced to what can be seen of it - another book
when it was decided, a longer way, another place in the queue. What nothing of this explains is said to be unexplained.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from difflib import SequenceMatcher
from typing import Any

import msgspec

from ida_core.model import Instrument, plain
from ida_core.report import Report
from ida_core.rows import FillRow, OrderRow

UNEXPLAINED = "unexplained: decided on the same book, with as long a way and as many ahead"
#: Ways whose lengths differ by less than this, in ms, are as long.
ALIKE_MS = 0.5


class Outcome(msgspec.Struct, frozen=True):
    """What became of one order, as it is compared; money and quantities are plain decimals."""

    order: str
    wanted: str
    status: str
    filled: str
    price: str
    fees: str
    roles: str

    def differences(self, other: Outcome) -> list[str]:
        """``status FILLED | CANCELED`` and the like; empty where both came to the same."""
        return [
            f"{name} {mine or 'none'} | {theirs or 'none'}"
            for name in ("status", "filled", "price", "fees", "roles")
            if (mine := getattr(self, name)) != (theirs := getattr(other, name))
        ]


class Pair(msgspec.Struct, frozen=True):
    """An order of A and the one of B that was asked for in its place; ``differs`` and ``because`` are sentences."""

    a: Outcome
    b: Outcome
    differs: tuple[str, ...]
    because: tuple[str, ...]


class Comparison(msgspec.Struct, frozen=True):
    """``same``: pairs that came to the same; ``different``: those that did not; and what only one of the runs asked
    for."""

    same: int
    different: tuple[Pair, ...]
    only_a: tuple[Outcome, ...]
    only_b: tuple[Outcome, ...]

    @property
    def is_same(self) -> bool:
        return not (self.different or self.only_a or self.only_b)

    @property
    def unexplained(self) -> int:
        """Pairs whose difference nothing in the two journals explains."""
        return sum(pair.because == (UNEXPLAINED,) for pair in self.different)


class _Side:
    """One run: its orders as they were asked for, each with what became of it."""

    def __init__(self, report: Report) -> None:
        self.instruments: Sequence[Instrument] = report.instruments
        self.rows = [row for row in report.orders if not row.order.foreign]
        self._fills: dict[str, list[FillRow]] = defaultdict(list)
        for fill in report.fills:
            self._fills[fill.order_id].append(fill)

    def key(self, row: OrderRow) -> tuple[object, ...]:
        """What was asked for, without its id."""
        order, instrument = row.order, self.instruments[row.order.instrument]
        price, stop = (None if x is None else instrument.price(x) for x in (order.price, order.stop_price))
        replaces = bool(order.replaces)
        return (order.strategy, instrument.name, order.side, order.type, order.tif, price, stop, order.note, replaces)

    def outcome(self, row: OrderRow) -> Outcome:
        order, instrument = row.order, self.instruments[row.order.instrument]
        fills = self._fills[order.order_id]
        fees: dict[str, Decimal] = defaultdict(Decimal)
        for fill in fills:
            fees[fill.fee_asset] += fill.fee
        average = order.average_price
        return Outcome(
            order.order_id, self._wanted(row), order.status.value, plain(instrument.quantity(order.traded)),
            "" if average is None else plain(round(average * instrument.tick_size, 8)),
            ", ".join(f"{plain(fees[asset])} {asset}" for asset in sorted(fees)),
            ", ".join(sorted({"maker" if fill.maker else "taker" for fill in fills})),
        )

    def _wanted(self, row: OrderRow) -> str:
        order, instrument = row.order, self.instruments[row.order.instrument]
        quantity = plain(instrument.quantity(order.quantity)) if order.quantity else f"for {order.quote_quantity}"
        price = "" if order.price is None else f" at {plain(instrument.price(order.price))}"
        return f"{order.strategy or 'somebody'}: {order.side} {quantity} {instrument.name} {order.type}{price}"

    def way_ms(self, row: OrderRow) -> float | None:
        """From the request to the first word of the exchange, by our own clock; None without one."""
        stamps = row.order.stamps
        answered = [stamps[name] for name in ("accepted", "closed") if name in stamps]
        return (min(answered) - stamps["requested"]) / 1e6 if answered and "requested" in stamps else None

    def reasons(self, row: OrderRow) -> str:
        """By which rules it was filled, where the exchange tells (simulated)."""
        return ", ".join(sorted({fill.reason for fill in self._fills[row.order.order_id] if fill.reason}))


def compare_orders(a: Report, b: Report) -> Comparison:
    """Align what two runs asked for, and tell what became of it differently."""
    one, two = _Side(a), _Side(b)
    keys = [one.key(row) for row in one.rows], [two.key(row) for row in two.rows]
    matcher = SequenceMatcher(None, *keys, autojunk=False)
    pairs: list[tuple[OrderRow, OrderRow]] = []
    only: tuple[list[OrderRow], list[OrderRow]] = ([], [])
    for tag, a_from, a_to, b_from, b_to in matcher.get_opcodes():
        mine, theirs = one.rows[a_from:a_to], two.rows[b_from:b_to]
        if tag == "equal":
            pairs += zip(mine, theirs, strict=True)
        else:
            alike = list(_taken_for_alike(mine, theirs))
            pairs += alike
            paired = {id(row) for rows in alike for row in rows}
            only[0].extend(row for row in mine if id(row) not in paired)
            only[1].extend(row for row in theirs if id(row) not in paired)
    different = [pair for pair in (_compared(one, two, *rows) for rows in pairs) if pair.differs]
    return Comparison(
        len(pairs) - len(different), tuple(different),
        tuple(map(one.outcome, only[0])), tuple(map(two.outcome, only[1])))


def _taken_for_alike(mine: Sequence[OrderRow], theirs: Sequence[OrderRow]) -> Iterable[tuple[OrderRow, OrderRow]]:
    """Between two orders that are the same: one of the same kind at another price was asked for in its place."""
    waiting: dict[tuple[object, ...], list[OrderRow]] = defaultdict(list)
    for row in theirs:
        waiting[_kind(row)].append(row)
    for row in mine:
        if alike := waiting[_kind(row)]:
            yield row, alike.pop(0)


def _kind(row: OrderRow) -> tuple[object, ...]:
    order = row.order
    return order.strategy, order.instrument, order.side, order.type, order.note


def _compared(one: _Side, two: _Side, mine: OrderRow, theirs: OrderRow) -> Pair:
    a, b = one.outcome(mine), two.outcome(theirs)
    differs = a.differences(b)
    if a.wanted != b.wanted:
        differs.insert(0, f"asked for {a.wanted} | {b.wanted}")
    return Pair(a, b, tuple(differs), tuple(_because(one, two, mine, theirs)) if differs else ())


def _because(one: _Side, two: _Side, mine: OrderRow, theirs: OrderRow) -> Iterable[str]:
    found = [*_decided(one, mine, theirs), *_traveled(one, two, mine, theirs), *_queued(one, mine, theirs)]
    rules = one.reasons(mine), two.reasons(theirs)
    if rules[0] != rules[1] and all(rules):
        found.append(f"filled by {rules[0]} | {rules[1]}")
    return found or [UNEXPLAINED]


def _decided(one: _Side, mine: OrderRow, theirs: OrderRow) -> Iterable[str]:
    if mine.mid != theirs.mid:
        tick = one.instruments[mine.order.instrument].tick_size
        words = ("none" if mid is None else plain(Decimal(repr(mid)) * tick) for mid in (mine.mid, theirs.mid))
        yield f"decided on another book: mid {' | '.join(words)}"


def _traveled(one: _Side, two: _Side, mine: OrderRow, theirs: OrderRow) -> Iterable[str]:
    ways = one.way_ms(mine), two.way_ms(theirs)
    if ways[0] is None or ways[1] is None:
        if ways[0] != ways[1]:
            yield "answered in one of the runs only"
    elif abs(ways[0] - ways[1]) >= ALIKE_MS:
        yield f"to the exchange and back: {ways[0]:.3f} ms | {ways[1]:.3f} ms"


def _queued(one: _Side, mine: OrderRow, theirs: OrderRow) -> Iterable[str]:
    if mine.ahead >= 0 and theirs.ahead >= 0 and mine.ahead != theirs.ahead:
        instrument = one.instruments[mine.order.instrument]
        ahead = (plain(instrument.quantity(row.ahead)) for row in (mine, theirs))
        yield f"ahead in the queue when accepted: {' | '.join(ahead)}"


def as_json(found: Comparison) -> dict[str, Any]:
    """For ``ida compare --json``."""
    return {"is_same": found.is_same, "unexplained": found.unexplained, **msgspec.to_builtins(found)}
