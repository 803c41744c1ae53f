"""The matching engine by hand-computed cases, each named for the rule that it shows."""

import pytest
from native_match import Match, RefusedError, do, play, step

from ida_core.native import ffi, lib

#: Beside a recording: rule -> what happens and what follows.
RECORDED = {
    "an order behind a known queue fills exactly when trades have used it up": """
        show bid 100x10 ask 101x5       ->
        A buy 4 @ 100                   -> A NEW ahead 10
        trade sell 7 @ 100              -> A ahead 3
        trade sell 3 @ 100              -> A ahead 0
        trade sell 1 @ 100              -> A TRADE 1 @ 100 QUEUE_REACHED leaves 3
        trade sell 9 @ 100              -> A TRADE 3 @ 100 QUEUE_REACHED FILLED
    """,
    "a trade that goes beyond the queue fills by what is left of it": """
        show bid 100x10 ask 101x5       ->
        A buy 4 @ 100                   -> A NEW ahead 10
        trade sell 12 @ 100             -> A TRADE 2 @ 100 QUEUE_REACHED leaves 2
    """,
    "a trade of the other aggressor, or at a better price, passes by": """
        show bid 100x10 99x4 ask 101x5  ->
        A buy 4 @ 99                    -> A NEW ahead 4
        trade sell 50 @ 100             -> A ahead 4
        trade buy 50 @ 99               -> A ahead 4
    """,
    "an off-book trade fills nothing and is no last price": """
        show bid 100x10 ask 101x5       ->
        A buy 4 @ 100                   -> A NEW ahead 10
        off-book trade sell 50 @ 90     -> last -1; A ahead 10
    """,
    "our own orders queue behind each other": """
        show bid 100x10 ask 101x5       ->
        A buy 4 @ 100                   -> A NEW ahead 10
        B buy 4 @ 100                   -> B NEW ahead 10
        trade sell 11 @ 100             -> A TRADE 1 @ 100 QUEUE_REACHED leaves 3; B ahead 0
        trade sell 3 @ 100              -> A TRADE 3 @ 100 QUEUE_REACHED FILLED; B ahead 0
        trade sell 1 @ 100              -> B TRADE 1 @ 100 QUEUE_REACHED leaves 3
    """,
    "recorded orders between ours are met in between": """
        show bid 100x2 ask 101x5        ->
        A buy 3 @ 100                   -> A NEW ahead 2
        show bid 100x6                  ->
        B buy 3 @ 100                   -> B NEW ahead 6
        trade sell 4 @ 100              -> A TRADE 2 @ 100 QUEUE_REACHED leaves 1; B ahead 4
        trade sell 3 @ 100              -> A TRADE 1 @ 100 QUEUE_REACHED FILLED; B ahead 2
        trade sell 5 @ 100              -> B TRADE 3 @ 100 QUEUE_REACHED FILLED
    """,
    "one trade's quantity never fills two orders": """
        show bid 100x1 ask 101x5        ->
        A buy 3 @ 100                   -> A NEW ahead 1
        B buy 3 @ 100                   -> B NEW ahead 1
        trade sell 5 @ 100              -> A TRADE 3 @ 100 QUEUE_REACHED FILLED;
                                            B TRADE 1 @ 100 QUEUE_REACHED leaves 2
    """,
    "a trade through our price fills by its quantity, the best price first": """
        show bid 100x10 99x10 ask 101x5 ->
        A buy 4 @ 99                    -> A NEW ahead 10
        B buy 4 @ 100                   -> B NEW ahead 10
        trade sell 6 @ 98               -> B TRADE 4 @ 100 TRADED_THROUGH FILLED;
                                            A TRADE 2 @ 99 TRADED_THROUGH leaves 2
    """,
    "what went through a better price does not shorten the queue at the trade's": """
        show bid 99x10 ask 103x5        ->
        A buy 4 @ 100                   -> A NEW ahead 0
        B buy 4 @ 99                    -> B NEW ahead 10
        trade sell 6 @ 99               -> A TRADE 4 @ 100 TRADED_THROUGH FILLED; B ahead 8
    """,
    "the other side's quotes that reach our price fill by what they show": """
        show bid 100x10 ask 102x5       ->
        A buy 4 @ 100                   -> A NEW ahead 10
        show bid 100x0 98x3 ask 100x3   -> A TRADE 3 @ 100 BOOK_CROSSED leaves 1
        show ask 100x3                  ->
        show ask 100x4                  -> A TRADE 1 @ 100 BOOK_CROSSED FILLED
    """,
    "of a recorded book that is crossed itself our bids have theirs first": """
        show bid 90x1 ask 110x1         ->
        A sell 2 @ 103                  -> A NEW ahead 0
        B buy 2 @ 100                   -> B NEW ahead 0
        show bid 104x3 ask 99x3         -> B TRADE 2 @ 100 BOOK_CROSSED FILLED;
                                            A TRADE 2 @ 103 BOOK_CROSSED FILLED
    """,
    "crossing quotes are taken as one, up to our price": """
        show bid 100x10 ask 102x5       ->
        A buy 9 @ 100                   -> A NEW ahead 10
        show bid 100x0 ask 99x2 100x3 101x50 -> A TRADE 5 @ 100 BOOK_CROSSED leaves 4
    """,
    "a level that is taken away resets the queue ahead": """
        show bid 100x10 ask 101x5       ->
        A buy 4 @ 100                   -> A NEW ahead 10
        show bid 100x0                  -> A ahead 0
        show bid 100x7                  -> A ahead 0
        trade sell 1 @ 100              -> A TRADE 1 @ 100 QUEUE_REACHED leaves 3
    """,
    "a snapshot without our level does too": """
        show bid 100x10 ask 101x5       ->
        A buy 4 @ 100                   -> A NEW ahead 10
        snapshot bid 99x5 ask 101x5     -> A ahead 0
    """,
    "risk averse: the queue ahead is never more than the level": """
        show bid 100x10 ask 101x5       ->
        A buy 4 @ 100                   -> A NEW ahead 10
        show bid 100x15                 -> A ahead 10
        show bid 100x12                 -> A ahead 10
        show bid 100x6                  -> A ahead 6
    """,
    "the same recorded liquidity never fills two orders": """
        show bid 99x5 ask 101x5 102x5   ->
        A buy 3 @ 101 ioc               -> A NEW; A TRADE 3 @ 101 TOOK FILLED
        B buy 3 @ 101 ioc               -> B NEW; B TRADE 2 @ 101 TOOK leaves 1;
                                            B EXPIRED IOC_REST
        C buy 1 @ 101 ioc               -> C NEW; C EXPIRED IOC_REST
        show ask 101x5                  ->
        C buy 1 @ 101 ioc               -> C NEW; C EXPIRED IOC_REST
        show ask 101x2                  ->
        C buy 1 @ 101 ioc               -> C NEW; C EXPIRED IOC_REST
        show ask 101x3                  ->
        C buy 2 @ 101 ioc               -> C NEW; C TRADE 1 @ 101 TOOK leaves 1;
                                            C EXPIRED IOC_REST
        show ask 101x0                  ->
        show ask 101x2                  ->
        C buy 2 @ 101 ioc               -> C NEW; C TRADE 2 @ 101 TOOK FILLED
    """,
    "what was taken comes back when a snapshot no longer shows it": """
        show ask 101x5 102x5            ->
        A buy 5 @ 101 ioc               -> A NEW; A TRADE 5 @ 101 TOOK FILLED
        snapshot ask 102x5              ->
        show ask 101x2                  ->
        A buy 5 @ 101 ioc               -> A NEW; A TRADE 2 @ 101 TOOK leaves 3;
                                            A EXPIRED IOC_REST
    """,
    "a limit order takes, and its rest waits at its own price": """
        show bid 99x5 ask 101x5 102x5   ->
        A buy 7 @ 101                   -> A NEW ahead 0; A TRADE 5 @ 101 TOOK leaves 2
        show ask 101x6                  -> A TRADE 1 @ 101 BOOK_CROSSED leaves 1
        trade sell 1 @ 101              -> A TRADE 1 @ 101 QUEUE_REACHED FILLED
    """,
    "post-only that would take is rejected": """
        show bid 99x5 ask 101x5         ->
        A buy 1 @ 101 post-only         -> A REJECTED WOULD_TAKE
        A buy 1 @ 100 post-only         -> A NEW ahead 0
        B sell 1 @ 100 post-only        -> B REJECTED WOULD_TAKE
        C buy 5 @ 101 ioc               -> C NEW; C TRADE 5 @ 101 TOOK FILLED
        D buy 1 @ 101 post-only         -> D NEW ahead 0
    """,
    "a market order goes through several levels, and what finds nothing expires": """
        show bid 99x5 ask 101x5 102x5   ->
        A buy 7 market                  -> A NEW; A TRADE 5 @ 101 TOOK leaves 2;
                                            A TRADE 2 @ 102 TOOK FILLED
        B buy 7 market                  -> B NEW; B TRADE 3 @ 102 TOOK leaves 4;
                                            B EXPIRED NO_LIQUIDITY
    """,
    "fill or kill takes all or nothing": """
        show bid 99x5 ask 101x5 102x5   ->
        A buy 11 @ 102 fok              -> A NEW; A EXPIRED FOK_SHORT
        A buy 6 @ 101 fok               -> A NEW; A EXPIRED FOK_SHORT
        A buy 6 @ 102 fok               -> A NEW; A TRADE 5 @ 101 TOOK leaves 1;
                                            A TRADE 1 @ 102 TOOK FILLED
    """,
    "market by notional buys whole lots as far as it reaches": """
        show bid 99x5 ask 100x5 200x5   ->
        A buy market notional 949       -> A NEW; A TRADE 5 @ 100 TOOK;
                                            A TRADE 2 @ 200 TOOK FILLED
        B buy market notional 199       -> B NEW; B EXPIRED NO_LIQUIDITY
        C buy market notional 5000      -> C NEW; C TRADE 3 @ 200 TOOK; C EXPIRED NO_LIQUIDITY
    """,
    "our taker meets recorded lots first where they stand before our maker": """
        show bid 99x3 ask 101x5         ->
        A buy 4 @ 99                    -> A NEW ahead 3
        show bid 99x8                   ->
        B sell 9 @ 99 ioc               -> B NEW; B TRADE 3 @ 99 TOOK leaves 6;
                                            A TRADE 4 @ 99 MATCHED FILLED;
                                            B TRADE 4 @ 99 TOOK leaves 2;
                                            B TRADE 2 @ 99 TOOK FILLED
    """,
    "stops follow the recorded trades": """
        show bid 99x5 ask 101x5         ->
        trade buy 1 @ 101               -> last 101
        A sell 2 market stop 100        -> A NEW
        B buy 2 @ 103 stop 101          -> B REJECTED WOULD_TRIGGER
        trade buy 1 @ 101               ->
        trade sell 1 @ 100              -> A TRIGGERED; A TRADE 2 @ 99 TOOK FILLED
    """,
    "a triggered stop limit joins the queue as it is then": """
        show bid 99x5 ask 101x5         ->
        A buy 2 @ 99 take 100           -> A NEW
        show bid 99x8                   ->
        trade sell 1 @ 100              -> A TRIGGERED ahead 8; A ahead 8
    """,
    "fill or kill counts the recorded lots before an order of its own, and no further": """
        show bid 99x3 ask 101x5         ->
        A buy 4 @ 99                    -> A NEW ahead 3
        show bid 99x8                   ->
        B sell 4 @ 99 fok stp expire_taker -> B NEW; B EXPIRED FOK_SHORT
        B sell 3 @ 99 fok stp expire_taker -> B NEW; B TRADE 3 @ 99 TOOK FILLED
    """,
    "a cancel after a partial fill cancels the rest": """
        show bid 100x1 ask 101x5        ->
        A buy 4 @ 100                   -> A NEW ahead 1
        trade sell 3 @ 100              -> A TRADE 2 @ 100 QUEUE_REACHED leaves 2
        cancel A                        -> A CANCELED USER
        cancel A                        -> unknown
        trade sell 3 @ 100              ->
    """,
    "amending down keeps the place": """
        show bid 100x5 ask 101x5        ->
        A buy 4 @ 100                   -> A NEW ahead 5
        B buy 4 @ 100                   -> B NEW ahead 5
        trade sell 6 @ 100              -> A TRADE 1 @ 100 QUEUE_REACHED leaves 3
        amend A to 4                    -> malformed
        amend A to 1                    -> malformed
        amend A to 2                    -> A REPLACED leaves 1
        trade sell 2 @ 100              -> A TRADE 1 @ 100 QUEUE_REACHED FILLED;
                                            B TRADE 1 @ 100 QUEUE_REACHED leaves 3
    """,
}  # fmt: skip

