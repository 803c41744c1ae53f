#include "journal.h"

#include "crc.h"
#include "gate.h"
#include "segment.h"
#include "thread.h"

#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RUN_BYTES = 32, FILLED_MOST = 8, NS_PER_MS = 1000000 };

/* The first cache lines belong to the appending thread; what follows the gate is shared inside it. */
struct ida_journal {
    unsigned char *base;   /* of `current`: the appending thread's own copy */
    uint64_t used;
    uint64_t segment_bytes;
    uint64_t records;
    uint64_t bytes;
    uint64_t synced;       /* in `current`, by this thread */
    int policy;
    ida_status stopped;    /* why nothing can be appended any more */
    alignas(64) atomic_ullong published; /* `used`, for the thread that syncs */
    atomic_int sync_error; /* errno of a sync that failed */
    atomic_int first_error;
    alignas(64) ida_gate *gate;
    ida_segment current;
    ida_segment spare;     /* ready for use */
    int spare_error;       /* errno: why there is no spare */
    ida_segment filled[FILLED_MOST]; /* oldest first: to be synced and unmapped */
    int filled_count;
    int stop;
    int directory;
    int64_t interval_ns;
    ida_thread *thread;
    char run[RUN_BYTES + 1];
};

static void note_error(ida_journal *j, int error)
{
    int none = 0;
    atomic_compare_exchange_strong(&j->first_error, &none, error);
}

static ida_status status_of(int error)
{
    return error == ENOSPC || error == EDQUOT ? IDA_NO_SPACE : IDA_IO;
}

/* ---- the segment thread ------------------------------------------------------------------------------------ */

static int create(ida_journal *j, ida_segment *s, uint64_t index)
{
    return ida_segment_create(s, j->directory, index, j->segment_bytes, j->run, j->policy != IDA_SYNC_NONE);
}

/* Each of these is called inside the gate and leaves it for the work. */
static void make_spare(ida_journal *j)
{
    ida_segment made;
    uint64_t index = j->current.index + 1;
    ida_gate_leave(j->gate);
    int error = create(j, &made, index);
    ida_gate_enter(j->gate);
    j->spare_error = error;
    if (!error)
        j->spare = made;
    ida_gate_tell(j->gate, IDA_DONE);
}

static void sync_range(ida_journal *j, const ida_segment *s, uint64_t from, uint64_t to)
{
    int error = ida_segment_sync(s, from, to);
    if (!error)
        return;
    note_error(j, error);
    atomic_store(&j->sync_error, error);
}

static void finish_filled(ida_journal *j)
{
    ida_segment oldest = j->filled[0];
    ida_gate_leave(j->gate);
    if (j->policy != IDA_SYNC_NONE)
        sync_range(j, &oldest, 0, oldest.used);
    ida_segment_unmap(&oldest);
    ida_gate_enter(j->gate);
    memmove(j->filled, j->filled + 1, (size_t)--j->filled_count * sizeof *j->filled);
    ida_gate_tell(j->gate, IDA_DONE);
}

/* Only this thread unmaps, so the copy stays good while the appending thread moves on. */
static void sync_current(ida_journal *j, uint64_t *index, uint64_t *synced)
{
    ida_segment s = j->current;
    uint64_t from = s.index == *index ? *synced : 0;
    uint64_t to = atomic_load_explicit(&j->published, memory_order_acquire);
    ida_gate_leave(j->gate);
    if (to > from)
        sync_range(j, &s, from, to);
    ida_gate_enter(j->gate);
    *index = s.index;
    *synced = to;
}

static void wait_for_work(ida_journal *j, int64_t until_ns)
{
    if (j->policy == IDA_SYNC_NONE)
        ida_gate_wait(j->gate, IDA_WORK);
    else
        ida_gate_wait_until(j->gate, IDA_WORK, until_ns);
}

/* The spare comes first: the appending thread may be waiting for it. */
static void keep_ahead(void *argument)
{
    ida_journal *j = argument;
    uint64_t index = 0, synced = 0;
    int64_t due = ida_gate_now() + j->interval_ns;
    ida_gate_enter(j->gate);
    while (!j->stop || j->filled_count) {
        if (!j->spare.base && !j->spare_error && !j->stop) {
            make_spare(j);
        } else if (j->filled_count) {
            finish_filled(j);
        } else if (j->policy != IDA_SYNC_NONE && ida_gate_now() >= due) {
            sync_current(j, &index, &synced);
            due = ida_gate_now() + j->interval_ns;
        } else {
            wait_for_work(j, due);
        }
    }
    ida_gate_leave(j->gate);
}

/* ---- beginning and end ------------------------------------------------------------------------------------- */

