"""What an API key may do, as ``/sapi/v1/account/apiRestrictions`` tells its owner.

Source: Binance Wallet API docs, "Get API Key Permission", read 2026-07.
"""

from __future__ import annotations

from typing import Any

from ida_sim.server.access import USER_DATA, not_allowed
from ida_sim.server.endpoints import MS_NS, Call, Endpoint


def api_restrictions(call: Call) -> Any:
    """Of the key that signed; nothing but spot can be traded here."""
    assert call.signed is not None
    key = call.signed.key
    if key is None:
        raise not_allowed()
    return {
        "ipRestrict": bool(key.ips), "createTime": key.created_ns // MS_NS, "enableReading": key.reading,
        "enableSpotAndMarginTrading": key.trading, "enableWithdrawals": key.withdrawals,
        "enableInternalTransfer": False, "enableMargin": False, "enableFutures": False,
        "permitsUniversalTransfer": False, "enableVanillaOptions": False, "enableFixApiTrade": False,
        "enableFixReadOnly": False, "enablePortfolioMarginTrading": False,
    }


PERMISSIONS = (
    Endpoint("/sapi/v1/account/apiRestrictions", "", api_restrictions, lambda sent: 1, security=USER_DATA),)
