"""Signatures against the documents' own examples, and secrets that stay where they are.

Source: Binance Spot API docs, rest-api.md and web-socket-api.md (examples of signed requests; non-ASCII symbols);
fix-api.md (the Ed25519 example), read 2026-07.
"""

import base64
import copy
import json
import pickle
import traceback
from urllib.parse import parse_qsl

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from hypothesis import given, strategies as st

from ida_binance.api_frames import request
from ida_binance.calls import METHODS, api_restrictions, call
from ida_binance.credentials import Credentials
from ida_binance.signing import rest_query, signed_params, signed_query, ws_payload
from ida_core.errors import AuthError

KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
WIDE = "".join(chr(0xFF10 + digit) for digit in range(1, 7))
ED25519_PEM = (
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIIJEYWtGBrhACmb9Dvy+qa8WEf0lQOl1s4CLIAB9m89u\n"
    "-----END PRIVATE KEY-----\n")

REST_VECTORS = [
    ("LTCBTC", "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"),
    (WIDE, "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3"),
]
WS_VECTORS = [
    ("BTCUSDT", "SELL", "52000.00", "0.01000000", "100",
     "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24"),
    (WIDE, "BUY", "0.10000000", "1.00000000", "5000",
     "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd"),
]  # fmt: skip


def hmac_key() -> Credentials:
    return Credentials("HMAC", KEY, SECRET)


@pytest.mark.parametrize(("symbol", "signature"), REST_VECTORS)
def test_rest_requests_are_signed_as_documented(symbol: str, signature: str) -> None:
    params = {"symbol": symbol, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "0.1",
              "recvWindow": "5000", "timestamp": "1499827319559"}  # fmt: skip
    assert signed_query(params, hmac_key()) == f"{rest_query(params)}&signature={signature}"


@pytest.mark.parametrize(("symbol", "side", "price", "quantity", "window", "signature"), WS_VECTORS)
def test_websocket_api_requests_are_signed_as_documented(
    symbol: str, side: str, price: str, quantity: str, window: str, signature: str
) -> None:
    params = {"symbol": symbol, "side": side, "type": "LIMIT", "timeInForce": "GTC", "quantity": quantity,
              "price": price, "recvWindow": window, "timestamp": "1645423376532"}  # fmt: skip
    signed = signed_params(params, hmac_key())
    assert signed["signature"] == signature
    assert signed["apiKey"] == KEY
    assert signed["symbol"] == symbol


@given(st.dictionaries(st.sampled_from(["symbol", "newClientOrderId", "price"]), st.text(max_size=12), min_size=1))
def test_whatever_a_symbol_or_an_id_is_what_is_signed_is_what_is_sent(params: dict[str, str]) -> None:
    """Lone surrogates are no text of UTF-8: they are refused before anything is signed."""
    key = hmac_key()
    if any(0xD800 <= ord(char) <= 0xDFFF for value in params.values() for char in value):
        for sign in (signed_query, signed_params):
            with pytest.raises(UnicodeEncodeError):
                sign(params, key)  # type: ignore[operator]
        return
    payload, _, signature = signed_query(params, key).rpartition("&signature=")
    assert signature == key.sign(payload.encode("ascii"))
    assert dict(parse_qsl(payload, keep_blank_values=True, strict_parsing=True)) == params
    frame = json.loads(request(1, "order.place", signed_params(params, key)))["params"]
    signature = frame.pop("signature")
    assert frame == {**params, "apiKey": KEY}
    assert signature == key.sign(ws_payload(frame))
    assert SECRET not in json.dumps(frame)


def test_ed25519_signs_as_documented() -> None:
    key = Credentials("ED25519", KEY, ED25519_PEM)
    signed = key.sign(b"A\x01EXAMPLE\x01SPOT\x011\x0120240627-11:17:25.223")
    assert signed == "4MHXelVVcpkdwuLbl6n73HQUXUf1dse2PCgT1DYqW9w8AVZ1RACFGM+5UdlGPrQHrgtS3CvsRURC1oj73j8gCA=="


