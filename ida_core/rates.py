"""What assets are worth in the report's currency: as the venue says, else as the run's own markets say."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from ida_core.book import Market
from ida_core.model import Instrument, InstrumentKind
from ida_core.portfolio import MONEY

_ONE = Decimal(1)


class MarketRates(Mapping[str, Decimal]):
    """Asset → price in ``currency``, read at the moment it is asked for.

    A rate is the one in ``given``, else the newest mid of the run's first market between the asset and the
    currency, spot before perpetuals. While that market's book is not in step, its last mid that was asked for stands.

    Args:
        given: fixed rates; they go first.
        markets: one for each of ``instruments``.
    """

    def __init__(
        self, currency: str, given: Mapping[str, Decimal], instruments: Sequence[Instrument], markets: Sequence[Market],
    ) -> None:
        self._given = given
        self._pairs: dict[str, tuple[Instrument, Market, bool]] = {}
        self._last: dict[str, Decimal] = {}
        spot_first = sorted(zip(instruments, markets, strict=True), key=lambda x: x[0].kind is not InstrumentKind.SPOT)
        for instrument, market in spot_first:
            if instrument.kind is InstrumentKind.INVERSE:
                continue
            if instrument.quote == currency:
                self._pairs.setdefault(instrument.base, (instrument, market, False))
            elif instrument.base == currency:
                self._pairs.setdefault(instrument.quote, (instrument, market, True))

    def __getitem__(self, asset: str) -> Decimal:
        rate = self._given.get(asset)
        if rate is None:
            rate = self._seen(asset)
        if rate is None:
            raise KeyError(asset)
        return rate

    def _seen(self, asset: str) -> Decimal | None:
        if asset not in self._pairs:
            return None
        instrument, market, turned = self._pairs[asset]
        mid = market.book.mid if market.synced else None
        if mid:
            price = Decimal(mid) * instrument.tick_size
            self._last[asset] = MONEY.divide(_ONE, price) if turned else price
        return self._last.get(asset)

    def __iter__(self) -> Iterator[str]:
        return (asset for asset in {**self._given, **self._pairs} if self.get(asset) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)
