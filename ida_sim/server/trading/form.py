"""Parameters of one order, or of one leg of a list, read as Binance reads them.

Source: Binance Spot API docs, rest-api.md (new order, order lists) and errors.md, read 2026-07.
"""

from __future__ import annotations

import re
import secrets
import string
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple, TypeVar

from ida_core import OrderType, PegPrice, PlaceOrder, SelfTradePrevention, Side, TimeInForce
from ida_sim.server.exchange_info import PREVENTION
from ida_sim.server.parameters import Parameters, Refusal, illegal, not_valid
from ida_sim.server.texts import PLACES
from ida_sim.server.trading.records import NONE, STOPS, Terms
from ida_sim.server.trading.trading import Intent, Listing

CLIENT_ID = "^[a-zA-Z0-9-_]{1,36}$"
AMOUNT = "^([0-9]{1,20})(\\.[0-9]{1,20})?$"
LEAST_STRATEGY_TYPE = 1_000_000
MOST_PEG_OFFSET = 100
#: No instrument has so many ticks or lots; more are no numbers of the matching engine.
MOST_STEPS = 2**53
#: Nor does any price trail by so many basis points.
MOST_DELTA = 10_000_000
_CLIENT_ID = re.compile(r"[a-zA-Z0-9_-]{1,36}")
_AMOUNT = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
_SIGNED = re.compile(r"-?[0-9]{1,19}")
_LETTERS = string.ascii_letters + string.digits
_LIMITS = frozenset({OrderType.LIMIT, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT_LIMIT})
#: These have a price; the others take what there is.
PRICED = _LIMITS | {OrderType.LIMIT_MAKER}
Word = TypeVar("Word", bound=StrEnum)


class Sent(NamedTuple):
    """The order that was asked for, and what else is said of it."""

    request: PlaceOrder
    intent: Intent


def new_client_id() -> str:
    """As the exchange makes one: 22 letters and digits."""
    return "".join(secrets.choice(_LETTERS) for _ in range(22))


def client_id(read: Parameters, name: str) -> str | None:
    """An id in the letters that Binance allows, or None."""
    value = read.text(name)
    if value is not None and not _CLIENT_ID.fullmatch(value):
        raise illegal(name, CLIENT_ID)
    return value


def amount(read: Parameters, name: str) -> Decimal | None:
    """A price or quantity; at most eight decimals."""
    value = read.text(name)
    if value is None:
        return None
    if not _AMOUNT.fullmatch(value):
        raise illegal(name, AMOUNT)
    if len(value.partition(".")[2].rstrip("0")) > PLACES:
        raise Refusal(-1111, f"Parameter '{name}' has too much precision.")
    return Decimal(value)


def word(read: Parameters, name: str, kind: type[Word], wrong: Refusal) -> Word | None:
    value = read.text(name)
    if value is None:
        return None
    try:
        return kind(value)
    except ValueError:
        raise wrong from None