#: Probabilistic queues: (model, power) and the rule.
QUEUES = {
    # A alone: front 4, back 0 after placing; the level grows to 10: front 4, back 6.
    # power 2: p = 36 / (36 + 16) = 0.6923; 5 lots go: front = 4 - 0.3077 * 5 = 2.4615.
    ("power", 2.0, "a shrinking level advances us by our part of it"): """
        show bid 100x4 ask 101x5        ->
        A buy 4 @ 100                   -> A NEW ahead 4
        show bid 100x10                 -> A ahead 4
        show bid 100x5                  -> A ahead 2
        trade sell 3 @ 100              -> A ahead 0
        trade sell 1 @ 100              -> A TRADE 1 @ 100 QUEUE_REACHED leaves 3
    """,
    # 3 of the 5 lots were traded: 4 - 3 = 1 ahead, 2 were cancelled: back = 10 - 1 = 9,
    # p = 81 / 82, front = 1 - 2 / 82 = 0.9756: a lot begun is a lot to wait for.
    ("power", 2.0, "a trade's part of a decrease is not counted twice"): """
        show bid 100x4 ask 101x5        ->
        A buy 4 @ 100                   -> A NEW ahead 4
        show bid 100x10                 ->
        trade sell 3 @ 100              -> A ahead 1
        show bid 100x5                  -> A ahead 0
        trade sell 1 @ 100              ->
        trade sell 1 @ 100              -> A TRADE 1 @ 100 QUEUE_REACHED leaves 3
    """,
    ("power", 1.0, "a decrease that is all traded moves nobody"): """
        show bid 100x4 ask 101x5        ->
        A buy 4 @ 100                   -> A NEW ahead 4
        show bid 100x10                 ->
        trade sell 3 @ 100              -> A ahead 1
        show bid 100x7                  -> A ahead 1
        trade sell 2 @ 100              -> A TRADE 1 @ 100 QUEUE_REACHED leaves 3
    """,
    # All stand before us (back 0): p = 0, every cancelled lot was ahead.
    ("power", 3.0, "at the tail every decrease is ahead of us"): """
        show bid 100x9 ask 101x5        ->
        A buy 4 @ 100                   -> A NEW ahead 9
        show bid 100x4                  -> A ahead 4
    """,
    # front 8, back 2, 6 go. p = 4 / 68 = 0.0588; 0.3529 of them from the back.
    # front = 8 - 5.6471 = 2.3529 <= 4.
    ("power", 2.0, "near the tail most of a decrease is ahead of us"): """
        show bid 100x8 ask 101x5        ->
        A buy 4 @ 100                   -> A NEW ahead 8
        show bid 100x10                 ->
        show bid 100x4                  -> A ahead 2
    """,
    # front 2, back 8, 9 go: p = 64/68, 8.4706 of them from the back, which has 8:
    # the rest is ahead. front = 2 - 0.5294 - 0.4706 = 1.
    ("power", 2.0, "what the back cannot give comes from the front"): """
        show bid 100x2 ask 101x5        ->
        A buy 4 @ 100                   -> A NEW ahead 2
        show bid 100x10                 ->
        show bid 100x1                  -> A ahead 1
        trade sell 1 @ 100              ->
        trade sell 1 @ 100              -> A TRADE 1 @ 100 QUEUE_REACHED leaves 3
    """,
    # A: front 40, back 60: p = 60^6 / (60^6 + 40^6) = 0.9193, 40 - 0.0807 * 40 = 36.77.
    # B: front 50, back 50: p = 0.5, 50 - 20 = 30; but A stands before it: 36.77.
    ("power", 6.0, "a later order of ours never has less ahead than an earlier one"): """
        show bid 100x40 ask 101x5       ->
        A buy 4 @ 100                   -> A NEW ahead 40
        show bid 100x50                 ->
        B buy 4 @ 100                   -> B NEW ahead 50
        show bid 100x100                ->
        show bid 100x60                 -> A ahead 36; B ahead 36
        trade sell 42 @ 100             -> A TRADE 4 @ 100 QUEUE_REACHED FILLED;
                                            B TRADE 1 @ 100 QUEUE_REACHED leaves 3
    """,
    # front 4, back 6, 5 go: p = ln 7 / (ln 7 + ln 5) = 0.5473; front = 4 - 0.4527 * 5 = 1.7365.
    ("log", 1.0, "the logarithm weighs front and back more alike"): """
        show bid 100x4 ask 101x5        ->
        A buy 4 @ 100                   -> A NEW ahead 4
        show bid 100x10                 ->
        show bid 100x5                  -> A ahead 1
        trade sell 2 @ 100              ->
        trade sell 1 @ 100              -> A TRADE 1 @ 100 QUEUE_REACHED leaves 3
    """,
    ("averse", 1.0, "risk averse: the same decrease moves nobody"): """
        show bid 100x4 ask 101x5        ->
        A buy 4 @ 100                   -> A NEW ahead 4
        show bid 100x10                 ->
        show bid 100x5                  -> A ahead 4
    """,
}  # fmt: skip

