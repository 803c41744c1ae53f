"""Orders as requests and reports bring them into being."""

from ida_core.events import OrderStatus, OrderUpdate, PlaceList, PlaceOrder, ReplaceOrder
from ida_core.model import ListKind
from ida_core.order import Order


def placed(request: PlaceOrder, now_ns: int) -> Order:
    return Order(
        order_id=request.order_id,
        instrument=request.instrument,
        strategy=request.strategy,
        side=request.side,
        type=request.type,
        tif=request.tif,
        price=request.price,
        stop_price=request.stop_price,
        quantity=request.quantity,
        quote_quantity=request.quote_quantity,
        reduce_only=request.reduce_only,
        iceberg=request.iceberg,
        note=request.note,
        created_ns=now_ns,
        stamps={"requested": now_ns},
    )


def legs(request: PlaceList, now_ns: int) -> list[Order]:
    """The orders of a list: which of them wait for another, and which end together."""
    orders = [placed(leg, now_ns) for leg in request.legs]
    for order in orders:
        order.list_id = request.order_id
    waiting = [] if request.kind is ListKind.OCO else orders[1:]
    for order in waiting:
        order.contingent = True
        order.quantity = order.quantity or orders[0].quantity  # to sell what was bought: no more than that
    pair = orders if request.kind is ListKind.OCO else waiting
    if len(pair) == 2:
        pair[0].pair, pair[1].pair = pair[1].order_id, pair[0].order_id
    return orders


def successor(order: Order, request: ReplaceOrder, now_ns: int) -> Order:
    return Order(
        order_id=request.new_order_id,
        instrument=order.instrument,
        strategy=order.strategy,
        side=order.side,
        type=order.type,
        tif=order.tif,
        price=request.price,
        stop_price=order.stop_price,
        quantity=request.quantity,
        reduce_only=order.reduce_only,
        note=order.note,
        replaces=order.order_id,
        created_ns=now_ns,
        stamps={"requested": now_ns},
    )


def foreign(update: OrderUpdate) -> Order:
    return Order(
        order_id=update.order_id,
        list_id=update.list_id,
        contingent=update.status is OrderStatus.PENDING_NEW,
        instrument=update.instrument,
        side=update.side,
        foreign=True,
        created_ns=update.ts_local_ns,
    )
