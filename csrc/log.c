#include "log.h"

#include "gate.h"
#include "queue.h"
#include "thread.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    PIECE_BYTES = 480,
    BATCH = 64,            /* pieces taken from the queue and written at once */
    IDLE_MS = 20,          /* how often an idle writer looks: a line costs its author no system call */
    NS_PER_MS = 1000000,
};

/* A line, or a part of one. */
typedef struct piece {
    uint16_t length;
    uint16_t ends;         /* 1: the line ends here */
    char text[PIECE_BYTES];
} piece;

struct ida_log {
    ida_queue *queue;
    atomic_ullong dropped;
    atomic_int error;
    uint64_t pushed;       /* pieces: the calling thread's */
    ida_gate *gate;
    uint64_t written;      /* pieces handed to the system or lost to an error; inside the gate, as the next two */
    int stop;
    int hurry;             /* someone waits in flush */
    int file;
    ida_thread *thread;
    piece batch[BATCH];
    char bytes[BATCH * (PIECE_BYTES + 1)];
};

/* ---- the writer's thread ----------------------------------------------------------------------------------- */

static int write_all(int file, const char *bytes, size_t length)
{
    while (length) {
        ssize_t done = write(file, bytes, length);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return errno;
        bytes += done;
        length -= (size_t)done;
    }
    return 0;
}

static size_t join_pieces(ida_log *log, size_t count, uint64_t *lines)
{
    size_t length = 0;
    for (size_t i = 0; i < count; i++) {
        const piece *p = &log->batch[i];
        memcpy(log->bytes + length, p->text, p->length);
        length += p->length;
        if (p->ends) {
            log->bytes[length++] = '\n';
            ++*lines;
        }
    }
    return length;
}

static size_t write_batch(ida_log *log)
{
    uint64_t lines = 0;
    int none = 0;
    size_t count = ida_queue_pop_many(log->queue, log->batch, BATCH);
    size_t length = join_pieces(log, count, &lines);
    int error = write_all(log->file, log->bytes, length);
    if (!error)
        return count;
    atomic_fetch_add(&log->dropped, lines);
    atomic_compare_exchange_strong(&log->error, &none, error);
    return count;
}

static void write_lines(void *argument)
{
    ida_log *log = argument;
    ida_gate_enter(log->gate);
    for (;;) {
        int last = log->stop; /* read before the queue is found empty */
        ida_gate_leave(log->gate);
        size_t count = write_batch(log);
        ida_gate_enter(log->gate);
        log->written += count;
        if (count)
            ida_gate_tell(log->gate, IDA_DONE);
        else if (last)
            break;
        else if (!log->stop && !log->hurry)
            ida_gate_wait_until(log->gate, IDA_WORK, ida_gate_now() + (int64_t)IDLE_MS * NS_PER_MS);
    }
    ida_gate_leave(log->gate);
}

/* ---- beginning and end ------------------------------------------------------------------------------------- */

static int begin(ida_log *log, const char *path, size_t lines)
{
    log->queue = ida_queue_new(lines, sizeof(piece));
    log->gate = ida_gate_new();
    if (!log->queue || !log->gate)
        return lines && !(lines & (lines - 1)) ? ENOMEM : EINVAL;
    log->file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log->file < 0)
        return errno;
    log->thread = ida_thread_start(write_lines, log, -1, "ida-log");
    return log->thread ? 0 : EAGAIN;
}

static void release(ida_log *log)
{
    if (log->file >= 0)
        close(log->file);
    ida_gate_free(log->gate);
    ida_queue_free(log->queue);
    free(log);
}

ida_log *ida_log_open(const char *path, size_t lines, int *error)
{
    ida_log *log = calloc(1, sizeof *log);
    *error = ENOMEM;
    if (!log)
        return NULL;
    log->file = -1;
    *error = begin(log, path, lines);
    if (!*error)
        return log;
    release(log);
    return NULL;
}

void ida_log_close(ida_log *log)
{
    ida_gate_enter(log->gate);
    log->stop = 1;
    ida_gate_tell(log->gate, IDA_WORK);
    ida_gate_leave(log->gate);
    ida_thread_join(log->thread);
    release(log);
}

/* ---- writing a line ---------------------------------------------------------------------------------------- */

static void push_pieces(ida_log *log, const char *line, size_t length, size_t pieces)
{
    piece p;
    for (size_t i = 0; i < pieces; i++) {
        p.ends = i + 1 == pieces;
        p.length = p.ends ? (uint16_t)(length - i * PIECE_BYTES) : PIECE_BYTES;
        memcpy(p.text, line + i * PIECE_BYTES, p.length);
        ida_queue_push(log->queue, &p); /* there is room: only the writer changes it, and makes more */
    }
    log->pushed += pieces;
}

ida_status ida_log_write(ida_log *log, const char *line, size_t length)
{
    size_t pieces = length ? (length - 1) / PIECE_BYTES + 1 : 1;
    size_t capacity = ida_queue_capacity(log->queue), held = ida_queue_length(log->queue);
    if (pieces > capacity - held) {
        atomic_fetch_add(&log->dropped, 1);
        return IDA_FULL;
    }
    push_pieces(log, line, length, pieces);
    if (held + pieces > capacity / 2)
        ida_gate_tell(log->gate, IDA_WORK); /* before its time */
    return IDA_OK;
}

ida_status ida_log_flush(ida_log *log)
{
    ida_gate_enter(log->gate);
    log->hurry = 1;
    ida_gate_tell(log->gate, IDA_WORK);
    while (log->written < log->pushed)
        ida_gate_wait(log->gate, IDA_DONE);
    log->hurry = 0;
    ida_gate_leave(log->gate);
    return atomic_load(&log->error) ? IDA_IO : IDA_OK;
}

uint64_t ida_log_dropped(const ida_log *log)
{
    return atomic_load(&log->dropped);
}

int ida_log_error(const ida_log *log)
{
    return atomic_load(&log->error);
}
