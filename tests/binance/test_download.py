"""``ida download``: files of the archive over real sockets, and what is missing in them."""

import hashlib
import json
import zipfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from archive_server import Archive, serving
from documents import ROOT, agrees, blocks, steps

from ida_binance.archive import files_of, series_of
from ida_binance.archive_rows import Survey
from ida_core.cli import cli
from ida_core.errors import DataError, UsageError

HOURS = "data/spot/monthly/klines/BTCUSDT/1h/BTCUSDT-1h-2023-{}.zip"
TRADES = "data/spot/daily/trades/BTCUSDT/BTCUSDT-trades-{}.zip"


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with serving(tmp_path / "server") as archive:
        yield archive


@pytest.fixture
def hours(archive: Archive, recordings: Path) -> Archive:
    """The real hours of BTCUSDT, January to March 2023."""
    for month in ("01", "02", "03"):
        archive.put(HOURS.format(month), (recordings / "klines" / f"BTCUSDT-1h-2023-{month}.zip").read_bytes())
    return archive


def download(archive: Archive, out: Path, *words: str) -> int:
    with pytest.raises(SystemExit) as exit_:
        cli.main(["download", *words, "--out", str(out), "--url", archive.url])
    code = exit_.value.code
    assert isinstance(code, int)
    return code


