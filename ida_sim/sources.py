"""Where the simulated exchange's prices come from: recordings, or the synthetic market."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from typing import Any

import msgspec

from ida_core import (
    ConfigError,
    DataError,
    Feed,
    FeedInstrument,
    Filters,
    Instrument,
    Listed,
    VenueSetup,
    clock_offset,
    plain,
    read_head,
    recording_files,
    suggestion,
)

SYNTHETIC = "synthetic"
#: 2026-01-01T00:00:00Z: when a synthetic market begins.
SYNTHETIC_START_NS = 1_767_225_600_000_000_000
SYNTHETIC_DURATION_S = 600.0
#: First prices that agents can trade at, in ticks.
SYNTHETIC_TICKS = (512, 1 << 29)
#: What the symbol of a synthetic market may end in, so that its base is the rest.
SYNTHETIC_QUOTES = ("USDT", "USDC", "FDUSD", "BTC", "ETH", "BNB", "EUR", "TRY")
_SPELLED = re.compile("[A-Z0-9]+")
#: Bounds on how high a book reaches, in ticks.
LEAST_REACH, MOST_REACH = 1 << 16, 1 << 30

_OFF_GRID = ("quantities_rounded", "levels_off_tick", "events_off_tick")


class Source(msgspec.Struct, frozen=True):
    """Feeds of one clock, with the offset taken off and the sentence that says so."""

    feeds: tuple[Any, ...]
    offset_ns: int
    clock: str


def open_recordings(setup: VenueSetup, offset_ms: Decimal | None) -> list[Source]:
    """Open every path of ``setup.feed``, grouped by market: each group was recorded by one clock against one."""
    groups: dict[str, list[Path]] = {}
    notes: list[str] = []
    for text in setup.feed:
        if text == SYNTHETIC:
            raise ConfigError("feed: the synthetic market does not run beside recordings; name one or the other")
        paths, passed_over = recording_files(Path(text), lambda path, head: _recognised(setup, path, head) is not None)
        notes += (f"{text}: {note}" for note in passed_over)
        for path in paths:
            groups.setdefault(_recording_of(setup, path), []).append(path)
    grids = {symbol: {k: own[k] for k in ("tick_size", "lot_size") if k in own}
             for symbol, own in setup.instruments.items()}
    options = {"instruments": grids, "on_damage": setup.on_damage}
    feeds: list[Feed] = []
    for name, paths in groups.items():
        recording = next(r for r in setup.recordings if r.name == name)
        feeds.extend(recording.open(paths, options))
    for feed in feeds[:1]:
        feed.notes += tuple(notes)
    _refuse_repeated(feeds)
    _refuse_overlapping(feeds)
    by_market: dict[str, list[Feed]] = {}
    for feed in feeds:
        by_market.setdefault("/".join(sorted({i.market for i in feed.meta.instruments})), []).append(feed)
    return [_source(group, offset_ms) for group in by_market.values()]


def _refuse_repeated(feeds: Sequence[Feed]) -> None:
    """A recording given twice would trade every lot twice."""
    known: set[str] = set()
    for source in (source for feed in feeds for source in feed.meta.sources):
        if source.sha256 in known:
            raise DataError(f"{source.name}: this recording is given twice, maybe under another name: give it once")
        known.add(source.sha256)


def _refuse_overlapping(feeds: Sequence[Feed]) -> None:
    """Two recordings of one time would trade every lot of it twice. Files that follow each other share no id."""
    known: dict[tuple[str, str], list[tuple[Feed, int]]] = {}
    for feed in feeds:
        for index, item in enumerate(feed.meta.instruments):
            known.setdefault((item.market, item.symbol), []).append((feed, index))
    for (market, symbol), holders in known.items():
        for (one, i), (other, j) in combinations(holders, 2):
            for kind, word in (("trade", "trades"), ("depth", "book updates")):
                span = _common(one.ids(i, kind), other.ids(j, kind))
                if span:
                    raise DataError(
                        f"{one.meta.sources[0].name} and {other.meta.sources[0].name} overlap: {word} {span[0]} to "
                        f"{span[1]} of {symbol} ({market}) lie in both; two recordings of one time are not merged yet, "
                        "so give one of them", code="IDA-E7013")


def _common(one: tuple[int, int] | None, other: tuple[int, int] | None) -> tuple[int, int] | None:
    if one is None or other is None:
        return None
    low, high = max(one[0], other[0]), min(one[1], other[1])
    return (low, high) if low <= high else None


def _source(feeds: Sequence[Feed], offset_ms: Decimal | None) -> Source:
    if offset_ms is not None:
        return Source(tuple(feeds), int(offset_ms * 1_000_000), f"clock offset {offset_ms} ms, as configured")
    offset_ns, sentence = clock_offset(feeds)
    return Source(tuple(feeds), offset_ns, sentence)


def _recording_of(setup: VenueSetup, path: Path) -> str:
    name = _recognised(setup, path, read_head(path))
    if name is not None:
        return name
    known = ", ".join(r.name for r in setup.recordings) or "none is loaded"
    raise DataError(f"{path}: not a recording that is known (formats: {known})", code="IDA-E7003")


def _recognised(setup: VenueSetup, path: Path, head: bytes) -> str | None:
    return next((recording.name for recording in setup.recordings if recording.recognises(path, head)), None)


def listed_instruments(sources: Sequence[Source], setup: VenueSetup) -> list[Listed]:
    """All instruments of the feeds that the run asked for, in order of appearance."""
    found: dict[tuple[str, str], list[FeedInstrument]] = {}
    for source in sources:
        for feed in source.feeds:
            for item in feed.meta.instruments:
                found.setdefault((item.market, item.symbol), []).append(item)
    wanted = _wanted(found, setup.symbols)
    symbols = [symbol for _, symbol in wanted]
    listed = []
    for market, symbol in wanted:
        name = symbol if symbols.count(symbol) == 1 else f"{market}:{symbol}"
        listed.append(_listed(found[market, symbol], name, setup.instruments))
    return listed


def _wanted(found: Mapping[tuple[str, str], Any], symbols: Sequence[str]) -> list[tuple[str, str]]:
    if not symbols:
        return list(found)
    wanted = []
    for text in symbols:
        market, _, symbol = text.rpartition(":")
        matches = [key for key in found if key[1] == symbol and market in ("", key[0])]
        if not matches:
            names = [s for _, s in found] + [f"{m}:{s}" for m, s in found]
            raise ConfigError(
                f"symbol {text} is not in the feed; it has {', '.join(s for _, s in found)}{suggestion(text, names)}",
                code="IDA-E3004")
        wanted.extend(matches)
    return wanted


def _listed(
    items: Sequence[FeedInstrument], name: str, overrides: Mapping[str, Mapping[str, Any]],
) -> Listed:
    """``items``: the instrument in each of its feeds."""
    own = overrides.get(items[0].symbol, {})
    changes = {k: own[k] for k in ("base", "quote", "multiplier") if own.get(k) is not None}
    filters = msgspec.structs.replace(
        items[0].filters, **{k: own[k] for k in Filters.__struct_fields__ if own.get(k) is not None})
    instrument = msgspec.structs.replace(items[0].instrument(name), filters=filters, **changes)
    first = next((i.first_price for i in items if i.first_price > 0), 1)
    highest = 2 * max(first, *(i.highest_price for i in items))
    return Listed(instrument, items[0].chain, first, min(max(highest, LEAST_REACH), MOST_REACH))


def synthetic_instruments(setup: VenueSetup, start_price: Decimal) -> list[Listed]:
    """One spot instrument per symbol asked for (BTCUSDT unless said), on a grid that suits the price."""
    symbols = setup.symbols or ("BTCUSDT",)
    for name in setup.instruments:
        if name not in symbols:
            raise ConfigError(
                f"instruments.{name}: the synthetic market holds no such symbol{suggestion(name, symbols)}",
                code="IDA-E3010")
    return [_synthetic(symbol, setup.instruments.get(symbol, {}), start_price)
            for symbol in symbols]


def _synthetic(symbol: str, own: Mapping[str, Any], start_price: Decimal) -> Listed:
    base, quote = _assets(symbol, own)
    exponent = math.floor(math.log10(start_price)) - 6
    tick = own.get("tick_size") or Decimal(1).scaleb(min(exponent, 0))
    lot = own.get("lot_size") or Decimal(1).scaleb(-min(8, max(0, exponent + 7)))
    instrument = Instrument(
        symbol=symbol, base=base, quote=quote, tick_size=tick, lot_size=lot,
        filters=Filters(min_notional=Decimal(5), min_quantity=lot, max_orders=200),
    )
    first = int(start_price / tick)
    return Listed(instrument, 0, first, min(64 * first, MOST_REACH))


def _assets(symbol: str, own: Mapping[str, Any]) -> tuple[str, str]:
    """Base and quote: those of [instruments.SYMBOL], or what the name says."""
    if not _SPELLED.fullmatch(symbol) and not {"base", "quote"} <= own.keys():
        plain = "".join(filter(str.isalnum, symbol.upper()))
        hint = "say --symbol for each" if "," in symbol else f"did you mean {plain!r}?"
        raise ConfigError(
            f"symbol {symbol!r}: capital letters and digits alone, as in BTCUSDT; {hint}", code="IDA-E3010")
    quote = own.get("quote") or next((q for q in SYNTHETIC_QUOTES if symbol.endswith(q)), "")
    base = own.get("base") or symbol.removesuffix(quote)
    if not (base and quote) or base == quote:
        raise ConfigError(
            f"symbol {symbol}: what is traded against what cannot be told from the name; let it end in "
            f"{', '.join(SYNTHETIC_QUOTES)}, or set base and quote in [instruments.{symbol}]", code="IDA-E3010")
    return base, quote


def check_synthetic(item: Listed, half_spread: int) -> None:
    """Bounds of csrc/agents.h, told in the user's words."""
    least, most = SYNTHETIC_TICKS
    if not least <= item.first_price <= most:
        raise ConfigError(
            f"sim.start_price is {item.first_price} ticks of {item.instrument.tick_size} on {item.instrument.name}: "
            f"a synthetic market needs {least} to {most}; change start_price or the tick size")
    if half_spread > item.first_price // 64:
        raise ConfigError(
            f"sim.half_spread_ticks = {half_spread}: must be at most a 64th of the price, "
            f"{item.first_price // 64} ticks on {item.instrument.name}")


