/* timeline.h - simulated time: merges what the exchange does and what we see, in one order that is the same every
 * time. Exchange side: recorded feeds in venue order, or agents; each instrument has a matching engine. Our side:
 * the same feeds in local order, each instrument has a market (market.h). Between them requests and responses
 * travel as tokens with the times the caller chose. Silent events never leave C.
 * At equal times: exchange's market events, requests arriving, market data reaching us, responses reaching us; and
 * within each, order of adding, then of scheduling. The exchange's clock is ours here: a feed's venue stamps are
 * shifted by its clock offset (never later than the local stamp).
 * Live, an inlet stands in the place of the feeds (ida_timeline_set_inlet): the exchange's side sees a record when it
 * reaches us, and time is what the caller says it is. */
#ifndef IDA_TIMELINE_H
#define IDA_TIMELINE_H
#include "agents.h"
#include "feed.h"
#include "inlet.h"
#include "journal.h"
#include "watch.h"

enum ida_happening {
    IDA_AT_END = 0,      /* the end of all sources, and nothing under way */
    IDA_AT_TIME = 1,     /* reached the time asked for; now is that time */
    IDA_AT_BOOK = 2,     /* the book of `instrument` changed as subscribed to (see changes) */
    IDA_AT_RECORD = 3,   /* a market record reached us that is subscribed to */
    IDA_AT_STATE = 4,    /* our book came into step, lost it, or was given up (see changes); record: what did it */
    IDA_AT_ARRIVAL = 5,  /* a request token reached the exchange */
    IDA_AT_REPORTS = 6,  /* the matching engine of `instrument` has made reports, or is alarmed (a recorded or
                            synthetic event did it) */
    IDA_AT_DELIVERY = 7, /* a response token reached us */
    IDA_AT_FUNDING = 8,  /* a funding time was reached at the exchange; record: the last ida_mark published before it */
    IDA_AT_FAILURE = 9,  /* status says why: IDA_NO_SPACE or IDA_IO of the journal, IDA_RANGE or IDA_FULL of a book */
    IDA_AT_PAUSE = 10,   /* nothing that concerns anybody, for some time: look around, and go on by calling again */
    IDA_AT_TOLD = 11,    /* live: the turn of what the inlet's mark stands for */
    IDA_AT_BEHIND = 12   /* live: wakings for books are conflated from here on (changes 1), no longer (0); told[0]: ns
                            that it is behind, told[1]: wakings left out since the beginning */
};

typedef struct ida_event {
    int32_t what;             /* ida_happening */
    int32_t changes;          /* ida_change bits, of BOOK, RECORD and STATE */
    uint32_t instrument;
    int32_t status;
    int64_t now_ns;           /* simulated time, ours */
    uint64_t token;
    const ida_record *record; /* of RECORD, STATE (NULL if it is IDA_CHANGED_SILENT or _HEARD) and FUNDING; valid until
                                 the next call */
    int64_t told[9];          /* of RECORD: its kind alone, or the whole ida_trade or ida_quote, to be read at once; of
                                 STATE without a record: age of the last proof of life, and its bound */
} ida_event;

typedef struct ida_timeline ida_timeline;
/* tokens: how many requests can be under way at once; for responses more room is made where it is needed. */
ida_timeline *ida_timeline_new(uint32_t instruments, size_t tokens);
void ida_timeline_free(ida_timeline *t);
/* chain as in sync.h. Both books are made here, with their matching engine (as ida_match_new); where orders is 0, our
 * side alone: for a live market whose exchange is a real one. */
ida_status ida_timeline_add_instrument(ida_timeline *t, int chain, size_t pages, int64_t max_price,
                                       int queue_model, double power, size_t orders);
/* A checked feed file, kept mapped by the caller as long as the timeline. map[i]: the timeline's instrument of
 * the file's instrument i, or -1 to leave it out. offset_ns: local minus venue clock, taken off. Several feeds of
 * one instrument may follow each other. */
ida_status ida_timeline_add_feed(ida_timeline *t, const void *file, const int32_t *map, uint32_t instruments,
                                 int64_t offset_ns);
