#include "merge.h"

#include <string.h>

enum { BIDS = 0, ASKS = 1 };

static uint32_t count_of(const ida_depth *d, int side) { return side == BIDS ? d->bids : d->asks; }
static const ida_level *levels_of(const ida_depth *d, int side) { return d->levels + (side == BIDS ? 0 : d->bids); }

static int before(const ida_level *a, const ida_level *b, int side)
{
    return side == BIDS ? a->price > b->price : a->price < b->price;
}

/* Stable, so that of one price the later comes later: insertion into runs, which the parts mostly are already. */
static void sort(ida_level *levels, size_t count, int side)
{
    for (size_t gap = 1; gap < count; gap++) {
        ida_level level = levels[gap];
        size_t low = 0, high = gap;
        while (low < high) {
            size_t middle = (low + high) / 2;
            if (before(&level, &levels[middle], side))
                high = middle;
            else
                low = middle + 1;
        }
        memmove(levels + low + 1, levels + low, (gap - low) * sizeof level);
        levels[low] = level;
    }
}

static size_t keep_last(ida_level *levels, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept && levels[kept - 1].price == levels[i].price)
            kept--;
        levels[kept++] = levels[i];
    }
    return kept;
}

static uint32_t merge_side(const ida_depth *const *parts, size_t count, int side, ida_level *out)
{
    size_t all = 0;
    for (size_t i = 0; i < count; i++) {
        memcpy(out + all, levels_of(parts[i], side), count_of(parts[i], side) * sizeof *out);
        all += count_of(parts[i], side);
    }
    sort(out, all, side);
    return (uint32_t)keep_last(out, all);
}

void ida_depth_merge(const ida_depth *const *parts, size_t count, ida_depth *out)
{
    *out = *parts[count - 1];
    out->first_id = parts[0]->first_id;
    out->previous_id = parts[0]->previous_id;
    out->bids = merge_side(parts, count, BIDS, out->levels);
    out->asks = merge_side(parts, count, ASKS, out->levels + out->bids);
    out->head.length = (uint32_t)(sizeof *out + ((size_t)out->bids + out->asks) * sizeof *out->levels);
}
