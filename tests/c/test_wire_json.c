/* needs: wire_json book pool decimal */
/* Each message once, character by character; numbers at their edges; and no byte beyond the room. */
#include "expect.h"
#include "wire_json.h"

#include <stdlib.h>
#include <string.h>

static const ida_grid GRID = {2, 5, 1, 1};

typedef union {
    ida_depth depth;
    char bytes[sizeof(ida_depth) + 8 * sizeof(ida_level)];
} small_depth;

static const char *text_of(const ida_wire *w, const void *record, const ida_envelope *around)
{
    static char out[1 << 16];
    size_t size = ida_wire_record(w, record, around, out, sizeof out - 1);
    out[size] = 0;
    return out;
}

static void expect_text(const char *found, const char *wanted)
{
    if (strcmp(found, wanted))
        fprintf(stderr, "found  %s\nwanted %s\n", found, wanted);
    EXPECT(!strcmp(found, wanted));
}

static void test_messages(void)
{
    ida_wire *w = ida_wire_new("BTCUSDT", 7, &GRID);
    EXPECT(w != NULL);
    ida_envelope raw = {"", 0, 1763800000200, 1763800000123, 0, 0};
    const char head[] = "{\"stream\":\"btcusdt@trade\",\"data\":";
    ida_envelope combined = {head, sizeof head - 1, 1763800000124, 1763800000123, 0, 0};

    small_depth d = {.depth = {.head = {.kind = IDA_DEPTH}, .first_id = 501, .last_id = 504, .bids = 2, .asks = 0}};
    d.depth.levels[0] = (ida_level){9001000, 0};
    d.depth.levels[1] = (ida_level){9000950, 120000};
    expect_text(text_of(w, &d, &raw),
                "{\"e\":\"depthUpdate\",\"E\":1763800000200,\"s\":\"BTCUSDT\",\"U\":501,\"u\":504,\"b\":[[\"90010.00000000\","
                "\"0.00000000\"],[\"90009.50000000\",\"1.20000000\"]],\"a\":[]}");

    ida_trade t = {.head = {.kind = IDA_TRADE}, .trade_id = 77001, .price = 9002000, .quantity = 200};
    expect_text(text_of(w, &t, &combined),
                "{\"stream\":\"btcusdt@trade\",\"data\":{\"e\":\"trade\",\"E\":1763800000124,\"s\":\"BTCUSDT\",\"t\":77001,"
                "\"p\":\"90020.00000000\",\"q\":\"0.00200000\",\"T\":1763800000123,\"m\":false,\"M\":true}}");
    t.head.flags = IDA_FLAG_AGGREGATE | IDA_FLAG_BUYER_IS_MAKER;
    t.first_trade_id = 1;
    t.last_trade_id = 2;
    expect_text(text_of(w, &t, &raw),
                "{\"e\":\"aggTrade\",\"E\":1763800000200,\"s\":\"BTCUSDT\",\"a\":77001,\"p\":\"90020.00000000\","
                "\"q\":\"0.00200000\",\"f\":1,\"l\":2,\"T\":1763800000123,\"m\":true,\"M\":true}");

    ida_quote q = {.head = {.kind = IDA_QUOTE}, .update_id = 504, .bid = 9000950, .bid_quantity = 120000,
                   .ask = INT64_MAX, .ask_quantity = 0};
    expect_text(text_of(w, &q, &raw),
                "{\"u\":504,\"s\":\"BTCUSDT\",\"b\":\"90009.50000000\",\"B\":\"1.20000000\",\"a\":\"0.00000000\","
                "\"A\":\"0.00000000\"}");
    q.head.kind = IDA_BAR;
    EXPECT(ida_wire_record(w, &q.head, &raw, (char[4096]){0}, 4096) == 0);
    ida_wire_free(w);
}

