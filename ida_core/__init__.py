"""Ida's public names, each imported when first used: ``ida --version`` pays for none of them."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ida_core.book import Book as Book, Market as Market
    from ida_core.context import Context as Context
    from ida_core.errors import (
        AuthError as AuthError,
        BookGap as BookGap,
        ConfigError as ConfigError,
        DataError as DataError,
        IdaError as IdaError,
        OffGrid as OffGrid,
        OrderStateError as OrderStateError,
        OutcomeUnknown as OutcomeUnknown,
        OutputError as OutputError,
        PluginError as PluginError,
        RateLimited as RateLimited,
        RequestRejected as RequestRejected,
        RiskHalt as RiskHalt,
        UsageError as UsageError,
        VenueError as VenueError,
        VenueUnavailable as VenueUnavailable,
    )
    from ida_core.events import (
        END_OF_DATA as END_OF_DATA,
        AmendOrder as AmendOrder,
        AnyRequest as AnyRequest,
        BalanceUpdate as BalanceUpdate,
        Bar as Bar,
        CancelAll as CancelAll,
        CancelOrder as CancelOrder,
        Event as Event,
        Execution as Execution,
        FundingPayment as FundingPayment,
        Mark as Mark,
        MarketState as MarketState,
        Note as Note,
        OrderRequest as OrderRequest,
        OrderStatus as OrderStatus,
        OrderUpdate as OrderUpdate,
        PlaceList as PlaceList,
        PlaceOrder as PlaceOrder,
        Quote as Quote,
        Refusal as Refusal,
        ReplaceOrder as ReplaceOrder,
        Request as Request,
        RequestSent as RequestSent,
        Signal as Signal,
        Timer as Timer,
        Trade as Trade,
        Transfer as Transfer,
        VenueStatus as VenueStatus,
    )
    from ida_core.feed import (
        Feed as Feed,
        FeedInstrument as FeedInstrument,
        FeedMeta as FeedMeta,
        FeedSource as FeedSource,
        FeedWriter as FeedWriter,
        clock_offset as clock_offset,
        open_recording as open_recording,
    )
    from ida_core.hooks import hookimpl as hookimpl
    from ida_core.inlet import Inlet as Inlet
    from ida_core.ledger import Ledger as Ledger
    from ida_core.model import (
        Filters as Filters,
        Instrument as Instrument,
        InstrumentKind as InstrumentKind,
        ListKind as ListKind,
        OrderType as OrderType,
        PegPrice as PegPrice,
        SelfTradePrevention as SelfTradePrevention,
        Side as Side,
        TimeInForce as TimeInForce,
        plain as plain,
    )
    from ida_core.nearest import suggestion as suggestion
    from ida_core.order import Order as Order
    from ida_core.order_table import OrderTable as OrderTable
    from ida_core.portfolio import Portfolio as Portfolio, Position as Position
    from ida_core.protocols import (
        API_LEVEL as API_LEVEL,
        FeedPlugin as FeedPlugin,
        Listed as Listed,
        LiveFeed as LiveFeed,
        LiveSetup as LiveSetup,
        LiveVenue as LiveVenue,
        NoConfig as NoConfig,
        Plugin as Plugin,
        Recording as Recording,
        Reporter as Reporter,
        ReportPanel as ReportPanel,
        RiskCheck as RiskCheck,
        Strategy as Strategy,
        Subscription as Subscription,
        TradingVenue as TradingVenue,
        Venue as Venue,
        VenueSetup as VenueSetup,
        WorstCase as WorstCase,
    )
    from ida_core.recorded_files import read_head as read_head, recording_files as recording_files
    from ida_core.recorder import Recorder as Recorder, RecorderState as RecorderState
    from ida_core.records import (
        event_of as event_of,
        event_reader as event_reader,
        silence as silence,
        state_change as state_change,
        watch_bits as watch_bits,
    )
    from ida_core.report import (
        FillRow as FillRow,
        OrderRow as OrderRow,
        Report as Report,
        Samples as Samples,
    )
    from ida_core.risk import RiskGate as RiskGate, RiskState as RiskState
    from ida_core.timeline import Timeline as Timeline
    from ida_core.timeline_venue import LiveMarketVenue as LiveMarketVenue, TimelineVenue as TimelineVenue

__version__ = "0.1.0"

_HOMES = {
    "book": ("Book", "Market"),
    "context": ("Context",),
    "feed": ("Feed", "FeedInstrument", "FeedMeta", "FeedSource", "FeedWriter", "clock_offset", "open_recording"),
    "errors": (
        "AuthError", "BookGap", "ConfigError", "DataError", "IdaError", "OffGrid",
        "OrderStateError", "OutcomeUnknown", "OutputError", "PluginError", "RateLimited",
        "RequestRejected", "RiskHalt", "UsageError", "VenueError", "VenueUnavailable",
    ),
    "events": (
        "END_OF_DATA", "AmendOrder", "AnyRequest", "BalanceUpdate", "Bar", "CancelAll", "CancelOrder", "Event",
        "Execution", "FundingPayment", "Mark", "MarketState", "Note", "OrderRequest", "OrderStatus", "OrderUpdate",
        "PlaceList", "PlaceOrder", "Quote", "Refusal", "ReplaceOrder", "Request", "RequestSent", "Signal", "Timer",
        "Trade", "Transfer", "VenueStatus",
    ),
    "hooks": ("hookimpl",),
    "inlet": ("Inlet",),
    "ledger": ("Ledger",),
    "model": (
        "Filters", "Instrument", "InstrumentKind", "ListKind", "OrderType", "PegPrice", "SelfTradePrevention", "Side",
        "TimeInForce", "plain",
    ),
    "order": ("Order",),
    "order_table": ("OrderTable",),
    "portfolio": ("Portfolio", "Position"),
    "protocols": (
        "API_LEVEL", "FeedPlugin", "Listed", "LiveFeed", "LiveSetup", "LiveVenue", "NoConfig", "Plugin", "Recording",
        "ReportPanel", "Reporter", "RiskCheck", "Strategy", "Subscription", "TradingVenue", "Venue", "VenueSetup",
        "WorstCase",
    ),
    "report": ("FillRow", "OrderRow", "Report", "Samples"),
    "risk": ("RiskGate", "RiskState"),
    "nearest": ("suggestion",),
    "recorded_files": ("read_head", "recording_files"),
    "recorder": ("Recorder", "RecorderState"),
    "records": ("event_of", "event_reader", "silence", "state_change", "watch_bits"),
    "timeline": ("Timeline",),
    "timeline_venue": ("LiveMarketVenue", "TimelineVenue"),
}
_HOME_OF = {name: f"ida_core.{module}" for module, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'ida_core' has no public name {name!r}")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
