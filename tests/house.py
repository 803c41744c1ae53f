"""A small exchange that keeps one account, and the venue that trades on it in real time: for runs that are killed and
go on, differ and reconcile, without a network between. Its market stands still: bid 100.00, ask 101.00.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar

import msgspec
import trio
from instruments import SPOT

from ida_core import (
    AmendOrder,
    BalanceUpdate,
    CancelAll,
    CancelOrder,
    Event,
    Execution,
    Instrument,
    Market,
    Note,
    OrderStatus,
    OrderTable,
    OrderType,
    OrderUpdate,
    PlaceOrder,
    ReplaceOrder,
    Side,
    Subscription,
    Transfer,
    VenueSetup,
    VenueStatus,
    state_change,
)
from ida_core.clock import steady_ns
from ida_core.journal import JournalWriter
from ida_core.native import ffi, lib
from ida_core.testing.market import depth_record

BID, ASK = 10_000, 10_100
FEE = Decimal("0.001")
ZERO = Decimal(0)
S, X = OrderStatus, Execution


class Kept(msgspec.Struct):
    """An order as the exchange has it."""

    order_id: str
    number: int
    side: Side
    price: int
    quantity: int
    filled: int = 0
    status: OrderStatus = OrderStatus.NEW

    @property
    def leaves(self) -> int:
        return self.quantity - self.filled


class House:
    """The exchange. ``told``: what it tells whoever is connected, as it happens; lost where nobody is."""

    def __init__(self, instrument: Instrument = SPOT) -> None:
        self.instrument = instrument
        self.orders: dict[str, Kept] = {}
        self.trades: list[OrderUpdate] = []
        self.funds = {instrument.quote: Decimal(100_000), instrument.base: Decimal(1)}
        self.told: Callable[[Event], None] = _to_nobody
        self.is_mute = False
        self._numbers = 0

    def locked(self) -> dict[str, Decimal]:
        one, locked = self.instrument, {self.instrument.quote: ZERO, self.instrument.base: ZERO}
        for order in self.orders.values():
            if order.status is S.NEW or order.status is S.PARTIALLY_FILLED:
                buys = order.side is Side.BUY
                amount = one.notional(order.price, order.leaves) if buys else one.quantity(order.leaves)
                locked[one.quote if buys else one.base] += amount
        return locked

    def balances(self) -> dict[str, tuple[Decimal, Decimal]]:
        locked = self.locked()
        return {asset: (amount - locked.get(asset, ZERO), locked.get(asset, ZERO))
                for asset, amount in self.funds.items()}

    # ------------------------------------------------------------- orders

    def place(self, order_id: str, side: Side, quantity: int, price: int | None) -> None:
        known = self.orders.get(order_id)
        if quantity <= 0 or (known is not None and known.leaves and known.status is not S.CANCELED):
            self.tell(order_id, X.REJECTED, S.REJECTED, side, reason="no quantity, or an id that is in use")
            return
        self._numbers += 1
        market = ASK if side is Side.BUY else BID
        order = self.orders[order_id] = Kept(order_id, self._numbers, side, price or market, quantity)
        self.report(order, X.NEW)
        if price is None or (price >= ASK if side is Side.BUY else price <= BID):
            self.fill(order_id, quantity, market)

    def fill(self, order_id: str, lots: int, price: int = 0) -> None:
        order, one = self.orders[order_id], self.instrument
        price = price or order.price
        order.filled += lots
        order.status = S.PARTIALLY_FILLED if order.leaves else S.FILLED
        fee = one.notional(price, lots) * FEE
        self.funds[one.base] += order.side.sign * one.quantity(lots)
        self.funds[one.quote] -= order.side.sign * one.notional(price, lots) + fee
        trade = self.report(order, X.TRADE, price=price, quantity=lots, trade_id=len(self.trades) + 1, fee=fee,
                            fee_asset=one.quote)
        self.trades.append(trade)

    def cancel(self, order_id: str) -> None:
        order = self.orders.get(order_id)
        if order is None or order.status not in (S.NEW, S.PARTIALLY_FILLED):
            self.tell(order_id, X.CANCEL_REJECTED, S.UNKNOWN, Side.BUY, reason="there is no such order")
            return
        order.status = S.CANCELED
        self.report(order, X.CANCELED)

    def amend(self, order_id: str, quantity: int) -> None:
        order = self.orders[order_id]
        order.quantity = quantity
        self.report(order, X.REPLACED)

    def deposit(self, asset: str, amount: Decimal) -> None:
        self.funds[asset] = self.funds.get(asset, ZERO) + amount
        self.told(Transfer(asset=asset, amount=amount, reason="deposit"))

    def status(self, order: Kept) -> OrderUpdate:
        return _report(order, X.STATUS)

    def open(self) -> list[Kept]:
        return [order for order in self.orders.values() if order.status in (S.NEW, S.PARTIALLY_FILLED)]

    def report(self, order: Kept, kind: Execution, **more: Any) -> OrderUpdate:
        update = _report(order, kind, **more)
        if not self.is_mute:
            self.told(update)
        return update

    def tell(self, order_id: str, kind: Execution, status: OrderStatus, side: Side, **more: Any) -> None:
        self.told(OrderUpdate(order_id=order_id, instrument=0, execution=kind, status=status, side=side, **more))


def _to_nobody(event: Event) -> None:
    """Nobody is connected."""


def _report(order: Kept, kind: Execution, **more: Any) -> OrderUpdate:
    return OrderUpdate(
        order_id=order.order_id, instrument=0, execution=kind, status=order.status, side=order.side,
        venue_order_id=order.number, cumulative=order.filled, leaves=order.leaves, order_quantity=order.quantity,
        **more)


class Crash(BaseException):
    """As if the process were killed: nothing is wound down, and the journal has no end."""


Script = Callable[["HouseVenue"], Awaitable[None]]


class HouseVenue:
    """See ``ida_core.TradingVenue``. ``script``: what happens once it is healthy, beside the engine."""

    name: ClassVar[str] = "house"
    mode: ClassVar[str] = "TESTNET"
    api: ClassVar[int] = 1
    simulated: ClassVar[bool] = False
    Config: ClassVar[type[msgspec.Struct]] = msgspec.defstruct("Config", (), frozen=True)
    account: str = "house:mine"
    house: ClassVar[House]
    script: ClassVar[Script | None] = None

    @classmethod
    def build(cls, setup: VenueSetup) -> HouseVenue:
        return cls()

    def __init__(self) -> None:
        self._start_ns = self._now_ns = steady_ns()
        self._market = Market(0, 1 << 30)
        self._arrived: deque[Any] = deque()
        self._news = trio.Event()
        self._journal: JournalWriter | None = None
        self._orders: OrderTable | None = None
        self._is_over = False
        self.settled = 0
        self._arrived.extend(_book(self._start_ns))

    # ------------------------------------------------------------- market and time

    def instruments(self) -> Sequence[Instrument]:
        return [self.house.instrument]

    def market(self, instrument: int) -> Market:
        return self._market

    def subscribe(self, instrument: int, subscription: Subscription) -> None: ...

    def attach(self, journal: Any) -> None:
        self._journal = journal

    def start_ns(self) -> int:
        return self._start_ns

    def last_ns(self) -> int | None:
        return None

    def real_ns(self) -> int:
        return steady_ns()

    @property
    def now_ns(self) -> int:
        return self._now_ns

    @property
    def events(self) -> int:
        return 2

    @property
    def finished(self) -> bool:
        return False

    def next_event(self, until_ns: int) -> Event | int | None:
        if not self._arrived:
            self._now_ns = max(self._now_ns, until_ns)
            return None
        if isinstance(self._arrived[0], Crash):
            raise self._arrived[0]
        self._now_ns = max(self._now_ns, min(steady_ns(), until_ns))
        event = self._arrived.popleft()
        if isinstance(event, Event):
            return msgspec.structs.replace(event, ts_local_ns=self._now_ns)
        return self._apply(event)

    def _apply(self, record: Any) -> Event | None:
        record.head.ts_local_ns = self._now_ns
        pointer, was_synced = ffi.cast("ida_record *", record), self._market.synced
        changes = self._market.apply(pointer)
        if self._journal is not None:
            self._journal.check(lib.ida_journal_append(self._journal.pointer, pointer, 0))
        return state_change(self._market, changes, pointer, 0) if self._market.synced != was_synced else None

    async def wait(self, until_ns: int) -> None:
        with trio.move_on_after(max(0, until_ns - steady_ns()) / 1e9):
            await self._news.wait()
        self._news = trio.Event()

    def tell(self, event: Any) -> None:
        self._arrived.append(event)
        self._news.set()

    # ------------------------------------------------------------- the account

    def follow(self, orders: OrderTable) -> None:
        self._orders = orders

    async def work(self) -> None:
        self.house.told = self.tell
        try:
            self.look()
            if self.script is not None:
                await type(self).script(self)
            await trio.sleep_forever()
        finally:
            self.house.told = _to_nobody

    async def settle(self) -> None:
        await trio.lowlevel.checkpoint()
        self.settled += 1
        self._ask()

    def look(self) -> None:
        self.tell(VenueStatus(state="RECONCILING"))
        self._ask()
        self.tell(VenueStatus(state="HEALTHY"))

    def _ask(self) -> None:
        """What is not known of trades, of orders that are believed open and of others', and the balances."""
        known = self._orders
        since = known.last_trade_id(0) if known is not None else 0
        for trade in self.house.trades[since:]:
            self.tell(trade)
        for order in self.house.open():
            self.tell(self.house.status(order))
        for ours in known.open() if known is not None else ():
            self._ask_about(ours.order_id)
        self.tell(BalanceUpdate(balances=self.house.balances(), reason="SNAPSHOT"))

    def _ask_about(self, order_id: str) -> None:
        order = self.house.orders.get(order_id)
        if order is None:
            self.house.tell(order_id, X.STATUS, S.REJECTED, Side.BUY, reason="never arrived")
        else:
            self.tell(self.house.status(order))

    def end(self, why: str = "the test is over") -> None:
        self.tell(Note(what="stop", detail=why))

    def crash(self) -> None:
        self.tell(Crash())

    # ------------------------------------------------------------- requests

    def send(self, request: Any) -> None:
        house = self.house
        if isinstance(request, PlaceOrder):
            is_market = request.type is OrderType.MARKET
            house.place(request.order_id, request.side, request.quantity, None if is_market else request.price)
        elif isinstance(request, CancelOrder):
            house.cancel(request.order_id)
        elif isinstance(request, AmendOrder):
            house.amend(request.order_id, request.quantity)
        elif isinstance(request, ReplaceOrder):
            side = house.orders[request.order_id].side
            house.cancel(request.order_id)
            house.place(request.new_order_id, side, request.quantity, request.price)
        elif isinstance(request, CancelAll):
            for order in house.open():
                house.cancel(order.order_id)

    def balances(self) -> Mapping[str, tuple[Decimal, Decimal]]:
        return self.house.balances()

    def assumptions(self) -> Mapping[str, str]:
        return {"fees": f"{FEE} of what is paid"}

    def description(self) -> Mapping[str, Any]:
        return {"rates": {}, "chains": [0], "feeds": [], "live": {"feed": "house"}}

    def timings(self) -> Mapping[str, Mapping[str, float]]:
        return {}

    def warnings(self) -> Sequence[str]:
        return ()

    def close(self) -> None: ...


def _book(ts_ns: int) -> tuple[Any, ...]:
    bids, asks = {BID - k: 1_000_000 for k in range(3)}, {ASK + k: 1_000_000 for k in range(3)}
    whole = depth_record(lib.IDA_SNAPSHOT, 100, bids, asks, ts_ns)
    whole.head.flags = lib.IDA_FLAG_WHOLE
    return whole, depth_record(lib.IDA_DEPTH, 101, {}, {}, ts_ns)


def venues_of(house: House, script: Script | None = None, **more: Any) -> type[HouseVenue]:
    """A venue class on an exchange, and what is to happen in its run."""
    return type("HouseVenueOfTest", (HouseVenue,), {"house": house, "script": script, **more})


def only(found: Iterator[Any] | Sequence[Any]) -> Any:
    (one,) = found
    return one
