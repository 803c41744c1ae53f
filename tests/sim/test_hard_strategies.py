"""Strategies that ask for what cannot be, that fail beside others, and that reach for another's orders."""

from decimal import Decimal

import pytest

from ida_core import OrderType, Side, Strategy, TimeInForce

MARKET = OrderType.MARKET


@pytest.mark.parametrize(("fields", "sentence"), [
    ({"side": "BUY", "quantity": 5, "price": 1001}, "side = 'BUY' must be a Side"),
    ({"side": Side.BUY, "quantity": 5, "price": 1001, "tif": "DAY"}, "tif = 'DAY' must be a TimeInForce"),
    ({"side": Side.SELL, "quantity": 5, "price": 1 << 70}, "beyond all bounds"),
    ({"side": Side.BUY, "quantity": 0, "type": MARKET, "quote_quantity": 50.0}, "must be a Decimal"),
    ({"side": Side.BUY, "quantity": 0, "type": MARKET, "quote_quantity": Decimal("nan")}, "must be a number"),
])
def test_what_is_no_order_is_the_strategys_error(play, tape, fields, sentence):
    seen = play(tape.depth(99, [], []), {10: lambda ctx: ctx.place(**fields)})
    [failure] = seen.engine.failures
    assert sentence in failure.error
    assert seen.engine.orders.counters["submitted"] == 0


@pytest.mark.parametrize("fields", [
    {"quantity": 0, "type": MARKET, "quote_quantity": Decimal(-5)},
    {"quantity": 5, "type": MARKET, "quote_quantity": Decimal(50)},
    {"quantity": 0, "price": 1001, "quote_quantity": Decimal(50)},
    {"quantity": 7000, "type": MARKET, "tif": TimeInForce.FOK},
])
def test_contradictory_orders_are_refused_before_they_are_sent(play, tape, fields):
    placed = []
    seen = play(tape.depth(99, [], []), {10: lambda ctx: placed.append(ctx.place(Side.BUY, **fields))})
    assert (placed, seen.updates, seen.engine.failures) == ([None], [], [])


class Every(Strategy):
    name = "every"
    book_updates = "every"

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def on_book(self, ctx, book):
        self.calls += 1


class Top(Every):
    name = "top"
    book_updates = "top"


class Breaks(Every):
    name = "breaks"
    book_updates = "50ms"

    def on_book(self, ctx, book):
        super().on_book(ctx, book)
        if self.calls == 2:
            raise RuntimeError("the second time, late, out of a timer")


def busy(tape):
    for at in range(5, 300, 3):
        tape.depth(at, [("99.9", f"0.{at:03}")], [])
    return tape


def test_a_late_call_that_fails_stops_that_strategy_alone(play, tape):
    breaks, every = Breaks(), Every()
    engine = play(busy(tape), [breaks, every]).engine
    assert [(f.plugin, f.hook) for f in engine.failures] == [("breaks", "on_book")]
    assert (breaks.calls, every.calls) == (2, 99)


def test_who_is_left_is_called_as_it_asked_to_be(play, tape):
    top = Top()
    play(busy(tape), [Breaks(), top])
    assert top.calls <= 1  # the best prices never change on this tape


def test_no_late_call_about_a_book_that_was_lost(play, tape):
    seen = []

    class Looks(Strategy):
        name = "looks"
        book_updates = "20ms"

        def on_book(self, ctx, book):
            seen.append((ctx.now_ns, ctx.market.synced))

    tape.depth(5, [("99.9", "0.100")], []).depth(10, [("99.9", "0.200")], [])
    tape._id += 1  # a diff is missing
    play(tape.depth(14, [("99.9", "0.300")], []).trade(90, "100.0", "0.1", seller=True), Looks())
    assert [synced for _, synced in seen] == [True]


def test_the_orders_of_others_are_out_of_reach(play, tape):
    class Owner(Strategy):
        name = "owner"

        def on_start(self, ctx):
            ctx.set_timer(0.01)

        def on_timer(self, ctx, timer):
            ctx.place(Side.BUY, 5, 990)

    class Thief(Strategy):
        name = "thief"

        def on_start(self, ctx):
            ctx.set_timer(0.03)

        def on_timer(self, ctx, timer):
            self.got = [ctx.cancel("t-1"), ctx.replace("t-1", 3, 900)]

    thief = Thief()
    engine = play(tape.depth(99, [], []), [Owner(), thief]).engine
    assert thief.got == [False, None]
    assert engine.orders.get("t-1").quantity == 5


@pytest.mark.parametrize("hook", ["on_order", "on_fill", "on_timer"])
def test_who_failed_in_one_callback_is_not_called_in_another(play, tape, hook):
    class Fails(Every):
        name = "fails"

        def on_start(self, ctx):
            ctx.set_timer(0.02 if hook == "on_timer" else 9)

        def on_book(self, ctx, book):
            super().on_book(ctx, book)
            ctx.place(Side.BUY, 1, 1001)
            if self.calls > 30:
                raise RuntimeError("called after its failure")

    def fail(self, ctx, event):
        raise ValueError(hook)

    setattr(Fails, hook, fail)
    fails, every = Fails(), Every()
    engine = play(busy(tape), [fails, every]).engine
    assert [f.plugin for f in engine.failures] == ["fails"]
    assert every.calls == 99
    assert fails.calls < 10
