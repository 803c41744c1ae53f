"""Any bytes as a file after ``--feed``: plain, or gzipped by us and then damaged. The importer gives a feed, or an
``IdaError`` that names the file; where damage is skipped, a second reading is the same, and so is ``ida data check``.

The first byte chooses: how the file is packed, and whether damage stops.
"""

import contextlib
import gzip
import os
import shutil
import sys
import tempfile
from pathlib import Path

import python_driver

from ida_binance.recording import BinanceRecording
from ida_core.errors import IdaError

WORDS = [
    b"\n", b"\0", b"\xff", b"\"s\":\"\\u0000\"", b"\"s\":\"\xff\"", b"\"s\":\"ETHUSDT\"",
    b"\"E\":9223372036854775807", b"{}", b"[[", b"1763800000100000000 ", b"1763800000100000 ",
    b"9999999999999999999 ", b"\"p\":\"1e5\"", b"\"p\":\"0.000000000000000001\"", b"\"q\":\"9223372036854775807\"",
    b"\"stream\":\"btcusd_perp@trade\"", b"\x1f\x8b\x08\0", b"\"lastUpdateId\":9223372036854775807,",
    b"1763800000000000000 {\"stream\":\"!exchangeInfo\",\"data\":", b"\"tickSize\":\"0\"", b"\"symbols\":[]",
    b"{\"stream\":\"!dropped\",\"data\":{\"lines\":", b"@depth@snapshot", b"\"filterType\":\"NOTIONAL\"",
]  # fmt: skip
FOLDER = "/dev/shm" if Path("/dev/shm").is_dir() else None
PACKED, CUT, FLIPPED, STOPS, TOLD = 1, 2, 4, 8, 16


def content(data: bytes) -> bytes:
    ways, text = data[0], data[1:]
    if not ways & PACKED:
        return text
    half = len(text) // 2
    packed = bytearray(gzip.compress(text[:half], 1, mtime=0) + gzip.compress(text[half:], 1, mtime=0))
    if ways & CUT:
        del packed[len(packed) * 3 // 4 :]
    if ways & FLIPPED:
        packed[len(text) % len(packed)] ^= 1 << len(text) % 8
    return bytes(packed)


def open_all(path: Path, data: bytes) -> list[bytes]:
    options = {"on_damage": "stop" if data[0] & STOPS else "skip"}
    if data[0] & TOLD:
        options["instruments"] = {"BTCUSDT": {"tick_size": "0.1", "lot_size": "0.05"}}
    feeds = BinanceRecording().open([path], options)
    try:
        return [feed.path.read_bytes() for feed in feeds]
    finally:
        for feed in feeds:
            feed.close()


def target(data: bytes) -> None:
    data = data or b"\0"
    with tempfile.TemporaryDirectory(dir=FOLDER) as name:
        os.environ["IDA_CACHE_DIR"] = str(Path(name) / "cache")
        path = Path(name) / "recording"
        path.write_bytes(content(data))
        with contextlib.suppress(IdaError):
            first = open_all(path, data)
            assert open_all(path, data) == first, "the cached feed is another"
            shutil.rmtree(os.environ["IDA_CACHE_DIR"])
            assert len(open_all(path, data)) == len(first)
            BinanceRecording().check([path])


if __name__ == "__main__":
    names = "importer", "recorded_lines", "recording", "check", "findings", "decoder", "told", "instruments"
    watched = [f"ida_binance/{name}.py" for name in names]
    python_driver.main(target, watched, WORDS)
    sys.exit(0)
