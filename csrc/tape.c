#include "tape.h"

#include <stdlib.h>
#include <string.h>

#include "chance.h"

/* A diff is written early once so many levels may have changed: the matching engine remembers only so many. */
enum { MOST_TOUCHED = 1024, RECORD_LEVELS = 1 << 14, MOST_LEVELS = 1 << 16, RESERVE = 2 << 20 };
enum { LEAST_RING = 8 << 20, BYTES_AN_ACTION = 1024, MOST_RING = 1 << 30 };

struct ida_tape {
    ida_match *match;
    const ida_top *top; /* of the engine's book */
    ida_top told;       /* by the last quote */
    int64_t id;         /* the last update id given away */
    int64_t diff_id;    /* last id of the last diff */
    int64_t due;
    int64_t local_ns;   /* of the last record */
    int64_t delay_ns;   /* of the publication under way */
    int64_t interval_ns, latency_ns, jitter_ns;
    ida_chance chance;
    size_t touched;     /* since the last diff */
    uint32_t instrument;
    ida_level *levels;  /* MOST_LEVELS, as the engine gives them */
    ida_level *part[2]; /* RECORD_LEVELS each: one record of a split diff */
    uint32_t part_count[2];
    /* Records lie whole in a ring of bytes: from head to tail, or, when wrapped (tail <= head), from head to end and
     * from 0 to tail. */
    char *bytes;
    size_t capacity, head, tail, end, count;
};

/* ---- the ring ----------------------------------------------------------------------------------------------- */

/* Where `length` bytes can lie, or SIZE_MAX. */
static size_t place_for(const ida_tape *t, size_t length)
{
    if (t->count && t->tail <= t->head)
        return length <= t->head - t->tail ? t->tail : SIZE_MAX;
    if (length <= t->capacity - t->tail)
        return t->tail;
    return length <= t->head ? 0 : SIZE_MAX;
}

int ida_tape_has_room(const ida_tape *t) { return place_for(t, RESERVE) != SIZE_MAX; }

static void *add(ida_tape *t, uint16_t kind, uint16_t flags, size_t length, int64_t now)
{
    size_t at = place_for(t, length);
    if (at == SIZE_MAX)
        return NULL;
    if (at != t->tail)
        t->end = t->tail;
    t->tail = at + length;
    t->count++;
    if (now + t->delay_ns > t->local_ns)
        t->local_ns = now + t->delay_ns;
    ida_record *r = (ida_record *)(t->bytes + at);
    *r = (ida_record){.length = (uint32_t)length, .kind = kind, .flags = flags, .instrument = t->instrument,
                      .ts_venue_ns = now, .ts_local_ns = t->local_ns};
    return r;
}

const ida_record *ida_tape_peek(const ida_tape *t)
{
    return t->count ? (const ida_record *)(t->bytes + t->head) : NULL;
}

void ida_tape_take(ida_tape *t)
{
    if (!t->count)
        return;
    int wrapped = t->tail <= t->head;
    t->head += ida_tape_peek(t)->length;
    if (--t->count == 0)
        t->head = t->tail = 0;
    else if (wrapped && t->head == t->end)
        t->head = 0;
}

/* ---- trades and quotes -------------------------------------------------------------------------------------- */

static void set_out(ida_tape *t)
{
    t->delay_ns = t->latency_ns + (int64_t)((double)t->jitter_ns * ida_chance_exponential(&t->chance));
}

static ida_status write_trades(ida_tape *t, int64_t now)
{
    ida_print print;
    while (place_for(t, sizeof(ida_trade)) != SIZE_MAX) {
        if (!ida_match_prints(t->match, &print, 1))
            return IDA_OK;
        ida_trade *trade = add(t, IDA_TRADE, print.buyer_is_maker ? IDA_FLAG_BUYER_IS_MAKER : 0, sizeof *trade, now);
        trade->trade_id = trade->first_trade_id = trade->last_trade_id = print.trade_id;
        trade->price = print.price;
        trade->quantity = print.quantity;
        t->touched++;
    }
    return IDA_FULL;
}

static ida_status write_quote(ida_tape *t, int64_t now)
{
    if (!memcmp(&t->told, t->top, sizeof t->told))
        return IDA_OK;
    ida_quote *quote = add(t, IDA_QUOTE, 0, sizeof *quote, now);
    if (!quote)
        return IDA_FULL;
    t->told = *t->top;
    quote->update_id = ++t->id;
    quote->bid = t->told.bid;
    quote->bid_quantity = t->told.bid_quantity;
    quote->ask = t->told.ask;
    quote->ask_quantity = t->told.ask_quantity;
    return IDA_OK;
}

/* ---- depth -------------------------------------------------------------------------------------------------- */

static void write_depth(ida_tape *t, uint16_t kind, int64_t now, const ida_level *levels[2], const uint32_t counts[2])
{
    size_t bids = counts[IDA_BUY] * sizeof(ida_level), asks = counts[IDA_SELL] * sizeof(ida_level);
    int whole = kind == IDA_SNAPSHOT && counts[IDA_BUY] < RECORD_LEVELS && counts[IDA_SELL] < RECORD_LEVELS;
    ida_depth *depth = add(t, kind, whole ? IDA_FLAG_WHOLE : 0, sizeof *depth + bids + asks, now);
    depth->first_id = t->diff_id + 1;
    t->id += kind == IDA_SNAPSHOT ? 1 : counts[IDA_BUY] + counts[IDA_SELL];
    depth->last_id = t->diff_id = t->id;
    depth->previous_id = -1;
    depth->bids = counts[IDA_BUY];
    depth->asks = counts[IDA_SELL];
    memcpy(depth->levels, levels[IDA_BUY], bids);
    memcpy(depth->levels + counts[IDA_BUY], levels[IDA_SELL], asks);
}

