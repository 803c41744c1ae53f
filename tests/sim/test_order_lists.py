"""Order lists, amendments, icebergs, trailing stops and pegs at the simulated exchange, by what a strategy sees."""

from decimal import Decimal

import pytest

from ida_core import Instrument, ListKind, OrderType, PegPrice, PlaceList, PlaceOrder, Side, TimeInForce
from ida_sim.list_rules import check_list

D = Decimal
BUY, SELL = Side.BUY, Side.SELL
MAKER, STOP, STOP_LIMIT = OrderType.LIMIT_MAKER, OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT
PROFIT = OrderType.TAKE_PROFIT
PAIR_ENDED, PHASE_ONE = "OCO_TRIGGER", "OTO_PHASE_ONE_EXPIRED"


class Told:
    """What was told of the legs of one list, by their letters A, B, C: (letter, execution, status, reason)."""

    def __init__(self):
        self.ids = ()

    def place(self, kind, *legs):
        """An act that asks for the list; legs are (side, lots, price, more)."""
        def act(ctx):
            self.ids = ctx.place_list(kind, *(ctx.leg(s, q, p, **more) for s, q, p, more in legs))
            assert self.ids, "refused before it was sent"
        return act

    def of(self, seen, *, reasons=True):
        letters = dict(zip(self.ids, "ABC", strict=False))
        words = [(letters[u.order_id], u.execution.value, u.status.value, u.reason if reasons else "")
                 for u in seen.updates if u.order_id in letters]
        return [" ".join(filter(None, each)) for each in words]


@pytest.fixture
def told():
    return Told()


def above(lots=100, price=1010):
    return SELL, lots, price, {"type": MAKER}


def below(lots=100, stop=995):
    return SELL, lots, None, {"type": STOP, "stop_price": stop}


def held(seen_at, asset="BTC"):
    return lambda ctx: seen_at.append(ctx._engine.venue.balances()[asset][1])


def settled(seen):
    """Nothing is open, nothing is held, and every balance is what its fills made of it."""
    assert seen.engine.orders.open() == []
    assert all(locked == 0 for _, locked in seen.venue.balances().values())
    return set(seen.engine.ledger.check(seen.venue.balances()).values()) == {0}


def test_the_first_lot_of_one_ends_the_other_before_it_is_told(play, tape, told):
    tape.trade(50, "101.1", "0.030", seller=False).trade(60, "101.1", "0.500", seller=False).depth(99, [], [])
    locked = []
    seen = play(tape, {10: told.place(ListKind.OCO, above(), below()), 30: held(locked)})
    assert told.of(seen, reasons=False) == [
        "A NEW NEW", "B NEW NEW", "B EXPIRED EXPIRED", "A TRADE PARTIALLY_FILLED", "A TRADE FILLED"]
    assert next(u.reason for u in seen.of("EXPIRED")) == PAIR_ENDED
    assert locked == [D("0.100")]  # once
    assert settled(seen)
    assert {u.list_id for u in seen.updates} == {"t-3"}  # the legs have got their ids before


def test_the_trigger_of_one_ends_the_other(play, tape, told):
    tape.trade(50, "99.5", "0.001", seller=True).depth(99, [], [])
    seen = play(tape, {10: told.place(ListKind.OCO, above(), below())})
    assert told.of(seen)[2:] == [
        f"A EXPIRED EXPIRED {PAIR_ENDED}", "B TRIGGERED NEW", "B TRADE FILLED TOOK"]
    assert settled(seen)


def test_a_pair_of_stops(play, tape, told):
    tape.trade(20, "100.1", "0.001", seller=False).trade(50, "101", "0.001", seller=False).depth(99, [], [])
    profit = SELL, 100, None, {"type": PROFIT, "stop_price": 1010}
    seen = play(tape, {10: told.place(ListKind.OCO, profit, below())})
    assert told.of(seen)[2:] == [f"B EXPIRED EXPIRED {PAIR_ENDED}", "A TRIGGERED NEW", "A TRADE FILLED TOOK"]