static void use(ida_journal *j, const ida_segment *s)
{
    j->current = *s;
    j->base = s->base;
    j->used = s->used;
    j->synced = 0;
    atomic_store_explicit(&j->published, s->used, memory_order_release);
}

static int begin(ida_journal *j, const char *directory)
{
    ida_segment first;
    j->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (j->directory < 0)
        return errno;
    if (ida_segment_any(j->directory))
        return EEXIST;
    int error = create(j, &first, 0);
    if (error)
        return error;
    use(j, &first);
    j->thread = ida_thread_start(keep_ahead, j, -1, "ida-journal");
    if (j->thread)
        return 0;
    ida_segment_remove(&j->current, j->directory);
    return EAGAIN;
}

static void release(ida_journal *j)
{
    if (j->directory >= 0)
        close(j->directory);
    ida_gate_free(j->gate);
    free(j);
}

static ida_journal *make(const char *run, size_t segment_bytes, int policy, int interval_ms)
{
    ida_journal *j = aligned_alloc(alignof(ida_journal), sizeof *j);
    if (!j)
        return NULL;
    memset(j, 0, sizeof *j);
    j->segment_bytes = segment_bytes;
    j->policy = policy;
    j->interval_ns = (int64_t)interval_ms * NS_PER_MS;
    j->directory = j->current.file = j->spare.file = -1;
    memcpy(j->run, run, strnlen(run, RUN_BYTES));
    j->gate = ida_gate_new();
    if (j->gate)
        return j;
    free(j);
    return NULL;
}

static int fits(size_t segment_bytes, int policy, int interval_ms)
{
    return segment_bytes >= IDA_SEGMENT_LEAST && segment_bytes % 4096 == 0 && segment_bytes <= INT64_MAX
        && policy >= IDA_SYNC_NONE && policy <= IDA_SYNC_EACH_REQUEST && interval_ms > 0;
}

ida_journal *ida_journal_new(const char *directory, const char *run, size_t segment_bytes, int policy,
                             int interval_ms, int *error)
{
    if (!fits(segment_bytes, policy, interval_ms)) {
        *error = EINVAL;
        return NULL;
    }
    ida_journal *j = make(run, segment_bytes, policy, interval_ms);
    *error = j ? begin(j, directory) : ENOMEM;
    if (j && *error) {
        release(j);
        j = NULL;
    }
    return j;
}

static void stop_thread(ida_journal *j)
{
    ida_gate_enter(j->gate);
    j->stop = 1;
    ida_gate_tell(j->gate, IDA_WORK);
    ida_gate_leave(j->gate);
    ida_thread_join(j->thread);
}

/* The order matters to a reader, and after a power cut: first the records, then the mark, then the cut. */
static int end_current(ida_journal *j)
{
    ida_segment *s = &j->current;
    int durable = j->policy != IDA_SYNC_NONE;
    s->used = j->used;
    int error = durable ? ida_segment_sync(s, j->synced, s->used) : 0;
    ida_segment_seal(s);
    int cut_error = ida_segment_cut(s);
    if (!error)
        error = cut_error;
    if (!error && durable)
        error = ida_segment_sync(s, 0, sizeof(ida_segment_header));
    ida_segment_unmap(s);
    return error;
}

ida_status ida_journal_close(ida_journal *j, int *error)
{
    stop_thread(j);
    int remove_error = j->spare.base ? ida_segment_remove(&j->spare, j->directory) : 0;
    *error = end_current(j);
    if (!*error)
        *error = atomic_load(&j->sync_error);
    if (!*error)
        *error = remove_error;
    if (!*error && j->policy != IDA_SYNC_NONE && fsync(j->directory))
        *error = errno;
    release(j);
    return *error ? status_of(*error) : IDA_OK;
}

/* ---- appending --------------------------------------------------------------------------------------------- */

static ida_status stop_for(ida_journal *j, int error)
{
    note_error(j, error);
    return j->stopped = status_of(error);
}

/* Asks the thread once more if it failed ahead of need: there may be room by now. Called inside the gate. */
static int await_spare(ida_journal *j)
{
    while (j->filled_count == FILLED_MOST)
        ida_gate_wait(j->gate, IDA_DONE);
    if (!j->spare.base && j->spare_error) {
        j->spare_error = 0;
        ida_gate_tell(j->gate, IDA_WORK);
    }
    while (!j->spare.base && !j->spare_error)
        ida_gate_wait(j->gate, IDA_DONE);
    return j->spare.base ? 0 : j->spare_error;
}

