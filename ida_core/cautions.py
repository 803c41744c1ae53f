"""What a reader of a report must be told before any figure, in sentences."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ida_core.fold import Fold
from ida_core.reconciliation import DIFFERENCE
from ida_core.words import INTERRUPTED, TIME_OVER

MOST_NAMED = 5


def cautions(fold: Fold, ledger: Mapping[str, Any], halts: Sequence[str]) -> list[str]:
    """Return the warnings of a folded run, the gravest first.

    Args:
        ledger: the block ``ledger`` of the report's document.
        halts: what risk said when it stopped the run.
    """
    end = fold.bounds.end
    told = list(end.data.get("warnings", [])) if end else []
    return [
        *_broken(fold), *_continued(fold), *_account(fold), *_cut_short(fold, halts),
        *(f"Stopped by risk: {text}" for text in halts),
        *_money(fold, ledger), *_orders(fold), *_refused(fold), *_markets(fold), *told,
    ]  # fmt: skip


def _broken(fold: Fold) -> Iterator[str]:
    if fold.bounds.end is None:
        yield ("The run did not end in order: its journal has no end note. All figures stand as of its last record.")
    if fold.damage:
        yield f"The journal is damaged ({fold.damage}); what followed is not in this report."
    for note in fold.notes:
        if note.what == "plugin_failed":
            yield f"Plugin {note.plugin} failed: {note.detail}"
    yield from (f"Contradiction in the journal: {text}" for text in _some(fold.contradictions))


def _continued(fold: Fold) -> Iterator[str]:
    former = fold.bounds.opening.continues
    if former is None:
        return
    yield (f"The run continues {former.run}, which did not end in order: {_count(len(former.orders), 'order')} of it "
           "went on.")
    if former.damage:
        yield f"That run's journal is damaged ({former.damage}); only what stood before is known."
    yield from former.orphans


def _account(fold: Fold) -> Iterator[str]:
    for note in fold.notes:
        if note.what == DIFFERENCE:
            yield f"Adopted: {note.detail}."
    if fold.foreign:
        yield f"{_count(len(fold.foreign), 'order')} on the account that this run did not place; they were left alone."


def _cut_short(fold: Fold, halts: Sequence[str]) -> Iterator[str]:
    """A result of part of the data is not the result of all of it."""
    reason = str(fold.bounds.end.data.get("reason", "")) if fold.bounds.end else ""
    is_told = bool(halts) or any(note.what == "plugin_failed" for note in fold.notes)
    if not reason or reason == "end of data" or is_told:
        return
    if "live" not in fold.bounds.start.data:
        yield f"The run ended before its data did: {reason}."
    elif reason not in (INTERRUPTED, TIME_OVER):
        yield f"The run was ended: {reason}"


def _money(fold: Fold, ledger: Mapping[str, Any]) -> Iterator[str]:
    if ledger["balanced"] is False:
        rows = ledger["assets"].items()
        parts = [f"{row['residual']} {asset}" for asset, row in rows if row["residual"] != "0"]
        yield f"The ledger does not balance: {', '.join(parts)} unexplained."
    unvalued = ", ".join(sorted(fold.portfolio.unvalued()))
    if unvalued:
        yield f"No rate is known for {unvalued}: amounts in it are not part of the result."


def _orders(fold: Fold) -> Iterator[str]:
    unknown = fold.table.counters["unknown"]
    if unknown:
        yield f"{_count(unknown, 'order is', 'orders are')} UNKNOWN: sent, and never answered."
    still_open = [order.order_id for order in fold.table.open()]
    if still_open:
        names = ", ".join(_some(still_open))
        number = _count(len(still_open), "order was", "orders were")
        yield f"{number} still open at the end: {names}."


def _refused(fold: Fold) -> Iterator[str]:
    """With orders held back by a limit it is the result of another strategy."""
    no_limit = ("orders", "risk")  # closed already; halted, or the book was not in step: told by themselves
    checks = Counter(refusal.by for refusal in fold.refusals if refusal.by not in no_limit)
    if checks:
        names = ", ".join(_some([f"{check} {count}" for check, count in checks.most_common()]))
        yield f"Risk refused {_count(checks.total(), 'order')} before sending: {names}."


def _markets(fold: Fold) -> Iterator[str]:
    for instrument, market in zip(fold.instruments, fold.markets, strict=True):
        name = instrument.name
        if market.gaps:
            gaps, resyncs = _count(market.gaps, "gap"), _count(market.resyncs, "resync")
            yield f"{name}: {gaps} in the book's updates, {resyncs}."
        if not market.synced:
            yield f"{name}: the book was not in step at the end; do not trust its figures."
        if market.quotes_mismatched:
            yield (
                f"{name}: {market.quotes_mismatched} of {market.quotes_compared} quotes differed from the rebuilt "
                "book; a check of the recording tells which, and which are explained."
            )


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _some(texts: Sequence[str]) -> list[str]:
    more = len(texts) - MOST_NAMED
    return [*texts[:MOST_NAMED], f"and {more} more"] if more > 0 else list(texts)
