"""Accounts by a file, ``ida exchange --account FILE``: name, balances, keys, permissions."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import msgspec

from ida_core import ConfigError
from ida_sim.server.keys import ApiKey, default_keys

DEFAULT = "default"
MOST = Decimal(10) ** 15


class KeyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table ``[[keys]]``; what is not given is made by chance.

    Args:
        type: ``HMAC``, ``RSA`` or ``ED25519``.
        api_key: as clients send it.
        secret: of an HMAC key.
        pem: of the others: the private key or, for one that only its owner has, the public one.
        reading: it may read the account.
        trading: it may place and cancel orders.
        withdrawals: it may withdraw.
        ips: addresses that it may be used from; none: any.
    """

    type: str
    api_key: str = ""
    secret: str = ""
    pem: str = ""
    reading: bool = True
    trading: bool = True
    withdrawals: bool = False
    ips: list[str] = []


class AccountFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What an account is to be.

    Args:
        name: as the ready line and the control endpoint have it; ``default`` takes the place of the one that is
            always there.
        balances: asset to amount; empty: as the simulated exchange has it, and 10 BNB.
        keys: tables; none: one of each type.
        maker_fee: a fraction of the value; unless said, the schedule's.
        taker_fee: likewise.
        group: accounts of one group do not trade with each other.
        can_trade: orders are taken.
        can_withdraw: the exchange lets it withdraw.
        can_deposit: the exchange lets it deposit.
    """

    name: str = DEFAULT
    balances: dict[str, Decimal] = {}
    keys: list[KeyFile] = []
    maker_fee: Decimal | None = None
    taker_fee: Decimal | None = None
    group: str = ""
    can_trade: bool = True
    can_withdraw: bool = True
    can_deposit: bool = True

    def __post_init__(self) -> None:
        if not self.name or len(self.name) > 64 or not self.name.isprintable() or "/" in self.name:
            raise ValueError(f"name = {self.name!r} must be 1 to 64 characters, without a slash")
        for asset, amount in self.balances.items():
            if not (amount.is_finite() and 0 <= amount <= MOST):
                raise ValueError(f"balances.{asset} = {amount} must be 0 to {MOST:e}")

    def api_keys(self) -> Sequence[ApiKey]:
        """Its keys.

        Raises:
            ConfigError: one that cannot be.
        """
        if not self.keys:
            return default_keys()
        return [
            ApiKey(key.type, key.api_key, key.secret, key.pem, reading=key.reading, trading=key.trading,
                   withdrawals=key.withdrawals, ips=tuple(key.ips))
            for key in self.keys]


def read_account(path: Path) -> AccountFile:
    """The account of a TOML file.

    Raises:
        ConfigError: not to be read, an unknown key, or a value that cannot be; the message names file, key and rule.
    """
    try:
        found = msgspec.toml.decode(path.read_text(encoding="utf-8"), type=AccountFile)
        found.api_keys()
    except OSError as error:
        raise ConfigError(f"account {path}: {error.strerror or error}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.DecodeError, ConfigError) as error:
        raise ConfigError(f"account {path}: {error}") from None
    return found


def read_accounts(paths: Sequence[Path]) -> list[AccountFile]:
    """The accounts of files, behind the default one unless that is among them.

    Raises:
        ConfigError: as for one, or two of a name or a key.
    """
    found = [read_account(path) for path in paths]
    names = [account.name for account in found]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ConfigError(f"--account: two accounts are called {twice[0]!r}")
    keys = [key.api_key for account in found for key in account.keys if key.api_key]
    if twice := [key for key in keys if keys.count(key) > 1]:
        raise ConfigError(f"--account: two keys have the api_key {twice[0]!r}")
    return found if DEFAULT in names else [AccountFile(), *found]
