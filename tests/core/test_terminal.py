"""What people see: tables, progress, and no colour where none belongs."""

import io

import pytest

from ida_core import terminal
from ida_core.run import Progress

S = 1_000_000_000


def test_a_table_is_aligned_and_has_no_trailing_blanks() -> None:
    text = terminal.table(("name", "n"), [("grid", 1), ("market_maker", 22)])
    assert text.splitlines() == ["name          n", "grid          1", "market_maker  22"]


def test_a_table_without_rows_is_its_header() -> None:
    assert terminal.table(("a", "b"), []) == "a  b"


def test_pairs_are_aligned() -> None:
    assert terminal.pairs([("a", 1), ("long", 2)]) == "a     1\nlong  2"
    assert terminal.pairs([]) == ""


class _Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("variable", "value", "coloured"),
    [("TERM", "xterm", True), ("TERM", "dumb", False), ("NO_COLOR", "1", False)],
)
def test_colour_only_where_it_is_wanted(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, coloured: bool
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv(variable, value)
    assert ("\x1b[" in terminal.paint("SIM", _Screen(), fg="cyan")) is coloured
    assert terminal.paint("SIM", io.StringIO(), fg="cyan") == "SIM"


def _progress(now_s: int, last_s: int | None) -> Progress:
    last_ns = None if last_s is None else last_s * S
    return Progress(events=12345, now_ns=now_s * S, first_ns=100 * S, last_ns=last_ns, rate=1e6)


def test_a_line_of_progress_names_the_worse_case_that_runs() -> None:
    state = Progress(events=5, now_ns=125 * S, first_ns=100 * S, last_ns=200 * S, rate=1e6, what="latency x2")
    told = terminal.progress_line(state, elapsed_s=10)
    assert told == "again, latency x2: 5 events, 1,000,000 events/s, 25%, 30 s left"


@pytest.mark.parametrize(
    ("now_s", "last_s", "text"),
    [
        (125, 200, "12,345 events, 1,000,000 events/s, 25%, 30 s left"),
        (100, 200, "12,345 events, 1,000,000 events/s, 0%"),
        (160, None, "12,345 events, 1,000,000 events/s, 60 s of the market"),
        (100, 100, "12,345 events, 1,000,000 events/s, 0 s of the market"),
    ],
)
def test_a_line_of_progress(now_s: int, last_s: int | None, text: str) -> None:
    assert terminal.progress_line(_progress(now_s, last_s), elapsed_s=10) == text


def test_no_progress_when_it_is_to_be_quiet() -> None:
    with terminal.progress(quiet=True) as show:
        assert show is None


def test_plain_lines_where_there_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(terminal, "LINE_EVERY_S", 0.0)
    with terminal.progress(quiet=False) as show:
        assert show is not None
        show(_progress(125, 200))
    shown = capsys.readouterr()
    assert shown.err.startswith("12,345 events")
    assert shown.out == ""


def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = _Screen()
    monkeypatch.setattr("sys.stderr", screen)
    with terminal.progress(quiet=False) as show:
        assert show is not None
        show(_progress(125, 200))
    assert "events/s" in screen.getvalue()
