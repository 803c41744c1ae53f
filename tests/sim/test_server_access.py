"""Who may ask the exchange server what: keys, signatures, times, permissions, on both APIs."""

import json
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from served import NOW_NS, StillMarket, make_api, serving
from signed import RESTRICTIONS, send, signed_params, signed_query
from sim.serving import key_of

from ida_core import ConfigError
from ida_sim.server.access import KeyHolder, rest_payload, ws_payloads
from ida_sim.server.api import Api
from ida_sim.server.keys import ED25519, HMAC, KINDS, RSA, ApiKey, default_keys
from ida_sim.server.ws_api import Session

MS = NOW_NS // 1_000_000
#: The key and the secret of the documents' own examples.
API_KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
KEYS = default_keys()
HMAC_KEY, RSA_KEY, ED_KEY = KEYS


def account(*keys: ApiKey, name: str = "default") -> KeyHolder:
    return KeyHolder(name, keys or KEYS)


def api_of(*keys: ApiKey) -> Api:
    return make_api(accounts=[account(*keys)])


def ask(session: Session, method: str, **params: Any) -> Any:
    return json.loads(session.answer(json.dumps({"id": 1, "method": method, "params": params})).text)


def open_session(api: Api, events: list[Any] | None = None) -> Session:
    told: list[Any] = [] if events is None else events
    return Session(api, "1.2.3.4", 1, {}, lambda name, event: told.append(json.loads(event)))


# --- keys


@pytest.mark.parametrize(("payload", "signature"), [
    (b"symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559",
     "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"),
    (b"symbol=%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1"
     b"&price=0.1&recvWindow=5000&timestamp=1499827319559",
     "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3"),
    (f"apiKey={API_KEY}&price=52000.00&quantity=0.01000000&recvWindow=100&side=SELL&symbol=BTCUSDT&timeInForce=GTC"
     "&timestamp=1645423376532&type=LIMIT".encode(),
     "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24"),
])
def test_the_signatures_of_the_documents(payload: bytes, signature: str) -> None:
    key = ApiKey(HMAC, API_KEY, SECRET)
    assert key.sign(payload) == signature
    assert key.verify(payload, signature)
    assert key.verify(payload, signature.upper())
    assert not key.verify(payload + b" ", signature)


@pytest.mark.parametrize("key", KEYS, ids=KINDS)
def test_a_key_knows_its_own_signatures(key: ApiKey) -> None:
    signature = key.sign(b"a=1")
    assert key.verify(b"a=1", signature)
    assert not key.verify(b"a=2", signature)
    for wrong in ("", "==", "ä", signature[:-4], ApiKey(key.kind).sign(b"a=1")):
        assert not key.verify(b"a=1", wrong)
    told = key.told()
    again = key_of(told)
    assert again.verify(b"a=1", signature)
    assert told["secret"] not in repr(key) + json.dumps(key.state())


def test_a_key_may_be_known_by_its_public_half() -> None:
    public = (
        "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n"
        "-----END PUBLIC KEY-----\n")
    key = ApiKey(ED25519, "abc", pem=public)
    assert key.told() == {"type": "ED25519", "api_key": "abc"}
    assert not key.verify(b"a=1", ED_KEY.sign(b"a=1"))
    with pytest.raises(ConfigError, match="private half"):
        key.sign(b"a=1")
    for kind, more, words in (
        ("DSA", {}, "one of HMAC"), (RSA, {"pem": public}, "another kind"), (RSA, {"pem": "x"}, "cannot be read"),
        (HMAC, {"pem": public}, "has a secret"), (RSA, {"secret": "x"}, "has a pem"), (HMAC, {"api_key": "a b"}, "a b"),
    ):
        with pytest.raises(ConfigError, match=words):
            ApiKey(kind, **more)


def test_what_is_signed() -> None:
    assert rest_payload(b"a=1&signature=x%3D&b=2", b"c=3&signature=y") == b"a=1&b=2c=3"
    assert rest_payload(b"", b"signature=y") == b""
    assert ws_payloads({"symbol": "\uff11", "apiKey": "K"}) == [
        "apiKey=K&symbol=\uff11".encode(), b"apiKey=K&symbol=%EF%BC%91"]


