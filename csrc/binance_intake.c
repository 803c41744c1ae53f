#include "binance_intake.h"
#include "binance_message.h"
#include "binance_peek.h"
#include "json.h"

#include <stdlib.h>

enum { NAME = IDA_INTAKE_NAME, LEAST_ROOM = 256, LEVEL_TEXT = 10 /* the shortest: ["1","1"], */ };

struct ida_intake {
    ida_binance *decoder;
    ida_inlet *inlet;
    ida_recorder *recorder; /* or NULL */
    ida_arbiter *arbiter;
    ida_intake_stream *streams;
    uint32_t *slots; /* by hash of the name: index + 1, or 0 */
    size_t capacity, mask;
    ida_intake_connection *connections;
    ida_intake_source *sources;
    size_t connection_count;
    int64_t clock_ns; /* what the exchange's clock shows more than ours */
};

/* ---- streams by name --------------------------------------------------------------------------------------- */

static size_t hash_of(const char *name, size_t length)
{
    uint64_t h = length;
    for (; length >= 8; name += 8, length -= 8)
        h = (h ^ ida_load8(name)) * 0x9e3779b97f4a7c15u;
    for (; length; name++, length--)
        h = (h ^ (unsigned char)*name) * 0x9e3779b97f4a7c15u;
    return (size_t)(h >> 29);
}

static int is_named(const ida_intake_stream *s, const char *name, size_t length)
{
    return !memcmp(s->name, name, length) && !s->name[length];
}

/* Its slot, or the free one where it belongs. */
static uint32_t *slot_of(const ida_intake *k, const char *name, size_t length)
{
    size_t i = hash_of(name, length) & k->mask;
    while (k->slots[i] && !is_named(&k->streams[k->slots[i] - 1], name, length))
        i = (i + 1) & k->mask;
    return &k->slots[i];
}

static ida_intake_stream *stream_of(const ida_intake *k, const char *name, size_t length)
{
    uint32_t slot = length && length < NAME ? *slot_of(k, name, length) : 0;
    return slot ? &k->streams[slot - 1] : NULL;
}

/* Closes the row of slots behind one that becomes free. */
static void free_slot(ida_intake *k, uint32_t *slot)
{
    size_t hole = (size_t)(slot - k->slots), i = hole;
    for (;;) {
        i = (i + 1) & k->mask;
        if (!k->slots[i])
            break;
        const char *name = k->streams[k->slots[i] - 1].name;
        size_t home = hash_of(name, strlen(name)) & k->mask;
        if (((i - home) & k->mask) >= ((i - hole) & k->mask)) {
            k->slots[hole] = k->slots[i];
            hole = i;
        }
    }
    k->slots[hole] = 0;
}

ida_status ida_intake_add_stream(ida_intake *k, const char *name, uint32_t instrument, uint32_t *index)
{
    size_t length = strlen(name), i = 0;
    if (!length || length >= NAME)
        return IDA_RANGE;
    if (instrument != UINT32_MAX && instrument >= ida_binance_symbols(k->decoder))
        return IDA_UNKNOWN;
    uint32_t *slot = slot_of(k, name, length);
    if (*slot)
        return IDA_DUPLICATE;
    while (i < k->capacity && k->streams[i].used)
        i++;
    if (i == k->capacity)
        return IDA_FULL;
    ida_intake_stream *s = &k->streams[i];
    *s = (ida_intake_stream){.instrument = instrument, .form = ida_binance_form_of(name, length), .used = 1};
    memcpy(s->name, name, length);
    s->contiguous = s->form <= IDA_FORM_AGGREGATE;
    ida_arbiter_begin(k->arbiter, (uint32_t)i, s->contiguous ? IDA_ORDER_CONTIGUOUS : IDA_ORDER_RISING);
    *slot = (uint32_t)i + 1;
    *index = (uint32_t)i;
    return IDA_OK;
}

ida_status ida_intake_remove_stream(ida_intake *k, const char *name)
{
    ida_intake_stream *s = stream_of(k, name, strlen(name));
    if (!s)
        return IDA_UNKNOWN;
    ida_arbiter_begin(k->arbiter, (uint32_t)(s - k->streams), IDA_ORDER_RISING);
    free_slot(k, slot_of(k, name, strlen(name)));
    s->used = 0;
    return IDA_OK;
}

