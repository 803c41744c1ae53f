/* needs: arbiter */
/* Arrivals at random, in rings of many sizes: ids go on in order and once, what is held is bounded, every text comes
 * back whole, and at the end nothing is left. */
#include "arbiter.h"

#include <stdlib.h>
#include <string.h>

#include "expect.h"

enum { STREAMS = 3, CONNECTIONS = 4, ARRIVALS = 6000, HOLD = 50 };

static unsigned seed = 7;

static unsigned draw(unsigned below)
{
    seed = seed * 1103515245u + 12345u;
    return (seed >> 8) % below;
}

static ida_arbiter *arbiter;
static int64_t last[STREAMS];

static void go_on(const ida_arrival *m)
{
    for (size_t i = 0; i < m->bytes; i++)
        EXPECT(m->text[i] == (char)m->last_id);
    EXPECT(m->last_id > last[m->stream] || ida_arbiter_look(arbiter, m->stream)->last_id == -1);
    last[m->stream] = m->last_id;
    ida_arbiter_passed(arbiter, m);
}

static void release(uint32_t stream)
{
    const ida_arrival *held;
    while ((held = ida_arbiter_release(arbiter, stream))) {
        ida_arrival m = *held;
        go_on(&m);
    }
}

static int expire(int64_t now)
{
    const ida_arrival *held = ida_arbiter_expire(arbiter, now);
    if (!held)
        return 0;
    ida_arrival m = *held;
    go_on(&m);
    release(m.stream);
    return 1;
}

static void arrive(ida_arrival m)
{
    char *text = malloc(m.bytes ? m.bytes : 1);
    memset(text, (char)m.last_id, m.bytes);
    m.text = text;
    while (expire(m.ts_local_ns))
        ;
    int ruling;
    while ((ruling = ida_arbiter_judge(arbiter, &m)) == IDA_CROWDED)
        EXPECT(expire(INT64_MAX));
    if (ruling == IDA_GO_ON)
        go_on(&m);
    free(text);
    release(m.stream);
}

static void soak(size_t room)
{
    int64_t newest[STREAMS] = {0}, now = 0;
    arbiter = ida_arbiter_new(STREAMS, CONNECTIONS, HOLD, room);
    EXPECT(arbiter != NULL);
    for (uint32_t i = 0; i < STREAMS; i++) {
        ida_arbiter_begin(arbiter, i, i ? IDA_ORDER_CONTIGUOUS : IDA_ORDER_RISING);
        last[i] = -1;
    }
    for (int i = 0; i < ARRIVALS; i++) {
        uint32_t stream = draw(STREAMS), connection = draw(CONNECTIONS);
        int64_t first = newest[stream] + draw(8) - 4, size = draw(3);
        first = first < 0 ? 0 : first;
        now += draw(12);
        arrive((ida_arrival){.stream = stream, .connection = connection, .first_id = first, .last_id = first + size,
                             .ts_venue_ns = now, .ts_local_ns = now, .bytes = draw(90)});
        if (first + size > newest[stream])
            newest[stream] = first + size;
        if (draw(50) == 0)
            ida_arbiter_opened(arbiter, connection);
        if (draw(50) == 0) {
            ida_arbiter_closed(arbiter, draw(CONNECTIONS));
            release(stream);
        }
        if (draw(500) == 0) {
            ida_arbiter_begin(arbiter, stream, stream ? IDA_ORDER_CONTIGUOUS : IDA_ORDER_RISING);
            last[stream] = newest[stream] = -1;
        }
    }
    while (expire(INT64_MAX))
        ;
    EXPECT(ida_arbiter_due(arbiter) == INT64_MAX);
    for (uint32_t i = 0; i < STREAMS; i++) {
        const ida_arbiter_view *v = ida_arbiter_look(arbiter, i);
        EXPECT(v->holding == 0 && v->messages > 0 && (i || !v->held));
    }
    ida_arbiter_free(arbiter);
}

int main(void)
{
    for (size_t room = 0; room < 4000; room = room * 3 / 2 + 8)
        soak(room);
    soak(1 << 20);
    EXPECT(!ida_arbiter_new(0, 1, 1, 1) && !ida_arbiter_new(1, 0, 1, 1) && !ida_arbiter_new(1, 1, -1, 1));
    EXPECT(!ida_arbiter_look((arbiter = ida_arbiter_new(1, 1, 0, 0)), 1));
    ida_arbiter_free(arbiter);
    ida_arbiter_free(NULL);
    return DONE;
}
