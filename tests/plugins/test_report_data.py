"""What reports say of the market data: nothing of what went wrong is left out, and words of strangers stay words."""

import io
from pathlib import Path
from typing import Any

import pytest
from made_runs import walk_run

from ida_core.report import load
from plugins.reporting.console import print_report
from plugins.reporting.figures import data_words
from plugins.reporting.html_data import MOST_ROWS, data_card

EPISODE = {"from": "2023-11-14 22:13:30.000", "to": "2023-11-14 22:13:33.000", "s": 3.0, "reason": "no <b>life</b>"}


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return load(walk_run(Path(tmp_path_factory.mktemp("run")) / "walk", seconds=60)).document()


def bad(document: dict[str, Any], **changed: Any) -> dict[str, Any]:
    (name, symbol), *_ = document["data"]["symbols"].items()
    worse = {"live_after_s": 1.0, "stale_s": 3.0, "episodes": 1, "stale": [EPISODE], "gaps": 2, "resyncs": 1,
             "trades_missing": 4, "left_known": 1, "quotes_mismatched": 5,
             "quantities_rounded": 1, "levels_off_tick": 2}  # fmt: skip
    connection = {"connection": "one", "state": "LIVE", "lives": 2, "messages": 1234, "bytes": 99_000, "streams": 3,
                  "reconnects": 1}  # fmt: skip
    change = {"at": "2023-11-14 22:13:30.000", "connection": "one", "state": "CLOSED", "why": "<i>cut</i>"}
    data = {
        **document["data"], "symbols": {name: {**symbol, **worse}},
        "conflated": {"wakings": 7, "episodes": 2, "behind_s": 0.25},
        "connections": {"each": [connection], "changes": 3, "history": [change]},
        "venue": {"unwell_s": 3.0, "changes": 1, "history": [{"at": "t", "state": "DOWN", "reason": "banned"}]},
    }  # fmt: skip
    return {**document, "data": {**data, **changed}, "run": {**document["run"], "span_s": 101.0}}


def test_the_terminal_says_what_was_wrong(document):
    out = io.StringIO()
    print_report(bad(document), out, width=300)
    (line,) = [line for line in out.getvalue().splitlines() if line.startswith("Market data: ")]
    assert line == (
        "Market data: stale 3 s in 1 episode; 2 gaps; 1 resync; 4 lost trades; 5 mismatches with quotes; "
        "the best price left the range of its snapshot 1 time; 1 quantity finer than a lot, rounded up; "
        "2 levels between two ticks, left out; 1 reconnect; 7 wakings conflated")
    assert ", 97.0 % in step" in out.getvalue()


def test_of_good_data_one_word_is_enough(document):
    good = bad(document, conflated=document["data"]["conflated"], connections=document["data"]["connections"])
    (symbol,) = good["data"]["symbols"].values()
    symbol |= {key: 0 for key in symbol if key not in ("live_after_s", "stale")} | {"stale": []}
    out = io.StringIO()
    print_report(good, out, width=300)
    assert "Market data: " not in out.getvalue()
    assert data_words(good) == ("100 %", "in step throughout, nothing missing")


def test_the_page_tells_it_all_and_escapes_it(document):
    html = str(data_card(bad(document)))
    for words in ("97.0 %", "no &lt;b&gt;life&lt;/b&gt;", "2023-11-14 22:13:33.000", "1,234", "&lt;i&gt;cut&lt;/i&gt;",
                  "banned", "behind its data 2 times", "7 wakings"):  # fmt: skip
        assert words in html, words
    assert "<b>life" not in html
    assert "<i>cut" not in html


def test_the_page_shows_the_first_and_counts_the_rest(document):
    many = bad(document)
    (symbol,) = many["data"]["symbols"].values()
    symbol |= {"episodes": 300, "stale": [EPISODE] * 200}
    html = str(data_card(many))
    assert f"The first {MOST_ROWS} of 300." in html
    assert html.count("no &lt;b&gt;life") == MOST_ROWS


def test_a_book_that_never_was_is_no_percentage(document):
    never = bad(document)
    (symbol,) = never["data"]["symbols"].values()
    symbol["live_after_s"] = None
    assert data_words(never)[0] == "\N{EN DASH}"
