#include "sync.h"

#include <stdlib.h>
#include <string.h>

/* Kept diffs lie whole in a ring of bytes: from head to tail, or, when wrapped (tail <= head), from head to end
 * and from 0 to tail. A diff that does not fit above begins at 0. */
struct ida_sync {
    ida_sync_view view;
    size_t capacity;
    size_t head;
    size_t tail;
    size_t end; /* when wrapped */
    char *bytes;
    int64_t venue_ns; /* of the diff applied last; -1 where it had no time */
    int behind;       /* stale diffs since then that are later than it by the venue's clock */
};

enum { WITNESSES = 8 };

static const int64_t LATER_NS = 1000000000;

/* ---- the kept diffs ---------------------------------------------------------------------------------------- */

static const ida_depth *oldest(const ida_sync *s)
{
    return s->view.buffered ? (const ida_depth *)(s->bytes + s->head) : NULL;
}

static void forget(ida_sync *s)
{
    s->view.buffered = 0;
    s->head = s->tail = s->end = 0;
}

static int is_wrapped(const ida_sync *s)
{
    return s->view.buffered && s->tail <= s->head;
}

/* The bytes stay as they are: what ida_sync_replay gave out lives until the next call. */
static void drop_oldest(ida_sync *s)
{
    int wrapped = is_wrapped(s);
    s->head += oldest(s)->head.length;
    if (--s->view.buffered == 0)
        forget(s);
    else if (wrapped && s->head == s->end)
        s->head = 0;
}

/* Where `length` bytes can lie without touching a kept diff, or SIZE_MAX. */
static size_t place_for(const ida_sync *s, size_t length)
{
    if (is_wrapped(s))
        return length <= s->head - s->tail ? s->tail : SIZE_MAX;
    if (length <= s->capacity - s->tail)
        return s->tail;
    return length <= s->head ? 0 : SIZE_MAX;
}

/* Keeps a diff, at the cost of the oldest where there is no room; 0 if any was lost. */
static int keep(ida_sync *s, const ida_depth *depth)
{
    size_t length = depth->head.length, at;
    int whole = 1;
    if (length > s->capacity) {
        forget(s);
        return 0;
    }
    while ((at = place_for(s, length)) == SIZE_MAX) {
        drop_oldest(s);
        whole = 0;
    }
    if (at != s->tail)
        s->end = s->tail;
    memcpy(s->bytes + at, depth, length);
    s->tail = at + length;
    s->view.buffered++;
    return whole;
}

/* ---- the rules --------------------------------------------------------------------------------------------- */

/* The last id there can be has none that follows it. */
static int64_t following(int64_t id)
{
    return id < INT64_MAX ? id + 1 : id;
}

/* Whether a diff reaches back to a book at `id`, whatever it ends with. */
static int joins(const ida_sync *s, const ida_depth *depth, int64_t id)
{
    if (s->view.chain == IDA_CHAIN_CONTIGUOUS)
        return depth->first_id <= following(id);
    return depth->first_id <= id || (depth->previous_id >= 0 && depth->previous_id <= id);
}

static int judge_first(ida_sync *s, const ida_depth *depth)
{
    int64_t book = s->view.last_id;
    int previous = s->view.chain == IDA_CHAIN_PREVIOUS;
    if (previous ? depth->last_id < book : depth->last_id <= book)
        return IDA_STALE_DIFF;
    s->view.expected_id = previous ? book : following(book);
    s->view.found_id = depth->first_id;
    return joins(s, depth, book) ? IDA_APPLY : IDA_GAP;
}

static int judge_next(ida_sync *s, const ida_depth *depth)
{
    int64_t book = s->view.last_id;
    int previous = s->view.chain == IDA_CHAIN_PREVIOUS;
    if (depth->last_id <= book)
        return IDA_STALE_DIFF;
    s->view.expected_id = previous ? book : following(book);
    s->view.found_id = previous ? depth->previous_id : depth->first_id;
    if (previous)
        return s->view.found_id == s->view.expected_id ? IDA_APPLY : IDA_GAP;
    return s->view.found_id <= s->view.expected_id ? IDA_APPLY : IDA_GAP;
}

/* Whether so many stale diffs are of a later time than the book that it is the book which is of the past. */
static int has_begun_anew(ida_sync *s, const ida_depth *depth)
{
    if (s->view.state != IDA_SYNCED || s->venue_ns < 0 || depth->head.flags & IDA_FLAG_NO_VENUE_TIME
        || depth->head.ts_venue_ns <= s->venue_ns || depth->head.ts_venue_ns - s->venue_ns <= LATER_NS)
        return 0;
    s->view.expected_id = following(s->view.last_id);
    s->view.found_id = depth->first_id;
    return ++s->behind >= WITNESSES;
}

