"""Each rule for strategies is broken here by one that does just that, and is named with what it did."""

import os
import random
import socket
import time
import uuid
from decimal import Decimal
from time import monotonic as now
from typing import Any, ClassVar

import msgspec
import pytest

from ida_core import (
    Book,
    Context,
    Execution,
    MarketState,
    OrderStatus,
    OrderType,
    OrderUpdate,
    PlaceOrder,
    Side,
    Strategy,
    Timer,
)
from ida_core.testing import STRATEGY_RULES, check_strategy
from ida_core.testing.strategies import CALLBACKS

BUDGET_NS = 3_000_000


class Quoter(Strategy):
    """Keeps one buy at the best bid, sells at the market what it holds."""

    name = "quoter"

    def on_book(self, ctx: Context, book: Book) -> None:
        if book.bid is None or ctx.orders:
            return
        if ctx.position.lots > 0:
            ctx.place(Side.SELL, ctx.position.lots, type=OrderType.MARKET)
        else:
            ctx.place(Side.BUY, 100, book.bid)


class TakesEverything(Quoter):
    """Overrides each callback; a subclass raises in one of them."""

    name = "takes_everything"

    def on_start(self, ctx: Context) -> None:
        ctx.every(0.5)


class Misspelt(Quoter):
    def on_trades(self, ctx: Context, trade: object) -> None:
        pass


class WrongSignature(Strategy):
    name = "wrong_signature"

    def on_book(self, ctx: Context) -> None:  # type: ignore[override]
        pass


class Hurried(Quoter):
    book_updates = "fast"


class Lacking(msgspec.Struct, frozen=True):
    size: int


class HasNoDefault(Quoter):
    Config = Lacking


class Soft(msgspec.Struct):
    size: int = 1


class MayChange(Quoter):
    Config = Soft


class DoesNothing(Strategy):
    name = "does_nothing"


class Counter(Quoter):
    """Counts in the class, so a second run is another one."""

    seen: ClassVar[list[int]] = []

    def on_book(self, ctx: Context, book: Book) -> None:
        self.seen.append(1)
        if len(self.seen) < 100:
            super().on_book(ctx, book)


class GoesByTheOrderOfASet(Quoter):
    def on_book(self, ctx: Context, book: Book) -> None:
        words = {"alpha", "beta", "gamma", "delta", "epsilon", "zeta"}
        if book.bid is not None and not ctx.orders:
            ctx.place(Side.BUY, 100 + len(next(iter(words))) + list(words).index("zeta"), book.bid)


class AsksForItsBalance(Quoter):
    """What a replay cannot know."""

    def on_book(self, ctx: Context, book: Book) -> None:
        engine = getattr(ctx, "_engine")  # noqa: B009 - as one does who knows that it is private
        free = engine.venue.balances()["USDT"][0]
        if book.bid is not None and not ctx.orders:
            ctx.place(Side.BUY, 100 + int(free) % 97, book.bid)


class ReadsTheClock(Quoter):
    def on_book(self, ctx: Context, book: Book) -> None:
        if now() < 0:
            raise RuntimeError
        super().on_book(ctx, book)


class WouldReadTheClock(Quoter):
    def on_book(self, ctx: Context, book: Book) -> None:
        if ctx.position.lots < -1_000_000:
            _much_later()


def _much_later() -> float:
    return time.time() + 5


class Dicer(Quoter):
    def on_book(self, ctx: Context, book: Book) -> None:
        if random.choice((True, False)):
            super().on_book(ctx, book)


class NamesByUuid(Quoter):
    def on_book(self, ctx: Context, book: Book) -> None:
        self.mark = uuid.uuid4()


class HasUnseededDice(Quoter):
    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        self.dice = random.Random()


class HasSeededDice(Quoter):
    """Which is allowed."""

    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        self.dice = random.Random(7)

    def on_book(self, ctx: Context, book: Book) -> None:
        if self.dice.random() < 0.5:
            super().on_book(ctx, book)


class Sleeps(Quoter):
    def on_start(self, ctx: Context) -> None:
        time.sleep(0.001)


class Prints(Quoter):
    def on_start(self, ctx: Context) -> None:
        print("started")


class OpensFiles(Quoter):
    def on_start(self, ctx: Context) -> None:
        with open(os.devnull, "w") as file:
            file.write("started")


class Connects(Quoter):
    def on_start(self, ctx: Context) -> None:
        socket.socket().close()


class PricesOfTheBookChanged(Quoter):
    def on_book(self, ctx: Context, book: Book) -> None:
        if book.bid is not None:
            book.set(Side.BUY, book.bid, 1)