static void test_numbers(void)
{
    struct { ida_grid grid; int64_t price, quantity; const char *text; } cases[] = {
        {{0, 0, 1, 1}, 1, INT64_MAX, "[[\"1.00000000\",\"9223372036854775807.00000000\"]]"},
        {{18, 8, 1, 1}, 1, 1, "[[\"0.000000000000000001\",\"0.00000001\"]]"},
        {{8, 0, 5, 100}, 3, INT64_MAX, "[[\"0.00000015\",\"922337203685477580700.00000000\"]]"},
        {{1, 3, 25, 1}, 99999999, 1001, "[[\"249999997.50000000\",\"1.00100000\"]]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ida_wire *w = ida_wire_new("X", 1, &cases[i].grid);
        EXPECT(w != NULL);
        small_depth d = {.depth = {.head = {.kind = IDA_DEPTH}, .bids = 1}};
        d.depth.levels[0] = (ida_level){cases[i].price, cases[i].quantity};
        ida_envelope raw = {"", 0, 0, 0, 0, 0};
        const char *found = strstr(text_of(w, &d, &raw), "\"b\":") + 4;
        EXPECT(!strncmp(found, cases[i].text, strlen(cases[i].text)));
        ida_wire_free(w);
    }
    EXPECT(ida_wire_new("", 0, &GRID) == NULL);
    EXPECT(ida_wire_new("A\"B", 3, &GRID) == NULL);
    EXPECT(ida_wire_new("A", 1, &(ida_grid){19, 0, 1, 1}) == NULL);
    EXPECT(ida_wire_new("A", 1, &(ida_grid){0, 0, INT64_MAX, 1}) == NULL);
}

/* The head of a frame for each length of length, in a room of exactly what is asked for. */
static void test_frames(void)
{
    ida_wire *w = ida_wire_new("BTCUSDT", 7, &GRID);
    for (uint32_t levels = 0; levels < 3000; levels = levels * 3 / 2 + 1) {
        ida_depth *d = calloc(1, sizeof *d + levels * sizeof *d->levels);
        size_t room = ida_wire_room(levels, 0);
        char *out = malloc(room);
        EXPECT(d && out && w);
        d->head.kind = IDA_DEPTH;
        d->asks = levels;
        for (uint32_t i = 0; i < levels; i++)
            d->levels[i] = (ida_level){INT64_MAX - i, INT64_MAX};
        ida_envelope framed = {"", 0, INT64_MIN, INT64_MIN, 1, 0};
        EXPECT(ida_wire_record(w, &d->head, &framed, out, room - 1) == 0);
        size_t size = ida_wire_record(w, &d->head, &framed, out, room);
        size_t head = size - 2 < 126 ? 2 : size - 4 < 65536 ? 4 : 10, length = (unsigned char)out[1];
        if (head > 2)
            for (size_t i = 2, n = length = 0; n < head - 2; i++, n++)
                length = length << 8 | (unsigned char)out[i];
        EXPECT((unsigned char)out[0] == 0x81 && length == size - head);
        EXPECT(out[head] == '{' && out[size - 1] == '}');
        free(out);
        free(d);
    }
    ida_wire_free(w);
}

static void test_book(void)
{
    ida_wire *w = ida_wire_new("BTCUSDT", 7, &GRID);
    ida_book *book = ida_book_new(16, 1 << 20);
    EXPECT(w && book);
    for (int64_t i = 0; i < 5; i++) {
        EXPECT(ida_book_set(book, IDA_BUY, 100 - i, 1 + i, NULL) == IDA_OK);
        EXPECT(ida_book_set(book, IDA_SELL, 101 + i, 1, NULL) == IDA_OK);
    }
    ida_envelope raw = {"", 0, 0, 0, 0, 0};
    char out[8192];
    EXPECT(ida_wire_levels(book, 2) == 2 && ida_wire_levels(book, 9) == 5);
    EXPECT(ida_wire_book(w, book, 7, 2, &raw, out, ida_wire_room(4, 0) - 1) == 0);
    size_t size = ida_wire_book(w, book, 7, 2, &raw, out, sizeof out);
    out[size] = 0;
    expect_text(out, "{\"lastUpdateId\":7,\"bids\":[[\"1.00000000\",\"0.00001000\"],[\"0.99000000\",\"0.00002000\"]],"
                     "\"asks\":[[\"1.01000000\",\"0.00001000\"],[\"1.02000000\",\"0.00001000\"]]}");
    ida_book_free(book);
    ida_wire_free(w);
}

int main(void)
{
    test_messages();
    test_numbers();
    test_frames();
    test_book();
    return DONE;
}
