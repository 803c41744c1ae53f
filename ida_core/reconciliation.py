"""The account as the venue tells it, beside our own books: what does not agree, and what is done about it.

A venue tells the balances as a ``SNAPSHOT``; the ledger has what was there before, fills, fees, funding and transfers.
What is left over may be an event that is on its way. What two snapshots in a row leave over, and nothing was booked
between, is a difference; so is what the last of several leaves over. The venue's word is then adopted, and told.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from ida_core.ledger import Ledger
from ida_core.model import plain
from ida_core.portfolio import ZERO

#: The reason of a ``BalanceUpdate`` that the ledger must agree with.
SNAPSHOT = "SNAPSHOT"
#: The note of a difference. Its data: ``adopted``, asset → what the venue had more than we.
DIFFERENCE = "ledger_difference"
#: After so many snapshots in a row that do not agree, whatever happened between.
MOST_SNAPSHOTS = 5


class Difference(msgspec.Struct, frozen=True):
    """What was adopted, by asset, and its worth in the report's currency; None where no rate tells it."""

    adopted: dict[str, Decimal]
    worth: Decimal | None

    def exceeds(self, limit: Decimal) -> bool:
        """More than is let pass; without a limit or a worth any difference is."""
        return not limit or self.worth is None or self.worth > limit

    def data(self) -> dict[str, Any]:
        return {"adopted": {asset: plain(amount) for asset, amount in sorted(self.adopted.items())}}

    def __str__(self) -> str:
        amounts = ", ".join(
            f"{'+' if amount > 0 else ''}{plain(amount)} {asset}" for asset, amount in sorted(self.adopted.items()))
        return f"the exchange's balances differ from the ledger by {amounts}, which no fill, fee or transfer explains"


class Reconciliation:
    """Compares snapshots with a ledger.

    Args:
        ledger: gets what is adopted as if it had been there from the beginning.
        worth: what an amount of an asset is worth in the report's currency; None without a rate.
    """

    def __init__(self, ledger: Ledger, worth: Callable[[Decimal, str], Decimal | None]) -> None:
        self.snapshots = 0
        self._ledger, self._worth = ledger, worth
        self._residuals: dict[str, Decimal] = {}
        self._postings = 0
        self._in_a_row = 0

    @property
    def residuals(self) -> Mapping[str, Decimal]:
        """What the newest snapshot had more than the ledger, by asset; empty where they agree."""
        return self._residuals

    def compare(self, balances: Mapping[str, tuple[Decimal, Decimal]]) -> Difference | None:
        """Take a snapshot: free and locked by asset. Returns what is sure to be a difference, and was adopted."""
        self.snapshots += 1
        before, postings = self._residuals, self._postings
        found = {asset: rest for asset, rest in self._ledger.check(balances).items() if rest}
        self._residuals, self._postings = found, self._ledger.postings
        self._in_a_row = self._in_a_row + 1 if found else 0
        is_settled = found == before and postings == self._ledger.postings
        if not found or not (is_settled or self._in_a_row >= MOST_SNAPSHOTS):
            return None
        return self._adopt(found)

    def _adopt(self, found: dict[str, Decimal]) -> Difference:
        for asset, amount in found.items():
            self._ledger.post_opening(asset, amount)
        self._residuals, self._in_a_row = {}, 0
        worths = [self._worth(abs(amount), asset) for asset, amount in found.items()]
        known = [worth for worth in worths if worth is not None]
        return Difference(found, sum(known, ZERO) if len(known) == len(worths) else None)


def adopted_of(data: Any) -> dict[str, Decimal]:
    """What the note of a difference says that was adopted."""
    return msgspec.convert(data, dict[str, dict[str, Decimal]]).get("adopted", {})
