/* needs: binance_lines binance_json binance_events binance_levels binance_market binance_message json decimal */
/* Lines in pieces of every length, with rooms of every size, give the same records; each fault has its line. */
#include "binance_lines.h"

#include <stdlib.h>
#include <string.h>

#include "expect.h"

#define TRADE "{\"stream\":\"btcusdt@trade\",\"data\":{\"e\":\"trade\",\"E\":2,\"s\":\"BTCUSDT\",\"t\":1,\"p\":\"1.5\",\"q\":\"2\",\"T\":1,\"m\":true}}"
#define DEPTH "{\"stream\":\"btcusdt@depth\",\"data\":{\"e\":\"depthUpdate\",\"E\":2,\"s\":\"BTCUSDT\",\"U\":1,\"u\":2,\"b\":[[\"1.4\",\"3\"]],\"a\":[]}}"

static const char text[] =
    "1700000000000001 " TRADE "\n"
    "1700000000000002000 " DEPTH "\r\n"
    "\n"
    "1700000000000003 {\"lastUpdateId\":1,\"bids\":[],\"asks\":[]}\n"
    "1700000000000001 " TRADE "\n"
    "17000000000000040 " TRADE "\n"
    "1700000000000005 {\"result\":null,\"id\":1}\n"
    "1700000000000006 {\"e\":\"trade\"\n"
    "1700000000000007 " DEPTH "\n"
    "1700000000000008 " TRADE; /* no end: never taken */

typedef struct outcome {
    char records[4096];
    size_t bytes;
    uint32_t lines[16];
    size_t count;
    int64_t failed_lines[16];
    ida_status failures[16];
    size_t failed;
    ida_binance_pass pass;
} outcome;

static size_t min(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void keep(outcome *o, const char *room, const uint32_t *lines, ida_status status)
{
    memcpy(o->records + o->bytes, room, o->pass.made);
    o->bytes += o->pass.made;
    memcpy(o->lines + o->count, lines, o->pass.count * sizeof *lines);
    o->count += o->pass.count;
    if (status != IDA_OK && status != IDA_FULL) {
        o->failed_lines[o->failed] = o->pass.line;
        o->failures[o->failed++] = status;
    }
}

/* Pieces end where a line ends: each is lengthened to the next one. The text is copied into memory of its size. */
static void take(outcome *o, size_t piece, size_t room_bytes, size_t lines_room)
{
    ida_binance *b = ida_binance_new(2, 1);
    ida_binance_streams *streams = ida_binance_streams_new(8);
    ida_binance_symbol btc = {.name = "BTCUSDT", .market = IDA_MARKET_UNKNOWN};
    char *room = malloc(room_bytes);
    uint32_t lines[16], index;
    memset(o, 0, sizeof *o);
    EXPECT(ida_binance_add(b, &btc, &index) == IDA_OK);
    for (size_t at = 0, whole = strlen(text); at < whole;) {
        size_t length = min(piece, whole - at);
        const char *end = memchr(text + at + length - 1, '\n', whole - at - length + 1);
        length = end ? (size_t)(end + 1 - text) - at : whole - at;
        char *copy = malloc(length);
        memcpy(copy, text + at, length);
        for (size_t done = 0;;) {
            ida_binance_problem problem;
            ida_status status = ida_binance_take_lines(b, &o->pass, streams, copy + done, length - done, room, room_bytes,
                                                       lines, lines_room, &problem);
            keep(o, room, lines, status);
            done += o->pass.taken;
            EXPECT(status != IDA_FULL || o->pass.count > 0);
            if (status == IDA_OK)
                break;
        }
        free(copy);
        at += length;
    }
    EXPECT(ida_binance_streams_count(streams) == 4);
    EXPECT(!strcmp(ida_binance_streams_look(streams, 0)->name, "btcusdt@trade"));
    EXPECT(ida_binance_streams_look(streams, 0)->messages == 2);
    EXPECT(!strcmp(ida_binance_streams_look(streams, 2)->name, "rest_snapshot"));
    EXPECT(ida_binance_streams_look(streams, 3)->ignored == 1);
    ida_binance_streams_free(streams);
    ida_binance_free(b);
    free(room);
}

static void at_once(const outcome *o)
{
    static const uint32_t lines[] = {1, 2, 4, 5, 9};
    static const int64_t failed[] = {5, 6, 7, 8};
    static const ida_status statuses[] = {IDA_STATE, IDA_BAD, IDA_EMPTY, IDA_BAD};
    EXPECT(o->count == 5 && !memcmp(o->lines, lines, sizeof lines));
    EXPECT(o->failed == 4 && !memcmp(o->failed_lines, failed, sizeof failed));
    EXPECT(!memcmp(o->failures, statuses, sizeof statuses));
    EXPECT(o->pass.line == 9 && o->pass.records == 5);
    int64_t last = 0;
    for (size_t at = 0; at < o->bytes; at += ((const ida_record *)(o->records + at))->length) {
        const ida_record *record = (const ida_record *)(o->records + at);
        EXPECT(record->ts_local_ns >= last);
        last = record->ts_local_ns;
    }
    EXPECT(last == 1700000000000007000);
}

int main(void)
{
    outcome *whole = malloc(sizeof *whole), *pieces = malloc(sizeof *pieces);
    take(whole, strlen(text), sizeof whole->records, 16);
    at_once(whole);
    for (size_t piece = 1; piece < strlen(text); piece += 7) {
        take(pieces, piece, sizeof pieces->records, 16);
        EXPECT(pieces->bytes == whole->bytes && !memcmp(pieces->records, whole->records, whole->bytes));
        EXPECT(!memcmp(pieces->lines, whole->lines, sizeof whole->lines));
        EXPECT(pieces->failed == whole->failed);
    }
    for (size_t room = 128; room < 512; room += 8) {
        take(pieces, strlen(text), room, 16);
        EXPECT(pieces->bytes == whole->bytes && !memcmp(pieces->records, whole->records, whole->bytes));
    }
    take(pieces, strlen(text), sizeof pieces->records, 1);
    EXPECT(pieces->bytes == whole->bytes && !memcmp(pieces->lines, whole->lines, sizeof whole->lines));
    free(whole);
    free(pieces);
    return DONE;
}
