"""What is read at once from a happening is what is read from its record field by field."""

from collections import Counter

from ida_core import Subscription, VenueSetup, event_of, event_reader
from ida_core.events import Quote, Trade
from ida_core.native import ffi, lib
from ida_sim.config import SimConfig
from ida_sim.timeline import Timeline
from ida_sim.venue import SimVenue


def test_the_reader_and_the_record_tell_the_same() -> None:
    setup = VenueSetup(
        config=SimConfig(), feed=("synthetic",), symbols=("BTCUSDT", "ETHUSDT"), duration_s=20, seed=4)
    venue = SimVenue.build(setup)
    for index in (0, 1):
        venue.subscribe(index, Subscription(trades=True, quotes=True))
    event, step = venue._event, venue._step
    read, seen = event_reader(event), Counter[object]()
    while step(2**62, event) != lib.IDA_AT_END:
        if event.what != lib.IDA_AT_RECORD:
            continue
        told = read()
        assert told == event_of(event.record, event.instrument)
        assert told is not None
        seen[type(told), told.instrument] += 1
        if isinstance(told, Trade):
            seen[told.side] += 1
    assert {(Trade, 0), (Trade, 1), (Quote, 0), (Quote, 1), "BUY", "SELL"} == seen.keys()
    venue.close()


def test_other_records_are_read_where_they_lie() -> None:
    event = Timeline(1).event
    bar = ffi.new("ida_bar *")
    record = ffi.cast("ida_record *", bar)
    record.kind, record.flags, record.ts_local_ns = lib.IDA_BAR, lib.IDA_FLAG_CLOSED, 7
    bar.open, bar.close, bar.interval_s = 3, 4, 60
    event.record, event.instrument = record, 2
    ffi.memmove(event.told, record, ffi.sizeof("ida_record"))
    assert event_reader(event)() == event_of(record, 2)
    record.kind = lib.IDA_TICKER
    ffi.memmove(event.told, record, ffi.sizeof("ida_record"))
    assert event_reader(event)() is None