WHOLE = {
    "price first, then time": """
        A sell 2 @ 101                  -> A NEW
        B sell 2 @ 100                  -> B NEW
        C sell 2 @ 100                  -> C NEW
        D buy 5 @ 101                   -> D NEW; B TRADE 2 @ 100 MATCHED FILLED;
                                            D TRADE 2 @ 100 TOOK leaves 3;
                                            C TRADE 2 @ 100 MATCHED FILLED;
                                            D TRADE 2 @ 100 TOOK leaves 1;
                                            A TRADE 1 @ 101 MATCHED leaves 1;
                                            D TRADE 1 @ 101 TOOK FILLED; last 101
    """,
    "the rest of a limit order rests": """
        A sell 2 @ 100                  -> A NEW
        B buy 5 @ 100                   -> B NEW; A TRADE 2 @ 100 MATCHED FILLED;
                                            B TRADE 2 @ 100 TOOK leaves 3; own bid 100x3; own ask
    """,
    "stops start when the order that met them is done, the first met first": """
        A sell 1 @ 100                  -> A NEW
        B sell 1 @ 101                  -> B NEW
        C sell 9 @ 102                  -> C NEW
        D buy 1 market stop 101         -> D NEW
        E buy 1 market stop 100         -> E NEW
        F buy 1 @ 105 stop 101 ioc      -> F NEW
        G sell 1 market take 101        -> G NEW
        H buy 2 market                  -> H NEW; A TRADE 1 @ 100 MATCHED FILLED;
                                            H TRADE 1 @ 100 TOOK leaves 1;
                                            B TRADE 1 @ 101 MATCHED FILLED;
                                            H TRADE 1 @ 101 TOOK FILLED; E TRIGGERED;
                                            C TRADE 1 @ 102 MATCHED leaves 8;
                                            E TRADE 1 @ 102 TOOK FILLED; D TRIGGERED;
                                            C TRADE 1 @ 102 MATCHED leaves 7;
                                            D TRADE 1 @ 102 TOOK FILLED; F TRIGGERED;
                                            C TRADE 1 @ 102 MATCHED leaves 6;
                                            F TRADE 1 @ 102 TOOK FILLED; G TRIGGERED;
                                            G EXPIRED NO_LIQUIDITY
    """,
    "one stop sets off the next": """
        A buy 1 @ 99                    -> A NEW
        B buy 1 @ 98                    -> B NEW
        C buy 1 @ 97                    -> C NEW
        D sell 1 market stop 99         -> D NEW
        E sell 1 @ 90 stop 98           -> E NEW
        F sell 1 @ 99                   -> F NEW; A TRADE 1 @ 99 MATCHED FILLED;
                                            F TRADE 1 @ 99 TOOK FILLED; D TRIGGERED;
                                            B TRADE 1 @ 98 MATCHED FILLED;
                                            D TRADE 1 @ 98 TOOK FILLED; E TRIGGERED;
                                            C TRADE 1 @ 97 MATCHED FILLED;
                                            E TRADE 1 @ 97 TOOK FILLED
    """,
    "a stop can be cancelled and amended": """
        A buy 5 market stop 101         -> A NEW
        amend A to 3                    -> A REPLACED leaves 3
        cancel A                        -> A CANCELED USER
        B sell 1 @ 101                  -> B NEW
        C buy 1 market                  -> C NEW; B TRADE 1 @ 101 MATCHED FILLED;
                                            C TRADE 1 @ 101 TOOK FILLED
    """,
    "without self-trade prevention one account trades with itself": """
        A sell 2 @ 100                  -> A NEW
        B buy 1 @ 100                   -> B NEW; A TRADE 1 @ 100 MATCHED leaves 1;
                                            B TRADE 1 @ 100 TOOK FILLED
    """,
    "expire maker: the resting order goes, the taker goes on": """
        A sell 2 @ 100                  -> A NEW
        B sell 2 @ 100 account 2        -> B NEW
        C buy 3 @ 100 stp expire_maker  -> C NEW;
                                            A TRADE_PREVENTION 2 SELF_TRADE EXPIRED_IN_MATCH;
                                            B TRADE 2 @ 100 MATCHED FILLED;
                                            C TRADE 2 @ 100 TOOK leaves 1; own bid 100x1
    """,
    "expire taker: what it had before it met itself stays": """
        A sell 2 @ 100 account 2        -> A NEW
        B sell 2 @ 101                  -> B NEW
        C buy 3 @ 101 stp expire_taker  -> C NEW; A TRADE 2 @ 100 MATCHED FILLED;
                                            C TRADE 2 @ 100 TOOK leaves 1;
                                            C TRADE_PREVENTION 1 SELF_TRADE EXPIRED_IN_MATCH;
                                            own ask 101x2
    """,
    "expire both": """
        A sell 2 @ 100                  -> A NEW
        B buy 3 @ 101 stp expire_both   -> B NEW;
                                            A TRADE_PREVENTION 2 SELF_TRADE EXPIRED_IN_MATCH;
                                            B TRADE_PREVENTION 3 SELF_TRADE EXPIRED_IN_MATCH;
                                            own bid; own ask
    """,
    "decrement: both lose the smaller quantity, the smaller one ends": """
        A sell 2 @ 100                  -> A NEW
        B buy 5 @ 100 stp decrement     -> B NEW;
                                            A TRADE_PREVENTION 2 SELF_TRADE EXPIRED_IN_MATCH;
                                            B TRADE_PREVENTION 2 SELF_TRADE leaves 3;
                                            own bid 100x3
        C sell 1 @ 100 stp decrement    -> C NEW; B TRADE_PREVENTION 1 SELF_TRADE leaves 2;
                                            C TRADE_PREVENTION 1 SELF_TRADE EXPIRED_IN_MATCH;
                                            own bid 100x2
        amend B to 3                    -> malformed
        amend B to 4                    -> B REPLACED leaves 1
    """,
    "the taker's mode decides": """
        A sell 2 @ 100 stp expire_both  -> A NEW
        B buy 1 @ 100                   -> B NEW; A TRADE 1 @ 100 MATCHED leaves 1;
                                            B TRADE 1 @ 100 TOOK FILLED
    """,
    "fill or kill counts what prevention leaves": """
        A sell 2 @ 100                  -> A NEW
        B sell 2 @ 101 account 2        -> B NEW
        C buy 3 @ 101 fok stp expire_maker -> C NEW; C EXPIRED FOK_SHORT
        C buy 2 @ 101 fok stp expire_taker -> C NEW; C EXPIRED FOK_SHORT
        C buy 2 @ 101 fok stp decrement -> C NEW; C EXPIRED FOK_SHORT
        C buy 2 @ 101 fok stp expire_maker -> C NEW;
                                            A TRADE_PREVENTION 2 SELF_TRADE EXPIRED_IN_MATCH;
                                            B TRADE 2 @ 101 MATCHED FILLED;
                                            C TRADE 2 @ 101 TOOK FILLED
    """,
    "cancelling an account goes from the oldest on and leaves the others": """
        A sell 2 @ 105                  -> A NEW
        B buy 2 @ 95 account 2          -> B NEW
        C buy 2 market stop 110         -> C NEW
        D buy 2 @ 96                    -> D NEW
        cancel account 1                -> A CANCELED USER; C CANCELED USER; D CANCELED USER;
                                            own bid 95x2; own ask
    """,
    "an id in use is refused, and free again when the order has ended": """
        A sell 2 @ 105                  -> A NEW
        A sell 2 @ 105                  -> duplicate
        cancel A                        -> A CANCELED USER
        A sell 2 @ 105                  -> A NEW
    """,
    "the recording's calls do not fit a whole market": """
        show bid 100x2                  -> wrong state
        trade sell 2 @ 100              -> wrong state
    """,
}  # fmt: skip


