"""An instrument of each kind, and a fill of one, for all tests that need some."""

from decimal import Decimal

from ida_core.events import Execution, OrderStatus, OrderUpdate
from ida_core.model import Instrument, InstrumentKind, Side

SPOT = Instrument(
    symbol="BTCUSDT", base="BTC", quote="USDT", tick_size=Decimal("0.01"), lot_size=Decimal("0.00001"))
LINEAR = Instrument(
    symbol="BTCUSDT", base="BTC", quote="USDT", tick_size=Decimal("0.1"), lot_size=Decimal("0.001"), market="usdm",
    kind=InstrumentKind.LINEAR)
LINEAR_ETH = Instrument(
    symbol="ETHUSDT", base="ETH", quote="USDT", tick_size=Decimal("0.1"), lot_size=Decimal("0.001"), market="usdm",
    kind=InstrumentKind.LINEAR)
INVERSE = Instrument(
    symbol="BTCUSD_PERP", base="BTC", quote="USD", tick_size=Decimal("0.1"), lot_size=Decimal(1), market="coinm",
    kind=InstrumentKind.INVERSE, multiplier=Decimal(100))


def fill(
    instrument: Instrument, side: Side, quantity: str, price: str, fee: str = "0", fee_asset: str = "", index: int = 0,
) -> OrderUpdate:
    """An order filled at once; ``index``: of the instrument in its run."""
    return OrderUpdate(
        order_id="t-1", instrument=index, execution=Execution.TRADE, status=OrderStatus.FILLED, side=side,
        price=instrument.ticks(Decimal(price)), quantity=instrument.lots(Decimal(quantity)), fee=Decimal(fee),
        fee_asset=fee_asset)
