"""The contract of ``ida_core.RiskCheck`` as functions, one rule each: what ``check_risk`` runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple

import msgspec

from ida_core.clock import NS
from ida_core.config import Settings
from ida_core.events import Execution, OrderRequest, OrderStatus, OrderUpdate, PlaceOrder, ReplaceOrder, Timer
from ida_core.making import place_of
from ida_core.model import Instrument, InstrumentKind, OrderType, Side
from ida_core.order_table import OrderTable
from ida_core.plugins import Plugins
from ida_core.portfolio import Portfolio
from ida_core.protocols import RiskCheck, Strategy
from ida_core.risk import RiskState
from ida_core.testing.rules import Finding, NotApplicable, check_class, count, hold, require, table, told
from ida_core.testing.trial import Bench, check_ended
from ida_core.testing.watch import Breach, Watch, watched

SPOT = Instrument(
    symbol="BTCUSDT", base="BTC", quote="USDT", tick_size=Decimal("0.01"), lot_size=Decimal("0.00001"), market="spot")
LINEAR = Instrument(
    symbol="ETHUSDT", base="ETH", quote="USDT", tick_size=Decimal("0.01"), lot_size=Decimal("0.001"), market="usdm",
    kind=InstrumentKind.LINEAR)
INVERSE = Instrument(
    symbol="BTCUSD_PERP", base="BTC", quote="USD", tick_size=Decimal("0.1"), lot_size=Decimal(1), market="coinm",
    kind=InstrumentKind.INVERSE, multiplier=Decimal(100))
MIDS: dict[int, float] = {0: 6_000_000.5, 1: 300_000.5, 2: 600_000.5}
LOTS = (1, 100, 10_000_000)
LONGEST_SENTENCE = 300
RUN_S = 10.0
HOURS = (0, 3, 9, 12, 23)
METHODS = ("check", "halt")


class Question(NamedTuple):
    """A request in a situation; ``what`` is for people."""

    what: str
    request: OrderRequest
    state: RiskState


class RiskTrial:
    """A risk check, the questions it is asked, and its answers."""

    def __init__(self, kind: type[RiskCheck], bench: Bench) -> None:
        self.kind = kind
        self.bench = bench

    def close(self) -> None:
        self.bench.close()

    def made(self, kind: Any = None) -> RiskCheck:
        check: RiskCheck = (kind or self.kind)(self.bench.config_of(self.kind))
        return check

    @cached_property
    def answers(self) -> dict[str, str | None]:
        """What a fresh check says to each question, asked in order."""
        check = self.made()
        return {q.what: _ask(check, q) for q in questions()}

    @cached_property
    def watch(self) -> list[Breach]:
        watch = Watch(self.kind)
        check = self.made(watched([name for name in METHODS if _is_own(self.kind, name)], watch))
        for question in questions():
            _ask(check, question)
            check.halt(question.state)
        return list(watch.breaches)


def check_risk(
    check: type[RiskCheck], config: msgspec.Struct | None = None, *, rules: Sequence[str] | None = None
) -> None:
    """Hold a risk check to its contract: the same answer to the same question, in one sentence, whatever came before.

    Args:
        config: its section; the defaults of ``check.Config`` if None. One that refuses something shows more.
        rules: keys of ``RISK_RULES``; all by default.
    Raises:
        AssertionError: names every rule that was broken, and how.
    """
    bench = Bench(check, Busy, duration_s=RUN_S)
    bench.configure(check, config)
    with closing(RiskTrial(check, bench)) as trial:
        require(f"risk check {check.__name__}", hold(RISK_RULES, trial, rules))


def find_risk(kind: type[RiskCheck], settings: Settings, plugins: Plugins) -> list[Finding]:
    """Hold a risk check to every rule, the installed ``plugins`` beside it."""
    bench = Bench(kind, Busy, plugins=plugins, duration_s=RUN_S, sections=settings.sections)
    with closing(RiskTrial(kind, bench)) as trial:
        return hold(RISK_RULES, trial)


# ------------------------------------------------------------------ the rules


def keeps_the_protocol(trial: RiskTrial) -> str:
    check_class(trial.kind, RiskCheck, METHODS)
    assert _is_own(trial.kind, "check"), f"{place_of(trial.kind)}: check is not defined; every order would be refused"
    return ""


def answers_every_question(trial: RiskTrial) -> str:
    """A check that raises refuses; one that does so by habit refuses everything."""
    refused = sum(answer is not None for answer in trial.answers.values())
    return f"{refused} of {count(len(trial.answers), 'request')} refused"


def refuses_in_one_sentence(trial: RiskTrial) -> str:
    sentences = sorted({a for a in trial.answers.values() if a is not None}, key=str)
    if not sentences:
        raise NotApplicable("it refused nothing; give a configuration that does")
    where = place_of(trial.kind.check)
    for sentence in sentences:
        assert isinstance(sentence, str), f"{where}: check returned {sentence!r}: it returns None or a sentence"
        assert sentence.strip(), f"{where}: an empty sentence tells nobody why"
        assert "\n" not in sentence, f"{where}: more than one line: {sentence!r}"
        assert len(sentence) <= LONGEST_SENTENCE, f"{where}: {len(sentence)} characters, at most {LONGEST_SENTENCE}"
    numbered = [s for s in sentences if any(c.isdigit() for c in s)]
    assert numbered, f"{where}: no value and no limit in {sentences[0]!r}"
    return f"such as: {numbered[0]}"


def does_not_count_its_calls(trial: RiskTrial) -> str:
    """Asked again, and by another of its kind in the opposite order: the answers are the same."""
    first, check, other = trial.answers, trial.made(), trial.made()
    rounds = (
        ("asked again", [q for q in questions() for _ in range(2)], check),
        ("asked in the opposite order", questions()[::-1], other),
    )
    for words, asked, one in rounds:
        for question in asked:
            answer = _ask(one, question)
            assert answer == first[question.what], (
                f"{place_of(trial.kind.check)}: {question.what}: first {_said(first[question.what])}, {words} "
                f"{_said(answer)}: the answer must depend on request and state alone")
    return f"{count(len(first), 'request')}, in two orders, twice"


def changes_nothing(trial: RiskTrial) -> str:
    check = trial.made()
    for question in questions():
        before = _print_of(question.state)
        _ask(check, question)
        check.halt(question.state)
        assert _print_of(question.state) == before, (
            f"{place_of(trial.kind)}: {question.what}: the state it was given is another afterwards")
    return ""


def halts_in_one_sentence(trial: RiskTrial) -> str:
    if not _is_own(trial.kind, "halt"):
        raise NotApplicable("it never stops a run")
    where, check, said = place_of(trial.kind.halt), trial.made(), set()
    for question in questions():
        try:
            sentence = check.halt(question.state)
        except Exception as error:
            raise AssertionError(f"halt raised, which stops the run: {told(error)}") from error
        assert sentence is None or (isinstance(sentence, str) and sentence.strip()), f"{where}: returned {sentence!r}"
        assert sentence == trial.made().halt(question.state), f"{where}: another of its kind says something else"
        said.add(sentence)
    stops = [sentence for sentence in said if sentence]
    return f"such as: {min(stops)}" if stops else "it stopped nothing here"


def is_pure(trial: RiskTrial) -> str:
    found = "; ".join(map(str, trial.watch[:3]))
    assert not found, f"{found}: a check knows request and state, its only clock is state.now_ns"
    return "no clock, no chance, no input or output"


def runs_alike_twice(trial: RiskTrial) -> str:
    """With a busy strategy on the synthetic market."""
    from ida_core.replay import replay

    name = trial.kind.name
    runs = [trial.bench.run(Busy.name, risk=(name,)) for _ in range(2)]
    first, second = (run.document["run"]["journal_sha256"] for run in runs)
    assert first == second, f"two runs with the same seed differ: {first[:12]} and {second[:12]}"
    document = runs[0].document
    refused = document["risk"]["refused"]
    assert "check_failed" not in refused, f"it raised: {_first_refusal(trial, runs[0])}"
    if not document["risk"]["halts"]:
        check_ended(runs[0])
        outcome = replay(runs[0].run_dir, trial.bench.plugins)
        assert outcome.same, f"the replay differs: {outcome.difference}"
    return f"{count(document['orders']['submitted'], 'order')} sent, {refused.get(name, 0)} refused"


RISK_RULES = table(
    keeps_the_protocol, answers_every_question, refuses_in_one_sentence, does_not_count_its_calls, changes_nothing,
    halts_in_one_sentence, is_pure, runs_alike_twice,
)


# ------------------------------------------------------------------ their parts


def _is_own(kind: type, name: str) -> bool:
    return getattr(kind, name) is not getattr(RiskCheck, name)


def _ask(check: RiskCheck, question: Question) -> str | None:
    try:
        return check.check(question.request, question.state)
    except Exception as error:
        raise AssertionError(f"{question.what}: it raised, and so refuses: {told(error)}") from error


def _said(answer: str | None) -> str:
    return "it passed" if answer is None else f"refused ({answer})"


def _first_refusal(trial: RiskTrial, outcome: Any) -> str:
    events = trial.bench.load(outcome)
    return next((e.detail for e in events if getattr(e, "reason", "") == "check_failed"), "")


def _print_of(state: RiskState) -> Any:
    orders = [(o.order_id, o.status, o.filled, o.quantity, o.price) for o in state.orders.open()]
    positions = [repr(state.portfolio.account(i)) for i in range(len(state.instruments))]
    equity = (state.equity, state.peak_equity, state.day_start_equity)
    return state.now_ns, equity, orders, positions, state.portfolio.capital, [state.mid(i) for i in MIDS]


def questions() -> list[Question]:
    """Every kind of request in every situation; made anew, so that nobody's changes live on."""
    return [question for make in SITUATIONS for question in _questions_of(make)]


