#include "recorded.h"

#include <stdlib.h>

enum { PAGE_TICKS = 512, MOST_PAGES = 1 << 15 };

struct ida_recorded {
    ida_book *outside;
    ida_book *taken;
};

ida_recorded *ida_recorded_new(ida_book *outside, int64_t max_price)
{
    ida_recorded *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    int64_t pages = (max_price / PAGE_TICKS + 1) * 2;
    r->outside = outside;
    r->taken = ida_book_new((size_t)(pages < MOST_PAGES ? pages : MOST_PAGES), max_price);
    if (r->taken)
        return r;
    free(r);
    return NULL;
}

void ida_recorded_free(ida_recorded *r)
{
    if (!r)
        return;
    ida_book_free(r->taken);
    free(r);
}

int64_t ida_recorded_taken(const ida_recorded *r, int side, int64_t price)
{
    return ida_book_quantity(r->taken, side, price);
}

int64_t ida_recorded_available(const ida_recorded *r, int side, int64_t price)
{
    return ida_book_quantity(r->outside, side, price) - ida_book_quantity(r->taken, side, price);
}

int64_t ida_recorded_next(const ida_recorded *r, int side, int64_t price)
{
    do
        price = ida_book_next(r->outside, side, price);
    while (price >= 0 && !ida_recorded_available(r, side, price));
    return price;
}

ida_status ida_recorded_take(ida_recorded *r, int side, int64_t price, int64_t lots)
{
    return ida_book_set(r->taken, side, price, ida_recorded_taken(r, side, price) + lots, NULL);
}

static void show(ida_recorded *r, int side, int64_t price, int64_t quantity)
{
    if (quantity < ida_recorded_taken(r, side, price))
        ida_book_set(r->taken, side, price, quantity, NULL);
}

/* A snapshot says nothing of the levels that are gone: all that were taken from are looked up. */
static void show_all(ida_recorded *r, int side)
{
    int64_t price = ida_book_next(r->taken, side, IDA_FROM_BEST);
    for (; price >= 0; price = ida_book_next(r->taken, side, price))
        show(r, side, price, ida_book_quantity(r->outside, side, price));
}

void ida_recorded_follow(ida_recorded *r, const ida_depth *depth)
{
    for (int side = 0; side < 2; side++) {
        const ida_level *level = depth->levels + (side == IDA_BUY ? 0 : depth->bids);
        uint32_t count = side == IDA_BUY ? depth->bids : depth->asks;
        if (!ida_book_levels(r->taken, side))
            continue;
        if (depth->head.kind == IDA_SNAPSHOT) {
            show_all(r, side);
            continue;
        }
        for (uint32_t i = 0; i < count; i++)
            show(r, side, level[i].price, level[i].quantity);
    }
}
