"""How fills are decided, each rule with an outcome computed by hand. Tick 0.1, lot 0.001, 5 ms each way."""

from decimal import Decimal

from ida_core import OrderType, Side, Strategy, TimeInForce

BUY, SELL = Side.BUY, Side.SELL


def test_order_behind_a_known_queue_fills_when_trades_have_consumed_it(play, tape):
    # 1,000 lots rest at 100.0 when our 500 arrive at 15 ms. Sales of 600 and 400 use up the queue; the next 300 and
    # 400 are ours, of which 500 - 300 = 200 were still open.
    for at_ms, quantity in ((20, "0.600"), (30, "0.400"), (40, "0.300"), (50, "0.400")):
        tape.trade(at_ms, "100.0", quantity, seller=True)
    tape.depth(90, [], [])
    seen = play(tape, {10: lambda ctx: ctx.place(BUY, 500, 1000)})
    assert seen.fills == [(40, 1000, 300, "QUEUE_REACHED"), (50, 1000, 200, "QUEUE_REACHED")]


def test_order_arriving_after_latency_sees_the_later_book(play, tape):
    # Sent at 10 ms when the ask is 100.1; it arrives at 15 ms, after the ask moved to 100.3 at 12 ms.
    tape.depth(12, [], [("100.1", "0.000"), ("100.2", "0.000")]).depth(90, [], [("100.3", "2.900")])
    seen = play(tape, {10: lambda ctx: ctx.place(BUY, 100, type=OrderType.MARKET)})
    assert seen.fills == [(15, 1003, 100, "TOOK")]


def test_post_only_that_would_cross_is_rejected(play, tape):
    tape.depth(90, [], [])
    seen = play(tape, {10: lambda ctx: ctx.place(BUY, 100, 1001, post_only=True)})
    (rejected,) = seen.updates
    assert (rejected.execution, rejected.code) == ("REJECTED", -2010)
    assert rejected.reason == "Order would immediately match and take."


def test_ioc_takes_what_is_there_and_expires_the_rest(play, tape):
    tape.depth(90, [], [])
    seen = play(tape, {10: lambda ctx: ctx.place(BUY, 1500, 1001, tif=TimeInForce.IOC)})
    assert seen.fills == [(15, 1001, 1000, "TOOK")]
    assert seen.updates[-1].execution == "EXPIRED"
    assert (seen.updates[-1].cumulative, seen.updates[-1].leaves) == (1000, 0)


def test_fok_that_cannot_be_filled_whole_takes_nothing(play, tape):
    tape.depth(90, [], [])
    seen = play(tape, {10: lambda ctx: ctx.place(BUY, 1500, 1001, tif=TimeInForce.FOK)})
    assert seen.fills == []
    assert seen.updates[-1].execution == "EXPIRED"


def test_market_order_walks_through_several_levels(play, tape):
    tape.depth(90, [], [])
    seen = play(tape, {10: lambda ctx: ctx.place(BUY, 3500, type=OrderType.MARKET)})
    assert [f[1:3] for f in seen.fills] == [(1001, 1000), (1002, 2000), (1003, 500)]
    # 1.000 x 100.1 + 2.000 x 100.2 + 0.500 x 100.3
    assert seen.venue.balances()["USDT"][0] == Decimal(1_000_000) - Decimal("350.650")


def test_partial_fill_wins_the_race_against_the_cancel(play, tape):
    # The cancel leaves at 30 ms and arrives at 35 ms; at 33 ms a sale reaches 100 lots of ours.
    tape.trade(20, "100.0", "1.000", seller=True).trade(33, "100.0", "0.100", seller=True)
    tape.trade(40, "100.0", "0.500", seller=True)
    seen = play(tape, {
        10: lambda ctx: ctx.place(BUY, 300, 1000),
        30: lambda ctx: ctx.cancel_all(),
    })
    assert seen.fills == [(33, 1000, 100, "QUEUE_REACHED")]
    canceled = seen.of("CANCELED")[0]
    assert (canceled.cumulative, canceled.leaves) == (100, 0)
    assert not seen.engine.orders.open()


def test_spot_buy_pays_its_fee_in_the_base_asset(play, tape):
    tape.depth(90, [], [])
    seen = play(tape, {10: lambda ctx: ctx.place(BUY, 1000, type=OrderType.MARKET)}, taker_fee=Decimal("0.001"))
    (fill,) = seen.of("TRADE")
    assert (fill.fee, fill.fee_asset) == (Decimal("0.00100000"), "BTC")
    assert seen.engine.portfolio.account(0).quantity == Decimal("0.999")