def _questions_of(make: Callable[[], Situation]) -> list[Question]:
    one = make()
    name = make.__name__.strip("_").replace("_", " ")
    return [
        Question(f"{what} of {one.instruments[request.instrument].name}, {name}", request, one.state)
        for what, request in _requests(one)
    ]


def _requests(one: Situation) -> Sequence[tuple[str, OrderRequest]]:
    found: list[tuple[str, OrderRequest]] = []
    for index, mid in MIDS.items():
        price = int(mid)
        for side in Side:
            for lots in LOTS:
                found.append((f"{side} {lots} lots at the mid", one.order(side, lots, index, price=price)))
            far = price * 3 // 2 if side is Side.BUY else price // 2
            found.append((f"{side} 1 lot far away", one.order(side, 1, index, price=far)))
            found.append((f"{side} 1 lot at the market", one.order(side, 1, index, type=OrderType.MARKET)))
        for order in one.state.orders.open(None, index):
            request = ReplaceOrder(order_id=order.order_id, instrument=index, new_order_id="r", quantity=5, price=price)
            found.append((f"replacement of {order.order_id}", request))
    by_value = one.order(Side.BUY, 0, 0, type=OrderType.MARKET, quote_quantity=Decimal(1000))
    return [*found, ("BUY for 1000 quote units", by_value)]


