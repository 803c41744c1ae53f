"""Level updates a second of the book and records a second of the market, on real recordings.

    python tests/bench/bench_book.py [NAME ...]

Best of several rounds in each of which a fresh book takes the whole recording, one call a message
from Python; what the calls alone cost (the same loop over messages without levels) is shown apart.
Finally what Python pays for reading the top and for the hash of the book.
"""

import os
import sys
import time
import timeit
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from native_records import depth, read_capture

from ida_core.book import Book, Market
from ida_core.model import Instrument
from ida_core.native import ffi, lib

ROUNDS = 7
MAX_PRICE = 100_000_000
#: name: chain, decimals of price and quantity
CAPTURES = {
    "usdm_btcusdt_20240808": (lib.IDA_CHAIN_PREVIOUS, 1, 3),
    "spot_btcusdt_20240808": (lib.IDA_CHAIN_CONTIGUOUS, 2, 8),
    "cm_btcusd_perp_20240808": (lib.IDA_CHAIN_PREVIOUS, 1, 0),
    "usdm_btcusdt_20230404": (lib.IDA_CHAIN_PREVIOUS, 1, 3),
}


def captures_folder() -> Path | None:
    if named := os.environ.get("IDA_DATA"):
        return Path(named) / "captures"
    beside = (p / "shared" / "data" / "captures" for p in Path(__file__).resolve().parents)
    return next((folder for folder in beside if folder.is_dir()), None)


def best(
    make: Callable[[], Any], take: Callable[[Any, Any], Any], messages: Sequence[Any]
) -> float:
    """Shortest time in seconds that ``take(object, message)`` needs for all messages."""
    shortest = float("inf")
    for _ in range(ROUNDS):
        target = make()
        pointer = target.pointer
        start = time.perf_counter()
        for message in messages:
            take(pointer, message)
        shortest = min(shortest, time.perf_counter() - start)
    return shortest


def bench(path: Path, chain: int, price_decimals: int, quantity_decimals: int) -> Market:
    kept = list(read_capture(path, price_decimals, quantity_decimals))
    records = [ffi.cast("ida_record *", record) for record in kept]
    depths = [r for r in kept if r.head.kind in (lib.IDA_SNAPSHOT, lib.IDA_DEPTH)]
    rows = sum(d.bids + d.asks for d in depths)
    took = best(lambda: Book(MAX_PRICE), lib.ida_book_apply, depths)
    calls = best(lambda: Book(MAX_PRICE), lib.ida_book_apply, [depth(1)] * len(depths))
    whole = best(lambda: Market(chain, MAX_PRICE), lib.ida_market_apply, records)
    print(f"{path.stem}: {len(records)} records, {rows} levels in {len(depths)} messages")
    print(f"  book    {rows / took / 1e6:6.1f} M levels/s from Python,"
          f" {rows / max(took - calls, 1e-9) / 1e6:.1f} M without the calls")  # fmt: skip
    print(f"  market  {len(records) / whole / 1e6:6.2f} M records/s from Python")
    market = Market(chain, MAX_PRICE)
    for record in records:
        market.apply(record)
    return market


def bench_reading(market: Market, price_decimals: int, quantity_decimals: int) -> None:
    book, runs = market.book, 200_000
    tick, lot = Decimal(1).scaleb(-price_decimals), Decimal(1).scaleb(-quantity_decimals)
    instrument = Instrument(symbol="X", base="B", quote="Q", tick_size=tick, lot_size=lot)
    top = min(timeit.repeat(lambda: (book.bid, book.ask), number=runs, repeat=3)) / runs
    hashing = min(timeit.repeat(lambda: book.sha256(instrument), number=5, repeat=3)) / 5
    print(f"  bid and ask {top * 1e9:.0f} ns; hash of {sum(book.level_counts)} levels"
          f" {hashing * 1e3:.2f} ms")  # fmt: skip


def main() -> int:
    folder = captures_folder()
    if folder is None:
        print("no recordings: set IDA_DATA to a folder of them")
        return 0
    for name in sys.argv[1:] or CAPTURES:
        chain, *decimals = CAPTURES[name]
        bench_reading(bench(folder / f"{name}.gz", chain, *decimals), *decimals)
    return 0


if __name__ == "__main__":
    sys.exit(main())
