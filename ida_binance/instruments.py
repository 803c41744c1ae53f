"""What ``exchangeInfo`` says of the instruments: grids and filters, read by their names.

Filters that Ida does not know survive: they are kept as they came and concern nobody.

Source: Binance Spot API docs, rest-api.md (exchangeInfo) and filters.md.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from ida_binance.decoder import Grid
from ida_binance.order_limits import abilities_of, by_name, limits_of, number
from ida_binance.unreadable import UNREADABLE
from ida_core.errors import ConfigError, VenueError
from ida_core.model import Filters, Instrument
from ida_core.nearest import suggestion

#: The stream name under which a recording keeps its part of ``exchangeInfo``.
STREAM = "!exchangeInfo"
#: Bounds on how high a book reaches, in ticks: what a price filter would allow, where that is not absurd.
LEAST_REACH, MOST_REACH = 1 << 16, 1 << 30
#: What the core's decimals can have.
MOST_PLACES = 18


class RateLimit(msgspec.Struct, frozen=True, rename="camel"):
    """One of ``rateLimits``: ``limit`` per ``interval_num`` SECOND, MINUTE, HOUR or DAY."""

    rate_limit_type: str
    interval: str
    interval_num: int
    limit: int


class _Symbol(msgspec.Struct, frozen=True, rename="camel"):
    symbol: str
    base_asset: str
    quote_asset: str
    filters: list[dict[str, Any]]
    status: str = "TRADING"
    base_asset_precision: int = 8
    quote_asset_precision: int = 8


class _Document(msgspec.Struct, frozen=True, rename="camel"):
    symbols: list[msgspec.Raw]
    server_time: int = 0
    timezone: str = "UTC"
    rate_limits: list[RateLimit] = []
    exchange_filters: list[msgspec.Raw] = []


class Listing(NamedTuple):
    """One symbol as the exchange lists it. ``filters``: all, by name; ``text``: its JSON as it came."""

    symbol: str
    status: str
    base: str
    quote: str
    grid: Grid
    filters: Mapping[str, Mapping[str, Any]]
    text: bytes


class ExchangeInfo:
    """An answer to ``exchangeInfo``.

    Raises:
        VenueError: the text is no such answer; says where and why.
    """

    def __init__(self, body: bytes) -> None:
        try:
            self._document = msgspec.json.decode(body, type=_Document)
            symbols = [msgspec.json.decode(raw, type=_Symbol) for raw in self._document.symbols]
        except UNREADABLE as error:
            raise VenueError(f"exchangeInfo is not what Binance answers: {error}", code="IDA-E4120") from error
        self._symbols = {s.symbol: (s, bytes(raw)) for s, raw in zip(symbols, self._document.symbols, strict=True)}

    @property
    def server_time_ms(self) -> int:
        return self._document.server_time

    @property
    def rate_limits(self) -> tuple[RateLimit, ...]:
        return tuple(self._document.rate_limits)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._symbols)

    def listing(self, symbol: str, overrides: Mapping[str, Any] | None = None) -> Listing:
        """What is listed under ``symbol``, on its own grid or on that of ``overrides``.

        Raises:
            ConfigError: no such symbol (the nearest is named), or a tick or lot size that prices would not lie on.
            VenueError: a number of its filters cannot be read.
        """
        if symbol not in self._symbols:
            raise ConfigError(
                f"symbol {symbol} is not listed at the exchange{suggestion(symbol, self.names)}", code="IDA-E3004")
        own, text = self._symbols[symbol]
        filters = by_name(own.filters)
        given = overrides or {}
        grid = Grid(
            _step(own, filters, ("PRICE_FILTER", "tickSize"), given.get("tick_size"), own.quote_asset_precision),
            _step(own, filters, ("LOT_SIZE", "stepSize"), given.get("lot_size"), own.base_asset_precision),
        )
        return Listing(symbol, own.status, own.base_asset, own.quote_asset, grid, filters, text)

    def instrument(self, symbol: str, overrides: Mapping[str, Any] | None = None) -> Instrument:
        """The instrument, with the limits that the exchange sets on orders; those in ``overrides`` win.

        Raises:
            ConfigError, VenueError: see ``listing``.
        """
        given = {key: value for key, value in (overrides or {}).items() if value is not None}
        listing = self.listing(symbol, given)
        exchange = by_name(msgspec.json.decode(raw) for raw in self._document.exchange_filters)
        limits = limits_of(symbol, {**listing.filters, **exchange}) | abilities_of(msgspec.json.decode(listing.text))
        limits |= {key: given[key] for key in Filters.__struct_fields__ if key in given}
        return Instrument(
            symbol=symbol, base=listing.base, quote=listing.quote,
            tick_size=listing.grid.tick_size, lot_size=listing.grid.lot_size, filters=Filters(**limits),
        )  # fmt: skip

    def part(self, symbols: Iterable[str]) -> bytes:
        """The same answer with these symbols alone, each as it came, on one line: what a recording keeps.

        Raises:
            ConfigError: a symbol that is not listed.
        """
        rows = [msgspec.Raw(self.listing(symbol).text) for symbol in symbols]
        document = msgspec.structs.replace(self._document, symbols=rows)
        return msgspec.json.format(msgspec.json.encode(document), indent=-1)


def highest_ticks(instrument: Instrument, first_price: int) -> int:
    """How high a book must reach: to the highest price that an order may have, in ticks.

    >>> from ida_core import Instrument
    >>> btc = Instrument(symbol="BTCUSDT", base="BTC", quote="USDT", tick_size=Decimal("0.01"), lot_size=Decimal(1))
    >>> highest_ticks(btc, 100_000)
    6400000
    """
    most = instrument.filters.max_price
    reach = instrument.floor_to_tick(most) if most is not None else 64 * first_price
    return min(max(reach, 2 * first_price, LEAST_REACH), MOST_REACH)


def _step(
    own: _Symbol, filters: Mapping[str, Mapping[str, Any]], field: tuple[str, str], given: Decimal | None, places: int
) -> Decimal:
    """The step that the filter sets, or the asset's precision where the filter is off; ``given`` may be finer."""
    step = number(own.symbol, filters, *field) or _least(own.symbol, places)
    if given is not None and step % given:
        raise ConfigError(
            f"instruments.{own.symbol}: a step of {given}, but the exchange's {field[1]} is {step}, which is no "
            "multiple of it: prices and quantities would lie between two steps", code="IDA-E3010")
    return (given if given is not None else step).normalize() + Decimal(0)


def _least(symbol: str, places: int) -> Decimal:
    if not 0 <= places <= MOST_PLACES:
        raise VenueError(
            f"exchangeInfo: {symbol} has {places} decimal places, not 0 to {MOST_PLACES}", code="IDA-E4120")
    return Decimal(1).scaleb(-places)
