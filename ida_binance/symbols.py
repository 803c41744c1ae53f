"""What a symbol's name and market say of the instrument, where no ``exchangeInfo`` is at hand."""

from decimal import Decimal
from typing import NamedTuple

from ida_core.model import InstrumentKind

SPOT, USDM, COINM = "spot", "usdm", "coinm"
#: By ``enum ida_binance_market``; the last one is a market that no message told: read as spot.
MARKETS = (SPOT, USDM, COINM, SPOT)

#: Assets that others are quoted in, as exchangeInfo lists them; a longer match wins.
QUOTE_ASSETS = (
    "USDT", "USDC", "FDUSD", "TUSD", "BUSD", "USDP", "USDS", "USD1", "PAX", "DAI", "EURI", "AEUR",
    "RLUSD", "XUSD", "BFUSD", "UST", "IDRT", "BIDR", "BKRW", "VAI", "NGN", "RUB", "TRY", "EUR",
    "GBP", "AUD", "BRL", "UAH", "ZAR", "PLN", "RON", "ARS", "JPY", "MXN", "CZK", "COP", "IDR",
    "USD", "KRW", "BTC", "ETH", "BNB", "XRP", "TRX", "DOGE", "DOT", "SOL",
)  # fmt: skip


class Contract(NamedTuple):
    """``multiplier``: quote units per contract for inverse, base units per unit otherwise."""

    kind: InstrumentKind
    base: str
    quote: str
    settle: str
    multiplier: Decimal


def contract(symbol: str, market: str) -> Contract:
    """What is traded under ``symbol`` on ``market`` (``spot``, ``usdm`` or ``coinm``).

    COIN-M contracts are worth 100 USD for BTC and 10 USD for all others. A name that ends in no
    known quote asset is taken as the base asset of an unnamed quote, ``?``.

    Source: Binance COIN-M futures docs, contract specifications.

    >>> contract("BTCUSDT", "spot")[1:4], contract("ETHUSD_PERP", "coinm")[1:]
    (('BTC', 'USDT', 'USDT'), ('ETH', 'USD', 'ETH', Decimal('10')))
    """
    pair = symbol.split("_")[0]
    if market == COINM:
        base = pair.removesuffix("USD")
        return Contract(InstrumentKind.INVERSE, base, "USD", base, Decimal(100 if base == "BTC" else 10))
    base, quote = _split(pair)
    kind = InstrumentKind.SPOT if market == SPOT else InstrumentKind.LINEAR
    return Contract(kind, base, quote, quote, Decimal(1))


def _split(pair: str) -> tuple[str, str]:
    ends = [quote for quote in QUOTE_ASSETS if pair.endswith(quote) and pair != quote]
    if not ends:
        return pair, "?"
    quote = max(ends, key=len)
    return pair.removesuffix(quote), quote
