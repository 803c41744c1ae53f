"""Any bytes as what Binance says to an order: exactly one reply, nothing certain that is not, and no word of a secret.

The first byte chooses: ``w`` a frame of the WebSocket API while one order waits for its answer; ``r`` the head and body
of an answer over REST. Whatever came, the connection ends then, and who still waits is told.
"""

import sys
from pathlib import Path
from typing import Any

import python_driver
import trio

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ida_binance.api_connection import ApiConnection
from ida_binance.budget import Budget, told_by_headers
from ida_binance.calls import Outcome, Reply, call
from ida_binance.connection import Way
from ida_binance.credentials import Credentials
from ida_binance.environments import Addresses
from ida_binance.pending import Pending
from ida_binance.rest_calls import judged
from ida_binance.trading import Trading, TradingConfig

SECRET, API_KEY = "a secret that nobody may ever see", "K" * 32
CREDENTIALS = Credentials("HMAC", API_KEY, SECRET)
PLACE = call("order.place", {"symbol": "BTCUSDT", "newClientOrderId": "ida-1"}, client_order_id="ida-1")
NS = 1_000_000_000
WORDS = [
    b'{"id":1,', b'"status":200', b'"status":', b"400", b"401", b"409", b"418", b"429", b"503", b'"result":',
    b'"error":', b'{"code":', b"-1021", b"-1007", b"-1015", b"-2010", b"-2015", b',"msg":"', b'"data":{',
    b'"serverTime":', b'"retryAfter":', b'"rateLimits":[', b'"rateLimitType":"ORDERS"', b'"interval":"DAY"',
    b'"intervalNum":1', b'"count":', b"9223372036854775808", b"1e999", b"-0.0", b"null", b"true", b"[", b"]",
    b"{", b"}", b'"', b",",
    b'"event":{"e":"', b"executionReport", b"eventStreamTerminated", b"serverShutdown", b"\\ud800", b"\xff", b"\r\n",
    b"HTTP/1.1 ", b"Retry-After: ", b"X-MBX-USED-WEIGHT-1M: ", b"X-MBX-ORDER-COUNT-10S: ", b"<html>",
]  # fmt: skip


class Heard:
    """Everything that was told."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.events: list[Any] = []
        self.trading = Trading(
            Addresses("http://127.0.0.1:9", "", "ws://127.0.0.1:9"), CREDENTIALS, Budget(), TradingConfig(),
            on_event=lambda event, _: self.events.append(event), on_state=lambda up, why: self.events.append(why))

    def pending(self) -> Pending:
        made = Pending(PLACE, self.replies.append, 0.0)
        made.ticket, made.sent_ns = self.trading.budget.spend(1, NS, 1), NS
        return made

    def check(self) -> None:
        assert len(self.replies) <= 1, self.replies
        text = repr(self.replies) + repr(self.events)
        assert SECRET not in text
        assert API_KEY not in text
        for reply in self.replies:
            assert reply.outcome in Outcome
            assert reply.outcome is not Outcome.OK or reply.status == 200, reply
            assert reply.outcome is not Outcome.REJECTED or 400 <= reply.status < 500, reply
            assert 0 <= reply.retry_after_s < 1e6, reply
            assert isinstance(reply.code, int), reply
            assert reply.advice.ida
        self.trading.budget.wait_s(1, 2 * NS)


async def over_ws(data: bytes) -> None:
    heard = Heard()
    connection = ApiConnection("ws-api.1", Way("ws://127.0.0.1:9"), CREDENTIALS, heard.trading, lifetime_s=1.0)
    pending = heard.pending()
    connection.post(pending)
    pending.sent_ns = NS
    connection._shown(data)
    connection._shown(data)
    again = pending.is_again
    connection._give_back()
    heard.check()
    assert again or len(heard.replies) == 1, data


async def over_rest(data: bytes) -> None:
    heard = Heard()
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    status = first.rpartition(" ")[2]
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    pending = heard.pending()
    number = int(status) if status.isascii() and status.isdigit() and len(status) == 3 else 200
    reply = judged(NS, number, headers, body)
    heard.trading.answered(pending, reply, told_by_headers(headers))
    heard.check()
    assert pending.is_again or len(heard.replies) == 1


def target(data: bytes) -> None:
    if data[:1] == b"w":
        trio.run(over_ws, data[1:])
    elif data[:1] == b"r":
        trio.run(over_rest, data[1:])


if __name__ == "__main__":
    files = ("api_connection", "api_frames", "budget", "error_table", "judging", "rest_calls", "trading")
    python_driver.main(target, tuple(f"ida_binance/{name}.py" for name in files), WORDS)
