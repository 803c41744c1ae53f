/* needs: agents tape chance maths match ahead fill map orders recorded stops taker book pool status */
/* The synthetic market under the sanitizers: markets of several shapes with a user who sweeps and rests, a diff too
 * large for one record, a ring that runs full. Records are held to their own claims; same seed, same records. */
#include "agents.h"

#include <stdlib.h>
#include <string.h>

#include "expect.h"

enum { STEPS = 6000, USERS_ORDERS = 40000 };

static const ida_agents_config usual = {
    .seed = 1, .start_ns = 1767225600000000000, .start_price = 6000000, .typical_quantity = 1600, .volatility = 0.03,
    .events_per_s = 200, .half_spread = 1, .depth_interval_ns = 100000000, .latency_ns = 2000000,
    .latency_jitter_ns = 1000000,
};

typedef struct market {
    ida_match *match;
    ida_agents *agents;
    ida_book *book; /* rebuilt from the records */
    int64_t last_id, quote_id, local_ns, records;
    ida_quote quote;
    uint64_t hash;
} market;

static market open_market(const ida_agents_config *config, size_t orders)
{
    int64_t highest = config->start_price * 4;
    market m = {.match = ida_match_new(NULL, highest, orders, 4096, IDA_QUEUE_RISK_AVERSE, 1, 1),
                .book = ida_book_new(4096, highest)};
    m.agents = ida_agents_new(config, m.match, 3);
    EXPECT(m.match && m.book && m.agents);
    return m;
}

static void close_market(market *m)
{
    ida_agents_free(m->agents);
    ida_match_free(m->match);
    ida_book_free(m->book);
}

static int shows_top(const market *m)
{
    const ida_top *top = ida_book_top(m->book);
    return m->quote.bid == top->bid && m->quote.bid_quantity == top->bid_quantity && m->quote.ask == top->ask
        && m->quote.ask_quantity == top->ask_quantity;
}

static void read_depth(market *m, const ida_depth *d)
{
    EXPECT(d->head.length == sizeof *d + (d->bids + d->asks) * sizeof(ida_level));
    EXPECT(d->first_id == m->last_id + 1 && d->last_id >= d->first_id && d->previous_id == -1);
    EXPECT(ida_book_apply(m->book, d) == IDA_OK);
    EXPECT(ida_book_top(m->book)->bid < ida_book_top(m->book)->ask);
    if (d->head.kind == IDA_DEPTH)
        EXPECT(m->quote_id > m->last_id ? m->quote_id <= d->last_id && shows_top(m) : shows_top(m));
    m->last_id = d->last_id;
}

static void read_records(market *m)
{
    for (const ida_record *r; (r = ida_agents_peek(m->agents)); ida_agents_take(m->agents), m->records++) {
        EXPECT(r->instrument == 3 && r->length % 8 == 0);
        EXPECT(r->ts_local_ns >= m->local_ns && r->ts_local_ns >= r->ts_venue_ns);
        EXPECT(m->records || r->kind == IDA_SNAPSHOT);
        m->local_ns = r->ts_local_ns;
        for (uint32_t i = 0; i < r->length; i++)
            m->hash = (m->hash ^ ((const unsigned char *)r)[i]) * 1099511628211u;
        if (r->kind == IDA_QUOTE) {
            memcpy(&m->quote, r, sizeof m->quote);
            EXPECT(m->quote.update_id > m->quote_id && m->quote.update_id > m->last_id);
            m->quote_id = m->quote.update_id;
        } else if (r->kind != IDA_TRADE)
            read_depth(m, (const ida_depth *)r);
    }
}

static void ask(market *m, uint64_t id, uint8_t side, int64_t price, int64_t lots)
{
    ida_new_order order = {.order_id = id, .account = 1, .side = side, .type = IDA_LIMIT, .price = price,
                           .quantity = lots};
    int64_t now = ida_agents_next(m->agents) - 1;
    if (ida_match_place(m->match, &order, now) != IDA_OK)
        return;
    EXPECT(ida_agents_publish(m->agents, now) == IDA_OK);
    ida_match_clear_reports(m->match);
}

