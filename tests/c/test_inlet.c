/* needs: inlet feed crc market sync book */
/* The ring against a list: whatever goes in comes out in its order, whole, at a time that never falls; what it refuses
 * and what it cannot understand changes nothing. */
#include "expect.h"
#include "inlet.h"

#include <stdlib.h>
#include <string.h>

enum { STEPS = 400000 };

static unsigned seed = 5;

static unsigned draw(unsigned below)
{
    seed = seed * 1103515245u + 12345u;
    return (seed >> 8) % below;
}

/* A depth of that many levels whose every number tells its id. */
static void write_depth(ida_depth *depth, int64_t id, uint32_t levels, int64_t ts)
{
    memset(depth, 0, sizeof *depth);
    depth->head = (ida_record){.length = (uint32_t)(sizeof *depth + levels * sizeof(ida_level)), .kind = IDA_DEPTH,
                               .ts_local_ns = ts};
    depth->first_id = depth->last_id = id;
    depth->bids = levels;
    for (uint32_t i = 0; i < levels; i++)
        depth->levels[i] = (ida_level){id, (int64_t)i};
}

static int is_whole(const ida_depth *depth, int64_t id)
{
    int whole = depth->first_id == id && depth->last_id == id;
    for (uint32_t i = 0; i < depth->bids; i++)
        whole &= depth->levels[i].price == id && depth->levels[i].quantity == (int64_t)i;
    return whole;
}

static void test_arguments(void)
{
    EXPECT(!ida_inlet_new(IDA_INLET_LEAST - 1, 1));
    EXPECT(!ida_inlet_new(IDA_INLET_LEAST, 0));
    ida_inlet_free(NULL);
}

static void test_what_is_not_sound_is_not_published(void)
{
    ida_inlet *n = ida_inlet_new(IDA_INLET_LEAST, 2);
    const ida_inlet_view *view = ida_inlet_look(n);
    EXPECT(ida_inlet_commit(n) == IDA_STATE);
    ida_depth *room = ida_inlet_room(n, 200);
    write_depth(room, 1, 4, 0);
    room->head.length += 8;
    EXPECT(ida_inlet_commit(n) == IDA_BAD);
    write_depth(room, 1, 4, 0);
    room->head.kind = IDA_NOTE;
    EXPECT(ida_inlet_commit(n) == IDA_BAD);
    write_depth(room, 1, 4, 0);
    room->head.kind = IDA_ALIVE;
    EXPECT(ida_inlet_commit(n) == IDA_BAD);
    write_depth(room, 1, 9, 0); /* 208 bytes in a room of 200 */
    EXPECT(ida_inlet_commit(n) == IDA_BAD);
    write_depth(room, 1, 4, 0);
    room->head.instrument = 2;
    EXPECT(ida_inlet_commit(n) == IDA_UNKNOWN);
    EXPECT(!view->committed && !view->bytes && view->oldest_ns == -1 && !ida_inlet_peek(n));
    room->head.instrument = 1;
    EXPECT(ida_inlet_commit(n) == IDA_OK);
    EXPECT(ida_inlet_commit(n) == IDA_STATE);
    EXPECT(view->committed == 1 && view->bytes == room->head.length && view->oldest_ns == 0);
    ida_inlet_free(n);
}

static void test_times_never_fall(void)
{
    ida_inlet *n = ida_inlet_new(IDA_INLET_LEAST, 1);
    const int64_t given[] = {100, 90, 110, 105}, told[] = {100, 100, 110, 200};
    for (int i = 0; i < 4; i++) {
        if (i == 3)
            ida_inlet_raise(n, 200);
        write_depth(ida_inlet_room(n, 80), i, 1, given[i]);
        EXPECT(ida_inlet_commit(n) == IDA_OK);
    }
    ida_inlet_raise(n, 50);
    ida_inlet_alive(n, 0, 60);
    ida_inlet_alive(n, 1, 60); /* of no instrument */
    for (int i = 0; i < 4; i++)
        EXPECT(ida_inlet_take(n)->ts_local_ns == told[i]);
    const ida_record *alive = ida_inlet_take(n);
    EXPECT(alive->kind == IDA_ALIVE && alive->ts_local_ns == 200 && !ida_inlet_take(n));
    EXPECT(ida_inlet_look(n)->raised == 3 && ida_inlet_look(n)->newest_ns == 200);
    ida_inlet_free(n);
}

