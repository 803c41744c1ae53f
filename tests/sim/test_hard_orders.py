"""Orders and runs at the edges: what once crashed the simulated exchange, kept too much, or never came to an end."""

from decimal import Decimal

from ida_core import OrderType, SelfTradePrevention, Side, Strategy, timeline


def test_a_market_order_by_value_over_several_levels(play, tape):
    seen = play(tape.depth(99, [], []), {10: lambda ctx: ctx.place(
        Side.BUY, 0, type=OrderType.MARKET, quote_quantity=Decimal("300.5"))})
    assert [(price, lots) for _, price, lots, _ in seen.fills] == [(1001, 1000), (1002, 2000)]
    assert seen.updates[-1].status == "FILLED"
    assert seen.engine.ledger.check(seen.venue.balances()) == {"BTC": 0, "USDT": 0}


def test_what_self_trade_prevention_took_is_held_no_more(play, tape):
    held = []
    play(tape.depth(99, [], []), {
        10: lambda ctx: ctx.place(Side.SELL, 50, 1001),
        40: lambda ctx: ctx.place(Side.BUY, 1000 + 40, 1001, stp=SelfTradePrevention.DECREMENT),
        60: lambda ctx: held.append(ctx._engine.venue.balances()["BTC"][1])})
    assert held == [Decimal("0.010")]


class Crowd(Strategy):
    name = "crowd"

    def on_start(self, ctx):
        ctx.set_timer(0.02)

    def on_timer(self, ctx, timer):
        for n in range(5000):
            ctx.place(Side.BUY, 1, 900 - n % 100)


def test_thousands_of_open_orders_are_canceled_at_the_end(play, tape):
    engine = play(tape.depth(99, [], []), Crowd()).engine
    assert engine.orders.open() == []
    assert engine.orders.counters["canceled"] == 5000
    assert engine.venue.balances()["USDT"] == (1_000_000, 0)


def test_more_requests_than_there_is_room_for_are_refused_one_by_one(play, tape, monkeypatch):
    monkeypatch.setattr(timeline, "TOKENS", 4)
    ids = {}

    def flood(ctx):
        for n in range(4):
            ctx.place(Side.BUY, 1, 1001 + n, post_only=True)
        ids["new"] = ctx.replace(ids["old"], 1, 901)

    def rest(ctx):
        ids["old"] = ctx.place(Side.BUY, 1, 902)

    seen = play(tape.depth(99, [], []), {10: rest, 30: flood})
    told = [(u.order_id, u.execution.value) for u in seen.updates if u.code == -1008]
    assert told == [(ids["new"], "REJECTED"), (ids["old"], "REPLACE_REJECTED")]
    assert seen.engine.orders.counters["unknown"] == 0
    assert seen.engine.orders.open() == []
