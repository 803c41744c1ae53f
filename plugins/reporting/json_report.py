"""Writes ``report.json``: the document of ``ida run --json``, as a file."""

from pathlib import Path

import msgspec

from ida_core import Report, Reporter
from plugins.reporting.files import write_whole


class JsonReport(Reporter):
    """``report.json``; its keys are a contract."""

    name = "json"

    def write(self, report: Report, folder: Path) -> Path:
        text = msgspec.json.format(msgspec.json.encode(report.document()).decode(), indent=2)
        return write_whole(folder / "report.json", text + "\n")
