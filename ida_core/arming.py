"""LIVE trades with real money: before anything is sent there must be limits, and somebody's word for it.

The word is a phrase typed at a terminal, or a token that ``ida plan --arm`` made for this very configuration, with a
cap and an expiry. A token is signed with a key of its own, kept beside the sealed keys; it opens nothing by itself.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import math
import secrets
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import ClassVar, NamedTuple

import msgspec

from ida_core.config import Settings, to_toml
from ida_core.errors import AuthError, OutputError
from ida_core.events import OrderRequest
from ida_core.home import home, write_private
from ida_core.model import InstrumentKind, is_sane, plain
from ida_core.protocols import RiskCheck
from ida_core.risk import RiskState

LIVE = "LIVE"
PHRASE = "trade with real money"
#: What the limits of a run must bound, each by one check at least.
BOUNDS = ("order", "position", "loss")
#: The longest that a token may be good for, s, and what it is unless said otherwise.
MOST_S, USUAL_S = 30 * 86_400.0, 8 * 3600.0
_TAG = "ida-arm-1"
_KEY_BYTES = 32


class Word(NamedTuple):
    """Somebody's word for a LIVE run. ``token``: what ``--arm`` said; ``ask`` shows a text at the terminal and returns
    the line that was typed; None: there is no terminal."""

    token: str | None = None
    ask: Callable[[str], str] | None = None


NO_WORD = Word()


class Armed(msgspec.Struct, frozen=True):
    """What LIVE was armed by. ``cap``: how much may be under way at a time, in quote units; None: the limits alone."""

    by: str
    cap: Decimal | None = None

    def checks(self) -> list[RiskCheck]:
        """What it adds to the run's own checks."""
        return [] if self.cap is None else [ArmingCap(CapConfig(self.cap))]


class _Claims(msgspec.Struct, frozen=True):
    """What a token says: for which configuration, how much, until when (s since 1970)."""

    exchange: str
    configuration: str
    cap: Decimal
    until: int


class CapConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``limit``: in quote units."""

    limit: Decimal = Decimal(0)


class ArmingCap(RiskCheck):
    """The cap of a token: what is held and may still be added, of all instruments together, is worth no more."""

    name = "arming_cap"
    Config: ClassVar[type[msgspec.Struct]] = CapConfig

    def check(self, request: OrderRequest, state: RiskState) -> str | None:
        if state.closing(request):
            return None
        total = state.notional(request)
        if total is None:
            return "there is no price to value the order at, and the token that armed this run has a cap"
        for index, instrument in enumerate(state.instruments):
            low, high = state.worst_position(index)
            lots, mid = max(abs(low), abs(high)), state.mid(index)
            if lots and mid is None and instrument.kind is not InstrumentKind.INVERSE:
                return f"there is no price of {instrument.name}, and the token that armed this run has a cap"
            total += instrument.notional(math.ceil(mid or 0), lots)
        limit: Decimal = self.config.limit
        if total <= limit:
            return None
        return f"{plain(round(total, 8))} would be under way, over the cap of {plain(limit)} of the token that armed it"


def admit(settings: Settings, checks: Sequence[RiskCheck], word: Word) -> Armed:
    """Let a LIVE run begin, or say why not; nothing has been sent yet, and nothing was asked of the exchange.

    Args:
        checks: the run's, with their configuration.
    Raises:
        AuthError: a limit is missing, or the word for it.
    """
    bounded = {word for check in checks for word in check.bounds()}
    if missing := [word for word in BOUNDS if word not in bounded]:
        raise AuthError(
            f"LIVE needs limits in the configuration, and nothing bounds the {', the '.join(missing)}: set for example "
            "max_notional.limit, max_position.limit and daily_loss.limit", code="IDA-E6010")
    if word.token is not None:
        claims = _opened(word.token)
        _check(claims, settings)
        return Armed("token", claims.cap)
    if word.ask is None:
        raise AuthError(
            "LIVE must be armed: type the phrase at a terminal, or give a token of `ida plan --arm`: --arm TOKEN",
            code="IDA-E6011")
    if word.ask(f"This trades on {settings.run.exchange}. Type {PHRASE!r} to go on: ").strip() != PHRASE:
        raise AuthError("LIVE was not armed: that was not the phrase; nothing was sent", code="IDA-E6011")
    return Armed("phrase")


def make_token(settings: Settings, cap: Decimal, seconds: float = USUAL_S) -> str:
    """A token for this configuration.

    Raises:
        AuthError: a cap or a time that cannot be.
        OutputError: the key to sign it with cannot be kept.
    """
    if not (is_sane(cap) and cap > 0):
        raise AuthError(f"--cap {cap}: must be above 0, in quote units", code="IDA-E6012")
    if not 0 < seconds <= MOST_S:
        raise AuthError(f"--for {seconds:g} s: must be above 0 and at most {MOST_S:.0f}", code="IDA-E6012")
    claims = _Claims(settings.run.exchange, configuration(settings), cap, math.ceil(time.time() + seconds))
    body = msgspec.json.encode(claims)
    return ".".join((_TAG, _text(body), _text(_signature(body, _own_key(make=True)))))


def configuration(settings: Settings) -> str:
    """A hash of all that a run is made of, but for where its results go."""
    run = msgspec.structs.replace(settings.run, out="", log_level="info")
    return hashlib.sha256(to_toml(msgspec.structs.replace(settings, run=run)).encode()).hexdigest()


def _opened(token: str) -> _Claims:
    """What a token says, if it is one of ours."""
    try:
        tag, body, signature = token.split(".")
        claims = msgspec.json.decode(_bytes(body), type=_Claims)
        is_ours = tag == _TAG and hmac.compare_digest(_signature(_bytes(body), _own_key()), _bytes(signature))
    except (ValueError, binascii.Error, msgspec.DecodeError):
        is_ours = False
    if not is_ours:
        raise AuthError("--arm: that is no token of `ida plan --arm` on this machine", code="IDA-E6012")
    return claims


def _check(claims: _Claims, settings: Settings) -> None:
    now_s = time.time()
    if now_s >= claims.until:
        raise AuthError(f"--arm: the token expired {now_s - claims.until:.0f} s ago; make another: `ida plan --arm`",
                        code="IDA-E6012")
    if claims.exchange != settings.run.exchange:
        raise AuthError(f"--arm: the token is for {claims.exchange}, not for {settings.run.exchange}",
                        code="IDA-E6012")
    if claims.configuration != configuration(settings):
        raise AuthError("--arm: the token was made for another configuration; look at `ida plan` and make another",
                        code="IDA-E6012")


def _signature(body: bytes, key: bytes) -> bytes:
    return hmac.new(key, body, hashlib.sha256).digest()


def _own_key(make: bool = False) -> bytes:
    """What tokens are signed with. Without it no token of this machine can be, so none is good."""
    file = home() / "arming.key"
    try:
        if make and not file.exists():
            write_private(file, secrets.token_bytes(_KEY_BYTES))
        key = file.read_bytes()
    except FileNotFoundError:
        return secrets.token_bytes(_KEY_BYTES)
    except OSError as error:
        raise OutputError(f"{file}: {error.strerror}", code="IDA-E7230") from error
    return key


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
