/* needs: timeline agents tape chance feed crc match ahead fill map maths orders recorded stops taker market book sync pool inlet watch journal segment thread gate status */
/* Time goes on in bounded steps that change nothing; stamps that no clock tells are passed over without harm. */
#include "expect.h"
#include "timeline.h"

#include <stdlib.h>
#include <string.h>

enum { TRADES = 200000, AT_ONCE = 7 }; /* as many have the same time */

typedef struct file {
    char *bytes;
    ida_feed_header *header;
    char *at;
} file;

static file start_file(size_t trades)
{
    file f;
    f.bytes = calloc(1, sizeof *f.header + trades * (sizeof(ida_trade) + sizeof(uint64_t)));
    f.header = (ida_feed_header *)f.bytes;
    f.header->records_offset = sizeof *f.header;
    f.at = f.bytes + sizeof *f.header;
    return f;
}

static void put_trade(file *f, int64_t local_ns, int64_t venue_ns)
{
    ida_trade *trade = (ida_trade *)f->at;
    trade->head = (ida_record){.length = sizeof *trade, .kind = IDA_TRADE, .ts_local_ns = local_ns, .ts_venue_ns = venue_ns};
    trade->price = 100 + local_ns % 3;
    trade->quantity = 1;
    f->at += sizeof *trade;
}

static void end_file(file *f)
{
    char *records = f->bytes + f->header->records_offset;
    f->header->records_bytes = (uint64_t)(f->at - records);
    f->header->order_offset = (uint64_t)(f->at - f->bytes);
    f->header->order = ida_feed_seal(records, f->header->records_bytes, (uint64_t *)f->at);
}

static ida_timeline *start(const file *f, int64_t offset_ns)
{
    int32_t map[] = {0};
    ida_timeline *t = ida_timeline_new(1, 16);
    EXPECT(ida_timeline_add_instrument(t, IDA_CHAIN_CONTIGUOUS, 64, 100000, IDA_QUEUE_RISK_AVERSE, 1, 64) == IDA_OK);
    EXPECT(ida_timeline_add_feed(t, f->bytes, map, 1, offset_ns) == IDA_OK);
    return t;
}

static void time_pauses_between_two_moments(void)
{
    file f = start_file(TRADES);
    for (int i = 0; i < TRADES; i++)
        put_trade(&f, 1000 + i / AT_ONCE, 1000 + i / AT_ONCE);
    end_file(&f);
    ida_timeline *t = start(&f, 0);
    ida_event event;
    uint64_t before = 0;
    int what, pauses = 0;
    while ((what = ida_timeline_next(t, INT64_MAX, &event)) == IDA_AT_PAUSE) {
        uint64_t events = ida_timeline_events(t);
        pauses++;
        EXPECT(events > before && events % AT_ONCE == 0); /* all of this moment, none of the next */
        EXPECT(event.now_ns == 1000 + (int64_t)(events / AT_ONCE) - 1 && ida_timeline_now(t) == event.now_ns);
        before = events;
    }
    EXPECT(what == IDA_AT_END && pauses > 1);
    EXPECT(ida_timeline_events(t) == TRADES && event.now_ns == 1000 + (TRADES - 1) / AT_ONCE);
    ida_timeline_free(t);
    free(f.bytes);
}

static void a_time_asked_for_is_reached_after_pauses(void)
{
    file f = start_file(TRADES);
    for (int i = 0; i < TRADES; i++)
        put_trade(&f, 1000 + i, 1000 + i);
    end_file(&f);
    ida_timeline *t = start(&f, 0);
    ida_event event;
    int what;
    while ((what = ida_timeline_next(t, 1000 + TRADES / 2, &event)) == IDA_AT_PAUSE)
        EXPECT(event.now_ns < 1000 + TRADES / 2);
    EXPECT(what == IDA_AT_TIME && event.now_ns == 1000 + TRADES / 2);
    EXPECT(ida_timeline_events(t) == TRADES / 2 + 1);
    ida_timeline_free(t);
    free(f.bytes);
}

