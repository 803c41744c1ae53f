"""How good a run's market data was: the block ``data`` of a report, folded from the journal.

Keys are added, never renamed; each is defined in ``docs/numbers.md``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from ida_core.events import MarketState, Note, VenueStatus
from ida_core.fold import NS, Fold

LIVE = "LIVE"
HEALTHY = "HEALTHY"
TROUBLES = ("dead_stream", "snapshot_failed")
MOST_TOLD = 200
"""Rows of a list; what there are more of is counted, and stands in the journal."""


def data_quality(fold: Fold) -> dict[str, Any]:
    """Return the block ``data``, ready for JSON."""
    start_ns, end_ns = fold.bounds.start_ns, fold.bounds.end_ns
    of_symbol = _notes_by_symbol(fold.notes)
    symbols = {}
    for index, (instrument, market) in enumerate(zip(fold.instruments, fold.markets, strict=True)):
        states = [state for state in fold.states if state.instrument == index]
        notes = of_symbol.get(instrument.symbol, Counter())
        symbols[instrument.name] = {
            **_staleness(states, start_ns, end_ns),
            "gaps": market.gaps,
            "resyncs": market.resyncs,
            "given_up": market.crossed + market.faults + market.disproved,
            "holes": market.trade_holes,
            "trades_missing": market.trades_missing,
            "left_known": market.left_known,
            "quotes_compared": market.quotes_compared,
            "quotes_mismatched": market.quotes_mismatched,
            **_off_grid(fold.bounds.end, instrument.name),
            "dead_streams": notes["dead_stream"],
            "snapshots_failed": notes["snapshot_failed"],
        }
    return {
        "symbols": symbols,
        "conflated": _conflated(fold.notes, end_ns),
        "connections": _connections(fold.notes),
        "troubles": _troubles(fold.notes),
        "venue": _venue(fold.statuses, end_ns),
    }


# --- stale ------------------------------------------------------------------------------------------


def _staleness(states: Sequence[MarketState], start_ns: int, end_ns: int) -> dict[str, Any]:
    """How long the book could not be trusted, after it first could."""
    first = next((state.ts_local_ns for state in states if state.state == LIVE), None)
    episodes = [] if first is None else _episodes(states, first)
    rows = [_episode(begin, end, reasons, end_ns) for begin, end, reasons in episodes]
    return {
        "live_after_s": None if first is None else max(0, first - start_ns) / NS,
        "stale_s": round(sum(row["s"] for row in rows), 9),
        "episodes": len(rows),
        "stale": rows[:MOST_TOLD],
    }


Episode = tuple[int, int | None, list[str]]


def _episodes(states: Iterable[MarketState], first_ns: int) -> list[Episode]:
    """(begin, end, reasons), the last one without an end if it lasts."""
    found: list[Episode] = []
    open_ = False
    for state in states:
        if state.ts_local_ns < first_ns:
            continue
        if state.state == LIVE:
            if open_:
                begin, _, reasons = found[-1]
                found[-1] = (begin, state.ts_local_ns, reasons)
            open_ = False
        elif open_:
            if state.reason not in found[-1][2]:
                found[-1][2].append(state.reason)
        else:
            found.append((state.ts_local_ns, None, [state.reason]))
            open_ = True
    return found


def _episode(begin_ns: int, end_ns: int | None, reasons: Sequence[str], run_end_ns: int) -> dict[str, Any]:
    last_ns = max(run_end_ns, begin_ns) if end_ns is None else end_ns
    return {
        "from": _moment(begin_ns),
        "to": None if end_ns is None else _moment(end_ns),
        "s": (last_ns - begin_ns) / NS,
        "reason": "; ".join(filter(None, reasons)),
    }


# --- what lay between the steps of the grid --------------------------------------------------------


def _off_grid(end: Note | None, name: str) -> dict[str, int]:
    """What the venue counted, told in the journal's last words."""
    told = _data(end).get("off_grid") if end is not None else None
    counts = told.get(name) if isinstance(told, dict) else None
    found = counts if isinstance(counts, dict) else {}
    return {key: _whole(found.get(key)) for key in ("quantities_rounded", "levels_off_tick", "events_off_tick")}


