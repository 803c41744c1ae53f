"""Level updates a second of the book and records a second of the market, on real recordings.

    python tests/bench/bench_book.py [NAME ...]

In each round a fresh book takes the whole recording, one call a message from Python; what the calls alone cost (the
same loop over messages without levels) is taken off in the figure "without the calls". Finally what Python pays for
reading the top and for the hash of the book.
"""

import sys
import timeit
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from measure import capture, clock, rounds, tell
from native_records import depth, read_capture

from ida_core.book import Book, Market
from ida_core.model import Instrument
from ida_core.native import ffi, lib

MAX_PRICE = 100_000_000
#: name: chain, decimals of price and quantity
CAPTURES = {
    "usdm_btcusdt_20240808": (lib.IDA_CHAIN_PREVIOUS, 1, 3),
    "spot_btcusdt_20240808": (lib.IDA_CHAIN_CONTIGUOUS, 2, 8),
    "cm_btcusd_perp_20240808": (lib.IDA_CHAIN_PREVIOUS, 1, 0),
    "usdm_btcusdt_20230404": (lib.IDA_CHAIN_PREVIOUS, 1, 3),
}


def seconds_of(make: Callable[[], Any], take: Callable[[Any, Any], Any], messages: Sequence[Any]) -> float:
    """What ``take(object, message)`` needs for all messages."""
    target = make()
    pointer = target.pointer
    start = clock()
    for message in messages:
        take(pointer, message)
    return clock() - start


def bench(path: Path, chain: int, price_decimals: int, quantity_decimals: int) -> Market:
    kept = list(read_capture(path, price_decimals, quantity_decimals))
    records = [ffi.cast("ida_record *", record) for record in kept]
    depths = [r for r in kept if r.head.kind in (lib.IDA_SNAPSHOT, lib.IDA_DEPTH)]
    rows, name = sum(d.bids + d.asks for d in depths), path.stem
    took = rounds(partial(seconds_of, partial(Book, MAX_PRICE), lib.ida_book_apply, depths))
    calls = min(rounds(partial(seconds_of, partial(Book, MAX_PRICE), lib.ida_book_apply, [depth(1)] * len(depths))))
    whole = rounds(partial(seconds_of, partial(Market, chain, MAX_PRICE), lib.ida_market_apply, records))
    note = f"{len(records):,} records, {rows:,} levels in {len(depths):,} messages"
    tell(f"{name}: levels into a book, from Python", "M/s", [rows / t / 1e6 for t in took], note=note)
    tell(f"{name}: levels into a book, without the calls", "M/s", [rows / max(t - calls, 1e-9) / 1e6 for t in took])
    tell(f"{name}: records into a market, from Python", "M/s", [len(records) / t / 1e6 for t in whole])
    market = Market(chain, MAX_PRICE)
    for record in records:
        market.apply(record)
    return market


def bench_reading(name: str, market: Market, price_decimals: int, quantity_decimals: int) -> None:
    book, runs = market.book, 200_000
    tick, lot = Decimal(1).scaleb(-price_decimals), Decimal(1).scaleb(-quantity_decimals)
    instrument = Instrument(symbol="X", base="B", quote="Q", tick_size=tick, lot_size=lot)
    tops = timeit.repeat(lambda: (book.bid, book.ask), number=runs, repeat=5, timer=clock)
    tell(f"{name}: best bid and ask read in Python", "ns", [took / runs * 1e9 for took in tops])
    hashes = timeit.repeat(lambda: book.sha256(instrument), number=1, repeat=7, timer=clock)
    note = f"{sum(book.level_counts):,} levels"
    tell(f"{name}: hash of the whole book", "ms", [took * 1e3 for took in hashes], note=note)


def main() -> None:
    for name in sys.argv[1:] or CAPTURES:
        chain, *decimals = CAPTURES[name]
        bench_reading(name, bench(capture(f"{name}.gz"), chain, *decimals), *decimals)


if __name__ == "__main__":
    main()
