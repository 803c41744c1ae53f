"""Budget, pace, backoff, plan and snapshot policy against naive twins."""

from collections.abc import Sequence
from math import inf, nextafter
from random import Random

import pytest
from hypothesis import given, strategies as st

from ida_binance.budget import NS_PER_S, SHARE, Budget, Counted, Purpose, Told, told_by_limits
from ida_binance.instruments import RateLimit
from ida_binance.pacing import Backoff, Pace
from ida_binance.plan import connections_needed, moves, spread
from ida_binance.snapshots import CALM_S, WEIGHTS, SnapshotPolicy, choose_limit, weight

MINUTE = 60 * NS_PER_S
#: A moment in the middle of a minute.
NOW = 1_763_800_000 * NS_PER_S - 1_763_800_000 % 60 * NS_PER_S + 30 * NS_PER_S


@given(st.lists(st.tuples(st.floats(0, 2), st.booleans()), max_size=60), st.integers(1, 6), st.floats(0.1, 3))
def test_a_pace_is_kept_in_every_window(steps: Sequence[tuple[float, bool]], limit: int, period: float) -> None:
    pace, now, taken = Pace(limit, period), 0.0, []
    for step, patient in steps:
        now += step
        free = len([t for t in taken if t + period > now]) < limit
        wait = pace.take(now)
        assert (wait == 0) == free
        assert 0 <= wait <= period * (1 + 1e-9)
        while wait and patient:  # as who waits does: the rounded sum of both times may still be a sliver too early
            now = max(now + wait, nextafter(now, inf))
            wait = pace.take(now)
        if not wait:
            taken.append(now)
    for i in range(len(taken) - limit):
        assert taken[i + limit] >= taken[i] + period


@given(st.integers(0, 2**32), st.integers(1, 80))
def test_a_backoff_doubles_up_to_its_bound(seed: int, failures: int) -> None:
    backoff = Backoff(0.5, 30, Random(seed))
    waits = [backoff.next_s() for _ in range(failures)]
    for i, wait in enumerate(waits):
        whole = min(30, 0.5 * 2**i)
        assert whole / 2 <= wait <= whole
    backoff.reset()
    assert backoff.next_s() <= 0.5


class NaiveBudget:
    """All spendings with their times; a window's sum is looked up."""

    def __init__(self, limit: int) -> None:
        self.limit, self.spent = limit, []

    def used(self, now: int) -> int:
        return sum(w for t, w in self.spent if t // MINUTE == now // MINUTE)


@given(st.lists(st.tuples(st.integers(0, 40 * NS_PER_S), st.sampled_from([1, 20, 50, 250])), max_size=80))
def test_a_budget_spends_no_more_than_its_share(steps: Sequence[tuple[int, int]]) -> None:
    budget, twin, now = Budget([RateLimit("REQUEST_WEIGHT", "MINUTE", 1, 600)]), NaiveBudget(540), NOW
    for step, cost in steps:
        now += step
        used = twin.used(now)
        assert budget.left(now) == max(0, 540 - used)
        wait = budget.wait_s(cost, now)
        assert (wait == 0) == (used + cost <= 540 or not used)
        if wait:
            now += round(wait * NS_PER_S) + 1
            assert budget.wait_s(cost, now) == 0
        budget.spend(cost, now)
        twin.spent.append((now, cost))


def test_the_exchanges_count_wins_where_it_is_higher() -> None:
    budget = Budget()
    most = int(6000 * SHARE)
    budget.spend(100, NOW)
    budget.correct({"X-MBX-USED-WEIGHT-1M": "4000", "X-MBX-USED-WEIGHT": "4000"}, NOW, NOW + 1)
    assert budget.left(NOW) == most - 4000
    budget.correct({"x-mbx-used-weight-1m": "10"}, NOW, NOW + 1)
    assert budget.left(NOW) == most - 4000
    assert budget.left(NOW + MINUTE) == most


def test_an_answer_over_the_end_of_a_window_is_passed_over() -> None:
    budget = Budget()
    budget.correct({"x-mbx-used-weight-1m": "5000"}, NOW, NOW + MINUTE)
    assert budget.left(NOW + MINUTE) == int(6000 * SHARE)


@pytest.mark.parametrize("value", ["", "many", "-5", "1e3", "9" * 30, "\uff15"])
def test_a_count_that_is_none_is_passed_over(value: str) -> None:
    budget = Budget()
    budget.correct({"x-mbx-used-weight-1m": value}, NOW, NOW)
    assert budget.left(NOW) == int(6000 * SHARE)


def test_windows_are_those_of_the_exchanges_clock() -> None:
    budget = Budget()
    budget.offset_ns = 29 * NS_PER_S  # its minute ends in one second
    budget.spend(6000, NOW)
    assert budget.wait_s(1, NOW) == 1.0
    assert budget.wait_s(1, NOW + NS_PER_S) == 0


def test_limits_are_learned_and_others_passed_over() -> None:
    budget = Budget()
    budget.learn([RateLimit("ORDERS", "SECOND", 10, 5), RateLimit("REQUEST_WEIGHT", "LIGHTYEAR", 1, 7)])
    assert budget.least_limit == int(6000 * SHARE)
    budget.learn([RateLimit("REQUEST_WEIGHT", "MINUTE", 1, 1200), RateLimit("REQUEST_WEIGHT", "SECOND", 10, 300)])
    assert budget.left(NOW) == 270


def test_a_pause_and_a_ban_close_all() -> None:
    budget = Budget()
    budget.pause(NOW + 5 * NS_PER_S)
    assert budget.left(NOW) == 0
    assert budget.wait_s(1, NOW) == 5
    budget.ban(NOW + 120 * NS_PER_S)
    budget.pause(NOW + NS_PER_S)
    assert budget.wait_s(1, NOW) == 120
    assert budget.wait_s(1, NOW + 120 * NS_PER_S) == 0


@given(st.dictionaries(st.text(min_size=1, max_size=4), st.floats(0, 1000), max_size=60), st.integers(3, 7))
def test_a_copy_carries_every_stream_once_and_is_balanced(rates: dict[str, float], connections: int) -> None:
    lines = spread(rates, connections, 20)
    names = [name for line in lines for name in line]
    assert sorted(names) == sorted(rates)
    assert max(map(len, lines)) <= 20
    loads = [sum(rates[name] for name in line) for line in lines]
    if all(len(line) < 20 for line in lines):
        assert max(loads) - min(loads) <= max(rates.values(), default=0) + 1e-6


def test_more_streams_than_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="41 streams on 2 connections of 20 at most"):
        spread({str(i): 1.0 for i in range(41)}, 2, 20)


