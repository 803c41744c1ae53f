"""Every public endpoint of Binance spot: what it is called on both APIs, what it weighs, reads and answers.

Knows no HTTP and no socket: ``rest`` and ``ws_api`` hand in names and texts, and send what comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from ida_core import Instrument
from ida_sim.server.access import NONE, Signed
from ida_sim.server.exchange_info import PERMISSIONS, symbol_entry
from ida_sim.server.faults import Placed
from ida_sim.server.limits import Limits
from ida_sim.server.order_counts import OrderCounts
from ida_sim.server.parameters import (
    MOST_SYMBOLS,
    SYMBOL,
    Parameters,
    Refusal,
    bad_combination,
    illegal,
    not_valid,
)
from ida_sim.server.statistics import DAY_NS, MINUTE_NS, Bar, Statistics, Tape, from_id, in_time, opening
from ida_sim.server.texts import ZERO, Texts, aggregate_row, kline_row, percent, trade_row

Levels = Sequence[tuple[int, int]]
#: What the cap of ``limit`` is, of depth and of lists.
MOST_LEVELS, MOST_ROWS = 5000, 1000
MS_NS = 1_000_000


class ServedSymbol(Protocol):
    """One symbol of the market, as the endpoints need it. Books are ticks and lots, best first."""

    @property
    def instrument(self) -> Instrument: ...
    @property
    def status(self) -> str: ...
    @property
    def last_update_id(self) -> int: ...
    @property
    def statistics(self) -> Statistics: ...
    @property
    def tape(self) -> Tape: ...

    def book(self, limit: int) -> tuple[Levels, Levels]:
        """At most ``limit`` bids and asks, as they stand at ``last_update_id``."""
        ...


class Served(Protocol):
    """The market. ``symbols`` by name, in the order in which they are listed."""

    @property
    def symbols(self) -> Mapping[str, ServedSymbol]: ...

    def now_ns(self) -> int:
        """The server's clock, ns since 1970; what it is told to be wrong by is in it."""
        ...


class Snapshot(NamedTuple):
    """A book as an endpoint answers it."""

    last_update_id: int
    bids: Levels
    asks: Levels


Strikes = Callable[[Collection[str]], Placed | None]


def _spares(kinds: Collection[str]) -> None:
    """No fault strikes."""


class Call:
    """One request while it is answered.

    Args:
        unit_ns: of times in the answer, a million for ms.
        signed: who asks, of a signed request.
        counts: of orders, of whose account it is.
        strikes: tells the fault of one of these kinds that strikes the request.
    """

    def __init__(self, market: Served, limits: Limits, sent: Mapping[str, str], known: Collection[str],
                 unit_ns: int = MS_NS, signed: Signed | None = None, counts: OrderCounts | None = None,
                 strikes: Strikes = _spares) -> None:
        self.market, self.limits, self.unit_ns, self.strikes = market, limits, unit_ns, strikes
        self.signed, self.counts = signed, counts
        #: Why nothing may be placed any more: for a replacement to judge, that may cancel all the same.
        self.order_refusal: Refusal | None = None
        self.parameters = Parameters(sent, known)
        self.now_ns = market.now_ns()

    @property
    def account(self) -> Any:
        """Whose request it is; None of one that anybody may ask."""
        return None if self.signed is None else self.signed.account

    def time(self, ns: int) -> int:
        return ns // self.unit_ns

    def find(self, name: str) -> ServedSymbol:
        """The symbol called ``name``."""
        found = self.market.symbols.get(name)
        if found is None:
            if not _is_symbol(name):
                raise illegal("symbol", SYMBOL)
            raise Refusal(-1121, "Invalid symbol.")
        return found

    def symbol(self) -> ServedSymbol:
        """The symbol of the mandatory ``symbol``, in the status asked for."""
        return self._in_status(self.find(self.parameters.needed("symbol")), self.parameters.status())

    def _in_status(self, symbol: ServedSymbol, status: str | None) -> ServedSymbol:
        if status is not None and symbol.status != status:
            raise Refusal(-1220, "The symbol's status does not match the requested symbolStatus.")
        return symbol

    def each(self, row: Callable[[ServedSymbol], Any], *, needed: bool = False) -> Any:
        """What ``row`` makes of ``symbol``; or a list of ``symbols``, or of all where neither is needed."""
        one, several, status = self.parameters.symbol(), self.parameters.symbols(), self.parameters.status()
        if one is not None and several is not None:
            raise bad_combination()
        if one is not None:
            return row(self._in_status(self.find(one), status))
        if several is None and needed:
            raise Refusal(-1102, "Param 'symbol' or 'symbols' must be sent, but both were empty/null!")
        if several is not None and needed and len(several) > MOST_SYMBOLS:
            raise not_valid("symbols")
        chosen = list(self.market.symbols.values()) if several is None else [self.find(name) for name in several]
        return [row(symbol) for symbol in chosen if status in (None, symbol.status)]