static void test_marks_come_at_their_place(void)
{
    ida_inlet *n = ida_inlet_new(IDA_INLET_LEAST, 1);
    EXPECT(ida_inlet_marked(n) == INT64_MAX);
    ida_inlet_alive(n, 0, 10);
    ida_inlet_mark(n, ida_inlet_look(n)->entered, 11);
    ida_inlet_alive(n, 0, 12);
    EXPECT(ida_inlet_marked(n) == INT64_MAX);
    ida_inlet_take(n);
    EXPECT(ida_inlet_marked(n) == 11);
    ida_inlet_mark(n, UINT64_MAX, 0);
    EXPECT(ida_inlet_marked(n) == INT64_MAX && ida_inlet_take(n)->ts_local_ns == 12);
    ida_inlet_free(n);
}

/* Random lengths, a taker that is now behind and now ahead; rings so small that they wrap and fill all the time. */
static void test_against_a_list(size_t bytes)
{
    ida_inlet *n = ida_inlet_new(bytes, 1);
    const ida_inlet_view *view = ida_inlet_look(n);
    const ida_depth *held = NULL;
    int64_t next_in = 0, next_out = 0, refused = 0;
    size_t waiting = 0;
    for (int i = 0; i < STEPS && !failures; i++) {
        int fills = i / 1000 % 2;
        if (draw(10) < (fills ? 7u : 3u)) {
            uint32_t levels = draw(draw(20) ? 8 : (unsigned)(bytes / 2 - sizeof(ida_depth)) / sizeof(ida_level));
            size_t length = sizeof(ida_depth) + levels * sizeof(ida_level);
            ida_depth *room = ida_inlet_room(n, length + draw(64));
            if (!room) {
                refused++;
                EXPECT(waiting || held);
                continue;
            }
            write_depth(room, next_in, levels, next_in);
            if (draw(10) == 0)
                continue; /* it could not be understood after all */
            EXPECT(ida_inlet_commit(n) == IDA_OK);
            waiting += length;
            next_in++;
        } else {
            EXPECT(!held || is_whole(held, next_out - 1)); /* still there, whatever came in meanwhile */
            held = (const ida_depth *)ida_inlet_take(n);
            EXPECT(!held == (next_out == next_in));
            if (held) {
                EXPECT(is_whole(held, next_out));
                waiting -= held->head.length;
                next_out++;
            }
        }
        EXPECT(view->bytes == waiting && view->oldest_ns == (next_out == next_in ? -1 : next_out));
    }
    EXPECT(view->committed == (uint64_t)next_in && view->taken == (uint64_t)next_out);
    EXPECT(view->refused == (uint64_t)refused && refused > 0 && next_out > STEPS / 10);
    ida_inlet_free(n);
}

static void test_draining_applies_to_the_markets(void)
{
    ida_market *markets[] = {ida_market_new(0, 64, 1000, 4096), ida_market_new(0, 64, 1000, 4096)};
    ida_inlet *n = ida_inlet_new(IDA_INLET_LEAST, 2);
    for (uint32_t i = 0; i < 2; i++) {
        ida_depth *room = ida_inlet_room(n, 80);
        write_depth(room, 5, 1, 1);
        room->head.kind = IDA_SNAPSHOT;
        room->head.instrument = i;
        EXPECT(ida_inlet_commit(n) == IDA_OK);
        ida_inlet_alive(n, i, 1);
    }
    write_depth(ida_inlet_room(n, 80), 6, 1, 1);
    EXPECT(ida_inlet_commit(n) == IDA_OK);
    EXPECT(ida_inlet_drain(n, markets) == IDA_OK && ida_inlet_look(n)->bytes == 0);
    EXPECT(ida_market_sync(markets[0])->last_id == 6 && ida_market_look(markets[0])->synced);
    EXPECT(ida_market_sync(markets[1])->last_id == 5 && !ida_market_look(markets[1])->synced);
    EXPECT(ida_market_kept_id(markets[0]) == -1);
    ida_market_reset(markets[0]);
    write_depth(ida_inlet_room(n, 80), 9, 1, 1);
    EXPECT(ida_inlet_commit(n) == IDA_OK && ida_inlet_drain(n, markets) == IDA_OK);
    EXPECT(ida_market_kept_id(markets[0]) == 9);
    ida_inlet_free(n);
    ida_market_free(markets[0]);
    ida_market_free(markets[1]);
}

int main(void)
{
    test_arguments();
    test_what_is_not_sound_is_not_published();
    test_times_never_fall();
    test_marks_come_at_their_place();
    test_against_a_list(IDA_INLET_LEAST);
    test_against_a_list(3 * IDA_INLET_LEAST + 8);
    test_draining_applies_to_the_markets();
    return DONE;
}
