/* agents.h - a synthetic market: seeded agents place, cancel and take on the matching engine, for ever.
 * Same seed, same market, whatever the machine (an own generator, and arithmetic that every machine rounds alike).
 *
 * A latent value walks, with a volatility that itself wanders around the configured one. Makers quote in ladders on
 * both sides of it, takers hit what it has left behind or trade on a mood, others place and cancel at random
 * distances: the price follows the value by what they do. Nothing that users do moves the value.
 * Agents' orders have account 0 and ids with bit 63 set; at most some 1,100 are open at once. */
#ifndef IDA_AGENTS_H
#define IDA_AGENTS_H
#include "match.h"

typedef struct ida_agents_config {
    uint64_t seed;
    int64_t start_ns;          /* exchange time at which the market opens; 0 or later */
    int64_t start_price;       /* ticks: from 512 to half the engine's highest price, at most 2^36 */
    int64_t typical_quantity;  /* lots of a typical order: 1 to 2^32 */
    double volatility;         /* of the latent value: fraction per square root of a day, 0 to 10, e.g. 0.03 */
    double events_per_s;       /* mean rate of agents' actions, 1e-6 to 1e6, e.g. 200 */
    int64_t half_spread;       /* ticks from the value at which makers begin to quote: 1 to start_price / 64 */
    int64_t depth_interval_ns; /* diffs are published this often, or sooner when more than a thousand orders have
                                  come, gone or traded; 0: after every action that changed the book; up to an hour */
    int64_t latency_ns;        /* least feed latency: exchange -> us; up to an hour */
    int64_t latency_jitter_ns; /* added: exponential with this mean, never reordering; up to an hour */
} ida_agents_config;

typedef struct ida_agents ida_agents;
/* match: a whole market, not owned, with room for 2,048 orders besides those of users; only the agents read its
 * changes and prints. instrument: stamped on records. NULL if memory is short (rate x latency decides how much is
 * needed, up to 1 GiB) or a value is out of range. The book is seeded at once: the first record is a snapshot. */
ida_agents *ida_agents_new(const ida_agents_config *config, ida_match *match, uint32_t instrument);
void ida_agents_free(ida_agents *a);
/* Exchange time of the next action, or of the next diff if that is earlier. */
int64_t ida_agents_next(const ida_agents *a);
/* Performs the next action and publishes what it changed as records: trades, a quote if the top is another one,
 * depth. Or writes the diff that is due. Update ids are one sequence: the newest quote at or below a diff's last id
 * shows the top that the diff leads to. IDA_FULL: records must be taken first and nothing happened, or the engine
 * had no room (for reports that wait, say) and the action was cut short. */
ida_status ida_agents_step(ida_agents *a);
/* One of our requests changed the market at `now` (not before the last step): publish that too. Call it after every
 * request. IDA_FULL: records must be taken first; what is missing is published with the next action. */
ida_status ida_agents_publish(ida_agents *a, int64_t now);
/* The oldest record not yet taken, by local time; NULL if there is none. Valid until the next call on `a`. */
const ida_record *ida_agents_peek(const ida_agents *a);
void ida_agents_take(ida_agents *a);

#endif
