"""The contracts of ``ida_core.Reporter`` and ``ReportPanel`` as functions, one rule each: what ``check_reporter``
runs."""

from __future__ import annotations

import atexit
import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing, redirect_stdout
from functools import cache
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from ida_core.config import Settings
from ida_core.making import place_of
from ida_core.protocols import Reporter, ReportPanel, Strategy
from ida_core.report import Report, load
from ida_core.testing.checks import Busy
from ida_core.testing.rules import Finding, Rule, check_class, count, hold, require, table, told
from ida_core.testing.trial import Bench
from ida_core.testing.watch import WriteWatch, watched

HOSTILE = "<script>alert(1)</script>"
RUN_S = 5.0
_VOID = ("br", "hr", "img", "input", "meta", "link", "col", "wbr", "source")


class Idle(Strategy):
    """Does nothing."""

    name = "ida_testing_idle"

    def on_start(self, ctx: Any) -> None:
        ctx.log("nothing to do")


class Failing(Busy):
    """Trades, then raises with a text that a page must not believe."""

    name = "ida_testing_failing"

    def on_timer(self, ctx: Any, timer: Any) -> None:
        super().on_timer(ctx, timer)
        if timer.due_ns % 10**10 > 2 * 10**9:
            raise RuntimeError(f"failed on purpose {HOSTILE}")


class ReportTrial:
    """A reporter or panel, and the reports it is given."""

    def __init__(self, kind: Any, config: msgspec.Struct | None) -> None:
        self.kind = kind
        self.config = config
        self._folder = tempfile.TemporaryDirectory(prefix="ida-testing-")

    def close(self) -> None:
        self._folder.cleanup()

    @property
    def reports(self) -> Mapping[str, Report]:
        return made_reports()

    def made(self, kind: Any = None) -> Any:
        return (kind or self.kind)(self.config if self.config is not None else self.kind.Config())

    def folder(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self._folder.name)) / "report"

    def write(self, name: str) -> tuple[Path, Any]:
        """Write one report into a fresh folder; the folder and what was returned."""
        folder = self.folder()
        folder.mkdir()
        with redirect_stdout(StringIO()):
            return folder, self.made().write(self.reports[name], folder)


@cache
def made_reports() -> Mapping[str, Report]:
    """Finished runs of every sort: with fills, without, of two instruments, with a failure, broken off. Made once in
    a process; their folders go when it ends."""
    bench = Bench(Busy, Idle, Failing, duration_s=RUN_S)
    atexit.register(bench.close)
    runs = {
        "a run with fills": bench.run(Busy.name),
        "a run without fills": bench.run(Idle.name),
        "a run of two instruments": bench.run(Busy.name, symbols=("BTCUSDT", "ETHUSDT")),
        "a run whose strategy failed": bench.run(Failing.name),
    }
    found = {name: load(run.run_dir) for name, run in runs.items()}
    found["a run that broke off"] = load(_broken_off(bench))
    return MappingProxyType(found)


