"""Lets the reporters write what a finished run came to; one that raises is named and dropped."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from ida_core.blame import own_line, words_of
from ida_core.config import Settings
from ida_core.errors import FAILURES, IdaError, PluginError
from ida_core.failure import NO_ROOM
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
    files: list[Path] = []
    failures: list[str] = []
    report.panels = []
    reporters: list[Reporter] = []
    chosen = [plugins.lookup("reporters", name) for name in names]
    for kinds, made in ((plugins.panels.values(), report.panels), (chosen, reporters)):
        for kind in kinds:
            try:
                made.append(settings.build(kind))
            except PluginError as error:
                failures.append(f"Report {kind.name} was not made: {error}")
    for reporter in reporters:
        name = reporter.name
        write = reporter.write if trace is None else trace.wrapped(f"report {name}", "write", reporter.write)
        began = time.perf_counter()
        try:
            path = write(report, folder)
        except IdaError:
            raise
        except FAILURES as error:
            if isinstance(error, OSError) and error.errno in NO_ROOM:
                raise
            failures.append(f"Report {name} was not made: {_told(error, reporter)}")
        else:
            files += [path] if path else []
        report.note_written(name, time.perf_counter() - began)
    return Written(tuple(files), tuple(failures))


def _told(error: BaseException, reporter: Reporter) -> str:
    frame = own_line(error, reporter)
    return f"{words_of(error)} ({Path(frame.filename).name}:{frame.lineno})"