def test_to_cancel_a_leg_is_to_cancel_the_list(play, tape, told):
    tape.depth(99, [], [])
    seen = play(tape, {
        10: told.place(ListKind.OCO, above(), below()), 40: lambda ctx: ctx.cancel(told.ids[1])})
    assert told.of(seen)[2:] == ["A CANCELED CANCELED", "B CANCELED CANCELED"]
    assert settled(seen)


@pytest.mark.parametrize(
    ("legs", "code", "text"),
    [
        ((above(), (SELL, 100, 990, {"type": MAKER})), -1168, "At least one OCO order must be contingent."),
        ((above(), (SELL, 100, None, {"type": PROFIT, "stop_price": 995})), -1199,
         "A take profit order in a sell OCO must be above."),
        ((below(), below(stop=990)), -1197, "A stop loss order in a sell OCO must be below."),
        (((BUY, 100, 990, {"type": MAKER}), (BUY, 100, None, {"type": STOP, "stop_price": 980})), -1165,
         "A limit order in a buy OCO must be below."),
        (((SELL, 100, 1010, {}), below()), -1158, "Order type not supported in OCO."),
        ((above(price=1001), below(stop=1005)), -2010,
         "The relationship of the prices for the orders is not correct."),
        ((above(price=1002), below(stop=1001)), -2010,
         "The relationship of the prices for the orders is not correct."),
        ((above(lots=50_000_000), below(lots=50_000_000)), -2010,
         "Account has insufficient balance for requested action."),
        ((above(price=1000), below()), -2010, "Order would immediately match and take."),
    ],
)  # fmt: skip
def test_lists_that_binance_refuses(play, tape, told, legs, code, text):
    last = "99.9" if "take." in text else "100.1"
    tape.trade(5, last, "0.001", seller=False).depth(99, [], [])
    seen = play(tape, {20: told.place(ListKind.OCO, *legs)})
    assert {(u.execution.value, u.code, u.reason) for u in seen.updates} == {("REJECTED", code, text)}
    assert sorted(u.order_id for u in seen.updates) == sorted(told.ids)
    assert settled(seen)


def test_a_pair_is_of_one_quantity():
    """A strategy's request for another is refused before it is sent; the exchange refuses it too."""
    legs = [
        PlaceOrder(order_id=str(lots), instrument=0, side=SELL, type=kind, quantity=lots, price=1010, stop_price=995)
        for lots, kind in ((100, MAKER), (50, STOP))]
    request = PlaceList(order_id="l", instrument=0, kind=ListKind.OCO, legs=tuple(legs))
    instrument = Instrument(symbol="BTCUSDT", base="BTC", quote="USDT", tick_size=D("0.1"), lot_size=D("0.001"))
    assert check_list(request, instrument, 1000) == (-1014, "Unsupported order combination.")


def test_a_pending_order_works_once_the_first_is_wholly_filled(play, tape, told):
    tape.trade(50, "99.9", "0.050", seller=True).trade(60, "99.8", "0.500", seller=True).depth(99, [], [])
    seen = play(tape, {10: told.place(ListKind.OTO, (BUY, 100, 1000, {}), (SELL, 100, 1020, {})),
                       75: lambda ctx: ctx.cancel(told.ids[1])})
    assert told.of(seen) == [
        "A NEW NEW", "B NEW PENDING_NEW", "A TRADE PARTIALLY_FILLED TRADED_THROUGH",
        "A TRADE FILLED TRADED_THROUGH", "B NEW NEW", "B CANCELED CANCELED"]
    assert settled(seen)


def test_a_first_order_that_is_filled_at_once_still_tells_of_the_pending_one_first(play, tape, told):
    tape.depth(99, [], [])
    seen = play(tape, {10: told.place(ListKind.OTO, (BUY, 100, 1001, {}), (SELL, 100, 1000, {}))})
    assert told.of(seen) == [
        "A NEW NEW", "B NEW PENDING_NEW", "A TRADE FILLED TOOK", "B NEW NEW", "B TRADE FILLED TOOK"]
    assert settled(seen)


