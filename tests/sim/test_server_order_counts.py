"""How many orders an account may place, what fills give back, and what orders weigh."""

import json
from typing import Any

from hypothesis import given, strategies as st
from served import NOW_NS, StillMarket, make_api, serving
from signed import send, signed_params

from ida_sim.server.access import TRADE, KeyHolder
from ida_sim.server.endpoints import Call, Endpoint
from ida_sim.server.keys import HMAC, ApiKey
from ida_sim.server.limits import NS, Budget
from ida_sim.server.order_counts import COUNTED, FREE, OrderCounts
from ida_sim.server.parameters import Refusal
from ida_sim.server.ws_api import Session

MS = NOW_NS // 1_000_000
KEY = ApiKey(HMAC)


def place(call: Call) -> Any:
    """Takes every order but one of no quantity, and cancels where it may not place."""
    if call.order_refusal:
        raise Refusal(-2022, "Order cancel-replace failed.", 429, data={"cancelResult": "SUCCESS"})
    if call.parameters.needed("quantity") == "0":
        raise Refusal(-1013, "Filter failure: LOT_SIZE")
    if call.parameters.needed("quantity") == "1":
        raise Refusal(-1021, "Timestamp for this request is outside of the recvWindow.")
    return {}


def endpoints() -> list[Endpoint]:
    return [
        Endpoint("order", "order.place", place, lambda sent: 1, ("quantity",), "POST", TRADE),
        Endpoint("order/cancelReplace", "order.cancelReplace", place, lambda sent: 1, ("quantity",), "POST", TRADE)]


def make(market: StillMarket | None = None, **budget: int) -> Any:
    return make_api(market, Budget(**budget), [KeyHolder("a", [KEY])], endpoints())


def test_what_counts_is_free_where_it_succeeds() -> None:
    assert set(COUNTED) < FREE


async def test_headers_tell_the_counts_and_success_weighs_nothing() -> None:
    async with serving(make()) as client:
        for quantity, code, used, weight in (("5", 0, 1, 0), ("0", -1013, 1, 1), ("1", -1021, 2, 2), ("7", 0, 3, 2)):
            answer = await send(client, KEY, "/api/v3/order", "POST", quantity=quantity, timestamp=MS)
            assert answer.json().get("code", 0) == code
            headers = answer.headers
            assert (headers["x-mbx-order-count-10s"], headers["x-mbx-order-count-1d"]) == (str(used), str(used))
            assert headers["x-mbx-used-weight-1m"] == str(weight)
        answer = await client.post("/api/v3/order")
        assert answer.status_code == 401
        assert "x-mbx-order-count-10s" not in answer.headers


async def test_too_many_orders_are_refused_until_the_window_ends() -> None:
    market = StillMarket()
    async with serving(make(market, orders_10s=2)) as client:
        answers = [await send(client, KEY, "/api/v3/order", "POST", quantity="5", timestamp=MS) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert answers[2].json() == {
            "code": -1015, "msg": "Too many new orders; current limit is 2 orders per 10 SECOND."}
        assert answers[2].headers["retry-after"] == "10"
        market.clock_ns += 10 * NS
        params = {"quantity": "5", "timestamp": MS + 10_000}
        assert (await send(client, KEY, "/api/v3/order", "POST", **params)).status_code == 200
        market.clock_ns -= 1
        assert (await client.delete("/control/limits")).status_code == 204
        assert (await send(client, KEY, "/api/v3/order", "POST", **params)).headers["x-mbx-order-count-1d"] == "1"


async def test_parameters_may_stand_in_the_body_and_those_of_the_query_count() -> None:
    async with serving(make()) as client:
        for query, body, code in (
            (f"quantity=5&timestamp={MS}", "", 0), ("", f"quantity=5&timestamp={MS}", 0),
            ("quantity=0", f"quantity=5&timestamp={MS}", -1013), ("quantity=5", f"quantity=0&timestamp={MS}", 0),
            ("quantity=5&quantity=5", f"timestamp={MS}", -1101), ("", f"quantity=5&quantity=5&timestamp={MS}", -1101),
        ):
            signature = KEY.sign((query + body).encode())
            for at_query in (True, False):
                parts = [part + "&" * bool(part) + f"signature={signature}" if here else part
                         for part, here in ((query, at_query), (body, not at_query))]
                answer = await client.post(f"/api/v3/order?{parts[0]}", content=parts[1],
                                           headers={"X-MBX-APIKEY": KEY.api_key})
                assert answer.json().get("code", 0) == code, (query, body)
        assert (await client.post("/api/v3/order", content=b"x" * 100_000)).status_code == 413
        assert (await client.get("/api/v3/order")).headers["allow"] == "POST"


def test_over_the_websocket_api() -> None:
    session = Session(make(orders_10s=1), "a", 1, {})

    def ask(method: str) -> Any:
        params = signed_params(KEY, quantity="5", timestamp=MS)
        return json.loads(session.answer(json.dumps({"id": 1, "method": method, "params": params})).text)

    limits = ask("order.place")["rateLimits"]
    assert [(limit["rateLimitType"], limit["interval"], limit["limit"], limit["count"]) for limit in limits] == [
        ("ORDERS", "SECOND", 1, 1), ("ORDERS", "DAY", 200_000, 1), ("REQUEST_WEIGHT", "MINUTE", 6000, 2)]
    answer = ask("order.place")
    assert (answer["status"], answer["error"]["code"]) == (429, -1015)
    assert answer["error"]["data"] == {"serverTime": MS, "retryAfter": MS + 10_000}
    answer = ask("order.cancelReplace")
    assert (answer["status"], answer["error"]["data"]) == (429, {"cancelResult": "SUCCESS"})
    assert answer["rateLimits"][0]["count"] == 2


EVENTS = st.tuples(st.integers(1, 3), st.sampled_from(("place", "taker", "maker", "later", "cancel")),
                   st.integers(0, 12))


@given(st.lists(EVENTS, max_size=60))
def test_counts_against_a_naive_twin(steps: list[tuple[int, str, int]]) -> None:
    now_ns = NOW_NS
    counts, twin = OrderCounts((1000, 20)), {"10": 0, "day": 0, "window": now_ns // (10 * NS)}
    for count, what, seconds in steps:
        now_ns += seconds * NS
        if now_ns // (10 * NS) != twin["window"]:
            twin |= {"10": 0, "window": now_ns // (10 * NS)}
        if what == "place":
            counts.add(count, now_ns)
            twin["day"] += count
            twin["10"] += count if twin["day"] <= 20 else 0
        else:
            kind = "CANCELED" if what == "cancel" else "TRADE"
            first = "1" if what != "later" else "2"
            counts.hear({"e": "executionReport", "x": kind, "l": "1", "z": first, "m": what == "maker"}, now_ns)
            less = {"taker": 1, "maker": 5}.get(what, 0)
            twin |= {"10": max(0, twin["10"] - less), "day": max(0, twin["day"] - less)}
        assert counts.used(now_ns) == (twin["10"], twin["day"])
        assert (counts.refusal(now_ns) is not None) == (twin["day"] >= 20)