# --- what the feed and the engine noted -------------------------------------------------------------


def _notes_by_symbol(notes: Iterable[Note]) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for note in notes:
        symbol = _data(note).get("symbol")
        if isinstance(symbol, str):
            found.setdefault(symbol, Counter())[note.what] += 1
    return found


def _data(note: Note) -> dict[str, Any]:
    return note.data if isinstance(note.data, dict) else {}


def _conflated(notes: Iterable[Note], end_ns: int) -> dict[str, Any]:
    """When the run was too slow for its data, and what it left out for that."""
    wakings, episodes, behind_ns, since = 0, 0, 0, None
    for note in notes:
        if note.what not in ("behind", "caught_up"):
            continue
        wakings = max(wakings, _whole(_data(note).get("conflated")))
        if note.what == "behind":
            episodes += 1
            since = note.ts_local_ns
        elif since is not None:
            behind_ns += note.ts_local_ns - since
            since = None
    if since is not None:
        behind_ns += max(0, end_ns - since)
    return {"wakings": wakings, "episodes": episodes, "behind_s": behind_ns / NS}


def _connections(notes: Iterable[Note]) -> dict[str, Any]:
    """Each connection's sums and state, that of the life at work or else of the youngest, and the history of all."""
    told, lives = [], dict[tuple[str, int], dict[str, Any]]()
    for note in notes:
        if note.what not in ("connection", "connection_counts"):
            continue
        data = _data(note)
        told += [note] if note.what == "connection" else []
        lives[str(data.get("connection", "")), _whole(data.get("generation"))] = data
    by_name: dict[str, dict[str, Any]] = {}
    for (name, _), data in sorted(lives.items(), key=lambda life: (life[1].get("state") == LIVE, life[0][1])):
        row = by_name.setdefault(name, {"connection": name, "lives": 0, "messages": 0, "bytes": 0})
        row["lives"] += 1
        for key in ("messages", "bytes"):
            row[key] += _whole(data.get(key))
        row |= {"state": str(data.get("state", "")), "streams": _whole(data.get("streams")),
                "reconnects": max(_whole(data.get("reconnects")), row.get("reconnects", 0))}  # fmt: skip
    each = [by_name[name] for name in dict.fromkeys(name for name, _ in lives)]
    return {"each": each, "changes": len(told), "history": [_change(n) for n in told[:MOST_TOLD]]}


def _change(note: Note) -> dict[str, Any]:
    data = _data(note)
    return {
        "at": _moment(note.ts_local_ns),
        "connection": str(data.get("connection", "")),
        "state": str(data.get("state", "")),
        "why": str(data.get("why", "")),
    }


def _troubles(notes: Iterable[Note]) -> dict[str, Any]:
    """What the feed could not get, or had to replace, in its words."""
    told = [note for note in notes if note.what in TROUBLES]
    rows = [{"at": _moment(n.ts_local_ns), "what": n.what, "detail": n.detail} for n in told[:MOST_TOLD]]
    return {"count": len(told), "history": rows}


def _whole(value: object) -> int:
    """A number that a feed told; 0 for what is none."""
    return value if isinstance(value, int) else 0


def _venue(statuses: Sequence[VenueStatus], end_ns: int) -> dict[str, Any]:
    """What the venue said of its own health, and how long it was not well."""
    unwell_ns, since = 0, None
    for status in statuses:
        if status.state == HEALTHY and since is not None:
            unwell_ns += status.ts_local_ns - since
            since = None
        elif status.state != HEALTHY and since is None:
            since = status.ts_local_ns
    if since is not None:
        unwell_ns += max(0, end_ns - since)
    rows = [{"at": _moment(s.ts_local_ns), "state": s.state, "reason": s.reason} for s in statuses[:MOST_TOLD]]
    return {"unwell_s": unwell_ns / NS, "changes": len(statuses), "history": rows}


def _moment(ts_ns: int) -> str | None:
    """UTC to the millisecond."""
    if not 0 < ts_ns < 253_402_300_799 * NS:
        return None
    return datetime.fromtimestamp(ts_ns // 1_000_000 / 1e3, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