@pytest.mark.parametrize("rule", RECORDED)
def test_beside_a_recording(rule: str) -> None:
    play(RECORDED[rule], Match())


@pytest.mark.parametrize(("model", "power", "rule"), QUEUES)
def test_queue_models(model: str, power: float, rule: str) -> None:
    play(QUEUES[model, power, rule], Match(model=model, power=power))


@pytest.mark.parametrize("rule", WHOLE)
def test_whole_market(rule: str) -> None:
    play(WHOLE[rule], Match(recorded=False))


BAD_ORDERS = [
    {"order_id": 0}, {"side": 2}, {"kind": 7}, {"tif": 3}, {"stp": 5}, {"price": 0},
    {"price": -1}, {"price": 100_001}, {"quantity": 0}, {"quantity": -1}, {"quantity": 2**62},
    {"kind": lib.IDA_MARKET, "quantity": 0}, {"kind": lib.IDA_STOP_LOSS},
    {"kind": lib.IDA_TAKE_PROFIT_LIMIT, "stop": 100_001},
]  # fmt: skip


@pytest.mark.parametrize("field", BAD_ORDERS, ids=str)
def test_a_field_out_of_range_is_refused(field: dict[str, int]) -> None:
    match = Match()
    with pytest.raises(RefusedError, match="malformed"):
        match.place(**({"order_id": 1, "side": 0, "quantity": 1, "price": 100} | field))
    assert match.reports() == []


