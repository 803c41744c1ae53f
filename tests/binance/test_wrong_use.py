"""What a live feed says when it is used wrongly, at the command line: a code, the right exit code, no traceback."""

import json
import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from canned_server import Canned, CannedServer, canned_server, speaks

FILTERS = [{"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01"}]


def symbol(name: str) -> dict[str, object]:
    return {"symbol": name, "status": "TRADING", "baseAsset": name[:-4], "quoteAsset": name[-4:], "filters": FILTERS}


def healthy(path: str) -> Canned:
    """REST as it should be; there is no WebSocket."""
    if path.startswith("/api/v3/time"):
        return Canned(json.dumps({"serverTime": time.time_ns() // 1_000_000}).encode())
    if path.startswith("/api/v3/exchangeInfo"):
        if "BTCUSDT" not in path and "symbols" in path:
            return Canned(b'{"code":-1121,"msg":"Invalid symbol."}', 400)
        return Canned(json.dumps({"symbols": [symbol("BTCUSDT"), symbol("ETHUSDT")]}).encode())
    if path.startswith("/api/v3/ticker/price"):
        return Canned(b'[{"symbol":"BTCUSDT","price":"60000.00"}]')
    return Canned(b"<h1>not here</h1>", 404)


@pytest.fixture
def server() -> Iterator[CannedServer]:
    with canned_server() as running:
        running.answer = healthy
        yield running


def said(folder: Path, *options: str) -> tuple[int, str]:
    """Exit code and stderr of ``ida run``."""
    words = ["run", "--feed", "binance", "--strategy", "market_maker", "--symbol", "BTCUSDT", *options]
    done = subprocess.run(
        [sys.executable, "-m", "ida_core", *words], cwd=folder, env=os.environ | {"NO_COLOR": "1"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


def test_an_unknown_symbol_names_the_nearest(server: CannedServer, tmp_path: Path) -> None:
    words = ["--feed", "binance", "--strategy", "market_maker", "--symbol", "ETHUDST", "--binance-url", server.url]
    done = subprocess.run(
        [sys.executable, "-m", "ida_core", "run", *words], cwd=tmp_path, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 3
    assert "IDA-E3004" in done.stderr
    assert "did you mean 'ETHUSDT'" in done.stderr


def test_an_unknown_stream_names_the_nearest(server: CannedServer, tmp_path: Path) -> None:
    code, text = said(tmp_path, "--binance-url", server.url, "--set", 'binance.streams=["btcusdt@aggtrade"]')
    assert code == 3
    assert "IDA-E3021" in text
    assert "btcusdt@aggTrade" in text
    assert server.asked == []


def test_an_address_of_another_environment_is_refused(tmp_path: Path) -> None:
    code, text = said(tmp_path, "--binance-url", "https://testnet.binance.vision")
    assert code == 3
    assert "IDA-E3020" in text


def test_without_a_network_it_says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    code, text = said(tmp_path, "--binance-url", f"http://127.0.0.1:{port}")
    assert code == 4
    assert "IDA-E4100" in text


def test_a_certificate_that_is_not_trusted_is_told_and_can_be_named(tmp_path: Path) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with canned_server(context) as server:
        server.answer = healthy
        code, text = said(tmp_path, "--binance-url", server.url)
        assert code == 4
        assert "IDA-E4121" in text
        assert server.asked == []
        code, text = said(tmp_path, "--binance-url", server.url, "--set", f'binance.ca_file="{tmp_path / "ca.pem"}"')
        assert server.asked
        assert code == 4
        assert "IDA-E4112" in text


def test_who_speaks_garbage_is_told(tmp_path: Path) -> None:
    with speaks(b"220 smtp.example ESMTP\r\n") as address:
        code, text = said(tmp_path, "--binance-url", f"http://{address}")
    assert code == 4
    assert "IDA-E4120" in text


def test_a_server_without_streams_ends_the_run(server: CannedServer, tmp_path: Path) -> None:
    code, text = said(tmp_path, "--binance-url", server.url, "--duration", "30")
    assert code == 4
    assert "IDA-E4112" in text
    assert len([path for path in server.asked if path == "/stream"]) <= 4


def test_a_ban_is_told_with_its_end_and_asked_about_once(server: CannedServer, tmp_path: Path) -> None:
    body = b'{"code":-1003,"msg":"Way too much request weight used; IP banned until 9999999999999."}'
    server.answer = lambda path: Canned(body, 418, {"Retry-After": "120"})
    code, text = said(tmp_path, "--binance-url", server.url)
    assert code == 4
    assert "IDA-E4210" in text
    assert "banned until 20" in text
    assert len(server.asked) == 1
