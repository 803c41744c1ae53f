"""hftbacktest's half of the comparison of fills. Runs in hftbacktest's environment, with its compiled loop.

    build/peers/hftbacktest/bin/python tests/bench/hftbacktest_grid.py NPZ < TASKS > ANSWERS

TASKS is a JSON list. A task has ``latency_ms`` (each way) and ``queue`` (``power(2)`` or ``risk_averse``), and either

* ``first_ns``: the grid of ``plugins/strategies/grid.py`` with the settings of the comparison runs, looking each
  100 ms after that time of the exchange's clock (null: after the first event at the exchange); or
* ``requests``: rows ``[sent_ns, order, side, price]`` in order of time, side 1 to buy, -1 to sell and 0 to cancel,
  which are sent as they are.

An answer has ``orders``, rows ``[sent_ns, side, price, state, at_ns, cancel_sent_ns]`` in order of sending (state:
filled, rejected, canceled or resting; at_ns: since when), times by the exchange's clock, and the totals that
hftbacktest itself keeps.
"""

import json
import sys
from typing import Any

import numpy as np
from hftbacktest import (
    BUY,
    CANCELED,
    EXPIRED,
    FILLED,
    GTX,
    LIMIT,
    SELL,
    BacktestAsset,
    HashMapMarketDepthBacktest,
)
from numba import njit, uint64
from numba.typed import Dict

TICK, LOT, QUANTITY = 0.1, 0.001, 0.001
QUOTES, GAP, LOOK_NS = 10, 20, 100_000_000
ROOM = 100_000
STATES = {FILLED: "filled", EXPIRED: "rejected", CANCELED: "canceled"}
SENT, SIDE, PRICE, STATE, AT, CANCEL_SENT = range(6)


def make(rows: Any, latency_ms: int, queue: str) -> Any:
    """The rules of the comparison: whole fills, maker 0, taker 0.05 %."""
    each_way = latency_ms * 1_000_000
    asset = BacktestAsset().data(rows).linear_asset(1.0).constant_order_latency(each_way, each_way)
    asset = asset.risk_adverse_queue_model() if queue == "risk_averse" else asset.power_prob_queue_model(2)
    asset = asset.no_partial_fill_exchange().trading_value_fee_model(0.0, 0.0005)
    return HashMapMarketDepthBacktest([asset.tick_size(TICK).lot_size(LOT).last_trades_capacity(0)])


@njit
def note_ends(hbt, log, row_of):
    """What the venue has told of orders since the last look."""
    values = hbt.orders(0).values()
    while values.has_next():
        order = values.get()
        if order.status in (FILLED, EXPIRED, CANCELED):
            row = row_of[order.order_id]
            log[row, STATE] = order.status
            log[row, AT] = order.exch_timestamp


@njit
def prices(best, held, sign):
    """One side of the grid, ``sign`` 1 for bids: see plugins/strategies/grid.py."""
    first = min(np.floor((best * sign - held * sign) / GAP) * GAP, best * sign) * sign
    return [int(first - sign * GAP * i) for i in range(QUOTES)]


@njit
def run_grid(hbt, first_ns, log):
    """An order's id is its price, so that a price holds one order, as in ours. Returns how many orders were sent."""
    sent = 0
    row_of = Dict.empty(uint64, uint64)
    if first_ns:
        hbt.elapse(0)
        hbt.elapse(first_ns - hbt.current_timestamp)
    while hbt.elapse(LOOK_NS) == 0:
        note_ends(hbt, log, row_of)
        hbt.clear_inactive_orders(0)
        depth = hbt.depth(0)
        if np.isnan(depth.best_bid) or np.isnan(depth.best_ask):
            continue
        held = round(hbt.position(0) / QUANTITY)
        bids, asks = prices(depth.best_bid_tick, held, 1), prices(depth.best_ask_tick, held, -1)
        orders = hbt.orders(0)
        values = orders.values()
        while values.has_next():
            order = values.get()
            wanted = bids if order.side == BUY else asks
            if order.cancellable and order.price_tick not in wanted:
                hbt.cancel(0, order.order_id, False)
                log[row_of[order.order_id], CANCEL_SENT] = hbt.current_timestamp
        for side, wanted in ((1, bids), (-1, asks)):
            for price in wanted:
                if uint64(price) in orders:
                    continue
                if side == 1:
                    hbt.submit_buy_order(0, price, price * TICK, QUANTITY, GTX, LIMIT, False)
                else:
                    hbt.submit_sell_order(0, price, price * TICK, QUANTITY, GTX, LIMIT, False)
                row_of[uint64(price)] = uint64(sent)
                log[sent, :] = (hbt.current_timestamp, side, price, 0, 0, 0)
                sent += 1
    note_ends(hbt, log, row_of)
    return sent


@njit
def run_requests(hbt, requests, log):
    """Each order has an id of its own; none is forgotten before the end."""
    sent = 0
    row_of = Dict.empty(uint64, uint64)
    hbt.elapse(0)
    for i in range(len(requests)):
        at, order, side, price = requests[i]
        if at > hbt.current_timestamp:
            hbt.elapse(at - hbt.current_timestamp)
        if side == 1:
            hbt.submit_buy_order(0, order, price * TICK, QUANTITY, GTX, LIMIT, False)
        elif side == -1:
            hbt.submit_sell_order(0, order, price * TICK, QUANTITY, GTX, LIMIT, False)
        else:
            hbt.cancel(0, order, False)
            log[row_of[uint64(order)], CANCEL_SENT] = at
            continue
        row_of[uint64(order)] = uint64(sent)
        log[sent, :] = (at, side, price, 0, 0, 0)
        sent += 1
    while hbt.elapse(LOOK_NS) == 0:
        pass
    note_ends(hbt, log, row_of)
    return sent


def answer(rows: Any, task: dict[str, Any]) -> dict[str, Any]:
    hbt, log = make(rows, task["latency_ms"], task["queue"]), np.zeros((ROOM, 6), np.int64)
    if "requests" in task:
        sent = run_requests(hbt, np.array(task["requests"], np.int64), log)
    else:
        sent = run_grid(hbt, task["first_ns"] or 0, log)
    kept, depth, state = log[:sent], hbt.depth(0), hbt.state_values(0)
    mid = (depth.best_bid + depth.best_ask) / 2
    orders = [[at, side, price, STATES.get(end, "resting"), end_ns, cancel]
              for at, side, price, end, end_ns, cancel in kept.tolist()]
    found = {
        "orders": orders, "submits": sent, "cancels": int((kept[:, CANCEL_SENT] > 0).sum()),
        "fills": int(state.num_trades), "position": round(state.position / LOT) * LOT,
        "equity": state.balance + state.position * mid - state.fee,
    }  # fmt: skip
    hbt.close()
    return found


def main(npz: str) -> None:
    rows = np.load(npz)["data"]
    tasks = json.load(sys.stdin)
    json.dump([answer(rows, task) for task in tasks], sys.stdout)


assert (BUY, SELL) == (1, -1)
if __name__ == "__main__":
    main(*sys.argv[1:])
