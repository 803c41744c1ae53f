#include "survey.h"
#include <stdlib.h>
#include <string.h>

static const ida_record *record_at(const void *records, size_t at)
{
    return (const ida_record *)((const char *)records + at);
}

static void see(ida_survey_prices *p, int64_t price, int is_first)
{
    if (is_first && p->first < 0 && price > 0)
        p->first = price;
    if (price > p->highest)
        p->highest = price;
}

static void see_levels(ida_survey_prices *p, const ida_depth *depth)
{
    for (uint32_t i = 0; i < depth->bids + depth->asks; i++)
        see(p, depth->levels[i].price, i == 0 && depth->head.kind != IDA_DEPTH);
}

static void see_prices(ida_survey_prices *p, const ida_record *record)
{
    p->records++;
    switch (record->kind) {
    case IDA_SNAPSHOT:
    case IDA_DEPTH:
    case IDA_PARTIAL:
        see_levels(p, (const ida_depth *)record);
        break;
    case IDA_TRADE:
        if (!(record->flags & IDA_FLAG_OFF_BOOK))
            see(p, ((const ida_trade *)record)->price, 1);
        break;
    case IDA_QUOTE:
        see(p, ((const ida_quote *)record)->bid, 1);
        see(p, ((const ida_quote *)record)->ask, 0);
        break;
    }
}

static int has_delay(const ida_record *record)
{
    return record->kind < IDA_MARKET_KINDS && !(record->flags & IDA_FLAG_NO_VENUE_TIME);
}

static void count(ida_survey *s, const ida_record *record)
{
    if (!s->records++)
        s->first_local_ns = record->ts_local_ns;
    s->last_local_ns = record->ts_local_ns;
    if (record->kind < IDA_MARKET_KINDS)
        s->count[record->kind]++;
    s->off_book += record->kind == IDA_TRADE && record->flags & IDA_FLAG_OFF_BOOK;
    s->delayed += has_delay(record);
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static size_t sample(const void *records, size_t bytes, int64_t total, int64_t *delays, size_t capacity)
{
    size_t taken = 0, stride = capacity ? ((size_t)total + capacity - 1) / capacity : 0;
    int64_t seen = 0;
    for (size_t at = 0; stride && at < bytes; at += record_at(records, at)->length) {
        const ida_record *record = record_at(records, at);
        if (has_delay(record) && (size_t)seen++ % stride == 0)
            delays[taken++] = record->ts_local_ns - record->ts_venue_ns;
    }
    qsort(delays, taken, sizeof *delays, by_value);
    return taken;
}

size_t ida_survey_records(const void *records, size_t bytes, ida_survey *survey, ida_survey_prices *prices,
                          uint32_t instruments, int64_t *delays, size_t capacity)
{
    memset(survey, 0, sizeof *survey);
    survey->first_local_ns = survey->last_local_ns = -1;
    for (uint32_t i = 0; i < instruments; i++)
        prices[i] = (ida_survey_prices){-1, -1, 0};
    for (size_t at = 0; at < bytes; at += record_at(records, at)->length) {
        const ida_record *record = record_at(records, at);
        count(survey, record);
        if (record->instrument < instruments)
            see_prices(&prices[record->instrument], record);
    }
    return sample(records, bytes, survey->delayed, delays, capacity);
}

int ida_survey_ids(const void *records, size_t bytes, uint32_t instrument, int kind, int64_t *lowest, int64_t *highest)
{
    int64_t low = INT64_MAX, high = INT64_MIN;
    for (size_t at = 0; at < bytes; at += record_at(records, at)->length) {
        const ida_record *r = record_at(records, at);
        if (r->instrument != instrument || r->kind != kind || (kind != IDA_DEPTH && kind != IDA_TRADE))
            continue;
        const ida_depth *depth = (const ida_depth *)r;
        const ida_trade *trade = (const ida_trade *)r;
        int64_t first = kind == IDA_DEPTH ? depth->first_id : trade->first_trade_id;
        int64_t last = kind == IDA_DEPTH ? depth->last_id : trade->last_trade_id;
        if (first <= 0) /* it has none */
            continue;
        low = first < low ? first : low;
        high = last > high ? last : high;
    }
    if (high < low)
        return 0;
    *lowest = low;
    *highest = high;
    return 1;
}
