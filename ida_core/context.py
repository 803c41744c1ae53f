"""What a strategy is given: one instrument, its book, its own position and orders, and the requests it may make."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from random import Random
from typing import TYPE_CHECKING

from ida_core.book import Book, Market
from ida_core.clock import NS
from ida_core.events import AmendOrder, CancelOrder, OrderStatus, PlaceList, PlaceOrder, ReplaceOrder, Timer
from ida_core.model import Instrument, ListKind, OrderType, PegPrice, SelfTradePrevention, Side, TimeInForce
from ida_core.order import Order
from ida_core.portfolio import Position
from ida_core.protocols import Strategy

if TYPE_CHECKING:
    from ida_core.engine import Engine

#: The greatest price in ticks and quantity in lots that can be asked for.
MOST = 1 << 62
#: The longest note of an order, in characters.
MOST_NOTED = 1000
_LIMIT_MAKER, _PENDING_CANCEL = OrderType.LIMIT_MAKER, OrderStatus.PENDING_CANCEL
_KINDS: Mapping[str, type[Enum]] = {"side": Side, "type": OrderType, "tif": TimeInForce, "stp": SelfTradePrevention}


class Context:
    """One strategy on one instrument. Prices are ticks, quantities lots, times ns; see ``instrument`` for the grid.

    Attributes:
        instrument: what is traded, with its grid; ``index`` is its number in the run.
        book: best bid and ask, levels, imbalance; only to be trusted while ``market.synced``.
        market: last trade price, mark price, counts.
        orders: this strategy's open orders on this instrument, by client order id; follows every change.
        position: what this strategy holds of the instrument, by its own fills.
        random: seeded from the run's seed and the strategy's name.
    """

    __slots__ = ("_engine", "_new_id", "_others", "_venue", "book", "index", "instrument", "market", "orders",
                 "position", "random", "strategy")

    def __init__(self, engine: Engine, strategy: Strategy, index: int, random: Random) -> None:
        self._engine = engine
        self._venue = engine.venue
        self._new_id = engine.orders.new_id
        self._others: dict[str, Context] = {}
        self.strategy = strategy
        self.index = index
        self.instrument: Instrument = engine.instruments[index]
        self.market: Market = engine.venue.market(index)
        self.book: Book = self.market.book
        self.orders: Mapping[str, Order] = engine.orders.open_view(strategy.name, index)
        self.position: Position = engine.portfolio.position(strategy.name, index)
        self.random = random

    @property
    def now_ns(self) -> int:
        """The time of the event that is being handled."""
        return self._venue.now_ns

    def other(self, name: str) -> Context:
        """The same strategy's context of another instrument of the run."""
        return self._others[name]

    def place(
        self, side: Side, quantity: int, price: int | None = None, *, type: OrderType = OrderType.LIMIT,
        tif: TimeInForce = TimeInForce.GTC, post_only: bool = False, stop_price: int | None = None,
        quote_quantity: Decimal | None = None, reduce_only: bool = False,
        stp: SelfTradePrevention = SelfTradePrevention.EXPIRE_MAKER, note: str = "", iceberg: int = 0,
        trailing_delta: int = 0, peg: PegPrice | None = None, peg_offset: int = 0, smart: bool = False,
    ) -> str | None:
        """Ask for an order; returns its client order id, or None if risk refused it (the journal says why).

        Args:
            quantity: lots; 0 with ``quote_quantity`` (MARKET by value, in quote units).
            price: ticks; None for MARKET and for stops that become market orders.
            post_only: LIMIT_MAKER: rejected rather than taking liquidity.
            note: why, for the journal; at most 1,000 characters.
            iceberg: lots that are shown at a time; 0: all of them.
            trailing_delta: of a stop, how far it follows the last price, in basis points.
            peg: the price is taken from the book when the order enters it, ``peg_offset`` levels deeper; no ``price``.
            smart: by the exchange's smart order routing.
        Raises:
            TypeError: a quantity or price that is no whole number of lots or ticks, a value that is no
                ``Decimal``, or a word in the place of ``Side.BUY`` and the like.
            ValueError: a number beyond all bounds.
        """
        if (
            quantity.__class__ is not int or not 0 <= quantity <= MOST
            or price.__class__ is not int or not 0 <= price <= MOST
            or side.__class__ is not Side or type.__class__ is not OrderType or tif.__class__ is not TimeInForce
            or stp.__class__ is not SelfTradePrevention or stop_price is not None or quote_quantity is not None
            or reduce_only.__class__ is not bool or note.__class__ is not str or len(note) > MOST_NOTED
            or not note.isascii()
        ):  # what most orders are need not be looked at part by part
            _check_numbers(quantity, price, stop_price, quote_quantity)
            _check_kinds(side=side, type=type, tif=tif, stp=stp)
            _check_words(note, reduce_only)
        if (
            iceberg.__class__ is not int or trailing_delta.__class__ is not int or peg_offset.__class__ is not int
            or smart is not False or peg is not None or iceberg or trailing_delta or peg_offset
        ):
            _check_special(iceberg, trailing_delta, peg, peg_offset, smart)
        order_id = self._new_id()
        sent = self._engine.request(PlaceOrder(
            order_id=order_id, strategy=self.strategy.name, instrument=self.index,
            ts_local_ns=self._venue.now_ns, side=side, type=_LIMIT_MAKER if post_only else type,
            quantity=quantity, price=price, stop_price=stop_price, quote_quantity=quote_quantity, tif=tif,
            stp=stp, reduce_only=reduce_only, note=note, iceberg=iceberg, trailing_delta=trailing_delta, peg=peg,
            peg_offset=peg_offset, smart=smart,
        ))
        return order_id if sent else None

    def leg(
        self, side: Side, quantity: int, price: int | None = None, *, type: OrderType = OrderType.LIMIT,
        tif: TimeInForce = TimeInForce.GTC, stop_price: int | None = None,
        stp: SelfTradePrevention = SelfTradePrevention.EXPIRE_MAKER, note: str = "", iceberg: int = 0,
        trailing_delta: int = 0, peg: PegPrice | None = None, peg_offset: int = 0,
    ) -> PlaceOrder:
        """An order for ``place_list``, not sent by itself; the arguments are those of ``place``. The quantity is 0 for
        what is to sell what another leg bought.

        Raises:
            TypeError, ValueError: as ``place``.
        """
        _check_numbers(quantity, price, stop_price, None)
        _check_kinds(side=side, type=type, tif=tif, stp=stp)
        _check_words(note, reduce_only=False)
        _check_special(iceberg, trailing_delta, peg, peg_offset, smart=False)
        return PlaceOrder(
            order_id=self._new_id(), strategy=self.strategy.name, instrument=self.index, ts_local_ns=self.now_ns,
            side=side, type=type, quantity=quantity, price=price, stop_price=stop_price, tif=tif, stp=stp, note=note,
            iceberg=iceberg, trailing_delta=trailing_delta, peg=peg, peg_offset=peg_offset)

    def place_list(self, kind: ListKind, *legs: PlaceOrder) -> tuple[str, ...] | None:
        """Ask for orders that hang together; returns the legs' ids in their order, or None if they were refused.

        ``ctx.place_list(ListKind.OCO, ctx.leg(above), ctx.leg(below))``: see ``ida_core.ListKind`` and ``PlaceList``
        for the kinds and the order of the legs. The list's own id is each leg's ``list_id``.

        Raises:
            TypeError: no kind of list, or a leg that ``leg`` did not make.
        """
        if kind.__class__ is not ListKind:
            raise TypeError(f"kind = {kind!r:.60} must be a ListKind, such as {ListKind.OCO!s}")
        for one in legs:
            if one.__class__ is not PlaceOrder:
                raise TypeError(f"leg {one!r:.60} must be what leg() returned")
        sent = self._engine.request(PlaceList(
            order_id=self._new_id(), strategy=self.strategy.name, instrument=self.index, ts_local_ns=self.now_ns,
            kind=kind, legs=legs))
        return tuple(one.order_id for one in legs) if sent else None

    def amend(self, order_id: str, quantity: int) -> bool:
        """Ask to lower an order to ``quantity`` lots in all; it keeps its id and its place in the queue. False if it
        was refused."""
        _check_id(order_id)
        _given("quantity", quantity)
        _whole("quantity", quantity, "lots")
        return self._engine.request(AmendOrder(
            order_id=order_id, quantity=quantity, strategy=self.strategy.name, instrument=self.index,
            ts_local_ns=self.now_ns))

    def cancel(self, order_id: str) -> bool:
        """Ask to cancel; False if the order is not open or a cancel is under way already.

        Raises:
            TypeError: no client order id; of an order that was refused ``place`` returns None.
        """
        _check_id(order_id)
        return self._engine.request(CancelOrder(
            order_id=order_id, strategy=self.strategy.name, instrument=self.index, ts_local_ns=self.now_ns))

    def replace(self, order_id: str, quantity: int, price: int) -> str | None:
        """Cancel and place anew; returns the new client order id, or None if it was refused."""
        _check_id(order_id)
        _given("quantity", quantity)
        _given("price", price)
        _whole("quantity", quantity, "lots")
        _whole("price", price, "ticks")
        new_id = self._engine.orders.new_id()
        sent = self._engine.request(ReplaceOrder(
            order_id=order_id, new_order_id=new_id, quantity=quantity, price=price,
            strategy=self.strategy.name, instrument=self.index, ts_local_ns=self.now_ns))
        return new_id if sent else None

    def cancel_all(self) -> None:
        """Ask to cancel all of this strategy's open orders on this instrument."""
        for order_id, order in list(self.orders.items()):
            if not (order.list_id and order.status is _PENDING_CANCEL):  # a leg, asked for with another one
                self.cancel(order_id)

    def set_timer(self, delay_s: float) -> int:
        """``on_timer`` once, ``delay_s`` from now; returns the timer's id."""
        return self._set_timer(round(delay_s * NS), repeat=False)

    def every(self, interval_s: float) -> int:
        """``on_timer`` again and again, first ``interval_s`` from now."""
        return self._set_timer(round(interval_s * NS), repeat=True)

    def cancel_timer(self, timer_id: int) -> None:
        self._engine.timers.cancel(timer_id)

    def log(self, text: str) -> None:
        """A line in the run's log, under this strategy's name."""
        self._engine.log.info("strategy", plugin=self.strategy.name, ts_ns=self.now_ns, text=text)

    def _set_timer(self, interval_ns: int, repeat: bool) -> int:
        if interval_ns <= 0:
            raise ValueError(f"a timer's delay must be above 0 s, got {interval_ns / NS}")

        def fire(timer_id: int, due_ns: int) -> None:
            self._engine.on_timer(self, Timer(
                ts_local_ns=self.now_ns, instrument=self.index, strategy=self.strategy.name,
                timer_id=timer_id, due_ns=due_ns))

        return self._engine.timers.set(self.now_ns + interval_ns, fire, interval_ns if repeat else 0)