@pytest.mark.parametrize(("price", "quantity"), [(0, 1), (-5, 1), (100, 0), (100, -1)])
def test_a_recorded_trade_of_nothing_is_refused(price: int, quantity: int) -> None:
    with pytest.raises(RefusedError, match="malformed"):
        Match().trade(0, price, quantity)


@pytest.mark.parametrize(
    "arguments",
    [
        (0, 64, 64, 0, 1.0), (1000, 0, 64, 0, 1.0), (1000, 64, 0, 0, 1.0), (1000, 64, 64, 3, 1.0),
        (1000, 64, 64, 1, 0.0), (1000, 64, 64, 1, float("nan")),
    ],
)  # fmt: skip
def test_an_engine_of_impossible_arguments_is_not_made(arguments: tuple[float, ...]) -> None:
    assert lib.ida_match_new(ffi.NULL, *arguments, 0) == ffi.NULL


def test_orders_that_are_no_more_room_for_are_not_placed() -> None:
    match = Match(recorded=False, orders=2)
    play("A buy 1 @ 100 ->  A NEW \n B buy 1 @ 100 -> B NEW \n C buy 1 @ 99 -> full", match)
    assert match.own(0) == [(100, 2)]
    play("cancel A -> A CANCELED USER \n C buy 1 @ 99 -> C NEW", match)


