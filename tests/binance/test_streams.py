"""Names of streams, both ways, and addresses of environments."""

from typing import Any

import pytest
from hypothesis import given, strategies as st

from ida_binance.environments import ENVIRONMENTS, addresses, owner
from ida_binance.streams import INTERVALS, LEVELS, WINDOWS, Stream, parse
from ida_core import ConfigError

SYMBOLS = st.sampled_from(["BTCUSDT", "1INCHUSDT", "这是测试币456"])
PLAIN = ["trade", "aggTrade", "blockTrade", "bookTicker", "avgPrice", "ticker", "miniTicker", "referencePrice"]


def streams(kind: Any, symbol: Any = SYMBOLS, argument: Any = "", speed_ms: Any = 1000, utc8: Any = False) -> Any:
    parts = (p if isinstance(p, st.SearchStrategy) else st.just(p) for p in (kind, symbol, argument, speed_ms, utc8))
    return st.tuples(*parts).map(Stream._make)


STREAMS = st.one_of(
    streams(st.sampled_from(PLAIN)),
    streams("kline", argument=st.sampled_from(INTERVALS), utc8=st.booleans()),
    streams("window", st.one_of(SYMBOLS, st.just("")), st.sampled_from(WINDOWS)),
    streams("partial", argument=st.sampled_from(LEVELS), speed_ms=st.sampled_from([100, 1000])),
    streams("depth", speed_ms=st.sampled_from([100, 1000])),
    streams("miniTicker", ""),
)


@given(STREAMS)
def test_a_name_means_what_it_was_made_of(stream: Stream) -> None:
    assert parse(stream.name) == stream
    assert stream.expected_rate > 0


@given(st.text(max_size=30))
def test_what_is_understood_is_spelt_alike(text: str) -> None:
    try:
        stream = parse(text)
    except ConfigError:
        return
    assert parse(stream.name) == stream


@pytest.mark.parametrize(
    ("name", "stream"),
    [
        ("btcusdt@depth", Stream("depth", "BTCUSDT")),
        ("btcusdt@depth@100ms", Stream("depth", "BTCUSDT", speed_ms=100)),
        ("btcusdt@depth20@100ms", Stream("partial", "BTCUSDT", "20", 100)),
        ("btcusdt@kline_1m", Stream("kline", "BTCUSDT", "1m")),
        ("btcusdt@kline_1M", Stream("kline", "BTCUSDT", "1M")),
        ("btcusdt@kline_1d@+08:00", Stream("kline", "BTCUSDT", "1d", utc8=True)),
        ("btcusdt@ticker_4h", Stream("window", "BTCUSDT", "4h")),
        ("!ticker_1d@arr", Stream("window", argument="1d")),
        ("!miniTicker@arr", Stream("miniTicker")),
    ],
)
def test_the_documents_names(name: str, stream: Stream) -> None:
    assert parse(name) == stream
    assert stream.name == name


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("btcusdt@aggtrade", "btcusdt@aggTrade"),
        ("btcusdt@bookticker", "btcusdt@bookTicker"),
        ("btcusdt@depth@250ms", "btcusdt@depth@100ms"),
        ("btcusdt@kline_7m", "btcusdt@kline_1m"),
        ("BTCUSDT@trade", "btcusdt@trade"),
        ("!ticker@arr", "!ticker_4h@arr"),
        ("!bookTicker", "!miniTicker@arr"),
    ],
)
def test_an_unknown_name_says_the_nearest(name: str, near: str) -> None:
    with pytest.raises(ConfigError, match="Binance spot has none of this name") as error:
        parse(name)
    assert error.value.code == "IDA-E3021"
    assert "did you mean" in str(error.value) or "valid:" in str(error.value)
    assert near in str(error.value) or "kline" in name


def test_without_a_url_the_exchanges_own_addresses_stand() -> None:
    for name, own in ENVIRONMENTS.items():
        assert addresses(name) == own
        assert own.secure
        for url in own:
            host = url.partition("://")[2].partition(":")[0]
            assert owner(host) == name


@pytest.mark.parametrize(
    ("url", "rest", "streams"),
    [
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000", "ws://127.0.0.1:9000"),
        ("ws://127.0.0.1:9000/", "http://127.0.0.1:9000", "ws://127.0.0.1:9000"),
        ("https://[::1]:9000", "https://[::1]:9000", "wss://[::1]:9000"),
        ("wss://localhost", "https://localhost", "wss://localhost"),
        ("https://data-api.binance.vision", "https://data-api.binance.vision", "wss://data-stream.binance.vision"),
        ("https://api1.binance.com", "https://api1.binance.com", "wss://stream.binance.com:9443"),
        ("wss://stream.binance.com", "https://api.binance.com", "wss://stream.binance.com"),
    ],
)
def test_one_base_stands_for_all(url: str, rest: str, streams: str) -> None:
    found = addresses("binance", url)
    assert (found.rest, found.streams) == (rest, streams)


@pytest.mark.parametrize(
    ("environment", "url", "text"),
    [
        ("binance", "https://testnet.binance.vision", "is an address of binance-testnet"),
        ("binance", "wss://STREAM.testnet.binance.vision.", "is an address of binance-testnet"),
        ("binance-testnet", "https://api.binance.com", "is an address of binance,"),
        ("binance-testnet", "https://demo-api.binance.com", "is an address of binance-demo"),
        ("binance-demo", "https://data-api.binance.vision", "is an address of binance,"),
        ("binance", "https://fapi.binance.com", "belongs to no spot environment"),
        ("binance", "https://api.binance.us", "belongs to no spot environment"),
        ("binance", "http://api.binance.com", "by https and wss alone"),
        ("binance", "127.0.0.1:9000", "http, https, ws or wss"),
        ("binance", "ftp://host", "http, https, ws or wss"),
        ("binance", "http://host:99999", "Port out of range"),
        ("binance", "http://host/api/v3", "the base alone, http://host"),
        ("binance", "http://user:secret@host", "no place in an address"),
        ("binance", "http://[::1", "Invalid IPv6 URL"),
    ],
)
def test_an_address_that_cannot_be_is_refused(environment: str, url: str, text: str) -> None:
    with pytest.raises(ConfigError, match=text.replace(".", r"\.")) as error:
        addresses(environment, url)
    assert error.value.code == "IDA-E3020"
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("url", [
    "http://me:SECRET@127.0.0.1:9000", "http://me:SECRET@127.0.0.1:99999", "ftp://me:SECRET@127.0.0.1",
    "http://me:SECRET@[::1", "me:SECRET@127.0.0.1", "http://127.0.0.1/?apiKey=SECRET", "https://me:SECRET@api.binance.com",
    "http://127.0.0.1/#SECRET",
])  # fmt: skip
def test_no_secret_of_an_address_is_told(url: str) -> None:
    with pytest.raises(ConfigError) as error:
        addresses("binance", url)
    assert error.value.code == "IDA-E3020"
    assert "SECRET" not in str(error.value)