static void stamps_of_no_clock_do_no_harm(void)
{
    static const int64_t stamps[] = {INT64_MIN, INT64_MIN + 1, -1, 0, INT64_MAX - 1, INT64_MAX};
    static const int64_t offsets[] = {INT64_MIN, -1, 0, 1, INT64_MAX};
    enum { STAMPS = sizeof stamps / sizeof *stamps, OFFSETS = sizeof offsets / sizeof *offsets };
    for (int k = 0; k < OFFSETS; k++) {
        file f = start_file(STAMPS);
        for (int i = 0; i < STAMPS; i++)
            put_trade(&f, 1000 + i, stamps[i]);
        end_file(&f);
        ida_timeline *t = start(&f, offsets[k]);
        ida_timeline_subscribe(t, 0, IDA_SUB_TRADE | IDA_SUB_TOP, INT64_MAX);
        ida_event event;
        int told = 0;
        while (ida_timeline_next(t, INT64_MAX, &event) == IDA_AT_RECORD)
            told++;
        EXPECT(told == STAMPS && event.what == IDA_AT_END && event.now_ns == 1000 + STAMPS - 1);
        ida_timeline_free(t);
        free(f.bytes);
    }
}

/* ---- live ---------------------------------------------------------------------------------------------------- */

#ifdef __SANITIZE_ADDRESS__
enum { LIVE_RECORDS = 500000 };
#else
enum { LIVE_RECORDS = 10000000 };
#endif

static long pages_in_use(void)
{
    long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%ld %ld", &size, &resident) != 2)
        resident = 0;
    if (file)
        fclose(file);
    return resident;
}

/* Batches of records come in and are told; nothing is lost, nothing grows: also where nobody matches (orders 0). */
static void millions_of_records_pass_in_the_room_there_is(size_t orders)
{
    enum { BATCH = 1000, WARM = LIVE_RECORDS / 10 };
    ida_timeline *t = ida_timeline_new(1, 16);
    ida_inlet *inlet = ida_inlet_new(1 << 20, 1);
    ida_event event;
    long before = 0;
    int64_t told = 0, ts = 1000;
    EXPECT(ida_timeline_add_instrument(t, IDA_CHAIN_CONTIGUOUS, 64, 100000, IDA_QUEUE_RISK_AVERSE, 1, orders) == IDA_OK);
    EXPECT(!ida_timeline_match(t, 0) == !orders && !ida_timeline_exchange_ready(t, 0));
    EXPECT(ida_timeline_set_inlet(t, inlet, ts, INT64_MAX) == IDA_OK);
    ida_timeline_subscribe(t, 0, IDA_SUB_TRADE, 0);
    for (int64_t sent = 0; sent < LIVE_RECORDS;) {
        for (int i = 0; i < BATCH; i++, sent++) {
            ida_trade *trade = ida_inlet_room(inlet, sizeof *trade);
            EXPECT(trade);
            memset(trade, 0, sizeof *trade);
            trade->head = (ida_record){.length = sizeof *trade, .kind = IDA_TRADE, .ts_local_ns = ts += sent % 2};
            trade->trade_id = sent;
            trade->price = 100 + sent % 3;
            trade->quantity = 1;
            EXPECT(ida_inlet_commit(inlet) == IDA_OK);
        }
        while (ida_timeline_next(t, ts, &event) == IDA_AT_RECORD)
            EXPECT(((const ida_trade *)event.record)->trade_id == told++);
        EXPECT(event.what == IDA_AT_TIME && told == sent && event.now_ns == ts);
        ts++; /* what comes now is later than that moment */
        if (sent == WARM)
            before = pages_in_use();
    }
    EXPECT(ida_timeline_events(t) == LIVE_RECORDS && ida_inlet_look(inlet)->raised == 0);
    EXPECT((pages_in_use() - before) * 4096 < 1 << 20);
    ida_timeline_free(t);
    ida_inlet_free(inlet);
}

int main(void)
{
    millions_of_records_pass_in_the_room_there_is(64);
    millions_of_records_pass_in_the_room_there_is(0);
    time_pauses_between_two_moments();
    a_time_asked_for_is_reached_after_pauses();
    stamps_of_no_clock_do_no_harm();
    return DONE;
}
