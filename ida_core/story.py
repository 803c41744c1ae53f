"""The story of one order, in words: what ``ida why RUN ORDER`` prints."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from ida_core.book import Market
from ida_core.events import (
    END_OF_DATA,
    AmendOrder,
    AnyRequest,
    CancelAll,
    CancelOrder,
    Event,
    Execution,
    OrderStatus,
    OrderUpdate,
    PlaceList,
    PlaceOrder,
    Refusal,
    ReplaceOrder,
    RequestSent,
    Trade,
)
from ida_core.fold import MAX_PRICE
from ida_core.journal import JournalReader
from ida_core.model import Instrument, plain
from ida_core.order import NO_PROOF
from ida_core.order_table import PLACING
from ida_core.records import event_of
from ida_core.run_notes import Start
from ida_core.stamps import steps

FILL_RULES = {
    "TOOK": "it took resting liquidity",
    "QUEUE_REACHED": "a trade at our price had used up the queue ahead",
    "TRADED_THROUGH": "the market traded through our price",
    "BOOK_CROSSED": "the other side's quotes reached our price",
    "MATCHED": "it was hit by another order",
}
"""The rules by which the simulated exchange makes a fill (``OrderUpdate.reason``), in words."""

BY_TRADES = ("QUEUE_REACHED", "TRADED_THROUGH")
PATIENCE_NS = 10_000_000_000
"""How long after a fill a trade is still taken for the one that shows it."""

END_RULES = {
    "INSUFFICIENT_LIQUIDITY": "the book had nothing more to give",
    "UNFILLED_IOC_QUANTITY_EXPIRED": "what an immediate-or-cancel order does not fill at once ends",
    "UNFILLED_FOK_ORDER_EXPIRED": "it could not be filled whole (fill-or-kill)",
    "SELF_TRADE_PREVENTION": "it would have traded with another order of ours",
    "REDUCE_ONLY": "it may only reduce the position, and by now it would have opened one",
    "OCO_TRIGGER": "the other order of the pair was filled or triggered",
    "OTO_PHASE_ONE_EXPIRED": "the order that it waited for ended",
    END_OF_DATA: "it arrived after the last event of the data, so nothing could answer it",
}
"""Why the simulated exchange ended an order (``OrderUpdate.reason``), in words; a refusal comes in words already."""

Line = tuple[int, str]


def tell_order(folder: Path, start: Start, order_id: str) -> list[Line]:
    """Return (local time in ns, sentence), oldest first; empty for an order nobody asked for."""
    story = Story(start, order_id)
    with JournalReader(folder, instruments=len(start.instruments)) as reader:
        for event in reader.scan(("request", "report", "refusal", "sent", "trade"), story.markets):
            if isinstance(event, Event):
                story.hear(event)
            elif story.awaits_trade:
                story.hear_trade(event)
    story.tell_chain()
    return story.lines


class Story:
    """Hears a run's events and keeps what concerns one order."""

    def __init__(self, start: Start, order_id: str) -> None:
        self.lines: list[Line] = []
        self.instruments = start.instruments
        self.markets = [Market(chain, MAX_PRICE) for chain in start.chains]
        self._order_id = order_id
        self._checks = ", ".join(start.risk)
        self._mode = start.mode
        self._asked_ns = self._sent_ns = 0
        self._list_id = self._replaces = ""
        self._waits = False
        self._chain: dict[str, int] = {}
        self._quantity = 0
        self._strategy = ""
        self._instrument = -1
        self._open = False
        self._fill_awaiting: OrderUpdate | None = None
        self._tellers: Mapping[type[Event], Callable[..., str | None]] = {
            PlaceOrder: self._place,
            ReplaceOrder: self._replace,
            PlaceList: self._place_list,
            AmendOrder: self._amend,
            CancelOrder: self._cancel,
            CancelAll: self._cancel_all,
            RequestSent: self._sent,
            OrderUpdate: self._update,
            Refusal: self._refusal,
        }

    @property
    def awaits_trade(self) -> bool:
        """A trade made a fill at the exchange, and has not reached us yet."""
        return self._fill_awaiting is not None

    def hear_trade(self, record: Any) -> None:
        """Take an ``ida_record *`` of a trade: maybe it is the one that shows the fill."""
        fill = self._fill_awaiting
        trade = event_of(record, record.instrument)
        if fill is None or not isinstance(trade, Trade) or trade.instrument != fill.instrument:
            return
        waited = trade.ts_local_ns - fill.ts_local_ns
        if waited <= PATIENCE_NS and (trade.off_book or not _reaches(trade.price, fill)):
            return
        self._fill_awaiting = None
        if waited <= PATIENCE_NS:
            text = (
                f"the market's trade that shows it reached us: {self._lots(trade.quantity)} at "
                f"{self._price(trade.price)}, {_milliseconds(waited)} after the fill was known"
            )
            self.lines.append((trade.ts_local_ns, text))

    def hear(self, event: Event) -> None:
        teller = self._tellers.get(type(event))
        text = teller(event) if teller else None
        if text:
            self.lines.append((event.ts_local_ns, text))

    # --- requests ---------------------------------------------------------------------------------

    def _place(self, request: PlaceOrder) -> str | None:
        if request.order_id != self._order_id:
            return None
        self._take(request, request.quantity)
        note = f" ({request.note})" if request.note else ""
        return (
            f"{request.strategy or 'somebody'} asked to {self._wanted(request)}{note}; "
            f"{self._market()}; {self._passed()}, sent"
        )

    def _place_list(self, request: PlaceList) -> str | None:
        """Any of its legs: what hangs together with it is told by id."""
        leg = next((leg for leg in request.legs if leg.order_id == self._order_id), None)
        if leg is None:
            return None
        self._take(leg, leg.quantity)
        self._list_id = request.order_id
        others = ", ".join(other.order_id for other in request.legs if other is not leg)
        return (
            f"{request.strategy or 'somebody'} asked to {self._wanted(leg)}, in the {request.kind.value} list "
            f"{request.order_id} with {others}; {self._market()}; {self._passed()}, sent"
        )

    def _amend(self, request: AmendOrder) -> str | None:
        if request.order_id != self._order_id:
            return None
        self._asked_ns = request.ts_local_ns
        return f"to be lowered to {self._lots(request.quantity)}, in its place; {self._market()}"

    def _take(self, request: AnyRequest, quantity: int) -> None:
        self._asked_ns, self._quantity = request.ts_local_ns, quantity
        self._strategy, self._instrument, self._open = request.strategy, request.instrument, True
        self._chain["requested"] = request.ts_local_ns

    def _passed(self) -> str:
        return f"passed the risk checks {self._checks}" if self._checks else "there were no risk checks"

    def _wanted(self, request: PlaceOrder) -> str:
        one = self.instruments[request.instrument]
        by_quote = "what was bought" if request.quote_quantity is None else f"for {request.quote_quantity} {one.quote}"
        amount = self._lots(request.quantity) if request.quantity else by_quote
        words = [
            request.side.value.lower(),
            amount,
            one.name,
            request.type.value,
            request.tif.value,
        ]
        if request.price is not None:
            words.append(f"at {self._price(request.price)}")
        if request.peg is not None:
            words.append(f"{request.peg.value} + {request.peg_offset} levels")
        if request.iceberg:
            words.append(f"{self._lots(request.iceberg)} shown")
        if request.trailing_delta:
            words.append(f"trailing by {request.trailing_delta} basis points")
        if request.stop_price is not None:
            words.append(f"when the market reaches {self._price(request.stop_price)}")
        return " ".join(words) + (", reduce-only" if request.reduce_only else "")

    def _replace(self, request: ReplaceOrder) -> str | None:
        if request.new_order_id == self._order_id:
            self._take(request, request.quantity)
            self._replaces = request.order_id
            return (
                f"asked for in place of {request.order_id}: {self._lots(request.quantity)} at "
                f"{self._price(request.price)}; {self._market()}; {self._passed()}, sent"
            )
        if request.order_id != self._order_id:
            return None
        self._asked_ns = request.ts_local_ns
        return (
            f"to be replaced by {request.new_order_id}: {self._lots(request.quantity)} at "
            f"{self._price(request.price)}; {self._market()}"
        )

    def _cancel(self, request: CancelOrder) -> str | None:
        if request.order_id != self._order_id:
            return None
        self._asked_ns = request.ts_local_ns
        return f"cancel sent; {self._market()}"

    def _cancel_all(self, request: CancelAll) -> str | None:
        reached = request.instrument in (-1, self._instrument) and request.strategy in (
            "",
            self._strategy,
        )
        if not self._open or not reached:
            return None
        self._asked_ns = request.ts_local_ns
        return f"cancel of all orders sent; {self._market()}"

    def _refusal(self, refusal: Refusal) -> str | None:
        request = refusal.request
        legs = request.legs if isinstance(request, PlaceList) else ()
        named = {request.order_id, getattr(request, "new_order_id", None), *(leg.order_id for leg in legs)}
        if self._order_id not in named:
            return None
        no = f"refused by {refusal.by} ({refusal.reason}): {refusal.detail}; not sent"
        if isinstance(request, PlaceOrder):
            self._instrument = request.instrument
            return f"asked to {self._wanted(request)}; {no}"
        return f"a request on it was {no}"

    def _sent(self, sent: RequestSent) -> str | None:
        """The bytes of a request on it, or on the list it is a leg of, or of the replacement by which it came."""
        placing = sent.what in PLACING
        by_another = (sent.what, sent.order_id) in (("place_list", self._list_id), ("replace", self._replaces))
        if sent.order_id != self._order_id and not by_another:
            return None
        if not placing or "accepted" not in self._chain:
            self._sent_ns = sent.ts_local_ns
        if placing and (by_another or sent.what != "replace"):
            told = {"decided": sent.decided_ns, "approved": sent.approved_ns, "sent": sent.ts_local_ns}
            self._chain.update({name: ns for name, ns in told.items() if ns})
        passed = sent.ts_local_ns - sent.decided_ns
        after = f", {_microseconds(passed)} after the decision" if sent.decided_ns else ""
        way = f" by {sent.by}" if sent.by else ""
        return f"the bytes of the request ({sent.what}) went to the exchange{way}{after}"

    def tell_chain(self) -> None:
        """The steps from the event to the first fill, at the end; only where the venue told when bytes left, which it
        may have known by a reply that came after a report."""
        self.lines.sort(key=lambda line: line[0])
        if "sent" in self._chain:
            told = [f"{word} {_microseconds(ns)}" if k else word for k, (word, ns) in enumerate(steps(self._chain))]
            self.lines.append((self.lines[-1][0], " → ".join(told)))

    # --- what the exchange said -------------------------------------------------------------------

    def _update(self, update: OrderUpdate) -> str | None:
        if update.order_id != self._order_id:
            return None
        self._instrument = update.instrument
        is_fill = update.execution is Execution.TRADE
        if is_fill:
            self._chain.setdefault("first_fill", update.ts_local_ns)
        if update.execution not in NO_PROOF:
            self._chain.setdefault("accepted", update.ts_local_ns)
        text = self._fill(update) if is_fill else self._word(update)
        self._sent_ns = 0
        self._open = update.leaves > 0 or update.status in (
            OrderStatus.NEW,
            OrderStatus.PARTIALLY_FILLED,
        )
        return text

    def _fill(self, update: OrderUpdate) -> str:
        rule = FILL_RULES.get(update.reason, update.reason)
        why = f", because {rule}" if rule else ""
        self._await_trade(update)
        role = "maker" if update.maker else "taker"
        fee = f"; fee {plain(update.fee)} {update.fee_asset}" if update.fee else "; no fee"
        whole = self._lots(update.order_quantity or self._quantity)
        return (
            f"filled {self._lots(update.quantity)} at {self._price(update.price)} "
            f"as {role}{why}{fee}; "
            f"{self._lots(update.cumulative)} of {whole} filled so far; trade {update.trade_id}, "
            f"{self._late(update)}; {self._market()}"
        )

    def _await_trade(self, fill: OrderUpdate) -> None:
        last = self.markets[fill.instrument].last_price
        seen = last is not None and _reaches(last, fill)
        self._fill_awaiting = fill if fill.reason in BY_TRADES and not seen else None

    def _word(self, update: OrderUpdate) -> str:
        reason = END_RULES.get(update.reason, update.reason)
        because = f": {reason}" if reason else ""
        if update.code:
            because += f" (code {update.code})"
        told: Callable[[OrderUpdate], str] = {
            Execution.NEW: self._accepted,
            Execution.CANCELED: lambda u: f"canceled{because}; {self._rest(u)}",
            Execution.EXPIRED: lambda u: f"expired{because}; {self._rest(u)}",
            Execution.REJECTED: lambda u: f"rejected{because}",
            Execution.UNANSWERED: lambda u: f"no answer in time{because}: its outcome is unknown",
            Execution.CANCEL_REJECTED: lambda u: f"the cancel was rejected{because}",
            Execution.REPLACE_REJECTED: lambda u: f"the replacement was rejected{because}",
            Execution.TRIGGERED: lambda u: f"triggered: the market reached its stop price{because}",
            Execution.REPLACED: lambda u: f"its quantity is another now{because}; {self._rest(u)}",
            Execution.TRADE_PREVENTION: lambda u: f"ended by self-trade prevention{because}; {self._rest(u)}",
        }.get(
            update.execution,
            lambda u: f"the exchange says it is {u.status.value}{because}; {self._rest(u)}",
        )
        return f"{told(update)}; {self._after(update)}"

    def _accepted(self, update: OrderUpdate) -> str:
        name = f" as exchange order {update.venue_order_id}" if update.venue_order_id else ""
        if update.status is OrderStatus.PENDING_NEW:
            self._waits = True
            return f"accepted{name}, to wait for another order of its list"
        if self._waits:
            self._waits = False
            return "works now: the order that it waited for is filled"
        queue = f"; {self._lots(update.ahead)} ahead of it in the queue" if update.ahead >= 0 else ""
        return f"accepted{name}{queue}"

    def _rest(self, update: OrderUpdate) -> str:
        whole = self._lots(update.order_quantity or self._quantity)
        return f"{self._lots(update.cumulative)} of {whole} were filled"

    # --- words ------------------------------------------------------------------------------------

    def _after(self, update: OrderUpdate) -> str:
        if not self._asked_ns:
            return self._late(update)
        waited = _milliseconds(update.ts_local_ns - self._asked_ns)
        sent = f", {_microseconds(update.ts_local_ns - self._sent_ns)} after its bytes" if self._sent_ns else ""
        return f"known {waited} after the request{sent}, {self._late(update)}"

    def _late(self, update: OrderUpdate) -> str:
        if not update.ts_venue_ns:
            return "the exchange gave no time"
        return f"{_milliseconds(update.ts_local_ns - update.ts_venue_ns)} after the exchange's stamp"

    def _one(self) -> Instrument:
        return self.instruments[max(0, self._instrument)]

    def _price(self, ticks: int) -> str:
        return plain(self._one().price(ticks))

    def _lots(self, lots: int) -> str:
        return plain(self._one().quantity(lots))

    def _market(self) -> str:
        """The market as it stood for us then."""
        market = self.markets[max(0, self._instrument)]
        book = market.book
        if not market.synced or book.bid is None or book.ask is None:
            return "there was no book in step"
        told = (
            f"the market: {self._lots(book.bid_quantity)} bid at {self._price(book.bid)}, "
            f"{self._lots(book.ask_quantity)} offered at {self._price(book.ask)}"
        )
        if market.last_price is not None:
            last = self._lots(market.last_quantity), self._price(market.last_price)
            told += f", last trade {last[0]} at {last[1]}"
        return told


def _reaches(price: int, fill: OrderUpdate) -> bool:
    """A trade at ``price`` (ticks) is at or through the price of the fill."""
    return fill.side.sign * (fill.price - price) >= 0


def _milliseconds(ns: int) -> str:
    return f"{plain(round(Decimal(ns) / 1_000_000, 3))} ms"


def _microseconds(ns: int) -> str:
    return f"{plain(round(Decimal(ns) / 1000, 1))} µs"
