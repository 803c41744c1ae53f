"""The adapter to Binance: decoders, streams, orders and accounts of its wire."""

from collections.abc import Sequence
from typing import Any

from ida_core.hooks import hookimpl


@hookimpl
def ida_recordings() -> Sequence[Any]:
    """Recorded Binance streams, a message a line."""
    from ida_binance.recording import BinanceRecording

    return [BinanceRecording()]


@hookimpl
def ida_venues() -> Sequence[Any]:
    """Binance spot, to trade on: ``binance``, ``binance-testnet``, ``binance-demo``."""
    from ida_binance.venues import VENUES

    return VENUES


@hookimpl
def ida_commands() -> Sequence[Any]:
    """``ida data``: check, import, ls; ``ida download``; ``ida record``; ``ida keys``; ``ida doctor``."""
    from ida_binance.data_commands import data
    from ida_binance.doctor_command import doctor
    from ida_binance.download_command import download
    from ida_binance.keys_command import keys
    from ida_binance.record_command import record

    return [data, doctor, download, keys, record]


@hookimpl
def ida_live_feeds() -> Sequence[Any]:
    """Binance spot as it happens: ``binance``, ``binance-testnet``, ``binance-demo``."""
    from ida_binance.live import FEEDS

    return FEEDS
