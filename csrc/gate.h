/* gate.h - a lock with two conditions, by which a thread and its owner wait for each other's news. */
#ifndef IDA_GATE_H
#define IDA_GATE_H
#include "status.h"

enum ida_news {
    IDA_WORK = 0, /* for the thread */
    IDA_DONE = 1  /* for its owner */
};

typedef struct ida_gate ida_gate;
/* NULL: memory is short. */
ida_gate *ida_gate_new(void);
void ida_gate_free(ida_gate *gate);
void ida_gate_enter(ida_gate *gate);
void ida_gate_leave(ida_gate *gate);
/* Inside only: outside while it waits. May end without news. */
void ida_gate_wait(ida_gate *gate, int news);
/* The same until a time of ida_gate_now at the latest. */
void ida_gate_wait_until(ida_gate *gate, int news, int64_t until_ns);
/* Inside, or outside where news may be missed. No system call when nobody waits. */
void ida_gate_tell(ida_gate *gate, int news);
/* Monotonic time in ns; no date. */
int64_t ida_gate_now(void);

#endif
