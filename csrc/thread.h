/* thread.h - a named thread that runs without the GIL, pinned to a core where that is wanted. */
#ifndef IDA_THREAD_H
#define IDA_THREAD_H
#include "status.h"

typedef struct ida_thread ida_thread;
typedef void (*ida_thread_body)(void *argument);
/* Starts at once. cpu: a core to pin to, or -1. A core that cannot be had is not an error: ask ida_thread_cpu.
 * name: at most 15 bytes are kept. NULL: no thread could be started. */
ida_thread *ida_thread_start(ida_thread_body body, void *argument, int cpu, const char *name);
/* Waits for the body to return, then frees. */
void ida_thread_join(ida_thread *thread);
/* The core it is pinned to, or -1. */
int ida_thread_cpu(const ida_thread *thread);

#endif
