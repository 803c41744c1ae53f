"""Names of Binance spot's market streams, taken apart."""

from __future__ import annotations

import re
from typing import NamedTuple

from ida_sim.server.statistics import INTERVALS, MONTH

#: What each kind is called after the symbol; a kind not listed here does not exist.
TRADE, AGGREGATE, QUOTE, DEPTH, PARTIAL, KLINE = "trade", "aggTrade", "bookTicker", "depth", "partial", "kline"
TICKER, MINI_TICKER, ROLLING, AVERAGE = "ticker", "miniTicker", "rolling", "avgPrice"
MINI_TICKERS, ROLLING_ARRAY = "!miniTicker@arr", "!ticker@arr"
WINDOWS = {"1h": 3600, "4h": 4 * 3600, "1d": 86_400}
_PLAIN = (TRADE, AGGREGATE, QUOTE, TICKER, MINI_TICKER, AVERAGE)
_DEPTH = re.compile(r"depth(5|10|20)?(?:@(100|1000)ms)?")
_KLINE = re.compile(r"kline_([0-9]{1,2}[smhdwM])(@\+08:00)?")
_UTC_8_NS = 8 * 3600 * 1_000_000_000


class StreamName(NamedTuple):
    """``symbol`` is empty where all are told of. ``argument``: levels, an interval or a window; ``every_ms``: how
    often at most, 0 where each event is told; ``shift_ns``: of the time zone in which days begin."""

    kind: str
    symbol: str = ""
    argument: str = ""
    every_ms: int = 0
    shift_ns: int = 0


def read_stream(text: str) -> StreamName | None:
    """The stream of a name; None if there is none of that name.

    >>> read_stream("btcusdt@depth5@100ms")
    StreamName(kind='partial', symbol='BTCUSDT', argument='5', every_ms=100, shift_ns=0)
    >>> read_stream("BTCUSDT@trade") is None
    True
    """
    if text.startswith("!"):
        return _of_all(text)
    symbol, _, rest = text.partition("@")
    if not symbol or symbol != symbol.lower():
        return None
    return _of_symbol(symbol.upper(), rest)


def _of_all(text: str) -> StreamName | None:
    if text == MINI_TICKERS:
        return StreamName(MINI_TICKERS, every_ms=1000)
    window = text.removeprefix("!ticker_").removesuffix("@arr")
    if window in WINDOWS and text == f"!ticker_{window}@arr":
        return StreamName(ROLLING_ARRAY, argument=window, every_ms=1000)
    return None


def _of_symbol(symbol: str, rest: str) -> StreamName | None:
    if rest in _PLAIN:
        return StreamName(rest, symbol, every_ms=1000 if rest in (TICKER, MINI_TICKER, AVERAGE) else 0)
    if match := _DEPTH.fullmatch(rest):
        return StreamName(PARTIAL if match[1] else DEPTH, symbol, match[1] or "", int(match[2] or 1000))
    if match := _KLINE.fullmatch(rest):
        if match[1] not in INTERVALS and match[1] != MONTH:
            return None
        every_ms = 1000 if match[1] == "1s" else 2000
        return StreamName(KLINE, symbol, match[1], every_ms, _UTC_8_NS if match[2] else 0)
    window = rest.removeprefix("ticker_")
    if window in WINDOWS and rest != window:
        return StreamName(ROLLING, symbol, window, 1000)
    return None
