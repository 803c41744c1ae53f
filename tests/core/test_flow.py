"""What a market has been doing lately, against a twin that keeps every record and reckons it all anew."""

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings, strategies as st
from native_records import apply, depth, read_capture, snapshot, trade

from ida_core.book import Market
from ida_core.flow import LONG_S, MOST_S
from ida_core.model import Side
from ida_core.native import lib

STEP = lib.IDA_FLOW_STEP_NS
SECOND = 1_000_000_000
LATER = lib.IDA_FLOW_LATER
BEGIN = 1_700_000_000 * SECOND + 123_456_789
NOTHING = None


class Twin:
    """All that happened, as (time, what); each figure from its definition in docs/market-state.md."""

    def __init__(self):
        self.mids = []  # (time, bid + ask or None), from that time on
        self.tops = []  # (time, (bid, lots, ask, lots) or None)
        self.trades = []  # (time, price, lots, sign)
        self.since = None  # when the trades began to be known
        self.now = 0

    def see_top(self, now, top):
        self.tops.append((now, top))
        self.mids.append((now, None if top is None else top[0] + top[2]))

    def mid_before(self, time):
        """Twice the mid as it stood before a time."""
        return next((both for at, both in reversed(self.mids) if at < time), None)

    def begin(self, window_s):
        return (self.now - round(window_s * SECOND)) // STEP * STEP

    def traded(self, window_s):
        begin = self.begin(window_s)
        if self.since is None or begin < (self.since // STEP + 1) * STEP:
            return NOTHING
        return [t for t in self.trades if t[0] >= begin]

    def returns(self, window_s, step_s):
        step = round(step_s * 10) * STEP
        end = self.now // step * step
        times = [end - i * step for i in range(round(window_s * SECOND) // step, -1, -1)]
        mids = [self.mid_before(time) if time > BEGIN else None for time in times]
        return [None if a is None or b is None else math.log(b) - math.log(a) for a, b in pairwise(mids)]

    def volatility(self, window_s):
        step_s = 1.0 if window_s >= LONG_S else 0.1
        found = self.returns(window_s, step_s)
        known = [r for r in found if r is not None]
        if len(known) < 5 or 2 * len(known) < len(found):
            return NOTHING
        return math.sqrt(sum(r * r for r in known) / (len(known) * step_s))

    def order_flow(self, window_s):
        begin, total, before = self.begin(window_s), 0, None
        known_from = None
        for at, top in self.tops:
            if top is None:
                known_from = None
            else:
                if before is None:
                    known_from = at
                elif at >= begin:
                    total += flow_of(before, top)
            before = top
        known = known_from is not None and begin >= (known_from // STEP + 1) * STEP
        return total if known else NOTHING

    def effective_spread(self, window_s):
        trades = self.traded(window_s)
        if trades is NOTHING:
            return NOTHING
        # of two records of one time the order counts: the twin keeps it by the mid that stood then
        weighed = [(sign * (2 * price - both) * lots, lots) for _, price, lots, sign, both in trades if both]
        lots = sum(q for _, q in weighed)
        return sum(w for w, _ in weighed) / lots if lots else NOTHING

    def realized_spread(self, window_s):
        if self.traded(window_s) is NOTHING:
            return NOTHING
        paid = lots_of = 0
        for at, price, lots, sign, _ in self.trades:
            looked = at // STEP + LATER + 1
            both = self.mid_before(looked * STEP)
            inside = self.begin(window_s) // STEP < looked <= self.now // STEP
            if inside and both:
                paid += sign * (2 * price - both) * lots
                lots_of += lots
        return paid / lots_of if lots_of else NOTHING

    def seconds(self, window_s):
        """Each whole second of the window as (trades, twice the mid at its begin, at its end)."""
        end = self.now // SECOND * SECOND
        while end - SECOND >= self.begin(window_s):
            trades = [t for t in self.trades if end - SECOND <= t[0] < end]
            yield trades, self.mid_before(end - SECOND), self.mid_before(end)
            end -= SECOND

    def illiquidity(self, window_s):
        if self.traded(window_s) is NOTHING:
            return NOTHING
        ratios = []
        for trades, was, now in self.seconds(window_s):
            turnover = sum(price * lots for _, price, lots, _, _ in trades)
            if turnover and was and now:
                ratios.append(abs(math.log(now / was)) / turnover)
        return sum(ratios) / len(ratios) if len(ratios) >= 10 else NOTHING

    def price_impact(self, window_s):
        if self.traded(window_s) is NOTHING:
            return NOTHING
        pairs = [
            (sum(lots * sign for _, _, lots, sign, _ in trades), (now - was) / 2)
            for trades, was, now in self.seconds(window_s) if was and now
        ]
        n = len(pairs)
        if n < 10:
            return NOTHING
        x, y = (sum(column) / n for column in zip(*pairs, strict=True))
        spread = sum((a - x) ** 2 for a, _ in pairs)
        return sum((a - x) * (b - y) for a, b in pairs) / spread if spread else NOTHING


def flow_of(was, now):
    """Cont, Kukanov and Stoikov, equation 1."""
    bid, bids, ask, asks = was
    new_bid, new_bids, new_ask, new_asks = now
    return (
        (new_bid >= bid) * new_bids - (new_bid <= bid) * bids - (new_ask <= ask) * new_asks + (new_ask >= ask) * asks
    )


class Play:
    """A market and its twin, given the same."""

    def __init__(self, chain=lib.IDA_CHAIN_CONTIGUOUS, max_price=100_000, pages=32):
        self.market = Market(chain, max_price, pages=pages)
        self.twin = Twin()
        self.id = 10
        self.now = BEGIN
        self.market.volatility(10)  # from now on it is kept
        self.top = (9_990, 5, 10_010, 7)

    def take(self, record):
        """A record of a recording."""
        self.now = record.head.ts_local_ns
        both = self.twin.mids[-1][1] if self.twin.mids else None
        self.record(record)
        if record.head.kind != lib.IDA_TRADE:
            self.see(self.market.book)
        elif record.price > 0:
            sign = -1 if record.head.flags & lib.IDA_FLAG_BUYER_IS_MAKER else 1
            self.twin.trades.append((self.now, record.price, record.quantity, sign, both))

    def start(self):
        bid, bids, ask, asks = self.top
        self.record(snapshot(self.id, [(1, 1), (bid, bids)], [(ask, asks), (99_999, 1)], ts=self.now))
        self.step()

    def record(self, record):
        if self.twin.since is None:
            self.twin.since = self.now
        self.twin.now = self.now
        apply(self.market, record)

    def step(self, gap=0):
        """One diff; of a gap the market asks for a snapshot."""
        book = self.market.book
        self.id += 1 + gap
        self.record(depth(self.id, ts=self.now))
        self.see(book)

    def see(self, book):
        market = self.market
        top = (book.bid, book.bid_quantity, book.ask, book.ask_quantity) if market.is_known else None
        if not self.twin.tops or self.twin.tops[-1][1] != top:
            self.twin.see_top(self.now, top)

    def do(self, what):
        wait, kind, a, b = what
        self.now += wait
        bid, _, ask, _ = self.top
        if kind == "move":
            self.move(bid + a, ask + b)
        elif kind == "lots":
            self.show([(bid, 1 + abs(a))], [(ask, 1 + abs(b))])
        elif kind == "trade":
            self.trade(bid if a < 0 else ask, 1 + abs(b), -1 if a < 0 else 1)
        elif kind == "gap":
            self.step(gap=1)
            self.record(snapshot(self.id, *self.sides(), ts=self.now))
            self.see(self.market.book)
        elif kind == "lost":
            self.lose()
            self.now += abs(a)
            self.start()

    def lose(self):
        """As far as a market without a clock can tell it was lost after its last record."""
        self.market.reset()
        self.twin.since = None
        self.twin.see_top(self.twin.now, None)

    def sides(self):
        bid, bids, ask, asks = self.top
        return [(1, 1), (bid, bids)], [(ask, asks), (99_999, 1)]

    def move(self, bid, ask):
        if not 100 < bid < ask < 90_000:
            return
        was_bid, _, was_ask, _ = self.top
        self.show([(was_bid, 0), (bid, 3)], [(was_ask, 0), (ask, 4)])

    def show(self, bids, asks):
        self.top = (*bids[-1], *asks[-1])
        self.id += 1
        self.record(depth(self.id, bids, asks, ts=self.now))
        self.see(self.market.book)

    def trade(self, price, lots, sign):
        flags = lib.IDA_FLAG_BUYER_IS_MAKER if sign < 0 else 0
        both = self.twin.tops[-1][1] and self.twin.mids[-1][1]
        self.record(trade(price, lots, flags, ts=self.now))
        self.twin.trades.append((self.now, price, lots, sign, both))

    def compare(self, window_s):
        market, twin = self.market, self.twin
        live = market.synced
        trades = twin.traded(window_s) if live else NOTHING
        totals = [
            (market.trade_flow, lambda t: t[2] * t[3]), (market.bought, lambda t: t[2] * (t[3] > 0)),
            (market.sold, lambda t: t[2] * (t[3] < 0)), (market.trade_count, lambda t: 1),
            (market.turnover, lambda t: t[1] * t[2]),
        ]  # fmt: skip
        for ask, of in totals:
            expected = NOTHING if trades is NOTHING else int(float(sum(map(of, trades))))
            assert ask(window_s) == expected, ask.__name__
        assert market.order_flow(window_s) == (twin.order_flow(window_s) if live else NOTHING)
        names = ["effective_spread", "realized_spread", "illiquidity", "price_impact"]
        for name in names + ["volatility"] * (window_s >= 0.5):
            expected = getattr(twin, name)(window_s) if live else NOTHING
            found = getattr(market, name)(window_s)
            assert (found is None) == (expected is None), (name, found, expected)
            if found is not None:
                assert found == pytest.approx(expected, rel=1e-7, abs=1e-12), name


WAITS = st.sampled_from([0, 1, STEP // 3, STEP, SECOND, 7 * SECOND]) | st.integers(0, 2 * SECOND)
SMALL = st.integers(-9, 9)
KINDS = st.sampled_from(["move", "move", "lots", "trade", "trade", "trade", "gap", "lost"])
THINGS = st.lists(st.tuples(WAITS, KINDS, SMALL, SMALL), max_size=60)
WINDOWS = st.sampled_from([0.1, 0.5, 1, 10, 60, 300, MOST_S]) | st.floats(0.5, 100)


@settings(max_examples=150, deadline=None)
@given(things=THINGS, windows=st.lists(WINDOWS, min_size=1, max_size=4), every=st.booleans())
def test_every_figure_is_its_definition(things, windows, every):
    play = Play()
    play.start()
    for thing in things:
        play.do(thing)
        if every:
            play.compare(windows[0])
    for window_s in windows:
        play.compare(window_s)


def steady(seconds=30, tick=0.5):
    """A market whose mid moves up and down, with a trade each time."""
    play = Play()
    play.start()
    for i in range(round(seconds / tick)):
        step = i * i % 7 - 2
        play.do((round(tick * SECOND), "move", step, step))
        play.do((0, "trade", 1 if i % 3 else -1, i % 4))
    return play


def test_a_steady_market_is_as_its_twin_in_every_figure():
    play = steady()
    for window_s in (1, 5, 10, 20.05):
        play.compare(window_s)
        assert play.market.volatility(window_s) is not None
        assert play.market.trade_flow(window_s) is not None
    assert play.market.illiquidity(20)
    assert play.market.price_impact(20) is not None
    assert play.market.effective_spread(20)
    assert play.market.realized_spread(20)


@pytest.mark.parametrize(("capture", "chain", "price", "quantity"), [
    ("spot_btcusdt_20240808", lib.IDA_CHAIN_CONTIGUOUS, 2, 8),
    ("usdm_btcusdt_20240808", lib.IDA_CHAIN_PREVIOUS, 1, 3),
])  # fmt: skip
def test_a_recording_is_as_its_twin(recordings, capture, chain, price, quantity):
    """Compared at some moments of the first two minutes, by every figure."""
    play, begin, compared = Play(chain, 1 << 30, 16384), None, 0
    for i, record in enumerate(read_capture(recordings / "captures" / f"{capture}.gz", price, quantity)):
        play.take(record)
        begin = begin or play.now
        if play.now - begin > 120 * SECOND:
            break
        if i % 4001 == 4000 or (i > 8000 and compared == 0):
            for window_s in (1, 10, 60):
                play.compare(window_s)
            compared += 1
    for window_s in (1, 10, 60, 100):
        play.compare(window_s)
    market = play.market
    assert None not in (market.volatility(60), market.trade_flow(60), market.turnover(100), market.effective_spread(60))


def test_nothing_is_known_before_there_is_enough():
    play = Play()
    market = play.market
    names = ["trade_flow", "bought", "sold", "trade_count", "turnover", "order_flow", "illiquidity", "price_impact",
             "effective_spread", "realized_spread", "volatility"]  # fmt: skip
    assert [getattr(market, name)(1) for name in names] == [None] * len(names)
    play.start()
    assert [getattr(market, name)(1) for name in names] == [None] * len(names)
    assert market.correlation(market, 60) is None


def test_trades_of_a_market_without_a_book_are_known():
    market = Market(lib.IDA_CHAIN_CONTIGUOUS, 1000)
    assert market.trade_flow(1) is None
    for i in range(21):
        apply(market, trade(100, 2, ts=BEGIN + i * STEP))
    assert market.trade_flow(1) == 22
    assert market.effective_spread(1) is None


def test_of_a_window_with_missing_trades_nothing_is_known():
    market = Market(lib.IDA_CHAIN_CONTIGUOUS, 1000)
    market.trade_flow(1)
    numbers = [*range(1, 22), *range(50, 75)]
    for i, number in enumerate(numbers):
        one = trade(100, 2, ts=BEGIN + i * STEP)
        one.trade_id = one.first_trade_id = one.last_trade_id = number
        apply(market, one)
        assert (market.trade_flow(1) is None) == (i < 11 or 21 <= i < 32), i
    assert market.trade_holes == 1


def test_an_hour_of_quiet_is_no_trades_and_a_mid_that_stood():
    play = steady()
    play.now += 3600 * SECOND
    play.do((0, "lots", 1, 1))
    for window_s in (1, 60, MOST_S):
        play.compare(window_s)
        assert (play.market.trade_count(window_s), play.market.volatility(window_s)) == (0, 0.0)


def test_silence_is_unknown_and_what_was_before_it_is_no_part_of_what_follows():
    play = steady()
    market = play.market
    asks = (market.trade_flow, market.order_flow, market.volatility)
    assert None not in [ask(1) for ask in asks]
    market.set_silent(True)
    assert [ask(1) for ask in asks] == [None, None, None]
    market.set_silent(False)
    assert [ask(1) for ask in asks[:2]] == [None, None]
    for _ in range(25):
        play.do((STEP, "trade", 1, 0))
    assert (market.trade_flow(1), market.order_flow(1)) == (11, 0)


def test_time_never_goes_back():
    play = steady()
    apply(play.market, trade(10_000, 5, ts=3))
    assert play.market.trade_count(1) == 4


def test_correlation_of_what_moves_together_and_against():
    """The same mid is 1; the other way round is -1; on a finer grid than the moves' both are as on theirs."""
    plays = [Play() for _ in range(3)]
    for play, sign in zip(plays, (1, 1, -1), strict=True):
        play.start()
        for i in range(400):
            step = sign * (1 if i * i % 7 < 3 else -1)
            play.do((SECOND // 4, "move", step, step))
    one, same, opposite = (play.market for play in plays)
    assert one.correlation(same, 60) == pytest.approx(1)
    assert one.correlation(opposite, 60) == pytest.approx(-1, abs=1e-3)
    assert one.correlation(opposite, 60) == opposite.correlation(one, 60)
    assert -1 <= one.correlation(opposite, 30, 0.1) < 0


@settings(max_examples=60, deadline=None)
@given(first=THINGS, second=THINGS, window_s=st.sampled_from([10, 30, 60.5]))
def test_correlation_is_its_definition(first, second, window_s):
    plays = [Play(), Play()]
    for play, things in zip(plays, (first, second), strict=True):
        play.start()
        for thing in things:
            play.do(thing)
    found = plays[0].market.correlation(plays[1].market, window_s)
    for play in plays:
        play.twin.now = max(one.now for one in plays)
    returns = [play.twin.returns(window_s, 1.0) for play in plays]
    pairs = [(a, b) for a, b in zip(*returns, strict=True) if a is not None and b is not None]
    aa, bb, ab = (sum(x * y for x, y in pairs_of) for pairs_of in (
        [(a, a) for a, _ in pairs], [(b, b) for _, b in pairs], pairs))
    live = all(play.market.synced for play in plays)
    known = live and len(pairs) >= 10 and 2 * len(pairs) >= len(returns[0]) and aa > 0 and bb > 0
    assert (found is not None) == known
    if known:
        assert found == pytest.approx(ab / math.sqrt(aa * bb), abs=1e-7)


@pytest.mark.parametrize("window_s", [0, -1, 0.05, MOST_S + 0.1, float("nan"), float("inf")])
def test_windows_have_their_range(window_s):
    market = Market(lib.IDA_CHAIN_CONTIGUOUS, 1000)
    for ask in (market.trade_flow, market.volatility, market.order_flow, market.realized_spread):
        with pytest.raises(ValueError, match="window_s"):
            ask(window_s)


@pytest.mark.parametrize("step_s", [0, -1, 0.05, 0.15, 2.1, 5])
def test_steps_have_their_range(step_s):
    market = Market(lib.IDA_CHAIN_CONTIGUOUS, 1000)
    with pytest.raises(ValueError, match="step_s"):
        market.volatility(10, step_s)


def test_books_that_are_left_are_not_known():
    play = steady()
    market, book = play.market, play.market.book
    assert market.is_known
    play.now += SECOND
    play.id += 1
    bid, _, _, _ = play.top
    play.record(depth(play.id, [(bid, 0), (1, 0)], ts=play.now))
    assert (market.synced, market.is_known, market.left_known) == (True, False, 1)
    assert (market.order_flow(1), market.volatility(1)) == (None, None) or market.order_flow(1) is None
    assert book.depth_to(Side.BUY, 0) is None
