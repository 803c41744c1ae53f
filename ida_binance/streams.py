"""The names of the spot streams, both ways: what a name means, and how it is spelt.

Source: Binance Spot API docs, web-socket-streams.md. Symbols are lower case, all else is case-sensitive.
"""

import re
from typing import NamedTuple

from ida_core.errors import ConfigError
from ida_core.nearest import suggestion

INTERVALS = ("1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M")
WINDOWS = ("1h", "4h", "1d")
LEVELS = ("5", "10", "20")
SPEEDS_MS = (100, 1000)
#: What a stream may be, for one symbol and for all: how often it is expected to speak, messages a second, before it
#: was measured.
EXPECTED_RATES = {
    "trade": 30.0, "aggTrade": 20.0, "bookTicker": 100.0, "depth": 10.0, "partial": 10.0, "kline": 0.5, "ticker": 1.0,
    "miniTicker": 1.0, "window": 1.0, "avgPrice": 1.0, "blockTrade": 0.01, "referencePrice": 1.0,
}  # fmt: skip
_PLAIN = ("trade", "aggTrade", "blockTrade", "bookTicker", "avgPrice", "ticker", "miniTicker", "referencePrice")
_EIGHT = "@+08:00"
_FORMS = {
    "kline": re.compile(rf"kline_({'|'.join(INTERVALS)})(@\+08:00)?"),
    "window": re.compile(rf"ticker_({'|'.join(WINDOWS)})"),
    "partial": re.compile(rf"depth({'|'.join(LEVELS)})(?:@(100|1000)ms)?"),
    "depth": re.compile(r"depth()(?:@(100|1000)ms)?"),
}


class Stream(NamedTuple):
    """One stream. ``symbol``: upper case, empty for all symbols at once; ``argument``: interval, window or levels;
    ``speed_ms``: of the depth kinds; ``utc8``: bars of UTC+8."""

    kind: str
    symbol: str = ""
    argument: str = ""
    speed_ms: int = 1000
    utc8: bool = False

    @property
    def name(self) -> str:
        """As it is subscribed to.

        >>> Stream("depth", "BTCUSDT", speed_ms=100).name, Stream("window", argument="4h").name
        ('btcusdt@depth@100ms', '!ticker_4h@arr')
        """
        word = {"window": "ticker_", "partial": "depth", "kline": "kline_"}.get(self.kind, self.kind) + self.argument
        if not self.symbol:
            return f"!{word}@arr"
        speed = "@100ms" if self.kind in ("depth", "partial") and self.speed_ms == 100 else ""
        return f"{self.symbol.lower()}@{word}{speed}{_EIGHT if self.utc8 else ''}"

    @property
    def expected_rate(self) -> float:
        """Messages a second, before they were counted."""
        slower = self.speed_ms / 100 if self.kind in ("depth", "partial") else 1
        return EXPECTED_RATES[self.kind] / slower


def parse(name: str) -> Stream:
    """What a stream's name means.

    Raises:
        ConfigError: no spot stream is called so; the nearest is named.

    >>> parse("btcusdt@kline_1M@+08:00")
    Stream(kind='kline', symbol='BTCUSDT', argument='1M', speed_ms=1000, utc8=True)
    """
    stream = _all_symbols(name) if name.startswith("!") else _one_symbol(name)
    if stream is None:
        symbol = name.partition("@")[0]
        raise ConfigError(
            f"stream {name!r}: Binance spot has none of this name{suggestion(name, _examples(symbol))}",
            code="IDA-E3021")
    return stream


def _one_symbol(name: str) -> Stream | None:
    symbol, at, word = name.partition("@")
    if not at or not symbol or symbol != symbol.lower() or symbol != symbol.strip():
        return None
    if word in _PLAIN:
        return Stream(word, symbol.upper())
    for kind, form in _FORMS.items():
        if found := form.fullmatch(word):
            other = found[2] if form.groups > 1 else None
            speed = int(other) if kind in ("depth", "partial") and other else 1000
            return Stream(kind, symbol.upper(), found[1], speed, other == _EIGHT)
    return None


def _all_symbols(name: str) -> Stream | None:
    word = name.removeprefix("!").removesuffix("@arr")
    if not name.endswith("@arr"):
        return None
    if word == "miniTicker":
        return Stream("miniTicker")
    found = _FORMS["window"].fullmatch(word)
    return Stream("window", argument=found[1]) if found else None


def _examples(symbol: str) -> list[str]:
    if symbol.startswith("!"):
        return ["!miniTicker@arr", *(f"!ticker_{w}@arr" for w in WINDOWS)]
    words = [*_PLAIN, "depth", "depth@100ms", *(f"depth{n}" for n in LEVELS), *(f"depth{n}@100ms" for n in LEVELS)]
    words += [*(f"kline_{i}" for i in INTERVALS), *(f"ticker_{w}" for w in WINDOWS)]
    return [f"{symbol.lower()}@{word}" for word in words]
