/* binance_lines.h - recorded streams, a message a line: `<local stamp> <message>`, the stamp of 19 digits in ns or
 * 16 in us. Fed with any pieces of the text that end where a line ends, gives records in bulk. */
#ifndef IDA_BINANCE_LINES_H
#define IDA_BINANCE_LINES_H
#include "binance_json.h"

enum { IDA_BINANCE_SAMPLES = 4096 };

/* Where a pass over one recording stands, and what it met. Owned by the caller; all 0 to begin, except
 * default_symbol. */
typedef struct ida_binance_pass {
    int64_t line;            /* lines taken so far; after a failure the number of the line at fault, from 1 */
    int64_t records;         /* made so far */
    int64_t last_local_ns;
    size_t taken;            /* bytes of the text that the last call took */
    size_t made;             /* bytes of records that it made ... */
    size_t count;            /* ... and how many records */
    size_t at;               /* where in that text the line at fault begins; */
    size_t length;           /* its bytes, without the line's end */
    int64_t samples;         /* decode times measured: every 16th line */
    int32_t default_symbol;  /* of messages that name none, or -1 */
    int32_t pad;
    uint32_t decode_ns[4096]; /* the newest of them, the i-th at i modulo the room */
} ida_binance_pass;

/* How many messages came by a stream: its name (combined), the event's name (raw), or "rest_snapshot". */
typedef struct ida_binance_stream {
    char name[64];           /* NUL-padded; cut if longer */
    int64_t messages;        /* that became records */
    int64_t ignored;         /* well-formed, but no market data */
} ida_binance_stream;

typedef struct ida_binance_streams ida_binance_streams;
/* At most `most` names are told apart; the others are counted as "". */
ida_binance_streams *ida_binance_streams_new(size_t most);
void ida_binance_streams_free(ida_binance_streams *s);
size_t ida_binance_streams_count(const ida_binance_streams *s);
const ida_binance_stream *ida_binance_streams_look(const ida_binance_streams *s, size_t index);

/* Takes whole lines (each with its '\n') until the text or the room ends or a line fails. Empty lines are passed over.
 * lines: gets the line number of each record; may be NULL. lines_room: how many fit there.
 * IDA_OK: all lines were taken (what stands behind the last '\n' never is). IDA_FULL: no room for the next record.
 * IDA_STATE: a record was made, but its stamp was earlier than its predecessor's, which it was given instead.
 * Any other: the line at pass->at failed as ida_binance_decode says and made no record; problem->offset counts from
 * its beginning. It has been taken: call again to go on behind it. */
ida_status ida_binance_take_lines(ida_binance *b, ida_binance_pass *pass, ida_binance_streams *streams,
                                  const char *text, size_t bytes, void *out, size_t capacity, uint32_t *lines,
                                  size_t lines_room, ida_binance_problem *problem);

#endif
