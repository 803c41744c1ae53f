"""Risk checks: each refuses with its own name as the reason. A limit that is not set is off."""

from ida_core import RiskCheck, hookimpl
from plugins.risk.daily_loss import DailyLoss
from plugins.risk.drawdown import Drawdown
from plugins.risk.max_notional import MaxNotional
from plugins.risk.max_open_orders import MaxOpenOrders
from plugins.risk.max_position import MaxPosition
from plugins.risk.max_quantity import MaxQuantity
from plugins.risk.order_rate import OrderRate
from plugins.risk.price_collar import PriceCollar


@hookimpl
def ida_risk_checks() -> list[type[RiskCheck]]:
    return [
        MaxQuantity,
        MaxNotional,
        MaxPosition,
        MaxOpenOrders,
        OrderRate,
        PriceCollar,
        DailyLoss,
        Drawdown,
    ]
