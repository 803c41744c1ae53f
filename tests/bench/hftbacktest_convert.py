"""A recording into hftbacktest's own format, by its own converter. Runs in hftbacktest's environment.

    build/peers/hftbacktest/bin/python tests/bench/hftbacktest_convert.py RECORDING NPZ BASE_LATENCY_NS [OPTIONS]
"""

import sys
from pathlib import Path

import numpy as np
from hftbacktest.data.utils.binancefutures import convert

#: Rows, taken once and only touched where used; a row is a level or a trade.
ROOM = 10_000_000


def main(recording: str, npz: str, base_latency_ns: str, options: str = "") -> None:
    rows = convert(recording, base_latency=int(base_latency_ns), buffer_size=ROOM, opt=options)
    unfinished = Path(npz).with_suffix(".part.npz")
    np.savez_compressed(unfinished, data=rows)
    unfinished.rename(npz)


if __name__ == "__main__":
    main(*sys.argv[1:])
