"""What an exchange may say before a run that no exchange would: told by a code, never a bug of ours."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from canned_server import Canned, CannedServer, canned_server

from ida_binance.asking import Asked, ask
from ida_binance.environments import addresses
from ida_binance.live import BinanceConfig
from ida_core import VenueError
from ida_core.protocols import LiveSetup

STEPS = [{"filterType": "PRICE_FILTER", "tickSize": "0.01"}, {"filterType": "LOT_SIZE", "stepSize": "0.001"}]
SYMBOL = {"symbol": "BTCUSDT", "baseAsset": "BTC", "quoteAsset": "USDT", "filters": STEPS}


def info(**more: Any) -> bytes:
    return json.dumps({"symbols": [SYMBOL | more]}).encode()


def now() -> bytes:
    return json.dumps({"serverTime": time.time_ns() // 1_000_000}).encode()


@pytest.fixture
def server() -> Iterator[CannedServer]:
    with canned_server() as running:
        yield running


def asked(server: CannedServer, headers: dict[str, str] | None = None, **lies: bytes) -> Asked:
    """What comes of a server that answers as it should but for ``lies``, by the last word of the path."""
    truth = {"time": now(), "exchangeInfo": info(), "price": b'[{"symbol":"BTCUSDT","price":"100.00"}]'}

    def answer(path: str) -> Canned:
        return Canned((truth | lies)[path.partition("?")[0].rpartition("/")[2]], headers=headers or {})

    server.answer = answer
    setup = LiveSetup(config=BinanceConfig(), symbols=("BTCUSDT",), record=None)
    return ask("binance", addresses("binance", server.url), setup)


@pytest.mark.parametrize("lies", [
    {"time": b'{"serverTime":-1}'},
    {"time": b'{"serverTime":' + b"9" * 4000 + b"}"},
    {"time": b'{"serverTime":' + b"[" * 100_000 + b"]" * 100_000 + b"}"},
    {"exchangeInfo": b'{"symbols":[' + b"[" * 100_000 + b"]" * 100_000 + b"]}"},
    {"exchangeInfo": info()[:-2]},
    {"exchangeInfo": info(filters=[], quoteAssetPrecision=-9_999_999)},
    {"exchangeInfo": info(filters=[], baseAssetPrecision=10**9)},
    {"price": b'[{"symbol":"BTCUSDT","price":"NaN"}]'},
    {"price": b'[{"symbol":"BTCUSDT","price":"-1"}]'},
    {"price": b'[{"symbol":"BTCUSDT","price":"1e300"}]'},
    {"price": b'[{"symbol":"BTCUSDT","price":"' + b"9" * 100_000 + b'"}]'},
], ids=lambda lies: f"{next(iter(lies))} {next(iter(lies.values()))[:50].decode()}")  # fmt: skip
def test_a_lie_is_told_for_what_it_is(server: CannedServer, lies: dict[str, bytes]) -> None:
    with pytest.raises(VenueError) as caught:
        asked(server, **lies)
    assert caught.value.code == "IDA-E4120"


@pytest.mark.parametrize("name", ["X-MBX-USED-WEIGHT-0S", "X-MBX-USED-WEIGHT-" + "9" * 5000 + "D"], ids=len)
def test_a_count_of_no_window_is_passed_over(server: CannedServer, name: str) -> None:
    assert asked(server, {name: "7"}).rest.budget.left(time.time_ns()) > 5000


def test_with_no_lie_all_is_well(server: CannedServer) -> None:
    assert asked(server).listed[0].first_price == 10_000