ida_status ida_intake_find_stream(const ida_intake *k, const char *name, uint32_t *index)
{
    const ida_intake_stream *s = stream_of(k, name, strlen(name));
    if (!s)
        return IDA_UNKNOWN;
    *index = (uint32_t)(s - k->streams);
    return IDA_OK;
}

/* ---- decoding and committing ------------------------------------------------------------------------------- */

/* More than any record of so long a message needs. */
static size_t room_for(size_t bytes)
{
    return LEAST_ROOM + (bytes / LEVEL_TEXT + 1) * sizeof(ida_level);
}

static void note_problem(ida_intake *k, ida_intake_stream *s, uint32_t connection, int64_t now_ns,
                         const ida_binance_problem *problem)
{
    ida_intake_connection *c = &k->connections[connection];
    c->problems++;
    c->rule = problem->rule;
    c->status = problem->status;
    c->offset = problem->offset;
    c->problem_ns = now_ns;
    if (s)
        s->problems++;
}

static ida_status refuse(ida_binance_problem *problem, ida_status status, const char *rule)
{
    *problem = (ida_binance_problem){status, 0, rule, 0, 0};
    return status;
}

enum { ANSWER = -1 }; /* what brings snapshots, beside the forms of streams */

static int is_of(int form, const ida_record *record)
{
    int aggregate = record->flags & IDA_FLAG_AGGREGATE;
    switch (form) {
    case ANSWER:
        return record->kind == IDA_SNAPSHOT;
    case IDA_FORM_DIFF:
        return record->kind == IDA_DEPTH;
    case IDA_FORM_TRADE:
        return record->kind == IDA_TRADE && !aggregate;
    case IDA_FORM_AGGREGATE:
        return record->kind == IDA_TRADE && aggregate;
    case IDA_FORM_QUOTE:
        return record->kind == IDA_QUOTE;
    case IDA_FORM_TOP:
        return record->kind == IDA_PARTIAL;
    default:
        return record->kind > IDA_QUOTE && record->kind != IDA_PARTIAL;
    }
}

/* Well-formed, at a price that its symbol's grid does not have: the decoder has counted it. */
static int is_off_tick(ida_status status, const ida_binance_problem *problem)
{
    return status == IDA_OFF_GRID && problem->passable;
}

/* One event into one record; *now_ns becomes the time that it got. */
static ida_status commit(ida_intake *k, int form, const char *text, size_t bytes, uint32_t instrument, int64_t *now_ns,
                         ida_binance_problem *problem)
{
    size_t room = room_for(bytes);
    ida_record *record = ida_inlet_room(k->inlet, room);
    int32_t named = instrument == UINT32_MAX ? -1 : (int32_t)instrument;
    if (!record)
        return refuse(problem, IDA_FULL, "the inlet is full");
    ida_status status = ida_binance_decode(k->decoder, text, bytes, *now_ns, named, -1, record, room, problem);
    if (status != IDA_OK && !is_off_tick(status, problem))
        return status;
    if (named >= 0 && record->instrument != instrument)
        return refuse(problem, IDA_BAD, "the symbol is not the stream's");
    if (!is_of(form, record))
        return refuse(problem, IDA_BAD, form == ANSWER ? "no depth answer" : "the event is not the stream's");
    if (status != IDA_OK)
        return status;
    status = ida_inlet_commit(k->inlet);
    if (status != IDA_OK)
        return refuse(problem, status, "the inlet refused the record");
    *now_ns = record->ts_local_ns;
    return IDA_OK;
}

static size_t behind_space(const char *text, size_t at)
{
    while ((unsigned char)text[at] <= ' ')
        at++;
    return at;
}

/* A message that holds an array of events: one record for each whose symbol is ours. All of it is looked at first. */
static ida_status commit_events(ida_intake *k, ida_intake_stream *s, const ida_binance_peeked *peeked, int64_t *now_ns,
                                ida_binance_problem *problem)
{
    size_t bytes = (size_t)(peeked->end - peeked->data), at = 0, from;
    const char *rule = NULL;
    ida_status status = ida_json_skip(peeked->data, bytes, &at, &rule);
    if (status != IDA_OK || at != bytes)
        return refuse(problem, IDA_BAD, rule ? rule : "bytes after the message");
    for (at = behind_space(peeked->data, 1); peeked->data[at] != ']';) {
        from = at;
        ida_json_skip(peeked->data, bytes, &at, &rule);
        status = commit(k, s->form, peeked->data + from, at - from, UINT32_MAX, now_ns, problem);
        if (status == IDA_OK)
            s->records++;
        else if (status == IDA_UNKNOWN)
            s->unasked++;
        else if (!is_off_tick(status, problem))
            return status;
        at = behind_space(peeked->data, at);
        at += peeked->data[at] == ',';
    }
    return IDA_OK;
}

