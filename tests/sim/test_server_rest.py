"""The server's REST API over real sockets: headers, statuses, faults, and the control endpoint."""

import httpx
import pytest
from served import NOW_NS, StillMarket, StillSymbol, make_api, serving

from ida_sim.server.limits import Budget


async def test_what_a_client_reads_first() -> None:
    async with serving(make_api()) as client:
        assert (await client.get("/api/v3/ping")).json() == {}
        answer = await client.get("/api/v3/time")
        assert answer.json() == {"serverTime": NOW_NS // 1_000_000}
        assert answer.headers["content-type"] == "application/json;charset=UTF-8"
        assert answer.headers["x-mbx-used-weight-1m"] == "2"
        info = (await client.get("/api/v3/exchangeInfo")).json()
        assert [filter["filterType"] for filter in info["symbols"][0]["filters"]][:2] == ["PRICE_FILTER", "LOT_SIZE"]
        assert info["symbols"][0]["permissions"] == []
        assert info["symbols"][0]["filters"][0]["tickSize"] == "0.01000000"


async def test_depth_and_its_weights() -> None:
    api, used = make_api(), 0
    async with serving(api) as client:
        weights = (None, 5), (100, 5), (101, 25), (500, 25), (501, 50), (1000, 50), (1001, 250), (9999, 250)
        for limit, weight in weights:
            more = {} if limit is None else {"limit": limit}
            answer = await client.get("/api/v3/depth", params={"symbol": "BTCUSDT", **more})
            used += weight
            assert answer.headers["x-mbx-used-weight-1m"] == str(used), limit
            assert len(answer.json()["bids"]) == min(limit or 100, 2000)
        assert answer.json()["lastUpdateId"] == 500_000
        assert answer.json()["asks"][0] == ["60000.01000000", "2.00000000"]


async def test_times_in_microseconds() -> None:
    async with serving(make_api()) as client:
        for unit in ("MICROSECOND", "microsecond"):
            answer = await client.get("/api/v3/time", headers={"X-MBX-TIME-UNIT": unit})
            assert answer.json() == {"serverTime": NOW_NS // 1000}
        answer = await client.get("/api/v3/time", headers={"X-MBX-TIME-UNIT": "Second"})
        assert (answer.status_code, answer.json()["code"]) == (400, -1194)


async def test_paths_and_methods_that_are_not_there() -> None:
    async with serving(make_api()) as client:
        answer = await client.get("/api/v3/nothing", headers={"Accept": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (404, -1020)
        assert answer.headers["x-mbx-used-weight-1m"] == "1"
        page = await client.get("/api/v1/ping", headers={"Accept": "text/html,*/*"})
        assert page.status_code == 404
        assert page.headers["content-type"].startswith("text/html")
        answer = await client.post("/api/v3/depth", params={"symbol": "BTCUSDT"})
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
        twice = await client.get("/api/v3/depth?symbol=BTCUSDT&symbol=ETHUSDT")
        assert (twice.status_code, twice.json()["code"]) == (400, -1101)


async def test_the_budget_and_then_the_ban() -> None:
    async with serving(make_api(budget=Budget(weight=10, patience=2))) as client:
        for used in range(1, 11):
            answer = await client.get("/api/v3/ping")
            assert (answer.status_code, answer.headers["x-mbx-used-weight-1m"]) == (200, str(used))
        for _ in range(2):
            answer = await client.get("/api/v3/ping")
            assert (answer.status_code, answer.headers["retry-after"]) == (429, "30")
            assert answer.json()["code"] == -1003
        answer = await client.get("/api/v3/ping")
        assert (answer.status_code, answer.headers["retry-after"]) == (418, "120")
        assert (await client.get("/api/v3/nothing")).status_code == 418
        assert "IP banned until" in answer.json()["msg"]
        assert (await client.delete("/control/limits")).status_code == 204
        assert (await client.get("/api/v3/ping")).status_code == 200


async def place(client: httpx.AsyncClient, **fault: object) -> int:
    answer = await client.post("/control/faults", json=fault)
    assert answer.status_code == 201, answer.text
    return int(answer.json()[0]["id"])


async def test_answers_that_are_asked_to_fail() -> None:
    async with serving(make_api()) as client:
        for kind, status in (("429", 429), ("418", 418)):
            await place(client, kind=kind, retry_after_s=7, count=2)
            for _ in range(2):
                answer = await client.get("/api/v3/time")
                assert (answer.status_code, answer.headers["retry-after"]) == (status, "7")
            assert (await client.get("/api/v3/time")).status_code == 200
        for status, code in ((500, -1000), (503, -1008), (504, -1007)):
            await place(client, kind="5xx", status=status)
            answer = await client.get("/api/v3/time")
            assert (answer.status_code, answer.json()["code"]) == (status, code)
        await place(client, kind="5xx", status=502)
        assert (await client.get("/api/v3/time")).headers["content-type"].startswith("text/html")
        await place(client, kind="5xx", path="/api/v3/depth")
        assert (await client.get("/api/v3/time")).status_code == 200
        assert (await client.get("/api/v3/depth", params={"symbol": "BTCUSDT"})).status_code == 503


async def test_wrong_snapshots() -> None:
    market = StillMarket(StillSymbol(), StillSymbol("ETHUSDT", 300_000))
    async with serving(make_api(market)) as client:
        await place(client, kind="wrong-snapshot", snapshot="old", after=1)
        btc = market.symbols["BTCUSDT"]
        btc.last_update_id, btc.bids = 500_700, btc.bids[1:]
        ask = {"symbol": "BTCUSDT", "limit": 5}
        right = (await client.get("/api/v3/depth", params=ask)).json()
        old = (await client.get("/api/v3/depth", params=ask)).json()
        assert (right["lastUpdateId"], right["bids"][0][0]) == (500_700, "59999.98000000")
        assert (old["lastUpdateId"], old["bids"][0][0], len(old["asks"])) == (499_000, "59999.99000000", 5)
        await place(client, kind="wrong-snapshot", snapshot="other-symbol")
        other = (await client.get("/api/v3/depth", params=ask)).json()
        assert other["bids"][0][0] == "2999.99000000"
        await place(client, kind="wrong-snapshot", snapshot="torn")
        torn = await client.get("/api/v3/depth", params=ask)
        with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
            torn.json()
        assert (await client.get("/api/v3/depth", params=ask)).json() == right


async def test_a_ban_and_a_clock_that_is_ahead() -> None:
    async with serving(make_api()) as client:
        await place(client, kind="ban", retry_after_s=3)
        answer = await client.get("/api/v3/time")
        assert (answer.status_code, answer.headers["retry-after"]) == (418, "3")
        await client.delete("/control/limits")
        number = await place(client, kind="clock-offset", offset_ms=-1500)
        assert (await client.get("/api/v3/time")).json() == {"serverTime": NOW_NS // 1_000_000 - 1500}
        state = (await client.get("/control")).json()
        assert (state["clock_offset_ms"], state["faults"][0]["id"]) == (-1500, number)
        assert (await client.delete(f"/control/faults/{number}")).status_code == 204
        assert (await client.delete(f"/control/faults/{number}")).status_code == 404
        assert (await client.get("/api/v3/time")).json() == {"serverTime": NOW_NS // 1_000_000}


@pytest.mark.parametrize(("fault", "named"), [
    ({"kind": "cutt"}, "did you mean 'cut'?"),
    ({"kind": "cut", "conection": 3}, "conection"),
    ({"kind": "drop", "probability": 1.5}, "probability"),
    ({"kind": "5xx", "status": 404}, "status"),
    ({"kind": "drop", "service": "fix"}, "service"),
    ([{"kind": "drop"}, {"kind": "none"}], "none"),
    (3, "fault"),
])
async def test_faults_that_cannot_be(fault: object, named: str) -> None:
    api = make_api()
    async with serving(api) as client:
        answer = await client.post("/control/faults", json=fault)
        assert answer.status_code == 400
        assert named in answer.json()["error"]
        assert (await client.post("/control/faults", content=b"{")).status_code == 400
        assert api.faults.state() == []