static __attribute__((noinline)) ida_status move_on(ida_journal *j)
{
    ida_gate_enter(j->gate);
    int error = await_spare(j);
    if (!error) {
        j->current.used = j->used;
        ida_segment_seal(&j->current);
        j->filled[j->filled_count++] = j->current;
        use(j, &j->spare);
        j->spare.base = NULL;
        ida_gate_tell(j->gate, IDA_WORK);
    }
    ida_gate_leave(j->gate);
    return error ? stop_for(j, error) : IDA_OK;
}

/* Room for a record of `length` bytes at the end of the journal. */
static inline ida_status claim(ida_journal *j, uint64_t length, ida_record **room)
{
    if (j->stopped)
        return j->stopped;
    int error = atomic_load_explicit(&j->sync_error, memory_order_relaxed);
    if (error)
        return stop_for(j, error);
    if (length > j->segment_bytes - sizeof(ida_segment_header) || length > UINT32_MAX)
        return IDA_RANGE;
    if (length > j->segment_bytes - j->used) {
        ida_status status = move_on(j);
        if (status)
            return status;
    }
    *room = (ida_record *)(j->base + j->used);
    return IDA_OK;
}

/* crc: 0 if it is still to be worked out. The length is stored last, by release: who sees it sees the record. */
static inline ida_status publish(ida_journal *j, ida_record *record, uint32_t length, uint32_t crc)
{
    enum { CRC_FROM = offsetof(ida_record, kind) };
    uint16_t kind = record->kind;
    record->crc = crc ? crc : ida_crc32c(0, (char *)record + CRC_FROM, length - CRC_FROM);
    __atomic_store_n(&record->length, length, __ATOMIC_RELEASE);
    j->used += length;
    j->bytes += length;
    j->records++;
    atomic_store_explicit(&j->published, j->used, memory_order_release);
    return j->policy == IDA_SYNC_EACH_REQUEST && kind == IDA_REQUEST ? ida_journal_sync(j) : IDA_OK;
}

static inline ida_status append(ida_journal *j, const ida_record *record, uint32_t instrument, uint32_t crc)
{
    enum { FROM = offsetof(ida_record, kind), LINE = 64, SOON = 2048 };
    uint32_t length = record->length;
    ida_record *room = NULL;
    if (length < sizeof *record || length % 8)
        return IDA_BAD;
    ida_status status = claim(j, length, &room);
    if (status)
        return status;
    for (uint32_t at = 0; at < length; at += LINE) /* fresh pages are in no cache: ask for what comes soon */
        __builtin_prefetch((const char *)room + SOON + at, 1);
    memcpy((char *)room + FROM, (const char *)record + FROM, length - FROM);
    room->instrument = instrument;
    return publish(j, room, length, crc);
}

ida_status ida_journal_append(ida_journal *j, const ida_record *record, uint32_t instrument)
{
    return append(j, record, instrument, 0);
}

ida_status ida_journal_append_sealed(ida_journal *j, const ida_record *record, uint32_t instrument)
{
    return append(j, record, instrument, record->instrument == instrument ? record->crc : 0);
}

ida_status ida_journal_append_text(ida_journal *j, uint16_t kind, uint32_t instrument, int64_t ts_venue_ns,
                                   int64_t ts_local_ns, const char *text, size_t bytes)
{
    uint64_t size = bytes, before = sizeof(ida_record) + sizeof size;
    ida_record *room = NULL;
    if (bytes > UINT32_MAX)
        return IDA_RANGE;
    uint64_t length = (before + size + 7) / 8 * 8;
    ida_status status = claim(j, length, &room);
    if (status)
        return status;
    room->kind = kind;
    room->instrument = instrument;
    room->ts_venue_ns = ts_venue_ns;
    room->ts_local_ns = ts_local_ns;
    memcpy(room + 1, &size, sizeof size);
    memcpy((char *)room + before, text, bytes); /* what follows is still zero */
    return publish(j, room, (uint32_t)length, 0);
}

void ida_journal_forsake(ida_journal *j)
{
    j->stopped = IDA_STATE;
}

ida_status ida_journal_sync(ida_journal *j)
{
    if (j->stopped == IDA_STATE)
        return IDA_STATE;
    ida_gate_enter(j->gate);
    while (j->filled_count)
        ida_gate_wait(j->gate, IDA_DONE);
    ida_gate_leave(j->gate);
    int error = ida_segment_sync(&j->current, j->synced, j->used);
    if (!error)
        error = atomic_load(&j->sync_error);
    if (error)
        return stop_for(j, error);
    j->synced = j->used;
    return IDA_OK;
}

int ida_journal_error(const ida_journal *j)
{
    return atomic_load(&j->first_error);
}

uint64_t ida_journal_records(const ida_journal *j)
{
    return j->records;
}

uint64_t ida_journal_bytes(const ida_journal *j)
{
    return j->bytes;
}
