/* needs: book book_text decimal */
/* Random changes against two plain arrays of quantities, with few pages and with prices at every edge. */
#include "book_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(claim) \
    do { \
        if (!(claim)) { \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #claim); \
            exit(1); \
        } \
    } while (0)

enum { MAX_PRICE = 512 * 65 + 3, PRICES = MAX_PRICE + 1, PAGES = 12, STEPS = 30000 };

static int64_t twin[2][PRICES];
static unsigned seed = 11;

static unsigned draw(unsigned below)
{
    seed = seed * 1103515245u + 12345u;
    return (seed >> 8) % below;
}

static int64_t twin_next(int side, int64_t price)
{
    int64_t step = side == IDA_BUY ? -1 : 1;
    for (price += step; price >= 0 && price < PRICES; price += step)
        if (twin[side][price])
            return price;
    return -1;
}

static int64_t twin_best(int side)
{
    return twin_next(side, side == IDA_BUY ? PRICES : -1);
}

static size_t twin_pages(void)
{
    size_t pages = 0;
    for (int side = 0; side < 2; side++)
        for (int64_t price = 0, last = -1; price < PRICES; price++)
            if (twin[side][price] && price / 512 != last) {
                last = price / 512;
                pages++;
            }
    return pages;
}

static void check_top(const ida_book *book)
{
    const ida_top *top = ida_book_top(book);
    int64_t bid = twin_best(IDA_BUY), ask = twin_best(IDA_SELL);
    CHECK(top->bid == bid && top->bid_quantity == (bid < 0 ? 0 : twin[IDA_BUY][bid]));
    CHECK(top->ask == (ask < 0 ? INT64_MAX : ask) && top->ask_quantity == (ask < 0 ? 0 : twin[IDA_SELL][ask]));
    CHECK(ida_book_next(book, IDA_BUY, IDA_FROM_BEST) == bid);
    CHECK(ida_book_next(book, IDA_SELL, IDA_FROM_BEST) == ask);
}

static int64_t draw_price(void)
{
    static const int64_t edges[] = {0, 1, 63, 64, 511, 512, 512 * 64 - 1, 512 * 64, MAX_PRICE - 1, MAX_PRICE};
    switch (draw(4)) {
    case 0:
        return draw(PRICES);
    case 1:
        return edges[draw(sizeof edges / sizeof *edges)];
    default:
        return 1000 + draw(200);
    }
}

static void test_random_changes(ida_book *book)
{
    for (int i = 0; i < STEPS; i++) {
        int side = (int)draw(2);
        int64_t price = draw_price(), quantity = draw(5) < 3 ? 0 : 1 + draw(9), previous = -1;
        if (draw(3) == 0 && twin_best(side) >= 0)
            price = twin_best(side);
        int64_t before = twin[side][price];
        ida_status status = ida_book_set(book, side, price, quantity, draw(2) ? &previous : NULL);
        twin[side][price] = quantity;
        if (status == IDA_FULL) {
            CHECK(quantity && !before && twin_pages() == PAGES + 1);
            twin[side][price] = before;
        } else {
            CHECK(status == IDA_OK && (previous == -1 || previous == before));
        }
        check_top(book);
        price = draw_price();
        CHECK(ida_book_next(book, side, price) == twin_next(side, price));
        CHECK(ida_book_quantity(book, side, price) == twin[side][price]);
        if (i % 5000 == 4999) {
            ida_book_clear(book);
            memset(twin, 0, sizeof twin);
        }
    }
}

static void test_out_of_range(ida_book *book)
{
    static const int64_t bad[] = {-1, MAX_PRICE + 1, INT64_MIN, INT64_MAX};
    for (int i = 0; i < 4; i++)
        for (int side = 0; side < 2; side++) {
            CHECK(ida_book_set(book, side, bad[i], 1, NULL) == IDA_RANGE);
            CHECK(ida_book_quantity(book, side, bad[i]) == 0);
            CHECK(ida_book_next(book, side, bad[i]) == twin_next(side, bad[i] < 0 ? -1 : MAX_PRICE + 1));
            (void)ida_book_quantity_to(book, side, bad[i]);
        }
    CHECK(ida_book_set(book, IDA_BUY, 5, -1, NULL) == IDA_RANGE);
}

/* A full book at prices whose sums need 128 bits. */
static void test_great_numbers(void)
{
    ida_book *book = ida_book_new(4, (int64_t)1 << 30);
    int64_t worst, high;
    uint64_t low;
    CHECK(book);
    for (int64_t i = 0; i < 4; i++)
        CHECK(ida_book_set(book, IDA_SELL, ((int64_t)1 << 30) - i, INT64_MAX / 2, NULL) == IDA_OK);
    CHECK(ida_book_walk(book, IDA_SELL, INT64_MAX, &worst, &high, &low) == INT64_MAX);
    CHECK(worst == ((int64_t)1 << 30) - 1 && high > 0);
    CHECK(ida_book_quantity_to(book, IDA_SELL, INT64_MAX) == INT64_MAX);
    CHECK(ida_book_walk(book, IDA_BUY, 5, &worst, &high, &low) == 0 && worst == -1 && !high && !low);
    ida_book_free(book);
}

static void test_text(void)
{
    static const char expected[] = "b 10.5 0.003\nb 10 2\na 11 0.1\n";
    char out[4 * IDA_BOOK_LINE];
    ida_grid grid = {.price_decimals = 2, .tick = 50, .quantity_decimals = 3, .lot = 1};
    size_t length = 0;
    ida_book *book = ida_book_new(4, 100);
    CHECK(book);
    ida_book_set(book, IDA_BUY, 20, 2000, NULL);
    ida_book_set(book, IDA_BUY, 21, 3, NULL);
    ida_book_set(book, IDA_SELL, 22, 100, NULL);
    CHECK(ida_book_text(book, &grid, out, sizeof out, &length) == IDA_OK);
    CHECK(length == sizeof expected - 1 && !memcmp(out, expected, length));
    CHECK(ida_book_text(book, &grid, out, IDA_BOOK_LINE + 9, &length) == IDA_FULL);
    grid.lot = INT64_MAX;
    CHECK(ida_book_text(book, &grid, out, sizeof out, &length) == IDA_RANGE);
    ida_book_free(book);
}

int main(void)
{
    ida_book *book = ida_book_new(PAGES, MAX_PRICE);
    CHECK(book);
    test_random_changes(book);
    test_out_of_range(book);
    ida_book_free(book);
    test_great_numbers();
    test_text();
    CHECK(!ida_book_new(0, 5) && !ida_book_new(5, 0) && !ida_book_new(5, -1));
    ida_book_free(NULL);
    return 0;
}
