"""What happened, as frozen records: what strategies are given, and what the journal keeps as JSON.

Prices are ticks, quantities lots, times ns since 1970 UTC. Money that lies on no grid is ``Decimal``. Market data
becomes one of these objects only for a plugin that asked for it; books never do.
"""

import enum
from decimal import Decimal
from typing import Any

import msgspec

from ida_core.model import ListKind, OrderType, PegPrice, SelfTradePrevention, Side, TimeInForce

#: ``OrderUpdate.reason`` of an order that expired because the simulated market was over when it arrived. No exchange
#: has accepted it.
END_OF_DATA = "END_OF_DATA"


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What all events carry. ``instrument``: index in the run; -1 where it concerns none.

    An event is frozen, so it is part of no ring, and Python's collector need not look at it.
    """

    ts_local_ns: int = 0
    ts_venue_ns: int = 0
    instrument: int = -1


class Trade(Event, frozen=True):
    """A trade of others on the market. ``side`` is the aggressor's."""

    trade_id: int
    price: int
    quantity: int
    side: Side
    off_book: bool = False


class Quote(Event, frozen=True):
    update_id: int
    bid: int
    bid_quantity: int
    ask: int
    ask_quantity: int


class Bar(Event, frozen=True):
    open_ns: int
    close_ns: int
    interval_s: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    trades: int
    closed: bool


class Mark(Event, frozen=True):
    """Mark and index price and the funding rate, as exact decimals."""

    mark: Decimal
    index: Decimal
    funding_rate: Decimal
    next_funding_ns: int


class MarketState(Event, frozen=True, tag_field="of", tag="market"):
    """The instrument's book came into step (``LIVE``), lost it (``STALE``) or was found wrong (``GAP``).

    ``silent``: None where a market record did it; of a live market True where its depth stream was not heard of for too
    long, False where it is heard of again.
    """

    state: str
    reason: str = ""
    silent: bool | None = None


class OrderStatus(enum.StrEnum):
    PENDING_NEW = "PENDING_NEW"
    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    PENDING_CANCEL = "PENDING_CANCEL"
    CANCELED = "CANCELED"
    PENDING_REPLACE = "PENDING_REPLACE"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    EXPIRED_IN_MATCH = "EXPIRED_IN_MATCH"
    UNKNOWN = "UNKNOWN"


class Execution(enum.StrEnum):
    """What an execution report tells. ``CANCEL_REJECTED`` and ``REPLACE_REJECTED`` answer a request on an order;
    ``UNANSWERED`` is our own word: sent, and no answer in time. ``STATUS`` is the venue's answer when it was asked.

    A replacement is told as ``CANCELED`` of the old id and ``NEW`` of the new one, or, where it was an amendment, as
    ``REPLACED`` of the id that lives on (``cumulative`` and ``order_quantity`` count from the order's beginning). Its
    refusal is ``REJECTED`` of the new id, then ``REPLACE_REJECTED`` of the old one."""

    NEW = "NEW"
    TRADE = "TRADE"
    CANCELED = "CANCELED"
    REPLACED = "REPLACED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    TRADE_PREVENTION = "TRADE_PREVENTION"
    TRIGGERED = "TRIGGERED"
    CANCEL_REJECTED = "CANCEL_REJECTED"
    REPLACE_REJECTED = "REPLACE_REJECTED"
    UNANSWERED = "UNANSWERED"
    STATUS = "STATUS"


class Request(Event, frozen=True, kw_only=True, tag_field="request"):
    """Base of what strategies ask for. ``order_id`` is the client order id, chosen before sending."""

    order_id: str
    strategy: str = ""


class PlaceOrder(Request, frozen=True, tag="place"):
    """``iceberg``: lots that are shown at a time, 0: all. ``trailing_delta``: of a stop that follows the last price, in
    basis points; 0: none. ``peg``: the price is taken from the book when the order enters it, ``peg_offset`` levels
    deeper, and ``price`` is None. ``smart``: by the exchange's smart order routing."""

    side: Side
    type: OrderType
    quantity: int
    price: int | None = None
    stop_price: int | None = None
    quote_quantity: Decimal | None = None
    tif: TimeInForce = TimeInForce.GTC
    stp: SelfTradePrevention = SelfTradePrevention.EXPIRE_MAKER
    reduce_only: bool = False
    note: str = ""
    iceberg: int = 0
    trailing_delta: int = 0
    peg: PegPrice | None = None
    peg_offset: int = 0
    smart: bool = False


