#include "thread.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 16 }; /* what the kernel keeps, with the NUL */

struct ida_thread {
    pthread_t id;
    ida_thread_body body;
    void *argument;
    int cpu;
    char name[NAME_BYTES];
};

static void *run(void *argument)
{
    ida_thread *thread = argument;
    thread->body(thread->argument);
    return NULL;
}

/* Whether the thread will run on that core alone. */
static int pin(pthread_attr_t *attributes, int cpu)
{
#if defined(__linux__)
    cpu_set_t mine, wanted;
    if (cpu < 0 || cpu >= CPU_SETSIZE || sched_getaffinity(0, sizeof mine, &mine) || !CPU_ISSET(cpu, &mine))
        return 0;
    CPU_ZERO(&wanted);
    CPU_SET(cpu, &wanted);
    return !pthread_attr_setaffinity_np(attributes, sizeof wanted, &wanted);
#else
    return 0;
#endif
}

/* Starts it with all signals blocked: they belong to the threads of the program, which know what to do. */
static int start(ida_thread *thread, int cpu)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    if (pthread_attr_init(&attributes))
        return -1;
    thread->cpu = pin(&attributes, cpu) ? cpu : -1;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&thread->id, &attributes, run, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return failed;
}

ida_thread *ida_thread_start(ida_thread_body body, void *argument, int cpu, const char *name)
{
    ida_thread *thread = calloc(1, sizeof *thread);
    if (!thread)
        return NULL;
    thread->body = body;
    thread->argument = argument;
    strncpy(thread->name, name, NAME_BYTES - 1);
    if (start(thread, cpu)) {
        free(thread);
        return NULL;
    }
#if defined(__linux__)
    pthread_setname_np(thread->id, thread->name);
#endif
    return thread;
}

void ida_thread_join(ida_thread *thread)
{
    if (!thread)
        return;
    pthread_join(thread->id, NULL);
    free(thread);
}

int ida_thread_cpu(const ida_thread *thread)
{
    return thread->cpu;
}
