"""The report of a finished run: a fold over its journal, and the document of ``ida run --json``.

``Report.document()`` is a contract: keys are added, never renamed. Money and quantities in it are
plain decimal strings. What each figure means stands in ``docs/numbers.md``.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from ida_core.cautions import cautions
from ida_core.data_quality import data_quality
from ida_core.errors import DataError
from ida_core.fold import Bounds, Fold, bounds_of
from ida_core.journal import journal_sha256
from ida_core.model import Instrument, plain
from ida_core.performance import performance
from ida_core.portfolio import ZERO
from ida_core.protocols import ReportPanel
from ida_core.rows import FillRow, OrderRow, Samples
from ida_core.run_notes import reckoning
from ida_core.statistics import drawdowns
from ida_core.story import FILL_RULES, tell_order

SCHEMA = 1
AS_RUN = "as run"
"""The headline's own row among the worst cases: the report has it already."""
__all__ = ["FILL_RULES", "FillRow", "OrderRow", "Report", "Samples", "load"]


def load(run_dir: Path) -> "Report":
    """Fold the journal of a run directory.

    Raises:
        DataError: there is no journal, or it does not begin with a start note. A journal that
            breaks off is no error: the report says so.
    """
    folder = run_dir / "journal"
    if not folder.is_dir():
        raise DataError(f"{run_dir}: no journal in it; not a run directory", code="IDA-E7001")
    with reckoning(folder):
        bounds = bounds_of(folder)
        fold = Fold(folder, bounds)
        fold.read()
    return Report(run_dir, bounds, fold)


