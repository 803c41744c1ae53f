/* needs: market sync book */
/* Random records of all kinds, faulty ones among them: what is compared and counted adds up, in bounds. */
#include "market.h"

#include <stdio.h>
#include <stdlib.h>

#define CHECK(claim) \
    do { \
        if (!(claim)) { \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #claim); \
            exit(1); \
        } \
    } while (0)

enum { MAX_PRICE = 5000, STEPS = 60000 };

static unsigned seed = 3;

static unsigned draw(unsigned below)
{
    seed = seed * 1103515245u + 12345u;
    return (seed >> 8) % below;
}

static int apply_depth(ida_market *m, uint16_t kind, int64_t first, int64_t last, ida_level bid, ida_level ask)
{
    struct { ida_depth depth; ida_level levels[2]; } record = {
        .depth = {.head = {.length = sizeof record, .kind = kind}, .first_id = first, .last_id = last,
                  .previous_id = first - 1, .bids = 1, .asks = 1},
        .levels = {bid, ask}};
    return ida_market_apply(m, &record.depth.head);
}

static int apply_quote(ida_market *m, int64_t id, const ida_top *top)
{
    ida_quote quote = {.head = {.length = sizeof quote, .kind = IDA_QUOTE}, .update_id = id, .bid = top->bid,
                       .bid_quantity = top->bid_quantity, .ask = top->ask, .ask_quantity = top->ask_quantity};
    return ida_market_apply(m, &quote.head);
}

/* Quotes that tell the truth about each book, now early, now late, now for thousands of books not at all. */
static void test_true_quotes(int chain)
{
    ida_market *m = ida_market_new(chain, 64, MAX_PRICE, 4096);
    const ida_market_view *view = ida_market_look(m);
    int64_t id = 10, applied = 0;
    CHECK(m);
    apply_depth(m, IDA_SNAPSHOT, id, id, (ida_level){1000, 1}, (ida_level){2000, 1});
    for (int i = 0; i < STEPS; i++, id++) {
        int quiet = i % 20000 > 10000; /* the top stays as it is and needs no quote */
        ida_level bid = {quiet ? 900 : 1000, 1 + draw(9)}, ask = {quiet ? 2100 : 2000, 1 + draw(9)};
        ida_top top = {1000, bid.quantity, 2000, ask.quantity};
        int early = draw(2), change;
        if (early && !quiet)
            CHECK(!apply_quote(m, id + 1, &top));
        change = apply_depth(m, IDA_DEPTH, id + 1, id + 1, bid, ask);
        CHECK(change & IDA_CHANGED_BOOK && !(change & (IDA_CHANGED_GAP | IDA_CHANGED_CROSSED)));
        if (!early && !quiet)
            CHECK(!apply_quote(m, id + 1, &top));
        applied++;
    }
    ida_market_finish(m);
    CHECK(view->quotes_compared == applied && !view->quotes_mismatched);
    CHECK(ida_market_sync(m)->applied == applied && view->count[IDA_DEPTH] == applied);
    ida_market_free(m);
}

/* Chains with gaps, books that cross or do not fit: never trusted when they should not be. */
static void test_faults(int chain)
{
    ida_market *m = ida_market_new(chain, 3, MAX_PRICE, 700);
    const ida_market_view *view = ida_market_look(m);
    int64_t id = 10;
    CHECK(m);
    for (int i = 0; i < STEPS; i++) {
        int64_t lost = draw(40) == 0;
        ida_level bid = {(int64_t)draw(2100), draw(3)}, ask = {draw(500) ? 2050 + draw(3000) : 9999, draw(3)};
        ida_top top = {(int64_t)draw(9), draw(9), draw(9), draw(9)};
        int change = apply_depth(m, IDA_DEPTH, id + 1 + lost, id + 1 + lost, bid, ask);
        id += 1 + lost;
        if (change & (IDA_CHANGED_CROSSED | IDA_CHANGED_FAULT | IDA_CHANGED_DISPROVED))
            CHECK(!ida_book_levels(ida_market_book(m), IDA_BUY) && !ida_book_levels(ida_market_book(m), IDA_SELL));
        if (change & (IDA_CHANGED_CROSSED | IDA_CHANGED_FAULT | IDA_CHANGED_GAP | IDA_CHANGED_DISPROVED))
            CHECK(!view->synced && ida_market_sync(m)->state == IDA_WAITING);
        CHECK(view->synced == (ida_market_sync(m)->state == IDA_SYNCED));
        CHECK(ida_book_top(ida_market_book(m))->bid < ida_book_top(ida_market_book(m))->ask);
        if (draw(5) == 0)
            apply_depth(m, IDA_SNAPSHOT, id, id - draw(3), (ida_level){1000, 1}, (ida_level){2000, 1});
        if (draw(4) == 0) {
            change = apply_quote(m, id - draw(20), &top);
            CHECK(!(change & IDA_CHANGED_DISPROVED) || ida_market_sync(m)->state == IDA_WAITING);
        }
        if (draw(300) == 0)
            ida_market_reset(m);
    }
    CHECK(view->crossed && view->faults && ida_market_sync(m)->gaps && view->quotes_mismatched);
    ida_market_finish(m);
    ida_market_free(m);
}

/* A book that one quote after the other disagrees with is thrown away, and the next snapshot is one to begin from. */
static void test_wrong_quotes(int chain)
{
    ida_market *m = ida_market_new(chain, 64, MAX_PRICE, 4096);
    const ida_market_view *view = ida_market_look(m);
    ida_level bid = {1000, 1}, ask = {2000, 1};
    ida_top wrong = {1000, 2, 2000, 1};
    int64_t lives = 0;
    CHECK(m);
    for (int64_t id = 10; id < 10000; id++) {
        int change;
        if (ida_market_sync(m)->state == IDA_WAITING)
            lives++, apply_depth(m, IDA_SNAPSHOT, id, id, bid, ask);
        change = apply_depth(m, IDA_DEPTH, id + 1, id + 1, bid, ask);
        change |= apply_quote(m, id + 1, &wrong);
        CHECK(!(change & IDA_CHANGED_DISPROVED) == (ida_market_sync(m)->state != IDA_WAITING));
    }
    CHECK(lives > 1000 && view->disproved >= lives - 1 && view->quotes_mismatched >= 3 * view->disproved);
    ida_market_free(m);
}

int main(void)
{
    for (int chain = IDA_CHAIN_CONTIGUOUS; chain <= IDA_CHAIN_PREVIOUS; chain++) {
        test_true_quotes(chain);
        test_faults(chain);
        test_wrong_quotes(chain);
    }
    CHECK(!ida_market_new(9, 5, 5, 5) && !ida_market_new(0, 0, 5, 5));
    ida_market_free(NULL);
    return 0;
}
