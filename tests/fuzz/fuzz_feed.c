/* needs: feed crc watch market book sync pool inlet match fill gate orders stops taker ahead recorded agents chance tape maths journal segment map thread */
/* Any bytes as a mapped feed file: the check refuses them, or a whole simulation over them comes to its end in order.
 * Once as they are; once read as records that are sealed and laid out as the feed writer does, so that all which only
 * the checksums would have caught is met too. The last 16 bytes choose how the timeline is asked. */
#include "feed.h"
#include "fuzz.h"
#include "timeline.h"

/* The timeline takes 40 MiB an instrument, to be ready for any market: here, where one is made for each input, a
 * thousandth of it does. */
#define ida_market_new(chain, pages, max_price, bytes) ida_market_new(chain, pages, max_price, (bytes) >> 12)
#define ida_sync_new(chain, bytes) ida_sync_new(chain, (bytes) >> 12)
#define ida_match_new(book, max_price, orders, reports, model, power, first) \
    ida_match_new(book, max_price, orders, (reports) >> 8, model, power, first)
#include "timeline.c"

enum { INSTRUMENTS = 2, PAGES = 8, MAX_PRICE = 4095, ORDERS = 4, KNOBS = 16, MOST_EVENTS = 4096 };

typedef struct end_state {
    uint64_t events, rows, hash;
    int64_t now, last;
} end_state;

static void place_order(ida_timeline *t, script *knobs, uint64_t id)
{
    ida_new_order order = {.order_id = id, .account = 1, .side = id & 1, .type = script_byte(knobs) % 3,
                           .price = script_byte(knobs) * 16, .quantity = 1 + script_byte(knobs)};
    ida_status status = ida_match_place(ida_timeline_match(t, 0), &order, ida_timeline_now(t));
    HOLDS(status == IDA_OK || status == IDA_BAD || status == IDA_FULL);
}

static void hold_in_order(const ida_event *e, int64_t *before)
{
    HOLDS(e->now_ns >= *before && e->what >= IDA_AT_END && e->what <= IDA_AT_FAILURE);
    HOLDS(e->what == IDA_AT_END || e->what == IDA_AT_TIME || e->instrument < INSTRUMENTS);
    *before = e->now_ns;
}

static end_state walk(ida_timeline *t, script knobs)
{
    ida_event e = {0};
    end_state end = {0};
    int64_t before = INT64_MIN;
    uint64_t token = 0;
    for (int i = 0; i < MOST_EVENTS; i++) {
        int what = ida_timeline_next(t, INT64_MAX, &e);
        hold_in_order(&e, &before);
        end.hash = fuzz_hash(end.hash, &e.what, sizeof e.what);
        end.hash = fuzz_hash(end.hash, &e.now_ns, sizeof e.now_ns);
        if (what == IDA_AT_END || what == IDA_AT_FAILURE)
            break;
        if (what == IDA_AT_BOOK || what == IDA_AT_RECORD)
            ida_timeline_send(t, e.now_ns + script_byte(&knobs) % 8, ++token);
        if (what == IDA_AT_ARRIVAL) {
            place_order(t, &knobs, e.token);
            ida_timeline_respond(t, e.now_ns, e.token);
        }
        if (what == IDA_AT_REPORTS || what == IDA_AT_ARRIVAL)
            ida_match_clear_reports(ida_timeline_match(t, e.instrument));
    }
    end.events = ida_timeline_events(t);
    end.rows = ida_timeline_rows(t);
    end.now = ida_timeline_now(t);
    end.last = ida_timeline_last(t);
    return end;
}

static end_state simulate(const char *file, script knobs, ida_status *added)
{
    ida_timeline *t = ida_timeline_new(INSTRUMENTS, 2);
    int32_t map[INSTRUMENTS] = {0, script_byte(&knobs) % 3 - 1};
    end_state end = {0};
    HOLDS(t);
    for (int i = 0; i < INSTRUMENTS; i++)
        HOLDS(ida_timeline_add_instrument(t, i, PAGES, MAX_PRICE, script_byte(&knobs) % 3, 2.0, ORDERS) == IDA_OK);
    *added = ida_timeline_add_feed(t, file, map, INSTRUMENTS, script_number(&knobs));
    HOLDS(*added == IDA_OK || *added == IDA_CORRUPT);
    uint32_t subscription = script_byte(&knobs);
    int64_t interval = script_byte(&knobs) % 2;
    for (uint32_t i = 0; i < INSTRUMENTS; i++)
        ida_timeline_subscribe(t, i, subscription, interval);
    if (*added == IDA_OK)
        end = walk(t, knobs);
    ida_timeline_free(t);
    return end;
}

static void look_at(const char *file, size_t size, script knobs, int must_be_sound)
{
    uint64_t where = UINT64_MAX;
    ida_status first, second, status = ida_feed_check(file, size, &where);
    HOLDS(status == IDA_OK || (status == IDA_CORRUPT && where <= size));
    HOLDS(status == IDA_OK || !must_be_sound);
    if (status != IDA_OK || !((const ida_feed_header *)file)->records)
        return;
    end_state a = simulate(file, knobs, &first);
    if (fuzz_hash(0, file, size) % 4)
        return; /* one in four is done twice */
    end_state b = simulate(file, knobs, &second);
    HOLDS(first == second && a.hash == b.hash && a.events == b.events && a.rows == b.rows);
    HOLDS(a.now == b.now && a.last == b.last);
}

/* The records at the beginning that have a shape, sealed, with times that do not fall; their bytes and number. */
static size_t mend(char *records, size_t size, uint64_t *count)
{
    size_t at = 0;
    int64_t before = INT64_MIN;
    for (*count = 0; at + sizeof(ida_record) <= size; ++*count) {
        ida_record *record = (ida_record *)(records + at);
        if (record->length < sizeof *record || record->length > size - at || record->kind >= IDA_MARKET_KINDS)
            break;
        if (record->ts_local_ns < before)
            record->ts_local_ns = before;
        ida_record_seal(record);
        if (!ida_record_is_sound(record, size - at))
            break;
        before = record->ts_local_ns;
        at += record->length;
    }
    return at;
}

static void lay_out(const uint8_t *data, size_t size, script knobs)
{
    size_t from = size < sizeof(ida_feed_header) ? size : sizeof(ida_feed_header), rest = size - from;
    char *file = malloc(sizeof(ida_feed_header) + rest + (rest / sizeof(ida_record) + 1) * sizeof(uint64_t));
    HOLDS(file);
    ida_feed_header *h = (ida_feed_header *)file;
    memset(h, 0, sizeof *h);
    memcpy(h->magic, "IDAFEED2", sizeof h->magic);
    memcpy(file + sizeof *h, data + from, rest);
    h->records_offset = sizeof *h;
    h->records_bytes = mend(file + sizeof *h, rest, &h->records);
    h->order_offset = sizeof *h + h->records_bytes;
    h->order = ida_feed_seal(file + sizeof *h, h->records_bytes, (uint64_t *)(file + h->order_offset));
    HOLDS(h->order <= h->records);
    h->meta_offset = h->order_offset + h->order * sizeof(uint64_t);
    char *whole = fuzz_copy((uint8_t *)file, h->meta_offset);
    look_at(whole, h->meta_offset, knobs, 1);
    free(whole);
    free(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t knobs = size < KNOBS ? size : KNOBS;
    script choices = {data + size - knobs, data + size};
    char *file = fuzz_copy(data, size);
    look_at(file, size, choices, 0);
    free(file);
    lay_out(data, size - knobs, choices);
    return 0;
}
