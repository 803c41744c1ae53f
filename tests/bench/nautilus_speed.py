"""NautilusTrader's half of the comparison of speed, for its versions 1 and 2. Runs in NautilusTrader's environment.

    build/peers/nautilus/bin/python tests/bench/nautilus_speed.py RECORDING [FEED]

With FEED, ``depth`` (depth and trades) or ``every`` (messages of best prices too), it makes one run and ends. Otherwise
it makes the data objects first, says hello, and takes each line as the FEED of a run, which is answered with the
processor time of ``BacktestEngine.run``, how often the strategy was called, and the best prices at the end in ticks.
Making the engine and giving it the data are not in that time.
"""

import gzip
import json
import os
import platform
import sys
import time
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

import nautilus_trader

if V2 := nautilus_trader.__version__.startswith("2."):
    from nautilus_trader.backtest import BacktestEngine, BacktestEngineConfig
    from nautilus_trader.common import LoggerConfig, LogLevel
    from nautilus_trader.execution import MakerTakerFeeModel
    from nautilus_trader.model import (
        AccountType,
        AggressorSide,
        BookAction,
        BookOrder,
        BookType,
        CryptoPerpetual,
        Currency,
        InstrumentId,
        Money,
        OmsType,
        OrderBookDelta,
        OrderBookDeltas,
        OrderSide,
        Price,
        Quantity,
        QuoteTick,
        Symbol,
        TradeId,
        TradeTick,
        Venue,
    )  # fmt: skip
    from nautilus_trader.trading import Strategy

    BUYER, SELLER = AggressorSide.BUY, AggressorSide.SELL
    BTC, USDT = Currency.from_str("BTC"), Currency.from_str("USDT")
    CONFIG = BacktestEngineConfig(run_analysis=False, bypass_logging=True, logging=LoggerConfig(
        stdout_level=LogLevel.OFF, bypass_logging=True))
    FEES = {"fee_model": MakerTakerFeeModel(Decimal(0), Decimal("0.0005"))}
else:
    from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
    from nautilus_trader.config import LoggingConfig
    from nautilus_trader.model.currencies import BTC, USDT
    from nautilus_trader.model.data import BookOrder, OrderBookDelta, OrderBookDeltas, QuoteTick, TradeTick
    from nautilus_trader.model.enums import AccountType, AggressorSide, BookAction, BookType, OmsType, OrderSide
    from nautilus_trader.model.identifiers import InstrumentId, Symbol, TradeId, Venue
    from nautilus_trader.model.instruments import CryptoPerpetual
    from nautilus_trader.model.objects import Money, Price, Quantity
    from nautilus_trader.trading.strategy import Strategy

    BUYER, SELLER = AggressorSide.BUYER, AggressorSide.SELLER
    CONFIG = BacktestEngineConfig(run_analysis=False, logging=LoggingConfig(bypass_logging=True))
    FEES = {}

INSTRUMENT = InstrumentId.from_str("BTCUSDT-PERP.BINANCE")
LAST, SNAPSHOT, TICK = 128, 32, Price(0.1, 1)


def price(text: str) -> Any:
    return Price(float(text), 1)


def size(text: str) -> Any:
    return Quantity(float(text), 3)


def deltas(message: dict[str, Any], update: int, names: tuple[str, str], venue_ns: int, local_ns: int) -> Any:
    """The levels of a message, the first of a snapshot clearing what was there; none if it has no levels."""
    snapshot = names == ("bids", "asks")
    made = [OrderBookDelta.clear(INSTRUMENT, update, venue_ns, local_ns)] if snapshot else []
    flags = SNAPSHOT if snapshot else 0
    sides = zip((OrderSide.BUY, OrderSide.SELL), names, strict=True)
    levels = [(side, *level) for side, name in sides for level in message[name]]
    for at, (side, px, qty) in enumerate(levels, 1):
        action = BookAction.UPDATE if float(qty) else BookAction.DELETE
        order = BookOrder(side, price(px), size(qty), 0)
        last = LAST if at == len(levels) else 0
        made.append(OrderBookDelta(INSTRUMENT, action, order, flags | last, update, venue_ns, local_ns))
    return OrderBookDeltas(INSTRUMENT, made) if made else None


