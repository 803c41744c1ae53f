"""The accounts that a server begins with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from ida_sim.server.account_files import AccountFile
from ida_sim.server.trading.accounts import TradingAccount
from ida_sim.server.trading.trading import Trading


def open_accounts(trading: Trading, files: Sequence[AccountFile],
                  balances: Mapping[str, Decimal]) -> list[TradingAccount]:
    """Open what the files say.

    Args:
        balances: of accounts of whose balances nothing is said.
    Raises:
        ConfigError: a balance or a rate that cannot be.
    """
    groups: dict[str, TradingAccount] = {}
    opened = []
    for file in files:
        fees = msgspec.structs.replace(
            trading.fees,
            maker_fee=trading.fees.maker_fee if file.maker_fee is None else file.maker_fee,
            taker_fee=trading.fees.taker_fee if file.taker_fee is None else file.taker_fee)
        account = trading.open(file.name, file.api_keys(), file.balances or balances, fees=fees,
                               group=groups.get(file.group))
        if file.group:
            groups.setdefault(file.group, account)
        account.can_trade, account.can_withdraw = file.can_trade, file.can_withdraw
        account.can_deposit = file.can_deposit
        opened.append(account)
    return opened
