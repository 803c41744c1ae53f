"""Ticks and lots as Binance writes them: decimal text of eight places, never an exponent."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

from ida_core import Instrument
from ida_sim.server.statistics import Bar, Trade

PLACES = 8
_WIDE = Context(prec=60, rounding=ROUND_HALF_UP)
ZERO = "0.00000000"


def fixed(number: int, places: int = PLACES) -> str:
    """``number`` of units of 10^-places, in full.

    >>> fixed(-150000000)
    '-1.50000000'
    """
    sign, number, unit = "-" if number < 0 else "", abs(number), 10**places
    return f"{sign}{number // unit}.{number % unit:0{places}d}"


class Texts:
    """Numbers of one instrument as text. Steps finer than eight places have as many as they need."""

    def __init__(self, instrument: Instrument) -> None:
        self._tick, self._price_places = _unit(instrument.tick_size)
        self._lot, self._lot_places = _unit(instrument.lot_size)
        self._step = self._tick * self._lot
        self._cut = 10 ** (self._price_places + self._lot_places - PLACES)

    def price(self, ticks: int) -> str:
        return fixed(ticks * self._tick, self._price_places)

    def quantity(self, lots: int) -> str:
        return fixed(lots * self._lot, self._lot_places)

    def value(self, product: int) -> str:
        """Quote units of ticks times lots, cut off after eight places."""
        return fixed(product * self._step // self._cut)

    def average(self, product: int, lots: int) -> str:
        """Price of a turnover, ticks times lots, over ``lots``; to eight places."""
        if not lots:
            return ZERO
        price = _WIDE.divide(Decimal(product * self._tick), Decimal(lots * 10**self._price_places))
        return format(price.quantize(Decimal("1e-8"), context=_WIDE), "f")

    def level(self, ticks: int, lots: int) -> tuple[str, str]:
        return self.price(ticks), self.quantity(lots)


def _unit(step: Decimal) -> tuple[int, int]:
    exponent = step.normalize().as_tuple().exponent
    places = max(PLACES, -exponent if isinstance(exponent, int) else 0)
    return int(step.scaleb(places)), places


def percent(change: int, of: int) -> str:
    """``change`` in percent of ``of``, to three places."""
    if not of:
        return "0.000"
    share = _WIDE.divide(Decimal(100 * change), Decimal(of))
    return format(share.quantize(Decimal("0.001"), context=_WIDE), "f")


def kline_row(bar: Bar, texts: Texts, unit_ns: int) -> list[Any]:
    """A kline as REST has it: an array of twelve. ``unit_ns``: of times, a million for ms."""
    return [
        bar.open_ns // unit_ns, texts.price(bar.open), texts.price(bar.high), texts.price(bar.low),
        texts.price(bar.close), texts.quantity(bar.volume), bar.end_ns // unit_ns - 1, texts.value(bar.quote),
        bar.count, texts.quantity(bar.taker_volume), texts.value(bar.taker_quote), "0",
    ]


def trade_row(trade: Trade, texts: Texts, unit_ns: int) -> dict[str, Any]:
    """A trade as REST has it."""
    return {
        "id": trade.id, "price": texts.price(trade.price), "qty": texts.quantity(trade.quantity),
        "quoteQty": texts.value(trade.price * trade.quantity), "time": trade.time_ns // unit_ns,
        "isBuyerMaker": trade.sold, "isBestMatch": True,
    }


def aggregate_row(trade: Trade, texts: Texts, unit_ns: int) -> dict[str, Any]:
    """An aggregate trade as REST has it."""
    return {
        "a": trade.id, "p": texts.price(trade.price), "q": texts.quantity(trade.quantity), "f": trade.first_id,
        "l": trade.last_id, "T": trade.time_ns // unit_ns, "m": trade.sold, "M": True,
    }
