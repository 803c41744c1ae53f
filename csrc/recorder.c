#include "recorder.h"

#include "gate.h"
#include "pack.h"
#include "queue.h"
#include "thread.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PIECE_BYTES = 244,
    BATCH = 64,                /* pieces taken from the queue at once */
    MEMBER_BYTES = 1 << 20,    /* of text, after which a member ends before its time */
    STAMP_BYTES = 20,          /* 19 digits and a blank */
    NOTICE_BYTES = 96,
    TEXT_BYTES = MEMBER_BYTES + IDA_RECORDER_LONGEST + 2 * NOTICE_BYTES,
    LEAST_QUEUE = 1 << 16,
    IDLE_NS = 20000000,        /* how often an idle writer looks: a line costs its author no system call */
    IDLE_SHARE = 4,            /* ... and at least so often in a flush interval */
};

#define LEAST_STAMP INT64_C(1000000000000000000) /* of 19 digits */

enum piece_is { BEGINS = 1, ENDS = 2, NOTICE = 4, ROTATES = 8 };

/* A line, or a part of one. */
typedef struct piece {
    int64_t ts_local_ns;
    uint16_t length;
    uint16_t is;
    char text[PIECE_BYTES];
} piece;

typedef struct span {
    const char *at;
    size_t bytes;
} span;

/* The text of the member that is being gathered; the writer's. */
typedef struct member {
    char *text;
    size_t length;
    size_t whole;              /* up to the end of the last whole line */
    uint64_t lines;            /* in `whole`, without notices */
    uint64_t line_bytes;       /* of these lines */
    size_t line_at;            /* where the line that is being gathered begins */
    int64_t since_ns;          /* when its first line was taken from the queue */
    int64_t first_ns, last_ns; /* stamps of its first and last whole line */
    int64_t line_ns;           /* of the line that is being gathered */
} member;

/* What is written to; the writer's, once it runs. */
typedef struct file {
    int descriptor;            /* -1: none */
    uint64_t index;            /* of the next one */
    uint64_t bytes;            /* of whole members */
    int64_t since_ns;
    int has_lines;
} file;

struct ida_recorder {
    ida_queue *queue;
    atomic_ullong dropped;
    uint64_t pushed;           /* pieces: the calling thread's, as the next */
    uint64_t untold;           /* lines dropped since the last notice */
    ida_gate *gate;
    ida_recorder_view view;    /* inside the gate, as the next three */
    uint64_t settled;          /* pieces written or lost to an error */
    int stop;
    int hurry;                 /* someone waits in flush */
    ida_thread *thread;
    ida_recorder_settings settings;
    ida_pack *pack;            /* the rest is the writer's */
    uint64_t popped;
    uint64_t lost;             /* lines whose write failed, since the last notice */
    int64_t synced_ns;
    member member;
    file file;
    char *directory;
    char *stem;
    char *head;
    size_t head_bytes;
    piece batch[BATCH];
};

/* ---- the writer's thread: files ---------------------------------------------------------------------------- */

static int write_all(int descriptor, const char *bytes, size_t length)
{
    while (length) {
        ssize_t done = write(descriptor, bytes, length);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return errno;
        bytes += done;
        length -= (size_t)done;
    }
    return 0;
}

static void path_of(const ida_recorder *r, uint64_t index, char *path, size_t room)
{
    snprintf(path, room, "%s/%s-%05llu.%s", r->directory, r->stem, (unsigned long long)index, r->pack ? "gz" : "txt");
}

static size_t path_room(const ida_recorder *r)
{
    return strlen(r->directory) + strlen(r->stem) + 32;
}

/* With the number `index`, or the next that is free: no file is written over. 0 or an errno. */
static int open_file(ida_recorder *r)
{
    size_t room = path_room(r);
    char path[room];
    file *f = &r->file;
    do {
        path_of(r, f->index++, path, room);
        f->descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
    } while (f->descriptor < 0 && errno == EEXIST && f->index > 1);
    if (f->descriptor < 0) {
        int error = errno;
        f->index--;
        return error;
    }
    f->bytes = 0;
    f->has_lines = 0;
    f->since_ns = ida_gate_now();
    return 0;
}

