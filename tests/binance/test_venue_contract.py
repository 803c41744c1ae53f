"""The contract of a venue, kept by Ida's venue on the exchange server: every rule, over both APIs, each key type."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import trio
from account_desk import QUICK, credentials_of
from sim.serving import serving
from sim.trader import SYMBOL

from ida_binance.live import BinanceConfig
from ida_binance.venue import BinanceVenue
from ida_core import VenueSetup
from ida_core.testing import VENUE_RULES, check_venue

LIMIT_S = 120


def make(address: str, credentials: Any, by: str) -> Any:
    config = BinanceConfig(url=address, **(QUICK | {"orders_by": by}))
    return BinanceVenue("binance-testnet", "TESTNET", VenueSetup(config=config, symbols=(SYMBOL,)), credentials)


@pytest.mark.parametrize("rule", VENUE_RULES)
async def test_the_venue_keeps_the_contract(rule: str) -> None:
    with trio.fail_after(LIMIT_S):
        async with serving(symbols=(SYMBOL,)) as server:
            fresh = partial(make, server.addresses.rest, credentials_of(server, "HMAC"), "ws-api")
            # in a thread of its own: Trio is a guest there, and the server goes on here
            await trio.to_thread.run_sync(check_venue, fresh, [rule])


@pytest.mark.parametrize("by", ["ws-api", "rest"])
@pytest.mark.parametrize("kind", ["HMAC", "RSA", "ED25519"])
async def test_the_venue_keeps_it_with_every_key_by_either_api(kind: str, by: str) -> None:
    rules = ("accepts_and_cancels", "fills_and_accounts_for_it", "replaces_an_order", "has_the_last_word")
    with trio.fail_after(LIMIT_S):
        async with serving(symbols=(SYMBOL,)) as server:
            fresh = partial(make, server.addresses.rest, credentials_of(server, kind), by)
            await trio.to_thread.run_sync(check_venue, fresh, rules)
