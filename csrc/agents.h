/* agents.h - a synthetic market: seeded agents place, cancel and take on the matching engine, for ever.
 * Same seed, same market, whatever the machine (integer arithmetic and an own generator decide everything). */
#ifndef IDA_AGENTS_H
#define IDA_AGENTS_H
#include "match.h"

typedef struct ida_agents_config {
    uint64_t seed;
    int64_t start_ns;          /* exchange time of the first action */
    int64_t start_price;       /* ticks */
    int64_t typical_quantity;  /* lots of a typical order */
    double volatility;         /* of the latent value: fraction per square root of a day, e.g. 0.03 */
    double events_per_s;       /* mean rate of agents' actions, e.g. 200 */
    int64_t half_spread;       /* ticks: where makers begin to quote */
    int64_t depth_interval_ns; /* diffs are published this often; 0: after every action that changed the book */
    int64_t latency_ns;        /* median feed latency: exchange -> us */
    int64_t latency_jitter_ns; /* added: exponential with this mean, never reordering */
} ida_agents_config;

typedef struct ida_agents ida_agents;
/* match: a whole market, not owned. instrument: stamped on records. NULL if memory is short or a value is out
 * of range. The book is seeded at once, so that the first record is a snapshot. */
ida_agents *ida_agents_new(const ida_agents_config *config, ida_match *match, uint32_t instrument);
void ida_agents_free(ida_agents *a);
/* Exchange time of the next action. */
int64_t ida_agents_next(const ida_agents *a);
/* Performs the next action and publishes what it changed as records (snapshot, depth, trade, quote). */
ida_status ida_agents_step(ida_agents *a);
/* One of our requests changed the market at `now`: publish that too. */
ida_status ida_agents_publish(ida_agents *a, int64_t now);
/* The oldest record not yet taken, by local time; NULL if there is none. Valid until the next call on `a`. */
const ida_record *ida_agents_peek(const ida_agents *a);
void ida_agents_take(ida_agents *a);

#endif
