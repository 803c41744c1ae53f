"""Recordings as Ida's own recorder writes them, made from lines, and the market records that a run journaled."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from ida_core import Recorder
from ida_core.cli import cli
from ida_core.journal import JournalReader

MARKET_KINDS = ("snapshot", "depth", "trade", "quote", "bar", "mark", "ticker", "partial", "average")


def exchange_info(*symbols: str, tick: str = "0.01000000", lot: str = "0.00010000") -> bytes:
    """The part of an answer to ``exchangeInfo`` that a recording keeps, on one line."""
    rows = [
        {
            "symbol": symbol, "status": "TRADING", "baseAsset": symbol[:-4], "quoteAsset": symbol[-4:],
            "baseAssetPrecision": 8, "quoteAssetPrecision": 8,
            "filters": [
                {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000.00", "tickSize": tick},
                {"filterType": "LOT_SIZE", "minQty": lot, "maxQty": "9000.0", "stepSize": lot},
                {"filterType": "NOTIONAL", "minNotional": "5.0", "applyMinToMarket": True},
                {"filterType": "OF_TOMORROW", "surprise": 7},
            ],
        }
        for symbol in symbols
    ]  # fmt: skip
    info = {"timezone": "UTC", "serverTime": 1, "rateLimits": [], "exchangeFilters": [], "symbols": rows}
    return json.dumps(info, separators=(",", ":")).encode()


def head(*symbols: str, **grid: str) -> bytes:
    """The line that each file begins with, without its stamp."""
    return b'{"stream":"!exchangeInfo","data":%b}' % exchange_info(*symbols, **grid)


def record(
    folder: Path, lines: Sequence[str], first: bytes, *, stem: str = "s", rotate: Sequence[int] = (),
    members: int = 7, level: int = 6,
) -> list[Path]:  # fmt: skip
    """Record the lines; files change before the lines of these numbers, from 1; a member holds so many lines."""
    with Recorder(folder, stem, first, flush_s=3600, level=level) as recorder:
        for number, line in enumerate(lines, 1):
            if number in rotate:
                assert recorder.rotate()
            stamp, text = line.rstrip("\n").split(" ", 1)
            if '"lastUpdateId"' in text and '"stream"' not in text:
                assert recorder.write_as(int(stamp), "btcusdt@depth@snapshot", text.encode())
            else:
                assert recorder.write(int(stamp), text.encode())
            if number % members == 0:
                recorder.flush()
    return sorted(folder.glob(f"{stem}-*"))


def ida(*words: object) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words])


class Run:
    """``ida run`` on these feeds: its document, and the market records that its strategies' side saw, as bytes."""

    def __init__(self, out: Path, *words: object) -> None:
        result = ida("run", *words, "--strategy", "market_maker", "--out", out, "--json")
        assert result.exit_code == 0, result.output
        self.document: dict[str, Any] = json.loads(result.stdout)
        self.folder = Path(self.document["run"]["out"])
        with JournalReader(self.folder / "journal") as reader:
            self.market = b"".join(bytes(piece) for piece in reader.stretches(MARKET_KINDS))
