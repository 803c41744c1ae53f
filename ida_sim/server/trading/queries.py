"""What can be asked about an account: its orders, lists, trades, balances and limits.

Source: Binance Spot API docs, rest-api.md (account endpoints), read 2026-07.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ida_sim.server.endpoints import MOST_ROWS, Call
from ida_sim.server.exchange_info import filters
from ida_sim.server.parameters import Refusal, bad_combination
from ida_sim.server.statistics import DAY_NS
from ida_sim.server.trading import shapes
from ida_sim.server.trading.accounts import TradingAccount
from ida_sim.server.trading.events import money
from ida_sim.server.trading.form import client_id, neither
from ida_sim.server.trading.placing import Desk, desk_of, discount, named_order
from ida_sim.server.trading.records import Fill, Order, OrderList

LIST = ("symbol", "startTime", "endTime", "limit")
#: Of the first account; others have the next ones.
FIRST_UID = 354_937_868


def _chosen(found: Sequence[Any], times: Sequence[int], start_ns: int | None, end_ns: int | None, limit: int) -> Any:
    """From ``start_ns`` on the oldest, without it the newest."""
    kept = [each for each, time_ns in zip(found, times, strict=True)
            if (start_ns is None or time_ns >= start_ns) and (end_ns is None or time_ns <= end_ns)]
    return kept[:limit] if start_ns is not None else kept[-limit:]


def _times(call: Call) -> tuple[int | None, int | None]:
    """``startTime`` and ``endTime``, no more than a day apart."""
    start_ns, end_ns = call.parameters.time_ns("startTime"), call.parameters.time_ns("endTime")
    if start_ns is not None and end_ns is not None and end_ns - start_ns > DAY_NS:
        raise Refusal(-1127, "More than 24 hours between startTime and endTime.")
    return start_ns, end_ns


# --- orders


def order_status(call: Call) -> Any:
    desk = desk_of(call)
    order = named_order(call.parameters, desk)
    if order is None:
        raise Refusal(-2013, "Order does not exist.")
    return shapes.status(order, desk.listing.texts, call.time)


def _status_of(call: Call, order: Order) -> Any:
    return shapes.status(order, call.account.trading.listings[order.symbol].texts, call.time)


def open_orders(call: Call) -> Any:
    """Of one symbol, or of all."""
    symbol = call.parameters.symbol()
    if symbol is not None:
        call.find(symbol)
    return [_status_of(call, order) for order in call.account.open_orders(symbol)]


def all_orders(call: Call) -> Any:
    desk, read = desk_of(call), call.parameters
    first, limit = read.number("orderId"), read.limit(500, MOST_ROWS)
    start_ns, end_ns = _times(call)
    orders = list(desk.account.of(desk.symbol).values())
    if first is not None:
        found = [order for order in orders if order.id >= first][:limit]
    else:
        found = _chosen(orders, [order.created_ns for order in orders], start_ns, end_ns, limit)
    return [shapes.status(order, desk.listing.texts, call.time) for order in found]


def amendments(call: Call) -> Any:
    desk, read = desk_of(call), call.parameters
    order_id = read.number("orderId") if read.needed("orderId") else None
    first, limit = read.number("fromExecutionId"), read.limit(500, MOST_ROWS)
    found = [each for each in desk.account.amendments if (each.order.symbol, each.order.id) == (desk.symbol, order_id)]
    found = [each for each in found if each.execution_id >= (first or 0)]
    return [shapes.amendment(each, desk.listing.texts, call.time) for each in found[:limit]]


# --- lists


def list_status(call: Call) -> Any:
    account, read = call.account, call.parameters
    number, name = read.number("orderListId"), client_id(read, "origClientOrderId")
    if number is None and name is None:
        raise neither("origClientOrderId", "orderListId")
    found = named_list(account, number, name)
    if found is None:
        raise Refusal(-2013, "Order list does not exist.")
    return shapes.list_head(found, found.time_ns, call.time)


def named_list(account: TradingAccount, number: int | None, name: str | None) -> OrderList | None:
    """By its number, or by its client id the last that was called so."""
    if number is not None:
        found = account.lists.get(number)
        return found if found is not None and name in (None, found.client_id) else None
    return next((each for each in reversed(account.lists.values()) if each.client_id == name), None)


def all_lists(call: Call) -> Any:
    read = call.parameters
    first, limit = read.number("fromId"), read.limit(500, MOST_ROWS)
    start_ns, end_ns = _times(call)
    if first is not None and (start_ns is not None or end_ns is not None):
        raise bad_combination()
    lists = list(call.account.lists.values())
    if first is not None:
        found = [each for each in lists if each.id >= first][:limit]
    else:
        found = _chosen(lists, [each.time_ns for each in lists], start_ns, end_ns, limit)
    return [shapes.list_head(each, each.time_ns, call.time) for each in found]


def open_lists(call: Call) -> Any:
    return [shapes.list_head(each, each.time_ns, call.time) for each in call.account.lists.values()
            if not each.is_done]


# --- trades


def my_trades(call: Call) -> Any:
    """A trade of an order with itself is there twice, as buyer's and as seller's."""
    desk = desk_of(call)
    found = _trades(call, desk, [fill for fill in desk.account.fills_of(desk.symbol) if not fill.order.request.smart])
    return [shapes.trade(fill, desk.listing.texts, call.time) for fill in found]


def my_allocations(call: Call) -> Any:
    desk, read = desk_of(call), call.parameters
    first, order_id, limit = read.number("fromAllocationId"), read.number("orderId"), read.limit(500, MOST_ROWS)
    start_ns, end_ns = _times(call)
    fills = [fill for fill in desk.account.fills_of(desk.symbol) if fill.order.request.smart
             and order_id in (None, fill.order.id) and fill.id >= (first or 0)]
    found = fills[:limit] if first is not None else _chosen(
        fills, [fill.time_ns for fill in fills], start_ns, end_ns, limit)
    return [shapes.allocation(fill, desk.listing.texts, call.time) for fill in found]


def _trades(call: Call, desk: Desk, fills: Sequence[Fill]) -> Sequence[Fill]:
    read = call.parameters
    first, order_id, limit = read.number("fromId"), read.number("orderId"), read.limit(500, MOST_ROWS)
    start_ns, end_ns = _times(call)
    if (start_ns is not None or end_ns is not None) and (first is not None or order_id is not None):
        raise bad_combination()
    if order_id is not None:
        fills = [fill for fill in fills if fill.order.id == order_id]
    if first is not None:
        return [fill for fill in fills if fill.id >= first][:limit]
    found: Sequence[Fill] = _chosen(fills, [fill.time_ns for fill in fills], start_ns, end_ns, limit)
    return found


def my_prevented(call: Call) -> Any:
    desk, read = desk_of(call), call.parameters
    number, order_id = read.number("preventedMatchId"), read.number("orderId")
    first, limit = read.number("fromPreventedMatchId"), read.limit(500, MOST_ROWS)
    if (number is None) == (order_id is None) or (first is not None and order_id is None):
        raise bad_combination()
    found = [each for each in desk.account.prevented if each.symbol == desk.symbol and number in (None, each.id)
             and (order_id is None or order_id in (each.taker.id, each.maker.id)) and each.id >= (first or 0)]
    return [shapes.prevented(each, desk.account.group, desk.listing.texts, call.time) for each in found[:limit]]


# --- the account


def account_status(call: Call) -> Any:
    account: TradingAccount = call.account
    omits = call.parameters.flag("omitZeroBalances", False)
    listing = next(iter(account.trading.listings.values()))
    rates = account.fees.rates(listing.instrument.kind)
    zero = f"{0:.8f}"
    return {
        "makerCommission": int(rates.maker * 10_000), "takerCommission": int(rates.taker * 10_000),
        "buyerCommission": 0, "sellerCommission": 0,
        "commissionRates": {"maker": f"{rates.maker:.8f}", "taker": f"{rates.taker:.8f}", "buyer": zero,
                            "seller": zero},
        "canTrade": account.can_trade, "canWithdraw": account.can_withdraw, "canDeposit": account.can_deposit,
        "brokered": False, "requireSelfTradePrevention": False, "preventSor": False,
        "updateTime": call.time(account.updated_ns), "accountType": "SPOT",
        "balances": [{"asset": asset, "free": money(free), "locked": money(locked)}
                     for asset, (free, locked) in account.balances().items() if free or locked or not omits],
        "permissions": ["SPOT"], "uid": FIRST_UID + account.number,
        **({"tradeGroupId": account.group} if account.group >= 0 else {}),
    }


def commission(call: Call) -> Any:
    desk = desk_of(call)
    rates, zero = desk.account.fees.rates(desk.listing.instrument.kind), f"{0:.8f}"
    nothing = {"maker": zero, "taker": zero, "buyer": zero, "seller": zero}
    return {
        "symbol": desk.symbol,
        "standardCommission": nothing | {"maker": f"{rates.maker:.8f}", "taker": f"{rates.taker:.8f}"},
        "specialCommission": nothing, "taxCommission": nothing, "discount": discount(desk.account),
    }


def my_filters(call: Call) -> Any:
    """Of an account and a symbol; there are none of the whole exchange, nor of single assets."""
    desk = desk_of(call)
    return {"exchangeFilters": [], "symbolFilters": filters(desk.listing.instrument), "assetFilters": []}


def order_counts(call: Call) -> Any:
    return [] if call.counts is None else call.counts.shown(call.now_ns)
