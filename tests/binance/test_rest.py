"""Requests over real sockets: what each answer, and each lack of one, is made of."""

import gzip
import json
import socket
import ssl
import time
from collections.abc import Iterator

import pytest
import trio
import trustme
from canned_server import Canned, CannedServer, canned_server, speaks, trickles

from ida_binance.asking import clock_offset
from ida_binance.budget import NS_PER_S, Budget
from ida_binance.rest import Answer, Rest
from ida_core import IdaError, RateLimited, RequestRejected, VenueError, VenueUnavailable

NEVER = 1 << 62


@pytest.fixture
def server() -> Iterator[CannedServer]:
    with canned_server() as running:
        yield running


@pytest.fixture(params=["before the loop", "in the loop"])
def how(request: pytest.FixtureRequest) -> str:
    word: str = request.param
    return word


def ask(rest: Rest, how: str, path: str = "/api/v3/depth", weight: int = 5, **parameters: object) -> Answer:
    async def inside() -> Answer:
        async with rest.session() as session:
            return await session.get(path, weight, **parameters)

    return rest.get(path, weight, **parameters) if how == "before the loop" else trio.run(inside)


def failing(rest: Rest, how: str, kind: type[IdaError] = VenueError) -> IdaError:
    with pytest.raises(kind) as caught:
        ask(rest, how)
    return caught.value


def test_an_answer_comes_as_it_is_and_corrects_the_budget(server: CannedServer, how: str) -> None:
    body = b'{"lastUpdateId": 7}'
    server.answer = lambda path: Canned(body, headers={"X-MBX-USED-WEIGHT-1M": "1234"})
    rest = Rest(server.url, Budget(), None)
    while time.time() % 60 > 55:  # the answer must fall into the minute of its request
        time.sleep(0.1)
    answer = ask(rest, how, symbol="BTCUSDT", limit=5000, none=None)
    assert answer.body == body
    assert server.asked == ["/api/v3/depth?symbol=BTCUSDT&limit=5000"]
    assert answer.sent_ns <= answer.middle_ns <= answer.received_ns
    assert rest.budget.left(answer.received_ns) == 5400 - 1234


def test_the_clock_is_read_over_a_connection_that_is_there_already():
    with canned_server(keeps=True) as server:
        server.answer = lambda path: Canned(b'{"serverTime": %d}' % (1 if len(server.asked) == 1 else 2_000))
        rest = Rest(server.url, Budget(), None)
        offset_ns, latency_ns = clock_offset(rest)
        assert len(server.asked) == len(server.peers) == 1 + len(latency_ns) == 4
        assert len(set(server.peers)) == 1
        assert offset_ns < time.time_ns() - NS_PER_S  # none of the first answer, that of the new connection


def test_what_the_exchange_refuses_comes_in_its_words(server: CannedServer, how: str) -> None:
    server.answer = lambda path: Canned(b'{"code":-1121,"msg":"Invalid symbol."}', 400)
    error = failing(Rest(server.url, Budget(), None), how, RequestRejected)
    assert isinstance(error, RequestRejected)
    assert (error.venue_code, error.reason, error.exit_code) == (-1121, "Invalid symbol.", 4)


def test_after_429_nothing_is_sent_until_then(server: CannedServer, how: str) -> None:
    body = b'{"code":-1003,"msg":"Too much request weight used"}'
    server.answer = lambda path: Canned(body, 429, {"Retry-After": "30"})
    rest = Rest(server.url, Budget(), None)
    error = failing(rest, how, RateLimited)
    assert isinstance(error, RateLimited)
    assert error.retry_after_s == 30
    again = failing(rest, how, RateLimited)
    assert isinstance(again, RateLimited)
    assert 20 < again.retry_after_s <= 30
    assert len(server.asked) == 1


@pytest.mark.parametrize("retry_after", [None, "150"])
def test_a_ban_stops_all_until_when_the_exchange_says(server: CannedServer, how: str, retry_after: str | None) -> None:
    until_ms = time.time_ns() // 1_000_000 + 170_000
    body = json.dumps({"code": -1003, "msg": f"Way too much request weight used; IP banned until {until_ms}."})
    headers = {"Retry-After": retry_after} if retry_after else {}
    server.answer = lambda path: Canned(body.encode(), 418, headers)
    rest = Rest(server.url, Budget(), None)
    error = failing(rest, how, RateLimited)
    assert (error.code, error.exit_code) == ("IDA-E4210", 4)
    assert "banned until 20" in str(error)
    assert abs(rest.budget.banned_until_ns - until_ms * 1_000_000) < NS_PER_S
    assert failing(rest, how, RateLimited).code == "IDA-E4210"
    assert len(server.asked) == 1


@pytest.mark.parametrize("retry_after", ["", "soon", "-1", "1e9", "9" * 40])
def test_a_senseless_retry_after_is_a_minute(server: CannedServer, how: str, retry_after: str) -> None:
    server.answer = lambda path: Canned(b"", 429, {"Retry-After": retry_after})
    error = failing(Rest(server.url, Budget(), None), how, RateLimited)
    assert isinstance(error, RateLimited)
    assert error.retry_after_s == 60


