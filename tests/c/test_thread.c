/* needs: thread */
#include "expect.h"
#include "thread.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>

typedef struct seen {
    int ran;
    int core;
    int signals_blocked;
} seen;

static void look(void *argument)
{
    seen *what = argument;
    sigset_t set;
    pthread_sigmask(SIG_BLOCK, NULL, &set);
    what->signals_blocked = sigismember(&set, SIGINT) && sigismember(&set, SIGTERM);
    what->core = sched_getcpu();
    what->ran = 1;
}

static void test_body_runs_with_signals_blocked(void)
{
    seen what = { 0, -1, 0 };
    sigset_t mine;
    ida_thread *thread = ida_thread_start(look, &what, -1, "a name longer than fifteen bytes");
    EXPECT(ida_thread_cpu(thread) == -1);
    ida_thread_join(thread);
    EXPECT(what.ran && what.signals_blocked);
    pthread_sigmask(SIG_BLOCK, NULL, &mine);
    EXPECT(!sigismember(&mine, SIGINT)); /* the starter's mask is as it was */
}

static int allowed_core(void)
{
    cpu_set_t set;
    sched_getaffinity(0, sizeof set, &set);
    for (int core = CPU_SETSIZE - 1; core >= 0; core--)
        if (CPU_ISSET(core, &set))
            return core;
    return -1;
}

static void test_pinned_before_the_body_runs(void)
{
    seen what = { 0, -1, 0 };
    int core = allowed_core();
    ida_thread *thread = ida_thread_start(look, &what, core, "pinned");
    EXPECT(ida_thread_cpu(thread) == core);
    ida_thread_join(thread);
    EXPECT(what.core == core);
}

static void test_core_that_cannot_be_had(void)
{
    seen what = { 0, -1, 0 };
    ida_thread *thread = ida_thread_start(look, &what, 1 << 20, "nowhere");
    EXPECT(ida_thread_cpu(thread) == -1);
    ida_thread_join(thread);
    EXPECT(what.ran);
    ida_thread_join(NULL);
}

int main(void)
{
    test_body_runs_with_signals_blocked();
    test_pinned_before_the_body_runs();
    test_core_that_cannot_be_had();
    return DONE;
}