def test_base64_is_percent_encoded_in_a_query_and_plain_in_a_frame() -> None:
    key = Credentials("ED25519", KEY, ED25519_PEM)
    params = {"symbol": "BTCUSDT", "timestamp": "1"}
    query, frame = signed_query(params, key), signed_params(params, key)
    assert query.partition("&signature=")[2].replace("%2B", "+").replace("%2F", "/").replace("%3D", "=") == key.sign(
        b"symbol=BTCUSDT&timestamp=1")
    assert frame["signature"] == key.sign(ws_payload({**params, "apiKey": KEY}))
    assert len(base64.b64decode(frame["signature"])) == 64


def test_rsa_signs_so_that_its_public_half_agrees() -> None:
    private = rsa.generate_private_key(65537, 2048)
    key = Credentials("RSA", KEY, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    payload = b"symbol=%EF%BC%91&timestamp=1"
    private.public_key().verify(base64.b64decode(key.sign(payload)), payload, padding.PKCS1v15(), hashes.SHA256())


def pem(private: object, encryption: object = None) -> bytes:
    return private.private_bytes(  # type: ignore[attr-defined,no-any-return]
        Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


@pytest.mark.parametrize(
    ("kind", "api_key", "secret"),
    [
        ("HMAC", KEY, ""),
        ("HMAC", KEY, f" {SECRET}\n"),
        ("HMAC", "a key", SECRET),
        ("HMAC", "", SECRET),
        ("HMAC", "schlüssel", SECRET),
        ("FIX", KEY, SECRET),
        ("RSA", KEY, SECRET),
        ("ED25519", KEY, SECRET),
        ("RSA", KEY, ED25519_PEM),
        ("RSA", KEY, pem(rsa.generate_private_key(65537, 1024))),
        ("ED25519", KEY, pem(ec.generate_private_key(ec.SECP256R1()))),
        ("ED25519", KEY, pem(Ed25519PrivateKey.generate(), BestAvailableEncryption(b"pass"))),
        ("ED25519", KEY, ED25519_PEM.replace("MC4CAQ", "MC4CAR")),
    ],
    ids=lambda value: "" if len(value) > 8 else repr(value),
)  # fmt: skip
def test_what_is_no_key_is_refused_without_its_words(kind: str, api_key: str, secret: str | bytes) -> None:
    with pytest.raises(AuthError) as caught:
        Credentials(kind, api_key, secret)  # type: ignore[arg-type]
    words = "".join(traceback.format_exception(caught.value))
    text = secret if isinstance(secret, str) else secret.decode()
    assert not [line for line in text.strip().splitlines() if len(line) > 30 and line in words]


def test_nothing_shows_a_secret() -> None:
    for key in (hmac_key(), Credentials("ED25519", KEY, ED25519_PEM)):
        shown = f"{key!r} {key} {key.__reduce_ex__.__doc__} {[getattr(key, n) for n in key.__slots__ if n != '_key']}"
        assert SECRET not in shown
        assert KEY not in repr(key)
        assert not hasattr(key, "__dict__")
        for way in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="neither pickled nor copied"):
                way(key)
        assert SECRET.encode() not in repr(key._key).encode()


def test_an_account_has_a_name_that_does_not_tell_the_key() -> None:
    key = hmac_key()
    assert key.fingerprint("binance") != key.fingerprint("binance-testnet")
    assert key.fingerprint("binance") not in KEY
    assert len(key.fingerprint("binance")) == 16


def test_calls_know_their_weights_and_what_they_change() -> None:
    assert call("openOrders.status", {}).weight == 80
    assert call("openOrders.status", {"symbol": "BTCUSDT"}).weight == 6
    assert call("myTrades", {"symbol": "BTCUSDT", "orderId": "1"}).weight == 5
    assert call("orderList.place.otoco", {"symbol": "BTCUSDT"}).orders == 3
    changing = {method for method in METHODS if call(method, {}).is_order}
    assert all(not m.endswith("status") and not m.startswith(("all", "my", "time")) for m in changing)
    assert "order.test" not in changing
    assert {m for m in METHODS if call(m, {}).is_cancel} == {
        "order.cancel", "openOrders.cancelAll", "orderList.cancel"}
    assert not call("order.amend.keepPriority", {}).is_free
    assert api_restrictions().path.startswith("/sapi/")
