#include "feed.h"

#include "crc.h"

#include <stdlib.h>
#include <string.h>

enum { CRC_FROM = offsetof(ida_record, kind) };

/* ---- one record -------------------------------------------------------------------------------------------- */

static uint32_t checksum(const ida_record *record)
{
    return ida_crc32c(0, (const char *)record + CRC_FROM, record->length - CRC_FROM);
}

/* What the length must be, by kind; 0 where another rule holds. */
static const uint32_t lengths[] = {
    [IDA_TRADE] = sizeof(ida_trade), [IDA_QUOTE] = sizeof(ida_quote), [IDA_BAR] = sizeof(ida_bar),
    [IDA_MARK] = sizeof(ida_mark), [IDA_TICKER] = sizeof(ida_ticker), [IDA_AVERAGE] = sizeof(ida_average),
};

static int has_levels(const ida_record *record)
{
    return record->kind == IDA_SNAPSHOT || record->kind == IDA_DEPTH || record->kind == IDA_PARTIAL;
}

int ida_record_has_shape(const ida_record *record)
{
    const ida_depth *depth = (const ida_depth *)record;
    if (has_levels(record))
        return record->length >= sizeof *depth
            && record->length - sizeof *depth == ((uint64_t)depth->bids + depth->asks) * sizeof(ida_level);
    if (record->kind >= IDA_MARKET_KINDS)
        return record->kind >= IDA_REQUEST;
    return record->kind && record->length == lengths[record->kind];
}

void ida_record_seal(ida_record *record)
{
    record->crc = checksum(record);
}

int ida_record_is_sound(const ida_record *record, size_t available)
{
    if (available < sizeof *record || record->length < sizeof *record || record->length > available)
        return 0;
    return record->length % 8 == 0 && record->crc == checksum(record) && ida_record_has_shape(record);
}

/* ---- the order by venue time ------------------------------------------------------------------------------- */

typedef struct entry {
    int64_t ts_venue_ns;
    uint64_t offset;
} entry;

static int is_ordered(const ida_record *record)
{
    return record->kind == IDA_SNAPSHOT || record->kind == IDA_DEPTH || record->kind == IDA_TRADE
        || record->kind == IDA_MARK;
}

static const ida_record *record_at(const void *records, uint64_t offset)
{
    return (const ida_record *)((const char *)records + offset);
}

/* Merges [from, middle) and [middle, to) by way of `spare`; equal times keep their order. */
static void merge(entry *entries, entry *spare, size_t from, size_t middle, size_t to)
{
    size_t left = 0, lefts = middle - from, right = middle, at = from;
    if (entries[middle - 1].ts_venue_ns <= entries[middle].ts_venue_ns)
        return; /* recordings are nearly in order: most merges end here */
    memcpy(spare, entries + from, lefts * sizeof *spare);
    while (left < lefts && right < to)
        entries[at++] = entries[right].ts_venue_ns < spare[left].ts_venue_ns ? entries[right++] : spare[left++];
    memcpy(entries + at, spare + left, (lefts - left) * sizeof *spare);
}

static void sort(entry *entries, entry *spare, size_t count)
{
    for (size_t run = 1; run < count; run *= 2)
        for (size_t from = 0; from + run < count; from += 2 * run)
            merge(entries, spare, from, from + run, count - from < 2 * run ? count : from + 2 * run);
}

size_t ida_feed_seal(void *records, size_t bytes, uint64_t *offsets)
{
    size_t count = 0;
    for (uint64_t offset = 0; offset < bytes; offset += record_at(records, offset)->length) {
        ida_record_seal((ida_record *)((char *)records + offset));
        if (is_ordered(record_at(records, offset)))
            offsets[count++] = offset;
    }
    entry *entries = calloc(count ? 2 * count : 1, sizeof *entries);
    if (!entries)
        return SIZE_MAX;
    for (size_t i = 0; i < count; i++)
        entries[i] = (entry){record_at(records, offsets[i])->ts_venue_ns, offsets[i]};
    sort(entries, entries + count, count);
    for (size_t i = 0; i < count; i++)
        offsets[i] = entries[i].offset;
    free(entries);
    return count;
}

