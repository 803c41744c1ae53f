"""What an account has and pays where nothing else is said."""

from collections.abc import Iterable
from decimal import Decimal

from ida_core import Instrument, InstrumentKind
from ida_sim.config import SimConfig
from ida_sim.fees import Fees

QUOTE, COINS = Decimal(1_000_000), Decimal(100)


def opening_balances(instruments: Iterable[tuple[Instrument, int]]) -> dict[str, Decimal]:
    """A million of each quote asset, and on spot base of the same value; 100 coins where a perpetual settles in them.

    Args:
        instruments: each with its first price in ticks, 0 where none is known.
    """
    balances: dict[str, Decimal] = {}
    for instrument, first_price in instruments:
        if instrument.kind is InstrumentKind.INVERSE:
            balances.setdefault(instrument.settle, COINS)
            continue
        balances.setdefault(instrument.settle, QUOTE)
        if instrument.kind is InstrumentKind.SPOT and first_price > 0:
            lots = instrument.floor_to_lot(QUOTE / instrument.price(first_price))
            balances.setdefault(instrument.base, instrument.quantity(lots))
    return balances


def fees_of(config: SimConfig) -> Fees:
    """The schedule that the configuration asks for."""
    return Fees(
        tier=config.fee_tier, maker_fee=config.maker_fee, taker_fee=config.taker_fee,
        bnb_prices=config.bnb_prices or None, worsened=config.fee_tiers_worse)
