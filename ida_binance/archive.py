"""What lies where in Binance's public archive, and which of its files cover a span of days. Pure."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator, Sequence
from datetime import date, timedelta

import msgspec

from ida_core.errors import UsageError
from ida_core.nearest import suggestion

ARCHIVE_URL = "https://data.binance.vision"
#: The folder of each market.
MARKET_FOLDERS = {"spot": "spot", "usdm": "futures/um", "coinm": "futures/cm"}
#: What can be fetched, and of which markets.
KINDS = {
    "trades": ("spot", "usdm", "coinm"), "aggTrades": ("spot", "usdm", "coinm"), "klines": ("spot", "usdm", "coinm"),
    "bookTicker": ("usdm", "coinm"),
}  # fmt: skip
#: Intervals of bars in seconds; a month has none.
INTERVALS = {
    "1s": 1, "1m": 60, "3m": 180, "5m": 300, "15m": 900, "30m": 1800, "1h": 3600, "2h": 7200, "4h": 14400, "6h": 21600,
    "8h": 28800, "12h": 43200, "1d": 86400, "3d": 259200, "1w": 604800, "1mo": None,
}  # fmt: skip


class Series(msgspec.Struct, frozen=True):
    """One kind of data of one symbol; ``interval`` of klines only, else empty."""

    market: str
    kind: str
    symbol: str
    interval: str = ""

    @property
    def name(self) -> str:
        return f"{self.market}:{self.symbol} {self.kind}{f' {self.interval}' if self.interval else ''}"


class ArchiveFile(msgspec.Struct, frozen=True):
    """A zip of the archive: all of a month, or all of a day (UTC)."""

    series: Series
    first: date
    is_month: bool

    @property
    def period(self) -> str:
        return f"{self.first:%Y-%m}" if self.is_month else f"{self.first:%Y-%m-%d}"

    @property
    def last(self) -> date:
        return _end_of_month(self.first) if self.is_month else self.first

    @property
    def path(self) -> str:
        """Below the archive's root, and below the folder it is kept in."""
        series = self.series
        folder = f"data/{MARKET_FOLDERS[series.market]}/{'monthly' if self.is_month else 'daily'}/{series.kind}"
        middle = f"{series.symbol}/{series.interval}" if series.interval else series.symbol
        return f"{folder}/{middle}/{series.symbol}-{series.interval or series.kind}-{self.period}.zip"

    def days(self) -> Iterator[ArchiveFile]:
        """The daily files of a month, for one that is not there as a whole."""
        day = self.first
        while day <= self.last:
            yield ArchiveFile(self.series, day, False)
            day += timedelta(days=1)


def series_of(market: str, kind: str, symbol: str, interval: str | None) -> Series:
    """Check the words and put them together.

    Raises:
        UsageError: a kind that the archive does not have of that market, an interval missing or unknown, a symbol
            that cannot be one.
    """
    if market not in KINDS[kind]:
        raise UsageError(f"the archive has no {kind} of {market}; it has them of {', '.join(KINDS[kind])}")
    if not re.fullmatch(r"[^\W_]+(_[A-Z0-9]+)?", symbol) or symbol != symbol.upper():
        raise UsageError(f"symbol {symbol!r}: written as the venue does, in capitals: BTCUSDT, BTCUSD_PERP")
    if kind != "klines":
        if interval:
            raise UsageError(f"--interval {interval}: only klines have one, not {kind}")
        return Series(market, kind, symbol)
    if interval is None:
        raise UsageError("klines need an --interval, such as 1h")
    interval = {"1M": "1mo"}.get(interval, interval)
    if interval not in INTERVALS or (interval == "1s" and market != "spot"):
        raise UsageError(f"--interval {interval} of {market}: {', '.join(INTERVALS)} (1s: spot only)"
                         f"{suggestion(interval, list(INTERVALS))}")
    return Series(market, kind, symbol, interval)


def first_day(text: str) -> date:
    """``2023-01-15``, or ``2023-01`` for the first of that month."""
    return _day(text, "--from")[0]


def last_day(text: str) -> date:
    """``2023-01-15``, or ``2023-01`` for the last of that month."""
    return _day(text, "--to")[1]


def _day(text: str, option: str) -> tuple[date, date]:
    try:
        if re.fullmatch(r"\d{4}-\d{2}", text):
            month = date.fromisoformat(f"{text}-01")
            return month, _end_of_month(month)
        day = date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{option} {text}: a day as 2023-01-15, or a month as 2023-01 ({error})") from error
    return day, day


def _end_of_month(day: date) -> date:
    return day.replace(day=calendar.monthrange(day.year, day.month)[1])


def files_of(series: Series, first: date, last: date, today: date) -> Sequence[ArchiveFile]:
    """The fewest files that cover the days: months where all of one is asked for and it is over, else days.

    Bars of a month exist by the month alone.
    """
    files = []
    day = first
    while day <= last:
        end = _end_of_month(day)
        whole = day.day == 1 and end <= last and end < today
        if whole or series.interval == "1mo":
            files.append(ArchiveFile(series, day.replace(day=1), True))
            day = end + timedelta(days=1)
        else:
            files.append(ArchiveFile(series, day, False))
            day += timedelta(days=1)
    return files
