/* needs: binance_intake binance_peek arbiter binance_json binance_events binance_levels binance_market binance_message json decimal inlet feed crc market sync book recorder pack queue thread gate */
/* Every message in memory of exactly its length: whole, cut at each byte, with each byte changed, over two
 * connections. Whatever comes, nothing is read beyond it, each message is accounted for, and what is whole goes on. */
#include "binance_intake.h"

#include <stdlib.h>
#include <string.h>

#include "expect.h"

static const char *const streams[] = {
    "btcusdt@depth@100ms", "btcusdt@trade", "btcusdt@aggTrade", "btcusdt@bookTicker", "btcusdt@depth5", "btcusdt@kline_1s",
    "btcusdt@avgPrice", "!miniTicker@arr",
};

static const char *const messages[] = {
    "{\"stream\":\"btcusdt@depth@100ms\",\"data\":{\"e\":\"depthUpdate\",\"E\":1763800000200,\"s\":\"BTCUSDT\",\"U\":501,\"u\":504,"
    "\"b\":[[\"90010.00\",\"0.00000\"]],\"a\":[[\"90010.50\",\"2.00000\"]]}}",
    "{\"stream\":\"btcusdt@trade\",\"data\":{\"e\":\"trade\",\"E\":1763800000124,\"s\":\"BTCUSDT\",\"t\":77001,\"p\":\"90020.00\","
    "\"q\":\"0.002\",\"T\":1763800000123,\"m\":false,\"M\":true}}",
    "{\"stream\":\"btcusdt@aggTrade\",\"data\":{\"e\":\"aggTrade\",\"E\":5,\"s\":\"BTCUSDT\",\"a\":7,\"p\":\"1.5\",\"q\":\"2\",\"f\":3,"
    "\"l\":4,\"T\":4,\"m\":true}}",
    "{\"stream\":\"btcusdt@bookTicker\",\"data\":{\"u\":504,\"s\":\"BTCUSDT\",\"b\":\"90009.50\",\"B\":\"1.2\",\"a\":\"90020\",\"A\":\"0.4\"}}",
    "{\"stream\":\"btcusdt@depth5\",\"data\":{\"lastUpdateId\":504,\"bids\":[[\"90009.50\",\"1.2\"]],\"asks\":[]}}",
    "{\"stream\":\"btcusdt@kline_1s\",\"data\":{\"e\":\"kline\",\"E\":9,\"s\":\"BTCUSDT\",\"k\":{\"t\":1,\"T\":2,\"i\":\"1s\",\"o\":\"1\","
    "\"c\":\"2\",\"h\":\"3\",\"l\":\"0.5\",\"v\":\"4\",\"n\":5,\"x\":true,\"q\":\"6.5\",\"V\":\"1\"}}}",
    "{\"stream\":\"btcusdt@avgPrice\",\"data\":{\"e\":\"avgPrice\",\"E\":9,\"s\":\"BTCUSDT\",\"i\":\"5m\",\"w\":\"25776.86\",\"T\":8}}",
    "{\"stream\":\"!miniTicker@arr\",\"data\":[{\"e\":\"24hrMiniTicker\",\"E\":9,\"s\":\"BTCUSDT\",\"o\":\"1\",\"c\":\"2\",\"h\":\"3\","
    "\"l\":\"0.5\",\"v\":\"4\",\"q\":\"6.5\"}, {\"e\":\"24hrMiniTicker\",\"E\":9,\"s\":\"DOGEUSDT\"}]}",
    "{ \"data\" : {\"u\":505,\"s\":\"BTCUSDT\",\"b\":\"1\",\"B\":\"1\",\"a\":\"2\",\"A\":\"2\"}, \"stream\" : \"btcusdt@bookTicker\" }",
};

enum { STREAMS = sizeof streams / sizeof *streams, MESSAGES = sizeof messages / sizeof *messages };

typedef struct rig {
    ida_binance *decoder;
    ida_inlet *inlet;
    ida_intake *intake;
    int64_t now, fed;
} rig;

static rig set_up(void)
{
    ida_binance_symbol btc = {.name = "BTCUSDT", .grid = {2, 5, 1, 1}, .market = IDA_SPOT};
    rig r = {.decoder = ida_binance_new(1, 0), .inlet = ida_inlet_new(1 << 16, 1)};
    uint32_t index;
    EXPECT(ida_binance_add(r.decoder, &btc, &index) == IDA_OK);
    r.intake = ida_intake_new(r.decoder, r.inlet, STREAMS, 2, 100, 1 << 14);
    EXPECT(r.intake != NULL);
    for (int i = 0; i < STREAMS; i++)
        EXPECT(ida_intake_add_stream(r.intake, streams[i], i == STREAMS - 1 ? UINT32_MAX : 0, &index) == IDA_OK);
    return r;
}