class Report:
    """A finished run, as reporters and panels see it.

    ``orders``, ``fills`` and ``samples`` are the rows behind the figures (``ida_core.rows``);
    ``panels`` are what plugins add to the HTML report.
    """

    def __init__(self, run_dir: Path, bounds: Bounds, fold: Fold) -> None:
        self.run_dir = run_dir
        self.start: dict[str, Any] = bounds.start.data
        self.instruments: Sequence[Instrument] = fold.instruments
        self.currency = fold.portfolio.currency
        self.orders: Sequence[OrderRow] = list(fold.orders.values())
        self.fills: Sequence[FillRow] = fold.fills
        self.refusals = fold.refusals
        self.samples: Samples = fold.samples
        self.panels: Sequence[ReportPanel] = ()
        self._bounds = bounds
        self._fold = fold
        self._end: dict[str, Any] = bounds.end.data if bounds.end else {}
        self._timing: dict[str, Any] = bounds.timing.data if bounds.timing else {}
        self._written: dict[str, dict[str, Any]] = {}

    @property
    def is_complete(self) -> bool:
        """The run ended in order: its journal has an end note."""
        return self._bounds.end is not None

    @property
    def damage(self) -> str | None:
        """A sentence that says where the journal is damaged, and so was cut; None if it is sound."""
        return self._fold.damage

    @cached_property
    def drawdowns(self) -> Sequence[Decimal]:
        """For each sample, how far the net result lies below its highest value so far."""
        return drawdowns(self.samples.net)

    @property
    def capital(self) -> Decimal | None:
        """What the run began with, in the report's currency; None where that cannot be said."""
        return self._fold.capital or None

    def order_story(self, order_id: str) -> list[tuple[int, str]]:
        """What happened to one order, as (local time in ns, sentence), oldest first.

        Empty where the journal knows no order of that client order id.
        """
        return tell_order(self.run_dir / "journal", self._bounds.opening, order_id)

    def latencies(self) -> dict[str, list[float]]:
        """Times in µs between what we did and what we learned, on our clock; keys are titles."""
        kinds: dict[str, tuple[str, str]] = {
            "Order sent to its acceptance known": ("requested", "accepted"),
            "Cancel sent to the end known": ("cancel_requested", "closed"),
            "Order decided to its bytes on the wire": ("decided", "sent"),
            "Bytes of an order on the wire to its acceptance known": ("sent", "accepted"),
        }
        return {title: self._spans(*stamps) for title, stamps in kinds.items()}

    def _spans(self, begin: str, end: str) -> list[float]:
        stamps = (row.order.stamps for row in self.orders)
        return [(s[end] - s[begin]) / 1e3 for s in stamps if s.get(begin) and s.get(end, 0) >= s[begin]]

    def note_written(self, reporter: str, took_s: float) -> None:
        """A reporter has written: those that come after it, and the run's last document, tell how long that took."""
        us = round(took_s * 1e6, 3)
        self._written[f"report {reporter}"] = {"calls": 1, "p50": us, "p99": us, "share": None}

    # --- the document -----------------------------------------------------------------------------

    def document(self) -> dict[str, Any]:
        """Return the document of design §9, ready for JSON."""
        return {**self._document, "plugin_time": {**self._timing.get("plugin_time", {}), **self._written}}

    @cached_property
    def _document(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "run": self._run(),
            "assumptions": dict(self.start.get("assumptions", {})),
            "events": self._events(),
            "throughput_eps": self._timing.get("throughput_eps"),
            "orders": self._orders(),
            "fills": self._fills(),
            "pnl": self._pnl(),
            "performance": performance(self._fold, self.capital),
            "book": {one.name: self._book(k) for k, one in enumerate(self.instruments)},
            "data": data_quality(self._fold),
            "latency_us": dict(self._timing.get("latency_us", {})),
            "risk": self._risk(),
            "warnings": cautions(self._fold, self._ledger_block, self._halts()),
            "ledger": self._ledger_block,
            "reconciliation": self._reconciliation(),
            "worst_cases": self._worst_cases(),
            "plugins": self._plugins(),
        }

    def _run(self) -> dict[str, Any]:
        start, timing, bounds = self.start, self._timing, self._bounds
        return {
            "id": timing.get("run_id", self.run_dir.name),
            "mode": start.get("mode", "SIM"),
            "exchange": start.get("exchange", ""),
            "out": str(self.run_dir),
            "seed": start.get("seed"),
            "journal_sha256": self._sha256(),
            "started": timing.get("started"),
            "elapsed_s": timing.get("elapsed_s"),
            "complete": self.is_complete,
            "ended": self._end.get("reason"),
            "from": _utc(bounds.start_ns),
            "to": _utc(bounds.end_ns),
            "span_s": (bounds.end_ns - bounds.start_ns) / 1e9,
        }

    def _sha256(self) -> str | None:
        """None for a journal that is damaged: what is left of it is not what was written."""
        return None if self._fold.damage else journal_sha256(self.run_dir / "journal")

    def _events(self) -> dict[str, Any]:
        kinds: Counter[str] = Counter()
        for market in self._fold.markets:
            kinds.update(market.counts)
        by_kind = {kind: n for kind, n in kinds.items() if n}
        return {"total": sum(by_kind.values()), "by_kind": by_kind}

    def _orders(self) -> dict[str, int]:
        counters = self._fold.table.counters
        names = ("submitted", "accepted", "rejected", "canceled", "filled", "unknown", "expired")
        partly = sum(1 for row in self.orders if 0 < row.order.traded < row.order.quantity)
        return {**{name: counters[name] for name in names}, "partially_filled": partly}

    def _fills(self) -> dict[str, Any]:
        makers = sum(fill.maker for fill in self.fills)
        return {
            "count": len(self.fills),
            "maker": makers,
            "taker": len(self.fills) - makers,
            "volume_quote": plain(sum((fill.notional for fill in self.fills), ZERO)),
            "fees": {asset: plain(amount) for asset, amount in sorted(self._fold.fees.items())},
        }

    def _pnl(self) -> dict[str, str]:
        result = self._fold.result()
        return {
            "net": plain(result.net),
            "gross": plain(result.gross),
            "fees": plain(result.fees),
            "realized": plain(result.realized),
            "unrealized": plain(result.unrealized),
            "currency": self.currency,
            "funding": plain(result.funding),
        }

    def _book(self, index: int) -> dict[str, Any]:
        market, instrument = self._fold.markets[index], self.instruments[index]
        bid, ask = market.book.bid, market.book.ask
        return {
            "last_update_id": market.last_update_id,
            "best_bid": None if bid is None else plain(instrument.price(bid)),
            "best_ask": None if ask is None else plain(instrument.price(ask)),
            "levels": list(market.book.level_counts),
            "sha256": market.book.sha256(instrument),
            "gaps": market.gaps,
            "resyncs": market.resyncs,
        }

    def _risk(self) -> dict[str, Any]:
        refused = Counter(refusal.reason for refusal in self.refusals)
        return {
            "refused": dict(refused.most_common()),
            "halts": self._halts(),
            "limits": dict(self.start.get("limits", {})),
        }

    def _reconciliation(self) -> dict[str, Any]:
        """What the account of an exchange told beside our own books; empty of all others."""
        fold, continued = self._fold, self._bounds.opening.continues
        return {
            "snapshots": fold.snapshots,
            "differences": len(fold.adopted),
            "adopted": [{asset: plain(amount) for asset, amount in one.items()} for one in fold.adopted],
            "foreign_orders": len(fold.foreign),
            "continues": continued.run if continued else None,
            "orphans": list(continued.orphans) if continued else [],
        }

    def _halts(self) -> list[str]:
        halts = (note for note in self._fold.notes if note.what == "halt")
        return [f"{note.plugin}: {note.detail}" if note.plugin else note.detail for note in halts]

    def _plugins(self) -> dict[str, Any]:
        return {
            "strategies": list(self.start.get("strategies", [])),
            "risk": list(self.start.get("risk", [])),
            "feeds": list(self.start.get("feeds", [])),
            "signals": list(self.start.get("signals", [])),
        }

    def _worst_cases(self) -> list[dict[str, Any]]:
        path = self.run_dir / "report" / "worst_cases.json"
        if not path.is_file():
            return []
        try:
            cases = msgspec.json.decode(path.read_bytes(), type=list[dict[str, Any]])
        except (msgspec.DecodeError, OSError) as error:
            raise DataError(f"{path}: not a list of worst cases: {error}", code="IDA-E7020") from error
        return [case for case in cases if case.get("name") != AS_RUN]

    @cached_property
    def _ledger_block(self) -> dict[str, Any]:
        """Start, end and what is unexplained, per asset; ``balanced`` None without an end."""
        told = self._end.get("balances")
        if told is None:
            return {"balanced": None, "assets": {}}
        ledger = self._fold.ledger
        venue = {asset: (Decimal(free), Decimal(locked)) for asset, (free, locked) in told.items()}
        residuals = ledger.check(venue)
        assets = {
            asset: {
                "start": plain(-ledger.balance(asset, "opening")),
                "end": plain(sum(venue.get(asset, (ZERO,)), ZERO)),
                "residual": plain(residual),
            }
            for asset, residual in residuals.items()
        }
        return {"balanced": not any(residuals.values()), "assets": assets}


def _utc(ts_ns: int) -> str | None:
    if not ts_ns:
        return None
    return datetime.fromtimestamp(ts_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S")
