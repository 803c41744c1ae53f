"""Binance spot as a venue: ``binance``, ``binance-testnet`` and ``binance-demo``. Its prices are its own live feed's.

Put together of the parts: the feed (``live``), the way there (``trading``), requests and reports (``order_manager``),
what nobody answered (``settling``), what the account holds (``reconcile``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec
import trio

from ida_binance.asking import trust
from ida_binance.calls import Call, Reply
from ida_binance.credentials import Credentials
from ida_binance.environments import LIVE, addresses
from ida_binance.key_sources import load_credentials
from ida_binance.live import FEEDS, BinanceConfig, BinanceFeed
from ida_binance.opening import Account, Asker, read_account
from ida_binance.order_limits import with_own_limits
from ida_binance.order_manager import OrderManager
from ida_binance.order_reports import OrderReports
from ida_binance.permissions import admit_key, read_permissions
from ida_binance.reconcile import Reconciler, Unanswered
from ida_binance.settling import Settling
from ida_binance.trading import Trading, TradingConfig
from ida_core import (
    AmendOrder,
    AnyRequest,
    AuthError,
    CancelAll,
    ConfigError,
    Event,
    IdaError,
    LiveMarketVenue,
    LiveSetup,
    Note,
    OrderTable,
    PlaceList,
    RequestSent,
    Timeline,
    VenueSetup,
    WorstCase,
)
from ida_core.clock import steady_ns
from ida_core.native import lib

#: How long ``settle`` waits for requests without an answer, and for the exchange's.
SETTLE_S = 30.0
#: How long orders may take to be cancelled when the prices have ended.
LEAVE_S = 10.0
_POLL_S, _AGAIN_S = 0.02, 1.0
#: Of the trades that a former run told, so many are asked for once more: one between them may have been missed.
TRADES_TAKEN = 1000


def open_venue(name: str, mode: str, setup: VenueSetup) -> BinanceVenue:
    """See ``BinanceSpot.build``."""
    refuse_feeds(name, setup)
    config = setup.config
    return BinanceVenue(name, mode, setup, load_credentials(
        name, config.key, config.passphrase, sealed=name == LIVE))


def refuse_feeds(name: str, setup: VenueSetup) -> None:
    """It has prices of its own: to trade on others would be to trade blind."""
    if setup.feed or setup.live is not None:
        raise ConfigError(
            f"exchange {name} brings its own prices: leave --feed out, or say --exchange sim to trade on it "
            "by simulation", code="IDA-E3000")


class BinanceVenue(LiveMarketVenue):
    """What the three environments share; see ``ida_core.Venue`` and ``ida_core.LiveVenue`` for the contract."""

    name: str
    mode: str

    def __init__(self, name: str, mode: str, setup: VenueSetup, credentials: Credentials) -> None:
        self.name, self.mode = name, mode
        self._config: BinanceConfig = setup.config
        self._duration_s = setup.duration_s
        self.account = credentials.fingerprint(name)
        self._about = f"{credentials.kind} {credentials.masked}"
        feed = next(kind for kind in FEEDS if kind.name == name)
        self._feed: BinanceFeed = feed.build(LiveSetup(
            config=setup.config, symbols=setup.symbols, instruments=setup.instruments))
        try:
            self._stand(credentials)
        except BaseException:
            self._feed.close()
            raise

    def _stand(self, credentials: Credentials) -> None:
        listed = self._listed_of_feed()
        timeline = Timeline(len(listed))
        for item in listed:
            timeline.add_instrument(item.chain, item.highest)
        self._stand_on(timeline, [item.instrument for item in listed])
        config, rest = self._config, self._feed.asked.rest
        asker = Asker(rest, credentials, config.recv_window_ms)
        admit_key(self.name, read_permissions(self.name, asker), withdrawals=config.allow_withdrawal_key,
                  any_ip=config.allow_any_ip)
        self._opening: Account = read_account(asker, self._instruments)
        own = self._opening.own_filters
        self._instruments = [with_own_limits(one, own.get(one.symbol)) for one in self._instruments]
        if not self._opening.can_trade:
            raise AuthError(f"{self.name}: this key may not trade; allow it on the exchange's page of keys")
        self._go_live()
        where = addresses(self.name, config.url)
        self._trading = Trading(
            where, credentials, rest.budget, _trading_config(config), on_event=self._on_event, on_state=self._on_state,
            context=trust(self.name, config.ca_file) if where.secure else None)  # fmt: skip
        self._assemble()

    def _assemble(self) -> None:
        config, reports, up = self._config, OrderReports(self._instruments), self._is_up
        self._reports = reports
        self._manager = OrderManager(reports, self._tell, self._trading.send)
        self._manager.balances = dict(self._opening.balances)
        self._settling = Settling(
            self._manager, reports, self._ask, config.recv_window_ms, up, config.ask_after_s)  # fmt: skip
        self._manager.doubts = self._settling
        self._reconciler = Reconciler(
            self._manager, self._settling, reports, self._ask, self._tell, up, every_s=config.reconcile_s,
            patience_s=config.patience_s)  # fmt: skip
        self._reconciler.baseline = dict(enumerate(self._opening.newest))
        self._manager.on_unreadable = self._on_unreadable
        self._manager.on_strange = self._reconciler.strange

    # ------------------------------------------------------------- requests

    def send(self, request: AnyRequest | PlaceList | AmendOrder) -> None:
        self._manager.request(request, steady_ns())

    def about_account(self) -> Mapping[str, str]:
        budget = self._feed.asked.rest.budget
        left, most = budget.left(steady_ns()), budget.least_limit
        return {"key": self._about, "weight": f"{left} of {most} may be used now, in the tightest window"}

    def follow(self, orders: OrderTable) -> None:
        """What is open by the run's own account: orders of ours from before are asked about at the first look."""
        for order in (*orders.open(), *orders.incomplete()):
            if not order.foreign:
                self._manager.known.adopt(order)
        trades = orders.newest_trades(TRADES_TAKEN)
        self._manager.known.tell_of(trades)
        for i, number, _ in reversed(trades):  # one between them may have been missed: the oldest is begun from
            if number >= 0:
                self._reconciler.baseline[i] = number - 1

    async def settle(self) -> None:
        """Have the last word on the account: what is in doubt is waited for, and all is asked for once more. Where the
        exchange does not answer within ``SETTLE_S``, what is not known stays so."""
        with trio.move_on_after(SETTLE_S):
            while self._trading.is_at_work and not self._settling.is_idle:
                await trio.sleep(_POLL_S)
            await self._last_look()

    async def _last_look(self) -> None:
        while self._trading.is_at_work:
            try:
                await self._reconciler.look()
                return
            except Unanswered:
                await trio.sleep(_AGAIN_S)

    # ------------------------------------------------------------- beside the engine

    async def work(self) -> None:
        parts = (self._trading.run, self._settling.run, self._reconciler.run)
        failures: list[IdaError] = []
        async with trio.open_nursery() as nursery:
            for part in parts:
                nursery.start_soon(_until_failure, part, failures, nursery.cancel_scope)
            try:
                await super().work()
            except IdaError as error:
                failures.append(error)
                await self._leave(str(error))
            nursery.cancel_scope.cancel()
        for failure in failures:
            raise failure

    async def _leave(self, why: str) -> None:
        """Without prices nobody can trade, and orders that nobody minds are not left behind."""
        self._reconciler.gap(why)
        self._manager.request(CancelAll(order_id="", ts_local_ns=steady_ns()), steady_ns())
        with trio.move_on_after(LEAVE_S):
            while self._manager.known.open() or not self._settling.is_idle:
                await trio.sleep(_POLL_S)
            await self._last_look()

    def _is_up(self) -> bool:
        return self._trading.is_up

    async def _ask(self, call: Call) -> Reply:
        return await self._trading.ask(call)

    def _on_event(self, event: dict[str, Any], received_ns: int) -> None:
        self._manager.on_event(event, received_ns)

    def _on_state(self, up: bool, why: str) -> None:
        if up:
            self._reconciler.want()
        else:
            self._reconciler.gap(why)

    def _on_unreadable(self, what: str) -> None:
        """It may have told something that is lost now."""
        self._tell(Note(ts_local_ns=steady_ns(), what="unreadable", plugin=self.name, detail=what[:200]))
        self._reconciler.want()

    def _tell(self, event: Event) -> None:
        """Deliver it in its turn, behind the market's records that came before it."""
        self._deliver(event, steady_ns())
        self._inlet.wake()

    def _happening(self, what: int) -> Event | None:
        told = super()._happening(what)
        if what == lib.IDA_AT_DELIVERY and told is not None and not isinstance(told, RequestSent):
            return _stamped(told, self.now_ns)
        return told

    # ------------------------------------------------------------- what a reader must know

    def balances(self) -> Mapping[str, tuple[Decimal, Decimal]]:
        return self._manager.balances

    def worst_cases(self) -> Sequence[WorstCase]:
        """None: what is over cannot be run again."""
        return ()

    def assumptions(self) -> Mapping[str, str]:
        rates = self._opening.rates
        told = ", ".join(f"{word} {rates[word]}" for word in ("maker", "taker") if word in rates)
        return {
            "latency": "the way to the exchange and back, as it is",
            "queue": "the exchange's own",
            "fees": f"as the exchange charges them ({told or 'rates not told'})",
            "fill": f"by {self.name}",
            "filters": "as the exchange lists them, and those in [instruments.SYMBOL]",
            **self._feed.assumptions(),
        }

    def description(self) -> Mapping[str, Any]:
        return {
            "rates": {}, "chains": [item.chain for item in self._feed.listed()], "feeds": [],
            "live": {"feed": self._feed.name, **self._feed.description()},
        }  # fmt: skip

    def timings(self) -> Mapping[str, Mapping[str, float]]:
        return self._feed.timings()

    def warnings(self) -> Sequence[str]:
        found = self._market_warnings()
        if self._manager.unreadable:
            found.append(f"{self._manager.unreadable} answers or events of {self.name} could not be read")
        if self._reports.off_grid:
            found.append(f"{self._reports.off_grid} prices or quantities of orders lay between the steps of their grid")
        return found

    def close(self) -> None:
        self._feed.close()


async def _until_failure(part: Any, failures: list[IdaError], scope: trio.CancelScope) -> None:
    """The first part that fails ends all."""
    try:
        await part()
    except IdaError as error:
        failures.append(error)
    scope.cancel()


def _stamped(event: Event, now_ns: int) -> Event:
    """With the time it is delivered at: so a replay tells it at the same."""
    return event if event.ts_local_ns == now_ns else msgspec.structs.replace(event, ts_local_ns=now_ns)


def _trading_config(config: BinanceConfig) -> TradingConfig:
    return TradingConfig(
        by=config.orders_by, timeout_s=config.timeout_s, wait_s=config.turn_s, recv_window_ms=config.recv_window_ms,
        heartbeat_s=config.heartbeat_s, pong_s=config.pong_s, lifetime_s=config.lifetime_s, attempts=config.attempts,
    )  # fmt: skip
