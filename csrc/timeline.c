#include "timeline.h"

#include <stdlib.h>
#include <string.h>

#define NEVER INT64_MAX
#define OF_INLET UINT32_MAX /* a choice's source that is no feed's and no agents' */

/* AHEAD: of the records in venue order, which lie apart, so many are asked for before they are looked at.
 * AT_A_TIME: steps without a happening after which the caller gets a word in; some milliseconds. */
enum { AHEAD = 8, AT_A_TIME = 1 << 16 };

typedef struct token_entry {
    int64_t at_ns;
    uint64_t order;
    uint64_t token;
} token_entry;

typedef struct token_heap {
    token_entry *entries;
    size_t count;
    size_t capacity;
} token_heap;

typedef struct feed_source {
    const char *records;
    const uint64_t *order;   /* venue order, from the file */
    uint64_t *untimed;       /* offsets of book-making records without a venue stamp, in local order */
    int32_t *map;
    uint64_t bytes, local_at;
    uint64_t order_count, order_at;
    uint64_t untimed_count, untimed_at;
    int64_t offset_ns;
    int64_t local_ns;        /* when its next record reaches us; NEVER at the end */
    int64_t last_ns;         /* when the last of all its records does */
    int64_t venue_ns;        /* when its next record happens at the exchange; NEVER at the end */
    uint64_t venue_offset;   /* that record */
    int venue_is_untimed;
} feed_source;

typedef struct instrument {
    ida_market *market;      /* our side */
    ida_book *exchange_book; /* recorded liquidity; unused by a whole market */
    ida_sync *exchange_sync;
    ida_match *match;
    ida_agents *agents;
    const ida_mark *mark;    /* last published by the exchange */
    int64_t funded_ns;       /* the last funding time that was settled */
    int64_t last_venue_ns;   /* of its feeds' last record of book or trade */
    int64_t first_single, last_single; /* ids of the trades that are told one by one; last 0: there are none */
    uint64_t doubled;        /* aggregates of those, passed over */
    ida_watch watch;
    size_t orders;
    int64_t max_price;
    /* live */
    ida_mark marks[2];       /* the last two published: an inlet keeps none */
    int64_t proof_ns;        /* of the last proof that its depth stream lives */
    int64_t bound_ns;
    uint64_t faults;
    int32_t silent;
    int32_t held;            /* a waking for its book that was left out */
} instrument;

/* Of a timeline that is fed as time goes on. */
typedef struct live_side {
    ida_inlet *inlet;        /* NULL: it is not */
    int64_t real_ns;         /* written by the caller */
    int64_t judged_ns;       /* the time by which the age of proof is judged at this moment */
    int64_t due_ns;          /* no instrument falls silent at or before */
    int64_t delay_ns;
    uint64_t left_out;
    int32_t behind;
    int32_t holding;         /* instruments with a waking held */
    int32_t exchanged;       /* the oldest that waits has been at the exchange */
} live_side;

struct ida_timeline {
    instrument *instruments;
    feed_source *feeds;
    ida_journal *journal;
    token_heap requests, responses;
    uint64_t token_order;
    uint64_t rows, events;
    int64_t now_ns, end_ns, first_ns, last_ns;
    live_side live;
    uint32_t instrument_count, instrument_capacity, feed_count;
    int32_t finished;
};

/* ------------------------------------------------------------------ tokens under way */

static int entry_before(const token_entry *a, const token_entry *b)
{
    return a->at_ns < b->at_ns || (a->at_ns == b->at_ns && a->order < b->order);
}

