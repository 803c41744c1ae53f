"""Where an API key comes from when a run begins: a sealed file, a keyring, a credential of systemd, a file descriptor.
Never an argument or a variable of the environment, which other processes can read.

But for the sealed file each holds a JSON object: ``{"type": "HMAC", "api_key": "...", "secret": "..."}``, or for
``RSA`` and ``ED25519`` ``"pem"`` in the place of ``"secret"``.
"""

from __future__ import annotations

import getpass
import os
import sys
from importlib import import_module
from pathlib import Path

import msgspec

from ida_binance import key_store
from ida_binance.credentials import KINDS, Credentials
from ida_core.errors import AuthError

MOST_BYTES = 1 << 16
#: The credential of systemd that opens sealed keys.
PASSPHRASE = "ida-passphrase"


class _Key(msgspec.Struct):
    type: str
    api_key: str
    secret: str = ""
    pem: str = ""


def load_credentials(environment: str, key: str = "", passphrase: str = "", *, sealed: bool = False) -> Credentials:
    """The key of an environment.

    Args:
        environment: ``binance``, ``binance-testnet`` or ``binance-demo``.
        key: ``sealed:NAME``, ``keyring:NAME``, ``credential:NAME``, ``credential`` or ``fd:N``; empty: the only sealed
            key of the environment, else the credential ``ida-key-ENVIRONMENT``.
        passphrase: where that of a sealed key comes from: ``fd:N``, ``credential`` or ``prompt``; empty: the credential
            ``ida-passphrase`` if there is one, else the terminal.
        sealed: no other source will do.
    Raises:
        AuthError: there is none, or it is no key; says what to do.
    """
    kind, _, name = (key or _usual(environment)).partition(":")
    if sealed and kind != "sealed":
        raise AuthError(
            f"{environment} takes a sealed key alone: `ida keys add NAME --exchange {environment}`", code="IDA-E6002")
    if kind == "sealed":
        return key_store.open_key(environment, name, read_passphrase(f"{name} of {environment}", passphrase))
    if kind == "fd" and name.isdecimal():
        return _credentials(environment, _from_descriptor(f"{environment}.key", int(name)))
    if kind == "credential":
        return _credentials(environment, _from_systemd(environment, name or f"ida-key-{environment}"))
    if kind == "keyring" and name:
        return _credentials(environment, _from_keyring(environment, name))
    raise AuthError(f"{environment}.key = {key[:40]!r}: say sealed:NAME, keyring:NAME, credential[:NAME] or fd:N")


def read_passphrase(whose: str, source: str = "") -> str:
    """What opens a sealed key.

    Raises:
        AuthError: it can be had nowhere.
    """
    kind, _, name = source.partition(":")
    if kind == "fd" and name.isdecimal():
        return _line(_from_descriptor("passphrase", int(name)))
    if kind == "credential" or (not kind and _credential(PASSPHRASE).is_file()):
        return _line(_from_systemd("passphrase", PASSPHRASE))
    if kind not in ("", "prompt"):
        raise AuthError(f"passphrase = {source[:40]!r}: say fd:N, credential or prompt")
    if not sys.stdin.isatty():
        raise AuthError(
            f"the passphrase of key {whose} is needed, and there is no terminal to ask at: give it by passphrase = "
            f'"fd:N", or as the systemd credential {PASSPHRASE}', code="IDA-E6005")
    return getpass.getpass(f"Passphrase of key {whose}: ")


def _usual(environment: str) -> str:
    names = key_store.names(environment)
    if len(names) > 1:
        raise AuthError(f"there are several keys of {environment}: say {environment}.key = \"sealed:NAME\", one of "
                        f"{', '.join(names)}", code="IDA-E6001")  # fmt: skip
    if names:
        return f"sealed:{names[0]}"
    if not _credential(f"ida-key-{environment}").is_file():
        raise AuthError(f"there is no API key of {environment}: `ida keys add NAME --exchange {environment}`",
                        code="IDA-E6001")  # fmt: skip
    return "credential"


def _line(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape").removesuffix("\n").removesuffix("\r")


def _from_descriptor(what: str, number: int) -> bytes:
    try:
        with os.fdopen(os.dup(number), "rb") as file:
            return file.read(MOST_BYTES)
    except OSError as error:
        raise AuthError(f"{what} = fd:{number}: it cannot be read: {error.strerror}") from error


def _credential(name: str) -> Path:
    return Path(os.environ.get("CREDENTIALS_DIRECTORY") or os.devnull) / name


def _from_systemd(what: str, name: str) -> bytes:
    if "/" in name or not os.environ.get("CREDENTIALS_DIRECTORY"):
        raise AuthError(f"{what}: there is no systemd credential {name[:80]}", code="IDA-E6001")
    try:
        return _credential(name).read_bytes()[:MOST_BYTES]
    except OSError as error:
        raise AuthError(f"{what}: the systemd credential {name} cannot be read: {error.strerror}") from error


def _from_keyring(environment: str, name: str) -> bytes:
    try:
        keyring = import_module("keyring")
    except ImportError as error:
        raise AuthError(
            f"{environment}.key = keyring:{name}: the extra `keyring` is not installed: pip install "
            "'ida-trading[keyring]'") from error
    try:
        found = keyring.get_password(f"ida-{environment}", name)
    except keyring.errors.KeyringError as error:
        raise AuthError(f"{environment}.key = keyring:{name}: {error}") from error
    if found is None:
        raise AuthError(f"{environment}.key = keyring:{name}: the service ida-{environment} has no entry of that name",
                        code="IDA-E6001")  # fmt: skip
    return str(found).encode()


def _credentials(environment: str, raw: bytes) -> Credentials:
    try:
        found = msgspec.json.decode(raw, type=_Key)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = None
    if found is None or found.type not in KINDS:
        raise AuthError(
            f"{environment}: the API key cannot be read: it is no JSON object with type, api_key and secret or pem")
    secret = found.secret if found.type == "HMAC" else found.pem or found.secret
    return Credentials(found.type, found.api_key, secret)
