"""Writes ``fills.csv``: one row a fill, decimals in full, for a spreadsheet or a data frame."""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from ida_core import FillRow, Report, Reporter, plain
from ida_core.rows import MARKOUTS_S
from plugins.reporting.files import write_whole

HEAD = (
    "time",
    "ts_local_ns",
    "ts_venue_ns",
    "symbol",
    "side",
    "price",
    "quantity",
    "notional",
    "role",
    "fee",
    "fee_asset",
    "order_id",
    "trade_id",
    "strategy",
    "reason",
    "position",
    "mid",
    "decision_mid",
    *(f"mid_after_{after_s}s" for after_s in MARKOUTS_S),
)


class CsvFills(Reporter):
    """``fills.csv``. Prices in quote units, quantities in base units (inverse: contracts), UTC."""

    name = "csv"

    def write(self, report: Report, folder: Path) -> Path:
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(HEAD)
        writer.writerows(_rows(report))
        return write_whole(folder / "fills.csv", text.getvalue())


def _rows(report: Report) -> Iterator[list[object]]:
    for fill in report.fills:
        one = report.instruments[fill.instrument]
        mids = (_price(report, fill, mid) for mid in (fill.mid, fill.decision_mid, *fill.markouts))
        yield [
            _iso(fill.ts_local_ns),
            fill.ts_local_ns,
            fill.ts_venue_ns,
            one.name,
            fill.side.value,
            plain(one.price(fill.price)),
            plain(one.quantity(fill.quantity)),
            plain(fill.notional),
            "maker" if fill.maker else "taker",
            plain(fill.fee),
            fill.fee_asset,
            _text(fill.order_id),
            fill.trade_id,
            _text(fill.strategy),
            _text(fill.reason),
            plain(one.quantity(fill.position)),
            *mids,
        ]


def _text(value: str) -> str:
    """Keep a spreadsheet from taking text of outsiders for a formula."""
    return "'" + value if value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _price(report: Report, fill: FillRow, ticks: float | None) -> str:
    return "" if ticks is None else plain(Decimal(ticks) * report.instruments[fill.instrument].tick_size)


def _iso(ts_ns: int) -> str:
    seconds = datetime.fromtimestamp(ts_ns // 1_000_000_000, UTC)
    return f"{seconds:%Y-%m-%dT%H:%M:%S}.{ts_ns % 1_000_000_000:09d}Z"
