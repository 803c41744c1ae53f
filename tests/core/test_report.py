"""The fold over a journal, against results computed by hand."""

from decimal import Decimal
from pathlib import Path

import pytest
from instruments import INVERSE, LINEAR_ETH as LINEAR, SPOT
from made_runs import (
    ASSUMPTIONS,
    T0,
    MadeRun,
    S,
    walk_run,
    write_worst_cases,
)

from ida_core import DataError, Execution, FundingPayment, Note, OrderStatus, Refusal, Side
from ida_core.events import PlaceOrder, ReplaceOrder
from ida_core.model import OrderType
from ida_core.report import Report, load

D = Decimal
BUY, SELL = Side.BUY, Side.SELL


def round_trip(run: MadeRun) -> Path:
    """Buy 2 BTC at 100, the market falls and comes back, sell 1 at 103; the last mid is 104.

    Mids: 100 (at 0 s), 99 (2 s), 101 (3 s), 104 (6 s). Fees: 0.2 on the buy, 0.1 on the sell.
    """
    run.top(0, 9_999, 10_001)
    run.place(S, "a", BUY, 10_000, 200_000)
    run.accept(S + 10_000_000, "a", BUY, 200_000, venue_ts=S + 6_000_000, ahead=7)
    run.fill(
        S + S // 2,
        "a",
        BUY,
        10_000,
        200_000,
        200_000,
        maker=True,
        fee=D("0.2"),
        fee_asset="USDT",
        reason="QUEUE_REACHED",
    )
    run.top(2 * S, 9_899, 9_901)
    run.top(3 * S, 10_099, 10_101)
    run.place(4 * S, "b", SELL, 10_300, 100_000, type=OrderType.MARKET)
    run.accept(4 * S + 8_000_000, "b", SELL, 100_000)
    run.fill(
        4 * S + 9_000_000,
        "b",
        SELL,
        10_300,
        100_000,
        100_000,
        fee=D("0.1"),
        fee_asset="USDT",
        reason="TOOK",
    )
    run.place(5 * S, "c", SELL, 11_000, 5)
    run.accept(5 * S + S // 100, "c", SELL, 5)
    run.cancel(5 * S + S // 2, "c")
    run.canceled(5 * S + S // 2 + 20_000_000, "c", SELL, 5)
    run.top(6 * S, 10_399, 10_401)
    return run.end(7 * S, {"USDT": (D("9902.7"), D(0)), "BTC": (D(1), D(0))})


@pytest.fixture
def report(tmp_path: Path) -> Report:
    return load(round_trip(MadeRun(tmp_path / "run")))


def test_the_result_by_hand(report):
    # realized: sold 1 of 2 at 103, bought at 100; unrealized: 1 at 104
    assert report.document()["pnl"] == {
        "net": "6.7",
        "gross": "7",
        "fees": "0.3",
        "realized": "3",
        "unrealized": "4",
        "currency": "USDT",
        "funding": "0",
    }


def test_fills_orders_and_fees(report):
    document = report.document()
    assert document["fills"] == {
        "count": 2,
        "maker": 1,
        "taker": 1,
        "volume_quote": "303",
        "fees": {"USDT": "0.3"},
    }
    assert document["orders"] == {
        "submitted": 3,
        "accepted": 3,
        "rejected": 0,
        "canceled": 1,
        "filled": 2,
        "unknown": 0,
        "expired": 0,
        "partially_filled": 0,
    }


def test_performance_by_hand(report):
    figures = report.document()["performance"]
    # net over time: −0.2 after the buy, −2.2 at 2 s (mid 99), 1.8 at 3 s, ... 6.7 at the end
    assert figures["max_drawdown"] == "2.2"
    assert figures["max_drawdown_relative"] == pytest.approx(2.2 / 10_000)
    assert figures["fill_ratio"] == pytest.approx(2 / 3)
    assert figures["maker_share"] == pytest.approx(200 / 303)
    assert figures["turnover"] == pytest.approx(303 / 10_000)
    # decided at mid 101, sold at 103: 2 better than the mid
    assert figures["slippage_bps"] == pytest.approx(-2 / 101 * 10_000)
    # bought at 100 while the mid was 100
    assert figures["maker_edge_bps"] == pytest.approx(0)
    # 1 s after the buy the mid is 99; after the sell (at 5.009 s) 101
    bought, sold = -1 / 99 * 10_000, 2 / 101 * 10_000
    assert figures["markout_1s_bps"] == pytest.approx((200 * bought + 103 * sold) / 303)
    assert figures["sampling_s"] == 1.0
    assert figures["samples"] == 7
    assert figures["sharpe"] is None


def test_samples_stand_as_the_markets_stood(report):
    samples = report.samples
    nets = {t - T0: net for t, net in zip(samples.times_ns, samples.net, strict=True)}
    assert [nets[k * S] for k in range(8)] == [
        0,
        0,
        D("-2.2"),
        D("1.8"),
        D("1.8"),
        D("3.7"),
        D("6.7"),
        D("6.7"),
    ]
    mids = {t - T0: mid for t, mid in zip(samples.times_ns, samples.mids[0], strict=True)}
    assert [mids[k * S] for k in (0, 2, 3, 6)] == [10_000, 9_900, 10_100, 10_400]
    assert samples.positions[0][0] == 0
    assert max(samples.positions[0]) == 200_000
    assert samples.positions[0][-1] == 100_000
    assert [samples.times_ns[i] - T0 for i in samples.regular] == [k * S for k in range(8)]


def test_rows_know_the_market_around_them(report):
    bought, sold = report.fills
    assert (bought.mid, bought.decision_mid, bought.position) == (10_000, 10_000, 200_000)
    assert (sold.mid, sold.decision_mid, sold.position) == (10_100, 10_100, 100_000)
    assert bought.markouts == [9_900, None, None]  # the run was over before the others
    assert report.orders[0].ahead == 7
    accepted, canceled, *of_bytes = report.latencies().values()
    assert of_bytes == [[], []], "the simulated exchange sends none"
    assert accepted == [10_000.0, 8_000.0, 10_000.0]
    assert canceled == [20_000.0]


def test_the_ledger_balances(report):
    assert report.document()["ledger"] == {
        "balanced": True,
        "assets": {
            "BTC": {"start": "0", "end": "1", "residual": "0"},
            "USDT": {"start": "10000", "end": "9902.7", "residual": "0"},
        },
    }
    assert report.document()["warnings"] == []


def test_the_document_keeps_its_keys(report):
    document = report.document()
    assert list(document) == [
        "schema",
        "run",
        "assumptions",
        "events",
        "throughput_eps",
        "orders",
        "fills",
        "pnl",
        "performance",
        "book",
        "data",
        "latency_us",
        "risk",
        "warnings",
        "ledger",
        "reconciliation",
        "worst_cases",
        "plugins",
        "plugin_time",
    ]
    assert {
        "id",
        "mode",
        "exchange",
        "out",
        "seed",
        "journal_sha256",
        "started",
        "elapsed_s",
    } <= document["run"].keys()
    assert document["run"]["mode"] == "SIM"
    assert len(document["run"]["journal_sha256"]) == 64
    assert document["assumptions"] == ASSUMPTIONS
    assert document["events"] == {"total": 5, "by_kind": {"snapshot": 1, "depth": 4}}
    book = document["book"]["BTCUSDT"]
    assert (book["best_bid"], book["best_ask"], book["levels"]) == ("103.99", "104.01", [1, 1])
    assert {"last_update_id", "sha256", "gaps", "resyncs"} <= book.keys()
    assert document["latency_us"]["decode"] == {"p50": 0.42, "p99": 1.9}
    assert document["plugin_time"]["strategy maker"] == {"calls": 12_345, "p50": 12.0, "p99": 41.0, "share": 0.123}


def test_funding_and_a_linear_position(tmp_path):
    run = MadeRun(tmp_path / "run", (LINEAR,))
    run.top(0, 19_999, 20_001)
    run.place(S, "a", SELL, 20_000, 1_000)
    run.accept(S, "a", SELL, 1_000)
    run.fill(S, "a", SELL, 20_000, 1_000, 1_000, fee=D("0.8"), fee_asset="USDT")
    run.event(
        FundingPayment(
            ts_local_ns=T0 + 2 * S,
            instrument=0,
            rate=D("0.0001"),
            mark=D(2000),
            amount=D("0.2"),
            asset="USDT",
        )
    )
    run.top(3 * S, 19_899, 19_901)
    document = load(run.end(4 * S, {"USDT": (D("9999.4"), D(0))})).document()
    assert document["pnl"] == {
        "net": "9.4",
        "gross": "10.2",
        "fees": "0.8",
        "realized": "0",
        "unrealized": "10",
        "currency": "USDT",
        "funding": "0.2",
    }
    assert document["ledger"]["balanced"] is True


def test_an_inverse_position_settles_in_the_base_asset(tmp_path):
    run = MadeRun(tmp_path / "run", (INVERSE,), balances={"BTC": (D(1), D(0))})
    run.top(0, 499_990, 500_010)
    run.place(S, "a", BUY, 500_000, 100)
    run.accept(S, "a", BUY, 100)
    run.fill(S, "a", BUY, 500_000, 100, 100, fee=D("0.00004"), fee_asset="BTC")
    run.top(2 * S, 624_990, 625_010)
    document = load(run.end(3 * S, {"BTC": (D("0.99996"), D(0))})).document()
    # 100 contracts of 100 USD: worth 0.2 BTC at 50,000 and 0.16 at 62,500
    assert document["pnl"]["unrealized"] == "0.04"
    assert document["pnl"]["net"] == "0.03996"
    assert document["pnl"]["currency"] == "BTC"
    assert document["fills"]["volume_quote"] == "10000"
    assert document["performance"]["turnover"] == pytest.approx(0.2)


def test_fees_in_a_third_asset(tmp_path):
    def fee_run(name: str, **start: object) -> dict:
        run = MadeRun(
            tmp_path / name, balances={"USDT": (D(100), D(0)), "BNB": (D(1), D(0))}, **start
        )
        run.top(0, 9_999, 10_001)
        run.place(S, "a", BUY, 10_000, 100)
        run.accept(S, "a", BUY, 100)
        run.fill(S, "a", BUY, 10_000, 100, 100, fee=D("0.001"), fee_asset="BNB")
        end = {"USDT": (D("99.9"), D(0)), "BNB": (D("0.999"), D(0)), "BTC": (D("0.001"), D(0))}
        return load(run.end(2 * S, end)).document()

    valued = fee_run("valued", rates={"BNB": "300"})
    assert valued["pnl"]["fees"] == "0.3"
    assert valued["fills"]["fees"] == {"BNB": "0.001"}
    assert valued["warnings"] == []
    unvalued = fee_run("unvalued")
    assert unvalued["pnl"]["fees"] == "0"
    assert "No rate is known for BNB" in unvalued["warnings"][0]
    assert unvalued["ledger"]["balanced"] is True


def test_a_market_of_the_run_tells_what_another_settles_in_is_worth(tmp_path):
    balances = {"USDT": (D(1_000), D(0)), "BTC": (D(1), D(0))}
    run = MadeRun(tmp_path / "run", (SPOT, INVERSE), balances=balances)
    run.top(0, 4_999_999, 5_000_001)
    run.top(0, 499_990, 500_010, instrument=1)
    run.place(S, "a", BUY, 500_000, 100, instrument=1)
    run.accept(S, "a", BUY, 100, instrument=1)
    run.fill(S, "a", BUY, 500_000, 100, 100, instrument=1, fee=D("0.00004"), fee_asset="BTC")
    run.top(2 * S, 624_990, 625_010, instrument=1)
    run.top(2 * S, 5_999_999, 6_000_001)
    document = load(run.end(3 * S, {"USDT": (D(1_000), D(0)), "BTC": (D("0.99996"), D(0))})).document()
    # 0.04 BTC gained, 0.00004 BTC of fees, and a BTC is worth 60,000 at the end
    assert document["pnl"]["unrealized"] == "2400"
    assert document["pnl"]["fees"] == "2.4"
    assert document["warnings"] == []
    # capital: 1,000 and a BTC at 50,000; value of the fill: 0.2 BTC at 50,000
    assert document["performance"]["turnover"] == pytest.approx(10_000 / 51_000)


def test_a_crashed_run_says_so(tmp_path):
    run = MadeRun(tmp_path / "run")
    run.top(0, 9_999, 10_001)
    run.place(S, "a", BUY, 10_000, 10)
    run.top(3 * S, 9_999, 10_001)
    report = load(run.break_off())
    document = report.document()
    assert not report.is_complete
    assert document["run"]["complete"] is False
    assert document["run"]["span_s"] == 3.0
    assert document["ledger"] == {"balanced": None, "assets": {}}
    assert "did not end in order" in document["warnings"][0]
    assert any("1 order was still open at the end: a." in w for w in document["warnings"])


def test_a_torn_journal_is_read_as_far_as_it_is_whole(tmp_path):
    folder = walk_run(tmp_path / "run", seconds=20)
    whole = load(folder).document()
    segment = max((folder / "journal").glob("*.ida"))
    data = bytearray(segment.read_bytes())
    data[len(data) * 2 // 3] ^= 0xFF
    segment.write_bytes(data)
    torn = load(folder).document()
    assert any("The journal is damaged" in warning for warning in torn["warnings"])
    assert torn["run"]["journal_sha256"] is None
    assert 0 < torn["events"]["total"] < whole["events"]["total"]


def test_gaps_refusals_halts_and_failures_are_told(tmp_path):
    run = MadeRun(tmp_path / "run")
    run.top(0, 9_999, 10_001)
    wanted = PlaceOrder(
        ts_local_ns=T0 + S,
        instrument=0,
        order_id="x",
        side=BUY,
        type=OrderType.LIMIT,
        price=10_000,
        quantity=10,
    )
    for by, reason in (("big", "too_big"), ("big", "too_big"), ("price_collar", "collar"), ("orders", "closed")):
        run.event(
            Refusal(
                ts_local_ns=T0 + S,
                instrument=0,
                request=wanted,
                by=by,
                reason=reason,
                detail="10 > 5",
            )
        )
    run.event(Note(ts_local_ns=T0 + S, what="halt", plugin="daily_loss", detail="lost 12 of 10"))
    run.event(
        Note(ts_local_ns=T0 + S, what="plugin_failed", plugin="maker", detail="on_book: oops")
    )
    run.depth(2 * S, [(9_998, 5)], [], skip=3)
    document = load(run.end(3 * S)).document()
    assert document["risk"] == {
        "refused": {"too_big": 2, "collar": 1, "closed": 1},
        "halts": ["daily_loss: lost 12 of 10"],
        "limits": {},
    }
    told = " ".join(document["warnings"])
    assert "Stopped by risk: daily_loss: lost 12 of 10" in told
    assert "Plugin maker failed: on_book: oops" in told
    assert "Risk refused 3 orders before sending: big 2, price_collar 1." in told
    assert "BTCUSDT: 1 gap in" in told
    assert "not in step at the end" in told
    assert document["book"]["BTCUSDT"]["gaps"] == 1


def test_a_ledger_that_is_off_is_told(tmp_path):
    run = MadeRun(tmp_path / "run")
    run.top(0, 9_999, 10_001)
    document = load(run.end(S, {"USDT": (D("9999.5"), D(0))})).document()
    assert document["ledger"]["balanced"] is False
    assert "The ledger does not balance: -0.5 USDT unexplained." in document["warnings"]


def test_a_late_and_a_repeated_fill_count_once(tmp_path):
    run = MadeRun(tmp_path / "run")
    run.top(0, 9_999, 10_001)
    run.place(S, "a", BUY, 10_000, 10)
    run.accept(S, "a", BUY, 10)
    run.cancel(2 * S, "a")
    run.canceled(2 * S, "a", BUY, 10)
    for _ in range(2):
        run.update(
            3 * S,
            "a",
            Execution.TRADE,
            OrderStatus.PARTIALLY_FILLED,
            BUY,
            price=10_000,
            quantity=4,
            cumulative=4,
            leaves=6,
            order_quantity=10,
            trade_id=9,
        )
    document = load(run.end(4 * S)).document()
    assert document["fills"]["count"] == 1
    assert document["orders"]["partially_filled"] == 1


def test_a_replaced_order_is_followed(tmp_path):
    run = MadeRun(tmp_path / "run")
    run.top(0, 9_999, 10_001)
    run.place(S, "a", BUY, 9_990, 10)
    run.accept(S, "a", BUY, 10)
    run.event(
        ReplaceOrder(
            ts_local_ns=T0 + 2 * S,
            instrument=0,
            order_id="a",
            new_order_id="b",
            quantity=10,
            price=9_995,
            strategy="maker",
        )
    )
    run.canceled(2 * S, "a", BUY, 10)
    run.accept(2 * S + 1, "b", BUY, 10)
    run.fill(3 * S, "b", BUY, 9_995, 10, 10)
    report = load(run.end(4 * S))
    assert report.document()["orders"]["submitted"] == 2
    assert [row.order.order_id for row in report.orders] == ["a", "b"]
    assert "to be replaced by b" in " ".join(text for _, text in report.order_story("a"))
    assert "asked for in place of a" in report.order_story("b")[0][1]


def test_worst_cases_stand_beside_the_result(tmp_path):
    folder = round_trip(MadeRun(tmp_path / "run"))
    write_worst_cases(folder)
    assert [case["name"] for case in load(folder).document()["worst_cases"]] == [
        "latency x2",
        "back of the queue",
        "next fee tier",
    ]
    (folder / "report" / "worst_cases.json").write_text("{")
    with pytest.raises(DataError, match=r"worst_cases\.json"):
        load(folder).document()


def test_a_market_without_a_book_or_an_order(tmp_path):
    report = load(MadeRun(tmp_path / "run", (SPOT, LINEAR)).end(0))
    document = report.document()
    assert document["pnl"]["net"] == "0"
    assert document["book"]["ETHUSDT"]["best_bid"] is None
    assert document["events"] == {"total": 0, "by_kind": {}}
    assert document["performance"]["max_drawdown"] == "0"


def test_what_is_no_run_folder_is_said(tmp_path):
    with pytest.raises(DataError, match="not a run directory"):
        load(tmp_path)
    (tmp_path / "journal").mkdir()
    with pytest.raises(DataError, match="no journal"):
        load(tmp_path)


def test_numbers_are_documented(report):
    text = (Path(__file__).parents[2] / "docs" / "numbers.md").read_text(encoding="utf-8")
    missing = [key for key in report.document()["performance"] if f"| `{key}` |" not in text]
    assert missing == []


def test_the_trade_that_shows_a_fill_is_told_when_it_reaches_us(tmp_path):
    run = MadeRun(tmp_path / "run")
    run.top(0, 9_999, 10_001)
    run.place(S, "a", BUY, 10_000, 10)
    run.accept(S, "a", BUY, 10)
    run.fill(2 * S, "a", BUY, 10_000, 10, 10, maker=True, reason="TRADED_THROUGH")
    run.trade(2 * S + 4_000_000, 10_001, 50)
    run.trade(2 * S + 9_000_000, 9_999, 70)
    run.trade(2 * S + 10_000_000, 9_998, 80)
    story = load(run.end(3 * S)).order_story("a")
    assert story[-1] == (
        T0 + 2 * S + 9_000_000,
        "the market's trade that shows it reached us: 0.0007 at 99.99, 9 ms after the fill was known",
    )


def test_the_story_of_an_order(report):
    texts = [text for _, text in report.order_story("a")]
    assert texts == [
        "maker asked to buy 2 BTCUSDT LIMIT GTC at 100; the market: 0.001 bid at 99.99, "
        "0.001 offered at 100.01; passed the risk checks max_position, price_collar, sent",
        "accepted; 0.00007 ahead of it in the queue; known 10 ms after the request, 4 ms after the "
        "exchange's stamp",
        "filled 2 at 100 as maker, because a trade at our price had used up the queue ahead; "
        "fee 0.2 USDT; 2 of 2 filled so far; trade 1, 0 ms after the exchange's stamp; the market: "
        "0.001 bid at 99.99, 0.001 offered at 100.01",
    ]
    told = [text for _, text in report.order_story("c")]
    assert told[2].startswith("cancel sent")
    assert told[3].startswith("canceled; 0 of 0.00005 were filled")
    assert report.order_story("zzz") == []
