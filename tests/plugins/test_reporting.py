"""What the shipped reporters write, read back."""

import csv
import io
import json
import re
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import pytest
from instruments import LINEAR_ETH as LINEAR, SPOT
from made_runs import T0, MadeRun, S, Walk, walk_run

from ida_core import Note, OutputError, Plugin, Reporter, ReportPanel, Side
from ida_core.report import Report, load
from plugins import reporting
from plugins.reporting.console import ConsoleReport, print_report
from plugins.reporting.csv_fills import HEAD, CsvFills
from plugins.reporting.html import HtmlReport, page
from plugins.reporting.html_charts import chart_data, kept_points
from plugins.reporting.html_parts import bins, esc, shares, tag
from plugins.reporting.json_report import JsonReport

D = Decimal
HOSTILE = """<script>alert(1)</script>"'></title><img src=x onerror=alert(2)>"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return load(walk_run(tmp_path_factory.mktemp("run") / "walk", seconds=60))


class Page(HTMLParser):
    """Collects what could load, run or break something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, key, value or "") for key, value in attrs]
        if tag not in ("meta", "br", "img", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def test_every_reporter_is_offered() -> None:
    offered = reporting.ida_reporters()
    assert [cls.name for cls in offered] == ["console", "json", "csv", "html"]
    assert all(issubclass(cls, Reporter) and issubclass(cls, Plugin) for cls in offered)


# --- HTML -----------------------------------------------------------------------------------------


def test_the_page_loads_nothing(report: Report, tmp_path: Path) -> None:
    target = HtmlReport().write(report, tmp_path)
    assert target == tmp_path / "report.html"
    assert target.stat().st_size < 2_000_000
    text = target.read_text(encoding="utf-8")
    found = Page(text)
    assert not {"link", "img", "iframe", "object", "embed", "base", "form"} & set(found.tags)
    loads = [a for a in found.attributes if a[1] in ("src", "srcset", "href", "action", "data")]
    assert loads == [("a", "href", "#main")]
    assert "@import" not in text
    assert re.findall(r"url\((?!#)", text) == []
    assert re.findall(r"https?://[^\"']+", text) == ["http://www.w3.org/2000/svg"]  # a name, not a place
    assert "default-src 'none'" in text


def test_the_page_is_whole(report: Report) -> None:
    found = Page(page(report))
    assert found.open == []
    assert found.tags.count("h1") == 1
    assert found.tags.count("figure") >= 4
    ids = [value for _, key, value in found.attributes if key == "id"]
    assert len(ids) == len(set(ids))


def test_the_page_has_the_figures(report: Report) -> None:
    document, text = report.document(), Page(page(report)).text
    assert "SIM simulated exchange" in text
    assert f"{document['fills']['count']} fills" in text or str(document["fills"]["count"]) in text
    assert document["run"]["journal_sha256"] in text
    for words in ("As run", "latency x2", "back of the queue", "next fee tier"):
        assert words.lower() in text.lower()
    for name, value in document["assumptions"].items():
        assert f"{name} {value}" in text
    assert "strategy maker 12,345 12 µs 41 µs 12.3 %" in text
    assert "Net result" in text
    assert "start + fills" in text


def test_the_pages_script_may_run_and_no_other(report: Report) -> None:
    text = page(report)
    allowed = re.search(r"script-src 'sha256-([^']+)'", text)
    assert allowed is not None
    assert "unsafe-inline' 'sha" not in text
    assert not [a for a in Page(text).attributes if a[1].startswith("on")]


def test_what_comes_from_outside_is_escaped(tmp_path: Path) -> None:
    run = MadeRun(
        tmp_path / "run",
        strategies=[{"name": HOSTILE, "version": HOSTILE, "config": {HOSTILE: HOSTILE}}],
        risk=[HOSTILE],
        assumptions={HOSTILE: HOSTILE},
        exchange=HOSTILE,
        seed=HOSTILE,
        feeds=[{"name": HOSTILE, "sha256": HOSTILE}],
    )
    run.top(0, 9_999, 10_001)
    order_id = "</script><script>alert(3)</script>"
    run.place(S, order_id, Side.BUY, 10_000, 10)
    run.accept(S, order_id, Side.BUY, 10)
    run.fill(S, order_id, Side.BUY, 10_000, 10, 10, reason=HOSTILE, fee=D(1), fee_asset=HOSTILE)
    run.event(Note(ts_local_ns=T0 + S, what="plugin_failed", plugin=HOSTILE, detail=HOSTILE))
    run.top(3 * S, 9_999, 10_001)
    report = load(run.end(4 * S, warnings=[HOSTILE]))
    report.panels = [Panel(), Broken()]
    text = page(report)
    found = Page(text)
    assert found.open == []
    assert found.tags.count("script") == 2
    assert "img" not in found.tags
    assert "<script>alert" not in text
    assert "<img" not in text
    json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])  # type: ignore[index]


