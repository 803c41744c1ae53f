"""The timeline as time goes on, whatever comes when and however slow its taker is: nothing is told on a book that is
not of now, what is left out is counted, and the journal of it tells the same again."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings, strategies as st

from ida_binance.recording import BinanceRecording
from ida_core import Inlet, Instrument, MarketState, Note, Side, Subscription, VenueStatus, event_reader, silence
from ida_core.journal import JournalWriter, journal_sha256
from ida_core.native import ffi, lib
from ida_core.records import state_change
from ida_core.replay import JournalVenue
from ida_sim.timeline import Timeline

START, BOUND, DELAY, INTERVAL = 1_000_000, 3_000, 300, 200
BTC = Instrument(symbol="BTCUSDT", base="BTC", quote="USDT", tick_size=Decimal("0.01"), lot_size=Decimal("0.00001"))
PAIR = (BTC, msgspec.structs.replace(BTC, symbol="ETHUSDT", base="ETH"))
SUBSCRIPTIONS = (Subscription(book="every", trades=True), Subscription(book="every", interval_ns=INTERVAL))
QUEUE = (lib.IDA_QUEUE_RISK_AVERSE, 1.0)
FAR = 2**62


class Run:
    """A live timeline of two instruments with a taker that takes its time, and the twin that knows what is true."""

    def __init__(self, folder: Path) -> None:
        self.timeline = Timeline(len(PAIR))
        for _ in PAIR:
            self.timeline.add_instrument(lib.IDA_CHAIN_CONTIGUOUS, 10_000, QUEUE, 16)
        self.inlet = Inlet(len(PAIR), 1 << 16)
        self.timeline.set_inlet(self.inlet, START, BOUND, DELAY)
        self.markets = [self.timeline.market(i) for i in range(len(PAIR))]
        for i, subscription in enumerate(SUBSCRIPTIONS):
            self.timeline.subscribe(i, subscription)
        self.event, self.real = self.timeline.event, self.timeline.real()
        self.read = event_reader(self.event)
        self.journal = JournalWriter(folder, "run", segment_bytes=1 << 16, sync="none")
        self.journal.append(Note(ts_local_ns=START, what="start", data={
            "instruments": [msgspec.to_builtins(one) for one in PAIR], "chains": [0, 0]}))
        self.timeline.attach(self.journal)
        self.now = self.clock = self.judged = START
        self.ids = [10, 10]
        self.given: list[list[tuple[int, int]]] = [[(0, START)], [(0, START)]]  # (place in the inlet, its proof)
        self.silent = [False, False]
        self.told: list[Any] = []
        self.books: Counter[str] = Counter()
        self.left_out = 0
        self.said = 0
        for i in range(len(PAIR)):
            self.put("snapshot", i, 0)
            self.put("depth", i, 0)

    # ------------------------------------------------------------- what comes in

    def put(self, what: str, i: int, late: int) -> None:
        ts = self.clock - late
        if what == "snapshot":
            self.inlet.snapshot(i, self.ids[i], [(100, 5)], [(102, 5)], ts_local_ns=ts)
        elif what == "gap":
            self.ids[i] += 3
        elif what == "depth":
            self.ids[i] += 1
            self.inlet.depth(i, self.ids[i], self.ids[i], [(100, self.ids[i])], [], ts_local_ns=ts)
        elif what == "trade":
            self.inlet.trade(i, self.ids[i], 101, 1, Side.BUY, ts_local_ns=ts)
        elif what == "alive":
            self.inlet.alive(i, ts)
        else:
            self.said += 1
            self.inlet.tell(VenueStatus(state="DOWN", reason=f"{self.said}"))
        if what in ("depth", "alive"):
            self.given[i].append((int(self.inlet._view.entered), int(self.inlet.newest_ns)))

    # ------------------------------------------------------------- what goes out

    def take(self, until: int, most: int, busy: int) -> None:
        """Take up to so many happenings, each of which takes ``busy`` ns."""
        for _ in range(most):
            self.real[0] = self.clock
            what = lib.ida_timeline_next(self.timeline.pointer, until, self.event)
            now = self.event.now_ns
            assert self.now <= now <= max(until, self.now)
            if now > self.now:
                self.judged = max(now, self.clock)
            self.now = now
            if what in (lib.IDA_AT_TIME, lib.IDA_AT_PAUSE):
                return
            self.check_and_note(what)
            self.clock += busy

    def proof(self, i: int) -> int:
        """The last proof of life of what has gone out so far."""
        taken = int(self.inlet._view.taken)
        return max(ts for place, ts in self.given[i] if place <= taken)

    def check_and_note(self, what: int) -> None:
        i, event = self.event.instrument, self.event
        told: Any = None
        if what == lib.IDA_AT_BOOK:
            assert self.markets[i].synced
            told = i
            self.books["told"] += 1
        elif what == lib.IDA_AT_RECORD:
            told = self.read()
        elif what == lib.IDA_AT_BEHIND:
            told = Note(ts_local_ns=self.now, what="behind" if event.changes else "caught_up", data=event.told[1])
            self.left_out = event.told[1]
        elif what == lib.IDA_AT_TOLD:
            told = msgspec.structs.replace(self.inlet.take_told(), ts_local_ns=self.now)
        elif event.record:
            told = state_change(self.markets[i], event.changes, event.record, i)
        else:
            told = silence(self.markets[i], event.changes, i, self.now, *event.told[0:2])
            assert told.silent is not self.silent[i]
            self.silent[i] = told.silent
        self.check_age(told)
        if not isinstance(told, int) and isinstance(told, Note | MarketState | VenueStatus):
            self.journal.append(told)
        self.told.append((told, self.now, *seen(self.markets)))

    def check_age(self, told: Any) -> None:
        """Whoever is told anything sees no book as good that is older than the bound, nor one as stale that is not."""
        for i, market in enumerate(self.markets):
            age = self.judged - self.proof(i)
            is_this = isinstance(told, MarketState) and told.silent is not None
            if self.silent[i]:
                assert not market.synced
                assert not self.timeline.exchange_ready(i)
                assert age > BOUND or not is_this or told.instrument != i
            elif not is_this:
                assert age <= BOUND, f"{told} was told on a book of {age} ns ago"

    def end(self) -> None:
        self.journal.append(Note(ts_local_ns=self.now, what="stop", detail="enough"))
        self.timeline.attach(None)
        self.journal.close()


def seen(markets: list[Any]) -> Iterator[Any]:
    for market in markets:
        yield market.synced, market.book.bid_quantity, market.last_update_id, market.counts["trade"]


def replayed(folder: Path) -> Iterator[Any]:
    venue = JournalVenue(folder)
    markets = [venue.market(i) for i in range(len(PAIR))]
    for i, subscription in enumerate(SUBSCRIPTIONS):
        venue.subscribe(i, subscription)
    try:
        while True:
            told = venue.next_event(FAR)
            if isinstance(told, Note) and told.what == "stop":
                return
            assert told is not None
            venue.comparison.append(told) if not isinstance(told, int) else None
            yield (told, venue.now_ns, *seen(markets))
    finally:
        venue.close()


STEPS = st.one_of(
    st.tuples(st.just("wait"), st.sampled_from([1, 10, 100, 250, 301, 1400, 1600, 3001, 7000])),
    st.tuples(st.sampled_from(["depth", "depth", "trade", "alive", "snapshot", "gap", "tell"]),
              st.integers(0, 1), st.sampled_from([0, 0, 0, 5, 400, 4000])),
    st.tuples(st.just("flood"), st.integers(1, 30), st.integers(1, 60)),
    st.tuples(st.just("take"), st.sampled_from([1, 3, 1000]), st.sampled_from([0, 0, 1, 40, 500, 3500])),
    st.tuples(st.just("timer"), st.sampled_from([1, 50, 199, 200, 1000]), st.just(0)),
)


def play(folder: Path, steps: list[tuple[Any, ...]]) -> Run:
    run = Run(folder)
    for what, *figures in steps:
        if what == "wait":
            run.clock += figures[0]
        elif what == "flood":
            for k in range(figures[0]):
                run.clock += figures[1]
                run.put("trade" if k % 7 == 3 else "depth", k % 2, 0)
        elif what == "take":
            run.take(run.clock, figures[0], figures[1])
        elif what == "timer":
            run.take(min(run.now + figures[0], run.clock), 1000, 0)
        else:
            run.put(what, *figures)
    run.take(run.clock, 1_000_000, 0)
    run.end()
    return run


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, max_size=60))
@example([("wait", 3001), ("depth", 0, 0), ("take", 1000, 0)])
@example([("flood", 30, 30), ("take", 1000, 40), ("flood", 30, 1), ("take", 1000, 0)])
def test_nothing_is_told_on_an_old_book_and_the_journal_tells_the_same(steps: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = play(Path(folder), steps)
        assert list(replayed(Path(folder))) == run.told


def test_a_taker_that_is_slow_is_told_of_the_newest_book_and_of_every_trade(tmp_path: Path) -> None:
    run = play(tmp_path, [("take", 1000, 0), *[("flood", 100, 10), ("take", 1000, 20)] * 20])
    notes = [told.what for told, *_ in run.told if isinstance(told, Note)]
    assert notes
    assert notes == ["behind", "caught_up"] * (len(notes) // 2)
    states = Counter(type(told).__name__ for told, *_ in run.told)
    trades = run.markets[0].counts["trade"]
    assert trades > 100
    assert states["Trade"] == trades
    changes = run.markets[0].applied - 1  # of the one without an interval; the first brought it into step
    books = sum(told == 0 for told, *_ in run.told if isinstance(told, int))
    assert books + run.left_out >= changes > 2 * books
    last = next(told for told in reversed(run.told) if told[0] == 0 and isinstance(told[0], int))
    assert last[2][2] == run.markets[0].last_update_id
    assert run.inlet.lag.records == 0


def test_a_disproved_book_is_told_and_healed_for_us_and_for_the_exchange(tmp_path: Path) -> None:
    """The exchange's side was built of the same wrong record: it takes the next snapshot, too."""
    run = Run(tmp_path)
    for _ in range(4):
        run.put("depth", 0, 0)
        run.inlet.quote(0, run.ids[0], 99, 1, 102, 5, ts_local_ns=run.clock)
    run.take(run.clock + 1, 1000, 0)
    states = [told for told, *_ in run.told if isinstance(told, MarketState)]
    assert (states[-1].state, "best bid and ask differ" in states[-1].reason) == ("STALE", True)
    assert not run.markets[0].synced
    assert not run.timeline.exchange_ready(0)
    run.clock += 10
    run.inlet.snapshot(0, run.ids[0], [(99, 1)], [(102, 5)], ts_local_ns=run.clock)
    run.ids[0] += 1
    run.inlet.depth(0, run.ids[0], run.ids[0], [(98, 7)], [], ts_local_ns=run.clock)
    run.take(run.clock + 1, 1000, 0)
    run.end()
    assert run.markets[0].synced
    for book in (run.markets[0].book, run.timeline.exchange_book(0)):
        assert book.levels(Side.BUY, 9) == [(99, 1), (98, 7)]


