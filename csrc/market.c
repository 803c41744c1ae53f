#include "market.h"

#include <stdlib.h>
#include <string.h>

enum { RING = 4096, RING_MASK = RING - 1 };

/* So many quotes in a row, each of them another one, that the book does not agree with prove it wrong. A single one can
 * be explained: the best changed and came back, and no quote told of it. Where quotes are missing, all that a book is
 * compared with meanwhile is one and the same. */
enum { PROOF = 3 };

/* Not to be inlined: most records are quotes and trades, and should not pay for what depth needs. */
#define APART __attribute__((noinline))

/* The best of both sides at an update id: of our book after a diff, or as a quote tells it. */
typedef struct sighting {
    int64_t id;
    ida_top top;
} sighting;

typedef struct ring {
    uint64_t first;
    uint64_t next;
    sighting at[RING];
} ring;

struct ida_market {
    ida_market_view view;
    ida_sync *sync;
    ida_book *book;
    const ida_top *top;
    const int64_t *clock;
    ida_observer observer;
    int64_t trade_id[2]; /* the highest so far, of single trades and of aggregates; 0: none */
    ida_known known; /* of the book, also while it is not in step and shows nothing as known */
    int is_known;
    int differing;        /* quotes in a row that the book did not agree with, the last of them with this id: */
    int64_t differing_id;
    ring quotes; /* rising ids; the first is the newest one at or below every top to come, as far as known */
    ring tops;   /* of our book, not yet compared: a quote at or below their id may still come */
};

/* ---- quotes against books ---------------------------------------------------------------------------------- */

static sighting *first(ring *r) { return &r->at[r->first & RING_MASK]; }
static int is_empty(const ring *r) { return r->first == r->next; }

static int64_t newest(const ring *r)
{
    return is_empty(r) ? -1 : r->at[(r->next - 1) & RING_MASK].id;
}

/* A full ring loses its first entry. */
static void push(ring *r, int64_t id, const ida_top *top)
{
    if (r->next - r->first == RING)
        r->first++;
    r->at[r->next++ & RING_MASK] = (sighting){id, *top};
}

/* The newest quote at or below id, or NULL; older ones are not needed again, since tops come with rising ids. */
static const sighting *quote_for(ida_market *m, int64_t id)
{
    ring *quotes = &m->quotes;
    while (quotes->next - quotes->first > 1 && quotes->at[(quotes->first + 1) & RING_MASK].id <= id)
        quotes->first++;
    return is_empty(quotes) || first(quotes)->id > id ? NULL : first(quotes);
}

static void compare(ida_market *m, int64_t id, const ida_top *top)
{
    const sighting *quote = quote_for(m, id);
    if (!quote)
        return;
    m->view.quotes_compared++;
    if (!memcmp(&quote->top, top, sizeof *top)) {
        m->differing = 0;
        return;
    }
    m->view.quotes_mismatched++;
    m->view.mismatch_id = id;
    m->differing += !m->differing || quote->id != m->differing_id;
    m->differing_id = quote->id;
}

static APART void settle_first(ida_market *m)
{
    const sighting *top = first(&m->tops);
    compare(m, top->id, &top->top);
    m->tops.first++;
}

/* Compares the tops below id: no quote that concerns them can come any more. */
static inline void settle_below(ida_market *m, int64_t id)
{
    while (!is_empty(&m->tops) && first(&m->tops)->id < id)
        settle_first(m);
}

static void note_top(ida_market *m, int64_t id)
{
    if (m->tops.next - m->tops.first == RING) /* quotes are rare here: the newest known will be the one */
        settle_first(m);
    push(&m->tops, id, m->top);
    settle_below(m, newest(&m->quotes));
}

static void forget_sightings(ida_market *m)
{
    m->quotes.first = m->quotes.next;
    m->tops.first = m->tops.next;
    m->differing = 0;
}

/* ---- what is known ----------------------------------------------------------------------------------------- */

/* A book that is not in step shows nothing as known; to be called when that may have changed. */
static void show_known(ida_market *m)
{
    ida_book_set_known(m->book, m->view.synced ? m->known : (ida_known){INT64_MAX, INT64_MIN});
}

static inline void look_at_best(ida_market *m)
{
    int was = m->is_known;
    m->is_known = m->view.synced && m->top->bid >= m->known.bid && m->top->ask <= m->known.ask;
    m->view.left_known += was && !m->is_known && m->view.synced;
}

/* ---- depth ------------------------------------------------------------------------------------------------- */

/* The book is not what the exchange has: nothing of it is kept. */
static int give_up(ida_market *m, int64_t *count, int change)
{
    ++*count;
    ida_book_clear(m->book);
    ida_sync_reset(m->sync);
    return change;
}

