"""What an API key may do, and whether that is fit for the environment: asked for before a run trades with it."""

from __future__ import annotations

from typing import Any, NamedTuple

from ida_binance.calls import api_restrictions
from ida_binance.environments import LIVE
from ida_binance.opening import Asker
from ida_core.errors import AuthError, VenueError


class Permissions(NamedTuple):
    """As the exchange tells it; None where it does not."""

    can_trade: bool | None
    can_withdraw: bool | None
    is_bound: bool | None  # to addresses of its owner's choice

    def problems(self) -> list[str]:
        """What makes it unfit to trade with real money."""
        return [*(["it can withdraw"] if self.can_withdraw is not False else []),
                *(["it can be used from any address"] if self.is_bound is not True else []),
                *(["it may not trade"] if self.can_trade is not True else [])]  # fmt: skip


def read_permissions(environment: str, asker: Asker) -> Permissions:
    """Ask the exchange what the key may do; its testnet and demo mode do not tell.

    Raises:
        AuthError: the key is refused.
        VenueError: the exchange cannot be reached, or says something else.
    """
    if environment != LIVE:
        return Permissions(None, None, None)
    (reply,) = asker.run([api_restrictions()])
    body: Any = reply.body
    if not isinstance(body, dict):
        raise VenueError(f"account/apiRestrictions: no object came, but {str(body)[:80]!r}", code="IDA-E4120")
    told = (body.get(name) for name in ("enableSpotAndMarginTrading", "enableWithdrawals", "ipRestrict"))
    return Permissions(*(value if isinstance(value, bool) else None for value in told))


def admit_key(environment: str, found: Permissions, *, withdrawals: bool, any_ip: bool) -> None:
    """Let a key trade with real money, or say why not. ``withdrawals`` and ``any_ip``: that is wanted, by name.

    Raises:
        AuthError: the key may do too much, or too little.
    """
    if environment != LIVE:
        return
    overrides = {"it can withdraw": (withdrawals, "allow_withdrawal_key"),
                 "it can be used from any address": (any_ip, "allow_any_ip")}  # fmt: skip
    for problem in found.problems():
        is_wanted, name = overrides.get(problem, (False, ""))
        if not is_wanted:
            way = f"; {environment}.{name} = true says that you want it so" if name else ""
            raise AuthError(f"{environment}: this key is refused: {problem}{way}", code="IDA-E6007")
