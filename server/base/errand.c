#include "base/gate.h"

struct errand {
    struct sched_task task;
    struct gate gate;
    void (*fn)(void *arg);
    void *arg;
};

static void
errand_run(struct sched_task *task)
{
    struct errand *e = SL_CONTAINER_OF(task, struct errand, task);
    e->fn(e->arg);
    gate_pass(&e->gate);
}

void
run_on(struct sched *s, void (*fn)(void *arg), void *arg)
{
    struct errand e = {.task.run = errand_run, .fn = fn, .arg = arg};
    gate_init(&e.gate, 1);
    sched_post(s, &e.task);
    (void)gate_wait(&e.gate, -1);
    gate_fini(&e.gate);
}

void
gate_pause(int64_t ms)
{
    struct gate g;
    gate_init(&g, 1);
    (void)gate_wait(&g, ms); /* nobody passes it */
    gate_fini(&g);
}
