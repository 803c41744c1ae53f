"""An API key and what signs with it: HMAC, RSA or Ed25519. What is secret goes in, and only signatures come out.

Source: Binance Spot API docs, rest-api.md (SIGNED endpoint security); api_key_types.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from typing import Any, Literal, NoReturn

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ida_core.errors import AuthError

Kind = Literal["HMAC", "RSA", "ED25519"]
KINDS: tuple[Kind, ...] = ("HMAC", "RSA", "ED25519")
LEAST_RSA_BITS, MOST_RSA_BITS = 2048, 4096
_API_KEY = re.compile(r"[!-~]{1,256}")


class Credentials:
    """An API key, and its secret in a form that can sign and cannot be read.

    It is neither printed, nor pickled, nor copied; two are equal if they are one.

    Args:
        kind: ``HMAC``, ``RSA`` or ``ED25519``.
        api_key: as the exchange gave it.
        secret: the secret of an HMAC key; of the others the private key, PEM (PKCS#8, not encrypted).
    Raises:
        AuthError: that is no such key; the message repeats nothing of it.

    >>> Credentials("HMAC", "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A", "secret")
    Credentials(HMAC, vmPU...Eh8A)
    """

    __slots__ = ("_key", "api_key", "kind")

    def __init__(self, kind: Kind, api_key: str, secret: str | bytes) -> None:
        if kind not in KINDS:
            raise AuthError(f"a key of kind {str(kind)[:20]!r}: there are {', '.join(KINDS)}")
        if not _API_KEY.fullmatch(api_key):
            raise AuthError("the API key must be 1 to 256 printable characters of ASCII, without spaces")
        self.kind, self.api_key = kind, api_key
        raw = secret.encode() if isinstance(secret, str) else bytes(secret)
        self._key: Any = _keyed(raw) if kind == "HMAC" else _private(kind, raw)

    def sign(self, payload: bytes) -> str:
        """The signature: hexadecimal digits (HMAC) or base64 (RSA: PKCS #1 v1.5 with SHA-256; Ed25519)."""
        key = self._key
        if self.kind == "HMAC":
            state = key.copy()
            state.update(payload)
            return str(state.hexdigest())
        if self.kind == "RSA":
            return base64.b64encode(key.sign(payload, padding.PKCS1v15(), hashes.SHA256())).decode()
        return base64.b64encode(key.sign(payload)).decode()

    @property
    def masked(self) -> str:
        """As much of the API key as may be shown."""
        return f"{self.api_key[:4]}...{self.api_key[-4:]}" if len(self.api_key) >= 16 else "..."

    def fingerprint(self, environment: str) -> str:
        """Names the account in journals: of the environment and the API key, and neither can be read from it."""
        return hashlib.sha256(f"{environment}\n{self.api_key}".encode()).hexdigest()[:16]

    def __repr__(self) -> str:
        return f"Credentials({self.kind}, {self.masked})"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("credentials are neither pickled nor copied")


def _keyed(raw: bytes) -> hmac.HMAC:
    if not raw or raw != raw.strip() or len(raw) > 1024:
        raise AuthError("the secret of an HMAC key must be 1 to 1024 bytes, without spaces around them")
    return hmac.new(raw, digestmod=hashlib.sha256)


def _private(kind: Kind, raw: bytes) -> RSAPrivateKey | Ed25519PrivateKey:
    """The private key; what is wrong with it is told without its words."""
    wanted = RSAPrivateKey if kind == "RSA" else Ed25519PrivateKey
    why = ""
    try:
        key = load_pem_private_key(raw, None)
    except TypeError:
        why = "it is encrypted"
    except (ValueError, UnsupportedAlgorithm, binascii.Error):
        why = "it cannot be read"
    else:
        if not isinstance(key, wanted):
            why = "it is of another kind"
        elif isinstance(key, RSAPrivateKey) and not LEAST_RSA_BITS <= key.key_size <= MOST_RSA_BITS:
            why = f"it has {key.key_size} bits, and the exchange takes {LEAST_RSA_BITS} to {MOST_RSA_BITS}"
    if why:
        del raw
        raise AuthError(f"the private key of {kind} must be PEM, PKCS#8 and not encrypted: {why}")
    return key  # type: ignore[return-value]  # checked above
