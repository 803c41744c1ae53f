"""What the server writes is what the adapter reads: two readings of the same documents, neither made from the other."""

import json
from decimal import Decimal
from typing import Any

from binance_wire import decode
from hypothesis import given, strategies as st
from native_records import depth

from ida_binance.decoder import Decoder, Grid
from ida_core import Instrument
from ida_core.native import ffi, lib
from ida_sim.server.wire import Envelope, Wire, text_frame

MS = 1_000_000
ids = st.integers(1, 2**53)
prices = st.integers(1, 10**11)
lots = st.integers(0, 10**12)
levels = st.lists(st.tuples(prices, lots), max_size=30, unique_by=lambda level: level[0])
steps = st.sampled_from([Decimal(1), Decimal("0.01"), Decimal("0.05"), Decimal("0.00000001"), Decimal("2.5")])
times = st.integers(1_700_000_000_000, 1_900_000_000_000)


class Ends:
    """Both ends of a wire, for one grid."""

    def __init__(self, tick: Decimal, lot: Decimal) -> None:
        self.wire = Wire(Instrument(symbol="BTCUSDT", base="BTC", quote="USDT", tick_size=tick, lot_size=lot))
        self.decoder = Decoder({"BTCUSDT": Grid(tick, lot)})

    def carry(self, record: Any, stream: str, event_ms: int = 0, trade_ms: int = 0) -> dict[str, Any]:
        envelope = Envelope(stream, framed=False)
        text = self.wire.record(ffi.cast("ida_record *", record), envelope, event_ms * MS, trade_ms * MS)
        json.loads(text)
        found = decode(text, self.decoder)
        assert isinstance(found, dict), (found, text)
        return found


@given(steps, steps, st.integers(1, 2**52), levels, levels, times)
def test_depth(tick: Decimal, lot: Decimal, first: int, bids: Any, asks: Any, time: int) -> None:
    found = Ends(tick, lot).carry(depth(first + 7, bids, asks, first_id=first), "btcusdt@depth@100ms", time)
    assert (found["first_id"], found["last_id"]) == (first, first + 7)
    assert (found["bids"], found["asks"]) == (bids, asks)
    assert found["ts_venue_ns"] == time * MS


@given(steps, steps, ids, prices, lots.filter(bool), st.booleans(), st.booleans(), times)
def test_trade(
    tick: Decimal, lot: Decimal, number: int, price: int, quantity: int, sold: bool, aggregate: bool, time: int,
) -> None:
    flags = sold * lib.IDA_FLAG_BUYER_IS_MAKER | aggregate * lib.IDA_FLAG_AGGREGATE
    trade = ffi.new("ida_trade *", {
        "head": {"kind": lib.IDA_TRADE, "flags": flags}, "trade_id": number, "price": price, "quantity": quantity,
        "first_trade_id": number + 1 if aggregate else number, "last_trade_id": number + 3 if aggregate else number})
    stream = "btcusdt@aggTrade" if aggregate else "btcusdt@trade"
    found = Ends(tick, lot).carry(trade, stream, time + 1, time)
    names = ("flags", "trade_id", "price", "quantity", "first_trade_id", "last_trade_id", "ts_venue_ns")
    assert [found[name] for name in names] == [
        flags, number, price, quantity, trade.first_trade_id, trade.last_trade_id, time * MS]


@given(steps, steps, ids, prices, lots, prices, lots)
def test_quote(tick: Decimal, lot: Decimal, number: int, bid: int, bids: int, ask: int, asks: int) -> None:
    quote = ffi.new("ida_quote *", {
        "head": {"kind": lib.IDA_QUOTE}, "update_id": number, "bid": bid, "bid_quantity": bids + 1, "ask": ask,
        "ask_quantity": asks + 1})
    found = Ends(tick, lot).carry(quote, "btcusdt@bookTicker")
    names = ("update_id", "bid", "bid_quantity", "ask", "ask_quantity")
    assert [found[name] for name in names] == [number, bid, bids + 1, ask, asks + 1]


@given(st.binary(max_size=200) | st.integers(0, 70_000).map(bytes))
def test_frames_say_their_length(text: bytes) -> None:
    frame = text_frame(text)
    wide = {126: 2, 127: 8}.get(frame[1], 0)
    length = int.from_bytes(frame[2 : 2 + wide], "big") if wide else frame[1]
    assert (frame[0], length, frame[2 + wide :]) == (0x81, len(text), text)
