"""hftbacktest's half of the comparison of speed. Runs in hftbacktest's environment, in one thread.

    build/peers/hftbacktest/bin/python tests/bench/hftbacktest_speed.py NPZ NPZ_WITH_BEST_PRICES

Says hello once everything is compiled. Then each line is one run, ``LOOP BOOK FEED``, and is answered with the
processor time of the run, how often the loop was woken, and the best prices at its end in ticks.

* LOOP ``compiled``: time passes and nothing else, in a compiled function. ``python``: a loop in plain Python that is
  woken by each message and looks at the best prices, as the documentation writes such a loop. ``tuned``: the same with
  what does not change taken out of the loop. ``helper``: the same, but a compiled helper waits and looks.
* BOOK ``any`` (a hash map, any price) or ``range`` (an array, for prices from 50,000 to 70,000).
* FEED ``depth`` (depth and trades) or ``every`` (messages of best prices too).
"""

import json
import os
import platform
import sys
import time
from typing import Any

import hftbacktest
import numba
import numpy as np
from hftbacktest import BacktestAsset, HashMapMarketDepthBacktest, ROIVectorMarketDepthBacktest
from numba import njit

TICK, LOT, LOWEST, HIGHEST = 0.1, 0.001, 50_000, 70_000
STEP_NS, LONG_NS, FEED = 1_000_000_000, 10**15, 2


def make(rows: Any, book: str) -> Any:
    """The rules of the comparison: 5 ms each way, whole fills, power queue, maker 0, taker 0.05 %."""
    asset = BacktestAsset().data(rows).linear_asset(1.0).constant_order_latency(5_000_000, 5_000_000)
    asset = asset.power_prob_queue_model(2).no_partial_fill_exchange().trading_value_fee_model(0.0, 0.0005)
    asset = asset.tick_size(TICK).lot_size(LOT).last_trades_capacity(0)
    if book == "any":
        return HashMapMarketDepthBacktest([asset])
    return ROIVectorMarketDepthBacktest([asset.roi_lb(LOWEST).roi_ub(HIGHEST)])


@njit
def compiled(hbt):
    calls = 0
    while hbt.elapse(STEP_NS) == 0:
        calls += 1
    return calls


def python(hbt):
    calls = wide = 0
    while hbt.wait_next_feed(False, LONG_NS) == FEED:
        calls += 1
        depth = hbt.depth(0)
        if depth.best_ask_tick - depth.best_bid_tick > 1:
            wide += 1
    return calls


def tuned(hbt):
    calls = wide = 0
    depth, wait = hbt.depth(0), hbt.wait_next_feed
    while wait(False, LONG_NS) == FEED:
        calls += 1
        if depth.best_ask_tick - depth.best_bid_tick > 1:
            wide += 1
    return calls


@njit
def wait_and_look(hbt):
    woken = hbt.wait_next_feed(False, LONG_NS)
    depth = hbt.depth(0)
    return woken, depth.best_bid_tick, depth.best_ask_tick


def helper(hbt):
    calls = wide = 0
    while True:
        woken, bid, ask = wait_and_look(hbt)
        if woken != FEED:
            return calls
        calls += 1
        if ask - bid > 1:
            wide += 1


LOOPS = {"compiled": compiled, "python": python, "tuned": tuned, "helper": helper}
BOOKS = ("any", "range")


def measure(rows: Any, loop: str, book: str) -> dict[str, Any]:
    hbt, work = make(rows, book), LOOPS[loop]
    process, thread = time.process_time(), time.thread_time()
    calls = work(hbt)
    thread, process = time.thread_time() - thread, time.process_time() - process
    depth = hbt.depth(0)
    best = [depth.best_bid_tick, depth.best_ask_tick]
    hbt.close()
    return {"seconds": thread, "process_seconds": process, "calls": calls, "best": best}


def main(npz: str, npz_with_best_prices: str) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what others print is no answer
    feeds = {"depth": np.load(npz)["data"], "every": np.load(npz_with_best_prices)["data"]}
    for loop in LOOPS:
        for book in BOOKS:
            measure(feeds["depth"], loop, book)
    ours, numbas, pythons = hftbacktest.__version__, numba.__version__, platform.python_version()
    programs = f"hftbacktest {ours} with numba {numbas} on CPython {pythons}"
    print(json.dumps({"programs": programs}), file=answers, flush=True)
    for line in sys.stdin:
        loop, book, feed = line.split()
        print(json.dumps(measure(feeds[feed], loop, book)), file=answers, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
