/* arbiter.h - several connections bring the same streams; each id goes on once, in order, by whichever connection was
 * first. Pure: it decides, the caller decodes and applies. Of a stream whose ids have no holes (IDA_ORDER_CONTIGUOUS)
 * a message that would leave one is held while another connection may still bring what is missing: until hold_ns are
 * over, or every live connection has gone past it. Of the others (IDA_ORDER_RISING) what is newer goes on.
 * One thread; all memory is taken in _new. */
#ifndef IDA_ARBITER_H
#define IDA_ARBITER_H
#include "status.h"

enum ida_order { IDA_ORDER_CONTIGUOUS = 0, IDA_ORDER_RISING = 1 };

enum ida_ruling {
    IDA_GO_ON = 0,   /* apply it now; ida_arbiter_passed if that went well, then ida_arbiter_release until NULL */
    IDA_REPEATED = 1, /* another one brought it: nothing to do */
    IDA_HELD = 2,    /* copied; ida_arbiter_release says whether it goes on at once */
    IDA_CROWDED = 3  /* no room to hold it: let ida_arbiter_expire(INT64_MAX) go on with one, and ask again */
};

enum { IDA_NO_VENUE_TIME = -1 };

/* A message, as far as arbitration looks into it. */
typedef struct ida_arrival {
    uint32_t stream;
    uint32_t connection;
    int64_t first_id;    /* of the ids it covers; not negative */
    int64_t last_id;
    int64_t ts_venue_ns; /* or IDA_NO_VENUE_TIME */
    int64_t ts_local_ns;
    uint64_t digest;     /* of what all copies of it have in common; 0: not to be compared */
    const char *text;
    size_t bytes;
} ida_arrival;

/* A stream, by pointer. */
typedef struct ida_arbiter_view {
    int64_t messages;       /* that went on */
    int64_t duplicates;
    int64_t held;           /* messages that were held, ever; */
    int64_t holding;        /* now */
    int64_t holes;          /* places where ids were left out, and ... */
    int64_t missing;        /* ... how many ids */
    int64_t contradictions; /* copies of one message that differ */
    int64_t restarts;       /* times the ids were found to have begun anew */
    int64_t last_id;        /* that went on; -1 before the first */
    int64_t last_local_ns;  /* of the message that went on last; -1 before the first */
    int64_t last_venue_ns;  /* of the same; -1 where it has none */
    double rate;            /* messages that go on per second, smoothed over some seconds; as of last_local_ns */
} ida_arbiter_view;

typedef struct ida_arbiter ida_arbiter;
/* hold_bytes: for the messages held, those of all streams together. NULL: memory is short, or no stream, no
 * connection, a negative hold_ns. */
ida_arbiter *ida_arbiter_new(size_t streams, size_t connections, int64_t hold_ns, size_t hold_bytes);
void ida_arbiter_free(ida_arbiter *a);
/* Begins or forgets a stream; what was held of it is dropped. stream: below `streams`. */
void ida_arbiter_begin(ida_arbiter *a, uint32_t stream, int order);
/* From now on it is live; what it brought before is of another one, which had its place. A connection is live too from
 * its first message on. One that is closed brings nothing more. */
void ida_arbiter_opened(ida_arbiter *a, uint32_t connection);
void ida_arbiter_closed(ida_arbiter *a, uint32_t connection);
/* An ida_ruling. The text is copied where it is held. */
int ida_arbiter_judge(ida_arbiter *a, const ida_arrival *m);
/* m went on, and it was good: only now its ids are done with. */
void ida_arbiter_passed(ida_arbiter *a, const ida_arrival *m);
/* The next held message of the stream that may go on, or NULL. Good until the next call of judge. */
const ida_arrival *ida_arbiter_release(ida_arbiter *a, uint32_t stream);
/* The same for any stream, of messages whose time is over; what waits before them goes on first. */
const ida_arrival *ida_arbiter_expire(ida_arbiter *a, int64_t now_ns);
/* When the next held message's time will be over; INT64_MAX: none is held. */
int64_t ida_arbiter_due(const ida_arbiter *a);
const ida_arbiter_view *ida_arbiter_look(const ida_arbiter *a, uint32_t stream);

#endif