/* 0, or what was wrong with it. */
static int apply_levels(ida_market *m, const ida_depth *depth)
{
    if (ida_book_apply(m->book, depth) != IDA_OK)
        return give_up(m, &m->view.faults, IDA_CHANGED_FAULT);
    if (depth->head.kind == IDA_SNAPSHOT) {
        m->known = *ida_book_known(m->book);
        m->differing = 0;
    }
    if (m->top->bid >= m->top->ask)
        return give_up(m, &m->view.crossed, IDA_CHANGED_CROSSED);
    if (depth->head.kind == IDA_DEPTH)
        note_top(m, depth->last_id);
    return 0;
}

/* The tops that still wait for their quote are of the same book. */
static int is_disproved(ida_market *m)
{
    if (m->differing < PROOF || ida_sync_look(m->sync)->state == IDA_WAITING)
        return 0;
    m->differing = 0;
    m->tops.first = m->tops.next;
    return give_up(m, &m->view.disproved, IDA_CHANGED_DISPROVED);
}

static int replay(ida_market *m)
{
    const ida_depth *kept;
    int wrong = 0;
    while (!wrong && (kept = ida_sync_replay(m->sync)))
        wrong = apply_levels(m, kept);
    return wrong;
}

/* What is wrong after the verdict was carried out, as ida_change bits. */
static int carry_out(ida_market *m, int verdict, const ida_depth *depth)
{
    int64_t gaps = ida_sync_look(m->sync)->gaps;
    if (verdict == IDA_GAP)
        return IDA_CHANGED_GAP;
    if (verdict != IDA_APPLY && verdict != IDA_REPLACE)
        return 0;
    int wrong = apply_levels(m, depth);
    if (!wrong && verdict == IDA_REPLACE)
        wrong = replay(m);
    return ida_sync_look(m->sync)->gaps == gaps ? wrong : wrong | IDA_CHANGED_GAP;
}

static int is_synced(const ida_market *m)
{
    return ida_sync_look(m->sync)->state == IDA_SYNCED && !m->view.silent;
}

static APART int apply_depth(ida_market *m, const ida_depth *depth)
{
    ida_top before = *m->top;
    int was_synced = m->view.synced, verdict = ida_sync_judge(m->sync, depth);
    int changes = carry_out(m, verdict, depth);
    changes |= is_disproved(m);
    m->view.synced = is_synced(m);
    if (!m->view.synced || !was_synced)
        show_known(m);
    look_at_best(m);
    if (verdict == IDA_APPLY || verdict == IDA_REPLACE)
        m->view.ts_book_ns = depth->head.ts_local_ns;
    if (m->view.synced != was_synced)
        changes |= IDA_CHANGED_STATE;
    if (!m->view.synced)
        return changes;
    if (!was_synced)
        return changes | IDA_CHANGED_BOOK | IDA_CHANGED_TOP;
    if (verdict == IDA_APPLY && depth->bids + depth->asks)
        changes |= IDA_CHANGED_BOOK;
    return memcmp(&before, m->top, sizeof before) ? changes | IDA_CHANGED_TOP : changes;
}

/* ---- the other kinds --------------------------------------------------------------------------------------- */

/* An id that is not above 0 is none. */
static inline void follow_id(ida_market *m, const ida_trade *trade)
{
    int64_t *last = &m->trade_id[(trade->head.flags & IDA_FLAG_AGGREGATE) != 0], missing;
    if (trade->trade_id <= *last)
        return;
    missing = trade->trade_id - *last - 1;
    if (*last && missing) {
        m->view.trade_holes++;
        if (__builtin_add_overflow(m->view.trades_missing, missing, &m->view.trades_missing))
            m->view.trades_missing = INT64_MAX;
    }
    *last = trade->trade_id;
}

static int apply_trade(ida_market *m, const ida_trade *trade)
{
    int64_t before = m->view.last_price;
    follow_id(m, trade);
    if (trade->head.flags & IDA_FLAG_OFF_BOOK || trade->price <= 0) {
        m->view.off_book++;
        return 0;
    }
    m->view.last_price = trade->price;
    m->view.last_quantity = trade->quantity;
    return trade->price == before ? 0 : IDA_CHANGED_LAST;
}

static APART int lose_disproved(ida_market *m)
{
    int was_synced = m->view.synced, changes = is_disproved(m);
    m->view.synced = is_synced(m);
    show_known(m);
    look_at_best(m);
    return m->view.synced == was_synced ? changes : changes | IDA_CHANGED_STATE;
}