def test_fee_in_bnb_while_there_is_enough_of_it(play, tape):
    tape.depth(90, [], [])
    balances = {"USDT": Decimal(1000), "BTC": Decimal(0), "BNB": Decimal("0.0002")}
    seen = play(tape, {
        10: lambda ctx: ctx.place(BUY, 1000, type=OrderType.MARKET),
        30: lambda ctx: ctx.place(BUY, 1000, type=OrderType.MARKET),
    }, taker_fee=Decimal("0.001"), balances=balances, bnb_prices={"USDT": Decimal(500)})
    first, second = seen.of("TRADE")
    # 100.1 x 0.1 % x 75 % / 500; afterwards 0.00004985 BNB are left, and 0.0003006 would be needed
    assert (first.fee, first.fee_asset) == (Decimal("0.00015015"), "BNB")
    assert (second.fee, second.fee_asset) == (Decimal("0.001"), "BTC")


def test_the_same_recorded_liquidity_never_fills_two_orders(play, tape):
    tape.depth(90, [], [])
    seen = play(tape, {
        10: lambda ctx: ctx.place(BUY, 1000, 1001, tif=TimeInForce.IOC),
        20: lambda ctx: ctx.place(BUY, 1000, 1001, tif=TimeInForce.IOC),
    })
    assert seen.fills == [(15, 1001, 1000, "TOOK")]


def test_our_own_orders_queue_behind_each_other(play, tape):
    # The first waits behind 1,000; the second behind the same and the first. 1,000 + 300 + 100 lots are sold.
    tape.trade(40, "100.0", "1.000", seller=True).trade(50, "100.0", "0.400", seller=True).depth(90, [], [])
    seen = play(tape, {
        10: lambda ctx: ctx.place(BUY, 300, 1000),
        20: lambda ctx: ctx.place(BUY, 300, 1000),
    })
    assert [(u.order_id, u.quantity) for u in seen.of("TRADE")] == [("t-1", 300), ("t-2", 100)]


class Watcher(Strategy):
    """Notes when it sees each trade."""

    name = "watcher"

    def __init__(self):
        super().__init__()
        self.times = []

    def on_trade(self, ctx, trade):
        self.times.append((ctx.now_ns, trade.ts_local_ns, trade.ts_venue_ns))


def test_a_strategy_sees_no_event_before_its_local_time(play, tape):
    tape.lag_ms = 30
    tape.trade(20, "100.0", "0.600", seller=True).trade(40, "100.0", "0.100", seller=True)
    watcher = Watcher()
    play(tape, watcher)
    assert [now - venue for now, _, venue in watcher.times] == [30_000_000, 30_000_000]
    assert all(now == local for now, local, _ in watcher.times)


def test_unknown_fields_and_enum_values_are_passed_over_and_counted(play, tape):
    tape.trade(20, "100.0", "0.600", seller=True, X="NOVELTY", zz={"a": [1, "x"]})
    stamp = tape.lines[-1].split(" ")[0]
    tape.lines.append(stamp + ' {"stream":"btcusdt@novelty","data":{"e":"novelty","s":"BTCUSDT"}}')
    tape.trade(30, "100.0", "0.100", seller=True)
    watcher = Watcher()
    seen = play(tape, watcher)
    assert len(watcher.times) == 1  # the trade of an unknown kind is not on the book
    assert seen.venue.market(0).off_book == 1
    assert any("novelty" in warning for warning in seen.venue.warnings())


class Broken(Strategy):
    name = "broken"

    def on_trade(self, ctx, trade):
        raise RuntimeError("no such luck")


def test_a_strategy_that_raises_fails_the_run_visibly(play, tape):
    tape.trade(20, "100.0", "0.600", seller=True).depth(90, [], [])
    seen = play(tape, Broken())
    (failure,) = seen.engine.failures
    assert (failure.plugin, failure.hook) == ("broken", "on_trade")
    assert "no such luck" in failure.error
    assert "test_fidelity.py" in failure.where
    assert seen.engine.stop_wanted.exit_code == 3


def test_several_engines_live_in_one_process(play, tape):
    tape.trade(20, "100.0", "1.000", seller=True).trade(33, "100.0", "0.100", seller=True)
    tape.depth(90, [], [])
    acts = {10: lambda ctx: ctx.place(BUY, 300, 1000)}
    first, second = play(tape, acts), play(tape, acts)
    assert first.fills == second.fills != []
    assert first.venue.balances() == second.venue.balances()