static ida_status decode(ida_intake *k, ida_intake_stream *s, const ida_arrival *m, int64_t *now_ns,
                         ida_binance_problem *problem)
{
    ida_binance_peeked peeked;
    if (ida_binance_peek(m->text, m->bytes, &peeked) && peeked.data < peeked.end && *peeked.data == '[')
        return commit_events(k, s, &peeked, now_ns, problem);
    ida_status status = commit(k, s->form, m->text, m->bytes, s->instrument, now_ns, problem);
    s->records += status == IDA_OK;
    return status;
}

/* A message goes on. IDA_SHOWN if it is nothing that can be decoded. */
static int deliver(ida_intake *k, const ida_arrival *m)
{
    ida_intake_stream *s = &k->streams[m->stream];
    ida_binance_problem problem = {0};
    int64_t now_ns = m->ts_local_ns;
    ida_status status = decode(k, s, m, &now_ns, &problem);
    if (status == IDA_FULL)
        s->refused++;
    else if (status != IDA_OK && status != IDA_EMPTY && !is_off_tick(status, &problem))
        note_problem(k, s, m->connection, m->ts_local_ns, &problem);
    if (is_off_tick(status, &problem) && ida_inlet_look(k->inlet)->newest_ns >= 0)
        now_ns = ida_inlet_look(k->inlet)->newest_ns; /* so that stamps in the recording never go back */
    if ((status == IDA_OK || is_off_tick(status, &problem)) && k->recorder)
        ida_recorder_write(k->recorder, now_ns, m->text, m->bytes);
    if (status == IDA_OK || problem.passable) {
        ida_arbiter_passed(k->arbiter, m);
        k->connections[m->connection].wins++;
    }
    return status == IDA_EMPTY ? IDA_SHOWN : IDA_SUNK;
}

/* What was held goes on at this time. */
static void deliver_held(ida_intake *k, const ida_arrival *held, int64_t now_ns)
{
    ida_arrival m = *held;
    m.ts_local_ns = now_ns > m.ts_local_ns ? now_ns : m.ts_local_ns;
    deliver(k, &m);
}

static void release(ida_intake *k, uint32_t stream, int64_t now_ns)
{
    const ida_arrival *held;
    while ((held = ida_arbiter_release(k->arbiter, stream)))
        deliver_held(k, held, now_ns);
}

static int expire_one(ida_intake *k, int64_t due_ns, int64_t now_ns)
{
    const ida_arrival *held = ida_arbiter_expire(k->arbiter, due_ns);
    if (!held)
        return 0;
    uint32_t stream = held->stream;
    deliver_held(k, held, now_ns);
    release(k, stream, now_ns);
    return 1;
}

void ida_intake_expire(ida_intake *k, int64_t now_ns)
{
    while (expire_one(k, now_ns, now_ns))
        ;
}

void ida_intake_set_clock(ida_intake *k, int64_t ahead_ns)
{
    k->clock_ns = ahead_ns;
}

int64_t ida_intake_due(const ida_intake *k)
{
    return ida_arbiter_due(k->arbiter);
}

/* ---- what comes in ----------------------------------------------------------------------------------------- */

static int arbitrate(ida_intake *k, const ida_arrival *m)
{
    int ruling, result = IDA_SUNK;
    while ((ruling = ida_arbiter_judge(k->arbiter, m)) == IDA_CROWDED)
        expire_one(k, INT64_MAX, m->ts_local_ns);
    if (ruling == IDA_GO_ON)
        result = deliver(k, m);
    else if (ruling == IDA_REPEATED)
        k->connections[m->connection].duplicates++;
    if (k->streams[m->stream].contiguous)
        release(k, m->stream, m->ts_local_ns);
    return result;
}

static void note_latency(const ida_intake *k, const ida_arrival *m)
{
    ida_intake_connection *c = &k->connections[m->connection];
    int64_t ns;
    if (m->ts_venue_ns < 0)
        return;
    if (__builtin_sub_overflow(m->ts_local_ns + k->clock_ns, m->ts_venue_ns, &ns) || ns < 0) {
        c->ahead++;
        return;
    }
    int64_t us = ns / 1000;
    int bucket = us > 1 ? 63 - __builtin_clzll((uint64_t)us) : 0;
    c->latency[bucket < IDA_INTAKE_BUCKETS ? bucket : IDA_INTAKE_BUCKETS - 1]++;
}

