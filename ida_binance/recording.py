"""Recorded Binance streams as feeds: what the hook ``ida_recordings`` gives.

A recording is a file, plain or gzipped, of lines ``<local stamp> <message>``: the stamp of 19
digits in ns or 16 in us, the message as it came from a websocket (combined or raw), or the REST
answer to ``depth``, standing where it arrived. One of Ida's own recorder begins with what
``exchangeInfo`` said of its instruments, which gives grids and filters, and may end torn.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from ida_binance.check import check
from ida_binance.decoder import Grid
from ida_binance.findings import CheckResult
from ida_binance.importer import Conversion, OnDamage, Recorded, damaged
from ida_core.errors import ConfigError, DataError
from ida_core.feed import Feed, FeedInstrument
from ida_core.feed_cache import open_cached
from ida_core.nearest import suggestion

if TYPE_CHECKING:
    from ida_core.bench import Figure

_LINE = re.compile(rb"\d{16}(\d{3})? \{")


class BinanceRecording:
    """Keeps ``ida_core.protocols.Recording``.

    Options of ``open`` and ``check``: ``on_damage`` is ``stop`` (default; the first damaged line
    raises) or ``skip`` (it is left out and noted); ``instruments`` maps a symbol, or
    ``market:symbol``, to its ``tick_size`` and ``lot_size`` where they are not to be inferred.
    """

    name = "binance"

    def recognises(self, path: Path, head: bytes) -> bool:
        """``head``: the first bytes, decompressed."""
        return _LINE.match(head) is not None

    def open(self, paths: Sequence[Path], options: Mapping[str, Any]) -> list[Feed]:
        """A feed for each file, in their order; a symbol has one grid in all of them.

        Raises:
            DataError: a file is missing or damaged (see ``on_damage``), a number is off a given
                grid, or a file holds no market data.
            ConfigError: an option that cannot be, or a symbol that the files do not hold.
        """
        on_damage = _on_damage(options)
        recorded = [Recorded(Path(path)) for path in paths]
        feeds = [_own_feed(file, on_damage) for file in recorded]
        if not any(feed.meta.records for feed in feeds):
            raise _nothing(recorded)
        instruments = [i for feed in feeds for i in feed.meta.instruments]
        given = _given(options.get("instruments") or {}, instruments)
        grids = {**_common_grids(instruments), **given}
        return [_on_grids(file, feed, on_damage, grids, given) for file, feed in zip(recorded, feeds, strict=True)]

    def check(self, paths: Sequence[Path], options: Mapping[str, Any] | None = None) -> CheckResult:
        """Every fault of the files, without raising for damage; see ``ida_binance.check``."""
        feeds = self.open(paths, {**(options or {}), "on_damage": "skip"})
        try:
            return check([Path(path) for path in paths], feeds)
        finally:
            for feed in feeds:
                feed.close()

    def bench(self, seconds: float) -> list[Figure]:
        """For ``ida bench``: how fast the wire is decoded here."""
        from ida_binance.bench import figures

        return figures(seconds)


def _on_damage(options: Mapping[str, Any]) -> OnDamage:
    value: OnDamage = options.get("on_damage", "stop")
    if value not in get_args(OnDamage):
        raise ConfigError(f"on_damage = {value!r}: 'stop' or 'skip'")
    return value


def _nothing(recorded: Sequence[Recorded]) -> DataError:
    names = ", ".join(str(file.path) for file in recorded)
    text = f"{names}: no market data: the recorder was stopped before the first message"
    return DataError(text, code="IDA-E7012")


def _own_feed(recorded: Recorded, on_damage: OnDamage) -> Feed:
    return _sound(open_cached(recorded.key(None), Conversion(recorded, on_damage)), recorded, on_damage)


def _sound(feed: Feed, recorded: Recorded, on_damage: OnDamage) -> Feed:
    """A feed that was cached while damage was passed over is not what ``stop`` asks for."""
    if on_damage == "stop" and feed.meta.damaged:
        feed.close()
        raise damaged(recorded.path, next(p for p in feed.meta.problems if p.damage))
    return feed


def _key(instrument: FeedInstrument) -> tuple[str, str]:
    return instrument.market, instrument.symbol


def _common_grids(instruments: Sequence[FeedInstrument]) -> dict[tuple[str, str], Grid]:
    grids: dict[tuple[str, str], Grid] = {}
    for instrument in instruments:
        own = Grid(instrument.tick_size, instrument.lot_size)
        grids[_key(instrument)] = own.common(grids.get(_key(instrument), own))
    return grids


def _on_grids(
    recorded: Recorded, own: Feed, on_damage: OnDamage,
    grids: Mapping[tuple[str, str], Grid], given: Mapping[tuple[str, str], Grid],
) -> Feed:  # fmt: skip
    """The feed on these grids; its own one where they are the same."""
    instruments = own.meta.instruments
    wanted = {i.symbol: grids[_key(i)] for i in instruments}
    told = {i.symbol for i in instruments if _key(i) in given}
    if not told and all(wanted[i.symbol] == (i.tick_size, i.lot_size) for i in instruments):
        return own
    make = Conversion(recorded, on_damage, own.meta, wanted, told)
    own.close()
    suffix = "-told" if told else ""
    return _sound(open_cached(recorded.key(wanted) + suffix, make), recorded, on_damage)


def _given(options: Mapping[str, Any], instruments: Sequence[FeedInstrument]) -> dict[tuple[str, str], Grid]:
    """The grids told in the options, by market and symbol."""
    known: dict[str, list[FeedInstrument]] = {}
    for instrument in instruments:
        for name in (instrument.symbol, f"{instrument.market}:{instrument.symbol}"):
            known.setdefault(name, []).append(instrument)
    told = {}
    for name, sizes in options.items():
        if name not in known:
            text = f"instruments.{name}: the recording holds no such symbol{suggestion(name, known)}"
            raise ConfigError(text, code="IDA-E3010")
        for instrument in known[name] if sizes else ():
            told[_key(instrument)] = _grid(name, sizes, instrument)
    return told


def _grid(name: str, sizes: Mapping[str, Any], instrument: FeedInstrument) -> Grid:
    if unknown := set(sizes) - set(Grid._fields):
        word = sorted(unknown)[0]
        raise ConfigError(f"instruments.{name}.{word}: no such key{suggestion(word, Grid._fields)}", code="IDA-E3010")
    own = Grid(instrument.tick_size, instrument.lot_size)
    return Grid(*(_size(name, word, sizes.get(word, getattr(own, word))) for word in Grid._fields))


def _size(name: str, word: str, value: Any) -> Decimal:
    try:
        size = Decimal(str(value))
    except InvalidOperation:
        size = Decimal(0)
    if not size.is_finite() or size <= 0:
        raise ConfigError(f"instruments.{name}.{word} = {value!r}: a decimal above 0", code="IDA-E3010")
    return size
