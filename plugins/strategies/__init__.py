"""Strategies: worked examples, one a file, to be copied and changed."""

from ida_core import Strategy, hookimpl
from plugins.strategies.grid import Grid
from plugins.strategies.imbalance_taker import ImbalanceTaker
from plugins.strategies.market_maker import MarketMaker


@hookimpl
def ida_strategies() -> list[type[Strategy]]:
    return [MarketMaker, ImbalanceTaker, Grid]
