"""The decoder of Binance's JSON, a thin hand on ``csrc/binance_json``."""

from collections.abc import Container, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from ida_binance.symbols import MARKETS
from ida_core.errors import ConfigError
from ida_core.model import plain
from ida_core.native import ffi, lib

MOST_SYMBOLS = 4096
_NAME_BYTES = 63


class Grid(NamedTuple):
    """Tick and lot size: the smallest steps of price and quantity."""

    tick_size: Decimal
    lot_size: Decimal

    def common(self, other: "Grid") -> "Grid":
        """The coarsest grid on which both lie."""
        return Grid(*(_common(mine, theirs) for mine, theirs in zip(self, other, strict=True)))


def _common(a: Decimal, b: Decimal) -> Decimal:
    decimals = max(_decimals(a), _decimals(b))
    steps = lib.ida_gcd(int(a.scaleb(decimals)), int(b.scaleb(decimals)))
    return Decimal(plain(Decimal(steps).scaleb(-decimals)))


def _decimals(step: Decimal) -> int:
    return max(0, -int(step.normalize().as_tuple().exponent))


class Uneven(NamedTuple):
    """What a decoder met between the steps of a symbol's grid: quantities that were rounded up to the next lot, levels
    that were left out because their price lies between two ticks, other events that were passed over for that."""

    quantities_rounded: int
    levels_off_tick: int
    events_off_tick: int

    def sentences(self, symbol: str, grid: Grid) -> list[str]:
        """Of those that were met."""
        lot, tick = plain(grid.lot_size), plain(grid.tick_size)
        words = (
            f"{symbol}: {{}} quantities are finer than the lot size {lot} and were rounded up to it",
            f"{symbol}: {{}} levels at prices between two ticks of {tick} were left out",
            f"{symbol}: {{}} trades, quotes, bars or tickers at prices between two ticks of {tick} were passed over",
        )
        return [text.format(f"{count:,}") for count, text in zip(self, words, strict=True) if count]


class Learned(NamedTuple):
    """What a learning decoder found out about a symbol. ``decimals``: of the numbers in its
    records, prices first; ``steps``: what those numbers are multiples of."""

    symbol: str
    market: str
    grid: Grid
    decimals: tuple[int, int]
    steps: tuple[int, int]
    prices_seen: int


class Decoder:
    """Binance's messages to records; see the header for what is accepted.

    Args:
        grids: the symbols to decode and their grids; None: learn them all.
        rounds: those of them whose numbers may be finer than their grid: quantities are rounded up, what has a price
            between two ticks is left out, both counted (``uneven``). Of all others such a number is damage.
    Raises:
        ConfigError: a grid or a name that cannot be.
    """

    def __init__(
        self, grids: Mapping[str, Grid] | None = None, symbols: int = MOST_SYMBOLS, rounds: Container[str] = (),
    ) -> None:  # fmt: skip
        self._decoder = ffi.gc(lib.ida_binance_new(max(symbols, 1), grids is None), lib.ida_binance_free)
        for symbol, grid in (grids or {}).items():
            self.add(symbol, grid, rounds=symbol in rounds)

    @property
    def pointer(self) -> Any:
        """The ``ida_binance *``; good as long as this object."""
        return self._decoder

    def add(self, symbol: str, grid: Grid | None = None, *, rounds: bool = False) -> int:
        """Make a symbol known before it comes; its index in records."""
        name = symbol.encode()
        if not 0 < len(name) <= _NAME_BYTES:
            raise ConfigError(f"symbol {symbol!r}: a name has 1 to {_NAME_BYTES} bytes")
        new = ffi.new("ida_binance_symbol *")
        new.name = name
        new.market = lib.IDA_MARKET_UNKNOWN
        new.rounds = rounds
        if grid is not None:
            _set_grid(new.grid, symbol, grid)
        index = ffi.new("uint32_t *")
        if lib.ida_binance_add(self._decoder, new, index) != lib.IDA_OK:
            raise ConfigError(f"symbol {symbol!r}: named twice, or one too many")
        return int(index[0])

    def __len__(self) -> int:
        return int(lib.ida_binance_symbols(self._decoder))

    def uneven(self, index: int) -> Uneven:
        """What was met between the steps of a symbol's grid so far; 0 where it does not round."""
        symbol = lib.ida_binance_look(self._decoder, index)
        return Uneven(*(getattr(symbol, key) for key in Uneven._fields))

    def learned(self) -> list[Learned]:
        """What was found out, in the order of the records' ``instrument``."""
        return [_learned(lib.ida_binance_look(self._decoder, i)) for i in range(len(self))]


def _set_grid(native: Any, symbol: str, grid: Grid) -> None:
    for size, word in zip(grid, ("tick_size", "lot_size"), strict=True):
        if not 0 < size < 1 << 40 or _decimals(size) > 18:
            raise ConfigError(f"{symbol}: {word} {size} must be above 0, with at most 18 decimals")
    native.price_decimals, native.quantity_decimals = map(_decimals, grid)
    native.tick = int(grid.tick_size.scaleb(native.price_decimals))
    native.lot = int(grid.lot_size.scaleb(native.quantity_decimals))


def _learned(found: Any) -> Learned:
    grid = found.grid
    steps = (grid.tick or 1, grid.lot or 1)
    decimals = (grid.price_decimals, grid.quantity_decimals)
    sizes = (Decimal(step).scaleb(-places) for step, places in zip(steps, decimals, strict=True))
    return Learned(
        symbol=ffi.string(found.name).decode(),
        market=MARKETS[found.market],
        grid=Grid(*(Decimal(plain(size)) for size in sizes)),
        decimals=decimals,
        steps=steps,
        prices_seen=found.prices_seen,
    )