static void tell_error(ida_recorder *r, int error)
{
    ida_recorder_view *v = &r->view;
    ida_gate_enter(r->gate);
    v->failing = error;
    v->error = v->error ? v->error : error;
    ida_gate_leave(r->gate);
}

static void close_file(ida_recorder *r)
{
    if (r->file.descriptor < 0)
        return;
    if (fdatasync(r->file.descriptor))
        tell_error(r, errno);
    close(r->file.descriptor);
    r->file.descriptor = -1;
}

/* Whether the file has no name any more: what is written there is lost. */
static int is_gone(int descriptor)
{
    struct stat found;
    return !fstat(descriptor, &found) && found.st_nlink == 0;
}

/* Appends one member whole, or nothing. 0 or an errno. */
static int append(ida_recorder *r, const char *text, size_t length)
{
    const char *bytes = text;
    file *f = &r->file;
    if (r->pack && !(length = ida_pack_member(r->pack, text, length, &bytes)))
        return ENOMEM;
    int error = write_all(f->descriptor, bytes, length);
    if (error) {
        if (ftruncate(f->descriptor, (off_t)f->bytes))
            close_file(r); /* half a member stands at its end: nothing may follow it there */
        return error;
    }
    f->bytes += length;
    ida_gate_enter(r->gate);
    r->view.file_bytes += length;
    ida_gate_leave(r->gate);
    return 0;
}

static void put_stamp(char *at, int64_t ns)
{
    for (int i = STAMP_BYTES - 2; i >= 0; i--, ns /= 10)
        at[i] = (char)('0' + ns % 10);
    at[STAMP_BYTES - 1] = ' ';
}

/* What the head line is for comes behind it: a file without it is not begun. */
static int append_head(ida_recorder *r)
{
    if (!r->head_bytes)
        return 0;
    put_stamp(r->head, r->member.first_ns);
    return append(r, r->head, r->head_bytes);
}

/* An open file that has a name and begins with the head. */
static int make_ready(ida_recorder *r)
{
    file *f = &r->file;
    if (f->descriptor >= 0 && is_gone(f->descriptor))
        close_file(r);
    int error = f->descriptor < 0 ? open_file(r) : 0;
    if (!error && !f->bytes)
        error = append_head(r);
    return error;
}

/* ---- the writer's thread: members -------------------------------------------------------------------------- */

static size_t notice(char *at, uint64_t lines)
{
    return (size_t)snprintf(at, NOTICE_BYTES, "{\"stream\":\"!dropped\",\"data\":{\"lines\":%llu}}",
                            (unsigned long long)lines);
}

/* A notice of what was lost stands before what comes after it, in the same member. */
static int append_member(ida_recorder *r)
{
    member *m = &r->member;
    if (!r->lost)
        return append(r, m->text, m->whole);
    char text[STAMP_BYTES + NOTICE_BYTES];
    put_stamp(text, m->first_ns);
    size_t length = STAMP_BYTES + notice(text + STAMP_BYTES, r->lost);
    text[length++] = '\n';
    int error = append(r, text, length);
    if (!error)
        r->lost = 0;
    return error ? error : append(r, m->text, m->whole);
}

static void tell_written(ida_recorder *r)
{
    member *m = &r->member;
    ida_recorder_view *v = &r->view;
    ida_gate_enter(r->gate);
    v->files += !r->file.has_lines;
    v->lines += m->lines;
    v->text_bytes += m->line_bytes;
    v->newest_ns = m->last_ns;
    ida_gate_leave(r->gate);
    r->file.has_lines = 1;
}

static void tell_lost(ida_recorder *r)
{
    r->lost += r->member.lines;
    atomic_fetch_add(&r->dropped, r->member.lines);
}

/* 0 or an errno: what was written may then not be on the disk. */
static int sync_in_time(ida_recorder *r, int64_t now)
{
    if (now - r->synced_ns < r->settings.flush_ns)
        return 0;
    r->synced_ns = now;
    return fdatasync(r->file.descriptor) ? errno : 0;
}

/* What is behind the last whole line stays for the next member. */
static void keep_rest(member *m, int64_t now)
{
    size_t rest = m->length - m->whole;
    memmove(m->text, m->text + m->whole, rest);
    m->length = rest;
    m->first_ns = m->line_ns;
    m->since_ns = now;
    m->line_at = m->whole = 0;
    m->lines = m->line_bytes = 0;
}

