"""What is told of an account: execution reports, positions, list statuses; times in ms.

Source: Binance Spot API docs, user-data-stream.md, read 2026-07.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from ida_core import OrderStatus
from ida_sim.server.endpoints import MS_NS
from ida_sim.server.texts import PLACES, ZERO, Texts
from ida_sim.server.trading.records import NONE, Fill, Order, OrderList, Prevented

Event = dict[str, Any]
#: A commission where there is none.
NOTHING = "0"


def money(amount: Decimal) -> str:
    """With eight decimals, or more where it has more.

    >>> money(Decimal("1.5")), money(Decimal("1E+2"))
    ('1.50000000', '100.00000000')
    """
    exponent = amount.normalize().as_tuple().exponent
    return f"{amount:.{max(PLACES, -exponent if isinstance(exponent, int) else 0)}f}"


def shown_price(order: Order, texts: Texts) -> str:
    """What the client gave: of a pegged order that is its price only if it gave one."""
    request = order.request
    return texts.price(request.price or 0) if order.terms.has_price or request.peg is None else ZERO


def quoted(order: Order) -> str:
    """``origQuoteOrderQty``."""
    return money(order.request.quote_quantity or Decimal(0))


class Happened(NamedTuple):
    """One execution report: what it tells beside the order. ``called``: the id that it comes under, ``former``: the
    order's own, where that is another; ``lost``: lots that a prevented trade took."""

    execution: str
    id: int
    now_ns: int
    called: str
    former: str = ""
    fill: Fill | None = None
    prevented: Prevented | None = None
    lost: int = 0


def execution_report(order: Order, what: Happened, texts: Texts, group: int) -> Event:
    """Fields in Binance's order, those that are told under a condition at the end."""
    request, fill, now = order.request, what.fill, what.now_ns // MS_NS
    return {
        "e": "executionReport", "E": now, "s": order.symbol, "c": what.called, "S": order.side, "o": request.type,
        "f": request.tif, "q": texts.quantity(order.lots), "p": shown_price(order, texts),
        "P": texts.price(request.stop_price or 0), "F": texts.quantity(request.iceberg), "g": order.terms.list_id,
        "C": what.former, "x": what.execution, "X": order.status, "r": NONE_REASON, "i": order.id,
        "l": texts.quantity(fill.lots if fill else 0), "z": texts.quantity(order.executed),
        "L": texts.price(fill.price if fill else 0),
        "n": money(fill.fee) if fill and fill.fee else NOTHING, "N": fill.fee_asset if fill and fill.fee else None,
        "T": now, "t": fill.id if fill else NONE, "I": what.id, "w": order.status != OrderStatus.PENDING_NEW and (
            order.is_working and order.is_open), "m": bool(fill and fill.is_maker), "M": bool(fill),
        "O": order.created_ns // MS_NS, "Z": texts.value(order.product),
        "Y": texts.value(fill.price * fill.lots if fill else 0), "Q": quoted(order),
        **({"W": order.working_ns // MS_NS} if order.is_working else {}), "V": request.stp,
        **_conditional(order), **(_prevention(order, what, texts, group) if what.prevented else {}),
        **({"gp": texts.price(request.price or 0)} if request.peg is not None and request.price else {}),
    }


NONE_REASON = "NONE"


def _conditional(order: Order) -> Event:
    request, terms, found = order.request, order.terms, Event()
    if request.trailing_delta:
        found["d"], found["D"] = request.trailing_delta, NONE
    if terms.strategy_id is not None:
        found["j"] = terms.strategy_id
    if terms.strategy_type is not None:
        found["J"] = terms.strategy_type
    if request.smart:
        found |= {"k": "SOR", "uS": True}
    if request.peg is not None:
        found["gP"] = request.peg
    if terms.has_peg_offset:
        found |= {"gOT": "PRICE_LEVEL", "gOV": request.peg_offset}
    if order.expiry:
        found["eR"] = order.expiry
    return found


def _prevention(order: Order, what: Happened, texts: Texts, group: int) -> Event:
    prevented = what.prevented
    assert prevented is not None
    other = prevented.maker if prevented.taker is order else prevented.taker
    return {
        "v": prevented.id, "A": texts.quantity(order.prevented), "B": texts.quantity(what.lost),
        **({"u": group} if group >= 0 else {}), "U": other.id, "Cs": other.symbol,
        "pl": texts.quantity(what.lost), "pL": texts.price(prevented.price),
        "pY": texts.value(prevented.price * what.lost),
    }


def account_position(balances: Mapping[str, tuple[Decimal, Decimal]], now_ns: int) -> Event:
    """Absolute balances of the assets that changed."""
    now = now_ns // MS_NS
    return {
        "e": "outboundAccountPosition", "E": now, "u": now,
        "B": [{"a": asset, "f": money(free), "l": money(locked)} for asset, (free, locked) in balances.items()],
    }


def balance_update(asset: str, amount: Decimal, now_ns: int) -> Event:
    """What was paid in, or taken out."""
    now = now_ns // MS_NS
    return {"e": "balanceUpdate", "E": now, "a": asset, "d": money(amount), "T": now}


def list_status(found: OrderList, status: str, now_ns: int) -> Event:
    """``status``: EXEC_STARTED, UPDATED or ALL_DONE."""
    now = now_ns // MS_NS
    return {
        "e": "listStatus", "E": now, "s": found.symbol, "g": found.id, "c": found.kind, "l": status,
        "L": "ALL_DONE" if found.is_done else "EXECUTING", "r": NONE_REASON, "C": found.client_id, "T": now,
        "O": [{"s": order.symbol, "i": order.id, "c": order.client_id} for order in found.orders],
    }