def grid_assumptions(sources: Sequence[Source]) -> dict[str, str]:
    """Where the grids and filters of recorded instruments come from: ``grid`` and ``filters`` of the assumptions."""
    found = [item for source in sources for feed in source.feeds[:1] for item in feed.meta.instruments]
    inferred = [item for item in found if item.inferred]
    told = [item.symbol for item in found if item.filters != Filters()]
    words = {}
    if inferred:
        grids = "; ".join(f"{i.symbol} tick {plain(i.tick_size)}, lot {plain(i.lot_size)}" for i in inferred)
        words["grid"] = (
            f"inferred from the recording's numbers: {grids}; where the exchange's steps are "
            "coarser, orders pass here that it would refuse: set tick_size and lot_size in [instruments.SYMBOL]")
    elif told:
        words["grid"] = f"the exchange's, from the exchangeInfo that was recorded: {', '.join(told)}"
    words["filters"] = (
        "those in [instruments.SYMBOL]; a recording tells none, so a least notional, price bands and the like are "
        "not checked unless set there")
    if told:
        words["filters"] = (
            f"the exchange's, from the exchangeInfo that was recorded ({', '.join(told)}), and those in "
            "[instruments.SYMBOL], which win")
    return words


def off_grid(sources: Sequence[Source], instruments: Sequence[Instrument]) -> dict[str, dict[str, int]]:
    """What was met between the steps of a grid that the recording tells, by instrument, as ``LiveFeed.off_grid``."""
    names = {(i.market, i.symbol): i.name for i in instruments}
    found: dict[str, Counter[str]] = {}
    for item in (item for source in sources for feed in source.feeds for item in feed.meta.instruments):
        counts = {key: getattr(item, key) for key in _OFF_GRID}
        if any(counts.values()) and (item.market, item.symbol) in names:
            found.setdefault(names[item.market, item.symbol], Counter()).update(counts)
    return {name: dict(counts) for name, counts in found.items()}


def feed_warnings(feed: Feed) -> list[str]:
    """What the making of a feed met that its user should know."""
    meta, name = feed.meta, feed.meta.sources[0].name
    found = list(feed.notes)
    if meta.problems_total:
        first = meta.problems[0]
        found.append(
            f"{name}: {meta.problems_total} lines were passed over; the first is line {first.line}: {first.rule}")
    for i in meta.instruments:
        if i.quantities_rounded:
            found.append(
                f"{name}: {i.symbol}: {i.quantities_rounded:,} quantities are finer than the lot size "
                f"{plain(i.lot_size)} and were rounded up to it")
        if i.levels_off_tick:
            found.append(
                f"{name}: {i.symbol}: {i.levels_off_tick:,} levels at prices between two ticks of "
                f"{plain(i.tick_size)} were left out")
    if meta.off_book:
        found.append(f"{name}: {meta.off_book} trades off the book (insurance fund and the like) fill nothing")
    for reason, count in sorted(meta.ignored.items()):
        found.append(f"{name}: {count} messages passed over: {reason}")
    return found