class PlaceList(Request, frozen=True, tag="place_list"):
    """Several orders that hang together; ``order_id`` is the list's own client id, each leg has one of its own.

    ``legs``: OCO (above, below); OTO and OPO (working, pending); OTOCO and OPOCO (working, pending above, pending
    below). Legs of one list are on one instrument, and those that are a pair on one side with one quantity. Pending
    legs of OPO and OPOCO have the quantity 0: the exchange tells it. To cancel a leg is to cancel the list."""

    kind: ListKind
    legs: tuple[PlaceOrder, ...]


class CancelOrder(Request, frozen=True, tag="cancel"):
    pass


class ReplaceOrder(Request, frozen=True, tag="replace"):
    """Cancel ``order_id`` and place anew under ``new_order_id``, at the end of the queue."""

    new_order_id: str
    quantity: int
    price: int


class AmendOrder(Request, frozen=True, tag="amend"):
    """Lower the quantity of ``order_id`` to ``quantity`` lots in all and keep its id and its place in the queue."""

    quantity: int


class CancelAll(Request, frozen=True, tag="cancel_all"):
    pass


OrderRequest = PlaceOrder | ReplaceOrder
AnyRequest = OrderRequest | PlaceList | AmendOrder | CancelOrder | CancelAll


class OrderUpdate(Event, frozen=True):
    """An execution report: the venue's word on one order.

    ``price`` and ``quantity`` are this trade's for TRADE (0 otherwise); ``cumulative`` lots filled in all;
    ``trade_id`` is the venue's, by which fills are deduplicated. ``fee`` is positive when charged, negative for a
    rebate. ``reason`` is the rule that made a fill (simulated) or the venue's text of a refusal.
    ``ahead``: lots ahead in the queue where the venue tells it (simulated), else -1. ``list_id``: the client id of the
    list it is a leg of. A pending leg is told as NEW with the status PENDING_NEW, and as NEW again when it works.
    """

    order_id: str
    execution: Execution
    status: OrderStatus
    side: Side = Side.BUY
    venue_order_id: int = 0
    price: int = 0
    quantity: int = 0
    cumulative: int = 0
    leaves: int = 0
    order_quantity: int = 0
    trade_id: int = 0
    maker: bool = False
    fee: Decimal = Decimal(0)
    fee_asset: str = ""
    reason: str = ""
    code: int = 0
    ahead: int = -1
    list_id: str = ""


class RequestSent(Event, frozen=True):
    """The bytes of a request on ``order_id`` were handed to the socket at ``ts_local_ns``; live venues alone tell it.

    ``what``: the request's tag (``place``, ``cancel``, ...); ``by``: ``ws-api`` or ``rest``. ``decided_ns`` and
    ``approved_ns``: when the strategy asked for it and when risk had passed it, on the same clock; the engine adds
    them.
    """

    order_id: str
    what: str
    by: str = ""
    decided_ns: int = 0
    approved_ns: int = 0


class Transfer(Event, frozen=True):
    """What moved a balance and was no order: a deposit, a withdrawal, a transfer. ``amount`` is signed."""

    asset: str
    amount: Decimal
    reason: str = ""


class BalanceUpdate(Event, frozen=True):
    """Absolute balances of the assets that changed: asset → [free, locked].

    ``reason`` ``SNAPSHOT``: all assets of the account, as it stood when everything told before had happened and nothing
    else; the ledger must agree with it.
    """

    balances: dict[str, tuple[Decimal, Decimal]]
    reason: str = ""


class FundingPayment(Event, frozen=True):
    """Funding of a perpetual: ``amount`` of ``asset`` is what we received (negative: paid)."""

    rate: Decimal
    mark: Decimal
    amount: Decimal
    asset: str


class Timer(Event, frozen=True):
    """A timer set by a strategy fired. ``due_ns`` is when it was asked for."""

    strategy: str
    timer_id: int
    due_ns: int


class Refusal(Event, frozen=True):
    """A request that was not sent: ``by`` names the risk check or ``orders``; ``reason`` is a stable word,
    ``detail`` the sentence with value and rule."""

    request: AnyRequest
    by: str
    reason: str
    detail: str


class Signal(Event, frozen=True):
    """An event of a feed plugin; ``data`` is JSON-like."""

    source: str
    name: str
    data: Any = None


class VenueStatus(Event, frozen=True, tag_field="of", tag="venue"):
    """``HEALTHY``, ``RECONCILING``, ``DOWN``: while not healthy nothing new is opened.

    ``feed``: the feed of market data that tells it of itself. What that means for trading its instruments' books say,
    by being in step or not; orders go another way.
    """

    state: str
    reason: str = ""
    feed: str = ""


class Note(Event, frozen=True):
    """Start, stop, halts and plugin failures: ``what`` is a stable word."""

    what: str
    plugin: str = ""
    detail: str = ""
    data: Any = None