def test_a_firewall_is_given_time(server: CannedServer, how: str) -> None:
    server.answer = lambda path: Canned(b"<html>", 403)
    rest = Rest(server.url, Budget(), None)
    assert "firewall" in str(failing(rest, how, RateLimited))
    assert rest.budget.left(time.time_ns()) == 0


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_server_in_trouble_is_unavailable(server: CannedServer, how: str, status: int) -> None:
    server.answer = lambda path: Canned(b"Service Unavailable.", status)
    error = failing(Rest(server.url, Budget(), None), how, VenueUnavailable)
    assert f"HTTP {status}" in str(error)


@pytest.mark.parametrize(
    ("canned", "text"),
    [
        (Canned(b"<!doctype html><title>Login"), "no JSON came, but '<!doctype"),
        (Canned(b""), "no JSON came, but not a byte"),
        (Canned(b"", 302, {"Location": "http://login.example/"}), "HTTP 302 to http://login.example/"),
        (Canned(b"Not Found", 404), "no words of Binance's, but 'Not Found'"),
        (Canned(b'{"code":"x"}', 400), "no words of Binance's"),
        (Canned(b"not gzip at all", headers={"Content-Encoding": "gzip"}), "speaks no HTTP"),
    ],
)
def test_what_is_no_binance_is_told(server: CannedServer, how: str, canned: Canned, text: str) -> None:
    server.answer = lambda path: canned
    error = failing(Rest(server.url, Budget(), None), how)
    assert text in str(error)
    assert (error.code, error.exit_code) == ("IDA-E4120", 4)


@pytest.mark.parametrize("text", [b"SSH-2.0-OpenSSH_9.6\r\n", b"\x00\x01\x02\x03" * 100, b""])
def test_what_speaks_no_http_is_told(how: str, text: bytes) -> None:
    with speaks(text) as address:
        error = failing(Rest(f"http://{address}", Budget(), None), how)
    assert error.code == "IDA-E4120"


def test_a_body_cut_short_is_no_answer(server: CannedServer, how: str) -> None:
    server.answer = lambda path: Canned(b'{"lastUpdateId":', announced=1000)
    assert failing(Rest(server.url, Budget(), None), how).code == "IDA-E4120"


def test_an_answer_that_does_not_come_is_waited_for_no_longer_than_said(server: CannedServer, how: str) -> None:
    server.answer = lambda path: Canned(late_s=1.0)
    error = failing(Rest(server.url, Budget(), None, timeout_s=0.1), how, VenueUnavailable)
    assert "no whole answer within 0.1 s" in str(error)


def test_who_is_not_there_is_unavailable(how: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = failing(Rest(f"http://127.0.0.1:{port}", Budget(), None), how, VenueUnavailable)
    assert error.code == "IDA-E4100"
    assert "not reached" in str(error)


def test_a_certificate_must_be_trusted(how: str) -> None:
    authority = trustme.CA()
    theirs, ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(theirs)
    with canned_server(theirs) as server:
        error = failing(Rest(server.url, Budget(), ours), how, VenueUnavailable)
        assert error.code == "IDA-E4121"
        assert "the certificate is not trusted" in str(error)
        assert server.asked == []
        authority.configure_trust(ours)
        assert ask(Rest(server.url, Budget(), ours), how).body == b"{}"


def test_a_plain_server_asked_for_tls_is_told(server: CannedServer, how: str) -> None:
    error = failing(Rest(server.url.replace("http", "https"), Budget(), ssl.create_default_context()), how)
    assert error.code == "IDA-E4121"


def test_a_request_beyond_the_budget_is_not_sent(server: CannedServer, how: str) -> None:
    rest = Rest(server.url, Budget(), None)
    rest.budget.spend(5400, time.time_ns())
    while time.time() % 60 > 59:
        time.sleep(0.1)
    rest.budget.spend(5400, time.time_ns())
    error = failing(rest, how, RateLimited)
    assert "the weight is used up" in str(error)
    assert server.asked == []


def test_a_head_that_trickles_in_is_late(how: str) -> None:
    """Each byte comes in time, the answer never does."""
    with trickles(b"HTTP/1.1 200 OK\r\n" + b"X-Word: a\r\n" * 1000) as address:
        error = failing(Rest(f"http://{address}", Budget(), None, timeout_s=0.3), how, VenueUnavailable)
    assert "no whole answer within 0.3 s" in str(error)


def test_an_answer_announced_for_ever_is_late(how: str) -> None:
    with trickles(b"HTTP/1.1 100 Continue\r\n\r\n", piece=25, pause_s=0.001) as address:
        error = failing(Rest(f"http://{address}", Budget(), None, timeout_s=0.3), how, VenueUnavailable)
    assert "no whole answer within 0.3 s" in str(error)


def test_compression_in_layers_is_not_unpacked(server: CannedServer, how: str) -> None:
    bomb = gzip.compress(gzip.compress(b"[" + b"0" * (64 << 20)))
    server.answer = lambda path: Canned(bomb, headers={"Content-Encoding": "gzip, gzip"})
    error = failing(Rest(server.url, Budget(), None), how)
    assert error.code == "IDA-E4120"
    assert "compressed as 'gzip, gzip'" in str(error)


def test_compression_that_was_asked_for_is_unpacked(server: CannedServer, how: str) -> None:
    server.answer = lambda path: Canned(gzip.compress(b'{"a":1}'), headers={"Content-Encoding": "gzip"})
    assert ask(Rest(server.url, Budget(), None), how).body == b'{"a":1}'