def _is_symbol(name: str) -> bool:
    return len(name) <= 20 and all(c in "-_." or (c.isascii() and (c.isdigit() or c.isupper())) for c in name)


# --- general


def ping(call: Call) -> Any:
    return {}


def server_time(call: Call) -> Any:
    return {"serverTime": call.time(call.now_ns)}


def exchange_info(call: Call) -> Any:
    read = call.parameters
    with_permissions = read.flag("showPermissionSets", True)
    one, several, permissions, status = read.symbol(), read.symbols(), read.names("permissions"), read.status()
    if sum(value is not None for value in (one, several)) > 1 or (
        (one or several) and (permissions is not None or status is not None)):
        raise bad_combination()
    if one is not None or several is not None:
        chosen = [call.find(name) for name in (several or [one or ""])]
    else:
        wanted = set(PERMISSIONS if permissions is None else permissions)
        chosen = [s for s in call.market.symbols.values() if wanted & set(PERMISSIONS) and status in (None, s.status)]
    return {
        "timezone": "UTC", "serverTime": call.time(call.now_ns), "rateLimits": call.limits.listed(),
        "exchangeFilters": [],
        "symbols": [symbol_entry(s.instrument, s.status, with_permissions=with_permissions) for s in chosen],
    }


def execution_rules(call: Call) -> Any:
    """No symbol here has a price range."""
    read = call.parameters
    one, several, status = read.symbol(), read.symbols(), read.status()
    if sum(value is not None for value in (one, several, status)) > 1:
        raise bad_combination()
    for name in ([one] if one is not None else several or []):
        call.find(name)
    return {"symbolRules": []}


# --- the market


def snapshot(symbol: ServedSymbol, limit: int) -> Snapshot:
    bids, asks = symbol.book(limit)
    return Snapshot(symbol.last_update_id, bids, asks)


def depth_body(found: Snapshot, texts: Texts, limit: int) -> Any:
    return {
        "lastUpdateId": found.last_update_id,
        "bids": [texts.level(*level) for level in found.bids[:limit]],
        "asks": [texts.level(*level) for level in found.asks[:limit]],
    }


def depth(call: Call) -> Any:
    symbol, limit = call.symbol(), call.parameters.limit(100, MOST_LEVELS)
    return depth_body(snapshot(symbol, limit), Texts(symbol.instrument), limit)


def trades(call: Call) -> Any:
    symbol, limit = call.symbol(), call.parameters.limit(500, MOST_ROWS)
    texts = Texts(symbol.instrument)
    return [trade_row(trade, texts, call.unit_ns) for trade in symbol.tape.trades[-limit:]]


def historical_trades(call: Call) -> Any:
    symbol, limit = call.symbol(), call.parameters.limit(500, MOST_ROWS)
    first, texts, kept = call.parameters.number("fromId"), Texts(symbol.instrument), symbol.tape.trades
    found = kept[-limit:] if first is None else from_id(kept, first, limit)
    return [trade_row(trade, texts, call.unit_ns) for trade in found]


def block_trades(call: Call) -> Any:
    """There are none here."""
    call.symbol()
    call.parameters.limit(500, MOST_ROWS)
    if call.parameters.number("fromId") is None:
        raise Refusal(-1102, "Mandatory parameter 'fromId' was not sent, was empty/null, or malformed.")
    return []


def aggregate_trades(call: Call) -> Any:
    symbol, read = call.symbol(), call.parameters
    limit, first = read.limit(500, MOST_ROWS), read.number("fromId")
    start_ns, end_ns = read.time_ns("startTime"), read.time_ns("endTime")
    if first is not None and (start_ns is not None or end_ns is not None):
        raise bad_combination()
    kept, texts = symbol.tape.aggregates, Texts(symbol.instrument)
    found = in_time(kept, start_ns, end_ns, limit) if first is None else from_id(kept, first, limit)
    return [aggregate_row(trade, texts, call.unit_ns) for trade in found]


def klines(call: Call) -> Any:
    symbol, read = call.symbol(), call.parameters
    found = symbol.statistics.klines(
        read.interval(), call.now_ns, start_ns=read.time_ns("startTime"), end_ns=read.time_ns("endTime"),
        limit=read.limit(500, MOST_ROWS), shift_ns=read.zone_ns())
    texts = Texts(symbol.instrument)
    return [kline_row(bar, texts, call.unit_ns) for bar in found]


