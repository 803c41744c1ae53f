"""Depth sync against a twin that keeps every diff in a list: chains dropped, doubled, swapped."""

import pytest
from hypothesis import given, settings, strategies as st
from native_records import apply, depth, snapshot

from ida_core.book import Market
from ida_core.native import ffi, lib

SPOT, FUTURES = lib.IDA_CHAIN_CONTIGUOUS, lib.IDA_CHAIN_PREVIOUS
APPLY, STALE, GAP = lib.IDA_APPLY, lib.IDA_STALE_DIFF, lib.IDA_GAP
BUFFERED, OVERFLOW = lib.IDA_BUFFERED, lib.IDA_OVERFLOW
REPLACE, OLD, SPARE = lib.IDA_REPLACE, lib.IDA_OLD_SNAPSHOT, lib.IDA_SPARE_SNAPSHOT
WAITING, FIRST, SYNCED = lib.IDA_WAITING, lib.IDA_FIRST, lib.IDA_SYNCED


class Sync:
    """The one under test."""

    def __init__(self, chain, buffer_bytes=1 << 16):
        self.native = ffi.gc(lib.ida_sync_new(chain, buffer_bytes), lib.ida_sync_free)
        self.view = lib.ida_sync_look(self.native)

    def diff(self, first, last, previous, levels=0):
        ids = {"first_id": first, "previous_id": previous}
        return lib.ida_sync_judge(self.native, depth(last, [(1, 1)] * levels, **ids))

    def snapshot(self, last):
        """The verdict, and the last ids of the diffs replayed."""
        verdict, replayed = lib.ida_sync_judge(self.native, snapshot(last)), []
        while verdict == REPLACE and (kept := lib.ida_sync_replay(self.native)):
            assert kept.head.length == ffi.sizeof("ida_depth") + 16 * kept.bids
            replayed.append(kept.last_id)
        return verdict, replayed

    def reset(self):
        lib.ida_sync_reset(self.native)

    def state(self):
        view = self.view
        return (
            view.last_id, view.snapshot_id, view.applied, view.stale, view.buffered, view.gaps,
            view.snapshots, view.state,
        )  # fmt: skip


class Twin:
    """The rules as the documents word them, with no thought of memory."""

    def __init__(self, chain):
        self.futures = chain == FUTURES
        self.kept, self.last, self.snapshot_id, self.mode = [], -1, -1, WAITING
        self.applied = self.stale = self.gaps = self.snapshots = 0

    def diff(self, first, last, previous, levels=0):
        if self.mode == WAITING:
            self.kept.append((first, last, previous))
            return BUFFERED
        verdict = self.judge(first, last, previous)
        if verdict == GAP:
            self.kept.append((first, last, previous))
        return verdict

    def judge(self, first, last, previous):
        if self.mode == FIRST:
            known = last < self.last if self.futures else last <= self.last
            follows = self.joins(first, previous, self.last)
        else:
            known = last <= self.last
            follows = previous == self.last if self.futures else first <= self.last + 1
        if known:
            self.stale += 1
            if not self.futures and len(self.kept) <= 1:
                self.mode = SYNCED
            return STALE
        if not follows:
            self.gaps += 1
            self.mode = WAITING
            return GAP
        self.applied, self.last, self.mode = self.applied + 1, last, SYNCED
        return APPLY

    def joins(self, first, previous, last):
        if self.futures:
            return first <= last or 0 <= previous <= last
        return first <= last + 1

    def snapshot(self, last):
        if self.mode == SYNCED or (self.mode == FIRST and last <= self.last):
            return SPARE, []
        if self.kept and not self.joins(self.kept[0][0], self.kept[0][2], last):
            return OLD, []
        self.mode, self.last, self.snapshot_id = FIRST, last, last
        self.snapshots += 1
        replayed = []
        while self.kept and self.mode != WAITING:
            verdict = self.judge(*self.kept[0])
            if verdict != GAP:
                replayed += [self.kept[0][1]] * (verdict == APPLY)
                self.kept.pop(0)
        return REPLACE, replayed

    def reset(self):
        self.kept, self.mode = [], WAITING

    def state(self):
        return (
            self.last, self.snapshot_id, self.applied, self.stale, len(self.kept), self.gaps,
            self.snapshots, self.mode,
        )  # fmt: skip


