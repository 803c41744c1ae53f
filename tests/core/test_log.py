"""The log: lines of JSON, whole and in order; what is lost is counted and said."""

import json
import os
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ida_core.errors import OutputError
from ida_core.log import LEVELS, Log, _write_nothing


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_line_has_time_level_run_and_what_was_said(tmp_path: Path) -> None:
    with Log(tmp_path / "log.jsonl", "run-1") as log:
        log.info("order_sent", plugin="grid", order_id="a-1", ts_ns=1_700_000_000_000_000_042, price=Decimal("1.50"))
        log.warning("note", text="one\ntwo ☃")
    first, second = lines(tmp_path / "log.jsonl")
    assert first == {
        "ts": "2023-11-14T22:13:20.000000042Z", "level": "info", "run": "run-1", "what": "order_sent",
        "plugin": "grid", "order_id": "a-1", "price": "1.50",
    }  # fmt: skip
    assert list(first)[:4] == ["ts", "level", "run", "what"]
    assert second["text"] == "one\ntwo ☃"
    assert second["ts"] > "2026"


@pytest.mark.parametrize("least", LEVELS)
def test_level_is_the_least_that_is_written(tmp_path: Path, least: Any) -> None:
    with Log(tmp_path / "log.jsonl", "", least) as log:
        for level in LEVELS:
            getattr(log, level)("said")
    written = LEVELS[LEVELS.index(least) :]
    assert [line["level"] for line in lines(tmp_path / "log.jsonl")] == list(written)


def test_what_the_level_leaves_out_is_not_even_formatted(tmp_path: Path) -> None:
    class Costly:
        def __str__(self) -> str:
            raise AssertionError("formatted")

    with Log(tmp_path / "log.jsonl", "", "warning") as log:
        log.debug("costly", value=Costly())
        assert log.debug is _write_nothing


def test_silent_log_writes_nothing() -> None:
    log = Log.silent()
    log.error("lost", plugin="p", field=1)
    log.flush()
    log.close()
    assert log.dropped == 0


def test_what_json_cannot_hold_is_written_as_text(tmp_path: Path) -> None:
    ring: list[Any] = []
    ring.append(ring)
    with Log(tmp_path / "log.jsonl", "run") as log:
        log.info("path", path=tmp_path)
        log.info("surrogate", name="\udc80")
        log.info("big", number=2**70)
        log.info("ring", ring=ring)
    first, *others = lines(tmp_path / "log.jsonl")
    assert first["path"] == str(tmp_path)
    assert [(line["what"], line["run"]) for line in others] == [
        ("surrogate", "run"), ("big", "run"), ("ring", "run"),
    ]  # fmt: skip
    assert "udc80" in others[0]["fields"]
    assert str(others[1]["number"]) == str(2**70)
    assert others[2]["fields"] == "{'ring': [[...]]}"


def test_nothing_is_lost_under_load_that_waits(tmp_path: Path) -> None:
    with Log(tmp_path / "log.jsonl", "") as log:
        for number in range(20_000):
            log.info("n", number=number, text="x" * (number % 1000))
            if number % 2000 == 1999:
                log.flush()
        assert log.dropped == 0
    assert [line["number"] for line in lines(tmp_path / "log.jsonl")] == list(range(20_000))


def test_dropped_lines_are_counted_and_said(tmp_path: Path) -> None:
    fifo = tmp_path / "log.jsonl"
    os.mkfifo(fifo)
    kept: list[bytes] = []
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    log = Log(fifo, "", places=16)
    for number in range(2000):  # a pipe that nobody reads holds some hundred of them
        log.info("n", number=number, text="x" * 300)
    dropped = log.dropped
    assert dropped > 1000
    os.set_blocking(reader, True)
    drain = threading.Thread(target=lambda: kept.extend(iter(lambda: os.read(reader, 65536), b"")))
    drain.start()
    log.flush()
    log.info("after")
    log.close()
    drain.join()
    os.close(reader)
    said = [json.loads(line) for line in b"".join(kept).splitlines()]
    notices = [line for line in said if line["what"] == "log_lines_dropped"]
    assert sum(notice["lines"] for notice in notices) == dropped
    assert notices[0]["level"] == "warning"
    assert [line["what"] for line in said[-2:]] == ["log_lines_dropped", "after"]
    assert len(said) == 2000 - dropped + len(notices) + 1


def test_full_disk_surfaces(tmp_path: Path) -> None:
    log = Log("/dev/full", "run")
    log.info("lost")
    with pytest.raises(OutputError, match="/dev/full: No space left on device; the log needs"):
        log.flush()
    assert log.dropped == 1
    with pytest.raises(OutputError, match="/dev/full"):
        log.close()
    log.close()
    log.info("after the end: nothing")


def test_file_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=f"{tmp_path}: Is a directory; "):
        Log(tmp_path, "run")


def test_forked_child_is_refused(tmp_path: Path) -> None:
    with Log(tmp_path / "log.jsonl", "run") as log:
        if (pid := os.fork()) == 0:
            refused = 0
            for call in (lambda: log.info("the child's"), log.flush):
                try:
                    call()
                except OutputError as error:
                    refused += "a forked process cannot write" in str(error)
            os._exit(refused)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 2
        log.info("after")
    assert [line["what"] for line in lines(tmp_path / "log.jsonl")] == ["after"]


def test_forked_child_leaves_the_log_alone(tmp_path: Path) -> None:
    with Log(tmp_path / "log.jsonl", "run") as log:
        log.info("before")
        if (pid := os.fork()) == 0:
            log.close()
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        log.info("after")
    assert [line["what"] for line in lines(tmp_path / "log.jsonl")] == ["before", "after"]
