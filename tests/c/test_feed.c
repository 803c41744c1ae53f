/* needs: feed crc */
/* A file made by hand is sound; every flipped bit and every cut of it is found. */
#include "feed.h"

#include "crc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(claim) \
    do { \
        if (!(claim)) { \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #claim); \
            exit(1); \
        } \
    } while (0)

enum { TRADES = 5, ROOM = 4096 };

static size_t put_trade(char *at, int64_t local, int64_t venue)
{
    ida_trade trade = {.head = {.length = sizeof trade, .kind = IDA_TRADE, .ts_local_ns = local, .ts_venue_ns = venue},
                       .trade_id = local, .price = 100, .quantity = 1};
    memcpy(at, &trade, sizeof trade);
    return sizeof trade;
}

static size_t put_depth(char *at, int64_t local, int64_t venue)
{
    size_t length = sizeof(ida_depth) + 2 * sizeof(ida_level);
    ida_depth *depth = (ida_depth *)at;
    memset(depth, 0, length);
    depth->head = (ida_record){.length = (uint32_t)length, .kind = IDA_DEPTH, .ts_local_ns = local, .ts_venue_ns = venue};
    depth->bids = depth->asks = 1;
    depth->levels[0] = (ida_level){99, 3};
    depth->levels[1] = (ida_level){101, 4};
    return length;
}

static size_t put_quote(char *at, int64_t local, int64_t venue)
{
    ida_quote quote = {.head = {.length = sizeof quote, .kind = IDA_QUOTE, .ts_local_ns = local, .ts_venue_ns = venue}};
    memcpy(at, &quote, sizeof quote);
    return sizeof quote;
}

/* Two depths, five trades and a quote, whose venue times do not rise; how many bytes. */
static size_t make_file(char *file)
{
    static const int64_t venue[TRADES] = {50, 20, 20, 90, 20};
    ida_feed_header *h = (ida_feed_header *)file;
    char *records = file + sizeof *h, *at = records;
    at += put_depth(at, 1, 30);
    for (int i = 0; i < TRADES; i++)
        at += put_trade(at, 2 + i, venue[i]);
    at += put_quote(at, 7, 1);
    at += put_depth(at, 7, 20);
    memcpy(h->magic, "IDAFEED2", 8);
    h->records_offset = sizeof *h;
    h->records_bytes = (uint64_t)(at - records);
    h->records = TRADES + 3;
    h->order_offset = h->records_offset + h->records_bytes;
    h->order = ida_feed_seal(records, h->records_bytes, (uint64_t *)at);
    h->meta_offset = h->order_offset + 8 * h->order;
    h->meta_bytes = 2;
    memcpy(file + h->meta_offset, "{}", 2);
    h->meta_crc = ida_crc32c(0, "{}", 2);
    return h->meta_offset + 2;
}

static void test_order(const char *file)
{
    static const int64_t expected[] = {20, 20, 20, 20, 30, 50, 90};
    const ida_feed_header *h = (const ida_feed_header *)file;
    const uint64_t *order = (const uint64_t *)(file + h->order_offset);
    CHECK(h->order == sizeof expected / sizeof *expected);
    for (size_t i = 0; i < h->order; i++) {
        const ida_record *record = (const ida_record *)(file + h->records_offset + order[i]);
        CHECK(record->ts_venue_ns == expected[i]);
        CHECK(record->kind != IDA_QUOTE);
        CHECK(!i || expected[i - 1] < expected[i] || order[i - 1] < order[i]);
    }
}

/* In memory of exactly this size, so that a sanitizer sees a step beyond it. */
static ida_status check_copy(const char *file, size_t bytes, uint64_t *where)
{
    char *copy = malloc(bytes ? bytes : 1);
    CHECK(copy);
    memcpy(copy, file, bytes);
    ida_status status = ida_feed_check(copy, bytes, where);
    free(copy);
    return status;
}

