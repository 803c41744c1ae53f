/* binance_intake.h - what comes over redundant connections, into an inlet: which stream and which ids (binance_peek),
 * whether it is new (arbiter), decoded in place (binance_json), committed. All messages are in the combined form,
 * {"stream":..,"data":..}. Fed with messages, it has never seen a socket. One thread; memory is taken in _new. */
#ifndef IDA_BINANCE_INTAKE_H
#define IDA_BINANCE_INTAKE_H
#include "arbiter.h"
#include "binance_json.h"
#include "frames.h"
#include "inlet.h"
#include "recorder.h"

enum {
    IDA_INTAKE_BUCKETS = 32,
    IDA_INTAKE_NAME = 64
};

/* A stream; messages and ids are in its ida_arbiter_view. */
typedef struct ida_intake_stream {
    char name[64];        /* NUL-padded */
    uint32_t instrument;
    int32_t form;         /* ida_binance_form */
    int64_t records;      /* committed */
    int64_t problems;     /* messages that could not be decoded */
    int64_t refused;      /* messages for which the inlet had no room */
    int64_t unasked;      /* events of an array whose symbol is none of ours */
    int32_t contiguous;
    int32_t used;
} ida_intake_stream;

typedef struct ida_intake_connection {
    int64_t opened_ns;     /* local time at which the place was last taken; -1: never */
    int64_t messages;
    int64_t bytes;
    int64_t wins;          /* messages that went on */
    int64_t duplicates;    /* messages that another connection, or this one, had brought */
    int64_t shown;
    int64_t problems;      /* messages that could not be decoded; of the last one: */
    const char *rule;      /* which rule it broke, static text; NULL before the first */
    int32_t status;        /* ida_status */
    uint32_t offset;       /* byte at fault */
    int64_t problem_ns;    /* local time */
    int64_t last_ns;       /* local time of the last message; -1 before */
    int64_t ahead;         /* messages whose event time was later than the local one, by the exchange's clock */
    int64_t latency[32];   /* the others, by the time from event to here: the i-th counts 2^i to 2^(i+1) us, the 0th all
                            * below 2 us; messages without an event time are in none */
} ida_intake_connection;

typedef struct ida_intake ida_intake;
/* What a sink is called with: one per connection, made by ida_intake_source_of. */
typedef struct ida_intake_source {
    ida_intake *intake;
    uint32_t connection;
    uint32_t pad;
} ida_intake_source;

/* decoder and inlet stay the caller's and must live as long; instruments are the decoder's indices and the inlet's.
 * hold_ns: see arbiter.h. NULL: memory is short, or a number cannot be. */
ida_intake *ida_intake_new(ida_binance *decoder, ida_inlet *inlet, size_t streams, size_t connections, int64_t hold_ns,
                           size_t hold_bytes);
void ida_intake_free(ida_intake *k);
/* From now on messages of this stream are taken. instrument: whose it is; UINT32_MAX for a stream of many symbols.
 * IDA_DUPLICATE: it is there; IDA_FULL; IDA_RANGE: the name has 1 to 63 bytes; IDA_UNKNOWN: no such instrument. */
ida_status ida_intake_add_stream(ida_intake *k, const char *name, uint32_t instrument, uint32_t *index);
/* Forgets it with all that is held; what still comes of it is shown. IDA_UNKNOWN. */
ida_status ida_intake_remove_stream(ida_intake *k, const char *name);
/* IDA_UNKNOWN */
ida_status ida_intake_find_stream(const ida_intake *k, const char *name, uint32_t *index);
/* The place is another connection's from now on; it is live, that is, waited for. The counts go on. */
void ida_intake_opened(ida_intake *k, uint32_t connection, int64_t now_ns);
/* It brings nothing more: what is held does not wait for it. */
void ida_intake_closed(ida_intake *k, uint32_t connection, int64_t now_ns);
/* An ida_message_sink (frames.h); `source` is an ida_intake_source. IDA_SHOWN for a control reply, an error, a notice, a
 * stream that is not ours, anything unknown: it is to be shown to whoever reads text. Held messages go on at the time of the message
 * that lets them, or of ida_intake_expire. */
int ida_intake_sink(void *source, const char *text, size_t bytes, int64_t ts_local_ns);
/* The body of a REST depth answer, which names no symbol. IDA_FULL: the inlet has no room; others: *problem says. */
ida_status ida_intake_snapshot(ida_intake *k, uint32_t instrument, const char *body, size_t bytes, int64_t ts_local_ns,
                               ida_binance_problem *problem);
/* What the exchange's clock shows more than ours; 0 until told. Latencies are by its clock. */
void ida_intake_set_clock(ida_intake *k, int64_t ahead_ns);
/* Held messages whose time is over go on, gap or not. */
void ida_intake_expire(ida_intake *k, int64_t now_ns);
/* When the next one's will be; INT64_MAX: nothing is held. */
int64_t ida_intake_due(const ida_intake *k);
/* What is committed is also recorded, in that order, as it came, with the stamp that its record got; what finds no room
 * there is dropped and counted there. NULL: no more. The recorder stays the caller's. */
void ida_intake_set_recorder(ida_intake *k, ida_recorder *recorder);
const ida_intake_stream *ida_intake_look_stream(const ida_intake *k, uint32_t index);
const ida_arbiter_view *ida_intake_look_ids(const ida_intake *k, uint32_t index);
const ida_intake_connection *ida_intake_look_connection(const ida_intake *k, uint32_t connection);
ida_intake_source *ida_intake_source_of(ida_intake *k, uint32_t connection);

#endif