def _check_numbers(quantity: int, price: int | None, stop_price: int | None, quote_quantity: Decimal | None) -> None:
    _given("quantity", quantity)
    _whole("quantity", quantity, "lots")
    _whole("price", price, "ticks")
    _whole("stop_price", stop_price, "ticks")
    _check_value(quote_quantity)


def _given(name: str, value: object) -> None:
    if value is None:
        raise TypeError(f"{name} is None, and must be given")


def _whole(name: str, value: object, unit: str) -> None:
    """A float or Decimal here would be a price that may lie on no grid."""
    if value is None:
        return
    if value.__class__ is not int:
        raise TypeError(
            f"{name} = {value!r} must be whole {unit}, an int: see instrument.{unit}() and floor_to_{unit[:-1]}()")
    if not -MOST <= value <= MOST:
        raise ValueError(f"{name} = {value} {unit}: beyond all bounds, the most is {MOST}")


def _check_words(note: object, reduce_only: object) -> None:
    """They stand in the journal, which another program must be able to read."""
    if not isinstance(note, str):
        raise TypeError(f"note = {note!r:.60} must be a str")
    if len(note) > MOST_NOTED:
        raise ValueError(f"note has {len(note)} characters: the most is {MOST_NOTED}")
    try:
        note.encode()
    except UnicodeEncodeError:
        raise ValueError(f"note = {note!r:.60} has a character that UTF-8 has not") from None
    if reduce_only.__class__ is not bool:
        raise TypeError(f"reduce_only = {reduce_only!r:.60} must be True or False")


