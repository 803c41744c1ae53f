"""Every endpoint of trading: what it is called on both APIs, what it weighs, reads and answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ida_core import ListKind
from ida_sim.server.access import TRADE, USER_DATA
from ida_sim.server.endpoints import Call, Endpoint, Weight
from ida_sim.server.trading import lists, placing, queries


def _flat(weight: int) -> Weight:
    return lambda sent: weight


def _asked(path: str, method: str, answer: Callable[[Call], Any], weight: int | Weight,
           known: Sequence[str] = ()) -> Endpoint:
    return Endpoint(path, method, answer, _flat(weight) if isinstance(weight, int) else weight, known,
                    security=USER_DATA)


def _done(verb: str, path: str, method: str, answer: Callable[[Call], Any], known: Sequence[str],
          weight: int | Weight = 1) -> Endpoint:
    return Endpoint(path, method, answer, _flat(weight) if isinstance(weight, int) else weight, known, verb=verb,
                    security=TRADE)


def _test_weight(sent: Mapping[str, str]) -> int:
    return 20 if sent.get("computeCommissionRates") == "true" else 1


_BY_TIME = ("symbol", "startTime", "endTime", "limit")
_NAMED = ("symbol", "orderId", "origClientOrderId")
TRADING = (
    _done("POST", "order", "order.place", placing.place, placing.NEW),
    _done("POST", "order/test", "order.test", placing.test, (*placing.NEW, "computeCommissionRates"), _test_weight),
    _done("DELETE", "order", "order.cancel", placing.cancel, placing.CANCEL),
    _done("DELETE", "openOrders", "openOrders.cancelAll", placing.cancel_all, ("symbol",)),
    _done("POST", "order/cancelReplace", "order.cancelReplace", placing.replace, placing.REPLACE),
    _done("PUT", "order/amend/keepPriority", "order.amend.keepPriority", placing.amend, placing.AMEND, 4),
    _done("POST", "sor/order", "sor.order.place", placing.place_smart, placing.NEW),
    _done("POST", "sor/order/test", "sor.order.test", placing.test_smart, (*placing.NEW, "computeCommissionRates"),
          _test_weight),
    *(_done("POST", f"orderList/{kind.lower()}", f"orderList.place.{kind.lower()}", lists.placer(kind), known)
      for kind, known in ((ListKind.OCO, lists.OCO), (ListKind.OTO, lists.OTO), (ListKind.OTOCO, lists.OTOCO),
                          (ListKind.OPO, lists.OPO), (ListKind.OPOCO, lists.OPOCO))),
    _done("POST", "order/oco", "orderList.place", lists.place_old, lists.OLD),
    _done("DELETE", "orderList", "orderList.cancel", lists.cancel, lists.CANCEL),
    _asked("order", "order.status", queries.order_status, 4, _NAMED),
    _asked("openOrders", "openOrders.status", queries.open_orders,
           lambda sent: 6 if sent.get("symbol") else 80, ("symbol",)),
    _asked("allOrders", "allOrders", queries.all_orders, 20, (*_BY_TIME, "orderId")),
    _asked("order/amendments", "order.amendments", queries.amendments, 4,
           ("symbol", "orderId", "fromExecutionId", "limit")),
    _asked("orderList", "orderList.status", queries.list_status, 4, ("orderListId", "origClientOrderId")),
    _asked("allOrderList", "allOrderLists", queries.all_lists, 20, ("fromId", "startTime", "endTime", "limit")),
    _asked("openOrderList", "openOrderLists.status", queries.open_lists, 6),
    _asked("account", "account.status", queries.account_status, 20, ("omitZeroBalances",)),
    _asked("account/commission", "account.commission", queries.commission, 20, ("symbol",)),
    _asked("rateLimit/order", "account.rateLimits.orders", queries.order_counts, 40),
    _asked("myTrades", "myTrades", queries.my_trades, lambda sent: 5 if sent.get("orderId") else 20,
           (*_BY_TIME, "orderId", "fromId")),
    _asked("myAllocations", "myAllocations", queries.my_allocations, 20, (*_BY_TIME, "orderId", "fromAllocationId")),
    _asked("myPreventedMatches", "myPreventedMatches", queries.my_prevented,
           lambda sent: 2 if sent.get("preventedMatchId") else 20,
           ("symbol", "preventedMatchId", "orderId", "fromPreventedMatchId", "limit")),
    _asked("myFilters", "myFilters", queries.my_filters, 40, ("symbol",)),
)
