"""What is traded and how it is counted: instruments, the grid, sides and order types.

Inside Ida a price is a whole number of ticks and a quantity a whole number of lots; ``Decimal`` stands at the
edges. ``Instrument`` is the one place that knows the grid.
"""

import enum
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import msgspec

from ida_core.errors import ConfigError, OffGrid


class Side(enum.StrEnum):
    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> "Side":
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(enum.StrEnum):
    LIMIT = "LIMIT"
    MARKET = "MARKET"
    LIMIT_MAKER = "LIMIT_MAKER"
    STOP_LOSS = "STOP_LOSS"
    STOP_LOSS_LIMIT = "STOP_LOSS_LIMIT"
    TAKE_PROFIT = "TAKE_PROFIT"
    TAKE_PROFIT_LIMIT = "TAKE_PROFIT_LIMIT"


class TimeInForce(enum.StrEnum):
    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


class SelfTradePrevention(enum.StrEnum):
    NONE = "NONE"
    EXPIRE_MAKER = "EXPIRE_MAKER"
    EXPIRE_TAKER = "EXPIRE_TAKER"
    EXPIRE_BOTH = "EXPIRE_BOTH"
    DECREMENT = "DECREMENT"
    TRANSFER = "TRANSFER"


class PegPrice(enum.StrEnum):
    """What the price of a pegged order is taken from when it enters the book: its own side's best, or the other's."""

    PRIMARY_PEG = "PRIMARY_PEG"
    MARKET_PEG = "MARKET_PEG"


class ListKind(enum.StrEnum):
    """How the orders of a list hang together. OCO: one ends the other. OTO: the working order, once filled, sends the
    pending one. OTOCO: ... sends a pair of OCO. OPO, OPOCO: as OTO, OTOCO, and the pending ones sell what the working
    one bought, less its fee."""

    OCO = "OCO"
    OTO = "OTO"
    OTOCO = "OTOCO"
    OPO = "OPO"
    OPOCO = "OPOCO"


