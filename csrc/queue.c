#include "queue.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 64 };

/* Each index is written by one thread alone and lies on a cache line of its own, beside that thread's copy of the
 * other one: while the copy says there is room (or something there), the other thread's line is left alone. */
struct ida_queue {
    alignas(LINE) atomic_size_t tail; /* producer: records ever pushed */
    size_t head_seen;
    alignas(LINE) atomic_size_t head; /* consumer: records ever popped */
    size_t tail_seen;
    alignas(LINE) size_t capacity;    /* from here on only read */
    size_t record_size;
    alignas(LINE) unsigned char records[];
};

ida_queue *ida_queue_new(size_t capacity, size_t record_size)
{
    if (!capacity || capacity & (capacity - 1) || !record_size)
        return NULL;
    if (record_size > (SIZE_MAX - sizeof(ida_queue) - LINE) / capacity)
        return NULL;
    size_t bytes = (sizeof(ida_queue) + capacity * record_size + LINE - 1) / LINE * LINE;
    ida_queue *q = aligned_alloc(LINE, bytes);
    if (!q)
        return NULL;
    atomic_init(&q->tail, 0);
    atomic_init(&q->head, 0);
    q->head_seen = q->tail_seen = 0;
    q->capacity = capacity;
    q->record_size = record_size;
    return q;
}

void ida_queue_free(ida_queue *q)
{
    free(q);
}

static unsigned char *place(ida_queue *q, size_t index)
{
    return q->records + (index & (q->capacity - 1)) * q->record_size;
}

ida_status ida_queue_push(ida_queue *q, const void *record)
{
    size_t tail = atomic_load_explicit(&q->tail, memory_order_relaxed);
    if (tail - q->head_seen == q->capacity) {
        /* acquire: the consumer has copied out of the places before its head */
        q->head_seen = atomic_load_explicit(&q->head, memory_order_acquire);
        if (tail - q->head_seen == q->capacity)
            return IDA_FULL;
    }
    memcpy(place(q, tail), record, q->record_size);
    /* release: whoever sees the new tail sees the record */
    atomic_store_explicit(&q->tail, tail + 1, memory_order_release);
    return IDA_OK;
}

/* Records that can be popped, `most` at most; looks at the producer's line only when too few are known of. */
static size_t ready(ida_queue *q, size_t head, size_t most)
{
    if (q->tail_seen - head < most)
        q->tail_seen = atomic_load_explicit(&q->tail, memory_order_acquire);
    size_t there = q->tail_seen - head;
    return there < most ? there : most;
}

static void copy_out(ida_queue *q, size_t head, unsigned char *records, size_t count)
{
    size_t to_end = q->capacity - (head & (q->capacity - 1));
    size_t first = count < to_end ? count : to_end;
    memcpy(records, place(q, head), first * q->record_size);
    memcpy(records + first * q->record_size, q->records, (count - first) * q->record_size);
    /* release: the places may be written again */
    atomic_store_explicit(&q->head, head + count, memory_order_release);
}

ida_status ida_queue_pop(ida_queue *q, void *record)
{
    return ida_queue_pop_many(q, record, 1) ? IDA_OK : IDA_EMPTY;
}

size_t ida_queue_pop_many(ida_queue *q, void *records, size_t most)
{
    size_t head = atomic_load_explicit(&q->head, memory_order_relaxed);
    size_t count = ready(q, head, most);
    if (count)
        copy_out(q, head, records, count);
    return count;
}

size_t ida_queue_length(const ida_queue *q)
{
    /* head first: it can only grow, so the difference never goes below 0; it may then pass the capacity */
    size_t head = atomic_load_explicit(&q->head, memory_order_acquire);
    size_t length = atomic_load_explicit(&q->tail, memory_order_acquire) - head;
    return length < q->capacity ? length : q->capacity;
}

size_t ida_queue_capacity(const ida_queue *q)
{
    return q->capacity;
}