def objects(lines: Iterable[bytes]) -> Iterator[Any]:
    """What recorded lines mean, in their order."""
    for line in lines:
        stamp, text = line.split(b" ", 1)
        local_ns = int(stamp) if len(stamp) == 19 else int(stamp) * 1000
        message = json.loads(text)
        if "stream" not in message:
            yield deltas(message, message["lastUpdateId"], ("bids", "asks"), local_ns, local_ns)
            continue
        data = message["data"]
        kind, times = data["e"], (data["T"] * 1_000_000, local_ns)
        if kind == "depthUpdate":
            yield deltas(data, data["u"], ("b", "a"), *times)
        elif kind == "trade":
            taker, name = SELLER if data["m"] else BUYER, TradeId(str(data["t"]))
            yield TradeTick(INSTRUMENT, price(data["p"]), size(data["q"]), taker, name, *times)
        elif kind == "bookTicker":
            yield QuoteTick(INSTRUMENT, price(data["b"]), price(data["a"]), size(data["B"]), size(data["A"]), *times)


class Look(Strategy):
    """Called on every message; looks at best bid and ask when the book has changed."""

    quotes = True
    calls = wide = 0

    def on_start(self) -> None:
        if V2:
            self.subscribe_book_deltas(INSTRUMENT, BookType.L2_MBP, managed=True)
            self.subscribe_trades(INSTRUMENT)
        else:
            self.subscribe_order_book_deltas(INSTRUMENT, BookType.L2_MBP)
            self.subscribe_trade_ticks(INSTRUMENT)
        if self.quotes:
            (self.subscribe_quotes if V2 else self.subscribe_quote_ticks)(INSTRUMENT)

    def on_order_book_deltas(self, deltas: Any) -> None:
        self.calls += 1
        book = self.cache.order_book(INSTRUMENT)
        bid, ask = book.best_bid_price(), book.best_ask_price()
        if bid is not None and ask is not None and ask.raw - bid.raw > TICK.raw:
            self.wide += 1

    def on_book_deltas(self, deltas: Any) -> None:
        """Version 2's name. Its ``order_book`` copies the book: ten times as slow as this."""
        self.calls += 1
        if (top := self.cache.top_of_book(INSTRUMENT)) is not None and top[2].raw - top[0].raw > TICK.raw:
            self.wide += 1

    def on_trade_tick(self, trade: Any) -> None:
        self.calls += 1

    def on_quote_tick(self, quote: Any) -> None:
        self.calls += 1

    on_trade, on_quote = on_trade_tick, on_quote_tick


def make(data: list[Any], quotes: bool) -> tuple[Any, Look]:
    engine = BacktestEngine(CONFIG)
    money = [Money(1_000_000, USDT)]
    engine.add_venue(Venue("BINANCE"), OmsType.NETTING, AccountType.MARGIN, money, book_type=BookType.L2_MBP, **FEES)
    steps = (1, 3, TICK, Quantity(0.001, 3), 0, 0)
    engine.add_instrument(CryptoPerpetual(INSTRUMENT, Symbol("BTCUSDT"), BTC, USDT, USDT, False, *steps))
    engine.add_data(data)
    strategy = Look()
    strategy.quotes = quotes
    engine.add_strategy(strategy)
    return engine, strategy


def measure(data: list[Any], quotes: bool) -> dict[str, Any]:
    engine, strategy = make(data, quotes)
    process, thread = time.process_time(), time.thread_time()
    engine.run()
    thread, process = time.thread_time() - thread, time.process_time() - process
    book = engine.cache.order_book(INSTRUMENT)
    best = [end.raw // TICK.raw for end in (book.best_bid_price(), book.best_ask_price())]
    engine.dispose()
    return {"seconds": thread, "process_seconds": process, "calls": strategy.calls, "best": best}


def main(recording: str, once: str = "") -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what others print is no answer
    with gzip.open(recording) as lines:
        every = [made for made in objects(lines) if made is not None]
    feeds = {"every": every, "depth": [made for made in every if not isinstance(made, QuoteTick)]}
    programs = f"nautilus_trader {nautilus_trader.__version__} on CPython {platform.python_version()}"
    print(json.dumps({"programs": programs}), file=answers, flush=True)
    for line in [once] if once else sys.stdin:
        feed = line.strip()
        print(json.dumps(measure(feeds[feed], feed == "every")), file=answers, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