@given(st.lists(st.lists(st.floats(0, 100), max_size=8), min_size=1, max_size=4))
def test_moves_bring_connections_closer_together(loads: list[list[float]]) -> None:
    lines = [[f"{i}.{j}" for j in range(len(line))] for i, line in enumerate(loads)]
    rates = {f"{i}.{j}": rate for i, line in enumerate(loads) for j, rate in enumerate(line)}
    held = [list(line) for line in lines]
    for move in moves(lines, rates, 10):
        before = [sum(rates[name] for name in line) for line in held]
        held[move.source].remove(move.stream)
        held[move.target].append(move.stream)
        after = [sum(rates[name] for name in line) for line in held]
        assert max(after) <= max(before) + 1e-6
        assert len(held[move.target]) <= 10
    assert sorted(n for line in held for n in line) == sorted(rates)


def test_balance_is_left_alone() -> None:
    assert moves([["a"], ["b"]], {"a": 10, "b": 9}) == []
    assert [m.stream for m in moves([["a", "b", "c"], []], {"a": 10, "b": 10, "c": 1})] == ["a"]


@pytest.mark.parametrize(("streams", "rate", "needed"), [(0, 0, 1), (1024, 1, 1), (1025, 1, 2), (2, 1e9, 2)])
def test_connections_are_as_many_as_needed(streams: int, rate: float, needed: int) -> None:
    assert connections_needed(streams, rate) == needed


@given(st.integers(1, 5000), st.integers(1, 200), st.integers(0, 6000))
def test_a_limit_fits_the_budget_and_is_the_largest_that_is_fair(most: int, waiting: int, left: int) -> None:
    limit = choose_limit(most, waiting, left)
    if limit is None:
        assert left < weight(min(100, most))
        return
    assert limit <= most
    assert weight(limit) <= left
    if weight(most) * waiting <= left:
        assert limit == most


def test_the_longest_waiting_book_is_asked_for_first_and_none_twice() -> None:
    policy = SnapshotPolicy(3, 5000, Random(1))
    policy.waits(2, 0.0)
    policy.waits(0, 1.0)
    assert [(a.instrument, a.limit) for a in policy.asks(1.0, 5400)] == [(2, 5000), (0, 5000)]
    assert policy.asks(1.0, 5400) == []
    pause = policy.answered(2, 1.5)
    assert policy.asks(1.5 + pause * 0.99, 5400) == []
    assert [a.instrument for a in policy.asks(1.5 + pause, 5400)] == [2]


def test_an_empty_budget_asks_for_nothing() -> None:
    policy = SnapshotPolicy(1, 5000, Random(1))
    policy.waits(0, 0.0)
    assert policy.asks(0.0, 4) == []
    assert [a.limit for a in policy.asks(0.0, 5)] == [100]


def test_a_book_that_settles_is_asked_for_no_more() -> None:
    policy = SnapshotPolicy(1, 100, Random(1))
    policy.waits(0, 0.0)
    policy.rests(0, 0.1)
    assert policy.asks(5.0, 5400) == []