static int is_full(const ida_recorder *r, int64_t now)
{
    const ida_recorder_settings *s = &r->settings;
    if (!r->file.has_lines)
        return 0;
    return (s->rotate_bytes && r->file.bytes >= s->rotate_bytes)
        || (s->rotate_ns && now - r->file.since_ns >= s->rotate_ns);
}

static void end_member(ida_recorder *r)
{
    member *m = &r->member;
    if (!m->whole)
        return;
    int error = make_ready(r);
    if (!error)
        error = append_member(r);
    if (error)
        tell_lost(r);
    else
        tell_written(r);
    int64_t now = ida_gate_now();
    if (!error)
        error = sync_in_time(r, now);
    tell_error(r, error);
    keep_rest(m, now);
    if (is_full(r, now))
        close_file(r);
}

/* ---- the writer's thread: lines ---------------------------------------------------------------------------- */

static void begin_line(member *m, const piece *p)
{
    if (!m->length)
        m->since_ns = ida_gate_now();
    if (!m->whole)
        m->first_ns = p->ts_local_ns;
    m->line_ns = p->ts_local_ns;
    m->line_at = m->length;
    put_stamp(m->text + m->length, p->ts_local_ns);
    m->length += STAMP_BYTES;
}

static void append_text(member *m, const piece *p)
{
    char *at = m->text + m->length, *end = at + p->length;
    memcpy(at, p->text, p->length);
    while ((at = memchr(at, '\n', (size_t)(end - at))))
        *at++ = ' ';
    m->length += p->length;
}

static void end_line(member *m, const piece *p)
{
    m->text[m->length++] = '\n';
    if (!(p->is & NOTICE)) {
        m->lines++;
        m->line_bytes += m->length - m->line_at;
    }
    m->whole = m->length;
    m->last_ns = p->ts_local_ns;
}

static void take_piece(ida_recorder *r, const piece *p)
{
    member *m = &r->member;
    if (p->is & ROTATES) {
        end_member(r);
        if (r->file.has_lines)
            close_file(r);
        return;
    }
    if (p->is & BEGINS)
        begin_line(m, p);
    append_text(m, p);
    if (p->is & ENDS)
        end_line(m, p);
    if (m->whole >= MEMBER_BYTES)
        end_member(r);
}

static int64_t idle_ns(const ida_recorder *r)
{
    int64_t share = r->settings.flush_ns / IDLE_SHARE;
    return share < IDLE_NS ? share : IDLE_NS;
}

/* Takes what waits, and ends the member if its time is up by the next look (a line waited for one already), or at
 * once if it is wanted. */
static size_t work(ida_recorder *r, int wanted)
{
    size_t count = ida_queue_pop_many(r->queue, r->batch, BATCH);
    for (size_t i = 0; i < count; i++)
        take_piece(r, &r->batch[i]);
    r->popped += count;
    int64_t due = r->member.since_ns + r->settings.flush_ns - 2 * idle_ns(r);
    if (r->member.whole && ((!count && wanted) || ida_gate_now() >= due))
        end_member(r);
    return count;
}

static void write_files(void *argument)
{
    ida_recorder *r = argument;
    ida_gate_enter(r->gate);
    for (;;) {
        int last = r->stop, wanted = r->stop || r->hurry; /* read before the queue is found empty */
        ida_gate_leave(r->gate);
        size_t count = work(r, wanted);
        ida_gate_enter(r->gate);
        if (!r->member.length && r->settled != r->popped) {
            r->settled = r->popped;
            ida_gate_tell(r->gate, IDA_DONE);
        }
        if (!count && last)
            break;
        if (!count && !r->stop && !r->hurry)
            ida_gate_wait_until(r->gate, IDA_WORK, ida_gate_now() + idle_ns(r));
    }
    ida_gate_leave(r->gate);
}

/* ---- beginning and end ------------------------------------------------------------------------------------- */

