/* sync.h - snapshot + diffs -> a gapless book; pure: it decides, the caller applies. One per book.
 * Two rules of chaining exist. IDA_CHAIN_CONTIGUOUS (Binance spot): a diff with last_id <= L is stale, each
 * other one must have first_id <= L+1; usually it begins there, but one that another server cut elsewhere says again
 * what the book has, since quantities are absolute.
 * IDA_CHAIN_PREVIOUS (Binance futures): stale if last_id < L, the first has first_id <= L <= last_id, afterwards
 * previous_id == former last_id. The first may also have previous_id <= L < first_id: nothing happened between the
 * two, so in a quiet market no second snapshot is asked for. Once in step, last_id <= the book's is a duplicate
 * under both rules; but when eight in a row, without one that is applied, happened over a second after the diff applied
 * last, then the exchange's ids have begun anew, and the eighth is a gap. */
#ifndef IDA_SYNC_H
#define IDA_SYNC_H
#include "record.h"

enum ida_chain { IDA_CHAIN_CONTIGUOUS = 0, IDA_CHAIN_PREVIOUS = 1 };

enum ida_verdict {
    IDA_APPLY = 0,        /* a diff in step: apply it now */
    IDA_REPLACE = 1,      /* a snapshot to start from: clear, apply it, then ida_sync_replay until IDA_EMPTY */
    IDA_BUFFERED = 2,     /* kept until a snapshot comes */
    IDA_STALE_DIFF = 3,   /* older than the book: pass over */
    IDA_GAP = 4,          /* the chain broke here: the book is not to be trusted; the diff was kept */
    IDA_OLD_SNAPSHOT = 5, /* older than the first diff kept: a newer one is needed */
    IDA_SPARE_SNAPSHOT = 6, /* in step already: not needed, nothing changed */
    IDA_OVERFLOW = 7      /* the buffer was full: its oldest diffs were dropped, so a newer snapshot is needed */
};

enum ida_sync_state { IDA_WAITING = 0, IDA_FIRST = 1, IDA_SYNCED = 2 };
/* WAITING: no snapshot, or a gap. FIRST: snapshot applied, the first diff must still fit it. SYNCED: in step; under
 * the rule of contiguous ids a snapshot that is ahead of the stream is, for the next diff will join it or show a gap. */

typedef struct ida_sync_view {
    int64_t last_id;   /* of the book; -1 before a snapshot; while WAITING what it was last */
    int64_t snapshot_id;
    int64_t applied;   /* diffs applied, replayed ones included */
    int64_t stale;     /* diffs passed over */
    int64_t buffered;  /* diffs now kept */
    int64_t gaps;
    int64_t snapshots; /* that were used; resyncs are snapshots - 1 */
    int64_t expected_id; /* at the last gap (-1 before): the id that should have come (chain rule's), and ... */
    int64_t found_id;    /* ... the one that came */
    int32_t state;
    int32_t chain;
} ida_sync_view;

typedef struct ida_sync ida_sync;
/* buffer_bytes: for diffs while waiting; all taken here. */
ida_sync *ida_sync_new(int chain, size_t buffer_bytes);
void ida_sync_free(ida_sync *s);
const ida_sync_view *ida_sync_look(const ida_sync *s);
/* first_id of the oldest diff kept, which a snapshot must reach; -1: none is kept. */
int64_t ida_sync_kept_id(const ida_sync *s);
/* depth: kind IDA_SNAPSHOT or IDA_DEPTH. Returns an ida_verdict. */
int ida_sync_judge(ida_sync *s, const ida_depth *depth);
/* After IDA_REPLACE: the next kept diff that is to be applied, or NULL when there is none left (a gap inside the
 * kept diffs ends it too, and counts). The pointer is good until the next call. */
const ida_depth *ida_sync_replay(ida_sync *s);
/* The connection was lost, or the book was found wrong: back to WAITING; counts as no gap. */
void ida_sync_reset(ida_sync *s);

#endif
