"""The gate before the venue: checks say no before a request is sent.

- **Cancels always pass.** Nothing that takes risk off waits for a check.
- **Closing** requests, which cannot enlarge the position even if everything open fills, pass a
  stale market, a venue that is not healthy, a halt and the limits of position and loss; limits
  against slips of the finger (quantity, notional, price, rate) hold for them too.
- **Worst case.** An order that is pending or ``UNKNOWN`` counts as filled where that is worse and
  as not filled where that is worse, until the venue has been asked; a replacement counts beside the
  order it replaces.
- A check that raises refuses, with the reason ``check_failed``; a halt that raises halts.
"""

from __future__ import annotations

import math
import os
from collections import Counter, deque
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec import structs

from ida_core.blame import MOST_SAID, own_line, words_of, writable
from ida_core.errors import FAILURES
from ida_core.events import (
    AmendOrder,
    AnyRequest,
    CancelAll,
    CancelOrder,
    OrderRequest,
    PlaceList,
    PlaceOrder,
    Refusal,
    ReplaceOrder,
)
from ida_core.making import place_of
from ida_core.model import Instrument, InstrumentKind, Side
from ida_core.order_rules import PAIRED, legs_at_most
from ida_core.order_table import OrderTable
from ida_core.portfolio import Portfolio
from ida_core.protocols import RiskCheck
from ida_core.timings import Callback, PluginTimes, timed

if TYPE_CHECKING:
    from ida_core.trace import Trace

DAY_NS = 86_400_000_000_000
HEALTHY = "HEALTHY"
_ZERO = Decimal(0)
#: Of so many requests one is timed, check by check.
TIMED_ONE_IN = 7
#: What takes risk off: no check is asked.
_CANCELS = (CancelOrder, CancelAll, AmendOrder)