static int is_sane(const char *directory, const char *stem, const ida_recorder_settings *s, size_t head_bytes)
{
    size_t queue = s->queue_bytes;
    return *directory && *stem && !strchr(stem, '/') && queue >= LEAST_QUEUE && !(queue & (queue - 1))
        && s->flush_ns > 0 && s->rotate_ns >= 0 && s->level >= 0 && s->level <= 9
        && head_bytes <= IDA_RECORDER_LONGEST;
}

/* The head line: room for its stamp, the text, its end. */
static int keep_head(ida_recorder *r, const char *head, size_t bytes)
{
    if (!bytes)
        return 0;
    r->head = malloc(STAMP_BYTES + bytes + 1);
    if (!r->head)
        return ENOMEM;
    memcpy(r->head + STAMP_BYTES, head, bytes);
    for (char *at = r->head + STAMP_BYTES; (at = memchr(at, '\n', (size_t)(r->head + STAMP_BYTES + bytes - at)));)
        *at = ' ';
    r->head_bytes = STAMP_BYTES + bytes + 1;
    r->head[r->head_bytes - 1] = '\n';
    return 0;
}

static int begin(ida_recorder *r, const char *directory, const char *stem, const char *head, size_t head_bytes)
{
    r->queue = ida_queue_new(r->settings.queue_bytes / sizeof(piece), sizeof(piece));
    r->gate = ida_gate_new();
    r->member.text = malloc(TEXT_BYTES);
    r->directory = strdup(directory);
    r->stem = strdup(stem);
    if (!r->queue || !r->gate || !r->member.text || !r->directory || !r->stem || keep_head(r, head, head_bytes))
        return ENOMEM;
    if (r->settings.level)
        r->pack = ida_pack_new(NULL, r->settings.level, TEXT_BYTES);
    r->view.packed = r->pack != NULL;
    int error = open_file(r);
    if (error)
        return error;
    r->thread = ida_thread_start(write_files, r, -1, "ida-recorder");
    return r->thread ? 0 : EAGAIN;
}

/* The file, if it got no line. */
static void remove_empty(ida_recorder *r)
{
    size_t room = path_room(r);
    char path[room];
    if (r->file.descriptor < 0 || r->file.has_lines)
        return;
    path_of(r, r->file.index - 1, path, room);
    unlink(path);
}

static void release(ida_recorder *r)
{
    if (r->directory && r->stem)
        remove_empty(r);
    close_file(r);
    ida_gate_free(r->gate);
    ida_queue_free(r->queue);
    ida_pack_free(r->pack);
    free(r->member.text);
    free(r->directory);
    free(r->stem);
    free(r->head);
    free(r);
}

ida_recorder *ida_recorder_open(const char *directory, const char *stem, const ida_recorder_settings *settings,
                                const char *head, size_t head_bytes, int *error)
{
    *error = EINVAL;
    if (!is_sane(directory, stem, settings, head_bytes))
        return NULL;
    ida_recorder *r = calloc(1, sizeof *r);
    *error = ENOMEM;
    if (!r)
        return NULL;
    r->file.descriptor = -1;
    r->settings = *settings;
    r->view.newest_ns = -1;
    r->synced_ns = ida_gate_now();
    *error = begin(r, directory, stem, head, head_bytes);
    if (!*error)
        return r;
    release(r);
    return NULL;
}

void ida_recorder_close(ida_recorder *r, ida_recorder_view *view)
{
    ida_gate_enter(r->gate);
    r->stop = 1;
    ida_gate_tell(r->gate, IDA_WORK);
    ida_gate_leave(r->gate);
    ida_thread_join(r->thread);
    if (view)
        ida_recorder_look(r, view);
    release(r);
}

/* ---- writing a line ---------------------------------------------------------------------------------------- */

/* Fills p from the spans; answers how many bytes it took. */
static size_t fill(piece *p, span **spans)
{
    size_t length = 0;
    for (span *s = *spans; length < PIECE_BYTES && s->at; s = *spans) {
        size_t take = s->bytes < PIECE_BYTES - length ? s->bytes : PIECE_BYTES - length;
        memcpy(p->text + length, s->at, take);
        length += take;
        *s = (span){ s->at + take, s->bytes - take };
        *spans += !s->bytes;
    }
    p->length = (uint16_t)length;
    return length;
}