def average_price(call: Call) -> Any:
    symbol = call.symbol()
    return average_body(symbol, call.now_ns, call.unit_ns)


def average_body(symbol: ServedSymbol, now_ns: int, unit_ns: int) -> Any:
    """The price of five minutes, weighted by quantity, and when the last trade was."""
    texts, last = Texts(symbol.instrument), symbol.statistics.last
    bar = symbol.statistics.window(now_ns - 5 * MINUTE_NS, now_ns)
    price = texts.average(bar.quote, bar.volume) if bar.volume else texts.price(bar.close)
    return {"mins": 5, "price": price, "closeTime": last.time_ns // unit_ns if last else 0}


# --- tickers


def day_ticker(call: Call) -> Any:
    mini = call.parameters.is_mini()

    def row(symbol: ServedSymbol) -> Any:
        bar = symbol.statistics.window(call.now_ns - DAY_NS, call.now_ns)
        bar.open_ns = call.now_ns - DAY_NS
        body = ticker_body(symbol, bar, call, mini)
        return body if mini else _with_book(body, symbol, bar)

    return call.each(row)


def trading_day(call: Call) -> Any:
    mini, shift_ns = call.parameters.is_mini(), call.parameters.zone_ns()
    start_ns = opening("1d", call.now_ns, shift_ns)

    def row(symbol: ServedSymbol) -> Any:
        bar = symbol.statistics.window(start_ns, call.now_ns)
        bar.end_ns = start_ns + DAY_NS - call.unit_ns
        return ticker_body(symbol, bar, call, mini)

    return call.each(row, needed=True)


def rolling_ticker(call: Call) -> Any:
    """The window begins on a minute, and is up to 59,999 ms longer than asked for."""
    mini, size_ns = call.parameters.is_mini(), call.parameters.window_ns()
    start_ns = (call.now_ns - size_ns) // MINUTE_NS * MINUTE_NS
    return call.each(
        lambda symbol: ticker_body(symbol, symbol.statistics.window(start_ns, call.now_ns), call, mini), needed=True)


def ticker_body(symbol: ServedSymbol, bar: Bar, call: Call, mini: bool) -> dict[str, Any]:
    """The fields that all tickers over a window have."""
    texts, change = Texts(symbol.instrument), bar.close - bar.open
    more = {} if mini else {
        "priceChange": texts.price(change), "priceChangePercent": percent(change, bar.open),
        "weightedAvgPrice": texts.average(bar.quote, bar.volume),
    }
    return {
        "symbol": symbol.instrument.symbol, **more,
        "openPrice": texts.price(bar.open), "highPrice": texts.price(bar.high), "lowPrice": texts.price(bar.low),
        "lastPrice": texts.price(bar.close), "volume": texts.quantity(bar.volume),
        "quoteVolume": texts.value(bar.quote), "openTime": call.time(bar.open_ns), "closeTime": call.time(bar.end_ns),
        "firstId": bar.first_id, "lastId": bar.last_id, "count": bar.count,
    }


def _with_book(body: dict[str, Any], symbol: ServedSymbol, bar: Bar) -> dict[str, Any]:
    """The fields of the 24 h ticker in their order."""
    texts, last = Texts(symbol.instrument), symbol.statistics.last
    before = symbol.statistics.price_before(bar.open_ns)
    head = {name: body.pop(name) for name in ("symbol", "priceChange", "priceChangePercent", "weightedAvgPrice")}
    best = best_body(symbol)
    return {
        **head, "prevClosePrice": texts.price(bar.open if before is None else before),
        "lastPrice": body.pop("lastPrice"), "lastQty": texts.quantity(last.quantity) if last else ZERO,
        **{name: best[name] for name in ("bidPrice", "bidQty", "askPrice", "askQty")}, **body,
    }


def price_ticker(call: Call) -> Any:
    def row(symbol: ServedSymbol) -> Any:
        last = symbol.statistics.last
        price = Texts(symbol.instrument).price(last.price) if last else ZERO
        return {"symbol": symbol.instrument.symbol, "price": price}

    return call.each(row)


def book_ticker(call: Call) -> Any:
    return call.each(best_body)


def best_body(symbol: ServedSymbol) -> dict[str, Any]:
    """Best bid and ask; zeros on a side that is empty."""
    texts, (bids, asks) = Texts(symbol.instrument), symbol.book(1)
    bid = texts.level(*bids[0]) if bids else (ZERO, ZERO)
    ask = texts.level(*asks[0]) if asks else (ZERO, ZERO)
    return {"symbol": symbol.instrument.symbol, "bidPrice": bid[0], "bidQty": bid[1], "askPrice": ask[0],
            "askQty": ask[1]}


def reference_price(call: Call) -> Any:
    """No symbol here has one."""
    call.symbol()
    raise Refusal(-2043, "This symbol doesn't have a reference price.")


# --- the table

Weight = Callable[[Mapping[str, str]], int]


def _flat(weight: int) -> Weight:
    return lambda sent: weight


def _depth_weight(sent: Mapping[str, str]) -> int:
    text = sent.get("limit", "100")
    limit = int(text) if text.isdigit() and text.isascii() and len(text) < 20 else 100
    return next((weight for most, weight in ((100, 5), (500, 25), (1000, 50)) if limit <= most), 250)


def _count(sent: Mapping[str, str]) -> int:
    """Symbols asked for; 0: all."""
    return 1 if sent.get("symbol") else sent.get("symbols", "").count(",") + 1 if sent.get("symbols") else 0


def _day_weight(sent: Mapping[str, str]) -> int:
    count = _count(sent)
    return 80 if not count or count > 100 else 2 if count <= 20 else 40


def _several(one: int, several: int) -> Weight:
    return lambda sent: one if sent.get("symbol") else several


class Endpoint(NamedTuple):
    """``path`` below ``/api/v3/``, or a whole one; ``method`` of the WebSocket API, empty where it has none.

    ``known``: its parameters, without those of every signed request. ``security``: ``NONE``, or what a key must be
    allowed: ``USER_DATA`` or ``TRADE``.
    """

    path: str
    method: str
    answer: Callable[[Call], Any]
    weight: Weight
    known: Sequence[str] = ()
    verb: str = "GET"
    security: str = NONE

    @property
    def url(self) -> str:
        """The whole path."""
        return self.path if self.path.startswith("/") else f"/api/v3/{self.path}"


_LIST = ("symbol", "limit")
_KLINES = (*_LIST, "interval", "startTime", "endTime", "timeZone")
_SYMBOLS = ("symbol", "symbols", "symbolStatus")

ENDPOINTS = (
    Endpoint("ping", "ping", ping, _flat(1)),
    Endpoint("time", "time", server_time, _flat(1)),
    Endpoint("exchangeInfo", "exchangeInfo", exchange_info, _flat(20),
             (*_SYMBOLS, "permissions", "showPermissionSets")),
    Endpoint("executionRules", "executionRules", execution_rules, lambda sent: min(2 * _count(sent) or 40, 40),
             _SYMBOLS),
    Endpoint("depth", "depth", depth, _depth_weight, (*_LIST, "symbolStatus")),
    Endpoint("trades", "trades.recent", trades, _flat(25), _LIST),
    Endpoint("historicalTrades", "trades.historical", historical_trades, _flat(25), (*_LIST, "fromId")),
    Endpoint("historicalBlockTrades", "blockTrades.historical", block_trades, _flat(25), (*_LIST, "fromId")),
    Endpoint("aggTrades", "trades.aggregate", aggregate_trades, _flat(4),
             (*_LIST, "fromId", "startTime", "endTime")),
    Endpoint("klines", "klines", klines, _flat(2), _KLINES),
    Endpoint("uiKlines", "uiKlines", klines, _flat(2), _KLINES),
    Endpoint("avgPrice", "avgPrice", average_price, _flat(2), ("symbol",)),
    Endpoint("ticker/24hr", "ticker.24hr", day_ticker, _day_weight, (*_SYMBOLS, "type")),
    Endpoint("ticker/tradingDay", "ticker.tradingDay", trading_day, lambda sent: min(4 * _count(sent) or 4, 200),
             (*_SYMBOLS, "type", "timeZone")),
    Endpoint("ticker", "ticker", rolling_ticker, lambda sent: min(4 * _count(sent) or 4, 200),
             (*_SYMBOLS, "type", "windowSize")),
    Endpoint("ticker/price", "ticker.price", price_ticker, _several(2, 4), _SYMBOLS),
    Endpoint("ticker/bookTicker", "ticker.book", book_ticker, _several(2, 4), _SYMBOLS),
    Endpoint("referencePrice", "referencePrice", reference_price, _flat(2), ("symbol",)),
    Endpoint("referencePrice/calculation", "referencePrice.calculation", reference_price, _flat(2),
             ("symbol", "symbolStatus")),
)
BY_PATH: Mapping[str, Endpoint] = {endpoint.path: endpoint for endpoint in ENDPOINTS}
BY_METHOD: Mapping[str, Endpoint] = {endpoint.method: endpoint for endpoint in ENDPOINTS}
