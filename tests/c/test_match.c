/* needs: ahead book fill map match maths orders pool recorded status stops taker */
#include "expect.h"
#include "match.h"

#include <stdlib.h>

enum { STEPS = 100000, ORDERS = 48, MAX_PRICE = 4000, MOST = 512 };

static uint64_t state = 88172645463325252ull;

/* 0 .. below-1 */
static int64_t dice(int64_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (int64_t)(state >> 11) % below;
}

static ida_new_order any_order(uint64_t id)
{
    return (ida_new_order){
        .order_id = id, .account = (uint32_t)dice(4), .side = (uint8_t)dice(2), .type = (uint8_t)dice(8),
        .tif = (uint8_t)dice(4), .stp = (uint8_t)dice(6), .price = 990 + dice(20) - dice(50) / 49 * 2000,
        .quantity = dice(9), .notional = dice(30000) - 100, .stop_price = 990 + dice(20),
        .reducible = dice(3) ? 0 : dice(14) - 1, .iceberg = dice(3) ? 0 : dice(5) - 1,
        .trailing = dice(2) ? 0 : (int32_t)dice(100), .pair = dice(3) ? 0 : id - (uint64_t)dice(40),
        .peg = dice(8) ? 0 : (uint8_t)dice(4), .peg_offset = (uint8_t)dice(3),
    };
}

static ida_status show_any(ida_match *m, ida_depth *depth)
{
    depth->head.kind = dice(40) ? IDA_DEPTH : IDA_SNAPSHOT;
    depth->bids = (uint32_t)dice(5);
    depth->asks = (uint32_t)dice(5);
    for (uint32_t i = 0; i < depth->bids + depth->asks; i++)
        depth->levels[i] = (ida_level){985 + dice(20) + (i < depth->bids ? 0 : 8), dice(3) * dice(20)};
    return ida_match_depth(m, depth, 1);
}

static ida_status trade_any(ida_match *m)
{
    ida_trade trade = {.price = 990 + dice(20), .quantity = dice(30)};
    trade.head.flags = (uint16_t)dice(4);
    return ida_match_trade(m, &trade, 1);
}

/* What must hold after anything at all. */
static void check(ida_match *m, int is_whole)
{
    const ida_top *top = ida_book_top(ida_match_own(m));
    size_t count, open = 0;
    const ida_report *reports = ida_match_reports(m, &count);
    for (size_t i = 0; i < count; i++) {
        EXPECT(reports[i].cumulative + reports[i].leaves <= reports[i].order_quantity);
        EXPECT(reports[i].quantity >= 0 && reports[i].leaves >= 0);
    }
    for (uint32_t account = 0; account < 4; account++)
        open += ida_match_open(m, account);
    EXPECT(open <= ORDERS);
    EXPECT(top->bid < top->ask);
    EXPECT(!is_whole || open || (top->bid < 0 && top->ask == INT64_MAX));
    ida_match_clear_reports(m);
}

static void read_market(ida_match *m)
{
    static ida_level levels[MOST];
    static ida_print prints[MOST];
    uint32_t bids, asks;
    size_t most = (size_t)dice(MOST), n = ida_match_changes(m, levels, most, &bids, &asks);
    EXPECT(n == (size_t)bids + asks && n <= most);
    EXPECT(ida_match_prints(m, prints, most) <= most);
}

static void one_step(ida_match *m, ida_depth *depth, uint64_t id)
{
    ida_report seen;
    switch (dice(8)) {
    case 0: ida_match_cancel(m, id - (uint64_t)dice(90), 1); break;
    case 1: ida_match_amend(m, id - (uint64_t)dice(20), dice(8), 1); break;
    case 2: show_any(m, depth); break;
    case 3: trade_any(m); break;
    case 4: ida_match_order(m, id - (uint64_t)dice(20), &seen); break;
    case 5: if (!dice(10)) ida_match_cancel_all(m, (uint32_t)dice(4), 1); break;
    default: {
        ida_new_order order = any_order(id);
        ida_match_place(m, &order, 1);
    }
    }
}

/* patience: steps between two readings; a large one fills what waits to be read. */
static void test_anything(int model, int is_whole, int64_t patience)
{
    ida_book *book = is_whole ? NULL : ida_book_new(64, MAX_PRICE);
    ida_match *m = ida_match_new(book, MAX_PRICE, ORDERS, 16, model, 1.7, 1);
    ida_depth *depth = calloc(1, sizeof *depth + 16 * sizeof *depth->levels);
    for (uint64_t step = 0; step < STEPS; step++) {
        one_step(m, depth, 100 + step / 2);
        if (!dice(patience))
            check(m, is_whole);
        if (!dice(patience * 10))
            read_market(m);
    }
    free(depth);
    ida_match_free(m);
    if (book)
        ida_book_free(book);
}

/* Quantities at the edge of what fits: nothing overflows. */
static void test_large_numbers(void)
{
    ida_book *book = ida_book_new(64, MAX_PRICE);
    ida_match *m = ida_match_new(book, MAX_PRICE, 4, 64, IDA_QUEUE_POWER, 3, 0);
    ida_depth *depth = calloc(1, sizeof *depth + 2 * sizeof *depth->levels);
    ida_trade trade = {.price = 100, .quantity = INT64_MAX, .head.flags = IDA_FLAG_BUYER_IS_MAKER};
    ida_new_order order = {.order_id = 1, .price = 100, .quantity = INT64_MAX / 5};
    depth->head.kind = IDA_DEPTH;
    depth->bids = depth->asks = 1;
    depth->levels[0] = (ida_level){100, INT64_MAX};
    depth->levels[1] = (ida_level){101, INT64_MAX};
    EXPECT(ida_match_depth(m, depth, 0) == IDA_OK);
    EXPECT(ida_match_place(m, &order, 0) == IDA_OK);
    order = (ida_new_order){.order_id = 2, .price = 102, .quantity = INT64_MAX / 5, .tif = IDA_FOK};
    EXPECT(ida_match_place(m, &order, 0) == IDA_OK);
    order = (ida_new_order){.order_id = 3, .type = IDA_MARKET, .notional = INT64_MAX};
    EXPECT(ida_match_place(m, &order, 0) == IDA_OK);
    EXPECT(ida_match_trade(m, &trade, 0) == IDA_OK);
    depth->levels[0].quantity = 1;
    EXPECT(ida_match_depth(m, depth, 0) == IDA_OK);
    EXPECT(ida_match_trade(m, &trade, 0) == IDA_OK);
    depth->levels[1] = (ida_level){0, 1}; /* no price to divide by */
    EXPECT(ida_match_depth(m, depth, 0) == IDA_RANGE);
    free(depth);
    ida_match_free(m);
    ida_book_free(book);
}

int main(void)
{
    for (int model = IDA_QUEUE_RISK_AVERSE; model <= IDA_QUEUE_LOG; model++)
        test_anything(model, 0, 3);
    test_anything(IDA_QUEUE_LOG, 0, 60000);
    test_anything(IDA_QUEUE_RISK_AVERSE, 1, 3);
    test_anything(IDA_QUEUE_RISK_AVERSE, 1, 6000);
    test_large_numbers();
    return DONE;
}
