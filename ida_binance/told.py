"""What a recording itself tells of its instruments: the ``exchangeInfo`` that Ida's recorder begins each file with."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from ida_binance.decoder import Decoder, Grid
from ida_binance.instruments import ExchangeInfo
from ida_binance.recorded_lines import first_line
from ida_binance.symbols import SPOT
from ida_core.errors import ConfigError, OffGrid, VenueError
from ida_core.feed import FeedInstrument

_HEAD = re.compile(rb'\d{19} \{"stream":"!exchangeInfo","data":')


class Told(NamedTuple):
    """``is_own``: the file is one of Ida's recorder. ``instruments``: all that it has, by symbol, none where it does
    not tell; ``fault`` says why it does not although it should."""

    is_own: bool
    instruments: dict[str, FeedInstrument]
    fault: str

    @property
    def grids(self) -> dict[str, Grid]:
        return {symbol: Grid(i.tick_size, i.lot_size) for symbol, i in self.instruments.items()}

    def rounds(self, grids: Mapping[str, Grid]) -> set[str]:
        """The symbols whose grid is the exchange's, or a finer one it lies on: its own data may be finer than that. A
        coarser one is somebody's guess, and what does not fit it is an error."""
        own = self.grids
        return {s for s, grid in grids.items() if s in own and own[s].common(grid) == grid}


def read_told(path: Path) -> Told:
    """What the file's first line says.

    Raises:
        DataError: the file cannot be read.
    """
    line = first_line(path).rstrip()
    head = _HEAD.match(line)
    if not head:
        return Told(is_own=False, instruments={}, fault="")
    try:
        told = Told(is_own=True, instruments=_instruments(line[head.end() : -1]), fault="")
        Decoder(told.grids)
    except (ConfigError, VenueError, OffGrid) as error:
        return Told(is_own=True, instruments={}, fault=f"the instruments that were recorded cannot be read: {error}")
    return told


def _instruments(body: bytes) -> dict[str, FeedInstrument]:
    info = ExchangeInfo(body)
    return {symbol: _instrument(info, symbol) for symbol in info.names}


def _instrument(info: ExchangeInfo, symbol: str) -> FeedInstrument:
    own = info.instrument(symbol)
    return FeedInstrument(
        symbol=own.symbol, market=SPOT, kind=own.kind.value, base=own.base, quote=own.quote, settle=own.settle,
        multiplier=own.multiplier, tick_size=own.tick_size, lot_size=own.lot_size, chain=0, inferred=False,
        filters=own.filters,
    )  # fmt: skip
