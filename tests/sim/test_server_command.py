"""`ida exchange` as a program: its ready line, how it is stopped, and what it refuses."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio_websocket
from signed import RESTRICTIONS, signed_query
from sim.serving import key_of


@contextmanager
def exchange(*options: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """The program, and its ready line."""
    command = [sys.executable, "-m", "ida_core", "exchange", "--port", "0", "--json", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout is not None
            yield program, json.loads(program.stdout.readline())
        finally:
            program.kill()


async def _read_on(websocket: trio_websocket.WebSocketConnection) -> None:
    while True:
        await websocket.get_message()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_in_order(number: signal.Signals) -> None:
    with exchange("--symbol", "ETHUSDT") as (program, ready):
        assert ready["schema"] == 1
        assert ready["ws_api"] == ready["ws"] + "/ws-api/v3"
        async with trio_websocket.open_websocket_url(ready["ws"] + "/ws/ethusdt@trade") as websocket:
            assert json.loads(await websocket.get_message())["e"] == "trade"
            os.kill(program.pid, number)
            with pytest.raises(trio_websocket.ConnectionClosed) as closed:
                await _read_on(websocket)
        assert closed.value.reason is not None
        assert closed.value.reason.code == 1001
        assert program.wait(20) == 0
        assert program.stderr is not None
        assert program.stderr.read() == ""


def test_the_ready_line_has_a_key_of_each_kind() -> None:
    with exchange() as (_, ready):
        keys = ready["keys"]
        assert [(key["account"], key["type"]) for key in keys] == [
            ("default", "HMAC"), ("default", "RSA"), ("default", "ED25519")]
        for told in keys:
            key = key_of(told)
            query = signed_query(key, {"timestamp": httpx.get(ready["rest"] + "/api/v3/time").json()["serverTime"]})
            answer = httpx.get(f"{ready['rest']}{RESTRICTIONS}?{query}", headers={"X-MBX-APIKEY": key.api_key})
            assert answer.json()["enableReading"] is True


def test_its_time_may_be_limited() -> None:
    with exchange("--duration", "3") as (program, ready):
        assert httpx.get(ready["rest"] + "/api/v3/ping").json() == {}
        assert program.wait(20) == 0


def _fails(*options: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "ida_core", "exchange", "--port", "0", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


def test_what_cannot_be_served_is_refused(recordings: Path, tmp_path: Path) -> None:
    captures = recordings / "captures"
    futures = _fails("--feed", str(captures / "usdm_btcusdt_20220811_7s.gz"))
    assert futures[0] == 7
    assert "IDA-E7014" in futures[1]
    unknown = _fails("--feed", str(captures / "spot_btcusdt_20240808_first15s.gz"), "--symbol", "BTCUSDC")
    assert unknown[0] == 3
    assert "BTCUSDT" in unknown[1]
    assert _fails("--feed", str(tmp_path / "none.gz"))[0] == 7
    assert _fails("--speed", "fast")[0] == 3
    assert _fails("--script", str(tmp_path / "none.toml"))[0] == 3


def test_a_symbol_that_no_client_could_ask_for_is_refused() -> None:
    for symbol, hint in (("BTC/USDT", "'BTCUSDT'"), ("btcusdt", "'BTCUSDT'"), ("BTCUSDT,ETHUSDT", "--symbol for each")):
        code, text = _fails("--symbol", symbol, "--duration", "0.1")
        assert code == 3
        assert symbol in text
        assert hint in text


def test_a_port_that_is_taken_is_said() -> None:
    with exchange() as (_, ready):
        code, text = _fails("--port", ready["rest"].rpartition(":")[2])
    assert code == 4
    assert "IDA-E4115" in text