def chain_of(widths):
    """A whole chain of diffs (first, last, previous) whose ids are so many wide."""
    last, diffs = 100, []
    for width in widths:
        diffs.append((last + 1, last + width, last))
        last += width
    return diffs


@st.composite
def stories(draw):
    """What arrives: a chain with faults, and snapshots of the past, the present and the future."""
    diffs = chain_of(draw(st.lists(st.integers(1, 4), min_size=1, max_size=25)))
    faults = ["none"] * 8 + ["drop", "double", "swap", "snapshot", "reset"]
    story = []
    for i, diff in enumerate(diffs):
        fault = draw(st.sampled_from(faults))
        if fault == "snapshot":
            story.append(("snapshot", max(0, diff[1] + draw(st.integers(-12, 6)))))
        if fault == "reset":
            story.append(("reset",))
        if fault == "swap" and i and story:
            story.insert(len(story) - 1, ("diff", *diff))
        elif fault != "drop":
            story += [("diff", *diff)] * (2 if fault == "double" else 1)
    story.append(("snapshot", diffs[-1][1] - draw(st.integers(0, 10))))
    return story


@settings(max_examples=400, deadline=None)
@given(chain=st.sampled_from([SPOT, FUTURES]), story=stories())
def test_decides_as_its_twin(chain, story):
    sync, twin = Sync(chain), Twin(chain)
    for verb, *arguments in story:
        assert getattr(sync, verb)(*arguments) == getattr(twin, verb)(*arguments)
        assert sync.state() == twin.state()


@settings(max_examples=200, deadline=None)
@given(
    diffs=st.lists(st.tuples(st.integers(1, 3), st.integers(0, 40)), min_size=1, max_size=60),
    buffer_bytes=st.integers(0, 4000),
    keep=st.integers(0, 60),
)
def test_a_full_buffer_loses_the_oldest(diffs, buffer_bytes, keep):
    sync = Sync(SPOT, buffer_bytes)
    chain, kept = chain_of([width for width, _ in diffs]), []
    for (first, last, previous), (_, levels) in zip(chain, diffs, strict=True):
        before = sync.view.buffered
        verdict = sync.diff(first, last, previous, levels)
        kept.append((first, last, ffi.sizeof("ida_depth") + 16 * levels))
        assert (verdict == OVERFLOW) == (sync.view.buffered != before + 1)
        del kept[: len(kept) - sync.view.buffered]
        assert sum(length for _, _, length in kept) <= buffer_bytes
    if kept:
        middle = kept[min(keep, len(kept) - 1)]
        expected = [last for _, last, _ in kept if last > middle[1]]
        assert sync.snapshot(kept[0][0] - 2) == (OLD, [])
        assert sync.snapshot(middle[1]) == (REPLACE, expected)
    assert sync.view.buffered == 0


def test_the_ring_is_used_round_and_round():
    """Gap after gap, each kept and replayed, so that places wrap at every offset."""
    sync, last = Sync(FUTURES, 1000), 0
    for i in range(300):
        assert sync.diff(last + 2, last + 3, last + 1, levels=i % 7) in (GAP, BUFFERED)
        assert sync.diff(last + 4, last + 5, last + 3, levels=i % 11) == BUFFERED
        assert sync.snapshot(last + 2) == (REPLACE, [last + 3, last + 5])
        last += 5
    assert (sync.view.applied, sync.view.gaps, sync.view.stale) == (600, 299, 0)


