"""Budgets by address, on a clock that is handed in: windows, refusals, bans, and a naive twin."""

from collections import defaultdict

import pytest
from hypothesis import given, strategies as st

from ida_sim.server.limits import BANNED, LONGEST_BAN_S, NS, OK, TOO_MANY, Budget, Limits, headers

#: 20 s into a minute, 80 s into five minutes.
BEGIN = 1_767_225_680 * NS


class Clock:
    now_ns = BEGIN

    def __call__(self) -> int:
        return self.now_ns

    def wait(self, seconds: float) -> None:
        self.now_ns += int(seconds * NS)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_minute_is_the_calendar_s(clock: Clock) -> None:
    limits = Limits(clock, Budget(weight=100))
    assert [limits.charge("a", 50).status for _ in range(3)] == [OK, OK, TOO_MANY]
    clock.wait(39.999)
    assert limits.charge("a", 1).status == TOO_MANY
    clock.wait(0.001)
    verdict = limits.charge("a", 100)
    assert (verdict.status, verdict.used) == (OK, 100)


def test_what_is_refused_counts_too(clock: Clock) -> None:
    limits = Limits(clock, Budget(weight=10))
    assert [limits.charge("a", 8).used for _ in range(3)] == [8, 16, 24]
    assert limits.used("a") == 24
    assert limits.shown("a")[0]["count"] == 24


def test_addresses_have_a_budget_each(clock: Clock) -> None:
    limits = Limits(clock, Budget(weight=10))
    assert limits.charge("a", 11).status == TOO_MANY
    assert limits.charge("b", 10).status == OK


def test_retry_after_is_what_is_left_of_the_window(clock: Clock) -> None:
    limits = Limits(clock, Budget(weight=1))
    limits.charge("a", 1)
    clock.wait(0.5)
    verdict = limits.charge("a", 1)
    assert headers(verdict, clock()) == {
        "X-MBX-USED-WEIGHT": "2", "X-MBX-USED-WEIGHT-1M": "2", "Retry-After": "40"}
    clock.wait(39.4)
    assert limits.charge("a", 1).retry_after_s(clock()) == 1
    assert "Retry-After" not in headers(limits.charge("b", 1), clock())


def test_raw_requests_of_five_minutes(clock: Clock) -> None:
    limits = Limits(clock, Budget(raw=3))
    assert [limits.charge("a", 1).status for _ in range(4)] == [OK, OK, OK, TOO_MANY]
    assert limits.charge("a", 1).retry_after_s(clock()) == 220
    clock.wait(219)
    assert limits.charge("a", 1).status == TOO_MANY
    clock.wait(1)
    assert limits.charge("a", 1).status == OK


def test_who_goes_on_is_banned_twice_as_long_each_time(clock: Clock) -> None:
    limits = Limits(clock, Budget(weight=0, patience=2))
    lengths = []
    for _ in range(14):
        assert [limits.charge("a", 1).status for _ in range(2)] == [TOO_MANY] * 2
        verdict = limits.charge("a", 1)
        assert verdict.status == BANNED
        assert f"IP banned until {verdict.retry_ns // 1_000_000}." in verdict.msg
        lengths.append(verdict.retry_after_s(clock()))
        clock.wait(lengths[-1] - 1)
        assert limits.charge("a", 1).status == BANNED
        clock.wait(61)
    assert lengths[:4] == [120, 240, 480, 960]
    assert lengths[-2:] == [LONGEST_BAN_S] * 2


def test_the_banned_open_no_connection(clock: Clock) -> None:
    limits = Limits(clock, Budget(connections=3))
    assert [limits.connect("a").status for _ in range(4)] == [OK, OK, OK, TOO_MANY]
    assert 0 < limits.connect("a").retry_after_s(clock()) <= 220
    assert limits.connect("b").status == OK
    clock.wait(220)
    assert limits.connect("a").status == OK
    limits.ban(30)
    assert (limits.connect("c").status, limits.connect("c").retry_after_s(clock())) == (BANNED, 30)
    clock.wait(30)
    assert limits.connect("c").status == OK


def test_a_ban_of_all_is_taken_back(clock: Clock) -> None:
    limits = Limits(clock)
    limits.ban(3600)
    assert limits.charge("a", 1).retry_after_s(clock()) == 3600
    assert limits.state()["a"]["banned_s"] == 3600
    limits.ban(0)
    assert limits.charge("a", 1).status == OK


def test_what_exchangeinfo_says_of_it(clock: Clock) -> None:
    kinds = [(limit["rateLimitType"], limit["interval"], limit["intervalNum"], limit["limit"])
             for limit in Limits(clock).listed()]
    assert kinds == [("REQUEST_WEIGHT", "MINUTE", 1, 6000), ("ORDERS", "SECOND", 10, 100),
                     ("ORDERS", "DAY", 1, 200_000), ("RAW_REQUESTS", "MINUTE", 5, 300_000)]


requests = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 40), st.integers(0, 45)), max_size=60)


@given(requests)
def test_as_a_naive_twin_counts(done: list[tuple[str, int, int]]) -> None:
    clock, weight = Clock(), 100
    limits = Limits(clock, Budget(weight=weight, raw=12, patience=10**6))
    seen: dict[tuple[str, int, int], int] = defaultdict(int)
    for address, amount, seconds in done:
        clock.wait(seconds)
        second = clock() // NS
        seen[address, 60, second // 60] += amount
        seen[address, 300, second // 300] += 1
        minute, five = seen[address, 60, second // 60], seen[address, 300, second // 300]
        verdict = limits.charge(address, amount)
        assert verdict.used == minute
        assert verdict.status == (TOO_MANY if minute > weight or five > 12 else OK)
        if verdict.status == TOO_MANY:
            assert verdict.retry_ns == ((second // 300 + 1) * 300 if five > 12 else (second // 60 + 1) * 60) * NS
