"""``ida record`` as a process, against a small exchange: what it leaves however it ends, and that it reads."""

import json
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from small_exchange import SmallExchange, small_exchange, until

from ida_binance.findings import CheckResult
from ida_binance.recording import BinanceRecording
from ida_core.recorded_files import recording_files

IDA = (sys.executable, "-m", "ida_core")


@asynccontextmanager
async def market(*symbols: str) -> AsyncIterator[SmallExchange]:
    """An exchange whose market goes on, an update of each symbol every 5 ms."""

    async def go_on(exchange: SmallExchange) -> None:
        while True:
            for symbol in exchange.books:
                await exchange.step(symbol)
            await trio.sleep(0.005)

    async with small_exchange(*symbols) as exchange, trio.open_nursery() as nursery:
        nursery.start_soon(go_on, exchange)
        yield exchange
        nursery.cancel_scope.cancel()


async def start(
    exchange: SmallExchange, out: Path, *words: str, symbols: tuple[str, ...] = ("BTCUSDT",)
) -> trio.Process:  # fmt: skip
    command = [*IDA, "record", *symbols, "--binance-url", exchange.url, "--out", str(out), "--flush", "0.05", *words]
    return await trio.lowlevel.open_process(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


async def text_of(stream: Any) -> str:
    return b"".join([bytes(piece) async for piece in stream]).decode()


async def ended(process: trio.Process) -> tuple[int, str, str]:
    """Its exit code and what it wrote."""
    said: dict[str, str] = {}

    async def read(name: str, stream: Any) -> None:
        said[name] = await text_of(stream)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read, "out", process.stdout)
        nursery.start_soon(read, "err", process.stderr)
    return await process.wait(), said["out"], said["err"]


def written(out: Path) -> int:
    return sum(path.stat().st_size for path in out.glob("*")) if out.is_dir() else 0


