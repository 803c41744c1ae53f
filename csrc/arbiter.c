#include "arbiter.h"
#include "room.h"

#include <string.h>

enum {
    RECENT = 64,                 /* messages of a stream whose digests are kept */
    WITNESSES = 8,               /* messages that must agree that the ids began anew */
    NONE = -1,
};

static const int64_t SECOND = 1000000000;

/* A held message: it lies whole in the ring, with its text behind it. */
typedef struct held {
    struct held *before, *after; /* of the same stream, by first id */
    size_t size;
    int64_t done;                /* it went on or was dropped, and waits for its place to be given back */
    ida_arrival arrival;
} held;

typedef struct recent {
    int64_t id;
    uint64_t digest;
} recent;

typedef struct stream {
    ida_arbiter_view view;
    held *first, *last;
    int32_t order;
    uint32_t winner;       /* connection that brought last_id */
    uint32_t behind;       /* messages since then that speak for ids that began anew */
    uint32_t counted;      /* messages since rate_ns */
    int64_t rate_ns;
    recent recent[RECENT]; /* by id */
} stream;

typedef struct connection {
    int32_t live;
    int32_t disorderly; /* it has brought ids out of order: to have gone past an id proves nothing of it */
} connection;

struct ida_arbiter {
    stream *streams;
    connection *connections;
    int64_t *newest; /* last id by stream and connection; -1: none */
    size_t stream_count, connection_count;
    int64_t hold_ns;
    size_t capacity, head, tail, end; /* as in sync.c; wrapped where tail <= head */
    size_t kept;
    char *bytes;
};

/* ---- the ring of held messages ----------------------------------------------------------------------------- */

static held *at(const ida_arbiter *a, size_t place)
{
    return (held *)(a->bytes + place);
}

static int is_wrapped(const ida_arbiter *a)
{
    return a->kept && a->tail <= a->head;
}

static size_t place_for(const ida_arbiter *a, size_t size)
{
    if (is_wrapped(a))
        return size <= a->head - a->tail ? a->tail : SIZE_MAX;
    if (size <= a->capacity - a->tail)
        return a->tail;
    return size <= a->head ? 0 : SIZE_MAX;
}

/* Gives back the places at the front that nobody needs. The bytes stay as they are. */
static void shrink(ida_arbiter *a)
{
    while (a->kept && at(a, a->head)->done) {
        int wrapped = is_wrapped(a);
        a->head += at(a, a->head)->size;
        if (--a->kept == 0)
            a->head = a->tail = a->end = 0;
        else if (wrapped && a->head == a->end)
            a->head = 0;
    }
}

static held *take_place(ida_arbiter *a, size_t bytes)
{
    if (bytes > a->capacity)
        return NULL;
    size_t size = (sizeof(held) + bytes + 7) & ~(size_t)7, place = place_for(a, size);
    if (place == SIZE_MAX)
        return NULL;
    if (place != a->tail)
        a->end = a->tail;
    a->tail = place + size;
    a->kept++;
    held *h = at(a, place);
    *h = (held){.size = size};
    return h;
}

/* ---- the list of a stream ---------------------------------------------------------------------------------- */

static void unlink_held(ida_arbiter *a, stream *s, held *h)
{
    *(h->before ? &h->before->after : &s->first) = h->after;
    *(h->after ? &h->after->before : &s->last) = h->before;
    h->done = 1;
    s->view.holding--;
    shrink(a);
}

/* By first id, then by last id. */
static void link_held(stream *s, held *h)
{
    held *before = s->last;
    while (before && (before->arrival.first_id > h->arrival.first_id ||
                      (before->arrival.first_id == h->arrival.first_id && before->arrival.last_id > h->arrival.last_id)))
        before = before->before;
    h->before = before;
    h->after = before ? before->after : s->first;
    *(h->before ? &h->before->after : &s->first) = h;
    *(h->after ? &h->after->before : &s->last) = h;
    s->view.holding++;
    s->view.held++;
}

static const held *find_held(const stream *s, const ida_arrival *m)
{
    const held *h = s->last;
    while (h && (h->arrival.first_id != m->first_id || h->arrival.last_id != m->last_id))
        h = h->before;
    return h;
}

static void drop_held(ida_arbiter *a, stream *s)
{
    while (s->first)
        unlink_held(a, s, s->first);
}