def test_ledger_balances_after_fills_on_both_sides(play, tape):
    tape.depth(90, [], [])
    seen = play(tape, {
        10: lambda ctx: ctx.place(BUY, 1000, type=OrderType.MARKET),
        20: lambda ctx: ctx.place(SELL, 700, type=OrderType.MARKET),
    }, taker_fee=Decimal("0.00075"))
    assert len(seen.of("TRADE")) == 2
    assert not any(seen.engine.ledger.check(seen.venue.balances()).values())


def test_a_float_price_is_the_strategys_error(play, tape):
    tape.depth(90, [], [])
    seen = play(tape, {10: lambda ctx: ctx.place(BUY, 1000, 100.05)})
    (failure,) = seen.engine.failures
    assert "price = 100.05 must be whole ticks" in failure.error
    assert seen.updates == []


def test_replace_cancels_and_places_anew(play, tape):
    tape.depth(90, [], [])
    seen = play(tape, {
        10: lambda ctx: ctx.place(BUY, 300, 1000),
        30: lambda ctx: ctx.replace("t-1", 200, 999),
        50: lambda ctx: ctx.cancel_all(),
    })
    told = [(u.order_id, u.execution) for u in seen.updates]
    assert told == [("t-1", "NEW"), ("t-1", "CANCELED"), ("t-2", "NEW"), ("t-2", "CANCELED")]


def test_a_sell_of_more_than_is_held_is_rejected(play, tape):
    tape.depth(90, [], [])
    seen = play(tape, {10: lambda ctx: ctx.place(SELL, 1000, 1001)}, balances={"USDT": Decimal(1000)})
    (rejected,) = seen.updates
    assert (rejected.code, rejected.reason) == (-2010, "Account has insufficient balance for requested action.")


def test_no_order_is_sent_while_the_book_is_not_in_step(play, tape):
    tape._id += 5  # a diff is missing
    tape.depth(20, [], [("100.1", "0.5")]).depth(90, [], [])
    seen = play(tape, {10: lambda ctx: ctx.place(BUY, 300, 1000), 40: lambda ctx: ctx.place(BUY, 300, 999)})
    assert {u.order_id for u in seen.updates} == {"t-1"}
    assert not seen.venue.market(0).synced
    assert seen.venue.market(0).gaps == 1


def test_replace_of_an_order_that_was_filled_meanwhile_is_refused_for_both(play, tape):
    # The replacement leaves at 30 ms; at 33 ms a sale fills the order whole; at 35 ms there is nothing to replace.
    tape.trade(20, "100.0", "1.000", seller=True).trade(33, "100.0", "0.300", seller=True).depth(90, [], [])
    seen = play(tape, {
        10: lambda ctx: ctx.place(BUY, 300, 1000),
        30: lambda ctx: ctx.replace("t-1", 200, 999),
    })
    told = [(u.order_id, u.execution) for u in seen.updates]
    assert told == [("t-1", "NEW"), ("t-1", "TRADE"), ("t-2", "REJECTED"), ("t-1", "REPLACE_REJECTED")]
    assert not seen.engine.orders.open()
    assert seen.engine.orders.counters["unknown"] == 0


class Counting(Strategy):
    """Fails on its third book; counts how often it is called afterwards."""

    name = "counting"
    book_updates = "every"

    def __init__(self):
        super().__init__()
        self.calls = 0

    def on_start(self, ctx):
        ctx.every(0.001)

    def on_book(self, ctx, book):
        self.calls += 1
        if self.calls == 3:
            raise ValueError("third")

    def on_timer(self, ctx, timer):
        if self.calls >= 3:
            self.calls += 100


def test_a_strategy_that_failed_is_not_called_again_and_the_others_go_on(tape, tmp_path, monkeypatch, play):
    for at in range(10, 50):
        tape.depth(at, [("100.0", f"1.{at}")], [])
    failing, watcher = Counting(), Watcher()
    tape.trade(60, "100.0", "0.1", seller=True)
    seen = play(tape, [failing, watcher])
    assert failing.calls == 3
    assert len(watcher.times) == 1
    assert [f.plugin for f in seen.engine.failures] == ["counting"]
    assert seen.engine.stop_wanted.reason == "end of data"
