"""Quiet and dead streams told apart, and control messages read, whatever comes."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, strategies as st

from ida_binance.control import Reply, Shutdown, Unknown, portions, read, request
from ida_binance.watch import DepthWatch, Life

BOUND_S = 3.0


def speaking(gap_s: float = 0.1, count: int = 100) -> tuple[DepthWatch, float, int]:
    """A stream that has spoken every ``gap_s``; the watch, the time, and its last id."""
    watch, now = DepthWatch(BOUND_S), 0.0
    for i in range(1, count + 1):
        now += gap_s
        watch.saw(now, i, i, i)
    return watch, now, count


def test_a_silence_within_the_streams_rhythm_is_quiet() -> None:
    watch, now, last = speaking(gap_s=2.0)
    watch.saw(now + 15.0, last, last, last)
    assert watch.life(now + 15.0) is Life.LIVE
    watch, now, last = speaking(gap_s=0.1)
    assert watch.life(now + BOUND_S - 0.1) is Life.LIVE
    assert watch.life(now + BOUND_S + 0.1) is Life.DOUBTFUL


def test_what_the_exchange_says_settles_a_doubt() -> None:
    watch, now, last = speaking()
    now += 10.0
    watch.asked(now, last)
    assert watch.life(now) is Life.LIVE
    assert watch.life(now + BOUND_S + 0.1) is Life.DOUBTFUL
    watch.asked(now, last + 1)
    assert watch.life(now + BOUND_S) is not Life.DEAD
    assert watch.life(now + BOUND_S + 0.1) is Life.DEAD


def test_quotes_ahead_for_longer_than_the_bound_are_proof_of_death() -> None:
    watch, now, last = speaking()
    for i in range(1, 40):
        watch.saw(now + i * 0.1, last, last, last + i)
        assert (watch.life(now + i * 0.1) is Life.DEAD) == (i * 0.1 - 0.1 > BOUND_S)


def test_quotes_ahead_of_a_book_that_is_not_are_explained_until_newer_ones_come() -> None:
    watch, now, last = speaking()
    watch.saw(now + 0.1, last, last, last + 5)
    watch.asked(now + BOUND_S + 0.2, last)
    assert watch.life(now + BOUND_S + 0.2) is Life.LIVE
    watch.saw(now + 4 * BOUND_S, last, last, last + 5)
    assert watch.life(now + 9 * BOUND_S) is Life.DOUBTFUL
    watch.saw(now + 9 * BOUND_S, last, last, last + 6)
    assert watch.life(now + 10 * BOUND_S + 0.1) is Life.DEAD
    watch.asked(now + 10 * BOUND_S + 0.2, last + 6)
    assert watch.life(now + 10 * BOUND_S + 0.2) is Life.DEAD


def test_a_stream_that_goes_on_but_ever_later_is_dead() -> None:
    """Each of its messages is new, and each tells of a market that was four seconds ago."""
    watch, now, last = speaking()
    for i in range(1, 80):
        now += 0.1
        watch.saw(now, last + i, last + max(0, i - 40), last + i)
        assert (watch.life(now) is Life.DEAD) == (i * 0.1 - 0.1 > BOUND_S + 0.05), i


def test_ids_that_begin_anew_are_no_death() -> None:
    """Whichever of both streams is known first to have begun anew."""
    for depth_first in (True, False):
        watch, now, last = speaking()
        for i in range(1, 80):
            now += 0.1
            depth = i if depth_first or i > 9 else last
            quote = i if not depth_first or i > 9 else last
            watch.saw(now, last + i, depth, quote)
            assert watch.life(now) is Life.LIVE, (depth_first, i)


def test_a_stream_that_never_spoke_is_asked_about() -> None:
    watch = DepthWatch(BOUND_S)
    assert watch.life(0.0) is Life.DOUBTFUL
    watch.asked(1.0, 500)
    assert watch.life(1.0) is Life.LIVE
    watch.asked(3.0, 500)
    assert watch.life(3.0) is Life.LIVE
    watch.asked(5.0, 501)
    assert watch.life(8.1) is Life.DEAD


def test_after_a_restart_ids_may_be_others() -> None:
    watch, now, last = speaking()
    watch.saw(now + 1, last, last, last + 50)
    watch.restarted()
    watch.saw(now + 2, last + 1, 3, 3)
    assert watch.life(now + 2) is Life.LIVE
    assert watch.life(now + 2 + BOUND_S - 0.1) is Life.LIVE


@given(st.lists(st.tuples(st.floats(0.01, 2), st.integers(0, 3), st.integers(0, 3), st.booleans()), max_size=80))
def test_dead_is_only_who_was_behind_for_longer_than_the_bound(
    steps: Sequence[tuple[float, int, int, bool]]
) -> None:
    """The naive twin keeps all that was known, with its times."""
    watch, now, messages, depth, quote = DepthWatch(BOUND_S), 0.0, 0, 0, 0
    known: list[tuple[int, float]] = []
    watch.saw(now, 1, 0, 0)
    for step, new, ahead, ask in steps:
        now += step
        messages, depth = messages + (new > 0), depth + new
        if depth - 1 + ahead > quote:
            quote = depth - 1 + ahead
            known.append((quote, now))
        watch.saw(now, 1 + messages, depth, quote)
        if ask:
            watch.asked(now, quote)
        dead = any(update_id > depth and now - since > BOUND_S for update_id, since in known)
        assert (watch.life(now) is Life.DEAD) == dead


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        (b'{"result":null,"id":1}', Reply(1, None)),
        (b'{"result":["a"],"id":3}', Reply(3, ["a"])),
        (b'{"code":2,"msg":"Invalid request","id":4}', Reply(4, None, "2 Invalid request")),
        (b'{"code":3,"msg":"Invalid JSON"}', Reply(None, None, "3 Invalid JSON")),
        (b'{"error":{"code":2,"msg":"Invalid"},"id":5}', Reply(5, None, "2 Invalid")),
        (b'{"error":"no","id":null}', Reply(None, None, "no")),
    ],
)
def test_answers_of_both_shapes_are_read(text: bytes, reply: Reply) -> None:
    assert read(text) == reply


@pytest.mark.parametrize(
    "text",
    [
        b'{"e":"serverShutdown","E":1}',
        b'{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1}}',
        b'{"event":{"e":"serverShutdown","E":1}}',
    ],
)
def test_a_shutdown_notice_is_read_in_each_form(text: bytes) -> None:
    assert read(text) == Shutdown()


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b"7", b"\xff\xfe", b"{}", b'{"result":1}', b'{"stream":"x","data":3}']
)
def test_what_is_nobodys_answer_is_told(text: bytes) -> None:
    found = read(text)
    assert isinstance(found, Unknown)
    assert found.why


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["id", "result", "error", "code", "msg", "data", "event", "e", "stream"]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(st.one_of(st.binary(max_size=60), JSON.map(lambda value: json.dumps(value).encode())))
def test_whatever_comes_is_read_as_something(text: bytes) -> None:
    assert isinstance(read(text), Reply | Shutdown | Unknown)


def test_requests_are_numbered_and_portioned() -> None:
    names = [f"s{i}@trade" for i in range(401)]
    assert [len(part) for part in portions(names)] == [200, 200, 1]
    asked: dict[str, Any] = json.loads(request("UNSUBSCRIBE", names[:2], 7))
    assert asked == {"method": "UNSUBSCRIBE", "params": names[:2], "id": 7}
    assert json.loads(request("LIST_SUBSCRIPTIONS", (), 8)) == {"method": "LIST_SUBSCRIPTIONS", "id": 8}