def _broken_off(bench: Bench) -> Path:
    """As after a power cut: the journal ends in the middle of a record."""
    run_dir = bench.run(Busy.name).run_dir
    segment = max(path for path in (run_dir / "journal").rglob("*") if path.is_file())
    content = segment.read_bytes().rstrip(b"\0")
    segment.write_bytes(content[: len(content) * 2 // 3])
    return run_dir


def check_reporter(
    reporter: type[Reporter] | type[ReportPanel], config: msgspec.Struct | None = None, *,
    rules: Sequence[str] | None = None,
) -> None:
    """Hold a reporter or a report panel to its contract, with runs of every sort.

    Args:
        config: its section; the defaults of its ``Config`` if None.
        rules: keys of ``REPORTER_RULES`` or ``PANEL_RULES``; all by default.
    Raises:
        AssertionError: names every rule that was broken, and how.
    """
    with closing(ReportTrial(reporter, config)) as trial:
        require(f"{reporter.__name__}", hold(_rules_of(reporter), trial, rules))


def find_reporter(kind: Any, settings: Settings) -> list[Finding]:
    """Hold a reporter or panel to every rule."""
    with closing(ReportTrial(kind, settings.section(kind.name, kind.Config))) as trial:
        return hold(_rules_of(kind), trial)


def _rules_of(kind: Any) -> Mapping[str, Rule[ReportTrial]]:
    return PANEL_RULES if isinstance(kind, type) and issubclass(kind, ReportPanel) else REPORTER_RULES


# ------------------------------------------------------------------ reporters


def keeps_the_protocol(trial: ReportTrial) -> str:
    check_class(trial.kind, Reporter, ("write",))
    return ""


def writes_every_run(trial: ReportTrial) -> str:
    for name in trial.reports:
        with _naming(name):
            trial.write(name)
    return ", ".join(trial.reports)


def returns_its_file(trial: ReportTrial) -> str:
    shown = "nothing: it writes to the terminal"
    for name in trial.reports:
        folder, path = trial.write(name)
        where = place_of(trial.kind.write)
        if path is None:
            left = _files(folder)
            assert not left, f"{where}: it wrote {next(iter(left))} and returned None: return the file"
            continue
        assert isinstance(path, Path), f"{where}: it returned {path!r}, not the Path of its file"
        assert path.is_file(), f"{where}: it returned {path.name}, which is no file"
        assert path.resolve().is_relative_to(folder.resolve()), f"{where}: {path} lies outside the folder it was given"
        assert path.stat().st_size, f"{where}: {path.name} of {name} is empty"
        shown = f"{path.name}, {path.stat().st_size:,} bytes"
    return shown


def writes_only_into_its_folder(trial: ReportTrial) -> str:
    for report in trial.reports.values():
        folder = trial.folder()
        folder.mkdir()
        watch = WriteWatch(trial.kind, folder)
        with redirect_stdout(StringIO()):
            trial.made(watched(["write"], watch)).write(report, folder)
        found = "; ".join(map(str, list(watch.breaches)[:3]))
        assert not found, f"{found}: a reporter writes into the folder it is given, and nowhere else"
    return ""


def writes_the_same_again(trial: ReportTrial) -> str:
    total = 0
    for name in trial.reports:
        first, second = (_files(trial.write(name)[0]) for _ in range(2))
        differ = sorted(path for path in {*first, *second} if first.get(path) != second.get(path))
        assert not differ, f"{place_of(trial.kind.write)}: {differ[0]} of {name} is not the same bytes twice"
        total += len(first)
    return f"{count(total, 'file')} the same"


def changes_nothing_of_the_report(trial: ReportTrial) -> str:
    for name, report in trial.reports.items():
        before = _print_of(report)
        trial.write(name)
        assert _print_of(report) == before, f"{place_of(trial.kind.write)}: the report of {name} is another afterwards"
    return ""


REPORTER_RULES = table(
    keeps_the_protocol, writes_every_run, returns_its_file, writes_only_into_its_folder, writes_the_same_again,
    changes_nothing_of_the_report,
)


# ------------------------------------------------------------------ panels


def keeps_the_panel_s_protocol(trial: ReportTrial) -> str:
    check_class(trial.kind, ReportPanel, ("html",))
    assert getattr(trial.kind, "title", ""), f"{place_of(trial.kind)}: a panel has a title"
    return ""


def shows_every_run(trial: ReportTrial) -> str:
    size = 0
    for name, report in trial.reports.items():
        with _naming(name):
            text = trial.made().html(report)
        assert isinstance(text, str), f"{place_of(trial.kind.html)}: it returned {text!r:.60}, not text"
        size = max(size, len(text))
    return f"up to {size:,} characters"


def closes_its_tags(trial: ReportTrial) -> str:
    for name, report in trial.reports.items():
        page = _Page(trial.made().html(report))
        assert not page.wrong, f"{place_of(trial.kind.html)}: {name}: {page.wrong}"
    return ""


def escapes_what_comes_from_outside(trial: ReportTrial) -> str:
    text = "".join(trial.made().html(report) for report in trial.reports.values())
    assert HOSTILE not in text, f"{place_of(trial.kind.html)}: it shows {HOSTILE} as it came: html.escape() it"
    return ""


def shows_the_same_again(trial: ReportTrial) -> str:
    for name, report in trial.reports.items():
        before = _print_of(report)
        first, second = trial.made().html(report), trial.made().html(report)
        assert first == second, f"{place_of(trial.kind.html)}: {name}: another text the second time"
        assert _print_of(report) == before, f"{place_of(trial.kind.html)}: the report of {name} is another afterwards"
    return ""


PANEL_RULES = table(
    keeps_the_panel_s_protocol, shows_every_run, closes_its_tags, escapes_what_comes_from_outside,
    shows_the_same_again,
)


# ------------------------------------------------------------------ their parts


class _naming:  # noqa: N801 - reads as a word where it is used
    """What raises inside is told with the run's sort."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, Exception):
            raise AssertionError(f"{self._name}: it raised: {told(error)}") from error


def _files(folder: Path) -> dict[str, str]:
    """Every file below ``folder`` with the hash of its content."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in paths}


def _print_of(report: Report) -> Any:
    return msgspec.json.encode(report.document()), len(report.fills), len(report.orders)


class _Page(HTMLParser):
    """Whether each tag is closed in its turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.wrong = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        if self._open and not self.wrong:
            self.wrong = f"<{self._open[-1]}> is not closed"

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.wrong = self.wrong or f"</{tag}> closes something else"
