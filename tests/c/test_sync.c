/* needs: sync */
/* Chains with faults, in buffers of many sizes: what is applied is gapless, and no step leaves the buffer. */
#include "sync.h"

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

enum { MOST_LEVELS = 12, DIFFS = 3000 };

static unsigned seed = 5;

static unsigned draw(unsigned below)
{
    seed = seed * 1103515245u + 12345u;
    return (seed >> 8) % below;
}

/* One at a time, in memory of exactly its size. */
static ida_depth *make(uint16_t kind, int64_t first, int64_t last, int64_t previous, uint32_t levels)
{
    size_t length = sizeof(ida_depth) + levels * sizeof(ida_level);
    ida_depth *depth = calloc(1, length);
    CHECK(depth);
    depth->head.length = (uint32_t)length;
    depth->head.kind = kind;
    depth->first_id = first;
    depth->last_id = last;
    depth->previous_id = previous;
    depth->bids = levels;
    for (uint32_t i = 0; i < levels; i++)
        depth->levels[i] = (ida_level){last, i};
    return depth;
}

/* Follows the book's id as a caller would, and holds the sync to it. */
static void apply(const ida_depth *depth, int64_t *book)
{
    CHECK(depth->last_id >= *book && depth->first_id <= *book + 1);
    for (uint32_t i = 0; i < depth->bids; i++)
        CHECK(depth->levels[i].price == depth->last_id && depth->levels[i].quantity == i);
    *book = depth->last_id;
}

static void tell(ida_sync *s, ida_depth *depth, int64_t *book)
{
    int verdict = ida_sync_judge(s, depth);
    const ida_depth *kept;
    if (verdict == IDA_APPLY)
        apply(depth, book);
    if (verdict == IDA_REPLACE)
        *book = depth->last_id;
    free(depth);
    while (verdict == IDA_REPLACE && (kept = ida_sync_replay(s)))
        apply(kept, book);
    if (ida_sync_look(s)->state != IDA_WAITING)
        CHECK(ida_sync_look(s)->last_id == *book && !ida_sync_look(s)->buffered);
}

static void test_chain(int chain, size_t buffer_bytes)
{
    ida_sync *s = ida_sync_new(chain, buffer_bytes);
    int64_t last = 10, book = -1;
    CHECK(s);
    for (int i = 0; i < DIFFS; i++) {
        int64_t width = 1 + draw(3), lost = draw(20) == 0 ? 1 : 0;
        int64_t first = last + 1 + lost, previous = last + lost;
        last = previous + width;
        if (draw(40) == 0)
            tell(s, make(IDA_SNAPSHOT, first, first - 1 - lost, -1, 2), &book);
        tell(s, make(IDA_DEPTH, first, last, previous, draw(MOST_LEVELS)), &book);
        if (draw(30) == 0) /* once more */
            tell(s, make(IDA_DEPTH, first, last, previous, 1), &book);
        if (draw(6) == 0)
            tell(s, make(IDA_SNAPSHOT, last, last - draw(8), -1, 2), &book);
        if (draw(200) == 0)
            ida_sync_reset(s);
    }
    CHECK(ida_sync_look(s)->applied > 0 && ida_sync_look(s)->gaps > 0 && ida_sync_look(s)->snapshots > 1);
    ida_sync_free(s);
}

int main(void)
{
    for (size_t bytes = 0; bytes < 1200; bytes += 40) {
        test_chain(IDA_CHAIN_CONTIGUOUS, bytes);
        test_chain(IDA_CHAIN_PREVIOUS, bytes);
    }
    test_chain(IDA_CHAIN_CONTIGUOUS, 1 << 20);
    CHECK(!ida_sync_new(7, 100));
    ida_sync_free(NULL);
    return 0;
}