def checked(out: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> CheckResult:
    monkeypatch.setenv("IDA_CACHE_DIR", str(cache))
    recording = BinanceRecording()
    return recording.check(recording_files(out, recording.recognises)[0])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    async with market("BTCUSDT", "ETHUSDT") as exchange:
        process = await start(exchange, tmp_path / "r", "--json", symbols=("BTCUSDT", "ETHUSDT"))
        await until(lambda: written(tmp_path / "r") > 4000)
        process.send_signal(number)
        code, out, err = await ended(process)
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert next(iter(document)) == "schema"
    assert (document["recorded"]["dropped"], document["recorded"]["error"], document["gaps"]) == (0, "", 0)
    check = checked(tmp_path / "r", tmp_path / "cache", monkeypatch)
    assert check.faults == ()
    assert [file["name"] for file in document["files"]] == [file.name for file in check.files]
    assert document["recorded"]["lines"] == sum(file.records for file in check.files)
    assert document["recorded"]["file_bytes"] == sum(file.bytes for file in check.files)
    for symbol, instrument in zip(document["symbols"], check.instruments, strict=True):
        assert instrument.book is not None
        assert not instrument.inferred
        assert (symbol["symbol"], symbol["sha256"]) == (instrument.symbol, instrument.book.sha256)
        assert symbol["last_update_id"] == instrument.book.last_update_id
        assert symbol["stale_s"] == 0
        assert instrument.book.quotes_compared > 0
        assert instrument.book.quotes_mismatched == 0


async def test_each_file_stands_for_itself_and_all_are_one_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with market() as exchange:
        process = await start(exchange, tmp_path / "r", "--json", "--rotate", "0.4", "--duration", "2.5")
        code, out, _ = await ended(process)
    assert code == 0
    document = json.loads(out)
    names = [file["name"] for file in document["files"]]
    assert len(names) > 3
    check = checked(tmp_path / "r", tmp_path / "cache", monkeypatch)
    (instrument,) = check.instruments
    assert check.faults == ()
    assert instrument.files == tuple(names)
    assert instrument.book is not None
    assert (instrument.book.gaps, instrument.book.resyncs, instrument.book.duplicates) == (0, 0, 0)
    assert instrument.book.sha256 == document["symbols"][0]["sha256"]
    for name in names[:-1]:  # the last one may have ended before its snapshot came
        (alone,) = BinanceRecording().check([tmp_path / "r" / name]).instruments
        assert alone.book is not None
        assert alone.book.synced, name


async def test_it_can_end_by_itself_and_says_what_it_has(tmp_path: Path) -> None:
    async with market() as exchange:
        process = await start(exchange, tmp_path / "r", "--duration", "1")
        code, out, err = await ended(process)
    assert code == 0
    assert "messages," in out
    assert "0 dropped" in out
    assert "BTCUSDT" in out
    assert "HEALTHY: binance: all books in step" in err


async def test_a_connection_that_is_cut_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with market() as exchange:
        process = await start(exchange, tmp_path / "r", "--json", "--duration", "3")
        await until(lambda: len(exchange.open_clients) == 2 and written(tmp_path / "r") > 3000)
        await exchange.open_clients[0].cut()
        code, out, _ = await ended(process)
    assert code == 0
    assert json.loads(out)["gaps"] == 0
    assert checked(tmp_path / "r", tmp_path / "cache", monkeypatch).sound


async def test_wrong_words_are_told_and_leave_no_file(tmp_path: Path) -> None:
    async with market() as exchange:
        code, _, err = await ended(await start(exchange, tmp_path / "r", symbols=("BTCUSD",)))
        assert (code, "BTCUSDT" in err, "IDA-E3004" in err) == (3, True, True)
        assert not (tmp_path / "r").exists()
        (tmp_path / "file").write_text("")
        code, _, err = await ended(await start(exchange, tmp_path / "file"))
        assert (code, "IDA-E7240" in err or "is a file" in err) == (code or 1, True)


LIMITED = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (6000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
os.execv(sys.argv[1], sys.argv[1:])
"""


async def test_a_full_disk_is_told_and_leaves_what_was_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that may not grow further is what a full disk is."""
    async with market() as exchange:
        words = ["record", "BTCUSDT", "--binance-url", exchange.url, "--out", str(tmp_path / "r"), "--flush", "0.05"]
        command = [sys.executable, "-c", LIMITED, *IDA, *words, "--duration", "3"]
        process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        code, out, err = await ended(process)
    assert code == 7
    assert "the recording cannot be written: File too large" in err
    assert "messages could not be recorded (File too large)" in err
    assert " 0 dropped" not in out
    (file,) = (tmp_path / "r").iterdir()
    assert file.stat().st_size <= 6000
    check = checked(tmp_path / "r", tmp_path / "cache", monkeypatch)
    assert check.files[0].records > 0
    assert {fault.what for fault in check.faults} <= {"doubt"}  # that messages are missing, if that still fitted


async def kill(exchange: SmallExchange, out: Path, moment_s: float, limit: trio.CapacityLimiter) -> None:
    async with limit:
        process = await start(exchange, out, "--rotate", "0.5")
        await until(lambda: written(out) > 0, 60)
        await trio.sleep(moment_s)  # the moment; what is claimed holds for any
        process.send_signal(signal.SIGKILL)
        assert (await ended(process))[0] == -signal.SIGKILL


async def test_killed_at_any_moment_it_leaves_what_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = random.Random(4)
    outs = [tmp_path / f"r{i}" for i in range(20)]
    async with market() as exchange, trio.open_nursery() as nursery:
        limit = trio.CapacityLimiter(4)
        for out in outs:
            nursery.start_soon(kill, exchange, out, moments.random(), limit)
    for out in outs:
        assert_reads(checked(out, tmp_path / "cache", monkeypatch))


def assert_reads(check: CheckResult) -> None:
    """But for the torn end of the last file nothing is wrong with it, and no trust is lost where a book was."""
    assert [fault.what for fault in check.faults] in ([], ["doubt"], ["no_snapshot"], ["doubt", "no_snapshot"])
    assert all(fault.file == check.files[-1].name for fault in check.faults if fault.what == "doubt")
    assert sum(file.records for file in check.files) > 0