def test_unread_reports_stop_the_engine_until_they_are_read() -> None:
    match = Match(recorded=False, orders=4, reports=10)
    new = ffi.new("ida_new_order *", {"order_id": 1, "quantity": 1, "price": 100})
    placed = 0
    while (status := lib.ida_match_place(match.match, new, 0)) == lib.IDA_OK:
        assert lib.ida_match_cancel(match.match, 1, 0) == lib.IDA_OK
        placed += 1
    assert status == lib.IDA_FULL
    assert placed * 2 >= 10
    assert len(match.reports()) == placed * 2
    assert match.own(0) == []
    step(match, "A buy 1 @ 100", "A NEW")


def test_reports_carry_everything() -> None:
    match = Match(recorded=False)
    match.place(7, 1, 5, 101, account=3, now=11)
    maker, taker = match.place(8, 0, 2, 105, account=4, now=12)[1:]
    assert maker == (7, 1, 8, 12, 101, 2, 2, 3, 5, -1, 3, 1, 4, 1, 5, 1, 0)
    assert taker == (8, 1, 7, 12, 101, 2, 2, 0, 2, -1, 4, 0, 4, 2, 1, 0, 0)


def test_reports_of_low_accounts_are_not_made() -> None:
    match = Match(recorded=False, first_account=2)
    assert match.place(1, 1, 5, 101, account=1) == []
    taker = match.place(2, 0, 2, 101, account=2)
    assert [(r.order_id, r.counter_order) for r in taker] == [(2, 0), (2, 1)]
    assert lib.ida_match_open(match.match, 1) == 1
    assert lib.ida_match_open(match.match, 2) == 0