class RiskState:
    """What checks may see.

    Args:
        instruments: of the run, by index.
        mid: the mid price of an instrument in ticks; None while its book has not two sides.
        trusted: whether an instrument's book is in step, and its venue healthy.

    ``equity``, ``peak_equity`` and ``day_start_equity`` (at the last UTC midnight, or the start)
    are in the portfolio's report currency and as of the last ``revalue``. ``venue_state``: what the
    venue last told of itself, ``HEALTHY`` before it told anything.
    """

    def __init__(
        self,
        instruments: Sequence[Instrument],
        orders: OrderTable,
        portfolio: Portfolio,
        mid: Callable[[int], float | None],
        trusted: Callable[[int], bool],
    ) -> None:
        self.instruments = instruments
        self.orders = orders
        self.portfolio = portfolio
        self.mid = mid
        self.trusted = trusted
        self.now_ns = 0
        self.venue_state = HEALTHY
        self.equity = self.peak_equity = self.day_start_equity = portfolio.capital
        self._day = -1
        self._beside: tuple[Sequence[PlaceOrder], int] = ((), 0)
        self._sent: deque[int] = deque()
        self._longest_ns = 0

    def revalue(self, now_ns: int) -> None:
        """Move the time and value everything at the present mids; asked before checks of loss."""
        self.now_ns = now_ns
        held = self.portfolio.accounts()
        self.equity = self.portfolio.equity({index: self.mid(index) for index in held})
        self.peak_equity = max(self.peak_equity, self.equity)
        day = now_ns // DAY_NS
        if day != self._day:
            if self._day >= 0:
                self.day_start_equity = self.equity
            self._day = day

    # --- what a request asks for ------------------------------------------------------------------

    def side(self, request: OrderRequest) -> Side:
        """The side; of a replacement, that of the order it replaces."""
        if isinstance(request, PlaceOrder):
            return request.side
        order = self.orders.get(request.order_id)
        return order.side if order is not None else Side.BUY

    def price_ticks(self, request: OrderRequest) -> float | None:
        """The limit price, else the stop price, else the mid; None when there is none of them."""
        if request.price is not None:
            return request.price
        stop = request.stop_price if isinstance(request, PlaceOrder) else None
        return stop if stop is not None else self.mid(request.instrument)

    def lots(self, request: OrderRequest) -> int:
        """Lots the request may add; of an order by quote quantity what it buys at the mid, rounded
        up."""
        if request.quantity or isinstance(request, ReplaceOrder):
            return request.quantity
        return self._lots_for(request.instrument, request.quote_quantity or _ZERO)

    def notional(self, request: OrderRequest) -> Decimal | None:
        """Value in quote units; None when there is no price to value it at."""
        if isinstance(request, PlaceOrder) and request.quote_quantity is not None:
            return request.quote_quantity
        instrument = self.instruments[request.instrument]
        ticks = self.price_ticks(request)
        if ticks is None and instrument.kind is not InstrumentKind.INVERSE:
            return None
        return instrument.notional(math.ceil(ticks or 0), request.quantity)

    def worst_position(self, instrument: int) -> tuple[int, int]:
        """The lowest and the highest position, in lots, that what is under way may lead to."""
        held = self.portfolio.account(instrument).lots
        buy, sell = self.orders.exposure(instrument)
        for order in self.orders.by_quote():
            if order.instrument == instrument and order.quote_quantity is not None:
                lots = self._lots_for(instrument, order.quote_quantity)
                buy, sell = (buy + lots, sell) if order.side is Side.BUY else (buy, sell + lots)
        for leg in self._beside[0]:
            buy, sell = (buy + leg.quantity, sell) if leg.side is Side.BUY else (buy, sell + leg.quantity)
        return held - sell, held + buy

    def open_orders(self, instrument: int) -> int:
        """How many orders may be live on it, pending and ``UNKNOWN`` ones counted."""
        return self.orders.open_count(instrument) + self._beside[1]

    def beside(self, legs: Sequence[PlaceOrder], orders: int) -> None:
        """Legs of a list, on its instrument, that count as placed while another leg of it is asked about, and how many
        orders they and their pairs are; none again where they are none."""
        self._beside = legs, orders

    def closing(self, request: OrderRequest) -> bool:
        """Whether the position cannot become larger or change sides by it, even if everything open
        fills. The venue sees to that for ``reduce_only`` on a perpetual; on spot the flag means
        nothing."""
        perpetual = self.instruments[request.instrument].kind is not InstrumentKind.SPOT
        if isinstance(request, PlaceOrder) and request.reduce_only and perpetual:
            return True
        low, high = self.worst_position(request.instrument)
        room = low if self.side(request) is Side.SELL else -high
        return 0 < self.lots(request) <= room

    def _lots_for(self, instrument: int, quote_quantity: Decimal) -> int:
        mid = self.mid(instrument)
        if not mid:
            return 0
        one = self.instruments[instrument].notional(1, 1)
        return math.ceil(float(quote_quantity) / (float(one) * mid))

    # --- how many were sent -----------------------------------------------------------------------

    def note_sent(self) -> None:
        """An order was approved now: it counts toward the rate."""
        if self._longest_ns:  # else nobody has asked yet
            self._sent.append(self.now_ns)
            self._prune()

    def recent_orders(self, window_ns: int) -> int:
        """Orders and replacements approved within the last ``window_ns``. Kept as far back as the
        longest window ever asked for."""
        if window_ns > self._longest_ns:
            self._longest_ns = window_ns
        self._prune()
        if window_ns == self._longest_ns:
            return len(self._sent) + self._beside[1]
        return sum(1 for sent in self._sent if sent > self.now_ns - window_ns) + self._beside[1]

    def _prune(self) -> None:
        sent, oldest_ns = self._sent, self.now_ns - self._longest_ns
        while sent and sent[0] <= oldest_ns:
            sent.popleft()