static int apply_quote(ida_market *m, const ida_quote *quote)
{
    ida_top top = {quote->bid, quote->bid_quantity, quote->ask, quote->ask_quantity};
    if (quote->update_id >= newest(&m->quotes)) { /* a late one would only mislead */
        settle_below(m, quote->update_id);
        push(&m->quotes, quote->update_id, &top);
    }
    m->view.quote_bid = quote->bid;
    m->view.quote_bid_quantity = quote->bid_quantity;
    m->view.quote_ask = quote->ask;
    m->view.quote_ask_quantity = quote->ask_quantity;
    m->view.quote_id = quote->update_id;
    return m->differing < PROOF ? 0 : lose_disproved(m);
}

static int apply_mark(ida_market *m, const ida_mark *mark)
{
    m->view.mark_e8 = mark->mark_e8;
    m->view.index_e8 = mark->index_e8;
    m->view.funding_rate_e8 = mark->funding_rate_e8;
    m->view.next_funding_ns = mark->next_funding_ns;
    return 0;
}

static inline int apply(ida_market *m, const ida_record *record)
{
    if (record->kind < IDA_SNAPSHOT || record->kind >= IDA_MARKET_KINDS)
        return 0;
    m->view.count[record->kind]++;
    m->view.ts_venue_ns = record->ts_venue_ns;
    m->view.ts_local_ns = record->ts_local_ns;
    switch (record->kind) {
    case IDA_SNAPSHOT:
    case IDA_DEPTH:
        return apply_depth(m, (const ida_depth *)record);
    case IDA_TRADE:
        return apply_trade(m, (const ida_trade *)record);
    case IDA_QUOTE:
        return apply_quote(m, (const ida_quote *)record);
    case IDA_MARK:
        return apply_mark(m, (const ida_mark *)record);
    default:
        return 0;
    }
}

int ida_market_apply(ida_market *m, const ida_record *record)
{
    int changes = apply(m, record);
    if (m->observer.see)
        m->observer.see(m->observer.state, record, changes);
    return changes;
}

/* In step or not, without a record's doing. */
static void turn(ida_market *m, int lost)
{
    m->view.synced = is_synced(m);
    show_known(m);
    look_at_best(m);
    if (m->observer.turn)
        m->observer.turn(m->observer.state, lost);
}

void ida_market_reset(ida_market *m)
{
    ida_sync_reset(m->sync);
    forget_sightings(m);
    turn(m, 1);
}

void ida_market_set_silent(ida_market *m, int silent)
{
    m->view.silent = silent;
    turn(m, silent);
}

void ida_market_finish(ida_market *m)
{
    settle_below(m, INT64_MAX);
}

/* ---- looking ----------------------------------------------------------------------------------------------- */

ida_status ida_market_observe(ida_market *m, const ida_observer *observer)
{
    if (m->observer.see)
        return IDA_FULL;
    m->observer = *observer;
    return IDA_OK;
}

const ida_observer *ida_market_observer(const ida_market *m)
{
    return &m->observer;
}

void ida_market_set_clock(ida_market *m, const int64_t *now_ns)
{
    m->clock = now_ns;
}

int64_t ida_market_now(const ida_market *m)
{
    int64_t last = m->view.ts_local_ns;
    return m->clock && *m->clock > last ? *m->clock : last;
}

int ida_market_is_known(const ida_market *m)
{
    return m->is_known;
}

const ida_market_view *ida_market_look(const ida_market *m)
{
    return &m->view;
}

const ida_sync_view *ida_market_sync(const ida_market *m)
{
    return ida_sync_look(m->sync);
}

int64_t ida_market_kept_id(const ida_market *m)
{
    return ida_sync_kept_id(m->sync);
}

ida_book *ida_market_book(ida_market *m)
{
    return m->book;
}

/* ---- making ------------------------------------------------------------------------------------------------ */

ida_market *ida_market_new(int chain, size_t pages, int64_t max_price, size_t buffer_bytes)
{
    ida_market *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->sync = ida_sync_new(chain, buffer_bytes);
    m->book = ida_book_new(pages, max_price);
    if (!m->sync || !m->book) {
        ida_market_free(m);
        return NULL;
    }
    m->top = ida_book_top(m->book);
    m->known = *ida_book_known(m->book);
    show_known(m);
    m->view.last_price = m->view.quote_id = m->view.mark_e8 = m->view.mismatch_id = -1;
    return m;
}

void ida_market_free(ida_market *m)
{
    if (!m)
        return;
    if (m->observer.see)
        m->observer.free(m->observer.state);
    ida_sync_free(m->sync);
    ida_book_free(m->book);
    free(m);
}
