"""Reporters are asked in order; one that raises costs nothing but itself."""

from pathlib import Path

import msgspec
import pytest
from made_runs import MadeRun, S

from ida_core import ConfigError, OutputError, PluginError, Report, Reporter, ReportPanel
from ida_core.config import Settings
from ida_core.plugins import Plugins
from ida_core.report import load
from ida_core.reporting import write_reports


class Words(Reporter):
    name = "words"

    def write(self, report: Report, folder: Path) -> Path:
        target = folder / "words.txt"
        target.write_text(" ".join(panel.html(report) for panel in report.panels))
        return target


class Silent(Reporter):
    name = "silent"

    def write(self, report: Report, folder: Path) -> None:
        return None


class TextConfig(msgspec.Struct, frozen=True):
    text: str = "short"


class Text(Reporter):
    name = "text"
    Config = TextConfig

    def write(self, report: Report, folder: Path) -> Path:
        target = folder / "text.txt"
        target.write_text(self.config.text)
        return target


class Raising(Reporter):
    name = "raising"

    def write(self, report: Report, folder: Path) -> Path:
        raise ValueError("no luck")


class Full(Reporter):
    name = "full"

    def write(self, report: Report, folder: Path) -> Path:
        raise OutputError(f"{folder} is full")


class Panel(ReportPanel):
    name = "panel"
    title = "Panel"

    def html(self, report: Report) -> str:
        return f"<p>{len(report.fills)}</p>"


PLUGINS = Plugins(
    reporters={cls.name: cls for cls in (Words, Silent, Text, Raising, Full)}, panels={"panel": Panel}
)


@pytest.fixture
def report(tmp_path: Path) -> Report:
    return load(MadeRun(tmp_path / "run").end(S))


def test_the_others_are_written_when_one_raises(report: Report, tmp_path: Path) -> None:
    written = write_reports(report, PLUGINS, Settings(), ["raising", "words", "silent"], tmp_path)
    assert written.files == (tmp_path / "words.txt",)
    assert written.files[0].read_text() == "<p>0</p>"
    (failure,) = written.failures
    assert failure.startswith("Report raising was not made: ValueError: no luck (test_reporting.py:")


def test_a_folder_that_cannot_be_written_is_no_plugins_fault(report: Report, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is full"):
        write_reports(report, PLUGINS, Settings(), ["full"], tmp_path)


def test_an_unknown_reporter_is_said_before_any_is_asked(report: Report, tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="wrds"):
        write_reports(report, PLUGINS, Settings(), ["words", "wrds"], tmp_path)
    assert not (tmp_path / "words.txt").exists()


def test_a_reporter_has_its_section(report: Report, tmp_path: Path) -> None:
    for section, text in (({}, "short"), ({"text": "long"}, "long")):
        settings = Settings(sections={"text": section})
        assert write_reports(report, PLUGINS, settings, ["text"], tmp_path).files[0].read_text() == text
    with pytest.raises(ConfigError) as caught:
        write_reports(report, PLUGINS, Settings(sections={"text": {"tex": "long"}}), ["text"], tmp_path)
    assert "unknown key 'tex' in [text]" in caught.value.problems[0]