static void test_damage(char *file, size_t bytes)
{
    uint64_t where;
    CHECK(check_copy(file, bytes, &where) == IDA_OK);
    for (size_t cut = 0; cut < bytes; cut++)
        CHECK(check_copy(file, cut, &where) == IDA_CORRUPT);
    for (size_t i = 0; i < bytes; i++)
        for (int bit = 0; bit < 8; bit++) {
            file[i] ^= (char)(1 << bit);
            CHECK(check_copy(file, bytes, &where) == IDA_CORRUPT);
            CHECK(where <= bytes);
            file[i] ^= (char)(1 << bit);
        }
}

/* Damage whose checksum is right: what is written, not what was changed by accident. */
static void test_lies(char *file, size_t bytes)
{
    uint64_t where;
    ida_feed_header *h = (ida_feed_header *)file;
    ida_depth *depth = (ida_depth *)(file + h->records_offset);
    uint64_t *order = (uint64_t *)(file + h->order_offset);

    depth->bids = UINT32_MAX;
    ida_record_seal(&depth->head);
    CHECK(check_copy(file, bytes, &where) == IDA_CORRUPT && where == h->records_offset);
    depth->bids = 1;
    depth->head.kind = IDA_NOTE;
    ida_record_seal(&depth->head);
    CHECK(check_copy(file, bytes, &where) == IDA_CORRUPT && where == h->records_offset);
    depth->head.kind = IDA_DEPTH;
    depth->head.ts_local_ns = 8;
    ida_record_seal(&depth->head);
    CHECK(check_copy(file, bytes, &where) == IDA_CORRUPT && where == h->records_offset + depth->head.length);
    depth->head.ts_local_ns = 1;
    ida_record_seal(&depth->head);
    order[0] ^= order[1], order[1] ^= order[0], order[0] ^= order[1];
    CHECK(check_copy(file, bytes, &where) == IDA_CORRUPT && where == h->order_offset + 8);
    order[0] = order[1];
    CHECK(check_copy(file, bytes, &where) == IDA_CORRUPT && where == h->order_offset + 8);
}

/* Against a plain insertion sort, over many sizes. */
static void test_sorting(void)
{
    static char records[300 * sizeof(ida_trade)];
    static uint64_t order[300], expected[300];
    unsigned seed = 7;
    for (size_t count = 0; count <= 300; count += count < 20 ? 1 : 31) {
        for (size_t i = 0; i < count; i++) {
            seed = seed * 1103515245 + 12345;
            put_trade(records + i * sizeof(ida_trade), (int64_t)i, seed >> 16 & 31);
            size_t at = i;
            for (; at; at--) {
                const ida_trade *other = (const ida_trade *)(records + expected[at - 1]);
                if (other->head.ts_venue_ns <= (int64_t)(seed >> 16 & 31))
                    break;
                expected[at] = expected[at - 1];
            }
            expected[at] = i * sizeof(ida_trade);
        }
        CHECK(ida_feed_seal(records, count * sizeof(ida_trade), order) == count);
        CHECK(!memcmp(order, expected, count * sizeof *order));
    }
}

static void test_one_record(void)
{
    ida_trade trade;
    put_trade((char *)&trade, 1, 1);
    CHECK(!ida_record_is_sound(&trade.head, sizeof trade));
    ida_record_seal(&trade.head);
    CHECK(ida_record_is_sound(&trade.head, sizeof trade));
    CHECK(ida_record_is_sound(&trade.head, sizeof trade + 8));
    CHECK(!ida_record_is_sound(&trade.head, sizeof trade - 8));
    CHECK(!ida_record_is_sound(&trade.head, 3));
    _Static_assert(sizeof trade == sizeof(ida_quote) && sizeof trade == sizeof(ida_mark), "the same length");
    for (uint16_t kind = 0; kind < 34; kind++) {
        int fits = kind == IDA_TRADE || kind == IDA_QUOTE || kind == IDA_MARK || kind >= IDA_REQUEST;
        trade.head.kind = kind;
        ida_record_seal(&trade.head);
        CHECK(ida_record_is_sound(&trade.head, sizeof trade) == fits);
    }
}

int main(void)
{
    static _Alignas(8) char file[ROOM];
    size_t bytes = make_file(file);
    test_order(file);
    test_damage(file, bytes);
    test_lies(file, bytes);
    test_sorting();
    test_one_record();
    return 0;
}