def test_a_first_order_that_dies_takes_the_pending_ones_along(play, tape, told):
    tape.depth(99, [], [])
    kind = {"tif": TimeInForce.IOC}
    seen = play(tape, {10: told.place(ListKind.OTOCO, (BUY, 1500, 1001, kind), above(1500), below(1500))})
    assert told.of(seen)[3:] == [
        "A TRADE PARTIALLY_FILLED TOOK", "A EXPIRED EXPIRED UNFILLED_IOC_QUANTITY_EXPIRED",
        f"B EXPIRED EXPIRED {PHASE_ONE}", f"C EXPIRED EXPIRED {PHASE_ONE}"]
    assert settled(seen)


def test_to_cancel_a_pending_leg_is_to_cancel_all(play, tape, told):
    tape.depth(99, [], [])
    seen = play(tape, {10: told.place(ListKind.OTOCO, (BUY, 100, 990, {}), above(), below()),
                       40: lambda ctx: ctx.cancel(told.ids[2])})
    assert told.of(seen)[3:] == [f"{leg} CANCELED CANCELED" for leg in "ABC"]
    assert settled(seen)


def test_a_bracket_ends_with_one_of_its_exits(play, tape, told):
    tape.trade(50, "101.1", "0.500", seller=False).depth(99, [], [])
    seen = play(tape, {10: told.place(ListKind.OTOCO, (BUY, 100, 1001, {}), above(), below())})
    assert told.of(seen) == [
        "A NEW NEW", "B NEW PENDING_NEW", "C NEW PENDING_NEW", "A TRADE FILLED TOOK", "B NEW NEW", "C NEW NEW",
        f"C EXPIRED EXPIRED {PAIR_ENDED}", "B TRADE FILLED TRADED_THROUGH"]
    assert settled(seen)


def test_a_pending_order_that_cannot_be_placed_expires(play, tape, told):
    tape.depth(99, [], [])
    seen = play(tape, {10: told.place(
        ListKind.OTOCO, (BUY, 100, 1001, {}), above(price=1000), below())})
    assert told.of(seen)[3:] == [
        "A TRADE FILLED TOOK", "B EXPIRED EXPIRED REJECTED", f"C EXPIRED EXPIRED {PAIR_ENDED}"]
    assert settled(seen)


@pytest.mark.parametrize(("base", "lots"), [(D(0), 999), (D(1), 1000)])
def test_what_was_bought_pays_less_the_fee_where_nothing_else_can_pay_that(play, tape, told, base, lots):
    tape.trade(50, "101.1", "9", seller=False).depth(99, [], [])
    locked = []
    seen = play(tape, {10: told.place(ListKind.OPO, (BUY, 1000, 1001, {}), (SELL, 0, 1010, {})), 40: held(locked)},
                balances={"USDT": D(1000), "BTC": base}, taker_fee=D("0.0005"))
    works = next(u for u in seen.updates if u.order_id == told.ids[1] and u.status.value == "NEW")
    assert works.order_quantity == lots
    assert locked == [D(lots) / 1000]  # and of what was bought nothing else
    assert told.of(seen)[-1] == "B TRADE FILLED TRADED_THROUGH"
    assert settled(seen)


def test_what_was_bought_pays_for_a_pair_once(play, tape, told):
    tape.trade(50, "99.5", "0.001", seller=True).depth(99, [], [])
    locked = []
    seen = play(tape, {10: told.place(ListKind.OPOCO, (BUY, 1000, 1001, {}), above(0), below(0)), 40: held(locked)},
                balances={"USDT": D(1000), "BTC": D(0)})
    assert locked == [D(1)]
    assert told.of(seen)[-3:] == [f"B EXPIRED EXPIRED {PAIR_ENDED}", "C TRIGGERED NEW", "C TRADE FILLED TOOK"]
    assert settled(seen)


def test_what_is_locked_for_others_is_given_back_with_the_list(play, tape, told):
    tape.trade(30, "99.9", "0.050", seller=True).depth(99, [], [])
    locked = []
    seen = play(tape, {
        10: told.place(ListKind.OPO, (BUY, 100, 1000, {}), (SELL, 0, 1010, {})), 40: held(locked),
        50: lambda ctx: ctx.cancel(told.ids[0])}, balances={"USDT": D(1000), "BTC": D(0)})
    assert locked == [D("0.050")]
    assert told.of(seen)[-2:] == ["A CANCELED CANCELED", "B CANCELED CANCELED"]
    assert settled(seen)