/* ---- checking a file --------------------------------------------------------------------------------------- */

static int lies_within(uint64_t offset, uint64_t count, uint64_t size, uint64_t from, uint64_t to)
{
    return offset >= from && offset <= to && count <= (to - offset) / size;
}

/* The parts follow each other as the header file says, and end where the bytes end or before. */
static int is_laid_out(const ida_feed_header *h, size_t bytes)
{
    return !memcmp(h->magic, "IDAFEED2", sizeof h->magic) && h->records_offset % 8 == 0 && h->order_offset % 8 == 0
        && h->records_bytes % 8 == 0 && lies_within(h->records_offset, h->records_bytes, 1, sizeof *h, bytes)
        && lies_within(h->order_offset, h->order, sizeof(uint64_t), h->records_offset + h->records_bytes, bytes)
        && lies_within(h->meta_offset, h->meta_bytes, 1, h->order_offset + h->order * sizeof(uint64_t), bytes);
}

/* Walks the records and marks in `starts`, a bit per 8 bytes, those that belong into the venue order.
 * *offset ends at the fault, or at the end. */
static int check_records(const ida_feed_header *h, const void *records, uint8_t *starts, uint64_t *offset,
                         uint64_t *ordered)
{
    uint64_t found = 0;
    int64_t before = INT64_MIN;
    for (*offset = 0; *offset < h->records_bytes; found++) {
        const ida_record *record = record_at(records, *offset);
        if (!ida_record_is_sound(record, h->records_bytes - *offset) || record->kind >= IDA_MARKET_KINDS
            || record->ts_local_ns < before)
            return 0;
        before = record->ts_local_ns;
        if (is_ordered(record)) {
            starts[*offset / 64] |= (uint8_t)(1u << (*offset / 8 % 8));
            ++*ordered;
        }
        *offset += record->length;
    }
    return found == h->records;
}

/* Each entry is such a start, and each comes after the one before, so none is there twice. */
static int check_order(const ida_feed_header *h, const void *records, const uint64_t *order, const uint8_t *starts,
                       uint64_t *i)
{
    entry before = {INT64_MIN, 0};
    for (*i = 0; *i < h->order; ++*i) {
        uint64_t offset = order[*i];
        if (offset >= h->records_bytes || offset % 8 || !(starts[offset / 64] >> (offset / 8 % 8) & 1))
            return 0;
        int64_t ts = record_at(records, offset)->ts_venue_ns;
        if (*i && (ts < before.ts_venue_ns || (ts == before.ts_venue_ns && offset <= before.offset)))
            return 0;
        before = (entry){ts, offset};
    }
    return 1;
}

ida_status ida_feed_check(const void *file, size_t bytes, uint64_t *where)
{
    const ida_feed_header *h = file;
    *where = 0;
    if (bytes < sizeof *h || !is_laid_out(h, bytes))
        return IDA_CORRUPT;
    const char *records = (const char *)file + h->records_offset, *order = (const char *)file + h->order_offset;
    *where = h->meta_offset;
    if (h->meta_crc != ida_crc32c(0, (const char *)file + h->meta_offset, h->meta_bytes))
        return IDA_CORRUPT;
    uint8_t *starts = calloc(h->records_bytes / 64 + 1, 1);
    uint64_t at, ordered = 0;
    if (!starts)
        return IDA_FULL;
    ida_status status = IDA_CORRUPT;
    if (!check_records(h, records, starts, &at, &ordered))
        *where = h->records_offset + at;
    else if (!check_order(h, records, (const uint64_t *)order, starts, &at) || ordered != h->order)
        *where = h->order_offset + at * sizeof(uint64_t);
    else
        status = IDA_OK;
    free(starts);
    return status;
}
