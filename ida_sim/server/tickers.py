"""Klines, tickers and the average price as streams tell them, from the same figures as REST."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from ida_sim.server import stream_names as names
from ida_sim.server.channels import TextChannel, Texts as Messages, Troubles
from ida_sim.server.market import ServerMarket
from ida_sim.server.statistics import DAY_NS, MINUTE_NS, NS, Bar
from ida_sim.server.stream_names import StreamName
from ida_sim.server.symbol_market import SymbolMarket
from ida_sim.server.texts import ZERO, Texts, percent

_MINI_EVENT = "24hrMiniTicker"
Body = Callable[[int], Any]


def ticker_channel(name: str, troubles: Troubles, stream: StreamName, market: ServerMarket) -> TextChannel:
    """The stream ``name`` of a kind that is computed."""
    if stream.symbol:
        symbol = market.symbols[stream.symbol]
        if stream.kind == names.KLINE:
            return TextChannel(name, troubles, stream.every_ms, Klines(symbol, stream).messages)
        changed = Changed([symbol])
        return TextChannel(name, troubles, stream.every_ms, lambda now_ns: [
            _encoded(_body(each, stream, now_ns)) for each in changed.symbols()])
    changed = Changed(market.symbols.values())
    return TextChannel(name, troubles, stream.every_ms, lambda now_ns: _array(
        [_body(each, stream, now_ns) for each in changed.symbols()]))


def _encoded(body: Body) -> Callable[[int], bytes]:
    return lambda unit_ns: msgspec.json.encode(body(unit_ns))


def _array(bodies: list[Body]) -> Messages:
    return [lambda unit_ns: msgspec.json.encode([body(unit_ns) for body in bodies])] if bodies else []


class Changed:
    """Which symbols were traded since they were last asked about."""

    def __init__(self, symbols: Iterable[SymbolMarket]) -> None:
        self._told = {symbol.instrument.symbol: -1 for symbol in symbols}
        self._symbols = list(symbols)

    def symbols(self) -> list[SymbolMarket]:
        found = []
        for symbol in self._symbols:
            last = symbol.statistics.last
            if last is not None and last.id != self._told[symbol.instrument.symbol]:
                self._told[symbol.instrument.symbol] = last.id
                found.append(symbol)
        return found


def _body(symbol: SymbolMarket, stream: StreamName, now_ns: int) -> Body:
    if stream.kind == names.AVERAGE:
        return lambda unit_ns: _average(symbol, now_ns, unit_ns)
    if stream.kind in (names.ROLLING, names.ROLLING_ARRAY):
        return lambda unit_ns: _rolling(symbol, stream.argument, now_ns, unit_ns)
    if stream.kind == names.TICKER:
        return lambda unit_ns: _day(symbol, now_ns, unit_ns)
    return lambda unit_ns: _mini(symbol, now_ns, unit_ns)


def _average(symbol: SymbolMarket, now_ns: int, unit_ns: int) -> Any:
    texts, last = Texts(symbol.instrument), symbol.statistics.last
    bar = symbol.statistics.window(now_ns - 5 * MINUTE_NS, now_ns)
    price = texts.average(bar.quote, bar.volume) if bar.volume else texts.price(bar.close)
    return {"e": "avgPrice", "E": now_ns // unit_ns, "s": symbol.instrument.symbol, "i": "5m", "w": price,
            "T": last.time_ns // unit_ns if last else 0}


def _mini(symbol: SymbolMarket, now_ns: int, unit_ns: int) -> Any:
    texts, bar = Texts(symbol.instrument), symbol.statistics.window(now_ns - DAY_NS, now_ns)
    return {"e": _MINI_EVENT, "E": now_ns // unit_ns, "s": symbol.instrument.symbol, "c": texts.price(bar.close),
            "o": texts.price(bar.open), "h": texts.price(bar.high), "l": texts.price(bar.low),
            "v": texts.quantity(bar.volume), "q": texts.value(bar.quote)}


def _rolling(symbol: SymbolMarket, window: str, now_ns: int, unit_ns: int) -> Any:
    """The window begins on a minute."""
    start_ns = (now_ns - names.WINDOWS[window] * NS) // MINUTE_NS * MINUTE_NS
    texts, bar = Texts(symbol.instrument), symbol.statistics.window(start_ns, now_ns)
    return {
        "e": f"{window}Ticker", "E": now_ns // unit_ns, "s": symbol.instrument.symbol, **_change(texts, bar),
        "o": texts.price(bar.open), "h": texts.price(bar.high), "l": texts.price(bar.low), "c": texts.price(bar.close),
        "w": texts.average(bar.quote, bar.volume), "v": texts.quantity(bar.volume), "q": texts.value(bar.quote),
        "O": start_ns // unit_ns, "C": now_ns // unit_ns, "F": bar.first_id, "L": bar.last_id, "n": bar.count,
    }


def _change(texts: Texts, bar: Bar) -> dict[str, str]:
    return {"p": texts.price(bar.close - bar.open), "P": percent(bar.close - bar.open, bar.open)}


def _day(symbol: SymbolMarket, now_ns: int, unit_ns: int) -> Any:
    texts, last = Texts(symbol.instrument), symbol.statistics.last
    bar = symbol.statistics.window(now_ns - DAY_NS, now_ns)
    before = symbol.statistics.price_before(now_ns - DAY_NS)
    bids, asks = symbol.book(1)
    bid = texts.level(*bids[0]) if bids else (ZERO, ZERO)
    ask = texts.level(*asks[0]) if asks else (ZERO, ZERO)
    return {
        "e": "24hrTicker", "E": now_ns // unit_ns, "s": symbol.instrument.symbol, **_change(texts, bar),
        "w": texts.average(bar.quote, bar.volume), "x": texts.price(bar.open if before is None else before),
        "c": texts.price(bar.close), "Q": texts.quantity(last.quantity) if last else ZERO,
        "b": bid[0], "B": bid[1], "a": ask[0], "A": ask[1],
        "o": texts.price(bar.open), "h": texts.price(bar.high), "l": texts.price(bar.low),
        "v": texts.quantity(bar.volume), "q": texts.value(bar.quote), "O": (now_ns - DAY_NS) // unit_ns,
        "C": now_ns // unit_ns, "F": bar.first_id, "L": bar.last_id, "n": bar.count,
    }


class Klines:
    """One interval's klines: what has changed, and each once more when it is complete."""

    def __init__(self, symbol: SymbolMarket, stream: StreamName) -> None:
        self._symbol, self._stream = symbol, stream
        self._told: Bar | None = None

    def messages(self, now_ns: int) -> Messages:
        interval, shift_ns = self._stream.argument, self._stream.shift_ns
        bar = self._symbol.statistics.kline(interval, now_ns, shift_ns)
        if bar is None:
            return []
        told, self._told, found = self._told, bar, []
        if told is not None and told.open_ns != bar.open_ns:
            ended = self._symbol.statistics.klines(interval, now_ns, start_ns=told.open_ns, limit=1, shift_ns=shift_ns)
            found = [self._message(whole, now_ns, True) for whole in ended]
        if told is None or (told.open_ns, told.count) != (bar.open_ns, bar.count):
            found.append(self._message(bar, now_ns, False))
        return found

    def _message(self, bar: Bar, now_ns: int, is_closed: bool) -> Callable[[int], bytes]:
        symbol, texts = self._symbol.instrument.symbol, Texts(self._symbol.instrument)

        def text(unit_ns: int) -> bytes:
            kline = {
                "t": bar.open_ns // unit_ns, "T": bar.end_ns // unit_ns - 1, "s": symbol,
                "i": self._stream.argument, "f": bar.first_id, "L": bar.last_id, "o": texts.price(bar.open),
                "c": texts.price(bar.close), "h": texts.price(bar.high), "l": texts.price(bar.low),
                "v": texts.quantity(bar.volume), "n": bar.count, "x": is_closed, "q": texts.value(bar.quote),
                "V": texts.quantity(bar.taker_volume), "Q": texts.value(bar.taker_quote), "B": "0",
            }
            return msgspec.json.encode({"e": "kline", "E": now_ns // unit_ns, "s": symbol, "k": kline})

        return text
