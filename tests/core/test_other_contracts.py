"""Risk checks, reports, panels, feeds, recordings and commands that break a rule each, and are told which."""

import gzip
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import click
import pytest
import trio
from small_recording import session

from ida_core import (
    Feed,
    FeedPlugin,
    OrderRequest,
    Report,
    Reporter,
    ReportPanel,
    RiskCheck,
    RiskState,
    Signal,
)
from ida_core.native import ffi
from ida_core.plugins import load_plugins
from ida_core.testing import (
    COMMAND_RULES,
    FEED_RULES,
    PANEL_RULES,
    RECORDING_RULES,
    REPORTER_RULES,
    RISK_RULES,
    Finding,
    check_command,
    check_feed,
    check_recording,
    check_reporter,
    check_risk,
)
from ida_core.testing.recordings import find_recording

STARTED = time.time()


# --- risk checks ----------------------------------------------------------------------------------


class Small(RiskCheck):
    """A sound one: refuses what is large."""

    name = "small"

    def check(self, request: OrderRequest, state: RiskState) -> str | None:
        lots = state.lots(request)
        return f"{lots} lots are more than 1000" if lots > 1000 else None


class OnlyHalts(RiskCheck):
    name = "only_halts"

    def halt(self, state: RiskState) -> str | None:
        return None


class Raises(Small):
    def check(self, request: OrderRequest, state: RiskState) -> str | None:
        return f"{state.mid(request.instrument) + 1}"  # type: ignore[operator]


class Curt(Small):
    def check(self, request: OrderRequest, state: RiskState) -> str | None:
        return "no" if super().check(request, state) else None


class Verbose(Small):
    def check(self, request: OrderRequest, state: RiskState) -> str | None:
        text = super().check(request, state)
        return f"{text}\n{text}" if text else None


class Yes(Small):
    def check(self, request: OrderRequest, state: RiskState) -> Any:
        return False


class Tires(Small):
    """Refuses each tenth, whatever it is."""

    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        self.asked = 0

    def check(self, request: OrderRequest, state: RiskState) -> str | None:
        self.asked += 1
        return f"the {self.asked}th request" if self.asked % 10 == 0 else None


class Rewrites(Small):
    def check(self, request: OrderRequest, state: RiskState) -> str | None:
        state.peak_equity += Decimal(1)
        return None


class HaltsWithoutAWord(Small):
    def halt(self, state: RiskState) -> Any:
        return True


class HaltRaises(Small):
    def halt(self, state: RiskState) -> str | None:
        raise ZeroDivisionError("no equity")


class ByTheClock(Small):
    def check(self, request: OrderRequest, state: RiskState) -> str | None:
        return None if time.time() >= STARTED else "1 s too early"


class RemembersInItsClass(Small):
    seen: ClassVar[list[int]] = []

    def check(self, request: OrderRequest, state: RiskState) -> str | None:
        self.seen.append(1)
        return f"{len(self.seen)} requests, 250 are enough" if len(self.seen) > 250 else None


RISKS: list[tuple[type[RiskCheck], str, str]] = [
    (OnlyHalts, "keeps_the_protocol", "check is not defined"),
    (Raises, "answers_every_question", r"without prices: it raised, and so refuses: .*test_other_\w+.py:\d+: Type"),
    (Curt, "refuses_in_one_sentence", "no value and no limit in 'no'"),
    (Verbose, "refuses_in_one_sentence", "more than one line"),
    (Yes, "refuses_in_one_sentence", "check returned False"),
    (Tires, "does_not_count_its_calls", "the answer must depend on request and state alone"),
    (Rewrites, "changes_nothing", "the state it was given is another afterwards"),
    (HaltsWithoutAWord, "halts_in_one_sentence", "returned True"),
    (HaltRaises, "halts_in_one_sentence", "halt raised, which stops the run: .*no equity"),
    (ByTheClock, "is_pure", r"test_other_contracts.py:\d+: time.time\(\)"),
    (RemembersInItsClass, "runs_alike_twice", "two runs with the same seed differ"),
]


