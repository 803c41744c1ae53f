"""Where an API key comes from when a run begins: a file descriptor, or a credential of systemd. Neither an argument nor
a variable of the environment, which other processes can read.

Either holds a JSON object: ``{"type": "HMAC", "api_key": "...", "secret": "..."}``, or for ``RSA`` and ``ED25519``
``"pem"`` in the place of ``"secret"``.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from ida_binance.credentials import KINDS, Credentials
from ida_core.errors import AuthError

MOST_BYTES = 1 << 16


class _Key(msgspec.Struct):
    type: str
    api_key: str
    secret: str = ""
    pem: str = ""


def load_credentials(environment: str, key: str = "") -> Credentials:
    """The key of an environment.

    Args:
        environment: ``binance``, ``binance-testnet`` or ``binance-demo``.
        key: ``fd:N``, ``credential:NAME``, ``credential``, or empty: the credential ``ida-key-ENVIRONMENT``.
    Raises:
        AuthError: there is none, or it is no key; says what to do.
    """
    kind, _, name = key.partition(":")
    if kind == "fd" and name.isdigit():
        return _credentials(environment, _from_descriptor(environment, int(name)))
    if kind in ("", "credential"):
        return _credentials(environment, _from_systemd(environment, name or f"ida-key-{environment}"))
    raise AuthError(f"{environment}.key = {key[:40]!r}: say credential, credential:NAME or fd:N")


def _from_descriptor(environment: str, number: int) -> bytes:
    try:
        with os.fdopen(os.dup(number), "rb") as file:
            return file.read(MOST_BYTES)
    except OSError as error:
        raise AuthError(f"{environment}.key = fd:{number}: it cannot be read: {error.strerror}") from error


def _from_systemd(environment: str, name: str) -> bytes:
    folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
    if not folder or "/" in name:
        raise AuthError(
            f"{environment}: there is no API key: give one as the systemd credential {name}, or say "
            f"--set {environment}.key=fd:N")
    try:
        return (Path(folder) / name).read_bytes()[:MOST_BYTES]
    except OSError as error:
        raise AuthError(
            f"{environment}: the systemd credential {name} cannot be read: {error.strerror}") from error


def _credentials(environment: str, raw: bytes) -> Credentials:
    why = "it is no JSON object with type, api_key and secret or pem"
    try:
        found = msgspec.json.decode(raw, type=_Key)
    except (msgspec.DecodeError, UnicodeDecodeError):
        found = None
    if found is None or found.type not in KINDS:
        raise AuthError(f"{environment}: the API key cannot be read: {why}") from None
    secret = found.secret if found.type == "HMAC" else found.pem or found.secret
    return Credentials(found.type, found.api_key, secret)