class Panel(ReportPanel):
    name = "spreads"
    title = "Spreads & <more>"

    def html(self, report: Report) -> str:
        return f"<p>Seen {len(report.fills)} fills</p>"


class Broken(ReportPanel):
    name = "broken"
    title = "Broken"

    def html(self, report: Report) -> str:
        raise ValueError("no <data>")


def test_panels_are_appended_and_a_broken_one_is_named(report: Report) -> None:
    report.panels = [Panel(), Broken()]
    try:
        found = Page(page(report))
    finally:
        report.panels = []
    assert f"Spreads & <more> Seen {len(report.fills)} fills" in found.text
    assert "Panel broken failed: ValueError: no <data>" in found.text


@pytest.mark.parametrize(("mode", "look"), [("LIVE", "live"), ("TESTNET", "testnet"), ("SIM", "sim")])
def test_the_mode_is_shown_in_words_and_colour(tmp_path: Path, mode: str, look: str) -> None:
    run = MadeRun(tmp_path / "run", mode=mode)
    run.top(0, 9_999, 10_001)
    text = page(load(run.end(S)))
    assert f'<body class="{look}">' in text
    assert f"<strong>{mode}</strong>" in text


def test_an_empty_run_has_a_page(tmp_path: Path) -> None:
    report = load(MadeRun(tmp_path / "run", strategies=[]).end(0))
    found = Page(page(report))
    assert found.open == []
    assert "There were none." in found.text


def test_chart_data_is_thinned_to_what_a_screen_shows(report: Report) -> None:
    data = chart_data(report)
    assert data["times"] == sorted(data["times"])
    lengths = {len(data[key]) for key in ("times", "equity", "gross", "drawdown")}
    assert lengths == {len(data["instruments"][0]["mid"])} == {len(data["instruments"][0]["position"])}
    assert len(data["instruments"][0]["fills"]) == len(report.fills)
    assert data["equity"][-1] == pytest.approx(float(report.samples.net[-1]), abs=0.01)
    assert min(data["drawdown"]) == pytest.approx(-float(max(report.drawdowns)), abs=0.01)