static ida_status heap_push(token_heap *heap, token_entry entry)
{
    if (heap->count == heap->capacity)
        return IDA_FULL;
    size_t at = heap->count++;
    while (at > 0 && entry_before(&entry, &heap->entries[(at - 1) / 2])) {
        heap->entries[at] = heap->entries[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap->entries[at] = entry;
    return IDA_OK;
}

static token_entry heap_pop(token_heap *heap)
{
    token_entry first = heap->entries[0];
    token_entry last = heap->entries[--heap->count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= heap->count)
            break;
        if (child + 1 < heap->count && entry_before(&heap->entries[child + 1], &heap->entries[child]))
            child++;
        if (!entry_before(&heap->entries[child], &last))
            break;
        heap->entries[at] = heap->entries[child];
        at = child;
    }
    heap->entries[at] = last;
    return first;
}

static int64_t heap_time(const token_heap *heap)
{
    return heap->count ? heap->entries[0].at_ns : NEVER;
}

/* ------------------------------------------------------------------ making and adding */

ida_timeline *ida_timeline_new(uint32_t instruments, size_t tokens)
{
    if (instruments == 0 || tokens == 0)
        return NULL;
    ida_timeline *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->instruments = calloc(instruments, sizeof *t->instruments);
    t->requests.entries = calloc(tokens, sizeof(token_entry));
    t->responses.entries = calloc(tokens, sizeof(token_entry));
    t->requests.capacity = t->responses.capacity = tokens;
    t->instrument_capacity = instruments;
    t->now_ns = INT64_MIN;
    t->end_ns = NEVER;
    t->first_ns = t->last_ns = -1;
    if (!t->instruments || !t->requests.entries || !t->responses.entries) {
        ida_timeline_free(t);
        return NULL;
    }
    return t;
}

void ida_timeline_free(ida_timeline *t)
{
    if (!t)
        return;
    for (uint32_t i = 0; i < t->instrument_count; i++) {
        instrument *x = &t->instruments[i];
        ida_agents_free(x->agents);
        ida_match_free(x->match);
        ida_sync_free(x->exchange_sync);
        ida_book_free(x->exchange_book);
        ida_market_free(x->market);
    }
    for (uint32_t i = 0; i < t->feed_count; i++) {
        free(t->feeds[i].untimed);
        free(t->feeds[i].map);
    }
    free(t->feeds);
    free(t->instruments);
    free(t->requests.entries);
    free(t->responses.entries);
    free(t);
}

enum { SYNC_BUFFER = 16 << 20, REPORTS = 1 << 16 };

ida_status ida_timeline_add_instrument(ida_timeline *t, int chain, size_t pages, int64_t max_price,
                                       int queue_model, double power, size_t orders)
{
    if (t->instrument_count == t->instrument_capacity)
        return IDA_FULL;
    instrument *x = &t->instruments[t->instrument_count++];
    x->bound_ns = INT64_MAX;
    x->orders = orders;
    x->max_price = max_price;
    x->market = ida_market_new(chain, pages, max_price, SYNC_BUFFER);
    if (x->market)
        ida_market_set_clock(x->market, &t->now_ns);
    if (!orders)
        return x->market ? IDA_OK : IDA_FULL;
    x->exchange_book = ida_book_new(pages, max_price);
    x->exchange_sync = ida_sync_new(chain, SYNC_BUFFER);
    if (x->exchange_book)
        x->match = ida_match_new(x->exchange_book, max_price, orders, REPORTS, queue_model, power, 1);
    return x->market && x->exchange_sync && x->match ? IDA_OK : IDA_FULL;
}

static const ida_record *record_at(const feed_source *f, uint64_t offset)
{
    return (const ida_record *)(f->records + offset);
}

static int is_wanted(const feed_source *f, const ida_record *r)
{
    return f->map[r->instrument] >= 0;
}

static void find_next_local(feed_source *f)
{
    while (f->local_at < f->bytes && !is_wanted(f, record_at(f, f->local_at)))
        f->local_at += record_at(f, f->local_at)->length;
    f->local_ns = f->local_at < f->bytes ? record_at(f, f->local_at)->ts_local_ns : NEVER;
}

/* The exchange's clock in our time; nothing reaches us before it happened. */
static int64_t venue_time(const feed_source *f, const ida_record *r)
{
    int64_t at;
    if (__builtin_add_overflow(r->ts_venue_ns, f->offset_ns, &at))
        at = f->offset_ns < 0 ? INT64_MIN : INT64_MAX;
    return at < r->ts_local_ns ? at : r->ts_local_ns;
}

/* Two lists in order of time are merged: the stamped records, and the few without a stamp (at their local time). */
static void find_next_venue(feed_source *f)
{
    while (f->order_at < f->order_count) {
        const ida_record *r = record_at(f, f->order[f->order_at]);
        if (is_wanted(f, r) && !(r->flags & IDA_FLAG_NO_VENUE_TIME))
            break;
        f->order_at++;
    }
    if (f->order_at + AHEAD < f->order_count)
        __builtin_prefetch(record_at(f, f->order[f->order_at + AHEAD]));
    int64_t timed = NEVER, untimed = NEVER;
    if (f->order_at < f->order_count)
        timed = venue_time(f, record_at(f, f->order[f->order_at]));
    if (f->untimed_at < f->untimed_count)
        untimed = record_at(f, f->untimed[f->untimed_at])->ts_local_ns;
    f->venue_is_untimed = untimed < timed;
    f->venue_ns = f->venue_is_untimed ? untimed : timed;
    if (f->venue_ns != NEVER)
        f->venue_offset = f->venue_is_untimed ? f->untimed[f->untimed_at] : f->order[f->order_at];
}

/* Where trades come one by one and as aggregates too, each would be traded twice: the single ones tell more. */
static void note_single(instrument *x, const ida_trade *trade)
{
    if (trade->head.flags & IDA_FLAG_AGGREGATE)
        return;
    if (!x->last_single || trade->trade_id < x->first_single)
        x->first_single = trade->trade_id;
    if (trade->trade_id > x->last_single)
        x->last_single = trade->trade_id;
}

static int is_doubled(const instrument *x, const ida_trade *trade)
{
    return trade->head.flags & IDA_FLAG_AGGREGATE && x->last_single && trade->last_trade_id >= x->first_single
           && trade->first_trade_id <= x->last_single;
}

/* Marks move neither book nor trades. */
static void note_last(ida_timeline *t, const feed_source *f, const ida_record *r)
{
    int64_t at = r->flags & IDA_FLAG_NO_VENUE_TIME ? r->ts_local_ns : venue_time(f, r);
    instrument *x = &t->instruments[f->map[r->instrument]];
    if (r->kind != IDA_MARK && at > x->last_venue_ns)
        x->last_venue_ns = at;
    if (r->kind == IDA_TRADE)
        note_single(x, (const ida_trade *)r);
}

static int is_untimed(const feed_source *f, const ida_record *r)
{
    return is_wanted(f, r) && r->flags & IDA_FLAG_NO_VENUE_TIME;
}

/* Records lie far apart in venue order, so it is gone through once, and a second time only for a recording without
 * stamps. */
static ida_status collect_untimed(ida_timeline *t, feed_source *f)
{
    uint64_t count = 0;
    for (uint64_t i = 0; i < f->order_count; i++) {
        const ida_record *r = record_at(f, f->order[i]);
        if (is_wanted(f, r))
            note_last(t, f, r);
        count += (uint64_t)is_untimed(f, r);
    }
    if (!count)
        return IDA_OK;
    f->untimed = calloc(count, sizeof *f->untimed);
    if (!f->untimed)
        return IDA_FULL;
    for (uint64_t i = 0; i < f->order_count; i++)
        if (is_untimed(f, record_at(f, f->order[i])))
            f->untimed[f->untimed_count++] = f->order[i];
    return IDA_OK;
}

/* Finds the last record, and whether an instrument is none of the file's. */
static ida_status look_through(feed_source *f, uint32_t instruments)
{
    for (uint64_t at = 0; at < f->bytes; at += record_at(f, at)->length) {
        if (record_at(f, at)->instrument >= instruments)
            return IDA_CORRUPT;
        f->last_ns = record_at(f, at)->ts_local_ns;
    }
    return IDA_OK;
}

static void widen_span(ida_timeline *t, const feed_source *f)
{
    if (f->local_ns == NEVER)
        return;
    if (t->first_ns < 0 || f->local_ns < t->first_ns)
        t->first_ns = f->local_ns;
    if (f->last_ns > t->last_ns)
        t->last_ns = f->last_ns;
}

ida_status ida_timeline_add_feed(ida_timeline *t, const void *file, const int32_t *map, uint32_t instruments,
                                 int64_t offset_ns)
{
    const ida_feed_header *header = file;
    for (uint32_t i = 0; i < instruments; i++)
        if (map[i] >= (int32_t)t->instrument_count || (map[i] >= 0 && !t->instruments[map[i]].match))
            return IDA_UNKNOWN;
    feed_source *feeds = realloc(t->feeds, (t->feed_count + 1) * sizeof *feeds);
    if (!feeds)
        return IDA_FULL;
    t->feeds = feeds;
    feed_source *f = memset(&feeds[t->feed_count], 0, sizeof *f);
    f->map = malloc((instruments + 1) * sizeof *map);
    if (!f->map)
        return IDA_FULL;
    t->feed_count++;
    memcpy(f->map, map, instruments * sizeof *map);
    f->records = (const char *)file + header->records_offset;
    f->bytes = header->records_bytes;
    f->order = (const uint64_t *)((const char *)file + header->order_offset);
    f->order_count = header->order;
    f->offset_ns = offset_ns;
    if (look_through(f, instruments) != IDA_OK)
        return IDA_CORRUPT;
    if (collect_untimed(t, f) != IDA_OK)
        return IDA_FULL;
    find_next_local(f);
    find_next_venue(f);
    widen_span(t, f);
    return IDA_OK;
}

ida_status ida_timeline_add_agents(ida_timeline *t, uint32_t i, const ida_agents_config *config)
{
    if (i >= t->instrument_count || t->instruments[i].agents || !t->instruments[i].match)
        return IDA_UNKNOWN;
    instrument *x = &t->instruments[i];
    ida_match_free(x->match);
    x->match = ida_match_new(NULL, x->max_price, x->orders + (1 << 16), REPORTS, IDA_QUEUE_RISK_AVERSE, 1.0, 1);
    x->agents = x->match ? ida_agents_new(config, x->match, i) : NULL;
    if (!x->agents)
        return IDA_FULL;
    if (t->first_ns < 0 || config->start_ns < t->first_ns)
        t->first_ns = config->start_ns;
    return IDA_OK;
}

void ida_timeline_subscribe(ida_timeline *t, uint32_t i, uint32_t subscription, int64_t interval_ns)
{
    if (i >= t->instrument_count)
        return;
    t->instruments[i].watch.subscription = subscription;
    t->instruments[i].watch.interval_ns = interval_ns;
}

void ida_timeline_set_journal(ida_timeline *t, ida_journal *journal) { t->journal = journal; }
void ida_timeline_set_end(ida_timeline *t, int64_t end_ns) { t->end_ns = end_ns; }

static ida_status schedule(ida_timeline *t, token_heap *heap, int64_t at_ns, uint64_t token)
{
    token_entry entry = {at_ns < t->now_ns ? t->now_ns : at_ns, t->token_order++, token};
    return heap_push(heap, entry);
}

ida_status ida_timeline_send(ida_timeline *t, int64_t at_ns, uint64_t token)
{
    return schedule(t, &t->requests, at_ns, token);
}

/* An answer has to reach us, however many a request has: here, and only here, room is made while time goes on. */
static ida_status grow(token_heap *heap)
{
    if (heap->count < heap->capacity)
        return IDA_OK;
    if (heap->capacity > SIZE_MAX / 2 / sizeof *heap->entries)
        return IDA_FULL;
    token_entry *entries = realloc(heap->entries, 2 * heap->capacity * sizeof *entries);
    if (!entries)
        return IDA_FULL;
    heap->entries = entries;
    heap->capacity *= 2;
    return IDA_OK;
}

ida_status ida_timeline_respond(ida_timeline *t, int64_t at_ns, uint64_t token)
{
    if (grow(&t->responses) != IDA_OK)
        return IDA_FULL;
    return schedule(t, &t->responses, at_ns, token);
}

/* ------------------------------------------------------------------ the exchange's side */

static ida_status exchange_depth(instrument *x, const ida_depth *depth, int64_t now)
{
    int verdict = ida_sync_judge(x->exchange_sync, depth);
    if (verdict != IDA_APPLY && verdict != IDA_REPLACE)
        return IDA_OK;
    ida_status status = ida_match_depth(x->match, depth, now);
    if (verdict == IDA_REPLACE) {
        const ida_depth *kept;
        while (status == IDA_OK && (kept = ida_sync_replay(x->exchange_sync)) != NULL)
            status = ida_match_depth(x->match, kept, now);
    }
    return status;
}

static ida_status exchange_record(instrument *x, const ida_record *r, int64_t now)
{
    if (r->kind != IDA_TRADE)
        return exchange_depth(x, (const ida_depth *)r, now);
    if (!is_doubled(x, (const ida_trade *)r))
        return ida_match_trade(x->match, (const ida_trade *)r, now);
    x->doubled++;
    return IDA_OK;
}

/* Funding is charged by what was last published before its time; 1 if a funding time has just been passed. */
static int exchange_mark(instrument *x, const ida_mark *mark, ida_event *event)
{
    const ida_mark *before = x->mark;
    x->mark = mark;
    if (!before || before->next_funding_ns <= x->funded_ns || mark->head.ts_venue_ns < before->next_funding_ns
        || before->head.ts_venue_ns >= before->next_funding_ns)
        return 0;
    x->funded_ns = before->next_funding_ns;
    event->what = IDA_AT_FUNDING;
    event->record = &before->head;
    return 1;
}

static int has_reports(const instrument *x)
{
    size_t count;
    ida_match_reports(x->match, &count);
    return count > 0;
}

/* 1: *event is a happening. */
static int step_exchange(ida_timeline *t, uint32_t source, ida_event *event)
{
    ida_status status = IDA_OK;
    uint32_t i;
    if (source < t->feed_count) {
        feed_source *f = &t->feeds[source];
        const ida_record *r = record_at(f, f->venue_offset);
        i = (uint32_t)f->map[r->instrument];
        instrument *x = &t->instruments[i];
        event->instrument = i;
        *(f->venue_is_untimed ? &f->untimed_at : &f->order_at) += 1;
        find_next_venue(f);
        if (r->kind == IDA_MARK) {
            if (exchange_mark(x, (const ida_mark *)r, event))
                return 1;
        } else
            status = exchange_record(x, r, t->now_ns);
    } else {
        i = source - t->feed_count;
        event->instrument = i;
        status = ida_agents_step(t->instruments[i].agents);
    }
    if (status != IDA_OK) {
        event->what = IDA_AT_FAILURE;
        event->status = status;
        return 1;
    }
    event->what = IDA_AT_REPORTS;
    return has_reports(&t->instruments[i]) || ida_match_is_alarmed(t->instruments[i].match);
}

/* ------------------------------------------------------------------ our side */

static const int happening_of[] = {
    [IDA_WAKE_BOOK] = IDA_AT_BOOK, [IDA_WAKE_RECORD] = IDA_AT_RECORD, [IDA_WAKE_STATE] = IDA_AT_STATE,
};

static uint64_t rows_of(const ida_record *r)
{
    if (r->kind == IDA_DEPTH || r->kind == IDA_SNAPSHOT)
        return (uint64_t)((const ida_depth *)r)->bids + ((const ida_depth *)r)->asks;
    return r->kind == IDA_TRADE || r->kind == IDA_QUOTE;
}

/* The two that come by the ten thousand are copied to where the reader's eye is already. */
static void tell(ida_event *event, const ida_record *r)
{
    _Static_assert(sizeof event->told == sizeof(ida_trade) && sizeof event->told == sizeof(ida_quote), "one layout");
    int whole = r->kind == IDA_TRADE || r->kind == IDA_QUOTE;
    memcpy(event->told, r, whole ? sizeof event->told : sizeof *r);
}

/* The exchange's side was built of the same records: the next snapshot is to be one for it, too. */
enum { GIVEN_UP = IDA_CHANGED_CROSSED | IDA_CHANGED_FAULT | IDA_CHANGED_DISPROVED };

typedef ida_status append_record(ida_journal *j, const ida_record *record, uint32_t instrument);

static inline int deliver(ida_timeline *t, uint32_t i, const ida_record *r, append_record *append, ida_event *event)
{
    instrument *x = &t->instruments[i];
    t->events++;
    t->rows += rows_of(r);
    int changes = ida_market_apply(x->market, r);
    event->instrument = i;
    event->record = r;
    event->changes = changes;
    if (changes & GIVEN_UP && !x->agents && x->match)
        ida_sync_reset(x->exchange_sync);
    if (t->journal) {
        ida_status status = append(t->journal, r, i);
        if (status != IDA_OK) {
            event->what = IDA_AT_FAILURE;
            event->status = status;
            return 1;
        }
    }
    int waking = ida_watch_judge(&x->watch, r, changes, t->now_ns);
    event->what = happening_of[waking];
    if (waking == IDA_WAKE_RECORD)
        tell(event, r);
    return waking != IDA_SILENT;
}

static inline int step_local(ida_timeline *t, uint32_t source, ida_event *event)
{
    if (source < t->feed_count) {
        feed_source *f = &t->feeds[source];
        const ida_record *r = record_at(f, f->local_at);
        f->local_at += r->length;
        find_next_local(f);
        return deliver(t, (uint32_t)f->map[r->instrument], r, ida_journal_append_sealed, event);
    }
    uint32_t i = source - t->feed_count;
    const ida_record *r = ida_agents_peek(t->instruments[i].agents);
    int happens = deliver(t, i, r, ida_journal_append, event);
    ida_agents_take(t->instruments[i].agents);
    return happens;
}

static int step_conflated(ida_timeline *t, uint32_t i, ida_event *event)
{
    event->what = IDA_AT_BOOK;
    event->instrument = i;
    event->record = NULL;
    event->changes = ida_watch_take(&t->instruments[i].watch);
    return 1;
}

/* ------------------------------------------------------------------ one order of all */

enum source_class { SILENCE = -1, EXCHANGE = 0, REQUESTS = 1, LOCAL = 2, CONFLATED = 3, RESPONSES = 4 };

typedef struct choice {
    int64_t at_ns;
    int32_t class;
    uint32_t source;
    int64_t rival_ns; /* the earliest time of any other source: until then, exclusively, this one goes on */
} choice;

static void consider(choice *best, int64_t at_ns, int32_t class, uint32_t source)
{
    if (at_ns < best->at_ns || (at_ns == best->at_ns && at_ns != NEVER && class < best->class)) {
        best->rival_ns = best->at_ns;
        best->at_ns = at_ns;
        best->class = class;
        best->source = source;
    } else if (at_ns < best->rival_ns)
        best->rival_ns = at_ns;
}

static int64_t market_time(const ida_timeline *t, int64_t at_ns)
{
    return at_ns > t->end_ns ? NEVER : at_ns;
}

static int64_t source_time(const ida_timeline *t, int32_t class, uint32_t source)
{
    if (class == EXCHANGE)
        return market_time(t, source < t->feed_count ? t->feeds[source].venue_ns
                              : ida_agents_next(t->instruments[source - t->feed_count].agents));
    if (class == LOCAL && source < t->feed_count)
        return market_time(t, t->feeds[source].local_ns);
    const ida_record *r = ida_agents_peek(t->instruments[source - t->feed_count].agents);
    return r ? market_time(t, r->ts_local_ns) : NEVER;
}

static void consider_live(const ida_timeline *t, choice *best);

static choice choose(const ida_timeline *t)
{
    choice best = {NEVER, RESPONSES + 1, 0, NEVER};
    for (uint32_t f = 0; f < t->feed_count; f++) {
        consider(&best, source_time(t, EXCHANGE, f), EXCHANGE, f);
        consider(&best, source_time(t, LOCAL, f), LOCAL, f);
    }
    for (uint32_t i = 0; i < t->instrument_count; i++) {
        const instrument *x = &t->instruments[i];
        if (x->agents) {
            consider(&best, source_time(t, EXCHANGE, t->feed_count + i), EXCHANGE, t->feed_count + i);
            consider(&best, source_time(t, LOCAL, t->feed_count + i), LOCAL, t->feed_count + i);
        }
        consider(&best, ida_watch_due(&x->watch), CONFLATED, i);
    }
    consider(&best, heap_time(&t->requests), REQUESTS, 0);
    consider(&best, heap_time(&t->responses), RESPONSES, 0);
    if (t->live.inlet)
        consider_live(t, &best);
    return best;
}

static int step_token(ida_timeline *t, int32_t class, ida_event *event)
{
    event->what = class == REQUESTS ? IDA_AT_ARRIVAL : IDA_AT_DELIVERY;
    event->token = heap_pop(class == REQUESTS ? &t->requests : &t->responses).token;
    return 1;
}

static int step(ida_timeline *t, const choice *c, ida_event *event)
{
    switch (c->class) {
    case EXCHANGE: return step_exchange(t, c->source, event);
    case LOCAL: return step_local(t, c->source, event);
    case CONFLATED: return step_conflated(t, c->source, event);
    default: return step_token(t, c->class, event);
    }
}

static int finish(ida_timeline *t, ida_event *event)
{
    for (uint32_t i = 0; !t->finished && i < t->instrument_count; i++)
        ida_market_finish(t->instruments[i].market);
    t->finished = 1;
    event->now_ns = t->now_ns;
    return event->what = IDA_AT_END;
}

static void move_to(ida_timeline *t, int64_t at_ns)
{
    if (at_ns > t->now_ns)
        t->now_ns = at_ns;
}

/* Where the time of the chosen source's next record stands, if it is a recorded feed. Such a one may go on by itself
 * until another's turn comes. Agents may not: what they do makes new records. */
static const int64_t *next_of(const ida_timeline *t, const choice *c)
{
    if (c->source >= t->feed_count || (c->class != EXCHANGE && c->class != LOCAL))
        return NULL;
    return c->class == EXCHANGE ? &t->feeds[c->source].venue_ns : &t->feeds[c->source].local_ns;
}

/* Records may not pass by a conflation that could be waiting for them. */
static int may_go_on(const ida_timeline *t, const ida_event *event)
{
    return t->instruments[event->instrument].watch.interval_ns == 0;
}

/* ------------------------------------------------------------------ live */

ida_status ida_timeline_set_inlet(ida_timeline *t, ida_inlet *inlet, int64_t start_ns, int64_t delay_ns)
{
    if (t->feed_count)
        return IDA_STATE;
    for (uint32_t i = 0; i < t->instrument_count; i++)
        if (t->instruments[i].agents)
            return IDA_STATE;
    for (uint32_t i = 0; i < t->instrument_count; i++)
        t->instruments[i].proof_ns = start_ns;
    t->live.inlet = inlet;
    t->live.delay_ns = delay_ns;
    t->live.due_ns = start_ns;
    t->live.judged_ns = t->now_ns = t->first_ns = start_ns;
    ida_inlet_raise(inlet, start_ns);
    return IDA_OK;
}

/* A time that is no time stays the last one there is. */
static int64_t later(int64_t at_ns, int64_t by_ns)
{
    int64_t sum;
    return __builtin_add_overflow(at_ns, by_ns, &sum) ? NEVER : sum;
}

void ida_timeline_set_staleness(ida_timeline *t, uint32_t i, int64_t bound_ns)
{
    if (i >= t->instrument_count)
        return;
    t->instruments[i].bound_ns = bound_ns;
    t->live.due_ns = INT64_MIN;
}

int64_t *ida_timeline_real(ida_timeline *t) { return &t->live.real_ns; }

/* Its proof is as old as it may be, from then on it is too old. */
static int64_t last_good(const instrument *x)
{
    return later(x->proof_ns, x->bound_ns);
}

/* Proof only grows younger, so the earliest that was found holds until that time has come. */
static void find_due(ida_timeline *t)
{
    t->live.due_ns = NEVER;
    for (uint32_t i = 0; i < t->instrument_count; i++) {
        const instrument *x = &t->instruments[i];
        if (!x->silent && last_good(x) < t->live.due_ns)
            t->live.due_ns = last_good(x);
    }
}

/* Its book is no more what the waking was for. */
static void drop_held(ida_timeline *t, instrument *x)
{
    t->live.left_out += (uint64_t)x->held;
    t->live.holding -= x->held;
    x->held = 0;
}

static int tell_state(ida_timeline *t, uint32_t i, int silent, ida_event *event)
{
    instrument *x = &t->instruments[i];
    x->silent = silent;
    ida_market_set_silent(x->market, silent);
    x->watch.waiting = 0;
    drop_held(t, x);
    if (!silent && last_good(x) < t->live.due_ns)
        t->live.due_ns = last_good(x);
    event->what = IDA_AT_STATE;
    event->instrument = i;
    event->record = NULL;
    event->changes = silent ? IDA_CHANGED_SILENT : IDA_CHANGED_HEARD;
    event->told[0] = t->live.judged_ns - x->proof_ns;
    event->told[1] = x->bound_ns;
    event->now_ns = t->now_ns;
    return 1;
}

/* Before whatever comes at at_ns: 1 if the proof of an instrument is too old by then. */
static int fall_silent(ida_timeline *t, int64_t at_ns, ida_event *event)
{
    if (at_ns > t->now_ns) /* one judgement for all that happens at one moment */
        t->live.judged_ns = at_ns > t->live.real_ns ? at_ns : t->live.real_ns;
    if (t->live.judged_ns <= t->live.due_ns)
        return 0;
    for (uint32_t i = 0; i < t->instrument_count; i++) {
        const instrument *x = &t->instruments[i];
        if (x->silent || t->live.judged_ns <= last_good(x))
            continue;
        move_to(t, later(last_good(x), 1) < at_ns ? later(last_good(x), 1) : at_ns);
        return tell_state(t, i, 1, event);
    }
    find_due(t);
    return 0;
}

/* 1: this proof is young enough to end a silence, and that is told first. Half the bound: a taker that is as much behind
 * as the bound would else be told of a new silence with each record. */
static int is_heard(ida_timeline *t, uint32_t i, int64_t proof_ns, ida_event *event)
{
    instrument *x = &t->instruments[i];
    if (proof_ns > x->proof_ns)
        x->proof_ns = proof_ns;
    return x->silent && t->live.judged_ns <= later(x->proof_ns, x->bound_ns / 2) && tell_state(t, i, 0, event);
}

static int tell_behind(ida_timeline *t, int behind, int64_t by_ns, ida_event *event)
{
    t->live.behind = behind;
    event->what = IDA_AT_BEHIND;
    event->changes = behind;
    event->record = NULL;
    event->told[0] = by_ns;
    event->told[1] = (int64_t)t->live.left_out;
    return 1;
}

/* 1: it fell behind with this record, or has caught up. */
static int is_turn(ida_timeline *t, const ida_record *r, ida_event *event)
{
    int64_t by_ns = t->live.judged_ns - r->ts_local_ns;
    if (!t->live.behind)
        return by_ns > t->live.delay_ns && tell_behind(t, 1, by_ns, event);
    return by_ns <= t->live.delay_ns / 8 && tell_behind(t, 0, by_ns, event);
}

/* The first waking that was held, after it has caught up. */
static int release_held(ida_timeline *t, ida_event *event)
{
    uint32_t i = 0;
    while (!t->instruments[i].held)
        i++;
    t->instruments[i].held = 0;
    t->instruments[i].watch.waiting = 0; /* it is of the newest book */
    t->live.holding--;
    event->what = IDA_AT_BOOK;
    event->instrument = i;
    event->record = NULL;
    event->changes = IDA_CHANGED_BOOK;
    return 1;
}

static void hold(ida_timeline *t, uint32_t i)
{
    t->live.left_out += (uint64_t)t->instruments[i].held;
    t->live.holding += !t->instruments[i].held;
    t->instruments[i].held = 1;
}

/* What does not fit the exchange's book makes it wait for a snapshot; the market goes on. */
static int exchange_live(ida_timeline *t, const ida_record *r, ida_event *event)
{
    instrument *x = &t->instruments[r->instrument];
    t->live.exchanged = 1;
    event->instrument = r->instrument;
    if (r->kind == IDA_MARK) {
        ida_mark *mark = &x->marks[x->mark == &x->marks[0]];
        *mark = *(const ida_mark *)r;
        if (exchange_mark(x, mark, event))
            return 1;
    } else if (r->kind == IDA_TRADE || r->kind == IDA_DEPTH || r->kind == IDA_SNAPSHOT) {
        if (r->kind == IDA_TRADE)
            note_single(x, (const ida_trade *)r);
        if (exchange_record(x, r, t->now_ns) != IDA_OK && r->kind != IDA_TRADE) {
            ida_sync_reset(x->exchange_sync);
            x->faults++;
        }
    }
    event->what = IDA_AT_REPORTS;
    return has_reports(x) || ida_match_is_alarmed(x->match);
}

static int deliver_live(ida_timeline *t, const ida_record *r, ida_event *event)
{
    uint32_t i = r->instrument;
    if (is_turn(t, r, event))
        return 1;
    if ((r->kind == IDA_DEPTH || r->kind == IDA_ALIVE) && is_heard(t, i, r->ts_local_ns, event))
        return 1;
    t->live.exchanged = 0;
    r = ida_inlet_take(t->live.inlet);
    if (r->kind == IDA_ALIVE)
        return 0;
    int happens = deliver(t, i, r, ida_journal_append, event);
    if (happens && event->what == IDA_AT_STATE)
        drop_held(t, &t->instruments[i]);
    if (!happens || event->what != IDA_AT_BOOK || !t->live.behind)
        return happens;
    hold(t, i);
    return 0;
}

/* The oldest that came in, at the exchange first and then to us; or what stands between two of them. */
static int step_live(ida_timeline *t, const choice *c, ida_event *event)
{
    if (ida_inlet_marked(t->live.inlet) != NEVER)
        return event->what = IDA_AT_TOLD;
    const ida_record *r = ida_inlet_peek(t->live.inlet);
    if (!r)
        return tell_behind(t, 0, 0, event);
    return c->class == EXCHANGE ? exchange_live(t, r, event) : deliver_live(t, r, event);
}

/* Where nobody matches, and once it has been at the exchange, a record goes to us. */
static int goes_to_us(const ida_timeline *t, const ida_record *r)
{
    return t->live.exchanged || r->kind == IDA_ALIVE || !t->instruments[r->instrument].match;
}

static void consider_live(const ida_timeline *t, choice *best)
{
    const ida_inlet *inlet = t->live.inlet;
    const ida_record *r = ida_inlet_peek(inlet);
    int64_t marked = ida_inlet_marked(inlet);
    if (t->live.due_ns != NEVER)
        consider(best, later(t->live.due_ns, 1), SILENCE, 0);
    if (marked != NEVER)
        consider(best, marked > t->now_ns ? marked : t->now_ns, LOCAL, OF_INLET);
    else if (r)
        consider(best, r->ts_local_ns, goes_to_us(t, r) ? LOCAL : EXCHANGE, OF_INLET);
    else if (t->live.behind)
        consider(best, t->now_ns, LOCAL, OF_INLET);
}

/* What comes in from here on is later than what was done at this moment. */
static void leave_moment(ida_timeline *t)
{
    ida_inlet_raise(t->live.inlet, later(t->now_ns, 1));
}

static int next_live(ida_timeline *t, int64_t until_ns, ida_event *event)
{
    int left = AT_A_TIME;
    if (t->live.holding && !t->live.behind) {
        event->now_ns = t->now_ns;
        return release_held(t, event) ? event->what : 0;
    }
    for (;;) {
        choice c = choose(t);
        int64_t at_ns = c.at_ns < until_ns ? c.at_ns : until_ns;
        if (fall_silent(t, at_ns, event))
            break;
        if (c.class == SILENCE && c.at_ns <= until_ns)
            continue; /* proof had come meanwhile */
        move_to(t, at_ns);
        if (c.at_ns > until_ns || --left <= 0) {
            event->what = c.at_ns > until_ns ? IDA_AT_TIME : IDA_AT_PAUSE;
            leave_moment(t);
            break;
        }
        int happens = c.source == OF_INLET ? step_live(t, &c, event) : step(t, &c, event);
        if (c.class == CONFLATED || c.class == RESPONSES)
            leave_moment(t);
        if (happens)
            break;
    }
    ida_inlet_raise(t->live.inlet, t->now_ns);
    event->now_ns = t->now_ns;
    return event->what;
}

int64_t ida_timeline_due(ida_timeline *t)
{
    if (!t->live.inlet)
        return choose(t).at_ns;
    find_due(t);
    return t->live.holding && !t->live.behind ? t->now_ns : choose(t).at_ns;
}

int ida_timeline_next(ida_timeline *t, int64_t until_ns, ida_event *event)
{
    int64_t last_ns = until_ns < t->end_ns ? until_ns : t->end_ns;
    int left = AT_A_TIME;
    event->record = NULL;
    event->changes = 0;
    event->status = IDA_OK;
    if (t->live.inlet)
        return next_live(t, until_ns, event);
    for (;;) {
        choice c = choose(t);
        if (c.at_ns == NEVER)
            return finish(t, event);
        if (c.at_ns > until_ns) {
            move_to(t, until_ns);
            event->now_ns = t->now_ns;
            return event->what = IDA_AT_TIME;
        }
        if (left <= 0 && c.at_ns > t->now_ns) { /* nothing more happens now, so whoever looks sees this time whole */
            event->now_ns = t->now_ns;
            return event->what = IDA_AT_PAUSE;
        }
        const int64_t *next = next_of(t, &c);
        do {
            move_to(t, c.at_ns);
            if (step(t, &c, event)) {
                event->now_ns = t->now_ns;
                return event->what;
            }
        } while (--left > 0 && next && (c.at_ns = *next) < c.rival_ns && c.at_ns <= last_ns && may_go_on(t, event));
    }
}

/* ------------------------------------------------------------------ looking */

ida_status ida_timeline_publish(ida_timeline *t, uint32_t i)
{
    if (i >= t->instrument_count || !t->instruments[i].agents)
        return IDA_UNKNOWN;
    return ida_agents_publish(t->instruments[i].agents, t->now_ns);
}

int64_t ida_timeline_now(const ida_timeline *t) { return t->now_ns; }
int64_t ida_timeline_first(const ida_timeline *t) { return t->first_ns; }
int64_t ida_timeline_last(const ida_timeline *t) { return t->last_ns; }
uint64_t ida_timeline_rows(const ida_timeline *t) { return t->rows; }
uint64_t ida_timeline_events(const ida_timeline *t) { return t->events; }
ida_market *ida_timeline_market(ida_timeline *t, uint32_t i) { return t->instruments[i].market; }
ida_match *ida_timeline_match(ida_timeline *t, uint32_t i) { return t->instruments[i].match; }

const ida_book *ida_timeline_exchange_book(const ida_timeline *t, uint32_t i)
{
    const instrument *x = &t->instruments[i];
    return x->agents ? ida_match_own(x->match) : x->exchange_book;
}

int ida_timeline_exchange_ready(const ida_timeline *t, uint32_t i)
{
    const instrument *x = &t->instruments[i];
    return !x->silent && x->match && (x->agents != NULL || ida_sync_look(x->exchange_sync)->state != IDA_WAITING);
}

int ida_timeline_exchange_over(const ida_timeline *t, uint32_t i)
{
    const instrument *x = &t->instruments[i];
    if (t->live.inlet)
        return 0; /* it goes on, whatever we know of it */
    int64_t last = x->agents || x->last_venue_ns > t->end_ns ? t->end_ns : x->last_venue_ns;
    return t->now_ns > last;
}

uint64_t ida_timeline_exchange_faults(const ida_timeline *t, uint32_t i) { return t->instruments[i].faults; }
uint64_t ida_timeline_doubled(const ida_timeline *t, uint32_t i) { return t->instruments[i].doubled; }
