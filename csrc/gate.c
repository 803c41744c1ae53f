#include "gate.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum { NS_PER_S = 1000000000 };

struct ida_gate {
    pthread_mutex_t lock;
    pthread_cond_t news[2];
};

static int make(ida_gate *gate, const pthread_condattr_t *clock)
{
    return pthread_mutex_init(&gate->lock, NULL) || pthread_cond_init(&gate->news[IDA_WORK], clock)
        || pthread_cond_init(&gate->news[IDA_DONE], clock);
}

ida_gate *ida_gate_new(void)
{
    pthread_condattr_t clock;
    ida_gate *gate = calloc(1, sizeof *gate);
    if (!gate || pthread_condattr_init(&clock)) {
        free(gate);
        return NULL;
    }
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    int failed = make(gate, &clock);
    pthread_condattr_destroy(&clock);
    if (!failed)
        return gate;
    free(gate);
    return NULL;
}

void ida_gate_free(ida_gate *gate)
{
    if (!gate)
        return;
    pthread_cond_destroy(&gate->news[IDA_DONE]);
    pthread_cond_destroy(&gate->news[IDA_WORK]);
    pthread_mutex_destroy(&gate->lock);
    free(gate);
}

void ida_gate_enter(ida_gate *gate)
{
    pthread_mutex_lock(&gate->lock);
}

void ida_gate_leave(ida_gate *gate)
{
    pthread_mutex_unlock(&gate->lock);
}

void ida_gate_wait(ida_gate *gate, int news)
{
    pthread_cond_wait(&gate->news[news], &gate->lock);
}

void ida_gate_wait_until(ida_gate *gate, int news, int64_t until_ns)
{
    struct timespec until = { .tv_sec = until_ns / NS_PER_S, .tv_nsec = until_ns % NS_PER_S };
    pthread_cond_timedwait(&gate->news[news], &gate->lock, &until);
}

void ida_gate_tell(ida_gate *gate, int news)
{
    pthread_cond_signal(&gate->news[news]);
}

int64_t ida_gate_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}
