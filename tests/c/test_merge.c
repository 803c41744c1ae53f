/* needs: merge */
/* Diffs merged, against a table of prices that is written over and over. */
#include "expect.h"
#include "merge.h"

#include <stdlib.h>
#include <string.h>

enum { PRICES = 32, PARTS = 6, LEVELS = 12 };

typedef struct side_table {
    int64_t quantity[PRICES]; /* -1: not told */
} side_table;

static uint64_t state = 1;

static uint32_t chance(uint32_t below)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33) % below;
}

static ida_depth *make(int64_t first_id, side_table tables[2])
{
    uint32_t counts[2] = {chance(LEVELS), chance(LEVELS)};
    ida_depth *d = calloc(1, sizeof *d + (counts[0] + counts[1]) * sizeof *d->levels);
    EXPECT(d != NULL);
    d->head.kind = IDA_DEPTH;
    d->first_id = first_id;
    d->last_id = first_id + 9;
    d->bids = counts[0];
    d->asks = counts[1];
    for (uint32_t i = 0; i < counts[0] + counts[1]; i++) {
        int64_t price = chance(PRICES), quantity = chance(4);
        d->levels[i] = (ida_level){price, quantity};
        tables[i >= counts[0]].quantity[price] = quantity;
    }
    return d;
}

static void expect_side(const ida_level *levels, uint32_t count, const side_table *table, int rising)
{
    uint32_t told = 0;
    for (int i = 0; i < PRICES; i++)
        told += table->quantity[i] >= 0;
    EXPECT(count == told);
    for (uint32_t i = 0; i < count; i++) {
        EXPECT(table->quantity[levels[i].price] == levels[i].quantity);
        EXPECT(!i || (levels[i].price > levels[i - 1].price) == rising);
    }
}

int main(void)
{
    for (int round = 0; round < 2000; round++) {
        side_table tables[2];
        memset(tables, -1, sizeof tables);
        ida_depth *parts[PARTS];
        size_t count = 1 + chance(PARTS), room = 0;
        for (size_t i = 0; i < count; i++) {
            parts[i] = make(1 + 10 * (int64_t)i, tables);
            room += sizeof(ida_depth) + (parts[i]->bids + parts[i]->asks) * sizeof(ida_level);
        }
        ida_depth *out = malloc(room);
        EXPECT(out != NULL);
        ida_depth_merge((const ida_depth *const *)parts, count, out);
        EXPECT(out->first_id == 1 && out->last_id == 10 * (int64_t)count);
        EXPECT(out->head.length == sizeof *out + (out->bids + out->asks) * sizeof(ida_level));
        expect_side(out->levels, out->bids, &tables[0], 0);
        expect_side(out->levels + out->bids, out->asks, &tables[1], 1);
        for (size_t i = 0; i < count; i++)
            free(parts[i]);
        free(out);
    }
    return DONE;
}
