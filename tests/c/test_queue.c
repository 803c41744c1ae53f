/* needs: queue thread */
#include "expect.h"
#include "queue.h"
#include "thread.h"

#include <sched.h>
#include <string.h>

enum { RECORDS = 200000 };

typedef struct message {
    uint64_t number;
    uint64_t square;
    unsigned char tail[13];
} message;

static void test_arguments(void)
{
    EXPECT(!ida_queue_new(0, 8));
    EXPECT(!ida_queue_new(3, 8));
    EXPECT(!ida_queue_new(8, 0));
    EXPECT(!ida_queue_new((size_t)1 << 62, 64));
    ida_queue_free(NULL);
}

static void test_full_and_empty_leave_things_alone(void)
{
    ida_queue *q = ida_queue_new(2, sizeof(int));
    int out = 42;
    EXPECT(ida_queue_capacity(q) == 2);
    EXPECT(ida_queue_pop(q, &out) == IDA_EMPTY && out == 42);
    for (int i = 0; i < 3; i++)
        EXPECT(ida_queue_push(q, &i) == (i < 2 ? IDA_OK : IDA_FULL));
    EXPECT(ida_queue_length(q) == 2);
    for (int i = 0; i < 2; i++)
        EXPECT(ida_queue_pop(q, &out) == IDA_OK && out == i);
    EXPECT(ida_queue_pop(q, &out) == IDA_EMPTY);
    EXPECT(ida_queue_length(q) == 0);
    ida_queue_free(q);
}

static void test_pop_many_goes_round_the_end(void)
{
    ida_queue *q = ida_queue_new(8, sizeof(int));
    int out[8], pushed = 0, popped = 0;
    for (int round = 0; round < 20; round++) {
        while (ida_queue_push(q, &pushed) == IDA_OK)
            pushed++;
        size_t count = ida_queue_pop_many(q, out, 5);
        EXPECT(count == 5);
        for (size_t i = 0; i < count; i++)
            EXPECT(out[i] == popped++);
    }
    EXPECT(ida_queue_pop_many(q, out, 0) == 0);
    ida_queue_free(q);
}

static void produce(void *argument)
{
    ida_queue *q = argument;
    message m;
    memset(&m, 0, sizeof m);
    for (uint64_t i = 0; i < RECORDS;) {
        m.number = i;
        m.square = i * i;
        memset(m.tail, (int)(i & 255), sizeof m.tail);
        if (ida_queue_push(q, &m) == IDA_OK)
            i++;
        else
            sched_yield();
    }
}

static int is_whole(const message *m, uint64_t number)
{
    return m->number == number && m->square == number * number && m->tail[0] == (number & 255) &&
           m->tail[12] == (number & 255);
}

static void test_two_threads(size_t capacity, size_t most)
{
    message batch[32];
    uint64_t next = 0;
    int wrong = 0;
    ida_queue *q = ida_queue_new(capacity, sizeof(message));
    ida_thread *producer = ida_thread_start(produce, q, -1, "producer");
    while (next < RECORDS) {
        size_t count = ida_queue_pop_many(q, batch, most);
        EXPECT(ida_queue_length(q) <= capacity);
        for (size_t i = 0; i < count; i++)
            wrong += !is_whole(&batch[i], next++);
        if (!count)
            sched_yield();
    }
    ida_thread_join(producer);
    EXPECT(!wrong);
    EXPECT(ida_queue_pop(q, batch) == IDA_EMPTY);
    ida_queue_free(q);
}

int main(void)
{
    test_arguments();
    test_full_and_empty_leave_things_alone();
    test_pop_many_goes_round_the_end();
    test_two_threads(64, 32);
    test_two_threads(1, 1);
    return DONE;
}