# ---- amendments ------------------------------------------------------------------------------------


def test_an_amended_order_keeps_its_place_and_gives_back_what_it_needs_no_more(play, tape):
    ids, locked = [], []
    tape.trade(60, "100.0", "1.030", seller=True).depth(99, [], [])
    seen = play(tape, {
        10: lambda ctx: ids.append(ctx.place(BUY, 100, 1000)), 30: lambda ctx: ctx.amend(ids[0], 40),
        50: held(locked, "USDT"), 80: lambda ctx: ctx.cancel(ids[0])})
    assert [(u.execution.value, u.order_quantity, u.leaves) for u in seen.updates] == [
        ("NEW", 100, 100), ("REPLACED", 40, 40), ("TRADE", 40, 10), ("CANCELED", 40, 0)]
    assert locked == [D(4)]
    assert settled(seen)


def test_to_amend_one_of_a_pair_amends_both(play, tape, told):
    tape.depth(99, [], [])
    locked = []
    seen = play(tape, {
        10: told.place(ListKind.OCO, above(), below()), 30: lambda ctx: ctx.amend(told.ids[0], 60), 50: held(locked),
        60: lambda ctx: ctx.cancel(told.ids[0])})
    assert told.of(seen)[2:4] == ["A REPLACED NEW", "B REPLACED NEW"]
    assert {u.leaves for u in seen.of("REPLACED")} == {60}
    assert locked == [D("0.060")]
    assert settled(seen)


# ---- icebergs, trailing stops, pegs ----------------------------------------------------------------


def test_an_iceberg_waits_again_for_each_part(play, tape):
    tape.trade(50, "100.0", "1.500", seller=True).trade(60, "100.0", "1.000", seller=True).depth(99, [], [])
    seen = play(tape, {10: lambda ctx: ctx.place(BUY, 300, 1000, iceberg=100)})
    assert [(lots, rule) for _, _, lots, rule in seen.fills] == [(100, "QUEUE_REACHED")]


def test_a_trailing_stop_sells_below_the_highest(play, tape):
    tape.trade(20, "100.1", "0.001", seller=False).trade(40, "102.0", "0.001", seller=False)
    tape.trade(50, "101.0", "0.001", seller=True).trade(60, "100.9", "0.001", seller=True).depth(99, [], [])
    seen = play(tape, {10: lambda ctx: ctx.place(SELL, 100, type=STOP, trailing_delta=100)})
    triggered = seen.of("TRIGGERED")
    assert [u.ts_venue_ns // 1_000_000 % 100 for u in triggered] == [60]
    assert seen.updates[-1].status == "FILLED"


def test_a_pegged_order_takes_its_price_from_the_book(play, tape):
    ids = []
    tape.depth(99, [], [])
    seen = play(tape, {10: lambda ctx: ids.append(ctx.place(BUY, 100, peg=PegPrice.PRIMARY_PEG, peg_offset=1)),
                       30: lambda ctx: ctx.place(BUY, 100, peg=PegPrice.MARKET_PEG, tif=TimeInForce.IOC),
                       40: lambda ctx: ctx.place(BUY, 100, peg=PegPrice.PRIMARY_PEG, peg_offset=7),
                       50: lambda ctx: ctx.cancel(ids[0])})
    assert [u.ahead for u in seen.of("NEW")] == [2000, -1]
    assert [price for _, price, _, _ in seen.fills] == [1001]
    assert [u.reason for u in seen.of("REJECTED")] == ["There is no price in the order book to peg the order to."]
    assert settled(seen)


# ---- what comes too late --------------------------------------------------------------------------


def test_a_list_that_comes_after_the_last_market_event_expires_and_is_counted(play, tape, told):
    tape.depth(50, [], [])
    seen = play(tape, {47: told.place(ListKind.OCO, above(), below())})
    assert {(u.execution.value, u.reason) for u in seen.kept if getattr(u, "order_id", "") in told.ids
            and hasattr(u, "execution")} == {("EXPIRED", "END_OF_DATA")}
    assert any("2 orders arrived after the last market event" in w for w in seen.venue.warnings())
    assert settled(seen)