/* Every so often the user sweeps a side, rests inside the spread, or cancels all. */
static void meddle(market *m, int step)
{
    const ida_top *top = ida_book_top(ida_match_own(m->match));
    uint8_t side = step / 100 % 2 ? IDA_BUY : IDA_SELL;
    if (step % 100 == 0)
        ask(m, (uint64_t)step + 1, side, side == IDA_BUY ? top->bid + 1 : top->ask - 1, 50);
    if (step % 500 == 250)
        ask(m, (uint64_t)step + 1, side, side == IDA_BUY ? top->ask + 1000 : top->bid - 1000, 1000000);
    if (step % 500 == 280) {
        ida_match_cancel_all(m->match, 1, ida_agents_next(m->agents) - 1);
        EXPECT(ida_agents_publish(m->agents, ida_agents_next(m->agents) - 1) == IDA_OK);
    }
}

static uint64_t run(const ida_agents_config *config, int meddles)
{
    market m = open_market(config, 4096);
    for (int i = 1; i <= STEPS; i++) {
        EXPECT(ida_agents_step(m.agents) == IDA_OK);
        if (meddles)
            meddle(&m, i);
        ida_match_clear_reports(m.match);
        if (i % 37 == 0)
            read_records(&m);
    }
    read_records(&m);
    EXPECT(m.records > STEPS / 20);
    close_market(&m);
    return m.hash;
}

static void test_shapes(void)
{
    ida_agents_config c = usual;
    uint64_t hash = run(&c, 0);
    EXPECT(run(&c, 0) == hash);
    c.seed = 2;
    EXPECT(run(&c, 0) != hash);
    run(&c, 1);
    c.depth_interval_ns = 0;
    run(&c, 1);
    c.volatility = 10;
    run(&c, 1);
    c.events_per_s = 0.001;
    run(&c, 1);
    c.start_price = 512;
    c.typical_quantity = 1;
    run(&c, 1);
    c.volatility = 0;
    run(&c, 1);
}

/* More prices than one record holds, changed between two diffs. */
static void test_splits_a_large_diff(void)
{
    market m = open_market(&usual, USERS_ORDERS + 4096);
    ida_agents_step(m.agents);
    read_records(&m);
    for (uint64_t i = 1; i <= USERS_ORDERS; i++) {
        ida_new_order order = {.order_id = i, .account = 1, .side = i % 2, .price = i % 2 ? 6100000 + (int64_t)i
                               : 5900000 - (int64_t)i, .quantity = 1};
        EXPECT(ida_match_place(m.match, &order, usual.start_ns + 1) == IDA_OK);
        ida_match_clear_reports(m.match);
    }
    int64_t before = m.records;
    for (int i = 0; i < 400; i++)
        EXPECT(ida_agents_step(m.agents) == IDA_OK);
    read_records(&m);
    EXPECT(m.records > before + 4);
    EXPECT(ida_book_levels(m.book, IDA_BUY) > USERS_ORDERS / 2 - 1);
    close_market(&m);
}

/* The ring wraps where it must; what does not fit is refused, and nothing is lost. */
static void test_a_full_ring(void)
{
    market m = open_market(&usual, 4096);
    for (int round = 0; round < 3; round++) {
        while (ida_agents_step(m.agents) == IDA_OK)
            continue;
        int64_t next = ida_agents_next(m.agents);
        EXPECT(ida_agents_step(m.agents) == IDA_FULL && ida_agents_next(m.agents) == next);
        for (int i = 0; i < 20000; i++)
            ida_agents_take(m.agents);
        EXPECT(ida_agents_step(m.agents) == IDA_OK);
    }
    while (ida_agents_peek(m.agents))
        ida_agents_take(m.agents);
    ida_agents_take(m.agents);
    close_market(&m);
}

static void test_refuses(void)
{
    ida_match *match = ida_match_new(NULL, 1 << 24, 64, 16, IDA_QUEUE_RISK_AVERSE, 1, 1);
    ida_agents_config c = usual;
    EXPECT(!ida_agents_new(&c, match, 0)); /* too few orders */
    c.events_per_s = 0;
    EXPECT(!ida_agents_new(&c, match, 0));
    ida_match_free(match);
    ida_agents_free(NULL);
}

int main(void)
{
    test_shapes();
    test_splits_a_large_diff();
    test_a_full_ring();
    test_refuses();
    return DONE;
}
