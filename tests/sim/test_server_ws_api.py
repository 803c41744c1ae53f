"""The WebSocket API's requests and answers, frame by frame."""

import json
from functools import partial
from typing import Any

import pytest
import trio
from served import NOW_NS, StillMarket, make_api
from trio_websocket import WebSocketRequest, open_websocket_url, serve_websocket

from ida_sim.server.api import Api
from ida_sim.server.endpoints import BY_METHOD
from ida_sim.server.faults import Fault
from ida_sim.server.limits import Budget
from ida_sim.server.parameters import Refusal
from ida_sim.server.ws_api import Session, serve_session

MS = NOW_NS // 1_000_000


def session(api: Api | None = None, **query: str) -> Session:
    return Session(api or make_api(), "1.2.3.4", 1, query)


def ask(one: Session, method: str, identity: Any = 1, **params: Any) -> Any:
    reply = one.answer(json.dumps({"id": identity, "method": method, "params": params}))
    assert reply.delay_s == 0
    return json.loads(reply.text)


def test_an_answer_has_id_status_result_and_limits() -> None:
    one = session()
    assert ask(one, "time") == {
        "id": 1, "status": 200, "result": {"serverTime": MS},
        "rateLimits": [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000,
                        "count": 3}]}
    depth = ask(one, "depth", "5f0c1f6e-0b5b-4c0e-9a55-2f2b7c1d9f10", symbol="BTCUSDT", limit=5)
    assert depth["id"] == "5f0c1f6e-0b5b-4c0e-9a55-2f2b7c1d9f10"
    assert len(depth["result"]["bids"]) == 5
    assert depth["rateLimits"][0]["count"] == 8
    assert ask(one, "v3/ping", None) | {"rateLimits": None} == {
        "id": None, "status": 200, "result": {}, "rateLimits": None}


def test_ids_come_back_as_they_were() -> None:
    for identity in (0, -5, 2**63 - 1, "", "a-b_c", None):
        assert ask(session(), "ping", identity)["id"] == identity
    for identity in ([1], {"a": 1}, True):
        answer = ask(session(), "ping", identity)
        assert (answer["id"], answer["status"], answer["error"]["code"]) == (None, 400, -1100)


def test_numbers_and_lists_may_be_json_or_text() -> None:
    one = session()
    for limit in (7, "7"):
        assert len(ask(one, "depth", symbol="BTCUSDT", limit=limit)["result"]["asks"]) == 7
    for symbols in (["BTCUSDT"], '["BTCUSDT"]'):
        assert ask(one, "ticker.price", symbols=symbols)["result"][0]["symbol"] == "BTCUSDT"


def test_limits_are_shown_unless_told_not_to() -> None:
    assert "rateLimits" not in ask(session(returnRateLimits="false"), "ping")
    assert "rateLimits" in ask(session(returnRateLimits="false"), "ping", returnRateLimits=True)
    assert "rateLimits" not in ask(session(), "ping", returnRateLimits=False)