def test_a_sound_check_passes() -> None:
    check_risk(Small)


@pytest.mark.parametrize(("kind", "rule", "says"), RISKS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_risk_check_that_breaks_a_rule_is_told_so(kind: type[RiskCheck], rule: str, says: str) -> None:
    with pytest.raises(AssertionError, match=says) as caught:
        check_risk(kind, rules=[rule])
    assert rule.replace("_", " ") in str(caught.value)


# --- reports --------------------------------------------------------------------------------------


class Sound(Reporter):
    name = "sound"

    def write(self, report: Report, folder: Path) -> Path | None:
        file = folder / "sound.txt"
        file.write_text(f"{len(report.fills)} fills\n")
        return file


class NotOne(Reporter):
    name = "not_one"


class NeedsFills(Sound):
    def write(self, report: Report, folder: Path) -> Path | None:
        first = report.fills[0]
        return super().write(report, folder) if first else None


class NeedsAnEnd(Sound):
    def write(self, report: Report, folder: Path) -> Path | None:
        if not report.is_complete:
            raise ValueError("no end")
        return super().write(report, folder)


class SaysNothing(Sound):
    def write(self, report: Report, folder: Path) -> Path | None:
        super().write(report, folder)
        return None


class SaysText(Sound):
    def write(self, report: Report, folder: Path) -> Any:
        return str(super().write(report, folder))


class WritesOutside(Sound):
    def write(self, report: Report, folder: Path) -> Path | None:
        (folder.parent / "beside.txt").write_text("1")
        return super().write(report, folder)


class WritesIntoTheRun(Sound):
    def write(self, report: Report, folder: Path) -> Path | None:
        (report.run_dir / "notes.txt").write_text("1")
        return super().write(report, folder)


class StampsIt(Sound):
    def write(self, report: Report, folder: Path) -> Path | None:
        file = super().write(report, folder)
        assert file is not None
        file.write_text(f"made at {time.time_ns()}")
        return file


class Sorts(Sound):
    def write(self, report: Report, folder: Path) -> Path | None:
        report.fills.clear()  # type: ignore[attr-defined]
        return super().write(report, folder)


REPORTERS: list[tuple[type[Reporter], str, str]] = [
    (NotOne, "keeps_the_protocol", "overrides none of write"),
    (NeedsFills, "writes_every_run", r"a run without fills: it raised: .*test_other_contracts.py:\d+: IndexError"),
    (NeedsAnEnd, "writes_every_run", "a run that broke off: it raised: .*no end"),
    (SaysNothing, "returns_its_file", "it wrote sound.txt and returned None"),
    (SaysText, "returns_its_file", "not the Path of its file"),
    (WritesOutside, "writes_only_into_its_folder", r"test_other_contracts.py:\d+: writes .*beside.txt"),
    (WritesIntoTheRun, "writes_only_into_its_folder", r"writes .*notes.txt"),
    (StampsIt, "writes_the_same_again", "sound.txt of a run with fills is not the same bytes twice"),
    (Sorts, "changes_nothing_of_the_report", "the report of a run with fills is another afterwards"),
]


def test_a_sound_reporter_passes() -> None:
    check_reporter(Sound)


@pytest.mark.parametrize(("kind", "rule", "says"), REPORTERS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_reporter_that_breaks_a_rule_is_told_so(
    kind: type[Reporter], rule: str, says: str, request: pytest.FixtureRequest
) -> None:
    request.addfinalizer(_forget_reports)  # some of them spoil what they are given
    with pytest.raises(AssertionError, match=says) as caught:
        check_reporter(kind, rules=[rule])
    assert rule.replace("_", " ") in str(caught.value)


def _forget_reports() -> None:
    from ida_core.testing.reports import made_reports

    if any(not report.fills for name, report in made_reports().items() if name == "a run with fills"):
        made_reports.cache_clear()


class Warnings(ReportPanel):
    name = "warnings"
    title = "Warnings"
    shown = "<ul>{}</ul>"

    def html(self, report: Report) -> Any:
        from html import escape

        return self.shown.format("".join(f"<li>{escape(text)}</li>" for text in report.document()["warnings"]))


class Untitled(Warnings):
    title = ""


class Bytes(Warnings):
    def html(self, report: Report) -> Any:
        return b"<p></p>"


class LeavesItOpen(Warnings):
    shown = "<ul>{}<p></ul>"


class TrustsTheRun(Warnings):
    def html(self, report: Report) -> Any:
        return "".join(f"<p>{text}</p>" for text in report.document()["warnings"] if "script" in text)


class TellsTheTime(Warnings):
    def html(self, report: Report) -> Any:
        return f"<p>{time.perf_counter_ns()}</p>"


PANELS: list[tuple[type[ReportPanel], str, str]] = [
    (Untitled, "keeps_the_panel_s_protocol", "a panel has a title"),
    (Bytes, "shows_every_run", "not text"),
    (LeavesItOpen, "closes_its_tags", "</ul> closes something else"),
    (TrustsTheRun, "escapes_what_comes_from_outside", r"html.escape\(\) it"),
    (TellsTheTime, "shows_the_same_again", "another text the second time"),
]


def test_a_sound_panel_passes() -> None:
    check_reporter(Warnings)


@pytest.mark.parametrize(("kind", "rule", "says"), PANELS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_panel_that_breaks_a_rule_is_told_so(kind: type[ReportPanel], rule: str, says: str) -> None:
    with pytest.raises(AssertionError, match=says) as caught:
        check_reporter(kind, rules=[rule])
    assert rule.replace("_", " ") in str(caught.value)


# --- feeds ----------------------------------------------------------------------------------------


class Ticks(FeedPlugin):
    name = "ticks"

    async def events(self) -> AsyncIterator[Signal]:
        for number in range(100):
            await trio.sleep(10)
            yield Signal(source=self.name, name="tick", data={"number": number})


class EndsSoon(Ticks):
    """Which is allowed."""

    async def events(self) -> AsyncIterator[Signal]:
        await trio.sleep(1)
        yield Signal(source=self.name, name="only", data=1)


class NoGenerator(Ticks):
    def events(self) -> AsyncIterator[Signal]:
        return super().events()


class Breaks(Ticks):
    async def events(self) -> AsyncIterator[Signal]:
        await trio.sleep(1)
        yield Signal(source=self.name, name="one")
        raise ConnectionError("gone")


class TellsNumbers(Ticks):
    async def events(self) -> AsyncIterator[Any]:
        await trio.sleep(1)
        yield 5


class HasAnotherName(Ticks):
    async def events(self) -> AsyncIterator[Signal]:
        await trio.sleep(1)
        yield Signal(source="nobody", name="one")


class TellsDecimals(Ticks):
    async def events(self) -> AsyncIterator[Signal]:
        await trio.sleep(1)
        yield Signal(source=self.name, name="one", data={"price": Decimal("1.50")})


class TellsTheTimeOfDay(Ticks):
    async def events(self) -> AsyncIterator[Signal]:
        while True:
            await trio.sleep(60)
            yield Signal(source=self.name, name="now", data=time.time_ns())


class Stubborn(Ticks):
    async def events(self) -> AsyncIterator[Signal]:
        while True:
            with suppress(trio.Cancelled):
                await trio.sleep(3000)
            yield Signal(source=self.name, name="still here")


class SleepsForReal(Ticks):
    async def events(self) -> AsyncIterator[Signal]:
        while True:
            time.sleep(0.0001)
            await trio.sleep(60)
            yield Signal(source=self.name, name="tick")


class RemembersRuns(Ticks):
    """The same on its own, another in each run."""

    runs: ClassVar[list[int]] = []

    async def events(self) -> AsyncIterator[Signal]:
        in_a_run = trio.lowlevel.current_task().parent_nursery is not None and "_run_feed" in str(
            trio.lowlevel.current_task().name)
        if in_a_run:
            self.runs.append(1)
        for number in range(100):
            await trio.sleep(10)
            yield Signal(source=self.name, name="tick" * (len(self.runs) + 1), data={"number": number})


FEEDS: list[tuple[type[FeedPlugin], str, str]] = [
    (NoGenerator, "keeps_the_protocol", "events must be an async generator"),
    (Breaks, "runs_on_simulated_time", "it raised: .*ConnectionError: gone"),
    (TellsNumbers, "tells_signals", "it yielded 5, which is no ida_core.Signal"),
    (HasAnotherName, "tells_signals", "source 'nobody' must be its name 'ticks'"),
    (TellsDecimals, "tells_signals", "is {'price': '1.50'} when read back"),
    (TellsTheTimeOfDay, "tells_the_same_again", "two of its kind tell different things"),
    (Stubborn, "ends_when_it_is_cancelled", "it went on after trio.Cancelled"),
    (SleepsForReal, "does_not_block", r"time.sleep\(\): it stops the engine"),
    (RemembersRuns, "is_journaled_and_replayed", "two runs with the same seed differ"),
]


@pytest.mark.parametrize("kind", [Ticks, EndsSoon])
def test_a_sound_feed_passes(kind: type[FeedPlugin]) -> None:
    check_feed(kind)


@pytest.mark.parametrize(("kind", "rule", "says"), FEEDS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_feed_that_breaks_a_rule_is_told_so(kind: type[FeedPlugin], rule: str, says: str) -> None:
    with pytest.raises(AssertionError, match=says) as caught:
        check_feed(kind, rules=[rule])
    assert rule.replace("_", " ") in str(caught.value)


# --- recordings -----------------------------------------------------------------------------------


class Wrapped:
    """The shipped format with one thing wrong."""

    name = "wrapped"

    def __init__(self) -> None:
        (self.inner,) = load_plugins(environment={}).recordings.values()

    def recognises(self, path: Path, head: bytes) -> Any:
        return self.inner.recognises(path, head)

    def open(self, paths: Sequence[Path], options: Mapping[str, Any]) -> list[Feed]:
        return list(self.inner.open(paths, options))

    def check(self, paths: Sequence[Path], options: Mapping[str, Any] | None = None) -> Any:
        return self.inner.check(paths, options)


class TakesAll(Wrapped):
    def recognises(self, path: Path, head: bytes) -> Any:
        return True


class TakesNone(Wrapped):
    def recognises(self, path: Path, head: bytes) -> Any:
        return False


class OpensTwice(Wrapped):
    def open(self, paths: Sequence[Path], options: Mapping[str, Any]) -> list[Feed]:
        return [*super().open(paths, options), *super().open(paths, options)]


class Careless(Wrapped):
    def check(self, paths: Sequence[Path], options: Mapping[str, Any] | None = None) -> Any:
        return type("Fine", (), {"sound": True, "trusted": True})()


class Backwards(Wrapped):
    """Its third record is of before the second."""

    def open(self, paths: Sequence[Path], options: Mapping[str, Any]) -> list[Any]:
        (feed,) = super().open(paths, options)
        start, length = feed.records
        content = bytearray(ffi.buffer(start, length))
        second = _length_of(content, 0)
        third = second + _length_of(content, second)
        ffi.cast("ida_record *", ffi.from_buffer(content) + third).ts_local_ns = 1
        return [_Changed(feed, content)]


def _length_of(content: bytearray, offset: int) -> int:
    return int(ffi.cast("ida_record *", ffi.from_buffer(content) + offset).length)


class _Changed:
    def __init__(self, feed: Feed, content: bytearray) -> None:
        self.meta, self.close, self.content = feed.meta, feed.close, ffi.from_buffer(content)

    @property
    def records(self) -> tuple[Any, int]:
        return self.content, len(self.content)


class Fussy(Wrapped):
    def check(self, paths: Sequence[Path], options: Mapping[str, Any] | None = None) -> Any:
        return type("Bad", (), {"sound": False, "trusted": False})()


class Shifting(Wrapped):
    """Reads the file without its last line the second time."""

    opened = 0

    def open(self, paths: Sequence[Path], options: Mapping[str, Any]) -> list[Feed]:
        Shifting.opened += 1
        if Shifting.opened % 2 == 0:
            shorter = paths[0].with_name("shorter.txt")
            shorter.write_bytes(b"".join(paths[0].read_bytes().splitlines(keepends=True)[:-1]))
            return super().open([shorter], options)
        return super().open(paths, options)


RECORDINGS: list[tuple[Any, str, str]] = [
    (object, "keeps_the_protocol", "lacks a method of ida_core.Recording"),
    (TakesAll, "leaves_strange_files_alone", "recognises a file that begins with"),
    (TakesNone, "recognises_its_own", "does not recognise"),
    (OpensTwice, "opens_a_feed_for_each_file", "made 2 feeds of one file"),
    (Backwards, "tells_in_order_of_local_time", "record 2 is of 1 ns"),
    (Shifting, "opens_the_same_again", "other records the second time"),
    (Fussy, "finds_its_own_sound", "is not sound"),
    (Careless, "tells_of_damage", "cut in the middle of its last line is sound"),
]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small recording of spot: a snapshot, diffs and trades."""
    file = tmp_path_factory.mktemp("sample") / "sample.txt"
    file.write_text("".join(session()))
    return file


def test_the_shipped_format_passes(sample: Path) -> None:
    check_recording(Wrapped(), sample)
    packed = sample.with_name("sample.gz")
    packed.write_bytes(gzip.compress(sample.read_bytes()))
    check_recording(Wrapped(), packed)


def test_without_a_file_only_its_word_on_others_is_looked_at() -> None:
    findings = find_recording(Wrapped(), None)
    assert [f.outcome for f in findings] == ["passed"] * 2 + ["not applicable"] * (len(RECORDING_RULES) - 2)


@pytest.mark.parametrize(("make", "rule", "says"), RECORDINGS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_format_that_breaks_a_rule_is_told_so(make: Any, rule: str, says: str, sample: Path) -> None:
    broken = [f for f in find_recording(make(), sample) if f.outcome == "FAILED"]
    assert rule in [f.rule for f in broken]
    (finding,) = [f for f in broken if f.rule == rule]
    assert says in finding.sentence


# --- commands -------------------------------------------------------------------------------------


@click.command("greet")
@click.option("--json", "as_json", is_flag=True)
def greet(as_json: bool) -> None:
    """Greet."""
    click.echo(json.dumps({"schema": 1}) if as_json else "hello")


def test_a_sound_command_passes() -> None:
    check_command(greet)
    check_command(click.Group("people", commands={"greet": greet}))


@pytest.mark.parametrize(
    ("command", "rule", "says"),
    [
        ("greet", "is a command of click", "is no click.Command"),
        (click.Command("run", help="Mine."), "hides none of ida s own", "ida run is there already"),
        (click.Command("mute", params=[click.Option(["--json"])]), "explains itself", "ida mute has no help"),
        (click.Command("plain", help="Plain."), "answers in json", "ida plain has no --json"),
    ],
)
def test_a_command_that_breaks_a_rule_is_told_so(command: Any, rule: str, says: str) -> None:
    command = command if isinstance(command, click.Command) else type("Odd", (), {"name": command})()
    with pytest.raises(AssertionError, match=says) as caught:
        check_command(command)
    assert rule in str(caught.value)


# --- all of them ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "broken"),
    [(RISK_RULES, RISKS), (REPORTER_RULES, REPORTERS), (PANEL_RULES, PANELS), (FEED_RULES, FEEDS)],
)
def test_every_rule_can_be_broken(rules: Mapping[str, Any], broken: list[tuple[Any, str, str]]) -> None:
    assert {rule for _, rule, _ in broken} == set(rules)


def test_the_rules_of_recordings_and_commands_can_be_broken_too() -> None:
    assert {rule for _, rule, _ in RECORDINGS} == set(RECORDING_RULES)
    assert len(COMMAND_RULES) == 4


def test_a_finding_says_what_and_how() -> None:
    finding = find_recording(TakesAll(), None)[1]
    assert isinstance(finding, Finding)
    assert (finding.rule, finding.outcome) == ("leaves_strange_files_alone", "FAILED")
