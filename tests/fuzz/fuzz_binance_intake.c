/* needs: binance_intake binance_peek arbiter binance_json binance_events binance_levels binance_market binance_message json decimal inlet feed crc market sync book recorder pack queue thread gate */
/* What any server may say over three connections, message by message: lines, whose first byte says on which and when.
 * The ids of a stream rise, without holes that were not counted; each message is accounted for; twice comes the same. */
#include "binance_intake.h"
#include "feed.h"
#include "fuzz.h"

static const char *const names[] = {
    "btcusdt@depth@100ms", "btcusdt@trade", "btcusdt@aggTrade", "btcusdt@bookTicker", "btcusdt@depth5@100ms",
    "btcusdt@kline_1s", "btcusdt@avgPrice", "ethusdt@trade", "!miniTicker@arr",
};

enum { STREAMS = sizeof names / sizeof *names, CONNECTIONS = 3, HOLD = 250, RING = 1 << 13, HELD = 1 << 11 };

typedef struct rig {
    ida_binance *decoder;
    ida_inlet *inlet;
    ida_intake *intake;
    int64_t now, fed, restarts[2], last_trade[2];
    uint64_t story;
} rig;

static void add(rig *r, const char *symbol)
{
    ida_binance_symbol s = {.grid = {2, 5, 1, 1}, .market = IDA_SPOT, .rounds = *symbol == 'B'};
    uint32_t index;
    memcpy(s.name, symbol, strlen(symbol));
    HOLDS(ida_binance_add(r->decoder, &s, &index) == IDA_OK);
}

static void begin(rig *r)
{
    uint32_t index;
    *r = (rig){.decoder = ida_binance_new(2, 0), .inlet = ida_inlet_new(RING, 2), .last_trade = {-1, -1}};
    add(r, "BTCUSDT");
    add(r, "ETHUSDT");
    r->intake = ida_intake_new(r->decoder, r->inlet, STREAMS, CONNECTIONS, HOLD, HELD);
    HOLDS(r->intake);
    for (uint32_t i = 0; i < STREAMS; i++) {
        uint32_t instrument = *names[i] == '!' ? UINT32_MAX : *names[i] == 'e';
        HOLDS(ida_intake_add_stream(r->intake, names[i], instrument, &index) == IDA_OK && index == i);
    }
}

/* A trade that cannot be one is passed over, and its id is done with. */
static int is_troubled(const rig *r, uint32_t instrument)
{
    return ida_intake_look_stream(r->intake, instrument ? 7 : 1)->problems > 0
        || ida_binance_look(r->decoder, instrument)->events_off_tick > 0;
}

/* A trade that is no aggregate: its stream is the instrument's. */
static void check_trade(rig *r, const ida_trade *t)
{
    int64_t *last = &r->last_trade[t->head.instrument];
    const ida_arbiter_view *ids = ida_intake_look_ids(r->intake, t->head.instrument ? 7 : 1);
    if (t->head.flags & IDA_FLAG_AGGREGATE)
        return;
    HOLDS(t->trade_id > *last || ids->restarts > r->restarts[t->head.instrument]);
    HOLDS(*last < 0 || t->trade_id == *last + 1 || ids->holes || ids->restarts || is_troubled(r, t->head.instrument));
    *last = t->trade_id;
    r->restarts[t->head.instrument] = ids->restarts;
}

static void take(rig *r)
{
    const ida_record *record;
    int64_t local = 0;
    while ((record = ida_inlet_take(r->inlet))) {
        HOLDS(record->kind < IDA_MARKET_KINDS && ida_record_has_shape(record) && record->instrument < 2);
        HOLDS(record->ts_local_ns >= local);
        local = record->ts_local_ns;
        if (record->kind == IDA_TRADE)
            check_trade(r, (const ida_trade *)record);
        r->story = fuzz_hash(r->story, record, record->length);
    }
}

static void feed(rig *r, uint8_t how, const char *text, size_t size)
{
    uint32_t connection = how % CONNECTIONS;
    char *copy = fuzz_copy((const uint8_t *)text, size);
    ida_binance_problem problem = {0};
    r->now += how % 16 == 15 ? HOLD : how % 16;
    if (how >= 0xf0) {
        ida_intake_opened(r->intake, connection, r->now);
    } else if (how >= 0xe0) {
        ida_intake_closed(r->intake, connection, r->now);
    } else if (how >= 0xd0) {
        ida_status status = ida_intake_snapshot(r->intake, how & 1, copy, size, r->now, &problem);
        HOLDS(status == IDA_OK || problem.rule);
    } else {
        int shown = ida_intake_sink(ida_intake_source_of(r->intake, connection), copy, size, r->now);
        r->story = fuzz_hash(r->story, &shown, sizeof shown);
        r->fed++;
    }
    free(copy);
}

static void check(const rig *r)
{
    int64_t messages = 0, holding = 0, wins = 0, passed = 0;
    for (uint32_t i = 0; i < CONNECTIONS; i++) {
        const ida_intake_connection *c = ida_intake_look_connection(r->intake, i);
        HOLDS(c->wins + c->duplicates + c->shown <= 2 * c->messages && c->wins <= c->messages);
        messages += c->messages;
        wins += c->wins;
    }
    for (uint32_t i = 0; i < STREAMS; i++) {
        const ida_arbiter_view *v = ida_intake_look_ids(r->intake, i);
        HOLDS(v->holding >= 0 && v->held >= v->holding && v->missing >= v->holes);
        holding += v->holding;
        passed += v->messages;
    }
    HOLDS(messages == r->fed && wins == passed && holding * (int64_t)sizeof(ida_arrival) <= HELD);
    HOLDS((ida_intake_due(r->intake) == INT64_MAX) == (holding == 0));
}

static uint64_t play(const char *text, size_t size)
{
    rig r;
    begin(&r);
    for (size_t at = 0; at < size;) {
        const char *end = memchr(text + at, '\n', size - at);
        size_t length = end ? (size_t)(end - text) - at : size - at;
        if (length)
            feed(&r, (uint8_t)text[at], text + at + 1, length - 1);
        at += length + 1;
        check(&r);
        if (at % 3)
            take(&r);
    }
    ida_intake_expire(r.intake, INT64_MAX);
    check(&r);
    take(&r);
    ida_intake_free(r.intake);
    ida_inlet_free(r.inlet);
    ida_binance_free(r.decoder);
    return r.story;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_copy(data, size);
    HOLDS(play(text, size) == play(text, size));
    free(text);
    return 0;
}
