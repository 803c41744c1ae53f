"""Reports of a finished run: the terminal, JSON, CSV and one HTML file."""

from collections.abc import Sequence

from ida_core import Reporter, hookimpl


@hookimpl
def ida_reporters() -> Sequence[type[Reporter]]:
    from plugins.reporting.console import ConsoleReport
    from plugins.reporting.csv_fills import CsvFills
    from plugins.reporting.html import HtmlReport
    from plugins.reporting.json_report import JsonReport

    return [ConsoleReport, JsonReport, CsvFills, HtmlReport]
