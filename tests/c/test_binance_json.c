/* needs: binance_json binance_events binance_levels binance_market binance_message json decimal */
/* Every message in memory of exactly its length: whole, cut at each byte, with each byte changed. Whatever comes, the
 * decoder answers a status, names a rule, and never reads beyond; what it refuses leaves it as it was. */
#include "binance_json.h"

#include <stdlib.h>
#include <string.h>

#include "expect.h"

enum { ROOM = 4096 };

static const char *const messages[] = {
    "{\"stream\":\"btcusdt@depth@100ms\",\"data\":{\"e\":\"depthUpdate\",\"E\":1763800000200,\"s\":\"BTCUSDT\",\"U\":501,\"u\":504,"
    "\"b\":[[\"90010.00000000\",\"0.00000000\"],[\"90009.50000000\",\"1.20000000\"]],\"a\":[[\"90010.50000000\",\"2.00000000\"]]}}",
    "{\"e\":\"depthUpdate\",\"E\":1763800000205,\"T\":1763800000201,\"s\":\"BTCUSDT\",\"ps\":\"BTCUSDT\",\"st\":1,\"U\":81000010,"
    "\"u\":81000042,\"pu\":80999991,\"b\":[[\"90001.10\",\"0.000\"]],\"a\":[[\"90001.20\",\"3.410\"]]}",
    "{\"stream\":\"btcusdt@depth5@100ms\",\"data\":{\"lastUpdateId\":504,\"bids\":[[\"90009.50000000\",\"1.20000000\"]],\"asks\":[]}}",
    "{ \"asks\" : [ [ \"90020.1\" , \"0.4\" ] ] , \"bids\" : [ ] , \"lastUpdateId\" : 504 , \"E\" : 1 }",
    "{\"stream\":\"btcusdt@bookTicker\",\"data\":{\"u\":504,\"s\":\"BTCUSDT\",\"b\":\"90009.50\",\"B\":\"1.2\",\"a\":\"90020\",\"A\":\"0.4\"}}",
    "{\"stream\":\"btcusdt@trade\",\"data\":{\"e\":\"trade\",\"E\":1763800000124,\"s\":\"BTCUSDT\",\"t\":77001,\"p\":\"90020.00\","
    "\"q\":\"0.002\",\"T\":1763800000123,\"m\":false,\"M\":true}}",
    "{\"e\":\"aggTrade\",\"E\":5,\"s\":\"BTCUSDT\",\"a\":7,\"p\":\"1.5\",\"q\":\"2\",\"f\":3,\"l\":4,\"T\":4,\"m\":true,\"nq\":\"1\",\"x\":[{\"y\":null}]}",
    "{\"e\":\"kline\",\"E\":9,\"s\":\"BTCUSDT\",\"k\":{\"t\":1,\"T\":2,\"i\":\"1m\",\"o\":\"1\",\"c\":\"2\",\"h\":\"3\",\"l\":\"0.5\",\"v\":\"4\","
    "\"n\":5,\"x\":true,\"q\":\"6.5\",\"V\":\"1\",\"Q\":\"2\"}}",
    "{\"e\":\"24hrMiniTicker\",\"E\":9,\"s\":\"BTCUSDT\",\"o\":\"1\",\"c\":\"2\",\"h\":\"3\",\"l\":\"0.5\",\"v\":\"4\",\"q\":\"6.5\"}",
    "{\"e\":\"avgPrice\",\"E\":9,\"s\":\"BTCUSDT\",\"i\":\"5m\",\"w\":\"25776.86000000\",\"T\":8}",
    "{\"e\":\"markPriceUpdate\",\"E\":9,\"s\":\"BTCUSDT\",\"p\":\"1.5\",\"i\":\"1.25\",\"P\":\"\",\"r\":\"-0.0001\",\"T\":8}",
    "{\"\\u0065\":\"tr\\u0061de\",\"s\":\"BTCUSDT\",\"t\":1,\"p\":\"1\\u002e5\",\"q\":\"1\",\"m\":true}",
    "{\"result\":null,\"id\":1}",
    "{\"e\":\"forceOrder\",\"E\":1,\"o\":{\"s\":\"BTCUSDT\",\"p\":\"1\"}}",
    "[{\"e\":\"24hrMiniTicker\"}]",
};

/* way: 0 a fixed grid, 1 learning, 2 a fixed grid that rounds */
static ida_binance *new_decoder(int way)
{
    ida_binance *b = ida_binance_new(4, way == 1);
    ida_binance_symbol btc = {.name = "BTCUSDT", .grid = {2, 5, 1, 1}, .market = IDA_MARKET_UNKNOWN, .rounds = way == 2};
    uint32_t index = 9;
    EXPECT(b && ida_binance_add(b, &btc, &index) == IDA_OK && index == 0);
    return b;
}

/* The text and the record lie in memory of just their sizes. */
static ida_status decode(ida_binance *b, const char *text, size_t length, ida_record *out, size_t room)
{
    char *copy = malloc(length ? length : 1);
    ida_binance_problem problem = {.offset = UINT32_MAX};
    memcpy(copy, text, length);
    ida_status status = ida_binance_decode(b, copy, length, 77, 0, 0, out, room, &problem);
    if (status == IDA_OK) {
        EXPECT(out->length <= room && out->length % 8 == 0);
        EXPECT(out->instrument < ida_binance_symbols(b));
        EXPECT(out->ts_local_ns == 77);
    } else {
        EXPECT(problem.status == (int32_t)status && problem.rule && problem.offset <= length);
    }
    free(copy);
    return status;
}