def test_changes_and_prints_tell_each_change_once() -> None:
    match = Match(recorded=False)
    do(match, "A sell 2 @ 101")
    do(match, "B sell 2 @ 100")
    do(match, "C buy 3 @ 101")
    do(match, "D buy 4 @ 99")
    assert match.changes() == ([(99, 4)], [(101, 1), (100, 0)])
    assert match.changes() == ([], [])
    assert match.prints(1) == [(1, 100, 2, 0)]
    assert match.prints() == [(2, 101, 1, 0)]
    do(match, "E sell 1 @ 99")
    do(match, "F sell 2 @ 101")
    assert match.changes(1) == ([(99, 3)], [])
    assert match.changes(1) == ([], [(101, 3)])
    assert match.prints() == [(3, 99, 1, 1)]


def test_an_unread_market_goes_on_and_forgets_the_oldest() -> None:
    match = Match(recorded=False, orders=4)
    for i in range(1, 200):
        match.place(i, 1, 1, 1000 - i)
        match.place(1000 + i, 0, 1, 1000 - i)
    prints, (bids, asks) = match.prints(), match.changes()
    assert [p[0] for p in prints] == list(range(200 - len(prints), 200))
    assert len(prints) >= 10
    assert not bids
    assert asks[-1] == (801, 0)
    assert len(asks) >= 4


def test_the_power_is_looked_at_for_its_model_alone() -> None:
    assert Match(model="averse", power=0.0).place(1, 0, 1, 100)
    assert Match(model="log", power=0.0).place(1, 0, 1, 100)
