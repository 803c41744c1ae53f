"""What is asked of the exchange before a run begins: the time, the instruments, their last prices."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, NamedTuple

import msgspec
import trio

from ida_binance.environments import Addresses
from ida_binance.instruments import ExchangeInfo, highest_ticks
from ida_binance.rest import Answer, Rest
from ida_binance.shared_budget import budget_for
from ida_binance.unreadable import UNREADABLE
from ida_core.errors import ConfigError, RequestRejected, VenueError
from ida_core.model import Instrument, is_sane
from ida_core.native import lib
from ida_core.protocols import Listed, LiveSetup

#: With no symbol named all are taken, where the exchange lists no more than these.
MOST_UNNAMED = 10
UNKNOWN_SYMBOL = -1121
_CLOCK_SAMPLES = 3
#: The end of the year 9999: what tells a later time tells none.
MOST_TIME_MS = 253_402_300_799_999
_MOST_NAMED = 100


class Asked(NamedTuple):
    """What came of it. ``offset_ns``: our clock less the exchange's; ``latency_ns``: half of each round trip."""

    rest: Rest
    info: ExchangeInfo
    listed: Sequence[Listed]
    offset_ns: int
    latency_ns: tuple[int, ...]


def ask(name: str, where: Addresses, setup: LiveSetup) -> Asked:
    """Ask for all of it.

    Raises:
        ConfigError: an unknown symbol, a grid or a file of certificates that cannot be.
        OutputError: the budget cannot be shared.
        VenueError: the exchange cannot be reached, refuses, or is none.
    """
    context = trust(name, setup.config.ca_file) if where.secure else None
    budget = budget_for(where.rest, setup.config.share_budget)
    rest = Rest(where.rest, budget, context, setup.config.timeout_s)
    offset_ns, latency_ns = clock_offset(rest)
    rest.budget.offset_ns = -offset_ns
    info, symbols = _exchange_info(rest, setup.symbols)
    return Asked(rest, info, _listed(rest, info, symbols, setup), offset_ns, latency_ns)


def trust(name: str, ca_file: str) -> ssl.SSLContext:
    """The system's certificates, and those of a file.

    Raises:
        ConfigError: the file is none of certificates.
    """
    context = ssl.create_default_context()
    if ca_file:
        try:
            context.load_verify_locations(ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"{name}.ca_file = {ca_file!r}: no file of certificates: {error}") from error
    return context


class _Time(msgspec.Struct, rename="camel"):
    server_time: Annotated[int, msgspec.Meta(ge=0, le=MOST_TIME_MS)]


def clock_offset(rest: Rest) -> tuple[int, tuple[int, ...]]:
    """Our clock less the exchange's, by the quickest of some answers; and half of each round trip.

    The first answer is left out: making a connection takes time on the way there alone, so the exchange would seem
    to read its clock earlier than it did, and our clock to be behind.
    """
    samples: list[tuple[int, int]] = []
    for answer in trio.run(_times, rest)[1:]:
        try:
            server_ns = msgspec.json.decode(answer.body, type=_Time).server_time * 1_000_000
        except UNREADABLE as error:
            text = f"{rest.base}/api/v3/time: {answer.body[:80]!r} is not what Binance answers"
            raise VenueError(text, code="IDA-E4120") from error
        samples.append((answer.round_trip_ns, answer.middle_ns - server_ns))
    _, offset_ns = min(samples)
    return offset_ns, tuple(trip // 2 for trip, _ in samples)


async def _times(rest: Rest) -> list[Answer]:
    async with rest.session() as session:
        return [await session.get("/api/v3/time", 1) for _ in range(1 + _CLOCK_SAMPLES)]


def _exchange_info(rest: Rest, symbols: tuple[str, ...]) -> tuple[ExchangeInfo, tuple[str, ...]]:
    """The instruments, and the symbols of the run."""
    info = ExchangeInfo(_some_info(rest, symbols).body)
    rest.budget.learn(info.rate_limits)
    if not symbols:
        if len(info.names) > MOST_UNNAMED:
            raise ConfigError(
                f"the exchange lists {len(info.names)} symbols: say which the run is to have, as in --symbol BTCUSDT",
                code="IDA-E3004")
        symbols = info.names
    return info, symbols


def _some_info(rest: Rest, symbols: Sequence[str]) -> Answer:
    """Of these symbols alone; of all where one is unknown, so that the nearest name can be told."""
    path, weight = "/api/v3/exchangeInfo", 20
    if not 0 < len(symbols) <= _MOST_NAMED:
        return rest.get(path, weight)
    try:
        return rest.get(path, weight, symbols=msgspec.json.encode(list(symbols)).decode())
    except RequestRejected as error:
        if error.venue_code != UNKNOWN_SYMBOL and not error.reason.startswith("Illegal characters"):
            raise
        return rest.get(path, weight)


def _listed(rest: Rest, info: ExchangeInfo, symbols: Sequence[str], setup: LiveSetup) -> list[Listed]:
    instruments = [info.instrument(symbol, setup.instruments.get(symbol)) for symbol in symbols]
    prices = _prices(rest, instruments)
    return [Listed(i, lib.IDA_CHAIN_CONTIGUOUS, prices.get(i.symbol, 0), highest_ticks(i, prices.get(i.symbol, 0)))
            for i in instruments]  # fmt: skip


class _Price(msgspec.Struct):
    symbol: str
    price: str


def _price(row: _Price) -> Decimal:
    price = Decimal(row.price)
    if not is_sane(price) or price < 0:
        raise ArithmeticError(f"{row.price[:40]!r} of {row.symbol}")
    return price


def _prices(rest: Rest, instruments: Sequence[Instrument]) -> dict[str, int]:
    """Last prices in ticks, of those that were ever traded."""
    by_symbol = {i.symbol: i for i in instruments}
    names = msgspec.json.encode(list(by_symbol)).decode() if len(by_symbol) <= _MOST_NAMED else None
    answer = rest.get("/api/v3/ticker/price", 4, symbols=names)
    try:
        rows = msgspec.json.decode(answer.body, type=list[_Price])
        return {row.symbol: by_symbol[row.symbol].floor_to_tick(_price(row)) for row in rows if row.symbol in by_symbol}
    except (*UNREADABLE, ArithmeticError) as error:
        raise VenueError(f"{rest.base}/api/v3/ticker/price: prices that cannot be read: {error}",
                         code="IDA-E4120") from error  # fmt: skip
