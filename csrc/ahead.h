/* ahead.h - how much recorded quantity stands before a resting order, and how that shrinks (docs/fills.md has the
 * formulas with worked figures). Pure. */
#ifndef IDA_AHEAD_H
#define IDA_AHEAD_H
#include "status.h"

/* How the recorded quantity ahead of a resting order shrinks (hftbacktest's documentation names the families). */
enum ida_queue_model {
    IDA_QUEUE_RISK_AVERSE = 0, /* only trades advance us; a shrinking level never does, except that the queue
                                  ahead is never more than the level */
    IDA_QUEUE_POWER = 1,       /* prob(front, back) = f(back) / (f(back) + f(front)), f(x) = x^n */
    IDA_QUEUE_LOG = 2          /* the same with f(x) = log(1 + x) */
};

typedef struct ida_ahead {
    double front;   /* lots, in steps of 2^-20; below 0: the order stands in no recorded queue */
    int64_t traded; /* lots traded at the price since the level was last shown */
} ida_ahead;

/* It joins the queue of a recorded level of so many lots. */
void ida_ahead_start(ida_ahead *ahead, int64_t recorded);
/* Lots ahead, the last one begun counted whole. */
int64_t ida_ahead_lots(const ida_ahead *ahead);
/* `quantity` lots trade at the price, of which `reach` get as far as the queue before this order (our earlier
 * orders had the rest). Returns the lots that go beyond that queue. */
int64_t ida_ahead_trade(ida_ahead *ahead, int64_t quantity, int64_t reach);
/* The level is shown again: it was `previous` lots and is `present` now. */
void ida_ahead_depth(ida_ahead *ahead, int model, double power, int64_t previous, int64_t present);

#endif