/* The ids of a record that was decoded in full. */
static void take_ids(const ida_record *record, ida_arrival *m)
{
    const ida_depth *d = (const ida_depth *)record;
    m->ts_venue_ns = record->flags & IDA_FLAG_NO_VENUE_TIME ? IDA_NO_VENUE_TIME : record->ts_venue_ns;
    m->digest = 0;
    switch (record->kind) {
    case IDA_DEPTH:
        m->first_id = d->previous_id >= 0 ? d->previous_id + 1 : d->first_id;
        m->last_id = d->last_id;
        return;
    case IDA_SNAPSHOT:
    case IDA_PARTIAL:
        m->first_id = m->last_id = d->last_id;
        return;
    case IDA_TRADE:
        m->first_id = m->last_id = ((const ida_trade *)record)->trade_id;
        return;
    case IDA_QUOTE:
        m->first_id = m->last_id = ((const ida_quote *)record)->update_id;
        return;
    default:
        m->first_id = m->last_id = record->ts_venue_ns;
    }
}

static ida_intake_stream *stream_named(const ida_intake *k, const ida_message *w)
{
    const ida_span *name = &w->outer.at[IDA_KEY_STREAM];
    char scratch[NAME];
    const char *text;
    size_t length;
    if (!ida_fields_has(&w->outer, IDA_KEY_STREAM) || name->type != '"' ||
        ida_message_text(name, scratch, sizeof scratch, &text, &length) != IDA_OK)
        return NULL;
    return stream_of(k, text, length);
}

/* A message in no form that the peek knows: it is decoded to see what it is. */
static int take_the_long_way(ida_intake *k, ida_arrival *m)
{
    size_t room = room_for(m->bytes);
    void *out = ida_inlet_room(k->inlet, room);
    ida_message w = {.decoder = k->decoder, .text = m->text, .end = m->text + m->bytes, .limit = m->text + m->bytes,
                     .ts_local_ns = m->ts_local_ns, .default_symbol = -1, .microseconds = -1,
                     .trial = 1};
    if (!out)
        return IDA_SHOWN;
    ida_status status = ida_message_decode(&w, out, room);
    ida_intake_stream *s = stream_named(k, &w);
    ida_binance_problem problem = {status, 0, w.rule, w.passable, 0};
    int is_whole = status == IDA_OK || is_off_tick(status, &problem);
    if (!is_whole && status != IDA_EMPTY) {
        problem.offset = (uint32_t)(w.fault - m->text);
        note_problem(k, s, m->connection, m->ts_local_ns, &problem);
    }
    if (!is_whole || !s)
        return IDA_SHOWN;
    take_ids(out, m);
    m->stream = (uint32_t)(s - k->streams);
    note_latency(k, m);
    return arbitrate(k, m);
}

static int take(ida_intake *k, ida_arrival *m)
{
    ida_binance_peeked peeked;
    if (!ida_binance_peek(m->text, m->bytes, &peeked))
        return take_the_long_way(k, m);
    ida_intake_stream *s = stream_of(k, peeked.name, peeked.name_length);
    if (!s)
        return IDA_SHOWN;
    if (!ida_binance_peek_ids(&peeked, s->form, m))
        return take_the_long_way(k, m);
    m->stream = (uint32_t)(s - k->streams);
    note_latency(k, m);
    return arbitrate(k, m);
}

int ida_intake_sink(void *source, const char *text, size_t bytes, int64_t ts_local_ns)
{
    const ida_intake_source *from = source;
    ida_intake *k = from->intake;
    ida_intake_connection *c = &k->connections[from->connection];
    ida_arrival m = {.connection = from->connection, .ts_local_ns = ts_local_ns, .text = text, .bytes = bytes};
    c->messages++;
    c->bytes += (int64_t)bytes;
    c->last_ns = ts_local_ns;
    if (ida_arbiter_due(k->arbiter) <= ts_local_ns)
        ida_intake_expire(k, ts_local_ns);
    int result = take(k, &m);
    c->shown += result == IDA_SHOWN;
    return result;
}