def test_a_gap_soon_after_the_last_waits_and_a_late_one_does_not() -> None:
    policy = SnapshotPolicy(1, 100, Random(1))
    policy.waits(0, 0.0)
    assert policy.asks(0.0, 5400)
    policy.answered(0, 0.1)
    policy.rests(0, 0.2)
    policy.waits(0, 1.0)
    assert policy.asks(1.0, 5400) == []
    policy.rests(0, 2.0)
    policy.waits(0, 2.0 + CALM_S)
    assert policy.asks(2.0 + CALM_S, 5400)


@given(st.lists(st.tuples(st.floats(0, 3), st.sampled_from(["waits", "rests", "answered"])), max_size=200))
def test_snapshots_never_become_a_busy_loop(steps: Sequence[tuple[float, str]]) -> None:
    """Whatever a book does, the pause before the n-th request in a row is at least half the doubled one."""
    policy, now, asked, flying = SnapshotPolicy(1, 100, Random(7)), 0.0, 0, False
    for step, what in steps:
        now += step
        if what == "waits":
            policy.waits(0, now)
        elif what == "rests":
            policy.rests(0, now)
        elif flying:
            policy.answered(0, now)
            flying = False
        found = policy.asks(now, 10_000)
        asked += len(found)
        flying = flying or bool(found)
        assert not (found and len(found) > 1)
    assert asked <= len(steps)
    assert set(WEIGHTS) == {100, 500, 1000, 5000}


ORDERS = [RateLimit("ORDERS", "SECOND", 10, 100)]


def order_wait(budget: Budget, now: int, orders: int = 1) -> float:
    return budget.wait_s(0, now, Purpose.ORDER, orders)


def test_near_the_end_of_a_window_a_request_counts_in_both() -> None:
    budget = Budget(ORDERS)
    budget.guard_ns = NS_PER_S // 10
    for _ in range(94):
        budget.spend(0, NOW + 10 * NS_PER_S - budget.guard_ns // 2, 1)
    next_window = NOW + 10 * NS_PER_S + 2 * budget.guard_ns
    assert order_wait(budget, next_window) > 9
    assert order_wait(budget, NOW + 20 * NS_PER_S + 2 * budget.guard_ns) == 0


def test_cancels_and_queries_go_on_while_orders_wait() -> None:
    budget = Budget(ORDERS)
    for _ in range(94):
        budget.spend(1, NOW, 1)
    assert order_wait(budget, NOW) == 10
    assert budget.wait_s(1, NOW, Purpose.CANCEL) == budget.wait_s(1, NOW, Purpose.QUERY) == 0
    budget.pause_orders(NOW + 25 * NS_PER_S)
    assert order_wait(budget, NOW + 20 * NS_PER_S) == 5
    assert budget.wait_s(1, NOW, Purpose.CANCEL) == 0


def test_weight_is_kept_for_orders_and_most_of_all_for_cancels() -> None:
    budget = Budget()
    budget.spend(5400, NOW)
    assert [budget.wait_s(1, NOW, purpose) > 0 for purpose in Purpose] == [True, False, False]
    budget.spend(240, NOW)
    assert [budget.wait_s(1, NOW, purpose) > 0 for purpose in Purpose] == [True, True, False]


def test_the_count_of_orders_falls_when_they_are_filled() -> None:
    budget = Budget(ORDERS)
    tickets = [budget.spend(1, NOW, 1) for _ in range(94)]
    assert order_wait(budget, NOW) > 0
    for ticket in tickets[:40]:
        budget.answered(ticket, [Told(Counted.ORDERS, 10, 3)], NOW, NOW + 1)
    assert order_wait(budget, NOW, 94 - 3 - 54) == 0, "54 are on their way"
    assert order_wait(budget, NOW, 95 - 3 - 54) > 0
    budget.answered(tickets[93], [Told(Counted.ORDERS, 10, 60)], NOW, NOW + 1)
    budget.answered(tickets[50], [Told(Counted.ORDERS, 10, 2)], NOW, NOW + 1)
    assert order_wait(budget, NOW, 1) > 0, "an older word than the newest lowers nothing"


def test_what_succeeds_gives_its_weight_back() -> None:
    budget = Budget()
    budget.spend(100, NOW)
    budget.answered(0, (), NOW, NOW + 1, refund=40)
    assert budget.left(NOW) == int(6000 * SHARE) - 60


def test_connections_have_a_window_of_their_own() -> None:
    budget = Budget()
    for _ in range(int(300 * SHARE)):
        assert budget.connect_wait_s(NOW) == 0
        budget.connect(NOW)
    assert 0 < budget.connect_wait_s(NOW) <= 300
    assert budget.wait_s(1, NOW) == 0


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.sampled_from(
    ["ORDERS", "REQUEST_WEIGHT", "DAY", "SECOND"]), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
    st.sampled_from(["rateLimitType", "interval", "intervalNum", "count", "limit"]), inner, max_size=5), max_leaves=8))
def test_whatever_stands_for_limits_breaks_nothing(limits: object) -> None:
    budget = Budget()
    budget.answered(0, told_by_limits(limits), NOW, NOW + 1)
    assert budget.wait_s(1, NOW + MINUTE) == 0