def test_times_in_microseconds() -> None:
    assert ask(session(timeUnit="MICROSECOND"), "time")["result"] == {"serverTime": NOW_NS // 1000}
    with pytest.raises(Refusal, match="time unit"):
        session(timeUnit="second")


@pytest.mark.parametrize(("text", "code"), [
    ("{", -1135), ("[]", -1135), ("7", -1135), ("\ud800", -1135), ('{"id":1}', -1102), ('{"id":1,"method":7}', -1102),
    ('{"id":1,"method":"nothing"}', -1020), ('{"id":1,"method":"ping","params":[]}', -1135),
    ('{"id":1,"method":"depth"}', -1102), ('{"id":1,"method":"depth","params":{"symbol":null}}', -1105),
    ('{"id":1,"method":"depth","params":{"symbol":"XXX"}}', -1121),
    ('{"id":1,"method":"depth","params":{"symbol":"BTCUSDT","limit":1.5}}', -1100),
    ('{"id":1,"method":"depth","params":{"symbol":"BTCUSDT","limit":true}}', -1100),
])
def test_frames_that_are_wrong(text: str, code: int) -> None:
    answer = json.loads(session().answer(text.encode("utf-8", "surrogatepass")).text)
    assert (answer["status"], answer["error"]["code"]) == (400, code)
    assert answer["rateLimits"][0]["count"] > 2


def test_a_binary_frame_whose_texts_are_no_utf_8() -> None:
    for params in (b'{"symbol":"BT\xe4"}', b'{"symbols":["BT\xe4"]}', b'{"sy\xe4":1}'):
        answer = json.loads(session().answer(b'{"id":1,"method":"depth","params":' + params + b"}").text)
        assert (answer["id"], answer["error"]["code"]) == (1, -1135)


def test_out_of_budget_says_when_to_come_back() -> None:
    one = session(make_api(budget=Budget(weight=10, patience=1)))
    ask(one, "depth", symbol="BTCUSDT")
    answer = ask(one, "depth", symbol="BTCUSDT")
    assert (answer["status"], answer["error"]["code"]) == (429, -1003)
    assert answer["error"]["data"] == {"serverTime": MS, "retryAfter": MS + 30_000}
    answer = ask(one, "ping")
    assert (answer["status"], answer["error"]["data"]["retryAfter"]) == (418, MS + 120_000)


def test_a_banned_address_gets_no_session() -> None:
    api = make_api()
    api.faults.place(Fault(kind="ban", retry_after_s=9))
    with pytest.raises(Refusal) as refused:
        session(api)
    assert (refused.value.status, refused.value.code) == (418, -1003)


def test_faults_strike_methods() -> None:
    api = make_api()
    one = session(api)
    api.faults.place(Fault(kind="5xx", status=504, path="depth", service="ws-api"))
    assert ask(one, "ping")["status"] == 200
    answer = ask(one, "depth", symbol="BTCUSDT")
    assert (answer["status"], answer["error"]["code"]) == (504, -1007)
    api.faults.place(Fault(kind="5xx", status=502, connection=1))
    assert ask(one, "time")["error"]["code"] == -1000
    api.faults.place(Fault(kind="5xx", connection=2))
    assert ask(one, "time")["status"] == 200
    api.faults.clear()
    api.faults.place(Fault(kind="slow-answer", delay_ms=250, count=1))
    assert one.answer('{"id":1,"method":"ping"}').delay_s == 0.25
    api.faults.place(Fault(kind="wrong-snapshot", snapshot="torn"))
    with pytest.raises(ValueError, match=r"delimiter|Unterminated"):
        ask(one, "depth", symbol="BTCUSDT")
    api.faults.place(Fault(kind="429", retry_after_s=5))
    assert ask(one, "ping")["error"]["data"]["retryAfter"] == MS + 5000


def test_who_is_logged_on() -> None:
    status = ask(session(), "session.status")["result"]
    assert status == {"apiKey": None, "authorizedSince": None, "connectedSince": MS, "returnRateLimits": True,
                      "serverTime": MS, "userDataStream": False}


def test_every_endpoint_answers_by_its_method() -> None:
    market = StillMarket()
    market.symbols["BTCUSDT"].trade(7, 6_000_000, 5, NOW_NS - 1)
    one = session(make_api(market))
    needed: dict[str, dict[str, Any]] = {
        "klines": {"interval": "1m"}, "uiKlines": {"interval": "1d"}, "blockTrades.historical": {"fromId": 1}}
    refused = ("referencePrice", "referencePrice.calculation")
    for method, endpoint in BY_METHOD.items():
        params = {"symbol": "BTCUSDT"} if "symbol" in endpoint.known else {}
        answer = ask(one, method, **params, **needed.get(method, {}))
        assert answer["status"] == (400 if method in refused else 200), method


async def test_over_a_socket_a_slow_answer_holds_up_no_other() -> None:
    api = make_api()

    async def handle(request: WebSocketRequest) -> None:
        await serve_session(await request.accept(), session(api))

    async with trio.open_nursery() as nursery:
        server = await nursery.start(partial(serve_websocket, handle, "127.0.0.1", 0, None))
        async with open_websocket_url(f"ws://127.0.0.1:{server.port}/ws-api/v3") as client:
            slow = api.faults.place(Fault(kind="slow-answer", delay_ms=60_000, path="depth"))
            await client.send_message('{"id":1,"method":"depth","params":{"symbol":"BTCUSDT"}}')
            await client.send_message('{"id":2,"method":"time"}')
            with trio.fail_after(10):
                assert json.loads(await client.get_message())["id"] == 2
            assert slow.struck == 1
        nursery.cancel_scope.cancel()
