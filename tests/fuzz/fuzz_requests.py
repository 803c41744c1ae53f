"""Any bytes as a request to the exchange server: an answer in Binance's form, or a refusal with its code and words.

The first byte chooses: ``w`` a frame of the WebSocket API, ``s`` one whose parameters are signed first, ``r`` a path
and a query of REST, ``q`` a path and a signed query, ``f`` a fault for the control endpoint. All requests go to one
server whose market stands still; time goes on by a second with each.
"""

import json
import sys
from pathlib import Path
from urllib.parse import parse_qsl

import python_driver

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from served import NS, StillMarket, StillSymbol, make_api

from ida_core.errors import ConfigError
from ida_sim.server.access import KeyHolder, Presented, rest_payload, ws_payloads
from ida_sim.server.api import Caller
from ida_sim.server.endpoints import BY_PATH
from ida_sim.server.faults import Target, read_fault
from ida_sim.server.keys import HMAC, ApiKey
from ida_sim.server.limits import Budget
from ida_sim.server.ws_api import Session

WORDS = [
    *(path.encode() + b"?" for path in BY_PATH), b"symbol=BTCUSDT", b"&", b"=", b"limit=", b"symbols=[\"BTCUSDT\"]",
    b"interval=1M", b"interval=1s", b"startTime=", b"endTime=1700000000000000", b"timeZone=-12:00", b"timeZone=14",
    b"fromId=", b"windowSize=7d", b"type=MINI", b"symbolStatus=TRADING", b"permissions=[\"SPOT\"]", b"%00", b"\xff",
    b"9223372036854775807", b"9223372036854775808", b"-1", b"1e9", b"0", b"w{\"id\":1,\"method\":\"", b"depth", b"v3/",
    b"\"", b",\"params\":{", b"\"symbol\":\"BTCUSDT\"", b"\"returnRateLimits\":false", b"null", b"true", b"[", b"]",
    b"{", b"}", b"\\ud800", b"session.status", b"f{\"kind\":\"", b"wrong-snapshot", b"\"snapshot\":\"torn\"", b"5xx",
    b"s{\"id\":1,\"method\":\"", b"userDataStream.subscribe.signature", b"userDataStream.unsubscribe", b"session.logon",
    b"\"timestamp\":", b"timestamp=1767225630000", b"recvWindow=60000", b"\"recvWindow\":\"0.001\"", b"signature=",
    b"\"apiKey\":\"key\"", b"q/sapi/v1/account/apiRestrictions?", b"lost-reply", b"userData@*",
    b"429", b"\"probability\":0.5", b"\"duration_s\":1e308", b"\"offset_ms\":", b"\"count\":", b"NaN", b"r",
]  # fmt: skip


def make_market() -> StillMarket:
    market = StillMarket(StillSymbol(depth=5), StillSymbol("ETHUSDT", 300_000, depth=5))
    for number in range(50):
        market.symbols["BTCUSDT"].trade(number, 6_000_000 + number, 5, market.clock_ns - (60 - number) * NS, True)
    return market


MARKET = make_market()
KEY = ApiKey(HMAC, "key", "secret")
API = make_api(MARKET, Budget(10**9, 10**9, 10**9), [KeyHolder("a", [KEY])])
CALLER = Caller("a", Target("rest", 1, "/api/v3/depth"))


def check_error(error: object) -> None:
    assert isinstance(error, dict), error
    assert isinstance(error["code"], int), error
    assert error["msg"], error


def ask_ws(text: bytes) -> None:
    reply = Session(API, "a", 1, {}).answer(text).text
    try:
        answer = json.loads(reply)
    except ValueError:
        assert is_torn(), reply
        return
    assert answer["id"] is None or isinstance(answer["id"], int | str), reply
    if answer["status"] == 200:
        assert "result" in answer, reply
    else:
        check_error(answer["error"])


def ask_signed(text: bytes) -> None:
    """The same, so that what comes after the signature is looked at too."""
    try:
        frame = json.loads(text)
        params = {str(name): value for name, value in frame["params"].items() if isinstance(value, str | int)}
        texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in params.items()}
        payload = ws_payloads(texts | {"apiKey": "key"})[0]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return
    ask_ws(json.dumps(frame | {"params": params | {"apiKey": "key", "signature": KEY.sign(payload)}}).encode())


def is_torn() -> bool:
    return any(found["kind"] == "wrong-snapshot" for found in SEEN)


def ask_rest(text: str) -> None:
    path, _, query = text.partition("?")
    if path in BY_PATH:
        answer = API.answer(BY_PATH[path], dict(parse_qsl(query, keep_blank_values=True)), CALLER)
        assert 200 <= answer.status < 600, answer
        if answer.status not in (200, 502):
            check_error(json.loads(answer.body))


def ask_rest_signed(text: str) -> None:
    path, _, query = text.partition("?")
    raw = f"{query}&signature={KEY.sign(query.encode())}".encode()
    sent = dict(parse_qsl(raw.decode(), keep_blank_values=True))
    for endpoint in API.by_path.get(path, {}).values():
        shown = Presented("key", lambda: [rest_payload(raw, b"")], by_header=True)
        answer = API.answer(endpoint, sent, CALLER._replace(shown=shown))
        assert 200 <= answer.status < 600, answer
        if answer.status not in (200, 502):
            check_error(json.loads(answer.body))


SEEN: list[dict[str, object]] = []


def ask_fault(text: bytes) -> None:
    try:
        fault = read_fault(json.loads(text))
    except (ConfigError, ValueError, RecursionError):
        return
    placed = API.faults.place(fault)
    SEEN.append({"kind": fault.kind})
    json.dumps(API.faults.state())
    if len(API.faults.state()) > 20:
        API.faults.clear()
        API.limits.forget()
        SEEN.clear()
    assert placed.id


def target(data: bytes) -> None:
    MARKET.clock_ns += NS
    head, rest = data[:1], data[1:]
    if head == b"w":
        ask_ws(rest)
    elif head == b"s":
        ask_signed(rest)
    elif head == b"q":
        ask_rest_signed(rest.decode("utf-8", "replace"))
    elif head == b"f":
        ask_fault(rest)
    else:
        ask_rest(rest.decode("utf-8", "replace"))


if __name__ == "__main__":
    files = ("endpoints", "parameters", "ws_api", "api", "faults", "statistics", "access", "keys",
             "user_streams")
    python_driver.main(target, tuple(f"ida_sim/server/{name}.py" for name in files), WORDS)
    sys.exit(0)
