/* Actions of the synthetic market a second, in C alone: agents_steps ACTIONS SEED. Prints actions, records and
 * simulated seconds, each for one second of the clock. */
#include "agents.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int count, char **words)
{
    if (count != 3)
        return 2;
    ida_agents_config config = {
        .seed = strtoull(words[2], NULL, 10), .start_ns = 1767225600000000000, .start_price = 6000000,
        .typical_quantity = 1600, .volatility = 0.03, .events_per_s = 200, .half_spread = 1,
        .depth_interval_ns = 100000000, .latency_ns = 2000000, .latency_jitter_ns = 1000000,
    };
    ida_match *match = ida_match_new(NULL, 16 * config.start_price, 1 << 14, 1024, IDA_QUEUE_RISK_AVERSE, 1, 1);
    ida_agents *agents = match ? ida_agents_new(&config, match, 0) : NULL;
    if (!agents)
        return 1;
    long actions = atol(words[1]), records = 0;
    double start = now_s();
    for (long i = 0; i < actions; i++) {
        if (ida_agents_step(agents) != IDA_OK)
            return 1;
        for (; ida_agents_peek(agents); records++)
            ida_agents_take(agents);
    }
    double took = now_s() - start;
    double simulated = (double)(ida_agents_next(agents) - config.start_ns) / 1e9;
    printf("%.0f %.0f %.0f\n", (double)actions / took, (double)records / took, simulated / took);
    ida_agents_free(agents);
    ida_match_free(match);
    return 0;
}