/* As a message of the stream that it belongs to: btcusdt@depth@snapshot. */
static void record_snapshot(ida_intake *k, uint32_t instrument, const char *body, size_t bytes, int64_t ts_local_ns)
{
    static const char suffix[] = "@depth@snapshot";
    const char *symbol = ida_binance_look(k->decoder, instrument)->name;
    char name[sizeof(((ida_binance_symbol *)0)->name) + sizeof suffix] = {0};
    size_t length = 0;
    for (; symbol[length]; length++)
        name[length] = (char)(symbol[length] >= 'A' && symbol[length] <= 'Z' ? symbol[length] + 32 : symbol[length]);
    memcpy(name + length, suffix, sizeof suffix);
    ida_recorder_write_as(k->recorder, ts_local_ns, name, body, bytes);
}

ida_status ida_intake_snapshot(ida_intake *k, uint32_t instrument, const char *body, size_t bytes, int64_t ts_local_ns,
                               ida_binance_problem *problem)
{
    if (instrument >= ida_binance_symbols(k->decoder))
        return refuse(problem, IDA_UNKNOWN, "no such instrument");
    ida_status status = commit(k, ANSWER, body, bytes, instrument, &ts_local_ns, problem);
    if (status == IDA_OK && k->recorder)
        record_snapshot(k, instrument, body, bytes, ts_local_ns);
    return status;
}

void ida_intake_set_recorder(ida_intake *k, ida_recorder *recorder)
{
    k->recorder = recorder;
}

/* ---- connections ------------------------------------------------------------------------------------------- */

void ida_intake_opened(ida_intake *k, uint32_t connection, int64_t now_ns)
{
    if (connection >= k->connection_count)
        return;
    ida_arbiter_opened(k->arbiter, connection);
    k->connections[connection].opened_ns = now_ns;
}

void ida_intake_closed(ida_intake *k, uint32_t connection, int64_t now_ns)
{
    if (connection >= k->connection_count)
        return;
    ida_arbiter_closed(k->arbiter, connection);
    for (uint32_t i = 0; i < k->capacity; i++)
        if (k->streams[i].used && k->streams[i].contiguous)
            release(k, i, now_ns);
}

const ida_intake_stream *ida_intake_look_stream(const ida_intake *k, uint32_t index)
{
    return index < k->capacity ? &k->streams[index] : NULL;
}

const ida_arbiter_view *ida_intake_look_ids(const ida_intake *k, uint32_t index)
{
    return ida_arbiter_look(k->arbiter, index);
}

const ida_intake_connection *ida_intake_look_connection(const ida_intake *k, uint32_t connection)
{
    return connection < k->connection_count ? &k->connections[connection] : NULL;
}

ida_intake_source *ida_intake_source_of(ida_intake *k, uint32_t connection)
{
    return connection < k->connection_count ? &k->sources[connection] : NULL;
}

/* ---- making ------------------------------------------------------------------------------------------------ */

ida_intake *ida_intake_new(ida_binance *decoder, ida_inlet *inlet, size_t streams, size_t connections, int64_t hold_ns,
                           size_t hold_bytes)
{
    ida_intake *k = calloc(1, sizeof *k);
    size_t slots = 4;
    if (!k || !(k->arbiter = ida_arbiter_new(streams, connections, hold_ns, hold_bytes))) {
        free(k);
        return NULL;
    }
    while (slots < 2 * streams)
        slots *= 2;
    k->decoder = decoder;
    k->inlet = inlet;
    k->capacity = streams;
    k->mask = slots - 1;
    k->connection_count = connections;
    k->streams = calloc(streams, sizeof *k->streams);
    k->slots = calloc(slots, sizeof *k->slots);
    k->connections = calloc(connections, sizeof *k->connections);
    k->sources = calloc(connections, sizeof *k->sources);
    if (!k->streams || !k->slots || !k->connections || !k->sources) {
        ida_intake_free(k);
        return NULL;
    }
    for (uint32_t i = 0; i < connections; i++) {
        k->sources[i] = (ida_intake_source){k, i, 0};
        k->connections[i].opened_ns = k->connections[i].problem_ns = k->connections[i].last_ns = -1;
    }
    return k;
}

void ida_intake_free(ida_intake *k)
{
    if (!k)
        return;
    ida_arbiter_free(k->arbiter);
    free(k->streams);
    free(k->slots);
    free(k->connections);
    free(k->sources);
    free(k);
}
