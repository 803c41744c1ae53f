#include "binance_lines.h"
#include "binance_message.h"
#include <stdlib.h>
#include <time.h>

enum { NAME = sizeof(((ida_binance_stream *)0)->name), SAMPLE_EVERY = 16 };

struct ida_binance_streams {
    ida_binance_stream *names;
    uint32_t *slots; /* by hash: index + 1, or 0 */
    size_t count;
    size_t most;
    size_t mask;
};

ida_binance_streams *ida_binance_streams_new(size_t most)
{
    ida_binance_streams *s = calloc(1, sizeof *s);
    size_t slots = 4;
    while (slots < 2 * most)
        slots *= 2;
    if (!s || !(s->names = calloc(most + 1, sizeof *s->names)) || !(s->slots = calloc(slots, sizeof *s->slots))) {
        ida_binance_streams_free(s);
        return NULL;
    }
    s->most = most;
    s->mask = slots - 1;
    return s;
}

void ida_binance_streams_free(ida_binance_streams *s)
{
    if (!s)
        return;
    free(s->names);
    free(s->slots);
    free(s);
}

size_t ida_binance_streams_count(const ida_binance_streams *s)
{
    return s->count;
}

const ida_binance_stream *ida_binance_streams_look(const ida_binance_streams *s, size_t index)
{
    return index < s->count ? &s->names[index] : NULL;
}

/* name: NAME bytes, NUL-padded, so that eight at a time can be hashed and compared. */
static size_t hash_of(const char name[NAME])
{
    uint64_t h = 0;
    for (size_t i = 0; i < NAME && name[i]; i += 8)
        h = (h ^ ida_load8(name + i)) * 0x9e3779b97f4a7c15u;
    return (size_t)(h >> 32);
}

static ida_binance_stream *stream_of(ida_binance_streams *s, const char name[NAME])
{
    size_t i = hash_of(name) & s->mask;
    for (; s->slots[i]; i = (i + 1) & s->mask)
        if (!memcmp(s->names[s->slots[i] - 1].name, name, NAME))
            return &s->names[s->slots[i] - 1];
    if (s->count == s->most)
        return &s->names[s->most];
    s->slots[i] = (uint32_t)++s->count;
    memcpy(s->names[s->count - 1].name, name, NAME);
    return &s->names[s->count - 1];
}

static const ida_span *text_of(const ida_fields *f, int slot)
{
    return ida_fields_has(f, slot) && f->at[slot].type == '"' ? &f->at[slot] : NULL;
}

static void tally(ida_binance_streams *s, const ida_message *m)
{
    static const ida_span answer = {"rest_snapshot", 13, '"', 0}, reply = {"reply", 5, '"', 0};
    char name[NAME] = {0};
    const ida_span *span = text_of(&m->outer, IDA_KEY_STREAM);
    span = span ? span : text_of(m->payload, IDA_SLOT('e'));
    if (!span)
        span = ida_fields_has(m->payload, IDA_KEY_LAST_ID) ? &answer : &reply;
    memcpy(name, span->at, span->length < NAME ? span->length : NAME - 1);
    ida_binance_stream *stream = stream_of(s, name);
    if (m->status == IDA_OK)
        stream->messages++;
    else
        stream->ignored++;
}

/* 16 or 19 digits and a space. Answers the byte behind, or NULL. */
static const char *stamp(const char *p, const char *end, int64_t *ns)
{
    uint64_t value = 0; /* 19 digits fit, if not in an int64 */
    int digits = 0;
    while (p < end && digits < 20 && (unsigned)(*p - '0') < 10) {
        value = digits < 19 ? value * 10 + (uint64_t)(*p - '0') : value;
        digits++;
        p++;
    }
    if ((digits != 16 && digits != 19) || p == end || *p != ' ')
        return NULL;
    value = digits == 19 ? value : value * 1000;
    *ns = (int64_t)value;
    return value > INT64_MAX ? NULL : p + 1;
}

static uint64_t clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static ida_status decode(ida_binance_pass *pass, ida_message *m, void *out, size_t room)
{
    if (pass->line % SAMPLE_EVERY)
        return ida_message_decode(m, out, room);
    uint64_t from = clock_ns();
    ida_status status = ida_message_decode(m, out, room);
    pass->decode_ns[pass->samples++ % IDA_BINANCE_SAMPLES] = (uint32_t)(clock_ns() - from);
    return status;
}

/* One line that is not empty. m->text is its beginning and is moved to the message. */
static ida_status take_line(ida_binance_pass *pass, ida_message *m, void *out, size_t room)
{
    const char *message = stamp(m->text, m->end, &m->ts_local_ns);
    if (!message) {
        m->status = IDA_OK;
        m->passable = 0;
        return ida_message_fail(m, IDA_BAD, m->text, "a line begins with a time stamp of 16 or 19 digits and a space");
    }
    m->text = message;
    int goes_back = m->ts_local_ns < pass->last_local_ns;
    if (goes_back)
        m->ts_local_ns = pass->last_local_ns;
    ida_status status = decode(pass, m, out, room);
    if (status != IDA_OK)
        return status;
    pass->last_local_ns = m->ts_local_ns;
    return goes_back ? IDA_STATE : IDA_OK;
}

static int is_blank(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\r' || *p == '\t'))
        p++;
    return p == end;
}

static void note_record(ida_binance_pass *pass, const ida_record *record, uint32_t *lines)
{
    if (lines)
        lines[pass->count] = (uint32_t)pass->line;
    pass->count++;
    pass->records++;
    pass->made += record->length;
}

/* What a line that was not blank came to. */
static ida_status settle(ida_binance_pass *pass, ida_binance_streams *streams, const ida_message *m,
                         ida_status status, const char *from, ida_binance_problem *problem)
{
    pass->length = (size_t)(m->end - from);
    if (status == IDA_OK || status == IDA_STATE || status == IDA_EMPTY)
        tally(streams, m);
    if (status == IDA_STATE)
        *problem = (ida_binance_problem){IDA_STATE, 0, "the stamp is earlier than the one before", 0, 0};
    else if (status != IDA_OK)
        *problem = (ida_binance_problem){(int32_t)status, (uint32_t)(m->fault - from), m->rule, m->passable, 0};
    return status;
}

ida_status ida_binance_take_lines(ida_binance *b, ida_binance_pass *pass, ida_binance_streams *streams,
                                  const char *text, size_t bytes, void *out, size_t capacity, uint32_t *lines,
                                  size_t lines_room, ida_binance_problem *problem)
{
    ida_message m;
    m.decoder = b;
    m.limit = text + bytes;
    m.default_symbol = pass->default_symbol;
    m.microseconds = -1;
    m.trial = 0;
    pass->taken = pass->made = pass->count = 0;
    ida_status status = IDA_OK;
    while (status == IDA_OK && (m.end = memchr(text + pass->taken, '\n', bytes - pass->taken))) {
        const char *from = m.text = text + pass->taken;
        ida_record *record = (ida_record *)((char *)out + pass->made);
        int blank = is_blank(from, m.end);
        if (!blank && lines && pass->count == lines_room)
            return IDA_FULL;
        if (!blank && (status = take_line(pass, &m, record, capacity - pass->made)) == IDA_FULL)
            return IDA_FULL;
        pass->line++;
        pass->at = pass->taken;
        pass->taken = (size_t)(m.end + 1 - text);
        if (!blank && (status == IDA_OK || status == IDA_STATE))
            note_record(pass, record, lines);
        if (!blank)
            status = settle(pass, streams, &m, status, from, problem);
    }
    return status;
}