static void note_applied(ida_sync *s, const ida_depth *depth)
{
    s->view.applied++;
    s->view.last_id = depth->last_id;
    s->view.state = IDA_SYNCED;
    s->venue_ns = depth->head.flags & IDA_FLAG_NO_VENUE_TIME ? -1 : depth->head.ts_venue_ns;
    s->behind = 0;
}

/* A stale diff. The stream goes on behind it: whatever comes next reaches back to the book, or shows a gap, so a book
 * that waited for its first diff is in step. With previous ids the next one would have to name the book itself. */
static void pass_over(ida_sync *s, const ida_depth *depth)
{
    s->view.stale++;
    if (s->view.chain != IDA_CHAIN_CONTIGUOUS || s->view.state != IDA_FIRST || s->view.buffered > 1)
        return;
    s->view.state = IDA_SYNCED;
    s->venue_ns = depth->head.flags & IDA_FLAG_NO_VENUE_TIME ? -1 : depth->head.ts_venue_ns;
    s->behind = 0;
}

/* Verdict on the next diff of the chain, written into the view. */
static int judge_diff(ida_sync *s, const ida_depth *depth)
{
    int64_t expected = s->view.expected_id, found = s->view.found_id;
    int verdict = s->view.state == IDA_FIRST ? judge_first(s, depth) : judge_next(s, depth);
    if (verdict == IDA_STALE_DIFF && has_begun_anew(s, depth))
        verdict = IDA_GAP;
    if (verdict == IDA_GAP) {
        s->view.gaps++;
        s->view.state = IDA_WAITING;
        return verdict;
    }
    s->view.expected_id = expected; /* they tell of gaps only */
    s->view.found_id = found;
    if (verdict == IDA_APPLY)
        note_applied(s, depth);
    else
        pass_over(s, depth);
    return verdict;
}

static int judge_snapshot(ida_sync *s, const ida_depth *depth)
{
    const ida_depth *first = oldest(s);
    if (s->view.state == IDA_SYNCED || (s->view.state == IDA_FIRST && depth->last_id <= s->view.last_id))
        return IDA_SPARE_SNAPSHOT;
    if (first && !joins(s, first, depth->last_id))
        return IDA_OLD_SNAPSHOT;
    s->view.state = IDA_FIRST;
    s->view.last_id = s->view.snapshot_id = depth->last_id;
    s->view.snapshots++;
    return IDA_REPLACE;
}

int ida_sync_judge(ida_sync *s, const ida_depth *depth)
{
    if (depth->head.kind == IDA_SNAPSHOT)
        return judge_snapshot(s, depth);
    if (s->view.state == IDA_WAITING || s->view.buffered) /* never past those that wait for ida_sync_replay */
        return keep(s, depth) ? IDA_BUFFERED : IDA_OVERFLOW;
    int verdict = judge_diff(s, depth);
    if (verdict == IDA_GAP)
        keep(s, depth);
    return verdict;
}

const ida_depth *ida_sync_replay(ida_sync *s)
{
    const ida_depth *depth;
    while (s->view.state != IDA_WAITING && (depth = oldest(s))) {
        int verdict = judge_diff(s, depth);
        if (verdict == IDA_GAP)
            return NULL; /* kept, with all that follow it */
        drop_oldest(s);
        if (verdict == IDA_APPLY)
            return depth;
    }
    return NULL;
}

void ida_sync_reset(ida_sync *s)
{
    s->view.state = IDA_WAITING;
    forget(s);
}

const ida_sync_view *ida_sync_look(const ida_sync *s)
{
    return &s->view;
}

int64_t ida_sync_kept_id(const ida_sync *s)
{
    const ida_depth *first = oldest(s);
    return first ? first->first_id : -1;
}

/* ---- making ------------------------------------------------------------------------------------------------ */

ida_sync *ida_sync_new(int chain, size_t buffer_bytes)
{
    if (chain != IDA_CHAIN_CONTIGUOUS && chain != IDA_CHAIN_PREVIOUS)
        return NULL;
    ida_sync *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->capacity = buffer_bytes;
    s->bytes = malloc(buffer_bytes ? buffer_bytes : 1);
    if (!s->bytes) {
        free(s);
        return NULL;
    }
    s->view.chain = chain;
    s->venue_ns = s->view.last_id = s->view.snapshot_id = s->view.expected_id = s->view.found_id = -1;
    return s;
}

void ida_sync_free(ida_sync *s)
{
    if (!s)
        return;
    free(s->bytes);
    free(s);
}