def test_a_long_run_fits_a_page(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plugins.reporting.html_charts.MOST_VALUES", 500)
    kept = kept_points(report)
    assert len(kept) <= 102
    assert (kept[0], kept[-1]) == (0, len(report.samples.times_ns) - 1)


def test_several_instruments_can_be_chosen(tmp_path: Path) -> None:
    run = MadeRun(tmp_path / "run", (SPOT, LINEAR))
    Walk(run, 5, seed=1).go()
    found = Page(page(load(run.end(6 * S, {}))))
    assert "option" in found.tags
    assert "ETHUSDT" in found.text


def test_parts_escape() -> None:
    assert tag("b", "<", class_="a", title='"') == '<b class="a" title="&quot;">&lt;</b>'
    assert esc(tag("i", "&")) == "<i>&amp;</i>"
    assert "<b>" not in shares([("<b>", 1)])


@pytest.mark.parametrize("values", [[1.0], [0.0, 0.0, 5.0], [1.0, 10.0, 1e6, 3.0], [2.0] * 9])
def test_bins_hold_every_value(values: list[float]) -> None:
    found = bins(values)
    assert sum(count for _, _, count in found) == len(values)
    assert found[0][0] == pytest.approx(min(values))
    assert found[-1][1] == pytest.approx(max(values))


# --- the others -----------------------------------------------------------------------------------


def test_json_is_the_document(report: Report, tmp_path: Path) -> None:
    target = JsonReport().write(report, tmp_path)
    text = target.read_text(encoding="utf-8")
    assert json.loads(text) == report.document()
    assert text.lstrip("{ \n").startswith('"schema"')


def test_csv_goes_there_and_back(report: Report, tmp_path: Path) -> None:
    target = CsvFills().write(report, tmp_path)
    with target.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(HEAD)
    assert len(rows) == len(report.fills)
    for row, fill in zip(rows, report.fills, strict=True):
        assert SPOT.ticks(D(row["price"])) == fill.price
        assert SPOT.lots(D(row["quantity"])) == fill.quantity
        assert (int(row["ts_local_ns"]), row["side"]) == (fill.ts_local_ns, fill.side.value)
        assert D(row["fee"]) == fill.fee
        assert row["order_id"] == fill.order_id
    assert rows[0]["time"].startswith("2023-11-14T22:13:")
    assert sum(D(row["notional"]) for row in rows) == D(report.document()["fills"]["volume_quote"])


def test_csv_holds_no_formula(tmp_path: Path) -> None:
    run = MadeRun(tmp_path / "run")
    run.top(0, 9_999, 10_001)
    run.place(S, "=HYPERLINK(1)", Side.SELL, 10_000, 10)
    run.accept(S, "=HYPERLINK(1)", Side.SELL, 10)
    run.fill(S, "=HYPERLINK(1)", Side.SELL, 10_000, 10, 10)
    text = CsvFills().write(load(run.end(S)), tmp_path).read_text()
    assert "'=HYPERLINK(1)" in text
    assert ",=" not in text


def test_the_terminal_shows_one_screen(report: Report) -> None:
    out = io.StringIO()
    print_report(report.document(), out)
    text = out.getvalue()
    lines = text.splitlines()
    assert len(lines) <= 30
    assert max(map(len, lines)) <= 100
    assert "\x1b" not in text
    assert lines[0].startswith(" SIM  simulated exchange")
    for words in (
        "Net of fees",
        "Max drawdown",
        "Sharpe",
        "Fills",
        "Fill ratio",
        "Maker share",
        "Fees",
        "Slippage",
        "Ledger",
        "latency x2",
        "Assumed",
        "risk-averse",
        "strategy maker 41 µs p99, 12.3 % of the run",
    ):
        assert words in text, words


def test_the_terminal_takes_markup_for_text(tmp_path: Path) -> None:
    run = MadeRun(tmp_path / "run", assumptions={"[bold]": "[/nothing]"})
    document = load(run.end(S, warnings=["[red]careful"])).document()
    out = io.StringIO()
    print_report(document, out, width=60)
    assert "[/nothing]" in out.getvalue()
    assert "! [red]careful" in out.getvalue()


def test_the_console_reporter_writes_no_file(
    report: Report, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ConsoleReport().write(report, tmp_path) is None
    assert "Result" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", [HtmlReport, JsonReport, CsvFills])
def test_no_half_written_file_is_left(report: Report, tmp_path: Path, kind: type[Reporter]) -> None:
    target = kind().write(report, tmp_path)
    assert target is not None
    target.unlink()
    target.mkdir()  # a place that cannot be taken, also by root
    with pytest.raises(OutputError, match=target.name):
        kind().write(report, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [target.name]
    with pytest.raises(OutputError):
        kind().write(report, tmp_path / "missing")