class HelpsItself(Quoter):
    def on_book(self, ctx: Context, book: Book) -> None:
        ctx.position.quantity += Decimal(1)


class LooksInside(Quoter):
    def on_start(self, ctx: Context) -> None:
        self.engine = ctx._engine


class GoesPastRisk(Quoter):
    def on_start(self, ctx: Context) -> None:
        ctx.every(0.5)

    def on_timer(self, ctx: Context, timer: Timer) -> None:
        venue = getattr(ctx, "_engine").venue  # noqa: B009 - as one does who knows that it is private
        if ctx.book.bid is not None:
            venue.send(PlaceOrder(order_id=f"mine-{timer.due_ns}", instrument=0, side=Side.BUY, quantity=100,
                                  type=OrderType.LIMIT, price=ctx.book.bid // 2))


class Returns(Quoter):
    def on_book(self, ctx: Context, book: Book) -> Any:
        return [("buy", 1)]


class Awaits(Quoter):
    async def on_book(self, ctx: Context, book: Book) -> None:  # type: ignore[override]
        pass


class AsksForTheMoon(Quoter):
    def on_book(self, ctx: Context, book: Book) -> None:
        if book.bid is not None:
            ctx.place(Side.BUY, 10**15, book.bid)


class WantsWholeFills(Quoter):
    def on_fill(self, ctx: Context, fill: OrderUpdate) -> None:
        if fill.status is not OrderStatus.FILLED:
            raise RuntimeError("only a part of it?")


class WantsNoRefusal(Quoter):
    def on_order(self, ctx: Context, update: OrderUpdate) -> None:
        if update.execution is Execution.REJECTED and update.code == -1:
            raise RuntimeError("I did not expect to be refused")


class KeepsOwnBooks(Quoter):
    """An order that was cancelled is forgotten, and a fill of it then a KeyError."""

    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        self.mine: dict[str, int] = {}

    def on_order(self, ctx: Context, update: OrderUpdate) -> None:
        if update.execution is Execution.NEW:
            self.mine[update.order_id] = update.order_quantity
        elif update.execution is Execution.CANCELED:
            del self.mine[update.order_id]
        elif update.execution is Execution.TRADE:
            self.mine[update.order_id] -= update.quantity


class CountsReports(Quoter):
    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        self.accepted: set[str] = set()

    def on_order(self, ctx: Context, update: OrderUpdate) -> None:
        if update.execution is Execution.NEW:
            if update.order_id in self.accepted:
                raise RuntimeError("accepted twice")
            self.accepted.add(update.order_id)


class WantsAnswers(Quoter):
    def on_order(self, ctx: Context, update: OrderUpdate) -> None:
        if update.status is OrderStatus.UNKNOWN:
            raise RuntimeError("no answer")


class WantsALine(Quoter):
    def on_market_state(self, ctx: Context, state: MarketState) -> None:
        if not ctx.market.synced:
            raise RuntimeError("not in step")


class WantsTwoSides(Quoter):
    def on_book(self, ctx: Context, book: Book) -> None:
        if book.ask - book.bid > 10_000:  # type: ignore[operator]
            ctx.cancel_all()


class Ponders(Quoter):
    """Works for three milliseconds of its thread's time, whatever the machine."""

    def on_book(self, ctx: Context, book: Book) -> None:
        until = time.thread_time_ns() + BUDGET_NS
        while time.thread_time_ns() < until:
            pass


BREACHES: list[tuple[type[Strategy], str, str]] = [
    (Misspelt, "keeps_the_protocol", "nothing calls on_trades; did you mean 'on_trade'"),
    (WrongSignature, "keeps_the_protocol", r"on_book is called as on_book\(self, ctx, book\)"),
    (Hurried, "keeps_the_protocol", "book_updates 'fast' must be"),
    (HasNoDefault, "keeps_the_protocol", "Lacking.size has no default"),
    (MayChange, "keeps_the_protocol", "Soft is not frozen=True"),
    (DoesNothing, "keeps_the_protocol", "it would never be called"),
    (WantsTwoSides, "survives_a_bad_book", "TypeError"),
    (Counter, "tells_the_same_again", "two runs with the same seed differ"),
    (GoesByTheOrderOfASet, "tells_the_same_whatever_the_hash_seed", "goes by the order of a set"),
    (AsksForItsBalance, "replays", "the replay differs: "),
    (ReadsTheClock, "asks_no_clock_but_its_context_s", r"time.monotonic\(\): the only clock is ctx.now_ns"),
    (WouldReadTheClock, "asks_no_clock_but_its_context_s", r"time.time\(\)"),
    (Dicer, "draws_no_chance_but_its_context_s", "the generator of module random|random.choice"),
    (NamesByUuid, "draws_no_chance_but_its_context_s", r"os.urandom\(\)"),
    (HasUnseededDice, "draws_no_chance_but_its_context_s", "a Random without a seed"),
    (Sleeps, "does_no_input_or_output", r"time.sleep\(\)"),
    (Prints, "does_no_input_or_output", r"print\(\)"),
    (OpensFiles, "does_no_input_or_output", r"open\('/dev/null'\)"),
    (Connects, "does_no_input_or_output", "socket"),
    (PricesOfTheBookChanged, "leaves_its_context_alone", "on_book changed ctx.book's levels"),
    (HelpsItself, "leaves_its_context_alone", "ctx.position.quantity is not the strategy's to change"),
    (LooksInside, "leaves_its_context_alone", "ctx._engine is private"),
    (GoesPastRisk, "leaves_its_context_alone", "past risk and journal"),
    (GoesPastRisk, "leaves_no_order_open", "still open at the exchange: mine-"),
    (Returns, "returns_nothing", r"on_book returned \[\('buy', 1\)\]"),
    (Awaits, "returns_nothing", "on_book returned <coroutine"),
    (AsksForTheMoon, "asks_for_what_can_be", "refused on a quiet market; most often: Account has insufficient balance"),
    (WantsWholeFills, "survives_partial_fills", "only a part of it"),
    (WantsNoRefusal, "survives_rejects", "I did not expect to be refused"),
    (KeepsOwnBooks, "survives_fills_after_a_cancel", "KeyError"),
    (CountsReports, "survives_reports_told_twice", "accepted twice"),
    (WantsAnswers, "survives_unanswered_orders", "no answer"),
    (WantsALine, "survives_a_lost_connection", "not in step"),
    (Ponders, "keeps_its_time_budget", "the budget is 100 µs, and 1000 µs the bound"),
]


@pytest.mark.parametrize(("kind", "rule", "says"), BREACHES, ids=lambda value: getattr(value, "__name__", ""))
def test_a_breach_is_named_with_its_rule(kind: type[Strategy], rule: str, says: str) -> None:
    with pytest.raises(AssertionError, match=says) as caught:
        check_strategy(kind, duration_s=10, rules=[rule])
    assert rule.replace("_", " ") in str(caught.value)


def test_every_rule_can_be_broken() -> None:
    by_callbacks = {"runs_to_the_end", "takes_every_kind_of_event"}
    assert {rule for _, rule, _ in BREACHES} | by_callbacks == set(STRATEGY_RULES)


@pytest.mark.parametrize("rule", ["tells_the_same_again", "draws_no_chance_but_its_context_s", "replays"])
def test_chance_with_a_seed_of_its_own_is_allowed(rule: str) -> None:
    check_strategy(HasSeededDice, duration_s=10, rules=[rule])


def _raiser(callback: str) -> type[Strategy]:
    def fail(self: Any, ctx: Context, *event: object) -> None:
        raise RuntimeError(f"raised in {callback}")

    if callback == "on_timer":
        return type("Raises", (TakesEverything,), {callback: fail})
    return type("Raises", (Quoter,), {callback: fail})


@pytest.mark.parametrize("callback", CALLBACKS)
def test_raising_in_any_callback_is_found(callback: str) -> None:
    with pytest.raises(AssertionError, match=rf"{callback}: RuntimeError: raised in {callback} \(test_str") as caught:
        check_strategy(_raiser(callback), duration_s=10, rules=["runs_to_the_end", "takes_every_kind_of_event"])
    assert "takes every kind of event" in str(caught.value)


def test_the_line_is_the_plugin_s_own() -> None:
    line = Prints.on_start.__code__.co_firstlineno + 1
    with pytest.raises(AssertionError, match=f"test_strategy_contract.py:{line}: print"):
        check_strategy(Prints, duration_s=5, rules=["does_no_input_or_output"])


def test_a_sound_strategy_passes_and_its_document_comes_back() -> None:
    document = check_strategy(Quoter, duration_s=10)
    assert document["orders"]["submitted"] > 0
    assert document["run"]["mode"] == "SIM"


def test_what_ida_does_for_a_strategy_is_not_held_against_it() -> None:
    """``ctx.place`` reads clocks for its figures, and ``ctx.log`` writes a file."""

    class Logs(Quoter):
        def on_book(self, ctx: Context, book: Book) -> None:
            ctx.log("seen")
            super().on_book(ctx, book)

    pure = [rule for rule in STRATEGY_RULES if "clock" in rule or "chance" in rule or "output" in rule]
    check_strategy(Logs, duration_s=5, rules=pure)

