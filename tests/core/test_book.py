"""The book against a twin made of two dicts, and what is read of it."""

import hashlib
from decimal import Decimal
from math import ceil, floor

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from native_records import depth, snapshot

from ida_core.book import Book, native_grid
from ida_core.errors import DataError
from ida_core.model import Instrument, Side, plain
from ida_core.native import lib

PAGES = 6
MAX_PRICE = 512 * 64 * 70
SIDES = st.sampled_from([Side.BUY, Side.SELL])
NEAR = st.integers(1000, 1100)
EDGES = st.sampled_from([0, 1, 511, 512, 32767, 32768, MAX_PRICE - 1, MAX_PRICE])
PRICES = NEAR | EDGES | st.integers(0, MAX_PRICE)
LOTS = st.just(0) | st.integers(1, 9) | st.just(2**62)
LEVELS = st.lists(st.tuples(PRICES, LOTS), max_size=12)


WHOLE = {Side.BUY: -(2**63), Side.SELL: 2**63 - 1}


class Twin:
    """The book as two dicts, with its pool of pages counted."""

    def __init__(self):
        self.sides = {Side.BUY: {}, Side.SELL: {}}
        self.known = dict(WHOLE)

    def pages(self):
        return sum(len({price // 512 for price in levels}) for levels in self.sides.values())

    def set(self, side, price, lots):
        """The former quantity, or None when no page is left."""
        levels = self.sides[side]
        before = levels.get(price, 0)
        if lots:
            levels[price] = lots
        else:
            levels.pop(price, None)
        if self.pages() > PAGES:
            del levels[price]
            return None
        return before

    def begin(self, bids, asks, flags):
        """Forget all; what a snapshot of so many levels lets be known."""
        self.__init__()
        if bids and len(bids) >= len(asks) and not flags:
            self.known[Side.BUY] = min(price for price, _ in bids)
        if asks and len(asks) >= len(bids) and not flags:
            self.known[Side.SELL] = max(price for price, _ in asks)

    def reaches(self, side, price):
        """``price`` None: the end of the side."""
        end = WHOLE[side] if price is None else price
        return end >= self.known[side] if side is Side.BUY else end <= self.known[side]

    def sorted(self, side):
        return sorted(self.sides[side].items(), reverse=side is Side.BUY)


class BookMachine(RuleBasedStateMachine):
    @initialize()
    def make(self):
        self.book, self.twin = Book(MAX_PRICE, pages=PAGES), Twin()

    @rule(side=SIDES, price=PRICES, lots=LOTS)
    def set(self, side, price, lots):
        expected = self.twin.set(side, price, lots)
        if expected is None:
            with pytest.raises(DataError, match="full"):
                self.book.set(side, price, lots)
        else:
            assert self.book.set(side, price, lots) == expected

    @rule(side=SIDES, index=st.integers(0, 3))
    def remove_near_the_top(self, side, index):
        levels = self.twin.sorted(side)
        if index < len(levels):
            self.set(side, levels[index][0], 0)

    @rule(bids=LEVELS, asks=LEVELS, whole=st.booleans(), flags=st.sampled_from([0, lib.IDA_FLAG_WHOLE]))
    def apply(self, bids, asks, whole, flags):
        if whole:
            self.twin.begin(bids, asks, flags)
        record = (snapshot if whole else depth)(1, bids, asks)
        record.head.flags = flags
        rows = [(Side.BUY, *level) for level in bids] + [(Side.SELL, *level) for level in asks]
        fits = all(self.twin.set(*row) is not None for row in rows)
        status = lib.ida_book_apply(self.book.pointer, record)
        assert status == (lib.IDA_OK if fits else lib.IDA_FULL)

    @rule(side=SIDES, price=st.sampled_from([-1, MAX_PRICE + 1, -(2**63), 2**63 - 1]))
    def refuse_prices_out_of_range(self, side, price):
        with pytest.raises(DataError, match="range"):
            self.book.set(side, price, 1)
        assert not self.book.quantity_at(side, price)

    @rule(side=SIDES, price=PRICES)
    def refuse_negative_quantities(self, side, price):
        with pytest.raises(DataError, match="range"):
            self.book.set(side, price, -1)

    @rule()
    def clear(self):
        self.book.clear()
        self.twin = Twin()

    @rule(side=SIDES, price=st.just(None) | PRICES)
    def know(self, side, price):
        if (price is not None and side is Side.BUY) or price is not None:
            self.twin.known[side] = price
        known = self.twin.known
        lib.ida_book_set_known(self.book.pointer, {"bid": known[Side.BUY], "ask": known[Side.SELL]})

    @rule(side=SIDES, price=PRICES)
    def next_price(self, side, price):
        worse = [p for p, _ in self.twin.sorted(side) if (p < price) == (side is Side.BUY)]
        worse = [p for p in worse if p != price]
        assert self.book.next_price(side, price) == (worse[0] if worse else None)

    @rule(side=SIDES, lots=st.integers(0, 40) | st.just(2**63 - 1))
    def walk(self, side, lots):
        left, worst, notional = lots, None, 0
        for price, there in self.twin.sorted(side):
            if left:
                taken = min(left, there)
                left, worst, notional = left - taken, price, notional + price * taken
        known = not lots or self.twin.reaches(side, None if left else worst)
        assert self.book.walk(side, lots) == (lots - left, worst, notional, known)
        full = known and lots and not left
        assert self.book.vwap_to(side, lots) == (notional / lots if full else None)

    def lots_to(self, side, price):
        levels = self.twin.sorted(side)
        upto = [q for p, q in levels if p == price or (p > price) == (side is Side.BUY)]
        return min(sum(upto), 2**63 - 1) if self.twin.reaches(side, price) else None

    @rule(side=SIDES, price=PRICES)
    def depth_to(self, side, price):
        assert self.book.depth_to(side, price) == self.lots_to(side, price)
        there = self.twin.sides[side].get(price, 0)
        assert self.book.quantity_at(side, price) == (there if there or self.twin.reaches(side, price) else None)

    @rule(side=SIDES, bps=st.sampled_from([0, 1, 2.5, 100, 1000, 12_000]) | st.floats(0, 500))
    def depth_within(self, side, bps):
        bids, asks = self.twin.sorted(Side.BUY), self.twin.sorted(Side.SELL)
        if not bids or not asks:
            assert self.book.depth_within(side, bps) is None
            return
        mid = (bids[0][0] + asks[0][0]) / 2
        away = mid * bps / 10_000
        price = max(0, ceil(mid - away)) if side is Side.BUY else floor(mid + away)
        if price >= MAX_PRICE and side is Side.SELL:
            price = 2**63 - 1
        assert self.book.depth_within(side, bps) == self.lots_to(side, price)

    @rule(side=SIDES, n=st.integers(-1, 30))
    def levels(self, side, n):
        levels, twin = self.book.levels(side, n), self.twin.sorted(side)
        assert levels == twin[: max(n, 0)]
        assert levels.known == (n < 1 or self.twin.reaches(side, levels[-1][0] if len(levels) == n else None))

    @rule(n=st.integers(2, 30))
    def imbalance(self, n):
        sides = [self.book.levels(side, n) for side in (Side.BUY, Side.SELL)]
        bids, asks = (min(sum(lots for _, lots in levels), 2**63 - 1) for levels in sides)
        known = all(levels.known for levels in sides)
        expected = (bids - asks) / (bids + asks) if known and bids + asks else None
        assert self.book.imbalance(n) == expected

    @rule(side=SIDES)
    def known_to(self, side):
        price = self.twin.known[side]
        assert self.book.known_to(side) == (None if price == WHOLE[side] else price)

    @invariant()
    def same(self):
        if not hasattr(self, "book"):
            return
        bids, asks = self.twin.sorted(Side.BUY), self.twin.sorted(Side.SELL)
        assert self.book.level_counts == (len(bids), len(asks))
        best_bid, best_ask = bids[0] if bids else (None, 0), asks[0] if asks else (None, 0)
        assert (self.book.bid, self.book.bid_quantity) == best_bid
        assert (self.book.ask, self.book.ask_quantity) == best_ask


BookMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
TestBookMachine = BookMachine.TestCase


@pytest.mark.parametrize("gone", [(1002, 1003), (1002, 1001, 1003), (1002, 1002), (1003, 1002, 1003)])
def test_what_is_gone_beyond_the_best_does_not_bring_a_gone_best_back(gone):
    """1003 never had a level; its page is there."""
    book = Book(MAX_PRICE)
    levels = [(price, 1) for price in (1000, 1001, 1002)]
    mirrored = [(2023 - price, 1) for price, _ in levels]
    lib.ida_book_apply(book.pointer, snapshot(1, levels, mirrored))
    record = depth(2, [(price, 0) for price in gone], [(2023 - price, 0) for price in gone])
    assert lib.ida_book_apply(book.pointer, record) == lib.IDA_OK
    best = 1000 if 1001 in gone else 1001
    assert (book.bid, book.bid_quantity, book.ask, book.ask_quantity) == (best, 1, 2023 - best, 1)


def test_every_level_survives_a_walk_through_all_prices():
    book, prices = Book(MAX_PRICE), range(3, MAX_PRICE, 977)
    for price in prices:
        book.set(Side.BUY, price, price)
        book.set(Side.SELL, price, price)
    assert [p for p, _ in book.levels(Side.BUY, 10**6)] == list(reversed(prices))
    for price in prices:
        assert book.ask == price
        book.set(Side.SELL, price, 0)
    for price in reversed(prices):
        assert book.bid == price
        book.set(Side.BUY, price, 0)
    assert book.level_counts == (0, 0)


@pytest.fixture
def book():
    """Bids 99 x 6, 98 x 4; asks 101 x 2, 104 x 18."""
    book = Book(1000)
    for side, price, lots in [("BUY", 99, 6), ("BUY", 98, 4), ("SELL", 101, 2), ("SELL", 104, 18)]:
        book.set(Side(side), price, lots)
    return book


def test_reads_the_top(book):
    assert (book.bid, book.ask, book.bid_quantity, book.ask_quantity) == (99, 101, 6, 2)
    assert (book.mid, book.spread, book.microprice) == (100.0, 2, (99 * 2 + 101 * 6) / 8)
    assert (book.imbalance(), book.imbalance(2), book.imbalance(9)) == (0.5, -1 / 3, -1 / 3)


def test_reads_the_depth(book):
    assert book.vwap_to(Side.SELL, 4) == (2 * 101 + 2 * 104) / 4
    assert book.vwap_to(Side.SELL, 21) is None
    assert book.vwap_to(Side.SELL, 0) is None
    assert book.walk(Side.BUY, 7) == (7, 98, 6 * 99 + 98, True)
    assert (book.depth_to(Side.SELL, 103), book.depth_to(Side.SELL, 104)) == (2, 20)
    assert (book.quantity_at(Side.BUY, 98), book.quantity_at(Side.BUY, 97)) == (4, 0)


def test_an_empty_side_is_none(book):
    book.set(Side.SELL, 101, 0)
    book.set(Side.SELL, 104, 0)
    assert (book.ask, book.ask_quantity, book.bid) == (None, 0, 99)
    assert (book.mid, book.spread, book.microprice, book.imbalance()) == (None, None, None, 1.0)
    assert Book(10).imbalance() is None


@pytest.mark.parametrize(
    ("tick", "lot"),
    [("0.01", "0.00001"), ("0.5", "1"), ("10", "0.003"), ("1E+2", "100"), ("1", "1")],
)
def test_hash_is_of_plain_lines(book, tick, lot):
    instrument = Instrument(
        symbol="X", base="A", quote="B", tick_size=Decimal(tick), lot_size=Decimal(lot)
    )
    lines = [
        f"{letter} {plain(instrument.price(price))} {plain(instrument.quantity(lots))}\n"
        for letter, side in (("b", Side.BUY), ("a", Side.SELL))
        for price, lots in book.levels(side, 9)
    ]
    assert book.sha256(instrument) == hashlib.sha256("".join(lines).encode()).hexdigest()


def test_hash_of_an_empty_book_and_of_too_much():
    book = Book(10)
    grid = {"symbol": "X", "base": "A", "quote": "B"}
    instrument = Instrument(**grid, tick_size=Decimal(1), lot_size=Decimal(1000))
    assert book.sha256(instrument) == hashlib.sha256(b"").hexdigest()
    book.set(Side.BUY, 1, 2**60)
    with pytest.raises(DataError, match="64 bits"):
        book.sha256(instrument)


def test_grid_of_an_instrument():
    grid = native_grid(
        Instrument(
            symbol="X", base="A", quote="B", tick_size=Decimal("0.0500"), lot_size=Decimal("20")
        )
    )
    fields = (grid.price_decimals, grid.quantity_decimals, grid.tick, grid.lot)
    assert fields == (2, 0, 5, 20)


@pytest.mark.parametrize("arguments", [(0, 1), (-1, 1), (10, 0)])
def test_no_book_without_room(arguments):
    with pytest.raises(MemoryError):
        Book(*arguments)


def test_borrowed_books_keep_their_owner_alive():
    owned = Book(1000)
    borrowed = Book.borrow(owned.pointer, owned)
    del owned
    borrowed.set(Side.BUY, 5, 1)
    assert borrowed.bid == 5
