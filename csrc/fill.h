/* fill.h - inside the matching engine (match.h): its state, and what happens to one order - fills, lots lost,
 * reports, its end. What placing, taking and following a recording share. */
#ifndef IDA_FILL_H
#define IDA_FILL_H
#include "match.h"
#include "recorded.h"
#include "stops.h"

struct ida_match {
    ida_orders *orders;
    ida_stops *stops;
    ida_recorded *recorded; /* NULL: a whole market */
    ida_book *outside;
    const ida_book *own;
    ida_report *reports;
    size_t report_count, report_capacity;
    ida_report unwanted;    /* where reports go that nobody is to see */
    ida_print *prints;      /* a ring of print_mask + 1 */
    uint64_t print_first, print_next;
    size_t print_mask;
    ida_order *elected, *last_elected; /* stops set free, linked by `later`, in order */
    int64_t last_price;
    uint64_t trades;
    int64_t now;            /* of the call under way */
    int model;
    double power;
    uint32_t first_account;
    int64_t max_price, most_lots;
    int64_t alarm_low, alarm_high; /* last prices that somebody wants to hear of */
    size_t reducing;        /* open reduce-only orders */
    size_t parts;           /* of open icebergs, at most */
    int has_overreached;    /* some may have more leaves than they could close */
};

/* Whether a taker may go on after one step of taking. */
enum ida_progress { IDA_GO_ON, IDA_NO_MORE, IDA_ENDED };

int ida_fill_is_market(int type);
/* Whether an order of `side` with this limit trades at `price`. */
int ida_fill_reaches(int side, int64_t limit, int64_t price);
/* The worst price it takes. */
int64_t ida_fill_limit(int type, int side, int64_t price);
int64_t ida_fill_own_best(const ida_match *m, int side);
/* The best recorded price with anything left; -1 for none, and in a whole market. */
int64_t ida_fill_recorded_best(const ida_match *m, int side);
/* Lots the order would have at this price. */
int64_t ida_fill_wanted(const ida_order *o, int64_t price);

enum { IDA_FILL_PARTS = 4096 };
/* Parts that an iceberg is shown in; 0 of other orders. */
size_t ida_fill_parts(int64_t quantity, int64_t iceberg);
/* What one call can report at most, of so many open orders, parts of icebergs and of recorded levels that are taken. */
size_t ida_fill_most_reports(size_t orders, size_t parts, size_t levels);
int ida_fill_has_room(const ida_match *m, size_t levels);
void ida_fill_describe(const ida_order *o, int status, ida_report *r);
/* There must be room. */
void ida_fill_report(ida_match *m, const ida_order *o, int execution, int status, int reason);
/* Reports, and lets go of the order. */
void ida_fill_end(ida_match *m, ida_order *o, int execution, int status, int reason);

/* A trade: maker against taker; a taker against the recording; a resting order against the recording. Reports the
 * maker first. They return what became of the taker, or of the resting order. */
enum ida_progress ida_fill_meet(ida_match *m, ida_order *taker, ida_order *maker);
enum ida_progress ida_fill_take(ida_match *m, ida_order *taker, int64_t price, int64_t lots);
enum ida_progress ida_fill_resting(ida_match *m, ida_order *o, int64_t lots, int reason);
/* The next part of an iceberg, if its turn has come. */
void ida_fill_refill(ida_match *m, ida_order *o);
/* Only one of a pair may be filled: expires the other one, if there is one. */
void ida_fill_end_pair(ida_match *m, ida_order *o);
/* Whether it would open a position. */
int ida_fill_overreaches(const ida_order *o);
/* Expires it. */
void ida_fill_expire_overreaching(ida_match *m, ida_order *o);
/* Expires all that would; no stop may be set free and not yet started. */
void ida_fill_expire_all_overreaching(ida_match *m);
/* Self-trade prevention instead of a trade, in the taker's mode. */
int ida_fill_is_self(const ida_order *taker, const ida_order *maker);
enum ida_progress ida_fill_prevent(ida_match *m, ida_order *taker, ida_order *maker);
/* Stops that the price reaches are set free, to be started when the order under way is done. */
void ida_fill_move_last_price(ida_match *m, int64_t price);

#endif