# --- REST


@pytest.mark.parametrize("key", KEYS, ids=KINDS)
async def test_a_signed_request(key: ApiKey) -> None:
    async with serving(api_of()) as client:
        answer = await send(client, key, RESTRICTIONS, timestamp=MS, recvWindow=5000)
        assert (answer.status_code, answer.json()["enableSpotAndMarginTrading"]) == (200, True)
        assert answer.json()["ipRestrict"] is False
        assert answer.headers["x-mbx-used-weight-1m"] == "1"


async def code(client: httpx.AsyncClient, key: ApiKey, **params: Any) -> tuple[int, int, str]:
    answer = await send(client, key, RESTRICTIONS, **params)
    body = answer.json()
    return answer.status_code, body.get("code", 0), body.get("msg", "")


async def test_times_are_judged() -> None:
    behind = "Timestamp for this request is outside of the recvWindow."
    ahead = "Timestamp for this request was 1000ms ahead of the server's time."
    async with serving(api_of()) as client:
        for stamp, window, words in (
            (MS, None, ""), (MS * 1000, None, ""), (MS - 5000, None, ""), (MS - 5001, None, behind),
            (MS + 999, None, ""), (MS + 1000, None, ahead), (MS - 60_000, 60_000, ""), (MS - 60_001, 60_000, behind),
            (MS * 1000 - 346, "0.346", ""), (MS * 1000 - 347, "0.346", behind), (0, None, behind),
            (MS * 1000 + 999_999, None, ""), (MS * 1000 + 1_000_000, None, ahead), (10**19, None, ahead),
        ):
            more = {} if window is None else {"recvWindow": window}
            expected = (400, -1021, words) if words else (200, 0, "")
            assert await code(client, HMAC_KEY, timestamp=stamp, **more) == expected, (stamp, window)
        for window, expected_code in (
            ("60000.001", -1131), ("1.2345", -1100), ("-1", -1100), ("", -1105), ("x", -1100)
        ):
            assert (await code(client, HMAC_KEY, timestamp=MS, recvWindow=window))[:2] == (400, expected_code)
        assert (await code(client, HMAC_KEY, timestamp="x"))[1] == -1100
        assert (await code(client, HMAC_KEY))[1:] == (
            -1102, "Mandatory parameter 'timestamp' was not sent, was empty/null, or malformed.")


async def test_signatures_are_judged_by_the_bytes_that_came() -> None:
    bad = (400, -1022)
    stranger, limited = ApiKey(HMAC), ApiKey(HMAC, ips=("10.0.0.1",))
    blind = ApiKey(ED25519, reading=False)
    async with serving(api_of(*KEYS, limited, blind)) as client:
        async def raw(query: str, api_key: str | None = HMAC_KEY.api_key) -> tuple[int, int]:
            headers = {} if api_key is None else {"X-MBX-APIKEY": api_key}
            answer = await client.get(f"{RESTRICTIONS}?{query}", headers=headers)
            return answer.status_code, answer.json().get("code", 0)

        good = signed_query(HMAC_KEY, {"timestamp": MS})
        assert await raw(good) == (200, 0)
        assert await raw(good.replace("timestamp", "recvWindow=5000&timestamp")) == bad
        assert await raw(f"timestamp={MS}&signature={quote(ED_KEY.sign(f'timestamp={MS}'.encode()), safe='')}") == bad
        front = HMAC_KEY.sign(f"recvWindow=9&timestamp={MS}".encode())
        assert await raw(f"recvWindow=9&signature={front}&timestamp={MS}") == (200, 0)
        assert await raw(f"timestamp={MS}") == (400, -1102)
        for api_key, expected in ((None, -2014), ("", -2014), ("not a key", -2014), (stranger.api_key, -2015),
                                  (RSA_KEY.api_key, -1022)):
            assert await raw(good, api_key) == (400 if expected == -1022 else 401, expected)
        for key in (limited, blind):
            assert await raw(signed_query(key, {"timestamp": MS}), key.api_key) == (401, -2015)
        assert await raw(signed_query(HMAC_KEY, {"timestamp": MS, "more": 1})) == (400, -1104)


