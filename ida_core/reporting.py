"""Lets the reporters write what a finished run came to; one that raises is named and dropped."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from ida_core.blame import own_line
from ida_core.config import Settings
from ida_core.errors import FAILURES, IdaError
from ida_core.plugins import Plugins
from ida_core.protocols import Reporter
from ida_core.report import Report
from ida_core.trace import Trace


class Written(msgspec.Struct, frozen=True):
    """The files that were made, and a sentence on each reporter that raised."""

    files: tuple[Path, ...]
    failures: tuple[str, ...]


def write_reports(
    report: Report, plugins: Plugins, settings: Settings, names: Sequence[str], folder: Path
) -> Written:
    """Ask the reporters ``names`` in order, each built with its section; the page gets the panels of plugins.

    Raises:
        ConfigError: a section of theirs is wrong.
        PluginError: there is no reporter of that name.
        OutputError, OSError: the folder cannot be written, or the disk is full.
    """
    trace = Trace.wanted(os.environ)
    report.panels = [settings.build(panel) for panel in plugins.panels.values()]
    reporters = [(name, settings.build(plugins.lookup("reporters", name))) for name in names]
    files, failures = [], []
    for name, reporter in reporters:
        write = reporter.write if trace is None else trace.wrapped(f"report {name}", "write", reporter.write)
        began = time.perf_counter()
        try:
            path = write(report, folder)
        except (IdaError, OSError):
            raise
        except FAILURES as error:
            failures.append(f"Report {name} was not made: {_told(error, reporter)}")
        else:
            files += [path] if path else []
        report.note_written(name, time.perf_counter() - began)
    return Written(tuple(files), tuple(failures))


def _told(error: BaseException, reporter: Reporter) -> str:
    frame = own_line(error, reporter)
    return f"{type(error).__name__}: {error} ({Path(frame.filename).name}:{frame.lineno})"
