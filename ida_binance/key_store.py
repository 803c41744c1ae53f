"""Sealed API keys: a file for each, which says of itself all but what is secret.

A JSON object. What is secret - API key and secret or private key - is sealed with ChaCha20-Poly1305 under a key that
Argon2id makes of a passphrase; all else stands beside it in plain and is authenticated with it, so that a key of one
environment cannot be passed off as another's. A sum over the whole tells damage from a wrong passphrase. The files are
their owner's alone (0600, in folders of 0700) and lie in ``keys/ENVIRONMENT/NAME.json`` of ``ida_core.home``.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from msgspec import Meta

from ida_binance.credentials import Credentials, Kind
from ida_core.errors import AuthError, ConfigError, OutputError
from ida_core.home import home, write_private

#: As RFC 9106 has it for memory that is not plenty: 64 MiB, three passes; lanes of one thread.
MEMORY_KIB, PASSES, LANES = 65_536, 3, 4
MOST_MEMORY_KIB = 1 << 20
LEAST_PASSPHRASE = 8
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,31}")


class Derivation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the passphrase becomes a key; ``salt`` is base64."""

    salt: str
    memory_kib: Annotated[int, Meta(ge=8, le=MOST_MEMORY_KIB)] = MEMORY_KIB
    passes: Annotated[int, Meta(ge=1, le=100)] = PASSES
    lanes: Annotated[int, Meta(ge=1, le=64)] = LANES
    name: Literal["argon2id"] = "argon2id"

    def key(self, passphrase: str) -> bytes:
        try:
            kdf = Argon2id(salt=_bytes(self.salt), length=32, iterations=self.passes, lanes=self.lanes,
                           memory_cost=self.memory_kib)
        except UnsupportedAlgorithm as error:
            raise ConfigError("sealed keys need Argon2id, and this build of `cryptography` has none: install a newer "
                              "one") from error  # fmt: skip
        return kdf.derive(passphrase.encode())


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a sealed key says of itself. ``shown``: as much of the API key as may be seen."""

    name: str
    environment: str
    type: Kind
    shown: str
    made: str
    derivation: Derivation
    nonce: str
    ida_key: Literal[1] = 1
    cipher: Literal["chacha20-poly1305"] = "chacha20-poly1305"


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    head: Head
    sealed: str
    sum: str


class _Secret(msgspec.Struct, frozen=True):
    api_key: str
    secret: str


def folder() -> Path:
    return home() / "keys"


def add(environment: str, name: str, kind: Kind, api_key: str, secret: str, passphrase: str) -> Path:
    """Seal a key, and return its file.

    Raises:
        AuthError: it is no key, the name or passphrase cannot be, or there is a key of that name.
        OutputError: it cannot be written.
    """
    credentials = Credentials(kind, api_key, secret)
    if len(passphrase) < LEAST_PASSPHRASE:
        raise AuthError(f"the passphrase must have at least {LEAST_PASSPHRASE} characters")
    file = path_of(environment, name)
    if file.exists():
        raise AuthError(f"there is a key {name} of {environment} already", code="IDA-E6003")
    head = Head(
        name, environment, kind, credentials.masked, datetime.now(UTC).isoformat(timespec="seconds"),
        Derivation(_text(secrets.token_bytes(16))), _text(secrets.token_bytes(12)))
    _write(file, _sealed(head, _Secret(api_key, secret), passphrase))
    return file


def _sealed(head: Head, secret: _Secret, passphrase: str) -> bytes:
    cipher = ChaCha20Poly1305(head.derivation.key(passphrase))
    sealed = _text(cipher.encrypt(_bytes(head.nonce), msgspec.json.encode(secret), _authenticated(head)))
    return msgspec.json.format(msgspec.json.encode(_File(head, sealed, _sum(head, sealed))))


def _write(file: Path, data: bytes) -> None:
    try:
        write_private(file, data + b"\n")
    except OSError as error:
        raise OutputError(f"{file}: cannot be written: {error.strerror}", code="IDA-E7230") from error


def open_key(environment: str, name: str, passphrase: str) -> Credentials:
    """Open a sealed key.

    Raises:
        AuthError: there is none of that name, it is damaged, of another environment, or the passphrase is not its.
    """
    head, sealed = _read(path_of(environment, name))
    if (head.environment, head.name) != (environment, name):
        raise AuthError(
            f"the key in {path_of(environment, name)} says it is {head.name} of {head.environment}: environments never "
            "share keys", code="IDA-E6004")
    try:
        opened = ChaCha20Poly1305(head.derivation.key(passphrase)).decrypt(
            _bytes(head.nonce), _bytes(sealed), _authenticated(head))
    except InvalidTag:
        raise AuthError(f"key {name} of {environment}: that is not its passphrase", code="IDA-E6005") from None
    secret = msgspec.json.decode(opened, type=_Secret)
    return Credentials(head.type, secret.api_key, secret.secret)


def heads() -> Iterator[Head | AuthError]:
    """All sealed keys, by environment and name; for one that cannot be read, why."""
    for file in sorted(folder().glob("*/*.json")):
        try:
            yield _read(file)[0]
        except AuthError as error:
            yield error


def names(environment: str) -> list[str]:
    return sorted(file.stem for file in (folder() / environment).glob("*.json"))


def remove(environment: str, name: str) -> None:
    """Forget a key: its file is overwritten once and deleted. On some disks a trace may stay, so withdraw it at the
    exchange too.

    Raises:
        AuthError: there is none of that name.
        OutputError: it cannot be deleted.
    """
    file = path_of(environment, name)
    if not file.exists():
        raise _no_key(environment, name)
    try:
        with file.open("r+b") as out:
            out.write(secrets.token_bytes(file.stat().st_size))
        file.unlink()
    except OSError as error:
        raise OutputError(f"{file}: cannot be removed: {error.strerror}", code="IDA-E7230") from error


def path_of(environment: str, name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise AuthError(f"key name {name[:40]!r}: 1 to 32 of [a-zA-Z0-9_-], beginning with a letter or digit")
    return folder() / environment / f"{name}.json"


def _no_key(environment: str, name: str) -> AuthError:
    known = ", ".join(names(environment)) or "none"
    return AuthError(f"there is no key {name[:40]} of {environment}; there are: {known}", code="IDA-E6001")


def _read(file: Path) -> tuple[Head, str]:
    """The plain part and the sealed one, whole and unchanged."""
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        raise _no_key(file.parent.name, file.stem) from None
    except OSError as error:
        raise AuthError(f"{file}: cannot be read: {error.strerror}", code="IDA-E6001") from error
    try:
        found = msgspec.json.decode(data, type=_File)
        _bytes(found.head.nonce), _bytes(found.head.derivation.salt), _bytes(found.sealed)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):
        found = None
    if found is None or _sum(found.head, found.sealed) != found.sum:
        raise AuthError(f"{file}: it is no sealed key, or was damaged; add it again", code="IDA-E6006")
    if file.stat().st_mode & 0o077:
        raise AuthError(f"{file}: others may read it; say chmod 600", code="IDA-E6006")
    return found.head, found.sealed


def _authenticated(head: Head) -> bytes:
    return msgspec.json.encode(head, order="deterministic")


def _sum(head: Head, sealed: str) -> str:
    return hashlib.sha256(_authenticated(head) + b"\n" + sealed.encode()).hexdigest()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
