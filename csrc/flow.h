/* flow.h - what a market has been doing lately: sums and samples over windows of time that end now, kept as its
 * records are applied. Everything that is counted is written down at each whole 100 ms since 1970 (a mark), as it stood
 * before that time; so the sum over any window is one subtraction, exact however long it has gone on, and two markets'
 * samples lie on one grid. A window begins at the last mark at or before now - window_ns. Definitions with their
 * sources: docs/market-state.md. One thread. All memory (1.4 MB, touched as used) is taken at the first ida_flow_of. */
#ifndef IDA_FLOW_H
#define IDA_FLOW_H
#include "market.h"

enum {
    IDA_FLOW_STEP_NS = 100000000, /* from mark to mark */
    IDA_FLOW_MARKS = 8192,        /* that are kept */
    IDA_FLOW_MOST_S = 600,        /* the longest window */
    IDA_FLOW_LATER = 50           /* marks after which the realized spread looks at the mid: 5 s */
};

enum ida_measure {
    IDA_VARIANCE = 0,         /* mean square of the mid's log returns from step to step, per second of a step */
    IDA_BOUGHT = 1,           /* lots that aggressors bought */
    IDA_SOLD = 2,             /* lots that aggressors sold */
    IDA_TRADES = 3,           /* on-book trades */
    IDA_TURNOVER = 4,         /* ticks x lots */
    IDA_ORDER_FLOW = 5,       /* lots: order-flow imbalance of the best prices */
    IDA_ILLIQUIDITY = 6,      /* mean of |log return| / turnover, over seconds with trades: per tick x lot */
    IDA_PRICE_IMPACT = 7,     /* slope of the mid's changes on the signed lots, over seconds: ticks per lot */
    IDA_EFFECTIVE_SPREAD = 8, /* ticks, by lots */
    IDA_REALIZED_SPREAD = 9   /* ticks, by lots */
};

typedef struct ida_flow ida_flow;
/* The market's flow, from now on kept by it: made at the first call; NULL if memory is short, or if somebody else
 * observes the market. Freed with the market. */
ida_flow *ida_flow_of(ida_market *m);
/* An ida_measure as of ida_market_now. Whole numbers are exact up to 2^53, and rounded to as many bits beyond. NaN: not known - the market is not in step,
 * or was not throughout the window, its trades are not known as long, or there were too few of what is averaged; or an
 * argument is out of range: window_ns within IDA_FLOW_STEP_NS .. IDA_FLOW_MOST_S; step_ns (of IDA_VARIANCE) a multiple
 * of IDA_FLOW_STEP_NS and at most a fifth of the window. What is asked changes no later answer. */
double ida_flow_measure(ida_flow *f, int measure, int64_t window_ns, int64_t step_ns);
/* s * |s|, where s is the correlation of the two mids' log returns from step to step, those of which both are known;
 * NaN as above, and if one of the two has not moved. */
double ida_flow_correlation(ida_flow *a, ida_flow *b, int64_t window_ns, int64_t step_ns);

#endif