class InstrumentKind(enum.StrEnum):
    """Spot moves balances; a perpetual moves a position with margin: linear settles in the quote asset,
    inverse in the base asset with quantities in contracts of ``multiplier`` quote units."""

    SPOT = "SPOT"
    LINEAR = "LINEAR"
    INVERSE = "INVERSE"


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """A venue's limits on one order; ``None``: the filter is off or not known.

    Quantities in base units (contracts for inverse), prices and notionals in quote units.
    Source: Binance Spot API docs, filters.md.

    Args:
        min_price: least price of an order.
        max_price: highest price of an order.
        min_quantity: least quantity of an order.
        max_quantity: largest quantity of an order.
        market_min_quantity: the same for market orders.
        market_max_quantity: the same for market orders.
        min_notional: least value of an order.
        max_notional: largest value of an order.
        bid_multiplier_up: a bid may be at most so many times the average or mark price.
        bid_multiplier_down: a bid must be at least so many times that price.
        ask_multiplier_up: an ask may be at most so many times that price.
        ask_multiplier_down: an ask must be at least so many times that price.
        max_orders: open orders of the instrument at a time.
        max_position: largest position that buying may lead to.
        market_step: quantities of market orders are multiples of it.
        apply_min_to_market: ``min_notional`` holds for market orders too, at the average price.
        apply_max_to_market: ``max_notional`` likewise.
        iceberg_parts: in how many parts an iceberg may be shown.
        max_iceberg_orders: open icebergs of the instrument at a time.
        max_algo_orders: open stops (``STOP_LOSS``, ``TAKE_PROFIT`` and their limit orders) at a time.
        max_order_lists: open order lists at a time.
        max_amends: how often an order may be amended.
        min_trailing_above: least trailing delta, in basis points, of a stop that waits for a higher price
            (``STOP_LOSS`` of a buy, ``TAKE_PROFIT`` of a sell).
        max_trailing_above: the largest.
        min_trailing_below: least trailing delta of a stop that waits for a lower price.
        max_trailing_below: the largest.
        exchange_max_orders: open orders of the account, on all instruments.
        exchange_max_iceberg_orders: likewise of icebergs.
        exchange_max_algo_orders: likewise of stops.
        exchange_max_order_lists: likewise of order lists.
        asset_max_quantity: most of the base asset in one order of this account (``MAX_ASSET``).
        asset_max_notional: most of the quote asset in one order of this account.
        order_types: those that are allowed.
        stp_modes: those that are allowed.
        iceberg_allowed: whether the instrument takes icebergs.
        trailing_allowed: whether it takes trailing stops.
        peg_allowed: whether it takes pegged orders.
        amend_allowed: whether orders can be amended.
        cancel_replace_allowed: whether an order can be replaced by another.
        oco_allowed: whether it takes OCO lists.
        oto_allowed: whether it takes OTO lists.
        opo_allowed: whether it takes OPO lists.
        quote_quantity_allowed: whether market orders can be given by their value.
    """

    min_price: Decimal | None = None
    max_price: Decimal | None = None
    min_quantity: Decimal | None = None
    max_quantity: Decimal | None = None
    market_min_quantity: Decimal | None = None
    market_max_quantity: Decimal | None = None
    min_notional: Decimal | None = None
    max_notional: Decimal | None = None
    bid_multiplier_up: Decimal | None = None
    bid_multiplier_down: Decimal | None = None
    ask_multiplier_up: Decimal | None = None
    ask_multiplier_down: Decimal | None = None
    max_orders: int | None = None
    max_position: Decimal | None = None
    market_step: Decimal | None = None
    apply_min_to_market: bool = True
    apply_max_to_market: bool = False
    iceberg_parts: int | None = None
    max_iceberg_orders: int | None = None
    max_algo_orders: int | None = None
    max_order_lists: int | None = None
    max_amends: int | None = None
    min_trailing_above: int | None = None
    max_trailing_above: int | None = None
    min_trailing_below: int | None = None
    max_trailing_below: int | None = None
    exchange_max_orders: int | None = None
    exchange_max_iceberg_orders: int | None = None
    exchange_max_algo_orders: int | None = None
    exchange_max_order_lists: int | None = None
    asset_max_quantity: Decimal | None = None
    asset_max_notional: Decimal | None = None
    order_types: tuple[OrderType, ...] | None = None
    stp_modes: tuple[SelfTradePrevention, ...] | None = None
    iceberg_allowed: bool = True
    trailing_allowed: bool = True
    peg_allowed: bool = True
    amend_allowed: bool = True
    cancel_replace_allowed: bool = True
    oco_allowed: bool = True
    oto_allowed: bool = True
    opo_allowed: bool = True
    quote_quantity_allowed: bool = True


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is traded, with its grid.

    ``name`` is how users write it: the symbol, or ``market:symbol`` (``usdm:BTCUSDT``) where two markets of a run
    spell it alike. ``market`` is the venue's word for its kind of market (``spot``, ``usdm``, ``coinm``).
    ``multiplier``: base units per lot-unit for spot and linear (1), quote units per contract for inverse.
    """

    symbol: str
    base: str
    quote: str
    tick_size: Decimal
    lot_size: Decimal
    market: str = "spot"
    kind: InstrumentKind = InstrumentKind.SPOT
    settle: str = ""
    multiplier: Decimal = Decimal(1)
    filters: Filters = Filters()
    name: str = ""

    def __post_init__(self) -> None:
        if self.tick_size <= 0:
            raise ConfigError(f"{self.symbol}: tick_size {self.tick_size} must be above 0")
        if self.lot_size <= 0:
            raise ConfigError(f"{self.symbol}: lot_size {self.lot_size} must be above 0")
        if not self.name:
            msgspec.structs.force_setattr(self, "name", self.symbol)
        if not self.settle:
            settle = self.base if self.kind is InstrumentKind.INVERSE else self.quote
            msgspec.structs.force_setattr(self, "settle", settle)

    def ticks(self, price: Decimal) -> int:
        """Return ``price`` as a whole number of ticks.

        Raises:
            OffGrid: price falls between two ticks. Nothing is rounded here.

        >>> btc = Instrument(symbol="BTCUSDT", base="BTC", quote="USDT",
        ...                  tick_size=Decimal("0.01"), lot_size=Decimal("0.00001"))
        >>> btc.ticks(Decimal("22177.90"))
        2217790
        """
        return _steps(price, self.tick_size, self.symbol, "price", "tick size")

    def lots(self, quantity: Decimal) -> int:
        """Return ``quantity`` as a whole number of lots; ``OffGrid`` if it falls between two."""
        return _steps(quantity, self.lot_size, self.symbol, "quantity", "lot size")

    def price(self, ticks: int) -> Decimal:
        return ticks * self.tick_size

    def quantity(self, lots: int) -> Decimal:
        return lots * self.lot_size

    def floor_to_tick(self, price: Decimal | float) -> int:
        """Ticks at or below ``price``: rounding is a decision, taken by name."""
        return int((_decimal(price) / self.tick_size).to_integral_value(ROUND_FLOOR))

    def ceil_to_tick(self, price: Decimal | float) -> int:
        return int((_decimal(price) / self.tick_size).to_integral_value(ROUND_CEILING))

    def floor_to_lot(self, quantity: Decimal | float) -> int:
        return int((_decimal(quantity) / self.lot_size).to_integral_value(ROUND_FLOOR))

    def notional(self, ticks: int, lots: int) -> Decimal:
        """Value in quote units (spot, linear) or of the contracts in quote units (inverse); exact."""
        if self.kind is InstrumentKind.INVERSE:
            return lots * self.lot_size * self.multiplier
        return ticks * self.tick_size * (lots * self.lot_size) * self.multiplier

    def lots_worth(self, value: Decimal, ticks: Decimal | float) -> int:
        """Whole lots worth at most ``value`` quote units at the price of ``ticks``, but no fewer than
        the smallest order that the filters allow.

        >>> btc = Instrument(symbol="BTCUSDT", base="BTC", quote="USDT",
        ...                  tick_size=Decimal("0.01"), lot_size=Decimal("0.00001"))
        >>> btc.quantity(btc.lots_worth(Decimal(1000), btc.ticks(Decimal(60000))))
        Decimal('0.01666')
        """
        inverse = self.kind is InstrumentKind.INVERSE
        one = self.notional(1, 1) * (1 if inverse else _decimal(ticks))
        least_value = self.filters.min_notional or Decimal(0)
        least = max((self.filters.min_quantity or 0) / self.lot_size, least_value / one, Decimal(1))
        return max(int(least.to_integral_value(ROUND_CEILING)), int(value / one))


def _decimal(value: Decimal | float) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(repr(value))


def _steps(value: Decimal, step: Decimal, symbol: str, what: str, rule: str) -> int:
    steps = value / step
    whole = int(steps)
    if whole * step != value:
        raise OffGrid(f"{symbol}: {what} {value} is not a multiple of the {rule} {step}")
    return whole


def is_sane(number: Decimal) -> bool:
    """Finite, and of an order of magnitude that can be reckoned with and written out: 0, or from 1e-30 to 1e30."""
    return number.is_finite() and (not number or -30 <= number.adjusted() <= 30)


def plain(value: Decimal) -> str:
    """Text without exponent or trailing zeros, as the contracts' JSON has it.

    >>> plain(Decimal("61800.20")), plain(Decimal("1E+3")), plain(Decimal("-0.0"))
    ('61800.2', '1000', '0')
    """
    if not value:
        return "0"
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