static void push_line(ida_recorder *r, int64_t ts_local_ns, span *spans, size_t bytes, unsigned is)
{
    piece p = { .ts_local_ns = ts_local_ns, .is = (uint16_t)(BEGINS | is) };
    size_t left = bytes;
    do {
        left -= fill(&p, &spans);
        p.is |= left ? 0 : ENDS;
        ida_queue_push(r->queue, &p); /* there is room: only the writer changes it, and makes more */
        r->pushed++;
        p.is &= (uint16_t)~BEGINS;
    } while (left);
}

static ida_status drop(ida_recorder *r, ida_status why)
{
    atomic_fetch_add(&r->dropped, 1);
    r->untold++;
    return why;
}

static size_t pieces_of(size_t bytes)
{
    return bytes ? (bytes - 1) / PIECE_BYTES + 1 : 1;
}

static void push_notice(ida_recorder *r, int64_t ts_local_ns)
{
    char text[NOTICE_BYTES];
    size_t bytes = notice(text, r->untold);
    push_line(r, ts_local_ns, (span[]){ { text, bytes }, { 0 } }, bytes, NOTICE);
    r->untold = 0;
}

/* spans: ended by one whose `at` is NULL. */
static ida_status put(ida_recorder *r, int64_t ts_local_ns, span *spans, size_t bytes)
{
    size_t capacity = ida_queue_capacity(r->queue);
    size_t pieces = pieces_of(bytes) + (r->untold != 0);
    if (bytes > IDA_RECORDER_LONGEST || pieces > capacity || ts_local_ns < LEAST_STAMP)
        return drop(r, IDA_RANGE);
    size_t held = ida_queue_length(r->queue);
    if (pieces > capacity - held)
        return drop(r, IDA_FULL);
    if (r->untold)
        push_notice(r, ts_local_ns);
    push_line(r, ts_local_ns, spans, bytes, 0);
    if (held + pieces > capacity / 2)
        ida_gate_tell(r->gate, IDA_WORK); /* before its time */
    return IDA_OK;
}

ida_status ida_recorder_write(ida_recorder *r, int64_t ts_local_ns, const char *text, size_t bytes)
{
    return put(r, ts_local_ns, (span[]){ { text, bytes }, { 0 } }, bytes);
}

static int is_name(const char *name)
{
    for (; *name; name++)
        if ((unsigned char)*name < ' ' || *name == '"' || *name == '\\')
            return 0;
    return 1;
}

ida_status ida_recorder_write_as(ida_recorder *r, int64_t ts_local_ns, const char *stream, const char *body,
                                 size_t bytes)
{
    static const char open[] = "{\"stream\":\"", middle[] = "\",\"data\":", end[] = "}";
    size_t name = strlen(stream);
    if (!is_name(stream) || bytes > IDA_RECORDER_LONGEST)
        return bytes > IDA_RECORDER_LONGEST ? drop(r, IDA_RANGE) : IDA_BAD;
    span spans[] = { { open, sizeof open - 1 }, { stream, name }, { middle, sizeof middle - 1 }, { body, bytes },
                     { end, sizeof end - 1 }, { 0 } };
    return put(r, ts_local_ns, spans, bytes + name + sizeof open + sizeof middle + sizeof end - 3);
}

ida_status ida_recorder_rotate(ida_recorder *r)
{
    piece p = { .is = ROTATES };
    if (ida_queue_push(r->queue, &p) != IDA_OK)
        return IDA_FULL;
    r->pushed++;
    return IDA_OK;
}

ida_status ida_recorder_flush(ida_recorder *r)
{
    ida_gate_enter(r->gate);
    r->hurry = 1;
    ida_gate_tell(r->gate, IDA_WORK);
    while (r->settled < r->pushed)
        ida_gate_wait(r->gate, IDA_DONE);
    r->hurry = 0;
    int failed = r->view.error;
    ida_gate_leave(r->gate);
    return failed ? IDA_IO : IDA_OK;
}

void ida_recorder_look(const ida_recorder *r, ida_recorder_view *view)
{
    ida_gate_enter(r->gate);
    *view = r->view;
    ida_gate_leave(r->gate);
    view->dropped = atomic_load(&r->dropped);
}
