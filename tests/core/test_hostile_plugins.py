"""Plugins that do what no author means to do: each is named with its line, the run goes on, its journal can be read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trio

from ida_core import (
    Book,
    Context,
    FeedPlugin,
    OrderRequest,
    Report,
    Reporter,
    RiskCheck,
    RiskState,
    Side,
    Signal,
    Strategy,
)
from ida_core.blame import MOST_SAID, words_of, writable
from ida_core.clock import SimulatedClock
from ida_core.errors import EXIT_BUG, EXIT_CONFIG, EXIT_DONE, EXIT_RISK, PluginError
from ida_core.events import Refusal
from ida_core.failure import guard
from ida_core.plugins import load_plugins
from ida_core.replay import replay
from ida_core.run import Outcome
from ida_core.testing.reading import read
from ida_core.testing.trial import Bench
from ida_core.testing.watch import CHANCE, CLOCK, OUTSIDE, Watch

HERE = Path(__file__).name


def run(*kinds: Any, strategy: str = "grid", **words: Any) -> tuple[Outcome, list[Any]]:
    """A short run and its journal; the replay must be the same, whatever the plugin did."""
    with closing(Bench(*kinds, duration_s=5)) as bench:
        outcome = bench.run(strategy, **words)
        again = replay(outcome.run_dir, bench.plugins)
        assert again.same, again.difference
        assert outcome.document  # read while it is there
        return outcome, bench.load(outcome)


class Asks(Strategy):
    """Calls what a test gives it, once."""

    name = "asks"
    ask: Callable[[Context, Book], Any]

    def on_start(self, ctx: Context) -> None:
        self.asked = False

    def on_book(self, ctx: Context, book: Book) -> None:
        if not self.asked and book.bid is not None:
            self.asked = True
            type(self).ask(ctx, book)


def asking(ask: Callable[[Context, Any], Any]) -> type[Asks]:
    return type("Asking", (Asks,), {"ask": staticmethod(ask), "__module__": __name__})


BAD = {
    "an order id that is None": (lambda c, b: c.cancel(None), "order_id = None must be a client order id"),
    "an order id that is no text": (lambda c, b: c.replace(object(), 1, 1), "order_id = <object object> must be"),
    "no quantity": (lambda c, b: c.place(Side.BUY, None, b.bid), "quantity is None"),
    "no price to replace by": (lambda c, b: c.replace("ida-1", 1, None), "price is None"),
    "a note of bytes": (lambda c, b: c.place(Side.BUY, 9, b.bid, note=b"x"), "note = b'x' must be a str"),
    "a note without an encoding": (lambda c, b: c.place(Side.BUY, 9, b.bid, note="\udcff"), "UTF-8 has not"),
    "a note like a book": (lambda c, b: c.place(Side.BUY, 9, b.bid, note="x" * 1001), "the most is 1000"),
    "reduce_only by a word": (lambda c, b: c.place(Side.BUY, 9, b.bid, reduce_only="no"), "must be True or False"),
}


@pytest.mark.parametrize(("ask", "why"), BAD.values(), ids=BAD)
def test_a_request_that_could_not_be_journaled_is_the_strategy_s_fault(ask: Any, why: str) -> None:
    outcome, _ = run(asking(ask), strategy="asks")
    (warning,) = [text for text in outcome.warnings if text.startswith("Plugin asks failed")]
    assert why in warning
    assert HERE in warning
    assert outcome.exit_code == EXIT_CONFIG


def test_a_note_may_be_in_any_language() -> None:
    outcome, events = run(asking(lambda c, b: c.place(Side.BUY, 100, b.bid - 9, note="купить 📈")), strategy="asks")
    assert outcome.exit_code == EXIT_DONE
    assert "купить 📈" in [getattr(event, "note", "") for event in events]


class Mute(Exception):
    def __str__(self) -> str:
        raise ZeroDivisionError


@pytest.mark.parametrize("error", [Mute(), ValueError("x" * 50_000_000), ValueError("\udcff"), ValueError(object())])
def test_an_error_that_cannot_be_told_is_told(error: Exception) -> None:
    def ask(ctx: Context, book: Book) -> None:
        raise error

    outcome, _ = run(asking(ask), strategy="asks")
    (warning,) = [text for text in outcome.warnings if text.startswith("Plugin asks failed")]
    assert type(error).__name__ in warning
    assert HERE in warning
    assert len(warning) < 2 * MOST_SAID


@pytest.mark.parametrize("kind", [BaseException, GeneratorExit, SystemExit, RecursionError])
def test_whatever_a_strategy_raises_is_its_own(kind: type[BaseException]) -> None:
    def ask(ctx: Context, book: Book) -> None:
        raise kind("panic")

    outcome, _ = run(asking(ask), strategy="asks")
    assert outcome.exit_code == EXIT_CONFIG
    assert any(f"{kind.__name__}: panic ({HERE}:" in warning for warning in outcome.warnings)


def test_words_of_an_error() -> None:
    assert words_of(MemoryError()) == "MemoryError"
    assert words_of(Mute()) == "Mute: what it says cannot be had: its __str__ raised ZeroDivisionError"
    assert writable("<object object at 0x7f00>", 99) == "<object object>"
    assert writable("abcdef", 3) == "abc... (6 characters)"


def test_a_panic_outside_of_a_callback_ends_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> None:
        raise BaseException("panic")

    assert guard(command, []) == EXIT_BUG
    told = capsys.readouterr().err
    assert told.startswith("error IDA-E1000: BaseException: panic")
    assert "Traceback" not in told


def test_a_command_s_exit_code_is_its_own() -> None:
    def command() -> None:
        raise SystemExit(7)

    with pytest.raises(SystemExit, match="7"):
        guard(command, [])


# ------------------------------------------------------------------ before a run begins


class NoConfig(Asks):
    def __init__(self, config: Any) -> None: ...


class Exits(Asks):
    def __init__(self, config: Any) -> None:
        raise SystemExit(9)


class TakesNothing(Asks):
    def __init__(self) -> None:
        super().__init__()


class Renamed(Asks):
    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.name = "other"  # type: ignore[misc]


class Async(Strategy):
    name = "asks"

    async def on_book(self, ctx: Context, book: Book) -> None: ...  # type: ignore[override]


class Yields(Strategy):
    name = "asks"

    def on_book(self, ctx: Context, book: Book) -> Iterator[None]:  # type: ignore[override]
        yield


class Short(Strategy):
    name = "asks"

    def on_book(self, ctx: Context) -> None: ...  # type: ignore[override]


class Number(Strategy):
    name = "asks"
    on_book = 5  # type: ignore[assignment]


class Rhythm(Asks):
    book_updates = None  # type: ignore[assignment]


class Slow(Asks):
    book_updates = "99999999999999999999ms"


UNFIT = {
    NoConfig: "asks has no config: __init__ must call super()", Exits: "asks cannot be made: SystemExit: 9",
    TakesNothing: "asks cannot be made: TypeError", Renamed: "asks calls itself 'other'",
    Async: "on_book would only be begun", Yields: "on_book would only be begun",
    Short: "on_book is called as on_book(self, ctx, book)", Number: "on_book is 5",
    Rhythm: "book_updates None", Slow: "book_updates '99999999999999999999ms'",
}


@pytest.mark.parametrize(("kind", "why"), UNFIT.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_what_cannot_be_called_leaves_no_run_behind(kind: type[Strategy], why: str) -> None:
    with closing(Bench(kind, duration_s=5)) as bench:
        with pytest.raises(PluginError, match="asks") as raised:
            bench.run("asks")
        assert why in str(raised.value)
        assert "book_updates" in why or HERE in str(raised.value)
        assert not list(bench.folder.iterdir())


class Static(Strategy):
    name = "asks"

    @staticmethod
    def on_book(ctx: Context, book: Book) -> None: ...  # type: ignore[override]


def test_a_static_callback_can_be_called() -> None:
    assert run(Static, strategy="asks")[0].exit_code == EXIT_DONE


HOOK = "@ida_core.hookimpl\ndef ida_strategies():\n    return [Mine]\n"
CLASS = "class Mine(ida_core.Strategy):\n    name = 'mine'\n    def on_book(self, ctx, book): ...\n"
SPOILT = {
    "panics at import": ("raise BaseException('panic')", "BaseException: panic"),
    "panics in its hook": ("@ida_core.hookimpl\ndef ida_strategies():\n    raise SystemExit(5)", "SystemExit: 5"),
    "annotates what is not there": (
        "import msgspec\nclass C(msgspec.Struct, frozen=True):\n    a: 'Missing' = 1\n"
        + CLASS.replace("    def", "    Config = C\n    def") + HOOK, "name 'Missing' is not defined"),
    "is no strategy": ("class Mine:\n    name = 'mine'\n" + HOOK, "no subclass of ida_core.Strategy"),
    "returns an object": (CLASS + HOOK.replace("[Mine]", "[Mine()]"), "no subclass of ida_core.Strategy"),
    "has a name of two words": (CLASS.replace("'mine'", "'a b'") + HOOK, "the name 'a b' must be one word"),
    "has the name of a path": (CLASS.replace("'mine'", "'../x'") + HOOK, "the name '../x' must be one word"),
}


@pytest.mark.parametrize(("text", "why"), SPOILT.values(), ids=SPOILT)
def test_a_spoilt_plugin_spoils_no_other(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "mine.py").write_text(f"import ida_core\n{text}\n")
    plugins = load_plugins([tmp_path], environment={})
    (skipped,) = plugins.skipped
    assert skipped.name == "mine"
    assert why in skipped.why
    assert "grid" in plugins.strategies


# ------------------------------------------------------------------ risk checks


class Gate(RiskCheck):
    name = "gate"
    answer: Any = None

    def check(self, request: OrderRequest, state: RiskState) -> str | None:
        return self.answer  # type: ignore[no-any-return]


@pytest.mark.parametrize("answer", [True, False, 0, b"no"])
def test_a_check_that_answers_no_sentence_refuses_and_says_so(answer: object) -> None:
    kind = type("Answers", (Gate,), {"answer": answer})
    _, events = run(kind, risk=("gate",))
    (detail,) = {event.detail for event in events if isinstance(event, Refusal) and event.by == "gate"}
    assert detail.startswith(f"check returned {answer!r}, which is neither None nor a sentence ({HERE}:")


def test_a_check_that_raises_is_told_with_its_line() -> None:
    class Raises(Gate):
        def check(self, request: OrderRequest, state: RiskState) -> str | None:
            raise KeyError("limit")

    _, events = run(Raises, risk=("gate",))
    (detail,) = {event.detail for event in events if isinstance(event, Refusal) and event.by == "gate"}
    assert detail.startswith(f"KeyError: 'limit' ({HERE}:")


def test_a_halt_that_answers_no_sentence_halts_and_says_so() -> None:
    class Halts(RiskCheck):
        name = "gate"

        def halt(self, state: RiskState) -> str | None:
            return True  # type: ignore[return-value]

    outcome, _ = run(Halts, risk=("gate",))
    assert outcome.exit_code == EXIT_RISK
    assert any("halt returned True" in warning for warning in outcome.warnings)


# ------------------------------------------------------------------ feeds


def feeding(events: Any) -> type[FeedPlugin]:
    return type("Feeding", (FeedPlugin,), {"name": "feeding", "events": events, "__module__": __name__})


async def yields_an_object(self: Any) -> AsyncIterator[Signal]:
    yield Signal(source="feeding", name="x", data=object())


async def yields_a_number(self: Any) -> AsyncIterator[Signal]:
    yield 5  # type: ignore[misc]


async def yields_no_text(self: Any) -> AsyncIterator[Signal]:
    yield Signal(source=5, name="x", data=1)  # type: ignore[arg-type]


async def raises(self: Any) -> AsyncIterator[Signal]:
    raise ValueError("no news")
    yield


async def never_waits(self: Any) -> AsyncIterator[Signal]:
    while True:
        yield Signal(source="feeding", name="x", data=1)


BROKEN_FEEDS = {
    yields_an_object: "a signal must be made of what JSON has", yields_a_number: "5 is no ida_core.Signal",
    yields_no_text: "a signal must be made of what JSON has", raises: "ValueError: no news",
    never_waits: "signals and no time went by",
}


@pytest.mark.parametrize(("events", "why"), BROKEN_FEEDS.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_a_feed_that_fails_is_named_and_the_run_can_be_replayed(
    events: Any, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ida_core.signals.MOST_AT_ONCE", 1000)
    outcome, _ = run(feeding(events), feed=("synthetic", "feeding"))
    (warning,) = [text for text in outcome.warnings if text.startswith("Plugin feeding failed")]
    assert why in warning
    assert HERE in warning
    assert outcome.exit_code == EXIT_CONFIG


def test_a_strategy_sees_of_a_signal_what_a_replay_will_see() -> None:
    async def events(self: Any) -> AsyncIterator[Signal]:
        yield Signal(source="feeding", name="x", data=(float("nan"), 1))

    class Reads(Strategy):
        name = "asks"

        def on_signal(self, ctx: Context, signal: Signal) -> None:
            ctx.place(Side.BUY, 100, 100, note=repr(signal.data))

    _, told = run(Reads, feeding(events), strategy="asks", feed=("synthetic", "feeding"))
    (refusal,) = [event for event in told if isinstance(event, Refusal)]  # the book is not in step yet
    assert refusal.request.note == "[None, 1]"


def test_a_feed_that_gives_its_connection_time_to_close_gets_an_end() -> None:
    async def events(self: Any) -> AsyncIterator[Signal]:
        try:
            await trio.sleep_forever()
        finally:
            with trio.move_on_after(5, shield=True):
                await trio.sleep_forever()
        yield

    outcome, _ = run(feeding(events), feed=("synthetic", "feeding"))
    assert outcome.exit_code == EXIT_DONE


def test_a_clock_let_go_jumps_to_each_deadline() -> None:
    clock = SimulatedClock(7)
    assert clock.deadline_to_sleep_time(2.0) > 0
    clock.let_go()
    assert clock.deadline_to_sleep_time(2.0) == 0
    assert clock.current_time() == 2.0
    assert clock.deadline_to_sleep_time(float("inf")) > 0


# ------------------------------------------------------------------ reports


class Missing(Reporter):
    name = "missing"

    def write(self, report: Report, folder: Path) -> Path:
        return Path((folder / "nothing.txt").read_text())


class Unmade(Reporter):
    name = "missing"

    def __init__(self, config: Any) -> None:
        raise ValueError("no template")


@pytest.mark.parametrize(("kind", "why"), [(Missing, "FileNotFoundError"), (Unmade, "ValueError: no template")])
def test_a_reporter_that_fails_keeps_no_other_from_writing(kind: type[Reporter], why: str) -> None:
    with closing(Bench(kind, duration_s=5)) as bench:
        outcome = bench.run("grid", reports=("missing", "json"))
        (told,) = outcome.failed_reports
        assert "missing" in told
        assert why in told
        assert HERE in told
        assert (outcome.run_dir / "report" / "report.json").exists()


# ------------------------------------------------------------------ what a test of a plugin sees

IMPURE = '''
import datetime, logging, os, random, time
from concurrent.futures import ThreadPoolExecutor
from ida_core import Strategy

TODAY = datetime.date.today()
OFFSET = int(os.environ.get("OFFSET", "3"))
LUCK = random.random()
POOL = ThreadPoolExecutor(1)
log = logging.getLogger(__name__)
FORMAT = time.strftime("%H", time.gmtime(0))
UNUSED = time.time()

class Mine(Strategy):
    name = "mine"
    def on_book(self, ctx, book):
        {line}
'''
LINES = {
    "TODAY.weekday()": (CLOCK, "datetime.date.today()"), "OFFSET + 1": (OUTSIDE, "os.environ.get()"),
    "LUCK * 2": (CHANCE, "random.random()"), "os.environ['HOME']": (OUTSIDE, "os.environ"),
    "POOL.submit(len, [])": (OUTSIDE, "concurrent.futures.ThreadPoolExecutor.submit()"),
    "log.info('x')": (OUTSIDE, "logging.getLogger.info()"), "time.gmtime()": (CLOCK, "time.gmtime()"),
    "time.strftime('%H')": (CLOCK, "time.strftime()"),
    "datetime.datetime.fromtimestamp(ctx.now_ns)": (OUTSIDE, "by the machine's time zone"),
    "os.getenv('HOME')": (OUTSIDE, "os.getenv()"),
}
PURE = ("time.gmtime(ctx.now_ns // 10**9)", "FORMAT", "datetime.datetime.fromtimestamp(5, tz=datetime.UTC)",
        "time.strftime('%H', time.gmtime(ctx.now_ns // 10**9))", "datetime.timedelta(seconds=1)")


def _mine(tmp_path: Path, line: str) -> Any:
    (tmp_path / "mine.py").write_text(IMPURE.format(line=line) + HOOK.replace("ida_core.", "").replace(
        "@", "from ida_core import hookimpl\n@"))
    return load_plugins([tmp_path], environment={}).strategies["mine"]


@pytest.mark.parametrize("line", LINES)
def test_what_is_impure_is_read_where_it_stands(tmp_path: Path, line: str) -> None:
    (found,) = read(_mine(tmp_path, line))
    kind, what = LINES[line]
    assert found.kind == kind
    assert found.what.startswith(what)


@pytest.mark.parametrize("line", PURE)
def test_what_is_pure_is_let_be(tmp_path: Path, line: str) -> None:
    kind = _mine(tmp_path, line)
    watch = Watch(kind)
    assert read(kind) == []
    with watch.running():
        kind().on_book(type("Now", (), {"now_ns": 0}), None)
    assert not watch.breaches


def test_the_environment_is_seen(tmp_path: Path) -> None:
    watch = Watch(_mine(tmp_path, "getattr(os, 'environ').get('HOME')"))
    call(watch)
    (breach,) = watch.breaches
    assert (breach.kind, breach.what) == (OUTSIDE, "os.environ")


def call(watch: Watch) -> None:
    with watch.running():
        watch.kind().on_book(None, None)
