#include "inlet.h"

#include "feed.h"
#include "room.h"

#include <string.h>

/* Records lie whole in the ring: from head to tail, or, when wrapped (tail <= head), from head to end and from 0 to
 * tail. One that does not fit above begins at 0. The one taken last still lies at head, until the next is taken. */
struct ida_inlet {
    ida_inlet_view view;
    size_t capacity;
    size_t head, tail, end;
    size_t kept;     /* records in the ring, the taken one among them */
    size_t held;     /* length of the taken one; 0: none */
    size_t place;    /* of the room that was asked for, and ... */
    size_t asked;    /* ... its length; 0: none */
    int64_t least_ns;
    uint64_t mark;
    int64_t mark_ns;
    uint32_t instruments;
    char *bytes;
};

/* ---- the ring ---------------------------------------------------------------------------------------------- */

static ida_record *at(const ida_inlet *n, size_t place)
{
    return (ida_record *)(n->bytes + place);
}

static int is_wrapped(const ida_inlet *n)
{
    return n->kept && n->tail <= n->head;
}

/* Where `length` bytes can lie without touching a kept record, or SIZE_MAX. */
static size_t place_for(const ida_inlet *n, size_t length)
{
    if (is_wrapped(n))
        return length <= n->head - n->tail ? n->tail : SIZE_MAX;
    if (length <= n->capacity - n->tail)
        return n->tail;
    return length <= n->head ? 0 : SIZE_MAX;
}

/* Where the oldest that waits begins: behind the one that is held. */
static size_t first_waiting(const ida_inlet *n)
{
    size_t place = n->head + n->held;
    return is_wrapped(n) && place == n->end ? 0 : place;
}

static void give_back(ida_inlet *n)
{
    if (!n->held)
        return;
    n->head = first_waiting(n);
    n->held = n->asked = 0;
    if (--n->kept == 0)
        n->head = n->tail = n->end = 0;
}

static void note_oldest(ida_inlet *n)
{
    const ida_record *oldest = ida_inlet_peek(n);
    n->view.oldest_ns = oldest ? oldest->ts_local_ns : -1;
}

/* ---- what comes in ----------------------------------------------------------------------------------------- */

void *ida_inlet_room(ida_inlet *n, size_t bytes)
{
    n->asked = 0;
    if (bytes > SIZE_MAX - 8)
        return NULL;
    size_t length = (bytes + 7) & ~(size_t)7, place = place_for(n, length);
    if (place == SIZE_MAX) {
        n->view.refused++;
        return NULL;
    }
    n->place = place;
    n->asked = length;
    return at(n, place);
}

static void enter(ida_inlet *n, ida_record *record)
{
    if (record->ts_local_ns < n->least_ns) {
        record->ts_local_ns = n->least_ns;
        n->view.raised++;
    }
    n->least_ns = n->view.newest_ns = record->ts_local_ns;
    if (n->place != n->tail)
        n->end = n->tail;
    n->tail = n->place + record->length;
    n->kept++;
    n->asked = 0;
    n->view.entered++;
    n->view.bytes += record->length;
    if (n->view.oldest_ns < 0)
        n->view.oldest_ns = record->ts_local_ns;
}

ida_status ida_inlet_commit(ida_inlet *n)
{
    if (!n->asked)
        return IDA_STATE;
    ida_record *record = at(n, n->place);
    if (n->asked < sizeof *record || record->length < sizeof *record || record->length > n->asked
        || record->length % 8 || record->kind >= IDA_REQUEST || !ida_record_has_shape(record))
        return IDA_BAD;
    if (record->instrument >= n->instruments)
        return IDA_UNKNOWN;
    enter(n, record);
    n->view.committed++;
    return IDA_OK;
}

ida_status ida_inlet_push(ida_inlet *n, const ida_record *record)
{
    void *room = ida_inlet_room(n, record->length);
    if (!room)
        return IDA_FULL;
    memcpy(room, record, record->length);
    return ida_inlet_commit(n);
}

void ida_inlet_alive(ida_inlet *n, uint32_t instrument, int64_t ts_local_ns)
{
    if (instrument >= n->instruments)
        return;
    ida_record *record = ida_inlet_room(n, sizeof *record);
    if (!record) {
        n->view.unheard++;
        return;
    }
    *record = (ida_record){.length = sizeof *record, .kind = IDA_ALIVE, .instrument = instrument,
                           .ts_venue_ns = ts_local_ns, .ts_local_ns = ts_local_ns};
    enter(n, record);
}

/* ---- what goes out ----------------------------------------------------------------------------------------- */

const ida_record *ida_inlet_peek(const ida_inlet *n)
{
    return n->kept > (n->held > 0) ? at(n, first_waiting(n)) : NULL;
}

const ida_record *ida_inlet_take(ida_inlet *n)
{
    give_back(n);
    const ida_record *record = ida_inlet_peek(n);
    if (record) {
        n->held = record->length;
        n->view.taken++;
        n->view.bytes -= record->length;
    }
    note_oldest(n);
    return record;
}

ida_status ida_inlet_drain(ida_inlet *n, ida_market *const *markets)
{
    ida_status status = IDA_OK;
    const ida_record *record;
    while ((record = ida_inlet_take(n)))
        if (record->kind != IDA_ALIVE && ida_market_apply(markets[record->instrument], record) & IDA_CHANGED_FAULT)
            status = IDA_RANGE;
    return status;
}

void ida_inlet_raise(ida_inlet *n, int64_t least_ns)
{
    if (least_ns > n->least_ns)
        n->least_ns = least_ns;
}

void ida_inlet_mark(ida_inlet *n, uint64_t place, int64_t ts_local_ns)
{
    n->mark = place;
    n->mark_ns = ts_local_ns;
    if (place != UINT64_MAX)
        ida_inlet_raise(n, ts_local_ns);
}

int64_t ida_inlet_marked(const ida_inlet *n)
{
    return n->mark <= n->view.taken ? n->mark_ns : INT64_MAX;
}

const ida_inlet_view *ida_inlet_look(const ida_inlet *n) { return &n->view; }

/* ---- making ------------------------------------------------------------------------------------------------ */

ida_inlet *ida_inlet_new(size_t bytes, uint32_t instruments)
{
    if (bytes < IDA_INLET_LEAST || bytes > SIZE_MAX / 2 || !instruments)
        return NULL;
    ida_inlet *n = calloc(1, sizeof *n);
    if (!n)
        return NULL;
    n->capacity = bytes & ~(size_t)7;
    n->instruments = instruments;
    n->least_ns = INT64_MIN;
    n->mark = UINT64_MAX;
    n->view.oldest_ns = n->view.newest_ns = -1;
    n->bytes = ida_room_new(n->capacity, 1);
    if (!n->bytes) {
        free(n);
        return NULL;
    }
    return n;
}

void ida_inlet_free(ida_inlet *n)
{
    if (!n)
        return;
    ida_room_free(n->bytes, n->capacity, 1);
    free(n);
}
