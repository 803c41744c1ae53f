/* market.h - one instrument as we see it: sync + book + last trade + counts, kept by applying records. The live
 * path, the simulated one and the folds over a journal all go through ida_market_apply. One thread. */
#ifndef IDA_MARKET_H
#define IDA_MARKET_H
#include "book.h"
#include "sync.h"

enum ida_change {
    IDA_CHANGED_BOOK = 1,   /* levels changed, and the book is in step */
    IDA_CHANGED_TOP = 2,    /* best bid or ask, price or quantity */
    IDA_CHANGED_STATE = 4,  /* in step <-> not in step */
    IDA_CHANGED_LAST = 8,   /* last trade price */
    IDA_CHANGED_GAP = 16,   /* a gap was found by this record */
    IDA_CHANGED_FAULT = 32, /* the record could not be applied (range, page pool): book given up, state WAITING */
    IDA_CHANGED_CROSSED = 64, /* bid >= ask after this record: book given up, state WAITING */
    IDA_CHANGED_SILENT = 128, /* no record's doing: the depth stream was not heard of for too long */
    IDA_CHANGED_HEARD = 256,  /* no record's doing: after that it was heard of again */
    IDA_CHANGED_DISPROVED = 512 /* one quote after the other tells another best than the book: given up, state WAITING */
};

/* Counts by ida_kind 1..9 (index kind); everything a strategy may read about the market, by pointer. */
typedef struct ida_market_view {
    int32_t synced;         /* 1: the book is in step and to be trusted */
    int32_t silent;         /* 1: its depth stream is not heard of */
    int64_t ts_venue_ns;    /* of the last record applied */
    int64_t ts_local_ns;
    int64_t ts_book_ns;     /* local time of the last record that changed the book */
    int64_t last_price;     /* of the last on-book trade; -1 before */
    int64_t last_quantity;
    int64_t quote_bid, quote_bid_quantity, quote_ask, quote_ask_quantity, quote_id; /* last IDA_QUOTE; id -1 before */
    int64_t mark_e8, index_e8, funding_rate_e8, next_funding_ns; /* last IDA_MARK; mark_e8 -1 before */
    int64_t count[10];      /* records by kind */
    int64_t off_book;       /* trades that were flagged so, or had no price above 0 */
    int64_t crossed;        /* times the book was given up because bid >= ask */
    int64_t faults;
    int64_t quotes_compared;  /* books compared with the newest quote at or before their update id */
    int64_t quotes_mismatched;
    int64_t mismatch_id;    /* update id of the last mismatch */
    int64_t trade_holes;    /* places where ids of trades (of aggregates by themselves) are missing, and ... */
    int64_t trades_missing; /* ... how many; only where the venue numbers them one by one does that tell of a loss */
    int64_t disproved;      /* times the book was given up because the venue's own best bid and ask said otherwise */
    int64_t left_known;     /* times the best of a side in step came to lie beyond what the snapshot told of */
} ida_market_view;

/* Somebody who looks at each record after it was applied. `turn`: the market came into step, or lost it, without a
 * record; lost: what follows may have a hole. */
typedef struct ida_observer {
    void (*see)(void *state, const ida_record *record, int changes);
    void (*turn)(void *state, int lost);
    void (*free)(void *state);
    void *state;
} ida_observer;

typedef struct ida_market ida_market;
ida_market *ida_market_new(int chain, size_t pages, int64_t max_price, size_t buffer_bytes);
void ida_market_free(ida_market *m);
/* Applies one record of kind 1..9 and answers what changed (ida_change bits). Other kinds change nothing. */
int ida_market_apply(ida_market *m, const ida_record *record);
/* The stream was lost: not in step until a snapshot comes. */
void ida_market_reset(ida_market *m);
/* Whether its depth stream is not heard of: while it is not, the book is not in step, whatever the chain says. */
void ida_market_set_silent(ida_market *m, int silent);
/* Settles the comparison of quotes and books at the end of the data. */
void ida_market_finish(ida_market *m);
/* At most one; the market frees it. IDA_FULL: there is one already. */
ida_status ida_market_observe(ida_market *m, const ida_observer *observer);
const ida_observer *ida_market_observer(const ida_market *m);
/* Where the time stands that the market is looked at in; without one its own last record's time is all it knows. */
void ida_market_set_clock(ida_market *m, const int64_t *now_ns);
int64_t ida_market_now(const ida_market *m);
/* In step, and best bid and best ask lie where the book is complete: what it shows as best is. The book's own range
 * (ida_book_known) is that of nothing while the market is not in step. */
int ida_market_is_known(const ida_market *m);
const ida_market_view *ida_market_look(const ida_market *m);
const ida_sync_view *ida_market_sync(const ida_market *m);
int64_t ida_market_kept_id(const ida_market *m); /* as ida_sync_kept_id */
ida_book *ida_market_book(ida_market *m);

#endif