static int hold(ida_arbiter *a, stream *s, const ida_arrival *m)
{
    held *h = take_place(a, m->bytes);
    if (!h)
        return a->kept ? IDA_CROWDED : IDA_GO_ON; /* longer than all the room there is */
    char *text = (char *)(h + 1);
    memcpy(text, m->text, m->bytes);
    h->arrival = *m;
    h->arrival.text = text;
    link_held(s, h);
    return IDA_HELD;
}

/* ---- the rules --------------------------------------------------------------------------------------------- */

/* Whether the ids before `first` may still be brought by anybody. */
static int may_come(const ida_arbiter *a, const stream *s, int64_t first)
{
    const int64_t *newest = a->newest + (size_t)(s - a->streams) * a->connection_count;
    for (size_t i = 0; i < a->connection_count; i++) {
        const connection *c = &a->connections[i];
        if (c->live && (newest[i] < first - 1 || c->disorderly))
            return 1;
    }
    return 0;
}

static void note_connection(ida_arbiter *a, const ida_arrival *m)
{
    int64_t *newest = &a->newest[m->stream * a->connection_count + m->connection];
    a->connections[m->connection].live = 1;
    if (m->last_id > *newest)
        *newest = m->last_id;
    else if (m->last_id < *newest)
        a->connections[m->connection].disorderly = 1;
}

static void compare(stream *s, uint64_t known, uint64_t digest)
{
    if (known && digest && known != digest)
        s->view.contradictions++;
}

static void begin_anew(ida_arbiter *a, const ida_arrival *m)
{
    stream *s = &a->streams[m->stream];
    int64_t *newest = a->newest + m->stream * a->connection_count;
    s->view.restarts++;
    s->view.last_id = NONE;
    drop_held(a, s);
    for (size_t i = 0; i < a->connection_count; i++)
        newest[i] = NONE;
    newest[m->connection] = m->last_id;
}

/* One whose ids are done with. On one connection ids rise, and at one time the venue's ids are higher than before:
 * what speaks against that, often enough, says that the ids began anew, or that the last one was none. */
static int judge_older(ida_arbiter *a, stream *s, const ida_arrival *m)
{
    const recent *r = &s->recent[m->last_id % RECENT];
    int64_t margin = a->hold_ns > SECOND ? a->hold_ns : SECOND;
    int later = m->ts_venue_ns >= 0 && s->view.last_venue_ns >= 0 ? m->ts_venue_ns - s->view.last_venue_ns > margin
                                                                  : m->ts_local_ns - s->view.last_local_ns > margin;
    if (m->last_id < s->view.last_id && (later || m->connection == s->winner) && ++s->behind >= WITNESSES) {
        begin_anew(a, m);
        return IDA_GO_ON;
    }
    if (r->id == m->last_id)
        compare(s, r->digest, m->digest);
    s->view.duplicates++;
    return IDA_REPEATED;
}

int ida_arbiter_judge(ida_arbiter *a, const ida_arrival *m)
{
    stream *s = &a->streams[m->stream];
    note_connection(a, m);
    if (m->last_id <= s->view.last_id)
        return judge_older(a, s, m);
    if (s->order == IDA_ORDER_RISING || s->view.last_id == NONE || m->first_id - 1 <= s->view.last_id)
        return IDA_GO_ON;
    const held *same = find_held(s, m);
    if (!same)
        return hold(a, s, m);
    compare(s, same->arrival.digest, m->digest);
    s->view.duplicates++;
    return IDA_REPEATED;
}

static void note_rate(stream *s, int64_t now_ns)
{
    s->counted++;
    if (s->rate_ns == NONE)
        s->rate_ns = now_ns;
    int64_t passed = now_ns - s->rate_ns;
    if (passed < SECOND)
        return;
    double rate = (double)s->counted * (double)SECOND / (double)passed, weight = passed < 4 * SECOND ? 0.5 : 1.0;
    s->view.rate = s->view.rate > 0 ? s->view.rate + weight * (rate - s->view.rate) : rate;
    s->rate_ns = now_ns;
    s->counted = 0;
}

void ida_arbiter_passed(ida_arbiter *a, const ida_arrival *m)
{
    stream *s = &a->streams[m->stream];
    if (s->order == IDA_ORDER_CONTIGUOUS && s->view.last_id != NONE && m->first_id - 1 > s->view.last_id) {
        s->view.holes++;
        s->view.missing += m->first_id - 1 - s->view.last_id;
    }
    s->view.messages++;
    s->view.last_id = m->last_id;
    s->view.last_venue_ns = m->ts_venue_ns;
    s->view.last_local_ns = m->ts_local_ns;
    s->winner = m->connection;
    s->behind = 0;
    s->recent[m->last_id % RECENT] = (recent){m->last_id, m->digest};
    note_rate(s, m->ts_local_ns);
}

