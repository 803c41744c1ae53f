"""What an account owns of each asset, and how much of that is spoken for."""

from collections.abc import Mapping
from decimal import Decimal

from ida_core import ConfigError
from ida_sim.exact import exact, truncated

ZERO = Decimal(0)
#: Most of an asset: so that no product of it needs more digits than are kept.
MOST = 10**18
#: Free and locked, as an exchange tells them.
Balance = tuple[Decimal, Decimal]


class Wallet:
    """Owned, held by orders, and reserved as margin, by asset; every sum is exact.

    Args:
        balances: what there is at the start.
    Raises:
        ConfigError: a balance that is negative or no number.
    """

    def __init__(self, balances: Mapping[str, Decimal]) -> None:
        for asset, amount in balances.items():
            if not (amount.is_finite() and 0 <= amount <= MOST and amount == truncated(amount)):
                raise ConfigError(
                    f"sim.balances.{asset} = {amount}: must be 0 to {MOST:,}, with eight decimals at most")
        self._owned = dict(balances)
        self._held: dict[str, Decimal] = {}
        self._margin: dict[str, Decimal] = {}
        self._changed: set[str] = set()

    @exact
    def add(self, asset: str, amount: Decimal) -> None:
        """Pay in ``amount``, or take it out when negative."""
        self._owned[asset] = self.owned(asset) + amount
        self._changed.add(asset)

    @exact
    def hold(self, asset: str, amount: Decimal) -> None:
        """Hold ``amount`` more for orders; negative gives back."""
        self._held[asset] = self._held.get(asset, ZERO) + amount
        self._changed.add(asset)

    def reserve(self, asset: str, margin: Decimal) -> None:
        """Set the margin that positions and orders need: it takes the place of the former."""
        if self._margin.get(asset, ZERO) != margin:
            self._margin[asset] = margin
            self._changed.add(asset)

    def owned(self, asset: str) -> Decimal:
        return self._owned.get(asset, ZERO)

    @exact
    def unheld(self, asset: str) -> Decimal:
        """What orders do not hold: free, or reserved as margin."""
        return self.owned(asset) - self._held.get(asset, ZERO)

    @exact
    def balance(self, asset: str) -> Balance:
        """Free and locked. Margin beyond what is owned locks what there is: ``free`` is negative
        only when more was spent than owned."""
        unheld = self.unheld(asset)
        margin = min(self._margin.get(asset, ZERO), max(unheld, ZERO))
        return unheld - margin, self._held.get(asset, ZERO) + margin

    def balances(self) -> dict[str, Balance]:
        return {asset: self.balance(asset) for asset in sorted(self._owned)}

    def take_changes(self) -> dict[str, Balance]:
        """Balances of the assets that changed since the last call."""
        changed, self._changed = self._changed, set()
        return {asset: self.balance(asset) for asset in sorted(changed)}