static void tear_down(rig *r)
{
    ida_intake_free(r->intake);
    ida_inlet_free(r->inlet);
    ida_binance_free(r->decoder);
}

static int feed(rig *r, uint32_t connection, const char *text, size_t length)
{
    char *copy = malloc(length ? length : 1);
    memcpy(copy, text, length);
    int shown = ida_intake_sink(ida_intake_source_of(r->intake, connection), copy, length, ++r->now);
    free(copy);
    r->fed++;
    return shown;
}

static int taken(rig *r)
{
    int count = 0;
    for (const ida_record *record; (record = ida_inlet_take(r->inlet)); count++)
        EXPECT(record->kind < IDA_MARKET_KINDS && record->instrument == 0);
    return count;
}

static void whole_and_cut(const char *text)
{
    rig r = set_up();
    size_t length = strlen(text);
    for (size_t cut = 0; cut < length; cut++) {
        feed(&r, cut & 1, text, cut);
        EXPECT(taken(&r) == 0);
    }
    EXPECT(feed(&r, 0, text, length) == IDA_SUNK && taken(&r) == 1);
    EXPECT(feed(&r, 1, text, length) == IDA_SUNK && taken(&r) == 0);
    tear_down(&r);
}

static void changed(const char *text)
{
    static const char others[] = "\"\\{}[],:0159.-eEtfn suaU\x01\x7f\x80\xff";
    size_t length = strlen(text);
    char *copy = malloc(length);
    rig r = set_up();
    memcpy(copy, text, length);
    for (size_t i = 0; i < length; i++)
        for (size_t j = 0; j < sizeof others - 1; j++) {
            copy[i] = others[j];
            feed(&r, (uint32_t)(i + j) & 1, copy, length);
            copy[i] = text[i];
            taken(&r);
        }
    ida_intake_expire(r.intake, INT64_MAX);
    int64_t messages_of_both = 0;
    for (uint32_t c = 0; c < 2; c++)
        messages_of_both += ida_intake_look_connection(r.intake, c)->messages;
    EXPECT(messages_of_both == r.fed && ida_intake_due(r.intake) == INT64_MAX);
    for (uint32_t i = 0; i < STREAMS; i++)
        EXPECT(ida_intake_look_ids(r.intake, i)->holding == 0);
    free(copy);
    tear_down(&r);
}

static void wrong_use(void)
{
    rig r = set_up();
    uint32_t index;
    ida_binance_problem problem;
    EXPECT(ida_intake_add_stream(r.intake, "", 0, &index) == IDA_RANGE);
    EXPECT(ida_intake_add_stream(r.intake, streams[0], 0, &index) == IDA_DUPLICATE);
    EXPECT(ida_intake_add_stream(r.intake, "x@trade", 1, &index) == IDA_UNKNOWN);
    EXPECT(ida_intake_add_stream(r.intake, "x@trade", 0, &index) == IDA_FULL);
    EXPECT(ida_intake_remove_stream(r.intake, "x@trade") == IDA_UNKNOWN);
    EXPECT(ida_intake_snapshot(r.intake, 1, "{}", 2, 1, &problem) == IDA_UNKNOWN && problem.rule);
    EXPECT(ida_intake_snapshot(r.intake, 0, "{}", 2, 1, &problem) == IDA_EMPTY && problem.rule);
    EXPECT(!ida_intake_source_of(r.intake, 2) && !ida_intake_look_connection(r.intake, 2));
    EXPECT(!ida_intake_look_stream(r.intake, STREAMS) && !ida_intake_look_ids(r.intake, STREAMS));
    ida_intake_opened(r.intake, 2, 1);
    ida_intake_closed(r.intake, 2, 1);
    EXPECT(!ida_intake_new(r.decoder, r.inlet, 0, 1, 1, 1));
    ida_intake_free(NULL);
    tear_down(&r);
}

int main(void)
{
    for (size_t i = 0; i < MESSAGES; i++) {
        whole_and_cut(messages[i]);
        changed(messages[i]);
    }
    wrong_use();
    return DONE;
}
