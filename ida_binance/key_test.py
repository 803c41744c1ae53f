"""What an exchange says of a key: whether it takes it, and what it may do."""

from __future__ import annotations

import msgspec

from ida_binance.asking import clock_offset, trust
from ida_binance.budget import Budget
from ida_binance.calls import call
from ida_binance.credentials import Credentials
from ida_binance.environments import addresses
from ida_binance.live import BinanceConfig
from ida_binance.opening import Asker
from ida_binance.permissions import read_permissions
from ida_binance.rest import Rest


class KeyFound(msgspec.Struct, frozen=True):
    """``can_withdraw`` and ``is_bound_to_addresses``: None where the environment does not tell. ``problems``: what
    would keep it from trading with real money."""

    exchange: str
    type: str
    api_key: str
    can_trade: bool
    can_withdraw: bool | None
    is_bound_to_addresses: bool | None
    assets: int
    clock_offset_ms: float
    problems: list[str]


def ask_about(exchange: str, url: str, credentials: Credentials) -> KeyFound:
    """Ask for the time, the account and the key's restrictions.

    Raises:
        AuthError: the exchange refuses the key.
        VenueError: it cannot be reached.
    """
    config = BinanceConfig()
    where = addresses(exchange, url)
    rest = Rest(where.rest, Budget(), trust(exchange, config.ca_file) if where.secure else None, config.timeout_s)
    rest.budget.offset_ns = -clock_offset(rest)[0]
    asker = Asker(rest, credentials, config.recv_window_ms)
    permissions = read_permissions(exchange, asker)
    (status,) = asker.run([call("account.status", {"omitZeroBalances": "true"})])
    body = status.body if isinstance(status.body, dict) else {}
    told = permissions._replace(can_trade=body.get("canTrade") is True and permissions.can_trade is not False)
    known = [p for p in told.problems() if exchange == "binance" or p == "it may not trade"]
    return KeyFound(
        exchange, credentials.kind, credentials.masked, bool(told.can_trade), told.can_withdraw, told.is_bound,
        len(body.get("balances", ())), round(rest.budget.offset_ns / 1e6, 3), known)