/* A synthetic market for an instrument that has no feed. */
ida_status ida_timeline_add_agents(ida_timeline *t, uint32_t instrument, const ida_agents_config *config);
/* Live, from start_ns on, without an end: the inlet's instrument i is the timeline's; neither feeds nor agents. delay_ns:
 * while the oldest that waits is older than that, wakings for books are left out, but for the last of each instrument,
 * told when it has caught up (IDA_AT_BEHIND before and after); no other waking is. IDA_STATE: there are feeds or
 * agents. */
ida_status ida_timeline_set_inlet(ida_timeline *t, ida_inlet *inlet, int64_t start_ns, int64_t delay_ns);
/* How old, at most, proof of life of an instrument's depth stream may be. Nothing is told, of any instrument, while one
 * has older proof, before IDA_AT_STATE has told so with IDA_CHANGED_SILENT; and from then on its book is not in step,
 * until proof of half that age at most has come: IDA_CHANGED_HEARD. INT64_MAX: any age, as at first. Age is reckoned by the later of the timeline's time
 * and the real one, once for all that happens at one moment. */
void ida_timeline_set_staleness(ida_timeline *t, uint32_t instrument, int64_t bound_ns);
/* Where the caller writes the machine's time before each call of next, live. */
int64_t *ida_timeline_real(ida_timeline *t);
/* When something is to be done next, a happening or not (live: is due by itself, or waits); INT64_MAX: never. What
 * ida_timeline_next did is before it. */
int64_t ida_timeline_due(ida_timeline *t);
/* As watch.h has it. */
void ida_timeline_subscribe(ida_timeline *t, uint32_t instrument, uint32_t subscription, int64_t interval_ns);
/* Market records that reach us are appended there; NULL: nowhere. */
void ida_timeline_set_journal(ida_timeline *t, ida_journal *journal);
/* Simulated end of a market that has none: afterwards only what is under way is delivered. */
void ida_timeline_set_end(ida_timeline *t, int64_t end_ns);
/* at_ns earlier than now is taken as now. IDA_FULL: too many requests under way, or no memory for a response. */
ida_status ida_timeline_send(ida_timeline *t, int64_t at_ns, uint64_t token);    /* -> IDA_AT_ARRIVAL */
ida_status ida_timeline_respond(ida_timeline *t, int64_t at_ns, uint64_t token); /* -> IDA_AT_DELIVERY */
/* Goes on to the next happening at or before until_ns; after some milliseconds of work without one it says PAUSE, all
 * that happens at that time being done. */
int ida_timeline_next(ida_timeline *t, int64_t until_ns, ida_event *event);
/* After a change of a whole market by one of our requests: let the agents publish it. */
ida_status ida_timeline_publish(ida_timeline *t, uint32_t instrument);
int64_t ida_timeline_now(const ida_timeline *t);
int64_t ida_timeline_first(const ida_timeline *t); /* local time of the first record of all; -1 without one */
uint64_t ida_timeline_rows(const ida_timeline *t); /* levels, trades and quotes that reached us */
int64_t ida_timeline_last(const ida_timeline *t);  /* local time of the last record of all feeds; -1 without one */
uint64_t ida_timeline_events(const ida_timeline *t); /* market records that reached us */
ida_market *ida_timeline_market(ida_timeline *t, uint32_t instrument);
ida_match *ida_timeline_match(ida_timeline *t, uint32_t instrument);
const ida_book *ida_timeline_exchange_book(const ida_timeline *t, uint32_t instrument);
int ida_timeline_exchange_ready(const ida_timeline *t, uint32_t instrument); /* its book is in step, and heard of */
/* Live: depth records that the exchange's book could not hold, so that it waits for a snapshot. */
uint64_t ida_timeline_exchange_faults(const ida_timeline *t, uint32_t instrument);
/* Aggregate trades that the exchange passed over because their single trades are in the feeds too. */
uint64_t ida_timeline_doubled(const ida_timeline *t, uint32_t instrument);
/* Its market has made its last book change and trade, before now: from here on nothing would answer an order. */
int ida_timeline_exchange_over(const ida_timeline *t, uint32_t instrument);

#endif