/* ---- going on ---------------------------------------------------------------------------------------------- */

/* The first that is held, without those whose ids were done meanwhile. */
static held *front(ida_arbiter *a, stream *s)
{
    while (s->first && s->first->arrival.last_id <= s->view.last_id) {
        s->view.duplicates++;
        unlink_held(a, s, s->first);
    }
    return s->first;
}

const ida_arrival *ida_arbiter_release(ida_arbiter *a, uint32_t index)
{
    stream *s = &a->streams[index];
    held *h = front(a, s);
    if (!h || (s->view.last_id != NONE && h->arrival.first_id - 1 > s->view.last_id &&
               may_come(a, s, h->arrival.first_id)))
        return NULL;
    unlink_held(a, s, h);
    return &h->arrival;
}

int64_t ida_arbiter_due(const ida_arbiter *a)
{
    int64_t due;
    if (!a->kept)
        return INT64_MAX;
    return __builtin_add_overflow(at(a, a->head)->arrival.ts_local_ns, a->hold_ns, &due) ? INT64_MAX : due;
}

const ida_arrival *ida_arbiter_expire(ida_arbiter *a, int64_t now_ns)
{
    while (a->kept && (now_ns == INT64_MAX || ida_arbiter_due(a) <= now_ns)) {
        stream *s = &a->streams[at(a, a->head)->arrival.stream];
        held *h = front(a, s);
        if (!h)
            continue; /* all of them were done: the ring gave their places back */
        unlink_held(a, s, h);
        return &h->arrival;
    }
    return NULL;
}

/* ---- streams and connections ------------------------------------------------------------------------------- */

void ida_arbiter_begin(ida_arbiter *a, uint32_t index, int order)
{
    stream *s = &a->streams[index];
    drop_held(a, s);
    memset(s, 0, sizeof *s);
    s->order = order;
    s->rate_ns = s->view.last_id = s->view.last_local_ns = s->view.last_venue_ns = NONE;
    s->winner = UINT32_MAX;
    for (size_t i = 0; i < RECENT; i++)
        s->recent[i].id = NONE;
    for (size_t i = 0; i < a->connection_count; i++)
        a->newest[index * a->connection_count + i] = NONE;
}

void ida_arbiter_opened(ida_arbiter *a, uint32_t index)
{
    a->connections[index] = (connection){1, 0};
    for (size_t i = 0; i < a->stream_count; i++) {
        a->newest[i * a->connection_count + index] = NONE;
        if (a->streams[i].winner == index)
            a->streams[i].winner = UINT32_MAX;
    }
}

void ida_arbiter_closed(ida_arbiter *a, uint32_t index)
{
    a->connections[index].live = 0;
}

const ida_arbiter_view *ida_arbiter_look(const ida_arbiter *a, uint32_t index)
{
    return index < a->stream_count ? &a->streams[index].view : NULL;
}

/* ---- making ------------------------------------------------------------------------------------------------ */

ida_arbiter *ida_arbiter_new(size_t streams, size_t connections, int64_t hold_ns, size_t hold_bytes)
{
    if (!streams || !connections || hold_ns < 0 || streams > UINT32_MAX || connections > SIZE_MAX / 8 / streams ||
        hold_bytes > SIZE_MAX / 2)
        return NULL;
    ida_arbiter *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    a->hold_ns = hold_ns;
    a->capacity = hold_bytes & ~(size_t)7;
    a->stream_count = streams;
    a->connection_count = connections;
    a->streams = ida_room_new(streams, sizeof *a->streams);
    a->connections = calloc(connections, sizeof *a->connections);
    a->newest = calloc(streams * connections, sizeof *a->newest);
    a->bytes = ida_room_new(a->capacity ? a->capacity : 8, 1);
    if (!a->streams || !a->connections || !a->newest || !a->bytes) {
        ida_arbiter_free(a);
        return NULL;
    }
    for (size_t i = 0; i < streams; i++)
        ida_arbiter_begin(a, (uint32_t)i, IDA_ORDER_RISING);
    return a;
}

void ida_arbiter_free(ida_arbiter *a)
{
    if (!a)
        return;
    ida_room_free(a->streams, a->stream_count, sizeof *a->streams);
    ida_room_free(a->bytes, a->capacity ? a->capacity : 8, 1);
    free(a->connections);
    free(a->newest);
    free(a);
}