async def test_what_comes_after_an_encoding_is_what_is_signed() -> None:
    """Signed first and encoded then is the wrong order, and refused since 2026."""
    text = "symbol=\uff11\uff12"
    async with serving(api_of()) as client:
        query = f"{quote(text, safe='=')}&timestamp={MS}"
        early, late = (HMAC_KEY.sign(each.encode()) for each in (f"{text}&timestamp={MS}", query))
        for signature, expected in ((early, -1022), (late, -1104)):
            answer = await client.get(
                f"{RESTRICTIONS}?{query}&signature={signature}", headers={"X-MBX-APIKEY": HMAC_KEY.api_key})
            assert answer.json()["code"] == expected


# --- the WebSocket API


@pytest.mark.parametrize("key", KEYS, ids=KINDS)
def test_user_data_by_signature(key: ApiKey) -> None:
    holder, told = account(), list[Any]()
    session = open_session(make_api(accounts=[holder]), told)
    before = list(holder.listeners)
    params = signed_params(key, timestamp=MS)
    answer = ask(session, "userDataStream.subscribe.signature", **params)
    assert (answer["status"], answer["result"]) == (200, {"subscriptionId": 0})
    assert answer["rateLimits"][0]["count"] == 4
    assert ask(session, "session.subscriptions")["result"] == [{"subscriptionId": 0}]
    assert ask(session, "userDataStream.subscribe.signature", **params)["error"]["code"] == -2035
    for listener in holder.listeners:
        listener({"e": "balanceUpdate", "E": MS, "a": "BTC", "d": "1.00000000", "T": MS})
    assert told == [
        {"subscriptionId": 0, "event": {"e": "balanceUpdate", "E": MS, "a": "BTC", "d": "1.00000000", "T": MS}}]
    assert ask(session, "userDataStream.unsubscribe", subscriptionId=7)["error"]["code"] == -2036
    assert ask(session, "userDataStream.unsubscribe", subscriptionId=0)["result"] == {}
    assert told[1:] == [{"subscriptionId": 0, "event": {"e": "eventStreamTerminated", "E": MS}}]
    assert holder.listeners == before
    assert ask(session, "userDataStream.subscribe.signature", **params)["result"] == {"subscriptionId": 1}
    session.user_streams.close()
    assert holder.listeners == before
    assert len(told) == 2


def test_a_session_by_logon() -> None:
    holder, told = account(), list[Any]()
    api = make_api(accounts=[holder, account(ApiKey(ED25519), name="other")])
    session = open_session(api, told)
    refused = ask(session, "userDataStream.subscribe")
    assert (refused["status"], refused["error"]["code"]) == (401, -1002)
    for key in (HMAC_KEY, RSA_KEY):
        answer = ask(session, "session.logon", **signed_params(key, timestamp=MS))
        assert (answer["status"], answer["error"]["code"]) == (401, -2015)
    logon = signed_params(ED_KEY, timestamp=MS, recvWindow=100)
    result = ask(session, "session.logon", **logon)["result"]
    assert result == {"apiKey": ED_KEY.api_key, "authorizedSince": MS, "connectedSince": MS, "returnRateLimits": True,
                      "serverTime": MS, "userDataStream": False}
    assert ask(session, "userDataStream.subscribe")["result"] == {"subscriptionId": 0}
    assert ask(session, "session.status")["result"]["userDataStream"] is True
    other = api.access.accounts["other"].keys[0]
    assert ask(session, "userDataStream.subscribe.signature", **signed_params(other, timestamp=MS))["result"] == {
        "subscriptionId": 1}
    assert ask(session, "session.logout")["result"]["apiKey"] is None
    assert [each["subscriptionId"] for each in told] == [0]
    assert ask(session, "session.subscriptions")["result"] == [{"subscriptionId": 1}]
    assert ask(session, "session.logon", **(logon | {"recvWindow": 99}))["error"]["code"] == -1022