def test_the_same_records_make_the_same_journal_live_and_from_a_file(recordings: Path, tmp_path: Path) -> None:
    """Live, a record is at the exchange and at us at once; what we see of the market, and so journal, is the same."""
    path = recordings / "captures" / "spot_btcusdt_20240808_first15s.gz"
    (feed,) = BinanceRecording().open([path], {"instruments": {}, "on_damage": "stop"})
    header = ffi.cast("ida_feed_header *", feed.pointer)
    first, size = ffi.cast("char *", feed.pointer) + header.records_offset, header.records_bytes
    item = feed.meta.instruments[0]
    journals = []
    for live in (False, True):
        timeline = Timeline(1)
        timeline.add_instrument(item.chain, 2 * item.highest_price, QUEUE, 16)
        inlet, start = Inlet(1), ffi.cast("ida_record *", first).ts_local_ns
        if live:
            timeline.set_inlet(inlet, start, FAR, FAR)
        else:
            timeline.add_feed(feed, [0], 0)
        journals.append(JournalWriter(tmp_path / str(live), "run", sync="none"))
        timeline.attach(journals[-1])
        at = 0
        while live and at < size:
            record = ffi.cast("ida_record *", first + at)
            assert lib.ida_inlet_push(inlet.pointer, record) == lib.IDA_OK
            at += record.length
            while lib.ida_timeline_next(timeline.pointer, record.ts_local_ns, timeline.event) != lib.IDA_AT_TIME:
                pass
        while not live and lib.ida_timeline_next(timeline.pointer, FAR, timeline.event) != lib.IDA_AT_END:
            pass
        market = timeline.market(0)
        assert market.synced
        journals[-1].close()
    assert journal_sha256(tmp_path / "False") == journal_sha256(tmp_path / "True")
    feed.close()


def test_a_live_timeline_stands_alone() -> None:
    from ida_core import IdaError
    from ida_sim.timeline import agents_config

    timeline = Timeline(1)
    timeline.add_instrument(0, 100_000, QUEUE, 16)
    timeline.add_agents(0, agents_config(
        seed=1, start_ns=0, start_price=5_000, typical_quantity=10, volatility=0.03, events_per_s=10, half_spread=1,
        latency_ms=Decimal(1), jitter_ms=Decimal(1)))
    with pytest.raises(IdaError, match="cannot go on live: wrong state"):
        timeline.set_inlet(Inlet(1), START, BOUND, DELAY)