def document(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


QUARTER = ("klines", "BTCUSDT", "--interval", "1h", "--from", "2023-01", "--to", "2023-03", "--json")


def test_the_real_hole_of_march_2023(hours: Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert download(hours, tmp_path / "out", *QUARTER) == 0
    told = document(capsys)
    assert [f["state"] for f in told["files"]] == ["downloaded"] * 3
    assert [f["rows"] for f in told["files"]] == [744, 672, 743]
    findings = told["series"][0]["findings"]
    assert [(f["what"], f["missing"], f["detail"]) for f in findings] == [
        ("short bar", 0, "closes at 2023-03-24 12:39:41.646"), ("gap", 1, "bars of 1h")]
    kept = tmp_path / "out" / HOURS.format("03")
    assert kept.read_bytes() == (hours.folder / HOURS.format("03")).read_bytes()
    assert hashlib.sha256(kept.read_bytes()).hexdigest() in kept.with_name(f"{kept.name}.CHECKSUM").read_text()


def test_the_table_that_people_read(hours: Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert download(hours, tmp_path / "out", *QUARTER[:-1]) == 0
    printed = capsys.readouterr()
    assert "3 files (3 downloaded)" in printed.out
    assert "2,159 rows, 2023-01-01 00:00:00 to 2023-03-31 23:00:00, stamps in ms" in printed.out
    assert "2023-03-24 12:00:00  2023-03-24 14:00:00  1        bars of 1h" in printed.out
    assert "BTCUSDT-1h-2023-02.zip" in printed.err  # progress, a line a file


def test_what_is_there_is_kept_until_the_archive_replaces_it(
    hours: Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    assert download(hours, tmp_path / "out", *QUARTER) == 0
    (tmp_path / "out" / HOURS.format("02")).write_bytes(b"something else")
    hours.put(HOURS.format("01"), (hours.folder / HOURS.format("02")).read_bytes())
    capsys.readouterr()
    assert download(hours, tmp_path / "out", *QUARTER) == 0
    assert [f["state"] for f in document(capsys)["files"]] == ["downloaded", "downloaded", "kept"]


def test_a_cut_download_goes_on_where_it_was(
    hours: Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    hours.cut_after = 20_000
    assert download(hours, tmp_path / "out", *QUARTER[:5], "2023-01", "--to", "2023-01", "--json") == 0
    assert document(capsys)["files"][0]["state"] == "resumed"
    ranges = [asked for path, asked in hours.asked if path.endswith(".zip")]
    assert ranges == ["", "bytes=20000-"]


def test_a_busy_server_is_asked_again(hours: Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hours.failures = 2
    assert download(hours, tmp_path / "out", *QUARTER[:5], "2023-01", "--to", "2023-01", "--json") == 0
    assert document(capsys)["files"][0]["state"] == "downloaded"


def test_a_wrong_sum_keeps_nothing(hours: Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = hours.folder / HOURS.format("01")
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    assert download(hours, tmp_path / "out", *QUARTER[:5], "2023-01", "--to", "2023-01") == 7
    assert "IDA-E7041" in capsys.readouterr().err
    assert not list((tmp_path / "out").rglob("*.zip*"))


def test_a_part_of_another_file_is_thrown_away(
    hours: Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    part = tmp_path / "out" / f"{HOURS.format('01')}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"y" * 100)
    assert download(hours, tmp_path / "out", *QUARTER[:5], "2023-01", "--to", "2023-01", "--json") == 0
    assert document(capsys)["files"][0]["state"] == "downloaded"
    assert not part.exists()


def test_the_page_shows_what_is_printed(
    hours: Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (block,) = (b for b in blocks(ROOT / "docs" / "archive.md") if "ida download klines" in b.text)
    (step,) = steps(block)
    with pytest.raises(SystemExit):
        cli.main([*step.command.split()[1:], "--url", hours.url])
    assert step.expected is not None
    assert agrees(step.expected, capsys.readouterr().out)


def trades(first: int, count: int, start: int, step: int) -> str:
    return "".join(f"{first + i},100.5,0.1,10.05,{start + i * step},true,true\n" for i in range(count))


def test_ms_and_us_and_a_hole_between_two_files(
    archive: Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    """Spot archives count in us from 2025-01-01 on."""
    archive.put_csv(TRADES.format("2024-12-31"), trades(1, 10, 1_735_689_590_000, 1_000))
    archive.put_csv(TRADES.format("2025-01-01"), trades(14, 10, 1_735_689_601_000_000, 1_000_000))
    assert download(archive, tmp_path / "out", "trades", "BTCUSDT", "--from", "2024-12-31", "--to", "2025-01-01",
                    "--json") == 0
    told = document(capsys)
    assert [f["unit"] for f in told["files"]] == ["ms", "us"]
    (gap,) = told["series"][0]["findings"]
    assert (gap["what"], gap["missing"], gap["detail"], gap["line"]) == ("gap", 3, "ids 11 to 13", 1)
    assert gap["to_ns"] - gap["from_ns"] == 2_000_000_000


def test_a_month_that_is_not_there_yet_comes_by_its_days(
    archive: Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    for day in range(1, 31):
        if day != 17:
            archive.put_csv(TRADES.format(f"2025-06-{day:02}"), trades(day * 100, 100, 1_748_736_000_000_000, 1))
    words = ("trades", "BTCUSDT", "--from", "2025-06", "--to", "2025-06")
    assert download(archive, tmp_path / "out", *words) == 0
    printed = capsys.readouterr()
    assert "30 files (29 downloaded, 1 missing)" in printed.out
    assert "the archive has no file for 2025-06-17" in printed.err
    assert "ids 1700 to 1799" in printed.out


@pytest.mark.parametrize(("words", "code", "said"), [
    (("klines", "BTCUSDT", "--from", "2023-01"), 2, "klines need an --interval"),
    (("klines", "BTCUSDT", "--interval", "7m", "--from", "2023-01"), 2, "--interval 7m"),
    (("trades", "BTCUSDT", "--interval", "1h", "--from", "2023-01"), 2, "only klines have one"),
    (("bookTicker", "BTCUSDT", "--from", "2023-06"), 2, "the archive has no bookTicker of spot"),
    (("trades", "btcusdt", "--from", "2023-06"), 2, "in capitals"),
    (("trades", "BTC/../USDT", "--from", "2023-06"), 2, "in capitals"),
    (("trades", "BTCUSDT", "--from", "2023-13"), 2, "--from 2023-13"),
    (("trades", "BTCUSDT", "--from", "2023-06", "--to", "2023-05"), 2, "is after --to"),
    (("trades", "BTCUSDT", "--from", "2999-01"), 2, "when it is over"),
    (("trades", "NOSUCH", "--from", "2023-06-01", "--to", "2023-06-02"), 7, "IDA-E7042"),
])
def test_wrong_words(archive: Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str],
                     words: tuple[str, ...], code: int, said: str) -> None:
    assert download(archive, tmp_path / "out", *words) == code
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_no_server_there(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ida_binance.downloading.TRIES", 2)
    with pytest.raises(SystemExit) as exit_:
        cli.main(["download", "trades", "BTCUSDT", "--from", "2023-06-01", "--to", "2023-06-01", "--out",
                  str(tmp_path / "out"), "--url", "http://127.0.0.1:9"])
    assert exit_.value.code == 4
    assert "IDA-E4150" in capsys.readouterr().err


def test_the_fewest_files_that_cover_the_days() -> None:
    series = series_of("spot", "klines", "BTCUSDT", "1h")
    files = files_of(series, date(2023, 1, 30), date(2023, 4, 2), date(2023, 4, 20))
    assert [f.period for f in files] == ["2023-01-30", "2023-01-31", "2023-02", "2023-03", "2023-04-01", "2023-04-02"]
    assert [f.period for f in files_of(series, date(2023, 4, 1), date(2023, 4, 30), date(2023, 4, 30))][:2] == [
        "2023-04-01", "2023-04-02"]  # the month is not over
    months = series_of("usdm", "klines", "BTCUSDT", "1M")
    assert files_of(months, date(2023, 1, 1), date(2023, 2, 28), date(2023, 4, 20))[1].path == (
        "data/futures/um/monthly/klines/BTCUSDT/1mo/BTCUSDT-1mo-2023-02.zip")
    with pytest.raises(UsageError, match="spot only"):
        series_of("usdm", "klines", "BTCUSDT", "1s")


def survey_of(tmp_path: Path, kind: str, text: str, interval: str | None = None, market: str = "spot") -> Survey:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("a.csv", text)
    survey = Survey(series_of(market, kind, "BTCUSDT", interval))
    survey.read(path)
    return survey


def test_aggregates_are_whole_by_the_ids_of_their_trades(tmp_path: Path) -> None:
    rows = "1,10,1,100,102,1735689600000,True,True\n2,10,1,103,103,1735689600001,TRUE,true\n"
    assert survey_of(tmp_path, "aggTrades", rows).findings_total == 0
    (gap,) = survey_of(tmp_path, "aggTrades", f"{rows}3,10,1,106,107,1735689600002,true,true\n").findings
    assert (gap.what, gap.missing, gap.detail) == ("gap", 2, "ids 104 to 105")
    (double,) = survey_of(tmp_path, "aggTrades", f"{rows}2,10,1,103,103,1735689600001,true,true\n").findings
    assert double.what == "doubled"


def test_real_aggregates_lack_nothing(tmp_path: Path, recordings: Path) -> None:
    import gzip

    with gzip.open(recordings / "trades" / "XRPETH-aggTrades-2019-10-11_13.csv.gz", "rt") as text:
        survey = survey_of(tmp_path, "aggTrades", text.read())
    assert (survey.findings_total, survey.findings) == (0, [])


def test_quotes_silence_and_damage(tmp_path: Path) -> None:
    head = "update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time,event_time\n"
    rows = [f"{i},1,1,2,1,{t},{t}\n" for i, t in ((5, 1_700_000_000_000), (9, 1_700_000_060_001))]
    survey = survey_of(tmp_path, "bookTicker", head + rows[0] + "torn,1\n" + rows[1] + rows[0], market="usdm")
    assert [(f.what, f.line) for f in survey.findings] == [("damaged", 3), ("silence", 4), ("unordered", 5)]


def test_bars_of_a_month_and_doubled_ones(tmp_path: Path) -> None:
    def bar(open_ms: int, close_ms: int) -> str:
        return f"{open_ms},1,2,1,2,5,{close_ms},10,3,1,1,0\n"

    january, february, april = (1_672_531_200_000, 1_675_209_600_000, 1_680_307_200_000)
    text = bar(january, february - 1) + bar(february, 1_677_628_800_000 - 1) + bar(april, 1_682_899_200_000 - 1)
    (gap,) = survey_of(tmp_path, "klines", text, "1mo").findings
    assert (gap.what, gap.missing) == ("gap", 1)
    doubled = survey_of(tmp_path, "klines", bar(january, february - 1) * 2, "1mo")
    assert [f.what for f in doubled.findings] == ["doubled"]


def test_what_is_no_zip(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"<html>not found</html>")
    with pytest.raises(DataError, match=r"not a zip of the archive"):
        Survey(series_of("spot", "trades", "BTCUSDT", None)).read(tmp_path / "a.zip")