def _check_special(iceberg: object, trailing_delta: object, peg: object, peg_offset: object, smart: object) -> None:
    for name, value in (("iceberg", iceberg), ("trailing_delta", trailing_delta), ("peg_offset", peg_offset)):
        _given(name, value)
        _whole(name, value, {"iceberg": "lots", "peg_offset": "levels"}.get(name, "basis points"))
    if peg is not None and peg.__class__ is not PegPrice:
        raise TypeError(f"peg = {peg!r:.60} must be a PegPrice, such as {PegPrice.PRIMARY_PEG!s}")
    if smart.__class__ is not bool:
        raise TypeError(f"smart = {smart!r:.60} must be True or False")


def _check_id(order_id: object) -> None:
    if not isinstance(order_id, str) or not order_id.isascii():
        raise TypeError(f"order_id = {order_id!r:.60} must be a client order id, as place returned it")


def _check_kinds(**given: object) -> None:
    """A word that looks like its enum would pass many comparisons, and fail those by identity."""
    for name, value in given.items():
        if value.__class__ is not _KINDS[name]:
            wanted = _KINDS[name]
            raise TypeError(f"{name} = {value!r} must be a {wanted.__name__}, such as {next(iter(wanted))!s}")


def _check_value(quote_quantity: object) -> None:
    if quote_quantity is None:
        return
    if not isinstance(quote_quantity, Decimal):
        raise TypeError(f"quote_quantity = {quote_quantity!r} must be a Decimal, in quote units")
    if not (quote_quantity.is_finite() and abs(quote_quantity) <= MOST):
        raise ValueError(f"quote_quantity = {quote_quantity}: must be a number up to {MOST}")
