/* inlet.h - how market records come into a run while it goes on: whoever receives writes them in place, one after the
 * other, into a bounded ring of bytes; the timeline (or ida_inlet_drain) takes them out in that order. One thread.
 * Local times never fall: a record that comes late is told at the time of the one before it. */
#ifndef IDA_INLET_H
#define IDA_INLET_H
#include "market.h"

enum { IDA_INLET_LEAST = 4096 };

/* A kind of record that never leaves the ring: proof that an instrument's depth stream lives. */
enum { IDA_ALIVE = 31 };

typedef struct ida_inlet_view {
    uint64_t committed; /* market records that came in */
    uint64_t entered;   /* those, and proofs of life: the place of what comes next */
    uint64_t taken;     /* of these, how many went out */
    uint64_t refused;   /* times that room was asked for in vain */
    uint64_t unheard;   /* proofs of life for which there was no room */
    uint64_t raised;    /* records whose local time was raised */
    uint64_t bytes;     /* that wait */
    int64_t oldest_ns;  /* local time of the oldest that waits; -1: nothing waits */
    int64_t newest_ns;  /* local time of the last that came in; -1 before the first */
} ida_inlet_view;

typedef struct ida_inlet ida_inlet;
/* bytes: of the ring, at least IDA_INLET_LEAST; a record can be as long as half of it. NULL: less, no instrument, or
 * memory is short. */
ida_inlet *ida_inlet_new(size_t bytes, uint32_t instruments);
void ida_inlet_free(ida_inlet *n);
/* Where the next record of up to `bytes` may be written: contiguous, 8-aligned; its contents are old. NULL: full. Good
 * until anything else is asked of the inlet; to ask again, or not to commit, changes nothing. */
void *ida_inlet_room(ida_inlet *n, size_t bytes);
/* Publishes the record written there (its crc need not be set); ts_local_ns is raised to that of the one before, and to
 * the time that the run has come to. IDA_STATE: no room was asked for. IDA_BAD: its length is none, is more than was
 * asked for, or does not fit its kind, or it is no market record. IDA_UNKNOWN: no such instrument. Nothing is published
 * then. */
ida_status ida_inlet_commit(ida_inlet *n);
/* As room, copy and commit; IDA_FULL. */
ida_status ida_inlet_push(ida_inlet *n, const ida_record *record);
/* Proof that the depth stream of an instrument lives although nothing comes (a pong on its connection, ...), good for
 * all that was committed before it. A committed IDA_DEPTH is proof too. */
void ida_inlet_alive(ida_inlet *n, uint32_t instrument, int64_t ts_local_ns);
/* For who has no timeline: applies all that waits to the market of its instrument. IDA_RANGE: a book was given up, for a
 * level did not fit (all others are applied). */
ida_status ida_inlet_drain(ida_inlet *n, ida_market *const *markets);
const ida_inlet_view *ida_inlet_look(const ida_inlet *n);

/* The side that takes. What was taken stays where it is until the next call of take. */
const ida_record *ida_inlet_peek(const ida_inlet *n); /* the oldest that waits, IDA_ALIVE among them; NULL: none */
const ida_record *ida_inlet_take(ida_inlet *n);       /* the same, taken; NULL gives back the one before */
/* What is committed from here on is not earlier than that. */
void ida_inlet_raise(ida_inlet *n, int64_t least_ns);
/* A mark behind the first `place` that entered, to be told when they are taken, not before that time (nor is what enters
 * from here on); one at a time, UINT64_MAX: none. */
void ida_inlet_mark(ida_inlet *n, uint64_t place, int64_t ts_local_ns);
int64_t ida_inlet_marked(const ida_inlet *n); /* its time if it is next, else INT64_MAX */

#endif
