"""The exchanges ``binance``, ``binance-testnet`` and ``binance-demo``: environments that share code, and nothing else.

What trades is imported when a run does: to know of them costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from ida_binance.environments import DEMO, LIVE, TESTNET
from ida_binance.live import BinanceConfig

if TYPE_CHECKING:
    from ida_binance.venue import BinanceVenue
    from ida_core.protocols import VenueSetup


class BinanceSpot:
    """An environment as an exchange to name."""

    name: ClassVar[str]
    mode: ClassVar[str]
    api: ClassVar[int] = 1
    Config: ClassVar[type[msgspec.Struct]] = BinanceConfig

    @classmethod
    def build(cls, setup: VenueSetup) -> BinanceVenue:
        """Ask the exchange what must be known before the run: instruments, time, the account.

        Raises:
            ConfigError: a feed beside it, an address of another environment, an unknown symbol.
            AuthError: no key, or one that the exchange refuses.
            VenueError: the exchange cannot be reached, or refuses.
        """
        from ida_binance.venue import open_venue

        return open_venue(cls.name, cls.mode, setup)


class BinanceLive(BinanceSpot):
    """The exchange itself: real money."""

    name, mode = LIVE, "LIVE"


class BinanceTestnet(BinanceSpot):
    """Its testnet."""

    name, mode = TESTNET, "TESTNET"


class BinanceDemo(BinanceSpot):
    """Its demo mode."""

    name, mode = DEMO, "DEMO"


VENUES = (BinanceLive, BinanceTestnet, BinanceDemo)
