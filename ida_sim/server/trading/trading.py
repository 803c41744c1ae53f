"""All accounts and their orders, at one exchange: carries requests there, and notes and tells what it answers.

The exchange knows orders by names of our own: a client order id may change while its order lives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from itertools import count
from typing import NamedTuple, Protocol

from ida_core import (
    AnyRequest,
    BalanceUpdate,
    Execution,
    Instrument,
    OrderStatus,
    OrderType,
    OrderUpdate,
    PlaceList,
    PlaceOrder,
    TimeInForce,
)
from ida_sim.account import Account
from ida_sim.exchange import Exchange, Told
from ida_sim.fees import Fees
from ida_sim.matching import TimelinePlace
from ida_sim.server.keys import ApiKey
from ida_sim.server.texts import Texts
from ida_sim.server.trading.accounts import TradingAccount
from ida_sim.server.trading.events import Happened, account_position, execution_report, list_status
from ida_sim.server.trading.records import STOPS, Amendment, Fill, Order, OrderList, Prevented, Terms

#: What is told of an order's end by its own name; any other reason is none of Binance's.
EXPIRIES = frozenset({
    "REJECTED", "EXCHANGE_CANCELED", "OCO_TRIGGER", "OTO_PHASE_ONE_EXPIRED", "UNFILLED_IOC_QUANTITY_EXPIRED",
    "UNFILLED_FOK_ORDER_EXPIRED", "INSUFFICIENT_LIQUIDITY", "EXECUTION_RULE_PRICE_RANGE_EXCEEDED"})
#: What somebody has who fills a client's order because a fault asks for it, and how often he tries.
_PLENTY, _MOST_STEPS = Decimal(10**15), 1000
#: As which execution a report is told.
_TOLD_AS = {Execution.TRIGGERED: "NEW"}
_REFUSALS = frozenset({Execution.REJECTED, Execution.CANCEL_REJECTED, Execution.REPLACE_REJECTED})


class TradedSymbol(Protocol):
    """One symbol of the market, as trading needs it."""

    on_reports: Callable[[], None]

    @property
    def instrument(self) -> Instrument: ...
    @property
    def place(self) -> TimelinePlace: ...

    def publish_orders(self) -> None: ...


class TradedMarket(Protocol):
    @property
    def symbols(self) -> Mapping[str, TradedSymbol]: ...

    def now_ns(self) -> int: ...

    def wake(self) -> None: ...


class Listing:
    """One symbol, and what is counted of it."""

    def __init__(self, index: int, symbol: TradedSymbol) -> None:
        self.index, self.symbol, self.instrument = index, symbol, symbol.instrument
        self.texts = Texts(symbol.instrument)
        self.executions, self.prevented, self.allocations = count(1), count(0), count(0)


class Intent(NamedTuple):
    """An order that is on its way to the exchange: what the client calls it, and says of it."""

    client_id: str
    terms: Terms = Terms()


class Outcome:
    """What came of one request: orders that were touched, as they stand, and their trades; refusals."""

    def __init__(self) -> None:
        self.orders: list[Order] = []
        self.fills: list[Fill] = []
        self.refused: list[OrderUpdate] = []

    def fills_of(self, order: Order) -> list[Fill]:
        return [fill for fill in self.fills if fill.order is order]


class Trading:
    """Made before anything is traded.

    Args:
        market: what is traded; its matching engines answer.
        fees: of accounts that have none of their own.
    """

    def __init__(self, market: TradedMarket, fees: Fees) -> None:
        self.market, self.fees = market, fees
        self.listings = {name: Listing(i, symbol) for i, (name, symbol) in enumerate(market.symbols.items())}
        found = list(self.listings.values())
        self._listed = found
        self.exchange = Exchange(
            [each.instrument for each in found], [each.symbol.place for each in found], fees, own_numbers=True)
        #: All assets that are traded here.
        self.assets = sorted({asset for each in found for asset in (each.instrument.base, each.instrument.quote)})
        self.accounts: dict[int, TradingAccount] = {}
        self._names, self._lists, self._intents = count(1), count(0), dict[str, Intent]()
        self._somebody: int | None = None
        self._outcome: tuple[TradingAccount, Outcome] | None = None
        for each in found:
            each.symbol.on_reports = partial(self._hear, each.index)

    def open(self, name: str, keys: Sequence[ApiKey], balances: Mapping[str, Decimal], *, fees: Fees | None = None,
             group: TradingAccount | None = None) -> TradingAccount:
        """Open an account.

        Args:
            balances: what it has at first, by asset.
            group: another account, with which it shall not trade.
        Raises:
            ConfigError: a balance that cannot be.
        """
        number = self.exchange.open_account(
            Account(dict(balances)), fees=fees, group=None if group is None else group.number, tells_holds=True)
        together = -1
        if group is not None:
            together = group.group = group.number if group.group < 0 else group.group
        account = TradingAccount(name, keys, number, self, fees or self.fees, together)
        account.wallet.take_changes()
        account.shown = account.wallet.balances()
        self.accounts[number] = account
        return account

    # ------------------------------------------------------------- requests

    def name(self) -> str:
        """The next name of an order or a list, as the exchange is to know it."""
        return f"s{next(self._names)}"

    def handle(self, account: TradingAccount, request: AnyRequest | PlaceList,
               intents: Mapping[str, Intent] | None = None) -> Outcome:
        """Carry out a request.

        Args:
            intents: by its name at the exchange, of each order that it places.
        """
        listing, outcome = self._listed[request.instrument], Outcome()
        self._intents = dict(intents or {})
        self._outcome = account, outcome
        try:
            self._take(self.exchange.handle(account.number, request, listing.symbol.place.now_ns))
        finally:
            self._outcome = None
        listing.symbol.publish_orders()
        self.market.wake()
        return outcome

    def fill_half(self, order: Order) -> None:
        """Have somebody of no account here trade with half of what rests of an order, and with all that is before it;
        no half is filled that is too small to be an order."""
        listing, lots = self.listings[order.symbol], order.left // 2
        if not (lots and order.is_working and order.request.price):
            return
        before, side = order.executed, order.side.opposite
        resting = listing.symbol.place.matching.order(order.id)
        first = lots + (max(resting.ahead, 0) if resting is not None else 0)
        for lots_now in (first, *[lots] * _MOST_STEPS):
            request = PlaceOrder(
                instrument=listing.index, order_id=self.name(), side=side, type=OrderType.LIMIT, quantity=lots_now,
                price=order.request.price, tif=TimeInForce.IOC)
            told = self.exchange.handle(self._stranger(), request, listing.symbol.place.now_ns)
            self._take(told)
            if order.executed != before or not any(each.order for each in told):
                break

    def _stranger(self) -> int:
        """The number of an account that is nobody's."""
        if self._somebody is None:
            self._somebody = self.exchange.open_account(Account(dict.fromkeys(self.assets, _PLENTY)))
        return self._somebody

    def next_list(self) -> int:
        """The number of a new list."""
        return next(self._lists)

    def order_of(self, account: TradingAccount, symbol: str, request: PlaceOrder) -> Order | None:
        """The order that ``request`` was accepted as."""
        found = reversed(account.of(symbol).values())
        return next((order for order in found if order.request.order_id == request.order_id), None)

    # ------------------------------------------------------------- what the exchange tells

    def _hear(self, index: int) -> None:
        """The market has done something to orders."""
        self._take(self.exchange.reports(index))

    def _take(self, told: Sequence[Told]) -> None:
        pairs: dict[frozenset[int], Prevented] = {}
        lists: dict[tuple[int, int], bool] = {}  # account, list -> whether it was amended
        for each in told:
            account = self.accounts.get(each.account)
            if account is None:
                continue
            if isinstance(each.event, OrderUpdate):
                order = self._update(account, each, pairs)
                if order is not None and order.terms.list_id in account.lists:
                    key = account.number, order.terms.list_id
                    lists[key] = lists.get(key, False) or each.event.execution is Execution.REPLACED
            elif isinstance(each.event, BalanceUpdate):
                self._tell_position(account, each.event)
        for (number, found), is_amended in lists.items():
            self._tell_list(self.accounts[number], self.accounts[number].lists[found], is_amended)

    def _tell_position(self, account: TradingAccount, update: BalanceUpdate) -> None:
        """What was kept back and given back at once is no news."""
        changed = {asset: both for asset, both in update.balances.items() if account.shown.get(asset) != both}
        if changed:
            account.shown |= changed
            account.updated_ns = self.market.now_ns()
            account.tell(account_position(changed, account.updated_ns))

    def _tell_list(self, account: TradingAccount, found: OrderList, is_amended: bool) -> None:
        if not found.is_told:
            found.is_told = True
            account.tell(list_status(found, "EXEC_STARTED", self.market.now_ns()))
        elif is_amended:
            account.tell(list_status(found, "UPDATED", self.market.now_ns()))
        if not found.is_done and not any(order.is_open for order in found.orders):
            found.is_done = True
            account.tell(list_status(found, "ALL_DONE", self.market.now_ns()))

    def _update(self, account: TradingAccount, told: Told, pairs: dict[frozenset[int], Prevented]) -> Order | None:
        update = told.event
        assert isinstance(update, OrderUpdate)
        mine = self._outcome[1] if self._outcome and self._outcome[0] is account else Outcome()
        listing = self._listed[update.instrument]
        if told.order is None or update.execution in _REFUSALS:
            mine.refused.append(update)
            return None
        order = account.of(listing.instrument.symbol).get(told.order.number) or self._accepted(account, listing, told)
        if order not in mine.orders:
            mine.orders.append(order)
        intent = self._intents.get(update.order_id)
        what = Happened(_TOLD_AS.get(update.execution, update.execution), next(listing.executions),
                        self.market.now_ns(), order.client_id)
        if update.execution is Execution.TRADE:
            what = what._replace(fill=self._filled(account, order, told))
            mine.fills.append(account.fills_of(order.symbol)[-1])
        elif update.execution is Execution.TRADE_PREVENTION:
            what = what._replace(prevented=self._prevented(listing, order, told, pairs), lost=update.quantity)
        elif update.execution in (Execution.CANCELED, Execution.REPLACED) and intent is not None:
            what = what._replace(called=intent.client_id, former=order.client_id)
        former_lots = order.lots
        self._note(account, order, told, what.now_ns)
        if update.execution is Execution.REPLACED and intent is not None:
            self._amended(account, order, what, former_lots)
        account.tell(execution_report(order, what, listing.texts, account.group))
        return order

    def _amended(self, account: TradingAccount, order: Order, what: Happened, former_lots: int) -> None:
        account.amendments.append(Amendment(
            order, what.id, what.former, what.called, former_lots, order.lots, what.now_ns))
        order.amended += 1
        account.rename(order, what.called)

    def _accepted(self, account: TradingAccount, listing: Listing, told: Told) -> Order:
        """An order that nothing was told of before."""
        assert told.order is not None
        request, now_ns = told.order.request, self.market.now_ns()
        intent = self._intents.get(request.order_id) or Intent(request.order_id)
        order = Order(listing.instrument.symbol, told.order.number, request, intent.terms, intent.client_id,
                      request.quantity, now_ns, now_ns)
        account.add(order)
        if (found := account.lists.get(intent.terms.list_id)) is not None:
            found.orders.append(order)
        return order

    def _note(self, account: TradingAccount, order: Order, told: Told, now_ns: int) -> None:
        """Bring the order up to what is told of it."""
        update = told.event
        assert isinstance(update, OrderUpdate)
        assert told.order is not None
        order.request, order.status, order.updated_ns = told.order.request, update.status, now_ns
        order.lots, order.executed = update.order_quantity, update.cumulative
        waits = update.execution is Execution.NEW and order.request.type in STOPS and not order.is_working
        if not order.is_working and order.status is not OrderStatus.PENDING_NEW and not waits and (
                update.execution in (Execution.NEW, Execution.TRIGGERED, Execution.TRADE)):
            order.working_ns = now_ns
        if update.execution is Execution.TRADE_PREVENTION:
            order.prevented += update.quantity
        if update.execution is Execution.EXPIRED and update.reason in EXPIRIES:
            order.expiry = update.reason
        if not order.is_open:
            account.end(order)

    def _filled(self, account: TradingAccount, order: Order, told: Told) -> Fill:
        update = told.event
        assert isinstance(update, OrderUpdate)
        fill = Fill(update.trade_id, order, update.price, update.quantity, update.fee, update.fee_asset,
                    update.maker, self.market.now_ns(), told.counter)
        order.product += fill.price * fill.lots
        account.fills_of(order.symbol).append(fill)
        return fill

    def _prevented(self, listing: Listing, order: Order, told: Told,
                   pairs: dict[frozenset[int], Prevented]) -> Prevented | None:
        """What both orders of a prevented trade are told under; the one that has rested for longer is the maker."""
        update, key = told.event, frozenset((order.id, told.counter))
        assert isinstance(update, OrderUpdate)
        other = self._any_order(order.symbol, told.counter)
        if other is None:
            return None
        maker, taker = sorted((order, other), key=lambda each: (each.working_ns or 2**63, each.id))
        found = pairs.get(key)
        if found is None:
            found = pairs[key] = Prevented(
                next(listing.prevented), order.symbol, taker, maker, maker.request.price or 0, 0, 0,
                self.market.now_ns())
            for account in {each.number: each for each in self.accounts.values()
                            if maker.id in each.of(order.symbol) or taker.id in each.of(order.symbol)}.values():
                account.prevented.append(found)
        if order is maker:
            found.maker_lots = update.quantity
        else:
            found.taker_lots = update.quantity
        order.prevented_id = found.id
        return found

    def _any_order(self, symbol: str, number: int) -> Order | None:
        """Whosever it is."""
        orders = (account.of(symbol).get(number) for account in self.accounts.values())
        return next((order for order in orders if order is not None), None)