class Situation:
    """A run's state in the middle: instruments, orders, positions, prices."""

    def __init__(self, now_ns: int = NS, capital: int = 1_000_000) -> None:
        self.instruments = (SPOT, LINEAR, INVERSE)
        self.orders = OrderTable("t")
        self.portfolio = Portfolio(self.instruments, {"BTC": Decimal(60_000)}, Decimal(capital))
        self.mids: dict[int, float | None] = dict(MIDS)
        self.state = RiskState(self.instruments, self.orders, self.portfolio, self.mids.__getitem__, lambda _: True)
        self.state.revalue(now_ns)

    def order(self, side: Side, lots: int, index: int, **fields: Any) -> PlaceOrder:
        return PlaceOrder(**{
            "order_id": "q", "instrument": index, "side": side, "quantity": lots, "type": OrderType.LIMIT,
            "ts_local_ns": self.state.now_ns, **fields})

    def place(self, side: Side, lots: int, index: int) -> PlaceOrder:
        order = self.order(side, lots, index, price=int(MIDS[index]), order_id=self.orders.new_id())
        self.orders.request(order, self.state.now_ns)
        return order

    def answer(self, order: PlaceOrder, execution: Execution, status: OrderStatus, lots: int = 0) -> None:
        update = OrderUpdate(
            order_id=order.order_id, instrument=order.instrument, side=order.side, execution=execution, status=status,
            price=order.price or 0, quantity=lots, cumulative=lots, trade_id=len(self.orders) if lots else 0)
        if self.orders.apply(update).fill:
            self.portfolio.apply(update)

    def hold(self, side: Side, lots: int, index: int) -> None:
        self.answer(self.place(side, lots, index), Execution.TRADE, OrderStatus.FILLED, lots)


def _at_the_start() -> Situation:
    return Situation()


def _with_orders_open() -> Situation:
    one = Situation()
    for index in MIDS:
        one.answer(one.place(Side.BUY, 10, index), Execution.NEW, OrderStatus.NEW)
        one.answer(one.place(Side.SELL, 10, index), Execution.UNANSWERED, OrderStatus.UNKNOWN)
    return one


def _long() -> Situation:
    one = Situation()
    for index in MIDS:
        one.hold(Side.BUY, 1_000, index)
    one.state.revalue(2 * NS)
    return one


def _short_after_a_loss() -> Situation:
    one = Situation()
    one.hold(Side.SELL, 1_000_000, 1)
    one.state.revalue(2 * NS)
    one.mids[1] = MIDS[1] * 2
    one.state.revalue(3 * NS)
    return one


def _without_prices() -> Situation:
    one = Situation()
    one.mids.update(dict.fromkeys(one.mids))
    return one


def _by_the_hour(hour: int) -> Callable[[], Situation]:
    def make() -> Situation:
        return Situation(now_ns=hour * 3600 * NS)

    make.__name__ = f"at_{hour}:00_UTC"
    return make


SITUATIONS: tuple[Callable[[], Situation], ...] = (
    _at_the_start, _with_orders_open, _long, _short_after_a_loss, _without_prices, *map(_by_the_hour, HOURS))


class Busy(Strategy):
    """Asks for something of everything: small and large, near and far, and cancels it again."""

    name = "ida_testing_busy"

    def on_start(self, ctx: Any) -> None:
        ctx.every(0.1)

    def on_timer(self, ctx: Any, timer: Timer) -> None:
        book = ctx.book
        if book.bid is None or book.ask is None:
            return
        ctx.cancel_all()
        lots = ctx.random.choice((10, 100, 1_000, 100_000))
        ctx.place(Side.BUY, lots, book.bid - ctx.random.randrange(50))
        ctx.place(Side.SELL, lots, book.ask + ctx.random.randrange(50))
        if ctx.random.random() < 0.2:
            ctx.place(ctx.random.choice(list(Side)), 20, type=OrderType.MARKET)