@pytest.mark.parametrize(
    ("chain", "diff", "verdict"),
    [
        (SPOT, (5, 9, -1), STALE), (SPOT, (5, 10, -1), STALE), (SPOT, (5, 11, -1), APPLY),
        (SPOT, (11, 11, -1), APPLY), (SPOT, (12, 12, -1), GAP),
        (FUTURES, (5, 9, 4), STALE), (FUTURES, (5, 10, 4), APPLY), (FUTURES, (10, 11, 9), APPLY),
        (FUTURES, (12, 13, 10), APPLY), (FUTURES, (12, 13, 9), APPLY),
        (FUTURES, (12, 13, 11), GAP), (FUTURES, (12, 13, -1), GAP),
    ],
)  # fmt: skip
def test_the_first_diff_after_snapshot_10(chain, diff, verdict):
    sync = Sync(chain)
    assert sync.snapshot(10) == (REPLACE, [])
    assert sync.diff(*diff) == verdict


@pytest.mark.parametrize(
    ("chain", "diff", "verdict", "ids"),
    [
        (SPOT, (11, 11, -1), STALE, (-1, -1)), (SPOT, (12, 15, -1), APPLY, (-1, -1)),
        (SPOT, (11, 15, -1), APPLY, (-1, -1)), (SPOT, (13, 15, -1), GAP, (12, 13)),
        (FUTURES, (10, 11, 9), STALE, (-1, -1)), (FUTURES, (20, 25, 11), APPLY, (-1, -1)),
        (FUTURES, (12, 15, 10), GAP, (11, 10)), (FUTURES, (12, 15, 12), GAP, (11, 12)),
    ],
)  # fmt: skip
def test_a_diff_in_step_at_11(chain, diff, verdict, ids):
    sync = Sync(chain)
    sync.snapshot(10)
    assert sync.diff(10, 11, 9) == APPLY
    assert sync.diff(*diff) == verdict
    assert (sync.view.expected_id, sync.view.found_id) == ids
    assert sync.view.state == (WAITING if verdict == GAP else SYNCED)


def test_a_newer_snapshot_replaces_one_that_no_diff_followed():
    sync = Sync(SPOT)
    verdicts = [sync.snapshot(last)[0] for last in (10, 9, 10, 11)]
    assert verdicts == [REPLACE, SPARE, SPARE, REPLACE]
    assert sync.view.last_id == 11


def test_diffs_wait_their_turn_behind_those_not_yet_replayed():
    sync = Sync(SPOT)
    sync.diff(11, 11, -1)
    sync.diff(12, 12, -1)
    assert lib.ida_sync_judge(sync.native, snapshot(10)) == REPLACE
    assert lib.ida_sync_replay(sync.native).last_id == 11
    assert sync.diff(13, 13, -1) == BUFFERED
    assert [lib.ida_sync_replay(sync.native).last_id for _ in range(2)] == [12, 13]
    assert lib.ida_sync_replay(sync.native) == ffi.NULL
    assert sync.diff(14, 14, -1) == APPLY


def test_there_are_two_rules():
    assert lib.ida_sync_new(2, 100) == ffi.NULL


SECOND = 1_000_000_000


@pytest.mark.parametrize("chain", [SPOT, FUTURES])
@pytest.mark.parametrize(
    ("after", "verdict"), [(2 * SECOND, GAP), (SECOND, STALE), (-5 * SECOND, STALE)], ids=["later", "soon", "past"]
)
def test_ids_that_begin_anew_at_a_later_time_are_a_gap(chain: int, after: int, verdict: int) -> None:
    market = Market(chain, 1000)
    began = 10 * SECOND
    apply(market, snapshot(1000, [(5, 1)], [(6, 1)]))
    apply(market, depth(1001, [(5, 2)], first_id=1001, previous_id=1000, ts=began))
    for i in range(1, 8):
        apply(market, depth(i, first_id=i, previous_id=i - 1, ts=began + after))
    assert market.synced
    assert market.gaps == 0
    changes = apply(market, depth(8, first_id=8, previous_id=7, ts=began + after))
    assert bool(changes & lib.IDA_CHANGED_GAP) == (verdict == GAP) == (market.state == "WAITING")
    apply(market, snapshot(8, [(3, 1)], [(4, 1)]))
    apply(market, depth(9, [(3, 2)], first_id=9, previous_id=8, ts=began + after))
    assert market.synced
    assert market.last_update_id == (9 if verdict == GAP else 1001)