class RiskGate:
    """Asks every check about every request; see the rules above.

    Args:
        times: where the time of each check is kept, that of one request in seven.
        trace: tells of every question and answer.

    ``refused`` counts refusals by reason: the name of the check, ``stale_market``,
    ``venue_unhealthy``, ``halted`` or ``check_failed``.
    """

    def __init__(
        self, checks: Sequence[RiskCheck], state: RiskState, times: PluginTimes | None = None,
        trace: Trace | None = None,
    ) -> None:
        self.checks = tuple(checks)
        self.state = state
        times = PluginTimes(1) if times is None else times
        self._asked = [(c, _method(c, "check", trace)) for c in checks]
        self._timed = [(c, timed(ask, times.of(_plugin(c), TIMED_ONE_IN))) for c, ask in self._asked]
        self._countdown = 0
        self._halting = [
            (c, timed(_method(c, "halt", trace), times.of(_plugin(c)))) for c in checks
            if type(c).halt is not RiskCheck.halt]
        self.refused: Counter[str] = Counter()
        self.halted: tuple[str, str] | None = None

    def approve(self, request: AnyRequest) -> Refusal | None:
        """Return None to let the request pass, or why not. The state's time must be the present."""
        if isinstance(request, _CANCELS):
            return None
        refusal = self._judge_list(request) if isinstance(request, PlaceList) else self._judge(request)
        if refusal is None:
            for _ in range(len(request.legs) if isinstance(request, PlaceList) else 1):
                self.state.note_sent()
        else:
            self.refused[refusal.reason] += 1
        return refusal

    def _judge(self, request: OrderRequest) -> Refusal | None:
        return self._hold(request) or self._ask_all(request)

    def _judge_list(self, request: PlaceList) -> Refusal | None:
        """Leg by leg, the legs before it counted as if they were placed, a pair once; what is said against one is said
        against the list."""
        legs = legs_at_most(request)
        try:
            for number, leg in enumerate(legs):
                paired = number == len(legs) - 1 and request.kind in PAIRED
                self.state.beside(legs[: number - 1] if paired else legs[:number], number)
                refusal = self._judge(leg)
                if refusal is not None:
                    return structs.replace(refusal, request=request, detail=f"leg {leg.order_id}: {refusal.detail}")
        finally:
            self.state.beside((), 0)
        return None

    def halts(self) -> tuple[str, str] | None:
        """The check that stops the run and its sentence; the first one stays."""
        for check, halt in self._halting:
            if self.halted is not None:
                break
            try:
                sentence = halt(self.state)
            except FAILURES as error:  # a check that cannot tell is a reason to stop
                sentence = f"the check failed: {_named(error, check)}"
            if sentence is not None:
                self.halted = (check.name, _sentence(sentence, check, "halt"))
        return self.halted

    def _hold(self, request: OrderRequest) -> Refusal | None:
        state = self.state
        if self.halted is None and state.venue_state == HEALTHY and state.trusted(request.instrument):
            return None
        if state.closing(request):
            return None
        if self.halted is not None:
            return self._refuse(request, "risk", "halted", f"{self.halted[0]}: {self.halted[1]}")
        if state.venue_state != HEALTHY:
            sentence = f"the venue is {state.venue_state}: nothing is opened until it is {HEALTHY}"
            return self._refuse(request, "risk", "venue_unhealthy", sentence)
        name = state.instruments[request.instrument].name
        sentence = f"the book of {name} is not in step: nothing is opened on it"
        return self._refuse(request, "risk", "stale_market", sentence)

    def _ask_all(self, request: OrderRequest) -> Refusal | None:
        state, asked = self.state, self._asked
        self._countdown -= 1
        if self._countdown <= 0:
            self._countdown, asked = TIMED_ONE_IN, self._timed
        for check, ask in asked:
            try:
                sentence = ask(request, state)
            except FAILURES as error:  # any failure of a plugin refuses, and names it
                return self._refuse(request, check.name, "check_failed", _named(error, check))
            if sentence is not None:
                reason = check.name if sentence.__class__ is str else "check_failed"
                return self._refuse(request, check.name, reason, _sentence(sentence, check, "check"))
        return None

    def _refuse(self, request: OrderRequest, by: str, reason: str, detail: str) -> Refusal:
        return Refusal(
            ts_local_ns=self.state.now_ns,
            instrument=request.instrument,
            request=request,
            by=by,
            reason=reason,
            detail=detail,
        )


def _plugin(check: RiskCheck) -> str:
    return f"risk {check.name}"


def _method(check: RiskCheck, name: str, trace: Trace | None) -> Callback:
    method: Callback = getattr(check, name)
    return method if trace is None else trace.wrapped(_plugin(check), name, method)


def _named(error: BaseException, check: RiskCheck) -> str:
    frame = own_line(error, check)
    return f"{words_of(error)} ({os.path.basename(frame.filename)}:{frame.lineno})"


def _sentence(answer: object, check: RiskCheck, method: str) -> str:
    """What a check said; True or False would be understood by nobody, and by each otherwise."""
    if isinstance(answer, str):
        return writable(answer, MOST_SAID)
    place = place_of(getattr(check, method)).rpartition(os.sep)[2]
    return f"{method} returned {answer!r:.60}, which is neither None nor a sentence ({place})"