def missing(name: str) -> Refusal:
    return Refusal(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def neither(one: str, other: str) -> Refusal:
    return Refusal(-1102, f"Param '{one}' or '{other}' must be sent, but both were empty/null!")


def unwanted(name: str) -> Refusal:
    return Refusal(-1106, f"Parameter '{name}' sent when not required.")


def combination() -> Refusal:
    return Refusal(-1014, "Unsupported order combination.")


def filter_failure(name: str) -> Refusal:
    return Refusal(-1013, f"Filter failure: {name}")


def side(read: Parameters, name: str = "side") -> Side:
    found = word(read, name, Side, Refusal(-1117, "Invalid side."))
    if found is None:
        raise missing(name)
    return found


def prevention(read: Parameters) -> SelfTradePrevention:
    mode = word(read, "selfTradePreventionMode", SelfTradePrevention, not_valid("selfTradePreventionMode"))
    if mode is not None and mode not in PREVENTION:
        raise Refusal(-1013, "This symbol does not allow the specified self-trade prevention mode.")
    return mode or SelfTradePrevention.EXPIRE_MAKER


def lots_of(listing: Listing, value: Decimal | None) -> int:
    """In lots, more than none; ``LOT_SIZE`` where it is not a whole number of them, or too many."""
    if value is None:
        return 0
    lots = value / listing.instrument.lot_size
    if not value:
        raise Refusal(-1013, "Invalid quantity.")
    if lots != int(lots) or lots > MOST_STEPS:
        raise filter_failure("LOT_SIZE")
    return int(lots)


def ticks_of(listing: Listing, value: Decimal | None) -> int | None:
    """In ticks; ``PRICE_FILTER`` where it lies between two, or too high."""
    if value is None:
        return None
    ticks = value / listing.instrument.tick_size
    if not value:
        raise Refusal(-1013, "Invalid price.")
    if ticks != int(ticks) or ticks > MOST_STEPS:
        raise filter_failure("PRICE_FILTER")
    return int(ticks)


class Leg:
    """Reads the parameters of an order.

    Args:
        prefix: of a list's leg: ``above``, ``pendingBelow``...; empty for an order by itself.
    """

    def __init__(self, read: Parameters, listing: Listing, prefix: str = "") -> None:
        self._read, self._listing, self._prefix = read, listing, prefix

    def called(self, name: str) -> str:
        """``stopPrice``, or ``aboveStopPrice``."""
        return self._prefix + name[0].upper() + name[1:] if self._prefix else name

    def type(self) -> OrderType:
        found = word(self._read, self.called("type"), OrderType, Refusal(-1116, "Invalid orderType."))
        if found is None:
            raise missing(self.called("type"))
        return found

    def order(self, name: str, buys: Side, quantity: Decimal | None, stp: SelfTradePrevention, *, list_id: int = NONE,
              smart: bool = False, quote: Decimal | None = None, strategy: str = "") -> Sent:
        """The order.

        Args:
            name: as which the exchange is to know it.
            quantity, quote: what ``quantity`` and ``quoteOrderQty`` say.
        """
        kind = self.type()
        tif = self._tif(kind)
        price, stop, trailing = self._price(kind), self._stop(kind), self._trailing(kind)
        if kind in STOPS and stop is None and not trailing:
            raise neither(self.called("stopPrice"), self.called("trailingDelta"))
        peg, offset = self._peg(kind, smart)
        if kind in PRICED and price is None and peg is None:
            raise missing(self.called("price"))
        iceberg = self._iceberg(kind, tif)
        terms = self._terms(price is not None, offset is not None, list_id)
        listing = self._listing
        price_ticks, stop_ticks, lots = ticks_of(listing, price), ticks_of(listing, stop), lots_of(listing, quantity)
        shown = lots_of(listing, iceberg) if iceberg else 0
        if quantity is not None and shown > lots:
            raise Refusal(-2010, "IcebergQty exceeds QTY.")
        request = PlaceOrder(
            instrument=listing.index, order_id=name, side=buys, type=kind, quantity=lots, price=price_ticks,
            stop_price=stop_ticks, quote_quantity=quote, tif=tif, stp=stp, iceberg=0 if shown == lots else shown,
            trailing_delta=trailing, peg=peg, peg_offset=offset or 0, smart=smart)
        return Sent(request, Intent(self._client_id(), terms))

    def _client_id(self) -> str:
        name = self.called("clientOrderId") if self._prefix else "newClientOrderId"
        return client_id(self._read, name) or new_client_id()

    def _tif(self, kind: OrderType) -> TimeInForce:
        name = self.called("timeInForce")
        found = word(self._read, name, TimeInForce, Refusal(-1115, "Invalid timeInForce."))
        if kind in _LIMITS and found is None:
            raise missing(name)
        if kind not in _LIMITS and found is not None:
            raise unwanted(name)
        return found or TimeInForce.GTC

    def _price(self, kind: OrderType) -> Decimal | None:
        price = amount(self._read, self.called("price"))
        if price is not None and kind not in PRICED:
            raise unwanted(self.called("price"))
        return price

    def _stop(self, kind: OrderType) -> Decimal | None:
        stop = amount(self._read, self.called("stopPrice"))
        if stop is not None and kind not in STOPS:
            raise unwanted(self.called("stopPrice"))
        return stop

    def _trailing(self, kind: OrderType) -> int:
        delta = self._read.number(self.called("trailingDelta"))
        if delta is not None and kind not in STOPS:
            raise unwanted(self.called("trailingDelta"))
        if delta is not None and delta > MOST_DELTA:
            raise filter_failure("TRAILING_DELTA")
        return delta or 0

    def _iceberg(self, kind: OrderType, tif: TimeInForce) -> Decimal | None:
        name = self.called("icebergQty")
        shown = amount(self._read, name)
        if shown and kind not in PRICED:
            raise unwanted(name)
        if shown and tif is not TimeInForce.GTC:
            raise combination()
        return shown

    def _peg(self, kind: OrderType, smart: bool) -> tuple[PegPrice | None, int | None]:
        read = self._read
        peg = word(read, self.called("pegPriceType"), PegPrice, Refusal(-1210, "Invalid pegPriceType."))
        offset_type, offset = read.text(self.called("pegOffsetType")), read.number(self.called("pegOffsetValue"))
        if offset_type not in (None, "PRICE_LEVEL"):
            raise Refusal(-1211, "Invalid pegOffsetType.")
        if (offset_type is None) != (offset is None):
            together = f"{self.called('pegOffsetType')}, {self.called('pegOffsetValue')}"
            raise Refusal(-1128, f"Fields [{together}] must be sent together or omitted entirely.")
        if peg is None and offset is not None:
            raise missing(self.called("pegPriceType"))
        if offset is not None and offset > MOST_PEG_OFFSET:
            raise not_valid(self.called("pegOffsetValue"))
        if peg is not None and (kind not in PRICED or smart):
            raise combination()
        if peg is PegPrice.MARKET_PEG and kind is OrderType.LIMIT_MAKER:
            raise combination()
        return peg, offset

    def _terms(self, has_price: bool, has_offset: bool, list_id: int) -> Terms:
        read, name = self._read, self.called("strategyType")
        text = read.text(self.called("strategyId"))
        if text is not None and not _SIGNED.fullmatch(text):
            raise illegal(self.called("strategyId"), "^[-]?[0-9]{1,19}$")
        kind = read.number(name)
        if kind is not None and kind < LEAST_STRATEGY_TYPE:
            raise Refusal(-1134, "`strategyType` was less than 1000000.")
        return Terms(None if text is None else int(text), kind, has_price, has_offset, list_id)


LEG = ("type", "timeInForce", "price", "stopPrice", "trailingDelta", "icebergQty", "strategyId", "strategyType",
       "pegPriceType", "pegOffsetType", "pegOffsetValue")


def leg_names(prefix: str) -> tuple[str, ...]:
    """Every parameter of a list's leg."""
    return tuple(prefix + name[0].upper() + name[1:] for name in (*LEG, "clientOrderId"))