static void write_part(ida_tape *t, int64_t now)
{
    const ida_level *levels[2] = {t->part[0], t->part[1]};
    if (t->part_count[0] + t->part_count[1])
        write_depth(t, IDA_DEPTH, now, levels, t->part_count);
    t->part_count[0] = t->part_count[1] = 0;
}

/* 0: gone, and better than what is best now; 1: the best; 2: the rest. In this order no part leaves a crossed book,
 * and the first one leaves the right top unless there are more of the first kind than fit in it. */
static int rank(const ida_tape *t, int side, int64_t price)
{
    int64_t best = side == IDA_BUY ? t->top->bid : t->top->ask;
    if (price == best)
        return 1;
    return (side == IDA_BUY) == (price > best) ? 0 : 2;
}

static void split(ida_tape *t, int64_t now, const ida_level *levels[2], const uint32_t counts[2])
{
    for (int of_rank = 0; of_rank < 3; of_rank++)
        for (int side = 0; side < 2; side++)
            for (uint32_t i = 0; i < counts[side]; i++) {
                if (rank(t, side, levels[side][i].price) != of_rank)
                    continue;
                t->part[side][t->part_count[side]++] = levels[side][i];
                if (t->part_count[0] + t->part_count[1] == RECORD_LEVELS)
                    write_part(t, now);
            }
    write_part(t, now);
}

static size_t write_changes(ida_tape *t, int64_t now)
{
    uint32_t counts[2];
    size_t n = ida_match_changes(t->match, t->levels, MOST_LEVELS, &counts[IDA_BUY], &counts[IDA_SELL]);
    const ida_level *levels[2] = {t->levels, t->levels + counts[IDA_BUY]};
    if (n > RECORD_LEVELS)
        split(t, now, levels, counts);
    else if (n)
        write_depth(t, IDA_DEPTH, now, levels, counts);
    return n;
}

ida_status ida_tape_cut(ida_tape *t, int64_t now)
{
    do {
        if (!ida_tape_has_room(t))
            return IDA_FULL;
    } while (write_changes(t, now) == MOST_LEVELS);
    t->due = IDA_NEVER_DUE;
    t->touched = 0;
    return IDA_OK;
}

int64_t ida_tape_due(const ida_tape *t) { return t->due; }

ida_status ida_tape_publish(ida_tape *t, int64_t now, size_t touched)
{
    set_out(t);
    t->touched += touched;
    ida_status status = write_trades(t, now);
    if (status == IDA_OK)
        status = write_quote(t, now);
    if (status != IDA_OK)
        return status;
    if (t->due == IDA_NEVER_DUE)
        t->due = t->interval_ns ? now - now % t->interval_ns + t->interval_ns : now;
    return t->due <= now || t->touched >= MOST_TOUCHED ? ida_tape_cut(t, now) : IDA_OK;
}

ida_status ida_tape_snapshot(ida_tape *t, int64_t now)
{
    const ida_book *book = ida_match_own(t->match);
    ida_print print;
    uint32_t counts[2];
    while (ida_match_changes(t->match, t->levels, MOST_LEVELS, &counts[0], &counts[1]))
        continue;
    while (ida_match_prints(t->match, &print, 1))
        continue;
    for (int side = 0; side < 2; side++)
        counts[side] = (uint32_t)ida_book_top_n(book, side, t->levels + side * RECORD_LEVELS, RECORD_LEVELS);
    const ida_level *levels[2] = {t->levels, t->levels + RECORD_LEVELS};
    set_out(t);
    write_depth(t, IDA_SNAPSHOT, now, levels, counts);
    return write_quote(t, now);
}

/* ---- making ------------------------------------------------------------------------------------------------- */

/* What can be under way at once, and as much again. 0: too much. */
static size_t ring_size(const ida_agents_config *config)
{
    double delay_s = ((double)config->latency_ns + 40.0 * (double)config->latency_jitter_ns) / 1e9;
    double bytes = LEAST_RING + 2 * delay_s * config->events_per_s * BYTES_AN_ACTION;
    return bytes <= MOST_RING ? (size_t)bytes & ~(size_t)7 : 0;
}

ida_tape *ida_tape_new(const ida_agents_config *config, ida_match *match, uint32_t instrument)
{
    size_t capacity = ring_size(config);
    ida_tape *t = capacity ? calloc(1, sizeof *t) : NULL;
    if (!t)
        return NULL;
    *t = (ida_tape){.match = match, .top = ida_book_top(ida_match_own(match)), .due = IDA_NEVER_DUE,
                    .interval_ns = config->depth_interval_ns, .latency_ns = config->latency_ns,
                    .jitter_ns = config->latency_jitter_ns, .instrument = instrument, .capacity = capacity};
    ida_chance_seed(&t->chance, config->seed, 3);
    t->bytes = malloc(capacity);
    t->levels = malloc(MOST_LEVELS * sizeof *t->levels);
    t->part[0] = malloc(RECORD_LEVELS * sizeof *t->part[0]);
    t->part[1] = malloc(RECORD_LEVELS * sizeof *t->part[1]);
    if (t->bytes && t->levels && t->part[0] && t->part[1])
        return t;
    ida_tape_free(t);
    return NULL;
}

void ida_tape_free(ida_tape *t)
{
    if (!t)
        return;
    free(t->bytes);
    free(t->levels);
    free(t->part[0]);
    free(t->part[1]);
    free(t);
}