static void whole_and_cut(const char *text)
{
    size_t length = strlen(text);
    ida_record *record = malloc(ROOM);
    for (int way = 0; way < 3; way++) {
        ida_binance *b = new_decoder(way);
        ida_status status = decode(b, text, length, record, ROOM);
        EXPECT(status == IDA_OK || status == IDA_EMPTY);
        for (size_t cut = 0; cut < length; cut++)
            EXPECT(decode(b, text, cut, record, ROOM) == IDA_BAD);
        EXPECT(ida_binance_look(b, 0)->records == (status == IDA_OK));
        ida_binance_free(b);
    }
    free(record);
}

static void changed(const char *text)
{
    static const char others[] = "\"\\{}[],:0159.-eEtfn su\x01\x7f\x80\xff";
    size_t length = strlen(text);
    ida_record *record = malloc(ROOM);
    ida_binance *known = new_decoder(0), *learning = new_decoder(1), *rounding = new_decoder(2);
    char *copy = malloc(length);
    memcpy(copy, text, length);
    for (size_t i = 0; i < length; i++) {
        for (const char *c = others; *c; c++) {
            copy[i] = *c;
            decode(known, copy, length, record, ROOM);
            decode(learning, copy, length, record, ROOM);
            decode(rounding, copy, length, record, ROOM);
        }
        copy[i] = text[i];
    }
    free(copy);
    ida_binance_free(known);
    ida_binance_free(learning);
    ida_binance_free(rounding);
    free(record);
}

/* A record that does not fit is not written beyond its room, and changes nothing. */
static void short_rooms(const char *text)
{
    ida_binance *b = new_decoder(0);
    ida_record *big = malloc(ROOM);
    ida_status status = decode(b, text, strlen(text), big, ROOM);
    for (size_t room = 0; status == IDA_OK && room < 256; room += 8) {
        ida_record *record = malloc(room ? room : 1);
        ida_status answer = decode(b, text, strlen(text), record, room);
        EXPECT(answer == IDA_OK || answer == IDA_FULL);
        EXPECT(answer == IDA_FULL || !memcmp(record, big, big->length));
        free(record);
    }
    free(big);
    ida_binance_free(b);
}

static void between_two_steps(void)
{
    static const char update[] = "{\"e\":\"depthUpdate\",\"s\":\"BTCUSDT\",\"U\":1,\"u\":2,\"b\":[[\"1\",\"0.000001\"],[\"1.001\","
        "\"0.000001\"],[\"1.01\",\"0.00\"]],\"a\":[[\"2.00\",\"25.42618900\"]]}";
    static const char quote[] = "{\"u\":504,\"s\":\"BTCUSDT\",\"b\":\"1.001\",\"B\":\"1.2\",\"a\":\"9\",\"A\":\"0.4\"}";
    ida_binance *b = new_decoder(2);
    const ida_binance_symbol *s = ida_binance_look(b, 0);
    ida_record *record = malloc(ROOM);
    const ida_depth *d = (const ida_depth *)record;
    EXPECT(decode(b, update, sizeof update - 1, record, ROOM) == IDA_OK);
    EXPECT(d->bids == 2 && d->asks == 1);
    EXPECT(d->levels[0].price == 100 && d->levels[0].quantity == 1);
    EXPECT(d->levels[1].price == 101 && d->levels[1].quantity == 0);
    EXPECT(d->levels[2].price == 200 && d->levels[2].quantity == 2542619);
    EXPECT(s->quantities_rounded == 2 && s->levels_off_tick == 1 && s->events_off_tick == 0);
    EXPECT(decode(b, quote, sizeof quote - 1, record, ROOM) == IDA_OFF_GRID);
    EXPECT(s->quantities_rounded == 2 && s->levels_off_tick == 1 && s->events_off_tick == 1 && s->records == 1);
    free(record);
    ida_binance_free(b);
}

static void symbols_are_checked(void)
{
    ida_binance *b = ida_binance_new(1, 0);
    ida_binance_symbol s = {.name = "A", .grid = {0, 0, 1, 1}};
    uint32_t index;
    EXPECT(ida_binance_new(0, 0) == NULL);
    EXPECT(ida_binance_add(b, &s, &index) == IDA_OK && index == 0);
    EXPECT(ida_binance_add(b, &s, &index) == IDA_DUPLICATE);
    s.name[0] = 'B';
    EXPECT(ida_binance_add(b, &s, &index) == IDA_FULL);
    s.grid.tick = 0;
    EXPECT(ida_binance_add(b, &s, &index) == IDA_RANGE);
    s.grid = (ida_grid){19, 0, 1, 1};
    EXPECT(ida_binance_add(b, &s, &index) == IDA_RANGE);
    memset(s.name, 'x', sizeof s.name);
    EXPECT(ida_binance_add(b, &s, &index) == IDA_RANGE);
    EXPECT(ida_binance_look(b, 1) == NULL);
    ida_binance_free(b);
    ida_binance_free(NULL);
}

int main(void)
{
    between_two_steps();
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
        whole_and_cut(messages[i]);
        changed(messages[i]);
        short_rooms(messages[i]);
    }
    symbols_are_checked();
    return DONE;
}
