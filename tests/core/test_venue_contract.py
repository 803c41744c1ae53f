"""The contract of a venue: the simulated exchange keeps it, and who breaks a rule is told which."""

import random
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from house import House, venues_of

from ida_core import BalanceUpdate, Event, Execution, OrderUpdate, Venue, VenueSetup, VenueStatus
from ida_core.config import Settings
from ida_core.plugins import load_plugins
from ida_core.testing import VENUE_RULES, check_venue


def _make_sim() -> Venue:
    venue_class = load_plugins(environment={}).lookup("venues", "sim")
    config = Settings().section("sim", venue_class.Config)
    venue: Venue = venue_class.build(VenueSetup(config=config, feed=("synthetic",), duration_s=120))
    return venue


@pytest.mark.parametrize("rule", VENUE_RULES)
def test_the_simulated_exchange_keeps_the_contract(rule: str) -> None:
    check_venue(_make_sim, [rule])


@pytest.mark.parametrize("rule", VENUE_RULES)
def test_a_venue_with_an_account_keeps_the_contract(rule: str) -> None:
    """In real time, on an account that outlives it: see ``house``."""
    check_venue(venues_of(House()), [rule])


class _Wrapped:
    """A venue with one thing wrong."""

    def __init__(self) -> None:
        self.venue = _make_sim()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.venue, name)


class _ForgetsFee(_Wrapped):
    def next_event(self, until_ns: int) -> Event | int | None:
        event = self.venue.next_event(until_ns)
        if isinstance(event, OrderUpdate) and event.execution is Execution.TRADE:
            return msgspec.structs.replace(event, fee=Decimal(0))
        return event


class _Deaf(_Wrapped):
    def send(self, request: object) -> None:
        pass


class _SaysNothing(_Wrapped):
    def assumptions(self) -> dict[str, str]:
        return {}


class _Careless(venues_of(House())):  # type: ignore[misc]
    """Says that it is healthy before it has looked."""

    def look(self) -> None:
        self.tell(VenueStatus(state="HEALTHY"))
        super().look()


class _Blind(venues_of(House())):  # type: ignore[misc]
    """Does not ask which orders are open."""

    def _ask(self) -> None:
        self.tell(BalanceUpdate(balances=self.house.balances(), reason="SNAPSHOT"))


class _Moody(_Wrapped):
    def next_event(self, until_ns: int) -> Event | int | None:
        return random.choice((None, self.venue.next_event(until_ns)))


@pytest.mark.parametrize(
    ("venue", "rule", "says"),
    [
        (_ForgetsFee, "fills_and_accounts_for_it", "balances are not start"),
        (_Deaf, "accepts_and_cancels", "NEW of check1 did not come within 60 s"),
        (_SaysNothing, "tells_its_assumptions", "must be told"),
        (_Moody, "tells_the_same_again", "the second time"),
        (_Careless, "is_healthy_when_the_account_is_known", "were to be told in turn"),
    ],
)
def test_a_venue_that_breaks_a_rule_is_told_so(venue: Any, rule: str, says: str) -> None:
    with pytest.raises(AssertionError, match=says) as caught:
        check_venue(venue, [rule])
    assert rule.replace("_", " ") in str(caught.value)


def test_a_venue_that_does_not_look_at_an_account_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ida_core.testing.venues.PATIENCE_S", 1)
    with pytest.raises(AssertionError, match="word of an order that is not ours"):
        check_venue(_Blind, ["leaves_foreign_orders_alone"])
