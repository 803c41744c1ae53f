"""Double-entry bookkeeping of one account: for every asset, what came in equals what went out.

Each asset has the accounts of ``ACCOUNTS``. A posting moves amounts between them that sum to zero
per asset; what the wallet gains another account gives. ``check`` compares the wallet with what the
venue says is there: start + fills − fees + funding = end, and the residual of each asset is what is
not explained.

Spot moves base and quote against ``market``; a perpetual moves realized profit against ``pnl``,
computed as ``ida_core.portfolio`` does. Amounts are exact, except quotients, which have 40 digits.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import reduce

from ida_core.events import FundingPayment, OrderUpdate
from ida_core.model import Instrument, InstrumentKind
from ida_core.portfolio import MONEY, ZERO, Position

ACCOUNTS = ("wallet", "market", "fees", "funding", "pnl", "opening")
#: Below this a residual is rounding of quotients, not money.
DUST = Decimal("1e-20")


class Ledger:
    """The books of one venue account.

    Args:
        instruments: of the run, by index.
    """

    def __init__(self, instruments: Sequence[Instrument]) -> None:
        self.instruments = instruments
        self.postings = 0
        self._books: dict[str, dict[str, Decimal]] = {}
        self._positions: dict[int, Position] = {}

    def post_opening(self, asset: str, amount: Decimal) -> None:
        """What was there before the run, or was paid in (negative: taken out) since."""
        self._post(asset, "opening", amount)

    def open_position(self, instrument: int, quantity: Decimal, cost: Decimal) -> None:
        """What was held before the run of a derivative, and its entry cost: profit is reckoned from there."""
        position = self._position(instrument)
        position.quantity, position.cost = quantity, cost

    def post_fill(self, update: OrderUpdate) -> None:
        """Book one fill (``TRADE``) that has not been booked before, and its fee in the asset it
        was taken in."""
        instrument = self.instruments[update.instrument]
        quantity = update.side.sign * instrument.quantity(update.quantity)
        price = instrument.price(update.price)
        if instrument.kind is InstrumentKind.SPOT:
            self._post(instrument.base, "market", quantity)
            self._post(instrument.quote, "market", MONEY.multiply(-quantity, price))
        else:
            gain = self._position(update.instrument).trade(quantity, price)
            self._post(instrument.settle, "pnl", gain)
        self._post(update.fee_asset or instrument.settle, "fees", -update.fee)

    def post_funding(self, payment: FundingPayment) -> None:
        self._post(payment.asset, "funding", payment.amount)

    def balance(self, asset: str, account: str = "wallet") -> Decimal:
        """What stands on one of ``ACCOUNTS``; the others hold what they gave the wallet, with a
        minus."""
        return self._books.get(asset, {}).get(account, ZERO)

    def assets(self) -> list[str]:
        """Every asset that ever moved, by name."""
        return sorted(self._books)

    def imbalance(self) -> dict[str, Decimal]:
        """The sum over all accounts of each asset where it is not zero: empty, or the books are
        wrong."""
        sums = {asset: reduce(MONEY.add, books.values()) for asset, books in self._books.items()}
        return {asset: total for asset, total in sums.items() if abs(total) >= DUST}

    def check(self, venue: Mapping[str, tuple[Decimal, Decimal]]) -> dict[str, Decimal]:
        """Return, for each asset, the venue's free + locked less our wallet; 0 where they agree."""
        residuals = {}
        for asset in sorted({*venue, *self._books}):
            free, locked = venue.get(asset, (ZERO, ZERO))
            residual = MONEY.subtract(MONEY.add(free, locked), self.balance(asset))
            residuals[asset] = residual if abs(residual) >= DUST else ZERO
        return residuals

    def _position(self, instrument: int) -> Position:
        position = self._positions.get(instrument)
        if position is None:
            position = self._positions[instrument] = Position(self.instruments[instrument])
        return position

    def _post(self, asset: str, account: str, amount: Decimal) -> None:
        """``amount`` into the wallet, from ``account``."""
        if not amount:
            return
        books = self._books.setdefault(asset, dict.fromkeys(ACCOUNTS, ZERO))
        books["wallet"] = MONEY.add(books["wallet"], amount)
        books[account] = MONEY.subtract(books[account], amount)
        self.postings += 1