def test_a_key_that_is_revoked_ends_the_session() -> None:
    holder, told = account(), list[Any]()
    session = open_session(make_api(accounts=[holder]), told)
    ask(session, "session.logon", **signed_params(ED_KEY, timestamp=MS))
    ask(session, "userDataStream.subscribe")
    holder.keys.remove(ED_KEY)
    assert ask(session, "ping")["status"] == 200
    holder.keys.append(HMAC_KEY)
    answer = ask(session, "userDataStream.subscribe")
    assert (answer["id"], answer["status"], answer["error"]["code"]) == (None, 401, -2015)
    assert told[0]["event"]["e"] == "eventStreamTerminated"
    assert ask(session, "session.status")["result"]["apiKey"] is None


def test_numbers_are_signed_as_they_are_written() -> None:
    session = open_session(api_of())
    for stamp, form in ((MS, "{}"), (MS, '"{}"')):
        payload = f"apiKey={HMAC_KEY.api_key}&recvWindow=10.50&timestamp={stamp}"
        text = (f'{{"id":1,"method":"userDataStream.subscribe.signature","params":{{"apiKey":"{HMAC_KEY.api_key}",'
                f'"recvWindow":10.50,"timestamp":{form.format(stamp)},"signature":"{HMAC_KEY.sign(payload.encode())}"}}}}')
        answer = json.loads(session.answer(text).text)
        assert answer["status"] == 200, answer
        ask(session, "userDataStream.unsubscribe")


@pytest.mark.parametrize(("change", "code"), [
    ({"apiKey": None}, -1102), ({"apiKey": "ä"}, -2014), ({"apiKey": ApiKey(HMAC).api_key}, -2015),
    ({"timestamp": None}, -1102), ({"timestamp": MS - 6000}, -1021), ({"timestamp": "now"}, -1100),
    ({"signature": None}, -1102), ({"signature": "00"}, -1022), ({"recvWindow": 1}, -1022),
    ({"recvWindow": 70000}, -1131),
    ({"symbol": "BTCUSDT"}, -1022),
])
def test_what_is_refused_over_the_websocket_api(change: dict[str, Any], code: int) -> None:
    changed = signed_params(HMAC_KEY, timestamp=MS) | change
    params = {name: value for name, value in changed.items() if value is not None}
    answer = ask(open_session(api_of()), "userDataStream.subscribe.signature", **params)
    assert (answer["error"]["code"], answer["status"]) == (code, 401 if code in (-2014, -2015) else 400)


def test_what_asks_for_limits_is_signed_too() -> None:
    session = open_session(api_of())
    for asked in (True, False):
        params = signed_params(HMAC_KEY, timestamp=MS, returnRateLimits=str(asked).lower())
        answer = ask(session, "userDataStream.subscribe.signature", **(params | {"returnRateLimits": asked}))
        assert (answer["status"], "rateLimits" in answer) == (200, asked)
        ask(session, "userDataStream.unsubscribe")


def test_the_ids_of_a_connection_run_out() -> None:
    session = open_session(api_of())
    session.user_streams._next = 65_536
    answer = ask(session, "userDataStream.subscribe.signature", **signed_params(HMAC_KEY, timestamp=MS))
    assert answer["error"]["code"] == -2042


def test_times_of_events_in_microseconds() -> None:
    holder, told = account(), list[Any]()
    session = Session(make_api(StillMarket(), accounts=[holder]), "a", 1, {"timeUnit": "MICROSECOND"},
                      lambda name, event: told.append((name, json.loads(event)["event"])))
    ask(session, "userDataStream.subscribe.signature", **signed_params(HMAC_KEY, timestamp=MS))
    for listener in holder.listeners:
        listener({"e": "executionReport", "E": 5, "x": "NEW", "u": 7, "T": -1})
        listener({"e": "outboundAccountPosition", "E": 5, "u": 7, "B": []})
    assert told == [
        ("userData@executionReport@NEW", {"e": "executionReport", "E": 5000, "x": "NEW", "u": 7, "T": -1}),
        ("userData@outboundAccountPosition", {"e": "outboundAccountPosition", "E": 5000, "u": 7000, "B": []})]
