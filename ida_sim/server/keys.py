"""API keys of the server's accounts: HMAC, RSA and Ed25519, what each may do, and whether a signature is its own.

Source: Binance Spot API docs, rest-api.md (SIGNED endpoint security), read 2026-07; key permissions as
``/sapi/v1/account/apiRestrictions`` tells them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import string
from functools import cached_property
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from ida_core import ConfigError

HMAC, RSA, ED25519 = "HMAC", "RSA", "ED25519"
KINDS = (HMAC, RSA, ED25519)
RSA_BITS = 2048
_LETTERS = string.ascii_letters + string.digits
_LENGTH = 64
#: What an API key may look like; anything else is -2014.
FORMAT = re.compile(r"[A-Za-z0-9_-]{1,128}")
_PRIVATE = {RSA: RSAPrivateKey, ED25519: Ed25519PrivateKey}
_PUBLIC = {RSA: RSAPublicKey, ED25519: Ed25519PublicKey}


def random_text() -> str:
    """64 letters and digits, as Binance's API keys and secrets are."""
    return "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))


class ApiKey:
    """One key of an account. What is not given is made by chance, a pair of keys when it is first needed.

    Args:
        kind: ``HMAC``, ``RSA`` or ``ED25519``.
        secret: of an HMAC key.
        pem: of the others: the private key (PKCS#8), or the public one, and then nobody is told a private one.
        reading, trading, withdrawals: what it may do.
        ips: addresses that it may be used from; none: any.
        created_ns: when it was made, ns since 1970.
    Raises:
        ConfigError: that is no such key.
    """

    def __init__(self, kind: str, api_key: str = "", secret: str = "", pem: str = "", *, reading: bool = True,
                 trading: bool = True, withdrawals: bool = False, ips: tuple[str, ...] = (),
                 created_ns: int = 0) -> None:
        if kind not in KINDS:
            raise ConfigError(f"type = {kind!r} must be one of {', '.join(KINDS)}")
        self.kind, self.api_key = kind, api_key or random_text()
        if not FORMAT.fullmatch(self.api_key):
            raise ConfigError(f"api_key = {self.api_key!r} must be 1 to 128 letters, digits, - or _")
        if (secret and kind != HMAC) or (pem and kind == HMAC):
            raise ConfigError(f"a key of type {kind} has a {'secret' if kind == HMAC else 'pem'}, and nothing else")
        self.reading, self.trading, self.withdrawals, self.ips = reading, trading, withdrawals, ips
        self.created_ns = created_ns
        self._secret = secret or (random_text() if kind == HMAC else "")
        self._given = _read_pem(kind, pem) if pem else None

    @cached_property
    def _private(self) -> Any:
        """None where only the public half is known."""
        if self._given is not None:
            return self._given if isinstance(self._given, _PRIVATE[self.kind]) else None
        return Ed25519PrivateKey.generate() if self.kind == ED25519 else generate_private_key(65537, RSA_BITS)

    @cached_property
    def _public(self) -> Any:
        private = self._private
        return self._given if private is None else private.public_key()

    def verify(self, payload: bytes, signature: str) -> bool:
        """Whether ``signature`` is this key's of ``payload``: hexadecimal digits in any case, or base64."""
        if self.kind == HMAC:
            own = hmac.new(self._secret.encode(), payload, hashlib.sha256).hexdigest()
            return hmac.compare_digest(own.encode(), signature.lower().encode())
        try:
            raw = base64.b64decode(signature, validate=True)
            if self.kind == RSA:
                self._public.verify(raw, payload, padding.PKCS1v15(), hashes.SHA256())
            else:
                self._public.verify(raw, payload)
        except (binascii.Error, ValueError, InvalidSignature):
            return False
        return True

    def sign(self, payload: bytes) -> str:
        """What its owner would sign ``payload`` with.

        Raises:
            ConfigError: only the public half is known.
        """
        if self.kind == HMAC:
            return hmac.new(self._secret.encode(), payload, hashlib.sha256).hexdigest()
        private = self._private
        if private is None:
            raise ConfigError(f"the private half of {self.api_key} is not known here")
        raw = private.sign(payload, padding.PKCS1v15(), hashes.SHA256()) if self.kind == RSA else private.sign(payload)
        return base64.b64encode(raw).decode()

    def told(self) -> dict[str, str]:
        """For its owner: ``type``, ``api_key``, and where it is known ``secret``, of a pair its private PEM."""
        found = {"type": self.kind, "api_key": self.api_key}
        if self.kind == HMAC:
            return found | {"secret": self._secret}
        if self._private is None:
            return found
        pem = self._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return found | {"secret": pem.decode()}

    def state(self) -> dict[str, Any]:
        """For everybody: nothing secret."""
        return {
            "type": self.kind, "api_key": self.api_key, "reading": self.reading, "trading": self.trading,
            "withdrawals": self.withdrawals, "ips": list(self.ips),
        }

    def __repr__(self) -> str:
        return f"ApiKey({self.kind}, {self.api_key[:4]}...)"


def default_keys() -> tuple[ApiKey, ...]:
    """One of each kind."""
    return tuple(ApiKey(kind) for kind in KINDS)


def _read_pem(kind: str, text: str) -> Any:
    raw = text.encode()
    try:
        key: Any = load_pem_public_key(raw) if b"PUBLIC KEY" in raw else load_pem_private_key(raw, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigError(f"the pem of a key of type {kind} cannot be read: it must be PKCS#8, not encrypted") from None
    if not isinstance(key, (_PRIVATE[kind], _PUBLIC[kind])):
        raise ConfigError(f"the pem of a key of type {kind} holds a key of another kind")
    return key
